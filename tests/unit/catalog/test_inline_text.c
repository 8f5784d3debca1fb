/* Texts out of cells: what openpyxl writes, runs, phonetic runs, empty and broken cells, and everything else untouched. */
#include "catalog/inline_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void lifts(void **state)
{
    (void)state;
    static const struct {
        const char *sheet, *out, *texts;
    } rows[] = {
        {"", "", ""},
        {"<row><c r=\"A1\"><v>1</v></c><cols/></row>", "<row><c r=\"A1\"><v>1</v></c><cols/></row>", ""},
        {"<c r=\"A1\" t=\"inlineStr\"><is><t>a &amp; b</t></is></c><c r=\"B1\" t=\"s\"><v>0</v></c>",
         "<c r=\"A1\" t=\"s\"><v>7</v></c><c r=\"B1\" t=\"s\"><v>0</v></c>",
         "<si><t xml:space=\"preserve\">a &amp; b</t></si>"},
        {"<c t=\"inlineStr\"><is><r><rPr/><t xml:space=\"preserve\">a </t></r><r><t>b</t></r><rPh "
         "sb=\"0\"><t>x</t></rPh>"
         "</is></c>",
         "<c t=\"s\"><v>7</v></c>", "<si><t xml:space=\"preserve\">a b</t></si>"},
        {"<c t=\"inlineStr\"/><c t=\"inlineStr\"><is><t/></is></c>", "<c t=\"n\"/><c t=\"s\"><v>7</v></c>",
         "<si><t xml:space=\"preserve\"></t></si>"},
        {"<c t=\"inlineStr\"><is><t>a</is>", "<c t=\"inlineStr\"><is><t>a</is>", ""},
        {"<c t=\"inlineStr\"><is><t>a</is></c>", "<c t=\"s\"><v>7</v></c>", "<si><t xml:space=\"preserve\"></t></si>"},
        {"<c t=\"inlineStr", "<c t=\"inlineStr", ""},
        {"<t>inlineStr</t>", "<t>inlineStr</t>", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out = {0}, texts = {0};
        size_t count = 7;
        inline_text_lift(bytes_of_string(rows[i].sheet), &out, &texts, &count);
        assert_string_equal(buf_cstr(&out), rows[i].out);
        assert_string_equal(buf_cstr(&texts), rows[i].texts);
        assert_int_equal(count, 7 + (rows[i].texts[0] != '\0'));
        buf_close(&out);
        buf_close(&texts);
    }
}

static void joins(void **state)
{
    (void)state;
    struct buf out = {0};
    struct bytes table = bytes_of_string("<?xml?><sst count=\"1\"><si><t>a</t></si><sis/></sst>");
    assert_int_equal(inline_text_count(table), 1);
    assert_int_equal(inline_text_count(bytes_of(NULL, 0)), 0);
    inline_text_join(table, bytes_of_string("<si><t>b</t></si>"), 2, &out);
    assert_non_null(
        strstr(buf_cstr(&out), "count=\"2\" uniqueCount=\"2\"><si><t>a</t></si><sis/><si><t>b</t></si></sst>"));
    buf_close(&out);
    inline_text_join(bytes_of(NULL, 0), bytes_of_string("<si/>"), 1, &out);
    assert_non_null(strstr(buf_cstr(&out), "uniqueCount=\"1\"><si/></sst>"));
    buf_close(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lifts), cmocka_unit_test(joins)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
