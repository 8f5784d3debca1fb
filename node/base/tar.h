/* A folder as a stream: the part of POSIX.1-1988 ustar that regular files with short names need. Written and read by the archive
 * packages of cases; any tar reads what is written here. The reader takes nothing but such a stream. Any thread.
 */
#ifndef TB_BASE_TAR_H
#define TB_BASE_TAR_H

#include "node/base/bytes.h"
#include "node/base/err.h"

#define TAR_BLOCK_SIZE 512u
#define TAR_PREFIX_MAX 155u                          /* before the first slash */
#define TAR_NAME_MAX 100u                            /* behind it */
#define TAR_FILE_BYTES_MAX (((uint64_t)1 << 33) - 1) /* eleven octal digits */

/* The header of the file @folder/@name of @size bytes, which follow; then the padding; after the last file the end. @mtime: seconds since 1970. */
void tar_put_header(struct buf *out, const char *folder, const char *name, uint64_t size, uint64_t mtime);
void tar_put_padding(struct buf *out, uint64_t size);
void tar_put_end(struct buf *out);

/* What a stream has in it, as it comes. A callback that returns a negative code with @e ends the reading. */
struct tar_sink {
    int (*begin)(void *ctx, const char *name, uint64_t size, struct err *e); /* @name: until end() */
    int (*data)(void *ctx, struct bytes piece, struct err *e);
    int (*end)(void *ctx, struct err *e);
    void *ctx;
};

struct tar_reader {
    struct tar_sink sink;
    uint8_t block[TAR_BLOCK_SIZE];
    size_t block_size;   /* bytes of the header that have come */
    uint64_t left;       /* of the file under way */
    size_t padding;      /* that follows it */
    unsigned end_blocks; /* of zeros; two end the archive */
    char name[TAR_PREFIX_MAX + TAR_NAME_MAX + 2];
};

/* Takes the next bytes of the stream. ERR_INVALID "archive.tar": no such archive; and what the sink says. */
int tar_read(struct tar_reader *t, struct bytes piece, struct err *e) WARN_UNUSED;
/* Whether the end has come. */
bool tar_is_whole(const struct tar_reader *t);

#endif
