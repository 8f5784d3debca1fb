/* 容缺受理 in requests, views and documents: which materials are lacking, in which form and until when.
 *
 * The list stands in the sealed content of the accept (受理), as the applicant is told it: code and name of the material, its
 * form, its working days. What is openly in the ledger is the longest of the days, by which the rules count. An item's
 * names and limits are looked up when the case is accepted, so that every participant shows and prints the same, whichever
 * versions of the item it holds.
 */
#include "node/http/api.h"

#include <string.h>

#include "node/base/date.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

#define CODE_BYTES_MAX 256

/* ---- requests ---- */

static int decode_one(const struct json_object *o, struct app_lacking *ret, struct err *e)
{
    static const char *const fields[] = {"code", "days"};
    uint64_t days = 0;
    int rc = json_check_fields(o, fields, array_count(fields), e);
    if (rc == 0)
        rc = json_get_string(o, "code", true, CODE_BYTES_MAX, &ret->code, e);
    if (rc == 0)
        rc = json_get_u64(o, "days", false, 1, UINT16_MAX, &days, e);
    ret->days = (uint32_t)days;
    return rc;
}

int api_decode_lacking(const struct json_object *event, struct app_event *v, struct err *e)
{
    yyjson_val *list = NULL;
    int rc = json_get_array(event, "lacking", APP_LACKING_MAX, &list, e);
    size_t count = yyjson_arr_size(list);
    if (rc != 0 || count == 0)
        return rc;
    if (v->type != CASE_EVENT_ACCEPT)
        return err_set(e, ERR_INVALID, "case.lacking-material", "'%s' goes with accept (受理), not with %s",
                       json_path(event, "lacking"), case_event_name(v->type));
    struct app_lacking *rows = arena_alloc(event->mem, count * sizeof *rows);
    yyjson_arr_iter it = yyjson_arr_iter_with(list);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct json_object o;
        rows[i] = (struct app_lacking){0};
        rc = json_as_object(event->mem, yyjson_arr_iter_next(&it), json_path_index(event, "lacking", i), &o, e);
        if (rc == 0)
            rc = decode_one(&o, &rows[i], e);
    }
    v->lacking = rows;
    v->lacking_count = count;
    return rc;
}

int api_add_lacking(struct request *r, struct app_event *v, struct err *e)
{
    struct json_out out;
    int rc = v->type != CASE_EVENT_ACCEPT ? 0 : api_open_payload(r, v, &out, e);
    if (rc != 0 || v->type != CASE_EVENT_ACCEPT)
        return rc;
    if (yyjson_mut_obj_get(out.root, "lacking") != NULL)
        return err_set(e, ERR_INVALID, "case.lacking-material",
                       "'payload.lacking' is not checked: 'lacking' stands beside the payload");
    if (v->lacking_count == 0)
        return 0;
    struct app_lacking *rows = arena_alloc(&r->scratch, v->lacking_count * sizeof *rows);
    memcpy(rows, v->lacking, v->lacking_count * sizeof *rows);
    rc = app_case_lacking(r->app, r->case_id, v->lacking_days, &r->scratch, rows, v->lacking_count, e);
    if (rc != 0)
        return rc;
    yyjson_mut_val *list = json_put_array(&out, out.root, "lacking");
    uint32_t longest = 0;
    for (size_t i = 0; i < v->lacking_count; i++) {
        yyjson_mut_val *o = json_put_object(&out, list, NULL);
        json_put_string(&out, o, "code", rows[i].code);
        json_put_string(&out, o, "name", rows[i].name);
        json_put_string(&out, o, "form", rows[i].form);
        json_put_u64(&out, o, "days", rows[i].days);
        longest = max_of(longest, rows[i].days);
    }
    v->lacking = rows;
    v->lacking_days = (uint16_t)min_of(longest, (uint32_t)UINT16_MAX);
    return api_close_payload(r, v, &out, e);
}

/* ---- views and documents ---- */

/* One row of the list in an accept's content; false when a peer has put something else there. */
static bool read_row(yyjson_val *row, struct app_lacking *ret)
{
    yyjson_val *days = yyjson_obj_get(row, "days");
    *ret = (struct app_lacking){.code = yyjson_get_str(yyjson_obj_get(row, "code")),
                                .name = yyjson_get_str(yyjson_obj_get(row, "name")),
                                .form = yyjson_get_str(yyjson_obj_get(row, "form"))};
    if (ret->code == NULL || !yyjson_is_uint(days) || yyjson_get_uint(days) > UINT16_MAX)
        return false;
    ret->days = (uint32_t)yyjson_get_uint(days);
    return ret->days > 0;
}

/* All of them with their last days, in @mem. It may be a peer's list: of one that is longer than this node would take, the rest is passed
 * over. */
static struct app_lacking *read_rows(struct request *r, struct arena *mem, uint32_t accepted, yyjson_val *list,
                                     size_t *ret_count)
{
    size_t listed = min_of(yyjson_arr_size(list), (size_t)APP_LACKING_MAX), count = 0;
    struct app_lacking *rows = arena_alloc(mem, (listed + 1) * sizeof *rows);
    yyjson_arr_iter it = yyjson_arr_iter_with(list);
    for (size_t i = 0; i < listed; i++)
        count += read_row(yyjson_arr_iter_next(&it), &rows[count]);
    app_case_last_days(r->app, r->case_id, accepted, rows, count);
    *ret_count = count;
    return rows;
}

void api_put_lacking(struct request *r, struct json_out *out, yyjson_mut_val *to, uint32_t accepted,
                     struct bytes payload)
{
    yyjson_val *root = NULL;
    struct err e = {0};
    if (payload.size == 0 || json_parse(out->mem, payload, &root, &e) != 0)
        return; /* erased, or its key is missing: the flag and the days say that something lacks */
    yyjson_val *list = yyjson_obj_get(root, "lacking");
    if (!yyjson_is_arr(list))
        return;
    size_t count;
    const struct app_lacking *rows = read_rows(r, out->mem, accepted, list, &count);
    yyjson_mut_val *shown = json_put_array(out, to, "lacking");
    for (size_t i = 0; i < count; i++) {
        char text[DATE_TEXT_SIZE];
        yyjson_mut_val *o = json_put_object(out, shown, NULL);
        json_put_string(out, o, "code", rows[i].code);
        json_put_string(out, o, "name", rows[i].name);
        json_put_string(out, o, "form", rows[i].form);
        json_put_u64(out, o, "days", rows[i].days);
        if (rows[i].due != 0)
            date_format(rows[i].due, text);
        json_put_string(out, o, "due", rows[i].due != 0 ? arena_strdup(out->mem, text) : NULL);
    }
}

static const char *form_text(const char *form)
{
    if (form == NULL || strcmp(form, "either") == 0)
        return "纸质或者电子件";
    return strcmp(form, "paper") == 0 ? "纸质" : "电子件";
}

const char *api_lacking_text(struct request *r, uint32_t accepted, yyjson_val *content)
{
    struct buf text = {0};
    size_t count;
    const struct app_lacking *rows = read_rows(r, &r->mem, accepted, yyjson_obj_get(content, "lacking"), &count);
    for (size_t i = 0; i < count; i++) {
        const struct app_lacking *v = &rows[i];
        buf_printf(&text, "%s%zu．%s（%s，%s），自受理之日起%u个工作日内", i > 0 ? "；" : "", i + 1,
                   v->name != NULL ? v->name : v->code, v->code, form_text(v->form), v->days);
        if (v->due != 0)
            buf_printf(&text, "，即%u年%u月%u日前", v->due / 10000, v->due / 100 % 100, v->due % 100);
    }
    const char *ret = count > 0 ? arena_strdup(&r->mem, buf_cstr(&text)) : NULL;
    buf_close(&text);
    return ret;
}
