/* Answering, for the NNG link (see link_nng_impl.h): one REP0 socket whose contexts each carry one request from its
 * receipt until its answer is sent.
 *
 *   RECEIVING ──request──► OPEN (LINK_REQUEST) ──link_reply(), link_drop()──► SENDING ──► RECEIVING
 *        └──ping, or one too many: empty reply──────────────────────────────────▲
 *
 * Some contexts are never parked, so that pings are answered however many long polls wait; one peer can park no more than
 * its share.
 */
#include "federation/link_nng_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <nng/protocol/reqrep0/rep.h>

#define SERVE_BASE 16u   /* contexts beside those per peer */
#define SERVE_RESERVE 8u /* of them, kept free for pings and refusals */
/* A peer's requests over all its connections, lost ones too, until the answers are sent. More than it may have open, since
 * it has an answer, and asks anew, a little before we know that it was sent. */
#define PEER_SERVED_MAX (4 * LINK_PEER_REQUESTS_MAX)

/* ---- answering ---- */

static void accepted_pipe_added(struct link_nng *l, nng_pipe pipe)
{
    struct err e = {0};
    struct tls_engine_peer who = {0};
    char reason[REASON_SIZE];
    int rc = link_nng_identify(l, pipe, &who, &e);

    pthread_mutex_lock(&l->mutex);
    unsigned same = 0;
    size_t at = 0;
    const void *key;
    void *value;
    while (map_next(&l->pipes, &at, &key, &value)) {
        const struct link_nng_pipe *other = value;
        same += other->is_accepted && other->code == who.code;
    }
    if (rc == 0 && link_nng_find_peer(l, who.code) == NULL)
        rc = err_set(&e, ERR_DENIED, "link.not-member", "node %" PRIu32 " is not a member", who.code);
    if (rc == 0 && same >= LINK_PEER_PIPES_MAX)
        rc = err_set(&e, ERR_LIMIT, "link.connections", "node %" PRIu32 " has %u connections open, limit %u", who.code,
                     same, LINK_PEER_PIPES_MAX);
    bool is_over = l->closing; /* whoever dials a node that ends is to know it */
    if (rc == 0 && !is_over) {
        link_nng_add_pipe(
            l, (struct link_nng_pipe){
                   .id = pipe.id, .code = who.code, .is_accepted = true, .heard_ms = clock_mono_ms(), .tls = who});
    } else if (!is_over) {
        link_nng_put_reason(&e, reason);
        link_nng_push_refused(l, who.code, reason);
    }
    pthread_mutex_unlock(&l->mutex);
    if (rc != 0 || is_over)
        (void)nng_pipe_close(pipe);
    link_nng_deliver(l);
}

static void accepted_pipe_cb(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
    struct link_nng *l = arg;
    if (ev == NNG_PIPE_EV_ADD_PRE) {
        accepted_pipe_added(l, pipe);
    } else if (ev == NNG_PIPE_EV_REM_POST) {
        pthread_mutex_lock(&l->mutex);
        free(map_remove(&l->pipes, &pipe.id, sizeof pipe.id));
        pthread_mutex_unlock(&l->mutex);
    }
}

/* Takes @s for a request from @pipe, or says that it is one too many. Under the mutex. */
static bool admit(struct link_nng *l, struct link_nng_serve *s, struct link_nng_pipe *pipe)
{
    struct link_nng_node *p = link_nng_find_peer(l, pipe->code);
    bool has_room = p != NULL && !l->closing && pipe->open < LINK_PEER_REQUESTS_MAX && p->served < PEER_SERVED_MAX &&
                    l->served + SERVE_RESERVE < l->serve_count;
    if (!has_room) {
        l->stats.requests_refused++;
        return false;
    }
    pipe->open++;
    p->served++;
    l->served++;
    l->stats.requests_received++;
    s->is_counted = true;
    s->code = p->code;
    s->peer_serial = p->serial;
    s->pipe = pipe->id;
    s->state = SERVE_OPEN;
    s->handle = (s->handle & ~(((uint64_t)1 << 40) - 1)) | (++l->next_number & (((uint64_t)1 << 40) - 1));
    return true;
}

/* @s is about to be answered: its peer may ask again. Under the mutex. */
static void unpark(struct link_nng *l, struct link_nng_serve *s)
{
    struct link_nng_pipe *pipe = link_nng_find_pipe(l, s->pipe);
    if (pipe != NULL)
        pipe->open--;
    s->state = SERVE_SENDING;
}

/* The answer of @s was sent, or nobody wants it any more. Under the mutex. */
static void release(struct link_nng *l, struct link_nng_serve *s)
{
    if (!s->is_counted)
        return;
    s->is_counted = false;
    l->served--;
    struct link_nng_node *p = link_nng_find_peer(l, s->code);
    if (p != NULL && p->serial == s->peer_serial)
        p->served--;
}

/* What began while the link began to close ends as what was under way then: link_nng_serve_stop() may have come before it. */
static void cancel_if_closing(struct link_nng_serve *s)
{
    pthread_mutex_lock(&s->link->mutex);
    bool is_over = s->link->closing;
    pthread_mutex_unlock(&s->link->mutex);
    if (is_over)
        nng_aio_cancel(s->aio);
}

/* Takes @msg. The state is SERVE_SENDING. */
static void send_answer(struct link_nng_serve *s, nng_msg *msg)
{
    nng_aio_set_timeout(s->aio, (nng_duration)min_of(s->link->config.idle_ms, (uint32_t)INT32_MAX));
    nng_aio_set_msg(s->aio, msg);
    nng_ctx_send(s->ctx, s->aio);
    cancel_if_closing(s);
}

static void receive_request(struct link_nng_serve *s)
{
    nng_aio_set_timeout(s->aio, NNG_DURATION_INFINITE);
    nng_ctx_recv(s->ctx, s->aio);
    cancel_if_closing(s);
}

/* Takes @msg. */
static void serve_request(struct link_nng_serve *s, nng_msg *msg)
{
    struct link_nng *l = s->link;
    size_t size = nng_msg_len(msg);
    uint32_t pipe_id = nng_msg_get_pipe(msg).id;
    pthread_mutex_lock(&l->mutex);
    struct link_nng_pipe *pipe = link_nng_find_pipe(l, pipe_id);
    if (pipe != NULL)
        pipe->heard_ms = clock_mono_ms();
    bool is_admitted = pipe != NULL && size > 0 && admit(l, s, pipe);
    bool is_over = !is_admitted && l->closing;
    if (!is_admitted)
        s->state = is_over ? SERVE_CLOSED : SERVE_SENDING;
    if (is_over)
        pthread_cond_broadcast(&l->changed);
    struct link_event event = {.type = LINK_REQUEST, .peer = s->code, .handle = s->handle, .size = size};
    pthread_mutex_unlock(&l->mutex);

    if (is_over) { /* NNG loses a message that is sent while its socket closes */
        nng_msg_free(msg);
        return;
    }
    if (!is_admitted) { /* a ping, or one too many: the empty reply */
        nng_msg_clear(msg);
        send_answer(s, msg);
        return;
    }
    event.data = nng_msg_body(msg);
    event.owner = msg;
    event.release = link_nng_message_free;
    pthread_mutex_lock(&l->mutex);
    link_nng_push_event(l, &event);
    pthread_mutex_unlock(&l->mutex);
    link_nng_deliver(l);
}

static void serve_cb(void *arg)
{
    struct link_nng_serve *s = arg;
    struct link_nng *l = s->link;
    int rv = nng_aio_result(s->aio);
    nng_msg *msg = nng_aio_get_msg(s->aio); /* a request, or an answer that could not be sent */
    nng_aio_set_msg(s->aio, NULL);
    pthread_mutex_lock(&l->mutex);
    bool has_request = s->state == SERVE_RECEIVING && rv == 0;
    if (s->state == SERVE_SENDING)
        release(l, s);
    if (!has_request)
        s->state = l->closing || rv == NNG_ECLOSED ? SERVE_CLOSED : SERVE_RECEIVING;
    bool is_closed = s->state == SERVE_CLOSED;
    if (is_closed)
        pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);

    if (has_request) {
        serve_request(s, msg);
        return;
    }
    if (msg != NULL)
        nng_msg_free(msg);
    if (!is_closed)
        receive_request(s);
}

/* Takes @msg. */
static void answer(struct link *base, uint64_t handle, nng_msg *msg)
{
    struct link_nng *l = link_of(base);
    pthread_mutex_lock(&l->mutex);
    size_t slot = (size_t)(handle >> 40);
    xassert(slot < l->serve_count);
    struct link_nng_serve *s = l->serves[slot];
    xassert(s->state == SERVE_OPEN && s->handle == handle); /* answered once */
    unpark(l, s);
    pthread_mutex_unlock(&l->mutex);
    send_answer(s, msg);
}

void link_nng_serve_message_create(size_t size, struct link_message *ret)
{
    nng_msg *msg;
    xassert(size <= WIRE_MESSAGE_BYTES_MAX); /* the peer's NNG would break the connection */
    int rv = nng_msg_alloc(&msg, size);
    xassert(rv == 0);
    *ret = (struct link_message){.data = nng_msg_body(msg), .size = size, .owner = msg};
}

void link_nng_serve_reply_message(struct link *base, uint64_t handle, struct link_message *message)
{
    answer(base, handle, message->owner);
}

void link_nng_serve_drop(struct link *base, uint64_t handle)
{
    link_nng_serve_reply(base, handle, bytes_of(NULL, 0));
}

void link_nng_serve_reply(struct link *base, uint64_t handle, struct bytes message)
{
    struct link_message m;
    if (message.size > WIRE_MESSAGE_BYTES_MAX)
        message.size = 0;
    link_nng_serve_message_create(message.size, &m);
    if (message.size > 0)
        memcpy(m.data, message.data, message.size);
    link_nng_serve_reply_message(base, handle, &m);
}

/* Contexts for @peer_count peers; their number only grows. */
int link_nng_serve_grow(struct link_nng *l, size_t peer_count, struct err *e)
{
    size_t wanted = min_of(SERVE_BASE + (size_t)LINK_PEER_REQUESTS_MAX * peer_count, (size_t)LINK_SERVE_MAX);
    while (l->has_listener && l->serve_count < wanted) {
        struct link_nng_serve *s = xcalloc(1, sizeof *s);
        s->link = l;
        s->handle = (uint64_t)l->serve_count << 40;
        int rv = nng_ctx_open(&s->ctx, l->rep);
        if (rv == 0)
            rv = nng_aio_alloc(&s->aio, serve_cb, s);
        if (rv != 0) {
            free(s);
            return link_nng_failure(e, rv, "reply context");
        }
        pthread_mutex_lock(&l->mutex);
        l->serves[l->serve_count++] = s;
        pthread_mutex_unlock(&l->mutex);
        receive_request(s);
    }
    return 0;
}

int link_nng_serve_listen(struct link_nng *l, const char *url, struct err *e)
{
    nng_listener listener;
    int rc = link_nng_check_url(&l->config, url, e);
    if (rc != 0)
        return rc;
    int rv = nng_rep0_open(&l->rep);
    if (rv != 0)
        return link_nng_failure(e, rv, "reply socket");

    l->has_listener = true;
    rv = nng_socket_set_size(l->rep, NNG_OPT_RECVMAXSZ, WIRE_MESSAGE_BYTES_MAX + SP_HEADER_BYTES_MAX);
    if (rv == 0)
        rv = link_nng_notify(l->rep, accepted_pipe_cb, l);
    if (rv == 0)
        rv = nng_listener_create(&listener, l->rep, url);
    if (rv != 0)
        return link_nng_failure(e, rv, url);

    if (!l->config.plain_loopback)
        rc = tls_engine_secure_listener(l->config.tls, (uint32_t)nng_listener_id(listener), e);
    if (rc != 0)
        return rc;
    rv = nng_listener_set_bool(listener, NNG_OPT_TCP_KEEPALIVE, true);
    if (rv == 0)
        rv = nng_listener_set_bool(listener, NNG_OPT_TCP_NODELAY, true);
    if (rv == 0)
        rv = nng_listener_start(listener, 0);
    int port = 0;
    if (rv == 0)
        rv = nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port);
    l->port = (uint16_t)port;
    return rv == 0 ? 0 : link_nng_failure(e, rv, url);
}

void link_nng_serve_stop(struct link_nng *l)
{
    for (size_t i = 0; i < l->serve_count; i++) {
        struct link_nng_serve *s = l->serves[i];
        nng_aio_cancel(s->aio);
        pthread_mutex_lock(&l->mutex);
        while (s->state == SERVE_RECEIVING || s->state == SERVE_SENDING)
            pthread_cond_wait(&l->changed, &l->mutex);
        pthread_mutex_unlock(&l->mutex);
        nng_aio_stop(s->aio); /* waits until the callback has returned */
        nng_aio_free(s->aio); /* waits for NNG's timer */
    }
}

void link_nng_serve_close(struct link_nng *l)
{
    for (size_t i = 0; i < l->serve_count; i++) {
        (void)nng_ctx_close(l->serves[i]->ctx);
        free(l->serves[i]);
    }
    if (l->has_listener)
        (void)nng_close(l->rep);
}
