/* Queries: pages of cases and items, look-ups, scans; and what they say when asked for too much or for nothing. */
#include "tests/unit/store/store_rig.h"

#include "node/base/limits.h"

#define SELF STORE_SAMPLE_SELF
#define PEER STORE_SAMPLE_PEER
#define CASES 2300u /* more than two runs of the item index */

/* Case i: lead, status and item by small divisors, so that every expected list can be counted. */
static void fill_case(unsigned i, struct store_case *row)
{
    *row = (struct store_case){.receiving = i % 2 == 0 ? SELF : PEER,
                               .lead = i % 3 == 0 ? SELF : PEER,
                               .status = (uint16_t)(1 + i % 5),
                               .created_ms = i};
    store_sample_case_id(i, row->case_id);
    (void)snprintf(row->item_code, sizeof row->item_code, "ITEM-%u", i % 7);
    if (i % 10 == 0)
        (void)snprintf(row->number, sizeof row->number, "NR-%u", i);
}

static void fill_cases(struct store_rig *rig)
{
    struct store_case *rows = arena_alloc(&rig->arena, CASES * sizeof *rows);
    for (unsigned i = 0; i < CASES; i++)
        fill_case(i, &rows[i]);
    rig_commit(rig, &(struct store_batch){.cases = rows, .case_count = CASES});
}

static bool matches(const struct store_case_filter *f, const struct store_case *row)
{
    return (f->receiving == 0 || f->receiving == row->receiving) && (f->lead == 0 || f->lead == row->lead) &&
           (f->status == 0 || f->status == row->status) &&
           (f->item_code[0] == '\0' || strcmp(f->item_code, row->item_code) == 0);
}

/* Pages through @f and compares with the same filter in plain C. */
static void expect_pages(struct store_rig *rig, struct store_case_filter f)
{
    unsigned next = CASES;
    for (;;) {
        struct store_case_list list;
        rig_ok(rig, store_list_cases(rig->reader, &f, &rig->arena, &list, &rig->e));
        for (size_t i = 0; i < list.count; i++) {
            struct store_case want;
            do {
                assert_true(next > 0);
                fill_case(--next, &want);
            } while (!matches(&f, &want));
            assert_true(store_sample_case_equal(&list.rows[i], &want));
        }
        assert_true(list.count <= f.limit);
        f.before_no = list.next_before_no;
        if (f.before_no == 0)
            break;
        assert_int_equal(list.count, f.limit);
    }
    while (next > 0) {
        struct store_case rest;
        fill_case(--next, &rest);
        assert_false(matches(&f, &rest));
    }
}

static void pages_cases_under_every_filter(void **state)
{
    struct store_rig *rig = *state;
    rig_open(rig);
    fill_cases(rig);
    assert_int_equal(store_count_cases(rig->reader), CASES);
    const size_t limits[] = {13, 299, 1000};
    for (unsigned mask = 0; mask < 16; mask++) {
        struct store_case_filter f = {
            .receiving = mask & 1 ? SELF : 0, .lead = mask & 2 ? SELF : 0, .status = mask & 4 ? 2 : 0};
        if (mask & 8)
            (void)snprintf(f.item_code, sizeof f.item_code, "ITEM-3");
        for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
            f.limit = limits[i];
            expect_pages(rig, f);
        }
    }
    expect_pages(rig, (struct store_case_filter){.status = 2, .item_code = "ITEM-3", .limit = 1});
    expect_pages(rig, (struct store_case_filter){.item_code = "ITEM-3", .limit = 1});
    expect_pages(rig, (struct store_case_filter){.item_code = "ITEM-99", .limit = 10});
    expect_pages(rig, (struct store_case_filter){.status = 77, .item_code = "ITEM-3", .limit = 10});
    expect_pages(rig, (struct store_case_filter){.status = 77, .limit = 10});
    expect_pages(rig, (struct store_case_filter){.lead = 999999, .receiving = SELF, .limit = 10});
}

static void refuses_pages_out_of_bounds(void **state)
{
    struct store_rig *rig = *state;
    struct store_case_list cases;
    struct store_item *items;
    size_t count;
    rig_open(rig);
    const size_t limits[] = {0, LIST_ROWS_MAX + 1, SIZE_MAX};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct store_case_filter f = {.limit = limits[i]};
        struct store_item_filter g = {.limit = limits[i]};
        assert_int_equal(store_list_cases(rig->reader, &f, &rig->arena, &cases, &rig->e), ERR_LIMIT);
        assert_int_equal(store_list_items(rig->reader, &g, &rig->arena, &items, &count, &rig->e), ERR_LIMIT);
    }
    struct store_case_filter f = {.limit = 1};
    memset(f.item_code, 'x', sizeof f.item_code);
    assert_int_equal(store_list_cases(rig->reader, &f, &rig->arena, &cases, &rig->e), ERR_LIMIT);
}

static void finds_cases_by_prefix_and_number(void **state)
{
    struct store_rig *rig = *state;
    struct store_case row, got;
    rig_open(rig);
    fill_cases(rig);
    fill_case(20, &row);
    for (size_t size = 1; size <= STORE_CASE_ID_SIZE; size++) {
        int rc = store_find_case(rig->reader, bytes_of(row.case_id, size), NULL, &got, &rig->e);
        assert_int_equal(rc, size < 7 ? ERR_CONFLICT : 0); /* ids of the fixture differ in bytes 5 and 6 */
        if (rc == 0)
            assert_true(store_sample_case_equal(&got, &row));
        else
            assert_string_equal(rig->e.id, "store.several-cases");
    }
    rig_ok(rig, store_find_case(rig->reader, bytes_of(NULL, 0), "NR-20", &got, &rig->e));
    assert_true(store_sample_case_equal(&got, &row));
    rig_ok(rig, store_find_case(rig->reader, bytes_of(row.case_id, 16), "NR-20", &got, &rig->e)); /* the same one */
    assert_true(store_sample_case_equal(&got, &row));

    const struct {
        struct bytes prefix;
        const char *number;
        int code;
        const char *id;
    } rows[] = {
        {bytes_of(row.case_id, 16), "NR-30", ERR_CONFLICT, "store.several-cases"},
        {bytes_of("\xff\xff", 2), NULL, ERR_NOT_FOUND, "store.no-case"},
        {bytes_of("\xff\xff", 2), "", ERR_NOT_FOUND, "store.no-case"},
        {bytes_of(NULL, 0), "", ERR_NOT_FOUND, "store.no-case"}, /* without a number is not "with number ''" */
        {bytes_of(NULL, 0), "NR-21", ERR_NOT_FOUND, "store.no-case"},
        {bytes_of(NULL, 0), "NR-%", ERR_NOT_FOUND, "store.no-case"},
        {bytes_of("12345678901234567", 17), NULL, ERR_INVALID, "store.case-id"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(store_find_case(rig->reader, rows[i].prefix, rows[i].number, &got, &rig->e), rows[i].code);
        assert_string_equal(rig->e.id, rows[i].id);
    }
    store_sample_case_id(CASES, row.case_id);
    assert_int_equal(store_read_case(rig->reader, row.case_id, &got, &rig->e), ERR_NOT_FOUND);
}

static int count_case(void *ctx, const struct store_case *row, struct err *e)
{
    unsigned *next = ctx;
    struct store_case want;
    fill_case(*next, &want);
    if (!store_sample_case_equal(row, &want))
        return err_set(e, ERR_INTERNAL, "test", "case %u", *next);
    return ++*next == 2450 ? ERR_CLOSED : 0;
}

static void scans_all_cases(void **state)
{
    struct store_rig *rig = *state;
    unsigned next = 0;
    rig_open(rig);
    fill_cases(rig);
    rig_ok(rig, store_scan_cases(rig->reader, count_case, &next, &rig->e));
    assert_int_equal(next, CASES);
    for (unsigned i = CASES; i < 2500; i++) {
        struct store_case row;
        fill_case(i, &row);
        rig_commit(rig, &(struct store_batch){.cases = &row, .case_count = 1});
    }
    next = 0;
    assert_int_equal(store_scan_cases(rig->reader, count_case, &next, &rig->e), ERR_CLOSED);
    assert_int_equal(next, 2450);
}

/* ---- items ---- */

struct item_row {
    uint32_t node;
    const char *code, *name;
    bool withdrawn;
};

static const struct item_row item_rows[] = {
    {110000, "11-A", "公租房申请", false},         {110000, "11-B", "出生医学证明办理", false},
    {110000, "11-C", "Passport 换发", true},       {310000, "11-A", "公租房资格复核", false},
    {310000, "31-Z", "100%_完成\\度 查询", false}, {510000, "51-A", "公租房租金缴纳", true},
    {510000, "51-B", "道路运输经营许可", false},
};
#define ITEM_ROWS (sizeof item_rows / sizeof item_rows[0])

static void fill_items(struct store_rig *rig)
{
    struct store_item items[ITEM_ROWS] = {0};
    for (size_t i = 0; i < ITEM_ROWS; i++) {
        struct store_item *item = &items[ITEM_ROWS - 1 - i]; /* order of writing is not order of reading */
        item->node = item_rows[i].node;
        item->version = (uint32_t)i + 1;
        item->withdrawn = item_rows[i].withdrawn;
        item->json = bytes_of_string(item_rows[i].name);
        (void)snprintf(item->code, sizeof item->code, "%s", item_rows[i].code);
        (void)snprintf(item->name, sizeof item->name, "%s", item_rows[i].name);
    }
    rig_commit(rig, &(struct store_batch){.items = items, .item_count = ITEM_ROWS});
}

static void searches_items(void **state)
{
    static const struct {
        struct store_item_filter f;
        unsigned expected; /* bit i: row i of the table above */
    } rows[] = {
        {{.limit = 100}, 0x5b},
        {{.limit = 100, .with_withdrawn = true}, 0x7f},
        {{.limit = 100, .text = ""}, 0x5b},
        {{.limit = 100, .text = "公租"}, 0x09}, /* two characters */
        {{.limit = 100, .text = "公租", .with_withdrawn = true}, 0x29},
        {{.limit = 100, .text = "租"}, 0x09},
        {{.limit = 100, .text = "租房资"}, 0x08},
        {{.limit = 100, .text = "公房"}, 0},
        {{.limit = 100, .text = "\xe7\xa7\x9f"}, 0x09}, /* 租 */
        {{.limit = 100, .text = "\xa7\x9f\xe6"}, 0x09}, /* bytes of it: not a text, but harmless */
        {{.limit = 100, .text = "11-a"}, 0x09},         /* code, any case of letters */
        {{.limit = 100, .text = "passport", .with_withdrawn = true}, 0x04},
        {{.limit = 100, .text = "%"}, 0x10}, /* no wildcards */
        {{.limit = 100, .text = "_"}, 0x10},
        {{.limit = 100, .text = "\\"}, 0x10},
        {{.limit = 100, .text = "' OR 1=1 --"}, 0},
        {{.limit = 100, .node = 310000}, 0x18},
        {{.limit = 100, .node = 310000, .text = "公租"}, 0x08},
        {{.limit = 100, .node = 999999}, 0},
        {{.limit = 2}, 0x03},
        {{.limit = 2, .after_node = 110000, .after_code = "11-B"}, 0x18},
        {{.limit = 2, .after_node = 310000, .after_code = "31-Z"}, 0x40},
        {{.limit = 2, .after_node = 510000, .after_code = "51-B"}, 0},
        {{.limit = 9, .node = 310000, .after_node = 310000, .after_code = "11-A"}, 0x10},
        {{.limit = 9, .node = 310000, .after_node = 110000, .after_code = "99"}, 0x18},
        {{.limit = 9, .node = 310000, .after_node = 510000, .after_code = ""}, 0},
    };
    struct store_rig *rig = *state;
    rig_open(rig);
    fill_items(rig);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct store_item *items = NULL;
        size_t count = 0, at = 0;
        rig_ok(rig, store_list_items(rig->reader, &rows[i].f, &rig->arena, &items, &count, &rig->e));
        for (size_t j = 0; j < ITEM_ROWS; j++) {
            if ((rows[i].expected >> j & 1) == 0)
                continue;
            if (at >= count)
                fail_msg("row %zu: %zu items", i, count);
            assert_int_equal(items[at].node, item_rows[j].node);
            assert_string_equal(items[at].code, item_rows[j].code);
            assert_string_equal(items[at].name, item_rows[j].name);
            assert_int_equal(items[at].withdrawn, item_rows[j].withdrawn);
            assert_true(bytes_equal(items[at].json, bytes_of_string(item_rows[j].name)));
            at++;
        }
        assert_int_equal(at, count);
    }
}

static void reads_and_counts_items(void **state)
{
    static const struct {
        uint32_t node;
        unsigned count, version_max;
    } rows[] = {{110000, 2, 3}, {310000, 2, 5}, {510000, 1, 7}, {0, 5, 7}, {999999, 0, 0}};
    struct store_rig *rig = *state;
    struct store_item item;
    uint64_t count = 0;
    uint32_t version = 0;
    rig_open(rig);
    rig_ok(rig, store_count_items(rig->reader, 0, &count, &version, &rig->e));
    assert_int_equal(count + version, 0);
    fill_items(rig);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_ok(rig, store_count_items(rig->reader, rows[i].node, &count, &version, &rig->e));
        assert_int_equal(count, rows[i].count);
        assert_int_equal(version, rows[i].version_max);
    }
    rig_ok(rig, store_read_item(rig->reader, 310000, "11-A", &rig->arena, &item, &rig->e));
    assert_string_equal(item.name, "公租房资格复核");
    assert_int_equal(store_read_item(rig->reader, 310000, "11-a", &rig->arena, &item, &rig->e), ERR_NOT_FOUND);
    assert_int_equal(store_read_item(rig->reader, 510000, "11-A", &rig->arena, &item, &rig->e), ERR_NOT_FOUND);
}

/* ---- ledger rows ---- */

static void says_what_is_not_there(void **state)
{
    struct store_rig *rig = *state;
    struct store_entry entry;
    struct store_request request;
    uint8_t hashes[8192], key[32] = {1};
    rig_open(rig);
    rig_commit_samples(rig, 0, 70);
    assert_int_equal(store_read_entry(rig->reader, SELF, 280, &rig->arena, &entry, &rig->e), ERR_NOT_FOUND);
    assert_non_null(strstr(rig->e.message, "(320000, 280)"));
    assert_int_equal(store_read_entry(rig->reader, PEER, 3, &rig->arena, &entry, &rig->e), ERR_NOT_FOUND);
    assert_int_equal(store_read_entry(rig->reader, 440000, 0, &rig->arena, &entry, &rig->e), ERR_NOT_FOUND);
    assert_int_equal(store_read_entry(rig->reader, PEER, UINT64_MAX, &rig->arena, &entry, &rig->e), ERR_NOT_FOUND);
    assert_int_equal(store_read_tile(rig->reader, 0, 1, hashes, &rig->e), ERR_NOT_FOUND);
    assert_int_equal(store_read_tile(rig->reader, 1, 0, hashes, &rig->e), ERR_NOT_FOUND);
    assert_int_equal(store_read_tile(rig->reader, 255, UINT64_MAX, hashes, &rig->e), ERR_NOT_FOUND);
    assert_int_equal(store_read_request(rig->reader, key, &request, &rig->e), ERR_NOT_FOUND);
    struct store_batch b; /* same first six bytes, other key */
    store_sample_batch(3, &rig->arena, &b);
    memcpy(key, b.requests->key_hash, 6);
    assert_int_equal(store_read_request(rig->reader, key, &request, &rig->e), ERR_NOT_FOUND);
}

static void reads_leaf_hashes_in_order(void **state)
{
    struct store_rig *rig = *state;
    static uint8_t hashes[300 * 32];
    rig_open(rig);
    rig_commit_samples(rig, 0, 75);
    static const struct {
        uint64_t from, count;
        int code;
    } rows[] = {{0, 0, 0},
                {0, 300, 0},
                {256, 44, 0},
                {299, 1, 0},
                {300, 0, 0},
                {300, 1, ERR_CORRUPT},
                {299, 2, ERR_CORRUPT},
                {UINT64_C(1) << 40, 1, ERR_LIMIT},
                {5, UINT64_MAX, ERR_LIMIT},
                {UINT64_MAX, 1, ERR_LIMIT}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(store_read_leaf_hashes(rig->reader, rows[i].from, rows[i].count, hashes, &rig->e),
                         rows[i].code);
        for (uint64_t j = 0; rows[i].code == 0 && j < rows[i].count; j++) {
            struct store_entry entry;
            rig_ok(rig, store_read_entry(rig->reader, SELF, rows[i].from + j, &rig->arena, &entry, &rig->e));
            assert_memory_equal(hashes + 32 * j, entry.hash, 32);
        }
    }
}

static void lists_what_is_addressed(void **state)
{
    struct store_rig *rig = *state;
    struct store_addressed *rows = NULL;
    size_t count = 0;
    static const struct {
        uint32_t recipient;
        uint64_t from;
        size_t limit, count;
        uint64_t first_seq;
    } table[] = {
        {PEER, 0, 100, 40, 1}, {PEER, 0, 7, 7, 1}, {PEER, 1, 100, 39, 2}, {PEER, 156, 100, 1, 40},
        {PEER, 157, 9, 0, 0},  {PEER, 0, 0, 0, 0}, {440000, 0, 9, 0, 0},  {PEER, UINT64_MAX, 9, 0, 0},
        {0, 0, 4096, 40, 1},   {0, 100, 2, 2, 26},
    };
    rig_open(rig);
    rig_commit_samples(rig, 0, 40);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        rig_ok(rig, store_read_addressed(rig->reader, table[i].recipient, table[i].from, table[i].limit, &rig->arena,
                                         &rows, &count, &rig->e));
        assert_int_equal(count, table[i].count);
        for (size_t j = 0; j < count; j++) {
            assert_int_equal(rows[j].recipient, table[i].recipient);
            assert_int_equal(rows[j].seq, table[i].first_seq + j);
            assert_int_equal(rows[j].index, 4 * (rows[j].seq - 1) + (table[i].recipient == 0 ? 3 : 0));
        }
    }
    assert_int_equal(store_read_addressed(rig->reader, PEER, 0, 4097, &rig->arena, &rows, &count, &rig->e), ERR_LIMIT);
}

static void orders_the_entries_of_a_case(void **state)
{
    struct store_rig *rig = *state;
    static const struct {
        uint32_t origin;
        uint64_t index;
    } order[] = {{650000, 3}, {110000, 9}, {SELF, 0}, {110000, 2}, {SELF, 1}, {650000, 1}};
    static const size_t sorted[] = {3, 1, 2, 4, 5, 0};
    struct store_entry *rows = NULL;
    size_t count = 0;
    uint8_t id[STORE_CASE_ID_SIZE];
    rig_open(rig);
    store_sample_case_id(9, id);
    for (size_t i = 0; i < 6; i++) {
        struct store_entry entry;
        store_sample_entry(order[i].origin, order[i].index, 64, 5, &rig->arena, &entry);
        entry.has_case = true;
        memcpy(entry.case_id, id, sizeof id);
        rig_commit(rig, &(struct store_batch){.entries = &entry, .entry_count = 1});
    }
    rig_ok(rig, store_read_case_entries(rig->reader, id, &rig->arena, &rows, &count, &rig->e));
    assert_int_equal(count, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(rows[i].origin, order[sorted[i]].origin);
        assert_int_equal(rows[i].index, order[sorted[i]].index);
        assert_memory_equal(rows[i].case_id, id, sizeof id);
    }
    id[15] ^= 1;
    rig_ok(rig, store_read_case_entries(rig->reader, id, &rig->arena, &rows, &count, &rig->e));
    assert_int_equal(count, 0);
}

static void limits_the_entries_of_a_case(void **state)
{
    struct store_rig *rig = *state;
    const size_t over = CASE_EVENTS_PER_NODE_MAX + 20;
    struct store_entry *entries = arena_alloc(&rig->arena, over * sizeof *entries), *rows = NULL;
    size_t count = 0;
    rig_open(rig);
    for (uint64_t i = 0; i < over; i++) {
        store_sample_entry(PEER, i, 40, 0, &rig->arena, &entries[i]);
        entries[i].has_case = true;
    }
    rig_commit(rig, &(struct store_batch){.entries = entries, .entry_count = over});
    rig_ok(rig, store_read_case_entries(rig->reader, entries[0].case_id, &rig->arena, &rows, &count, &rig->e));
    assert_int_equal(count, CASE_EVENTS_PER_NODE_MAX);
    assert_int_equal(rows[count - 1].index, CASE_EVENTS_PER_NODE_MAX - 1); /* its first ones */
}

struct scan {
    struct store_rig *rig;
    uint64_t next, step, stop;
};

static int scan_cb(void *ctx, const struct store_entry *entry, struct err *e)
{
    struct scan *scan = ctx;
    struct store_entry again;
    if (entry->index != scan->next)
        return err_set(e, ERR_INTERNAL, "test", "index %llu", (unsigned long long)entry->index);
    /* Other reads with the same handle are allowed meanwhile. */
    int rc = store_read_entry(scan->rig->reader, entry->origin, entry->index, &scan->rig->arena, &again, e);
    if (rc != 0 || !bytes_equal(again.leaf, entry->leaf))
        return ERR_INTERNAL;
    scan->next += scan->step;
    return scan->next >= scan->stop ? ERR_CLOSED : 0;
}

static void scans_a_ledger(void **state)
{
    struct store_rig *rig = *state;
    rig_open(rig);
    rig_commit_samples(rig, 0, 600);
    struct scan own = {rig, 0, 1, UINT64_MAX}, late = {rig, 2399, 1, UINT64_MAX}, peer = {rig, 301, 3, 1000};
    rig_ok(rig, store_scan_entries(rig->reader, SELF, 0, scan_cb, &own, &rig->e));
    assert_int_equal(own.next, 2400);
    rig_ok(rig, store_scan_entries(rig->reader, SELF, 2399, scan_cb, &late, &rig->e));
    assert_int_equal(late.next, 2400);
    assert_int_equal(store_scan_entries(rig->reader, PEER, 299, scan_cb, &peer, &rig->e), ERR_CLOSED);
    assert_int_equal(peer.next, 1000);
    rig_ok(rig, store_scan_entries(rig->reader, SELF, 2400, scan_cb, &own, &rig->e));
    rig_ok(rig, store_scan_entries(rig->reader, SELF, UINT64_MAX, scan_cb, &own, &rig->e));
    rig_ok(rig, store_scan_entries(rig->reader, 440000, 0, scan_cb, &own, &rig->e));
    assert_int_equal(own.next, 2400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
        TEST(pages_cases_under_every_filter),
        TEST(refuses_pages_out_of_bounds),
        TEST(finds_cases_by_prefix_and_number),
        TEST(scans_all_cases),
        TEST(searches_items),
        TEST(reads_and_counts_items),
        TEST(says_what_is_not_there),
        TEST(reads_leaf_hashes_in_order),
        TEST(lists_what_is_addressed),
        TEST(orders_the_entries_of_a_case),
        TEST(limits_the_entries_of_a_case),
        TEST(scans_a_ledger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
