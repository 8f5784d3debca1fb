/* The events of one case that this node holds, as a graph: who cites whom, what is causally complete ("closed"), which
 * parents are missing, which events nobody cites yet (tips), every author's chain by index. Pure; base only; internal
 * to node/cases (casefile.h is the door).
 *
 * Only closed events may be folded: all their ancestors are held. Events are numbered by arrival ("slot", u16) and all
 * links are slots, which keeps an event small; nothing that ends in an order, an effect or a digest may depend on a
 * slot. Ownership: the dag owns its events; they are never moved or removed before dag_close().
 */
#ifndef TB_CASES_DAG_H
#define TB_CASES_DAG_H

#include "node/cases/casefile.h"

#define DAG_NONE UINT16_MAX
#define DAG_NOT_PLACED UINT32_MAX

/* One citation: @parent cited by the event that owns it, in the list of the parent's citations. */
struct dag_link {
    uint16_t parent; /* slot, DAG_NONE while not held */
    uint16_t next;   /* next citation of the same parent: slot * LEAF_PARENTS_MAX + position, or DAG_NONE */
};

struct dag_event {
    struct case_held held;
    /* graph, fixed once closed */
    uint16_t slot;
    uint16_t first_link;   /* citations of this event, see dag_link.next */
    uint16_t open_parents; /* citations of events that are not closed */
    uint16_t missing;      /* citations of events that are not held */
    uint16_t depth;        /* longest way to an event without parents; valid once closed */
    uint16_t request_head; /* first held event with this origin and request id, DAG_NONE without one */
    bool is_closed;
    bool is_misciting;     /* a parent's origin or index is not what the citation says */
    uint16_t tip_position; /* in dag.tips, DAG_NONE when cited */
    /* scratch of order.c and replay.c */
    uint16_t open_in_sort;
    uint16_t request_winner; /* of a request_head: the last event whose request took effect, perhaps in an older fold */
    bool follows_root;       /* valid while placed */
    bool is_effective;       /* valid while placed: its effect is ok */
    bool is_before_cut;      /* replay.c: ancestor of the SUPERVISE being led up to */
    uint8_t rank;            /* order.c */
    uint32_t mark;           /* == dag.mark: member of the set being built */
    uint32_t position;       /* in the fold order, or DAG_NOT_PLACED */
    struct dag_link links[]; /* parent_count, then the case_parents, then the texts */
};

/* All held events of one author, ascending by (index, id). */
struct dag_chain {
    uint32_t origin;
    uint16_t count;
    uint16_t capacity;
    uint16_t pending; /* of them not closed */
    uint16_t cursor;  /* replay.c: the first so many are in the sequenced prefix */
    bool is_forked;
    uint64_t fork_index; /* if is_forked: smallest index known to be written twice */
    uint16_t *slots;
};

struct dag_index { /* open addressing, slot numbers */
    uint16_t *cells;
    uint32_t capacity; /* power of two, or 0 */
    uint32_t count;
};

struct dag {
    struct dag_event **events; /* by slot */
    uint16_t count;
    uint16_t capacity;
    uint16_t pending_count;
    struct dag_index by_id;
    struct dag_index by_request;
    struct dag_chain *chains; /* in order of first appearance */
    uint16_t chain_count;
    uint16_t chain_capacity;
    bool is_forked; /* some chain is */
    uint16_t *tips;
    uint16_t tip_count;
    uint16_t tip_capacity;
    uint16_t *scratch;  /* `capacity` slots, one user at a time */
    size_t event_bytes; /* allocated for the events themselves */
    uint32_t mark;
};

/* What an addition did. */
struct dag_added {
    struct dag_event *event;
    bool is_new;
    bool cites_all_tips; /* it closed at once, and every event closed before it is among its ancestors */
    uint16_t closed;     /* events that became closed: it and those that waited for it */
    bool is_fork;        /* another event of this origin and index is held */
};

void dag_init(struct dag *d);
void dag_close(struct dag *d);

/* Copies @event. Closed events are written to d->scratch (ret->closed of them) and stay there until the next call.
 * ERR_LIMIT as casefile_add(), then nothing changed. A fork is no error here. */
int dag_add(struct dag *d, const struct case_event *event, struct dag_added *ret, struct err *e) WARN_UNUSED;
/* Whether @origin may add @count more: ERR_LIMIT as dag_add(). */
int dag_check_room(const struct dag *d, uint32_t origin, unsigned count, struct err *e) WARN_UNUSED;

/* @from as it would be held; borrows its texts and parents. */
void dag_view(const struct case_event *from, struct case_held *ret);

struct dag_event *dag_find(const struct dag *d, const uint8_t id[32]);
struct dag_chain *dag_find_chain(const struct dag *d, uint32_t origin); /* NULL if it wrote nothing here */
/* An event whose (origin, request) is this, or NULL: the head that request_winner belongs to. */
struct dag_event *dag_find_request(const struct dag *d, uint32_t origin, const uint8_t request[16]);
void dag_mark_forked(struct dag *d, uint32_t origin, uint64_t index);

/* Starts a new set: no event is marked. */
void dag_new_mark(struct dag *d);
/* Is @ancestor a strict ancestor of @e (closed)? Uses the mark and d->scratch. */
bool dag_is_ancestor(struct dag *d, const struct dag_event *ancestor, const struct dag_event *e);

int dag_compare_parents(const struct case_parent *a, const struct case_parent *b); /* by (origin, index, id) */
void dag_sort_parents(struct case_parent *parents, unsigned count);
/* As casefile_tips(); @self != 0: that author's last closed event is among them or an ancestor of one, so that a
 * chain never parts. */
unsigned dag_tips(struct dag *d, uint32_t self, struct case_parent ret[LEAF_PARENTS_MAX]);
/* Memory allocated for all of it. O(authors). */
size_t dag_bytes(const struct dag *d);
unsigned dag_missing(const struct dag *d, struct case_parent *ret, unsigned max);

#endif
