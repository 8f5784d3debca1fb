/* Reconciliation (对账), the asking side: runs over the peers, on demand and once a day (see app.h, PROTOCOL.md).
 *
 *   run ─► for each peer: a pass (app_reconcile_pass.c) ─► its result, findings ─► the run's end: a line of the log
 *
 * Runs are kept in memory, the last RUNS_MAX of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/app_reconcile_pass.h"
#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/xassert.h"

#define RUNS_MAX 16u
#define CHINA_OFFSET_MS (8u * 3600000u)
#define LOOK_AGAIN_MS 3600000u /* the timer never sleeps longer: the clock may be set */

static const char *const state_names[] = {
#define X(name, word) [name] = word,
    APP_RECONCILE_STATES(X)
#undef X
};

/* ---- runs ---- */

static void run_destroy(struct app_reconcile_run *run)
{
    list_remove(&run->link);
    free(run->peers);
    free(run->findings);
    free(run);
}

static void end_run(struct app *a, struct app_reconcile_run *run)
{
    uint64_t shared = 0, differing = 0;
    size_t unreached = 0;
    run->finished_ms = clock_wall_ms();
    for (size_t i = 0; i < run->peer_count; i++) {
        shared += run->peers[i].compared;
        differing += run->peers[i].differing;
        unreached += run->peers[i].state != APP_RECONCILE_DONE;
    }
    log_info("reconcile", NULL, "reconcile.done",
             "%zu peers (%zu not reached or not to the end), %llu shared cases, %llu differ, %llu ms: run %s",
             run->peer_count, unreached, (unsigned long long)shared, (unsigned long long)differing,
             (unsigned long long)(run->finished_ms - run->started_ms), run->id);
    struct reconciliation *rec = a->reconciliation;
    while (rec->run_count > RUNS_MAX) {
        run_destroy(container_of(rec->runs.next, struct app_reconcile_run, link));
        rec->run_count--;
    }
}

void app_reconcile_pass_ended(struct app *a, struct app_reconcile_run *run)
{
    a->reconciliation->current = NULL;
    run->at++;
    if (!a->reconciliation->is_closing && run->at < run->peer_count)
        app_reconcile_pass_start(a, run);
    else
        end_run(a, run);
}

static struct app_reconcile_run *find_run(struct app *a, const char *id, const char *key)
{
    list_for_each (at, &a->reconciliation->runs) {
        struct app_reconcile_run *run = container_of(at, struct app_reconcile_run, link);
        if ((id != NULL && strcmp(run->id, id) == 0) ||
            (key != NULL && run->key[0] != '\0' && strcmp(run->key, key) == 0))
            return run;
    }
    return NULL;
}

static struct app_reconcile_run *create_run(struct app *a, uint32_t peer, const char *key)
{
    struct app_reconcile_run *run = xcalloc(1, sizeof *run);
    uint64_t random;
    crypto_random(&random, sizeof random);
    list_init(&run->link);
    (void)snprintf(run->id, sizeof run->id, "%016llx", (unsigned long long)random);
    (void)snprintf(run->key, sizeof run->key, "%s", key != NULL ? key : "");
    run->started_ms = clock_wall_ms();
    run->peers = xcalloc(a->members->count, sizeof *run->peers);
    for (size_t i = 0; i < a->members->count; i++) {
        uint32_t code = a->members->list[i].code;
        if (code != a->config->region && (peer == 0 || peer == code))
            run->peers[run->peer_count++] = (struct app_reconcile_result){.peer = code, .state = APP_RECONCILE_WAITING};
    }
    list_append(&a->reconciliation->runs, &run->link);
    a->reconciliation->run_count++;
    return run;
}

int app_reconcile(struct app *a, uint32_t peer, const char *key, struct arena *mem, const char **ret_id, struct err *e)
{
    struct reconciliation *rec = a->reconciliation;
    struct app_reconcile_run *known = key != NULL ? find_run(a, NULL, key) : NULL;
    if (known != NULL) {
        *ret_id = arena_strdup(mem, known->id);
        return 0;
    }
    int rc = app_check_reader(a, e);
    if (rc != 0)
        return rc;
    if (peer == a->config->region || (peer != 0 && members_find(a->members, peer) == NULL))
        return err_set(e, ERR_NOT_FOUND, "reconcile.no-peer", "node %u is no other member", peer);
    if (rec->current != NULL) {
        rc = err_set(e, ERR_BUSY, "reconcile.running", "reconciliation %s is under way", rec->current->id);
        err_hint(e, "wait for its end, or read it: GET /v1/reconcile/%s", rec->current->id);
        return rc;
    }
    struct app_reconcile_run *run = create_run(a, peer, key);
    *ret_id = arena_strdup(mem, run->id);
    if (run->peer_count > 0)
        app_reconcile_pass_start(a, run);
    else
        end_run(a, run);
    return 0;
}

/* ---- once a day ---- */

/* Of the day in China; not all nodes at the same minute. */
static uint64_t daily_due_ms(const struct app *a)
{
    return a->config->reconcile_hour * 3600000ull + (a->config->region / 100 % 60) * 60000ull;
}

static void daily_cb(void *ctx)
{
    struct app *a = ctx;
    struct reconciliation *rec = a->reconciliation;
    uint64_t now = clock_wall_ms() + CHINA_OFFSET_MS;
    uint64_t due = daily_due_ms(a);
    if (reconcile_is_due(now, due, rec->last_day) && rec->current == NULL) {
        struct arena mem = ARENA_INIT;
        struct err e = {0};
        const char *id;
        rec->last_day = now / RECONCILE_DAY_MS;
        if (app_reconcile(a, 0, NULL, &mem, &id, &e) != 0)
            log_warn("reconcile", NULL, e.id, "no daily reconciliation: %s", e.message);
        arena_close(&mem);
    }
    uint64_t wait =
        due > now % RECONCILE_DAY_MS ? due - now % RECONCILE_DAY_MS : RECONCILE_DAY_MS - now % RECONCILE_DAY_MS + due;
    loop_timer_set(rec->daily, min_of(wait + 1, (uint64_t)LOOK_AGAIN_MS));
}

void app_reconcile_open(struct app *a)
{
    struct reconciliation *rec = xcalloc(1, sizeof *rec);
    list_init(&rec->runs);
    a->reconciliation = rec;
    uint64_t now = clock_wall_ms() + CHINA_OFFSET_MS;
    rec->last_day = now / RECONCILE_DAY_MS; /* a node that is started in the afternoon does not begin with it */
    if (now % RECONCILE_DAY_MS < daily_due_ms(a))
        rec->last_day--;
    if (a->config->reconcile_hour == APP_RECONCILE_NEVER)
        return;
    rec->daily = loop_timer_create(a->loop, daily_cb, a);
    loop_timer_set(rec->daily, LOOK_AGAIN_MS);
    daily_cb(a);
}

void app_reconcile_stop(struct app *a)
{
    a->reconciliation->is_closing = true;
}

void app_reconcile_close(struct app *a)
{
    struct reconciliation *rec = a->reconciliation;
    xassert(rec->current == NULL); /* its question ended with the link */
    list_for_each_safe (at, &rec->runs)
        run_destroy(container_of(at, struct app_reconcile_run, link));
    loop_timer_destroy(rec->daily);
    free(rec);
}

/* ---- reading ---- */

static void view_findings(struct app *a, const struct app_reconcile_run *run, struct arena *mem,
                          struct app_reconcile_view *ret)
{
    struct app_reconcile_finding *list = arena_alloc(mem, (run->finding_count + 1) * sizeof *list);
    for (size_t i = 0; i < run->finding_count; i++) {
        const struct app_reconcile_found *f = &run->findings[i];
        list[i] = (struct app_reconcile_finding){.peer = f->peer,
                                                 .peer_name = app_member_name(a, f->peer),
                                                 .cause = reconcile_cause_word(f->what.cause),
                                                 .repair = reconcile_cause_repair(f->what.cause),
                                                 .text = reconcile_cause_text(f->what.cause),
                                                 .origin = f->what.origin,
                                                 .first = f->what.first,
                                                 .last = f->what.last,
                                                 .count = f->what.count};
        memcpy(list[i].case_id, f->case_id, sizeof list[i].case_id);
    }
    ret->findings = list;
    ret->finding_count = run->finding_count;
    ret->findings_dropped = run->findings_dropped;
}

static void view_run(struct app *a, const struct app_reconcile_run *run, struct arena *mem,
                     struct app_reconcile_view *ret)
{
    *ret = (struct app_reconcile_view){.id = arena_strdup(mem, run->id),
                                       .state = run->finished_ms == 0 ? "running" : "done",
                                       .started_ms = run->started_ms,
                                       .finished_ms = run->finished_ms,
                                       .peer_count = run->peer_count};
    struct app_reconcile_peer *peers = arena_alloc(mem, (run->peer_count + 1) * sizeof *peers);
    for (size_t i = 0; i < run->peer_count; i++) {
        const struct app_reconcile_result *p = &run->peers[i];
        peers[i] = (struct app_reconcile_peer){.code = p->peer,
                                               .name = app_member_name(a, p->peer),
                                               .state = state_names[p->state],
                                               .error = arena_strdup(mem, p->error),
                                               .compared = p->compared,
                                               .differing = p->differing};
        if (p->state == APP_RECONCILE_FAILED && run->finished_ms != 0)
            ret->state = "incomplete";
    }
    ret->peers = peers;
}

int app_get_reconcile(struct app *a, const char *id, struct arena *mem, struct app_reconcile_view *ret, struct err *e)
{
    const struct app_reconcile_run *run = find_run(a, id, NULL);
    if (run == NULL)
        return err_set(e, ERR_NOT_FOUND, "reconcile.unknown",
                       "there is no reconciliation '%.32s'; the last %u since the start are kept", id, RUNS_MAX);
    view_run(a, run, mem, ret);
    view_findings(a, run, mem, ret);
    return 0;
}

size_t app_list_reconciles(struct app *a, struct arena *mem, struct app_reconcile_view **ret)
{
    size_t count = 0;
    struct app_reconcile_view *views = arena_alloc(mem, (a->reconciliation->run_count + 1) * sizeof *views);
    list_for_each (at, &a->reconciliation->runs) {
        const struct app_reconcile_run *run = container_of(at, struct app_reconcile_run, link);
        view_run(a, run, mem, &views[a->reconciliation->run_count - ++count]); /* newest first */
        views[a->reconciliation->run_count - count].finding_count = run->finding_count;
    }
    *ret = views;
    return count;
}
