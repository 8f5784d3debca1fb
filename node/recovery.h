/* Recovery: brings a ledger that is an old copy (restored from a backup) back to where it was, or says what is missing.
 *
 *   behind -> RECOVER to every member that is reached -> what they hold of the own entries, twice:
 *     1. hashes only are kept: do they give the root of the newest own checkpoint that anybody holds?
 *     2. if so, each entry again, compared with its hash, into the store -> ledger_recovered() -> writing again
 *
 * Entries that nobody was sent are nobody's to give back: the node then refuses to sign and names them. Mirrors
 * (node.json "mirrors") hold every entry of cases, heads leaves go to everybody. Loop thread only.
 */
#ifndef TB_NODE_RECOVERY_H
#define TB_NODE_RECOVERY_H

#include "federation/members.h"
#include "node/replication.h"

struct recovery;

struct recovery_config {
    uint32_t self;
    struct loop *loop;
    const struct members *members;
    /* Own entries come back with @txn: add the rows that follow from them. */
    void (*on_restored)(void *ctx, const struct sync_entry *entries, size_t count, struct ledger_txn *txn);
    void *ctx;
};

struct recovery *recovery_create(const struct recovery_config *config);
void recovery_destroy(struct recovery *r); /* NULL is fine */
void recovery_set_parts(struct recovery *r, struct ledger *ledger, struct replication *replication);
/* Looks whether the ledger is behind and, if so, begins. At start, after each reload, and when a peer says so. */
void recovery_check(struct recovery *r);
void recovery_close(struct recovery *r);

/* "recovering: 120 of 500 entries; missing …", or "" when the ledger is whole. */
const char *recovery_state(const struct recovery *r);

/* A peer's RECOVER: what this node holds of its ledger, and @note, its newest checkpoint. */
void recovery_answer(struct recovery *r, uint32_t peer, uint64_t handle, const struct wire_recover *recover,
                     struct bytes note);

#endif
