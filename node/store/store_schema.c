/* The tables, byte for byte what is on disk (see store_schema.h).
 *
 * Row ids carry meaning: entry.id and addressed.id are slot << 40 | index, tile.id is level << 48 | number, so that a
 * ledger, a peer's stream and a tree level are each one dense run, and "the last one" is one seek. `slot` stands for a
 * node code (table node). Entries of one case are found through case_ref.no, a small number that grows with time; the
 * ids themselves are time-ordered too, so that all indexes of the write path grow at their end or in few warm places.
 *
 * Two indexes would not by themselves, because their values come in any order:
 * - Keys of requests are hashes; an index over millions of them would be changed all over at every commit. So key (its
 *   first six bytes) and row number stand in one of three tables, and sweeps move neighbouring keys from a smaller one
 *   to the next larger one, many to a page (store_derived.c). A look-up reads all three.
 * - Item codes: case_row_item holds each run of 1,024 cases by itself, so that new cases change few pages; a search for
 *   one item asks run by run (store_list.c).
 *
 * What can be destroyed stands by itself (content in ledger.db, secret in keys.db): rows are appended, never made shorter
 * and never deleted, so that the engine never moves one to another page, where a copy would stay behind; destroying is
 * writing zeros over the row in its place.
 *
 * `ck` is store_sql_check_value() over the row. Tables without it (node, case_ref) keep every value twice, in the
 * table and in a unique index, and the engine's integrity check compares the two; content and secret are covered by the
 * check value of the row that points at them.
 *
 * Derived from the entries, can be dropped and made again: addressed, tile, case_row, item, item_json,
 * item_version, item_search, bundle, due. Not derived:
 * entry, content, node, case_ref, replica, ack, request, counter, meta, fact, head and witness in heads.db, key and secret
 * in keys.db.
 */
#include "node/store/store_schema.h"

#include <inttypes.h>

#include "node/base/xassert.h"
#include "node/store/store.h"

static const char *const ledger_migrations[] = {
    /* 0 -> 1 */
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL, ck INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE node(slot INTEGER PRIMARY KEY, node INTEGER NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE case_ref(no INTEGER PRIMARY KEY, case_id BLOB NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE entry(id INTEGER PRIMARY KEY, case_no INTEGER, stored_ms INTEGER NOT NULL, ck INTEGER NOT NULL,"
    " hash BLOB NOT NULL, leaf BLOB NOT NULL, payload BLOB) STRICT;"
    "CREATE INDEX entry_case ON entry(case_no) WHERE case_no IS NOT NULL;"
    "CREATE TABLE addressed(id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, ck INTEGER NOT NULL) STRICT;"
    "CREATE TABLE tile(id INTEGER PRIMARY KEY, ck INTEGER NOT NULL, hashes BLOB NOT NULL) STRICT;"
    "CREATE TABLE replica(slot INTEGER PRIMARY KEY, size INTEGER NOT NULL, seq_me INTEGER NOT NULL,"
    " seq_public INTEGER NOT NULL, note_size INTEGER NOT NULL, checked_ms INTEGER NOT NULL, ck INTEGER NOT NULL,"
    " frontier BLOB NOT NULL, note BLOB NOT NULL) STRICT;"
    "CREATE TABLE ack(slot INTEGER PRIMARY KEY, size INTEGER NOT NULL, at_ms INTEGER NOT NULL, ck INTEGER NOT NULL)"
    " STRICT;"
    "CREATE TABLE case_row(no INTEGER PRIMARY KEY, receiving INTEGER NOT NULL, lead INTEGER NOT NULL,"
    " division INTEGER NOT NULL, status INTEGER NOT NULL, level INTEGER NOT NULL, flags INTEGER NOT NULL,"
    " event_count INTEGER NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, ck INTEGER NOT NULL,"
    " digest BLOB NOT NULL, number TEXT NOT NULL, item_code TEXT NOT NULL, item_name TEXT NOT NULL) STRICT;"
    "CREATE INDEX case_row_receiving ON case_row(receiving);"
    "CREATE INDEX case_row_lead ON case_row(lead);"
    "CREATE INDEX case_row_status ON case_row(status);"
    "CREATE INDEX case_row_item ON case_row(no >> 10, item_code);"
    "CREATE INDEX case_row_number ON case_row(number) WHERE number <> '';"
    "CREATE TABLE item(node INTEGER NOT NULL, code TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,"
    " idx INTEGER NOT NULL, withdrawn INTEGER NOT NULL, json_id INTEGER NOT NULL, ck INTEGER NOT NULL,"
    " PRIMARY KEY(node, code)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE item_json(id INTEGER PRIMARY KEY, ck INTEGER NOT NULL, json BLOB NOT NULL) STRICT;"
    "CREATE TABLE request(no INTEGER PRIMARY KEY, first_index INTEGER NOT NULL, count INTEGER NOT NULL,"
    " ck INTEGER NOT NULL, key_hash BLOB NOT NULL, body_hash BLOB NOT NULL, case_id BLOB NOT NULL) STRICT;"
    "CREATE TABLE request_key0(key INTEGER NOT NULL, no INTEGER NOT NULL, PRIMARY KEY(key, no)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE request_key1(key INTEGER NOT NULL, no INTEGER NOT NULL, PRIMARY KEY(key, no)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE request_key2(key INTEGER NOT NULL, no INTEGER NOT NULL, PRIMARY KEY(key, no)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL, ck INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
    /* 1 -> 2 */
    "CREATE TABLE fact(kind INTEGER NOT NULL, key BLOB NOT NULL, ck INTEGER NOT NULL, value BLOB NOT NULL,"
    " PRIMARY KEY(kind, key)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE content(no INTEGER PRIMARY KEY, entry INTEGER NOT NULL, body BLOB NOT NULL) STRICT;"
    "INSERT INTO content(entry, body) SELECT id, payload FROM entry WHERE length(payload) > 0 ORDER BY id;"
    "ALTER TABLE entry ADD COLUMN content INTEGER;" /* no: content.no, 0: empty, NULL: not held */
    "UPDATE entry SET content = 0 WHERE length(payload) = 0;"
    "UPDATE entry SET content = c.no FROM content c WHERE c.entry = entry.id;"
    "ALTER TABLE entry DROP COLUMN payload;",
    /* 2 -> 3: id is that of the entry at which the batch begins */
    "CREATE TABLE cover(id INTEGER PRIMARY KEY, size INTEGER NOT NULL, ck INTEGER NOT NULL, parts BLOB NOT NULL,"
    " note BLOB NOT NULL) STRICT;",
    /* 3 -> 4: where each version of an item was published; items of before have a row in `item` only */
    "CREATE TABLE item_version(node INTEGER NOT NULL, code TEXT NOT NULL, idx INTEGER NOT NULL,"
    " version INTEGER NOT NULL, withdrawn INTEGER NOT NULL, ck INTEGER NOT NULL,"
    " PRIMARY KEY(node, code, idx)) STRICT, WITHOUT ROWID;",
    /* 4 -> 5: no is that of the case */
    "CREATE TABLE due(no INTEGER PRIMARY KEY, due INTEGER NOT NULL, warn INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " lead INTEGER NOT NULL, provisional INTEGER NOT NULL, ck INTEGER NOT NULL) STRICT;"
    "CREATE INDEX due_day ON due(due);",
    /* 5 -> 6: what items are found by (store_search.c); filled by the program, which notices that it is empty */
    "CREATE VIRTUAL TABLE item_search USING fts5(name, words, pinyin, codes, events, region, content='',"
    " contentless_delete=1, tokenize='chinese', prefix='1 2 3');"
    "CREATE INDEX item_json_id ON item(json_id);",
    /* 6 -> 7: each publication and withdrawal of a bundle (一件事); what it says stands in its entry */
    "CREATE TABLE bundle(node INTEGER NOT NULL, code TEXT NOT NULL, idx INTEGER NOT NULL, version INTEGER NOT NULL,"
    " withdrawn INTEGER NOT NULL, status INTEGER NOT NULL, valid_from INTEGER NOT NULL, valid_to INTEGER NOT NULL,"
    " name TEXT NOT NULL, life_event TEXT NOT NULL, ck INTEGER NOT NULL,"
    " PRIMARY KEY(node, code, idx)) STRICT, WITHOUT ROWID;",
    /* 7 -> 8: beginnings of up to six letters, a syllable, have a list of their own in the index: "zheng" is asked without merging the
     * lists of all words that begin so. What bundles are found by, too: readings of name and life event; the nodes that decide their
     * items. Both are made anew by the program (node/app_search.c). */
    "DROP TABLE item_search;"
    "CREATE VIRTUAL TABLE item_search USING fts5(name, words, pinyin, codes, events, region, content='',"
    " contentless_delete=1, tokenize='chinese', prefix='1 2 3 4 5 6');"
    "ALTER TABLE bundle ADD COLUMN pinyin TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE bundle ADD COLUMN nodes TEXT NOT NULL DEFAULT '';",
};

static const char *const heads_migrations[] = {
    /* 0 -> 1 */
    "CREATE TABLE head(id INTEGER PRIMARY KEY CHECK(id = 1), node INTEGER NOT NULL, size INTEGER NOT NULL,"
    " ck INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL) STRICT;",
    /* 1 -> 2 */
    "CREATE TABLE witness(origin TEXT PRIMARY KEY, size INTEGER NOT NULL, ck INTEGER NOT NULL, root BLOB NOT NULL,"
    " note BLOB NOT NULL) STRICT, WITHOUT ROWID;",
};

static const char *const keys_migrations[] = {
    /* 0 -> 1 */
    "CREATE TABLE secret(no INTEGER PRIMARY KEY, key BLOB NOT NULL) STRICT;"
    "CREATE TABLE key(case_id BLOB NOT NULL, epoch INTEGER NOT NULL, no INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
    " ck INTEGER NOT NULL, PRIMARY KEY(case_id, epoch)) STRICT, WITHOUT ROWID;",
};

/* "TBlg", "TBhd" and "TBky" */
const struct store_schema store_schema_ledger = {0x54426c67, ledger_migrations, array_count(ledger_migrations)};
const struct store_schema store_schema_heads = {0x54426864, heads_migrations, array_count(heads_migrations)};
const struct store_schema store_schema_keys = {0x54426b79, keys_migrations, array_count(keys_migrations)};

/* What the file says it is. An empty file is version 0 of anything. */
static int read_version(struct store_sql *c, const struct store_schema *s, uint64_t *ret, struct err *e)
{
    uint64_t application_id = 0, version = 0, tables = 0;
    int rc = store_sql_exec_u64(c, "PRAGMA application_id", &application_id, e);
    if (rc == 0)
        rc = store_sql_exec_u64(c, "PRAGMA user_version", &version, e);
    if (rc == 0)
        rc = store_sql_exec_u64(c, "SELECT count(*) FROM sqlite_schema", &tables, e);
    if (rc != 0)
        return rc;

    bool is_empty = application_id == 0 && version == 0 && tables == 0;
    if (application_id != s->application_id && !is_empty)
        return err_set(e, ERR_UNSUPPORTED, "store.foreign-file",
                       "%s: application id %" PRIx64 " where this program writes %" PRIx32, c->name, application_id,
                       s->application_id);
    if (version > s->count) {
        (void)err_set(e, ERR_UNSUPPORTED, "store.newer-schema",
                      "%s: schema version %" PRIu64 ", this program knows up to %u", c->name, version, s->count);
        err_hint(e, "start the program version that wrote it, or a newer one; there is no way back");
        return ERR_UNSUPPORTED;
    }
    *ret = version;
    return 0;
}

static int migrate_one(struct store_sql *c, const struct store_schema *s, uint64_t from, struct err *e)
{
    struct buf stamp = {0};
    buf_printf(&stamp, "PRAGMA application_id=%" PRIu32 "; PRAGMA user_version=%" PRIu64, s->application_id, from + 1);
    int rc = store_sql_exec(c, "BEGIN IMMEDIATE", e);
    if (rc == 0)
        rc = store_sql_exec(c, s->migrations[from], e);
    if (rc == 0)
        rc = store_sql_exec(c, buf_cstr(&stamp), e);
    if (rc == 0)
        rc = store_sql_exec(c, "COMMIT", e);
    if (rc != 0 && sqlite3_get_autocommit(c->db) == 0)
        (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL); /* the first error is the one to tell */
    buf_close(&stamp);
    return rc != 0 ? err_wrap(e, "schema version %" PRIu64 " to %" PRIu64, from, from + 1) : 0;
}

/* journal_mode=WAL is a wish that SQLite declines without an error. */
static int check_wal(struct store_sql *c, struct err *e)
{
    uint64_t is_wal = 0;
    int rc = store_sql_exec_u64(c, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &is_wal, e);
    if (rc == 0 && is_wal == 0) {
        rc = err_set(e, ERR_UNSUPPORTED, "store.no-wal", "%s: the file system gives no shared memory for a WAL",
                     c->name);
        err_hint(e, "put the node's folder on a local disk, not on a network file system");
    }
    return rc;
}

int store_schema_open_writer(struct store_sql *c, const struct store_schema *s, struct err *e)
{
    uint64_t version = 0;
    int rc = read_version(c, s, &version, e);
    if (rc != 0)
        return rc;

    /* Pages of 8 KiB hold five entries with 1 KiB of payload, where 4 KiB would hold two. 1,000 of them (8 MB) make
     * the WAL long enough that pages changed again and again are written back once; the limit gives the disk space
     * back after a reader held it up. */
    rc = store_sql_exec(c,
                        "PRAGMA page_size=8192;"
                        "PRAGMA journal_mode=WAL;"
                        "PRAGMA synchronous=FULL;"
                        "PRAGMA foreign_keys=OFF;"
                        "PRAGMA temp_store=MEMORY;"
                        "PRAGMA mmap_size=0;"
                        "PRAGMA journal_size_limit=67108864;"
                        "PRAGMA cell_size_check=ON;"
                        "PRAGMA secure_delete=ON;"
                        "PRAGMA trusted_schema=OFF;",
                        e);
    (void)sqlite3_wal_autocheckpoint(c->db, STORE_LOG_PAGES);
    if (rc == 0) /* what is written all the time gets the memory; the two others have few and short rows */
        rc = store_sql_exec(c, s == &store_schema_ledger ? "PRAGMA cache_size=-8000" : "PRAGMA cache_size=-1000", e);
    if (rc == 0)
        rc = check_wal(c, e);
    for (; rc == 0 && version < s->count; version++)
        rc = migrate_one(c, s, version, e);
    return rc;
}

int store_schema_open_reader(struct store_sql *c, const struct store_schema *s, struct err *e)
{
    uint64_t version = 0;
    int rc = read_version(c, s, &version, e);
    if (rc == 0 && version != s->count)
        rc = err_set(e, ERR_UNSUPPORTED, "store.older-schema", "%s: schema version %" PRIu64 ", this program reads %u",
                     c->name, version, s->count);
    if (rc == 0)
        rc = store_sql_exec(c,
                            "PRAGMA query_only=ON;"
                            "PRAGMA temp_store=MEMORY;"
                            "PRAGMA cache_size=-2000;"
                            "PRAGMA mmap_size=0;"
                            "PRAGMA cell_size_check=ON;"
                            "PRAGMA trusted_schema=OFF;",
                            e);
    return rc;
}
