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
#include "node/catch_up.h"
#include "node/ledger.h"

struct replication;

struct replication_config {
    uint32_t self;
    const char *software; /* borrowed for life, like members and loop */
    uint16_t files_port;  /* where this node listens for files, 0 = nowhere */
    struct loop *loop;
    const struct members *members;
    uint32_t heads_stale_ms; /* 0 = the default of sync.h */
    uint32_t batch_bytes;    /* the same */
    /* Verified entries of @peer, before they are stored: add the rows that follow from them to @txn. @grants: keys that came
     * with them (ledger/grant.h), not looked at yet. */
    void (*on_entries)(void *ctx, uint32_t peer, const struct sync_entry *entries, size_t count, struct bytes grants,
                       struct ledger_txn *txn);
    /* A batch for @peer is ready: the keys it needs to read it, sealed to it and placed in @a; empty for none. */
    struct bytes (*make_grants)(void *ctx, uint32_t peer, const struct wire_batch *batch, struct arena *a);
    /* The same entries are durable (or, with @stored false, are not). */
    void (*on_stored)(void *ctx, uint32_t peer, const struct sync_entry *entries, size_t count, bool stored);
    /* @peer durably holds [0, size) of the own ledger. */
    void (*on_acked)(void *ctx, uint32_t peer, uint64_t size);
    void *ctx; /* of the callbacks above */

    /* Requests that are not sync's (ADD_CHECKPOINT, GOSSIP, KEY_PULL, RECEIPT_PULL, RECOVER, CASE_PULL, RECONCILE,
     * CASES_PULL): to be answered by
     * replication_answer(@handle) now or later. @message is borrowed for the call. */
    void (*on_request)(void *ctx, uint32_t peer, uint64_t handle, const struct wire_msg *message);
    /* A signed checkpoint of @peer's ledger was seen; @range NULL = its tree's range is not known. */
    void (*on_seen)(void *ctx, uint32_t peer, const struct checkpoint *head, struct bytes note,
                    const struct crange *range);
    /* @peer holds @size leaves of the own ledger, more than there are. */
    void (*on_behind)(void *ctx, uint32_t peer, uint64_t size);
    void (*on_link)(void *ctx, uint32_t peer, bool up);
    /* @peer has said hello: what it holds of the own ledger is known. */
    void (*on_greeted)(void *ctx, uint32_t peer);
    /* Largest size of @peer's ledger that a signed checkpoint was seen of here, durable or not: what HELLO says to it. */
    uint64_t (*seen_size)(void *ctx, uint32_t peer);
    void *node_ctx; /* of these */
};

struct replication_peer {
    uint32_t code;
    bool connected;
    bool halted;
    char reason[192];
    uint64_t since_ms;      /* wall */
    uint64_t last_heard_ms; /* wall, 0 = never */
    uint64_t held_size, known_size, acked_size, confirmed_size;
    struct catch_up catch_up; /* when is_active: a long backlog */
    int64_t skew_ms;          /* INT64_MIN = unknown */
    char software[65];
    uint16_t files_port; /* where it listens for files, 0 = nowhere or not known */
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

/* Sends a request that is not sync's. @cb runs exactly once, never from inside the call: with the answer (borrowed), or
 * NULL and why there is none. */
typedef void (*replication_ask_cb)(void *ctx, const struct wire_msg *answer, const struct err *e);
void replication_ask(struct replication *r, uint32_t peer, const struct wire_msg *message, uint32_t timeout_ms,
                     replication_ask_cb cb, void *ctx);
void replication_answer(struct replication *r, uint64_t handle, const struct wire_msg *message);
/* The same, as an ERROR. */
void replication_answer_error(struct replication *r, uint64_t handle, enum wire_error_code code, const char *id,
                              const char *text);
/* False once the link was closed: asking is of no use. */
bool replication_is_open(const struct replication *r);
/* Entry @index of @peer's ledger was pulled once and is not here any more: its ledger is pulled again, from the confirmed position
 * or from the beginning. */
void replication_pull_again(struct replication *r, uint32_t peer, uint64_t index);
/* Nothing of @peer's ledger is pulled any more, across reloads, until the process ends. */
void replication_freeze(struct replication *r, uint32_t peer, const char *why);
/* The own ledger is an old copy (or whole again): PULLs of it are answered accordingly. */
void replication_set_recovering(struct replication *r, bool recovering);
/* Something about @peer (0: this node) that the operator must see: logged, counted, shown. */
void replication_alarm(struct replication *r, uint32_t peer, const char *id, const char *text);

struct replication_alarm_info {
    const char *id; /* borrowed until the next turn, like text */
    uint32_t peer;  /* 0: this node */
    const char *text;
    uint64_t count, first_ms, last_ms; /* wall */
};
#define REPLICATION_ALARMS_MAX 64u
/* The alarms since the start, one per (id, peer), in no order; of more than REPLICATION_ALARMS_MAX the newest kinds. */
size_t replication_alarms(const struct replication *r, struct replication_alarm_info ret[REPLICATION_ALARMS_MAX]);

bool replication_peer(const struct replication *r, uint32_t code, struct replication_peer *ret);
/* Last verified checkpoint held of @peer's ledger; empty when none. Borrowed until the next turn. */
struct bytes replication_note(const struct replication *r, uint32_t peer);

struct replication_stats {
    uint64_t batches_in, entries_in, batches_out, entries_out, batches_refused, requests_failed;
    uint32_t alarm_count; /* distinct (id, peer) raised since start */
};
void replication_stats(const struct replication *r, struct replication_stats *ret);

#endif
