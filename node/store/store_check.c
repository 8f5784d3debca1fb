/* store_check(): what the engine and this folder can say about the files alone (see store.h).
 *
 * Page structure and indexes first (SQLite's integrity_check), then every row through the decoders of store_row.c,
 * which compare check values, and what must hold between rows: the own ledger and each recipient's stream without
 * gaps, tiles without gaps, the number of cases, no content of an erased case, heads.db not ahead of ledger.db. The rows
 * of heads.db and keys.db come first, each in a snapshot of its own. Whether the tree's root is the
 * signed one is the verifier's business, above this folder.
 *
 * All tables are walked in one snapshot, because rows of one are compared with rows of others. A writer at work
 * meanwhile goes on; its WAL grows until the check is over.
 */
#include <inttypes.h>
#include <string.h>

#include "node/base/xassert.h"
#include "node/store/store_fact.h"
#include "node/store/store_bundle.h"
#include "node/store/store_due.h"
#include "node/store/store_heads.h"
#include "node/store/store_keys.h"
#include "node/store/store_proof.h"
#include "node/store/store_reader.h"
#include "node/store/store_row.h"

/* Carried from row to row of one table. */
struct walk {
    struct store_reader *r;
    uint64_t own_size; /* own entries seen */
    uint64_t last_id;  /* id of the row before, in tables that have one */
    uint64_t last_seq;
    uint64_t row_count;
};

static int gap(struct err *e, const char *what, uint64_t value, uint64_t expected)
{
    return err_set(e, ERR_CORRUPT, "store.gap", "ledger.db: %s %" PRIu64 " stands where %" PRIu64 " belongs", what,
                   value, expected);
}

static int visit_entry(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    struct store_entry entry;
    int rc = store_row_entry(&w->r->sql, stmt, &entry, e);
    if (rc != 0)
        return rc;
    if (store_sql_u64(stmt, 0) >> STORE_INDEX_BITS != STORE_SLOT_SELF)
        return 0;
    if (entry.index != w->own_size)
        return gap(e, "own entry", entry.index, w->own_size);
    w->own_size++;
    return 0;
}

static int visit_addressed(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    struct store_addressed row;
    uint64_t id = store_sql_u64(stmt, 0);
    uint64_t slot = id >> STORE_INDEX_BITS;
    if (slot != w->last_id >> STORE_INDEX_BITS)
        w->last_seq = 0;
    w->last_id = id;
    int rc = store_row_addressed(&w->r->sql, stmt, 0, &row, e);
    if (rc != 0)
        return rc;
    if (row.seq != w->last_seq + 1)
        return gap(e, "addressed seq", row.seq, w->last_seq + 1);
    if (row.index >= w->own_size)
        return err_set(e, ERR_CORRUPT, "store.gap", "ledger.db: own entry %" PRIu64 " is addressed but not there",
                       row.index);
    w->last_seq = row.seq;
    return 0;
}

static int visit_tile(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    struct bytes hashes;
    uint64_t id = store_sql_u64(stmt, 0);
    uint64_t expected = w->row_count > 0 && id >> 48 == w->last_id >> 48 ? w->last_id + 1 : id >> 48 << 48;
    w->last_id = id;
    int rc = store_row_tile(&w->r->sql, stmt, &hashes, e);
    return rc == 0 && id != expected ? gap(e, "tile", id, expected) : rc;
}

static int visit_replica(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    struct store_replica row;
    return store_row_replica(&w->r->sql, stmt, &row, e);
}

static int visit_ack(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    struct store_ack row;
    return store_row_ack(&w->r->sql, stmt, &row, e);
}

static int visit_case(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    struct store_case row;
    return store_row_case(&w->r->sql, stmt, &row, e);
}

static int visit_item(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    struct store_item row;
    return store_row_item(&w->r->sql, stmt, &row, e);
}

static int visit_item_version(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    struct store_item_version row;
    return store_row_item_version(&w->r->sql, stmt, &row, e);
}

/* The key must lead to the row exactly once, or the same request could be taken twice. */
static int check_request_key(struct walk *w, const struct store_request *row, uint64_t no, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(w->r, STORE_READ_REQUEST_KEY_COUNT, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, store_row_request_key(row->key_hash));
    store_sql_bind_u64(stmt, 2, no);
    rc = store_sql_step(&w->r->sql, stmt, e);
    uint64_t count = rc == 1 ? store_sql_u64(stmt, 0) : 0;
    store_sql_done(stmt);
    if (rc < 0)
        return rc;
    return count == 1 ? 0
                      : err_set(e, ERR_CORRUPT, "store.counts",
                                "ledger.db: the key of request %" PRIu64 " leads to it %" PRIu64 " times", no, count);
}

static int visit_request(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    struct store_request row;
    uint64_t no = store_sql_u64(stmt, 0);
    int rc = store_row_request(&w->r->sql, stmt, &row, e);
    if (rc == 0 && (row.first_index > w->own_size || row.count > w->own_size - row.first_index))
        rc = err_set(e, ERR_CORRUPT, "store.gap",
                     "ledger.db: request %" PRIu64 " made entries up to %" PRIu64 ", the ledger has %" PRIu64, no,
                     row.first_index + row.count, w->own_size);
    return rc == 0 ? check_request_key(w, &row, no, e) : rc;
}

static int visit_counter(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    struct store_counter row;
    return store_row_counter(&w->r->sql, stmt, &row, e);
}

static int visit_fact(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    struct bytes key, value;
    uint64_t kind = store_sql_u64(stmt, 0);
    int rc = store_fact_row(&w->r->sql, stmt, &key, &value, e);
    return rc == 0 && !store_fact_has_form(kind, key, value) ? store_row_corrupt(&w->r->sql, "fact", kind, e) : rc;
}

static int visit_cover(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    struct store_cover row;
    return store_cover_row(&w->r->sql, stmt, &row, e);
}

static int visit_bundle(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    struct store_bundle row;
    return store_bundle_row(&w->r->sql, stmt, &row, e);
}

static int visit_due(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    struct store_due row;
    return store_due_row(&w->r->sql, stmt, &row, e);
}

/* Content is its entry's, whose check value covers it, or it was destroyed and is nothing but zeros. */
static int visit_content(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    bool is_used = sqlite3_column_type(stmt, 2) != SQLITE_NULL && store_sql_u64(stmt, 2) == store_sql_u64(stmt, 0);
    struct bytes body = store_sql_bytes(stmt, 1);
    bool is_zero = body.size > 0 && body.data[0] == 0 && memcmp(body.data, body.data + 1, body.size - 1) == 0;
    return is_used || is_zero ? 0 : store_row_corrupt(&w->r->sql, "content", store_sql_u64(stmt, 0), e);
}

/* Tables in the order of checking: entries first, they give the size that others are compared with. */
static const struct {
    const char *sql;
    int (*visit)(struct walk *w, sqlite3_stmt *stmt, struct err *e);
} tables[] = {
    {STORE_ROW_ENTRY " ORDER BY e.id", visit_entry},
    {"SELECT b.no, b.body, e.content FROM content b LEFT JOIN entry e ON e.id = b.entry ORDER BY b.no", visit_content},
    {STORE_ROW_ADDRESSED " ORDER BY id", visit_addressed},
    {STORE_ROW_TILE " ORDER BY id", visit_tile},
    {STORE_ROW_REPLICA " ORDER BY p.slot", visit_replica},
    {STORE_ROW_ACK " ORDER BY a.slot", visit_ack},
    {STORE_ROW_CASE " ORDER BY c.no", visit_case},
    {STORE_ROW_ITEM " ORDER BY i.node, i.code", visit_item},
    {STORE_ROW_ITEM_VERSION " ORDER BY node, code, idx", visit_item_version},
    {STORE_ROW_REQUEST " ORDER BY no", visit_request},
    {STORE_ROW_COUNTER " ORDER BY name", visit_counter},
    {STORE_ROW_FACT " ORDER BY kind, key", visit_fact},
    {STORE_ROW_COVER " ORDER BY id", visit_cover},
    {STORE_ROW_DUE " ORDER BY d.no", visit_due},
    {STORE_ROW_BUNDLE " ORDER BY b.node, b.code, b.idx", visit_bundle},
};

static int walk_table(struct walk *w, size_t table, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    w->last_id = 0;
    w->last_seq = 0;
    w->row_count = 0;
    int rc = sqlite3_prepare_v2(w->r->sql.db, tables[table].sql, -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return store_sql_error(&w->r->sql, rc, "check", e);
    while ((rc = store_sql_step(&w->r->sql, stmt, e)) == 1) {
        rc = tables[table].visit(w, stmt, e);
        if (rc != 0)
            break;
        w->row_count++;
    }
    sqlite3_finalize(stmt);
    return rc;
}

/* Numbers that two tables must agree on, or a table and its look-up table. */
static int check_counts(struct store_reader *r, struct err *e)
{
    static const struct {
        const char *what;
        const char *sql;
    } differences[] = {
        {"rows of item_json without an item, or the reverse",
         "SELECT (SELECT count(*) FROM item) <> (SELECT count(*) FROM item_json)"},
        {"items whose version in force is not among their versions (table item_version)",
         "SELECT count(*) FROM item i WHERE EXISTS (SELECT 1 FROM item_version v WHERE v.node = i.node AND v.code = "
         "i.code)"
         " AND NOT EXISTS"
         " (SELECT 1 FROM item_version v WHERE v.node = i.node AND v.code = i.code AND v.idx = i.idx)"},
        {"bundles without the entry that published them",
         "SELECT count(*) FROM bundle b WHERE NOT EXISTS"
         " (SELECT 1 FROM node n JOIN entry e ON e.id = (n.slot << 40) + b.idx WHERE n.node = b.node)"},
        {"cases that the counter does not know, or the reverse",
         "SELECT (SELECT count(*) FROM case_row) <> (SELECT value FROM meta WHERE key = 'case_count')"},
        {"keys of requests without a request, or the reverse",
         "SELECT (SELECT count(*) FROM request_key0) + (SELECT count(*) FROM request_key1)"
         " + (SELECT count(*) FROM request_key2) <> (SELECT count(*) FROM request)"},
        {"cases without an entry or a row",
         "SELECT count(*) FROM case_ref r WHERE NOT EXISTS (SELECT 1 FROM entry e WHERE e.case_no = r.no)"
         " AND NOT EXISTS (SELECT 1 FROM case_row c WHERE c.no = r.no)"},
        {"erasures that are not done and not listed as open, or the reverse",
         "SELECT (SELECT count(*) FROM fact o WHERE o.kind = 4 AND NOT EXISTS (SELECT 1 FROM fact f"
         "  WHERE f.kind = 3 AND f.key = o.key AND substr(f.value, 1, 1) <> x'02'))"
         " + (SELECT count(*) FROM fact f WHERE f.kind = 3 AND substr(f.value, 1, 1) <> x'02' AND NOT EXISTS"
         "  (SELECT 1 FROM fact o WHERE o.kind = 4 AND o.key = f.key))"},
        {"cases with content that this node has erased",
         "SELECT count(*) FROM meta m JOIN fact f ON f.kind = 3 AND substr(f.value, 1, 1) = x'02'"
         " AND substr(f.key, 17) = unhex(printf('%08x', m.value)) JOIN case_ref r ON r.case_id = substr(f.key, 1, 16)"
         " WHERE m.key = 'self' AND EXISTS (SELECT 1 FROM entry e WHERE e.case_no = r.no AND e.content IS NOT NULL)"},
    };
    uint64_t value = 0;
    int rc = store_row_meta(&r->sql, "self", &value, e);
    if (rc == 0)
        rc = store_row_meta(&r->sql, "case_count", &value, e);
    for (size_t i = 0; rc == 0 && i < array_count(differences); i++) {
        rc = store_sql_exec_u64(&r->sql, differences[i].sql, &value, e);
        if (rc == 0 && value != 0)
            rc = err_set(e, ERR_CORRUPT, "store.counts", "ledger.db: %s", differences[i].what);
    }
    return rc;
}

int store_check(struct store_reader *r, struct err *e)
{
    struct walk w = {.r = r};
    uint64_t head_size = 0;
    int rc = store_heads_read_size(r, &head_size, e); /* before the entries: the head follows them */
    if (rc == 0)
        rc = store_heads_check(r, e);
    if (rc == 0)
        rc = store_keys_check(r, e);
    if (rc == 0)
        rc = store_sql_check_pages(&r->sql, false, e);
    if (rc == 0)
        rc = store_reader_begin(r, e);
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < array_count(tables); i++)
        rc = walk_table(&w, i, e);
    if (rc == 0)
        rc = check_counts(r, e);
    if (rc == 0 && head_size > w.own_size) {
        rc = err_set(e, ERR_CORRUPT, "store.behind-head",
                     "ledger.db has %" PRIu64 " own entries, but a head of size %" PRIu64 " has been signed",
                     w.own_size, head_size);
        err_hint(e, "ledger.db is an old copy; do not start the node with it, fetch the missing entries from peers");
    }
    store_reader_end(r);
    return rc;
}
