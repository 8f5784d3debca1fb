/* The write-ahead log of ledger.db, copied back beside the commits: they go on meanwhile and lose nothing, no commit copies by itself,
 * and the log begins anew once all of it is in the database. */
#include "tests/unit/store/store_rig.h"

#include <pthread.h>
#include <stdatomic.h>

#define BATCH 20u /* entries; some ten pages of the log */
#define SHORT 60u /* pages: more than one commit needs, fewer than any log here that was not begun anew */

struct copying {
    struct store_log *log;
    atomic_bool stop;
    struct err e;
    int rc;
    uint64_t pages;
};

static void *copy_on(void *arg)
{
    struct copying *c = arg;
    do {
        uint32_t pages = 0;
        c->rc = store_log_copy(c->log, &pages, &c->e);
        c->pages += pages;
    } while (c->rc == 0 && !atomic_load(&c->stop));
    return NULL;
}

static void commit(struct store_rig *rig, uint64_t *size)
{
    struct arena a = ARENA_INIT;
    struct store_entry entries[BATCH];
    for (uint64_t i = 0; i < BATCH; i++)
        store_sample_entry(STORE_SAMPLE_SELF, *size + i, 300, 1000, &a, &entries[i]);
    rig_commit(rig, &(struct store_batch){.entries = entries, .entry_count = BATCH});
    *size += BATCH;
    arena_close(&a);
}

/* Commits until the log has @pages. */
static void fill(struct store_rig *rig, uint64_t *size, uint32_t pages)
{
    for (uint32_t i = 0; store_log_pages(rig->store) < pages; i++) {
        assert_true(i < pages); /* a commit has more than one */
        commit(rig, size);
    }
}

static void expect(struct store_rig *rig, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++) {
        struct arena a = ARENA_INIT;
        struct store_entry want, got;
        store_sample_entry(STORE_SAMPLE_SELF, i, 300, 1000, &a, &want);
        rig_ok(rig, store_read_entry(rig->reader, STORE_SAMPLE_SELF, i, &a, &got, &rig->e));
        assert_true(bytes_equal(got.leaf, want.leaf) && bytes_equal(got.payload, want.payload));
        arena_close(&a);
    }
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

static void open_log(struct store_rig *rig, struct store_log **ret)
{
    rig_open(rig);
    rig_ok(rig, store_log_open(rig->store, ret, &rig->e));
}

static void commits_leave_the_log_alone(void **state)
{
    struct store_rig *rig = *state;
    struct store_log *log;
    uint32_t pages = 0,
             long_pages = STORE_LOG_PAGES + 200; /* a commit that copies would begin it anew at STORE_LOG_PAGES */
    uint64_t size = 0;
    open_log(rig, &log);
    fill(rig, &size, long_pages);
    rig_ok(rig, store_log_copy(log, &pages, &rig->e));
    assert_int_equal(pages, store_log_pages(rig->store));
    rig_ok(rig, store_log_copy(log, &pages, &rig->e));
    assert_int_equal(pages, 0); /* nothing came meanwhile */
    commit(rig, &size);
    assert_true(store_log_pages(rig->store) < SHORT); /* begun anew */
    store_log_close(log);
    expect(rig, size);
    rig_reopen(rig);
    expect(rig, size);
}

static void commits_go_on_while_it_is_copied(void **state)
{
    struct store_rig *rig = *state;
    struct copying copying = {0};
    pthread_t thread;
    uint64_t size = 0;
    open_log(rig, &copying.log);
    fill(rig, &size, 300);
    assert_int_equal(pthread_create(&thread, NULL, copy_on, &copying), 0);
    for (int i = 0; i < 100; i++)
        commit(rig, &size);
    atomic_store(&copying.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (copying.rc != 0)
        fail_msg("%s: %s", copying.e.id, copying.e.message);
    assert_true(copying.pages >= 300);

    rig_ok(rig, store_log_finish(rig->store, &rig->e));
    commit(rig, &size);
    assert_true(store_log_pages(rig->store) < SHORT);
    expect(rig, size);
    store_log_close(copying.log);
    rig_reopen(rig);
    expect(rig, size);
}

static void a_reader_keeps_the_log(void **state)
{
    struct store_rig *rig = *state;
    struct store_log *log;
    uint32_t pages = 0;
    uint64_t size = 0;
    open_log(rig, &log);
    fill(rig, &size, 100);
    rig_ok(rig, store_read_begin(rig->reader, &rig->e));
    expect(rig, size);
    fill(rig, &size, 200);
    rig_ok(rig, store_log_copy(log, &pages, &rig->e));
    rig_ok(rig, store_log_finish(rig->store, &rig->e));
    commit(rig, &size);
    assert_true(store_log_pages(rig->store) > 200); /* what is being read is not written over */
    store_read_end(rig->reader);
    rig_ok(rig, store_log_finish(rig->store, &rig->e));
    commit(rig, &size);
    assert_true(store_log_pages(rig->store) < SHORT);
    store_log_close(log);
    expect(rig, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
        TEST(commits_leave_the_log_alone),
        TEST(commits_go_on_while_it_is_copied),
        TEST(a_reader_keeps_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
