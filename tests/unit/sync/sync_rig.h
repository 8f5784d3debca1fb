/* What the tests of federation/sync share: one core with one peer, a step with an event, and what came out of it. Time is what the
 * test says; the peer's notes are taken for what f->head says, so that a test signs nothing. */
#ifndef TB_TESTS_SYNC_RIG_H
#define TB_TESTS_SYNC_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "federation/sync/sync.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

#define SELF 510000u
#define PEER 440000u
#define RETRY_MIN_MS 200u
#define RETRY_MAX_MS 30000u

struct fixture {
    struct sync *sync;
    struct arena arena;
    struct sync_update update;
    uint64_t now_ms;
    struct checkpoint head; /* what the peer's next note says */
    uint64_t own_size;      /* of the own ledger, whose root is always that of no leaves */
};

static int open_checkpoint(void *ctx, uint32_t origin, struct bytes note, struct checkpoint *ret, struct err *e)
{
    struct fixture *f = ctx;
    (void)note;
    (void)e;
    assert_int_equal(origin, PEER);
    *ret = f->head;
    return 0;
}

static uint64_t own_size(void *ctx)
{
    const struct fixture *f = ctx;
    return f->own_size;
}

static int own_root_at(void *ctx, uint64_t size, struct merkle_hash *ret, struct err *e)
{
    (void)ctx;
    (void)size;
    (void)e;
    crypto_sha256(NULL, 0, ret->b);
    return 0;
}

static uint64_t known_size(void *ctx, uint32_t peer)
{
    (void)ctx;
    (void)peer;
    return 0;
}

static uint64_t own_addressed_end(void *ctx, uint32_t peer, uint64_t *ret_seq, uint64_t *ret_public_seq)
{
    (void)ctx;
    (void)peer;
    *ret_seq = *ret_public_seq = 0;
    return 0;
}

/* One step; the actions are in f->update until the next. */
static inline void step(struct fixture *f, struct sync_event event)
{
    event.now_ms = f->now_ms;
    event.peer = PEER;
    f->update = (struct sync_update){.arena = &f->arena};
    sync_step(f->sync, &event, &f->update);
}

static inline const struct sync_action *find(const struct fixture *f, enum sync_action_type type)
{
    for (size_t i = 0; i < f->update.count; i++)
        if (f->update.actions[i].type == type)
            return &f->update.actions[i];
    return NULL;
}

/* The one request of the step, which must ask for @type. */
static inline uint64_t asked(const struct fixture *f, enum wire_type type)
{
    const struct sync_action *a = find(f, SYNC_ACTION_REQUEST);
    assert_non_null(a);
    assert_int_equal(a->message.type, type);
    return a->token;
}

/* The one request of the step, a PULL: what it acknowledges. */
static inline uint64_t pulled_from(const struct fixture *f)
{
    (void)asked(f, WIRE_PULL);
    return find(f, SYNC_ACTION_REQUEST)->message.u.pull.from;
}

static inline int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.now_ms = 1000};
    struct sync_config config = {
        .self = SELF, .software = "test", .retry_min_ms = RETRY_MIN_MS, .retry_max_ms = RETRY_MAX_MS};
    struct sync_host host = {.ctx = &f,
                             .open_checkpoint = open_checkpoint,
                             .own_size = own_size,
                             .own_root_at = own_root_at,
                             .own_addressed_end = own_addressed_end,
                             .known_size = known_size};
    f.sync = sync_create(&config, &host);
    sync_set_peer(f.sync, PEER, &(struct sync_cursor){0}, 0);
    *state = &f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    sync_destroy(f->sync);
    arena_close(&f->arena);
    return 0;
}

/* Connects and greets; returns the token of the first PULL. */
static inline uint64_t greet(struct fixture *f)
{
    struct wire_msg hello = {.type = WIRE_HELLO};
    hello.u.hello = (struct wire_hello){.version_min = 1, .version_max = 1, .node = PEER, .software = "test"};
    step(f, (struct sync_event){.type = SYNC_EVENT_LINK_UP});
    step(f, (struct sync_event){.type = SYNC_EVENT_REPLY, .token = asked(f, WIRE_HELLO), .message = &hello});
    return asked(f, WIRE_PULL);
}

/* The first batch of a ledger of one leaf, which is not addressed to us: its hash is the root. */
static inline void one_hash(struct fixture *f, struct frontier_item *item, struct wire_msg *m)
{
    *item = (struct frontier_item){.kind = FRONTIER_KIND_HASH};
    memset(item->hash.b, 0x11, sizeof item->hash.b);
    f->head = (struct checkpoint){.size = 1, .root = item->hash};
    *m = (struct wire_msg){.type = WIRE_BATCH};
    m->u.batch = (struct wire_batch){.origin = PEER};
    m->u.batch.frontier = (struct frontier_batch){.from = 0, .to = 1, .target = 1, .items = item, .item_count = 1};
}

#endif
