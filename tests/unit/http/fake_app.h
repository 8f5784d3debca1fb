/* An app that only writes down what it was asked and answers what the test has set: the HTTP tests run against it.
 * Included once per test program. Commands are answered by fake_app_answer(), never from inside the call.
 */
#ifndef TB_TESTS_FAKE_APP_H
#define TB_TESTS_FAKE_APP_H

#include <stdio.h>
#include <string.h>

#include "catalog/import.h"
#include "node/base/xassert.h"
#include "tests/unit/http/fake_bundle.h"

struct app {
    /* what was asked */
    unsigned submit_count, append_count, watch_count, unwatch_count, verify_count;
    char item_code[64], applicant_kind[32], applicant_name[128], id_type[32], id_number[64];
    uint32_t item_node, division;
    uint8_t mode;
    bool forward;
    char payload[1024];
    char key[160];
    char purpose[160];
    bool has_key, wait_peers;
    uint32_t wait_ms;
    uint8_t body_hash[32];
    struct app_event events[CASE_EVENTS_PER_REQUEST_MAX];
    char event_reason[CASE_EVENTS_PER_REQUEST_MAX][80];
    char event_payload[CASE_EVENTS_PER_REQUEST_MAX][512];
    size_t event_count;
    uint8_t case_id[CASE_ID_SIZE];
    struct app_case_filter filter;
    char filter_text[3][64];
    struct app_item_filter items;
    char items_text[2][64];
    struct app_import import;
    size_t import_size;
    uint32_t entries_origin;
    uint64_t entries_from;
    size_t entries_limit;
    uint32_t watch_ms;
    uint64_t watch_version;
    unsigned cosigned_count, checkpoint_count;
    char checkpoint_body[256];
    int tile_level;
    uint64_t tile_number;
    unsigned tile_width;
    uint16_t receipt_act;
    uint32_t receipt_wait_ms;
    uint64_t receipt_cancelled;
    enum app_erase_basis basis;
    char hold[160];
    bool unheld, backup_keys;
    uint32_t calendar_division;
    char calendar_days[256];
    char backup_path[128];
    char material_name[64], material_code[64], material_type[20], consent[64];
    uint64_t material_size, put_offset;
    size_t put_size;
    char material_trust;
    bool material_hashed;
    uint8_t upload_id[APP_UPLOAD_ID_SIZE], file[CASE_FILE_ID_SIZE], from_case[CASE_ID_SIZE];
    unsigned readers; /* open */

    /* what to answer */
    struct app_erasure_view erasures[2];
    const char *held;
    struct err refusal; /* of commands and verify; code 0 = fine */
    struct app_command_result result;
    struct err query_refusal;
    uint64_t case_version;
    const char *accepted;  /* content of an accept with days for what is lacking, which the case has then */
    const char *status;    /* of the case, which has no events then; NULL: accepted */
    uint64_t content_size; /* of each material; 0: FAKE_CONTENT_SIZE */
    const char *writer;
    uint32_t alarms;
    const char *note;
    bool endless_metrics;
    struct bytes entry_leaf;
    size_t rows;
    struct app_upload_view upload;

    /* under way */
    struct {
        app_command_cb command;
        app_verify_cb verify;
        app_watch_cb watch;
        app_receipt_cb receipt;
        app_backup_cb backup;
        app_fetch_cb fetch;
        app_upload_cb upload;
        app_material_cb piece;
        uint64_t offset;
        void *ctx;
        uint64_t ticket;
    } waiting[64];
    size_t waiting_count;
    void (*asked_cb)(struct app *a); /* a command or watch has come; NULL = none */
};

static const uint8_t fake_case_id[CASE_ID_SIZE] = {0xc0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#define FAKE_CASE "c00102030405060708090a0b0c0d0e0f"

static const struct app_receipt fake_receipt = {.origin = 510000,
                                                .index = 7,
                                                .act = "accept",
                                                .proof = {.data = (const uint8_t *)"proof\n", .size = 6},
                                                .policy = {.data = (const uint8_t *)"quorum none\n", .size = 12},
                                                .tree_size = 1000,
                                                .cosigned = 1,
                                                .needed = 2,
                                                .of = 3};
static const struct app_backup_result fake_backup = {
    .path = "/b/x.db", .bytes = 4096, .ledger_size = 12, .elapsed_ms = 3};

static void fake_wait(struct app *a, app_command_cb command, app_verify_cb verify, app_watch_cb watch, void *ctx)
{
    xassert(a->waiting_count < array_count(a->waiting));
    static uint64_t ticket = 0;
    size_t i = a->waiting_count++;
    a->waiting[i].command = command;
    a->waiting[i].verify = verify;
    a->waiting[i].watch = watch;
    a->waiting[i].receipt = NULL;
    a->waiting[i].backup = NULL;
    a->waiting[i].fetch = NULL;
    a->waiting[i].upload = NULL;
    a->waiting[i].piece = NULL;
    a->waiting[i].ctx = ctx;
    a->waiting[i].ticket = ++ticket;
    if (a->asked_cb != NULL)
        a->asked_cb(a);
}

/* The content of every material: 300,000 bytes that tell their places, in pieces of 1,000. */
#define FAKE_CONTENT_SIZE 300000u
static inline struct bytes fake_piece(uint64_t offset)
{
    static uint8_t content[FAKE_CONTENT_SIZE];
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (uint8_t)(i * 7 + i / 256);
    return bytes_of(content + offset, min_of((size_t)1000, sizeof content - (size_t)offset));
}

/* Answers all that wait. */
static inline void fake_app_answer(struct app *a)
{
    while (a->waiting_count > 0) {
        size_t i = --a->waiting_count;
        void *ctx = a->waiting[i].ctx;
        static const struct app_verify_result verified = {
            .own_leaves = 7, .replica_leaves = 5, .cases = 2, .payloads = 3, .elapsed_ms = 4, .root = {0xab}};
        if (a->waiting[i].command != NULL)
            a->waiting[i].command(ctx, &a->result, &a->refusal);
        else if (a->waiting[i].fetch != NULL)
            a->waiting[i].fetch(ctx, a->case_id, 9, &a->refusal);
        else if (a->waiting[i].verify != NULL)
            a->waiting[i].verify(ctx, &verified, &a->refusal);
        else if (a->waiting[i].receipt != NULL)
            a->waiting[i].receipt(ctx, &fake_receipt, &a->refusal);
        else if (a->waiting[i].upload != NULL)
            a->waiting[i].upload(ctx, &a->upload, &a->refusal);
        else if (a->waiting[i].piece != NULL)
            a->waiting[i].piece(ctx, fake_piece(a->waiting[i].offset), &a->refusal);
        else if (a->waiting[i].backup != NULL)
            a->waiting[i].backup(ctx, &fake_backup, &a->refusal);
        else
            a->waiting[i].watch(ctx, true);
    }
}

static void fake_request(struct app *a, const struct app_request *r)
{
    a->has_key = r->idempotency_key != NULL;
    (void)snprintf(a->key, sizeof a->key, "%s", a->has_key ? r->idempotency_key : "");
    memcpy(a->body_hash, r->body_hash, sizeof a->body_hash);
    a->wait_peers = r->wait_peers;
    a->wait_ms = r->wait_ms;
}

#define FAKE_COPY(to, from) (void)snprintf((to), sizeof(to), "%s", (from) != NULL ? (from) : "")
#define FAKE_COPY_BYTES(to, from) (void)snprintf((to), sizeof(to), "%.*s", (int)(from).size, (const char *)(from).data)

unsigned app_sensitive_flags(struct app *a, const struct app_submission *s)
{
    (void)a;
    return s->guardian.person.name != NULL ? 8 : 0; /* PERSON_BY_GUARDIAN */
}

int app_check_identity(struct app *a, const char *id_type, const char *number, struct arena *mem,
                       struct app_identity_view *ret, struct err *e)
{
    (void)mem;
    (void)e;
    FAKE_COPY(a->id_type, id_type);
    FAKE_COPY(a->id_number, number);
    *ret = (struct app_identity_view){.is_valid = true, .rule = "identity.ok", .explanation = "fine", .masked = "***"};
    return 0;
}

void app_submit(struct app *a, const struct app_submission *s, const struct app_request *r, app_command_cb cb,
                void *ctx)
{
    a->submit_count++;
    FAKE_COPY(a->item_code, s->item_code);
    FAKE_COPY(a->applicant_kind, s->applicant_kind);
    FAKE_COPY(a->applicant_name, s->applicant_name);
    FAKE_COPY(a->id_type, s->id_type);
    FAKE_COPY(a->id_number, s->id_number);
    FAKE_COPY_BYTES(a->payload, s->payload);
    a->item_node = s->item_node;
    a->division = s->division;
    a->mode = s->mode;
    a->forward = s->forward;
    fake_request(a, r);
    fake_wait(a, cb, NULL, NULL, ctx);
}

void app_fetch_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE], app_fetch_cb cb, void *ctx)
{
    memcpy(a->case_id, case_id, CASE_ID_SIZE);
    fake_wait(a, NULL, NULL, NULL, ctx);
    a->waiting[a->waiting_count - 1].fetch = cb;
}

void app_append(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_event *events, size_t count,
                const struct app_request *r, app_command_cb cb, void *ctx)
{
    a->append_count++;
    memcpy(a->case_id, case_id, CASE_ID_SIZE);
    a->event_count = count;
    for (size_t i = 0; i < count; i++) {
        a->events[i] = events[i];
        FAKE_COPY(a->event_reason[i], events[i].reason_code);
        FAKE_COPY_BYTES(a->event_payload[i], events[i].payload);
    }
    fake_request(a, r);
    fake_wait(a, cb, NULL, NULL, ctx);
}

int app_find_case(struct app *a, const char *ref, uint8_t ret_case_id[CASE_ID_SIZE], struct err *e)
{
    (void)a;
    if (strncmp(ref, FAKE_CASE, strlen(ref)) != 0)
        return err_set(e, ERR_NOT_FOUND, "case.unknown", "no case '%s'", ref);
    memcpy(ret_case_id, fake_case_id, CASE_ID_SIZE);
    return 0;
}

static void fake_case(const struct app *a, struct app_case_view *v)
{
    *v = (struct app_case_view){.receiving = 440000,
                                .lead = 510000,
                                .division = 510104,
                                .status_name = a->status != NULL ? a->status : "accepted",
                                .status_chinese = "受理",
                                .level_name = "sequenced",
                                .mode = CASE_MODE_COLLECT,
                                .created_ms = 1000,
                                .updated_ms = 2000,
                                .event_count = 2,
                                .version = a->case_version};
    memcpy(v->case_id, fake_case_id, CASE_ID_SIZE);
    FAKE_COPY(v->item_code, "000105001000");
    FAKE_COPY(v->item_name, "户口迁移");
}

uint64_t app_case_version(struct app *a, const uint8_t case_id[CASE_ID_SIZE])
{
    (void)case_id;
    return a->query_refusal.code != 0 ? UINT64_MAX : a->case_version;
}

int app_get_calendar(struct app *a, uint32_t node, uint32_t division, uint32_t year, struct app_calendar_view *ret,
                     struct err *e)
{
    (void)a, (void)e;
    *ret = (struct app_calendar_view){.node = node == 0 ? 510000 : node,
                                      .division = division,
                                      .year = year,
                                      .working_days = 248,
                                      .days = {{20261001, false}, {20261010, true}},
                                      .day_count = 2};
    return 0;
}

void app_import_calendar(struct app *a, uint32_t division, struct bytes days, app_command_cb cb, void *ctx)
{
    a->calendar_division = division;
    (void)snprintf(a->calendar_days, sizeof a->calendar_days, "%.*s", (int)days.size, (const char *)days.data);
    fake_wait(a, cb, NULL, NULL, ctx);
}

int app_list_publicities(struct app *a, const uint8_t *after, size_t limit, struct arena *mem,
                         struct app_publicity_view **ret, size_t *ret_count, struct err *e)
{
    (void)a, (void)after, (void)e;
    *ret = arena_alloc(mem, (limit + 1) * sizeof **ret);
    *ret_count = 1;
    (*ret)[0] = (struct app_publicity_view){.due = 20261209, .is_late = true};
    memcpy((*ret)[0].case_id, fake_case_id, CASE_ID_SIZE);
    return 0;
}

int app_case_lacking(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t days, struct arena *mem,
                     struct app_lacking *list, size_t count, struct err *e)
{
    (void)case_id;
    (void)mem;
    for (size_t i = 0; i < count; i++) {
        list[i].name = "照片";
        list[i].form = "paper";
        list[i].days = list[i].days != 0 ? list[i].days : days != 0 ? days : 10;
    }
    if (a->refusal.code != 0)
        *e = a->refusal;
    return a->refusal.code;
}

void app_case_last_days(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t accepted, struct app_lacking *list,
                        size_t count)
{
    (void)a;
    (void)case_id;
    for (size_t i = 0; i < count; i++)
        list[i].due = accepted + list[i].days;
}

int app_case_remedies(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct arena *mem, const char **ret,
                      struct err *e)
{
    (void)a, (void)case_id, (void)mem, (void)e;
    *ret = "行政复议、行政诉讼";
    return 0;
}

int app_get_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct arena *mem, struct app_case_view *ret,
                 struct err *e)
{
    if (a->query_refusal.code != 0) {
        *e = a->query_refusal;
        return e->code;
    }
    fake_case(a, ret);
    memcpy(ret->case_id, case_id, CASE_ID_SIZE);
    struct app_case_event_view *events = arena_alloc(mem, 2 * sizeof *events);
    events[0] = (struct app_case_event_view){.origin = 440000,
                                             .index = 3,
                                             .at_ms = 1000,
                                             .type = CASE_EVENT_SUBMIT,
                                             .role = CASE_ROLE_WINDOW,
                                             .effect = "ok",
                                             .explanation = "收件",
                                             .sequenced = true,
                                             .payload = bytes_of_string("{\"name\":\"张*\"}")};
    events[0].attrs.mode = CASE_MODE_COLLECT;
    FAKE_COPY(events[0].attrs.item_code, "000105001000");
    events[1] = (struct app_case_event_view){.origin = 510000,
                                             .index = 9,
                                             .at_ms = 2000,
                                             .type = 999,
                                             .role = 77,
                                             .effect = "noop",
                                             .explanation = "bad \xff bytes",
                                             .payload = bytes_of_string("{not json")};
    if (a->accepted != NULL) {
        events[1].type = CASE_EVENT_ACCEPT;
        events[1].effect = "ok";
        events[1].attrs.lacking_days = 5;
        events[1].payload = bytes_of_string(a->accepted);
    }
    ret->events = events;
    ret->events_listed = a->status != NULL ? 0 : 2;
    ret->item_version = a->status != NULL ? 7 : 0;
    return 0;
}

int app_get_case_last(struct app *a, const uint8_t case_id[CASE_ID_SIZE], size_t last, struct arena *mem,
                      struct app_case_view *ret, struct err *e)
{
    (void)last;
    return app_get_case(a, case_id, mem, ret, e);
}

int app_get_payload(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t origin, uint64_t index,
                    const char *purpose, struct arena *mem, struct bytes *ret, struct err *e)
{
    (void)mem;
    memcpy(a->case_id, case_id, CASE_ID_SIZE);
    FAKE_COPY(a->purpose, purpose);
    if (origin != 440000 || index != 3)
        return err_set(e, ERR_NOT_FOUND, "case.no-payload", "there is no payload of %u/%llu", origin,
                       (unsigned long long)index);
    *ret = bytes_of_string("{\"name\":\"张三\"}");
    return 0;
}

int app_list_cases(struct app *a, const struct app_case_filter *f, struct arena *mem, struct app_case_list *ret,
                   struct err *e)
{
    (void)e;
    a->filter = *f;
    FAKE_COPY(a->filter_text[0], f->status);
    FAKE_COPY(a->filter_text[1], f->role);
    FAKE_COPY(a->filter_text[2], f->item_code);
    ret->rows = arena_alloc(mem, (a->rows + 1) * sizeof *ret->rows);
    ret->count = a->rows;
    for (size_t i = 0; i < a->rows; i++)
        fake_case(a, &ret->rows[i]);
    ret->next_before = a->rows == f->limit ? 41 : 0;
    return 0;
}

uint64_t app_watch(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint64_t after_version, uint32_t timeout_ms,
                   app_watch_cb cb, void *ctx)
{
    a->watch_count++;
    a->watch_ms = timeout_ms;
    a->watch_version = after_version;
    memcpy(a->case_id, case_id, CASE_ID_SIZE);
    fake_wait(a, NULL, NULL, cb, ctx);
    return a->waiting[a->waiting_count - 1].ticket;
}

void app_unwatch(struct app *a, uint64_t ticket)
{
    a->unwatch_count++;
    for (size_t i = 0; i < a->waiting_count; i++)
        if (a->waiting[i].ticket == ticket)
            a->waiting[i] = a->waiting[--a->waiting_count];
}

static const struct app_item_view fake_item = {.node = 510000,
                                               .node_name = "四川省",
                                               .code = "000105001000",
                                               .name = "户口迁移",
                                               .version = 3,
                                               .json = {(const uint8_t *)"{\"a\":[1,2]}", 11}};

int app_list_items(struct app *a, const struct app_item_filter *f, struct arena *mem, struct app_item_view **ret,
                   size_t *ret_count, struct err *e)
{
    (void)e;
    a->items = *f;
    FAKE_COPY(a->items_text[0], f->text);
    FAKE_COPY(a->items_text[1], f->after_code);
    *ret = arena_alloc(mem, (a->rows + 1) * sizeof **ret);
    for (size_t i = 0; i < a->rows; i++)
        (*ret)[i] = fake_item;
    *ret_count = a->rows;
    return 0;
}

int app_explain_route(struct app *a, const struct app_route_question *q, struct arena *mem, struct app_route *ret,
                      struct err *e)
{
    static const struct app_route_step step = {"decides", "", "it decides", true};
    (void)a, (void)mem;
    if (q->division == 999999)
        return err_set(e, ERR_NOT_FOUND, "route.division", "%u is no division", q->division);
    *ret = (struct app_route){.node = q->level == 6 ? 0 : 510000,
                              .code = q->item,
                              .division = q->division,
                              .date = 20260101,
                              .steps = &step,
                              .step_count = 1};
    return 0;
}

int app_search_items(struct app *a, const struct app_search *s, struct arena *mem, struct app_search_hit **ret,
                     size_t *ret_count, struct err *e)
{
    (void)e;
    a->items = (struct app_item_filter){.node = s->node, .after_node = s->region, .limit = s->limit};
    FAKE_COPY(a->items_text[0], s->text);
    FAKE_COPY(a->items_text[1], s->life_event);
    *ret = arena_alloc(mem, sizeof **ret);
    **ret = (struct app_search_hit){.item = fake_item, .match = "start"};
    *ret_count = 1;
    return 0;
}

int app_get_item_version(struct app *a, uint32_t node, const char *code, uint32_t version, struct arena *mem,
                         struct app_item_view *ret, struct err *e)
{
    if (version != 7)
        return err_set(e, ERR_NOT_FOUND, "store.no-item-version", "no version %u", version);
    return app_get_item(a, node, code, mem, ret, e);
}

int app_list_item_versions(struct app *a, uint32_t node, const char *code, struct arena *mem,
                           struct app_item_version_view **ret, size_t *ret_count, struct err *e)
{
    (void)a, (void)node, (void)code, (void)e;
    *ret = arena_alloc(mem, sizeof **ret);
    **ret = (struct app_item_version_view){.version = 7, .index = 12};
    *ret_count = 1;
    return 0;
}

void app_import(struct app *a, const struct app_import *i, app_import_cb cb, void *ctx)
{
    static const struct import_problem problem = {
        "", "材料", 3, 4, "materials[0].form", "纸", "catalog.field-value", "is bad", ""};
    a->import = *i;
    a->import_size = i->file.size;
    cb(ctx, &(struct app_import_result){.problems = &problem, .problem_count = 1, .problem_total = 1, .item_count = 2},
       &a->refusal);
}

void app_set_item_status(struct app *a, const char *code, const char *status, app_import_cb cb, void *ctx)
{
    struct app_item_change change = {
        .code = code, .name = status, .version_before = 1, .version_after = 2, .fields = "status"};
    cb(ctx, &(struct app_import_result){.changed = &change, .changed_count = 1, .published = true, .version = 9},
       &a->refusal);
}

void app_export_catalog(struct app *a, int format, bool empty, app_export_cb cb, void *ctx)
{
    a->import.format = format;
    cb(ctx, bytes_of_string(empty ? "empty" : "whole"), &a->refusal);
}

int app_get_item(struct app *a, uint32_t node, const char *code, struct arena *mem, struct app_item_view *ret,
                 struct err *e)
{
    (void)mem;
    a->items.node = node;
    if (strcmp(code, fake_item.code) != 0)
        return err_set(e, ERR_NOT_FOUND, "catalog.unknown", "no item '%s'", code);
    *ret = fake_item;
    return 0;
}

int app_list_peers(struct app *a, struct arena *mem, struct app_peer_view **ret, size_t *ret_count, struct err *e)
{
    (void)e;
    *ret = arena_alloc(mem, 2 * sizeof **ret);
    (*ret)[0] = (struct app_peer_view){.code = 510000,
                                       .name = "四川省",
                                       .url = "tls+tcp://x:1",
                                       .state = "connected",
                                       .reason = "",
                                       .since_ms = 1000,
                                       .clock_skew_ms = -12,
                                       .version = "0.1.0"};
    (*ret)[1] = (struct app_peer_view){.code = 330000,
                                       .name = "浙江省",
                                       .url = "tls+tcp://y:1",
                                       .state = "lost",
                                       .reason = "certificate expired",
                                       .clock_skew_ms = INT64_MIN,
                                       .version = ""};
    *ret_count = a->rows < 2 ? a->rows : 2;
    return 0;
}

void app_status(struct app *a, struct arena *mem, struct app_status_view *ret)
{
    (void)mem;
    *ret = (struct app_status_view){.code = 440000,
                                    .name = "广东省",
                                    .federation = "test.example",
                                    .origin = "test/440000",
                                    .version = "0.1.0",
                                    .started_ms = 1000,
                                    .ledger_size = 12,
                                    .writer = a->writer != NULL ? a->writer : "ok",
                                    .alarm_count = a->alarms};
}

int app_checkpoint(struct app *a, uint32_t origin, struct arena *mem, struct bytes *ret_note, struct err *e)
{
    a->entries_origin = origin;
    if (a->note == NULL)
        return err_set(e, ERR_NOT_FOUND, "ledger.no-checkpoint", "there is no checkpoint of %u", origin);
    *ret_note = arena_bytes(mem, bytes_of_string(a->note));
    return 0;
}

int app_cosigned_checkpoint(struct app *a, struct arena *mem, struct bytes *ret_note, struct err *e)
{
    a->cosigned_count++;
    return app_checkpoint(a, 0, mem, ret_note, e);
}

int app_read_tile(struct app *a, int level, uint64_t number, unsigned width, struct arena *mem, struct bytes *ret,
                  struct err *e)
{
    if (number == 9)
        return err_set(e, ERR_NOT_FOUND, "ledger.no-tile", "the ledger of 12 entries has no such tile");
    a->tile_level = level;
    a->tile_number = number;
    a->tile_width = width;
    *ret = arena_bytes(mem, bytes_of_string("TILE"));
    return 0;
}

void app_add_checkpoint(struct app *a, struct bytes body, app_witness_cb cb, void *ctx)
{
    a->checkpoint_count++;
    FAKE_COPY_BYTES(a->checkpoint_body, body);
    if (body.size > 0 && body.data[0] == 'x')
        cb(ctx, 409, "text/x.tlog.size", bytes_of_string("7\n"));
    else
        cb(ctx, 200, "text/plain; charset=utf-8", bytes_of_string("LINE\n"));
}

int app_witnessed_checkpoint(struct app *a, const char *origin_hash, struct arena *mem, struct bytes *ret_note,
                             struct err *e)
{
    (void)a;
    if (origin_hash[0] != '0')
        return err_set(e, ERR_NOT_FOUND, "witness.unknown-log", "no checkpoint of this log has been cosigned here");
    *ret_note = arena_bytes(mem, bytes_of_string("NOTE\n"));
    return 0;
}

int app_policy(struct app *a, struct arena *mem, struct bytes *ret, struct err *e)
{
    (void)a;
    (void)e;
    *ret = arena_bytes(mem, bytes_of_string("quorum none\n"));
    return 0;
}

int app_list_witnesses(struct app *a, struct arena *mem, struct app_witness_view **ret, size_t *ret_count,
                       uint64_t *ret_final_size, struct err *e)
{
    (void)e;
    *ret = arena_alloc(mem, sizeof **ret);
    **ret = (struct app_witness_view){
        .code = 330000, .name = "浙江省", .up = true, .size = 7, .time_s = 1000, .last_error = "slow"};
    *ret_count = a->rows < 1 ? 0 : 1;
    *ret_final_size = 7;
    return 0;
}

int app_list_evidence(struct app *a, struct arena *mem, struct app_evidence_view **ret, size_t *ret_count,
                      struct err *e)
{
    (void)e;
    *ret = arena_alloc(mem, 2 * sizeof **ret);
    (*ret)[0] = (struct app_evidence_view){.accused = 330000,
                                           .accused_name = "浙江省",
                                           .common_size = 5,
                                           .origin = 440000,
                                           .index = 9,
                                           .evidence = bytes_of_string("EVIDENCE")};
    (*ret)[1] = (*ret)[0];
    (*ret)[1].evidence = bytes_of(NULL, 0);
    *ret_count = a->rows < 1 ? 0 : 2;
    return 0;
}

int app_reconcile(struct app *a, uint32_t peer, const char *key, struct arena *mem, const char **ret_id, struct err *e)
{
    (void)key;
    (void)mem;
    a->entries_origin = peer;
    *ret_id = "00112233445566ff";
    if (a->query_refusal.code != 0)
        *e = a->query_refusal;
    return a->query_refusal.code;
}

static const struct app_reconcile_peer fake_reconcile_peer = {
    .code = 330000, .name = "浙江省", .state = "done", .error = "", .compared = 12, .differing = 2};
static const struct app_reconcile_finding fake_reconcile_findings[] = {{.case_id = {0xc0},
                                                                        .peer = 330000,
                                                                        .peer_name = "浙江省",
                                                                        .cause = "lag_there",
                                                                        .repair = "waits",
                                                                        .text = "not yet",
                                                                        .origin = 440000,
                                                                        .first = 3,
                                                                        .last = 5,
                                                                        .count = 3},
                                                                       {.case_id = {0xc1},
                                                                        .peer = 330000,
                                                                        .peer_name = "浙江省",
                                                                        .cause = "row_here",
                                                                        .repair = "rewritten",
                                                                        .text = "again"}};

int app_get_reconcile(struct app *a, const char *id, struct arena *mem, struct app_reconcile_view *ret, struct err *e)
{
    (void)a;
    (void)mem;
    if (strcmp(id, "00112233445566ff") != 0)
        return err_set(e, ERR_NOT_FOUND, "reconcile.unknown", "there is no reconciliation '%s'", id);
    *ret = (struct app_reconcile_view){.id = "00112233445566ff",
                                       .state = "done",
                                       .started_ms = 1000,
                                       .finished_ms = 2000,
                                       .peers = &fake_reconcile_peer,
                                       .peer_count = 1,
                                       .findings = fake_reconcile_findings,
                                       .finding_count = 2};
    return 0;
}

size_t app_list_reconciles(struct app *a, struct arena *mem, struct app_reconcile_view **ret)
{
    *ret = arena_alloc(mem, sizeof **ret);
    int rc = app_get_reconcile(a, "00112233445566ff", mem, *ret, NULL);
    xassert(rc == 0);
    return 1;
}

int app_list_alarms(struct app *a, struct arena *mem, struct app_alarm_view **ret, size_t *ret_count, struct err *e)
{
    (void)e;
    *ret = arena_alloc(mem, sizeof **ret);
    **ret = (struct app_alarm_view){.id = "ledger.withheld",
                                    .about = 330000,
                                    .about_name = "浙江省",
                                    .text = "batch refused",
                                    .count = 3,
                                    .first_ms = 1000,
                                    .last_ms = 2000};
    *ret_count = a->rows < 1 ? 0 : 1;
    return 0;
}

int app_get_entry(struct app *a, uint32_t origin, uint64_t index, struct arena *mem, struct app_entry_view *ret,
                  struct err *e)
{
    (void)mem;
    (void)e;
    *ret = (struct app_entry_view){
        .origin = origin, .index = index, .leaf = a->entry_leaf, .payload_held = true, .payload_size = 9};
    return 0;
}

int app_list_entries(struct app *a, uint32_t origin, uint64_t from, size_t limit, struct arena *mem,
                     struct app_entry_view **ret, size_t *ret_count, struct err *e)
{
    a->entries_origin = origin;
    a->entries_from = from;
    a->entries_limit = limit;
    *ret = arena_alloc(mem, sizeof **ret);
    *ret_count = 1;
    return app_get_entry(a, origin, from, mem, *ret, e);
}

void app_verify(struct app *a, app_verify_cb cb, void *ctx)
{
    a->verify_count++;
    fake_wait(a, NULL, cb, NULL, ctx);
}

void app_metrics(struct app *a, struct buf *ret)
{
    buf_printf(ret, "tongban_alarms %u\n", a->alarms);
    static const uint8_t block[1 << 20];
    while (a->endless_metrics && !ret->failed)
        buf_put(ret, block, sizeof block);
}

/* ---- receipts, erasure, backup ---- */

uint64_t app_get_receipt(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint16_t act, uint32_t wait_ms,
                         app_receipt_cb cb, void *ctx)
{
    memcpy(a->case_id, case_id, CASE_ID_SIZE);
    a->receipt_act = act;
    a->receipt_wait_ms = wait_ms;
    fake_wait(a, NULL, NULL, NULL, ctx);
    a->waiting[a->waiting_count - 1].receipt = cb;
    return a->waiting[a->waiting_count - 1].ticket;
}

void app_receipt_cancel(struct app *a, uint64_t ticket)
{
    a->receipt_cancelled = ticket;
    app_unwatch(a, ticket);
}

const struct members *app_members(const struct app *a)
{
    (void)a;
    return NULL;
}

enum app_erase_basis app_erase_basis_of(const char *code)
{
    return strcmp(code, "retention_expired") == 0 ? APP_BASIS_RETENTION : 0;
}

void app_erase(struct app *a, const uint8_t case_id[CASE_ID_SIZE], enum app_erase_basis basis,
               const struct app_request *r, app_command_cb cb, void *ctx)
{
    memcpy(a->case_id, case_id, CASE_ID_SIZE);
    a->basis = basis;
    fake_request(a, r);
    fake_wait(a, cb, NULL, NULL, ctx);
}

void app_hold(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const char *reason, const struct app_request *r,
              app_command_cb cb, void *ctx)
{
    memcpy(a->case_id, case_id, CASE_ID_SIZE);
    FAKE_COPY(a->hold, reason);
    a->unheld = reason == NULL;
    fake_request(a, r);
    fake_wait(a, cb, NULL, NULL, ctx);
}

int app_get_erasure(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct arena *mem,
                    struct app_erasure_view **ret, size_t *ret_count, const char **ret_hold, struct err *e)
{
    (void)mem;
    (void)e;
    memcpy(a->case_id, case_id, CASE_ID_SIZE);
    *ret = a->erasures;
    *ret_count = a->rows;
    *ret_hold = a->held != NULL ? a->held : "";
    return 0;
}

int app_list_erasures(struct app *a, size_t limit, struct arena *mem, struct app_erasure_view **ret, size_t *ret_count,
                      struct err *e)
{
    (void)mem;
    a->entries_limit = limit;
    if (a->query_refusal.code != 0) {
        *e = a->query_refusal;
        return e->code;
    }
    *ret = a->erasures;
    *ret_count = a->rows;
    return 0;
}

void app_backup(struct app *a, const char *path, bool keys, app_backup_cb cb, void *ctx)
{
    FAKE_COPY(a->backup_path, path);
    a->backup_keys = keys;
    fake_wait(a, NULL, NULL, NULL, ctx);
    a->waiting[a->waiting_count - 1].backup = cb;
}

/* ---- materials ---- */

struct app_material_reader {
    struct app *app;
};

static void fake_upload(struct app *a, app_upload_cb cb, void *ctx)
{
    fake_wait(a, NULL, NULL, NULL, ctx);
    a->waiting[a->waiting_count - 1].upload = cb;
}

void app_begin_upload(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_upload_request *r,
                      app_upload_cb cb, void *ctx)
{
    memcpy(a->case_id, case_id, CASE_ID_SIZE);
    FAKE_COPY(a->material_name, r->name);
    FAKE_COPY(a->material_code, r->code);
    FAKE_COPY(a->material_type, r->type);
    a->material_size = r->size;
    a->material_trust = r->trust;
    a->material_hashed = r->sha256 != NULL;
    fake_upload(a, cb, ctx);
}

void app_get_upload(struct app *a, const uint8_t id[APP_UPLOAD_ID_SIZE], app_upload_cb cb, void *ctx)
{
    memcpy(a->upload_id, id, APP_UPLOAD_ID_SIZE);
    fake_upload(a, cb, ctx);
}

void app_put_upload(struct app *a, const uint8_t id[APP_UPLOAD_ID_SIZE], uint64_t offset, uint8_t *data, size_t size,
                    app_upload_cb cb, void *ctx)
{
    memcpy(a->upload_id, id, APP_UPLOAD_ID_SIZE);
    a->put_offset = offset;
    a->put_size = size;
    free(data);
    fake_upload(a, cb, ctx);
}

void app_finish_upload(struct app *a, const uint8_t id[APP_UPLOAD_ID_SIZE], const struct app_request *r,
                       app_command_cb cb, void *ctx)
{
    memcpy(a->upload_id, id, APP_UPLOAD_ID_SIZE);
    fake_request(a, r);
    fake_wait(a, cb, NULL, NULL, ctx);
}

int app_drop_upload(struct app *a, const uint8_t id[APP_UPLOAD_ID_SIZE], struct err *e)
{
    memcpy(a->upload_id, id, APP_UPLOAD_ID_SIZE);
    if (a->query_refusal.code != 0)
        *e = a->query_refusal;
    return a->query_refusal.code;
}

void app_reuse_material(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const uint8_t from_case[CASE_ID_SIZE],
                        const uint8_t file[CASE_FILE_ID_SIZE], const char *consent, const struct app_request *r,
                        app_command_cb cb, void *ctx)
{
    memcpy(a->case_id, case_id, CASE_ID_SIZE);
    memcpy(a->from_case, from_case, CASE_ID_SIZE);
    memcpy(a->file, file, CASE_FILE_ID_SIZE);
    FAKE_COPY(a->consent, consent);
    fake_request(a, r);
    fake_wait(a, cb, NULL, NULL, ctx);
}

int app_list_materials(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct arena *mem,
                       struct app_material_view **ret, size_t *ret_count, struct err *e)
{
    static const struct app_material_holder holders[] = {
        {.node = 510000, .name = "四川省", .held = 2, .count = 2, .scan = ""},
        {.node = 320000, .name = "江苏省", .held = 1, .count = 2, .scan = "clean"}};
    static struct app_material_view rows[] = {{.file = {0xf1},
                                               .origin = 510000,
                                               .index = 9,
                                               .at_ms = 1000,
                                               .content = APP_CONTENT_SHOWN,
                                               .name = "申请表.pdf",
                                               .code = "M01",
                                               .type = "pdf",
                                               .media = "application/pdf",
                                               .scan = "clean",
                                               .consent = "",
                                               .trust = 'B',
                                               .size = 1048577,
                                               .sha256 = {0xab},
                                               .holders = holders,
                                               .holder_count = 2},
                                              {.file = {0xf2}, .content = APP_CONTENT_ERASED}};
    (void)mem;
    memcpy(a->case_id, case_id, CASE_ID_SIZE);
    if (a->query_refusal.code != 0) {
        *e = a->query_refusal;
        return e->code;
    }
    *ret = rows;
    *ret_count = array_count(rows);
    return 0;
}

int app_open_material(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const uint8_t file[CASE_FILE_ID_SIZE],
                      const char *purpose, struct app_material_reader **ret, struct app_material_content *ret_content,
                      struct err *e)
{
    memcpy(a->case_id, case_id, CASE_ID_SIZE);
    memcpy(a->file, file, CASE_FILE_ID_SIZE);
    FAKE_COPY(a->purpose, purpose);
    if (a->query_refusal.code != 0) {
        *e = a->query_refusal;
        return e->code;
    }
    *ret = xcalloc(1, sizeof **ret);
    (*ret)->app = a;
    a->readers++;
    *ret_content = (struct app_material_content){.size = a->content_size != 0 ? a->content_size : FAKE_CONTENT_SIZE,
                                                 .media = "application/pdf"};
    return 0;
}

void app_read_material(struct app_material_reader *r, uint64_t offset, app_material_cb cb, void *ctx)
{
    struct app *a = r->app;
    fake_wait(a, NULL, NULL, NULL, ctx);
    a->waiting[a->waiting_count - 1].piece = cb;
    a->waiting[a->waiting_count - 1].offset = offset;
}

void app_close_material(struct app_material_reader *r)
{
    if (r == NULL)
        return;
    r->app->readers--;
    for (size_t i = 0; i < r->app->waiting_count; i++) /* the real one never calls back after that */
        if (r->app->waiting[i].piece != NULL) {
            r->app->waiting[i] = r->app->waiting[--r->app->waiting_count];
            i--;
        }
    free(r);
}

#endif
