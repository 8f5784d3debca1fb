/* Replication (see replication.h).
 *
 * Happy path of an own entry: ledger seals -> replication_sealed() -> SYNC_ACTION_BATCH for each parked PULL -> reply.
 * Happy path of a peer's: link reply -> decode -> SYNC_ACTION_STORE -> on_entries -> commit -> on_stored, STORED -> PULL.
 * Failure modes: a message that does not decode is a failed reply or an error answer; a request the link cannot take is
 * a failed reply; a commit that fails is STORE_FAILED, and the ledger's reload sets every peer's cursor anew.
 */
#include "node/replication.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation/ledger/cover.h"
#include "federation/sync/batch.h"
#include "federation/wire/wire.h"
#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/map.h"
#include "node/base/mutant.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

#define ACK_FLUSH_MS 5000u
#define ASK_TOKEN_BIT (UINT64_C(1) << 63) /* sync's own tokens count up from 1 */

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
    struct err refused; /* code != 0: nothing is pulled until a restart: the store does not take its entries, or it is
                           disputed */
};

/* A request that is not sync's, waiting for its answer. */
struct ask {
    struct list link;
    struct loop_item later; /* failed at once */
    struct replication *r;
    uint64_t token;
    replication_ask_cb cb;
    void *ctx;
    struct err error;
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

static void step(struct replication *r, struct sync_event *event, struct inbound *inbound);

static struct peer_state *find(const struct replication *r, uint32_t code)
{
    return map_get(&r->peers, &code, sizeof code);
}

static struct inbound *inbound_create(void)
{
    struct inbound *in = xcalloc(1, sizeof *in);
    in->references = 1;
    return in;
}

static void inbound_release(struct inbound *in)
{
    if (--in->references > 0)
        return;
    arena_close(&in->arena);
    free(in);
}

static const char *code_text(uint32_t code, char out[12])
{
    (void)snprintf(out, 12, "%u", code);
    return out;
}

/* ---- what sync asks ---- */

static int host_open_checkpoint(void *ctx, uint32_t origin, struct bytes note, struct checkpoint *ret, struct err *e)
{
    struct replication *r = ctx;
    const struct member *member = members_find(r->config.members, origin);
    if (member == NULL)
        return err_set(e, ERR_NOT_FOUND, "sync.no-member", "node %u is no member", origin);
    struct checkpoint_opened opened;
    int rc = checkpoint_open(note, &member->key, NULL, 0, &opened, e);
    if (rc == 0)
        *ret = opened.head;
    return rc;
}

static uint64_t host_own_size(void *ctx)
{
    struct replication *r = ctx;
    return ledger_head(r->ledger)->size;
}

static int host_own_root_at(void *ctx, uint64_t size, struct merkle_hash *ret, struct err *e)
{
    struct replication *r = ctx;
    return ledger_root_at(r->ledger, size, ret, e);
}

static uint64_t host_addressed_end(void *ctx, uint32_t peer, uint64_t *ret_seq, uint64_t *ret_public_seq)
{
    struct replication *r = ctx;
    struct store_addressed own = ledger_last_addressed(r->ledger, peer);
    struct store_addressed everyone = ledger_last_addressed(r->ledger, LEAF_NODE_ALL);
    uint64_t own_end = own.seq == 0 ? 0 : own.index + 1;
    uint64_t everyone_end = everyone.seq == 0 ? 0 : everyone.index + 1;
    *ret_seq = own.seq;
    *ret_public_seq = everyone.seq;
    struct store_addressed heads = ledger_last_addressed(r->ledger, STORE_NODE_HEADS);
    uint64_t heads_end = heads.seq == 0 ? 0 : heads.index + 1;
    /* What is queued but not sealed does not count yet: the seal will wake the same peers again. */
    return min_of(max_of(max_of(own_end, everyone_end), heads_end), ledger_head(r->ledger)->size);
}

static uint64_t host_known_size(void *ctx, uint32_t peer)
{
    struct replication *r = ctx;
    struct sync_peer_info info = {0};
    (void)sync_peer_info(r->sync, peer, &info);
    return max_of(info.head_size, r->config.cosigned_size(r->config.node_ctx, peer));
}

/* ---- actions ---- */

static bool encode(struct replication *r, const struct wire_msg *m)
{
    struct err e = {0};
    buf_reset(&r->scratch);
    if (wire_encode(m, &r->scratch, &e) == 0)
        return true;
    log_error("replication", NULL, e.id, "cannot encode a message: %s", e.message);
    return false;
}

static void send_reply(struct replication *r, uint64_t handle, const struct wire_msg *m)
{
    if (encode(r, m))
        link_reply(r->link, handle, buf_bytes(&r->scratch));
    else
        link_drop(r->link, handle);
}

static void send_request(struct replication *r, const struct sync_action *a)
{
    struct err e = {0};
    int rc = ERR_INTERNAL;
    if (encode(r, &a->message))
        rc = link_request(r->link, a->peer, buf_bytes(&r->scratch), a->token, a->timeout_ms, &e);
    if (rc != 0) {
        r->stats.requests_failed++;
        struct inbound *in = inbound_create();
        struct sync_event event = {.type = SYNC_EVENT_REPLY_FAILED,
                                   .peer = a->peer,
                                   .token = a->token,
                                   .text = arena_strdup(&in->arena, e.message)};
        step(r, &event, in); /* leads to a wait, never to a request: no recursion beyond this */
        inbound_release(in);
    }
}

static int source_addressed(void *ctx, uint32_t peer, uint64_t from, uint64_t below, size_t limit, struct arena *a,
                            uint64_t **ret, size_t *ret_count, struct err *e)
{
    struct replication *r = ctx;
    return ledger_read_addressed(r->ledger, peer, from, below, limit, a, ret, ret_count, e);
}

static int source_entry(void *ctx, uint64_t index, struct arena *a, struct bytes *ret_leaf, struct bytes *ret_payload,
                        bool *ret_held, struct err *e)
{
    struct replication *r = ctx;
    return ledger_read_entry(r->ledger, index, a, ret_leaf, ret_payload, ret_held, e);
}

static bool source_last_heads(void *ctx, uint64_t from, uint64_t below, uint64_t *ret_index)
{
    struct replication *r = ctx;
    return ledger_last_heads(r->ledger, from, below, ret_index);
}

static void send_batch(struct replication *r, const struct sync_action *action)
{
    struct arena a = ARENA_INIT;
    struct err e = {0};
    struct wire_msg m = {.type = WIRE_BATCH};
    const struct ledger_head *head = ledger_head(r->ledger);
    int rc = ledger_check_shown(r->ledger, &e);
    if (rc == 0) {
        struct batch_source source = {.ctx = r,
                                      .tree = ledger_source(r->ledger),
                                      .addressed = source_addressed,
                                      .last_heads = source_last_heads,
                                      .entry = source_entry};
        rc = batch_build(&source, r->config.self, action->peer, action->from, head->size, head->note, action->bytes_max,
                         &a, &m.u.batch, &e);
    }
    if (rc == 0) {
        r->stats.batches_out++;
        for (size_t i = 0; i < m.u.batch.frontier.item_count; i++)
            r->stats.entries_out += m.u.batch.frontier.items[i].kind == FRONTIER_KIND_ENTRY;
        m.u.batch.more = m.u.batch.frontier.to < m.u.batch.frontier.target;
        m.u.batch.grants = r->config.make_grants(r->config.ctx, action->peer, &m.u.batch, &a);
    } else {
        char peer[12];
        log_warn("replication", code_text(action->peer, peer), e.id, "cannot answer a PULL: %s", e.message);
        m = (struct wire_msg){.type = WIRE_ERROR};
        m.u.error = (struct wire_error){.code = WIRE_ERROR_UNAVAILABLE,
                                        .id = "sync.unavailable",
                                        .retry_ms = 1000,
                                        .message = "the ledger cannot be read now"};
    }
    send_reply(r, action->handle, &m);
    arena_close(&a);
}

static void alarm_raise(struct replication *r, uint32_t about, const char *id, const char *text)
{
    char peer[12];
    struct alarm *alarm = NULL;
    r->stats.batches_refused++;
    for (uint32_t i = 0; i < min_of(r->stats.alarm_count, REPLICATION_ALARMS_MAX); i++)
        if (r->alarms[i].peer == about && strcmp(r->alarms[i].id, id) == 0)
            alarm = &r->alarms[i];
    if (alarm == NULL) {
        alarm = &r->alarms[r->stats.alarm_count++ % REPLICATION_ALARMS_MAX];
        *alarm = (struct alarm){.peer = about, .first_ms = clock_wall_ms()};
        (void)snprintf(alarm->id, sizeof alarm->id, "%s", id);
    }
    alarm->count++;
    alarm->last_ms = clock_wall_ms();
    (void)snprintf(alarm->text, sizeof alarm->text, "%s", text);
    utf8_trim_partial(alarm->text);
    uint32_t dropped = 0;
    if (!log_limit_pass(&alarm->limit, clock_mono_ms(), 3, 10000, &dropped))
        return;
    if (dropped == 0)
        log_error("replication", code_text(about, peer), id, "%s", text);
    else
        log_error("replication", code_text(about, peer), id, "%s (and %u times more meanwhile)", text, dropped);
}

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
        log_info("replication", code_text(s->peer, peer), "peer.caught-up", "caught up: %s", text);
    else if (say != CATCH_UP_NOTHING)
        log_info("replication", code_text(s->peer, peer), "peer.catching-up", "catching up: %s", text);
}

static void stored_cb(void *ctx, const struct err *e)
{
    struct storing *s = ctx;
    struct replication *r = s->r;
    bool ok = e->code == 0;
    struct peer_state *p = find(r, s->peer);
    if (ok && p != NULL) {
        buf_reset(&p->note);
        buf_put(&p->note, s->note.data, s->note.size);
        tell_catch_up(p, s);
    }
    if (p != NULL && (e->code == ERR_INVALID || e->code == ERR_LIMIT || e->code == ERR_CONFLICT)) {
        p->refused = *e;
        alarm_raise(r, s->peer, "sync.refused-by-store", e->message);
        sync_halt_peer(r->sync, s->peer, e->message);
    }
    struct sync_event event = {
        .type = ok ? SYNC_EVENT_STORED : SYNC_EVENT_STORE_FAILED, .peer = s->peer, .token = s->token};
    if (r->link != NULL)
        step(r, &event, s->inbound); /* first: the next PULL carries the acknowledgement */
    r->config.on_stored(r->config.ctx, s->peer, s->entries, s->count, ok);
    inbound_release(s->inbound);
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

static void store_batch_action(struct replication *r, const struct sync_action *a, struct inbound *inbound)
{
    struct err e = {0};
    const struct peer_state *p = find(r, a->peer);
    if (p != NULL && p->refused.code != 0 && !MUTANT(frozen_stored))
        return; /* halted by what this very batch showed: its checkpoint contradicts an earlier one */
    if (ledger_check_writable(r->ledger, &e) != 0) {
        struct sync_event event = {.type = SYNC_EVENT_STORE_FAILED, .peer = a->peer, .token = a->token};
        step(r, &event, inbound);
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

static void acked(struct replication *r, uint32_t peer, uint64_t size)
{
    struct peer_state *p = find(r, peer);
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
static void ack_timer_cb(void *ctx)
{
    struct replication *r = ctx;
    r->ack_flush_set = false;
    if (r->link == NULL || ledger_check_writable(r->ledger, NULL) != 0)
        return;
    struct ledger_txn *txn = ledger_txn_create(r->ledger);
    add_dirty_acks(r, txn);
    ledger_commit(txn, ack_flushed, NULL);
}

static void greeted(struct replication *r, const struct sync_action *a)
{
    struct peer_state *p = find(r, a->peer);
    if (p == NULL)
        return;
    p->view.skew_ms = a->skew_ms;
    (void)snprintf(p->view.software, sizeof p->view.software, "%s", a->message.u.hello.software);
    p->view.files_port = (uint16_t)a->message.u.hello.files_port;
    char code[12];
    if (a->skew_ms > 60000 || a->skew_ms < -60000)
        log_warn("peer", code_text(a->peer, code), "peer.clock-skew", "its clock differs from ours by %lld ms",
                 (long long)a->skew_ms);
    r->config.on_greeted(r->config.node_ctx, a->peer);
}

static void perform(struct replication *r, const struct sync_action *a, struct inbound *inbound)
{
    switch (a->type) {
    case SYNC_ACTION_REQUEST:
        send_request(r, a);
        break;
    case SYNC_ACTION_REPLY:
        send_reply(r, a->handle, &a->message);
        break;
    case SYNC_ACTION_BATCH: /* thousands of small reads each: in one snapshot */
    case SYNC_ACTION_STORE: {
        struct store_reader *reader = ledger_reader(r->ledger);
        bool begun = reader != NULL && store_read_begin(reader, NULL) == 0;
        if (a->type == SYNC_ACTION_BATCH)
            send_batch(r, a);
        else
            store_batch_action(r, a, inbound);
        if (begun)
            store_read_end(reader);
        break;
    }
    case SYNC_ACTION_ACKED:
        acked(r, a->peer, a->size);
        break;
    case SYNC_ACTION_REDIAL:
        link_redial(r->link, a->peer);
        break;
    case SYNC_ACTION_ALARM:
        alarm_raise(r, a->peer, a->alarm_id, a->text);
        break;
    case SYNC_ACTION_HELLO:
        greeted(r, a);
        break;
    case SYNC_ACTION_SEEN:
        r->config.on_seen(r->config.node_ctx, a->peer, &a->head, a->note, a->range);
        break;
    case SYNC_ACTION_BEHIND:
        r->config.on_behind(r->config.node_ctx, a->peer, a->size);
        break;
    }
}

/* One step and its actions. The actions live in @inbound's arena. */
static void step(struct replication *r, struct sync_event *event, struct inbound *inbound)
{
    struct sync_update update = {.arena = &inbound->arena};
    event->now_ms = clock_mono_ms();
    event->wall_ms = clock_wall_ms();
    sync_step(r->sync, event, &update);
    for (size_t i = 0; i < update.count; i++)
        perform(r, &update.actions[i], inbound);
    uint64_t at = sync_timeout(r->sync);
    if (at == UINT64_MAX)
        loop_timer_cancel(r->timer);
    else
        loop_timer_set(r->timer, at > event->now_ms ? at - event->now_ms : 0);
}

static void step_alone(struct replication *r, struct sync_event *event)
{
    struct inbound *in = inbound_create();
    step(r, event, in);
    inbound_release(in);
}

static void timer_cb(void *ctx)
{
    const struct replication *r = ctx;
    if (r->link == NULL)
        return;
    struct sync_event event = {.type = SYNC_EVENT_TIME};
    step_alone(ctx, &event);
}

void replication_sealed(struct replication *r)
{
    if (r->link == NULL)
        return; /* starting or closing: nobody asks */
    struct sync_event event = {.type = SYNC_EVENT_SEALED};
    step_alone(r, &event);
}

/* ---- requests that are not sync's ---- */

static struct ask *ask_create(struct replication *r, replication_ask_cb cb, void *ctx)
{
    struct ask *ask = xcalloc(1, sizeof *ask);
    list_init(&ask->later.link);
    ask->r = r;
    ask->cb = cb;
    ask->ctx = ctx;
    ask->token = ASK_TOKEN_BIT | ++r->asks_made;
    list_append(&r->asks, &ask->link);
    return ask;
}

static void ask_end(struct ask *ask, const struct wire_msg *answer, const struct err *e)
{
    list_remove(&ask->link);
    ask->cb(ask->ctx, answer, e);
    free(ask);
}

static void ask_failed(struct loop_item *item)
{
    struct ask *ask = container_of(item, struct ask, later);
    ask_end(ask, NULL, &ask->error);
}

void replication_ask(struct replication *r, uint32_t peer, const struct wire_msg *message, uint32_t timeout_ms,
                     replication_ask_cb cb, void *ctx)
{
    struct ask *ask = ask_create(r, cb, ctx);
    int rc;
    if (r->link == NULL)
        rc = err_set(&ask->error, ERR_CLOSED, "peer.closed", "the node is stopping");
    else if (!encode(r, message))
        rc = err_set(&ask->error, ERR_INTERNAL, "peer.encode", "the request could not be encoded");
    else
        rc = link_request(r->link, peer, buf_bytes(&r->scratch), ask->token, timeout_ms, &ask->error);
    if (rc == 0)
        return;
    ask->later.run = ask_failed;
    loop_post(r->config.loop, &ask->later);
}

/* The answer of peer, or NULL, to the request of @token, if there is still one. */
static void ask_answered(struct replication *r, uint64_t token, const struct wire_msg *answer, const char *why)
{
    list_for_each (at, &r->asks) {
        struct ask *ask = container_of(at, struct ask, link);
        if (ask->token != token)
            continue;
        struct err e = {0};
        if (answer != NULL && answer->type == WIRE_ERROR) {
            (void)err_set(&e, ERR_DENIED, "peer.refused", "%s (%s)", answer->u.error.message, answer->u.error.id);
            answer = NULL;
        } else if (answer == NULL) {
            (void)err_set(&e, ERR_CLOSED, "peer.no-answer", "%s", why);
        }
        ask_end(ask, answer, &e);
        return;
    }
}

/* Those that failed at once end by themselves: their item is in the loop. */
static void asks_close(struct replication *r)
{
    struct err e = {0};
    (void)err_set(&e, ERR_CLOSED, "peer.closed", "the node is stopping");
    list_for_each_safe (at, &r->asks) {
        struct ask *ask = container_of(at, struct ask, link);
        if (ask->error.code == 0)
            ask_end(ask, NULL, &e);
    }
}

void replication_answer(struct replication *r, uint64_t handle, const struct wire_msg *message)
{
    if (r->link != NULL)
        send_reply(r, handle, message);
}

void replication_answer_error(struct replication *r, uint64_t handle, enum wire_error_code code, const char *id,
                              const char *text)
{
    struct wire_msg m = {.type = WIRE_ERROR};
    m.u.error = (struct wire_error){.code = code, .id = id, .message = text};
    if (code == WIRE_ERROR_UNAVAILABLE || code == WIRE_ERROR_TOO_MANY)
        m.u.error.retry_ms = 1000;
    replication_answer(r, handle, &m);
}

static bool is_for_sync(const struct wire_msg *m)
{
    return m->type != WIRE_ADD_CHECKPOINT && m->type != WIRE_GOSSIP && m->type != WIRE_KEY_PULL &&
           m->type != WIRE_RECEIPT_PULL && m->type != WIRE_RECOVER && m->type != WIRE_CASE_PULL &&
           m->type != WIRE_RECONCILE && m->type != WIRE_CASES_PULL;
}

/* ---- link events ---- */

struct posted {
    struct loop_item item;
    struct replication *r;
    struct link_event event;
};

static void set_state(struct replication *r, const struct link_event *event, bool connected)
{
    struct peer_state *p = find(r, event->peer);
    char code[12];
    if (p == NULL || p->view.connected == connected) {
        if (p != NULL && !connected)
            (void)snprintf(p->view.reason, sizeof p->view.reason, "%s", event->reason);
        return;
    }
    p->view.connected = connected;
    if (!connected)
        catch_up_stop(&p->catch_up);
    p->view.since_ms = clock_wall_ms();
    (void)snprintf(p->view.reason, sizeof p->view.reason, "%s", connected ? "" : event->reason);
    if (connected)
        log_info("peer", code_text(event->peer, code), "peer.connected", "connected");
    else
        log_warn("peer", code_text(event->peer, code), "peer.lost", "connection lost: %s; redialling", event->reason);
}

static void message_in(struct replication *r, const struct link_event *event)
{
    struct inbound *in = inbound_create();
    struct err e = {0};
    struct peer_state *p = find(r, event->peer);
    bool request = event->type == LINK_REQUEST;
    struct sync_event out = {.type = request ? SYNC_EVENT_REQUEST : SYNC_EVENT_REPLY,
                             .peer = event->peer,
                             .handle = event->handle,
                             .token = event->token,
                             .message = &in->message};
    if (p != NULL)
        p->view.last_heard_ms = clock_wall_ms();
    bool decoded = wire_decode(bytes_of(event->data, event->size), &in->arena, &in->message, &e) == 0;
    if (!request && (event->token & ASK_TOKEN_BIT) != 0) {
        ask_answered(r, event->token, decoded ? &in->message : NULL, e.message);
    } else if (decoded && request && p != NULL && !is_for_sync(&in->message)) {
        r->config.on_request(r->config.node_ctx, event->peer, event->handle, &in->message);
    } else if (decoded) {
        step(r, &out, in);
    } else if (request) {
        struct wire_msg m = {.type = WIRE_ERROR};
        m.u.error = (struct wire_error){.code = WIRE_ERROR_MALFORMED, .id = e.id, .message = e.message};
        send_reply(r, event->handle, &m);
    } else {
        out.type = SYNC_EVENT_REPLY_FAILED;
        out.text = e.message;
        step(r, &out, in);
    }
    inbound_release(in);
}

static void link_event_run(struct loop_item *item)
{
    struct posted *posted = container_of(item, struct posted, item);
    struct replication *r = posted->r;
    const struct link_event *event = &posted->event;
    struct sync_event out = {.peer = event->peer, .token = event->token, .text = event->reason};
    char code[12];
    if (r->link == NULL) { /* closed meanwhile: the last events only hand back their memory */
        free(posted->event.data);
        free(posted);
        return;
    }
    switch (event->type) {
    case LINK_UP:
        set_state(r, event, true);
        out.type = SYNC_EVENT_LINK_UP;
        step_alone(r, &out);
        r->config.on_link(r->config.node_ctx, event->peer, true);
        break;
    case LINK_DOWN:
        set_state(r, event, false);
        out.type = SYNC_EVENT_LINK_DOWN;
        step_alone(r, &out);
        r->config.on_link(r->config.node_ctx, event->peer, false);
        break;
    case LINK_REQUEST:
    case LINK_REPLY:
        message_in(r, event);
        break;
    case LINK_REPLY_FAILED:
        r->stats.requests_failed++;
        if ((event->token & ASK_TOKEN_BIT) != 0) {
            ask_answered(r, event->token, NULL, event->reason);
            break;
        }
        out.type = SYNC_EVENT_REPLY_FAILED;
        step_alone(r, &out);
        break;
    case LINK_REFUSED:
        log_warn("peer", event->peer == 0 ? NULL : code_text(event->peer, code), "peer.refused", "refused: %s",
                 event->reason);
        break;
    }
    free(posted->event.data);
    free(posted);
}

void replication_link_event(void *ctx, const struct link_event *event)
{
    struct replication *r = ctx;
    struct posted *posted = xcalloc(1, sizeof *posted);
    list_init(&posted->item.link);
    posted->item.run = link_event_run;
    posted->r = r;
    posted->event = *event;
    loop_post(r->config.loop, &posted->item);
}

/* ---- life ---- */

static void add_peer(struct replication *r, uint32_t code)
{
    if (code == r->config.self || find(r, code) != NULL)
        return;
    struct peer_state *p = xcalloc(1, sizeof *p);
    p->view = (struct replication_peer){.code = code, .skew_ms = INT64_MIN, .since_ms = clock_wall_ms()};
    (void)map_put(&r->peers, &code, sizeof code, p);
}

struct replication *replication_create(const struct replication_config *config)
{
    struct replication *r = xcalloc(1, sizeof *r);
    r->config = *config;
    map_init(&r->peers, config->self);
    list_init(&r->asks);
    struct sync_config sync = {.self = config->self,
                               .software = config->software,
                               .files_port = config->files_port,
                               .members_version = config->members->version,
                               .heads_stale_ms = config->heads_stale_ms};
    struct sync_host host = {.ctx = r,
                             .open_checkpoint = host_open_checkpoint,
                             .own_size = host_own_size,
                             .own_root_at = host_own_root_at,
                             .own_addressed_end = host_addressed_end,
                             .known_size = host_known_size};
    r->sync = sync_create(&sync, &host);
    r->timer = loop_timer_create(config->loop, timer_cb, r);
    r->ack_timer = loop_timer_create(config->loop, ack_timer_cb, r);
    for (size_t i = 0; i < config->members->count; i++)
        add_peer(r, config->members->list[i].code);
    return r;
}

static void peer_destroy(struct peer_state *p)
{
    buf_close(&p->note);
    free(p);
}

void replication_destroy(struct replication *r)
{
    if (r == NULL)
        return;
    size_t at = 0;
    void *value;
    while (map_next(&r->peers, &at, NULL, &value))
        peer_destroy(value);
    map_close(&r->peers);
    sync_destroy(r->sync);
    loop_timer_destroy(r->timer);
    loop_timer_destroy(r->ack_timer);
    buf_close(&r->scratch);
    xassert(list_is_empty(&r->asks));
    free(r);
}

void replication_set_link(struct replication *r, struct link *link)
{
    r->link = link;
    if (link == NULL)
        asks_close(r);
}

bool replication_is_open(const struct replication *r)
{
    return r->link != NULL;
}

void replication_pull_again(struct replication *r, uint32_t peer, uint64_t index)
{
    struct sync_event event = {.type = SYNC_EVENT_AGAIN, .peer = peer, .size = index};
    if (r->link != NULL)
        step_alone(r, &event);
}

void replication_set_recovering(struct replication *r, bool recovering)
{
    sync_set_recovering(r->sync, recovering);
}

void replication_alarm(struct replication *r, uint32_t peer, const char *id, const char *text)
{
    alarm_raise(r, peer, id, text);
}

size_t replication_alarms(const struct replication *r, struct replication_alarm_info ret[REPLICATION_ALARMS_MAX])
{
    size_t count = min_of(r->stats.alarm_count, REPLICATION_ALARMS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct alarm *a = &r->alarms[i];
        ret[i] = (struct replication_alarm_info){.id = a->id,
                                                 .peer = a->peer,
                                                 .text = a->text,
                                                 .count = a->count,
                                                 .first_ms = a->first_ms,
                                                 .last_ms = a->last_ms};
    }
    return count;
}

void replication_freeze(struct replication *r, uint32_t peer, const char *why)
{
    struct peer_state *p = find(r, peer);
    if (p == NULL)
        return;
    (void)err_set(&p->refused, ERR_VERIFY, "ledger.disputed", "%s", why);
    sync_halt_peer(r->sync, peer, why);
}

void replication_set_ledger(struct replication *r, struct ledger *ledger)
{
    r->ledger = ledger;
}

/* A stored position that does not decode is started anew from nothing: the peer's ledger proves itself again. */
static void load_cursor(struct replication *r, const struct store_replica *row, struct sync_cursor *ret)
{
    struct err e = {0};
    struct checkpoint head;
    char code[12];
    *ret = (struct sync_cursor){0};
    if (crange_decode(row->frontier, &ret->range, &e) != 0 ||
        (row->confirmed.size > 0 && crange_decode(row->confirmed, &ret->confirmed.range, &e) != 0) ||
        (row->note.size > 0 && host_open_checkpoint(r, row->origin, row->note, &head, &e) != 0)) {
        log_error("replication", code_text(row->origin, code), e.id,
                  "stored position of the ledger is damaged: %s; "
                  "pulling it from the beginning",
                  e.message);
        *ret = (struct sync_cursor){0};
        return;
    }
    ret->seq_me = row->seq_me;
    ret->seq_public = row->seq_public;
    ret->confirmed.seq_me = row->confirmed_seq_me;
    ret->confirmed.seq_public = row->confirmed_seq_public;
    if (row->note.size > 0) {
        ret->head_size = head.size;
        ret->head_root = head.root;
    }
}

static void load_peer(struct replication *r, struct peer_state *p, const struct store_ledger_state *state)
{
    struct sync_cursor cursor = {0};
    for (size_t i = 0; i < state->replica_count; i++) {
        if (state->replicas[i].origin != p->view.code)
            continue;
        load_cursor(r, &state->replicas[i], &cursor);
        buf_reset(&p->note);
        buf_put(&p->note, state->replicas[i].note.data, state->replicas[i].note.size);
    }
    for (size_t i = 0; i < state->ack_count; i++)
        if (state->acks[i].peer == p->view.code)
            p->acked = max_of(p->acked, state->acks[i].size);
    sync_set_peer(r->sync, p->view.code, &cursor, p->acked);
    if (p->refused.code != 0)
        sync_halt_peer(r->sync, p->view.code, p->refused.message);
}

void replication_reload(struct replication *r, const struct store_ledger_state *state)
{
    size_t at = 0;
    void *value;
    while (map_next(&r->peers, &at, NULL, &value))
        load_peer(r, value, state);
}

void replication_members_changed(struct replication *r)
{
    size_t at = 0;
    void *value;
    while (map_next(&r->peers, &at, NULL, &value)) {
        struct peer_state *p = value;
        uint32_t code = p->view.code;
        if (members_find(r->config.members, code) != NULL)
            continue;
        sync_remove_peer(r->sync, code);
        (void)map_remove(&r->peers, &code, sizeof code);
        peer_destroy(p);
    }
    struct arena a = ARENA_INIT;
    struct store_ledger_state state = {0};
    struct err e = {0};
    struct store_reader *reader = ledger_reader(r->ledger); /* stopped: the reload to come sets every peer */
    if (reader != NULL && store_read_ledger_state(reader, &a, &state, &e) != 0)
        log_error("replication", NULL, e.id, "cannot read the peers' positions: %s", e.message);
    for (size_t i = 0; i < r->config.members->count; i++) {
        uint32_t code = r->config.members->list[i].code;
        if (code == r->config.self || find(r, code) != NULL)
            continue;
        add_peer(r, code);
        load_peer(r, find(r, code), &state);
    }
    arena_close(&a);
}

bool replication_peer(const struct replication *r, uint32_t code, struct replication_peer *ret)
{
    const struct peer_state *p = find(r, code);
    struct sync_peer_info info;
    if (p == NULL || !sync_peer_info(r->sync, code, &info))
        return false;
    *ret = p->view;
    ret->held_size = info.held_size;
    ret->known_size = info.head_size;
    ret->acked_size = info.acked_size;
    ret->confirmed_size = info.confirmed_size;
    ret->halted = info.halted;
    ret->catch_up = p->catch_up;
    if (info.last_error[0] != '\0' && ret->reason[0] == '\0')
        memcpy(ret->reason, info.last_error, sizeof ret->reason);
    return true;
}

struct bytes replication_note(const struct replication *r, uint32_t peer)
{
    const struct peer_state *p = find(r, peer);
    return p == NULL ? bytes_of(NULL, 0) : buf_bytes(&p->note);
}

void replication_stats(const struct replication *r, struct replication_stats *ret)
{
    *ret = r->stats;
}
