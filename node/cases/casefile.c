/* The door of node/cases (casefile.h): a replay with its case id, and the view of its state that callers see.
 * Pure; the caller owns the case file; one thread at a time.
 */
#include "node/cases/casefile.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"
#include "node/cases/casefile_internal.h"

struct casefile *casefile_create(const uint8_t case_id[CASE_ID_SIZE])
{
    struct casefile *c = xcalloc(1, sizeof *c);
    memcpy(c->case_id, case_id, CASE_ID_SIZE);
    replay_init(&c->replay, get_be32(case_id));
    return c;
}

void casefile_destroy(struct casefile *c)
{
    if (c == NULL)
        return;
    replay_close(&c->replay);
    free(c);
}

size_t casefile_bytes(const struct casefile *c)
{
    const struct replay *r = &c->replay;
    return sizeof *c + dag_bytes(&r->dag) + r->order_capacity * sizeof *r->order +
           r->members_capacity * sizeof *r->members;
}

int casefile_add(struct casefile *c, const struct case_event *event, struct err *e)
{
    struct dag_added added;
    int r = dag_add(&c->replay.dag, event, &added, e);
    if (r < 0)
        return r;

    c->is_viewed = false;
    replay_note(&c->replay, &added);
    if (added.is_fork)
        return err_set(e, ERR_CONFLICT, "case.forked", "node %u wrote two different leaves at index %llu",
                       event->origin, (unsigned long long)event->index);
    return 0;
}

int casefile_check_room(const struct casefile *c, uint32_t origin, unsigned count, struct err *e)
{
    return dag_check_room(&c->replay.dag, origin, count, e);
}

void casefile_mark_forked(struct casefile *c, uint32_t origin, uint64_t index)
{
    c->is_viewed = false;
    dag_mark_forked(&c->replay.dag, origin, index);
    replay_note_fork(&c->replay);
}

static bool is_contested(const struct dag *d, uint32_t lead)
{
    for (unsigned i = 0; d->is_forked && i < d->chain_count; i++)
        if (d->chains[i].is_forked && d->chains[i].origin != lead)
            return true;
    return false;
}

static uint8_t shown(const struct fold *f)
{
    return (f->flags & CASE_FLAG_FROZEN) != 0 ? CASE_STATUS_FROZEN : f->status;
}

const struct case_state *casefile_state(struct casefile *c)
{
    struct replay *r = &c->replay;
    if (c->is_viewed)
        return &c->state; /* a command asks a dozen times */
    c->is_viewed = true;
    replay_run(r);
    const struct fold *f = &r->current;
    bool is_sequenced = f->status_position < r->sequenced_count;
    c->state = (struct case_state){
        .item_code = "",
        .number = f->number,
        .reason = f->reason,
        .updated_hlc = f->updated_hlc,
        .lead = f->lead,
        .receiving = f->receiving,
        .sequenced_lead = r->sequenced.lead,
        .flags = f->flags | (is_contested(&r->dag, f->lead) ? (uint32_t)CASE_FLAG_CONTESTED : 0),
        .event_count = r->order_count,
        .sequenced_count = r->sequenced_count,
        .pending_count = r->dag.pending_count,
        .rules_version = f->rules_version,
        .expected_days = f->expected_days,
        .status = shown(f),
        .sequenced_status = shown(&r->sequenced),
        .level = is_sequenced ? CASE_LEVEL_SEQUENCED : CASE_LEVEL_TENTATIVE,
        .closed_as = f->closed_as,
        .grade = f->grade,
        .pause_kind = f->pause_kind,
    };
    c->state.extend_days = f->extend_days;
    c->state.lacking_days = f->lacking_days;
    c->state.terms = f->terms;
    c->state.limits = f->limits;
    c->state.grade_deciding = f->grade_deciding;
    c->state.part_count = f->part_count;
    for (unsigned i = 0; i < f->part_count; i++) {
        c->state.parts[i] = (struct case_part){.event = &f->parts[i]->held, .decision = f->part_decisions[i]};
        c->state.parts_open = (uint8_t)(c->state.parts_open + (f->part_decisions[i] == 0));
        c->state.parts_denied = (uint8_t)(c->state.parts_denied + (f->part_decisions[i] == CASE_PART_DENIED));
        c->state.parts_lapsed = (uint8_t)(c->state.parts_lapsed + (f->part_decisions[i] == CASE_PART_LAPSED));
    }
    if (f->decision != NULL) {
        c->state.decision_event = &f->decision->held;
        c->state.decision = f->decision->held.decision;
    }
    if (f->root != NULL && f->status != CASE_STATUS_NONE) {
        const struct case_held *root = &f->root->held;
        c->state.root = root;
        c->state.item_code = root->item_code;
        c->state.item_version = root->item_version;
        c->state.created_hlc = root->hlc;
        c->state.division = root->division;
        c->state.mode = root->mode;
        c->state.parent = root->has_parent ? root->parent : NULL;
    }
    return &c->state;
}

size_t casefile_effects(struct casefile *c, const struct case_effect **ret)
{
    struct replay *r = &c->replay;
    replay_run(r);
    replay_reserve(r, r->dag.count);
    uint32_t count = r->order_count;
    for (unsigned i = 0; i < r->dag.count && count < r->dag.count; i++) {
        const struct dag_event *event = r->dag.events[i];
        if (event->is_closed)
            continue;
        r->order[count++] = (struct case_effect){
            .event = &event->held,
            .lead = r->current.lead,
            .receiving = r->current.receiving,
            .kind = CASE_EFFECT_PENDING,
            .why = CASE_WHY_PARENT_MISSING,
            .status_before = shown(&r->current),
            .status_after = shown(&r->current),
        };
    }
    *ret = r->order;
    return count;
}

unsigned casefile_tips(struct casefile *c, struct case_parent ret[LEAF_PARENTS_MAX])
{
    return dag_tips(&c->replay.dag, 0, ret);
}

unsigned casefile_missing(struct casefile *c, struct case_parent *ret, unsigned max)
{
    return dag_missing(&c->replay.dag, ret, max);
}

static void put_forks(const struct dag *d, struct buf *out)
{
    uint32_t after = 0;
    for (bool is_first = true;; is_first = false) { /* ascending by author: chains lie in order of arrival */
        const struct dag_chain *next = NULL;
        for (unsigned i = 0; i < d->chain_count; i++) {
            const struct dag_chain *at = &d->chains[i];
            if (at->is_forked && (is_first || at->origin > after) && (next == NULL || at->origin < next->origin))
                next = at;
        }
        if (next == NULL)
            break;
        buf_put_u32(out, next->origin);
        buf_put_u64(out, next->fork_index);
        after = next->origin;
    }
}

/* Leaves that a forked lead wrote from the fork on stand for nothing, and one node may hold this one of them, another
 * that one: they are left out, and with them the counts. */
void casefile_digest_input(struct casefile *c, struct buf *out)
{
    const struct case_state *s = casefile_state(c);
    static const uint8_t nothing[32];
    buf_put(out, "TBCASE\0\1", 8);
    buf_put(out, c->case_id, CASE_ID_SIZE);
    buf_put(out, s->root == NULL ? nothing : s->root->id, 32);
    buf_put(out, s->decision_event == NULL ? nothing : s->decision_event->id, 32);
    buf_put_u32(out, s->lead);
    buf_put_u32(out, s->sequenced_lead);
    buf_put_u32(out, s->flags);
    buf_put_u16(out, s->rules_version);
    buf_put_u8(out, s->status);
    buf_put_u8(out, s->sequenced_status);
    buf_put_u8(out, s->level);
    buf_put_u8(out, s->closed_as);
    buf_put_u8(out, s->grade);
    if (c->replay.dag.is_forked)
        put_forks(&c->replay.dag, out);
    for (uint32_t i = 0; i < c->replay.order_count; i++) { /* for every change of a case: one row, one call */
        const struct case_effect *effect = &c->replay.order[i];
        uint8_t *row = effect->why == CASE_WHY_FORKED ? NULL : buf_extend(out, 34);
        if (row == NULL)
            continue;
        memcpy(row, effect->event->id, 32);
        row[32] = effect->kind;
        row[33] = effect->sequenced;
    }
}
