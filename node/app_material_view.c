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

/* What the uploader says counts as this node's own word only when it was uploaded here: a file that is used again keeps the word of
 * whoever took it in. */
enum app_scan app_material_said(const struct app *a, const struct app_material_view *v)
{
    bool is_own = v->origin == a->config->region && v->consent[0] == '\0';
    for (enum app_scan s = APP_SCAN_CLEAN; is_own && s <= APP_SCAN_INFECTED; s++)
        if (strcmp(v->scan, app_scan_name(s)) == 0)
            return s;
    return APP_SCAN_OFF;
}

void app_material_mark(const uint8_t file[CASE_FILE_ID_SIZE], const uint8_t key[FILE_KEY_SIZE],
                       const uint8_t sha256[CRYPTO_HASH_SIZE], uint8_t out[CRYPTO_HASH_SIZE])
{
    const struct bytes parts[] = {bytes_of_string("tongban/file-scan/1"), bytes_of(file, FILE_ID_SIZE),
                                  bytes_of(key, FILE_KEY_SIZE), bytes_of(sha256, CRYPTO_HASH_SIZE)};
    crypto_sha256(parts, array_count(parts), out);
}

/* The one of this node; NULL: none. */
static const struct store_file_holder *own_row(const struct app *a, const struct store_file_holder *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].node == a->config->region)
            return &rows[i];
    return NULL;
}

/* Whether @row is about what @v says: this key, this hash. */
static bool is_marked(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_material_view *v,
                      const struct store_file_holder *row)
{
    uint8_t key[FILE_KEY_SIZE], mark[CRYPTO_HASH_SIZE];
    if (!row->has_mark || app_material_key(a, case_id, v, key, NULL) != 0)
        return false;
    app_material_mark(v->file, key, v->sha256, mark);
    crypto_wipe(key, sizeof key);
    return memcmp(mark, row->mark, sizeof mark) == 0;
}

bool app_material_is_read(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_material_view *v)
{
    struct arena mem = ARENA_INIT;
    struct store_file_holder *rows;
    size_t count = 0;
    bool is_read = v->origin == a->config->region && v->consent[0] == '\0';
    if (!is_read && store_read_file_holders(ledger_reader(a->ledger), v->file, &mem, &rows, &count, NULL) == 0) {
        const struct store_file_holder *row = own_row(a, rows, count);
        is_read = row != NULL && is_marked(a, case_id, v, row);
    }
    arena_close(&mem);
    return is_read;
}

/* What the row says of its file, whatever the key; APP_SCAN_OFF: nothing, or it does not say of what. */
static enum app_scan state_of(const struct store_file_holder *row)
{
    bool is_known = row != NULL && (row->has_mark || row->state == APP_SCAN_INFECTED);
    return is_known ? (enum app_scan)row->state : APP_SCAN_OFF;
}

int app_material_own_scan(struct app *a, const uint8_t file[CASE_FILE_ID_SIZE], enum app_scan *ret, struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct store_file_holder *rows;
    size_t count = 0;
    int rc = store_read_file_holders(ledger_reader(a->ledger), file, &mem, &rows, &count, e);
    if (rc == 0)
        *ret = state_of(own_row(a, rows, count));
    arena_close(&mem);
    return rc;
}

/* What this node's own scanner has said of what opens under @v; APP_SCAN_OFF: nothing. @ret_is_other: it has read something else in the
 * same file: one sealed text may open under two keys, to two contents. */
static enum app_scan verdict(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_material_view *v,
                             const struct store_file_holder *row, bool *ret_is_other)
{
    enum app_scan state = state_of(row), said = app_material_said(a, v);
    *ret_is_other = false;
    if (state == APP_SCAN_INFECTED || v->content != APP_CONTENT_SHOWN)
        return state;
    if (state == APP_SCAN_OFF || is_marked(a, case_id, v, row))
        return state != APP_SCAN_OFF ? state : said;
    *ret_is_other = said == APP_SCAN_OFF;
    return said;
}

/* The same as a word: "pending" while it is to say something, "unreadable" when it cannot, "" when the file is not here. The row may
 * come a moment after the file. */
static const char *own_scan(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_material_view *v,
                            const struct store_file_holder *row, bool is_here)
{
    bool is_other;
    enum app_scan state = verdict(a, case_id, v, row, &is_other);
    if (state != APP_SCAN_OFF || (row != NULL && a->scans == NULL))
        return app_scan_name(state);
    if (!is_here || a->scans == NULL)
        return "";
    return is_other || app_scans_failure(a, v->file) != NULL ? APP_SCAN_UNREADABLE : APP_SCAN_PENDING;
}

static int fill_holders(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct casefile *file, struct arena *mem,
                        struct app_material_view *v, struct err *e)
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
            if (rows[k].node == nodes[i] &&
                nodes[i] != a->config->region) /* the own disk is asked, it may have been lost */
                h->held = chunks;
        if (nodes[i] == a->config->region) {
            bool is_here = app_material_is_here(a, v->file);
            h->held = is_here ? chunks : h->held;
            h->scan = own_scan(a, case_id, v, own_row(a, rows, count), is_here);
        }
        if (h->held < chunks) /* all of them, but not under its name yet: not durable */
            h->held = min_of(app_material_progress(a, v->file, nodes[i]), chunks - 1);
    }
    v->holders = holders;
    return 0;
}

/* @only: one file, NULL = all. */
static int list(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const uint8_t *only, struct arena *mem,
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
        if (h->type != CASE_EVENT_MATERIAL || effects[i].kind != CASE_EFFECT_OK || h->file == NULL ||
            (only != NULL && memcmp(h->file, only, FILE_ID_SIZE) != 0))
            continue;
        struct app_material_view *v = &rows[n++];
        *v = (struct app_material_view){.origin = h->origin, .index = h->index, .at_ms = h->hlc >> 16};
        memcpy(v->file, h->file, sizeof v->file);
        rc = fill_content(a, mem, v, e);
        if (rc == 0)
            rc = fill_holders(a, case_id, file, mem, v, e);
    }
    casefile_destroy(apart);
    *ret = rows;
    *ret_count = rc == 0 ? n : 0;
    return rc;
}

int app_list_materials(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct arena *mem,
                       struct app_material_view **ret, size_t *ret_count, struct err *e)
{
    return list(a, case_id, NULL, mem, ret, ret_count, e);
}

int app_list_materials_of(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const uint8_t file[CASE_FILE_ID_SIZE],
                          struct arena *mem, struct app_material_view **ret, size_t *ret_count, struct err *e)
{
    return list(a, case_id, file, mem, ret, ret_count, e);
}

/* Any participant can name the file once more, under a key that is none: of several events the last one counts whose key is one, and is
 * the one that was read here, if that is known. None: the last one, whose error is told. */
static size_t last_that_opens(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_material_view *rows,
                              size_t count, struct arena *mem)
{
    uint8_t key[FILE_KEY_SIZE];
    struct store_file_holder *holders;
    const struct store_file_holder *row = NULL;
    size_t holder_count = 0, opens = count - 1;
    bool has_one = false;
    if (count == 1)
        return 0;
    if (store_read_file_holders(ledger_reader(a->ledger), rows[0].file, mem, &holders, &holder_count, NULL) == 0)
        row = own_row(a, holders, holder_count);
    for (size_t i = count; i-- > 0;) {
        bool is_key = rows[i].content == APP_CONTENT_SHOWN && app_material_key(a, case_id, &rows[i], key, NULL) == 0;
        if (is_key && (row == NULL || !row->has_mark || is_marked(a, case_id, &rows[i], row))) {
            opens = i;
            break;
        }
        if (is_key && !has_one)
            opens = i;
        has_one = has_one || is_key;
    }
    crypto_wipe(key, sizeof key);
    return opens;
}

int app_find_material(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const uint8_t file[CASE_FILE_ID_SIZE],
                      struct arena *mem, struct app_material_view *ret, struct err *e)
{
    struct app_material_view *rows;
    size_t count = 0;
    int rc = list(a, case_id, file, mem, &rows, &count, e);
    if (rc == 0 && count == 0)
        rc = err_set(e, ERR_NOT_FOUND, "material.unknown", "the case has no such file");
    if (rc == 0)
        *ret = rows[last_that_opens(a, case_id, rows, count, mem)];
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

static int not_here(struct err *e)
{
    int rc = err_set(e, ERR_BUSY, "material.not-here", "the file has not arrived here yet");
    err_hint(e, "the list of materials says how far it has come");
    return rc;
}

int app_material_blob(struct app *a, const struct app_material_view *m, struct file_blob **ret, struct err *e)
{
    char path[FILE_BLOB_PATH_SIZE];
    file_blob_path(a->files_dir, m->file, path);
    int rc = file_blob_open(path, false, ret, e);
    if (rc == ERR_NOT_FOUND)
        rc = not_here(e);
    if (rc != 0 || (*ret)->size == m->size)
        return rc;
    rc = err_set(e, ERR_VERIFY, "material.size-said", "the file has %llu bytes, its event says %llu",
                 (unsigned long long)(*ret)->size, (unsigned long long)m->size);
    file_blob_close(*ret);
    return rc;
}

/* A scanner that is configured must have spoken: that nothing is known is no permission. */
int app_material_check_scan(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_material_view *m,
                            struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct store_file_holder *rows;
    size_t count = 0;
    enum app_scan state = APP_SCAN_OFF;
    bool is_other = false;
    int rc = store_read_file_holders(ledger_reader(a->ledger), m->file, &mem, &rows, &count, e);
    if (rc == 0)
        state = verdict(a, case_id, m, own_row(a, rows, count), &is_other);
    arena_close(&mem);
    if (rc != 0)
        return rc;
    if (state == APP_SCAN_INFECTED || strcmp(m->scan, app_scan_name(APP_SCAN_INFECTED)) == 0)
        return err_set(e, ERR_DENIED, "material.infected", "the scanner takes the file for harmful");
    if (a->scans == NULL || state != APP_SCAN_OFF)
        return 0;
    if (!app_material_is_here(a, m->file))
        return not_here(e);
    if (is_other)
        return err_set(e, ERR_VERIFY, "material.unreadable",
                       "the key or SHA-256 in entry %llu of node %u is not that of what this node's scanner has read",
                       (unsigned long long)m->index, m->origin);
    const char *failure = app_scans_failure(a, m->file);
    if (failure != NULL)
        return err_set(e, ERR_VERIFY, "material.unreadable", "this node's scanner cannot read the file: %s", failure);
    app_scans_add(a, m->file, true);
    rc = err_set(e, ERR_BUSY, "material.not-scanned", "this node's scanner has not looked at the file yet");
    err_hint(e, "it is the next one; the list of materials says what the scanner says");
    return rc;
}

int app_open_material(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const uint8_t file[CASE_FILE_ID_SIZE],
                      const char *purpose, struct app_material_reader **ret, struct app_material_content *ret_content,
                      struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct app_material_view m;
    struct app_material_reader *r = xcalloc(1, sizeof *r);
    int rc = app_find_material(a, case_id, file, &mem, &m, e);
    if (rc == 0 && m.content != APP_CONTENT_SHOWN)
        rc = err_set(e, m.content == APP_CONTENT_NO_KEY ? ERR_BUSY : ERR_NOT_FOUND,
                     m.content == APP_CONTENT_NO_KEY ? "case.key-missing" : "case.erased",
                     "what the case says of the file cannot be read");
    if (rc == 0)
        rc = app_material_check_scan(a, case_id, &m, e);
    if (rc == 0)
        rc = app_material_key(a, case_id, &m, r->key, e);
    if (rc == 0)
        rc = app_material_blob(a, &m, &r->blob, e);
    if (rc == 0) {
        char hex[2 * CASE_ID_SIZE + 1], id[2 * FILE_ID_SIZE + 1];
        hex_encode(case_id, CASE_ID_SIZE, hex);
        hex_encode(file, FILE_ID_SIZE, id);
        log_info("access", hex, "material.read", "file %.16s… was read, purpose '%s'", id, purpose);
        const struct file_type *type = file_type_find(m.type);
        *ret_content = (struct app_material_content){.size = m.size,
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
