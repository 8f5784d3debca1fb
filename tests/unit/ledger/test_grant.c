/* Grants: 1 to 4,096 keys there and back, and what a giver may not send. Vectors: tests/vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/grant.h"
#include "node/base/prng.h"

#define GIVER 110000u
#define RECEIVER 310000u

static struct crypto_hpke_key *own;
static uint8_t own_public[CRYPTO_X25519_KEY_SIZE];
static struct grant_record given[GRANT_RECORDS_MAX];

static int set_up(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 1);
    own = crypto_hpke_key_create();
    crypto_hpke_key_public(own, own_public);
    for (size_t i = 0; i < GRANT_RECORDS_MAX; i++) { /* two epochs of each case */
        put_be32(given[i].case_id, (uint32_t)(i / 2));
        given[i].key.epoch = i % 2 == 0 ? 1 : UINT32_MAX;
        prng_fill(&prng, given[i].key.key, sizeof given[i].key.key);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    crypto_hpke_key_destroy(own);
    return 0;
}

static void test_counts(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 3, 100, GRANT_RECORDS_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct arena mem = ARENA_INIT;
        struct buf out = {0};
        struct grant_record *records;
        size_t count;
        assert_int_equal(grant_seal(given, counts[i], GIVER, RECEIVER, own_public, &out, NULL), 0);
        assert_int_equal(out.size, counts[i] * GRANT_RECORD_BYTES + CRYPTO_HPKE_OVERHEAD);
        assert_true(out.size <= GRANT_BYTES_MAX);
        assert_int_equal(grant_open(buf_bytes(&out), GIVER, RECEIVER, own, &mem, &records, &count, NULL), 0);
        assert_int_equal(count, counts[i]);
        for (size_t k = 0; k < count; k++) {
            assert_memory_equal(records[k].case_id, given[k].case_id, sizeof given[k].case_id);
            assert_int_equal(records[k].key.epoch, given[k].key.epoch);
            assert_memory_equal(records[k].key.key, given[k].key.key, sizeof given[k].key.key);
        }
        buf_close(&out);
        arena_close(&mem);
    }
}

static void assert_refused(struct bytes in, uint32_t giver, uint32_t receiver, int code, const char *id)
{
    struct arena mem = ARENA_INIT;
    struct grant_record *records = NULL;
    size_t count = 99;
    struct err e = {0};
    int rc = grant_open(in, giver, receiver, own, &mem, &records, &count, &e);
    if (rc != code || strcmp(e.id, id) != 0)
        fail_msg("%d %s: %s", rc, e.id, e.message);
    assert_true(records == NULL && count == 99);
    arena_close(&mem);
}

/* Who gave it to whom is part of it: nobody can pass it on under another name. */
static void test_names(void **state)
{
    (void)state;
    struct buf out = {0};
    assert_int_equal(grant_seal(given, 2, GIVER, RECEIVER, own_public, &out, NULL), 0);
    assert_refused(buf_bytes(&out), GIVER + 1, RECEIVER, ERR_VERIFY, "grant.seal");
    assert_refused(buf_bytes(&out), GIVER, RECEIVER + 1, ERR_VERIFY, "grant.seal");
    assert_refused(buf_bytes(&out), RECEIVER, GIVER, ERR_VERIFY, "grant.seal");
    buf_close(&out);
}

/* A plaintext that a wrong giver sealed well. */
static void refuse_plain(struct bytes plain, int code)
{
    static const char label[] = "xp/grant/1";
    struct buf info = {0}, out = {0};
    buf_put_string(&info, label);
    buf_put_u32(&info, GIVER);
    buf_put_u32(&info, RECEIVER);
    assert_int_equal(crypto_hpke_seal(own_public, buf_bytes(&info), bytes_of(NULL, 0), plain, &out, NULL), 0);
    assert_refused(buf_bytes(&out), GIVER, RECEIVER, code, "grant.form");
    buf_close(&info);
    buf_close(&out);
}

static void put_record(struct buf *out, const struct grant_record *r)
{
    buf_put(out, r->case_id, sizeof r->case_id);
    buf_put_u32(out, r->key.epoch);
    buf_put(out, r->key.key, sizeof r->key.key);
}

static void test_forms(void **state)
{
    (void)state;
    struct buf plain = {0};
    for (size_t i = 0; i < GRANT_RECORDS_MAX; i++)
        put_record(&plain, &given[i]);
    refuse_plain(bytes_of(plain.data, 1), ERR_INVALID);
    refuse_plain(bytes_of(plain.data, GRANT_RECORD_BYTES - 1), ERR_INVALID);
    refuse_plain(bytes_of(plain.data, GRANT_RECORD_BYTES + 1), ERR_INVALID);
    refuse_plain(bytes_of(plain.data + 4 * GRANT_RECORD_BYTES - 1, GRANT_RECORD_BYTES * 2), ERR_INVALID); /* shifted */
    put_record(&plain, &given[0]); /* one more than allowed */
    refuse_plain(buf_bytes(&plain), ERR_LIMIT);
    buf_reset(&plain);
    put_record(&plain, &given[1]); /* epochs of one case the wrong way round */
    put_record(&plain, &given[0]);
    refuse_plain(buf_bytes(&plain), ERR_INVALID);
    buf_reset(&plain);
    put_record(&plain, &given[2]);
    put_record(&plain, &given[2]);
    refuse_plain(buf_bytes(&plain), ERR_INVALID);
    buf_reset(&plain);
    put_record(&plain, &(struct grant_record){.key.epoch = 0});
    refuse_plain(buf_bytes(&plain), ERR_INVALID);
    buf_close(&plain);
}

static void test_limit(void **state)
{
    (void)state;
    static uint8_t in[GRANT_BYTES_MAX + 1];
    assert_refused(bytes_of(in, sizeof in), GIVER, RECEIVER, ERR_LIMIT, "grant.form");
    assert_refused(bytes_of(in, sizeof in - 1), GIVER, RECEIVER, ERR_VERIFY, "grant.seal");
    assert_refused(bytes_of(in, 0), GIVER, RECEIVER, ERR_VERIFY, "grant.seal");
}

static void test_bad_receiver(void **state)
{
    (void)state;
    static const uint8_t zero[CRYPTO_X25519_KEY_SIZE];
    struct buf out = {0};
    struct err e = {0};
    assert_int_equal(grant_seal(given, 1, GIVER, RECEIVER, zero, &out, &e), ERR_INVALID);
    assert_string_equal(e.id, "crypto.hpke-key");
    assert_int_equal(out.size, 0);
    buf_close(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts), cmocka_unit_test(test_names),        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_limit),  cmocka_unit_test(test_bad_receiver),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
