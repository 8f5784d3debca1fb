/* /v1/bundles: 一件事, those that all nodes publish, and publishing own ones.
 *
 * Failure modes: rows of an import that are wrong are in its report, with status 200; what cannot be read as a file at all is an
 * error.
 */
#include "node/http/api.h"

#include <string.h>

#include "catalog/import.h"
#include "node/app_bundle.h"
#include "node/base/date.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

#define ROWS_DEFAULT 100

static void put_date(struct json_out *out, yyjson_mut_val *to, const char *key, uint32_t date)
{
    char text[DATE_TEXT_SIZE];
    if (date == 0)
        return;
    date_format(date, text);
    json_put_string(out, to, key, arena_strdup(out->mem, text));
}

static void put_summary(struct json_out *out, yyjson_mut_val *to, const struct app_bundle_view *v)
{
    json_put_u64(out, to, "node", v->node);
    json_put_string(out, to, "node_name", v->node_name);
    json_put_string(out, to, "code", v->code);
    json_put_string(out, to, "name", v->name);
    json_put_string(out, to, "life_event", v->life_event);
    json_put_u64(out, to, "version", v->version);
    json_put_u64(out, to, "index", v->index);
    json_put_bool(out, to, "withdrawn", v->withdrawn);
    json_put_bool(out, to, "in_force", v->is_in_force);
    json_put_string(out, to, "status", v->status);
    put_date(out, to, "valid_from", v->valid_from);
    put_date(out, to, "valid_to", v->valid_to);
}

int api_list_bundles(struct request *r, struct err *e)
{
    uint64_t node = 0, region = 0, limit = ROWS_DEFAULT;
    struct app_bundle_filter f = {.text = request_param(r, "text"), .life_event = request_param(r, "life_event")};
    struct app_bundle_view *rows = NULL;
    size_t count = 0;
    int rc = request_param_u64(r, "node", 100000, 999999, &node, e);
    if (rc == 0)
        rc = request_param_u64(r, "region", 110000, 999999, &region, e);
    if (rc == 0)
        rc = request_param_u64(r, "limit", 1, LIST_ROWS_MAX, &limit, e);
    if (rc == 0)
        rc = request_param_date(r, "date", &f.date, e);
    if (rc == 0)
        rc = api_param_after(r, &f.after_node, &f.after_code, e);
    f.node = (uint32_t)node;
    f.region = (uint32_t)region;
    f.limit = (size_t)limit;
    if (rc == 0)
        rc = app_list_bundles(r->app, &f, &r->mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    yyjson_mut_val *list = json_put_array(&out, out.root, "bundles");
    for (size_t i = 0; i < count; i++)
        put_summary(&out, json_put_object(&out, list, NULL), &rows[i]);
    if (count == f.limit)
        json_put_string(&out, out.root, "next",
                        arena_printf(&r->mem, "%u:%s", rows[count - 1].node, rows[count - 1].code));
    else
        json_put_null(&out, out.root, "next");
    request_reply_json(r, 200, &out);
    return 0;
}

int api_put_bundles(struct request *r, const struct app_search *s, struct json_out *out, struct err *e)
{
    const struct app_bundle_filter f = {
        .node = s->node, .text = s->text, .life_event = s->life_event, .region = s->region, .limit = s->limit};
    struct app_bundle_view *rows = NULL;
    size_t count = 0;
    bool is_first = s->after_id == 0; /* they stand on the first page */
    bool is_asked = is_first && ((s->text != NULL && s->text[0] != '\0') || s->life_event != NULL || s->region != 0);
    int rc = is_asked ? app_list_bundles(r->app, &f, &r->mem, &rows, &count, e) : 0;
    yyjson_mut_val *list = json_put_array(out, out->root, "bundles");
    for (size_t i = 0; rc == 0 && i < count; i++)
        put_summary(out, json_put_object(out, list, NULL), &rows[i]);
    return rc;
}

int api_arg_node(const struct request *r, uint32_t *ret, struct err *e)
{
    uint64_t node = 0;
    if (decimal_parse(bytes_of_string(r->args[0]), &node) != 0 || node < 100000 || node > 999999)
        return err_set(e, ERR_INVALID, "http.parameter", "'%.64s' is no node code of six digits", r->args[0]);
    *ret = (uint32_t)node;
    return 0;
}

static int reply_bundle(struct request *r, struct app_bundle_question *q, struct err *e)
{
    struct app_bundle_view v = {0};
    uint64_t version = 0;
    int rc = request_param_u64(r, "version", 1, UINT32_MAX, &version, e);
    if (rc == 0)
        rc = request_param_date(r, "date", &q->date, e);
    q->version = (uint32_t)version;
    if (rc == 0)
        rc = app_get_bundle(r->app, q, &r->mem, &v, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    put_summary(&out, out.root, &v);
    json_put_json(&out, out.root, "bundle", v.json);
    request_reply_json(r, 200, &out);
    return 0;
}

int api_get_bundle(struct request *r, struct err *e)
{
    struct app_bundle_question q = {.code = r->args[0]};
    return reply_bundle(r, &q, e);
}

int api_get_bundle_of_node(struct request *r, struct err *e)
{
    struct app_bundle_question q = {.code = r->args[1]};
    int rc = api_arg_node(r, &q.node, e);
    return rc != 0 ? rc : reply_bundle(r, &q, e);
}

int api_list_bundle_versions(struct request *r, struct err *e)
{
    uint32_t node = 0;
    struct app_bundle_view *rows = NULL;
    size_t count = 0;
    int rc = api_arg_node(r, &node, e);
    if (rc == 0)
        rc = app_list_bundle_versions(r->app, node, r->args[1], &r->mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    yyjson_mut_val *list = json_put_array(&out, out.root, "versions");
    for (size_t i = 0; i < count; i++) {
        yyjson_mut_val *row = json_put_object(&out, list, NULL);
        json_put_u64(&out, row, "version", rows[i].version);
        json_put_u64(&out, row, "index", rows[i].index);
        json_put_bool(&out, row, "withdrawn", rows[i].withdrawn);
        json_put_bool(&out, row, "in_force", rows[i].is_in_force);
        json_put_string(&out, row, "status", rows[i].status);
        put_date(&out, row, "valid_from", rows[i].valid_from);
        put_date(&out, row, "valid_to", rows[i].valid_to);
    }
    request_reply_json(r, 200, &out);
    return 0;
}

/* ---- publishing ---- */

static void import_cb(void *ctx, const struct app_bundle_import_result *result, const struct err *e)
{
    struct request *r = ctx;
    if (e->code != 0) {
        request_reply_error(r, e);
        request_finish(r);
        return;
    }
    struct json_out out = json_out_open(&r->mem);
    json_put_bool(&out, out.root, "published", result->published);
    json_put_u64(&out, out.root, "bundles", result->bundle_count);
    json_put_u64(&out, out.root, "unchanged_count", result->unchanged_count);
    api_put_problems(&out, result->problems, result->problem_count, result->problem_total);
    yyjson_mut_val *list = json_put_array(&out, out.root, "changes");
    for (size_t i = 0; i < result->change_count; i++) {
        const struct app_bundle_change *c = &result->changes[i];
        yyjson_mut_val *row = json_put_object(&out, list, NULL);
        json_put_string(&out, row, "code", c->code);
        json_put_string(&out, row, "name", c->name);
        if (c->version_before != 0)
            json_put_u64(&out, row, "version_before", c->version_before);
        else
            json_put_null(&out, row, "version_before");
        json_put_u64(&out, row, "version_after", c->version_after);
    }
    request_reply_json(r, 200, &out);
    request_finish(r);
}

int api_post_bundles(struct request *r, struct err *e)
{
    bool publish = false;
    int rc = api_param_either(r, "publish", "false", "true", &publish, e);
    if (rc != 0)
        return rc;
    request_wait(r);
    app_import_bundles(r->app, buf_bytes(&r->body), publish, import_cb, r);
    return 0;
}

static void withdraw_cb(void *ctx, const struct app_command_result *result, const struct err *e)
{
    struct request *r = ctx;
    if (e->code != 0) {
        request_reply_error(r, e);
    } else {
        struct json_out out = json_out_open(&r->mem);
        json_put_u64(&out, out.root, "origin", result->origin);
        json_put_u64(&out, out.root, "index", result->first_index);
        request_reply_json(r, 201, &out);
    }
    request_finish(r);
}

int api_post_bundle_withdraw(struct request *r, struct err *e)
{
    (void)e;
    request_wait(r);
    app_withdraw_bundle(r->app, r->args[0], withdraw_cb, r);
    return 0;
}
