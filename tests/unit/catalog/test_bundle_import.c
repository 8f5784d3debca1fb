/* Goal: a file of bundles is read whole, or every wrong place in it is told with line, column, value and rule. Method: the shipped
 * files; a table of single edits to a small one. */
#include "catalog/bundle_import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/file.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

#define NODE 510000u

static const char good[] =
    "{\"format\": \"tongban-bundles/1\", \"node\": 510000, \"bundles\": [\n"
    "{\"code\": \"A\", \"name\": \"甲\", \"life_event\": \"出生\", \"lead\": \"乙\",\n"
    " \"members\": [{\"code\": \"X\", \"item\": \"1\"}, {\"code\": \"Y\", \"item\": \"2\"}],\n"
    " \"source\": {\"text\": \"t\", \"certainty\": \"seen\"}, \"status\": \"在用\", \"version\": 3},\n"
    "{\"code\": \"A\", \"name\": \"甲\", \"life_event\": \"出生\", \"lead\": \"乙\",\n"
    " \"members\": [{\"code\": \"X\", \"item\": \"1\"}, {\"code\": \"Y\", \"item\": \"2\"}],\n"
    " \"source\": {\"text\": \"t\", \"certainty\": \"seen\"}, \"status\": \"在用\", \"version\": 4}]}\n";

static struct bundle_import read_file(struct bytes file)
{
    struct err e = {0};
    struct bundle_import b;
    int rc = bundle_import_read(file, NODE, &b, &e);
    if (rc != 0)
        print_error("%s: %s\n", e.id, e.message);
    assert_int_equal(rc, 0);
    return b;
}

static void test_shipped(void **state)
{
    static const struct {
        const char *name;
        uint32_t node;
        size_t count;
    } rows[] = {{"sichuan", 510000, 1}, {"guangdong", 440000, 1}, {"zhejiang", 330000, 2}};
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct err e = {0};
        struct buf text = {0}, path = {0};
        struct bundle_import b;
        buf_printf(&path, TEST_SOURCE_DIR "/catalog/data/bundles-%s.json", rows[i].name);
        assert_int_equal(file_read(buf_cstr(&path), CATALOG_FILE_BYTES_MAX, &text, &e), 0);
        assert_int_equal(bundle_import_read(buf_bytes(&text), rows[i].node, &b, &e), 0);
        assert_int_equal(b.report.problem_total, 0);
        assert_int_equal(b.count, rows[i].count);
        for (size_t n = 0; n < b.count; n++) {
            struct bundle *again = NULL;
            assert_int_equal(bundle_parse_published(b.bundles[n]->canonical, "again", &again, &e), 0);
            assert_string_equal(again->code, b.bundles[n]->code);
            bundle_destroy(again);
        }
        bundle_import_close(&b);
        buf_close(&text);
        buf_close(&path);
    }
}

static void test_every_problem_has_its_place(void **state)
{
    static const struct {
        const char *find, *with, *id, *field, *value;
        uint32_t line, column;
    } rows[] = {
        {"tongban-bundles/1", "other/1", "catalog.format", "format", "", 0, 0},
        {"510000", "440000", "catalog.node", "node", "", 0, 0},
        {"\"version\": 4", "\"version\": 3", "bundle.file-duplicate", "code", "\"A\"", 5, 10},
        {"\"item\": \"1\"}", "\"item\": \"1 \"}", "catalog.field-value", "members[0].item", "\"1 \"", 3, 36},
        {"\"code\": \"Y\"", "\"code\": \"X\"", "bundle.duplicate", "members[1].code", "\"X\"", 3, 51},
        {"\"在用\", \"version\": 4", "\"\", \"version\": 4", "catalog.field-value", "status", "\"\"", 7, 58},
    };
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        const char *at = strstr(good, rows[i].find);
        assert_non_null(at);
        struct buf text = {0};
        buf_put(&text, good, (size_t)(at - good));
        buf_put_string(&text, rows[i].with);
        buf_put_string(&text, at + strlen(rows[i].find));
        struct bundle_import b = read_file(buf_bytes(&text));
        assert_int_equal(b.report.problem_total, 1);
        const struct import_problem *p = &b.report.problems[0];
        if (strcmp(p->id, rows[i].id) != 0 || p->line != rows[i].line || p->column != rows[i].column)
            print_error("row %zu: %s %s '%s' %u:%u %s\n", i, p->id, p->field, p->value, p->line, p->column, p->rule);
        assert_string_equal(p->id, rows[i].id);
        assert_string_equal(p->field, rows[i].field);
        assert_string_equal(p->value, rows[i].value);
        assert_int_equal(p->line, rows[i].line);
        assert_int_equal(p->column, rows[i].column);
        bundle_import_close(&b);
        buf_close(&text);
    }
    struct bundle_import b = read_file(bytes_of_string(good));
    assert_int_equal(b.count, 2);
    bundle_import_refuse(&b, 1, "version", "bundle.version-old", "up to version %u", 9u);
    assert_string_equal(b.report.problems[0].value, "4");
    assert_int_equal(b.report.problems[0].line, 7);
    bundle_import_close(&b);
}

/* Whatever else is wrong with one of the two; rows without a code or a version are nobody's double. */
static void test_doubles_with_faults(void **state)
{
    (void)state;
    static const char text[] =
        "{\"format\": \"tongban-bundles/1\", \"node\": 510000, \"bundles\": [\n"
        "{\"code\": \"A\", \"version\": 3},\n{\"code\": \"A\"},\n{\"code\": \"A\", \"version\": 4},\n"
        "{\"code\": \"A\"},\n7,\n{\"version\": 3},\n{\"code\": \"A\", \"version\": 3}]}\n";
    struct bundle_import b = read_file(bytes_of_string(text));
    size_t doubled = 0;
    for (size_t i = 0; i < b.report.problem_count; i++)
        if (strcmp(b.report.problems[i].id, "bundle.file-duplicate") == 0) {
            doubled++;
            assert_int_equal(b.report.problems[i].line, 8);
            assert_non_null(strstr(b.report.problems[i].rule, "in line 2 "));
        }
    assert_int_equal(doubled, 1);
    bundle_import_close(&b);
}

static void test_limits(void **state)
{
    (void)state;
    struct buf text = {0};
    struct err e = {0};
    struct bundle_import b;
    buf_put_string(&text, "{\"format\":\"tongban-bundles/1\",\"node\":510000,\"bundles\":[");
    for (unsigned i = 0; i <= BUNDLES_MAX; i++)
        buf_put_string(&text, i == 0 ? "{}" : ",{}");
    buf_put_string(&text, "]}");
    b = read_file(buf_bytes(&text));
    assert_string_equal(b.report.problems[0].id, "bundle.too-many");
    assert_int_equal(b.count, 0);
    bundle_import_close(&b);
    for (size_t size = 0; size < sizeof good - 2; size += 5) { /* cut anywhere */
        assert_int_equal(bundle_import_read(bytes_of(good, size), NODE, &b, &e), ERR_INVALID);
        bundle_import_close(&b);
    }
    struct bundle *published = NULL; /* in order, and not canonical */
    const char *loose = strchr(good, '\n') + 1;
    const char *end = strstr(loose, "},\n{");
    assert_int_equal(bundle_parse_published(bytes_of(loose, (size_t)(end - loose) + 1), "t", &published, &e),
                     ERR_INVALID);
    assert_string_equal(e.id, "bundle.not-canonical");
    buf_close(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped),
        cmocka_unit_test(test_every_problem_has_its_place),
        cmocka_unit_test(test_doubles_with_faults),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
