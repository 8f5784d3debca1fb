/* What the tests of the NNG link share: nodes that remember their events, over plain loopback TCP or TLS. The test's one
 * thread plays the loop thread of every node. Included by one file per program. */
#ifndef TB_TESTS_LINK_RIG_H
#define TB_TESTS_LINK_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "certs/crypto.h"
#include "federation/link_nng.h"
#include "node/base/clock.h"
#include "node/base/xassert.h"
#include "tests/lib/pki_fixture.h"

#define RIG_WAIT_MS 120000 /* a condition that does not come in this time has failed */
#define RIG_LONG_MS 300000 /* a time that is over in no test */
/* Not RIG_LONG_MS: when a peer closes a TLS connection in the very moment in which it stands, NNG sometimes does not tell (1.10.1: an error of
 * TCP ends what waits at that moment, and a receive that comes after it never ends). Unanswered pings do, after twice this. */
#define RIG_PING_MS 20000
#define RIG_LATE_MS 100 /* lateness below this is usual */
#define RIG_EVENTS_MAX 2048
#define RIG_NODES 4

/* 测试 names; codes as in the plain mode of link_nng.h: six digits fit into 24 bits. */
static const uint32_t rig_codes[RIG_NODES] = {510000, 440000, 320000, 650000};

struct rig_node {
    uint32_t code;
    struct link *link; /* NULL = not open */
    struct tls_engine *tls;
    char url[64]; /* where it listens, once open */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct link_event events[RIG_EVENTS_MAX]; /* not yet taken */
    size_t event_count;
    bool is_closed;                  /* no event may come any more */
    bool is_forwarding;              /* failed handshakes go to the link */
    uint32_t members[RIG_NODES + 1]; /* for the engine, zero-ended */
};

struct rig {
    bool is_tls;
    struct rig_node nodes[RIG_NODES];
    struct pki_fixture pki;
    struct pki_fixture_node certs[RIG_NODES];
    pthread_t watch; /* looks how much of its time the machine has for this process */
    atomic_bool is_ending;
    atomic_uint_fast64_t looked_ms, lost_ms;
};

static struct rig rig;

static void rig_event(void *ctx, const struct link_event *event)
{
    struct rig_node *n = ctx;
    pthread_mutex_lock(&n->lock);
    xassert(!n->is_closed && n->event_count < RIG_EVENTS_MAX);
    n->events[n->event_count++] = *event;
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

static void rig_release(struct link_event event)
{
    link_event_close(&event);
}

static bool rig_is_member(void *ctx, uint32_t code)
{
    struct rig_node *n = ctx;
    bool is_member = false;
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; n->members[i] != 0; i++)
        is_member |= n->members[i] == code;
    pthread_mutex_unlock(&n->lock);
    return is_member;
}

static void rig_failed(void *ctx, const struct tls_engine_failure *failure)
{
    struct rig_node *n = ctx;
    pthread_mutex_lock(&n->lock);
    struct link *l = n->is_forwarding ? n->link : NULL;
    pthread_mutex_unlock(&n->lock);
    if (l != NULL)
        link_nng_handshake_failed(l, failure);
}

static struct timespec rig_deadline(uint32_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

/* Takes the first event of @type (and @token, unless 0) out of @n's; false when none comes within @ms. */
static bool rig_take(struct rig_node *n, enum link_event_type type, uint64_t token, uint32_t ms, struct link_event *ret)
{
    struct timespec deadline = rig_deadline(ms);
    bool is_found = false, in_time = true, is_last = false;
    pthread_mutex_lock(&n->lock);
    while (!is_found && !is_last) {
        is_last = !in_time; /* what came while the machine stood still counts */
        for (size_t i = 0; i < n->event_count && !is_found; i++) {
            is_found = n->events[i].type == type && (token == 0 || n->events[i].token == token);
            if (is_found) {
                *ret = n->events[i];
                memmove(&n->events[i], &n->events[i + 1], (n->event_count - i - 1) * sizeof n->events[0]);
                n->event_count--;
            }
        }
        if (!is_found && !is_last)
            in_time = pthread_cond_timedwait(&n->changed, &n->lock, &deadline) == 0;
    }
    pthread_mutex_unlock(&n->lock);
    return is_found;
}

static struct link_event rig_wait(struct rig_node *n, enum link_event_type type, uint64_t token)
{
    struct link_event event = {0};
    if (!rig_take(n, type, token, RIG_WAIT_MS, &event)) {
        for (size_t i = 0; i < n->event_count; i++)
            fprintf(stderr, "  node %u has event %d token %u: %s\n", n->code, (int)n->events[i].type,
                    (unsigned)n->events[i].token, n->events[i].reason);
        fail_msg("node %u: no event %d token %u", n->code, (int)type, (unsigned)token);
    }
    return event;
}

static size_t rig_count(struct rig_node *n, enum link_event_type type)
{
    size_t count = 0;
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < n->event_count; i++)
        count += n->events[i].type == type;
    pthread_mutex_unlock(&n->lock);
    return count;
}

/* An address of this process alone, so that no other test takes over a port we closed. */
static uint32_t rig_tls_host(void)
{
    return 127u << 24 | 200u << 16 | ((uint32_t)getpid() & 0xffff);
}

/* "tcp://127.7.200.48:port" or "tls+tcp://127.200.x.y:port". */
static void rig_url(uint32_t code, uint16_t port, char out[64])
{
    if (rig.is_tls)
        (void)snprintf(out, 64, "tls+tcp://127.200.%u.%u:%u", rig_tls_host() >> 8 & 255, rig_tls_host() & 255, port);
    else
        (void)snprintf(out, 64, "tcp://127.%u.%u.%u:%u", code >> 16, code >> 8 & 255, code & 255, port);
}

static struct rig_node *rig_node(size_t i)
{
    xassert(i < RIG_NODES);
    return &rig.nodes[i];
}

static void rig_engine_open(size_t i)
{
    struct rig_node *n = rig_node(i);
    struct err e = {0};
    struct tls_engine_options o = {.federation = PKI_FIXTURE_FEDERATION,
                                   .ca_path = rig.pki.ca_path,
                                   .crl_path = rig.pki.crl_path,
                                   .cert_path = rig.certs[i].cert_path,
                                   .key_path = rig.certs[i].key_path,
                                   .is_member_cb = rig_is_member,
                                   .failed_cb = rig_failed,
                                   .ctx = n};
    if (tls_engine_create(&o, &n->tls, &e) != 0)
        fail_msg("engine: %s", e.message);
}

/* Opens node @i at @port (0 = any) with quick pauses, and pings so seldom that no line is dead because the machine stands still for a
 * while; @change may alter the config. */
static void rig_open(size_t i, uint16_t port, const struct link_nng_peer *peers, size_t count,
                     void (*change)(struct link_nng_config *))
{
    struct rig_node *n = rig_node(i);
    struct err e = {0};
    char listen_url[64];
    memcpy(n->members, rig_codes, sizeof rig_codes);
    n->members[RIG_NODES] = 0;
    n->event_count = 0;
    n->is_closed = false;
    if (rig.is_tls)
        rig_engine_open(i);
    rig_url(n->code, port, listen_url);
    struct link_nng_config config = {.code = n->code,
                                     .listen_url = listen_url,
                                     .peers = peers,
                                     .peer_count = count,
                                     .tls = n->tls,
                                     .event_cb = rig_event,
                                     .ctx = n,
                                     .ping_ms = RIG_PING_MS,
                                     .backoff_min_ms = 20,
                                     .backoff_max_ms = 200,
                                     .plain_loopback = !rig.is_tls};
    if (change != NULL)
        change(&config);
    struct link *l;
    if (link_nng_open(&config, &l, &e) != 0)
        fail_msg("node %u: %s", n->code, e.message);
    pthread_mutex_lock(&n->lock);
    n->link = l;
    n->is_forwarding = true;
    pthread_mutex_unlock(&n->lock);
    rig_url(n->code, link_nng_port(l), n->url);
}

static void rig_stop_forwarding(struct rig_node *n)
{
    pthread_mutex_lock(&n->lock);
    n->is_forwarding = false;
    pthread_mutex_unlock(&n->lock);
}

/* Closes node @i; its events stay to be looked at, none comes after. */
static void rig_close(size_t i)
{
    struct rig_node *n = rig_node(i);
    if (n->link == NULL)
        return;
    rig_stop_forwarding(n);
    link_close(n->link);
    tls_engine_destroy(n->tls);
    n->tls = NULL;
    pthread_mutex_lock(&n->lock);
    n->link = NULL;
    n->is_closed = true;
    pthread_mutex_unlock(&n->lock);
}

static void rig_forget(struct rig_node *n)
{
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < n->event_count; i++)
        rig_release(n->events[i]);
    n->event_count = 0;
    pthread_mutex_unlock(&n->lock);
}

/* Node @i knows node @peer and dials it (it may be closed: then @port is where it will be). */
static void rig_dial(size_t i, size_t peer)
{
    struct err e = {0};
    struct link_nng_peer p = {.code = rig_codes[peer], .url = rig_node(peer)->url};
    if (link_nng_set_peers(rig_node(i)->link, &p, 1, &e) != 0)
        fail_msg("%s", e.message);
}

/* Two nodes; 0 dials 1, 1 only knows 0. */
static void rig_open_pair(void (*change)(struct link_nng_config *))
{
    struct link_nng_peer inbound = {.code = rig_codes[0]};
    rig_open(1, 0, &inbound, 1, NULL);
    struct link_nng_peer outbound = {.code = rig_codes[1], .url = rig_node(1)->url};
    rig_open(0, 0, &outbound, 1, change);
    struct link_event up = rig_wait(rig_node(0), LINK_UP, 0);
    assert_int_equal(up.peer, rig_codes[1]);
}

static int rig_setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < RIG_NODES; i++) {
        struct rig_node *n = rig_node(i);
        *n = (struct rig_node){.code = rig_codes[i]};
        pthread_mutex_init(&n->lock, NULL);
        pthread_cond_init(&n->changed, NULL);
    }
    return 0;
}

static int rig_teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < RIG_NODES; i++) {
        struct rig_node *n = rig_node(i);
        rig_close(i);
        rig_forget(n);
        pthread_cond_destroy(&n->changed);
        pthread_mutex_destroy(&n->lock);
    }
    return 0;
}

/* ---- a machine that has no time ---- */

static void *rig_watch(void *arg)
{
    (void)arg;
    while (!atomic_load(&rig.is_ending)) {
        uint64_t now = clock_mono_ms(), late = now - atomic_load(&rig.looked_ms);
        if (late > RIG_LATE_MS)
            atomic_fetch_add(&rig.lost_ms, late);
        atomic_store(&rig.looked_ms, now);
        (void)poll(NULL, 0, RIG_LATE_MS / 10);
    }
    return NULL;
}

/* How long, since the begin, the machine had no time for this process. */
static uint64_t rig_lost_ms(void)
{
    uint64_t late = clock_mono_ms() - atomic_load(&rig.looked_ms);
    return atomic_load(&rig.lost_ms) + (late > RIG_LATE_MS ? late : 0);
}

static int rig_start_watch(bool is_tls)
{
    link_nng_limit_threads(3);
    rig.is_tls = is_tls;
    atomic_store(&rig.is_ending, false);
    atomic_store(&rig.looked_ms, clock_mono_ms());
    return pthread_create(&rig.watch, NULL, rig_watch, NULL);
}

static int rig_end_watch(void **state)
{
    (void)state;
    atomic_store(&rig.is_ending, true);
    return pthread_join(rig.watch, NULL);
}

static int rig_setup_plain(void **state)
{
    (void)state;
    return rig_start_watch(false);
}

static int rig_setup_tls(void **state)
{
    (void)state;
    pki_fixture_open(&rig.pki);
    for (size_t i = 0; i < RIG_NODES; i++) {
        char label[16];
        (void)snprintf(label, sizeof label, "n%zu", i);
        pki_fixture_issue(&rig.pki, label, rig_codes[i], "测试省", -3600, 3600, &rig.certs[i]);
    }
    return rig_start_watch(true);
}

static int rig_teardown_tls(void **state)
{
    pki_fixture_close(&rig.pki);
    return rig_end_watch(state);
}

#endif
