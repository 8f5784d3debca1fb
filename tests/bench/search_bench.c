/* How long a search takes over ITEMS items: the names of the shipped catalogs and variants of them, spread over the divisions of
 * the country, each with its pinyin. Fills a store in a folder of its own, then asks what people type, and prints the
 * slowest and the middle of many runs.
 *
 *     ./dev bench search_bench [ITEMS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
#define RUNS 200

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
            const struct region *region = region_at(regions, done / catalog_count(c) % region_count(regions));
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

static void ask(struct store_reader *r, const struct store_search *s)
{
    uint64_t times[RUNS];
    size_t count = 0;
    struct err e;
    const char *match = "";
    for (size_t i = 0; i < RUNS; i++) {
        struct arena a = ARENA_INIT;
        struct store_search_hit *hits = NULL;
        uint64_t start = clock_mono_us();
        check(store_search_items(r, s, &a, &hits, &count, &e), &e);
        times[i] = clock_mono_us() - start;
        if (count > 0)
            match = strcmp(hits[0].match, "similar") == 0 ? "similar" : "exact";
        arena_close(&a);
    }
    qsort(times, RUNS, sizeof times[0], compare);
    printf("%-28s region %06u %-9s %3zu hits %-8s median %7.2f ms  99%% %7.2f ms  slowest %7.2f ms\n",
           s->text == NULL ? "-" : s->text, s->region, s->life_event == NULL ? "-" : s->life_event, count, match,
           (double)times[RUNS / 2] / 1e3, (double)times[RUNS * 99 / 100] / 1e3, (double)times[RUNS - 1] / 1e3);
}

int main(int argc, char **argv)
{
    static const struct store_search searches[] = {
        {.text = "身份证"},
        {.text = "证"},
        {.text = "办理"},
        {.text = "成都市户口迁移"},
        {.text = "孤儿认定"},
        {.text = "s"},
        {.text = "sh"},
        {.text = "sfz"},
        {.text = "jmsfz"},
        {.text = "shebao"},
        {.text = "hukouqianyi"},
        {.text = "zhuanyijiexu"},
        {.text = "1131"},
        {.text = "KSTB"},
        {.text = "身份证 换领"},
        {.text = "养老保险 转移 成都"},
        {.text = "户口本怎么迁移"},
        {.text = "办理居民身份证登记手续"},
        {.text = "没有这样的东西"},
        {.text = "身份证", .region = 510104},
        {.text = "证", .region = 820000},
        {.text = "zheng", .life_event = "参保"},
        {.life_event = "参保"},
        {.region = 440300},
        {.text = "公安", .region = 330000},
    };
    size_t items = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    char dir[] = "/tmp/tongban-search-XXXXXX";
    struct err e;
    struct catalog *c = NULL;
    struct region_table *regions = NULL;
    struct store *s = NULL;
    struct store_reader *r = NULL;
    if (mkdtemp(dir) == NULL)
        return 1;
    check(catalog_load(DATA "sichuan.json", &(struct load_expect){0}, &c, NULL, &e), &e);
    check(region_table_load(DATA "divisions.tsv", NULL, &regions, &e), &e);
    check(store_open(dir, 510000, &s, &e), &e);
    uint64_t start = clock_mono_ms();
    fill(s, c, regions, items);
    printf("%zu items filled in %.1f s\n", items, (double)(clock_mono_ms() - start) / 1000);
    check(store_reader_open(dir, &r, &e), &e);
    for (size_t i = 0; i < array_count(searches); i++) {
        struct store_search search = searches[i];
        search.limit = 20;
        ask(r, &search);
    }
    store_reader_close(r);
    store_close(s);
    region_table_destroy(regions);
    catalog_destroy(c);
    struct buf command = {0};
    buf_printf(&command, "du -sh %s/ledger.db; rm -rf %s", dir, dir);
    int rc = system(buf_cstr(&command));
    buf_close(&command);
    return rc != 0;
}
