/* material add, list, get, reuse, upload, drop.
 *
 * A file goes up and comes down in chunks; both go on after a break where they stopped: the daemon knows an upload by the hash of the
 * content, a download stands in FILE.part. Memory holds one chunk. On a terminal, standard error shows how far it is.
 */
#include "node/ctl/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/crypto.h"
#include "node/base/clock.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

#define FILE_ID_DIGITS 64
#define FILE_PREFIX_DIGITS_MIN 8
#define PROGRESS_EVERY_MS 200u
#define WAIT_PEERS "?durable=peers&timeout_ms=30000"

/* ---- progress ---- */

struct progress {
    bool is_shown;
    const char *what;
    uint64_t size, begin; /* bytes; where this run began */
    uint64_t begin_ms, shown_ms;
};

static struct progress progress_begin(const struct ctl *c, const char *what, uint64_t size, uint64_t begin)
{
    return (struct progress){.is_shown = !c->json && isatty(STDERR_FILENO) == 1,
                             .what = what,
                             .size = size,
                             .begin = begin,
                             .begin_ms = clock_mono_ms()};
}

static void progress_show(struct progress *p, uint64_t done)
{
    uint64_t now = clock_mono_ms();
    if (!p->is_shown || (now - p->shown_ms < PROGRESS_EVERY_MS && done < p->size))
        return;
    p->shown_ms = now;
    double mib = 1024.0 * 1024.0, seconds = (double)max_of(now - p->begin_ms, (uint64_t)1) / 1000.0;
    fprintf(stderr, "\r%s %3u %%  %.1f of %.1f MiB  %.1f MiB/s ", p->what, (unsigned)(done * 100 / p->size),
            (double)done / mib, (double)p->size / mib, (double)(done - p->begin) / mib / seconds);
    if (done == p->size)
        fputc('\n', stderr);
    (void)fflush(stderr);
}

/* ---- shared ---- */

/* Asks with a JSON object of texts, or without a body when @count is 0. */
static int ask(struct ctl *c, const char *path, const struct output_pair *fields, size_t count, uint64_t size,
               struct client_reply *ret, struct err *e)
{
    size_t length = 0;
    char *text = NULL;
    struct client_request r = {.dir = c->dir, .method = "POST", .path = path};
    if (count > 0) {
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        xassert(doc != NULL);
        yyjson_mut_val *root = yyjson_mut_obj(doc);
        yyjson_mut_doc_set_root(doc, root);
        for (size_t i = 0; i < count; i++)
            if (fields[i].value != NULL)
                (void)yyjson_mut_obj_add_str(doc, root, fields[i].name, fields[i].value);
        if (size > 0)
            (void)yyjson_mut_obj_add_uint(doc, root, "size", size);
        text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, &length);
        yyjson_mut_doc_free(doc);
        if (text == NULL)
            return err_set(e, ERR_INVALID, "ctl.text", "an argument is not UTF-8 text");
        r.body = bytes_of(text, length);
    }
    int rc = client_ask(&r, ret, e);
    free(text);
    return rc;
}

static const char *upload_path(struct ctl *c, const char *id, const char *rest)
{
    struct buf url = {0};
    buf_put_string(&url, "/v1/uploads/");
    client_put_encoded(&url, id);
    buf_put_string(&url, rest);
    const char *path = arena_strdup(&c->mem, buf_cstr(&url));
    buf_close(&url);
    return path;
}

/* Prints what a POST that writes an event has said. */
static int print_added(struct ctl *c, const struct client_reply *reply, bool waits, struct err *e)
{
    struct arena *mem = &c->mem;
    if (!cmd_print_json(c, reply)) {
        const struct output_pair pairs[] = {
            {"case", output_field(mem, reply->root, "case")},
            {"file", output_field(mem, reply->root, "file")},
            {"entry", arena_printf(mem, "%s %s", output_text(mem, reply->root, "origin"),
                                   output_text(mem, reply->root, "first_index"))},
            {"at all peers", output_field(mem, reply->root, "peers_durable")},
        };
        output_pairs(mem, pairs, array_count(pairs), c->out);
        yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(reply->root, "warnings"));
        for (yyjson_val *w = yyjson_arr_iter_next(&it); w != NULL; w = yyjson_arr_iter_next(&it))
            fprintf(c->out, "warning: %s\n", output_clean(mem, yyjson_is_str(w) ? yyjson_get_str(w) : ""));
    }
    if (!waits || yyjson_get_bool(yyjson_obj_get(reply->root, "peers_durable")))
        return 0;
    int rc = err_set(e, ERR_TIMEOUT, "ctl.not-durable", "written here, but not every participant has confirmed it yet");
    err_hint(e, "it will arrive by itself; 'tongban peer list' shows who is away");
    return rc;
}

/* ---- material add ---- */

struct source {
    int fd;
    uint64_t size;
    char sha256[2 * CRYPTO_HASH_SIZE + 1];
};

/* Reads @size bytes, or up to the end. */
static int read_part(const char *path, int fd, void *out, size_t size, uint64_t at, struct err *e)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(fd, (uint8_t *)out + done, size - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(e, ERR_IO, "ctl.input", errno, "cannot read '%.200s'", path);
        if (n == 0)
            return err_set(e, ERR_IO, "ctl.input", "'%.200s' has become shorter meanwhile", path);
        done += (size_t)n;
    }
    return 0;
}

static int hash_source(const char *path, struct source *s, uint8_t *chunk, struct err *e)
{
    struct crypto_sha256 *h = crypto_sha256_create();
    uint8_t digest[CRYPTO_HASH_SIZE];
    int rc = 0;
    for (uint64_t at = 0; rc == 0 && at < s->size; at += FILE_CHUNK_BYTES) {
        size_t n = (size_t)min_of(s->size - at, (uint64_t)FILE_CHUNK_BYTES);
        rc = read_part(path, s->fd, chunk, n, at, e);
        if (rc == 0)
            crypto_sha256_update(h, chunk, n);
    }
    crypto_sha256_digest(h, digest);
    crypto_sha256_destroy(h);
    hex_encode(digest, sizeof digest, s->sha256);
    return rc;
}

static int open_source(const char *path, struct source *ret, struct err *e)
{
    struct stat st;
    ret->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (ret->fd < 0)
        return err_set_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "ctl.input", errno, "cannot open '%.200s'",
                             path);
    if (fstat(ret->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return err_set(e, ERR_INVALID, "ctl.input", "'%.200s' is no regular file", path);
    ret->size = (uint64_t)st.st_size;
    if (ret->size == 0)
        return err_set(e, ERR_INVALID, "material.empty", "'%.200s' is empty", path);
    if (ret->size > FILE_BYTES_MAX) /* before two gigabytes are hashed for nothing */
        return err_set(e, ERR_LIMIT, "material.size", "'%.200s' has %llu bytes, the limit is %llu", path,
                       (unsigned long long)ret->size, (unsigned long long)FILE_BYTES_MAX);
    return 0;
}

static int send_parts(struct ctl *c, const char *path, const struct source *s, const char *upload, uint64_t offset,
                      uint8_t *chunk, struct err *e)
{
    struct progress p = progress_begin(c, "sending", s->size, offset);
    int rc = 0;
    while (rc == 0 && offset < s->size) {
        struct client_reply reply = {0};
        size_t n = (size_t)min_of(s->size - offset, (uint64_t)FILE_CHUNK_BYTES);
        rc = read_part(path, s->fd, chunk, n, offset, e);
        struct client_request r = {.dir = c->dir,
                                   .method = "PATCH",
                                   .path = upload_path(c, upload, ""),
                                   .body = bytes_of(chunk, n),
                                   .offset = offset};
        if (rc == 0)
            rc = client_ask(&r, &reply, e);
        client_reply_close(&reply);
        offset += n;
        if (rc == 0)
            progress_show(&p, offset);
    }
    return rc;
}

static int begin_upload(struct ctl *c, const struct source *s, const char *file_name, struct client_reply *ret,
                        struct err *e)
{
    const char *slash = strrchr(file_name, '/');
    const char *name = ctl_option(c, "--name");
    const struct output_pair fields[] = {
        {"name", name != NULL    ? name
                 : slash != NULL ? slash + 1
                                 : file_name},
        {"code", ctl_option(c, "--code")},
        {"type", ctl_option(c, "--type")},
        {"trust", ctl_option(c, "--trust")},
        {"sha256", s->sha256},
    };
    return ask(c, cmd_case_path(c, c->args[0], "/materials"), fields, array_count(fields), s->size, ret, e);
}

int cmd_material_add(struct ctl *c, struct err *e)
{
    const char *path = c->args[1];
    struct source s = {.fd = -1};
    struct client_reply reply = {0}, done = {0};
    uint8_t *chunk = xmalloc(FILE_CHUNK_BYTES);
    bool waits = ctl_option(c, "--wait-peers") != NULL;
    int rc = open_source(path, &s, e);
    if (rc == 0)
        rc = hash_source(path, &s, chunk, e);
    if (rc == 0)
        rc = begin_upload(c, &s, path, &reply, e);
    const char *upload = yyjson_get_str(yyjson_obj_get(reply.root, "upload"));
    if (rc == 0 && upload == NULL) { /* the same content is there */
        if (!cmd_print_json(c, &reply))
            fprintf(c->out, "the case has this file already: %s\n", output_text(&c->mem, reply.root, "file"));
    } else if (rc == 0) {
        rc = send_parts(c, path, &s, upload, yyjson_get_uint(yyjson_obj_get(reply.root, "offset")), chunk, e);
        if (rc == 0)
            rc = ask(c, upload_path(c, upload, waits ? "/finish" WAIT_PEERS : "/finish"), NULL, 0, 0, &done, e);
        if (rc == 0)
            rc = print_added(c, &done, waits, e);
    }
    client_reply_close(&reply);
    client_reply_close(&done);
    if (s.fd >= 0)
        close(s.fd);
    free(chunk);
    return rc;
}

/* ---- material list ---- */

static const char *holders_text(struct arena *mem, yyjson_val *material)
{
    struct buf text = {0};
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(material, "holders"));
    for (yyjson_val *h = yyjson_arr_iter_next(&it); h != NULL; h = yyjson_arr_iter_next(&it)) {
        const char *held = output_text(mem, h, "held"), *chunks = output_text(mem, h, "chunks");
        const char *scan = output_field(mem, h, "scan");
        bool complete = yyjson_get_bool(yyjson_obj_get(h, "complete"));
        buf_printf(&text, "%s%s %s", text.size > 0 ? ", " : "", output_text(mem, h, "node"),
                   complete ? "whole" : arena_printf(mem, "%s/%s", held, chunks));
        if (scan != NULL && strcmp(scan, "off") != 0)
            buf_printf(&text, " (%s)", scan);
    }
    const char *result = arena_strdup(mem, buf_cstr(&text));
    buf_close(&text);
    return result;
}

int cmd_material_list(struct ctl *c, struct err *e)
{
    static const char *const header[] = {"FILE", "NAME", "CODE", "TYPE", "SIZE", "TRUST", "SCAN", "ADDED", "HELD BY"};
    struct arena *mem = &c->mem;
    struct client_reply reply = {0};
    int rc = cmd_get(c, cmd_case_path(c, c->args[0], "/materials"), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        struct output_table t = output_table_open(mem, header, array_count(header));
        yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(reply.root, "materials"));
        for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
            const char *content = output_text(mem, o, "content");
            output_cell(&t, arena_printf(mem, "%.16s", output_text(mem, o, "file")));
            output_cell(&t, strcmp(content, "shown") == 0 ? output_field(mem, o, "name")
                                                          : arena_printf(mem, "(%s)", content));
            output_cell(&t, output_field(mem, o, "code"));
            output_cell(&t, output_field(mem, o, "type"));
            output_cell(&t, output_field(mem, o, "size"));
            output_cell(&t, output_field(mem, o, "trust"));
            output_cell(&t, output_field(mem, o, "scan"));
            output_cell(&t, output_time(mem, o, "written"));
            output_cell(&t, holders_text(mem, o));
        }
        output_table_print(&t, "the case has no files", c->out);
    }
    client_reply_close(&reply);
    return rc;
}

/* ---- material get ---- */

/* The material that @text names, a file id or a prefix of it of at least 8 digits, in @list. */
static int find_material(yyjson_val *list, const char *text, yyjson_val **ret, struct err *e)
{
    size_t length = strlen(text);
    *ret = NULL;
    if (length < FILE_PREFIX_DIGITS_MIN || length > FILE_ID_DIGITS || strspn(text, "0123456789abcdefABCDEF") != length)
        return err_set(e, ERR_INVALID, "ctl.file-id", "'%.70s' is no file id: %d to %d hex digits are", text,
                       FILE_PREFIX_DIGITS_MIN, FILE_ID_DIGITS);
    yyjson_arr_iter it = yyjson_arr_iter_with(list);
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        const char *id = yyjson_get_str(yyjson_obj_get(o, "file"));
        if (id == NULL || strncasecmp(id, text, length) != 0)
            continue;
        if (*ret != NULL && strcmp(id, yyjson_get_str(yyjson_obj_get(*ret, "file"))) != 0)
            return err_set(e, ERR_CONFLICT, "ctl.file-id", "several files of the case begin with '%.64s'", text);
        *ret = o;
    }
    return *ret != NULL ? 0 : err_set(e, ERR_NOT_FOUND, "material.unknown", "the case has no such file");
}

struct target {
    int fd;
    uint64_t at;
    struct progress progress;
    int error;
};

static bool take_content(void *ctx, const void *data, size_t size)
{
    struct target *t = ctx;
    for (size_t done = 0; done < size;) {
        ssize_t n = write(t->fd, (const uint8_t *)data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            t->error = errno;
            return false;
        }
        done += (size_t)n;
    }
    t->at += size;
    progress_show(&t->progress, t->at);
    return true;
}

static int check_target(const char *part, struct target *t, uint64_t size, const char *sha256, struct err *e)
{
    struct source s = {.fd = t->fd, .size = size};
    uint8_t *chunk = xmalloc(FILE_CHUNK_BYTES);
    int rc = t->at != size ? err_set(e, ERR_IO, "ctl.download", "%llu of %llu bytes came: run the command again",
                                     (unsigned long long)t->at, (unsigned long long)size)
                           : hash_source(part, &s, chunk, e);
    if (rc == 0 && strcmp(s.sha256, sha256) != 0) {
        (void)unlink(part);
        rc = err_set(e, ERR_VERIFY, "material.sha256",
                     "the file has another SHA-256 than the case says: it was removed");
    }
    if (rc == 0 && fsync(t->fd) != 0)
        rc = err_set_errno(e, ERR_IO, "ctl.output-file", errno, "cannot write '%.200s'", part);
    free(chunk);
    return rc;
}

static int download(struct ctl *c, yyjson_val *material, const char *output, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    const char *part = arena_printf(&c->mem, "%s.part", output);
    const char *id = yyjson_get_str(yyjson_obj_get(material, "file"));
    const char *sha256 = output_text(&c->mem, material, "sha256");
    uint64_t size = yyjson_get_uint(yyjson_obj_get(material, "size"));
    struct target t = {.fd = open(part, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
    if (t.fd < 0)
        return err_set_errno(e, ERR_IO, "ctl.output-file", errno, "cannot create '%.200s'", part);
    off_t there = lseek(t.fd, 0, SEEK_END);
    t.at = there > 0 && (uint64_t)there <= size ? (uint64_t)there : 0;
    int rc = there > 0 && t.at == 0 && ftruncate(t.fd, 0) != 0
                 ? err_set_errno(e, ERR_IO, "ctl.output-file", errno, "cannot shorten '%.200s'", part)
                 : 0;
    t.progress = progress_begin(c, "fetching", max_of(size, (uint64_t)1), t.at);
    buf_put_string(&url, cmd_case_path(c, c->args[0], arena_printf(&c->mem, "/materials/%s/content", id)));
    cmd_put_param(&url, "purpose", ctl_option(c, "--purpose"));
    if (rc == 0 && t.at < size) {
        const struct client_request r = {.dir = c->dir,
                                         .method = "GET",
                                         .path = arena_strdup(&c->mem, buf_cstr(&url)),
                                         .offset = t.at,
                                         .sink = take_content,
                                         .ctx = &t};
        rc = client_ask(&r, &reply, e);
        if (t.error != 0)
            rc = err_set_errno(e, ERR_IO, "ctl.output-file", t.error, "cannot write '%.200s'", part);
    }
    if (rc == 0)
        rc = check_target(part, &t, size, sha256, e);
    close(t.fd);
    if (rc == 0 && link(part, output) != 0) /* never over another file */
        rc = err_set_errno(e, errno == EEXIST ? ERR_CONFLICT : ERR_IO, "ctl.output-file", errno, "cannot make '%.200s'",
                           output);
    else if (rc == 0)
        (void)unlink(part);
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}

int cmd_material_get(struct ctl *c, struct err *e)
{
    const char *output = ctl_option(c, "--output");
    struct client_reply reply = {0};
    yyjson_val *material = NULL;
    if (access(output, F_OK) == 0)
        return err_set(e, ERR_CONFLICT, "ctl.output-file", "'%.200s' exists already; it was left as it is", output);
    int rc = cmd_get(c, cmd_case_path(c, c->args[0], "/materials"), &reply, e);
    if (rc == 0)
        rc = find_material(yyjson_obj_get(reply.root, "materials"), c->args[1], &material, e);
    if (rc == 0)
        rc = download(c, material, output, e);
    if (rc == 0) {
        const struct output_pair pairs[] = {
            {"file", output_field(&c->mem, material, "file")},
            {"output", output},
            {"size", output_field(&c->mem, material, "size")},
            {"sha256", output_field(&c->mem, material, "sha256")},
        };
        cmd_print_pairs(c, pairs, array_count(pairs));
    }
    client_reply_close(&reply);
    return rc;
}

/* ---- the rest ---- */

int cmd_material_reuse(struct ctl *c, struct err *e)
{
    struct client_reply list = {0}, reply = {0};
    yyjson_val *material = NULL;
    bool waits = ctl_option(c, "--wait-peers") != NULL;
    const char *from = ctl_option(c, "--from");
    int rc = cmd_get(c, cmd_case_path(c, from, "/materials"), &list, e);
    if (rc == 0)
        rc = find_material(yyjson_obj_get(list.root, "materials"), c->args[1], &material, e);
    const struct output_pair fields[] = {{"from_case", from},
                                         {"file", yyjson_get_str(yyjson_obj_get(material, "file"))},
                                         {"consent", ctl_option(c, "--consent")}};
    if (rc == 0)
        rc = ask(c, cmd_case_path(c, c->args[0], waits ? "/materials/reuse" WAIT_PEERS : "/materials/reuse"), fields,
                 array_count(fields), 0, &reply, e);
    if (rc == 0)
        rc = print_added(c, &reply, waits, e);
    client_reply_close(&list);
    client_reply_close(&reply);
    return rc;
}

int cmd_material_upload(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    int rc = cmd_get(c, upload_path(c, c->args[0], ""), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        const struct output_pair pairs[] = {
            {"upload", output_field(&c->mem, reply.root, "upload")},
            {"case", output_field(&c->mem, reply.root, "case")},
            {"bytes there", output_field(&c->mem, reply.root, "offset")},
            {"bytes in all", output_field(&c->mem, reply.root, "size")},
        };
        output_pairs(&c->mem, pairs, array_count(pairs), c->out);
    }
    client_reply_close(&reply);
    return rc;
}

int cmd_material_drop(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    const struct client_request r = {.dir = c->dir, .method = "DELETE", .path = upload_path(c, c->args[0], "")};
    int rc = client_ask(&r, &reply, e);
    const struct output_pair pairs[] = {{"dropped", c->args[0]}};
    if (rc == 0)
        cmd_print_pairs(c, pairs, array_count(pairs));
    client_reply_close(&reply);
    return rc;
}
