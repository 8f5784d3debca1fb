/* Goal: a script is read as its header says, each mistake is named with its line, and the step that is due follows from the events
 * alone. Method: texts and lists of events. */
#include "node/ctl/demo_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/xassert.h"

#define PEER 510000u
#define WINDOW 440000u

static const char script_text[] = "# comment\n"
                                  "rule first\n"
                                  "  applicant *补正*\r\n"
                                  "  item *0066\n"
                                  "  mode collect\n"
                                  "  after 2 correct reason_code=x reason=\"two words = more\n"
                                  "  on supplement after 3 accept\n"
                                  "  close\n"
                                  "\n"
                                  "fault slow 1\n"
                                  "fault offline after 30 for 20\n"
                                  "rule second\n"
                                  "\taccept"; /* no newline at the end */

static void test_parse(void **state)
{
    (void)state;
    struct arena mem = ARENA_INIT;
    struct demo_script s;
    struct err e = {0};
    assert_int_equal(demo_script_parse(script_text, "s", &mem, &s, &e), 0);
    const struct demo_rule *rule = s.rules;
    assert_string_equal(rule->name, "first");
    assert_string_equal(rule->applicant, "*补正*");
    assert_string_equal(rule->item, "*0066");
    assert_string_equal(rule->mode, "collect");
    assert_int_equal(rule->step_count, 3);
    assert_string_equal(rule->steps[0].type, "correct");
    assert_int_equal(rule->steps[0].after_ms, 2000);
    assert_null(rule->steps[0].on);
    assert_int_equal(rule->steps[0].field_count, 2);
    assert_string_equal(rule->steps[0].fields[0].value, "x");
    assert_string_equal(rule->steps[0].fields[1].name, "reason");
    assert_string_equal(rule->steps[0].fields[1].value, "two words = more");
    assert_string_equal(rule->steps[1].on, "supplement");
    assert_int_equal(rule->steps[1].line, 7);
    assert_int_equal(rule->next->step_count, 1);
    assert_null(rule->next->next);
    assert_int_equal(s.slow_ms, 1000);
    assert_true(s.has_offline && !s.deny_all);
    assert_int_equal(s.offline_after_ms, 30000);
    assert_int_equal(s.offline_for_ms, 20000);
    assert_int_equal(demo_script_fault(&s, "deny-all", &e), 0);
    assert_true(s.deny_all);
    arena_close(&mem);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *has;
    } rows[] = {
        {"accept\n", "line 1: a rule must stand before it: 'accept'"},
        {"rule\n", "line 1: a rule needs a name"},
        {"rule a\nafter x accept\n", "line 2: a number of seconds from 0 to 86400 is wanted: 'x'"},
        {"rule a\nafter 86401 accept\n", "'86401'"},
        {"rule a\nafter 1\n", "line 2: an event is wanted"},
        {"rule a\non supplement\n", "an event is wanted"},
        {"rule a\naccept reason\n", "FIELD=VALUE is wanted: 'reason'"},
        {"rule a\naccept =x\n", "FIELD=VALUE is wanted: '=x'"},
        {"rule a\nreason=x\n", "an event is wanted: 'reason=x'"},
        {"rule a\naccept a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1\n", "more than 8 fields"},
        {"rule a\nitem\n", "a pattern is wanted"},
        {"rule a\nitem a b\n", "nothing may follow the pattern: 'b'"},
        {"\n\nfault quick\n", "line 3: a fault is 'offline after"},
        {"fault\n", "a fault is"},
        {"fault slow\n", "a number of seconds"},
        {"fault slow 1 2\n", "nothing may follow: '2'"},
        {"fault offline for 1\n", "'offline after SECONDS for SECONDS' is wanted: 'for'"},
        {"fault offline after 1\n", "is wanted"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct arena mem = ARENA_INIT;
        struct demo_script s;
        struct err e = {0};
        assert_int_equal(demo_script_parse(rows[i].text, "s", &mem, &s, &e), ERR_INVALID);
        assert_string_equal(e.id, "demo.script");
        if (strstr(e.message, rows[i].has) == NULL)
            fail_msg("'%s' does not hold '%s'", e.message, rows[i].has);
        arena_close(&mem);
    }
    struct arena mem = ARENA_INIT;
    struct buf many = {0};
    struct demo_script s;
    struct err e = {0};
    buf_put_string(&many, "rule a\n");
    for (unsigned i = 0; i <= DEMO_STEPS_MAX; i++)
        buf_put_string(&many, "note\n");
    assert_int_equal(demo_script_parse(buf_cstr(&many), "s", &mem, &s, &e), ERR_INVALID);
    assert_non_null(strstr(e.message, "more than 64 steps"));
    buf_close(&many);
    arena_close(&mem);
}

static void test_rules(void **state)
{
    (void)state;
    struct arena mem = ARENA_INIT;
    struct demo_script s;
    struct err e = {0};
    assert_int_equal(demo_script_parse(script_text, "s", &mem, &s, &e), 0);
    assert_true(demo_script_needs_applicant(&s));
    assert_string_equal(demo_script_rule(&s, "X0066", "collect", "李补正")->name, "first");
    assert_string_equal(demo_script_rule(&s, "X0066", "online", "李补正")->name, "second");
    assert_string_equal(demo_script_rule(&s, "X0067", "collect", "李补正")->name, "second");
    assert_string_equal(demo_script_rule(&s, "X0066", "collect", NULL)->name, "second");
    assert_int_equal(demo_script_parse(demo_script_default, "s", &mem, &s, &e), 0);
    static const char *const names[][2] = {{"李补正", "correction"}, {"拒绝一", "denial"}, {"不予受理", "refusal"},
                                           {"张慢", "slow"},         {"沉默", "silence"},  {"张三", "granted"}};
    for (size_t i = 0; i < array_count(names); i++)
        assert_string_equal(demo_script_rule(&s, "X", "collect", names[i][0])->name, names[i][1]);
    assert_int_equal(demo_script_fault(&s, "deny-all", &e), 0);
    assert_string_equal(demo_script_rule(&s, "X", "collect", "李补正")->name, "deny-all");
    arena_close(&mem);
}

static void test_next(void **state)
{
    (void)state;
    struct arena mem = ARENA_INIT;
    struct demo_script s;
    struct err e = {0};
    bool waits;
    uint64_t due;
    assert_int_equal(demo_script_parse(script_text, "s", &mem, &s, &e), 0);
    const struct demo_rule *rule = s.rules;
    static const struct demo_event events[] = {
        {"submit", WINDOW, 1},   {"forward", WINDOW, 2},       {"receipt", PEER, 1000}, {"note", WINDOW, 1100},
        {"correct", PEER, 4000}, {"supplement", WINDOW, 9000}, {"accept", PEER, 20000}, {"close", PEER, 30000},
    };
    static const struct {
        size_t count;
        const char *type; /* NULL: none */
        bool waits;
        uint64_t due;
    } rows[] = {
        {0, NULL, true, 0},
        {2, NULL, true, 0},
        {3, "correct", false, 1000 + 2000 + 1000}, /* after the arrival, and the fault slow */
        {4, "correct", false, 1000 + 2000 + 1000},
        {5, NULL, true, 0}, /* waits for the supplement */
        {6, "accept", false, 9000 + 3000 + 1000},
        {7, "close", false, 20000 + 1000},
        {8, NULL, false, 0}, /* finished */
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        const struct demo_step *step = demo_script_next(&s, rule, events, rows[i].count, PEER, &waits, &due);
        assert_int_equal(waits, rows[i].waits);
        if (rows[i].type == NULL) {
            assert_null(step);
            continue;
        }
        assert_string_equal(step->type, rows[i].type);
        assert_int_equal(due, rows[i].due);
    }
    /* the window's own events of a step's type are not the peer's steps */
    static const struct demo_event others[] = {{"receipt", PEER, 1000}, {"correct", WINDOW, 2000}};
    assert_string_equal(demo_script_next(&s, rule, others, 2, PEER, &waits, &due)->type, "correct");
    assert_int_equal(demo_script_fault(&s, "deny-all", &e), 0);
    rule = demo_script_rule(&s, "X", "collect", NULL);
    assert_string_equal(demo_script_next(&s, rule, events, 3, PEER, &waits, &due)->type, "accept");
    arena_close(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
