/* Sealed payloads: the limits, what a leaf is bound to, and that a leaf commits to one key. Vectors: tests/vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/payload.h"
#include "node/base/prng.h"

static const struct payload_key key = {.epoch = 1, .key = {1, 2, 3}};
static uint8_t big[PAYLOAD_PLAIN_BYTES_MAX];

static struct leaf make_leaf(uint64_t index)
{
    return (struct leaf){.kind = LEAF_KIND_EVENT,
                         .suite = LEAF_SUITE_SHA256_ED25519_AES256GCM,
                         .origin = 110000,
                         .index = index,
                         .case_id = {9},
                         .event_type = 3,
                         .salt = {4, 5, 6}};
}

/* A sealed entry, as it is stored. */
struct entry {
    struct leaf leaf; /* decoded */
    struct buf encoded, sealed;
};

static void seal(uint64_t index, struct bytes plain, struct entry *ret)
{
    struct leaf leaf = make_leaf(index);
    *ret = (struct entry){0};
    payload_seal(&leaf, &key, plain, &ret->sealed);
    assert_int_equal(leaf_encode(&leaf, &ret->encoded, NULL), 0);
    assert_int_equal(leaf_decode(buf_bytes(&ret->encoded), &ret->leaf, NULL), 0);
}

static void close_entry(struct entry *e)
{
    buf_close(&e->encoded);
    buf_close(&e->sealed);
}

static int open_entry(const struct entry *e, const struct payload_key *with, struct buf *out, struct err *err)
{
    return payload_open(&e->leaf, buf_bytes(&e->encoded), with, buf_bytes(&e->sealed), out, err);
}

static void test_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 15, 16, 17, 32, 1024, PAYLOAD_PLAIN_BYTES_MAX - 1, PAYLOAD_PLAIN_BYTES_MAX};
    struct prng prng;
    prng_init(&prng, 1);
    prng_fill(&prng, big, sizeof big);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct entry e;
        struct buf out = {0};
        seal(i, bytes_of(big, sizes[i]), &e);
        assert_int_equal(e.sealed.size, sizes[i] + PAYLOAD_SEAL_OVERHEAD);
        assert_int_equal(e.leaf.ct_len, e.sealed.size);
        assert_int_equal(e.leaf.key_epoch, 1);
        assert_int_equal(open_entry(&e, &key, &out, NULL), 0);
        assert_true(bytes_equal(buf_bytes(&out), bytes_of(big, sizes[i])));
        buf_close(&out);
        close_entry(&e);
    }
}

/* One text, one case key, other bytes at every place: index, author and salt make the entry's key. */
static void test_keys_differ(void **state)
{
    (void)state;
    struct leaf leaves[] = {make_leaf(7), make_leaf(8), make_leaf(7), make_leaf(7)};
    uint8_t seen[4][4 + PAYLOAD_SEAL_OVERHEAD];
    struct merkle_hash commits[4];
    leaves[2].origin = 310000;
    leaves[3].salt[31] = 1;
    for (size_t i = 0; i < 4; i++) {
        struct buf sealed = {0};
        payload_seal(&leaves[i], &key, bytes_of("text", 4), &sealed);
        assert_int_equal(sealed.size, sizeof seen[i]);
        memcpy(seen[i], sealed.data, sealed.size);
        commits[i] = leaves[i].key_commit;
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(seen[i], seen[k], 4);
        buf_close(&sealed);
    }
    assert_true(merkle_hash_equal(&commits[0], &commits[1])); /* of key and salt alone */
    assert_false(merkle_hash_equal(&commits[0], &commits[3]));
}

static void assert_refused(const struct entry *e, const struct payload_key *with, const char *id)
{
    struct buf out = {0};
    struct err err = {0};
    buf_put_string(&out, "before");
    assert_int_equal(open_entry(e, with, &out, &err), ERR_VERIFY);
    assert_string_equal(err.id, id);
    assert_int_equal(out.size, 6);
    buf_close(&out);
}

/* Every bit of the payload, and every bit of the leaf before the payload's hash, is bound. */
static void test_every_bit(void **state)
{
    (void)state;
    struct entry e;
    seal(7, bytes_of("a text", 6), &e);
    for (size_t bit = 0; bit < e.sealed.size * 8; bit++) {
        e.sealed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refused(&e, &key, "payload.hash");
        struct entry rehashed = e; /* one who can write leaves makes the hash fit */
        crypto_sha256_one(e.sealed.data, e.sealed.size, rehashed.leaf.ct_hash.b);
        assert_refused(&rehashed, &key, "payload.seal");
        e.sealed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t at = 0; at < leaf_aad_size(&e.leaf); at++) {
        e.encoded.data[at] ^= 1;
        assert_refused(&e, &key, "payload.seal");
        e.encoded.data[at] ^= 1;
    }
    struct buf out = {0};
    e.encoded.data[leaf_aad_size(&e.leaf)] ^= 1; /* the first one that is not: the hash, which is compared instead */
    assert_int_equal(open_entry(&e, &key, &out, NULL), 0);
    buf_close(&out);
    close_entry(&e);
}

static void test_wrong_keys(void **state)
{
    (void)state;
    struct entry e;
    struct payload_key other = key;
    seal(7, bytes_of("a text", 6), &e);
    for (size_t at = 0; at < sizeof other.key; at++) {
        other.key[at] ^= 0x80;
        assert_refused(&e, &other, "payload.key");
        other.key[at] ^= 0x80;
    }
    other.epoch = 2;
    assert_refused(&e, &other, "payload.key");
    e.leaf.key_commit.b[0] ^= 1;
    assert_refused(&e, &key, "payload.key");
    close_entry(&e);
}

/* Not sealed: key epoch 0, no commitment. No key opens it. */
static void test_not_sealed(void **state)
{
    (void)state;
    struct entry e = {.leaf = make_leaf(7)};
    struct payload_key none = {.epoch = 0};
    assert_int_equal(leaf_encode(&e.leaf, &e.encoded, NULL), 0);
    assert_refused(&e, &key, "payload.key");
    assert_refused(&e, &none, "payload.key");
    payload_commit(none.key, e.leaf.salt, &e.leaf.key_commit);
    assert_refused(&e, &none, "payload.hash"); /* no payload is not an empty one */
    close_entry(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),      cmocka_unit_test(test_keys_differ), cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_wrong_keys), cmocka_unit_test(test_not_sealed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
