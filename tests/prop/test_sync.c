/* Property test of federation/sync: whole federations of pure cores in one process, one clock, one seed.
 *
 * Goal: whatever the network does (loss, duplicates, delay, cuts) and wherever a node crashes between its commits, a
 * follower's stored entries are exactly those addressed to it below its cursor, each once and in order (L1), its head never
 * shrinks (L2), a tampered or withheld entry raises an alarm before the confirmed position passes it (L5), and when the links
 * are mended every cursor reaches the author's size (L7). Heads leaves confirm positions; an honest author never causes an
 * alarm, and one that delivers in the end is recovered from without help.
 * A follower's batches of a backlog are on their way to its disk while it asks on: what it acknowledges is durable all the same,
 * and a disk that refuses one takes none of those behind it. Some nodes are of a version that does not know PULL.start.
 * Method: messages go through the real wire codec; a "disk" keeps what a STORE action made durable; a crash drops the
 * core and everything not on the disk. Every step is drawn from the seed.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/heads.h"
#include "federation/ledger/tiles.h"
#include "federation/sync/batch.h"
#include "federation/sync/sync.h"
#include "federation/wire/wire.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"

#define NODES 4
#define QUEUE_MAX 512
#define ENTRIES_MAX 600
#define STALE_MS 60000u

struct entry {
    uint8_t *leaf;
    size_t size;
    uint32_t to[2]; /* recipients' codes or 0 for everyone; UINT32_MAX = none */
    bool is_heads;
    uint8_t *vector; /* of a heads leaf */
    size_t vector_size;
    bool is_hidden; /* a Byzantine author leaves it out of every batch */
};

/* What one node has made durable of another's ledger. */
struct disk {
    struct sync_cursor cursor;
    uint64_t indexes[ENTRIES_MAX];
    size_t count;
    uint64_t newest; /* largest position ever: what was said to the author once stays said */
};

struct sim_node {
    uint32_t code;
    struct crypto_signer *key;
    struct note_signer signer;
    struct tiles *tree;
    struct entry entries[ENTRIES_MAX];
    size_t count;
    uint64_t seqs[NODES + 1]; /* per recipient position; [NODES] = everyone */
    uint64_t ends[NODES + 1];
    uint64_t heads_end;
    struct buf note;
    uint64_t sealed;
    struct sync *core;
    struct disk disks[NODES];
    uint64_t acked[NODES];
    uint64_t store_ms[NODES]; /* when the last batch of that author will be durable */
    bool is_old;              /* an earlier version */
};

enum packet_kind { PACKET_REQUEST, PACKET_REPLY, PACKET_FAILED, PACKET_STORED, PACKET_NOT_STORED };

struct packet {
    enum packet_kind kind;
    unsigned from, to;
    uint64_t token; /* of the requester; STORED: of the store action */
    uint64_t due_ms;
    uint8_t *data;
    size_t size;
    struct sync_cursor cursor; /* STORED */
    uint64_t stored[256];
    size_t stored_count;
    unsigned epoch;
};

struct sim {
    struct prng prng;
    struct sim_node nodes[NODES];
    struct packet queue[QUEUE_MAX];
    size_t queued;
    bool cut[NODES][NODES];
    uint64_t now_ms;
    unsigned loss_percent, duplicate_percent, refuse_percent; /* the last: of a disk */
    unsigned storing_max; /* batches of one author on their way to one disk at once */
    unsigned epochs[NODES];
    unsigned alarms;
    char last_alarm[48];
    int tamper; /* enum tamper */
    bool expect_alarms;
    bool asks_again; /* followers lose entries of their own and go back for them */
    uint64_t deliveries;
};

enum tamper { TAMPER_NONE, TAMPER_OMIT, TAMPER_BYTE };

static const uint32_t codes[NODES] = {110000, 330000, 440000, 510000};

static unsigned position(uint32_t code)
{
    for (unsigned i = 0; i < NODES; i++)
        if (codes[i] == code)
            return i;
    return NODES;
}

/* ---- an author's ledger ---- */

static void seal(struct sim_node *n)
{
    struct checkpoint c = {.size = tiles_size(n->tree)};
    (void)snprintf(c.origin, sizeof c.origin, "%s", n->signer.key.name);
    tiles_root(n->tree, &c.root);
    buf_reset(&n->note);
    assert_int_equal(checkpoint_sign(&c, &n->signer, &n->note, NULL), 0);
    n->sealed = c.size;
}

static void append(struct sim *s, struct sim_node *n)
{
    if (n->count == ENTRIES_MAX)
        return;
    struct leaf l = {.kind = LEAF_KIND_EVENT,
                     .suite = LEAF_SUITE_SHA256_ED25519_AES256GCM,
                     .origin = n->code,
                     .index = n->count,
                     .hlc = s->now_ms << 16};
    struct entry *e = &n->entries[n->count];
    e->to[0] = e->to[1] = UINT32_MAX;
    prng_fill(&s->prng, l.salt, sizeof l.salt);
    unsigned self = position(n->code);
    unsigned kind = (unsigned)prng_below(&s->prng, 4);
    if (kind == 0) {
        l.recipients[l.recipient_count++] = (struct leaf_recipient){.node = 0, .seq = ++n->seqs[NODES]};
        n->ends[NODES] = n->count + 1;
        e->to[0] = 0;
    } else if (kind != 3) { /* 3: nobody's but ours */
        unsigned to = (unsigned)prng_below(&s->prng, NODES);
        if (to != self) {
            l.recipients[l.recipient_count++] = (struct leaf_recipient){.node = codes[to], .seq = ++n->seqs[to]};
            n->ends[to] = n->count + 1;
            e->to[0] = codes[to];
        }
    }
    struct buf b = {0};
    struct merkle_hash hash;
    assert_int_equal(leaf_encode(&l, &b, NULL), 0);
    leaf_hash(buf_bytes(&b), &hash);
    assert_int_equal(tiles_append(n->tree, &hash, NULL), 0);
    e->leaf = buf_take(&b, &e->size);
    n->count++;
}

/* Commits to what was addressed so far. */
static void append_heads(struct sim *s, struct sim_node *n)
{
    if (n->count == ENTRIES_MAX)
        return;
    struct heads_row rows[NODES];
    struct heads_summary summary;
    struct buf vector = {0}, b = {0};
    uint8_t storage[HEADS_STORAGE_SIZE];
    struct merkle_hash hash;
    size_t count = 0;
    for (unsigned i = 0; i < NODES; i++) {
        if (codes[i] == n->code)
            continue;
        rows[count] = (struct heads_row){
            .recipient = codes[i], .last_seq = n->seqs[i], .last_index = n->ends[i] == 0 ? 0 : n->ends[i] - 1};
        prng_fill(&s->prng, rows[count++].salt, HEADS_SALT_SIZE);
    }
    heads_vector(rows, count, &vector, &summary);
    summary.public_seq = n->seqs[NODES];
    struct leaf l = {.suite = LEAF_SUITE_SHA256_ED25519_AES256GCM,
                     .origin = n->code,
                     .index = n->count,
                     .hlc = s->now_ms << 16,
                     .ct_len = (uint32_t)vector.size};
    heads_to_leaf(&summary, storage, &l);
    crypto_sha256_one(vector.data, vector.size, l.ct_hash.b);
    assert_int_equal(leaf_encode(&l, &b, NULL), 0);
    leaf_hash(buf_bytes(&b), &hash);
    assert_int_equal(tiles_append(n->tree, &hash, NULL), 0);
    struct entry *e = &n->entries[n->count];
    e->to[0] = e->to[1] = UINT32_MAX;
    e->is_heads = true;
    e->leaf = buf_take(&b, &e->size);
    e->vector = buf_take(&vector, &e->vector_size);
    n->heads_end = ++n->count;
}

static bool is_for(const struct entry *e, uint32_t code)
{
    return e->to[0] == 0 || e->to[0] == code || e->to[1] == code;
}

static int source_addressed(void *ctx, uint32_t peer, uint64_t from, uint64_t below, size_t limit, struct arena *a,
                            uint64_t **ret, size_t *ret_count, struct err *e)
{
    const struct sim_node *n = ctx;
    (void)e;
    *ret = arena_alloc(a, limit * sizeof **ret);
    *ret_count = 0;
    for (uint64_t i = from; i < below && *ret_count < limit; i++)
        if (is_for(&n->entries[i], peer) && !n->entries[i].is_hidden)
            (*ret)[(*ret_count)++] = i;
    return 0;
}

static int source_entry(void *ctx, uint64_t index, struct arena *a, struct bytes *leaf, struct bytes *payload,
                        bool *held, struct err *e)
{
    const struct sim_node *n = ctx;
    (void)a;
    (void)e;
    *leaf = bytes_of(n->entries[index].leaf, n->entries[index].size);
    *payload = bytes_of(n->entries[index].vector, n->entries[index].vector_size);
    *held = true;
    return 0;
}

/* ---- host of a core ---- */

static struct sim *running;

static int host_open(void *ctx, uint32_t origin, struct bytes note, struct checkpoint *ret, struct err *e)
{
    (void)ctx;
    struct checkpoint_opened opened;
    int rc = checkpoint_open(note, &running->nodes[position(origin)].signer.key, NULL, 0, &opened, e);
    if (rc == 0)
        *ret = opened.head;
    return rc;
}

static uint64_t host_size(void *ctx)
{
    return ((struct sim_node *)ctx)->sealed;
}

static int host_root(void *ctx, uint64_t size, struct merkle_hash *ret, struct err *e)
{
    struct merkle_source source = tiles_source(((struct sim_node *)ctx)->tree);
    return merkle_root(&source, size, ret, e);
}

static uint64_t host_end(void *ctx, uint32_t peer, uint64_t *seq, uint64_t *public_seq)
{
    struct sim_node *n = ctx;
    *seq = n->seqs[position(peer)];
    *public_seq = n->seqs[NODES];
    return min_of(max_of(max_of(n->ends[position(peer)], n->ends[NODES]), n->heads_end), n->sealed);
}

/* ---- network ---- */

static void push(struct sim *s, const struct packet *p)
{
    if (s->queued < QUEUE_MAX)
        s->queue[s->queued++] = *p;
    else
        free(p->data);
}

static void post(struct sim *s, enum packet_kind kind, unsigned from, unsigned to, uint64_t token,
                 const struct wire_msg *m)
{
    struct buf b = {0};
    struct err e = {0};
    if (wire_encode(m, &b, &e) != 0)
        fail_msg("encode: %s", e.message);
    unsigned copies = prng_below(&s->prng, 100) < s->duplicate_percent ? 2 : 1;
    for (unsigned i = 0; i < copies; i++) {
        struct packet p = {.kind = kind,
                           .from = from,
                           .to = to,
                           .token = token,
                           .epoch = s->epochs[from],
                           .due_ms = s->now_ms + 1 + prng_below(&s->prng, 50)};
        p.data = xmemdup(b.data, b.size);
        p.size = b.size;
        bool lost = s->cut[from][to] || prng_below(&s->prng, 100) < s->loss_percent;
        if (lost) { /* the requester's link notices in the end */
            free(p.data);
            p.data = NULL;
            p.kind = PACKET_FAILED;
            if (kind == PACKET_REPLY) {
                p.from = to;
                p.epoch = s->epochs[to];
            }
            p.to = p.from;
            p.due_ms = s->now_ms + 300;
        }
        push(s, &p);
    }
    buf_close(&b);
}

static void step(struct sim *s, unsigned at, struct sync_event *event, struct arena *a);

static bool source_last_heads(void *ctx, uint64_t from, uint64_t below, uint64_t *ret_index)
{
    const struct sim_node *n = ctx;
    for (uint64_t i = below; i-- > from;) {
        if (!n->entries[i].is_heads)
            continue;
        *ret_index = i;
        return true;
    }
    return false;
}

static void send_batch(struct sim *s, unsigned at, const struct sync_action *action)
{
    struct sim_node *n = &s->nodes[at];
    struct arena a = ARENA_INIT;
    struct wire_msg m = {.type = WIRE_BATCH};
    struct err e = {0};
    struct batch_source source = {.ctx = n,
                                  .tree = tiles_source(n->tree),
                                  .addressed = source_addressed,
                                  .last_heads = source_last_heads,
                                  .entry = source_entry};
    uint32_t bytes_max = s->tamper == TAMPER_OMIT ? 100000 : 200 + (uint32_t)prng_below(&s->prng, 4000);
    if (batch_build(&source, n->code, action->peer, action->from, n->sealed, buf_bytes(&n->note), bytes_max, &a,
                    &m.u.batch, &e) != 0)
        fail_msg("build: %s", e.message);
    if (s->tamper != TAMPER_NONE && s->expect_alarms) {
        struct frontier_batch *f = &m.u.batch.frontier;
        for (size_t i = 0; i < f->item_count; i++) {
            if (f->items[i].kind != FRONTIER_KIND_ENTRY)
                continue;
            if (s->tamper == TAMPER_OMIT) { /* the true hash instead of the entry: the tree still fits */
                struct merkle_hash hash;
                leaf_hash(f->items[i].leaf, &hash);
                f->items[i] = (struct frontier_item){.kind = FRONTIER_KIND_HASH, .hash = hash};
            } else {
                struct bytes copy = arena_bytes(&a, f->items[i].leaf);
                ((uint8_t *)(uintptr_t)copy.data)[prng_below(&s->prng, copy.size)] ^= 1;
                f->items[i].leaf = copy;
            }
            break;
        }
    }
    m.u.batch.more = m.u.batch.frontier.to < m.u.batch.frontier.target;
    post(s, PACKET_REPLY, at, position(action->peer), action->handle, &m);
    arena_close(&a);
}

static void store(struct sim *s, unsigned at, const struct sync_action *action)
{
    uint64_t *last = &s->nodes[at].store_ms[position(action->peer)];
    *last =
        max_of(*last, s->now_ms) + 5 + prng_below(&s->prng, s->refuse_percent > 0 ? 200 : 40); /* one after the other */
    struct packet p = {.kind = prng_below(&s->prng, 100) < s->refuse_percent ? PACKET_NOT_STORED : PACKET_STORED,
                       .from = position(action->peer),
                       .to = at,
                       .token = action->token,
                       .cursor = action->cursor,
                       .epoch = s->epochs[at],
                       .due_ms = *last};
    struct arena a = ARENA_INIT;
    const struct sync_entry *entries = sync_entries(action, &a);
    for (size_t i = 0; i < action->entry_count; i++) {
        assert_true(p.stored_count < array_count(p.stored));
        if (entries[i].leaf.kind == LEAF_KIND_HEADS)
            continue;
        p.stored[p.stored_count++] = entries[i].leaf.index;
    }
    arena_close(&a);
    push(s, &p);
}

static void perform(struct sim *s, unsigned at, const struct sync_action *a)
{
    switch (a->type) {
    case SYNC_ACTION_REQUEST:
        post(s, PACKET_REQUEST, at, position(a->peer), a->token, &a->message);
        push(s, &(struct packet){.kind = PACKET_FAILED,
                                 .from = at,
                                 .to = at,
                                 .token = a->token,
                                 .epoch = s->epochs[at],
                                 .due_ms = s->now_ms + a->timeout_ms});
        break;
    case SYNC_ACTION_REPLY: {
        struct wire_msg m = a->message;
        if (m.type == WIRE_HELLO)
            m.u.hello.pull_start = !s->nodes[at].is_old && !s->nodes[position(a->peer)].is_old;
        post(s, PACKET_REPLY, at, position(a->peer), a->handle, &m);
        break;
    }
    case SYNC_ACTION_BATCH:
        send_batch(s, at, a);
        break;
    case SYNC_ACTION_STORE:
        store(s, at, a);
        break;
    case SYNC_ACTION_ACKED:
        assert_true(a->size <= s->nodes[at].sealed);
        assert_true(a->size <= s->nodes[position(a->peer)].disks[at].newest); /* durable before said */
        s->nodes[at].acked[position(a->peer)] = a->size;
        break;
    case SYNC_ACTION_ALARM:
        s->alarms++;
        (void)snprintf(s->last_alarm, sizeof s->last_alarm, "%s", a->alarm_id);
        if (!s->expect_alarms)
            fail_msg("alarm %s: %s", a->alarm_id, a->text);
        break;
    case SYNC_ACTION_REDIAL:
    case SYNC_ACTION_HELLO:
    case SYNC_ACTION_SEEN:
        break;
    case SYNC_ACTION_BEHIND:
        fail_msg("node %u would be an older copy of itself", at);
        break;
    }
}

static void step(struct sim *s, unsigned at, struct sync_event *event, struct arena *a)
{
    struct sync_update u = {.arena = a};
    event->now_ms = s->now_ms;
    event->wall_ms = 1764000000000u + s->now_ms;
    sync_step(s->nodes[at].core, event, &u);
    for (size_t i = 0; i < u.count; i++)
        perform(s, at, &u.actions[i]);
    struct sync_peer_info info = {0};
    if (sync_peer_info(s->nodes[at].core, event->peer, &info))
        s->storing_max = max_of(s->storing_max, info.storing);
}

static void step_alone(struct sim *s, unsigned at, struct sync_event event)
{
    struct arena a = ARENA_INIT;
    step(s, at, &event, &a);
    arena_close(&a);
}

/* ---- life and death ---- */

static uint64_t host_known(void *ctx, uint32_t peer)
{
    const struct sim_node *n = ctx;
    return n->disks[position(peer)].cursor.range.size;
}

static void start_core(struct sim *s, unsigned at)
{
    struct sim_node *n = &s->nodes[at];
    struct sync_config config = {.self = n->code,
                                 .software = "test",
                                 .poll_wait_ms = 2000,
                                 .reply_slack_ms = 500,
                                 .retry_max_ms = 1000,
                                 .verify_retry_ms = 1000,
                                 .heads_stale_ms = STALE_MS};
    struct sync_host host = {.ctx = n,
                             .open_checkpoint = host_open,
                             .own_size = host_size,
                             .own_root_at = host_root,
                             .own_addressed_end = host_end,
                             .known_size = host_known};
    n->core = sync_create(&config, &host);
    for (unsigned peer = 0; peer < NODES; peer++) {
        if (peer == at)
            continue;
        sync_set_peer(n->core, codes[peer], &n->disks[peer].cursor, 0);
        step_alone(s, at, (struct sync_event){.type = SYNC_EVENT_LINK_UP, .peer = codes[peer]});
    }
}

static void crash(struct sim *s, unsigned at)
{
    sync_destroy(s->nodes[at].core);
    s->epochs[at]++; /* everything on its way to or from the dead process is void */
    start_core(s, at);
}

static void check_disk(const struct sim *s, unsigned follower, unsigned author)
{
    const struct disk *d = &s->nodes[follower].disks[author];
    const struct sim_node *n = &s->nodes[author];
    size_t k = 0;
    uint64_t sure = s->expect_alarms ? d->cursor.confirmed.range.size : d->cursor.range.size;
    for (uint64_t i = 0; i < sure; i++)
        if (is_for(&n->entries[i], codes[follower])) {
            assert_true(k < d->count);
            assert_int_equal(d->indexes[k], i);
            k++;
        }
    if (sure == d->cursor.range.size)
        assert_int_equal(k, d->count);    /* L1 */
    for (size_t i = k; i < d->count; i++) /* what is not confirmed is at least in order */
        assert_true(d->indexes[i] >= sure && (i == 0 || d->indexes[i - 1] < d->indexes[i]));
}

static void deliver(struct sim *s, struct packet *p)
{
    struct arena a = ARENA_INIT;
    struct sync_event event = {.peer = codes[p->from], .token = p->token};
    struct wire_msg m;
    s->deliveries++;
    switch (p->kind) {
    case PACKET_REQUEST:
    case PACKET_REPLY:
        assert_int_equal(wire_decode(bytes_of(p->data, p->size), &a, &m, NULL), 0);
        event.type = p->kind == PACKET_REQUEST ? SYNC_EVENT_REQUEST : SYNC_EVENT_REPLY;
        event.handle = p->token; /* the requester's token finds its way back as the handle */
        event.message = &m;
        if (m.type == WIRE_PULL && (s->nodes[p->to].is_old || s->nodes[p->from].is_old))
            assert_int_equal(m.u.pull.start, m.u.pull.from); /* not asked of those who do not know it */
        break;
    case PACKET_FAILED:
        event.type = SYNC_EVENT_REPLY_FAILED;
        event.text = "lost";
        for (unsigned peer = 0; peer < NODES; peer++) /* the token tells which peer it was for */
            if (peer != p->to) {
                event.peer = codes[peer];
                step(s, p->to, &event, &a);
            }
        arena_close(&a);
        return;
    case PACKET_STORED: {
        struct disk *d = &s->nodes[p->to].disks[p->from];
        assert_true(p->cursor.head_size >= d->cursor.head_size); /* L2 */
        assert_true(s->asks_again || p->cursor.confirmed.range.size >= d->cursor.confirmed.range.size);
        if (p->cursor.range.size < d->cursor.range.size) { /* set back: to the confirmed position and no further */
            assert_true(s->expect_alarms || s->asks_again);
            assert_true(s->asks_again || p->cursor.range.size == d->cursor.confirmed.range.size);
            while (d->count > 0 && d->indexes[d->count - 1] >= p->cursor.range.size)
                d->count--; /* given again; the store knows them already */
        }
        d->cursor = p->cursor;
        d->newest = max_of(d->newest, d->cursor.range.size);
        for (size_t i = 0; i < p->stored_count; i++)
            d->indexes[d->count++] = p->stored[i];
        check_disk(s, p->to, p->from);
        event.type = SYNC_EVENT_STORED;
        break;
    }
    case PACKET_NOT_STORED:
        for (size_t i = 0; i < s->queued; i++) { /* those behind it are void */
            struct packet *q = &s->queue[i];
            if (q->to == p->to && q->from == p->from && (q->kind == PACKET_STORED || q->kind == PACKET_NOT_STORED))
                q->epoch = UINT_MAX;
        }
        event.type = SYNC_EVENT_STORE_FAILED;
        break;
    }
    step(s, p->to, &event, &a);
    arena_close(&a);
}

static void pump(struct sim *s, uint64_t until_ms)
{
    while (s->now_ms < until_ms) {
        s->now_ms += 5;
        for (size_t i = 0; i < s->queued;) {
            struct packet p = s->queue[i];
            if (p.due_ms > s->now_ms) {
                i++;
                continue;
            }
            s->queue[i] = s->queue[--s->queued];
            unsigned owner = p.kind == PACKET_STORED || p.kind == PACKET_NOT_STORED ? p.to : p.from;
            if (p.epoch == s->epochs[owner])
                deliver(s, &p);
            free(p.data);
        }
        for (unsigned at = 0; at < NODES; at++)
            if (sync_timeout(s->nodes[at].core) <= s->now_ms)
                step_alone(s, at, (struct sync_event){.type = SYNC_EVENT_TIME});
    }
}

static int save_nothing(void *ctx, unsigned level, uint64_t index, const uint8_t tile[TILES_BYTES], struct err *e)
{
    uint8_t *kept = ctx;
    (void)e;
    if (level == 0 && index < 4)
        memcpy(kept + index * TILES_BYTES, tile, TILES_BYTES);
    return 0;
}

static int load_kept(void *ctx, unsigned level, uint64_t index, uint8_t out[TILES_BYTES], struct err *e)
{
    const uint8_t *kept = ctx;
    (void)e;
    assert_true(level == 0 && index < 4);
    memcpy(out, kept + index * TILES_BYTES, TILES_BYTES);
    return 0;
}

static struct sim *sim_create(uint64_t seed)
{
    struct sim *s = calloc(1, sizeof *s);
    assert_non_null(s);
    running = s;
    prng_init(&s->prng, seed);
    s->now_ms = 1000;
    for (unsigned i = 0; i < NODES; i++) {
        struct sim_node *n = &s->nodes[i];
        uint8_t seed_bytes[32];
        char name[64];
        n->code = codes[i];
        prng_fill(&s->prng, seed_bytes, sizeof seed_bytes);
        n->key = crypto_signer_create(seed_bytes);
        (void)snprintf(name, sizeof name, "%u.test/log/1", codes[i]);
        assert_int_equal(note_signer_init(name, NOTE_TYPE_ED25519, n->key, &n->signer, NULL), 0);
        struct tiles_store store = {.save = save_nothing, .load = load_kept, .ctx = calloc(4, TILES_BYTES)};
        n->tree = tiles_create(&store);
        n->note = (struct buf){0};
        seal(n);
        n->acked[0] = (uintptr_t)store.ctx; /* freed at the end */
    }
    for (unsigned i = 0; i < NODES; i++)
        start_core(s, i);
    return s;
}

static void sim_destroy(struct sim *s, void *const kept[NODES])
{
    for (size_t i = 0; i < s->queued; i++)
        free(s->queue[i].data);
    for (unsigned i = 0; i < NODES; i++) {
        struct sim_node *n = &s->nodes[i];
        sync_destroy(n->core);
        tiles_destroy(n->tree);
        crypto_signer_destroy(n->key);
        buf_close(&n->note);
        for (size_t k = 0; k < n->count; k++) {
            free(n->entries[k].leaf);
            free(n->entries[k].vector);
        }
        free(kept[i]);
    }
    free(s);
}

static void converge(struct sim *s)
{
    memset(s->cut, 0, sizeof s->cut);
    s->loss_percent = s->refuse_percent = 0;
    for (unsigned i = 0; i < NODES; i++) {
        append_heads(s, &s->nodes[i]);
        seal(&s->nodes[i]);
        step_alone(s, i, (struct sync_event){.type = SYNC_EVENT_SEALED});
    }
    pump(s, s->now_ms + 12000);
    for (unsigned f = 0; f < NODES; f++)
        for (unsigned a = 0; a < NODES; a++)
            if (f != a) {
                check_disk(s, f, a);
                const struct disk *d = &s->nodes[f].disks[a];
                uint64_t seq, public_seq;
                assert_true(d->cursor.range.size >= host_end(&s->nodes[a], codes[f], &seq, &public_seq)); /* L7 */
                assert_int_equal(d->cursor.seq_me, seq);
                assert_int_equal(d->cursor.seq_public, public_seq);
                assert_int_equal(d->cursor.confirmed.range.size, s->nodes[a].heads_end);
            }
}

/* Node @at has lost some entry of @other's ledger: it goes back for it, whatever it is doing. */
static void ask_again(struct sim *s, unsigned at, unsigned other)
{
    uint64_t size = s->nodes[at].disks[other].cursor.range.size;
    if (at != other && size > 0)
        step_alone(
            s, at,
            (struct sync_event){.type = SYNC_EVENT_AGAIN, .peer = codes[other], .size = prng_below(&s->prng, size)});
}

static unsigned run_seed(uint64_t seed, bool asks_again)
{
    struct sim *s = sim_create(seed);
    void *kept[NODES];
    for (unsigned i = 0; i < NODES; i++)
        s->nodes[i].is_old = prng_below(&s->prng, 5) == 0;
    s->asks_again = asks_again;
    for (unsigned i = 0; i < NODES; i++) {
        kept[i] = (void *)(uintptr_t)s->nodes[i].acked[0];
        s->nodes[i].acked[0] = 0;
    }
    s->loss_percent = (unsigned)prng_below(&s->prng, 30);
    s->duplicate_percent = (unsigned)prng_below(&s->prng, 30);
    s->refuse_percent = (unsigned)prng_below(&s->prng, 3) * 5;
    for (unsigned round = 0; round < 60; round++) {
        unsigned at = (unsigned)prng_below(&s->prng, NODES);
        unsigned other = (unsigned)prng_below(&s->prng, NODES);
        switch (prng_below(&s->prng, 8)) {
        case 0:
            crash(s, at);
            break;
        case 1:
            s->cut[at][other] = !s->cut[at][other];
            break;
        case 2:
            if (asks_again) {
                ask_again(s, at, other);
                break;
            }
            /* fall through */
        default:
            for (uint64_t n = prng_below(&s->prng, 12); n > 0; n--)
                append(s, &s->nodes[at]);
            if (prng_below(&s->prng, 3) == 0)
                append_heads(s, &s->nodes[at]);
            for (uint64_t n = prng_below(&s->prng, 3); n > 0; n--)
                append(s, &s->nodes[at]);
            seal(&s->nodes[at]);
            step_alone(s, at, (struct sync_event){.type = SYNC_EVENT_SEALED});
        }
        pump(s, s->now_ms + prng_below(&s->prng, 200));
    }
    converge(s);
    unsigned storing_max = s->storing_max;
    sim_destroy(s, kept);
    return storing_max;
}

static void test_faults(void **state)
{
    (void)state;
    const char *count_text = getenv("TONGBAN_SEEDS");
    unsigned long count = count_text == NULL ? 150 : strtoul(count_text, NULL, 10);
    unsigned storing_max = 0;
    for (unsigned long seed = 1; seed <= count; seed++) {
        print_message("seed %lu\r", seed);
        storing_max = max_of(storing_max, run_seed(seed, false));
        storing_max = max_of(storing_max, run_seed(seed, true));
    }
    assert_int_equal(storing_max, SYNC_WINDOW); /* the window was filled, and never more */
}

/* An author that hides or changes an entry: alarm, and the cursor stays below it. */
static void tampering(int tamper, const char *id)
{
    struct sim *s = sim_create(7 + (uint64_t)tamper);
    void *kept[NODES];
    for (unsigned i = 0; i < NODES; i++) {
        kept[i] = (void *)(uintptr_t)s->nodes[i].acked[0];
        s->nodes[i].acked[0] = 0;
    }
    pump(s, s->now_ms + 500);
    s->tamper = tamper;
    s->expect_alarms = true;
    for (int i = 0; i < 40; i++)
        append(s, &s->nodes[0]);
    seal(&s->nodes[0]);
    step_alone(s, 0, (struct sync_event){.type = SYNC_EVENT_SEALED});
    pump(s, s->now_ms + 3000);
    /* An omitted entry is noticed at the next one; nothing behind the gap is taken. */
    assert_true(s->alarms > 0);
    if (id != NULL)
        assert_string_equal(s->last_alarm, id);
    for (unsigned f = 1; f < NODES; f++)
        assert_int_equal(s->nodes[f].disks[0].cursor.seq_me + s->nodes[f].disks[0].cursor.seq_public,
                         s->nodes[f].disks[0].count);
    if (tamper == TAMPER_BYTE) { /* a hidden entry is never forgotten; a broken one may come whole the next time */
        s->tamper = TAMPER_NONE;
        s->expect_alarms = false;
        converge(s);
    }
    sim_destroy(s, kept);
}

static void test_hidden_entry(void **state)
{
    (void)state;
    tampering(TAMPER_OMIT, "ledger.omission");
}

static void test_changed_byte(void **state)
{
    (void)state;
    tampering(TAMPER_BYTE, NULL);
}

static struct sim *sim_start(uint64_t seed, void *kept[NODES])
{
    struct sim *s = sim_create(seed);
    for (unsigned i = 0; i < NODES; i++) {
        kept[i] = (void *)(uintptr_t)s->nodes[i].acked[0];
        s->nodes[i].acked[0] = 0;
    }
    pump(s, s->now_ms + 500);
    return s;
}

static void sealed(struct sim *s, unsigned at)
{
    seal(&s->nodes[at]);
    step_alone(s, at, (struct sync_event){.type = SYNC_EVENT_SEALED});
    pump(s, s->now_ms + 200 + prng_below(&s->prng, 2000));
}

/* The author leaves entries out, at random: in the middle, or the tail, hidden under hashes, and goes on as if nothing were. Its
 * heads leaves are true (they are checked against its own later word, and by the seq of what it sends). */
static void withholding(uint64_t seed)
{
    void *kept[NODES];
    struct sim *s = sim_start(seed, kept);
    struct sim_node *author = &s->nodes[0];
    s->expect_alarms = true;
    append_heads(s, author);
    sealed(s, 0);
    bool has_hidden = false;
    for (int round = 0; round < 12; round++) {
        for (uint64_t n = 1 + prng_below(&s->prng, 6); n > 0; n--) {
            append(s, author);
            struct entry *e = &author->entries[author->count - 1];
            if (e->to[0] != UINT32_MAX && prng_below(&s->prng, 6) == 0)
                e->is_hidden = has_hidden = true;
        }
        if (prng_below(&s->prng, 3) == 0)
            append_heads(s, author);
        sealed(s, 0);
    }
    append_heads(s, author);
    sealed(s, 0);
    pump(s, s->now_ms + 3000);
    assert_int_equal(s->alarms > 0, has_hidden); /* L5; check_disk() has seen that nothing confirmed was left out */
    for (size_t i = 0; i < author->count; i++)
        author->entries[i].is_hidden = false;
    converge(s); /* what was alarmed about is delivered: all recover by themselves */
    s->expect_alarms = false;
    converge(s);
    sim_destroy(s, kept);
}

static void test_withheld(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 180; seed++) {
        print_message("seed %llu\r", (unsigned long long)seed);
        withholding(seed);
    }
}

/* A tail that is hidden, and nothing after it: only the heads leaf tells. */
static void test_withheld_tail(void **state)
{
    (void)state;
    void *kept[NODES];
    struct sim *s = sim_start(5, kept);
    struct sim_node *author = &s->nodes[0];
    s->expect_alarms = true;
    do
        append(s, author);
    while (author->entries[author->count - 1].to[0] == UINT32_MAX);
    author->entries[author->count - 1].is_hidden = true;
    sealed(s, 0);
    assert_int_equal(s->alarms, 0); /* nobody can know yet */
    append_heads(s, author);
    sealed(s, 0);
    pump(s, s->now_ms + 3000);
    assert_true(s->alarms > 0);
    assert_string_equal(s->last_alarm, "ledger.withheld");
    sim_destroy(s, kept);
}

static void test_stalled(void **state)
{
    (void)state;
    void *kept[NODES];
    struct sim *s = sim_start(6, kept);
    append_heads(s, &s->nodes[0]);
    sealed(s, 0);
    pump(s, s->now_ms + STALE_MS / 2);
    s->expect_alarms = true;
    for (int i = 0; i < 8; i++) { /* entries alone do not count */
        append(s, &s->nodes[0]);
        sealed(s, 0);
    }
    assert_int_equal(s->alarms, 0);
    pump(s, s->now_ms + STALE_MS);
    assert_true(s->alarms > 0);
    assert_string_equal(s->last_alarm, "ledger.stalled");
    unsigned told = s->alarms;
    pump(s, s->now_ms + 3 * STALE_MS);
    assert_int_equal(s->alarms, told); /* once */
    sim_destroy(s, kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults),  cmocka_unit_test(test_withheld),     cmocka_unit_test(test_withheld_tail),
        cmocka_unit_test(test_stalled), cmocka_unit_test(test_changed_byte), cmocka_unit_test(test_hidden_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
