/* Frontier batch: the entries of one author that concern one follower, in an envelope that proves them.
 *
 * The follower knows the compact range of [0, from). The batch covers [from, to) from left to right with entries (those
 * addressed to it) and hashes of complete subtrees (everything else), and adds the hashes of [to, target). If pushing all
 * of it onto the range gives the root of a checkpoint of size target, then every entry stands at exactly its index, none
 * was moved or changed, and the tree at target extends the one at from: inclusion, order and consistency in one.
 *
 *        known              items                      right
 *   |--------------|--E--H--H--E--E--H--|--H--H--H--|
 *   0             from                  to         target
 *
 * That no addressed entry hides under a hash is not proved here: recipients' contiguous seq and `heads` leaves do that.
 * Built by the author's side (node/ through federation/sync), carried by federation/wire, verified by federation/sync.
 * Pure, any thread.
 */
#ifndef TB_LEDGER_FRONTIER_H
#define TB_LEDGER_FRONTIER_H

#include "federation/ledger/crange.h"
#include "node/base/arena.h"
#include "node/base/limits.h"

enum frontier_kind {
    FRONTIER_KIND_ENTRY,
    FRONTIER_KIND_HASH,
};

/* Covers [p, p + 1) as an entry, [p, p + 2^level) as a hash, where p is where the item before ended. */
struct frontier_item {
    enum frontier_kind kind;
    unsigned level;          /* HASH */
    struct merkle_hash hash; /* HASH */
    struct bytes leaf;       /* ENTRY: leaf bytes, borrowed */
    struct bytes
        payload; /* ENTRY: opaque here and bound by the leaf's ct_hash, not by the tree; may be empty; borrowed */
};

struct frontier_batch {
    uint64_t from;
    uint64_t to;
    uint64_t target;             /* size of the checkpoint it is proved against; from <= to <= target */
    struct frontier_item *items; /* at most BATCH_LEAVES_MAX */
    size_t item_count;
    struct merkle_hash right[CRANGE_PARTS_MAX]; /* hashes of crange_decompose(to, target) */
    size_t right_count;
};

/* An addressed entry: given to build, got back from verify. Spans borrowed. */
struct frontier_entry {
    uint64_t index;
    struct bytes leaf;
    struct bytes payload;
    struct merkle_hash hash; /* leaf hash; set by frontier_verify(), not read by frontier_build() */
};

/* Builds the batch for @entries (strictly ascending indexes in [from, to)), items in @arena, spans borrowed from
 * @entries. Checks each leaf against the tree (ERR_CORRUPT, frontier.leaf-differs: the store's row is damaged).
 * ERR_INVALID for bounds or order, ERR_LIMIT for more than BATCH_LEAVES_MAX items, else what the source returned.
 * @ret untouched on failure. */
int frontier_build(const struct merkle_source *source, uint64_t from, uint64_t to, uint64_t target,
                   const struct frontier_entry *entries, size_t count, struct arena *arena, struct frontier_batch *ret,
                   struct err *e) WARN_UNUSED;

/* Verifies a batch against @at_from (the follower's verified range) and @target_root, the root of a verified checkpoint. The
 * caller has compared batch->target with that checkpoint's size: some sizes have trees of one shape, and a root alone does
 * not tell them apart. On success *ret_at_to is the range at batch->to (may be the same object as @at_from) and *ret_entries,
 * in @arena and borrowing from the batch, the entries with index and hash. On failure nothing is changed:
 * ERR_CONFLICT frontier.from (does not start where the range ends), ERR_INVALID (form; names item and position),
 * ERR_LIMIT, ERR_VERIFY frontier.root (something in it is not what the checkpoint signed). */
int frontier_verify(const struct crange *at_from, const struct frontier_batch *batch,
                    const struct merkle_hash *target_root, struct arena *arena, struct crange *ret_at_to,
                    struct frontier_entry **ret_entries, size_t *ret_count, struct err *e) WARN_UNUSED;

#endif
