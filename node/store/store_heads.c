/* The head row and the witness rows (see store_heads.h). A swap is one UPDATE in its own transaction: one page appended to
 * the WAL, and no fsync (synchronous=NORMAL): an event waits for it, and ledger.db, which is durable by then, gives the same head
 * again; store_head_sync() comes later. Witness rows of a batch: one transaction that is begun, and compared with what is there,
 * before anything of the batch is written, and ended after it, so that nobody else can move a row in between; durable before it
 * returns (synchronous=FULL), because nothing else here knows what was cosigned (C2SP tlog-witness). Both stand in one WAL, so
 * that its fsync covers the swaps before it. */
#include "node/store/store_heads.h"

#include <inttypes.h>
#include <string.h>

#include "certs/crypto.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/store/store_row.h"
#include "node/store/store_writer.h"

enum heads_stmt {
    HEADS_GET,
    HEADS_SWAP,
    HEADS_CREATE,
    HEADS_WITNESS_GET,
    HEADS_WITNESS_PUT,
    HEADS_WITNESS_ALL,
    HEADS_STMT_COUNT
};

static const char *const texts[HEADS_STMT_COUNT] = {
    [HEADS_GET] = STORE_ROW_HEAD " WHERE id = 1",
    [HEADS_SWAP] = "UPDATE head SET size = ?1, root = ?2, note = ?3, ck = ?4 WHERE id = 1 AND size = ?5 AND root = ?6",
    [HEADS_CREATE] = "INSERT OR IGNORE INTO head(id, node, size, ck, root, note) VALUES(1, ?1, ?2, ?3, ?4, ?5)",
    [HEADS_WITNESS_GET] = "SELECT origin, size, ck, root, note FROM witness WHERE origin = ?1",
    [HEADS_WITNESS_PUT] = "INSERT OR REPLACE INTO witness(origin, size, ck, root, note) VALUES(?1, ?2, ?3, ?4, ?5)",
    [HEADS_WITNESS_ALL] = "SELECT origin, size, ck, root, note FROM witness ORDER BY origin",
};

/* An empty tree's root is SHA-256 of nothing (RFC 6962 s2.1), so that the first swap compares like any other. */
static int create(struct store_sql *c, uint32_t self, struct err *e)
{
    struct store_head head = {.size = 0};
    crypto_sha256(NULL, 0, head.root);
    sqlite3_stmt *stmt = NULL;
    int rc = store_sql_get(c, HEADS_CREATE, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, self);
    store_sql_bind_u64(stmt, 2, head.size);
    store_sql_bind_u64(stmt, 3, store_row_head_ck(self, &head));
    store_sql_bind_bytes(stmt, 4, bytes_of(head.root, sizeof head.root));
    store_sql_bind_bytes(stmt, 5, head.note);
    return store_sql_run(c, stmt, e);
}

/* The row; the note is borrowed until store_sql_done(*ret_stmt). */
static int read_row(struct store_sql *c, uint32_t *ret_node, struct store_head *ret, sqlite3_stmt **ret_stmt,
                    struct err *e)
{
    int rc = store_sql_get(c, HEADS_GET, ret_stmt, e);
    if (rc != 0)
        return rc;
    rc = store_sql_step(c, *ret_stmt, e);
    if (rc == 1)
        return store_row_head(c, *ret_stmt, ret_node, ret, e);
    return rc < 0 ? rc : err_set(e, ERR_CORRUPT, "store.row", "%s: table head is empty", c->name);
}

int store_heads_open(struct store_sql *c, const char *dir, uint32_t self, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct store_head head;
    uint32_t node = 0;
    int rc = store_sql_open(c, dir, "heads.db", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, texts, HEADS_STMT_COUNT, e);
    if (rc == 0)
        rc = store_schema_open_writer(c, &store_schema_heads, e);
    if (rc == 0)
        rc = create(c, self, e);
    if (rc == 0)
        rc = read_row(c, &node, &head, &stmt, e);
    if (rc == 0 && node != self)
        rc = err_set(e, ERR_CONFLICT, "store.other-node", "heads.db belongs to node %" PRIu32 ", not %" PRIu32, node,
                     self);
    store_sql_done(stmt);
    if (rc == 0)
        rc = store_sql_exec(c, "PRAGMA synchronous=NORMAL", e);
    if (rc != 0)
        store_sql_close(c, false);
    return rc;
}

int store_heads_open_reader(struct store_reader *r, struct err *e)
{
    return store_reader_open_beside(r, &r->heads, "heads.db", texts, HEADS_STMT_COUNT, &store_schema_heads, e);
}

int store_heads_read_size(struct store_reader *r, uint64_t *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct store_head head;
    uint32_t node = 0;
    int rc = store_heads_open_reader(r, e);
    if (rc == 0)
        rc = read_row(&r->heads, &node, &head, &stmt, e);
    if (rc == 0)
        *ret = head.size;
    store_sql_done(stmt);
    return rc;
}

int store_head_get(struct store *s, struct arena *a, struct store_head *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct store_head head;
    uint32_t node = 0;
    int rc = read_row(&s->heads, &node, &head, &stmt, e);
    if (rc == 0) {
        head.note = arena_bytes(a, head.note);
        *ret = head;
    }
    store_sql_done(stmt);
    return rc;
}

static int check_swap(const struct store *s, uint64_t old_size, const uint8_t old_root[32],
                      const struct store_head *next, struct err *e)
{
    if (s->heads_failed)
        return err_set(e, ERR_IO, "store.stopped", "heads.db: an earlier swap failed; open the store again");
    if (next->note.size > NOTE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "store.limit", "size of a note is %zu, limit %u", next->note.size, NOTE_BYTES_MAX);
    if (next->size > STORE_INDEX_MAX)
        return err_set(e, ERR_LIMIT, "store.limit", "size of a head is %" PRIu64 ", limit %" PRIu64, next->size,
                       STORE_INDEX_MAX);
    if (next->size < old_size)
        return err_set(e, ERR_CONFLICT, "store.head-back", "head would go back from size %" PRIu64 " to %" PRIu64,
                       old_size, next->size);
    /* C2SP tlog-checkpoint: a log never signs two checkpoints that contradict each other. */
    if (next->size == old_size && memcmp(next->root, old_root, 32) != 0)
        return err_set(e, ERR_CONFLICT, "store.head-fork", "head of size %" PRIu64 " would get a second root",
                       old_size);
    return 0;
}

int store_head_swap(struct store *s, uint64_t old_size, const uint8_t old_root[32], const struct store_head *next,
                    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = check_swap(s, old_size, old_root, next, e);
    if (rc == 0)
        rc = store_sql_get(&s->heads, HEADS_SWAP, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, next->size);
    store_sql_bind_bytes(stmt, 2, bytes_of(next->root, 32));
    store_sql_bind_bytes(stmt, 3, next->note);
    store_sql_bind_u64(stmt, 4, store_row_head_ck(s->self, next));
    store_sql_bind_u64(stmt, 5, old_size);
    store_sql_bind_bytes(stmt, 6, bytes_of(old_root, 32));
    rc = store_sql_run(&s->heads, stmt, e);
    if (rc != 0) {
        s->heads_failed = true;
        return rc;
    }
    if (sqlite3_changes64(s->heads.db) == 0) {
        (void)err_set(e, ERR_CONFLICT, "store.head-moved", "the head is no longer the one of size %" PRIu64, old_size);
        err_hint(e, "another process, or an older copy of this node's folder, has signed; do not sign with this one");
        return ERR_CONFLICT;
    }
    s->heads_unsynced = true;
    return 0;
}

bool store_head_is_unsynced(const struct store *s)
{
    return s->heads_unsynced && !s->heads_failed;
}

int store_head_sync(struct store *s, struct err *e)
{
    if (!s->heads_unsynced)
        return 0;
    if (s->heads_failed)
        return err_set(e, ERR_IO, "store.stopped", "heads.db: an earlier swap failed; open the store again");
    /* A write transaction with synchronous=FULL would do the same and append a page; a checkpoint would copy pages back and fsync twice. */
    int rc = store_sql_sync_log(&s->heads, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY, e);
    s->heads_failed = rc != 0; /* the next fsync would say nothing of what this one lost */
    s->heads_unsynced = rc != 0;
    return rc;
}

/* ---- what was cosigned of other ledgers ---- */

static uint64_t witness_ck(const struct store_witness *w)
{
    struct bytes spans[] = {bytes_of_string(w->origin), bytes_of(w->root, sizeof w->root), w->note};
    return store_sql_check_value(STORE_TABLE_WITNESS, &w->size, 1, spans, array_count(spans));
}

static int witness_row(struct store_sql *c, sqlite3_stmt *stmt, struct store_witness *ret, struct err *e)
{
    struct store_witness w = {.size = store_sql_u64(stmt, 1), .note = store_sql_bytes(stmt, 4)};
    struct bytes root = store_sql_bytes(stmt, 3);
    bool good = store_sql_text(stmt, 0, w.origin, sizeof w.origin) && root.size == sizeof w.root;
    if (good)
        memcpy(w.root, root.data, sizeof w.root);
    if (!good || witness_ck(&w) != store_sql_u64(stmt, 2))
        return store_row_corrupt(c, "witness", w.size, e);
    *ret = w;
    return 0;
}

/* 1: a row, its note borrowed until store_sql_done(); 0: never cosigned, then size 0 and the empty root. */
static int witness_get(struct store_sql *c, const char *origin, struct store_witness *ret, sqlite3_stmt **ret_stmt,
                       struct err *e)
{
    *ret = (struct store_witness){0};
    crypto_sha256(NULL, 0, ret->root);
    int rc = store_sql_get(c, HEADS_WITNESS_GET, ret_stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_text(*ret_stmt, 1, origin);
    rc = store_sql_step(c, *ret_stmt, e);
    if (rc == 1)
        rc = witness_row(c, *ret_stmt, ret, e) == 0 ? 1 : ERR_CORRUPT;
    return rc; /* the statement is the caller's to end */
}

static int check_one(struct store *s, const struct store_witness *w, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct store_witness kept;
    if (w->origin[0] == '\0' || strnlen(w->origin, sizeof w->origin) == sizeof w->origin)
        return err_set(e, ERR_INVALID, "store.witness", "a cosigned checkpoint without an origin");
    if (w->note.size > NOTE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "store.limit", "size of a note is %zu, limit %u", w->note.size, NOTE_BYTES_MAX);
    if (w->size > STORE_INDEX_MAX)
        return err_set(e, ERR_LIMIT, "store.limit", "size of a head is %" PRIu64 ", limit %" PRIu64, w->size,
                       STORE_INDEX_MAX);
    if (w->size < w->old_size || (w->size == w->old_size && memcmp(w->root, w->old_root, sizeof w->root) != 0))
        return err_set(e, ERR_CONFLICT, "store.witness-back",
                       "what was cosigned of '%s' would go from size %" PRIu64 " to %" PRIu64 " or get a second root",
                       w->origin, w->old_size, w->size);
    int rc = witness_get(&s->heads, w->origin, &kept, &stmt, e);
    bool same = kept.size == w->old_size && memcmp(kept.root, w->old_root, sizeof kept.root) == 0;
    store_sql_done(stmt);
    if (rc < 0)
        return rc;
    return same ? 0
                : err_set(e, ERR_CONFLICT, "store.witness-moved",
                          "what was cosigned of '%s' is no longer of size %" PRIu64, w->origin, w->old_size);
}

static int check_all(struct store *s, const struct store_batch *b, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->witness_count; i++) {
        rc = check_one(s, &b->witnesses[i], e);
        for (size_t k = 0; rc == 0 && k < i; k++)
            if (strcmp(b->witnesses[k].origin, b->witnesses[i].origin) == 0)
                rc = err_set(e, ERR_CONFLICT, "store.witness-moved", "'%s' stands twice in one batch",
                             b->witnesses[i].origin);
    }
    return rc;
}

/* Takes back what is open; a refusal leaves the handle as it was. */
static int give_up(struct store *s, int rc)
{
    bool refusal = rc == ERR_INVALID || rc == ERR_LIMIT || rc == ERR_CONFLICT;
    bool undone = sqlite3_get_autocommit(s->heads.db) != 0 || store_sql_exec(&s->heads, "ROLLBACK", NULL) == 0;
    undone = undone && store_sql_exec(&s->heads, "PRAGMA synchronous=NORMAL", NULL) == 0;
    if (!refusal || !undone) {
        s->heads_failed = true;
        s->ledger_failed = true; /* nobody knows what the disk holds: opened again, both say */
    }
    return rc;
}

static int put_one(struct store_sql *c, const struct store_witness *w, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_sql_get(c, HEADS_WITNESS_PUT, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_text(stmt, 1, w->origin);
    store_sql_bind_u64(stmt, 2, w->size);
    store_sql_bind_u64(stmt, 3, witness_ck(w));
    store_sql_bind_bytes(stmt, 4, bytes_of(w->root, sizeof w->root));
    store_sql_bind_bytes(stmt, 5, w->note);
    return store_sql_run(c, stmt, e);
}

int store_witness_begin(struct store *s, const struct store_batch *b, struct err *e)
{
    if (s->heads_failed)
        return err_set(e, ERR_IO, "store.stopped", "heads.db: an earlier swap failed; open the store again");
    int rc = store_sql_exec(&s->heads, "PRAGMA synchronous=FULL; BEGIN IMMEDIATE", e);
    if (rc == 0)
        rc = check_all(s, b, e);
    for (size_t i = 0; rc == 0 && i < b->witness_count; i++)
        rc = put_one(&s->heads, &b->witnesses[i], e);
    return rc == 0 ? 0 : give_up(s, rc);
}

int store_witness_end(struct store *s, int rc, struct err *e)
{
    if (rc == 0)
        rc = store_sql_exec(&s->heads, "COMMIT", e);
    if (rc != 0)
        return give_up(s, rc);
    s->heads_unsynced = false;
    return store_sql_exec(&s->heads, "PRAGMA synchronous=NORMAL", e);
}

int store_read_witness(struct store_reader *r, const char *origin, struct arena *a, struct store_witness *ret,
                       struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_heads_open_reader(r, e);
    if (rc != 0)
        return rc;
    rc = witness_get(&r->heads, origin, ret, &stmt, e);
    if (rc == 1)
        ret->note = arena_bytes(a, ret->note);
    store_sql_done(stmt);
    if (rc == 0)
        return err_set(e, ERR_NOT_FOUND, "store.no-witness", "nothing of '%s' has been cosigned here", origin);
    return rc < 0 ? rc : 0;
}

int store_list_witnesses(struct store_reader *r, struct arena *a, struct store_witness **ret, size_t *ret_count,
                         struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct store_witness *rows = NULL;
    size_t count = 0, capacity = 0;
    int rc = store_heads_open_reader(r, e);
    if (rc == 0)
        rc = store_sql_get(&r->heads, HEADS_WITNESS_ALL, &stmt, e);
    while (rc == 0 && (rc = store_sql_step(&r->heads, stmt, e)) == 1) {
        if (count == capacity) {
            capacity = max_of((size_t)16, capacity * 2);
            struct store_witness *bigger = arena_alloc(a, capacity * sizeof *bigger);
            if (count > 0)
                memcpy(bigger, rows, count * sizeof *bigger);
            rows = bigger;
        }
        rc = witness_row(&r->heads, stmt, &rows[count], e);
        if (rc != 0)
            break;
        rows[count].note = arena_bytes(a, rows[count].note);
        count++;
    }
    store_sql_done(stmt);
    *ret = rows;
    *ret_count = rc == 0 ? count : 0;
    return rc;
}

int store_heads_check(struct store_reader *r, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct store_witness row;
    int rc = store_heads_open_reader(r, e);
    if (rc == 0)
        rc = store_sql_check_pages(&r->heads, false, e);
    if (rc == 0)
        rc = store_sql_get(&r->heads, HEADS_WITNESS_ALL, &stmt, e);
    while (rc == 0 && (rc = store_sql_step(&r->heads, stmt, e)) == 1)
        rc = witness_row(&r->heads, stmt, &row, e);
    store_sql_done(stmt);
    return rc;
}
