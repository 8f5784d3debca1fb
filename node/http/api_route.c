/* GET /v1/route: who decides an item for a division on a day, and why. */
#include "node/http/api.h"

#include <string.h>

#include "node/base/date.h"

static void put_winner(struct json_out *out, const struct app_route *route)
{
    if (route->node == 0) {
        json_put_null(out, out->root, "decides");
        return;
    }
    yyjson_mut_val *who = json_put_object(out, out->root, "decides");
    json_put_u64(out, who, "node", route->node);
    json_put_string(out, who, "node_name", route->node_name);
    json_put_string(out, who, "code", route->code);
    json_put_string(out, who, "name", route->name);
    json_put_string(out, who, "department", route->department);
    json_put_u64(out, who, "division", route->item_division);
    json_put_u64(out, who, "level", route->level);
}

int api_get_route(struct request *r, struct err *e)
{
    uint64_t division = 0, level = 0;
    struct app_route_question q = {.item = request_param(r, "item")};
    struct app_route route = {0};
    int rc = request_param_u64(r, "division", 110000, 999999, &division, e);
    if (rc == 0)
        rc = request_param_u64(r, "level", 1, 6, &level, e);
    if (rc == 0)
        rc = request_param_date(r, "date", &q.date, e);
    if (rc == 0 && (q.item == NULL || q.item[0] == '\0' || division == 0))
        rc = err_set(e, ERR_INVALID, "http.parameter", "parameters 'item' and 'division' are needed");
    q.division = (uint32_t)division;
    q.level = (uint32_t)level;
    if (rc == 0)
        rc = app_explain_route(r->app, &q, &r->mem, &route, e);
    if (rc != 0)
        return rc;

    char date[DATE_TEXT_SIZE];
    struct json_out out = json_out_open(&r->mem);
    date_format(route.date, date);
    put_winner(&out, &route);
    json_put_u64(&out, out.root, "division", route.division);
    json_put_string(&out, out.root, "division_name", route.division_name);
    json_put_string(&out, out.root, "date", arena_strdup(&r->mem, date));
    yyjson_mut_val *steps = json_put_array(&out, out.root, "steps");
    for (size_t i = 0; i < route.step_count; i++) {
        yyjson_mut_val *step = json_put_object(&out, steps, NULL);
        json_put_string(&out, step, "rule", route.steps[i].rule);
        json_put_string(&out, step, "source", route.steps[i].source);
        json_put_bool(&out, step, "passed", route.steps[i].passed);
        json_put_string(&out, step, "text", route.steps[i].text);
    }
    request_reply_json(r, 200, &out);
    return 0;
}
