/* The daemon's API as the command line sees it: one request over the unix socket in the node's folder. The only file of
 * node/ctl that knows libcurl. Blocking.
 */
#ifndef TB_CTL_CLIENT_H
#define TB_CTL_CLIENT_H

#include <yyjson.h>

#include "node/base/bytes.h"
#include "node/base/err.h"

#define CLIENT_REPLY_BYTES_MAX (64u << 20)
#define CLIENT_TIMEOUT_MS 70000u /* a little more than the longest wait of the API */

struct client_request {
    const char *dir;     /* folder of the node: DIR/api.sock */
    const char *method;  /* "GET", "POST", "PATCH" or "DELETE" */
    const char *path;    /* with the query, already encoded */
    struct bytes body;   /* JSON, of a PATCH part of a file; empty = none */
    uint32_t timeout_ms; /* 0 = CLIENT_TIMEOUT_MS */
    uint64_t offset;     /* PATCH: Upload-Offset; with @sink: the first byte wanted */
    /* Takes the body of an answer 2xx as it comes, instead of the reply; false ends the request. */
    bool (*sink)(void *ctx, const void *data, size_t size);
    void *ctx;
};

/* An answer with status 2xx. */
struct client_reply {
    struct buf text;
    yyjson_doc *doc;  /* NULL when the answer is no JSON */
    yyjson_val *root; /* NULL likewise */
};

/* Asks and waits. A POST carries a random Idempotency-Key, and a connection that is lost before the answer is tried once
 * more with the same key, so that nothing is done twice. An error answer of the daemon becomes @e with its code, id,
 * message and hint; no daemon: ERR_CLOSED "ctl.no-daemon"; no sensible answer: ERR_IO "ctl.reply". client_reply_close()
 * frees @ret, also after an error. */
int client_ask(const struct client_request *r, struct client_reply *ret, struct err *e) WARN_UNUSED;
void client_reply_close(struct client_reply *reply);
/* An error as the daemon words it, {code, id, message, hint}, becomes @e. */
int client_error(struct bytes text, struct err *e) WARN_UNUSED;

/* Appends @text percent-encoded for a path segment or a query value. */
void client_put_encoded(struct buf *url, const char *text);

#endif
