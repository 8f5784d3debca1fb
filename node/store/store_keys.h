/* keys.db: the keys of cases, and the destruction of what they open. A file of its own, so that its backups can have a shorter
 * life than the ledger's.
 *
 * Internal to node/store; store_read_key() of store.h is implemented here.
 */
#ifndef TB_STORE_STORE_KEYS_H
#define TB_STORE_STORE_KEYS_H

#include "node/store/store_reader.h"
#include "node/store/store_writer.h"

/* Opens for writing; creates it when absent. */
int store_keys_open(struct store_sql *c, const char *dir, struct err *e) WARN_UNUSED;
/* For a reader of store.h: opened when first used. */
int store_keys_open_reader(struct store_reader *r, struct err *e) WARN_UNUSED;
/* One snapshot of the keys, too, for store_read_begin(): each read by itself takes and gives back its locks. Nothing when
 * they are not open yet. */
void store_keys_read_begin(struct store_reader *r);
void store_keys_read_end(struct store_reader *r);

/* For store_check(): pages and every row of keys.db. */
int store_keys_check(struct store_reader *r, struct err *e) WARN_UNUSED;

/* The keys of a batch, in a transaction of their own, durable on return; those of erased cases are left out. */
int store_keys_put(struct store_transaction *t, const struct store_batch *b) WARN_UNUSED;

/* Within the batch's transaction: payloads and request hashes of a case go, and the rest is noted (STORE_FACT_DESTROY). A case
 * that this node has erased by its erasure row is destroyed even when it is not among the batch's destroys. */
int store_destroy_put(struct store_transaction *t, const struct store_batch *b) WARN_UNUSED;
/* What is noted: keys go, both write-ahead logs are emptied, then the notes. When a reader holds a log up the notes stay and
 * the next call does the rest: 0 then, too. */
int store_destroy_finish(struct store *s, struct err *e) WARN_UNUSED;

#endif
