/* One step of the fold: what one event does to the state of its case, given the rule tables. Pure and total: every
 * event gets exactly one effect, and nothing but the state, the event and what it cites decides which. Internal to
 * node/cases; replay.h feeds it the events in their order.
 *
 * A struct fold is a small value: replay.c keeps copies of it to go back to.
 */
#ifndef TB_CASES_FOLD_H
#define TB_CASES_FOLD_H

#include "node/cases/dag.h"

struct fold {
    /* The case. Borrowed from the dag. */
    const struct dag_event *root;
    const struct dag_event *decision; /* the one that stands, or NULL */
    const char *number;
    const char *reason;
    uint64_t updated_hlc;
    uint32_t lead;
    uint32_t receiving;
    uint32_t flags;           /* enum case_flag */
    uint32_t status_position; /* order position of the event that set the status */
    uint16_t rules_version;
    uint16_t expected_days;
    uint8_t status; /* enum case_status; what the freeze hides, never CASE_STATUS_FROZEN */
    uint8_t closed_as;
    uint8_t grade;
    uint8_t grade_deciding;
    uint8_t pause_kind;
    uint8_t terms; /* enum case_term of the last receipt */
    uint8_t part_count;
    uint8_t part_decisions[CASE_PARTS_MAX]; /* enum case_part_end, 0 while open */
    const struct dag_event *parts[CASE_PARTS_MAX];
    const struct dag_event *review; /* the 法制审核 that passed, or NULL */
    const uint8_t *limits;          /* of the last event that had them */
    uint16_t extend_days;
    uint16_t lacking_days;
    /* The replay's, valid for the step being made. */
    const struct dag_event *cut; /* the SUPERVISE being led up to: its LAST_LEAF bounds the lead's events */
    uint32_t cut_origin;         /* the author it bounds, 0 = none */
};

/* The start: @root is the SUBMIT that counts, or NULL. */
void fold_init(struct fold *f, const struct dag_event *root);

/* Applies @e, which has position @position in the order; fills @ret but for `sequenced`. All ancestors of @e have been
 * applied. @e may be a draft that the dag does not hold (slot DAG_NONE): it has seen everything. */
void fold_apply(struct fold *f, struct dag *d, struct dag_event *e, uint32_t position, struct case_effect *ret);

/* Will this SUPERVISE take effect in a case with this root, wherever it comes? Depends on the two events alone, so
 * that the order may be built around it. @ret_cut_origin: the author whose events after LAST_LEAF are cut off, or 0. */
bool fold_supervise_counts(const struct dag_event *root, const struct dag_event *e, uint32_t *ret_cut_origin);

/* Which of @needs (a RULE_ATTR set) @e does not have. */
uint32_t fold_missing_attrs(const struct case_held *e, uint32_t needs);

/* Is this a SUBMIT that can open a case? */
bool fold_root_counts(const struct dag_event *e);

#endif
