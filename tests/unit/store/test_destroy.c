/* Destroyed content is nowhere: after a destruction no file of the folder holds a byte of the case's payloads, keys or body
 * hashes, however its rows lay among others, and it does not come back.
 *
 * Method: every secret of case n is filled with a mark that says n and checks itself, and all files are searched for
 * marks. Many cases of several authors, small and large payloads, in mixed order, so that rows are put between rows
 * and pages are split as in a real ledger.
 */
#include "tests/unit/store/store_rig.h"

#include <dirent.h>

#include "node/base/file.h"
#include "node/base/prng.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CASES 150u /* searching is ten times slower there; what is looked for does not depend on the number */
#else
#define CASES 500u
#endif
#define PEERS 5u
#define MARK_SIZE 16u
#define MARK_MASK 0x5ca1ab1eu

struct world {
    struct store_rig *rig;
    struct prng prng;
    uint64_t own_next, peer_next[PEERS];
    unsigned marks[CASES]; /* found by the last search */
};

static void fill_mark(uint8_t *out, size_t size, uint32_t n)
{
    uint8_t mark[MARK_SIZE];
    memcpy(mark, "\xc5SECRET\xc5", 8);
    put_be32(mark + 8, n);
    put_be32(mark + 12, n ^ MARK_MASK);
    for (size_t i = 0; i < size; i++)
        out[i] = mark[i % MARK_SIZE];
}

static void search_file(struct world *w, const char *path)
{
    struct buf file;
    struct err e = {0};
    if (file_read(path, 256 << 20, &file, &e) != 0)
        fail_msg("%s", e.message);
    const uint8_t *at = file.data;
    size_t left = file.size;
    while (left >= MARK_SIZE && (at = memmem(at, left, "\xc5SECRET\xc5", 8)) != NULL) {
        left = file.size - (size_t)(at - file.data);
        if (left < MARK_SIZE)
            break;
        uint32_t n = get_be32(at + 8);
        if ((n ^ MARK_MASK) == get_be32(at + 12) && n < CASES)
            w->marks[n]++;
        at++;
        left--;
    }
    buf_close(&file);
}

static void search(struct world *w)
{
    memset(w->marks, 0, sizeof w->marks);
    DIR *d = opendir(w->rig->dir);
    assert_non_null(d);
    for (const struct dirent *x; (x = readdir(d)) != NULL;)
        if (x->d_name[0] != '.' && strcmp(x->d_name, "writer.lock") != 0)
            search_file(w, rig_path(w->rig, x->d_name));
    assert_int_equal(closedir(d), 0);
}

/* Most payloads share a page with others, some need pages of their own. */
static size_t payload_size(struct world *w)
{
    return prng_below(&w->prng, 4) == 0 ? 3000 + prng_below(&w->prng, 20000) : 16 + prng_below(&w->prng, 1500);
}

static struct store_entry make_entry(struct world *w, uint32_t n, bool own, struct arena *a)
{
    struct store_entry entry;
    uint64_t peer = prng_below(&w->prng, PEERS);
    if (own)
        store_sample_entry(STORE_SAMPLE_SELF, w->own_next++, 200, 0, a, &entry);
    else
        store_sample_entry(STORE_SAMPLE_PEER + (uint32_t)peer, w->peer_next[peer] += 1 + prng_below(&w->prng, 3), 200,
                           0, a, &entry);
    size_t size = payload_size(w);
    uint8_t *payload = arena_alloc(a, size);
    fill_mark(payload, size, n);
    entry.payload = bytes_of(payload, size);
    entry.has_case = true;
    store_sample_case_id(n, entry.case_id);
    return entry;
}

/* Opens case @n: two own entries made by a request, three of peers, a key. */
static void commit_case(struct world *w, uint32_t n)
{
    struct arena a = ARENA_INIT;
    struct store_entry entries[5];
    struct store_key key = {.epoch = 1, .created_ms = 1};
    struct store_request request = {.first_index = w->own_next, .count = 2};
    for (size_t i = 0; i < 5; i++)
        entries[i] = make_entry(w, n, i < 2, &a);
    memcpy(key.case_id, entries[0].case_id, STORE_CASE_ID_SIZE);
    memcpy(request.case_id, entries[0].case_id, STORE_CASE_ID_SIZE);
    fill_mark(key.key, sizeof key.key, n);
    fill_mark(request.body_hash, sizeof request.body_hash, n);
    put_be32(request.key_hash, n * 2654435761u);
    rig_commit(w->rig, &(struct store_batch){.entries = entries,
                                             .entry_count = 5,
                                             .keys = &key,
                                             .key_count = 1,
                                             .requests = &request,
                                             .request_count = 1});
    arena_close(&a);
}

static void destroy_case(struct world *w, uint32_t n)
{
    struct store_destroy row;
    store_sample_case_id(n, row.case_id);
    rig_commit(w->rig, &(struct store_batch){.destroys = &row, .destroy_count = 1});
}

static void shuffle(struct world *w, uint32_t *order)
{
    for (uint32_t i = 0; i < CASES; i++)
        order[i] = i;
    for (uint32_t i = CASES - 1; i > 0; i--) {
        uint32_t k = (uint32_t)prng_below(&w->prng, i + 1), kept = order[i];
        order[i] = order[k];
        order[k] = kept;
    }
}

static void world_init(struct world *w, struct store_rig *rig, uint64_t seed)
{
    *w = (struct world){.rig = rig};
    prng_init(&w->prng, seed);
    rig_open(rig);
}

static void expect_gone(struct world *w, uint32_t n)
{
    struct store_key key;
    struct store_entry *entries;
    size_t count = 0;
    uint8_t id[STORE_CASE_ID_SIZE];
    store_sample_case_id(n, id);
    assert_int_equal(store_read_key(w->rig->reader, id, 1, &key, &w->rig->e), ERR_NOT_FOUND);
    rig_ok(w->rig, store_read_case_entries(w->rig->reader, id, &w->rig->arena, &entries, &count, &w->rig->e));
    for (size_t i = 0; i < count; i++)
        assert_true(!entries[i].payload_held && entries[i].payload.size == 0 && entries[i].leaf.size > 0);
}

static void leaves_no_byte_in_any_file(void **state)
{
    struct world *w = test_malloc(sizeof *w);
    static uint32_t order[CASES];
    bool gone[CASES] = {false};
    world_init(w, *state, 20261124);
    shuffle(w, order);
    for (uint32_t i = 0; i < CASES; i++)
        commit_case(w, order[i]);
    shuffle(w, order);
    for (uint32_t i = 0; i < CASES; i++) {
        destroy_case(w, order[i]);
        gone[order[i]] = true;
        if (i % 25 != 0 && i + 3 < CASES)
            continue;
        search(w);
        for (uint32_t n = 0; n < CASES; n++)
            if (gone[n] ? w->marks[n] > 0 : w->marks[n] < 8)
                fail_msg("after %u: case %u %s, %u marks", i + 1, n, gone[n] ? "is gone" : "is not", w->marks[n]);
        expect_gone(w, order[i]);
        rig_ok(w->rig, store_check(w->rig->reader, &w->rig->e));
    }
    rig_close(w->rig);
    search(w);
    for (uint32_t n = 0; n < CASES; n++)
        assert_int_equal(w->marks[n], 0);
    test_free(w);
}

/* Another connection in the middle of reading: what it needs cannot be taken away from under it, the commit is done all the
 * same, and the first one after the reader has ended clears up. */
static void clears_up_when_a_reader_lets_go(void **state)
{
    static const struct {
        const char *name, *table;
    } files[] = {{"ledger.db", "entry"}, {"keys.db", "key"}};
    struct world *w = test_malloc(sizeof *w);
    world_init(w, *state, 7);
    for (uint32_t n = 0; n < 20; n++)
        commit_case(w, n);
    for (uint32_t n = 0; n < 4; n++) {
        sqlite3 *db = NULL;
        bool close_first = n / 2 == 1; /* the store is closed while the reader is still there */
        assert_int_equal(sqlite3_open(rig_path(w->rig, files[n % 2].name), &db), SQLITE_OK);
        const char *sql = arena_printf(&w->rig->arena, "BEGIN; SELECT * FROM %s", files[n % 2].table);
        commit_case(w, 20 + n); /* so that the reader reads from the log */
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        destroy_case(w, n);
        expect_gone(w, n);
        for (uint32_t k = 0; k < 3; k++)
            commit_case(w, 100 + 10 * n + k);
        search(w);
        assert_true(w->marks[n] > 0); /* or the reader would not have been in the way */
        if (close_first)
            rig_close(w->rig);
        assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        if (close_first)
            rig_open(w->rig);
        else
            commit_case(w, 200 + n);
        search(w);
        assert_int_equal(w->marks[n], 0);
        assert_true(w->marks[19] > 0 && w->marks[20 + n] > 0);
    }
    rig_ok(w->rig, store_check(w->rig->reader, &w->rig->e));
    rig_close(w->rig);
    assert_int_equal(rig_count(w->rig, "SELECT count(*) FROM fact"), 0); /* nothing is noted any more */
    test_free(w);
}

static struct store_erasure erasure_of(uint32_t n, uint32_t node, uint8_t state)
{
    struct store_erasure row = {.node = node, .state = state, .basis = 1, .at_ms = 5, .origin = node, .index = 3};
    store_sample_case_id(n, row.case_id);
    return row;
}

/* A peer sends again, or late, what this node has erased: leaf yes, content no; and a key no. */
static void takes_nothing_of_an_erased_case_in_again(void **state)
{
    struct world *w = test_malloc(sizeof *w);
    struct store_rig *rig = *state;
    world_init(w, rig, 8);
    for (uint32_t n = 0; n < 3; n++)
        commit_case(w, n);
    struct store_entry late[2] = {make_entry(w, 1, false, &rig->arena), make_entry(w, 1, false, &rig->arena)};
    struct store_key key = {.epoch = 2, .created_ms = 9};
    struct store_batch b = {.entries = late, .entry_count = 2, .keys = &key, .key_count = 1};
    memcpy(key.case_id, late[0].case_id, STORE_CASE_ID_SIZE);
    fill_mark(key.key, sizeof key.key, 1);
    rig_commit(rig, &b);

    /* A peer's row alone does nothing here, nor one of this node that is not done; the third is the erasure. */
    const struct store_erasure rows[] = {erasure_of(1, STORE_SAMPLE_PEER, STORE_ERASURE_DONE),
                                         erasure_of(1, STORE_SAMPLE_SELF, 3),
                                         erasure_of(1, STORE_SAMPLE_SELF, STORE_ERASURE_DONE)};
    for (size_t i = 0; i < 3; i++) {
        search(w);
        assert_true(w->marks[1] > 0);
        rig_commit(rig, &(struct store_batch){.erasures = &rows[i], .erasure_count = 1});
    }
    for (int round = 0; round < 2; round++) {
        search(w);
        assert_int_equal(w->marks[1], 0);
        expect_gone(w, 1);
        rig_commit(rig, &b);
        struct store_entry newer = make_entry(w, 1, round == 0, &rig->arena);
        rig_commit(rig, &(struct store_batch){
                            .entries = &newer, .entry_count = 1, .keys = &key, .key_count = 1}); /* never seen before */
        assert_int_equal(store_read_key(rig->reader, key.case_id, 2, &key, &rig->e), ERR_NOT_FOUND);
        search(w);
        assert_int_equal(w->marks[1], 0);
        assert_true(w->marks[0] > 8 && w->marks[2] > 8);
        rig_ok(rig, store_check(rig->reader, &rig->e));
        rig_reopen(rig);
    }
    test_free(w);
}

/* Key, order and content in one batch, as when a node hears of a case and its erasure at once. */
static void destroys_what_came_in_the_same_batch(void **state)
{
    struct world *w = test_malloc(sizeof *w);
    struct store_rig *rig = *state;
    world_init(w, rig, 9);
    struct store_entry entry = make_entry(w, 4, true, &rig->arena);
    struct store_key key = {.epoch = 1};
    struct store_erasure erasure = erasure_of(4, STORE_SAMPLE_SELF, STORE_ERASURE_DONE);
    struct store_destroy destroy;
    memcpy(key.case_id, entry.case_id, STORE_CASE_ID_SIZE);
    memcpy(destroy.case_id, entry.case_id, STORE_CASE_ID_SIZE);
    fill_mark(key.key, sizeof key.key, 4);
    rig_commit(rig, &(struct store_batch){.entries = &entry,
                                          .entry_count = 1,
                                          .keys = &key,
                                          .key_count = 1,
                                          .erasures = &erasure,
                                          .erasure_count = 1,
                                          .destroys = &destroy,
                                          .destroy_count = 1});
    expect_gone(w, 4);
    search(w);
    assert_int_equal(w->marks[4], 0);
    rig_ok(rig, store_check(rig->reader, &rig->e));
    test_free(w);
}

static void destroys_a_case_of_which_only_the_key_is_here(void **state)
{
    struct world *w = test_malloc(sizeof *w);
    struct store_rig *rig = *state;
    world_init(w, rig, 10);
    struct store_key keys[2] = {{.epoch = 1}, {.epoch = 2}};
    for (size_t i = 0; i < 2; i++) {
        store_sample_case_id(6, keys[i].case_id);
        fill_mark(keys[i].key, sizeof keys[i].key, 6);
    }
    rig_commit(rig, &(struct store_batch){.keys = keys, .key_count = 2});
    search(w);
    assert_true(w->marks[6] > 0);
    destroy_case(w, 6);
    destroy_case(w, 7); /* of which nothing was ever here */
    search(w);
    assert_int_equal(w->marks[6], 0);
    rig_ok(rig, store_check(rig->reader, &rig->e));
    /* Without an erasure row a destroyed case may have a key again: it was not this node's own decision for ever. */
    rig_commit(rig, &(struct store_batch){.keys = keys, .key_count = 1});
    rig_ok(rig, store_read_key(rig->reader, keys[0].case_id, 1, &keys[1], &rig->e));
    test_free(w);
}

static void destroys_nothing_when_refused(void **state)
{
    struct world *w = test_malloc(sizeof *w);
    struct store_rig *rig = *state;
    struct store_key key;
    world_init(w, rig, 11);
    commit_case(w, 0);
    struct store_destroy destroy;
    struct store_addressed wrong = {.recipient = STORE_SAMPLE_PEER, .index = 0, .seq = 5};
    store_sample_case_id(0, destroy.case_id);
    struct store_batch b = {.destroys = &destroy, .destroy_count = 1, .addressed = &wrong, .addressed_count = 1};
    assert_int_equal(store_commit(rig->store, &b, &rig->e), ERR_CONFLICT);
    commit_case(w, 1);
    search(w);
    assert_true(w->marks[0] >= 8);
    rig_ok(rig, store_read_key(rig->reader, destroy.case_id, 1, &key, &rig->e));
    rig_reopen(rig);
    rig_ok(rig, store_read_key(rig->reader, destroy.case_id, 1, &key, &rig->e));
    test_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
        TEST(leaves_no_byte_in_any_file),
        TEST(clears_up_when_a_reader_lets_go),
        TEST(takes_nothing_of_an_erased_case_in_again),
        TEST(destroys_what_came_in_the_same_batch),
        TEST(destroys_a_case_of_which_only_the_key_is_here),
        TEST(destroys_nothing_when_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
