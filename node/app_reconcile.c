/* Reconciliation (对账), the asking side: runs over the peers, on demand and once a day (see app.h, reconcile.h, PROTOCOL.md).
 *
 *   run ─► for each peer: own rows of a stretch of case ids ─► RECONCILE ─► ranges that differ ─► compare row by row
 *            ▲                                                                        │ suspects
 *            └──────── next stretch ◄─── findings, repairs ◄─── judge ◄─── CASES_HELD ◄─── CASES_PULL
 *
 * Each turn of the loop reads at most RECONCILE_SCAN_ROWS rows; memory is that of one stretch. Runs are kept in memory, the last
 * RUNS_MAX of them; what must not be forgotten is an alarm and a line of the log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/app_reconcile.h"
#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/xassert.h"

#define RUNS_MAX 16u
#define FINDINGS_MAX 1000u
#define ASKED_MAX 64u
#define ASKED_LONG_AGO_MS 600000u /* by then a ledger that was asked for again has come, or does not */
#define SUSPECTS_AT_ONCE 64u      /* cases in one question about entries */
#define ANSWER_MS 30000u
#define DAY_MS 86400000u
#define CHINA_OFFSET_MS (8u * 3600000u)
#define LOOK_AGAIN_MS 3600000u /* the timer never sleeps longer: the clock may be set */

struct finding {
    uint8_t case_id[CASE_ID_SIZE];
    uint32_t peer;
    struct reconcile_finding what;
};

struct pass_result {
    uint32_t peer;
    uint8_t state; /* enum app_reconcile_state */
    char error[192];
    uint64_t compared, differing;
};

struct run {
    struct list link;
    char id[17];
    char key[IDEMPOTENCY_KEY_BYTES_MAX + 1];
    uint64_t started_ms, finished_ms;
    struct pass_result *peers;
    size_t peer_count, at;
    struct finding *findings;
    size_t finding_count;
    uint64_t findings_dropped;
};

/* The pass under way: one peer of one run. */
struct pass {
    struct app *app;
    struct run *run;
    struct pass_result *result;
    uint8_t after[CASE_ID_SIZE];
    struct reconcile_row *rows; /* own, of the stretch; room for RECONCILE_SCAN_ROWS */
    size_t row_count;
    uint8_t ranges[WIRE_RANGES_MAX * WIRE_RANGE_BYTES];
    size_t range_rows[WIRE_RANGES_MAX]; /* rows in the ranges up to this one */
    size_t range_count;
    bool is_last; /* the stretch reaches the end */
    uint64_t acked,
        held; /* of the own ledger by the peer, of the peer's here: when the last question about entries was asked */
    uint8_t (*suspects)[CASE_ID_SIZE];
    size_t suspect_count, suspect_at, suspect_room;
};

struct reconciliation {
    struct list runs; /* newest last */
    size_t run_count;
    struct pass *pass; /* NULL = nothing is under way */
    struct loop_timer *daily;
    uint64_t last_day; /* of the last daily run, days since 1970 in China; 0 = none */
    struct {           /* entries that were asked for again: once is enough */
        uint32_t origin;
        uint64_t index, at_ms; /* monotonic */
    } asked[ASKED_MAX];
    size_t asked_count;
    bool is_closing;
};

static const uint8_t id_end[CASE_ID_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                             0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void ask_ranges(struct pass *p);
static void ask_cases(struct pass *p);
static void start_pass(struct app *a, struct run *run);

static const char *const state_names[] = {
#define X(name, word) [name] = word,
    APP_RECONCILE_STATES(X)
#undef X
};

/* ---- findings ---- */

/* Alarm ids stand here in full so that ERRORS.md can be checked against them. */
static const char *alarm_of(enum reconcile_cause cause)
{
    switch (cause) {
    case RECONCILE_RULES:
        return "reconcile.rules";
    case RECONCILE_LOST_THERE:
        return "reconcile.lost-there";
    case RECONCILE_DENIED:
        return "reconcile.denied";
    case RECONCILE_OWN_UNKNOWN:
        return "reconcile.own-unknown";
    case RECONCILE_FORK:
        return "reconcile.fork";
    case RECONCILE_FAULT:
        return "reconcile.fault";
    default:
        return "reconcile.not-delivered";
    }
}

static void escalate(struct app *a, const struct finding *f)
{
    char id[2 * CASE_ID_SIZE + 1], text[256];
    hex_encode(f->case_id, sizeof f->case_id, id);
    if (f->what.origin != 0)
        (void)snprintf(text, sizeof text, "case %s: %s: %llu entries of node %u, %llu to %llu", id,
                       reconcile_cause_text(f->what.cause), (unsigned long long)f->what.count, f->what.origin,
                       (unsigned long long)f->what.first, (unsigned long long)f->what.last);
    else
        (void)snprintf(text, sizeof text, "case %s: %s", id, reconcile_cause_text(f->what.cause));
    replication_alarm(a->replication, f->peer, alarm_of(f->what.cause), text);
}

/* Entries that were fetched once and are gone: their ledger is pulled again, once, and the other participants are asked for those
 * of the case that were never addressed to this node. When that has not helped, the author does not
 * give them to this node: somebody has to look. */
static void ask_again(struct app *a, const struct finding *f)
{
    struct reconciliation *rec = a->reconciliation;
    uint64_t now = clock_mono_ms();
    for (size_t i = 0; i < rec->asked_count; i++)
        if (rec->asked[i].origin == f->what.origin && rec->asked[i].index == f->what.first) {
            if (now >= rec->asked[i].at_ms + ASKED_LONG_AGO_MS)
                escalate(a, f);
            return;
        }
    if (rec->asked_count == ASKED_MAX)
        rec->asked_count = 0;
    rec->asked[rec->asked_count].origin = f->what.origin;
    rec->asked[rec->asked_count].at_ms = now;
    rec->asked[rec->asked_count++].index = f->what.first;
    replication_pull_again(a->replication, f->what.origin, f->what.first);
    app_fetch_case(a, f->case_id, NULL, NULL);
}

static void take_finding(struct pass *p, const uint8_t case_id[CASE_ID_SIZE], const struct reconcile_finding *what)
{
    struct run *run = p->run;
    struct finding f = {.peer = p->result->peer, .what = *what};
    memcpy(f.case_id, case_id, sizeof f.case_id);
    if (what->cause != RECONCILE_SETTLED) {
        if (run->finding_count < FINDINGS_MAX) {
            run->findings = xrealloc(run->findings, (run->finding_count + 1) * sizeof *run->findings);
            run->findings[run->finding_count++] = f;
        } else {
            run->findings_dropped++;
        }
    }
    if (what->cause == RECONCILE_ROW_HERE)
        app_reconcile_rewrite(p->app, case_id);
    else if (what->cause == RECONCILE_MISSING_HERE)
        ask_again(p->app, &f);
    else if (reconcile_cause_escalates(what->cause))
        escalate(p->app, &f);
}

/* ---- ending ---- */

static void run_destroy(struct run *run)
{
    list_remove(&run->link);
    free(run->peers);
    free(run->findings);
    free(run);
}

static void end_run(struct app *a, struct run *run)
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
        run_destroy(container_of(rec->runs.next, struct run, link));
        rec->run_count--;
    }
}

static void end_pass(struct pass *p, enum app_reconcile_state state, const char *error)
{
    struct app *a = p->app;
    struct run *run = p->run;
    p->result->state = (uint8_t)state;
    (void)snprintf(p->result->error, sizeof p->result->error, "%s", error);
    if (state == APP_RECONCILE_FAILED) {
        char peer[12];
        (void)snprintf(peer, sizeof peer, "%u", p->result->peer);
        log_warn("reconcile", peer, "reconcile.failed", "not to the end: %s", error);
    }
    free(p->rows);
    free(p->suspects);
    free(p);
    a->reconciliation->pass = NULL;
    run->at++;
    if (!a->reconciliation->is_closing && run->at < run->peer_count)
        start_pass(a, run);
    else
        end_run(a, run);
}

/* The peer's answer breaks a rule of the protocol. */
static void refuse_answer(struct pass *p, const char *what)
{
    replication_alarm(p->app->replication, p->result->peer, "reconcile.answer", what);
    end_pass(p, APP_RECONCILE_FAILED, what);
}

/* What came of a question: its answer, or NULL after the pass was ended. */
static const struct wire_msg *take_answer(struct pass *p, const struct wire_msg *answer, enum wire_type type,
                                          const struct err *e)
{
    if (answer == NULL) {
        bool is_old = strstr(e->message, "wire.unknown-body") != NULL;
        end_pass(p, APP_RECONCILE_FAILED,
                 is_old ? "the peer's program does not know reconciliation yet: it is older" : e->message);
        return NULL;
    }
    if (answer->type != type) {
        refuse_answer(p, "an answer of the wrong kind to a reconciliation");
        return NULL;
    }
    if (p->app->reconciliation->is_closing || app_check_reader(p->app, NULL) != 0) {
        end_pass(p, APP_RECONCILE_FAILED, "this node's ledger cannot be read now");
        return NULL;
    }
    return answer;
}

/* ---- questions about entries ---- */

static uint64_t held_size(void *ctx, uint32_t origin)
{
    const struct app *a = ctx;
    struct replication_peer peer;
    return replication_peer(a->replication, origin, &peer) ? peer.held_size : 0;
}

/* A record of the answer as a side; false when its entries do not ascend. */
static bool take_side(const struct wire_case_held *in, struct arena *mem, struct reconcile_side *ret)
{
    size_t count = in->entries.size / WIRE_HELD_BYTES;
    struct reconcile_entry *entries = arena_alloc(mem, (count + 1) * sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *record = in->entries.data + i * WIRE_HELD_BYTES;
        entries[i] = (struct reconcile_entry){.origin = get_be32(record), .index = get_be64(record + 4)};
        memcpy(entries[i].hash, record + 12, sizeof entries[i].hash);
        /* author, index and hash are big-endian and lie side by side: their order is that of the bytes */
        if (i > 0 && memcmp(record - WIRE_HELD_BYTES, record, WIRE_HELD_BYTES) >= 0)
            return false;
    }
    *ret = (struct reconcile_side){.is_held = true,
                                   .is_frozen = (in->flags & WIRE_HELD_FROZEN) != 0,
                                   .has_unknown_rules = (in->flags & WIRE_HELD_RULES_UNKNOWN) != 0,
                                   .row_differs = (in->flags & WIRE_HELD_ROW_DIFFERS) != 0,
                                   .pending = in->pending,
                                   .entries = entries,
                                   .entry_count = count};
    memcpy(ret->digest, in->digest, sizeof ret->digest);
    return true;
}

/* One suspect with what the peer says of it (NULL = nothing). False: the answer is no good. */
static bool judge(struct pass *p, const uint8_t case_id[CASE_ID_SIZE], const struct wire_case_held *said)
{
    struct arena mem = ARENA_INIT;
    struct reconcile_side here, there = {0};
    struct reconcile_finding findings[RECONCILE_FINDINGS_MAX];
    const struct reconcile_progress progress = {.self = p->app->config->region,
                                                .peer = p->result->peer,
                                                .acked = p->acked,
                                                .peer_held = p->held,
                                                .held = held_size,
                                                .ctx = p->app};
    bool ok = said == NULL || take_side(said, &mem, &there);
    if (ok && app_reconcile_load(p->app, case_id, p->result->peer, &mem, &here, NULL) == 0 &&
        (here.is_held || there.is_held)) {
        size_t count = reconcile_judge(&here, &there, &progress, findings);
        p->result->differing += findings[0].cause != RECONCILE_SETTLED;
        for (size_t i = 0; i < count; i++)
            take_finding(p, case_id, &findings[i]);
    }
    arena_close(&mem);
    return ok;
}

static void cases_answered(void *ctx, const struct wire_msg *answer, const struct err *e)
{
    struct pass *p = ctx;
    answer = take_answer(p, answer, WIRE_CASES_HELD, e);
    if (answer == NULL)
        return;
    const struct wire_cases_held *held = &answer->u.cases_held;
    size_t asked = min_of(p->suspect_count - p->suspect_at, (size_t)SUSPECTS_AT_ONCE), at = 0;
    if (held->covered > asked) {
        refuse_answer(p, "an answer about more cases than were asked for");
        return;
    }
    for (uint32_t i = 0; i < held->covered; i++) {
        const uint8_t *id = p->suspects[p->suspect_at + i];
        bool said = at < held->case_count && memcmp(held->cases[at].case_id, id, CASE_ID_SIZE) == 0;
        if (!judge(p, id, said ? &held->cases[at] : NULL)) {
            refuse_answer(p, "entries of a case that do not ascend");
            return;
        }
        at += said;
    }
    if (at != held->case_count) {
        refuse_answer(p, "an answer about a case that was not asked for");
        return;
    }
    p->suspect_at += held->covered;
    ask_cases(p);
}

/* The next suspects; when there are none left, the next stretch. */
static void ask_cases(struct pass *p)
{
    size_t count = min_of(p->suspect_count - p->suspect_at, (size_t)SUSPECTS_AT_ONCE);
    if (count == 0) {
        p->suspect_count = p->suspect_at = 0;
        if (memcmp(p->after, id_end, sizeof p->after) == 0)
            end_pass(p, APP_RECONCILE_DONE, "");
        else
            ask_ranges(p);
        return;
    }
    struct replication_peer peer = {0};
    (void)replication_peer(p->app->replication, p->result->peer, &peer);
    p->acked = peer.acked_size;
    p->held = peer.held_size;
    struct wire_msg m = {.type = WIRE_CASES_PULL};
    m.u.cases_pull = (struct wire_key_pull){.cases = (const uint8_t(*)[CASE_ID_SIZE])p->suspects + p->suspect_at,
                                            .case_count = count};
    replication_ask(p->app->replication, p->result->peer, &m, ANSWER_MS, cases_answered, p);
}

/* ---- ranges ---- */

static void suspect(void *ctx, const uint8_t case_id[CASE_ID_SIZE])
{
    struct pass *p = ctx;
    if (p->suspect_count == p->suspect_room) {
        p->suspect_room = max_of((size_t)64, p->suspect_room * 2);
        p->suspects = xrealloc(p->suspects, p->suspect_room * sizeof *p->suspects);
    }
    memcpy(p->suspects[p->suspect_count++], case_id, CASE_ID_SIZE);
}

static void ranges_answered(void *ctx, const struct wire_msg *answer, const struct err *e)
{
    struct pass *p = ctx;
    answer = take_answer(p, answer, WIRE_RECONCILED, e);
    if (answer == NULL)
        return;
    const struct wire_reconciled *in = &answer->u.reconciled;
    const struct reconcile_stretch stretch = {.after = p->after,
                                              .ranges = p->ranges,
                                              .range_rows = p->range_rows,
                                              .range_count = p->range_count,
                                              .rows = p->rows};
    const char *wrong = reconcile_compare(&stretch, in->up_to, in->differing, in->rows, suspect, p);
    if (wrong != NULL) {
        refuse_answer(p, wrong);
        return;
    }
    for (size_t i = 0; i < p->row_count && memcmp(p->rows[i].case_id, in->up_to, CASE_ID_SIZE) <= 0; i++)
        p->result->compared++;
    memcpy(p->after, in->up_to, sizeof p->after);
    ask_cases(p);
}

static int own_row(void *ctx, const struct reconcile_row *row, bool was_damaged)
{
    struct pass *p = ctx;
    p->rows[p->row_count++] = *row;
    if (was_damaged) {
        struct reconcile_finding what = {.cause = RECONCILE_ROW_HERE};
        p->result->differing++;
        take_finding(p, row->case_id, &what); /* made again by the scan already; writing it twice is the same */
    }
    return 0;
}

/* Ranges of RECONCILE_RANGE_ROWS own rows; the last one reaches to @last. */
static void make_ranges(struct pass *p, const uint8_t last[CASE_ID_SIZE])
{
    p->range_count = 0;
    size_t at = 0;
    do {
        struct buf range = {0};
        uint8_t sum[RECONCILE_SUM_SIZE] = {0};
        size_t count = min_of((size_t)RECONCILE_RANGE_ROWS, p->row_count - at);
        for (size_t i = 0; i < count; i++)
            reconcile_sum_add(sum, &p->rows[at + i]);
        at += count;
        buf_put(&range, at == p->row_count ? last : p->rows[at - 1].case_id, CASE_ID_SIZE);
        buf_put_u32(&range, (uint32_t)count);
        buf_put(&range, sum, sizeof sum);
        xassert(range.size == WIRE_RANGE_BYTES && p->range_count < WIRE_RANGES_MAX);
        memcpy(p->ranges + p->range_count * WIRE_RANGE_BYTES, range.data, range.size);
        p->range_rows[p->range_count++] = at;
        buf_close(&range);
    } while (at < p->row_count);
}

_Static_assert(RECONCILE_SCAN_ROWS / RECONCILE_RANGE_ROWS <= WIRE_RANGES_MAX, "a stretch fits into one question");

static void ask_ranges(struct pass *p)
{
    struct err e = {0};
    struct reconcile_scan s = {.app = p->app, .peer = p->result->peer, .cb = own_row, .ctx = p};
    p->row_count = 0;
    if (app_reconcile_scan(&s, p->after, id_end, RECONCILE_SCAN_ROWS, &e) != 0) {
        end_pass(p, APP_RECONCILE_FAILED, e.message);
        return;
    }
    make_ranges(p, s.up_to);
    struct wire_msg m = {.type = WIRE_RECONCILE};
    memcpy(m.u.reconcile.after, p->after, sizeof p->after);
    m.u.reconcile.ranges = bytes_of(p->ranges, p->range_count * WIRE_RANGE_BYTES);
    replication_ask(p->app->replication, p->result->peer, &m, ANSWER_MS, ranges_answered, p);
}

/* ---- runs ---- */

static void start_pass(struct app *a, struct run *run)
{
    struct pass *p = xcalloc(1, sizeof *p);
    *p = (struct pass){.app = a, .run = run, .result = &run->peers[run->at]};
    p->rows = xcalloc(RECONCILE_SCAN_ROWS, sizeof *p->rows);
    p->result->state = APP_RECONCILE_RUNNING;
    a->reconciliation->pass = p;
    ask_ranges(p);
}

static struct run *find_run(struct app *a, const char *id, const char *key)
{
    list_for_each (at, &a->reconciliation->runs) {
        struct run *run = container_of(at, struct run, link);
        if ((id != NULL && strcmp(run->id, id) == 0) ||
            (key != NULL && run->key[0] != '\0' && strcmp(run->key, key) == 0))
            return run;
    }
    return NULL;
}

static struct run *create_run(struct app *a, uint32_t peer, const char *key)
{
    struct run *run = xcalloc(1, sizeof *run);
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
            run->peers[run->peer_count++] = (struct pass_result){.peer = code, .state = APP_RECONCILE_WAITING};
    }
    list_append(&a->reconciliation->runs, &run->link);
    a->reconciliation->run_count++;
    return run;
}

int app_reconcile(struct app *a, uint32_t peer, const char *key, struct arena *mem, const char **ret_id, struct err *e)
{
    struct reconciliation *rec = a->reconciliation;
    struct run *known = key != NULL ? find_run(a, NULL, key) : NULL;
    if (known != NULL) {
        *ret_id = arena_strdup(mem, known->id);
        return 0;
    }
    int rc = app_check_reader(a, e);
    if (rc != 0)
        return rc;
    if (peer == a->config->region || (peer != 0 && members_find(a->members, peer) == NULL))
        return err_set(e, ERR_NOT_FOUND, "reconcile.no-peer", "node %u is no other member", peer);
    if (rec->pass != NULL) {
        rc = err_set(e, ERR_BUSY, "reconcile.running", "reconciliation %s is under way", rec->pass->run->id);
        err_hint(e, "wait for its end, or read it: GET /v1/reconcile/%s", rec->pass->run->id);
        return rc;
    }
    struct run *run = create_run(a, peer, key);
    *ret_id = arena_strdup(mem, run->id);
    if (run->peer_count > 0)
        start_pass(a, run);
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
    uint64_t now = clock_wall_ms() + CHINA_OFFSET_MS, day = now / DAY_MS;
    uint64_t due = daily_due_ms(a);
    if (rec->last_day < day && now % DAY_MS >= due && rec->pass == NULL) {
        struct arena mem = ARENA_INIT;
        struct err e = {0};
        const char *id;
        rec->last_day = day;
        if (app_reconcile(a, 0, NULL, &mem, &id, &e) != 0)
            log_warn("reconcile", NULL, e.id, "no daily reconciliation: %s", e.message);
        arena_close(&mem);
    }
    uint64_t wait = due > now % DAY_MS ? due - now % DAY_MS : DAY_MS - now % DAY_MS + due;
    loop_timer_set(rec->daily, min_of(wait + 1, (uint64_t)LOOK_AGAIN_MS));
}

void app_reconcile_open(struct app *a)
{
    struct reconciliation *rec = xcalloc(1, sizeof *rec);
    list_init(&rec->runs);
    a->reconciliation = rec;
    uint64_t now = clock_wall_ms() + CHINA_OFFSET_MS;
    rec->last_day = now / DAY_MS; /* a node that is started in the afternoon does not begin with it */
    if (now % DAY_MS < daily_due_ms(a))
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
    xassert(rec->pass == NULL); /* its question ended with the link */
    list_for_each_safe (at, &rec->runs)
        run_destroy(container_of(at, struct run, link));
    loop_timer_destroy(rec->daily);
    free(rec);
}

/* ---- reading ---- */

static void view_findings(struct app *a, const struct run *run, struct arena *mem, struct app_reconcile_view *ret)
{
    struct app_reconcile_finding *list = arena_alloc(mem, (run->finding_count + 1) * sizeof *list);
    for (size_t i = 0; i < run->finding_count; i++) {
        const struct finding *f = &run->findings[i];
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

static void view_run(struct app *a, const struct run *run, struct arena *mem, struct app_reconcile_view *ret)
{
    *ret = (struct app_reconcile_view){.id = arena_strdup(mem, run->id),
                                       .state = run->finished_ms == 0 ? "running" : "done",
                                       .started_ms = run->started_ms,
                                       .finished_ms = run->finished_ms,
                                       .peer_count = run->peer_count};
    struct app_reconcile_peer *peers = arena_alloc(mem, (run->peer_count + 1) * sizeof *peers);
    for (size_t i = 0; i < run->peer_count; i++) {
        const struct pass_result *p = &run->peers[i];
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
    const struct run *run = find_run(a, id, NULL);
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
        const struct run *run = container_of(at, struct run, link);
        view_run(a, run, mem, &views[a->reconciliation->run_count - ++count]); /* newest first */
        views[a->reconciliation->run_count - count].finding_count = run->finding_count;
    }
    *ret = views;
    return count;
}
