/* Asking, for the NNG link (see link_nng_impl.h): one REQ0 socket, one dialer and up to LINK_PEER_REQUESTS_MAX clients
 * for each peer.
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

#include <arpa/inet.h>

#include <nng/protocol/reqrep0/req.h>

#define STABLE_MS 10000u      /* a connection that lasted this long earns the shortest pause again */
#define REDIAL_EVERY_MS 1000u /* link_redial() of one peer at most this often */

void link_nng_peer_push_down(struct link_nng_node *p, const char *reason)
{
    bool is_news = p->is_up || strcmp(p->told, reason) != 0;
    p->is_up = false;
    (void)snprintf(p->told, sizeof p->told, "%s", reason);
    if (!is_news)
        return;
    struct link_event event = {.type = LINK_DOWN, .peer = p->code};
    (void)snprintf(event.reason, sizeof event.reason, "%s", reason);
    link_nng_push_event(p->link, &event);
}

/* ---- asking ---- */

/* Ends whatever @c does; its callback says so. Nothing happens when it is idle by now. */
static void cancel_client(struct link_nng_client *c)
{
    nng_aio_cancel(c->aio);
}

/* The connection @c began on is gone, and @c has not noticed. */
static bool is_stale(const struct link_nng_client *c, uint64_t generation)
{
    return c->state != CLIENT_IDLE && c->generation == generation && c->peer->generation != generation;
}

/* Under the mutex; @c is idle. The caller starts it with send_client() once it has let the mutex go. */
static void claim_client(struct link_nng_client *c, uint64_t token, uint32_t timeout_ms)
{
    xassert(c->state == CLIENT_IDLE);
    c->state = CLIENT_SENDING;
    c->token = token;
    c->generation = c->peer->generation;
    c->deadline_ms = clock_mono_ms() + timeout_ms;
}

/* @c may be gone when this returns, unless the caller is the loop thread. */
static void send_client(struct link_nng_client *c, struct bytes message, uint32_t timeout_ms)
{
    nng_msg *msg;
    int rv = nng_msg_alloc(&msg, message.size);
    xassert(rv == 0);
    if (message.size > 0)
        memcpy(nng_msg_body(msg), message.data, message.size);
    nng_aio_set_timeout(c->aio, (nng_duration)min_of(timeout_ms, (uint32_t)INT32_MAX));
    nng_aio_set_msg(c->aio, msg);
    nng_ctx_send(c->ctx, c->aio);
}

/* After the request was sent: waits for the answer. False when there is nothing to wait for. */
static bool receive_answer(struct link_nng_client *c, int rv)
{
    struct link_nng *l = c->peer->link;
    pthread_mutex_lock(&l->mutex);
    uint64_t now = clock_mono_ms(), generation = c->generation, deadline_ms = c->deadline_ms;
    bool go_on = c->state == CLIENT_SENDING && rv == 0 && !is_stale(c, generation) && now < deadline_ms;
    if (go_on)
        c->state = CLIENT_RECEIVING;
    pthread_mutex_unlock(&l->mutex);
    if (!go_on)
        return false;

    nng_aio_set_timeout(c->aio, (nng_duration)min_of(deadline_ms - now, (uint64_t)INT32_MAX));
    nng_ctx_recv(c->ctx, c->aio);
    pthread_mutex_lock(&l->mutex);
    bool stale = is_stale(c, generation); /* lost between the two: nobody else would end it */
    pthread_mutex_unlock(&l->mutex);
    if (stale)
        cancel_client(c);
    return true;
}

static const char *failure_text(const struct link_nng_client *c, int rv)
{
    if (is_stale(c, c->generation) || rv == NNG_ECANCELED || rv == NNG_ECONNRESET)
        return "connection lost";
    if (rv == NNG_ECLOSED)
        return "closing";
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
        if (event.size > 0 && !c->is_ping)
            event.data = xmemdup(nng_msg_body(msg), event.size);
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

static int open_client(struct link_nng_node *p, bool is_ping, struct link_nng_client *ret, struct err *e)
{
    struct link_nng_client c = {.peer = p, .is_ping = is_ping};
    int rv = nng_ctx_open(&c.ctx, p->socket);
    if (rv != 0)
        return link_nng_failure(e, rv, "request context");
    *ret = c;
    rv = nng_aio_alloc(&ret->aio, client_cb, ret);
    return rv == 0 ? 0 : link_nng_failure(e, rv, "request context");
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
        int rc = open_client(p, false, found, e);
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

int link_nng_peer_request(struct link *base, uint32_t code, struct bytes message, uint64_t token, uint32_t timeout_ms,
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
        claim_client(c, token, timeout_ms);
        l->stats.requests_sent++;
    }
    uint64_t generation = is_up ? c->generation : 0;
    pthread_mutex_unlock(&l->mutex);
    if (!is_up)
        return err_set(e, ERR_CLOSED, "link.down", "peer %" PRIu32 ": %s", code,
                       p == NULL ? "no such peer" : "not connected");

    send_client(c, message, timeout_ms);
    pthread_mutex_lock(&l->mutex);
    bool stale = is_stale(c, generation); /* lost since: what is queued must not go out on the next connection */
    pthread_mutex_unlock(&l->mutex);
    if (stale)
        cancel_client(c);
    return 0;
}

/* ---- our connections ---- */

bool link_nng_peer_claim_ping(struct link_nng_node *p)
{
    if (p->ping.state != CLIENT_IDLE)
        return false;
    claim_client(&p->ping, 0, 2 * p->link->config.ping_ms);
    return true;
}

void link_nng_peer_send_ping(struct link_nng *l, struct link_nng_node *p)
{
    send_client(&p->ping, bytes_of(NULL, 0), 2 * l->config.ping_ms);
}

static void peer_pipe_added(struct link_nng_node *p, nng_pipe pipe)
{
    struct link_nng *l = p->link;
    struct err e = {0};
    struct tls_engine_peer who = {0};
    int rc = link_nng_identify(l, pipe, &who, &e);
    if (rc == 0 && who.code != p->code)
        rc = err_set(&e, ERR_AUTH, "link.wrong-node", "node %" PRIu32 " answered there", who.code);

    uint64_t now = clock_mono_ms();
    uint32_t id = pipe.id;
    pthread_mutex_lock(&l->mutex);
    xassert(p->pipe == 0); /* a dialer has one pipe, and a new dialer waits for the old one's end */
    p->pipe = id;
    p->connected_ms = p->heard_ms = now;
    (void)snprintf(p->reason, sizeof p->reason, "%s", e.message);
    if (rc == 0)
        link_nng_add_pipe(l, (struct link_nng_pipe){.id = id, .code = p->code, .heard_ms = now, .tls = who});
    pthread_mutex_unlock(&l->mutex);
    if (rc != 0)
        (void)nng_pipe_close(pipe);
}

static void peer_pipe_started(struct link_nng_node *p, uint32_t id)
{
    struct link_nng *l = p->link;
    pthread_mutex_lock(&l->mutex);
    bool go = p->pipe == id && link_nng_peer_claim_ping(p); /* it may be over already */
    pthread_mutex_unlock(&l->mutex);
    if (go)
        link_nng_peer_send_ping(l, p);
}

static void peer_pipe_removed(struct link_nng_node *p, uint32_t id)
{
    struct link_nng *l = p->link;
    struct link_nng_client *open[LINK_PEER_REQUESTS_MAX + 1];
    size_t open_count = 0;

    pthread_mutex_lock(&l->mutex);
    free(map_remove(&l->pipes, &id, sizeof id));
    xassert(p->pipe == id);
    p->pipe = 0;
    p->generation++;
    bool was_stable = p->is_up && clock_mono_ms() - p->connected_ms >= STABLE_MS;
    p->backoff_ms = was_stable ? l->config.backoff_min_ms : min_of(p->backoff_ms * 2, l->config.backoff_max_ms);
    const char *reason = p->reason[0] != '\0' ? p->reason
                         : p->is_up           ? "the peer closed the connection, or the network broke"
                                              : "the peer closed the connection at once: is this node a member there?";
    link_nng_peer_push_down(p, reason);
    p->reason[0] = '\0';
    for (size_t i = 0; i < p->request_count; i++) {
        if (p->requests[i]->state != CLIENT_IDLE)
            open[open_count++] = p->requests[i];
    }
    if (p->ping.state != CLIENT_IDLE)
        open[open_count++] = &p->ping;
    nng_dialer dialer = p->dialer;
    uint32_t backoff_ms = p->backoff_ms;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);

    for (size_t i = 0; i < open_count; i++)
        cancel_client(open[i]);
    /* NNG starts its redial timer after this returns. The dialer may be closed: then there is no redial. */
    (void)nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, (nng_duration)backoff_ms);
    link_nng_deliver(l);
}

static void peer_pipe_cb(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
    switch (ev) {
    case NNG_PIPE_EV_ADD_PRE:
        peer_pipe_added(arg, pipe);
        break;
    case NNG_PIPE_EV_ADD_POST:
        peer_pipe_started(arg, pipe.id);
        break;
    case NNG_PIPE_EV_REM_POST:
        peer_pipe_removed(arg, pipe.id);
        break;
    default:
        break;
    }
}

/* A dialer for p->url, dialling at once. Loop thread; the peer has no dialer and no pipe. */
static int start_dialer(struct link_nng_node *p, struct err *e)
{
    const struct link_nng_config *config = &p->link->config;
    nng_dialer dialer;
    int rv = nng_dialer_create(&dialer, p->socket, p->url);
    if (rv != 0) {
        (void)link_nng_failure(e, rv, p->url);
        return err_wrap(e, "peer %" PRIu32, p->code);
    }

    int rc = 0;
    nng_sockaddr own = {.s_in = {.sa_family = NNG_AF_INET, .sa_addr = htonl(127u << 24 | config->code)}};
    if (config->plain_loopback)
        rv = nng_dialer_set_addr(dialer, NNG_OPT_LOCADDR, &own);
    else
        rc = tls_engine_secure_dialer(config->tls, (uint32_t)nng_dialer_id(dialer), p->code, e);
    if (rc != 0)
        goto out;
    if (rv == 0)
        rv = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, (nng_duration)config->backoff_min_ms);
    if (rv == 0)
        rv = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, (nng_duration)config->backoff_max_ms);
    if (rv == 0)
        rv = nng_dialer_set_bool(dialer, NNG_OPT_TCP_KEEPALIVE, true);
    if (rv == 0)
        rv = nng_dialer_set_bool(dialer, NNG_OPT_TCP_NODELAY, true);

    pthread_mutex_lock(&p->link->mutex);
    p->dialer = dialer;
    p->has_dialer = true;
    p->backoff_ms = config->backoff_min_ms;
    pthread_mutex_unlock(&p->link->mutex);
    if (rv == 0)
        rv = nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
    if (rv != 0) {
        p->has_dialer = false;
        (void)link_nng_failure(e, rv, p->url);
        rc = err_wrap(e, "peer %" PRIu32, p->code);
    }

out:
    if (rc != 0)
        (void)nng_dialer_close(dialer);
    return rc;
}

/* Closes the dialer and waits until its pipe, if any, is gone. Loop thread. */
static void stop_dialer(struct link_nng_node *p, const char *reason)
{
    struct link_nng *l = p->link;
    if (!p->has_dialer)
        return;
    pthread_mutex_lock(&l->mutex);
    (void)snprintf(p->reason, sizeof p->reason, "%s", reason);
    pthread_mutex_unlock(&l->mutex);
    (void)nng_dialer_close(p->dialer);
    pthread_mutex_lock(&l->mutex);
    while (p->pipe != 0)
        pthread_cond_wait(&l->changed, &l->mutex);
    p->reason[0] = '\0';
    pthread_mutex_unlock(&l->mutex);
    p->has_dialer = false;
}

void link_nng_peer_redial(struct link *base, uint32_t code)
{
    struct link_nng *l = link_of(base);
    struct link_nng_node *p = link_nng_find_peer(l, code);
    if (p == NULL || !p->has_dialer)
        return;
    uint64_t now = clock_mono_ms();
    pthread_mutex_lock(&l->mutex);
    bool go = p->pipe == 0 && (p->redial_ms == 0 || now - p->redial_ms >= REDIAL_EVERY_MS);
    if (go)
        p->redial_ms = now;
    pthread_mutex_unlock(&l->mutex);
    if (!go)
        return;
    stop_dialer(p, "redialling");
    (void)start_dialer(p, NULL); /* the same address worked before; out of memory leaves it to the next call */
}

/* ---- peers ---- */

static void close_client(struct link_nng_client *c)
{
    if (c->aio == NULL)
        return;
    struct link_nng *l = c->peer->link;
    pthread_mutex_lock(&l->mutex);
    while (c->state != CLIENT_IDLE)
        pthread_cond_wait(&l->changed, &l->mutex);
    pthread_mutex_unlock(&l->mutex);
    nng_aio_stop(c->aio); /* waits for the callback */
    nng_aio_free(c->aio);
}

/* Out of the table already. Its open requests fail, LINK_DOWN comes if it was up. */
static void destroy_peer(struct link_nng_node *p, const char *reason)
{
    stop_dialer(p, reason);
    (void)nng_close(p->socket); /* its contexts end with NNG_ECLOSED */
    close_client(&p->ping);
    for (size_t i = 0; i < p->request_count; i++) {
        close_client(p->requests[i]);
        free(p->requests[i]);
    }
    free(p);
}

int link_nng_peer_create(struct link_nng *l, const struct link_nng_peer *from, struct err *e)
{
    struct link_nng_node *p = xcalloc(1, sizeof *p);
    p->link = l;
    p->code = from->code;
    p->serial = ++l->next_serial;
    p->backoff_ms = l->config.backoff_min_ms;
    (void)snprintf(p->url, sizeof p->url, "%s", from->url == NULL ? "" : from->url);
    int rv = nng_req0_open(&p->socket);
    if (rv != 0) {
        free(p);
        return link_nng_failure(e, rv, "request socket");
    }

    int rc = 0;
    rv = nng_socket_set_ms(p->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    if (rv == 0)
        rv = nng_socket_set_size(p->socket, NNG_OPT_RECVMAXSZ, WIRE_MESSAGE_BYTES_MAX + SP_HEADER_BYTES_MAX);
    if (rv == 0)
        rv = link_nng_notify(p->socket, peer_pipe_cb, p);
    if (rv != 0)
        rc = link_nng_failure(e, rv, "request socket");
    if (rc == 0)
        rc = open_client(p, true, &p->ping, e);
    if (rc != 0) {
        destroy_peer(p, "");
        return rc;
    }
    pthread_mutex_lock(&l->mutex);
    (void)map_put(&l->peers, &p->code, sizeof p->code, p);
    pthread_mutex_unlock(&l->mutex);
    return p->url[0] == '\0' ? 0 : start_dialer(p, e);
}

void link_nng_peer_remove(struct link_nng *l, struct link_nng_node *p, const char *reason)
{
    pthread_mutex_lock(&l->mutex);
    (void)map_remove(&l->peers, &p->code, sizeof p->code);
    pthread_mutex_unlock(&l->mutex);
    link_nng_serve_close_accepted(l, p->code);
    destroy_peer(p, reason);
}

int link_nng_peer_set_url(struct link_nng_node *p, const char *url, struct err *e)
{
    if (strcmp(p->url, url) == 0)
        return 0;
    stop_dialer(p, "its address changed");
    (void)snprintf(p->url, sizeof p->url, "%s", url);
    return url[0] == '\0' ? 0 : start_dialer(p, e);
}
