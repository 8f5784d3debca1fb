/* The table of documents and its filling (see document.h). Happy path: row of the act -> head, title, each line with its
 * values put in, signature, code. Failure modes: an act without a row; a code that cannot be drawn. Pure, any thread. */
#include "node/receipt/document.h"

#include <string.h>

#include "node/base/xassert.h"
#include "node/cases/event.h"
#include "node/receipt/receipt_html.h"
#include "node/receipt/receipt_qr.h"

/* Lines are split at \n. In a line, {name} is a value; a line with values of which none is known is left out. */
static const struct document {
    uint16_t act;
    uint8_t decision;
    bool is_deemed;
    const char *title;
    const char *source;
    const char *text;
} documents[] = {
    {CASE_EVENT_SUBMIT, 0, false, "收件凭证", "行政许可法第三十二条第二款",
     "{applicant}：\n"
     "你（单位）于{date}提交的“{item}”申请材料，已由{receiving}收件，将转交{lead}依法办理。收件不等于受理。\n"
     "是否受理，由{lead}自收到申请材料之日起五个工作日内告知。\n"
     "{silence}\n"
     "提交的材料：{materials}\n"},
    {CASE_EVENT_ACCEPT, 0, false, "受理通知书", "行政许可法第三十二条第一款第五项",
     "{applicant}：\n"
     "你（单位）提出的“{item}”申请，属于本机关职权范围，{complete}，现予受理，受理日期{date}。\n"
     "本机关将于{due}前作出决定。依法需要听证、招标、拍卖、检验、检测、检疫、鉴定和专家评审的，所需时间不计算在内。\n"
     "本件为容缺受理，尚缺下列材料：{lacking}。\n"
     "所缺材料应当自受理之日起{lacking_days}个工作日内补齐{lacking_due}"
     "。补齐前不发放办理结果；逾期未补齐的，本机关将按照"
     "容缺受理的规定终止办理，并记录在案。本通知书一式两份，由申请人和本机关各执一份。\n"
     "说明：{reason}\n"},
    {CASE_EVENT_ACCEPT, 0, true, "受理通知书", "行政许可法第三十二条第一款第四项",
     "{applicant}：\n"
     "本机关收到你（单位）提出的“{item}"
     "”申请材料（经补正的，为补正材料）后，逾期未告知需要补正的内容。依照《中华人民共和国行政许可法》"
     "第三十二条第一款第四项，自收到申请材料之日起即为受理，受理日期{received}。\n"
     "本机关将于{due}前作出决定。依法需要听证、招标、拍卖、检验、检测、检疫、鉴定和专家评审的，所需时间不计算在内。\n"},
    {CASE_EVENT_CORRECT, 0, false, "补正材料一次性告知书", "行政许可法第三十二条第一款第四项",
     "{applicant}：\n"
     "你（单位）提出的“{item}”申请，申请材料不齐全或者不符合法定形式，现一次告知需要补正的全部内容：\n"
     "{reason}\n"
     "代码：{reason_code}\n"
     "补充说明：{note}\n"
     "请将补正材料交至{receiving}。\n"},
    {CASE_EVENT_NOT_REQUIRED, 0, false, "不受理告知书", "行政许可法第三十二条第一款第一项",
     "{applicant}：\n"
     "你（单位）提出的“{item}”申请事项依法不需要取得行政许可，本机关不受理。\n"
     "理由：{reason}\n"
     "代码：{reason_code}\n"
     "{remedies}\n"},
    {CASE_EVENT_REFUSE, 0, false, "不予受理决定书", "行政许可法第三十二条第一款第二项",
     "{applicant}：\n"
     "你（单位）提出的“{item}”申请事项依法不属于本机关职权范围，本机关决定不予受理，请向有关行政机关申请。\n"
     "理由：{reason}\n"
     "代码：{reason_code}\n"
     "{remedies}\n"},
    {CASE_EVENT_PAUSE, 0, false, "特别程序告知书", "行政许可法第四十五条",
     "{applicant}：\n"
     "你（单位）的“{item}”申请需要{pause}，预计{expected}。所需时间不计算在办理期限内。\n"
     "依据：{basis}\n"
     "说明：{reason}\n"},
    {CASE_EVENT_EXTEND, 0, false, "延长办理期限告知书", "行政许可法第四十二条",
     "{applicant}：\n"
     "你（单位）的“{item}”申请，经本机关负责人批准，办理期限延长{extend_days}个工作日{extended_due}。\n"
     "理由：{reason}\n"},
    {CASE_EVENT_DECIDE, CASE_DECISION_GRANT, false, "准予决定书", "行政许可法第三十八条第一款",
     "{applicant}：\n"
     "你（单位）提出的“{item}”申请，符合法定条件、标准，本机关依法决定准予。\n"
     "说明：{reason}\n"
     "法制审核：{reviewed}\n"
     "办理结果将于{deliver_due}前送达。\n"},
    {CASE_EVENT_DECIDE, CASE_DECISION_DENY, false, "不予决定书", "行政许可法第三十八条第二款",
     "{applicant}：\n"
     "你（单位）提出的“{item}”申请，本机关依法决定不予。\n"
     "理由：{reason}\n"
     "代码：{reason_code}\n"
     "法制审核：{reviewed}\n"
     "{remedies}\n"},
    {CASE_EVENT_REVOKE, 0, false, "撤销决定书", "行政许可法第六十九条",
     "{applicant}：\n"
     "本机关对你（单位）“{item}”申请作出的准予决定，依法予以撤销。\n"
     "理由：{reason}\n"
     "代码：{reason_code}\n"
     "{remedies}\n"},
    {CASE_EVENT_DELIVER, 0, false, "送达回证", "行政许可法第四十四条",
     "受送达人：{applicant}\n"
     "“{item}”的办理结果已于{date}送达。\n"
     "送达方式：{channel}\n"
     "备注：{note}\n"},
};

static const struct document *find(uint16_t act, uint8_t decision, bool is_deemed)
{
    for (size_t i = 0; i < array_count(documents); i++)
        if (documents[i].act == act && documents[i].decision == decision && documents[i].is_deemed == is_deemed)
            return &documents[i];
    return NULL;
}

bool document_exists(uint16_t act, uint8_t decision)
{
    return find(act, decision, false) != NULL;
}

const char *document_title(uint16_t act, uint8_t decision)
{
    const struct document *d = find(act, decision, false);
    return d != NULL ? d->title : NULL;
}

const char *document_source(uint16_t act, uint8_t decision)
{
    const struct document *d = find(act, decision, false);
    return d != NULL ? d->source : NULL;
}

static const char *value_of(const struct document_page *page, const char *name, size_t size)
{
    for (size_t i = 0; i < page->field_count; i++) {
        const struct document_field *f = &page->fields[i];
        if (strlen(f->name) == size && memcmp(f->name, name, size) == 0)
            return f->value != NULL ? f->value : "";
    }
    return "";
}

/* The end of the value that begins at @at ('{'), or NULL when there is none in the line. */
static const char *end_of_value(const char *at, const char *end)
{
    return at < end && *at == '{' ? memchr(at, '}', (size_t)(end - at)) : NULL;
}

static bool is_wanted(const struct document_page *page, const char *line, const char *end)
{
    bool has_any = false, has_known = false;
    for (const char *at = line; at < end; at++) {
        const char *close = end_of_value(at, end);
        if (close == NULL)
            continue;
        const char *value = value_of(page, at + 1, (size_t)(close - at - 1));
        has_any = true;
        /* the item is known nearly always: it alone does not make a sentence about something else true */
        bool is_plain = (size_t)(close - at) == strlen("{item") && memcmp(at, "{item", strlen("{item")) == 0;
        has_known = has_known || (value[0] != '\0' && !is_plain);
    }
    return !has_any || has_known || memmem(line, (size_t)(end - line), "{item}", strlen("{item}")) != NULL;
}

static void put_line(struct buf *out, const struct document_page *page, const char *line, const char *end)
{
    if (!is_wanted(page, line, end))
        return;
    buf_put_string(out, "<p>");
    for (const char *at = line; at < end; at++) {
        const char *close = end_of_value(at, end);
        if (close == NULL) {
            buf_put(out, at, 1); /* the table's own text has nothing to escape */
            continue;
        }
        receipt_html_put_text(out, value_of(page, at + 1, (size_t)(close - at - 1)));
        at = close;
    }
    buf_put_string(out, "</p>\n");
}

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"zh-CN\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>";

static const char style[] =
    "</title>\n<style>\n@page{size:A4;margin:25mm 22mm}\n"
    "body{max-width:166mm;margin:0 auto;color:#111;background:#fff;"
    "font:12pt/1.8 \"Noto Serif CJK SC\",\"Source Han Serif SC\",\"SimSun\",serif}\n"
    "h1{font-size:22pt;text-align:center;margin:0 0 4mm}p{margin:1.5mm 0;text-indent:2em;overflow-wrap:anywhere;"
    "white-space:pre-wrap}p:first-of-type{text-indent:0}\n"
    ".number{text-align:right;font-size:10.5pt}.sign{text-align:right;margin-top:12mm}\n"
    "figure{margin:8mm 0 0;break-inside:avoid}svg{width:60mm;height:60mm;display:block}figcaption{font-size:9pt}\n"
    "footer{font-size:9pt;color:#444;margin-top:4mm}\n</style>\n</head>\n<body>\n<h1>";

static int put_code(const struct document_page *page, struct buf *out, struct err *e)
{
    int rc = 0;
    buf_put_string(out, "<figure>");
    if (page->qr_text.size > 0)
        rc = receipt_qr_svg(page->qr_text, out, e);
    buf_put_string(out, "<figcaption>");
    receipt_html_put_text(out, page->qr_text.size > 0 ? "码中是本文书所记行为的完整凭证，无需联网即可核验。"
                               : page->why != NULL    ? page->why
                                                      : "凭证尚未生成。");
    buf_put_string(out, "</figcaption></figure>\n");
    return rc;
}

int document_html(const struct document_page *page, struct buf *out, struct err *e)
{
    const struct document *d = find(page->act, page->decision, page->is_deemed);
    if (d == NULL)
        return err_set(e, ERR_NOT_FOUND, "document.act", "there is no document for event %u", page->act);
    buf_put_string(out, head);
    buf_put_string(out, d->title);
    buf_put_string(out, style);
    buf_put_string(out, d->title);
    buf_put_string(out, "</h1>\n<p class=\"number\">办件编码：");
    receipt_html_put_text(out, value_of(page, "number", strlen("number")));
    buf_put_string(out, "</p>\n");
    for (const char *line = d->text; *line != '\0';) {
        const char *end = strchr(line, '\n');
        put_line(out, page, line, end);
        line = end + 1;
    }
    buf_put_string(out, "<p class=\"sign\">");
    receipt_html_put_text(out, value_of(page, "author", strlen("author")));
    buf_put_string(out, "<br>");
    receipt_html_put_text(out, value_of(page, "date", strlen("date")));
    buf_put_string(out, "</p>\n");
    int rc = put_code(page, out, e);
    buf_put_string(out, "<footer>依据：");
    buf_put_string(out, d->source);
    buf_put_string(out, "<br>办件标识：");
    receipt_html_put_text(out, value_of(page, "case", strlen("case")));
    buf_put_string(out, "</footer>\n</body>\n</html>\n");
    return rc;
}
