/* Between app_reconcile_pass.c (asks) and app_reconcile_answer.c (answers) only: what this node holds, read for a reconciliation. */
#ifndef TB_NODE_APP_RECONCILE_H
#define TB_NODE_APP_RECONCILE_H

#include "node/app_internal.h"
#include "node/reconcile.h"

/* Reads one case as committed, for a comparison with @peer: every entry held, and the fold of them now. Not a participant, or
 * nothing held: is_held false. The stored row is compared with the fold (row_differs). Entries live in @mem. */
int app_reconcile_load(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t peer, struct arena *mem,
                       struct reconcile_side *ret, struct err *e) WARN_UNUSED;
/* Whether node @peer takes part in the case, by the entries held. */
bool app_reconcile_takes_part(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t peer);
/* The row of a case is made again from its entries. */
void app_reconcile_rewrite(struct app *a, const uint8_t case_id[CASE_ID_SIZE]);

/* Rows of cases shared with @peer (one receives, the other decides), in (@after, @last], at most @limit rows looked at. A row that
 * fails its check is made again, and counts as what it should be. @cb's non-zero ends it and is passed on. *ret_complete: all
 * up to @last were looked at; else up to *ret_up_to. */
struct reconcile_scan {
    struct app *app;
    uint32_t peer;
    int (*cb)(void *ctx, const struct reconcile_row *row, bool was_damaged);
    void *ctx;
    uint8_t up_to[CASE_ID_SIZE]; /* last id looked at */
    size_t looked_at;
    bool is_complete;
};
int app_reconcile_scan(struct reconcile_scan *s, const uint8_t after[CASE_ID_SIZE], const uint8_t last[CASE_ID_SIZE],
                       size_t limit, struct err *e) WARN_UNUSED;

#endif
