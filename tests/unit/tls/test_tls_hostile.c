/* Strangers at the federation port. Goal: 5,000 connections that are not TLS, not finished, torn down or mute neither
 * disturb a good peer nor leave anything behind, and a mute one is gone after NNG's 10 s. Method: raw sockets of five
 * kinds, bounded in number, while a good peer keeps making round trips; then the open files are counted again. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/base/prng.h"
#include "tests/lib/tls_raw.h"
#include "tests/unit/tls/tls_rig.h"

#define QUICK_COUNT 4640 /* connect and close, garbage, ClientHello and reset */
#define MUTE_COUNT 300   /* one byte or none, then silence */
#define DRIBBLE_COUNT 60 /* a byte now and then */
#define MUTE_MS 9000     /* so long a mute one may stay at least */
#define CLEAR_MS 30000   /* and so long at most: NNG's 10 s, and what a busy machine needs */
#define STALL_MS 100     /* between two looks: the machine stood still */

static struct pki_fixture fixture;
static struct pki_fixture_node sichuan, xinjiang;

static int set_up(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    pki_fixture_open(&fixture);
    pki_fixture_issue(&fixture, "sichuan", 510000, "四川省", -60, 86400, &sichuan);
    pki_fixture_issue(&fixture, "xinjiang", 650000, "新疆维吾尔自治区", -60, 86400, &xinjiang);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pki_fixture_close(&fixture);
    return 0;
}

static unsigned count_files(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    xassert(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* The good peer: asks without pause until told to stop. */
struct asker {
    nng_socket socket;
    pthread_t thread;
    atomic_bool is_stopping;
    atomic_uint done;
    unsigned failed; /* read after the thread ended */
    uint64_t longest_ms;
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    while (!atomic_load(&a->is_stopping)) {
        uint64_t start_ms = clock_mono_ms();
        if (rig_ask(a->socket, 1024) == 0)
            a->done++;
        else
            a->failed++;
        a->longest_ms = max_of(a->longest_ms, clock_mono_ms() - start_ms);
    }
    return NULL;
}

static void reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

/* One quick stranger of kind @i % 4; in all but the first the server has something to read before it ends. */
static void quick_stranger(uint16_t port, unsigned i, struct bytes hello, struct prng *random)
{
    uint8_t garbage[600];
    int fd = tls_raw_connect(port);
    if (fd < 0)
        return;
    prng_fill(random, garbage, sizeof garbage);
    switch (i % 4) {
    case 0:
        close(fd);
        break;
    case 1:
        (void)!write(fd, garbage, 1 + prng_below(random, sizeof garbage - 1));
        close(fd);
        break;
    case 2:
        (void)!write(fd, hello.data, hello.size);
        reset(fd);
        break;
    default: /* a ClientHello with one byte turned, answered or not */
        memcpy(garbage, hello.data, min_of(hello.size, sizeof garbage));
        garbage[prng_below(random, min_of(hello.size, sizeof garbage))] ^= 0x55;
        (void)!write(fd, garbage, min_of(hello.size, sizeof garbage));
        reset(fd);
        break;
    }
}

/* Whether the server has ended @fd. */
static bool is_ended(int fd)
{
    uint8_t byte;
    ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

/* Closes those of @fds that the server ended (-1 = closed before); how many are left. */
static size_t close_ended(int *fds, size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0 && is_ended(fds[i])) {
            close(fds[i]);
            fds[i] = -1;
        }
        left += fds[i] >= 0;
    }
    return left;
}

static void open_slow(int *fds, size_t count, uint16_t port, struct bytes hello, size_t bytes_max)
{
    for (size_t i = 0; i < count; i++) {
        fds[i] = tls_raw_connect(port);
        assert_true(fds[i] >= 0);
        if (i % 4 != 0) /* every fourth says nothing at all */
            (void)!write(fds[i], hello.data, min_of(i % 4 == 1 ? 1 : hello.size / 2, bytes_max));
    }
}

/* The slow strangers and when the server was done with them. */
struct slow {
    int mute[MUTE_COUNT], dribble[DRIBBLE_COUNT];
    size_t at; /* next byte of the dribble */
    uint64_t start_ms, tended_ms, cleared_ms;
};

/* Every 100 ms: a byte on each dribbling one, and those closed that the server ended. Whether any is left. */
static bool tend_slow(struct slow *s, struct bytes hello)
{
    uint64_t now_ms = clock_mono_ms();
    if (now_ms - s->tended_ms < 100 || s->cleared_ms != 0)
        return s->cleared_ms == 0;
    s->tended_ms = now_ms;
    for (size_t i = 0; i < DRIBBLE_COUNT; i++) {
        if (s->dribble[i] >= 0)
            (void)!send(s->dribble[i], hello.data + s->at, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    s->at += s->at + 1 < hello.size;
    if (close_ended(s->mute, MUTE_COUNT) + close_ended(s->dribble, DRIBBLE_COUNT) == 0)
        s->cleared_ms = now_ms;
    return s->cleared_ms == 0;
}

/* Everything the strangers left is gone again: sockets of the server too, which NNG frees a moment later. */
static void assert_files(unsigned before)
{
    uint64_t deadline_ms = clock_mono_ms() + RIG_WAIT_MS;
    while (count_files() > before && clock_mono_ms() < deadline_ms)
        (void)poll(NULL, 0, 20);
    assert_int_equal(count_files(), before);
}

static void test_five_thousand_strangers(void **state)
{
    (void)state;
    static struct slow slow = {.at = 1};
    static struct rig_node a, b; /* outlives a failed test, whose sockets go on */
    struct rig_server server;
    struct tls_engine_status status;
    struct asker asker = {0};
    struct prng random;
    struct buf hello = {0};
    prng_init(&random, 1);
    tls_raw_client_hello(&hello);
    rig_node_open(&a, &fixture, &sichuan);
    rig_node_open(&b, &fixture, &xinjiang);
    rig_server_open(&server, &a);
    asker.socket = rig_dial(&b, server.url, 510000);
    assert_int_equal(rig_ask(asker.socket, 1024), 0);
    unsigned before = count_files();
    assert_int_equal(pthread_create(&asker.thread, NULL, ask, &asker), 0);

    open_slow(slow.mute, MUTE_COUNT, server.port, buf_bytes(&hello), SIZE_MAX);
    open_slow(slow.dribble, DRIBBLE_COUNT, server.port, buf_bytes(&hello), 1);
    slow.start_ms = clock_mono_ms();
    for (unsigned i = 0; i < QUICK_COUNT; i++) {
        quick_stranger(server.port, i, buf_bytes(&hello), &random);
        (void)tend_slow(&slow, buf_bytes(&hello));
        if (i % 32 == 31) /* a full queue of the listener (128) would cost its dialer a second */
            (void)poll(NULL, 0, 10);
    }
    uint64_t looked_ms = clock_mono_ms(), quick_ms = looked_ms - slow.start_ms, lost_ms = 0;
    unsigned meanwhile; /* round trips while strangers are there */
    do {
        meanwhile = atomic_load(&asker.done);
        (void)poll(NULL, 0, 20);
        uint64_t late_ms = clock_mono_ms() - looked_ms;
        lost_ms += late_ms > STALL_MS ? late_ms : 0;
        looked_ms += late_ms;
    } while (tend_slow(&slow, buf_bytes(&hello)) && clock_mono_ms() - slow.start_ms < RIG_WAIT_MS);

    atomic_store(&asker.is_stopping, true);
    pthread_join(asker.thread, NULL);
    print_message(
        "%u round trips meanwhile, longest %llu ms; quick ones took %llu ms, slow ones were out after %llu ms\n",
        meanwhile, (unsigned long long)asker.longest_ms, (unsigned long long)quick_ms,
        (unsigned long long)(slow.cleared_ms - slow.start_ms));
    assert_true(slow.cleared_ms != 0);
    assert_true(slow.cleared_ms - slow.start_ms < CLEAR_MS + quick_ms + lost_ms);
    assert_int_equal(asker.failed, 0);
    assert_true(meanwhile > 20); /* some thousands; next to none, if it had to wait until the mute ones are gone */
    assert_int_equal(b.pipes_seen, 1); /* never lost */
    assert_files(before);

    tls_engine_status(a.engine, &status);
    assert_int_equal(status.handshakes_open, 0);
    assert_int_equal(status.handshakes_done, 1);
    assert_true(status.failures[TLS_ENGINE_TIMEOUT] >= MUTE_COUNT);
    assert_true(status.failures[TLS_ENGINE_PROTOCOL] > 0 && status.failures[TLS_ENGINE_GONE] > 0);

    /* The listener still takes newcomers. */
    nng_socket late = rig_dial(&b, server.url, 510000);
    assert_int_equal(rig_ask(late, 1024), 0);
    nng_close(late);
    nng_close(asker.socket);
    rig_server_close(&server);
    rig_node_close(&a);
    rig_node_close(&b);
    buf_close(&hello);
}

/* Over handshakes_max a stranger is turned away at once, before memory for TLS is taken; a standing pipe goes on, and
 * there is room again when the others are gone. */
static void test_handshake_cap(void **state)
{
    (void)state;
    enum { CAP = 8, STRANGERS = 20 };
    int fds[STRANGERS];
    static struct rig_node a, b;
    struct rig_server server;
    struct tls_engine_failure failure;
    struct tls_engine_status status;
    struct err e = {0};
    rig_node_open(&a, &fixture, &sichuan);
    tls_engine_destroy(a.engine);
    struct tls_engine_options o = rig_options(&fixture, &sichuan, &a);
    o.handshakes_max = CAP;
    assert_int_equal(tls_engine_create(&o, &a.engine, &e), 0);
    rig_node_open(&b, &fixture, &xinjiang);
    rig_server_open(&server, &a);
    nng_socket s = rig_dial(&b, server.url, 510000);
    assert_int_equal(rig_ask(s, 10), 0);

    uint64_t start_ms = clock_mono_ms();
    for (size_t i = 0; i < STRANGERS; i++) {
        fds[i] = tls_raw_connect(server.port);
        assert_true(fds[i] >= 0);
    }
    size_t left;
    while ((left = close_ended(fds, STRANGERS)) > CAP && clock_mono_ms() - start_ms < RIG_WAIT_MS)
        (void)poll(NULL, 0, 10);
    if (clock_mono_ms() - start_ms < MUTE_MS) /* else the others' time is over, too */
        assert_int_equal(left, CAP);
    assert_true(rig_wait_failure(&a, TLS_ENGINE_BUSY, &failure));
    assert_string_equal(failure.text, "8 unfinished handshakes: one more refused");
    assert_int_equal(rig_ask(s, 10), 0);
    tls_engine_status(a.engine, &status);
    assert_int_equal(status.failures[TLS_ENGINE_BUSY], STRANGERS - CAP);

    for (size_t i = 0; i < STRANGERS; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    nng_socket late =
        rig_dial(&b, server.url, 510000); /* turned away, too, until the others' ends have come; it dials again */
    assert_int_equal(rig_ask(late, 10), 0);
    nng_close(s);
    nng_close(late);
    rig_server_close(&server);
    rig_node_close(&a);
    rig_node_close(&b);
}

/* Our dialer at the door of a server that takes the connection and says nothing: it gives up and says so. */
static void test_mute_server(void **state)
{
    (void)state;
    static struct rig_node b;
    struct tls_engine_failure failure;
    char url[64];
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    rig_node_open(&b, &fixture, &xinjiang);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(listen(listener, 4), 0); /* unbound: the system picks a port on every address */
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(url, sizeof url, "tls+tcp://127.0.0.1:%u", ntohs(((struct sockaddr_in *)&address)->sin_port));
    nng_socket s = rig_dial(&b, url, 510000);
    assert_true(rig_wait_failure(&b, TLS_ENGINE_TIMEOUT, &failure));
    assert_int_equal(failure.dialled, 510000);
    nng_close(s);
    close(listener);
    rig_node_close(&b);
}

/* An argument picks the tests whose names match it. */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    crypto_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_five_thousand_strangers),
        cmocka_unit_test(test_handshake_cap),
        cmocka_unit_test(test_mute_server),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
