/* A node's disk, as store.h promises it: ordered batches, each all or nothing, and the machine may stop between any two writes
 * (world_disk_fault()). Rows are kept in plain arrays; what they point to is memory of the run and never changes, so that a
 * backup is a copy of the arrays. The rules that store.h states for a commit are kept: what contradicts is refused. */
#include "tests/sim/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation/ledger/leaf.h"
#include "tests/sim/sim.h"

struct store {
    struct disk *disk;
    bool stopped;
};
struct store_reader {
    struct disk *disk;
};

#define PUSH(d, table)                                                                                                 \
    sim_push((void **)&(d)->table.rows, &(d)->table.count, &(d)->table.capacity, sizeof *(d)->table.rows)

struct disk *disk_create(struct sim_node *owner)
{
    struct disk *d = sim_alloc(sizeof *d);
    struct merkle_hash empty;
    struct crange none;
    d->owner = owner;
    crange_init(&none);
    crange_root(&none, &empty);
    memcpy(d->head.root, empty.b, sizeof d->head.root);
    d->head_synced = d->head;
    return d;
}

#define TABLES(X)                                                                                                      \
    X(books)                                                                                                           \
    X(streams)                                                                                                         \
    X(tiles)                                                                                                           \
    X(replicas)                                                                                                        \
    X(acks)                                                                                                            \
    X(cases)                                                                                                           \
    X(items)                                                                                                           \
    X(bundles)                                                                                                         \
    X(requests)                                                                                                        \
    X(counters)                                                                                                        \
    X(keys)                                                                                                            \
    X(notes)                                                                                                           \
    X(erasures)                                                                                                        \
    X(holds)                                                                                                           \
    X(evidences)                                                                                                       \
    X(covers)                                                                                                          \
    X(proofs)                                                                                                          \
    X(pulls)                                                                                                           \
    X(forks)                                                                                                           \
    X(dues)                                                                                                            \
    X(publicities)

static void copy_rows(void **rows, size_t count, size_t *capacity, size_t size)
{
    void *copy = count == 0 ? NULL : sim_alloc(count * size);
    if (count > 0)
        memcpy(copy, *rows, count * size);
    *rows = copy;
    *capacity = count;
}

static void copy_tables(struct disk *to, const struct disk *from)
{
#define X(table)                                                                                                       \
    to->table = from->table;                                                                                           \
    copy_rows((void **)&to->table.rows, to->table.count, &to->table.capacity, sizeof *to->table.rows);
    TABLES(X)
#undef X
    for (size_t i = 0; i < to->books.count; i++) {
        struct book *b = &to->books.rows[i];
        copy_rows((void **)&b->rows, b->count, &b->capacity, sizeof *b->rows);
    }
    for (size_t i = 0; i < to->streams.count; i++) {
        struct stream *s = &to->streams.rows[i];
        copy_rows((void **)&s->rows, s->count, &s->capacity, sizeof *s->rows);
    }
}

static void copy_heads(struct disk *to, const struct disk *from)
{
    to->head = to->head_synced = from->head;
    to->head_unsynced = false;
    to->witnesses = from->witnesses;
    copy_rows((void **)&to->witnesses.rows, to->witnesses.count, &to->witnesses.capacity, sizeof *to->witnesses.rows);
}

struct disk *disk_copy(const struct disk *d, struct sim_node *owner, bool with_heads)
{
    struct disk *copy = disk_create(owner);
    copy_tables(copy, d);
    copy->has_heads = with_heads;
    if (with_heads)
        copy_heads(copy, d);
    return copy;
}

void disk_restore(struct disk *d, const struct disk *copy)
{
    copy_tables(d, copy);
    if (copy->has_heads)
        copy_heads(d, copy);
}

void disk_power_failure(struct disk *d)
{
    if (d->head_unsynced)
        sim_trace("%s loses the head of size %llu, has %llu", sim_name(d->owner), (unsigned long long)d->head.size,
                  (unsigned long long)d->head_synced.size);
    d->head = d->head_synced;
    d->head_unsynced = false;
}

static void sync_head(struct disk *d)
{
    d->head_synced = d->head;
    d->head_unsynced = false;
}

/* ---- tables ---- */

static struct book *find_book(const struct disk *d, uint32_t origin)
{
    for (size_t i = 0; i < d->books.count; i++)
        if (d->books.rows[i].origin == origin)
            return &d->books.rows[i];
    return NULL;
}

/* Position of the first row with an index >= @index. */
static size_t lower_bound(const struct book *b, uint64_t index)
{
    size_t low = 0, high = b->count;
    if (high > 0 && b->rows[high - 1].index < index)
        return high;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (b->rows[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct store_entry *find_entry(const struct disk *d, uint32_t origin, uint64_t index)
{
    struct book *b = find_book(d, origin);
    size_t at = b == NULL ? 0 : lower_bound(b, index);
    return b == NULL || at == b->count || b->rows[at].index != index ? NULL : &b->rows[at];
}

static struct stream *find_stream(const struct disk *d, uint32_t recipient)
{
    for (size_t i = 0; i < d->streams.count; i++)
        if (d->streams.rows[i].recipient == recipient)
            return &d->streams.rows[i];
    return NULL;
}

static struct store_witness *find_witness(const struct disk *d, const char *origin)
{
    for (size_t i = 0; i < d->witnesses.count; i++)
        if (strcmp(d->witnesses.rows[i].origin, origin) == 0)
            return &d->witnesses.rows[i];
    return NULL;
}

uint64_t disk_size(const struct disk *d)
{
    const struct book *b = find_book(d, d->owner->code);
    return b == NULL ? 0 : b->count;
}

const struct store_entry *disk_entry(const struct disk *d, uint32_t origin, uint64_t index)
{
    return find_entry(d, origin, index);
}

size_t disk_entries(const struct disk *d, uint32_t origin, const struct store_entry **ret)
{
    const struct book *b = find_book(d, origin);
    *ret = b == NULL ? NULL : b->rows;
    return b == NULL ? 0 : b->count;
}

const struct store_replica *disk_replica(const struct disk *d, uint32_t origin)
{
    for (size_t i = 0; i < d->replicas.count; i++)
        if (d->replicas.rows[i].origin == origin)
            return &d->replicas.rows[i];
    return NULL;
}

const struct store_head *disk_head(const struct disk *d)
{
    return &d->head;
}

const struct store_witness *disk_witness(const struct disk *d, const char *origin)
{
    return find_witness(d, origin);
}

size_t disk_evidence(const struct disk *d, const struct store_evidence **ret)
{
    *ret = d->evidences.rows;
    return d->evidences.count;
}

size_t disk_cases(const struct disk *d, const struct store_case **ret)
{
    *ret = d->cases.rows;
    return d->cases.count;
}

bool disk_is_erased(const struct disk *d, const uint8_t case_id[16])
{
    for (size_t i = 0; i < d->erasures.count; i++)
        if (d->erasures.rows[i].node == d->owner->code && d->erasures.rows[i].state == STORE_ERASURE_DONE &&
            memcmp(d->erasures.rows[i].case_id, case_id, 16) == 0)
            return true;
    return false;
}

struct store_reader *disk_reader(struct disk *d)
{
    struct store_reader *r = sim_alloc(sizeof *r);
    r->disk = d;
    return r;
}

/* ---- checking a batch ---- */

static int check_entries(const struct disk *d, const struct store_batch *b, struct err *e)
{
    uint64_t own = disk_size(d);
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct store_entry *in = &b->entries[i];
        const struct store_entry *held = find_entry(d, in->origin, in->index);
        struct merkle_hash hash;
        leaf_hash(in->leaf, &hash);
        if (memcmp(hash.b, in->hash, sizeof hash.b) != 0)
            return err_set(e, ERR_INVALID, "store.hash", "entry %llu has another hash", (unsigned long long)in->index);
        if (held != NULL && !bytes_equal(held->leaf, in->leaf))
            return err_set(e, ERR_CONFLICT, "store.entry-differs", "another entry %llu of %u is held",
                           (unsigned long long)in->index, in->origin);
        if (in->origin != d->owner->code || held != NULL)
            continue;
        if (in->index != own++)
            return err_set(e, ERR_INVALID, "store.gap", "own entry %llu leaves a gap", (unsigned long long)in->index);
    }
    return 0;
}

static int check_addressed(const struct disk *d, const struct store_batch *b, struct err *e)
{
    for (size_t i = 0; i < b->addressed_count; i++) {
        const struct store_addressed *in = &b->addressed[i];
        const struct stream *s = find_stream(d, in->recipient);
        uint64_t seq = s == NULL ? 0 : s->count;
        for (size_t k = 0; k < i; k++)
            seq += b->addressed[k].recipient == in->recipient && b->addressed[k].seq > seq;
        if (in->seq > seq + 1)
            return err_set(e, ERR_CONFLICT, "store.seq", "number %llu to %u, the last was %llu",
                           (unsigned long long)in->seq, in->recipient, (unsigned long long)seq);
    }
    return 0;
}

static int check_witnesses(const struct disk *d, const struct store_batch *b, struct err *e)
{
    for (size_t i = 0; i < b->witness_count; i++) {
        const struct store_witness *in = &b->witnesses[i], *held = find_witness(d, in->origin);
        bool fits =
            held == NULL ? in->old_size == 0 : held->size == in->old_size && memcmp(held->root, in->old_root, 32) == 0;
        if (!fits)
            return err_set(e, ERR_CONFLICT, "store.witness-moved", "cosigned of %s is not size %llu", in->origin,
                           (unsigned long long)in->old_size);
    }
    return 0;
}

static int check_keys(const struct disk *d, const struct store_batch *b, struct err *e)
{
    for (size_t i = 0; i < b->key_count; i++)
        for (size_t k = 0; k < d->keys.count; k++)
            if (memcmp(d->keys.rows[k].case_id, b->keys[i].case_id, 16) == 0 &&
                d->keys.rows[k].epoch == b->keys[i].epoch && memcmp(d->keys.rows[k].key, b->keys[i].key, 32) != 0)
                return err_set(e, ERR_CONFLICT, "store.key-differs", "the case has another key");
    return 0;
}

/* ---- applying it ---- */

static void put_entry(struct disk *d, const struct store_entry *in)
{
    struct book *b = find_book(d, in->origin);
    if (b == NULL) {
        b = PUSH(d, books);
        b->origin = in->origin;
    }
    size_t at = lower_bound(b, in->index);
    bool erased = in->has_case && disk_is_erased(d, in->case_id);
    struct store_entry row = *in;
    row.payload = erased ? bytes_of(NULL, 0) : sim_copy(in->payload);
    row.payload_held = in->payload_held && !(erased && in->payload.size > 0);
    if (at < b->count && b->rows[at].index == in->index) {
        if (!b->rows[at].payload_held && row.payload_held) {
            b->rows[at].payload = row.payload;
            b->rows[at].payload_held = true;
        }
        return;
    }
    row.leaf = sim_copy(in->leaf);
    (void)sim_push((void **)&b->rows, &b->count, &b->capacity, sizeof *b->rows);
    memmove(&b->rows[at + 1], &b->rows[at], (b->count - 1 - at) * sizeof *b->rows);
    b->rows[at] = row;
}

static void put_addressed(struct disk *d, const struct store_addressed *in)
{
    struct stream *s = find_stream(d, in->recipient);
    if (s == NULL) {
        s = PUSH(d, streams);
        s->recipient = in->recipient;
    }
    if (in->seq <= s->count)
        return;
    struct store_addressed *row = sim_push((void **)&s->rows, &s->count, &s->capacity, sizeof *s->rows);
    *row = *in;
}

/* Inserts or replaces by what @same compares. */
#define UPSERT(d, table, in, same)                                                                                     \
    do {                                                                                                               \
        size_t at_ = 0;                                                                                                \
        while (at_ < (d)->table.count && !(same((d)->table.rows[at_], (in))))                                          \
            at_++;                                                                                                     \
        if (at_ == (d)->table.count)                                                                                   \
            (void)PUSH(d, table);                                                                                      \
        (d)->table.rows[at_] = (in);                                                                                   \
    } while (0)

#define SAME_ORIGIN(a, b) ((a).origin == (b).origin)
#define SAME_PEER(a, b) ((a).peer == (b).peer)
#define SAME_CASE(a, b) (memcmp((a).case_id, (b).case_id, 16) == 0)
#define SAME_KEY(a, b) (SAME_CASE(a, b) && (a).epoch == (b).epoch)
#define SAME_NODE(a, b) (SAME_CASE(a, b) && (a).node == (b).node)
#define SAME_NAME(a, b) (strcmp((a).name, (b).name) == 0)
#define SAME_REQUEST(a, b) (memcmp((a).key_hash, (b).key_hash, 32) == 0)
#define SAME_EVIDENCE(a, b) ((a).accused == (b).accused && (a).origin == (b).origin && (a).index == (b).index)
#define SAME_TILE(a, b) ((a).level == (b).level && (a).number == (b).number)
#define SAME_ITEM(a, b) ((a).node == (b).node && strcmp((a).code, (b).code) == 0)
#define SAME_BUNDLE(a, b) ((a).node == (b).node && (a).index == (b).index && strcmp((a).code, (b).code) == 0)
#define SAME_LOG(a, b) (strcmp((a).origin, (b).origin) == 0)

#define SAME_COVER(a, b) ((a).origin == (b).origin && (a).from == (b).from)
#define SAME_PLACE(a, b) ((a).origin == (b).origin && (a).index == (b).index)
#define SAME_FORK(a, b) (SAME_CASE(a, b) && SAME_PLACE(a, b) && memcmp((a).hash, (b).hash, 32) == 0)

/* What proves entries, and the cases that are asked for. */
static void apply_proofs(struct disk *d, const struct store_batch *b)
{
    for (size_t i = 0; i < b->cover_count; i++) {
        struct store_cover row = b->covers[i];
        row.parts = sim_copy(row.parts);
        row.note = sim_copy(row.note);
        UPSERT(d, covers, row, SAME_COVER);
    }
    for (size_t i = 0; i < b->proof_count; i++) {
        struct store_proof row = b->proofs[i];
        row.hashes = sim_copy(row.hashes);
        row.note = sim_copy(row.note);
        UPSERT(d, proofs, row, SAME_PLACE);
    }
    for (size_t i = 0; i < b->pull_count; i++)
        UPSERT(d, pulls, b->pulls[i], SAME_CASE);
    for (size_t i = 0; i < b->fork_count; i++) {
        struct store_fork row = b->forks[i];
        row.leaf = sim_copy(row.leaf);
        UPSERT(d, forks, row, SAME_FORK);
    }
}

static void put_replica(struct disk *d, const struct store_replica *in)
{
    struct store_replica row = *in;
    row.frontier = sim_copy(in->frontier);
    row.note = sim_copy(in->note);
    row.confirmed = sim_copy(in->confirmed);
    UPSERT(d, replicas, row, SAME_ORIGIN);
}

static void put_item(struct disk *d, const struct store_item *in)
{
    for (size_t i = 0; i < d->items.count; i++)
        if (SAME_ITEM(d->items.rows[i], *in) && d->items.rows[i].index > in->index)
            return; /* older than what is there */
    struct store_item row = *in;
    row.json = sim_copy(in->json);
    UPSERT(d, items, row, SAME_ITEM);
}

static void destroy_content(struct disk *d, const uint8_t case_id[16])
{
    for (size_t k = 0; k < d->keys.count; k++)
        if (memcmp(d->keys.rows[k].case_id, case_id, 16) == 0)
            d->keys.rows[k--] = d->keys.rows[--d->keys.count];
    for (size_t i = 0; i < d->books.count; i++)
        for (size_t k = 0; k < d->books.rows[i].count; k++) {
            struct store_entry *row = &d->books.rows[i].rows[k];
            if (!row->has_case || memcmp(row->case_id, case_id, 16) != 0 || row->payload.size == 0)
                continue;
            row->payload = bytes_of(NULL, 0);
            row->payload_held = false;
        }
}

static void apply_keys(struct disk *d, const struct store_batch *b)
{
    for (size_t i = 0; i < b->key_count; i++)
        if (!disk_is_erased(d, b->keys[i].case_id))
            UPSERT(d, keys, b->keys[i], SAME_KEY);
}

static void apply_main(struct disk *d, const struct store_batch *b)
{
    for (size_t i = 0; i < b->entry_count; i++)
        put_entry(d, &b->entries[i]);
    for (size_t i = 0; i < b->addressed_count; i++)
        put_addressed(d, &b->addressed[i]);
    for (size_t i = 0; i < b->tile_count; i++) {
        struct store_tile row = b->tiles[i];
        row.hashes = sim_copy(bytes_of(row.hashes, 8192)).data;
        UPSERT(d, tiles, row, SAME_TILE);
    }
    for (size_t i = 0; i < b->replica_count; i++)
        put_replica(d, &b->replicas[i]);
    for (size_t i = 0; i < b->ack_count; i++)
        UPSERT(d, acks, b->acks[i], SAME_PEER);
    for (size_t i = 0; i < b->case_count; i++)
        UPSERT(d, cases, b->cases[i], SAME_CASE);
    for (size_t i = 0; i < b->item_count; i++)
        put_item(d, &b->items[i]);
    for (size_t i = 0; i < b->bundle_count; i++) {
        struct store_bundle row = b->bundles[i];
        row.pinyin = row.nodes = NULL; /* nobody searches here */
        UPSERT(d, bundles, row, SAME_BUNDLE);
    }
    for (size_t i = 0; i < b->request_count; i++)
        UPSERT(d, requests, b->requests[i], SAME_REQUEST);
    for (size_t i = 0; i < b->counter_count; i++)
        UPSERT(d, counters, b->counters[i], SAME_NAME);
    for (size_t i = 0; i < b->note_count; i++) {
        struct store_note row = b->notes[i];
        row.note = sim_copy(row.note);
        UPSERT(d, notes, row, SAME_NAME);
    }
    for (size_t i = 0; i < b->erasure_count; i++) {
        UPSERT(d, erasures, b->erasures[i], SAME_NODE);
        if (b->erasures[i].node == d->owner->code && b->erasures[i].state == STORE_ERASURE_DONE)
            destroy_content(d, b->erasures[i].case_id);
    }
    for (size_t i = 0; i < b->hold_count; i++)
        UPSERT(d, holds, b->holds[i], SAME_CASE);
    for (size_t i = 0; i < b->evidence_count; i++)
        UPSERT(d, evidences, b->evidences[i], SAME_EVIDENCE);
    apply_proofs(d, b);
    for (size_t i = 0; i < b->due_count; i++)
        UPSERT(d, dues, b->dues[i], SAME_CASE);
    for (size_t i = 0; i < b->publicity_count; i++)
        UPSERT(d, publicities, b->publicities[i], SAME_CASE);
    for (size_t i = 0; i < b->destroy_count; i++)
        destroy_content(d, b->destroys[i].case_id);
}

static void apply_witnesses(struct disk *d, const struct store_batch *b)
{
    for (size_t i = 0; i < b->witness_count; i++) {
        struct store_witness row = b->witnesses[i];
        row.note = sim_copy(row.note);
        UPSERT(d, witnesses, row, SAME_LOG);
        check_witness(d->owner, &row);
    }
}

/* True when the machine goes on; otherwise @e says why not and the handle is spent. */
static bool passes(struct store *s, enum disk_point point, struct err *e)
{
    enum disk_fault fault = world_disk_fault(s->disk->owner, point);
    if (fault == DISK_OK)
        return true;
    s->stopped = true;
    (void)err_set(e, fault == DISK_FULL ? ERR_FULL : ERR_IO, fault == DISK_FULL ? "store.full" : "store.io",
                  fault == DISK_CRASH ? "the machine stops" : "the disk refuses");
    return false;
}

static int apply(struct store *s, const struct store_batch *b, struct err *e)
{
    struct disk *d = s->disk;
    if (!passes(s, DISK_COMMIT_BEGIN, e))
        return e->code;
    apply_keys(d, b);
    if (!passes(s, DISK_COMMIT_KEYS, e))
        return e->code;
    apply_main(d, b);
    check_commit(d->owner, b);
    if (!passes(s, DISK_COMMIT_MAIN, e))
        return e->code;
    apply_witnesses(d, b);
    if (b->witness_count > 0)
        sync_head(d);
    return passes(s, DISK_COMMIT_END, e) ? 0 : e->code;
}

/* ---- store.h, writing ---- */

int store_open(const char *dir, uint32_t self, struct store **ret, struct err *e)
{
    struct sim_node *n = the_sim.current;
    (void)dir;
    (void)e;
    xassert(n != NULL && n->code == self);
    *ret = xcalloc(1, sizeof **ret);
    (*ret)->disk = n->disk;
    return 0;
}

void store_close(struct store *s)
{
    if (s != NULL)
        (void)store_head_sync(s, NULL);
    free(s);
}

int store_commit(struct store *s, const struct store_batch *b, struct err *e)
{
    struct err ignored;
    e = e == NULL ? &ignored : e;
    *e = (struct err){0};
    if (s->stopped)
        return err_set(e, ERR_IO, "store.stopped", "the disk refused an earlier write");
    int rc = check_witnesses(s->disk, b, e);
    if (rc == 0)
        rc = check_keys(s->disk, b, e);
    if (rc == 0)
        rc = check_entries(s->disk, b, e);
    if (rc == 0)
        rc = check_addressed(s->disk, b, e);
    if (rc != 0) {
        sim_trace("%s: the store refuses a batch: %s", sim_name(s->disk->owner), e->message);
        return rc;
    }
    struct sim_heap *heap = sim_heap_use(NULL);
    rc = apply(s, b, e);
    (void)sim_heap_use(heap);
    return rc;
}

int store_head_get(struct store *s, struct arena *a, struct store_head *ret, struct err *e)
{
    (void)e;
    *ret = s->disk->head;
    ret->note = arena_bytes(a, s->disk->head.note);
    return 0;
}

int store_head_swap(struct store *s, uint64_t old_size, const uint8_t old_root[32], const struct store_head *next,
                    struct err *e)
{
    struct disk *d = s->disk;
    struct err ignored;
    e = e == NULL ? &ignored : e;
    if (s->stopped)
        return err_set(e, ERR_IO, "store.stopped", "the disk refused an earlier write");
    if (d->head.size != old_size || memcmp(d->head.root, old_root, 32) != 0 || next->size < old_size ||
        (next->size == old_size && memcmp(next->root, old_root, 32) != 0))
        return err_set(e, ERR_CONFLICT, "store.head-moved", "the head is at %llu, not at %llu",
                       (unsigned long long)d->head.size, (unsigned long long)old_size);
    if (!passes(s, DISK_SWAP_BEGIN, e))
        return e->code;
    struct sim_heap *heap = sim_heap_use(NULL);
    d->head = *next;
    d->head.note = sim_copy(next->note);
    d->head_unsynced = true;
    check_swap(d->owner, &d->head);
    (void)sim_heap_use(heap);
    return passes(s, DISK_SWAP_END, e) ? 0 : e->code;
}

bool store_head_is_unsynced(const struct store *s)
{
    return !s->stopped && s->disk->head_unsynced;
}

int store_head_sync(struct store *s, struct err *e)
{
    struct err ignored;
    e = e == NULL ? &ignored : e;
    if (!store_head_is_unsynced(s))
        return 0;
    if (!passes(s, DISK_SYNC, e))
        return e->code;
    sync_head(s->disk);
    return 0;
}
