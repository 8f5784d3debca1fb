/* case archive-export: one self-contained folder of a case that has ended (归档): its events with their contents, the entries as they
 * stand in the ledgers, documents, receipts with their proofs, materials, the item in the version of the case, metadata, and what
 * each file hashes to.
 *
 * Happy path: the case -> has it ended, is nothing erased -> a folder beside the wanted one takes file after file -> manifest.json
 * and SHA256SUMS -> the folder gets its name. Failure modes: anything that cannot be had or written: the folder is removed again,
 * the error says what it was.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "federation/ledger/receipt.h"
#include "node/base/clock.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/ctl/cmd.h"
#include "node/ctl/cmd_archive.h"
#include "node/ctl/package.h"

#define WAIT_MS "10000" /* for the quorum of a receipt */

struct archive {
    struct ctl *c;
    struct package package;
    struct client_reply view, item, materials;
    const char *id; /* whole case id */
    yyjson_mut_doc *doc;
    yyjson_mut_val *manifest, *receipts;
    const char *applicant, *decision; /* NULL: not said */
    uint64_t received_ms, decided_ms;
};

static const char *text_of(struct archive *a, yyjson_val *o, const char *name)
{
    (void)a;
    yyjson_val *v = yyjson_is_obj(o) ? yyjson_obj_get(o, name) : NULL;
    return yyjson_is_str(v) ? yyjson_get_str(v) : NULL;
}

/* GET of the case, with the purpose of the command. */
static int ask(struct archive *a, const char *rest, const char *name, const char *value, struct client_reply *ret,
               struct err *e)
{
    struct buf url = {0};
    buf_put_string(&url, cmd_case_path(a->c, a->id, rest));
    cmd_put_param(&url, name, value);
    int rc = cmd_get(a->c, buf_cstr(&url), ret, e);
    buf_close(&url);
    return rc;
}

static int add_json(struct archive *a, const char *path, yyjson_mut_doc *doc, struct err *e)
{
    size_t size = 0;
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES, &size);
    xassert(text != NULL);
    int rc = package_add(&a->package, path, bytes_of(text, size), e);
    free(text);
    return rc;
}

/* ---- may it be archived ---- */

static int check_ended(struct archive *a, struct err *e)
{
    static const char *const ended[] = {"closed_granted", "closed_lacking", "closed_denied", "delivered",
                                        "archived",       "revoked",        "withdrawn",     "returned",
                                        "refused",        "not_required"};
    const char *status = text_of(a, a->view.root, "status");
    for (size_t i = 0; status != NULL && i < array_count(ended); i++)
        if (strcmp(ended[i], status) == 0)
            return 0;
    err_set(e, ERR_CONFLICT, "archive.open", "case %s is %s: only a case that has ended can be archived", a->id,
            status != NULL ? status : "in no status");
    err_hint(e, "decide, close and deliver it first; 'tongban case show' says what is open");
    return e->code;
}

static int check_erased(struct archive *a, struct err *e)
{
    struct client_reply reply = {0};
    int rc = ask(a, "/erasure", "unused", NULL, &reply, e);
    yyjson_val *list = yyjson_obj_get(reply.root, "erasures");
    const char *basis = text_of(a, yyjson_arr_get_first(list), "basis_chinese");
    if (rc == 0 && yyjson_arr_size(list) > 0)
        rc = err_set(e, ERR_CONFLICT, "archive.erased",
                     "the content of case %s has been erased or is to be (%s): there is nothing whole to archive",
                     a->id, basis != NULL ? basis : "");
    client_reply_close(&reply);
    return rc;
}

/* ---- the case ---- */

static int read_item(struct archive *a, struct err *e)
{
    yyjson_val *root = a->view.root;
    struct buf url = {0};
    buf_printf(&url, "/v1/catalog/%s/", output_text(&a->c->mem, root, "lead"));
    client_put_encoded(&url, output_text(&a->c->mem, root, "item_code"));
    cmd_put_param(&url, "version", output_text(&a->c->mem, root, "item_version"));
    int rc = cmd_get(a->c, buf_cstr(&url), &a->item, e);
    if (rc == ERR_NOT_FOUND) { /* handed over since, or never held here: the case says its code and version */
        *e = (struct err){0};
        rc = 0;
    } else if (rc == 0)
        rc = package_add(&a->package, ARCHIVE_ITEM, buf_bytes(&a->item.text), e);
    buf_close(&url);
    return rc;
}

/* The content of one event, with nothing masked. */
static int add_content(struct archive *a, yyjson_val *event, const char *name, struct err *e)
{
    struct client_reply reply = {0};
    const char *rest = arena_printf(&a->c->mem, "/events/%s/%s/payload", output_text(&a->c->mem, event, "origin"),
                                    output_text(&a->c->mem, event, "index"));
    int rc = ask(a, rest, "purpose", ctl_option(a->c, "--purpose"), &reply, e);
    if (rc != 0 && strcmp(e->id, "case.no-payload") == 0) {
        *e = (struct err){0};
        rc = 0;
    } else if (rc == 0) {
        rc = package_add(&a->package, arena_printf(&a->c->mem, "contents/%s.json", name), buf_bytes(&reply.text), e);
        yyjson_val *payload = yyjson_obj_get(reply.root, "payload");
        yyjson_val *who = yyjson_obj_get(yyjson_is_obj(payload) ? payload : reply.root, "applicant");
        if (yyjson_is_obj(who) && a->applicant == NULL && text_of(a, who, "name") != NULL)
            a->applicant = arena_strdup(&a->c->mem, text_of(a, who, "name"));
    }
    client_reply_close(&reply);
    return rc;
}

/* The entry as its author wrote and signed it. */
static int add_entry(struct archive *a, yyjson_val *event, const char *name, struct err *e)
{
    struct client_reply reply = {0};
    uint8_t *leaf = arena_alloc(&a->c->mem, LEAF_BYTES_MAX);
    size_t size = 0;
    int rc = cmd_get(a->c,
                     arena_printf(&a->c->mem, "/v1/ledger/entries/%s?origin=%s",
                                  output_text(&a->c->mem, event, "index"), output_text(&a->c->mem, event, "origin")),
                     &reply, e);
    const char *text = rc == 0 ? text_of(a, reply.root, "bytes") : NULL;
    if (rc == 0 && (text == NULL || base64_decode(text, strlen(text), leaf, LEAF_BYTES_MAX, &size) != 0))
        rc = err_set(e, ERR_INVALID, "archive.entry", "the node's answer has no entry in it");
    if (rc == 0)
        rc = package_add(&a->package, arena_printf(&a->c->mem, "entries/%s.leaf", name), bytes_of(leaf, size), e);
    client_reply_close(&reply);
    return rc;
}

static int add_events(struct archive *a, struct err *e)
{
    int rc = package_add(&a->package, ARCHIVE_CASE, buf_bytes(&a->view.text), e);
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(a->view.root, "events"));
    for (yyjson_val *event = yyjson_arr_iter_next(&it); rc == 0 && event != NULL; event = yyjson_arr_iter_next(&it)) {
        const char *name = arena_printf(&a->c->mem, "%s-%s", output_text(&a->c->mem, event, "origin"),
                                        output_text(&a->c->mem, event, "index"));
        rc = add_entry(a, event, name, e);
        if (rc == 0)
            rc = add_content(a, event, name, e);
    }
    return rc;
}

/* ---- documents and receipts: of the last event of each act that took effect ---- */

static int add_document(struct archive *a, const char *act, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    buf_put_string(&url, cmd_case_path(a->c, a->id, "/document"));
    cmd_put_param(&url, "act", act);
    cmd_put_param(&url, "purpose", ctl_option(a->c, "--purpose"));
    int rc = cmd_get(a->c, buf_cstr(&url), &reply, e);
    if (rc != 0 && strcmp(e->id, "document.act") == 0) { /* not every act has one */
        *e = (struct err){0};
        rc = 0;
    } else if (rc == 0)
        rc = package_add(&a->package, arena_printf(&a->c->mem, "documents/%s.html", act), buf_bytes(&reply.text), e);
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}

static int add_receipt(struct archive *a, const char *act, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    buf_put_string(&url, cmd_case_path(a->c, a->id, "/receipt"));
    cmd_put_param(&url, "act", act);
    cmd_put_param(&url, "wait_ms", WAIT_MS);
    int rc = cmd_get(a->c, buf_cstr(&url), &reply, e);
    const char *proof = text_of(a, reply.root, "proof"), *policy = text_of(a, reply.root, "policy");
    if (rc == 0 && (proof == NULL || policy == NULL))
        rc = err_set(e, ERR_INVALID, "archive.receipt", "the node's answer has no receipt of '%s' in it", act);
    const char *path = arena_printf(&a->c->mem, "receipts/%s.tlog-proof", act);
    const char *rules = arena_printf(&a->c->mem, "receipts/%s.policy", act);
    if (rc == 0)
        rc = package_add(&a->package, path, bytes_of_string(proof), e);
    if (rc == 0)
        rc = package_add(&a->package, rules, bytes_of_string(policy), e);
    if (rc == 0) {
        yyjson_mut_val *row = yyjson_mut_arr_add_obj(a->doc, a->receipts);
        (void)yyjson_mut_obj_add_strcpy(a->doc, row, "act", act);
        (void)yyjson_mut_obj_add_strcpy(a->doc, row, "path", path);
        (void)yyjson_mut_obj_add_strcpy(a->doc, row, "policy", rules);
        (void)yyjson_mut_obj_add_bool(a->doc, row, "final", yyjson_get_bool(yyjson_obj_get(reply.root, "final")));
    }
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}

static bool is_last_of_act(yyjson_val *events, size_t at, const char *act)
{
    size_t i, count;
    yyjson_val *event;
    yyjson_arr_foreach(events, i, count, event)
    {
        const char *type = yyjson_get_str(yyjson_obj_get(event, "type"));
        const char *effect = yyjson_get_str(yyjson_obj_get(event, "effect"));
        if (i > at && type != NULL && strcmp(type, act) == 0 && effect != NULL && strcmp(effect, "ok") == 0)
            return false;
    }
    return true;
}

static int add_acts(struct archive *a, struct err *e)
{
    int rc = 0;
    size_t i, count;
    yyjson_val *event, *events = yyjson_obj_get(a->view.root, "events");
    yyjson_arr_foreach(events, i, count, event)
    {
        const char *act = text_of(a, event, "type"), *effect = text_of(a, event, "effect");
        if (act == NULL || effect == NULL || strcmp(effect, "ok") != 0 || !is_last_of_act(events, i, act))
            continue;
        if (strcmp(act, "decide") == 0)
            a->decision = text_of(a, yyjson_obj_get(event, "attributes"), "decision");
        rc = add_document(a, act, e);
        if (rc == 0)
            rc = add_receipt(a, act, e);
        if (rc != 0)
            return rc;
    }
    return rc;
}

/* ---- materials ---- */

struct sink {
    int fd, error;
};

static bool take(void *ctx, const void *data, size_t size)
{
    struct sink *s = ctx;
    for (size_t done = 0; done < size;) {
        ssize_t n = write(s->fd, (const uint8_t *)data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            s->error = errno;
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

static int add_material(struct archive *a, yyjson_val *material, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    struct sink s = {.fd = -1};
    const char *id = output_text(&a->c->mem, material, "file"), *sha256 = text_of(a, material, "sha256");
    const char *path = arena_printf(&a->c->mem, "materials/%s", id);
    buf_put_string(&url, cmd_case_path(a->c, a->id, arena_printf(&a->c->mem, "/materials/%s/content", id)));
    cmd_put_param(&url, "purpose", ctl_option(a->c, "--purpose"));
    int rc = package_create(&a->package, path, &s.fd, e);
    if (rc == 0) {
        const struct client_request r = {
            .dir = a->c->dir, .method = "GET", .path = buf_cstr(&url), .sink = take, .ctx = &s};
        rc = client_ask(&r, &reply, e);
        if (s.error != 0)
            rc = err_set_errno(e, ERR_IO, "archive.write", s.error, "cannot write '%s'", path);
        close(s.fd);
    }
    if (rc == 0)
        rc = package_add_written(&a->package, path, e);
    if (rc == 0 && sha256 != NULL && strcmp(sha256, a->package.files[a->package.count - 1].sha256) != 0)
        rc = err_set(e, ERR_VERIFY, "archive.material", "file %s has another SHA-256 than the case says", id);
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}

static bool is_there(const struct archive *a, const char *path)
{
    for (size_t i = 0; i < a->package.count; i++)
        if (strcmp(a->package.files[i].path, path) == 0)
            return true;
    return false;
}

static int add_materials(struct archive *a, struct err *e)
{
    int rc = ask(a, "/materials", "unused", NULL, &a->materials, e);
    if (rc == 0)
        rc = package_add(&a->package, ARCHIVE_MATERIALS, buf_bytes(&a->materials.text), e);
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(a->materials.root, "materials"));
    for (yyjson_val *m = yyjson_arr_iter_next(&it); rc == 0 && m != NULL; m = yyjson_arr_iter_next(&it))
        if (!is_there(a, arena_printf(&a->c->mem, "materials/%s", output_text(&a->c->mem, m, "file"))))
            rc = add_material(a, m, e);
    return rc;
}

/* ---- metadata and manifest ---- */

static void put(struct archive *a, yyjson_mut_val *to, const char *name, const char *value)
{
    if (value != NULL)
        (void)yyjson_mut_obj_add_strcpy(a->doc, to, name, value);
    else
        (void)yyjson_mut_obj_add_null(a->doc, to, name);
}

/* By the names of the 基本信息描述 that Zhejiang's platform hands over with a filed case; GB/T 42727 could not be read. */
static void put_metadata(struct archive *a)
{
    yyjson_val *v = a->view.root, *item = yyjson_obj_get(a->item.root, "item");
    yyjson_mut_val *to = yyjson_mut_obj_add_obj(a->doc, a->manifest, "metadata");
    struct arena *mem = &a->c->mem;
    bool decided = a->decision != NULL;
    put(a, to, "projid", text_of(a, v, "number"));         /* 办件编码 */
    put(a, to, "eventcode", text_of(a, v, "item_code"));   /* 事项编码 */
    put(a, to, "projectname", text_of(a, v, "item_name")); /* 事项名称 */
    put(a, to, "version", output_field(mem, v, "item_version"));
    put(a, to, "eventtype", text_of(a, item, "type"));       /* 事项类型 */
    put(a, to, "servicetype", text_of(a, item, "handling")); /* 办件类型 */
    put(a, to, "applyname", a->applicant);                   /* 申请人 */
    put(a, to, "deptname", text_of(a, yyjson_obj_get(item, "department"), "name"));
    put(a, to, "leaddepartment", output_field(mem, v, "lead"));
    put(a, to, "receivedepartmentname", output_field(mem, v, "receiving"));
    put(a, to, "receivetime", output_field(mem, v, "created"));
    put(a, to, "transacttime", output_field(mem, v, "updated"));
    put(a, to, "archivetime", arena_printf(mem, "%llu", (unsigned long long)(clock_wall_ms() / 1000)));
    put(a, to, "retentionperiod", text_of(a, item, "retention")); /* 保管期限 */
    put(a, to, "result", text_of(a, v, "status_chinese"));
    put(a, to, "resultcode", decided ? a->decision : text_of(a, v, "status"));
}

static int add_manifest(struct archive *a, struct err *e)
{
    put_metadata(a);
    yyjson_mut_val *files = yyjson_mut_obj_add_arr(a->doc, a->manifest, "files");
    for (size_t i = 0; i < a->package.count; i++) {
        const struct package_file *f = &a->package.files[i];
        yyjson_mut_val *row = yyjson_mut_arr_add_obj(a->doc, files);
        (void)yyjson_mut_obj_add_str(a->doc, row, "path", f->path);
        (void)yyjson_mut_obj_add_uint(a->doc, row, "size", f->size);
        (void)yyjson_mut_obj_add_str(a->doc, row, "sha256", f->sha256);
        (void)yyjson_mut_obj_add_str(a->doc, row, "sm3", f->sm3);
    }
    return add_json(a, ARCHIVE_MANIFEST, a->doc, e);
}

static int make(struct archive *a, struct err *e)
{
    static const char *const folders[] = {"contents", "entries", "documents", "receipts", "materials"};
    int rc = package_open(&a->package, &a->c->mem, a->c->args[1], e);
    for (size_t i = 0; rc == 0 && i < array_count(folders); i++)
        rc = package_add_folder(&a->package, folders[i], e);
    if (rc == 0)
        rc = read_item(a, e);
    if (rc == 0)
        rc = add_events(a, e);
    if (rc == 0)
        rc = add_acts(a, e);
    if (rc == 0)
        rc = add_materials(a, e);
    if (rc == 0)
        rc = add_manifest(a, e);
    if (rc == 0)
        rc = package_finish(&a->package, e);
    return rc;
}

int cmd_case_archive_export(struct ctl *c, struct err *e)
{
    struct archive a = {.c = c};
    int rc = cmd_get(c, cmd_case_path(c, c->args[0], ""), &a.view, e);
    a.id = rc == 0 ? text_of(&a, a.view.root, "case") : NULL;
    if (rc == 0 && a.id == NULL)
        rc = err_set(e, ERR_INVALID, "archive.case", "the node's answer has no case in it");
    if (rc == 0)
        rc = check_ended(&a, e);
    if (rc == 0)
        rc = check_erased(&a, e);
    a.doc = yyjson_mut_doc_new(NULL);
    xassert(a.doc != NULL);
    a.manifest = yyjson_mut_obj(a.doc);
    yyjson_mut_doc_set_root(a.doc, a.manifest);
    (void)yyjson_mut_obj_add_str(a.doc, a.manifest, "format", ARCHIVE_FORMAT);
    (void)yyjson_mut_obj_add_strcpy(a.doc, a.manifest, "case", a.id != NULL ? a.id : "");
    a.receipts = yyjson_mut_obj_add_arr(a.doc, a.manifest, "receipts");
    if (rc == 0)
        rc = make(&a, e);
    package_drop(&a.package);
    if (rc == 0) {
        const struct package_file *manifest = &a.package.files[a.package.count - 1];
        const struct output_pair pairs[] = {
            {"folder", c->args[1]},
            {"files", arena_printf(&c->mem, "%zu", a.package.count)},
            {"manifest sha256", manifest->sha256},
            {"manifest sm3", manifest->sm3},
        };
        cmd_print_pairs(c, pairs, array_count(pairs));
    }
    yyjson_mut_doc_free(a.doc);
    client_reply_close(&a.view);
    client_reply_close(&a.item);
    client_reply_close(&a.materials);
    return rc;
}
