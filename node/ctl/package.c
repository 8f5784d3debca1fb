/* A folder made whole or not at all (see package.h). */
#include "node/ctl/package.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/crypto.h"
#include "node/base/file.h"
#include "node/base/xassert.h"
#include "node/receipt/archive.h"

#define CHUNK_BYTES (1u << 20)

static const char *inside(struct package *p, const char *path)
{
    return arena_printf(p->mem, "%s/%s", p->work, path);
}

int package_open(struct package *p, struct arena *mem, const char *target, struct err *e)
{
    *p = (struct package){.mem = mem, .target = target};
    if (access(target, F_OK) == 0)
        return err_set(e, ERR_CONFLICT, "archive.exists", "'%.300s' exists already; it was left as it is", target);
    const char *work = arena_printf(mem, "%s.making.%ld", target, (long)getpid());
    if (mkdir(work, 0700) != 0)
        return err_set_errno(e, ERR_IO, "archive.write", errno, "cannot make folder '%.300s'", work);
    p->work = work;
    p->files = arena_alloc(mem, ARCHIVE_FILES_MAX * sizeof *p->files);
    return 0;
}

int package_add_folder(struct package *p, const char *name, struct err *e)
{
    xassert(p->folder_count < array_count(p->folders));
    p->folders[p->folder_count++] = name;
    return file_make_dir(inside(p, name), 0700, e);
}

static int add(struct package *p, const char *path, struct err *e)
{
    if (p->count == ARCHIVE_FILES_MAX)
        return err_set(e, ERR_LIMIT, "archive.files", "the package has more than %u files", ARCHIVE_FILES_MAX);
    struct package_file *f = &p->files[p->count];
    *f = (struct package_file){.path = arena_strdup(p->mem, path)};
    int rc = package_hash(p->work, f, e);
    p->count += rc == 0;
    return rc;
}

int package_create(struct package *p, const char *path, int *ret_fd, struct err *e)
{
    p->creating = arena_strdup(p->mem, path);
    *ret_fd = open(inside(p, path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return *ret_fd >= 0 ? 0 : err_set_errno(e, ERR_IO, "archive.write", errno, "cannot create '%.300s'", path);
}

static int sync_path(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc =
        fd < 0 || fsync(fd) != 0 ? err_set_errno(e, ERR_IO, "archive.write", errno, "cannot sync '%.300s'", path) : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

int package_add_written(struct package *p, const char *path, struct err *e)
{
    int rc = sync_path(inside(p, path), e);
    if (rc == 0)
        rc = add(p, path, e);
    if (rc == 0)
        p->creating = NULL;
    return rc;
}

int package_finish(struct package *p, struct bytes expected, struct err *e)
{
    struct buf sums = {0};
    int rc = 0;
    for (size_t i = 0; i < p->count; i++)
        buf_printf(&sums, "%s  %s\n", p->files[i].sha256, p->files[i].path);
    if (!bytes_equal(buf_bytes(&sums), expected))
        rc =
            err_set(e, ERR_VERIFY, "archive.changed", "what was written is not what %s of the node says", ARCHIVE_SUMS);
    if (rc == 0)
        rc = file_write(inside(p, ARCHIVE_SUMS), buf_bytes(&sums), 0600, true, e);
    buf_close(&sums);
    if (rc == 0)
        rc = sync_path(p->work, e);
    if (rc == 0 && rename(p->work, p->target) != 0)
        rc = err_set_errno(e, errno == EEXIST || errno == ENOTEMPTY ? ERR_CONFLICT : ERR_IO, "archive.write", errno,
                           "cannot make '%.300s'", p->target);
    if (rc == 0)
        p->work = NULL;
    return rc;
}

void package_drop(struct package *p)
{
    if (p->work == NULL)
        return;
    for (size_t i = 0; i < p->count; i++)
        (void)unlink(inside(p, p->files[i].path)); /* what cannot be removed stays and is seen */
    if (p->creating != NULL)
        (void)unlink(inside(p, p->creating));
    (void)unlink(inside(p, ARCHIVE_SUMS));
    for (size_t i = 0; i < p->folder_count; i++)
        (void)rmdir(inside(p, p->folders[i]));
    (void)rmdir(p->work);
}

int package_hash(const char *folder, struct package_file *ret, struct err *e)
{
    struct buf path = {0};
    uint8_t sum[CRYPTO_HASH_SIZE];
    buf_printf(&path, "%s/%s", folder, ret->path);
    int fd = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int rc = fd >= 0 ? 0
                     : err_set_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "archive.read", errno,
                                     "cannot open '%.300s'", ret->path);
    struct crypto_sha256 *sha256 = crypto_sha256_create();
    struct crypto_sm3 *sm3 = crypto_sm3_create();
    uint8_t *chunk = xmalloc(CHUNK_BYTES);
    ret->size = 0;
    while (rc == 0) {
        ssize_t n = read(fd, chunk, CHUNK_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = err_set_errno(e, ERR_IO, "archive.read", errno, "cannot read '%.300s'", ret->path);
        if (n <= 0)
            break;
        crypto_sha256_update(sha256, chunk, (size_t)n);
        crypto_sm3_update(sm3, chunk, (size_t)n);
        ret->size += (uint64_t)n;
    }
    crypto_sha256_digest(sha256, sum);
    hex_encode(sum, sizeof sum, ret->sha256);
    crypto_sm3_digest(sm3, sum);
    hex_encode(sum, sizeof sum, ret->sm3);
    crypto_sha256_destroy(sha256);
    crypto_sm3_destroy(sm3);
    free(chunk);
    if (fd >= 0)
        close(fd);
    buf_close(&path);
    return rc;
}
