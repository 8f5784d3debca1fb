/* Witnessing: the shell around federation/witness. Gets the own checkpoints cosigned by the other members and by external
 * witnesses, and cosigns the members' (and those of further logs the operator named).
 *
 *   seal -> collector -> ADD_CHECKPOINT to each member, POST to each external witness -> COSIG -> quorum -> note kept ("cosigned") -> receipts
 *   ADD_CHECKPOINT (peer or HTTP) -> witness_judge() -> row in heads.db by compare-and-swap -> durable -> cosignature
 *
 * One request for an origin is judged at a time: others that come while it is on its way to the disk are judged after it, in
 * their order, and beyond a few are told to come again (429). Loop thread only.
 */
#ifndef TB_NODE_WITNESSING_H
#define TB_NODE_WITNESSING_H

#include "federation/ledger/policy.h"
#include "federation/members.h"
#include "node/replication.h"

struct witnessing;
struct poster;

struct witnessing_config {
    uint32_t self;
    struct loop *loop;                           /* borrowed for life, like all below */
    const struct members *members;               /* its content may change: witnessing_members_changed() */
    const struct note_signer *signer;            /* NOTE_TYPE_COSIGNATURE */
    const struct policy *more_logs;              /* logs of others that are cosigned too; its witnesses with a URL are
                                                    asked to cosign the own ledger, its quorum is wanted beside that of the
                                                    members; NULL = none */
    struct poster *poster;                       /* to ask them; NULL = they are not asked */
    uint32_t round_min_ms, round_ms, refresh_ms; /* 0 = defaults of collector.h */
    /* A larger own checkpoint has a quorum of cosignatures. */
    void (*on_cosigned)(void *ctx);
    /* A signed checkpoint of @code's ledger was shown for cosigning. */
    void (*on_seen)(void *ctx, uint32_t code, const struct checkpoint *head, struct bytes note);
    /* One whose @proof does not lead from the @old_size leaves cosigned last. */
    void (*on_unproven)(void *ctx, uint32_t code, uint64_t old_size, const struct checkpoint *head, struct bytes note,
                        const struct merkle_proof *proof);
    /* A witness has cosigned @size leaves of the own ledger, more than there are. */
    void (*on_behind)(void *ctx, uint32_t code, uint64_t size);
    /* Whether @code's ledger contradicts itself: it is not cosigned any more. */
    bool (*is_disputed)(void *ctx, uint32_t code);
    void *ctx;
};

struct witnessing *witnessing_create(const struct witnessing_config *config);
void witnessing_destroy(struct witnessing *w); /* NULL is fine */
void witnessing_set_parts(struct witnessing *w, struct ledger *ledger, struct replication *replication);
/* At start and after each reload of the ledger: what the store keeps is read again. */
void witnessing_reload(struct witnessing *w);
void witnessing_members_changed(struct witnessing *w);
void witnessing_close(struct witnessing *w); /* before the link goes: nothing is asked any more */

void witnessing_link(struct witnessing *w, uint32_t peer, bool up);
void witnessing_sealed(struct witnessing *w);
/* Somebody wants a receipt of what is not under a quorum yet: after a restart nothing else may start a round for long. */
void witnessing_want(struct witnessing *w);

/* One add-checkpoint request (C2SP tlog-witness). @cb exactly once, possibly from inside the call. */
typedef void (*witnessing_cb)(void *ctx, unsigned status, const char *type, struct bytes body);
void witnessing_add_checkpoint(struct witnessing *w, struct bytes body, witnessing_cb cb, void *ctx);

/* What was cosigned last of the log whose origin has this SHA-256: its note with the own cosignature, appended. */
int witnessing_checkpoint(struct witnessing *w, const uint8_t origin_hash[CRYPTO_HASH_SIZE], struct buf *ret,
                          struct err *e) WARN_UNUSED;
/* Largest size of @code's ledger that was cosigned here. */
uint64_t witnessing_cosigned_size(const struct witnessing *w, uint32_t code);
/* The checkpoint of that size as its author signed it; empty = none. Until the next one is cosigned. */
struct bytes witnessing_cosigned_note(const struct witnessing *w, uint32_t code);

/* The policy that a receipt of this node's entries (@own) satisfies, with the external witnesses; or one of a peer's entries, of
 * members alone: which others its author asks is not known here. */
const struct policy *witnessing_policy(const struct witnessing *w, bool own);
/* The newest own checkpoint with a quorum: empty = none yet. Borrowed until the next turn. */
struct bytes witnessing_note(const struct witnessing *w, uint64_t *ret_size);

struct witnessing_peer {
    bool up;
    uint64_t size, time_s;
    char last_error[128];
};
/* @code as a witness of the own ledger; false for a code that is none. */
bool witnessing_peer(const struct witnessing *w, uint32_t code, struct witnessing_peer *ret);
/* The external witness number @i (from 0); false behind the last. @ret_witness lives until the members change. */
bool witnessing_external(const struct witnessing *w, size_t i, const struct policy_witness **ret_witness,
                         struct witnessing_peer *ret);

#endif
