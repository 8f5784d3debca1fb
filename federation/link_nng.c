/* Link over NNG (see link_nng.h): events, time, reasons, and the link as a whole. Its connections are link_nng_peer.c,
 * asking is link_nng_client.c, answering link_nng_serve.c, what they share link_nng_impl.h. These and tls_engine*.c are the
 * only files that include NNG.
 *
 * Happy path, asking: dialer connects -> ADD_PRE checks who it is -> ADD_POST sends a ping -> its answer: LINK_UP ->
 * link_request() takes a client and sends -> sent, receives -> LINK_REPLY.
 * Happy path, answering: a context has a request -> LINK_REQUEST, the context is parked -> link_reply() sends -> sent,
 * receives the next.
 * Failure modes: connection lost -> REM_POST ends all requests of the peer, LINK_DOWN, the keeper redials after a
 * pause. No pong for 2 x ping_ms -> the keeper closes the pipe, then the same. Request over its time -> NNG ends the
 * receive. Dial fails -> NNG only logs it: log_hook() reads the reason. Flood of requests -> empty replies.
 */
#include "federation/link_nng_impl.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>

#define REFUSED_BURST 20u /* LINK_REFUSED at once */
#define CLOSE_PATIENCE_MS 300u
#define REFUSED_EVERY_MS 100u /* and one more this often */

int link_nng_failure(struct err *e, int rv, const char *what)
{
    int code = rv == NNG_EADDRINVAL || rv == NNG_EINVAL || rv == NNG_ENOTSUP ? ERR_INVALID : ERR_IO;
    return err_set(e, code, "link.nng", "%s: %s", what, nng_strerror(rv));
}

void link_nng_message_free(void *msg)
{
    nng_msg_free(msg);
}

/* ---- events: queued under the mutex, delivered without it, one at a time, in order ---- */

void link_nng_push_event(struct link_nng *l, const struct link_event *event)
{
    if (l->is_left)
        return; /* only losses of what was never up come then, and who would hear of them is gone */
    struct link_nng_queued_event *q = xmalloc(sizeof *q);
    q->event = *event;
    list_append(&l->events, &q->node);
}

void link_nng_deliver(struct link_nng *l)
{
    pthread_mutex_lock(&l->mutex);
    if (l->is_delivering) {
        pthread_mutex_unlock(&l->mutex);
        return;
    }
    l->is_delivering = true;
    struct list *node;
    while ((node = list_pop_first(&l->events)) != NULL) {
        pthread_mutex_unlock(&l->mutex);
        struct link_nng_queued_event *q = container_of(node, struct link_nng_queued_event, node);
        l->config.event_cb(l->config.ctx, &q->event);
        free(q);
        pthread_mutex_lock(&l->mutex);
    }
    l->is_delivering = false;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
}

static void wait_delivered(struct link_nng *l)
{
    pthread_mutex_lock(&l->mutex);
    while (l->is_delivering || !list_is_empty(&l->events)) /* who queued one delivers it, or the keeper does */
        pthread_cond_wait(&l->changed, &l->mutex);
    pthread_mutex_unlock(&l->mutex);
}

void link_nng_put_reason(const struct err *e, char out[REASON_SIZE])
{
    (void)snprintf(out, REASON_SIZE, "%.120s (%s)", e->message, e->id); /* room for "cannot connect: " before it */
}

void link_nng_push_refused(struct link_nng *l, uint32_t code, const char *reason)
{
    l->stats.connections_refused++;
    uint32_t dropped = 0;
    if (l->closing || !log_limit_pass(&l->refused_limit, clock_mono_ms(), REFUSED_BURST, REFUSED_EVERY_MS, &dropped))
        return;
    struct link_event event = {.type = LINK_REFUSED, .peer = code};
    if (dropped > 0)
        (void)snprintf(event.reason, sizeof event.reason, "%.150s (%" PRIu32 " more before)", reason, dropped);
    else
        (void)snprintf(event.reason, sizeof event.reason, "%s", reason);
    link_nng_push_event(l, &event);
}

/* ---- tables ---- */

int link_nng_identify(const struct link_nng *l, nng_pipe pipe, struct tls_engine_peer *ret, struct err *e)
{
    if (!l->config.plain_loopback)
        return tls_engine_pipe_peer(pipe.id, ret, e);

    nng_sockaddr address;
    int rv = nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &address);
    uint32_t host = rv == 0 && address.s_family == NNG_AF_INET ? ntohl(address.s_in.sa_addr) : 0;
    if (host >> 24 != 127)
        return err_set(e, ERR_AUTH, "link.plain", "not a loopback address");
    *ret = (struct tls_engine_peer){.code = host & 0xffffff};
    return 0;
}

int link_nng_notify(nng_socket socket, nng_pipe_cb cb, void *arg)
{
    int rv = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, cb, arg);
    if (rv == 0)
        rv = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, cb, arg);
    return rv == 0 ? nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, cb, arg) : rv;
}

void link_nng_close_pipes(struct link_nng *l, uint32_t accepted_of)
{
    pthread_mutex_lock(&l->mutex);
    uint32_t *ids = xcalloc(l->pipes.count + 1, sizeof *ids);
    size_t count = 0, at = 0;
    const void *key;
    void *value;
    while (map_next(&l->pipes, &at, &key, &value)) {
        const struct link_nng_pipe *pipe = value;
        if (accepted_of == 0 || (pipe->is_accepted && pipe->code == accepted_of))
            ids[count++] = pipe->id;
    }
    pthread_mutex_unlock(&l->mutex);
    for (size_t i = 0; i < count; i++)
        (void)nng_pipe_close((nng_pipe){.id = ids[i]});
    free(ids);
}

/* ---- time ---- */

/* Whether @pipe must end for its silence. Under the mutex. */
static bool is_silent(const struct link_nng *l, const struct link_nng_pipe *pipe, uint64_t now)
{
    if (pipe->is_accepted)
        return now - pipe->heard_ms >= l->config.idle_ms;
    const struct link_nng_node *p = link_nng_find_peer(l, pipe->code);
    return p != NULL && now - p->heard_ms >= 2 * (uint64_t)l->config.ping_ms;
}

/* Closes silent pipes, pings quiet ones. */
static void check_lines(struct link_nng *l)
{
    size_t close_count = 0, ping_count = 0, at = 0;
    const void *key;
    void *value;
    pthread_mutex_lock(&l->mutex);
    uint64_t now = clock_mono_ms(); /* not before what is heard until now */
    uint32_t *closes = xcalloc(l->pipes.count + 1, sizeof *closes);
    struct link_nng_node **pings = xcalloc(l->peers.count + 1, sizeof *pings);
    while (map_next(&l->pipes, &at, &key, &value)) {
        struct link_nng_pipe *pipe = value;
        struct link_nng_node *p = pipe->is_accepted ? NULL : link_nng_find_peer(l, pipe->code);
        if (is_silent(l, pipe, now)) {
            closes[close_count++] = pipe->id;
            l->stats.lines_dead++;
            if (p != NULL && p->reason[0] == '\0')
                (void)snprintf(p->reason, sizeof p->reason, "no answer for %" PRIu64 " ms", now - p->heard_ms);
        } else if (p != NULL && p->pipe == pipe->id && (!p->is_up || now - p->heard_ms >= l->config.ping_ms) &&
                   link_nng_peer_claim_ping(p)) {
            pings[ping_count++] = p;
        }
    }
    pthread_mutex_unlock(&l->mutex);

    for (size_t i = 0; i < close_count; i++)
        (void)nng_pipe_close((nng_pipe){.id = closes[i]});
    for (size_t i = 0; i < ping_count; i++)
        link_nng_peer_send_ping(l, pings[i]); /* claimed: destroy_peer() waits for it */
    free(closes);
    free(pings);
}

/* Whether a pipe's peer is still welcome. Not under the mutex. */
static int check_welcome(struct link_nng *l, const struct link_nng_pipe *pipe, struct err *e)
{
    if (!l->config.plain_loopback)
        return tls_engine_check_peer(l->config.tls, &pipe->tls, e);
    pthread_mutex_lock(&l->mutex);
    bool is_member = link_nng_find_peer(l, pipe->code) != NULL;
    pthread_mutex_unlock(&l->mutex);
    return is_member ? 0 : err_set(e, ERR_DENIED, "link.not-member", "node %" PRIu32 " is not a member", pipe->code);
}

void link_nng_recheck(struct link *base)
{
    struct link_nng *l = link_of(base);
    pthread_mutex_lock(&l->mutex);
    struct link_nng_pipe *all = xcalloc(l->pipes.count + 1, sizeof *all);
    size_t count = 0, at = 0;
    const void *key;
    void *value;
    while (map_next(&l->pipes, &at, &key, &value))
        all[count++] = *(const struct link_nng_pipe *)value;
    pthread_mutex_unlock(&l->mutex);

    for (size_t i = 0; i < count; i++) {
        struct err e = {0};
        char reason[REASON_SIZE];
        if (check_welcome(l, &all[i], &e) == 0)
            continue;
        link_nng_put_reason(&e, reason);
        pthread_mutex_lock(&l->mutex);
        struct link_nng_node *p = link_nng_find_peer(l, all[i].code);
        if (all[i].is_accepted)
            link_nng_push_refused(l, all[i].code, reason);
        else if (p != NULL && p->pipe == all[i].id)
            memcpy(p->reason, reason, sizeof reason);
        pthread_mutex_unlock(&l->mutex);
        (void)nng_pipe_close((nng_pipe){.id = all[i].id}); /* its end comes from NNG's thread and delivers */
    }
    free(all);
}

/* As seldom as silence allows: each waking of NNG's timer thread costs up to a millisecond of processor time, because it
 * spins until the clock shows the next full millisecond. */
static uint32_t tick_ms(const struct link_nng *l)
{
    return max_of(min_of(l->config.ping_ms / 2, 2500u), 10u);
}

/* Sleeps until @next_ms (monotonic), for a tick, or until woken. False at the end. */
static bool keeper_sleep(struct link_nng *l, uint64_t next_ms)
{
    uint64_t now = clock_mono_ms();
    uint64_t ms = next_ms <= now ? 0 : min_of(next_ms - now, (uint64_t)tick_ms(l));
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + ms % 1000 * 1000000;
    until.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);

    pthread_mutex_lock(&l->mutex);
    while (!l->has_work && !l->closing && pthread_cond_timedwait(&l->wake, &l->mutex, &until) == 0) {
    }
    l->has_work = false;
    bool go_on = !l->closing;
    pthread_mutex_unlock(&l->mutex);
    return go_on;
}

static void *keeper_main(void *arg)
{
    struct link_nng *l = arg;
    uint64_t next_ms;
    do {
        next_ms = link_nng_peer_dial_due(l);
        check_lines(l);
        uint64_t now = clock_mono_ms();
        if (now - l->recheck_ms >= l->config.recheck_ms) {
            l->recheck_ms = now;
            link_nng_recheck(&l->base);
        }
        link_nng_deliver(l);
    } while (keeper_sleep(l, next_ms));
    return NULL;
}

/* ---- reasons that only others know ---- */

void link_nng_handshake_failed(struct link *base, const struct tls_engine_failure *failure)
{
    struct link_nng *l = link_of(base);
    pthread_mutex_lock(&l->mutex);
    struct link_nng_node *p = failure->is_server ? NULL : link_nng_find_peer(l, failure->dialled);
    if (failure->is_server)
        link_nng_push_refused(l, failure->code, failure->text);
    else if (p != NULL)
        (void)snprintf(p->reason, sizeof p->reason, "%.190s", failure->text);
    pthread_mutex_unlock(&l->mutex);
    link_nng_deliver(l);
}

static pthread_mutex_t links_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct list links = {&links, &links}; /* open links of this process, for log_hook() */
static struct list left = {&left, &left};    /* closed ones for which NNG still holds something */

static struct link_nng_node *find_socket(struct link_nng *l, unsigned socket)
{
    size_t at = 0;
    const void *key;
    void *value;
    while (map_next(&l->peers, &at, &key, &value)) {
        struct link_nng_node *p = value;
        if (p->socket.id == socket)
            return p;
    }
    list_for_each (node, &l->zombies) {
        struct link_nng_node *p = container_of(node, struct link_nng_node, zombie);
        if (p->socket.id == socket)
            return p;
    }
    return NULL;
}

/* NNG tells nobody why a dial failed, it only logs: "Failed connecting socket<5> to tcp://…: Connection refused". It does
 * so inside the dialer's callback, so the link is there until this returns: its close waits for that callback. */
static void log_hook(nng_log_level level, nng_log_facility facility, const char *id, const char *text)
{
    (void)level;
    (void)facility;
    unsigned socket = 0;
    if (id == NULL || strcmp(id, "NNG-CONN-FAIL") != 0 || sscanf(text, "Failed connecting socket<%u>", &socket) != 1)
        return;
    const char *why = strstr(text, ": ");

    struct link_nng *owner = NULL;
    pthread_mutex_lock(&links_mutex);
    list_for_each (node, &links) {
        struct link_nng *l = container_of(node, struct link_nng, registered);
        pthread_mutex_lock(&l->mutex);
        struct link_nng_node *p = find_socket(l, socket);
        if (p != NULL) {
            link_nng_peer_dial_failed(p, why == NULL ? "unknown reason" : why + 2);
            owner = l;
        }
        pthread_mutex_unlock(&l->mutex);
    }
    pthread_mutex_unlock(&links_mutex);
    if (owner != NULL)
        link_nng_deliver(owner);
}

/* ---- the link ---- */

void link_nng_limit_threads(unsigned task_threads)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static bool is_done;
    uint64_t tasks = max_of(2u, min_of(task_threads, 8u));
    pthread_mutex_lock(&mutex);
    if (!is_done) {
        is_done = true;
        nng_init_set_parameter(NNG_INIT_NUM_TASK_THREADS, tasks);
        nng_init_set_parameter(NNG_INIT_MAX_TASK_THREADS, tasks);
        nng_init_set_parameter(NNG_INIT_NUM_EXPIRE_THREADS, 1);
        nng_init_set_parameter(NNG_INIT_NUM_POLLER_THREADS, 1);
        nng_init_set_parameter(NNG_INIT_NUM_RESOLVER_THREADS, 4);
    }
    pthread_mutex_unlock(&mutex);
}

int link_nng_check_url(const struct link_nng_config *config, const char *url, struct err *e)
{
    const char *scheme = config->plain_loopback ? "tcp://127." : "tls+tcp://";
    if (strlen(url) >= LINK_NNG_URL_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "link.url", "address of %zu bytes, limit %u", strlen(url),
                       LINK_NNG_URL_BYTES_MAX - 1);
    if (strncmp(url, scheme, strlen(scheme)) != 0)
        return err_set(e, ERR_INVALID, "link.url", "address '%s' does not begin with %s", url, scheme);
    return 0;
}

static int check_peers(const struct link_nng *l, const struct link_nng_peer *peers, size_t count, struct err *e)
{
    if (count > MEMBERS_MAX)
        return err_set(e, ERR_LIMIT, "link.peers", "%zu peers, limit %u", count, MEMBERS_MAX);
    int rc = 0;
    struct map seen;
    map_init(&seen, clock_mono_us());
    for (size_t i = 0; i < count && rc == 0; i++) {
        const char *url = peers[i].url == NULL ? "" : peers[i].url;
        if (peers[i].code == 0 || map_put(&seen, &peers[i].code, sizeof peers[i].code, &seen) != NULL)
            rc = err_set(e, ERR_INVALID, "link.peer", "peer %" PRIu32 " %s", peers[i].code,
                         peers[i].code == 0 ? "is none" : "comes twice");
        else if (url[0] != '\0' && link_nng_check_url(&l->config, url, e) != 0)
            rc = err_wrap(e, "peer %" PRIu32, peers[i].code);
    }
    map_close(&seen);
    return rc;
}

/* Loop thread. NULL when the list does not have it. */
static const struct link_nng_peer *find_listed(const struct link_nng_peer *peers, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++) {
        if (peers[i].code == code)
            return &peers[i];
    }
    return NULL;
}

int link_nng_set_peers(struct link *base, const struct link_nng_peer *peers, size_t count, struct err *e)
{
    struct link_nng *l = link_of(base);
    int rc = check_peers(l, peers, count, e);
    if (rc == 0)
        rc = link_nng_serve_grow(l, count, e);
    if (rc != 0)
        return rc;

    size_t at = 0;
    const void *key;
    void *value;
    pthread_mutex_lock(&l->dial_mutex);
    while (map_next(&l->peers, &at, &key, &value)) {
        struct link_nng_node *p = value;
        if (find_listed(peers, count, p->code) == NULL)
            link_nng_peer_remove(l, p, "no member any more");
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct link_nng_node *p = link_nng_find_peer(l, peers[i].code);
        if (p != NULL)
            link_nng_peer_set_url(p, peers[i].url == NULL ? "" : peers[i].url);
        else if (peers[i].code != l->config.code)
            rc = link_nng_peer_create(l, &peers[i], e);
    }
    pthread_mutex_unlock(&l->dial_mutex);
    if (l->has_keeper)
        wait_delivered(l);
    return rc;
}

uint16_t link_nng_port(const struct link *base)
{
    return container_of(base, const struct link_nng, base)->port;
}

void link_nng_stats(const struct link *base, struct link_nng_stats *ret)
{
    union {
        const struct link *in;
        struct link *out;
    } u = {.in = base};
    struct link_nng *l = link_of(u.out);
    size_t at = 0;
    const void *key;
    void *value;
    pthread_mutex_lock(&l->mutex);
    *ret = l->stats;
    ret->peers = (uint32_t)l->peers.count;
    ret->requests_open = (uint32_t)l->served;
    while (map_next(&l->peers, &at, &key, &value))
        ret->peers_up += ((const struct link_nng_node *)value)->is_up;
    at = 0;
    while (map_next(&l->pipes, &at, &key, &value))
        ret->pipes_accepted += ((const struct link_nng_pipe *)value)->is_accepted;
    pthread_mutex_unlock(&l->mutex);
}

static bool is_connecting(const struct link_nng *l)
{
    size_t at = 0;
    const void *key;
    void *value;
    while (map_next(&l->peers, &at, &key, &value)) {
        if (((const struct link_nng_node *)value)->dial == DIAL_CONNECTING)
            return true;
    }
    list_for_each (node, &l->zombies) {
        if (container_of(node, struct link_nng_node, zombie)->dial == DIAL_CONNECTING)
            return true;
    }
    return false;
}

/* Ends the keeper, then gives the attempts under way a moment: those that take longer are left for good. */
static void stop_dialling(struct link_nng *l)
{
    pthread_mutex_lock(&l->mutex);
    l->closing = true;
    link_nng_wake(l);
    pthread_mutex_unlock(&l->mutex);
    if (l->has_keeper)
        (void)pthread_join(l->keeper, NULL);
    if (l->config.is_last)
        return;

    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + CLOSE_PATIENCE_MS * 1000000ull;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&l->mutex);
    while (is_connecting(l) && pthread_cond_timedwait(&l->changed, &l->mutex, &until) == 0) {
    }
    pthread_mutex_unlock(&l->mutex);
}

/* NNG's threads may still come to @l, for what they hold; nobody hears of that, and it stays for them. */
static void leave(struct link_nng *l)
{
    pthread_mutex_lock(&l->mutex);
    l->is_left = true;
    pthread_mutex_unlock(&l->mutex);
    link_nng_deliver(l);
    wait_delivered(l);
    pthread_mutex_lock(&links_mutex);
    list_append(&left, &l->registered);
    pthread_mutex_unlock(&links_mutex);
}

static void nng_link_close(struct link *base)
{
    struct link_nng *l = link_of(base);
    stop_dialling(l);
    pthread_mutex_lock(&links_mutex);
    list_remove(&l->registered);
    pthread_mutex_unlock(&links_mutex);

    link_nng_serve_stop(l);
    size_t at = 0;
    const void *key;
    void *value;
    if (l->config.is_last) {
        while (map_next(&l->peers, &at, &key, &value))
            link_nng_peer_leave(value, "closing");
        list_for_each (node, &l->zombies)
            link_nng_peer_leave(container_of(node, struct link_nng_node, zombie), "closing");
        link_nng_close_pipes(l, 0); /* so that the others know at once */
        leave(l);
        return;
    }
    link_nng_serve_close(l);
    while (map_next(&l->peers, &at, &key, &value))
        link_nng_peer_remove(l, value, "closing");
    if (!link_nng_peer_free_zombies(l)) {
        leave(l);
        return;
    }
    link_nng_deliver(l); /* what was queued by a thread that found the queue in other hands */
    wait_delivered(l);
    xassert(l->pipes.count == 0);
    map_close(&l->pipes);
    map_close(&l->peers);
    (void)pthread_cond_destroy(&l->wake);
    (void)pthread_cond_destroy(&l->changed);
    (void)pthread_mutex_destroy(&l->mutex);
    (void)pthread_mutex_destroy(&l->dial_mutex);
    free(l);
}

static void set_default(uint32_t *value, uint32_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

static void init_sync(struct link_nng *l)
{
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&l->dial_mutex, NULL);
    (void)pthread_mutex_init(&l->mutex, NULL);
    (void)pthread_cond_init(&l->changed, &monotonic);
    (void)pthread_cond_init(&l->wake, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

static int start_keeper(struct link_nng *l, struct err *e)
{
    int rv = signals_thread(&l->keeper, keeper_main, l);
    l->has_keeper = rv == 0;
    return rv == 0 ? 0 : err_set_errno(e, ERR_IO, "link.thread", rv, "thread");
}

int link_nng_open(const struct link_nng_config *config, struct link **ret, struct err *e)
{
    static const struct link_ops ops = {.request = link_nng_client_request,
                                        .reply = link_nng_serve_reply,
                                        .drop = link_nng_serve_drop,
                                        .message_create = link_nng_serve_message_create,
                                        .message_destroy = link_nng_message_free,
                                        .reply_message = link_nng_serve_reply_message,
                                        .redial = link_nng_peer_redial,
                                        .close = nng_link_close};
    xassert((config->tls != NULL) != config->plain_loopback && config->event_cb != NULL);
    link_nng_limit_threads(2);
    nng_log_set_level(NNG_LOG_WARN);
    nng_log_set_logger(log_hook);

    struct link_nng *l = xcalloc(1, sizeof *l);
    l->base.ops = &ops;
    l->config = *config;
    l->config.peers = NULL;
    l->config.listen_url = NULL;
    set_default(&l->config.ping_ms, 5000);
    set_default(&l->config.backoff_min_ms, 100);
    set_default(&l->config.backoff_max_ms, 30000);
    set_default(&l->config.idle_ms, 120000);
    set_default(&l->config.recheck_ms, 60000);
    init_sync(l);
    map_init(&l->peers, clock_mono_us());
    map_init(&l->pipes, clock_mono_us());
    list_init(&l->events);
    list_init(&l->zombies);
    prng_init(&l->prng, clock_mono_us());
    l->recheck_ms = clock_mono_ms();
    pthread_mutex_lock(&links_mutex);
    list_append(&links, &l->registered);
    pthread_mutex_unlock(&links_mutex);

    /* Peers first: who dials us the moment we listen is known then. */
    int rc = link_nng_set_peers(&l->base, config->peers, config->peer_count, e);
    if (rc == 0 && config->listen_url != NULL)
        rc = link_nng_serve_listen(l, config->listen_url, e);
    if (rc == 0)
        rc = link_nng_serve_grow(l, config->peer_count, e);
    if (rc == 0)
        rc = start_keeper(l, e);
    if (rc != 0) {
        nng_link_close(&l->base);
        return rc;
    }
    *ret = &l->base;
    return 0;
}
