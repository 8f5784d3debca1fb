/* The reading handle (see store_reader.h): its statements, snapshots, and the slots of nodes.
 *
 * A reader gives its snapshot back before a function of it returns, so that it never holds up the WAL; a scan takes a new
 * one every SCAN_ROWS rows, which is harmless because entries are only ever added.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "node/base/xassert.h"
#include "node/store/store_bundle.h"
#include "node/store/store_due.h"
#include "node/store/store_fact.h"
#include "node/store/store_keys.h"
#include "node/store/store_proof.h"
#include "node/store/store_reader.h"
#include "node/store/store_row.h"

#define SCAN_ROWS "1000"

/* Filters of a case list, all optional: ?1 position, ?2 receiving, ?3 lead, ?4 status, ?5 item code, ?6 rows; and for
 * the list along case_row_item, ?7 the run of cases. */
#define CASE_LIST(from, where)                                                                                         \
    "SELECT " STORE_ROW_CASE_COLUMNS " FROM case_row c " from " LEFT JOIN case_ref r ON r.no = c.no"                   \
    " WHERE c.no < ?1 AND (?2 = 0 OR c.receiving = ?2) AND (?3 = 0 OR c.lead = ?3) AND (?4 = 0 OR c.status = ?4)"      \
    " AND (?5 = '' OR c.item_code = ?5) " where " ORDER BY c.no DESC LIMIT ?6"
#define CASE_PROBE(index, column)                                                                                      \
    "SELECT count(*) FROM (SELECT 1 FROM case_row INDEXED BY " index " WHERE " column " = ?1 LIMIT ?2)"

/* The best ?2 rows that match ?1, in order, each with its item, and with its row id. */
#define SEARCH(where, order)                                                                                           \
    "SELECT " STORE_ROW_ITEM_COLUMNS                                                                                   \
    ", f.no FROM (SELECT rowid AS no FROM item_search WHERE item_search MATCH ?1" where " ORDER BY " order             \
    " LIMIT ?2) f CROSS JOIN item i ON i.json_id = f.no & 0xffffffffff"                                                \
    " JOIN item_json j ON j.id = i.json_id"
static const char *const texts[STORE_READ_COUNT] = {
    [STORE_READ_BEGIN] = "BEGIN",
    [STORE_READ_END] = "COMMIT",
    [STORE_READ_NODES] = "SELECT slot, node FROM node ORDER BY slot",
    [STORE_READ_SLOT] = "SELECT slot FROM node WHERE node = ?1",
    [STORE_READ_ENTRY_LAST] = STORE_ROW_ENTRY " WHERE e.id BETWEEN ?1 AND ?2 ORDER BY e.id DESC LIMIT 1",
    [STORE_READ_ENTRY] = STORE_ROW_ENTRY " WHERE e.id = ?1",
    [STORE_READ_ENTRIES] = STORE_ROW_ENTRY " WHERE e.id BETWEEN ?1 AND ?2 ORDER BY e.id LIMIT " SCAN_ROWS,
    [STORE_READ_CASE_ENTRY_COUNT] = "SELECT count(*) FROM entry WHERE case_no = ?1",
    [STORE_READ_CASE_ENTRIES] = STORE_ROW_ENTRY " WHERE e.case_no = ?1 ORDER BY e.id",
    [STORE_READ_CASE_OF_NODE] = STORE_ROW_ENTRY " WHERE e.case_no = ?1 AND e.id BETWEEN ?2 AND ?3 ORDER BY e.id",
    [STORE_READ_LEAVES] = "SELECT id, hash, leaf FROM entry WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    [STORE_READ_ADDRESSED] = STORE_ROW_ADDRESSED " WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3",
    [STORE_READ_ADDRESSED_LAST] = STORE_ROW_ADDRESSED " WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1",
    [STORE_READ_TILE] = STORE_ROW_TILE " WHERE id = ?1",
    [STORE_READ_REPLICAS] = STORE_ROW_REPLICA " ORDER BY p.slot",
    [STORE_READ_REPLICA_COUNT] = "SELECT count(*) FROM replica",
    [STORE_READ_ACKS] = STORE_ROW_ACK " ORDER BY a.slot",
    [STORE_READ_ACK_COUNT] = "SELECT count(*) FROM ack",
    [STORE_READ_CASE_NO] = "SELECT no FROM case_ref WHERE case_id = ?1",
    [STORE_READ_CASE] = STORE_ROW_CASE " WHERE c.no = ?1",
    [STORE_READ_CASES] = STORE_ROW_CASE " WHERE c.no > ?1 ORDER BY c.no LIMIT " SCAN_ROWS,
    [STORE_READ_CASE_LAST] = "SELECT max(no) FROM case_row",
    [STORE_READ_CASES_BY_ID] = "SELECT " STORE_ROW_CASE_COLUMNS " FROM case_ref r CROSS JOIN case_row c ON c.no = r.no"
                               " WHERE r.case_id BETWEEN ?1 AND ?2 LIMIT 2",
    [STORE_READ_CASES_BY_NUMBER] = STORE_ROW_CASE " WHERE c.number = ?1 AND c.number <> '' LIMIT 2",
    [STORE_READ_CASES_IN_ID_ORDER] =
        "SELECT " STORE_ROW_CASE_COLUMNS ", (SELECT count(*) FROM entry e WHERE e.case_no = r.no)"
        " FROM case_ref r CROSS JOIN case_row c ON c.no = r.no"
        " WHERE r.case_id > ?1 AND r.case_id <= ?2 ORDER BY r.case_id LIMIT ?3",
    [STORE_READ_LIST_ALL] = CASE_LIST("NOT INDEXED", ""),
    [STORE_READ_LIST_ITEM] = CASE_LIST("INDEXED BY case_row_item", "AND c.no >> 10 = ?7 AND c.item_code = ?5"),
    [STORE_READ_LIST_LEAD] = CASE_LIST("INDEXED BY case_row_lead", "AND c.lead = ?3"),
    [STORE_READ_LIST_RECEIVING] = CASE_LIST("INDEXED BY case_row_receiving", "AND c.receiving = ?2"),
    [STORE_READ_LIST_STATUS] = CASE_LIST("INDEXED BY case_row_status", "AND c.status = ?4"),
    [STORE_READ_PROBE_LEAD] = CASE_PROBE("case_row_lead", "lead"),
    [STORE_READ_PROBE_RECEIVING] = CASE_PROBE("case_row_receiving", "receiving"),
    [STORE_READ_PROBE_STATUS] = CASE_PROBE("case_row_status", "status"),
    [STORE_READ_ITEM] = STORE_ROW_ITEM " WHERE i.node = ?1 AND i.code = ?2",
    [STORE_READ_ITEM_NAMES] = "SELECT node, code, name FROM item WHERE (node, code) > (?1, ?2) AND node <= ?3"
                              " AND withdrawn <= ?4 ORDER BY node, code",
    [STORE_READ_ITEM_COUNT] = "SELECT count(*) FILTER (WHERE NOT withdrawn), max(version) FROM item WHERE node = ?1",
    [STORE_READ_ITEM_COUNT_ALL] = "SELECT count(*) FILTER (WHERE NOT withdrawn), max(version) FROM item",
    [STORE_READ_ITEM_VERSIONS] = STORE_ROW_ITEM_VERSION " WHERE node = ?1 AND code = ?2 ORDER BY idx DESC LIMIT ?3",
    [STORE_READ_SEARCH] = SEARCH(" AND rowid > ?3", "rowid"),
    [STORE_READ_SEARCH_SIMILAR] = SEARCH("", "rank"),
    [STORE_READ_SEARCH_COUNT] =
        "SELECT count(*) FROM (SELECT rowid FROM item_search WHERE item_search MATCH ?1 LIMIT ?2)",
    [STORE_READ_REQUEST] = STORE_ROW_REQUEST STORE_ROW_REQUEST_BY_KEY,
    [STORE_READ_REQUEST_KEY_COUNT] = ("SELECT (SELECT count(*) FROM request_key0 WHERE key = ?1 AND no = ?2)"
                                      " + (SELECT count(*) FROM request_key1 WHERE key = ?1 AND no = ?2)"
                                      " + (SELECT count(*) FROM request_key2 WHERE key = ?1 AND no = ?2)"),
    [STORE_READ_COUNTER] = STORE_ROW_COUNTER " WHERE name = ?1",
    [STORE_READ_COVERS] = STORE_ROW_COVER " WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT ?3",
    [STORE_READ_BUNDLE] = STORE_ROW_BUNDLE " WHERE b.node = ?1 AND b.code = ?2 AND b.idx = ?3",
    [STORE_READ_BUNDLES] =
        STORE_ROW_BUNDLE " WHERE (b.node, b.code) > (?1, ?2) AND b.node <= ?3 AND NOT b.withdrawn AND NOT EXISTS"
                         " (SELECT 1 FROM bundle n WHERE n.node = b.node AND n.code = b.code AND n.idx > b.idx)"
                         " AND (?4 = '' OR instr(b.life_event, ?4) > 0) ORDER BY b.node, b.code",
    [STORE_READ_BUNDLE_VERSIONS] = STORE_ROW_BUNDLE " WHERE b.node = ?1 AND b.code = ?2 ORDER BY b.idx DESC LIMIT ?3",
    [STORE_READ_DUE] = STORE_ROW_DUE " WHERE r.case_id = ?1",
    [STORE_READ_DUES] = STORE_ROW_DUE " WHERE d.due < ?1 AND (?2 = 0 OR d.kind = ?2) AND (?3 = 0 OR d.lead = ?3)"
                                      " ORDER BY d.due, d.no LIMIT ?4 OFFSET ?5",
    [STORE_READ_DUE_COUNT] =
        "SELECT count(*) FILTER (WHERE due < ?1), count(*) FILTER (WHERE due >= ?1 AND warn <= ?1),"
        " count(*) FROM due",
    [STORE_READ_FACT] = STORE_ROW_FACT " WHERE kind = ?1 AND key = ?2",
    [STORE_READ_FACTS] = STORE_ROW_FACT " WHERE kind = ?1 AND key BETWEEN ?2 AND ?3 ORDER BY key LIMIT ?4",
};

int store_reader_open(const char *dir, struct store_reader **ret, struct err *e)
{
    struct store_reader *r = xcalloc(1, sizeof *r);
    /* Not SQLITE_OPEN_READONLY: a reader of a WAL database takes part in its shared memory. query_only does the rest. */
    int rc = store_sql_open(&r->sql, dir, "ledger.db", SQLITE_OPEN_READWRITE, texts, STORE_READ_COUNT, e);
    if (rc == 0)
        rc = store_schema_open_reader(&r->sql, &store_schema_ledger, e);
    if (rc != 0) {
        store_reader_close(r);
        return rc;
    }
    r->dir = xstrdup(dir);
    *ret = r;
    return 0;
}

void store_reader_close(struct store_reader *r)
{
    if (r == NULL)
        return;
    /* Checkpoints belong to the writer; a reader that leaves last must not start one either. */
    store_sql_close(&r->sql, false);
    store_sql_close(&r->keys, false);
    store_sql_close(&r->heads, false);
    free(r->dir);
    free(r);
}

void store_reader_cancel_by(struct store_reader *r, const atomic_bool *cancel)
{
    struct store_sql *all[] = {&r->sql, &r->keys, &r->heads};
    r->cancel = cancel; /* for those that are opened later */
    for (size_t i = 0; i < array_count(all); i++)
        if (all[i]->db != NULL)
            store_sql_cancel_by(all[i], cancel);
}

int store_reader_open_beside(struct store_reader *r, struct store_sql *c, const char *name,
                             const char *const *statements, size_t count, const struct store_schema *schema,
                             struct err *e)
{
    if (c->db != NULL)
        return 0;
    int rc = store_sql_open(c, r->dir, name, SQLITE_OPEN_READWRITE, statements, count, e);
    if (rc != 0)
        return rc;
    rc = store_schema_open_reader(c, schema, e);
    if (rc != 0)
        store_sql_close(c, false);
    else if (r->cancel != NULL)
        store_sql_cancel_by(c, r->cancel);
    return rc;
}

int store_reader_get(struct store_reader *r, enum store_read_stmt id, sqlite3_stmt **ret, struct err *e)
{
    return store_sql_get(&r->sql, id, ret, e);
}

int store_reader_begin(struct store_reader *r, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    if (r->depth > 0) {
        r->depth++;
        return 0;
    }
    int rc = store_reader_get(r, STORE_READ_BEGIN, &stmt, e);
    if (rc == 0)
        rc = store_sql_run(&r->sql, stmt, e);
    r->depth = rc == 0;
    return rc;
}

void store_reader_end(struct store_reader *r)
{
    sqlite3_stmt *stmt = NULL;
    if (--r->depth > 0)
        return;
    store_keys_read_end(r);
    int rc = store_reader_get(r, STORE_READ_END, &stmt, NULL);
    if (rc == 0)
        rc = store_sql_run(&r->sql, stmt, NULL);
    (void)rc; /* fails only after an error that ended the transaction by itself, or when cancelled, before the close */
}

int store_read_begin(struct store_reader *r, struct err *e)
{
    int rc = store_reader_begin(r, e);
    if (rc == 0 && r->depth == 1)
        store_keys_read_begin(r);
    return rc;
}

void store_read_end(struct store_reader *r)
{
    store_reader_end(r);
}

int store_reader_find_slot(struct store_reader *r, uint32_t node, uint64_t *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, STORE_READ_SLOT, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, node);
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1)
        *ret = store_sql_u64(stmt, 0);
    store_sql_done(stmt);
    if (rc < 0)
        return rc;
    return rc == 1 ? 0 : err_set(e, ERR_NOT_FOUND, "store.no-node", "nothing is stored of node %" PRIu32, node);
}
