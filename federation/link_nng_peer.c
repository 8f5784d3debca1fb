/* Our connections, for the NNG link (see link_nng_impl.h): one REQ0 socket and one dialer for each peer; when it is dialled,
 * whether it is up, and how it goes. What is asked over them is link_nng_client.c.
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
#define DIAL_MS_MAX 300000u   /* an attempt that has not ended by then has been forgotten by NNG */

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

/* ---- our connections ---- */

bool link_nng_peer_claim_ping(struct link_nng_node *p)
{
    if (p->ping.state != CLIENT_IDLE || p->ping.is_stopping)
        return false;
    link_nng_client_claim(&p->ping, 0, 2 * p->link->config.ping_ms);
    return true;
}

void link_nng_peer_send_ping(struct link_nng *l, struct link_nng_node *p)
{
    link_nng_client_send(&p->ping, bytes_of(NULL, 0), 2 * l->config.ping_ms);
}

/* The attempt or its pipe is over: when to dial again. Under the mutex. */
static void rest(struct link_nng_node *p)
{
    struct link_nng *l = p->link;
    bool has_moved = p->refusal != NULL && p->url[0] != '\0';
    p->refusal = NULL;
    p->backoff_ms = max_of(min_of(p->backoff_ms * 2, l->config.backoff_max_ms), 1u);
    p->dial = p->url[0] == '\0' ? DIAL_NEVER : DIAL_WAITING;
    p->dial_at_ms = clock_mono_ms() + (has_moved ? 0 : prng_below(&l->prng, p->backoff_ms));
    link_nng_wake(l);
    pthread_cond_broadcast(&l->changed);
}

void link_nng_peer_dial_failed(struct link_nng_node *p, const char *why)
{
    char reason[REASON_SIZE];
    if (p->dial != DIAL_CONNECTING)
        return;
    (void)snprintf(reason, sizeof reason, "cannot connect: %.150s", p->reason[0] != '\0' ? p->reason : why);
    p->reason[0] = '\0';
    if (p->refusal == NULL)
        link_nng_peer_push_down(p, reason);
    rest(p);
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
    if (rc == 0 && p->refusal != NULL)
        rc = err_set(&e, ERR_CLOSED, "link.refused", "%s", p->refusal);
    xassert(p->pipe == 0); /* a dialer has one pipe, and the next dialer is made when that has ended */
    p->dial = DIAL_CONNECTED;
    p->pipe = id;
    p->connected_ms = p->heard_ms = now;
    p->reason[0] = '\0';
    if (rc != 0)
        link_nng_put_reason(&e, p->reason);
    else
        link_nng_add_pipe(l, (struct link_nng_pipe){.id = id, .code = p->code, .heard_ms = now, .tls = who});
    pthread_mutex_unlock(&l->mutex);
    if (rc != 0)
        (void)nng_pipe_close(pipe);
}

static void peer_pipe_started(struct link_nng_node *p, uint32_t id)
{
    struct link_nng *l = p->link;
    pthread_mutex_lock(&l->mutex);
    bool go = p->pipe == id && p->refusal == NULL && link_nng_peer_claim_ping(p); /* it may be over already */
    p->inside += go;
    pthread_mutex_unlock(&l->mutex);
    if (!go)
        return;
    link_nng_peer_send_ping(l, p);
    pthread_mutex_lock(&l->mutex);
    p->inside--;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
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
    if (p->is_up && clock_mono_ms() - p->connected_ms >= STABLE_MS)
        p->backoff_ms = l->config.backoff_min_ms / 2;
    const char *reason =
        p->reason[0] != '\0' ? p->reason
        : p->is_up           ? "the peer closed the connection, or the network broke"
                   : "the peer closed the connection at once: it is stopping, or this node is no member there";
    link_nng_peer_push_down(p, reason);
    p->reason[0] = '\0';
    rest(p);
    for (size_t i = 0; i < p->request_count; i++) {
        if (p->requests[i]->state != CLIENT_IDLE)
            open[open_count++] = p->requests[i];
    }
    if (p->ping.state != CLIENT_IDLE)
        open[open_count++] = &p->ping;
    p->inside++;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);

    for (size_t i = 0; i < open_count; i++)
        link_nng_client_cancel(open[i]);
    pthread_mutex_lock(&l->mutex);
    p->inside--;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
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

/* ---- our dialling ---- */

static void stop_clients(struct link_nng_node *p)
{
    link_nng_client_stop(&p->ping);
    for (size_t i = 0; i < p->request_count; i++)
        link_nng_client_stop(p->requests[i]);
}

/* Out of all tables. Not while it is connecting. With dial_mutex, or after the keeper. */
static void destroy_peer(struct link_nng_node *p)
{
    struct link_nng *l = p->link;
    stop_clients(p);
    pthread_mutex_lock(&l->mutex);
    while (p->inside > 0)
        pthread_cond_wait(&l->changed, &l->mutex);
    pthread_mutex_unlock(&l->mutex);
    link_nng_client_close(&p->ping);
    for (size_t i = 0; i < p->request_count; i++)
        link_nng_client_close(p->requests[i]);
    (void)nng_close(p->socket); /* its dialer and pipe end */
    for (size_t i = 0; i < p->request_count; i++)
        free(p->requests[i]);
    free(p);
}

/* NNG's own redialling: the pause is drawn from 0 to 24 days. */
static int configure_dialer(const struct link_nng_node *p, nng_dialer dialer, struct err *e)
{
    const struct link_nng_config *config = &p->link->config;
    int rv = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, INT32_MAX);
    if (rv == 0)
        rv = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, INT32_MAX);
    if (rv == 0)
        rv = nng_dialer_set_bool(dialer, NNG_OPT_TCP_KEEPALIVE, true);
    if (rv == 0)
        rv = nng_dialer_set_bool(dialer, NNG_OPT_TCP_NODELAY, true);
    nng_sockaddr own = {.s_in = {.sa_family = NNG_AF_INET, .sa_addr = htonl(127u << 24 | config->code)}};
    if (rv == 0 && config->plain_loopback)
        rv = nng_dialer_set_addr(dialer, NNG_OPT_LOCADDR, &own);
    if (rv != 0)
        return link_nng_failure(e, rv, p->url);
    return config->plain_loopback ? 0
                                  : tls_engine_secure_dialer(config->tls, (uint32_t)nng_dialer_id(dialer), p->code, e);
}

/* One attempt on p->url. The peer is resting. Keeper, with dial_mutex. */
static void dial(struct link_nng_node *p)
{
    struct link_nng *l = p->link;
    struct err e = {0};
    if (p->has_dialer)
        (void)nng_dialer_close(p->dialer); /* of the attempt before: it sleeps */
    p->has_dialer = false;
    pthread_mutex_lock(&l->mutex);
    p->dial = DIAL_CONNECTING; /* before it starts: it may have failed when that returns */
    p->dialled_ms = clock_mono_ms();
    pthread_mutex_unlock(&l->mutex);

    int rv = nng_dialer_create(&p->dialer, p->socket, p->url);
    int rc = rv == 0 ? 0 : link_nng_failure(&e, rv, p->url);
    p->has_dialer = rc == 0;
    if (rc == 0)
        rc = configure_dialer(p, p->dialer, &e);
    if (rc == 0 && (rv = nng_dialer_start(p->dialer, NNG_FLAG_NONBLOCK)) != 0)
        rc = link_nng_failure(&e, rv, p->url);
    if (rc == 0)
        return;
    pthread_mutex_lock(&l->mutex);
    link_nng_peer_dial_failed(p, e.message);
    pthread_mutex_unlock(&l->mutex);
}

/* Whether @p's turn has come; else lowers *@next_ms to it. Under the mutex. */
static bool is_due(struct link_nng_node *p, uint64_t now, uint64_t *next_ms)
{
    if (p->dial == DIAL_CONNECTING && now - p->dialled_ms >= DIAL_MS_MAX)
        link_nng_peer_dial_failed(p, "no outcome");
    if (p->dial != DIAL_WAITING || p->link->closing)
        return false;
    if (p->dial_at_ms <= now)
        return true;
    *next_ms = min_of(*next_ms, p->dial_at_ms);
    return false;
}

uint64_t link_nng_peer_dial_due(struct link_nng *l)
{
    uint64_t next_ms = UINT64_MAX;
    size_t due_count = 0, at = 0;
    const void *key;
    void *value;
    struct list ended;
    list_init(&ended);

    pthread_mutex_lock(&l->dial_mutex);
    pthread_mutex_lock(&l->mutex);
    uint64_t now = clock_mono_ms();
    struct link_nng_node **due = xcalloc(l->peers.count + 1, sizeof *due);
    while (map_next(&l->peers, &at, &key, &value)) {
        if (is_due(value, now, &next_ms))
            due[due_count++] = value;
    }
    list_for_each_safe (node, &l->zombies) {
        struct link_nng_node *p = container_of(node, struct link_nng_node, zombie);
        (void)is_due(p, now, &next_ms);
        if (p->dial == DIAL_CONNECTING || p->dial == DIAL_CONNECTED)
            continue;
        list_remove(node);
        list_append(&ended, node);
    }
    pthread_mutex_unlock(&l->mutex);

    for (size_t i = 0; i < due_count; i++)
        dial(due[i]);
    list_for_each_safe (node, &ended)
        destroy_peer(container_of(node, struct link_nng_node, zombie));
    pthread_mutex_unlock(&l->dial_mutex);
    free(due);
    return next_ms;
}

void link_nng_peer_redial(struct link *base, uint32_t code)
{
    struct link_nng *l = link_of(base);
    struct link_nng_node *p = link_nng_find_peer(l, code);
    uint64_t now = clock_mono_ms();
    if (p == NULL)
        return;
    pthread_mutex_lock(&l->mutex);
    if (p->dial == DIAL_WAITING && (p->redial_ms == 0 || now - p->redial_ms >= REDIAL_EVERY_MS)) {
        p->redial_ms = p->dial_at_ms = now;
        p->backoff_ms = l->config.backoff_min_ms;
        link_nng_wake(l);
    }
    pthread_mutex_unlock(&l->mutex);
}

/* ---- peers ---- */

int link_nng_peer_create(struct link_nng *l, const struct link_nng_peer *from, struct err *e)
{
    struct link_nng_node *p = xcalloc(1, sizeof *p);
    p->link = l;
    p->code = from->code;
    p->serial = ++l->next_serial;
    list_init(&p->zombie);
    p->backoff_ms = l->config.backoff_min_ms / 2; /* doubled by the first failure */
    (void)snprintf(p->url, sizeof p->url, "%s", from->url == NULL ? "" : from->url);
    p->dial = p->url[0] == '\0' ? DIAL_NEVER : DIAL_WAITING; /* since time 0: at once */
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
        rc = link_nng_client_open(p, true, &p->ping, e);
    if (rc != 0) {
        destroy_peer(p);
        return rc;
    }
    pthread_mutex_lock(&l->mutex);
    (void)map_put(&l->peers, &p->code, sizeof p->code, p);
    link_nng_wake(l);
    pthread_mutex_unlock(&l->mutex);
    return 0;
}

/* Ends the pipe, if there is one, and makes an attempt under way fail, both for @reason. */
static void end_connection(struct link_nng_node *p, const char *reason)
{
    struct link_nng *l = p->link;
    pthread_mutex_lock(&l->mutex);
    uint32_t pipe = p->pipe;
    if (p->dial == DIAL_CONNECTING || p->dial == DIAL_CONNECTED)
        p->refusal = reason;
    if (p->dial == DIAL_WAITING || p->dial == DIAL_NEVER) {
        p->dial = p->url[0] == '\0' ? DIAL_NEVER : DIAL_WAITING;
        p->dial_at_ms = clock_mono_ms();
        link_nng_wake(l);
    }
    if (pipe != 0)
        (void)snprintf(p->reason, sizeof p->reason, "%s", reason);
    pthread_mutex_unlock(&l->mutex);
    if (pipe == 0)
        return;
    (void)nng_pipe_close((nng_pipe){.id = pipe});
    pthread_mutex_lock(&l->mutex);
    while (p->pipe == pipe)
        pthread_cond_wait(&l->changed, &l->mutex);
    pthread_mutex_unlock(&l->mutex);
}

void link_nng_peer_remove(struct link_nng *l, struct link_nng_node *p, const char *reason)
{
    pthread_mutex_lock(&l->mutex);
    (void)map_remove(&l->peers, &p->code, sizeof p->code);
    p->url[0] = '\0';
    pthread_mutex_unlock(&l->mutex);
    link_nng_close_pipes(l, p->code);
    end_connection(p, reason);
    for (size_t i = 0; i < p->request_count; i++)
        link_nng_client_wait_idle(p->requests[i]);
    pthread_mutex_lock(&l->mutex);
    list_append(&l->zombies, &p->zombie);
    link_nng_wake(l);
    pthread_mutex_unlock(&l->mutex);
}

void link_nng_peer_leave(struct link_nng_node *p, const char *reason)
{
    struct link_nng *l = p->link;
    pthread_mutex_lock(&l->mutex);
    p->refusal = reason; /* an attempt under way does not come up */
    if (p->is_up)
        link_nng_peer_push_down(p, reason);
    pthread_mutex_unlock(&l->mutex);
    stop_clients(p);
}

bool link_nng_peer_free_zombies(struct link_nng *l)
{
    struct list ended;
    list_init(&ended);
    pthread_mutex_lock(&l->mutex);
    list_for_each_safe (node, &l->zombies) {
        if (container_of(node, struct link_nng_node, zombie)->dial == DIAL_CONNECTING)
            continue;
        list_remove(node);
        list_append(&ended, node);
    }
    bool is_any_left = !list_is_empty(&l->zombies);
    pthread_mutex_unlock(&l->mutex);
    list_for_each_safe (node, &ended)
        destroy_peer(container_of(node, struct link_nng_node, zombie));
    return !is_any_left;
}

void link_nng_peer_set_url(struct link_nng_node *p, const char *url)
{
    struct link_nng *l = p->link;
    if (strcmp(p->url, url) == 0)
        return;
    pthread_mutex_lock(&l->mutex);
    (void)snprintf(p->url, sizeof p->url, "%s", url);
    p->backoff_ms = l->config.backoff_min_ms / 2;
    pthread_mutex_unlock(&l->mutex);
    end_connection(p, "its address changed");
}
