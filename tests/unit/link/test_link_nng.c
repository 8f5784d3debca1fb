/* The NNG link over loopback: the same tests over plain TCP and over TLS, then those that only TLS has (certificates).
 * Goal: the promises of link.h hold when peers come, go, stay silent, ask too much or are not who they should be. */
#include "tests/unit/link/link_rig.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

static void request(size_t i, size_t peer, size_t size, uint64_t token, uint32_t timeout_ms)
{
    struct err e = {0};
    uint8_t *message = xmalloc(size);
    memset(message, (int)(token & 0xff), size);
    if (link_request(rig_node(i)->link, rig_codes[peer], bytes_of(message, size), token, timeout_ms, &e) != 0)
        fail_msg("request %u: %s", (unsigned)token, e.message);
    free(message);
}

/* Node @i answers its next request with its own bytes. */
static void echo(size_t i)
{
    struct link_event asked = rig_wait(rig_node(i), LINK_REQUEST, 0);
    link_reply(rig_node(i)->link, asked.handle, bytes_of(asked.data, asked.size));
    rig_release(asked);
}

static void expect_echo(size_t i, size_t peer, uint64_t token, size_t size)
{
    struct link_event reply = rig_wait(rig_node(i), LINK_REPLY, token);
    assert_int_equal(reply.peer, rig_codes[peer]);
    assert_int_equal(reply.size, size);
    for (size_t k = 0; k < size; k++) {
        if (reply.data[k] != (token & 0xff))
            fail_msg("byte %zu differs", k);
    }
    rig_release(reply);
}

/* Node 0 has lost its connection. */
static bool is_down(void)
{
    return rig_count(rig_node(0), LINK_DOWN) > 0;
}

/* As rig_take(), for as long as it takes; false when node 0 has lost its connection. */
static bool take_while_up(size_t i, enum link_event_type type, uint64_t token, struct link_event *ret)
{
    uint64_t deadline = clock_mono_ms() + RIG_WAIT_MS;
    while (!is_down()) {
        if (rig_take(rig_node(i), type, token, 20, ret))
            return true;
        assert_true(clock_mono_ms() < deadline);
    }
    return false;
}

static bool ask(uint64_t token, uint32_t timeout_ms)
{
    struct err e = {0};
    return link_request(rig_node(0)->link, rig_codes[1], bytes_of(&token, sizeof token), token, timeout_ms, &e) == 0;
}

/* Silence after which node 0 pings in a test of that; twice of it is a dead line. */
static uint32_t ping_ms;

static void quick_pings(struct link_nng_config *config)
{
    config->ping_ms = ping_ms;
}

/* What such a test does; all its times depend on ping_ms. NULL, or what did not go as it should in these times. */
typedef const char *attempt_fn(void);

/* A machine that stands still for longer than the times of @attempt spoils it: then once more, with longer ones. */
static void succeed_in_time(void **state, attempt_fn *attempt)
{
    ping_ms = 500;
    uint64_t lost_ms = rig_lost_ms();
    for (const char *wrong; (wrong = attempt()) != NULL; lost_ms = rig_lost_ms()) {
        if (rig_lost_ms() == lost_ms || ping_ms > 10000)
            fail_msg("%s", wrong);
        ping_ms *= 2;
        (void)rig_teardown(state);
        (void)rig_setup(state);
    }
}

enum wait_what { WAIT_PIPES, WAIT_OPEN };

/* Waits until the count of accepted pipes, or of parked requests, is @wanted. */
static void wait_stats(size_t i, enum wait_what what, uint32_t wanted)
{
    uint64_t deadline = clock_mono_ms() + RIG_WAIT_MS;
    struct link_nng_stats stats;
    struct link_event event;
    for (;;) {
        link_nng_stats(rig_node(i)->link, &stats);
        if ((what == WAIT_PIPES ? stats.pipes_accepted : stats.requests_open) == wanted)
            return;
        assert_true(clock_mono_ms() < deadline);
        (void)rig_take(rig_node(i), LINK_UP, UINT64_MAX, 10, &event); /* never comes: 10 ms for others */
    }
}

/* ---- requests and answers ---- */

static void test_request_reply(void **state)
{
    (void)state;
    rig_open_pair(NULL);
    static const size_t sizes[] = {1, 1024, 1 << 20, WIRE_MESSAGE_BYTES_MAX};
    for (size_t k = 0; k < array_count(sizes); k++) {
        request(0, 1, sizes[k], k + 1, RIG_LONG_MS);
        struct link_event asked = rig_wait(rig_node(1), LINK_REQUEST, 0);
        assert_int_equal(asked.peer, rig_codes[0]);
        assert_int_equal(asked.size, sizes[k]);
        if (k % 2 == 0) {
            link_reply(rig_node(1)->link, asked.handle, bytes_of(asked.data, asked.size));
        } else { /* made where it is sent from */
            struct link_message m;
            link_message_create(rig_node(1)->link->ops, asked.size, &m);
            memcpy(m.data, asked.data, asked.size);
            link_reply_message(rig_node(1)->link, asked.handle, &m);
            assert_null(m.owner);
        }
        rig_release(asked);
        expect_echo(0, 1, k + 1, sizes[k]);
    }
    struct link_message unsent;
    link_message_create(rig_node(1)->link->ops, 1 << 20, &unsent);
    link_message_destroy(rig_node(1)->link->ops, &unsent);
    link_message_destroy(rig_node(1)->link->ops, &unsent);
    struct link_nng_stats stats;
    link_nng_stats(rig_node(0)->link, &stats);
    assert_int_equal(stats.peers_up, 1);
    assert_int_equal(stats.requests_sent, array_count(sizes));
    assert_int_equal(stats.requests_failed, 0);
    link_nng_stats(rig_node(1)->link, &stats);
    assert_int_equal(stats.requests_received, array_count(sizes));
    assert_int_equal(stats.pipes_accepted, 1);
}

/* Both directions, each over its own connection. */
static void test_both_ways(void **state)
{
    (void)state;
    rig_open_pair(NULL);
    rig_dial(1, 0);
    (void)rig_wait(rig_node(1), LINK_UP, 0);
    request(0, 1, 10, 1, RIG_LONG_MS);
    request(1, 0, 20, 2, RIG_LONG_MS);
    echo(1);
    echo(0);
    expect_echo(0, 1, 1, 10);
    expect_echo(1, 0, 2, 20);
}

/* A parked answer keeps other requests from passing no more than it makes a line dead on which they pass. */
static const char *park(void)
{
    struct link_event parked, event;
    rig_open_pair(quick_pings);
    if (!ask(1, RIG_LONG_MS) || !take_while_up(1, LINK_REQUEST, 0, &parked))
        return "down before it was parked";
    uint64_t until = clock_mono_ms() + 3 * ping_ms; /* longer than the dead-line time */
    for (uint64_t token = 2; clock_mono_ms() < until; token++) {
        if (!ask(token, RIG_LONG_MS) || !take_while_up(1, LINK_REQUEST, 0, &event))
            break;
        link_reply(rig_node(1)->link, event.handle, bytes_of(event.data, event.size));
        rig_release(event);
        if (!take_while_up(0, LINK_REPLY, token, &event))
            break;
        rig_release(event);
    }
    link_reply(rig_node(1)->link, parked.handle, bytes_of(parked.data, parked.size));
    rig_release(parked);
    if (!take_while_up(0, LINK_REPLY, 1, &event))
        return "down while it was parked";
    rig_release(event);
    return NULL;
}

static void test_parked(void **state)
{
    succeed_in_time(state, park);
}

/* Nothing but a parked request for more than two dead-line times: pings alone keep the line up. */
static const char *idle(void)
{
    struct link_event parked, event;
    rig_open_pair(quick_pings);
    if (!ask(1, RIG_LONG_MS) || !take_while_up(1, LINK_REQUEST, 0, &parked))
        return "down before it was parked";
    bool was_down = rig_take(rig_node(0), LINK_DOWN, 0, 5 * ping_ms, &event);
    link_reply(rig_node(1)->link, parked.handle, bytes_of(parked.data, parked.size));
    rig_release(parked);
    if (was_down || !take_while_up(0, LINK_REPLY, 1, &event))
        return "down while it was parked";
    rig_release(event);
    return NULL;
}

static void test_idle_stays_up(void **state)
{
    succeed_in_time(state, idle);
}

/* The late answer goes nowhere, and the line is fine. */
static const char *time_out(void)
{
    rig_open_pair(NULL);
    uint64_t start = clock_mono_ms();
    struct link_event asked;
    request(0, 1, 5, 7, ping_ms);
    struct link_event failed = rig_wait(rig_node(0), LINK_REPLY_FAILED, 7);
    uint64_t took = clock_mono_ms() - start;
    assert_true(took + 10 >= ping_ms);
    assert_string_equal(failed.reason, "no answer in time");
    if (took > ping_ms + 3000)
        return "its time was over long ago";
    if (!rig_take(rig_node(1), LINK_REQUEST, 0, 1000, &asked))
        return "it was not sent in its time";
    link_reply(rig_node(1)->link, asked.handle, bytes_of("late", 4));
    rig_release(asked);
    request(0, 1, 5, 8, RIG_LONG_MS);
    echo(1);
    expect_echo(0, 1, 8, 5);
    assert_int_equal(rig_count(rig_node(0), LINK_REPLY), 0);
    return NULL;
}

static void test_timeout(void **state)
{
    succeed_in_time(state, time_out);
}

static void test_drop(void **state)
{
    (void)state;
    rig_open_pair(NULL);
    request(0, 1, 5, 7, RIG_LONG_MS);
    struct link_event asked = rig_wait(rig_node(1), LINK_REQUEST, 0);
    link_drop(rig_node(1)->link, asked.handle);
    rig_release(asked);
    struct link_event failed = rig_wait(rig_node(0), LINK_REPLY_FAILED, 7);
    assert_non_null(strstr(failed.reason, "refused"));
}

static void test_oversize(void **state)
{
    (void)state;
    rig_open_pair(NULL);
    struct err e = {0};
    uint8_t *large = xcalloc(1, WIRE_MESSAGE_BYTES_MAX + 1);
    struct bytes over = bytes_of(large, WIRE_MESSAGE_BYTES_MAX + 1);
    assert_int_equal(link_request(rig_node(0)->link, rig_codes[1], over, 1, 1000, &e), ERR_LIMIT);
    assert_string_equal(e.id, "link.too-large");
    assert_int_equal(link_request(rig_node(0)->link, rig_codes[1], bytes_of(NULL, 0), 1, 1000, &e), ERR_INVALID);
    assert_string_equal(e.id, "link.empty");

    request(0, 1, 5, 2, RIG_LONG_MS);
    struct link_event asked = rig_wait(rig_node(1), LINK_REQUEST, 0);
    link_reply(rig_node(1)->link, asked.handle, over);
    rig_release(asked);
    free(large);
    (void)rig_wait(rig_node(0), LINK_REPLY_FAILED, 2);
    request(0, 1, 5, 3, RIG_LONG_MS);
    echo(1);
    expect_echo(0, 1, 3, 5);
    assert_int_equal(rig_count(rig_node(0), LINK_DOWN), 0);
}

static void test_open_limit(void **state)
{
    (void)state;
    rig_open_pair(NULL);
    struct err e = {0};
    for (uint64_t token = 1; token <= LINK_PEER_REQUESTS_MAX; token++)
        request(0, 1, 5, token, RIG_LONG_MS);
    assert_int_equal(link_request(rig_node(0)->link, rig_codes[1], bytes_of("x", 1), 99, 1000, &e), ERR_BUSY);
    assert_string_equal(e.id, "link.busy");
    for (unsigned k = 0; k < LINK_PEER_REQUESTS_MAX; k++)
        echo(1);
    for (uint64_t token = 1; token <= LINK_PEER_REQUESTS_MAX; token++)
        expect_echo(0, 1, token, 5);
    request(0, 1, 5, 100, RIG_LONG_MS); /* a place is free again */
    echo(1);
    expect_echo(0, 1, 100, 5);
}

/* Requests given up by the asker are still open here; the ninth is refused, and pings still pass. */
static const char *give_up_eight(void)
{
    uint64_t handles[LINK_PEER_REQUESTS_MAX];
    struct link_event event;
    struct link_nng_stats stats;
    rig_open_pair(quick_pings);
    for (unsigned k = 0; k < LINK_PEER_REQUESTS_MAX; k++)
        if (!ask(k + 1, 3 * ping_ms))
            return "down at the beginning";
    for (unsigned k = 0; k < LINK_PEER_REQUESTS_MAX; k++)
        (void)rig_wait(rig_node(0), LINK_REPLY_FAILED, k + 1);
    for (unsigned k = 0; k < LINK_PEER_REQUESTS_MAX; k++) {
        if (!rig_take(rig_node(1), LINK_REQUEST, 0, 1000, &event))
            return "some were not sent in their time";
        handles[k] = event.handle;
        rig_release(event);
    }
    if (!ask(50, RIG_LONG_MS))
        return "down when the ninth was asked";
    event = rig_wait(rig_node(0), LINK_REPLY_FAILED, 50);
    if (strstr(event.reason, "refused") == NULL)
        return "the ninth was not refused";
    link_nng_stats(rig_node(1)->link, &stats);
    assert_int_equal(stats.requests_refused, 1);
    assert_int_equal(stats.requests_open, LINK_PEER_REQUESTS_MAX);
    if (rig_take(rig_node(0), LINK_DOWN, 0, 3 * ping_ms, &event))
        return "pings did not pass";
    for (unsigned k = 0; k < LINK_PEER_REQUESTS_MAX; k++)
        link_reply(rig_node(1)->link, handles[k], bytes_of("x", 1));
    if (!ask(51, RIG_LONG_MS) || !take_while_up(1, LINK_REQUEST, 0, &event))
        return "down at the end";
    link_reply(rig_node(1)->link, event.handle, bytes_of(event.data, event.size));
    rig_release(event);
    if (!take_while_up(0, LINK_REPLY, 51, &event))
        return "down at the end";
    rig_release(event);
    return NULL;
}

static void test_served_limit(void **state)
{
    succeed_in_time(state, give_up_eight);
}

/* Three nodes ask one, 64 times each, as many at once as they may. */
static void test_many(void **state)
{
    (void)state;
    struct link_nng_peer known[3] = {{.code = rig_codes[1]}, {.code = rig_codes[2]}, {.code = rig_codes[3]}};
    rig_open(0, 0, known, 3, NULL);
    struct link_nng_peer hub = {.code = rig_codes[0], .url = rig_node(0)->url};
    for (size_t i = 1; i < 4; i++) {
        rig_open(i, 0, &hub, 1, NULL);
        (void)rig_wait(rig_node(i), LINK_UP, 0);
    }
    uint64_t next[4] = {0, 1, 1, 1};
    size_t done = 0;
    uint64_t deadline = clock_mono_ms() + RIG_WAIT_MS;
    while (done < 3 * 64) {
        assert_true(clock_mono_ms() < deadline);
        struct link_event event;
        for (size_t i = 1; i < 4; i++) {
            struct err e = {0};
            while (next[i] <= 64 &&
                   link_request(rig_node(i)->link, rig_codes[0], bytes_of(&next[i], 8), next[i], RIG_LONG_MS, &e) == 0)
                next[i]++;
            while (rig_take(rig_node(i), LINK_REPLY, 0, 0, &event)) {
                assert_memory_equal(event.data, &event.token, 8);
                rig_release(event);
                done++;
            }
            if (rig_take(rig_node(i), LINK_REPLY_FAILED, 0, 0, &event))
                fail_msg("node %u token %u: %s", event.peer, (unsigned)event.token, event.reason);
        }
        while (rig_take(rig_node(0), LINK_REQUEST, 0, 1, &event)) {
            link_reply(rig_node(0)->link, event.handle, bytes_of(event.data, event.size));
            rig_release(event);
        }
    }
}

/* ---- coming and going ---- */

static void test_not_connected(void **state)
{
    (void)state;
    struct err e = {0};
    struct link_nng_peer inbound = {.code = rig_codes[1]};
    rig_open(0, 0, &inbound, 1, NULL);
    assert_int_equal(link_request(rig_node(0)->link, rig_codes[1], bytes_of("x", 1), 1, 1000, &e), ERR_CLOSED);
    assert_int_equal(link_request(rig_node(0)->link, rig_codes[2], bytes_of("x", 1), 1, 1000, &e), ERR_CLOSED);
    link_redial(rig_node(0)->link, rig_codes[1]); /* no address: nothing happens */
    link_redial(rig_node(0)->link, rig_codes[2]);
    assert_int_equal(rig_count(rig_node(0), LINK_REPLY_FAILED), 0);
}

/* Nobody listens: told once with the reason; up as soon as somebody does. */
static void test_dial_error_then_up(void **state)
{
    (void)state;
    struct link_nng_peer inbound = {.code = rig_codes[0]};
    rig_open(1, 0, &inbound, 1, NULL);
    uint16_t port = link_nng_port(rig_node(1)->link);
    rig_close(1);
    struct link_nng_peer outbound = {.code = rig_codes[1], .url = rig_node(1)->url};
    rig_open(0, 0, &outbound, 1, NULL);
    struct link_event down = rig_wait(rig_node(0), LINK_DOWN, 0);
    assert_int_equal(down.peer, rig_codes[1]);
    assert_string_equal(down.reason, "cannot connect: Connection refused");
    struct link_event event;
    assert_false(rig_take(rig_node(0), LINK_DOWN, 0, 600, &event)); /* once, however many attempts */
    rig_open(1, port, &inbound, 1, NULL);
    (void)rig_wait(rig_node(0), LINK_UP, 0);
}

/* The peer dies with requests open: all fail at once, the link comes back by itself. */
static void test_peer_dies(void **state)
{
    (void)state;
    rig_open_pair(NULL);
    uint16_t port = link_nng_port(rig_node(1)->link);
    for (uint64_t token = 1; token <= 4; token++)
        request(0, 1, 100000, token, RIG_LONG_MS);
    for (unsigned k = 0; k < 4; k++)
        rig_release(rig_wait(rig_node(1), LINK_REQUEST, 0));
    rig_close(1);
    for (uint64_t token = 1; token <= 4; token++) { /* long before their time is over */
        struct link_event failed = rig_wait(rig_node(0), LINK_REPLY_FAILED, token);
        assert_string_equal(failed.reason, "connection lost");
    }
    struct link_event down = rig_wait(rig_node(0), LINK_DOWN, 0);
    assert_non_null(strstr(down.reason, "the peer closed the connection"));
    struct err e = {0};
    assert_int_equal(link_request(rig_node(0)->link, rig_codes[1], bytes_of("x", 1), 9, 1000, &e), ERR_CLOSED);

    struct link_nng_peer inbound = {.code = rig_codes[0]};
    rig_open(1, port, &inbound, 1, NULL);
    (void)rig_wait(rig_node(0), LINK_UP, 0);
    request(0, 1, 5, 10, RIG_LONG_MS);
    echo(1);
    expect_echo(0, 1, 10, 5);
    assert_int_equal(rig_count(rig_node(1), LINK_REQUEST), 0); /* nothing of before was sent again */
}

static void slow_backoff(struct link_nng_config *config)
{
    config->backoff_min_ms = 2000000000; /* the pause is drawn from 0..this */
    config->backoff_max_ms = 2000000000;
}

/* In a backoff of days link_redial() connects at once. */
static void test_redial(void **state)
{
    (void)state;
    rig_open_pair(slow_backoff);
    uint16_t port = link_nng_port(rig_node(1)->link);
    rig_close(1);
    (void)rig_wait(rig_node(0), LINK_DOWN, 0);
    struct link_nng_peer inbound = {.code = rig_codes[0]};
    rig_open(1, port, &inbound, 1, NULL);
    struct link_event event;
    assert_false(rig_take(rig_node(0), LINK_UP, 0, 300, &event));
    link_redial(rig_node(0)->link, rig_codes[1]);
    (void)rig_wait(rig_node(0), LINK_UP, 0);
    link_redial(rig_node(0)->link, rig_codes[1]); /* connected: nothing happens */
    request(0, 1, 5, 1, RIG_LONG_MS);
    echo(1);
    expect_echo(0, 1, 1, 5);
    assert_int_equal(rig_count(rig_node(0), LINK_DOWN), 0);
}

/* NNG 1.10.1 loses a message when a connection is closed by us in the very moment it is being written; leak checkers
 * see that, so that under them the messages have gone out before. */
#if defined(__SANITIZE_ADDRESS__)
#define HAS_LEAK_CHECK 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LEAK_CHECK 1
#endif
#endif
#ifndef HAS_LEAK_CHECK
#define HAS_LEAK_CHECK 0
#endif

/* Every request that was open when the link closes has ended when close returns, and nothing comes after. */
static void test_close_with_open(void **state)
{
    (void)state;
    rig_open_pair(NULL);
    for (uint64_t token = 1; token <= LINK_PEER_REQUESTS_MAX; token++)
        request(0, 1, 1 << 20, token, RIG_LONG_MS);
    for (unsigned k = 0; HAS_LEAK_CHECK && k < LINK_PEER_REQUESTS_MAX; k++)
        rig_release(rig_wait(rig_node(1), LINK_REQUEST, 0));
    rig_close(0);
    assert_int_equal(rig_count(rig_node(0), LINK_REPLY_FAILED), LINK_PEER_REQUESTS_MAX);
    rig_close(1); /* with requests never answered */
}

/* A link that closes right behind an answer, when NNG's threads are about to wait for the next request: its socket ends after them. */
static void test_close_behind_answers(void **state)
{
    for (int round = 0; round < 40; round++) {
        rig_open_pair(NULL);
        for (uint64_t token = 1; token <= LINK_PEER_REQUESTS_MAX; token++)
            request(0, 1, 1, token, RIG_LONG_MS);
        for (unsigned k = 0; k < LINK_PEER_REQUESTS_MAX; k++)
            echo(1);
        rig_close((size_t)round % 2);
        (void)rig_teardown(state);
        (void)rig_setup(state);
    }
}

static void as_last(struct link_nng_config *config)
{
    config->is_last = true;
}

/* The end of a process that asks, some of it just over its time: all of it ends. */
static void test_last_close_while_asking(void **state)
{
    for (int round = 0; round < 20; round++) {
        rig_open_pair(as_last);
        for (uint64_t token = 1; token <= LINK_PEER_REQUESTS_MAX; token++)
            request(0, 1, 1, token, 5 + (uint32_t)token / 2);
        (void)rig_wait(rig_node(0), LINK_REPLY_FAILED, 0); /* the next ones are due just now */
        rig_close(0);                                      /* xassert in rig_event(): nothing comes behind this */
        assert_int_equal(rig_count(rig_node(0), LINK_REPLY_FAILED), LINK_PEER_REQUESTS_MAX - 1);
        (void)rig_teardown(state);
        (void)rig_setup(state);
    }
}

/* The end of a process that answers: who asked hears of it at once, and does not get in again, although the port is still open. */
static void test_last_close_while_asked(void **state)
{
    (void)state;
    struct link_nng_peer inbound = {.code = rig_codes[0]};
    rig_open(1, 0, &inbound, 1, as_last);
    struct link_nng_peer outbound = {.code = rig_codes[1], .url = rig_node(1)->url};
    rig_open(0, 0, &outbound, 1, NULL);
    (void)rig_wait(rig_node(0), LINK_UP, 0);
    request(0, 1, 100, 1, RIG_LONG_MS);
    rig_release(rig_wait(rig_node(1), LINK_REQUEST, 0));
    rig_close(1);
    (void)rig_wait(rig_node(0), LINK_REPLY_FAILED, 1);
    (void)rig_wait(rig_node(0), LINK_DOWN, 0);
    (void)rig_wait(rig_node(0), LINK_DOWN, 0); /* for another reason: it has dialled again */
    assert_int_equal(rig_count(rig_node(0), LINK_UP), 0);
}

/* ---- members ---- */

static void test_set_peers(void **state)
{
    (void)state;
    rig_open_pair(NULL);
    struct err e = {0};
    struct link_nng_peer inbound = {.code = rig_codes[0]};
    rig_open(2, 0, &inbound, 1, NULL);
    struct link_nng_peer both[2] = {{.code = rig_codes[1], .url = rig_node(1)->url},
                                    {.code = rig_codes[2], .url = rig_node(2)->url}};
    assert_int_equal(link_nng_set_peers(rig_node(0)->link, both, 2, &e), 0);
    assert_int_equal(rig_wait(rig_node(0), LINK_UP, 0).peer, rig_codes[2]);
    assert_int_equal(rig_count(rig_node(0), LINK_DOWN), 0); /* the first was left alone */

    request(0, 1, 5, 1, RIG_LONG_MS);
    rig_release(rig_wait(rig_node(1), LINK_REQUEST, 0));
    assert_int_equal(link_nng_set_peers(rig_node(0)->link, &both[1], 1, &e), 0);
    struct link_event failed = rig_wait(rig_node(0), LINK_REPLY_FAILED, 1);
    assert_int_equal(failed.peer, rig_codes[1]);
    struct link_event down = rig_wait(rig_node(0), LINK_DOWN, 0);
    assert_int_equal(down.peer, rig_codes[1]);
    assert_string_equal(down.reason, "no member any more");
    assert_int_equal(link_request(rig_node(0)->link, rig_codes[1], bytes_of("x", 1), 2, 1000, &e), ERR_CLOSED);

    struct link_nng_peer moved = {.code = rig_codes[2], .url = rig_node(1)->url}; /* somebody else answers there */
    assert_int_equal(link_nng_set_peers(rig_node(0)->link, &moved, 1, &e), 0);
    assert_string_equal(rig_wait(rig_node(0), LINK_DOWN, 0).reason, "its address changed");
    down = rig_wait(rig_node(0), LINK_DOWN, 0);
    assert_non_null(strstr(down.reason, rig.is_tls ? "440000" : "node 440000 answered there (link.wrong-node)"));
}

static void test_bad_peers(void **state)
{
    (void)state;
    rig_open_pair(NULL);
    struct err e = {0};
    struct link *l = rig_node(0)->link;
    struct link_nng_peer twice[2] = {{.code = 440000}, {.code = 440000}};
    assert_int_equal(link_nng_set_peers(l, twice, 2, &e), ERR_INVALID);
    assert_string_equal(e.id, "link.peer");
    e.id[0] = '\0';
    assert_int_equal(link_nng_set_peers(l, &(struct link_nng_peer){.code = 0}, 1, &e), ERR_INVALID);
    assert_string_equal(e.id, "link.peer");
    struct link_nng_peer wrong = {.code = 440000, .url = "http://127.0.0.1:1"};
    assert_int_equal(link_nng_set_peers(l, &wrong, 1, &e), ERR_INVALID);
    assert_string_equal(e.id, "link.url");
    char url[400] = "tcp://127.0.0.1:1";
    memset(url + 17, '0', 300);
    wrong.url = url;
    assert_int_equal(link_nng_set_peers(l, &wrong, 1, &e), ERR_LIMIT);
    struct link_nng_peer *many = xcalloc(MEMBERS_MAX + 1, sizeof *many);
    assert_int_equal(link_nng_set_peers(l, many, MEMBERS_MAX + 1, &e), ERR_LIMIT);
    assert_string_equal(e.id, "link.peers");
    free(many);
    request(0, 1, 5, 1, RIG_LONG_MS); /* all of it changed nothing */
    echo(1);
    expect_echo(0, 1, 1, 5);
    struct link_nng_peer two[2] = {{.code = 440000, .url = rig_node(1)->url}, {.code = 320000}};
    two[1].url = rig.is_tls ? "tls+tcp://127.0.0.1" : "tcp://127.0.0.1"; /* no port: NNG's refusal, of this one only */
    assert_int_equal(link_nng_set_peers(l, two, 2, &e), 0);
    struct link_event down = rig_wait(rig_node(0), LINK_DOWN, 0);
    assert_int_equal(down.peer, 320000);
    assert_non_null(strstr(down.reason, "ddress"));
    request(0, 1, 5, 2, RIG_LONG_MS);
    echo(1);
    expect_echo(0, 1, 2, 5);
}

/* A node that the dialled one does not know: never up, told to both, and not dialled without pause. */
static void test_non_member(void **state)
{
    (void)state;
    rig_open(1, 0, NULL, 0, NULL);
    struct link_nng_peer outbound = {.code = rig_codes[1], .url = rig_node(1)->url};
    uint64_t start = clock_mono_ms();
    rig_open(0, 0, &outbound, 1, NULL);
    struct link_event refused = rig_wait(rig_node(1), LINK_REFUSED, 0);
    assert_int_equal(refused.peer, rig_codes[0]);
    assert_non_null(strstr(refused.reason, rig.is_tls ? "not a member" : "is not a member (link.not-member)"));
    while (strstr(rig_wait(rig_node(0), LINK_DOWN, 0).reason, "member") == NULL) /* or it was cut off before */
        assert_true(clock_mono_ms() - start < 2 * RIG_WAIT_MS);
    struct link_event event;
    struct link_nng_stats stats;
    do {
        assert_true(clock_mono_ms() - start < 2 * RIG_WAIT_MS);
        assert_false(rig_take(rig_node(0), LINK_UP, 0, 1000, &event));
        link_nng_stats(rig_node(1)->link, &stats);
    } while (stats.connections_refused < 2);
    /* backoff up to 200 ms, drawn: 10 a second expected */
    assert_true(stats.connections_refused <= 20 + (clock_mono_ms() - start) / 25);
    assert_int_equal(stats.pipes_accepted, 0);
    assert_int_equal(stats.requests_received, 0);

    struct err e = {0};
    struct link_nng_peer inbound = {.code = rig_codes[0]};
    assert_int_equal(link_nng_set_peers(rig_node(1)->link, &inbound, 1, &e), 0);
    (void)rig_wait(rig_node(0), LINK_UP, 0);
    assert_int_equal(link_nng_set_peers(rig_node(1)->link, NULL, 0, &e), 0); /* and out again */
    (void)rig_wait(rig_node(0), LINK_DOWN, 0);
}

/* ---- silence ---- */

/* A listener that takes connections and says nothing, or only the SP header. */
struct mute {
    int socket;
    int taken;
    uint16_t port;
};

static void mute_open(struct mute *m, uint32_t code)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(127u << 24 | code)};
    socklen_t size = sizeof at;
    m->socket = socket(AF_INET, SOCK_STREAM, 0);
    m->taken = -1;
    assert_true(m->socket >= 0);
    assert_int_equal(bind(m->socket, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(m->socket, 16), 0);
    assert_int_equal(getsockname(m->socket, (struct sockaddr *)&at, &size), 0);
    m->port = ntohs(at.sin_port);
}

/* Greets as a REP socket (SP header, protocol 0x31) and then falls silent. */
static void mute_greet(struct mute *m)
{
    static const uint8_t header[8] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};
    m->taken = accept(m->socket, NULL, NULL);
    assert_true(m->taken >= 0);
    assert_int_equal(send(m->taken, header, sizeof header, 0), sizeof header);
}

static void mute_close(struct mute *m)
{
    if (m->taken >= 0)
        (void)close(m->taken);
    (void)close(m->socket);
}

/* The connection stands but nobody answers pings: never up, closed for silence after twice their time. Plain only. */
static const char *fall_silent(void)
{
    struct mute m;
    mute_open(&m, rig_codes[1]);
    char url[64];
    rig_url(rig_codes[1], m.port, url);
    struct link_nng_peer outbound = {.code = rig_codes[1], .url = url};
    rig_open(0, 0, &outbound, 1, quick_pings);
    uint64_t start = clock_mono_ms();
    mute_greet(&m);
    struct link_event down = rig_wait(rig_node(0), LINK_DOWN, 0);
    uint64_t took = clock_mono_ms() - start;
    assert_true(took + 100 >= 2 * ping_ms);
    assert_non_null(strstr(down.reason, "no answer for"));
    assert_int_equal(rig_count(rig_node(0), LINK_UP), 0);
    struct link_nng_stats stats;
    link_nng_stats(rig_node(0)->link, &stats);
    assert_int_equal(stats.lines_dead, 1);
    rig_close(0);
    mute_close(&m);
    return took > 2 * ping_ms + 4000 ? "dead for long, and not noticed" : NULL;
}

static void test_dead_line(void **state)
{
    succeed_in_time(state, fall_silent);
}

/* Node 0 has dialled @m in the place of node 1, and waits to be greeted. */
static void open_dialling(struct mute *m)
{
    char url[64];
    mute_open(m, rig_codes[1]);
    rig_url(rig_codes[1], m->port, url);
    rig_open(0, 0, &(struct link_nng_peer){.code = rig_codes[1], .url = url}, 1, NULL);
    m->taken = accept(m->socket, NULL, NULL);
    assert_true(m->taken >= 0);
}

/* A peer that moves while it is being dialled: the attempt under way does not come up at the old address. Plain only. */
static void test_moved_while_dialled(void **state)
{
    (void)state;
    static const uint8_t header[8] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};
    struct err e = {0};
    struct mute m;
    open_dialling(&m);
    rig_open(1, 0, &(struct link_nng_peer){.code = rig_codes[0]}, 1, NULL);
    struct link_nng_peer peer = {.code = rig_codes[1], .url = rig_node(1)->url};
    assert_int_equal(link_nng_set_peers(rig_node(0)->link, &peer, 1, &e), 0);
    assert_int_equal(send(m.taken, header, sizeof header, 0), sizeof header);
    struct link_event down = rig_wait(rig_node(0), LINK_DOWN, 0);
    assert_string_equal(down.reason, "its address changed (link.refused)");
    (void)rig_wait(rig_node(0), LINK_UP, 0); /* at the new one */
    request(0, 1, 5, 1, RIG_LONG_MS);
    echo(1);
    expect_echo(0, 1, 1, 5);
    mute_close(&m);
}

/* A link that closes while it connects does not wait for that, nor break it off, which NNG does not bear: the attempt ends when
 * the other side answers, and nobody hears of it. Plain only. */
static void test_close_while_connecting(void **state)
{
    (void)state;
    static const uint8_t header[8] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};
    struct mute m;
    uint8_t got[16];
    open_dialling(&m);
    assert_int_equal(recv(m.taken, got, sizeof header, MSG_WAITALL), sizeof header);
    rig_close(0); /* xassert in rig_event(): nothing comes behind this */
    assert_int_equal(recv(m.taken, got, sizeof got, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(send(m.taken, header, sizeof header, 0), sizeof header);
    assert_int_equal(recv(m.taken, got, sizeof got, 0), 0); /* it lets go */
    mute_close(&m);
}

static void short_idle(struct link_nng_config *config)
{
    config->idle_ms = 400;
}

/* A dialler that lets itself in and then says nothing is closed after idle_ms. Plain only. */
static void test_idle_accepted(void **state)
{
    (void)state;
    struct link_nng_peer inbound = {.code = rig_codes[0]};
    rig_open(1, 0, &inbound, 1, short_idle);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(127u << 24 | rig_codes[0])};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(127u << 24 | rig_codes[1]),
                             .sin_port = htons(link_nng_port(rig_node(1)->link))};
    static const uint8_t header[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, header, sizeof header, 0), sizeof header);
    struct timeval limit = {.tv_sec = RIG_WAIT_MS / 1000};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    uint8_t in[9];
    size_t at = 0;
    ssize_t got = 0;
    do {
        at += (size_t)max_of(got, (ssize_t)0);
        got = recv(fd, in + at, sizeof in - at, 0);
    } while (got > 0 || (got < 0 && errno == EINTR)); /* with a time limit that is what follows a stop */
    assert_int_equal(got, 0); /* the end, */
    assert_int_equal(at, 8);  /* behind its header */
    (void)close(fd);
    struct link_nng_stats stats;
    link_nng_stats(rig_node(1)->link, &stats);
    assert_int_equal(stats.lines_dead, 1);
}

/* More connections of one peer than it may have. Plain only: raw sockets bound to its address. */
static void test_too_many_pipes(void **state)
{
    (void)state;
    struct link_nng_peer inbound = {.code = rig_codes[0]};
    rig_open(1, 0, &inbound, 1, NULL);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(127u << 24 | rig_codes[0])};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(127u << 24 | rig_codes[1]),
                             .sin_port = htons(link_nng_port(rig_node(1)->link))};
    static const uint8_t header[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    int fds[LINK_PEER_PIPES_MAX + 1];
    for (size_t i = 0; i < array_count(fds); i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(fds[i], (struct sockaddr *)&own, sizeof own), 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&to, sizeof to), 0);
        assert_int_equal(send(fds[i], header, sizeof header, 0), sizeof header);
    }
    struct link_event refused = rig_wait(rig_node(1), LINK_REFUSED, 0);
    assert_non_null(strstr(refused.reason, "8 connections open, limit 8 (link.connections)"));
    for (size_t i = 0; i < array_count(fds); i++)
        (void)close(fds[i]);
}

/* A member that asks for the largest answers, reads nothing and hangs up: costs its own places only. Plain only. */
static void test_stalled_reader(void **state)
{
    (void)state;
    struct link_nng_peer inbound = {.code = rig_codes[0]};
    rig_open(1, 0, &inbound, 1, NULL);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(127u << 24 | rig_codes[0])};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(127u << 24 | rig_codes[1]),
                             .sin_port = htons(link_nng_port(rig_node(1)->link))};
    static const uint8_t header[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    uint8_t *large = xcalloc(1, WIRE_MESSAGE_BYTES_MAX);
    for (int round = 0; round < 3; round++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
        assert_int_equal(send(fd, header, sizeof header, 0), sizeof header);
        for (uint8_t k = 0; k < 4; k++) {
            const uint8_t ask[13] = {0, 0, 0, 0, 0, 0, 0, 5, 0x80, 0, 0, k, 'q'};
            assert_int_equal(send(fd, ask, sizeof ask, 0), sizeof ask);
            struct link_event asked = rig_wait(rig_node(1), LINK_REQUEST, 0);
            rig_release(asked);
            link_reply(rig_node(1)->link, asked.handle, bytes_of(large, WIRE_MESSAGE_BYTES_MAX));
        }
        wait_stats(1, WAIT_PIPES, 1);
        (void)close(fd);
        wait_stats(1, WAIT_PIPES, 0);
        wait_stats(1, WAIT_OPEN, 0);
    }
    free(large);
}

/* ---- certificates: TLS only ---- */

/* Revoked while connected: the pipe stands until recheck, is closed by it, and cannot come back. */
static void test_revoked(void **state)
{
    (void)state;
    struct pki_fixture_node before = rig.certs[3], revoked;
    pki_fixture_issue(&rig.pki, "leaver", rig_codes[3], "测试省", -3600, 3600, &revoked);
    rig.certs[3] = revoked;
    struct link_nng_peer inbound = {.code = rig_codes[3]};
    rig_open(1, 0, &inbound, 1, NULL);
    struct link_nng_peer outbound = {.code = rig_codes[1], .url = rig_node(1)->url};
    rig_open(3, 0, &outbound, 1, NULL);
    rig.certs[3] = before;
    (void)rig_wait(rig_node(3), LINK_UP, 0);

    struct err e = {0};
    link_nng_recheck(rig_node(1)->link); /* nothing wrong yet */
    wait_stats(1, WAIT_PIPES, 1);
    pki_fixture_revoke(&rig.pki, &revoked);
    assert_int_equal(tls_engine_reload(rig_node(1)->tls, &e), 0);
    link_nng_recheck(rig_node(1)->link);
    (void)rig_wait(rig_node(3), LINK_DOWN, 0);
    struct link_event refused = rig_wait(rig_node(1), LINK_REFUSED, 0);
    assert_non_null(strstr(refused.reason, "revoked"));
    struct link_event event;
    assert_false(rig_take(rig_node(3), LINK_UP, 0, 700, &event));
    wait_stats(1, WAIT_PIPES, 0);
}

/* The dialler's certificate has expired: the dialled side says so, and the dialler learns it from the alert, unless the
 * connection's reset overtakes that; then one of the next attempts tells. */
static void test_expired(void **state)
{
    (void)state;
    struct pki_fixture_node before = rig.certs[0];
    pki_fixture_issue(&rig.pki, "expired", rig_codes[0], "测试省", -7200, -3600, &rig.certs[0]);
    struct link_nng_peer inbound = {.code = rig_codes[0]};
    rig_open(1, 0, &inbound, 1, NULL);
    struct link_nng_peer outbound = {.code = rig_codes[1], .url = rig_node(1)->url};
    rig_open(0, 0, &outbound, 1, NULL);
    rig.certs[0] = before;
    struct link_event refused = rig_wait(rig_node(1), LINK_REFUSED, 0);
    assert_non_null(strstr(refused.reason, "expired"));
    while (strstr(rig_wait(rig_node(0), LINK_DOWN, 0).reason, "expired") == NULL) {
    }
    assert_int_equal(rig_count(rig_node(0), LINK_UP), 0);
}

/* A stranger without TLS on the federation port: refused, told, and the port still serves. */
static void test_not_tls(void **state)
{
    (void)state;
    rig_open_pair(NULL);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(rig_tls_host()),
                             .sin_port = htons(link_nng_port(rig_node(1)->link))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    struct link_event refused = rig_wait(rig_node(1), LINK_REFUSED, 0);
    assert_int_equal(refused.peer, 0);
    (void)close(fd);
    request(0, 1, 5, 1, RIG_LONG_MS);
    echo(1);
    expect_echo(0, 1, 1, 5);
}

/* ---- nothing is left behind ---- */

static size_t count_fds(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count;
}

/* Opening and closing again and again leaves no descriptor (sanitizer builds watch the heap). */
static void test_no_leak(void **state)
{
    size_t first = 0;
    for (int round = 0; round < 5; round++) {
        rig_open_pair(NULL);
        rig_dial(1, 0);
        (void)rig_wait(rig_node(1), LINK_UP, 0);
        request(0, 1, 100, 1, RIG_LONG_MS);
        echo(1);
        expect_echo(0, 1, 1, 100);
        request(0, 1, 100, 2, RIG_LONG_MS); /* left open */
        rig_release(rig_wait(rig_node(1), LINK_REQUEST, 0));
        (void)rig_teardown(state);
        (void)rig_setup(state);
        if (round == 0)
            first = count_fds();
    }
    uint64_t deadline = clock_mono_ms() + RIG_WAIT_MS; /* NNG closes the last ones on a thread of its own */
    while (count_fds() > first && clock_mono_ms() < deadline)
        (void)sched_yield();
    assert_true(count_fds() <= first);
}

#define COMMON                                                                                                         \
    link_test(test_request_reply), link_test(test_both_ways), link_test(test_parked), link_test(test_idle_stays_up),   \
        link_test(test_timeout), link_test(test_drop), link_test(test_oversize), link_test(test_open_limit),           \
        link_test(test_served_limit), link_test(test_many), link_test(test_not_connected),                             \
        link_test(test_dial_error_then_up), link_test(test_peer_dies), link_test(test_redial),                         \
        link_test(test_close_with_open), link_test(test_close_behind_answers),                                         \
        link_test(test_last_close_while_asking), link_test(test_last_close_while_asked), link_test(test_set_peers),    \
        link_test(test_bad_peers), link_test(test_non_member), link_test(test_no_leak)
#define link_test(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

/* With an argument only the tests whose name matches it ("test_re*"). */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    crypto_init();
    const struct CMUnitTest plain[] = {
        COMMON,
        link_test(test_dead_line),
        link_test(test_moved_while_dialled),
        link_test(test_close_while_connecting),
        link_test(test_idle_accepted),
        link_test(test_too_many_pipes),
        link_test(test_stalled_reader),
    };
    const struct CMUnitTest tls[] = {
        COMMON,
        link_test(test_revoked),
        link_test(test_expired),
        link_test(test_not_tls),
    };
    int failed = cmocka_run_group_tests_name("plain", plain, rig_setup_plain, rig_end_watch);
    failed += cmocka_run_group_tests_name("tls", tls, rig_setup_tls, rig_teardown_tls);
    return failed;
}
