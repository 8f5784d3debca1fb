/* Goal: for each way in which two nodes can hold a case differently, the cause that is named. Method: a row per cause; entries by
 * author and index. Node 1 is this one, 2 the peer, 3 another. */
#include "node/reconcile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/xassert.h"

static uint64_t held(void *ctx, uint32_t origin)
{
    (void)ctx;
    return origin == 2 ? 20 : 30;
}

static const struct reconcile_progress progress = {.self = 1, .peer = 2, .acked = 10, .peer_held = 20, .held = held};

static struct reconcile_side side(const struct reconcile_entry *entries, size_t count, uint8_t digest)
{
    return (struct reconcile_side){.is_held = true, .digest = {digest}, .entries = entries, .entry_count = count};
}

static void test_entries(void **state)
{
    (void)state;
    static const struct {
        struct reconcile_entry here[4], there[4];
        size_t here_count, there_count;
        enum reconcile_cause cause;
        uint32_t origin;
        uint64_t first, last, count;
    } rows[] = {
        {{{1, 3, {0}, false}, {2, 4, {0}, false}},
         {{1, 3, {0}, false}, {2, 4, {0}, false}},
         2,
         2,
         RECONCILE_SETTLED,
         0,
         0,
         0,
         0},
        {{{1, 3, {0}, false}, {1, 11, {0}, false}, {1, 12, {0}, false}},
         {{1, 3, {0}, false}},
         3,
         1,
         RECONCILE_LAG_THERE,
         1,
         11,
         12,
         2},
        {{{1, 3, {0}, false}, {1, 9, {0}, false}}, {{1, 3, {0}, false}}, 2, 1, RECONCILE_LOST_THERE, 1, 9, 9, 1},
        {{{1, 3, {0}, false}},
         {{1, 3, {0}, false}, {2, 20, {0}, false}, {2, 25, {0}, false}},
         1,
         3,
         RECONCILE_LAG_HERE,
         2,
         20,
         25,
         2},
        {{{1, 3, {0}, false}}, {{1, 3, {0}, false}, {2, 19, {0}, false}}, 1, 2, RECONCILE_MISSING_HERE, 2, 19, 19, 1},
        {{{1, 3, {0}, false}}, {{1, 3, {0}, false}, {3, 29, {0}, false}}, 1, 2, RECONCILE_MISSING_HERE, 3, 29, 29, 1},
        {{{1, 3, {0}, false}}, {{1, 3, {0}, false}, {3, 30, {0}, false}}, 1, 2, RECONCILE_LAG_HERE, 3, 30, 30, 1},
        {{{1, 3, {0}, false}, {3, 1, {0}, false}}, {{1, 3, {0}, false}}, 2, 1, RECONCILE_THIRD_THERE, 3, 1, 1, 1},
        {{{1, 3, {0}, false}, {2, 4, {0}, false}}, {{1, 3, {0}, false}}, 2, 1, RECONCILE_DENIED, 2, 4, 4, 1},
        {{{1, 3, {0}, false}}, {{1, 3, {0}, false}, {1, 5, {0}, false}}, 1, 2, RECONCILE_OWN_UNKNOWN, 1, 5, 5, 1},
        {{{1, 3, {7}, false}}, {{1, 3, {8}, false}}, 1, 1, RECONCILE_FORK, 1, 3, 3, 1},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct reconcile_entry own[4];
        memcpy(own, rows[i].here, sizeof own);
        for (size_t k = 0; k < array_count(own); k++)
            own[k].is_addressed = true;
        struct reconcile_side here = side(own, rows[i].here_count, 0);
        struct reconcile_side there =
            side(rows[i].there, rows[i].there_count, rows[i].cause == RECONCILE_SETTLED ? 0 : 1);
        struct reconcile_finding found[RECONCILE_FINDINGS_MAX];
        size_t count = reconcile_judge(&here, &there, &progress, found);
        assert_int_equal(count, 1);
        if (found[0].cause != rows[i].cause)
            fail_msg("row %zu: %s", i, reconcile_cause_word(found[0].cause));
        assert_int_equal(found[0].origin, rows[i].origin);
        assert_int_equal(found[0].first, rows[i].first);
        assert_int_equal(found[0].last, rows[i].last);
        assert_int_equal(found[0].count, rows[i].count);
    }
}

static void test_state(void **state)
{
    (void)state;
    static const struct reconcile_entry one[] = {{1, 3, {0}, false}}, two[] = {{1, 3, {0}, false}, {1, 11, {0}, false}};
    struct reconcile_finding found[RECONCILE_FINDINGS_MAX];
    struct reconcile_side here = side(one, 1, 0), there = side(one, 1, 1);
    assert_int_equal(reconcile_judge(&here, &there, &progress, found), 1);
    assert_int_equal(found[0].cause, RECONCILE_FAULT);
    there.is_frozen = true;
    assert_int_equal(reconcile_judge(&here, &there, &progress, found), 1);
    assert_int_equal(found[0].cause, RECONCILE_FROZEN);
    here.has_unknown_rules = true;
    assert_int_equal(reconcile_judge(&here, &there, &progress, found), 1);
    assert_int_equal(found[0].cause, RECONCILE_RULES);
    there = side(one, 1, 0);
    there.row_differs = true;
    here = side(one, 1, 0);
    assert_int_equal(reconcile_judge(&here, &there, &progress, found), 1);
    assert_int_equal(found[0].cause, RECONCILE_ROW_THERE);
    here = side(two, 2, 0);
    here.row_differs = true;
    there = side(one, 1, 1);
    there.pending = 1;
    assert_int_equal(reconcile_judge(&here, &there, &progress, found), 3);
    assert_int_equal(found[0].cause, RECONCILE_ROW_HERE);
    assert_int_equal(found[1].cause, RECONCILE_LAG_THERE);
    assert_int_equal(found[2].cause, RECONCILE_PENDING);
}

/* What was never addressed to the side that lacks it is on its way, for that side asks for it: no loss, below the cursors too. */
static void test_joining(void **state)
{
    (void)state;
    static const struct reconcile_entry early[] = {{1, 3, {0}, false}, {1, 4, {0}, true}};
    static const struct reconcile_entry named[] = {{1, 4, {0}, true}, {2, 5, {0}, false}, {3, 29, {0}, false}};
    static const struct reconcile_entry theirs[] = {{2, 19, {0}, false}},
                                        coming[] = {{2, 19, {0}, false}, {3, 30, {0}, false}};
    struct reconcile_finding found[RECONCILE_FINDINGS_MAX];
    struct reconcile_side nothing = {0}, one = side(early + 1, 1, 0), here = side(early, 2, 0),
                          there = side(theirs, 1, 1);

    /* own entries: the peer asks for what it was not given */
    assert_int_equal(reconcile_judge(&here, &one, &progress, found), 1);
    assert_int_equal(found[0].cause, RECONCILE_LAG_THERE);
    assert_int_equal(found[0].last, 3);
    assert_int_equal(reconcile_judge(&here, &nothing, &progress, found), 2);
    assert_int_equal(found[1].cause, RECONCILE_LOST_THERE);
    assert_int_equal(found[1].first, 4);
    /* it shows nothing, not even its own entry, and a third node's may be what it waits for */
    here = side(named, 3, 0);
    assert_int_equal(reconcile_judge(&here, &nothing, &progress, found), 2);
    assert_int_equal(found[0].cause, RECONCILE_LAG_THERE);
    assert_int_equal(found[1].cause, RECONCILE_THIRD_THERE);

    /* an entry of the peer that is newer than its answer: nothing can be said yet, not even that a program is at fault */
    static const struct reconcile_entry newer[] = {{1, 3, {0}, true}, {2, 20, {0}, false}};
    here = side(newer, 2, 0);
    there = side(newer, 1, 1);
    assert_int_equal(reconcile_judge(&here, &there, &progress, found), 1);
    assert_int_equal(found[0].cause, RECONCILE_SETTLED);
    there = side(theirs, 1, 1);

    /* entries of the peer: this node asks, or does not know yet that it takes part */
    here = side(NULL, 0, 0);
    assert_int_equal(reconcile_judge(&here, &there, &progress, found), 1);
    assert_int_equal(found[0].cause, RECONCILE_MISSING_HERE);
    here.is_joining = true;
    assert_int_equal(reconcile_judge(&here, &there, &progress, found), 1);
    assert_int_equal(found[0].cause, RECONCILE_LAG_HERE);
    assert_int_equal(reconcile_judge(&nothing, &there, &progress, found), 1);
    assert_int_equal(found[0].cause, RECONCILE_MISSING_HERE);
    there = side(coming, 2, 1);
    assert_int_equal(reconcile_judge(&nothing, &there, &progress, found), 2);
    assert_int_equal(found[0].cause, RECONCILE_LAG_HERE);
    assert_int_equal(found[1].cause, RECONCILE_LAG_HERE);
    here.is_joining = false;
    assert_int_equal(reconcile_judge(&here, &there, &progress, found), 2);
    assert_int_equal(found[0].cause, RECONCILE_MISSING_HERE);
}

/* Whatever two lists hold: no more findings than fit, never none. */
static void test_bound(void **state)
{
    (void)state;
    struct reconcile_entry here[40], there[40];
    struct reconcile_finding found[RECONCILE_FINDINGS_MAX];
    for (uint32_t i = 0; i < array_count(here); i++) {
        here[i] = (struct reconcile_entry){.origin = i * 2 + 1, .index = i};
        there[i] = (struct reconcile_entry){.origin = i * 2 + 2, .index = i};
    }
    struct reconcile_side a = side(here, array_count(here), 0), b = side(there, array_count(there), 1), none = {0};
    assert_int_equal(reconcile_judge(&a, &b, &progress, found), RECONCILE_FINDINGS_MAX);
    assert_int_equal(reconcile_judge(&none, &none, &progress, found), 1);
}

static void test_sum(void **state)
{
    (void)state;
    struct reconcile_row x = {.case_id = {1}, .digest = {2}}, y = {.case_id = {3}, .digest = {4}};
    uint8_t a[RECONCILE_SUM_SIZE] = {0}, b[RECONCILE_SUM_SIZE] = {0}, zero[RECONCILE_SUM_SIZE] = {0};
    reconcile_sum_add(a, &x);
    reconcile_sum_add(a, &y);
    reconcile_sum_add(b, &y);
    assert_memory_not_equal(a, b, sizeof a);
    reconcile_sum_add(b, &x);
    assert_memory_equal(a, b, sizeof a);
    reconcile_sum_add(b, &x);
    reconcile_sum_add(b, &y);
    assert_memory_equal(b, zero, sizeof b);
    struct buf out = {0};
    struct reconcile_row back;
    x.events = 7;
    reconcile_row_put(&out, &x);
    assert_int_equal(out.size, 52);
    reconcile_row_get(out.data, &back);
    assert_memory_equal(&back, &x, sizeof x);
    buf_close(&out);
}

/* ---- answers ---- */

/* Own rows with ids 10, 20, … 60, digest = id; ranges up to 30 and up to 255. */
struct rig {
    uint8_t after[RECONCILE_ID_SIZE];
    struct reconcile_row rows[6];
    uint8_t ranges[2 * 52];
    size_t range_rows[2];
    struct reconcile_stretch stretch;
    uint8_t suspects[16];
    size_t suspect_count;
};

static void suspect_cb(void *ctx, const uint8_t case_id[RECONCILE_ID_SIZE])
{
    struct rig *r = ctx;
    assert_true(r->suspect_count < array_count(r->suspects));
    r->suspects[r->suspect_count++] = case_id[0];
}

static void rig_init(struct rig *r)
{
    *r = (struct rig){.range_rows = {3, 6}};
    for (size_t i = 0; i < array_count(r->rows); i++) {
        r->rows[i].case_id[0] = (uint8_t)(10 * (i + 1));
        r->rows[i].digest[0] = r->rows[i].case_id[0];
    }
    r->ranges[0] = 30;
    memset(r->ranges + 52, 0xff, RECONCILE_ID_SIZE);
    r->stretch = (struct reconcile_stretch){
        .after = r->after, .ranges = r->ranges, .range_rows = r->range_rows, .range_count = 2, .rows = r->rows};
}

/* @rows: pairs of id and digest, ended by a zero id. Cases found are in r->suspects. */
static const char *compare(struct rig *r, uint8_t up_to, struct bytes differing, const uint8_t *rows)
{
    struct buf records = {0};
    uint8_t end[RECONCILE_ID_SIZE];
    memset(end, up_to == 0xff ? 0xff : 0, sizeof end);
    end[0] = up_to;
    for (; rows[0] != 0; rows += 2) {
        struct reconcile_row row = {.case_id = {rows[0]}, .digest = {rows[1]}};
        reconcile_row_put(&records, &row);
    }
    rig_init(r);
    const char *wrong = reconcile_compare(&r->stretch, end, differing, buf_bytes(&records), suspect_cb, r);
    buf_close(&records);
    return wrong;
}

static void test_compare(void **state)
{
    (void)state;
    struct rig r;
    static const uint8_t both[] = {0, 1}, none[] = {0};
    assert_null(compare(&r, 0xff, bytes_of(NULL, 0), none));
    assert_int_equal(r.suspect_count, 0);
    /* 20 is another, 25 only there, 30 only here */
    static const uint8_t first[] = {10, 10, 20, 21, 25, 25, 0};
    assert_null(compare(&r, 0xff, bytes_of(both, 1), first));
    assert_int_equal(r.suspect_count, 3);
    assert_memory_equal(r.suspects, ((uint8_t[]){20, 25, 30}), 3);
    /* the answer ends inside of the second range: 50 and 60 are not judged */
    static const uint8_t second[] = {40, 40, 0};
    assert_null(compare(&r, 45, bytes_of(both + 1, 1), second));
    assert_int_equal(r.suspect_count, 0);
    static const uint8_t whole[] = {10, 10, 20, 20, 30, 30, 40, 40, 50, 50, 60, 60, 0};
    assert_null(compare(&r, 0xff, bytes_of(both, 2), whole));
    assert_int_equal(r.suspect_count, 0);
    assert_null(compare(&r, 0xff, bytes_of(both, 2), none));
    assert_int_equal(r.suspect_count, 6);
}

/* A peer that does not keep to the rules is found out, or learns nothing and stops nothing. */
static void test_hostile_answers(void **state)
{
    (void)state;
    struct rig r;
    static const uint8_t both[] = {0, 1}, third[] = {2}, none[] = {0};
    static const uint8_t in_first[] = {10, 10, 0}, in_second[] = {40, 40, 0}, beyond[] = {40, 40, 50, 50, 0};
    assert_non_null(compare(&r, 0, bytes_of(NULL, 0), none));         /* no progress: would be asked for ever */
    assert_non_null(compare(&r, 0xff, bytes_of(third, 1), none));     /* a range that is none */
    assert_non_null(compare(&r, 0xff, bytes_of(NULL, 0), in_first));  /* rows of no range */
    assert_non_null(compare(&r, 0xff, bytes_of(both, 1), in_second)); /* rows of the other range */
    assert_non_null(compare(&r, 0xff, bytes_of(both + 1, 1), in_first));
    assert_non_null(compare(&r, 45, bytes_of(both + 1, 1), beyond)); /* rows behind its own end */
    uint8_t end[RECONCILE_ID_SIZE] = {31};
    rig_init(&r);
    r.stretch.range_count = 1;
    assert_non_null(
        reconcile_compare(&r.stretch, end, bytes_of(NULL, 0), bytes_of(NULL, 0), suspect_cb, &r)); /* more */
}

static void test_daily(void **state)
{
    (void)state;
    static const struct {
        uint64_t day, ms, last_day;
        bool is_due;
    } rows[] = {
        {20000, 7199999, 19999, false},  {20000, 7200000, 19999, true},  {20000, 7200000, 20000, false},
        {20000, 86399999, 20000, false}, {20001, 7199999, 20000, false}, {20003, 7200000, 20000, true},
        {20000, 7200000, 20003, true}, /* the clock was three days ahead and is right again */
        {20000, 7199999, 20003, false},
    };
    for (size_t i = 0; i < array_count(rows); i++)
        assert_int_equal(reconcile_is_due(rows[i].day * RECONCILE_DAY_MS + rows[i].ms, 7200000, rows[i].last_day),
                         rows[i].is_due);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),         cmocka_unit_test(test_state), cmocka_unit_test(test_joining),
        cmocka_unit_test(test_bound),           cmocka_unit_test(test_sum),   cmocka_unit_test(test_compare),
        cmocka_unit_test(test_hostile_answers), cmocka_unit_test(test_daily),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
