/* From a wish to a draft (command.h). The draft is judged by the fold itself, on a copy of its state; nothing of the
 * case file changes. Pure; the thread of the case file.
 */
#include "node/cases/command.h"

#include <stdio.h>
#include <string.h>

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
        .mode = command->mode,
        .decision = command->decision,
        .grade = command->grade,
        .channel = command->channel,
        .pause_kind = command->pause_kind,
        .has_request = command->has_request,
        .has_last_leaf = command->has_last_leaf,
        .last_leaf = command->has_last_leaf ? command->last_leaf : 0,
    };
    if (command->has_request)
        memcpy(draft->request, command->request, sizeof draft->request);
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
    int r = check_attrs(&draft, e);
    if (r < 0)
        return r;

    struct dag_event event = {.slot = DAG_NONE, .request_head = DAG_NONE, .position = DAG_NOT_PLACED};
    dag_view(&draft, &event.held);
    event.held.index = UINT64_MAX; /* it will come after all that its author wrote */
    struct case_effect effect;
    judge(c, &event, &effect);
    bool is_ack = effect.kind == CASE_EFFECT_NOOP && effect.why == CASE_WHY_SEEN;
    if (effect.kind != CASE_EFFECT_OK && !is_ack)
        return refusal(&effect, e);
    *ret_draft = draft;
    return 0;
}
