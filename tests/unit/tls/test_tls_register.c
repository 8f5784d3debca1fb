/* An NNG that does not take our TLS engine (built for another version of its interface, say): no engine comes to be, so that no node
 * ever speaks to another one without it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nng/supplemental/tls/engine.h>

#include "tests/unit/tls/tls_rig.h"

/* Stands in front of NNG's. */
int nng_tls_engine_register(const nng_tls_engine *engine)
{
    assert_non_null(engine);
    return NNG_ENOTSUP;
}

static void test_refused(void **state)
{
    (void)state;
    struct pki_fixture fixture;
    struct pki_fixture_node own;
    struct rig_node n = {0};
    struct tls_engine *t = NULL;
    struct err e = {0};
    pki_fixture_open(&fixture);
    pki_fixture_issue(&fixture, "own", 510000, "四川省", -60, 3600, &own);
    struct tls_engine_options o = rig_options(&fixture, &own, &n);
    for (int i = 0; i < 2; i++) { /* the second time it is not asked again */
        assert_int_equal(tls_engine_create(&o, &t, &e), ERR_INTERNAL);
        assert_string_equal(e.id, "tls.register");
        assert_null(t);
    }
    pki_fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
