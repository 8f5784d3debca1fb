/* Sealing: HKDF, AES-256-GCM with a key for one message, HPKE, and the files of seal keys. HPKE against another
 * implementation: tests/vectors/test_grant.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/keystore.h"
#include "node/base/file.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"
#include "tests/lib/pki_fixture.h"

static struct pki_fixture fixture;

static int set_up(void **state)
{
    (void)state;
    pki_fixture_open(&fixture);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pki_fixture_close(&fixture);
    return 0;
}

static void assert_hex(const void *data, size_t size, const char *expected)
{
    char text[2 * 128 + 1];
    assert_true(size <= 128);
    hex_encode(data, size, text);
    assert_string_equal(text, expected);
}

/* ---- HKDF ---- */

static void ascend(uint8_t *out, uint8_t from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(from + i);
}

/* RFC 5869, A.1 to A.3. */
static void test_hkdf(void **state)
{
    (void)state;
    uint8_t ikm[80], salt[80], info[80], out[82];
    memset(ikm, 0x0b, 22);
    ascend(salt, 0, 13);
    ascend(info, 0xf0, 10);
    crypto_hkdf(bytes_of(ikm, 22), bytes_of(salt, 13), bytes_of(info, 10), out, 42);
    assert_hex(out, 42, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");

    crypto_hkdf(bytes_of(ikm, 22), bytes_of(NULL, 0), bytes_of(NULL, 0), out, 42);
    assert_hex(out, 42, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");

    ascend(ikm, 0x00, 80);
    ascend(salt, 0x60, 80);
    ascend(info, 0xb0, 80);
    crypto_hkdf(bytes_of(ikm, 80), bytes_of(salt, 80), bytes_of(info, 80), out, 82);
    assert_hex(out, 82,
               "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
               "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
}

/* The longest output; what is shorter is its beginning. */
static void test_hkdf_longest(void **state)
{
    (void)state;
    static uint8_t longest[255 * CRYPTO_HASH_SIZE], other[100];
    crypto_hkdf(bytes_of("key", 3), bytes_of("salt", 4), bytes_of("info", 4), longest, sizeof longest);
    crypto_hkdf(bytes_of("key", 3), bytes_of("salt", 4), bytes_of("info", 4), other, sizeof other);
    assert_memory_equal(longest, other, sizeof other);
    crypto_hkdf(bytes_of("key", 3), bytes_of("salt", 4), bytes_of("inf0", 4), other, sizeof other);
    assert_memory_not_equal(longest, other, sizeof other);
}

/* ---- AES-256-GCM ---- */

/* "The Galois/Counter Mode of Operation", McGrew and Viega, test cases 13 and 14: key and nonce of zeros. */
static void test_gcm_known(void **state)
{
    (void)state;
    static const uint8_t zero[CRYPTO_KEY_SIZE];
    uint8_t out[16 + CRYPTO_TAG_SIZE];
    crypto_seal_once(zero, bytes_of(NULL, 0), bytes_of(NULL, 0), out);
    assert_hex(out, CRYPTO_TAG_SIZE, "530f8afbc74536b9a963b4f1c4cb738b");
    crypto_seal_once(zero, bytes_of(NULL, 0), bytes_of(zero, 16), out);
    assert_hex(out, sizeof out, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

static void test_gcm_round_trip(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 15, 16, 17, 1000, 65536};
    static uint8_t plain[65536], sealed[65536 + CRYPTO_TAG_SIZE], opened[65536];
    uint8_t key[CRYPTO_KEY_SIZE] = {7};
    struct prng prng;
    prng_init(&prng, 1);
    prng_fill(&prng, plain, sizeof plain);
    for (size_t i = 0; i < array_count(sizes); i++) {
        for (size_t aad = 0; aad < 40; aad += 13) {
            size_t size = sizes[i];
            crypto_seal_once(key, bytes_of(plain, aad), bytes_of(plain, size), sealed);
            memset(opened, 0, sizeof opened);
            assert_true(crypto_open_once(key, bytes_of(plain, aad), bytes_of(sealed, size + CRYPTO_TAG_SIZE), opened));
            assert_memory_equal(opened, plain, size);
            assert_false(
                crypto_open_once(key, bytes_of(plain, aad + 1), bytes_of(sealed, size + CRYPTO_TAG_SIZE), opened));
        }
    }
}

/* Every bit counts, and what did not open leaves nothing behind. */
static void test_gcm_changed(void **state)
{
    (void)state;
    static const char text[] = "forty bytes of text, of which none stay ";
    static const uint8_t zero[sizeof text - 1];
    uint8_t key[CRYPTO_KEY_SIZE] = {7}, sealed[sizeof text - 1 + CRYPTO_TAG_SIZE], out[sizeof text - 1];
    struct bytes aad = bytes_of("aad", 3);
    crypto_seal_once(key, aad, bytes_of_string(text), sealed);
    for (size_t bit = 0; bit < sizeof sealed * 8; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        memset(out, 0xee, sizeof out);
        assert_false(crypto_open_once(key, aad, bytes_of(sealed, sizeof sealed), out));
        assert_memory_equal(out, zero, sizeof out);
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size < sizeof sealed; size++)
        assert_false(crypto_open_once(key, aad, bytes_of(sealed, size), out));
    key[31] ^= 1;
    assert_false(crypto_open_once(key, aad, bytes_of(sealed, sizeof sealed), out));
    key[31] ^= 1;
    assert_true(crypto_open_once(key, aad, bytes_of(sealed, sizeof sealed), out));
}

/* ---- HPKE ---- */

static void test_hpke_round_trip(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 52, 5200, 4096 * 52};
    static uint8_t plain[4096 * 52];
    uint8_t public[CRYPTO_X25519_KEY_SIZE];
    struct crypto_hpke_key *key = crypto_hpke_key_create();
    crypto_hpke_key_public(key, public);
    for (size_t i = 0; i < array_count(sizes); i++) {
        struct buf sealed = {0}, again = {0}, out = {0};
        struct bytes info = bytes_of("info", i), aad = bytes_of("aad!", i);
        buf_put_string(&sealed, "before");
        buf_put_string(&out, "before");
        assert_int_equal(crypto_hpke_seal(public, info, aad, bytes_of(plain, sizes[i]), &sealed, NULL), 0);
        assert_int_equal(sealed.size, 6 + sizes[i] + CRYPTO_HPKE_OVERHEAD);
        assert_int_equal(crypto_hpke_seal(public, info, aad, bytes_of(plain, sizes[i]), &again, NULL), 0);
        assert_memory_not_equal(sealed.data + 6, again.data, CRYPTO_HPKE_ENC_SIZE); /* a new key each time */
        struct bytes in = bytes_of(sealed.data + 6, sealed.size - 6);
        assert_int_equal(crypto_hpke_open(key, info, aad, in, &out, NULL), 0);
        assert_int_equal(out.size, 6 + sizes[i]);
        assert_memory_equal(out.data, "before", 6);
        assert_memory_equal(out.data + 6, plain, sizes[i]);
        buf_close(&sealed);
        buf_close(&again);
        buf_close(&out);
    }
    crypto_hpke_key_destroy(key);
    crypto_hpke_key_destroy(NULL);
}

static void assert_closed(const struct crypto_hpke_key *key, struct bytes info, struct bytes aad, struct bytes sealed)
{
    static const uint8_t nothing[64];
    struct buf out = {0};
    struct err e = {0};
    buf_put_string(&out, "before");
    uint8_t *room = buf_extend(&out, sizeof nothing);
    assert_non_null(room);
    memset(room, 0xee, sizeof nothing);
    out.size = 6;
    assert_int_equal(crypto_hpke_open(key, info, aad, sealed, &out, &e), ERR_VERIFY);
    assert_string_equal(e.id, "crypto.hpke-open");
    assert_int_equal(out.size, 6);
    if (sealed.size > CRYPTO_HPKE_OVERHEAD) /* nothing of what did not verify stays in the memory */
        assert_memory_equal(out.data + 6, nothing, sealed.size - CRYPTO_HPKE_OVERHEAD);
    buf_close(&out);
}

static void test_hpke_changed(void **state)
{
    (void)state;
    uint8_t public[CRYPTO_X25519_KEY_SIZE];
    struct crypto_hpke_key *key = crypto_hpke_key_create(), *other = crypto_hpke_key_create();
    struct bytes info = bytes_of("info", 4), aad = bytes_of("aad", 3);
    struct buf sealed = {0}, out = {0};
    crypto_hpke_key_public(key, public);
    assert_int_equal(crypto_hpke_seal(public, info, aad, bytes_of("secret", 6), &sealed, NULL), 0);
    for (size_t at = 0; at < sealed.size; at++) {
        sealed.data[at] ^= 1;
        assert_closed(key, info, aad, buf_bytes(&sealed));
        sealed.data[at] ^= 1;
        assert_closed(key, info, aad, bytes_of(sealed.data, at));
    }
    assert_closed(other, info, aad, buf_bytes(&sealed));
    assert_closed(key, bytes_of("inf0", 4), aad, buf_bytes(&sealed));
    assert_closed(key, bytes_of(NULL, 0), aad, buf_bytes(&sealed));
    assert_closed(key, info, bytes_of(NULL, 0), buf_bytes(&sealed));
    assert_int_equal(crypto_hpke_open(key, info, aad, buf_bytes(&sealed), &out, NULL), 0);
    assert_true(bytes_equal(buf_bytes(&out), bytes_of("secret", 6)));
    buf_close(&sealed);
    buf_close(&out);
    crypto_hpke_key_destroy(key);
    crypto_hpke_key_destroy(other);
}

/* Public keys of low order give everybody the same shared secret (RFC 7748 s6.1): nothing is sealed to them. */
static void test_hpke_bad_receiver(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    for (size_t i = 0; i < array_count(keys); i++) {
        uint8_t key[CRYPTO_X25519_KEY_SIZE];
        struct buf out = {0};
        struct err e = {0};
        size_t size;
        assert_int_equal(hex_decode(keys[i], strlen(keys[i]), key, sizeof key, &size), 0);
        buf_put_string(&out, "before");
        assert_int_equal(crypto_hpke_seal(key, bytes_of(NULL, 0), bytes_of(NULL, 0), bytes_of("x", 1), &out, &e),
                         ERR_INVALID);
        assert_string_equal(e.id, "crypto.hpke-key");
        assert_int_equal(out.size, 6);
        buf_close(&out);
    }
}

/* ---- from several threads, the first use included ---- */

static void *seal_and_open(void *arg)
{
    const struct crypto_hpke_key *key = arg;
    uint8_t public[CRYPTO_X25519_KEY_SIZE], derived[CRYPTO_KEY_SIZE], sealed[4 + CRYPTO_TAG_SIZE], plain[4];
    crypto_hpke_key_public(key, public);
    for (int i = 0; i < 50; i++) {
        struct buf out = {0}, again = {0};
        crypto_hkdf(bytes_of("k", 1), bytes_of("s", 1), bytes_of(&i, sizeof i), derived, sizeof derived);
        crypto_seal_once(derived, bytes_of(NULL, 0), bytes_of(&i, sizeof i), sealed);
        if (!crypto_open_once(derived, bytes_of(NULL, 0), bytes_of(sealed, sizeof sealed), plain) ||
            crypto_hpke_seal(public, bytes_of(NULL, 0), bytes_of(NULL, 0), bytes_of(plain, 4), &out, NULL) != 0 ||
            crypto_hpke_open(key, bytes_of(NULL, 0), bytes_of(NULL, 0), buf_bytes(&out), &again, NULL) != 0 ||
            memcmp(again.data, &i, sizeof i) != 0)
            return NULL;
        buf_close(&out);
        buf_close(&again);
    }
    return arg;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    struct crypto_hpke_key *key = crypto_hpke_key_create();
    for (size_t i = 0; i < array_count(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, seal_and_open, key), 0);
    for (size_t i = 0; i < array_count(threads); i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, key);
    }
    crypto_hpke_key_destroy(key);
}

/* ---- key files ---- */

static void test_seal_key_file(void **state)
{
    (void)state;
    char path[PKI_FIXTURE_PATH_SIZE];
    struct err e = {0};
    struct stat st;
    struct crypto_hpke_key *one = NULL, *two = NULL;
    uint8_t public_one[CRYPTO_X25519_KEY_SIZE], public_two[CRYPTO_X25519_KEY_SIZE];
    struct buf sealed = {0}, out = {0};
    pki_fixture_path(&fixture, "seal.key", path);
    assert_int_equal(keystore_load_seal_key(path, &one, &e), ERR_NOT_FOUND);
    assert_int_equal(keystore_create_seal_key(path, &e), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(keystore_load_seal_key(path, &one, &e), 0);
    assert_int_equal(keystore_create_seal_key(path, &e), ERR_CONFLICT); /* never overwritten */
    assert_int_equal(keystore_load_seal_key(path, &two, &e), 0);
    crypto_hpke_key_public(one, public_one);
    crypto_hpke_key_public(two, public_two);
    assert_memory_equal(public_one, public_two, sizeof public_one);
    assert_int_equal(crypto_hpke_seal(public_one, bytes_of(NULL, 0), bytes_of(NULL, 0), bytes_of("x", 1), &sealed, &e),
                     0);
    assert_int_equal(crypto_hpke_open(two, bytes_of(NULL, 0), bytes_of(NULL, 0), buf_bytes(&sealed), &out, &e), 0);
    assert_int_equal(chmod(path, 0644), 0);
    struct crypto_hpke_key *three = NULL;
    assert_int_equal(keystore_load_seal_key(path, &three, &e), ERR_DENIED);
    assert_null(three);
    buf_close(&sealed);
    buf_close(&out);
    crypto_hpke_key_destroy(one);
    crypto_hpke_key_destroy(two);
}

/* RFC 8410 s10.3 has no X25519 private key; this is RFC 7748 s6.1, Alice, in that form. */
static const char rfc7748_key[] = "-----BEGIN PRIVATE KEY-----\n"
                                  "MC4CAQAwBQYDK2VuBCIEIHcHbQpzGKV9PBbBclGyZkXfTC+H68CZKrF3+6UduSwq\n"
                                  "-----END PRIVATE KEY-----\n";

static void test_known_seal_key(void **state)
{
    (void)state;
    char path[PKI_FIXTURE_PATH_SIZE];
    uint8_t public[CRYPTO_X25519_KEY_SIZE];
    struct crypto_hpke_key *key = NULL;
    struct err e = {0};
    pki_fixture_path(&fixture, "rfc7748.key", path);
    assert_int_equal(file_write(path, bytes_of_string(rfc7748_key), 0600, true, &e), 0);
    assert_int_equal(keystore_load_seal_key(path, &key, &e), 0);
    crypto_hpke_key_public(key, public);
    assert_hex(public, sizeof public, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    crypto_hpke_key_destroy(key);
}

/* A key of one kind is none of another. */
static void test_key_kinds(void **state)
{
    (void)state;
    char seal[PKI_FIXTURE_PATH_SIZE], ledger[PKI_FIXTURE_PATH_SIZE];
    struct crypto_hpke_key *key = NULL;
    struct crypto_signer *signer = NULL;
    struct err e = {0};
    pki_fixture_path(&fixture, "kind-seal.key", seal);
    pki_fixture_path(&fixture, "kind-signing.key", ledger);
    assert_int_equal(keystore_create_seal_key(seal, &e), 0);
    assert_int_equal(keystore_create_signing_key(ledger, &e), 0);
    assert_int_equal(keystore_load_seal_key(ledger, &key, &e), ERR_INVALID);
    assert_string_equal(e.id, "keystore.key-type");
    assert_int_equal(keystore_load_signing_key(seal, &signer, &e), ERR_INVALID);
    assert_string_equal(e.id, "keystore.key-type");
    assert_true(key == NULL && signer == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads), /* first: nothing is fetched yet */
        cmocka_unit_test(test_hkdf),          cmocka_unit_test(test_hkdf_longest),
        cmocka_unit_test(test_gcm_known),     cmocka_unit_test(test_gcm_round_trip),
        cmocka_unit_test(test_gcm_changed),   cmocka_unit_test(test_hpke_round_trip),
        cmocka_unit_test(test_hpke_changed),  cmocka_unit_test(test_hpke_bad_receiver),
        cmocka_unit_test(test_seal_key_file), cmocka_unit_test(test_known_seal_key),
        cmocka_unit_test(test_key_kinds),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
