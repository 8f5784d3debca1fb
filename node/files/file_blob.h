/* One file on the disk: its sealed chunks with the list of their hashes, in one file of the node's folder `files`
 * (FORMATS.md, "Files on disk"). Content never stands there in the open.
 *
 *   create (upload: hashes come with the chunks; fetch: they are known) -> put … put -> finish: fsync, rename, fsync of the folder
 *   open -> check: which chunks are there, by their hashes -> go on
 *
 * A chunk is there when its bytes have its hash: no journal can contradict that, and whatever a crash or a power cut left
 * half done is found by reading. Blocking: put, get, is_there and finish are for workers. Different chunks may be worked on by
 * several threads at once; everything else belongs to the thread of the owner.
 */
#ifndef TB_FILES_FILE_BLOB_H
#define TB_FILES_FILE_BLOB_H

#include "node/files/file_chunk.h"

struct file_blob {
    int fd;
    char *path;
    uint64_t size; /* of the content */
    uint32_t count;
    bool is_fixed;              /* the hashes are known beforehand: a chunk must have its own */
    uint8_t id[FILE_ID_SIZE];   /* zero until an upload is finished */
    struct merkle_hash *hashes; /* zero: not known yet */
};

/* Makes @path for @size bytes of content (1..FILE_BYTES_MAX) with room for all of it. @hashes NULL: an upload; else @id is the
 * name that they give. ERR_FULL file.no-room when less than FILE_ROOM_BYTES_MIN would be left on the disk; ERR_CONFLICT
 * when @path exists. Nothing is left after an error. */
int file_blob_create(const char *path, uint64_t size, const uint8_t *id, const struct merkle_hash *hashes,
                     struct file_blob **ret, struct err *e) WARN_UNUSED;
/* ERR_NOT_FOUND; ERR_CORRUPT for what is no such file, or whose hashes do not give the id it names. */
int file_blob_open(const char *path, bool writable, struct file_blob **ret, struct err *e) WARN_UNUSED;
void file_blob_close(struct file_blob *b); /* NULL is fine */

/* Writes a sealed chunk of the right size. Fixed: ERR_VERIFY file.chunk-hash when it is not the one. */
int file_blob_put(struct file_blob *b, uint32_t index, struct bytes sealed, struct err *e) WARN_UNUSED;
/* Reads it into @out (file_chunk_sealed_size() bytes), whatever its hash. ERR_CORRUPT file.chunk-corrupt when that cannot be done. */
int file_blob_read(const struct file_blob *b, uint32_t index, uint8_t *out, struct err *e) WARN_UNUSED;
/* The same, and ERR_CORRUPT file.chunk-corrupt when it does not have its hash. */
int file_blob_get(const struct file_blob *b, uint32_t index, uint8_t *out, struct err *e) WARN_UNUSED;
/* Whether the chunk is there, whole. @scratch holds FILE_SEALED_BYTES_MAX bytes. */
bool file_blob_is_there(const struct file_blob *b, uint32_t index, uint8_t *scratch);

/* All chunks are there: gives an upload its id, makes everything durable, moves it to @dir/<hex of the id>, over
 * the same bytes if they are there. After an error of the disk (ERR_IO, ERR_FULL) it may be called again. */
int file_blob_finish(struct file_blob *b, const char *dir, struct err *e) WARN_UNUSED;

/* "@dir/<64 hex digits>" */
#define FILE_BLOB_PATH_SIZE 1024
void file_blob_path(const char *dir, const uint8_t id[FILE_ID_SIZE], char out[FILE_BLOB_PATH_SIZE]);

#endif
