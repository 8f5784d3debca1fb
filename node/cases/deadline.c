/* Deadlines (see deadline.h). One pass over the folded events keeps, for each kind, from which day it runs and whether it
 * was met; a second step counts days. Pure; any thread.
 */
#include "node/cases/deadline.h"

#include "node/base/date.h"
#include "node/base/xassert.h"

#define DAY_MS 86400000ull
#define CHINA_MS (8u * 3600000u)
#define DAYS_WALKED_MAX 20000 /* of one limit: some fifty years, whatever a peer wrote */

static uint64_t days_of_hlc(uint64_t hlc)
{
    return ((hlc >> 16) + CHINA_MS) / DAY_MS;
}

static uint32_t date_of(uint64_t days)
{
    return date_from_days(days > INT32_MAX ? INT32_MAX : (int32_t)days);
}

uint32_t deadline_date_of_hlc(uint64_t hlc)
{
    return date_of(days_of_hlc(hlc));
}

static const struct {
    const char *name, *chinese, *source;
    uint16_t by_law;
} kinds[] = {
#define X(name, value, text, chinese, days, source) [value] = {text, chinese, source, days},
    DEADLINES(X)
#undef X
};

#define X(name, value, text, chinese, days, source) name##_BY_LAW = days,
enum { DEADLINES(X) };
#undef X
_Static_assert((int)DEADLINE_HEARING_BY_LAW == (int)LAW_DAYS_HEARING, "one number, law.h has it too");

const char *deadline_name(uint8_t kind)
{
    return kind < array_count(kinds) ? kinds[kind].name : NULL;
}

const char *deadline_chinese(uint8_t kind)
{
    return kind < array_count(kinds) ? kinds[kind].chinese : NULL;
}

const char *deadline_source(uint8_t kind)
{
    return kind < array_count(kinds) ? kinds[kind].source : NULL;
}

const char *deadline_colour_name(uint8_t colour)
{
    static const char *const names[] = {NULL, "green", "yellow", "red"};
    return colour < array_count(names) ? names[colour] : NULL;
}

/* ---- what runs from when ---- */

struct run {
    uint32_t from; /* 0 = never began */
    uint32_t met;
};

/* Special procedures while the decision is due, as spans of days (from, to]; to 0 = still running. */
#define PAUSES_MAX 32u
struct pause {
    uint32_t from, to;
};

struct history {
    struct run runs[array_count(kinds)];
    struct pause pauses[PAUSES_MAX]; /* later ones than fit are not taken off: nobody gains by a flood */
    unsigned pause_count;
    uint32_t received;  /* day of 签收, from which a deemed acceptance counts */
    uint64_t last_days; /* number and date of the day of the event before: mostly that of the next as well */
    uint32_t last_date;
    uint16_t pause_days;
    uint8_t pause_unit;
    bool is_licence;
    bool is_staged;   /* the limits are those of stages (CASE_TERM_STAGED) */
    bool is_accepted; /* 受理 */
    bool is_handed;   /* the first stage has ended by a handover: what is left to decide in runs from there */
};

static void begin(struct history *h, enum deadline_kind kind, uint32_t day)
{
    h->runs[kind] = (struct run){.from = day};
}

static void meet(struct history *h, enum deadline_kind kind, uint32_t day)
{
    if (h->runs[kind].from != 0 && h->runs[kind].met == 0)
        h->runs[kind].met = day;
}

static void meet_all(struct history *h, uint32_t day)
{
    for (unsigned kind = 1; kind < array_count(kinds); kind++)
        meet(h, (enum deadline_kind)kind, day);
}

static enum deadline_kind accept_kind(const struct history *h)
{
    return h->is_licence ? DEADLINE_ACCEPT : DEADLINE_ACCEPT_OTHER;
}

static void end_pause(struct history *h, uint32_t day)
{
    meet(h, DEADLINE_PAUSE, day);
    meet(h, DEADLINE_HEARING, day);
    if (h->pause_count > 0 && h->pauses[h->pause_count - 1].to == 0)
        h->pauses[h->pause_count - 1].to = day;
}

static void note_pause(struct history *h, const struct case_held *e, uint32_t day)
{
    begin(h, DEADLINE_PAUSE, day);
    if (h->is_licence && e->pause_kind == CASE_PAUSE_HEARING)
        begin(h, DEADLINE_HEARING, day);
    h->pause_days = e->expected_days;
    h->pause_unit = e->unit != 0 ? e->unit : CASE_UNIT_WORKING;
    if (h->pause_count < PAUSES_MAX)
        h->pauses[h->pause_count++] = (struct pause){.from = day};
}

static void begin_decision(struct history *h, uint32_t from)
{
    begin(h, DEADLINE_FIRST, from);
    begin(h, DEADLINE_DECIDE, from);
}

/* The material has come, by 签收 or 补正: to be accepted, and the first stage of one that has stages runs. */
static void note_received(struct history *h, uint32_t day)
{
    h->received = day;
    begin(h, accept_kind(h), day);
    if (h->is_staged)
        begin_decision(h, day);
}

/* 补正: the applicant's time is no office's. */
static void note_correct(struct history *h, uint32_t day)
{
    meet(h, accept_kind(h), day);
    if (h->is_staged)
        h->runs[DEADLINE_FIRST] = h->runs[DEADLINE_DECIDE] = (struct run){0};
}

/* Before 受理 it finds the office whose case it is; after it, the first one ends the first stage. */
static void note_handover(struct history *h, bool has_first, uint32_t day)
{
    if (h->is_staged && h->is_accepted && has_first && !h->is_handed) {
        h->is_handed = true;
        begin(h, DEADLINE_DECIDE, day);
    }
    if (!h->is_staged || h->is_accepted)
        meet(h, DEADLINE_FIRST, day);
}

static void note_accept(struct history *h, const struct case_effect *f, uint32_t day)
{
    bool is_deemed = f->event->role == CASE_ROLE_SYSTEM; /* whatever else the fold says of it */
    uint32_t from = is_deemed && h->received != 0 ? h->received : day;
    meet(h, accept_kind(h), day);
    h->is_accepted = true;
    if (!h->is_staged || h->runs[DEADLINE_DECIDE].from == 0)
        begin_decision(h, from);
    if (f->event->lacking_days != 0)
        begin(h, DEADLINE_LACKING, day);
}

static void note_mark(struct history *h, const struct case_held *e, uint32_t day)
{
    if (e->grade == 0 || e->grade > CASE_GRADE_BAD_MAX)
        return;
    begin(h, e->side == CASE_SIDE_DECIDING ? DEADLINE_FOLLOW_UP_DECIDING : DEADLINE_FOLLOW_UP_RECEIVING, day);
}

static void note_end(struct history *h, uint32_t day)
{
    end_pause(h, day);
    meet_all(h, day);
}

/* What has been made public has to be put right. */
static void note_revoke(struct history *h, uint32_t day)
{
    bool was_public = h->runs[DEADLINE_PUBLISH].met != 0;
    note_end(h, day);
    if (was_public)
        begin(h, DEADLINE_PUBLISH, day);
}

static uint32_t day_of(struct history *h, const struct case_held *e)
{
    uint64_t days = days_of_hlc(e->hlc);
    if (days != h->last_days || h->last_date == 0)
        h->last_date = date_of(days);
    h->last_days = days;
    return h->last_date;
}

/* long: one row for each event that begins or ends a limit */
static void note_effect(struct history *h, const struct case_effect *f, bool has_first)
{
    const struct case_held *e = f->event;
    uint32_t day = day_of(h, e);
    switch (e->type) {
    case CASE_EVENT_SUBMIT:
        begin(h, DEADLINE_FORWARD, day);
        break;
    case CASE_EVENT_FORWARD:
        meet(h, DEADLINE_FORWARD, day);
        break;
    case CASE_EVENT_RECEIPT:
        h->is_licence = (e->terms & CASE_TERM_LICENCE) != 0;
        h->is_staged = (e->terms & CASE_TERM_STAGED) != 0;
        note_received(h, day);
        break;
    case CASE_EVENT_SUPPLEMENT:
        note_received(h, day);
        break;
    case CASE_EVENT_CORRECT:
        note_correct(h, day);
        break;
    case CASE_EVENT_ACCEPT:
        note_accept(h, f, day);
        break;
    case CASE_EVENT_PAUSE:
        note_pause(h, e, day);
        break;
    case CASE_EVENT_RESUME:
        end_pause(h, day);
        break;
    case CASE_EVENT_HANDOVER:
        note_handover(h, has_first, day);
        break;
    case CASE_EVENT_DECIDE:
        meet(h, DEADLINE_FIRST, day);
        meet(h, DEADLINE_DECIDE, day);
        begin(h, DEADLINE_DELIVER, day);
        if (h->is_licence && e->decision == CASE_DECISION_GRANT)
            begin(h, DEADLINE_PUBLISH, day);
        break;
    case CASE_EVENT_PUBLISH:
        meet(h, DEADLINE_PUBLISH, day);
        break;
    case CASE_EVENT_REVOKE:
        note_revoke(h, day);
        break;
    case CASE_EVENT_FULFIL:
        meet(h, DEADLINE_LACKING, day);
        break;
    case CASE_EVENT_DELIVER:
        meet(h, DEADLINE_DELIVER, day);
        meet(h, DEADLINE_LACKING, day);
        break;
    case CASE_EVENT_EVALUATE:
        note_mark(h, e, day);
        break;
    case CASE_EVENT_FOLLOW_UP:
        meet(h, e->side == CASE_SIDE_DECIDING ? DEADLINE_FOLLOW_UP_DECIDING : DEADLINE_FOLLOW_UP_RECEIVING, day);
        break;
    case CASE_EVENT_RETURN:
    case CASE_EVENT_NOT_REQUIRED:
    case CASE_EVENT_REFUSE:
    case CASE_EVENT_WITHDRAW:
        note_end(h, day);
        break;
    default:
        break;
    }
}

/* ---- how many days ---- */

/* The row of CASE_LIMITS that an item fills for this kind, CASE_LIMIT_COUNT when none does. */
static unsigned limit_kind(unsigned kind)
{
    switch (kind) {
    case DEADLINE_FORWARD:
        return CASE_LIMIT_FORWARD;
    case DEADLINE_ACCEPT:
    case DEADLINE_ACCEPT_OTHER:
        return CASE_LIMIT_ACCEPT;
    case DEADLINE_FIRST:
        return CASE_LIMIT_FIRST;
    case DEADLINE_DECIDE:
        return CASE_LIMIT_DECIDE;
    case DEADLINE_DELIVER:
        return CASE_LIMIT_DELIVER;
    case DEADLINE_FOLLOW_UP_RECEIVING:
    case DEADLINE_FOLLOW_UP_DECIDING:
        return CASE_LIMIT_FOLLOW_UP;
    default:
        return CASE_LIMIT_COUNT;
    }
}

/* What the limits leave to decide in after the first stage; no days when there is no such stage. */
static struct case_limit second_stage(const struct case_state *s)
{
    if (s->limits == NULL)
        return (struct case_limit){0};
    struct case_limit first = case_limit_get(s->limits, CASE_LIMIT_FIRST),
                      all = case_limit_get(s->limits, CASE_LIMIT_DECIDE);
    bool has_second = first.days > 0 && first.days < all.days && first.unit == all.unit;
    return (struct case_limit){.unit = all.unit, .days = has_second ? (uint16_t)(all.days - first.days) : 0};
}

static struct case_limit limit_of(const struct case_state *s, const struct history *h, unsigned kind)
{
    struct case_limit limit = {.unit = CASE_UNIT_WORKING, .days = kinds[kind].by_law};
    unsigned row = limit_kind(kind);
    if (s->limits != NULL && row < CASE_LIMIT_COUNT && case_limit_get(s->limits, (enum case_limit_kind)row).days > 0)
        limit = case_limit_get(s->limits, (enum case_limit_kind)row);
    if (kind == DEADLINE_DECIDE && h->is_handed)
        limit = second_stage(s);
    if (kind == DEADLINE_LACKING)
        limit.days = s->lacking_days;
    if (kind == DEADLINE_PAUSE)
        limit = (struct case_limit){.unit = h->pause_unit, .days = h->pause_days};
    return limit;
}

static bool is_stopped_day(const struct history *h, uint32_t day)
{
    for (unsigned i = 0; i < h->pause_count; i++)
        if (day > h->pauses[i].from && (h->pauses[i].to == 0 || day <= h->pauses[i].to))
            return true;
    return false;
}

/* Days until which a fifth or less of @days is left, at least the last one. */
static uint32_t calm_days(uint32_t days)
{
    uint32_t last = days / 5 > 0 ? days / 5 : 1;
    return days - last;
}

/* Walks day by day from @d->from until the limit has run; fills due, warn and what stood still. */
static void walk(const struct history *h, const struct deadline_calendar *calendar, bool may_stop, struct deadline *d)
{
    int32_t day = date_to_days(d->from);
    uint32_t counted = 0;
    bool is_off = false;
    d->warn = d->days == 1 ? d->from : 0;
    for (int i = 0; i < DAYS_WALKED_MAX && (counted < d->days || is_off); i++) {
        uint32_t date = date_from_days(++day);
        bool provisional = false;
        bool works = calendar->is_working_day(calendar->ctx, date, &provisional);
        d->is_provisional |= provisional;
        if (may_stop && is_stopped_day(h, date)) {
            d->stopped_days += works || d->unit == CASE_UNIT_NATURAL;
            continue;
        }
        if (counted < d->days)
            counted += works || d->unit == CASE_UNIT_NATURAL;
        is_off = d->unit == CASE_UNIT_NATURAL && counted == d->days && !works; /* ends on the next working day */
        if (d->warn == 0 && counted >= calm_days(d->days))
            d->warn = date;
    }
    d->due = date_from_days(day);
}

/* While a pause runs there is no last day, also of a first review that a handover has met meanwhile; but what was met and whose last day
 * lies before the pause keeps it, and with it its colour. */
static void stop(const struct history *h, const struct deadline_calendar *calendar, struct deadline *d)
{
    struct history before = *h;
    struct deadline met = *d;
    uint32_t from = h->pauses[--before.pause_count].from;
    if (d->is_met)
        walk(&before, calendar, true, &met);
    if (d->is_met && met.due <= from)
        *d = met;
    else
        d->is_stopped = true;
}

static void compute(const struct case_state *s, const struct history *h, unsigned kind,
                    const struct deadline_calendar *calendar, struct deadlines *ret)
{
    struct case_limit limit = limit_of(s, h, kind);
    bool may_stop = kind == DEADLINE_DECIDE || kind == DEADLINE_FIRST;
    if (h->runs[kind].from == 0 || limit.days == 0)
        return;
    struct deadline *d = &ret->rows[ret->count++];
    *d = (struct deadline){.kind = (uint8_t)kind,
                           .unit = limit.unit,
                           .days = limit.days,
                           .from = h->runs[kind].from,
                           .met = h->runs[kind].met,
                           .is_met = h->runs[kind].met != 0};
    if (kind == DEADLINE_DECIDE)
        d->days += s->extend_days;
    bool runs_on = h->pause_count > 0 && h->pauses[h->pause_count - 1].to == 0;
    if (may_stop && runs_on)
        stop(h, calendar, d);
    else
        walk(h, calendar, may_stop, d);
}

void deadline_compute(struct casefile *c, const struct deadline_calendar *calendar, struct deadlines *ret)
{
    const struct case_effect *effects;
    struct history h = {0};
    size_t count = casefile_effects(c, &effects);
    const struct case_state *s = casefile_state(c);
    const bool has_first = second_stage(s).days > 0;
    ret->count = 0;
    for (size_t i = 0; i < count; i++)
        if (effects[i].kind == CASE_EFFECT_OK)
            note_effect(&h, &effects[i], has_first);
    for (unsigned kind = 1; kind < array_count(kinds); kind++)
        compute(s, &h, kind, calendar, ret);
}

const struct deadline *deadline_next(const struct deadlines *d)
{
    const struct deadline *first = NULL;
    for (unsigned i = 0; i < d->count; i++) {
        const struct deadline *at = &d->rows[i];
        if (at->is_met || at->is_stopped || at->kind == DEADLINE_PAUSE)
            continue;
        if (first == NULL || at->due < first->due)
            first = at;
    }
    return first;
}

enum deadline_colour deadline_colour(const struct deadline *d, uint32_t today)
{
    uint32_t day = d->is_met ? d->met : today;
    if (d->is_stopped || d->due == 0)
        return DEADLINE_GREEN;
    if (day > d->due)
        return DEADLINE_RED;
    return !d->is_met && day >= d->warn ? DEADLINE_YELLOW : DEADLINE_GREEN;
}
