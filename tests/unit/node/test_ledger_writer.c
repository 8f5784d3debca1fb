/* node/ledger_writer: the signature is made beside the commit, and swapped in only after it; a swapped head becomes durable behind
 * the answer, soon, whether more jobs come or none. The store, the steps of a job and the loop are this file's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <pthread.h>

#include <cmocka.h>

#include "node/base/xassert.h"
#include "node/ledger_writer.h"
#include "node/log_copier.h"

struct store {
    bool is_unsynced, fails;
    bool is_closed;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the rest */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct store store;
static const struct store_batch small = {.entry_count = 1}, large = {.entry_count = 100};
static unsigned syncs, done, syncs_when_done, signs, signs_in_commit, swaps;
static bool commit_fails, commit_waits;    /* waits: for the signature */
static unsigned looks, looks_when_stopped; /* of the log copier, on the writer's thread */

bool store_head_is_unsynced(const struct store *s)
{
    pthread_mutex_lock(&lock);
    bool is_unsynced = s->is_unsynced;
    pthread_mutex_unlock(&lock);
    return is_unsynced;
}

int store_head_sync(struct store *s, struct err *e)
{
    pthread_mutex_lock(&lock);
    s->is_unsynced = false;
    syncs++;
    int rc = s->fails ? err_set(e, ERR_IO, "store.io", "the disk refuses") : 0;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return rc;
}

void store_reserve_log(struct store *s)
{
    (void)s;
}

void store_close(struct store *s)
{
    s->is_closed = true;
}

struct log_copier *log_copier_start(struct store *s)
{
    return (struct log_copier *)s;
}

void log_copier_look(struct log_copier *c)
{
    assert_ptr_equal(c, &store);
    looks++;
}

void log_copier_stop(struct log_copier *c)
{
    assert_false(((struct store *)c)->is_closed); /* it works on it */
    looks_when_stopped = looks;
}

void ledger_job_commit(struct store *s, struct ledger_writer_job *job)
{
    (void)s;
    pthread_mutex_lock(&lock);
    while (commit_waits && signs == 0)
        pthread_cond_wait(&changed, &lock);
    signs_in_commit = signs;
    job->committed = !commit_fails;
    job->rc = commit_fails ? ERR_IO : 0;
    pthread_mutex_unlock(&lock);
}

void ledger_job_sign(struct ledger_writer_job *job)
{
    pthread_mutex_lock(&lock);
    signs++;
    buf_put_string(&job->note, "signed");
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

void ledger_job_swap(struct store *s, struct ledger_writer_job *job)
{
    pthread_mutex_lock(&lock);
    assert_int_equal(signs, ++swaps);
    assert_true(job->committed && job->note.size > 0);
    s->is_unsynced = true;
    buf_reset(&job->note);
    pthread_mutex_unlock(&lock);
}

void loop_post(struct loop *l, struct loop_item *item)
{
    (void)l, (void)item;
    pthread_mutex_lock(&lock);
    done++;
    syncs_when_done = syncs;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static int setup(void **state)
{
    (void)state;
    store = (struct store){0};
    syncs = done = signs = signs_in_commit = swaps = 0;
    commit_fails = commit_waits = false;
    looks = looks_when_stopped = 0;
    return 0;
}

static void run_job(struct ledger_writer *w, struct ledger_writer_job *job)
{
    pthread_mutex_lock(&lock);
    unsigned before = done;
    pthread_mutex_unlock(&lock);
    ledger_writer_submit(w, job);
    pthread_mutex_lock(&lock);
    while (done == before)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void wait_synced(void)
{
    pthread_mutex_lock(&lock);
    while (syncs == 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

/* One job in the life of a writer. */
static void run_one(const struct store_batch *batch, bool seal)
{
    struct ledger_writer *w = ledger_writer_start(&store, NULL);
    struct ledger_writer_job job = {.batch = batch, .seal = seal};
    run_job(w, &job);
    ledger_writer_stop(w);
    assert_int_equal(job.note.size, 0);      /* swapped in, or thrown away */
    assert_int_equal(looks_when_stopped, 1); /* after the job, and the copier ended before the store */
    buf_close(&job.note);
}

static void signs_while_the_disk_works(void **state)
{
    (void)state;
    commit_waits = true;
    run_one(&small, true);
    assert_int_equal(signs, 1);
    assert_int_equal(swaps, 1);
}

static void signs_a_large_batch_after_it(void **state)
{
    (void)state;
    run_one(&large, true);
    assert_int_equal(signs_in_commit, 0);
    assert_int_equal(swaps, 1);
}

static void throws_away_what_is_not_committed(void **state)
{
    (void)state;
    commit_fails = commit_waits = true;
    run_one(&small, true);
    assert_int_equal(swaps, 0);
}

static void syncs_when_nothing_comes(void **state)
{
    (void)state;
    struct ledger_writer *w = ledger_writer_start(&store, NULL);
    struct ledger_writer_job job = {.batch = &small, .seal = true};
    run_job(w, &job);
    assert_int_equal(syncs_when_done, 0);
    wait_synced();
    ledger_writer_stop(w);
    buf_close(&job.note);
    assert_true(store.is_closed);
    assert_int_equal(syncs, 1);
}

static void syncs_between_jobs(void **state)
{
    (void)state;
    struct ledger_writer *w = ledger_writer_start(&store, NULL);
    struct ledger_writer_job job = {.batch = &small, .seal = true};
    unsigned count = 0;
    do {
        run_job(w, &job);
        count++;
    } while (syncs_when_done == 0);
    assert_true(count > 1); /* not for each of them */
    ledger_writer_stop(w);
    buf_close(&job.note);
}

static void syncs_what_the_start_left(void **state)
{
    (void)state;
    store.is_unsynced = true;
    struct ledger_writer *w = ledger_writer_start(&store, NULL);
    wait_synced();
    ledger_writer_stop(w);
}

static void syncs_nothing_without_a_head(void **state)
{
    (void)state;
    run_one(&small, false);
    assert_int_equal(syncs, 0);
}

static void goes_on_when_the_disk_refuses(void **state)
{
    (void)state;
    store.fails = true;
    struct ledger_writer *w = ledger_writer_start(&store, NULL);
    struct ledger_writer_job job = {.batch = &small, .seal = true};
    run_job(w, &job);
    wait_synced();
    run_job(w, &job); /* its swap is the one that fails, in the real store */
    ledger_writer_stop(w);
    buf_close(&job.note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(signs_while_the_disk_works, setup),
        cmocka_unit_test_setup(signs_a_large_batch_after_it, setup),
        cmocka_unit_test_setup(throws_away_what_is_not_committed, setup),
        cmocka_unit_test_setup(syncs_when_nothing_comes, setup),
        cmocka_unit_test_setup(syncs_between_jobs, setup),
        cmocka_unit_test_setup(syncs_what_the_start_left, setup),
        cmocka_unit_test_setup(syncs_nothing_without_a_head, setup),
        cmocka_unit_test_setup(goes_on_when_the_disk_refuses, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
