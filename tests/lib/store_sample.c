/* Sample batches (see store_sample.h). Two batches make one case: the first opens it, the second changes its status,
 * so that updates are tried as well as inserts. Every fourth case is destroyed by the batch after the one after its last.
 * Leaves carry index and hlc where real ones have them. */
#include "tests/lib/store_sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "certs/crypto.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"

#define TILE_BATCHES (256 / STORE_SAMPLE_ENTRIES)
#define ITEMS 50u
#define LOGS 3u /* other ledgers that are cosigned in turn */
#define ACCUSED 440000u
#define OWN_ERASURE 0 /* of the two erasure rows of a destroying batch */

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

    struct store_addressed *addressed = arena_alloc(a, 3 * sizeof *addressed);
    addressed[0] = (struct store_addressed){STORE_SAMPLE_PEER, STORE_SAMPLE_ENTRIES * n, n + 1};
    addressed[1] = (struct store_addressed){STORE_NODE_EVERYONE, STORE_SAMPLE_ENTRIES * n + 3, n + 1};
    addressed[2] = (struct store_addressed){STORE_NODE_HEADS, STORE_SAMPLE_ENTRIES * n + 2, n + 1};
    b->addressed = addressed;
    b->addressed_count = 3;
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
    if (n >= 4) {
        replica->confirmed = bytes_of_string(arena_printf(a, "confirmed %" PRIu64, n / 4));
        replica->confirmed_seq_me = n / 4;
        replica->confirmed_seq_public = n / 2;
    }
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

static void fill_notes(uint64_t n, struct arena *a, struct store_batch *b)
{
    struct store_note *note = arena_alloc(a, sizeof *note);
    *note = (struct store_note){
        .name = "cosigned", .size = n + 1, .note = bytes_of_string(arena_printf(a, "cosigned %" PRIu64 "\n", n))};
    b->notes = note;
    b->note_count = 1;
    if (n % 4 == 1) { /* on hold from one batch to the next but three */
        struct store_hold *hold = arena_alloc(a, sizeof *hold);
        store_sample_case_id(n % 8 == 1 ? n / 2 : n / 2 - 2, hold->case_id);
        if (n % 8 == 1) {
            hold->since_ms = 1700000000000 + n;
            (void)snprintf(hold->reason, sizeof hold->reason, "行政复议 %" PRIu64, n);
        }
        b->holds = hold;
        b->hold_count = 1;
    }
    if (n % 16 == 2) {
        struct store_evidence *evidence = arena_alloc(a, sizeof *evidence);
        *evidence = (struct store_evidence){
            .accused = ACCUSED, .common_size = n, .origin = STORE_SAMPLE_PEER, .index = 3 * n + 1};
        b->evidences = evidence;
        b->evidence_count = 1;
    }
}

static void fill_destroy(uint64_t n, struct arena *a, struct store_batch *b)
{
    struct store_key *key = arena_alloc(a, sizeof *key);
    struct prng prng;
    prng_init(&prng, 7000 + n / 2);
    *key = (struct store_key){.epoch = 1, .created_ms = 1700000000000 + n / 2};
    store_sample_case_id(n / 2, key->case_id);
    prng_fill(&prng, key->key, sizeof key->key);
    b->keys = key;
    b->key_count = 1;
    if (n % 8 != 3 && n % 8 != 6)
        return;
    struct store_erasure *rows = arena_alloc(a, 2 * sizeof *rows);
    for (size_t i = 0; i < 2; i++) {
        rows[i] = (struct store_erasure){.node = i == OWN_ERASURE ? STORE_SAMPLE_SELF : STORE_SAMPLE_PEER,
                                         .state = i == OWN_ERASURE || n % 8 == 6 ? STORE_ERASURE_DONE : 1,
                                         .basis = 2,
                                         .at_ms = 1700000000000 + n,
                                         .origin = STORE_SAMPLE_SELF,
                                         .index = STORE_SAMPLE_ENTRIES * n};
        store_sample_case_id(n / 8 * 4, rows[i].case_id);
    }
    b->erasures = n % 8 == 3 ? rows : rows + 1; /* the peer's answer comes later */
    b->erasure_count = n % 8 == 3 ? 2 : 1;
    if (n % 8 == 3) {
        struct store_destroy *destroy = arena_alloc(a, sizeof *destroy);
        store_sample_case_id(n / 8 * 4, destroy->case_id);
        b->destroys = destroy;
        b->destroy_count = 1;
    }
}

bool store_sample_is_destroyed(uint64_t n, uint64_t batches)
{
    return n % 4 == 0 && batches > 2 * n + 3;
}

static void witness_root(uint64_t size, uint8_t ret[32])
{
    if (size == 0)
        crypto_sha256(NULL, 0, ret);
    else
        crypto_sha256_one(&size, sizeof size, ret);
}

static void fill_witness(uint64_t n, struct arena *a, struct store_witness *ret)
{
    *ret = (struct store_witness){.old_size = n < LOGS ? 0 : n + 1 - LOGS,
                                  .size = n + 1,
                                  .note = bytes_of_string(arena_printf(a, "witnessed %" PRIu64 "\n", n))};
    (void)snprintf(ret->origin, sizeof ret->origin, "%u.log.example/ledger", (unsigned)(n % LOGS));
    witness_root(ret->old_size, ret->old_root);
    witness_root(ret->size, ret->root);
}

void store_sample_batch(uint64_t n, struct arena *a, struct store_batch *ret)
{
    struct store_witness *witness = arena_alloc(a, sizeof *witness);
    *ret = (struct store_batch){.entries = NULL};
    fill_entries(n, a, ret);
    fill_tile(n, a, ret);
    fill_peer(n, a, ret);
    fill_derived(n, a, ret);
    fill_request(n, a, ret);
    fill_notes(n, a, ret);
    fill_destroy(n, a, ret);
    fill_witness(n, a, witness);
    ret->witnesses = witness;
    ret->witness_count = 1;
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

static int verify_entries(struct store_reader *r, uint64_t n, uint64_t batches, const struct store_batch *b,
                          struct arena *a, struct err *e)
{
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct store_entry *want = &b->entries[i];
        struct store_entry got;
        bool gone = want->has_case && store_sample_is_destroyed(n / 2, batches);
        int rc = store_read_entry(r, want->origin, want->index, a, &got, e);
        if (rc != 0)
            return err_wrap(e, "batch %" PRIu64, n);
        if (!bytes_equal(got.leaf, want->leaf) || !bytes_equal(got.payload, gone ? bytes_of(NULL, 0) : want->payload) ||
            got.payload_held != (want->payload_held && !gone) || got.stored_ms != want->stored_ms ||
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

/* What a destruction takes, and what a hold or an erasure row says. */
static int verify_erasure(struct store_reader *r, uint64_t n, uint64_t batches, const struct store_batch *b,
                          bool with_keys, struct arena *a, struct err *e)
{
    struct store_request request, want = *b->requests;
    struct store_key key;
    struct store_hold hold;
    struct store_erasure *rows;
    size_t count = 0;
    bool gone = store_sample_is_destroyed(n / 2, batches);
    int rc = store_read_request(r, want.key_hash, &request, e);
    if (rc != 0)
        return err_wrap(e, "batch %" PRIu64, n);
    if (gone)
        memset(want.body_hash, 0, sizeof want.body_hash);
    if (!request_equal(&request, &want))
        return DIFFERS(e, "request", n);
    rc = with_keys ? store_read_key(r, b->keys->case_id, 1, &key, e) : 0;
    if (with_keys && (rc != (gone ? ERR_NOT_FOUND : 0) ||
                      (rc == 0 && (memcmp(key.key, b->keys->key, 32) != 0 || key.created_ms != b->keys->created_ms))))
        return DIFFERS(e, "key", n);
    if (b->erasure_count == 2) {
        bool done = batches > n + 3;
        rc = store_read_erasures(r, b->erasures->case_id, a, &rows, &count, e);
        if (rc != 0 || count != 2 || rows[0].node != STORE_SAMPLE_SELF || rows[0].state != STORE_ERASURE_DONE ||
            rows[1].state != (done ? STORE_ERASURE_DONE : 1) || rows[1].node != STORE_SAMPLE_PEER ||
            rows[1].index != STORE_SAMPLE_ENTRIES * (done ? n + 3 : n) || rows[0].basis != 2 ||
            rows[0].at_ms != b->erasures->at_ms || rows[0].origin != STORE_SAMPLE_SELF)
            return DIFFERS(e, "erasure", n);
    }
    if (b->hold_count > 0 && b->holds->since_ms > 0) {
        rc = store_read_hold(r, b->holds->case_id, &hold, e);
        if (rc != (batches > n + 4 ? ERR_NOT_FOUND : 0) ||
            (rc == 0 && (hold.since_ms != b->holds->since_ms || strcmp(hold.reason, b->holds->reason) != 0)))
            return DIFFERS(e, "hold", n);
    }
    return 0;
}

static int verify_rest(struct store_reader *r, uint64_t n, uint64_t batches, const struct store_batch *b,
                       bool with_keys, struct arena *a, struct err *e)
{
    int rc = verify_erasure(r, n, batches, b, with_keys, a, e);
    if (rc != 0)
        return rc;
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

static bool witness_equal(const struct store_witness *a, const struct store_witness *b)
{
    return strcmp(a->origin, b->origin) == 0 && a->size == b->size && memcmp(a->root, b->root, 32) == 0 &&
           bytes_equal(a->note, b->note);
}

/* heads.db comes after ledger.db: of the newest batch, and of that only, the row may be missing. */
static int verify_witnesses(struct store_reader *r, uint64_t batches, struct arena *a, bool *ret_behind, struct err *e)
{
    *ret_behind = false;
    for (uint64_t n = batches < LOGS ? 0 : batches - LOGS; n < batches; n++) {
        struct store_witness want, before = {.size = 0}, got = {.size = 0};
        fill_witness(n, a, &want);
        if (n >= LOGS)
            fill_witness(n - LOGS, a, &before);
        int rc = store_read_witness(r, want.origin, a, &got, e);
        if (rc != 0 && rc != ERR_NOT_FOUND)
            return rc;
        bool behind = n == batches - 1 && (rc == ERR_NOT_FOUND ? n < LOGS : witness_equal(&got, &before));
        if (!behind && (rc != 0 || !witness_equal(&got, &want)))
            return DIFFERS(e, "witness", n);
        *ret_behind = *ret_behind || behind;
    }
    return 0;
}

int store_sample_mend(struct store *s, struct store_reader *r, uint64_t batches, bool *ret_behind, struct err *e)
{
    struct arena a = ARENA_INIT;
    struct store_witness row;
    int rc = verify_witnesses(r, batches, &a, ret_behind, e);
    if (rc == 0 && *ret_behind) {
        fill_witness(batches - 1, &a, &row);
        rc = store_commit(s, &(struct store_batch){.witnesses = &row, .witness_count = 1}, e);
    }
    arena_close(&a);
    return rc;
}

/* Facts that newer batches write over, or that are listed together. */
static int verify_facts(struct store_reader *r, uint64_t batches, struct arena *a, struct err *e)
{
    struct store_evidence *evidence;
    struct store_erasure *open;
    struct store_note note;
    struct store_batch b;
    size_t evidence_count = 0, open_count = 0;
    store_sample_batch(batches - 1, a, &b);
    int rc = store_read_note(r, "cosigned", a, &note, e);
    if (rc != 0 || note.size != batches || !bytes_equal(note.note, b.notes->note))
        return DIFFERS(e, "note", batches - 1);
    rc = store_list_evidence(r, a, &evidence, &evidence_count, e);
    if (rc != 0 || evidence_count != (batches + 13) / 16)
        return DIFFERS(e, "evidence", batches);
    for (size_t i = 0; i < evidence_count; i++)
        if (evidence[i].accused != ACCUSED || evidence[i].common_size != 16 * i + 2 ||
            evidence[i].index != 3 * (16 * i + 2) + 1 || evidence[i].origin != STORE_SAMPLE_PEER)
            return DIFFERS(e, "evidence", i);
    rc = store_list_erasures_open(r, 100, a, &open, &open_count, e);
    bool some = batches % 8 >= 4 && batches % 8 <= 6;
    if (rc != 0 || open_count != some || (some && open[0].node != STORE_SAMPLE_PEER))
        return DIFFERS(e, "open erasures", open_count);
    return 0;
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
        if (state->replica_count != 1 || state->ack_count != 1 || state->recipient_count != 3 ||
            state->replicas->size != b.replicas->size || !bytes_equal(state->replicas->note, b.replicas->note) ||
            !bytes_equal(state->replicas->frontier, b.replicas->frontier) ||
            !bytes_equal(state->replicas->confirmed, b.replicas->confirmed) ||
            state->replicas->confirmed_seq_me != b.replicas->confirmed_seq_me ||
            state->replicas->confirmed_seq_public != b.replicas->confirmed_seq_public ||
            state->acks->size != b.acks->size || state->hlc_max != 1000 + state->size - 1 ||
            item.version != b.items->version || !bytes_equal(item.json, b.items->json))
            return DIFFERS(e, "replica, ack or item", batches - 1);
        rc = verify_facts(r, batches, a, e);
        if (rc != 0)
            return rc;
    }
    store_sample_batch(batches, a, &b);
    struct store_entry entry;
    struct store_request request;
    if (store_read_entry(r, STORE_SAMPLE_PEER, 3 * batches + 1, a, &entry, NULL) != ERR_NOT_FOUND ||
        store_read_request(r, b.requests->key_hash, &request, NULL) != ERR_NOT_FOUND)
        return DIFFERS(e, "is there in part", batches);
    return 0;
}

/* @all: keys.db and heads.db too. */
static int verify(struct store_reader *r, bool all, uint64_t *ret_batches, struct err *e)
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
        rc = verify_entries(r, n, batches, &b, &one, e);
        if (rc == 0)
            rc = verify_rest(r, n, batches, &b, all, &one, e);
        arena_close(&one);
    }
    if (rc == 0)
        rc = verify_last(r, batches, &state, &a, e);
    bool behind = false;
    if (rc == 0 && all)
        rc = verify_witnesses(r, batches, &a, &behind, e);
    if (rc == 0)
        *ret_batches = batches;
out:
    arena_close(&a);
    return rc;
}

int store_sample_verify(struct store_reader *r, uint64_t *ret_batches, struct err *e)
{
    return verify(r, true, ret_batches, e);
}

int store_sample_verify_ledger(struct store_reader *r, uint64_t *ret_batches, struct err *e)
{
    return verify(r, false, ret_batches, e);
}
