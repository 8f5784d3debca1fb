/* Connection, statements and error mapping (see store_sql.h).
 *
 * Connections are opened without SQLite's own mutex: each belongs to one thread at a time by the contract of store.h.
 * The error code of the operating system matters: a full disk shows up in SQLite as FULL from a write but as IOERR from
 * fsync, and both must become ERR_FULL, because the operator's answer is the same.
 */
#include "node/store/store_sql.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/crypto.h"
#include "node/base/xassert.h"
#include "node/store/store_tokenizer.h"

#define CANCEL_STEPS 1000 /* of SQLite's machine, or pages of its check, between two looks: well under a millisecond */

int store_sql_open(struct store_sql *c, const char *dir, const char *name, int flags, const char *const *texts,
                   size_t count, struct err *e)
{
    *c = (struct store_sql){.name = name, .texts = texts, .count = count};
    c->stmts = xcalloc(count, sizeof(sqlite3_stmt *));
    struct buf path = {0};
    buf_printf(&path, "%s/%s", dir, name);

    int rc = sqlite3_open_v2(buf_cstr(&path), &c->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if ((rc & 0xff) == SQLITE_CANTOPEN && sqlite3_system_errno(c->db) == ENOENT)
        rc = err_set(e, ERR_NOT_FOUND, "store.absent", "there is no '%s'", buf_cstr(&path));
    else if (rc != SQLITE_OK)
        rc = store_sql_error(c, rc, "open", e);
    buf_close(&path);

    /* Readers and a checkpoint exclude each other for moments only; longer than this is another program's lock. */
    if (rc == 0) {
        (void)sqlite3_busy_timeout(c->db, STORE_SQL_BUSY_MS);
        (void)sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, 1 << 20); /* no row is larger, whatever its header says */
        rc = store_tokenizer_register(c, e);
    }
    if (rc != 0)
        store_sql_close(c, false);
    return rc;
}

void store_sql_close(struct store_sql *c, bool with_checkpoint)
{
    for (size_t i = 0; i < c->count; i++)
        sqlite3_finalize(c->stmts[i]);
    free(c->stmts);
    if (c->db != NULL) {
        /* An I/O error from here on loses nothing: what is committed is in the WAL. */
        if (with_checkpoint)
            (void)sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        else
            (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        int rc = sqlite3_close(c->db);
        xassert(rc != SQLITE_BUSY);
    }
    *c = (struct store_sql){0};
}

static int sync_log(sqlite3 *db, int flags)
{
    sqlite3_file *log = NULL;
    sqlite3_vfs *vfs = NULL;
    int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (rc == SQLITE_OK)
        rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
    if (rc != SQLITE_OK || log == NULL || log->pMethods == NULL)
        return rc != SQLITE_OK ? rc : SQLITE_INTERNAL;
    rc = log->pMethods->xSync(log, flags);
    int errnum = rc == SQLITE_OK ? 0 : vfs->xGetLastError(vfs, 0, NULL);
    return errnum == ENOSPC || errnum == EDQUOT ? SQLITE_FULL : rc; /* SQLite itself does not look here */
}

int store_sql_sync_log(struct store_sql *c, int flags, struct err *e)
{
    int rc = sync_log(c->db, flags);
    return rc == SQLITE_OK ? 0 : store_sql_error(c, rc, "sync", e);
}

static int is_cancelled(void *ctx)
{
    return atomic_load((const atomic_bool *)ctx);
}

void store_sql_cancel_by(struct store_sql *c, const atomic_bool *cancel)
{
    sqlite3_progress_handler(c->db, CANCEL_STEPS, cancel == NULL ? NULL : is_cancelled, (void *)cancel);
}

static int code_of(const struct store_sql *c, int rc)
{
    int errnum = c->db != NULL ? sqlite3_system_errno(c->db) : 0;
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return ERR_FULL;
    case SQLITE_IOERR:
        if (rc == SQLITE_IOERR_CORRUPTFS)
            return ERR_CORRUPT;
        return errnum == ENOSPC || errnum == EDQUOT ? ERR_FULL : ERR_IO;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return ERR_IO;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_INTERRUPT:
        return ERR_CLOSED;
    default:
        return ERR_INTERNAL;
    }
}

int store_sql_error(const struct store_sql *c, int rc, const char *doing, struct err *e)
{
    static const struct {
        int code;
        const char *id;
    } ids[] = {{ERR_FULL, "store.full"},
               {ERR_IO, "store.io"},
               {ERR_CORRUPT, "store.corrupt"},
               {ERR_BUSY, "store.busy"},
               {ERR_CLOSED, "store.cancelled"}};
    int code = code_of(c, rc);
    const char *id = "store.internal";
    for (size_t i = 0; i < array_count(ids); i++) {
        if (ids[i].code == code)
            id = ids[i].id;
    }
    /* The connection's own text says more ("database disk image is malformed", a constraint's name) if it is about rc. */
    bool own_text = c->db != NULL && sqlite3_extended_errcode(c->db) == rc;
    (void)err_set(e, code, id, "%s: %s: %s (SQLite %d)", c->name, doing,
                  own_text ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc), rc);
    if (code == ERR_FULL)
        err_hint(e, "free space on the disk of the node's folder; a running node goes on by itself then");
    return code;
}

int store_sql_exec(struct store_sql *c, const char *sql, struct err *e)
{
    int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return 0;
    char doing[48];
    (void)snprintf(doing, sizeof doing, "%.*s", (int)strcspn(sql, ";(\n"), sql);
    return store_sql_error(c, rc, doing, e);
}

int store_sql_exec_u64(struct store_sql *c, const char *sql, uint64_t *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW)
            *ret = store_sql_u64(stmt, 0);
    }
    int result = rc == SQLITE_ROW ? 0 : store_sql_error(c, rc, sql, e);
    sqlite3_finalize(stmt);
    return result;
}

int store_sql_check_pages(struct store_sql *c, bool quick, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    const char *sql = quick ? "PRAGMA quick_check(1)" : "PRAGMA integrity_check(1)";
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ERROR) { /* the text of a table's definition is not what it was */
        rc = err_set(e, ERR_CORRUPT, "store.corrupt", "%s: table definition: %s", c->name, sqlite3_errmsg(c->db));
    } else if (rc != SQLITE_ROW) {
        rc = store_sql_error(c, rc, sql, e);
    } else {
        struct bytes text = store_sql_bytes(stmt, 0);
        rc = bytes_equal(text, bytes_of_string("ok")) ? 0
                                                      : err_set(e, ERR_CORRUPT, "store.corrupt", "%s: %.*s", c->name,
                                                                (int)text.size, (const char *)text.data);
    }
    sqlite3_finalize(stmt);
    return rc;
}

int store_sql_get(struct store_sql *c, unsigned id, sqlite3_stmt **ret, struct err *e)
{
    xassert(id < c->count);
    if (c->stmts[id] == NULL) {
        int rc = sqlite3_prepare_v3(c->db, c->texts[id], -1, SQLITE_PREPARE_PERSISTENT, &c->stmts[id], NULL);
        if (rc != SQLITE_OK)
            return store_sql_error(c, rc, c->texts[id], e);
    }
    (void)sqlite3_reset(c->stmts[id]); /* repeats the error of the step before, which was reported then */
    *ret = c->stmts[id];
    return 0;
}

int store_sql_step(struct store_sql *c, sqlite3_stmt *stmt, struct err *e)
{
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE)
        return 0;
    char doing[64];
    (void)snprintf(doing, sizeof doing, "%s", sqlite3_sql(stmt));
    return store_sql_error(c, rc, doing, e);
}

int store_sql_run(struct store_sql *c, sqlite3_stmt *stmt, struct err *e)
{
    int rc = store_sql_step(c, stmt, e);
    xassert(rc <= 0);
    store_sql_done(stmt);
    return rc;
}

void store_sql_done(sqlite3_stmt *stmt)
{
    (void)sqlite3_reset(stmt); /* repeats the error of the step before, which was reported then */
}

void store_sql_bind_u64(sqlite3_stmt *stmt, int at, uint64_t v)
{
    int rc = sqlite3_bind_int64(stmt, at, (sqlite3_int64)v);
    xassert(rc == SQLITE_OK);
}

void store_sql_bind_bytes(sqlite3_stmt *stmt, int at, struct bytes b)
{
    int rc =
        b.size == 0 ? sqlite3_bind_zeroblob(stmt, at, 0) : sqlite3_bind_blob64(stmt, at, b.data, b.size, SQLITE_STATIC);
    xassert(rc == SQLITE_OK);
}

void store_sql_bind_text(sqlite3_stmt *stmt, int at, const char *s)
{
    int rc = sqlite3_bind_text(stmt, at, s, -1, SQLITE_STATIC);
    xassert(rc == SQLITE_OK);
}

uint64_t store_sql_u64(sqlite3_stmt *stmt, int column)
{
    return (uint64_t)sqlite3_column_int64(stmt, column);
}

struct bytes store_sql_bytes(sqlite3_stmt *stmt, int column)
{
    const void *data = sqlite3_column_blob(stmt, column);
    return bytes_of(data, (size_t)sqlite3_column_bytes(stmt, column));
}

bool store_sql_text(sqlite3_stmt *stmt, int column, char *out, size_t out_size)
{
    struct bytes text = store_sql_bytes(stmt, column);
    size_t size = min_of(text.size, out_size - 1);
    memset(out, 0, out_size);
    if (size > 0)
        memcpy(out, text.data, size);
    return size == text.size && memchr(out, 0, out_size) == out + size;
}

uint64_t store_sql_check_value(enum store_table table, const uint64_t *ints, size_t int_count,
                               const struct bytes *spans, size_t span_count)
{
    xassert(int_count <= STORE_SQL_INTS_MAX && span_count <= STORE_SQL_SPANS_MAX);
    /* All numbers stand in front, with the spans' sizes among them, so that one hash call has few parts. */
    uint8_t front[8 * (1 + STORE_SQL_INTS_MAX + STORE_SQL_SPANS_MAX)];
    struct bytes parts[1 + STORE_SQL_SPANS_MAX];
    size_t at = 0;
    put_be64(front, (uint64_t)table);
    for (size_t i = 0; i < int_count; i++)
        put_be64(front + 8 * ++at, ints[i]);
    for (size_t i = 0; i < span_count; i++) {
        put_be64(front + 8 * ++at, spans[i].size);
        parts[1 + i] = spans[i];
    }
    parts[0] = bytes_of(front, 8 * (at + 1));
    uint8_t hash[CRYPTO_HASH_SIZE];
    crypto_sha256(parts, 1 + span_count, hash);
    return get_be64(hash);
}
