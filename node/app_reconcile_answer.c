/* Reconciliation, the answering side: what this node holds of the cases it shares with a peer (see app_reconcile.h, PROTOCOL.md).
 *
 * A request costs a bounded look: RECONCILE at most ANSWER_SCAN_ROWS rows, CASES_PULL at most WIRE_HELD_MAX entries; what does not
 * fit is left for the next request. Of cases that the peer takes no part in nothing is said, not even that they are there.
 */
#include <stdlib.h>
#include <string.h>

#include "node/app_reconcile.h"
#include "node/base/xassert.h"

#define ANSWER_SCAN_ROWS (2 * RECONCILE_SCAN_ROWS)
#define LOAD_TRIES 3

/* ---- what is held ---- */

static int compare_entries(const void *a, const void *b)
{
    const struct reconcile_entry *x = a, *y = b;
    if (x->origin != y->origin)
        return x->origin < y->origin ? -1 : 1;
    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    return memcmp(x->hash, y->hash, sizeof x->hash);
}

/* Whether the leaf names @node: its entry came to it with the ledger. */
static bool is_addressed(struct bytes bytes, uint32_t node)
{
    struct leaf leaf;
    if (leaf_decode(bytes, &leaf, NULL) != 0)
        return false;
    for (size_t i = 0; i < leaf.recipient_count; i++)
        if (leaf.recipients[i].node == node || leaf.recipients[i].node == LEAF_NODE_ALL)
            return true;
    return false;
}

static int load_entries(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t peer, struct arena *mem,
                        struct reconcile_side *ret, struct err *e)
{
    struct arena scratch = ARENA_INIT;
    struct store_entry *stored;
    size_t count = 0;
    int rc = store_read_case_entries(ledger_reader(a->ledger), case_id, &scratch, &stored, &count, e);
    if (rc == 0) {
        struct reconcile_entry *entries = arena_alloc(mem, (count + 1) * sizeof *entries);
        for (size_t i = 0; i < count; i++) {
            entries[i] = (struct reconcile_entry){.origin = stored[i].origin,
                                                  .index = stored[i].index,
                                                  .is_addressed = is_addressed(stored[i].leaf, peer)};
            memcpy(entries[i].hash, stored[i].hash, sizeof entries[i].hash);
        }
        qsort(entries, count, sizeof *entries, compare_entries);
        ret->entries = entries;
        ret->entry_count = count;
    }
    arena_close(&scratch);
    return rc;
}

/* The fold of what is committed; *ret_party false when this node is no participant. */
static int load_fold(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct store_case *ret_row,
                     struct reconcile_side *ret, bool *ret_party, struct err *e)
{
    const struct case_fork *forks;
    struct casefile *file;
    size_t fork_count = case_cache_forks(a->cases, &forks);
    int rc = case_file_load(ledger_reader(a->ledger), case_id, forks, fork_count, &file, e);
    if (rc != 0)
        return rc;
    const struct case_state *state = casefile_state(file);
    *ret_party = app_is_party(file, a->config->region);
    ret->pending = state->pending_count;
    ret->is_frozen = (state->flags & CASE_FLAG_FROZEN) != 0;
    ret->has_unknown_rules = (state->flags & CASE_FLAG_RULES_UNKNOWN) != 0;
    case_row_of(file, case_id, "", ret_row);
    memcpy(ret->digest, ret_row->digest, sizeof ret->digest);
    casefile_destroy(file);
    return 0;
}

/* Zero when there is none that could be read. */
static struct store_case stored_row(struct app *a, const uint8_t case_id[CASE_ID_SIZE])
{
    struct store_case row = {0};
    if (store_read_case(ledger_reader(a->ledger), case_id, &row, NULL) != 0)
        row = (struct store_case){0};
    return row;
}

int app_reconcile_load(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t peer, struct arena *mem,
                       struct reconcile_side *ret, struct err *e)
{
    int rc = app_check_reader(a, e);
    for (int i = 0; rc == 0 && i < LOAD_TRIES; i++) {
        struct store_case before, after, folded;
        bool is_party = false;
        *ret = (struct reconcile_side){.is_held = true};
        before = stored_row(a, case_id);
        rc = load_entries(a, case_id, peer, mem, ret, e);
        if (rc == 0)
            rc = load_fold(a, case_id, &folded, ret, &is_party, e);
        if (rc != 0 || !is_party) {
            *ret = (struct reconcile_side){0};
            break;
        }
        after = stored_row(a, case_id);
        bool differs = memcmp(after.digest, folded.digest, sizeof after.digest) != 0;
        ret->row_differs =
            differs && ret->entry_count >= after.event_count; /* else entries were lost, the row is right */
        if (memcmp(before.digest, after.digest, sizeof before.digest) == 0)
            break; /* else a commit came in between: once more */
    }
    ret->is_joining = app_pull_is_open(a, case_id);
    return rc;
}

bool app_reconcile_takes_part(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t peer)
{
    struct casefile *file;
    if (ledger_reader(a->ledger) == NULL ||
        case_file_load(ledger_reader(a->ledger), case_id, NULL, 0, &file, NULL) != 0)
        return false;
    bool takes_part = app_is_party(file, peer) && app_is_party(file, a->config->region);
    casefile_destroy(file);
    return takes_part;
}

static void rewritten(void *ctx, const struct err *e)
{
    struct app *a = ctx;
    if (e->code != 0)
        app_warn_case(a, NULL, &(struct err){.code = e->code, .id = "reconcile.row"}, "row not made again: %s",
                      e->message);
}

void app_reconcile_rewrite(struct app *a, const uint8_t case_id[CASE_ID_SIZE])
{
    struct case_slot *slot;
    if (ledger_check_writable(a->ledger, NULL) != 0 || case_cache_get(a->cases, a->ledger, case_id, &slot, NULL) != 0 ||
        !app_is_party(slot->file, a->config->region))
        return;
    struct ledger_txn *txn = ledger_txn_create(a->ledger);
    app_case_changed(a, slot, txn);
    ledger_commit(txn, rewritten, a);
}

/* ---- rows in the order of ids ---- */

static bool is_shared(const struct store_case *row, uint32_t self, uint32_t peer)
{
    return (row->receiving == self && row->lead == peer) || (row->receiving == peer && row->lead == self);
}

/* A damaged row says nothing about whose case it is: its entries do. */
static int take_damaged(struct reconcile_scan *s, const uint8_t case_id[CASE_ID_SIZE])
{
    struct store_case folded;
    struct reconcile_side side = {0};
    bool is_party = false;
    if (load_fold(s->app, case_id, &folded, &side, &is_party, NULL) != 0 || !is_party)
        return 0;
    app_reconcile_rewrite(s->app, case_id);
    if (!is_shared(&folded, s->app->config->region, s->peer))
        return 0;
    struct reconcile_row row = {.events = folded.event_count};
    memcpy(row.case_id, case_id, sizeof row.case_id);
    memcpy(row.digest, folded.digest, sizeof row.digest);
    return s->cb(s->ctx, &row, true);
}

static int scan_row(void *ctx, const struct store_case *in, uint64_t entry_count, bool damaged, struct err *e)
{
    struct reconcile_scan *s = ctx;
    (void)e;
    int rc = 0;
    if (damaged) {
        rc = take_damaged(s, in->case_id);
    } else if (is_shared(in, s->app->config->region, s->peer)) {
        struct reconcile_row row = {.events = in->event_count};
        memcpy(row.case_id, in->case_id, sizeof row.case_id);
        if (entry_count >= in->event_count) /* else some were lost: it differs from every other node's */
            memcpy(row.digest, in->digest, sizeof row.digest);
        rc = s->cb(s->ctx, &row, false);
    }
    if (rc == 0)
        memcpy(s->up_to, in->case_id, sizeof s->up_to);
    return rc;
}

int app_reconcile_scan(struct reconcile_scan *s, const uint8_t after[CASE_ID_SIZE], const uint8_t last[CASE_ID_SIZE],
                       size_t limit, struct err *e)
{
    memcpy(s->up_to, after, sizeof s->up_to);
    int rc = app_check_reader(s->app, e);
    if (rc == 0)
        rc = store_scan_case_ids(ledger_reader(s->app->ledger), after, last, limit, scan_row, s, &s->looked_at, e);
    s->is_complete = rc == 0 && s->looked_at < limit;
    if (s->is_complete)
        memcpy(s->up_to, last, sizeof s->up_to);
    return rc;
}

/* ---- RECONCILE ---- */

#define ROWS_FULL 1 /* a callback's answer: no room */

struct answer {
    struct buf rows;
    size_t row_count;
    size_t range_start; /* bytes of rows when the range began */
    uint32_t range_count;
    uint8_t sum[RECONCILE_SUM_SIZE];
    uint8_t differing[WIRE_RANGES_MAX];
    size_t differing_count;
};

static int answer_row(void *ctx, const struct reconcile_row *row, bool was_damaged)
{
    struct answer *w = ctx;
    (void)was_damaged; /* it is being repaired, and counts as whole */
    if (w->rows.size / WIRE_ROW_BYTES >= WIRE_ROWS_MAX)
        return ROWS_FULL;
    reconcile_row_put(&w->rows, row);
    reconcile_sum_add(w->sum, row);
    w->range_count++;
    return 0;
}

/* One range; false when the answer ends inside of it, at s->up_to. */
static int answer_range(struct answer *w, struct reconcile_scan *s, const uint8_t *range, uint8_t number,
                        const uint8_t after[CASE_ID_SIZE], size_t budget, struct err *e)
{
    w->range_start = w->rows.size;
    w->range_count = 0;
    memset(w->sum, 0, sizeof w->sum);
    int rc = app_reconcile_scan(s, after, range, budget, e);
    if (rc < 0)
        return rc;
    bool same = s->is_complete && w->range_count == get_be32(range + CASE_ID_SIZE) &&
                memcmp(w->sum, range + CASE_ID_SIZE + 4, sizeof w->sum) == 0;
    if (same)
        w->rows.size = w->range_start; /* nothing to tell */
    else if (memcmp(s->up_to, after, CASE_ID_SIZE) != 0)
        w->differing[w->differing_count++] = number;
    return 0;
}

void app_answer_reconcile(struct app *a, uint32_t peer, uint64_t handle, const struct wire_reconcile *in)
{
    struct answer w = {0};
    struct err e = {0};
    struct reconcile_scan s = {.app = a, .peer = peer, .cb = answer_row, .ctx = &w, .is_complete = true};
    struct wire_msg m = {.type = WIRE_RECONCILED};
    size_t budget = ANSWER_SCAN_ROWS, count = in->ranges.size / WIRE_RANGE_BYTES;
    int rc = 0;
    memcpy(m.u.reconciled.up_to, in->after, CASE_ID_SIZE);
    for (size_t i = 0; rc == 0 && i < count && s.is_complete && budget > 0; i++) {
        uint8_t after[CASE_ID_SIZE];
        memcpy(after, m.u.reconciled.up_to, sizeof after);
        rc = answer_range(&w, &s, in->ranges.data + i * WIRE_RANGE_BYTES, (uint8_t)i, after, budget, &e);
        budget -= min_of(budget, s.looked_at);
        memcpy(m.u.reconciled.up_to, s.up_to, CASE_ID_SIZE);
    }
    m.u.reconciled.differing = bytes_of(w.differing, w.differing_count);
    m.u.reconciled.rows = buf_bytes(&w.rows);
    if (rc == 0)
        replication_answer(a->replication, handle, &m);
    else
        replication_answer_error(a->replication, handle, WIRE_ERROR_UNAVAILABLE, e.id, e.message);
    buf_close(&w.rows);
}

/* ---- CASES_PULL ---- */

static void put_entries(const struct reconcile_side *side, struct arena *mem, struct bytes *ret)
{
    uint8_t *records = arena_alloc(mem, side->entry_count * WIRE_HELD_BYTES + 1);
    for (size_t i = 0; i < side->entry_count; i++) {
        uint8_t *record = records + i * WIRE_HELD_BYTES;
        put_be32(record, side->entries[i].origin);
        put_be64(record + 4, side->entries[i].index);
        memcpy(record + 12, side->entries[i].hash, 32);
    }
    *ret = bytes_of(records, side->entry_count * WIRE_HELD_BYTES);
}

/* False when it does not fit into this answer. */
static bool answer_case(struct app *a, uint32_t peer, const uint8_t id[CASE_ID_SIZE], struct wire_case_held *list,
                        size_t *count, size_t *entries, struct arena *mem)
{
    struct reconcile_side side;
    if (!app_reconcile_takes_part(a, id, peer) || app_reconcile_load(a, id, peer, mem, &side, NULL) != 0 ||
        !side.is_held)
        return true; /* nothing is said */
    if (*entries + side.entry_count > WIRE_HELD_MAX)
        return false;
    if (side.row_differs)
        app_reconcile_rewrite(a, id);
    struct wire_case_held *held = &list[(*count)++];
    *held = (struct wire_case_held){.flags = (side.is_frozen ? WIRE_HELD_FROZEN : 0u) |
                                             (side.has_unknown_rules ? WIRE_HELD_RULES_UNKNOWN : 0u) |
                                             (side.row_differs ? WIRE_HELD_ROW_DIFFERS : 0u),
                                    .pending = side.pending};
    memcpy(held->case_id, id, sizeof held->case_id);
    memcpy(held->digest, side.digest, sizeof held->digest);
    put_entries(&side, mem, &held->entries);
    *entries += side.entry_count;
    return true;
}

void app_answer_cases_pull(struct app *a, uint32_t peer, uint64_t handle, const struct wire_key_pull *pull)
{
    struct arena mem = ARENA_INIT;
    struct wire_case_held *list = arena_alloc(&mem, pull->case_count * sizeof *list);
    size_t entries = 0, count = 0;
    uint32_t covered = 0;
    while (covered < pull->case_count && answer_case(a, peer, pull->cases[covered], list, &count, &entries, &mem))
        covered++;
    struct wire_msg m = {.type = WIRE_CASES_HELD};
    m.u.cases_held = (struct wire_cases_held){.covered = covered, .cases = list, .case_count = count};
    if (ledger_reader(a->ledger) != NULL)
        replication_answer(a->replication, handle, &m);
    else
        replication_answer_error(a->replication, handle, WIRE_ERROR_UNAVAILABLE, "reconcile.stopped",
                                 "the ledger cannot be read now");
    arena_close(&mem);
}
