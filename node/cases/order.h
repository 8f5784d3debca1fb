/* The order of concurrent events: the lexicographically smallest topological order of a set, by the key (rank of the
 * type, hlc, author, index, id). Kahn's algorithm with a heap; O(n log n). Internal to node/cases.
 *
 * The key decides only between events that nobody has put in order; an author who back-dates its clock moves itself
 * ahead of its equals in rank and of nothing that it has to follow.
 */
#ifndef TB_CASES_ORDER_H
#define TB_CASES_ORDER_H

#include "node/cases/dag.h"

/* By the key; `rank` of both must be set (order_rank()). */
int order_compare(const struct dag_event *a, const struct dag_event *b);
void order_rank(struct dag_event *e, uint16_t rules_version);

/* The strict ancestors of @e that have no position yet. Marks them (dag_new_mark()); writes their slots to @ret, which
 * has room for d->count. Returns how many. */
unsigned order_ancestors(struct dag *d, const struct dag_event *e, uint16_t *ret);

/* Puts @slots in order, in place. Every ancestor of a member is a member or has its place before all of them. Uses
 * d->scratch and the mark. */
void order_sort(struct dag *d, uint16_t *slots, unsigned count, uint16_t rules_version);

#endif
