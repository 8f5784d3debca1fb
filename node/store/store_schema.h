/* Schemas of the three databases and how they grow.
 *
 * A schema is an append-only array of migrations: entry i brings version i to i + 1. A released entry is never edited,
 * so that every old database walks the same path. The version stands in the file's user_version, the kind of file in
 * its application_id; both change in the transaction of the migration itself.
 *
 * Internal to node/store.
 */
#ifndef TB_STORE_STORE_SCHEMA_H
#define TB_STORE_STORE_SCHEMA_H

#include <stdint.h>

#include "node/store/store_sql.h"

#define STORE_SLOT_EVERYONE 0u
/* The own ledger has the highest row ids, so that its appends are at the end of the B-tree, where SQLite fills pages
 * whole instead of splitting them in halves. */
#define STORE_SLOT_SELF (1u << 20)
#define STORE_SLOT_PEERS_MAX 65536u /* peers ever met; slots are not used again */
#define STORE_INDEX_BITS 40
#define STORE_INDEX_MAX ((UINT64_C(1) << STORE_INDEX_BITS) - 1)
#define STORE_TILE_LEVEL_MAX 7u
#define STORE_FRONTIER_BYTES_MAX 4096u /* 64 hashes of a compact range and what its encoding adds */

struct store_schema {
    uint32_t application_id;
    const char *const *migrations;
    unsigned count; /* = current version */
};

extern const struct store_schema store_schema_ledger;
extern const struct store_schema store_schema_heads;
extern const struct store_schema store_schema_keys;

/* Sets the pragmas of a writing connection, then creates the schema or brings it to the current version. A newer
 * version, or a file of another kind, is ERR_UNSUPPORTED and stays as it is. */
int store_schema_open_writer(struct store_sql *c, const struct store_schema *s, struct err *e) WARN_UNUSED;
/* Sets the pragmas of a reading connection; any other version than the current one is ERR_UNSUPPORTED. */
int store_schema_open_reader(struct store_sql *c, const struct store_schema *s, struct err *e) WARN_UNUSED;

#endif
