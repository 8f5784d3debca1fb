/* The omitter: an author that gives a follower the true hash of an entry in the place of the entry. The tree fits; only numbers and
 * heads entries tell. */
#include <string.h>

#include "federation/wire/wire.h"
#include "tests/sim/sim.h"

struct bytes net_tamper(struct sim_node *n, unsigned to, struct bytes message)
{
    struct wire_msg m;
    struct arena a = ARENA_INIT;
    struct bytes copy = sim_copy(message);
    if (!n->is_omitter || !n->hides || (n->hide_from >> to & 1) == 0 || wire_decode(message, &a, &m, NULL) != 0 ||
        m.type != WIRE_BATCH) {
        arena_close(&a);
        return copy;
    }
    struct frontier_batch *f = &m.u.batch.frontier;
    uint64_t at = f->from;
    bool changed = false;
    for (size_t i = 0; i < f->item_count; i++) {
        struct frontier_item *item = &f->items[i];
        uint64_t index = at;
        at += item->kind == FRONTIER_KIND_ENTRY ? 1 : (uint64_t)1 << item->level;
        struct leaf leaf;
        if (item->kind != FRONTIER_KIND_ENTRY || leaf_decode(item->leaf, &leaf, NULL) != 0 ||
            leaf.kind == LEAF_KIND_HEADS || prng_below(&the_sim.prng, 1000) >= n->hide_permille)
            continue;
        struct merkle_hash hash;
        leaf_hash(item->leaf, &hash);
        *item = (struct frontier_item){.kind = FRONTIER_KIND_HASH, .hash = hash};
        check_hidden(n, to, index);
        changed = true;
    }
    struct buf out = {0};
    m.u.batch.payload_held = NULL; /* held where there is one */
    if (changed && wire_encode(&m, &out, NULL) == 0)
        copy = sim_copy(buf_bytes(&out));
    buf_close(&out);
    arena_close(&a);
    return copy;
}
