/* Erasure of a case's content, and holds: /v1/cases/{case}/erase, /erasure, /hold, /unhold and /v1/erasures.
 *
 * A command answers when it is durable here; the answers of the other participants come later and are read with GET. Failure
 * modes: a body that breaks a rule is refused before the app hears of it; a refusal of the app comes through its callback.
 */
#include "node/http/api.h"

#include <string.h>

#include "node/base/limits.h"
#include "node/base/utf8.h"
#include "node/http/names.h"

#define ROWS_DEFAULT 100
#define REASON_BYTES_MAX 128

/* ---- showing ---- */

static void put_rows(struct json_out *out, const struct app_erasure_view *rows, size_t count)
{
    yyjson_mut_val *list = json_put_array(out, out->root, "erasures");
    for (size_t i = 0; i < count; i++) {
        const struct app_erasure_view *v = &rows[i];
        yyjson_mut_val *o = json_put_object(out, list, NULL);
        json_put_hex(out, o, "case", v->case_id, sizeof v->case_id);
        json_put_u64(out, o, "node", v->node);
        json_put_string(out, o, "node_name", v->node_name);
        json_put_string(out, o, "state", v->state);
        json_put_string(out, o, "basis", v->basis);
        json_put_string(out, o, "basis_chinese", v->basis_chinese);
        json_put_string(out, o, "article", v->article);
        json_put_time(out, o, "since", v->at_ms);
        json_put_u64(out, o, "origin", v->origin);
        json_put_u64(out, o, "index", v->index);
    }
}

int api_get_erasure(struct request *r, struct err *e)
{
    struct app_erasure_view *rows = NULL;
    size_t count = 0;
    const char *hold = "";
    int rc = app_find_case(r->app, r->args[0], r->case_id, e);
    if (rc == 0)
        rc = app_get_erasure(r->app, r->case_id, &r->mem, &rows, &count, &hold, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    json_put_hex(&out, out.root, "case", r->case_id, sizeof r->case_id);
    json_put_string(&out, out.root, "hold", hold[0] != '\0' ? hold : NULL);
    put_rows(&out, rows, count);
    request_reply_json(r, 200, &out);
    return 0;
}

int api_list_erasures(struct request *r, struct err *e)
{
    struct app_erasure_view *rows = NULL;
    size_t count = 0;
    uint64_t limit = ROWS_DEFAULT;
    int rc = request_param_u64(r, "limit", 1, LIST_ROWS_MAX, &limit, e);
    if (rc == 0)
        rc = app_list_erasures(r->app, (size_t)limit, &r->mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    put_rows(&out, rows, count);
    request_reply_json(r, 200, &out);
    return 0;
}

/* ---- commands ---- */

static void command_cb(void *ctx, const struct app_command_result *result, const struct err *e)
{
    struct request *r = ctx;
    if (e->code != 0) {
        request_reply_error(r, e);
    } else {
        struct json_out out = json_out_open(&r->mem);
        json_put_hex(&out, out.root, "case", result->case_id, sizeof result->case_id);
        json_put_u64(&out, out.root, "origin", result->origin);
        json_put_u64(&out, out.root, "first_index", result->first_index);
        json_put_u64(&out, out.root, "count", result->count);
        json_put_bool(&out, out.root, "replayed", result->replayed);
        request_reply_json(r, result->count > 0 && !result->replayed ? 201 : 200, &out);
    }
    request_finish(r);
}

/* The only field of the body, a text. */
static int decode_field(struct request *r, const char *field, size_t size_max, const char **ret, struct err *e)
{
    struct json_object o;
    int rc = request_json(r, &o, e);
    if (rc == 0)
        rc = json_check_fields(&o, &field, 1, e);
    if (rc == 0)
        rc = json_get_string(&o, field, true, size_max, ret, e);
    if (rc == 0)
        rc = app_find_case(r->app, r->args[0], r->case_id, e);
    return rc;
}

int api_post_erase(struct request *r, struct err *e)
{
    const char *code = NULL;
    int rc = decode_field(r, "basis", 64, &code, e);
    if (rc != 0)
        return rc;
    enum app_erase_basis basis = app_erase_basis_of(code);
    if (basis == 0) {
        rc = err_set(e, ERR_INVALID, "case.erase-basis", "'%.64s' is no legal basis of an erasure", code);
#define X(name, value, basis_code, chinese, article) " " basis_code
        err_hint(e, "one of:" APP_ERASE_BASES(X));
#undef X
        return rc;
    }
    const struct app_request frame = {.idempotency_key = r->idempotency_key};
    request_wait(r);
    app_erase(r->app, r->case_id, basis, &frame, command_cb, r);
    return 0;
}

int api_post_hold(struct request *r, struct err *e)
{
    const char *reason = NULL;
    int rc = decode_field(r, "reason", REASON_BYTES_MAX, &reason, e);
    if (rc == 0)
        rc = names_check_words("'reason'", "case.hold-reason", reason, e);
    if (rc != 0)
        return rc;
    const struct app_request frame = {.idempotency_key = r->idempotency_key};
    request_wait(r);
    app_hold(r->app, r->case_id, reason, &frame, command_cb, r);
    return 0;
}

int api_post_unhold(struct request *r, struct err *e)
{
    int rc = app_find_case(r->app, r->args[0], r->case_id, e);
    if (rc != 0)
        return rc;
    const struct app_request frame = {.idempotency_key = r->idempotency_key};
    request_wait(r);
    app_hold(r->app, r->case_id, NULL, &frame, command_cb, r);
    return 0;
}
