/* The guard at the door: what a request's header must satisfy before anything of it is served. Fed with header fields and
 * parameters by the server, field by field; no HTTP library here. Loop thread.
 */
#ifndef TB_HTTP_GUARD_H
#define TB_HTTP_GUARD_H

#include <stdbool.h>

#include "node/http/request.h"

/* What a door (a listening socket) asks for. */
struct guard_door {
    bool is_open;      /* anybody may ask: no credential, no Host */
    size_t body_max;   /* bytes of a body, unless the route says otherwise */
    bool is_tcp;       /* Host, Origin and token are looked at */
    const char *host;  /* TCP: own host as it stands in a Host header, IPv6 in brackets */
    uint16_t port;     /* TCP */
    const char *token; /* TCP */
};

/* What was seen of one request. Zero-initialise. Values are borrowed. */
struct guard {
    const char *host, *authorization, *origin, *content_type, *content_length, *transfer_encoding, *idempotency_key,
        *expect, *range, *upload_offset, *content_encoding;
    uint64_t body_size; /* Content-Length; 0 = none */
    bool has_nul;       /* in the path or a header field */
    bool repeated;      /* a field that may stand once stands twice */
    bool bad_length;    /* Content-Length is no plain number */
    bool bad_text;      /* a parameter is not UTF-8 or holds a NUL */
    bool too_many_params;
    bool is_ambiguous; /* set by guard_check(): nobody can say where the next request begins */
};

/* One header field. */
void guard_take_header(struct guard *g, struct bytes name, struct bytes value);
/* One query parameter, decoded; also enters it in r->params. @name.data and @value.data end with a NUL. */
void guard_take_param(struct guard *g, struct request *r, struct bytes name, struct bytes value);

/* All that can be said of method, path, header and parameters. Errors: "http.nul", "http.framing", "http.path",
 * "http.host", "http.origin", "http.token", "http.parameter", "http.body-size", "http.idempotency-key". */
int guard_check(struct guard *g, const struct guard_door *door, const struct request *r, struct err *e) WARN_UNUSED;

/* The body is over what @door takes. */
int guard_refuse_size(const struct request *r, struct err *e);

#endif
