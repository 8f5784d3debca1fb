/* /v1/identity: kinds of identity number, and whether a number has the form of its kind. Nothing is kept or logged. */
#include "node/http/api.h"

#include "node/base/xassert.h"
#include "node/cases/identity.h"
#include "node/http/names.h"

int api_get_identity_types(struct request *r, struct err *e)
{
    (void)e;
    static const char *const holders[] = {[IDENTITY_OF_ANYBODY] = "anybody",
                                          [IDENTITY_OF_PERSON] = "person",
                                          [IDENTITY_OF_ORGANISATION] = "organisation"};
    const struct identity_kind_row *rows;
    size_t count = identity_kinds(&rows);
    struct json_out out = json_out_open(&r->mem);
    yyjson_mut_val *list = json_put_array(&out, out.root, "types");
    for (size_t i = 0; i < count; i++) {
        yyjson_mut_val *row = json_put_object(&out, list, NULL);
        json_put_string(&out, row, "id_type", rows[i].wire);
        json_put_string(&out, row, "chinese", rows[i].chinese);
        json_put_string(&out, row, "holder", holders[rows[i].holder]);
        json_put_string(&out, row, "source", rows[i].source);
    }
    request_reply_json(r, 200, &out);
    return 0;
}

int api_post_identity_check(struct request *r, struct err *e)
{
    static const char *const fields[] = {"id_type", "id_number"};
    struct json_object o;
    unsigned kind = 0;
    const char *id_type = NULL, *number = NULL;
    struct app_identity_view view;
    int rc = request_json(r, &o, e);
    if (rc == 0)
        rc = json_check_fields(&o, fields, array_count(fields), e);
    if (rc == 0)
        rc = names_get(&o, "id_type", true, names_id_types, &kind, &id_type, e);
    if (rc == 0)
        rc = json_get_string(&o, "id_number", true, IDENTITY_NUMBER_BYTES_MAX, &number, e);
    if (rc == 0)
        rc = app_check_identity(r->app, id_type, number, &r->mem, &view, e);
    if (rc != 0)
        return rc;

    struct json_out out = json_out_open(&r->mem);
    json_put_bool(&out, out.root, "valid", view.is_valid);
    json_put_string(&out, out.root, "rule", view.rule);
    json_put_string(&out, out.root, "explanation", view.explanation);
    json_put_string(&out, out.root, "masked", view.masked);
    if (view.division != 0)
        json_put_u64(&out, out.root, "division", view.division);
    else
        json_put_null(&out, out.root, "division");
    json_put_string(&out, out.root, "division_name", view.division_name);
    if (view.birth_year != 0)
        json_put_u64(&out, out.root, "birth_year", view.birth_year);
    else
        json_put_null(&out, out.root, "birth_year");
    yyjson_mut_val *warnings = json_put_array(&out, out.root, "warnings");
    for (size_t i = 0; i < view.warning_count; i++)
        json_put_string(&out, warnings, NULL, view.warnings[i]);
    request_reply_json(r, 200, &out);
    return 0;
}
