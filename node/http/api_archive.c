/* GET /v1/cases/{case}/archive: the archive package (归档, FORMATS.md) of a case that has ended, as a tar that is made while it is read.
 *
 * The package is what the API says of the case, so it is made of requests to the API: each task below asks one path through the route
 * table, as a client would, and writes the answer as a file. One answer is in memory at a time; of a material one piece.
 *
 *   handler ─► case, erasure, materials: may it be archived? ─no─► the error
 *                    └─yes─► 200 ─► read() ─► next task ─► sub_cb ─► file ─► … ─► manifest.json ─► SHA256SUMS ─► end
 *
 * Failure modes: what fails before the first byte is an ordinary error. What fails later ends the stream: error.json with the error
 * in the words of the API, then the connection is cut, so that nobody takes it for whole. A client that goes away: close_archive()
 * lets go of the request under way. Loop thread only.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "certs/crypto.h"
#include "federation/ledger/leaf.h"
#include "node/base/clock.h"
#include "node/base/limits.h"
#include "node/base/tar.h"
#include "node/base/xassert.h"
#include "node/http/api.h"
#include "node/http/route.h"
#include "node/receipt/archive.h"

#define RECEIPT_WAIT_MS "10000" /* for the quorum */
#define OUT_BYTES_MAX ((size_t)1 << 32)

enum task_kind {
    TASK_VIEW, /* the first three ask, and write later */
    TASK_ERASURE,
    TASK_MATERIALS,
    TASK_ITEM,
    TASK_ENTRY,
    TASK_CONTENT,
    TASK_DOCUMENT,
    TASK_RECEIPT,
    TASK_MATERIAL,
    TASK_MANIFEST,
    TASK_SUMS,
    TASK_END
};

struct task {
    enum task_kind kind;
    const char *name;  /* of the event ("510000-7"), the act, the file */
    yyjson_val *value; /* the event, the material */
};

struct archive {
    struct request *r; /* borrowed: who asked; owns this once the answer has begun */
    struct arena mem;
    const char *id, *purpose; /* in mem */
    struct task *tasks;
    size_t task_count, at;
    struct request *sub; /* NULL: nothing is asked */
    bool is_asking;      /* its handler runs */
    bool has_begun;      /* the answer, with 200 */
    bool has_failed, has_ended;
    struct buf out; /* what is to go out next */

    yyjson_doc *view, *item, *materials;
    yyjson_mut_doc *doc;
    yyjson_mut_val *manifest, *files, *receipts, *withheld;
    const char *applicant, *decision; /* NULL: not said */
    struct buf sums;
    size_t file_count;

    /* A material under way. */
    const char *path; /* NULL: none */
    uint64_t size, done;
    struct crypto_sha256 *sha256;
    struct crypto_sm3 *sm3;
};

/* ---- small things ---- */

static const char *text_of(yyjson_val *o, const char *name)
{
    yyjson_val *v = yyjson_is_obj(o) ? yyjson_obj_get(o, name) : NULL;
    return yyjson_is_str(v) ? yyjson_get_str(v) : NULL;
}

/* A text or a number, as text; NULL: neither. */
static const char *scalar_of(struct archive *a, yyjson_val *o, const char *name)
{
    yyjson_val *v = yyjson_is_obj(o) ? yyjson_obj_get(o, name) : NULL;
    return yyjson_is_uint(v) ? arena_printf(&a->mem, "%" PRIu64, yyjson_get_uint(v)) : text_of(o, name);
}

static yyjson_val *view_of(const struct archive *a)
{
    return yyjson_doc_get_root(a->view);
}

static yyjson_doc *parse(const struct request *s)
{
    return yyjson_read((const char *)s->reply.data, s->reply.size, 0);
}

static void drop_sub(struct archive *a)
{
    struct request *s = a->sub;
    a->sub = NULL;
    if (s == NULL)
        return;
    s->server_data = NULL;
    request_release(s);
}

static void close_archive(void *stream)
{
    struct archive *a = stream;
    drop_sub(a);
    yyjson_doc_free(a->view);
    yyjson_doc_free(a->item);
    yyjson_doc_free(a->materials);
    yyjson_mut_doc_free(a->doc);
    crypto_sha256_destroy(a->sha256);
    crypto_sm3_destroy(a->sm3);
    buf_close(&a->out);
    buf_close(&a->sums);
    arena_close(&a->mem);
    free(a);
}

/* The stream cannot be completed: why is its last file. */
static void fail_with(struct archive *a, struct bytes error)
{
    a->has_failed = true;
    tar_put_header(&a->out, a->id, ARCHIVE_ERROR, error.size, clock_wall_ms() / 1000);
    buf_put(&a->out, error.data, error.size);
    tar_put_padding(&a->out, error.size);
    tar_put_end(&a->out);
}

static void fail(struct archive *a, const struct err *e)
{
    struct json_out out = json_out_open(&a->mem);
    json_put_string(&out, out.root, "code", err_name(e->code));
    json_put_string(&out, out.root, "id", e->id);
    json_put_string(&out, out.root, "message", e->message);
    json_put_string(&out, out.root, "hint", e->hint);
    fail_with(a, json_out_text(&out));
}

/* ---- files of the package ---- */

static void put_head(struct archive *a, const char *path, uint64_t size)
{
    tar_put_header(&a->out, a->id, path, size, clock_wall_ms() / 1000);
}

static int note_file(struct archive *a, const char *path, uint64_t size, const uint8_t sha256[CRYPTO_HASH_SIZE],
                     const uint8_t sm3[CRYPTO_HASH_SIZE], struct err *e)
{
    if (++a->file_count > ARCHIVE_FILES_MAX)
        return err_set(e, ERR_LIMIT, "archive.files", "the package has more than %u files", ARCHIVE_FILES_MAX);
    char hex[2 * CRYPTO_HASH_SIZE + 1];
    hex_encode(sha256, CRYPTO_HASH_SIZE, hex);
    buf_printf(&a->sums, "%s  %s\n", hex, path);
    if (a->files == NULL) /* the manifest itself has no row in it */
        return 0;
    yyjson_mut_val *row = yyjson_mut_arr_add_obj(a->doc, a->files);
    (void)yyjson_mut_obj_add_strcpy(a->doc, row, "path", path);
    (void)yyjson_mut_obj_add_uint(a->doc, row, "size", size);
    (void)yyjson_mut_obj_add_strcpy(a->doc, row, "sha256", hex);
    hex_encode(sm3, CRYPTO_HASH_SIZE, hex);
    (void)yyjson_mut_obj_add_strcpy(a->doc, row, "sm3", hex);
    return 0;
}

static int put_file(struct archive *a, const char *path, struct bytes content, struct err *e)
{
    uint8_t sha256[CRYPTO_HASH_SIZE], sm3[CRYPTO_HASH_SIZE];
    struct crypto_sm3 *h = crypto_sm3_create();
    crypto_sha256_one(content.data, content.size, sha256);
    crypto_sm3_update(h, content.data, content.size);
    crypto_sm3_digest(h, sm3);
    crypto_sm3_destroy(h);
    put_head(a, path, content.size);
    buf_put(&a->out, content.data, content.size);
    tar_put_padding(&a->out, content.size);
    return note_file(a, path, content.size, sha256, sm3, e);
}

/* ---- what is asked ---- */

static const char *case_path(struct archive *a, const char *rest)
{
    return arena_printf(&a->mem, "/v1/cases/%s%s", a->id, rest);
}

static void set_param(struct request *s, const char *name, const char *value)
{
    s->params[s->param_count++] = (struct request_param){.name = name, .value = value};
}

static const char *event_path(struct archive *a, const struct task *t)
{
    return arena_printf(&a->mem, "/events/%s/%s/payload", scalar_of(a, t->value, "origin"),
                        scalar_of(a, t->value, "index"));
}

/* long: one row for each kind of task */
static const char *set_question(struct archive *a, const struct task *t, struct request *s)
{
    switch (t->kind) {
    case TASK_VIEW:
        return case_path(a, "");
    case TASK_ERASURE:
        return case_path(a, "/erasure");
    case TASK_MATERIALS:
        return case_path(a, "/materials");
    case TASK_ITEM:
        set_param(s, "version", scalar_of(a, view_of(a), "item_version"));
        return arena_printf(&a->mem, "/v1/catalog/%s/%s", scalar_of(a, view_of(a), "lead"),
                            text_of(view_of(a), "item_code"));
    case TASK_ENTRY:
        set_param(s, "origin", scalar_of(a, t->value, "origin"));
        return arena_printf(&a->mem, "/v1/ledger/entries/%s", scalar_of(a, t->value, "index"));
    case TASK_CONTENT:
        set_param(s, "purpose", a->purpose);
        return case_path(a, event_path(a, t));
    case TASK_DOCUMENT:
        set_param(s, "act", t->name);
        set_param(s, "purpose", a->purpose);
        return case_path(a, "/document");
    case TASK_RECEIPT:
        set_param(s, "act", t->name);
        set_param(s, "wait_ms", RECEIPT_WAIT_MS);
        return case_path(a, "/receipt");
    case TASK_MATERIAL:
        set_param(s, "purpose", a->purpose);
        return case_path(a, arena_printf(&a->mem, "/materials/%s/content", t->name));
    case TASK_MANIFEST:
    case TASK_SUMS:
    case TASK_END:
        break;
    }
    unreachable();
}

/* ---- may it be archived ---- */

static int take_view(struct archive *a, const struct request *s, struct err *e)
{
    static const char *const ended[] = {"closed_granted", "closed_lacking", "closed_denied", "delivered",
                                        "archived",       "revoked",        "withdrawn",     "returned",
                                        "refused",        "not_required"};
    a->view = parse(s);
    const char *status = text_of(view_of(a), "status"), *id = text_of(view_of(a), "case");
    a->id = id != NULL ? arena_strdup(&a->mem, id) : a->id;
    for (size_t i = 0; status != NULL && i < array_count(ended); i++)
        if (strcmp(ended[i], status) == 0)
            return 0;
    int rc = err_set(e, ERR_CONFLICT, "archive.open", "case %s is %s: only a case that has ended can be archived",
                     a->id, status != NULL ? status : "in no status");
    err_hint(e, "decide, close and deliver it first; 'tongban case show' says what is open");
    return rc;
}

static int take_erasure(struct archive *a, const struct request *s, struct err *e)
{
    yyjson_doc *doc = parse(s);
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(doc), "erasures");
    const char *basis = text_of(yyjson_arr_get_first(list), "basis_chinese");
    int rc = 0;
    if (yyjson_arr_size(list) > 0)
        rc = err_set(e, ERR_CONFLICT, "archive.erased",
                     "the content of case %s has been erased or is to be (%s): there is nothing whole to archive",
                     a->id, basis != NULL ? basis : "");
    yyjson_doc_free(doc);
    return rc;
}

/* ---- what is to be written ---- */

static void add_task(struct archive *a, enum task_kind kind, const char *name, yyjson_val *value)
{
    a->tasks[a->task_count++] = (struct task){.kind = kind, .name = name, .value = value};
}

static bool is_effective(yyjson_val *event)
{
    const char *effect = text_of(event, "effect");
    return text_of(event, "type") != NULL && effect != NULL && strcmp(effect, "ok") == 0;
}

/* Documents and receipts are of the last event of each act that took effect. */
static bool is_last_of_act(yyjson_val *events, size_t at)
{
    size_t i, count;
    yyjson_val *event;
    const char *act = text_of(yyjson_arr_get(events, at), "type");
    yyjson_arr_foreach(events, i, count, event)
    {
        if (i > at && is_effective(event) && strcmp(text_of(event, "type"), act) == 0)
            return false;
    }
    return true;
}

static bool is_first_of_file(yyjson_val *materials, size_t at)
{
    const char *file = text_of(yyjson_arr_get(materials, at), "file");
    for (size_t i = 0; file != NULL && i < at; i++)
        if (strcmp(text_of(yyjson_arr_get(materials, i), "file"), file) == 0)
            return false;
    return file != NULL;
}

static void add_acts(struct archive *a, yyjson_val *events)
{
    size_t i, count;
    yyjson_val *event;
    yyjson_arr_foreach(events, i, count, event)
    {
        if (!is_effective(event) || !is_last_of_act(events, i))
            continue;
        const char *act = text_of(event, "type");
        if (strcmp(act, "decide") == 0)
            a->decision = text_of(yyjson_obj_get(event, "attributes"), "decision");
        add_task(a, TASK_DOCUMENT, act, event);
        add_task(a, TASK_RECEIPT, act, event);
    }
}

/* All is known that decides what the package is made of. */
static void plan(struct archive *a)
{
    yyjson_val *events = yyjson_obj_get(view_of(a), "events"), *event;
    yyjson_val *materials = yyjson_obj_get(yyjson_doc_get_root(a->materials), "materials"), *material;
    size_t i, count, most = 4 + 4 * yyjson_arr_size(events) + yyjson_arr_size(materials);
    a->tasks = arena_alloc(&a->mem, most * sizeof *a->tasks);
    a->task_count = a->at = 0;
    add_task(a, TASK_ITEM, NULL, NULL);
    yyjson_arr_foreach(events, i, count, event)
    {
        const char *name = arena_printf(&a->mem, "%s-%s", scalar_of(a, event, "origin"), scalar_of(a, event, "index"));
        add_task(a, TASK_ENTRY, name, event);
        add_task(a, TASK_CONTENT, name, event);
    }
    add_acts(a, events);
    yyjson_arr_foreach(materials, i, count, material)
    {
        if (is_first_of_file(materials, i))
            add_task(a, TASK_MATERIAL, text_of(material, "file"), material);
    }
    add_task(a, TASK_MANIFEST, NULL, NULL);
    add_task(a, TASK_SUMS, NULL, NULL);
    add_task(a, TASK_END, NULL, NULL);
}

/* A file that the own scanner has not looked at yet is told before anything is sent. */
static int check_scans(struct archive *a, struct err *e)
{
    size_t i, k, count, holder_count;
    yyjson_val *material, *holder;
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(a->materials), "materials"), i, count, material)
    {
        yyjson_arr_foreach(yyjson_obj_get(material, "holders"), k, holder_count, holder)
        {
            const char *scan = text_of(holder, "scan");
            if (scan != NULL && strcmp(scan, APP_SCAN_PENDING) == 0)
                return err_set(e, ERR_BUSY, "material.not-scanned",
                               "this node's scanner has not looked at file %.16s… yet", text_of(material, "file"));
        }
    }
    return 0;
}

static int take_materials(struct archive *a, const struct request *s, struct err *e)
{
    size_t size = 0;
    a->materials = parse(s);
    if (check_scans(a, e) != 0)
        return e->code;
    plan(a);
    a->doc = yyjson_mut_doc_new(NULL);
    xassert(a->doc != NULL);
    a->manifest = yyjson_mut_obj(a->doc);
    yyjson_mut_doc_set_root(a->doc, a->manifest);
    (void)yyjson_mut_obj_add_str(a->doc, a->manifest, "format", ARCHIVE_FORMAT);
    (void)yyjson_mut_obj_add_strcpy(a->doc, a->manifest, "case", a->id);
    a->receipts = yyjson_mut_arr(a->doc);
    a->withheld = yyjson_mut_arr(a->doc);
    a->files = yyjson_mut_arr(a->doc);
    char *view = yyjson_write(a->view, 0, &size);
    xassert(view != NULL);
    int rc = put_file(a, ARCHIVE_CASE, bytes_of(view, size), e);
    if (rc == 0)
        rc = put_file(a, ARCHIVE_MATERIALS, s->reply, e);
    free(view);
    return rc;
}

/* ---- answers become files ---- */

static int take_content(struct archive *a, const struct task *t, const struct request *s, struct err *e)
{
    yyjson_doc *doc = parse(s);
    yyjson_val *root = yyjson_doc_get_root(doc), *payload = yyjson_obj_get(root, "payload");
    yyjson_val *who = yyjson_obj_get(yyjson_is_obj(payload) ? payload : root, "applicant");
    if (a->applicant == NULL && text_of(who, "name") != NULL)
        a->applicant = arena_strdup(&a->mem, text_of(who, "name"));
    yyjson_doc_free(doc);
    return put_file(a, arena_printf(&a->mem, "contents/%s.json", t->name), s->reply, e);
}

/* The entry as its author wrote it. */
static int take_entry(struct archive *a, const struct task *t, const struct request *s, struct err *e)
{
    yyjson_doc *doc = parse(s);
    const char *text = text_of(yyjson_doc_get_root(doc), "bytes");
    uint8_t *leaf = xmalloc(LEAF_BYTES_MAX);
    size_t size = 0;
    int rc = 0;
    if (text == NULL || base64_decode(text, strlen(text), leaf, LEAF_BYTES_MAX, &size) != 0)
        rc = err_set(e, ERR_INVALID, "archive.entry", "the node has no entry %s", t->name);
    if (rc == 0)
        rc = put_file(a, arena_printf(&a->mem, "entries/%s.leaf", t->name), bytes_of(leaf, size), e);
    free(leaf);
    yyjson_doc_free(doc);
    return rc;
}

static int take_receipt(struct archive *a, const struct task *t, const struct request *s, struct err *e)
{
    yyjson_doc *doc = parse(s);
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *proof = text_of(root, "proof"), *policy = text_of(root, "policy");
    const char *path = arena_printf(&a->mem, "receipts/%s.tlog-proof", t->name);
    const char *rules = arena_printf(&a->mem, "receipts/%s.policy", t->name);
    int rc = 0;
    if (proof == NULL || policy == NULL)
        rc = err_set(e, ERR_INVALID, "archive.receipt", "the node has no receipt of '%s'", t->name);
    if (rc == 0)
        rc = put_file(a, path, bytes_of_string(proof), e);
    if (rc == 0)
        rc = put_file(a, rules, bytes_of_string(policy), e);
    if (rc == 0) {
        yyjson_mut_val *row = yyjson_mut_arr_add_obj(a->doc, a->receipts);
        (void)yyjson_mut_obj_add_strcpy(a->doc, row, "act", t->name);
        (void)yyjson_mut_obj_add_strcpy(a->doc, row, "path", path);
        (void)yyjson_mut_obj_add_strcpy(a->doc, row, "policy", rules);
        (void)yyjson_mut_obj_add_bool(a->doc, row, "final", yyjson_get_bool(yyjson_obj_get(root, "final")));
    }
    yyjson_doc_free(doc);
    return rc;
}

/* ---- a material, piece by piece ---- */

static int begin_material(struct archive *a, const struct task *t, struct request *s, struct err *e)
{
    if (!s->is_stream || s->stream_size > TAR_FILE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "archive.material", "file %s has %" PRIu64 " bytes, the limit is %" PRIu64,
                       t->name, s->stream_size, TAR_FILE_BYTES_MAX);
    a->path = arena_printf(&a->mem, "materials/%s", t->name);
    a->size = s->stream_size;
    a->done = 0;
    a->sha256 = crypto_sha256_create();
    a->sm3 = crypto_sm3_create();
    put_head(a, a->path, a->size);
    return 0;
}

static int end_material(struct archive *a, struct err *e)
{
    uint8_t sha256[CRYPTO_HASH_SIZE], sm3[CRYPTO_HASH_SIZE];
    char hex[2 * CRYPTO_HASH_SIZE + 1];
    const struct task *t = &a->tasks[a->at++];
    crypto_sha256_digest(a->sha256, sha256);
    crypto_sm3_digest(a->sm3, sm3);
    crypto_sha256_destroy(a->sha256);
    crypto_sm3_destroy(a->sm3);
    a->sha256 = NULL;
    a->sm3 = NULL;
    const char *path = a->path, *said = text_of(t->value, "sha256");
    a->path = NULL;
    drop_sub(a);
    hex_encode(sha256, sizeof sha256, hex);
    if (said != NULL && strcmp(said, hex) != 0)
        return err_set(e, ERR_VERIFY, "archive.material", "file %s has another SHA-256 than the case says", t->name);
    tar_put_padding(&a->out, a->size);
    return note_file(a, path, a->size, sha256, sm3, e);
}

static void material_cb(struct request *s)
{
    struct archive *a = s->server_data;
    struct bytes piece = bytes_of(s->piece.data, (size_t)min_of((uint64_t)s->piece.size, a->size - a->done));
    crypto_sha256_update(a->sha256, piece.data, piece.size);
    crypto_sm3_update(a->sm3, piece.data, piece.size);
    a->done += piece.size;
    request_piece(a->r, piece); /* none: the file cannot be read, and the stream ends */
}

/* ---- metadata and manifest ---- */

static void put(struct archive *a, yyjson_mut_val *to, const char *name, const char *value)
{
    if (value != NULL)
        (void)yyjson_mut_obj_add_strcpy(a->doc, to, name, value);
    else
        (void)yyjson_mut_obj_add_null(a->doc, to, name);
}

static const char *seconds_of(struct archive *a, yyjson_val *o, const char *name)
{
    yyjson_val *v = yyjson_obj_get(o, name);
    return yyjson_is_uint(v) ? arena_printf(&a->mem, "%" PRIu64, yyjson_get_uint(v) / 1000) : NULL;
}

/* By the names of the 基本信息描述 that Zhejiang's platform hands over with a filed case; GB/T 42727 could not be read. */
static void put_metadata(struct archive *a)
{
    yyjson_val *v = view_of(a), *item = yyjson_obj_get(yyjson_doc_get_root(a->item), "item");
    yyjson_mut_val *to = yyjson_mut_obj_add_obj(a->doc, a->manifest, "metadata");
    put(a, to, "projid", text_of(v, "number"));         /* 办件编码 */
    put(a, to, "eventcode", text_of(v, "item_code"));   /* 事项编码 */
    put(a, to, "projectname", text_of(v, "item_name")); /* 事项名称 */
    put(a, to, "version", scalar_of(a, v, "item_version"));
    put(a, to, "eventtype", text_of(item, "type"));       /* 事项类型 */
    put(a, to, "servicetype", text_of(item, "handling")); /* 办件类型 */
    put(a, to, "applyname", a->applicant);                /* 申请人 */
    put(a, to, "deptname", text_of(yyjson_obj_get(item, "department"), "name"));
    put(a, to, "leaddepartment", scalar_of(a, v, "lead"));
    put(a, to, "receivedepartmentname", scalar_of(a, v, "receiving"));
    put(a, to, "receivetime", seconds_of(a, v, "created_ms"));
    put(a, to, "transacttime", seconds_of(a, v, "updated_ms"));
    put(a, to, "archivetime", arena_printf(&a->mem, "%" PRIu64, clock_wall_ms() / 1000));
    put(a, to, "retentionperiod", text_of(item, "retention")); /* 保管期限 */
    put(a, to, "result", text_of(v, "status_chinese"));
    put(a, to, "resultcode", a->decision != NULL ? a->decision : text_of(v, "status"));
}

static int put_manifest(struct archive *a, struct err *e)
{
    size_t size = 0;
    put_metadata(a);
    (void)yyjson_mut_obj_add_val(a->doc, a->manifest, "receipts", a->receipts);
    if (yyjson_mut_arr_size(a->withheld) > 0)
        (void)yyjson_mut_obj_add_val(a->doc, a->manifest, "withheld", a->withheld);
    (void)yyjson_mut_obj_add_val(a->doc, a->manifest, "files", a->files);
    a->files = NULL;
    char *text = yyjson_mut_write(a->doc, YYJSON_WRITE_PRETTY_TWO_SPACES, &size);
    xassert(text != NULL);
    int rc = put_file(a, ARCHIVE_MANIFEST, bytes_of(text, size), e);
    free(text);
    return rc;
}

/* ---- task after task ---- */

/* Why a material is left out; NULL: it is not. */
static const char *withheld_reason(const char *id)
{
    if (strcmp(id, "material.infected") == 0)
        return "infected";
    return strcmp(id, "material.unreadable") == 0 ? APP_SCAN_UNREADABLE : NULL;
}

/* Answers that say that there is nothing to write. */
static bool is_nothing(const struct task *t, int status, const char *id)
{
    return (t->kind == TASK_ITEM && status == 404) || /* handed over since, or never held here */
           (t->kind == TASK_CONTENT && strcmp(id, "case.no-payload") == 0) ||
           (t->kind == TASK_DOCUMENT && strcmp(id, "document.act") == 0) || /* not every act has one */
           (t->kind == TASK_MATERIAL && withheld_reason(id) != NULL);
}

static void note_withheld(struct archive *a, const struct task *t, const char *reason)
{
    yyjson_mut_val *row = yyjson_mut_arr_add_obj(a->doc, a->withheld);
    put(a, row, "path", arena_printf(&a->mem, "materials/%s", t->name));
    put(a, row, "reason", reason);
}

static int take_ok(struct archive *a, const struct task *t, struct request *s, struct err *e)
{
    switch (t->kind) {
    case TASK_VIEW:
        return take_view(a, s, e);
    case TASK_ERASURE:
        return take_erasure(a, s, e);
    case TASK_MATERIALS:
        return take_materials(a, s, e);
    case TASK_ITEM:
        a->item = parse(s);
        return put_file(a, ARCHIVE_ITEM, s->reply, e);
    case TASK_ENTRY:
        return take_entry(a, t, s, e);
    case TASK_CONTENT:
        return take_content(a, t, s, e);
    case TASK_DOCUMENT:
        return put_file(a, arena_printf(&a->mem, "documents/%s.html", t->name), s->reply, e);
    case TASK_RECEIPT:
        return take_receipt(a, t, s, e);
    case TASK_MATERIAL:
        return begin_material(a, t, s, e);
    case TASK_MANIFEST:
    case TASK_SUMS:
    case TASK_END:
        break;
    }
    unreachable();
}

static void refuse(struct archive *a, int status, struct bytes error)
{
    a->has_failed = true;
    request_reply(a->r, status, "application/json; charset=utf-8", arena_bytes(&a->r->mem, error));
}

/* The request under way has its answer. */
static void take_answer(struct archive *a)
{
    struct request *s = a->sub;
    struct task t = a->tasks[a->at];
    struct err e = {0};
    int rc = 0;
    if (s->status >= 300) {
        yyjson_doc *doc = parse(s);
        const char *id = text_of(yyjson_doc_get_root(doc), "id");
        bool is_error = id == NULL || !is_nothing(&t, s->status, id);
        const char *reason = id == NULL ? NULL : withheld_reason(id);
        yyjson_doc_free(doc);
        if (is_error && a->has_begun)
            fail_with(a, s->reply);
        else if (is_error)
            refuse(a, s->status, s->reply);
        else if (t.kind == TASK_MATERIAL)
            note_withheld(a, &t, reason);
    } else {
        rc = take_ok(a, &t, s, &e);
    }
    if (rc != 0 && a->has_begun)
        fail(a, &e);
    else if (rc != 0) {
        a->has_failed = true;
        request_reply_error(a->r, &e);
    }
    if (a->path != NULL)
        return; /* the file itself comes next */
    drop_sub(a);
    a->at += t.kind != TASK_MATERIALS; /* the plan begins with its first task */
}

static void step(struct archive *a);

static void sub_cb(struct request *s)
{
    struct archive *a = s->server_data;
    if (!a->is_asking)
        step(a);
}

static void ask(struct archive *a, const struct task *t)
{
    struct request *s = request_create(a->r->app);
    s->door = REQUEST_DOOR_LOCAL;
    s->method = "GET";
    s->path = set_question(a, t, s);
    s->server_data = a;
    s->finished_cb = sub_cb;
    a->sub = s;
    a->is_asking = true;
    if (route_check(s))
        route_dispatch(s);
    a->is_asking = false;
}

static void make_own(struct archive *a, enum task_kind kind)
{
    struct err e = {0};
    int rc = 0;
    if (kind == TASK_MANIFEST) {
        rc = put_manifest(a, &e);
    } else if (kind == TASK_SUMS) {
        put_head(a, ARCHIVE_SUMS, a->sums.size);
        buf_put(&a->out, a->sums.data, a->sums.size);
        tar_put_padding(&a->out, a->sums.size);
    } else {
        tar_put_end(&a->out);
        a->has_ended = true;
    }
    if (rc != 0)
        fail(a, &e);
    a->at++;
}

static void read_archive(struct request *r, uint64_t at);

/* The case may be archived, or not: the answer begins. */
static void begin_answer(struct archive *a)
{
    struct request *r = a->r;
    if (r->released) { /* nobody waits any more */
        close_archive(a);
    } else if (a->has_failed) {
        close_archive(a);
    } else {
        a->has_begun = true;
        request_add_header(r, "Content-Disposition", arena_printf(&r->mem, "attachment; filename=\"%s.tar\"", a->id));
        request_add_header(r, "X-Content-Type-Options", "nosniff");
        request_reply_stream(r, 200, "application/x-tar", REQUEST_SIZE_UNKNOWN, read_archive, close_archive, a);
    }
    request_finish(r);
}

/* On until there is something to send, or somebody has to be waited for. */
static void step(struct archive *a)
{
    for (;;) {
        if (a->sub != NULL) {
            if (a->sub->waiting)
                return; /* sub_cb */
            take_answer(a);
        }
        bool is_ready = a->has_failed || a->tasks[a->at].kind > TASK_MATERIALS || a->r->released;
        if (!a->has_begun && is_ready && a->sub == NULL) {
            begin_answer(a);
            return;
        }
        if (a->has_begun && a->out.size > 0) {
            request_piece(a->r, buf_bytes(&a->out));
            return;
        }
        if (a->tasks[a->at].kind < TASK_MANIFEST)
            ask(a, &a->tasks[a->at]);
        else
            make_own(a, a->tasks[a->at].kind);
    }
}

/* What was given before has been sent; nothing but what is to come counts. */
static void read_archive(struct request *r, uint64_t at)
{
    struct archive *a = r->stream;
    struct err e = {0};
    if (at > 0) /* the first files were made before the answer began */
        buf_reset(&a->out);
    if (a->has_failed) {
        request_piece(r, bytes_of(NULL, 0));
    } else if (a->has_ended) {
        request_end(r);
    } else if (a->path != NULL && a->done < a->size && a->out.size == 0) {
        struct request *s = a->sub;
        s->piece_cb = material_cb;
        s->piece_asked = true;
        s->piece_at = a->done;
        s->stream_read(s, a->done);
    } else {
        if (a->path != NULL && a->done == a->size && end_material(a, &e) != 0)
            fail(a, &e);
        step(a);
    }
}

int api_get_archive(struct request *r, struct err *e)
{
    static const struct task first[] = {{.kind = TASK_VIEW}, {.kind = TASK_ERASURE}, {.kind = TASK_MATERIALS}};
    const char *purpose = request_param(r, "purpose");
    int rc = api_check_purpose(purpose, e);
    if (rc != 0)
        return rc;
    struct archive *a = xcalloc(1, sizeof *a);
    buf_init(&a->out, OUT_BYTES_MAX);
    buf_init(&a->sums, OUT_BYTES_MAX);
    a->r = r;
    a->id = arena_strdup(&a->mem, r->args[0]);
    a->purpose = arena_strdup(&a->mem, purpose);
    a->tasks = arena_alloc(&a->mem, sizeof first);
    memcpy(a->tasks, first, sizeof first);
    a->task_count = array_count(first);
    request_wait(r);
    step(a);
    return 0;
}
