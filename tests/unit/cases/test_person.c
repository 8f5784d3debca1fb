/* Goal: every rule about applicant, agent and guardian fires when it is broken and only then, and names its article. Method: one
 * row per rule, made from persons that break none; ages on the day before a birthday and on it. */
#include "node/cases/person.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/xassert.h"

#define TODAY 19200310u /* synthetic persons are born before 1909 */

static const struct person adult = {.is_named = true, .birth = 19000307, .number = "110101190003070037"};
static const struct person other_adult = {.is_named = true, .birth = 19010108, .number = "33010619010108008X"};
static const struct person child = {.is_named = true, .birth = 19060311, .number = "child"}; /* 13, 14 tomorrow */
static const struct person youth = {.is_named = true, .birth = 19060310, .number = "youth"}; /* 14 today */
static const struct person grown = {.is_named = true, .birth = 19020310, .number = "grown"}; /* 18 today */
static const struct person foreigner = {.is_named = true, .number = "E12345678"};            /* age unknown */

static void test_rules(void **state)
{
    (void)state;
    const struct person none = {0};
    const struct {
        enum person_rule rule;
        struct person_set set;
    } rows[] = {
        {PERSON_OK, {.applicant = adult}},
        {PERSON_OK, {.applicant = foreigner}},
        {PERSON_OK, {.applicant = grown}},
        {PERSON_OK, {.is_organisation = true, .has_credit_code = true, .applicant = foreigner}},
        {PERSON_OK, {.is_organisation = true, .has_other_document = true, .applicant = foreigner}},
        {PERSON_KIND, {.is_organisation = true, .applicant = adult}},
        {PERSON_KIND, {.has_credit_code = true, .applicant = foreigner}},
        {PERSON_OK, {.applicant = adult, .agent = other_adult, .has_authorisation = true}},
        {PERSON_OK, {.applicant = adult, .agent = other_adult, .has_authorisation = true, .valid_until = TODAY}},
        {PERSON_OK, {.applicant = adult, .agent = grown, .has_authorisation = true}},
        {PERSON_AGENT_SELF, {.applicant = adult, .agent = adult, .has_authorisation = true}},
        {PERSON_AGENT_AUTHORISATION, {.applicant = adult, .agent = other_adult}},
        {PERSON_AGENT_EXPIRED,
         {.applicant = adult, .agent = other_adult, .has_authorisation = true, .valid_until = TODAY - 1}},
        {PERSON_AGENT_MINOR, {.applicant = adult, .agent = youth, .has_authorisation = true}},
        {PERSON_OK, {.applicant = child, .guardian = adult, .has_consent = true}},
        {PERSON_OK, {.applicant = youth, .guardian = adult}},
        {PERSON_OK, {.applicant = adult, .guardian = other_adult}},
        {PERSON_GUARDIAN_SELF, {.applicant = adult, .guardian = adult}},
        {PERSON_GUARDIAN_MINOR, {.applicant = child, .guardian = youth, .has_consent = true}},
        {PERSON_GUARDIAN_NEEDED, {.applicant = child}},
        {PERSON_GUARDIAN_NEEDED, {.applicant = child, .agent = adult, .has_authorisation = true}},
        {PERSON_GUARDIAN_CONSENT, {.applicant = child, .guardian = adult}},
        {PERSON_MINOR_ALONE, {.applicant = youth, .guardian = none}},
    };
    bool seen[PERSON_RULE_COUNT] = {false};
    for (size_t i = 0; i < array_count(rows); i++) {
        unsigned flags;
        enum person_rule rule = person_check(&rows[i].set, TODAY, &flags);
        if (rule != rows[i].rule)
            fail_msg("row %zu: %s instead of %s", i, person_rule_id(rule), person_rule_id(rows[i].rule));
        seen[rule] = true;
    }
    for (int rule = 0; rule < PERSON_RULE_COUNT; rule++)
        if (!seen[rule])
            fail_msg("no row for %s", person_rule_id((enum person_rule)rule));
}

static void test_flags(void **state)
{
    (void)state;
    const struct {
        struct person_set set;
        unsigned flags;
    } rows[] = {
        {{.applicant = adult}, 0},
        {{.applicant = foreigner}, 0},
        {{.applicant = grown}, 0},
        {{.applicant = youth}, PERSON_UNDER_18},
        {{.applicant = child}, PERSON_UNDER_14 | PERSON_UNDER_18},
        {{.applicant = child, .guardian = adult, .has_consent = true},
         PERSON_UNDER_14 | PERSON_UNDER_18 | PERSON_BY_GUARDIAN},
        {{.applicant = adult, .agent = other_adult, .has_authorisation = true}, PERSON_BY_AGENT},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        unsigned flags = 99;
        (void)person_check(&rows[i].set, TODAY, &flags);
        assert_int_equal(flags, rows[i].flags);
    }
}

/* Every rule has an id of its own, a sentence, and (but for "in order") a source. */
static void test_table(void **state)
{
    (void)state;
    for (int rule = 0; rule < PERSON_RULE_COUNT; rule++) {
        assert_int_equal(strncmp(person_rule_id((enum person_rule)rule), "person.", 7), 0);
        assert_true(strlen(person_rule_text((enum person_rule)rule)) > 10);
        assert_true(rule == PERSON_OK || strlen(person_rule_source((enum person_rule)rule)) > 0);
        assert_int_equal(person_rule_refuses((enum person_rule)rule), rule != PERSON_OK && rule != PERSON_MINOR_ALONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
