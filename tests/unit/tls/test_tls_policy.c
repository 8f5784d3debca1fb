/* A machine whose OpenSSL is told to take only stronger keys than a node has (openssl.cnf of the system): the engine is not made, and the
 * error names the certificate. A program of its own, because OpenSSL reads its settings once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "node/base/file.h"
#include "tests/unit/tls/tls_rig.h"

static struct pki_fixture fixture;

static void test_stronger_policy(void **state)
{
    (void)state;
    struct pki_fixture_node own;
    struct rig_node n = {0};
    struct tls_engine *t = NULL;
    struct err e = {0};
    pki_fixture_issue(&fixture, "own", 510000, "四川省", -60, 3600, &own);
    struct tls_engine_options o = rig_options(&fixture, &own, &n);
    assert_int_equal(tls_engine_create(&o, &t, &e), ERR_INVALID);
    assert_string_equal(e.id, "trust.own");
    assert_non_null(strstr(e.message, own.cert_path));
    assert_null(t);
}

int main(void)
{
    static const char policy[] = "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = policy\n"
                                 "[policy]\nCipherString = DEFAULT@SECLEVEL=5\n";
    char path[] = "/tmp/tongban-policy-XXXXXX";
    struct err e = {0};
    int fd = mkstemp(path);
    xassert(fd >= 0);
    close(fd);
    int rc = file_write(path, bytes_of_string(policy), 0600, false, &e);
    xassert(rc == 0);
    rc = setenv("OPENSSL_CONF", path, 1);
    xassert(rc == 0);
    crypto_init();
    pki_fixture_open(&fixture);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stronger_policy)};
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    pki_fixture_close(&fixture);
    (void)unlink(path);
    return rc;
}
