/* The guard at the door (see guard.h). */
#include "node/http/guard.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "certs/crypto.h"
#include "node/base/limits.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"
#include "node/http/route.h"

static bool has_nul(struct bytes text)
{
    return text.size > 0 && memchr(text.data, '\0', text.size) != NULL;
}

static bool is_text(struct bytes text)
{
    return !has_nul(text) && utf8_is_valid((const char *)text.data, text.size);
}

void guard_take_header(struct guard *g, struct bytes name, struct bytes value)
{
    const struct {
        const char *name;
        size_t size;
        const char **field;
    } known[] = {
        {"Host", 4, &g->host},
        {"Authorization", 13, &g->authorization},
        {"Origin", 6, &g->origin},
        {"Content-Type", 12, &g->content_type},
        {"Content-Length", 14, &g->content_length},
        {"Transfer-Encoding", 17, &g->transfer_encoding},
        {"Idempotency-Key", 15, &g->idempotency_key},
        {"Expect", 6, &g->expect},
        {"Range", 5, &g->range},
        {"Upload-Offset", 13, &g->upload_offset},
        {"Content-Encoding", 16, &g->content_encoding},
    };
    g->has_nul = g->has_nul || has_nul(name) || has_nul(value);
    for (size_t i = 0; i < array_count(known); i++) {
        if (known[i].size != name.size || strncasecmp(known[i].name, (const char *)name.data, name.size) != 0)
            continue;
        g->repeated = g->repeated || *known[i].field != NULL;
        *known[i].field = (const char *)value.data;
        if (known[i].field == &g->content_length)
            g->bad_length = decimal_parse(value, &g->body_size) != 0;
        return;
    }
}

void guard_take_param(struct guard *g, struct request *r, struct bytes name, struct bytes value)
{
    g->bad_text = g->bad_text || !is_text(name) || !is_text(value);
    if (r->param_count == REQUEST_PARAMS_MAX) {
        g->too_many_params = true;
        return;
    }
    r->params[r->param_count++] =
        (struct request_param){.name = (const char *)name.data, .value = (const char *)value.data};
}

/* What no client does by accident: two readings of one request. */
static int check_framing(const struct guard *g, struct err *e)
{
    if (g->has_nul)
        return err_set(e, ERR_INVALID, "http.nul", "the request holds a NUL character in its path or header");
    if (g->content_length != NULL && g->transfer_encoding != NULL)
        return err_set(e, ERR_INVALID, "http.framing", "Content-Length and Transfer-Encoding stand together");
    if (g->repeated)
        return err_set(e, ERR_INVALID, "http.framing", "a header field that may stand once stands twice");
    if (g->bad_length)
        return err_set(e, ERR_INVALID, "http.framing", "Content-Length is '%.32s', no plain number", g->content_length);
    return 0;
}

/* Whether @host is a name of this machine with our port. */
static bool is_our_host(const struct guard_door *d, const char *host)
{
    const char *const names[] = {"localhost", "127.0.0.1", "[::1]", d->host};
    for (size_t i = 0; host != NULL && i < array_count(names); i++) {
        size_t size = strlen(names[i]);
        char port[8];
        (void)snprintf(port, sizeof port, ":%u", d->port);
        if (strncasecmp(host, names[i], size) == 0 &&
            (strcmp(host + size, port) == 0 || (d->port == 80 && host[size] == '\0')))
            return true;
    }
    return false;
}

static bool is_our_token(const struct guard_door *d, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    if (authorization == NULL || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *given = authorization + sizeof scheme - 1;
    size_t size = strlen(d->token);
    return strlen(given) == size && crypto_equal(given, d->token, size);
}

static int check_credential(const struct guard *g, const struct guard_door *d, const struct request *r, struct err *e)
{
    if (!d->is_tcp || d->is_open)
        return 0;
    if (!is_our_host(d, g->host))
        return err_set(e, ERR_DENIED, "http.host", "the Host is '%.64s', this is localhost:%u",
                       g->host != NULL ? g->host : "", d->port);
    if (g->origin != NULL)
        return err_set(e, ERR_DENIED, "http.origin", "requests of web pages are refused (Origin '%.64s')", g->origin);
    if (route_is_open(r->method, r->path) || is_our_token(d, g->authorization))
        return 0;
    int rc = err_set(e, ERR_AUTH, "http.token", "%s",
                     g->authorization == NULL ? "the token is missing" : "the token is wrong");
    err_hint(e, "send 'Authorization: Bearer' with the content of api.token of the node's folder");
    return rc;
}

static int check_idempotency_key(const struct request *r, struct err *e)
{
    const char *key = r->idempotency_key;
    if (key == NULL)
        return 0;
    size_t size = strlen(key);
    bool visible = true;
    for (size_t i = 0; i < size; i++)
        visible = visible && key[i] > 0x20 && key[i] < 0x7f;
    if (size >= 1 && size <= IDEMPOTENCY_KEY_BYTES_MAX && visible)
        return 0;
    return err_set(e, ERR_INVALID, "http.idempotency-key",
                   "the Idempotency-Key has %zu bytes; it must have 1 to %u visible ASCII characters", size,
                   IDEMPOTENCY_KEY_BYTES_MAX);
}

int guard_refuse_size(const struct request *r, struct err *e)
{
    return err_set(e, ERR_LIMIT, "http.body-size", "the body is larger than the limit of %zu bytes", r->body_max);
}

int guard_check(struct guard *g, const struct guard_door *door, const struct request *r, struct err *e)
{
    int rc = check_framing(g, e);
    g->is_ambiguous = rc != 0;
    if (rc != 0)
        return rc;
    if (!utf8_is_valid(r->path, strlen(r->path)) || g->bad_text)
        return err_set(e, ERR_INVALID, "http.path", "path or parameters are not UTF-8 text");
    rc = check_credential(g, door, r, e);
    if (rc != 0)
        return rc;
    if (g->too_many_params)
        return err_set(e, ERR_INVALID, "http.parameter", "the request has more than %d parameters", REQUEST_PARAMS_MAX);
    if (g->content_encoding != NULL && strcasecmp(g->content_encoding, "identity") != 0)
        return err_set(e, ERR_UNSUPPORTED, "http.content-encoding",
                       "the body comes with Content-Encoding '%.32s', this API takes none: send it as it is",
                       g->content_encoding);
    if (g->body_size > r->body_max)
        return guard_refuse_size(r, e);
    return check_idempotency_key(r, e);
}
