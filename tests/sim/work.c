/* What people do at the nodes: applications, acts on cases, through the same commands as the HTTP API. Mostly what comes next, by what
 * the node itself knows; now and then something that does not fit. What a command said to be durable is kept, and is looked for
 * when the run ends. */
#include <stdio.h>
#include <string.h>

#include "node/app_internal.h"
#include "node/cases/rules.h"
#include "tests/sim/sim.h"

#define CASES_MAX 64u

struct known_case {
    uint8_t id[CASE_ID_SIZE];
    unsigned receiving; /* slot */
};

struct acked {
    unsigned slot;
    uint64_t index;
    uint8_t hash[32];
};

static struct {
    struct known_case cases[CASES_MAX];
    size_t case_count;
    struct acked *acked;
    size_t acked_count, acked_capacity;
} work;

void work_reset(void)
{
    memset(&work, 0, sizeof work);
}

/* ---- commands ---- */

static void durable(struct sim_node *n, const struct app_command_result *r)
{
    struct sim_heap *heap = sim_heap_use(NULL);
    the_sim.counts.acked++;
    check_acked(n, r->first_index, r->count);
    for (uint32_t i = 0; i < r->count; i++) {
        const struct store_entry *row = disk_entry(n->disk, n->code, r->first_index + i);
        struct acked *a = sim_push((void **)&work.acked, &work.acked_count, &work.acked_capacity, sizeof *a);
        *a = (struct acked){.slot = n->slot, .index = r->first_index + i};
        if (row != NULL)
            memcpy(a->hash, row->hash, sizeof a->hash);
    }
    (void)sim_heap_use(heap);
}

static void acted(void *ctx, const struct app_command_result *r, const struct err *e)
{
    struct sim_node *n = ctx;
    if (e->code != 0) {
        sim_trace("%s: refused: %s", sim_name(n), e->message);
        return;
    }
    durable(n, r);
}

static void submitted(void *ctx, const struct app_command_result *r, const struct err *e)
{
    struct sim_node *n = ctx;
    acted(ctx, r, e);
    if (e->code != 0 || work.case_count == CASES_MAX || n->slot >= the_sim.options.node_count)
        return;
    struct known_case *c = &work.cases[work.case_count++];
    memcpy(c->id, r->case_id, sizeof c->id);
    c->receiving = n->slot;
}

static uint32_t any_province(void)
{
    unsigned first = the_sim.nodes[0].code == RULES_NODE_NATIONAL;
    return the_sim.nodes[first + sim_below(the_sim.options.node_count - first)].code;
}

static void submit(struct sim_node *n)
{
    uint32_t lead = any_province();
    char item[48], key[32];
    (void)snprintf(item, sizeof item, "SIM%06u", lead);
    (void)snprintf(key, sizeof key, "key-%llu", (unsigned long long)sim_below(1000000));
    struct app_submission s = {.item_code = item,
                               .item_node = lead,
                               .division = lead,
                               .applicant_kind = "person",
                               .applicant_name = "测试",
                               .id_type = "other",
                               .id_number = "0",
                               .payload = bytes_of_string("{\"form\":{}}"),
                               .forward = !sim_chance(100)};
    struct app_request r = {.idempotency_key = sim_chance(500) ? key : NULL};
    sim_trace("%s: application for %u", sim_name(n), lead);
    app_submit(n->engine.app, &s, &r, submitted, n);
    if (r.idempotency_key != NULL && sim_chance(200)) /* sent twice */
        app_submit(n->engine.app, &s, &r, acted, n);
}

/* ---- acts ---- */

/* status -> what usually comes next at the deciding node, at the receiving node */
static const struct {
    uint8_t status;
    uint16_t lead[4];
    uint16_t receiving[3];
} usual[] = {
    {CASE_STATUS_RECEIVED, {CASE_EVENT_NOTE}, {CASE_EVENT_FORWARD, CASE_EVENT_RETURN}},
    {CASE_STATUS_FORWARDED, {CASE_EVENT_NOTE}, {CASE_EVENT_NOTE}},
    {CASE_STATUS_ARRIVED,
     {CASE_EVENT_ACCEPT, CASE_EVENT_ACCEPT, CASE_EVENT_CORRECT, CASE_EVENT_REFUSE},
     {CASE_EVENT_NOTE}},
    {CASE_STATUS_CORRECTING, {CASE_EVENT_NOTE}, {CASE_EVENT_SUPPLEMENT}},
    {CASE_STATUS_CORRECTED, {CASE_EVENT_ACCEPT, CASE_EVENT_CORRECT}, {CASE_EVENT_NOTE}},
    {CASE_STATUS_ACCEPTED,
     {CASE_EVENT_PROCESS, CASE_EVENT_DECIDE, CASE_EVENT_PAUSE, CASE_EVENT_HANDOVER},
     {CASE_EVENT_NOTE}},
    {CASE_STATUS_PROCESSING, {CASE_EVENT_DECIDE, CASE_EVENT_PAUSE, CASE_EVENT_HANDOVER}, {CASE_EVENT_WITHDRAW}},
    {CASE_STATUS_PAUSED, {CASE_EVENT_RESUME}, {CASE_EVENT_NOTE}},
    {CASE_STATUS_RESUMED, {CASE_EVENT_DECIDE}, {CASE_EVENT_WITHDRAW}},
    {CASE_STATUS_GRANTED, {CASE_EVENT_CLOSE, CASE_EVENT_CLOSE, CASE_EVENT_DECIDE}, {CASE_EVENT_WITHDRAW}},
    {CASE_STATUS_DENIED, {CASE_EVENT_CLOSE, CASE_EVENT_CLOSE, CASE_EVENT_DECIDE}, {CASE_EVENT_OBJECT}},
    {CASE_STATUS_CLOSED_GRANTED, {CASE_EVENT_DELIVER, CASE_EVENT_REVOKE}, {CASE_EVENT_DELIVER, CASE_EVENT_WITHDRAW}},
    {CASE_STATUS_CLOSED_DENIED, {CASE_EVENT_DELIVER}, {CASE_EVENT_DELIVER}},
    {CASE_STATUS_REFUSED, {CASE_EVENT_DELIVER}, {CASE_EVENT_DELIVER}},
    {CASE_STATUS_DELIVERED, {CASE_EVENT_ARCHIVE, CASE_EVENT_NOTE}, {CASE_EVENT_EVALUATE, CASE_EVENT_WITHDRAW}},
};

static uint16_t one_of(const uint16_t *types, size_t max)
{
    size_t count = 0;
    while (count < max && types[count] != 0)
        count++;
    return count == 0 ? CASE_EVENT_NOTE : types[sim_below(count)];
}

static uint16_t choose_act(const struct sim_node *n, const struct case_state *state)
{
    bool is_lead = state->lead == n->code;
    if (n->code == RULES_NODE_NATIONAL)
        return sim_chance(60) ? CASE_EVENT_SUPERVISE : CASE_EVENT_NONE;
    if (sim_chance(60))
        return (uint16_t)(2 + sim_below(CASE_EVENT_ARCHIVE - 1));
    if (!is_lead && state->receiving == n->code && sim_chance(80))
        return CASE_EVENT_WITHDRAW;
    if (!is_lead && state->receiving != n->code)
        return sim_chance(150) ? CASE_EVENT_DECIDE : CASE_EVENT_NONE;
    for (size_t i = 0; i < array_count(usual); i++)
        if (usual[i].status == state->status)
            return is_lead ? one_of(usual[i].lead, 4) : one_of(usual[i].receiving, 3);
    return sim_chance(100) ? CASE_EVENT_NOTE : CASE_EVENT_NONE;
}

static void act(struct sim_node *n, const uint8_t id[CASE_ID_SIZE], uint16_t type)
{
    const struct case_slot *slot;
    struct app *a = n->engine.app;
    if (case_cache_get(a->cases, n->engine.ledger, id, (struct case_slot **)(uintptr_t)&slot, NULL) != 0 ||
        casefile_state(slot->file)->root == NULL)
        return;
    const struct case_state *state = casefile_state(slot->file);
    if (type == CASE_EVENT_NONE)
        type = choose_act(n, state);
    if (type == CASE_EVENT_NONE)
        return;
    struct app_event event = {.type = type,
                              .decision = (uint8_t)(1 + sim_below(2)),
                              .grade = (uint8_t)(1 + sim_below(5)),
                              .channel = 1,
                              .pause_kind = 1,
                              .expected_days = 10,
                              .lead = sim_chance(500) ? state->receiving : any_province(),
                              .told = CASE_TOLD_REASONS,
                              .reason_code = "material"};
    if (type == CASE_EVENT_SUPERVISE || type == CASE_EVENT_HANDOVER)
        event.lead = state->lead == state->receiving ? any_province() : event.lead;
    struct app_request r = {.idempotency_key = NULL};
    sim_trace("%s: %s on %02x%02x", sim_name(n), case_event_name(type), id[14], id[15]);
    app_append(a, id, &event, 1, &r, acted, n);
}

static void erase(struct sim_node *n, const uint8_t id[CASE_ID_SIZE])
{
    struct app_request r = {.idempotency_key = NULL};
    app_erase(n->engine.app, id, APP_BASIS_PURPOSE, &r, acted, n);
}

void work_step(void)
{
    struct sim_node *n = &the_sim.nodes[sim_below(the_sim.slot_count)];
    if (!n->started)
        return;
    struct sim_scope scope = sim_enter(n);
    if (n->code != RULES_NODE_NATIONAL && (work.case_count == 0 || (work.case_count < CASES_MAX && sim_chance(80)))) {
        submit(n);
    } else if (work.case_count > 0) {
        const struct known_case *c = &work.cases[work.case_count - 1 - sim_below(min_of(work.case_count, (size_t)8))];
        if (sim_chance(40))
            erase(n, c->id);
        else
            act(n, c->id, CASE_EVENT_NONE);
    }
    sim_leave(scope);
}

/* ---- healing and the end ---- */

/* The superior node gives frozen cases to somebody who has not contradicted himself. */
static void supervise(struct sim_node *n, const uint8_t id[CASE_ID_SIZE])
{
    struct case_slot *slot;
    struct app *a = n->engine.app;
    if (case_cache_get(a->cases, n->engine.ledger, id, &slot, NULL) != 0 ||
        (casefile_state(slot->file)->flags & CASE_FLAG_FROZEN) == 0)
        return;
    struct app_event event = {.type = CASE_EVENT_SUPERVISE, .reason_code = "forked"};
    do
        event.lead = any_province();
    while (app_is_disputed(a, event.lead));
    struct app_request r = {.idempotency_key = NULL};
    sim_trace("%s: supervise %02x%02x, %u leads", sim_name(n), id[14], id[15], event.lead);
    the_sim.counts.supervised++;
    app_append(a, id, &event, 1, &r, acted, n);
}

void work_heal(void)
{
    struct sim_node *n = &the_sim.nodes[0];
    if (n->code != RULES_NODE_NATIONAL || !n->started || n->is_byzantine)
        return;
    struct sim_scope scope = sim_enter(n);
    for (size_t i = 0; i < work.case_count && !n->crash_now; i++)
        supervise(n, work.cases[i].id);
    sim_leave(scope);
}

void work_end(void)
{
    for (size_t i = 0; i < work.acked_count; i++) {
        const struct acked *a = &work.acked[i];
        const struct sim_node *n = &the_sim.nodes[a->slot];
        const struct store_entry *row = disk_entry(n->disk, n->code, a->index);
        if (n->went_back)
            continue; /* what only the lost disk held is gone; the ledger's own checks say that nothing took its place */
        if (row == NULL || memcmp(row->hash, a->hash, sizeof a->hash) != 0)
            sim_violation("D", "%s said that entry %llu is durable; it is not there", sim_name(n),
                          (unsigned long long)a->index);
    }
}
