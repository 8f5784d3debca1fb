/* Uploads (see uploads.h).
 *
 * One struct job per operation: made on the loop, its work() on a worker, its done() back on the loop. While it is there the
 * upload is busy and stays. Which chunks are there is never written down: after a restart they are read and compared with their
 * hashes (file_blob.h).
 *
 * "<id>.meta": "TBup1\0" and two bytes of zero, case id 16, then sealed under a key made of the case's key and the id: the
 * file's key and the specification. An erased case has no key: what is left of its uploads cannot be read by anybody.
 */
#include "node/uploads.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/clock.h"
#include "node/base/file.h"
#include "node/base/list.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/file_pass.h"
#include "node/files/file_blob.h"

#define META_MAGIC_SIZE 8u
#define META_BYTES_MAX 4096u
#define INFO_META "tongban/file-upload/1"
#define SWEEP_MS 3600000u

static const char meta_magic[META_MAGIC_SIZE] = "TBup1";

struct uploads {
    struct uploads_config config;
    char *folder; /* config.dir/upload */
    struct list list;
    size_t busy;
    bool stopping;
    struct loop_timer *sweep;
};

struct upload {
    struct list link;
    struct uploads *owner;
    struct upload_state state;
    struct file_blob *blob;
    bool is_settled; /* state.offset is known */
    struct job *job; /* under way */
    size_t refused;  /* jobs whose callback, which gets the upload, has not heard of it yet */
    bool is_gone;    /* not in the list any more: the last of those frees it */
};

/* One operation. */
struct job {
    struct upload *up;
    upload_cb cb;
    void *ctx;
    struct err error;
    struct loop_item later;
    /* put */
    uint8_t *data;
    size_t size;
    uint32_t index;
    /* settle */
    uint32_t there;
    /* finish */
    struct file_pass *pass; /* under way */
    struct file_type_probe probe;
};

const struct upload_state *upload_state(const struct upload *up)
{
    return &up->state;
}

/* ---- names and files ---- */

static char *path_of(const struct uploads *u, const uint8_t id[APP_UPLOAD_ID_SIZE], const char *ending)
{
    char hex[2 * APP_UPLOAD_ID_SIZE + 1];
    struct buf path = {0};
    hex_encode(id, APP_UPLOAD_ID_SIZE, hex);
    buf_printf(&path, "%s/%s.%s", u->folder, hex, ending);
    size_t size;
    return (char *)buf_take(&path, &size);
}

static void remove_files(const struct uploads *u, const uint8_t id[APP_UPLOAD_ID_SIZE])
{
    char *part = path_of(u, id, "part"), *meta = path_of(u, id, "meta");
    (void)unlink(part); /* gone already, or gone at the next sweep */
    (void)unlink(meta);
    free(part);
    free(meta);
}

static void meta_key(const uint8_t case_key[CRYPTO_KEY_SIZE], const uint8_t id[APP_UPLOAD_ID_SIZE],
                     uint8_t out[CRYPTO_KEY_SIZE])
{
    crypto_hkdf(bytes_of(case_key, CRYPTO_KEY_SIZE), bytes_of(id, APP_UPLOAD_ID_SIZE), bytes_of_string(INFO_META), out,
                CRYPTO_KEY_SIZE);
}

static void put_text(struct buf *b, const char *text)
{
    buf_put_u16(b, (uint16_t)strlen(text));
    buf_put_string(b, text);
}

static int write_meta(const struct upload *up, const uint8_t case_key[CRYPTO_KEY_SIZE], struct err *e)
{
    const struct upload_spec *s = &up->state.spec;
    struct buf plain = {0}, file = {0};
    uint8_t key[CRYPTO_KEY_SIZE];
    buf_put(&plain, up->state.key, sizeof up->state.key);
    buf_put_u64(&plain, s->size);
    buf_put_u8(&plain, s->trust);
    buf_put_u8(&plain, s->has_sha256);
    buf_put(&plain, s->sha256, sizeof s->sha256);
    put_text(&plain, s->type->name);
    put_text(&plain, s->name);
    put_text(&plain, s->code);
    buf_put(&file, meta_magic, META_MAGIC_SIZE);
    buf_put(&file, s->case_id, sizeof s->case_id);
    meta_key(case_key, up->state.id, key);
    crypto_seal_once(key, bytes_of(NULL, 0), buf_bytes(&plain), buf_extend(&file, plain.size + CRYPTO_TAG_SIZE));
    char *path = path_of(up->owner, up->state.id, "meta");
    int rc = file_write(path, buf_bytes(&file), 0600, true, e);
    free(path);
    crypto_wipe(key, sizeof key);
    crypto_wipe(plain.data, plain.size);
    buf_close(&plain);
    buf_close(&file);
    return rc;
}

static bool read_text(struct reader *r, char *out, size_t size)
{
    size_t n = read_u16(r);
    if (n >= size)
        return false;
    read_copy(r, out, n);
    out[n] = '\0';
    return !r->failed;
}

static bool parse_meta(struct bytes plain, struct upload_state *ret)
{
    struct reader r = reader_of(plain);
    struct upload_spec *s = &ret->spec;
    char type[32];
    read_copy(&r, ret->key, sizeof ret->key);
    s->size = read_u64(&r);
    s->trust = read_u8(&r);
    s->has_sha256 = read_u8(&r) != 0;
    read_copy(&r, s->sha256, sizeof s->sha256);
    bool ok = read_text(&r, type, sizeof type) && read_text(&r, s->name, sizeof s->name) &&
              read_text(&r, s->code, sizeof s->code) && reader_done(&r) && s->size >= 1 && s->size <= FILE_BYTES_MAX;
    s->type = ok ? file_type_find(type) : NULL;
    return ok && s->type != NULL;
}

static int no_upload(struct err *e)
{
    int rc =
        err_set(e, ERR_NOT_FOUND, "material.no-upload", "there is no such upload: it is done, given up or too old");
    err_hint(e, "begin it again");
    return rc;
}

static int read_meta(struct uploads *u, const uint8_t id[APP_UPLOAD_ID_SIZE], struct buf *ret, struct err *e)
{
    char *path = path_of(u, id, "meta");
    int rc = file_read(path, META_BYTES_MAX, ret, e);
    free(path);
    if (rc == ERR_NOT_FOUND)
        return no_upload(e);
    if (rc == 0 && (ret->size < META_MAGIC_SIZE + CASE_ID_SIZE + CRYPTO_TAG_SIZE ||
                    memcmp(ret->data, meta_magic, META_MAGIC_SIZE) != 0)) {
        buf_close(ret);
        rc = err_set(e, ERR_CORRUPT, "material.upload-corrupt", "what is kept about the upload is damaged");
    }
    return rc;
}

/* ---- the set ---- */

static struct upload *find(struct uploads *u, const uint8_t id[APP_UPLOAD_ID_SIZE])
{
    list_for_each (at, &u->list) {
        struct upload *up = container_of(at, struct upload, link);
        if (memcmp(up->state.id, id, APP_UPLOAD_ID_SIZE) == 0)
            return up;
    }
    return NULL;
}

static struct upload *upload_create(struct uploads *u, const uint8_t id[APP_UPLOAD_ID_SIZE])
{
    struct upload *up = xcalloc(1, sizeof *up);
    up->owner = u;
    memcpy(up->state.id, id, APP_UPLOAD_ID_SIZE);
    list_append(&u->list, &up->link);
    return up;
}

static void upload_free(struct upload *up)
{
    file_blob_close(up->blob);
    crypto_wipe(&up->state, sizeof up->state);
    free(up);
}

/* Out of the list; the memory stays until those who were refused have heard of it. */
static void upload_destroy(struct upload *up)
{
    xassert(up->job == NULL);
    list_remove(&up->link);
    up->is_gone = true;
    if (up->refused == 0)
        upload_free(up);
}

bool uploads_forget(struct uploads *u, const uint8_t id[APP_UPLOAD_ID_SIZE])
{
    struct upload *up = find(u, id);
    if (up != NULL && up->job != NULL)
        return false;
    remove_files(u, id);
    if (up != NULL)
        upload_destroy(up);
    return true;
}

void uploads_drop_case(struct uploads *u, const uint8_t case_id[CASE_ID_SIZE])
{
    list_for_each_safe (at, &u->list) {
        struct upload *up = container_of(at, struct upload, link);
        if (memcmp(up->state.spec.case_id, case_id, CASE_ID_SIZE) == 0)
            (void)uploads_forget(u, up->state.id); /* busy: its end finds no key any more, and the sweep the files */
    }
}

static bool is_same(const struct upload_spec *x, const struct upload_spec *y)
{
    return x->has_sha256 && y->has_sha256 && x->size == y->size && x->type == y->type && x->trust == y->trust &&
           memcmp(x->case_id, y->case_id, CASE_ID_SIZE) == 0 && memcmp(x->sha256, y->sha256, sizeof x->sha256) == 0 &&
           strcmp(x->name, y->name) == 0 && strcmp(x->code, y->code) == 0;
}

/* Calls @cb for the id of each "<id>.meta" in the folder. */
static void each_meta(struct uploads *u, void (*cb)(struct uploads *u, const uint8_t *id, void *ctx), void *ctx)
{
    uint8_t id[APP_UPLOAD_ID_SIZE];
    size_t size = 0;
    struct dirent *entry;
    DIR *dir = opendir(u->folder);
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (strlen(entry->d_name) == 2 * sizeof id + 5 && strcmp(entry->d_name + 2 * sizeof id, ".meta") == 0 &&
            hex_decode(entry->d_name, 2 * sizeof id, id, sizeof id, &size) == 0)
            cb(u, id, ctx);
    if (dir != NULL)
        closedir(dir);
}

struct opening {
    const uint8_t *case_id;
    const uint8_t *case_key;
    size_t count; /* of all uploads there are */
};

static void open_if_of_case(struct uploads *u, const uint8_t *id, void *ctx)
{
    struct opening *o = ctx;
    uint8_t case_id[CASE_ID_SIZE];
    struct upload *up;
    o->count++;
    if (find(u, id) == NULL && uploads_case_of(u, id, case_id, NULL) == 0 &&
        memcmp(case_id, o->case_id, CASE_ID_SIZE) == 0 && uploads_open(u, id, o->case_key, &up, NULL) != 0)
        return; /* too damaged to go on with: the sweep takes it */
}

int uploads_begin(struct uploads *u, const struct upload_spec *spec, const uint8_t case_key[CRYPTO_KEY_SIZE],
                  struct upload **ret, struct err *e)
{
    uint8_t id[APP_UPLOAD_ID_SIZE];
    struct opening opening = {spec->case_id, case_key, 0};
    each_meta(u, open_if_of_case, &opening);
    list_for_each (at, &u->list) {
        struct upload *up = container_of(at, struct upload, link);
        if (is_same(&up->state.spec, spec)) {
            *ret = up;
            return 0;
        }
    }
    if (u->stopping)
        return err_set(e, ERR_CLOSED, "material.closing", "the node is stopping");
    if (opening.count >= FILE_UPLOADS_MAX)
        return err_set(e, ERR_BUSY, "material.uploads", "%zu uploads are unfinished, the limit is %u", opening.count,
                       FILE_UPLOADS_MAX);
    crypto_random(id, sizeof id);
    struct upload *up = upload_create(u, id);
    up->state.spec = *spec;
    up->is_settled = true;
    crypto_random(up->state.key, sizeof up->state.key);
    char *part = path_of(u, id, "part");
    int rc = file_blob_create(part, spec->size, NULL, NULL, &up->blob, e);
    free(part);
    if (rc == 0)
        rc = write_meta(up, case_key, e);
    if (rc != 0) {
        (void)uploads_forget(u, id);
        return rc;
    }
    *ret = up;
    return 0;
}

int uploads_case_of(struct uploads *u, const uint8_t id[APP_UPLOAD_ID_SIZE], uint8_t ret_case_id[CASE_ID_SIZE],
                    struct err *e)
{
    struct buf meta = {0};
    const struct upload *up = find(u, id);
    if (up != NULL) {
        memcpy(ret_case_id, up->state.spec.case_id, CASE_ID_SIZE);
        return 0;
    }
    int rc = read_meta(u, id, &meta, e);
    if (rc == 0)
        memcpy(ret_case_id, meta.data + META_MAGIC_SIZE, CASE_ID_SIZE);
    buf_close(&meta);
    return rc;
}

int uploads_open(struct uploads *u, const uint8_t id[APP_UPLOAD_ID_SIZE], const uint8_t case_key[CRYPTO_KEY_SIZE],
                 struct upload **ret, struct err *e)
{
    struct buf meta = {0};
    uint8_t key[CRYPTO_KEY_SIZE], plain[META_BYTES_MAX];
    const size_t head = META_MAGIC_SIZE + CASE_ID_SIZE;
    *ret = find(u, id);
    if (*ret != NULL)
        return 0;
    int rc = read_meta(u, id, &meta, e);
    if (rc != 0)
        return rc;
    struct upload *up = upload_create(u, id);
    memcpy(up->state.spec.case_id, meta.data + META_MAGIC_SIZE, CASE_ID_SIZE);
    struct bytes sealed = bytes_of(meta.data + head, meta.size - head);
    meta_key(case_key, id, key);
    if (!crypto_open_once(key, bytes_of(NULL, 0), sealed, plain) ||
        !parse_meta(bytes_of(plain, sealed.size - CRYPTO_TAG_SIZE), &up->state))
        rc = err_set(e, ERR_CORRUPT, "material.upload-corrupt", "what is kept about the upload is damaged");
    crypto_wipe(key, sizeof key);
    crypto_wipe(plain, sizeof plain);
    buf_close(&meta);
    char *part = path_of(u, id, "part");
    if (rc == 0)
        rc = file_blob_open(part, true, &up->blob, e);
    free(part);
    if (rc == 0 && up->blob->size != up->state.spec.size)
        rc = err_set(e, ERR_CORRUPT, "material.upload-corrupt", "what is kept about the upload is damaged");
    if (rc != 0) {
        upload_destroy(up);
        return rc == ERR_NOT_FOUND ? no_upload(e) : rc;
    }
    *ret = up;
    return 0;
}

/* ---- operations ---- */

static void job_end(struct job *j)
{
    struct upload *up = j->up;
    up->job = NULL;
    up->owner->busy--;
    j->cb(j->ctx, up, &j->error);
    free(j->data);
    free(j);
}

static void job_refused(struct loop_item *item)
{
    struct job *j = container_of(item, struct job, later);
    struct upload *up = j->up;
    up->owner->busy--;
    j->cb(j->ctx, up, &j->error);
    if (--up->refused == 0 && up->is_gone)
        upload_free(up);
    free(j->data);
    free(j);
}

/* NULL: refused, and the callback will hear of it. */
static struct job *job_create(struct upload *up, uint8_t *data, upload_cb cb, void *ctx)
{
    struct job *j = xcalloc(1, sizeof *j);
    j->up = up;
    j->data = data;
    j->cb = cb;
    j->ctx = ctx;
    list_init(&j->later.link);
    if (up->owner->stopping)
        (void)err_set(&j->error, ERR_CLOSED, "material.closing", "the node is stopping");
    else if (up->job != NULL)
        (void)err_set(&j->error, ERR_BUSY, "material.upload-busy", "another request for this upload is under way");
    up->owner->busy++;
    if (j->error.code != 0) {
        up->refused++;
        j->later.run = job_refused;
        loop_post(up->owner->config.loop, &j->later);
        return NULL;
    }
    up->job = j;
    return j;
}

static void job_fail_run(struct loop_item *item)
{
    job_end(container_of(item, struct job, later));
}

static void job_end_later(struct job *j)
{
    j->later.run = job_fail_run;
    loop_post(j->up->owner->config.loop, &j->later);
}

static void settle_work(void *ctx)
{
    struct job *j = ctx;
    const struct file_blob *b = j->up->blob;
    uint8_t *scratch = xmalloc(FILE_SEALED_BYTES_MAX);
    while (j->there < b->count && file_blob_is_there(b, j->there, scratch))
        j->there++;
    free(scratch);
}

static void settle_done(void *ctx)
{
    struct job *j = ctx;
    struct upload *up = j->up;
    up->is_settled = true;
    up->state.offset = min_of((uint64_t)j->there * FILE_CHUNK_BYTES, up->state.spec.size);
    job_end(j);
}

void upload_settle(struct upload *up, upload_cb cb, void *ctx)
{
    struct job *j = job_create(up, NULL, cb, ctx);
    if (j == NULL)
        return;
    if (up->is_settled)
        job_end_later(j);
    else
        loop_work(up->owner->config.loop, settle_work, settle_done, j);
}

static void put_work(void *ctx)
{
    struct job *j = ctx;
    const struct upload_state *s = &j->up->state;
    size_t size = file_chunk_sealed_size(s->spec.size, j->index);
    uint8_t *sealed = xmalloc(size);
    file_chunk_seal(s->key, s->spec.size, j->index, bytes_of(j->data, j->size), sealed);
    crypto_wipe(j->data, j->size);
    if (file_blob_put(j->up->blob, j->index, bytes_of(sealed, size), &j->error) == 0)
        j->there = 1;
    free(sealed);
}

static void put_done(void *ctx)
{
    struct job *j = ctx;
    if (j->there == 1)
        j->up->state.offset += j->size;
    job_end(j);
}

static int check_put(const struct upload *up, uint64_t offset, size_t size, struct err *e)
{
    const struct upload_state *s = &up->state;
    xassert(up->is_settled);
    if (offset != s->offset)
        return err_set(e, ERR_CONFLICT, "material.offset", "the bytes begin at %llu, the next wanted is %llu",
                       (unsigned long long)offset, (unsigned long long)s->offset);
    if (s->offset == s->spec.size)
        return err_set(e, ERR_CONFLICT, "material.complete", "all %llu bytes are there already",
                       (unsigned long long)s->spec.size);
    size_t wanted = file_chunk_size(s->spec.size, (uint32_t)(offset / FILE_CHUNK_BYTES));
    if (size != wanted)
        return err_set(e, ERR_INVALID, "material.chunk-size", "the part has %zu bytes, at %llu %zu are wanted", size,
                       (unsigned long long)offset, wanted);
    return 0;
}

void upload_put(struct upload *up, uint64_t offset, uint8_t *data, size_t size, upload_cb cb, void *ctx)
{
    struct job *j = job_create(up, data, cb, ctx);
    if (j == NULL)
        return;
    j->size = size;
    j->index = (uint32_t)(offset / FILE_CHUNK_BYTES);
    int rc = check_put(up, offset, size, &j->error);
    if (rc == 0 && offset == 0) { /* a wrong type is told at once, not after two gigabytes */
        struct file_type_probe probe = {0};
        file_type_probe(&probe, bytes_of(data, size));
        rc = file_type_check(up->state.spec.type, &probe, size == up->state.spec.size, &j->error);
    }
    if (rc != 0)
        job_end_later(j);
    else
        loop_work(up->owner->config.loop, put_work, put_done, j);
}

/* ---- finish ---- */

static void finish_work(void *ctx)
{
    struct job *j = ctx;
    struct upload *up = j->up;
    struct upload_state *s = &up->state;
    if (s->spec.has_sha256 && memcmp(s->sha256, s->spec.sha256, sizeof s->sha256) != 0)
        (void)err_set(&j->error, ERR_VERIFY, "material.sha256", "the content has another SHA-256 than was said");
    int rc = j->error.code != 0 ? j->error.code : file_type_check(s->spec.type, &j->probe, true, &j->error);
    if (rc == 0)
        rc = file_blob_finish(up->blob, up->owner->config.dir, &j->error);
    if (rc == 0)
        memcpy(s->file, up->blob->id, sizeof s->file);
}

/* What is wrong with the content stays wrong: the upload is over. */
static bool is_final(int code)
{
    return code == ERR_VERIFY || code == ERR_UNSUPPORTED || code == ERR_DENIED || code == ERR_CORRUPT;
}

static void finish_done(void *ctx)
{
    struct job *j = ctx;
    bool is_over = is_final(j->error.code);
    struct uploads *u = j->up->owner;
    uint8_t id[APP_UPLOAD_ID_SIZE];
    memcpy(id, j->up->state.id, sizeof id);
    job_end(j);
    if (is_over)
        (void)uploads_forget(u, id); /* false: the callback has begun something with it, which will fail */
}

static void pass_done(void *ctx, const struct file_pass_result *result, const struct err *e)
{
    struct job *j = ctx;
    struct upload_state *s = &j->up->state;
    j->pass = NULL;
    j->error = *e;
    j->probe = result->probe;
    s->scan = result->scan;
    memcpy(s->sha256, result->sha256, sizeof s->sha256);
    if (e->code == 0 && s->scan == APP_SCAN_UNKNOWN)
        log_warn("material", NULL, "material.scan", "a file could not be judged: %s", result->why);
    if (e->code == 0 && s->scan == APP_SCAN_INFECTED)
        (void)err_set(&j->error, ERR_DENIED, "material.infected",
                      "the scanner takes the file for harmful: it was thrown away and goes nowhere");
    if (j->error.code != 0)
        finish_done(j);
    else
        loop_work(j->up->owner->config.loop, finish_work, finish_done, j);
}

void upload_finish(struct upload *up, upload_cb cb, void *ctx)
{
    const struct uploads_config *c = &up->owner->config;
    struct job *j = job_create(up, NULL, cb, ctx);
    if (j == NULL)
        return;
    if (up->state.offset != up->state.spec.size) {
        (void)err_set(&j->error, ERR_CONFLICT, "material.unfinished", "%llu of %llu bytes are there",
                      (unsigned long long)up->state.offset, (unsigned long long)up->state.spec.size);
        job_end_later(j);
        return;
    }
    j->pass = file_pass_start(&(struct file_pass_config){.loop = c->loop,
                                                         .blob = up->blob,
                                                         .key = up->state.key,
                                                         .scanner = c->scanner,
                                                         .scanner_ms = c->scanner_ms},
                              pass_done, j);
}

/* ---- life ---- */

static void remove_if_old(struct uploads *u, const uint8_t *id, void *ctx)
{
    struct stat st;
    const uint64_t *now_s = ctx;
    char *part = path_of(u, id, "part");
    bool is_there = stat(part, &st) == 0;
    bool is_old = !is_there || (uint64_t)st.st_mtime + FILE_UPLOAD_DAYS_MAX * 86400ull < *now_s;
    if (is_old)
        (void)uploads_forget(u, id);
    free(part);
}

static void sweep(void *ctx)
{
    struct uploads *u = ctx;
    uint64_t now_s = clock_wall_ms() / 1000;
    each_meta(u, remove_if_old, &now_s);
    if (u->sweep != NULL)
        loop_timer_set(u->sweep, SWEEP_MS);
}

/* Parts without a description: a crash came between the two. */
static void remove_orphans(struct uploads *u)
{
    struct dirent *entry;
    DIR *dir = opendir(u->folder);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');
        uint8_t id[APP_UPLOAD_ID_SIZE];
        size_t size;
        if (dot == NULL || strcmp(dot, ".part") != 0 ||
            hex_decode(entry->d_name, (size_t)(dot - entry->d_name), id, sizeof id, &size) != 0 || size != sizeof id)
            continue;
        char *meta = path_of(u, id, "meta");
        if (access(meta, F_OK) != 0)
            remove_files(u, id);
        free(meta);
    }
    if (dir != NULL)
        closedir(dir);
}

int uploads_create(const struct uploads_config *config, struct uploads **ret, struct err *e)
{
    struct buf folder = {0};
    buf_printf(&folder, "%s/upload", config->dir);
    int rc = file_make_dir(config->dir, 0700, e);
    if (rc == 0)
        rc = file_make_dir(buf_cstr(&folder), 0700, e);
    if (rc != 0) {
        buf_close(&folder);
        return rc;
    }
    struct uploads *u = xcalloc(1, sizeof *u);
    u->config = *config;
    size_t folder_size;
    u->folder = (char *)buf_take(&folder, &folder_size);
    list_init(&u->list);
    u->sweep = loop_timer_create(config->loop, sweep, u);
    remove_orphans(u);
    sweep(u);
    *ret = u;
    return 0;
}

bool uploads_is_idle(const struct uploads *u)
{
    return u->busy == 0;
}

void uploads_stop(struct uploads *u)
{
    u->stopping = true;
    list_for_each (at, &u->list) {
        struct job *j = container_of(at, struct upload, link)->job;
        if (j != NULL && j->pass != NULL)
            file_pass_stop(j->pass);
    }
}

void uploads_destroy(struct uploads *u)
{
    if (u == NULL)
        return;
    list_for_each_safe (at, &u->list)
        upload_destroy(container_of(at, struct upload, link));
    loop_timer_destroy(u->sweep);
    free(u->folder);
    free(u);
}
