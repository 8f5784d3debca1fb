#!/bin/bash
# etcd 3.5: put at member a, which leads; mutual TLS between members and for clients. A put returns when a majority has it on disk.
# etcd: three members, as etcd is run. etcd2: two members, both must have it: what Tongban's durable=peers promises, and less work for
# this machine, which carries all members.
PEER=etcd
. "$(dirname "$0")/common.sh"
is_built etcdload "$HERE/etcdload.go" || (
    mkdir "$W/src" && cp "$HERE/etcdload.go" "$W/src/main.go" && cd "$W/src"
    HOME=$W GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$W/gocache" GOFLAGS='' go build -o "$OUT" main.go
)
certs
C=$(free_ports) P=$((C + 5))
ctl() { etcdctl --cacert "$W/tls/ca.crt" --cert "$W/tls/client.crt" --key "$W/tls/client.key" "$@"; }
healthy() { ctl --endpoints "$1" endpoint health; }
once() { # once NAME MEMBER…
    local name=$1 n i=0 cluster='' roles='' all='' lead id
    shift
    for n in "$@"; do
        cluster+=$n=https://localhost:$((P + i)),
        all+=localhost:$((C + i)),
        i=$((i + 1))
    done
    i=0
    for n in "$@"; do
        etcd --name "$n" --data-dir "$W/$name.$n" --logger zap --log-outputs "$W/$name.$n.log" \
            --listen-client-urls https://127.0.0.1:$((C + i)) --advertise-client-urls https://localhost:$((C + i)) \
            --listen-peer-urls https://127.0.0.1:$((P + i)) --initial-advertise-peer-urls https://localhost:$((P + i)) \
            --initial-cluster "${cluster%,}" --initial-cluster-state new --initial-cluster-token "$name" \
            --quota-backend-bytes 4294967296 --client-cert-auth --peer-client-cert-auth \
            --trusted-ca-file "$W/tls/ca.crt" --cert-file "$W/tls/$n.crt" --key-file "$W/tls/$n.key" \
            --peer-trusted-ca-file "$W/tls/ca.crt" --peer-cert-file "$W/tls/$n.crt" --peer-key-file "$W/tls/$n.key" \
            >"$W/$name.$n.out" 2>&1 &
        PIDS+=($!)
        roles+=${n^^}=$!,
        i=$((i + 1))
    done
    wait_until 30 healthy "${all%,}"
    lead=$(ctl --endpoints "${all%,}" endpoint status | awk -F', ' '$5 == "true" { print $1 }')
    id=$(ctl --endpoints localhost:$C endpoint status | awk -F', ' '{ print $2 }')
    [ "$lead" = localhost:$C ] || ctl --endpoints "$lead" move-leader "$id" >/dev/null # the client's member leads: no extra hop
    m() { # m RUN CLIENTS SECONDS BATCH PROBES
        measure "$1" "${roles%,}" -- "$OUT" "$W/tls/ca.crt" "$W/tls/client.crt" "$W/tls/client.key" \
            localhost:$C localhost:$((C + 1)) "$2" "$3" "$4" "$5"
    }
    m "$name.probe" 1 0 1 "$PROBES"
    for n in ${CLIENTS:-1 8 32 64 128}; do m "$name.c$n" "$n" "$SECS" 1 0; done
    for n in ${BATCH_CLIENTS:-4 16}; do m "$name.batch100.c$n" "$n" "$SECS" 100 0; done
    stop_all
}
once etcd a b c
once etcd2 a b
