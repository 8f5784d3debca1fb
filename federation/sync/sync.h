/* Sync: the replication protocol as a pure state machine (PROTOCOL.md, "Replication").
 *
 *   sync_step(event) -> update
 *
 * Two parts for each peer. As an author (origin.c) it answers the peer's PULLs of the own ledger: at once when there is
 * something addressed to the peer, else it parks the request until there is (long poll), so that a new entry costs half
 * a round trip; `from` of the next PULL is the acknowledgement. As a follower (replica.c) it pulls the peer's ledger,
 * verifies each batch against the signed checkpoint, wants it stored, and acknowledges only what is durable. While there is a
 * backlog it asks on behind what it has verified (`start`), up to SYNC_WINDOW batches ahead of the disk.
 *
 * No clock, socket, store, randomness or logging of its own: time and results arrive as events, and the update lists
 * what the shell has to do, in order. What an action refers to is borrowed: it lives in the event's message or in the
 * core until the next step. One thread. The same code runs in the daemon and in the simulator.
 */
#ifndef TB_SYNC_SYNC_H
#define TB_SYNC_SYNC_H

#include "federation/ledger/checkpoint.h"
#include "federation/ledger/crange.h"
#include "federation/ledger/frontier.h"
#include "federation/ledger/leaf.h"
#include "federation/wire/wire.h"
#include "node/base/arena.h"

/* Messages are federation/wire's plain structs; the shell encodes and decodes them. */

/* Verified batches of one peer on their way to the disk at once: so many times the largest message, 4 MiB in all, and
 * BATCH_LEAVES_MAX leaves. One is at the disk, one waits for it; making and verifying the next one takes less time than storing
 * one, so that more would cost memory and gain nothing (measured with 4). */
#define SYNC_WINDOW 2u

/* ---- events ---- */

enum sync_event_type {
    SYNC_EVENT_TIME,         /* nothing but time */
    SYNC_EVENT_LINK_UP,      /* peer */
    SYNC_EVENT_LINK_DOWN,    /* peer */
    SYNC_EVENT_SEALED,       /* the own ledger has a new signed head */
    SYNC_EVENT_REQUEST,      /* peer, handle, message */
    SYNC_EVENT_REPLY,        /* peer, token, message */
    SYNC_EVENT_REPLY_FAILED, /* peer, token; text: why (also for a reply that could not be decoded) */
    SYNC_EVENT_STORED,       /* token of SYNC_ACTION_STORE: durable */
    SYNC_EVENT_STORE_FAILED, /* token: not stored; is_unsure: or it is, and nobody can say */
    SYNC_EVENT_AGAIN         /* peer, size: its entry `size` should be here and is not: pull it again */
};

struct sync_event {
    enum sync_event_type type;
    uint64_t now_ms;  /* monotonic */
    uint64_t wall_ms; /* for HELLO only */
    uint32_t peer;
    uint64_t handle;
    uint64_t token;
    uint64_t size;
    bool is_unsure;
    const struct wire_msg *message; /* borrowed for the step; a batch until its STORED / STORE_FAILED */
    const char *text;
};

/* ---- actions ---- */

enum sync_action_type {
    SYNC_ACTION_REQUEST, /* send message to peer, answer by token within timeout_ms */
    SYNC_ACTION_REPLY,   /* answer handle with message */
    SYNC_ACTION_BATCH,   /* build the batch [from, …] for peer against the sealed head (batch.h) and answer handle */
    SYNC_ACTION_STORE, /* store verified entries and the new cursor in one transaction, then STORED(token). Those of a peer
                            one after the other, in order; when one fails, those behind it are void and are not stored */
    SYNC_ACTION_ACKED,  /* peer durably holds [0, size) of the own ledger */
    SYNC_ACTION_REDIAL, /* dial peer now */
    SYNC_ACTION_ALARM,  /* tell the operator: id, text; about peer */
    SYNC_ACTION_HELLO,  /* peer said hello: skew_ms, software (message.u.hello) */
    SYNC_ACTION_SEEN, /* peer's signed checkpoint `note` was seen (`head`), with the range of its tree when `range` is not NULL:
                            for the watch over contradictions (federation/ledger/evidence.h). Also for a refused batch. */
    SYNC_ACTION_BEHIND /* peer holds or has cosigned `size` leaves of the own ledger, more than there are: an old copy */
};

/* An entry of a verified batch. */
struct sync_entry {
    struct leaf leaf; /* decoded; borrows from bytes */
    struct bytes bytes;
    struct merkle_hash hash;
    struct bytes payload; /* checked against ct_hash; empty when the author does not hold it any more */
    bool payload_held;
};

/* The entries of a STORE, decoded, in @a. A decoded entry takes 2.4 kB: done when its turn has come, not while it waits. */
struct sync_action;
struct sync_entry *sync_entries(const struct sync_action *action, struct arena *a);

/* The last position at which a `heads` leaf confirmed that nothing addressed to this node was left out below it. */
struct sync_confirmed {
    struct crange range; /* ends right behind the heads leaf; size 0 = none yet */
    uint64_t seq_me, seq_public;
};

/* A follower's position in one ledger. */
struct sync_cursor {
    struct crange range; /* [0, range.size) verified */
    uint64_t seq_me, seq_public;
    uint64_t head_size; /* newest verified checkpoint */
    struct merkle_hash head_root;
    struct sync_confirmed confirmed; /* an omission sets the position back to this, and no further */
};

struct sync_action {
    enum sync_action_type type;
    uint32_t peer;
    uint64_t token, handle;
    uint32_t timeout_ms;
    struct wire_msg message;
    /* BATCH */
    uint64_t from;
    uint32_t bytes_max;
    /* STORE; entries and note are borrowed from the batch message and the update's arena */
    struct sync_cursor cursor;
    const struct frontier_entry *entries; /* verified; sync_entries() opens them */
    size_t entry_count;
    struct bytes note;   /* empty: the one that is stored stays */
    struct bytes grants; /* case keys for these entries, sealed to this node (ledger/grant.h); may be empty */
    const struct frontier_batch
        *frontier;                     /* the batch they came in, and the range before it: together they prove the */
    const struct crange *range_before; /* entries to others (ledger/cover.h); NULL when there was none */
    /* SEEN */
    struct checkpoint head;
    const struct crange *range;
    /* ACKED, BEHIND */
    uint64_t size;
    /* ALARM */
    char alarm_id[48];
    char text[256];
    /* HELLO */
    int64_t skew_ms;
};

struct sync_update {
    struct sync_action *actions; /* in the arena */
    size_t count;
    size_t capacity;
    struct arena *arena; /* the shell's; lives at least as long as the actions are used */
};

/* ---- the core ---- */

/* What the core asks of the shell, at once and without side effects. */
struct sync_host {
    void *ctx;
    /* Verifies a note as @origin's checkpoint. */
    int (*open_checkpoint)(void *ctx, uint32_t origin, struct bytes note, struct checkpoint *ret, struct err *e);
    /* Own sealed head and tree. */
    uint64_t (*own_size)(void *ctx);
    int (*own_root_at)(void *ctx, uint64_t size, struct merkle_hash *ret, struct err *e);
    /* Largest own index + 1 among sealed leaves addressed to @peer, to everyone, or heads leaves (0 = none), and the
     * last seqs of the first two. */
    uint64_t (*own_addressed_end)(void *ctx, uint32_t peer, uint64_t *ret_seq, uint64_t *ret_public_seq);
    /* Largest size of @peer's ledger that this node holds or has cosigned, for HELLO. */
    uint64_t (*known_size)(void *ctx, uint32_t peer);
};

struct sync_config {
    uint32_t self;
    const char *software; /* borrowed for life */
    uint32_t files_port;  /* for HELLO */
    uint64_t members_version;
    uint32_t poll_wait_ms;               /* long poll; default 20000 */
    uint32_t reply_slack_ms;             /* request timeout beyond it; default 8000 */
    uint32_t retry_min_ms, retry_max_ms; /* backoff of a follower; defaults 200, 30000 */
    uint32_t verify_retry_ms;            /* after a batch that failed verification; default 30000 */
    uint32_t batch_bytes;                /* asked for with a PULL; default BATCH_BYTES_MAX */
    uint32_t heads_stale_ms; /* connected and no heads leaf for so long: alarm ledger.stalled; default 180000 */
};

struct sync;

struct sync *sync_create(const struct sync_config *config, const struct sync_host *host);
void sync_destroy(struct sync *s);

/* Adds or resets a peer at start (or when the member list or the store was read again). @cursor: the stored position. */
void sync_set_peer(struct sync *s, uint32_t peer, const struct sync_cursor *cursor, uint64_t acked);
void sync_remove_peer(struct sync *s, uint32_t peer);
/* Nothing is pulled from the peer any more, until sync_set_peer(); its own PULLs are answered as before. @why is shown. */
void sync_halt_peer(struct sync *s, uint32_t peer, const char *why);

/* While set, PULLs of the own ledger are answered 503 sync.recovering: the ledger is being put together again. */
void sync_set_recovering(struct sync *s, bool recovering);

/* One event; fills @update, whose arena the caller set. Total: every event is legal in every state. */
void sync_step(struct sync *s, const struct sync_event *event, struct sync_update *update);

/* When the next SYNC_EVENT_TIME is wanted (monotonic ms), UINT64_MAX = never. Ask after the actions were performed. */
uint64_t sync_timeout(const struct sync *s);

/* For status displays. */
struct sync_peer_info {
    bool link_up, hello_done;
    bool pulling;     /* a PULL is out */
    unsigned storing; /* batches on their way to the disk */
    bool parked;      /* the peer's PULL waits here */
    bool halted;      /* its ledger contradicts itself or us: nothing is pulled until the operator acts */
    uint64_t held_size, head_size, acked_size, confirmed_size;
    char last_error[192]; /* "" = none since the last success */
};
bool sync_peer_info(const struct sync *s, uint32_t peer, struct sync_peer_info *ret);

#endif
