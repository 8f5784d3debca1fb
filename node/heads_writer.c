/* Heads writer (see heads_writer.h). A leaf is due busy_ms after the last one when something else was written since, idle_ms
 * after it otherwise. When the ledger cannot be written it is tried again after busy_ms. */
#include "node/heads_writer.h"

#include <stdlib.h>

#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/xassert.h"

struct heads_writer {
    struct heads_writer_config config;
    struct ledger *ledger;
    struct loop_timer *timer;
    bool running;
    bool in_flight;
    uint64_t last_ms; /* of the last leaf, or of the start, monotonic */
};

static bool is_busy(const struct heads_writer *w)
{
    struct store_addressed heads = ledger_last_addressed(w->ledger, STORE_NODE_HEADS);
    return heads.seq == 0 || heads.index + 1 < ledger_size(w->ledger);
}

static void set_timer(struct heads_writer *w)
{
    if (!w->running || w->in_flight)
        return;
    uint64_t now = clock_mono_ms(), pause = is_busy(w) ? w->config.busy_ms : w->config.idle_ms;
    uint64_t due = w->last_ms + pause;
    loop_timer_set(w->timer, due > now ? due - now : 0);
}

static void written(void *ctx, const struct err *e)
{
    struct heads_writer *w = ctx;
    w->in_flight = false;
    if (e->code != 0)
        log_warn("ledger", NULL, e->id, "no heads entry: %s", e->message);
    set_timer(w);
}

static int compare_codes(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Every member, this node left out. */
static uint32_t *row_codes(const struct heads_writer *w, size_t *ret_count)
{
    const struct members *m = w->config.members;
    uint32_t *codes = xcalloc(m->count + 1, sizeof *codes);
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++)
        if (m->list[i].code != w->config.self)
            codes[count++] = m->list[i].code;
    qsort(codes, count, sizeof *codes, compare_codes);
    *ret_count = count;
    return codes;
}

static void write_cb(void *ctx)
{
    struct heads_writer *w = ctx;
    if (!w->running || w->in_flight)
        return;
    w->last_ms = clock_mono_ms();
    if (ledger_check_writable(w->ledger, NULL) != 0) {
        loop_timer_set(w->timer, w->config.busy_ms);
        return;
    }
    size_t count;
    uint32_t *codes = row_codes(w, &count);
    struct ledger_txn *txn = ledger_txn_create(w->ledger);
    ledger_txn_heads(txn, codes, count);
    free(codes);
    w->in_flight = true;
    ledger_commit(txn, written, w);
}

struct heads_writer *heads_writer_create(const struct heads_writer_config *config)
{
    struct heads_writer *w = xcalloc(1, sizeof *w);
    w->config = *config;
    w->timer = loop_timer_create(config->loop, write_cb, w);
    return w;
}

void heads_writer_destroy(struct heads_writer *w)
{
    if (w == NULL)
        return;
    loop_timer_destroy(w->timer);
    free(w);
}

void heads_writer_set_ledger(struct heads_writer *w, struct ledger *ledger)
{
    w->ledger = ledger;
}

void heads_writer_start(struct heads_writer *w)
{
    w->running = true;
    w->last_ms = clock_mono_ms();
    set_timer(w);
}

void heads_writer_stop(struct heads_writer *w)
{
    w->running = false;
    loop_timer_cancel(w->timer);
}

void heads_writer_sealed(struct heads_writer *w)
{
    set_timer(w);
}
