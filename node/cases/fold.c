/* The fold's step (fold.h). fold_apply() asks in this order: is there a case and does the event belong to it; is it
 * well-formed; is it the author's act; has the same request been done; does the status allow it; then the operation.
 * The first "no" is the effect. Pure; any thread.
 */
#include "node/cases/fold.h"

#include <string.h>

#include "node/base/mutant.h"
#include "node/base/xassert.h"
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

static void effect(struct case_effect *ret, enum case_effect_kind kind, enum case_why why)
{
    ret->kind = (uint8_t)kind;
    ret->why = (uint8_t)why;
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
        effect(ret, CASE_EFFECT_DENIED, CASE_WHY_NO_ROOT);
        return false;
    }
    if (e->held.type == CASE_EVENT_SUBMIT && e != f->root) {
        effect(ret, CASE_EFFECT_GUARD, e->held.parent_count > 0 ? CASE_WHY_ROOT_HAS_PARENTS : CASE_WHY_SECOND_ROOT);
        return false;
    }
    if (e->is_misciting || e->held.malformed) {
        effect(ret, CASE_EFFECT_DENIED, e->is_misciting ? CASE_WHY_CITATION : CASE_WHY_MALFORMED);
        return false;
    }
    if (!e->follows_root) {
        effect(ret, CASE_EFFECT_DENIED, CASE_WHY_STRAY);
        return false;
    }
    raise_rules(f, &e->held);
    if (!rules_is_known(f->rules_version)) {
        f->flags |= CASE_FLAG_RULES_UNKNOWN;
        effect(ret, CASE_EFFECT_DENIED, CASE_WHY_RULES_UNKNOWN);
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
        effect(ret, CASE_EFFECT_DENIED, CASE_WHY_FORKED);
        return true;
    }
    if (f->cut != NULL && f->cut_origin != 0 && e->origin == f->cut_origin && e->index > f->cut->held.last_leaf) {
        effect(ret, CASE_EFFECT_DENIED, CASE_WHY_CUT_OFF);
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
        effect(ret, CASE_EFFECT_NOOP, CASE_WHY_TYPE_UNKNOWN);
    else if (is_cut_off(f, d, &e->held, ret))
        return NULL;
    else if (!is_authors_act(f, e, row) && !MUTANT(authority_unchecked))
        effect(ret, CASE_EFFECT_DENIED, CASE_WHY_NODE);
    else if (!has_role(&e->held, row))
        effect(ret, CASE_EFFECT_DENIED, CASE_WHY_ROLE);
    else if (!has_attrs(&e->held, row->needs))
        effect(ret, CASE_EFFECT_DENIED, CASE_WHY_ATTRIBUTE);
    else if (request_winner(d, e) != NULL)
        effect(ret, CASE_EFFECT_NOOP, CASE_WHY_REPEATED);
    else
        return row;
    return NULL;
}

/* Late events of the applicant are kept in sight: a late withdrawal asks for a revocation. */
static void late(struct fold *f, const struct rule *row, struct case_effect *ret, enum case_why why)
{
    if (row->op == RULE_OP_WITHDRAW)
        f->flags |= CASE_FLAG_LATE_WITHDRAWAL;
    effect(ret, CASE_EFFECT_LATE, why);
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
        effect(ret, CASE_EFFECT_NOOP, CASE_WHY_ALREADY);
    else if ((f->flags & CASE_FLAG_FROZEN) != 0 && row->allowed != RULE_STATUS_ANY)
        effect(ret, CASE_EFFECT_GUARD, CASE_WHY_FROZEN);
    else if ((row->late & RULE_STATUS(f->status)) != 0)
        late(f, row, ret, (f->flags & CASE_FLAG_DELIVERED) != 0 ? CASE_WHY_DELIVERED : CASE_WHY_TOO_LATE);
    else if ((row->allowed & RULE_STATUS(f->status)) == 0 && !is_mutant(f, row))
        effect(ret, CASE_EFFECT_GUARD, CASE_WHY_STATUS);
    else
        return true;
    return false;
}

/* What an operation works on. */
struct step {
    struct fold *f;
    struct dag *d;
    const struct dag_event *e;
    const struct rule *row;
    uint32_t position;
    struct case_effect *ret;
};

static void move_to(struct step *s, uint8_t status)
{
    s->f->status = status;
    s->f->status_position = s->position;
    s->f->reason = s->e->held.reason;
    effect(s->ret, CASE_EFFECT_OK, CASE_WHY_APPLIED);
}

static void set_flag(struct step *s, uint32_t flag)
{
    s->f->flags |= flag;
    effect(s->ret, CASE_EFFECT_OK, CASE_WHY_RECORDED);
}

static void refuse(struct step *s, enum case_why why)
{
    effect(s->ret, CASE_EFFECT_GUARD, why);
}

static void take_limits(struct step *s)
{
    if (s->e->held.has_limits)
        s->f->limits = s->e->held.limits;
}

static void op_move(struct step *s)
{
    if (s->e == s->f->root) {
        s->f->lead = s->e->held.lead;
        s->f->flags |= s->e->held.promise != 0 ? CASE_FLAG_PROMISED : 0;
        take_limits(s);
    }
    move_to(s, s->row->after);
}

static void op_record(struct step *s)
{
    effect(s->ret, CASE_EFFECT_OK, CASE_WHY_RECORDED);
}

static void op_seen(struct step *s)
{
    effect(s->ret, CASE_EFFECT_NOOP, CASE_WHY_SEEN);
}

static void op_identity(struct step *s)
{
    set_flag(s, CASE_FLAG_IDENTITY_CHECKED);
}

static void op_form(struct step *s)
{
    set_flag(s, CASE_FLAG_FORM_CHECKED);
}

static void op_object(struct step *s)
{
    set_flag(s, CASE_FLAG_OBJECTED);
}

static void op_forward(struct step *s)
{
    const uint32_t checks = CASE_FLAG_IDENTITY_CHECKED | CASE_FLAG_FORM_CHECKED;
    if ((s->f->flags & checks) != checks)
        effect(s->ret, CASE_EFFECT_GUARD, CASE_WHY_CHECKS_MISSING);
    else
        move_to(s, s->row->after);
}

static void op_receipt(struct step *s)
{
    s->f->number = s->e->held.number;
    s->f->flags |= (s->e->held.demands & CASE_DEMAND_REVIEW) != 0 ? CASE_FLAG_REVIEW_DEMANDED : 0;
    s->f->terms = s->e->held.terms;
    take_limits(s);
    move_to(s, s->row->after);
    if ((s->f->flags & CASE_FLAG_PROMISED) == 0 || (s->f->terms & CASE_TERM_PROMISE) != 0)
        return;
    s->f->flags |= CASE_FLAG_PROMISE_UNALLOWED;
    s->ret->why = CASE_WHY_PROMISE_UNALLOWED;
}

/* By the system: nobody had told the applicant anything in time, art. 32(4), which the law has for licences. With 容缺 that the
 * item does not allow it stands all the same, the applicant relies on it, and shows. */
static void op_accept(struct step *s)
{
    bool is_deemed = s->e->held.role == CASE_ROLE_SYSTEM, is_lacking = s->e->held.lacking_days != 0;
    if (is_deemed && (s->f->terms & CASE_TERM_LICENCE) == 0) {
        refuse(s, CASE_WHY_NOT_DEEMED);
        return;
    }
    s->f->flags |= (is_deemed ? CASE_FLAG_DEEMED : 0u) | (is_lacking ? CASE_FLAG_LACKING : 0u);
    s->f->lacking_days = s->e->held.lacking_days;
    move_to(s, s->row->after);
    if (is_deemed)
        s->ret->why = CASE_WHY_DEEMED;
    if (is_lacking && (s->f->terms & CASE_TERM_LACKING) == 0) {
        s->f->flags |= CASE_FLAG_LACKING_UNALLOWED;
        s->ret->why = CASE_WHY_LACKING_UNALLOWED;
    }
}

static void op_correct(struct step *s)
{
    bool is_second = (s->f->flags & CASE_FLAG_CORRECTION) != 0;
    s->f->flags |= is_second ? CASE_FLAG_SECOND_CORRECTION : CASE_FLAG_CORRECTION;
    move_to(s, s->row->after);
    if (is_second)
        s->ret->why = CASE_WHY_SECOND_CORRECTION;
}

static void op_pause(struct step *s)
{
    s->f->pause_kind = s->e->held.pause_kind;
    s->f->expected_days = s->e->held.expected_days;
    move_to(s, s->row->after);
}

/* Why this decision may not be made, CASE_WHY_APPLIED when it may. Version 0 knows nothing of what follows. */
static enum case_why decision_flaw(const struct fold *f, const struct case_held *e)
{
    bool is_grant = e->decision == CASE_DECISION_GRANT;
    const uint8_t refusal = CASE_TOLD_REASONS | CASE_TOLD_REMEDIES;
    unsigned open = 0, denied = 0;
    for (unsigned i = 0; i < f->part_count; i++) {
        open += f->part_decisions[i] == 0;
        denied += f->part_decisions[i] == CASE_DECISION_DENY;
    }
    if (f->rules_version == 0)
        return CASE_WHY_APPLIED;
    if (!is_grant && (e->told & refusal) != refusal)
        return CASE_WHY_REASONS_UNTOLD;
    if (open > 0)
        return CASE_WHY_PARTS_OPEN;
    if (is_grant && denied > 0)
        return CASE_WHY_PART_DENIED;
    if (is_grant && (f->flags & CASE_FLAG_BREACHED) != 0)
        return CASE_WHY_BREACHED;
    if ((f->flags & CASE_FLAG_REVIEW_DEMANDED) == 0)
        return CASE_WHY_APPLIED;
    if (f->review == NULL)
        return CASE_WHY_REVIEW_MISSING;
    if (!e->has_official)
        return CASE_WHY_OFFICIAL_MISSING;
    bool is_same = memcmp(e->official, f->review->held.official, sizeof e->official) == 0;
    return is_same ? CASE_WHY_SAME_OFFICIAL : CASE_WHY_APPLIED;
}

static void op_decide(struct step *s)
{
    enum case_why flaw = decision_flaw(s->f, &s->e->held);
    if (flaw != CASE_WHY_APPLIED) {
        refuse(s, flaw);
        return;
    }
    s->f->decision = s->e;
    move_to(s, s->e->held.decision == CASE_DECISION_GRANT ? CASE_STATUS_GRANTED : CASE_STATUS_DENIED);
}

static void op_close(struct step *s)
{
    uint8_t after = s->row->after;
    bool is_lacking = (s->f->flags & CASE_FLAG_LACKING) != 0;
    if (after == CASE_STATUS_NONE && s->f->status == CASE_STATUS_GRANTED)
        after = is_lacking ? CASE_STATUS_CLOSED_LACKING : CASE_STATUS_CLOSED_GRANTED;
    else if (after == CASE_STATUS_NONE)
        after = CASE_STATUS_CLOSED_DENIED;
    s->f->closed_as = after;
    move_to(s, after);
}

static void op_deliver(struct step *s)
{
    if ((s->f->flags & CASE_FLAG_DELIVERED) != 0)
        effect(s->ret, CASE_EFFECT_NOOP, CASE_WHY_ALREADY);
    else if (s->f->status == CASE_STATUS_CLOSED_LACKING && (s->f->flags & CASE_FLAG_LACKING) != 0)
        refuse(s, CASE_WHY_LACKING);
    else if (s->row->after == CASE_STATUS_NONE)
        set_flag(s, CASE_FLAG_DELIVERED);
    else {
        s->f->flags |= CASE_FLAG_DELIVERED;
        move_to(s, s->row->after);
    }
}

/* The window and the authority are rated apart, each once. Without a side it is the window's. */
static void op_evaluate(struct step *s)
{
    bool is_deciding = s->e->held.side == CASE_SIDE_DECIDING;
    uint32_t flag = is_deciding ? CASE_FLAG_EVALUATED_DECIDING : CASE_FLAG_EVALUATED;
    if ((s->f->flags & flag) != 0) {
        refuse(s, CASE_WHY_ONCE);
        return;
    }
    if (is_deciding)
        s->f->grade_deciding = s->e->held.grade;
    else
        s->f->grade = s->e->held.grade;
    set_flag(s, flag);
}

static void op_follow_up(struct step *s)
{
    struct fold *f = s->f;
    bool is_deciding = s->e->held.side == CASE_SIDE_DECIDING;
    uint32_t flag = is_deciding ? CASE_FLAG_FOLLOWED_UP_DECIDING : CASE_FLAG_FOLLOWED_UP_RECEIVING;
    uint8_t grade = is_deciding ? f->grade_deciding : f->grade;
    if (s->e->held.origin != (is_deciding ? f->lead : f->receiving))
        effect(s->ret, CASE_EFFECT_DENIED, CASE_WHY_OTHER_SIDE);
    else if (grade == 0 || grade > CASE_GRADE_BAD_MAX)
        refuse(s, CASE_WHY_NO_BAD_MARK);
    else if ((f->flags & flag) != 0)
        effect(s->ret, CASE_EFFECT_NOOP, CASE_WHY_ALREADY);
    else
        set_flag(s, flag);
}

/* Once, with the reason told to the applicant; by more than the law gives it stands, and shows. */
static void op_extend(struct step *s)
{
    struct fold *f = s->f;
    const struct case_held *e = &s->e->held;
    uint16_t max =
        f->root->held.mode == CASE_MODE_JOINT || f->part_count > 0 ? CASE_EXTEND_DAYS_JOINT_MAX : CASE_EXTEND_DAYS_MAX;
    if ((f->flags & CASE_FLAG_EXTENDED) != 0) {
        refuse(s, CASE_WHY_EXTENDED_ONCE);
        return;
    }
    if ((e->told & CASE_TOLD_REASONS) == 0) {
        refuse(s, CASE_WHY_REASONS_UNTOLD);
        return;
    }
    f->extend_days = e->extend_days;
    set_flag(s, CASE_FLAG_EXTENDED | (e->extend_days > max ? CASE_FLAG_EXTENSION_OVER : 0u));
    if (e->extend_days > max)
        s->ret->why = CASE_WHY_EXTENSION_OVER;
}

static void op_review(struct step *s)
{
    bool passed = s->e->held.review == CASE_REVIEW_PASS;
    s->f->review = passed ? s->e : NULL;
    s->f->flags &= ~(uint32_t)CASE_FLAG_REVIEWED;
    set_flag(s, passed ? CASE_FLAG_REVIEWED : 0u);
}

static void op_supply(struct step *s)
{
    if ((s->f->flags & CASE_FLAG_LACKING) == 0)
        refuse(s, CASE_WHY_NOTHING_LACKING);
    else
        set_flag(s, CASE_FLAG_LACKING_SUPPLIED);
}

static void op_fulfil(struct step *s)
{
    if ((s->f->flags & CASE_FLAG_LACKING) == 0) {
        refuse(s, CASE_WHY_NOTHING_LACKING);
        return;
    }
    s->f->flags &= ~(uint32_t)(CASE_FLAG_LACKING | CASE_FLAG_LACKING_SUPPLIED);
    op_record(s);
}

static void op_breach(struct step *s)
{
    if ((s->f->flags & CASE_FLAG_PROMISED) == 0)
        refuse(s, CASE_WHY_NO_PROMISE);
    else if ((s->f->flags & CASE_FLAG_BREACHED) != 0)
        effect(s->ret, CASE_EFFECT_NOOP, CASE_WHY_ALREADY);
    else
        set_flag(s, CASE_FLAG_BREACHED);
}

/* CASE_PARTS_MAX when the part is not known. */
static unsigned find_part(const struct fold *f, const struct case_held *e)
{
    for (unsigned i = 0; i < f->part_count; i++)
        if (memcmp(f->parts[i]->held.part, e->part, sizeof e->part) == 0)
            return i;
    return CASE_PARTS_MAX;
}

static void op_part(struct step *s)
{
    struct fold *f = s->f;
    if (find_part(f, &s->e->held) < CASE_PARTS_MAX)
        effect(s->ret, CASE_EFFECT_NOOP, CASE_WHY_ALREADY);
    else if (f->part_count == CASE_PARTS_MAX)
        refuse(s, CASE_WHY_PARTS_FULL);
    else {
        f->part_decisions[f->part_count] = 0;
        f->parts[f->part_count++] = s->e;
        op_record(s);
    }
}

static void op_part_done(struct step *s)
{
    unsigned at = find_part(s->f, &s->e->held);
    if (at == CASE_PARTS_MAX || s->f->part_decisions[at] != 0) {
        refuse(s, CASE_WHY_PART_UNKNOWN);
        return;
    }
    s->f->part_decisions[at] = s->e->held.decision;
    op_record(s);
}

/* The race with the decision: whoever had seen the other's act loses nothing to clocks. Known or
 * delivered: late. Crossing and not delivered: the withdrawal wins and the decision is void. */
static void op_withdraw(struct step *s)
{
    struct fold *f = s->f;
    if ((f->flags & CASE_FLAG_DELIVERED) != 0) {
        late(f, s->row, s->ret, CASE_WHY_DELIVERED);
        return;
    }
    if (f->decision == NULL) {
        move_to(s, s->row->after);
        return;
    }
    if (s->e->slot == DAG_NONE || dag_is_ancestor(s->d, f->decision, s->e)) {
        late(f, s->row, s->ret, CASE_WHY_DECISION_KNOWN);
        return;
    }
    s->ret->voids = &f->decision->held;
    f->decision = NULL;
    f->closed_as = CASE_STATUS_NONE;
    f->flags |= CASE_FLAG_DECISION_VOIDED;
    move_to(s, s->row->after);
    s->ret->why = CASE_WHY_VOIDS;
}

static void op_revoke(struct step *s)
{
    const struct dag_event *decision = s->f->decision;
    if (decision == NULL || decision->held.decision != CASE_DECISION_GRANT)
        effect(s->ret, CASE_EFFECT_GUARD, CASE_WHY_NOT_GRANTED);
    else {
        s->f->flags &= ~(uint32_t)CASE_FLAG_PUBLISHED; /* what stands on the public list is wrong now */
        move_to(s, s->row->after);
    }
}

static void op_publish(struct step *s)
{
    const struct dag_event *decision = s->f->decision;
    if ((s->f->terms & CASE_TERM_LICENCE) == 0)
        refuse(s, CASE_WHY_NOT_LICENCE);
    else if (decision == NULL || decision->held.decision != CASE_DECISION_GRANT)
        refuse(s, CASE_WHY_NOT_GRANTED);
    else if ((s->f->flags & CASE_FLAG_PUBLISHED) != 0)
        effect(s->ret, CASE_EFFECT_NOOP, CASE_WHY_ALREADY);
    else
        set_flag(s, CASE_FLAG_PUBLISHED);
}

static void op_handover(struct step *s)
{
    if (s->e->held.lead == s->f->lead) {
        effect(s->ret, CASE_EFFECT_GUARD, CASE_WHY_SAME_LEAD);
        return;
    }
    s->f->lead = s->e->held.lead;
    effect(s->ret, CASE_EFFECT_OK, CASE_WHY_RECORDED);
}

static void op_supervise(struct step *s)
{
    s->f->lead = s->e->held.lead;
    s->f->flags &= ~(uint32_t)CASE_FLAG_FROZEN;
    set_flag(s, CASE_FLAG_SUPERVISED);
}

static void (*const operations[])(struct step *) = {
    [RULE_OP_MOVE] = op_move,           [RULE_OP_RECORD] = op_record,     [RULE_OP_SEEN] = op_seen,
    [RULE_OP_IDENTITY] = op_identity,   [RULE_OP_FORM] = op_form,         [RULE_OP_FORWARD] = op_forward,
    [RULE_OP_RECEIPT] = op_receipt,     [RULE_OP_CORRECT] = op_correct,   [RULE_OP_PAUSE] = op_pause,
    [RULE_OP_DECIDE] = op_decide,       [RULE_OP_CLOSE] = op_close,       [RULE_OP_DELIVER] = op_deliver,
    [RULE_OP_EVALUATE] = op_evaluate,   [RULE_OP_WITHDRAW] = op_withdraw, [RULE_OP_REVOKE] = op_revoke,
    [RULE_OP_OBJECT] = op_object,       [RULE_OP_HANDOVER] = op_handover, [RULE_OP_SUPERVISE] = op_supervise,
    [RULE_OP_ACCEPT] = op_accept,       [RULE_OP_EXTEND] = op_extend,     [RULE_OP_REVIEW] = op_review,
    [RULE_OP_SUPPLY] = op_supply,       [RULE_OP_FULFIL] = op_fulfil,     [RULE_OP_BREACH] = op_breach,
    [RULE_OP_FOLLOW_UP] = op_follow_up, [RULE_OP_PART] = op_part,         [RULE_OP_PART_DONE] = op_part_done,
    [RULE_OP_PUBLISH] = op_publish,
};

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
        struct step step = {.f = f, .d = d, .e = e, .row = row, .position = position, .ret = ret};
        operations[row->op](&step);
    }
    ret->status_after = shown_status(f);

    e->is_effective = ret->kind == CASE_EFFECT_OK;
    if (e->is_effective && e->slot != DAG_NONE && e->request_head != DAG_NONE)
        d->events[e->request_head]->request_winner = e->slot;
    if (ret->why == CASE_WHY_SECOND_ROOT)
        f->flags |= CASE_FLAG_CONTESTED;
}
