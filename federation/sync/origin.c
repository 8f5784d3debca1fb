/* The author's side: PULLs of the own ledger, parked until there is something to say (see sync.h).
 *
 * A PULL is checked against the own tree first: a follower who holds more than there is shows that this is an older copy; one
 * whose root differs contradicts this node. Either this node was set back to an older copy, or somebody forged; both need a person, so the
 * operator is alarmed and the follower gets a conflict, never data.
 */
#include <string.h>

#include "federation/sync/internal.h"
#include "node/base/xassert.h"

#define HINT_EVERY_MS 1000u
#define HINT_TIMEOUT_MS 5000u

static uint64_t addressed_end(const struct sync *s, const struct peer *p)
{
    uint64_t seq, public_seq;
    return s->host.own_addressed_end(s->host.ctx, p->code, &seq, &public_seq);
}

static void answer(struct peer *p, struct sync_update *u)
{
    struct origin_peer *o = &p->origin;
    struct sync_action *a = sync_act(u, SYNC_ACTION_BATCH, p->code);
    a->handle = o->handle;
    a->from = o->from;
    a->bytes_max = o->bytes_max;
    o->parked = false;
}

/* True when the follower's position is a prefix of what was signed here. */
static bool check_position(struct sync *s, struct peer *p, const struct sync_event *event, struct sync_update *u)
{
    const struct wire_pull *pull = &event->message->u.pull;
    uint64_t size = s->host.own_size(s->host.ctx);
    struct merkle_hash root;
    struct err e = {0};
    if (pull->from > size) { /* an older copy, which cannot compare: first its entries have to come back */
        sync_note_own_size(s, p->code, pull->from, u);
        sync_reply_error(u, p->code, event->handle, WIRE_ERROR_UNAVAILABLE, "sync.recovering", 5000,
                         "this ledger is being put together again after a restore");
        return false;
    }
    if (s->host.own_root_at(s->host.ctx, pull->from, &root, &e) != 0) {
        sync_reply_error(u, p->code, event->handle, WIRE_ERROR_UNAVAILABLE, "sync.unavailable", 1000,
                         "the ledger cannot be read now");
        return false;
    }
    if (merkle_hash_equal(&root, &pull->root_at_from)) {
        p->origin.conflict_told = false;
        return true;
    }
    if (!p->origin.conflict_told)
        sync_alarm(
            u, p->code, "ledger.contradicted",
            "peer holds another root of our ledger than we have signed: it is at %llu, we are at %llu; was this node "
            "restored from an older copy?",
            (unsigned long long)pull->from, (unsigned long long)size);
    p->origin.conflict_told = true;
    sync_reply_error(u, p->code, event->handle, WIRE_ERROR_CONFLICT, "ledger.contradicted", s->config.verify_retry_ms,
                     "your position %llu contradicts this ledger of size %llu", (unsigned long long)pull->from,
                     (unsigned long long)size);
    return false;
}

void origin_pull(struct sync *s, struct peer *p, const struct sync_event *event, struct sync_update *u)
{
    const struct wire_pull *pull = &event->message->u.pull;
    struct origin_peer *o = &p->origin;
    if (o->parked) {
        sync_reply_error(u, p->code, o->handle, WIRE_ERROR_TOO_MANY, "sync.replaced", 0, "replaced by a newer PULL");
        o->parked = false;
    }
    if (pull->origin != s->config.self) {
        sync_reply_error(u, p->code, event->handle, WIRE_ERROR_NOT_FOUND, "sync.not-author", s->config.retry_max_ms,
                         "node %u serves its own ledger only, not that of %u", s->config.self, pull->origin);
        return;
    }
    if (s->recovering) {
        sync_reply_error(u, p->code, event->handle, WIRE_ERROR_UNAVAILABLE, "sync.recovering", 5000,
                         "this ledger is being put together again after a restore");
        return;
    }
    if (!check_position(s, p, event, u))
        return;
    if (pull->start >
        s->host.own_size(s->host.ctx)) { /* it has seen a checkpoint of ours that is gone: HELLO clears that up */
        sync_reply_error(u, p->code, event->handle, WIRE_ERROR_UNAVAILABLE, "sync.start", 1000,
                         "your start %llu is beyond the size %llu of this ledger", (unsigned long long)pull->start,
                         (unsigned long long)s->host.own_size(s->host.ctx));
        return;
    }

    if (pull->from > o->acked) {
        o->acked = pull->from;
        sync_act(u, SYNC_ACTION_ACKED, p->code)->size = pull->from;
    }
    o->parked = true;
    o->handle = event->handle;
    o->from = pull->start;
    o->bytes_max = pull->max_bytes;
    o->deadline_ms = s->now_ms + min_of(pull->wait_ms, s->config.poll_wait_ms);
    if (addressed_end(s, p) > o->from || pull->wait_ms == 0)
        answer(p, u);
}

static void hint(struct sync *s, struct peer *p, struct sync_update *u)
{
    struct origin_peer *o = &p->origin;
    struct wire_msg m = {.type = WIRE_HINT};
    m.u.hint.origin = s->config.self;
    m.u.hint.size = s->host.own_size(s->host.ctx);
    o->hinted_end = s->host.own_addressed_end(s->host.ctx, p->code, &m.u.hint.your_seq, &m.u.hint.public_seq);
    o->hint_token = sync_send(s, u, p->code, &m, HINT_TIMEOUT_MS);
    o->hint_after_ms = s->now_ms + HINT_EVERY_MS;
}

void origin_sealed(struct sync *s, struct peer *p, struct sync_update *u)
{
    struct origin_peer *o = &p->origin;
    uint64_t end = addressed_end(s, p);
    if (o->parked && end > o->from)
        answer(p, u);
    else if (!o->parked && p->link_up && end > o->acked && end > o->hinted_end && o->hint_token == 0 &&
             s->now_ms >= o->hint_after_ms)
        hint(s, p, u);
}

void origin_time(struct sync *s, struct peer *p, struct sync_update *u)
{
    if (p->origin.parked && s->now_ms >= p->origin.deadline_ms)
        answer(p, u); /* nothing for it: hashes only, so that its position and our signature stay fresh */
}

void origin_link_down(struct peer *p)
{
    p->origin.hint_token = 0; /* our connection; its parked PULL came over its own */
    p->origin.hinted_end = 0;
}

bool origin_hint_ended(struct peer *p, uint64_t token)
{
    if (token == 0 || p->origin.hint_token != token)
        return false;
    p->origin.hint_token = 0;
    return true;
}

uint64_t origin_timeout(const struct peer *p)
{
    return p->origin.parked ? p->origin.deadline_ms : UINT64_MAX;
}
