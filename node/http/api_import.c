/* /v1/catalog/import, /export and {code}/status: the own catalog, from and to the files that offices have.
 *
 * Happy path: the body is the file -> request_wait(), app_import() -> the report, with status 200 whether or not rows are bad
 * (the report is the answer; "published" says what became of it). What cannot be read as a file at all is an error.
 */
#include "node/http/api.h"

#include <string.h>

#include "catalog/import.h"
#include "node/base/limits.h"
#include "node/base/scrub.h"
#include "node/base/xassert.h"

static int param_format(const struct request *r, enum import_format *ret, struct err *e)
{
    const char *name = request_param(r, "format");
    *ret = IMPORT_JSON;
    if (name != NULL && import_format_parse(name, ret) != 0)
        return err_set(e, ERR_INVALID, "http.parameter", "parameter 'format' is '%.64s', it must be json, csv or xlsx",
                       name);
    return 0;
}

int api_param_either(const struct request *r, const char *name, const char *no, const char *yes, bool *ret,
                     struct err *e)
{
    const char *value = request_param(r, name);
    *ret = value != NULL && strcmp(value, yes) == 0;
    if (value == NULL || *ret || strcmp(value, no) == 0)
        return 0;
    return err_set(e, ERR_INVALID, "http.parameter", "parameter '%s' is '%.64s', it must be %s or %s", name, value, no,
                   yes);
}

/* What came with the file, without what looks like an identity number: it may be a wrong file. NULL: null. */
static void put_scrubbed(struct json_out *out, yyjson_mut_val *row, const char *name, const char *text)
{
    char *copy = text == NULL ? NULL : arena_strdup(out->mem, text);
    if (copy != NULL)
        scrub_text(copy);
    json_put_string(out, row, name, copy);
}

void api_put_problems(struct json_out *out, const struct import_problem *problems, size_t count, size_t total)
{
    yyjson_mut_val *list = json_put_array(out, out->root, "problems");
    for (size_t i = 0; i < count; i++) {
        const struct import_problem *p = &problems[i];
        yyjson_mut_val *row = json_put_object(out, list, NULL);
        put_scrubbed(out, row, "file", p->file);
        put_scrubbed(out, row, "sheet", p->sheet);
        json_put_u64(out, row, "line", p->line);
        json_put_u64(out, row, "column", p->column);
        put_scrubbed(out, row, "field", p->field);
        put_scrubbed(out, row, "value", p->value);
        json_put_string(out, row, "id", p->id);
        put_scrubbed(out, row, "rule", p->rule);
        json_put_string(out, row, "source", p->source);
    }
    json_put_u64(out, out->root, "problem_count", total);
}

static void put_differences(struct json_out *out, yyjson_mut_val *row, const struct item_differences *d)
{
    yyjson_mut_val *list = json_put_array(out, row, "differences");
    for (size_t i = 0; i < d->count; i++) {
        const struct item_difference *one = &d->at[i];
        yyjson_mut_val *o = json_put_object(out, list, NULL);
        json_put_string(out, o, "path", one->path);
        put_scrubbed(out, o, "before", one->before);
        put_scrubbed(out, o, "after", one->after);
        json_put_bool(out, o, "cut", one->is_cut);
    }
    json_put_u64(out, row, "difference_count", d->total);
}

static void put_changes(struct json_out *out, const char *name, const struct app_item_change *changes, size_t count)
{
    yyjson_mut_val *list = json_put_array(out, out->root, name);
    for (size_t i = 0; i < min_of(count, (size_t)IMPORT_CHANGES_MAX); i++) {
        const struct app_item_change *c = &changes[i];
        yyjson_mut_val *row = json_put_object(out, list, NULL);
        json_put_string(out, row, "code", c->code);
        json_put_string(out, row, "name", c->name);
        if (c->version_before != 0)
            json_put_u64(out, row, "version_before", c->version_before);
        else
            json_put_null(out, row, "version_before");
        json_put_u64(out, row, "version_after", c->version_after);
        json_put_string(out, row, "fields", c->fields);
        put_differences(out, row, &c->differences);
        json_put_u64(out, row, "cases", c->cases);
    }
    json_put_u64(out, out->root, arena_printf(out->mem, "%s_count", name), count);
}

static void import_cb(void *ctx, const struct app_import_result *result, const struct err *e)
{
    struct request *r = ctx;
    if (e->code != 0) {
        request_reply_error(r, e);
        request_finish(r);
        return;
    }
    struct json_out out = json_out_open(&r->mem);
    json_put_bool(&out, out.root, "published", result->published);
    json_put_u64(&out, out.root, "version", result->version);
    json_put_u64(&out, out.root, "items", result->item_count);
    json_put_u64(&out, out.root, "unchanged_count", result->unchanged_count);
    api_put_problems(&out, result->problems, result->problem_count, result->problem_total);
    put_changes(&out, "added", result->added, result->added_count);
    put_changes(&out, "changed", result->changed, result->changed_count);
    put_changes(&out, "withdrawn", result->withdrawn, result->withdrawn_count);
    request_reply_json(r, 200, &out);
    request_finish(r);
}

int api_post_import(struct request *r, struct err *e)
{
    enum import_format format = IMPORT_JSON;
    struct app_import i = {.file = buf_bytes(&r->body)};
    int rc = param_format(r, &format, e);
    if (rc == 0)
        rc = api_param_either(r, "mode", "merge", "replace", &i.replace, e);
    if (rc == 0)
        rc = api_param_either(r, "publish", "false", "true", &i.publish, e);
    if (rc != 0)
        return rc;
    i.format = (int)format;
    request_wait(r);
    app_import(r->app, &i, import_cb, r);
    return 0;
}

int api_post_item_status(struct request *r, struct err *e)
{
    static const char *const fields[] = {"status"};
    struct json_object body;
    const char *status = NULL;
    int rc = request_json(r, &body, e);
    if (rc == 0)
        rc = json_check_fields(&body, fields, array_count(fields), e);
    if (rc == 0)
        rc = json_get_string(&body, "status", true, 16, &status, e);
    if (rc == 0 && strcmp(status, "在用") != 0 && strcmp(status, "暂停") != 0 && strcmp(status, "取消") != 0)
        rc = err_set(e, ERR_INVALID, "http.value", "'status' is '%.16s', it must be 在用, 暂停 or 取消", status);
    if (rc != 0)
        return rc;
    request_wait(r);
    app_set_item_status(r->app, r->args[0], status, import_cb, r);
    return 0;
}

static void export_cb(void *ctx, struct bytes file, const struct err *e)
{
    static const char *const types[] = {
        [IMPORT_JSON] = "application/json; charset=utf-8",
        [IMPORT_CSV] = "text/csv; charset=utf-8",
        [IMPORT_XLSX] = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    };
    struct request *r = ctx;
    enum import_format format = IMPORT_JSON;
    struct err ignored;
    if (e->code != 0 || param_format(r, &format, &ignored) != 0)
        request_reply_error(r, e);
    else
        request_reply(r, 200, types[format], arena_bytes(&r->mem, file));
    request_finish(r);
}

int api_get_export(struct request *r, struct err *e)
{
    enum import_format format = IMPORT_JSON;
    bool empty = false;
    int rc = param_format(r, &format, e);
    if (rc == 0)
        rc = api_param_either(r, "empty", "false", "true", &empty, e);
    if (rc != 0)
        return rc;
    request_wait(r);
    app_export_catalog(r->app, (int)format, empty, export_cb, r);
    return 0;
}
