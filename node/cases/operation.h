/* What an event that may happen does to its case: one function for each enum rule_op. By then fold.c has judged that the event
 * belongs to the case, is well-formed, is its author's act and that the status allows it; what is left to refuse here is what
 * one operation asks for by itself (the checks before 转送, a review before a decision, once and not twice). Pure.
 * Internal to node/cases.
 */
#ifndef TB_CASES_OPERATION_H
#define TB_CASES_OPERATION_H

#include "node/cases/fold.h"
#include "node/cases/rules.h"

/* What an operation works on. All borrowed. */
struct operation {
    struct fold *f;            /* changed */
    struct dag *d;             /* to see who had seen whom */
    const struct dag_event *e; /* the event */
    const struct rule *row;    /* its rule */
    uint32_t position;         /* of the event in the order */
    struct case_effect *ret;   /* its kind, why and voids are set */
};

/* Does what the rule's operation says, and sets the effect, always. */
void operation_run(struct operation *s);

/* Late events of the applicant are kept in sight: a late withdrawal asks for a revocation. */
void operation_late(struct fold *f, const struct rule *row, struct case_effect *ret, enum case_why why);

static inline void operation_effect(struct case_effect *ret, enum case_effect_kind kind, enum case_why why)
{
    ret->kind = (uint8_t)kind;
    ret->why = (uint8_t)why;
}

#endif
