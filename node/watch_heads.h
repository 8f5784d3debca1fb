/* Watch over heads: every signed checkpoint of a peer's ledger that this node sees, from whatever side, is compared with the
 * others. Two that contradict each other are evidence (federation/ledger/evidence.h).
 *
 *   batch, ADD_CHECKPOINT, GOSSIP -> watch_heads_seen() -> contradiction -> on_contradiction
 *   every `gossip_ms`: GOSSIP of the newest view of each ledger, and an older one in turn, to every peer
 *
 * Of each ledger the last VIEWS_KEPT views are kept, in memory. Two histories that go on show themselves when somebody holds
 * views of both that have one size or share a subtree behind the fork, or when the author asks a witness of one history to
 * cosign the other. Loop thread only.
 */
#ifndef TB_NODE_WATCH_HEADS_H
#define TB_NODE_WATCH_HEADS_H

#include "federation/ledger/evidence.h"
#include "federation/members.h"
#include "node/replication.h"

struct watch_heads;

struct watch_heads_config {
    uint32_t self;
    struct loop *loop;
    const struct members *members;
    uint32_t gossip_ms;
    /* Two views of @accused's ledger contradict each other; @evidence is borrowed. */
    void (*on_contradiction)(void *ctx, uint32_t accused, struct bytes evidence, uint64_t common_size);
    void *ctx;
};

struct watch_heads *watch_heads_create(const struct watch_heads_config *config);
void watch_heads_destroy(struct watch_heads *w); /* NULL is fine */
void watch_heads_set_replication(struct watch_heads *w, struct replication *replication);
void watch_heads_start(struct watch_heads *w); /* gossip begins */
void watch_heads_close(struct watch_heads *w); /* and ends */

/* @head is opened under the member's key already; @range of its tree, or NULL. */
void watch_heads_seen(struct watch_heads *w, uint32_t code, const struct checkpoint *head, struct bytes note,
                      const struct crange *range);
/* @head was shown with a @proof that does not lead from the @old_size leaves that this node knows: it may prove another tree of
 * that size. */
void watch_heads_unproven(struct watch_heads *w, uint32_t code, uint64_t old_size, const struct checkpoint *head,
                          struct bytes note, const struct merkle_proof *proof);
/* At start: the heads that the store keeps, of what is held and of what was cosigned. Without them a node that was started
 * after a fork has nothing to compare what it hears with, as long as the author is silent. */
void watch_heads_load(struct watch_heads *w, const struct store_ledger_state *state,
                      const struct store_witness *witnesses, size_t witness_count);
/* A peer's gossip: nothing in it is trusted before it is verified. */
void watch_heads_gossip(struct watch_heads *w, const struct wire_gossip *gossip);
/* The largest head seen of @code's ledger, durable here or not; 0 = none. Its note in @ret_note, borrowed until the next is seen. */
uint64_t watch_heads_size(const struct watch_heads *w, uint32_t code, struct bytes *ret_note);

#endif
