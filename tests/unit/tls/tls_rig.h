/* What both TLS tests need: an engine that remembers its failures, an echoing REP socket, a REQ socket that dials.
 * Included by one file per program. */
#ifndef TB_TESTS_TLS_RIG_H
#define TB_TESTS_TLS_RIG_H

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "certs/crypto.h"
#include "federation/tls_engine.h"
#include "node/base/clock.h"
#include "node/base/xassert.h"
#include "tests/lib/pki_fixture.h"

#define RIG_WAIT_MS 120000    /* a condition that does not come in this time has failed */
#define RIG_FAILURES_MAX 1024 /* of dialers that go on trying while a busy machine has no time for the test */

struct rig_node {
    struct tls_engine *engine;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t members[8]; /* zero-ended */
    struct tls_engine_failure failures[RIG_FAILURES_MAX];
    size_t failure_count; /* of all, also those that did not fit */
    unsigned pipes;       /* standing now */
    unsigned pipes_seen;
    nng_pipe last_pipe;
    struct tls_engine_peer last_peer;
};

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
    if (n->failure_count < RIG_FAILURES_MAX)
        n->failures[n->failure_count] = *failure;
    n->failure_count++;
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

static inline void rig_set_members(struct rig_node *n, const uint32_t *codes, size_t count)
{
    pthread_mutex_lock(&n->lock);
    xassert(count < array_count(n->members));
    memset(n->members, 0, sizeof n->members);
    memcpy(n->members, codes, count * sizeof *codes);
    pthread_mutex_unlock(&n->lock);
}

static inline struct tls_engine_options rig_options(const struct pki_fixture *f, const struct pki_fixture_node *own,
                                                    struct rig_node *n)
{
    return (struct tls_engine_options){.federation = PKI_FIXTURE_FEDERATION,
                                       .ca_path = f->ca_path,
                                       .crl_path = f->crl_path,
                                       .cert_path = own->cert_path,
                                       .key_path = own->key_path,
                                       .is_member_cb = rig_is_member,
                                       .failed_cb = rig_failed,
                                       .ctx = n};
}

static inline void rig_node_open(struct rig_node *n, const struct pki_fixture *f, const struct pki_fixture_node *own)
{
    struct err e = {0};
    *n = (struct rig_node){.members = {510000, 650000}};
    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->changed, NULL);
    struct tls_engine_options o = rig_options(f, own, n);
    if (tls_engine_create(&o, &n->engine, &e) != 0) {
        fprintf(stderr, "engine: %s\n", e.message);
        abort();
    }
}

static inline void rig_node_close(struct rig_node *n)
{
    tls_engine_destroy(n->engine);
    pthread_cond_destroy(&n->changed);
    pthread_mutex_destroy(&n->lock);
}

/* Waits on n->changed, with n->lock held; false when @deadline_ms (monotonic) is over. */
static inline bool rig_wait(struct rig_node *n, uint64_t deadline_ms)
{
    struct timespec soon;
    if (clock_mono_ms() >= deadline_ms)
        return false;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 50 * 1000 * 1000;
    if (soon.tv_nsec >= 1000000000) {
        soon.tv_nsec -= 1000000000;
        soon.tv_sec++;
    }
    (void)pthread_cond_timedwait(&n->changed, &n->lock, &soon);
    return true;
}

/* Waits for a failure of @kind (they may come in any number); false when none comes. */
static inline bool rig_wait_failure(struct rig_node *n, enum tls_engine_failure_kind kind,
                                    struct tls_engine_failure *ret)
{
    uint64_t deadline_ms = clock_mono_ms() + RIG_WAIT_MS;
    bool is_found = false;
    pthread_mutex_lock(&n->lock);
    do {
        for (size_t i = 0; !is_found && i < n->failure_count && i < RIG_FAILURES_MAX; i++) {
            is_found = n->failures[i].kind == kind;
            if (is_found)
                *ret = n->failures[i];
        }
    } while (!is_found && rig_wait(n, deadline_ms));
    for (size_t i = 0; !is_found && i < n->failure_count && i < 4; i++)
        fprintf(stderr, "  instead: %s: %s\n", tls_engine_failure_name(n->failures[i].kind), n->failures[i].text);
    pthread_mutex_unlock(&n->lock);
    return is_found;
}

/* Waits until @seen pipes have been and none is left. NNG 1.10.1 leaks a pipe that comes up while its listener closes:
 * tests wait for this before they close. */
static inline bool rig_wait_no_pipes(struct rig_node *n, unsigned seen)
{
    uint64_t deadline_ms = clock_mono_ms() + RIG_WAIT_MS;
    pthread_mutex_lock(&n->lock);
    while ((n->pipes != 0 || n->pipes_seen < seen) && rig_wait(n, deadline_ms)) {
    }
    bool ok = n->pipes == 0 && n->pipes_seen >= seen;
    pthread_mutex_unlock(&n->lock);
    return ok;
}

static inline void rig_pipe_cb(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct rig_node *n = arg;
    struct tls_engine_peer peer = {0};
    struct err e = {0};
    bool is_new = event == NNG_PIPE_EV_ADD_PRE;
    if (is_new && tls_engine_pipe_peer((uint32_t)nng_pipe_id(pipe), &peer, &e) != 0) {
        fprintf(stderr, "pipe without peer: %s\n", e.message);
        abort();
    }
    pthread_mutex_lock(&n->lock);
    if (is_new) {
        n->last_peer = peer;
        n->last_pipe = pipe;
        n->pipes++;
        n->pipes_seen++;
    } else {
        n->pipes--;
    }
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

static inline void rig_watch(struct rig_node *n, nng_socket s)
{
    int rv = nng_pipe_notify(s, NNG_PIPE_EV_ADD_PRE, rig_pipe_cb, n) |
             nng_pipe_notify(s, NNG_PIPE_EV_REM_POST, rig_pipe_cb, n);
    xassert(rv == 0);
}

/* An echo service of @node on a free port. */
struct rig_server {
    nng_socket socket;
    pthread_t thread;
    char url[64];
    uint16_t port;
};

static void *rig_echo(void *arg)
{
    struct rig_server *s = arg;
    nng_msg *m;
    while (nng_recvmsg(s->socket, &m, 0) == 0) {
        if (nng_sendmsg(s->socket, m, 0) != 0)
            nng_msg_free(m); /* the asker left */
    }
    return NULL;
}

static inline void rig_server_open(struct rig_server *s, struct rig_node *node)
{
    struct err e = {0};
    nng_listener l;
    int port = 0;
    int rv = nng_rep0_open(&s->socket);
    xassert(rv == 0);
    rig_watch(node, s->socket);
    rv = nng_listener_create(&l, s->socket, "tls+tcp://127.0.0.1:0");
    xassert(rv == 0);
    rv = tls_engine_secure_listener(node->engine, (uint32_t)nng_listener_id(l), &e);
    xassert(rv == 0);
    rv = nng_listener_start(l, 0);
    xassert(rv == 0);
    rv = nng_listener_get_int(l, NNG_OPT_TCP_BOUND_PORT, &port);
    xassert(rv == 0 && port > 0);
    s->port = (uint16_t)port;
    (void)snprintf(s->url, sizeof s->url, "tls+tcp://127.0.0.1:%d", port);
    rv = pthread_create(&s->thread, NULL, rig_echo, s);
    xassert(rv == 0);
}

static inline void rig_server_close(struct rig_server *s)
{
    nng_close(s->socket);
    pthread_join(s->thread, NULL);
}

/* A REQ socket of @node that dials @url and expects @code there. */
static inline nng_socket rig_dial(struct rig_node *node, const char *url, uint32_t code)
{
    struct err e = {0};
    nng_socket s;
    nng_dialer d;
    int rv = nng_req0_open(&s);
    xassert(rv == 0);
    rig_watch(node, s);
    rv = nng_socket_set_ms(s, NNG_OPT_RECVTIMEO, RIG_WAIT_MS) | nng_socket_set_ms(s, NNG_OPT_SENDTIMEO, RIG_WAIT_MS) |
         nng_socket_set_ms(s, NNG_OPT_RECONNMINT, 20) | nng_socket_set_ms(s, NNG_OPT_RECONNMAXT, 200) |
         nng_dialer_create(&d, s, url);
    xassert(rv == 0);
    rv = tls_engine_secure_dialer(node->engine, (uint32_t)nng_dialer_id(d), code, &e);
    xassert(rv == 0);
    rv = nng_dialer_start(d, NNG_FLAG_NONBLOCK);
    xassert(rv == 0);
    return s;
}

/* One round trip of @size bytes; 0 or NNG's error. */
static inline int rig_ask(nng_socket s, size_t size)
{
    nng_msg *m = NULL;
    int rv = nng_msg_alloc(&m, size);
    xassert(rv == 0);
    memset(nng_msg_body(m), 'x', size);
    rv = nng_sendmsg(s, m, 0);
    if (rv != 0) {
        nng_msg_free(m);
        return rv;
    }
    rv = nng_recvmsg(s, &m, 0);
    if (rv == 0) {
        xassert(nng_msg_len(m) == size);
        nng_msg_free(m);
    }
    return rv;
}

#endif
