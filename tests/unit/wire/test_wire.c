/* Messages between nodes: every type survives the round trip; every limit holds in both directions; hostile encodings
 * (cut, flipped, inflated, merged, unknown) end in an error that names the fault. */
#include "federation/ledger/grant.h"
#include "federation/ledger/heads.h"
#include "federation/wire/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/clock.h"
#include "node/base/xassert.h"

static struct wire_msg decoded(struct bytes in, struct arena *arena)
{
    struct wire_msg m;
    struct err e = {0};
    int rc = wire_decode(in, arena, &m, &e);
    if (rc != 0)
        fail_msg("decode: %s: %s", e.id, e.message);
    return m;
}

static void encoded(const struct wire_msg *m, struct buf *out)
{
    struct err e = {0};
    if (wire_encode(m, out, &e) != 0)
        fail_msg("encode: %s: %s", e.id, e.message);
}

static struct merkle_hash hash_of(uint8_t fill)
{
    struct merkle_hash h;
    memset(h.b, fill, sizeof h.b);
    return h;
}

static const struct wire_msg hello = {.type = WIRE_HELLO,
                                      .u.hello = {.version_min = 1,
                                                  .version_max = 3,
                                                  .suites = {"ed25519-sha256", "x"},
                                                  .suite_count = 2,
                                                  .node = 510000,
                                                  .software = "tongban 0.1.0",
                                                  .wall_ms = UINT64_MAX,
                                                  .ledger_size = 7,
                                                  .members_version = 12}};
static const struct wire_msg hint = {.type = WIRE_HINT,
                                     .u.hint = {.origin = 440000, .size = 1u << 31, .your_seq = 3, .public_seq = 0}};
static const struct wire_msg failure = {.type = WIRE_ERROR,
                                        .u.error = {.code = WIRE_ERROR_PRUNED,
                                                    .id = "sync.pruned",
                                                    .message = "第 4711 条之前已归档",
                                                    .retry_ms = 5,
                                                    .min_index = 4711}};

/* ---- round trips ---- */

static void test_hello(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct buf out = {0};
    encoded(&hello, &out);
    struct wire_msg m = decoded(buf_bytes(&out), &arena);
    assert_int_equal(m.type, WIRE_HELLO);
    assert_int_equal(m.u.hello.version_min, 1);
    assert_int_equal(m.u.hello.version_max, 3);
    assert_int_equal(m.u.hello.suite_count, 2);
    assert_string_equal(m.u.hello.suites[0], "ed25519-sha256");
    assert_string_equal(m.u.hello.suites[1], "x");
    assert_int_equal(m.u.hello.node, 510000);
    assert_string_equal(m.u.hello.software, "tongban 0.1.0");
    assert_true(m.u.hello.wall_ms == UINT64_MAX);
    assert_int_equal(m.u.hello.ledger_size, 7);
    assert_int_equal(m.u.hello.members_version, 12);
    buf_close(&out);
    arena_close(&arena);
}

static void test_small_messages(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct buf out = {0};

    encoded(&hint, &out);
    struct wire_msg m = decoded(buf_bytes(&out), &arena);
    assert_int_equal(m.type, WIRE_HINT);
    assert_int_equal(m.u.hint.origin, 440000);
    assert_int_equal(m.u.hint.size, 1u << 31);
    assert_int_equal(m.u.hint.your_seq, 3);
    assert_int_equal(m.u.hint.public_seq, 0);

    struct wire_msg pull = {.type = WIRE_PULL,
                            .u.pull = {.origin = 440000,
                                       .from = 9,
                                       .root_at_from = hash_of(0xab),
                                       .seq_me = 1,
                                       .seq_public = 2,
                                       .max_bytes = BATCH_BYTES_MAX,
                                       .wait_ms = 30000}};
    buf_reset(&out);
    encoded(&pull, &out);
    m = decoded(buf_bytes(&out), &arena);
    assert_int_equal(m.type, WIRE_PULL);
    assert_memory_equal(&m.u.pull.root_at_from, &pull.u.pull.root_at_from, 32);
    assert_int_equal(m.u.pull.origin, 440000);
    assert_int_equal(m.u.pull.from, 9);
    assert_int_equal(m.u.pull.seq_me, 1);
    assert_int_equal(m.u.pull.seq_public, 2);
    assert_int_equal(m.u.pull.max_bytes, BATCH_BYTES_MAX);
    assert_int_equal(m.u.pull.wait_ms, 30000);
    assert_int_equal(m.u.pull.start, 9); /* not said: at from */

    pull.u.pull.start = 4000;
    buf_reset(&out);
    encoded(&pull, &out);
    m = decoded(buf_bytes(&out), &arena);
    assert_int_equal(m.u.pull.from, 9);
    assert_int_equal(m.u.pull.start, 4000);
    pull.u.pull.start = 8;
    buf_reset(&out);
    encoded(&pull, &out);
    struct err e = {0};
    assert_int_equal(wire_decode(buf_bytes(&out), &arena, &m, &e), ERR_INVALID);
    assert_string_equal(e.id, "wire.pull-start");

    buf_reset(&out);
    encoded(&failure, &out);
    m = decoded(buf_bytes(&out), &arena);
    assert_int_equal(m.type, WIRE_ERROR);
    assert_int_equal(m.u.error.code, 410);
    assert_string_equal(m.u.error.id, "sync.pruned");
    assert_string_equal(m.u.error.message, failure.u.error.message);
    assert_int_equal(m.u.error.retry_ms, 5);
    assert_int_equal(m.u.error.min_index, 4711);

    struct wire_msg ok = {.type = WIRE_OK};
    buf_reset(&out);
    encoded(&ok, &out);
    assert_true(out.size > 0); /* the link uses the empty message for itself */
    assert_int_equal(decoded(buf_bytes(&out), &arena).type, WIRE_OK);

    buf_close(&out);
    arena_close(&arena);
}

/* A batch of @count items, every third an entry, payload held or not; everything in @arena. */
/* The last item has an opening, when it is an entry. */
static const struct bytes *openings_of(size_t count, struct arena *arena)
{
    struct bytes *openings = arena_alloc(arena, (count + 1) * sizeof *openings);
    memset(openings, 0, (count + 1) * sizeof *openings);
    if (count > 0 && count % 2 == 1)
        openings[count - 1] = bytes_of_string("opening");
    return openings;
}

static struct wire_msg batch_of(size_t count, size_t leaf_size, size_t payload_size, struct arena *arena)
{
    struct frontier_item *items = arena_alloc(arena, count * sizeof *items);
    bool *held = arena_alloc(arena, count * sizeof *held);
    uint8_t *fill = arena_alloc(arena, leaf_size + payload_size);
    memset(fill, 0x5a, leaf_size + payload_size);
    for (size_t i = 0; i < count; i++) {
        if (i % 3 == 0) {
            held[i] = i % 2 == 0;
            items[i] = (struct frontier_item){.kind = FRONTIER_KIND_ENTRY,
                                              .leaf = bytes_of(fill, leaf_size),
                                              .payload = bytes_of(fill, held[i] ? payload_size : 0)};
        } else {
            items[i] = (struct frontier_item){
                .kind = FRONTIER_KIND_HASH, .level = (unsigned)(i % 41), .hash = hash_of((uint8_t)i)};
        }
    }
    struct wire_msg m = {.type = WIRE_BATCH};
    m.u.batch = (struct wire_batch){
        .origin = 510000,
        .frontier = {.from = 5, .to = 900, .target = 1000, .items = items, .item_count = count, .right_count = 3},
        .payload_held = held,
        .checkpoint = bytes_of_string("note\n"),
        .openings = openings_of(count, arena),
        .grants = bytes_of_string("grants"),
        .more = true};
    for (uint8_t i = 0; i < 3; i++)
        m.u.batch.frontier.right[i] = hash_of((uint8_t)(0x80 + i));
    return m;
}

static void assert_same_batch(const struct wire_batch *a, const struct wire_batch *b)
{
    assert_int_equal(a->origin, b->origin);
    assert_int_equal(a->frontier.from, b->frontier.from);
    assert_int_equal(a->frontier.to, b->frontier.to);
    assert_int_equal(a->frontier.target, b->frontier.target);
    assert_int_equal(a->more, b->more);
    assert_true(bytes_equal(a->checkpoint, b->checkpoint));
    assert_true(bytes_equal(a->grants, b->grants));
    assert_int_equal(a->frontier.right_count, b->frontier.right_count);
    assert_memory_equal(a->frontier.right, b->frontier.right, a->frontier.right_count * sizeof a->frontier.right[0]);
    assert_int_equal(a->frontier.item_count, b->frontier.item_count);
    for (size_t i = 0; i < a->frontier.item_count; i++) {
        assert_true(bytes_equal(a->openings[i], b->openings[i]));
        const struct frontier_item *x = &a->frontier.items[i], *y = &b->frontier.items[i];
        assert_int_equal(x->kind, y->kind);
        assert_int_equal(x->level, y->level);
        assert_memory_equal(&x->hash, &y->hash, sizeof x->hash);
        assert_true(bytes_equal(x->leaf, y->leaf));
        assert_true(bytes_equal(x->payload, y->payload));
        assert_int_equal(a->payload_held[i], b->payload_held[i]);
    }
}

static void test_batch(void **state)
{
    (void)state;
    static const struct {
        size_t count, leaf_size, payload_size;
    } cases[] = {{0, 0, 0},   {1, 1, 0},         {1, LEAF_BYTES_MAX, PAYLOAD_BYTES_MAX},
                 {7, 3, 100}, {1000, 320, 1200}, {WIRE_BATCH_ITEMS_MAX, 320, 0}};
    for (size_t i = 0; i < array_count(cases); i++) {
        struct arena arena = ARENA_INIT;
        struct buf out = {0};
        struct wire_msg in = batch_of(cases[i].count, cases[i].leaf_size, cases[i].payload_size, &arena);
        encoded(&in, &out);
        struct wire_msg back = decoded(buf_bytes(&out), &arena);
        assert_int_equal(back.type, WIRE_BATCH);
        assert_same_batch(&back.u.batch, &in.u.batch);
        buf_close(&out);
        arena_close(&arena);
    }
}

/* Without flags an entry counts as held where it has a payload. */
static void test_batch_held_by_default(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct buf out = {0};
    struct wire_msg m = batch_of(10, 5, 5, &arena);
    m.u.batch.payload_held = NULL;
    encoded(&m, &out);
    struct wire_msg back = decoded(buf_bytes(&out), &arena);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(back.u.batch.payload_held[i], back.u.batch.frontier.items[i].payload.size > 0);
    assert_true(back.u.batch.payload_held[0]);
    buf_close(&out);
    arena_close(&arena);
}

/* ---- what is never sent ---- */

static void expect_no_encode(const struct wire_msg *m, int code, const char *id)
{
    struct err e = {0};
    struct buf out = {0};
    buf_put_string(&out, "before");
    assert_int_equal(wire_encode(m, &out, &e), code);
    assert_string_equal(e.id, id);
    assert_int_equal(out.size, 6); /* unchanged */
    buf_close(&out);
}

static void test_encode_odd_numbers(void **state)
{
    (void)state;
    struct wire_msg port = hello;
    port.u.hello.files_port = 65536;
    expect_no_encode(&port, ERR_INVALID, "wire.hello-port");
    const struct wire_msg odd = {.type = WIRE_COSIG, .u.cosig = {.status = 99}};
    expect_no_encode(&odd, ERR_INVALID, "wire.cosig-status");
}

static void test_encode_limits(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    char *long_text = arena_alloc(&arena, WIRE_TEXT_BYTES_MAX + 2);
    memset(long_text, 'x', WIRE_TEXT_BYTES_MAX + 1);
    uint8_t *large = arena_alloc(&arena, PAYLOAD_BYTES_MAX + 1);

    struct wire_msg m = hello;
    m.u.hello.version_min = 4;
    expect_no_encode(&m, ERR_INVALID, "wire.hello-versions");
    m = hello;
    m.u.hello.version_min = 0;
    expect_no_encode(&m, ERR_INVALID, "wire.hello-versions");
    m = hello;
    m.u.hello.suite_count = WIRE_SUITES_MAX + 1;
    expect_no_encode(&m, ERR_LIMIT, "wire.hello-suites");
    m = hello;
    m.u.hello.suites[1] = "";
    expect_no_encode(&m, ERR_INVALID, "wire.text");
    m = hello;
    m.u.hello.suites[1] = long_text;
    expect_no_encode(&m, ERR_LIMIT, "wire.text");
    m = hello;
    m.u.hello.software = "\xff";
    expect_no_encode(&m, ERR_INVALID, "wire.text");

    m = failure;
    m.u.error.code = (enum wire_error_code)401;
    expect_no_encode(&m, ERR_INVALID, "wire.error-code");
    m = failure;
    m.u.error.message = long_text;
    expect_no_encode(&m, ERR_LIMIT, "wire.text");

    m = batch_of(WIRE_BATCH_ITEMS_MAX + 1, 1, 0, &arena);
    expect_no_encode(&m, ERR_LIMIT, "wire.batch-items");
    m = batch_of(1, 1, 0, &arena);
    m.u.batch.frontier.right_count = CRANGE_PARTS_MAX + 1;
    expect_no_encode(&m, ERR_LIMIT, "wire.batch-right");
    m = batch_of(2, 1, 0, &arena);
    m.u.batch.frontier.items[1].level = WIRE_LEVEL_MAX + 1;
    expect_no_encode(&m, ERR_LIMIT, "wire.item-level");
    m = batch_of(1, 0, 0, &arena);
    expect_no_encode(&m, ERR_INVALID, "wire.item-leaf");
    m = batch_of(1, LEAF_BYTES_MAX + 1, 0, &arena);
    expect_no_encode(&m, ERR_LIMIT, "wire.item-leaf");
    m = batch_of(1, 1, PAYLOAD_BYTES_MAX + 1, &arena);
    expect_no_encode(&m, ERR_LIMIT, "wire.item-payload");
    m = batch_of(4, 1, 0, &arena);
    m.u.batch.frontier.items[3].payload = bytes_of(large, 1); /* flag says it is not held */
    expect_no_encode(&m, ERR_INVALID, "wire.item-payload");
    m = batch_of(1, 1, 0, &arena);
    m.u.batch.checkpoint = bytes_of(large, NOTE_BYTES_MAX + 1);
    expect_no_encode(&m, ERR_LIMIT, "wire.batch-checkpoint");
    m = batch_of(1, 1, 0, &arena);
    m.u.batch.grants = bytes_of(large, GRANT_BYTES_MAX + 1);
    expect_no_encode(&m, ERR_LIMIT, "wire.size");
    m = batch_of(1, 1, 0, &arena);
    m.u.batch.openings = &(struct bytes){large, HEADS_OPENING_BYTES_MAX + 1};
    expect_no_encode(&m, ERR_LIMIT, "wire.size");
    m = batch_of(60, LEAF_BYTES_MAX, PAYLOAD_BYTES_MAX, &arena);
    expect_no_encode(&m, ERR_LIMIT, "wire.too-large");

    struct buf small;
    buf_init(&small, 10);
    struct err e = {0};
    assert_int_equal(wire_encode(&hello, &small, &e), ERR_LIMIT);
    assert_string_equal(e.id, "wire.too-large");
    buf_close(&small);
    arena_close(&arena);
}

/* ---- what is never taken: encodings written by hand ---- */

static void put_varint(struct buf *b, uint64_t v)
{
    while (v >= 0x80) {
        buf_put_u8(b, (uint8_t)(v | 0x80));
        v >>= 7;
    }
    buf_put_u8(b, (uint8_t)v);
}

static void put_number(struct buf *b, unsigned field, uint64_t v)
{
    put_varint(b, field << 3);
    put_varint(b, v);
}

static void put_blob(struct buf *b, unsigned field, const void *data, size_t size)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, size);
    buf_put(b, data, size);
}

/* Wraps @inner as body @field of an envelope, decodes it and expects the error. Closes @inner. */
static void expect_no_decode(unsigned field, struct buf *inner, int code, const char *id)
{
    struct buf outer = {0};
    struct arena arena = ARENA_INIT;
    struct err e = {0};
    struct wire_msg m = {.type = WIRE_OK};
    put_blob(&outer, field, inner->data, inner->size);
    assert_int_equal(wire_decode(buf_bytes(&outer), &arena, &m, &e), code);
    assert_string_equal(e.id, id);
    assert_true(e.message[0] != '\0');
    assert_int_equal(m.type, WIRE_OK); /* untouched */
    arena_close(&arena);
    buf_close(&outer);
    buf_close(inner);
}

/* A batch of one item. */
static struct buf batch_with_item(struct buf *item)
{
    struct buf batch = {0};
    put_blob(&batch, 5, item->data, item->size);
    buf_close(item);
    return batch;
}

static void test_decode_bad_items(void **state)
{
    (void)state;
    static const uint8_t bytes[PAYLOAD_BYTES_MAX + 1];
    struct {
        size_t leaf, payload, hash;
        uint64_t level;
        bool held;
        int code;
        const char *id;
    } cases[] = {
        {0, 0, 0, 0, false, ERR_INVALID, "wire.item"},
        {1, 0, 32, 0, false, ERR_INVALID, "wire.item"},
        {1, 0, 0, 1, false, ERR_INVALID, "wire.item"},
        {0, 1, 32, 0, true, ERR_INVALID, "wire.item"},
        {0, 0, 32, 0, true, ERR_INVALID, "wire.item"},
        {0, 0, 31, 0, false, ERR_INVALID, "wire.hash"},
        {0, 0, 33, 0, false, ERR_INVALID, "wire.hash"},
        {0, 0, 32, 41, false, ERR_LIMIT, "wire.item-level"},
        {0, 0, 32, UINT32_MAX, false, ERR_LIMIT, "wire.item-level"},
        {LEAF_BYTES_MAX + 1, 0, 0, 0, false, ERR_LIMIT, "wire.item-leaf"},
        {1, PAYLOAD_BYTES_MAX + 1, 0, 0, true, ERR_LIMIT, "wire.item-payload"},
        {1, 1, 0, 0, false, ERR_INVALID, "wire.item-payload"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct buf item = {0};
        put_blob(&item, 1, bytes, cases[i].leaf);
        put_blob(&item, 2, bytes, cases[i].payload);
        put_number(&item, 3, cases[i].held);
        put_number(&item, 4, cases[i].level);
        put_blob(&item, 5, bytes, cases[i].hash);
        struct buf batch = batch_with_item(&item);
        expect_no_decode(4, &batch, cases[i].code, cases[i].id);
    }
}

static void test_decode_limits(void **state)
{
    (void)state;
    static const uint8_t bytes[NOTE_BYTES_MAX + 1];
    struct buf b = {0};
    for (unsigned i = 0; i <= CRANGE_PARTS_MAX; i++)
        put_blob(&b, 6, bytes, 32);
    expect_no_decode(4, &b, ERR_LIMIT, "wire.batch-right");
    put_blob(&b, 6, bytes, 20);
    expect_no_decode(4, &b, ERR_INVALID, "wire.hash");
    put_blob(&b, 7, bytes, sizeof bytes);
    expect_no_decode(4, &b, ERR_LIMIT, "wire.batch-checkpoint");
    uint8_t *huge = xcalloc(1, GRANT_BYTES_MAX + 1);
    put_blob(&b, 10, huge, GRANT_BYTES_MAX + 1);
    expect_no_decode(4, &b, ERR_LIMIT, "wire.size");
    free(huge);

    put_number(&b, 1, 1); /* pull without a root */
    expect_no_decode(3, &b, ERR_INVALID, "wire.hash");
    put_blob(&b, 3, bytes, 64);
    expect_no_decode(3, &b, ERR_INVALID, "wire.hash");

    put_number(&b, 1, 200);
    expect_no_decode(5, &b, ERR_INVALID, "wire.error-code");
    put_number(&b, 1, 400);
    put_blob(&b, 2, "\xc0\x80", 2);
    expect_no_decode(5, &b, ERR_INVALID, "wire.text");

    put_number(&b, 1, 2);
    put_number(&b, 2, 1);
    expect_no_decode(1, &b, ERR_INVALID, "wire.hello-versions");
    put_number(&b, 1, 1);
    put_number(&b, 2, 1);
    for (unsigned i = 0; i <= WIRE_SUITES_MAX; i++)
        put_blob(&b, 3, "s", 1);
    expect_no_decode(1, &b, ERR_LIMIT, "wire.hello-suites");
}

static void test_recovered(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct buf out = {0};
    const struct wire_recovered_entry rows[] = {
        {.leaf = bytes_of("first", 5), .payload = bytes_of("content", 7), .payload_held = true},
        {.leaf = bytes_of("second", 6)},
    };
    struct wire_msg m = {.type = WIRE_RECOVERED};
    m.u.recovered = (struct wire_recovered){
        .entries = rows, .entry_count = 2, .checkpoint = bytes_of("a checkpoint", 12), .more = true};
    encoded(&m, &out);
    struct wire_recovered got = decoded(buf_bytes(&out), &arena).u.recovered;
    assert_int_equal(got.entry_count, 2);
    assert_true(got.more && !got.unavailable && bytes_equal(got.checkpoint, m.u.recovered.checkpoint));
    assert_true(bytes_equal(got.entries[0].leaf, rows[0].leaf) && bytes_equal(got.entries[0].payload, rows[0].payload));
    assert_true(got.entries[0].payload_held && !got.entries[1].payload_held);

    m.u.recovered = (struct wire_recovered){.checkpoint = bytes_of("a checkpoint", 12), .unavailable = true};
    buf_reset(&out);
    encoded(&m, &out);
    got = decoded(buf_bytes(&out), &arena).u.recovered;
    assert_true(got.entry_count == 0 && got.unavailable && !got.more && got.checkpoint.size == 12);
    buf_close(&out);
    arena_close(&arena);
}

static void test_case_pull(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct buf out = {0};
    struct wire_msg m = {.type = WIRE_CASE_PULL};
    m.u.case_pull =
        (struct wire_case_pull){.case_id = {1, 2}, .after_node = 440000, .after_index = 1u << 20, .max_bytes = 7};
    encoded(&m, &out);
    struct wire_case_pull got = decoded(buf_bytes(&out), &arena).u.case_pull;
    assert_memory_equal(got.case_id, m.u.case_pull.case_id, 16);
    assert_true(got.after_node == 440000 && got.after_index == 1u << 20 && got.max_bytes == 7 && !got.has_naming);
    m.u.case_pull.has_naming = true;
    m.u.case_pull.naming = hash_of(9);
    buf_reset(&out);
    encoded(&m, &out);
    got = decoded(buf_bytes(&out), &arena).u.case_pull;
    assert_true(got.has_naming && merkle_hash_equal(&got.naming, &m.u.case_pull.naming));
    buf_close(&out);
    arena_close(&arena);

    struct buf short_id = {0};
    put_blob(&short_id, 1, "123456789012345", 15);
    expect_no_decode(16, &short_id, ERR_INVALID, "wire.size");
}

static void test_case_entries(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct buf out = {0};
    struct err e = {0};
    struct merkle_hash proof[MERKLE_PROOF_HASHES_MAX + 1] = {hash_of(1), hash_of(2)};
    struct bytes notes[] = {bytes_of_string("note 1"), bytes_of_string("note 2")};
    struct wire_proven_entry entries[] = {{.leaf = bytes_of_string("leaf"),
                                           .payload = bytes_of_string("p"),
                                           .payload_held = true,
                                           .checkpoint = 1,
                                           .proof = proof,
                                           .proof_count = 2},
                                          {.leaf = bytes_of_string("x"), .checkpoint = 0, .proof = proof}};
    struct wire_msg m = {.type = WIRE_CASE_ENTRIES};
    m.u.case_entries = (struct wire_case_entries){.entries = entries,
                                                  .entry_count = 2,
                                                  .checkpoints = notes,
                                                  .checkpoint_count = 2,
                                                  .grants = bytes_of_string("g"),
                                                  .more = true,
                                                  .knows = true};
    encoded(&m, &out);
    struct wire_case_entries got = decoded(buf_bytes(&out), &arena).u.case_entries;
    assert_true(got.entry_count == 2 && got.checkpoint_count == 2 && got.more && got.knows);
    assert_true(bytes_equal(got.entries[0].leaf, entries[0].leaf) &&
                bytes_equal(got.entries[0].payload, entries[0].payload));
    assert_true(got.entries[0].checkpoint == 1 && got.entries[0].proof_count == 2 && got.entries[0].payload_held);
    assert_memory_equal(got.entries[0].proof, proof, 2 * sizeof *proof);
    assert_true(!got.entries[1].payload_held && got.entries[1].proof_count == 0);
    assert_true(bytes_equal(got.checkpoints[1], notes[1]) && bytes_equal(got.grants, bytes_of_string("g")));

    entries[0].proof_count = MERKLE_PROOF_HASHES_MAX + 1;
    assert_int_equal(wire_encode(&m, &out, &e), ERR_LIMIT);
    entries[0].proof_count = 2;
    entries[0].checkpoint = 2; /* there are two */
    assert_int_equal(wire_encode(&m, &out, &e), ERR_INVALID);
    assert_string_equal(e.id, "wire.checkpoint");
    entries[0].checkpoint = 0;
    entries[0].payload_held = false;
    assert_int_equal(wire_encode(&m, &out, &e), ERR_INVALID);
    entries[0].payload_held = true;
    entries[0].leaf.size = 0;
    assert_true(wire_encode(&m, &out, &e) != 0);
    entries[0].leaf.size = 4;
    m.u.case_entries.entry_count = WIRE_CASE_ENTRIES_MAX + 1;
    assert_int_equal(wire_encode(&m, &out, &e), ERR_LIMIT);
    buf_close(&out);
    arena_close(&arena);
}

static void test_decode_unknown(void **state)
{
    (void)state;
    for (unsigned field = 26; field <= 30; field++) {
        struct buf b = {0};
        put_number(&b, 1, 1);
        expect_no_decode(field, &b, ERR_UNSUPPORTED, "wire.unknown-body");
    }
    struct wire_msg m;
    struct err e = {0};
    struct arena arena = ARENA_INIT;
    assert_int_equal(wire_decode(bytes_of(NULL, 0), &arena, &m, &e), ERR_UNSUPPORTED);

    /* An unknown field beside a known body is what a newer node may send: ignored. */
    struct buf out = {0};
    encoded(&hint, &out);
    put_blob(&out, 99, "new", 3);
    assert_int_equal(decoded(buf_bytes(&out), &arena).type, WIRE_HINT);
    buf_close(&out);
    arena_close(&arena);
}

/* ---- reconciliation ---- */

static struct buf records(size_t size, const uint8_t *first_bytes, size_t count)
{
    struct buf b = {0};
    for (size_t i = 0; i < count; i++) {
        uint8_t record[WIRE_ROW_BYTES] = {first_bytes[i]};
        buf_put(&b, record, size);
    }
    return b;
}

static void test_reconcile_round_trip(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct buf ranges = records(WIRE_RANGE_BYTES, (const uint8_t[]){5, 9}, 2);
    struct buf rows = records(WIRE_ROW_BYTES, (const uint8_t[]){6, 7, 8}, 3), out = {0};
    struct wire_msg m = {.type = WIRE_RECONCILE};
    m.u.reconcile = (struct wire_reconcile){.after = {1}, .ranges = buf_bytes(&ranges)};
    encoded(&m, &out);
    struct wire_msg got = decoded(buf_bytes(&out), &arena);
    assert_int_equal(got.type, WIRE_RECONCILE);
    assert_int_equal(got.u.reconcile.after[0], 1);
    assert_true(bytes_equal(got.u.reconcile.ranges, buf_bytes(&ranges)));

    buf_reset(&out);
    m = (struct wire_msg){.type = WIRE_RECONCILED};
    m.u.reconciled = (struct wire_reconciled){
        .up_to = {9}, .differing = bytes_of((const uint8_t[]){0, 63}, 2), .rows = buf_bytes(&rows)};
    encoded(&m, &out);
    got = decoded(buf_bytes(&out), &arena);
    assert_int_equal(got.u.reconciled.up_to[0], 9);
    assert_true(bytes_equal(got.u.reconciled.differing, m.u.reconciled.differing));
    assert_true(bytes_equal(got.u.reconciled.rows, buf_bytes(&rows)));

    buf_reset(&out);
    struct buf entries = records(WIRE_HELD_BYTES, (const uint8_t[]){1, 2}, 2);
    const struct wire_case_held held[] = {
        {.case_id = {3}, .digest = {4}, .flags = 5, .pending = 6, .entries = buf_bytes(&entries)}, {.case_id = {7}}};
    m = (struct wire_msg){.type = WIRE_CASES_HELD};
    m.u.cases_held = (struct wire_cases_held){.covered = 2, .cases = held, .case_count = 2};
    encoded(&m, &out);
    got = decoded(buf_bytes(&out), &arena);
    assert_int_equal(got.u.cases_held.covered, 2);
    assert_int_equal(got.u.cases_held.case_count, 2);
    assert_int_equal(got.u.cases_held.cases[0].case_id[0], 3);
    assert_int_equal(got.u.cases_held.cases[0].digest[0], 4);
    assert_int_equal(got.u.cases_held.cases[0].flags, 5);
    assert_int_equal(got.u.cases_held.cases[0].pending, 6);
    assert_true(bytes_equal(got.u.cases_held.cases[0].entries, buf_bytes(&entries)));
    assert_int_equal(got.u.cases_held.cases[1].entries.size, 0);

    buf_reset(&out);
    static const uint8_t ids[2][16] = {{1}, {2}};
    m = (struct wire_msg){.type = WIRE_CASES_PULL};
    m.u.cases_pull = (struct wire_key_pull){.cases = ids, .case_count = 2};
    encoded(&m, &out);
    got = decoded(buf_bytes(&out), &arena);
    assert_int_equal(got.u.cases_pull.case_count, 2);
    assert_memory_equal(got.u.cases_pull.cases, ids, sizeof ids);
    buf_close(&entries);
    buf_close(&ranges);
    buf_close(&rows);
    buf_close(&out);
    arena_close(&arena);
}

/* Unsorted, oversize, cut and empty: refused in both directions, before anybody looks at a record. */
static void test_reconcile_refusals(void **state)
{
    (void)state;
    static const uint8_t down[] = {9, 5}, same[] = {5, 5};
    static uint8_t up[WIRE_RANGES_MAX + 1];
    for (size_t i = 0; i < sizeof up; i++)
        up[i] = (uint8_t)(i + 1);
    const struct {
        struct buf ranges;
        uint8_t after;
        const char *id;
    } asked[] = {
        {records(WIRE_RANGE_BYTES, down, 2), 0, "wire.order"},
        {records(WIRE_RANGE_BYTES, same, 2), 0, "wire.order"},
        {records(WIRE_RANGE_BYTES, up, 1), 1, "wire.order"}, /* not behind `after` */
        {records(WIRE_RANGE_BYTES, up, WIRE_RANGES_MAX + 1), 0, "wire.size"},
        {records(WIRE_RANGE_BYTES, up, 0), 0, "wire.size"},
        {records(WIRE_RANGE_BYTES - 1, up, 1), 0, "wire.records"},
    };
    for (size_t i = 0; i < array_count(asked); i++) {
        struct wire_msg m = {.type = WIRE_RECONCILE};
        struct buf out = {0}, ranges = asked[i].ranges, inner = {0};
        struct err e = {0};
        uint8_t after[16] = {asked[i].after};
        m.u.reconcile.ranges = buf_bytes(&ranges);
        memcpy(m.u.reconcile.after, after, sizeof after);
        assert_true(wire_encode(&m, &out, &e) != 0);
        assert_string_equal(e.id, asked[i].id);
        int code = e.code;
        put_blob(&inner, 1, after, sizeof after);
        put_blob(&inner, 2, ranges.data, ranges.size);
        expect_no_decode(WIRE_RECONCILE, &inner, code, asked[i].id);
        buf_close(&ranges);
        buf_close(&out);
    }
    const struct {
        uint8_t differing[2];
        size_t differing_count;
        struct buf rows;
        const char *id;
    } answered[] = {
        {{5, 4}, 2, {0}, "wire.order"},
        {{5, 5}, 2, {0}, "wire.order"},
        {{64}, 1, {0}, "wire.order"},
        {{0}, 1, records(WIRE_ROW_BYTES, down, 2), "wire.order"},
        {{0}, 1, records(WIRE_ROW_BYTES - 1, up, 1), "wire.records"},
    };
    for (size_t i = 0; i < array_count(answered); i++) {
        struct buf inner = {0}, rows = answered[i].rows;
        uint8_t up_to[16] = {200};
        put_blob(&inner, 1, up_to, sizeof up_to);
        put_blob(&inner, 2, answered[i].differing, answered[i].differing_count);
        put_blob(&inner, 3, rows.data, rows.size);
        expect_no_decode(WIRE_RECONCILED, &inner, ERR_INVALID, answered[i].id);
        buf_close(&rows);
    }
}

static void test_reconcile_sizes(void **state)
{
    (void)state;
    struct buf inner = {0}, big = {0};
    uint8_t id[16] = {0};
    for (uint32_t i = 0; i <= WIRE_ROWS_MAX; i++) {
        uint8_t record[WIRE_ROW_BYTES];
        memset(record, 0, sizeof record);
        put_be32(record, i + 1);
        buf_put(&big, record, sizeof record);
    }
    put_blob(&inner, 1, id, sizeof id);
    put_blob(&inner, 3, big.data, big.size);
    expect_no_decode(WIRE_RECONCILED, &inner, ERR_LIMIT, "wire.size");
    inner = (struct buf){0};
    put_blob(&inner, 1, id, 15);
    expect_no_decode(WIRE_RECONCILED, &inner, ERR_INVALID, "wire.size");
    inner = (struct buf){0};
    put_number(&inner, 1, 0); /* about nothing: would be asked for ever */
    expect_no_decode(WIRE_CASES_HELD, &inner, ERR_INVALID, "wire.size");
    buf_close(&big);
}

/* Inflation: the most structs for the fewest bytes, and a body repeated so that protobuf merges it again and again.
 * Must end as a limit, and soon. */
static void test_decode_inflation(void **state)
{
    (void)state;
    uint64_t before = clock_mono_ms();
    struct buf empty_items = {0};
    while (empty_items.size + 16 < WIRE_MESSAGE_BYTES_MAX)
        buf_put(&empty_items, "\x2a\x00", 2); /* field 5, length 0 */
    expect_no_decode(4, &empty_items, ERR_LIMIT, "wire.memory");

    struct buf few = {0};
    for (unsigned i = 0; i <= WIRE_BATCH_ITEMS_MAX; i++)
        buf_put(&few, "\x2a\x02\x0a\x00", 4);
    expect_no_decode(4, &few, ERR_LIMIT, "wire.memory");

    static const uint8_t hash[32];
    struct buf many = {0};
    for (unsigned i = 0; i <= WIRE_BATCH_ITEMS_MAX; i++) {
        struct buf item = {0};
        put_blob(&item, 5, hash, sizeof hash);
        put_blob(&many, 5, item.data, item.size);
        buf_close(&item);
    }
    expect_no_decode(4, &many, ERR_LIMIT, "wire.batch-items");

    struct buf merged = {0};
    while (merged.size + 16 < WIRE_MESSAGE_BYTES_MAX)
        buf_put(&merged, "\x22\x04\x2a\x02\x0a\x00", 6); /* body 4 with one item */
    struct arena arena = ARENA_INIT;
    struct wire_msg m;
    struct err e = {0};
    assert_int_equal(wire_decode(buf_bytes(&merged), &arena, &m, &e), ERR_LIMIT);
    assert_string_equal(e.id, "wire.memory");
    buf_close(&merged);

    struct buf large = {0};
    uint8_t *zeros = arena_alloc(&arena, WIRE_MESSAGE_BYTES_MAX + 1);
    buf_put(&large, zeros, WIRE_MESSAGE_BYTES_MAX + 1);
    assert_int_equal(wire_decode(buf_bytes(&large), &arena, &m, &e), ERR_LIMIT);
    assert_string_equal(e.id, "wire.too-large");
    buf_close(&large);
    arena_close(&arena);
    assert_true(clock_mono_ms() - before < 5000);
}

/* Every prefix and every flipped bit: an error or another valid message, never a read outside (sanitizers watch). */
static void test_decode_damaged(void **state)
{
    (void)state;
    struct arena made = ARENA_INIT;
    struct wire_msg batch = batch_of(6, 9, 5, &made);
    const struct wire_msg *all[] = {&hello, &hint, &failure, &batch};
    for (size_t k = 0; k < array_count(all); k++) {
        struct buf out = {0};
        encoded(all[k], &out);
        for (size_t size = 0; size < out.size; size++) {
            struct arena arena = ARENA_INIT;
            uint8_t *exact = size == 0 ? NULL : xmemdup(out.data, size); /* so that a read past the end is caught */
            struct wire_msg m;
            struct err e = {0};
            assert_int_not_equal(wire_decode(bytes_of(exact, size), &arena, &m, &e), 0);
            free(exact);
            arena_close(&arena);
        }
        for (size_t bit = 0; bit < out.size * 8; bit++) {
            struct arena arena = ARENA_INIT;
            struct wire_msg m;
            struct err e = {0};
            struct buf again = {0};
            out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (wire_decode(buf_bytes(&out), &arena, &m, &e) == 0)
                encoded(&m, &again); /* what was taken can be sent */
            out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            buf_close(&again);
            arena_close(&arena);
        }
        buf_close(&out);
    }
    arena_close(&made);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(wire_type_name(WIRE_HELLO), "hello");
    assert_string_equal(wire_type_name(WIRE_OK), "ok");
    assert_string_equal(wire_type_name((enum wire_type)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_small_messages),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_batch_held_by_default),
        cmocka_unit_test(test_encode_limits),
        cmocka_unit_test(test_encode_odd_numbers),
        cmocka_unit_test(test_decode_bad_items),
        cmocka_unit_test(test_decode_limits),
        cmocka_unit_test(test_recovered),
        cmocka_unit_test(test_case_pull),
        cmocka_unit_test(test_case_entries),
        cmocka_unit_test(test_reconcile_round_trip),
        cmocka_unit_test(test_reconcile_refusals),
        cmocka_unit_test(test_reconcile_sizes),
        cmocka_unit_test(test_decode_unknown),
        cmocka_unit_test(test_decode_inflation),
        cmocka_unit_test(test_decode_damaged),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
