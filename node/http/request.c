/* One HTTP request (see request.h for the flow and who owns what). */
#include "node/http/request.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/date.h"
#include "node/base/scrub.h"
#include "node/base/xassert.h"

#define TYPE_JSON "application/json; charset=utf-8"

struct request *request_create(struct app *app)
{
    struct request *r = xcalloc(1, sizeof *r);
    r->app = app;
    return r;
}

static void destroy(struct request *r)
{
    if (r->stream_close != NULL)
        r->stream_close(r->stream);
    buf_close(&r->body);
    arena_close(&r->scratch);
    arena_close(&r->mem);
    free(r);
}

void request_release(struct request *r)
{
    xassert(!r->released);
    r->released = true;
    if (r->waiting && r->cancel_cb != NULL) {
        r->cancel_cb(r); /* its callback does not come any more */
        r->waiting = false;
    }
    if (!r->waiting)
        destroy(r);
}

void request_wait(struct request *r)
{
    xassert(!r->waiting && !r->replied);
    r->waiting = true;
}

void request_finish(struct request *r)
{
    xassert(r->waiting);
    r->waiting = false;
    if (r->released) {
        destroy(r);
        return;
    }
    xassert(r->replied);
    if (r->finished_cb != NULL)
        r->finished_cb(r);
}

const char *request_param(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->param_count; i++)
        if (strcmp(r->params[i].name, name) == 0)
            return r->params[i].value;
    return NULL;
}

int request_param_u64(const struct request *r, const char *name, uint64_t min, uint64_t max, uint64_t *ret,
                      struct err *e)
{
    const char *text = request_param(r, name);
    if (text == NULL)
        return 0;
    uint64_t v = 0;
    if (decimal_parse(bytes_of_string(text), &v) != 0 || v < min || v > max)
        return err_set(e, ERR_INVALID, "http.parameter",
                       "parameter '%s' is '%.64s', it must be a number from %" PRIu64 " to %" PRIu64, name, text, min,
                       max);
    *ret = v;
    return 0;
}

int request_param_date(const struct request *r, const char *name, uint32_t *ret, struct err *e)
{
    const char *text = request_param(r, name);
    if (text == NULL || date_parse(bytes_of_string(text), ret) == 0)
        return 0;
    return err_set(e, ERR_INVALID, "http.parameter", "parameter '%s' is '%.32s', it must be a date like 2026-11-24",
                   name, text);
}

void request_reply(struct request *r, int status, const char *type, struct bytes text)
{
    xassert(!r->replied);
    r->replied = true;
    r->status = status;
    r->reply_type = type;
    r->reply = text;
}

void request_reply_stream(struct request *r, int status, const char *type, uint64_t size,
                          void (*read)(struct request *r, uint64_t at), void (*close)(void *stream), void *stream)
{
    xassert(size > 0);
    request_reply(r, status, type, bytes_of(NULL, 0));
    r->is_stream = true;
    r->stream_size = size;
    r->stream_read = read;
    r->stream_close = close;
    r->stream = stream;
}

void request_piece(struct request *r, struct bytes piece)
{
    xassert(r->piece_asked && !r->released);
    r->piece_asked = false;
    r->piece = piece;
    r->stream_failed = piece.size == 0;
    if (r->piece_cb != NULL)
        r->piece_cb(r);
}

void request_end(struct request *r)
{
    xassert(r->piece_asked && !r->released && r->stream_size == REQUEST_SIZE_UNKNOWN);
    r->piece_asked = false;
    r->stream_ended = true;
    if (r->piece_cb != NULL)
        r->piece_cb(r);
}

void request_add_header(struct request *r, const char *name, const char *value)
{
    xassert(r->header_count < REQUEST_HEADERS_MAX);
    r->headers[r->header_count++] = (struct request_param){.name = name, .value = value};
}

int request_json(struct request *r, struct json_object *ret, struct err *e)
{
    yyjson_val *root = NULL;
    int rc = json_parse(&r->scratch, buf_bytes(&r->body), &root, e);
    return rc == 0 ? json_as_object(&r->scratch, root, "", ret, e) : rc;
}

void request_reply_json(struct request *r, int status, struct json_out *out)
{
    request_reply(r, status, TYPE_JSON, json_out_text(out));
}

void request_reply_error_status(struct request *r, int status, const struct err *e)
{
    struct json_out out = json_out_open(&r->mem);
    char *message = arena_strdup(&r->mem, e->message);
    scrub_text(message); /* it quotes what was typed, perhaps into the wrong field */
    json_put_string(&out, out.root, "code", err_name(e->code));
    json_put_string(&out, out.root, "id", arena_strdup(&r->mem, e->id));
    json_put_string(&out, out.root, "message", message);
    json_put_string(&out, out.root, "hint", arena_strdup(&r->mem, e->hint));
    r->retry_later = e->code == ERR_BUSY;
    request_reply_json(r, status, &out);
}

void request_reply_error(struct request *r, const struct err *e)
{
    request_reply_error_status(r, err_http_status(e->code), e);
}
