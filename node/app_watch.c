/* Waiting: for a change of a case (long poll, CLI watch), and for peers to have made entries durable (see app.h). */
#include <stdlib.h>
#include <string.h>

#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/xassert.h"

struct watch {
    struct list link;
    struct app *app;
    uint64_t ticket;
    uint8_t case_id[CASE_ID_SIZE];
    struct loop_timer *timer;
    bool changed; /* known at the start: the timer only brings it to a later turn */
    app_watch_cb cb;
    void *ctx;
};

static void watch_end(struct watch *w)
{
    list_remove(&w->link);
    loop_timer_destroy(w->timer);
    free(w);
}

static void watch_fire(struct watch *w, bool changed)
{
    app_watch_cb cb = w->cb;
    void *ctx = w->ctx;
    watch_end(w);
    cb(ctx, changed);
}

static void watch_timer_cb(void *ctx)
{
    struct watch *w = ctx;
    watch_fire(w, w->changed);
}

uint64_t app_watch(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint64_t after_version, uint32_t timeout_ms,
                   app_watch_cb cb, void *ctx)
{
    struct watch *w = xcalloc(1, sizeof *w);
    w->app = a;
    w->ticket = ++a->next_ticket;
    memcpy(w->case_id, case_id, sizeof w->case_id);
    w->cb = cb;
    w->ctx = ctx;
    w->timer = loop_timer_create(a->loop, watch_timer_cb, w);
    list_append(&a->watches, &w->link);

    w->changed = app_case_version(a, case_id) > after_version;
    loop_timer_set(w->timer, w->changed ? 0 : min_of(timeout_ms, HTTP_WAIT_MS_MAX));
    return w->ticket;
}

void app_unwatch(struct app *a, uint64_t ticket)
{
    list_for_each (at, &a->watches) {
        struct watch *w = container_of(at, struct watch, link);
        if (w->ticket == ticket) {
            watch_end(w);
            return;
        }
    }
}

void app_notify_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE])
{
    list_for_each (at, &a->watches) {
        struct watch *w = container_of(at, struct watch, link);
        if (w->changed || memcmp(w->case_id, case_id, CASE_ID_SIZE) != 0)
            continue;
        w->changed = true;
        loop_timer_set(w->timer, 0); /* a later turn: until then it can be taken back */
    }
}

/* ---- peers ---- */

struct peer_wait {
    struct list link;
    struct app *app;
    struct peer_wait_request request;
    uint64_t end_ms; /* monotonic: answered then, reached or not */
};

static void peer_wait_end(struct peer_wait *w, bool reached)
{
    struct app *a = w->app;
    struct peer_wait_request request = w->request;
    list_remove(&w->link);
    a->peer_wait_count--;
    free(w);
    request.done(request.ctx, reached);
}

/* One timer for all of them, due with the first: nearly every wait ends long before its time, and a timer each costs more than the wait. */
static void set_timer(struct app *a, uint64_t due_ms)
{
    if (due_ms >= a->peer_wait_due_ms)
        return;
    uint64_t now_ms = clock_mono_ms();
    a->peer_wait_due_ms = due_ms;
    loop_timer_set(a->peer_wait_timer, due_ms > now_ms ? due_ms - now_ms : 0);
}

static void peer_wait_timer_cb(void *ctx)
{
    struct app *a = ctx;
    uint64_t now_ms = clock_mono_ms(), next_ms = UINT64_MAX;
    a->peer_wait_due_ms = UINT64_MAX;
    list_for_each_safe (at, &a->peer_waits) {
        struct peer_wait *w = container_of(at, struct peer_wait, link);
        if (w->end_ms <= now_ms)
            peer_wait_end(w, false);
        else
            next_ms = min_of(next_ms, w->end_ms);
    }
    set_timer(a, next_ms);
}

void app_waits_open(struct app *a)
{
    list_init(&a->peer_waits);
    list_init(&a->watches);
    a->peer_wait_due_ms = UINT64_MAX;
    a->peer_wait_timer = loop_timer_create(a->loop, peer_wait_timer_cb, a);
}

/* Takes @peer off the list of those still awaited. */
static void strike(struct peer_wait_request *w, uint32_t peer)
{
    for (size_t i = 0; i < w->peer_count; i++)
        if (w->peers[i] == peer)
            w->peers[i--] = w->peers[--w->peer_count];
}

void app_wait_peers(struct app *a, const struct peer_wait_request *request)
{
    struct peer_wait *w = xcalloc(1, sizeof *w);
    w->app = a;
    w->request = *request;
    w->end_ms = clock_mono_ms() + request->timeout_ms;
    list_append(&a->peer_waits, &w->link);
    a->peer_wait_count++;
    for (size_t i = w->request.peer_count; i-- > 0;) {
        struct replication_peer peer;
        uint32_t code = w->request.peers[i];
        if (!replication_peer(a->replication, code, &peer) || peer.acked_size >= request->end)
            strike(&w->request, code);
    }
    if (w->request.peer_count == 0)
        peer_wait_end(w, true);
    else
        set_timer(a, w->end_ms);
}

size_t app_peer_waits(const struct app *a)
{
    return a->peer_wait_count;
}

void app_on_acked(void *ctx, uint32_t peer, uint64_t size)
{
    struct app *a = ctx;
    list_for_each_safe (at, &a->peer_waits) {
        struct peer_wait *w = container_of(at, struct peer_wait, link);
        if (w->request.end > size)
            continue;
        strike(&w->request, peer);
        if (w->request.peer_count == 0)
            peer_wait_end(w, true);
    }
}

void app_waits_close(struct app *a)
{
    struct list *at;
    while ((at = list_pop_first(&a->peer_waits)) != NULL)
        peer_wait_end(container_of(at, struct peer_wait, link), false);
    while ((at = list_pop_first(&a->watches)) != NULL)
        watch_fire(container_of(at, struct watch, link), false);
    loop_timer_destroy(a->peer_wait_timer);
}
