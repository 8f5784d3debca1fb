/* Verified batches on their way to the disk (see replication.h and replication_internal.h).
 *
 * SYNC_ACTION_STORE -> entries, cover and position in one transaction, with the rows that follow from them (on_entries) ->
 * commit -> on_stored, STORED. What peers have acknowledged is written with whatever is written next.
 */
#include <stdlib.h>
#include <string.h>

#include "federation/ledger/cover.h"
#include "node/base/clock.h"
#include "node/base/mutant.h"
#include "node/replication_internal.h"

#define ACK_FLUSH_MS 5000u

/* A batch on its way to the disk. */
struct storing {
    struct replication *r;
    struct inbound *inbound;
    uint32_t peer;
    uint64_t token;
    const struct sync_entry *entries;
    size_t count;
    struct bytes note;
    uint64_t held, known;
};

static void tell_catch_up(struct peer_state *p, const struct storing *s)
{
    char text[200], peer[12];
    enum catch_up_say say = catch_up_note(&p->catch_up, clock_mono_ms(), s->held, s->known, s->count);
    catch_up_text(&p->catch_up, text, sizeof text);
    if (say == CATCH_UP_OVER)
        log_info("replication", replication_code(s->peer, peer), "peer.caught-up", "caught up: %s", text);
    else if (say != CATCH_UP_NOTHING)
        log_info("replication", replication_code(s->peer, peer), "peer.catching-up", "catching up: %s", text);
}

static void stored_cb(void *ctx, const struct err *e)
{
    struct storing *s = ctx;
    struct replication *r = s->r;
    bool ok = e->code == 0;
    struct peer_state *p = replication_find(r, s->peer);
    if (ok && p != NULL) {
        buf_reset(&p->note);
        buf_put(&p->note, s->note.data, s->note.size);
        tell_catch_up(p, s);
    }
    if (p != NULL && (e->code == ERR_INVALID || e->code == ERR_LIMIT || e->code == ERR_CONFLICT)) {
        p->refused = *e;
        replication_alarm(r, s->peer, "sync.refused-by-store", e->message);
        sync_halt_peer(r->sync, s->peer, e->message);
    }
    struct sync_event event = {
        .type = ok ? SYNC_EVENT_STORED : SYNC_EVENT_STORE_FAILED, .peer = s->peer, .token = s->token};
    if (r->link != NULL)
        replication_step(r, &event, s->inbound); /* first: the next PULL carries the acknowledgement */
    r->config.on_stored(r->config.ctx, s->peer, s->entries, s->count, ok);
    replication_inbound_release(s->inbound);
    free(s);
}

static void add_dirty_acks(struct replication *r, struct ledger_txn *txn)
{
    size_t at = 0;
    void *value;
    while (map_next(&r->peers, &at, NULL, &value)) {
        struct peer_state *p = value;
        if (!p->ack_dirty)
            continue;
        p->ack_dirty = false;
        ledger_txn_ack(txn, &(struct store_ack){.peer = p->view.code, .size = p->acked, .at_ms = clock_wall_ms()});
    }
}

static void add_entries(const struct sync_action *a, struct ledger_txn *txn)
{
    uint64_t now = clock_wall_ms();
    for (size_t i = 0; i < a->entry_count; i++) {
        const struct sync_entry *in = &a->entries[i];
        struct store_entry row = {.origin = a->peer,
                                  .index = in->leaf.index,
                                  .leaf = in->bytes,
                                  .payload = in->payload,
                                  .payload_held = in->payload_held,
                                  .stored_ms = now};
        memcpy(row.hash, in->hash.b, sizeof row.hash);
        memcpy(row.case_id, in->leaf.case_id, sizeof row.case_id);
        row.has_case = leaf_is_case_event(&in->leaf);
        ledger_txn_entry(txn, &row);
    }
}

/* Entries of cases may have to be shown to a node that takes part later: what proves them is kept with them. */
static void add_cover(const struct sync_action *a, struct ledger_txn *txn)
{
    bool has_case = false;
    for (size_t i = 0; i < a->entry_count; i++)
        has_case = has_case || leaf_is_case_event(&a->entries[i].leaf);
    if (!has_case)
        return;
    struct buf parts = {0};
    cover_encode(a->range_before, a->frontier, &parts);
    struct store_cover row = {
        .origin = a->peer, .from = a->frontier->from, .size = a->frontier->target, .note = a->note};
    row.parts = arena_bytes(ledger_txn_arena(txn), buf_bytes(&parts));
    ledger_txn_cover(txn, &row);
    buf_close(&parts);
}

void replication_store(struct replication *r, const struct sync_action *a, struct inbound *inbound)
{
    struct err e = {0};
    const struct peer_state *p = replication_find(r, a->peer);
    if (p != NULL && p->refused.code != 0 && !MUTANT(frozen_stored))
        return; /* halted by what this very batch showed: its checkpoint contradicts an earlier one */
    if (ledger_check_writable(r->ledger, &e) != 0) {
        struct sync_event event = {.type = SYNC_EVENT_STORE_FAILED, .peer = a->peer, .token = a->token};
        replication_step(r, &event, inbound);
        return;
    }
    r->stats.batches_in++;
    r->stats.entries_in += a->entry_count;
    struct ledger_txn *txn = ledger_txn_create(r->ledger);
    if (!MUTANT(cursor_alone))
        add_entries(a, txn);
    add_cover(a, txn);
    struct bytes note =
        a->note.size > 0 || p == NULL ? a->note : arena_bytes(ledger_txn_arena(txn), buf_bytes(&p->note));
    struct buf frontier = {0};
    crange_encode(&a->cursor.range, &frontier);
    const struct sync_confirmed *confirmed = &a->cursor.confirmed;
    struct store_replica row = {.origin = a->peer,
                                .confirmed_seq_me = confirmed->seq_me,
                                .confirmed_seq_public = confirmed->seq_public,
                                .size = a->cursor.range.size,
                                .seq_me = a->cursor.seq_me,
                                .seq_public = a->cursor.seq_public,
                                .note = note,
                                .note_size = a->cursor.head_size,
                                .checked_ms = clock_wall_ms()};
    row.frontier = arena_bytes(ledger_txn_arena(txn), buf_bytes(&frontier));
    if (confirmed->range.size > 0) {
        buf_reset(&frontier);
        crange_encode(&confirmed->range, &frontier);
        row.confirmed = arena_bytes(ledger_txn_arena(txn), buf_bytes(&frontier));
    }
    buf_close(&frontier);
    ledger_txn_replica(txn, &row);
    add_dirty_acks(r, txn);
    r->config.on_entries(r->config.ctx, a->peer, a->entries, a->entry_count, a->grants, txn);

    struct storing *s = xcalloc(1, sizeof *s);
    *s = (struct storing){.r = r,
                          .inbound = inbound,
                          .peer = a->peer,
                          .token = a->token,
                          .entries = a->entries,
                          .count = a->entry_count,
                          .note = note,
                          .held = a->cursor.range.size,
                          .known = a->cursor.head_size};
    inbound->references++;
    ledger_commit(txn, stored_cb, s);
}

void replication_store_acked(struct replication *r, uint32_t peer, uint64_t size)
{
    struct peer_state *p = replication_find(r, peer);
    if (p == NULL)
        return;
    p->acked = size;
    p->ack_dirty = true;
    if (!r->ack_flush_set) {
        r->ack_flush_set = true;
        loop_timer_set(r->ack_timer, ACK_FLUSH_MS);
    }
    r->config.on_acked(r->config.ctx, peer, size);
}

static void ack_flushed(void *ctx, const struct err *e)
{
    (void)ctx;
    (void)e; /* for displays only: the peer's next PULL says it again */
}

/* Positions of peers are written with whatever is written next; when nothing is, on their own after a while. */
void replication_store_ack_timer_cb(void *ctx)
{
    struct replication *r = ctx;
    r->ack_flush_set = false;
    if (r->link == NULL || ledger_check_writable(r->ledger, NULL) != 0)
        return;
    struct ledger_txn *txn = ledger_txn_create(r->ledger);
    add_dirty_acks(r, txn);
    ledger_commit(txn, ack_flushed, NULL);
}
