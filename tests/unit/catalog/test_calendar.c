/* Goal: working days as the State Council's notices of 2024-2026 say, limits counted from the day after, everything
 * past the table provisional, bad files refused. Method: anchors of the notices, counts of whole years, an independent
 * day-by-day count for random limits, a table of bad texts. */
#include "catalog/calendar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/date.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"

static struct calendar *calendar;

static int load_calendar(void **state)
{
    (void)state;
    struct err e;
    return calendar_load(TEST_SOURCE_DIR "/catalog/data/holidays.json", &calendar, &e);
}

static int close_calendar(void **state)
{
    (void)state;
    calendar_destroy(calendar);
    return 0;
}

static void test_anchors(void **state)
{
    (void)state;
    static const struct {
        uint32_t first, last;
        bool is_working;
    } rows[] = {
        {20240204, 20240204, true},  /* Sunday, worked */
        {20250126, 20250126, true},  /* Sunday, worked */
        {20260214, 20260214, true},  /* Saturday, worked */
        {20260215, 20260223, false}, /* Spring Festival */
        {20260228, 20260228, true},  /* Saturday, worked */
        {20261001, 20261007, false}, /* National Day */
        {20261010, 20261010, true},  /* Saturday, worked */
        {20261121, 20261122, false}, /* an ordinary weekend */
        {20261123, 20261127, true},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        for (uint32_t date = rows[i].first; date <= rows[i].last; date++) {
            bool is_provisional = true;
            assert_int_equal(calendar_is_working_day(calendar, date, &is_provisional), rows[i].is_working);
            assert_false(is_provisional);
        }
    }
}

static void test_years(void **state)
{
    (void)state;
    static const struct {
        uint32_t year;
        int32_t days;
        bool is_provisional;
    } rows[] = {{2024, 251, false}, {2025, 248, false}, {2026, 248, false}, {2023, 260, true}, {2027, 261, true}};
    for (size_t i = 0; i < array_count(rows); i++) {
        bool is_provisional;
        uint32_t before = (rows[i].year - 1) * 10000 + 1231;
        assert_int_equal(calendar_count_working_days(calendar, before, rows[i].year * 10000 + 1231, &is_provisional),
                         rows[i].days);
        assert_int_equal(is_provisional, rows[i].is_provisional);
        assert_int_equal(calendar_has_year(calendar, rows[i].year), !rows[i].is_provisional);
    }
    assert_false(calendar_has_year(calendar, UINT32_MAX));
}

static void test_add(void **state)
{
    (void)state;
    static const struct {
        uint32_t date, days, due;
        bool is_provisional;
    } rows[] = {
        {20261124, 0, 20261124, false}, /* a Tuesday */
        {20261124, 1, 20261125, false}, /* the day after is day 1 */
        {20261124, 5, 20261201, false}, /* over a weekend */
        {20261121, 1, 20261123, false}, /* received on a Saturday */
        {20260930, 1, 20261008, false}, /* over National Day */
        {20260930, 3, 20261010, false}, /* and its worked Saturday */
        {20260213, 1, 20260214, false}, /* worked Saturday before Spring Festival */
        {20260213, 2, 20260224, false},
        {20240208, 20, 20240313, false}, /* 行政许可法 42: twenty days over Spring Festival 2024 */
        {20261231, 1, 20270101, true},   /* the notice of 2027 is missing */
        {20261224, 5, 20261231, false},  /* reaches the last day of the table, not beyond */
        {20261224, 6, 20270101, true},
        {99991230, 10, 99991231, true}, /* stops */
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        bool is_provisional;
        assert_int_equal(calendar_add_working_days(calendar, rows[i].date, rows[i].days, &is_provisional), rows[i].due);
        assert_int_equal(is_provisional, rows[i].is_provisional);
    }
    assert_int_equal(calendar_add_working_days(calendar, 20261124, 1, NULL), 20261125);
    assert_int_equal(calendar_add_natural_days(20261124, 10), 20261204);
    assert_int_equal(calendar_add_natural_days(20240228, 2), 20240301);
    assert_int_equal(calendar_add_natural_days(20261124, UINT32_MAX), 99991231);
}

/* Adding and counting are each other's inverse, and counting is a sum over days. */
static void test_count(void **state)
{
    (void)state;
    struct prng p;
    prng_init(&p, 20261124);
    for (int round = 0; round < 300; round++) {
        uint32_t from = date_from_days(date_to_days(20240101) + (int32_t)prng_below(&p, 1000));
        uint32_t days = (uint32_t)prng_below(&p, 60) + 1;
        uint32_t due = calendar_add_working_days(calendar, from, days, NULL);
        assert_true(calendar_is_working_day(calendar, due, NULL));
        assert_int_equal(calendar_count_working_days(calendar, from, due, NULL), days);
        assert_int_equal(calendar_count_working_days(calendar, due, from, NULL), -(int32_t)days);
        uint32_t sum = 0;
        for (uint32_t day = from; day != due; sum += calendar_is_working_day(calendar, day, NULL))
            day = date_from_days(date_to_days(day) + 1);
        assert_int_equal(sum, days);
    }
    assert_int_equal(calendar_count_working_days(calendar, 20261124, 20261124, NULL), 0);
}

static void test_bad_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *id, *message;
    } rows[] = {
        {"", "catalog.json", "h.json: line 1, column 1"},
        {"{", "catalog.json", "h.json: line 1"},
        {"[]", "calendar.date", "h.json: 0 dates"},
        {"{}", "calendar.date", "h.json: 0 dates"},
        {"{\"2026-10-01\":{\"type\":\"holiday\"}} x", "catalog.json", "column 35"},
        {"{\"2026-02-30\":{\"type\":\"holiday\"}}", "calendar.date", "h.json: '2026-02-30' is not a date"},
        {"{\"20261001\":{\"type\":\"holiday\"}}", "calendar.date", "'20261001'"},
        {"{\"2026-10-01\":true}", "calendar.value", "2026-10-01: true is not an object"},
        {"{\"2026-10-01\":{}}", "calendar.field", "2026-10-01: field 'type' is missing"},
        {"{\"2026-10-01\":{\"type\":\"off\"}}", "calendar.value",
         "2026-10-01.type: 'off' is not one of holiday, workday"},
        {"{\"2026-10-01\":{\"type\":1}}", "calendar.value", "2026-10-01.type"},
        {"{\"2026-10-01\":{\"type\":\"holiday\",\"name\":1}}", "calendar.value", "2026-10-01.name"},
        {"{\"2026-10-01\":{\"type\":\"holiday\",\"in_lieu\":\"no\"}}", "calendar.value", "2026-10-01.in_lieu"},
        {"{\"2026-10-01\":{\"type\":\"holiday\",\"kind\":1}}", "calendar.field", "field 'kind' is not known"},
        {"{\"2026-10-01\":{\"type\":\"holiday\",\"type\":\"workday\"}}", "calendar.field",
         "field 'type' is there twice"},
        {"{\"2026-10-02\":{\"type\":\"holiday\"},\"2026-10-01\":{\"type\":\"holiday\"},\"2026-10-02\":{\"type\":"
         "\"workday\"}}",
         "calendar.duplicate", "h.json: 2026-10-02 is there twice"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct err e;
        struct calendar *c = NULL;
        assert_int_equal(calendar_parse(bytes_of_string(rows[i].text), "h.json", &c, &e), ERR_INVALID);
        assert_string_equal(e.id, rows[i].id);
        assert_non_null(strstr(e.message, rows[i].message));
        assert_null(c);
    }
    struct err e;
    struct calendar *c = NULL;
    char deep[40];
    memset(deep, '[', sizeof deep);
    assert_int_equal(calendar_parse(bytes_of(deep, sizeof deep), "h.json", &c, &e), ERR_LIMIT);
    assert_string_equal(e.id, "catalog.json-depth");
    assert_int_equal(calendar_load("/nonexistent/h.json", &c, &e), ERR_NOT_FOUND);
    calendar_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anchors), cmocka_unit_test(test_years),     cmocka_unit_test(test_add),
        cmocka_unit_test(test_count),   cmocka_unit_test(test_bad_texts),
    };
    return cmocka_run_group_tests(tests, load_calendar, close_calendar);
}
