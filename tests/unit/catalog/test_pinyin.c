/* Goal: the built-in table says what ICU says for every character, words are read as words, and an item gives the search texts
 * that are documented. Method: all characters against ICU's Han-Latin, with the tone marks taken off by decomposition (the
 * table's maker uses Latin-ASCII); tables. */
#include "catalog/pinyin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utrans.h>

#include "catalog/catalog.h"
#include "catalog/item.h"
#include "catalog/load.h"
#include "catalog/region.h"
#include "catalog/search_text.h"
#include "node/base/arena.h"
#include "node/base/xassert.h"

#define DATA TEST_SOURCE_DIR "/catalog/data/"

static void test_every_character(void **state)
{
    (void)state;
    UErrorCode status = U_ZERO_ERROR;
    UTransliterator *t = utrans_openU(u"Han-Latin", -1, UTRANS_FORWARD, NULL, 0, NULL, &status);
    const UNormalizer2 *nfd = unorm2_getNFDInstance(&status);
    assert_true(U_SUCCESS(status));
    size_t known = 0;
    for (UChar32 rune = 0x3400; rune <= 0x9fff; rune++) {
        UChar text[32] = {(UChar)rune}, plain[64];
        int32_t size = 1, limit = 1;
        char expected[64] = "";
        utrans_transUChars(t, text, &size, 32, 0, &limit, &status);
        int32_t plain_size = unorm2_normalize(nfd, text, size, plain, 64, &status);
        assert_true(U_SUCCESS(status));
        size_t out = 0;
        for (int32_t i = 0; i < plain_size; i++)
            if (plain[i] >= 'a' && plain[i] <= 'z')
                expected[out++] = (char)plain[i];
        if (size == 1 && text[0] == (UChar)rune) /* ICU leaves it as it is */
            assert_string_equal(pinyin_of((uint32_t)rune), "");
        else if (strcmp(pinyin_of((uint32_t)rune), expected) != 0)
            fail_msg("U+%04x: '%s', ICU says '%s'", (unsigned)rune, pinyin_of((uint32_t)rune), expected);
        known += pinyin_of((uint32_t)rune)[0] != '\0';
    }
    assert_true(known > 20000);
    assert_string_equal(pinyin_of('a'), "");
    assert_string_equal(pinyin_of(0x10ffff), "");
    utrans_close(t);
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *text, *units;
    } rows[] = {
        {"重庆", "chong qing"},
        {"重庆市长寿区", "chong qing shi chang shou qu"},
        {"厦门", "xia men"},
        {"长沙", "chang sha"},
        {"银行行长", "yin hang xing zhang"},
        {"户口迁移", "hu kou qian yi"},
        {"ETC发行", "e t c fa xing"},
        {"ＩＣ卡２", "i c ka 2"},
        {"新生儿(出生)", "xin sheng er  chu sheng "},
        {"律师", "lu shi"},
        {"", ""},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct pinyin_unit units[50];
        size_t count = pinyin_split(rows[i].text, units, 50);
        struct buf b = {0};
        for (size_t n = 0; n < count; n++)
            buf_printf(&b, "%s%s", n == 0 ? "" : " ", units[n].text);
        assert_string_equal(buf_cstr(&b), rows[i].units);
        buf_close(&b);
    }
    struct pinyin_unit few[2];
    assert_int_equal(pinyin_split("户口迁移", few, 2), 2);
}

static void test_search_text(void **state)
{
    (void)state;
    struct err e;
    struct catalog *c = NULL;
    struct region_table *regions = NULL;
    struct arena a = ARENA_INIT;
    struct search_text t;
    assert_int_equal(catalog_load(DATA "sichuan.json", &(struct load_expect){0}, &c, NULL, &e), 0);
    assert_int_equal(region_table_load(DATA "divisions.tsv", NULL, &regions, &e), 0);
    const struct catalog_item *item = catalog_find(c, "11510000TEMP000138"
                                                      "20007KSTB0060");
    for (size_t i = 0; item == NULL && i < catalog_count(c); i++)
        if (strcmp(catalog_at(c, i)->reference, "KSTB-060") == 0)
            item = catalog_at(c, i);
    search_text_make(item, regions, &a, &t);
    assert_non_null(strstr(t.words, "四川省公安厅 四川省"));
    assert_non_null(strstr(t.words, "身份证首次办理"));
    assert_int_equal(strncmp(t.pinyin, "0shoucishenlingjuminshenfenzheng", 32), 0);
    assert_non_null(strstr(t.pinyin, " 0scsljmsfz "));
    assert_non_null(strstr(t.pinyin, " juminshenfenzheng jmsfz "));
    assert_non_null(strstr(t.codes, "KSTB-060"));
    assert_string_equal(t.events, "办证件");
    assert_string_equal(t.region, "c51 e51");
    char area[8];
    search_text_area(510104, area);
    assert_string_equal(area, "510104");
    search_text_area(510100, area);
    assert_string_equal(area, "5101");
    arena_close(&a);
    region_table_destroy(regions);
    catalog_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_character),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_search_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
