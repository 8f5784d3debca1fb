/* Certificates that cannot be made, because OpenSSL finds no randomness, a date has no form or the disk refuses; and certificates that say something
 * else of whom they are for than a node's may: made by altering a good one, since no CA of ours makes them. */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_set_rand_method(): nothing newer makes OpenSSL's randomness fail */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "certs/ca.h"
#include "certs/ca_build.h"
#include "certs/keystore.h"
#include "certs/pki_x509.h"
#include "node/base/file.h"
#include "node/base/xassert.h"
#include "tests/lib/pki_fixture.h"

#define DAY 86400
#define URI "tongban://tongban.example/node/510000?name=%E5%9B%9B%E5%B7%9D%E7%9C%81"
#define SERIAL_LONGEST 20 /* RFC 5280 s4.1.2.2 */

static struct pki_fixture fixture;
static struct pki_fixture_node node;
static unsigned refused_step; /* the so-manyth write or sync from now on fails, 0: none */

static bool is_refused(int error)
{
    if (refused_step == 0 || --refused_step > 0)
        return false;
    errno = error;
    return true;
}

/* These two stand in front of libc's. */
int fsync(int fd)
{
    return is_refused(EIO) ? -1 : (int)syscall(SYS_fsync, fd);
}

ssize_t write(int fd, const void *data, size_t size)
{
    return is_refused(ENOSPC) ? -1 : syscall(SYS_write, fd, data, size);
}

static int set_up(void **state)
{
    (void)state;
    pki_fixture_open(&fixture);
    pki_fixture_issue(&fixture, "node", 510000, "四川省", -60, DAY, &node);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pki_fixture_close(&fixture);
    return 0;
}

/* ---- no randomness ---- */

static int no_bytes(unsigned char *to, int size)
{
    (void)to;
    (void)size;
    return 0;
}

static int no_status(void)
{
    return 0;
}

static void set_randomness(bool works)
{
    static const RAND_METHOD none = {.bytes = no_bytes, .pseudorand = no_bytes, .status = no_status};
    int ok = RAND_set_rand_method(works ? RAND_OpenSSL() : &none);
    assert_int_equal(ok, 1);
}

static void test_request_without_randomness(void **state)
{
    (void)state;
    struct buf request = {0};
    struct err e = {0};
    set_randomness(false);
    int rc = keystore_request(node.key_path, &request, &e);
    set_randomness(true);
    assert_int_equal(rc, ERR_INTERNAL);
    assert_string_equal(e.id, "keystore.request");
    assert_non_null(strstr(e.message, node.key_path));
    assert_int_equal(request.size, 0);
    assert_int_equal(keystore_request(node.key_path, &request, NULL), 0);
    buf_close(&request);
}

/* The register is written first, so that a certificate that nobody got is at worst one number too many there. */
static void test_issue_without_randomness(void **state)
{
    (void)state;
    char dir[PKI_FIXTURE_PATH_SIZE], serial[PKI_SERIAL_TEXT_SIZE] = "";
    struct buf request = {0}, pem = {0};
    struct ca *ca = NULL;
    struct err e = {0};
    pki_fixture_path(&fixture, "ca", dir);
    assert_int_equal(keystore_request(node.key_path, &request, &e), 0);
    assert_int_equal(ca_open(dir, &ca, &e), 0);
    const struct ca_request r = {.code = 510000,
                                 .name = "四川省",
                                 .not_before_s = fixture.now_s,
                                 .not_after_s = fixture.now_s + DAY,
                                 .csr_pem = buf_bytes(&request)};
    size_t before = ca_list(ca)->count;
    set_randomness(false);
    int rc = ca_issue(ca, &r, &pem, serial, &e);
    set_randomness(true);
    assert_int_equal(rc, ERR_INTERNAL);
    assert_string_equal(e.id, "ca.issue");
    assert_non_null(strstr(e.message, "510000"));
    assert_int_equal(pem.size, 0);
    assert_int_equal(ca_list(ca)->count, before);
    assert_int_equal(ca_issue(ca, &r, &pem, serial, &e), 0);
    assert_int_equal(ca_list(ca)->count, before + 1);
    ca_close(ca);
    buf_close(&pem);
    buf_close(&request);
}

/* A date behind the year 9999 has no form in a certificate. */
static void test_root_of_no_date(void **state)
{
    (void)state;
    char dir[PKI_FIXTURE_PATH_SIZE];
    struct err e = {0};
    pki_fixture_path(&fixture, "late", dir);
    assert_int_equal(ca_init(dir, "late.example", fixture.now_s, UINT64_C(1) << 60, NULL, &e), ERR_INTERNAL);
    assert_string_equal(e.id, "ca.root");
    assert_non_null(strstr(e.message, "late.example"));
    assert_int_equal(ca_init(dir, "late.example", fixture.now_s, fixture.now_s + DAY, NULL, &e), 0);
}

/* ---- a disk that refuses ---- */

static const char *const made[] = {"ca.pem", "ca.key", "federation.key", "issued", "crl.pem"};

static bool is_there(const char *folder, const char *name)
{
    char relative[64], path[PKI_FIXTURE_PATH_SIZE];
    struct stat st;
    (void)snprintf(relative, sizeof relative, "%s/%s", folder, name);
    pki_fixture_path(&fixture, relative, path);
    return lstat(path, &st) == 0;
}

/* Each of the writes and syncs that make a CA fails once: of each file, and of the folder after it got its name. A folder in which that
 * happened is as good as a new one. */
static void test_init_refused(void **state)
{
    (void)state;
    char dir[PKI_FIXTURE_PATH_SIZE], folder[32];
    unsigned steps = 0, after[array_count(made)] = {0};
    for (int rc = -1; rc != 0;) {
        struct err e = {0};
        (void)snprintf(folder, sizeof folder, "refused-%u", ++steps);
        pki_fixture_path(&fixture, folder, dir);
        refused_step = steps;
        rc = ca_init(dir, "refused.example", fixture.now_s, fixture.now_s + DAY, NULL, &e);
        bool was_refused = refused_step == 0;
        refused_step = 0;
        assert_int_equal(was_refused, rc != 0);
        for (size_t i = 0; i < array_count(made); i++) {
            assert_int_equal(is_there(folder, made[i]), rc == 0);
            after[i] += rc != 0 && strstr(e.message, made[i]) != NULL;
        }
        if (rc != 0) {
            bool is_content = strcmp(e.id, "file.write") == 0; /* a write that finds no room, or the sync behind it */
            assert_true(rc == ERR_IO || (is_content && rc == ERR_FULL));
            assert_true(is_content || strcmp(e.id, "file.sync") == 0);
            assert_int_equal(ca_init(dir, "again.example", fixture.now_s, fixture.now_s + DAY, NULL, &e), 0);
        }
        struct ca *ca = NULL;
        assert_int_equal(ca_open(dir, &ca, &e), 0);
        assert_string_equal(ca_federation(ca), rc == 0 ? "refused.example" : "again.example");
        ca_close(ca);
    }
    for (size_t i = 0; i < array_count(made); i++)
        assert_int_equal(after[i], 3); /* its content, its sync, its folder's */
}

/* What an init did not make it does not take back either: here the certificate of a CA whose keys are kept elsewhere. */
static void test_init_leaves_what_was_there(void **state)
{
    (void)state;
    char dir[PKI_FIXTURE_PATH_SIZE], from[PKI_FIXTURE_PATH_SIZE], to[PKI_FIXTURE_PATH_SIZE];
    struct err e = {0};
    struct buf before, now;
    pki_fixture_path(&fixture, "kept", dir);
    pki_fixture_path(&fixture, "ca/ca.pem", from);
    pki_fixture_path(&fixture, "kept/ca.pem", to);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(link(from, to), 0);
    assert_int_equal(file_read(from, 1 << 16, &before, NULL), 0);
    assert_int_equal(ca_init(dir, "kept.example", fixture.now_s, fixture.now_s + DAY, NULL, &e), ERR_CONFLICT);
    assert_string_equal(e.id, "file.exists");
    assert_int_equal(file_read(to, 1 << 16, &now, NULL), 0);
    assert_int_equal(now.size, before.size);
    assert_memory_equal(now.data, before.data, before.size);
    for (size_t i = 1; i < array_count(made); i++)
        assert_false(is_there("kept", made[i]));
    buf_close(&before);
    buf_close(&now);
}

/* ---- certificates of nobody ---- */

static X509 *good(void)
{
    X509 *x = NULL;
    assert_int_equal(pki_x509_load(node.cert_path, &x, NULL), 0);
    return x;
}

static void refuse(X509 *x, const char *id)
{
    struct buf pem = {0};
    struct pki_cert cert = {.not_before_s = 7};
    struct err e = {0};
    assert_true(i2d_re_X509_tbs(x, NULL) > 0); /* what was altered, not the bytes that were read */
    pki_x509_put_cert(&pem, x);
    assert_int_equal(pki_cert_parse(buf_bytes(&pem), &cert, &e), ERR_INVALID);
    assert_string_equal(e.id, id);
    assert_int_equal(cert.not_before_s, 7); /* untouched */
    buf_close(&pem);
    X509_free(x);
}

static void drop_names(X509 *x)
{
    X509_EXTENSION *ext = X509_delete_ext(x, X509_get_ext_by_NID(x, NID_subject_alt_name, -1));
    assert_non_null(ext);
    X509_EXTENSION_free(ext);
}

/* Alternative names @uris, ended by NULL. */
static void put_names(X509 *x, const char *const *uris)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    for (; *uris != NULL; uris++) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_IA5STRING *value = ASN1_IA5STRING_new();
        assert_int_equal(ASN1_STRING_set(value, *uris, -1), 1);
        GENERAL_NAME_set0_value(name, GEN_URI, value);
        assert_true(sk_GENERAL_NAME_push(names, name) > 0);
    }
    assert_int_equal(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND), 1);
    GENERAL_NAMES_free(names);
}

static void test_no_identity(void **state)
{
    (void)state;
    static const char *const none[] = {"https://tongban.example/node/510000", NULL};
    static const char *const one[] = {URI, NULL};
    static const char *const two[] = {URI, "tongban://tongban.example/node/440000?name=x", NULL};
    X509 *x = good();
    drop_names(x);
    refuse(x, "pki.identity");
    x = good();
    drop_names(x);
    put_names(x, none);
    refuse(x, "pki.identity");
    x = good();
    drop_names(x);
    put_names(x, two);
    refuse(x, "pki.identity");
    x = good();
    put_names(x, one); /* the extension twice, each with the same name */
    refuse(x, "pki.identity");
}

static void test_other_common_name(void **state)
{
    (void)state;
    static const char *const names[][2] = {{NULL, NULL}, {"四川", NULL}, {"四川省", "四川省"}, {"四川省", "广东省"}};
    for (size_t i = 0; i < array_count(names); i++) {
        X509 *x = good();
        X509_NAME *subject = X509_NAME_new();
        for (size_t n = 0; n < 2 && names[i][n] != NULL; n++)
            assert_int_equal(
                X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)names[i][n], -1, -1, 0),
                1);
        assert_int_equal(X509_set_subject_name(x, subject), 1);
        X509_NAME_free(subject);
        refuse(x, "pki.common-name");
    }
}

static void test_no_serial(void **state)
{
    (void)state;
    uint8_t raw[SERIAL_LONGEST + 1] = {1};
    BIGNUM *n = BN_bin2bn(raw, sizeof raw, NULL);
    ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(n, NULL);
    X509 *x = good();
    assert_int_equal(X509_set_serialNumber(x, serial), 1);
    refuse(x, "pki.serial");
    ASN1_INTEGER_free(serial);
    BN_free(n);

    serial = ASN1_INTEGER_new();
    assert_int_equal(ASN1_INTEGER_set_int64(serial, -4711), 1);
    x = good();
    assert_int_equal(X509_set_serialNumber(x, serial), 1);
    refuse(x, "pki.serial");
    ASN1_INTEGER_free(serial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_without_randomness),
        cmocka_unit_test(test_issue_without_randomness),
        cmocka_unit_test(test_root_of_no_date),
        cmocka_unit_test(test_init_refused),
        cmocka_unit_test(test_init_leaves_what_was_there),
        cmocka_unit_test(test_no_identity),
        cmocka_unit_test(test_other_common_name),
        cmocka_unit_test(test_no_serial),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
