/* Goal: a bundle is read back from its canonical bytes, every rule refuses by name, and answers come to the right items and each
 * material once. Method: one bundle (新生儿出生) with edits; tables of answers. */
#include "catalog/bundle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "catalog/item.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

/* Canonical. */
static const char birth[] =
    "{\"code\":\"BIRTH\",\"conditions\":\"父母一方有本省户籍\",\"lead\":\"四川省卫生健康委员会\",\"life_event\":"
    "\"出生\","
    "\"materials\":[{\"code\":\"S1\",\"name\":\"出生医学证明\",\"serves\":[\"HU/M1\",\"YB/M1\",\"SB/M1\"]},"
    "{\"code\":\"S2\",\"name\":\"父母身份证\",\"serves\":[\"HU/M2\",\"BT/M1\"]}],"
    "\"members\":[{\"code\":\"HU\",\"item\":\"0007KSTB0061\"},"
    "{\"after\":[\"HU\"],\"code\":\"YB\",\"item\":\"0020KSTB0072\",\"when\":[\"q1=是\"]},"
    "{\"after\":[\"HU\"],\"code\":\"SB\",\"item\":\"0020KSTB0010\",\"node\":510000},"
    "{\"code\":\"BT\",\"item\":\"0020KSTB0075\",\"when\":[\"q1=是\",\"q2=职工\"]}],"
    "\"name\":\"新生儿出生一件事\","
    "\"questions\":[{\"answers\":[\"是\",\"否\"],\"code\":\"q1\",\"text\":\"是否参保?\"},"
    "{\"answers\":[\"职工\",\"居民\"],\"code\":\"q2\",\"text\":\"母亲参加哪种医保?\"}],"
    "\"source\":{\"certainty\":\"unverified\",\"text\":\"测试\"},\"status\":\"在用\",\"version\":1}";

static struct bundle *parse(const char *text)
{
    struct err e = {0};
    struct bundle *b = NULL;
    if (bundle_parse(bytes_of_string(text), "t", &b, &e) != 0)
        print_error("%s\n", e.message);
    assert_non_null(b);
    return b;
}

static char *replace(const char *find, const char *with)
{
    const char *at = strstr(birth, find);
    assert_non_null(at);
    struct buf b = {0};
    buf_put(&b, birth, (size_t)(at - birth));
    buf_put_string(&b, with);
    buf_put_string(&b, at + strlen(find));
    char *copy = xstrdup(buf_cstr(&b));
    buf_close(&b);
    return copy;
}

static void test_read(void **state)
{
    (void)state;
    struct bundle *b = parse(birth);
    assert_string_equal(b->name, "新生儿出生一件事");
    assert_string_equal(b->life_event, "出生");
    assert_int_equal(b->members.count, 4);
    assert_int_equal(b->members.at[0].node, SHAPE_ABSENT);
    assert_int_equal(b->members.at[2].node, 510000);
    assert_int_equal(b->questions.at[1].answers.count, 2);
    assert_true(bytes_equal(b->canonical, bytes_of_string(birth)));
    bundle_destroy(b);
    bundle_destroy(NULL);
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *find, *with, *id, *message;
    } rows[] = {
        {"\"code\":\"YB\"", "\"code\":\"HU\"", "bundle.duplicate", "members[1].code: 'HU' is that of members[0]"},
        {"\"code\":\"S2\"", "\"code\":\"S1\"", "bundle.duplicate", "materials[1].code: 'S1'"},
        {"\"code\":\"q2\"", "\"code\":\"q1\"", "bundle.duplicate", "questions[1].code: 'q1' stands twice"},
        {"\"HU/M2\"", "\"HU/M1\"", "bundle.duplicate", "'HU/M1' is served twice"},
        {"\"BT/M1\"", "\"HU/M3\"", "bundle.duplicate", "'HU/M3' and 'HU/M2' are of one member"},
        {"q2=职工", "q2=工", "bundle.answer", "members[3].when: 'q2=工' is no answer"},
        {"q2=职工", "q3=职工", "bundle.answer", "'q3=职工'"},
        {"[\"职工\",\"居民\"]", "[\"职工=\",\"居民\"]", "bundle.answer", "questions[1].answers: '职工=' has a '='"},
        {"\"BT/M1\"", "\"XX/M1\"", "bundle.unknown", "materials[1].serves: 'XX/M1'"},
        {"\"BT/M1\"", "\"BT\"", "bundle.unknown", "'BT'"},
        {"\"after\":[\"HU\"]", "\"after\":[\"SB\"]", "bundle.order", "members[1].after: 'SB' is no member before"},
        {"\"after\":[\"HU\"]", "\"after\":[\"YB\"]", "bundle.order", "'YB'"},
        {"\"version\":1", "\"valid_from\":\"2026-02-01\",\"valid_to\":\"2026-01-01\",\"version\":1", "bundle.validity",
         "20260101 comes before"},
        {"[\"是\",\"否\"]", "[\"是\"]", "catalog.field-size", "1 texts, from 2"},
        {"\"life_event\":\"出生\",", "", "catalog.field-missing", "'life_event' is missing"},
        {"\"version\":1", "\"version\":1,\"x\":2", "catalog.field-unknown", "'x'"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct err e = {0};
        struct bundle *b = NULL;
        char *text = replace(rows[i].find, rows[i].with);
        assert_int_equal(bundle_parse(bytes_of_string(text), "t", &b, &e), ERR_INVALID);
        if (strcmp(e.id, rows[i].id) != 0 || strstr(e.message, rows[i].message) == NULL)
            print_error("row %zu: %s %s\n", i, e.id, e.message);
        assert_string_equal(e.id, rows[i].id);
        assert_non_null(strstr(e.message, rows[i].message));
        assert_null(b);
        free(text);
    }
    struct err e;
    struct bundle *b = NULL;
    char *large = xcalloc(1, CATALOG_ITEM_BYTES_MAX + 1);
    assert_int_equal(bundle_parse(bytes_of(large, CATALOG_ITEM_BYTES_MAX + 1), "t", &b, &e), ERR_LIMIT);
    assert_string_equal(e.id, "bundle.size");
    for (size_t size = 0; size < sizeof birth - 1; size += 7) /* cut anywhere */
        assert_int_equal(bundle_parse(bytes_of(birth, size), "t", &b, &e), ERR_INVALID);
    free(large);
}

static const struct catalog_material three[] = {{.code = "M1"}, {.code = "M2"}, {.code = "M3"}};

static const struct catalog_item *find(void *ctx, const struct bundle_member *member)
{
    (void)ctx;
    static const struct catalog_item item = {.materials = {three, 3}};
    return strcmp(member->code, "SB") == 0 ? NULL : &item; /* one is not known here */
}

/* "HU SB | open: q1 | S1(HU/M1 SB/M1) HU/M3" */
static const char *show(const struct bundle_plan *p, struct arena *a)
{
    struct buf b = {0};
    for (size_t i = 0; i < p->member_count; i++)
        buf_printf(&b, "%s ", p->members[i]->code);
    buf_put_string(&b, "|");
    for (size_t i = 0; i < p->open_count; i++)
        buf_printf(&b, " %s", p->open[i]->code);
    buf_put_string(&b, " |");
    for (size_t i = 0; i < p->need_count; i++) {
        const struct bundle_need *n = &p->needs[i];
        if (n->shared == NULL) {
            buf_printf(&b, " %s/%s", n->member->code, n->material->code);
            continue;
        }
        buf_printf(&b, " %s(", n->shared->code);
        for (size_t s = 0; s < n->serve_count; s++)
            buf_printf(&b, "%s%s", s == 0 ? "" : " ", n->serves[s]);
        buf_put_string(&b, ")");
    }
    const char *text = arena_strdup(a, buf_cstr(&b));
    buf_close(&b);
    return text;
}

static void test_resolve(void **state)
{
    (void)state;
    static const struct {
        const char *answers[3];
        size_t count;
        const char *plan; /* or the id of the refusal */
    } rows[] = {
        {{0}, 0, "HU SB | q1 | S1(HU/M1 SB/M1) S2(HU/M2) HU/M3"},
        {{"q1=否"}, 1, "HU SB | | S1(HU/M1 SB/M1) S2(HU/M2) HU/M3"},
        {{"q1=是"}, 1, "HU YB SB | q2 | S1(HU/M1 YB/M1 SB/M1) S2(HU/M2) HU/M3 YB/M2 YB/M3"},
        {{"q2=居民"}, 1, "HU SB | q1 | S1(HU/M1 SB/M1) S2(HU/M2) HU/M3"},
        {{"q2=职工", "q1=是"},
         2,
         "HU YB SB BT | | S1(HU/M1 YB/M1 SB/M1) S2(HU/M2 BT/M1) HU/M3 YB/M2 YB/M3 BT/M2 BT/M3"},
        {{"q1=也许"}, 1, "bundle.answer"},
        {{"q9=是"}, 1, "bundle.answer"},
        {{"q1"}, 1, "bundle.answer"},
        {{"q1=是", "q1=否"}, 2, "bundle.answer"},
    };
    struct arena a = ARENA_INIT;
    struct bundle *b = parse(birth);
    for (size_t i = 0; i < array_count(rows); i++) {
        struct bundle_plan plan;
        struct err e = {0};
        int rc = bundle_resolve(b, rows[i].answers, rows[i].count, find, NULL, &a, &plan, &e);
        const char *text = rc == 0 ? show(&plan, &a) : e.id;
        if (strcmp(text, rows[i].plan) != 0)
            print_error("row %zu: %s\n", i, text);
        assert_string_equal(text, rows[i].plan);
    }
    bundle_destroy(b);
    arena_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_resolve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
