/* Goal: dates count, parse and print right, and what is no date is refused. Method: anchors, every day of 600 years
 * there and back, bad texts. */
#include "node/base/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/xassert.h"

static void test_is_valid(void **state)
{
    (void)state;
    static const struct {
        uint32_t date;
        bool is_valid;
    } rows[] = {
        {20261124, true},  {20240229, true},  {20000229, true},  {16000101, true},    {99991231, true},
        {20230229, false}, {19000229, false}, {20260431, false}, {20261301, false},   {20260001, false},
        {20260100, false}, {15991231, false}, {0, false},        {UINT32_MAX, false}, {100000101, false},
    };
    for (size_t i = 0; i < array_count(rows); i++)
        assert_int_equal(date_is_valid(rows[i].date), rows[i].is_valid);
}

static void test_days(void **state)
{
    (void)state;
    assert_int_equal(date_to_days(19700101), 0);
    assert_int_equal(date_to_days(19691231), -1);
    assert_int_equal(date_to_days(20000301), 11017);
    assert_int_equal(date_from_days(11016), 20000229);
    assert_int_equal(date_from_days(INT32_MIN), 16000101);
    assert_int_equal(date_from_days(INT32_MAX), 99991231);
    assert_int_equal(date_weekday(20261124), 2);
    assert_int_equal(date_weekday(20240204), 0);
    assert_int_equal(date_weekday(16000101), 6);

    uint32_t before = 16991231;
    unsigned weekday = date_weekday(before);
    for (int32_t days = date_to_days(17000101); days <= date_to_days(22991231); days++) {
        uint32_t date = date_from_days(days);
        assert_true(date_is_valid(date));
        assert_true(date > before);
        assert_int_equal(date_to_days(date), days);
        weekday = (weekday + 1) % 7;
        assert_int_equal(date_weekday(date), weekday);
        before = date;
    }
    assert_int_equal(before, 22991231);
}

static void test_text(void **state)
{
    (void)state;
    uint32_t date = 7;
    static const char *const bad[] = {"",           "2026-11-2",  "2026-11-241", "2026/11/24",
                                      "2026-13-01", "2026-02-30", "20261124xx",  "2026-11- 4",
                                      "+026-11-24", "0000-01-01", "2026-1124-"};
    for (size_t i = 0; i < array_count(bad); i++)
        assert_int_equal(date_parse(bytes_of_string(bad[i]), &date), ERR_INVALID);
    assert_int_equal(date, 7);
    assert_int_equal(date_parse(bytes_of_string("2026-11-24"), &date), 0);
    assert_int_equal(date, 20261124);
    char text[DATE_TEXT_SIZE];
    date_format(date, text);
    assert_string_equal(text, "2026-11-24");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_valid),
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
