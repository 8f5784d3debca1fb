/* /v1/ledger: the own ledger and the replicas of others, for auditors: head, signed checkpoints, entries, a full check. */
#include "node/http/api.h"

#include <string.h>

#include "certs/crypto.h"
#include "federation/ledger/leaf.h"
#include "node/base/limits.h"
#include "node/cases/event.h"

#define ENTRIES_DEFAULT 20
#define ENTRIES_MAX 100 /* a leaf may have 64 KiB */

static int param_origin(const struct request *r, uint32_t *ret, struct err *e)
{
    uint64_t v = 0;
    int rc = request_param_u64(r, "origin", 100000, 999999, &v, e);
    *ret = (uint32_t)v;
    return rc;
}

/* A line of a checkpoint's text, without its end; moves @text behind it. Empty when there is none. */
static struct bytes next_line(struct bytes *text)
{
    const uint8_t *end = text->size > 0 ? memchr(text->data, '\n', text->size) : NULL;
    if (end == NULL)
        return bytes_of(NULL, 0);
    struct bytes line = bytes_of(text->data, (size_t)(end - text->data));
    *text = bytes_of(end + 1, text->size - line.size - 1);
    return line;
}

/* The head as its own signed checkpoint says it: C2SP tlog-checkpoint, lines origin, size, root in base64. */
int api_get_ledger(struct request *r, struct err *e)
{
    struct app_status_view s = {0};
    struct bytes note = {0};
    app_status(r->app, &r->mem, &s);
    int rc = app_checkpoint(r->app, 0, &r->mem, &note, e);
    if (rc != 0)
        return rc;

    uint8_t root[CRYPTO_HASH_SIZE];
    size_t root_size = 0;
    uint64_t size = 0;
    struct bytes origin = next_line(&note), size_text = next_line(&note), root_text = next_line(&note);
    if (decimal_parse(size_text, &size) != 0 ||
        base64_decode((const char *)root_text.data, root_text.size, root, sizeof root, &root_size) != 0 ||
        root_size != sizeof root)
        return err_set(e, ERR_CORRUPT, "ledger.checkpoint", "the stored checkpoint of this ledger cannot be read");

    struct json_out out = json_out_open(&r->mem);
    json_put_u64(&out, out.root, "code", s.code);
    json_put_string(&out, out.root, "origin", arena_strndup(&r->mem, (const char *)origin.data, origin.size));
    json_put_u64(&out, out.root, "size", size);
    json_put_hex(&out, out.root, "root", root, sizeof root);
    request_reply_json(r, 200, &out);
    return 0;
}

/* Without an origin this is what C2SP tlog-tiles serves at <prefix>/checkpoint: with the witnesses' lines. */
int api_get_checkpoint(struct request *r, struct err *e)
{
    uint32_t origin = 0;
    struct bytes note = {0};
    int rc = param_origin(r, &origin, e);
    if (rc == 0)
        rc = origin == 0 ? app_cosigned_checkpoint(r->app, &r->mem, &note, e)
                         : app_checkpoint(r->app, origin, &r->mem, &note, e);
    if (rc == 0)
        request_reply(r, 200, "text/plain; charset=utf-8", note);
    return rc;
}

static void put_attrs(struct json_out *out, yyjson_mut_val *to, const struct leaf *l)
{
    yyjson_mut_val *list = json_put_array(out, to, "attributes");
    for (size_t i = 0; i < l->attr_count; i++) {
        yyjson_mut_val *row = json_put_object(out, list, NULL);
        json_put_u64(out, row, "tag", l->attrs[i].tag);
        json_put_hex(out, row, "value", l->attrs[i].value.data, l->attrs[i].value.size);
    }
}

static const char *type_name(struct arena *mem, uint16_t type)
{
    const char *name = case_event_name(type);
    if (name != NULL)
        return name;
    return type == PUBLIC_EVENT_ITEM             ? "item"
           : type == PUBLIC_EVENT_ITEM_WITHDRAWN ? "item_withdrawn"
                                                 : arena_printf(mem, "%u", type);
}

/* What stands in the leaf, in words; null when it cannot be read. */
static void put_leaf(struct json_out *out, yyjson_mut_val *to, struct bytes encoded)
{
    struct leaf *l = arena_alloc(out->mem, sizeof *l);
    struct err ignored = {0}; /* the bytes are given beside it */
    if (leaf_decode(encoded, l, &ignored) != 0) {
        json_put_null(out, to, "leaf");
        return;
    }
    yyjson_mut_val *o = json_put_object(out, to, "leaf");
    json_put_string(out, o, "kind", leaf_kind_name(l->kind));
    json_put_string(out, o, "type", type_name(out->mem, l->event_type));
    json_put_string(out, o, "role", case_role_name(l->role));
    json_put_time(out, o, "written", l->hlc >> 16); /* 48-bit milliseconds, 16-bit counter */
    static const uint8_t no_case[LEAF_CASE_ID_SIZE] = {0};
    if (memcmp(l->case_id, no_case, sizeof no_case) == 0)
        json_put_null(out, o, "case");
    else
        json_put_hex(out, o, "case", l->case_id, sizeof l->case_id);
    yyjson_mut_val *parents = json_put_array(out, o, "parents");
    for (size_t i = 0; i < l->parent_count; i++) {
        yyjson_mut_val *row = json_put_object(out, parents, NULL);
        json_put_u64(out, row, "origin", l->parents[i].node);
        json_put_u64(out, row, "index", l->parents[i].index);
    }
    yyjson_mut_val *recipients = json_put_array(out, o, "recipients");
    for (size_t i = 0; i < l->recipient_count; i++) {
        yyjson_mut_val *row = json_put_object(out, recipients, NULL);
        json_put_u64(out, row, "node", l->recipients[i].node);
        json_put_u64(out, row, "seq", l->recipients[i].seq);
    }
    put_attrs(out, o, l);
}

static void put_entry(struct json_out *out, yyjson_mut_val *to, const struct app_entry_view *v)
{
    json_put_u64(out, to, "origin", v->origin);
    json_put_u64(out, to, "index", v->index);
    json_put_hex(out, to, "hash", v->hash, sizeof v->hash);
    json_put_bool(out, to, "payload_held", v->payload_held);
    json_put_u64(out, to, "payload_size", v->payload_size);
    put_leaf(out, to, v->leaf);
    json_put_base64(out, to, "bytes", v->leaf);
}

int api_list_entries(struct request *r, struct err *e)
{
    uint32_t origin = 0;
    uint64_t from = 0, limit = ENTRIES_DEFAULT;
    int rc = param_origin(r, &origin, e);
    if (rc == 0)
        rc = request_param_u64(r, "from", 0, INT64_MAX, &from, e);
    if (rc == 0)
        rc = request_param_u64(r, "limit", 1, ENTRIES_MAX, &limit, e);
    if (rc != 0)
        return rc;

    struct app_entry_view *rows = NULL;
    size_t count = 0;
    rc = app_list_entries(r->app, origin, from, (size_t)limit, &r->mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    yyjson_mut_val *list = json_put_array(&out, out.root, "entries");
    for (size_t i = 0; i < count; i++)
        put_entry(&out, json_put_object(&out, list, NULL), &rows[i]);
    request_reply_json(r, 200, &out);
    return 0;
}

int api_get_entry(struct request *r, struct err *e)
{
    uint32_t origin = 0;
    uint64_t index = 0;
    int rc = param_origin(r, &origin, e);
    if (rc == 0 && decimal_parse(bytes_of_string(r->args[0]), &index) != 0)
        rc = err_set(e, ERR_INVALID, "http.parameter", "'%.64s' is no index of a ledger entry", r->args[0]);
    struct app_entry_view v = {0};
    if (rc == 0)
        rc = app_get_entry(r->app, origin, index, &r->mem, &v, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    put_entry(&out, out.root, &v);
    request_reply_json(r, 200, &out);
    return 0;
}

static void verify_cb(void *ctx, const struct app_verify_result *result, const struct err *e)
{
    struct request *r = ctx;
    if (e->code != 0) {
        request_reply_error(r, e);
        request_finish(r);
        return;
    }
    struct json_out out = json_out_open(&r->mem);
    json_put_string(&out, out.root, "result", "ok");
    json_put_u64(&out, out.root, "own_leaves", result->own_leaves);
    json_put_u64(&out, out.root, "replica_leaves", result->replica_leaves);
    json_put_u64(&out, out.root, "cases", result->cases);
    json_put_u64(&out, out.root, "payloads", result->payloads);
    json_put_hex(&out, out.root, "root", result->root, sizeof result->root);
    json_put_u64(&out, out.root, "elapsed_ms", result->elapsed_ms);
    request_reply_json(r, 200, &out);
    request_finish(r);
}

int api_post_verify(struct request *r, struct err *e)
{
    (void)e;
    request_wait(r);
    app_verify(r->app, verify_cb, r);
    return 0;
}
