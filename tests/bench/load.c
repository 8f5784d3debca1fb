/* load: load on a node's HTTP API over its Unix socket, and how long each answer took.
 *
 *   load --socket PATH (--cases FILE | --gets FILE | --probe PATH --cases FILE) [--clients N] [--seconds S] [--rate R]
 *        [--events N] [--payload BYTES] [--peers] [--count N]
 *
 * --cases FILE  posts notes (备注) to the cases whose ids stand in FILE, one a line, in turn: --events (1) of them in one
 *               request, each with --payload (1024) bytes of JSON that no two share; --peers asks for durable=peers
 * --gets FILE   reads the paths that stand in FILE, one a line, in turn
 * --probe PATH  posts one note after the other, --count (300) of them, and waits for each to be visible at the node whose
 *               socket is PATH, which has a long poll open for it: its answer is the case with its last event
 *
 * Closed loop: each of --clients (1) connections has one request under way for --seconds (5). Open loop, with --rate R:
 * R requests a second are due, evenly, whatever the node does; one that finds no connection free waits, and its time
 * runs from when it was due. So a node that stands still for a second is seen to: no coordinated omission. In a closed
 * loop a request is due when the one before it is answered.
 *
 * Prints `metric value` lines; latencies in microseconds. An answer that is not 200 or 201, or not durable at the peers
 * when that was asked, ends the run. One thread, epoll(7): it shares the processors with the nodes it measures, and poll(2) over
 * all connections was a fifth of its own time.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "node/base/bytes.h"
#include "node/base/clock.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"

#define LINES_MAX 100000u
#define LINE_BYTES_MAX 512u
#define SAMPLES_MAX 8000000u
#define CLIENTS_MAX 1024u
#define OVERTIME_US 20000000u /* an open loop that cannot keep up is ended so long after its time */
#define ANSWERS_AT_ONCE 64
#define PROBE_PAUSE_US 2000u /* as the peers' clients do */

struct options {
    const char *socket, *cases, *gets, *probe;
    size_t clients, events, payload, count;
    uint64_t run_us;
    double rate; /* requests a second; 0 = closed loop */
    bool peers;
};

/* One connection, with at most one request under way. */
struct client {
    int fd;
    bool busy;
    uint64_t due_us; /* when its request should have begun */
    struct buf in;
    size_t total; /* of the answer, known once its head is in; 0 before */
};

struct load {
    struct options o;
    char (*lines)[LINE_BYTES_MAX]; /* cases or paths */
    size_t line_count, turn;
    struct prng prng;
    struct buf out;
    uint32_t *samples;
    size_t sample_count;
    size_t sent, answered;
    size_t waited_max; /* open loop: requests that were due and not begun, at most */
    int epoll_fd;      /* of all connections */
};

static void die(const char *what, const char *value)
{
    (void)fprintf(stderr, "load: %s %s\n", what, value);
    exit(1);
}

static void load_lines(struct load *l, const char *path)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        die("cannot open", path);
    l->lines = xcalloc(LINES_MAX, sizeof *l->lines);
    while (l->line_count < LINES_MAX && fgets(l->lines[l->line_count], LINE_BYTES_MAX, f) != NULL) {
        char *line = l->lines[l->line_count];
        line[strcspn(line, "\n")] = '\0';
        l->line_count += line[0] != '\0';
    }
    (void)fclose(f);
    if (l->line_count == 0)
        die("no lines in", path);
}

static void dial(struct client *c, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    xassert(c->fd >= 0);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("cannot connect to", path);
}

/* A note with pseudo-random text: nothing on the way can gain by packing or by having seen it before. */
static void put_note(struct load *l, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    buf_put_string(out, "{\"type\":\"note\",\"payload\":{\"text\":\"");
    uint8_t *text = buf_extend(out, l->o.payload);
    xassert(text != NULL);
    uint64_t bits = 0;
    for (size_t i = 0; i < l->o.payload; i++, bits >>= 4) {
        if (i % 16 == 0)
            bits = prng_next(&l->prng);
        text[i] = (uint8_t)digits[bits & 15];
    }
    buf_put_string(out, "\"}}");
}

static void put_events(struct load *l, struct buf *out)
{
    if (l->o.events > 1)
        buf_put_string(out, "{\"events\":[");
    for (size_t i = 0; i < l->o.events; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        put_note(l, out);
    }
    if (l->o.events > 1)
        buf_put_string(out, "]}");
}

static void send_all(struct client *c, struct bytes b)
{
    for (size_t at = 0; at < b.size;) {
        ssize_t n = write(c->fd, b.data + at, b.size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            die("the node closed a connection:", strerrordesc_np(errno));
        at += (size_t)n;
    }
}

static void begin(struct load *l, struct client *c, uint64_t due_us)
{
    const char *line = l->lines[l->turn++ % l->line_count];
    buf_reset(&l->out);
    if (l->o.gets != NULL) {
        buf_printf(&l->out, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", line);
    } else {
        struct buf body = {0};
        put_events(l, &body);
        buf_printf(&l->out,
                   "POST /v1/cases/%s/events%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   line, l->o.peers ? "?durable=peers&timeout_ms=20000" : "", body.size);
        buf_put(&l->out, body.data, body.size);
        buf_close(&body);
    }
    c->due_us = due_us;
    c->busy = true;
    l->sent++;
    send_all(c, buf_bytes(&l->out));
}

/* True when a whole answer is in; its text is in c->in until take(). */
static bool receive(struct client *c)
{
    uint8_t part[65536];
    ssize_t n = read(c->fd, part, sizeof part);
    if (n < 0 && errno == EINTR)
        return false;
    if (n <= 0)
        die("the node closed a connection", n < 0 ? strerrordesc_np(errno) : "");
    buf_put(&c->in, part, (size_t)n);
    xassert(!c->in.failed);
    if (c->total == 0) {
        const char *text = buf_cstr(&c->in);
        const char *end = strstr(text, "\r\n\r\n");
        if (end == NULL)
            return false;
        const char *length = strcasestr(text, "content-length:");
        if (length == NULL || length > end)
            die("an answer without a length:", text);
        c->total = (size_t)(end - text) + 4 + strtoul(length + 15, NULL, 10);
    }
    return c->in.size >= c->total;
}

static void take(struct client *c, bool peers)
{
    const char *text = buf_cstr(&c->in);
    if (strncmp(text, "HTTP/1.1 20", 11) != 0 || c->in.size != c->total)
        die("not the answer that was expected:", text);
    if (peers && strstr(text, "\"peers_durable\":true") == NULL)
        die("not durable at the peers in time:", text);
    buf_reset(&c->in);
    c->total = 0;
    c->busy = false;
}

static void sample(struct load *l, uint64_t us)
{
    if (l->sample_count < SAMPLES_MAX)
        l->samples[l->sample_count++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

/* ---- the loops ---- */

static void collect(struct load *l, int timeout_ms)
{
    struct epoll_event ready[ANSWERS_AT_ONCE];
    int count = epoll_wait(l->epoll_fd, ready, ANSWERS_AT_ONCE, timeout_ms);
    xassert(count >= 0 || errno == EINTR);
    if (count == 0 && timeout_ms >= 30000)
        die("nothing answered for", "30 s");
    for (int i = 0; i < count; i++) {
        struct client *c = ready[i].data.ptr;
        if (!receive(c))
            continue;
        take(c, l->o.peers);
        sample(l, clock_mono_us() - c->due_us);
        l->answered++;
    }
}

static void run_closed(struct load *l, struct client *clients, uint64_t start)
{
    do {
        uint64_t now = clock_mono_us();
        for (size_t i = 0; i < l->o.clients && (now - start < l->o.run_us || l->sent < l->o.clients); i++)
            if (!clients[i].busy)
                begin(l, &clients[i], now);
        collect(l, 30000);
    } while (l->answered < l->sent || clock_mono_us() - start < l->o.run_us);
}

/* Requests of an open loop: one at the least, however low the rate and short the time. */
static size_t total_of(const struct options *o)
{
    return max_of((size_t)(o->rate * (double)o->run_us / 1e6), (size_t)1);
}

static void run_open(struct load *l, struct client *clients, uint64_t start)
{
    size_t total = total_of(&l->o);
    size_t at = 0; /* where a free connection was found last */
    while (l->answered < total) {
        uint64_t now = clock_mono_us() - start;
        if (now > l->o.run_us + OVERTIME_US)
            break;
        size_t due = min_of(total, (size_t)(l->o.rate * (double)now / 1e6) + 1);
        for (size_t tried = 0; l->sent < due && tried < l->o.clients; tried++) {
            struct client *c = &clients[at++ % l->o.clients];
            if (!c->busy)
                begin(l, c, start + (uint64_t)((double)l->sent * 1e6 / l->o.rate));
        }
        l->waited_max = max_of(l->waited_max, due - min_of(due, l->sent));
        uint64_t next = (uint64_t)((double)due * 1e6 / l->o.rate);
        bool waits = l->sent < due || l->sent == total; /* for a connection, for the last answers */
        collect(l, waits ? 1 : next > now ? (int)((next - now) / 1000) : 0);
    }
}

/* ---- one event until it is visible at the other node ---- */

static uint64_t version_at(struct client *b, const char *id)
{
    struct buf get = {0};
    buf_printf(&get, "GET /v1/cases/%s?last=0 HTTP/1.1\r\nHost: localhost\r\n\r\n", id);
    send_all(b, buf_bytes(&get));
    buf_close(&get);
    while (!receive(b))
        ;
    const char *version = strstr(buf_cstr(&b->in), "\"version\":");
    xassert(version != NULL);
    uint64_t ret = strtoull(version + 10, NULL, 10);
    take(b, false);
    return ret;
}

static void probe_once(struct load *l, struct client *a, struct client *b)
{
    const char *id = l->lines[l->turn % l->line_count];
    struct buf get = {0};
    buf_printf(&get, "GET /v1/cases/%s?wait=%" PRIu64 "&last=1&timeout_ms=20000 HTTP/1.1\r\nHost: localhost\r\n\r\n",
               id, version_at(b, id));
    send_all(b, buf_bytes(&get));
    buf_close(&get);
    (void)poll(NULL, 0, PROBE_PAUSE_US / 1000); /* the long poll is to be waiting there */
    uint64_t start = clock_mono_us();
    begin(l, a, start);
    struct pollfd fds[2] = {{.fd = a->fd, .events = POLLIN}, {.fd = b->fd, .events = POLLIN}};
    for (int left = 2; left > 0;) {
        int rc = poll(fds, 2, 30000);
        xassert(rc > 0);
        if (fds[0].revents != 0 && receive(a)) {
            take(a, l->o.peers);
            fds[0].fd = -1;
            left--;
        }
        if (fds[1].revents != 0 && receive(b)) {
            sample(l, clock_mono_us() - start);
            take(b, false);
            fds[1].fd = -1;
            left--;
        }
    }
    l->answered++;
}

static void run_probe(struct load *l, struct client *a)
{
    struct client b = {0};
    dial(&b, l->o.probe);
    for (size_t i = 0; i < l->o.count; i++)
        probe_once(l, a, &b);
    close(b.fd);
    buf_close(&b.in);
}

/* ---- report, options ---- */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void report(struct load *l, uint64_t elapsed_us)
{
    size_t n = l->sample_count;
    if (n == 0)
        die("nothing was answered in", "that time");
    qsort(l->samples, n, sizeof *l->samples, by_value);
    double events = (double)(l->answered * (l->o.gets != NULL ? 1 : l->o.events));
    printf("requests %zu\nevents %.0f\nrate %.0f\n", l->answered, events, events * 1e6 / (double)elapsed_us);
    printf("p50_us %u\np90_us %u\np99_us %u\np999_us %u\nmax_us %u\n", l->samples[n / 2], l->samples[n * 9 / 10],
           l->samples[n * 99 / 100], l->samples[n * 999 / 1000], l->samples[n - 1]);
    if (l->o.rate > 0)
        printf("asked_rate %.0f\nunanswered %zu\nwaited_max %zu\n", l->o.rate * (double)l->o.events,
               total_of(&l->o) - l->answered, l->waited_max);
}

static void parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        {"socket", 1, NULL, 's'}, {"cases", 1, NULL, 'c'},  {"gets", 1, NULL, 'g'},    {"probe", 1, NULL, 'b'},
        {"rate", 1, NULL, 'r'},   {"events", 1, NULL, 'e'}, {"payload", 1, NULL, 'p'}, {"seconds", 1, NULL, 't'},
        {"peers", 0, NULL, 'w'},  {"count", 1, NULL, 'n'},  {"clients", 1, NULL, 'k'}, {NULL, 0, NULL, 0},
    };
    *o = (struct options){.clients = 1, .events = 1, .payload = 1024, .count = 300, .run_us = 5000000};
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 's':
            o->socket = optarg;
            break;
        case 'c':
            o->cases = optarg;
            break;
        case 'g':
            o->gets = optarg;
            break;
        case 'b':
            o->probe = optarg;
            break;
        case 'r':
            o->rate = strtod(optarg, NULL);
            break;
        case 'e':
            o->events = strtoul(optarg, NULL, 10);
            break;
        case 'p':
            o->payload = strtoul(optarg, NULL, 10);
            break;
        case 't':
            o->run_us = (uint64_t)(strtod(optarg, NULL) * 1e6);
            break;
        case 'w':
            o->peers = true;
            break;
        case 'n':
            o->count = strtoul(optarg, NULL, 10);
            break;
        case 'k':
            o->clients = strtoul(optarg, NULL, 10);
            break;
        default:
            exit(2);
        }
    }
    bool is_whole = o->socket != NULL && (o->cases != NULL) != (o->gets != NULL) && optind == argc;
    if (!is_whole || o->clients == 0 || o->clients > CLIENTS_MAX || o->events == 0) {
        (void)fputs(
            "usage: load --socket PATH (--cases FILE | --gets FILE) [--probe PATH] [--clients 1..1024] [--seconds S] "
            "[--rate R]\n            [--events N] [--payload BYTES] [--peers] [--count N]\n",
            stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static struct load l;
    parse(argc, argv, &l.o);
    load_lines(&l, l.o.gets != NULL ? l.o.gets : l.o.cases);
    prng_init(&l.prng, clock_mono_us());
    l.samples = xcalloc(SAMPLES_MAX, sizeof *l.samples);
    struct client *clients = xcalloc(l.o.clients, sizeof *clients);
    l.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    xassert(l.epoll_fd >= 0);
    for (size_t i = 0; i < l.o.clients; i++) {
        dial(&clients[i], l.o.socket);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        int rc = epoll_ctl(l.epoll_fd, EPOLL_CTL_ADD, clients[i].fd, &event);
        xassert(rc == 0);
    }
    uint64_t start = clock_mono_us();
    if (l.o.probe != NULL)
        run_probe(&l, &clients[0]);
    else if (l.o.rate > 0)
        run_open(&l, clients, start);
    else
        run_closed(&l, clients, start);
    report(&l, clock_mono_us() - start);
    for (size_t i = 0; i < l.o.clients; i++) {
        close(clients[i].fd);
        buf_close(&clients[i].in);
    }
    close(l.epoll_fd);
    buf_close(&l.out);
    free(l.samples);
    free(l.lines);
    free(clients);
    return 0;
}
