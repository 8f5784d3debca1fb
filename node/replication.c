/* Replication (see replication.h).
 *
 * Happy path of an own entry: ledger seals -> replication_sealed() -> SYNC_ACTION_BATCH for each parked PULL -> reply.
 * Happy path of a peer's: link reply -> decode -> SYNC_ACTION_STORE -> on_entries -> commit -> on_stored, STORED -> PULL.
 * Failure modes: a message that does not decode is a failed reply or an error answer; a request the link cannot take is
 * a failed reply; a commit that fails is STORE_FAILED, and the ledger's reload sets every peer's cursor anew.
 */
#include "node/replication.h"
#include "node/replication_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "federation/sync/batch.h"
#include "node/base/clock.h"
#include "node/base/xassert.h"

struct inbound *replication_inbound_create(void)
{
    struct inbound *in = xcalloc(1, sizeof *in);
    in->references = 1;
    return in;
}

void replication_inbound_release(struct inbound *in)
{
    if (--in->references > 0)
        return;
    arena_close(&in->arena);
    free(in);
}

/* ---- what sync asks ---- */

int replication_open_checkpoint(void *ctx, uint32_t origin, struct bytes note, struct checkpoint *ret, struct err *e)
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
    return r->config.seen_size(r->config.node_ctx, peer);
}

/* ---- actions ---- */

bool replication_encode(struct replication *r, const struct wire_msg *m)
{
    struct err e = {0};
    buf_reset(&r->scratch);
    if (wire_encode(m, &r->scratch, &e) == 0)
        return true;
    log_error("replication", NULL, e.id, "cannot encode a message: %s", e.message);
    return false;
}

void replication_send_reply(struct replication *r, uint64_t handle, const struct wire_msg *m)
{
    if (replication_encode(r, m))
        link_reply(r->link, handle, buf_bytes(&r->scratch));
    else
        link_drop(r->link, handle);
}

static void send_request(struct replication *r, const struct sync_action *a)
{
    struct err e = {0};
    int rc = ERR_INTERNAL;
    if (replication_encode(r, &a->message))
        rc = link_request(r->link, a->peer, buf_bytes(&r->scratch), a->token, a->timeout_ms, &e);
    if (rc != 0) {
        r->stats.requests_failed++;
        struct inbound *in = replication_inbound_create();
        struct sync_event event = {.type = SYNC_EVENT_REPLY_FAILED,
                                   .peer = a->peer,
                                   .token = a->token,
                                   .text = arena_strdup(&in->arena, e.message)};
        replication_step(r, &event, in); /* leads to a wait, never to a request: no recursion beyond this */
        replication_inbound_release(in);
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
        log_warn("replication", replication_code(action->peer, peer), e.id, "cannot answer a PULL: %s", e.message);
        m = (struct wire_msg){.type = WIRE_ERROR};
        m.u.error = (struct wire_error){.code = WIRE_ERROR_UNAVAILABLE,
                                        .id = "sync.unavailable",
                                        .retry_ms = 1000,
                                        .message = "the ledger cannot be read now"};
    }
    replication_send_reply(r, action->handle, &m);
    arena_close(&a);
}

static void greeted(struct replication *r, const struct sync_action *a)
{
    struct peer_state *p = replication_find(r, a->peer);
    if (p == NULL)
        return;
    p->view.skew_ms = a->skew_ms;
    (void)snprintf(p->view.software, sizeof p->view.software, "%s", a->message.u.hello.software);
    p->view.files_port = (uint16_t)a->message.u.hello.files_port;
    char code[12];
    if (a->skew_ms > 60000 || a->skew_ms < -60000)
        log_warn("peer", replication_code(a->peer, code), "peer.clock-skew", "its clock differs from ours by %lld ms",
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
        replication_send_reply(r, a->handle, &a->message);
        break;
    case SYNC_ACTION_BATCH: { /* thousands of small reads: in one snapshot */
        struct store_reader *reader = ledger_reader(r->ledger);
        bool begun = reader != NULL && store_read_begin(reader, NULL) == 0;
        send_batch(r, a);
        if (begun)
            store_read_end(reader);
        break;
    }
    case SYNC_ACTION_STORE:
        replication_store(r, a, inbound);
        break;
    case SYNC_ACTION_ACKED:
        replication_store_acked(r, a->peer, a->size);
        break;
    case SYNC_ACTION_REDIAL:
        link_redial(r->link, a->peer);
        break;
    case SYNC_ACTION_ALARM:
        replication_alarm(r, a->peer, a->alarm_id, a->text);
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

void replication_step(struct replication *r, struct sync_event *event, struct inbound *inbound)
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

void replication_step_alone(struct replication *r, struct sync_event *event)
{
    struct inbound *in = replication_inbound_create();
    replication_step(r, event, in);
    replication_inbound_release(in);
}

static void timer_cb(void *ctx)
{
    const struct replication *r = ctx;
    if (r->link == NULL)
        return;
    struct sync_event event = {.type = SYNC_EVENT_TIME};
    replication_step_alone(ctx, &event);
}

void replication_sealed(struct replication *r)
{
    if (r->link == NULL)
        return; /* starting or closing: nobody asks */
    struct sync_event event = {.type = SYNC_EVENT_SEALED};
    replication_step_alone(r, &event);
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

static void message_in(struct replication *r, const struct link_event *event)
{
    struct inbound *in = replication_inbound_create();
    struct err e = {0};
    struct peer_state *p = replication_find(r, event->peer);
    bool request = event->type == LINK_REQUEST;
    struct sync_event out = {.type = request ? SYNC_EVENT_REQUEST : SYNC_EVENT_REPLY,
                             .peer = event->peer,
                             .handle = event->handle,
                             .token = event->token,
                             .message = &in->message};
    if (p != NULL)
        p->view.last_heard_ms = clock_wall_ms();
    bool decoded = wire_decode(bytes_of(event->data, event->size), &in->arena, &in->message, &e) == 0;
    if (!request && (event->token & REPLICATION_ASK_BIT) != 0) {
        replication_ask_answered(r, event->token, decoded ? &in->message : NULL, e.message);
    } else if (decoded && request && p != NULL && !is_for_sync(&in->message)) {
        r->config.on_request(r->config.node_ctx, event->peer, event->handle, &in->message);
    } else if (decoded) {
        replication_step(r, &out, in);
    } else if (request) {
        struct wire_msg m = {.type = WIRE_ERROR};
        m.u.error = (struct wire_error){.code = WIRE_ERROR_MALFORMED, .id = e.id, .message = e.message};
        replication_send_reply(r, event->handle, &m);
    } else {
        out.type = SYNC_EVENT_REPLY_FAILED;
        out.text = e.message;
        replication_step(r, &out, in);
    }
    replication_inbound_release(in);
}

static void link_event_run(struct loop_item *item)
{
    struct posted *posted = container_of(item, struct posted, item);
    struct replication *r = posted->r;
    const struct link_event *event = &posted->event;
    struct sync_event out = {.peer = event->peer, .token = event->token, .text = event->reason};
    char code[12];
    if (r->link == NULL) { /* closed meanwhile: the last events only hand back their memory */
        link_event_close(&posted->event);
        free(posted);
        return;
    }
    switch (event->type) {
    case LINK_UP:
        replication_peers_set_link(r, event, true);
        out.type = SYNC_EVENT_LINK_UP;
        replication_step_alone(r, &out);
        r->config.on_link(r->config.node_ctx, event->peer, true);
        break;
    case LINK_DOWN:
        replication_peers_set_link(r, event, false);
        out.type = SYNC_EVENT_LINK_DOWN;
        replication_step_alone(r, &out);
        r->config.on_link(r->config.node_ctx, event->peer, false);
        break;
    case LINK_REQUEST:
    case LINK_REPLY:
        message_in(r, event);
        break;
    case LINK_REPLY_FAILED:
        r->stats.requests_failed++;
        if ((event->token & REPLICATION_ASK_BIT) != 0) {
            replication_ask_answered(r, event->token, NULL, event->reason);
            break;
        }
        out.type = SYNC_EVENT_REPLY_FAILED;
        replication_step_alone(r, &out);
        break;
    case LINK_REFUSED:
        log_warn("peer", event->peer == 0 ? NULL : replication_code(event->peer, code), "peer.refused", "refused: %s",
                 event->reason);
        break;
    }
    link_event_close(&posted->event);
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
                               .batch_bytes = config->batch_bytes,
                               .heads_stale_ms = config->heads_stale_ms};
    struct sync_host host = {.ctx = r,
                             .open_checkpoint = replication_open_checkpoint,
                             .own_size = host_own_size,
                             .own_root_at = host_own_root_at,
                             .own_addressed_end = host_addressed_end,
                             .known_size = host_known_size};
    r->sync = sync_create(&sync, &host);
    r->timer = loop_timer_create(config->loop, timer_cb, r);
    r->ack_timer = loop_timer_create(config->loop, replication_store_ack_timer_cb, r);
    for (size_t i = 0; i < config->members->count; i++)
        replication_peers_add(r, config->members->list[i].code);
    return r;
}

void replication_destroy(struct replication *r)
{
    if (r == NULL)
        return;
    size_t at = 0;
    void *value;
    while (map_next(&r->peers, &at, NULL, &value))
        replication_peers_destroy(value);
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
        replication_ask_close(r);
}

bool replication_is_open(const struct replication *r)
{
    return r->link != NULL;
}

void replication_pull_again(struct replication *r, uint32_t peer, uint64_t index)
{
    struct sync_event event = {.type = SYNC_EVENT_AGAIN, .peer = peer, .size = index};
    if (r->link != NULL)
        replication_step_alone(r, &event);
}

void replication_set_recovering(struct replication *r, bool recovering)
{
    sync_set_recovering(r->sync, recovering);
}

void replication_set_ledger(struct replication *r, struct ledger *ledger)
{
    r->ledger = ledger;
}
