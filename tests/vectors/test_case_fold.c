/* The fold against case_fold.json, which an independent program wrote: order, effects, status and sequenced status of
 * named races, through rules version 0 and the same engine that folds real cases. Every case is delivered forwards,
 * backwards and twice. */
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
#include "tests/lib/vectors.h"

#define EVENTS_MAX 16

static const struct {
    const char *name;
    uint16_t type;
} types[] = {
    {"SUBMIT", CASE_EVENT_SUBMIT},         {"DECIDE", CASE_EVENT_DECIDE}, {"WITHDRAW", CASE_EVENT_WITHDRAW},
    {"SERVE", CASE_EVENT_DELIVER},         {"ACK", CASE_EVENT_ACK},       {"HANDOVER", CASE_EVENT_HANDOVER},
    {"SUPPLEMENT", CASE_EVENT_SUPPLEMENT}, {"NOTE", CASE_EVENT_NOTE},     {"SUPERVISE", CASE_EVENT_SUPERVISE},
};

static const struct {
    const char *name;
    uint8_t status;
} statuses[] = {
    {"OPEN", CASE_STATUS_RECEIVED},
    {"APPROVED", CASE_STATUS_GRANTED},
    {"REJECTED", CASE_STATUS_DENIED},
    {"WITHDRAWN", CASE_STATUS_WITHDRAWN},
};

static uint16_t type_of(const char *name)
{
    for (size_t i = 0; i < array_count(types); i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    fail_msg("vectors: type '%s'", name);
    return 0;
}

static uint8_t status_of(const char *name)
{
    for (size_t i = 0; i < array_count(statuses); i++)
        if (strcmp(statuses[i].name, name) == 0)
            return statuses[i].status;
    fail_msg("vectors: status '%s'", name);
    return 0;
}

static uint32_t node_of(const char *letter)
{
    assert_true(strlen(letter) == 1 && letter[0] >= 'A' && letter[0] <= 'Z');
    return (uint32_t)letter[0];
}

/* The vectors leave the id free ("any collision-resistant hash"): here it is the name. */
static void id_of(const char *name, uint8_t id[32])
{
    memset(id, 0, 32);
    assert_true(strlen(name) < 32);
    memcpy(id, name, strlen(name));
}

static const struct case_event *find(const struct case_event *events, size_t count, const char *name)
{
    uint8_t id[32];
    id_of(name, id);
    for (size_t i = 0; i < count; i++)
        if (memcmp(events[i].id, id, 32) == 0)
            return &events[i];
    fail_msg("vectors: no event '%s'", name);
    return NULL;
}

static void read_event(yyjson_val *v, const struct case_event *before, size_t before_count, struct case_event *ret)
{
    const char *role = vectors_string(v, "role");
    const char *arg = vectors_string(v, "arg");
    *ret = (struct case_event){
        .origin = node_of(vectors_string(v, "origin")),
        .index = vectors_u64(v, "index"),
        .hlc = vectors_u64(v, "hlc"),
        .type = type_of(vectors_string(v, "type")),
        .role = strcmp(role, "decider") == 0 ? CASE_ROLE_DECIDER : CASE_ROLE_APPLICANT,
        .rules_version = 0,
    };
    id_of(vectors_string(v, "name"), ret->id);
    if (ret->type == CASE_EVENT_SUBMIT || ret->type == CASE_EVENT_HANDOVER)
        ret->lead = node_of(arg);
    if (ret->type == CASE_EVENT_DECIDE)
        ret->decision = strcmp(arg, "APPROVED") == 0 ? CASE_DECISION_GRANT : CASE_DECISION_DENY;
    size_t i, n;
    yyjson_val *name;
    yyjson_arr_foreach(vectors_get(v, "parents"), i, n, name)
    {
        const struct case_event *parent = find(before, before_count, yyjson_get_str(name));
        struct case_parent *to = &ret->parents[ret->parent_count++];
        *to = (struct case_parent){.origin = parent->origin, .index = parent->index};
        memcpy(to->id, parent->id, 32);
    }
}

static bool is_withheld(yyjson_val *c, const struct case_event *event)
{
    size_t i, n;
    yyjson_val *name;
    if (!vectors_has(c, "withheld"))
        return false;
    yyjson_arr_foreach(vectors_get(c, "withheld"), i, n,
                       name) if (strcmp((const char *)event->id, yyjson_get_str(name)) == 0) return true;
    return false;
}

static void effect_text(const struct case_effect *effect, char *out, size_t size)
{
    if (effect->voids == NULL)
        (void)snprintf(out, size, "%s", case_effect_name(effect->kind));
    else
        (void)snprintf(out, size, "%s:voids %s", case_effect_name(effect->kind), (const char *)effect->voids->id);
}

static void check(struct casefile *file, yyjson_val *c)
{
    yyjson_val *expect = vectors_get(c, "expect");
    yyjson_val *order = vectors_get(expect, "order");
    const struct case_effect *effects;
    size_t count = casefile_effects(file, &effects);
    const struct case_state *state = casefile_state(file);
    assert_int_equal(state->event_count, yyjson_arr_size(order));
    assert_int_equal(count, state->event_count + state->pending_count);
    for (size_t i = 0; i < state->event_count; i++) {
        const char *name = yyjson_get_str(yyjson_arr_get(order, i));
        char text[64];
        effect_text(&effects[i], text, sizeof text);
        assert_string_equal((const char *)effects[i].event->id, name);
        assert_string_equal(text, vectors_string(vectors_get(expect, "effects"), name));
        assert_int_equal(effects[i].sequenced, i < state->sequenced_count);
    }
    assert_int_equal(state->status, status_of(vectors_string(expect, "status")));
    assert_int_equal(state->sequenced_status, status_of(vectors_string(expect, "final_status")));
    assert_int_equal(state->sequenced_count, vectors_u64(expect, "final_len"));
}

enum delivery { FORWARDS, BACKWARDS, TWICE, DELIVERY_COUNT };

static void run_case(yyjson_val *c, enum delivery delivery)
{
    struct case_event events[EVENTS_MAX];
    size_t count, i;
    yyjson_val *v;
    yyjson_arr_foreach(vectors_get(c, "events"), i, count, v)
    {
        assert_true(i < EVENTS_MAX);
        read_event(v, events, i, &events[i]);
    }
    uint8_t case_id[CASE_ID_SIZE] = {1};
    struct casefile *file = casefile_create(case_id);
    for (size_t k = 0; k < count * (delivery == TWICE ? 2 : 1); k++) {
        const struct case_event *event = &events[delivery == BACKWARDS ? count - 1 - k : k % count];
        struct err e;
        if (!is_withheld(c, event) && casefile_add(file, event, &e) < 0)
            fail_msg("%s: %s", vectors_string(c, "name"), e.message);
        (void)casefile_state(file);
    }
    check(file, c);
    casefile_destroy(file);
}

static void test_cases(void **state)
{
    (void)state;
    yyjson_doc *doc = vectors_load(VECTORS_FILE("case_fold"));
    yyjson_val *root = yyjson_doc_get_root(doc);
    size_t i, n, k, m;
    yyjson_val *c, *key, *rank;
    yyjson_obj_foreach(vectors_get(root, "rank"), k, m, key, rank)
        assert_int_equal(rules_rank(0, type_of(yyjson_get_str(key))), yyjson_get_uint(rank));
    assert_int_equal(m, array_count(types));
    yyjson_arr_foreach(vectors_get(root, "cases"), i, n, c)
    {
        print_message("%s\n", vectors_string(c, "name"));
        for (enum delivery d = FORWARDS; d < DELIVERY_COUNT; d++)
            run_case(c, d);
    }
    assert_int_equal(n, 10);
    yyjson_doc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
