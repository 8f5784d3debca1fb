/* The progress of a long backlog: when it is told, and what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "node/catch_up.h"

static void a_small_backlog_is_not_told(void **state)
{
    (void)state;
    struct catch_up c = {0};
    assert_int_equal(catch_up_note(&c, 5, 1000, 1000 + CATCH_UP_MIN - 1, 9), CATCH_UP_NOTHING);
    assert_int_equal(catch_up_note(&c, 6, 2000, 1500, 9), CATCH_UP_NOTHING); /* ahead of the last checkpoint seen */
    assert_false(c.is_active);
    assert_int_equal(catch_up_seconds_left(&c), 0);
}

static void a_long_one_is(void **state)
{
    (void)state;
    struct catch_up c = {0};
    char text[200];
    assert_int_equal(catch_up_note(&c, 1000, 4000, 1004000, 4000), CATCH_UP_BEGAN);
    assert_int_equal(catch_up_leaves_per_s(&c), 0);
    assert_int_equal(catch_up_seconds_left(&c), 0);
    assert_int_equal(catch_up_note(&c, 6000, 54000, 1004000, 20000), CATCH_UP_NOTHING);
    assert_int_equal(catch_up_note(&c, 11000, 104000, 1004000, 20000), CATCH_UP_GOES_ON);
    assert_int_equal(catch_up_leaves_per_s(&c), 10000);
    assert_int_equal(catch_up_entries_per_s(&c), 4000);
    assert_int_equal(catch_up_seconds_left(&c), 91);
    catch_up_text(&c, text, sizeof text);
    assert_string_equal(text, "entry 104000 of 1004000 (10 %), 10000 leaves and 4000 entries for this node a second, "
                              "about 91 s left");
    assert_int_equal(catch_up_note(&c, 12000, 114000, 1004000, 1), CATCH_UP_NOTHING); /* not every batch */
    assert_int_equal(catch_up_note(&c, 21000, 1004000 - CATCH_UP_DONE + 1, 1004000, 1), CATCH_UP_OVER);
    assert_false(c.is_active);
    assert_int_equal(catch_up_note(&c, 22000, 1004000, 1004000, 1), CATCH_UP_NOTHING);
}

static void it_begins_anew(void **state)
{
    (void)state;
    struct catch_up c = {0};
    assert_int_equal(catch_up_note(&c, 0, 0, 50000, 4000), CATCH_UP_BEGAN);
    catch_up_stop(&c);
    assert_int_equal(catch_up_note(&c, 900000, 4000, 50000, 4000), CATCH_UP_BEGAN);
    assert_int_equal(c.from, 4000);
    assert_int_equal(catch_up_note(&c, 900000, 8000, 50000, 4000),
                     CATCH_UP_NOTHING); /* no time has passed: no division by 0 */
    assert_true(catch_up_seconds_left(&c) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_small_backlog_is_not_told), cmocka_unit_test(a_long_one_is),
                                       cmocka_unit_test(it_begins_anew)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
