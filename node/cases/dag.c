/* The held graph of one case (dag.h). Reading order: adding (dag_add and its steps), then chains and forks, then the
 * queries. Walks use d->scratch as their worklist; nothing recurses, since its depth would be the peer's choice.
 */
#include "node/cases/dag.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"

_Static_assert(CASE_EVENTS_MAX *LEAF_PARENTS_MAX < DAG_NONE, "citations are numbered in a u16");

void dag_init(struct dag *d)
{
    *d = (struct dag){0};
}

void dag_close(struct dag *d)
{
    for (unsigned i = 0; i < d->count; i++)
        free(d->events[i]);
    for (unsigned i = 0; i < d->chain_count; i++)
        free(d->chains[i].slots);
    free(d->events);
    free(d->scratch);
    free(d->chains);
    free(d->tips);
    free(d->by_id.cells);
    free(d->by_request.cells);
    *d = (struct dag){0};
}

/* --- indexes: a map of base would take ten times the memory of these two, and cases are cached by the thousand --- */

static uint64_t id_hash(const uint8_t id[32])
{
    return get_be64(id) ^ get_be32(id); /* of a SHA-256: grinding it buys 4096 probes at most */
}

static uint64_t request_hash(uint32_t origin, const uint8_t request[16])
{
    uint64_t v = get_be64(request) ^ get_be64(request + 8) * 0x9e3779b97f4a7c15u ^ origin;
    return (v ^ v >> 32) * 0xd6e8feb86659fd93u >> 20;
}

static uint64_t hash_of(const struct dag *d, const struct dag_index *index, uint16_t slot)
{
    const struct case_held *held = &d->events[slot]->held;
    return index == &d->by_id ? id_hash(held->id) : request_hash(held->origin, held->request);
}

static void index_insert(struct dag_index *index, uint64_t hash, uint16_t slot)
{
    uint32_t i = (uint32_t)hash & (index->capacity - 1);
    while (index->cells[i] != DAG_NONE)
        i = (i + 1) & (index->capacity - 1);
    index->cells[i] = slot;
}

static void index_put(const struct dag *d, struct dag_index *index, uint16_t slot)
{
    if ((index->count + 1) * 4 > index->capacity * 3) {
        uint16_t *old = index->cells;
        uint32_t old_capacity = index->capacity;
        index->capacity = max_of(old_capacity * 2, 8u);
        index->cells = xmalloc(index->capacity * sizeof *index->cells);
        memset(index->cells, 0xff, index->capacity * sizeof *index->cells);
        for (uint32_t i = 0; i < old_capacity; i++)
            if (old[i] != DAG_NONE)
                index_insert(index, hash_of(d, index, old[i]), old[i]);
        free(old);
    }
    index_insert(index, hash_of(d, index, slot), slot);
    index->count++;
}

struct dag_event *dag_find(const struct dag *d, const uint8_t id[32])
{
    uint32_t capacity = d->by_id.capacity;
    if (capacity == 0)
        return NULL;
    for (uint32_t i = (uint32_t)id_hash(id) & (capacity - 1);; i = (i + 1) & (capacity - 1)) {
        if (d->by_id.cells[i] == DAG_NONE)
            return NULL;
        struct dag_event *at = d->events[d->by_id.cells[i]];
        if (memcmp(at->held.id, id, 32) == 0)
            return at;
    }
}

struct dag_event *dag_find_request(const struct dag *d, uint32_t origin, const uint8_t request[16])
{
    uint32_t capacity = d->by_request.capacity;
    if (capacity == 0)
        return NULL;
    for (uint32_t i = (uint32_t)request_hash(origin, request) & (capacity - 1);; i = (i + 1) & (capacity - 1)) {
        if (d->by_request.cells[i] == DAG_NONE)
            return NULL;
        struct dag_event *at = d->events[d->by_request.cells[i]];
        if (at->held.origin == origin && memcmp(at->held.request, request, 16) == 0)
            return at;
    }
}

/* --- adding --- */

static const char *put_text(char **at, const char *text, size_t size_max)
{
    size_t size = strnlen(text, size_max);
    if (size == 0)
        return "";
    char *copy = *at;
    memcpy(copy, text, size);
    copy[size] = '\0';
    *at = copy + size + 1;
    return copy;
}

static size_t text_room(const char *text, size_t size_max)
{
    size_t size = strnlen(text, size_max);
    return size == 0 ? 0 : size + 1;
}

void dag_view(const struct case_event *from, struct case_held *ret)
{
    *ret = (struct case_held){
        .index = from->index,
        .hlc = from->hlc,
        .last_leaf = from->has_last_leaf ? from->last_leaf : 0,
        .origin = from->origin,
        .lead = from->lead,
        .division = from->division,
        .item_version = from->item_version,
        .type = from->type,
        .role = from->role,
        .rules_version = from->rules_version,
        .expected_days = from->expected_days,
        .extend_days = from->extend_days,
        .lacking_days = from->lacking_days,
        .demands = from->demands,
        .terms = from->terms,
        .promise = from->promise,
        .told = from->told,
        .side = from->side,
        .review = from->review,
        .has_official = from->has_official,
        .has_limits = from->has_limits,
        .has_parent = from->has_parent,
        .has_part = from->has_part,
        .mode = from->mode,
        .decision = from->decision,
        .grade = from->grade,
        .channel = from->channel,
        .pause_kind = from->pause_kind,
        .unit = from->unit,
        .parent_count = from->parent_count,
        .malformed = from->malformed,
        .has_request = from->has_request,
        .has_last_leaf = from->has_last_leaf,
        .file = from->has_file ? from->file : NULL,
        .item_code = from->item_code,
        .number = from->number,
        .reason = from->reason,
        .parents = from->parents,
    };
    memcpy(ret->id, from->id, sizeof ret->id);
    memcpy(ret->official, from->official, sizeof ret->official);
    memcpy(ret->limits, from->limits, sizeof ret->limits);
    memcpy(ret->parent, from->parent, sizeof ret->parent);
    memcpy(ret->part, from->part, sizeof ret->part);
    if (from->has_request)
        memcpy(ret->request, from->request, sizeof ret->request);
}

/* One allocation: the event, its links, its parents, its file id, its texts. */
static struct dag_event *copy_event(struct dag *d, const struct case_event *from)
{
    size_t links = from->parent_count * sizeof(struct dag_link);
    size_t head = (offsetof(struct dag_event, links) + links + 7) & ~(size_t)7;
    size_t parents = from->parent_count * sizeof(struct case_parent);
    size_t file = from->has_file ? sizeof from->file : 0;
    size_t texts = text_room(from->item_code, sizeof from->item_code - 1) +
                   text_room(from->number, sizeof from->number - 1) + text_room(from->reason, sizeof from->reason - 1);
    struct dag_event *event = xcalloc(1, head + parents + file + texts);
    d->event_bytes += head + parents + file + texts;
    struct case_parent *copied = (struct case_parent *)(void *)((char *)event + head);
    if (parents > 0)
        memcpy(copied, from->parents, parents);
    char *text = (char *)event + head + parents + file;
    struct case_held *held = &event->held;
    dag_view(from, held);
    held->parents = copied;
    if (file > 0)
        held->file = memcpy((char *)event + head + parents, from->file, file);
    held->item_code = put_text(&text, from->item_code, sizeof from->item_code - 1);
    held->number = put_text(&text, from->number, sizeof from->number - 1);
    held->reason = put_text(&text, from->reason, sizeof from->reason - 1);
    event->first_link = event->request_head = event->request_winner = event->tip_position = DAG_NONE;
    event->position = DAG_NOT_PLACED;
    return event;
}

static void grow_events(struct dag *d)
{
    if (d->count < d->capacity)
        return;
    d->capacity = (uint16_t)max_of(d->capacity * 2, 8);
    d->events = xrealloc(d->events, d->capacity * sizeof *d->events);
    d->scratch = xrealloc(d->scratch, d->capacity * sizeof *d->scratch);
}

static struct dag_chain *get_chain(struct dag *d, uint32_t origin)
{
    struct dag_chain *chain = dag_find_chain(d, origin);
    if (chain != NULL)
        return chain;
    if (d->chain_count == d->chain_capacity) {
        d->chain_capacity = (uint16_t)max_of(d->chain_capacity * 2, 2);
        d->chains = xrealloc(d->chains, d->chain_capacity * sizeof *d->chains);
    }
    chain = &d->chains[d->chain_count++];
    *chain = (struct dag_chain){.origin = origin};
    return chain;
}

static void fork_chain(struct dag *d, struct dag_chain *chain, uint64_t index)
{
    chain->fork_index = chain->is_forked ? min_of(chain->fork_index, index) : index;
    chain->is_forked = d->is_forked = true;
}

/* Puts the event into its author's chain; true when the index was taken. */
static bool chain_insert(struct dag *d, const struct dag_event *event)
{
    struct dag_chain *chain = get_chain(d, event->held.origin);
    if (chain->count == chain->capacity) {
        chain->capacity = (uint16_t)max_of(chain->capacity * 2, 4);
        chain->slots = xrealloc(chain->slots, chain->capacity * sizeof *chain->slots);
    }
    unsigned at = chain->count; /* mostly the last place */
    while (at > 0) {
        const struct case_held *before = &d->events[chain->slots[at - 1]]->held;
        if (before->index < event->held.index ||
            (before->index == event->held.index && memcmp(before->id, event->held.id, 32) < 0))
            break;
        chain->slots[at] = chain->slots[at - 1];
        at--;
    }
    chain->slots[at] = event->slot;
    chain->count++;
    bool is_fork = (at > 0 && d->events[chain->slots[at - 1]]->held.index == event->held.index) ||
                   (at + 1u < chain->count && d->events[chain->slots[at + 1]]->held.index == event->held.index);
    if (is_fork)
        fork_chain(d, chain, event->held.index);
    return is_fork;
}

static void link_parent(struct dag_event *event, unsigned position, struct dag_event *parent)
{
    struct dag_link *link = &event->links[position];
    link->parent = parent->slot;
    link->next = parent->first_link;
    parent->first_link = (uint16_t)(event->slot * LEAF_PARENTS_MAX + position);
    const struct case_parent *cited = &event->held.parents[position];
    if (cited->origin != parent->held.origin || cited->index != parent->held.index)
        event->is_misciting = true;
}

static void link_event(struct dag *d, struct dag_event *event)
{
    for (unsigned i = 0; i < event->held.parent_count; i++) {
        event->links[i] = (struct dag_link){.parent = DAG_NONE, .next = DAG_NONE};
        struct dag_event *parent = dag_find(d, event->held.parents[i].id);
        if (parent == NULL || parent == event)
            event->missing++; /* an event that cites itself waits for ever */
        else
            link_parent(event, i, parent);
        if (parent == NULL || !parent->is_closed)
            event->open_parents++;
    }
}

/* Events that were held back and cite the new one now know where it is. */
static void link_waiting(struct dag *d, struct dag_event *event)
{
    unsigned left = d->pending_count;
    for (unsigned slot = d->count; slot-- > 0 && left > 0;) {
        struct dag_event *waiting = d->events[slot];
        if (waiting->is_closed)
            continue;
        left--;
        if (waiting == event || waiting->missing == 0)
            continue;
        for (unsigned i = 0; i < waiting->held.parent_count; i++) {
            if (waiting->links[i].parent != DAG_NONE || memcmp(waiting->held.parents[i].id, event->held.id, 32) != 0)
                continue;
            link_parent(waiting, i, event);
            waiting->missing--;
        }
    }
}

static void tip_remove(struct dag *d, struct dag_event *event)
{
    if (event->tip_position == DAG_NONE)
        return;
    uint16_t last = d->tips[--d->tip_count];
    d->tips[event->tip_position] = last;
    d->events[last]->tip_position = event->tip_position;
    event->tip_position = DAG_NONE;
}

static void tip_add(struct dag *d, struct dag_event *event)
{
    if (d->tip_count == d->tip_capacity) {
        d->tip_capacity = (uint16_t)max_of(d->tip_capacity * 2, 4);
        d->tips = xrealloc(d->tips, d->tip_capacity * sizeof *d->tips);
    }
    event->tip_position = d->tip_count;
    d->tips[d->tip_count++] = event->slot;
}

static void close_event(struct dag *d, struct dag_event *event)
{
    event->is_closed = true;
    d->pending_count--;
    dag_find_chain(d, event->held.origin)->pending--;
    for (unsigned i = 0; i < event->held.parent_count; i++) {
        struct dag_event *parent = d->events[event->links[i].parent];
        tip_remove(d, parent);
        event->depth = (uint16_t)max_of(event->depth, parent->depth + 1);
    }
    tip_add(d, event);
}

/* Closes @first and all that waited only for it. Returns how many; their slots are in d->scratch. */
static uint16_t close_from(struct dag *d, struct dag_event *first)
{
    uint16_t done = 0;
    uint16_t found = 0;
    d->scratch[found++] = first->slot;
    while (done < found) {
        struct dag_event *event = d->events[d->scratch[done++]];
        close_event(d, event);
        for (uint16_t at = event->first_link; at != DAG_NONE;) {
            struct dag_event *child = d->events[at / LEAF_PARENTS_MAX];
            at = child->links[at % LEAF_PARENTS_MAX].next;
            if (--child->open_parents == 0)
                d->scratch[found++] = child->slot;
        }
    }
    return found;
}

int dag_check_room(const struct dag *d, uint32_t origin, unsigned count, struct err *e)
{
    const struct dag_chain *chain = dag_find_chain(d, origin);
    unsigned held = chain == NULL ? 0 : chain->count;
    if (chain == NULL && d->chain_count >= CASE_NODES_MAX)
        return err_set(e, ERR_LIMIT, "case.nodes", "%u nodes have written on the case, limit %u", d->chain_count,
                       CASE_NODES_MAX);
    if (held + count > CASE_EVENTS_PER_NODE_MAX)
        return err_set(e, ERR_LIMIT, "case.events", "the case has %u events of node %u, limit %u", held, origin,
                       CASE_EVENTS_PER_NODE_MAX);
    return 0;
}

static bool cites_all_tips(const struct dag *d, const struct dag_event *event)
{
    unsigned cited = 0;
    for (unsigned i = 0; i < event->held.parent_count; i++) {
        uint16_t parent = event->links[i].parent;
        if (parent == DAG_NONE || d->events[parent]->tip_position == DAG_NONE)
            continue;
        bool seen = false; /* a parent cited twice counts once */
        for (unsigned k = 0; k < i; k++)
            seen = seen || event->links[k].parent == parent;
        cited += !seen;
    }
    return cited == d->tip_count;
}

int dag_add(struct dag *d, const struct case_event *from, struct dag_added *ret, struct err *e)
{
    struct dag_event *event = dag_find(d, from->id);
    if (event != NULL) {
        *ret = (struct dag_added){.event = event};
        return 0;
    }
    if (from->parent_count > LEAF_PARENTS_MAX)
        return err_set(e, ERR_LIMIT, "case.parents", "event cites %u parents, limit %u", from->parent_count,
                       LEAF_PARENTS_MAX);
    int r = dag_check_room(d, from->origin, 1, e);
    if (r < 0)
        return r;

    event = copy_event(d, from);
    grow_events(d);
    event->slot = d->count;
    d->events[d->count++] = event;
    d->pending_count++;
    index_put(d, &d->by_id, event->slot);
    *ret = (struct dag_added){.event = event, .is_new = true, .is_fork = chain_insert(d, event)};
    dag_find_chain(d, event->held.origin)->pending++;
    if (event->held.has_request) {
        const struct dag_event *head = dag_find_request(d, event->held.origin, event->held.request);
        event->request_head = head == NULL ? event->slot : head->slot;
        if (head == NULL)
            index_put(d, &d->by_request, event->slot);
    }
    link_event(d, event);
    if (d->pending_count > 1)
        link_waiting(d, event);
    if (event->open_parents > 0)
        return 0;

    bool all_tips = cites_all_tips(d, event);
    ret->closed = close_from(d, event);
    ret->cites_all_tips = all_tips && ret->closed == 1;
    return 0;
}

/* --- chains --- */

struct dag_chain *dag_find_chain(const struct dag *d, uint32_t origin)
{
    for (unsigned i = 0; i < d->chain_count; i++)
        if (d->chains[i].origin == origin)
            return &d->chains[i];
    return NULL;
}

void dag_mark_forked(struct dag *d, uint32_t origin, uint64_t index)
{
    fork_chain(d, get_chain(d, origin), index);
}

/* --- queries --- */

void dag_new_mark(struct dag *d)
{
    if (++d->mark != 0)
        return;
    for (unsigned i = 0; i < d->count; i++) /* after four thousand million sets */
        d->events[i]->mark = 0;
    d->mark = 1;
}

bool dag_is_ancestor(struct dag *d, const struct dag_event *ancestor, const struct dag_event *e)
{
    xassert(e->is_closed && ancestor->is_closed);
    if (ancestor->depth >= e->depth)
        return false;

    dag_new_mark(d);
    unsigned found = 0;
    const struct dag_event *at = e;
    for (unsigned done = 0;; at = d->events[d->scratch[done++]]) {
        for (unsigned i = 0; i < at->held.parent_count; i++) {
            struct dag_event *parent = d->events[at->links[i].parent];
            if (parent == ancestor)
                return true;
            if (parent->mark == d->mark || parent->depth <= ancestor->depth)
                continue;
            parent->mark = d->mark;
            d->scratch[found++] = parent->slot;
        }
        if (done == found)
            return false;
    }
}

int dag_compare_parents(const struct case_parent *a, const struct case_parent *b)
{
    if (a->origin != b->origin)
        return a->origin < b->origin ? -1 : 1;
    if (a->index != b->index)
        return a->index < b->index ? -1 : 1;
    return memcmp(a->id, b->id, sizeof a->id);
}

static int compare_parents(const void *a, const void *b)
{
    return dag_compare_parents(a, b);
}

void dag_sort_parents(struct case_parent *parents, unsigned count)
{
    qsort(parents, count, sizeof *parents, compare_parents);
}

static struct case_parent as_parent(const struct dag_event *event)
{
    struct case_parent parent = {.origin = event->held.origin, .index = event->held.index};
    memcpy(parent.id, event->held.id, sizeof parent.id);
    return parent;
}

static bool is_newer(const struct dag_event *a, const struct dag_event *b)
{
    if (a->held.hlc != b->held.hlc)
        return a->held.hlc > b->held.hlc;
    return memcmp(a->held.id, b->held.id, 32) > 0;
}

/* Is the leaf at this (origin, index) chosen already? A leaf cites strictly ascending, so of a fork only one. */
static bool is_chosen(const struct dag_event **chosen, unsigned count, const struct dag_event *event)
{
    for (unsigned i = 0; i < count; i++)
        if (chosen[i]->held.origin == event->held.origin && chosen[i]->held.index == event->held.index)
            return true;
    return false;
}

/* The author's last closed event, if no chosen tip has it behind it. */
static const struct dag_event *own_loose_end(struct dag *d, uint32_t self, const struct dag_event **chosen,
                                             unsigned count)
{
    const struct dag_chain *chain = dag_find_chain(d, self);
    const struct dag_event *last = NULL;
    for (unsigned i = chain == NULL ? 0 : chain->count; i-- > 0 && last == NULL;)
        if (d->events[chain->slots[i]]->is_closed)
            last = d->events[chain->slots[i]];
    for (unsigned i = 0; i < count && last != NULL; i++)
        if (chosen[i] == last || dag_is_ancestor(d, last, chosen[i]))
            return NULL;
    return last;
}

unsigned dag_tips(struct dag *d, uint32_t self, struct case_parent ret[LEAF_PARENTS_MAX])
{
    const struct dag_event *chosen[LEAF_PARENTS_MAX];
    unsigned count = 0;
    while (count < LEAF_PARENTS_MAX) {
        const struct dag_event *best = NULL;
        for (unsigned i = 0; i < d->tip_count; i++) {
            const struct dag_event *tip = d->events[d->tips[i]];
            if (!is_chosen(chosen, count, tip) && (best == NULL || is_newer(tip, best)))
                best = tip;
        }
        if (best == NULL)
            break;
        chosen[count++] = best;
    }
    const struct dag_event *own = NULL;
    if (self != 0 && d->tip_count > LEAF_PARENTS_MAX)
        own = own_loose_end(d, self, chosen, count);
    if (own != NULL && !is_chosen(chosen, count - 1, own))
        chosen[count - 1] = own; /* the oldest makes room; it stays a tip and is cited next time */
    for (unsigned i = 0; i < count; i++)
        ret[i] = as_parent(chosen[i]);
    dag_sort_parents(ret, count);
    return count;
}

size_t dag_bytes(const struct dag *d)
{
    size_t bytes = d->event_bytes + d->capacity * (sizeof *d->events + sizeof *d->scratch) +
                   (d->by_id.capacity + d->by_request.capacity) * sizeof *d->by_id.cells +
                   d->chain_capacity * sizeof *d->chains + d->tip_capacity * sizeof *d->tips;
    for (unsigned i = 0; i < d->chain_count; i++)
        bytes += d->chains[i].capacity * sizeof *d->chains[i].slots;
    return bytes;
}

unsigned dag_missing(const struct dag *d, struct case_parent *ret, unsigned max)
{
    struct case_parent *all = NULL;
    unsigned count = 0;
    unsigned capacity = 0;
    for (unsigned slot = 0; slot < d->count; slot++) {
        const struct dag_event *event = d->events[slot];
        if (event->missing == 0)
            continue;
        if (count + LEAF_PARENTS_MAX > capacity) { /* at most CASE_EVENTS_MAX * LEAF_PARENTS_MAX */
            capacity = max_of(capacity * 2, 4 * LEAF_PARENTS_MAX);
            all = xrealloc(all, capacity * sizeof *all);
        }
        for (unsigned i = 0; i < event->held.parent_count; i++)
            if (event->links[i].parent == DAG_NONE)
                all[count++] = event->held.parents[i];
    }
    if (count > 0)
        qsort(all, count, sizeof *all, compare_parents);
    unsigned written = 0;
    for (unsigned i = 0; i < count && written < max; i++)
        if (i == 0 || dag_compare_parents(&all[i], &all[i - 1]) != 0)
            ret[written++] = all[i];
    free(all);
    return written;
}
