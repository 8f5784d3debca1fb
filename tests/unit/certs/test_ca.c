/* The CA's folder: issue, revoke, CRL, register; and what it refuses. What it makes is judged by the openssl program where
 * one is installed, so that two implementations agree on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/ca.h"
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

static struct ca *open_ca(void)
{
    char dir[PKI_FIXTURE_PATH_SIZE];
    struct err e = {0};
    struct ca *ca = NULL;
    pki_fixture_path(&fixture, "ca", dir);
    assert_int_equal(ca_open(dir, &ca, &e), 0);
    return ca;
}

/* Whether `sh -c @command`, run in the fixture's folder, ends well. */
static bool shell(const char *command)
{
    char whole[1024];
    (void)snprintf(whole, sizeof whole, "cd %s && { %s; } >/dev/null 2>&1", fixture.dir, command);
    return system(whole) == 0;
}

static void test_init(void **state)
{
    (void)state;
    char dir[PKI_FIXTURE_PATH_SIZE], path[PKI_FIXTURE_PATH_SIZE];
    struct err e = {0};
    struct stat st;
    static const char *const secret[] = {"ca/ca.key", "ca/federation.key"};
    for (size_t i = 0; i < array_count(secret); i++) {
        pki_fixture_path(&fixture, secret[i], path);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    pki_fixture_path(&fixture, "ca", dir);
    assert_int_equal(ca_init(dir, "other.example", 1000, 2000, NULL, &e), ERR_CONFLICT);
    struct ca *ca = open_ca(); /* as it was */
    assert_string_equal(ca_federation(ca), PKI_FIXTURE_FEDERATION);

    struct ca *second = NULL;
    assert_int_equal(ca_open(dir, &second, &e), ERR_BUSY);
    assert_null(second);
    ca_close(ca);
    pki_fixture_path(&fixture, "new", dir);
    assert_int_equal(ca_init(dir, "Not A Name", 1000, 2000, NULL, &e), ERR_INVALID);
    assert_int_equal(ca_init(dir, "a.example", 2000, 2000, NULL, &e), ERR_INVALID);
    assert_int_not_equal(access(dir, F_OK), 0); /* nothing was made */
    assert_int_equal(ca_open(dir, &ca, &e), ERR_NOT_FOUND);
}

static void test_issue(void **state)
{
    (void)state;
    struct pki_fixture_node node, renewed;
    struct pki_cert cert;
    struct err e = {0};
    pki_fixture_issue(&fixture, "sichuan", 510000, "四川省", -10, 1000, &node);
    assert_int_equal(pki_cert_load(node.cert_path, &cert, &e), 0);
    assert_string_equal(cert.node.federation, PKI_FIXTURE_FEDERATION);
    assert_int_equal(cert.node.code, 510000);
    assert_string_equal(cert.node.name, "四川省");
    assert_string_equal(cert.serial, node.serial);
    assert_int_equal(strlen(cert.serial), 32);
    assert_int_equal(cert.not_before_s, fixture.now_s - 10);
    assert_int_equal(cert.not_after_s, fixture.now_s + 1000);

    /* Longer than the CA itself is cut; serials differ. */
    pki_fixture_issue(&fixture, "sichuan", 510000, "四川省", -10, 365 * 86400, &renewed);
    assert_int_equal(pki_cert_load(renewed.cert_path, &cert, &e), 0);
    assert_int_equal(cert.not_after_s, fixture.now_s + 86400);
    assert_string_not_equal(renewed.serial, node.serial);

    if (shell("command -v openssl")) {
        assert_true(shell("openssl verify -x509_strict -purpose sslserver -CAfile ca/ca.pem sichuan.pem"));
        assert_true(shell("openssl verify -x509_strict -purpose sslclient -CAfile ca/ca.pem sichuan.pem"));
        assert_true(shell("openssl verify -verify_hostname localhost -verify_ip ::1 -CAfile ca/ca.pem sichuan.pem"));
        assert_true(shell("openssl x509 -in sichuan.pem -noout -ext subjectAltName | grep -q "
                          "'URI:tongban://tongban.example/node/510000?name=%E5%9B%9B%E5%B7%9D%E7%9C%81'"));
        assert_false(shell("openssl verify -purpose sslclient -CAfile sichuan.pem ca/ca.pem"));
    }
}

static void test_issue_refused(void **state)
{
    (void)state;
    static const char *const bad_host[] = {"a b"}, *const many[CERT_HOSTS_MAX + 1] = {"a", "a", "a"};
    char key_path[PKI_FIXTURE_PATH_SIZE];
    struct err e = {0};
    struct buf csr = {0}, broken = {0}, pem = {0};
    char serial[PKI_SERIAL_TEXT_SIZE] = "untouched";
    pki_fixture_path(&fixture, "refused.key", key_path);
    assert_int_equal(keystore_create_tls_key(key_path, &e), 0);
    assert_int_equal(keystore_request(key_path, &csr, &e), 0);
    buf_put(&broken, csr.data, csr.size);
    (void)buf_cstr(&broken);                              /* strstr() wants its NUL */
    char *body = strstr((char *)broken.data, "\n") + 130; /* in the signature: key and structure stay whole */
    *body = *body == 'A' ? 'B' : 'A';

    const uint64_t from = fixture.now_s, to = fixture.now_s + 100;
    const struct bytes good = buf_bytes(&csr);
    struct buf huge = {0};
    while (huge.size <= PEM_FILE_BYTES_MAX)
        buf_put_string(&huge, "filler\n");
    const struct {
        struct ca_request r;
        int code;
        const char *id;
    } table[] = {
        {{99, "四川省", NULL, 0, from, to, good}, ERR_INVALID, "pki.node-code"},
        {{510000, "四川 省", NULL, 0, from, to, good}, ERR_INVALID, "pki.node-name-char"},
        {{510000, "", NULL, 0, from, to, good}, ERR_INVALID, "pki.node-name-size"},
        {{510000, "四川省", bad_host, 1, from, to, good}, ERR_INVALID, "pki.host"},
        {{510000, "四川省", many, CERT_HOSTS_MAX + 1, from, to, good}, ERR_LIMIT, "ca.hosts"},
        {{510000, "四川省", NULL, 0, to, from, good}, ERR_INVALID, "ca.validity"},
        {{510000, "四川省", NULL, 0, from, from, good}, ERR_INVALID, "ca.validity"},
        {{510000, "四川省", NULL, 0, from + 10 * 86400, to + 11 * 86400, good}, ERR_INVALID, "ca.expired"},
        {{510000, "四川省", NULL, 0, from, to, bytes_of_string("garbage")}, ERR_INVALID, "ca.request"},
        {{510000, "四川省", NULL, 0, from, to, buf_bytes(&huge)}, ERR_LIMIT, "ca.request-size"},
    };
    struct ca *ca = open_ca();
    size_t before = ca_list(ca)->count;
    for (size_t i = 0; i < array_count(table); i++) {
        int rc = ca_issue(ca, &table[i].r, &pem, serial, &e);
        if (rc != table[i].code || strcmp(e.id, table[i].id) != 0)
            fail_msg("row %zu: %d %s: %s", i, rc, e.id, e.message);
    }
    struct ca_request r = {510000, "四川省", NULL, 0, from, to, buf_bytes(&broken)};
    int rc = ca_issue(ca, &r, &pem, serial, &e);
    assert_true(rc == ERR_VERIFY || rc == ERR_INVALID); /* whichever part of it the changed byte hit */
    assert_int_equal(pem.size, 0);
    assert_string_equal(serial, "untouched");
    assert_int_equal(ca_list(ca)->count, before);
    ca_close(ca);
    buf_close(&csr);
    buf_close(&broken);
    buf_close(&huge);
}

static void test_revoke(void **state)
{
    (void)state;
    struct pki_fixture_node kept, gone;
    struct err e = {0};
    pki_fixture_issue(&fixture, "kept", 440000, "广东省", -10, 1000, &kept);
    pki_fixture_issue(&fixture, "gone", 450000, "广西壮族自治区", -10, 1000, &gone);
    struct ca *ca = open_ca();
    uint64_t number = ca_list(ca)->crl_number;
    assert_int_equal(ca_revoke(ca, gone.serial, CA_INDEX_KEY_COMPROMISE, fixture.now_s, &e), 0);
    assert_int_equal(ca_list(ca)->crl_number, number + 1);
    assert_int_equal(ca_revoke(ca, gone.serial, CA_INDEX_SUPERSEDED, fixture.now_s, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.message, "key-compromise"));
    assert_int_equal(ca_revoke(ca, "00", CA_INDEX_SUPERSEDED, fixture.now_s, &e), ERR_NOT_FOUND);
    ca_close(ca);

    /* The register remembers across opening. */
    ca = open_ca();
    bool is_found = false;
    for (size_t i = 0; i < ca_list(ca)->count; i++) {
        const struct ca_index_entry *entry = &ca_list(ca)->entries[i];
        if (strcmp(entry->serial, gone.serial) == 0) {
            is_found = true;
            assert_int_equal(entry->revoked_s, fixture.now_s);
            assert_int_equal(entry->reason, CA_INDEX_KEY_COMPROMISE);
            assert_string_equal(entry->name, "广西壮族自治区");
        } else if (strcmp(entry->serial, kept.serial) == 0) {
            assert_int_equal(entry->revoked_s, 0);
        }
    }
    assert_true(is_found);
    ca_close(ca);

    if (shell("command -v openssl")) {
        assert_true(shell("openssl crl -in ca/crl.pem -noout -CAfile ca/ca.pem"));
        assert_true(shell("openssl verify -crl_check -CAfile ca/ca.pem -CRLfile ca/crl.pem kept.pem"));
        assert_false(shell("openssl verify -crl_check -CAfile ca/ca.pem -CRLfile ca/crl.pem gone.pem"));
        assert_true(shell("openssl crl -in ca/crl.pem -noout -text | grep -q 'Key Compromise'"));
    }
}

/* An expired certificate leaves the CRL after 30 days, not before. */
static void test_crl_forgets_expired(void **state)
{
    (void)state;
    struct pki_fixture_node old;
    struct err e = {0};
    char command[160];
    if (!shell("command -v openssl"))
        skip();
    pki_fixture_issue(&fixture, "old", 110000, "北京市", -10, 100, &old);
    pki_fixture_revoke(&fixture, &old);
    (void)snprintf(command, sizeof command, "openssl crl -in ca/crl.pem -noout -text | grep -qi 'serial number: %s'",
                   old.serial);
    struct ca *ca = open_ca();
    const uint64_t end_s = fixture.now_s + 100, keep_s = 30u * 86400;
    assert_int_equal(ca_write_crl(ca, end_s + keep_s - 1, 100, &e), 0);
    assert_true(shell(command));
    assert_int_equal(ca_write_crl(ca, end_s + keep_s, 100, &e), 0);
    assert_false(shell(command));
    ca_close(ca);
}

static void test_index_refused(void **state)
{
    (void)state;
#define HEAD "tongban-ca-index/v1\ncrl 1\n"
#define GOOD "40aa 510000 四川省 1 2 - -\n"
    static const struct {
        const char *text;
        const char *says;
    } table[] = {
        {"", "no header"},
        {"tongban-ca-index/v1\n", "no header"},
        {"tongban-ca-index/v2\ncrl 1\n", "line 1"},
        {"tongban-ca-index/v1\ncrl x\n", "line 2"},
        {"tongban-ca-index/v1\ncrl \n", "line 2"},
        {HEAD "40aa 510000 四川省 1 2 - -", "ends within line 3"},
        {HEAD GOOD "\n", "line 4"},
        {HEAD GOOD GOOD, "stands twice"},
        {HEAD "40a 510000 四川省 1 2 - -\n", "line 3"},
        {HEAD "40aa 51000 四川省 1 2 - -\n", "line 3"},
        {HEAD "40aa 510000 四川省 1 2 -\n", "line 3"},
        {HEAD "40aa 510000 四川省 1 2 - - -\n", "line 3"},
        {HEAD "40aa 510000 四川省  1 2 - -\n", "line 3"},
        {HEAD "40aa 510000 四川省 1 2 3 -\n", "line 3"},
        {HEAD "40aa 510000 四川省 1 2 3 because\n", "line 3"},
        {HEAD "40aa 510000 四川省 1 2 0 superseded\n", "line 3"},
        {HEAD "40aa 510000 四川省 1 2 - superseded\n", "line 3"},
        {HEAD "40aa 510000 四川省 -1 2 - -\n", "line 3"},
        {HEAD "40aa 510000 四川省 1 18446744073709551616 - -\n", "line 3"},
    };
    char path[PKI_FIXTURE_PATH_SIZE];
    struct err e = {0};
    pki_fixture_path(&fixture, "register", path);
    for (size_t i = 0; i < array_count(table); i++) {
        struct ca_index index = {0};
        assert_int_equal(file_write(path, bytes_of_string(table[i].text), 0600, false, &e), 0);
        int rc = ca_index_load(&index, path, &e);
        if (rc != ERR_CORRUPT || strstr(e.message, table[i].says) == NULL || index.count != 0)
            fail_msg("row %zu: %d %s", i, rc, e.message);
    }

    struct ca_index index = {0};
    static const char whole[] = HEAD GOOD "40ab 650000 新疆 1 2 3 superseded\n";
    assert_int_equal(file_write(path, bytes_of_string(whole), 0600, false, &e), 0);
    assert_int_equal(ca_index_load(&index, path, &e), 0);
    assert_int_equal(index.count, 2);
    assert_int_equal(ca_index_store(&index, path, &e), 0);
    struct buf again;
    assert_int_equal(file_read(path, 10000, &again, &e), 0);
    assert_string_equal(buf_cstr(&again), whole);
    buf_close(&again);
    ca_index_close(&index);
}

/* A full register, its lines as long as they can be and every certificate revoked: the CRL still gets out. One more certificate
 * is not issued. */
static void test_full_register(void **state)
{
    (void)state;
    char dir[PKI_FIXTURE_PATH_SIZE], path[PKI_FIXTURE_PATH_SIZE], serial[PKI_SERIAL_TEXT_SIZE];
    struct err e = {0};
    struct buf text, csr = {0}, pem = {0};
    struct ca *ca = NULL;
    pki_fixture_path(&fixture, "full", dir);
    assert_int_equal(ca_init(dir, "full.example", fixture.now_s, fixture.now_s + 1000, NULL, &e), 0);
    buf_init(&text, CA_INDEX_BYTES_MAX);
    buf_put_string(&text, "tongban-ca-index/v1\ncrl 1\n");
    for (unsigned i = 0; i < CA_ENTRIES_MAX; i++) {
        buf_printf(&text, "f%039x 510000 ", i);
        for (unsigned k = 0; k < NODE_NAME_BYTES_MAX / 3; k++)
            buf_put_string(&text, "省");
        buf_put_string(&text, " 18446744073709551615 253402300799 4102444800 key-compromise\n");
    }
    pki_fixture_path(&fixture, "full/issued", path);
    assert_int_equal(file_write(path, buf_bytes(&text), 0600, false, &e), 0);
    assert_int_equal(ca_open(dir, &ca, &e), 0);
    assert_int_equal(ca_list(ca)->count, CA_ENTRIES_MAX);
    assert_int_equal(ca_write_crl(ca, fixture.now_s, CA_CRL_VALID_S, &e), 0);
    buf_close(&text);
    pki_fixture_path(&fixture, "full/crl.pem", path);
    assert_int_equal(file_read(path, CRL_FILE_BYTES_MAX, &text, &e), 0);
    assert_true(text.size > (size_t)CA_ENTRIES_MAX * 50); /* all of them are in it */

    pki_fixture_path(&fixture, "full.key", path);
    assert_int_equal(keystore_create_tls_key(path, &e), 0);
    assert_int_equal(keystore_request(path, &csr, &e), 0);
    struct ca_request r = {510000, "四川省", NULL, 0, fixture.now_s, fixture.now_s + 100, buf_bytes(&csr)};
    assert_int_equal(ca_issue(ca, &r, &pem, serial, &e), ERR_LIMIT);
    assert_string_equal(e.id, "ca.entries");
    assert_int_equal(pem.size, 0);
    ca_close(ca);
    buf_close(&text);
    buf_close(&csr);
    buf_close(&pem);
}

static void test_reasons(void **state)
{
    (void)state;
    enum ca_index_reason reason = CA_INDEX_UNSPECIFIED;
    struct err e = {0};
    assert_int_equal(ca_index_reason_parse("cessation", &reason, &e), 0);
    assert_int_equal(reason, CA_INDEX_CESSATION);
    assert_string_equal(ca_index_reason_text(CA_INDEX_KEY_COMPROMISE), "key-compromise");
    assert_int_equal(ca_index_reason_parse("whim", &reason, &e), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_issue),
        cmocka_unit_test(test_issue_refused),
        cmocka_unit_test(test_revoke),
        cmocka_unit_test(test_crl_forgets_expired),
        cmocka_unit_test(test_index_refused),
        cmocka_unit_test(test_full_register),
        cmocka_unit_test(test_reasons),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
