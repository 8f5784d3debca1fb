/* Cover: what a follower keeps of a verified batch, so that it can prove a peer's entry to a third node although it holds
 * neither the author's tree nor a proof of the entry.
 *
 * A batch and the compact range before it name complete subtrees that together are the tree of the batch's checkpoint:
 *
 *     range at `from` | entries as leaf hashes, hashes between them | right
 *
 * Every sibling on the way from one of the entries to the root is one of them, or made of several. Internal to a node
 * (disk); what comes out is an ordinary inclusion proof. Pure, any thread.
 */
#ifndef TB_LEDGER_COVER_H
#define TB_LEDGER_COVER_H

#include "federation/ledger/frontier.h"

#define COVER_PART_SIZE 33u /* level 1, hash 32 */
#define COVER_PARTS_MAX (WIRE_BATCH_ITEMS_MAX + CRANGE_NODES_MAX + CRANGE_PARTS_MAX)

/* Appends the parts, left to right. @batch was verified from @at_from. */
void cover_encode(const struct crange *at_from, const struct frontier_batch *batch, struct buf *out);

/* The inclusion proof of entry @index (its leaf hash is checked) in the tree of @size leaves. ERR_NOT_FOUND (ledger.no-kept-proof):
 * the batch did not bring that entry. ERR_CORRUPT: the parts are not a tree of @size. */
int cover_prove(struct bytes parts, uint64_t size, uint64_t index, const struct merkle_hash *leaf,
                struct merkle_proof *ret, struct err *e) WARN_UNUSED;

#endif
