/* Claims (see claims.h). A member that cannot be reached is asked when it greets; one that is gone or silent for longer is dropped: it
 * says so again with the next HELLO. */
#include "node/claims.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/base/list.h"

#define PROOF_MS 10000u

struct claims {
    struct claims_config config;
    struct ledger *ledger;
    struct replication *replication;
    struct list open;
    size_t count;
    bool closed;
};

struct claim {
    struct list link;
    struct claims *claims;
    struct loop_timer *timer; /* how long it stays open */
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
    loop_timer_destroy(claim->timer);
    free(claim);
}

static void judge(void *ctx, const struct wire_msg *answer, const struct err *e)
{
    struct claim *claim = ctx;
    struct claims *c = claim->claims;
    uint64_t said = claim->size;
    uint32_t peer = claim->peer;
    bool is_cut_off = answer == NULL && e->code == ERR_CLOSED && !claim->is_over;
    claim->is_asked = false;
    if (is_cut_off && !c->closed)
        return; /* until claims_greeted(), or over */
    drop(claim);
    if (c->closed)
        return;
    uint64_t size = ledger_size(c->ledger);
    bool has_answered = answer != NULL && answer->type == WIRE_RECOVERED;
    uint64_t shown = has_answered ? shown_by(c, answer->u.recovered.checkpoint) : 0;
    if (shown > size) {
        c->config.on_proven(c->config.ctx, peer, shown);
    } else if (has_answered && said > size) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "it says that it holds %" PRIu64 " entries of this ledger, which has %" PRIu64
                       ", and shows no checkpoint over them: ignored",
                       said, size);
        replication_alarm(c->replication, peer, "ledger.unproven", text);
    }
    c->config.on_judged(c->config.ctx);
}

static void ask(struct claim *claim)
{
    struct claims *c = claim->claims;
    struct wire_msg m = {.type = WIRE_RECOVER};
    m.u.recover = (struct wire_recover){.from = ledger_size(c->ledger), .max_bytes = 1};
    claim->is_asked = true;
    replication_ask(c->replication, claim->peer, &m, PROOF_MS, judge, claim);
}

static void over_cb(void *ctx)
{
    struct claim *claim = ctx;
    struct claims *c = claim->claims;
    claim->is_over = true;
    if (claim->is_asked || c->closed)
        return;
    drop(claim);
    c->config.on_judged(c->config.ctx);
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
    claim->timer = loop_timer_create(c->config.loop, over_cb, claim);
    loop_timer_set(claim->timer, PROOF_MS);
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
    list_for_each (at, &c->open)
        loop_timer_cancel(container_of(at, struct claim, link)->timer);
}

void claims_destroy(struct claims *c)
{
    if (c == NULL)
        return;
    while (!list_is_empty(&c->open))
        drop(container_of(c->open.next, struct claim, link));
    free(c);
}
