/* The core's inside, shared by sync.c, origin.c and replica.c only. */
#ifndef TB_SYNC_INTERNAL_H
#define TB_SYNC_INTERNAL_H

#include "federation/sync/sync.h"
#include "node/base/map.h"

/* Follower's side of one peer.
 *
 *   OFFLINE -> GREETING -> PULLING -> STORING -> PULLING -> …
 *      ^          |           |          |
 *      |          +---> WAITING <--------+       (backoff; TIME takes it back to GREETING or PULLING)
 *      +------------- link down, from any state
 *   HALTED: the peer's ledger contradicts what we hold, or cannot be stored; left only by sync_set_peer()
 *
 * What is being stored is a queue beside the state: in PULLING it may hold batches, too (a backlog); STORING waits for it to become
 * shorter, or empty.
 */
enum replica_state {
    REPLICA_OFFLINE,
    REPLICA_GREETING,
    REPLICA_PULLING,
    REPLICA_STORING,
    REPLICA_WAITING,
    REPLICA_HALTED,
    REPLICA_STATE_COUNT
};

/* A position on its way to the disk. */
struct replica_store {
    uint64_t token;
    struct sync_cursor cursor;
};

struct replica {
    enum replica_state state;
    bool hello_done;                         /* on this connection */
    bool can_start;                          /* the author understands PULL.start */
    struct sync_cursor cursor;               /* durable */
    struct replica_store queue[SYNC_WINDOW]; /* behind it, the oldest first */
    unsigned queued;
    struct sync_cursor next; /* of the batch that is being verified */
    bool more;               /* by the last batch its author has more of what its checkpoint covers */
    uint64_t token;          /* of the request in flight, 0 = none */
    uint64_t early_ms;       /* PULLING: before this the author has not waited, as it was asked to; 0: it was not */
    uint64_t retry_at_ms;    /* WAITING */
    uint32_t backoff_ms;
    bool is_setback;   /* the last of the queue is the confirmed position: wait before the next PULL */
    uint64_t again;    /* entry + 1 to go back for when the queue is empty; 0 = none */
    uint64_t heads_ms; /* when the last heads leaf came, or this connection */
    uint64_t
        silent_ms;     /* connected without one before this connection: who hangs up now and then is not heard either */
    bool stalled_told; /* one alarm until the next heads leaf */
    char last_error[192];
};

/* Author's side of one peer. */
struct origin_peer {
    uint64_t acked;
    bool parked;
    uint64_t handle, from, deadline_ms;
    uint32_t bytes_max;
    uint64_t hint_token;    /* of a HINT in flight, 0 = none */
    uint64_t hint_after_ms; /* no next HINT before */
    uint64_t hinted_end;    /* what the last HINT told */
    bool conflict_told;     /* one alarm per contradiction */
};

struct peer {
    uint32_t code;
    bool link_up;
    struct replica replica;
    struct origin_peer origin;
};

struct sync {
    struct sync_config config;
    struct sync_host host;
    struct map peers; /* u32 -> struct peer, owned */
    uint64_t next_token;
    uint64_t now_ms, wall_ms;
    bool recovering; /* the own ledger is being put together again */
};

struct sync_action *sync_act(struct sync_update *u, enum sync_action_type type, uint32_t peer);
void sync_alarm(struct sync_update *u, uint32_t peer, const char *id, const char *fmt, ...) PRINTF_LIKE(4, 5);
void sync_reply_error(struct sync_update *u, uint32_t peer, uint64_t handle, enum wire_error_code code, const char *id,
                      uint32_t retry_ms, const char *fmt, ...) PRINTF_LIKE(7, 8);
struct wire_hello sync_own_hello(const struct sync *s, uint32_t peer);
/* The peer knows @size leaves of our ledger: more than there are? */
void sync_note_own_size(struct sync *s, uint32_t peer, uint64_t size, struct sync_update *u);
uint64_t sync_send(struct sync *s, struct sync_update *u, uint32_t peer, const struct wire_msg *m,
                   uint32_t timeout_ms); /* token */

/* origin.c */
void origin_pull(struct sync *s, struct peer *p, const struct sync_event *event, struct sync_update *u);
void origin_sealed(struct sync *s, struct peer *p, struct sync_update *u);
void origin_time(struct sync *s, struct peer *p, struct sync_update *u);
void origin_link_down(struct peer *p);
/* Whether @token was this peer's HINT; takes note of its end. */
bool origin_hint_ended(struct peer *p, uint64_t token);
uint64_t origin_timeout(const struct peer *p);

/* replica.c */
void replica_link_up(struct sync *s, struct peer *p, struct sync_update *u);
void replica_link_down(struct sync *s, struct peer *p);
void replica_time(struct sync *s, struct peer *p, struct sync_update *u);
void replica_hint(struct sync *s, struct peer *p, const struct wire_hint *hint, struct sync_update *u);
void replica_reply(struct sync *s, struct peer *p, const struct wire_msg *m, struct sync_update *u);
void replica_reply_failed(struct sync *s, struct peer *p, const char *text);
void replica_stored(struct sync *s, struct peer *p, uint64_t token, struct sync_update *u);
void replica_store_failed(struct sync *s, struct peer *p, uint64_t token, bool is_unsure);
void replica_again(struct sync *s, struct peer *p, uint64_t index, struct sync_update *u);
uint64_t replica_timeout(const struct sync *s, const struct peer *p);

#endif
