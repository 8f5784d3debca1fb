/* A folder that is made whole or not at all, with what each of its files hashes to: the archive package of a case (cmd_archive.c).
 *
 * The files go into a folder beside the wanted one; package_finish() adds SHA256SUMS (`sha256sum -c` reads it) and gives the
 * folder its name, package_drop() removes everything. Own process.
 */
#ifndef TB_CTL_PACKAGE_H
#define TB_CTL_PACKAGE_H

#include <stdio.h>

#include "node/base/arena.h"
#include "node/base/bytes.h"
#include "node/base/err.h"

#define PACKAGE_HEX_SIZE 65

struct package_file {
    const char *path; /* within the folder, '/' between */
    uint64_t size;
    char sha256[PACKAGE_HEX_SIZE], sm3[PACKAGE_HEX_SIZE];
};

struct package {
    struct arena *mem;  /* borrowed */
    const char *target; /* borrowed: the folder that is wanted */
    const char *work;   /* the folder that it is made in; NULL: there is none */
    struct package_file *files;
    size_t count;
    const char *folders[8];
    size_t folder_count;
    const char *creating; /* by package_create(), not added yet */
};

/* ERR_CONFLICT "archive.exists" when @target is there. */
int package_open(struct package *p, struct arena *mem, const char *target, struct err *e) WARN_UNUSED;
/* A folder in it, one level deep. */
int package_add_folder(struct package *p, const char *name, struct err *e) WARN_UNUSED;
/* A file that comes in pieces: the caller writes and closes *ret, then package_add_written() hashes it and makes it durable. */
int package_create(struct package *p, const char *path, int *ret_fd, struct err *e) WARN_UNUSED;
int package_add_written(struct package *p, const char *path, struct err *e) WARN_UNUSED;
/* @sums: what SHA256SUMS has to say; ERR_VERIFY "archive.changed" when the files are others. */
int package_finish(struct package *p, struct bytes sums, struct err *e) WARN_UNUSED;
/* Removes what was made, unless it was finished. */
void package_drop(struct package *p);

/* Size and hashes of the file @folder/@ret->path, a chunk in memory at a time. ERR_NOT_FOUND, ERR_IO. */
int package_hash(const char *folder, struct package_file *ret, struct err *e) WARN_UNUSED;

#endif
