/* Reconciliation (对账): sums over ranges of cases, and what it means when two nodes hold a case differently. Pure.
 *
 * app_reconcile.c drives it: a node compares, range by range in the order of case ids, a sum over (case id, digest) of the cases
 * that it shares with a peer, asks about those of ranges that differ, and judges each. PROTOCOL.md, "Reconciliation".
 */
#ifndef TB_NODE_RECONCILE_H
#define TB_NODE_RECONCILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/base/bytes.h"

#define RECONCILE_ID_SIZE 16u
#define RECONCILE_RANGE_ROWS 256u /* cases in one range: what travels when one of them differs */
#define RECONCILE_SCAN_ROWS 4096u /* rows read in one turn of the loop: about 10 ms */
#define RECONCILE_SUM_SIZE 32u

struct reconcile_row {
    uint8_t case_id[RECONCILE_ID_SIZE];
    uint8_t digest[32]; /* zero when the stored row is damaged: differs from everything */
    uint32_t events;
};

#define RECONCILE_DAY_MS 86400000u
/* Whether the daily run is due at @china_ms (since 1970, by the clock in China), at @due_ms of each day, when the last one was that of
 * @last_day (days since 1970). A day that lies ahead is one that a wrong clock showed: it keeps no later run back. */
bool reconcile_is_due(uint64_t china_ms, uint64_t due_ms, uint64_t last_day);

/* sum ^= SHA-256(case id || digest): the order of adding does not matter. */
void reconcile_sum_add(uint8_t sum[RECONCILE_SUM_SIZE], const struct reconcile_row *row);

/* What a range or row record of wire.h says, and the way back. */
void reconcile_row_put(struct buf *out, const struct reconcile_row *row);
void reconcile_row_get(const uint8_t *record, struct reconcile_row *ret);

/* What was asked: ranges of a stretch of case ids, as records of wire.h, over own rows. */
struct reconcile_stretch {
    const uint8_t *after;     /* the first range begins behind it */
    const uint8_t *ranges;    /* range_count records of WIRE_RANGE_BYTES */
    const size_t *range_rows; /* own rows in the ranges up to each */
    size_t range_count;
    const struct reconcile_row *rows; /* own, ascending */
};

/* Compares own rows with the peer's answer: calls @suspect for each case of the ranges called differing that is not the same on both
 * sides. Returns NULL, or (a static text) which rule of the protocol the answer breaks; cases may have been reported before
 * that was noticed. @rows: ascending records (the wire has checked that). */
const char *reconcile_compare(const struct reconcile_stretch *s, const uint8_t up_to[RECONCILE_ID_SIZE],
                              struct bytes differing, struct bytes rows,
                              void (*suspect)(void *ctx, const uint8_t case_id[RECONCILE_ID_SIZE]), void *ctx);

/* name, stable word (API, CSV), what is done about it, in words for people */
#define RECONCILE_CAUSES(X)                                                                                            \
    X(RECONCILE_SETTLED, "settled", "none", "both hold the same by now")                                               \
    X(RECONCILE_LAG_THERE, "lag_there", "waits", "the peer has not fetched these entries of this node yet")            \
    X(RECONCILE_LAG_HERE, "lag_here", "waits", "this node has not fetched these entries yet")                          \
    X(RECONCILE_THIRD_THERE, "third_there", "waits", "the peer lacks these entries of another node")                   \
    X(RECONCILE_MISSING_HERE, "missing_here", "asked_again",                                                           \
      "these entries were fetched once and are not here any "                                                          \
      "more: fetched again")                                                                                           \
    X(RECONCILE_ROW_HERE, "row_here", "rewritten",                                                                     \
      "the stored row of the case was not what its entries give: made "                                                \
      "again from them")                                                                                               \
    X(RECONCILE_ROW_THERE, "row_there", "waits",                                                                       \
      "the peer's stored row was not what its entries give: the peer "                                                 \
      "makes it again")                                                                                                \
    X(RECONCILE_PENDING, "pending", "waits", "events wait for parents that are still on their way")                    \
    X(RECONCILE_FROZEN, "frozen", "waits", "one side knows evidence against an author of the case, the other not yet") \
    X(RECONCILE_RULES, "rules", "escalated", "written under rules that one side does not know: update its program")    \
    X(RECONCILE_LOST_THERE, "lost_there", "escalated", "the peer has confirmed these entries and does not show them")  \
    X(RECONCILE_DENIED, "denied", "escalated",                                                                         \
      "these entries of the peer are held here, and the peer does not show "                                           \
      "them")                                                                                                          \
    X(RECONCILE_OWN_UNKNOWN, "own_unknown", "escalated", "the peer holds entries of this node that are not here")      \
    X(RECONCILE_FORK, "fork", "escalated", "two entries of one author with the same number")                           \
    X(RECONCILE_FAULT, "fault", "escalated", "the same entries give different digests: a fault of a program")

enum reconcile_cause {
#define X(name, word, repair, text) name,
    RECONCILE_CAUSES(X)
#undef X
        RECONCILE_CAUSE_COUNT
};
const char *reconcile_cause_word(enum reconcile_cause cause);
const char *
reconcile_cause_repair(enum reconcile_cause cause); /* "none", "waits", "asked_again", "rewritten", "escalated" */
const char *reconcile_cause_text(enum reconcile_cause cause);
bool reconcile_cause_escalates(enum reconcile_cause cause);

struct reconcile_entry {
    uint32_t origin;
    uint64_t index;
    uint8_t hash[32];
    bool
        is_addressed; /* this node's side only: its leaf names the peer, which got it with the ledger; else the peer has to ask */
};

/* One node's view of a case. */
struct reconcile_side {
    bool is_held; /* else only is_joining counts */
    bool
        is_joining; /* this node's side only: it is asking other participants for entries that were not addressed to it */
    uint8_t digest[32]; /* folded now */
    bool is_frozen, has_unknown_rules, row_differs;
    uint32_t pending;
    const struct reconcile_entry
        *entries; /* strictly ascending by (origin, index); two of one index are adjacent, by hash */
    size_t entry_count;
};

/* How far each ledger has come: entries below were given. The peer's answer is older than what is held here, so that what it must show
 * is what was known when it was asked. */
struct reconcile_progress {
    uint32_t self, peer;
    uint64_t acked;     /* of the own ledger, by the peer; when it was asked */
    uint64_t peer_held; /* of the peer's ledger, here; when it was asked */
    /* Of @origin's ledger, here; now. */
    uint64_t (*held)(void *ctx, uint32_t origin);
    void *ctx;
};

#define RECONCILE_FINDINGS_MAX 8u

struct reconcile_finding {
    enum reconcile_cause cause;
    uint32_t origin; /* 0 = not about entries */
    uint64_t first, last;
    uint64_t count; /* entries from first to last that it is about */
};

/* Every cause by which @here and @there differ, one finding per cause and author, in the order of the table; at most
 * RECONCILE_FINDINGS_MAX, the returned count, at least 1 (RECONCILE_SETTLED). */
size_t reconcile_judge(const struct reconcile_side *here, const struct reconcile_side *there,
                       const struct reconcile_progress *progress, struct reconcile_finding ret[RECONCILE_FINDINGS_MAX]);

#endif
