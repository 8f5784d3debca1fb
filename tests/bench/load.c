/* load: closed-loop load on a node's HTTP API, for ./dev bench throughput.
 *
 * Usage: load SOCKET CASES_FILE CLIENTS SECONDS PAYLOAD_BYTES EVENTS_PER_REQUEST [peers]
 *
 * Each of CLIENTS connections posts notes (备注) to the cases named in the file (one id a line), one request at a time;
 * "peers" asks for durable=peers. Prints requests, events, events/s and latencies in microseconds from the moment a
 * request is sent. One thread with poll(2); it asserts each answer is a 201.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "node/base/bytes.h"
#include "node/base/clock.h"
#include "node/base/xassert.h"

#define CASES_MAX 4096
#define SAMPLES_MAX 4000000

struct client {
    int fd;
    uint64_t sent_us;
    char in[8192];
    size_t in_size;
};

static char cases[CASES_MAX][33];
static size_t case_count;
static uint32_t *samples;
static size_t sample_count;

static void load_cases(const char *path)
{
    FILE *f = fopen(path, "re");
    xassert(f != NULL);
    while (case_count < CASES_MAX && fscanf(f, "%32s", cases[case_count]) == 1)
        case_count++;
    (void)fclose(f);
    xassert(case_count > 0);
}

static int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    xassert(fd >= 0);
    int rc = connect(fd, (struct sockaddr *)&address, sizeof address);
    xassert(rc == 0);
    return fd;
}

static void make_body(struct buf *out, size_t payload_bytes, unsigned events)
{
    struct buf one = {0};
    buf_put_string(&one, "{\"type\":\"note\",\"payload\":{\"text\":\"");
    for (size_t i = 0; i < payload_bytes; i++)
        buf_put_u8(&one, (uint8_t)('a' + i % 26));
    buf_put_string(&one, "\"}}");
    if (events > 1)
        buf_put_string(out, "{\"events\":[");
    for (unsigned i = 0; i < events; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        buf_put(out, one.data, one.size);
    }
    if (events > 1)
        buf_put_string(out, "]}");
    buf_close(&one);
}

static void send_next(struct client *c, const struct buf *body, const char *query, size_t *turn)
{
    char head[256];
    int size = snprintf(head, sizeof head,
                        "POST /v1/cases/%s/events%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        cases[(*turn)++ % case_count], query, body->size);
    c->sent_us = clock_mono_us();
    struct buf whole = {0};
    buf_put(&whole, head, (size_t)size);
    buf_put(&whole, body->data, body->size);
    for (size_t at = 0; at < whole.size;) {
        ssize_t n = write(c->fd, whole.data + at, whole.size - at);
        xassert(n > 0);
        at += (size_t)n;
    }
    buf_close(&whole);
}

/* True when a whole answer is in. */
static bool receive(struct client *c)
{
    ssize_t n = read(c->fd, c->in + c->in_size, sizeof c->in - 1 - c->in_size);
    xassert(n > 0);
    c->in_size += (size_t)n;
    c->in[c->in_size] = '\0';
    const char *end = strstr(c->in, "\r\n\r\n");
    const char *length = strcasestr(c->in, "content-length:");
    if (end == NULL || length == NULL)
        return false;
    size_t total = (size_t)(end - c->in) + 4 + strtoul(length + 15, NULL, 10);
    if (c->in_size < total)
        return false;
    if (strncmp(c->in, "HTTP/1.1 201", 12) != 0) {
        (void)fprintf(stderr, "load: %s\n", c->in);
        exit(1);
    }
    c->in_size = 0;
    return true;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void report(uint64_t elapsed_us, unsigned events)
{
    qsort(samples, sample_count, sizeof *samples, by_value);
    double seconds = (double)elapsed_us / 1e6;
    printf("requests %zu\nevents %zu\nevents_per_s %.0f\np50_us %u\np99_us %u\nmax_us %u\n", sample_count,
           sample_count * events, (double)(sample_count * events) / seconds, samples[sample_count / 2],
           samples[sample_count * 99 / 100], samples[sample_count - 1]);
}

int main(int argc, char **argv)
{
    if (argc < 7) {
        (void)fputs("usage: load SOCKET CASES_FILE CLIENTS SECONDS PAYLOAD_BYTES EVENTS_PER_REQUEST [peers]\n", stderr);
        return 2;
    }
    load_cases(argv[2]);
    size_t count = strtoul(argv[3], NULL, 10);
    uint64_t run_us = strtoul(argv[4], NULL, 10) * 1000000u;
    unsigned events = (unsigned)strtoul(argv[6], NULL, 10);
    const char *query = argc > 7 ? "?durable=peers&timeout_ms=20000" : "";
    struct buf body = {0};
    make_body(&body, strtoul(argv[5], NULL, 10), events);
    samples = xcalloc(SAMPLES_MAX, sizeof *samples);
    struct client *clients = xcalloc(count, sizeof *clients);
    struct pollfd *fds = xcalloc(count, sizeof *fds);
    size_t turn = 0, open = count;
    uint64_t start = clock_mono_us();
    for (size_t i = 0; i < count; i++) {
        clients[i].fd = dial(argv[1]);
        fds[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        send_next(&clients[i], &body, query, &turn);
    }
    while (open > 0) {
        int rc = poll(fds, count, 30000);
        xassert(rc > 0);
        for (size_t i = 0; i < count; i++) {
            if ((fds[i].revents & (POLLIN | POLLHUP)) == 0 || !receive(&clients[i]))
                continue;
            uint64_t now = clock_mono_us();
            if (sample_count < SAMPLES_MAX)
                samples[sample_count++] = (uint32_t)(now - clients[i].sent_us);
            if (now - start < run_us) {
                send_next(&clients[i], &body, query, &turn);
            } else {
                fds[i].fd = -1;
                close(clients[i].fd);
                open--;
            }
        }
    }
    report(clock_mono_us() - start, events);
    buf_close(&body);
    free(samples);
    free(clients);
    free(fds);
    return 0;
}
