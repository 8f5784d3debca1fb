/* The invariants of cases (I1 to I10) on what the nodes of a run hold. A node's case changes with what becomes durable there: each time
 * everything is looked at that this changed, the row and the sequenced prefix, the effects, the fold in other orders and with other
 * clocks, and the nodes that hold the same events. At the end once more, all cases of all nodes. What an act needs is written down here a
 * second time, from the law's table (node/cases/CASES.md), so that the fold does not judge itself. Chance is drawn here from a generator of
 * its own: what is checked changes no run. */
#include <stdlib.h>
#include <string.h>

#include "node/app_internal.h"
#include "node/cases/casefile.h"
#include "node/cases/rules.h"
#include "tests/sim/sim.h"

#define CASES_MAX 128u
#define EVENTS_MAX 256u

/* What a node's disk has of a case, as far as others can be compared with it. */
struct held {
    uint8_t set[32];    /* hash over the ids of all events held, in order of (origin, index) */
    uint8_t forks[32];  /* and over who is disputed */
    uint8_t digest[32]; /* of the fold */
};

/* A case as a node last had it. */
struct known {
    uint8_t case_id[CASE_ID_SIZE];
    bool is_held; /* `held` is of the disk as it is */
    struct held held;
    unsigned count; /* of the sequenced prefix */
    struct {
        uint8_t id[32];
        uint8_t kind;
    } events[EVENTS_MAX];
};

static struct {
    struct known *cases[SIM_SLOTS_MAX][CASES_MAX];
    size_t counts[SIM_SLOTS_MAX];
    struct prng prng;
} seen;

void check_case_reset(void)
{
    memset(&seen, 0, sizeof seen);
    prng_init(&seen.prng, the_sim.seed);
}

static bool chance(uint32_t permille)
{
    return prng_below(&seen.prng, 1000) < permille;
}

/* ---- reading a case ---- */

static size_t forks_of(const struct sim_node *n, struct case_fork *ret, size_t max)
{
    const struct store_evidence *rows;
    size_t count = disk_evidence(n->disk, &rows), used = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        if (rows[i].accused == n->code)
            continue;
        while (at < used && ret[at].origin != rows[i].accused)
            at++;
        if (at == max)
            break;
        if (at == used)
            ret[used++] = (struct case_fork){.origin = rows[i].accused, .common_size = rows[i].common_size};
        ret[at].common_size = min_of(ret[at].common_size, rows[i].common_size);
    }
    return used;
}

static struct casefile *load(struct sim_node *n, const uint8_t case_id[CASE_ID_SIZE])
{
    struct case_fork forks[SIM_SLOTS_MAX];
    struct casefile *file = NULL;
    struct err e = {0};
    size_t count = forks_of(n, forks, array_count(forks));
    if (case_file_load(disk_reader(n->disk), case_id, forks, count, &file, &e) != 0)
        sim_violation("X", "%s: a case cannot be read: %s", sim_name(n), e.message);
    return file;
}

static void digest_of(struct casefile *file, uint8_t ret[32])
{
    struct buf input = {0};
    casefile_digest_input(file, &input);
    crypto_sha256_one(input.data, input.size, ret);
    buf_close(&input);
}

/* ---- when a row becomes durable ---- */

static struct known *find_known(const struct sim_node *n, const uint8_t case_id[CASE_ID_SIZE])
{
    for (size_t i = 0; i < seen.counts[n->slot]; i++)
        if (memcmp(seen.cases[n->slot][i]->case_id, case_id, CASE_ID_SIZE) == 0)
            return seen.cases[n->slot][i];
    return NULL;
}

static struct known *make_known(const struct sim_node *n, const uint8_t case_id[CASE_ID_SIZE])
{
    struct known *p = find_known(n, case_id);
    if (p != NULL || seen.counts[n->slot] == CASES_MAX)
        return p;
    p = sim_alloc(sizeof *p);
    memcpy(p->case_id, case_id, CASE_ID_SIZE);
    seen.cases[n->slot][seen.counts[n->slot]++] = p;
    return p;
}

/* I3, I10: what the lead has sequenced stays, in its order, with its effects. A supervisor may cut it, and so may the proof that the lead
 * contradicts itself: both are said aloud in the case. */
static void check_prefix(struct sim_node *n, const uint8_t case_id[CASE_ID_SIZE], struct casefile *file)
{
    const struct case_effect *effects;
    const struct case_state *state = casefile_state(file);
    size_t count = casefile_effects(file, &effects);
    struct known *p = make_known(n, case_id);
    unsigned sequenced = min_of(state->sequenced_count, EVENTS_MAX);
    if (p == NULL || count < sequenced)
        return;
    bool may_shrink =
        (state->flags & (CASE_FLAG_FROZEN | CASE_FLAG_SUPERVISED | CASE_FLAG_CONTESTED)) != 0 || n->went_back;
    for (unsigned i = 0; i < p->count && !may_shrink; i++) {
        if (i >= sequenced || memcmp(p->events[i].id, effects[i].event->id, 32) != 0)
            sim_violation("I3", "%s: the sequenced prefix of case %02x%02x changed at its event %u of %u", sim_name(n),
                          case_id[14], case_id[15], i, p->count);
        else if (p->events[i].kind != effects[i].kind)
            sim_violation("I10", "%s: the effect of event %u of case %02x%02x changed after it was sequenced",
                          sim_name(n), i, case_id[14], case_id[15]);
    }
    p->count = sequenced;
    for (unsigned i = 0; i < sequenced; i++) {
        memcpy(p->events[i].id, effects[i].event->id, 32);
        p->events[i].kind = effects[i].kind;
    }
}

/* I1, I8: the row is what the entries give. */
static void check_row(struct sim_node *n, const struct store_case *row, struct casefile *file)
{
    struct case_fork forks[SIM_SLOTS_MAX];
    uint8_t digest[32];
    digest_of(file, digest);
    bool is_disputed = forks_of(n, forks, array_count(forks)) > 0;
    if (!is_disputed && memcmp(digest, row->digest, 32) != 0)
        sim_violation(disk_is_erased(n->disk, row->case_id) ? "I8" : "I1",
                      "%s: the row of case %02x%02x is not what its %u entries give", sim_name(n), row->case_id[14],
                      row->case_id[15], row->event_count);
}

/* ---- one case of one node ---- */

static bool is_before(const struct case_effect *effects, size_t at, const uint8_t id[32])
{
    for (size_t i = 0; i < at; i++)
        if (memcmp(effects[i].event->id, id, 32) == 0)
            return true;
    return false;
}

/* Who may do it: the receiving node, the deciding node, either. SUPERVISE is somebody else's and has its own check. */
static bool is_authorised(const struct case_effect *x)
{
    bool receiving = x->event->origin == x->receiving, lead = x->event->origin == x->lead;
    switch (x->event->type) {
    case CASE_EVENT_SUBMIT:
    case CASE_EVENT_IDENTITY:
    case CASE_EVENT_FORM:
    case CASE_EVENT_FORWARD:
    case CASE_EVENT_RETURN:
    case CASE_EVENT_SUPPLEMENT:
    case CASE_EVENT_EVALUATE:
    case CASE_EVENT_WITHDRAW:
        return receiving;
    case CASE_EVENT_DELIVER:
    case CASE_EVENT_NOTE:
    case CASE_EVENT_OBJECT:
        return receiving || lead;
    case CASE_EVENT_SUPERVISE:
        return x->event->origin != x->lead && x->event->origin % 10000 == 0;
    default:
        return lead;
    }
}

/* I4 to I7 on one fold. */
static void check_effects(const struct sim_node *n, const uint8_t id[CASE_ID_SIZE], struct casefile *file,
                          struct sim_counts *counts)
{
    const struct case_effect *effects;
    size_t count = casefile_effects(file, &effects);
    count -= min_of(count, (size_t)casefile_state(file)->pending_count);
    int standing = 0;
    bool is_delivered = false;
    for (size_t i = 0; i < count; i++) {
        const struct case_effect *x = &effects[i];
        bool is_ok = x->kind == CASE_EFFECT_OK;
        counts->effects++;
        for (unsigned k = 0; k < x->event->parent_count; k++)
            if (!is_before(effects, i, x->event->parents[k].id))
                sim_violation("I4", "%s: case %02x%02x: event %zu stands before one that it cites", sim_name(n), id[14],
                              id[15], i);
        if (!is_ok)
            continue;
        if (!is_authorised(x))
            sim_violation("I5", "%s: case %02x%02x: %s by %u counts; the case is %u's, received by %u", sim_name(n),
                          id[14], id[15], case_event_name(x->event->type), x->event->origin, x->lead, x->receiving);
        standing -= x->voids != NULL;
        standing += x->event->type == CASE_EVENT_DECIDE;
        counts->decisions += x->event->type == CASE_EVENT_DECIDE;
        if (standing > 1)
            sim_violation("I6", "%s: case %02x%02x has %d decisions that stand", sim_name(n), id[14], id[15], standing);
        if (is_delivered && x->status_after != x->status_before && x->event->type != CASE_EVENT_ARCHIVE &&
            x->event->type != CASE_EVENT_REVOKE && x->event->type != CASE_EVENT_SUPERVISE)
            sim_violation("I7", "%s: case %02x%02x was delivered, then %s changed it", sim_name(n), id[14], id[15],
                          case_event_name(x->event->type));
        is_delivered = is_delivered || x->event->type == CASE_EVENT_DELIVER;
    }
    counts->delivered += is_delivered;
}

/* The events of @file once more, in another order, some twice; with @shifted its author's clock moved by @shift. */
static struct casefile *refold(struct casefile *file, const uint8_t id[CASE_ID_SIZE], const struct sim_node *n,
                               uint32_t shifted, int64_t shift)
{
    const struct case_effect *effects;
    struct case_fork forks[SIM_SLOTS_MAX];
    size_t count = casefile_effects(file, &effects), left = count;
    struct casefile *copy = casefile_create(id);
    bool *taken = xcalloc(count + 1, sizeof *taken);
    while (left > 0) {
        size_t at = prng_below(&seen.prng, count);
        struct case_event event;
        while (taken[at])
            at = (at + 1) % count;
        for (size_t k = 0; k < count; k++) /* an author's events come in the order of its ledger */
            if (!taken[k] && effects[k].event->origin == effects[at].event->origin &&
                effects[k].event->index < effects[at].event->index)
                at = k;
        case_event_of_held(effects[at].event, &event);
        if (event.origin == shifted)
            event.hlc = (uint64_t)((int64_t)event.hlc + (shift << 16));
        int rc = casefile_add(copy, &event, NULL); /* a fork is held, too */
        if (rc >= 0 && chance(200))
            rc = casefile_add(copy, &event, NULL);
        if (chance(300))
            (void)casefile_state(copy); /* folded on the way */
        taken[at] = true;
        left--;
    }
    free(taken);
    case_forks_apply(forks, forks_of(n, forks, array_count(forks)), copy);
    return copy;
}

/* Whether @a is cited by @b, directly or through others. */
static bool is_ancestor(const struct case_effect *effects, size_t count, size_t a, size_t b)
{
    bool reached[EVENTS_MAX] = {false};
    reached[b] = true;
    for (size_t i = b + 1; i-- > 0;) {
        if (!reached[i])
            continue;
        for (unsigned k = 0; k < effects[i].event->parent_count; k++)
            for (size_t j = 0; j < i && j < count; j++)
                if (memcmp(effects[j].event->id, effects[i].event->parents[k].id, 32) == 0)
                    reached[j] = true;
    }
    return reached[a] && a != b;
}

/* Two concurrent events of different authors and one rank: only then may clocks decide anything (I9). */
static bool has_equals(const struct case_effect *effects, size_t count, uint16_t rules_version)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (effects[i].event->origin != effects[k].event->origin &&
                rules_rank(rules_version, effects[i].event->type) ==
                    rules_rank(rules_version, effects[k].event->type) &&
                !is_ancestor(effects, count, k, i))
                return true;
    return false;
}

static bool is_same_order(struct casefile *a, struct casefile *b)
{
    const struct case_effect *x, *y;
    size_t count = casefile_effects(a, &x);
    if (casefile_effects(b, &y) != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (memcmp(x[i].event->id, y[i].event->id, 32) != 0 || x[i].kind != y[i].kind || x[i].why != y[i].why)
            return false;
    return true;
}

/* I9. Forward only: a clock that shows 1970 cannot be set back. */
static void check_clocks(struct sim_node *n, const uint8_t id[CASE_ID_SIZE], struct casefile *file)
{
    const struct case_effect *effects;
    const struct case_state *state = casefile_state(file);
    size_t count = casefile_effects(file, &effects);
    if (count > 64 || count < 3 || state->pending_count > 0 || has_equals(effects, count, state->rules_version))
        return;
    for (unsigned i = 0; i < the_sim.options.node_count; i++) {
        uint32_t author = the_sim.nodes[i].code;
        bool has_written = false;
        for (size_t k = 0; k < count; k++)
            has_written = has_written || effects[k].event->origin == author;
        if (!has_written)
            continue;
        struct casefile *copy = refold(file, id, n, author, (int64_t)prng_below(&seen.prng, 86400000));
        if (!is_same_order(file, copy))
            sim_violation("I9",
                          "%s: case %02x%02x folds otherwise when the clock of %u is shifted, and no concurrent "
                          "events are of one rank",
                          sim_name(n), id[14], id[15], author);
        casefile_destroy(copy);
    }
}

static void check_refolds(struct sim_node *n, const uint8_t id[CASE_ID_SIZE], struct casefile *file)
{
    uint8_t digest[32], again[32];
    digest_of(file, digest);
    struct casefile *copy = refold(file, id, n, 0, 0);
    digest_of(copy, again);
    if (memcmp(digest, again, 32) != 0)
        sim_violation("I2", "%s: case %02x%02x folds otherwise when its events come in another order", sim_name(n),
                      id[14], id[15]);
    casefile_destroy(copy);
    check_clocks(n, id, file);
}

static const struct store_case *find_row(const struct sim_node *n, const uint8_t id[CASE_ID_SIZE])
{
    const struct store_case *rows;
    size_t count = disk_cases(n->disk, &rows);
    for (size_t i = 0; i < count; i++)
        if (memcmp(rows[i].case_id, id, CASE_ID_SIZE) == 0)
            return &rows[i];
    return NULL;
}

static void describe(struct sim_node *n, const uint8_t id[CASE_ID_SIZE], struct casefile *file, struct held *ret)
{
    struct arena a = ARENA_INIT;
    struct store_entry *rows;
    struct case_fork forks[SIM_SLOTS_MAX];
    size_t count = 0;
    struct buf all = {0};
    if (store_read_case_entries(disk_reader(n->disk), id, &a, &rows, &count, NULL) == 0)
        for (size_t i = 0; i < count; i++)
            buf_put(&all, rows[i].hash, 32);
    crypto_sha256_one(all.data, all.size, ret->set);
    buf_reset(&all);
    count = forks_of(n, forks, array_count(forks));
    for (size_t i = 0; i < count; i++) {
        buf_put_u32(&all, forks[i].origin);
        buf_put_u64(&all, forks[i].common_size);
    }
    crypto_sha256_one(all.data, all.size, ret->forks);
    buf_close(&all);
    arena_close(&a);
    digest_of(file, ret->digest);
}

/* I1, I8: nodes that hold the same events have the same case, whatever else they hold or have erased. */
static void check_agreement(const struct sim_node *n, const uint8_t id[CASE_ID_SIZE], const struct held *mine)
{
    for (unsigned i = 0; i < the_sim.slot_count; i++) {
        const struct sim_node *other = &the_sim.nodes[i];
        const struct known *theirs = i == n->slot ? NULL : find_known(other, id);
        if (theirs == NULL || !theirs->is_held)
            continue;
        if (memcmp(theirs->held.set, mine->set, 32) == 0 && memcmp(theirs->held.forks, mine->forks, 32) == 0 &&
            memcmp(theirs->held.digest, mine->digest, 32) != 0)
            sim_violation(disk_is_erased(n->disk, id) != disk_is_erased(other->disk, id) ? "I8" : "I1",
                          "%s and %s hold the same events of case %02x%02x and fold them differently", sim_name(n),
                          sim_name(other), id[14], id[15]);
    }
}

/* Everything about the case @id of @n, as its disk has it now. What the fold draws of the node's chance is given back. */
static void check_case(struct sim_node *n, const uint8_t id[CASE_ID_SIZE], struct sim_counts *counts)
{
    const struct prng chance_before = n->chance, prng_before = the_sim.prng;
    const struct store_case *row = find_row(n, id);
    struct known *known = make_known(n, id);
    struct casefile *file = load(n, id);
    if (file == NULL)
        return;
    check_prefix(n, id, file);
    if (row != NULL)
        check_row(n, row, file);
    check_effects(n, id, file, counts);
    check_refolds(n, id, file);
    if (known != NULL) {
        describe(n, id, file, &known->held);
        known->is_held = true;
        check_agreement(n, id, &known->held);
    }
    casefile_destroy(file);
    n->chance = chance_before;
    the_sim.prng = prng_before;
}

/* ---- when something becomes durable ---- */

struct touched {
    const uint8_t *ids[CASES_MAX];
    size_t count;
};

static void touch(struct touched *t, const uint8_t *id)
{
    for (size_t i = 0; i < t->count; i++)
        if (memcmp(t->ids[i], id, CASE_ID_SIZE) == 0)
            return;
    if (t->count < CASES_MAX)
        t->ids[t->count++] = id;
}

static void touch_all(struct touched *t, const struct sim_node *n)
{
    const struct store_case *rows;
    size_t count = disk_cases(n->disk, &rows);
    for (size_t i = 0; i < count; i++)
        touch(t, rows[i].case_id);
}

void check_case_commit(struct sim_node *n, const struct store_batch *b)
{
    struct touched t = {.count = 0};
    struct sim_counts counts = {0};
    for (size_t i = 0; i < b->entry_count; i++)
        if (b->entries[i].has_case)
            touch(&t, b->entries[i].case_id);
    for (size_t i = 0; i < b->case_count; i++)
        touch(&t, b->cases[i].case_id);
    for (size_t i = 0; i < b->erasure_count; i++)
        touch(&t, b->erasures[i].case_id);
    for (size_t i = 0; i < b->destroy_count; i++)
        touch(&t, b->destroys[i].case_id);
    for (size_t i = 0; i < b->fork_count; i++)
        touch(&t, b->forks[i].case_id);
    if (b->evidence_count > 0)
        touch_all(&t, n);
    for (size_t i = 0; i < t.count && !the_sim.failed; i++)
        check_case(n, t.ids[i], &counts);
}

void check_case_rows(struct sim_node *n)
{
    struct touched t = {.count = 0};
    struct sim_counts counts = {0};
    struct sim_heap *heap = sim_heap_use(NULL);
    touch_all(&t, n);
    for (size_t i = 0; i < t.count && !the_sim.failed; i++)
        check_case(n, t.ids[i], &counts);
    (void)sim_heap_use(heap);
}

void check_case_restored(const struct sim_node *n)
{
    for (size_t i = 0; i < seen.counts[n->slot]; i++)
        seen.cases[n->slot][i]->is_held = false;
}

/* ---- at the end ---- */

void check_case_end(void)
{
    for (unsigned i = 0; i < the_sim.slot_count; i++) {
        struct sim_node *n = &the_sim.nodes[i];
        struct touched t = {.count = 0};
        touch_all(&t, n);
        for (size_t k = 0; k < t.count && !the_sim.failed; k++) {
            the_sim.counts.cases++;
            the_sim.counts.erased += disk_is_erased(n->disk, t.ids[k]);
            check_case(n, t.ids[k], &the_sim.counts);
        }
    }
}
