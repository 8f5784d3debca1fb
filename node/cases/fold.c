/* The fold's step (fold.h). fold_apply() asks in this order: is there a case and does the event belong to it; is it
 * well-formed; is it the author's act; has the same request been done; does the status allow it; then the operation
 * (operation.h). The first "no" is the effect. Pure; any thread.
 */
#include "node/cases/fold.h"

#include <string.h>

#include "node/base/mutant.h"
#include "node/base/xassert.h"
#include "node/cases/operation.h"
#include "node/cases/rules.h"

uint32_t fold_missing_attrs(const struct case_held *e, uint32_t needs)
{
    uint32_t has = 0;
    has |= e->lead != 0 ? RULE_ATTR(CASE_ATTR_LEAD) : 0;
    has |= e->item_code[0] != '\0' ? RULE_ATTR(CASE_ATTR_ITEM_CODE) : 0;
    has |= e->decision != 0 ? RULE_ATTR(CASE_ATTR_DECISION) : 0;
    has |= e->reason[0] != '\0' ? RULE_ATTR(CASE_ATTR_REASON) : 0;
    has |= e->grade != 0 ? RULE_ATTR(CASE_ATTR_GRADE) : 0;
    has |= e->pause_kind != 0 ? RULE_ATTR(CASE_ATTR_PAUSE_KIND) : 0;
    has |= e->expected_days != 0 ? RULE_ATTR(CASE_ATTR_EXPECTED_DAYS) : 0;
    has |= e->file != NULL ? RULE_ATTR(CASE_ATTR_FILE) : 0;
    has |= e->extend_days != 0 ? RULE_ATTR(CASE_ATTR_EXTEND_DAYS) : 0;
    has |= e->has_official ? RULE_ATTR(CASE_ATTR_OFFICIAL) : 0;
    has |= e->review != 0 ? RULE_ATTR(CASE_ATTR_REVIEW) : 0;
    has |= e->side != 0 ? RULE_ATTR(CASE_ATTR_SIDE) : 0;
    has |= e->has_part ? RULE_ATTR(CASE_ATTR_PART) : 0;
    return needs & ~has;
}

static bool has_attrs(const struct case_held *e, uint32_t needs)
{
    return fold_missing_attrs(e, needs) == 0;
}

static bool has_role(const struct case_held *e, const struct rule *row)
{
    return e->role < 32 && (row->roles & RULE_ROLE(e->role)) != 0;
}

bool fold_root_counts(const struct dag_event *e)
{
    if (e->held.type != CASE_EVENT_SUBMIT || e->held.parent_count > 0 || e->held.malformed)
        return false;
    const struct rule *row = rules_find(e->held.rules_version, CASE_EVENT_SUBMIT);
    return row != NULL && has_role(&e->held, row) && has_attrs(&e->held, row->needs);
}

bool fold_supervise_counts(const struct dag_event *root, const struct dag_event *e, uint32_t *ret_cut_origin)
{
    *ret_cut_origin = 0;
    const struct case_held *s = &e->held;
    if (root == NULL || s->type != CASE_EVENT_SUPERVISE || s->malformed || e->is_misciting)
        return false;
    const struct rule *row = rules_find(root->held.rules_version, CASE_EVENT_SUPERVISE);
    if (row == NULL || !has_role(s, row) || !has_attrs(s, row->needs))
        return false;
    if (!rules_is_superior(s->origin, root->held.lead))
        return false;
    if (s->origin != s->lead && !rules_is_superior(s->origin, s->lead))
        return false;
    if (!s->has_last_leaf)
        return true;
    for (unsigned i = 0; i < s->parent_count; i++)
        if (s->parents[i].index == s->last_leaf && s->parents[i].origin != s->origin)
            *ret_cut_origin = s->parents[i].origin;
    return *ret_cut_origin != 0; /* the last accepted leaf must be cited, or nobody knows whose it is */
}

void fold_init(struct fold *f, const struct dag_event *root)
{
    *f = (struct fold){.root = root, .number = "", .reason = ""};
    if (root == NULL)
        return;
    f->receiving = root->held.origin;
    f->rules_version = root->held.rules_version;
}

/* Only the lead raises the rules of its case; the abstract version 0 is nobody's real case. */
static void raise_rules(struct fold *f, const struct case_held *e)
{
    if (f->rules_version == 0 || e->origin != f->lead || e->rules_version <= f->rules_version)
        return;
    f->rules_version = e->rules_version;
}

/* Does the event belong to this case and read as an event at all? */
static bool check_form(struct fold *f, const struct dag_event *e, struct case_effect *ret)
{
    if (f->root == NULL) {
        operation_effect(ret, CASE_EFFECT_DENIED, CASE_WHY_NO_ROOT);
        return false;
    }
    if (e->held.type == CASE_EVENT_SUBMIT && e != f->root) {
        operation_effect(ret, CASE_EFFECT_GUARD,
                         e->held.parent_count > 0 ? CASE_WHY_ROOT_HAS_PARENTS : CASE_WHY_SECOND_ROOT);
        return false;
    }
    if (e->is_misciting || e->held.malformed) {
        operation_effect(ret, CASE_EFFECT_DENIED, e->is_misciting ? CASE_WHY_CITATION : CASE_WHY_MALFORMED);
        return false;
    }
    if (!e->follows_root) {
        operation_effect(ret, CASE_EFFECT_DENIED, CASE_WHY_STRAY);
        return false;
    }
    raise_rules(f, &e->held);
    if (!rules_is_known(f->rules_version)) {
        f->flags |= CASE_FLAG_RULES_UNKNOWN;
        operation_effect(ret, CASE_EFFECT_DENIED, CASE_WHY_RULES_UNKNOWN);
        return false;
    }
    return true;
}

static bool is_authors_act(const struct fold *f, const struct dag_event *e, const struct rule *row)
{
    uint32_t ignored;
    switch ((enum rule_who)row->who) {
    case RULE_WHO_RECEIVING:
        return e->held.origin == f->receiving;
    case RULE_WHO_LEAD:
        return e->held.origin == f->lead;
    case RULE_WHO_EITHER:
        return e->held.origin == f->receiving || e->held.origin == f->lead;
    case RULE_WHO_SUPERVISOR:
        if (e->held.role != CASE_ROLE_SUPERVISOR || e->held.lead == 0)
            return true; /* the role and the attribute are refused by name below */
        return fold_supervise_counts(f->root, e, &ignored);
    }
    return false;
}

/* A lead that wrote two leaves at one index, or was cut off by a supervisor, has no valid events from there on. Only
 * while it leads: elsewhere its events weigh no more than anybody's. */
static bool is_cut_off(const struct fold *f, const struct dag *d, const struct case_held *e, struct case_effect *ret)
{
    if (e->origin != f->lead)
        return false;
    const struct dag_chain *chain = d->is_forked ? dag_find_chain(d, e->origin) : NULL;
    if (chain != NULL && chain->is_forked && e->index >= chain->fork_index) {
        operation_effect(ret, CASE_EFFECT_DENIED, CASE_WHY_FORKED);
        return true;
    }
    if (f->cut != NULL && f->cut_origin != 0 && e->origin == f->cut_origin && e->index > f->cut->held.last_leaf) {
        operation_effect(ret, CASE_EFFECT_DENIED, CASE_WHY_CUT_OFF);
        return true;
    }
    return false;
}

/* The earlier event with the same request that took effect in this fold, or NULL. */
static const struct dag_event *request_winner(const struct dag *d, const struct dag_event *e)
{
    const struct dag_event *head = NULL;
    if (e->slot != DAG_NONE)
        head = e->request_head == DAG_NONE ? NULL : d->events[e->request_head];
    else if (e->held.has_request)
        head = dag_find_request(d, e->held.origin, e->held.request);
    if (head == NULL || head->request_winner == DAG_NONE)
        return NULL;
    const struct dag_event *winner = d->events[head->request_winner];
    return winner->position == DAG_NOT_PLACED || !winner->is_effective || winner == e ? NULL : winner;
}

/* NULL: refused, @ret says why. */
static const struct rule *check_author(const struct fold *f, const struct dag *d, const struct dag_event *e,
                                       struct case_effect *ret)
{
    const struct rule *row = rules_find(f->rules_version, e->held.type);
    if (row == NULL)
        operation_effect(ret, CASE_EFFECT_NOOP, CASE_WHY_TYPE_UNKNOWN);
    else if (is_cut_off(f, d, &e->held, ret))
        return NULL;
    else if (!is_authors_act(f, e, row) && !MUTANT(authority_unchecked))
        operation_effect(ret, CASE_EFFECT_DENIED, CASE_WHY_NODE);
    else if (!has_role(&e->held, row))
        operation_effect(ret, CASE_EFFECT_DENIED, CASE_WHY_ROLE);
    else if (!has_attrs(&e->held, row->needs))
        operation_effect(ret, CASE_EFFECT_DENIED, CASE_WHY_ATTRIBUTE);
    else if (request_winner(d, e) != NULL)
        operation_effect(ret, CASE_EFFECT_NOOP, CASE_WHY_REPEATED);
    else
        return row;
    return NULL;
}

/* Allowed by a fault put in on purpose; never in the program. */
static bool is_mutant(const struct fold *f, const struct rule *row)
{
    bool is_delivered = (f->flags & CASE_FLAG_DELIVERED) != 0;
    return (MUTANT(decide_twice) && row->op == RULE_OP_DECIDE && f->decision != NULL && !is_delivered) ||
           (MUTANT(deliver_reopens) && row->type == CASE_EVENT_ACCEPT && is_delivered);
}

static bool check_status(struct fold *f, const struct rule *row, struct case_effect *ret)
{
    if (row->op == RULE_OP_WITHDRAW && f->status == row->after)
        operation_effect(ret, CASE_EFFECT_NOOP, CASE_WHY_ALREADY);
    else if ((f->flags & CASE_FLAG_FROZEN) != 0 && row->allowed != RULE_STATUS_ANY)
        operation_effect(ret, CASE_EFFECT_GUARD, CASE_WHY_FROZEN);
    else if ((row->late & RULE_STATUS(f->status)) != 0)
        operation_late(f, row, ret, (f->flags & CASE_FLAG_DELIVERED) != 0 ? CASE_WHY_DELIVERED : CASE_WHY_TOO_LATE);
    else if ((row->allowed & RULE_STATUS(f->status)) == 0 && !is_mutant(f, row))
        operation_effect(ret, CASE_EFFECT_GUARD, CASE_WHY_STATUS);
    else
        return true;
    return false;
}

static bool follows_root(const struct fold *f, const struct dag *d, const struct dag_event *e)
{
    if (e == f->root || e->slot == DAG_NONE)
        return true;
    for (unsigned i = 0; i < e->held.parent_count; i++)
        if (d->events[e->links[i].parent]->follows_root)
            return true;
    return false;
}

static uint8_t shown_status(const struct fold *f)
{
    return (f->flags & CASE_FLAG_FROZEN) != 0 ? CASE_STATUS_FROZEN : f->status;
}

void fold_apply(struct fold *f, struct dag *d, struct dag_event *e, uint32_t position, struct case_effect *ret)
{
    *ret = (struct case_effect){
        .event = &e->held,
        .lead = f->lead,
        .receiving = f->receiving,
        .status_before = shown_status(f),
    };
    e->follows_root = follows_root(f, d, e);
    f->updated_hlc = max_of(f->updated_hlc, e->held.hlc);
    const struct rule *row = NULL;
    if (check_form(f, e, ret))
        row = check_author(f, d, e, ret);
    if (row != NULL && check_status(f, row, ret)) {
        struct operation operation = {.f = f, .d = d, .e = e, .row = row, .position = position, .ret = ret};
        operation_run(&operation);
    }
    ret->status_after = shown_status(f);

    e->is_effective = ret->kind == CASE_EFFECT_OK;
    if (e->is_effective && e->slot != DAG_NONE && e->request_head != DAG_NONE)
        d->events[e->request_head]->request_winner = e->slot;
    if (ret->why == CASE_WHY_SECOND_ROOT)
        f->flags |= CASE_FLAG_CONTESTED;
}
