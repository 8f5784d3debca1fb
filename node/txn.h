/* Txn: the growing form of a store_batch, in an arena. Private to node/ledger*.c and tests. */
#ifndef TB_NODE_TXN_H
#define TB_NODE_TXN_H

#include "node/base/arena.h"
#include "node/base/list.h"
#include "node/ledger.h"

struct ledger_txn {
    struct list link; /* ledger's queue or job */
    struct ledger *ledger;
    uint64_t number;
    struct arena arena;
    struct store_batch batch; /* arrays in the arena, capacities below */
    struct {
        size_t entries, addressed, tiles, replicas, acks, cases, items, bundles, requests, counters, keys, notes,
            erasures, holds, evidences, covers, proofs, pulls, forks, dues, publicities, destroys, files, file_holders,
            witnesses;
    } capacity;
    uint64_t own_count; /* own leaves in it */
    ledger_commit_cb cb;
    void *cb_ctx;
};

/* Room for one more element in a growing array that lives in @a: returns the slot, zeroed. */
void *txn_grow(struct arena *a, const void **array, size_t *count, size_t *capacity, size_t element_size);

/* One more row of the arrays that only the ledger itself fills. */
void txn_addressed(struct ledger_txn *t, const struct store_addressed *row);
void txn_tile(struct ledger_txn *t, const struct store_tile *row);

/* Appends all of @from's rows to @to (shallow). */
void txn_merge(struct ledger_txn *to, const struct store_batch *from);

#endif
