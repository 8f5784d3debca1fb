/* Materials as they are read (see app.h): the list of a case's files with what is known of each, and their content.
 *
 * A list is made from the case's effective material events; what the payload says is shown when it can be opened. Content is read on
 * workers, a chunk at a time, into one buffer per reader: memory does not grow with the file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "node/app_internal.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/files/file_blob.h"
#include "node/files/file_type.h"

/* ---- list ---- */

static const char *text_of(yyjson_val *o, const char *name, struct arena *mem)
{
    const char *text = yyjson_get_str(yyjson_obj_get(o, name));
    return text == NULL ? "" : arena_strdup(mem, text);
}

static bool hex_of(yyjson_val *o, const char *name, uint8_t *out, size_t size)
{
    yyjson_val *v = yyjson_obj_get(o, name);
    size_t got = 0;
    return yyjson_is_str(v) && hex_decode(yyjson_get_str(v), yyjson_get_len(v), out, size, &got) == 0 && got == size;
}

/* What the event's author says of its file. A peer may have written anything: what has no form counts as not there. */
static bool parse_payload(struct bytes payload, struct arena *mem, struct app_material_view *ret)
{
    uint8_t file[FILE_ID_SIZE];
    yyjson_doc *doc = yyjson_read((const char *)payload.data, payload.size, 0);
    yyjson_val *o = yyjson_obj_get(yyjson_doc_get_root(doc), "material");
    ret->name = text_of(o, "name", mem);
    ret->code = text_of(o, "code", mem);
    ret->type = text_of(o, "type", mem);
    ret->scan = text_of(o, "scan", mem);
    ret->consent = text_of(o, "consent", mem);
    ret->size = yyjson_get_uint(yyjson_obj_get(o, "size"));
    const char *trust = text_of(o, "trust", mem);
    ret->trust = trust[0] >= 'A' && trust[0] <= 'D' && trust[1] == '\0' ? trust[0] : 'D';
    const struct file_type *type = file_type_find(ret->type);
    ret->media = type == NULL ? "application/octet-stream" : type->media;
    bool ok = hex_of(o, "file", file, sizeof file) && memcmp(file, ret->file, sizeof file) == 0 &&
              hex_of(o, "sha256", ret->sha256, sizeof ret->sha256) && hex_of(o, "wrap", ret->wrap, sizeof ret->wrap) &&
              ret->size >= 1 && ret->size <= FILE_BYTES_MAX;
    yyjson_doc_free(doc);
    return ok;
}

static int fill_content(struct app *a, struct arena *mem, struct app_material_view *v, struct err *e)
{
    struct store_entry entry;
    struct bytes plain;
    enum app_content content;
    v->name = v->code = v->type = v->scan = v->consent = "";
    v->media = "application/octet-stream";
    int rc = store_read_entry(ledger_reader(a->ledger), v->origin, v->index, mem, &entry, e);
    if (rc == 0)
        rc = app_open_payload(a, &entry, mem, &plain, &content, e);
    if (rc != 0)
        return rc;
    v->content = (uint8_t)content;
    if (content == APP_CONTENT_SHOWN && !parse_payload(plain, mem, v))
        v->content = APP_CONTENT_NONE;
    return 0;
}

static int fill_holders(struct app *a, struct casefile *file, struct arena *mem, struct app_material_view *v,
                        struct err *e)
{
    uint32_t nodes[LEAF_RECIPIENTS_MAX + 1];
    struct store_file_holder *rows;
    size_t count = 0;
    nodes[0] = a->config->region;
    size_t node_count = 1 + app_participants(a, file, nodes + 1);
    int rc = store_read_file_holders(ledger_reader(a->ledger), v->file, mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    struct app_material_holder *holders = arena_alloc(mem, node_count * sizeof *holders);
    uint32_t chunks = v->content == APP_CONTENT_SHOWN ? file_chunk_count(v->size) : 0;
    for (size_t i = 0; i < node_count; i++) {
        if (!app_is_party(file, nodes[i]))
            continue; /* a mirror gets no files */
        struct app_material_holder *h = &holders[v->holder_count++];
        *h = (struct app_material_holder){
            .node = nodes[i], .name = app_member_name(a, nodes[i]), .count = chunks, .scan = ""};
        if (nodes[i] == v->origin && nodes[i] != a->config->region)
            h->held = chunks; /* it could not have written the event otherwise */
        for (size_t k = 0; k < count; k++)
            if (rows[k].node == nodes[i]) {
                h->held = nodes[i] == a->config->region ? 0 : chunks; /* the own disk is asked, it may have been lost */
                if (nodes[i] == a->config->region && nodes[i] != v->origin)
                    h->scan = app_scan_name((enum app_scan)rows[k].state);
            }
        if (nodes[i] == a->config->region && app_material_is_here(a, v->file))
            h->held = chunks;
        if (h->held < chunks) /* all of them, but not under its name yet: not durable */
            h->held = min_of(app_material_progress(a, v->file, nodes[i]), chunks - 1);
    }
    v->holders = holders;
    return 0;
}

int app_list_materials(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct arena *mem,
                       struct app_material_view **ret, size_t *ret_count, struct err *e)
{
    struct casefile *file, *apart;
    struct case_slot *slot;
    const struct case_effect *effects;
    int rc = app_committed_case(a, case_id, &file, &apart, &slot, e);
    if (rc != 0)
        return rc;
    size_t count = casefile_effects(file, &effects), n = 0;
    struct app_material_view *rows = arena_alloc(mem, (count + 1) * sizeof *rows);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const struct case_held *h = effects[i].event;
        if (h->type != CASE_EVENT_MATERIAL || effects[i].kind != CASE_EFFECT_OK || h->file == NULL)
            continue;
        struct app_material_view *v = &rows[n++];
        *v = (struct app_material_view){.origin = h->origin, .index = h->index, .at_ms = h->hlc >> 16};
        memcpy(v->file, h->file, sizeof v->file);
        rc = fill_content(a, mem, v, e);
        if (rc == 0)
            rc = fill_holders(a, file, mem, v, e);
    }
    casefile_destroy(apart);
    *ret = rows;
    *ret_count = rc == 0 ? n : 0;
    return rc;
}

int app_material_key(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_material_view *m,
                     uint8_t ret[FILE_KEY_SIZE], struct err *e)
{
    struct case_slot *slot;
    struct payload_key key = {0};
    int rc = case_cache_get(a->cases, a->ledger, case_id, &slot, e);
    if (rc == 0)
        rc = app_case_key(a, slot, &key, e);
    if (rc == 0 && !file_key_unwrap(key.key, m->file, m->wrap, ret))
        rc = err_set(e, ERR_VERIFY, "material.wrap", "the file's key in entry %llu of node %u does not open",
                     (unsigned long long)m->index, m->origin);
    crypto_wipe(&key, sizeof key);
    return rc;
}

/* ---- content ---- */

struct app_material_reader {
    struct list link; /* in app->readers */
    struct app *app;
    struct file_blob *blob;
    uint8_t key[FILE_KEY_SIZE];
    uint8_t *sealed, *plain;
    uint64_t offset;
    size_t size;
    struct err error;
    app_material_cb cb;
    void *ctx;
    bool is_busy, is_closed;
};

static int open_blob(struct app *a, const struct app_material_view *m, struct file_blob **ret, struct err *e)
{
    char path[FILE_BLOB_PATH_SIZE];
    file_blob_path(a->files_dir, m->file, path);
    int rc = file_blob_open(path, false, ret, e);
    if (rc == ERR_NOT_FOUND) {
        rc = err_set(e, ERR_BUSY, "material.not-here", "the file has not arrived here yet");
        err_hint(e, "the list of materials says how far it has come");
    }
    if (rc != 0 || (*ret)->size == m->size)
        return rc;
    rc = err_set(e, ERR_VERIFY, "material.size-said", "the file has %llu bytes, its event says %llu",
                 (unsigned long long)(*ret)->size, (unsigned long long)m->size);
    file_blob_close(*ret);
    return rc;
}

/* Whether this node's own scanner objects, or the author's did. */
static int check_scan(const struct app *a, const struct app_material_view *m, struct err *e)
{
    bool infected = strcmp(m->scan, app_scan_name(APP_SCAN_INFECTED)) == 0;
    for (size_t i = 0; i < m->holder_count; i++)
        infected = infected || (m->holders[i].node == a->config->region &&
                                strcmp(m->holders[i].scan, app_scan_name(APP_SCAN_INFECTED)) == 0);
    return infected ? err_set(e, ERR_DENIED, "material.infected", "the scanner takes the file for harmful") : 0;
}

int app_open_material(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const uint8_t file[CASE_FILE_ID_SIZE],
                      const char *purpose, struct app_material_reader **ret, struct app_material_content *ret_content,
                      struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct app_material_view *rows, *m = NULL;
    struct app_material_reader *r = xcalloc(1, sizeof *r);
    size_t count = 0;
    int rc = app_list_materials(a, case_id, &mem, &rows, &count, e);
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (memcmp(rows[i].file, file, FILE_ID_SIZE) == 0)
            m = &rows[i];
    if (rc == 0 && m == NULL)
        rc = err_set(e, ERR_NOT_FOUND, "material.unknown", "the case has no such file");
    if (rc == 0 && m->content != APP_CONTENT_SHOWN)
        rc = err_set(e, m->content == APP_CONTENT_NO_KEY ? ERR_BUSY : ERR_NOT_FOUND,
                     m->content == APP_CONTENT_NO_KEY ? "case.key-missing" : "case.erased",
                     "what the case says of the file cannot be read");
    if (rc == 0)
        rc = check_scan(a, m, e);
    if (rc == 0)
        rc = app_material_key(a, case_id, m, r->key, e);
    if (rc == 0)
        rc = open_blob(a, m, &r->blob, e);
    if (rc == 0) {
        char hex[2 * CASE_ID_SIZE + 1], id[2 * FILE_ID_SIZE + 1];
        hex_encode(case_id, CASE_ID_SIZE, hex);
        hex_encode(file, FILE_ID_SIZE, id);
        log_info("access", hex, "material.read", "file %.16s… was read, purpose '%s'", id, purpose);
        const struct file_type *type = file_type_find(m->type);
        *ret_content = (struct app_material_content){.size = m->size,
                                                     .media = type == NULL ? "application/octet-stream" : type->media};
        r->app = a;
        r->sealed = xmalloc(FILE_SEALED_BYTES_MAX);
        r->plain = xmalloc(FILE_CHUNK_BYTES);
        list_append(&a->readers, &r->link);
        *ret = r;
    } else {
        crypto_wipe(r, sizeof *r);
        free(r);
    }
    arena_close(&mem);
    return rc;
}

static void reader_destroy(struct app_material_reader *r)
{
    list_remove(&r->link);
    file_blob_close(r->blob);
    crypto_wipe(r->plain, FILE_CHUNK_BYTES);
    crypto_wipe(r->key, sizeof r->key);
    free(r->sealed);
    free(r->plain);
    free(r);
}

static void read_work(void *ctx)
{
    struct app_material_reader *r = ctx;
    uint32_t index = (uint32_t)(r->offset / FILE_CHUNK_BYTES);
    r->error = (struct err){0};
    r->size = file_chunk_size(r->blob->size, index);
    size_t sealed = file_chunk_sealed_size(r->blob->size, index);
    if (file_blob_get(r->blob, index, r->sealed, &r->error) == 0 &&
        !file_chunk_open(r->key, r->blob->size, index, bytes_of(r->sealed, sealed), r->plain))
        (void)err_set(&r->error, ERR_CORRUPT, "file.chunk-sealed", "chunk %u cannot be opened with the file's key",
                      index);
}

static void read_done(void *ctx)
{
    struct app_material_reader *r = ctx;
    size_t skip = (size_t)(r->offset % FILE_CHUNK_BYTES);
    r->is_busy = false;
    if (r->error.code != 0) /* who reads may only see that it ends */
        log_warn("material", NULL, r->error.id, "a file that is given out cannot be read: %s", r->error.message);
    if (r->is_closed)
        reader_destroy(r);
    else
        r->cb(r->ctx, r->error.code == 0 ? bytes_of(r->plain + skip, r->size - skip) : bytes_of(NULL, 0), &r->error);
}

void app_read_material(struct app_material_reader *r, uint64_t offset, app_material_cb cb, void *ctx)
{
    xassert(!r->is_busy && offset < r->blob->size);
    r->is_busy = true;
    r->offset = offset;
    r->cb = cb;
    r->ctx = ctx;
    loop_work(r->app->loop, read_work, read_done, r);
}

void app_close_material(struct app_material_reader *r)
{
    if (r == NULL)
        return;
    r->is_closed = true;
    if (!r->is_busy)
        reader_destroy(r);
}
