/* The head row (see store_heads.h). A swap is one UPDATE in its own transaction: one page appended to the WAL, one
 * fsync. */
#include "node/store/store_heads.h"

#include <inttypes.h>
#include <string.h>

#include "certs/crypto.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/store/store_row.h"
#include "node/store/store_writer.h"

enum heads_stmt { HEADS_GET, HEADS_SWAP, HEADS_CREATE, HEADS_STMT_COUNT };

static const char *const texts[HEADS_STMT_COUNT] = {
    [HEADS_GET] = STORE_ROW_HEAD " WHERE id = 1",
    [HEADS_SWAP] = "UPDATE head SET size = ?1, root = ?2, note = ?3, ck = ?4 WHERE id = 1 AND size = ?5 AND root = ?6",
    [HEADS_CREATE] = "INSERT OR IGNORE INTO head(id, node, size, ck, root, note) VALUES(1, ?1, ?2, ?3, ?4, ?5)",
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
    if (rc != 0)
        store_sql_close(c, false);
    return rc;
}

int store_heads_read_size(const char *dir, uint64_t *ret, struct err *e)
{
    struct store_sql c;
    sqlite3_stmt *stmt = NULL;
    struct store_head head;
    uint32_t node = 0;
    int rc = store_sql_open(&c, dir, "heads.db", SQLITE_OPEN_READWRITE, texts, HEADS_STMT_COUNT, e);
    if (rc != 0)
        return rc;
    rc = store_schema_open_reader(&c, &store_schema_heads, e);
    if (rc == 0)
        rc = read_row(&c, &node, &head, &stmt, e);
    if (rc == 0)
        *ret = head.size;
    store_sql_done(stmt);
    store_sql_close(&c, false);
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
    return 0;
}
