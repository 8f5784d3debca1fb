/* Applications made from a bundle (see app_bundle.h): the plan, and the cases that it becomes.
 *
 * Happy path: the bundle's version in force -> bundle_resolve() with the answers -> each member routed (catalog/route.h) -> things to
 * bring. Then, in the same turn of the loop: each part judged like any application, the whole and all parts in one transaction.
 * What the whole does later by itself is in app_part.c.
 *
 * The whole is led by this node, whoever published the bundle: its item code is "<node>.<code>" and its item version the bundle's,
 * so that the ledger says under which version it was made.
 */
#include "node/app_bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/bundle.h"
#include "catalog/item.h"
#include "node/app_command.h"
#include "node/base/clock.h"
#include "node/base/division.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

#define NODE_DIGITS 6
#define PART_NAME_SIZE 64u /* of a warning's 320 bytes */

#define X(name, word) word,
static const char *const necessities[] = {CATALOG_NECESSITIES(X)};
#undef X

bool app_bundle_of_item(const char *item_code, uint32_t *ret_node, const char **ret_code)
{
    uint64_t node = 0;
    if (strcspn(item_code, ".") != NODE_DIGITS || item_code[NODE_DIGITS] == '\0' ||
        item_code[NODE_DIGITS + 1] == '\0' || decimal_parse(bytes_of(item_code, NODE_DIGITS), &node) != 0)
        return false;
    *ret_node = (uint32_t)node;
    *ret_code = item_code + NODE_DIGITS + 1;
    return true;
}

/* ---- the plan ---- */

struct planning {
    struct app *app;
    const struct app_bundle_request *q;
    struct arena *mem;
    const struct bundle *bundle;
    uint32_t division;
    struct app_route routes[BUNDLE_MEMBERS_MAX]; /* of members that are needed; node 0: nobody */
    uint32_t divisions[BUNDLE_MEMBERS_MAX];
    const char *why[BUNDLE_MEMBERS_MAX];
    struct catalog_item *items[BUNDLE_MEMBERS_MAX]; /* owned */
    struct err error;                               /* of find_item(), which can only return NULL */
};

static const char *dup(struct planning *p, const char *text)
{
    return text == NULL ? NULL : arena_strdup(p->mem, text);
}

static size_t index_of(const struct bundle *b, const char *member)
{
    size_t i = 0;
    while (i < b->members.count && strcmp(b->members.at[i].code, member) != 0)
        i++;
    return i;
}

static int check_divisions(const struct planning *p, struct err *e)
{
    const struct app_bundle_request *q = p->q;
    for (size_t i = 0; i < q->division_count; i++) {
        if (index_of(p->bundle, q->divisions[i].member) == p->bundle->members.count)
            return err_set(e, ERR_INVALID, "bundle.member", "'%.48s' is no member of bundle '%s'",
                           q->divisions[i].member, p->bundle->code);
        for (size_t n = 0; n < i; n++)
            if (strcmp(q->divisions[n].member, q->divisions[i].member) == 0)
                return err_set(e, ERR_INVALID, "bundle.member", "member '%s' has two divisions",
                               q->divisions[i].member);
    }
    return 0;
}

static bool is_promised(const struct planning *p, const char *member)
{
    for (size_t i = 0; i < p->q->promise_count; i++)
        if (strcmp(p->q->promises[i], member) == 0)
            return true;
    return false;
}

static int check_promises(const struct planning *p, struct err *e)
{
    const struct app_bundle_request *q = p->q;
    for (size_t i = 0; i < q->promise_count; i++)
        if (index_of(p->bundle, q->promises[i]) == p->bundle->members.count)
            return err_set(e, ERR_INVALID, "bundle.member", "'%.48s' is no member of bundle '%s'", q->promises[i],
                           p->bundle->code);
    return 0;
}

/* The division for which a member is decided: its own, that of the application, or that of the node that the bundle names. */
static uint32_t division_of(const struct planning *p, const struct bundle_member *m)
{
    for (size_t i = 0; i < p->q->division_count; i++)
        if (strcmp(p->q->divisions[i].member, m->code) == 0)
            return p->q->divisions[i].division;
    bool is_elsewhere = m->node != SHAPE_ABSENT && !division_contains(m->node, p->division);
    return is_elsewhere ? m->node : p->division;
}

static int route(struct planning *p, size_t at, struct err *e)
{
    const struct bundle_member *m = &p->bundle->members.at[at];
    const struct app_route_question question = {
        .item = m->item, .division = division_of(p, m), .date = p->q->which.date};
    struct app_route *r = &p->routes[at];
    p->divisions[at] = question.division;
    if (question.division == 0) {
        p->why[at] = "its division is not known";
        return 0;
    }
    int rc = app_explain_route(p->app, &question, p->mem, r, e);
    if (rc == ERR_NOT_FOUND) { /* no division of any table */
        p->why[at] = arena_strdup(p->mem, e->message);
        *e = (struct err){0};
        return 0;
    }
    if (rc != 0)
        return rc;
    p->divisions[at] = r->division;
    if (r->node == 0)
        p->why[at] = arena_printf(p->mem, "nobody is known to decide item '%s' for division %u: %s", m->item,
                                  question.division, r->step_count > 0 ? r->steps[r->step_count - 1].text : "");
    else if (m->node != SHAPE_ABSENT && m->node != r->node)
        p->why[at] = arena_printf(p->mem, "the bundle names node %u, for division %u node %u decides", m->node,
                                  question.division, r->node);
    if (p->why[at] != NULL)
        r->node = 0;
    return 0;
}

/* bundle_resolve()'s question: where the member goes, and what its item asks for. */
static const struct catalog_item *find_item(void *ctx, const struct bundle_member *member)
{
    struct planning *p = ctx;
    struct app_item_view view;
    size_t at = (size_t)(member - p->bundle->members.at);
    if (p->error.code != 0 || route(p, at, &p->error) != 0 || p->routes[at].node == 0)
        return NULL;
    if (app_get_item(p->app, p->routes[at].node, p->routes[at].code, p->mem, &view, &p->error) == 0 &&
        catalog_item_parse(view.json, view.node, view.code, &p->items[at], &p->error) != 0)
        p->items[at] = NULL; /* the error is in @p */
    return p->items[at];
}

/* Position among the parts of the plan of a member by its code; part_count: it is not needed. */
static size_t part_of(const struct app_bundle_plan *plan, const char *member, size_t size)
{
    size_t i = 0;
    while (i < plan->part_count &&
           (strlen(plan->parts[i].member) != size || memcmp(plan->parts[i].member, member, size) != 0))
        i++;
    return i;
}

/* What the item of a part says of 告知承诺; ERR_CONFLICT when it is promised and the item does not allow it. */
static int fill_promise(struct planning *p, const struct catalog_item *item, struct app_bundle_part *part,
                        struct err *e)
{
    part->is_promised = is_promised(p, part->member);
    part->may_promise = item != NULL && item->promise != NULL && item->promise->is_allowed;
    if (part->is_promised && item != NULL && app_check_promise(item, e) != 0)
        return err_wrap(e, "part '%s'", part->member);
    if (!part->may_promise)
        return 0;
    const char **codes = arena_alloc(p->mem, (item->promise->materials.count + 1) * sizeof *codes);
    for (size_t i = 0; i < item->promise->materials.count; i++)
        codes[part->promise_material_count++] = dup(p, item->promise->materials.at[i]);
    part->promise_materials = codes;
    part->promise = dup(p, item->promise->text);
    return 0;
}

static int fill_parts(struct planning *p, const struct bundle_plan *from, struct app_bundle_plan *ret, struct err *e)
{
    struct app_bundle_part *parts = arena_alloc(p->mem, (from->member_count + 1) * sizeof *parts);
    ret->parts = parts;
    for (size_t i = 0; i < from->member_count; i++) {
        const struct bundle_member *m = from->members[i];
        size_t at = (size_t)(m - p->bundle->members.at);
        const struct app_route *r = &p->routes[at];
        size_t *after = arena_alloc(p->mem, (m->after.count + 1) * sizeof *after);
        parts[i] = (struct app_bundle_part){.member = dup(p, m->code),
                                            .text = dup(p, m->text),
                                            .item = r->node == 0 ? dup(p, m->item) : r->code,
                                            .item_name = r->node == 0 ? NULL : r->name,
                                            .node = r->node,
                                            .node_name = r->node == 0 ? NULL : r->node_name,
                                            .division = p->divisions[at],
                                            .why = p->why[at],
                                            .after = after};
        parts[i].is_joint = p->items[at] != NULL && (p->items[at]->modes & (1u << CATALOG_MODE_JOINT)) != 0;
        app_new_case_id(p->app, parts[i].case_id);
        int rc = fill_promise(p, p->items[at], &parts[i], e);
        if (rc != 0)
            return rc;
        for (size_t n = 0; n < m->after.count; n++) { /* those before it in the bundle, hence in the plan */
            size_t other = part_of(ret, m->after.at[n], strlen(m->after.at[n]));
            if (other < ret->part_count)
                after[parts[i].after_count++] = other;
        }
        ret->part_count++;
    }
    return 0;
}

static void fill_open(struct planning *p, const struct bundle_plan *from, struct app_bundle_plan *ret)
{
    struct app_bundle_open *open = arena_alloc(p->mem, (from->open_count + 1) * sizeof *open);
    for (size_t i = 0; i < from->open_count; i++) {
        const struct bundle_question *q = from->open[i];
        const char **answers = arena_alloc(p->mem, q->answers.count * sizeof *answers);
        for (size_t n = 0; n < q->answers.count; n++)
            answers[n] = dup(p, q->answers.at[n]);
        open[i] = (struct app_bundle_open){
            .code = dup(p, q->code), .text = dup(p, q->text), .answers = answers, .answer_count = q->answers.count};
    }
    ret->open = open;
    ret->open_count = from->open_count;
}

/* A promise stands in for the material of the part. */
static bool is_replaced(const struct app_bundle_part *part, const char *code)
{
    for (size_t i = 0; part->is_promised && i < part->promise_material_count; i++)
        if (strcmp(part->promise_materials[i], code) == 0)
            return true;
    return false;
}

static void fill_needs(struct planning *p, const struct bundle_plan *from, struct app_bundle_plan *ret)
{
    struct app_bundle_need *needs = arena_alloc(p->mem, (from->need_count + 1) * sizeof *needs);
    for (size_t i = 0; i < from->need_count; i++) {
        const struct bundle_need *n = &from->needs[i];
        size_t count = n->shared != NULL ? n->serve_count : 1;
        size_t *parts = arena_alloc(p->mem, count * sizeof *parts);
        const char **codes = arena_alloc(p->mem, count * sizeof *codes);
        size_t kept = 0;
        for (size_t s = 0; s < count; s++) {
            const char *member = n->shared != NULL ? n->serves[s] : n->member->code;
            size_t size = strcspn(member, "/");
            size_t part = part_of(ret, member, size);
            const char *code = n->shared != NULL ? member + size + 1 : n->material->code;
            if (is_replaced(&ret->parts[part], code))
                continue;
            parts[kept] = part;
            codes[kept++] = dup(p, code);
        }
        if (kept == 0)
            continue; /* nothing but the promise is needed */
        needs[ret->need_count++] =
            (struct app_bundle_need){.code = dup(p, n->shared != NULL ? n->shared->code : n->material->code),
                                     .name = dup(p, n->shared != NULL ? n->shared->name : n->material->name),
                                     .necessity = n->shared != NULL ? NULL : necessities[n->material->necessity],
                                     .member = n->shared != NULL ? NULL : dup(p, n->member->code),
                                     .parts = parts,
                                     .codes = codes,
                                     .part_count = kept};
    }
    ret->needs = needs;
}

/* What an application needs beyond a plan that is only looked at. */
static int check_final(const struct app_bundle_request *q, const struct app_bundle_plan *plan, struct err *e)
{
    const struct app_bundle_view *b = &plan->bundle;
    if (!b->is_in_force)
        return err_set(e, ERR_CONFLICT, "bundle.not-in-force", "version %u of bundle '%s' of node %u is not in force%s",
                       b->version, b->code, b->node, b->withdrawn ? ": it is withdrawn" : "");
    if (plan->open_count > 0)
        return err_set(e, ERR_INVALID, "bundle.unanswered", "question '%s' is not answered: %.200s", plan->open[0].code,
                       plan->open[0].text);
    for (size_t i = 0; i < plan->part_count; i++)
        if (plan->parts[i].node == 0)
            return err_set(e, ERR_INVALID, "bundle.route", "part '%s': %s", plan->parts[i].member, plan->parts[i].why);
    for (size_t i = 0; i < q->promise_count; i++)
        if (part_of(plan, q->promises[i], strlen(q->promises[i])) == plan->part_count)
            return err_set(e, ERR_INVALID, "bundle.member", "'%s' is no part that the answers come to", q->promises[i]);
    if (plan->part_count == 0 || plan->part_count > CASE_PARTS_MAX)
        return err_set(e, ERR_LIMIT, "bundle.parts", "the answers come to %zu parts, allowed are 1 to %u",
                       plan->part_count, CASE_PARTS_MAX);
    return 0;
}

static int plan(struct planning *p, bool is_final, struct app_bundle_plan *ret, struct err *e)
{
    struct bundle_plan resolved = {0};
    int rc = check_divisions(p, e);
    if (rc == 0)
        rc = check_promises(p, e);
    if (rc == 0)
        rc = bundle_resolve(p->bundle, p->q->answers, p->q->answer_count, find_item, p, p->mem, &resolved, e);
    if (rc == 0 && p->error.code != 0) {
        *e = p->error;
        rc = e->code;
    }
    if (rc != 0)
        return rc;
    ret->division = p->division;
    app_new_case_id(p->app, ret->case_id);
    rc = fill_parts(p, &resolved, ret, e);
    if (rc != 0)
        return rc;
    fill_open(p, &resolved, ret);
    fill_needs(p, &resolved, ret);
    return is_final ? check_final(p->q, ret, e) : 0;
}

int app_plan_bundle(struct app *a, const struct app_bundle_request *q, bool is_final, struct arena *mem,
                    struct app_bundle_plan *ret, struct err *e)
{
    struct bundle *b = NULL;
    struct app_command_result ignored = {0};
    struct planning *p = arena_alloc(mem, sizeof *p);
    *p = (struct planning){.app = a, .q = q, .mem = mem, .division = q->division};
    *ret = (struct app_bundle_plan){0};
    int rc = app_get_bundle(a, &q->which, mem, &ret->bundle, e);
    if (rc == 0 && q->persons != NULL && q->division == 0)
        rc = app_check_persons(a, q->persons, &p->division, &ignored, e);
    free(ignored.warnings);
    app_follow_succession(
        a, &p->division); /* before it is seen whether it lies in the area of a node that a member names */
    if (rc == 0)
        rc = bundle_parse_published(ret->bundle.json, q->which.code, &b, e);
    if (rc != 0)
        return rc;
    p->bundle = b;
    rc = plan(p, is_final, ret, e);
    for (size_t i = 0; i < BUNDLE_MEMBERS_MAX; i++)
        catalog_item_destroy(p->items[i]);
    bundle_destroy(b);
    return rc;
}

/* ---- the cases ---- */

/* The whole: this node receives and leads it. */
static void prepare_whole(const struct app *a, const struct app_bundle_submission *s, struct app_new_case *ret)
{
    static const uint16_t types[] = {CASE_EVENT_SUBMIT, CASE_EVENT_IDENTITY, CASE_EVENT_FORM, CASE_EVENT_FORWARD};
    const struct app_bundle_plan *plan = s->plan;
    for (size_t i = 0; i < array_count(types); i++)
        ret->drafts[i] =
            (struct app_draft){.command = {.self = a->config->region, .type = types[i], .role = CASE_ROLE_WINDOW}};
    ret->count = array_count(types);
    ret->drafts[0].payload = s->payload;
    struct case_command *root = &ret->drafts[0].command;
    root->lead = a->config->region;
    root->division = plan->division != 0 ? plan->division : plan->parts[0].division;
    root->item_version = plan->bundle.version;
    root->mode = CASE_MODE_JOINT;
    (void)snprintf(root->item_code, sizeof root->item_code, "%u.%s", plan->bundle.node, plan->bundle.code);
    (void)snprintf(ret->item_name, sizeof ret->item_name, "%s", plan->bundle.name);
    utf8_trim_partial(ret->item_name);
    memcpy(ret->id, plan->case_id, sizeof ret->id);
}

static int prepare_part(struct app *a, const struct app_bundle_submission *s, size_t at, struct app_new_case *ret,
                        struct app_command_result *result, struct err *e)
{
    const struct app_bundle_part *part = &s->plan->parts[at];
    struct app_submission one = *s->persons;
    char what[PART_NAME_SIZE];
    (void)snprintf(what, sizeof what, "part '%s' (%s)", part->member, part->item_name);
    utf8_trim_partial(what);
    one.what = what;
    one.material_codes = s->materials[at].codes;
    one.material_count = s->materials[at].count;
    one.item_code = part->item;
    one.item_node = part->node;
    one.division = part->division;
    one.mode = part->is_joint ? CASE_MODE_JOINT : 0;
    one.payload = s->payloads[at];
    one.forward = part->after_count == 0;
    one.promise = part->is_promised;
    one.parent = s->plan->case_id;
    ret->what = part->member;
    memcpy(ret->id, part->case_id, sizeof ret->id);
    int rc = app_prepare_case(a, &one, part->division, ret, result, e);
    return rc != 0 ? err_wrap(e, "part '%s'", part->member) : 0;
}

struct submitting {
    struct app *app;
    const struct app_bundle_submission *s;
};

static int submit_bundle(struct command *c, const void *arg, struct err *e)
{
    const struct submitting *x = arg;
    struct app_new_case *cases = xcalloc(APP_NEW_CASES_MAX, sizeof *cases);
    uint32_t division = 0;
    xassert(x->s->plan->part_count > 0 && x->s->plan->part_count <= CASE_PARTS_MAX);
    int rc = app_command_persons(c, x->s->persons, &division, e);
    if (rc == 0)
        prepare_whole(x->app, x->s, &cases[0]);
    for (size_t i = 0; rc == 0 && i < x->s->plan->part_count; i++)
        rc = prepare_part(x->app, x->s, i, &cases[i + 1], app_command_told(c), e);
    if (rc == 0)
        rc = app_write_cases(c, cases, x->s->plan->part_count + 1, e);
    free(cases);
    return rc;
}

void app_submit_bundle(struct app *a, const struct app_bundle_submission *s, const struct app_request *r,
                       app_command_cb cb, void *ctx)
{
    const struct submitting x = {.app = a, .s = s};
    app_run_command(a, r, cb, ctx, submit_bundle, &x);
}

bool app_find_bundle_request(struct app *a, const struct app_request *r, struct app_command_result *ret)
{
    return app_find_request(a, r, ret);
}
