/* Reconciliation: sums and causes (see reconcile.h). */
#include "node/reconcile.h"

#include <string.h>

#include "certs/crypto.h"
#include "node/base/xassert.h"

bool reconcile_is_due(uint64_t china_ms, uint64_t due_ms, uint64_t last_day)
{
    return china_ms / RECONCILE_DAY_MS != last_day && china_ms % RECONCILE_DAY_MS >= due_ms;
}

void reconcile_sum_add(uint8_t sum[RECONCILE_SUM_SIZE], const struct reconcile_row *row)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    const struct bytes parts[] = {bytes_of(row->case_id, sizeof row->case_id),
                                  bytes_of(row->digest, sizeof row->digest)};
    crypto_sha256(parts, array_count(parts), hash);
    for (size_t i = 0; i < RECONCILE_SUM_SIZE; i++)
        sum[i] ^= hash[i];
}

void reconcile_row_put(struct buf *out, const struct reconcile_row *row)
{
    uint8_t events[4];
    put_be32(events, row->events);
    buf_put(out, row->case_id, sizeof row->case_id);
    buf_put(out, row->digest, sizeof row->digest);
    buf_put(out, events, sizeof events);
}

void reconcile_row_get(const uint8_t *record, struct reconcile_row *ret)
{
    memcpy(ret->case_id, record, sizeof ret->case_id);
    memcpy(ret->digest, record + sizeof ret->case_id, sizeof ret->digest);
    ret->events = get_be32(record + sizeof ret->case_id + sizeof ret->digest);
}

/* ---- rows against rows ---- */

#define RECORD_BYTES 52u /* ranges and rows alike */

/* Own rows [from, to) and the peer's records, both ascending: every case that is not the same on both sides. */
static void compare_rows(const struct reconcile_row *own, size_t count, struct bytes records,
                         void (*suspect)(void *ctx, const uint8_t case_id[RECONCILE_ID_SIZE]), void *ctx)
{
    size_t i = 0, k = 0, record_count = records.size / RECORD_BYTES;
    while (i < count || k < record_count) {
        struct reconcile_row theirs;
        if (k < record_count)
            reconcile_row_get(records.data + k * RECORD_BYTES, &theirs);
        int order = i == count ? 1 : k == record_count ? -1 : memcmp(own[i].case_id, theirs.case_id, RECONCILE_ID_SIZE);
        if (order < 0)
            suspect(ctx, own[i].case_id);
        else if (order > 0 || memcmp(own[i].digest, theirs.digest, sizeof theirs.digest) != 0)
            suspect(ctx, theirs.case_id);
        i += order <= 0;
        k += order >= 0;
    }
}

/* How many records of @rows have ids up to @last. */
static size_t records_up_to(struct bytes rows, const uint8_t *last)
{
    size_t end = 0;
    while (end < rows.size / RECORD_BYTES && memcmp(rows.data + end * RECORD_BYTES, last, RECONCILE_ID_SIZE) <= 0)
        end++;
    return end;
}

const char *reconcile_compare(const struct reconcile_stretch *s, const uint8_t up_to[RECONCILE_ID_SIZE],
                              struct bytes differing, struct bytes rows,
                              void (*suspect)(void *ctx, const uint8_t case_id[RECONCILE_ID_SIZE]), void *ctx)
{
    const uint8_t *end = s->ranges + (s->range_count - 1) * RECORD_BYTES;
    if (memcmp(up_to, s->after, RECONCILE_ID_SIZE) <= 0 || memcmp(up_to, end, RECONCILE_ID_SIZE) > 0)
        return "an answer that covers nothing of what was asked, or more";
    for (size_t i = 0; i < differing.size; i++) {
        size_t range = differing.data[i];
        if (range >= s->range_count)
            return "an answer about a range that was not asked for";
        const uint8_t *last = s->ranges + range * RECORD_BYTES;
        const uint8_t *before = range == 0 ? s->after : last - RECORD_BYTES;
        if (rows.size > 0 && memcmp(rows.data, before, RECONCILE_ID_SIZE) <= 0)
            return "cases outside of the ranges that differ";
        if (memcmp(last, up_to, RECONCILE_ID_SIZE) > 0)
            last = up_to;
        size_t from = range == 0 ? 0 : s->range_rows[range - 1], to = from;
        while (to < s->range_rows[range] && memcmp(s->rows[to].case_id, last, RECONCILE_ID_SIZE) <= 0)
            to++;
        size_t count = records_up_to(rows, last);
        compare_rows(s->rows + from, to - from, bytes_of(rows.data, count * RECORD_BYTES), suspect, ctx);
        rows = bytes_of(rows.data + count * RECORD_BYTES, rows.size - count * RECORD_BYTES);
    }
    return rows.size == 0 ? NULL : "cases outside of the ranges that differ";
}

static const struct {
    const char *word, *repair, *text;
} causes[] = {
#define X(name, word, repair, text) [name] = {word, repair, text},
    RECONCILE_CAUSES(X)
#undef X
};

const char *reconcile_cause_word(enum reconcile_cause cause)
{
    xassert((size_t)cause < array_count(causes));
    return causes[cause].word;
}

const char *reconcile_cause_repair(enum reconcile_cause cause)
{
    xassert((size_t)cause < array_count(causes));
    return causes[cause].repair;
}

const char *reconcile_cause_text(enum reconcile_cause cause)
{
    xassert((size_t)cause < array_count(causes));
    return causes[cause].text;
}

bool reconcile_cause_escalates(enum reconcile_cause cause)
{
    return strcmp(reconcile_cause_repair(cause), "escalated") == 0;
}

/* ---- causes ---- */

struct findings {
    struct reconcile_finding *list;
    size_t count;
};

static void find_entry(struct findings *f, enum reconcile_cause cause, const struct reconcile_entry *entry)
{
    for (size_t i = 0; i < f->count; i++) {
        struct reconcile_finding *known = &f->list[i];
        if (known->cause == cause && known->origin == entry->origin) {
            known->last = entry->index;
            known->count++;
            return;
        }
    }
    if (f->count < RECONCILE_FINDINGS_MAX)
        f->list[f->count++] = (struct reconcile_finding){
            .cause = cause, .origin = entry->origin, .first = entry->index, .last = entry->index, .count = 1};
}

static void find_case(struct findings *f, enum reconcile_cause cause)
{
    if (f->count < RECONCILE_FINDINGS_MAX)
        f->list[f->count++] = (struct reconcile_finding){.cause = cause};
}

/* What both sides hold, and how far each has come. */
struct view {
    const struct reconcile_side *here, *there;
    const struct reconcile_progress *progress;
    /* Nothing is shown there, and the entry that tells the peer of a part in the case, its own or ours, may be on its way. */
    bool is_unaware_there;
    bool is_unaware_here; /* nothing is held here, and an entry of the case is on its way */
};

/* Held here and not there. The peer has confirmed an entry only if that came to it with the ledger. */
static enum reconcile_cause missing_there(const struct view *v, const struct reconcile_entry *entry)
{
    const struct reconcile_progress *p = v->progress;
    if (entry->origin == p->self)
        return entry->is_addressed && entry->index < p->acked && !v->is_unaware_there ? RECONCILE_LOST_THERE
                                                                                      : RECONCILE_LAG_THERE;
    return entry->origin == p->peer ? RECONCILE_DENIED : RECONCILE_THIRD_THERE;
}

/* An own entry of the peer may be newer than its answer, or be shown as soon as it knows that both take part: then nothing can be said
 * about it; what the peer waits for is named. */
static bool is_undecided_there(const struct view *v, const struct reconcile_entry *entry)
{
    return entry->origin == v->progress->peer && (v->is_unaware_there || entry->index >= v->progress->peer_held);
}

/* Held there and not here. Below the cursor of its ledger it was here once, or was not addressed to this node, which then asks for
 * it as soon as it knows that it takes part. */
static enum reconcile_cause missing_here(const struct view *v, const struct reconcile_entry *entry)
{
    const struct reconcile_progress *p = v->progress;
    if (entry->origin == p->self)
        return RECONCILE_OWN_UNKNOWN;
    bool is_coming = v->here->is_joining || v->is_unaware_here || entry->index >= p->held(p->ctx, entry->origin);
    return is_coming ? RECONCILE_LAG_HERE : RECONCILE_MISSING_HERE;
}

static struct view make_view(const struct reconcile_side *here, const struct reconcile_side *there,
                             const struct reconcile_progress *p)
{
    struct view v = {.here = here, .there = there, .progress = p};
    for (size_t i = 0; !there->is_held && i < here->entry_count; i++) {
        const struct reconcile_entry *entry = &here->entries[i];
        v.is_unaware_there |= entry->origin == p->self ? entry->index >= p->acked : entry->origin != p->peer;
    }
    for (size_t i = 0; !here->is_held && i < there->entry_count; i++) {
        const struct reconcile_entry *entry = &there->entries[i];
        v.is_unaware_here |= entry->origin != p->self && entry->index >= p->held(p->ctx, entry->origin);
    }
    return v;
}

static int compare_place(const struct reconcile_entry *a, const struct reconcile_entry *b)
{
    if (a->origin != b->origin)
        return a->origin < b->origin ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* False: they differ, maybe only because the answer is older. */
static bool compare_entries(const struct reconcile_side *here, const struct reconcile_side *there,
                            const struct reconcile_progress *p, struct findings *f)
{
    const struct view v = make_view(here, there, p);
    bool is_same = true;
    size_t i = 0, k = 0;
    while (i < here->entry_count || k < there->entry_count) {
        const struct reconcile_entry *a = i < here->entry_count ? &here->entries[i] : NULL;
        const struct reconcile_entry *b = k < there->entry_count ? &there->entries[k] : NULL;
        int order = a == NULL ? 1 : b == NULL ? -1 : compare_place(a, b);
        bool is_fork = order == 0 && memcmp(a->hash, b->hash, sizeof a->hash) != 0;
        if (order < 0 && !is_undecided_there(&v, a))
            find_entry(f, missing_there(&v, a), a);
        else if (order > 0)
            find_entry(f, missing_here(&v, b), b);
        else if (is_fork)
            find_entry(f, RECONCILE_FORK, a);
        is_same = is_same && order == 0 && !is_fork;
        i += order <= 0;
        k += order >= 0;
    }
    return is_same;
}

size_t reconcile_judge(const struct reconcile_side *here, const struct reconcile_side *there,
                       const struct reconcile_progress *progress, struct reconcile_finding ret[RECONCILE_FINDINGS_MAX])
{
    struct findings f = {.list = ret};
    if (here->row_differs)
        find_case(&f, RECONCILE_ROW_HERE);
    if (there->row_differs)
        find_case(&f, RECONCILE_ROW_THERE);
    bool same_entries = compare_entries(here, there, progress, &f);
    bool same_digest = memcmp(here->digest, there->digest, sizeof here->digest) == 0;
    if (same_entries && !same_digest) {
        if (here->has_unknown_rules != there->has_unknown_rules)
            find_case(&f, RECONCILE_RULES);
        else if (here->is_frozen != there->is_frozen)
            find_case(&f, RECONCILE_FROZEN);
        else
            find_case(&f, RECONCILE_FAULT);
    } else if (!same_entries && (here->pending > 0 || there->pending > 0)) {
        find_case(&f, RECONCILE_PENDING);
    }
    if (f.count == 0)
        find_case(&f, RECONCILE_SETTLED);
    return f.count;
}
