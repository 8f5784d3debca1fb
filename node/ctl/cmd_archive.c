/* case archive-export: the archive package (归档) of a case that has ended, as a folder. The node makes it and streams it as a tar
 * (node/http/api_archive.c); here it becomes files, whole or not at all.
 *
 * Happy path: GET /v1/cases/{case}/archive -> a folder beside the wanted one takes file after file -> what was written is what the
 * node's SHA256SUMS says -> the folder gets its name. Failure modes: anything that cannot be had or written: the folder is removed
 * again, the error says what it was.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/base/tar.h"
#include "node/base/xassert.h"
#include "node/ctl/cmd.h"
#include "node/ctl/package.h"
#include "node/receipt/archive.h"

#define TEXT_BYTES_MAX (8u << 20) /* of SHA256SUMS */

struct unpacking {
    struct ctl *c;
    struct package package;
    struct tar_reader tar;
    const char *path; /* of the file under way, without the folder of the stream */
    int fd;           /* of it; -1: it goes to text */
    struct buf text;  /* SHA256SUMS or the error */
    bool has_sums, has_error;
    struct err error; /* why no more is taken */
};

static int begin(void *ctx, const char *name, uint64_t size, struct err *e)
{
    struct unpacking *u = ctx;
    const char *slash = strchr(name, '/');
    (void)size;
    if (slash == NULL || slash[1] == '\0' || slash[1] == '.' || slash[1] == '/' || strstr(slash, "/.") != NULL)
        return err_set(e, ERR_INVALID, "archive.form", "the node's answer names '%s', which is no file of a package",
                       name);
    u->path = slash + 1;
    u->fd = -1;
    u->has_sums = u->has_sums || strcmp(u->path, ARCHIVE_SUMS) == 0;
    u->has_error = u->has_error || strcmp(u->path, ARCHIVE_ERROR) == 0;
    if (u->has_sums || u->has_error) {
        buf_reset(&u->text);
        return 0;
    }
    return package_create(&u->package, u->path, &u->fd, e);
}

static int take(void *ctx, struct bytes piece, struct err *e)
{
    struct unpacking *u = ctx;
    if (u->fd < 0) {
        buf_put(&u->text, piece.data, piece.size);
        return u->text.failed
                   ? err_set(e, ERR_LIMIT, "archive.form", "'%s' is longer than %u bytes", u->path, TEXT_BYTES_MAX)
                   : 0;
    }
    for (size_t done = 0; done < piece.size;) {
        ssize_t n = write(u->fd, piece.data + done, piece.size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(e, ERR_IO, "archive.write", errno, "cannot write '%s'", u->path);
        done += (size_t)n;
    }
    return 0;
}

static int end(void *ctx, struct err *e)
{
    struct unpacking *u = ctx;
    if (u->fd < 0)
        return 0;
    (void)close(u->fd); /* package_add_written() syncs it and would see what went wrong */
    u->fd = -1;
    return package_add_written(&u->package, u->path, e);
}

static bool sink(void *ctx, const void *data, size_t size)
{
    struct unpacking *u = ctx;
    return tar_read(&u->tar, bytes_of(data, size), &u->error) == 0;
}

/* What went wrong: here, in the node (the last file of its answer), or between. */
static int judge(struct unpacking *u, int rc, struct err *e)
{
    if (u->error.code != 0) {
        *e = u->error;
        return e->code;
    }
    if (u->has_error)
        return client_error(buf_bytes(&u->text), e);
    if (rc != 0 && u->path == NULL) /* no byte of it came */
        return rc;
    if (rc != 0 || !u->has_sums || !tar_is_whole(&u->tar)) {
        rc = err_set(e, ERR_IO, "archive.cut", "the node's answer ended at '%s', before the package was whole",
                     u->path != NULL ? u->path : "its beginning");
        err_hint(e, "the node's log says why");
    }
    return rc;
}

static int fetch(struct unpacking *u, struct err *e)
{
    static const char *const folders[] = {"contents", "entries", "documents", "receipts", "materials"};
    struct client_reply reply = {0};
    struct buf url = {0};
    int rc = package_open(&u->package, &u->c->mem, u->c->args[1], e);
    for (size_t i = 0; rc == 0 && i < array_count(folders); i++)
        rc = package_add_folder(&u->package, folders[i], e);
    buf_put_string(&url, cmd_case_path(u->c, u->c->args[0], "/archive"));
    cmd_put_param(&url, "purpose", ctl_option(u->c, "--purpose"));
    const struct client_request r = {.dir = u->c->dir, .method = "GET", .path = buf_cstr(&url), .sink = sink, .ctx = u};
    if (rc == 0)
        rc = judge(u, client_ask(&r, &reply, e), e);
    if (rc == 0)
        rc = package_finish(&u->package, buf_bytes(&u->text), e);
    if (u->fd >= 0)
        (void)close(u->fd); /* the folder is removed */
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}

int cmd_case_archive_export(struct ctl *c, struct err *e)
{
    struct unpacking u = {.c = c, .fd = -1};
    u.tar.sink = (struct tar_sink){.begin = begin, .data = take, .end = end, .ctx = &u};
    buf_init(&u.text, TEXT_BYTES_MAX);
    int rc = fetch(&u, e);
    package_drop(&u.package);
    if (rc == 0) {
        const struct package_file *manifest = &u.package.files[u.package.count - 1];
        const struct output_pair pairs[] = {
            {"folder", c->args[1]},
            {"files", arena_printf(&c->mem, "%zu", u.package.count)},
            {"manifest sha256", manifest->sha256},
            {"manifest sm3", manifest->sm3},
        };
        cmd_print_pairs(c, pairs, array_count(pairs));
    }
    buf_close(&u.text);
    return rc;
}
