/* Reading: ledger entries, tiles, what is held of peers, requests and counters (see store.h).
 *
 * Each function sees one snapshot and gives it back before it returns, so that a reader never holds up the WAL; a scan
 * takes a new snapshot every SCAN_ROWS rows, which is harmless because entries are only ever added.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/store/store_fact.h"
#include "node/store/store_keys.h"
#include "node/store/store_reader.h"
#include "node/store/store_proof.h"
#include "node/store/store_bundle.h"
#include "node/store/store_due.h"
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
    (void)rc; /* fails only after an error that ended the transaction by itself */
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

static uint64_t first_id(uint64_t slot)
{
    return store_row_id((uint32_t)slot, 0);
}

static uint64_t last_id(uint64_t slot)
{
    return store_row_id((uint32_t)slot, STORE_INDEX_MAX);
}

/* ---- state of the ledgers ---- */

static int read_own_end(struct store_reader *r, struct store_ledger_state *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, STORE_READ_ENTRY_LAST, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, first_id(STORE_SLOT_SELF));
    store_sql_bind_u64(stmt, 2, last_id(STORE_SLOT_SELF));
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1) {
        struct store_entry last;
        rc = store_row_entry(&r->sql, stmt, &last, e);
        if (rc == 0) {
            ret->size = last.index + 1;
            ret->hlc_max = last.leaf.size >= 30 ? get_be64(last.leaf.data + 22) : 0; /* leaf format: offset 22 */
        }
    }
    store_sql_done(stmt);
    return rc;
}

static int read_recipients(struct store_reader *r, struct arena *a, struct store_ledger_state *ret, struct err *e)
{
    sqlite3_stmt *nodes = NULL, *last = NULL;
    size_t capacity = 0;
    int rc = store_reader_get(r, STORE_READ_NODES, &nodes, e);
    if (rc != 0)
        return rc;
    while ((rc = store_sql_step(&r->sql, nodes, e)) == 1) {
        uint64_t slot = store_sql_u64(nodes, 0);
        rc = store_reader_get(r, STORE_READ_ADDRESSED_LAST, &last, e);
        if (rc != 0)
            break;
        store_sql_bind_u64(last, 1, first_id(slot));
        store_sql_bind_u64(last, 2, last_id(slot));
        rc = store_sql_step(&r->sql, last, e);
        if (rc < 0)
            break;
        if (rc == 0)
            continue;
        if (ret->recipient_count == capacity) {
            struct store_addressed *old = ret->recipients;
            capacity = capacity == 0 ? 32 : 2 * capacity;
            ret->recipients = arena_alloc(a, capacity * sizeof *old);
            if (old != NULL)
                memcpy(ret->recipients, old, ret->recipient_count * sizeof *old);
        }
        rc = store_row_addressed(&r->sql, last, (uint32_t)store_sql_u64(nodes, 1),
                                 &ret->recipients[ret->recipient_count++], e);
        if (rc != 0)
            break;
    }
    store_sql_done(last);
    store_sql_done(nodes);
    return rc;
}

/* Number of rows of a table inside the current snapshot. */
static int read_count(struct store_reader *r, enum store_read_stmt id, size_t *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, id, &stmt, e);
    if (rc != 0)
        return rc;
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1)
        *ret = (size_t)store_sql_u64(stmt, 0);
    store_sql_done(stmt);
    return rc < 0 ? rc : 0;
}

static int read_replicas(struct store_reader *r, struct arena *a, struct store_ledger_state *ret, struct err *e)
{
    size_t count = 0;
    sqlite3_stmt *stmt = NULL;
    int rc = read_count(r, STORE_READ_REPLICA_COUNT, &count, e);
    if (rc == 0)
        rc = store_reader_get(r, STORE_READ_REPLICAS, &stmt, e);
    if (rc != 0)
        return rc;
    ret->replicas = arena_alloc(a, count * sizeof *ret->replicas);
    while (ret->replica_count < count && (rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        struct store_replica *row = &ret->replicas[ret->replica_count];
        rc = store_row_replica(&r->sql, stmt, row, e);
        if (rc != 0)
            break;
        row->frontier = arena_bytes(a, row->frontier);
        row->note = arena_bytes(a, row->note);
        ret->replica_count++;
    }
    store_sql_done(stmt);
    for (size_t i = 0; rc >= 0 && i < ret->replica_count; i++)
        rc = store_fact_read_confirmed(r, a, &ret->replicas[i], e);
    return rc < 0 ? rc : 0;
}

static int read_acks(struct store_reader *r, struct arena *a, struct store_ledger_state *ret, struct err *e)
{
    size_t count = 0;
    sqlite3_stmt *stmt = NULL;
    int rc = read_count(r, STORE_READ_ACK_COUNT, &count, e);
    if (rc == 0)
        rc = store_reader_get(r, STORE_READ_ACKS, &stmt, e);
    if (rc != 0)
        return rc;
    ret->acks = arena_alloc(a, count * sizeof *ret->acks);
    while (ret->ack_count < count && (rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        rc = store_row_ack(&r->sql, stmt, &ret->acks[ret->ack_count], e);
        if (rc != 0)
            break;
        ret->ack_count++;
    }
    store_sql_done(stmt);
    return rc < 0 ? rc : 0;
}

int store_read_ledger_state(struct store_reader *r, struct arena *a, struct store_ledger_state *ret, struct err *e)
{
    struct store_ledger_state state = {.size = 0};
    int rc = store_reader_begin(r, e);
    if (rc != 0)
        return rc;
    rc = read_own_end(r, &state, e);
    if (rc == 0)
        rc = read_recipients(r, a, &state, e);
    if (rc == 0)
        rc = read_replicas(r, a, &state, e);
    if (rc == 0)
        rc = read_acks(r, a, &state, e);
    store_reader_end(r);
    if (rc == 0)
        *ret = state;
    return rc;
}

/* ---- entries ---- */

static void keep_entry(struct arena *a, struct store_entry *entry)
{
    entry->leaf = arena_bytes(a, entry->leaf);
    entry->payload = arena_bytes(a, entry->payload);
}

int store_read_tile(struct store_reader *r, uint8_t level, uint64_t number, uint8_t ret_hashes[8192], struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct bytes hashes;
    int rc = store_reader_get(r, STORE_READ_TILE, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, store_row_tile_id(level, number));
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1) {
        rc = store_row_tile(&r->sql, stmt, &hashes, e);
        if (rc == 0)
            memcpy(ret_hashes, hashes.data, 8192);
    } else if (rc == 0) {
        rc = err_set(e, ERR_NOT_FOUND, "store.no-tile", "no tile (%u, %" PRIu64 ")", level, number);
    }
    store_sql_done(stmt);
    return rc;
}

int store_read_entry(struct store_reader *r, uint32_t origin, uint64_t index, struct arena *a, struct store_entry *ret,
                     struct err *e)
{
    uint64_t slot = 0;
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_find_slot(r, origin, &slot, e);
    if (rc == 0 && index > STORE_INDEX_MAX)
        rc = err_set(e, ERR_NOT_FOUND, "store.no-entry", "no entry (%" PRIu32 ", %" PRIu64 ")", origin, index);
    if (rc == 0)
        rc = store_reader_get(r, STORE_READ_ENTRY, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, store_row_id((uint32_t)slot, index));
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1) {
        struct store_entry entry;
        rc = store_row_entry(&r->sql, stmt, &entry, e);
        if (rc == 0) {
            keep_entry(a, &entry);
            *ret = entry;
        }
    } else if (rc == 0) {
        rc = err_set(e, ERR_NOT_FOUND, "store.no-entry", "no entry (%" PRIu32 ", %" PRIu64 ")", origin, index);
    }
    store_sql_done(stmt);
    return rc;
}

int store_read_leaf_hashes(struct store_reader *r, uint64_t from, uint64_t count, uint8_t *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    if (count == 0)
        return 0;
    if (from > STORE_INDEX_MAX || count > STORE_INDEX_MAX - from)
        return err_set(e, ERR_LIMIT, "store.limit", "leaf hashes from %" PRIu64 ", count %" PRIu64 ": limit %" PRIu64,
                       from, count, STORE_INDEX_MAX);
    int rc = store_reader_get(r, STORE_READ_LEAVES, &stmt, e);
    if (rc != 0)
        return rc;
    uint64_t id = store_row_id(STORE_SLOT_SELF, from);
    store_sql_bind_u64(stmt, 1, id);
    store_sql_bind_u64(stmt, 2, id + count - 1);

    uint64_t done = 0;
    while ((rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        uint8_t hash[32];
        store_row_leaf_hash(store_sql_bytes(stmt, 2), hash);
        if (store_sql_u64(stmt, 0) != id + done)
            break;
        if (!bytes_equal(store_sql_bytes(stmt, 1), bytes_of(hash, sizeof hash))) {
            rc = store_row_corrupt(&r->sql, "entry", id + done, e);
            break;
        }
        memcpy(ret + 32 * done++, hash, sizeof hash);
    }
    store_sql_done(stmt);
    if (rc >= 0 && done < count)
        return err_set(e, ERR_CORRUPT, "store.gap", "ledger.db: own entry %" PRIu64 " is missing", from + done);
    return rc < 0 ? rc : 0;
}

int store_read_addressed(struct store_reader *r, uint32_t recipient, uint64_t from, size_t limit, struct arena *a,
                         struct store_addressed **ret, size_t *ret_count, struct err *e)
{
    uint64_t slot = 0;
    size_t count = 0;
    struct store_addressed *rows = NULL;
    sqlite3_stmt *stmt = NULL;
    struct err absent = {0};
    if (limit > BATCH_LEAVES_MAX)
        return err_set(e, ERR_LIMIT, "store.limit", "%zu addressed entries asked for, limit %u", limit,
                       BATCH_LEAVES_MAX);
    int rc = store_reader_find_slot(r, recipient, &slot, &absent);
    if (rc == ERR_NOT_FOUND || (rc == 0 && from > STORE_INDEX_MAX)) { /* nothing was ever addressed there */
        rc = 0;
        goto out;
    }
    if (rc != 0) {
        if (e != NULL)
            *e = absent;
        return rc;
    }
    rc = store_reader_get(r, STORE_READ_ADDRESSED, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, store_row_id((uint32_t)slot, from));
    store_sql_bind_u64(stmt, 2, last_id(slot));
    store_sql_bind_u64(stmt, 3, limit);
    rows = arena_alloc(a, limit * sizeof *rows);
    while (count < limit && (rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        rc = store_row_addressed(&r->sql, stmt, recipient, &rows[count], e);
        if (rc != 0)
            break;
        count++;
    }
    store_sql_done(stmt);
    if (rc < 0)
        return rc;
out:
    *ret = rows;
    *ret_count = count;
    return 0;
}

static int compare_entries(const void *a, const void *b)
{
    const struct store_entry *x = a, *y = b;
    if (x->origin != y->origin)
        return x->origin < y->origin ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Number of a case, 0 when it is not here. */
static int find_case_no(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], uint64_t *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, STORE_READ_CASE_NO, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_bytes(stmt, 1, bytes_of(case_id, STORE_CASE_ID_SIZE));
    rc = store_sql_step(&r->sql, stmt, e);
    *ret = rc == 1 ? store_sql_u64(stmt, 0) : 0;
    store_sql_done(stmt);
    return rc < 0 ? rc : 0;
}

/* Rows come by ledger and index. False for those over the limits of a case, which the fold leaves out. */
static bool counts_in_case(const struct store_entry *rows, size_t done, const struct store_entry *next)
{
    size_t of_author = 0, authors = 0;
    for (size_t i = done; i-- > 0 && rows[i].origin == next->origin;)
        of_author++;
    if (of_author > 0)
        return of_author < CASE_EVENTS_PER_NODE_MAX;
    for (size_t i = 0; i < done; i++)
        authors += i == 0 || rows[i].origin != rows[i - 1].origin;
    return authors < CASE_NODES_MAX;
}

/* Inside one snapshot: first the number, then the rows. */
static int read_case_entries(struct store_reader *r, uint64_t case_no, const uint8_t case_id[STORE_CASE_ID_SIZE],
                             struct arena *a, struct store_entry **ret, size_t *ret_count, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    size_t count = 0, done = 0;
    int rc = store_reader_get(r, STORE_READ_CASE_ENTRY_COUNT, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, case_no);
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1)
        count = (size_t)store_sql_u64(stmt, 0);
    store_sql_done(stmt);
    if (rc < 0)
        return rc;

    rc = store_reader_get(r, STORE_READ_CASE_ENTRIES, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, case_no);
    size_t room = min_of(count, (size_t)CASE_EVENTS_MAX) + STORE_FORKS_MAX;
    struct store_entry *rows = arena_alloc(a, room * sizeof *rows);
    while (count-- > 0 && (rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        struct store_entry row;
        rc = store_row_entry(&r->sql, stmt, &row, e);
        if (rc != 0)
            break;
        if (!counts_in_case(rows, done, &row))
            continue;
        rows[done] = row;
        keep_entry(a, &rows[done++]);
    }
    store_sql_done(stmt);
    if (rc >= 0)
        rc = store_read_forks(r, case_id, a, rows, room, &done, e);
    if (rc < 0)
        return rc;
    qsort(rows, done, sizeof *rows, compare_entries);
    *ret = rows;
    *ret_count = done;
    return 0;
}

int store_read_case_entries(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], struct arena *a,
                            struct store_entry **ret, size_t *ret_count, struct err *e)
{
    uint64_t case_no = 0;
    struct store_entry *rows = NULL;
    size_t count = 0;
    int rc = store_reader_begin(r, e);
    if (rc != 0)
        return rc;
    rc = find_case_no(r, case_id, &case_no, e);
    if (rc == 0 && case_no != 0)
        rc = read_case_entries(r, case_no, case_id, a, &rows, &count, e);
    store_reader_end(r);
    if (rc == 0) {
        *ret = rows;
        *ret_count = count;
    }
    return rc;
}

int store_scan_case(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], uint32_t origin, uint64_t from,
                    int (*cb)(void *ctx, const struct store_entry *entry, struct err *e), void *ctx, struct err *e)
{
    uint64_t slot = 0, case_no = 0;
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_find_slot(r, origin, &slot, e);
    if (rc == 0)
        rc = find_case_no(r, case_id, &case_no, e);
    if (rc == ERR_NOT_FOUND || (rc == 0 && (case_no == 0 || from > STORE_INDEX_MAX)))
        return 0;
    if (rc == 0)
        rc = store_reader_get(r, STORE_READ_CASE_OF_NODE, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, case_no);
    store_sql_bind_u64(stmt, 2, store_row_id((uint32_t)slot, from));
    store_sql_bind_u64(stmt, 3, last_id(slot));
    while ((rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        struct store_entry entry;
        rc = store_row_entry(&r->sql, stmt, &entry, e);
        if (rc == 0)
            rc = cb(ctx, &entry, e);
        if (rc != 0)
            break;
    }
    store_sql_done(stmt);
    return rc;
}

int store_scan_entries(struct store_reader *r, uint32_t origin, uint64_t from,
                       int (*cb)(void *ctx, const struct store_entry *entry, struct err *e), void *ctx, struct err *e)
{
    uint64_t slot = 0;
    struct err absent = {0};
    int rc = store_reader_find_slot(r, origin, &slot, &absent);
    if (rc == ERR_NOT_FOUND || (rc == 0 && from > STORE_INDEX_MAX))
        return 0;
    if (rc != 0) {
        if (e != NULL)
            *e = absent;
        return rc;
    }
    uint64_t next = store_row_id((uint32_t)slot, from);
    for (bool more = true; more;) {
        sqlite3_stmt *stmt = NULL;
        rc = store_reader_get(r, STORE_READ_ENTRIES, &stmt, e);
        if (rc != 0)
            return rc;
        store_sql_bind_u64(stmt, 1, next);
        store_sql_bind_u64(stmt, 2, last_id(slot));
        more = false;
        while ((rc = store_sql_step(&r->sql, stmt, e)) == 1) {
            struct store_entry entry;
            rc = store_row_entry(&r->sql, stmt, &entry, e);
            if (rc == 0)
                rc = cb(ctx, &entry, e);
            if (rc != 0)
                break;
            next = store_row_id((uint32_t)slot, entry.index) + 1;
            more = entry.index < STORE_INDEX_MAX;
        }
        store_sql_done(stmt);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- requests and counters ---- */

int store_read_request(struct store_reader *r, const uint8_t key_hash[32], struct store_request *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, STORE_READ_REQUEST, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, store_row_request_key(key_hash));
    store_sql_bind_bytes(stmt, 2, bytes_of(key_hash, 32));
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1)
        rc = store_row_request(&r->sql, stmt, ret, e);
    else if (rc == 0)
        rc = err_set(e, ERR_NOT_FOUND, "store.no-request", "the request key has not been used");
    store_sql_done(stmt);
    return rc;
}

int store_read_counter(struct store_reader *r, const char *name, uint64_t *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct store_counter counter = {.value = 0};
    int rc = store_reader_get(r, STORE_READ_COUNTER, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_text(stmt, 1, name);
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1)
        rc = store_row_counter(&r->sql, stmt, &counter, e);
    store_sql_done(stmt);
    if (rc == 0)
        *ret = counter.value;
    return rc;
}
