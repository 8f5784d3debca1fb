/* Queries about cases (see app.h): views of the folded state and of every event with its effect.
 *
 * Only what is durable is shown. A case with something in flight is read from the store apart, which sees committed
 * entries only; every other one is answered from the cache.
 */
#include <stdio.h>
#include <string.h>

#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/cases/deadline.h"
#include "node/mask.h"

int app_committed_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct casefile **ret,
                       struct casefile **ret_apart, struct case_slot **ret_slot, struct err *e)
{
    *ret_apart = NULL;
    int rc = app_check_reader(a, e);
    if (rc == 0)
        rc = case_cache_get(a->cases, a->ledger, case_id, ret_slot, e);
    if (rc != 0)
        return rc;
    *ret = (*ret_slot)->file;
    if (case_cache_in_flight(*ret_slot, a->ledger)) {
        const struct case_fork *forks;
        size_t fork_count = case_cache_forks(a->cases, &forks);
        rc = case_file_load(ledger_reader(a->ledger), case_id, forks, fork_count, ret_apart, e);
        if (rc != 0)
            return rc;
        *ret = *ret_apart;
    }
    const struct case_state *state = casefile_state(*ret);
    if ((state->root == NULL && state->pending_count == 0) || !app_shows_case(a, case_id, *ret)) {
        casefile_destroy(*ret_apart);
        *ret_apart = NULL;
        char hex[2 * CASE_ID_SIZE + 1];
        hex_encode(case_id, CASE_ID_SIZE, hex);
        return err_set(e, ERR_NOT_FOUND, "case.unknown", "case %s is not held here", hex);
    }
    return 0;
}

uint64_t app_case_version(struct app *a, const uint8_t case_id[CASE_ID_SIZE])
{
    struct casefile *file, *apart;
    struct case_slot *slot;
    struct err e = {0};
    if (app_committed_case(a, case_id, &file, &apart, &slot, &e) != 0)
        return UINT64_MAX;
    const struct case_state *state = casefile_state(file);
    uint64_t version = (uint64_t)state->event_count + state->pending_count;
    casefile_destroy(apart);
    return version;
}

static const char *level_name(uint8_t level)
{
    return level == CASE_LEVEL_SEQUENCED ? "sequenced" : "tentative";
}

static void row_view(const struct store_case *row, struct app_case_view *ret)
{
    *ret = (struct app_case_view){.receiving = row->receiving,
                                  .lead = row->lead,
                                  .division = row->division,
                                  .status = row->status,
                                  .status_name = case_status_name((uint8_t)row->status),
                                  .status_chinese = case_status_chinese((uint8_t)row->status),
                                  .level_name = level_name(row->level),
                                  .contested = (row->flags & 1) != 0,
                                  .frozen = (row->flags & 2) != 0,
                                  .created_ms = row->created_ms,
                                  .updated_ms = row->updated_ms,
                                  .event_count = row->event_count,
                                  .version = row->event_count};
    memcpy(ret->case_id, row->case_id, sizeof ret->case_id);
    memcpy(ret->digest, row->digest, sizeof ret->digest);
    memcpy(ret->number, row->number, sizeof ret->number);
    memcpy(ret->item_code, row->item_code, sizeof ret->item_code);
    memcpy(ret->item_name, row->item_name, sizeof ret->item_name);
}

/* The row that is kept of what is due next. */
static void fill_due(struct app *a, uint32_t today, struct app_case_view *ret)
{
    struct store_due row;
    if (store_read_due(ledger_reader(a->ledger), ret->case_id, &row, NULL) != 0)
        return;
    const struct deadline d = {.kind = row.kind, .due = row.due, .warn = row.warn};
    ret->has_due = true;
    ret->due = (struct app_due_view){.kind = deadline_name(row.kind),
                                     .chinese = deadline_chinese(row.kind),
                                     .source = "",
                                     .colour = deadline_colour_name((uint8_t)deadline_colour(&d, today)),
                                     .due = row.due,
                                     .is_provisional = row.is_provisional};
}

static void due_view(struct app *a, const struct case_state *state, const struct deadline *d, uint32_t today,
                     struct app_due_view *ret)
{
    bool runs = !d->is_met && !d->is_stopped;
    *ret = (struct app_due_view){.kind = deadline_name(d->kind),
                                 .chinese = deadline_chinese(d->kind),
                                 .source = deadline_source(d->kind),
                                 .colour = deadline_colour_name((uint8_t)deadline_colour(d, today)),
                                 .from = d->from,
                                 .due = d->due,
                                 .met = d->met,
                                 .days = d->days,
                                 .stopped_days = d->stopped_days,
                                 .unit = d->unit,
                                 .days_left = runs ? app_days_left(a, state, d, today) : 0,
                                 .is_stopped = d->is_stopped,
                                 .is_provisional = d->is_provisional};
}

static void fill_deadlines(struct app *a, struct casefile *file, struct arena *mem, struct app_case_view *ret)
{
    struct deadlines all;
    uint32_t today = clock_china_date(clock_wall_ms());
    const struct case_state *state = casefile_state(file);
    app_deadlines(a, file, &all);
    struct app_due_view *list = arena_alloc(mem, (all.count + 1) * sizeof *list);
    const struct deadline *next = deadline_next(&all);
    for (unsigned i = 0; i < all.count; i++) {
        due_view(a, state, &all.rows[i], today, &list[i]);
        if (&all.rows[i] == next) {
            ret->has_due = true;
            ret->due = list[i];
        }
    }
    ret->deadlines = list;
    ret->deadline_count = all.count;
}

static int event_view(struct app *a, const struct case_effect *effect, struct arena *mem,
                      struct app_case_event_view *ret, struct err *e)
{
    const struct case_held *h = effect->event;
    *ret = (struct app_case_event_view){.origin = h->origin,
                                        .index = h->index,
                                        .at_ms = h->hlc >> 16,
                                        .type = h->type,
                                        .role = h->role,
                                        .effect = case_effect_name(effect->kind),
                                        .sequenced = effect->sequenced};
    memcpy(ret->id, h->id, sizeof ret->id);
    char text[CASE_EXPLAIN_SIZE];
    ret->explanation = arena_strdup(mem, case_effect_explain(effect, text, sizeof text));
    case_event_of_held(h, &ret->attrs);

    struct store_entry entry;
    int rc = store_read_entry(ledger_reader(a->ledger), h->origin, h->index, mem, &entry, e);
    if (rc != 0)
        return rc;
    struct bytes plain;
    enum app_content content;
    rc = app_open_payload(a, &entry, mem, &plain, &content, e);
    if (rc != 0)
        return rc;
    ret->content = (uint8_t)content;
    if (plain.size > 0)
        ret->payload = mask_payload(plain, mem);
    return 0;
}

/* Through whose hands the case went (转办): where it was taken in, where it arrived, whom it was handed to. */
static void fill_custody(const struct case_effect *effects, size_t count, struct arena *mem, struct app_case_view *ret)
{
    struct app_custody_view *list = arena_alloc(mem, (count + 1) * sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct case_held *h = effects[i].event;
        uint32_t node = 0;
        if (h->type == CASE_EVENT_SUBMIT || h->type == CASE_EVENT_RECEIPT)
            node = h->origin;
        else if (h->type == CASE_EVENT_HANDOVER || h->type == CASE_EVENT_SUPERVISE)
            node = h->lead;
        if (node != 0 && effects[i].kind == CASE_EFFECT_OK)
            list[n++] = (struct app_custody_view){.node = node, .since_ms = h->hlc >> 16, .type = h->type};
    }
    ret->custody = list;
    ret->custody_count = n;
}

static void fill_facts(const struct case_state *s, struct app_case_view *ret)
{
    ret->mode = s->mode;
    ret->pending_count = s->pending_count;
    ret->flags = s->flags;
    ret->grade = s->grade;
    ret->grade_deciding = s->grade_deciding;
    ret->extend_days = s->extend_days;
    ret->lacking_days = s->lacking_days;
    ret->terms = s->terms;
    ret->has_limits = s->limits != NULL;
    if (s->limits != NULL)
        memcpy(ret->limits, s->limits, sizeof ret->limits);
    ret->has_parent = s->parent != NULL;
    if (s->parent != NULL)
        memcpy(ret->parent, s->parent, sizeof ret->parent);
}

/* The version of the item that the case was made under, and the one that is published now. */
static void fill_versions(struct app *a, struct casefile *file, struct arena *mem, struct app_case_view *ret)
{
    const struct case_state *state = casefile_state(file);
    struct store_item item;
    if (state->root == NULL)
        return;
    ret->item_version = state->root->item_version;
    uint32_t node;
    const char *code;
    if (app_bundle_of_item(state->item_code, &node, &code)) {
        ret->item_version_now = app_bundle_version(a, node, code);
        return;
    }
    if (store_read_item(ledger_reader(a->ledger), state->root->lead, state->item_code, mem, &item, NULL) == 0)
        ret->item_version_now = item.withdrawn ? 0 : item.version;
}

static bool was_accepted(const struct case_effect *effects, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (effects[i].kind == CASE_EFFECT_OK && effects[i].event->type == CASE_EVENT_ACCEPT)
            return true;
    return false;
}

static int get_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE], size_t last, struct arena *mem,
                    struct app_case_view *ret, struct err *e)
{
    struct casefile *file, *apart;
    struct case_slot *slot;
    int rc = app_committed_case(a, case_id, &file, &apart, &slot, e);
    if (rc != 0)
        return rc;
    app_fill_item_name(a, slot);
    struct store_case row;
    struct app_case_view view;
    case_row_of(file, case_id, slot->item_name, &row);
    row_view(&row, &view);
    fill_facts(casefile_state(file), &view);
    app_fill_parts(a, casefile_state(file), mem, &view);
    fill_versions(a, file, mem, &view);

    const struct case_effect *effects;
    size_t count = casefile_effects(file, &effects);
    view.status_number = case_status_number((uint8_t)view.status, was_accepted(effects, count));
    fill_custody(effects, count, mem, &view);
    fill_deadlines(a, file, mem, &view);
    view.events_listed = min_of(count, last);
    struct app_case_event_view *events = arena_alloc(mem, (view.events_listed + 1) * sizeof *events);
    for (size_t i = 0; rc == 0 && i < view.events_listed; i++)
        rc = event_view(a, &effects[count - view.events_listed + i], mem, &events[i], e);
    view.events = events;
    casefile_destroy(apart);
    if (rc == 0)
        *ret = view;
    return rc;
}

/* In one snapshot: several reads for each event, each of which would take and give back the database's locks. */
int app_get_case_last(struct app *a, const uint8_t case_id[CASE_ID_SIZE], size_t last, struct arena *mem,
                      struct app_case_view *ret, struct err *e)
{
    struct store_reader *reader = ledger_reader(a->ledger);
    bool begun = reader != NULL && store_read_begin(reader, NULL) == 0;
    int rc = get_case(a, case_id, last, mem, ret, e);
    if (begun)
        store_read_end(reader);
    return rc;
}

int app_get_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct arena *mem, struct app_case_view *ret,
                 struct err *e)
{
    return app_get_case_last(a, case_id, SIZE_MAX, mem, ret, e);
}

int app_get_payload(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t origin, uint64_t index,
                    const char *purpose, struct arena *mem, struct bytes *ret, struct err *e)
{
    struct store_entry entry;
    int rc = app_check_reader(a, e);
    if (rc == 0)
        rc = store_read_entry(ledger_reader(a->ledger), origin, index, mem, &entry, e);
    if (rc != 0)
        return rc;
    if (!entry.has_case || memcmp(entry.case_id, case_id, CASE_ID_SIZE) != 0)
        return err_set(e, ERR_NOT_FOUND, "case.no-event", "entry %llu of node %u is no event of this case",
                       (unsigned long long)index, origin);
    struct bytes plain;
    enum app_content content;
    rc = app_open_payload(a, &entry, mem, &plain, &content, e);
    if (rc != 0)
        return rc;
    if (content == APP_CONTENT_NONE)
        return err_set(e, ERR_NOT_FOUND, "case.no-payload", "entry %llu of node %u has no content",
                       (unsigned long long)index, origin);
    if (content == APP_CONTENT_ERASED)
        return err_set(e, ERR_NOT_FOUND, "case.erased", "the content of entry %llu of node %u has been erased",
                       (unsigned long long)index, origin);
    if (content == APP_CONTENT_NO_KEY)
        return err_set(e, ERR_BUSY, "case.key-missing",
                       "the key of this case has not arrived yet; the other participants are being asked for it");
    char hex[2 * CASE_ID_SIZE + 1];
    hex_encode(case_id, CASE_ID_SIZE, hex);
    log_info("access", hex, "case.payload-read", "content of entry %u/%llu was read, purpose '%s'", origin,
             (unsigned long long)index, purpose);
    *ret = plain;
    return 0;
}

/* A whole id that the store was asked for before: most events are written to a case in use, and a look-up in the store
 * costs as much as the fold. */
static bool is_listed(const struct app *a, struct bytes id)
{
    const struct case_slot *slot = id.size == CASE_ID_SIZE ? case_cache_find(a->cases, id.data) : NULL;
    return slot != NULL && slot->is_listed;
}

static void found_case(struct app *a, const struct store_case *row, uint8_t ret_case_id[CASE_ID_SIZE])
{
    struct case_slot *slot = case_cache_find(a->cases, row->case_id);
    if (slot != NULL)
        slot->is_listed = true;
    memcpy(ret_case_id, row->case_id, CASE_ID_SIZE);
}

int app_find_case(struct app *a, const char *ref, uint8_t ret_case_id[CASE_ID_SIZE], struct err *e)
{
    struct store_case row;
    uint8_t prefix[CASE_ID_SIZE];
    size_t size = 0;
    size_t length = strlen(ref);
    int rc = app_check_reader(a, e);
    if (rc != 0)
        return rc;
    if (length >= 8 && length <= 2 * CASE_ID_SIZE && hex_decode(ref, length, prefix, sizeof prefix, &size) == 0) {
        if (is_listed(a, bytes_of(prefix, size))) {
            memcpy(ret_case_id, prefix, CASE_ID_SIZE);
            return 0;
        }
        rc = store_find_case(ledger_reader(a->ledger), bytes_of(prefix, size), NULL, &row, e);
        if (rc != ERR_NOT_FOUND) {
            if (rc == 0)
                found_case(a, &row, ret_case_id);
            return rc;
        }
    }
    rc = store_find_case(ledger_reader(a->ledger), bytes_of(NULL, 0), ref, &row, e);
    if (rc == ERR_NOT_FOUND)
        return err_set(e, ERR_NOT_FOUND, "case.unknown",
                       "no case '%.64s' is held here (32 hex digits, a prefix of an even number of at least 8, or the "
                       "case number 办件编码)",
                       ref);
    if (rc == 0)
        found_case(a, &row, ret_case_id);
    return rc;
}

/* Along what is due: the longest overdue first. */
static int list_overdue(struct app *a, const struct app_case_filter *f, const struct store_case_filter *filter,
                        struct arena *mem, struct app_case_list *ret, struct err *e)
{
    uint32_t today = clock_china_date(clock_wall_ms());
    const struct store_due_filter due = {.before = today, .lead = filter->lead, .skip = f->before, .limit = f->limit};
    struct store_due *rows;
    size_t count = 0;
    if (f->status != NULL || f->item_code != NULL)
        return err_set(e, ERR_INVALID, "case.filter",
                       "overdue cases can be chosen by role only, not by status or item");
    int rc = store_list_dues(ledger_reader(a->ledger), &due, mem, &rows, &count, e);
    *ret = (struct app_case_list){.rows = arena_alloc(mem, (count + 1) * sizeof *ret->rows)};
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct store_case row;
        rc = store_read_case(ledger_reader(a->ledger), rows[i].case_id, &row, e);
        if (rc != 0 || (filter->receiving != 0 && row.receiving != filter->receiving))
            continue;
        row_view(&row, &ret->rows[ret->count]);
        fill_due(a, today, &ret->rows[ret->count++]);
    }
    ret->next_before = rc == 0 && count == f->limit ? f->before + count : 0;
    return rc;
}

int app_list_cases(struct app *a, const struct app_case_filter *f, struct arena *mem, struct app_case_list *ret,
                   struct err *e)
{
    struct store_case_filter filter = {.before_no = f->before, .limit = f->limit};
    int rc = app_check_reader(a, e);
    if (rc != 0)
        return rc;
    if (f->status != NULL) {
        filter.status = case_status_from_name(f->status);
        if (filter.status == CASE_STATUS_NONE)
            return err_set(e, ERR_INVALID, "case.status", "'%.64s' is no status of a case", f->status);
    }
    if (f->role != NULL && strcmp(f->role, "receiving") == 0)
        filter.receiving = a->config->region;
    else if (f->role != NULL && strcmp(f->role, "deciding") == 0)
        filter.lead = a->config->region;
    else if (f->role != NULL)
        return err_set(e, ERR_INVALID, "case.role", "'%.64s' is not one of receiving, deciding", f->role);
    if (f->item_code != NULL)
        (void)snprintf(filter.item_code, sizeof filter.item_code, "%s", f->item_code);

    if (f->overdue)
        return list_overdue(a, f, &filter, mem, ret, e);

    struct store_case_list list;
    rc = store_list_cases(ledger_reader(a->ledger), &filter, mem, &list, e);
    if (rc != 0)
        return rc;
    ret->rows = arena_alloc(mem, (list.count + 1) * sizeof *ret->rows);
    ret->count = list.count;
    ret->next_before = list.next_before_no;
    uint32_t today = clock_china_date(clock_wall_ms());
    for (size_t i = 0; i < list.count; i++) {
        row_view(&list.rows[i], &ret->rows[i]);
        fill_due(a, today, &ret->rows[i]);
    }
    return 0;
}
