/* The row of the store that a ledger entry about a bundle (一件事) gives: made when the entry is stored, and again when the store is
 * verified. Pure; any thread. */
#ifndef TB_NODE_BUNDLE_ROW_H
#define TB_NODE_BUNDLE_ROW_H

#include "catalog/bundle.h"
#include "federation/ledger/leaf.h"
#include "node/store/store.h"

/* Of a bundle that this node is about to publish; the index is left 0. What it is found by besides its texts is made in @mem. */
void bundle_row_make(const struct bundle *b, uint32_t node, struct arena *mem, struct store_bundle *ret);
bool bundle_row_is_about(const struct leaf *leaf); /* a public entry that publishes or withdraws a bundle */
/* @payload: of the entry, as published; @mem as above. What is wrong with it: errors of bundle_parse_published(), ERR_NOT_FOUND "bundle.no-payload",
 * ERR_INVALID "bundle.withdrawal". */
int bundle_row_of_entry(const struct leaf *leaf, struct bytes payload, bool payload_held, struct arena *mem,
                        struct store_bundle *ret, struct err *e) WARN_UNUSED;

#endif
