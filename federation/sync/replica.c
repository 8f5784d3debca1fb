/* The follower's side: pull, verify, store, pull on (see sync.h and the picture in internal.h).
 *
 * Happy path: link up -> HELLO -> PULL(cursor) -> BATCH -> verify -> STORE -> durable -> PULL(new cursor), which
 * acknowledges. A batch that says there is more: PULL at once, from what is durable, starting behind what is verified (the tip),
 * so that author, line, loop and disk work at the same time; when the window is full, or there is no more, durability comes
 * first, as always. Failure modes: no answer -> backoff, HELLO again if the connection is new; a batch that does not verify
 * -> alarm, cursor stays, long backoff; a store that fails takes those behind it along; a conflict -> HALTED, alarm, the
 * operator acts.
 *
 * Verification order: signed checkpoint, not older than the newest seen, frontier against its root, every entry decoded,
 * its author and index, addressed to us with the next seq, payload against ct_hash. Only then anything is stored. Clock
 * values in entries are never judged here: that would make replicas differ.
 *
 * A heads leaf ends its batch and says what has been addressed to us: if that is what we hold, the position behind it is
 * confirmed. If not, or when a number is missing, something was left out below, under a hash that we have passed already: the
 * position goes back to the confirmed one, durably, and we ask again from there until the author delivers.
 */
#include <stdio.h>
#include <string.h>

#include "federation/ledger/heads.h"
#include "federation/sync/internal.h"
#include "node/base/mutant.h"
#include "node/base/xassert.h"

static void wait_until(struct sync *s, struct peer *p, uint64_t delay_ms, const char *why)
{
    struct replica *r = &p->replica;
    r->state = REPLICA_WAITING;
    r->token = 0;
    r->retry_at_ms = s->now_ms + delay_ms;
    (void)snprintf(r->last_error, sizeof r->last_error, "%s", why);
}

static void back_off(struct sync *s, struct peer *p, const char *why)
{
    struct replica *r = &p->replica;
    wait_until(s, p, r->backoff_ms, why);
    r->backoff_ms = min_of(r->backoff_ms * 2, s->config.retry_max_ms);
}

/* Verified so far; durable, but for the queue. */
static const struct sync_cursor *tip(const struct replica *r)
{
    return r->queued == 0 ? &r->cursor : &r->queue[r->queued - 1].cursor;
}

/* Acknowledges what is durable, asks for what lies behind the tip; in halves then, so that the batches at work take no more
 * memory than one did, and a live request at the author waits for half as long. Ahead of the disk it is never held back: when the author has
 * nothing more, its answer says so, and the acknowledgement follows as soon as all is durable. */
static void pull(struct sync *s, struct peer *p, struct sync_update *u)
{
    struct replica *r = &p->replica;
    struct wire_msg m = {.type = WIRE_PULL};
    const struct sync_cursor *held = MUTANT(ack_asked) ? tip(r) : &r->cursor;
    m.u.pull =
        (struct wire_pull){.origin = p->code,
                           .from = held->range.size,
                           .start = tip(r)->range.size,
                           .seq_me = held->seq_me,
                           .seq_public = held->seq_public,
                           .max_bytes = r->queued > 0 ? max_of(s->config.batch_bytes / 2, 1u) : s->config.batch_bytes,
                           .wait_ms = r->queued > 0 ? 0 : s->config.poll_wait_ms};
    crange_root(&held->range, &m.u.pull.root_at_from);
    r->state = REPLICA_PULLING;
    r->early_ms = m.u.pull.wait_ms == 0 ? 0 : s->now_ms + min_of(s->config.retry_min_ms, s->config.poll_wait_ms / 2);
    r->token = sync_send(s, u, p->code, &m, s->config.poll_wait_ms + s->config.reply_slack_ms);
}

/* After a batch, or when one has become durable: asks on, or waits for the disk. */
static void pull_ahead(struct sync *s, struct peer *p, struct sync_update *u)
{
    struct replica *r = &p->replica;
    bool may = p->link_up && r->hello_done && r->can_start && r->more && !r->is_setback && r->again == 0;
    r->state = REPLICA_STORING;
    r->token = 0;
    if (may && r->queued < SYNC_WINDOW)
        pull(s, p, u);
}

static void greet(struct sync *s, struct peer *p, struct sync_update *u)
{
    struct wire_msg m = {.type = WIRE_HELLO};
    m.u.hello = sync_own_hello(s, p->code);
    p->replica.state = REPLICA_GREETING;
    p->replica.token = sync_send(s, u, p->code, &m, s->config.reply_slack_ms);
}

static void go_on(struct sync *s, struct peer *p, struct sync_update *u)
{
    if (p->replica.queued > 0) {
        p->replica.state = REPLICA_STORING; /* that first */
        p->replica.more = false;
    } else if (p->replica.hello_done) {
        pull(s, p, u);
    } else {
        greet(s, p, u);
    }
}

void replica_link_up(struct sync *s, struct peer *p, struct sync_update *u)
{
    struct replica *r = &p->replica;
    r->hello_done = false;
    r->heads_ms = s->now_ms;
    if (r->state != REPLICA_HALTED)
        go_on(s, p, u);
}

void replica_link_down(struct sync *s, struct peer *p)
{
    struct replica *r = &p->replica;
    r->hello_done = false;
    r->silent_ms += s->now_ms - r->heads_ms;
    r->heads_ms = s->now_ms;
    r->token = 0;
    if (r->state != REPLICA_HALTED)
        r->state = r->queued > 0 ? REPLICA_STORING : REPLICA_OFFLINE;
}

/* When the alarm about an author that has stopped writing heads leaves is due. */
static uint64_t stalled_ms(const struct sync *s, const struct peer *p)
{
    bool watched = p->link_up && !p->replica.stalled_told && p->replica.state != REPLICA_HALTED;
    uint64_t left_ms = s->config.heads_stale_ms - min_of(p->replica.silent_ms, (uint64_t)s->config.heads_stale_ms);
    return watched ? p->replica.heads_ms + left_ms : UINT64_MAX;
}

void replica_time(struct sync *s, struct peer *p, struct sync_update *u)
{
    if (s->now_ms >= stalled_ms(s, p)) {
        p->replica.stalled_told = true;
        sync_alarm(u, p->code, "ledger.stalled",
                   "connected, but for %u s it has not said what it has addressed to this node (heads entry)",
                   s->config.heads_stale_ms / 1000);
    }
    if (p->replica.state == REPLICA_WAITING && s->now_ms >= p->replica.retry_at_ms && p->link_up)
        go_on(s, p, u);
}

void replica_hint(struct sync *s, struct peer *p, const struct wire_hint *hint, struct sync_update *u)
{
    struct replica *r = &p->replica;
    bool news = hint->origin == p->code && (hint->your_seq > tip(r)->seq_me || hint->public_seq > tip(r)->seq_public);
    if (!news)
        return;
    if (!p->link_up)
        sync_act(u, SYNC_ACTION_REDIAL, p->code);
    else if (r->state == REPLICA_WAITING && r->backoff_ms < s->config.retry_max_ms)
        r->retry_at_ms = s->now_ms; /* not when verification failed over and over: that wait is meant */
}

/* ---- verification ---- */

/* A checkpoint that its author signed is worth knowing whatever becomes of the batch. */
static void seen(struct peer *p, const struct checkpoint *head, struct bytes note, const struct crange *range,
                 struct sync_update *u)
{
    struct sync_action *a = sync_act(u, SYNC_ACTION_SEEN, p->code);
    a->head = *head;
    a->note = note;
    a->range = range;
}

static int check_note(const struct peer *p, const struct wire_batch *b, const struct checkpoint *ret, struct err *e)
{
    const struct sync_cursor *c = tip(&p->replica);
    if (ret->size != b->frontier.target)
        return err_set(e, ERR_VERIFY, "sync.target", "batch is against size %llu, its checkpoint has %llu",
                       (unsigned long long)b->frontier.target, (unsigned long long)ret->size);
    if (ret->size > LEDGER_SIZE_MAX)
        return err_set(e, ERR_LIMIT, "ledger.too-large", "checkpoint of size %llu, the limit is %llu",
                       (unsigned long long)ret->size, (unsigned long long)LEDGER_SIZE_MAX);
    if (ret->size < c->head_size)
        return err_set(e, ERR_VERIFY, "ledger.rolled-back", "checkpoint of size %llu after one of %llu",
                       (unsigned long long)ret->size, (unsigned long long)c->head_size);
    if (ret->size == c->head_size && c->head_size > 0 && !merkle_hash_equal(&ret->root, &c->head_root))
        return err_set(e, ERR_VERIFY, "ledger.equivocation", "two signed roots for size %llu",
                       (unsigned long long)ret->size);
    return 0;
}

/* The entry is addressed to us (or to all) with the next number. */
static int check_seq(const struct sync *s, const struct leaf *leaf, struct sync_cursor *next, struct err *e)
{
    bool addressed = false;
    for (unsigned i = 0; i < leaf->recipient_count; i++) {
        const struct leaf_recipient *to = &leaf->recipients[i];
        if (to->node != s->config.self && to->node != LEAF_NODE_ALL)
            continue;
        uint64_t *last = to->node == LEAF_NODE_ALL ? &next->seq_public : &next->seq_me;
        if (to->seq != *last + 1 && !MUTANT(seq_unchecked))
            return err_set(e, ERR_VERIFY, "ledger.omission", "entry %llu has number %llu for %s, the last was %llu",
                           (unsigned long long)leaf->index, (unsigned long long)to->seq,
                           to->node == LEAF_NODE_ALL ? "everyone" : "us", (unsigned long long)*last);
        *last = to->seq;
        addressed = true;
    }
    if (!addressed)
        return err_set(e, ERR_VERIFY, "sync.not-addressed", "entry %llu is not addressed to this node",
                       (unsigned long long)leaf->index);
    return 0;
}

/* The author's word about what it has addressed to us, against what we hold. @leaf is the batch's last entry. */
static int check_heads(const struct sync *s, const struct wire_batch *b, const struct leaf *leaf,
                       struct sync_cursor *next, struct err *e)
{
    struct heads_summary summary;
    struct heads_row row;
    const struct frontier_batch *f = &b->frontier;
    if (f->to != leaf->index + 1)
        return err_set(e, ERR_VERIFY, "ledger.heads", "heads entry %llu does not end its batch",
                       (unsigned long long)leaf->index);
    struct bytes opening = b->openings == NULL ? bytes_of(NULL, 0) : b->openings[f->item_count - 1];
    int rc = heads_of_leaf(leaf, &summary, e);
    if (rc == 0)
        rc = heads_verify(&summary, s->config.self, opening, &row, e);
    if (rc != 0)
        return err_set(e, ERR_VERIFY, "ledger.heads", "heads entry %llu is not opened for this node",
                       (unsigned long long)leaf->index);
    bool is_all = row.last_seq == next->seq_me && summary.public_seq == next->seq_public;
    if (!is_all && !MUTANT(heads_unchecked))
        return err_set(
            e, ERR_VERIFY, "ledger.withheld",
            "by its heads entry %llu it has addressed %llu entries to this node and %llu to everyone, given were "
            "%llu and %llu",
            (unsigned long long)leaf->index, (unsigned long long)row.last_seq, (unsigned long long)summary.public_seq,
            (unsigned long long)next->seq_me, (unsigned long long)next->seq_public);
    next->confirmed =
        (struct sync_confirmed){.range = next->range, .seq_me = next->seq_me, .seq_public = next->seq_public};
    return 0;
}

static int check_entry(const struct sync *s, const struct peer *p, const struct wire_batch *b,
                       const struct frontier_entry *in, struct sync_cursor *next, struct err *e)
{
    struct leaf leaf;
    int rc = leaf_decode(in->leaf, &leaf, e);
    if (rc != 0)
        return err_wrap(e, "entry %llu", (unsigned long long)in->index);
    if (leaf.origin != p->code || leaf.index != in->index)
        return err_set(e, ERR_VERIFY, "sync.misplaced", "entry at %llu of ledger %u says it is %llu of %u",
                       (unsigned long long)in->index, p->code, (unsigned long long)leaf.index, leaf.origin);
    rc = leaf.kind == LEAF_KIND_HEADS ? check_heads(s, b, &leaf, next, e) : check_seq(s, &leaf, next, e);
    if (rc == 0 && in->payload.size > 0) {
        struct merkle_hash hash;
        crypto_sha256_one(in->payload.data, in->payload.size, hash.b);
        if (in->payload.size != leaf.ct_len || !merkle_hash_equal(&hash, &leaf.ct_hash))
            return err_set(e, ERR_VERIFY, "sync.payload", "payload of entry %llu is not the one its leaf names",
                           (unsigned long long)in->index);
    }
    return rc;
}

struct sync_entry *sync_entries(const struct sync_action *action, struct arena *a)
{
    struct sync_entry *ret = arena_alloc(a, (action->entry_count + 1) * sizeof *ret);
    for (size_t i = 0; i < action->entry_count; i++) {
        const struct frontier_entry *in = &action->entries[i];
        struct sync_entry *out = &ret[i];
        int rc = leaf_decode(in->leaf, &out->leaf, NULL);
        xassert(rc == 0); /* check_entry() has done it before */
        out->bytes = in->leaf;
        out->hash = in->hash;
        out->payload = in->payload;
        out->payload_held = in->payload.size > 0 || out->leaf.ct_len == 0;
    }
    return ret;
}

static int verify(struct sync *s, struct peer *p, const struct wire_batch *b, struct sync_update *u,
                  const struct frontier_entry **ret, size_t *ret_count, struct err *e)
{
    struct checkpoint head;
    struct sync_cursor next = *tip(&p->replica);
    struct frontier_entry *entries;
    size_t count;
    if (b->origin != p->code)
        return err_set(e, ERR_VERIFY, "sync.origin", "batch of ledger %u, asked for %u", b->origin, p->code);
    int rc = s->host.open_checkpoint(s->host.ctx, p->code, b->checkpoint, &head, e);
    if (rc != 0)
        return rc;
    rc = check_note(p, b, &head, e);
    if (rc == 0)
        rc = frontier_verify(&next.range, &b->frontier, &head.root, u->arena, &next.range, &entries, &count, e);
    if (rc != 0) {
        seen(p, &head, b->checkpoint, NULL, u);
        return rc;
    }
    p->replica.next = *tip(&p->replica); /* as far as a setback needs it */
    p->replica.next.range = next.range;
    p->replica.next.head_size = next.head_size = head.size;
    p->replica.next.head_root = next.head_root = head.root;
    seen(p, &head, b->checkpoint, next.range.size == head.size ? &p->replica.next.range : NULL, u);

    for (size_t i = 0; i < count; i++) {
        rc = check_entry(s, p, b, &entries[i], &next, e);
        if (rc != 0)
            return rc;
    }
    p->replica.next = next;
    *ret = entries;
    *ret_count = count;
    return 0;
}

/* ---- answers ---- */

static void store(struct sync *s, struct peer *p, const struct frontier_entry *entries, size_t count,
                  const struct wire_batch *b, struct sync_update *u)
{
    struct replica *r = &p->replica;
    xassert(r->queued < SYNC_WINDOW);
    struct sync_action *a = sync_act(u, SYNC_ACTION_STORE, p->code);
    a->token = s->next_token++;
    a->cursor = r->next;
    a->entries = entries;
    a->entry_count = count;
    a->note = b->checkpoint;
    a->grants = b->grants;
    if (count > 0) {
        struct crange *before = arena_alloc(u->arena, sizeof *before);
        *before = tip(r)->range;
        a->frontier = &b->frontier;
        a->range_before = before;
    }
    r->queue[r->queued++] = (struct replica_store){.token = a->token, .cursor = r->next};
    r->state = REPLICA_STORING;
    r->token = 0;
}

/* Back to @to; the newest checkpoint seen stays known. */
static void go_back(struct sync *s, struct peer *p, const struct sync_confirmed *to, const struct sync_cursor *newest,
                    struct bytes note, struct sync_update *u)
{
    struct sync_cursor next = {.range = to->range,
                               .seq_me = to->seq_me,
                               .seq_public = to->seq_public,
                               .head_size = newest->head_size,
                               .head_root = newest->head_root,
                               .confirmed = *to};
    p->replica.next = next;
    store(s, p, NULL, 0, &(struct wire_batch){.checkpoint = note}, u);
}

/* Something was left out below the cursor: back to where nothing was. */
static void set_back(struct sync *s, struct peer *p, const struct wire_batch *b, struct sync_update *u)
{
    struct replica *r = &p->replica;
    const struct sync_confirmed to = tip(r)->confirmed;
    if (to.range.size >= tip(r)->range.size)
        return; /* nothing was passed */
    struct sync_cursor newest = r->next;
    r->is_setback = true;
    go_back(s, p, &to, &newest, b->checkpoint, u);
}

/* The confirmed position is right behind a heads leaf that may lie above the lost entry: then from the very beginning. */
void replica_again(struct sync *s, struct peer *p, uint64_t index, struct sync_update *u)
{
    struct replica *r = &p->replica;
    if (r->state == REPLICA_HALTED || index >= r->cursor.range.size)
        return;          /* nothing is pulled, or it is still to come */
    if (r->queued > 0) { /* what is asked for ahead comes to nothing */
        r->again = r->again == 0 ? index + 1 : min_of(r->again, index + 1);
        if (r->state == REPLICA_PULLING)
            r->state = REPLICA_STORING;
        r->token = 0;
        return;
    }
    struct sync_confirmed to = {0};
    struct sync_cursor newest = r->cursor;
    if (r->cursor.confirmed.range.size <= index)
        to = r->cursor.confirmed;
    go_back(s, p, &to, &newest, bytes_of(NULL, 0), u);
}

static void refuse_batch(struct sync *s, struct peer *p, const struct wire_batch *b, const struct err *e,
                         struct sync_update *u)
{
    struct replica *r = &p->replica;
    bool omitted = strcmp(e->id, "ledger.withheld") == 0 || strcmp(e->id, "ledger.omission") == 0;
    sync_alarm(u, p->code, e->id, "batch refused, cursor stays at %llu: %s",
               (unsigned long long)(omitted ? tip(r)->confirmed.range.size : tip(r)->range.size), e->message);
    r->backoff_ms = s->config.retry_max_ms;
    wait_until(s, p, s->config.verify_retry_ms, e->message);
    if (strcmp(e->id, "ledger.equivocation") == 0)
        r->state = REPLICA_HALTED;
    else if (omitted)
        set_back(s, p, b, u);
}

/* A batch that moves nothing: nothing to store. An author that says so at once, though it was asked to wait until there is something,
 * would be asked as fast as the line carries it. */
static void take_nothing(struct sync *s, struct peer *p, struct sync_update *u)
{
    struct replica *r = &p->replica;
    r->more = false;
    r->token = 0;
    if (r->queued > 0) {
        r->queue[r->queued - 1].cursor = r->next;
    } else {
        r->cursor = r->next;
        if (s->now_ms < r->early_ms) {
            back_off(s, p, "it says at once that there is nothing");
            return;
        }
        r->backoff_ms = s->config.retry_min_ms;
    }
    go_on(s, p, u);
}

static void take_batch(struct sync *s, struct peer *p, const struct wire_batch *b, struct sync_update *u)
{
    struct replica *r = &p->replica;
    const struct frontier_entry *entries;
    size_t count;
    struct err e = {0};
    if (verify(s, p, b, u, &entries, &count, &e) != 0) {
        refuse_batch(s, p, b, &e, u);
        return;
    }
    r->last_error[0] = '\0';
    if (r->next.confirmed.range.size > tip(r)->confirmed.range.size) {
        r->heads_ms = s->now_ms;
        r->silent_ms = 0;
        r->stalled_told = false;
    }
    r->more = b->more;
    if (count == 0 && r->next.range.size == tip(r)->range.size) {
        take_nothing(s, p, u);
        return;
    }
    store(s, p, entries, count, b, u);
    pull_ahead(s, p, u);
}

static void take_error(struct sync *s, struct peer *p, const struct wire_error *m, struct sync_update *u)
{
    struct replica *r = &p->replica;
    if (m->code == WIRE_ERROR_CONFLICT) {
        sync_alarm(u, p->code, "ledger.conflict", "peer says our position %llu in its ledger is not its own: %s",
                   (unsigned long long)r->cursor.range.size, m->message);
        r->backoff_ms = s->config.retry_max_ms;
        wait_until(s, p, s->config.verify_retry_ms, m->message);
        return;
    }
    back_off(s, p, m->message);
    if (m->retry_ms > 0)
        r->retry_at_ms = s->now_ms + min_of(m->retry_ms, s->config.retry_max_ms);
}

void replica_reply(struct sync *s, struct peer *p, const struct wire_msg *m, struct sync_update *u)
{
    struct replica *r = &p->replica;
    bool greeting = r->state == REPLICA_GREETING;
    if (!greeting && r->state != REPLICA_PULLING)
        return;
    if (m->type == WIRE_ERROR) {
        take_error(s, p, &m->u.error, u);
    } else if (greeting && m->type == WIRE_HELLO && m->u.hello.node == p->code) {
        sync_note_own_size(s, p->code, m->u.hello.your_size, u); /* first: HELLO may end the wait before writing */
        struct sync_action *a = sync_act(u, SYNC_ACTION_HELLO, p->code);
        a->message = *m;
        a->skew_ms = (int64_t)(m->u.hello.wall_ms - s->wall_ms);
        r->hello_done = true;
        r->can_start = m->u.hello.pull_start;
        pull(s, p, u);
    } else if (!greeting && m->type == WIRE_BATCH) {
        take_batch(s, p, &m->u.batch, u);
    } else {
        back_off(s, p, "an answer of the wrong kind");
    }
}

void replica_reply_failed(struct sync *s, struct peer *p, const char *text)
{
    if (p->replica.state == REPLICA_GREETING || p->replica.state == REPLICA_PULLING)
        back_off(s, p, text);
}

/* The queue is empty. */
static void all_stored(struct sync *s, struct peer *p, struct sync_update *u)
{
    struct replica *r = &p->replica;
    if (r->is_setback) {
        char why[sizeof r->last_error];
        memcpy(why, r->last_error, sizeof why);
        r->is_setback = false;
        wait_until(s, p, s->config.verify_retry_ms, why);
        if (!p->link_up)
            r->state = REPLICA_OFFLINE;
        return;
    }
    if (r->again != 0) {
        uint64_t index = r->again - 1;
        r->again = 0;
        replica_again(s, p, index, u);
        if (r->queued > 0)
            return;
    }
    if (r->state != REPLICA_STORING)
        return; /* a PULL is out, or it waits for something else */
    if (p->link_up)
        go_on(s, p, u);
    else
        r->state = REPLICA_OFFLINE;
}

void replica_stored(struct sync *s, struct peer *p, uint64_t token, struct sync_update *u)
{
    struct replica *r = &p->replica;
    if (r->queued == 0 || r->queue[0].token != token)
        return; /* given up meanwhile */
    r->cursor = r->queue[0].cursor;
    r->queued--;
    memmove(&r->queue[0], &r->queue[1], r->queued * sizeof r->queue[0]);
    if (r->state == REPLICA_HALTED)
        return;
    if (r->state != REPLICA_WAITING)
        r->backoff_ms =
            s->config.retry_min_ms; /* not before: a disk that refuses must not make us pull at full speed */
    if (r->queued == 0)
        all_stored(s, p, u);
    else if (r->state == REPLICA_STORING)
        pull_ahead(s, p, u);
}

void replica_store_failed(struct sync *s, struct peer *p, uint64_t token, bool is_unsure)
{
    struct replica *r = &p->replica;
    unsigned at = 0;
    while (at < r->queued && r->queue[at].token != token)
        at++;
    if (at == r->queued)
        return; /* given up meanwhile */
    /* Of a way back that may be at the disk, and of where it began, the lower position is true of both. */
    bool is_back = is_unsure && at == 0 && r->queue[0].cursor.range.size < r->cursor.range.size;
    if (is_back || MUTANT(stored_early))
        r->cursor = r->queue[at].cursor;
    r->queued = at;        /* what lay behind it is void */
    r->is_setback = false; /* the next batch shows the same again */
    r->again = 0;
    r->token = 0;
    if (r->state == REPLICA_HALTED)
        return;
    if (p->link_up)
        back_off(s, p, "this node's disk refused the last batch");
    else
        r->state = at > 0 ? REPLICA_STORING : REPLICA_OFFLINE;
}

uint64_t replica_timeout(const struct sync *s, const struct peer *p)
{
    bool is_waiting = p->replica.state == REPLICA_WAITING && p->link_up && !MUTANT(wait_forever);
    uint64_t retry = is_waiting ? p->replica.retry_at_ms : UINT64_MAX;
    return min_of(retry, stalled_ms(s, p));
}
