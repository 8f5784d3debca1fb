/* Ledger writer (see ledger_writer.h).
 *
 * Happy path: ledger_writer_submit() -> thread: store_commit() -> checkpoint_sign() -> store_head_swap() -> loop_post().
 * Failure modes: the commit fails (nothing is there; the handle is spent), the swap fails by I/O (entries are there,
 * not sealed; sealed at the next opening), the swap is lost (another process or an older copy: never sign again).
 */
#include "node/ledger_writer.h"

#include <pthread.h>
#include <stdlib.h>

#include "node/base/xassert.h"

struct ledger_writer {
    struct store *store; /* the thread's between submit and done, nobody's otherwise */
    struct loop *loop;
    pthread_t thread;
    pthread_mutex_t lock; /* guards job, closing */
    pthread_cond_t wake;
    struct ledger_writer_job *job;
    bool closing;
};

static void *writer_main(void *arg)
{
    struct ledger_writer *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->job == NULL && !w->closing)
            pthread_cond_wait(&w->wake, &w->lock);
        struct ledger_writer_job *job = w->job;
        w->job = NULL;
        if (job == NULL)
            break;
        pthread_mutex_unlock(&w->lock);
        ledger_writer_run(w->store, job);
        loop_post(w->loop, &job->done);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct ledger_writer *ledger_writer_start(struct store *store, struct loop *loop)
{
    struct ledger_writer *w = xcalloc(1, sizeof *w);
    w->store = store;
    w->loop = loop;
    int rc = pthread_mutex_init(&w->lock, NULL);
    rc |= pthread_cond_init(&w->wake, NULL);
    rc |= pthread_create(&w->thread, NULL, writer_main, w);
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
    pthread_mutex_unlock(&w->lock);
    int rc = pthread_join(w->thread, NULL);
    xassert(rc == 0);
    store_close(w->store);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
