/* Documents: a page for each act with its title and its article, values put in and escaped, lines left out when nothing of
 * them is known, the code or why there is none. */
#include "node/receipt/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/xassert.h"
#include "node/cases/event.h"

static const struct {
    uint16_t act;
    uint8_t decision;
    const char *title, *source;
} rows[] = {
    {CASE_EVENT_SUBMIT, 0, "收件凭证", "行政许可法第三十二条第二款"},
    {CASE_EVENT_ACCEPT, 0, "受理通知书", "行政许可法第三十二条第一款第五项"},
    {CASE_EVENT_CORRECT, 0, "补正材料一次性告知书", "行政许可法第三十二条第一款第四项"},
    {CASE_EVENT_NOT_REQUIRED, 0, "不受理告知书", "行政许可法第三十二条第一款第一项"},
    {CASE_EVENT_REFUSE, 0, "不予受理决定书", "行政许可法第三十二条第一款第二项"},
    {CASE_EVENT_PAUSE, 0, "特别程序告知书", "行政许可法第四十五条"},
    {CASE_EVENT_EXTEND, 0, "延长办理期限告知书", "行政许可法第四十二条"},
    {CASE_EVENT_DECIDE, CASE_DECISION_GRANT, "准予决定书", "行政许可法第三十八条第一款"},
    {CASE_EVENT_DECIDE, CASE_DECISION_DENY, "不予决定书", "行政许可法第三十八条第二款"},
    {CASE_EVENT_REVOKE, 0, "撤销决定书", "行政许可法第六十九条"},
    {CASE_EVENT_DELIVER, 0, "送达回证", "行政许可法第四十四条"},
};

static void page(uint16_t act, uint8_t decision, const struct document_field *fields, size_t count, struct buf *out)
{
    struct err e = {0};
    const struct document_page p = {.act = act, .decision = decision, .fields = fields, .field_count = count};
    if (document_html(&p, out, &e) != 0)
        fail_msg("%s", e.message);
}

static void every_act_has_its_page(void **state)
{
    (void)state;
    static const struct document_field fields[] = {{"applicant", "李小满"},
                                                   {"item", "孤儿认定"},
                                                   {"date", "2026年11月28日"},
                                                   {"author", "四川省"},
                                                   {"number", "N1"}};
    for (size_t i = 0; i < array_count(rows); i++) {
        struct buf out = {0};
        assert_true(document_exists(rows[i].act, rows[i].decision));
        assert_string_equal(document_title(rows[i].act, rows[i].decision), rows[i].title);
        assert_string_equal(document_source(rows[i].act, rows[i].decision), rows[i].source);
        page(rows[i].act, rows[i].decision, fields, array_count(fields), &out);
        const char *html = buf_cstr(&out);
        assert_non_null(strstr(html, rows[i].title));
        assert_non_null(strstr(html, rows[i].source));
        assert_non_null(strstr(html, "李小满"));
        assert_non_null(strstr(html, "孤儿认定"));
        assert_null(strchr(strstr(html, "<h1>"), '{')); /* nothing is left to be put in */
        assert_null(strstr(html, "<script"));
        buf_close(&out);
    }
    assert_false(document_exists(CASE_EVENT_DECIDE, 0));
    assert_null(document_title(CASE_EVENT_NOTE, 0));
    assert_null(document_source(CASE_EVENT_NOTE, 0));
    struct buf out = {0};
    struct err e = {0};
    const struct document_page none = {.act = CASE_EVENT_NOTE};
    assert_int_equal(document_html(&none, &out, &e), ERR_NOT_FOUND);
    assert_string_equal(e.id, "document.act");
    buf_close(&out);
}

static void values_are_escaped(void **state)
{
    (void)state;
    static const struct document_field fields[] = {{"applicant", "<script>alert(1)</script>\"'&"},
                                                   {"item", "{applicant}"},
                                                   {"reason", "a\xe2\x80\xae"
                                                              "b\xff"}};
    struct buf out = {0};
    page(CASE_EVENT_CORRECT, 0, fields, array_count(fields), &out);
    const char *html = buf_cstr(&out);
    assert_null(strstr(html, "<script"));
    assert_non_null(strstr(html, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
    assert_non_null(strstr(html, "“{applicant}”")); /* what was put in is not filled again */
    assert_non_null(strstr(html, "a\xef\xbf\xbd"
                                 "b\xef\xbf\xbd"));
    buf_close(&out);
}

static void unknown_lines_are_left_out(void **state)
{
    (void)state;
    static const struct document_field plain[] = {{"applicant", "x"}, {"item", "y"}};
    static const struct document_field lacking[] = {{"applicant", "x"},       {"item", "y"},
                                                    {"lacking_days", "5"},    {"due", "D"},
                                                    {"complete", "主要材料"}, {"lacking", "1．照片"}};
    struct buf out = {0};
    page(CASE_EVENT_ACCEPT, 0, plain, array_count(plain), &out);
    assert_null(strstr(buf_cstr(&out), "容缺"));
    assert_null(strstr(buf_cstr(&out), "前作出决定"));
    assert_non_null(strstr(buf_cstr(&out), "凭证尚未生成"));
    buf_close(&out);
    out = (struct buf){0};
    page(CASE_EVENT_ACCEPT, 0, lacking, array_count(lacking), &out);
    assert_non_null(strstr(buf_cstr(&out), "应当自受理之日起5个工作日内补齐"));
    assert_non_null(strstr(buf_cstr(&out), "将于D前作出决定"));
    assert_non_null(strstr(buf_cstr(&out), "主要材料，现予受理"));
    assert_non_null(strstr(buf_cstr(&out), "尚缺下列材料：1．照片。"));
    assert_non_null(strstr(buf_cstr(&out), "补齐前不发放办理结果；逾期未补齐的"));
    assert_null(strstr(buf_cstr(&out), "申请材料齐全"));
    buf_close(&out);
    static const struct document_field extension[] = {{"item", "y"}, {"extend_days", "5"}, {"due", ""}};
    out = (struct buf){0};
    page(CASE_EVENT_EXTEND, 0, extension, array_count(extension), &out);
    assert_non_null(strstr(buf_cstr(&out), "办理期限延长5个工作日。</p>"));
    buf_close(&out);
}

/* 行政许可法第三十二条第一款第四项: nobody has looked whether the material is complete, so the page does not say it is. */
static void silence_says_nothing_of_the_material(void **state)
{
    (void)state;
    static const struct document_field fields[] = {
        {"applicant", "x"},           {"item", "y"}, {"date", "D6"}, {"received", "D1"},
        {"complete", "申请材料齐全"}, {"due", "D9"}};
    struct buf out = {0};
    struct err e = {0};
    const struct document_page p = {
        .act = CASE_EVENT_ACCEPT, .is_deemed = true, .fields = fields, .field_count = array_count(fields)};
    assert_int_equal(document_html(&p, &out, &e), 0);
    const char *html = buf_cstr(&out);
    assert_non_null(strstr(html, "受理通知书"));
    assert_non_null(strstr(html, "自收到申请材料之日起即为受理，受理日期D1。"));
    assert_non_null(strstr(html, "将于D9前作出决定"));
    assert_non_null(strstr(html, "依据：行政许可法第三十二条第一款第四项"));
    assert_null(strstr(html, "齐全"));
    assert_null(strstr(html, "职权范围"));
    assert_null(strstr(html, "容缺"));
    buf_close(&out);
}

static void the_code_or_why_not(void **state)
{
    (void)state;
    struct buf out = {0};
    struct err e = {0};
    struct document_page p = {.act = CASE_EVENT_SUBMIT, .qr_text = bytes_of_string("HTTPS://EXAMPLE/1")};
    assert_int_equal(document_html(&p, &out, &e), 0);
    assert_non_null(strstr(buf_cstr(&out), "<svg"));
    assert_non_null(strstr(buf_cstr(&out), "无需联网即可核验"));
    buf_close(&out);
    out = (struct buf){0};
    p.qr_text = bytes_of(NULL, 0);
    p.why = "为什么<";
    assert_int_equal(document_html(&p, &out, &e), 0);
    assert_null(strstr(buf_cstr(&out), "<svg"));
    assert_non_null(strstr(buf_cstr(&out), "为什么&lt;"));
    buf_close(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_act_has_its_page),     cmocka_unit_test(values_are_escaped),
        cmocka_unit_test(unknown_lines_are_left_out), cmocka_unit_test(silence_says_nothing_of_the_material),
        cmocka_unit_test(the_code_or_why_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
