/* Sealed payloads, grants, heads and evidence: what is made opens, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/evidence.h"
#include "federation/ledger/grant.h"
#include "federation/ledger/heads.h"
#include "federation/ledger/payload.h"
#include "node/base/xassert.h"

/* RFC 5869, A.1 and A.3. */
static void test_hkdf(void **state)
{
    (void)state;
    uint8_t ikm[22], salt[13], info[10], out[42], want[42];
    size_t size;
    memset(ikm, 0x0b, sizeof ikm);
    for (size_t i = 0; i < sizeof salt; i++)
        salt[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof info; i++)
        info[i] = (uint8_t)(0xf0 + i);
    crypto_hkdf(bytes_of(ikm, 22), bytes_of(salt, 13), bytes_of(info, 10), out, sizeof out);
    static const char a1[] = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
    assert_int_equal(hex_decode(a1, sizeof a1 - 1, want, sizeof want, &size), 0);
    assert_memory_equal(out, want, sizeof out);
    crypto_hkdf(bytes_of(ikm, 22), bytes_of(NULL, 0), bytes_of(NULL, 0), out, sizeof out);
    static const char a3[] = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
    assert_int_equal(hex_decode(a3, sizeof a3 - 1, want, sizeof want, &size), 0);
    assert_memory_equal(out, want, sizeof out);
}

static struct leaf a_leaf(void)
{
    struct leaf l = {.kind = LEAF_KIND_EVENT,
                     .suite = LEAF_SUITE_SHA256_ED25519_AES256GCM,
                     .origin = 440000,
                     .index = 88,
                     .event_type = 1,
                     .recipient_count = 1};
    l.recipients[0] = (struct leaf_recipient){.node = 510000, .seq = 3};
    memset(l.salt, 0x5a, sizeof l.salt);
    memset(l.case_id, 0x11, sizeof l.case_id);
    return l;
}

static void test_payload(void **state)
{
    (void)state;
    struct leaf leaf = a_leaf();
    struct payload_key key = {.epoch = 1, .key = {1, 2, 3}}, other = {.epoch = 1, .key = {1, 2, 4}};
    struct bytes plain = bytes_of_string("{\"reason\":\"材料齐全\"}");
    struct buf sealed = {0}, encoded = {0}, back = {0};
    struct err e = {0};
    payload_seal(&leaf, &key, plain, &sealed);
    assert_int_equal(sealed.size, plain.size + PAYLOAD_SEAL_OVERHEAD);
    assert_int_equal(leaf_encode(&leaf, &encoded, &e), 0);
    assert_int_equal(payload_open(&leaf, buf_bytes(&encoded), &key, buf_bytes(&sealed), &back, &e), 0);
    assert_true(bytes_equal(buf_bytes(&back), plain));
    assert_int_equal(payload_open(&leaf, buf_bytes(&encoded), &other, buf_bytes(&sealed), &back, &e), ERR_VERIFY);
    assert_string_equal(e.id, "payload.key");
    for (size_t i = 0; i < sealed.size; i++) {
        sealed.data[i] ^= 1;
        assert_int_equal(payload_open(&leaf, buf_bytes(&encoded), &key, buf_bytes(&sealed), &back, &e), ERR_VERIFY);
        assert_string_equal(e.id, "payload.hash");
        sealed.data[i] ^= 1;
    }
    /* Another place in the ledger: the hash may be made to fit, the seal does not. */
    size_t aad = leaf_aad_size(&leaf);
    for (size_t i = 0; i < aad; i++) {
        encoded.data[i] ^= 1;
        assert_int_equal(payload_open(&leaf, buf_bytes(&encoded), &key, buf_bytes(&sealed), &back, &e), ERR_VERIFY);
        assert_string_equal(e.id, "payload.seal");
        encoded.data[i] ^= 1;
    }
    assert_true(bytes_equal(buf_bytes(&back), plain)); /* nothing was appended by what failed */
    buf_close(&sealed);
    buf_close(&encoded);
    buf_close(&back);
}

static void test_grant(void **state)
{
    (void)state;
    struct crypto_hpke_key *key = crypto_hpke_key_create(), *other = crypto_hpke_key_create();
    uint8_t public_key[CRYPTO_X25519_KEY_SIZE];
    struct grant_record records[3] = {0}, *back;
    struct buf out = {0};
    struct err e = {0};
    crypto_hpke_key_public(key, public_key);
    for (uint8_t i = 0; i < 3; i++) {
        records[i].case_id[0] = i;
        records[i].key.epoch = 1;
        records[i].key.key[5] = (uint8_t)(100 + i);
    }
    assert_int_equal(grant_seal(records, 3, 440000, 510000, public_key, &out, &e), 0);
    struct arena a = ARENA_INIT;
    size_t count = 0;
    assert_int_equal(grant_open(buf_bytes(&out), 440000, 510000, key, &a, &back, &count, &e), 0);
    assert_int_equal(count, 3);
    assert_memory_equal(back, records, sizeof records);
    assert_int_equal(grant_open(buf_bytes(&out), 440000, 330000, key, &a, &back, &count, &e), ERR_VERIFY);
    assert_int_equal(grant_open(buf_bytes(&out), 330000, 510000, key, &a, &back, &count, &e), ERR_VERIFY);
    assert_int_equal(grant_open(buf_bytes(&out), 440000, 510000, other, &a, &back, &count, &e), ERR_VERIFY);
    for (size_t i = 0; i < out.size; i++) {
        out.data[i] ^= 0x80;
        assert_int_equal(grant_open(buf_bytes(&out), 440000, 510000, key, &a, &back, &count, &e), ERR_VERIFY);
        out.data[i] ^= 0x80;
    }
    static const uint8_t zero[CRYPTO_X25519_KEY_SIZE] = {0}; /* a point of low order */
    assert_int_equal(grant_seal(records, 3, 1, 2, zero, &out, &e), ERR_INVALID);
    arena_close(&a);
    buf_close(&out);
    crypto_hpke_key_destroy(key);
    crypto_hpke_key_destroy(other);
}

static void test_heads(void **state)
{
    (void)state;
    for (size_t count = 0; count <= 40; count++) {
        struct heads_row rows[40], got;
        struct heads_summary summary = {.public_seq = 9}, back;
        struct buf vector = {0};
        struct err e = {0};
        uint8_t storage[HEADS_STORAGE_SIZE];
        struct leaf leaf = {.origin = 440000, .index = 5};
        for (size_t i = 0; i < count; i++) {
            rows[i] = (struct heads_row){
                .recipient = (uint32_t)(100000 + 10 * i), .last_seq = i * 7, .last_index = i == 0 ? 0 : i * 31};
            memset(rows[i].salt, (int)i, sizeof rows[i].salt);
        }
        heads_vector(rows, count, &vector, &summary);
        heads_to_leaf(&summary, storage, &leaf);
        assert_int_equal(heads_of_leaf(&leaf, &back, &e), 0);
        assert_memory_equal(&back.root, &summary.root, sizeof back.root);
        assert_true(back.rows == count && back.public_seq == 9);
        for (size_t i = 0; i < count; i++) {
            struct buf opening = {0};
            assert_int_equal(heads_open(buf_bytes(&vector), rows[i].recipient, &opening, &e), 0);
            assert_true(opening.size <= HEADS_OPENING_BYTES_MAX);
            assert_int_equal(heads_verify(&back, rows[i].recipient, buf_bytes(&opening), &got, &e), 0);
            assert_true(got.last_seq == rows[i].last_seq && got.last_index == rows[i].last_index);
            assert_int_equal(heads_verify(&back, rows[i].recipient + 1, buf_bytes(&opening), &got, &e), ERR_VERIFY);
            for (size_t k = 0; k < opening.size; k++) {
                opening.data[k] ^= 1;
                assert_int_not_equal(heads_verify(&back, rows[i].recipient, buf_bytes(&opening), &got, &e), 0);
                opening.data[k] ^= 1;
            }
            buf_close(&opening);
        }
        struct buf none = {0};
        assert_int_equal(heads_open(buf_bytes(&vector), 99, &none, &e), ERR_NOT_FOUND);
        buf_close(&none);
        buf_close(&vector);
    }
}

/* A ledger of @size leaves that goes its own way from leaf @fork on (UINT64_MAX: never). */
static void make_view(const struct note_signer *log, uint64_t size, uint64_t fork, struct buf *note, struct view *ret)
{
    struct crange range;
    struct checkpoint head = {.size = size};
    struct err e = {0};
    crange_init(&range);
    for (uint64_t i = 0; i < size; i++) {
        uint8_t text[9] = {i >= fork};
        struct merkle_hash hash;
        put_be64(text + 1, i);
        merkle_leaf_hash(bytes_of(text, sizeof text), &hash);
        assert_int_equal(crange_append_leaf(&range, &hash, &e), 0);
    }
    crange_root(&range, &head.root);
    (void)snprintf(head.origin, sizeof head.origin, "%s", log->key.name);
    buf_reset(note);
    assert_int_equal(checkpoint_sign(&head, log, note, &e), 0);
    assert_int_equal(view_open(buf_bytes(note), &log->key, &range, ret, &e), 0);
}

static void check_evidence(const struct note_signer *log, const struct view *a, const struct view *b, uint64_t common)
{
    struct buf one = {0}, two = {0};
    struct evidence evidence;
    struct err e = {0};
    char origin[ORIGIN_NAME_BYTES_MAX + 1];
    evidence_format(a, b, &one);
    evidence_format(b, a, &two);
    assert_true(bytes_equal(buf_bytes(&one), buf_bytes(&two))); /* one form, whoever finds it */
    assert_int_equal(evidence_peek(buf_bytes(&one), origin, &e), 0);
    assert_string_equal(origin, log->key.name);
    assert_int_equal(evidence_open(buf_bytes(&one), &log->key, &evidence, &e), 0);
    assert_int_equal(evidence.common_size, common);
    for (size_t i = 0; i < one.size; i += 7) {
        one.data[i] ^= 1;
        assert_int_not_equal(evidence_open(buf_bytes(&one), &log->key, &evidence, &e), 0);
        one.data[i] ^= 1;
    }
    buf_close(&one);
    buf_close(&two);
}

/* Whether some perfect subtree stands in the ranges of both sizes and reaches behind @fork. */
static bool shares_behind(uint64_t a, uint64_t b, uint64_t fork)
{
    uint64_t begin = 0;
    for (int level = 62; level >= 0; level--) {
        uint64_t bit = UINT64_C(1) << level;
        if ((a & bit) != (b & bit))
            return false;
        if ((a & bit) == 0)
            continue;
        if (begin + bit > fork)
            return true;
        begin += bit;
    }
    return false;
}

static void test_evidence(void **state)
{
    (void)state;
    const uint8_t seed[32] = {3};
    struct crypto_signer *key = crypto_signer_create(seed);
    struct note_signer log;
    struct buf note_a = {0}, note_b = {0};
    struct view a, b;
    uint64_t common;
    unsigned found = 0;
    assert_int_equal(note_signer_init("440000.tongban.example/log/1", NOTE_TYPE_ED25519, key, &log, NULL), 0);
    for (uint64_t size_a = 1; size_a <= 24; size_a++) {
        make_view(&log, size_a, UINT64_MAX, &note_a, &a);
        for (uint64_t size_b = 1; size_b <= 24; size_b++) {
            make_view(&log, size_b, UINT64_MAX, &note_b, &b);
            assert_false(view_contradicts(&a, &b, &common)); /* an honest author never contradicts itself */
            for (uint64_t fork = 0; fork < min_of(size_a, size_b); fork += 3) {
                make_view(&log, size_b, fork, &note_b, &b);
                bool expected = size_a == size_b || shares_behind(size_a, size_b, fork);
                assert_int_equal(view_contradicts(&a, &b, &common), expected);
                if (!expected)
                    continue;
                assert_true(common <= fork);
                check_evidence(&log, &a, &b, common);
                found++;
            }
        }
    }
    assert_true(found > 100);
    buf_close(&note_a);
    buf_close(&note_b);
    crypto_signer_destroy(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hkdf),  cmocka_unit_test(test_payload),  cmocka_unit_test(test_grant),
        cmocka_unit_test(test_heads), cmocka_unit_test(test_evidence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
