/* Inside of ledger.c (opening, the group commit, stopping), ledger_append.c (own leaves) and ledger_read.c (queries) only. */
#ifndef TB_NODE_LEDGER_INTERNAL_H
#define TB_NODE_LEDGER_INTERNAL_H

#include "node/base/list.h"
#include "node/base/map.h"
#include "node/ledger.h"
#include "node/recent.h"
#include "node/txn.h"

#define LEDGER_HLC_AHEAD_MAX ((uint64_t)10000 << 16) /* 10 s */

struct ledger {
    struct ledger_config config;

    /* live state, valid while !stopped */
    struct store_reader *reader;
    struct ledger_writer *writer;
    struct tiles *tiles;
    struct ledger_txn *appending; /* txn whose arena takes tiles that fill up */
    struct list unsaved;          /* unsaved_tile: full, but not committed yet */
    struct map recipients;        /* u32 -> struct store_addressed, ours */
    struct recent *recent;
    uint64_t hlc;
    struct ledger_head head;
    struct buf head_note;
    uint64_t behind;           /* > 0: this many own leaves were signed once, the store holds fewer: an old copy */
    uint64_t known_elsewhere;  /* what peers have said they hold of it */
    struct checkpoint on_disk; /* what heads.db holds */

    /* queue and job */
    struct list queue; /* ledger_txn */
    struct list running;
    struct ledger_txn *merged; /* rows of the running job */
    struct ledger_writer_job job;
    bool job_running;
    size_t job_txns;                /* in it */
    size_t at_once;                 /* transactions on the way at the same time, the most of late */
    struct loop_timer *start_timer; /* the end of the turn */
    size_t one_by_one; /* transactions at the head of the queue that go alone: the store refused one of them */

    /* stopped */
    bool stopped, stopped_for_good;
    bool was_full;     /* the disk, when it stopped */
    bool found_behind; /* while a job runs: stop when it has ended */
    bool recovered;    /* not behind any more, but the head over what came back is not sealed yet */
    bool held;         /* starting: what others hold of it is not known yet */
    struct err why;
    struct loop_timer *reopen_timer;

    uint64_t txn_made, txn_done; /* numbers */
    struct ledger_stats stats;
};

/* ledger_append.c */
struct ledger_txn *ledger_txn_alloc(struct ledger *l); /* without a number: for the merged rows of a job */
/* The last of what is addressed to a->recipient. Copies. */
void ledger_set_recipient(struct ledger *l, const struct store_addressed *a);

#endif
