/* Loop: the one libuv loop of the daemon, and the only door through which other threads reach it.
 *
 * Everything of the node lives on the loop thread. NNG's threads, the writer and the workers hand over a `loop_item`
 * (embedded in their own struct); its function runs on the loop thread, in the order of posting. Wake-ups coalesce, so
 * the loop drains the whole inbox each time, but no more than a bounded number per turn.
 */
#ifndef TB_NODE_LOOP_H
#define TB_NODE_LOOP_H

#include <stdint.h>

#include "node/base/err.h"
#include "node/base/list.h"

struct loop;
struct uv_loop_s;

/* Embedded in what is handed over; owned by the poster until @run, then by @run. */
struct loop_item {
    struct list link;
    void (*run)(struct loop_item *item);
};

int loop_create(struct loop **ret, struct err *e) WARN_UNUSED;
/* Runs what was posted and closed but has not run yet, without waiting for more. After loop_run() has returned. */
void loop_drain(struct loop *l);
void loop_destroy(struct loop *l); /* after loop_drain(); NULL is fine */

/* Any thread. */
void loop_post(struct loop *l, struct loop_item *item);

/* Runs until loop_stop(). Loop thread = the caller. */
void loop_run(struct loop *l);
/* Loop thread: loop_run() returns after the current turn. */
void loop_stop(struct loop *l);

/* Calls @cb once after @delay_ms (0 = next turn); setting again replaces. At most one pending call per timer. */
struct loop_timer;
struct loop_timer *loop_timer_create(struct loop *l, void (*cb)(void *ctx), void *ctx);
void loop_timer_set(struct loop_timer *t, uint64_t delay_ms);
void loop_timer_cancel(struct loop_timer *t);
void loop_timer_destroy(struct loop_timer *t); /* NULL is fine */

/* Calls @cb with the number of SIGTERM, SIGINT or SIGHUP when one arrives. From loop_destroy() on they are ignored. */
void loop_on_signal(struct loop *l, void (*cb)(void *ctx, int signal_number), void *ctx);

/* Runs @work on a worker thread, then @done on the loop thread; @work must not touch the node's structs. */
void loop_work(struct loop *l, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx);

/* For adapters that register their own handles (node/http/server.c). */
struct uv_loop_s *loop_uv(struct loop *l);

#endif
