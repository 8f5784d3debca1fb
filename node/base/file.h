/* Whole small files: read with a limit, write so that a crash leaves the old or the new one. */
#ifndef TB_BASE_FILE_H
#define TB_BASE_FILE_H

#include <sys/types.h>

#include "node/base/bytes.h"

/* Reads @path into @ret (initialised here; caller closes). Over @size_max: ERR_LIMIT; absent: ERR_NOT_FOUND; no
 * permission or other: ERR_IO. Refuses anything but a regular file. */
int file_read(const char *path, size_t size_max, struct buf *ret, struct err *e) WARN_UNUSED;

/* Writes a temporary file beside @path, fsyncs it, renames it, fsyncs the folder. With @exclusive an existing @path is
 * ERR_CONFLICT and stays. */
int file_write(const char *path, struct bytes content, mode_t mode, bool exclusive, struct err *e) WARN_UNUSED;

/* mkdir -p of the last component only; existing folders are fine. */
int file_make_dir(const char *path, mode_t mode, struct err *e) WARN_UNUSED;

/* ERR_DENIED "file.mode" when users who are neither owner nor of the group may do with @path any of @forbidden (S_IROTH, S_IWOTH).
 * What is not there is open to nobody. */
int file_check_closed(const char *path, mode_t forbidden, struct err *e) WARN_UNUSED;

#endif
