/* One file on the disk (see file_blob.h).
 *
 * Layout: 64 bytes of head, the hashes, then from the next multiple of 4,096 on the sealed chunks one behind the other.
 */
#include "node/files/file_blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "node/base/xassert.h"

#define HEAD_SIZE 64u
#define ALIGNMENT 4096u

static const char magic[8] = "TBfile1";

static uint64_t data_at(uint32_t count)
{
    uint64_t end = HEAD_SIZE + (uint64_t)count * MERKLE_HASH_SIZE;
    return (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static uint64_t chunk_at(const struct file_blob *b, uint32_t index)
{
    return data_at(b->count) + (uint64_t)index * FILE_SEALED_BYTES_MAX;
}

static int write_all(int fd, const void *data, size_t size, uint64_t at)
{
    const uint8_t *from = data;
    while (size > 0) {
        ssize_t n = pwrite(fd, from, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        from += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

/* False at an error or the end of the file. */
static bool read_all(int fd, void *data, size_t size, uint64_t at)
{
    uint8_t *to = data;
    while (size > 0) {
        ssize_t n = pread(fd, to, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        to += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return true;
}

static int write_head(struct file_blob *b, struct err *e)
{
    uint8_t head[HEAD_SIZE] = {0};
    memcpy(head, magic, sizeof magic);
    put_be64(head + 8, b->size);
    put_be32(head + 16, b->count);
    head[20] = b->is_fixed;
    memcpy(head + 24, b->id, sizeof b->id);
    if (write_all(b->fd, head, sizeof head, 0) != 0)
        return err_set_errno(e, ERR_IO, "file.write", errno, "cannot write '%s'", b->path);
    return 0;
}

static struct file_blob *blob_of(const char *path, int fd, uint64_t size)
{
    struct file_blob *b = xcalloc(1, sizeof *b);
    b->fd = fd;
    b->path = xstrdup(path);
    b->size = size;
    b->count = file_chunk_count(size);
    b->hashes = xcalloc(b->count, sizeof *b->hashes);
    return b;
}

void file_blob_close(struct file_blob *b)
{
    if (b == NULL)
        return;
    close(b->fd);
    free(b->path);
    free(b->hashes);
    free(b);
}

/* Room is taken at once, so that a file that has begun can end; file systems that cannot promise it say so. */
static int reserve(const struct file_blob *b, struct err *e)
{
    struct statvfs fs;
    uint64_t wanted = chunk_at(b, b->count - 1) + file_chunk_sealed_size(b->size, b->count - 1);
    if (fstatvfs(b->fd, &fs) != 0)
        return err_set_errno(e, ERR_IO, "file.room", errno, "cannot ask for the room beside '%s'", b->path);
    uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (room < wanted + FILE_ROOM_BYTES_MIN) {
        int rc = err_set(e, ERR_FULL, "file.no-room",
                         "the file needs %llu bytes, the disk has %llu and keeps %llu of them free",
                         (unsigned long long)wanted, (unsigned long long)room, (unsigned long long)FILE_ROOM_BYTES_MIN);
        err_hint(e, "make room on the disk of the node's folder");
        return rc;
    }
    int rc;
    do
        rc = fallocate(b->fd, 0, 0, (off_t)wanted);
    while (rc != 0 && errno == EINTR);
    if (rc != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
        return err_set_errno(e, ERR_IO, "file.room", errno, "cannot take room for '%s'", b->path);
    return 0;
}

int file_blob_create(const char *path, uint64_t size, const uint8_t *id, const struct merkle_hash *hashes,
                     struct file_blob **ret, struct err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return err_set(e, ERR_CONFLICT, "file.exists", "'%s' exists already", path);
    if (fd < 0)
        return err_set_errno(e, ERR_IO, "file.create", errno, "cannot create '%s'", path);
    struct file_blob *b = blob_of(path, fd, size);
    b->is_fixed = hashes != NULL;
    if (b->is_fixed) {
        memcpy(b->id, id, sizeof b->id);
        memcpy(b->hashes, hashes, b->count * sizeof *hashes);
    }
    int rc = reserve(b, e);
    if (rc == 0)
        rc = write_head(b, e);
    if (rc == 0 && write_all(fd, b->hashes, b->count * sizeof *b->hashes, HEAD_SIZE) != 0)
        rc = err_set_errno(e, ERR_IO, "file.write", errno, "cannot write '%s'", path);
    if (rc != 0) {
        (void)unlink(path);
        file_blob_close(b);
        return rc;
    }
    *ret = b;
    return 0;
}

static bool is_zero(const void *data, size_t size)
{
    const uint8_t *at = data;
    for (size_t i = 0; i < size; i++)
        if (at[i] != 0)
            return false;
    return true;
}

static int read_head(const char *path, int fd, struct file_blob **ret, struct err *e)
{
    uint8_t head[HEAD_SIZE];
    if (!read_all(fd, head, sizeof head, 0) || memcmp(head, magic, sizeof magic) != 0)
        return err_set(e, ERR_CORRUPT, "file.head", "'%s' is no file of a node", path);
    uint64_t size = get_be64(head + 8);
    if (size == 0 || size > FILE_BYTES_MAX || get_be32(head + 16) != file_chunk_count(size))
        return err_set(e, ERR_CORRUPT, "file.head", "'%s' names a size of %llu bytes in %u chunks", path,
                       (unsigned long long)size, get_be32(head + 16));
    struct file_blob *b = blob_of(path, fd, size);
    b->is_fixed = head[20] != 0;
    memcpy(b->id, head + 24, sizeof b->id);
    uint8_t named[FILE_ID_SIZE];
    bool ok = read_all(fd, b->hashes, b->count * sizeof *b->hashes, HEAD_SIZE);
    if (ok && !is_zero(b->id, sizeof b->id)) {
        file_id(size, b->hashes, b->count, named);
        ok = memcmp(named, b->id, sizeof named) == 0;
    }
    if (!ok) {
        b->fd = -1; /* the caller's */
        file_blob_close(b);
        return err_set(e, ERR_CORRUPT, "file.hashes", "the hashes in '%s' are not those of its id", path);
    }
    *ret = b;
    return 0;
}

int file_blob_open(const char *path, bool writable, struct file_blob **ret, struct err *e)
{
    int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return err_set(e, ERR_NOT_FOUND, "file.absent", "'%s' is not there", path);
    if (fd < 0)
        return err_set_errno(e, ERR_IO, "file.open", errno, "cannot open '%s'", path);
    int rc = read_head(path, fd, ret, e);
    if (rc != 0)
        close(fd);
    return rc;
}

int file_blob_put(struct file_blob *b, uint32_t index, struct bytes sealed, struct err *e)
{
    struct merkle_hash hash;
    xassert(index < b->count);
    size_t size = file_chunk_sealed_size(b->size, index);
    if (sealed.size != size)
        return err_set(e, ERR_VERIFY, "file.chunk-size", "chunk %u has %zu bytes, expected are %zu", index, sealed.size,
                       size);
    merkle_leaf_hash(sealed, &hash);
    if (b->is_fixed && !merkle_hash_equal(&hash, &b->hashes[index]))
        return err_set(e, ERR_VERIFY, "file.chunk-hash", "chunk %u has another hash than the file's list", index);
    if (!b->is_fixed)
        b->hashes[index] = hash;
    if (write_all(b->fd, sealed.data, size, chunk_at(b, index)) != 0 ||
        (!b->is_fixed && write_all(b->fd, hash.b, sizeof hash.b, HEAD_SIZE + (uint64_t)index * sizeof hash.b) != 0))
        return err_set_errno(e, ERR_IO, "file.write", errno, "cannot write '%s'", b->path);
    /* The disk begins now, so that finish() does not wait for all of it. A wish: what it says does not matter. */
    (void)sync_file_range(b->fd, (off_t)chunk_at(b, index), (off_t)size, SYNC_FILE_RANGE_WRITE);
    return 0;
}

int file_blob_read(const struct file_blob *b, uint32_t index, uint8_t *out, struct err *e)
{
    if (!read_all(b->fd, out, file_chunk_sealed_size(b->size, index), chunk_at(b, index)))
        return err_set(e, ERR_CORRUPT, "file.chunk-corrupt", "chunk %u of '%s' cannot be read", index, b->path);
    return 0;
}

int file_blob_get(const struct file_blob *b, uint32_t index, uint8_t *out, struct err *e)
{
    struct merkle_hash hash;
    int rc = file_blob_read(b, index, out, e);
    if (rc != 0)
        return rc;
    merkle_leaf_hash(bytes_of(out, file_chunk_sealed_size(b->size, index)), &hash);
    if (!merkle_hash_equal(&hash, &b->hashes[index]))
        return err_set(e, ERR_CORRUPT, "file.chunk-corrupt", "chunk %u of '%s' has another hash than its list", index,
                       b->path);
    return 0;
}

bool file_blob_is_there(const struct file_blob *b, uint32_t index, uint8_t *scratch)
{
    uint8_t salt[FILE_SALT_SIZE];
    if (is_zero(b->hashes[index].b, sizeof b->hashes[index].b) ||
        !read_all(b->fd, salt, sizeof salt, chunk_at(b, index)) || is_zero(salt, sizeof salt))
        return false; /* never written: not worth hashing */
    return file_blob_get(b, index, scratch, NULL) == 0;
}

static int sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    close(fd);
    return rc;
}

int file_blob_finish(struct file_blob *b, const char *dir, struct err *e)
{
    char final[FILE_BLOB_PATH_SIZE];
    if (!b->is_fixed)
        file_id(b->size, b->hashes, b->count, b->id);
    b->is_fixed = true;
    int rc = write_head(b, e);
    if (rc != 0)
        return rc;
    file_blob_path(dir, b->id, final);
    if (fsync(b->fd) != 0 || rename(b->path, final) != 0)
        return err_set_errno(e, ERR_IO, "file.sync", errno, "cannot make '%s' durable", final);
    free(b->path);
    b->path = xstrdup(final); /* whatever comes now: the next call finds it there */
    if (sync_dir(dir) != 0)
        return err_set_errno(e, ERR_IO, "file.sync", errno, "cannot make '%s' durable", final);
    return 0;
}

void file_blob_path(const char *dir, const uint8_t id[FILE_ID_SIZE], char out[FILE_BLOB_PATH_SIZE])
{
    char hex[2 * FILE_ID_SIZE + 1];
    hex_encode(id, FILE_ID_SIZE, hex);
    int size = snprintf(out, FILE_BLOB_PATH_SIZE, "%s/%s", dir, hex);
    xassert(size < FILE_BLOB_PATH_SIZE);
}
