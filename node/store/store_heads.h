/* heads.db: the largest checkpoint ever signed for the own ledger, one row, changed by compare-and-swap only.
 *
 * It is a file of its own so that a backup of ledger.db that is put back cannot bring an old head with it: a node that
 * signs must first move this row, and a row that is not where the signer thinks stops it. Never
 * attached to ledger.db: a transaction over two WAL databases is not atomic across a power cut.
 *
 * Internal to node/store; store_head_get() and store_head_swap() of store.h are implemented here.
 */
#ifndef TB_STORE_STORE_HEADS_H
#define TB_STORE_STORE_HEADS_H

#include "node/store/store.h"
#include "node/store/store_sql.h"

/* Opens for writing, creates for node @self when absent; ERR_CONFLICT when it is another node's. */
int store_heads_open(struct store_sql *c, const char *dir, uint32_t self, struct err *e) WARN_UNUSED;
/* Size in @dir's heads.db, for store_check(). */
int store_heads_read_size(const char *dir, uint64_t *ret, struct err *e) WARN_UNUSED;

#endif
