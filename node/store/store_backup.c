/* store_backup() (see store.h): SQLite's online backup from one read transaction, so that the copy is one committed moment
 * however long it takes; writers go on meanwhile, their log grows.
 *
 * Happy path: new file NAME.partial -> steps of 256 pages -> journal mode DELETE (one file, no log) -> quick_check -> fsync -> its
 * name -> fsync of the folder.
 * Failure modes: whatever fails, the unfinished file is removed and the source was only read; a power cut leaves NAME.partial, which
 * nobody takes for a backup, and which the next one to that name replaces.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/xassert.h"
#include "node/store/store_reader.h"
#include "node/store/store_schema.h"

#define STEP_PAGES 256
/* Each page is read once and written once: a cache of the usual size would fill with pages that nobody asks for again, 2 MiB on each
 * side, and leave the heap as large as that. */
#define SMALL_CACHE "PRAGMA cache_size=-256"

static int sync_path(const char *path, int flags, struct err *e)
{
    int fd = open(path, flags | O_CLOEXEC);
    int rc = fd >= 0 && fsync(fd) == 0 ? 0 : err_set_errno(e, ERR_IO, "store.backup", errno, "cannot sync '%s'", path);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int exists(const char *path, struct err *e)
{
    return err_set(e, ERR_CONFLICT, "store.backup-exists", "'%s' exists already", path);
}

static int make_file(const char *path, struct err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "store.backup", errno, "cannot make '%s'",
                             path);
    close(fd);
    return 0;
}

static int copy_pages(sqlite3 *from, struct store_sql *to, int (*progress)(void *ctx, uint64_t done, uint64_t all),
                      void *ctx, struct err *e)
{
    sqlite3_backup *b = sqlite3_backup_init(to->db, "main", from, "main");
    if (b == NULL)
        return store_sql_error(to, sqlite3_errcode(to->db), "backup", e);
    int rc, stopped = 0;
    do {
        rc = sqlite3_backup_step(b, STEP_PAGES);
        uint64_t all = (uint64_t)sqlite3_backup_pagecount(b);
        if (progress != NULL && progress(ctx, all - (uint64_t)sqlite3_backup_remaining(b), all) != 0)
            stopped = 1;
    } while (rc == SQLITE_OK && !stopped);
    (void)sqlite3_backup_finish(b);
    if (stopped && rc == SQLITE_OK)
        return err_set(e, ERR_CLOSED, "store.backup-cancelled", "the backup was ended before it was complete");
    return rc == SQLITE_DONE ? 0 : store_sql_error(to, rc, "backup", e);
}

static int check_copy(struct store_sql *to, bool keys, uint64_t *ret_size, struct err *e)
{
    int rc = store_sql_exec(to, "PRAGMA journal_mode=DELETE", e);
    if (rc == 0)
        rc = store_sql_check_pages(to, true, e);
    if (rc == ERR_CORRUPT)
        (void)err_wrap(e, "the copy fails its check: the source is damaged");
    *ret_size = 0;
    if (rc == 0 && !keys)
        rc = store_sql_exec_u64(to,
                                "SELECT coalesce((SELECT (id & ((1 << 40) - 1)) + 1 FROM entry WHERE id >= (1 << 60)"
                                " AND id < (1 << 60) + (1 << 40) ORDER BY id DESC LIMIT 1), 0)",
                                ret_size, e);
    return rc;
}

static void split(const char *path, char **ret_dir, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    *ret_dir = xstrdup(slash == NULL ? "." : slash == path ? "/" : path);
    if (slash != NULL && slash != path)
        (*ret_dir)[slash - path] = '\0';
    *ret_name = slash == NULL ? path : slash + 1;
}

/* Nothing half done, nor what the engine had beside it. */
static void remove_copy(const char *path)
{
    static const char *const ends[] = {"", "-journal", "-wal", "-shm"};
    for (size_t i = 0; i < array_count(ends); i++) {
        struct buf name = {0};
        buf_printf(&name, "%s%s", path, ends[i]);
        (void)unlink(buf_cstr(&name));
        buf_close(&name);
    }
}

/* The finished copy gets its name, which nothing else has got meanwhile. */
static int name_copy(const char *partial, const char *path, struct err *e)
{
    int rc = renameat2(AT_FDCWD, partial, AT_FDCWD, path, RENAME_NOREPLACE);
    if (rc != 0 && errno == EINVAL) /* a file system that cannot promise it */
        rc = rename(partial, path);
    if (rc != 0 && errno == EEXIST)
        return exists(path, e);
    return rc == 0 ? 0 : err_set_errno(e, ERR_IO, "store.backup", errno, "cannot make '%s'", path);
}

/* The copy itself: made in @partial, which is @folder/@name, checked and synced. */
static int make_copy(const char *dir, bool keys, const char *partial,
                     int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx,
                     struct store_backup_result *ret, struct err *e)
{
    struct store_sql from = {0}, to = {0};
    const char *name;
    char *folder;
    _Static_assert(STORE_SLOT_SELF == 1u << 20 && STORE_INDEX_BITS == 40, "the numbers in check_copy()");
    split(partial, &folder, &name);
    int rc = store_sql_open(&from, dir, keys ? "keys.db" : "ledger.db", SQLITE_OPEN_READWRITE, NULL, 0, e);
    if (rc == 0)
        rc = store_schema_open_reader(&from, keys ? &store_schema_keys : &store_schema_ledger, e);
    if (rc == 0)
        rc = store_sql_exec(&from, SMALL_CACHE, e);
    if (rc == 0)
        rc = store_sql_open(&to, folder, name, SQLITE_OPEN_READWRITE, NULL, 0, e);
    if (rc == 0)
        rc = store_sql_exec(&to, SMALL_CACHE, e);
    if (rc == 0)
        rc = store_sql_exec(&from, "BEGIN; SELECT count(*) FROM sqlite_schema", e); /* one moment for all pages */
    if (rc == 0)
        rc = copy_pages(from.db, &to, progress, ctx, e);
    if (rc == 0)
        rc = check_copy(&to, keys, &ret->ledger_size, e);
    store_sql_close(&to, true);
    store_sql_close(&from, false);
    free(folder);
    return rc == 0 ? sync_path(partial, O_RDONLY, e) : rc;
}

int store_backup(const char *dir, bool keys, const char *path, int (*progress)(void *ctx, uint64_t done, uint64_t all),
                 void *ctx, struct store_backup_result *ret, struct err *e)
{
    const char *name;
    char *folder;
    struct stat st;
    struct buf text = {0};
    if (lstat(path, &st) == 0)
        return exists(path, e);
    buf_printf(&text, "%s.partial", path);
    const char *partial = buf_cstr(&text);
    split(path, &folder, &name);
    remove_copy(partial); /* one that was cut off */
    int rc = make_file(partial, e);
    if (rc == 0) {
        rc = make_copy(dir, keys, partial, progress, ctx, ret, e);
        if (rc == 0)
            rc = name_copy(partial, path, e);
        if (rc != 0)
            remove_copy(partial);
    }
    if (rc == 0)
        rc = sync_path(folder, O_RDONLY | O_DIRECTORY, e);
    if (rc == 0)
        ret->bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    buf_close(&text);
    free(folder);
    return rc;
}
