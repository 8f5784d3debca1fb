/* Deadlines in the daemon: whose calendar counts, the row that says what is due in a case, the clock that runs out.
 *
 * The days off are the deciding node's: a node publishes its calendar as an entry for everybody (tongban calendar import),
 * and every node counts a case by the newest one that its deciding node has published for the division, or for itself, and in
 * years of which that says nothing by the national table that comes with the program. So two nodes that hold the same
 * entries say the same day. A year that neither knows is counted by weekends, and the day is provisional.
 *
 * Happy path: a transaction changes a case -> app_due_changed(): the next deadline becomes its row. An import, own or a
 * peer's -> the rows of that node's open deadlines are made again, some at a time. Each minute, and at start: cases whose
 * five working days to accept have passed without a word are accepted by law (行政许可法第三十二条第一款第四项); whether that
 * was done is asked of the case itself, so that a restart does it neither twice nor never.
 *
 * Loop thread only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/date.h"
#include "node/base/division.h"
#include "node/base/limits.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/cases/deadline.h"

#define CHECK_MS 60000u
#define REFRESH_CASES 20u /* per turn of the loop */
#define DIVISION_WHOLE 0u
#define WALK_DAYS_MAX 4000 /* that are looked at one by one: no limit is that long */

/* One published table: of a node, for one division of it or (0) for all of it. */
struct node_calendar {
    uint32_t node, division;
    struct calendar *calendar; /* NULL: looked for, there is none */
};

static void calendar_key(uint32_t node, uint32_t division, uint8_t ret[8])
{
    put_be32(ret, node);
    put_be32(ret + 4, division);
}

static void note_name(uint32_t node, uint32_t division, struct store_note *ret)
{
    (void)snprintf(ret->name, sizeof ret->name, "calendar/%u/%u", node, division);
}

static struct node_calendar *load(struct app *a, uint32_t node, uint32_t division)
{
    struct arena mem = ARENA_INIT;
    struct store_note row;
    struct err e = {0};
    struct store_reader *reader = ledger_reader(a->ledger);
    struct node_calendar *c = xcalloc(1, sizeof *c);
    *c = (struct node_calendar){.node = node, .division = division};
    note_name(node, division, &row);
    int rc = reader == NULL ? ERR_CLOSED : store_read_note(reader, row.name, &mem, &row, &e);
    if (rc == 0)
        rc = calendar_parse(row.note, row.name, &c->calendar, &e);
    if (rc != 0 && rc != ERR_NOT_FOUND && rc != ERR_CLOSED)
        log_warn("calendar", NULL, e.id, "the national table is used instead: %s", e.message);
    arena_close(&mem);
    return c;
}

static const struct calendar *published(struct app *a, uint32_t node, uint32_t division)
{
    uint8_t key[8];
    calendar_key(node, division, key);
    struct node_calendar *c = map_get(&a->calendars, key, sizeof key);
    if (c == NULL) {
        c = load(a, node, division);
        (void)map_put(&a->calendars, key, sizeof key, c);
    }
    return c->calendar;
}

static void forget(struct app *a, uint32_t node, uint32_t division)
{
    uint8_t key[8];
    calendar_key(node, division, key);
    struct node_calendar *c = map_remove(&a->calendars, key, sizeof key);
    if (c != NULL)
        calendar_destroy(c->calendar);
    free(c);
}

/* The tables that count for a case, nearest first; the national one is the last. */
struct tables {
    const struct calendar *list[5];
    size_t count;
};

static void find_tables(struct app *a, uint32_t node, uint32_t division, struct tables *ret)
{
    const uint32_t divisions[] = {division, division / 100 * 100, division / 10000 * 10000};
    const struct calendar *c;
    ret->count = 0;
    for (size_t i = 0; i < array_count(divisions); i++) {
        bool is_again = i > 0 && divisions[i] == divisions[i - 1];
        c = is_again || divisions[i] == DIVISION_WHOLE ? NULL : published(a, node, divisions[i]);
        if (c != NULL)
            ret->list[ret->count++] = c;
    }
    c = published(a, node, DIVISION_WHOLE);
    if (c != NULL)
        ret->list[ret->count++] = c;
    if (a->calendar != NULL)
        ret->list[ret->count++] = a->calendar;
}

static bool is_working_day(const void *ctx, uint32_t date, bool *ret_provisional)
{
    const struct tables *t = ctx;
    size_t i = 0;
    if (t->count == 0) { /* no table at all */
        *ret_provisional = true;
        return date_weekday(date) != 0 && date_weekday(date) != 6;
    }
    while (i + 1 < t->count && !calendar_has_year(t->list[i], date / 10000))
        i++;
    return calendar_is_working_day(t->list[i], date, ret_provisional);
}

void app_deadlines(struct app *a, struct casefile *file, struct deadlines *ret)
{
    struct tables tables;
    const struct case_state *state = casefile_state(file);
    find_tables(a, state->lead, state->division, &tables);
    const struct deadline_calendar calendar = {.is_working_day = is_working_day, .ctx = &tables};
    deadline_compute(file, &calendar, ret);
}

int32_t app_days_left(struct app *a, const struct case_state *state, const struct deadline *d, uint32_t today)
{
    struct tables tables;
    find_tables(a, state->lead, state->division, &tables);
    int32_t from = date_to_days(min_of(today, d->due)), to = date_to_days(max_of(today, d->due)), count = 0;
    for (int32_t day = from + 1; day <= to && day - from < WALK_DAYS_MAX; day++) {
        bool ignored;
        count += d->unit == CASE_UNIT_NATURAL || is_working_day(&tables, date_from_days(day), &ignored);
    }
    return today > d->due ? -count : count;
}

uint32_t app_working_days(struct app *a, const struct case_state *state, struct case_limit limit, uint32_t from)
{
    struct tables tables;
    uint32_t count = 0;
    bool ignored, is_off = false;
    if (limit.unit != CASE_UNIT_NATURAL)
        return limit.days;
    find_tables(a, state->lead, state->division, &tables);
    int32_t first = date_to_days(from);
    for (int32_t day = 1; day <= min_of(limit.days, WALK_DAYS_MAX); day++) {
        is_off = !is_working_day(&tables, date_from_days(first + day), &ignored);
        count += !is_off;
    }
    return count + is_off; /* 民法典第二百零三条: one that would end on a day off ends on the next working day */
}

uint32_t app_last_working_day(struct app *a, const struct case_state *state, uint32_t from, uint32_t days)
{
    struct tables tables;
    bool ignored;
    find_tables(a, state->lead, state->division, &tables);
    int32_t day = date_to_days(from);
    for (int32_t end = day + WALK_DAYS_MAX; days > 0 && day < end;)
        days -= is_working_day(&tables, date_from_days(++day), &ignored);
    return date_from_days(day);
}

/* ---- the row of a case ---- */

static void due_of(const struct deadlines *all, struct case_slot *slot, struct store_due *ret)
{
    const struct case_state *state = casefile_state(slot->file);
    *ret = (struct store_due){.lead = state->lead};
    memcpy(ret->case_id, slot->id, sizeof ret->case_id);
    const struct deadline *next = (state->flags & CASE_FLAG_FROZEN) != 0 ? NULL : deadline_next(all);
    if (next == NULL)
        return;
    ret->due = next->due;
    ret->warn = next->warn;
    ret->kind = next->kind;
    ret->is_provisional = next->is_provisional;
}

/* A licence that this node has granted stays in the list of those to make public until it is. */
static void publicity_changed(struct app *a, const struct deadlines *all, struct case_slot *slot,
                              struct ledger_txn *txn)
{
    const struct case_state *state = casefile_state(slot->file);
    struct store_publicity row = {0};
    if ((state->terms & CASE_TERM_LICENCE) == 0)
        return;
    for (unsigned i = 0; i < all->count; i++)
        if (all->rows[i].kind == DEADLINE_PUBLISH && !all->rows[i].is_met && state->lead == a->config->region)
            row.due = all->rows[i].due;
    if (slot->publicity_known && slot->publicity == row.due)
        return;
    slot->publicity = row.due;
    slot->publicity_known = true;
    memcpy(row.case_id, slot->id, sizeof row.case_id);
    ledger_txn_publicity(txn, &row);
}

void app_due_changed(struct app *a, struct case_slot *slot, struct ledger_txn *txn)
{
    struct store_due row;
    struct deadlines all;
    app_deadlines(a, slot->file, &all);
    publicity_changed(a, &all, slot, txn);
    due_of(&all, slot, &row);
    bool same = slot->due_known && slot->due.due == row.due && slot->due.warn == row.warn &&
                slot->due.kind == row.kind && slot->due.lead == row.lead &&
                slot->due.is_provisional == row.is_provisional;
    if (same)
        return;
    slot->due = row;
    slot->due_known = true;
    ledger_txn_due(txn, &row);
}

/* ---- made again after an import ---- */

static void refresh_committed(void *ctx, const struct err *e)
{
    (void)ctx;
    if (e->code != 0)
        log_warn("calendar", NULL, e->id, "deadlines are not made again: %s", e->message);
}

static void refresh_some(struct app *a)
{
    struct err e = {0};
    if (a->refresh_count == 0 || ledger_check_writable(a->ledger, &e) != 0)
        return;
    struct ledger_txn *txn = ledger_txn_create(a->ledger);
    for (unsigned i = 0; i < REFRESH_CASES && a->refresh_count > 0; i++) {
        struct case_slot *slot;
        const uint8_t *id = a->refresh[--a->refresh_count];
        if (case_cache_get(a->cases, a->ledger, id, &slot, NULL) != 0)
            continue;
        case_cache_touch(slot, txn);
        app_due_changed(a, slot, txn);
    }
    ledger_commit(txn, refresh_committed, a);
}

/* Queues every case with something due; a later import queues them anew. */
static void refresh_all(struct app *a)
{
    struct store_due_filter f = {.limit = LIST_ROWS_MAX};
    struct arena mem = ARENA_INIT;
    struct store_reader *reader = ledger_reader(a->ledger);
    a->refresh_count = 0;
    for (size_t count = f.limit; reader != NULL && count == f.limit; f.skip += count) {
        struct store_due *rows;
        if (store_list_dues(reader, &f, &mem, &rows, &count, NULL) != 0)
            break;
        a->refresh = xrealloc(a->refresh, (a->refresh_count + count + 1) * sizeof *a->refresh);
        for (size_t i = 0; i < count; i++)
            memcpy(a->refresh[a->refresh_count++], rows[i].case_id, CASE_ID_SIZE);
        arena_close(&mem);
    }
    arena_close(&mem);
    loop_timer_set(a->deadline_timer, 0);
}

/* ---- the minute ---- */

static void accept_by_law(struct app *a)
{
    struct arena mem = ARENA_INIT;
    struct store_due *rows;
    size_t count = 0;
    struct err e = {0};
    const struct store_due_filter f = {.before = clock_china_date(clock_wall_ms()),
                                       .kind = DEADLINE_ACCEPT,
                                       .lead = a->config->region,
                                       .limit = REFRESH_CASES};
    if (a->stopped.code != 0 || ledger_reader(a->ledger) == NULL || ledger_check_writable(a->ledger, &e) != 0)
        return;
    int rc = store_list_dues(ledger_reader(a->ledger), &f, &mem, &rows, &count, &e);
    for (size_t i = 0; rc == 0 && i < count; i++)
        app_accept_by_law(a, rows[i].case_id);
    if (rc != 0)
        log_warn("deadline", NULL, e.id, "cannot read what is due: %s", e.message);
    arena_close(&mem);
}

static void check(void *ctx)
{
    struct app *a = ctx;
    refresh_some(a);
    accept_by_law(a);
    loop_timer_set(a->deadline_timer, a->refresh_count > 0 ? 1 : CHECK_MS);
}

void app_deadlines_open(struct app *a)
{
    uint64_t seed;
    crypto_random(&seed, sizeof seed);
    map_init(&a->calendars, seed);
    a->deadline_timer = loop_timer_create(a->loop, check, a);
}

void app_deadlines_start(struct app *a)
{
    loop_timer_set(a->deadline_timer, 0);
}

void app_deadlines_close(struct app *a)
{
    loop_timer_destroy(a->deadline_timer);
    free(a->refresh);
    size_t at = 0;
    void *value;
    while (map_next(&a->calendars, &at, NULL, &value)) {
        calendar_destroy(((struct node_calendar *)value)->calendar);
        free(value);
    }
    map_close(&a->calendars);
    calendar_destroy(a->calendar);
}

/* ---- publishing ---- */

struct import {
    struct app *a;
    app_command_cb cb;
    void *ctx;
    struct app_command_result result;
    struct err error;
    uint32_t division;
    struct loop_item later;
};

static void import_end(struct loop_item *item)
{
    struct import *i = container_of(item, struct import, later);
    i->cb(i->ctx, &i->result, &i->error);
    free(i);
}

static void import_committed(void *ctx, const struct err *e)
{
    struct import *i = ctx;
    i->error = *e;
    if (e->code == 0) {
        forget(i->a, i->a->config->region, i->division);
        refresh_all(i->a);
        log_info("calendar", NULL, "calendar.published", "division %u", i->division);
    }
    import_end(&i->later);
}

static int check_import(struct app *a, uint32_t division, struct bytes days, struct err *e)
{
    struct calendar *parsed = NULL;
    int rc = ledger_check_writable(a->ledger, e);
    if (rc == 0 && division != DIVISION_WHOLE && !division_contains(a->config->region, division))
        rc = err_set(e, ERR_INVALID, "calendar.division", "division %u does not belong to this node (%u)", division,
                     a->config->region);
    if (rc == 0 && days.size > NOTE_BYTES_MAX)
        rc = err_set(e, ERR_LIMIT, "calendar.size", "the calendar has %zu bytes, the limit is %u", days.size,
                     NOTE_BYTES_MAX);
    if (rc == 0)
        rc = calendar_parse(days, "calendar", &parsed, e);
    calendar_destroy(parsed);
    return rc;
}

void app_import_calendar(struct app *a, uint32_t division, struct bytes days, app_command_cb cb, void *ctx)
{
    struct import *i = xcalloc(1, sizeof *i);
    *i = (struct import){.a = a, .cb = cb, .ctx = ctx, .division = division};
    i->later.run = import_end;
    list_init(&i->later.link);
    if (check_import(a, division, days, &i->error) != 0) {
        loop_post(a->loop, &i->later);
        return;
    }
    struct ledger_txn *txn = ledger_txn_create(a->ledger);
    uint8_t raw[4];
    put_be32(raw, division);
    struct leaf leaf = {.kind = LEAF_KIND_EVENT, .event_type = PUBLIC_EVENT_CALENDAR};
    if (division != DIVISION_WHOLE) {
        leaf.attr_count = 1;
        leaf.attrs[0] = (struct leaf_attr){.tag = CASE_ATTR_DIVISION, .value = bytes_of(raw, sizeof raw)};
    }
    struct merkle_hash hash;
    uint32_t everyone = LEAF_NODE_ALL;
    ledger_txn_append(txn, &leaf, 0, &everyone, 1, days, NULL, &hash);
    struct store_note row = {.size = leaf.index, .note = arena_bytes(ledger_txn_arena(txn), days)};
    note_name(a->config->region, division, &row);
    ledger_txn_note(txn, &row);
    i->result.origin = a->config->region;
    i->result.first_index = leaf.index;
    i->result.count = 1;
    ledger_commit(txn, import_committed, i);
}

void app_calendar_entry(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn)
{
    struct calendar *parsed = NULL;
    struct err e = {0};
    uint32_t division = DIVISION_WHOLE, origin = entry->leaf.origin;
    for (unsigned i = 0; i < entry->leaf.attr_count; i++)
        if (entry->leaf.attrs[i].tag == CASE_ATTR_DIVISION && entry->leaf.attrs[i].value.size == 4)
            division = get_be32(entry->leaf.attrs[i].value.data);
    int rc = entry->payload_held && entry->payload.size <= NOTE_BYTES_MAX
                 ? calendar_parse(entry->payload, "calendar", &parsed, &e)
                 : err_set(&e, ERR_LIMIT, "calendar.size", "came with %zu bytes", entry->payload.size);
    calendar_destroy(parsed);
    if (rc != 0) {
        log_warn("calendar", NULL, e.id, "calendar of node %u is not used: %s", origin, e.message);
        return;
    }
    struct store_note row = {.size = entry->leaf.index, .note = arena_bytes(ledger_txn_arena(txn), entry->payload)};
    note_name(origin, division, &row);
    ledger_txn_note(txn, &row);
    a->calendar_changed = true; /* taken up when it is durable: app_calendars_stored() */
}

void app_calendars_stored(struct app *a)
{
    if (!a->calendar_changed)
        return;
    a->calendar_changed = false;
    size_t at = 0;
    void *value;
    while (map_next(&a->calendars, &at, NULL, &value)) {
        struct node_calendar *c = value;
        forget(a, c->node, c->division);
        at = 0;
    }
    refresh_all(a);
}

/* ---- reading ---- */

int app_get_calendar(struct app *a, uint32_t node, uint32_t division, uint32_t year, struct app_calendar_view *ret,
                     struct err *e)
{
    struct tables tables;
    if (year < 2000 || year > 2100)
        return err_set(e, ERR_INVALID, "calendar.year", "year %u is not between 2000 and 2100", year);
    node = node == 0 ? a->config->region : node;
    find_tables(a, node, division, &tables);
    *ret = (struct app_calendar_view){.node = node, .division = division, .year = year};
    ret->is_published = tables.count > 0 && tables.list[0] != a->calendar && calendar_has_year(tables.list[0], year);
    int32_t end = date_to_days(year * 10000 + 1231);
    for (int32_t day = date_to_days(year * 10000 + 101); day <= end; day++) {
        bool provisional = false;
        uint32_t date = date_from_days(day);
        bool works = is_working_day(&tables, date, &provisional);
        unsigned weekday = date_weekday(date);
        ret->working_days += works;
        ret->is_provisional |= provisional;
        if (works == (weekday == 0 || weekday == 6) && ret->day_count < array_count(ret->days))
            ret->days[ret->day_count++] = (struct app_calendar_day){.date = date, .is_working = works};
    }
    return 0;
}

int app_count_dues(struct app *a, uint64_t *ret_red, uint64_t *ret_yellow, uint64_t *ret_all)
{
    struct store_reader *reader = ledger_reader(a->ledger);
    struct err e = {0};
    return reader == NULL
               ? ERR_CLOSED
               : store_count_dues(reader, clock_china_date(clock_wall_ms()), ret_red, ret_yellow, ret_all, &e);
}
