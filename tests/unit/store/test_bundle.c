/* Goal: publications of bundles are found version by version and listed by their newest, withdrawn ones are not listed, pages and
 * filters work, a changed row or one without its entry is noticed. Method: a few rows on sample entries. */
#include "tests/unit/store/store_rig.h"

#include "node/base/limits.h"

#define SELF STORE_SAMPLE_SELF

static struct store_bundle row(const char *code, uint64_t index, uint32_t version)
{
    struct store_bundle b = {.node = SELF, .index = index, .version = version, .valid_from = 20260101};
    (void)snprintf(b.code, sizeof b.code, "%s", code);
    (void)snprintf(b.name, sizeof b.name, "%s一件事", code);
    (void)snprintf(b.life_event, sizeof b.life_event, "%s", version == 1 ? "出生" : "迁居、出生");
    b.pinyin = version == 1 ? "c yi jian shi , chu sheng" : "a lu yi , qian ju , chu sheng";
    b.nodes = version == 1 ? "440000 330106" : "";
    return b;
}

static void put(struct store_rig *rig, const struct store_bundle *rows, size_t count)
{
    rig_commit(rig, &(struct store_batch){.bundles = rows, .bundle_count = count});
}

/* "A2 C1" */
static const char *list(struct store_rig *rig, struct store_bundle_filter f)
{
    struct store_bundle *rows = NULL;
    size_t count = 0;
    struct buf b = {0};
    f.limit = f.limit == 0 ? 10 : f.limit;
    rig_ok(rig, store_list_bundles(rig->reader, &f, &rig->arena, &rows, &count, &rig->e));
    for (size_t i = 0; i < count; i++)
        buf_printf(&b, "%s%s%u", i == 0 ? "" : " ", rows[i].code, rows[i].version);
    const char *text = arena_strdup(&rig->arena, buf_cstr(&b));
    buf_close(&b);
    return text;
}

static void fill(struct store_rig *rig)
{
    rig_open(rig);
    rig_commit_samples(rig, 0, 2);
    struct store_bundle rows[] = {row("A", 0, 1), row("B", 1, 1), row("A", 2, 2), row("C", 3, 1), row("B", 4, 1)};
    rows[4].withdrawn = true;
    put(rig, rows, 5);
}

static void finds_each_version(void **state)
{
    struct store_rig *rig = *state;
    struct store_bundle *rows = NULL, one;
    size_t count = 0;
    fill(rig);
    rig_ok(rig, store_list_bundle_versions(rig->reader, SELF, "A", &rig->arena, &rows, &count, &rig->e));
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].version, 2);
    assert_int_equal(rows[1].version, 1);
    assert_int_equal(rows[1].valid_from, 20260101);
    rig_ok(rig, store_read_bundle(rig->reader, SELF, "B", 4, &rig->arena, &one, &rig->e));
    assert_true(one.withdrawn);
    assert_int_equal(store_read_bundle(rig->reader, SELF, "A", 4, &rig->arena, &one, &rig->e), ERR_NOT_FOUND);
    rig_ok(rig, store_list_bundle_versions(rig->reader, 110000, "A", &rig->arena, &rows, &count, &rig->e));
    assert_int_equal(count, 0);
    put(rig, &(struct store_bundle){.node = SELF, .code = "A", .index = 2, .version = 2, .name = "x"}, 1); /* again */
    rig_ok(rig, store_list_bundle_versions(rig->reader, SELF, "A", &rig->arena, &rows, &count, &rig->e));
    assert_int_equal(count, 2);
}

static void lists_the_newest(void **state)
{
    struct store_rig *rig = *state;
    fill(rig);
    assert_string_equal(list(rig, (struct store_bundle_filter){0}), "A2 C1");
    assert_string_equal(list(rig, (struct store_bundle_filter){.node = SELF}), "A2 C1");
    assert_string_equal(list(rig, (struct store_bundle_filter){.node = 110000}), "");
    assert_string_equal(list(rig, (struct store_bundle_filter){.text = "c一件"}),
                        "A2 C1"); /* 出生 begins with c, too */
    assert_string_equal(list(rig, (struct store_bundle_filter){.life_event = "迁居"}), "A2");
    static const struct {
        const char *text, *found;
    } words[] = {
        {"chusheng", "A2 C1"},  {"CS", "A2 C1"},   {"cs", "A2 C1"},  {"qian", "A2"},    {"qj", "A2"},
        {"qianj", "A2"},        {"qcs", ""},       {"jucs", ""},     {"lvyi", "A2"},    {"yijs", ""},
        {"yjs", "C1"},          {"jianshi", "C1"}, {"qju", ""},      {"hengx", ""},     {"出生 qj", "A2"},
        {"一件事 cs", "A2 C1"}, {"出生 x", ""},    {"迁居出生", ""}, {"ｃｓ", "A2 C1"}, {"lüyi", "A2"},
        {"ＱＪ", "A2"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const char *found = list(rig, (struct store_bundle_filter){.text = words[i].text});
        if (strcmp(found, words[i].found) != 0)
            print_error("'%s': '%s'\n", words[i].text, found);
        assert_string_equal(found, words[i].found);
    }
    static const struct {
        uint32_t region;
        const char *found;
    } regions[] = {{320000, "A2 C1"}, {320500, "A2 C1"}, {440000, "C1"}, {440300, "C1"}, {330106, "C1"},
                   {330100, "C1"},    {330000, "C1"},    {330108, ""},   {110000, ""}};
    for (size_t i = 0; i < sizeof regions / sizeof regions[0]; i++)
        assert_string_equal(list(rig, (struct store_bundle_filter){.region = regions[i].region}), regions[i].found);
    assert_string_equal(list(rig, (struct store_bundle_filter){.text = "100%"}), "");
    assert_string_equal(list(rig, (struct store_bundle_filter){.limit = 1}), "A2");
    assert_string_equal(list(rig, (struct store_bundle_filter){.after_node = SELF, .after_code = "A"}), "C1");
    assert_string_equal(list(rig, (struct store_bundle_filter){.after_node = SELF, .after_code = "C"}), "");
    struct store_bundle *rows;
    size_t count;
    const struct store_bundle_filter bad = {.text = "-", .limit = 1};
    assert_int_equal(store_list_bundles(rig->reader, &bad, &rig->arena, &rows, &count, &rig->e), ERR_INVALID);
    assert_string_equal(rig->e.id, "search.text");
    const struct store_bundle_filter none = {.limit = LIST_ROWS_MAX + 1};
    assert_int_equal(store_list_bundles(rig->reader, &none, &rig->arena, &rows, &count, &rig->e), ERR_LIMIT);
}

static void refuses_what_has_no_form(void **state)
{
    struct store_rig *rig = *state;
    struct store_bundle bad[] = {row("", 0, 1), row("A", 0, 1), row("A", 0, 1), row("A", 0, 1)};
    fill(rig);
    bad[1].node = 0;
    bad[2].valid_to = 999999999;
    memset(bad[3].name, 'x', sizeof bad[3].name);
    for (size_t i = 0; i < 4; i++) {
        const struct store_batch b = {.bundles = &bad[i], .bundle_count = 1};
        assert_int_equal(store_commit(rig->store, &b, &rig->e), ERR_INVALID);
        assert_string_equal(rig->e.id, "store.bundle");
    }
    assert_string_equal(list(rig, (struct store_bundle_filter){0}), "A2 C1");
}

static void notices_changes(void **state)
{
    static const char *const changes[] = {
        "UPDATE bundle SET version = 3 WHERE code = 'A' AND idx = 2",
        "UPDATE bundle SET name = 'other' WHERE code = 'C'",
        "UPDATE bundle SET withdrawn = 0 WHERE code = 'B' AND idx = 4",
        "UPDATE bundle SET idx = 99 WHERE code = 'C'",
    };
    struct store_rig *rig = *state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        fill(rig);
        rig_ok(rig, store_check(rig->reader, &rig->e));
        rig_close(rig);
        rig_sql(rig, "ledger.db", changes[i]);
        rig_open(rig);
        assert_int_equal(store_check(rig->reader, &rig->e), ERR_CORRUPT);
        assert_string_equal(rig->e.id, "store.row");
        rig_close(rig);
        rig_empty_folder(rig);
    }
    fill(rig);
    const struct store_bundle stray = row("D", 99, 1);
    put(rig, &stray, 1);
    assert_int_equal(store_check(rig->reader, &rig->e), ERR_CORRUPT);
    assert_string_equal(rig->e.id, "store.counts");
    assert_non_null(strstr(rig->e.message, "bundles without the entry"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_each_version, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(lists_the_newest, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(refuses_what_has_no_form, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(notices_changes, rig_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
