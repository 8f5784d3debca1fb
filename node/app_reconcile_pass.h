/* A run of reconciliation, between app_reconcile.c (runs: asked for, kept, shown) and app_reconcile_pass.c (one run with one
 * peer) only. Loop thread.
 */
#ifndef TB_NODE_APP_RECONCILE_PASS_H
#define TB_NODE_APP_RECONCILE_PASS_H

#include "node/app_internal.h"
#include "node/reconcile.h"

#define APP_RECONCILE_ASKED_MAX 64u

/* What was found in one case. */
struct app_reconcile_found {
    uint8_t case_id[CASE_ID_SIZE];
    uint32_t peer; /* with whom it was compared */
    struct reconcile_finding what;
};

/* How the comparison with one peer stands, or ended. */
struct app_reconcile_result {
    uint32_t peer;
    uint8_t state;                /* enum app_reconcile_state */
    char error[192];              /* of a failed one: why */
    uint64_t compared, differing; /* shared cases */
};

struct app_reconcile_run {
    struct list link;                        /* in reconciliation.runs */
    char id[17];                             /* 16 hex digits */
    char key[IDEMPOTENCY_KEY_BYTES_MAX + 1]; /* of the request; "" = none */
    uint64_t started_ms, finished_ms;        /* wall clock; the second 0 = under way */
    struct app_reconcile_result *peers;
    size_t peer_count, at; /* at: whose turn it is */
    struct app_reconcile_found *findings;
    size_t finding_count;
    uint64_t findings_dropped; /* beyond those that are kept */
};

struct reconciliation {
    struct list runs; /* newest last */
    size_t run_count;
    struct app_reconcile_run *current; /* NULL = nothing is under way */
    struct loop_timer *daily;          /* NULL = no daily run */
    uint64_t last_day;                 /* of the last daily run, days since 1970 in China; 0 = none */
    struct {                           /* entries that were asked for again: once is enough */
        uint32_t origin;
        uint64_t index, at_ms; /* monotonic */
    } asked[APP_RECONCILE_ASKED_MAX];
    size_t asked_count;
    bool is_closing; /* the run under way ends with the answer it waits for */
};

/* app_reconcile_pass.c: compares with the peer that is @run's turn, of which nothing is under way, and writes its result and its
 * findings into @run; app_reconcile_pass_ended() follows, possibly from inside the call. */
void app_reconcile_pass_start(struct app *a, struct app_reconcile_run *run);
/* app_reconcile.c: the turn is over, its result is there. The next peer's, or the run's end. */
void app_reconcile_pass_ended(struct app *a, struct app_reconcile_run *run);

#endif
