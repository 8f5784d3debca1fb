/* /v1/catalog: the service items of this node and of its peers. */
#include "node/http/api.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/limits.h"

#define ROWS_DEFAULT 100
#define SEARCH_ROWS_MAX 100

static void put_summary(struct json_out *out, yyjson_mut_val *to, const struct app_item_view *v)
{
    json_put_u64(out, to, "node", v->node);
    json_put_string(out, to, "node_name", v->node_name);
    json_put_string(out, to, "code", v->code);
    json_put_string(out, to, "name", v->name);
    json_put_u64(out, to, "version", v->version);
    json_put_bool(out, to, "withdrawn", v->withdrawn);
}

int api_param_after(const struct request *r, uint32_t *ret_node, const char **ret_code, struct err *e)
{
    const char *token = request_param(r, "after");
    if (token == NULL)
        return 0;
    const char *colon = strchr(token, ':');
    uint64_t node = 0;
    if (colon == NULL || colon[1] == '\0' || decimal_parse(bytes_of(token, (size_t)(colon - token)), &node) != 0 ||
        node > UINT32_MAX)
        return err_set(e, ERR_INVALID, "http.parameter",
                       "parameter 'after' is '%.64s', it must be the 'next' of an earlier page", token);
    *ret_node = (uint32_t)node;
    *ret_code = colon + 1;
    return 0;
}

int api_list_items(struct request *r, struct err *e)
{
    uint64_t node = 0, limit = ROWS_DEFAULT;
    struct app_item_filter f = {.text = request_param(r, "text")};
    int rc = request_param_u64(r, "node", 100000, 999999, &node, e);
    if (rc == 0)
        rc = request_param_u64(r, "limit", 1, LIST_ROWS_MAX, &limit, e);
    if (rc == 0)
        rc = api_param_after(r, &f.after_node, &f.after_code, e);
    if (rc != 0)
        return rc;
    f.node = (uint32_t)node;
    f.limit = (size_t)limit;

    struct app_item_view *rows = NULL;
    size_t count = 0;
    rc = app_list_items(r->app, &f, &r->mem, &rows, &count, e);
    if (rc != 0)
        return rc;

    struct json_out out = json_out_open(&r->mem);
    yyjson_mut_val *list = json_put_array(&out, out.root, "items");
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

static int reply_view(struct request *r, const struct app_item_view *v)
{
    struct json_out out = json_out_open(&r->mem);
    put_summary(&out, out.root, v);
    json_put_json(&out, out.root, "item", v->json);
    request_reply_json(r, 200, &out);
    return 0;
}

static int reply_item(struct request *r, uint32_t node, const char *code, struct err *e)
{
    struct app_item_view v = {0};
    int rc = app_get_item(r->app, node, code, &r->mem, &v, e);
    return rc != 0 ? rc : reply_view(r, &v);
}

int api_get_item(struct request *r, struct err *e)
{
    return reply_item(r, 0, r->args[0], e);
}

int api_get_item_of_node(struct request *r, struct err *e)
{
    uint32_t node = 0;
    uint64_t version = 0;
    struct app_item_view v = {0};
    int rc = api_arg_node(r, &node, e);
    if (rc == 0)
        rc = request_param_u64(r, "version", 1, UINT32_MAX, &version, e);
    if (rc != 0 || version == 0)
        return rc != 0 ? rc : reply_item(r, node, r->args[1], e);
    rc = app_get_item_version(r->app, node, r->args[1], (uint32_t)version, &r->mem, &v, e);
    return rc != 0 ? rc : reply_view(r, &v);
}

int api_list_item_versions(struct request *r, struct err *e)
{
    uint32_t node = 0;
    struct app_item_version_view *rows = NULL;
    size_t count = 0;
    int rc = api_arg_node(r, &node, e);
    if (rc == 0)
        rc = app_list_item_versions(r->app, node, r->args[1], &r->mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    yyjson_mut_val *list = json_put_array(&out, out.root, "versions");
    for (size_t i = 0; i < count; i++) {
        yyjson_mut_val *row = json_put_object(&out, list, NULL);
        json_put_u64(&out, row, "version", rows[i].version);
        json_put_u64(&out, row, "index", rows[i].index);
        json_put_bool(&out, row, "withdrawn", rows[i].withdrawn);
    }
    request_reply_json(r, 200, &out);
    return 0;
}

/* "after": the 'next' of an earlier page, step:id. */
static int param_place(const struct request *r, struct app_search *s, struct err *e)
{
    const char *token = request_param(r, "after");
    if (token == NULL)
        return 0;
    const char *colon = strchr(token, ':');
    uint64_t step = 0;
    if (colon == NULL || decimal_parse(bytes_of(token, (size_t)(colon - token)), &step) != 0 || step > UINT32_MAX ||
        decimal_parse(bytes_of_string(colon + 1), &s->after_id) != 0 || s->after_id == 0 || s->after_id > INT64_MAX)
        return err_set(e, ERR_INVALID, "http.parameter",
                       "parameter 'after' is '%.64s', it must be the 'next' of an earlier page", token);
    s->after_step = (uint32_t)step;
    return 0;
}

int api_search_items(struct request *r, struct err *e)
{
    uint64_t node = 0, region = 0, limit = 20;
    struct app_search s = {.text = request_param(r, "text"), .life_event = request_param(r, "life_event")};
    struct app_search_hit *hits = NULL;
    size_t count = 0;
    int rc = request_param_u64(r, "node", 100000, 999999, &node, e);
    if (rc == 0)
        rc = request_param_u64(r, "region", 110000, 999999, &region, e);
    if (rc == 0)
        rc = request_param_u64(r, "limit", 1, SEARCH_ROWS_MAX, &limit, e);
    if (rc == 0)
        rc = param_place(r, &s, e);
    s.node = (uint32_t)node;
    s.region = (uint32_t)region;
    s.limit = (size_t)limit;
    if (rc == 0)
        rc = app_search_items(r->app, &s, &r->mem, &hits, &count, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    yyjson_mut_val *list = json_put_array(&out, out.root, "items");
    for (size_t i = 0; i < count; i++) {
        yyjson_mut_val *row = json_put_object(&out, list, NULL);
        put_summary(&out, row, &hits[i].item);
        json_put_string(&out, row, "match", hits[i].match);
    }
    if (count == s.limit && hits[count - 1].id != 0)
        json_put_string(&out, out.root, "next",
                        arena_printf(&r->mem, "%u:%llu", hits[count - 1].step, (unsigned long long)hits[count - 1].id));
    else
        json_put_null(&out, out.root, "next");
    rc = api_put_bundles(r, &s, &out, e);
    if (rc != 0)
        return rc;
    request_reply_json(r, 200, &out);
    return 0;
}
