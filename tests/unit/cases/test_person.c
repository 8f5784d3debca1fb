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

/* The source of every rule, so that a change of the law shows as a change here; and its sentence. */
static void test_table(void **state)
{
    (void)state;
    static const struct {
        enum person_rule rule;
        const char *id, *source;
        bool refuses;
    } rows[] = {
        {PERSON_OK, "person.ok", "", false},
        {PERSON_KIND, "person.id-kind", "GB 11643-1999; GB 32100-2015", true},
        {PERSON_AGENT_SELF, "person.agent-self", "行政许可法第二十九条", true},
        {PERSON_AGENT_AUTHORISATION, "person.agent-authorisation", "行政许可法第二十九条；民法典第一百六十五条", true},
        {PERSON_AGENT_EXPIRED, "person.agent-expired", "民法典第一百七十三条第一项", true},
        {PERSON_AGENT_MINOR, "person.agent-minor", "民法典第一百七十三条第三项", true},
        {PERSON_GUARDIAN_SELF, "person.guardian-self", "民法典第二十七条", true},
        {PERSON_GUARDIAN_MINOR, "person.guardian-minor", "民法典第二十七条 (监护能力)", true},
        {PERSON_GUARDIAN_NEEDED, "person.guardian-needed", "个人信息保护法第三十一条；民法典第二十条", true},
        {PERSON_GUARDIAN_CONSENT, "person.guardian-consent", "个人信息保护法第三十一条第一款", true},
        {PERSON_MINOR_ALONE, "person.minor-alone", "民法典第十九条", false},
    };
    assert_int_equal(array_count(rows), PERSON_RULE_COUNT);
    for (size_t i = 0; i < array_count(rows); i++) {
        assert_int_equal(rows[i].rule, i);
        assert_string_equal(person_rule_id(rows[i].rule), rows[i].id);
        assert_string_equal(person_rule_source(rows[i].rule), rows[i].source);
        assert_int_equal(person_rule_refuses(rows[i].rule), rows[i].refuses);
        assert_true(strlen(person_rule_text(rows[i].rule)) > 10);
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
