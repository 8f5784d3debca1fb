/* Random cases for the properties of the fold: events by several nodes with what each has seen, most along a way that the law
 * knows, some by the wrong author, in the wrong role or malformed; with forks, several roots or a supervisor. By seed. */
#ifndef TB_TESTS_PROP_CASE_WORLD_H
#define TB_TESTS_PROP_CASE_WORLD_H

#include <string.h>

#include "node/base/prng.h"
#include "node/base/xassert.h"
#include "node/cases/casefile.h"
#include "node/cases/rules.h"

#define EVENTS_MAX 40u /* < 64: sets of events are u64 */
#define A 440000u
#define B 510000u
#define C 520000u
#define NATIONAL RULES_NODE_NATIONAL

enum trouble { TROUBLE_NONE, TROUBLE_LOOSE, TROUBLE_SUPERVISE, TROUBLE_FORK, TROUBLE_ROOTS, TROUBLE_COUNT };

struct world {
    uint64_t seed;
    struct prng prng;
    enum trouble trouble;
    uint16_t rules_version;
    uint32_t home; /* the node that the case id names, 0 = none */
    unsigned count;
    struct case_event events[EVENTS_MAX]; /* parents before children */
    uint64_t parents[EVENTS_MAX];         /* direct, as sets */
    uint64_t ancestors[EVENTS_MAX];       /* strict */
    unsigned progress;                    /* of the ordinary way of version 1 */
};

static unsigned pick(struct world *w, unsigned bound)
{
    return (unsigned)prng_below(&w->prng, bound);
}

static bool chance(struct world *w, unsigned percent)
{
    return pick(w, 100) < percent;
}

static uint64_t bit(unsigned i)
{
    return (uint64_t)1 << i;
}

static int last_of(const struct world *w, uint32_t origin)
{
    for (unsigned i = w->count; i-- > 0;)
        if (w->events[i].origin == origin)
            return (int)i;
    return -1;
}

static void cite(struct world *w, unsigned child, unsigned parent)
{
    struct case_event *e = &w->events[child];
    if ((w->parents[child] & bit(parent)) != 0 || e->parent_count == LEAF_PARENTS_MAX)
        return;
    struct case_parent *to = &e->parents[e->parent_count++];
    *to = (struct case_parent){.origin = w->events[parent].origin, .index = w->events[parent].index};
    memcpy(to->id, w->events[parent].id, 32);
    w->parents[child] |= bit(parent);
    w->ancestors[child] |= bit(parent) | w->ancestors[parent];
}

static void choose_parents(struct world *w, unsigned i)
{
    int own = last_of(w, w->events[i].origin);
    if (own >= 0 && !(w->trouble == TROUBLE_LOOSE && chance(w, 30)))
        cite(w, i, (unsigned)own); /* what an honest author always does */
    unsigned extra = 1 + pick(w, 3);
    for (unsigned k = 0; k < extra; k++)
        cite(w, i, chance(w, 60) ? i - 1 - pick(w, min_of(i, 3u)) : pick(w, i));
}

/* Ways that a case goes, one for each world; 0 ends. */
#define HANDED_IN CASE_EVENT_IDENTITY, CASE_EVENT_FORM, CASE_EVENT_FORWARD, CASE_EVENT_RECEIPT
#define DONE CASE_EVENT_DECIDE, CASE_EVENT_CLOSE, CASE_EVENT_DELIVER, CASE_EVENT_EVALUATE
static const uint16_t ordinary_ways[][16] = {
    {HANDED_IN, CASE_EVENT_ACCEPT, DONE},
    {HANDED_IN, CASE_EVENT_ACCEPT, CASE_EVENT_DECIDE, CASE_EVENT_CLOSE},
    {HANDED_IN, CASE_EVENT_ACCEPT, DONE, CASE_EVENT_FOLLOW_UP, CASE_EVENT_FOLLOW_UP, CASE_EVENT_ARCHIVE},
    {HANDED_IN, CASE_EVENT_CORRECT, CASE_EVENT_SUPPLEMENT, CASE_EVENT_ACCEPT, CASE_EVENT_PROCESS, DONE},
    {HANDED_IN, CASE_EVENT_ACCEPT, CASE_EVENT_PAUSE, CASE_EVENT_RESUME, CASE_EVENT_EXTEND, CASE_EVENT_REVIEW, DONE},
    {HANDED_IN, CASE_EVENT_ACCEPT, CASE_EVENT_SUPPLY, CASE_EVENT_DECIDE, CASE_EVENT_CLOSE, CASE_EVENT_FULFIL,
     CASE_EVENT_DELIVER},
    {HANDED_IN, CASE_EVENT_ACCEPT, CASE_EVENT_BREACH, DONE},
    {HANDED_IN, CASE_EVENT_PART, CASE_EVENT_ACCEPT, CASE_EVENT_PART_DONE, CASE_EVENT_PART_LAPSED, DONE},
    {HANDED_IN, CASE_EVENT_NOT_REQUIRED, CASE_EVENT_DELIVER, CASE_EVENT_EVALUATE, CASE_EVENT_FOLLOW_UP,
     CASE_EVENT_FOLLOW_UP},
    {HANDED_IN, CASE_EVENT_REFUSE, CASE_EVENT_DELIVER},
    {HANDED_IN, CASE_EVENT_ACCEPT, CASE_EVENT_DECIDE, CASE_EVENT_CLOSE, CASE_EVENT_REVOKE},
    {CASE_EVENT_POST_MATERIALS, HANDED_IN, CASE_EVENT_POST_MATERIALS, CASE_EVENT_ACCEPT, CASE_EVENT_DECIDE,
     CASE_EVENT_CLOSE, CASE_EVENT_PUBLISH, CASE_EVENT_POST_RESULT, CASE_EVENT_DELIVER, CASE_EVENT_POST_MATERIALS,
     CASE_EVENT_POST_RESULT},
    {HANDED_IN, CASE_EVENT_CHARGE, CASE_EVENT_ACCEPT, CASE_EVENT_NOTIFY, CASE_EVENT_PAY, DONE, CASE_EVENT_NOTIFY,
     CASE_EVENT_PAY},
    {CASE_EVENT_IDENTITY, CASE_EVENT_RETURN},
};

static uint32_t usual_author(uint16_t type)
{
    switch (type) {
    case CASE_EVENT_IDENTITY:
    case CASE_EVENT_FORM:
    case CASE_EVENT_FORWARD:
    case CASE_EVENT_RETURN:
    case CASE_EVENT_SUPPLEMENT:
    case CASE_EVENT_SUPPLY:
    case CASE_EVENT_PART:
    case CASE_EVENT_PART_DONE:
    case CASE_EVENT_PART_LAPSED:
    case CASE_EVENT_DELIVER:
    case CASE_EVENT_EVALUATE:
    case CASE_EVENT_POST_MATERIALS:
        return A;
    default:
        return B;
    }
}

static void choose_act(struct world *w, struct case_event *e)
{
    static const uint32_t nodes[] = {A, A, B, B, B, C};
    static const uint16_t abstract_types[] = {CASE_EVENT_DECIDE,   CASE_EVENT_WITHDRAW,   CASE_EVENT_DELIVER,
                                              CASE_EVENT_HANDOVER, CASE_EVENT_SUPPLEMENT, CASE_EVENT_ACK,
                                              CASE_EVENT_NOTE,     CASE_EVENT_DECIDE,     CASE_EVENT_WITHDRAW};
    const uint16_t *way = ordinary_ways[w->seed % array_count(ordinary_ways)];
    if (w->rules_version == 1 && way[w->progress] != 0 && chance(w, 68)) {
        e->type = way[w->progress];
        e->origin = usual_author(e->type);
        e->role = e->origin == A ? CASE_ROLE_WINDOW : chance(w, 20) ? CASE_ROLE_SYSTEM : CASE_ROLE_DECIDER;
        if (e->role == CASE_ROLE_SYSTEM && e->type != CASE_EVENT_RECEIPT && e->type != CASE_EVENT_ACCEPT)
            e->role = CASE_ROLE_DECIDER;
        w->progress++;
        return;
    }
    e->origin = nodes[pick(w, array_count(nodes))];
    e->role = e->origin == A ? CASE_ROLE_WINDOW : CASE_ROLE_DECIDER;
    e->type = w->rules_version == 0 ? abstract_types[pick(w, array_count(abstract_types))]
                                    : (uint16_t)(2 + pick(w, CASE_EVENT_LAST - 1));
    if (e->origin == A && chance(w, 30))
        e->type = CASE_EVENT_WITHDRAW;
    if (e->type == CASE_EVENT_SUPERVISE)
        e->type = CASE_EVENT_NOTE;
    if (chance(w, 5))
        e->role = (uint16_t)pick(w, 8);
    if (chance(w, 3))
        e->type = (uint16_t)(900 + pick(w, 5));
}

static void choose_attrs(struct world *w, struct case_event *e)
{
    static const uint32_t leads[] = {B, C, C, A};
    if (e->type == CASE_EVENT_HANDOVER && !chance(w, 5))
        e->lead = leads[pick(w, array_count(leads))];
    if (e->type == CASE_EVENT_DECIDE && !chance(w, 5))
        e->decision = (uint8_t)(1 + pick(w, 2));
    if (e->type == CASE_EVENT_EVALUATE)
        e->grade = (uint8_t)(chance(w, 50) ? 1 : 1 + pick(w, 5));
    if (e->type == CASE_EVENT_PAUSE) {
        e->pause_kind = 1;
        e->expected_days = 20;
    }
    e->told = (uint8_t)(chance(w, 85) ? 3 : pick(w, 3));
    e->has_official = chance(w, 90);
    e->official[0] = (uint8_t)pick(w, 2);
    e->demands = e->type == CASE_EVENT_RECEIPT && chance(w, 15) ? CASE_DEMAND_REVIEW : 0;
    e->terms = e->type == CASE_EVENT_RECEIPT ? (uint8_t)(chance(w, 70) ? 7 : pick(w, 8)) : 0;
    e->lacking_days = e->type == CASE_EVENT_ACCEPT && chance(w, 25) ? 5 : 0;
    e->extend_days = e->type == CASE_EVENT_EXTEND ? (uint16_t)(1 + pick(w, 20)) : 0;
    e->review = e->type == CASE_EVENT_REVIEW ? (uint8_t)(1 + pick(w, 2)) : 0;
    if (e->type == CASE_EVENT_EVALUATE || e->type == CASE_EVENT_FOLLOW_UP)
        e->side = (uint8_t)(1 + pick(w, 2));
    if (e->type == CASE_EVENT_FOLLOW_UP && chance(w, 90))
        e->side = e->origin == A ? CASE_SIDE_RECEIVING : CASE_SIDE_DECIDING;
    e->has_part = e->type == CASE_EVENT_PART || e->type == CASE_EVENT_PART_DONE || e->type == CASE_EVENT_PART_LAPSED;
    e->part[0] = (uint8_t)pick(w, 2);
    if (e->type == CASE_EVENT_PART_DONE)
        e->decision = (uint8_t)(1 + pick(w, 2));
    e->has_file = e->type == CASE_EVENT_MATERIAL && !chance(w, 5);
    if (!chance(w, 5))
        memcpy(e->reason, "material", 9);
    e->malformed = chance(w, 2);
    e->has_request = chance(w, 20);
    e->request[0] = (uint8_t)pick(w, 4); /* few of them, so that they repeat */
}

static struct case_event *new_event(struct world *w, uint32_t origin)
{
    struct case_event *e = &w->events[w->count];
    int own = last_of(w, origin);
    *e = (struct case_event){.origin = origin, .rules_version = w->rules_version, .hlc = pick(w, 12)};
    e->index = own < 0 ? pick(w, 3) : w->events[own].index + 1 + pick(w, 3);
    prng_fill(&w->prng, e->id, sizeof e->id);
    w->parents[w->count] = w->ancestors[w->count] = 0;
    return e;
}

static void add_root(struct world *w, uint32_t origin, uint32_t lead)
{
    struct case_event *e = new_event(w, origin);
    e->type = CASE_EVENT_SUBMIT;
    e->role = CASE_ROLE_WINDOW;
    e->lead = lead;
    e->promise = chance(w, 50);
    memcpy(e->item_code, "item", 5);
    w->count++;
}

static void add_ordinary(struct world *w)
{
    struct case_event act = {0};
    choose_act(w, &act);
    struct case_event *e = new_event(w, act.origin);
    e->type = act.type;
    e->role = act.role;
    choose_attrs(w, e);
    choose_parents(w, w->count);
    w->count++;
}

static void add_supervise(struct world *w)
{
    static const uint32_t leads[] = {A, B, C};
    struct case_event *e = new_event(w, chance(w, 90) ? NATIONAL : C);
    e->type = CASE_EVENT_SUPERVISE;
    e->role = chance(w, 90) ? CASE_ROLE_SUPERVISOR : CASE_ROLE_DECIDER;
    e->lead = leads[pick(w, 3)];
    choose_parents(w, w->count);
    e->has_last_leaf = chance(w, 60);
    e->last_leaf = chance(w, 90) ? e->parents[pick(w, e->parent_count)].index : 77;
    w->count++;
}

/* A second leaf at the index of one that is there. */
static void add_fork(struct world *w)
{
    const struct case_event *like = &w->events[pick(w, w->count)];
    struct case_event *e = new_event(w, like->origin);
    uint8_t id[32];
    memcpy(id, e->id, sizeof id);
    *e = *like;
    memcpy(e->id, id, sizeof id);
    e->hlc = like->hlc + 1;
    e->parent_count = 0;
    if (e->type != CASE_EVENT_SUBMIT)
        for (unsigned k = 0; k < w->count; k++)
            if (&w->events[k] == like)
                w->parents[w->count] = 0, cite(w, w->count, k == 0 ? 0 : pick(w, k));
    w->count++;
}

static void make_world(struct world *w, uint64_t seed)
{
    *w = (struct world){.seed = seed};
    prng_init(&w->prng, seed);
    w->trouble = chance(w, 60) ? TROUBLE_NONE : (enum trouble)pick(w, TROUBLE_COUNT);
    w->rules_version = (uint16_t)pick(w, 2);
    w->home = chance(w, 50) ? A : 0;
    unsigned wanted = 2 + pick(w, chance(w, 20) ? EVENTS_MAX - 2 : 14);
    add_root(w, A, chance(w, 90) ? B : A);
    while (w->count < wanted) {
        if (w->trouble == TROUBLE_SUPERVISE && chance(w, 15))
            add_supervise(w);
        else if (w->trouble == TROUBLE_FORK && chance(w, 15))
            add_fork(w);
        else if (w->trouble == TROUBLE_ROOTS && chance(w, 15))
            add_root(w, chance(w, 50) ? A : C, C);
        else
            add_ordinary(w);
    }
}

#endif
