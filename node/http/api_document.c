/* GET /v1/cases/{case}/document: the document (文书) of an act, to print.
 *
 * Happy path: the case's last effective event of the act -> its content and the application's, read with the purpose that the
 * caller states (a document names the applicant) -> request_wait(), app_get_receipt() for the code -> the page. Failure modes:
 * no such act on the case, no document for it, content that is erased or whose key is missing: refused. A receipt that is
 * not there yet gives a page that says so.
 */
#include "node/http/api.h"

#include <string.h>

#include "federation/ledger/receipt.h"
#include "node/base/date.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/cases/casefile.h"
#include "node/cases/deadline.h"
#include "node/http/names.h"
#include "node/receipt/document.h"
#include "node/receipt/receipt_html.h"
#include "node/receipt/receipt_qr.h"

#define FIELDS_MAX 32u
/* 行政许可法第三十二条第一款第四项; of nothing but licences */
#define SILENCE "逾期不告知的，自收到申请材料之日起即为受理。"
/* 行政许可法第八十二条: holidays are no working days, and those of that year are not known yet */
#define PROVISIONAL "（暂定：相应年度的放假安排尚未公布，公布后按其重新计算）"

/* ---- what stands in it ---- */

struct filling {
    struct arena *mem;
    struct document_field fields[FIELDS_MAX];
    size_t count;
};

static void put(struct filling *f, const char *name, const char *value)
{
    xassert(f->count < FIELDS_MAX);
    f->fields[f->count++] = (struct document_field){.name = name, .value = value};
}

/* 20261128 -> 2026年11月28日; NULL for 0. */
static const char *chinese_date(struct arena *mem, uint32_t date)
{
    return date == 0 ? NULL : arena_printf(mem, "%u年%u月%u日", date / 10000, date / 100 % 100, date % 100);
}

static const char *number_text(struct arena *mem, uint64_t n)
{
    return n == 0 ? NULL : arena_printf(mem, "%llu", (unsigned long long)n);
}

/* "12个工作日", "30日"; NULL for 0. */
static const char *days_text(struct arena *mem, uint16_t days, uint8_t unit)
{
    return days == 0 ? NULL : arena_printf(mem, unit == CASE_UNIT_NATURAL ? "%u日" : "%u个工作日", days);
}

static const char *node_text(struct request *r, uint32_t code)
{
    const struct member *m = members_find(app_members(r->app), code);
    return m != NULL ? m->name : number_text(&r->mem, code);
}

static const char *string_of(yyjson_val *o, const char *name)
{
    yyjson_val *v = yyjson_is_obj(o) ? yyjson_obj_get(o, name) : NULL;
    return yyjson_is_str(v) ? yyjson_get_str(v) : NULL;
}

/* "申请表.pdf、证明.pdf" */
static const char *material_names(struct arena *mem, yyjson_val *application)
{
    struct buf text = {0};
    const char *ret = NULL;
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(application, "materials"));
    for (yyjson_val *m = yyjson_arr_iter_next(&it); m != NULL; m = yyjson_arr_iter_next(&it)) {
        const char *name = string_of(m, "name");
        if (name != NULL)
            buf_printf(&text, "%s%s", text.size > 0 ? "、" : "", name);
    }
    if (text.size > 0)
        ret = arena_strdup(mem, buf_cstr(&text));
    buf_close(&text);
    return ret;
}

/* The last day; when it lies beyond the published holidays, with the word that it may still move. */
static const char *due_text(struct arena *mem, const struct app_case_view *v, const char *kind)
{
    for (size_t i = 0; i < v->deadline_count; i++) {
        const struct app_due_view *d = &v->deadlines[i];
        if (strcmp(d->kind, kind) != 0)
            continue;
        const char *day = chinese_date(mem, d->due);
        return day == NULL || !d->is_provisional ? day : arena_printf(mem, "%s" PROVISIONAL, day);
    }
    return NULL;
}

static const char *channel_text(uint8_t channel)
{
    static const char *const names[] = {NULL, "窗口领取", "邮寄", "电子送达"};
    return channel < array_count(names) ? names[channel] : NULL;
}

/* When the legal review passed that the decision had to wait for; NULL when there was none. */
static const char *review_text(struct arena *mem, const struct app_case_view *v)
{
    const struct app_case_event_view *review = api_last_event(v, CASE_EVENT_REVIEW);
    if ((v->flags & CASE_FLAG_REVIEWED) == 0 || review == NULL)
        return NULL;
    return arena_printf(mem, "%s通过", chinese_date(mem, deadline_date_of_hlc(review->at_ms << 16)));
}

/* When the material came that an acceptance by silence is about: the last 签收 or 补正. */
static const char *received_text(struct arena *mem, const struct app_case_view *v)
{
    const struct app_case_event_view *receipt = api_last_event(v, CASE_EVENT_RECEIPT),
                                     *supplement = api_last_event(v, CASE_EVENT_SUPPLEMENT);
    const struct app_case_event_view *last = supplement != NULL ? supplement : receipt;
    return last == NULL ? NULL : chinese_date(mem, deadline_date_of_hlc(last->at_ms << 16));
}

/* 容缺受理, or how the law says it of an application that lacks nothing (行政许可法第三十二条第一款第五项). */
static void fill_acceptance(struct request *r, const struct app_case_view *v, const struct app_case_event_view *event,
                            yyjson_val *content, struct filling *f)
{
    uint16_t days = event->type == CASE_EVENT_ACCEPT ? event->attrs.lacking_days : 0;
    const char *last = days != 0 ? due_text(f->mem, v, "lacking") : NULL;
    put(f, "complete",
        days != 0 ? "主要申请材料齐全、符合法定形式，欠缺的次要材料可以在受理后补交" : "申请材料齐全、符合法定形式");
    put(f, "lacking_days", number_text(f->mem, days));
    put(f, "lacking_due", last != NULL ? arena_printf(f->mem, "，最迟为%s", last) : NULL);
    put(f, "lacking", days != 0 ? api_lacking_text(r, deadline_date_of_hlc(event->at_ms << 16), content) : NULL);
}

static void fill(struct request *r, const struct app_case_view *v, const struct app_case_event_view *event,
                 yyjson_val *application, yyjson_val *content, struct filling *f)
{
    struct arena *mem = f->mem;
    char hex[2 * CASE_ID_SIZE + 1];
    hex_encode(v->case_id, sizeof v->case_id, hex);
    yyjson_val *applicant = yyjson_is_obj(application) ? yyjson_obj_get(application, "applicant") : NULL;
    put(f, "case", arena_strdup(mem, hex));
    put(f, "number", v->number[0] != '\0' ? arena_strdup(mem, v->number) : NULL);
    put(f, "item", arena_strdup(mem, v->item_name[0] != '\0' ? v->item_name : v->item_code));
    put(f, "applicant", string_of(applicant, "name"));
    put(f, "receiving", node_text(r, v->receiving));
    put(f, "lead", node_text(r, v->lead));
    put(f, "author", node_text(r, event->origin));
    put(f, "date", chinese_date(mem, deadline_date_of_hlc(event->at_ms << 16)));
    put(f, "due", due_text(mem, v, "decide"));
    put(f, "deliver_due", due_text(mem, v, "deliver"));
    put(f, "materials", material_names(mem, application));
    put(f, "reason", string_of(content, "reason"));
    put(f, "note", string_of(content, "note"));
    put(f, "remedies", string_of(content, "remedies"));
    put(f, "reason_code", event->attrs.reason[0] != '\0' ? event->attrs.reason : NULL);
    put(f, "channel", channel_text(event->attrs.channel));
    bool is_other = event->attrs.pause_kind == CASE_PAUSE_OTHER;
    put(f, "pause", is_other ? "其他特别程序" : case_pause_chinese(event->attrs.pause_kind));
    put(f, "expected", days_text(mem, event->attrs.expected_days, event->attrs.unit));
    put(f, "basis", string_of(content, "basis"));
    put(f, "extend_days", number_text(mem, event->attrs.extend_days));
    const char *due = due_text(mem, v, "decide"); /* none while a special procedure runs, or when nothing limits it */
    put(f, "extended_due", due != NULL ? arena_printf(mem, "，将于%s前作出决定", due) : NULL);
    fill_acceptance(r, v, event, content, f);
    put(f, "silence", (v->terms & CASE_TERM_LICENCE) != 0 ? SILENCE : NULL);
    put(f, "reviewed", review_text(mem, v));
    put(f, "received", received_text(mem, v));
}

/* The content of an event, NULL when it has none. */
static int read_content(struct request *r, const struct app_case_event_view *event, const char *purpose,
                        yyjson_val **ret, struct err *e)
{
    struct bytes text = {0};
    *ret = NULL;
    if (event == NULL || event->content == APP_CONTENT_NONE)
        return 0;
    int rc = app_get_payload(r->app, r->case_id, event->origin, event->index, purpose, &r->mem, &text, e);
    return rc == 0 ? json_parse(&r->mem, text, ret, e) : rc;
}

/* ---- the page ---- */

static int make_page(struct request *r, const struct app_receipt *receipt, const struct err *why, struct buf *out,
                     struct err *e)
{
    struct app_case_view v = {0};
    struct filling f = {.mem = &r->mem};
    struct buf qr = {0};
    struct policy policy;
    struct err no_code = {0};
    yyjson_val *application = NULL, *content = NULL;
    const char *purpose = request_param(r, "purpose");
    uint16_t act = case_event_from_name(request_param(r, "act"));
    int rc = app_get_case(r->app, r->case_id, &r->mem, &v, e);
    const struct app_case_event_view *event = rc == 0 ? api_last_event(&v, act) : NULL;
    if (rc == 0 && event == NULL)
        rc = err_set(e, ERR_NOT_FOUND, "document.no-act", "this case has no effective event '%s'",
                     request_param(r, "act"));
    if (rc == 0 && !document_exists(act, event->attrs.decision))
        rc = err_set(e, ERR_NOT_FOUND, "document.act", "there is no document for '%s'", request_param(r, "act"));
    if (rc == 0)
        rc = read_content(r, api_last_event(&v, CASE_EVENT_SUBMIT), purpose, &application, e);
    if (rc == 0)
        rc = act == CASE_EVENT_SUBMIT ? 0 : read_content(r, event, purpose, &content, e);
    if (rc != 0)
        return rc;
    fill(r, &v, event, application, content, &f);
    struct document_page page = {.act = act,
                                 .decision = event->attrs.decision,
                                 .is_deemed = act == CASE_EVENT_ACCEPT && event->role == CASE_ROLE_SYSTEM,
                                 .fields = f.fields,
                                 .field_count = f.count};
    if (receipt != NULL && policy_parse(receipt->policy, &r->mem, &policy, &no_code) == 0 &&
        receipt_to_qr_text(receipt->proof, &policy, &qr, &no_code) == 0)
        page.qr_text = buf_bytes(&qr);
    else
        page.why =
            arena_printf(&r->mem, "凭证尚未生成（%s），可稍后重新打印。", receipt == NULL ? why->id : no_code.id);
    rc = document_html(&page, out, e);
    buf_close(&qr);
    return rc;
}

static void receipt_cb(void *ctx, const struct app_receipt *receipt, const struct err *why)
{
    struct request *r = ctx;
    struct buf out = {0};
    struct err e = {0};
    if (make_page(r, why->code == 0 ? receipt : NULL, why, &out, &e) == 0)
        request_reply(r, 200, "text/html; charset=utf-8", arena_bytes(&r->mem, buf_bytes(&out)));
    else
        request_reply_error(r, &e);
    buf_close(&out);
    request_finish(r);
}

static void cancel_receipt(struct request *r)
{
    app_receipt_cancel(r->app, r->watch_ticket);
}

int api_get_document(struct request *r, struct err *e)
{
    const char *act = request_param(r, "act");
    uint64_t wait_ms = 0;
    uint16_t type = act != NULL ? case_event_from_name(act) : CASE_EVENT_NONE;
    int rc = api_check_purpose(request_param(r, "purpose"), e);
    if (rc == 0 && type == CASE_EVENT_NONE)
        rc = err_set(e, ERR_INVALID, "http.parameter",
                     "parameter 'act' is '%.64s', it must be an event: submit, accept, correct, decide, …",
                     act != NULL ? act : "");
    if (rc == 0)
        rc = request_param_u64(r, "wait_ms", 1, HTTP_WAIT_MS_MAX, &wait_ms, e);
    if (rc == 0)
        rc = app_find_case(r->app, r->args[0], r->case_id, e);
    if (rc != 0)
        return rc;
    request_wait(r);
    r->cancel_cb = cancel_receipt;
    r->watch_ticket = app_get_receipt(r->app, r->case_id, type, (uint32_t)wait_ms, receipt_cb, r);
    return 0;
}
