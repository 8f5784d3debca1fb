/* Inside of replication*.c only: one struct, its files by concern.
 *
 *   replication.c        link events -> sync_step() -> actions; the start and the end
 *   replication_store.c  a verified batch on its way to the disk; what peers have acknowledged
 *   replication_peers.c  who there is, and where the store says they are
 *   replication_ask.c    requests that are not sync's
 *   replication_alarm.c  what the operator must see
 */
#ifndef TB_NODE_REPLICATION_INTERNAL_H
#define TB_NODE_REPLICATION_INTERNAL_H

#include "federation/wire/wire.h"
#include "node/base/arena.h"
#include "node/base/list.h"
#include "node/base/log.h"
#include "node/base/map.h"
#include "node/replication.h"

#define REPLICATION_ASK_BIT (UINT64_C(1) << 63) /* in tokens; sync's own count up from 1 */

/* A decoded message, and everything that a step made of it. */
struct inbound {
    struct arena arena;
    struct wire_msg message;
    unsigned references;
};

struct peer_state {
    struct replication_peer view;
    struct buf note;
    uint64_t acked;
    bool ack_dirty;
    struct catch_up catch_up;
    struct storing *running; /* replication_store.c: the batch at the ledger, NULL = none */
    struct list waiting;     /* those behind it */
    /* Why nothing is pulled until a restart: the store does not take its entries, or it is disputed. "" = it is pulled. */
    char refused[sizeof((struct err){0}.message)];
};

struct alarm {
    char id[48];
    uint32_t peer;
    char text[256];
    uint64_t count, first_ms, last_ms;
    struct log_limit limit; /* a peer must not fill the log */
};

struct replication {
    struct replication_config config;
    struct link *link;
    struct ledger *ledger;
    struct sync *sync;
    struct map peers; /* u32 -> struct peer_state */
    struct loop_timer *timer, *ack_timer;
    bool ack_flush_set;
    struct alarm alarms[REPLICATION_ALARMS_MAX];
    struct replication_stats stats;
    struct buf scratch; /* encoding */
    struct list asks;   /* struct ask */
    uint64_t asks_made;
};

/* replication.c */
struct inbound *replication_inbound_create(void); /* one reference */
void replication_inbound_release(struct inbound *in);
/* One step and its actions. The actions live in @inbound's arena. */
void replication_step(struct replication *r, struct sync_event *event, struct inbound *inbound);
void replication_step_alone(struct replication *r, struct sync_event *event);
/* Into r->scratch. False: logged. */
bool replication_encode(struct replication *r, const struct wire_msg *m);
void replication_send_reply(struct replication *r, uint64_t handle, const struct wire_msg *m);
/* sync_host's open_checkpoint; @ctx is the replication. */
int replication_open_checkpoint(void *ctx, uint32_t origin, struct bytes note, struct checkpoint *ret, struct err *e);

/* replication_store.c */
/* Commits what a SYNC_ACTION_STORE says; ends as STORED or STORE_FAILED. Keeps @inbound until then. */
void replication_store(struct replication *r, const struct sync_action *a, struct inbound *inbound);
/* Those of @p that wait are void: it failed, was reset, or halted. */
void replication_store_forget(struct peer_state *p);
void replication_store_acked(struct replication *r, uint32_t peer, uint64_t size);
void replication_store_ack_timer_cb(void *ctx);

/* replication_peers.c */
struct peer_state *replication_find(const struct replication *r, uint32_t code); /* NULL: no such peer */
const char *replication_code(uint32_t code, char out[12]);                       /* @out, for log lines */
void replication_peers_add(struct replication *r, uint32_t code);
void replication_peers_destroy(struct peer_state *p);
/* Its connection came or went: shown and logged. */
void replication_peers_set_link(struct replication *r, const struct link_event *event, bool connected);

/* replication_ask.c */
/* The answer of a peer, or NULL and @why there is none, to the request of @token, if there is still one. */
void replication_ask_answered(struct replication *r, uint64_t token, const struct wire_msg *answer, const char *why);
/* Those that failed at once end by themselves: their item is in the loop. */
void replication_ask_close(struct replication *r);

#endif
