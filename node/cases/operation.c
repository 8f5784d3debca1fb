/* The operations of the rules (see operation.h). Pure; any thread. */
#include "node/cases/operation.h"

#include <string.h>

#include "node/base/xassert.h"
#include "node/cases/law.h"

void operation_late(struct fold *f, const struct rule *row, struct case_effect *ret, enum case_why why)
{
    if (row->op == RULE_OP_WITHDRAW)
        f->flags |= CASE_FLAG_LATE_WITHDRAWAL;
    operation_effect(ret, CASE_EFFECT_LATE, why);
}

static void move_to(struct operation *s, uint8_t status)
{
    s->f->status = status;
    s->f->status_position = s->position;
    s->f->reason = s->e->held.reason;
    operation_effect(s->ret, CASE_EFFECT_OK, CASE_WHY_APPLIED);
}

static void set_flag(struct operation *s, uint32_t flag)
{
    s->f->flags |= flag;
    operation_effect(s->ret, CASE_EFFECT_OK, CASE_WHY_RECORDED);
}

static void refuse(struct operation *s, enum case_why why)
{
    operation_effect(s->ret, CASE_EFFECT_GUARD, why);
}

static void take_limits(struct operation *s)
{
    if (s->e->held.has_limits)
        s->f->limits = s->e->held.limits;
}

static void op_move(struct operation *s)
{
    if (s->e == s->f->root) {
        s->f->lead = s->e->held.lead;
        s->f->flags |= s->e->held.promise != 0 ? CASE_FLAG_PROMISED : 0;
        take_limits(s);
    }
    move_to(s, s->row->after);
}

static void op_record(struct operation *s)
{
    operation_effect(s->ret, CASE_EFFECT_OK, CASE_WHY_RECORDED);
}

static void op_seen(struct operation *s)
{
    operation_effect(s->ret, CASE_EFFECT_NOOP, CASE_WHY_SEEN);
}

static void op_identity(struct operation *s)
{
    set_flag(s, CASE_FLAG_IDENTITY_CHECKED);
}

static void op_form(struct operation *s)
{
    set_flag(s, CASE_FLAG_FORM_CHECKED);
}

static void op_object(struct operation *s)
{
    set_flag(s, CASE_FLAG_OBJECTED);
}

static void op_forward(struct operation *s)
{
    const uint32_t checks = CASE_FLAG_IDENTITY_CHECKED | CASE_FLAG_FORM_CHECKED;
    if ((s->f->flags & checks) != checks)
        operation_effect(s->ret, CASE_EFFECT_GUARD, CASE_WHY_CHECKS_MISSING);
    else
        move_to(s, s->row->after);
}

static void op_receipt(struct operation *s)
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

/* Whether something may be lacking for longer than the case may take, as its limits say. Its days are working days, of which no
 * more go by than days of any unit: what is longer in number is longer. What the item says of it stands in no entry. */
static bool is_lacking_over(const struct fold *f)
{
    if (f->limits == NULL)
        return false;
    struct case_limit decide = case_limit_get(f->limits, CASE_LIMIT_DECIDE);
    return decide.days != 0 && f->lacking_days > decide.days;
}

/* By the system: nobody had told the applicant anything in time, art. 32(4), which the law has for licences. With 容缺 that the
 * item does not allow it stands all the same, the applicant relies on it, and shows. */
static void op_accept(struct operation *s)
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
    } else if (is_lacking && is_lacking_over(s->f)) {
        s->f->flags |= CASE_FLAG_LACKING_OVER;
        s->ret->why = CASE_WHY_LACKING_OVER;
    }
}

static void op_correct(struct operation *s)
{
    bool is_second = (s->f->flags & CASE_FLAG_CORRECTION) != 0;
    s->f->flags |= is_second ? CASE_FLAG_SECOND_CORRECTION : CASE_FLAG_CORRECTION;
    move_to(s, s->row->after);
    if (is_second)
        s->ret->why = CASE_WHY_SECOND_CORRECTION;
}

/* The kinds of art. 45 are its own reason; of any other one the applicant is told which law stops the time. */
static void op_pause(struct operation *s)
{
    const uint8_t told = CASE_TOLD_REASONS | CASE_TOLD_BASIS;
    if (s->e->held.pause_kind == CASE_PAUSE_OTHER && (s->e->held.told & told) != told) {
        refuse(s, CASE_WHY_BASIS_UNTOLD);
        return;
    }
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
        denied += f->part_decisions[i] > CASE_PART_GRANTED;
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

static void op_decide(struct operation *s)
{
    enum case_why flaw = decision_flaw(s->f, &s->e->held);
    if (flaw != CASE_WHY_APPLIED) {
        refuse(s, flaw);
        return;
    }
    s->f->decision = s->e;
    move_to(s, s->e->held.decision == CASE_DECISION_GRANT ? CASE_STATUS_GRANTED : CASE_STATUS_DENIED);
}

static void op_close(struct operation *s)
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

static void op_deliver(struct operation *s)
{
    if ((s->f->flags & CASE_FLAG_DELIVERED) != 0)
        operation_effect(s->ret, CASE_EFFECT_NOOP, CASE_WHY_ALREADY);
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
static void op_evaluate(struct operation *s)
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

static void op_follow_up(struct operation *s)
{
    struct fold *f = s->f;
    bool is_deciding = s->e->held.side == CASE_SIDE_DECIDING;
    uint32_t flag = is_deciding ? CASE_FLAG_FOLLOWED_UP_DECIDING : CASE_FLAG_FOLLOWED_UP_RECEIVING;
    uint8_t grade = is_deciding ? f->grade_deciding : f->grade;
    if (s->e->held.origin != (is_deciding ? f->lead : f->receiving))
        operation_effect(s->ret, CASE_EFFECT_DENIED, CASE_WHY_OTHER_SIDE);
    else if (grade == 0 || grade > CASE_GRADE_BAD_MAX)
        refuse(s, CASE_WHY_NO_BAD_MARK);
    else if ((f->flags & flag) != 0)
        operation_effect(s->ret, CASE_EFFECT_NOOP, CASE_WHY_ALREADY);
    else
        set_flag(s, flag);
}

/* Once, with the reason told to the applicant; by more than the law gives it stands, and shows. */
static void op_extend(struct operation *s)
{
    struct fold *f = s->f;
    const struct case_held *e = &s->e->held;
    uint16_t max = f->root->held.mode == CASE_MODE_JOINT || f->part_count > 0 ? LAW_DAYS_EXTEND_JOINT : LAW_DAYS_EXTEND;
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

static void op_review(struct operation *s)
{
    bool passed = s->e->held.review == CASE_REVIEW_PASS;
    s->f->review = passed ? s->e : NULL;
    s->f->flags &= ~(uint32_t)CASE_FLAG_REVIEWED;
    set_flag(s, passed ? CASE_FLAG_REVIEWED : 0u);
}

static void op_supply(struct operation *s)
{
    if ((s->f->flags & CASE_FLAG_LACKING) == 0)
        refuse(s, CASE_WHY_NOTHING_LACKING);
    else
        set_flag(s, CASE_FLAG_LACKING_SUPPLIED);
}

static void op_fulfil(struct operation *s)
{
    if ((s->f->flags & CASE_FLAG_LACKING) == 0) {
        refuse(s, CASE_WHY_NOTHING_LACKING);
        return;
    }
    s->f->flags &= ~(uint32_t)(CASE_FLAG_LACKING | CASE_FLAG_LACKING_SUPPLIED);
    op_record(s);
}

static void op_breach(struct operation *s)
{
    if ((s->f->flags & CASE_FLAG_PROMISED) == 0)
        refuse(s, CASE_WHY_NO_PROMISE);
    else if ((s->f->flags & CASE_FLAG_BREACHED) != 0)
        operation_effect(s->ret, CASE_EFFECT_NOOP, CASE_WHY_ALREADY);
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

static void op_part(struct operation *s)
{
    struct fold *f = s->f;
    if (find_part(f, &s->e->held) < CASE_PARTS_MAX)
        operation_effect(s->ret, CASE_EFFECT_NOOP, CASE_WHY_ALREADY);
    else if (f->part_count == CASE_PARTS_MAX)
        refuse(s, CASE_WHY_PARTS_FULL);
    else {
        f->part_decisions[f->part_count] = 0;
        f->parts[f->part_count++] = s->e;
        op_record(s);
    }
}

static void op_part_done(struct operation *s)
{
    unsigned at = find_part(s->f, &s->e->held);
    if (at == CASE_PARTS_MAX || s->f->part_decisions[at] != 0) {
        refuse(s, CASE_WHY_PART_UNKNOWN);
        return;
    }
    s->f->part_decisions[at] = s->e->held.decision;
    op_record(s);
}

/* The part gives nothing, or nothing any more: taken back with the whole, or its grant was revoked. */
static void op_lapse(struct operation *s)
{
    unsigned at = find_part(s->f, &s->e->held);
    if (at == CASE_PARTS_MAX || s->f->part_decisions[at] > CASE_PART_GRANTED)
        refuse(s, CASE_WHY_PART_UNKNOWN);
    else if (s->f->part_decisions[at] == CASE_PART_GRANTED) {
        s->f->part_decisions[at] = CASE_PART_LAPSED;
        set_flag(s, CASE_FLAG_PART_LAPSED);
    } else {
        s->f->part_decisions[at] = CASE_PART_DENIED;
        op_record(s);
    }
}

/* The race with the decision: whoever had seen the other's act loses nothing to clocks. Known or
 * delivered: late. Crossing and not delivered: the withdrawal wins and the decision is void. */
static void op_withdraw(struct operation *s)
{
    struct fold *f = s->f;
    if ((f->flags & CASE_FLAG_DELIVERED) != 0) {
        operation_late(f, s->row, s->ret, CASE_WHY_DELIVERED);
        return;
    }
    if (f->decision == NULL) {
        move_to(s, s->row->after);
        return;
    }
    if (s->e->slot == DAG_NONE || dag_is_ancestor(s->d, f->decision, s->e)) {
        operation_late(f, s->row, s->ret, CASE_WHY_DECISION_KNOWN);
        return;
    }
    s->ret->voids = &f->decision->held;
    f->decision = NULL;
    f->closed_as = CASE_STATUS_NONE;
    f->flags |= CASE_FLAG_DECISION_VOIDED;
    move_to(s, s->row->after);
    s->ret->why = CASE_WHY_VOIDS;
}

static void op_revoke(struct operation *s)
{
    const struct dag_event *decision = s->f->decision;
    if (decision == NULL || decision->held.decision != CASE_DECISION_GRANT)
        operation_effect(s->ret, CASE_EFFECT_GUARD, CASE_WHY_NOT_GRANTED);
    else {
        s->f->flags &= ~(uint32_t)CASE_FLAG_PUBLISHED; /* what stands on the public list is wrong now */
        move_to(s, s->row->after);
    }
}

static void op_publish(struct operation *s)
{
    const struct dag_event *decision = s->f->decision;
    if ((s->f->terms & CASE_TERM_LICENCE) == 0)
        refuse(s, CASE_WHY_NOT_LICENCE);
    else if (decision == NULL || decision->held.decision != CASE_DECISION_GRANT)
        refuse(s, CASE_WHY_NOT_GRANTED);
    else if ((s->f->flags & CASE_FLAG_PUBLISHED) != 0)
        operation_effect(s->ret, CASE_EFFECT_NOOP, CASE_WHY_ALREADY);
    else
        set_flag(s, CASE_FLAG_PUBLISHED);
}

static void op_handover(struct operation *s)
{
    if (s->e->held.lead == s->f->lead) {
        operation_effect(s->ret, CASE_EFFECT_GUARD, CASE_WHY_SAME_LEAD);
        return;
    }
    s->f->lead = s->e->held.lead;
    operation_effect(s->ret, CASE_EFFECT_OK, CASE_WHY_RECORDED);
}

static void op_supervise(struct operation *s)
{
    s->f->lead = s->e->held.lead;
    s->f->flags &= ~(uint32_t)CASE_FLAG_FROZEN;
    set_flag(s, CASE_FLAG_SUPERVISED);
}

static void (*const operations[])(struct operation *) = {
    [RULE_OP_MOVE] = op_move,           [RULE_OP_RECORD] = op_record,     [RULE_OP_SEEN] = op_seen,
    [RULE_OP_IDENTITY] = op_identity,   [RULE_OP_FORM] = op_form,         [RULE_OP_FORWARD] = op_forward,
    [RULE_OP_RECEIPT] = op_receipt,     [RULE_OP_CORRECT] = op_correct,   [RULE_OP_PAUSE] = op_pause,
    [RULE_OP_DECIDE] = op_decide,       [RULE_OP_CLOSE] = op_close,       [RULE_OP_DELIVER] = op_deliver,
    [RULE_OP_EVALUATE] = op_evaluate,   [RULE_OP_WITHDRAW] = op_withdraw, [RULE_OP_REVOKE] = op_revoke,
    [RULE_OP_OBJECT] = op_object,       [RULE_OP_HANDOVER] = op_handover, [RULE_OP_SUPERVISE] = op_supervise,
    [RULE_OP_ACCEPT] = op_accept,       [RULE_OP_EXTEND] = op_extend,     [RULE_OP_REVIEW] = op_review,
    [RULE_OP_SUPPLY] = op_supply,       [RULE_OP_FULFIL] = op_fulfil,     [RULE_OP_BREACH] = op_breach,
    [RULE_OP_FOLLOW_UP] = op_follow_up, [RULE_OP_PART] = op_part,         [RULE_OP_PART_DONE] = op_part_done,
    [RULE_OP_PUBLISH] = op_publish,     [RULE_OP_LAPSE] = op_lapse,
};

void operation_run(struct operation *s)
{
    operations[s->row->op](s);
}
