/* Materials: /v1/cases/{case}/materials and /v1/uploads.
 *
 * A file comes in chunks: POST begins an upload, each PATCH brings the next chunk (Upload-Offset says which), POST …/finish makes an
 * event of it; GET or HEAD says after a break how far it has come. That is draft-ietf-httpbis-resumable-upload with two limits of
 * its own: a part is a whole chunk, and the end is a request by itself. Content goes out as a stream that is read chunk by chunk.
 */
#include "node/http/api.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"

#define CONSENT_BYTES_MAX 512u

/* ---- ids in paths ---- */

static int parse_hex(const char *text, const char *what, uint8_t *out, size_t size, struct err *e)
{
    size_t got = 0;
    if (strlen(text) != 2 * size || hex_decode(text, strlen(text), out, size, &got) != 0)
        return err_set(e, ERR_INVALID, "http.parameter", "'%.70s' is no id of a %s: %zu hex digits are", text, what,
                       2 * size);
    return 0;
}

/* ---- list ---- */

static void put_holders(struct json_out *out, yyjson_mut_val *to, const struct app_material_view *v)
{
    yyjson_mut_val *list = json_put_array(out, to, "holders");
    for (size_t i = 0; i < v->holder_count; i++) {
        const struct app_material_holder *h = &v->holders[i];
        yyjson_mut_val *o = json_put_object(out, list, NULL);
        json_put_u64(out, o, "node", h->node);
        json_put_string(out, o, "node_name", h->name);
        json_put_u64(out, o, "held", h->held);
        json_put_u64(out, o, "chunks", h->count);
        json_put_bool(out, o, "complete", h->count > 0 && h->held == h->count);
        if (h->scan[0] != '\0')
            json_put_string(out, o, "scan", h->scan);
    }
}

static void put_material(struct json_out *out, yyjson_mut_val *o, const struct app_material_view *v)
{
    static const char *const contents[] = {"none", "shown", "no_key", "erased"};
    char trust[2] = {v->trust, '\0'};
    json_put_hex(out, o, "file", v->file, sizeof v->file);
    json_put_u64(out, o, "origin", v->origin);
    json_put_u64(out, o, "index", v->index);
    json_put_time(out, o, "written", v->at_ms);
    json_put_string(out, o, "content", contents[min_of(v->content, 3u)]);
    if (v->content == APP_CONTENT_SHOWN) {
        json_put_string(out, o, "name", v->name);
        json_put_string(out, o, "code", v->code);
        json_put_string(out, o, "type", v->type);
        json_put_u64(out, o, "size", v->size);
        json_put_hex(out, o, "sha256", v->sha256, sizeof v->sha256);
        json_put_string(out, o, "trust", arena_strdup(out->mem, trust));
        json_put_string(out, o, "scan", v->scan);
        if (v->consent[0] != '\0')
            json_put_string(out, o, "consent", v->consent);
    }
    put_holders(out, o, v);
}

int api_list_materials(struct request *r, struct err *e)
{
    struct app_material_view *rows = NULL;
    size_t count = 0;
    int rc = app_find_case(r->app, r->args[0], r->case_id, e);
    if (rc == 0)
        rc = app_list_materials(r->app, r->case_id, &r->mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    json_put_hex(&out, out.root, "case", r->case_id, sizeof r->case_id);
    yyjson_mut_val *list = json_put_array(&out, out.root, "materials");
    for (size_t i = 0; i < count; i++)
        put_material(&out, json_put_object(&out, list, NULL), &rows[i]);
    request_reply_json(r, 200, &out);
    return 0;
}

/* ---- uploads ---- */

static void put_offset(struct request *r, const struct app_upload_view *v)
{
    request_add_header(r, "Upload-Offset", arena_printf(&r->mem, "%" PRIu64, v->offset));
    request_add_header(r, "Upload-Length", arena_printf(&r->mem, "%" PRIu64, v->size));
    request_add_header(r, "Upload-Complete", "?0"); /* finish is a request of its own */
    request_add_header(r, "Upload-Limit", arena_printf(&r->mem, "max-append-size=%u", FILE_CHUNK_BYTES));
}

static void reply_upload(struct request *r, int status, const struct app_upload_view *v)
{
    struct json_out out = json_out_open(&r->mem);
    if (v->is_duplicate)
        json_put_null(&out, out.root, "upload");
    else
        json_put_hex(&out, out.root, "upload", v->id, sizeof v->id);
    json_put_hex(&out, out.root, "case", v->case_id, sizeof v->case_id);
    json_put_u64(&out, out.root, "size", v->size);
    json_put_u64(&out, out.root, "offset", v->offset);
    json_put_u64(&out, out.root, "chunk_size", FILE_CHUNK_BYTES);
    json_put_bool(&out, out.root, "duplicate", v->is_duplicate);
    if (v->is_duplicate)
        json_put_hex(&out, out.root, "file", v->file, sizeof v->file);
    request_reply_json(r, status, &out);
}

static void begun_cb(void *ctx, const struct app_upload_view *v, const struct err *e)
{
    struct request *r = ctx;
    if (e->code != 0) {
        request_reply_error(r, e);
    } else {
        char id[2 * APP_UPLOAD_ID_SIZE + 1];
        hex_encode(v->id, sizeof v->id, id);
        if (!v->is_duplicate) {
            r->location = arena_printf(&r->mem, "/v1/uploads/%s", id);
            put_offset(r, v);
        }
        reply_upload(r, v->is_duplicate ? 200 : 201, v);
    }
    request_finish(r);
}

static int decode_material(const struct json_object *o, struct app_upload_request *ret, uint8_t sha256[32],
                           struct err *e)
{
    static const char *const fields[] = {"name", "code", "type", "size", "sha256", "trust"};
    const char *hash = NULL, *trust = "C";
    ret->code = "";
    int rc = json_check_fields(o, fields, array_count(fields), e);
    if (rc == 0)
        rc = json_get_string(o, "name", true, FILE_NAME_BYTES_MAX, &ret->name, e);
    if (rc == 0)
        rc = json_get_string(o, "code", false, CASE_MATERIAL_CODE_SIZE - 1, &ret->code, e);
    if (rc == 0)
        rc = json_get_string(o, "type", false, 16, &ret->type, e);
    if (rc == 0)
        rc = json_get_u64(o, "size", true, 0, UINT64_MAX, &ret->size, e);
    if (rc == 0)
        rc = json_get_string(o, "sha256", false, 64, &hash, e);
    if (rc == 0)
        rc = json_get_string(o, "trust", false, 1, &trust, e);
    if (rc == 0 && hash != NULL) {
        rc = parse_hex(hash, "SHA-256", sha256, 32, e);
        ret->sha256 = sha256;
    }
    ret->trust = trust[0];
    return rc;
}

int api_post_material(struct request *r, struct err *e)
{
    struct app_upload_request m = {0};
    struct json_object o;
    uint8_t sha256[32];
    int rc = request_json(r, &o, e);
    if (rc == 0)
        rc = decode_material(&o, &m, sha256, e);
    if (rc == 0)
        rc = app_find_case(r->app, r->args[0], r->case_id, e);
    if (rc != 0)
        return rc;
    request_wait(r);
    app_begin_upload(r->app, r->case_id, &m, begun_cb, r);
    return 0;
}

static void told_cb(void *ctx, const struct app_upload_view *v, const struct err *e)
{
    struct request *r = ctx;
    if (e->code != 0) {
        request_reply_error(r, e);
    } else {
        put_offset(r, v);
        reply_upload(r, 200, v);
    }
    request_finish(r);
}

int api_get_upload(struct request *r, struct err *e)
{
    uint8_t id[APP_UPLOAD_ID_SIZE];
    int rc = parse_hex(r->args[0], "upload", id, sizeof id, e);
    if (rc != 0)
        return rc;
    request_wait(r);
    app_get_upload(r->app, id, told_cb, r);
    return 0;
}

static void patched_cb(void *ctx, const struct app_upload_view *v, const struct err *e)
{
    struct request *r = ctx;
    if (v->size > 0)
        put_offset(r, v); /* with a refusal, too: where to go on */
    if (e->code != 0)
        request_reply_error(r, e);
    else
        request_reply(r, 204, NULL, bytes_of(NULL, 0));
    request_finish(r);
}

int api_patch_upload(struct request *r, struct err *e)
{
    uint8_t id[APP_UPLOAD_ID_SIZE];
    uint64_t offset = 0;
    size_t size = 0;
    int rc = parse_hex(r->args[0], "upload", id, sizeof id, e);
    if (rc == 0 && (r->upload_offset == NULL || decimal_parse(bytes_of_string(r->upload_offset), &offset) != 0))
        rc = err_set(e, ERR_INVALID, "http.upload-offset", "the header Upload-Offset is '%.32s', a number is wanted",
                     r->upload_offset != NULL ? r->upload_offset : "");
    if (rc != 0)
        return rc;
    uint8_t *data = buf_take(&r->body, &size);
    request_wait(r);
    app_put_upload(r->app, id, offset, data, size, patched_cb, r);
    return 0;
}

int api_delete_upload(struct request *r, struct err *e)
{
    uint8_t id[APP_UPLOAD_ID_SIZE];
    int rc = parse_hex(r->args[0], "upload", id, sizeof id, e);
    if (rc == 0)
        rc = app_drop_upload(r->app, id, e);
    if (rc == 0)
        request_reply(r, 204, NULL, bytes_of(NULL, 0));
    return rc;
}

int api_post_finish(struct request *r, struct err *e)
{
    uint8_t id[APP_UPLOAD_ID_SIZE];
    struct app_request frame = {0};
    int rc = parse_hex(r->args[0], "upload", id, sizeof id, e);
    if (rc == 0)
        rc = api_decode_request(r, &frame, e);
    if (rc != 0)
        return rc;
    request_wait(r);
    app_finish_upload(r->app, id, &frame, api_command_cb, r);
    return 0;
}

int api_post_reuse(struct request *r, struct err *e)
{
    static const char *const fields[] = {"from_case", "file", "consent"};
    struct app_request frame = {0};
    struct json_object o;
    const char *from = NULL, *file = NULL, *consent = NULL;
    uint8_t from_case[CASE_ID_SIZE], id[CASE_FILE_ID_SIZE];
    int rc = api_decode_request(r, &frame, e);
    if (rc == 0)
        rc = request_json(r, &o, e);
    if (rc == 0)
        rc = json_check_fields(&o, fields, array_count(fields), e);
    if (rc == 0)
        rc = json_get_string(&o, "from_case", true, 64, &from, e);
    if (rc == 0)
        rc = json_get_string(&o, "file", true, 64, &file, e);
    if (rc == 0)
        rc = json_get_string(&o, "consent", true, CONSENT_BYTES_MAX, &consent, e);
    if (rc == 0)
        rc = parse_hex(file, "file", id, sizeof id, e);
    if (rc == 0)
        rc = app_find_case(r->app, from, from_case, e);
    if (rc == 0)
        rc = app_find_case(r->app, r->args[0], r->case_id, e);
    if (rc != 0)
        return rc;
    request_wait(r);
    app_reuse_material(r->app, r->case_id, from_case, id, consent, &frame, api_command_cb, r);
    return 0;
}

/* ---- content ---- */

/* What a stream reads from; lives until the request goes. */
struct content {
    struct app_material_reader *reader;
    uint64_t first; /* byte of the file that the answer begins with */
};

static void close_content(void *stream)
{
    struct content *c = stream;
    app_close_material(c->reader);
    free(c);
}

static void piece_read(void *ctx, struct bytes piece, const struct err *e)
{
    (void)e; /* the header is out: all that can be done is to end before the end */
    request_piece(ctx, piece);
}

static void read_content(struct request *r, uint64_t at)
{
    struct content *c = r->stream;
    app_read_material(c->reader, c->first + at, piece_read, r);
}

/* RFC 9110 s14.2: one range of bytes within @size. 1: [*ret_first, *ret_last]; 0: nothing that is understood, so all of it; -1:
 * outside. */
static int parse_range(const char *text, uint64_t size, uint64_t *ret_first, uint64_t *ret_last)
{
    uint64_t first = 0, last = size - 1;
    if (text == NULL || strncmp(text, "bytes=", 6) != 0 || strchr(text, ',') != NULL)
        return 0;
    const char *begin = text + 6, *dash = strchr(begin, '-');
    if (dash == NULL)
        return 0;
    bool has_first = dash > begin, has_last = dash[1] != '\0';
    if ((has_first && decimal_parse(bytes_of(begin, (size_t)(dash - begin)), &first) != 0) ||
        (has_last && decimal_parse(bytes_of_string(dash + 1), &last) != 0) || (!has_first && !has_last))
        return 0;
    if (!has_first) { /* the last n bytes */
        if (last == 0)
            return -1;
        first = size - min_of(last, size);
        last = size - 1;
    }
    if (first >= size)
        return -1;
    if (last < first)
        return 0;
    *ret_first = first;
    *ret_last = min_of(last, size - 1);
    return 1;
}

static int refuse_range(struct request *r, const char *range, uint64_t size, struct err *e)
{
    (void)err_set(e, ERR_INVALID, "http.range",
                  "the range '%.64s' lies outside of the file, which has %" PRIu64 " bytes", range, size);
    request_add_header(r, "Content-Range", arena_printf(&r->mem, "bytes */%" PRIu64, size));
    request_reply_error_status(r, 416, e);
    return 0;
}

int api_get_content(struct request *r, struct err *e)
{
    const char *purpose = request_param(r, "purpose");
    uint8_t file[CASE_FILE_ID_SIZE];
    struct app_material_reader *reader = NULL;
    struct app_material_content content;
    int rc = api_check_purpose(purpose, e);
    if (rc == 0)
        rc = parse_hex(r->args[1], "file", file, sizeof file, e);
    if (rc == 0)
        rc = app_find_case(r->app, r->args[0], r->case_id, e);
    if (rc == 0)
        rc = app_open_material(r->app, r->case_id, file, purpose, &reader, &content, e);
    if (rc != 0)
        return rc;
    uint64_t first = 0, last = content.size - 1;
    int range = parse_range(r->range, content.size, &first, &last);
    request_add_header(r, "Accept-Ranges", "bytes");
    if (range < 0) {
        app_close_material(reader);
        return refuse_range(r, r->range, content.size, e);
    }
    struct content *stream = xcalloc(1, sizeof *stream);
    *stream = (struct content){.reader = reader, .first = first};
    /* A browser must never run what an applicant has uploaded. */
    request_add_header(r, "Content-Disposition", "attachment");
    request_add_header(r, "X-Content-Type-Options", "nosniff");
    if (range == 1)
        request_add_header(r, "Content-Range",
                           arena_printf(&r->mem, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first, last, content.size));
    request_reply_stream(r, range == 1 ? 206 : 200, content.media, last - first + 1, read_content, close_content,
                         stream);
    return 0;
}
