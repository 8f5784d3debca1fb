/* /v1/reconcile: comparing the shared cases with other nodes (对账), and the reports about it, as JSON or CSV. */
#include "node/http/api.h"

#include <inttypes.h>
#include <string.h>

#include "node/base/xassert.h"

static void put_peers(struct json_out *out, yyjson_mut_val *to, const struct app_reconcile_view *v)
{
    yyjson_mut_val *list = json_put_array(out, to, "peers");
    for (size_t i = 0; i < v->peer_count; i++) {
        yyjson_mut_val *row = json_put_object(out, list, NULL);
        json_put_u64(out, row, "code", v->peers[i].code);
        json_put_string(out, row, "name", v->peers[i].name);
        json_put_string(out, row, "state", v->peers[i].state);
        json_put_string(out, row, "error", v->peers[i].error);
        json_put_u64(out, row, "compared", v->peers[i].compared);
        json_put_u64(out, row, "differing", v->peers[i].differing);
    }
}

static void put_run(struct json_out *out, yyjson_mut_val *to, const struct app_reconcile_view *v)
{
    json_put_string(out, to, "id", v->id);
    json_put_string(out, to, "state", v->state);
    json_put_time(out, to, "started", v->started_ms);
    json_put_time(out, to, "finished", v->finished_ms);
    put_peers(out, to, v);
}

static void put_findings(struct json_out *out, const struct app_reconcile_view *v)
{
    yyjson_mut_val *list = json_put_array(out, out->root, "differences");
    for (size_t i = 0; i < v->finding_count; i++) {
        const struct app_reconcile_finding *f = &v->findings[i];
        yyjson_mut_val *row = json_put_object(out, list, NULL);
        json_put_hex(out, row, "case", f->case_id, sizeof f->case_id);
        json_put_u64(out, row, "peer", f->peer);
        json_put_string(out, row, "peer_name", f->peer_name);
        json_put_string(out, row, "cause", f->cause);
        json_put_string(out, row, "repair", f->repair);
        json_put_string(out, row, "text", f->text);
        if (f->origin == 0) {
            json_put_null(out, row, "entries");
            continue;
        }
        yyjson_mut_val *entries = json_put_object(out, row, "entries");
        json_put_u64(out, entries, "origin", f->origin);
        json_put_u64(out, entries, "first", f->first);
        json_put_u64(out, entries, "last", f->last);
        json_put_u64(out, entries, "count", f->count);
    }
    json_put_u64(out, out->root, "differences_not_listed", v->findings_dropped);
}

/* RFC 4180, with the header; every field is a number, hex digits or a word of ours, so that nothing needs quotes. */
static void reply_csv(struct request *r, const struct app_reconcile_view *v)
{
    struct buf text = {0};
    buf_put_string(&text, "case,peer,cause,repair,origin,first,last,count\r\n");
    for (size_t i = 0; i < v->finding_count; i++) {
        const struct app_reconcile_finding *f = &v->findings[i];
        char id[2 * CASE_ID_SIZE + 1];
        hex_encode(f->case_id, sizeof f->case_id, id);
        buf_printf(&text, "%s,%" PRIu32 ",%s,%s,", id, f->peer, f->cause, f->repair);
        if (f->origin == 0)
            buf_put_string(&text, ",,,\r\n");
        else
            buf_printf(&text, "%" PRIu32 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\r\n", f->origin, f->first, f->last,
                       f->count);
    }
    request_reply(r, 200, "text/csv; charset=utf-8; header=present", arena_bytes(&r->mem, buf_bytes(&text)));
    buf_close(&text);
}

int api_post_reconcile(struct request *r, struct err *e)
{
    static const char *const fields[] = {"peer"};
    struct json_object o;
    uint64_t peer = 0;
    const char *id = NULL;
    int rc = request_json(r, &o, e);
    if (rc == 0)
        rc = json_check_fields(&o, fields, array_count(fields), e);
    if (rc == 0)
        rc = json_get_u64(&o, "peer", false, 100000, 999999, &peer, e);
    if (rc == 0)
        rc = app_reconcile(r->app, (uint32_t)peer, r->idempotency_key, &r->mem, &id, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    json_put_string(&out, out.root, "id", id);
    r->location = arena_printf(&r->mem, "/v1/reconcile/%s", id);
    request_reply_json(r, 202, &out);
    return 0;
}

int api_list_reconciles(struct request *r, struct err *e)
{
    (void)e;
    struct app_reconcile_view *views;
    size_t count = app_list_reconciles(r->app, &r->mem, &views);
    struct json_out out = json_out_open(&r->mem);
    yyjson_mut_val *list = json_put_array(&out, out.root, "runs");
    for (size_t i = 0; i < count; i++)
        put_run(&out, json_put_object(&out, list, NULL), &views[i]);
    request_reply_json(r, 200, &out);
    return 0;
}

int api_get_reconcile(struct request *r, struct err *e)
{
    const char *format = request_param(r, "format");
    struct app_reconcile_view v;
    if (format != NULL && strcmp(format, "csv") != 0 && strcmp(format, "json") != 0)
        return err_set(e, ERR_INVALID, "http.parameter", "parameter 'format' is '%.64s', it must be 'json' or 'csv'",
                       format);
    int rc = app_get_reconcile(r->app, r->args[0], &r->mem, &v, e);
    if (rc != 0)
        return rc;
    if (format != NULL && strcmp(format, "csv") == 0) {
        reply_csv(r, &v);
        return 0;
    }
    struct json_out out = json_out_open(&r->mem);
    put_run(&out, out.root, &v);
    put_findings(&out, &v);
    request_reply_json(r, 200, &out);
    return 0;
}
