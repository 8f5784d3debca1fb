/* From a wish to a draft (command.h). The draft is judged by the fold itself, on a copy of its state; nothing of the
 * case file changes. Pure; the thread of the case file.
 */
#include "node/cases/command.h"

#include <stdio.h>
#include <string.h>

#include "node/base/mutant.h"
#include "node/cases/casefile_internal.h"

static void fill_draft(struct casefile *c, const struct case_command *command, struct case_event *draft)
{
    *draft = (struct case_event){
        .origin = command->self,
        .type = command->type,
        .role = command->role,
        .lead = command->lead,
        .division = command->division,
        .item_version = command->item_version,
        .expected_days = command->expected_days,
        .extend_days = command->extend_days,
        .lacking_days = command->lacking_days,
        .demands = command->demands,
        .terms = command->terms,
        .promise = command->promise,
        .told = command->told,
        .side = command->side,
        .review = command->review,
        .has_official = command->has_official,
        .has_limits = command->has_limits,
        .has_parent = command->has_parent,
        .has_part = command->has_part,
        .mode = command->mode,
        .decision = command->decision,
        .grade = command->grade,
        .channel = command->channel,
        .pause_kind = command->pause_kind,
        .unit = command->unit,
        .has_request = command->has_request,
        .has_last_leaf = command->has_last_leaf,
        .last_leaf = command->has_last_leaf ? command->last_leaf : 0,
        .has_file = command->has_file,
    };
    if (command->has_request)
        memcpy(draft->request, command->request, sizeof draft->request);
    if (command->has_file)
        memcpy(draft->file, command->file, sizeof draft->file);
    memcpy(draft->official, command->official, sizeof draft->official);
    memcpy(draft->limits, command->limits, sizeof draft->limits);
    memcpy(draft->parent, command->parent, sizeof draft->parent);
    memcpy(draft->part, command->part, sizeof draft->part);
    memcpy(draft->item_code, command->item_code, sizeof draft->item_code - 1);
    memcpy(draft->number, command->number, sizeof draft->number - 1);
    memcpy(draft->reason, command->reason, sizeof draft->reason - 1);
    if (command->type == CASE_EVENT_SUBMIT) {
        draft->rules_version = CASE_RULES_VERSION;
        return;
    }
    draft->rules_version = casefile_state(c)->rules_version;
    draft->parent_count = (uint8_t)dag_tips(&c->replay.dag, command->self, draft->parents);
}

/* The last event of the lead that counts: none when it wrote nothing, or leads for itself. */
static const struct dag_event *last_of_lead(const struct replay *r, uint32_t self, const uint64_t *index)
{
    const struct dag *d = &r->dag;
    const struct dag_chain *chain = r->current.lead == self ? NULL : dag_find_chain(d, r->current.lead);
    for (unsigned i = chain == NULL ? 0 : chain->count; i-- > 0;) {
        const struct dag_event *at = d->events[chain->slots[i]];
        bool counts = at->is_closed && !(chain->is_forked && at->held.index >= chain->fork_index);
        if (counts && (index == NULL || at->held.index == *index))
            return at;
    }
    return NULL;
}

/* Where @leaf is among the draft's parents, or the place that it has to take: a free one, or that of the first citation that
 * is not the author's own. */
static unsigned place_for(const struct case_event *draft, const struct dag_event *leaf)
{
    unsigned at = 0;
    while (at < draft->parent_count && memcmp(draft->parents[at].id, leaf->held.id, sizeof leaf->held.id) != 0)
        at++;
    if (at < LEAF_PARENTS_MAX)
        return at;
    return draft->parents[0].origin == draft->origin ? 1 : 0;
}

/* A supervise cites the last leaf of the old lead that counts, or nobody would know whose it is (CASES.md, "Supervise"). The
 * command may leave out which: then it is the last one held. */
static int cite_last_leaf(struct casefile *c, const struct case_command *command, struct case_event *draft,
                          struct err *e)
{
    struct replay *r = &c->replay;
    const struct dag_event *leaf = last_of_lead(r, command->self, command->has_last_leaf ? &command->last_leaf : NULL);
    if (leaf == NULL && command->has_last_leaf)
        return err_set(e, ERR_NOT_FOUND, "case.last-leaf",
                       "entry %llu of the deciding node (%u) is no entry of this case that counts here",
                       (unsigned long long)command->last_leaf, r->current.lead);
    draft->has_last_leaf = leaf != NULL;
    if (leaf == NULL)
        return 0;
    draft->last_leaf = leaf->held.index;
    unsigned at = place_for(draft, leaf);
    draft->parents[at] = (struct case_parent){.origin = leaf->held.origin, .index = leaf->held.index};
    memcpy(draft->parents[at].id, leaf->held.id, sizeof leaf->held.id);
    if (at == draft->parent_count)
        draft->parent_count++;
    dag_sort_parents(draft->parents, draft->parent_count);
    for (unsigned i = 0; i < draft->parent_count; i++) /* of several, the largest code would be cut off */
        if (draft->parents[i].index == draft->last_leaf && draft->parents[i].origin > leaf->held.origin &&
            draft->parents[i].origin != command->self)
            return err_set(
                e, ERR_CONFLICT, "case.last-leaf-twice",
                "entry %llu of node %u is cited, too, and has the same number as the deciding node's last one",
                (unsigned long long)draft->last_leaf, draft->parents[i].origin);
    return 0;
}

/* What the fold would read back: writes the attributes and parses them. */
static int check_attrs(const struct case_event *draft, struct err *e)
{
    struct buf storage = {0};
    struct case_attr attrs[CASE_EVENT_ATTRS_MAX];
    unsigned count;
    struct case_event parsed;
    case_event_encode_attrs(draft, &storage, attrs, CASE_EVENT_ATTRS_MAX, &count);
    int r = case_event_parse_attrs(attrs, count, &parsed, e);
    buf_close(&storage);
    return r;
}

static int refusal(const struct case_effect *effect, struct err *e)
{
    char text[CASE_EXPLAIN_SIZE];
    char id[48];
    (void)snprintf(id, sizeof id, "case.%s", case_why_code(effect->why));
    int code = effect->kind == CASE_EFFECT_DENIED ? ERR_DENIED : ERR_CONFLICT;
    if (effect->why == CASE_WHY_NO_ROOT)
        code = ERR_NOT_FOUND;
    if (effect->why == CASE_WHY_ATTRIBUTE)
        code = ERR_INVALID; /* nobody's authority: the request is incomplete */
    return err_set(e, code, id, "%s", case_effect_explain(effect, text, sizeof text));
}

/* A SUBMIT is its own root; anything else is judged in the case as it stands. */
static void judge(struct casefile *c, struct dag_event *draft, struct case_effect *ret)
{
    struct replay *r = &c->replay;
    struct fold copy = r->current;
    if (draft->held.type == CASE_EVENT_SUBMIT && copy.root == NULL)
        fold_init(&copy, draft);
    fold_apply(&copy, &r->dag, draft, r->order_count, ret);
}

int case_command_check(struct casefile *c, const struct case_command *command, struct case_event *ret_draft,
                       struct err *e)
{
    if (case_event_name(command->type) == NULL)
        return err_set(e, ERR_INVALID, "case.type", "%u is no type of case event", command->type);

    struct case_event draft;
    replay_run(&c->replay);
    fill_draft(c, command, &draft);
    bool is_supervise = command->type == CASE_EVENT_SUPERVISE && c->replay.current.root != NULL;
    int r = is_supervise ? cite_last_leaf(c, command, &draft, e) : 0;
    if (r == 0)
        r = check_attrs(&draft, e);
    if (r < 0)
        return r;

    struct dag_event event = {.slot = DAG_NONE, .request_head = DAG_NONE, .position = DAG_NOT_PLACED};
    dag_view(&draft, &event.held);
    event.held.index = UINT64_MAX; /* it will come after all that its author wrote */
    struct case_effect effect;
    judge(c, &event, &effect);
    bool is_ack = effect.kind == CASE_EFFECT_NOOP && effect.why == CASE_WHY_SEEN;
    if (effect.kind != CASE_EFFECT_OK && !is_ack && !MUTANT(command_unchecked))
        return refusal(&effect, e);
    *ret_draft = draft;
    return 0;
}
