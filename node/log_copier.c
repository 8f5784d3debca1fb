/* Log copier (see log_copier.h).
 *
 * Happy path: a commit makes the log STORE_LOG_PAGES long -> log_copier_look() wakes the thread -> store_log_copy(), and again for
 * what was committed meanwhile, until that is little -> the writer's next look: store_log_finish() -> the next commit begins the
 * log anew. Failure modes: a reader is in the way, so that the log cannot begin anew; the disk refuses the copy: both
 * leave everything in the log, and it is tried again when that has grown by AGAIN_PAGES.
 */
#include "node/log_copier.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "node/base/log.h"
#include "node/base/signals.h"
#include "node/base/xassert.h"

#define AGAIN_PAGES 256u
#define LITTLE_PAGES 100u /* a millisecond's work */
#define ROUNDS_MAX 4u     /* each has less to do than the one before, unless the disk is slower than the writer */

enum copier_state { COPIER_RESTS, COPIER_WANTED, COPIER_DONE };

struct log_copier {
    struct store *store;   /* the writer's, with the two below */
    uint32_t pages, at;    /* of the log at the last look; when it is to be copied */
    struct store_log *log; /* the thread's, from its start to its end */
    pthread_t thread;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t wake;
    enum copier_state state;
    bool closing;
};

static bool is_closing(struct log_copier *c)
{
    pthread_mutex_lock(&c->lock);
    bool closing = c->closing;
    pthread_mutex_unlock(&c->lock);
    return closing;
}

static void warn(const struct err *e)
{
    log_warn("store", NULL, e->id, "the log of ledger.db grows, it cannot be copied now: %s", e->message);
}

static void copy(struct log_copier *c)
{
    struct err e = {0};
    uint32_t pages = UINT32_MAX;
    for (unsigned i = 0; i < ROUNDS_MAX && pages > LITTLE_PAGES && !is_closing(c); i++) {
        if (store_log_copy(c->log, &pages, &e) != 0) {
            warn(&e);
            return;
        }
    }
}

static void *copier_main(void *arg)
{
    struct log_copier *c = arg;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (c->state != COPIER_WANTED && !c->closing)
            pthread_cond_wait(&c->wake, &c->lock);
        if (c->closing)
            break;
        pthread_mutex_unlock(&c->lock);
        copy(c);
        pthread_mutex_lock(&c->lock);
        c->state = COPIER_DONE;
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

struct log_copier *log_copier_start(struct store *s)
{
    struct err e = {0};
    struct log_copier *c = xcalloc(1, sizeof *c);
    c->store = s;
    c->at = STORE_LOG_PAGES;
    if (store_log_open(s, &c->log, &e) != 0) {
        log_warn("store", NULL, e.id, "commits copy the log of ledger.db themselves: %s", e.message);
        free(c);
        return NULL;
    }
    int rc = pthread_mutex_init(&c->lock, NULL);
    rc |= pthread_cond_init(&c->wake, NULL);
    rc |= signals_thread(&c->thread, copier_main, c);
    xassert(rc == 0);
    return c;
}

static void finish(struct log_copier *c)
{
    struct err e = {0};
    if (store_log_finish(c->store, &e) != 0)
        warn(&e);
    c->at = c->pages + AGAIN_PAGES; /* if the next commit does not begin it anew */
}

void log_copier_look(struct log_copier *c)
{
    if (c == NULL)
        return;
    uint32_t pages = store_log_pages(c->store);
    if (pages < c->pages)
        c->at = STORE_LOG_PAGES; /* it has begun anew */
    c->pages = pages;
    pthread_mutex_lock(&c->lock);
    bool is_done = c->state == COPIER_DONE;
    if (is_done) {
        c->state = COPIER_RESTS;
    } else if (c->state == COPIER_RESTS && pages >= c->at) {
        c->state = COPIER_WANTED;
        pthread_cond_signal(&c->wake);
    }
    pthread_mutex_unlock(&c->lock);
    if (is_done)
        finish(c);
}

void log_copier_stop(struct log_copier *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->closing = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    int rc = pthread_join(c->thread, NULL);
    xassert(rc == 0);
    store_log_close(c->log);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
