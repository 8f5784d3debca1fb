/* Batch: builds the answer to a PULL from the author's tree and entries (FORMATS.md "Frontier batch", PROTOCOL.md "Replication").
 *
 * Takes addressed entries from @from on until the byte or item limit is reached, covers the rest with subtree hashes, and
 * ends at the checkpoint's size when everything fitted. Pure over its source; shared by the daemon and the simulator. */
#ifndef TB_SYNC_BATCH_H
#define TB_SYNC_BATCH_H

#include "federation/sync/sync.h"

struct batch_source {
    void *ctx;
    struct merkle_source tree;
    /* Indexes in [from, below) addressed to @peer or everyone, ascending, at most @limit. */
    int (*addressed)(void *ctx, uint32_t peer, uint64_t from, uint64_t below, size_t limit, struct arena *a,
                     uint64_t **ret, size_t *ret_count, struct err *e);
    /* Indexes of own heads leaves in [from, below), the last one only: returns false when there is none. */
    bool (*last_heads)(void *ctx, uint64_t from, uint64_t below, uint64_t *ret_index);
    /* Own entry @index. @ret_held false: the payload was erased. */
    int (*entry)(void *ctx, uint64_t index, struct arena *a, struct bytes *ret_leaf, struct bytes *ret_payload,
                 bool *ret_held, struct err *e);
};

/* A batch that reaches a heads leaf ends right behind the last one that it reaches, with the peer's opening of it; a heads
 * leaf without a row for the peer, or whose vector is not held any more, is left out like an entry for others.
 * @from <= @target. @note: the signed checkpoint of size @target, borrowed by the result like the entries. */
int batch_build(const struct batch_source *source, uint32_t self, uint32_t peer, uint64_t from, uint64_t target,
                struct bytes note, uint32_t bytes_max, struct arena *a, struct wire_batch *ret,
                struct err *e) WARN_UNUSED;

#endif
