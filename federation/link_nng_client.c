/* Asking, for the NNG link (see link_nng_impl.h): up to LINK_PEER_REQUESTS_MAX clients of each peer, one request in flight
 * each, and one that pings.
 *
 * A request passes IDLE -> SENDING -> RECEIVING -> IDLE, the last two in client_cb(). It is never sent twice: NNG's
 * resending is off, and what still waits for a connection when that is lost is cancelled, so that it cannot go out on the
 * next one (struct link_nng_node counts connections in `generation`; a client that began under an older one is stale).
 */
#include "federation/link_nng_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void link_nng_client_cancel(struct link_nng_client *c)
{
    nng_aio_cancel(c->aio);
}

/* The connection @c began on is gone, and @c has not noticed. */
static bool is_stale(const struct link_nng_client *c, uint64_t generation)
{
    return c->state != CLIENT_IDLE && c->generation == generation && c->peer->generation != generation;
}

void link_nng_client_claim(struct link_nng_client *c, uint64_t token, uint32_t timeout_ms)
{
    xassert(c->state == CLIENT_IDLE);
    c->state = CLIENT_SENDING;
    c->token = token;
    c->generation = c->peer->generation;
    c->deadline_ms = clock_mono_ms() + timeout_ms;
}

/* Behind the start of an operation of @c, which began under @generation: whoever stopped it, or saw its connection lost, may have come
 * before that, and nobody else would end it. What is queued must not go out on the next connection. */
static void cancel_if_over(struct link_nng_client *c, uint64_t generation)
{
    struct link_nng *l = c->peer->link;
    pthread_mutex_lock(&l->mutex);
    bool is_over = c->is_stopping || is_stale(c, generation);
    pthread_mutex_unlock(&l->mutex);
    if (is_over)
        link_nng_client_cancel(c);
}

void link_nng_client_send(struct link_nng_client *c, struct bytes message, uint32_t timeout_ms)
{
    uint64_t generation = c->generation; /* the caller's claim: nobody else changes it before this is sent */
    nng_msg *msg;
    int rv = nng_msg_alloc(&msg, message.size);
    xassert(rv == 0);
    if (message.size > 0)
        memcpy(nng_msg_body(msg), message.data, message.size);
    nng_aio_set_timeout(c->aio, (nng_duration)min_of(timeout_ms, (uint32_t)INT32_MAX));
    nng_aio_set_msg(c->aio, msg);
    nng_ctx_send(c->ctx, c->aio);
    cancel_if_over(c, generation);
}

/* After the request was sent: waits for the answer. False when there is nothing to wait for. */
static bool receive_answer(struct link_nng_client *c, int rv)
{
    struct link_nng *l = c->peer->link;
    pthread_mutex_lock(&l->mutex);
    uint64_t now = clock_mono_ms(), generation = c->generation, deadline_ms = c->deadline_ms;
    bool go_on =
        c->state == CLIENT_SENDING && rv == 0 && !c->is_stopping && !is_stale(c, generation) && now < deadline_ms;
    if (go_on)
        c->state = CLIENT_RECEIVING;
    pthread_mutex_unlock(&l->mutex);
    if (!go_on)
        return false;

    nng_aio_set_timeout(c->aio, (nng_duration)min_of(deadline_ms - now, (uint64_t)INT32_MAX));
    nng_ctx_recv(c->ctx, c->aio);
    cancel_if_over(c, generation);
    return true;
}

static const char *failure_text(const struct link_nng_client *c, int rv)
{
    if (c->is_stopping || rv == NNG_ECLOSED)
        return "closing";
    if (is_stale(c, c->generation) || rv == NNG_ECANCELED || rv == NNG_ECONNRESET)
        return "connection lost";
    if (rv == 0 || rv == NNG_ETIMEDOUT)
        return "no answer in time";
    return nng_strerror(rv);
}

/* An answer came over @pipe: the line lives, and after the first one the peer is up. Under the mutex. */
static void hear(struct link_nng_node *p, uint32_t pipe)
{
    if (p->pipe == 0 || p->pipe != pipe)
        return;
    p->heard_ms = clock_mono_ms();
    if (p->is_up || p->link->closing)
        return;
    p->is_up = true;
    p->told[0] = '\0';
    link_nng_push_event(p->link, &(struct link_event){.type = LINK_UP, .peer = p->code});
}

static void client_cb(void *arg)
{
    struct link_nng_client *c = arg;
    struct link_nng_node *p = c->peer;
    struct link_nng *l = p->link;
    int rv = nng_aio_result(c->aio);
    if (receive_answer(c, rv))
        return;

    nng_msg *msg = nng_aio_get_msg(c->aio); /* the answer, or the request that was never sent */
    nng_aio_set_msg(c->aio, NULL);
    struct link_event event = {.type = LINK_REPLY_FAILED, .peer = p->code, .token = c->token};
    pthread_mutex_lock(&l->mutex);
    bool has_answer = rv == 0 && c->state == CLIENT_RECEIVING;
    pthread_mutex_unlock(&l->mutex);
    uint32_t pipe = 0;
    if (has_answer) {
        pipe = nng_msg_get_pipe(msg).id;
        event.size = nng_msg_len(msg);
        if (event.size > 0 && !c->is_ping) {
            event.data = nng_msg_body(msg);
            event.owner = msg;
            event.release = link_nng_message_free;
            msg = NULL;
        }
    }
    if (msg != NULL)
        nng_msg_free(msg);

    pthread_mutex_lock(&l->mutex);
    if (event.data != NULL)
        event.type = LINK_REPLY;
    else
        (void)snprintf(event.reason, sizeof event.reason, "%s",
                       has_answer ? "refused by the peer (too many requests, or not understood)" : failure_text(c, rv));
    if (has_answer)
        hear(p, pipe);
    if (!c->is_ping) {
        l->stats.requests_failed += event.type == LINK_REPLY_FAILED;
        link_nng_push_event(l, &event);
    }
    c->state = CLIENT_IDLE;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
    link_nng_deliver(l);
}

int link_nng_client_open(struct link_nng_node *p, bool is_ping, struct link_nng_client *ret, struct err *e)
{
    struct link_nng_client c = {.peer = p, .is_ping = is_ping};
    int rv = nng_ctx_open(&c.ctx, p->socket);
    if (rv != 0)
        return link_nng_failure(e, rv, "request context");
    *ret = c;
    rv = nng_aio_alloc(&ret->aio, client_cb, ret);
    return rv == 0 ? 0 : link_nng_failure(e, rv, "request context");
}

void link_nng_client_wait_idle(struct link_nng_client *c)
{
    struct link_nng *l = c->peer->link;
    pthread_mutex_lock(&l->mutex);
    while (c->state != CLIENT_IDLE)
        pthread_cond_wait(&l->changed, &l->mutex);
    pthread_mutex_unlock(&l->mutex);
}

void link_nng_client_stop(struct link_nng_client *c)
{
    if (c->aio == NULL)
        return;
    struct link_nng *l = c->peer->link;
    pthread_mutex_lock(&l->mutex);
    c->is_stopping = true;
    pthread_mutex_unlock(&l->mutex);
    link_nng_client_cancel(c);
    link_nng_client_wait_idle(c);
    nng_aio_stop(c->aio); /* waits until the callback has returned */
}

void link_nng_client_close(struct link_nng_client *c)
{
    if (c->aio == NULL)
        return;
    nng_aio_free(c->aio); /* waits for NNG's timer, which may be at it with the context in its hands */
    (void)nng_ctx_close(c->ctx);
}

/* An idle client of @p, made if need be. Loop thread; the only one that adds clients. */
static int get_client(struct link_nng_node *p, struct link_nng_client **ret, struct err *e)
{
    struct link_nng *l = p->link;
    pthread_mutex_lock(&l->mutex);
    struct link_nng_client *found = NULL;
    for (size_t i = 0; i < p->request_count && found == NULL; i++) {
        if (p->requests[i]->state == CLIENT_IDLE)
            found = p->requests[i];
    }
    size_t count = p->request_count;
    pthread_mutex_unlock(&l->mutex);
    if (found == NULL && count == LINK_PEER_REQUESTS_MAX)
        return err_set(e, ERR_BUSY, "link.busy", "peer %" PRIu32 ": %zu requests open, limit %u", p->code, count,
                       LINK_PEER_REQUESTS_MAX);
    if (found == NULL) {
        found = xcalloc(1, sizeof *found);
        int rc = link_nng_client_open(p, false, found, e);
        if (rc != 0) {
            free(found);
            return rc;
        }
        pthread_mutex_lock(&l->mutex);
        p->requests[p->request_count++] = found;
        pthread_mutex_unlock(&l->mutex);
    }
    *ret = found;
    return 0;
}

int link_nng_client_request(struct link *base, uint32_t code, struct bytes message, uint64_t token, uint32_t timeout_ms,
                            struct err *e)
{
    struct link_nng *l = link_of(base);
    if (message.size == 0)
        return err_set(e, ERR_INVALID, "link.empty", "an empty request");
    if (message.size > WIRE_MESSAGE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "link.too-large", "request of %zu bytes, limit %u", message.size,
                       WIRE_MESSAGE_BYTES_MAX);

    struct link_nng_node *p = link_nng_find_peer(l, code); /* only this thread changes the table */
    struct link_nng_client *c = NULL;
    int rc = p == NULL ? 0 : get_client(p, &c, e);
    if (rc != 0)
        return rc;

    timeout_ms = max_of(timeout_ms, 1u);
    pthread_mutex_lock(&l->mutex);
    bool is_up = p != NULL && p->is_up;
    if (is_up) {
        link_nng_client_claim(c, token, timeout_ms);
        l->stats.requests_sent++;
    }
    pthread_mutex_unlock(&l->mutex);
    if (!is_up)
        return err_set(e, ERR_CLOSED, "link.down", "peer %" PRIu32 ": %s", code,
                       p == NULL ? "no such peer" : "not connected");

    link_nng_client_send(c, message, timeout_ms);
    return 0;
}
