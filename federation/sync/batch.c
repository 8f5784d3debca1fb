/* Building a batch (see batch.h).
 *
 * Two bounds: bytes (BATCH_BYTES_MAX or what the follower asked for; one larger entry travels alone) and items. How many
 * hashes a gap costs follows from its bounds alone (crange_decompose), so the walk counts before anything is read.
 */
#include "federation/sync/batch.h"

#include <string.h>

#include "federation/ledger/heads.h"
#include "node/base/xassert.h"

#define ITEMS_MAX (BATCH_LEAVES_MAX - CRANGE_PARTS_MAX) /* leaves room for the last gap */

struct walk {
    const struct batch_source *source;
    struct arena *arena;
    struct frontier_entry *entries;
    size_t count;
    size_t items;
    size_t bytes, bytes_max;
    uint64_t at; /* covered so far */
};

/* Takes one entry, or returns 1 when it does not fit any more. */
static int take(struct walk *w, uint64_t index, struct err *e)
{
    struct crange_part parts[CRANGE_PARTS_MAX];
    size_t items = crange_decompose(w->at, index, parts) + 1u;
    struct frontier_entry *entry = &w->entries[w->count];
    bool held;
    int rc = w->source->entry(w->source->ctx, index, w->arena, &entry->leaf, &entry->payload, &held, e);
    if (rc != 0)
        return rc;
    if (!held)
        entry->payload = bytes_of(NULL, 0);
    size_t bytes = entry->leaf.size + entry->payload.size + 16;
    bool first = w->count == 0;
    if (!first && (w->items + items > ITEMS_MAX || w->bytes + bytes > w->bytes_max))
        return 1;
    entry->index = index;
    w->items += items;
    w->bytes += bytes;
    w->at = index + 1;
    w->count++;
    return 0;
}

/* The last heads leaf below @to becomes the last entry, with @peer's opening; what was taken behind it comes with the next
 * batch. False: there is none, or none for this peer. */
static bool end_at_heads(struct walk *w, uint32_t peer, uint64_t from, uint64_t *to, struct bytes *ret_opening)
{
    uint64_t index;
    bool held = false;
    struct frontier_entry heads = {0};
    struct buf opening = {0};
    const struct batch_source *source = w->source;
    if (!source->last_heads(source->ctx, from, *to, &index) ||
        source->entry(source->ctx, index, w->arena, &heads.leaf, &heads.payload, &held, NULL) != 0 || !held ||
        heads_open(heads.payload, peer, &opening, NULL) != 0) {
        buf_close(&opening);
        return false;
    }
    *ret_opening = arena_bytes(w->arena, buf_bytes(&opening));
    buf_close(&opening);
    while (w->count > 0 && w->entries[w->count - 1].index > index)
        w->count--;
    heads.index = index;
    heads.payload = bytes_of(NULL, 0); /* the vector is the author's own */
    w->entries[w->count++] = heads;
    *to = index + 1;
    return true;
}

int batch_build(const struct batch_source *source, uint32_t self, uint32_t peer, uint64_t from, uint64_t target,
                struct bytes note, uint32_t bytes_max, struct arena *a, struct wire_batch *ret, struct err *e)
{
    xassert(from <= target);
    uint64_t *indexes;
    size_t count;
    int rc = source->addressed(source->ctx, peer, from, target, ITEMS_MAX, a, &indexes, &count, e);
    if (rc != 0)
        return rc;

    struct walk w = {.source = source, .arena = a, .at = from};
    w.bytes_max = min_of((size_t)bytes_max, (size_t)BATCH_BYTES_MAX);
    w.entries = arena_alloc(a, (count + 2) * sizeof *w.entries);
    while (w.count < count) {
        rc = take(&w, indexes[w.count], e);
        if (rc < 0)
            return rc;
        if (rc > 0)
            break;
    }
    /* All taken, and no more than asked for: the rest up to the checkpoint holds nothing for this peer. */
    uint64_t to = w.count == count && count < ITEMS_MAX ? target : w.at;

    struct bytes opening = {0};
    bool has_heads = end_at_heads(&w, peer, from, &to, &opening);

    *ret = (struct wire_batch){.origin = self, .checkpoint = note};
    rc = frontier_build(&source->tree, from, to, target, w.entries, w.count, a, &ret->frontier, e);
    if (rc == 0 && has_heads) {
        size_t items = ret->frontier.item_count;
        struct bytes *openings = arena_alloc(a, items * sizeof *openings);
        memset(openings, 0, items * sizeof *openings);
        openings[items - 1] = opening; /* it ends the batch */
        ret->openings = openings;
    }
    return rc;
}
