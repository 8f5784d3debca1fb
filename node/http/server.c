/* HTTP server (see server.h): libmicrohttpd driven by libuv.
 *
 * Happy path of one request:
 *   libuv says that the daemon's epoll descriptor is readable → MHD_run() → uri_cb (a request line is there) →
 *   access_cb with the header (begin_request: guard.c, route_check) → access_cb with pieces of the body
 *   (take_body) → access_cb at the end: route_dispatch(). The handler has replied: send_reply(). Or it waits: the
 *   connection is suspended until request_finish() calls finished_cb(), which resumes it; access_cb comes once more and
 *   sends the reply. completed_cb lets go of the request; the connection is ready for the next one.
 *
 * Failure modes: a client that goes away → completed_cb earlier, request_release() keeps the request for the callback
 * still to come. MHD does not look at a suspended connection, so that all stand in an epoll set of our own as well (hangup_fd), which
 * tells when the client hangs up: without it the descriptors of closed long polls were held until their timeout. A slow client → its
 * connection stands in `deadlines`, oldest first, and is shut down. Clients that hold all connections or all memory for bodies without
 * going on → who has done so longest, and longer than PATIENCE_MS, makes room for the next. A body over the
 * limit is read on and dropped up to DISCARD_BYTES_MAX, so that the client sees the answer, then the connection is cut.
 *
 * Ownership: struct conn lives as long as the connection and holds the one request under way on it.
 */
#include "node/http/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "certs/crypto.h"
#include "node/base/clock.h"
#include "node/base/limits.h"
#include "node/base/list.h"
#include "node/base/log.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"
#include "node/http/guard.h"
#include "node/http/listen.h"
#include "node/http/rate.h"
#include "node/http/request.h"
#include "node/http/route.h"

/* Request line, header and what MHD keeps of them; more is answered with 431. MHD clears one and a half times as much for every request,
 * which pushes everything else out of the nearest cache: with 32 KiB that was a fourteenth of an event. Half of it is how much of a body
 * is read at once. */
#define CONNECTION_MEMORY_BYTES (8u << 10)
#define DISCARD_BYTES_MAX (4u << 20) /* of a refused body */
#define TOKEN_BYTES_MIN 32
#define PATIENCE_MS 2000u /* so long nobody has to make room for others: a client of this machine needs milliseconds */
#define ROOM_PART 16u     /* of the connections is made free at once */
#define HANGUPS_AT_ONCE 64
#define ACCEPT_AT_ONCE 64
#define STREAM_BLOCK_BYTES (128u << 10)

/* One listening socket with its MHD daemon. */
struct door {
    struct http_server *server;
    struct MHD_Daemon *mhd; /* NULL = this door is not used */
    uv_poll_t poll;         /* on the daemon's epoll descriptor */
    uv_timer_t timer;       /* when the daemon wants to run without an event */
    struct guard_door asks; /* texts are the server's */
    unsigned conn_count, conn_max;
    bool run_again; /* a connection has gone: MHD listens again only in its next round */
};

/* The unix socket when its file had to be made again: MHD takes the connections, but listens on the first one. */
struct again {
    struct door *door;
    uv_poll_t poll;
    int fd;
};

struct http_server {
    struct app *app;
    enum request_door kind;
    struct rate *rate; /* NULL = no limit */
    uv_loop_t *loop;
    struct door doors[2];  /* unix, TCP */
    uv_timer_t sweep;      /* looks at the deadlines */
    struct list deadlines; /* conns whose client is to act, oldest first */
    struct list suspended; /* conns that wait for a callback */
    int hangup_fd;         /* epoll set of all conns; -1 = none */
    uv_poll_t hangup_poll; /* on it */
    uint32_t request_ms_max;
    size_t bodies_bytes;   /* held for all requests */
    struct list body_list; /* conns that hold some of them, by begin of the body */
    char *unix_path;       /* NULL = none */
    struct stat unix_file; /* what we made there */
    struct again *again;   /* NULL = the first file is still there */
    bool is_path_lost;     /* and that was said */
    char *token;
    char *tcp_host;
    uint16_t tcp_port;
    bool stopping;
    unsigned open_handles;
    void (*stopped_cb)(void *ctx);
    void *stopped_ctx;
};

struct conn {
    struct list link; /* in deadlines or suspended */
    struct door *door;
    struct MHD_Connection *mhd;
    int fd;
    uint64_t client; /* hash of its address; 0 on the unix socket */
    uint64_t deadline_ms;
    /* the request under way */
    struct request *request; /* NULL before begin_request() and after completed_cb() */
    size_t body_bytes;       /* counted in server->bodies_bytes */
    uint64_t body_ms;        /* its begin */
    struct list body_link;   /* in body_list */
    size_t dropped_bytes;    /* of a refused body */
    bool is_suspended;
    bool hung_up; /* hangup_fd has told so while it was not suspended */
    bool bad_uri; /* %00 in it: MHD cuts the path there */
    bool dispatched;
    bool cut_off; /* the waiting request was let go: the server stops, or the client has gone */
    bool close;   /* after the answer */
};

/* ---- connections and their deadlines ---- */

static void start_deadline(struct conn *c)
{
    struct http_server *s = c->door->server;
    c->deadline_ms = clock_mono_ms() + s->request_ms_max;
    list_remove(&c->link);
    list_append(&s->deadlines, &c->link);
}

static void watch_path(struct http_server *s);
static void closed_cb(uv_handle_t *handle);

/* All connections of @d are taken: those that have asked for nothing longest, or are still sending, are closed; when there are none
 * left, long polls are answered early. */
static void free_some(struct door *d, uint64_t now_ms)
{
    struct http_server *s = d->server;
    unsigned wanted = d->conn_max / ROOM_PART + 1;
    if (d->mhd == NULL || d->conn_count < d->conn_max)
        return;
    list_for_each_safe (at, &s->deadlines) {
        struct conn *c = container_of(at, struct conn, link);
        bool is_answered = c->request != NULL && c->dispatched;
        if (wanted == 0 || now_ms < c->deadline_ms - s->request_ms_max + PATIENCE_MS)
            break;
        if (c->door != d || is_answered)
            continue;
        list_remove(&c->link);
        (void)shutdown(c->fd, SHUT_RDWR);
        wanted--;
    }
    list_for_each_safe (at, &s->suspended) {
        struct conn *c = container_of(at, struct conn, link);
        if (wanted == 0)
            break;
        if (c->door != d || c->request->hurry_cb == NULL)
            continue;
        c->close = true;
        c->request->hurry_cb(c->request);
        wanted--;
    }
}

static void sweep_cb(uv_timer_t *timer)
{
    struct http_server *s = timer->data;
    uint64_t now_ms = clock_mono_ms();
    free_some(&s->doors[0], now_ms);
    free_some(&s->doors[1], now_ms);
    if (s->unix_path != NULL)
        watch_path(s);
    while (!list_is_empty(&s->deadlines)) {
        struct conn *c = container_of(s->deadlines.next, struct conn, link);
        if (c->deadline_ms > now_ms)
            break;
        list_remove(&c->link);
        (void)shutdown(c->fd, SHUT_RDWR); /* MHD sees the end and closes; there is nobody to tell */
    }
}

/* The same for all connections of one address; of IPv6 the network (/64), of which one client may have many addresses. */
static uint64_t client_of(struct MHD_Connection *mhd)
{
    const struct sockaddr *address = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    if (address == NULL)
        return 0;
    if (address->sa_family == AF_INET)
        return rate_client(&((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    if (address->sa_family == AF_INET6)
        return rate_client(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 8);
    return 0;
}

/* Edge-triggered: a client that has only stopped sending is reported once, and once more when it goes. */
static void watch_hangup(struct conn *c, int op)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = c};
    (void)epoll_ctl(c->door->server->hangup_fd, op, c->fd, &event); /* no memory: noticed when a wait ends */
}

static void connection_cb(void *cls, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct conn *c = xcalloc(1, sizeof *c);
        list_init(&c->link);
        list_init(&c->body_link);
        c->door = cls;
        c->door->conn_count++;
        c->mhd = mhd;
        c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        c->client = client_of(mhd);
        start_deadline(c);
        /* For its life: with every request it would cost an event two calls of the kernel. */
        watch_hangup(c, EPOLL_CTL_ADD);
        *socket_context = c;
        return;
    }
    struct conn *c = *socket_context;
    if (c != NULL) {
        xassert(c->request == NULL);
        c->door->run_again = true;
        c->door->conn_count--;
        (void)epoll_ctl(c->door->server->hangup_fd, EPOLL_CTL_DEL, c->fd, NULL); /* fails if it could not be added */
        list_remove(&c->link);
        free(c);
        *socket_context = NULL;
    }
}

static void suspend(struct conn *c);
static void resume(struct conn *c);

/* A piece of an answer is there, or it never will be. */
static void piece_cb(struct request *r)
{
    resume(r->server_data);
}

static void return_body(struct conn *c)
{
    c->door->server->bodies_bytes -= c->body_bytes;
    c->body_bytes = 0;
    list_remove(&c->body_link);
}

/* The request is over: answered, or its client went away. */
static void completed_cb(void *cls, struct MHD_Connection *mhd, void **req_cls, enum MHD_RequestTerminationCode why)
{
    (void)cls;
    (void)mhd;
    (void)why;
    struct conn *c = *req_cls;
    if (c == NULL)
        return;
    return_body(c);
    struct request *r = c->request;
    c->request = NULL;
    if (r != NULL) {
        r->server_data = NULL;
        request_release(r);
    }
    start_deadline(c);
}

/* ---- the header ---- */

static enum MHD_Result header_cb(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_size,
                                 const char *value, size_t value_size)
{
    (void)kind;
    guard_take_header(cls, bytes_of(key, key_size), value != NULL ? bytes_of(value, value_size) : bytes_of("", 0));
    return MHD_YES;
}

struct params {
    struct guard *guard;
    struct request *request;
};

static enum MHD_Result param_cb(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_size, const char *value,
                                size_t value_size)
{
    const struct params *p = cls;
    (void)kind;
    guard_take_param(p->guard, p->request, bytes_of(key, key_size),
                     value != NULL ? bytes_of(value, value_size) : bytes_of("", 0));
    return MHD_YES;
}

/* All that can be said before the body is there. A refusal is in the request as its reply. */
static void begin_request(struct conn *c, const char *url, const char *method, bool *ret_answer_now)
{
    struct http_server *s = c->door->server;
    struct guard g = {.has_nul = c->bad_uri};
    struct err e = {0};
    struct request *r = request_create(s->app);
    r->door = s->kind;
    c->request = r;
    r->server_data = c;
    r->method = method;
    r->path = url;
    r->body_max = route_body_max(r, c->door->asks.body_max);
    (void)MHD_get_connection_values_n(c->mhd, MHD_HEADER_KIND, header_cb, &g);
    (void)MHD_get_connection_values_n(c->mhd, MHD_GET_ARGUMENT_KIND, param_cb,
                                      &(struct params){.guard = &g, .request = r});
    r->content_type = g.content_type;
    r->idempotency_key = g.idempotency_key;
    r->range = g.range;
    r->upload_offset = g.upload_offset;

    int rc = s->stopping ? err_set(&e, ERR_CLOSED, "http.closing", "the node is shutting down")
                         : guard_check(&g, &c->door->asks, r, &e);
    if (rc == 0 && s->rate != NULL && !rate_pass(s->rate, c->client, clock_mono_ms())) {
        (void)err_set(&e, ERR_BUSY, "http.rate", "more than %u requests a second", WITNESS_HTTP_RATE);
        request_reply_error_status(r, 429, &e);
    } else if (rc != 0)
        request_reply_error(r, &e);
    else
        (void)route_check(r);

    c->close = g.is_ambiguous;
    /* An answer at this point makes MHD close the connection, and a client that is still sending might not read it:
     * let it finish, within reason. */
    *ret_answer_now = r->replied && (g.expect != NULL || g.body_size > DISCARD_BYTES_MAX || c->close);
}

/* ---- body, dispatch, answer ---- */

/* The rest of the body is read on and dropped, so that the client sees the answer. */
static void refuse_body(struct conn *c, const struct err *e)
{
    request_reply_error(c->request, e);
    buf_close(&c->request->body);
    return_body(c);
}

static void say_full(const struct http_server *s, struct err *e)
{
    (void)err_set(e, ERR_BUSY, "http.bodies", "requests under way hold %zu bytes, the limit is %u", s->bodies_bytes,
                  HTTP_BODIES_BYTES_MAX);
}

/* Whether there is room for @size bytes more. Bodies that are slow to come make it: a client that sends a part and rests, and that a
 * hundred times, would else keep everybody out until its time is over. */
static bool make_room(struct http_server *s, size_t size)
{
    uint64_t now_ms = clock_mono_ms();
    while (s->bodies_bytes + size > HTTP_BODIES_BYTES_MAX && !list_is_empty(&s->body_list)) {
        struct conn *slowest = container_of(s->body_list.next, struct conn, body_link);
        struct err e = {0};
        if (now_ms < slowest->body_ms + PATIENCE_MS)
            break;
        say_full(s, &e);
        refuse_body(slowest, &e);
    }
    return s->bodies_bytes + size <= HTTP_BODIES_BYTES_MAX;
}

static void keep_body(struct conn *c, const char *data, size_t size)
{
    struct http_server *s = c->door->server;
    if (c->body_bytes == 0) {
        c->body_ms = clock_mono_ms();
        list_append(&s->body_list, &c->body_link);
    }
    buf_put(&c->request->body, data, size);
    s->bodies_bytes += size;
    c->body_bytes += size;
}

static enum MHD_Result take_body(struct conn *c, const char *data, size_t size)
{
    struct request *r = c->request;
    struct http_server *s = c->door->server;
    struct err e = {0};
    if (r->replied) {
        c->dropped_bytes += size;
        return c->dropped_bytes <= DISCARD_BYTES_MAX ? MHD_YES : MHD_NO;
    }
    if (r->body.size + size > r->body_max) {
        (void)guard_refuse_size(r, &e);
        refuse_body(c, &e);
    } else if (make_room(s, size)) { /* for which this very body may have had to go */
        if (!r->replied)
            keep_body(c, data, size);
    } else {
        say_full(s, &e);
        refuse_body(c, &e);
    }
    return MHD_YES;
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (value != NULL)
        (void)MHD_add_response_header(response, name, value); /* fails only for malformed values: ours are not */
}

/* What stands at @at is copied, as far as there is room; 0: it is not there. */
static ssize_t copy_piece(const struct request *r, uint64_t at, char *out, size_t size)
{
    if (at < r->piece_at || at - r->piece_at >= r->piece.size)
        return 0;
    size_t skip = (size_t)(at - r->piece_at);
    size_t n = min_of(size, r->piece.size - skip);
    memcpy(out, r->piece.data + skip, n);
    return (ssize_t)n;
}

/* MHD has room for more of an answer in pieces. Nothing there: the connection rests until the piece has come. */
static ssize_t stream_cb(void *cls, uint64_t at, char *out, size_t size)
{
    struct conn *c = cls;
    struct request *r = c->request;
    if (r == NULL || r->stream_failed)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    ssize_t n = copy_piece(r, at, out, size);
    if (n > 0)
        return n;
    if (!r->stream_ended) {
        r->piece = bytes_of(NULL, 0);
        r->piece_at = at;
        r->piece_asked = true;
        r->piece_cb = NULL;
        r->stream_read(r, at);
    }
    if (r->piece_asked) {
        r->piece_cb = piece_cb;
        suspend(c);
        return 0;
    }
    if (r->stream_ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    return r->stream_failed ? MHD_CONTENT_READER_END_WITH_ERROR : copy_piece(r, at, out, size);
}

static enum MHD_Result send_reply(struct conn *c)
{
    struct request *r = c->request;
    /* the reply lives in the request's arena, until completed_cb */
    uint64_t stream_size = r->stream_size == REQUEST_SIZE_UNKNOWN ? MHD_SIZE_UNKNOWN : r->stream_size;
    struct MHD_Response *response =
        r->is_stream ? MHD_create_response_from_callback(stream_size, STREAM_BLOCK_BYTES, stream_cb, c, NULL)
                     : MHD_create_response_from_buffer_static(r->reply.size, r->reply.data);
    if (response == NULL)
        return MHD_NO;
    add_header(response, "Content-Type", r->reply_type);
    add_header(response, "Cache-Control", r->cache != NULL ? r->cache : "no-store");
    add_header(response, "Location", r->location);
    add_header(response, "Allow", r->allow);
    add_header(response, "Retry-After", r->retry_later ? "1" : NULL);
    add_header(response, "WWW-Authenticate", r->status == 401 ? "Bearer" : NULL);
    for (size_t i = 0; i < r->header_count; i++)
        add_header(response, r->headers[i].name, r->headers[i].value);
    add_header(response, "Connection", c->close ? "close" : NULL);
    enum MHD_Result result = MHD_queue_response(c->mhd, (unsigned)r->status, response);
    MHD_destroy_response(response);
    return result;
}

/* The server stops while the request waited. */
static enum MHD_Result send_closing(struct conn *c)
{
    static const char text[] =
        "{\"code\":\"closing\",\"id\":\"http.closing\",\"message\":\"the node is shutting down; what was "
        "asked may still happen\",\"hint\":\"ask again with the same Idempotency-Key\"}";
    struct MHD_Response *response = MHD_create_response_from_buffer_static(sizeof text - 1, text);
    if (response == NULL)
        return MHD_NO;
    add_header(response, "Content-Type", "application/json; charset=utf-8");
    add_header(response, "Connection", "close");
    enum MHD_Result result = MHD_queue_response(c->mhd, 503, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- clients that hang up while their request waits ---- */

static void suspend(struct conn *c)
{
    struct http_server *s = c->door->server;
    c->is_suspended = true;
    list_remove(&c->link);
    list_append(&s->suspended, &c->link);
    if (c->hung_up) { /* MHD may not have seen it: told once more, to hangup_cb() */
        c->hung_up = false;
        watch_hangup(c, EPOLL_CTL_MOD);
    }
    MHD_suspend_connection(c->mhd);
}

static void resume(struct conn *c)
{
    c->is_suspended = false;
    start_deadline(c);
    MHD_resume_connection(c->mhd); /* also makes the epoll descriptor readable */
}

/* Nobody is to get the answer of the waiting request any more. */
static void let_go(struct conn *c)
{
    struct request *r = c->request;
    c->request = NULL;
    c->cut_off = true;
    r->server_data = NULL;
    request_release(r); /* a command stays for its callback, which finds nobody */
    resume(c);
}

/* EPOLLHUP is a client that has gone; EPOLLRDHUP alone one that sends nothing more and may still read. On TCP the first
 * looks like the second until something is written: a long poll is answered early then, which shows it. */
static void hangup_cb(uv_poll_t *poll, int status, int events)
{
    struct http_server *s = poll->data;
    struct epoll_event gone[HANGUPS_AT_ONCE];
    (void)status, (void)events;
    int count = epoll_wait(s->hangup_fd, gone, HANGUPS_AT_ONCE, 0); /* more: libuv calls again */
    for (int i = 0; i < count; i++) {
        struct conn *c = gone[i].data.ptr;
        if (!c->is_suspended)
            c->hung_up = true;
        else if ((gone[i].events & (EPOLLHUP | EPOLLERR)) != 0)
            let_go(c);
        else if (c->request->hurry_cb != NULL)
            c->request->hurry_cb(c->request);
    }
}

static int open_hangups(struct http_server *s, struct err *e)
{
    s->hangup_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->hangup_fd < 0)
        return err_set_errno(e, ERR_INTERNAL, "http.start", errno, "cannot watch connections");
    int rc = uv_poll_init(s->loop, &s->hangup_poll, s->hangup_fd);
    xassert(rc == 0);
    s->hangup_poll.data = s;
    s->open_handles++;
    rc = uv_poll_start(&s->hangup_poll, UV_READABLE, hangup_cb);
    xassert(rc == 0);
    return 0;
}

/* A callback has replied: the connection goes on. */
static void finished_cb(struct request *r)
{
    struct conn *c = r->server_data;
    if (c == NULL || !c->dispatched)
        return; /* answered from inside the handler: access_cb sends it */
    resume(c);
}

static enum MHD_Result run_request(struct conn *c)
{
    struct request *r = c->request;
    r->finished_cb = finished_cb;
    route_dispatch(r);
    return_body(c);
    c->dispatched = true;
    if (!r->waiting)
        return send_reply(c);
    suspend(c);
    return MHD_YES;
}

static enum MHD_Result access_cb(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                 const char *version, const char *data, size_t *size, void **req_cls)
{
    (void)cls;
    (void)mhd;
    (void)version;
    struct conn *c = *req_cls;
    xassert(c != NULL);
    if (c->cut_off)
        return c->door->server->stopping ? send_closing(c) : MHD_NO; /* MHD_NO closes the connection */
    if (c->request == NULL) {
        bool answer_now = false;
        begin_request(c, url, method, &answer_now);
        return answer_now ? send_reply(c) : MHD_YES;
    }
    if (*size > 0) {
        enum MHD_Result result = take_body(c, data, *size);
        *size = 0;
        return result;
    }
    if (c->request->replied)
        return send_reply(c);
    return c->dispatched ? MHD_YES : run_request(c);
}

/* A request line is there: a fresh request on this connection. */
static void *uri_cb(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    (void)cls;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct conn *c = info->socket_context;
    xassert(c != NULL && c->request == NULL);
    c->dropped_bytes = 0;
    c->dispatched = c->cut_off = c->close = false;
    c->bad_uri = strstr(uri, "%00") != NULL;
    return c;
}

/* ---- the daemons on the loop ---- */

static void run_door(struct door *d);

static void door_timer_cb(uv_timer_t *timer)
{
    run_door(container_of(timer, struct door, timer));
}

static void run_door(struct door *d)
{
    uint64_t wait_ms = 0;
    do {
        d->run_again = false;
        (void)MHD_run(d->mhd);
    } while (d->run_again);
    if (MHD_get_timeout64(d->mhd, &wait_ms) == MHD_YES)
        (void)uv_timer_start(&d->timer, door_timer_cb, wait_ms, 0);
    else
        (void)uv_timer_stop(&d->timer);
}

static void door_poll_cb(uv_poll_t *poll, int status, int events)
{
    (void)status; /* the epoll descriptor is ours; MHD sees for itself what is ready */
    (void)events;
    run_door(container_of(poll, struct door, poll));
}

/* ---- the socket file, made again ---- */

static bool is_path_ours(const struct http_server *s)
{
    struct stat st;
    return lstat(s->unix_path, &st) == 0 && st.st_dev == s->unix_file.st_dev && st.st_ino == s->unix_file.st_ino;
}

static void again_closed_cb(uv_handle_t *handle)
{
    struct again *g = container_of((uv_poll_t *)handle, struct again, poll);
    closed_cb(handle);
    free(g);
}

static void close_again(struct http_server *s)
{
    if (s->again == NULL)
        return;
    (void)uv_poll_stop(&s->again->poll);
    (void)close(s->again->fd);
    uv_close((uv_handle_t *)&s->again->poll, again_closed_cb);
    s->again = NULL;
}

static void again_cb(uv_poll_t *poll, int status, int events)
{
    struct again *g = container_of(poll, struct again, poll);
    (void)status, (void)events;
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        socklen_t size = sizeof address;
        int fd = accept4(g->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            break;
        (void)MHD_add_connection(g->door->mhd, fd, (struct sockaddr *)&address, size); /* or closes it */
    }
    run_door(g->door);
}

/* Somebody removed the file (a sweep of old files, a slip), and nobody could reach the node any more: it is made again. What
 * stands there instead is left alone. */
static void watch_path(struct http_server *s)
{
    struct err e = {0};
    int fd;
    if (is_path_ours(s))
        return;
    int rc = listen_unix(s->unix_path, &fd, &e);
    if (rc == 0 || !s->is_path_lost)
        log_warn("http", NULL, "http.socket-gone", "the socket '%s' was removed: %s%s", s->unix_path,
                 rc == 0 ? "made again" : "nobody reaches this node there; ", rc == 0 ? "" : e.message);
    s->is_path_lost = rc != 0;
    if (rc != 0)
        return;
    close_again(s);
    (void)lstat(s->unix_path, &s->unix_file);
    s->again = xcalloc(1, sizeof *s->again);
    s->again->door = &s->doors[0];
    s->again->fd = fd;
    rc = uv_poll_init(s->loop, &s->again->poll, fd);
    xassert(rc == 0);
    s->again->poll.data = s;
    s->open_handles++;
    rc = uv_poll_start(&s->again->poll, UV_READABLE, again_cb);
    xassert(rc == 0);
}

PRINTF_LIKE(2, 0) static void mhd_log_cb(void *cls, const char *fmt, va_list args)
{
    char text[200];
    (void)cls;
    (void)vsnprintf(text, sizeof text, fmt, args);
    utf8_trim_partial(text);
    log_debug("http", NULL, "http.library", "%s", text);
}

/* Starts the daemon of @d on the listening socket @fd, which it takes. */
static int open_door(struct http_server *s, struct door *d, int fd, bool is_tcp, unsigned connections_max,
                     struct err *e)
{
    d->server = s;
    d->conn_max = connections_max;
    bool is_open = s->kind == REQUEST_DOOR_WITNESS;
    d->asks = (struct guard_door){.is_open = is_open,
                                  .body_max = is_open ? WITNESS_BODY_BYTES_MAX : HTTP_BODY_BYTES_MAX,
                                  .is_tcp = is_tcp,
                                  .host = s->tcp_host,
                                  .port = s->tcp_port,
                                  .token = s->token};
    d->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, access_cb, d,
                              MHD_OPTION_EXTERNAL_LOGGER, mhd_log_cb, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
                              MHD_OPTION_URI_LOG_CALLBACK, uri_cb, d, MHD_OPTION_NOTIFY_COMPLETED, completed_cb, d,
                              MHD_OPTION_NOTIFY_CONNECTION, connection_cb, d, MHD_OPTION_CONNECTION_LIMIT,
                              connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
                              MHD_OPTION_PER_IP_CONNECTION_LIMIT, is_open ? WITNESS_HTTP_PER_ADDRESS_MAX : 0u,
                              MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, MHD_OPTION_END);
    if (d->mhd == NULL)
        return err_set(e, ERR_INTERNAL, "http.start", "the HTTP library did not start on the %s socket",
                       is_tcp ? "TCP" : "unix");

    int epoll_fd = MHD_get_daemon_info(d->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int rc = uv_timer_init(s->loop, &d->timer);
    xassert(rc == 0);
    d->timer.data = s;
    s->open_handles++;
    rc = uv_poll_init(s->loop, &d->poll, epoll_fd);
    xassert(rc == 0);
    d->poll.data = s;
    s->open_handles++;
    rc = uv_poll_start(&d->poll, UV_READABLE, door_poll_cb);
    xassert(rc == 0);
    run_door(d);
    return 0;
}

static int open_doors(struct http_server *s, const struct http_server_config *config, struct err *e)
{
    bool is_open = s->kind == REQUEST_DOOR_WITNESS;
    unsigned connections_max = config->connections_max > 0 ? config->connections_max
                               : is_open                   ? WITNESS_HTTP_CONNECTIONS_MAX
                                                           : HTTP_CONNECTIONS_MAX;
    int fd = -1;
    int rc = 0;
    if (config->unix_path != NULL) {
        rc = listen_unix(config->unix_path, &fd, e);
        if (rc == 0) {
            s->unix_path = xstrdup(config->unix_path);
            (void)lstat(s->unix_path, &s->unix_file);
            rc = open_door(s, &s->doors[0], fd, false, connections_max, e);
        }
    }
    if (rc == 0 && config->tcp_host != NULL) {
        rc = is_open ? listen_open(config->tcp_host, config->tcp_port, &fd, &s->tcp_port, e)
                     : listen_tcp(config->tcp_host, config->tcp_port, &fd, &s->tcp_port, e);
        if (rc == 0)
            rc = open_door(s, &s->doors[1], fd, true, connections_max, e);
    }
    return rc;
}

int http_server_check(const struct http_server_config *config, struct err *e)
{
    if (config->tcp_host == NULL)
        return 0;
    if (config->door == REQUEST_DOOR_WITNESS)
        return listen_check_address(config->tcp_host, e);
    if (config->token == NULL || strlen(config->token) < TOKEN_BYTES_MIN)
        return err_set(e, ERR_INVALID, "http.token", "the API token has fewer than %d bytes", TOKEN_BYTES_MIN);
    return listen_check_host(config->tcp_host, e);
}

int http_server_start(const struct http_server_config *config, struct http_server **ret, struct err *e)
{
    int rc = http_server_check(config, e);
    if (rc != 0)
        return rc;
    struct http_server *s = xcalloc(1, sizeof *s);
    s->app = config->app;
    s->loop = config->loop;
    s->kind = config->door;
    s->request_ms_max = config->request_ms_max > 0        ? config->request_ms_max
                        : s->kind == REQUEST_DOOR_WITNESS ? WITNESS_HTTP_SECONDS_MAX * 1000
                                                          : HTTP_REQUEST_SECONDS_MAX * 1000;
    if (s->kind == REQUEST_DOOR_WITNESS)
        s->rate = rate_create(WITNESS_HTTP_RATE);
    s->token = config->token != NULL ? xstrdup(config->token) : NULL;
    /* an IPv6 literal stands in brackets in a Host */
    bool brackets = config->tcp_host != NULL && strchr(config->tcp_host, ':') != NULL;
    struct buf host = {0};
    buf_printf(&host, "%s%s%s", brackets ? "[" : "", config->tcp_host != NULL ? config->tcp_host : "",
               brackets ? "]" : "");
    s->tcp_host = xstrdup(buf_cstr(&host));
    buf_close(&host);
    list_init(&s->deadlines);
    list_init(&s->suspended);
    list_init(&s->body_list);

    rc = uv_timer_init(s->loop, &s->sweep);
    xassert(rc == 0);
    s->sweep.data = s;
    s->open_handles++;
    uint64_t sweep_ms = min_of(s->request_ms_max / 4 + 1, 1000u);
    (void)uv_timer_start(&s->sweep, sweep_cb, sweep_ms, sweep_ms);

    rc = open_hangups(s, e);
    if (rc == 0)
        rc = open_doors(s, config, e);
    if (rc != 0) {
        http_server_stop(s, NULL, NULL);
        return rc;
    }
    *ret = s;
    return 0;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->tcp_port;
}

/* ---- stop ---- */

static void closed_cb(uv_handle_t *handle)
{
    struct http_server *s = handle->data;
    if (--s->open_handles > 0)
        return;
    if (s->stopped_cb != NULL)
        s->stopped_cb(s->stopped_ctx);
    if (s->token != NULL)
        crypto_wipe(s->token, strlen(s->token));
    rate_destroy(s->rate);
    free(s->token);
    free(s->tcp_host);
    free(s->unix_path);
    free(s);
}

static void close_door(struct door *d)
{
    if (d->mhd == NULL)
        return;
    (void)uv_poll_stop(&d->poll); /* before MHD closes the descriptor under it */
    (void)MHD_run(d->mhd);        /* sends what the resumed connections have to say */
    MHD_stop_daemon(d->mhd);
    d->mhd = NULL;
    uv_close((uv_handle_t *)&d->poll, closed_cb);
    uv_close((uv_handle_t *)&d->timer, closed_cb);
}

void http_server_stop(struct http_server *s, void (*stopped_cb)(void *ctx), void *ctx)
{
    xassert(!s->stopping);
    s->stopping = true;
    s->stopped_cb = stopped_cb;
    s->stopped_ctx = ctx;

    list_for_each_safe (at, &s->suspended)
        let_go(container_of(at, struct conn, link));
    close_again(s);
    close_door(&s->doors[0]);
    close_door(&s->doors[1]);
    if (s->unix_path != NULL && is_path_ours(s))
        (void)unlink(s->unix_path);
    if (s->hangup_fd >= 0) {
        (void)uv_poll_stop(&s->hangup_poll);
        (void)close(s->hangup_fd);
        uv_close((uv_handle_t *)&s->hangup_poll, closed_cb);
    }
    uv_close((uv_handle_t *)&s->sweep, closed_cb);
}
