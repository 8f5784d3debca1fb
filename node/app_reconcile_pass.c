/* Reconciliation (对账), the asking side: one run with one peer (see app_reconcile_pass.h, reconcile.h, PROTOCOL.md).
 *
 *   own rows of a stretch of case ids ─► RECONCILE ─► ranges that differ ─► compare row by row
 *            ▲                                                                    │ suspects
 *            └── next stretch ◄─── findings, repairs ◄─── judge ◄─── CASES_HELD ◄─── CASES_PULL
 *
 * Each turn of the loop reads at most RECONCILE_SCAN_ROWS rows; memory is that of one stretch. What must not be forgotten is an
 * alarm and a line of the log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/app_reconcile.h"
#include "node/app_reconcile_pass.h"
#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/xassert.h"

#define FINDINGS_MAX 1000u
#define ASKED_LONG_AGO_MS 600000u /* by then a ledger that was asked for again has come, or does not */
#define SUSPECTS_AT_ONCE 64u      /* cases in one question about entries */
#define ANSWER_MS 30000u

/* The pass under way: one peer of one run. */
struct pass {
    struct app *app;
    struct app_reconcile_run *run;
    struct app_reconcile_result *result;
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

static const uint8_t id_end[CASE_ID_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                             0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void ask_ranges(struct pass *p);
static void ask_cases(struct pass *p);

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

static void escalate(struct app *a, const struct app_reconcile_found *f)
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
static void ask_again(struct app *a, const struct app_reconcile_found *f)
{
    struct reconciliation *rec = a->reconciliation;
    uint64_t now = clock_mono_ms();
    for (size_t i = 0; i < rec->asked_count; i++)
        if (rec->asked[i].origin == f->what.origin && rec->asked[i].index == f->what.first) {
            if (now >= rec->asked[i].at_ms + ASKED_LONG_AGO_MS)
                escalate(a, f);
            return;
        }
    if (rec->asked_count == APP_RECONCILE_ASKED_MAX)
        rec->asked_count = 0;
    rec->asked[rec->asked_count].origin = f->what.origin;
    rec->asked[rec->asked_count].at_ms = now;
    rec->asked[rec->asked_count++].index = f->what.first;
    replication_pull_again(a->replication, f->what.origin, f->what.first);
    app_fetch_case(a, f->case_id, NULL, NULL);
}

static void take_finding(struct pass *p, const uint8_t case_id[CASE_ID_SIZE], const struct reconcile_finding *what)
{
    struct app_reconcile_run *run = p->run;
    struct app_reconcile_found f = {.peer = p->result->peer, .what = *what};
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

static void end_pass(struct pass *p, enum app_reconcile_state state, const char *error)
{
    struct app *a = p->app;
    struct app_reconcile_run *run = p->run;
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
    app_reconcile_pass_ended(a, run);
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

void app_reconcile_pass_start(struct app *a, struct app_reconcile_run *run)
{
    struct pass *p = xcalloc(1, sizeof *p);
    *p = (struct pass){.app = a, .run = run, .result = &run->peers[run->at]};
    p->rows = xcalloc(RECONCILE_SCAN_ROWS, sizeof *p->rows);
    p->result->state = APP_RECONCILE_RUNNING;
    a->reconciliation->current = run;
    ask_ranges(p);
}
