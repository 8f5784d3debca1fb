/* store_commit(): what is written is read back, what is refused leaves nothing and harms nothing. */
#include "tests/unit/store/store_rig.h"

#include "certs/crypto.h"
#include "node/base/limits.h"

static void keeps_what_was_committed(void **state)
{
    struct store_rig *rig = *state;
    rig_open(rig);
    for (uint64_t n = 0; n < 3; n++) {
        rig_expect_samples(rig, n);
        rig_commit_samples(rig, n, n + 1); /* the open reader sees each commit */
    }
    rig_commit_samples(rig, 3, 140);
    rig_expect_samples(rig, 140);
    rig_reopen(rig);
    rig_expect_samples(rig, 140);
    rig_commit_samples(rig, 140, 150); /* mirrors were loaded again */
    rig_expect_samples(rig, 150);
}

static void takes_the_same_rows_again(void **state)
{
    struct store_rig *rig = *state;
    struct store_batch b;
    rig_open(rig);
    rig_commit_samples(rig, 0, 64);
    store_sample_batch(63, &rig->arena, &b);
    assert_int_equal(b.tile_count, 1);
    b.request_count = b.witness_count = 0;
    rig_commit(rig, &b);
    rig_reopen(rig);
    rig_commit(rig, &b);
    store_sample_batch(10, &rig->arena, &b); /* older ones too, where the newest row does not win */
    b.request_count = b.case_count = b.counter_count = b.replica_count = b.ack_count = b.item_count = 0;
    b.note_count = b.witness_count = 0;
    rig_commit(rig, &b);
    rig_expect_samples(rig, 64);
    rig_commit(rig, &(struct store_batch){.entries = NULL}); /* and nothing at all */
    rig_expect_samples(rig, 64);
}

static void adds_a_payload_that_comes_later(void **state)
{
    struct store_rig *rig = *state;
    struct store_entry entry, got;
    rig_open(rig);
    store_sample_entry(STORE_SAMPLE_PEER, 5, 100, 50, &rig->arena, &entry);
    struct bytes payload = entry.payload;
    entry.payload = bytes_of(NULL, 0);
    entry.payload_held = false;
    entry.has_case = true;
    struct store_batch b = {.entries = &entry, .entry_count = 1};
    rig_commit(rig, &b);
    rig_ok(rig, store_read_entry(rig->reader, STORE_SAMPLE_PEER, 5, &rig->arena, &got, &rig->e));
    assert_false(got.payload_held);

    entry.payload = payload;
    entry.payload_held = true;
    entry.stored_ms++; /* time of the first storing stays */
    rig_commit(rig, &b);
    rig_ok(rig, store_read_entry(rig->reader, STORE_SAMPLE_PEER, 5, &rig->arena, &got, &rig->e));
    assert_true(got.payload_held && bytes_equal(got.payload, payload));
    assert_int_equal(got.stored_ms, entry.stored_ms - 1);

    entry.payload_held = false; /* a later hash-only copy takes nothing away */
    entry.payload = bytes_of(NULL, 0);
    rig_commit(rig, &b);
    rig_ok(rig, store_read_entry(rig->reader, STORE_SAMPLE_PEER, 5, &rig->arena, &got, &rig->e));
    assert_true(got.payload_held && bytes_equal(got.payload, payload));

    entry.payload = bytes_of_string("something else");
    entry.payload_held = true;
    assert_int_equal(store_commit(rig->store, &b, &rig->e), ERR_CONFLICT);
    assert_string_equal(rig->e.id, "store.entry-conflict");
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

static void tells_empty_from_not_held(void **state)
{
    struct store_rig *rig = *state;
    struct store_entry entries[2], got;
    rig_open(rig);
    for (uint64_t i = 0; i < 2; i++)
        store_sample_entry(STORE_SAMPLE_SELF, i, 100, 0, &rig->arena, &entries[i]);
    entries[1].payload_held = false;
    rig_commit(rig, &(struct store_batch){.entries = entries, .entry_count = 2});
    for (uint64_t i = 0; i < 2; i++) {
        rig_ok(rig, store_read_entry(rig->reader, STORE_SAMPLE_SELF, i, &rig->arena, &got, &rig->e));
        assert_int_equal(got.payload_held, entries[i].payload_held);
        assert_int_equal(got.payload.size, 0);
    }
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

/* ---- refusals ---- */

struct broken {
    struct store_entry entries[STORE_SAMPLE_ENTRIES + 1];
    struct store_addressed addressed[3];
    struct store_tile tile;
    struct store_replica replica;
    struct store_ack ack;
    struct store_case row;
    struct store_item item;
    struct store_request request;
    struct store_counter counter;
    struct store_note note;
    struct store_hold hold;
    struct store_key key;
    struct store_witness witness;
};

static uint8_t large[PAYLOAD_BYTES_MAX + 1];

static void rehash(struct store_rig *rig, struct store_entry *entry, struct bytes leaf)
{
    store_sample_entry(entry->origin, entry->index, 30, 0, &rig->arena, entry);
    entry->leaf = leaf;
}

/* clang-format off: one fault, one line */
#define BREAK(name) static void name(struct store_rig *rig, struct broken *x)
#define UNUSED (void)rig
BREAK(gap)
{
    UNUSED;
    x->entries[0].index++;
}
BREAK(gap_far)
{
    UNUSED;
    x->entries[3].index += 1000;
}
BREAK(origin_zero)
{
    UNUSED;
    x->entries[1].origin = 0;
}
BREAK(index_large)
{
    UNUSED;
    x->entries[4].index = UINT64_C(1) << 40;
}
BREAK(leaf_empty)
{
    rehash(rig, &x->entries[2], bytes_of(NULL, 0));
}
BREAK(leaf_large)
{
    rehash(rig, &x->entries[2], bytes_of(large, LEAF_BYTES_MAX + 1));
}
BREAK(payload_large)
{
    UNUSED;
    x->entries[2].payload = bytes_of(large, sizeof large);
}
BREAK(payload_not_held)
{
    UNUSED;
    x->entries[2].payload_held = false;
}
BREAK(hash_wrong)
{
    UNUSED;
    x->entries[2].hash[31] ^= 1;
}
BREAK(leaf_other)
{
    store_sample_entry(STORE_SAMPLE_SELF, 3, 44, 0, &rig->arena, &x->entries[0]);
}
BREAK(replica_leaf_other)
{
    store_sample_entry(STORE_SAMPLE_PEER, 4, 44, 0, &rig->arena, &x->entries[4]);
}
BREAK(seq_skips)
{
    UNUSED;
    x->addressed[0].seq++;
}
BREAK(seq_repeats)
{
    UNUSED;
    x->addressed[1].seq--;
}
BREAK(seq_zero)
{
    UNUSED;
    x->addressed[1].seq = 0;
}
BREAK(seq_changes)
{
    UNUSED;
    x->addressed[0].index = 0;
}
BREAK(addressed_between)
{
    UNUSED;
    x->addressed[0].index = 1;
}
BREAK(addressed_beyond)
{
    UNUSED;
    x->addressed[0].index = 1000;
}
BREAK(addressed_large)
{
    UNUSED;
    x->addressed[0].index = UINT64_C(1) << 40;
}
BREAK(tile_level)
{
    UNUSED;
    x->tile.level = 8;
}
BREAK(tile_number)
{
    UNUSED;
    x->tile.number = UINT64_C(1) << 40;
}
BREAK(tile_other)
{
    UNUSED;
    x->tile.number = 0;
}
BREAK(replica_zero)
{
    UNUSED;
    x->replica.origin = 0;
}
BREAK(replica_self)
{
    UNUSED;
    x->replica.origin = STORE_SAMPLE_SELF;
}
BREAK(replica_size)
{
    UNUSED;
    x->replica.size = UINT64_C(1) << 40;
}
BREAK(frontier_large)
{
    UNUSED;
    x->replica.frontier = bytes_of(large, 4097);
}
BREAK(note_large)
{
    UNUSED;
    x->replica.note = bytes_of(large, NOTE_BYTES_MAX + 1);
}
BREAK(ack_self)
{
    UNUSED;
    x->ack.peer = STORE_SAMPLE_SELF;
}
BREAK(ack_zero)
{
    UNUSED;
    x->ack.peer = 0;
}
BREAK(number_long)
{
    UNUSED;
    memset(x->row.number, 'x', sizeof x->row.number);
}
BREAK(case_item_long)
{
    UNUSED;
    memset(x->row.item_code, 'x', sizeof x->row.item_code);
}
BREAK(case_name_long)
{
    UNUSED;
    memset(x->row.item_name, 'x', sizeof x->row.item_name);
}
BREAK(item_code_empty)
{
    UNUSED;
    x->item.code[0] = '\0';
}
BREAK(item_code_long)
{
    UNUSED;
    memset(x->item.code, 'x', sizeof x->item.code);
}
BREAK(item_name_long)
{
    UNUSED;
    memset(x->item.name, 'x', sizeof x->item.name);
}
BREAK(item_node)
{
    UNUSED;
    x->item.node = 0;
}
BREAK(json_large)
{
    UNUSED;
    x->item.json = bytes_of(large, CATALOG_ITEM_BYTES_MAX + 1);
}
BREAK(request_used)
{
    struct store_batch b;
    store_sample_batch(0, &rig->arena, &b);
    x->request = b.requests[0];
}
BREAK(origin_heads)
{
    UNUSED;
    x->entries[1].origin = STORE_NODE_HEADS;
}
BREAK(replica_heads)
{
    UNUSED;
    x->replica.origin = STORE_NODE_HEADS;
}
BREAK(ack_heads)
{
    UNUSED;
    x->ack.peer = STORE_NODE_HEADS;
}
BREAK(confirmed_large)
{
    UNUSED;
    x->replica.confirmed = bytes_of(large, 4097);
}
BREAK(fact_note_empty)
{
    UNUSED;
    x->note.name[0] = '\0';
}
BREAK(fact_note_long)
{
    UNUSED;
    memset(x->note.name, 'x', sizeof x->note.name);
}
BREAK(fact_note_large)
{
    UNUSED;
    x->note.note = bytes_of(large, NOTE_BYTES_MAX + 1);
}
BREAK(reason_long)
{
    UNUSED;
    memset(x->hold.reason, 'x', sizeof x->hold.reason);
}
BREAK(key_other)
{
    UNUSED;
    x->key.key[31] ^= 1;
}
BREAK(key_epoch)
{
    UNUSED;
    x->key.epoch = 0;
}
BREAK(witness_nameless)
{
    UNUSED;
    x->witness.origin[0] = '\0';
}
BREAK(witness_long)
{
    UNUSED;
    memset(x->witness.origin, 'x', sizeof x->witness.origin);
}
BREAK(witness_large)
{
    UNUSED;
    x->witness.note = bytes_of(large, NOTE_BYTES_MAX + 1);
}
BREAK(witness_size)
{
    UNUSED;
    x->witness.size = UINT64_C(1) << 40;
}
BREAK(witness_back)
{
    UNUSED;
    x->witness.size = x->witness.old_size - 1;
}
BREAK(witness_fork)
{
    UNUSED;
    x->witness.size = x->witness.old_size;
}
BREAK(witness_older)
{
    UNUSED;
    x->witness.old_size--;
}
BREAK(witness_other_root)
{
    UNUSED;
    x->witness.old_root[0] ^= 1;
}
BREAK(counter_empty)
{
    UNUSED;
    x->counter.name[0] = '\0';
}
BREAK(counter_long)
{
    UNUSED;
    memset(x->counter.name, 'x', sizeof x->counter.name);
}
/* clang-format on */

#define SAMPLES 127 /* the batch after these closes a tile */

static const struct {
    void (*apply)(struct store_rig *rig, struct broken *x);
    int code;
    const char *id;
} breaks[] = {
    {gap, ERR_INVALID, "store.gap"},
    {gap_far, ERR_INVALID, "store.gap"},
    {origin_zero, ERR_INVALID, "store.origin"},
    {index_large, ERR_LIMIT, "store.limit"},
    {leaf_empty, ERR_INVALID, "store.entry"},
    {leaf_large, ERR_LIMIT, "store.limit"},
    {payload_large, ERR_LIMIT, "store.limit"},
    {payload_not_held, ERR_INVALID, "store.entry"},
    {hash_wrong, ERR_INVALID, "store.hash"},
    {leaf_other, ERR_CONFLICT, "store.entry-conflict"},
    {replica_leaf_other, ERR_CONFLICT, "store.entry-conflict"},
    {seq_skips, ERR_CONFLICT, "store.addressed-conflict"},
    {seq_repeats, ERR_CONFLICT, "store.addressed-conflict"},
    {seq_zero, ERR_CONFLICT, "store.addressed-conflict"},
    {seq_changes, ERR_CONFLICT, "store.addressed-conflict"},
    {addressed_between, ERR_CONFLICT, "store.addressed-conflict"},
    {addressed_beyond, ERR_INVALID, "store.addressed-index"},
    {addressed_large, ERR_LIMIT, "store.limit"},
    {tile_level, ERR_LIMIT, "store.limit"},
    {tile_number, ERR_LIMIT, "store.limit"},
    {tile_other, ERR_CONFLICT, "store.tile-conflict"},
    {replica_zero, ERR_INVALID, "store.replica"},
    {replica_self, ERR_INVALID, "store.replica"},
    {replica_size, ERR_LIMIT, "store.limit"},
    {frontier_large, ERR_LIMIT, "store.limit"},
    {note_large, ERR_LIMIT, "store.limit"},
    {ack_self, ERR_INVALID, "store.ack"},
    {ack_zero, ERR_INVALID, "store.ack"},
    {number_long, ERR_LIMIT, "store.limit"},
    {case_item_long, ERR_LIMIT, "store.limit"},
    {case_name_long, ERR_LIMIT, "store.limit"},
    {item_code_empty, ERR_INVALID, "store.empty"},
    {item_code_long, ERR_LIMIT, "store.limit"},
    {item_name_long, ERR_LIMIT, "store.limit"},
    {item_node, ERR_INVALID, "store.item"},
    {json_large, ERR_LIMIT, "store.limit"},
    {request_used, ERR_CONFLICT, "store.request-conflict"},
    {origin_heads, ERR_INVALID, "store.origin"},
    {replica_heads, ERR_INVALID, "store.replica"},
    {ack_heads, ERR_INVALID, "store.ack"},
    {confirmed_large, ERR_LIMIT, "store.limit"},
    {fact_note_empty, ERR_INVALID, "store.empty"},
    {fact_note_long, ERR_LIMIT, "store.limit"},
    {fact_note_large, ERR_LIMIT, "store.limit"},
    {reason_long, ERR_LIMIT, "store.limit"},
    {key_other, ERR_CONFLICT, "store.key-conflict"},
    {key_epoch, ERR_INVALID, "store.key-epoch"},
    {witness_nameless, ERR_INVALID, "store.witness"},
    {witness_long, ERR_INVALID, "store.witness"},
    {witness_large, ERR_LIMIT, "store.limit"},
    {witness_size, ERR_LIMIT, "store.limit"},
    {witness_back, ERR_CONFLICT, "store.witness-back"},
    {witness_fork, ERR_CONFLICT, "store.witness-back"},
    {witness_older, ERR_CONFLICT, "store.witness-moved"},
    {witness_other_root, ERR_CONFLICT, "store.witness-moved"},
    {counter_empty, ERR_INVALID, "store.empty"},
    {counter_long, ERR_LIMIT, "store.limit"},
};

/* A copy of the next good batch that a row of the table can spoil. */
static void make_next(struct store_rig *rig, struct broken *x, struct store_batch *ret)
{
    struct store_batch b;
    store_sample_batch(SAMPLES, &rig->arena, &b);
    assert_int_equal(b.tile_count, 1);
    memcpy(x->entries, b.entries, sizeof x->entries);
    memcpy(x->addressed, b.addressed, sizeof x->addressed);
    x->tile = *b.tiles;
    x->replica = *b.replicas;
    x->ack = *b.acks;
    x->row = *b.cases;
    x->item = *b.items;
    x->request = *b.requests;
    x->counter = *b.counters;
    x->note = *b.notes;
    x->hold = (struct store_hold){.since_ms = 0};
    x->key = *b.keys;
    x->witness = *b.witnesses;
    b.holds = &x->hold; /* takes off one that is not there */
    b.hold_count = 1;
    b.notes = &x->note;
    b.keys = &x->key;
    b.witnesses = &x->witness;
    b.entries = x->entries;
    b.addressed = x->addressed;
    b.tiles = &x->tile;
    b.replicas = &x->replica;
    b.acks = &x->ack;
    b.cases = &x->row;
    b.items = &x->item;
    b.requests = &x->request;
    b.counters = &x->counter;
    *ret = b;
}

static void refuses_without_a_trace(void **state)
{
    struct store_rig *rig = *state;
    struct broken x;
    struct store_batch b;
    rig_open(rig);
    rig_commit_samples(rig, 0, SAMPLES);
    for (size_t i = 0; i < sizeof breaks / sizeof breaks[0]; i++) {
        make_next(rig, &x, &b);
        breaks[i].apply(rig, &x);
        rig->e = (struct err){0};
        int rc = store_commit(rig->store, &b, &rig->e);
        if (rc != breaks[i].code || strcmp(rig->e.id, breaks[i].id) != 0)
            fail_msg("row %zu: %d %s '%s', expected %d %s", i, rc, rig->e.id, rig->e.message, breaks[i].code,
                     breaks[i].id);
        uint64_t found = 0;
        rig_ok(rig, store_sample_verify(rig->reader, &found, &rig->e));
        assert_int_equal(found, SAMPLES);
    }
    make_next(rig, &x, &b); /* unspoiled, it is good, on the same handle */
    rig_commit(rig, &b);
    rig_expect_samples(rig, SAMPLES + 1);
}

/* A refusal at the end of the batch takes back what was remembered on the way: peers, sizes, seqs, cases. */
static void forgets_what_was_rolled_back(void **state)
{
    struct store_rig *rig = *state;
    struct broken x;
    struct store_batch b;
    struct store_ledger_state ledger;
    rig_open(rig);
    rig_commit_samples(rig, 0, SAMPLES);
    for (int round = 0; round < 3; round++) {
        make_next(rig, &x, &b);
        x.entries[4].origin = 600000;
        x.addressed[0] = (struct store_addressed){610000, STORE_SAMPLE_ENTRIES * SAMPLES, 1};
        x.ack.peer = 620000;
        store_sample_case_id(5000, x.row.case_id);
        request_used(rig, &x);
        assert_int_equal(store_commit(rig->store, &b, &rig->e), ERR_CONFLICT);
    }
    rig_commit_samples(rig, SAMPLES, SAMPLES + 1);
    rig_expect_samples(rig, SAMPLES + 1);
    rig_ok(rig, store_read_ledger_state(rig->reader, &rig->arena, &ledger, &rig->e));
    assert_int_equal(ledger.recipient_count, 3);
    make_next(rig, &x, &b);
    x.addressed[0] = (struct store_addressed){610000, 0, 1};
    rig_commit(rig, &(struct store_batch){.addressed = x.addressed, .addressed_count = 1});
    rig_ok(rig, store_read_ledger_state(rig->reader, &rig->arena, &ledger, &rig->e));
    assert_int_equal(ledger.recipient_count, 4);
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

/* ---- rows that replace others ---- */

static void replaces_cases_whatever_changed(void **state)
{
    struct store_rig *rig = *state;
    struct store_case row = {.receiving = 1, .lead = 2, .status = 3}, got;
    struct store_batch b = {.cases = &row, .case_count = 1};
    rig_open(rig);
    store_sample_case_id(1, row.case_id);
    for (int change = 0; change < 16; change++) {
        row.status = (uint16_t)(row.status + (change & 1));
        row.lead += change >> 1 & 1;
        row.event_count++;
        if (change & 4)
            (void)snprintf(row.number, sizeof row.number, "NR-%d", change);
        if (change & 8)
            (void)snprintf(row.item_code, sizeof row.item_code, "ITEM-%d", change);
        row.digest[0] = (uint8_t)change;
        rig_commit(rig, &b);
        rig_ok(rig, store_read_case(rig->reader, row.case_id, &got, &rig->e));
        assert_true(store_sample_case_equal(&got, &row));
        rig_ok(rig, store_check(rig->reader, &rig->e));
    }
    assert_int_equal(store_count_cases(rig->reader), 1);
}

static void keeps_the_newest_item(void **state)
{
    struct store_rig *rig = *state;
    struct store_item item = {.node = STORE_SAMPLE_PEER, .code = "A-1", .name = "old", .version = 1, .index = 10}, got;
    struct store_batch b = {.items = &item, .item_count = 1};
    rig_open(rig);
    item.json = bytes_of_string("{\"v\":1}");
    rig_commit(rig, &b);
    item.index = 20;
    item.version = 2;
    item.json = bytes_of_string("{\"v\":2}");
    (void)snprintf(item.name, sizeof item.name, "new");
    rig_commit(rig, &b);
    struct store_item older = item;
    older.index = 15;
    older.withdrawn = true;
    rig_commit(rig, &(struct store_batch){.items = &older, .item_count = 1});
    rig_ok(rig, store_read_item(rig->reader, STORE_SAMPLE_PEER, "A-1", &rig->arena, &got, &rig->e));
    assert_int_equal(got.version, 2);
    assert_int_equal(got.index, 20);
    assert_false(got.withdrawn);
    assert_string_equal(got.name, "new");
    assert_true(bytes_equal(got.json, item.json));
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

static void make_request(uint64_t n, struct store_request *ret)
{
    *ret = (struct store_request){.first_index = 0, .count = 0};
    crypto_sha256_one(&n, sizeof n, ret->key_hash);
    put_be64(ret->case_id, n);
    if (n % 1000 == 1) { /* two keys with the same first bytes */
        uint64_t before = n - 1;
        crypto_sha256_one(&before, sizeof before, ret->key_hash);
        ret->key_hash[31] ^= 1;
    }
}

/* More requests than the tables of new keys hold: their keys are swept into the others, round and round. */
static void finds_requests_however_many(void **state)
{
    enum { BATCH = 5000, TOTAL = 80000 };
    struct store_rig *rig = *state;
    struct store_request *requests = arena_alloc(&rig->arena, BATCH * sizeof *requests), got, want;
    rig_open(rig);
    for (uint64_t n = 0; n < TOTAL; n += BATCH) {
        for (uint64_t i = 0; i < BATCH; i++)
            make_request(n + i, &requests[i]);
        if (n == TOTAL - 2 * BATCH)
            rig_reopen(rig); /* the sweep starts anew */
        rig_commit(rig, &(struct store_batch){.requests = requests, .request_count = BATCH});
    }
    for (uint64_t n = 0; n < TOTAL; n += 1 + n % 7) {
        make_request(n, &want);
        rig_ok(rig, store_read_request(rig->reader, want.key_hash, &got, &rig->e));
        assert_memory_equal(got.key_hash, want.key_hash, 32);
        assert_memory_equal(got.case_id, want.case_id, STORE_CASE_ID_SIZE);
        if (n % 50 == 0) {
            want.body_hash[0] = 1;
            assert_int_equal(
                store_commit(rig->store, &(struct store_batch){.requests = &want, .request_count = 1}, &rig->e),
                ERR_CONFLICT);
        }
    }
    make_request(TOTAL, &want);
    assert_int_equal(store_read_request(rig->reader, want.key_hash, &got, &rig->e), ERR_NOT_FOUND);
    rig_ok(rig, store_check(rig->reader, &rig->e));
    rig_close(rig);
    assert_in_range(rig_count(rig, "SELECT count(*) FROM request_key0"), 2048, 2048 + 127);
    assert_in_range(rig_count(rig, "SELECT count(*) FROM request_key1"), 65536, 65536 + 127);
}

static void keeps_large_numbers(void **state)
{
    struct store_rig *rig = *state;
    uint64_t value = 0;
    struct store_counter counter = {.name = "large", .value = UINT64_MAX};
    struct store_ack ack = {.peer = UINT32_MAX, .size = UINT64_MAX, .at_ms = UINT64_MAX};
    struct store_ledger_state ledger;
    rig_open(rig);
    rig_commit(rig, &(struct store_batch){.counters = &counter, .counter_count = 1, .acks = &ack, .ack_count = 1});
    rig_ok(rig, store_read_counter(rig->reader, "large", &value, &rig->e));
    assert_true(value == UINT64_MAX);
    rig_ok(rig, store_read_counter(rig->reader, "no such", &value, &rig->e));
    assert_int_equal(value, 0);
    rig_ok(rig, store_read_ledger_state(rig->reader, &rig->arena, &ledger, &rig->e));
    assert_int_equal(ledger.ack_count, 1);
    assert_true(ledger.acks->peer == UINT32_MAX && ledger.acks->size == UINT64_MAX && ledger.acks->at_ms == UINT64_MAX);
    rig_reopen(rig);
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
        TEST(keeps_what_was_committed),        TEST(takes_the_same_rows_again),
        TEST(adds_a_payload_that_comes_later), TEST(tells_empty_from_not_held),
        TEST(refuses_without_a_trace),         TEST(forgets_what_was_rolled_back),
        TEST(replaces_cases_whatever_changed), TEST(keeps_the_newest_item),
        TEST(finds_requests_however_many),     TEST(keeps_large_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
