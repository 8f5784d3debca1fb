/* Proofs of peers' entries that are kept, and the cases whose earlier entries are being asked for.
 *
 * Internal to node/store.
 */
#ifndef TB_STORE_STORE_PROOF_H
#define TB_STORE_STORE_PROOF_H

#include "node/store/store_reader.h"
#include "node/store/store_writer.h"

/* Covers, proofs, pulls and second leaves of a batch. */
int store_proof_put_all(struct store_transaction *t, const struct store_batch *b) WARN_UNUSED;

#define STORE_ROW_COVER "SELECT id, size, ck, parts, note FROM cover"
/* Checks the row at @stmt; spans borrowed until the next step. @origin is the caller's to fill. */
int store_cover_row(struct store_sql *c, sqlite3_stmt *stmt, struct store_cover *ret, struct err *e) WARN_UNUSED;

/* Appends the second leaves of a case to @rows (of @count, room for @room), as entries without payload, in @a. */
int store_read_forks(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], struct arena *a,
                     struct store_entry *rows, size_t room, size_t *count, struct err *e) WARN_UNUSED;
#define STORE_FORKS_MAX 64u /* of one case: an author needs to sign that many histories */

#endif
