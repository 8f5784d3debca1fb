/* Kahn's algorithm over a part of the held graph (order.h). The heap lies in d->scratch. */
#include "node/cases/order.h"

#include <string.h>

#include "node/base/mutant.h"
#include "node/base/xassert.h"
#include "node/cases/rules.h"

void order_rank(struct dag_event *e, uint16_t rules_version)
{
    e->rank = rules_rank(rules_version, e->held.type);
}

int order_compare(const struct dag_event *a, const struct dag_event *b)
{
    if (MUTANT(order_by_clock) && a->held.hlc != b->held.hlc)
        return a->held.hlc < b->held.hlc ? -1 : 1;
    if (MUTANT(order_by_arrival))
        return a->slot < b->slot ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->held.hlc != b->held.hlc)
        return a->held.hlc < b->held.hlc ? -1 : 1;
    if (a->held.origin != b->held.origin)
        return a->held.origin < b->held.origin ? -1 : 1;
    if (a->held.index != b->held.index)
        return a->held.index < b->held.index ? -1 : 1;
    return memcmp(a->held.id, b->held.id, sizeof a->held.id);
}

unsigned order_ancestors(struct dag *d, const struct dag_event *e, uint16_t *ret)
{
    dag_new_mark(d);
    unsigned found = 0;
    const struct dag_event *at = e;
    for (unsigned done = 0;; at = d->events[ret[done++]]) {
        for (unsigned i = 0; i < at->held.parent_count; i++) {
            struct dag_event *parent = d->events[at->links[i].parent];
            if (parent->mark == d->mark || parent->position != DAG_NOT_PLACED)
                continue;
            parent->mark = d->mark;
            ret[found++] = parent->slot;
        }
        if (done == found)
            return found;
    }
}

static void heap_push(struct dag *d, unsigned *count, uint16_t slot)
{
    uint16_t *heap = d->scratch;
    unsigned at = (*count)++;
    while (at > 0 && order_compare(d->events[slot], d->events[heap[(at - 1) / 2]]) < 0) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = slot;
}

static uint16_t heap_pop(struct dag *d, unsigned *count)
{
    uint16_t *heap = d->scratch;
    uint16_t top = heap[0];
    uint16_t last = heap[--*count];
    unsigned at = 0;
    for (;;) {
        unsigned child = at * 2 + 1;
        if (child >= *count)
            break;
        if (child + 1 < *count && order_compare(d->events[heap[child + 1]], d->events[heap[child]]) < 0)
            child++;
        if (order_compare(d->events[last], d->events[heap[child]]) <= 0)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return top;
}

void order_sort(struct dag *d, uint16_t *slots, unsigned count, uint16_t rules_version)
{
    if (count == 0)
        return;
    dag_new_mark(d);
    for (unsigned i = 0; i < count; i++)
        d->events[slots[i]]->mark = d->mark;
    unsigned heap_count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct dag_event *member = d->events[slots[i]];
        order_rank(member, rules_version);
        member->open_in_sort = 0;
        for (unsigned k = 0; k < member->held.parent_count; k++)
            if (d->events[member->links[k].parent]->mark == d->mark && !MUTANT(causes_ignored))
                member->open_in_sort++;
    }
    for (unsigned i = 0; i < count; i++)
        if (d->events[slots[i]]->open_in_sort == 0)
            heap_push(d, &heap_count, slots[i]);

    unsigned done = 0; /* members wait in the heap from here on, so that their list can take the result */
    while (heap_count > 0) {
        const struct dag_event *event = d->events[heap_pop(d, &heap_count)];
        slots[done++] = event->slot;
        for (uint16_t at = event->first_link; at != DAG_NONE;) {
            struct dag_event *child = d->events[at / LEAF_PARENTS_MAX];
            at = child->links[at % LEAF_PARENTS_MAX].next;
            if (child->mark == d->mark && --child->open_in_sort == 0)
                heap_push(d, &heap_count, child->slot);
        }
    }
    xassert(done == count); /* closed events have no cycle */
}
