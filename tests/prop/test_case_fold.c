/* Properties of the fold over random cases, against an oracle that is written from the specification and shares nothing
 * with the engine: sets are bit masks, every choice is a scan, everything is done anew for every question.
 *
 *   I1 convergence            same events, same digest                     I5 authority   every effective act was its author's
 *   I2 order of arrival       three random ones, with repetitions          I6 one decision at most stands
 *   I3 prefix only grows      after each arrival                           I7 delivered is the end (but archive, revoke)
 *   I4 causality              a parent comes before its child              I9 clocks       matter among concurrent equals only
 *   I10 effects in the prefix never change
 *   and what the law asks of each act beyond author and status (version 1), counted anew from the events before it
 *
 * and: folding as events arrive = folding once at the end. A failure prints the seed; run one with
 * `prop_case_fold SEED [COUNT]`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/xassert.h"
#include "node/cases/casefile.h"
#include "node/cases/rules.h"
#include "tests/prop/case_world.h"

#define CASES 12000u

static uint64_t first_seed = 1;
static unsigned seed_count = CASES;

/* --- the oracle --- */

struct oracle {
    const struct world *w;
    uint64_t closed, held; /* held includes what waits for parents */
    const uint8_t *engine; /* version 1: effects are the engine's, only the order is judged */
    /* result */
    unsigned order[EVENTS_MAX];
    unsigned count;
    unsigned sequenced;
    uint8_t effects[EVENTS_MAX]; /* by event */
    int voids[EVENTS_MAX];
    /* state */
    uint64_t applied;
    int root;
    int decision;
    uint8_t status;
    uint8_t sequenced_status;
    uint32_t lead;
    bool delivered, frozen;
    int cut; /* SUPERVISE being led up to */
};

static int oracle_rank(const struct oracle *o, const struct case_event *e)
{
    static const uint16_t first[] = {CASE_EVENT_SUPERVISE, CASE_EVENT_WITHDRAW};
    for (int i = 0; i < 2; i++)
        if (e->type == first[i])
            return i;
    return rules_rank(o->w->events[o->root < 0 ? 0 : o->root].rules_version, e->type); /* the table itself is data */
}

static bool oracle_less(const struct oracle *o, unsigned i, unsigned k)
{
    const struct case_event *a = &o->w->events[i], *b = &o->w->events[k];
    int ra = oracle_rank(o, a), rb = oracle_rank(o, b);
    if (ra != rb)
        return ra < rb;
    if (a->hlc != b->hlc)
        return a->hlc < b->hlc;
    if (a->origin != b->origin)
        return a->origin < b->origin;
    if (a->index != b->index)
        return a->index < b->index;
    return memcmp(a->id, b->id, 32) < 0;
}

static bool oracle_is_forked(const struct oracle *o, const struct case_event *e)
{
    for (unsigned i = 0; i < o->w->count; i++)
        for (unsigned k = 0; k < i; k++) {
            const struct case_event *a = &o->w->events[i], *b = &o->w->events[k];
            if ((o->held & bit(i)) != 0 && (o->held & bit(k)) != 0 && a->origin == e->origin &&
                b->origin == e->origin && a->index == b->index && e->index >= a->index)
                return true;
        }
    return false;
}

static uint32_t oracle_cut_origin(const struct case_event *s)
{
    uint32_t origin = 0;
    for (unsigned i = 0; s->has_last_leaf && i < s->parent_count; i++)
        if (s->parents[i].index == s->last_leaf && s->parents[i].origin != s->origin)
            origin = s->parents[i].origin;
    return origin;
}

static bool oracle_supervise_counts(const struct oracle *o, unsigned i)
{
    const struct case_event *s = &o->w->events[i];
    return o->root >= 0 && s->type == CASE_EVENT_SUPERVISE && !s->malformed && s->role == CASE_ROLE_SUPERVISOR &&
           s->origin == NATIONAL && s->lead != 0 && (!s->has_last_leaf || oracle_cut_origin(s) != 0);
}

static bool oracle_repeats(const struct oracle *o, unsigned i)
{
    const struct case_event *e = &o->w->events[i];
    for (unsigned k = 0; k < o->w->count; k++) {
        const struct case_event *b = &o->w->events[k];
        if (k != i && (o->applied & bit(k)) != 0 && o->effects[k] == CASE_EFFECT_OK && e->has_request &&
            b->has_request && e->origin == b->origin && memcmp(e->request, b->request, 16) == 0)
            return true;
    }
    return false;
}

static bool oracle_has(uint16_t role)
{
    return role >= CASE_ROLE_APPLICANT && role <= CASE_ROLE_SYSTEM;
}

/* The abstract machine, written down a second time. Returns the effect. */
/* long: one case for each type, in one place so that it can be compared with the specification line by line */
static uint8_t oracle_abstract(struct oracle *o, unsigned i)
{
    const struct case_event *e = &o->w->events[i];
    bool is_decider = e->role == CASE_ROLE_DECIDER;
    bool is_lead = e->origin == o->lead;
    if (e->type == CASE_EVENT_SUBMIT && (int)i != o->root)
        return CASE_EFFECT_GUARD;
    if (e->malformed)
        return CASE_EFFECT_DENIED;
    if ((int)i != o->root && (o->w->ancestors[i] & bit((unsigned)o->root)) == 0)
        return CASE_EFFECT_DENIED;
    if (e->type > 100)
        return CASE_EFFECT_NOOP;
    if (is_lead && (oracle_is_forked(o, e) || (o->cut >= 0 && oracle_cut_origin(&o->w->events[o->cut]) == e->origin &&
                                               e->index > o->w->events[o->cut].last_leaf)))
        return CASE_EFFECT_DENIED;
    switch (e->type) {
    case CASE_EVENT_SUBMIT:
        o->status = CASE_STATUS_RECEIVED;
        o->lead = e->lead;
        return CASE_EFFECT_OK;
    case CASE_EVENT_NOTE:
        if ((!is_lead && e->origin != o->w->events[o->root].origin) || !oracle_has(e->role))
            return CASE_EFFECT_DENIED;
        return CASE_EFFECT_NOOP;
    case CASE_EVENT_ACK:
        return is_lead && is_decider ? CASE_EFFECT_NOOP : CASE_EFFECT_DENIED;
    case CASE_EVENT_SUPERVISE:
        if (!oracle_supervise_counts(o, i))
            return CASE_EFFECT_DENIED;
        if (oracle_repeats(o, i))
            return CASE_EFFECT_NOOP;
        o->lead = e->lead;
        o->frozen = false;
        return CASE_EFFECT_OK;
    case CASE_EVENT_WITHDRAW:
    case CASE_EVENT_SUPPLEMENT:
        if (e->origin != o->w->events[o->root].origin || !oracle_has(e->role))
            return CASE_EFFECT_DENIED;
        if (oracle_repeats(o, i) || (e->type == CASE_EVENT_WITHDRAW && o->status == CASE_STATUS_WITHDRAWN))
            return CASE_EFFECT_NOOP;
        if (o->frozen)
            return CASE_EFFECT_GUARD;
        if (e->type == CASE_EVENT_SUPPLEMENT)
            return o->status == CASE_STATUS_RECEIVED ? CASE_EFFECT_OK : CASE_EFFECT_LATE;
        if (o->decision >= 0 && (o->delivered || (o->w->ancestors[i] & bit((unsigned)o->decision)) != 0))
            return CASE_EFFECT_LATE;
        o->voids[i] = o->decision;
        o->decision = -1;
        o->status = CASE_STATUS_WITHDRAWN;
        return CASE_EFFECT_OK;
    case CASE_EVENT_DECIDE:
    case CASE_EVENT_HANDOVER:
    case CASE_EVENT_DELIVER:
        if (!is_lead || !is_decider || (e->type == CASE_EVENT_DECIDE && e->decision == 0) ||
            (e->type == CASE_EVENT_HANDOVER && e->lead == 0))
            return CASE_EFFECT_DENIED;
        if (oracle_repeats(o, i))
            return CASE_EFFECT_NOOP;
        if (o->frozen)
            return CASE_EFFECT_GUARD;
        if (e->type == CASE_EVENT_DELIVER) {
            if (o->decision < 0)
                return CASE_EFFECT_GUARD;
            if (o->delivered)
                return CASE_EFFECT_NOOP;
            o->delivered = true;
            return CASE_EFFECT_OK;
        }
        if (o->status != CASE_STATUS_RECEIVED || (e->type == CASE_EVENT_HANDOVER && e->lead == o->lead))
            return CASE_EFFECT_GUARD;
        if (e->type == CASE_EVENT_HANDOVER) {
            o->lead = e->lead;
            return CASE_EFFECT_OK;
        }
        o->status = e->decision == CASE_DECISION_GRANT ? CASE_STATUS_GRANTED : CASE_STATUS_DENIED;
        o->decision = (int)i;
        return CASE_EFFECT_OK;
    default:
        return CASE_EFFECT_NOOP;
    }
}

static void oracle_apply(struct oracle *o, unsigned i)
{
    const struct case_event *e = &o->w->events[i];
    if (o->root < 0) {
        o->effects[i] = CASE_EFFECT_DENIED;
    } else if (o->engine != NULL) {
        o->effects[i] = o->engine[i];
        if (o->effects[i] == CASE_EFFECT_OK && e->lead != 0 &&
            (e->type == CASE_EVENT_SUBMIT || e->type == CASE_EVENT_HANDOVER || e->type == CASE_EVENT_SUPERVISE))
            o->lead = e->lead;
    } else {
        o->effects[i] = oracle_abstract(o, i);
    }
    o->applied |= bit(i);
    o->order[o->count++] = i;
}

static void oracle_apply_set(struct oracle *o, uint64_t set)
{
    while (set != 0) {
        int best = -1;
        for (unsigned i = 0; i < o->w->count; i++)
            if ((set & bit(i)) != 0 && (o->w->ancestors[i] & set) == 0 &&
                (best < 0 || oracle_less(o, i, (unsigned)best)))
                best = (int)i;
        oracle_apply(o, (unsigned)best);
        set &= ~bit((unsigned)best);
    }
}

static void oracle_apply_with_segment(struct oracle *o, unsigned i)
{
    oracle_apply_set(o, o->w->ancestors[i] & ~o->applied);
    if ((o->applied & bit(i)) == 0)
        oracle_apply(o, i);
}

/* The held, unapplied event of the lead with the smallest (index, id); -1 when there is none or it may not come yet. */
static int oracle_next(const struct oracle *o)
{
    int best = -1;
    for (unsigned i = 0; i < o->w->count; i++) {
        const struct case_event *e = &o->w->events[i];
        if ((o->held & bit(i)) == 0 || (o->applied & bit(i)) != 0 || e->origin != o->lead)
            continue;
        const struct case_event *b = best < 0 ? NULL : &o->w->events[best];
        if (b == NULL || e->index < b->index || (e->index == b->index && memcmp(e->id, b->id, 32) < 0))
            best = (int)i;
    }
    if (best < 0 || (o->closed & bit((unsigned)best)) == 0 || oracle_is_forked(o, &o->w->events[best]))
        return -1;
    return best;
}

static int oracle_next_supervise(const struct oracle *o)
{
    int best = -1;
    uint64_t among = o->closed & ~o->applied;
    for (;;) {
        int found = -1;
        for (unsigned i = 0; i < o->w->count; i++)
            if ((among & bit(i)) != 0 && oracle_supervise_counts(o, i) &&
                (found < 0 || oracle_less(o, i, (unsigned)found)))
                found = (int)i;
        if (found < 0)
            return best;
        best = found;
        among &= o->w->ancestors[best];
    }
}

static bool oracle_lead_is_forked(const struct oracle *o)
{
    struct case_event last = {.origin = o->lead, .index = UINT64_MAX};
    return oracle_is_forked(o, &last);
}

static bool oracle_is_better_root(const struct oracle *o, unsigned i)
{
    if (o->root < 0)
        return true;
    const struct case_event *a = &o->w->events[i], *b = &o->w->events[o->root];
    if (a->origin != b->origin && (a->origin == o->w->home || b->origin == o->w->home))
        return a->origin == o->w->home;
    return memcmp(a->id, b->id, 32) < 0;
}

static void oracle_find(struct oracle *o)
{
    const struct world *w = o->w;
    o->root = o->decision = o->cut = -1;
    for (unsigned i = 0; i < w->count; i++) { /* parents come first in the world */
        o->voids[i] = -1;
        if ((o->held & bit(i)) != 0 && (w->parents[i] & ~o->closed) == 0)
            o->closed |= bit(i);
    }
    for (unsigned i = 0; i < w->count; i++)
        if ((o->closed & bit(i)) != 0 && w->events[i].type == CASE_EVENT_SUBMIT && oracle_is_better_root(o, i))
            o->root = (int)i;
}

static void oracle_run(struct oracle *o)
{
    oracle_find(o);
    if (o->root >= 0)
        oracle_apply(o, (unsigned)o->root);
    for (;;) {
        int next = o->lead == 0 ? -1 : oracle_next(o);
        o->cut = oracle_next_supervise(o);
        if (o->cut >= 0) {
            const struct case_event *s = &o->w->events[o->cut];
            bool accepted = next >= 0 && (o->w->ancestors[o->cut] & bit((unsigned)next)) != 0 &&
                            !(oracle_cut_origin(s) != 0 && o->w->events[next].origin == oracle_cut_origin(s) &&
                              o->w->events[next].index > s->last_leaf);
            oracle_apply_with_segment(o, (unsigned)(accepted ? next : o->cut));
        } else if (next >= 0) {
            oracle_apply_with_segment(o, (unsigned)next);
        } else {
            break;
        }
    }
    o->cut = -1;
    o->frozen = o->lead != 0 && oracle_lead_is_forked(o);
    o->sequenced = o->count;
    o->sequenced_status = o->frozen ? CASE_STATUS_FROZEN : o->status;
    oracle_apply_set(o, o->closed & ~o->applied);
}

/* --- the engine under test --- */

static unsigned index_of(const struct world *w, const struct case_held *held)
{
    for (unsigned i = 0; i < w->count; i++)
        if (memcmp(w->events[i].id, held->id, 32) == 0)
            return i;
    fail_msg("seed %llu: unknown event", (unsigned long long)w->seed);
    return 0;
}

#define check(w, condition)                                                                                            \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail_msg("seed %llu: %s", (unsigned long long)(w)->seed, #condition);                                      \
    } while (0)

static void add(const struct world *w, struct casefile *file, unsigned i)
{
    struct err e;
    int r = casefile_add(file, &w->events[i], &e);
    check(w, r == 0 || (r == ERR_CONFLICT && w->trouble == TROUBLE_FORK));
}

static void check_against_oracle(const struct world *w, struct casefile *file, uint64_t held)
{
    const struct case_effect *effects;
    size_t count = casefile_effects(file, &effects);
    const struct case_state *state = casefile_state(file);
    uint8_t engine[EVENTS_MAX] = {0};
    for (size_t i = 0; i < count; i++)
        engine[index_of(w, effects[i].event)] = effects[i].kind;
    struct oracle o = {.w = w, .held = held, .engine = w->rules_version == 0 ? NULL : engine};
    oracle_run(&o);
    check(w, state->event_count == o.count);
    check(w, state->sequenced_count == o.sequenced);
    for (unsigned i = 0; i < o.count; i++) {
        unsigned event = o.order[i];
        check(w, index_of(w, effects[i].event) == event);
        check(w, effects[i].kind == o.effects[event]);
        if (w->rules_version == 0)
            check(w, (effects[i].voids == NULL ? -1 : (int)index_of(w, effects[i].voids)) == o.voids[event]);
    }
    check(w, o.root < 0 || state->lead == o.lead);
    if (w->rules_version != 0)
        return;
    check(w, state->status == (o.frozen ? CASE_STATUS_FROZEN : o.status));
    check(w, state->sequenced_status == o.sequenced_status);
}

/* Who may do what, a second time and without the engine's table. */
static bool is_authors(const struct case_effect *f)
{
    uint32_t author = f->event->origin;
    switch (f->event->type) {
    case CASE_EVENT_IDENTITY:
    case CASE_EVENT_FORM:
    case CASE_EVENT_FORWARD:
    case CASE_EVENT_RETURN:
    case CASE_EVENT_SUPPLEMENT:
    case CASE_EVENT_EVALUATE:
    case CASE_EVENT_WITHDRAW:
    case CASE_EVENT_SUBMIT:
    case CASE_EVENT_SUPPLY:
    case CASE_EVENT_PART:
    case CASE_EVENT_PART_DONE:
    case CASE_EVENT_PART_LAPSED:
    case CASE_EVENT_POST_MATERIALS:
        return author == f->receiving;
    case CASE_EVENT_FOLLOW_UP:
        return author == (f->event->side == CASE_SIDE_DECIDING ? f->lead : f->receiving);

    case CASE_EVENT_DELIVER:
    case CASE_EVENT_NOTE:
    case CASE_EVENT_OBJECT:
    case CASE_EVENT_MATERIAL:
    case CASE_EVENT_NOTIFY:
    case CASE_EVENT_CHARGE:
    case CASE_EVENT_PAY:
        return author == f->receiving || author == f->lead;
    case CASE_EVENT_SUPERVISE:
        return author == NATIONAL && f->event->role == CASE_ROLE_SUPERVISOR;
    default:
        return author == f->lead;
    }
}

/* What the law asks of an effective act, beyond its author and the status: counted over all events before it, without the
 * engine's flags. */
struct law {
    unsigned lacking, open_parts, denied_parts, marks[3], bad[3], followed[3], extended;
    bool part_open[2], part_known[2], part_granted[2], promised, breached, demanded, granted, published;
    bool has_result, is_over; /* there is one to be posted; B needs nothing more from A */
    uint8_t terms;
    const struct case_held *review;
};

static void law_of_decision(const struct world *w, const struct law *l, const struct case_held *e)
{
    bool is_grant = e->decision == CASE_DECISION_GRANT;
    check(w, is_grant || (e->told & 3) == 3);
    check(w, l->open_parts == 0);
    check(w, !is_grant || (l->denied_parts == 0 && !l->breached));
    check(w, !l->demanded || (l->review != NULL && e->has_official &&
                              memcmp(e->official, l->review->official, sizeof e->official) != 0));
}

/* long: one row for each event that the law says more about */
static void law_step(const struct world *w, struct law *l, const struct case_effect *f)
{
    const struct case_held *e = f->event;
    switch (e->type) {
    case CASE_EVENT_SUBMIT:
        l->promised = e->promise != 0;
        break;
    case CASE_EVENT_RECEIPT:
        l->demanded = l->demanded || e->demands != 0;
        l->terms = e->terms;
        check(w, (f->why == CASE_WHY_PROMISE_UNALLOWED) == (l->promised && (l->terms & 2) == 0));
        break;
    case CASE_EVENT_ACCEPT:
        l->lacking = e->lacking_days > 0;
        check(w, e->role != CASE_ROLE_SYSTEM || (l->terms & 4) != 0);
        check(w, (f->why == CASE_WHY_LACKING_UNALLOWED) == (e->lacking_days > 0 && (l->terms & 1) == 0));
        check(w, f->why != CASE_WHY_LACKING_OVER || (e->lacking_days > 0 && (l->terms & 1) != 0));
        check(w, f->why == CASE_WHY_LACKING_UNALLOWED || f->why == CASE_WHY_LACKING_OVER ||
                     (f->why == CASE_WHY_DEEMED) == (e->role == CASE_ROLE_SYSTEM));
        break;
    case CASE_EVENT_EXTEND:
        check(w, l->extended++ == 0 && (e->told & 1) != 0);
        break;
    case CASE_EVENT_REVIEW:
        l->review = e->review == CASE_REVIEW_PASS ? e : NULL;
        break;
    case CASE_EVENT_DECIDE:
        law_of_decision(w, l, e);
        l->granted = e->decision == CASE_DECISION_GRANT;
        break;
    case CASE_EVENT_PUBLISH:
        check(w, l->granted && (l->terms & 4) != 0 && !l->published);
        l->published = true;
        break;
    case CASE_EVENT_REVOKE:
        l->published = false;
        l->has_result = l->is_over = true;
        break;
    case CASE_EVENT_NOT_REQUIRED:
    case CASE_EVENT_REFUSE:
        l->has_result = l->is_over = true;
        break;
    case CASE_EVENT_RETURN:
    case CASE_EVENT_WITHDRAW:
        l->has_result = false;
        l->is_over = true;
        break;
    case CASE_EVENT_POST_MATERIALS:
        check(w, !l->is_over);
        break;
    case CASE_EVENT_POST_RESULT:
        check(w, l->has_result);
        break;
    case CASE_EVENT_CHARGE:
        check(w, !l->is_over);
        break;
    case CASE_EVENT_CLOSE:
        l->has_result = true;
        check(w, (f->status_after == CASE_STATUS_CLOSED_LACKING) ==
                     (f->status_before == CASE_STATUS_GRANTED && l->lacking > 0));
        break;
    case CASE_EVENT_DELIVER:
        check(w, f->status_before != CASE_STATUS_CLOSED_LACKING || l->lacking == 0);
        l->is_over = true;
        break;
    case CASE_EVENT_SUPPLY:
    case CASE_EVENT_FULFIL:
        check(w, l->lacking > 0);
        l->lacking = e->type == CASE_EVENT_FULFIL ? 0 : l->lacking;
        break;
    case CASE_EVENT_BREACH:
        check(w, l->promised && !l->breached);
        l->breached = true;
        break;
    case CASE_EVENT_EVALUATE:
        check(w, l->marks[e->side]++ == 0);
        l->bad[e->side] = e->grade <= 2;
        break;
    case CASE_EVENT_FOLLOW_UP:
        check(w, l->bad[e->side] == 1 && l->followed[e->side]++ == 0);
        break;
    case CASE_EVENT_PART:
        check(w, !l->part_known[e->part[0]]);
        l->part_known[e->part[0]] = l->part_open[e->part[0]] = true;
        l->open_parts++;
        break;
    case CASE_EVENT_PART_DONE:
        check(w, l->part_open[e->part[0]]);
        l->part_open[e->part[0]] = false;
        l->open_parts--;
        l->part_granted[e->part[0]] = e->decision == CASE_DECISION_GRANT;
        l->denied_parts += e->decision == CASE_DECISION_DENY;
        break;
    case CASE_EVENT_PART_LAPSED:
        check(w, l->part_open[e->part[0]] || l->part_granted[e->part[0]]);
        l->open_parts -= l->part_open[e->part[0]];
        l->part_open[e->part[0]] = l->part_granted[e->part[0]] = false;
        l->denied_parts++;
        break;
    default:
        break;
    }
}

static unsigned law_seen[CASE_EVENT_LAST + 1];

static void check_law(const struct world *w, struct casefile *file)
{
    const struct case_effect *effects;
    struct law law = {0};
    (void)casefile_effects(file, &effects);
    for (unsigned i = 0; w->rules_version == 1 && i < casefile_state(file)->event_count; i++) {
        if (effects[i].kind != CASE_EFFECT_OK)
            continue;
        law_step(w, &law, &effects[i]);
        law_seen[effects[i].event->type]++;
    }
}

static void check_invariants(const struct world *w, struct casefile *file)
{
    const struct case_effect *effects;
    (void)casefile_effects(file, &effects);
    const struct case_state *state = casefile_state(file);
    uint64_t seen = 0;
    bool delivered = false;
    int standing = 0;
    for (unsigned i = 0; i < state->event_count; i++) {
        const struct case_effect *f = &effects[i];
        unsigned event = index_of(w, f->event);
        check(w, (w->parents[event] & ~seen) == 0); /* I4 */
        seen |= bit(event);
        bool is_ok = f->kind == CASE_EFFECT_OK;
        check(w, !is_ok || is_authors(f)); /* I5 */
        check(w, is_ok || (f->status_before == f->status_after && f->voids == NULL));
        standing += (is_ok && f->event->type == CASE_EVENT_DECIDE) - (f->voids != NULL);
        check(w, standing == 0 || standing == 1); /* I6 */
        bool may_go_on = f->event->type == CASE_EVENT_ARCHIVE || f->event->type == CASE_EVENT_REVOKE ||
                         f->event->type == CASE_EVENT_SUPERVISE;                  /* which ends a freeze */
        check(w, !delivered || may_go_on || f->status_before == f->status_after); /* I7 */
        delivered = delivered || (is_ok && f->event->type == CASE_EVENT_DELIVER);
        char text[CASE_EXPLAIN_SIZE];
        check(w, strlen(case_effect_explain(f, text, sizeof text)) > 10);
    }
    check(w, (state->decision_event != NULL) == (standing == 1));
}

struct prefix {
    unsigned count;
    uint8_t id[EVENTS_MAX][32];
    uint8_t kind[EVENTS_MAX];
};

/* I3 and I10: the prefix of before is a prefix of the one of now, with the same effects. */
static void check_prefix(const struct world *w, struct casefile *file, struct prefix *before)
{
    const struct case_effect *effects;
    (void)casefile_effects(file, &effects);
    unsigned count = casefile_state(file)->sequenced_count;
    bool may_shrink = w->trouble == TROUBLE_SUPERVISE || w->trouble == TROUBLE_FORK || w->trouble == TROUBLE_ROOTS;
    check(w, may_shrink || count >= before->count);
    for (unsigned i = 0; i < count; i++) {
        if (i < before->count && !may_shrink) {
            check(w, memcmp(before->id[i], effects[i].event->id, 32) == 0);
            check(w, before->kind[i] == effects[i].kind);
        }
        memcpy(before->id[i], effects[i].event->id, 32);
        before->kind[i] = effects[i].kind;
    }
    before->count = count;
}

static void shuffle(struct world *w, unsigned *order)
{
    for (unsigned i = 0; i < w->count; i++)
        order[i] = i;
    for (unsigned i = w->count; i-- > 1;) {
        unsigned k = pick(w, i + 1);
        unsigned swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
    if (w->trouble != TROUBLE_LOOSE)
        return;
    /* A ledger comes in the order it was written, so an author's events never overtake each other. */
    for (unsigned i = 0; i < w->count; i++)
        for (unsigned k = i + 1; k < w->count; k++)
            if (w->events[order[i]].origin == w->events[order[k]].origin && order[k] < order[i]) {
                unsigned swap = order[i];
                order[i] = order[k];
                order[k] = swap;
            }
}

enum way { WAY_EACH, WAY_SOMETIMES, WAY_END, WAY_COUNT };

static void deliver(struct world *w, struct casefile *file, enum way way)
{
    unsigned order[EVENTS_MAX];
    struct prefix prefix = {0};
    uint64_t held = 0;
    shuffle(w, order);
    if (way == WAY_EACH && chance(w, 50)) /* as it was written: mostly the incremental way */
        for (unsigned i = 0; i < w->count; i++)
            order[i] = i;
    for (unsigned i = 0; i < w->count; i++) {
        add(w, file, order[i]);
        held |= bit(order[i]);
        if (chance(w, 25))
            add(w, file, order[pick(w, i + 1)]); /* I2: again */
        if (way == WAY_END || (way == WAY_SOMETIMES && chance(w, 70)))
            continue;
        check_prefix(w, file, &prefix);
        check_against_oracle(w, file, held);
    }
    check_against_oracle(w, file, held);
    check_invariants(w, file);
    check_law(w, file);
    check(w, casefile_state(file)->pending_count == 0);
}

static struct casefile *new_file(const struct world *w)
{
    uint8_t case_id[CASE_ID_SIZE] = {0};
    put_be32(case_id, w->home);
    return casefile_create(case_id);
}

/* I9: may another clock of @origin matter? Only if one of its events is concurrent with one of the same rank. */
static bool clock_may_matter(const struct world *w, uint32_t origin)
{
    for (unsigned i = 0; i < w->count; i++)
        for (unsigned k = 0; k < i; k++) {
            bool is_concurrent = (w->ancestors[i] & bit(k)) == 0;
            bool is_origins = w->events[i].origin == origin || w->events[k].origin == origin;
            if (is_concurrent && is_origins &&
                rules_rank(w->rules_version, w->events[i].type) == rules_rank(w->rules_version, w->events[k].type))
                return true;
        }
    return false;
}

static unsigned check_clocks(struct world *w, struct casefile *file)
{
    static const uint32_t nodes[] = {A, B, C};
    unsigned tried = 0;
    for (unsigned n = 0; n < array_count(nodes); n++) {
        if (clock_may_matter(w, nodes[n]))
            continue;
        struct casefile *other = new_file(w);
        uint64_t shift = 1 + pick(w, 50);
        bool is_back = chance(w, 50);
        for (unsigned i = 0; i < w->count; i++) {
            struct case_event moved = w->events[i];
            if (moved.origin == nodes[n])
                moved.hlc = is_back ? 0 : moved.hlc + shift;
            int r = casefile_add(other, &moved, NULL);
            check(w, r == 0 || r == ERR_CONFLICT);
        }
        struct buf a = {0}, b = {0};
        casefile_digest_input(file, &a);
        casefile_digest_input(other, &b);
        check(w, bytes_equal(buf_bytes(&a), buf_bytes(&b)));
        buf_close(&a);
        buf_close(&b);
        casefile_destroy(other);
        tried++;
    }
    return tried;
}

static void test_random_cases(void **state)
{
    (void)state;
    static struct world w;
    unsigned statuses[64] = {0};
    unsigned effects_seen[8] = {0};
    unsigned clocks = 0, voided = 0;
    for (uint64_t seed = first_seed; seed < first_seed + seed_count; seed++) {
        make_world(&w, seed);
        struct buf first = {0};
        for (enum way way = WAY_EACH; way < WAY_COUNT; way++) {
            struct casefile *file = new_file(&w);
            deliver(&w, file, way);
            struct buf digest = {0};
            casefile_digest_input(file, &digest);
            check(&w, way == WAY_EACH || bytes_equal(buf_bytes(&first), buf_bytes(&digest))); /* I1 */
            if (way == WAY_EACH) {
                first = digest;
                digest = (struct buf){0};
                clocks += check_clocks(&w, file);
                const struct case_effect *effects;
                size_t count = casefile_effects(file, &effects);
                for (size_t i = 0; i < count; i++)
                    effects_seen[effects[i].kind]++, voided += effects[i].voids != NULL;
                statuses[casefile_state(file)->status]++;
            }
            buf_close(&digest);
            casefile_destroy(file);
        }
        buf_close(&first);
    }
    if (seed_count < CASES)
        return;
    /* The generator reaches what it is for. */
    static const uint8_t reached[] = {CASE_STATUS_RECEIVED, CASE_STATUS_ACCEPTED,  CASE_STATUS_CLOSED_GRANTED,
                                      CASE_STATUS_GRANTED,  CASE_STATUS_WITHDRAWN, CASE_STATUS_DELIVERED,
                                      CASE_STATUS_RETURNED, CASE_STATUS_FROZEN,    CASE_STATUS_REVOKED};
    for (size_t i = 0; i < array_count(reached); i++)
        if (statuses[reached[i]] < 10)
            fail_msg("only %u cases end %s", statuses[reached[i]], case_status_name(reached[i]));
    for (uint8_t kind = CASE_EFFECT_OK; kind <= CASE_EFFECT_NOOP; kind++)
        assert_true(effects_seen[kind] > 500);
    for (uint16_t type = CASE_EVENT_SUBMIT; type <= CASE_EVENT_LAST; type++)
        if (type != CASE_EVENT_ACK && law_seen[type] < 10)
            fail_msg("only %u effective %s", law_seen[type], case_event_name(type));
    assert_true(clocks > 2000);
    assert_true(voided > 200);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        first_seed = strtoull(argv[1], NULL, 10);
        seed_count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
