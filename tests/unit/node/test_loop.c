/* node/loop on a machine that has no descriptors left: it says so, and comes to be when there are enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "node/loop.h"
#include "tests/lib/descriptors.h"

#define MORE_MAX 12 /* descriptors that a loop can want */

static void stop(void *ctx)
{
    loop_stop(ctx);
}

static void test_no_descriptors(void **state)
{
    (void)state;
    struct loop *l = NULL;
    unsigned refused = 0;
    assert_int_equal(loop_create(&l, NULL), 0); /* libuv's own two, once for the process: without them it aborts */
    loop_destroy(l);
    l = NULL;
    for (rlim_t more = 0; l == NULL && more < MORE_MAX; more++) {
        struct err e = {0};
        descriptors_limit(more);
        int rc = loop_create(&l, &e);
        descriptors_limit(RLIM_INFINITY);
        if (rc == 0)
            break;
        assert_int_equal(rc, ERR_IO);
        assert_string_equal(e.id, "loop.init");
        assert_null(l);
        refused++;
    }
    assert_true(refused >= 2); /* the poll and the bell */
    assert_non_null(l);
    struct loop_timer *t = loop_timer_create(l, stop, l);
    loop_timer_set(t, 0);
    loop_run(l);
    loop_timer_destroy(t);
    loop_drain(l);
    loop_destroy(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_descriptors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
