/* One writer and several readers at once: every reader sees whole batches only, in order, and nobody waits for ever. */
#include "tests/unit/store/store_rig.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#define BATCHES 150
#define READERS 3

struct shared {
    const char *dir;
    atomic_uint_fast64_t acked; /* batches that store_commit() has confirmed */
};

struct reading {
    struct shared *shared;
    struct err e;
    uint64_t seen;
    unsigned rounds;
};

/* One look at several tables, each in its own snapshot: a later one may be newer, never older. */
static int look(struct store_reader *r, struct reading *me)
{
    struct arena a = ARENA_INIT;
    struct store_ledger_state ledger;
    struct store_entry entry;
    uint64_t counter = 0;
    uint64_t acked = atomic_load(&me->shared->acked);
    int rc = store_read_ledger_state(r, &a, &ledger, &me->e);
    uint64_t batches = rc == 0 ? ledger.size / STORE_SAMPLE_ENTRIES : 0;
    if (rc == 0 && (ledger.size % STORE_SAMPLE_ENTRIES != 0 || batches < acked || batches < me->seen))
        rc = err_set(&me->e, ERR_INTERNAL, "test", "size %" PRIu64 " after %" PRIu64 " batches", ledger.size, acked);
    if (rc == 0 && batches > 0 &&
        (ledger.acks->size != STORE_SAMPLE_ENTRIES * (batches - 1) || ledger.recipients[0].seq != batches ||
         ledger.replicas->size != 3 * batches - 1))
        rc = err_set(&me->e, ERR_INTERNAL, "test", "rows of different batches in one snapshot");
    if (rc == 0)
        rc = store_read_counter(r, "batches", &counter, &me->e);
    if (rc == 0 && counter < batches)
        rc = err_set(&me->e, ERR_INTERNAL, "test", "counter %" PRIu64 " after batch %" PRIu64, counter, batches);
    if (rc == 0 && batches > 0)
        rc = store_read_entry(r, STORE_SAMPLE_SELF, ledger.size - 1, &a, &entry, &me->e);
    me->seen = batches;
    me->rounds++;
    arena_close(&a);
    return rc;
}

static void *read_all(void *arg)
{
    struct reading *me = arg;
    struct store_reader *r = NULL;
    int rc = store_reader_open(me->shared->dir, &r, &me->e);
    while (rc == 0 && me->seen < BATCHES)
        rc = look(r, me);
    store_reader_close(r);
    return NULL;
}

static void readers_see_whole_batches(void **state)
{
    struct store_rig *rig = *state;
    struct shared shared = {.dir = rig->dir};
    struct reading readings[READERS];
    pthread_t threads[READERS];
    rig_open(rig);
    for (size_t i = 0; i < READERS; i++) {
        readings[i] = (struct reading){.shared = &shared};
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readings[i]), 0);
    }
    for (uint64_t n = 0; n < BATCHES; n++) {
        rig_commit_samples(rig, n, n + 1);
        atomic_store(&shared.acked, n + 1);
    }
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        if (readings[i].e.code != 0)
            fail_msg("reader %zu: %s", i, readings[i].e.message);
        assert_int_equal(readings[i].seen, BATCHES);
        assert_true(readings[i].rounds > 0);
    }
    rig_expect_samples(rig, BATCHES);
}

/* The handle may go from thread to thread, as from one worker to the next. */
static void *commit_one(void *arg)
{
    struct store_rig *rig = arg;
    struct store_ledger_state ledger;
    rig_ok(rig, store_read_ledger_state(rig->reader, &rig->arena, &ledger, &rig->e));
    rig_commit_samples(rig, ledger.size / STORE_SAMPLE_ENTRIES, ledger.size / STORE_SAMPLE_ENTRIES + 1);
    return NULL;
}

static void the_writer_may_change_threads(void **state)
{
    struct store_rig *rig = *state;
    rig_open(rig);
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, commit_one, rig), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    rig_expect_samples(rig, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
        TEST(readers_see_whole_batches),
        TEST(the_writer_may_change_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
