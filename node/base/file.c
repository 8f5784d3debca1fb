/* Whole small files (see file.h). Blocking; start-up and CLI only. */
#include "node/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/xassert.h"

static int read_all(int fd, const char *path, size_t size_max, struct buf *ret, struct err *e)
{
    uint8_t chunk[16384];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(e, ERR_IO, "file.read", errno, "cannot read '%s'", path);
        if (n == 0)
            return 0;
        buf_put(ret, chunk, (size_t)n);
        if (ret->failed)
            return err_set(e, ERR_LIMIT, "file.too-large", "'%s' is larger than the limit of %zu bytes", path,
                           size_max);
    }
}

int file_read(const char *path, size_t size_max, struct buf *ret, struct err *e)
{
    buf_init(ret, size_max);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "file.open", errno, "cannot open '%s'", path);

    struct stat st;
    int rc = 0;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        rc = err_set(e, ERR_INVALID, "file.not-regular", "'%s' is not a regular file", path);

    if (rc == 0)
        rc = read_all(fd, path, size_max, ret, e);
    if (rc != 0)
        buf_close(ret);
    close(fd);
    return rc;
}

static int write_all(int fd, struct bytes content)
{
    for (size_t at = 0; at < content.size;) {
        ssize_t n = write(fd, content.data + at, content.size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        at += (size_t)n;
    }
    return fsync(fd);
}

static int sync_parent(const char *path)
{
    char *dir = xstrdup(path);
    char *slash = strrchr(dir, '/');
    const char *name = ".";
    if (slash != NULL) {
        name = slash == dir ? "/" : dir;
        *(slash == dir ? slash + 1 : slash) = '\0';
    }
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(dir);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    close(fd);
    return rc;
}

int file_write(const char *path, struct bytes content, mode_t mode, bool exclusive, struct err *e)
{
    struct buf name = {0};
    buf_printf(&name, "%s.tmp.%ld", path, (long)getpid());
    const char *temporary = buf_cstr(&name);
    int rc = 0;
    (void)unlink(temporary); /* of a process with our number that died; the number is ours now */
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        rc = err_set_errno(e, ERR_IO, "file.create", errno, "cannot create '%s'", temporary);
        goto out;
    }
    if (write_all(fd, content) != 0)
        rc = err_set_errno(e, ERR_IO, "file.write", errno, "cannot write '%s'", temporary);
    close(fd);

    if (rc == 0 && exclusive && link(temporary, path) != 0) {
        rc = errno == EEXIST
                 ? err_set(e, ERR_CONFLICT, "file.exists", "'%s' exists already; it was left as it is", path)
                 : err_set_errno(e, ERR_IO, "file.create", errno, "cannot create '%s'", path);
    } else if (rc == 0 && !exclusive && rename(temporary, path) != 0) {
        rc = err_set_errno(e, ERR_IO, "file.rename", errno, "cannot replace '%s'", path);
    }
    if (exclusive || rc != 0)
        unlink(temporary);
    if (rc == 0 && sync_parent(path) != 0)
        rc = err_set_errno(e, ERR_IO, "file.sync", errno, "cannot sync the folder of '%s'", path);

out:
    buf_close(&name);
    return rc;
}

int file_make_dir(const char *path, mode_t mode, struct err *e)
{
    struct stat st;
    if (mkdir(path, mode) == 0)
        return 0;
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    return err_set_errno(e, ERR_IO, "file.mkdir", errno, "cannot make folder '%s'", path);
}

int file_check_closed(const char *path, mode_t forbidden, struct err *e)
{
    struct stat st;
    if (stat(path, &st) != 0 || (st.st_mode & S_IRWXO & forbidden) == 0)
        return 0;
    int rc = err_set(e, ERR_DENIED, "file.mode", "everybody on this machine may %s '%s' (mode %04o)",
                     (st.st_mode & forbidden & S_IWOTH) != 0 ? "change" : "read", path, (unsigned)(st.st_mode & 07777));
    err_hint(e, "chmod o-rwx '%s'", path);
    return rc;
}
