/* Properties of deadlines over random histories and random calendars, against an oracle that counts every candidate day from
 * the beginning and looks for the first that fits:
 *
 *   D1 the same events, in whatever order they came, give the same deadlines
 *   D2 the last day, what stood still and whether it is provisional are the oracle's
 *   D3 no last day is a day off; with nothing to do it is never before the day it runs from
 *   D4 another day of rest never makes a deadline earlier
 *   D5 the limits to decide in run from the day that the oracle finds, stages from the day on which each office got the case
 *
 * A failure prints the seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/date.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"
#include "node/cases/deadline.h"

#define HISTORIES 6000u
#define EVENTS_MAX 24u
#define DAYS 1500
#define FIRST_DAY 20454 /* 2026-01-01 */
#define KNOWN_DAYS 365  /* the calendar knows 2026 */
#define A 440000u
#define B 510000u
#define C 510104u

struct world {
    uint64_t seed;
    struct prng prng;
    bool works[DAYS];
    struct case_event events[EVENTS_MAX];
    unsigned count;
    int day;
    unsigned progress;
};

static unsigned pick(struct world *w, unsigned bound)
{
    return (unsigned)prng_below(&w->prng, bound);
}

static bool is_working_day(const void *ctx, uint32_t date, bool *ret_provisional)
{
    const struct world *w = ctx;
    int at = date_to_days(date) - FIRST_DAY;
    *ret_provisional = at >= KNOWN_DAYS;
    return at >= 0 && at < DAYS ? w->works[at] : true;
}

static struct deadline_calendar calendar_of(const struct world *w)
{
    return (struct deadline_calendar){.is_working_day = is_working_day, .ctx = w};
}

static void add_event(struct world *w, struct casefile *file, uint16_t type)
{
    struct case_event *e = &w->events[w->count];
    bool at_window = type <= CASE_EVENT_FORWARD || type == CASE_EVENT_SUPPLEMENT || type == CASE_EVENT_EVALUATE ||
                     type == CASE_EVENT_WITHDRAW;
    uint32_t lead = type == CASE_EVENT_SUBMIT ? B : casefile_state(file)->lead;
    *e = (struct case_event){.origin = at_window ? A : lead,
                             .index = w->count,
                             .type = type,
                             .role = at_window ? CASE_ROLE_WINDOW : CASE_ROLE_DECIDER,
                             .rules_version = 1,
                             .reason = "r",
                             .told = 3,
                             .has_official = true};
    w->day += (int)pick(w, 12);
    e->hlc = ((uint64_t)(FIRST_DAY + w->day) * 86400000u + pick(w, 86400000) - 8 * 3600000u) << 16 | w->count;
    put_be32(e->id, (uint32_t)w->seed);
    e->id[31] = (uint8_t)w->count + 1;
    e->lead = type == CASE_EVENT_SUBMIT ? B : type == CASE_EVENT_HANDOVER ? B + C - lead : 0;
    if (type == CASE_EVENT_SUBMIT) {
        memcpy(e->item_code, "item", 5);
        e->has_limits = true;
        for (unsigned i = 0; i < CASE_LIMIT_COUNT; i++)
            case_limit_put(e->limits, i,
                           (struct case_limit){.unit = (uint8_t)pick(w, 3), .days = (uint16_t)pick(w, 40)});
    }
    e->decision = type == CASE_EVENT_DECIDE ? (uint8_t)(1 + pick(w, 2)) : 0;
    e->grade = type == CASE_EVENT_EVALUATE ? (uint8_t)(1 + pick(w, 5)) : 0;
    e->side = type == CASE_EVENT_EVALUATE || type == CASE_EVENT_FOLLOW_UP ? (uint8_t)(1 + pick(w, 2)) : 0;
    e->pause_kind = type == CASE_EVENT_PAUSE;
    e->expected_days = type == CASE_EVENT_PAUSE ? (uint16_t)(1 + pick(w, 30)) : 0;
    e->extend_days = type == CASE_EVENT_EXTEND ? (uint16_t)(1 + pick(w, 20)) : 0;
    e->terms = type == CASE_EVENT_RECEIPT ? (uint8_t)pick(w, 16) : 0;
    e->lacking_days = type == CASE_EVENT_ACCEPT && pick(w, 3) == 0 ? 5 : 0;
    if (type == CASE_EVENT_ACCEPT && pick(w, 6) == 0)
        e->role = CASE_ROLE_SYSTEM;
    if (type != CASE_EVENT_SUBMIT)
        e->parent_count = (uint8_t)casefile_tips(file, e->parents);
    assert_int_equal(casefile_add(file, e, NULL), 0);
    w->count++;
}

/* Mostly the usual way on, else anything. */
static uint16_t next_type(struct world *w)
{
    static const uint16_t usual[] = {CASE_EVENT_ACCEPT,  CASE_EVENT_DECIDE,   CASE_EVENT_CLOSE,    CASE_EVENT_DELIVER,
                                     CASE_EVENT_PUBLISH, CASE_EVENT_EVALUATE, CASE_EVENT_FOLLOW_UP};
    static const uint16_t later[] = {
        CASE_EVENT_ACCEPT,  CASE_EVENT_ACCEPT,  CASE_EVENT_CORRECT,  CASE_EVENT_SUPPLEMENT, CASE_EVENT_PAUSE,
        CASE_EVENT_RESUME,  CASE_EVENT_RESUME,  CASE_EVENT_EXTEND,   CASE_EVENT_HANDOVER,   CASE_EVENT_DECIDE,
        CASE_EVENT_CLOSE,   CASE_EVENT_DELIVER, CASE_EVENT_EVALUATE, CASE_EVENT_FOLLOW_UP,  CASE_EVENT_FULFIL,
        CASE_EVENT_PROCESS, CASE_EVENT_WITHDRAW};
    if (w->progress < array_count(usual) && pick(w, 3) == 0)
        return usual[w->progress++];
    return later[pick(w, array_count(later) - (pick(w, 8) > 0))]; /* the last is the withdrawal */
}

static struct casefile *make_world(struct world *w, uint64_t seed)
{
    static const uint16_t way[] = {CASE_EVENT_SUBMIT, CASE_EVENT_IDENTITY, CASE_EVENT_FORM, CASE_EVENT_FORWARD,
                                   CASE_EVENT_RECEIPT};
    static const uint8_t id[CASE_ID_SIZE];
    *w = (struct world){.seed = seed};
    prng_init(&w->prng, seed);
    for (int i = 0; i < DAYS; i++)
        w->works[i] = pick(w, 10) < 7;
    struct casefile *file = casefile_create(id);
    unsigned wanted = array_count(way) + pick(w, EVENTS_MAX - array_count(way) + 1);
    while (w->count < wanted)
        add_event(w, file, w->count < array_count(way) ? way[w->count] : next_type(w));
    return file;
}

#define check(w, condition)                                                                                            \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail_msg("seed %llu: %s", (unsigned long long)(w)->seed, #condition);                                      \
    } while (0)

static int day_of(uint64_t hlc)
{
    return (int)(((hlc >> 16) + 8u * 3600000u) / 86400000u) - FIRST_DAY;
}

/* Does the day stand still: after a pause that took effect, up to and with its resume? */
static bool stands_still(struct casefile *file, int day)
{
    const struct case_effect *effects;
    size_t count = casefile_effects(file, &effects);
    int since = -1;
    for (size_t i = 0; i < count; i++) {
        uint16_t type = effects[i].event->type;
        int at = day_of(effects[i].event->hlc);
        if (effects[i].kind != CASE_EFFECT_OK)
            continue;
        if (since >= 0 && (type == CASE_EVENT_RESUME || type == CASE_EVENT_WITHDRAW)) {
            if (day > since && day <= at)
                return true;
            since = -1;
        } else if (type == CASE_EVENT_PAUSE) {
            since = at;
        }
    }
    return since >= 0 && day > since;
}

/* D5: the day from which @kind (first review or decision) runs, read backwards: what it runs from is the last event that can
 * begin it. */
static uint32_t begins(struct casefile *file, uint8_t kind, bool *ret_handed)
{
    const struct case_effect *f;
    size_t count = casefile_effects(file, &f);
    const struct case_limit first = case_limit_get(casefile_state(file)->limits, CASE_LIMIT_FIRST),
                            all = case_limit_get(casefile_state(file)->limits, CASE_LIMIT_DECIDE);
    bool has_second = first.days > 0 && all.days > first.days && first.unit == all.unit;
    size_t accept = count, correct = count, handover = count, material = count;
    bool staged = (casefile_state(file)->terms & CASE_TERM_STAGED) != 0;
    for (size_t i = count; i-- > 0;) {
        uint16_t type = f[i].kind == CASE_EFFECT_OK ? f[i].event->type : 0;
        if (type == CASE_EVENT_ACCEPT)
            accept = i;
        if (type == CASE_EVENT_CORRECT && correct == count)
            correct = i;
        if ((type == CASE_EVENT_SUPPLEMENT || type == CASE_EVENT_RECEIPT) && material == count)
            material = i;
    }
    for (size_t i = count; accept < count && i-- > accept;)
        if (f[i].kind == CASE_EFFECT_OK && f[i].event->type == CASE_EVENT_HANDOVER)
            handover = i;
    bool told_last = correct < count && correct > material;
    *ret_handed = kind == DEADLINE_DECIDE && staged && handover < count && has_second;
    size_t at = *ret_handed ? handover : staged && !told_last ? material : accept;
    if (at == accept && accept < count && f[accept].event->role == CASE_ROLE_SYSTEM)
        at = material; /* deemed */
    return at < count ? deadline_date_of_hlc(f[at].event->hlc) : 0;
}

static void check_one(const struct world *w, struct casefile *file, const struct deadline *d)
{
    bool may_stop = d->kind == DEADLINE_DECIDE || d->kind == DEADLINE_FIRST;
    int from = date_to_days(d->from) - FIRST_DAY;
    if (may_stop) {
        bool handed;
        check(w, begins(file, d->kind, &handed) == d->from); /* D5 */
        const struct case_state *s = casefile_state(file);
        unsigned days =
            case_limit_get(s->limits, d->kind == DEADLINE_FIRST ? CASE_LIMIT_FIRST : CASE_LIMIT_DECIDE).days;
        days -= handed ? case_limit_get(s->limits, CASE_LIMIT_FIRST).days : 0;
        check(w, d->days == days + (d->kind == DEADLINE_DECIDE ? s->extend_days : 0));
    }
    if (d->is_stopped) {
        check(w, may_stop && d->due == 0 && casefile_state(file)->status == CASE_STATUS_PAUSED);
        return;
    }
    for (int last = from;; last++) {
        unsigned counted = 0, still = 0;
        bool unknown = false, natural = d->unit == CASE_UNIT_NATURAL;
        for (int day = from + 1; day <= last; day++) {
            bool stops = may_stop && stands_still(file, day), counts = natural || w->works[day];
            unknown = unknown || day >= KNOWN_DAYS;
            counted += counts && !stops;
            still += counts && stops;
        }
        bool stops = last > from && may_stop && stands_still(file, last);
        if (counted < d->days || stops || (natural && !w->works[last]))
            continue;                                         /* 民法典第二百零三条 for natural days */
        check(w, d->due == date_from_days(FIRST_DAY + last)); /* D2 */
        check(w, d->stopped_days == still && d->is_provisional == unknown);
        check(w, w->works[last]); /* D3 */
        check(w, d->warn <= d->due && d->warn >= d->from);
        return;
    }
}

/* D1 */
static void check_order(struct world *w, const struct deadlines *expected)
{
    static const uint8_t id[CASE_ID_SIZE];
    struct casefile *other = casefile_create(id);
    struct deadlines again;
    const struct deadline_calendar calendar = calendar_of(w);
    for (unsigned i = w->count; i-- > 0;)
        assert_int_equal(casefile_add(other, &w->events[i], NULL), 0);
    deadline_compute(other, &calendar, &again);
    check(w, again.count == expected->count);
    for (unsigned i = 0; i < again.count; i++) {
        const struct deadline *x = &again.rows[i], *y = &expected->rows[i];
        check(w, x->kind == y->kind && x->from == y->from && x->due == y->due && x->warn == y->warn);
        check(w, x->met == y->met && x->days == y->days && x->stopped_days == y->stopped_days);
    }
    casefile_destroy(other);
}

/* D4 */
static void check_rest(struct world *w, struct casefile *file, const struct deadlines *before)
{
    struct deadlines after;
    const struct deadline_calendar calendar = calendar_of(w);
    w->works[pick(w, DAYS)] = false;
    deadline_compute(file, &calendar, &after);
    check(w, after.count == before->count);
    for (unsigned i = 0; i < after.count; i++)
        check(w, after.rows[i].due >= before->rows[i].due);
}

static void test_random_histories(void **state)
{
    (void)state;
    static struct world w;
    unsigned seen[DEADLINES_MAX + 1] = {0}, stopped = 0, extended = 0;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        struct casefile *file = make_world(&w, seed);
        const struct deadline_calendar calendar = calendar_of(&w);
        struct deadlines all;
        deadline_compute(file, &calendar, &all);
        for (unsigned i = 0; i < all.count; i++) {
            seen[all.rows[i].kind]++;
            stopped += all.rows[i].stopped_days > 0;
            check_one(&w, file, &all.rows[i]);
        }
        extended += casefile_state(file)->extend_days > 0;
        check_order(&w, &all);
        check_rest(&w, file, &all);
        casefile_destroy(file);
    }
    for (unsigned kind = 1; kind <= DEADLINES_MAX; kind++)
        if (seen[kind] < 20)
            fail_msg("only %u of %s", seen[kind], deadline_name((uint8_t)kind));
    if (stopped <= 100 || extended <= 100)
        fail_msg("only %u stopped, %u extended", stopped, extended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_histories)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
