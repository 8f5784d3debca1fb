/* /v1/cases, reading: lists, one case with its events, and the long poll that waits for a change. */
#include "node/http/api.h"

#include <string.h>

#include "node/base/date.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/cases/casefile.h"
#include "node/cases/deadline.h"
#include "node/cases/status.h"
#include "node/http/names.h"

#define ROWS_DEFAULT 50
#define WAIT_MS_DEFAULT 30000
#define PURPOSE_BYTES_MAX 128

/* {"decide":{"days":20,"unit":"working"},…} */
static void put_limits(struct json_out *out, yyjson_mut_val *to, const uint8_t limits[CASE_LIMITS_SIZE])
{
    for (unsigned i = 0; i < CASE_LIMIT_COUNT; i++) {
        struct case_limit limit = case_limit_get(limits, i);
        if (limit.unit == CASE_UNIT_NONE)
            continue;
        yyjson_mut_val *o = json_put_object(out, to, case_limit_name(i));
        json_put_u64(out, o, "days", limit.days);
        json_put_string(out, o, "unit", names_text(names_units, limit.unit));
    }
}

/* Attributes that the type does not use are left out. */
static void put_attrs(struct json_out *out, yyjson_mut_val *to, const struct case_event *a)
{
    if (a->lead != 0)
        json_put_u64(out, to, "lead", a->lead);
    if (a->division != 0)
        json_put_u64(out, to, "division", a->division);
    if (a->item_code[0] != '\0')
        json_put_string(out, to, "item_code", a->item_code);
    if (a->item_version != 0)
        json_put_u64(out, to, "item_version", a->item_version);
    if (a->mode != 0)
        json_put_string(out, to, "mode", names_text(names_modes, a->mode));
    if (a->decision != 0)
        json_put_string(out, to, "decision", names_text(names_decisions, a->decision));
    if (a->grade != 0)
        json_put_u64(out, to, "grade", a->grade);
    if (a->channel != 0)
        json_put_string(out, to, "channel", names_text(names_channels, a->channel));
    if (a->pause_kind != 0)
        json_put_u64(out, to, "pause_kind", a->pause_kind);
    if (a->expected_days != 0)
        json_put_u64(out, to, "expected_days", a->expected_days);
    if (a->unit != 0)
        json_put_string(out, to, "unit", names_text(names_units, a->unit));
    if (a->extend_days != 0)
        json_put_u64(out, to, "extend_days", a->extend_days);
    if (a->lacking_days != 0)
        json_put_u64(out, to, "lacking_days", a->lacking_days);
    if (a->promise != 0)
        json_put_bool(out, to, "promise", true);
    if (a->side != 0)
        json_put_string(out, to, "side", names_text(names_sides, a->side));
    if (a->review != 0)
        json_put_string(out, to, "review", names_text(names_reviews, a->review));
    if (a->demands != 0)
        json_put_u64(out, to, "demands", a->demands);
    if (a->terms != 0)
        json_put_u64(out, to, "terms", a->terms);
    if (a->told != 0)
        json_put_u64(out, to, "told", a->told);
    if (a->has_official)
        json_put_hex(out, to, "official", a->official, sizeof a->official);
    if (a->has_limits)
        put_limits(out, json_put_object(out, to, "limits"), a->limits);
    if (a->has_parent)
        json_put_hex(out, to, "parent", a->parent, sizeof a->parent);
    if (a->has_part)
        json_put_hex(out, to, "part", a->part, sizeof a->part);
    if (a->number[0] != '\0')
        json_put_string(out, to, "number", a->number);
    if (a->reason[0] != '\0')
        json_put_string(out, to, "reason_code", a->reason);
    if (a->has_request)
        json_put_hex(out, to, "request", a->request, sizeof a->request);
    if (a->has_file)
        json_put_hex(out, to, "file", a->file, sizeof a->file);
    if (a->has_last_leaf)
        json_put_u64(out, to, "last_leaf", a->last_leaf);
}

static void put_event(struct json_out *out, yyjson_mut_val *to, const struct app_case_event_view *v)
{
    json_put_u64(out, to, "origin", v->origin);
    json_put_u64(out, to, "index", v->index);
    json_put_hex(out, to, "id", v->id, sizeof v->id);
    json_put_time(out, to, "written", v->at_ms);
    const char *name = case_event_name(v->type);
    json_put_string(out, to, "type", name != NULL ? name : arena_printf(out->mem, "%u", v->type));
    json_put_string(out, to, "chinese", case_event_chinese(v->type));
    json_put_string(out, to, "role", case_role_name(v->role));
    json_put_string(out, to, "effect", v->effect);
    json_put_string(out, to, "explanation", v->explanation);
    json_put_bool(out, to, "sequenced", v->sequenced);
    put_attrs(out, json_put_object(out, to, "attributes"), &v->attrs);
    json_put_json(out, to, "payload", v->payload);
}

static void put_events(struct json_out *out, yyjson_mut_val *to, const struct app_case_view *v)
{
    yyjson_mut_val *list = json_put_array(out, to, "events");
    for (size_t i = 0; i < v->events_listed; i++)
        put_event(out, json_put_object(out, list, NULL), &v->events[i]);
}

static void put_date(struct json_out *out, yyjson_mut_val *to, const char *key, uint32_t date)
{
    char text[DATE_TEXT_SIZE];
    if (date != 0)
        date_format(date, text);
    json_put_string(out, to, key, date != 0 ? arena_strdup(out->mem, text) : NULL);
}

static void put_due(struct json_out *out, yyjson_mut_val *o, const struct app_due_view *v, bool whole)
{
    json_put_string(out, o, "kind", v->kind);
    json_put_string(out, o, "chinese", v->chinese);
    put_date(out, o, "due", v->due);
    json_put_string(out, o, "colour", v->colour);
    json_put_bool(out, o, "provisional", v->is_provisional);
    if (!whole)
        return;
    put_date(out, o, "from", v->from);
    put_date(out, o, "met", v->met);
    json_put_u64(out, o, "days", v->days);
    json_put_string(out, o, "unit", names_text(names_units, v->unit));
    json_put_u64(out, o, "stopped_days", v->stopped_days);
    json_put_bool(out, o, "stopped", v->is_stopped);
    json_put_i64(out, o, "days_left", v->days_left);
    json_put_string(out, o, "source", v->source);
}

static void put_case(struct json_out *out, yyjson_mut_val *to, const struct app_case_view *v)
{
    json_put_hex(out, to, "case", v->case_id, sizeof v->case_id);
    json_put_string(out, to, "number", v->number[0] != '\0' ? v->number : NULL);
    json_put_string(out, to, "item_code", v->item_code);
    json_put_string(out, to, "item_name", v->item_name);
    json_put_string(out, to, "status", v->status_name);
    json_put_string(out, to, "status_chinese", v->status_chinese);
    json_put_string(out, to, "level", v->level_name);
    json_put_u64(out, to, "receiving", v->receiving);
    json_put_u64(out, to, "lead", v->lead);
    json_put_u64(out, to, "division", v->division);
    json_put_string(out, to, "mode", names_text(names_modes, v->mode));
    json_put_bool(out, to, "contested", v->contested);
    json_put_bool(out, to, "frozen", v->frozen);
    json_put_time(out, to, "created", v->created_ms);
    json_put_time(out, to, "updated", v->updated_ms);
    json_put_u64(out, to, "event_count", v->event_count);
    json_put_u64(out, to, "pending_count", v->pending_count);
    json_put_hex(out, to, "digest", v->digest, sizeof v->digest);
    json_put_u64(out, to, "version", v->version);
    if (v->has_due)
        put_due(out, json_put_object(out, to, "due"), &v->due, v->deadlines != NULL);
    else
        json_put_null(out, to, "due");
}

static void put_flags(struct json_out *out, yyjson_mut_val *to, uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *text;
    } names[] = {
#define X(name, bit, text) {name, text},
        CASE_FLAGS(X)
#undef X
    };
    yyjson_mut_val *list = json_put_array(out, to, "flags");
    for (size_t i = 0; i < array_count(names); i++)
        if ((flags & names[i].flag) != 0)
            json_put_string(out, list, NULL, names[i].text);
}

static void put_grade(struct json_out *out, yyjson_mut_val *to, const char *side, uint8_t grade)
{
    if (grade != 0)
        json_put_u64(out, to, side, grade);
    else
        json_put_null(out, to, side);
}

static void put_progress(struct json_out *out, yyjson_mut_val *to, const struct app_case_view *v)
{
    if (v->part_count == 0) {
        json_put_null(out, to, "progress");
        return;
    }
    yyjson_mut_val *o = json_put_object(out, to, "progress");
    json_put_u64(out, o, "parts", v->part_count);
    json_put_u64(out, o, "open", v->progress.open);
    json_put_u64(out, o, "granted", v->progress.granted);
    json_put_u64(out, o, "denied", v->progress.denied);
    json_put_u64(out, o, "lapsed", v->progress.lapsed);
    json_put_string(out, o, "state", v->progress.state);
    json_put_string(out, o, "chinese", v->progress.chinese);
}

/* What only the view of one case has. */
static void put_facts(struct json_out *out, yyjson_mut_val *to, const struct app_case_view *v)
{
    json_put_u64(out, to, "status_number", v->status_number);
    put_flags(out, to, v->flags);
    yyjson_mut_val *grades = json_put_object(out, to, "grades");
    put_grade(out, grades, "receiving", v->grade);
    put_grade(out, grades, "deciding", v->grade_deciding);
    if (v->has_limits)
        put_limits(out, json_put_object(out, to, "limits"), v->limits);
    if (v->extend_days != 0)
        json_put_u64(out, to, "extend_days", v->extend_days);
    if (v->lacking_days != 0)
        json_put_u64(out, to, "lacking_days", v->lacking_days);
    yyjson_mut_val *terms = json_put_array(out, to, "terms");
    for (const struct names_row *row = names_terms; row->text != NULL; row++)
        if ((v->terms & row->value) != 0)
            json_put_string(out, terms, NULL, row->text);
    yyjson_mut_val *deadlines = json_put_array(out, to, "deadlines");
    for (size_t i = 0; i < v->deadline_count; i++)
        put_due(out, json_put_object(out, deadlines, NULL), &v->deadlines[i], true);
    if (v->has_parent)
        json_put_hex(out, to, "parent", v->parent, sizeof v->parent);
    yyjson_mut_val *parts = json_put_array(out, to, "parts");
    for (size_t i = 0; i < v->part_count; i++) {
        yyjson_mut_val *o = json_put_object(out, parts, NULL);
        json_put_hex(out, o, "case", v->parts[i].case_id, CASE_ID_SIZE);
        json_put_string(out, o, "decision", names_text(names_part_ends, v->parts[i].decision));
        json_put_string(out, o, "noted", names_text(names_part_ends, v->parts[i].noted));
        json_put_string(out, o, "status", v->parts[i].status_name);
    }
    put_progress(out, to, v);
    yyjson_mut_val *custody = json_put_array(out, to, "custody");
    for (size_t i = 0; i < v->custody_count; i++) {
        yyjson_mut_val *o = json_put_object(out, custody, NULL);
        json_put_u64(out, o, "node", v->custody[i].node);
        json_put_time(out, o, "since", v->custody[i].since_ms);
        json_put_string(out, o, "by", case_event_name(v->custody[i].type));
        json_put_string(out, o, "chinese", case_event_chinese(v->custody[i].type));
    }
}

/* A case stays under the version of its item that it was made under; whoever works on it is told of a newer one. */
static void put_item_versions(struct json_out *out, yyjson_mut_val *warnings, const struct app_case_view *v)
{
    json_put_u64(out, out->root, "item_version", v->item_version);
    if (v->item_version_now != 0)
        json_put_u64(out, out->root, "item_version_now", v->item_version_now);
    else
        json_put_null(out, out->root, "item_version_now");
    if (v->item_version_now == 0)
        json_put_string(out, warnings, NULL, "the item is not published any more");
    else if (v->item_version != 0 && v->item_version_now != v->item_version)
        json_put_string(
            out, warnings, NULL,
            arena_printf(out->mem,
                         "the item has version %u now; this case was made under version %u and stays under it",
                         v->item_version_now, v->item_version));
}

const struct app_case_event_view *api_last_event(const struct app_case_view *v, uint16_t type)
{
    const struct app_case_event_view *found = NULL;
    for (size_t i = 0; i < v->events_listed; i++)
        if (v->events[i].type == type && strcmp(v->events[i].effect, "ok") == 0)
            found = &v->events[i];
    return found;
}

/* As the last acceptance that counts says, if it is among the events that are listed. */
static void put_lacking(struct request *r, struct json_out *out, const struct app_case_view *v)
{
    const struct app_case_event_view *accept = api_last_event(v, CASE_EVENT_ACCEPT);
    if (accept != NULL && accept->attrs.lacking_days != 0)
        api_put_lacking(r, out, out->root, deadline_date_of_hlc(accept->at_ms << 16), accept->payload);
}

/* What became of parts that the whole's lead has to look at. */
static void put_part_warnings(struct json_out *out, yyjson_mut_val *warnings, const struct app_case_view *v)
{
    for (size_t i = 0; i < v->part_count; i++) {
        char hex[2 * CASE_ID_SIZE + 1];
        hex_encode(v->parts[i].case_id, CASE_ID_SIZE, hex);
        if (v->parts[i].decision == CASE_PART_LAPSED)
            json_put_string(
                out, warnings, NULL,
                arena_printf(out->mem,
                             "part %s was granted and is not any more (分件失效): what becomes of the whole "
                             "is for node %u to decide",
                             hex, v->lead));
    }
    if (v->part_count > 0 && v->progress.open > 0 && v->progress.is_over)
        json_put_string(out, warnings, NULL,
                        arena_printf(out->mem, "the whole is %s (%s), and %zu of its parts are open (分件未办结)",
                                     v->status_name, v->status_chinese, v->progress.open));
}

static int reply_case(struct request *r, const struct app_case_view *v)
{
    struct json_out out = json_out_open(&r->mem);
    put_case(&out, out.root, v);
    put_facts(&out, out.root, v);
    yyjson_mut_val *warnings = json_put_array(&out, out.root, "warnings");
    put_item_versions(&out, warnings, v);
    put_part_warnings(&out, warnings, v);
    put_lacking(r, &out, v);
    put_events(&out, out.root, v);
    request_reply_json(r, 200, &out);
    return 0;
}

int api_list_cases(struct request *r, struct err *e)
{
    uint64_t limit = ROWS_DEFAULT;
    struct app_case_filter f = {
        .status = request_param(r, "status"), .role = request_param(r, "role"), .item_code = request_param(r, "item")};
    if (f.status != NULL && case_status_from_name(f.status) == CASE_STATUS_NONE)
        return err_set(e, ERR_INVALID, "http.parameter", "parameter 'status' is '%.64s', there is no such state",
                       f.status);
    if (f.role != NULL && strcmp(f.role, "receiving") != 0 && strcmp(f.role, "deciding") != 0)
        return err_set(e, ERR_INVALID, "http.parameter",
                       "parameter 'role' is '%.64s', it must be one of: receiving, deciding", f.role);
    if (f.item_code != NULL && f.item_code[0] == '\0')
        return err_set(e, ERR_INVALID, "http.parameter", "parameter 'item' is empty, it must be the code of an item");
    const char *overdue = request_param(r, "overdue");
    if (overdue != NULL && strcmp(overdue, "true") != 0)
        return err_set(e, ERR_INVALID, "http.parameter", "parameter 'overdue' is '%.64s', it must be 'true'", overdue);
    f.overdue = overdue != NULL;
    int rc = request_param_u64(r, "limit", 1, LIST_ROWS_MAX, &limit, e);
    if (rc == 0)
        rc = request_param_u64(r, "before", 1, UINT64_MAX, &f.before, e);
    if (rc != 0)
        return rc;
    f.limit = (size_t)limit;

    struct app_case_list list = {0};
    rc = app_list_cases(r->app, &f, &r->mem, &list, e);
    if (rc != 0)
        return rc;

    struct json_out out = json_out_open(&r->mem);
    yyjson_mut_val *rows = json_put_array(&out, out.root, "cases");
    for (size_t i = 0; i < list.count; i++)
        put_case(&out, json_put_object(&out, rows, NULL), &list.rows[i]);
    if (list.next_before != 0)
        json_put_u64(&out, out.root, "next", list.next_before);
    else
        json_put_null(&out, out.root, "next");
    request_reply_json(r, 200, &out);
    return 0;
}

static void watch_cb(void *ctx, bool changed)
{
    /* Changed or not, the answer is the case as it is now; the client compares `version`. */
    (void)changed;
    struct request *r = ctx;
    struct app_case_view v = {0};
    struct err e = {0};
    if (app_get_case_last(r->app, r->case_id, r->case_last, &r->mem, &v, &e) == 0)
        (void)reply_case(r, &v);
    else
        request_reply_error(r, &e);
    request_finish(r);
}

static void cancel_watch(struct request *r)
{
    app_unwatch(r->app, r->watch_ticket);
}

static void hurry_watch(struct request *r)
{
    cancel_watch(r);
    watch_cb(r, false);
}

int api_get_case(struct request *r, struct err *e)
{
    bool wait = request_param(r, "wait") != NULL;
    uint64_t version = 0, timeout_ms = WAIT_MS_DEFAULT;
    int rc = request_param_u64(r, "wait", 0, UINT64_MAX, &version, e);
    if (rc == 0)
        rc = request_param_u64(r, "timeout_ms", 1, HTTP_WAIT_MS_MAX, &timeout_ms, e);
    if (rc == 0 && !wait && request_param(r, "timeout_ms") != NULL)
        rc = err_set(e, ERR_INVALID, "http.parameter", "parameter 'timeout_ms' needs 'wait' beside it");
    r->case_last = UINT64_MAX;
    if (rc == 0)
        rc = request_param_u64(r, "last", 0, LIST_ROWS_MAX, &r->case_last, e);
    if (rc == 0)
        rc = app_find_case(r->app, r->args[0], r->case_id, e);
    if (rc != 0)
        return rc;

    if (!wait || app_case_version(r->app, r->case_id) > version) {
        struct app_case_view v = {0};
        rc = app_get_case_last(r->app, r->case_id, r->case_last, &r->mem, &v, e);
        return rc != 0 ? rc : reply_case(r, &v);
    }
    arena_close(&r->mem); /* a long poll keeps nothing of what asked for it */
    r->args[0] = NULL;
    request_wait(r);
    r->cancel_cb = cancel_watch;
    r->hurry_cb = hurry_watch;
    r->watch_ticket = app_watch(r->app, r->case_id, version, (uint32_t)timeout_ms, watch_cb, r);
    return 0;
}

int api_list_case_events(struct request *r, struct err *e)
{
    uint8_t id[CASE_ID_SIZE];
    struct app_case_view v = {0};
    int rc = app_find_case(r->app, r->args[0], id, e);
    if (rc == 0)
        rc = app_get_case(r->app, id, &r->mem, &v, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    json_put_hex(&out, out.root, "case", id, sizeof id);
    json_put_u64(&out, out.root, "version", v.version);
    put_events(&out, out.root, &v);
    request_reply_json(r, 200, &out);
    return 0;
}

/* Why somebody reads goes to the operator's log, which is to hold no identity or telephone number. */
int api_check_purpose(const char *purpose, struct err *e)
{
    if (purpose == NULL || purpose[0] == '\0' || strlen(purpose) > PURPOSE_BYTES_MAX)
        return err_set(e, ERR_INVALID, "http.purpose", "parameter 'purpose' must say in 1 to %d bytes why this is read",
                       PURPOSE_BYTES_MAX);
    return names_check_words("parameter 'purpose'", "http.purpose", purpose, e);
}

/* The content of one event with nothing masked. Who reads it must say why: that goes to the operator's log. */
int api_get_payload(struct request *r, struct err *e)
{
    const char *purpose = request_param(r, "purpose");
    uint64_t origin = 0, index = 0;
    struct bytes payload = {0};
    int rc = api_check_purpose(purpose, e);
    if (rc != 0)
        return rc;
    if (decimal_parse(bytes_of_string(r->args[1]), &origin) != 0 || origin < 100000 || origin > 999999 ||
        decimal_parse(bytes_of_string(r->args[2]), &index) != 0)
        return err_set(e, ERR_INVALID, "http.parameter",
                       "'%.32s/%.32s' names no event; <node code>/<ledger index> does", r->args[1], r->args[2]);
    rc = app_find_case(r->app, r->args[0], r->case_id, e);
    if (rc == 0)
        rc = app_get_payload(r->app, r->case_id, (uint32_t)origin, index, purpose, &r->mem, &payload, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    json_put_hex(&out, out.root, "case", r->case_id, sizeof r->case_id);
    json_put_u64(&out, out.root, "origin", origin);
    json_put_u64(&out, out.root, "index", index);
    json_put_json(&out, out.root, "payload", payload);
    request_reply_json(r, 200, &out);
    return 0;
}
