/* One HTTP request on its way through the node, without any HTTP library: the server (server.c) fills the input part,
 * route_dispatch() finds the handler, the handler answers now or later, the server sends the reply.
 *
 *   server ──fill──► route_dispatch ──► handler ──request_reply_*──► server sends
 *                                          └─request_wait, app_… ─► callback: request_reply_*, request_finish ─► server
 *
 * Ownership: two parties hold a request, the connection and the operation that a handler has started. The memory goes
 * when both have let go: request_release() by the server (the answer was sent, or the client went away), and
 * request_finish() by the callback. A client that disappears meanwhile so leaves a callback that finds nobody to answer.
 * Loop thread only.
 */
#ifndef TB_HTTP_REQUEST_H
#define TB_HTTP_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "node/app.h"
#include "node/base/arena.h"
#include "node/base/bytes.h"
#include "node/base/err.h"
#include "node/http/json.h"

#define REQUEST_PARAMS_MAX 16
#define REQUEST_ARGS_MAX 3
#define REQUEST_HEADERS_MAX 6
#define REQUEST_SIZE_UNKNOWN UINT64_MAX

struct request_param {
    const char *name;
    const char *value;
};

/* Which paths there are. */
enum request_door {
    REQUEST_DOOR_LOCAL,  /* the whole API, for whoever has the credential */
    REQUEST_DOOR_WITNESS /* C2SP tlog-witness and nothing else, for anybody */
};

struct request {
    /* Input: set by the server before route_dispatch(); borrowed until request_release(), except the copies said. */
    struct app *app;
    enum request_door door;
    const char *method;
    const char *path;            /* decoded, UTF-8, without the query */
    const char *content_type;    /* NULL = none sent */
    const char *idempotency_key; /* NULL = none sent */
    const char *range;           /* Range, likewise */
    const char *upload_offset;   /* Upload-Offset, likewise */
    struct request_param params[REQUEST_PARAMS_MAX];
    size_t param_count;
    size_t body_max; /* bytes that a body of this request may have */
    struct buf body; /* freed when the handler has returned */

    struct arena mem;     /* until the answer is sent */
    struct arena scratch; /* until the handler has returned: parsed bodies */

    /* Set by route.c. */
    const struct route *route;                 /* NULL: not looked for yet, or there is none */
    struct bytes route_args[REQUEST_ARGS_MAX]; /* spans of path, of route */
    const char *args[REQUEST_ARGS_MAX];        /* what stood for {…} in the route, in mem; set by route_dispatch() */

    /* The answer. */
    bool replied;
    int status;
    const char *reply_type; /* static text */
    struct bytes reply;     /* in mem */
    const char *location;   /* header fields, NULL = none; in mem or static */
    const char *allow;
    const char *cache;                                 /* Cache-Control; NULL = "no-store" */
    bool retry_later;                                  /* Retry-After: 1 */
    struct request_param headers[REQUEST_HEADERS_MAX]; /* further fields */
    size_t header_count;

    /* An answer in pieces, see request_reply_stream(). */
    bool is_stream;
    uint64_t stream_size;
    void (*stream_read)(struct request *r, uint64_t at);
    void (*stream_close)(void *stream);
    void *stream;
    struct bytes piece; /* the last one, which begins at piece_at */
    uint64_t piece_at;
    bool piece_asked;                    /* request_piece() will come */
    bool stream_failed;                  /* the connection is to end: the answer cannot be completed */
    bool stream_ended;                   /* of unknown size: nothing comes behind the last piece */
    void (*piece_cb)(struct request *r); /* the server's; NULL while it looks itself */

    /* An operation under way. */
    bool waiting;                           /* a callback will call request_finish() */
    bool released;                          /* the server has let go */
    void (*finished_cb)(struct request *r); /* the server's: the answer of a waiting request is there */
    void *server_data;                      /* the server's */
    void (*cancel_cb)(struct request *r);   /* ends the operation early; NULL = it cannot be ended */
    void (*hurry_cb)(struct request *r); /* answers at once with what there is; NULL = the answer must be waited for */
    uint64_t watch_ticket;               /* of app_watch, for cancel_cb */
    uint8_t case_id[CASE_ID_SIZE];       /* what a long poll is about */
    uint64_t case_last;                  /* how many events of it are wanted */
};

/* On the heap, zeroed. */
struct request *request_create(struct app *app);

/* The server lets go of the request. Frees it, or leaves that to the operation under way (which is cancelled when it can be). */
void request_release(struct request *r);

/* Says that a callback will answer. To be followed by request_finish() exactly once. */
void request_wait(struct request *r);
/* For the callback, at its end: the reply is set, or nobody wants it any more. @r is not to be touched afterwards. */
void request_finish(struct request *r);

/* NULL when absent. */
const char *request_param(const struct request *r, const char *name);
/* Decimal parameter within min..max; *ret untouched when absent. ERR_INVALID names parameter and value. */
int request_param_u64(const struct request *r, const char *name, uint64_t min, uint64_t max, uint64_t *ret,
                      struct err *e) WARN_UNUSED;
/* The same for a date, "2026-11-24", as yyyymmdd. */
int request_param_date(const struct request *r, const char *name, uint32_t *ret, struct err *e) WARN_UNUSED;

/* The body as one JSON object, in r->scratch. Errors: those of json_parse() and json_as_object(). */
int request_json(struct request *r, struct json_object *ret, struct err *e) WARN_UNUSED;

/* Exactly one of these per request. @text must live in r->mem or be static. */
void request_reply(struct request *r, int status, const char *type, struct bytes text);
void request_reply_json(struct request *r, int status, struct json_out *out);
/* A body of @size bytes (at least 1, or REQUEST_SIZE_UNKNOWN) that is read as the client takes it: for each place that is not there
 * yet, one after the other, @read is called, and answers with request_piece() or request_end(), at once or later. @close frees
 * @stream, also when nobody read it. */
void request_reply_stream(struct request *r, int status, const char *type, uint64_t size,
                          void (*read)(struct request *r, uint64_t at), void (*close)(void *stream), void *stream);
/* What stands at the place asked for: not empty, valid until the next read or the close. Empty: it cannot be had, the connection ends. */
void request_piece(struct request *r, struct bytes piece);
/* Nothing stands there: a body of unknown size is complete. */
void request_end(struct request *r);
/* A further header field; both texts in mem or static. */
void request_add_header(struct request *r, const char *name, const char *value);
/* {code, id, message, hint}; the status is that of the code. */
void request_reply_error(struct request *r, const struct err *e);
void request_reply_error_status(struct request *r, int status, const struct err *e);

#endif
