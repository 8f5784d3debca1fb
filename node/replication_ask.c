/* Requests that are not sync's, asked and answered (see replication.h). */
#include <stdlib.h>

#include "node/base/xassert.h"
#include "node/replication_internal.h"

/* A request that is not sync's, waiting for its answer. */
struct ask {
    struct list link;
    struct loop_item later; /* failed at once */
    struct replication *r;
    uint64_t token;
    replication_ask_cb cb;
    void *ctx;
    struct err error;
};

static struct ask *ask_create(struct replication *r, replication_ask_cb cb, void *ctx)
{
    struct ask *ask = xcalloc(1, sizeof *ask);
    list_init(&ask->later.link);
    ask->r = r;
    ask->cb = cb;
    ask->ctx = ctx;
    ask->token = REPLICATION_ASK_BIT | ++r->asks_made;
    list_append(&r->asks, &ask->link);
    return ask;
}

static void ask_end(struct ask *ask, const struct wire_msg *answer, const struct err *e)
{
    list_remove(&ask->link);
    ask->cb(ask->ctx, answer, e);
    free(ask);
}

static void ask_failed(struct loop_item *item)
{
    struct ask *ask = container_of(item, struct ask, later);
    ask_end(ask, NULL, &ask->error);
}

void replication_ask(struct replication *r, uint32_t peer, const struct wire_msg *message, uint32_t timeout_ms,
                     replication_ask_cb cb, void *ctx)
{
    struct ask *ask = ask_create(r, cb, ctx);
    int rc;
    if (r->link == NULL)
        rc = err_set(&ask->error, ERR_CLOSED, "peer.closed", "the node is stopping");
    else if (!replication_encode(r, message))
        rc = err_set(&ask->error, ERR_INTERNAL, "peer.encode", "the request could not be encoded");
    else
        rc = link_request(r->link, peer, buf_bytes(&r->scratch), ask->token, timeout_ms, &ask->error);
    if (rc == 0)
        return;
    ask->later.run = ask_failed;
    loop_post(r->config.loop, &ask->later);
}

void replication_ask_answered(struct replication *r, uint64_t token, const struct wire_msg *answer, const char *why)
{
    list_for_each (at, &r->asks) {
        struct ask *ask = container_of(at, struct ask, link);
        if (ask->token != token)
            continue;
        struct err e = {0};
        if (answer != NULL && answer->type == WIRE_ERROR) {
            (void)err_set(&e, ERR_DENIED, "peer.refused", "%s (%s)", answer->u.error.message, answer->u.error.id);
            answer = NULL;
        } else if (answer == NULL) {
            (void)err_set(&e, ERR_CLOSED, "peer.no-answer", "%s", why);
        }
        ask_end(ask, answer, &e);
        return;
    }
}

void replication_ask_close(struct replication *r)
{
    struct err e = {0};
    (void)err_set(&e, ERR_CLOSED, "peer.closed", "the node is stopping");
    list_for_each_safe (at, &r->asks) {
        struct ask *ask = container_of(at, struct ask, link);
        if (ask->error.code == 0)
            ask_end(ask, NULL, &e);
    }
}

void replication_answer(struct replication *r, uint64_t handle, const struct wire_msg *message)
{
    if (r->link != NULL)
        replication_send_reply(r, handle, message);
}

void replication_answer_error(struct replication *r, uint64_t handle, enum wire_error_code code, const char *id,
                              const char *text)
{
    struct wire_msg m = {.type = WIRE_ERROR};
    m.u.error = (struct wire_error){.code = code, .id = id, .message = text};
    if (code == WIRE_ERROR_UNAVAILABLE || code == WIRE_ERROR_TOO_MANY)
        m.u.error.retry_ms = 1000;
    replication_answer(r, handle, &m);
}
