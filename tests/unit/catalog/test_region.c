/* Goal: the shipped division tables load, the special cases of GB/T 2260 come out as the law sees them, routing picks
 * the smallest area, and bad lines are refused by file, line and value. Method: anchors in the real data, small bad
 * files. */
#include "catalog/region.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/base/division.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "tests/lib/temp_file.h"

#define DATA TEST_SOURCE_DIR "/catalog/data/"

static struct region_table *table;

static int load_table(void **state)
{
    (void)state;
    struct err e;
    int rc = region_table_load(DATA "divisions.tsv", DATA "divisions_historic.tsv", &table, &e);
    if (rc != 0)
        print_error("%s\n", e.message);
    return rc;
}

static int close_table(void **state)
{
    (void)state;
    region_table_destroy(table);
    return 0;
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        uint32_t code;
        const char *full_name;
        const char *name;
        enum region_level level;
        uint32_t parent;
        bool is_current, is_pseudo, has_no_counties;
    } rows[] = {
        {510000, "四川省", "四川省", REGION_PROVINCE, 0, true, false, false},
        {510100, "四川省成都市", "成都市", REGION_CITY, 510000, true, false, false},
        {510104, "四川省成都市锦江区", "锦江区", REGION_COUNTY, 510100, true, false, false},
        {110000, "北京市", "北京市", REGION_PROVINCE, 0, true, false, false},
        {110100, "北京市市辖区", "市辖区", REGION_CITY, 110000, true, true, false},
        {110101, "北京市东城区", "东城区", REGION_COUNTY, 110000, true, false, false},
        {500200, "重庆市县", "县", REGION_CITY, 500000, true, true, false},
        {500229, "重庆市城口县", "城口县", REGION_COUNTY, 500000, true, false, false},
        {429000, "湖北省省直辖县级行政区划", "省直辖县级行政区划", REGION_CITY, 420000, true, true, false},
        {429004, "湖北省仙桃市", "仙桃市", REGION_COUNTY, 420000, true, false, false},
        {659001, "新疆维吾尔自治区石河子市", "石河子市", REGION_COUNTY, 650000, true, false, false},
        {441900, "广东省东莞市", "东莞市", REGION_CITY, 440000, true, false, true},
        {442000, "广东省中山市", "中山市", REGION_CITY, 440000, true, false, true},
        {460400, "海南省儋州市", "儋州市", REGION_CITY, 460000, true, false, true},
        {620200, "甘肃省嘉峪关市", "嘉峪关市", REGION_CITY, 620000, true, false, true},
        {620201, "甘肃省嘉峪关市", "嘉峪关市", REGION_COUNTY, 620200, true, true, false},
        {810000, "香港特别行政区", "香港特别行政区", REGION_PROVINCE, 0, true, false, false},
        {510125, "四川省成都市新都县", "新都县", REGION_COUNTY, 510100, false, false, false},
        {110103, "北京市崇文区", "崇文区", REGION_COUNTY, 110000, false, false, false},
        {110221, "北京市昌平县", "昌平县", REGION_COUNTY, 110000, false, false, false},
        {130101, "河北省石家庄市市辖区", "市辖区", REGION_COUNTY, 130100, false, true, false},
        {142200, "山西省忻州地区", "忻州地区", REGION_CITY, 140000, false, false, false},
        {142231, "山西省忻州地区岢岚县", "岢岚县", REGION_COUNTY, 142200, false, false, false},
        {652100, "新疆维吾尔自治区吐鲁番地区", "吐鲁番地区", REGION_CITY, 650000, false, false, false},
        {320802, "江苏省淮安市清河区", "清河区", REGION_COUNTY, 320800, false, false, false},
        {442100, "广东省海南行政区", "海南行政区", REGION_CITY, 440000, false, false, false},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        const struct region *r = region_find(table, rows[i].code);
        assert_non_null(r);
        assert_string_equal(r->full_name, rows[i].full_name);
        assert_string_equal(r->name, rows[i].name);
        assert_int_equal(r->level, rows[i].level);
        assert_int_equal(r->parent, rows[i].parent);
        assert_int_equal(r->is_current, rows[i].is_current);
        assert_int_equal(r->is_pseudo, rows[i].is_pseudo);
        assert_int_equal(r->has_no_counties, rows[i].has_no_counties);
    }
    assert_null(region_find(table, 510199));
    assert_null(region_find(table, 0));
}

/* Every row has a full name and a parent that is real, above it, and there; exactly four cities lack counties. */
static void test_whole_table(void **state)
{
    (void)state;
    size_t current = 0, cities_without = 0;
    assert_int_equal(region_count(table), 3351 + 3466);
    for (size_t i = 0; i < region_count(table); i++) {
        const struct region *r = region_at(table, i);
        current += r->is_current;
        cities_without += r->has_no_counties;
        assert_true(strlen(r->full_name) > 0);
        assert_ptr_equal(region_find(table, r->code), r);
        if (r->level == REGION_PROVINCE) {
            assert_int_equal(r->parent, 0);
            continue;
        }
        const struct region *parent = region_find(table, r->parent);
        assert_non_null(parent);
        assert_true(parent->level < r->level);
        assert_false(parent->is_pseudo);
        assert_true(division_contains(parent->code, r->code));
    }
    assert_int_equal(current, 3351);
    assert_int_equal(cities_without, 4);
}

static void test_owner(void **state)
{
    (void)state;
    static const uint32_t nodes[] = {510104, 440000, 510000, 510100, 441900};
    static const struct {
        uint32_t code, owner;
    } rows[] = {
        {510104, 510104}, {510105, 510100}, {510100, 510100}, {511502, 510000}, {510000, 510000},
        {440306, 440000}, {441900, 441900}, {441901, 441900}, {330106, 0},      {0, 0},
    };
    for (size_t i = 0; i < array_count(rows); i++)
        assert_int_equal(region_owner(nodes, array_count(nodes), rows[i].code), rows[i].owner);
    assert_int_equal(region_owner(nodes, 0, 510104), 0);
    const uint32_t zero = 0;
    assert_int_equal(region_owner(&zero, 1, 510104), 0);
}

static void test_parse(void **state)
{
    (void)state;
    uint32_t code = 1;
    static const char *const bad[] = {"",       "51010",  "5101000", "51010x", "-10100",
                                      "000000", "100000", "109999",  " 51010"};
    for (size_t i = 0; i < array_count(bad); i++)
        assert_int_equal(region_parse(bytes_of_string(bad[i]), &code), ERR_INVALID);
    assert_int_equal(code, 1);
    assert_int_equal(region_parse(bytes_of_string("510104"), &code), 0);
    assert_int_equal(code, 510104);
}

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *id, *message; /* part of the message */
    } rows[] = {
        {"", "region.line", "no divisions"},
        {"510000 四川省\n", "region.line", "line 1: no tab"},
        {"510000\t四川省\n\n510100\t成都市\n", "region.line", "line 2: no tab"},
        {"51000\t四川省\n", "region.code", "line 1: '51000' is not"},
        {"5100001\t四川省\n", "region.code", "'5100001'"},
        {"010000\t四川省\n", "region.code", "'010000'"},
        {"510000\t\n", "region.name", "the name of 510000"},
        {"510000\t四川省\r\n", "region.name", "the name of 510000"},
        {"510000\t四川省\t省\n", "region.name", "the name of 510000"},
        {"510000\t\xff\xfe\n", "region.name", "the name of 510000"},
        {"510000\t四川省\n510000\t四川省\n", "region.order", "line 2: code 510000 does not come after 510000"},
        {"510000\t四川省\n440000\t广东省\n", "region.order", "line 2: code 440000"},
        {"510100\t成都市\n", "region.parent", "division 510100 '成都市' has no province"},
        {"510000\t四川省\n510104\t锦江区\n", "region.parent", "division 510104 '锦江区' has no city"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        char path[64];
        struct err e;
        struct region_table *t = NULL;
        temp_file_write(path, rows[i].text);
        int rc = region_table_load(path, NULL, &t, &e);
        unlink(path);
        assert_int_equal(rc, ERR_INVALID);
        assert_string_equal(e.id, rows[i].id);
        assert_non_null(strstr(e.message, rows[i].message));
        assert_non_null(strstr(e.message, path));
        assert_null(t);
    }
}

static void test_missing_and_doubled(void **state)
{
    (void)state;
    struct err e;
    struct region_table *t = NULL;
    assert_int_equal(region_table_load("/nonexistent/divisions.tsv", NULL, &t, &e), ERR_NOT_FOUND);
    assert_int_equal(region_table_load(DATA "divisions.tsv", "/nonexistent/h.tsv", &t, &e), ERR_NOT_FOUND);
    assert_int_equal(region_table_load(DATA "divisions.tsv", DATA "divisions.tsv", &t, &e), ERR_INVALID);
    assert_string_equal(e.id, "region.order");
    assert_non_null(strstr(e.message, "110000 stands in both files"));
    region_table_destroy(NULL);
}

/* As many divisions as fit into a table are taken; one more is refused, with the line. */
static void test_too_many(void **state)
{
    (void)state;
    char path[64];
    struct err e;
    struct region_table *t = NULL;
    struct buf text = {0};
    unsigned count = 0;
    for (uint32_t province = 110000; count < REGION_ROWS_MAX; province += 10000)
        for (uint32_t city = 0; city < 100 && count < REGION_ROWS_MAX; city++)
            for (uint32_t county = 0; county < (city == 0 ? 1u : 100u) && count < REGION_ROWS_MAX; county++, count++)
                buf_printf(&text, "%u\tx\n", province + 100 * city + county);
    temp_file_write(path, buf_cstr(&text));
    assert_int_equal(region_table_load(path, NULL, &t, &e), 0);
    unlink(path);
    assert_int_equal(region_count(t), REGION_ROWS_MAX);
    region_table_destroy(t);
    t = NULL;
    buf_put_string(&text, "990000\tx\n");
    temp_file_write(path, buf_cstr(&text));
    assert_int_equal(region_table_load(path, NULL, &t, &e), ERR_LIMIT);
    unlink(path);
    assert_string_equal(e.id, "region.too-many");
    assert_non_null(strstr(e.message, "line 65537"));
    assert_null(t);
    buf_close(&text);
}

/* A last line without newline counts; history is optional. */
static void test_small_table(void **state)
{
    (void)state;
    char path[64];
    struct err e;
    struct region_table *t = NULL;
    temp_file_write(path, "510000\t四川省\n510100\t成都市");
    assert_int_equal(region_table_load(path, NULL, &t, &e), 0);
    unlink(path);
    assert_int_equal(region_count(t), 2);
    assert_true(region_find(t, 510100)->has_no_counties);
    region_table_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),       cmocka_unit_test(test_whole_table),
        cmocka_unit_test(test_owner),       cmocka_unit_test(test_parse),
        cmocka_unit_test(test_bad_files),   cmocka_unit_test(test_missing_and_doubled),
        cmocka_unit_test(test_small_table), cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, load_table, close_table);
}
