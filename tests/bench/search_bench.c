/* How long a search takes over ITEMS items: the names of the shipped catalogs and variants of them, spread over the divisions of
 * the country, each with its pinyin. Fills a store in a folder of its own, or in FOLDER, which is kept and used again, then asks
 * what people type and what costs most: the most frequent characters and syllables, one letter, filters that leave nothing, the
 * last page. Prints the middle, the 99th percentile and the slowest of many runs, of the clock on the wall and of this thread's
 * CPU time, which other work on the machine does not touch; the last line is the worst of all.
 *
 *     ./dev bench search_bench [ITEMS [FOLDER]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "catalog/catalog.h"
#include "catalog/item.h"
#include "catalog/item_edit.h"
#include "catalog/load.h"
#include "catalog/region.h"
#include "catalog/search_text.h"
#include "node/base/clock.h"
#include "node/base/xassert.h"
#include "node/store/store.h"

#define DATA "catalog/data/"
#define BATCH 500
#define RUNS 100
#define REGION_STRIDE 7919u /* prime: neighbours in the list of items lie far apart */

static void check(int rc, const struct err *e)
{
    if (rc == 0)
        return;
    fprintf(stderr, "%s: %s\n", e->id, e->message);
    exit(1);
}

/* Names as catalogs have them: of a division, of a kind. */
static const char *const kinds[] = {"", "(新办)", "(变更)", "(注销)", "(延续)", "(补办)", "(企业)", "(个人)"};

static void fill(struct store *s, const struct catalog *c, const struct region_table *regions, size_t items)
{
    struct err e;
    uint64_t index = 0;
    for (size_t done = 0; done < items;) {
        struct arena a = ARENA_INIT;
        struct store_item rows[BATCH];
        size_t count = 0;
        for (; count < BATCH && done < items; count++, done++) {
            const struct catalog_item *item = catalog_at(c, done % catalog_count(c));
            const struct region *region = region_at(regions, done * REGION_STRIDE % region_count(regions));
            struct catalog_item variant = *item;
            struct search_text t;
            rows[count] =
                (struct store_item){.node = region->code, .version = 1, .index = index++, .json = item->canonical};
            (void)snprintf(rows[count].code, sizeof rows[count].code, "11%06u%.22s%zu", region->code, item->code + 8,
                           done);
            (void)snprintf(rows[count].name, sizeof rows[count].name, "%s%s%s", done % 3 == 0 ? region->name : "",
                           item->name, kinds[done / 7 % array_count(kinds)]);
            variant.name = rows[count].name;
            variant.code = rows[count].code;
            variant.division = region->code;
            search_text_make(&variant, regions, &a, &t);
            struct store_item_search *search = arena_alloc(&a, sizeof *search);
            *search = (struct store_item_search){t.words, t.pinyin, t.codes, t.events, t.region};
            rows[count].search = search;
        }
        check(store_commit(s, &(struct store_batch){.items = rows, .item_count = count}, &e), &e);
        arena_close(&a);
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t cpu_us(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* is there on Linux */
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* What stands behind the last row of the first page, and so on, up to the last page, but no more than so many. */
#define PAGES_MAX 20u
static bool turn_page(struct store_reader *r, struct store_search *s)
{
    struct arena a = ARENA_INIT;
    struct store_search_hit *hits = NULL;
    size_t count = 0;
    struct err e;
    check(store_search_items(r, s, &a, &hits, &count, &e), &e);
    bool has_next = count == s->limit && hits[count - 1].id != 0;
    if (has_next) {
        s->after_step = hits[count - 1].step;
        s->after_id = hits[count - 1].id;
    }
    arena_close(&a);
    return has_next;
}

struct worst {
    const char *text; /* of the slowest search */
    uint64_t cpu, cpu99, wall;
};

static void ask(struct store_reader *r, const struct store_search *s, struct worst *worst)
{
    uint64_t wall[RUNS], cpu[RUNS];
    size_t count = 0;
    struct err e;
    const char *match = "";
    for (size_t i = 0; i < RUNS; i++) {
        struct arena a = ARENA_INIT;
        struct store_search_hit *hits = NULL;
        uint64_t wall_start = clock_mono_us(), cpu_start = cpu_us();
        check(store_search_items(r, s, &a, &hits, &count, &e), &e);
        cpu[i] = cpu_us() - cpu_start;
        wall[i] = clock_mono_us() - wall_start;
        if (count > 0)
            match = hits[0].match;
        arena_close(&a);
    }
    qsort(wall, RUNS, sizeof wall[0], compare);
    qsort(cpu, RUNS, sizeof cpu[0], compare);
    printf("CPU %7.2f %7.2f %7.2f  wall %7.2f %7.2f %7.2f ms  %3zu %-7s '%s' region %u node %u event '%s'%s\n",
           (double)cpu[RUNS / 2] / 1e3, (double)cpu[RUNS * 99 / 100] / 1e3, (double)cpu[RUNS - 1] / 1e3,
           (double)wall[RUNS / 2] / 1e3, (double)wall[RUNS * 99 / 100] / 1e3, (double)wall[RUNS - 1] / 1e3, count,
           match, s->text == NULL ? "" : s->text, s->region, s->node, s->life_event == NULL ? "" : s->life_event,
           s->after_id != 0 ? ", the last page" : "");
    fflush(stdout);
    if (cpu[RUNS - 1] > worst->cpu) {
        worst->cpu = cpu[RUNS - 1];
        worst->text = s->text == NULL ? "" : s->text;
    }
    worst->cpu99 = cpu[RUNS * 99 / 100] > worst->cpu99 ? cpu[RUNS * 99 / 100] : worst->cpu99;
    worst->wall = wall[RUNS - 1] > worst->wall ? wall[RUNS - 1] : worst->wall;
}

/* What is typed; each is asked alone and with each row of `filters`. */
static const char *const texts[] = {
    "身份证",
    "证",
    "办",
    "理",
    "办理",
    "证明",
    "居民",
    "成都市户口迁移",
    "孤儿认定",
    "s",
    "z",
    "sh",
    "zh",
    "she",
    "zhe",
    "zhen",
    "shen",
    "zheng",
    "zhuang",
    "zhengming",
    "zhuanyi",
    "sfz",
    "jmsfz",
    "shebao",
    "hukouqianyi",
    "zhuanyijiexu",
    "juminshenfenzheng",
    "nv",
    "1",
    "11",
    "113",
    "115",
    "1151",
    "115101",
    "KSTB",
    "身份证 换领",
    "证 办 理 人",
    "养老保险 转移 成都",
    "z s b",
    "a b d h j l s z",
    "zheng banli",
    "户口本怎么迁移",
    "办理居民身份证登记手续",
    "理办证居保养户老险民",
    "居民登记证明办理申请认定转移接续保险",
    "没有这样的东西",
    "公安",
    "四川省",
    "zqxw",
};
static const struct store_search filters[] = {
    {0},
    {.life_event = "参保"},
    {.life_event = "办证件"},
    {.region = 510104},
    {.region = 820000},
    {.region = 440000, .life_event = "参保"},
    {.node = 330106, .region = 510000, .life_event = "迁居"}, /* leaves nothing */
};

static void ask_all(struct store_reader *r)
{
    struct worst worst = {0};
    printf("median, 99%%, slowest; hits, how the first was found, what was asked\n");
    for (size_t f = 0; f < array_count(filters); f++) {
        for (size_t i = 0; i < array_count(texts) + (f > 0); i++) {
            struct store_search search = filters[f];
            search.text = i < array_count(texts) ? texts[i] : NULL;
            search.limit = i % 3 == 0 ? STORE_SEARCH_ROWS_MAX : 20;
            ask(r, &search, &worst);
            size_t page = 1;
            while (page < PAGES_MAX && turn_page(r, &search))
                page++;
            if (page > 1)
                ask(r, &search, &worst);
        }
    }
    printf("worst: CPU %.2f ms ('%s'), 99%% %.2f ms; wall %.2f ms\n", (double)worst.cpu / 1e3, worst.text,
           (double)worst.cpu99 / 1e3, (double)worst.wall / 1e3);
}

int main(int argc, char **argv)
{
    size_t items = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    char own[] = "/tmp/tongban-search-XXXXXX";
    const char *dir = argc > 2 ? argv[2] : mkdtemp(own);
    struct err e;
    struct catalog *c = NULL;
    struct region_table *regions = NULL;
    struct store *s = NULL;
    struct store_reader *r = NULL;
    uint64_t count = 0;
    uint32_t version = 0;
    if (dir == NULL)
        return 1;
    check(catalog_load(DATA "sichuan.json", &(struct load_expect){0}, &c, NULL, &e), &e);
    check(region_table_load(DATA "divisions.tsv", NULL, &regions, &e), &e);
    check(store_open(dir, 510000, &s, &e), &e);
    check(store_reader_open(dir, &r, &e), &e);
    check(store_count_items(r, 0, &count, &version, &e), &e);
    if (count == 0) {
        uint64_t start = clock_mono_ms();
        fill(s, c, regions, items);
        printf("%zu items filled in %.1f s\n", items, (double)(clock_mono_ms() - start) / 1000);
    }
    ask_all(r);
    store_reader_close(r);
    store_close(s);
    region_table_destroy(regions);
    catalog_destroy(c);
    struct buf command = {0};
    buf_printf(&command, "du -sh %s/ledger.db; %s %s", dir, argc > 2 ? ":" : "rm -rf", dir);
    int rc = system(buf_cstr(&command));
    buf_close(&command);
    return rc != 0;
}
