/* Ledger writer (see ledger_writer.h).
 *
 * Happy path: ledger_writer_submit() -> thread: store_commit() -> store_head_swap() -> loop_post(); a while later
 * store_head_sync(). The signer signs during the commit; on a machine so busy that it has not begun by then, the thread does.
 * Failure modes: the commit fails (nothing is there; the handle is spent), the swap fails by I/O (entries are there,
 * not sealed; sealed at the next opening), the swap is lost (another process or an older copy: never sign again). The head cannot
 * be made durable: the next swap fails.
 */
#include "node/ledger_writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/signals.h"
#include "node/base/xassert.h"
#include "node/log_copier.h"

/* Larger batches are signed after the commit: they come when the processors have more to do than to wait for the disk. */
#define SIGN_BESIDE_ENTRIES_MAX 2u

struct ledger_writer {
    struct store *store; /* the thread's, from its start to its end */
    struct loop *loop;
    pthread_t thread;
    uint64_t head_due_ms; /* the thread's: when the swapped head is to be durable, monotonic; 0 = it is */
    pthread_t signer;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t wake;
    struct ledger_writer_job *job;
    bool closing;
    pthread_cond_t signer_wake, signer_done;
    struct ledger_writer_job *to_sign; /* waits for the signer */
    bool is_signing;
};

static void note_head(struct ledger_writer *w)
{
    if (!store_head_is_unsynced(w->store))
        w->head_due_ms = 0;
    else if (w->head_due_ms == 0)
        w->head_due_ms = clock_mono_ms() + LEDGER_HEAD_LAG_MS;
}

static void sync_head(struct ledger_writer *w)
{
    struct err e = {0};
    w->head_due_ms = 0;
    if (store_head_sync(w->store, &e) != 0)
        log_error("ledger", NULL, e.id, "the signed head is not durable, the next one will be refused: %s", e.message);
}

/* Under the lock. */
static void wait_for_work(struct ledger_writer *w)
{
    if (w->head_due_ms == 0) {
        pthread_cond_wait(&w->wake, &w->lock);
        return;
    }
    struct timespec until = {.tv_sec = (time_t)(w->head_due_ms / 1000),
                             .tv_nsec = (long)(w->head_due_ms % 1000) * 1000000};
    int rc = pthread_cond_timedwait(&w->wake, &w->lock, &until);
    xassert(rc == 0 || rc == ETIMEDOUT);
}

/* ---- signing beside the commit ---- */

static void *signer_main(void *arg)
{
    struct ledger_writer *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->to_sign == NULL && !w->closing)
            pthread_cond_wait(&w->signer_wake, &w->lock);
        struct ledger_writer_job *job = w->to_sign;
        if (job == NULL)
            break; /* a job that the writer has still to do is signed there */
        w->to_sign = NULL;
        w->is_signing = true;
        pthread_mutex_unlock(&w->lock);
        ledger_job_sign(job);
        pthread_mutex_lock(&w->lock);
        w->is_signing = false;
        pthread_cond_signal(&w->signer_done);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void give_to_signer(struct ledger_writer *w, struct ledger_writer_job *job)
{
    pthread_mutex_lock(&w->lock);
    w->to_sign = job;
    pthread_cond_signal(&w->signer_wake);
    pthread_mutex_unlock(&w->lock);
}

/* True when it is signed, or was begun; false: it had not got to it, and will not. */
static bool take_from_signer(struct ledger_writer *w)
{
    pthread_mutex_lock(&w->lock);
    bool was_begun = w->to_sign == NULL;
    w->to_sign = NULL;
    while (w->is_signing)
        pthread_cond_wait(&w->signer_done, &w->lock);
    pthread_mutex_unlock(&w->lock);
    return was_begun;
}

static void run_job(struct ledger_writer *w, struct ledger_writer_job *job)
{
    bool is_given = job->seal && job->batch->entry_count <= SIGN_BESIDE_ENTRIES_MAX;
    if (is_given)
        give_to_signer(w, job);
    ledger_job_commit(w->store, job);
    if (!job->seal)
        return;
    bool is_signed = is_given && take_from_signer(w);
    if (!job->committed) {
        buf_reset(&job->note);
        return;
    }
    if (!is_signed)
        ledger_job_sign(job);
    ledger_job_swap(w->store, job);
}

/* ---- the thread ---- */

static void *writer_main(void *arg)
{
    struct ledger_writer *w = arg;
    store_reserve_log(w->store);
    struct log_copier *copier = log_copier_start(w->store);
    note_head(w);
    pthread_mutex_lock(&w->lock);
    while (w->job != NULL || !w->closing) {
        bool is_due = w->head_due_ms != 0 && clock_mono_ms() >= w->head_due_ms;
        struct ledger_writer_job *job = is_due ? NULL : w->job;
        if (job == NULL && !is_due) {
            wait_for_work(w);
            continue;
        }
        if (job != NULL)
            w->job = NULL;
        pthread_mutex_unlock(&w->lock);
        if (is_due) {
            sync_head(w);
        } else {
            run_job(w, job);
            loop_post(w->loop, &job->done);
            note_head(w);
            log_copier_look(copier);
        }
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    log_copier_stop(copier);
    return NULL;
}

struct ledger_writer *ledger_writer_start(struct store *store, struct loop *loop)
{
    struct ledger_writer *w = xcalloc(1, sizeof *w);
    w->store = store;
    w->loop = loop;
    pthread_condattr_t monotonic;
    int rc = pthread_condattr_init(&monotonic);
    rc |= pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    rc |= pthread_mutex_init(&w->lock, NULL);
    rc |= pthread_cond_init(&w->wake, &monotonic);
    rc |= pthread_cond_init(&w->signer_wake, NULL);
    rc |= pthread_cond_init(&w->signer_done, NULL);
    rc |= pthread_condattr_destroy(&monotonic);
    rc |= signals_thread(&w->signer, signer_main, w);
    rc |= signals_thread(&w->thread, writer_main, w);
    xassert(rc == 0);
    return w;
}

void ledger_writer_submit(struct ledger_writer *w, struct ledger_writer_job *job)
{
    pthread_mutex_lock(&w->lock);
    xassert(w->job == NULL && !w->closing);
    w->job = job;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void ledger_writer_stop(struct ledger_writer *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_signal(&w->wake);
    pthread_cond_signal(&w->signer_wake);
    pthread_mutex_unlock(&w->lock);
    int rc = pthread_join(w->thread, NULL) | pthread_join(w->signer, NULL);
    xassert(rc == 0);
    store_close(w->store);
    pthread_cond_destroy(&w->wake);
    pthread_cond_destroy(&w->signer_wake);
    pthread_cond_destroy(&w->signer_done);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
