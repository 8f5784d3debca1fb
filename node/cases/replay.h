/* The whole fold of one case: which event comes next, kept up to date as events arrive. Internal to node/cases.
 *
 *   root │ segment L1 │ segment L2 │ … │ Ln │ suffix
 *        └─────── sequenced prefix ─────────┘└ tentative
 *
 * The events of the lead are taken in the order of its ledger. Before each of them, L, comes its segment: what L has
 * seen and nobody applied yet, ordered by order.h. After the last one the rest follows as the suffix. HANDOVER changes
 * whose events lead. Since the segment of L is fixed by the hashes inside L, the prefix can only grow.
 *
 * Three rules beyond that:
 *   - A lead's event that still waits for a parent holds up the later ones, or its arrival would insert it into the
 *     prefix. (An honest lead cites its own last event, so that they wait as well.)
 *   - A SUPERVISE that counts (fold.h) accepts the lead's events that it has seen, up to its LAST_LEAF; then comes what
 *     else it has seen, then itself, then the new lead's events. It may so shorten a prefix: on purpose, and only it
 *     and the next rule may.
 *   - A lead that wrote two leaves at one index has no valid event from there on; the case is frozen at that point.
 */
#ifndef TB_CASES_REPLAY_H
#define TB_CASES_REPLAY_H

#include "node/cases/dag.h"
#include "node/cases/fold.h"

enum replay_todo { REPLAY_NOTHING, REPLAY_SUFFIX, REPLAY_ALL };

struct replay {
    uint32_t home; /* the node that the case id names, see casefile_create() */
    struct dag dag;
    struct case_effect *order; /* folded events; casefile.c puts the pending ones behind them */
    uint32_t order_count;
    uint32_t order_capacity;
    uint32_t sequenced_count;
    struct fold sequenced; /* after the prefix */
    struct fold current;   /* after the suffix */
    uint16_t *members;     /* the set being ordered */
    unsigned members_capacity;
    bool has_supervise;
    enum replay_todo todo;
    uint32_t all_count; /* how often everything was folded anew; for tests */
};

void replay_init(struct replay *r, uint32_t home);
void replay_close(struct replay *r);

/* Takes note of what dag_add() did; folds at once when that is O(parents). */
void replay_note(struct replay *r, const struct dag_added *added);
/* A fork was marked. */
void replay_note_fork(struct replay *r);
/* Folds what is left to do. */
void replay_run(struct replay *r);
/* Room in `order` for @count entries. */
void replay_reserve(struct replay *r, uint32_t count);

#endif
