/* Goal: what is shipped is right: the three catalogs load without a problem, are what make_catalogs.py writes, carry
 * the limits of each side that the sources give, and the JSON schema says the same as the tables of the code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "catalog/catalog.h"
#include "catalog/item.h"
#include "catalog/load.h"
#include "node/base/xassert.h"

#define FOLDER TEST_SOURCE_DIR "/catalog/"

static const struct {
    const char *path;
    uint32_t node;
    const char *civil_affairs; /* department of KSTB-066 */
} provinces[] = {
    {FOLDER "data/sichuan.json", 510000, "四川省民政厅"},
    {FOLDER "data/guangdong.json", 440000, "广东省民政厅"},
    {FOLDER "data/zhejiang.json", 330000, "浙江省民政厅"},
};

static struct catalog *load(size_t province)
{
    struct err e;
    struct catalog *c = NULL;
    const struct load_expect expect = {.node = provinces[province].node};
    int rc = catalog_load(provinces[province].path, &expect, &c, NULL, &e);
    if (rc != 0)
        print_error("%s\n", e.message);
    assert_int_equal(rc, 0);
    return c;
}

static const struct catalog_item *find_reference(const struct catalog *c, const char *reference)
{
    for (size_t i = 0; i < catalog_count(c); i++)
        if (strcmp(catalog_at(c, i)->reference, reference) == 0)
            return catalog_at(c, i);
    return NULL;
}

static void test_catalogs_load(void **state)
{
    (void)state;
    for (size_t p = 0; p < array_count(provinces); p++) {
        struct catalog *c = load(p);
        size_t seen = 0;
        assert_int_equal(catalog_count(c), 88);
        for (size_t i = 0; i < catalog_count(c); i++) {
            const struct catalog_item *item = catalog_at(c, i);
            assert_int_equal(strlen(item->code), CATALOG_ITEM_CODE_NATIONAL_SIZE);
            assert_int_equal(item->division, provinces[p].node);
            assert_non_null(item->department->uscc);
            assert_non_null(strstr(item->department->uscc, "TEMP")); /* clearly not a real one */
            assert_true(catalog_item_is_open(item, 20261124));
            seen += item->source->certainty == CATALOG_CERTAINTY_SEEN;
            struct catalog_item *again = NULL;
            struct err e;
            assert_int_equal(catalog_item_parse(item->canonical, provinces[p].node, "peer", &again, &e), 0);
            catalog_item_destroy(again);
        }
        assert_int_equal(seen, 46);
        assert_string_equal(find_reference(c, "KSTB-066")->department->name, provinces[p].civil_affairs);
        catalog_destroy(c);
    }
}

static void test_stages(void **state)
{
    (void)state;
    static const struct {
        uint32_t days;
        enum catalog_side side;
    } stages[] = {
        {3, CATALOG_SIDE_RECEIVING},
        {15, CATALOG_SIDE_DECIDING},
        {15, CATALOG_SIDE_DECIDING},
        {3, CATALOG_SIDE_RECEIVING},
    };
    static const char *const references[] = {"KSTB-066", "KSTB-067"};
    struct catalog *c = load(0);
    for (size_t r = 0; r < array_count(references); r++) {
        const struct catalog_item *item = find_reference(c, references[r]);
        assert_int_equal(item->modes, 1u << CATALOG_MODE_FORWARDED);
        assert_true(item->limits->stages.count >= array_count(stages));
        for (size_t i = 0; i < array_count(stages); i++) {
            assert_int_equal(item->limits->stages.at[i].days, stages[i].days);
            assert_int_equal(item->limits->stages.at[i].side, stages[i].side);
            assert_int_equal(item->limits->stages.at[i].unit, CATALOG_UNIT_WORKING);
        }
        assert_true(item->materials.count > 0);
    }
    static const char *const others[] = {"KSTB-060", "KSTB-065", "KSTB-068"};
    for (size_t i = 0; i < array_count(others); i++)
        assert_true(find_reference(c, others[i])->limits->stages.count >= 2);
    assert_int_equal(find_reference(c, "KSTB-065")->limits->stages.at[1].days, 16);
    assert_int_equal(find_reference(c, "KSTB-068")->delivery->postage, CATALOG_PAYER_APPLICANT);
    catalog_destroy(c);
}

/* The same item has the same basic code everywhere, and another code. */
static void test_same_item(void **state)
{
    (void)state;
    struct catalog *a = load(0);
    struct catalog *b = load(1);
    const struct catalog_item *x = find_reference(a, "KSTB-060");
    const struct catalog_item *y = find_reference(b, "KSTB-060");
    assert_string_equal(x->basic_code, y->basic_code);
    assert_string_not_equal(x->code, y->code);
    assert_int_not_equal(x->service, y->service);
    catalog_destroy(a);
    catalog_destroy(b);
}

static void test_generated(void **state)
{
    (void)state;
    assert_int_equal(system("PYTHONDONTWRITEBYTECODE=1 python3 " FOLDER "data/make_catalogs.py --check"), 0);
    assert_int_equal(system("PYTHONDONTWRITEBYTECODE=1 python3 " FOLDER "data/make_bundles.py --check"), 0);
}

static void check_field(const struct shape_field *f, yyjson_val *property);

/* The object schema @value names the same fields as @s, the same of them required, and nothing else. */
static void check_shape(const struct shape *s, yyjson_val *value)
{
    yyjson_val *properties = yyjson_obj_get(value, "properties");
    yyjson_val *required = yyjson_obj_get(value, "required");
    size_t required_count = 0;
    assert_true(yyjson_is_false(yyjson_obj_get(value, "additionalProperties")));
    assert_int_equal(yyjson_obj_size(properties), s->field_count);
    for (size_t i = 0; i < s->field_count; i++) {
        const struct shape_field *f = &s->fields[i];
        yyjson_val *property = yyjson_obj_get(properties, f->key);
        if (property == NULL)
            print_error("the schema has no '%s'\n", f->key);
        assert_non_null(property);
        bool is_required = false;
        for (size_t n = 0; n < yyjson_arr_size(required); n++)
            is_required |= yyjson_equals_str(yyjson_arr_get(required, n), f->key);
        assert_int_equal(is_required, f->is_required);
        required_count += is_required;
        check_field(f, property);
    }
    assert_int_equal(yyjson_arr_size(required), required_count);
}

static void check_words(const struct shape_field *f, yyjson_val *words)
{
    size_t count = 0;
    for (; f->words[count] != NULL; count++)
        assert_true(yyjson_equals_str(yyjson_arr_get(words, count), f->words[count]));
    assert_int_equal(yyjson_arr_size(words), count);
}

static void check_field(const struct shape_field *f, yyjson_val *property)
{
    yyjson_val *type = yyjson_obj_get(property, "type");
    yyjson_val *items = yyjson_obj_get(property, "items");
    switch (f->kind) {
    case SHAPE_TEXT:
    case SHAPE_LINES:
    case SHAPE_CODE:
    case SHAPE_DATE:
        assert_true(yyjson_equals_str(type, "string"));
        return;
    case SHAPE_INTEGER:
        assert_int_equal(yyjson_get_uint(yyjson_obj_get(property, "minimum")), f->min);
        assert_int_equal(yyjson_get_uint(yyjson_obj_get(property, "maximum")), f->max);
        return;
    case SHAPE_BOOL:
        assert_true(yyjson_equals_str(type, "boolean"));
        return;
    case SHAPE_WORD:
        check_words(f, yyjson_obj_get(property, "enum"));
        return;
    case SHAPE_WORDS:
        assert_int_equal(yyjson_get_uint(yyjson_obj_get(property, "minItems")), f->min);
        check_words(f, yyjson_obj_get(items, "enum"));
        return;
    case SHAPE_TEXTS:
        assert_int_equal(yyjson_get_uint(yyjson_obj_get(property, "maxItems")), f->max);
        assert_true(yyjson_equals_str(yyjson_obj_get(items, "type"), "string"));
        return;
    case SHAPE_OBJECT:
        check_shape(f->inner, property);
        return;
    case SHAPE_OBJECTS:
        assert_int_equal(yyjson_get_uint(yyjson_obj_get(property, "maxItems")), f->max);
        check_shape(f->inner, items);
        return;
    case SHAPE_VALUE:
        return;
    }
}

static void test_schema(void **state)
{
    (void)state;
    yyjson_read_err fault;
    yyjson_doc *doc = yyjson_read_file(FOLDER "schema/catalog.schema.json", 0, NULL, &fault);
    assert_non_null(doc);
    yyjson_val *properties = yyjson_obj_get(yyjson_doc_get_root(doc), "properties");
    assert_true(yyjson_equals_str(yyjson_obj_get(yyjson_obj_get(properties, "format"), "const"), LOAD_CATALOG_FORMAT));
    check_shape(&catalog_item_shape, yyjson_obj_get(yyjson_obj_get(properties, "items"), "items"));
    yyjson_doc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_catalogs_load), cmocka_unit_test(test_stages), cmocka_unit_test(test_same_item),
        cmocka_unit_test(test_generated),     cmocka_unit_test(test_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
