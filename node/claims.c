/* Claims (see claims.h). A member that is gone, silent or cannot say at the moment is asked again, and at once when it greets, until
 * the claim has been open for its time; then it is dropped with an alarm: nobody can stop this node with a number alone. It says so
 * again with the next HELLO.
 *
 *   claims_add() -> ask() -> judge(): RECOVERED -> proven, or not -> over
 *                     ^          else -> again_cb()        open_ms -> over_cb() -> over
 */
#include "node/claims.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/base/list.h"

#define OPEN_MS 10000u
#define ASK_MS 5000u
#define AGAIN_MS 1000u

struct claims {
    struct claims_config config;
    struct ledger *ledger;
    struct replication *replication;
    struct list open;
    size_t count;
    uint32_t open_ms, again_ms;
    bool closed;
};

struct claim {
    struct list link;
    struct claims *claims;
    struct loop_timer *over, *again; /* how long it stays open; when it is asked about next */
    uint32_t peer;
    uint64_t size;
    bool is_asked, is_over;
};

/* Own entries that @note shows, 0 = none: it is not signed by the own key. */
static uint64_t shown_by(const struct claims *c, struct bytes note)
{
    const struct member *self = members_find(c->config.members, c->config.self);
    struct checkpoint_opened opened;
    if (self == NULL || note.size == 0 || checkpoint_open(note, &self->key, NULL, 0, &opened, NULL) != 0)
        return 0;
    return opened.head.size;
}

static void drop(struct claim *claim)
{
    list_remove(&claim->link);
    claim->claims->count--;
    loop_timer_destroy(claim->over);
    loop_timer_destroy(claim->again);
    free(claim);
}

static void unproven(const struct claims *c, const struct claim *claim, const char *why)
{
    char text[256];
    uint64_t size = ledger_size(c->ledger);
    if (claim->size <= size)
        return;
    (void)snprintf(text, sizeof text,
                   "it says that it holds %" PRIu64 " entries of this ledger, which has %" PRIu64 ", and %s",
                   claim->size, size, why);
    replication_alarm(c->replication, claim->peer, "ledger.unproven", text);
}

static void end_claim(struct claim *claim)
{
    struct claims *c = claim->claims;
    drop(claim);
    c->config.on_judged(c->config.ctx);
}

static void judge(void *ctx, const struct wire_msg *answer, const struct err *e)
{
    struct claim *claim = ctx;
    struct claims *c = claim->claims;
    bool has_answered = answer != NULL && answer->type == WIRE_RECOVERED;
    (void)e;
    claim->is_asked = false;
    if (c->closed) {
        drop(claim);
        return;
    }
    if (!has_answered && !claim->is_over) { /* an error is no answer: it cannot say now what it holds */
        loop_timer_set(claim->again, c->again_ms);
        return;
    }
    uint64_t shown = has_answered ? shown_by(c, answer->u.recovered.checkpoint) : 0;
    if (shown > ledger_size(c->ledger))
        c->config.on_proven(c->config.ctx, claim->peer, shown);
    else
        unproven(c, claim,
                 has_answered ? "shows no checkpoint over them: ignored"
                              : "does not answer what would show it: ignored");
    end_claim(claim);
}

static void ask(struct claim *claim)
{
    struct claims *c = claim->claims;
    struct wire_msg m = {.type = WIRE_RECOVER};
    m.u.recover = (struct wire_recover){.from = ledger_size(c->ledger), .max_bytes = 1};
    claim->is_asked = true;
    loop_timer_cancel(claim->again);
    replication_ask(c->replication, claim->peer, &m, ASK_MS, judge, claim);
}

static void again_cb(void *ctx)
{
    struct claim *claim = ctx;
    if (!claim->is_asked && !claim->is_over && !claim->claims->closed)
        ask(claim);
}

static void over_cb(void *ctx)
{
    struct claim *claim = ctx;
    claim->is_over = true;
    if (claim->is_asked || claim->claims->closed)
        return;
    unproven(claim->claims, claim, "does not answer what would show it: ignored");
    end_claim(claim);
}

void claims_greeted(struct claims *c, uint32_t peer)
{
    list_for_each (at, &c->open) {
        struct claim *claim = container_of(at, struct claim, link);
        if (claim->peer == peer && !claim->is_asked && !c->closed)
            ask(claim);
    }
}

void claims_add(struct claims *c, uint32_t peer, uint64_t size)
{
    if (c->closed)
        return;
    list_for_each (at, &c->open)
        if (container_of(at, struct claim, link)->peer == peer)
            return;
    struct claim *claim = xcalloc(1, sizeof *claim);
    *claim = (struct claim){.claims = c, .peer = peer, .size = size};
    claim->over = loop_timer_create(c->config.loop, over_cb, claim);
    claim->again = loop_timer_create(c->config.loop, again_cb, claim);
    loop_timer_set(claim->over, c->open_ms);
    list_append(&c->open, &claim->link);
    c->count++;
    ask(claim);
}

size_t claims_open(const struct claims *c)
{
    return c->count;
}

struct claims *claims_create(const struct claims_config *config)
{
    struct claims *c = xcalloc(1, sizeof *c);
    c->config = *config;
    c->open_ms = config->open_ms > 0 ? config->open_ms : OPEN_MS;
    c->again_ms = config->again_ms > 0 ? config->again_ms : AGAIN_MS;
    list_init(&c->open);
    return c;
}

void claims_set_parts(struct claims *c, struct ledger *ledger, struct replication *replication)
{
    c->ledger = ledger;
    c->replication = replication;
}

void claims_close(struct claims *c)
{
    c->closed = true;
    list_for_each (at, &c->open) {
        struct claim *claim = container_of(at, struct claim, link);
        loop_timer_cancel(claim->over);
        loop_timer_cancel(claim->again);
    }
}

void claims_destroy(struct claims *c)
{
    if (c == NULL)
        return;
    while (!list_is_empty(&c->open))
        drop(container_of(c->open.next, struct claim, link));
    free(c);
}
