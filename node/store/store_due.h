/* What is due in which case: one row a case, the next deadline (store.h). Internal to node/store. */
#ifndef TB_STORE_STORE_DUE_H
#define TB_STORE_STORE_DUE_H

#include "node/store/store_reader.h"
#include "node/store/store_writer.h"

#define STORE_ROW_DUE                                                                                                  \
    "SELECT d.no, d.due, d.warn, d.kind, d.lead, d.provisional, d.ck, r.case_id"                                       \
    " FROM due d LEFT JOIN case_ref r ON r.no = d.no"

int store_due_put_all(struct store_transaction *t, const struct store_batch *b) WARN_UNUSED;
/* The row that a statement over STORE_ROW_DUE stands on. */
int store_due_row(struct store_sql *c, sqlite3_stmt *stmt, struct store_due *ret, struct err *e) WARN_UNUSED;

#endif
