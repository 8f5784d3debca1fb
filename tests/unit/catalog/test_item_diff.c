/* Goal: the report of an import names each place that changed, with what was there and what will be, and nothing else; it is
 * bounded and says where it was cut. Method: a table of pairs of canonical bytes; long values; many differences. */
#include "catalog/item_diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/arena.h"
#include "node/base/limits.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

/* "path before > after; …", - for nothing. */
static const char *diff(struct arena *a, const char *before, const char *after)
{
    struct item_differences d;
    struct buf b = {0};
    item_diff(bytes_of_string(before), bytes_of_string(after), 100, a, &d);
    assert_int_equal(d.count, d.total);
    for (size_t i = 0; i < d.count; i++) {
        const struct item_difference *one = &d.at[i];
        assert_false(one->is_cut);
        buf_printf(&b, "%s%s %s > %s", i == 0 ? "" : "; ", one->path, one->before == NULL ? "-" : one->before,
                   one->after == NULL ? "-" : one->after);
    }
    const char *text = arena_strdup(a, buf_cstr(&b));
    buf_close(&b);
    return text;
}

static void test_pairs(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after, *differences;
    } rows[] = {
        {"{\"name\":\"甲\",\"version\":1}", "{\"name\":\"甲\",\"version\":2}", ""},
        {"{\"name\":\"甲\"}", "{\"name\":\"乙\"}", "name 甲 > 乙"},
        {"{\"bookable\":true,\"level\":2}", "{\"level\":3,\"quota\":\"无\"}",
         "bookable true > -; level 2 > 3; quota - > 无"},
        {"{\"limits\":{\"promised\":{\"n\":20,\"unit\":\"working\"},\"stages\":[{\"days\":5,\"stage\":\"受理\"},"
         "{\"days\":15,\"stage\":\"审查\"}]}}",
         "{\"limits\":{\"promised\":{\"n\":20,\"unit\":\"natural\"},\"stages\":[{\"days\":5,\"stage\":\"受理\"},"
         "{\"days\":10,\"stage\":\"审查\"}]}}",
         "limits.promised.unit working > natural; limits.stages[1].days 15 > 10"},
        {"{\"limits\":{\"stages\":[{\"stage\":\"甲\"},{\"stage\":\"丙\"}]}}",
         "{\"limits\":{\"stages\":[{\"stage\":\"甲\"},{\"stage\":\"乙\"},{\"stage\":\"丙\"}]}}",
         "limits.stages[1] - > {\"stage\":\"乙\"}"},
        {"{\"faq\":[{\"question\":\"甲\"},{\"question\":\"乙\"},{\"question\":\"丙\"}]}",
         "{\"faq\":[{\"question\":\"乙\"},{\"question\":\"丙\"}]}", "faq[0] {\"question\":\"甲\"} > -"},
        {"{\"materials\":[{\"code\":\"M05\",\"copies\":1},{\"code\":\"M06\"},{\"code\":\"M07\"}]}",
         "{\"materials\":[{\"code\":\"M05\",\"copies\":2},{\"code\":\"M07\"},{\"code\":\"M08\"}]}",
         "materials[M05].copies 1 > 2; materials[M06] {\"code\":\"M06\"} > -; materials[M08] - > {\"code\":\"M08\"}"},
        {"{\"materials\":[{\"code\":\"M1\"},{\"code\":\"M2\"},{\"code\":\"M3\"}]}",
         "{\"materials\":[{\"code\":\"M3\"},{\"code\":\"M1\"},{\"code\":\"M4\"}]}",
         "materials[M2] {\"code\":\"M2\"} > -; materials[M4] - > {\"code\":\"M4\"}; materials M1, M3 > M3, M1"},
        {"{\"modes\":[\"全程网办\"],\"promise\":{\"materials\":[\"M1\",\"M2\"]}}",
         "{\"modes\":[],\"promise\":{\"materials\":[\"M1\",\"M3\"]}}",
         "modes[0] 全程网办 > -; promise.materials[1] M2 > M3"},
        {"{\"fee\":{\"charged\":true,\"items\":[]}}", "{\"remedies\":{\"review\":\"a\\nb\"}}",
         "fee {\"charged\":true,\"items\":[]} > -; remedies - > {\"review\":\"a\\nb\"}"},
        {"{\"version\":{\"a\":1}}", "{\"source\":{\"version\":1}}", "source - > {\"version\":1}"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct arena a = ARENA_INIT;
        assert_string_equal(diff(&a, rows[i].before, rows[i].after), rows[i].differences);
        assert_string_equal(diff(&a, rows[i].after, rows[i].after), "");
        arena_close(&a);
    }
}

/* Of a long text the part around the first byte that differs is shown, in whole characters; the cut is told. */
static void test_long(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    struct buf x = {0}, y = {0};
    struct item_differences d;
    buf_put_string(&x, "{\"conditions\":\"");
    for (int i = 0; i < 600; i++)
        buf_put_string(&x, "条");
    buf_put(&y, x.data, x.size);
    buf_put_string(&x, "件十五日");
    buf_put_string(&y, "件十日");
    for (int i = 0; i < 600; i++) {
        buf_put_string(&x, "款");
        buf_put_string(&y, "款");
    }
    buf_put_string(&x, "\"}");
    buf_put_string(&y, "\",\"name\":\"短\"}");
    item_diff(buf_bytes(&x), buf_bytes(&y), 10, &a, &d);
    assert_int_equal(d.count, 2);
    const struct item_difference *one = &d.at[0];
    assert_string_equal(one->path, "conditions");
    assert_true(one->is_cut);
    assert_false(d.at[1].is_cut);
    const char *const both[] = {one->before, one->after};
    for (size_t i = 0; i < array_count(both); i++) {
        size_t size = strlen(both[i]);
        assert_true(utf8_is_valid(both[i], size));
        assert_in_range(size, IMPORT_DIFFERENCE_BYTES_MAX, IMPORT_DIFFERENCE_BYTES_MAX + 2 * strlen("…"));
        assert_memory_equal(both[i], "…条", strlen("…条"));
        assert_string_equal(both[i] + size - strlen("款…"), "款…");
    }
    assert_non_null(strstr(one->before, "件十五日"));
    assert_non_null(strstr(one->after, "件十日"));

    /* a long one that goes is shown from its start */
    item_diff(buf_bytes(&x), bytes_of_string("{}"), 10, &a, &d);
    assert_memory_equal(d.at[0].before, "条", strlen("条"));
    assert_true(d.at[0].is_cut && d.at[0].after == NULL);
    buf_close(&x);
    buf_close(&y);
    arena_close(&a);
}

static void test_many(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    struct buf x = {0};
    struct item_differences d;
    buf_put_string(&x, "{\"supporting\":[");
    for (int i = 0; i < 60; i++)
        buf_printf(&x, "%s\"%d\"", i == 0 ? "" : ",", i);
    buf_put_string(&x, "]}");
    for (size_t max = 0; max <= 70; max += 7) {
        item_diff(buf_bytes(&x), bytes_of_string("{\"supporting\":[]}"), max, &a, &d);
        assert_int_equal(d.count, min_of(max, (size_t)60));
        assert_int_equal(d.total, 60);
    }
    buf_close(&x);
    arena_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
