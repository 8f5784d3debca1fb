/* Published bundles (一件事): a row for each publication and each withdrawal, found by node and code (store.h). What a bundle says
 * stands in its ledger entry alone. Internal to node/store. */
#ifndef TB_STORE_STORE_BUNDLE_H
#define TB_STORE_STORE_BUNDLE_H

#include "node/store/store_reader.h"
#include "node/store/store_writer.h"

#define STORE_ROW_BUNDLE                                                                                               \
    "SELECT b.node, b.code, b.idx, b.version, b.withdrawn, b.status, b.valid_from, b.valid_to, b.name, b.life_event,"  \
    " b.ck, b.pinyin, b.nodes FROM bundle b"

int store_bundle_put_all(struct store_transaction *t, const struct store_batch *b) WARN_UNUSED;
int store_bundle_check(const struct store_bundle *b, struct err *e) WARN_UNUSED;
/* The row that a statement over STORE_ROW_BUNDLE stands on. */
int store_bundle_row(struct store_sql *c, sqlite3_stmt *stmt, struct store_bundle *ret, struct err *e) WARN_UNUSED;

#endif
