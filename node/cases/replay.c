/* The replay (replay.h). Reading order: run_mainline() and run_suffix() are the specification; replay_note() decides
 * how little of it has to be done again:
 *   - the event cites all tips and is the last of its author: it goes to the end, and if its author leads, the suffix
 *     before it is exactly its segment and becomes sequenced as it stands;
 *   - it is the last of its author, but something crosses it: the prefix stays, what follows is done again;
 *   - anything that could reach into the prefix (root, SUPERVISE, fork, an author's earlier event): all is done again.
 */
#include "node/cases/replay.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/mutant.h"
#include "node/base/xassert.h"
#include "node/cases/order.h"

void replay_init(struct replay *r, uint32_t home)
{
    *r = (struct replay){.home = home};
    dag_init(&r->dag);
    fold_init(&r->sequenced, NULL);
    fold_init(&r->current, NULL);
}

void replay_close(struct replay *r)
{
    dag_close(&r->dag);
    free(r->order);
    free(r->members);
    *r = (struct replay){0};
}

void replay_reserve(struct replay *r, uint32_t count)
{
    if (count <= r->order_capacity)
        return;
    r->order_capacity = max_of(max_of(r->order_capacity * 2, count), 8u);
    r->order = xrealloc(r->order, r->order_capacity * sizeof *r->order);
}

static void apply(struct replay *r, struct dag_event *e)
{
    replay_reserve(r, r->order_count + 1);
    fold_apply(&r->current, &r->dag, e, r->order_count, &r->order[r->order_count]);
    for (uint32_t i = 0; MUTANT(effects_rewritten) && i < r->order_count; i++)
        if (r->order[i].event == r->order[r->order_count].voids)
            r->order[i].kind = CASE_EFFECT_NOOP;
    e->position = r->order_count++;
}

static void apply_members(struct replay *r, unsigned count)
{
    uint16_t rules_version = r->current.root == NULL ? CASE_RULES_VERSION : r->current.root->held.rules_version;
    order_sort(&r->dag, r->members, count, rules_version);
    for (unsigned i = 0; i < count; i++)
        apply(r, r->dag.events[r->members[i]]);
}

static void apply_with_segment(struct replay *r, struct dag_event *e)
{
    apply_members(r, order_ancestors(&r->dag, e, r->members));
    if (e->position == DAG_NOT_PLACED)
        apply(r, e);
}

static bool is_better_root(const struct replay *r, const struct dag_event *a, const struct dag_event *b)
{
    if (fold_root_counts(a) != fold_root_counts(b))
        return fold_root_counts(a);
    if ((a->held.origin == r->home) != (b->held.origin == r->home))
        return a->held.origin == r->home;
    return memcmp(a->held.id, b->held.id, sizeof a->held.id) < 0;
}

/* Of the SUBMITs that can open a case, one by the node that the case id names, then the smallest id. If none can open
 * it, the best of the others, so that its refusal shows. */
static struct dag_event *find_root(const struct replay *r)
{
    const struct dag *d = &r->dag;
    struct dag_event *root = NULL;
    for (unsigned i = 0; i < d->count; i++) {
        struct dag_event *at = d->events[i];
        if (at->held.type != CASE_EVENT_SUBMIT || at->held.parent_count > 0)
            continue;
        if (root == NULL || is_better_root(r, at, root))
            root = at;
    }
    return root;
}

/* The lead's next event, or NULL: none held, the next one waits for a parent, or it is forked. */
static struct dag_event *next_of_lead(struct replay *r)
{
    struct dag_chain *chain = r->current.lead == 0 ? NULL : dag_find_chain(&r->dag, r->current.lead);
    if (chain == NULL)
        return NULL;
    while (chain->cursor < chain->count && r->dag.events[chain->slots[chain->cursor]]->position != DAG_NOT_PLACED)
        chain->cursor++;
    if (chain->cursor == chain->count)
        return NULL;
    struct dag_event *next = r->dag.events[chain->slots[chain->cursor]];
    if (!next->is_closed || (chain->is_forked && next->held.index >= chain->fork_index))
        return NULL;
    return next;
}

static bool is_open_supervise(const struct replay *r, const struct dag_event *e)
{
    uint32_t ignored;
    return e->is_closed && e->position == DAG_NOT_PLACED && e->held.type == CASE_EVENT_SUPERVISE &&
           fold_supervise_counts(r->current.root, e, &ignored);
}

/* The next SUPERVISE to lead up to: the first by key of those that have no other one behind them. Sets is_before_cut
 * on its open ancestors. */
static struct dag_event *next_supervise(struct replay *r)
{
    struct dag *d = &r->dag;
    struct dag_event *best = NULL;
    for (bool among_ancestors = false;; among_ancestors = true) {
        struct dag_event *found = NULL;
        for (unsigned i = 0; i < d->count; i++) {
            struct dag_event *at = d->events[i];
            if ((among_ancestors && at->mark != d->mark) || !is_open_supervise(r, at))
                continue;
            order_rank(at, r->current.root->held.rules_version);
            if (found == NULL || order_compare(at, found) < 0)
                found = at;
        }
        if (found == NULL)
            break;
        best = found;
        (void)order_ancestors(d, best, r->members);
    }
    for (unsigned i = 0; best != NULL && i < d->count; i++)
        d->events[i]->is_before_cut = d->events[i]->mark == d->mark;
    return best;
}

static bool is_accepted(const struct fold *f, const struct dag_event *e)
{
    bool is_past_last = f->cut_origin != 0 && e->held.origin == f->cut_origin && e->held.index > f->cut->held.last_leaf;
    return e->is_before_cut && !is_past_last;
}

static void run_mainline(struct replay *r)
{
    struct dag_event *supervise = r->has_supervise ? next_supervise(r) : NULL;
    for (;;) {
        struct dag_event *next = next_of_lead(r);
        if (supervise == NULL) {
            if (next == NULL)
                return;
            apply_with_segment(r, next);
            continue;
        }
        struct fold *f = &r->current;
        f->cut = supervise;
        (void)fold_supervise_counts(f->root, supervise, &f->cut_origin);
        bool is_lead_up = next != NULL && next != supervise && is_accepted(f, next);
        apply_with_segment(r, is_lead_up ? next : supervise);
        f->cut = NULL;
        f->cut_origin = 0;
        if (!is_lead_up || supervise->position != DAG_NOT_PLACED)
            supervise = next_supervise(r);
    }
}

static void freeze_if_forked(struct replay *r)
{
    const struct dag_chain *chain = r->dag.is_forked ? dag_find_chain(&r->dag, r->current.lead) : NULL;
    if (chain == NULL || !chain->is_forked || r->current.root == NULL)
        return;
    r->current.flags |= CASE_FLAG_FROZEN;
    r->current.status_position = 0; /* the freeze is no event of the suffix */
}

static void end_prefix(struct replay *r)
{
    for (uint32_t i = r->sequenced_count; i < r->order_count; i++)
        r->order[i].sequenced = true;
    r->sequenced_count = r->order_count;
    r->sequenced = r->current;
}

static void run_suffix(struct replay *r)
{
    unsigned count = 0;
    for (unsigned i = 0; i < r->dag.count; i++)
        if (r->dag.events[i]->is_closed && r->dag.events[i]->position == DAG_NOT_PLACED)
            r->members[count++] = (uint16_t)i;
    apply_members(r, count);
}

static void start_all(struct replay *r)
{
    struct dag *d = &r->dag;
    for (unsigned i = 0; i < d->count; i++)
        d->events[i]->position = DAG_NOT_PLACED;
    for (unsigned i = 0; i < d->chain_count; i++)
        d->chains[i].cursor = 0;
    r->order_count = r->sequenced_count = 0;
    r->all_count++;
    struct dag_event *root = find_root(r);
    fold_init(&r->current, root);
    if (root != NULL)
        apply(r, root);
}

static void start_suffix(struct replay *r)
{
    for (uint32_t i = r->sequenced_count; i < r->order_count; i++)
        container_of(r->order[i].event, struct dag_event, held)->position = DAG_NOT_PLACED;
    r->order_count = r->sequenced_count;
    r->current = r->sequenced;
}

void replay_run(struct replay *r)
{
    if (r->todo == REPLAY_NOTHING)
        return;
    if (r->members_capacity < r->dag.capacity) {
        r->members_capacity = r->dag.capacity;
        r->members = xrealloc(r->members, r->members_capacity * sizeof *r->members);
    }
    if (r->todo == REPLAY_ALL)
        start_all(r);
    else
        start_suffix(r);
    run_mainline(r);
    freeze_if_forked(r);
    end_prefix(r);
    run_suffix(r);
    if (MUTANT(sequence_all))
        end_prefix(r);
    r->todo = REPLAY_NOTHING;
    xassert(r->order_count == (uint32_t)(r->dag.count - r->dag.pending_count));
}

static void want(struct replay *r, enum replay_todo todo)
{
    if (r->dag.is_forked || MUTANT(sequence_all))
        todo = REPLAY_ALL; /* a freeze ends the prefix for good: do not go on from there */
    r->todo = max_of(r->todo, todo);
}

static bool is_last_of_author(const struct replay *r, const struct dag_event *e)
{
    const struct dag_chain *chain = dag_find_chain(&r->dag, e->held.origin);
    return chain->slots[chain->count - 1] == e->slot;
}

static bool may_reach_prefix(const struct replay *r, const struct dag_event *e)
{
    return e->held.type == CASE_EVENT_SUBMIT || e->held.type == CASE_EVENT_SUPERVISE || !is_last_of_author(r, e);
}

/* The fast way; see the file comment. */
static void append(struct replay *r, struct dag_event *e)
{
    bool is_leads = e->held.origin == r->current.lead;
    apply(r, e);
    r->order[r->order_count - 1].sequenced = false; /* until end_prefix() */
    if (is_leads)
        end_prefix(r);
}

static bool may_append(const struct replay *r, const struct dag_added *added)
{
    if (MUTANT(sequence_all) || r->todo != REPLAY_NOTHING || !added->cites_all_tips || r->dag.is_forked ||
        r->current.root == NULL)
        return false;
    if (r->current.lead != r->sequenced.lead)
        return false; /* a lead's event in the suffix: held up by an earlier one */
    return added->event->held.origin != r->current.lead || dag_find_chain(&r->dag, r->current.lead)->pending == 0;
}

void replay_note(struct replay *r, const struct dag_added *added)
{
    struct dag *d = &r->dag;
    if (!added->is_new)
        return;
    if (added->is_fork || !is_last_of_author(r, added->event))
        want(r, REPLAY_ALL);
    if (added->event->held.type == CASE_EVENT_SUPERVISE)
        r->has_supervise = true;
    for (unsigned i = 0; i < added->closed; i++)
        if (may_reach_prefix(r, d->events[d->scratch[i]]))
            want(r, REPLAY_ALL);
    if (added->closed == 0)
        return;
    if (may_append(r, added))
        append(r, added->event);
    else
        want(r, REPLAY_SUFFIX);
}

void replay_note_fork(struct replay *r)
{
    want(r, REPLAY_ALL);
}
