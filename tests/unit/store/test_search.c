/* Goal: items are found by part of the name in Chinese, pinyin, initials, codes, other names, life event and region; the best
 * kind of match and the shortest name come first; pages in a row are the whole answer; nothing withdrawn or changed is found by
 * what it was. Method: a small table of items and of searches; a random corpus, random questions with all filters, and a naive
 * search that looks at every item and sorts. */
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
        {"", "0ickabuban 0ickbb ckabuban ckbb kabuban kbb buban bb ban b", "A5", "", "c33 e33"},
        {"四川省税务局", "0lushifuwu 0lsfw shifuwu sfw fuwu fw wu w", "A4", "就业", "c51 e51"},
    };
    struct store_item items[] = {make(510000, "A1", "居民身份证换领", &s[0]),
                                 make(510000, "A2", "临时居民身份证", &s[1]), make(500000, "A3", "户口迁移", &s[2]),
                                 make(330000, "A5", "ＩＣ卡补办", &s[3]), make(510000, "A4", "律师服务", &s[4])};
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
        {{.text = "lüshi", .limit = 10}, "start: A4"},
        {{.text = "LÜSHI", .limit = 10}, "start: A4"},
        {{.text = "lǜshī", .limit = 10}, "start: A4"},
        {{.text = "lu\u0308\u0300shi\u0304", .limit = 10}, "start: A4"}, /* marks as characters of their own */
        {{.text = "nü", .limit = 10}, ""},
        {{.text = "ｓｆｚ", .limit = 10}, "name: A1 A2"},
        {{.text = "ＳＦＺ", .limit = 10}, "name: A1 A2"},
        {{.text = "ＫＳＴＢ－０５９", .limit = 10}, ""}, /* two words, of which the second is no code's start */
        {{.text = "ＫＳＴＢ０５９", .limit = 10}, "code: A1"},
        {{.text = "身份证　ｈｌ", .limit = 10}, "name: A1"},
        {{.text = "IC卡", .limit = 10}, "name: A5"},
        {{.text = "ＩＣ卡", .limit = 10}, "name: A5"},
        {{.text = "ic", .limit = 10}, "start: A5"},
        {{.text = "！？，", .limit = 10}, "search.text"},
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

/* ---- a random corpus and a naive search ---- */

#define CORPUS 300

static const char *const runes[] = {"身", "份", "证", "户", "口", "办", "理", "居", "民"};
static const char *const readings[] = {"shen", "fen", "zheng", "hu", "kou", "ban", "li", "ju", "min"};
static const char *const typed[] = {"z", "s",  "sf",    "sfz",  "zheng", "zhen",         "ban", "banli",
                                    "b", "bl", "hukou", "jumi", "lij",   "shenfenzheng", "qq"};
static const char *const areas[] = {"51", "5101", "510104", "44", "4403"};
static const uint32_t divisions[] = {510000, 510100, 510104, 440000, 440300};
static const char *const events[] = {"出生", "迁居", "退休"};

struct sample {
    char name[40], code[16];
    const char *units[16]; /* the name's readings */
    size_t unit_count, area, event, order;
    int rank; /* of the question asked */
};

/* A question of one or two words and filters, each of which may be missing. */
struct question {
    const char *words[2];
    size_t word_count;
    const char *event;
    uint32_t region;
};

static void random_name(struct prng *g, char *out, uint64_t max)
{
    out[0] = '\0';
    for (uint64_t n = 1 + prng_below(g, max); n > 0; n--)
        strcat(out, runes[prng_below(g, array_count(runes))]);
}

/* As catalog/search_text.c writes them: from each syllable on in full and by initials, the first also behind a 0. */
static void put_reading(struct buf *b, const struct sample *s, size_t from, const char *mark, bool initials)
{
    buf_printf(b, "%s%s", b->size == 0 ? "" : " ", mark);
    size_t start = b->size - strlen(mark);
    for (size_t i = from; i < s->unit_count; i++)
        buf_put(b, s->units[i], initials ? 1 : strlen(s->units[i]));
    b->size = min_of(b->size, start + STORE_SEARCH_WORD_MAX);
}

static const char *pinyin_words(const struct sample *s, struct arena *a)
{
    struct buf b = {0};
    for (size_t from = 0; from < s->unit_count; from++)
        for (int initials = 0; initials < 2; initials++) {
            put_reading(&b, s, from, "", initials != 0);
            if (from == 0)
                put_reading(&b, s, from, "0", initials != 0);
        }
    const char *text = arena_strdup(a, buf_cstr(&b));
    buf_close(&b);
    return text;
}

static void fill_corpus(struct rig *r, struct prng *g, struct sample *samples)
{
    struct arena a = ARENA_INIT;
    static struct store_item items[CORPUS];
    for (size_t i = 0; i < CORPUS; i++) {
        struct sample *s = &samples[i];
        *s = (struct sample){
            .area = prng_below(g, array_count(areas)), .event = prng_below(g, array_count(events)), .order = i};
        random_name(g, s->name, 9);
        (void)snprintf(s->code, sizeof s->code, "X%04zu", i);
        for (const char *c = s->name; *c != '\0'; c += 3)
            for (size_t n = 0; n < array_count(runes); n++)
                if (strncmp(c, runes[n], 3) == 0)
                    s->units[s->unit_count++] = readings[n];
        struct buf region = {0};
        for (size_t size = 2; size <= strlen(areas[s->area]); size += 2)
            buf_printf(&region, "c%.*s ", (int)size, areas[s->area]);
        buf_printf(&region, "e%s", areas[s->area]);
        struct store_item_search *search = arena_alloc(&a, sizeof *search);
        *search = (struct store_item_search){"", pinyin_words(s, &a), s->code, events[s->event],
                                             arena_strdup(&a, buf_cstr(&region))};
        buf_close(&region);
        items[i] = make(510000, s->code, s->name, search);
    }
    put(r, items, CORPUS);
    arena_close(&a);
}

static bool is_ascii(const char *text)
{
    return (unsigned char)text[0] < 0x80;
}

/* Whether @word is how the name reads from unit @from on, in full or by its initials. */
static bool reads(const struct sample *s, size_t from, const char *word)
{
    struct buf full = {0}, initials = {0};
    for (size_t i = from; i < s->unit_count; i++) {
        buf_put_string(&full, s->units[i]);
        buf_put(&initials, s->units[i], 1);
    }
    bool yes =
        strncmp(buf_cstr(&full), word, strlen(word)) == 0 || strncmp(buf_cstr(&initials), word, strlen(word)) == 0;
    buf_close(&full);
    buf_close(&initials);
    return yes;
}

static bool starts(const struct sample *s, const char *word)
{
    return is_ascii(word) ? reads(s, 0, word) : strncmp(s->name, word, strlen(word)) == 0;
}

static bool contains(const struct sample *s, const char *word)
{
    if (!is_ascii(word))
        return strstr(s->name, word) != NULL;
    bool yes = false;
    for (size_t i = 0; i < s->unit_count; i++)
        yes = yes || reads(s, i, word);
    return yes;
}

static bool is_above_or_below(uint32_t division, uint32_t region)
{
    uint32_t unit = division % 10000 == 0 ? 10000 : division % 100 == 0 ? 100 : 1;
    uint32_t other = region % 10000 == 0 ? 10000 : region % 100 == 0 ? 100 : 1;
    return division / unit == region / unit || division / other == region / other;
}

/* 0: not found; 1: a single word begins the name; 2: each is in the name; 3: in the name or the life event. */
static int rank(const struct sample *s, const struct question *q)
{
    bool in_name = true, found = true;
    for (size_t i = 0; i < q->word_count; i++) {
        bool here = contains(s, q->words[i]);
        in_name = in_name && here;
        found = found && (here || (!is_ascii(q->words[i]) && strstr(events[s->event], q->words[i]) != NULL));
    }
    if (!found || (q->event != NULL && strcmp(events[s->event], q->event) != 0) ||
        (q->region != 0 && !is_above_or_below(divisions[s->area], q->region)))
        return 0;
    if (!in_name)
        return 3;
    return q->word_count == 1 && starts(s, q->words[0]) ? 1 : 2;
}

static int better(const void *x, const void *y)
{
    const struct sample *a = x, *b = y;
    if (a->rank != b->rank)
        return a->rank - b->rank;
    if (strlen(a->name) != strlen(b->name))
        return strlen(a->name) < strlen(b->name) ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static const char *naive(const struct sample *samples, const struct question *q, struct arena *a)
{
    static struct sample sorted[CORPUS];
    struct buf b = {0};
    memcpy(sorted, samples, sizeof sorted);
    for (size_t i = 0; i < CORPUS; i++)
        sorted[i].rank = rank(&sorted[i], q);
    qsort(sorted, CORPUS, sizeof sorted[0], better);
    for (size_t i = 0; i < CORPUS; i++)
        if (sorted[i].rank != 0)
            buf_printf(&b, "%s ", sorted[i].code);
    const char *text = arena_strdup(a, buf_cstr(&b));
    buf_close(&b);
    return text;
}

/* All pages of @size rows, one behind the other; names that are only similar are left out. */
static const char *paged(struct rig *r, struct store_search s, size_t size, struct arena *a)
{
    struct buf b = {0};
    size_t count = size;
    for (int pages = 0; count == size; pages++) {
        struct store_search_hit *hits = NULL;
        struct err e = {0};
        s.limit = size;
        assert_true(pages <= CORPUS);
        assert_int_equal(store_search_items(r->reader, &s, a, &hits, &count, &e), 0);
        for (size_t i = 0; i < count; i++)
            if (strcmp(hits[i].match, "similar") != 0)
                buf_printf(&b, "%s ", hits[i].code);
        if (count == 0 || hits[count - 1].id == 0)
            break;
        s.after_step = hits[count - 1].step;
        s.after_id = hits[count - 1].id;
    }
    const char *text = arena_strdup(a, buf_cstr(&b));
    buf_close(&b);
    return text;
}

static struct question random_question(struct prng *g, struct arena *a)
{
    struct question q = {.word_count = prng_below(g, 3)};
    for (size_t i = 0; i < q.word_count; i++) {
        char *word = arena_alloc(a, 40);
        random_name(g, word, 4);
        q.words[i] = prng_below(g, 2) == 0 ? word : typed[prng_below(g, array_count(typed))];
    }
    q.event = prng_below(g, 3) == 0 ? events[prng_below(g, array_count(events))] : NULL;
    q.region = prng_below(g, 3) == 0 ? divisions[prng_below(g, array_count(divisions))] : 0;
    if (q.word_count == 0 && q.event == NULL)
        q.region = 510000;
    return q;
}

static void agrees_with_a_naive_search(void **state)
{
    struct rig *r = *state;
    struct prng g;
    static struct sample samples[CORPUS];
    prng_init(&g, 3);
    fill_corpus(r, &g, samples);
    size_t found = 0, pages = 0;
    for (int round = 0; round < 600; round++) {
        struct arena a = ARENA_INIT;
        struct question q = random_question(&g, &a);
        const char *text = q.word_count == 0   ? NULL
                           : q.word_count == 1 ? q.words[0]
                                               : arena_printf(&a, "%s %s", q.words[0], q.words[1]);
        const struct store_search s = {.text = text, .life_event = q.event, .region = q.region};
        size_t size = 1 + prng_below(&g, 60);
        const char *want = naive(samples, &q, &a), *got = paged(r, s, size, &a);
        if (strcmp(want, got) != 0)
            print_error("round %d '%s' event '%s' region %u pages of %zu:\n%s\n%s\n", round, text == NULL ? "" : text,
                        q.event == NULL ? "" : q.event, q.region, size, want, got);
        assert_string_equal(want, got);
        found += want[0] != '\0';
        pages += strlen(want) > 6 * size;
        arena_close(&a);
    }
    assert_true(found > 200 && pages > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds, setup, teardown),
        cmocka_unit_test_setup_teardown(agrees_with_a_naive_search, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
