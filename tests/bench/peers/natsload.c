/* natsload CA CRT KEY PORT_A PORT_B WINDOW SECS PROBES: publishes 1 KiB events to JetStream stream EV at A over one
   mutually authenticated TLS connection with WINDOW unacknowledged at most (publish with reply, PubAck awaited), then
   polls B's mirror (stream EV there, STREAM.INFO) until it holds them all. Plain NATS text protocol. */
#include <openssl/ssl.h>
#include <openssl/err.h>
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>
#include <fcntl.h>
#include <errno.h>
#include "load.h"
struct nc {
    SSL *s;
    int fd;
    char in[1 << 16];
    size_t have;
    char *out;
    size_t olen, ocap;
    char box;
};
static SSL_CTX *ctx;
static void die(const char *m)
{
    fprintf(stderr, "%s\n", m);
    ERR_print_errors_fp(stderr);
    exit(1);
}
static void put(struct nc *c, const char *b, size_t n)
{
    if (c->olen + n > c->ocap)
        c->out = realloc(c->out, c->ocap = (c->olen + n) * 2);
    memcpy(c->out + c->olen, b, n);
    c->olen += n;
}
static void flush(struct nc *c)
{ /* blocking socket: SSL_write sends all */
    for (size_t o = 0; o < c->olen;) {
        int r = SSL_write(c->s, c->out + o, c->olen - o);
        if (r <= 0)
            die("write");
        o += r;
    }
    c->olen = 0;
}
static struct nc *dial(int port)
{
    struct nc *c = calloc(1, sizeof *c);
    char b[4096];
    int one = 1;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (void *)&sa, sizeof sa))
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (size_t n = 0;;) {
        if (read(c->fd, b + n, 1) != 1)
            die("info");
        if (b[n++] == '\n')
            break;
        if (n == sizeof b)
            die("info");
    }
    c->s = SSL_new(ctx);
    SSL_set_fd(c->s, c->fd);
    SSL_set1_host(c->s, "localhost");
    if (SSL_connect(c->s) != 1)
        die("tls");
    static char box = 'p';
    c->box = box++; /* an inbox each: interest crosses the leaf link */
    put(c, b,
        sprintf(b,
                "CONNECT "
                "{\"verbose\":false,\"pedantic\":false,\"tls_required\":true,\"lang\":\"c\",\"version\":\"0\","
                "\"protocol\":1}\r\n"
                "SUB _%c.* 1\r\nPING\r\n",
                c->box));
    flush(c);
    return c;
}
/* Next MSG: its subject's token after its inbox in *tok and its body in body (cut to cap); 0 if there is none yet and !wait. */
static int next(struct nc *c, int wait, long *tok, char *body, size_t cap)
{
    for (;;) {
        char *e = memmem(c->in, c->have, "\r\n", 2);
        if (e) {
            size_t line = e + 2 - c->in, skip = line;
            int msg = 0;
            if (!memcmp(c->in, "MSG ", 4)) {
                *e = 0;
                char *sp = strrchr(c->in, ' ');
                size_t n = atol(sp + 1);
                *e = '\r';
                if (c->have < line + n + 2)
                    goto more;
                *tok = strtol(c->in + 7, 0, 10);
                if (n >= cap)
                    n = cap - 1;
                memcpy(body, c->in + line, n);
                body[n] = 0;
                skip = line + atol(sp + 1) + 2;
                msg = 1;
            } else if (!memcmp(c->in, "PING", 4)) {
                put(c, "PONG\r\n", 6);
                flush(c);
            } else if (!memcmp(c->in, "-ERR", 4)) {
                fwrite(c->in, 1, line, stderr);
                exit(1);
            }
            memmove(c->in, c->in + skip, c->have -= skip);
            if (msg)
                return 1;
            continue;
        }
    more:
        if (!wait && !SSL_pending(c->s)) {
            struct pollfd p = {c->fd, POLLIN, 0};
            if (poll(&p, 1, 0) <= 0)
                return 0;
        }
        int r = SSL_read(c->s, c->in + c->have, sizeof c->in - c->have);
        if (r <= 0)
            die("read");
        c->have += r;
    }
}
static long messages(struct nc *c)
{
    char b[8192];
    long t;
    put(c, b, sprintf(b, "PUB $JS.API.STREAM.INFO.EV _%c.0 0\r\n\r\n", c->box));
    flush(c);
    next(c, 1, &t, b, sizeof b);
    char *m = strstr(b, "\"messages\":");
    return m ? atol(m + 11) : -1;
}
static void publish(struct nc *c, uint64_t id, int slot)
{
    char h[80], e[EVENT_LEN + 3];
    event(e, id);
    memcpy(e + EVENT_LEN, "\r\n", 2);
    put(c, h, sprintf(h, "PUB ev.a _%c.%d %d\r\n", c->box, slot, EVENT_LEN));
    put(c, e, EVENT_LEN + 2);
}
/* One event after the other, each until it is in B's mirror. */
static int probe(struct nc *a, struct nc *bb, long base, int probes)
{
    float *l = malloc(probes * sizeof *l);
    char b[8192];
    long slot;
    for (int i = 0; i < probes; i++) {
        double s = now();
        publish(a, base + i, 1);
        flush(a);
        next(a, 1, &slot, b, sizeof b);
        while (messages(bb) < base + i + 1)
            nap(0.0001);
        l[i] = (now() - s) * 1e6;
        nap(0.002);
    }
    printf("events %d\n", probes);
    percentiles("e2e_", l, probes);
    return 0;
}
int main(int ac, char **av)
{
    if (ac < 9)
        return 2;
    int w = atoi(av[6]), probes = atoi(av[8]);
    double secs = atof(av[7]);
    char b[8192];
    long slot;
    ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    if (!SSL_CTX_load_verify_file(ctx, av[1]) || SSL_CTX_use_certificate_file(ctx, av[2], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, av[3], SSL_FILETYPE_PEM) != 1)
        die("tls files");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, 0);
    SSL_CTX_set_mode(ctx, SSL_MODE_AUTO_RETRY);
    struct nc *a = dial(atoi(av[4])), *bb = dial(atoi(av[5]));
    long base = messages(bb), a0 = messages(a);
    if (base < 0 || a0 != base) {
        fprintf(stderr, "streams differ: a %ld b %ld\n", a0, base);
        return 1;
    }
    if (probes)
        return probe(a, bb, base, probes);
    double *at = calloc(w, sizeof *at), t0 = now();
    int *free_ = malloc(w * sizeof *free_), nf = w;
    for (int i = 0; i < w; i++)
        free_[i] = i;
    long n = 0, acked = 0;
    size_t cap = 1 << 16;
    float *lat = malloc(cap * sizeof *lat);
    for (;;) {
        int open = now() - t0 < secs;
        while (open && nf) {
            int s = free_[--nf];
            at[s] = now();
            publish(a, base + n++, s);
        }
        if (a->olen)
            flush(a);
        if (acked == n && !open)
            break;
        for (int wait = 1; next(a, wait, &slot, b, sizeof b); wait = 0) {
            if (strstr(b, "\"error\""))
                die(b);
            if (acked == (long)cap)
                lat = realloc(lat, (cap *= 2) * sizeof *lat);
            lat[acked++] = (now() - at[slot]) * 1e6;
            free_[nf++] = slot;
            if (nf == w)
                break;
        }
    }
    double t1 = now();
    for (long m; (m = messages(bb)) < base + n; nap(0.005))
        if (now() - t1 > 60) {
            printf("behind %ld\n", base + n - m);
            return 1;
        }
    double t2 = now();
    printf("events %ld\nrate_at_a %.0f\nrate_at_b %.0f\nlag_at_end_s %.2f\n", n, n / (t1 - t0), n / (t2 - t0), t2 - t1);
    percentiles("", lat, acked);
    return 0;
}
