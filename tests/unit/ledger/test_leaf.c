/* Leaves: the documented offsets, random round trips, every cut and every changed byte, each limit and order rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/leaf.h"
#include "node/base/prng.h"

static uint8_t content[LEAF_ATTR_BYTES_MAX + LEAF_SIGNATURE_BYTES_MAX]; /* what random spans point into */

static struct leaf minimal(void)
{
    return (struct leaf){.kind = LEAF_KIND_EVENT, .suite = LEAF_SUITE_SHA256_ED25519_AES256GCM};
}

static struct leaf random_leaf(struct prng *prng)
{
    struct leaf l = minimal();
    l.kind = (uint8_t)(1 + prng_below(prng, 6));
    l.origin = (uint32_t)prng_next(prng);
    l.index = prng_next(prng) >> 2;
    l.hlc = prng_next(prng);
    prng_fill(prng, l.case_id, sizeof l.case_id);
    l.event_type = (uint16_t)prng_next(prng);
    l.role = (uint16_t)prng_next(prng);
    l.service = (uint32_t)prng_next(prng);
    l.rules_version = (uint16_t)prng_next(prng);
    l.parent_count = (uint8_t)prng_below(prng, LEAF_PARENTS_MAX + 1);
    for (unsigned i = 0; i < l.parent_count; i++) {
        l.parents[i] = (struct leaf_parent){.node = i / 2, .index = i * 1000 + prng_below(prng, 1000)};
        prng_fill(prng, l.parents[i].hash.b, 32);
    }
    l.recipient_count = (uint8_t)prng_below(prng, LEAF_RECIPIENTS_MAX + 1);
    for (unsigned i = 0; i < l.recipient_count; i++)
        l.recipients[i] = (struct leaf_recipient){.node = i * 7, .seq = prng_next(prng)};
    prng_fill(prng, l.salt, sizeof l.salt);
    l.key_epoch = (uint32_t)prng_next(prng);
    prng_fill(prng, l.key_commit.b, 32);
    l.ct_len = (uint32_t)prng_below(prng, PAYLOAD_BYTES_MAX + 1);
    prng_fill(prng, l.ct_hash.b, 32);
    l.attr_count = (uint16_t)prng_below(prng, 5);
    for (unsigned i = 0; i < l.attr_count; i++)
        l.attrs[i] = (struct leaf_attr){.tag = (uint16_t)(i * 3), .value = bytes_of(content, prng_below(prng, 40))};
    l.signature = bytes_of(content, prng_below(prng, 2) * 64);
    return l;
}

static void assert_same_leaf(const struct leaf *a, const struct leaf *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->origin, b->origin);
    assert_int_equal(a->index, b->index);
    assert_int_equal(a->hlc, b->hlc);
    assert_memory_equal(a->case_id, b->case_id, sizeof a->case_id);
    assert_int_equal(a->event_type, b->event_type);
    assert_int_equal(a->role, b->role);
    assert_int_equal(a->service, b->service);
    assert_int_equal(a->rules_version, b->rules_version);
    assert_int_equal(a->parent_count, b->parent_count);
    for (unsigned i = 0; i < a->parent_count; i++) {
        assert_int_equal(a->parents[i].node, b->parents[i].node);
        assert_int_equal(a->parents[i].index, b->parents[i].index);
        assert_memory_equal(a->parents[i].hash.b, b->parents[i].hash.b, 32);
    }
    assert_int_equal(a->recipient_count, b->recipient_count);
    for (unsigned i = 0; i < a->recipient_count; i++) {
        assert_int_equal(a->recipients[i].node, b->recipients[i].node);
        assert_int_equal(a->recipients[i].seq, b->recipients[i].seq);
    }
    assert_memory_equal(a->salt, b->salt, sizeof a->salt);
    assert_int_equal(a->key_epoch, b->key_epoch);
    assert_memory_equal(a->key_commit.b, b->key_commit.b, 32);
    assert_int_equal(a->ct_len, b->ct_len);
    assert_memory_equal(a->ct_hash.b, b->ct_hash.b, 32);
    assert_int_equal(a->attr_count, b->attr_count);
    for (unsigned i = 0; i < a->attr_count; i++) {
        assert_int_equal(a->attrs[i].tag, b->attrs[i].tag);
        assert_true(bytes_equal(a->attrs[i].value, b->attrs[i].value));
    }
    assert_true(bytes_equal(a->signature, b->signature));
}

/* A leaf in which every byte tells where it belongs. */
static struct leaf layout_leaf(void)
{
    struct leaf l = {
        .kind = LEAF_KIND_EVENT,
        .suite = 1,
        .origin = 0x01020304,
        .index = 0x1112131415161718,
        .hlc = 0x2122232425262728,
        .case_id = "case-id-16-bytes",
        .event_type = 0x3132,
        .role = 0x4142,
        .service = 0x51525354,
        .rules_version = 0x6162,
        .parent_count = 1,
        .recipient_count = 1,
        .key_epoch = 0x71727374,
        .ct_len = 0x00010203,
        .attr_count = 1,
    };
    l.parents[0] = (struct leaf_parent){.node = 0x81828384, .index = 0x9192939495969798};
    memset(l.parents[0].hash.b, 0xaa, 32);
    l.recipients[0] = (struct leaf_recipient){.node = 0xb1b2b3b4, .seq = 0xc1c2c3c4c5c6c7c8};
    memset(l.salt, 0xdd, 32);
    memset(l.key_commit.b, 0xee, 32);
    memset(l.ct_hash.b, 0xff, 32);
    l.attrs[0] = (struct leaf_attr){.tag = 0x0708, .value = bytes_of("xyz", 3)};
    l.signature = bytes_of("SIG", 3);
    return l;
}

static void test_layout(void **state)
{
    (void)state;
    struct leaf l = layout_leaf();
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(leaf_encode(&l, &out, NULL), 0);
    static const char expected[] = "58504c4541460001"
                                   "01"
                                   "01"
                                   "01020304"
                                   "1112131415161718"
                                   "2122232425262728"
                                   "636173652d69642d31362d6279746573"
                                   "3132"
                                   "4142"
                                   "51525354"
                                   "6162"
                                   "01"
                                   "81828384"
                                   "9192939495969798"
                                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                   "01"
                                   "b1b2b3b4"
                                   "c1c2c3c4c5c6c7c8"
                                   "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
                                   "71727374"
                                   "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
                                   "00010203"
                                   "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
                                   "0001"
                                   "0708"
                                   "0003"
                                   "78797a"
                                   "0003"
                                   "534947";
    char hex[1024];
    assert_true(2 * out.size < sizeof hex);
    hex_encode(out.data, out.size, hex);
    assert_string_equal(hex, expected);
    buf_close(&out);
}

/* Bytes authenticated with the payload: up to ct_hash. Bytes the organ signs: up to the signature's length. */
static void test_parts(void **state)
{
    (void)state;
    struct leaf l = layout_leaf();
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(leaf_encode(&l, &out, NULL), 0);
    size_t aad = leaf_aad_size(&l);
    assert_int_equal(out.data[aad - 1], 0x03);
    assert_int_equal(out.data[aad], 0xff);
    struct leaf again;
    struct buf unsigned_out;
    buf_init(&unsigned_out, 0);
    assert_int_equal(leaf_decode(buf_bytes(&out), &again, NULL), 0);
    assert_int_equal(leaf_encode_unsigned(&l, &unsigned_out, NULL), 0);
    assert_true(bytes_equal(again.signed_bytes, buf_bytes(&unsigned_out)));
    assert_int_equal(again.signed_bytes.size, out.size - 5);
    buf_close(&unsigned_out);
    buf_close(&out);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 11);
    prng_fill(&prng, content, sizeof content);
    for (int round = 0; round < 3000; round++) {
        struct leaf l = random_leaf(&prng), again;
        struct buf out, out2;
        struct err e;
        buf_init(&out, 0);
        buf_init(&out2, 0);
        buf_put_string(&out, "before"); /* encoding appends */
        if (leaf_encode(&l, &out, &e) < 0 || leaf_decode(bytes_of(out.data + 6, out.size - 6), &again, &e) < 0)
            fail_msg("round %d: %s", round, e.message);
        assert_same_leaf(&l, &again);
        assert_int_equal(leaf_encode(&again, &out2, NULL), 0);
        assert_true(bytes_equal(bytes_of(out.data + 6, out.size - 6), buf_bytes(&out2)));
        buf_close(&out);
        buf_close(&out2);
    }
}

/* A changed leaf is refused or is another leaf; never the same struct, never one that encodes differently. */
static void test_mutations(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 12);
    for (int round = 0; round < 30; round++) {
        struct leaf l = random_leaf(&prng), again;
        struct buf out, out2;
        buf_init(&out, 0);
        buf_init(&out2, 0);
        assert_int_equal(leaf_encode(&l, &out, NULL), 0);
        for (size_t size = 0; size < out.size; size++) {
            memset(&again, 0x5a, sizeof again);
            assert_true(leaf_decode(bytes_of(out.data, size), &again, NULL) < 0);
            assert_int_equal(again.kind, 0x5a); /* untouched */
        }
        for (size_t i = 0; i < out.size; i++) {
            uint8_t flip = (uint8_t)(1u << prng_below(&prng, 8));
            out.data[i] ^= flip;
            if (leaf_decode(buf_bytes(&out), &again, NULL) == 0) {
                buf_reset(&out2);
                assert_int_equal(leaf_encode(&again, &out2, NULL), 0);
                assert_true(bytes_equal(buf_bytes(&out), buf_bytes(&out2)));
            }
            out.data[i] ^= flip;
        }
        buf_put_u8(&out, 0);
        assert_int_equal(leaf_decode(buf_bytes(&out), &again, NULL), ERR_INVALID);
        buf_close(&out);
        buf_close(&out2);
    }
}

static void break_kind(struct leaf *l)
{
    l->kind = 7;
}
static void break_kind_zero(struct leaf *l)
{
    l->kind = 0;
}
static void break_suite(struct leaf *l)
{
    l->suite = 2;
}
static void break_index(struct leaf *l)
{
    l->index = MERKLE_SIZE_MAX;
}
static void break_ct_len(struct leaf *l)
{
    l->ct_len = PAYLOAD_BYTES_MAX + 1;
}
static void break_parent_count(struct leaf *l)
{
    l->parent_count = LEAF_PARENTS_MAX + 1;
}
static void break_recipient_count(struct leaf *l)
{
    l->recipient_count = LEAF_RECIPIENTS_MAX + 1;
}
static void break_attr_count(struct leaf *l)
{
    l->attr_count = LEAF_ATTRS_MAX + 1;
}
static void break_parent_order(struct leaf *l)
{
    l->parent_count = 2;
    l->parents[0] = (struct leaf_parent){.node = 2, .index = 1};
    l->parents[1] = (struct leaf_parent){.node = 1, .index = 9};
}
static void break_parent_twice(struct leaf *l)
{
    l->parent_count = 2;
    l->parents[0] = (struct leaf_parent){.node = 2, .index = 1};
    l->parents[1] = (struct leaf_parent){.node = 2, .index = 1};
}
static void break_recipient_order(struct leaf *l)
{
    l->recipient_count = 2;
    l->recipients[0].node = 5;
    l->recipients[1].node = LEAF_NODE_ALL;
}
static void break_recipient_twice(struct leaf *l)
{
    l->recipient_count = 2;
    l->recipients[0].node = l->recipients[1].node = 5;
}
static void break_attr_order(struct leaf *l)
{
    l->attr_count = 2;
    l->attrs[0].tag = l->attrs[1].tag = 9;
}
static void break_attr_size(struct leaf *l)
{
    l->attr_count = 1;
    l->attrs[0].value = bytes_of(content, LEAF_ATTR_BYTES_MAX + 1);
}
static void break_signature(struct leaf *l)
{
    l->signature = bytes_of(content, LEAF_SIGNATURE_BYTES_MAX + 1);
}
static void break_total(struct leaf *l)
{
    l->attr_count = 16; /* 16 x 4100 > 65535 */
    for (uint16_t i = 0; i < 16; i++)
        l->attrs[i] = (struct leaf_attr){.tag = i, .value = bytes_of(content, LEAF_ATTR_BYTES_MAX)};
}

static const struct {
    void (*change)(struct leaf *l);
    int code;
    const char *id;
} broken[] = {
    {break_kind, ERR_UNSUPPORTED, "leaf.kind"},
    {break_kind_zero, ERR_UNSUPPORTED, "leaf.kind"},
    {break_suite, ERR_UNSUPPORTED, "leaf.suite"},
    {break_index, ERR_INVALID, "leaf.index"},
    {break_ct_len, ERR_LIMIT, "leaf.ct-len"},
    {break_parent_count, ERR_LIMIT, "leaf.parents"},
    {break_recipient_count, ERR_LIMIT, "leaf.recipients"},
    {break_attr_count, ERR_LIMIT, "leaf.attrs"},
    {break_parent_order, ERR_INVALID, "leaf.parent-order"},
    {break_parent_twice, ERR_INVALID, "leaf.parent-order"},
    {break_recipient_order, ERR_INVALID, "leaf.recipient-order"},
    {break_recipient_twice, ERR_INVALID, "leaf.recipient-order"},
    {break_attr_order, ERR_INVALID, "leaf.attr-order"},
    {break_attr_size, ERR_LIMIT, "leaf.attr-size"},
    {break_signature, ERR_LIMIT, "leaf.signature"},
    {break_total, ERR_LIMIT, "leaf.size"},
};

static void test_encode_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct leaf l = minimal();
        struct buf out;
        struct err e;
        buf_init(&out, 0);
        broken[i].change(&l);
        assert_int_equal(leaf_encode(&l, &out, &e), broken[i].code);
        assert_string_equal(e.id, broken[i].id);
        assert_int_equal(out.size, 0);
        buf_close(&out);
    }
}

/* The decoder's own checks, on bytes the encoder would never write. */
static void test_decode_refused(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        uint8_t value;
        const char *id;
    } rows[] = {
        {0, 'Y', "leaf.magic"},     {7, 2, "leaf.magic"},     {8, 0, "leaf.kind"},     {8, 7, "leaf.kind"},
        {9, 0, "leaf.suite"},       {14, 0x40, "leaf.index"}, {56, 9, "leaf.parents"}, {57, 17, "leaf.recipients"},
        {126, 0xff, "leaf.ct-len"}, {162, 1, "leaf.attrs"},   {163, 65, "leaf.attrs"}, {165, 1, "leaf.short"},
    };
    struct leaf l = minimal(), again;
    struct buf out;
    struct err e;
    buf_init(&out, 0);
    assert_int_equal(leaf_encode(&l, &out, NULL), 0);
    assert_int_equal(out.size, 166);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t before = out.data[rows[i].offset];
        out.data[rows[i].offset] = rows[i].value;
        e.id[0] = '\0';
        assert_true(leaf_decode(buf_bytes(&out), &again, &e) < 0);
        assert_string_equal(e.id, rows[i].id);
        out.data[rows[i].offset] = before;
    }
    buf_put_u8(&out, 0);
    assert_int_equal(leaf_decode(buf_bytes(&out), &again, &e), ERR_INVALID);
    assert_string_equal(e.id, "leaf.trailing");
    buf_close(&out);
    uint8_t *large = calloc(1, LEAF_BYTES_MAX + 1);
    assert_non_null(large);
    assert_int_equal(leaf_decode(bytes_of(large, LEAF_BYTES_MAX + 1), &again, &e), ERR_LIMIT);
    assert_int_equal(leaf_decode(bytes_of(NULL, 0), &again, &e), ERR_UNSUPPORTED);
    free(large);
}

/* Sizes that fit the bytes but not the limits. */
static void test_decode_large_parts(void **state)
{
    (void)state;
    struct leaf l = minimal(), again;
    struct buf out;
    struct err e;
    buf_init(&out, 0);
    assert_int_equal(leaf_encode(&l, &out, NULL), 0);
    out.size -= 2; /* the signature's length */
    buf_put_u16(&out, LEAF_SIGNATURE_BYTES_MAX + 1);
    buf_put(&out, content, LEAF_SIGNATURE_BYTES_MAX + 1);
    assert_int_equal(leaf_decode(buf_bytes(&out), &again, &e), ERR_LIMIT);
    assert_string_equal(e.id, "leaf.signature");

    out.size = 162; /* up to the attribute count */
    buf_put_u16(&out, 1);
    buf_put_u16(&out, 7);
    buf_put_u16(&out, LEAF_ATTR_BYTES_MAX + 1);
    buf_put(&out, content, LEAF_ATTR_BYTES_MAX + 1);
    buf_put_u16(&out, 0);
    assert_int_equal(leaf_decode(buf_bytes(&out), &again, &e), ERR_LIMIT);
    assert_string_equal(e.id, "leaf.attr-size");
    buf_close(&out);
}

static void test_full_buffer(void **state)
{
    (void)state;
    struct leaf l = minimal();
    struct err e;
    for (size_t room = 0; room < 166; room++) {
        struct buf out;
        buf_init(&out, room + 1);
        buf_put_u8(&out, 'x');
        assert_int_equal(leaf_encode(&l, &out, &e), ERR_LIMIT);
        assert_string_equal(e.id, "leaf.buffer");
        assert_int_equal(out.size, 1);
        buf_close(&out);
    }
}

static void test_hash_and_names(void **state)
{
    (void)state;
    struct merkle_hash a, b;
    leaf_hash(bytes_of("abc", 3), &a);
    merkle_leaf_hash(bytes_of("abc", 3), &b);
    assert_memory_equal(a.b, b.b, 32);
    assert_string_equal(leaf_kind_name(LEAF_KIND_HEADS), "heads");
    assert_null(leaf_kind_name(0));
    assert_null(leaf_kind_name(255));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_encode_refused),
        cmocka_unit_test(test_decode_refused),
        cmocka_unit_test(test_decode_large_parts),
        cmocka_unit_test(test_full_buffer),
        cmocka_unit_test(test_hash_and_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
