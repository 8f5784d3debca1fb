/* heads.db: the largest checkpoint ever signed for the own ledger, one row, and of each other ledger the largest ever
 * cosigned, both changed by compare-and-swap only.
 *
 * It is a file of its own so that a backup of ledger.db that is put back cannot bring an old head with it: a node that
 * signs must first move this row, and a row that is not where the signer thinks stops it. Never
 * attached to ledger.db: a transaction over two WAL databases is not atomic across a power cut.
 *
 * Internal to node/store; store_head_...() and the witness functions of store.h are implemented here.
 */
#ifndef TB_STORE_STORE_HEADS_H
#define TB_STORE_STORE_HEADS_H

#include "node/store/store.h"
#include "node/store/store_reader.h"
#include "node/store/store_sql.h"

/* Opens for writing, creates for node @self when absent; ERR_CONFLICT when it is another node's. */
int store_heads_open(struct store_sql *c, const char *dir, uint32_t self, struct err *e) WARN_UNUSED;
/* For a reader of store.h: opened when first used. */
int store_heads_open_reader(struct store_reader *r, struct err *e) WARN_UNUSED;
/* For store_check(): the own head's size; pages and witness rows of heads.db. */
int store_heads_read_size(struct store_reader *r, uint64_t *ret, struct err *e) WARN_UNUSED;
int store_heads_check(struct store_reader *r, struct err *e) WARN_UNUSED;

/* The witness rows of a batch: compares each with what is there and locks heads.db until the end (a refusal leaves nothing
 * locked); and the end, durable when @rc is 0, else nothing is written. Passes @rc on. */
int store_witness_begin(struct store *s, const struct store_batch *b, struct err *e) WARN_UNUSED;
int store_witness_end(struct store *s, int rc, struct err *e) WARN_UNUSED;

#endif
