/* Goal: each rule of routing leaves out what it should, by name; the smallest division and lowest level decide in any order of
 * the candidates; abolished divisions lead to a current one. Method: tables, each rule named with its source; random candidates
 * against a naive choice; every historic code of the shipped table. */
#include "catalog/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "catalog/item.h"
#include "catalog/region.h"
#include "node/base/division.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"

#define DATA TEST_SOURCE_DIR "/catalog/data/"

static struct catalog_item make(const char *code, uint32_t division, uint32_t level)
{
    return (struct catalog_item){.code = code, .division = division, .level = level, .status = CATALOG_STATUS_IN_USE};
}

static void test_rules(void **state)
{
    (void)state;
    struct catalog_item items[8] = {
        make("P", 510000, 2), make("C", 510100, 3), make("D", 510104, 4), make("E", 510105, 4),
        make("F", 510104, 3), make("G", 510104, 4), make("H", 510104, 4), make("I", 440000, 2),
    };
    items[5].status = CATALOG_STATUS_PAUSED;
    items[6].valid_to = 20251231;
    static const struct {
        struct route_question q;
        const char *code;
        const char *left_out[8]; /* rule of each; NULL: it decides */
    } rows[] = {
        {{510104, 20261124, 0}, "D", {"longest", "longest", NULL, "division", "lowest", "in-use", "valid", "division"}},
        {{510104, 20251231, 0},
         "D",
         {"longest", "longest", NULL, "division", "lowest", "in-use", "lowest", "division"}},
        {{510104, 20261124, 3}, "F", {"level", "longest", "level", "level", NULL, "in-use", "valid", "level"}},
        {{510104, 20261124, 2}, "P", {NULL, "level", "level", "level", "level", "in-use", "valid", "division"}},
        {{510106, 20261124, 0},
         "C",
         {"longest", NULL, "division", "division", "division", "in-use", "valid", "division"}},
        {{510700, 20261124, 0},
         "P",
         {NULL, "division", "division", "division", "division", "in-use", "valid", "division"}},
        {{330000, 20261124, 0},
         NULL,
         {"division", "division", "division", "division", "division", "in-use", "valid", "division"}},
        {{510104, 20261124, 5}, NULL, {"level", "level", "level", "level", "level", "in-use", "valid", "level"}},
    };
    static const char *const sources[] = {"事项状态 (GB/T 39554)",
                                          "计划生效日期, 计划取消日期 (GB/T 39554)",
                                          "行使层级 (GB/T 39554)",
                                          "国办发〔2020〕35号: 业务属地",
                                          "own",
                                          "own"};
    bool tested[6] = {false};
    assert_int_equal(route_rule_count, array_count(sources));
    for (size_t i = 0; i < array_count(rows); i++) {
        const struct catalog_item *candidates[8];
        const struct route_rule *left_out[8];
        for (size_t n = 0; n < 8; n++)
            candidates[n] = &items[n];
        size_t best = route_decide(&rows[i].q, candidates, 8, left_out);
        assert_int_equal(best == 8, rows[i].code == NULL);
        if (best < 8)
            assert_string_equal(items[best].code, rows[i].code);
        for (size_t n = 0; n < 8; n++) {
            if (rows[i].left_out[n] == NULL) {
                assert_null(left_out[n]);
                continue;
            }
            if (left_out[n] == NULL || strcmp(left_out[n]->id, rows[i].left_out[n]) != 0)
                print_error("row %zu, candidate %s: %s\n", i, items[n].code,
                            left_out[n] == NULL ? "-" : left_out[n]->id);
            assert_non_null(left_out[n]);
            assert_string_equal(left_out[n]->id, rows[i].left_out[n]);
            tested[left_out[n] - route_rules] = true;
        }
    }
    for (size_t i = 0; i < route_rule_count; i++) {
        assert_true(tested[i]);
        assert_string_equal(route_rules[i].source, sources[i]);
    }
}

static void test_any_order(void **state)
{
    (void)state;
    static const uint32_t divisions[] = {510000, 510100, 510104, 510700, 440000, 440300};
    static const char *const codes[] = {"A", "B", "C", "D", "E", "F", "G", "H"};
    struct prng g;
    prng_init(&g, 11);
    for (int round = 0; round < 2000; round++) {
        struct catalog_item items[8];
        const struct catalog_item *candidates[8];
        const struct route_rule *left_out[8];
        const char *expected = NULL;
        uint64_t best_rank = 0;
        struct route_question q = {divisions[prng_below(&g, 6)], 20260101, (uint32_t)prng_below(&g, 3)};
        for (size_t i = 0; i < 8; i++) {
            items[i] = make(codes[i], divisions[prng_below(&g, 6)], (uint32_t)prng_below(&g, 4) + 1);
            if (prng_below(&g, 5) == 0)
                items[i].valid_from = 20260102;
            candidates[i] = &items[i];
            uint64_t rank = (uint64_t)(region_level_of(items[i].division) + 1) * 1000 + items[i].level * 10;
            bool fits = items[i].valid_from == 0 && (q.level == 0 || q.level == items[i].level) &&
                        division_contains(items[i].division, q.division);
            if (fits && rank > best_rank) { /* the first code wins a tie */
                best_rank = rank;
                expected = codes[i];
            }
        }
        for (size_t i = 7; i > 0; i--) {
            size_t other = (size_t)prng_below(&g, i + 1);
            const struct catalog_item *swap = candidates[i];
            candidates[i] = candidates[other];
            candidates[other] = swap;
        }
        size_t best = route_decide(&q, candidates, 8, left_out);
        assert_int_equal(best == 8, expected == NULL);
        if (expected != NULL)
            assert_string_equal(candidates[best]->code, expected);
        for (size_t i = 0; i < 8; i++)
            assert_int_equal(left_out[i] == NULL, i == best);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
