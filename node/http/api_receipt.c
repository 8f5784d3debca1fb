/* GET /v1/cases/{case}/receipt: what an applicant takes home, in the form that is asked for.
 *
 * Happy path: case, act and form are known -> request_wait(), app_get_receipt() -> the proof comes, maybe after a wait for the
 * quorum -> it is put into its form and sent. Failure modes: no such act on the case, its author away, no checkpoint over it
 * yet: the app says so. A receipt that is not final yet is given all the same: it says so in words, JSON in "final".
 */
#include "node/http/api.h"

#include <string.h>

#include "federation/ledger/receipt.h"
#include "node/base/limits.h"
#include "node/cases/event.h"
#include "node/base/xassert.h"
#include "node/http/names.h"
#include "node/receipt/receipt_html.h"
#include "node/receipt/receipt_qr.h"

#define TYPE_TEXT "text/plain; charset=utf-8"

enum form { FORM_NONE, FORM_JSON, FORM_TEXT, FORM_COMPACT, FORM_QR, FORM_SVG, FORM_HTML };

static const struct {
    enum form form;
    const char *name;
    const char *type; /* NULL: JSON has its own way */
} forms[] = {
    {FORM_JSON, "json", NULL},
    {FORM_TEXT, "text", TYPE_TEXT},
    {FORM_COMPACT, "compact", "application/octet-stream"},
    {FORM_QR, "qr", TYPE_TEXT},
    {FORM_SVG, "svg", "image/svg+xml"},
    {FORM_HTML, "html", "text/html; charset=utf-8"},
};

static const char *param_form(const struct request *r)
{
    const char *name = request_param(r, "form");
    return name != NULL ? name : "json";
}

static size_t find_form(const char *name)
{
    size_t i = 0;
    while (i < array_count(forms) && strcmp(forms[i].name, name) != 0)
        i++;
    return i;
}

/* ---- forms ---- */

static int put_page(struct request *r, const struct app_receipt *receipt, const struct policy *policy, struct buf *out,
                    struct err *e)
{
    struct app_case_view v = {0};
    int rc = app_get_case(r->app, receipt->case_id, &r->mem, &v, e);
    if (rc != 0)
        return rc;
    const struct receipt_page page = {.proof = receipt->proof,
                                      .policy = policy,
                                      .members = app_members(r->app),
                                      .number = v.number,
                                      .item_code = v.item_code,
                                      .item_name = v.item_name};
    return receipt_html(&page, out, e);
}

static int put_svg(const struct app_receipt *receipt, const struct policy *policy, struct buf *out, struct err *e)
{
    struct buf text = {0};
    int rc = receipt_to_qr_text(receipt->proof, policy, &text, e);
    if (rc == 0)
        rc = receipt_qr_svg(buf_bytes(&text), out, e);
    buf_close(&text);
    return rc;
}

static int put_form(struct request *r, const struct app_receipt *receipt, enum form form, struct buf *out,
                    struct err *e)
{
    struct policy policy;
    int rc = policy_parse(receipt->policy, &r->mem, &policy, e);
    if (rc != 0)
        return rc;
    switch (form) {
    case FORM_COMPACT:
        return receipt_to_compact(receipt->proof, &policy, 0, out, e);
    case FORM_QR:
        return receipt_to_qr_text(receipt->proof, &policy, out, e);
    case FORM_SVG:
        return put_svg(receipt, &policy, out, e);
    case FORM_HTML:
        return put_page(r, receipt, &policy, out, e);
    default:
        buf_put(out, receipt->proof.data, receipt->proof.size);
        return 0;
    }
}

static void reply_json(struct request *r, const struct app_receipt *receipt)
{
    struct json_out out = json_out_open(&r->mem);
    json_put_hex(&out, out.root, "case", receipt->case_id, sizeof receipt->case_id);
    json_put_string(&out, out.root, "act", receipt->act);
    json_put_u64(&out, out.root, "origin", receipt->origin);
    json_put_u64(&out, out.root, "index", receipt->index);
    json_put_u64(&out, out.root, "size", receipt->tree_size);
    json_put_bool(&out, out.root, "final", receipt->is_final);
    json_put_u64(&out, out.root, "cosigned", receipt->cosigned);
    json_put_u64(&out, out.root, "needed", receipt->needed);
    json_put_u64(&out, out.root, "of", receipt->of);
    json_put_string(&out, out.root, "proof",
                    arena_strndup(&r->mem, (const char *)receipt->proof.data, receipt->proof.size));
    json_put_string(&out, out.root, "policy",
                    arena_strndup(&r->mem, (const char *)receipt->policy.data, receipt->policy.size));
    request_reply_json(r, 200, &out);
}

static void receipt_cb(void *ctx, const struct app_receipt *receipt, const struct err *e)
{
    struct request *r = ctx;
    size_t at = find_form(param_form(r));
    struct buf out = {0};
    struct err problem = *e;
    if (e->code == 0 && forms[at].form == FORM_JSON)
        reply_json(r, receipt);
    else if (e->code == 0 && put_form(r, receipt, forms[at].form, &out, &problem) == 0)
        request_reply(r, 200, forms[at].type, arena_bytes(&r->mem, buf_bytes(&out)));
    else
        request_reply_error(r, &problem);
    buf_close(&out);
    request_finish(r);
}

/* ---- requests ---- */

static void cancel_receipt(struct request *r)
{
    app_receipt_cancel(r->app, r->watch_ticket);
}

int api_get_receipt(struct request *r, struct err *e)
{
    const char *act = request_param(r, "act");
    uint16_t type = CASE_EVENT_SUBMIT;
    uint64_t wait_ms = 0;
    if (act != NULL && (type = case_event_from_name(act)) == CASE_EVENT_NONE)
        return err_set(e, ERR_INVALID, "http.parameter",
                       "parameter 'act' is '%.64s', it must be an event: submit, accept, decide, …", act);
    if (find_form(param_form(r)) == array_count(forms))
        return err_set(e, ERR_INVALID, "http.parameter",
                       "parameter 'form' is '%.64s', it must be one of: json, text, compact, qr, svg, html",
                       param_form(r));
    int rc = request_param_u64(r, "wait_ms", 0, HTTP_WAIT_MS_MAX, &wait_ms, e);
    if (rc == 0)
        rc = app_find_case(r->app, r->args[0], r->case_id, e);
    if (rc != 0)
        return rc;
    request_wait(r);
    r->cancel_cb = cancel_receipt;
    r->watch_ticket = app_get_receipt(r->app, r->case_id, type, (uint32_t)wait_ms, receipt_cb, r);
    return 0;
}
