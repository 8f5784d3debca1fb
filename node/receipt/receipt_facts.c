/* What a receipt says (see receipt_facts.h). Happy path: ledger by origin -> member; leaf -> act, numbers, decision;
 * cosignatures -> times and names; from these the sentences. Failure modes: a ledger or an author that the member list
 * contradicts. An attribute that is malformed is not said. Pure, any thread. */
#include "node/receipt/receipt_facts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/clock.h"
#include "node/base/xassert.h"
#include "node/cases/event.h"

#define CHINA_S (8u * 3600)
#define SECONDS_MAX 253402200000u /* in the year 9999, with room for the zone */

const char *receipt_facts_time(struct arena *mem, uint64_t seconds)
{
    if (seconds > SECONDS_MAX)
        return arena_printf(mem, "%" PRIu64 " s", seconds);
    char *text = arena_alloc(mem, CLOCK_TEXT_SIZE);
    clock_format_utc((seconds + CHINA_S) * 1000, text);
    text[10] = ' ';  /* for the T */
    text[19] = '\0'; /* before the milliseconds */
    return text;
}

/* ---- who ---- */

static const struct member *find_ledger(const struct members *m, const char *origin)
{
    for (size_t i = 0; m != NULL && i < m->count; i++)
        if (strcmp(m->list[i].key.name, origin) == 0)
            return &m->list[i];
    return NULL;
}

static const struct member *find_witness(const struct members *m, const struct note_verifier *key)
{
    for (size_t i = 0; m != NULL && i < m->count; i++)
        if (memcmp(m->list[i].witness.public_key, key->public_key, sizeof key->public_key) == 0)
            return &m->list[i];
    return NULL;
}

static int take_node(const struct receipt *r, const struct policy *policy, const struct members *members,
                     struct receipt_facts *f, struct err *e)
{
    const struct policy_log *log = policy_find_log(policy, r->opened.head.origin);
    const struct member *member = find_ledger(members, r->opened.head.origin);
    xassert(log != NULL); /* it has opened */
    f->origin = log->key.name;
    if (member == NULL)
        return 0;
    if (memcmp(member->key.public_key, log->key.public_key, sizeof log->key.public_key) != 0)
        return err_set(e, ERR_VERIFY, "receipt.member-key",
                       "policy and member list have different keys for the ledger '%.200s'", f->origin);
    if (member->code != r->leaf.origin)
        return err_set(e, ERR_VERIFY, "receipt.author",
                       "the entry says that it is of node %u, the ledger is that of %u", r->leaf.origin, member->code);
    f->node_name = member->name;
    f->node_code = member->code;
    return 0;
}

/* ---- what ---- */

static const char *text_or_null(struct arena *mem, const char *text)
{
    return text[0] != '\0' ? arena_strdup(mem, text) : NULL;
}

static void take_attributes(const struct leaf *leaf, const struct members *members, struct arena *mem,
                            struct receipt_facts *f)
{
    struct case_attr attrs[LEAF_ATTRS_MAX];
    struct case_event *event = arena_alloc(mem, sizeof *event);
    for (unsigned i = 0; i < leaf->attr_count; i++)
        attrs[i] = (struct case_attr){leaf->attrs[i].tag, leaf->attrs[i].value};
    if (case_event_parse_attrs(attrs, leaf->attr_count, event, NULL) != 0)
        return;
    f->number = text_or_null(mem, event->number);
    f->item_code = text_or_null(mem, event->item_code);
    f->reason_code = text_or_null(mem, event->reason);
    f->lead_code = event->lead;
    const struct member *lead = members != NULL && event->lead != 0 ? members_find(members, event->lead) : NULL;
    f->lead_name = lead != NULL ? lead->name : NULL;
    if (leaf->event_type == CASE_EVENT_DECIDE && event->decision != 0) {
        f->decision = event->decision == CASE_DECISION_GRANT ? "grant" : "deny";
        f->decision_zh = event->decision == CASE_DECISION_GRANT ? "准予" : "不予";
    }
}

static void take_act(const struct leaf *leaf, const struct members *members, struct arena *mem, struct receipt_facts *f)
{
    const char *name = leaf_is_case_event(leaf) ? case_event_name(leaf->event_type) : NULL;
    if (name == NULL) { /* of a later version, or about no case */
        f->act = leaf->kind == LEAF_KIND_EVENT ? arena_printf(mem, "event_%u", leaf->event_type)
                                               : leaf_kind_name(leaf->kind);
        f->act_zh = "账本记录";
        f->title = (struct receipt_line){"账本记录凭证", "Receipt for a ledger entry"};
    } else {
        f->act = name;
        f->act_zh = case_event_chinese(leaf->event_type);
        f->title.zh = arena_printf(mem, "%s凭证", f->act_zh);
        f->title.en = leaf->event_type == CASE_EVENT_SUBMIT   ? "Receipt for an application"
                      : leaf->event_type == CASE_EVENT_ACCEPT ? "Receipt for the acceptance of an application"
                      : leaf->event_type == CASE_EVENT_DECIDE ? "Receipt for a decision"
                                                              : arena_printf(mem, "Receipt for '%s'", name);
    }
    if (leaf_is_case_event(leaf)) {
        char *hex = arena_alloc(mem, 2 * LEAF_CASE_ID_SIZE + 1);
        hex_encode(leaf->case_id, LEAF_CASE_ID_SIZE, hex);
        f->case_id = hex;
    }
    if (leaf->kind == LEAF_KIND_EVENT)
        take_attributes(leaf, members, mem, f);
    f->service = leaf->service;
    f->author_ms = leaf->hlc >> 16;
}

/* ---- witnesses ---- */

static int compare_times(const void *a, const void *b)
{
    const struct checkpoint_cosigned *x = a, *y = b;
    if (x->time_s != y->time_s)
        return x->time_s < y->time_s ? -1 : 1;
    return (x->witness > y->witness) - (x->witness < y->witness);
}

/* By the member list; without one by the names, whose part before the '/' is the node's (FORMATS.md, "Member list"). */
static bool is_own(const struct receipt_facts *f, const struct member *member, const char *witness)
{
    if (member != NULL && f->node_code != 0)
        return member->code == f->node_code;
    const char *end = strchr(f->origin, '/');
    return end != NULL && strncmp(f->origin, witness, (size_t)(end - f->origin) + 1) == 0;
}

static void take_witnesses(const struct receipt *r, const struct policy *policy, const struct members *members,
                           struct arena *mem, struct receipt_facts *f)
{
    size_t count = r->opened.cosigned_count;
    struct checkpoint_cosigned *by_time = arena_alloc(mem, (count + 1) * sizeof *by_time);
    bool *has_signed = arena_alloc(mem, policy->witness_count + 1);
    memcpy(by_time, r->opened.cosigned, count * sizeof *by_time);
    qsort(by_time, count, sizeof *by_time, compare_times);
    f->witnesses = arena_alloc(mem, (count + 1) * sizeof *f->witnesses);
    f->witness_count = count;
    f->first_s = count > 0 ? by_time[0].time_s : 0;
    for (size_t i = 0; i < count; i++) {
        const struct policy_witness *w = &policy->witnesses[by_time[i].witness];
        const struct member *member = find_witness(members, &w->key);
        f->witnesses[i] = (struct receipt_witness){.name = member != NULL ? member->name : w->name,
                                                   .code = member != NULL ? member->code : 0,
                                                   .time_s = by_time[i].time_s,
                                                   .is_own = is_own(f, member, w->key.name)};
        bool was_reached = policy_is_satisfied(policy, has_signed);
        has_signed[by_time[i].witness] = true;
        if (!was_reached && policy_is_satisfied(policy, has_signed))
            f->quorum_s = by_time[i].time_s;
    }
    policy_quorum_size(policy, &f->needed, &f->of);
    f->is_final = r->is_final;
}

/* ---- words ---- */

static void say(struct receipt_line *lines, size_t *count, const char *zh, const char *en)
{
    xassert(*count < RECEIPT_FACTS_LINES_MAX);
    lines[(*count)++] = (struct receipt_line){zh, en};
}

static const char *ledger_name(const struct receipt_facts *f, struct arena *mem)
{
    return f->node_name != NULL ? arena_printf(mem, "%s (%u, %s)", f->node_name, f->node_code, f->origin) : f->origin;
}

static void say_proven(struct receipt_facts *f, struct arena *mem)
{
    const char *who = ledger_name(f, mem);
    say(f->proven, &f->proven_count,
        arena_printf(mem, "%s 的账本第 %" PRIu64 " 条记录就是上述内容：%s。", who, f->index, f->act_zh),
        arena_printf(mem, "Entry %" PRIu64 " of the ledger of %s is what is said above: %s.", f->index, who, f->act));
    say(f->proven, &f->proven_count,
        arena_printf(mem, "该账本有 %" PRIu64 " 条记录时由其签名确认；改动或删去此条必被发现。", f->size),
        arena_printf(mem,
                     "Its keeper signed the ledger at %" PRIu64
                     " entries: this one cannot be changed or removed unnoticed.",
                     f->size));
    if (f->is_final && f->of > 0) {
        const char *first = receipt_facts_time(mem, f->first_s), *all = receipt_facts_time(mem, f->quorum_s);
        say(f->proven, &f->proven_count,
            arena_printf(mem, "%zu 个见证方已会签（要求 %zu / %zu）：最早 %s，%s 达到要求；此条在此之前已存在。",
                         f->witness_count, f->needed, f->of, first, all),
            arena_printf(mem,
                         "%zu witnesses have cosigned (%zu of %zu needed): the first at %s, enough of them at "
                         "%s; the entry existed before.",
                         f->witness_count, f->needed, f->of, first, all));
    }
}

static void say_not_proven(struct receipt_facts *f, struct arena *mem)
{
    if (!f->is_final)
        say(f->not_proven, &f->not_proven_count,
            arena_printf(mem, "独立见证：尚未达到要求（%zu 个已会签，要求 %zu / %zu），目前只是账本所有者的说法。",
                         f->witness_count, f->needed, f->of),
            arena_printf(mem,
                         "Independent witness: not yet enough (%zu have cosigned, %zu of %zu needed); so far it is the "
                         "keeper's word.",
                         f->witness_count, f->needed, f->of));
    else if (f->of == 0)
        say(f->not_proven, &f->not_proven_count, "独立见证：策略不要求见证，这只是账本所有者自己的说法。",
            "Independent witness: the policy asks for none; this is the keeper's word alone.");
    bool has_own = false;
    for (size_t i = 0; i < f->witness_count; i++)
        has_own = has_own || f->witnesses[i].is_own;
    if (has_own)
        say(f->not_proven, &f->not_proven_count, "独立性：见证方之一就是账本所有者自己，其会签不增加可信度。",
            "Independence: one of the witnesses is the keeper itself; its cosignature adds nothing.");
    say(f->not_proven, &f->not_proven_count, "申请人是谁（凭证不含任何个人信息）。",
        "Who the applicant is (a receipt holds no personal data).");
    say(f->not_proven, &f->not_proven_count, "申请内容与材料。", "The content of the application and its materials.");
    say(f->not_proven, &f->not_proven_count, "此后没有发生其他事（如撤回、撤销、更正）。",
        "That nothing happened later, such as a withdrawal or a revocation.");
    say(f->not_proven, &f->not_proven_count, "决定或行为是否正确、合法。",
        "That the act or the decision is right or lawful.");
    say(f->not_proven, &f->not_proven_count,
        arena_printf(mem, "账本所有者自述的时间 %s（以见证时间为准）。", receipt_facts_time(mem, f->author_ms / 1000)),
        arena_printf(mem, "The keeper's own time, %s (the witnesses' times count).",
                     receipt_facts_time(mem, f->author_ms / 1000)));
}

int receipt_facts_of(const struct receipt *r, const struct policy *policy, const struct members *members,
                     struct arena *mem, struct receipt_facts *ret, struct err *e)
{
    struct receipt_facts f = {.index = r->leaf.index, .size = r->opened.head.size};
    int rc = take_node(r, policy, members, &f, e);
    if (rc != 0)
        return rc;
    take_act(&r->leaf, members, mem, &f);
    take_witnesses(r, policy, members, mem, &f);
    say_proven(&f, mem);
    say_not_proven(&f, mem);
    *ret = f;
    return 0;
}
