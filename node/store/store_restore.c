/* store_restore() (see store.h): a backup takes the place of a database of a node that does not run.
 *
 * Happy path: writer lock -> copy beside the old file -> checked, brought to the current schema -> erasures noted, so that the next
 * opening destroys what the backup brings back -> old files get another name -> the copy is renamed into place -> fsync.
 * Failure modes: until the last rename the old database stays; what is unfinished (.restoring) is removed, now or by the next
 * restore. Old write-ahead logs must not meet the new file: they go before it comes, and stay beside the replaced file.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/clock.h"
#include "node/base/xassert.h"
#include "node/store/store_fact.h"
#include "node/store/store_row.h"
#include "node/store/store_writer.h"

#define CHUNK_BYTES (1u << 18)
#define APPLICATION_ID_AT 68 /* of SQLite's file format, s1.3 */

struct restore {
    const char *dir;
    uint32_t self;
    const char *file;
    const char *name; /* "ledger.db" or "keys.db" */
    const struct store_schema *schema;
    char fresh[24]; /* "ledger.db.restoring" */
    char kept[48];  /* "ledger.db.replaced-<seconds since 1970>"; later seconds where those names are taken */
};

static const char *const tails[] = {"-wal", "-shm", "-journal"};

/* "<dir>/<name><tail>"; the caller closes it. */
static struct buf path_of(const struct restore *r, const char *name, const char *tail)
{
    struct buf path = {0};
    buf_printf(&path, "%s/%s%s", r->dir, name, tail);
    return path;
}

static int sync_dir(const struct restore *r, struct err *e)
{
    int fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc =
        fd >= 0 && fsync(fd) == 0 ? 0 : err_set_errno(e, ERR_IO, "store.restore", errno, "cannot sync '%s'", r->dir);
    if (fd >= 0)
        close(fd);
    return rc;
}

static void remove_fresh(const struct restore *r)
{
    struct buf path = path_of(r, r->fresh, "");
    (void)unlink(buf_cstr(&path));
    buf_close(&path);
    for (size_t i = 0; i < array_count(tails); i++) {
        path = path_of(r, r->fresh, tails[i]);
        (void)unlink(buf_cstr(&path));
        buf_close(&path);
    }
}

/* ---- the copy ---- */

/* A database of the kind that is wanted, whole in one file. */
static int check_source(const struct restore *r, int fd, struct err *e)
{
    uint8_t head[100];
    struct stat st;
    struct buf wal = {0};
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head ||
        memcmp(head, "SQLite format 3", 16) != 0 || get_be32(head + APPLICATION_ID_AT) != r->schema->application_id) {
        int rc = err_set(e, ERR_INVALID, "store.restore-file", "'%.200s' is no backup of a %s", r->file, r->name);
        err_hint(e, "'tongban backup' makes them, with --keys those of keys.db");
        return rc;
    }
    buf_printf(&wal, "%s-wal", r->file);
    bool is_in_use = stat(buf_cstr(&wal), &st) == 0 && st.st_size > 0;
    buf_close(&wal);
    if (!is_in_use)
        return 0;
    int rc = err_set(e, ERR_INVALID, "store.restore-file", "'%.200s' is no backup: it has a write-ahead log beside it",
                     r->file);
    err_hint(e, "copy databases with 'tongban backup', which leaves nothing out");
    return rc;
}

static int copy_bytes(const struct restore *r, int from, int to, struct err *e)
{
    uint8_t *chunk = xmalloc(CHUNK_BYTES);
    ssize_t n = 0;
    int rc = 0;
    while (rc == 0 && (n = read(from, chunk, CHUNK_BYTES)) > 0)
        if (write(to, chunk, (size_t)n) != n)
            rc = err_set_errno(e, ERR_IO, "store.restore", errno, "cannot write '%s/%s'", r->dir, r->fresh);
    if (rc == 0 && n < 0)
        rc = err_set_errno(e, ERR_IO, "store.restore", errno, "cannot read '%.200s'", r->file);
    if (rc == 0 && fsync(to) != 0)
        rc = err_set_errno(e, ERR_IO, "store.restore", errno, "cannot sync '%s/%s'", r->dir, r->fresh);
    free(chunk);
    return rc;
}

static int copy(const struct restore *r, struct err *e)
{
    struct buf path = path_of(r, r->fresh, "");
    int to = -1, from = open(r->file, O_RDONLY | O_CLOEXEC), rc = 0;
    if (from < 0)
        rc = err_set_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "store.restore", errno, "cannot open '%.200s'",
                           r->file);
    if (rc == 0)
        rc = check_source(r, from, e);
    remove_fresh(r); /* of a restore that was cut short */
    if (rc == 0 && (to = open(buf_cstr(&path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
        rc = err_set_errno(e, ERR_IO, "store.restore", errno, "cannot make '%s'", buf_cstr(&path));
    if (rc == 0)
        rc = copy_bytes(r, from, to, e);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    buf_close(&path);
    return rc;
}

/* ---- checking ---- */

/* Cases that this node has erased are noted for destruction: a backup, of either database, is older than what it is told. */
static int note_erasures(struct store_sql *ledger, uint32_t self, struct err *e)
{
    sqlite3_stmt *from = NULL, *to = NULL;
    int rc = store_sql_exec(ledger, "BEGIN IMMEDIATE", e);
    if (rc == 0 &&
        (sqlite3_prepare_v2(ledger->db, "SELECT key, value FROM fact WHERE kind = 3", -1, &from, NULL) != 0 ||
         sqlite3_prepare_v2(ledger->db, "INSERT OR REPLACE INTO fact(kind, key, ck, value) VALUES(?1, ?2, ?3, ?4)", -1,
                            &to, NULL) != 0))
        rc = store_sql_error(ledger, sqlite3_errcode(ledger->db), "erasures", e);
    while (rc == 0 && (rc = store_sql_step(ledger, from, e)) == 1) {
        struct bytes key = store_sql_bytes(from, 0), value = store_sql_bytes(from, 1);
        bool is_ours = key.size == STORE_CASE_ID_SIZE + 4 && get_be32(key.data + STORE_CASE_ID_SIZE) == self;
        rc = 0;
        if (!is_ours || value.size == 0 || value.data[0] != STORE_ERASURE_DONE)
            continue;
        struct bytes case_id = bytes_of(key.data, STORE_CASE_ID_SIZE), nothing = bytes_of(NULL, 0);
        store_sql_bind_u64(to, 1, STORE_FACT_DESTROY);
        store_sql_bind_bytes(to, 2, case_id);
        store_sql_bind_u64(to, 3, store_fact_ck(STORE_FACT_DESTROY, case_id, nothing));
        store_sql_bind_bytes(to, 4, nothing);
        rc = store_sql_run(ledger, to, e);
    }
    sqlite3_finalize(from);
    sqlite3_finalize(to);
    return rc == 0 ? store_sql_exec(ledger, "COMMIT", e) : rc;
}

static int check_copy(const struct restore *r, bool keys, uint64_t *ret_size, struct err *e)
{
    struct store_sql c = {0};
    uint64_t self = 0;
    int rc = store_sql_open(&c, r->dir, r->fresh, SQLITE_OPEN_READWRITE, NULL, 0, e);
    if (rc == 0)
        rc = store_sql_check_pages(&c, false, e);
    if (rc == 0)
        rc = store_schema_open_writer(&c, r->schema, e);
    if (rc == 0 && !keys) {
        rc = store_row_meta(&c, "self", &self, e);
        if (rc == 0 && self != r->self)
            rc = err_set(e, ERR_CONFLICT, "store.other-node", "ledger.db belongs to node %" PRIu64 ", not %" PRIu32,
                         self, r->self);
        if (rc == 0)
            rc = note_erasures(&c, r->self, e);
        if (rc == 0)
            rc = store_sql_exec_u64(&c,
                                    "SELECT coalesce(max(id), (1 << 60) - 1) + 1 - (1 << 60) FROM entry"
                                    " WHERE id >= 1 << 60",
                                    ret_size, e);
    }
    store_sql_close(&c, rc == 0); /* closing writes the log back: one file again */
    return rc == 0 ? 0 : err_wrap(e, "'%.200s'", r->file);
}

/* Keys come back: the ledger that is there says whose are gone for good. */
static int note_in_ledger(const struct restore *r, struct err *e)
{
    struct store_sql c = {0};
    struct err absent = {0};
    int rc = store_sql_open(&c, r->dir, "ledger.db", SQLITE_OPEN_READWRITE, NULL, 0, &absent);
    if (rc == ERR_NOT_FOUND)
        return 0; /* it is restored as well, and noted then */
    if (rc != 0)
        *e = absent;
    if (rc == 0)
        rc = store_schema_open_writer(&c, &store_schema_ledger, e);
    if (rc == 0)
        rc = note_erasures(&c, r->self, e);
    store_sql_close(&c, rc == 0);
    if (rc != 0)
        err_hint(e, "restore ledger.db first: it says whose keys must not come back");
    return rc;
}

/* ---- changing places ---- */

static void choose_kept(struct restore *r)
{
    struct stat st;
    bool is_taken = true;
    for (uint64_t second = clock_wall_ms() / 1000; is_taken; second++) {
        (void)snprintf(r->kept, sizeof r->kept, "%s.replaced-%" PRIu64, r->name, second);
        struct buf path = path_of(r, r->kept, "");
        is_taken = lstat(buf_cstr(&path), &st) == 0;
        buf_close(&path);
    }
}

/* The old file gets a second name, its logs another one. ENOENT: there is none. */
static int keep_old(const struct restore *r, struct err *e)
{
    struct buf from = path_of(r, r->name, ""), to = path_of(r, r->kept, "");
    int rc = 0;
    if (link(buf_cstr(&from), buf_cstr(&to)) != 0 && errno != ENOENT)
        rc = err_set_errno(e, ERR_IO, "store.restore", errno, "cannot keep '%s' as '%s'", r->name, r->kept);
    buf_close(&from);
    buf_close(&to);
    for (size_t i = 0; rc == 0 && i < array_count(tails); i++) {
        from = path_of(r, r->name, tails[i]);
        to = path_of(r, r->kept, tails[i]);
        if (rename(buf_cstr(&from), buf_cstr(&to)) != 0 && errno != ENOENT)
            rc = err_set_errno(e, ERR_IO, "store.restore", errno, "cannot keep '%s%s'", r->name, tails[i]);
        buf_close(&from);
        buf_close(&to);
    }
    return rc == 0 ? sync_dir(r, e) : rc;
}

static int change_places(const struct restore *r, struct store_restore_result *ret, struct err *e)
{
    struct buf fresh = path_of(r, r->fresh, ""), name = path_of(r, r->name, ""), kept = path_of(r, r->kept, "");
    struct stat st;
    int rc = keep_old(r, e);
    if (rc == 0 && rename(buf_cstr(&fresh), buf_cstr(&name)) != 0)
        rc = err_set_errno(e, ERR_IO, "store.restore", errno, "cannot rename '%s'", buf_cstr(&fresh));
    if (rc == 0)
        rc = sync_dir(r, e);
    if (rc == 0) {
        ret->bytes = stat(buf_cstr(&name), &st) == 0 ? (uint64_t)st.st_size : 0;
        if (stat(buf_cstr(&kept), &st) == 0)
            (void)snprintf(ret->kept, sizeof ret->kept, "%s", r->kept);
    }
    buf_close(&fresh);
    buf_close(&name);
    buf_close(&kept);
    return rc;
}

int store_restore(const char *dir, uint32_t self, bool keys, const char *file, struct store_restore_result *ret,
                  struct err *e)
{
    struct restore r = {.dir = dir, .self = self, .file = file};
    int lock = -1;
    r.name = keys ? "keys.db" : "ledger.db";
    r.schema = keys ? &store_schema_keys : &store_schema_ledger;
    (void)snprintf(r.fresh, sizeof r.fresh, "%s.restoring", r.name);
    *ret = (struct store_restore_result){0};
    int rc = store_writer_lock(dir, &lock, e);
    if (rc != 0)
        return rc;
    choose_kept(&r); /* under the lock: nobody else takes the name */
    rc = copy(&r, e);
    if (rc == 0)
        rc = check_copy(&r, keys, &ret->ledger_size, e);
    if (rc == 0 && keys)
        rc = note_in_ledger(&r, e);
    if (rc == 0)
        rc = change_places(&r, ret, e);
    if (rc != 0)
        remove_fresh(&r);
    close(lock);
    return rc;
}
