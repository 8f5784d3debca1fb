/* Sample batches (see store_sample.h). Two batches make one case: the first opens it, the second changes its status,
 * so that updates are tried as well as inserts. Leaves carry index and hlc where real ones have them. */
#include "tests/lib/store_sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "certs/crypto.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"

#define TILE_BATCHES (256 / STORE_SAMPLE_ENTRIES)
#define ITEMS 50u

void store_sample_case_id(uint64_t n, uint8_t ret[STORE_CASE_ID_SIZE])
{
    put_be64(ret, UINT64_C(0x0190000000000000) + (n << 8));
    put_be64(ret + 8, n * UINT64_C(0x9e3779b97f4a7c15));
}

void store_sample_entry(uint32_t origin, uint64_t index, size_t leaf_size, size_t payload_size, struct arena *a,
                        struct store_entry *ret)
{
    xassert(leaf_size >= 30);
    struct prng prng;
    prng_init(&prng, (uint64_t)origin << 40 ^ index);
    uint8_t *leaf = arena_alloc(a, leaf_size);
    uint8_t *payload = arena_alloc(a, payload_size);
    prng_fill(&prng, leaf, leaf_size);
    prng_fill(&prng, payload, payload_size);
    put_be32(leaf + 10, origin);
    put_be64(leaf + 14, index);
    put_be64(leaf + 22, 1000 + index);
    *ret = (struct store_entry){.origin = origin,
                                .index = index,
                                .leaf = bytes_of(leaf, leaf_size),
                                .payload = bytes_of(payload, payload_size),
                                .payload_held = true,
                                .stored_ms = 1700000000000 + index};
    struct bytes parts[] = {bytes_of("", 1), ret->leaf};
    crypto_sha256(parts, 2, ret->hash);
}

static void fill_entries(uint64_t n, struct arena *a, struct store_batch *b)
{
    struct store_entry *entries = arena_alloc(a, (STORE_SAMPLE_ENTRIES + 1) * sizeof *entries);
    for (uint64_t i = 0; i < STORE_SAMPLE_ENTRIES; i++)
        store_sample_entry(STORE_SAMPLE_SELF, STORE_SAMPLE_ENTRIES * n + i, 200 + n % 100, 700 * i, a, &entries[i]);
    store_sample_entry(STORE_SAMPLE_PEER, 3 * n + 1, 150, 40, a, &entries[STORE_SAMPLE_ENTRIES]);
    if (n % 2 == 1) {
        entries[STORE_SAMPLE_ENTRIES].payload = bytes_of(NULL, 0);
        entries[STORE_SAMPLE_ENTRIES].payload_held = false;
    }
    /* The last own entry is public and belongs to no case. */
    for (uint64_t i = 0; i <= STORE_SAMPLE_ENTRIES; i++) {
        entries[i].has_case = i != STORE_SAMPLE_ENTRIES - 1;
        if (entries[i].has_case)
            store_sample_case_id(n / 2, entries[i].case_id);
    }
    b->entries = entries;
    b->entry_count = STORE_SAMPLE_ENTRIES + 1;

    struct store_addressed *addressed = arena_alloc(a, 2 * sizeof *addressed);
    addressed[0] = (struct store_addressed){STORE_SAMPLE_PEER, STORE_SAMPLE_ENTRIES * n, n + 1};
    addressed[1] = (struct store_addressed){STORE_NODE_EVERYONE, STORE_SAMPLE_ENTRIES * n + 3, n + 1};
    b->addressed = addressed;
    b->addressed_count = 2;
}

static void fill_tile(uint64_t n, struct arena *a, struct store_batch *b)
{
    if (n % TILE_BATCHES != TILE_BATCHES - 1)
        return;
    uint8_t *hashes = arena_alloc(a, 8192);
    struct prng prng;
    prng_init(&prng, n);
    prng_fill(&prng, hashes, 8192);
    struct store_tile *tile = arena_alloc(a, sizeof *tile);
    *tile = (struct store_tile){.level = 0, .number = n / TILE_BATCHES, .hashes = hashes};
    b->tiles = tile;
    b->tile_count = 1;
}

static void fill_peer(uint64_t n, struct arena *a, struct store_batch *b)
{
    struct store_replica *replica = arena_alloc(a, sizeof *replica);
    *replica = (struct store_replica){.origin = STORE_SAMPLE_PEER,
                                      .size = 3 * n + 2,
                                      .frontier = bytes_of_string(arena_printf(a, "frontier %" PRIu64, n)),
                                      .seq_me = n,
                                      .seq_public = 2 * n,
                                      .note = bytes_of_string(arena_printf(a, "note %" PRIu64 "\n", n)),
                                      .note_size = 3 * n + 3,
                                      .checked_ms = 1700000000000 + n};
    b->replicas = replica;
    b->replica_count = 1;
    struct store_ack *ack = arena_alloc(a, sizeof *ack);
    *ack = (struct store_ack){.peer = STORE_SAMPLE_PEER, .size = STORE_SAMPLE_ENTRIES * n, .at_ms = 1700000000000 + n};
    b->acks = ack;
    b->ack_count = 1;
}

static void fill_derived(uint64_t n, struct arena *a, struct store_batch *b)
{
    struct store_case *row = arena_alloc(a, sizeof *row);
    store_sample_case_id(n / 2, row->case_id);
    if (n % 2 == 1)
        (void)snprintf(row->number, sizeof row->number, "N%010" PRIu64, n / 2);
    (void)snprintf(row->item_code, sizeof row->item_code, "ITEM-%04u", (unsigned)(n / 2 % ITEMS));
    (void)snprintf(row->item_name, sizeof row->item_name, "出生一件事联办 %u", (unsigned)(n / 2 % ITEMS));
    row->receiving = n / 2 % 2 == 0 ? STORE_SAMPLE_SELF : STORE_SAMPLE_PEER;
    row->lead = n / 2 % 2 == 0 ? STORE_SAMPLE_PEER : STORE_SAMPLE_SELF;
    row->division = 510104;
    row->status = (uint16_t)(1 + n % 2);
    row->level = 1;
    row->flags = 3;
    row->event_count = (uint32_t)(4 * (1 + n % 2));
    row->created_ms = 1700000000000 + n / 2;
    row->updated_ms = 1700000000000 + n;
    crypto_sha256_one(&n, sizeof n, row->digest);
    b->cases = row;
    b->case_count = 1;

    struct store_item *item = arena_alloc(a, sizeof *item);
    *item = (struct store_item){.node = n % 3 == 0 ? STORE_SAMPLE_PEER : STORE_SAMPLE_SELF,
                                .version = (uint32_t)(n / ITEMS + 1),
                                .index = n,
                                .withdrawn = n % 7 == 0,
                                .json = bytes_of_string(arena_printf(a, "{\"n\":%" PRIu64 "}", n))};
    (void)snprintf(item->code, sizeof item->code, "ITEM-%04u", (unsigned)(n % ITEMS));
    (void)snprintf(item->name, sizeof item->name, "社会保障卡申领 %u", (unsigned)(n % ITEMS));
    b->items = item;
    b->item_count = 1;
}

static void fill_request(uint64_t n, struct arena *a, struct store_batch *b)
{
    struct store_request *request = arena_alloc(a, sizeof *request);
    char key[32];
    int size = snprintf(key, sizeof key, "key %" PRIu64, n);
    crypto_sha256_one(key, (size_t)size, request->key_hash);
    crypto_sha256_one(request->key_hash, 32, request->body_hash);
    store_sample_case_id(n / 2, request->case_id);
    request->first_index = STORE_SAMPLE_ENTRIES * n;
    request->count = STORE_SAMPLE_ENTRIES;
    b->requests = request;
    b->request_count = 1;

    struct store_counter *counter = arena_alloc(a, sizeof *counter);
    (void)snprintf(counter->name, sizeof counter->name, "batches");
    counter->value = n + 1;
    b->counters = counter;
    b->counter_count = 1;
}

void store_sample_batch(uint64_t n, struct arena *a, struct store_batch *ret)
{
    *ret = (struct store_batch){.entries = NULL};
    fill_entries(n, a, ret);
    fill_tile(n, a, ret);
    fill_peer(n, a, ret);
    fill_derived(n, a, ret);
    fill_request(n, a, ret);
}

void store_sample_head(uint64_t batches, struct arena *a, struct store_head *ret)
{
    *ret = (struct store_head){.size = STORE_SAMPLE_ENTRIES * batches};
    if (batches == 0) {
        crypto_sha256(NULL, 0, ret->root);
        return;
    }
    crypto_sha256_one(&batches, sizeof batches, ret->root);
    ret->note = bytes_of_string(arena_printf(a, "head %" PRIu64 "\n", batches));
}

/* ---- verification ---- */

bool store_sample_case_equal(const struct store_case *a, const struct store_case *b)
{
    return memcmp(a->case_id, b->case_id, sizeof a->case_id) == 0 && strcmp(a->number, b->number) == 0 &&
           strcmp(a->item_code, b->item_code) == 0 && strcmp(a->item_name, b->item_name) == 0 &&
           a->receiving == b->receiving && a->lead == b->lead && a->division == b->division && a->status == b->status &&
           a->level == b->level && a->flags == b->flags && a->event_count == b->event_count &&
           a->created_ms == b->created_ms && a->updated_ms == b->updated_ms &&
           memcmp(a->digest, b->digest, sizeof a->digest) == 0;
}

static bool request_equal(const struct store_request *a, const struct store_request *b)
{
    return memcmp(a->key_hash, b->key_hash, 32) == 0 && memcmp(a->body_hash, b->body_hash, 32) == 0 &&
           memcmp(a->case_id, b->case_id, STORE_CASE_ID_SIZE) == 0 && a->first_index == b->first_index &&
           a->count == b->count;
}

#define DIFFERS(e, what, n) err_set(e, ERR_CORRUPT, "sample.differs", "batch %" PRIu64 ": %s", (uint64_t)(n), what)

static int verify_entries(struct store_reader *r, uint64_t n, const struct store_batch *b, struct arena *a,
                          struct err *e)
{
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct store_entry *want = &b->entries[i];
        struct store_entry got;
        int rc = store_read_entry(r, want->origin, want->index, a, &got, e);
        if (rc != 0)
            return err_wrap(e, "batch %" PRIu64, n);
        if (!bytes_equal(got.leaf, want->leaf) || !bytes_equal(got.payload, want->payload) ||
            got.payload_held != want->payload_held || got.stored_ms != want->stored_ms ||
            memcmp(got.hash, want->hash, 32) != 0 || got.has_case != want->has_case ||
            memcmp(got.case_id, want->case_id, STORE_CASE_ID_SIZE) != 0)
            return DIFFERS(e, "entry", n);
    }
    for (size_t i = 0; i < b->addressed_count; i++) {
        const struct store_addressed *want = &b->addressed[i];
        struct store_addressed *got = NULL;
        size_t count = 0;
        int rc = store_read_addressed(r, want->recipient, want->index, 1, a, &got, &count, e);
        if (rc != 0)
            return rc;
        if (count != 1 || got->index != want->index || got->seq != want->seq || got->recipient != want->recipient)
            return DIFFERS(e, "addressed", n);
    }
    return 0;
}

static int verify_rest(struct store_reader *r, uint64_t n, uint64_t batches, const struct store_batch *b,
                       struct arena *a, struct err *e)
{
    struct store_request request;
    int rc = store_read_request(r, b->requests->key_hash, &request, e);
    if (rc != 0)
        return err_wrap(e, "batch %" PRIu64, n);
    if (!request_equal(&request, b->requests))
        return DIFFERS(e, "request", n);
    uint8_t hashes[8192];
    if (b->tile_count > 0) {
        rc = store_read_tile(r, b->tiles->level, b->tiles->number, hashes, e);
        if (rc != 0 || memcmp(hashes, b->tiles->hashes, sizeof hashes) != 0)
            return DIFFERS(e, "tile", n);
    }
    if (n / 2 != (batches - 1) / 2 && n % 2 == 0)
        return 0; /* the case has been changed by the next batch */
    struct store_case row;
    rc = store_read_case(r, b->cases->case_id, &row, e);
    if (rc != 0)
        return err_wrap(e, "batch %" PRIu64, n);
    if (n == batches - 1 || n % 2 == 1) {
        if (!store_sample_case_equal(&row, b->cases))
            return DIFFERS(e, "case", n);
    }
    struct store_entry *entries = NULL;
    size_t count = 0;
    rc = store_read_case_entries(r, b->cases->case_id, a, &entries, &count, e);
    if (rc == 0 && count != (n % 2 == 1 || n + 1 < batches ? 8 : 4))
        return DIFFERS(e, "entries of the case", n);
    return rc;
}

/* What the newest batch wrote over, and that nothing of the one after it is there. */
static int verify_last(struct store_reader *r, uint64_t batches, const struct store_ledger_state *state,
                       struct arena *a, struct err *e)
{
    struct store_batch b;
    struct store_item item;
    uint64_t counter = 0;
    int rc = store_read_counter(r, "batches", &counter, e);
    if (rc != 0)
        return rc;
    if (counter != batches)
        return DIFFERS(e, "counter", counter);
    if (store_count_cases(r) != (batches + 1) / 2)
        return DIFFERS(e, "count of cases", batches);
    if (batches > 0) {
        store_sample_batch(batches - 1, a, &b);
        rc = store_read_item(r, b.items->node, b.items->code, a, &item, e);
        if (rc != 0)
            return rc;
        if (state->replica_count != 1 || state->ack_count != 1 || state->recipient_count != 2 ||
            state->replicas->size != b.replicas->size || !bytes_equal(state->replicas->note, b.replicas->note) ||
            !bytes_equal(state->replicas->frontier, b.replicas->frontier) || state->acks->size != b.acks->size ||
            state->hlc_max != 1000 + state->size - 1 || item.version != b.items->version ||
            !bytes_equal(item.json, b.items->json))
            return DIFFERS(e, "replica, ack or item", batches - 1);
    }
    store_sample_batch(batches, a, &b);
    struct store_entry entry;
    struct store_request request;
    if (store_read_entry(r, STORE_SAMPLE_PEER, 3 * batches + 1, a, &entry, NULL) != ERR_NOT_FOUND ||
        store_read_request(r, b.requests->key_hash, &request, NULL) != ERR_NOT_FOUND)
        return DIFFERS(e, "is there in part", batches);
    return 0;
}

int store_sample_verify(struct store_reader *r, uint64_t *ret_batches, struct err *e)
{
    struct arena a = ARENA_INIT;
    struct store_ledger_state state;
    int rc = store_read_ledger_state(r, &a, &state, e);
    if (rc != 0)
        goto out;
    uint64_t batches = state.size / STORE_SAMPLE_ENTRIES;
    if (state.size % STORE_SAMPLE_ENTRIES != 0) {
        rc = DIFFERS(e, "is there in part", batches);
        goto out;
    }
    for (uint64_t n = 0; rc == 0 && n < batches; n++) {
        struct arena one = ARENA_INIT;
        struct store_batch b;
        store_sample_batch(n, &one, &b);
        rc = verify_entries(r, n, &b, &one, e);
        if (rc == 0)
            rc = verify_rest(r, n, batches, &b, &one, e);
        arena_close(&one);
    }
    if (rc == 0)
        rc = verify_last(r, batches, &state, &a, e);
    if (rc == 0)
        *ret_batches = batches;
out:
    arena_close(&a);
    return rc;
}
