/* HPKE and grants: what another implementation sealed opens here, and what is wrong is refused for the reason that the
 * file names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "certs/crypto_hpke.h" /* a key of known bytes; the program makes keys or reads files */
#include "federation/ledger/grant.h"
#include "tests/lib/vectors.h"

#define SEALED_MAX 8192

static yyjson_doc *doc;
static yyjson_val *root;

static int set_up(void **state)
{
    (void)state;
    doc = vectors_load(VECTORS_FILE("grant"));
    root = yyjson_doc_get_root(doc);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    yyjson_doc_free(doc);
    return 0;
}

static struct crypto_hpke_key *read_key(yyjson_val *hex)
{
    uint8_t raw[CRYPTO_X25519_KEY_SIZE];
    vectors_hex32(hex, raw);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, raw, sizeof raw);
    assert_non_null(key);
    return crypto_hpke_key_of(key);
}

static struct bytes read_hex(yyjson_val *c, const char *name, uint8_t room[SEALED_MAX])
{
    return bytes_of(room, vectors_hex(vectors_get(c, name), room, SEALED_MAX));
}

static void test_hpke(void **state)
{
    (void)state;
    static uint8_t rooms[4][SEALED_MAX];
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(root, "hpke"), i, n, c)
    {
        uint8_t public[CRYPTO_X25519_KEY_SIZE], expected[CRYPTO_X25519_KEY_SIZE];
        struct crypto_hpke_key *key = read_key(vectors_get(c, "receiver_private"));
        struct buf out = {0}, sealed = {0}, again = {0};
        struct bytes info = read_hex(c, "info", rooms[0]), aad = read_hex(c, "aad", rooms[1]);
        struct bytes plain = read_hex(c, "plain", rooms[2]);
        vectors_hex32(vectors_get(c, "receiver_public"), expected);
        crypto_hpke_key_public(key, public);
        assert_memory_equal(public, expected, sizeof public);
        assert_int_equal(crypto_hpke_open(key, info, aad, read_hex(c, "sealed", rooms[3]), &out, NULL), 0);
        assert_true(bytes_equal(buf_bytes(&out), plain));
        assert_int_equal(crypto_hpke_seal(public, info, aad, plain, &sealed, NULL), 0);
        assert_int_equal(crypto_hpke_open(key, info, aad, buf_bytes(&sealed), &again, NULL), 0);
        assert_true(bytes_equal(buf_bytes(&again), plain));
        crypto_hpke_key_destroy(key);
        buf_close(&out);
        buf_close(&sealed);
        buf_close(&again);
    }
    assert_int_equal(n, 3);
}

static int open_case(yyjson_val *c, struct arena *mem, struct grant_record **ret, size_t *ret_count, struct err *e)
{
    static uint8_t room[SEALED_MAX];
    struct crypto_hpke_key *key = read_key(vectors_get(root, "receiver_private"));
    int rc = grant_open(read_hex(c, "sealed", room), (uint32_t)vectors_u64(root, "giver"),
                        (uint32_t)vectors_u64(root, "receiver"), key, mem, ret, ret_count, e);
    crypto_hpke_key_destroy(key);
    return rc;
}

static void test_valid(void **state)
{
    (void)state;
    size_t i, n, k, expected_count;
    yyjson_val *c, *row;
    yyjson_arr_foreach(vectors_get(root, "cases"), i, n, c)
    {
        struct arena mem = ARENA_INIT;
        struct grant_record *records;
        size_t count;
        struct err e;
        if (open_case(c, &mem, &records, &count, &e) != 0)
            fail_msg("%s: %s", vectors_string(c, "name"), e.message);
        assert_int_equal(count, yyjson_arr_size(vectors_get(c, "records")));
        yyjson_arr_foreach(vectors_get(c, "records"), k, expected_count, row)
        {
            uint8_t case_id[LEAF_CASE_ID_SIZE], key[PAYLOAD_KEY_SIZE];
            assert_int_equal(vectors_hex(vectors_get(row, "case_id"), case_id, sizeof case_id), sizeof case_id);
            vectors_hex32(vectors_get(row, "key"), key);
            assert_memory_equal(records[k].case_id, case_id, sizeof case_id);
            assert_memory_equal(records[k].key.key, key, sizeof key);
            assert_int_equal(records[k].key.epoch, vectors_u64(row, "epoch"));
        }
        arena_close(&mem);
    }
    assert_int_equal(n, 3);
}

static void test_must_reject(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(root, "must_reject"), i, n, c)
    {
        struct arena mem = ARENA_INIT;
        struct grant_record *records = NULL;
        size_t count = 0;
        struct err e = {0};
        int rc = open_case(c, &mem, &records, &count, &e);
        bool is_seal = strcmp(vectors_string(c, "id"), "grant.seal") == 0;
        if (rc != (is_seal ? ERR_VERIFY : ERR_INVALID) || strcmp(e.id, vectors_string(c, "id")) != 0)
            fail_msg("%s: %d %s", vectors_string(c, "name"), rc, e.id);
        assert_true(records == NULL && count == 0);
        arena_close(&mem);
    }
    assert_int_equal(n, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hpke),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_must_reject),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
