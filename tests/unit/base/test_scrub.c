/* Goal: what looks like an identity number leaves a text, everything else stays as it is. Method: a table. */
#include "node/base/scrub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/xassert.h"

static void test_text(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; /* NULL: stays */
    } rows[] = {
        {"'division' is '510104190507290029'", "'division' is '510104********0029'"},
        {"33010619010108008X", "330106********008X"},
        {"33010619010108008x,", "330106********008x,"},
        {"id510104190507290029x", "id510104********0029x"},
        {"身份证510104190507290029号", "身份证510104********0029号"},
        {"510104190507290029 510104190507290029", "510104********0029 510104********0029"},
        {"510104190507290028", "510104********0028"}, /* a wrong check digit is a typing error, not another thing */
        {"H12345678 m1234567890", "H******78 m********90"},
        {"E12345678 EA1234567", "E******78 E******67"},
        {"USA110019000307", "USA********0307"},
        {"12441500196720244T3442199806003202206230068", NULL}, /* 办件编码 */
        {"11510000TEMP00021820007KSTB0066", NULL},
        {"91440300TEMP0003XW", NULL},
        {"5101041905072900291", NULL}, /* 19 digits */
        {"510104990507290029", NULL},  /* no date in it */
        {"000000000000000000", NULL},
        {"01a20bafb52c7408a4dd4c91f440d96e", NULL},
        {"2026-11-24T01:02:03.456Z 1764356155000 20261124", NULL},
        {"L12345678901", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "%s", rows[i].in);
        scrub_text(text);
        assert_string_equal(text, rows[i].out != NULL ? rows[i].out : rows[i].in);
    }
}

static void test_phones(void **state)
{
    (void)state;
    char text[] = "电话13800001234, 138000012345, 23800001234, 1380000123";
    scrub_phones(text);
    assert_string_equal(text, "电话*******1234, 138000012345, 23800001234, 1380000123");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_phones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
