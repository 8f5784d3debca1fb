/* Buckets of the witness door: one address is stopped, another is not, and all together are. Time is what the test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/http/rate.h"

#define RATE 20u

/* How many of @count requests at @now_ms pass. */
static unsigned passed(struct rate *r, uint64_t client, unsigned count, uint64_t now_ms)
{
    unsigned ok = 0;
    for (unsigned i = 0; i < count; i++)
        ok += rate_pass(r, client, now_ms);
    return ok;
}

static void one_address_has_its_share(void **state)
{
    (void)state;
    struct rate *r = rate_create(RATE);
    uint64_t a = rate_client("\x7f\0\0\1", 4), b = rate_client("\x7f\0\0\2", 4);
    assert_int_equal(passed(r, a, 100, 5000), RATE);
    assert_int_equal(passed(r, b, 100, 5000), RATE); /* another one is served */
    assert_int_equal(passed(r, a, 100, 5000), 0);
    assert_int_equal(passed(r, a, 100, 5050), 1); /* 50 ms are worth one */
    assert_int_equal(passed(r, a, 1, 5099), 0);
    assert_int_equal(passed(r, a, 1, 5100), 1);
    assert_int_equal(passed(r, a, 100, 90000), RATE); /* a long pause is worth no more than a second */
    assert_int_equal(passed(r, a, 100, 80000), 0);    /* a clock that goes back gives nothing */
    rate_destroy(r);
}

static void all_together_have_ten_times_that(void **state)
{
    (void)state;
    struct rate *r = rate_create(RATE);
    unsigned ok = 0;
    for (uint32_t i = 0; i < 1000; i++)
        ok += rate_pass(r, rate_client(&i, sizeof i), 1000);
    assert_int_equal(ok, 10 * RATE);
    assert_int_equal(passed(r, rate_client("new", 3), 5, 1100), 5); /* 100 ms later: 20 more for all */
    rate_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_address_has_its_share),
        cmocka_unit_test(all_together_have_ten_times_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
