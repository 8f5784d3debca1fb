/* Frontier batches (see frontier.h, federation/FORMATS.md "Frontier batch"). Building walks the entries and covers the gaps
 * between them with the fewest complete subtrees; verifying pushes everything onto a copy of the known compact range and
 * looks at the root once. */
#include "federation/ledger/frontier.h"

#include <inttypes.h>
#include <string.h>

#include "node/base/xassert.h"

/* ---- building ---- */

/* The batch in the making: items are counted first, then filled. */
struct build {
    const struct merkle_source *source;
    struct frontier_item *items; /* NULL while counting */
    size_t count;
};

/* Covers [begin, end) with hashes. */
static int build_gap(struct build *b, uint64_t begin, uint64_t end, struct err *e)
{
    struct crange_part parts[CRANGE_PARTS_MAX];
    unsigned count = crange_decompose(begin, end, parts);
    for (unsigned i = 0; b->items != NULL && i < count; i++) {
        struct frontier_item *item = &b->items[b->count + i];
        *item = (struct frontier_item){.kind = FRONTIER_KIND_HASH, .level = parts[i].level};
        int rc = b->source->node(b->source->ctx, parts[i].level, parts[i].index, item->hash.b, e);
        if (rc < 0)
            return rc;
    }
    b->count += count;
    return 0;
}

static int build_entry(struct build *b, const struct frontier_entry *entry, struct err *e)
{
    if (b->items != NULL) {
        struct merkle_hash stored;
        struct merkle_hash computed;
        int rc = b->source->node(b->source->ctx, 0, entry->index, stored.b, e);
        if (rc < 0)
            return rc;
        merkle_leaf_hash(entry->leaf, &computed);
        if (!merkle_hash_equal(&stored, &computed))
            return err_set(e, ERR_CORRUPT, "frontier.leaf-differs",
                           "stored leaf %" PRIu64 " (%zu bytes) is not the one in "
                           "the tree",
                           entry->index, entry->leaf.size);
        b->items[b->count] =
            (struct frontier_item){.kind = FRONTIER_KIND_ENTRY, .leaf = entry->leaf, .payload = entry->payload};
    }
    b->count++;
    return 0;
}

static int build_items(struct build *b, uint64_t from, uint64_t to, const struct frontier_entry *entries, size_t count,
                       struct err *e)
{
    uint64_t at = from;
    int rc = 0;
    b->count = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (entries[i].index < at || entries[i].index >= to)
            return err_set(e, ERR_INVALID, "frontier.order",
                           "entry %zu has index %" PRIu64 ", must be in [%" PRIu64 ", %" PRIu64 ")", i,
                           entries[i].index, at, to);
        rc = build_gap(b, at, entries[i].index, e);
        if (rc == 0)
            rc = build_entry(b, &entries[i], e);
        at = entries[i].index + 1;
    }
    return rc < 0 ? rc : build_gap(b, at, to, e);
}

static int check_bounds(uint64_t from, uint64_t to, uint64_t target, struct err *e)
{
    if (from <= to && to <= target && target <= MERKLE_SIZE_MAX)
        return 0;
    return err_set(e, ERR_INVALID, "frontier.bounds",
                   "batch from %" PRIu64 " to %" PRIu64 " against size %" PRIu64 ", must ascend (limit 2^62)", from, to,
                   target);
}

static int check_item_count(size_t count, struct err *e)
{
    if (count <= BATCH_LEAVES_MAX)
        return 0;
    return err_set(e, ERR_LIMIT, "frontier.items", "batch has %zu items, limit %u", count, BATCH_LEAVES_MAX);
}

int frontier_build(const struct merkle_source *source, uint64_t from, uint64_t to, uint64_t target,
                   const struct frontier_entry *entries, size_t count, struct arena *arena, struct frontier_batch *ret,
                   struct err *e)
{
    struct build b = {.source = source};
    struct frontier_batch batch = {.from = from, .to = to, .target = target};
    int rc = check_bounds(from, to, target, e);
    if (rc == 0)
        rc = check_item_count(count, e);
    if (rc == 0)
        rc = build_items(&b, from, to, entries, count, e); /* counts */
    if (rc == 0)
        rc = check_item_count(b.count, e);
    if (rc < 0)
        return rc;

    batch.item_count = b.count;
    b.items = arena_alloc(arena, (b.count + 1) * sizeof *b.items);
    batch.items = b.items;
    rc = build_items(&b, from, to, entries, count, e);
    xassert(rc < 0 || b.count == batch.item_count);

    struct crange_part parts[CRANGE_PARTS_MAX];
    batch.right_count = crange_decompose(to, target, parts);
    for (size_t i = 0; rc == 0 && i < batch.right_count; i++)
        rc = source->node(source->ctx, parts[i].level, parts[i].index, batch.right[i].b, e);
    if (rc == 0)
        *ret = batch;
    return rc;
}

/* ---- verifying ---- */

static int check_form(const struct crange *at_from, const struct frontier_batch *batch, struct err *e)
{
    int rc = check_bounds(batch->from, batch->to, batch->target, e);
    if (rc == 0)
        rc = check_item_count(batch->item_count, e);
    if (rc < 0)
        return rc;
    if (batch->from != at_from->size)
        return err_set(e, ERR_CONFLICT, "frontier.from", "batch starts at %" PRIu64 ", verified up to %" PRIu64,
                       batch->from, at_from->size);
    struct crange_part parts[CRANGE_PARTS_MAX];
    unsigned expected = crange_decompose(batch->to, batch->target, parts);
    if (batch->right_count != expected)
        return err_set(e, ERR_INVALID, "frontier.right",
                       "batch to %" PRIu64 " of %" PRIu64 " has %zu closing hashes, must "
                       "have %u",
                       batch->to, batch->target, batch->right_count, expected);
    return 0;
}

/* Puts item @i onto @range and, if it is an entry, behind @entries. */
static int push_item(const struct frontier_batch *batch, size_t i, struct crange *range, struct frontier_entry *entries,
                     size_t *entry_count, struct err *e)
{
    const struct frontier_item *item = &batch->items[i];
    unsigned level = item->kind == FRONTIER_KIND_ENTRY ? 0 : item->level;
    uint64_t at = range->size;
    if (level > 62 || at % ((uint64_t)1 << level) != 0 || (uint64_t)1 << level > batch->to - at)
        return err_set(e, ERR_INVALID, "frontier.item",
                       "item %zu at leaf %" PRIu64 " has level %u, which does not fit "
                       "before %" PRIu64,
                       i, at, level, batch->to);
    if (item->kind == FRONTIER_KIND_HASH)
        return crange_append(range, level, &item->hash, e);

    if (item->leaf.size == 0 || item->leaf.size > LEAF_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "frontier.leaf-size", "item %zu at leaf %" PRIu64 " has %zu bytes, limit 1 to %u",
                       i, at, item->leaf.size, LEAF_BYTES_MAX);
    if (item->payload.size > PAYLOAD_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "frontier.payload-size",
                       "item %zu at leaf %" PRIu64 " has a payload of %zu bytes, "
                       "limit %u",
                       i, at, item->payload.size, PAYLOAD_BYTES_MAX);
    struct frontier_entry *entry = &entries[(*entry_count)++];
    *entry = (struct frontier_entry){.index = at, .leaf = item->leaf, .payload = item->payload};
    merkle_leaf_hash(item->leaf, &entry->hash);
    return crange_append_leaf(range, &entry->hash, e);
}

/* Root of the tree of batch->target leaves that begins with @at_to. */
static int close_range(const struct crange *at_to, const struct frontier_batch *batch, struct merkle_hash *ret,
                       struct err *e)
{
    struct crange whole = *at_to;
    struct crange_part parts[CRANGE_PARTS_MAX];
    unsigned count = crange_decompose(batch->to, batch->target, parts);
    for (unsigned i = 0; i < count; i++) {
        int rc = crange_append(&whole, parts[i].level, &batch->right[i], e);
        if (rc < 0)
            return rc;
    }
    crange_root(&whole, ret);
    return 0;
}

int frontier_verify(const struct crange *at_from, const struct frontier_batch *batch,
                    const struct merkle_hash *target_root, struct arena *arena, struct crange *ret_at_to,
                    struct frontier_entry **ret_entries, size_t *ret_count, struct err *e)
{
    int rc = check_form(at_from, batch, e);
    if (rc < 0)
        return rc;

    size_t entry_max = 0;
    for (size_t i = 0; i < batch->item_count; i++)
        entry_max += batch->items[i].kind == FRONTIER_KIND_ENTRY;
    struct frontier_entry *entries = arena_alloc(arena, (entry_max + 1) * sizeof *entries);
    size_t entry_count = 0;
    struct crange range = *at_from;
    for (size_t i = 0; rc == 0 && i < batch->item_count; i++)
        rc = push_item(batch, i, &range, entries, &entry_count, e);
    if (rc < 0)
        return rc;
    if (range.size != batch->to)
        return err_set(e, ERR_INVALID, "frontier.short",
                       "items of the batch end at leaf %" PRIu64 ", must reach %" PRIu64, range.size, batch->to);

    struct merkle_hash root;
    rc = close_range(&range, batch, &root, e);
    if (rc < 0)
        return rc;
    if (!merkle_hash_equal(&root, target_root))
        return err_set(e, ERR_VERIFY, "frontier.root",
                       "batch [%" PRIu64 ", %" PRIu64 ") does not lead to the root signed "
                       "for size %" PRIu64,
                       batch->from, batch->to, batch->target);
    xassert(entry_count == entry_max);
    *ret_at_to = range;
    *ret_entries = entries;
    *ret_count = entry_count;
    return 0;
}
