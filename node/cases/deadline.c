/* Deadlines (see deadline.h). One pass over the folded events keeps, for each kind, from which day it runs and whether it
 * was met; a second step counts days. Pure; any thread.
 */
#include "node/cases/deadline.h"

#include "node/base/date.h"
#include "node/base/xassert.h"

#define DAY_MS 86400000ull
#define CHINA_MS (8u * 3600000u)
#define DAYS_WALKED_MAX 20000 /* of one limit: some fifty years, whatever a peer wrote */

uint32_t deadline_date_of_hlc(uint64_t hlc)
{
    uint64_t days = ((hlc >> 16) + CHINA_MS) / DAY_MS;
    return date_from_days(days > INT32_MAX ? INT32_MAX : (int32_t)days);
}

static const struct {
    const char *name, *chinese, *source;
    uint16_t by_law;
} kinds[] = {
#define X(name, value, text, chinese, days, source) [value] = {text, chinese, source, days},
    DEADLINES(X)
#undef X
};

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
    uint32_t received; /* day of 签收, from which a deemed acceptance counts */
    uint16_t pause_days;
    bool is_licence;
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
    if (h->pause_count > 0 && h->pauses[h->pause_count - 1].to == 0)
        h->pauses[h->pause_count - 1].to = day;
}

static void note_pause(struct history *h, const struct case_held *e, uint32_t day)
{
    begin(h, DEADLINE_PAUSE, day);
    h->pause_days = e->expected_days;
    if (h->pause_count < PAUSES_MAX)
        h->pauses[h->pause_count++] = (struct pause){.from = day};
}

static void note_accept(struct history *h, const struct case_effect *f, uint32_t day)
{
    uint32_t from = f->why == CASE_WHY_DEEMED && h->received != 0 ? h->received : day;
    meet(h, accept_kind(h), day);
    begin(h, DEADLINE_FIRST, from);
    begin(h, DEADLINE_DECIDE, from);
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

/* long: one row for each event that begins or ends a limit */
static void note_effect(struct history *h, const struct case_effect *f)
{
    const struct case_held *e = f->event;
    uint32_t day = deadline_date_of_hlc(e->hlc);
    switch (e->type) {
    case CASE_EVENT_SUBMIT:
        begin(h, DEADLINE_FORWARD, day);
        break;
    case CASE_EVENT_FORWARD:
        meet(h, DEADLINE_FORWARD, day);
        break;
    case CASE_EVENT_RECEIPT:
        h->is_licence = (e->terms & CASE_TERM_LICENCE) != 0;
        h->received = day;
        begin(h, accept_kind(h), day);
        break;
    case CASE_EVENT_SUPPLEMENT:
        h->received = day;
        begin(h, accept_kind(h), day);
        break;
    case CASE_EVENT_CORRECT:
        meet(h, accept_kind(h), day);
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
        meet(h, DEADLINE_FIRST, day);
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

static struct case_limit limit_of(const struct case_state *s, const struct history *h, unsigned kind)
{
    struct case_limit limit = {.unit = CASE_UNIT_WORKING, .days = kinds[kind].by_law};
    unsigned row = limit_kind(kind);
    if (s->limits != NULL && row < CASE_LIMIT_COUNT && case_limit_get(s->limits, (enum case_limit_kind)row).days > 0)
        limit = case_limit_get(s->limits, (enum case_limit_kind)row);
    if (kind == DEADLINE_LACKING)
        limit.days = s->lacking_days;
    if (kind == DEADLINE_PAUSE)
        limit.days = h->pause_days;
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
    if (may_stop && !d->is_met && runs_on)
        d->is_stopped = true;
    else
        walk(h, calendar, may_stop, d);
}

void deadline_compute(struct casefile *c, const struct deadline_calendar *calendar, struct deadlines *ret)
{
    const struct case_effect *effects;
    struct history h = {0};
    size_t count = casefile_effects(c, &effects);
    const struct case_state *s = casefile_state(c);
    ret->count = 0;
    for (size_t i = 0; i < count; i++)
        if (effects[i].kind == CASE_EFFECT_OK)
            note_effect(&h, &effects[i]);
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
