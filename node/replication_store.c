/* Verified batches on their way to the disk (see replication.h and replication_internal.h).
 *
 * SYNC_ACTION_STORE -> entries, cover and position in one transaction, with the rows that follow from them (on_entries) ->
 * commit -> on_stored, STORED. Of one peer's batches one is at the ledger, the others wait: what on_entries makes of a batch
 * may rest on rows of those before it. Verifying is not held up by that. What peers have acknowledged is written with whatever is
 * written next.
 */
#include <stdlib.h>
#include <string.h>

#include "federation/ledger/cover.h"
#include "node/base/clock.h"
#include "node/base/mutant.h"
#include "node/base/xassert.h"
#include "node/replication_internal.h"

#define ACK_FLUSH_MS 5000u

/* A batch on its way to the disk: at the ledger, or waiting for the one before it. */
struct storing {
    struct list link; /* peer_state.waiting */
    struct replication *r;
    struct inbound *inbound; /* referenced; holds all the rest */
    const struct sync_action *action;
    const struct sync_entry *entries; /* decoded when it begins; else NULL */
    struct bytes note;                /* that will be stored */
};

static struct storing *storing_create(struct replication *r, const struct sync_action *a, struct inbound *inbound)
{
    struct storing *s = xcalloc(1, sizeof *s);
    *s = (struct storing){.r = r, .inbound = inbound, .action = a};
    list_init(&s->link);
    inbound->references++;
    return s;
}

static void storing_destroy(struct storing *s)
{
    replication_inbound_release(s->inbound);
    free(s);
}

void replication_store_forget(struct peer_state *p)
{
    struct list *at;
    while ((at = list_pop_first(&p->waiting)) != NULL)
        storing_destroy(container_of(at, struct storing, link));
}

static void tell_catch_up(struct peer_state *p, const struct sync_action *a)
{
    char text[200], peer[12];
    enum catch_up_say say =
        catch_up_note(&p->catch_up, clock_mono_ms(), a->cursor.range.size, a->cursor.head_size, a->entry_count);
    catch_up_text(&p->catch_up, text, sizeof text);
    if (say == CATCH_UP_OVER)
        log_info("replication", replication_code(a->peer, peer), "peer.caught-up", "caught up: %s", text);
    else if (say != CATCH_UP_NOTHING)
        log_info("replication", replication_code(a->peer, peer), "peer.catching-up", "catching up: %s", text);
}

static void begin(struct peer_state *p, struct storing *s);

/* @p is NULL when the peer was removed meanwhile. @was_tried: the ledger had it, so that a disk that refused may have it. */
static void ended(struct peer_state *p, const struct storing *s, bool was_tried, const struct err *e)
{
    struct replication *r = s->r;
    const struct sync_action *a = s->action;
    bool ok = e->code == 0;
    if (ok && p != NULL) {
        buf_reset(&p->note);
        buf_put(&p->note, s->note.data, s->note.size);
        tell_catch_up(p, a);
    }
    if (p != NULL && (e->code == ERR_INVALID || e->code == ERR_LIMIT || e->code == ERR_CONFLICT)) {
        xassert(e->message[0] != '\0');
        memcpy(p->refused, e->message, sizeof p->refused);
        replication_alarm(r, a->peer, "sync.refused-by-store", e->message);
        sync_halt_peer(r->sync, a->peer, e->message);
    }
    if (!ok && p != NULL)
        replication_store_forget(p); /* what lies behind it is void, for sync too */
    struct sync_event event = {.type = ok ? SYNC_EVENT_STORED : SYNC_EVENT_STORE_FAILED,
                               .peer = a->peer,
                               .token = a->token,
                               .is_unsure = !ok && was_tried};
    if (r->link != NULL)
        replication_step(r, &event, s->inbound); /* first: the next PULL carries the acknowledgement */
}

static void stored_cb(void *ctx, const struct err *e)
{
    struct storing *s = ctx;
    struct replication *r = s->r;
    struct peer_state *p = replication_find(r, s->action->peer);
    if (p != NULL && p->running != s)
        p = NULL; /* removed, and there again */
    if (p != NULL)
        p->running = NULL;
    uint32_t peer = s->action->peer;
    ended(p, s, true, e);
    r->config.on_stored(r->config.ctx, peer, s->entries, s->action->entry_count, e->code == 0);
    storing_destroy(s);
    p = replication_find(r, peer);
    if (p != NULL && r->link != NULL && p->running == NULL && !list_is_empty(&p->waiting))
        begin(p, container_of(list_pop_first(&p->waiting), struct storing, link));
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

static void add_entries(const struct storing *s, struct ledger_txn *txn)
{
    uint64_t now = clock_wall_ms();
    const struct sync_action *a = s->action;
    for (size_t i = 0; i < a->entry_count; i++) {
        const struct sync_entry *in = &s->entries[i];
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
static void add_cover(const struct storing *s, struct ledger_txn *txn)
{
    const struct sync_action *a = s->action;
    bool has_case = false;
    for (size_t i = 0; i < a->entry_count; i++)
        has_case = has_case || leaf_is_case_event(&s->entries[i].leaf);
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

static void add_position(const struct storing *s, struct ledger_txn *txn)
{
    const struct sync_action *a = s->action;
    const struct sync_confirmed *confirmed = &a->cursor.confirmed;
    struct buf frontier = {0};
    crange_encode(&a->cursor.range, &frontier);
    struct store_replica row = {.origin = a->peer,
                                .confirmed_seq_me = confirmed->seq_me,
                                .confirmed_seq_public = confirmed->seq_public,
                                .size = a->cursor.range.size,
                                .seq_me = a->cursor.seq_me,
                                .seq_public = a->cursor.seq_public,
                                .note = s->note,
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
}

/* Takes @s. What the entries before it changed is durable: whatever follows from these may read it in the store. */
static void begin(struct peer_state *p, struct storing *s)
{
    struct replication *r = s->r;
    const struct sync_action *a = s->action;
    struct err e = {0};
    if (ledger_check_writable(r->ledger, &e) != 0) {
        (void)err_set(&e, ERR_BUSY, "ledger.stopped",
                      "the ledger takes nothing now"); /* whatever the reason: not this batch */
        ended(p, s, false, &e);
        storing_destroy(s);
        return;
    }
    struct store_reader *reader = ledger_reader(r->ledger);
    bool begun = reader != NULL && store_read_begin(reader, NULL) == 0; /* thousands of small reads: in one snapshot */
    r->stats.batches_in++;
    r->stats.entries_in += a->entry_count;
    struct ledger_txn *txn = ledger_txn_create(r->ledger);
    s->entries = sync_entries(a, &s->inbound->arena);
    s->note = a->note.size > 0 ? a->note : arena_bytes(ledger_txn_arena(txn), buf_bytes(&p->note));
    if (!MUTANT(cursor_alone))
        add_entries(s, txn);
    add_cover(s, txn);
    add_position(s, txn);
    add_dirty_acks(r, txn);
    r->config.on_entries(r->config.ctx, a->peer, s->entries, a->entry_count, a->grants, txn);
    p->running = s;
    ledger_commit(txn, stored_cb, s);
    if (begun)
        store_read_end(reader);
}

void replication_store(struct replication *r, const struct sync_action *a, struct inbound *inbound)
{
    struct peer_state *p = replication_find(r, a->peer);
    if (p == NULL || (p->refused[0] != '\0' && !MUTANT(frozen_stored)))
        return; /* halted by what this very batch showed: its checkpoint contradicts an earlier one */
    struct storing *s = storing_create(r, a, inbound);
    if (p->running == NULL && list_is_empty(&p->waiting))
        begin(p, s);
    else
        list_append(&p->waiting, &s->link);
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
