/* The witness door: C2SP tlog-witness, and nothing else. Anybody may ask; what counts is the signature on the checkpoint. */
#include "node/http/api.h"

#include <string.h>

static void answered(void *ctx, unsigned status, const char *type, struct bytes body)
{
    struct request *r = ctx;
    r->retry_later = status == 429 || status == 503;
    request_reply(r, (int)status, type, arena_bytes(&r->mem, body));
    request_finish(r);
}

int api_post_checkpoint(struct request *r, struct err *e)
{
    (void)e;
    request_wait(r);
    app_add_checkpoint(r->app, buf_bytes(&r->body), answered, r);
    return 0;
}

/* Lower-case hex only: one log has one path. */
static bool is_hash(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

int api_get_witnessed(struct request *r, struct err *e)
{
    struct bytes note = {0};
    int rc = is_hash(r->args[0]) ? app_witnessed_checkpoint(r->app, r->args[0], &r->mem, &note, e)
                                 : err_set(e, ERR_NOT_FOUND, "witness.unknown-log",
                                           "'%.70s' is not the SHA-256 of an origin in hex", r->args[0]);
    if (rc == 0)
        request_reply(r, 200, "text/plain; charset=utf-8", note);
    return rc;
}
