/* UTF-8: what is valid, cutting at a character, columns of Chinese text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/utf8.h"

static void test_decode(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length; /* 0 = invalid */
        uint32_t rune;
    } rows[] = {
        {"a", 1, 'a'},
        {"\xc2\x80", 2, 0x80},
        {"\xdf\xbf", 2, 0x7ff},
        {"\xe0\xa0\x80", 3, 0x800},
        {"\xe9\x80\x9a", 3, 0x901a}, /* 通 */
        {"\xef\xbf\xbf", 3, 0xffff},
        {"\xf0\x90\x80\x80", 4, 0x10000},
        {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
        {"\x80", 0, 0},     /* continuation alone */
        {"\xc0\x80", 0, 0}, /* overlong */
        {"\xc1\xbf", 0, 0},
        {"\xe0\x9f\xbf", 0, 0},
        {"\xf0\x8f\xbf\xbf", 0, 0},
        {"\xed\xa0\x80", 0, 0}, /* surrogates */
        {"\xed\xbf\xbf", 0, 0},
        {"\xf4\x90\x80\x80", 0, 0}, /* beyond U+10FFFF */
        {"\xf5\x80\x80\x80", 0, 0},
        {"\xff", 0, 0},
        {"\xe9\x80", 0, 0},     /* cut */
        {"\xe9\x41\x9a", 0, 0}, /* no continuation */
        {"\xe9\x80\x41", 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t rune = 0;
        size_t length = utf8_decode(rows[i].text, strlen(rows[i].text), &rune);
        assert_int_equal(length, rows[i].length);
        if (length > 0)
            assert_int_equal(rune, rows[i].rune);
        assert_int_equal(utf8_is_valid(rows[i].text, strlen(rows[i].text)), rows[i].length > 0);
    }
    assert_true(utf8_is_valid("", 0));
    assert_true(utf8_is_valid("a\0b", 3));
}

/* Every scalar value decodes to itself, everything else of its form does not. */
static void test_all_runes(void **state)
{
    (void)state;
    for (uint32_t rune = 0x80; rune <= 0x110000; rune++) {
        char s[4];
        size_t length = rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;
        static const unsigned leads[5] = {0, 0, 0xc0, 0xe0, 0xf0};
        for (size_t i = length; i > 1; i--)
            s[i - 1] = (char)(0x80 | (rune >> (6 * (length - i)) & 0x3f));
        s[0] = (char)(leads[length] | rune >> (6 * (length - 1)));
        uint32_t decoded = 0;
        bool is_scalar = rune <= 0x10ffff && (rune < 0xd800 || rune > 0xdfff);
        if (utf8_decode(s, length, &decoded) != (is_scalar ? length : 0) || (is_scalar && decoded != rune))
            fail_msg("U+%04X", rune);
        if (utf8_decode(s, length - 1, &decoded) != 0)
            fail_msg("U+%04X cut", rune);
    }
}

static void test_trim_partial(void **state)
{
    (void)state;
    static const char whole[] = "a\xc3\xa9\xe9\x80\x9a\xf0\x90\x80\x80z"; /* 1, 2, 3, 4, 1 bytes */
    static const size_t kept[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    for (size_t cut = 0; cut < sizeof whole; cut++) {
        char text[sizeof whole];
        memcpy(text, whole, cut);
        text[cut] = '\0';
        utf8_trim_partial(text);
        assert_int_equal(strlen(text), kept[cut]);
    }
}

static void test_columns(void **state)
{
    (void)state;
    assert_int_equal(utf8_columns(""), 0);
    assert_int_equal(utf8_columns("abc"), 3);
    assert_int_equal(utf8_columns("\xe9\x80\x9a\xe5\x8a\x9e"), 4); /* 通办 */
    assert_int_equal(utf8_columns("\xef\xbc\x88"
                                  "A\xef\xbc\x89"),
                     5);                                   /* fullwidth parentheses */
    assert_int_equal(utf8_columns("e\xcc\x81"), 1);        /* combining accent */
    assert_int_equal(utf8_columns("\xf0\xa0\x80\x80"), 2); /* extension B, in names */
    assert_int_equal(utf8_columns("\xff\xff"), 2);         /* broken bytes take a place each */
    assert_int_equal(utf8_rune_columns('\n'), 0);
    assert_int_equal(utf8_count("\xe9\x80\x9a"
                                "a\xf0\xa0\x80\x80",
                                8),
                     3);
}

static void test_fold_width(void **state)
{
    (void)state;
    for (uint32_t rune = 0; rune <= 0x110000; rune++) {
        bool is_full = rune >= 0xff01 && rune <= 0xff5e;
        assert_int_equal(utf8_fold_width(rune), rune == 0x3000 ? ' ' : is_full ? rune - 0xff00 + ' ' : rune);
    }
    assert_int_equal(utf8_fold_width(0xff3a), 'Z');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),  cmocka_unit_test(test_all_runes),  cmocka_unit_test(test_trim_partial),
        cmocka_unit_test(test_columns), cmocka_unit_test(test_fold_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
