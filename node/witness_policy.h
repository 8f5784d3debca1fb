/* Whose cosignatures make a checkpoint count: the policies of this node, made of the member list and of the policy that the
 * operator named (external witnesses, further logs). Pure; any thread.
 */
#ifndef TB_NODE_WITNESS_POLICY_H
#define TB_NODE_WITNESS_POLICY_H

#include "federation/ledger/policy.h"
#include "federation/members.h"
#include "node/base/arena.h"

struct witness_policies {
    struct policy peers;  /* receipts of peers: everybody's ledgers, everybody as a witness */
    struct policy policy; /* receipts of own entries: and the external witnesses */
    struct policy own;    /* collector: the others and the external witnesses */
    uint32_t *codes;      /* own.witnesses -> node code, 0 = external */
};

/* Everything is in @a, and points into @m and @more (NULL = none), which have to stay. @self_code: the own one, a member. */
void witness_policy_make(struct arena *a, const struct members *m, uint32_t self_code, const struct policy *more,
                         struct witness_policies *ret);

#endif
