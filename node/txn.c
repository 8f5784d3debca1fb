/* Growing a store_batch (see txn.h): one function for all arrays, one list of the arrays. */
#include "node/txn.h"

#include <string.h>

#include "node/base/xassert.h"

void *txn_grow(struct arena *a, const void **array, size_t *count, size_t *capacity, size_t element_size)
{
    if (*count == *capacity) {
        size_t bigger = max_of((size_t)4, *capacity * 2);
        void *copy = arena_alloc_raw(a, bigger * element_size);
        if (*count > 0)
            memcpy(copy, *array, *count * element_size);
        *array = copy;
        *capacity = bigger;
    }
    /* The arena owns the memory; the const in store_batch is for its reader. */
    return (uint8_t *)(uintptr_t)*array + (*count)++ * element_size;
}

/* array in store_batch, its count, its capacity, row type */
#define TXN_ARRAYS(X)                                                                                                  \
    X(entries, entry_count, struct store_entry, ledger_txn_entry)                                                      \
    X(addressed, addressed_count, struct store_addressed, txn_addressed)                                               \
    X(tiles, tile_count, struct store_tile, txn_tile)                                                                  \
    X(replicas, replica_count, struct store_replica, ledger_txn_replica)                                               \
    X(acks, ack_count, struct store_ack, ledger_txn_ack)                                                               \
    X(cases, case_count, struct store_case, ledger_txn_case)                                                           \
    X(items, item_count, struct store_item, ledger_txn_item)                                                           \
    X(bundles, bundle_count, struct store_bundle, ledger_txn_bundle)                                                   \
    X(requests, request_count, struct store_request, ledger_txn_request)                                               \
    X(counters, counter_count, struct store_counter, ledger_txn_counter)                                               \
    X(keys, key_count, struct store_key, ledger_txn_key)                                                               \
    X(notes, note_count, struct store_note, ledger_txn_note)                                                           \
    X(erasures, erasure_count, struct store_erasure, ledger_txn_erasure)                                               \
    X(holds, hold_count, struct store_hold, ledger_txn_hold)                                                           \
    X(evidences, evidence_count, struct store_evidence, ledger_txn_evidence)                                           \
    X(covers, cover_count, struct store_cover, ledger_txn_cover)                                                       \
    X(proofs, proof_count, struct store_proof, ledger_txn_proof)                                                       \
    X(pulls, pull_count, struct store_pull, ledger_txn_pull)                                                           \
    X(forks, fork_count, struct store_fork, ledger_txn_fork)                                                           \
    X(dues, due_count, struct store_due, ledger_txn_due)                                                               \
    X(publicities, publicity_count, struct store_publicity, ledger_txn_publicity)                                      \
    X(destroys, destroy_count, struct store_destroy, ledger_txn_destroy)                                               \
    X(files, file_count, struct store_file, ledger_txn_file)                                                           \
    X(file_holders, file_holder_count, struct store_file_holder, ledger_txn_file_holder)                               \
    X(witnesses, witness_count, struct store_witness, ledger_txn_witness)

#define X(array, count, type, function)                                                                                \
    void function(struct ledger_txn *t, const type *row)                                                               \
    {                                                                                                                  \
        const void *base = t->batch.array;                                                                             \
        type *slot = txn_grow(&t->arena, &base, &t->batch.count, &t->capacity.array, sizeof *slot);                    \
        t->batch.array = base;                                                                                         \
        *slot = *row;                                                                                                  \
    }
TXN_ARRAYS(X)
#undef X

const struct store_item *ledger_txn_find_item(const struct ledger_txn *t, uint32_t node, const char *code)
{
    for (size_t i = t->batch.item_count; i-- > 0;)
        if (t->batch.items[i].node == node && strcmp(t->batch.items[i].code, code) == 0)
            return &t->batch.items[i];
    return NULL;
}

void txn_merge(struct ledger_txn *to, const struct store_batch *from)
{
#define X(array, count, type, function)                                                                                \
    for (size_t i = 0; i < from->count; i++)                                                                           \
        function(to, &from->array[i]);
    TXN_ARRAYS(X)
#undef X
}
