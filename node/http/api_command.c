/* /v1/cases, writing: an application at the window, and events on a case.
 *
 * Happy path: the body is parsed into the scratch arena and decoded; request_wait(); app_submit() or app_append() copies
 * what it needs; the scratch arena goes. When the events are durable api_command_cb() encodes the result and
 * request_finish() hands it to the connection, or to nobody when the client went away: the command counts all the same,
 * and the same Idempotency-Key gives its result again.
 * Failure modes: a body that breaks a rule is refused before the app hears of it; a refusal of the app comes through
 * api_command_cb() with its code.
 */
#include "node/http/api.h"

#include <string.h>

#include "certs/crypto.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/http/event_fields.h"
#include "node/http/names.h"
#include "node/http/person.h"

#define MATERIALS_MAX 64
#define TEXT_BYTES_MAX 4096 /* reason and note in words */
#define NAME_BYTES_MAX 256
#define IDEOGRAPHIC_SPACE "\xe3\x80\x80"
#define ITEM_CODE_BYTES_MAX 47 /* struct case_event.item_code */

/* ---- the request's frame ---- */

int api_decode_request(const struct request *r, struct app_request *ret, struct err *e)
{
    const char *durable = request_param(r, "durable");
    uint64_t wait_ms = 0;
    int rc = request_param_u64(r, "timeout_ms", 1, HTTP_WAIT_MS_MAX, &wait_ms, e);
    if (rc != 0)
        return rc;
    if (durable != NULL && strcmp(durable, "peers") != 0)
        return err_set(e, ERR_INVALID, "http.parameter", "parameter 'durable' is '%.64s', it must be 'peers'", durable);
    if (durable == NULL && wait_ms != 0)
        return err_set(e, ERR_INVALID, "http.parameter", "parameter 'timeout_ms' needs 'durable=peers' beside it");

    ret->idempotency_key = r->idempotency_key;
    ret->wait_peers = durable != NULL;
    ret->wait_ms = (uint32_t)wait_ms;
    if (r->idempotency_key == NULL)
        return 0; /* nothing to compare the body with */
    const struct bytes parts[] = {bytes_of_string(r->method), bytes_of_string("\n"), bytes_of_string(r->path),
                                  bytes_of_string("\n"), buf_bytes(&r->body)};
    crypto_sha256(parts, array_count(parts), ret->body_hash);
    return 0;
}

static int check_payload(struct bytes payload, const char *what, struct err *e)
{
    if (payload.size <= PAYLOAD_BYTES_MAX)
        return 0;
    return err_set(e, ERR_LIMIT, "case.payload-size", "%s has %zu bytes of content, the limit is %u", what,
                   payload.size, PAYLOAD_BYTES_MAX);
}

void api_put_result(struct request *r, struct json_out *out, const struct app_command_result *result)
{
    json_put_hex(out, out->root, "case", result->case_id, sizeof result->case_id);
    json_put_u64(out, out->root, "origin", result->origin);
    json_put_u64(out, out->root, "first_index", result->first_index);
    json_put_u64(out, out->root, "count", result->count);
    json_put_bool(out, out->root, "replayed", result->replayed);
    yyjson_mut_val *warnings = json_put_array(out, out->root, "warnings");
    for (uint32_t i = 0; result->warnings != NULL && i < result->warnings->count; i++)
        json_put_string(out, warnings, NULL, arena_strdup(&r->mem, result->warnings->lines[i]));
    if (result->route_node != 0) {
        yyjson_mut_val *route = json_put_object(out, out->root, "route");
        json_put_u64(out, route, "node", result->route_node);
        json_put_string(out, route, "why", arena_strdup(&r->mem, result->route_why));
    }
    if (result->sensitive != 0)
        person_list_flags(out, out->root, result->sensitive);
    if (result->has_file)
        json_put_hex(out, out->root, "file", result->file, sizeof result->file);
    if (request_param(r, "durable") != NULL)
        json_put_bool(out, out->root, "peers_durable", result->peers_durable);

    char id[2 * CASE_ID_SIZE + 1];
    hex_encode(result->case_id, sizeof result->case_id, id);
    r->location = arena_printf(&r->mem, "/v1/cases/%s", id);
}

void api_command_cb(void *ctx, const struct app_command_result *result, const struct err *e)
{
    struct request *r = ctx;
    if (e->code != 0) {
        request_reply_error(r, e);
    } else {
        struct json_out out = json_out_open(&r->mem);
        api_put_result(r, &out, result);
        request_reply_json(r, 201, &out);
    }
    request_finish(r);
}

/* ---- POST /v1/cases ---- */

int api_decode_division(const struct json_object *o, const char *name, uint32_t *ret, struct err *e)
{
    const char *text = NULL;
    int rc = json_get_string(o, name, false, 64, &text, e);
    if (rc != 0 || text == NULL)
        return rc;
    uint64_t v = 0;
    if (strlen(text) != 6 || decimal_parse(bytes_of_string(text), &v) != 0 || v < 100000)
        return err_set(e, ERR_INVALID, "case.division", "'%s' is '%s', it must be a division code of six digits",
                       json_path(o, name), text);
    *ret = (uint32_t)v;
    return 0;
}

int api_check_material(const struct json_object *o, struct err *e)
{
    static const char *const fields[] = {"code", "name", "sha256", "size"};
    const char *code = NULL, *name = NULL, *hash = NULL;
    uint64_t size = 0;
    int rc = json_check_fields(o, fields, array_count(fields), e);
    if (rc == 0)
        rc = json_get_string(o, "code", true, NAME_BYTES_MAX, &code, e);
    if (rc == 0)
        rc = json_get_string(o, "name", true, NAME_BYTES_MAX, &name, e);
    if (rc == 0)
        rc = json_get_string(o, "sha256", true, 64, &hash, e);
    if (rc == 0)
        rc = json_get_u64(o, "size", true, 0, INT64_MAX, &size, e);
    if (rc != 0)
        return rc;

    uint8_t digest[CRYPTO_HASH_SIZE];
    size_t digest_size = 0;
    if (hex_decode(hash, strlen(hash), digest, sizeof digest, &digest_size) != 0 || digest_size != sizeof digest)
        return err_set(e, ERR_INVALID, "case.material-hash", "'%s' must be 64 hex digits, it is '%s'",
                       json_path(o, "sha256"), hash);
    return 0;
}

static int decode_materials(const struct json_object *body, struct app_submission *s, struct err *e)
{
    yyjson_val *list = NULL;
    int rc = json_get_array(body, "materials", MATERIALS_MAX, &list, e);
    size_t count = yyjson_arr_size(list);
    const char **codes = count > 0 ? arena_alloc(body->mem, count * sizeof *codes) : NULL;
    yyjson_arr_iter it = yyjson_arr_iter_with(list);
    for (size_t i = 0; rc == 0 && yyjson_arr_iter_has_next(&it); i++) {
        struct json_object o;
        rc = json_as_object(body->mem, yyjson_arr_iter_next(&it), json_path_index(body, "materials", i), &o, e);
        if (rc == 0)
            rc = api_check_material(&o, e);
        if (rc == 0)
            codes[i] = yyjson_get_str(yyjson_obj_get(o.value, "code"));
    }
    s->material_codes = codes;
    s->material_count = count;
    return rc;
}

/* 32 hex digits that name another case; *ret stays NULL when absent. */
static int decode_case_id(const struct json_object *o, const char *name, const uint8_t **ret, struct err *e)
{
    const char *text = NULL;
    size_t size = 0;
    uint8_t *id = arena_alloc(o->mem, CASE_ID_SIZE);
    int rc = json_get_string(o, name, false, 64, &text, e);
    if (rc != 0 || text == NULL)
        return rc;
    if (hex_decode(text, strlen(text), id, CASE_ID_SIZE, &size) != 0 || size != CASE_ID_SIZE)
        return err_set(e, ERR_INVALID, "case.id", "'%s' is '%s', it must be a case in 32 hex digits",
                       json_path(o, name), text);
    *ret = id;
    return 0;
}

static int decode_submission(const struct json_object *o, struct app_submission *s, struct err *e)
{
    static const char *const fields[] = {"item",      "node",    "division", "mode",     "applicant", "form",
                                         "materials", "forward", "agent",    "guardian", "promise",   "parent"};
    struct json_object form;
    uint64_t node = 0;
    unsigned mode = 0;
    s->forward = true;
    int rc = json_check_fields(o, fields, array_count(fields), e);
    if (rc == 0)
        rc = json_get_string(o, "item", true, ITEM_CODE_BYTES_MAX, &s->item_code, e);
    if (rc == 0)
        rc = json_get_u64(o, "node", false, 100000, 999999, &node, e);
    if (rc == 0)
        rc = api_decode_division(o, "division", &s->division, e);
    if (rc == 0)
        rc = names_get(o, "mode", false, names_modes, &mode, NULL, e);
    if (rc == 0)
        rc = person_decode(o, s, e);
    if (rc == 0)
        rc = json_get_object(o, "form", false, &form, e);
    if (rc == 0)
        rc = decode_materials(o, s, e);
    if (rc == 0)
        rc = json_get_bool(o, "forward", &s->forward, e);
    if (rc == 0)
        rc = json_get_bool(o, "promise", &s->promise, e);
    if (rc == 0)
        rc = decode_case_id(o, "parent", &s->parent, e);
    s->item_node = (uint32_t)node;
    s->mode = (uint8_t)mode;
    return rc;
}

int api_post_case(struct request *r, struct err *e)
{
    struct app_submission s = {0};
    struct app_request frame = {0};
    struct json_object o;
    int rc = api_decode_request(r, &frame, e);
    if (rc == 0)
        rc = request_json(r, &o, e);
    if (rc == 0)
        rc = decode_submission(&o, &s, e);
    if (rc != 0)
        return rc;
    s.payload = person_put_flags(&r->scratch, o.value, app_sensitive_flags(r->app, &s));
    rc = check_payload(s.payload, "the application", e);
    if (rc != 0)
        return rc;

    request_wait(r);
    app_submit(r->app, &s, &frame, api_command_cb, r);
    return 0;
}

/* ---- POST /v1/cases/{case}/events ---- */

static int decode_reason_code(const struct json_object *o, const char **ret, struct err *e)
{
    int rc = json_get_string(o, "reason_code", false, 64, ret, e);
    if (rc != 0 || *ret == NULL)
        return rc;
    size_t good = strspn(*ret, "abcdefghijklmnopqrstuvwxyz0123456789_.-");
    if (good == 0 || (*ret)[good] != '\0')
        return err_set(e, ERR_INVALID, "case.reason-code", "'%s' is '%s'; a reason code is made of a-z 0-9 _ . -",
                       json_path(o, "reason_code"), *ret);
    return 0;
}

/* Whether a field @name, which stands beside the payload, is in it, too. */
static int check_once(const struct json_object *o, const struct json_object *given, const char *name, struct err *e)
{
    if (given->value == NULL || yyjson_obj_get(given->value, name) == NULL)
        return 0;
    return err_set(e, ERR_INVALID, "case.payload-twice", "'%s' stands beside the payload and in it",
                   json_path(o, name));
}

/* The fields of this type of event alone (event_fields.h), as they are. */
static int put_fields(const struct json_object *o, const struct json_object *given, struct json_out *out, struct err *e)
{
    int rc = 0;
    const char *name;
    for (size_t i = 0; rc == 0 && (name = event_fields_name(i)) != NULL; i++) {
        yyjson_val *value = yyjson_obj_get(o->value, name);
        if (value == NULL)
            continue;
        rc = check_once(o, given, name, e);
        (void)yyjson_mut_obj_add_val(out->doc, out->root, name, yyjson_val_mut_copy(out->doc, value));
    }
    return rc;
}

/* Words that say nothing give no reason. */
static bool is_blank(const char *text)
{
    while (*text != '\0') {
        size_t size = strspn(text, " \t\r\n");
        if (size == 0 && strncmp(text, IDEOGRAPHIC_SPACE, strlen(IDEOGRAPHIC_SPACE)) == 0)
            size = strlen(IDEOGRAPHIC_SPACE);
        if (size == 0)
            return false;
        text += size;
    }
    return true;
}

/* The payload: the object under "payload" with the words beside it put in. What the applicant is told with the event
 * (reasons, remedies) is noted for the rules, which never look into a payload. */
static int decode_payload(const struct json_object *o, struct app_event *v, struct err *e)
{
    static const char *const words[] = {"reason", "note", "official", "remedies", "basis"};
    struct bytes *ret = &v->payload;
    struct json_object given;
    int rc = json_get_object(o, "payload", false, &given, e);
    if (rc != 0)
        return rc;

    if (given.value != NULL && v->type == CASE_EVENT_DECIDE)
        rc = api_check_licence(&given, e);
    if (rc != 0)
        return rc;
    const char *given_reason = yyjson_get_str(yyjson_obj_get(given.value, "reason"));
    if (given_reason != NULL && !is_blank(given_reason))
        v->told |= CASE_TOLD_REASONS;
    bool has_words = false;
    for (size_t i = 0; i < array_count(words); i++)
        has_words = has_words || yyjson_obj_get(o->value, words[i]) != NULL;
    for (size_t i = 0; event_fields_name(i) != NULL; i++)
        has_words = has_words || yyjson_obj_get(o->value, event_fields_name(i)) != NULL;
    if (!has_words) { /* as most events of other programs: what was read is what is kept */
        if (given.value == NULL || yyjson_obj_size(given.value) == 0)
            return 0;
        *ret = json_canonical(o->mem, given.value);
        return check_payload(*ret, o->path[0] != '\0' ? o->path : "the event", e);
    }
    struct json_out out = json_out_open(o->mem);
    if (given.value != NULL) {
        out.root = yyjson_val_mut_copy(out.doc, given.value);
        yyjson_mut_doc_set_root(out.doc, out.root);
    }
    for (size_t i = 0; i < array_count(words); i++) {
        const char *text = NULL;
        rc = json_get_string(o, words[i], false, TEXT_BYTES_MAX, &text, e);
        if (rc != 0)
            return rc;
        if (text == NULL)
            continue;
        if (strcmp(words[i], "official") == 0)
            v->official = text;
        if (strcmp(words[i], "reason") == 0 && !is_blank(text))
            v->told |= CASE_TOLD_REASONS;
        if (strcmp(words[i], "remedies") == 0)
            v->told |= CASE_TOLD_REMEDIES;
        if (strcmp(words[i], "basis") == 0)
            v->told |= CASE_TOLD_BASIS;
        rc = check_once(o, &given, words[i], e);
        if (rc != 0)
            return rc;
        json_put_string(&out, out.root, words[i], text);
    }
    rc = put_fields(o, &given, &out, e);
    if (rc != 0 || yyjson_mut_obj_size(out.root) == 0)
        return rc;

    struct bytes text = json_out_text(&out);
    yyjson_val *root = NULL;
    rc = json_parse(o->mem, text, &root, e);
    if (rc != 0)
        return rc;
    *ret = json_canonical(o->mem, root);
    return check_payload(*ret, o->path[0] != '\0' ? o->path : "the event", e);
}

static int decode_event_type(const struct json_object *o, uint16_t *ret, struct err *e)
{
    const char *type = NULL;
    int rc = json_get_string(o, "type", true, 64, &type, e);
    if (rc != 0)
        return rc;
    *ret = case_event_from_name(type);
    if (*ret != CASE_EVENT_NONE)
        return 0;
    rc = err_set(e, ERR_INVALID, "case.event-type", "'%s' is '%s', there is no such event", json_path(o, "type"), type);
    err_hint(e, "accept, correct, refuse, process, decide, close, deliver, withdraw, note, …: see node/API.md");
    return rc;
}

/* By its name, or by its number of CASES.md. */
static int decode_pause_kind(const struct json_object *o, unsigned *ret, struct err *e)
{
    uint64_t number = 0;
    if (yyjson_is_str(yyjson_obj_get(o->value, "pause_kind")))
        return names_get(o, "pause_kind", false, names_pauses, ret, NULL, e);
    int rc = json_get_u64(o, "pause_kind", false, 1, UINT8_MAX, &number, e);
    *ret = (unsigned)number;
    return rc;
}

static int decode_event(const struct json_object *o, struct app_event *v, struct err *e)
{
    static const char *const fields[] = {
        "type",      "decision",    "grade",       "channel",      "pause_kind", "expected_days", "lead",
        "last_leaf", "reason_code", "extend_days", "lacking_days", "lacking",    "side",          "review",
        "part",      "official",    "remedies",    "reason",       "note",       "payload",       "unit",
        "basis",     "carrier",     "tracking",    "means",        "told_on",    "amount_fen"};
    unsigned decision = 0, channel = 0, side = 0, review = 0, pause_kind = 0, unit = 0;
    uint64_t grade = 0, days = 0, lead = 0, last_leaf = UINT64_MAX, extend = 0, lacking = 0;
    int rc = json_check_fields(o, fields, array_count(fields), e);
    if (rc == 0)
        rc = decode_event_type(o, &v->type, e);
    if (rc == 0)
        rc = names_get(o, "decision", false, names_decisions, &decision, NULL, e);
    if (rc == 0)
        rc = names_get(o, "channel", false, names_channels, &channel, NULL, e);
    if (rc == 0)
        rc = json_get_u64(o, "grade", false, 1, 5, &grade, e);
    if (rc == 0)
        rc = decode_pause_kind(o, &pause_kind, e);
    if (rc == 0)
        rc = names_get(o, "unit", false, names_units, &unit, NULL, e);
    if (rc == 0)
        rc = names_get(o, "side", false, names_sides, &side, NULL, e);
    if (rc == 0)
        rc = names_get(o, "review", false, names_reviews, &review, NULL, e);
    if (rc == 0)
        rc = json_get_u64(o, "extend_days", false, 1, UINT16_MAX, &extend, e);
    if (rc == 0)
        rc = json_get_u64(o, "lacking_days", false, 1, UINT16_MAX, &lacking, e);
    if (rc == 0)
        rc = api_decode_lacking(o, v, e);
    if (rc == 0)
        rc = decode_case_id(o, "part", &v->part, e);
    if (rc == 0)
        rc = json_get_u64(o, "expected_days", false, 1, UINT16_MAX, &days, e);
    if (rc == 0)
        rc = json_get_u64(o, "lead", false, 100000, 999999, &lead, e);
    if (rc == 0)
        rc = json_get_u64(o, "last_leaf", false, 0, LEDGER_SIZE_MAX, &last_leaf, e);
    if (rc == 0)
        rc = decode_reason_code(o, &v->reason_code, e);
    if (rc == 0)
        rc = event_fields_check(o, v->type, e);
    if (rc == 0)
        rc = decode_payload(o, v, e);
    v->decision = (uint8_t)decision;
    v->channel = (uint8_t)channel;
    v->side = (uint8_t)side;
    v->review = (uint8_t)review;
    v->extend_days = (uint16_t)extend;
    v->lacking_days = (uint16_t)lacking;
    v->grade = (uint8_t)grade;
    v->pause_kind = (uint8_t)pause_kind;
    v->unit = (uint8_t)unit;
    v->expected_days = (uint16_t)days;
    v->lead = (uint32_t)lead;
    v->has_last_leaf = last_leaf != UINT64_MAX;
    v->last_leaf = v->has_last_leaf ? last_leaf : 0;
    return rc;
}

/* One event object, or {"events": [1..CASE_EVENTS_PER_REQUEST_MAX of them]}. *@ret in the arena of @body. */
static int decode_events(const struct json_object *body, struct app_event **ret, size_t *ret_count, struct err *e)
{
    static const char *const fields[] = {"events"};
    if (yyjson_obj_get(body->value, "events") == NULL) {
        *ret_count = 1;
        *ret = arena_alloc(body->mem, sizeof **ret);
        return decode_event(body, *ret, e);
    }

    yyjson_val *list = NULL;
    int rc = json_check_fields(body, fields, array_count(fields), e);
    if (rc == 0)
        rc = json_get_array(body, "events", CASE_EVENTS_PER_REQUEST_MAX, &list, e);
    if (rc != 0)
        return rc;
    if (yyjson_arr_size(list) == 0)
        return err_set(e, ERR_INVALID, "json.missing", "'events' is empty, 1 to %u events are expected",
                       CASE_EVENTS_PER_REQUEST_MAX);
    *ret_count = yyjson_arr_size(list);
    *ret = arena_alloc(body->mem, *ret_count * sizeof **ret);
    yyjson_arr_iter it = yyjson_arr_iter_with(list);
    for (size_t i = 0; rc == 0 && yyjson_arr_iter_has_next(&it); i++) {
        struct json_object o;
        rc = json_as_object(body->mem, yyjson_arr_iter_next(&it), json_path_index(body, "events", i), &o, e);
        if (rc == 0)
            rc = decode_event(&o, *ret + i, e);
    }
    return rc;
}

/* Who is refused is told how to appeal, whatever the caller left out (行政许可法第三十八条). */
static bool is_refusal(const struct app_event *v)
{
    return (v->type == CASE_EVENT_DECIDE && v->decision == CASE_DECISION_DENY) || v->type == CASE_EVENT_REFUSE ||
           v->type == CASE_EVENT_NOT_REQUIRED || v->type == CASE_EVENT_REVOKE;
}

int api_open_payload(struct request *r, const struct app_event *v, struct json_out *ret, struct err *e)
{
    yyjson_val *root = NULL;
    *ret = json_out_open(&r->scratch);
    if (v->payload.size == 0)
        return 0;
    int rc = json_parse(&r->scratch, v->payload, &root, e);
    if (rc != 0)
        return rc;
    ret->root = yyjson_val_mut_copy(ret->doc, root);
    yyjson_mut_doc_set_root(ret->doc, ret->root);
    return 0;
}

int api_close_payload(struct request *r, struct app_event *v, struct json_out *out, struct err *e)
{
    yyjson_val *root = NULL;
    int rc = json_parse(&r->scratch, json_out_text(out), &root, e);
    if (rc != 0)
        return rc;
    v->payload = json_canonical(&r->scratch, root);
    return check_payload(v->payload, "the event", e);
}

static int add_remedies(struct request *r, struct app_event *v, struct err *e)
{
    const char *text = NULL;
    struct json_out out;
    bool is_pause = v->type == CASE_EVENT_PAUSE && v->pause_kind == CASE_PAUSE_OTHER;
    if (!is_refusal(v) && v->type != CASE_EVENT_EXTEND && v->type != CASE_EVENT_CORRECT && !is_pause)
        v->told = 0; /* nothing that anybody asks for */
    if (!is_refusal(v) || (v->told & CASE_TOLD_REMEDIES) != 0)
        return 0;
    int rc = app_case_remedies(r->app, r->case_id, &r->scratch, &text, e);
    if (rc == 0)
        rc = api_open_payload(r, v, &out, e);
    if (rc != 0)
        return rc;
    if (yyjson_mut_obj_get(out.root, "remedies") == NULL)
        json_put_string(&out, out.root, "remedies", text);
    v->told |= CASE_TOLD_REMEDIES;
    return api_close_payload(r, v, &out, e);
}

int api_post_case_events(struct request *r, struct err *e)
{
    struct app_event *events = NULL;
    struct app_request frame = {0};
    struct json_object o;
    size_t count = 0;
    int rc = api_decode_request(r, &frame, e);
    if (rc == 0)
        rc = request_json(r, &o, e);
    if (rc == 0)
        rc = decode_events(&o, &events, &count, e);
    if (rc == 0)
        rc = app_find_case(r->app, r->args[0], r->case_id, e);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = add_remedies(r, &events[i], e);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = api_add_lacking(r, &events[i], e);
    if (rc != 0)
        return rc;

    request_wait(r);
    app_append(r->app, r->case_id, events, count, &frame, api_command_cb, r);
    return 0;
}

/* ---- POST /v1/cases/{case}/fetch ---- */

static void fetch_cb(void *ctx, const uint8_t case_id[CASE_ID_SIZE], uint32_t event_count, const struct err *e)
{
    struct request *r = ctx;
    if (e->code != 0) {
        request_reply_error(r, e);
        request_finish(r);
        return;
    }
    struct json_out out = json_out_open(&r->mem);
    json_put_hex(&out, out.root, "case", case_id, CASE_ID_SIZE);
    json_put_u64(&out, out.root, "event_count", event_count);
    request_reply_json(r, 200, &out);
    request_finish(r);
}

/* The whole id: what is not held here cannot be found by a part of it. */
int api_post_case_fetch(struct request *r, struct err *e)
{
    size_t size = 0;
    if (hex_decode(r->args[0], strlen(r->args[0]), r->case_id, sizeof r->case_id, &size) != 0 ||
        size != sizeof r->case_id)
        return err_set(e, ERR_INVALID, "case.fetch-id", "'%.64s' is no whole case id of 32 hex digits", r->args[0]);
    request_wait(r);
    app_fetch_case(r->app, r->case_id, fetch_cb, r);
    return 0;
}
