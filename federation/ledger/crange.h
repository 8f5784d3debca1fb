/* Compact range: what must be kept of a tree's first `size` leaves so that it can grow (transparency-dev/merkle,
 * docs/compact_ranges.md).
 *
 * The hashes of the largest complete aligned subtrees that cover [0, size), left to right: one per set bit of size, the
 * highest bit first. A follower keeps one for each author; the author's own is inside federation/ledger/tiles.h. A plain
 * value: copy it to try something. Pure, any thread.
 */
#ifndef TB_LEDGER_CRANGE_H
#define TB_LEDGER_CRANGE_H

#include "federation/ledger/merkle.h"

#define CRANGE_NODES_MAX 62u  /* set bits of any size within MERKLE_SIZE_MAX */
#define CRANGE_PARTS_MAX 124u /* parts of any crange_decompose(): up one side and down the other */

struct crange {
    uint64_t size;                              /* leaves covered */
    struct merkle_hash nodes[CRANGE_NODES_MAX]; /* crange_count() are set */
};

/* One complete subtree: the leaves [index << level, (index + 1) << level). */
struct crange_part {
    unsigned level;
    uint64_t index;
};

/* The range of the empty tree. */
void crange_init(struct crange *c);

/* Takes up a stored range: @count must be the number of set bits of @size, @size at most MERKLE_SIZE_MAX; otherwise
 * ERR_INVALID and @ret stays. Copies @nodes. Whether they belong to a tree is for the caller to compare by root. */
int crange_init_nodes(uint64_t size, const struct merkle_hash *nodes, size_t count, struct crange *ret,
                      struct err *e) WARN_UNUSED;

/* Number of nodes, and the level of node @i (counted from the left, the highest level). */
unsigned crange_count(const struct crange *c);
unsigned crange_level(const struct crange *c, unsigned i);

/* Appends a complete subtree of 2^@level leaves. ERR_INVALID when the size is not a multiple of 2^@level or would pass
 * MERKLE_SIZE_MAX; the range stays then. */
int crange_append(struct crange *c, unsigned level, const struct merkle_hash *hash, struct err *e) WARN_UNUSED;
int crange_append_leaf(struct crange *c, const struct merkle_hash *leaf_hash, struct err *e) WARN_UNUSED;

/* Root of the tree of `size` leaves. */
void crange_root(const struct crange *c, struct merkle_hash *ret);

/* The fewest complete aligned subtrees that cover [begin, end), left to right, and their number. @begin <= @end <=
 * MERKLE_SIZE_MAX is the caller's to check (asserted). @ret holds CRANGE_PARTS_MAX. */
unsigned crange_decompose(uint64_t begin, uint64_t end, struct crange_part *ret);

/* For storage: be64 size, then the nodes. Decoding wants the exact length. */
void crange_encode(const struct crange *c, struct buf *out);
int crange_decode(struct bytes in, struct crange *ret, struct err *e) WARN_UNUSED;

#endif
