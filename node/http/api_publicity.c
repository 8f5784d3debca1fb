/* GET /v1/publicity: licence decisions that are to be made public (双公示), as lines of the public list.
 *
 * The fields are those of the list that 信用中国 takes (行政许可), by their names there. They come from the application (who),
 * the decision (`licence` in its content: number, category, validity, …), the item in the version of the case (which authority) and
 * the case. What nobody has said stays empty and is named in `missing`; nothing is made up. Of natural persons the name and the
 * number are masked, as everywhere outside the sealed content; the reading of contents goes to the log.
 *
 * Happy path: the list of what is not public yet -> one line each -> JSON, or CSV as spreadsheet programs take it. That a line has
 * been handed over is said by the event publish of its case. Failure modes: content erased or its key missing: the line has
 * a `problem` and no values.
 */
#include "node/http/api.h"

#include <stdio.h>
#include <string.h>

#include "node/base/csv.h"
#include "node/base/date.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/cases/casefile.h"
#include "node/cases/deadline.h"
#include "node/http/names.h"

#define ROWS_DEFAULT 50
#define ROWS_MAX 100 /* each is a case to fold and two contents to open */
#define PURPOSE "publicity"
#define NO_END "2099/12/31" /* the list's word for a licence without an end */

/* Who needs the field. */
enum need { OPTIONAL, ALWAYS, OF_ORGANISATION, OF_PERSON };

/* name in the list, what it is, who needs it. The order is that of the columns. */
#define FIELDS(X)                                                                                                      \
    X(XK_XDR_MC, "行政相对人名称", ALWAYS)                                                                             \
    X(XK_XDR_LB, "行政相对人类别", ALWAYS)                                                                             \
    X(XK_XDR_SHXYM, "统一社会信用代码", OF_ORGANISATION)                                                               \
    X(XK_XDR_GSZC, "工商注册号", OPTIONAL)                                                                             \
    X(XK_XDR_ZZJG, "组织机构代码", OPTIONAL)                                                                           \
    X(XK_XDR_SWDJ, "税务登记号", OPTIONAL)                                                                             \
    X(XK_XDR_SYDW, "事业单位证书号", OPTIONAL)                                                                         \
    X(XK_XDR_SHZZ, "社会组织登记证号", OPTIONAL)                                                                       \
    X(XK_FRDB, "法定代表人", OF_ORGANISATION)                                                                          \
    X(XK_FR_ZJLX, "法定代表人证件类型", OPTIONAL)                                                                      \
    X(XK_XDR_ZJLX, "证件类型", OF_PERSON)                                                                              \
    X(XK_XDR_ZJHM, "证件号码", OF_PERSON)                                                                              \
    X(XK_XKWS, "行政许可决定文书名称", ALWAYS)                                                                         \
    X(XK_WSH, "行政许可决定文书号", ALWAYS)                                                                            \
    X(XK_XKLB, "许可类别", ALWAYS)                                                                                     \
    X(XK_XKZS, "许可证书名称", OPTIONAL)                                                                               \
    X(XK_XKBH, "许可编号", OPTIONAL)                                                                                   \
    X(XK_NR, "许可内容", ALWAYS)                                                                                       \
    X(XK_JDRQ, "许可决定日期", ALWAYS)                                                                                 \
    X(XK_YXQZ, "有效期自", ALWAYS)                                                                                     \
    X(XK_YXQZI, "有效期至", ALWAYS)                                                                                    \
    X(XK_XKJG, "许可机关", ALWAYS)                                                                                     \
    X(XK_XKJGDM, "许可机关统一社会信用代码", ALWAYS)                                                                   \
    X(XK_ZT, "当前状态", ALWAYS)                                                                                       \
    X(XK_LYDW, "数据来源单位", ALWAYS)                                                                                 \
    X(XK_LYDWDM, "数据来源单位统一社会信用代码", ALWAYS)                                                               \
    X(BZ, "备注", OPTIONAL)

enum field {
#define X(name, chinese, need) FIELD_##name,
    FIELDS(X)
#undef X
        FIELD_COUNT
};

static const struct {
    const char *name, *chinese;
    enum need need;
} fields[] = {
#define X(name, chinese, need) {#name, chinese, need},
    FIELDS(X)
#undef X
};

/* One line. */
struct line {
    struct arena *mem;
    bool is_person;
    const char *values[FIELD_COUNT]; /* NULL: not known */
    struct err problem;
};

/* ---- `licence` in the content of a decision ---- */

static const struct licence_field {
    const char *name;
    enum field field;
    bool is_date;
} licence_fields[] = {
    {"document", FIELD_XK_XKWS, false},
    {"document_number", FIELD_XK_WSH, false},
    {"category", FIELD_XK_XKLB, false},
    {"certificate", FIELD_XK_XKZS, false},
    {"number", FIELD_XK_XKBH, false},
    {"content", FIELD_XK_NR, false},
    {"valid_from", FIELD_XK_YXQZ, true},
    {"valid_to", FIELD_XK_YXQZI, true},
    {"legal_representative", FIELD_XK_FRDB, false},
};

/* 行政许可法第十二条, as the list puts it */
static const char *const categories[] = {"普通", "特许", "认可", "核准", "登记", "其他"};

static bool is_category(const char *text)
{
    for (size_t i = 0; i < array_count(categories); i++)
        if (strcmp(categories[i], text) == 0)
            return true;
    return false;
}

/* "2026-11-28" -> 20261128; 0 when it is no day. */
static uint32_t parse_date(const char *text)
{
    uint32_t date = 0;
    return date_parse(bytes_of_string(text), &date) == 0 ? date : 0;
}

int api_check_licence(const struct json_object *payload, struct err *e)
{
    const char *names[array_count(licence_fields)];
    struct json_object o;
    int rc = json_get_object(payload, "licence", false, &o, e);
    if (rc != 0 || o.value == NULL)
        return rc;
    for (size_t i = 0; i < array_count(names); i++)
        names[i] = licence_fields[i].name;
    rc = json_check_fields(&o, names, array_count(names), e);
    for (size_t i = 0; rc == 0 && i < array_count(licence_fields); i++) {
        const struct licence_field *f = &licence_fields[i];
        const char *text = NULL;
        rc = json_get_string(&o, f->name, false, f->is_date ? 10 : 1000, &text, e);
        if (rc != 0 || text == NULL)
            continue;
        bool is_forever = strcmp(text, "长期") == 0 && f->field == FIELD_XK_YXQZI;
        if (f->is_date && !is_forever && parse_date(text) == 0)
            rc = err_set(e, ERR_INVALID, "publicity.date", "'%s' is '%s', it must be a day as 2026-11-28%s",
                         json_path(&o, f->name), text, f->field == FIELD_XK_YXQZI ? " or 长期" : "");
        else if (f->field == FIELD_XK_XKLB && !is_category(text))
            rc = err_set(e, ERR_INVALID, "publicity.category",
                         "'%s' is '%.64s', it must be one of 普通, 特许, 认可, 核准, 登记, 其他 (行政许可法第十二条)",
                         json_path(&o, f->name), text);
    }
    return rc;
}

/* ---- a line ---- */

static const char *string_of(yyjson_val *o, const char *name)
{
    yyjson_val *v = yyjson_is_obj(o) ? yyjson_obj_get(o, name) : NULL;
    return yyjson_is_str(v) && yyjson_get_len(v) > 0 ? yyjson_get_str(v) : NULL;
}

/* 20261128 -> "2026/11/28", as the list has it. */
static const char *slashed(struct arena *mem, uint32_t date)
{
    return arena_printf(mem, "%04u/%02u/%02u", date / 10000, date / 100 % 100, date % 100);
}

static void put(struct line *l, enum field field, const char *value)
{
    if (value != NULL)
        l->values[field] = value;
}

/* @applicant: of a person as it is shown, of an organisation as it was given. */
static void put_applicant(struct line *l, yyjson_val *applicant)
{
    const char *number = string_of(applicant, "id_number");
    const char *id_type = string_of(applicant, "id_type");
    bool is_business = !l->is_person && number != NULL && strncmp(number, "92", 2) == 0; /* 个体工商户: GB 32100 */
    put(l, FIELD_XK_XDR_MC, string_of(applicant, "name"));
    put(l, FIELD_XK_XDR_LB, l->is_person ? "自然人" : is_business ? "个体工商户" : "法人及非法人组织");
    put(l, l->is_person ? FIELD_XK_XDR_ZJHM : FIELD_XK_XDR_SHXYM, number);
    if (l->is_person && id_type != NULL)
        put(l, FIELD_XK_XDR_ZJLX, strcmp(id_type, "citizen_id") == 0 ? "身份证" : id_type);
}

static void put_licence(struct line *l, yyjson_val *licence)
{
    for (size_t i = 0; i < array_count(licence_fields); i++) {
        const char *text = string_of(licence, licence_fields[i].name);
        if (text != NULL && licence_fields[i].is_date)
            text = parse_date(text) != 0 ? slashed(l->mem, parse_date(text)) : NO_END;
        put(l, licence_fields[i].field, text);
    }
}

/* The authority, as the item says in the version that the case was made under. */
static void put_authority(struct line *l, struct request *r, const struct app_case_view *v)
{
    struct app_item_view item;
    yyjson_val *root = NULL;
    if (app_get_item_version(r->app, v->lead, v->item_code, v->item_version, l->mem, &item, NULL) != 0 ||
        json_parse(l->mem, item.json, &root, NULL) != 0)
        return;
    yyjson_val *department = yyjson_is_obj(root) ? yyjson_obj_get(root, "department") : NULL;
    put(l, FIELD_XK_XKJG, string_of(department, "name"));
    put(l, FIELD_XK_XKJGDM, string_of(department, "uscc"));
    put(l, FIELD_XK_LYDW, l->values[FIELD_XK_XKJG]);
    put(l, FIELD_XK_LYDWDM, l->values[FIELD_XK_XKJGDM]);
}

/* The content of @event, with or without what names a person; NULL when there is none. */
static int read_content(struct request *r, const struct app_case_view *v, const struct app_case_event_view *event,
                        bool masked, yyjson_val **ret, struct err *e)
{
    struct bytes text = {0};
    int rc = 0;
    *ret = NULL;
    if (event == NULL || event->content == APP_CONTENT_NONE)
        return 0;
    if (masked && event->content == APP_CONTENT_SHOWN)
        text = event->payload;
    else
        rc = app_get_payload(r->app, v->case_id, event->origin, event->index, PURPOSE, &r->mem, &text, e);
    return rc == 0 ? json_parse(&r->mem, text, ret, e) : rc;
}

static void put_remark(struct line *l, const struct app_case_view *v)
{
    bool is_revoked = v->status == CASE_STATUS_REVOKED, promised = (v->flags & CASE_FLAG_PROMISED) != 0;
    put(l, FIELD_XK_ZT, is_revoked ? "2" : "1");
    put(l, FIELD_BZ, is_revoked ? "已撤销" : promised ? "告知承诺" : NULL);
}

static int fill(struct request *r, struct app_case_view *v, const uint8_t case_id[CASE_ID_SIZE], struct line *l,
                struct err *e)
{
    yyjson_val *application = NULL, *decision = NULL;
    int rc = app_get_case(r->app, case_id, &r->mem, v, e);
    const struct app_case_event_view *decide = rc == 0 ? api_last_event(v, CASE_EVENT_DECIDE) : NULL;
    const struct app_case_event_view *submit = rc == 0 ? api_last_event(v, CASE_EVENT_SUBMIT) : NULL;
    if (rc == 0)
        rc = read_content(r, v, submit, true, &application, e);
    if (rc != 0 || decide == NULL)
        return rc;
    yyjson_val *applicant = yyjson_is_obj(application) ? yyjson_obj_get(application, "applicant") : NULL;
    const char *kind = string_of(applicant, "kind");
    l->is_person = kind == NULL || strcmp(kind, "person") == 0;
    if (!l->is_person) /* an organisation is no person: whole */
        rc = read_content(r, v, submit, false, &application, e);
    if (rc == 0)
        rc = read_content(r, v, decide, false, &decision, e);
    if (rc != 0)
        return rc;
    const char *item = v->item_name[0] != '\0' ? v->item_name : v->item_code;
    put_applicant(l, yyjson_obj_get(application, "applicant"));
    put(l, FIELD_XK_XKWS, "准予决定书"); /* the page that the node prints */
    put(l, FIELD_XK_WSH, v->number[0] != '\0' ? arena_strdup(l->mem, v->number) : NULL);
    put(l, FIELD_XK_NR, arena_printf(l->mem, "准予%s", item));
    put(l, FIELD_XK_JDRQ, slashed(l->mem, deadline_date_of_hlc(decide->at_ms << 16)));
    put_licence(l, yyjson_is_obj(decision) ? yyjson_obj_get(decision, "licence") : NULL);
    put_authority(l, r, v);
    put_remark(l, v);
    return 0;
}

static bool is_missing(const struct line *l, size_t field)
{
    enum need need = fields[field].need;
    bool is_needed =
        need == ALWAYS || (need == OF_PERSON && l->is_person) || (need == OF_ORGANISATION && !l->is_person);
    return is_needed && l->values[field] == NULL;
}

/* ---- the answer ---- */

static void put_row(struct json_out *out, yyjson_mut_val *to, const struct app_publicity_view *row,
                    const struct app_case_view *v, const struct line *l)
{
    json_put_hex(out, to, "case", row->case_id, sizeof row->case_id);
    json_put_string(out, to, "number", v->number);
    json_put_string(out, to, "item_name", v->item_name);
    char due[16];
    (void)snprintf(due, sizeof due, "%04u-%02u-%02u", row->due / 10000, row->due / 100 % 100, row->due % 100);
    json_put_string(out, to, "due", arena_strdup(out->mem, due));
    json_put_bool(out, to, "late", row->is_late);
    if (l->problem.code != 0) {
        json_put_string(out, to, "problem", arena_strdup(out->mem, l->problem.id));
        return;
    }
    yyjson_mut_val *missing = json_put_array(out, to, "missing");
    yyjson_mut_val *values = json_put_object(out, to, "values");
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (is_missing(l, i))
            json_put_string(out, missing, NULL, fields[i].name);
        json_put_string(out, values, fields[i].name, l->values[i] != NULL ? l->values[i] : "");
    }
}

static void put_csv(struct buf *text, const struct line *l)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        buf_put_string(text, i == 0 ? "" : ",");
        csv_put_cell(text, l == NULL ? fields[i].name : l->values[i] != NULL ? l->values[i] : "");
    }
    buf_put_string(text, "\r\n");
}

static void put_fields(struct json_out *out)
{
    yyjson_mut_val *list = json_put_array(out, out->root, "fields");
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        yyjson_mut_val *row = json_put_object(out, list, NULL);
        json_put_string(out, row, "name", fields[i].name);
        json_put_string(out, row, "chinese", fields[i].chinese);
    }
}

static int decode_after(struct request *r, const uint8_t **ret, struct err *e)
{
    const char *text = request_param(r, "after");
    size_t size = 0;
    if (text == NULL)
        return 0;
    if (hex_decode(text, strlen(text), r->case_id, CASE_ID_SIZE, &size) != 0 || size != CASE_ID_SIZE)
        return err_set(e, ERR_INVALID, "case.id", "'after' is '%.64s', it must be a case in 32 hex digits", text);
    *ret = r->case_id;
    return 0;
}

int api_get_publicity(struct request *r, struct err *e)
{
    const char *format = request_param(r, "format");
    const uint8_t *after = NULL;
    uint64_t limit = ROWS_DEFAULT;
    struct app_publicity_view *rows;
    size_t count = 0;
    if (format != NULL && strcmp(format, "csv") != 0 && strcmp(format, "json") != 0)
        return err_set(e, ERR_INVALID, "http.parameter", "parameter 'format' is '%.64s', it must be 'json' or 'csv'",
                       format);
    int rc = decode_after(r, &after, e);
    if (rc == 0)
        rc = request_param_u64(r, "limit", 1, ROWS_MAX, &limit, e);
    if (rc == 0)
        rc = app_list_publicities(r->app, after, limit, &r->mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    struct buf csv = {0};
    put_fields(&out);
    buf_put_string(&csv, CSV_MARK);
    put_csv(&csv, NULL);
    yyjson_mut_val *list = json_put_array(&out, out.root, "rows");
    for (size_t i = 0; i < count; i++) {
        struct app_case_view v = {0};
        struct line l = {.mem = &r->mem};
        (void)fill(r, &v, rows[i].case_id, &l, &l.problem); /* stands in the line */
        put_row(&out, json_put_object(&out, list, NULL), &rows[i], &v, &l);
        if (l.problem.code == 0)
            put_csv(&csv, &l);
    }
    if (count == limit)
        json_put_hex(&out, out.root, "next_after", rows[count - 1].case_id, CASE_ID_SIZE);
    else
        json_put_null(&out, out.root, "next_after");
    if (format != NULL && strcmp(format, "csv") == 0)
        request_reply(r, 200, "text/csv; charset=utf-8; header=present", arena_bytes(&r->mem, buf_bytes(&csv)));
    else
        request_reply_json(r, 200, &out);
    buf_close(&csv);
    return 0;
}
