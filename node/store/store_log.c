/* The write-ahead log of ledger.db (see store.h): room for it beforehand, and its way back into the database.
 *
 * SQLite does the way back inside the commit that makes the log long enough: tens of milliseconds, in which no commit
 * ends, here and at every peer that waits for one. With a store_log another thread does it, in a connection of its own, while
 * commits go on behind what it copies; what they leave is little, and the writer's to copy (store_log_finish()), because only then
 * is all of the log in the database and the next commit begins it anew.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "node/base/xassert.h"
#include "node/store/store_writer.h"

#define RESERVE_BYTES (12u << 20) /* STORE_LOG_PAGES, and half as much for what comes while they are copied */
#define RESERVE_FREE_MIN (UINT64_C(1) << 30)
#define BUSY_TRIES 100u

struct store_log {
    struct store_sql c;
    uint32_t copied; /* pages of the log, when it was looked at last */
};

/* ---- room ---- */

/* A log whose zeros are read as frames ends there: their salt is not its header's. */
static bool fill_with_zeros(int fd, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[1u << 16];
    while (from < to) {
        ssize_t n = pwrite(fd, zeros, (size_t)min_of(to - from, (uint64_t)sizeof zeros), (off_t)from);
        if (n <= 0)
            return false;
        from += (uint64_t)n;
    }
    return fdatasync(fd) == 0;
}

void store_reserve_log(struct store *s)
{
    const char *path = sqlite3_filename_wal(sqlite3_db_filename(s->ledger.db, "main"));
    int fd = open(path, O_WRONLY | O_CLOEXEC); /* not locked by anybody: SQLite's locks are on the two other files */
    struct stat file;
    struct statvfs fs;
    if (fd < 0)
        return;
    if (fstat(fd, &file) == 0 && (uint64_t)file.st_size < RESERVE_BYTES && fstatvfs(fd, &fs) == 0 &&
        (uint64_t)fs.f_bavail * fs.f_frsize >= RESERVE_FREE_MIN &&
        !fill_with_zeros(fd, (uint64_t)file.st_size, RESERVE_BYTES) && ftruncate(fd, file.st_size) != 0)
        (void)file; /* it stays longer: nothing but space */
    close(fd);
}

/* ---- the way back ---- */

static int pages_cb(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct store *s = ctx;
    (void)db, (void)name;
    s->log_pages = (uint32_t)pages;
    return SQLITE_OK;
}

int store_log_open(struct store *s, struct store_log **ret, struct err *e)
{
    static const char name[] = "ledger.db";
    struct buf dir = {0};
    uint64_t version;
    const char *path = sqlite3_db_filename(s->ledger.db, "main");
    buf_put(&dir, path, strlen(path) - sizeof name); /* without the slash */
    struct store_log *l = xcalloc(1, sizeof *l);
    int rc = store_sql_open(&l->c, buf_cstr(&dir), name, SQLITE_OPEN_READWRITE, NULL, 0, e);
    buf_close(&dir);
    if (rc == 0) /* synchronous: of the log before it is copied, of the database after it */
        rc = store_sql_exec(&l->c, "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-64;", e);
    if (rc == 0) /* reads a page: now it knows that there is a log */
        rc = store_sql_exec_u64(&l->c, "PRAGMA user_version", &version, e);
    if (rc != 0) {
        store_log_close(l);
        return rc;
    }
    (void)sqlite3_wal_hook(s->ledger.db, pages_cb, s); /* instead of SQLite's own, which copies */
    *ret = l;
    return 0;
}

void store_log_close(struct store_log *l)
{
    if (l == NULL)
        return;
    store_sql_close(&l->c, false);
    free(l);
}

uint32_t store_log_pages(const struct store *s)
{
    return s->log_pages;
}

int store_log_copy(struct store_log *l, uint32_t *ret_pages, struct err *e)
{
    int copied = 0, rc;
    unsigned tries = 0;
    *ret_pages = 0;
    do /* busy: a commit was changing the index of the log in this very moment, or the writer empties the log */
        rc = sqlite3_wal_checkpoint_v2(l->c.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, &copied);
    while ((rc & 0xff) == SQLITE_BUSY && ++tries < BUSY_TRIES);
    if ((rc & 0xff) == SQLITE_BUSY)
        return 0;
    if (rc != SQLITE_OK)
        return store_sql_error(&l->c, rc, "checkpoint", e);
    *ret_pages = (uint32_t)copied > l->copied ? (uint32_t)copied - l->copied : 0; /* fewer: it had begun anew */
    l->copied = (uint32_t)copied;
    return 0;
}

int store_log_finish(struct store *s, struct err *e)
{
    if (s->ledger_failed)
        return 0;
    int rc = sqlite3_wal_checkpoint_v2(s->ledger.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return rc == SQLITE_OK ? 0 : store_sql_error(&s->ledger, rc, "checkpoint", e);
}
