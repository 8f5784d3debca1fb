/* Inside of witnessing, for witnessing.c (the own checkpoints) and witnessing_judge.c (others') only. Loop thread. */
#ifndef TB_NODE_WITNESSING_INTERNAL_H
#define TB_NODE_WITNESSING_INTERNAL_H

#include "federation/witness/witness.h"
#include "node/base/list.h"
#include "node/base/map.h"
#include "node/witness_policy.h"
#include "node/witnessing.h"

/* What is kept of a log that is cosigned here. */
struct witnessed {
    char origin[ORIGIN_NAME_BYTES_MAX + 1];
    uint8_t hash[CRYPTO_HASH_SIZE]; /* of the origin */
    struct witness_state state;
    struct buf note;
    bool is_forked;      /* it signed two histories; its notes are kept */
    bool busy;           /* one judgement on its way to the disk */
    struct list waiting; /* struct judged: judged after it, one by one, so that none overtakes another */
    size_t waiting_count;
};

struct witnessing {
    struct witnessing_config config;
    struct ledger *ledger;
    struct replication *replication;
    struct arena arena; /* of the policies, until the members change */
    struct witness_policies policies;
    struct collector *collector; /* NULL while closed */
    struct loop_timer *timer;
    struct map logs; /* SHA-256 of the origin -> struct witnessed */
    bool closed;
    unsigned generation;  /* of the collector: answers to an earlier one's questions are nobody's */
    uint64_t stored_size; /* of the note that the store keeps */
};

/* ---- witnessing.c ---- */

/* Warns that a note could not be kept; for ledger_commit(). */
void witnessing_note_saved(void *ctx, const struct err *e);

/* ---- witnessing_judge.c ---- */

/* What is kept of the log of this origin; made when it is new. */
struct witnessed *witnessing_judge_log(struct witnessing *w, const char *origin);
/* Frees what is kept. The ledger is closed: nobody waits. */
void witnessing_judge_forget(struct witnessing *w);

#endif
