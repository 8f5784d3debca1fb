/* Ledger (see ledger.h): in-memory state of the own ledger, the queue, the group commit, stopping and reopening.
 *
 * Happy path: ledger_txn_append() assigns and hashes -> ledger_commit() queues -> start_batch() merges everything
 * queued into one job -> writer -> batch_done(): head, on_sealed, callbacks; the next batch was started before them. When:
 * start_soon().
 * Failure modes: a job fails -> stop(): every callback gets the error, memory is dropped, reopen_cb() tries each second.
 * The store refuses a row (most come from peers) -> the job's transactions once more, each alone, so that only the one
 * with that row is told that it cannot be. A lost head swap stops for good: somebody else signs for this ledger.
 *
 * Private to the loop thread; the writer sees only its job.
 */
#include "node/ledger_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "node/base/clock.h"
#include "node/base/mutant.h"
#include "node/base/xassert.h"

#define REOPEN_MS 1000
#define ROOM_BYTES (8u << 20)   /* free space before a node that was full goes on: two WALs at their usual largest */
#define BATCH_ENTRIES_MAX 8192u /* bounds one transaction; the rest is the next batch */

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
        if (rc == 0) /* entries without any head mean that heads.db was lost: the first one is durable before them */
            rc = store_head_sync(store, &l->job.error);
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
        ledger_set_recipient(l, &state.recipients[i]);
    l->hlc = state.hlc_max;
    l->writer = ledger_writer_start(store, l->config.loop);
    l->stopped = false;
    l->config.on_reload(l->config.ctx, &state);

out:
    arena_close(&a);
    return rc;
}

static void reopen_cb(void *ctx);
static void start_cb(void *ctx);
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
    l->reopen_timer = loop_timer_create(config->loop, reopen_cb, l);
    l->start_timer = loop_timer_create(config->loop, start_cb, l);
    *ret = l; /* on_reload may use it */
    int rc = load_live(l, e);
    if (rc != 0) {
        *ret = NULL;
        loop_timer_destroy(l->reopen_timer);
        loop_timer_destroy(l->start_timer);
        buf_close(&l->job.note);
        buf_close(&l->head_note);
        free(l);
        return rc;
    }
    return 0;
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
    l->job_txns = 0;
    while (!list_is_empty(&l->queue) && entries < BATCH_ENTRIES_MAX && txns_max-- > 0) {
        struct ledger_txn *t = container_of(list_pop_first(&l->queue), struct ledger_txn, link);
        entries += t->batch.entry_count;
        *ret_own += t->own_count;
        txn_merge(l->merged, &t->batch);
        list_append(&l->running, &t->link);
        l->stats.queued_txns--;
        l->job_txns++;
    }
}

/* Transactions that are queued, and that were @ended just now or earlier and whose writers wait for peers. */
static size_t on_the_way(const struct ledger *l, size_t ended)
{
    return l->stats.queued_txns + ended + (l->config.waiting == NULL ? 0 : l->config.waiting(l->config.ctx));
}

static void start_batch(struct ledger *l)
{
    if (l->job_running || l->stopped || l->found_behind || list_is_empty(&l->queue))
        return;
    l->at_once = max_of(on_the_way(l, 0), l->at_once - (l->at_once + 7) / 8);
    l->merged = ledger_txn_alloc(l);
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

static void start_cb(void *ctx)
{
    start_batch(ctx);
}

/* Begins a commit when half of the writers that are at work at once have come, and else at the end of the turn, when the
 * loop has read what there is: one alone waits for nothing. A commit and what it makes others do (signature, batch, their
 * commits) cost as much for one transaction as for many, and writers that were answered together come back together: the
 * first of them went alone before, and all the others after it. In halves, because the loop and the peers have work then
 * while the disk has. @ended: of the job that has just ended; their writers may go on waiting. */
static void start_soon(struct ledger *l, size_t ended)
{
    if (l->job_running || list_is_empty(&l->queue))
        return;
    if (2 * l->stats.queued_txns >= max_of(l->at_once, on_the_way(l, ended)))
        start_batch(l);
    else
        loop_timer_set(l->start_timer, 0);
}

void ledger_commit(struct ledger_txn *t, ledger_commit_cb cb, void *ctx)
{
    struct ledger *l = t->ledger;
    t->cb = cb;
    t->cb_ctx = ctx;
    list_append(&l->queue, &t->link);
    l->stats.queued_txns++;
    start_soon(l, 0);
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
    (void)err_set(
        &why, ERR_CLOSED, "ledger.behind",
        "another node shows a checkpoint over %llu entries of this ledger, which has %llu: it is an older copy",
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
    start_soon(l, l->job_txns); /* the writer works while the answers go out */
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
    loop_timer_destroy(l->start_timer);
    buf_close(&l->job.note);
    buf_close(&l->head_note);
    free(l);
}

void ledger_stats(const struct ledger *l, struct ledger_stats *ret)
{
    *ret = l->stats;
    ret->recent_bytes = l->recent == NULL ? 0 : recent_bytes(l->recent);
}
