/* Loop (see loop.h): libuv's loop, an inbox behind a mutex with a uv_async as its bell, timers, signals, workers.
 *
 * The inbox is the only state that several threads touch. A turn runs at most INBOX_TURN_MAX items and rings the bell
 * again for the rest, so that timers and sockets get their share under load.
 */
#include "node/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <uv.h>

#include "node/base/signals.h"
#include "node/base/xassert.h"

#define INBOX_TURN_MAX 256

static const int signal_numbers[] = {SIGTERM, SIGINT, SIGHUP};

struct loop {
    uv_loop_t uv;
    uv_async_t bell;
    uv_signal_t signals[3];
    void (*signal_cb)(void *ctx, int number);
    void *signal_ctx;
    pthread_mutex_t lock; /* guards inbox */
    struct list inbox;
};

struct loop_timer {
    uv_timer_t uv;
    void (*cb)(void *ctx);
    void *ctx;
};

static void check(int rc)
{
    xassert(rc == 0); /* calls that fail only when used wrongly */
}

static void bell_cb(uv_async_t *handle)
{
    struct loop *l = handle->data;
    struct list taken;
    list_init(&taken);
    pthread_mutex_lock(&l->lock);
    for (int n = 0; n < INBOX_TURN_MAX && !list_is_empty(&l->inbox); n++)
        list_append(&taken, list_pop_first(&l->inbox));
    if (!list_is_empty(&l->inbox))
        check(uv_async_send(&l->bell));
    pthread_mutex_unlock(&l->lock);

    struct list *at;
    while ((at = list_pop_first(&taken)) != NULL) {
        struct loop_item *item = container_of(at, struct loop_item, link);
        item->run(item);
    }
}

int loop_create(struct loop **ret, struct err *e)
{
    struct loop *l = xcalloc(1, sizeof *l);
    list_init(&l->inbox);
    check(pthread_mutex_init(&l->lock, NULL));
    int rc = uv_loop_init(&l->uv);
    if (rc == 0)
        rc = uv_async_init(&l->uv, &l->bell, bell_cb);
    if (rc != 0) {
        pthread_mutex_destroy(&l->lock);
        free(l);
        return err_set(e, ERR_IO, "loop.init", "cannot make the event loop: %s", uv_strerror(rc));
    }
    l->bell.data = l;
    *ret = l;
    return 0;
}

void loop_drain(struct loop *l)
{
    (void)uv_run(&l->uv, UV_RUN_NOWAIT);
    bell_cb(&l->bell); /* an item may have been posted after the last bell */
    (void)uv_run(&l->uv, UV_RUN_NOWAIT);
}

static void close_walk(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void loop_destroy(struct loop *l)
{
    if (l == NULL)
        return;
    sigset_t before;
    signals_mask(&before); /* libuv gives them back to the kernel, which would end the process on a second SIGTERM */
    uv_walk(&l->uv, close_walk, NULL);
    for (size_t i = 0; l->signal_cb != NULL && i < array_count(signal_numbers); i++)
        (void)signal(signal_numbers[i], SIG_IGN);
    signals_unmask(&before);
    while (uv_run(&l->uv, UV_RUN_DEFAULT) != 0)
        ;
    check(uv_loop_close(&l->uv));
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void loop_post(struct loop *l, struct loop_item *item)
{
    pthread_mutex_lock(&l->lock);
    list_append(&l->inbox, &item->link);
    check(uv_async_send(&l->bell));
    pthread_mutex_unlock(&l->lock);
}

void loop_run(struct loop *l)
{
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

static void timer_cb(uv_timer_t *handle)
{
    struct loop_timer *t = handle->data;
    t->cb(t->ctx);
}

struct loop_timer *loop_timer_create(struct loop *l, void (*cb)(void *ctx), void *ctx)
{
    struct loop_timer *t = xcalloc(1, sizeof *t);
    check(uv_timer_init(&l->uv, &t->uv));
    t->uv.data = t;
    t->cb = cb;
    t->ctx = ctx;
    return t;
}

void loop_timer_set(struct loop_timer *t, uint64_t delay_ms)
{
    uv_update_time(t->uv.loop); /* a long turn must not make the delay shorter */
    check(uv_timer_start(&t->uv, timer_cb, delay_ms, 0));
}

void loop_timer_cancel(struct loop_timer *t)
{
    check(uv_timer_stop(&t->uv));
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void loop_timer_destroy(struct loop_timer *t)
{
    if (t != NULL)
        uv_close((uv_handle_t *)&t->uv, timer_closed);
}

static void signal_cb(uv_signal_t *handle, int number)
{
    struct loop *l = handle->data;
    l->signal_cb(l->signal_ctx, number);
}

void loop_on_signal(struct loop *l, void (*cb)(void *ctx, int signal_number), void *ctx)
{
    l->signal_cb = cb;
    l->signal_ctx = ctx;
    for (size_t i = 0; i < array_count(signal_numbers); i++) {
        check(uv_signal_init(&l->uv, &l->signals[i]));
        l->signals[i].data = l;
        check(uv_signal_start(&l->signals[i], signal_cb, signal_numbers[i]));
    }
}

struct work {
    uv_work_t uv;
    void (*work)(void *ctx);
    void (*done)(void *ctx);
    void *ctx;
};

static void work_run(uv_work_t *request)
{
    struct work *w = container_of(request, struct work, uv);
    w->work(w->ctx);
}

static void work_done(uv_work_t *request, int status)
{
    (void)status; /* nothing cancels work */
    struct work *w = container_of(request, struct work, uv);
    w->done(w->ctx);
    free(w);
}

void loop_work(struct loop *l, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx)
{
    struct work *w = xcalloc(1, sizeof *w);
    *w = (struct work){.work = work, .done = done, .ctx = ctx};
    sigset_t before;
    signals_mask(&before); /* the first call starts the workers */
    check(uv_queue_work(&l->uv, &w->uv, work_run, work_done));
    signals_unmask(&before);
}

struct uv_loop_s *loop_uv(struct loop *l)
{
    return &l->uv;
}
