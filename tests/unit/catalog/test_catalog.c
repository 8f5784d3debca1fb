/* Goal: loading is all or nothing and says everything that is wrong; the catalog in memory finds, searches, replaces,
 * removes and compares. Method: small texts, tables of bad heads, a catalog at the limit of items. */
#include "catalog/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "catalog/item.h"
#include "catalog/load.h"
#include "node/base/clock.h"
#include "node/base/limits.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"

#define NODE 510000u
#define ITEM_FORMAT                                                                                                    \
    "{\"code\":\"%s\",\"department\":{\"name\":\"四川省公安厅\"},\"level\":2,\"modes\":[],\"name\":\"%s\","            \
    "\"source\":{\"certainty\":\"seen\",\"text\":\"测试\"},\"status\":\"在用\",\"subject\":[\"自然人\"],\"type\":"     \
    "\"20\"}"

static struct catalog_item *make_item(const char *code, const char *name)
{
    struct buf text = {0};
    struct err e;
    struct catalog_item *item = NULL;
    buf_printf(&text, ITEM_FORMAT, code, name);
    assert_int_equal(catalog_item_parse(buf_bytes(&text), NODE, "test", &item, &e), 0);
    buf_close(&text);
    return item;
}

static void put(struct catalog *c, const char *code, const char *name)
{
    struct err e;
    assert_int_equal(catalog_put(c, make_item(code, name), &e), 0);
}

static void test_put_find_remove(void **state)
{
    (void)state;
    struct catalog *c = catalog_create(NODE, 0);
    struct err e;
    assert_null(catalog_find(c, "a1"));
    static const char *const codes[] = {"m5", "a1", "z9", "m4", "B2"};
    for (size_t i = 0; i < array_count(codes); i++)
        put(c, codes[i], "甲");
    assert_int_equal(catalog_count(c), 5);
    for (size_t i = 0; i < array_count(codes); i++)
        assert_string_equal(catalog_find(c, codes[i])->code, codes[i]);
    for (size_t i = 1; i < 5; i++)
        assert_true(strcmp(catalog_at(c, i - 1)->code, catalog_at(c, i)->code) < 0);

    put(c, "m4", "乙"); /* replaces */
    assert_int_equal(catalog_count(c), 5);
    assert_string_equal(catalog_find(c, "m4")->name, "乙");

    assert_int_equal(catalog_remove(c, "m4", &e), 0);
    assert_null(catalog_find(c, "m4"));
    assert_int_equal(catalog_count(c), 4);
    assert_int_equal(catalog_remove(c, "m4", &e), ERR_NOT_FOUND);
    assert_string_equal(e.message, "the catalog of 510000 has no item 'm4'");
    assert_int_equal(catalog_node(c), NODE);
    assert_int_equal(catalog_version(c), 0);
    catalog_destroy(c);
    catalog_destroy(NULL);
}

static void test_find_service(void **state)
{
    (void)state;
    struct catalog *c = catalog_create(NODE, 0);
    put(c, "a1", "甲");
    put(c, "a2", "乙");
    const struct catalog_item *found = NULL;
    uint32_t service = catalog_find(c, "a2")->service;
    assert_int_equal(catalog_find_service(c, service, &found, 1), 1);
    assert_string_equal(found->code, "a2");
    assert_int_equal(catalog_find_service(c, service, NULL, 0), 1);
    assert_int_equal(catalog_find_service(c, service + 1, &found, 1), 0);
    catalog_destroy(c);
}

static void test_search(void **state)
{
    (void)state;
    struct catalog *c = catalog_create(NODE, 0);
    put(c, "A1KSTB", "户口迁移");
    put(c, "A2KSTB", "居民身份证换领");
    put(c, "A3", "临时居民身份证");
    static const struct {
        const char *text;
        size_t skip, max, found;
        const char *codes; /* of the rows that come back */
    } rows[] = {
        {"", 0, 9, 3, "A1KSTB A2KSTB A3 "},
        {"身份证", 0, 9, 2, "A2KSTB A3 "},
        {"kstb", 0, 9, 2, "A1KSTB A2KSTB "},
        {"户口", 0, 9, 1, "A1KSTB "},
        {"结婚", 0, 9, 0, ""},
        {"", 1, 1, 3, "A2KSTB "},
        {"身份证", 2, 9, 2, ""},
        {"A1KSTBX", 0, 9, 0, ""},
        {"", 0, 0, 3, ""},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        const struct catalog_item *items[9] = {NULL};
        char codes[64] = "";
        size_t found = catalog_search(c, bytes_of_string(rows[i].text), rows[i].skip, items, rows[i].max);
        assert_int_equal(found, rows[i].found);
        for (size_t n = 0; n < array_count(items) && items[n] != NULL; n++)
            (void)snprintf(codes + strlen(codes), sizeof codes - strlen(codes), "%s ", items[n]->code);
        assert_string_equal(codes, rows[i].codes);
    }
    catalog_destroy(c);
}

static void test_diff(void **state)
{
    (void)state;
    struct catalog *old = catalog_create(NODE, 1);
    struct catalog *new = catalog_create(NODE, 2);
    put(old, "a1", "甲");
    put(old, "a2", "乙");
    put(old, "a3", "丙");
    put(new, "a0", "新");
    put(new, "a2", "乙乙");
    put(new, "a3", "丙");
    put(new, "a4", "新");
    struct catalog_diff d;
    catalog_diff_init(&d, old, new);
    assert_int_equal(d.added_count, 2);
    assert_string_equal(d.added[0]->code, "a0");
    assert_string_equal(d.added[1]->code, "a4");
    assert_int_equal(d.changed_count, 1);
    assert_string_equal(d.changed[0]->name, "乙乙");
    assert_int_equal(d.removed_count, 1);
    assert_string_equal(d.removed[0]->code, "a1");
    catalog_diff_close(&d);

    catalog_diff_init(&d, new, new);
    assert_int_equal(d.added_count + d.changed_count + d.removed_count, 0);
    catalog_diff_close(&d);
    catalog_diff_init(&d, NULL, new);
    assert_int_equal(d.added_count, 4);
    assert_int_equal(d.removed_count, 0);
    catalog_diff_close(&d);
    catalog_destroy(old);
    catalog_destroy(new);
}

/* Against a naive oracle: random sets of codes, the diff is what set arithmetic says. */
static void test_diff_random(void **state)
{
    (void)state;
    struct prng p;
    prng_init(&p, 7);
    for (int round = 0; round < 50; round++) {
        struct catalog *sides[2] = {catalog_create(NODE, 1), catalog_create(NODE, 2)};
        int names[2][20]; /* 0 absent, else which name */
        for (int side = 0; side < 2; side++)
            for (int i = 0; i < 20; i++) {
                char code[8];
                (void)snprintf(code, sizeof code, "c%02d", i);
                names[side][i] = (int)prng_below(&p, 3);
                if (names[side][i] != 0)
                    put(sides[side], code, names[side][i] == 1 ? "甲" : "乙");
            }
        size_t added = 0, changed = 0, removed = 0;
        for (int i = 0; i < 20; i++) {
            added += names[0][i] == 0 && names[1][i] != 0;
            removed += names[0][i] != 0 && names[1][i] == 0;
            changed += names[0][i] != 0 && names[1][i] != 0 && names[0][i] != names[1][i];
        }
        struct catalog_diff d;
        catalog_diff_init(&d, sides[0], sides[1]);
        assert_int_equal(d.added_count, added);
        assert_int_equal(d.changed_count, changed);
        assert_int_equal(d.removed_count, removed);
        catalog_diff_close(&d);
        catalog_destroy(sides[0]);
        catalog_destroy(sides[1]);
    }
}

#define HEAD "{\"format\":\"tongban-catalog/1\",\"node\":510000,\"version\":7,\"items\":"

static void test_load_heads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        const char *id, *message;
    } rows[] = {
        {"", ERR_INVALID, "catalog.json", "c.json: line 1, column 1"},
        {"{\n\"format\": x}", ERR_INVALID, "catalog.json", "c.json: line 2, column 11"},
        {HEAD "[]} 1", ERR_INVALID, "catalog.json", "c.json: line 1"},
        {"[]", ERR_INVALID, "catalog.field-type", "c.json: array is not an object"},
        {"{}", ERR_INVALID, "catalog.field-missing", "c.json: field 'format' is missing (and 3 more)"},
        {HEAD "[],\"x\":1}", ERR_INVALID, "catalog.field-unknown", "c.json: field 'x' is not known"},
        {HEAD "[],\"node\":510000}", ERR_INVALID, "catalog.field-duplicate", "c.json: field 'node' is there twice"},
        {HEAD "{}}", ERR_INVALID, "catalog.field-type", "c.json: items: object is not a list"},
        {HEAD "[7]}", ERR_INVALID, "catalog.field-type", "c.json: items[0]: 7 is not an object"},
        {"{\"format\":\"tongban-catalog/2\",\"node\":510000,\"version\":7,\"items\":[]}", ERR_UNSUPPORTED,
         "catalog.format", "c.json: format: 'tongban-catalog/2' is not tongban-catalog/1"},
        {"{\"format\":\"tongban-catalog/1\",\"node\":440000,\"version\":7,\"items\":[]}", ERR_INVALID, "catalog.node",
         "c.json: node: 440000 is not this node, 510000"},
        {"{\"format\":\"tongban-catalog/1\",\"node\":510000,\"version\":4,\"items\":[]}", ERR_CONFLICT,
         "catalog.version-old", "c.json: version: 4 is older than 5"},
        {"{\"format\":\"tongban-catalog/1\",\"node\":510000,\"version\":0,\"items\":[]}", ERR_INVALID,
         "catalog.field-value", "c.json: version: 0 is not from 1"},
    };
    const struct load_expect expect = {.node = NODE, .version_min = 5};
    for (size_t i = 0; i < array_count(rows); i++) {
        struct err e;
        struct catalog *c = NULL;
        struct shape_problems problems;
        int rc = catalog_load_text(bytes_of_string(rows[i].text), "c.json", &expect, &c, &problems, &e);
        if (rc != rows[i].code || strstr(e.message, rows[i].message) == NULL)
            print_error("row %zu: %s %s\n", i, e.id, e.message);
        assert_int_equal(rc, rows[i].code);
        assert_string_equal(e.id, rows[i].id);
        assert_non_null(strstr(e.message, rows[i].message));
        assert_null(c);
        assert_true(problems.count > 0);
        assert_int_equal(problems.list[0].code, rows[i].code);
    }
}

static void put_items(struct buf *b, const char *const *codes, size_t count)
{
    buf_put_string(b, HEAD "[");
    for (size_t i = 0; i < count; i++) {
        buf_put_string(b, i == 0 ? "\n" : ",\n");
        buf_printf(b, ITEM_FORMAT, codes[i], "甲");
    }
    buf_put_string(b, "]}");
}

static void test_load(void **state)
{
    (void)state;
    static const char *const codes[] = {"b2", "a1", "c3"};
    struct buf text = {0};
    struct err e;
    struct catalog *c = NULL;
    struct shape_problems problems;
    put_items(&text, codes, 3);
    assert_int_equal(catalog_load_text(buf_bytes(&text), "c.json", &(struct load_expect){0}, &c, &problems, &e), 0);
    assert_int_equal(problems.count, 0);
    assert_int_equal(catalog_node(c), NODE);
    assert_int_equal(catalog_version(c), 7);
    assert_int_equal(catalog_count(c), 3);
    assert_string_equal(catalog_at(c, 0)->code, "a1");
    assert_int_equal(catalog_at(c, 0)->index, 1);
    catalog_destroy(c);
    buf_close(&text);
    assert_int_equal(catalog_load("/nonexistent/c.json", &(struct load_expect){0}, &c, &problems, &e), ERR_NOT_FOUND);
}

/* Three mistakes in three items are three problems, and nothing is loaded. */
static void test_load_problems(void **state)
{
    (void)state;
    static const char *const codes[] = {"a1", "b-2", "c3", "a1", "d-4"};
    struct buf text = {0};
    struct err e;
    struct catalog *c = NULL;
    struct shape_problems problems;
    put_items(&text, codes, array_count(codes));
    int rc = catalog_load_text(buf_bytes(&text), "c.json", &(struct load_expect){0}, &c, &problems, &e);
    assert_int_equal(rc, ERR_INVALID);
    assert_null(c);
    assert_int_equal(problems.count, 3);
    assert_string_equal(problems.list[0].message,
                        "c.json: items[1].code: 'b-2' has other characters than 0-9, A-Z, a-z");
    assert_string_equal(problems.list[1].message, "c.json: items[3].code: 'a1' is that of items[0] too");
    assert_string_equal(problems.list[1].id, "catalog.item-duplicate");
    assert_string_equal(problems.list[2].message,
                        "c.json: items[4].code: 'd-4' has other characters than 0-9, A-Z, a-z");
    assert_int_equal(catalog_load_text(buf_bytes(&text), "c.json", &(struct load_expect){0}, &c, NULL, NULL),
                     ERR_INVALID);
    buf_close(&text);
}

/* A code that stands twice is told whatever else is wrong with one of its rows, so that the next look finds nothing new. */
static void test_load_doubles(void **state)
{
    (void)state;
    static const struct {
        const char *code, *name;
    } rows[] = {{"A1", "甲"},       {"A1", ""},         {"B2", ""},  {"B2", "乙"},
                {"x\\u001b", "丙"}, {"x\\u001b", "丙"}, {"A1", "丁"}};
    static const char *const told[] = {
        "c.json: items[1].code: 'A1' is that of items[0] too", "c.json: items[3].code: 'B2' is that of items[2] too",
        "c.json: items[5].code: 'x?' is that of items[4] too", "c.json: items[6].code: 'A1' is that of items[0] too"};
    struct buf text = {0};
    buf_put_string(&text, HEAD "[");
    for (size_t i = 0; i < array_count(rows); i++)
        buf_printf(&text, ITEM_FORMAT ",", rows[i].code, rows[i].name);
    buf_put_string(&text, "7,{\"code\":3}]}");
    struct shape_problems problems;
    struct catalog *c = NULL;
    assert_int_equal(catalog_load_text(buf_bytes(&text), "c.json", &(struct load_expect){0}, &c, &problems, NULL),
                     ERR_INVALID);
    size_t found = 0;
    for (size_t i = 0; i < problems.count; i++) {
        if (strcmp(problems.list[i].id, "catalog.item-duplicate") != 0)
            continue;
        assert_true(found < array_count(told));
        assert_string_equal(problems.list[i].message, told[found++]);
    }
    assert_int_equal(found, array_count(told));
    buf_close(&text);
}

/* No catalog gets past 20 problems, however many items it has. */
static void test_load_stops(void **state)
{
    (void)state;
    struct buf text = {0};
    struct err e;
    struct catalog *c = NULL;
    struct shape_problems problems;
    buf_put_string(&text, HEAD "[1");
    for (int i = 0; i < 1000; i++)
        buf_put_string(&text, ",{}");
    buf_put_string(&text, "]}");
    assert_int_equal(catalog_load_text(buf_bytes(&text), "c.json", &(struct load_expect){0}, &c, &problems, &e),
                     ERR_INVALID);
    assert_int_equal(problems.count, SHAPE_PROBLEMS_MAX);
    buf_close(&text);
}

/* The largest catalog loads in a moment; one item more is refused before any is read. */
static void test_load_largest(void **state)
{
    (void)state;
    struct buf text = {0};
    struct err e;
    struct catalog *c = NULL;
    buf_put_string(&text, HEAD "[");
    for (unsigned i = 0; i < CATALOG_ITEMS_MAX; i++) {
        char code[16];
        (void)snprintf(code, sizeof code, "c%08u", i);
        buf_put_string(&text, i == 0 ? "" : ",");
        buf_printf(&text, ITEM_FORMAT, code, "居民身份证换领补领异地受理");
    }
    size_t size = text.size;
    buf_put_string(&text, "]}");
    uint64_t start = clock_mono_ms();
    assert_int_equal(catalog_load_text(buf_bytes(&text), "c.json", &(struct load_expect){0}, &c, NULL, &e), 0);
    print_message("%u items, %zu bytes: %u ms\n", CATALOG_ITEMS_MAX, text.size, (unsigned)(clock_mono_ms() - start));
    assert_int_equal(catalog_count(c), CATALOG_ITEMS_MAX);
    assert_string_equal(catalog_find(c, "c00099999")->code, "c00099999");

    struct catalog_item *item = make_item("d1", "甲");
    assert_int_equal(catalog_put(c, item, &e), ERR_LIMIT);
    assert_string_equal(e.id, "catalog.too-many");
    assert_string_equal(e.message, "item 'd1': the catalog of 510000 has 100000 items, limit 100000");
    catalog_item_destroy(item);
    catalog_destroy(c);

    c = NULL;
    text.size = size;
    buf_put_string(&text, ",{}]}");
    assert_int_equal(catalog_load_text(buf_bytes(&text), "c.json", &(struct load_expect){0}, &c, NULL, &e), ERR_LIMIT);
    assert_string_equal(e.id, "catalog.too-many");
    assert_string_equal(e.message, "c.json: items: 100001 items, limit 100000");
    assert_null(c);
    buf_close(&text);
}

static void test_load_hostile_sizes(void **state)
{
    (void)state;
    struct err e;
    struct catalog *c = NULL;
    size_t size = (size_t)2 * CATALOG_VALUES_MAX + 2;
    char *text = xmalloc(size);
    text[0] = '[';
    for (size_t i = 1; i < size; i++)
        text[i] = i % 2 == 1 ? '1' : ',';
    assert_int_equal(catalog_load_text(bytes_of(text, size), "c.json", &(struct load_expect){0}, &c, NULL, &e),
                     ERR_LIMIT);
    assert_string_equal(e.id, "catalog.json-values");
    memset(text, '{', 100);
    assert_int_equal(catalog_load_text(bytes_of(text, 100), "c.json", &(struct load_expect){0}, &c, NULL, &e),
                     ERR_LIMIT);
    assert_string_equal(e.message, "c.json: line 1, column 33: nested deeper than 32");
    free(text);

    /* Brackets inside a text do not count as depth. */
    static const char nested[] = "{\"a\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\":1}";
    assert_int_equal(catalog_load_text(bytes_of_string(nested), "c.json", &(struct load_expect){0}, &c, NULL, &e),
                     ERR_INVALID);
    assert_string_equal(e.id, "catalog.field-unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_find_remove),
        cmocka_unit_test(test_find_service),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_diff),
        cmocka_unit_test(test_diff_random),
        cmocka_unit_test(test_load_heads),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_load_problems),
        cmocka_unit_test(test_load_doubles),
        cmocka_unit_test(test_load_stops),
        cmocka_unit_test(test_load_largest),
        cmocka_unit_test(test_load_hostile_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
