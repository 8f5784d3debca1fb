/* Goal: items are found by part of the name in Chinese, pinyin, initials, codes, other names, life event and region; the best
 * kind of match and the shortest name come first; nothing withdrawn or changed is found by what it was. Method: a small table
 * of items and of searches; random names and a naive search over them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/base/prng.h"
#include "node/base/xassert.h"
#include "node/store/store.h"

#define SELF 510000u

struct rig {
    char dir[64];
    struct store *store;
    struct store_reader *reader;
};

static int setup(void **state)
{
    struct err e;
    struct rig *r = xcalloc(1, sizeof *r);
    (void)snprintf(r->dir, sizeof r->dir, "/tmp/tongban-search-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    assert_int_equal(store_open(r->dir, SELF, &r->store, &e), 0);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    struct buf command = {0};
    store_reader_close(r->reader);
    store_close(r->store);
    buf_printf(&command, "rm -rf %s", r->dir);
    assert_int_equal(system(buf_cstr(&command)), 0);
    buf_close(&command);
    free(r);
    return 0;
}

static void put(struct rig *r, struct store_item *items, size_t count)
{
    struct err e = {0};
    const struct store_batch b = {.items = items, .item_count = count};
    int rc = store_commit(r->store, &b, &e);
    if (rc != 0)
        print_error("%s: %s\n", e.id, e.message);
    assert_int_equal(rc, 0);
    if (r->reader == NULL)
        assert_int_equal(store_reader_open(r->dir, &r->reader, &e), 0);
}

static struct store_item make(uint32_t node, const char *code, const char *name, const struct store_item_search *s)
{
    static uint64_t index;
    struct store_item item = {.node = node, .version = 1, .index = index++, .json = bytes_of("{}", 2), .search = s};
    (void)snprintf(item.code, sizeof item.code, "%s", code);
    (void)snprintf(item.name, sizeof item.name, "%s", name);
    return item;
}

/* The codes found, separated by blanks, with the kind of the first match. */
static const char *find(struct rig *r, const struct store_search *s, struct arena *a)
{
    struct store_search_hit *hits = NULL;
    size_t count = 0;
    struct err e = {0};
    struct buf b = {0};
    int rc = store_search_items(r->reader, s, a, &hits, &count, &e);
    if (rc != 0)
        buf_printf(&b, "%s", e.id);
    for (size_t i = 0; rc == 0 && i < count; i++)
        buf_printf(&b, "%s%s%s", i == 0 ? hits[0].match : "", i == 0 ? ": " : " ", hits[i].code);
    const char *text = arena_strdup(a, buf_cstr(&b));
    buf_close(&b);
    return text;
}

/* long: one table of searches */
static void finds(void **state)
{
    struct rig *r = *state;
    static const struct store_item_search s[] = {
        {"四川省公安厅 四川省",
         "0juminshenfenzhenghuanling 0jmsfzhl minshenfenzhenghuanling msfzhl shenfenzhenghuanling sfzhl "
         "fenzhenghuanling fzhl zhenghuanling zhl huanling hl ling l",
         "A1 KSTB059", "办证件", "c51 e51"},
        {"成都市公安局 四川省成都市",
         "0linshijuminshenfenzheng 0lsjmsfz shijuminshenfenzheng sjmsfz juminshenfenzheng jmsfz "
         "minshenfenzheng msfz shenfenzheng sfz fenzheng fz zheng z",
         "A2", "办证件", "c51 c5101 e5101"},
        {"重庆市公安局 身份证明", "0hukouqianyi 0hkqy kouqianyi kqy qianyi qy yi y", "A3", "迁居", "c50 e50"},
        {"四川省税务局", "0lushifuwu 0lsfw shifuwu sfw fuwu fw wu w", "A4", "就业", "c51 e51"},
    };
    struct store_item items[] = {make(510000, "A1", "居民身份证换领", &s[0]),
                                 make(510000, "A2", "临时居民身份证", &s[1]), make(500000, "A3", "户口迁移", &s[2]),
                                 make(510000, "A4", "律师服务", &s[3])};
    put(r, items, array_count(items));
    static const struct {
        struct store_search s;
        const char *found;
    } rows[] = {
        {{.text = "身份证", .limit = 10}, "name: A1 A2 A3"}, /* the third by its other names */
        {{.text = "居民", .limit = 10}, "start: A1 A2"},
        {{.text = "证", .limit = 10}, "name: A1 A2 A3"},
        {{.text = "换领", .limit = 10}, "name: A1"},
        {{.text = "身份证 换领", .limit = 10}, "name: A1"},
        {{.text = "身份证换领", .limit = 10}, "name: A1"},
        {{.text = "换领身份证", .limit = 10}, "similar: A1 A2"},
        {{.text = "jmsfz", .limit = 10}, "start: A1 A2"},
        {{.text = "SFZ", .limit = 10}, "name: A1 A2"},
        {{.text = "shenfen", .limit = 10}, "name: A1 A2"},
        {{.text = "hukou", .limit = 10}, "start: A3"},
        {{.text = "lvshi", .limit = 10}, "start: A4"},
        {{.text = "lushi", .limit = 10}, "start: A4"},
        {{.text = "a2", .limit = 10}, "code: A2"},
        {{.text = "kstb", .limit = 10}, "words: A1"},
        {{.text = "成都 身份证", .limit = 10}, "words: A2"},
        {{.text = "身份证", .limit = 1}, "name: A1"},
        {{.text = "身份证", .node = 500000, .limit = 10}, "words: A3"},
        {{.text = "身份证", .region = 510100, .limit = 10}, "name: A1 A2"}, /* the province's too */
        {{.text = "身份证", .region = 510700, .limit = 10}, "name: A1"},
        {{.text = "身份证", .region = 510000, .limit = 10}, "name: A1 A2"},
        {{.life_event = "办证件", .limit = 10}, "filter: A1 A2"},
        {{.life_event = "迁居", .text = "hkqy", .limit = 10}, "start: A3"},
        {{.region = 500101, .limit = 10}, "filter: A3"},
        {{.text = "没有这个", .limit = 10}, ""},
        {{.text = "zzz", .limit = 10}, ""},
        {{.text = "\" OR name : *", .limit = 10}, ""},
        {{.text = "!?,", .limit = 10}, "search.text"},
        {{.limit = 10}, "search.text"},
        {{.text = "a b c d e f g h i", .limit = 10}, "search.text"},
        {{.text = "\xff", .limit = 10}, "search.text"},
        {{.text = "a", .limit = 101}, "store.limit"},
    };
    struct arena a = ARENA_INIT;
    for (size_t i = 0; i < array_count(rows); i++) {
        const char *found = find(r, &rows[i].s, &a);
        if (strcmp(found, rows[i].found) != 0)
            print_error("row %zu '%s': '%s'\n", i, rows[i].s.text == NULL ? "" : rows[i].s.text, found);
        assert_string_equal(found, rows[i].found);
    }

    /* another name, then withdrawn */
    items[2] = make(500000, "A3", "落户", &(struct store_item_search){"", "0luohu 0lh", "A3", "", "c50 e50"});
    put(r, &items[2], 1);
    assert_string_equal(find(r, &(struct store_search){.text = "迁移", .limit = 10}, &a), "");
    assert_string_equal(find(r, &(struct store_search){.text = "luohu", .limit = 10}, &a), "start: A3");
    items[2] = make(500000, "A3", "落户", NULL);
    items[2].withdrawn = true;
    put(r, &items[2], 1);
    assert_string_equal(find(r, &(struct store_search){.text = "落户", .limit = 10}, &a), "");
    arena_close(&a);
}

/* Any part of any name finds exactly the names that contain it. */
static void agrees_with_a_naive_search(void **state)
{
    struct rig *r = *state;
    static const char *const runes[] = {"身", "份", "证", "户", "口", "办", "理", "居", "民"};
    enum { COUNT = 90 };
    struct prng g;
    char names[COUNT][40], codes[COUNT][8];
    struct store_item items[COUNT];
    static const struct store_item_search none = {"", "", "", "", ""};
    prng_init(&g, 3);
    for (size_t i = 0; i < COUNT; i++) {
        names[i][0] = '\0';
        for (uint64_t n = 1 + prng_below(&g, 9); n > 0; n--)
            strcat(names[i], runes[prng_below(&g, array_count(runes))]);
        (void)snprintf(codes[i], sizeof codes[i], "B%02zu", i);
        items[i] = make(510000, codes[i], names[i], &none);
    }
    put(r, items, COUNT);
    struct arena a = ARENA_INIT;
    for (int round = 0; round < 400; round++) {
        char text[32] = "";
        for (uint64_t n = 1 + prng_below(&g, 4); n > 0; n--)
            strcat(text, runes[prng_below(&g, array_count(runes))]);
        struct store_search_hit *hits = NULL;
        size_t count = 0, expected = 0;
        struct err e;
        assert_int_equal(
            store_search_items(r->reader, &(struct store_search){.text = text, .limit = 100}, &a, &hits, &count, &e),
            0);
        if (count > 0 && strcmp(hits[0].match, "similar") == 0)
            count = 0;
        for (size_t i = 0; i < COUNT; i++) {
            bool contains = strstr(names[i], text) != NULL, found = false;
            for (size_t n = 0; n < count; n++)
                found = found || strcmp(hits[n].code, codes[i]) == 0;
            if (contains != found)
                print_error("'%s' in '%s': %d %d\n", text, names[i], contains, found);
            assert_int_equal(contains, found);
            expected += contains;
        }
        assert_int_equal(count, expected);
        for (size_t n = 1; n < count; n++) /* of one kind, shorter names first */
            if (strcmp(hits[n - 1].match, hits[n].match) == 0)
                assert_true(strlen(hits[n - 1].name) <= strlen(hits[n].name));
    }
    arena_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds, setup, teardown),
        cmocka_unit_test_setup_teardown(agrees_with_a_naive_search, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
