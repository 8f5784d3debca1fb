/* Commands: the check says before what the fold says after; drafts; refusals with their codes, ids and sentences. */
#include "node/cases/command.h"

#include <stdio.h>

#include "node/base/utf8.h"
#include "node/base/xassert.h"
#include "tests/unit/cases/case_builder.h"

/* A command for what builder_event() would write. */
static struct case_command command_of(uint16_t type)
{
    struct case_event e = builder_event(type);
    struct case_command command = {
        .self = e.origin,
        .type = type,
        .role = e.role,
        .lead = e.lead,
        .decision = e.decision,
        .grade = e.grade,
        .pause_kind = e.pause_kind,
        .expected_days = e.expected_days,
        .has_file = e.has_file,
        .extend_days = e.extend_days,
        .told = e.told,
        .side = e.side,
        .review = e.review,
        .has_official = e.has_official,
        .has_part = e.has_part,
    };
    memcpy(command.official, e.official, sizeof command.official);
    memcpy(command.item_code, e.item_code, sizeof command.item_code);
    memcpy(command.reason, e.reason, sizeof command.reason);
    return command;
}

static struct case_event add_draft(struct casefile *file, const struct case_event *draft)
{
    struct case_event numbers = builder_event(draft->type), e = *draft;
    memcpy(e.id, numbers.id, 32);
    e.index = numbers.index;
    e.hlc = numbers.hlc;
    builder_add(file, &e);
    return e;
}

/* Every type in every status: accepted if and only if the event takes effect. */
static void test_check_is_the_fold(void **state)
{
    (void)state;
    unsigned accepted = 0, refused = 0;
    for (uint8_t status = 0; status < 64; status++) {
        if (case_status_name(status) == NULL)
            continue;
        /* A second SUBMIT is refused below: written all the same, its id might make it the root. */
        uint16_t first = status == CASE_STATUS_NONE ? CASE_EVENT_SUBMIT : CASE_EVENT_IDENTITY;
        for (uint16_t type = first; type <= CASE_EVENT_LAST; type++) {
            struct casefile *file = builder_case_at(status);
            struct case_command command = command_of(type);
            struct case_event draft = {0};
            struct err e = {0};
            int r = case_command_check(file, &command, &draft, &e);
            const struct case_effect *f;
            if (r == 0) {
                struct case_event added = add_draft(file, &draft);
                f = builder_effect(file, &added);
                assert_true(f->kind == CASE_EFFECT_OK || (type == CASE_EVENT_ACK && f->kind == CASE_EFFECT_NOOP));
                accepted++;
            } else {
                assert_int_equal(draft.origin, 0); /* untouched */
                struct case_event added = builder_append(file, type);
                f = builder_effect(file, &added);
                assert_true(f->kind != CASE_EFFECT_OK);
                assert_int_equal(r == ERR_DENIED || r == ERR_NOT_FOUND, f->kind == CASE_EFFECT_DENIED);
                char id[64], text[CASE_EXPLAIN_SIZE];
                (void)snprintf(id, sizeof id, "case.%s", case_why_code(f->why));
                assert_string_equal(e.id, id);
                assert_string_equal(e.message, case_effect_explain(f, text, sizeof text));
                refused++;
            }
            casefile_destroy(file);
        }
    }
    assert_true(accepted > 100);
    assert_true(refused > 300);
}

static void test_draft(void **state)
{
    (void)state;
    struct casefile *file = builder_file();
    struct case_command command = command_of(CASE_EVENT_SUBMIT);
    command.division = 510104;
    command.item_version = 2;
    command.mode = CASE_MODE_ONLINE;
    command.has_request = true;
    command.request[15] = 9;
    struct case_event draft;
    struct err e;
    assert_int_equal(case_command_check(file, &command, &draft, &e), 0);
    assert_int_equal(draft.origin, RECEIVING);
    assert_int_equal(draft.type, CASE_EVENT_SUBMIT);
    assert_int_equal(draft.rules_version, CASE_RULES_VERSION);
    assert_int_equal(draft.parent_count, 0);
    assert_int_equal(draft.lead, LEAD);
    assert_int_equal(draft.division, 510104);
    assert_int_equal(draft.item_version, 2);
    assert_int_equal(draft.mode, CASE_MODE_ONLINE);
    assert_string_equal(draft.item_code, command.item_code);
    assert_true(draft.has_request && draft.request[15] == 9);
    assert_int_equal(casefile_state(file)->event_count, 0); /* a check adds nothing */
    (void)add_draft(file, &draft);

    struct case_command next = command_of(CASE_EVENT_IDENTITY);
    assert_int_equal(case_command_check(file, &next, &draft, &e), 0);
    struct case_parent tips[LEAF_PARENTS_MAX];
    assert_int_equal(casefile_tips(file, tips), draft.parent_count);
    assert_memory_equal(draft.parents[0].id, tips[0].id, 32);
    assert_int_equal(draft.rules_version, 1);
    (void)add_draft(file, &draft);
    assert_int_equal(casefile_state(file)->flags, CASE_FLAG_IDENTITY_CHECKED);
    casefile_destroy(file);
}

/* With more tips than fit, an author still cites its own last event, so that its chain never parts. */
static void test_draft_cites_own_last(void **state)
{
    (void)state;
    struct casefile *file = builder_file();
    struct case_event submit = builder_append(file, CASE_EVENT_SUBMIT);
    struct case_event own = builder_event(CASE_EVENT_NOTE);
    builder_cite(&own, &submit);
    builder_add(file, &own);
    for (unsigned i = 0; i < 12; i++) {
        struct case_event note = builder_event(CASE_EVENT_NOTE);
        note.origin = RECEIVING;
        builder_cite(&note, &submit);
        builder_add(file, &note);
    }
    for (int author = 0; author < 2; author++) {
        struct case_command command = command_of(CASE_EVENT_NOTE);
        command.self = author == 0 ? LEAD : RECEIVING;
        struct case_event draft;
        assert_int_equal(case_command_check(file, &command, &draft, NULL), 0);
        assert_int_equal(draft.parent_count, LEAF_PARENTS_MAX);
        bool cites_own = false;
        for (unsigned i = 0; i < draft.parent_count; i++) {
            cites_own = cites_own || memcmp(draft.parents[i].id, own.id, 32) == 0;
            assert_true(i == 0 || draft.parents[i - 1].origin < draft.parents[i].origin ||
                        draft.parents[i - 1].index < draft.parents[i].index);
        }
        assert_int_equal(cites_own, author == 0);
    }
    casefile_destroy(file);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        uint8_t status;
        uint16_t type;
        uint32_t self;
        uint16_t role;
        int code;
        const char *id;
        const char *message;
    } rows[] = {
        {CASE_STATUS_ARRIVED, CASE_EVENT_ACCEPT, RECEIVING, CASE_ROLE_DECIDER, ERR_DENIED, "case.node",
         "refused: accept (受理) is the deciding node's act (510000), the author is 440000"},
        {CASE_STATUS_RECEIVED, CASE_EVENT_FORM, LEAD, CASE_ROLE_WINDOW, ERR_DENIED, "case.node",
         "refused: form_check (形式审查) is the receiving node's act (440000), the author is 510000"},
        {CASE_STATUS_CLOSED_GRANTED, CASE_EVENT_DELIVER, OTHER, CASE_ROLE_WINDOW, ERR_DENIED, "case.node",
         "refused: deliver (送达) is an act of the receiving node (440000) or the deciding node (510000), the author "
         "is "
         "520000"},
        {CASE_STATUS_ARRIVED, CASE_EVENT_ACCEPT, LEAD, CASE_ROLE_WINDOW, ERR_DENIED, "case.role",
         "refused: accept (受理) cannot be done in the role window (收件窗口)"},
        {CASE_STATUS_ARRIVED, CASE_EVENT_ACCEPT, LEAD, 77, ERR_DENIED, "case.role",
         "refused: accept (受理) cannot be done in role 77"},
        {CASE_STATUS_FORWARDED, CASE_EVENT_ACCEPT, LEAD, CASE_ROLE_DECIDER, ERR_CONFLICT, "case.status",
         "refused: accept (受理) is not possible while the case is forwarded (转出); rule: "
         "行政许可法第三十二条第一款第五项"},
        {CASE_STATUS_GRANTED, CASE_EVENT_WITHDRAW, RECEIVING, CASE_ROLE_WINDOW, ERR_CONFLICT, "case.decision_known",
         "too late: withdraw (撤回) was written by somebody who had seen the decision; read it as a request to revoke "
         "(撤销)"},
        {CASE_STATUS_WITHDRAWN, CASE_EVENT_WITHDRAW, RECEIVING, CASE_ROLE_WINDOW, ERR_CONFLICT, "case.already",
         "no effect: withdraw (撤回) was done before"},
        {CASE_STATUS_RECEIVED, CASE_EVENT_SUBMIT, RECEIVING, CASE_ROLE_WINDOW, ERR_CONFLICT, "case.second_root",
         "refused: submit (收件) is a second one, the case was handed in by another one"},
        {CASE_STATUS_NONE, CASE_EVENT_ACCEPT, LEAD, CASE_ROLE_DECIDER, ERR_NOT_FOUND, "case.no_root",
         "refused: accept (受理) belongs to a case that was never handed in (收件)"},
        {CASE_STATUS_ARRIVED, CASE_EVENT_SUPERVISE, OTHER, CASE_ROLE_SUPERVISOR, ERR_DENIED, "case.node",
         "refused: supervise (督办) is the act of a superior of the deciding node (510000) and of the node it names, "
         "and "
         "has to cite the last leaf it accepts; the author is 520000"},
        {CASE_STATUS_FROZEN, CASE_EVENT_WITHDRAW, RECEIVING, CASE_ROLE_WINDOW, ERR_CONFLICT, "case.frozen",
         "refused: withdraw (撤回) has to wait, the case is frozen (冻结) until a supervisor (监督部门) names another "
         "deciding node"},
        {CASE_STATUS_NONE, 0, LEAD, CASE_ROLE_DECIDER, ERR_INVALID, "case.type", "0 is no type of case event"},
        {CASE_STATUS_NONE, 900, LEAD, CASE_ROLE_DECIDER, ERR_INVALID, "case.type", "900 is no type of case event"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct casefile *file = builder_case_at(rows[i].status);
        struct case_command command = command_of(rows[i].type);
        command.self = rows[i].self;
        command.role = rows[i].role;
        struct case_event draft;
        struct err e;
        assert_int_equal(case_command_check(file, &command, &draft, &e), rows[i].code);
        assert_string_equal(e.id, rows[i].id);
        assert_string_equal(e.message, rows[i].message);
        assert_int_equal(case_command_check(file, &command, &draft, NULL), rows[i].code);
        casefile_destroy(file);
    }
}

/* The leaf that bounds the old lead is cited, whichever was meant, and a fork is never accepted. */
static void test_supervise_cites_the_last_leaf(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_ARRIVED);
    struct case_event first = builder_append(file, CASE_EVENT_ACCEPT),
                      second = builder_append(file, CASE_EVENT_PROCESS);
    struct case_command command = command_of(CASE_EVENT_SUPERVISE);
    struct case_event draft;
    struct err e;
    command.self = NATIONAL;
    command.role = CASE_ROLE_SUPERVISOR;
    command.lead = OTHER;
    assert_int_equal(case_command_check(file, &command, &draft, &e), 0);
    assert_true(draft.has_last_leaf);
    assert_int_equal(draft.last_leaf, second.index);
    assert_int_equal(draft.parent_count, 1);

    command.has_last_leaf = true; /* one further back: cited beside the tip */
    command.last_leaf = first.index;
    assert_int_equal(case_command_check(file, &command, &draft, &e), 0);
    assert_int_equal(draft.last_leaf, first.index);
    assert_int_equal(draft.parent_count, 2);
    assert_memory_equal(draft.parents[0].id, first.id, 32);
    assert_memory_equal(draft.parents[1].id, second.id, 32);

    command.last_leaf = 999999;
    assert_int_equal(case_command_check(file, &command, &draft, &e), ERR_NOT_FOUND);
    assert_string_equal(e.id, "case.last-leaf");

    casefile_mark_forked(file, LEAD, second.index);
    command.last_leaf = second.index;
    assert_int_equal(case_command_check(file, &command, &draft, &e), ERR_NOT_FOUND);
    command.has_last_leaf = false;
    assert_int_equal(case_command_check(file, &command, &draft, &e), 0);
    assert_int_equal(draft.last_leaf, first.index);

    draft.index = draft.hlc = builder_next;
    put_be32(draft.id, builder_next++);
    builder_add(file, &draft);
    assert_int_equal(casefile_state(file)->lead, OTHER);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_ACCEPTED);
    assert_int_equal(builder_effect(file, &second)->kind, CASE_EFFECT_DENIED);
    casefile_destroy(file);
}

/* Of two cited entries with the number of the last leaf a fold cuts off the one of the larger code: no supervise is written
 * where that is not the lead's. */
static void test_supervise_and_a_number_twice(void **state)
{
    (void)state;
    static const uint32_t others[] = {OTHER, RECEIVING}; /* of a larger and a smaller code than the lead */
    for (size_t i = 0; i < array_count(others); i++) {
        struct casefile *file = builder_case_at(CASE_STATUS_ARRIVED);
        struct case_event note = builder_event(CASE_EVENT_NOTE), draft;
        builder_cite_tips(file, &note);
        struct case_event accept = builder_append(file, CASE_EVENT_ACCEPT);
        struct case_command command = command_of(CASE_EVENT_SUPERVISE);
        struct err e;
        note.origin = others[i];
        note.index = accept.index;
        builder_add(file, &note);
        command.self = NATIONAL;
        command.role = CASE_ROLE_SUPERVISOR;
        command.lead = OTHER;
        assert_int_equal(case_command_check(file, &command, &draft, &e), others[i] > LEAD ? ERR_CONFLICT : 0);
        if (others[i] > LEAD)
            assert_string_equal(e.id, "case.last-leaf-twice");
        else
            assert_int_equal(draft.last_leaf, accept.index);
        casefile_destroy(file);
    }
}

/* Eight citations are full: the leaf takes the place of one that is not the author's own. */
static void test_supervise_with_many_tips(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_ARRIVED);
    struct case_event last = builder_append(file, CASE_EVENT_ACCEPT);
    struct case_parent tips[LEAF_PARENTS_MAX];
    for (unsigned i = 0; i < LEAF_PARENTS_MAX + 2; i++) {
        struct case_event note = builder_event(CASE_EVENT_NOTE);
        note.origin = RECEIVING;
        builder_cite(&note, &last);
        builder_add(file, &note);
    }
    assert_int_equal(casefile_tips(file, tips), LEAF_PARENTS_MAX);
    struct case_command command = command_of(CASE_EVENT_SUPERVISE);
    struct case_event draft;
    struct err e;
    command.self = NATIONAL;
    command.role = CASE_ROLE_SUPERVISOR;
    command.lead = OTHER;
    assert_int_equal(case_command_check(file, &command, &draft, &e), 0);
    assert_int_equal(draft.parent_count, LEAF_PARENTS_MAX);
    bool is_cited = false;
    for (unsigned i = 0; i < draft.parent_count; i++)
        is_cited = is_cited || (draft.parents[i].origin == LEAD && draft.parents[i].index == last.index);
    assert_true(is_cited);
    casefile_destroy(file);
}

static void test_attributes(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_DELIVERED);
    struct case_command command = command_of(CASE_EVENT_EVALUATE);
    struct case_event draft;
    struct err e;
    command.grade = 6;
    assert_int_equal(case_command_check(file, &command, &draft, &e), ERR_INVALID);
    assert_string_equal(e.message, "attribute grade is 6, allowed are 1..5");
    command.grade = 0;
    assert_int_equal(case_command_check(file, &command, &draft, &e), ERR_INVALID);
    assert_string_equal(e.id, "case.attribute_missing");
    assert_string_equal(e.message, "refused: evaluate (评价) needs grade");
    command.grade = 3;
    (void)snprintf(command.reason, sizeof command.reason, "Not a code");
    assert_int_equal(case_command_check(file, &command, &draft, &e), ERR_INVALID);
    memset(command.reason, 'a', sizeof command.reason); /* no NUL at all */
    memset(command.number, '1', sizeof command.number);
    memset(command.item_code, 'x', sizeof command.item_code);
    assert_int_equal(case_command_check(file, &command, &draft, &e), 0);
    assert_int_equal(strlen(draft.reason), sizeof draft.reason - 1);
    assert_int_equal(strlen(draft.number), sizeof draft.number - 1);
    assert_int_equal(strlen(draft.item_code), sizeof draft.item_code - 1);
    casefile_destroy(file);
}

static void test_repeated_request(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_ARRIVED);
    struct case_command command = command_of(CASE_EVENT_NOTE);
    command.has_request = true;
    command.request[0] = 5;
    struct case_event draft;
    struct err e;
    assert_int_equal(case_command_check(file, &command, &draft, &e), 0);
    (void)add_draft(file, &draft);
    assert_int_equal(case_command_check(file, &command, &draft, &e), ERR_CONFLICT);
    assert_string_equal(e.id, "case.repeated");
    command.request[0] = 6;
    assert_int_equal(case_command_check(file, &command, &draft, &e), 0);
    casefile_destroy(file);
}

/* The sentences of effects that are no refusals of a command. */
static void test_explanations(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_CORRECTED);
    struct case_event note = builder_append(file, CASE_EVENT_NOTE);
    struct case_event correct = builder_append(file, CASE_EVENT_CORRECT);
    struct case_event withdraw = builder_event(CASE_EVENT_WITHDRAW);
    builder_cite_tips(file, &withdraw);
    struct case_event accept = builder_append(file, CASE_EVENT_ACCEPT);
    struct case_event decide = builder_append(file, CASE_EVENT_DECIDE);
    builder_add(file, &withdraw);
    struct case_event handover = builder_event(CASE_EVENT_SUPERVISE);
    builder_cite_tips(file, &handover);
    builder_add(file, &handover);
    struct case_event unseen = builder_event(CASE_EVENT_NOTE), waiting = builder_event(900);
    builder_cite(&waiting, &unseen);
    builder_add(file, &waiting);
    const struct {
        const struct case_event *event;
        const char *text;
    } rows[] = {
        {&note, "done: note (备注) by 510000, the case stays corrected (补正结束)"},
        {&correct,
         "done, but against 行政许可法第三十二条第一款第四项: correct (补正告知) by 510000 was told a second time, it "
         "has to be told once and completely; the case is correcting (补正开始)"},
        {&accept, "done: accept (受理) by 510000, the case goes from correcting (补正开始) to accepted (受理)"},
        {&decide, "done: decide (决定) by 510000, the case goes from accepted (受理) to granted (决定准予)"},
        {&withdraw,
         "done: withdraw (撤回) by 440000 makes the decision of 510000 void, which its author had not seen and "
         "which was not delivered; the case is withdrawn (撤回)"},
        {&handover, "done: supervise (督办) by 100000, the deciding node is 520000 instead of 510000"},
        {&waiting, "waiting: event type 900 cites an event that this node does not hold yet"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        char text[CASE_EXPLAIN_SIZE];
        assert_string_equal(case_effect_explain(builder_effect(file, rows[i].event), text, sizeof text), rows[i].text);
    }
    casefile_destroy(file);
}

/* Every reason has a sentence that fits, and a small buffer cuts it between characters. */
static void test_every_explanation(void **state)
{
    (void)state;
    struct case_held voided = {.origin = UINT32_MAX};
    struct case_held held = {.origin = UINT32_MAX, .item_code = "", .number = "", .reason = ""};
    for (uint8_t why = 0; why < CASE_WHY_COUNT; why++) {
        assert_non_null(case_why_code(why));
        for (uint16_t type = 0; type <= CASE_EVENT_LAST; type++)
            for (uint8_t kind = CASE_EFFECT_PENDING; kind <= CASE_EFFECT_NOOP; kind++) {
                bool is_ok_why = why <= CASE_WHY_PROMISE_UNALLOWED;
                if (is_ok_why != (kind == CASE_EFFECT_OK))
                    continue;
                held.type = type;
                struct case_effect f = {.event = &held,
                                        .voids = &voided,
                                        .kind = kind,
                                        .why = why,
                                        .lead = UINT32_MAX,
                                        .receiving = UINT32_MAX,
                                        .status_before = CASE_STATUS_RESUMED,
                                        .status_after = CASE_STATUS_PAUSED};
                char text[CASE_EXPLAIN_SIZE], small[40];
                size_t size = strlen(case_effect_explain(&f, text, sizeof text));
                assert_true(size > 20 && size < sizeof text - 1);
                assert_null(strstr(text, "(null)"));
                (void)case_effect_explain(&f, small, sizeof small);
                assert_true(utf8_is_valid(small, strlen(small)));
                assert_memory_equal(small, text, strlen(small));
            }
    }
    assert_null(case_why_code(CASE_WHY_COUNT));
    assert_null(case_effect_name(6));
}

/* What the rules of an operation rest on (CASES.md, "Operations" and "Decide"): each refusal by one names its source, the same for all
 * who see it. */
static void test_refusals_name_their_source(void **state)
{
    (void)state;
    static const struct {
        uint8_t kind, why;
        uint16_t type;
        const char *source;
    } rows[] = {
        {CASE_EFFECT_OK, CASE_WHY_SECOND_CORRECTION, CASE_EVENT_CORRECT, "行政许可法第三十二条第一款第四项"},
        {CASE_EFFECT_OK, CASE_WHY_DEEMED, CASE_EVENT_ACCEPT, "行政许可法第三十二条第一款第四项"},
        {CASE_EFFECT_OK, CASE_WHY_EXTENSION_OVER, CASE_EVENT_EXTEND, "行政许可法第四十二条"},
        {CASE_EFFECT_OK, CASE_WHY_LACKING_UNALLOWED, CASE_EVENT_ACCEPT, "容缺受理"},
        {CASE_EFFECT_OK, CASE_WHY_LACKING_OVER, CASE_EVENT_ACCEPT, "容缺受理"},
        {CASE_EFFECT_OK, CASE_WHY_PROMISE_UNALLOWED, CASE_EVENT_RECEIPT, "国办发〔2020〕42号"},
        {CASE_EFFECT_GUARD, CASE_WHY_NOT_DEEMED, CASE_EVENT_ACCEPT, "行政许可法第三十二条第一款第四项"},
        {CASE_EFFECT_GUARD, CASE_WHY_REASONS_UNTOLD, CASE_EVENT_DECIDE, "行政许可法第三十八条、第四十二条"},
        {CASE_EFFECT_GUARD, CASE_WHY_BASIS_UNTOLD, CASE_EVENT_PAUSE, "行政许可法第四十五条"},
        {CASE_EFFECT_GUARD, CASE_WHY_EXTENDED_ONCE, CASE_EVENT_EXTEND, "行政许可法第四十二条"},
        {CASE_EFFECT_GUARD, CASE_WHY_PARTS_OPEN, CASE_EVENT_DECIDE, "国办发〔2020〕35号 多地联办"},
        {CASE_EFFECT_GUARD, CASE_WHY_PART_DENIED, CASE_EVENT_DECIDE, "国办发〔2020〕35号 多地联办"},
        {CASE_EFFECT_GUARD, CASE_WHY_BREACHED, CASE_EVENT_DECIDE, "国办发〔2020〕42号"},
        {CASE_EFFECT_GUARD, CASE_WHY_REVIEW_MISSING, CASE_EVENT_DECIDE, "国办发〔2018〕118号"},
        {CASE_EFFECT_GUARD, CASE_WHY_OFFICIAL_MISSING, CASE_EVENT_DECIDE, "国办发〔2018〕118号"},
        {CASE_EFFECT_GUARD, CASE_WHY_SAME_OFFICIAL, CASE_EVENT_DECIDE, "国办发〔2018〕118号"},
        {CASE_EFFECT_GUARD, CASE_WHY_LACKING, CASE_EVENT_DELIVER, "容缺受理"},
        {CASE_EFFECT_GUARD, CASE_WHY_ONCE, CASE_EVENT_EVALUATE, "一次一评"},
        {CASE_EFFECT_GUARD, CASE_WHY_NOT_LICENCE, CASE_EVENT_PUBLISH, "双公示"},
        {CASE_EFFECT_GUARD, CASE_WHY_STATUS, CASE_EVENT_REFUSE, "行政许可法第三十二条第一款第二项"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        const struct case_held held = {.type = rows[i].type, .item_code = "", .number = "", .reason = ""};
        const struct case_effect f = {.event = &held,
                                      .kind = rows[i].kind,
                                      .why = rows[i].why,
                                      .status_before = CASE_STATUS_RESUMED,
                                      .status_after = CASE_STATUS_RESUMED};
        char text[CASE_EXPLAIN_SIZE];
        if (strstr(case_effect_explain(&f, text, sizeof text), rows[i].source) == NULL)
            fail_msg("%s does not name %s", text, rows[i].source);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_is_the_fold),
        cmocka_unit_test(test_draft),
        cmocka_unit_test(test_draft_cites_own_last),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_supervise_cites_the_last_leaf),
        cmocka_unit_test(test_supervise_and_a_number_twice),
        cmocka_unit_test(test_supervise_with_many_tips),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_repeated_request),
        cmocka_unit_test(test_explanations),
        cmocka_unit_test(test_every_explanation),
        cmocka_unit_test(test_refusals_name_their_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
