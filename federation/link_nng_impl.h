/* Inside of the NNG link, for link_nng.c, link_nng_peer.c (our connections), link_nng_client.c (asking over them) and
 * link_nng_serve.c (answering) only.
 *
 * Ownership: the link owns peers, clients (one request in flight each), serves (one request being answered each) and
 * pipe records. Clients and serves live until their aio has stopped, so their callbacks need no reference counts.
 *
 * Locks: `mutex` guards everything that has no other owner. NNG is never called with it held: NNG's own locks are held
 * while the TLS engine reports a failed handshake, which takes `mutex`. So each function decides under the mutex, then
 * acts. A client is claimed by its state: whoever moved it from IDLE may start its aio.
 *
 * Found in NNG 1.10.1, hence the odd corners:
 *  - REM_POST may come before ADD_POST.
 *  - An operation on a stopped aio never calls back, so aios are stopped when what they do has ended; nni_aio_stop() does not
 *    wait for a completion that is just being made, so they are freed only after their callback ran.
 *  - The same holds for NNG's own aios. A dialer that is still connecting, and a listener while somebody connects, are freed under
 *    the thread that completes the step under way, or that looks up the name (panics, seen): dialers are closed while they
 *    rest, and the link of a process that ends (is_last) closes no socket at all. What it leaves finds the link in its place,
 *    tells nobody, and ends with the process, for which OpenSSL has to stay until then (crypto_init()).
 *  - A call on a context lets go of it last, and frees it then if it was closed meanwhile, under the lock of a socket that
 *    nng_close() may have freed; the timer, too, comes to a context of which it does not know whether it is still there
 *    (panics, seen). So nobody closes a context with something under way: that is cancelled and waited for, the aio is
 *    stopped and freed, which waits for the timer, and only then the context is closed, then its socket.
 *  - Each new pipe resets the dialer's backoff, so that a peer that accepts and hangs up would be dialled without pause. Therefore
 *    dialling is ours: one dialer for one attempt and its pipe, NNG's own redialling as good as off, and the next dialer made by
 *    the keeper when the last one rests.
 *  - nng_fini() can lock the mutex of a pipe that is gone, and abort (about once in a thousand ends), so nobody calls it.
 */
#ifndef TB_FEDERATION_LINK_NNG_IMPL_H
#define TB_FEDERATION_LINK_NNG_IMPL_H

#include <pthread.h>

#include <nng/nng.h>

#include "federation/link_nng.h"
#include "node/base/clock.h"
#include "node/base/limits.h"
#include "node/base/list.h"
#include "node/base/log.h"
#include "node/base/map.h"
#include "node/base/prng.h"
#include "node/base/signals.h"
#include "node/base/xassert.h"

#define SP_HEADER_BYTES_MAX 64u /* request id and hops, counted by NNG_OPT_RECVMAXSZ */
#define REASON_SIZE sizeof((struct link_event){0}.reason)

enum link_nng_client_state { CLIENT_IDLE, CLIENT_SENDING, CLIENT_RECEIVING };

/* One request in flight towards a peer. */
struct link_nng_client {
    struct link_nng_node *peer;
    nng_ctx ctx;
    nng_aio *aio;
    enum link_nng_client_state state;
    bool is_ping;
    bool is_stopping; /* what it does is to end, and nothing more begins */
    uint64_t token;
    uint64_t generation;  /* peer->generation at the start: another one means the connection was lost meanwhile */
    uint64_t deadline_ms; /* monotonic */
};

/* WAITING (until dial_at_ms) ──keeper──► CONNECTING ──ADD_PRE──► CONNECTED
 *     ▲────────── the dial failed ────────────┘                      │
 *     └────────── the pipe ended ────────────────────────────────────┘ */
enum link_nng_dial_state { DIAL_NEVER, DIAL_WAITING, DIAL_CONNECTING, DIAL_CONNECTED };

struct link_nng_node {
    struct link_nng *link;
    struct list zombie; /* in link->zombies once removed */
    uint32_t code;
    uint64_t serial; /* tells a removed and re-added peer apart */
    nng_socket socket;
    nng_dialer dialer; /* of one attempt and its pipe; under dial_mutex */
    bool has_dialer;

    /* Dialling. NEVER: it has no address, or is removed. */
    enum link_nng_dial_state dial;
    char url[LINK_NNG_URL_BYTES_MAX];
    const char *refusal; /* why the attempt under way must not succeed (moved, removed); NULL = it may */
    uint64_t dial_at_ms; /* WAITING */
    uint64_t dialled_ms; /* start of the last attempt */
    uint64_t redial_ms;  /* last link_redial() */
    uint32_t backoff_ms; /* bound of the next pause */

    uint32_t pipe; /* of our dialer; 0 = none */
    bool is_up;    /* the first ping came back */
    uint64_t generation;
    uint64_t connected_ms;
    uint64_t heard_ms;        /* last answer */
    char reason[REASON_SIZE]; /* why the pipe is being closed, or the handshake failed; "" = not by us */
    char told[REASON_SIZE];   /* last LINK_DOWN since the last LINK_UP */

    struct link_nng_client ping;
    struct link_nng_client *requests[LINK_PEER_REQUESTS_MAX]; /* made when first needed */
    size_t request_count;
    unsigned served; /* its requests here, until the answer is sent */
    unsigned inside; /* NNG's threads that are with its clients: a pipe has begun or ended */
};

/* A pipe of either kind, from ADD_PRE to REM_POST. */
struct link_nng_pipe {
    uint32_t id;
    uint32_t code;
    bool is_accepted;
    unsigned open; /* accepted: requests parked here */
    uint64_t heard_ms;
    struct tls_engine_peer tls;
};

enum link_nng_serve_state { SERVE_RECEIVING, SERVE_OPEN, SERVE_SENDING, SERVE_CLOSED };

/* One request of a peer, from its receipt until its answer is sent; then the next. */
struct link_nng_serve {
    struct link_nng *link;
    nng_ctx ctx;
    nng_aio *aio;
    enum link_nng_serve_state state;
    uint64_t handle; /* OPEN: slot << 40 | number */
    bool is_counted; /* in link->served and peer->served */
    uint32_t code;
    uint64_t peer_serial;
    uint32_t pipe;
};

struct link_nng_queued_event {
    struct list node;
    struct link_event event;
};

struct link_nng {
    struct link base;
    struct link_nng_config config; /* @peers, @listen_url not kept */
    struct list registered;        /* in `links` */
    nng_socket rep;
    bool has_listener;
    uint16_t port;
    pthread_t keeper; /* pings, ends, dials: what needs time, or may not be done in NNG's callbacks */
    bool has_keeper;
    pthread_mutex_t dial_mutex; /* dialers and the set of peers; taken before `mutex`, never in a callback */

    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a client went idle, a dial or a pipe ended, events were delivered */
    pthread_cond_t wake;    /* has_work */
    bool has_work;          /* for the keeper, before its time */
    bool closing;
    bool is_left;        /* closed, but for what NNG still holds: nobody is told anything any more */
    struct prng prng;    /* jitter */
    struct list zombies; /* removed peers whose dial is still under way */
    struct map peers;    /* code -> struct link_nng_node */
    struct map pipes;    /* pipe id -> struct link_nng_pipe */
    struct link_nng_serve *serves[LINK_SERVE_MAX];
    size_t serve_count;
    size_t served; /* serves that hold a peer's request or its answer */
    uint64_t next_number;
    uint64_t next_serial;
    uint64_t recheck_ms;
    struct list events;
    bool is_delivering;
    struct log_limit refused_limit;
    struct link_nng_stats stats;
};

static inline struct link_nng *link_of(struct link *l)
{
    return container_of(l, struct link_nng, base);
}

/* ---- link_nng.c ---- */

/* Turns NNG's @rv into an error about @what. */
int link_nng_failure(struct err *e, int rv, const char *what);
/* An nng_msg. Any thread. */
void link_nng_message_free(void *msg);
int link_nng_check_url(const struct link_nng_config *config, const char *url, struct err *e) WARN_UNUSED;
/* Who is at the other end of @pipe. 0, or ERR_AUTH. */
int link_nng_identify(const struct link_nng *l, nng_pipe pipe, struct tls_engine_peer *ret, struct err *e) WARN_UNUSED;
/* Registers @cb for all pipe events. Returns NNG's code. */
int link_nng_notify(nng_socket socket, nng_pipe_cb cb, void *arg);
/* @e as a reason: its message and its id, by which ERRORS.md has it. */
void link_nng_put_reason(const struct err *e, char out[REASON_SIZE]);
/* Closes the pipes that were accepted from node @accepted_of, or with 0 all pipes; their ends come from NNG's threads, later. An answer
 * that NNG has taken and not sent is lost: it is asked for again. */
void link_nng_close_pipes(struct link_nng *l, uint32_t accepted_of);
/* Queues a copy of @event. Under the mutex; the caller calls link_nng_deliver() once it has let it go. */
void link_nng_push_event(struct link_nng *l, const struct link_event *event);
void link_nng_push_refused(struct link_nng *l, uint32_t code, const char *reason); /* the same, rate-limited */
/* To be called by NNG's threads after they let the mutex go. Whoever finds nobody delivering delivers for all. */
void link_nng_deliver(struct link_nng *l);

/* Wakes the keeper. Under the mutex. */
static inline void link_nng_wake(struct link_nng *l)
{
    l->has_work = true;
    (void)pthread_cond_signal(&l->wake);
}

/* The tables, under the mutex. Only the loop thread changes the peers, so it may look without. */
static inline struct link_nng_node *link_nng_find_peer(const struct link_nng *l, uint32_t code)
{
    return map_get(&l->peers, &code, sizeof code);
}

static inline struct link_nng_pipe *link_nng_find_pipe(const struct link_nng *l, uint32_t id)
{
    return map_get(&l->pipes, &id, sizeof id);
}

static inline void link_nng_add_pipe(struct link_nng *l, struct link_nng_pipe record)
{
    void *before = map_put(&l->pipes, &record.id, sizeof record.id, xmemdup(&record, sizeof record));
    xassert(before == NULL);
}

/* ---- link_nng_peer.c: our connections. Loop thread unless it says otherwise ---- */

/* Adds a peer; the keeper dials it. */
int link_nng_peer_create(struct link_nng *l, const struct link_nng_peer *from, struct err *e) WARN_UNUSED;
/* Ends all it has open (events come before the return, or are being delivered). With dial_mutex. */
void link_nng_peer_remove(struct link_nng *l, struct link_nng_node *p, const char *reason);
/* Ends what it asks; its connection stays. At the link's end. */
void link_nng_peer_leave(struct link_nng_node *p, const char *reason);
/* Makes it dial @url, if it does not do so already. With dial_mutex. */
void link_nng_peer_set_url(struct link_nng_node *p, const char *url);
/* The keeper's: dials who is due, frees removed peers whose dial has ended. Returns when to come again, monotonic. */
uint64_t link_nng_peer_dial_due(struct link_nng *l);
/* Frees the removed peers now. After the keeper's end. False when some are still connecting: those stay, for ever. */
bool link_nng_peer_free_zombies(struct link_nng *l);
/* NNG gave up the dial of @p; @why is NNG's reason. Under the mutex, any thread. */
void link_nng_peer_dial_failed(struct link_nng_node *p, const char *why);
/* Tells a loss once, and while down every new reason once. Under the mutex, any thread. */
void link_nng_peer_push_down(struct link_nng_node *p, const char *reason);
/* A ping: claimed under the mutex, then sent without it. Any thread. */
bool link_nng_peer_claim_ping(struct link_nng_node *p);
void link_nng_peer_send_ping(struct link_nng *l, struct link_nng_node *p);
void link_nng_peer_redial(struct link *base, uint32_t code); /* of struct link_ops */

/* ---- link_nng_client.c: asking ---- */

/* An idle one of @p, in memory that stays where it is until it is closed. Loop thread. */
int link_nng_client_open(struct link_nng_node *p, bool is_ping, struct link_nng_client *ret, struct err *e) WARN_UNUSED;
/* Ends what it does, and waits for that. Nothing when it was never opened. Not in a callback. */
void link_nng_client_stop(struct link_nng_client *c);
/* Stopped before, and nobody is `inside` any more; before its socket is closed. Nothing when it was never opened. */
void link_nng_client_close(struct link_nng_client *c);
/* Under the mutex; @c is idle. The caller starts it with link_nng_client_send() once it has let the mutex go. */
void link_nng_client_claim(struct link_nng_client *c, uint64_t token, uint32_t timeout_ms);
/* Copies @message. @c must stay until it returns: the caller is the loop thread, the keeper, or `inside`. */
void link_nng_client_send(struct link_nng_client *c, struct bytes message, uint32_t timeout_ms);
/* Ends whatever @c does; its callback says so. Nothing happens when it is idle by now. Without the mutex. */
void link_nng_client_cancel(struct link_nng_client *c);
void link_nng_client_wait_idle(struct link_nng_client *c); /* takes the mutex; not in a callback */
/* Of struct link_ops. */
int link_nng_client_request(struct link *base, uint32_t code, struct bytes message, uint64_t token, uint32_t timeout_ms,
                            struct err *e);

/* ---- link_nng_serve.c: answering. Loop thread ---- */

int link_nng_serve_listen(struct link_nng *l, const char *url, struct err *e) WARN_UNUSED;
/* Contexts for @peer_count peers; their number only grows. */
int link_nng_serve_grow(struct link_nng *l, size_t peer_count, struct err *e) WARN_UNUSED;
void link_nng_serve_stop(
    struct link_nng *l); /* once `closing`: all that is received and answered; contexts and socket stay */
void link_nng_serve_close(struct link_nng *l); /* these, after that */
/* Of struct link_ops. */
void link_nng_serve_reply(struct link *base, uint64_t handle, struct bytes message);
void link_nng_serve_drop(struct link *base, uint64_t handle);
void link_nng_serve_message_create(size_t size, struct link_message *ret);
void link_nng_serve_reply_message(struct link *base, uint64_t handle, struct link_message *message);

#endif
