/* rabbitload CA CRT KEY PORT_A PORT_B WINDOW SECS PROBES: publishes persistent 1 KiB events to queue ev at broker A over
   one mutually authenticated TLS connection, publisher confirms on, WINDOW unconfirmed at most; then waits until queue
   ev at broker B (fed by its shovel) holds them all. */
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#include <rabbitmq-c/ssl_socket.h>
#include "load.h"
static char **av;
static void die(const char *m)
{
    fprintf(stderr, "%s\n", m);
    exit(1);
}
static amqp_connection_state_t dial(int port)
{
    amqp_connection_state_t c = amqp_new_connection();
    amqp_socket_t *s = amqp_ssl_socket_new(c);
    if (amqp_ssl_socket_set_cacert(s, av[1]) || amqp_ssl_socket_set_key(s, av[2], av[3]))
        die("tls files");
    amqp_ssl_socket_set_verify_peer(s, 1);
    amqp_ssl_socket_set_verify_hostname(s, 1);
    if (amqp_socket_open(s, "localhost", port))
        die("connect");
    if (amqp_login(c, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "bench", "bench").reply_type != AMQP_RESPONSE_NORMAL)
        die("login");
    amqp_channel_open(c, 1);
    if (amqp_get_rpc_reply(c).reply_type != AMQP_RESPONSE_NORMAL)
        die("channel");
    return c;
}
static long held(amqp_connection_state_t c)
{ /* ready messages of queue ev */
    amqp_queue_declare_ok_t *r = amqp_queue_declare(c, 1, amqp_cstring_bytes("ev"), 1, 1, 0, 0, amqp_empty_table);
    if (!r)
        die("declare");
    long n = r->message_count;
    amqp_maybe_release_buffers(c);
    return n;
}
static void publish(amqp_connection_state_t c, uint64_t id)
{
    char e[EVENT_LEN + 1];
    amqp_basic_properties_t p = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG, .delivery_mode = 2};
    event(e, id);
    amqp_bytes_t b = {EVENT_LEN, e};
    if (amqp_basic_publish(c, 1, amqp_empty_bytes, amqp_cstring_bytes("ev"), 0, 0, &p, b))
        die("publish");
}
/* waits for one confirm; returns its tag, *multi when it covers the earlier ones */
static uint64_t confirm(amqp_connection_state_t c, int *multi, int wait)
{
    for (;;) {
        amqp_frame_t f;
        struct timeval z = {0, 0};
        if (!wait && !amqp_frames_enqueued(c) && !amqp_data_in_buffer(c)) {
            int st = amqp_simple_wait_frame_noblock(c, &f, &z);
            if (st == AMQP_STATUS_TIMEOUT)
                return 0;
            if (st)
                die("wait");
        } else if (amqp_simple_wait_frame(c, &f))
            die("wait");
        if (f.frame_type != AMQP_FRAME_METHOD)
            continue;
        if (f.payload.method.id != AMQP_BASIC_ACK_METHOD)
            die("not a confirm");
        amqp_basic_ack_t *a = f.payload.method.decoded;
        uint64_t t = a->delivery_tag;
        *multi = a->multiple;
        amqp_maybe_release_buffers(c);
        return t;
    }
}
int main(int ac, char **v)
{
    if (ac < 9)
        return 2;
    av = v;
    int w = atoi(v[6]), probes = atoi(v[8]), multi;
    double secs = atof(v[7]);
    amqp_connection_state_t a = dial(atoi(v[4])), b = dial(atoi(v[5]));
    long base = held(b);
    amqp_confirm_select(a, 1);
    if (amqp_get_rpc_reply(a).reply_type != AMQP_RESPONSE_NORMAL)
        die("confirm");
    if (probes) {
        float *l = malloc(probes * sizeof *l);
        for (int i = 0; i < probes; i++) {
            double s = now();
            publish(a, base + i);
            confirm(a, &multi, 1);
            while (held(b) < base + i + 1)
                nap(0.0001);
            l[i] = (now() - s) * 1e6;
            nap(0.002);
        }
        printf("events %d\n", probes);
        percentiles("e2e_", l, probes);
        return 0;
    }
    size_t cap = 1 << 23;
    double *at = calloc(cap, sizeof *at);
    float *lat = malloc(cap * sizeof *lat);
    uint64_t n = 0, acked = 0, low = 1;
    double t0 = now(); /* tags count from 1; at[t] = 0 once confirmed */
    for (;;) {
        int open = now() - t0 < secs && n + w < cap;
        while (open && n - acked < (uint64_t)w) {
            n++;
            at[n] = now();
            publish(a, base + n);
        }
        if (acked == n) {
            if (open)
                continue;
            break;
        }
        uint64_t t;
        int wait = 1;
        while (acked < n && (t = confirm(a, &multi, wait))) {
            wait = 0;
            double x = now();
            for (uint64_t i = multi ? low : t; i <= t; i++)
                if (at[i]) {
                    lat[acked++] = (x - at[i]) * 1e6;
                    at[i] = 0;
                }
            while (low <= n && !at[low])
                low++;
        }
    }
    double t1 = now();
    for (long m; (m = held(b)) < base + (long)n; nap(0.02))
        if (now() - t1 > 25) {
            printf("behind %ld\n", base + (long)n - m);
            return 1;
        }
    double t2 = now();
    printf("events %llu\nrate_at_a %.0f\nrate_at_b %.0f\nlag_at_end_s %.2f\n", (unsigned long long)n, n / (t1 - t0),
           n / (t2 - t0), t2 - t1);
    percentiles("", lat, acked);
    return 0;
}
