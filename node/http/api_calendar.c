/* /v1/calendar: how the days of a year are counted, and publishing the days off of this node.
 *
 * Failure modes: a body that is no calendar is refused with the date that is wrong (catalog/calendar.h); a division of
 * another node is refused.
 */
#include "node/http/api.h"

#include "node/base/date.h"
#include "node/base/limits.h"

static int division_param(const struct request *r, uint32_t *ret, struct err *e)
{
    uint64_t division = 0;
    int rc = request_param_u64(r, "division", 100000, 999999, &division, e);
    *ret = (uint32_t)division;
    return rc;
}

int api_get_calendar(struct request *r, struct err *e)
{
    uint64_t node = 0, year = 0;
    uint32_t division = 0;
    struct app_calendar_view v;
    int rc = division_param(r, &division, e);
    if (rc == 0)
        rc = request_param_u64(r, "node", 100000, 999999, &node, e);
    if (rc == 0)
        rc = request_param_u64(r, "year", 2000, 2100, &year, e);
    if (rc == 0 && year == 0)
        rc = err_set(e, ERR_INVALID, "http.parameter", "parameter 'year' is missing, such as year=2026");
    if (rc == 0)
        rc = app_get_calendar(r->app, (uint32_t)node, division, (uint32_t)year, &v, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    json_put_u64(&out, out.root, "node", v.node);
    if (v.division != 0)
        json_put_u64(&out, out.root, "division", v.division);
    json_put_u64(&out, out.root, "year", v.year);
    json_put_bool(&out, out.root, "published", v.is_published);
    json_put_bool(&out, out.root, "provisional", v.is_provisional);
    json_put_u64(&out, out.root, "working_days", v.working_days);
    yyjson_mut_val *days = json_put_array(&out, out.root, "days");
    for (size_t i = 0; i < v.day_count; i++) {
        char text[DATE_TEXT_SIZE];
        date_format(v.days[i].date, text);
        yyjson_mut_val *o = json_put_object(&out, days, NULL);
        json_put_string(&out, o, "date", arena_strdup(&r->mem, text));
        json_put_string(&out, o, "type", v.days[i].is_working ? "workday" : "holiday");
    }
    request_reply_json(r, 200, &out);
    return 0;
}

static void imported_cb(void *ctx, const struct app_command_result *result, const struct err *e)
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

int api_post_calendar(struct request *r, struct err *e)
{
    uint32_t division = 0;
    yyjson_val *root = NULL;
    int rc = division_param(r, &division, e);
    if (rc == 0)
        rc = json_parse(&r->scratch, buf_bytes(&r->body), &root, e);
    if (rc != 0)
        return rc;
    struct bytes days = json_canonical(&r->scratch, root);
    request_wait(r);
    app_import_calendar(r->app, division, days, imported_cb, r);
    return 0;
}
