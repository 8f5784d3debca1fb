/* Key files: made once, mode 0600, and every bad file refused with its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/keystore.h"
#include "node/base/file.h"
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

static void test_ledger_key(void **state)
{
    (void)state;
    char path[PKI_FIXTURE_PATH_SIZE];
    struct err e = {0};
    struct stat st;
    struct crypto_signer *one = NULL, *two = NULL;
    uint8_t public_one[CRYPTO_ED25519_KEY_SIZE], public_two[CRYPTO_ED25519_KEY_SIZE], sig[CRYPTO_ED25519_SIG_SIZE];
    pki_fixture_path(&fixture, "ledger.key", path);
    assert_int_equal(keystore_create_signing_key(path, &e), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(keystore_load_signing_key(path, &one, &e), 0);

    assert_int_equal(keystore_create_signing_key(path, &e), ERR_CONFLICT); /* never overwritten */
    assert_non_null(strstr(e.message, path));
    assert_int_equal(keystore_load_signing_key(path, &two, &e), 0);
    crypto_signer_public(one, public_one);
    crypto_signer_public(two, public_two);
    assert_memory_equal(public_one, public_two, sizeof public_one);
    crypto_sign(two, bytes_of_string("x"), sig);
    assert_true(crypto_verify(public_one, bytes_of_string("x"), sig));
    crypto_signer_destroy(one);
    crypto_signer_destroy(two);
}

/* RFC 8410 s10.3: the example of a PKCS#8 Ed25519 key, and its public key. */
static const char rfc8410_key[] = "-----BEGIN PRIVATE KEY-----\n"
                                  "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
                                  "-----END PRIVATE KEY-----\n";
static const char rfc8410_public[] = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";

static void test_known_key(void **state)
{
    (void)state;
    char path[PKI_FIXTURE_PATH_SIZE], hex[2 * CRYPTO_ED25519_KEY_SIZE + 1];
    uint8_t public[CRYPTO_ED25519_KEY_SIZE];
    struct err e = {0};
    struct crypto_signer *s = NULL;
    pki_fixture_path(&fixture, "rfc8410.key", path);
    assert_int_equal(file_write(path, bytes_of_string(rfc8410_key), 0600, true, &e), 0);
    assert_int_equal(keystore_load_signing_key(path, &s, &e), 0);
    crypto_signer_public(s, public);
    hex_encode(public, sizeof public, hex);
    assert_string_equal(hex, rfc8410_public);
    crypto_signer_destroy(s);
}

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *content; /* NULL = no file */
        mode_t mode;
        int code;
        const char *id;
    } table[] = {
        {NULL, 0600, ERR_NOT_FOUND, "keystore.open"},
        {"", 0600, ERR_INVALID, "keystore.not-a-key"},
        {"garbage\n", 0600, ERR_INVALID, "keystore.not-a-key"},
        {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0600, ERR_INVALID, "keystore.not-a-key"},
        {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGjMF8G\n-----END ENCRYPTED PRIVATE KEY-----\n", 0600, ERR_INVALID,
         "keystore.encrypted"},
        {"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n"
         "-----END EC PRIVATE KEY-----\n",
         0600, ERR_INVALID, "keystore.encrypted"},
        {rfc8410_key, 0644, ERR_DENIED, "keystore.mode"},
        {rfc8410_key, 0660, ERR_DENIED, "keystore.mode"},
        {rfc8410_key, 0602, ERR_DENIED, "keystore.mode"},
        {rfc8410_key, 0640, 0, ""},
    };
    for (size_t i = 0; i < array_count(table); i++) {
        char path[PKI_FIXTURE_PATH_SIZE];
        struct err e = {0};
        struct crypto_signer *s = NULL;
        pki_fixture_path(&fixture, "bad.key", path);
        unlink(path);
        if (table[i].content != NULL) {
            assert_int_equal(file_write(path, bytes_of_string(table[i].content), 0600, true, &e), 0);
            assert_int_equal(chmod(path, table[i].mode), 0);
        }
        int rc = keystore_load_signing_key(path, &s, &e);
        if (rc != table[i].code || strcmp(e.id, table[i].id) != 0)
            fail_msg("row %zu: %d %s: %s", i, rc, e.id, e.message);
        if (rc != 0) {
            assert_non_null(strstr(e.message, path));
            assert_null(s);
            assert_null(strstr(e.message, "INTu")); /* nothing of the key */
        }
        crypto_signer_destroy(s);
    }
}

static void test_key_kinds(void **state)
{
    (void)state;
    char tls[PKI_FIXTURE_PATH_SIZE], ledger[PKI_FIXTURE_PATH_SIZE];
    struct err e = {0};
    struct buf csr = {0};
    struct crypto_signer *s = NULL;
    pki_fixture_path(&fixture, "kind-tls.key", tls);
    pki_fixture_path(&fixture, "kind-ledger.key", ledger);
    assert_int_equal(keystore_create_tls_key(tls, &e), 0);
    assert_int_equal(keystore_create_signing_key(ledger, &e), 0);
    assert_int_equal(keystore_load_signing_key(tls, &s, &e), ERR_INVALID);
    assert_string_equal(e.id, "keystore.key-type");
    assert_int_equal(keystore_request(ledger, &csr, &e), ERR_INVALID);
    assert_int_equal(csr.size, 0);
    assert_int_equal(keystore_request(tls, &csr, &e), 0);
    assert_non_null(strstr(buf_cstr(&csr), "BEGIN CERTIFICATE REQUEST"));
    assert_null(strstr(buf_cstr(&csr), "PRIVATE"));
    buf_close(&csr);
    assert_int_equal(keystore_load_signing_key(fixture.dir, &s, &e), ERR_INVALID); /* a folder */
    assert_int_equal(keystore_create_tls_key("/nonexistent/x.key", &e), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_key),
        cmocka_unit_test(test_known_key),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_key_kinds),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
