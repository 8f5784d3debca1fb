/* The faulty disk (see faultvfs.h). The shim file holds the real file behind it in the same allocation, as SQLite's
 * own test VFSs do; every method that is not about writing goes straight through. */
#include "tests/lib/faultvfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/list.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"

#define SECTOR 512

/* A write or truncation that nobody has synced: how to undo it and how to do it again. */
struct pending {
    struct list link;
    char *path;
    sqlite3_int64 old_file_size;
    sqlite3_int64 offset; /* of the write; of a truncation, the new size */
    uint8_t *old_bytes;   /* what the file had from @offset on, as far as it reached */
    size_t old_size;
    uint8_t *new_bytes; /* NULL: a truncation */
    size_t new_size;
};

struct shim_file {
    sqlite3_file base;
    char *path; /* owned; NULL for files without a name */
    sqlite3_file *real;
};

static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    enum faultvfs_kind kind;
    uint64_t countdown; /* operations until the armed one */
    uint64_t syncs;
    bool fired;
    struct list pending; /* oldest first */
} fault;

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct shim_file *)(void *)file)->real;
}

static void drop_pending(struct pending *p)
{
    list_remove(&p->link);
    free(p->path);
    free(p->old_bytes);
    free(p->new_bytes);
    free(p);
}

static void forget_path(const char *path)
{
    list_for_each_safe (at, &fault.pending) {
        struct pending *p = container_of(at, struct pending, link);
        if (strcmp(p->path, path) == 0)
            drop_pending(p);
    }
}

/* Counts one operation; true when it is to fail. */
static bool fails(bool is_write)
{
    bool about_writes = fault.kind == FAULTVFS_WRITE_FULL || fault.kind == FAULTVFS_WRITE_IO;
    bool about_syncs = fault.kind == FAULTVFS_SYNC_FULL || fault.kind == FAULTVFS_SYNC_IO;
    if (fault.kind != FAULTVFS_CRASH && !(is_write ? about_writes : about_syncs))
        return false;
    if (fault.fired)
        return fault.kind != FAULTVFS_WRITE_IO && fault.kind != FAULTVFS_SYNC_IO;
    if (--fault.countdown > 0)
        return false;
    fault.fired = true;
    return true;
}

static bool is_crashed(void)
{
    return fault.kind == FAULTVFS_CRASH && fault.fired;
}

/* Takes down what [offset, end of the change) holds, before the change. */
static void record(struct shim_file *f, sqlite3_int64 offset, size_t old_span, const void *new_bytes, size_t new_size)
{
    if (f->path == NULL)
        return;
    struct pending *p = xcalloc(1, sizeof *p);
    p->path = xstrdup(f->path);
    p->offset = offset;
    int rc = f->real->pMethods->xFileSize(f->real, &p->old_file_size);
    xassert(rc == SQLITE_OK);
    if (p->old_file_size > offset)
        p->old_size = min_of(old_span, (size_t)(p->old_file_size - offset));
    p->old_bytes = xmalloc(p->old_size + 1);
    if (p->old_size > 0) {
        rc = f->real->pMethods->xRead(f->real, p->old_bytes, (int)p->old_size, offset);
        xassert(rc == SQLITE_OK);
    }
    if (new_bytes != NULL) {
        p->new_bytes = xmemdup(new_bytes, new_size);
        p->new_size = new_size;
    }
    list_append(&fault.pending, &p->link);
}

/* ---- file methods ---- */

static int shim_close(sqlite3_file *file)
{
    struct shim_file *f = (struct shim_file *)(void *)file;
    int rc = f->real->pMethods->xClose(f->real);
    free(f->path);
    return rc;
}

static int shim_read(sqlite3_file *file, void *out, int size, sqlite3_int64 offset)
{
    return real_of(file)->pMethods->xRead(real_of(file), out, size, offset);
}

static int shim_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    struct shim_file *f = (struct shim_file *)(void *)file;
    if (fails(true))
        return fault.kind == FAULTVFS_WRITE_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    record(f, offset, (size_t)size, data, (size_t)size);
    return f->real->pMethods->xWrite(f->real, data, size, offset);
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct shim_file *f = (struct shim_file *)(void *)file;
    if (is_crashed())
        return SQLITE_IOERR_TRUNCATE;
    record(f, size, SIZE_MAX, NULL, 0);
    return f->real->pMethods->xTruncate(f->real, size);
}

static int shim_sync(sqlite3_file *file, int flags)
{
    struct shim_file *f = (struct shim_file *)(void *)file;
    (void)flags;
    fault.syncs++;
    if (fails(false)) {
        /* The real code for a full disk at fsync is IOERR_FSYNC with ENOSPC in errno, which xGetLastError tells. */
        return SQLITE_IOERR_FSYNC;
    }
    if (f->path != NULL)
        forget_path(f->path);
    return SQLITE_OK;
}

static int shim_file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), ret);
}

static int shim_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int shim_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int shim_check_reserved(sqlite3_file *file, int *ret)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret);
}

static int shim_file_control(sqlite3_file *file, int op, void *arg)
{
    if (op == SQLITE_FCNTL_SIZE_HINT) /* would grow the file behind the record's back */
        return SQLITE_NOTFOUND;
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int shim_sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int shim_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int shim_shm_map(sqlite3_file *file, int page, int page_size, int extend, void volatile **ret)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, page_size, extend, ret);
}

static int shim_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void shim_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int shim_shm_unmap(sqlite3_file *file, int delete_flag)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), delete_flag);
}

static const sqlite3_io_methods shim_methods = {
    .iVersion = 2,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_file_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_check_reserved,
    .xFileControl = shim_file_control,
    .xSectorSize = shim_sector_size,
    .xDeviceCharacteristics = shim_characteristics,
    .xShmMap = shim_shm_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_shm_barrier,
    .xShmUnmap = shim_shm_unmap,
};

static const sqlite3_io_methods no_shm_methods = {
    .iVersion = 1,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_file_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_check_reserved,
    .xFileControl = shim_file_control,
    .xSectorSize = shim_sector_size,
    .xDeviceCharacteristics = shim_characteristics,
};

/* ---- VFS methods ---- */

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    struct shim_file *f = (struct shim_file *)(void *)file;
    (void)vfs;
    f->base.pMethods = NULL;
    f->path = NULL;
    f->real = (sqlite3_file *)(void *)(f + 1);
    f->real->pMethods = NULL;
    int rc = fault.real->xOpen(fault.real, name, f->real, flags, ret_flags);
    if (rc != SQLITE_OK)
        return rc;
    f->path = name != NULL ? xstrdup(name) : NULL;
    f->base.pMethods = fault.kind == FAULTVFS_NO_SHM ? &no_shm_methods : &shim_methods;
    return SQLITE_OK;
}

static int shim_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs;
    if (is_crashed())
        return SQLITE_IOERR_DELETE;
    forget_path(name);
    (void)sync_dir;
    return fault.real->xDelete(fault.real, name, 0);
}

static int shim_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    (void)size;
    (void)out;
    bool full = fault.kind == FAULTVFS_WRITE_FULL || fault.kind == FAULTVFS_SYNC_FULL;
    return fault.fired ? (full ? ENOSPC : EIO) : 0;
}

void faultvfs_install(void)
{
    fault.real = sqlite3_vfs_find(NULL);
    xassert(fault.real != NULL && fault.real != &fault.vfs);
    list_init(&fault.pending);
    fault.vfs = *fault.real;
    fault.vfs.pNext = NULL;
    fault.vfs.zName = "fault";
    fault.vfs.szOsFile = (int)sizeof(struct shim_file) + fault.real->szOsFile;
    fault.vfs.xOpen = shim_open;
    fault.vfs.xDelete = shim_delete;
    fault.vfs.xGetLastError = shim_last_error;
    fault.kind = FAULTVFS_NONE;
    int rc = sqlite3_vfs_register(&fault.vfs, 1);
    xassert(rc == SQLITE_OK);
}

void faultvfs_remove(void)
{
    list_for_each_safe (at, &fault.pending)
        drop_pending(container_of(at, struct pending, link));
    int rc = sqlite3_vfs_unregister(&fault.vfs);
    xassert(rc == SQLITE_OK);
}

void faultvfs_arm(enum faultvfs_kind kind, uint64_t at)
{
    xassert(at > 0);
    fault.kind = kind;
    fault.countdown = at;
    fault.fired = false;
}

bool faultvfs_disarm(void)
{
    fault.kind = FAULTVFS_NONE;
    return fault.fired;
}

uint64_t faultvfs_sync_count(void)
{
    return fault.syncs;
}

/* ---- the crash ---- */

static void write_exactly(int fd, const uint8_t *data, size_t size, int64_t offset)
{
    ssize_t n = pwrite(fd, data, size, offset);
    xassert(n >= 0 && (size_t)n == size);
}

static void undo(const struct pending *p, int fd)
{
    int rc = ftruncate(fd, p->old_file_size);
    xassert(rc == 0);
    write_exactly(fd, p->old_bytes, p->old_size, p->offset);
}

static void redo(const struct pending *p, int fd, struct prng *prng)
{
    uint64_t fate = prng_below(prng, 3); /* 0 lost, 1 kept, 2 torn */
    if (fate == 0)
        return;
    if (p->new_bytes == NULL) {
        int rc = ftruncate(fd, p->offset);
        xassert(rc == 0);
        return;
    }
    for (size_t at = 0; at < p->new_size; at += SECTOR) {
        if (fate == 1 || prng_below(prng, 2) == 0)
            write_exactly(fd, p->new_bytes + at, min_of((size_t)SECTOR, p->new_size - at), p->offset + (int64_t)at);
    }
}

void faultvfs_crash_apply(uint64_t seed)
{
    struct prng prng;
    prng_init(&prng, seed);
    for (struct list *at = fault.pending.prev; at != &fault.pending; at = at->prev) {
        struct pending *p = container_of(at, struct pending, link);
        int fd = open(p->path, O_RDWR | O_CLOEXEC | O_CREAT, 0600);
        xassert(fd >= 0);
        undo(p, fd);
        close(fd);
    }
    list_for_each_safe (at, &fault.pending) {
        struct pending *p = container_of(at, struct pending, link);
        int fd = open(p->path, O_RDWR | O_CLOEXEC);
        xassert(fd >= 0);
        if (seed % 4 != 0) /* every fourth seed: all of it is lost */
            redo(p, fd, &prng);
        close(fd);
        drop_pending(p);
    }
    fault.kind = FAULTVFS_NONE;
}
