// etcdload CA CRT KEY ENDPOINT_A ENDPOINT_B CLIENTS SECS BATCH PROBES: CLIENTS goroutines (a connection per 16 of them,
// at least one) put 1 KiB values at member A for SECS, BATCH of them in one transaction; then waits until member B's own (serializable) count has all.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func die(e error) {
	if e != nil {
		fmt.Fprintln(os.Stderr, e)
		os.Exit(1)
	}
}

func event(id uint64) string {
	x := id*0x9E3779B97F4A7C15 + 1
	b := []byte(fmt.Sprintf(`{"id":%d,"origin":"site-a","case":"C%08d","type":"status","item":"cross-province-certificate","applicant":{"name":"x","idno":"%018d"},"state":"accepted","form":"`, id, id/5, x%1000000000000000000))
	for len(b) < 1022 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b = append(b, "0123456789abcdef"[x>>60])
	}
	return string(append(b, '"', '}'))
}

func pct(what string, l []float64) {
	sort.Float64s(l)
	if n := len(l); n > 0 {
		fmt.Printf("%sp50_us %.0f\n%sp99_us %.0f\n%smax_us %.0f\n", what, l[n/2], what, l[n*99/100], what, l[n-1])
	}
}

func main() {
	a := os.Args
	clients, _ := strconv.Atoi(a[6])
	secs, _ := strconv.ParseFloat(a[7], 64)
	batch, _ := strconv.Atoi(a[8])
	probes, _ := strconv.Atoi(a[9])
	ca, e := os.ReadFile(a[1])
	die(e)
	crt, e := tls.LoadX509KeyPair(a[2], a[3])
	die(e)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	dial := func(ep string) *clientv3.Client {
		c, e := clientv3.New(clientv3.Config{Endpoints: []string{ep}, DialTimeout: 10 * time.Second,
			TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{crt}, ServerName: "localhost"}})
		die(e)
		return c
	}
	b := dial(a[5])
	count := func() int64 {
		r, e := b.Get(context.Background(), "e/", clientv3.WithPrefix(), clientv3.WithCountOnly(), clientv3.WithSerializable())
		die(e)
		return r.Count
	}
	conns := make([]*clientv3.Client, (clients+15)/16)
	for i := range conns {
		conns[i] = dial(a[4])
		_, e := conns[i].Get(context.Background(), "x")
		die(e)
	}
	c0, base := count(), uint64(time.Now().UnixNano()/1000) // ids rise slower than a million a second: runs never overlap
	put := func(c *clientv3.Client, id uint64, n int) {
		if n == 1 {
			_, e := c.Put(context.Background(), fmt.Sprintf("e/%020d", id), event(id))
			die(e)
			return
		}
		ops := make([]clientv3.Op, n)
		for i := range ops {
			ops[i] = clientv3.OpPut(fmt.Sprintf("e/%020d", id+uint64(i)), event(id+uint64(i)))
		}
		_, e := c.Txn(context.Background()).Then(ops...).Commit()
		die(e)
	}
	if probes > 0 {
		var l []float64
		for i := 0; i < probes; i++ {
			id := base + uint64(i)
			s := time.Now()
			put(conns[0], id, 1)
			for {
				r, e := b.Get(context.Background(), fmt.Sprintf("e/%020d", id), clientv3.WithSerializable(), clientv3.WithCountOnly())
				die(e)
				if r.Count == 1 {
					break
				}
				time.Sleep(100 * time.Microsecond)
			}
			l = append(l, float64(time.Since(s).Nanoseconds())/1e3)
			time.Sleep(2 * time.Millisecond)
		}
		fmt.Println("events", probes)
		pct("e2e_", l)
		return
	}
	lat := make([][]float64, clients)
	var wg sync.WaitGroup
	t0 := time.Now()
	for k := 0; k < clients; k++ {
		wg.Add(1)
		go func(k int) {
			defer wg.Done()
			for i := 0; time.Since(t0).Seconds() < secs; i++ {
				s := time.Now()
				put(conns[k/16], base+uint64((i*clients+k)*batch), batch)
				lat[k] = append(lat[k], float64(time.Since(s).Nanoseconds())/1e3)
			}
		}(k)
	}
	wg.Wait()
	t1 := time.Now()
	var l []float64
	for _, x := range lat {
		l = append(l, x...)
	}
	n := len(l) * batch
	for count() < c0+int64(n) {
		if time.Since(t1) > 30*time.Second {
			fmt.Println("behind", c0+int64(n)-count())
			os.Exit(1)
		}
		time.Sleep(5 * time.Millisecond)
	}
	t2 := time.Now()
	fmt.Printf("events %d\nrate_at_a %.0f\nrate_at_b %.0f\nlag_at_end_s %.2f\n", n, float64(n)/t1.Sub(t0).Seconds(), float64(n)/t2.Sub(t0).Seconds(), t2.Sub(t1).Seconds())
	pct("", l)
}
