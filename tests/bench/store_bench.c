/* What the store costs: commits of batches as the ledger writer makes them, at the beginning of a ledger and far into
 * it, and the reads that people wait for.
 *
 *   store_bench DIR [ENTRIES [BATCH [LEAF [PAYLOAD [CASE_EVENTS]]]]]
 *
 * Fills an empty folder DIR up to ENTRIES own entries (default 200,000) in batches of BATCH (100) with leaves of LEAF
 * (320) and payloads of PAYLOAD (1,024) bytes, CASE_EVENTS (4) entries to a case, one case row, request and counter
 * per case, one addressed row per entry, one replica and ack row per batch, a tile every 256 entries, and prints one
 * line per tenth. Then measures reads. The folder is left for a look.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "certs/crypto.h"
#include "node/base/clock.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"
#include "tests/lib/store_sample.h"

#define SEARCH_ITEMS 100000u

struct bench {
    struct store *store;
    struct prng prng;
    uint64_t entries, batch, leaf, payload, case_events;
    uint64_t next; /* index of the next entry */
    uint64_t seq;
    uint8_t tile[8192];
};

static void check(int rc, const struct err *e)
{
    if (rc != 0) {
        (void)fprintf(stderr, "store_bench: %s\n", e->message);
        exit(1);
    }
}

static void fill_entries(struct bench *b, struct arena *a, struct store_batch *batch)
{
    struct store_entry *entries = arena_alloc(a, b->batch * sizeof *entries);
    struct store_addressed *addressed = arena_alloc(a, b->batch * sizeof *addressed);
    struct store_tile *tiles = arena_alloc(a, (b->batch / 256 + 1) * sizeof *tiles);
    uint8_t *bytes = arena_alloc(a, b->leaf + b->payload + b->batch);
    prng_fill(&b->prng, bytes, b->leaf + b->payload + b->batch);
    for (uint64_t i = 0; i < b->batch; i++) {
        uint64_t index = b->next + i;
        uint8_t *leaf = arena_alloc(a, b->leaf);
        memcpy(leaf, bytes + i, b->leaf);
        put_be64(leaf + 14, index);
        entries[i] = (struct store_entry){.origin = STORE_SAMPLE_SELF,
                                          .index = index,
                                          .leaf = bytes_of(leaf, b->leaf),
                                          .payload = bytes_of(bytes + i, b->payload),
                                          .payload_held = true,
                                          .has_case = true,
                                          .stored_ms = 1700000000000 + index};
        struct bytes parts[] = {bytes_of("", 1), entries[i].leaf};
        crypto_sha256(parts, 2, entries[i].hash);
        store_sample_case_id(index / b->case_events, entries[i].case_id);
        addressed[i] = (struct store_addressed){STORE_SAMPLE_PEER, index, ++b->seq};
        memcpy(b->tile + 32 * (index % 256), entries[i].hash, 32);
        if (index % 256 == 255) {
            uint8_t *hashes = arena_alloc(a, 8192);
            memcpy(hashes, b->tile, 8192);
            tiles[batch->tile_count++] = (struct store_tile){.level = 0, .number = index / 256, .hashes = hashes};
        }
    }
    batch->entries = entries;
    batch->entry_count = batch->addressed_count = b->batch;
    batch->addressed = addressed;
    batch->tiles = tiles;
}

static void fill_cases(struct bench *b, struct arena *a, struct store_batch *batch)
{
    size_t count = b->batch / b->case_events;
    struct store_case *cases = arena_alloc(a, count * sizeof *cases);
    struct store_request *requests = arena_alloc(a, count * sizeof *requests);
    for (size_t i = 0; i < count; i++) {
        uint64_t no = b->next / b->case_events + i;
        store_sample_case_id(no, cases[i].case_id);
        (void)snprintf(cases[i].number, sizeof cases[i].number, "51010000-%012" PRIu64, no);
        /* A few of 3,000 items are most of the business. */
        double x = (double)prng_below(&b->prng, 1u << 20) / (1u << 20);
        unsigned item = (unsigned)(3000 * x * x * x * x);
        (void)snprintf(cases[i].item_code, sizeof cases[i].item_code, "115100000000000000-%04u", item);
        (void)snprintf(cases[i].item_name, sizeof cases[i].item_name, "企业职工基本养老保险关系转移接续 %u", item);
        cases[i].receiving = STORE_SAMPLE_SELF;
        cases[i].lead = STORE_SAMPLE_PEER;
        cases[i].status = (uint16_t)(1 + no % 9);
        cases[i].event_count = (uint32_t)b->case_events;
        prng_fill(&b->prng, requests[i].key_hash, 32);
        prng_fill(&b->prng, requests[i].body_hash, 32);
        memcpy(requests[i].case_id, cases[i].case_id, STORE_CASE_ID_SIZE);
        requests[i].first_index = b->next + i * b->case_events;
        requests[i].count = (uint32_t)b->case_events;
    }
    batch->cases = cases;
    batch->requests = requests;
    batch->case_count = batch->request_count = count;
}

static uint64_t cpu_us(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) != 0)
        return 0;
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Wall time; the processor's is added to @cpu_sum, because it does not suffer from other programs on the machine. */
static uint64_t commit_one(struct bench *b, uint64_t *cpu_sum)
{
    struct arena a = ARENA_INIT;
    struct store_batch batch = {.entries = NULL};
    struct err e = {0};
    fill_entries(b, &a, &batch);
    fill_cases(b, &a, &batch);
    struct store_replica replica = {.origin = STORE_SAMPLE_PEER, .size = b->next + 1};
    struct store_ack ack = {.peer = STORE_SAMPLE_PEER, .size = b->next};
    struct store_counter counter = {.name = "51010000/20261124", .value = b->next};
    batch.replicas = &replica;
    batch.acks = &ack;
    batch.counters = &counter;
    batch.replica_count = batch.ack_count = batch.counter_count = 1;
    uint64_t start_cpu = cpu_us();
    uint64_t start = clock_mono_us();
    check(store_commit(b->store, &batch, &e), &e);
    uint64_t us = clock_mono_us() - start;
    *cpu_sum += cpu_us() - start_cpu;
    b->next += b->batch;
    arena_close(&a);
    return us;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void measure_commits(struct bench *b)
{
    uint64_t per_line = b->entries / b->batch / 10;
    per_line = max_of(per_line, (uint64_t)1);
    uint32_t *us = xcalloc(per_line, sizeof *us);
    (void)printf("%12s %12s %14s %10s %10s %10s\n", "entries", "entries/s", "cpu us/entry", "p50 us", "p99 us",
                 "max us");
    while (b->next < b->entries) {
        uint64_t sum = 0, cpu = 0;
        for (uint64_t i = 0; i < per_line; i++) {
            us[i] = (uint32_t)commit_one(b, &cpu);
            sum += us[i];
        }
        qsort(us, per_line, sizeof *us, compare_u32);
        double count = (double)(per_line * b->batch);
        (void)printf("%12" PRIu64 " %12.0f %14.2f %10u %10u %10u\n", b->next, count * 1e6 / (double)sum,
                     (double)cpu / count, us[per_line / 2], us[per_line * 99 / 100], us[per_line - 1]);
        (void)fflush(stdout);
    }
    free(us);
}

static void measure_heads(struct bench *b)
{
    struct arena a = ARENA_INIT;
    struct err e = {0};
    struct store_head old, next;
    check(store_head_get(b->store, &a, &old, &e), &e);
    uint64_t start = clock_mono_us();
    for (uint64_t i = 1; i <= 1000; i++) {
        store_sample_head(old.size / STORE_SAMPLE_ENTRIES + 1, &a, &next);
        check(store_head_swap(b->store, old.size, old.root, &next, &e), &e);
        old = next;
    }
    (void)printf("head swap                          %8.1f us\n", (double)(clock_mono_us() - start) / 1000);
    arena_close(&a);
}

static void fill_items(struct bench *b)
{
    struct err e = {0};
    char json[1025] = "";
    memset(json, 'x', sizeof json - 1);
    for (unsigned i = 0; i < SEARCH_ITEMS; i += 1000) {
        struct store_item *items = xcalloc(1000, sizeof *items);
        for (unsigned j = 0; j < 1000; j++) {
            items[j] = (struct store_item){.node = 110000 + 10000 * (i / 10000),
                                           .version = 1,
                                           .index = i + j,
                                           .json = bytes_of(json, sizeof json - 1)};
            (void)snprintf(items[j].code, sizeof items[j].code, "11%016u-%06u", i, i + j);
            (void)snprintf(items[j].name, sizeof items[j].name, "建设工程规划许可证核发（第%u号）%s", i + j,
                           i + j == SEARCH_ITEMS - 1 ? "公租房" : "");
        }
        struct store_batch batch = {.items = items, .item_count = 1000};
        check(store_commit(b->store, &batch, &e), &e);
        free(items);
    }
}

static void measure_reads(struct bench *b, struct store_reader *r)
{
    struct err e = {0};
    struct arena a = ARENA_INIT;
    struct store_entry entry, *rows;
    size_t count = 0;
    uint64_t start = clock_mono_us();
    for (int i = 0; i < 10000; i++) {
        struct arena one = ARENA_INIT;
        check(store_read_entry(r, STORE_SAMPLE_SELF, prng_below(&b->prng, b->next), &one, &entry, &e), &e);
        arena_close(&one);
    }
    (void)printf("random entry                       %8.1f us\n", (double)(clock_mono_us() - start) / 10000);

    start = clock_mono_us();
    for (int i = 0; i < 1000; i++) {
        struct arena one = ARENA_INIT;
        uint8_t id[STORE_CASE_ID_SIZE];
        store_sample_case_id(prng_below(&b->prng, b->next / b->case_events), id);
        check(store_read_case_entries(r, id, &one, &rows, &count, &e), &e);
        arena_close(&one);
    }
    (void)printf("entries of a random case           %8.1f us\n", (double)(clock_mono_us() - start) / 1000);

    struct store_case_filter f = {.status = 3, .lead = STORE_SAMPLE_PEER, .limit = 100};
    struct store_case_list list;
    start = clock_mono_us();
    check(store_list_cases(r, &f, &a, &list, &e), &e);
    (void)printf("page of 100 cases, lead and status %8.1f us (%zu rows)\n", (double)(clock_mono_us() - start),
                 list.count);

    const char *codes[] = {"115100000000000000-0000", "115100000000000000-2999", "none"};
    for (size_t i = 0; i < array_count(codes); i++) {
        struct store_case_filter by_item = {.limit = 100};
        (void)snprintf(by_item.item_code, sizeof by_item.item_code, "%s", codes[i]);
        start = clock_mono_us();
        check(store_list_cases(r, &by_item, &a, &list, &e), &e);
        (void)printf("page of 100 cases, item %-24s %8.1f us (%zu rows)\n", codes[i], (double)(clock_mono_us() - start),
                     list.count);
    }

    struct store_item *items;
    const char *texts[] = {"公租", "规划", "没有这个"};
    for (size_t i = 0; i < array_count(texts); i++) {
        struct store_item_filter filter = {.text = texts[i], .limit = 50};
        start = clock_mono_us();
        check(store_list_items(r, &filter, &a, &items, &count, &e), &e);
        (void)printf("search of %u items '%s'  %8.1f us (%zu rows)\n", SEARCH_ITEMS, texts[i],
                     (double)(clock_mono_us() - start), count);
    }
    arena_close(&a);
}

static uint64_t argument(int argc, char **argv, int at, uint64_t otherwise)
{
    return argc > at ? strtoull(argv[at], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    struct bench b = {.entries = argument(argc, argv, 2, 200000),
                      .batch = argument(argc, argv, 3, 100),
                      .leaf = argument(argc, argv, 4, 320),
                      .payload = argument(argc, argv, 5, 1024),
                      .case_events = argument(argc, argv, 6, 4)};
    struct err e = {0};
    struct store_reader *r = NULL;
    if (argc < 2 || b.batch == 0 || b.case_events == 0 || b.leaf < 30) {
        (void)fprintf(stderr, "usage: store_bench DIR [ENTRIES [BATCH [LEAF [PAYLOAD [CASE_EVENTS]]]]]\n");
        return 2;
    }
    prng_init(&b.prng, 1);
    check(store_open(argv[1], STORE_SAMPLE_SELF, &b.store, &e), &e);
    measure_commits(&b);
    measure_heads(&b);
    fill_items(&b);
    check(store_reader_open(argv[1], &r, &e), &e);
    measure_reads(&b, r);
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        (void)printf("most memory                        %8ld KiB\n", usage.ru_maxrss);
    store_reader_close(r);
    store_close(b.store);
    return 0;
}
