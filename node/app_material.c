/* Materials: files become part of cases (see app.h, uploads.h; FORMATS.md, "Files").
 *
 * Happy path: begin -> put … -> finish: the file is durable under its id -> an event 材料 with that id in the leaf and name, type,
 * hash and the file's key (under the case's key) in its payload -> rows in the same transaction -> the other participants get the
 * event, and the file by fetches.c.
 * Failure modes: the event is refused or cannot be written: the upload stays and finish may be asked again; after a crash a file
 * without an event is thrown away at the start; a case that is erased takes its files along unless another case holds them.
 *
 * Loop thread only.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "catalog/item.h"
#include "node/app_command.h"
#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"
#include "node/fetches.h"
#include "node/files/file_blob.h"
#include "node/uploads.h"

#define CONSENT_BYTES_MAX 512u
#define DOOMED_SIZE (CASE_ID_SIZE + FILE_ID_SIZE)

const char *app_scan_name(enum app_scan scan)
{
    static const char *const names[] = {"", "off", "clean", "unknown", "infected"};
    return (size_t)scan < array_count(names) ? names[scan] : "";
}

/* ---- rules ---- */

static bool is_in_list(const char *list, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = list; *at != '\0';) {
        size_t n = strcspn(at, " ,");
        if (n == size && memcmp(at, word, n) == 0)
            return true;
        at += n;
        at += strspn(at, " ,");
    }
    return false;
}

/* The node's configuration replaces the table's default. */
static bool is_type_taken(const struct app *a, const struct file_type *type)
{
    const char *list = a->config->material_types;
    return list[0] == '\0' ? type->by_default : is_in_list(list, type->name);
}

static int check_row(const struct catalog_material *row, char trust, struct err *e)
{
    if (row->form == CATALOG_FORM_PAPER)
        return err_set(e, ERR_CONFLICT, "material.paper", "the item takes '%.40s' on paper only (纸质)", row->code);
    if (row->trust_level >= 0 && trust - 'A' > row->trust_level)
        return err_set(e, ERR_CONFLICT, "material.trust",
                       "the item wants '%.40s' of trust level %c or better (可信等级), this is %c", row->code,
                       'A' + row->trust_level, trust);
    return 0;
}

/* A code that the item does not know is no error: a correction may ask for what no list has. */
static int check_item_row(struct app *a, const struct case_state *state, const char *code, char trust, struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct app_item_view view;
    struct catalog_item *item = NULL;
    const struct catalog_material *material = NULL;
    int rc = 0;
    if (code[0] == '\0' || app_get_item(a, state->lead, state->item_code, &mem, &view, NULL) != 0 ||
        catalog_item_parse(view.json, view.node, view.code, &item, NULL) != 0)
        item = NULL;
    if (item != NULL)
        material = catalog_item_material(item, code);
    if (material != NULL)
        rc = check_row(material, trust, e);
    catalog_item_destroy(item);
    arena_close(&mem);
    return rc;
}

/* A shared material of a bundle case: what each part that takes it says of its own. */
static int check_shared_rows(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const char *code, char trust,
                             struct err *e)
{
    struct app_shared_use uses[CASE_PARTS_MAX];
    struct case_slot *slot;
    size_t count = app_shared_uses(a, case_id, code, uses);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = case_cache_get(a->cases, a->ledger, uses[i].case_id, &slot, e);
        if (rc == 0)
            rc = check_item_row(a, casefile_state(slot->file), uses[i].code, trust, e);
    }
    return rc;
}

static int check_name(const char *name, struct err *e)
{
    size_t size = strlen(name);
    if (size == 0 || size > FILE_NAME_BYTES_MAX || !utf8_is_valid(name, size))
        return err_set(e, ERR_INVALID, "material.name", "the name has %zu bytes; 1 to %u of UTF-8 text are wanted",
                       size, FILE_NAME_BYTES_MAX);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == '/' || name[i] == '\\' || name[i] == 0x7f)
            return err_set(e, ERR_INVALID, "material.name", "the name holds a slash or a control character");
    if (utf8_has_unsafe(name)) /* "…fdp.exe" must not read as "….pdf" */
        return err_set(e, ERR_INVALID, "material.name", "the name holds a direction mark or a separator of lines");
    return 0;
}

/* Fills @ret from @r, checked against the table of types and the limits. */
static int check_request(struct app *a, const struct app_upload_request *r, struct upload_spec *ret, struct err *e)
{
    int rc = check_name(r->name, e);
    if (rc != 0)
        return rc;
    const struct file_type *type = r->type != NULL ? file_type_find(r->type) : file_type_of_name(r->name);
    if (type == NULL || !is_type_taken(a, type)) {
        rc = err_set(e, ERR_UNSUPPORTED, "material.type", "files of type '%.32s' are not taken",
                     type != NULL      ? type->name
                     : r->type != NULL ? r->type
                                       : "unknown");
        err_hint(e, "pdf, ofd, jpeg, png, tiff, doc, docx, xls, xlsx unless node.json says otherwise");
        return rc;
    }
    if (strlen(r->code) >= sizeof ret->code)
        return err_set(e, ERR_LIMIT, "material.code", "the code has %zu bytes, the limit is %zu", strlen(r->code),
                       sizeof ret->code - 1);
    if (r->trust < 'A' || r->trust > 'D')
        return err_set(e, ERR_INVALID, "material.trust-level", "the trust level is none of A, B, C, D (可信等级)");
    if (r->size == 0)
        return err_set(e, ERR_INVALID, "material.empty", "the file is empty");
    if (r->size > type->size_max)
        return err_set(e, ERR_LIMIT, "material.size", "the file has %llu bytes, a %s may have %llu",
                       (unsigned long long)r->size, type->name, (unsigned long long)type->size_max);
    ret->type = type;
    ret->size = r->size;
    ret->trust = (uint8_t)r->trust;
    ret->has_sha256 = r->sha256 != NULL;
    if (ret->has_sha256)
        memcpy(ret->sha256, r->sha256, sizeof ret->sha256);
    (void)snprintf(ret->name, sizeof ret->name, "%s", r->name);
    (void)snprintf(ret->code, sizeof ret->code, "%s", r->code);
    return 0;
}

/* The case, writable and committed, with its key. */
static int open_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct case_slot **ret_slot,
                     struct payload_key *ret_key, struct err *e)
{
    struct casefile *file, *apart = NULL;
    int rc = ledger_check_writable(a->ledger, e);
    if (rc == 0)
        rc = app_committed_case(a, case_id, &file, &apart, ret_slot, e);
    casefile_destroy(apart);
    if (rc == 0)
        rc = app_case_key(a, *ret_slot, ret_key, e);
    if (rc == ERR_BUSY)
        app_pull_key(a, *ret_slot);
    return rc;
}

/* The material of the case whose content has this hash; false when there is none. That another node says so is not enough, unless it is
 * the same @file (NULL: a new one). */
static bool find_same(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const uint8_t sha256[CRYPTO_HASH_SIZE],
                      const uint8_t *file, struct app_material_view *ret)
{
    struct arena mem = ARENA_INIT;
    struct app_material_view *rows;
    size_t count = 0;
    bool found = false;
    if (app_list_materials(a, case_id, &mem, &rows, &count, NULL) == 0)
        for (size_t i = 0; i < count && !found; i++)
            if (rows[i].content == APP_CONTENT_SHOWN && memcmp(rows[i].sha256, sha256, CRYPTO_HASH_SIZE) == 0 &&
                ((file != NULL && memcmp(rows[i].file, file, FILE_ID_SIZE) == 0) ||
                 app_material_is_read(a, case_id, &rows[i]))) {
                *ret = rows[i]; /* its texts are not used */
                found = true;
            }
    arena_close(&mem);
    return found;
}

/* One case must not fill the disk: what it holds and @size more. */
static int check_room_of_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint64_t size, struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct app_material_view *rows;
    size_t count = 0;
    uint64_t bytes = size, bytes_max = (uint64_t)a->config->case_mib << 20;
    int rc = app_list_materials(a, case_id, &mem, &rows, &count, e);
    for (size_t i = 0; rc == 0 && i < count; i++)
        bytes += rows[i].size;
    if (rc == 0 && count >= a->config->case_files)
        rc = err_set(e, ERR_LIMIT, "material.case-files", "the case has %zu files, the limit files.case_files is %u",
                     count, a->config->case_files);
    else if (rc == 0 && bytes > bytes_max)
        rc = err_set(e, ERR_LIMIT, "material.case-bytes",
                     "the files of the case would have %llu bytes, the limit files.case_mib is %llu",
                     (unsigned long long)bytes, (unsigned long long)bytes_max);
    arena_close(&mem);
    return rc;
}

/* ---- uploads ---- */

struct uploading {
    struct loop_item later;
    struct app *app;
    app_upload_cb cb;
    void *ctx;
    struct app_upload_view view;
    struct err error;
    /* put, after settling */
    bool is_put;
    uint64_t offset;
    uint8_t *data;
    size_t size;
};

static void uploading_end(struct uploading *x)
{
    x->cb(x->ctx, &x->view, &x->error);
    free(x->data);
    free(x);
}

static void uploading_later(struct loop_item *item)
{
    uploading_end(container_of(item, struct uploading, later));
}

static void uploading_fail(struct uploading *x)
{
    x->later.run = uploading_later;
    list_init(&x->later.link);
    loop_post(x->app->loop, &x->later);
}

static struct uploading *uploading_create(struct app *a, app_upload_cb cb, void *ctx)
{
    struct uploading *x = xcalloc(1, sizeof *x);
    *x = (struct uploading){.app = a, .cb = cb, .ctx = ctx};
    return x;
}

static void upload_done(void *ctx, struct upload *up, const struct err *e)
{
    struct uploading *x = ctx;
    const struct upload_state *s = upload_state(up);
    x->error = *e;
    x->view.size = s->spec.size;
    x->view.offset = s->offset;
    memcpy(x->view.id, s->id, sizeof x->view.id);
    memcpy(x->view.case_id, s->spec.case_id, sizeof x->view.case_id);
    if (e->code == 0 && x->is_put) {
        uint8_t *data = x->data;
        x->is_put = false;
        x->data = NULL;
        upload_put(up, x->offset, data, x->size, upload_done, x);
        return;
    }
    uploading_end(x);
}

static int begin(struct uploading *x, const uint8_t case_id[CASE_ID_SIZE], const struct app_upload_request *r,
                 struct err *e)
{
    struct app *a = x->app;
    struct case_slot *slot;
    struct payload_key key = {0};
    struct upload_spec spec = {0};
    struct upload *up;
    struct app_material_view same;
    int rc = open_case(a, case_id, &slot, &key, e);
    if (rc == 0)
        rc = check_request(a, r, &spec, e);
    if (rc == 0)
        rc = check_item_row(a, casefile_state(slot->file), spec.code, r->trust, e);
    if (rc == 0)
        rc = check_shared_rows(a, case_id, spec.code, r->trust, e);
    memcpy(spec.case_id, case_id, CASE_ID_SIZE);
    if (rc == 0 && spec.has_sha256 && find_same(a, case_id, spec.sha256, NULL, &same)) {
        x->view = (struct app_upload_view){.size = spec.size, .offset = spec.size, .is_duplicate = true};
        memcpy(x->view.case_id, case_id, CASE_ID_SIZE);
        memcpy(x->view.file, same.file, sizeof x->view.file);
        uploading_fail(x); /* no error: nothing is left to do */
    } else if (rc == 0) {
        rc = check_room_of_case(a, case_id, spec.size, e);
        if (rc == 0)
            rc = uploads_begin(a->uploads, &spec, key.key, &up, e);
        if (rc == 0)
            upload_settle(up, upload_done, x);
    }
    crypto_wipe(&key, sizeof key);
    return rc;
}

void app_begin_upload(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_upload_request *r,
                      app_upload_cb cb, void *ctx)
{
    struct uploading *x = uploading_create(a, cb, ctx);
    if (begin(x, case_id, r, &x->error) != 0)
        uploading_fail(x);
}

static int find_upload(struct app *a, const uint8_t id[APP_UPLOAD_ID_SIZE], struct upload **ret, struct err *e)
{
    uint8_t case_id[CASE_ID_SIZE];
    struct case_slot *slot;
    struct payload_key key = {0};
    int rc = uploads_case_of(a->uploads, id, case_id, e);
    if (rc == 0)
        rc = open_case(a, case_id, &slot, &key, e);
    if (rc == 0)
        rc = uploads_open(a->uploads, id, key.key, ret, e);
    crypto_wipe(&key, sizeof key);
    return rc;
}

void app_get_upload(struct app *a, const uint8_t id[APP_UPLOAD_ID_SIZE], app_upload_cb cb, void *ctx)
{
    struct uploading *x = uploading_create(a, cb, ctx);
    struct upload *up;
    if (find_upload(a, id, &up, &x->error) != 0)
        uploading_fail(x);
    else
        upload_settle(up, upload_done, x);
}

void app_put_upload(struct app *a, const uint8_t id[APP_UPLOAD_ID_SIZE], uint64_t offset, uint8_t *data, size_t size,
                    app_upload_cb cb, void *ctx)
{
    struct uploading *x = uploading_create(a, cb, ctx);
    struct upload *up;
    x->data = data;
    x->size = size;
    x->offset = offset;
    x->is_put = true;
    if (find_upload(a, id, &up, &x->error) != 0)
        uploading_fail(x);
    else
        upload_settle(up, upload_done, x);
}

int app_drop_upload(struct app *a, const uint8_t id[APP_UPLOAD_ID_SIZE], struct err *e)
{
    uint8_t case_id[CASE_ID_SIZE];
    int rc = uploads_case_of(a->uploads, id, case_id, e);
    if (rc == 0 && !uploads_forget(a->uploads, id))
        rc = err_set(e, ERR_BUSY, "material.upload-busy", "another request for this upload is under way");
    return rc;
}

/* ---- the event ---- */

struct material_fields {
    const uint8_t *file, *wrap, *sha256;
    const char *name, *code, *type, *scan, *consent;
    char trust;
    uint64_t size;
};

static void put_hex(yyjson_mut_doc *doc, yyjson_mut_val *to, const char *name, const uint8_t *data, size_t size)
{
    char hex[2 * 64 + 1];
    hex_encode(data, size, hex);
    (void)yyjson_mut_obj_add_strcpy(doc, to, name, hex);
}

/* The payload of a material event, in @mem: keys sorted, as all payloads. */
static struct bytes payload_of(const struct material_fields *m, struct arena *mem)
{
    char trust[2] = {m->trust, '\0'};
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    xassert(doc != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, root, "material");
    (void)yyjson_mut_obj_add_str(doc, o, "code", m->code);
    if (m->consent != NULL)
        (void)yyjson_mut_obj_add_str(doc, o, "consent", m->consent);
    put_hex(doc, o, "file", m->file, FILE_ID_SIZE);
    (void)yyjson_mut_obj_add_str(doc, o, "name", m->name);
    (void)yyjson_mut_obj_add_str(doc, o, "scan", m->scan);
    put_hex(doc, o, "sha256", m->sha256, CRYPTO_HASH_SIZE);
    (void)yyjson_mut_obj_add_uint(doc, o, "size", m->size);
    (void)yyjson_mut_obj_add_strcpy(doc, o, "trust", trust);
    (void)yyjson_mut_obj_add_str(doc, o, "type", m->type);
    put_hex(doc, o, "wrap", m->wrap, FILE_WRAP_SIZE);
    size_t size = 0;
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, &size);
    xassert(text != NULL); /* names were checked for UTF-8 */
    struct bytes result = arena_bytes(mem, bytes_of(text, size));
    free(text);
    yyjson_mut_doc_free(doc);
    return result;
}

struct finishing {
    struct list link; /* in app->finishings */
    struct loop_item later;
    struct app *app;
    app_command_cb cb;
    void *ctx;
    uint8_t upload[APP_UPLOAD_ID_SIZE];
    bool has_upload;
    bool has_blob; /* the file has its name; what follows are it and its case */
    uint8_t file[FILE_ID_SIZE], case_id[CASE_ID_SIZE];
    enum app_scan scan; /* of the file, and of what in it */
    uint8_t mark[CRYPTO_HASH_SIZE];
    char *idempotency_key;
    struct app_request request;
    struct app_command_result result;
    struct err error;
};

/* The case was erased between the naming of the file and the end of its event: whoever erased it did not find the file. */
static void remove_if_erased(struct finishing *x)
{
    struct casefile *file, *apart = NULL;
    struct case_slot *slot;
    bool is_known = app_committed_case(x->app, x->case_id, &file, &apart, &slot, NULL) == 0;
    casefile_destroy(apart);
    if (!is_known || (!slot->is_erased && !app_is_erased(x->app, x->case_id)))
        return;
    buf_put(&x->app->doomed, x->case_id, CASE_ID_SIZE);
    buf_put(&x->app->doomed, x->file, FILE_ID_SIZE);
    app_materials_sweep(x->app);
}

static void finishing_end(struct finishing *x, const struct app_command_result *result, const struct err *e)
{
    struct app_command_result r = *result;
    if (x->has_blob)
        remove_if_erased(x);
    if (e->code == 0) {
        r.has_file = true;
        memcpy(r.file, x->file, sizeof r.file);
        if (x->has_upload)
            (void)uploads_forget(x->app->uploads, x->upload);
    }
    list_remove(&x->link);
    x->cb(x->ctx, &r, e);
    free(x->result.warnings);
    free(x->idempotency_key);
    free(x);
}

static void finishing_later(struct loop_item *item)
{
    struct finishing *x = container_of(item, struct finishing, later);
    finishing_end(x, &x->result, &x->error);
}

static void finishing_post(struct finishing *x)
{
    x->later.run = finishing_later;
    list_init(&x->later.link);
    loop_post(x->app->loop, &x->later);
}

static struct finishing *finishing_create(struct app *a, const struct app_request *r, app_command_cb cb, void *ctx)
{
    struct finishing *x = xcalloc(1, sizeof *x);
    x->app = a;
    x->cb = cb;
    x->ctx = ctx;
    x->request = *r;
    if (r->idempotency_key != NULL)
        x->request.idempotency_key = x->idempotency_key = xstrdup(r->idempotency_key);
    x->result.origin = a->config->region;
    list_append(&a->finishings, &x->link);
    return x;
}

static void event_written(void *ctx, const struct app_command_result *result, const struct err *e)
{
    finishing_end(ctx, result, e);
}

static void make_case(struct app *a, struct case_slot *slot, const struct material_fields *m, struct arena *mem,
                      struct app_new_case *ret)
{
    struct case_command *command = &ret->drafts[0].command;
    memcpy(ret->id, slot->id, sizeof ret->id);
    ret->is_open = true;
    ret->count = 1;
    *command = (struct case_command){
        .self = a->config->region,
        .type = CASE_EVENT_MATERIAL,
        .role = app_event_role(a->config->region, casefile_state(slot->file), CASE_EVENT_MATERIAL, 0),
        .has_file = true};
    memcpy(command->file, m->file, sizeof command->file);
    ret->drafts[0].payload = payload_of(m, mem);
}

/* The same file in a part of the bundle case that takes it, under the part's key and code. One that cannot have it (its content is
 * erased) goes on without; false. */
static bool share(struct app *a, const struct app_shared_use *use, const struct material_fields *m,
                  const uint8_t file_key[FILE_KEY_SIZE], struct arena *mem, struct app_new_case *ret)
{
    struct app_material_view same;
    struct case_slot *slot;
    struct payload_key key = {0};
    struct err e;
    uint8_t wrap[FILE_WRAP_SIZE];
    bool is_taken =
        !find_same(a, use->case_id, m->sha256, m->file, &same) && open_case(a, use->case_id, &slot, &key, &e) == 0;
    if (is_taken) {
        struct material_fields own = *m;
        own.wrap = wrap;
        own.code = use->code;
        own.consent = arena_printf(mem, "一件事共用材料 %s", m->code);
        file_key_wrap(key.key, m->file, file_key, wrap);
        make_case(a, slot, &own, mem, ret);
    }
    crypto_wipe(&key, sizeof key);
    return is_taken;
}

struct sharing {
    struct app_new_case cases[APP_NEW_CASES_MAX];
    size_t count;
};

static int write_sharing(struct command *c, const void *arg, struct err *e)
{
    const struct sharing *s = arg;
    return app_write_cases(c, s->cases, s->count, e);
}

/* Of a bundle case: the event, and one in each part that takes the material, in one transaction. */
static void write_event(struct finishing *x, const uint8_t case_id[CASE_ID_SIZE], const struct material_fields *m,
                        const uint8_t file_key[FILE_KEY_SIZE])
{
    struct app *a = x->app;
    struct arena mem = ARENA_INIT;
    struct app_shared_use uses[CASE_PARTS_MAX];
    struct case_slot *slot;
    size_t count = app_shared_uses(a, case_id, m->code, uses);
    memcpy(x->file, m->file, sizeof x->file);
    if (count == 0 || case_cache_get(a->cases, a->ledger, case_id, &slot, &x->error) != 0) {
        struct app_event event = {.type = CASE_EVENT_MATERIAL, .file = m->file, .payload = payload_of(m, &mem)};
        app_append(a, case_id, &event, 1, &x->request, event_written, x);
    } else {
        struct sharing *s = arena_alloc(&mem, sizeof *s);
        *s = (struct sharing){.count = 1};
        make_case(a, slot, m, &mem, &s->cases[0]);
        for (size_t i = 0; i < count; i++)
            s->count += share(a, &uses[i], m, file_key, &mem, &s->cases[s->count]);
        app_run_command(a, &x->request, event_written, x, write_sharing, s);
    }
    arena_close(&mem);
}

/* The content is in the case already, perhaps since a moment ago: one file is enough. */
static void answer_same(struct finishing *x, const uint8_t case_id[CASE_ID_SIZE], const struct app_material_view *same)
{
    memcpy(x->result.case_id, case_id, CASE_ID_SIZE);
    x->result.origin = same->origin;
    x->result.first_index = same->index;
    x->result.count = 1;
    x->result.replayed = true;
    memcpy(x->file, same->file, sizeof x->file);
    app_warn(&x->result, "the same content is in the case already: nothing was added");
    finishing_post(x);
}

static void content_checked(void *ctx, struct upload *up, const struct err *e)
{
    struct finishing *x = ctx;
    struct app *a = x->app;
    const struct upload_state *s = upload_state(up);
    struct app_material_view same;
    struct case_slot *slot;
    struct payload_key key = {0};
    uint8_t wrap[FILE_WRAP_SIZE];
    x->error = *e;
    if (e->code == 0) {
        x->has_blob = true;
        x->scan = s->scan;
        app_material_mark(s->file, s->key, s->sha256, x->mark);
        memcpy(x->file, s->file, sizeof x->file);
        memcpy(x->case_id, s->spec.case_id, sizeof x->case_id);
    }
    if (e->code != 0 || open_case(a, s->spec.case_id, &slot, &key, &x->error) != 0) {
        finishing_post(x);
        return;
    }
    if (find_same(a, s->spec.case_id, s->sha256, NULL, &same)) {
        char path[FILE_BLOB_PATH_SIZE];
        file_blob_path(a->files_dir, s->file, path);
        if (memcmp(same.file, s->file, FILE_ID_SIZE) != 0)
            (void)unlink(path); /* no case names it yet; else the next start removes it */
        crypto_wipe(&key, sizeof key);
        answer_same(x, s->spec.case_id, &same);
        return;
    }
    if (check_room_of_case(a, s->spec.case_id, s->spec.size, &x->error) != 0) { /* others were faster */
        crypto_wipe(&key, sizeof key);
        finishing_post(x);
        return;
    }
    file_key_wrap(key.key, s->file, s->key, wrap);
    crypto_wipe(&key, sizeof key);
    write_event(x, s->spec.case_id,
                &(struct material_fields){.file = s->file,
                                          .wrap = wrap,
                                          .sha256 = s->sha256,
                                          .name = s->spec.name,
                                          .code = s->spec.code,
                                          .type = s->spec.type->name,
                                          .scan = app_scan_name(s->scan),
                                          .trust = (char)s->spec.trust,
                                          .size = s->spec.size},
                s->key);
}

static void settled(void *ctx, struct upload *up, const struct err *e)
{
    struct finishing *x = ctx;
    if (e->code == 0) {
        upload_finish(up, content_checked, x);
        return;
    }
    x->error = *e;
    finishing_post(x);
}

void app_finish_upload(struct app *a, const uint8_t id[APP_UPLOAD_ID_SIZE], const struct app_request *r,
                       app_command_cb cb, void *ctx)
{
    struct finishing *x = finishing_create(a, r, cb, ctx);
    struct upload *up;
    memcpy(x->upload, id, sizeof x->upload);
    x->has_upload = true;
    if (find_upload(a, id, &up, &x->error) == 0) {
        upload_settle(up, settled, x);
        return;
    }
    if (x->error.code == ERR_NOT_FOUND && app_find_request(a, r, &x->result))
        x->error = (struct err){0}; /* done before: the upload is gone, the event stands */
    finishing_post(x);
}

/* ---- reuse ---- */

/* What an event says of a file that is used again: the own scanner's word, or, while there is none, what the other event says. */
static const char *scan_of(const struct app *a, const struct app_material_view *m)
{
    for (size_t i = 0; i < m->holder_count; i++)
        if (m->holders[i].node == a->config->region && m->holders[i].scan[0] != '\0' &&
            strcmp(m->holders[i].scan, app_scan_name(APP_SCAN_OFF)) != 0)
            return m->holders[i].scan;
    return m->scan;
}

static int reuse(struct finishing *x, const uint8_t case_id[CASE_ID_SIZE], const uint8_t from_case[CASE_ID_SIZE],
                 const uint8_t file[FILE_ID_SIZE], const char *consent, struct err *e)
{
    struct app *a = x->app;
    struct arena mem = ARENA_INIT;
    struct app_material_view m, same;
    struct case_slot *slot;
    struct payload_key key = {0};
    uint8_t file_key[FILE_KEY_SIZE], wrap[FILE_WRAP_SIZE];
    char path[FILE_BLOB_PATH_SIZE];
    size_t size = strlen(consent);
    int rc = size == 0 || size > CONSENT_BYTES_MAX || !utf8_is_valid(consent, size)
                 ? err_set(e, ERR_INVALID, "material.consent",
                           "who agreed that the file is used again (同意) takes 1 to %u bytes, not %zu",
                           CONSENT_BYTES_MAX, size)
                 : 0;
    if (rc == 0)
        rc = app_find_material(a, from_case, file, &mem, &m, e);
    if (rc == 0 && m.content != APP_CONTENT_SHOWN)
        rc =
            err_set(e, ERR_CONFLICT, "material.no-content", "what the other case says of the file cannot be read here");
    file_blob_path(a->files_dir, file, path);
    if (rc == 0 && access(path, R_OK) != 0)
        rc = err_set(e, ERR_BUSY, "material.not-here", "the file has not arrived here yet");
    if (rc == 0)
        rc = app_material_check_scan(a, from_case, &m, e);
    if (rc == 0)
        rc = app_material_key(a, from_case, &m, file_key, e);
    if (rc == 0)
        rc = open_case(a, case_id, &slot, &key, e);
    if (rc == 0)
        rc = check_item_row(a, casefile_state(slot->file), m.code, m.trust, e);
    if (rc == 0)
        rc = check_shared_rows(a, case_id, m.code, m.trust, e);
    bool is_same = rc == 0 && find_same(a, case_id, m.sha256, file, &same);
    if (rc == 0 && !is_same)
        rc = check_room_of_case(a, case_id, m.size, e);
    if (is_same) {
        answer_same(x, case_id, &same);
    } else if (rc == 0) {
        file_key_wrap(key.key, file, file_key, wrap);
        write_event(x, case_id,
                    &(struct material_fields){.file = file,
                                              .wrap = wrap,
                                              .sha256 = m.sha256,
                                              .name = m.name,
                                              .code = m.code,
                                              .type = m.type,
                                              .scan = scan_of(a, &m),
                                              .consent = consent,
                                              .trust = m.trust,
                                              .size = m.size},
                    file_key);
    }
    crypto_wipe(file_key, sizeof file_key);
    crypto_wipe(&key, sizeof key);
    arena_close(&mem);
    return rc;
}

void app_reuse_material(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const uint8_t from_case[CASE_ID_SIZE],
                        const uint8_t file[CASE_FILE_ID_SIZE], const char *consent, const struct app_request *r,
                        app_command_cb cb, void *ctx)
{
    struct finishing *x = finishing_create(a, r, cb, ctx);
    if (reuse(x, case_id, from_case, file, consent, &x->error) != 0)
        finishing_post(x);
}

/* ---- rows, arrival, end ---- */

/* The upload of a file that is just becoming part of a case. */
static const struct finishing *find_finishing(const struct app *a, const uint8_t file[FILE_ID_SIZE])
{
    list_for_each (at, &a->finishings) {
        const struct finishing *x = container_of(at, struct finishing, link);
        if (x->has_blob && memcmp(x->file, file, FILE_ID_SIZE) == 0)
            return x;
    }
    return NULL;
}

void app_material_entry(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t origin, uint64_t index,
                        const uint8_t file[CASE_FILE_ID_SIZE], struct ledger_txn *txn)
{
    bool is_held = app_material_is_here(a, file);
    /* Wanted until its author knows that it is here. */
    struct store_file row = {.origin = origin, .index = index, .is_wanted = origin != a->config->region};
    memcpy(row.case_id, case_id, sizeof row.case_id);
    memcpy(row.file, file, sizeof row.file);
    ledger_txn_file(txn, &row);
    if (!is_held)
        return;
    struct store_file_holder holder = {
        .node = a->config->region, .state = APP_SCAN_OFF, .keeps = true, .at_ms = clock_wall_ms()};
    const struct finishing *x = find_finishing(a, file);
    if (x != NULL) {
        holder.state = (uint8_t)x->scan;
        holder.has_mark = true;
        memcpy(holder.mark, x->mark, sizeof holder.mark);
    }
    memcpy(holder.file, file, sizeof holder.file);
    ledger_txn_file_holder(txn, &holder);
}

void app_materials_erase(struct app *a, const uint8_t case_id[CASE_ID_SIZE])
{
    struct arena mem = ARENA_INIT;
    struct store_file *rows;
    size_t count = 0;
    struct store_reader *reader = ledger_reader(a->ledger);
    if (a->files_dir == NULL)
        return;
    uploads_drop_case(a->uploads, case_id);
    if (reader != NULL && store_read_files(reader, case_id, &mem, &rows, &count, NULL) == 0)
        for (size_t i = 0; i < count; i++) {
            buf_put(&a->doomed, case_id, CASE_ID_SIZE);
            buf_put(&a->doomed, rows[i].file, FILE_ID_SIZE);
        }
    arena_close(&mem);
}

static void remove_file(struct app *a, const uint8_t file[FILE_ID_SIZE])
{
    char path[FILE_BLOB_PATH_SIZE];
    fetches_forget(a->fetches, file);
    app_scans_forget(a, file);
    file_blob_path(a->files_dir, file, path);
    if (unlink(path) != 0 && errno != ENOENT)
        log_error("material", NULL, "material.remove", "cannot remove '%s' (error %d)", path, errno);
    fetches_part_path(a->files_dir, file, path);
    (void)unlink(path); /* most files have none */
}

/* Whether a case holds the file; true also when that cannot be read. */
bool app_material_is_wanted(struct app *a, const uint8_t file[FILE_ID_SIZE])
{
    struct arena mem = ARENA_INIT;
    uint8_t(*cases)[CASE_ID_SIZE];
    size_t count = 0;
    struct store_reader *reader = ledger_reader(a->ledger);
    bool held = reader == NULL || store_read_file_cases(reader, file, &mem, &cases, &count, NULL) != 0 || count > 0;
    arena_close(&mem);
    return held;
}

void app_materials_sweep(struct app *a)
{
    struct buf left = {0};
    for (size_t at = 0; at < a->doomed.size; at += DOOMED_SIZE) {
        const uint8_t *case_id = a->doomed.data + at, *file = case_id + CASE_ID_SIZE;
        if (!app_is_erased(a, case_id)) /* not durable yet */
            buf_put(&left, case_id, DOOMED_SIZE);
        else if (!app_material_is_wanted(a, file))
            remove_file(a, file);
    }
    buf_close(&a->doomed);
    a->doomed = left;
}

/* Files that no case holds: of an upload that a crash kept from its event, or of an erasure that it kept from its end. */
static void remove_orphans(struct app *a)
{
    struct dirent *entry;
    uint8_t file[FILE_ID_SIZE];
    size_t size = 0;
    DIR *dir = opendir(a->files_dir);
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (strlen(entry->d_name) >= 2 * FILE_ID_SIZE &&
            (entry->d_name[2 * FILE_ID_SIZE] == '\0' || strcmp(entry->d_name + 2 * FILE_ID_SIZE, ".part") == 0) &&
            hex_decode(entry->d_name, 2 * FILE_ID_SIZE, file, sizeof file, &size) == 0 &&
            !app_material_is_wanted(a, file))
            remove_file(a, file);
    if (dir != NULL)
        closedir(dir);
}

int app_materials_open(struct app *a, struct err *e)
{
    struct buf dir = {0};
    size_t size;
    list_init(&a->readers);
    list_init(&a->finishings);
    app_scans_open(a);
    buf_printf(&dir, "%s/files", a->config->dir);
    a->files_dir = (char *)buf_take(&dir, &size);
    app_material_make_fetches(a);
    return uploads_create(&(struct uploads_config){.loop = a->loop,
                                                   .dir = a->files_dir,
                                                   .scanner = a->config->scanner[0] == NULL ? NULL : a->config->scanner,
                                                   .scanner_ms = a->config->scanner_s * 1000},
                          &a->uploads, e);
}

void app_materials_start(struct app *a)
{
    if (ledger_behind(a->ledger) == 0) /* else the cases that hold them may be among what is to come back */
        remove_orphans(a);
    app_materials_wanted(a);
    app_material_lost_start(a);
    app_scans_start(a);
}

void app_materials_stop(struct app *a)
{
    app_material_lost_stop(a);
    app_scans_stop(a);
    if (a->uploads != NULL)
        uploads_stop(a->uploads);
}

bool app_materials_idle(const struct app *a)
{
    return a->files_dir == NULL || (app_scans_idle(a) && uploads_is_idle(a->uploads) && list_is_empty(&a->readers) &&
                                    fetches_is_idle(a->fetches));
}

void app_materials_close(struct app *a)
{
    app_scans_close(a);
    uploads_destroy(a->uploads);
    buf_close(&a->doomed);
    free(a->files_dir);
}
