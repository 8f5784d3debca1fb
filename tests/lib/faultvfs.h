/* A faulty disk under SQLite: fails the k-th write or sync, or stops at the k-th as if the power went out.
 *
 * Installed as SQLite's default VFS, it stands in front of the real one and keeps a record of every write that has
 * not been synced yet. After a "crash" each of them is kept, lost or torn at 512-byte sectors, at random from a seed:
 * all that a disk may do to writes that nobody waited for. Syncs themselves are not passed on, so that thousands of
 * runs take seconds. Deleting a file counts as done at once.
 *
 * One global instance; one thread. Databases must be closed at faultvfs_crash_apply().
 */
#ifndef TB_TESTS_LIB_FAULTVFS_H
#define TB_TESTS_LIB_FAULTVFS_H

#include <stdbool.h>
#include <stdint.h>

enum faultvfs_kind {
    FAULTVFS_NONE,
    FAULTVFS_WRITE_FULL, /* a write fails with ENOSPC, and so does every one after it */
    FAULTVFS_WRITE_IO,   /* one write fails with EIO; the next would work again */
    FAULTVFS_SYNC_FULL,  /* as above, for syncs */
    FAULTVFS_SYNC_IO,
    FAULTVFS_NO_SHM, /* files opened from now on have no shared memory, as on a network file system */
    FAULTVFS_CRASH,  /* write or sync number k and everything after it is not done */
    FAULTVFS_KIND_COUNT
};

void faultvfs_install(void);
void faultvfs_remove(void);

/* From now on operation number @at (1 = the next) of the sort @kind is about fails. */
void faultvfs_arm(enum faultvfs_kind kind, uint64_t at);
/* Ends all faults; says whether the armed one was reached. */
bool faultvfs_disarm(void);

/* Syncs that were asked for since the start. */
uint64_t faultvfs_sync_count(void);

/* The power goes out now: makes of the unsynced writes what @seed decides. */
void faultvfs_crash_apply(uint64_t seed);

#endif
