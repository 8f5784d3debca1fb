/* Collector: gets an author's checkpoints cosigned by its witnesses (the log's side of C2SP tlog-witness v1.0.0).
 *
 *   collector_step(event) -> update          no clock, socket, store or randomness of its own
 *
 * One round at a time: the newest sealed head is sent to every witness that is up; each answers for itself. A round ends
 * for the quorum as soon as the policy is satisfied (COSIGNED), stays open for late ones until the next round begins. A
 * new head while a round runs waits for its turn: at the earliest `round_min_ms` after the last beginning and, while answers
 * that the quorum needs are out, at most `ask_ms`. A witness has one request at a time, across rounds. One that says 409
 * is asked once more from the size it named. One that is down or fails is asked again with the next round, or after
 * `retry_ms`. If the own ledger is smaller than what a witness has cosigned, this node is an old copy: BEHIND, with every
 * round. A quorum of more witnesses than a note has lines (NOTE_SIGNATURES_MAX, one is the author's) is never reached.
 */
#ifndef TB_WITNESS_COLLECTOR_H
#define TB_WITNESS_COLLECTOR_H

#include "federation/ledger/policy.h"
#include "federation/witness/witness.h"
#include "node/base/arena.h"

enum collector_event_type {
    COLLECTOR_EVENT_TIME,
    COLLECTOR_EVENT_HEAD, /* the own ledger has a new sealed head; `urgent`: somebody waits for a receipt */
    COLLECTOR_EVENT_UP,   /* witness can be asked */
    COLLECTOR_EVENT_DOWN,
    COLLECTOR_EVENT_ANSWER, /* witness, token, status, body */
    COLLECTOR_EVENT_FAILED  /* witness, token: no answer. Without it a request counts as lost after twice ask_ms */
};

struct collector_event {
    enum collector_event_type type;
    uint64_t now_ms; /* monotonic */
    size_t witness;  /* position in the policy */
    uint64_t token;
    unsigned status; /* enum witness_status, or any other HTTP status */
    struct bytes body;
    bool urgent;
};

enum collector_action_type {
    COLLECTOR_ACTION_ASK, /* send body to witness, answer by token within timeout_ms */
    COLLECTOR_ACTION_COSIGNED, /* note: the checkpoint with the cosignatures so far; `satisfied`: they are a quorum. Sent when the
                                  quorum is reached and again when later ones add to it. Store and serve it. */
    COLLECTOR_ACTION_BEHIND, /* witness has cosigned `size`, more than the own ledger holds */
    COLLECTOR_ACTION_ALARM   /* id, text; witness. Once until that witness cosigns again, or for another id */
};

struct collector_action {
    enum collector_action_type type;
    size_t witness;
    uint64_t token;
    uint32_t timeout_ms;
    struct bytes body; /* ASK: in the update's arena */
    struct bytes note; /* COSIGNED: in the update's arena */
    uint64_t size;     /* COSIGNED, BEHIND */
    size_t cosigned;   /* COSIGNED: number of cosignatures */
    bool satisfied;
    char alarm_id[48];
    char text[200];
};

struct collector_update {
    struct collector_action *actions; /* in the arena */
    size_t count, capacity;
    struct arena *arena; /* the shell's */
};

struct collector_host {
    void *ctx;
    /* The own sealed head: size, root and signed note (borrowed until the next turn). */
    void (*head)(void *ctx, struct checkpoint *ret, struct bytes *ret_note);
    /* Proof of consistency between two own sizes, old < size. */
    int (*consistency)(void *ctx, uint64_t old, uint64_t size, struct merkle_proof *ret, struct err *e);
};

struct collector_config {
    const struct policy *policy;     /* borrowed for life; logs[0] need not be the own one */
    const struct note_verifier *log; /* the own ledger's key; borrowed for life */
    uint32_t round_min_ms;           /* between beginnings of rounds for urgent heads; default 1000 */
    uint32_t round_ms;               /* for others; default 10000 */
    uint32_t refresh_ms;             /* a round for the same head again, so that its time stays fresh; default 60000 */
    uint32_t ask_ms;                 /* timeout of one request; default 5000 */
    uint32_t retry_ms;               /* a witness that failed; default 5000 */
};

struct collector;

struct collector *collector_create(const struct collector_config *config, const struct collector_host *host);
void collector_destroy(struct collector *c); /* NULL is fine */
void collector_step(struct collector *c, const struct collector_event *event, struct collector_update *update);
uint64_t collector_timeout(const struct collector *c); /* when TIME is wanted, monotonic ms; UINT64_MAX = never */

/* For status displays. */
struct collector_witness_info {
    bool up, asked;
    uint64_t size;   /* last one it cosigned for us; 0 = unknown */
    uint64_t time_s; /* its time then */
    char last_error[128];
};
void collector_witness_info(const struct collector *c, size_t witness, struct collector_witness_info *ret);
/* The newest note with a quorum (empty: none yet) and its size. Borrowed until the next step. */
struct bytes collector_note(const struct collector *c, uint64_t *ret_size);
/* At start: what the store kept. Ignored unless it opens under the policy. */
void collector_restore(struct collector *c, struct bytes note);

#endif
