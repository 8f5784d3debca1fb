/* Inside of a reading handle, shared by store_read_state.c (where the ledgers stand), store_read.c (their rows), store_list.c (cases,
 * items) and whoever else reads.
 *
 * Internal to node/store. One thread per handle.
 */
#ifndef TB_STORE_STORE_READER_H
#define TB_STORE_STORE_READER_H

#include "node/store/store.h"
#include "node/store/store_schema.h"
#include "node/store/store_sql.h"

/* Statements of a reading connection; texts in store_reader.c. */
enum store_read_stmt {
    STORE_READ_BEGIN,
    STORE_READ_END,
    STORE_READ_NODES,
    STORE_READ_SLOT,
    STORE_READ_ENTRY_LAST,
    STORE_READ_ENTRY,
    STORE_READ_ENTRIES,
    STORE_READ_CASE_ENTRY_COUNT,
    STORE_READ_CASE_ENTRIES,
    STORE_READ_CASE_OF_NODE,
    STORE_READ_LEAVES,
    STORE_READ_ADDRESSED,
    STORE_READ_ADDRESSED_LAST,
    STORE_READ_TILE,
    STORE_READ_REPLICAS,
    STORE_READ_REPLICA_COUNT,
    STORE_READ_ACKS,
    STORE_READ_ACK_COUNT,
    STORE_READ_CASE_NO,
    STORE_READ_CASE,
    STORE_READ_CASES,
    STORE_READ_CASE_LAST,
    STORE_READ_CASES_BY_ID,
    STORE_READ_CASES_BY_NUMBER,
    STORE_READ_CASES_IN_ID_ORDER,
    STORE_READ_LIST_ALL, /* the next five, and the probes after them, in the order of enum list_key (store_list.c) */
    STORE_READ_LIST_ITEM,
    STORE_READ_LIST_LEAD,
    STORE_READ_LIST_RECEIVING,
    STORE_READ_LIST_STATUS,
    STORE_READ_PROBE_LEAD,
    STORE_READ_PROBE_RECEIVING,
    STORE_READ_PROBE_STATUS,
    STORE_READ_ITEM,
    STORE_READ_ITEM_NAMES,
    STORE_READ_ITEM_COUNT,
    STORE_READ_ITEM_COUNT_ALL,
    STORE_READ_ITEM_VERSIONS,
    STORE_READ_SEARCH,
    STORE_READ_SEARCH_SIMILAR,
    STORE_READ_SEARCH_COUNT,
    STORE_READ_REQUEST,
    STORE_READ_REQUEST_KEY_COUNT,
    STORE_READ_COUNTER,
    STORE_READ_COVERS,
    STORE_READ_BUNDLE,
    STORE_READ_BUNDLES,
    STORE_READ_BUNDLE_VERSIONS,
    STORE_READ_DUE,
    STORE_READ_DUES,
    STORE_READ_DUE_COUNT,
    STORE_READ_FACT,
    STORE_READ_FACTS,
    STORE_READ_COUNT
};

struct store_reader {
    struct store_sql sql;
    struct store_sql keys;     /* closed until a key is read (store_keys.c) */
    struct store_sql heads;    /* closed until a witness row is read (store_heads.c) */
    char *dir;                 /* owned */
    unsigned depth;            /* of store_reader_begin() */
    bool keys_begun;           /* store_keys_read_begin() */
    const atomic_bool *cancel; /* store_reader_cancel_by(); borrowed, may be NULL */
};

/* Opens one of the databases beside ledger.db into @c, a member of @r; nothing when it is open. After an error it is closed. */
int store_reader_open_beside(struct store_reader *r, struct store_sql *c, const char *name,
                             const char *const *statements, size_t count, const struct store_schema *schema,
                             struct err *e) WARN_UNUSED;

/* Statement @id, ready to bind. */
int store_reader_get(struct store_reader *r, enum store_read_stmt id, sqlite3_stmt **ret, struct err *e) WARN_UNUSED;

/* Slot of @node; ERR_NOT_FOUND when this store has never met it. */
int store_reader_find_slot(struct store_reader *r, uint32_t node, uint64_t *ret, struct err *e) WARN_UNUSED;

/* One snapshot for several statements; may be nested. The end always succeeds: there is nothing to write. */
int store_reader_begin(struct store_reader *r, struct err *e) WARN_UNUSED;
void store_reader_end(struct store_reader *r);

#endif
