/* Ledger (see ledger.h): in-memory state of the own ledger, the queue, the group commit, stopping and reopening.
 *
 * Happy path: ledger_txn_append() assigns and hashes -> ledger_commit() queues -> start_batch() merges everything
 * queued into one job -> writer -> batch_done(): head, on_sealed, callbacks; the next batch was started before them.
 * Failure modes: a job fails -> stop(): every callback gets the error, memory is dropped, reopen_cb() tries each second.
 * The store refuses a row (most come from peers) -> the job's transactions once more, each alone, so that only the one
 * with that row is told that it cannot be. A lost head swap stops for good: somebody else signs for this ledger.
 *
 * Private to the loop thread; the writer sees only its job.
 */
#include "node/ledger.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "federation/ledger/heads.h"
#include "node/base/clock.h"
#include "node/base/map.h"
#include "node/base/mutant.h"
#include "node/base/xassert.h"
#include "node/recent.h"
#include "node/txn.h"

#define REOPEN_MS 1000
#define ROOM_BYTES (8u << 20) /* free space before a node that was full goes on: two WALs at their usual largest */
#define HLC_AHEAD_MAX ((uint64_t)10000 << 16) /* 10 s */
#define BATCH_ENTRIES_MAX 8192u               /* bounds one transaction; the rest is the next batch */

struct ledger {
    struct ledger_config config;

    /* live state, valid while !stopped */
    struct store_reader *reader;
    struct ledger_writer *writer;
    struct tiles *tiles;
    struct ledger_txn *appending; /* txn whose arena takes tiles that fill up */
    struct list unsaved;          /* unsaved_tile: full, but not committed yet */
    struct map recipients;        /* u32 -> struct store_addressed, ours */
    struct recent *recent;
    uint64_t hlc;
    struct ledger_head head;
    struct buf head_note;
    uint64_t behind;           /* > 0: this many own leaves were signed once, the store holds fewer: an old copy */
    uint64_t known_elsewhere;  /* what peers have said they hold of it */
    struct checkpoint on_disk; /* what heads.db holds */

    /* queue and job */
    struct list queue; /* ledger_txn */
    struct list running;
    struct ledger_txn *merged; /* rows of the running job */
    struct ledger_writer_job job;
    bool job_running;
    size_t one_by_one; /* transactions at the head of the queue that go alone: the store refused one of them */

    /* stopped */
    bool stopped, stopped_for_good;
    bool was_full;     /* the disk, when it stopped */
    bool found_behind; /* while a job runs: stop when it has ended */
    bool recovered;    /* not behind any more, but the head over what came back is not sealed yet */
    bool held;         /* starting: what others hold of it is not known yet */
    struct err why;
    struct loop_timer *reopen_timer;

    uint64_t txn_made, txn_done; /* numbers */
    struct ledger_stats stats;
};

/* A tile that filled up in a transaction that is still queued: the store does not have it yet, and a batch for a peer may
 * need its inner nodes already. */
struct unsaved_tile {
    struct list link;
    unsigned level;
    uint64_t index;
    uint8_t hashes[TILES_BYTES];
};

/* ---- opening ---- */

static int tile_save(void *ctx, unsigned level, uint64_t index, const uint8_t tile[TILES_BYTES], struct err *e)
{
    struct ledger *l = ctx;
    (void)e;
    xassert(l->appending != NULL); /* a restore saves nothing */
    struct bytes copy = arena_bytes(&l->appending->arena, bytes_of(tile, TILES_BYTES));
    txn_tile(l->appending, &(struct store_tile){.level = (uint8_t)level, .number = index, .hashes = copy.data});
    struct unsaved_tile *u = xcalloc(1, sizeof *u);
    u->level = level;
    u->index = index;
    memcpy(u->hashes, tile, TILES_BYTES);
    list_append(&l->unsaved, &u->link);
    return 0;
}

/* Forgets the unsaved tiles that lie below @size, which is committed now. */
static void drop_unsaved(struct ledger *l, uint64_t size)
{
    list_for_each_safe (at, &l->unsaved) {
        struct unsaved_tile *u = container_of(at, struct unsaved_tile, link);
        if ((u->index + 1) << (8 * (u->level + 1)) <= size) {
            list_remove(at);
            free(u);
        }
    }
}

static int tile_load(void *ctx, unsigned level, uint64_t index, uint8_t out[TILES_BYTES], struct err *e)
{
    struct ledger *l = ctx;
    list_for_each (at, &l->unsaved) {
        const struct unsaved_tile *u = container_of(at, struct unsaved_tile, link);
        if (u->level == level && u->index == index) {
            memcpy(out, u->hashes, TILES_BYTES);
            return 0;
        }
    }
    return store_read_tile(l->reader, (uint8_t)level, index, out, e);
}

static void set_recipient(struct ledger *l, const struct store_addressed *a)
{
    struct store_addressed *slot = map_get(&l->recipients, &a->recipient, sizeof a->recipient);
    if (slot == NULL) {
        slot = xcalloc(1, sizeof *slot);
        (void)map_put(&l->recipients, &a->recipient, sizeof a->recipient, slot);
    }
    *slot = *a;
}

static int restore_tree(struct ledger *l, uint64_t size, struct err *e)
{
    uint64_t tail = size % TILES_WIDTH;
    struct merkle_hash hashes[TILES_WIDTH];
    int rc = store_read_leaf_hashes(l->reader, size - tail, tail, hashes[0].b, e);
    if (rc != 0)
        return rc;
    return tiles_restore(l->tiles, size, hashes, tail, e);
}

/* The store must hold at least what was signed, and the same. A ledger signs its empty tree before its first entry, so
 * entries without any head mean that heads.db was lost: what has been signed is then not known here. */
static int check_head(struct ledger *l, const struct store_head *head, uint64_t size, struct err *e)
{
    if (head->note.size == 0 && size > 0 && !l->config.adopt_head) {
        err_set(
            e, ERR_CORRUPT, "ledger.head-missing",
            "ledger.db holds %llu leaves, but heads.db knows of no signed checkpoint: it is lost or of another node",
            (unsigned long long)size);
        err_hint(e,
                 "put heads.db back; if it is gone and no peer holds more than %llu of this ledger, start once with "
                 "--adopt-head",
                 (unsigned long long)size);
        return ERR_CORRUPT;
    }
    if (head->size > size)
        return 0; /* an old copy: seal_at_start() */
    struct merkle_hash root;
    int rc = ledger_root_at(l, head->size, &root, e);
    if (rc != 0)
        return err_wrap(e, "recomputing the tree");
    if (head->size > 0 && memcmp(root.b, head->root, sizeof root.b) != 0)
        return err_set(e, ERR_CORRUPT, "ledger.root-differs",
                       "the stored leaves do not give the root that was signed at size %llu",
                       (unsigned long long)head->size);
    return 0;
}

static void take_head(struct ledger *l, const struct checkpoint *head, struct bytes note)
{
    buf_reset(&l->head_note);
    buf_put(&l->head_note, note.data, note.size);
    l->head = (struct ledger_head){.size = head->size, .root = head->root, .note = buf_bytes(&l->head_note)};
}

static void prepare_seal(struct ledger *l, uint64_t old_size, const struct merkle_hash *old_root, uint64_t size,
                         const struct merkle_hash *root)
{
    struct ledger_writer_job *job = &l->job;
    const char *origin = l->config.signer->key.name;
    job->seal = true;
    job->signer = l->config.signer;
    job->old = (struct checkpoint){.size = old_size, .root = *old_root};
    job->head = (struct checkpoint){.size = size, .root = *root};
    memcpy(job->head.origin, origin, strlen(origin) + 1);
}

/* A new ledger signs its empty tree, so that there is always a checkpoint; a crash between commit and seal is mended. */
static int seal_at_start(struct ledger *l, struct store *store, uint64_t size, struct err *e)
{
    struct arena a = ARENA_INIT;
    struct store_head head;
    struct merkle_hash root, old_root;
    int rc = store_head_get(store, &a, &head, e);
    if (rc == 0)
        rc = check_head(l, &head, size, e);
    if (rc != 0)
        goto out;

    tiles_root(l->tiles, &root);
    memcpy(old_root.b, head.root, sizeof old_root.b);
    prepare_seal(l, head.size, &old_root, size, &root);
    l->on_disk = l->job.old;
    l->behind = max_of(l->known_elsewhere, head.size);
    if (l->behind <= size || MUTANT(behind_ignored))
        l->behind = 0;
    if (l->behind > 0) { /* nothing may be signed, nor what is there be shown as if it were all */
        take_head(l, &l->job.head, bytes_of(NULL, 0));
        goto out;
    }
    if (head.size < size || head.note.size == 0) {
        l->job.error = (struct err){0};
        rc = ledger_writer_seal(store, &l->job);
        if (rc != 0) {
            *e = l->job.error;
            goto out;
        }
        head.note = buf_bytes(&l->job.note);
    }
    take_head(l, &l->job.head, head.note);
    l->on_disk = l->job.head;

out:
    arena_close(&a);
    return rc;
}

static void drop_live(struct ledger *l)
{
    store_reader_close(l->reader); /* before the writer, whose close then leaves one clean file */
    l->reader = NULL;
    ledger_writer_stop(l->writer);
    l->writer = NULL;
    tiles_destroy(l->tiles);
    l->tiles = NULL;
    drop_unsaved(l, UINT64_MAX);
    recent_destroy(l->recent);
    l->recent = NULL;
    size_t at = 0;
    void *slot;
    while (map_next(&l->recipients, &at, NULL, &slot))
        free(slot);
    map_close(&l->recipients);
}

/* A write like any other, before anybody is told that writing works again. */
static int try_writing(struct store *store, struct err *e)
{
    struct store_counter row = {.name = "ledger/reopened", .value = clock_wall_ms()};
    return store_commit(store, &(struct store_batch){.counters = &row, .counter_count = 1}, e);
}

static int load_live(struct ledger *l, struct err *e)
{
    struct store *store = NULL;
    struct arena a = ARENA_INIT;
    struct store_ledger_state state;
    uint64_t seed;
    crypto_random(&seed, sizeof seed);
    map_init(&l->recipients, seed);
    l->recent = recent_create();
    l->tiles = tiles_create(&(struct tiles_store){.save = tile_save, .load = tile_load, .ctx = l});

    int rc = store_open(l->config.dir, l->config.self, &store, e);
    if (rc == 0 && l->stopped)
        rc = try_writing(store, e);
    if (rc == 0)
        rc = store_reader_open(l->config.dir, &l->reader, e);
    if (rc == 0)
        rc = store_read_ledger_state(l->reader, &a, &state, e);
    if (rc == 0)
        rc = restore_tree(l, state.size, e);
    if (rc == 0)
        rc = seal_at_start(l, store, state.size, e);
    if (rc != 0) {
        store_close(store);
        drop_live(l);
        goto out;
    }
    for (size_t i = 0; i < state.recipient_count; i++)
        set_recipient(l, &state.recipients[i]);
    l->hlc = min_of(state.hlc_max, (clock_wall_ms() << 16) + HLC_AHEAD_MAX);
    l->writer = ledger_writer_start(store, l->config.loop);
    l->stopped = false;
    l->config.on_reload(l->config.ctx, &state);

out:
    arena_close(&a);
    return rc;
}

static void reopen_cb(void *ctx);
static void batch_done(struct loop_item *item);

int ledger_open(const struct ledger_config *config, struct ledger **ret, struct err *e)
{
    struct ledger *l = xcalloc(1, sizeof *l);
    l->config = *config;
    l->job.done.run = batch_done;
    list_init(&l->job.done.link);
    list_init(&l->queue);
    list_init(&l->running);
    list_init(&l->unsaved);
    *ret = l; /* on_reload may use it */
    int rc = load_live(l, e);
    if (rc != 0) {
        *ret = NULL;
        buf_close(&l->job.note);
        buf_close(&l->head_note);
        free(l);
        return rc;
    }
    l->reopen_timer = loop_timer_create(config->loop, reopen_cb, l);
    return 0;
}

/* ---- reading ---- */

int ledger_check_shown(const struct ledger *l, struct err *e)
{
    if (l->stopped) {
        if (e != NULL)
            *e = l->why;
        return l->why.code;
    }
    if (l->recovered)
        return err_set(e, ERR_CLOSED, "ledger.behind",
                       "the missing entries of this ledger are back and are being signed");
    if (l->behind == 0)
        return 0;
    (void)err_set(
        e, ERR_CLOSED, "ledger.behind",
        "this ledger holds %llu entries, but %llu have been signed: it is an older copy and writes nothing until "
        "the missing ones are back",
        (unsigned long long)tiles_size(l->tiles), (unsigned long long)l->behind);
    err_hint(e, "they are fetched from the other nodes; 'tongban status' says how far that is");
    return ERR_CLOSED;
}

int ledger_check_writable(const struct ledger *l, struct err *e)
{
    int rc = ledger_check_shown(l, e);
    if (rc == 0 && l->held)
        rc = err_set(e, ERR_CLOSED, "ledger.asking",
                     "starting: the other nodes are being asked what they hold of this ledger, nothing is written yet");
    return rc;
}

void ledger_hold(struct ledger *l, bool held)
{
    l->held = held;
}

uint64_t ledger_behind(const struct ledger *l)
{
    return l->stopped ? 0 : l->behind;
}

const struct checkpoint *ledger_signed_head(const struct ledger *l)
{
    return &l->on_disk;
}

uint64_t ledger_size(const struct ledger *l)
{
    return l->tiles == NULL ? 0 : tiles_size(l->tiles);
}

const struct ledger_head *ledger_head(const struct ledger *l)
{
    return &l->head;
}

struct store_reader *ledger_reader(struct ledger *l)
{
    return l->reader;
}

struct merkle_source ledger_source(struct ledger *l)
{
    xassert(l->tiles != NULL);
    return tiles_source(l->tiles);
}

int ledger_root_at(struct ledger *l, uint64_t size, struct merkle_hash *ret, struct err *e)
{
    if (l->tiles == NULL)
        return err_set(e, ERR_CLOSED, "ledger.stopped", "the ledger is stopped");
    struct merkle_source source = tiles_source(l->tiles);
    return merkle_root(&source, size, ret, e);
}

struct store_addressed ledger_last_addressed(const struct ledger *l, uint32_t recipient)
{
    const struct store_addressed *slot = map_get(&l->recipients, &recipient, sizeof recipient);
    return slot == NULL ? (struct store_addressed){.recipient = recipient} : *slot;
}

int ledger_read_entry(struct ledger *l, uint64_t index, struct arena *a, struct bytes *ret_leaf,
                      struct bytes *ret_payload, bool *ret_held, struct err *e)
{
    if (l->stopped)
        return err_set(e, ERR_CLOSED, "ledger.stopped", "the ledger is stopped");
    const struct recent_entry *recent = recent_get(l->recent, index);
    if (recent != NULL) {
        *ret_leaf = recent->leaf; /* valid until the next append: the caller encodes within this turn */
        *ret_payload = recent->payload;
        *ret_held = recent->payload_held;
        return 0;
    }
    struct store_entry entry;
    int rc = store_read_entry(l->reader, l->config.self, index, a, &entry, e);
    if (rc != 0)
        return rc;
    *ret_leaf = entry.leaf;
    *ret_payload = entry.payload;
    *ret_held = entry.payload_held;
    return 0;
}

static bool recent_is_for(const struct recent_entry *entry, uint32_t recipient)
{
    for (unsigned i = 0; i < entry->recipient_count; i++)
        if (entry->recipients[i] == recipient || entry->recipients[i] == LEAF_NODE_ALL)
            return true;
    return false;
}

/* Two ascending lists into one; both belong to the same leaf at most once. */
static size_t merge_indexes(const struct store_addressed *a, size_t a_count, const struct store_addressed *b,
                            size_t b_count, uint64_t below, size_t limit, uint64_t *out)
{
    size_t i = 0, k = 0, n = 0;
    while (n < limit && (i < a_count || k < b_count)) {
        bool first = k == b_count || (i < a_count && a[i].index <= b[k].index);
        uint64_t index = first ? a[i].index : b[k].index;
        i += first;
        k += !first || (k < b_count && b[k].index == index);
        if (index >= below)
            break;
        out[n++] = index;
    }
    return n;
}

int ledger_read_addressed(struct ledger *l, uint32_t recipient, uint64_t from, uint64_t below, size_t limit,
                          struct arena *a, uint64_t **ret, size_t *ret_count, struct err *e)
{
    if (l->stopped)
        return err_set(e, ERR_CLOSED, "ledger.stopped", "the ledger is stopped");
    uint64_t *out = arena_alloc(a, limit * sizeof *out);
    size_t count = 0;
    if (from >= recent_first(l->recent)) {
        for (uint64_t index = from; index < below && count < limit; index++) {
            const struct recent_entry *entry = recent_get(l->recent, index);
            xassert(entry != NULL);
            if (recent_is_for(entry, recipient))
                out[count++] = index;
        }
    } else {
        struct store_addressed *own, *everyone;
        size_t own_count, everyone_count;
        int rc = store_read_addressed(l->reader, recipient, from, limit, a, &own, &own_count, e);
        if (rc == 0)
            rc = store_read_addressed(l->reader, LEAF_NODE_ALL, from, limit, a, &everyone, &everyone_count, e);
        if (rc != 0)
            return rc;
        count = merge_indexes(own, own_count, everyone, everyone_count, below, limit, out);
    }
    *ret = out;
    *ret_count = count;
    return 0;
}

bool ledger_last_heads(struct ledger *l, uint64_t from, uint64_t below, uint64_t *ret_index)
{
    struct store_addressed last = ledger_last_addressed(l, STORE_NODE_HEADS);
    if (l->stopped || last.seq == 0 || last.index < from)
        return false;
    *ret_index = last.index;
    if (last.index < below)
        return true;
    struct arena a = ARENA_INIT;
    struct store_addressed *rows;
    size_t count = 0, i = 0;
    if (store_read_addressed(l->reader, STORE_NODE_HEADS, from, BATCH_LEAVES_MAX, &a, &rows, &count, NULL) != 0)
        count = 0; /* left out this time: the reader complains where it matters */
    while (i < count && rows[i].index < below)
        *ret_index = rows[i++].index;
    arena_close(&a);
    return i > 0;
}

/* ---- appending ---- */

static struct ledger_txn *txn_alloc(struct ledger *l)
{
    struct ledger_txn *t = xcalloc(1, sizeof *t);
    list_init(&t->link);
    t->ledger = l;
    return t;
}

struct ledger_txn *ledger_txn_create(struct ledger *l)
{
    struct ledger_txn *t = txn_alloc(l);
    t->number = ++l->txn_made;
    return t;
}

uint64_t ledger_txn_number(const struct ledger_txn *t)
{
    return t->number;
}

uint64_t ledger_done_number(const struct ledger *l)
{
    return l->txn_done;
}

struct arena *ledger_txn_arena(struct ledger_txn *t)
{
    return &t->arena;
}

/* Later than every event that is cited, whatever clock its author had; but an author whose clock runs far ahead does not
 * drag this node's clock along for its other events. */
static uint64_t next_hlc(struct ledger *l, uint64_t parents_hlc_max)
{
    uint64_t now = clock_wall_ms() << 16;
    uint64_t own = max_of(now, l->hlc + 1);
    uint64_t hlc = parents_hlc_max == UINT64_MAX ? own : max_of(own, parents_hlc_max + 1);
    l->hlc = hlc > now + HLC_AHEAD_MAX ? own : hlc;
    return MUTANT(clock_back) ? 1 : hlc;
}

static void set_recipients(struct ledger_txn *t, struct leaf *leaf, const uint32_t *recipients, size_t count)
{
    xassert(count <= LEAF_RECIPIENTS_MAX);
    leaf->recipient_count = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        struct store_addressed a = ledger_last_addressed(t->ledger, recipients[i]);
        a.seq++;
        a.index = leaf->index;
        leaf->recipients[i] = (struct leaf_recipient){.node = recipients[i], .seq = a.seq};
        set_recipient(t->ledger, &a);
        txn_addressed(t, &a);
    }
}

/* Everything of a new leaf but its payload fields and recipients. */
static void begin_leaf(struct ledger *l, struct leaf *leaf, uint64_t parents_hlc_max)
{
    leaf->suite = LEAF_SUITE_SHA256_ED25519_AES256GCM;
    leaf->origin = l->config.self;
    leaf->index = tiles_size(l->tiles);
    leaf->hlc = next_hlc(l, parents_hlc_max);
    crypto_random(leaf->salt, sizeof leaf->salt);
}

static void carry_open(struct leaf *leaf, struct bytes payload)
{
    leaf->ct_len = (uint32_t)payload.size;
    memset(&leaf->ct_hash, 0, sizeof leaf->ct_hash);
    if (payload.size > 0)
        crypto_sha256_one(payload.data, payload.size, leaf->ct_hash.b);
}

/* The row, the tree and the memory for peers' batches. @bytes and @payload live in the txn's arena. */
static void take_leaf(struct ledger_txn *t, const struct leaf *leaf, struct bytes bytes, struct bytes payload,
                      bool payload_held, struct merkle_hash *ret_hash)
{
    struct ledger *l = t->ledger;
    struct store_entry entry = {.origin = leaf->origin,
                                .index = leaf->index,
                                .leaf = bytes,
                                .payload = payload,
                                .payload_held = payload_held,
                                .stored_ms = clock_wall_ms()};
    leaf_hash(bytes, ret_hash);
    memcpy(entry.hash, ret_hash->b, sizeof entry.hash);
    entry.has_case = leaf_is_case_event(leaf);
    memcpy(entry.case_id, leaf->case_id, sizeof entry.case_id);
    ledger_txn_entry(t, &entry);

    l->appending = t;
    int rc = tiles_append(l->tiles, ret_hash, NULL);
    l->appending = NULL;
    xassert(rc == 0); /* tile_save() cannot fail */
    t->own_count++;

    struct recent_entry recent = {
        .index = leaf->index, .leaf = bytes, .payload = payload, .payload_held = payload_held};
    recent.recipient_count = leaf->recipient_count;
    for (unsigned i = 0; i < leaf->recipient_count; i++)
        recent.recipients[i] = leaf->recipients[i].node;
    recent_put(l->recent, &recent);
}

static void encode_leaf(struct ledger_txn *t, const struct leaf *leaf, struct bytes payload,
                        struct merkle_hash *ret_hash)
{
    struct buf encoded = {0};
    int rc = leaf_encode(leaf, &encoded, NULL);
    xassert(rc == 0);
    struct bytes bytes = arena_bytes(&t->arena, buf_bytes(&encoded));
    buf_close(&encoded);
    take_leaf(t, leaf, bytes, arena_bytes(&t->arena, payload), true, ret_hash);
}

void ledger_txn_append(struct ledger_txn *t, struct leaf *leaf, uint64_t parents_hlc_max, const uint32_t *recipients,
                       size_t recipient_count, struct bytes payload, const struct payload_key *key,
                       struct merkle_hash *ret_hash)
{
    struct ledger *l = t->ledger;
    xassert(!l->stopped && l->behind == 0);
    begin_leaf(l, leaf, parents_hlc_max);
    set_recipients(t, leaf, recipients, recipient_count);
    struct buf sealed = {0};
    if (key != NULL && payload.size > 0) {
        payload_seal(leaf, key, payload, &sealed);
        payload = buf_bytes(&sealed);
    } else {
        carry_open(leaf, payload);
    }
    xassert(payload.size <= PAYLOAD_BYTES_MAX);
    encode_leaf(t, leaf, payload, ret_hash);
    buf_close(&sealed);
}

/* Numbered like what is addressed to a recipient, so that the last one below a size is found the same way. */
static void number_heads(struct ledger_txn *t, uint64_t index)
{
    struct store_addressed a = ledger_last_addressed(t->ledger, STORE_NODE_HEADS);
    a.seq++;
    a.index = index;
    set_recipient(t->ledger, &a);
    txn_addressed(t, &a);
}

void ledger_txn_heads(struct ledger_txn *t, const uint32_t *codes, size_t count)
{
    struct ledger *l = t->ledger;
    xassert(!l->stopped && l->behind == 0 && count <= HEADS_ROWS_MAX);
    struct heads_row *rows = arena_alloc(&t->arena, (count + 1) * sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        struct store_addressed last = ledger_last_addressed(l, codes[i]);
        rows[i] = (struct heads_row){.recipient = codes[i], .last_seq = last.seq, .last_index = last.index};
        crypto_random(rows[i].salt, sizeof rows[i].salt);
    }
    struct buf vector = {0};
    struct heads_summary summary = {0};
    heads_vector(rows, count, &vector, &summary);
    summary.public_seq = ledger_last_addressed(l, LEAF_NODE_ALL).seq;

    uint8_t storage[HEADS_STORAGE_SIZE];
    struct leaf leaf = {0};
    struct merkle_hash hash;
    heads_to_leaf(&summary, storage, &leaf);
    begin_leaf(l, &leaf, UINT64_MAX);
    carry_open(&leaf, buf_bytes(&vector));
    encode_leaf(t, &leaf, buf_bytes(&vector), &hash);
    number_heads(t, leaf.index);
    buf_close(&vector);
}

void ledger_txn_restore(struct ledger_txn *t, const struct leaf *leaf, struct bytes bytes, struct bytes payload,
                        bool payload_held)
{
    struct ledger *l = t->ledger;
    struct merkle_hash hash;
    xassert(l->behind > 0 && leaf->origin == l->config.self && leaf->index == tiles_size(l->tiles));
    for (unsigned i = 0; i < leaf->recipient_count; i++) {
        struct store_addressed a = {
            .recipient = leaf->recipients[i].node, .index = leaf->index, .seq = leaf->recipients[i].seq};
        set_recipient(l, &a);
        txn_addressed(t, &a);
    }
    if (leaf->kind == LEAF_KIND_HEADS)
        number_heads(t, leaf->index);
    l->hlc = max_of(l->hlc, leaf->hlc);
    take_leaf(t, leaf, arena_bytes(&t->arena, bytes), arena_bytes(&t->arena, payload), payload_held, &hash);
}

/* ---- group commit ---- */

static void txn_destroy(struct ledger_txn *t)
{
    arena_close(&t->arena);
    free(t);
}

/* All of @txns have ended, one way or the other. */
static void set_done(struct ledger *l, const struct list *txns)
{
    if (!list_is_empty(txns))
        l->txn_done = container_of(txns->prev, struct ledger_txn, link)->number;
}

static void finish(struct list *txns, const struct err *e)
{
    struct list *at;
    while ((at = list_pop_first(txns)) != NULL) {
        struct ledger_txn *t = container_of(at, struct ledger_txn, link);
        t->cb(t->cb_ctx, e);
        txn_destroy(t);
    }
}

static void take_queue(struct ledger *l, uint64_t *ret_own)
{
    size_t entries = 0;
    size_t txns_max = l->one_by_one > 0 ? 1 : SIZE_MAX;
    *ret_own = 0;
    while (!list_is_empty(&l->queue) && entries < BATCH_ENTRIES_MAX && txns_max-- > 0) {
        struct ledger_txn *t = container_of(list_pop_first(&l->queue), struct ledger_txn, link);
        entries += t->batch.entry_count;
        *ret_own += t->own_count;
        txn_merge(l->merged, &t->batch);
        list_append(&l->running, &t->link);
        l->stats.queued_txns--;
    }
}

static void start_batch(struct ledger *l)
{
    if (l->job_running || l->stopped || list_is_empty(&l->queue))
        return;
    l->merged = txn_alloc(l);
    uint64_t own_count;
    take_queue(l, &own_count);

    l->job.batch = &l->merged->batch;
    l->job.rc = 0;
    l->job.error = (struct err){0};
    l->job.seal = false;
    if (l->behind == 0 && (own_count > 0 || l->head.note.size == 0)) {
        struct merkle_hash root;
        uint64_t size = l->head.size + own_count;
        int rc = ledger_root_at(l, size, &root, &l->job.error);
        xassert(rc == 0); /* the right edge is in memory or among the unsaved tiles */
        struct merkle_hash old_root = l->head.root;
        prepare_seal(l, l->head.size, &old_root, size, &root);
    }
    l->job_running = true;
    ledger_writer_submit(l->writer, &l->job);
}

void ledger_commit(struct ledger_txn *t, ledger_commit_cb cb, void *ctx)
{
    struct ledger *l = t->ledger;
    t->cb = cb;
    t->cb_ctx = ctx;
    list_append(&l->queue, &t->link);
    l->stats.queued_txns++;
    start_batch(l);
}

/* While stopped, queries still see what is committed. Nobody else has the store open now, so this recovers it. */
static void read_only(struct ledger *l)
{
    if (store_reader_open(l->config.dir, &l->reader, NULL) != 0)
        l->reader = NULL; /* queries say why the ledger is stopped */
}

/* The store said no, wrote nothing, and goes on. */
static bool is_refused(const struct ledger_writer_job *job)
{
    return !job->committed && (job->rc == ERR_INVALID || job->rc == ERR_LIMIT || job->rc == ERR_CONFLICT);
}

/* Puts the job's transactions back to the head of the queue, to go alone. False when there is but one: it is the culprit. */
static bool separate(struct ledger *l)
{
    size_t count = 0;
    list_for_each (at, &l->running)
        count++;
    if (count < 2)
        return false;
    l->one_by_one = count;
    l->stats.queued_txns += count;
    list_splice(&l->running, &l->queue);
    list_splice(&l->queue, &l->running);
    return true;
}

/* The one transaction at the disk cannot be, ever; what follows it was numbered and judged as if it were there. */
static void end_culprit(struct ledger *l, struct err *why)
{
    struct ledger_txn *t = container_of(list_pop_first(&l->running), struct ledger_txn, link);
    xassert(list_is_empty(&l->running));
    struct err real = *why;
    (void)err_set(why, ERR_BUSY, "ledger.refused", "the store refused a transaction, and is read again without it: %s",
                  real.message);
    l->txn_done = t->number;
    l->stopped = true;
    l->why = *why;
    t->cb(t->cb_ctx, &real);
    txn_destroy(t);
}

static void stop(struct ledger *l, const struct err *why, bool for_good)
{
    l->stopped = true;
    l->stopped_for_good = for_good;
    l->was_full = why->code == ERR_FULL;
    l->why = *why;
    l->one_by_one = 0;
    l->stats.queued_txns = 0;
    list_splice(&l->running, &l->queue);
    set_done(l, &l->running);
    drop_live(l);
    read_only(l);
    l->config.on_state(l->config.ctx, &l->why);
    finish(&l->running, MUTANT(durable_early) ? &(const struct err){0} : &l->why);
    if (!for_good)
        loop_timer_set(l->reopen_timer, REOPEN_MS);
}

/* Somebody holds more of this ledger than it does itself: nothing that is queued may be signed. It is opened again as
 * what it is, an old copy. */
static void stop_behind(struct ledger *l)
{
    struct err why;
    l->found_behind = false;
    (void)err_set(&why, ERR_CLOSED, "ledger.behind",
                  "another node holds %llu entries of this ledger, which has %llu: it is an older copy",
                  (unsigned long long)l->known_elsewhere, (unsigned long long)ledger_size(l));
    stop(l, &why, false);
}

static void recovered_cb(void *ctx, const struct err *e)
{
    struct ledger *l = ctx;
    l->recovered = false;
    if (e->code == 0)
        l->config.on_state(l->config.ctx,
                           NULL); /* nothing else is under way: what hears of it may drop what it has read */
}

static void batch_done(struct loop_item *item)
{
    struct ledger *l = container_of(item, struct ledger, job.done);
    l->job_running = false;
    if (l->job.rc != 0) {
        struct err why = l->job.error;
        txn_destroy(l->merged);
        l->merged = NULL;
        if (is_refused(&l->job) && separate(l)) {
            start_batch(l);
            return;
        }
        if (is_refused(&l->job))
            end_culprit(l, &why);
        if (l->job.sealed_lost)
            err_hint(&why, "another process or an older copy signs for this ledger: stop one of them");
        stop(l, &why, l->job.sealed_lost);
        return;
    }
    l->one_by_one -= l->one_by_one > 0;
    l->stats.commits++;
    l->stats.entries += l->merged->batch.entry_count;
    bool sealed = l->job.seal;
    if (sealed) {
        l->stats.seals++;
        take_head(l, &l->job.head, buf_bytes(&l->job.note));
        l->on_disk = l->job.head;
        drop_unsaved(l, l->head.size);
    } else if (l->behind > 0) {
        drop_unsaved(l, ledger_size(l)); /* one restore at a time: what is there is committed */
    }
    if (l->merged->batch.destroy_count > 0)
        recent_clear(l->recent);
    txn_destroy(l->merged);
    l->merged = NULL;
    struct list done;
    list_init(&done);
    list_splice(&done, &l->running);
    set_done(l, &done);
    if (!l->found_behind)
        start_batch(l); /* the writer works while the answers go out */
    if (sealed)
        l->config.on_sealed(l->config.ctx);
    finish(&done, &(const struct err){0});
    if (l->found_behind)
        stop_behind(l);
}

void ledger_set_behind(struct ledger *l, uint64_t size)
{
    l->known_elsewhere = max_of(l->known_elsewhere, size);
    if (l->stopped || size <= ledger_size(l))
        return;
    if (l->behind > 0) {
        l->behind = max_of(l->behind, size);
        return;
    }
    l->found_behind = true;
    if (!l->job_running)
        stop_behind(l);
}

int ledger_recovered(struct ledger *l, const struct checkpoint *head, struct bytes note, struct err *e)
{
    struct merkle_hash root;
    xassert(l->behind > 0 && ledger_is_idle(l) && !l->stopped);
    tiles_root(l->tiles, &root);
    uint64_t size = tiles_size(l->tiles);
    if (size < l->behind || size != head->size || !merkle_hash_equal(&root, &head->root))
        return err_set(e, ERR_VERIFY, "ledger.recovery-root",
                       "the %llu entries that came back do not give the root that was signed over %llu",
                       (unsigned long long)size, (unsigned long long)head->size);
    (void)note; /* the same key signs the same bytes again */
    l->behind = 0;
    l->recovered = true;
    l->known_elsewhere = 0;
    l->head = (struct ledger_head){.size = l->on_disk.size, .root = l->on_disk.root};
    struct ledger_txn *t = ledger_txn_create(l);
    t->own_count = size - l->on_disk.size; /* written before, to be sealed now */
    ledger_commit(t, recovered_cb, l);
    return 0;
}

/* Opening needs next to no space, the first commit after it does: without this a full node would stop and go on by turns. */
static bool has_room(const struct ledger *l)
{
    struct statvfs fs;
    return !l->was_full || statvfs(l->config.dir, &fs) != 0 || (uint64_t)fs.f_bavail * fs.f_frsize >= ROOM_BYTES;
}

static void reopen_cb(void *ctx)
{
    struct ledger *l = ctx;
    struct err e = {0};
    if (!has_room(l)) {
        loop_timer_set(l->reopen_timer, REOPEN_MS);
        return;
    }
    store_reader_close(l->reader); /* so that opening recovers the files */
    l->reader = NULL;
    if (load_live(l, &e) != 0) {
        l->why = e;
        read_only(l);
        loop_timer_set(l->reopen_timer, REOPEN_MS);
        return;
    }
    if (l->behind == 0) {
        l->config.on_state(l->config.ctx, NULL);
        l->config.on_sealed(l->config.ctx);
    }
}

bool ledger_is_idle(const struct ledger *l)
{
    return !l->job_running && list_is_empty(&l->queue);
}

void ledger_close(struct ledger *l)
{
    if (l == NULL)
        return;
    xassert(ledger_is_idle(l));
    drop_live(l);
    loop_timer_destroy(l->reopen_timer);
    buf_close(&l->job.note);
    buf_close(&l->head_note);
    free(l);
}

void ledger_stats(const struct ledger *l, struct ledger_stats *ret)
{
    *ret = l->stats;
}
