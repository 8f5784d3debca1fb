/* Sync: the peers, the dispatch of events, the building of updates (see sync.h; origin.c and replica.c do the work).
 *
 * The switch in sync_step() is the only place that decides which part hears of an event. Events about an unknown peer are
 * legal (it may just have been removed): a request gets an error, the rest is ignored.
 */
#include "federation/sync/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"

#define DEFAULT(field, value) ((field) == 0 ? (value) : (field))

struct sync *sync_create(const struct sync_config *config, const struct sync_host *host)
{
    struct sync *s = xcalloc(1, sizeof *s);
    s->config = *config;
    s->config.poll_wait_ms = DEFAULT(config->poll_wait_ms, 20000u);
    s->config.reply_slack_ms = DEFAULT(config->reply_slack_ms, 8000u);
    s->config.retry_min_ms = DEFAULT(config->retry_min_ms, 200u);
    s->config.retry_max_ms = DEFAULT(config->retry_max_ms, 30000u);
    s->config.verify_retry_ms = DEFAULT(config->verify_retry_ms, 30000u);
    s->config.batch_bytes = DEFAULT(config->batch_bytes, BATCH_BYTES_MAX);
    s->config.heads_stale_ms = DEFAULT(config->heads_stale_ms, 180000u);
    s->host = *host;
    map_init(&s->peers, config->self);
    s->next_token = 1;
    return s;
}

static struct peer *find(const struct sync *s, uint32_t code)
{
    return map_get(&s->peers, &code, sizeof code);
}

void sync_remove_peer(struct sync *s, uint32_t code)
{
    free(map_remove(&s->peers, &code, sizeof code));
}

void sync_destroy(struct sync *s)
{
    if (s == NULL)
        return;
    size_t at = 0;
    void *p;
    while (map_next(&s->peers, &at, NULL, &p))
        free(p);
    map_close(&s->peers);
    free(s);
}

void sync_set_peer(struct sync *s, uint32_t code, const struct sync_cursor *cursor, uint64_t acked)
{
    struct peer *p = find(s, code);
    if (p == NULL) {
        p = xcalloc(1, sizeof *p);
        p->code = code;
        (void)map_put(&s->peers, &code, sizeof code, p);
    }
    bool link_up = p->link_up;
    bool hello_done = p->replica.hello_done, can_start = p->replica.can_start;
    struct origin_peer parked = p->origin;
    *p = (struct peer){.code = code, .link_up = link_up};
    p->origin.parked = parked.parked; /* a parked request outlives a reload: the tree it waits for only grows */
    p->origin.handle = parked.handle;
    p->origin.from = parked.from;
    p->origin.deadline_ms = parked.deadline_ms;
    p->origin.bytes_max = parked.bytes_max;
    p->origin.acked = acked;
    p->replica.cursor = *cursor;
    p->replica.hello_done = hello_done;
    p->replica.can_start = can_start;
    p->replica.state = link_up ? REPLICA_WAITING : REPLICA_OFFLINE;
    p->replica.backoff_ms = s->config.retry_min_ms;
    p->replica.retry_at_ms = s->now_ms;
    p->replica.heads_ms = s->now_ms;
}

void sync_set_recovering(struct sync *s, bool recovering)
{
    s->recovering = recovering;
}

void sync_halt_peer(struct sync *s, uint32_t code, const char *why)
{
    struct peer *p = find(s, code);
    if (p == NULL)
        return;
    p->replica.state = REPLICA_HALTED;
    p->replica.token = 0;
    (void)snprintf(p->replica.last_error, sizeof p->replica.last_error, "%s", why);
}

/* ---- updates ---- */

struct sync_action *sync_act(struct sync_update *u, enum sync_action_type type, uint32_t peer)
{
    if (u->count == u->capacity) {
        size_t capacity = max_of((size_t)8, u->capacity * 2);
        struct sync_action *bigger = arena_alloc(u->arena, capacity * sizeof *bigger);
        if (u->count > 0)
            memcpy(bigger, u->actions, u->count * sizeof *bigger);
        u->actions = bigger;
        u->capacity = capacity;
    }
    struct sync_action *a = &u->actions[u->count++];
    a->type = type;
    a->peer = peer;
    return a;
}

void sync_alarm(struct sync_update *u, uint32_t peer, const char *id, const char *fmt, ...)
{
    struct sync_action *a = sync_act(u, SYNC_ACTION_ALARM, peer);
    (void)snprintf(a->alarm_id, sizeof a->alarm_id, "%s", id);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(a->text, sizeof a->text, fmt, args); /* a cut text is still a text */
    va_end(args);
}

void sync_reply_error(struct sync_update *u, uint32_t peer, uint64_t handle, enum wire_error_code code, const char *id,
                      uint32_t retry_ms, const char *fmt, ...)
{
    char text[192];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct sync_action *a = sync_act(u, SYNC_ACTION_REPLY, peer);
    a->handle = handle;
    a->message.type = WIRE_ERROR;
    a->message.u.error =
        (struct wire_error){.code = code, .id = id, .message = arena_strdup(u->arena, text), .retry_ms = retry_ms};
}

void sync_note_own_size(struct sync *s, uint32_t peer, uint64_t size, struct sync_update *u)
{
    if (size > s->host.own_size(s->host.ctx))
        sync_act(u, SYNC_ACTION_BEHIND, peer)->size = size;
}

struct wire_hello sync_own_hello(const struct sync *s, uint32_t peer)
{
    return (struct wire_hello){.version_min = WIRE_VERSION,
                               .version_max = WIRE_VERSION,
                               .suites = {"sha256-ed25519-aes256gcm"},
                               .suite_count = 1,
                               .node = s->config.self,
                               .software = s->config.software,
                               .wall_ms = s->wall_ms,
                               .ledger_size = s->host.own_size(s->host.ctx),
                               .members_version = s->config.members_version,
                               .your_size = s->host.known_size(s->host.ctx, peer),
                               .files_port = s->config.files_port,
                               .pull_start = true};
}

uint64_t sync_send(struct sync *s, struct sync_update *u, uint32_t peer, const struct wire_msg *m, uint32_t timeout_ms)
{
    struct sync_action *a = sync_act(u, SYNC_ACTION_REQUEST, peer);
    a->message = *m;
    a->timeout_ms = timeout_ms;
    a->token = s->next_token++;
    return a->token;
}

/* ---- dispatch ---- */

static void reply_simple(struct sync_update *u, const struct sync_event *event, const struct wire_msg *m)
{
    struct sync_action *a = sync_act(u, SYNC_ACTION_REPLY, event->peer);
    a->handle = event->handle;
    a->message = *m;
}

static void greet_back(struct sync *s, const struct sync_event *event, struct sync_update *u)
{
    const struct wire_hello *theirs = &event->message->u.hello;
    if (theirs->node != event->peer) {
        sync_reply_error(u, event->peer, event->handle, WIRE_ERROR_DENIED, "sync.other-node", s->config.retry_max_ms,
                         "HELLO of node %u over the connection of node %u", theirs->node, event->peer);
        return;
    }
    if (theirs->version_min > WIRE_VERSION || theirs->version_max < WIRE_VERSION) {
        sync_reply_error(u, event->peer, event->handle, WIRE_ERROR_MALFORMED, "sync.version", s->config.retry_max_ms,
                         "protocol versions %u to %u offered, this node speaks %u", theirs->version_min,
                         theirs->version_max, WIRE_VERSION);
        return;
    }
    struct wire_msg m = {.type = WIRE_HELLO};
    m.u.hello = sync_own_hello(s, event->peer);
    reply_simple(u, event, &m);
    sync_note_own_size(s, event->peer, theirs->your_size, u);
}

static void request(struct sync *s, struct peer *p, const struct sync_event *event, struct sync_update *u)
{
    switch (event->message->type) {
    case WIRE_HELLO:
        greet_back(s, event, u);
        break;
    case WIRE_HINT:
        reply_simple(u, event, &(struct wire_msg){.type = WIRE_OK});
        replica_hint(s, p, &event->message->u.hint, u);
        break;
    case WIRE_PULL:
        origin_pull(s, p, event, u);
        break;
    default: /* answers; requests that are not replication's do not come here (node/replication.c) */
        sync_reply_error(u, event->peer, event->handle, WIRE_ERROR_MALFORMED, "sync.not-a-request", 0,
                         "not a request: message type %d", (int)event->message->type);
        break;
    }
}

static void reply_failed(struct sync *s, struct peer *p, const struct sync_event *event)
{
    if (origin_hint_ended(p, event->token) || event->token != p->replica.token)
        return;
    replica_reply_failed(s, p, event->text);
}

static void one_peer(struct sync *s, struct peer *p, const struct sync_event *event, struct sync_update *u)
{
    switch (event->type) {
    case SYNC_EVENT_LINK_UP:
        p->link_up = true;
        replica_link_up(s, p, u);
        break;
    case SYNC_EVENT_LINK_DOWN:
        if (p->link_up)
            replica_link_down(s, p);
        p->link_up = false;
        origin_link_down(p);
        break;
    case SYNC_EVENT_REQUEST:
        request(s, p, event, u);
        break;
    case SYNC_EVENT_REPLY:
        if (!origin_hint_ended(p, event->token) && event->token == p->replica.token)
            replica_reply(s, p, event->message, u);
        break;
    case SYNC_EVENT_REPLY_FAILED:
        reply_failed(s, p, event);
        break;
    case SYNC_EVENT_STORED:
        replica_stored(s, p, event->token, u);
        break;
    case SYNC_EVENT_STORE_FAILED:
        replica_store_failed(s, p, event->token, event->is_unsure);
        break;
    case SYNC_EVENT_AGAIN:
        replica_again(s, p, event->size, u);
        break;
    case SYNC_EVENT_TIME:
    case SYNC_EVENT_SEALED:
        unreachable(); /* for all peers: sync_step() */
    }
}

static void all_peers(struct sync *s, const struct sync_event *event, struct sync_update *u)
{
    size_t at = 0;
    void *value;
    while (map_next(&s->peers, &at, NULL, &value)) {
        struct peer *p = value;
        if (event->type == SYNC_EVENT_SEALED) {
            origin_sealed(s, p, u);
        } else {
            origin_time(s, p, u);
            replica_time(s, p, u);
        }
    }
}

uint64_t sync_timeout(const struct sync *s)
{
    uint64_t soonest = UINT64_MAX;
    size_t at = 0;
    void *value;
    while (map_next(&s->peers, &at, NULL, &value)) {
        const struct peer *p = value;
        soonest = min_of(soonest, min_of(origin_timeout(p), replica_timeout(s, p)));
    }
    return soonest;
}

void sync_step(struct sync *s, const struct sync_event *event, struct sync_update *update)
{
    s->now_ms = max_of(s->now_ms, event->now_ms);
    s->wall_ms = event->wall_ms;
    update->actions = NULL;
    update->count = update->capacity = 0;

    if (event->type == SYNC_EVENT_TIME || event->type == SYNC_EVENT_SEALED) {
        all_peers(s, event, update);
    } else {
        struct peer *p = find(s, event->peer);
        if (p != NULL)
            one_peer(s, p, event, update);
        else if (event->type == SYNC_EVENT_REQUEST)
            sync_reply_error(update, event->peer, event->handle, WIRE_ERROR_DENIED, "sync.no-member",
                             s->config.retry_max_ms, "node %u is no member", event->peer);
    }
}

bool sync_peer_info(const struct sync *s, uint32_t code, struct sync_peer_info *ret)
{
    const struct peer *p = find(s, code);
    if (p == NULL)
        return false;
    const struct replica *r = &p->replica;
    *ret = (struct sync_peer_info){.link_up = p->link_up,
                                   .hello_done = r->hello_done,
                                   .pulling = r->state == REPLICA_PULLING,
                                   .storing = r->queued,
                                   .parked = p->origin.parked,
                                   .halted = r->state == REPLICA_HALTED,
                                   .held_size = r->cursor.range.size,
                                   .head_size = r->cursor.head_size,
                                   .acked_size = p->origin.acked,
                                   .confirmed_size = r->cursor.confirmed.range.size};
    memcpy(ret->last_error, r->last_error, sizeof ret->last_error);
    return true;
}
