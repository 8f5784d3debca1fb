/* Whose cosignatures make a checkpoint count (see witness_policy.h). */
#include "node/witness_policy.h"

#include <string.h>

#include "node/base/mutant.h"

/* A quorum of all @count witnesses that no two contradicting heads can both have. */
static void set_quorum(struct arena *a, struct policy *p, size_t count)
{
    p->witness_count = count;
    size_t needed = MUTANT(quorum_small) ? (count + 1) / 2 : policy_safe_quorum(count);
    if (needed == 0)
        return; /* alone: the log's word is all there is */
    uint32_t *members = arena_alloc(a, count * sizeof *members);
    for (size_t i = 0; i < count; i++)
        members[i] = (uint32_t)i;
    struct policy_group *group = arena_alloc(a, sizeof *group);
    *group = (struct policy_group){.name = "members", .needed = needed, .members = members, .member_count = count};
    p->groups = group;
    p->group_count = 1;
    p->has_quorum = true;
    p->quorum = POLICY_WITNESSES_MAX;
}

/* The number under which witness @i of @more stands in @p, which got it, or had its key before. */
static uint32_t take_witness(struct arena *a, struct policy *p, const struct policy *more, size_t i)
{
    const struct policy_witness *in = &more->witnesses[i];
    for (size_t k = 0; k < p->witness_count; k++)
        if (memcmp(p->witnesses[k].key.public_key, in->key.public_key, sizeof in->key.public_key) == 0)
            return (uint32_t)k;
    struct policy_witness *own = (struct policy_witness *)(uintptr_t)p->witnesses; /* made by witness_policy_make() */
    own[p->witness_count] = *in;
    own[p->witness_count].name = arena_printf(a, "external-%zu", i + 1);
    return (uint32_t)p->witness_count++;
}

/* Adds the witnesses and groups of @more to @p, whose list of witnesses has room, and wants both quorums. Names get new ones: in the
 * two policies one name may stand for two things. */
static void join(struct arena *a, struct policy *p, const struct policy *more)
{
    uint32_t *numbers = arena_alloc(a, (more->witness_count + 1) * sizeof *numbers);
    for (size_t i = 0; i < more->witness_count; i++)
        numbers[i] = take_witness(a, p, more, i);
    struct policy_group *groups = arena_alloc(a, (p->group_count + more->group_count + 1) * sizeof *groups);
    size_t first = p->group_count, count = first;
    if (count > 0)
        memcpy(groups, p->groups, count * sizeof *groups);
    for (size_t i = 0; i < more->group_count; i++) {
        const struct policy_group *in = &more->groups[i];
        uint32_t *members = arena_alloc(a, in->member_count * sizeof *members);
        for (size_t k = 0; k < in->member_count; k++)
            members[k] =
                in->members[k] < POLICY_WITNESSES_MAX ? numbers[in->members[k]] : in->members[k] + (uint32_t)first;
        groups[count++] = (struct policy_group){.name = arena_printf(a, "external-group-%zu", i + 1),
                                                .needed = in->needed,
                                                .members = members,
                                                .member_count = in->member_count};
    }
    if (more->has_quorum) {
        uint32_t quorum = more->quorum < POLICY_WITNESSES_MAX ? numbers[more->quorum] : more->quorum + (uint32_t)first;
        if (p->has_quorum) {
            uint32_t *both = arena_alloc(a, 2 * sizeof *both);
            both[0] = p->quorum;
            both[1] = quorum;
            groups[count] =
                (struct policy_group){.name = "members-and-external", .needed = 2, .members = both, .member_count = 2};
            quorum = POLICY_WITNESSES_MAX + (uint32_t)count++;
        }
        p->has_quorum = true;
        p->quorum = quorum;
    }
    p->groups = groups;
    p->group_count = count;
}

void witness_policy_make(struct arena *a, const struct members *m, uint32_t self_code, const struct policy *more,
                         struct witness_policies *ret)
{
    size_t more_count = more == NULL ? 0 : more->witness_count;
    struct policy_log *logs = arena_alloc(a, m->count * sizeof *logs);
    struct policy_witness *all = arena_alloc(a, (m->count + more_count) * sizeof *all);
    struct policy_witness *others = arena_alloc(a, (m->count + more_count) * sizeof *others);
    ret->codes = arena_alloc(a, (m->count + more_count) * sizeof *ret->codes);
    memset(ret->codes, 0, (m->count + more_count) * sizeof *ret->codes);
    size_t count = 0, self = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct member *one = &m->list[i];
        logs[i] = (struct policy_log){.key = one->key, .url = ""};
        all[i] = (struct policy_witness){.name = arena_printf(a, "%u", one->code), .key = one->witness, .url = ""};
        if (one->code == self_code) {
            self = i;
            continue;
        }
        ret->codes[count] = one->code;
        others[count++] = all[i];
    }
    ret->own = (struct policy){.logs = logs, .log_count = m->count, .witnesses = others};
    set_quorum(a, &ret->own, count);
    ret->peers = (struct policy){.logs = logs, .log_count = m->count, .witnesses = all};
    set_quorum(a, &ret->peers, m->count);
    if (ret->peers.has_quorum) /* nobody cosigns itself: k of the n - 1 others, whoever the author is */
        ((struct policy_group *)(uintptr_t)ret->peers.groups)->needed = policy_safe_quorum(m->count - 1);
    if (m->count <= 1)
        ret->peers.has_quorum = false;
    ret->policy = ret->peers;
    if (more_count == 0)
        return;
    join(a, &ret->own, more);
    join(a, &ret->policy, more);
    if (more->has_quorum) { /* the others do not ask these witnesses */
        ret->policy.logs = &logs[self];
        ret->policy.log_count = 1;
    }
}
