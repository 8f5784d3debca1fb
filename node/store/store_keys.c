/* Keys and destruction (see store_keys.h).
 *
 * Order of a destruction: one transaction of ledger.db overwrites payloads and hashes with zeros and notes the case; then the
 * same is done to its keys in keys.db; then both logs are copied into their databases and cut to nothing, since old pages
 * stand in them; then the note goes. A crash at any point leaves the note, and store_open() goes on from it.
 *
 * Overwritten, not deleted: a B-tree that shrinks or is inserted into moves rows from page to page, and the engine leaves
 * copies of moved rows behind in what it counts as free space, where no later deletion finds them. See store_schema.c.
 */
#include "node/store/store_keys.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "certs/crypto.h"
#include "node/base/xassert.h"
#include "node/store/store_fact.h"
#include "node/store/store_row.h"

enum keys_stmt {
    KEYS_SECRET_INSERT,
    KEYS_SECRET_ZERO,
    KEYS_INSERT,
    KEYS_GET,
    KEYS_DELETE,
    KEYS_ALL,
    KEYS_LEFT_OVER,
    KEYS_BEGIN,
    KEYS_COMMIT,
    KEYS_ROLLBACK,
    KEYS_READ_BEGIN,
    KEYS_STMT_COUNT
};

#define KEY_ROW                                                                                                        \
    "SELECT k.case_id, k.epoch, k.no, k.created_ms, k.ck, s.key FROM key k LEFT JOIN secret s ON s.no = k.no"

static const char *const texts[KEYS_STMT_COUNT] = {
    [KEYS_SECRET_INSERT] = "INSERT INTO secret(key) VALUES(?1)",
    [KEYS_SECRET_ZERO] = "UPDATE secret SET key = zeroblob(length(key))"
                         " WHERE no IN (SELECT no FROM key WHERE case_id = ?1)",
    [KEYS_INSERT] = "INSERT INTO key(case_id, epoch, no, created_ms, ck) VALUES(?1, ?2, ?3, ?4, ?5)",
    [KEYS_GET] = KEY_ROW " WHERE k.case_id = ?1 AND k.epoch = ?2",
    [KEYS_DELETE] = "DELETE FROM key WHERE case_id = ?1",
    [KEYS_ALL] = KEY_ROW " ORDER BY k.case_id, k.epoch",
    [KEYS_LEFT_OVER] = "SELECT count(*) FROM secret s LEFT JOIN (SELECT no AS used FROM key) ON used = s.no"
                       " WHERE used IS NULL AND s.key <> zeroblob(length(s.key))",
    [KEYS_BEGIN] = "BEGIN IMMEDIATE",
    [KEYS_COMMIT] = "COMMIT",
    [KEYS_ROLLBACK] = "ROLLBACK",
    [KEYS_READ_BEGIN] = "BEGIN",
};

int store_keys_open(struct store_sql *c, const char *dir, struct err *e)
{
    int rc = store_sql_open(c, dir, "keys.db", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, texts, KEYS_STMT_COUNT, e);
    if (rc != 0)
        return rc;
    rc = store_schema_open_writer(c, &store_schema_keys, e);
    if (rc != 0)
        store_sql_close(c, false);
    return rc;
}

int store_keys_open_reader(struct store_reader *r, struct err *e)
{
    return store_reader_open_beside(r, &r->keys, "keys.db", texts, KEYS_STMT_COUNT, &store_schema_keys, e);
}

static uint64_t key_ck(const struct store_key *k, uint64_t no)
{
    uint64_t ints[] = {k->epoch, no, k->created_ms};
    struct bytes spans[] = {bytes_of(k->case_id, sizeof k->case_id), bytes_of(k->key, sizeof k->key)};
    return store_sql_check_value(STORE_TABLE_KEY, ints, array_count(ints), spans, array_count(spans));
}

static int key_row(struct store_sql *c, sqlite3_stmt *stmt, struct store_key *ret, struct err *e)
{
    struct bytes case_id = store_sql_bytes(stmt, 0), key = store_sql_bytes(stmt, 5);
    uint64_t epoch = store_sql_u64(stmt, 1), no = store_sql_u64(stmt, 2);
    struct store_key k = {.epoch = (uint32_t)epoch, .created_ms = store_sql_u64(stmt, 3)};
    bool good = epoch <= UINT32_MAX && case_id.size == sizeof k.case_id && key.size == sizeof k.key;
    if (good) {
        memcpy(k.case_id, case_id.data, sizeof k.case_id);
        memcpy(k.key, key.data, sizeof k.key);
        good = key_ck(&k, no) == store_sql_u64(stmt, 4);
    }
    if (good)
        *ret = k;
    crypto_wipe(&k, sizeof k);
    return good ? 0 : store_row_corrupt(c, "key", no, e);
}

/* 1: a key, 0: none, or the error. */
static int get(struct store_sql *c, const uint8_t case_id[STORE_CASE_ID_SIZE], uint32_t epoch, struct store_key *ret,
               struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_sql_get(c, KEYS_GET, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_bytes(stmt, 1, bytes_of(case_id, STORE_CASE_ID_SIZE));
    store_sql_bind_u64(stmt, 2, epoch);
    rc = store_sql_step(c, stmt, e);
    if (rc == 1) {
        rc = key_row(c, stmt, ret, e);
        rc = rc == 0 ? 1 : rc;
    }
    store_sql_done(stmt);
    return rc;
}

int store_read_key(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], uint32_t epoch,
                   struct store_key *ret, struct err *e)
{
    int rc = store_keys_open_reader(r, e);
    if (rc != 0)
        return rc;
    rc = get(&r->keys, case_id, epoch, ret, e);
    if (rc == 0)
        return err_set(e, ERR_NOT_FOUND, "store.no-key", "the key of this case is not held");
    return rc < 0 ? rc : 0;
}

static int run(struct store_sql *c, enum keys_stmt id, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_sql_get(c, id, &stmt, e);
    return rc != 0 ? rc : store_sql_run(c, stmt, e);
}

void store_keys_read_begin(struct store_reader *r)
{
    r->keys_begun = r->keys.db != NULL && run(&r->keys, KEYS_READ_BEGIN, NULL) == 0;
}

void store_keys_read_end(struct store_reader *r)
{
    if (r->keys_begun)
        (void)run(&r->keys, KEYS_COMMIT, NULL); /* fails only after an error that ended the transaction by itself */
    r->keys_begun = false;
}

int store_keys_check(struct store_reader *r, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct store_key k;
    uint64_t left_over = 0;
    int rc = store_keys_open_reader(r, e);
    if (rc == 0)
        rc = store_sql_check_pages(&r->keys, false, e);
    if (rc == 0)
        rc = store_sql_get(&r->keys, KEYS_ALL, &stmt, e);
    while (rc == 0 && (rc = store_sql_step(&r->keys, stmt, e)) == 1)
        rc = key_row(&r->keys, stmt, &k, e);
    crypto_wipe(&k, sizeof k);
    store_sql_done(stmt);
    if (rc == 0)
        rc = store_sql_exec_u64(&r->keys, texts[KEYS_LEFT_OVER], &left_over, e);
    if (rc == 0 && left_over > 0)
        rc = err_set(e, ERR_CORRUPT, "store.counts", "keys.db: %" PRIu64 " keys of no case", left_over);
    return rc;
}

/* ---- writing ---- */

static int insert(struct store_sql *c, const struct store_key *k, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_sql_get(c, KEYS_SECRET_INSERT, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_bytes(stmt, 1, bytes_of(k->key, sizeof k->key));
    rc = store_sql_run(c, stmt, e);
    if (rc == 0)
        rc = store_sql_get(c, KEYS_INSERT, &stmt, e);
    if (rc != 0)
        return rc;
    uint64_t no = (uint64_t)sqlite3_last_insert_rowid(c->db);
    store_sql_bind_bytes(stmt, 1, bytes_of(k->case_id, sizeof k->case_id));
    store_sql_bind_u64(stmt, 2, k->epoch);
    store_sql_bind_u64(stmt, 3, no);
    store_sql_bind_u64(stmt, 4, k->created_ms);
    store_sql_bind_u64(stmt, 5, key_ck(k, no));
    return store_sql_run(c, stmt, e);
}

static int put(struct store_sql *c, const struct store_key *k, struct err *e)
{
    struct store_key there;
    int rc = get(c, k->case_id, k->epoch, &there, e);
    if (rc == 0)
        return insert(c, k, e);
    if (rc == 1 && memcmp(there.key, k->key, sizeof k->key) != 0)
        rc = err_set(e, ERR_CONFLICT, "store.key-conflict", "another key of epoch %" PRIu32 " is held for this case",
                     k->epoch);
    crypto_wipe(&there, sizeof there);
    return rc < 0 ? rc : 0;
}

int store_keys_put(struct store_transaction *t, const struct store_batch *b)
{
    struct store_sql *c = &t->s->keys;
    int rc = run(c, KEYS_BEGIN, t->e);
    for (size_t i = 0; rc == 0 && i < b->key_count; i++) {
        bool erased = false;
        rc = store_fact_is_erased(t, b->keys[i].case_id, &erased);
        if (rc == 0 && !erased)
            rc = put(c, &b->keys[i], t->e);
    }
    if (rc == 0)
        rc = run(c, KEYS_COMMIT, t->e);
    if (rc == 0)
        return 0;
    bool undone = sqlite3_get_autocommit(c->db) != 0 || run(c, KEYS_ROLLBACK, NULL) == 0;
    if (!undone)
        t->s->ledger_failed = true;
    return rc;
}

/* ---- destroying ---- */

/* The entry again, without its payload. */
static int strip_entry(struct store_transaction *t, uint64_t id, uint64_t case_no, uint64_t content_no,
                       struct store_entry *entry)
{
    sqlite3_stmt *stmt = NULL;
    entry->payload = bytes_of(NULL, 0);
    entry->payload_held = false;
    int rc = store_commit_stmt(t, STORE_WRITE_CONTENT_ZERO, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, content_no); /* 0, of an empty payload, is no row */
    rc = store_commit_run(t, stmt);
    if (rc == 0)
        rc = store_commit_stmt(t, STORE_WRITE_ENTRY_STRIP, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, id);
    store_sql_bind_u64(stmt, 2, store_row_entry_ck(id, case_no, entry));
    return store_commit_run(t, stmt);
}

/* The request that made own entry @index, if any: row numbers and first indexes grow together. */
static int strip_request(struct store_transaction *t, uint64_t index)
{
    uint64_t low = 1, high = INT64_MAX; /* numbers to look at: [low, high) */
    while (low < high) {
        sqlite3_stmt *stmt = NULL;
        struct store_request row;
        uint64_t no = 0, middle = low + (high - low) / 2;
        int rc = store_commit_stmt(t, STORE_WRITE_REQUEST_FROM, &stmt);
        if (rc != 0)
            return rc;
        store_sql_bind_u64(stmt, 1, middle);
        rc = store_sql_step(&t->s->ledger, stmt, t->e);
        if (rc == 1) {
            no = store_sql_u64(stmt, 0);
            rc = store_row_request(&t->s->ledger, stmt, &row, t->e);
            rc = rc == 0 ? 1 : rc;
        }
        store_sql_done(stmt);
        if (rc < 0)
            return rc;
        if (rc == 0 || row.first_index > index) {
            high = middle;
        } else if (row.first_index < index) {
            low = no + 1;
        } else {
            memset(row.body_hash, 0, sizeof row.body_hash);
            rc = store_commit_stmt(t, STORE_WRITE_REQUEST_STRIP, &stmt);
            if (rc != 0)
                return rc;
            store_sql_bind_u64(stmt, 1, no);
            store_sql_bind_bytes(stmt, 2, bytes_of(row.body_hash, sizeof row.body_hash));
            store_sql_bind_u64(stmt, 3, store_row_request_ck(&row));
            return store_commit_run(t, stmt);
        }
    }
    return 0;
}

/* 1: the entry of the case that comes after row @after; 0: there is none. */
static int next_entry(struct store_transaction *t, uint64_t case_no, uint64_t after, uint64_t *ret_id,
                      uint64_t *ret_content_no, struct store_entry *ret)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_CASE_ENTRY_NEXT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, case_no);
    store_sql_bind_u64(stmt, 2, after);
    rc = store_sql_step(&t->s->ledger, stmt, t->e);
    if (rc == 1) {
        *ret_id = store_sql_u64(stmt, 0);
        *ret_content_no = store_sql_u64(stmt, 8);
        rc = store_row_entry(&t->s->ledger, stmt, ret, t->e);
        rc = rc == 0 ? 1 : rc;
    }
    store_sql_done(stmt); /* the spans end here; what is needed below is numbers and the hash */
    return rc;
}

static int destroy_entries(struct store_transaction *t, uint64_t case_no)
{
    uint64_t id = 0, content_no = 0;
    struct store_entry entry;
    int rc;
    while ((rc = next_entry(t, case_no, id, &id, &content_no, &entry)) == 1) {
        rc = entry.payload_held ? strip_entry(t, id, case_no, content_no, &entry) : 0;
        if (rc == 0 && entry.origin == t->s->self)
            rc = strip_request(t, entry.index);
        if (rc != 0)
            return rc;
    }
    return rc;
}

static int destroy_case(struct store_transaction *t, const uint8_t case_id[STORE_CASE_ID_SIZE])
{
    uint64_t case_no = 0;
    int rc = store_commit_find_case_no(t, case_id, &case_no);
    if (rc == 0 && case_no != 0) /* else there may be a key that came before the first entry */
        rc = destroy_entries(t, case_no);
    if (rc == 0)
        rc = store_file_destroy(t, case_id);
    if (rc != 0)
        return rc;
    t->s->destroy_pending = true;
    t->s->destroy_tries = 0;
    return store_fact_put(t, STORE_FACT_DESTROY, bytes_of(case_id, STORE_CASE_ID_SIZE), bytes_of(NULL, 0));
}

static bool is_among_destroys(const struct store_batch *b, const uint8_t case_id[STORE_CASE_ID_SIZE])
{
    for (size_t i = 0; i < b->destroy_count; i++)
        if (memcmp(b->destroys[i].case_id, case_id, STORE_CASE_ID_SIZE) == 0)
            return true;
    return false;
}

int store_destroy_put(struct store_transaction *t, const struct store_batch *b)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->destroy_count; i++)
        rc = destroy_case(t, b->destroys[i].case_id);
    for (size_t i = 0; rc == 0 && i < b->erasure_count; i++) {
        const struct store_erasure *row = &b->erasures[i];
        if (row->node == t->s->self && row->state == STORE_ERASURE_DONE && !is_among_destroys(b, row->case_id))
            rc = destroy_case(t, row->case_id);
    }
    return rc;
}

static int destroy_keys(struct store_sql *c, const struct buf *ids, struct err *e)
{
    static const enum keys_stmt steps[] = {KEYS_SECRET_ZERO, KEYS_DELETE};
    int rc = run(c, KEYS_BEGIN, e);
    for (size_t at = 0; rc == 0 && at < ids->size; at += STORE_CASE_ID_SIZE) {
        for (size_t i = 0; rc == 0 && i < array_count(steps); i++) {
            sqlite3_stmt *stmt = NULL;
            rc = store_sql_get(c, steps[i], &stmt, e);
            if (rc != 0)
                break;
            store_sql_bind_bytes(stmt, 1, bytes_of(ids->data + at, STORE_CASE_ID_SIZE));
            rc = store_sql_run(c, stmt, e);
        }
    }
    return rc == 0 ? run(c, KEYS_COMMIT, e) : rc;
}

/* Readers are short, but a check or a backup is not: after the first try nothing waits for them. */
#define WAIT_FIRST_MS 100
#define WAIT_EVERY 64u /* tries */

/* 1: the log is empty now, 0: somebody still reads from it. Empty after a power failure, too: SQLite does not wait for the disk when it
 * cuts a log, and what was destroyed would stand in it again when nobody remembers any more that it has to go. */
static int empty_log(struct store_sql *c, unsigned tries, struct err *e)
{
    (void)sqlite3_busy_timeout(c->db, tries % WAIT_EVERY == 0 ? WAIT_FIRST_MS : 0);
    int rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    (void)sqlite3_busy_timeout(c->db, STORE_SQL_BUSY_MS);
    if (rc == SQLITE_OK) {
        int failed = store_sql_sync_log(c, SQLITE_SYNC_NORMAL, e);
        return failed != 0 ? failed : 1;
    }
    return (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED ? 0 : store_sql_error(c, rc, "checkpoint", e);
}

/* Ids of the cases that are noted, one behind the other. */
static int pending_cases(struct store *s, struct buf *ids, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct bytes key, value;
    int rc = store_sql_get(&s->ledger, STORE_WRITE_FACTS, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, STORE_FACT_DESTROY);
    while ((rc = store_sql_step(&s->ledger, stmt, e)) == 1) {
        rc = store_fact_row(&s->ledger, stmt, &key, &value, e);
        if (rc == 0 && key.size != STORE_CASE_ID_SIZE)
            rc = store_row_corrupt(&s->ledger, "fact", STORE_FACT_DESTROY, e);
        if (rc != 0)
            break;
        buf_put(ids, key.data, key.size);
    }
    store_sql_done(stmt);
    return rc;
}

static int forget_cases(struct store *s, const struct buf *ids, struct err *e)
{
    struct store_transaction t = {.s = s, .e = e};
    int rc = store_sql_exec(&s->ledger, "BEGIN IMMEDIATE", e);
    for (size_t at = 0; rc == 0 && at < ids->size; at += STORE_CASE_ID_SIZE)
        rc = store_fact_delete(&t, STORE_FACT_DESTROY, bytes_of(ids->data + at, STORE_CASE_ID_SIZE));
    return rc == 0 ? store_sql_exec(&s->ledger, "COMMIT", e) : rc;
}

int store_destroy_finish(struct store *s, struct err *e)
{
    struct buf ids = {0};
    int keys_empty = 0, ledger_empty = 0;
    int rc = pending_cases(s, &ids, e);
    s->destroy_pending = ids.size > 0;
    if (rc == 0 && ids.size > 0) {
        rc = destroy_keys(&s->keys, &ids, e);
        if (rc == 0) {
            keys_empty = empty_log(&s->keys, s->destroy_tries, e);
            ledger_empty = keys_empty < 0 ? keys_empty : empty_log(&s->ledger, s->destroy_tries, e);
            rc = min_of(min_of(keys_empty, ledger_empty), 0);
        }
        s->destroy_tries++;
    }
    if (rc == 0 && keys_empty == 1 && ledger_empty == 1) {
        rc = forget_cases(s, &ids, e);
        s->destroy_pending = rc != 0;
    }
    buf_close(&ids);
    if (rc != 0)
        s->ledger_failed = true;
    return rc;
}
