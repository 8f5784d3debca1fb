/* Replication: the shell around federation/sync. Link events become sync events, sync's actions become link calls,
 * store transactions and log lines. No rule of the protocol stands here.
 *
 *   link thread -> loop_post -> decode -> sync_step() -> actions -> link_request / link_reply / ledger_commit
 *
 * A message's memory (`inbound`) lives until what it caused is durable, so that a batch is not copied on its way to the
 * store. Loop thread only, but for replication_link_event().
 */
#ifndef TB_NODE_REPLICATION_H
#define TB_NODE_REPLICATION_H

#include "federation/link.h"
#include "federation/members.h"
#include "federation/sync/sync.h"
#include "node/ledger.h"

struct replication;

struct replication_config {
    uint32_t self;
    const char *software; /* borrowed for life, like members and loop */
    struct loop *loop;
    const struct members *members;
    /* Verified entries of @peer, before they are stored: add the rows that follow from them to @txn. */
    void (*on_entries)(void *ctx, uint32_t peer, const struct sync_entry *entries, size_t count,
                       struct ledger_txn *txn);
    /* The same entries are durable (or, with @stored false, are not). */
    void (*on_stored)(void *ctx, uint32_t peer, const struct sync_entry *entries, size_t count, bool stored);
    /* @peer durably holds [0, size) of the own ledger. */
    void (*on_acked)(void *ctx, uint32_t peer, uint64_t size);
    void *ctx;
};

struct replication_peer {
    uint32_t code;
    bool connected;
    bool halted;
    char reason[192];
    uint64_t since_ms;      /* wall */
    uint64_t last_heard_ms; /* wall, 0 = never */
    uint64_t held_size, known_size, acked_size;
    int64_t skew_ms; /* INT64_MIN = unknown */
    char software[65];
};

struct replication *replication_create(const struct replication_config *config);
/* After the link was closed and the loop has run its last events. */
void replication_destroy(struct replication *r);

/* Before the first event: the two halves that are made after it. @link NULL: it was closed; nothing is done any more. */
void replication_set_link(struct replication *r, struct link *link);
void replication_set_ledger(struct replication *r, struct ledger *ledger);

/* (Re)starts every peer from what the store says; called at each ledger reload. */
void replication_reload(struct replication *r, const struct store_ledger_state *state);
/* The member list has new content: forgets peers that left, takes up new ones where the store says they were. */
void replication_members_changed(struct replication *r);
/* The own ledger has a new head. */
void replication_sealed(struct replication *r);

/* A link_event_cb; any thread. @ctx is the replication. */
void replication_link_event(void *ctx, const struct link_event *event);

bool replication_peer(const struct replication *r, uint32_t code, struct replication_peer *ret);
/* Last verified checkpoint held of @peer's ledger; empty when none. Borrowed until the next turn. */
struct bytes replication_note(const struct replication *r, uint32_t peer);

struct replication_stats {
    uint64_t batches_in, entries_in, batches_out, entries_out, batches_refused, requests_failed;
    uint32_t alarm_count; /* distinct (id, peer) raised since start */
};
void replication_stats(const struct replication *r, struct replication_stats *ret);

#endif
