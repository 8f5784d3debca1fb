/* Verify: reads a node's whole store and checks it against the mathematics and the signatures (node/app_verify.c runs it
 * on a worker of the daemon, `tongband --verify` without one). Blocking; any one thread; opens its own reader. */
#ifndef TB_NODE_VERIFY_H
#define TB_NODE_VERIFY_H

#include <stdatomic.h>

#include "federation/ledger/merkle.h"
#include "federation/members.h"

struct verify_input {
    const char *dir; /* node folder */
    uint32_t self;
    const struct members *members; /* keys of all ledgers, the own included */
    uint64_t head_size;            /* what the signed head covers: the store may hold more by the time it is read */
    struct bytes note;             /* the signed head */
    bool without_head;             /* a backup, without heads.db: all entries are taken as they are */
    const atomic_bool *cancel;     /* any thread may set it: the verification ends soon, ERR_CLOSED; NULL = never */
};

struct verify_result {
    uint64_t own_leaves, replica_leaves, payloads, cases, items;
    struct merkle_hash root; /* recomputed, at head_size */
};

/* 0, or ERR_CORRUPT / ERR_VERIFY naming the first thing that is wrong; @ret counts what was checked until then. */
int verify_store(const struct verify_input *in, struct verify_result *ret, struct err *e) WARN_UNUSED;

#endif
