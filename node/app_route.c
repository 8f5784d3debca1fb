/* Who decides, and why (see app.h): the published items with the code that are near the division come from the search index,
 * catalog/route.h judges them, and each step is told.
 */
#include <string.h>

#include "catalog/item.h"
#include "catalog/route.h"
#include "catalog/succession.h"
#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/xassert.h"

#define CANDIDATES_MAX STORE_SEARCH_ROWS_MAX
#define STEPS_MAX (CANDIDATES_MAX + 8)

struct routing {
    struct app *app;
    struct arena *mem;
    struct app_route *out;
    struct app_route_step *steps;
    struct catalog_item *items[CANDIDATES_MAX];
    uint32_t nodes[CANDIDATES_MAX];
    size_t count;
};

static void add_step(struct routing *r, const char *rule, const char *source, bool passed, const char *text)
{
    xassert(r->out->step_count < STEPS_MAX);
    r->steps[r->out->step_count++] =
        (struct app_route_step){.rule = rule, .source = source, .passed = passed, .text = text};
}

/* "510117 四川省成都市郫都区". A division that was in between is named when the code meant no other one before or after. */
static void put_division(struct buf *b, const struct region_table *t, uint32_t code, uint32_t year)
{
    const struct region *r = region_find(t, code);
    const struct region_change *then = region_find_change(t, code, year);
    bool is_named = r != NULL && then == (r->is_current ? NULL : region_find_change(t, code, 0));
    buf_printf(b, "%u%s%s", code, is_named ? " " : "", is_named ? r->full_name : "");
}

static void put_change(struct buf *b, const struct region_table *t, const struct region_change *change)
{
    static const char *const why[REGION_CHOICE_COUNT] = {
        [REGION_SAME] = "all of them are the same division today",
        [REGION_MOST] = "it took the larger part",
        [REGION_NAME] = "it bears the name",
        [REGION_WHOLE] = "no part is known to be the larger one",
    };
    if (change->choice == REGION_ONLY) {
        buf_printf(b, "in %u it became ", change->until);
        put_division(b, t, change->successors[0], change->until);
        return;
    }
    buf_printf(b, "in %u it was divided among ", change->until);
    for (size_t i = change->choice == REGION_WHOLE ? 1 : 0; i < change->successor_count; i++) {
        put_division(b, t, change->successors[i], change->until);
        buf_put_string(b, i + 1 < change->successor_count ? ", " : "");
    }
    bool is_whole = change->choice == REGION_WHOLE;
    buf_put_string(b, is_whole ? ", all in " : ", of which ");
    put_division(b, t, change->successors[0], change->until);
    buf_printf(b, "%s is taken: %s", is_whole ? ", which" : "", why[change->choice]);
}

/* Why @region is what @division is today. @date: of the question; what was still in use on it is decided by its successor all
 * the same, because the catalogs name the divisions of today. */
static const char *tell_succession(struct routing *r, uint32_t division, const struct region *region,
                                   const struct succession *how)
{
    const struct region_table *t = r->app->regions;
    const struct region *old = region_find(t, division);
    const char *name = old == NULL ? "" : arena_printf(r->mem, " %s", old->full_name);
    if (how->rule == SUCCESSION_NAME)
        return arena_printf(r->mem, "%u%s is abolished; %u %s bears its name today", division, name, region->code,
                            region->full_name);
    struct buf b = {0};
    if (how->rule == SUCCESSION_CURRENT)
        buf_printf(&b, "%u%s is a division of today%s", division, name,
                   how->hop_count == 0 ? "" : "; the code was in use before, too: ");
    else if (how->rule == SUCCESSION_TABLE)
        buf_printf(&b, "%u%s is abolished: ", division, name);
    else
        buf_printf(&b, "%u%s is %s; %u %s is above it", division, name,
                   old != NULL && old->is_pseudo ? "no division but a step of the code"
                                                 : "abolished or not known and its name is gone",
                   region->code, region->full_name);
    for (size_t i = 0; i < how->hop_count; i++) {
        if (how->rule == SUCCESSION_ABOVE && i == 0)
            buf_printf(&b, " since %u is abolished: ", how->hops[0]->code);
        else if (i > 0)
            buf_put_string(&b, "; ");
        put_change(&b, t, how->hops[i]);
    }
    uint32_t year = r->out->date / 10000;
    bool was_in_use = how->rule == SUCCESSION_TABLE && year >= how->hops[0]->since && year < how->hops[0]->until;
    if (was_in_use)
        buf_printf(&b, "; it was in use on %04u-%02u-%02u, who came after it decides its matters", year,
                   r->out->date / 100 % 100, r->out->date % 100);
    const char *text = arena_strdup(r->mem, buf_cstr(&b));
    buf_close(&b);
    return text;
}

/* The division as it is today. */
static int find_division(struct routing *r, uint32_t division, uint32_t *ret, struct err *e)
{
    struct succession how;
    const struct region *region = succession_find(r->app->regions, division, &how);
    if (region == NULL)
        return err_set(e, ERR_NOT_FOUND, "route.division", "%u is no division of any table", division);
    add_step(r, "succession", "GB/T 2260", true, tell_succession(r, division, region, &how));
    r->out->division = region->code;
    r->out->division_name = region->full_name;
    *ret = region->code;
    return 0;
}

static int find_candidates(struct routing *r, const char *code, uint32_t region, struct err *e)
{
    const struct store_search wanted = {.text = code, .region = region, .is_above = true, .limit = CANDIDATES_MAX};
    struct store_search_hit *hits = NULL;
    size_t count = 0;
    int rc = store_search_items(ledger_reader(r->app->ledger), &wanted, r->mem, &hits, &count, e);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (strcmp(hits[i].match, "code") != 0)
            break; /* what comes after is found by less than its code */
        rc = catalog_item_parse(hits[i].json, hits[i].node, hits[i].code, &r->items[r->count], e);
        if (rc == 0)
            r->nodes[r->count++] = hits[i].node;
    }
    return rc;
}

static bool is_before(const struct catalog_item *a, const struct catalog_item *b)
{
    enum region_level x = region_level_of(a->division), y = region_level_of(b->division);
    return x != y ? x > y : strcmp(a->code, b->code) < 0;
}

/* Smallest division first, then by code: the same answer on every node, whatever order its index has. */
static void sort_candidates(struct routing *r)
{
    for (size_t i = 1; i < r->count; i++)
        for (size_t n = i; n > 0 && is_before(r->items[n], r->items[n - 1]); n--) {
            struct catalog_item *item = r->items[n];
            uint32_t node = r->nodes[n];
            r->items[n] = r->items[n - 1];
            r->nodes[n] = r->nodes[n - 1];
            r->items[n - 1] = item;
            r->nodes[n - 1] = node;
        }
}

static void tell_candidate(struct routing *r, size_t i, const struct route_rule *left_out)
{
    const struct catalog_item *item = r->items[i];
    const struct region *region = region_find(r->app->regions, item->division);
    const char *who = arena_printf(
        r->mem, "%u %s: '%s' of %s (%u), level %u", r->nodes[i], app_member_name(r->app, r->nodes[i]), item->code,
        region == NULL ? "an unknown division" : region->full_name, item->division, item->level);
    if (left_out == NULL)
        add_step(r, "decides", "", true, arena_printf(r->mem, "%s decides", who));
    else
        add_step(r, left_out->id, left_out->source, false,
                 arena_printf(r->mem, "%s does not: %s", who, left_out->text));
}

static void fill_winner(struct routing *r, size_t i)
{
    const struct catalog_item *item = r->items[i];
    struct app_route *out = r->out;
    out->node = r->nodes[i];
    out->node_name = app_member_name(r->app, r->nodes[i]);
    out->code = arena_strdup(r->mem, item->code);
    out->name = arena_strdup(r->mem, item->name);
    out->department = arena_strdup(r->mem, item->department->name);
    out->item_division = item->division;
    out->level = item->level;
}

/* Nothing for the division: which nodes publish the item for others. */
static int tell_elsewhere(struct routing *r, const char *code, struct err *e)
{
    struct buf b = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->app->members->count; i++) {
        const struct store_search wanted = {.text = code, .node = r->app->members->list[i].code, .limit = 1};
        struct store_search_hit *hits = NULL;
        size_t count = 0;
        rc = store_search_items(ledger_reader(r->app->ledger), &wanted, r->mem, &hits, &count, e);
        if (rc == 0 && count > 0 && strcmp(hits[0].match, "code") == 0)
            buf_printf(&b, "%s%u", b.size == 0 ? "nodes that publish it for other divisions: " : ", ", wanted.node);
    }
    if (rc == 0)
        add_step(r, "published", "", false,
                 b.size > 0 ? arena_strdup(r->mem, buf_cstr(&b)) : "no node publishes an item with this code");
    buf_close(&b);
    return rc;
}

/* The one that decides, of the last explanation's steps; the last step when nobody does. */
static const char *why_of(const struct app_route *route)
{
    for (size_t i = 0; i < route->step_count; i++)
        if (strcmp(route->steps[i].rule, "decides") == 0)
            return route->steps[i].text;
    return route->step_count > 0 ? route->steps[route->step_count - 1].text : "";
}

void app_follow_succession(const struct app *a, uint32_t *division)
{
    struct succession how;
    if (a->regions == NULL) /* the simulator's nodes have no tables */
        return;
    const struct region *region = succession_find(a->regions, *division, &how);
    if (how.rule == SUCCESSION_TABLE || how.rule == SUCCESSION_NAME)
        *division = region->code;
}

int app_route_application(struct app *a, const char *item, uint32_t division, struct arena *mem,
                          struct app_item_view *ret, const char **ret_why, struct err *e)
{
    struct app_route route;
    int rc = app_get_item(a, 0, item, mem, ret, e);
    if (rc == 0)
        *ret_why = arena_printf(mem, "%u %s is the only one that publishes '%s'", ret->node, ret->node_name, ret->code);
    if (rc == 0 || division == 0 || (rc != ERR_NOT_FOUND && rc != ERR_CONFLICT))
        return rc;
    const struct app_route_question q = {.item = item, .division = division};
    struct err no_item = *e;
    *e = (struct err){0};
    rc = app_explain_route(a, &q, mem, &route, e);
    if (rc == 0 && route.node != 0) {
        *ret_why = why_of(&route);
        return app_get_item(a, route.node, route.code, mem, ret, e);
    }
    bool is_unknown = rc == 0 && no_item.code == ERR_NOT_FOUND && route.step_count == 2 &&
                      strcmp(route.steps[1].rule, "published") == 0;
    if (is_unknown && strncmp(route.steps[1].text, "no node", strlen("no node")) == 0)
        *e = no_item;
    else if (rc == 0) {
        err_set(e, ERR_INVALID, "case.no-route", "nobody is known to decide item '%.48s' for division %u: %s", item,
                division, why_of(&route));
        err_hint(e, "'tongban route explain' says how that came; 'node' names another one");
    }
    return e->code;
}

int app_explain_route(struct app *a, const struct app_route_question *q, struct arena *mem, struct app_route *ret,
                      struct err *e)
{
    struct routing *r = arena_alloc(mem, sizeof *r);
    *r = (struct routing){.app = a, .mem = mem, .out = ret, .steps = arena_alloc(mem, STEPS_MAX * sizeof *r->steps)};
    *ret = (struct app_route){.steps = r->steps};
    uint32_t division = 0;
    ret->date = q->date != 0 ? q->date : clock_china_date(clock_wall_ms());
    int rc = app_check_reader(a, e);
    if (rc == 0)
        rc = find_division(r, q->division, &division, e);
    if (rc == 0)
        rc = find_candidates(r, q->item, division, e);
    if (rc == 0 && r->count == 0)
        rc = tell_elsewhere(r, q->item, e);
    if (rc == 0 && r->count > 0) {
        const struct route_rule *left_out[CANDIDATES_MAX];
        const struct route_question question = {.division = division, .date = ret->date, .level = q->level};
        const struct catalog_item *candidates[CANDIDATES_MAX];
        sort_candidates(r);
        memcpy(candidates, r->items, r->count * sizeof candidates[0]);
        size_t best = route_decide(&question, candidates, r->count, left_out);
        for (size_t i = 0; i < r->count; i++)
            tell_candidate(r, i, left_out[i]);
        if (best < r->count)
            fill_winner(r, best);
        else
            add_step(r, "none", "", false, "no item is left: nobody is known to decide");
    }
    for (size_t i = 0; i < r->count; i++)
        catalog_item_destroy(r->items[i]);
    return rc;
}
