/* Rules version 1, row by row: who may write each event, in which role, with which attributes, in which status, and
 * where it leads. The expectations are written out here, as words, and not taken from the table under test. */
#include "node/cases/rules.h"

#include <stdio.h>

#include "node/base/xassert.h"
#include "tests/unit/cases/case_builder.h"

#define UNDECIDED "received forwarded arrived accepted correcting corrected processing paused resumed "
#define EVERY                                                                                                          \
    UNDECIDED "not_required refused closed_granted closed_denied withdrawn revoked returned granted denied delivered " \
              "archived frozen closed_lacking "

static const struct expected {
    uint16_t type;
    const char *nodes; /* A receiving, B deciding, N superior */
    const char *roles;
    const char *allowed;
    const char *late;
    const char *noop;
    const char *after; /* "" = the status stays, "*" = it depends on the case */
} table[] = {
    {CASE_EVENT_IDENTITY, "A", "window system", "received ", "", "", ""},
    {CASE_EVENT_FORM, "A", "window system", "received ", "", "", ""},
    {CASE_EVENT_FORWARD, "A", "window system", "received ", "", "", "forwarded"},
    {CASE_EVENT_RETURN, "A", "window", "received ", "", "", "returned"},
    {CASE_EVENT_RECEIPT, "B", "decider system", "forwarded ", "", "", "arrived"},
    {CASE_EVENT_ACCEPT, "B", "decider system", "arrived correcting corrected ", "", "", "accepted"},
    {CASE_EVENT_CORRECT, "B", "decider", "arrived correcting corrected ", "", "", "correcting"},
    {CASE_EVENT_SUPPLEMENT, "A", "applicant window", "correcting ",
     "accepted processing paused resumed granted denied closed_granted closed_lacking closed_denied delivered archived "
     "not_required "
     "refused withdrawn revoked ",
     "", "corrected"},
    {CASE_EVENT_NOT_REQUIRED, "B", "decider", "arrived correcting corrected ", "", "", "not_required"},
    {CASE_EVENT_REFUSE, "B", "decider", "arrived correcting corrected ", "", "", "refused"},
    {CASE_EVENT_PROCESS, "B", "decider system", "accepted ", "", "", "processing"},
    {CASE_EVENT_PAUSE, "B", "decider", "accepted processing resumed ", "", "", "paused"},
    {CASE_EVENT_RESUME, "B", "decider system", "paused ", "", "", "resumed"},
    {CASE_EVENT_DECIDE, "B", "decider", "accepted processing resumed ", "", "", "granted"},
    {CASE_EVENT_CLOSE, "B", "decider system", "granted denied ", "", "", "*"},
    {CASE_EVENT_DELIVER, "AB", "window decider system",
     "closed_granted closed_lacking closed_denied not_required refused ", "", "", "delivered"},
    {CASE_EVENT_EVALUATE, "A", "applicant window", "delivered archived ", "", "", ""},
    {CASE_EVENT_WITHDRAW, "A", "applicant window", UNDECIDED,
     "granted denied closed_granted closed_lacking closed_denied not_required refused delivered archived revoked ",
     "withdrawn ", "withdrawn"},
    {CASE_EVENT_REVOKE, "B", "decider", "granted closed_granted closed_lacking delivered archived ", "", "", "revoked"},
    {CASE_EVENT_NOTE, "AB", "applicant window decider supervisor system", EVERY, "", "", ""},
    {CASE_EVENT_MATERIAL, "AB", "applicant window decider supervisor system", EVERY, "", "", ""},
    {CASE_EVENT_OBJECT, "AB", "applicant window decider supervisor system", EVERY, "", "", ""},
    {CASE_EVENT_HANDOVER, "B", "decider", UNDECIDED, "", "", ""},
    {CASE_EVENT_SUPERVISE, "N", "supervisor", EVERY, "", "", "*"},
    {CASE_EVENT_ARCHIVE, "B", "decider system", "delivered ", "", "", "archived"},
    {CASE_EVENT_EXTEND, "B", "decider", "accepted processing paused resumed ", "", "", ""},
    {CASE_EVENT_REVIEW, "B", "decider", "accepted processing resumed ", "", "", ""},
    {CASE_EVENT_SUPPLY, "A", "applicant window", "accepted processing paused resumed granted closed_lacking ", "", "",
     ""},
    {CASE_EVENT_FULFIL, "B", "decider", "accepted processing paused resumed granted closed_lacking ", "", "", ""},
    {CASE_EVENT_BREACH, "B", "decider",
     "accepted processing paused resumed granted closed_granted closed_lacking closed_denied delivered archived ", "",
     "", ""},
    {CASE_EVENT_FOLLOW_UP, "B", "window decider", "delivered archived ", "", "", ""},
    {CASE_EVENT_PART, "A", "window system", UNDECIDED, "", "", ""},
    {CASE_EVENT_PART_DONE, "A", "window system", UNDECIDED, "", "", ""},
    {CASE_EVENT_PART_LAPSED, "A", "window system", EVERY, "", "", ""},
    {CASE_EVENT_PUBLISH, "B", "decider system", "granted closed_granted closed_lacking delivered archived revoked ", "",
     "", ""},
    {CASE_EVENT_POST_MATERIALS, "A", "applicant window system",
     UNDECIDED "granted denied closed_granted closed_lacking closed_denied ",
     "not_required refused delivered archived revoked withdrawn ", "", ""},
    {CASE_EVENT_POST_RESULT, "B", "decider system",
     "closed_granted closed_lacking closed_denied not_required refused delivered archived revoked ", "", "", ""},
    {CASE_EVENT_NOTIFY, "AB", "window decider system", EVERY, "", "", ""},
    {CASE_EVENT_CHARGE, "AB", "window decider system", UNDECIDED "granted closed_granted closed_lacking ", "", "", ""},
    {CASE_EVENT_PAY, "AB", "applicant window decider system",
     UNDECIDED "granted denied closed_granted closed_lacking closed_denied delivered archived revoked withdrawn ", "",
     "", ""},
};

/* The source of every row, so that a change of the law shows as a change here. */
static const struct {
    uint16_t type;
    const char *source;
} sources[] = {
    {CASE_EVENT_SUBMIT, "行政许可法第二十九条"},
    {CASE_EVENT_IDENTITY, "国办发〔2020〕35号 异地代收代办"},
    {CASE_EVENT_FORM, "国办发〔2020〕35号 异地代收代办"},
    {CASE_EVENT_FORWARD, "国办发〔2020〕35号 收受分离"},
    {CASE_EVENT_RETURN, "行政许可法第三十二条第一款第三项"},
    {CASE_EVENT_RECEIPT, "国办发〔2020〕35号 收受分离"},
    {CASE_EVENT_ACCEPT, "行政许可法第三十二条第一款第五项"},
    {CASE_EVENT_CORRECT, "行政许可法第三十二条第一款第四项"},
    {CASE_EVENT_SUPPLEMENT, "行政许可法第三十二条第一款第四项"},
    {CASE_EVENT_NOT_REQUIRED, "行政许可法第三十二条第一款第一项"},
    {CASE_EVENT_REFUSE, "行政许可法第三十二条第一款第二项"},
    {CASE_EVENT_PROCESS, "行政许可法第三十四条"},
    {CASE_EVENT_PAUSE, "行政许可法第四十五条"},
    {CASE_EVENT_RESUME, "行政许可法第四十五条"},
    {CASE_EVENT_DECIDE, "行政许可法第三十八条"},
    {CASE_EVENT_CLOSE, "行政许可法第三十八条"},
    {CASE_EVENT_DELIVER, "行政许可法第四十四条"},
    {CASE_EVENT_EVALUATE, "好差评 一次一评"},
    {CASE_EVENT_WITHDRAW, "申请人撤回 (作出决定前)"},
    {CASE_EVENT_REVOKE, "行政许可法第六十九条"},
    {CASE_EVENT_NOTE, "备注"},
    {CASE_EVENT_OBJECT, "行政许可法第七条"},
    {CASE_EVENT_ACK, "确认"},
    {CASE_EVENT_HANDOVER, "行政许可法第三十二条第一款第二项"},
    {CASE_EVENT_SUPERVISE, "行政许可法第六十条"},
    {CASE_EVENT_ARCHIVE, "国务院令第716号第十二条"},
    {CASE_EVENT_MATERIAL, "国务院令第716号第十一条"},
    {CASE_EVENT_EXTEND, "行政许可法第四十二条"},
    {CASE_EVENT_REVIEW, "国办发〔2018〕118号 重大执法决定法制审核"},
    {CASE_EVENT_SUPPLY, "容缺受理 (地方规定)"},
    {CASE_EVENT_FULFIL, "容缺受理 (地方规定)"},
    {CASE_EVENT_BREACH, "国办发〔2020〕42号 告知承诺制"},
    {CASE_EVENT_FOLLOW_UP, "国办发〔2019〕51号 好差评 差评整改"},
    {CASE_EVENT_PART, "国办发〔2020〕35号 多地联办"},
    {CASE_EVENT_PART_DONE, "国办发〔2020〕35号 多地联办"},
    {CASE_EVENT_PART_LAPSED, "国办发〔2020〕35号 多地联办 分件撤销、撤回"},
    {CASE_EVENT_PUBLISH, "双公示 行政许可决定7个工作日内公示"},
    {CASE_EVENT_POST_MATERIALS, "国办发〔2020〕35号 异地代收代办 邮件寄递"},
    {CASE_EVENT_POST_RESULT, "国办发〔2020〕35号 异地代收代办 寄递纸质结果"},
    {CASE_EVENT_NOTIFY, "行政许可法第四十五条 告知申请人"},
    {CASE_EVENT_CHARGE, "行政许可法第五十八条"},
    {CASE_EVENT_PAY, "行政许可法第五十九条"},
};

static void test_sources(void **state)
{
    (void)state;
    unsigned count;
    (void)rules_table(1, &count);
    assert_int_equal(count, array_count(sources));
    for (size_t i = 0; i < array_count(sources); i++)
        assert_string_equal(rules_find(1, sources[i].type)->source, sources[i].source);
}

/* What an event needs of the case besides its status: 容缺, a promise, a part, a bad mark. */
static struct casefile *case_for(uint16_t type, uint8_t status)
{
    struct builder_more more = {.lacking = type == CASE_EVENT_SUPPLY || type == CASE_EVENT_FULFIL,
                                .promise = type == CASE_EVENT_BREACH,
                                .part = type == CASE_EVENT_PART_DONE,
                                .granted = type == CASE_EVENT_PART_LAPSED,
                                .bad_mark = type == CASE_EVENT_FOLLOW_UP};
    return builder_case_with(status, more);
}

static bool has_word(const char *words, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = words; (at = strstr(at, word)) != NULL; at += size)
        if ((at == words || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
            return true;
    return false;
}

/* A status to try the row's author and attributes in. */
static uint8_t some_allowed(const struct expected *row)
{
    char word[32];
    assert_int_equal(sscanf(row->allowed, "%31s", word), 1);
    return case_status_from_name(word);
}

static void test_every_row_is_here(void **state)
{
    (void)state;
    unsigned count;
    const struct rule *rows = rules_table(1, &count);
    assert_int_equal(count, array_count(table) + 2); /* SUBMIT and ACK have tests of their own */
    for (unsigned i = 0; i < count; i++) {
        bool is_here = rows[i].type == CASE_EVENT_SUBMIT || rows[i].type == CASE_EVENT_ACK;
        for (size_t k = 0; k < array_count(table); k++)
            is_here = is_here || table[k].type == rows[i].type;
        assert_true(is_here);
        assert_ptr_equal(rules_find(1, rows[i].type), &rows[i]);
        assert_true(rows[i].source[0] != '\0');
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(rows[i].type, rows[k].type);
    }
#define X(name, value, text, chinese) assert_non_null(rules_find(1, value));
    CASE_EVENT_TYPES(X)
#undef X
}

/* Every row in every status. */
static void check_status(const struct expected *row, uint8_t status)
{
    struct casefile *file = case_for(row->type, status);
    assert_non_null(file);
    const char *name = case_status_name(status);
    struct case_event e = builder_append(file, row->type);
    const struct case_effect *f = builder_effect(file, &e);
    uint8_t kind = CASE_EFFECT_GUARD;
    if (has_word(row->allowed, name))
        kind = CASE_EFFECT_OK;
    else if (has_word(row->late, name))
        kind = CASE_EFFECT_LATE;
    else if (has_word(row->noop, name))
        kind = CASE_EFFECT_NOOP;
    char text[CASE_EXPLAIN_SIZE];
    /* The lead's events of a forked case are invalid whatever they are. */
    if (status == CASE_STATUS_FROZEN && e.origin == LEAD)
        kind = CASE_EFFECT_DENIED;
    if (f->kind != kind)
        fail_msg("%s in %s: %s", case_event_name(row->type), name, case_effect_explain(f, text, sizeof text));
    const char *after = kind == CASE_EFFECT_OK && row->after[0] != '\0' ? row->after : name;
    if (strcmp(after, "*") != 0 && strcmp(case_status_name(f->status_after), after) != 0)
        fail_msg("%s in %s leads to %s", case_event_name(row->type), name, case_status_name(f->status_after));
    casefile_destroy(file);
}

static void test_statuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(table); i++) {
        unsigned tried = 0;
        for (uint8_t status = 1; status < 64; status++)
            if (case_status_name(status) != NULL) {
                check_status(&table[i], status);
                tried++;
            }
        assert_int_equal(tried, 22);
    }
}

static const struct {
    char letter;
    uint32_t node;
} nodes[] = {{'A', RECEIVING}, {'B', LEAD}, {'C', OTHER}, {'N', NATIONAL}};

static void test_nodes(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(table); i++)
        for (size_t k = 0; k < array_count(nodes); k++) {
            struct casefile *file = case_for(table[i].type, some_allowed(&table[i]));
            struct case_event e = builder_event(table[i].type);
            e.origin = nodes[k].node;
            builder_cite_tips(file, &e);
            builder_add(file, &e);
            const struct case_effect *f = builder_effect(file, &e);
            bool may = strchr(table[i].nodes, nodes[k].letter) != NULL;
            if (f->kind != (may ? CASE_EFFECT_OK : CASE_EFFECT_DENIED))
                fail_msg("%s by %c: %s", case_event_name(table[i].type), nodes[k].letter, case_effect_name(f->kind));
            assert_int_equal(f->why == CASE_WHY_NODE || f->why == CASE_WHY_OTHER_SIDE, !may);
            casefile_destroy(file);
        }
}

static void test_roles(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(table); i++)
        for (uint16_t role = 0; role < 40; role++) {
            struct casefile *file = case_for(table[i].type, some_allowed(&table[i]));
            struct case_event e = builder_event(table[i].type);
            e.role = role;
            builder_cite_tips(file, &e);
            builder_add(file, &e);
            const struct case_effect *f = builder_effect(file, &e);
            bool may = case_role_name(role) != NULL && has_word(table[i].roles, case_role_name(role));
            if (f->kind != (may ? CASE_EFFECT_OK : CASE_EFFECT_DENIED))
                fail_msg("%s in role %u: %s", case_event_name(table[i].type), role, case_effect_name(f->kind));
            assert_int_equal(f->why == CASE_WHY_ROLE, !may);
            casefile_destroy(file);
        }
}

static void test_attributes(void **state)
{
    (void)state;
    static const uint16_t needing[] = {CASE_EVENT_RETURN,    CASE_EVENT_CORRECT,     CASE_EVENT_NOT_REQUIRED,
                                       CASE_EVENT_REFUSE,    CASE_EVENT_PAUSE,       CASE_EVENT_DECIDE,
                                       CASE_EVENT_EVALUATE,  CASE_EVENT_REVOKE,      CASE_EVENT_HANDOVER,
                                       CASE_EVENT_SUPERVISE, CASE_EVENT_EXTEND,      CASE_EVENT_REVIEW,
                                       CASE_EVENT_BREACH,    CASE_EVENT_FOLLOW_UP,   CASE_EVENT_PART,
                                       CASE_EVENT_PART_DONE, CASE_EVENT_PART_LAPSED, CASE_EVENT_MATERIAL};
    for (size_t i = 0; i < array_count(table); i++) {
        struct casefile *file = case_for(table[i].type, some_allowed(&table[i]));
        struct case_event e = builder_event(table[i].type);
        e.lead = 0;
        e.decision = e.grade = e.pause_kind = 0;
        e.expected_days = 0;
        e.reason[0] = '\0';
        e.has_file = false;
        e.has_official = e.has_part = false;
        e.review = e.side = 0;
        e.extend_days = 0;
        builder_cite_tips(file, &e);
        builder_add(file, &e);
        bool needs = false;
        for (size_t k = 0; k < array_count(needing); k++)
            needs = needs || needing[k] == table[i].type;
        const struct case_effect *f = builder_effect(file, &e);
        if (f->kind != (needs ? CASE_EFFECT_DENIED : CASE_EFFECT_OK))
            fail_msg("%s without attributes: %s", case_event_name(table[i].type), case_effect_name(f->kind));
        casefile_destroy(file);
    }
}

static void test_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(table); i++) {
        struct casefile *file = case_for(table[i].type, some_allowed(&table[i]));
        struct case_event e = builder_event(table[i].type);
        e.malformed = true;
        builder_cite_tips(file, &e);
        builder_add(file, &e);
        assert_int_equal(builder_effect(file, &e)->why, CASE_WHY_MALFORMED);
        casefile_destroy(file);
    }
}

/* SUBMIT: role and attributes; an invalid one opens nothing and does not stand in the way of a valid one. */
static void test_submit(void **state)
{
    (void)state;
    static const struct {
        uint16_t role;
        uint32_t lead;
        const char *item;
        uint16_t rules_version;
        bool malformed;
        uint8_t why;
    } rows[] = {
        {CASE_ROLE_WINDOW, LEAD, "x", 1, false, CASE_WHY_APPLIED},
        {CASE_ROLE_APPLICANT, LEAD, "x", 1, false, CASE_WHY_APPLIED},
        {CASE_ROLE_WINDOW, RECEIVING, "x", 1, false, CASE_WHY_APPLIED},
        {CASE_ROLE_DECIDER, LEAD, "x", 1, false, CASE_WHY_ROLE},
        {CASE_ROLE_WINDOW, 0, "x", 1, false, CASE_WHY_ATTRIBUTE},
        {CASE_ROLE_WINDOW, LEAD, "", 1, false, CASE_WHY_ATTRIBUTE},
        {CASE_ROLE_WINDOW, LEAD, "x", 2, false, CASE_WHY_RULES_UNKNOWN},
        {CASE_ROLE_WINDOW, LEAD, "x", 1, true, CASE_WHY_MALFORMED},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct casefile *file = builder_file();
        struct case_event e = builder_event(CASE_EVENT_SUBMIT);
        memset(e.id, 0, sizeof e.id); /* the smallest id there is */
        e.role = rows[i].role;
        e.lead = rows[i].lead;
        (void)snprintf(e.item_code, sizeof e.item_code, "%s", rows[i].item);
        e.rules_version = rows[i].rules_version;
        e.malformed = rows[i].malformed;
        builder_add(file, &e);
        assert_int_equal(builder_effect(file, &e)->why, rows[i].why);
        bool is_ok = rows[i].why == CASE_WHY_APPLIED;
        assert_int_equal(casefile_state(file)->status, is_ok ? CASE_STATUS_RECEIVED : CASE_STATUS_NONE);
        assert_int_equal(casefile_state(file)->root != NULL, is_ok);

        struct case_event valid = builder_append(file, CASE_EVENT_SUBMIT);
        assert_int_equal(builder_effect(file, &valid)->kind, is_ok ? CASE_EFFECT_GUARD : CASE_EFFECT_OK);
        casefile_destroy(file);
    }
}

static void test_ack(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_ACCEPTED);
    struct case_event ack = builder_append(file, CASE_EVENT_ACK);
    assert_int_equal(builder_effect(file, &ack)->why, CASE_WHY_SEEN);
    struct case_event wrong = builder_event(CASE_EVENT_ACK);
    wrong.origin = RECEIVING;
    builder_cite_tips(file, &wrong);
    builder_add(file, &wrong);
    assert_int_equal(builder_effect(file, &wrong)->kind, CASE_EFFECT_DENIED);
    casefile_destroy(file);
}

/* The operations that look at more than the status. */
static void test_forward_needs_checks(void **state)
{
    (void)state;
    static const struct {
        uint16_t checks[3];
        uint8_t kind;
    } rows[] = {
        {{0}, CASE_EFFECT_GUARD},
        {{CASE_EVENT_IDENTITY}, CASE_EFFECT_GUARD},
        {{CASE_EVENT_FORM}, CASE_EFFECT_GUARD},
        {{CASE_EVENT_FORM, CASE_EVENT_IDENTITY}, CASE_EFFECT_OK},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct casefile *file = builder_file();
        (void)builder_append(file, CASE_EVENT_SUBMIT);
        for (const uint16_t *type = rows[i].checks; *type != 0; type++)
            (void)builder_append(file, *type);
        struct case_event e = builder_append(file, CASE_EVENT_FORWARD);
        assert_int_equal(builder_effect(file, &e)->kind, rows[i].kind);
        casefile_destroy(file);
    }
}

static void test_second_correction_is_flagged(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_CORRECTED);
    assert_true((casefile_state(file)->flags & CASE_FLAG_CORRECTION) != 0);
    assert_true((casefile_state(file)->flags & CASE_FLAG_SECOND_CORRECTION) == 0);
    struct case_event e = builder_append(file, CASE_EVENT_CORRECT);
    assert_int_equal(builder_effect(file, &e)->why, CASE_WHY_SECOND_CORRECTION);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_CORRECTING);
    assert_true((casefile_state(file)->flags & CASE_FLAG_SECOND_CORRECTION) != 0);
    casefile_destroy(file);
}

static void test_evaluate_once_deliver_once(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_DELIVERED);
    (void)builder_append(file, CASE_EVENT_EVALUATE);
    struct case_event again = builder_event(CASE_EVENT_EVALUATE);
    again.grade = 1;
    builder_cite_tips(file, &again);
    builder_add(file, &again);
    assert_int_equal(builder_effect(file, &again)->why, CASE_WHY_ONCE);
    assert_int_equal(casefile_state(file)->grade, 5);
    casefile_destroy(file);
}

static void test_revoke_needs_a_grant(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_CLOSED_DENIED);
    assert_int_equal(casefile_state(file)->closed_as, CASE_STATUS_CLOSED_DENIED);
    (void)builder_append(file, CASE_EVENT_DELIVER);
    struct case_event e = builder_append(file, CASE_EVENT_REVOKE);
    assert_int_equal(builder_effect(file, &e)->why, CASE_WHY_NOT_GRANTED);
    assert_int_equal(casefile_state(file)->closed_as, CASE_STATUS_CLOSED_DENIED);
    casefile_destroy(file);
}

/* A way of events from a status, each with what it must give: kind and why. */
static const struct case_effect *act(struct casefile *file, struct case_event *e)
{
    builder_cite_tips(file, e);
    builder_add(file, e);
    return builder_effect(file, e);
}

/* 行政许可法第三十八条第二款: 说明理由, 告知复议、诉讼 */
static void test_denial_needs_reasons_and_remedies(void **state)
{
    (void)state;
    for (uint8_t told = 0; told < 4; told++) {
        struct casefile *file = builder_case_at(CASE_STATUS_PROCESSING);
        struct case_event deny = builder_event(CASE_EVENT_DECIDE);
        deny.decision = CASE_DECISION_DENY;
        deny.told = told;
        assert_int_equal(act(file, &deny)->why, told == 3 ? CASE_WHY_APPLIED : CASE_WHY_REASONS_UNTOLD);
        casefile_destroy(file);

        file = builder_case_at(CASE_STATUS_PROCESSING);
        struct case_event grant = builder_event(CASE_EVENT_DECIDE);
        grant.told = told;
        assert_int_equal(act(file, &grant)->why, CASE_WHY_APPLIED);
        casefile_destroy(file);
    }
}

/* 行政许可法第四十五条 names eight kinds; another one needs the reason and the law that stops the time. */
static void test_pause_of_another_kind(void **state)
{
    (void)state;
    for (uint8_t told = 0; told < 8; told++) {
        for (uint8_t kind = CASE_PAUSE_OTHER - 1; kind <= CASE_PAUSE_OTHER; kind++) {
            struct casefile *file = builder_case_at(CASE_STATUS_PROCESSING);
            struct case_event e = builder_event(CASE_EVENT_PAUSE);
            e.pause_kind = kind;
            e.told = told;
            bool is_done = kind != CASE_PAUSE_OTHER || (told & 5) == 5;
            assert_int_equal(act(file, &e)->why, is_done ? CASE_WHY_APPLIED : CASE_WHY_BASIS_UNTOLD);
            assert_int_equal(casefile_state(file)->status, is_done ? CASE_STATUS_PAUSED : CASE_STATUS_PROCESSING);
            casefile_destroy(file);
        }
    }
}

/* 行政许可法第四十二条: once, ten days, fifteen where several act together; the reason is told. */
static void test_extension(void **state)
{
    (void)state;
    static const struct {
        uint16_t days;
        bool joint;
        uint8_t told;
        uint8_t why;
    } rows[] = {
        {10, false, 1, CASE_WHY_RECORDED},       {11, false, 1, CASE_WHY_EXTENSION_OVER},
        {15, true, 1, CASE_WHY_RECORDED},        {16, true, 1, CASE_WHY_EXTENSION_OVER},
        {10, false, 0, CASE_WHY_REASONS_UNTOLD}, {10, false, 2, CASE_WHY_REASONS_UNTOLD},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct casefile *file = builder_case_with(CASE_STATUS_PROCESSING, (struct builder_more){.part = rows[i].joint});
        struct case_event e = builder_event(CASE_EVENT_EXTEND);
        e.extend_days = rows[i].days;
        e.told = rows[i].told;
        assert_int_equal(act(file, &e)->why, rows[i].why);
        const struct case_state *s = casefile_state(file);
        bool is_done = rows[i].why != CASE_WHY_REASONS_UNTOLD;
        assert_int_equal(s->extend_days, is_done ? rows[i].days : 0);
        assert_int_equal((s->flags & CASE_FLAG_EXTENDED) != 0, is_done);
        assert_int_equal((s->flags & CASE_FLAG_EXTENSION_OVER) != 0, rows[i].why == CASE_WHY_EXTENSION_OVER);
        if (is_done) {
            struct case_event again = builder_append(file, CASE_EVENT_EXTEND);
            assert_int_equal(builder_effect(file, &again)->why, CASE_WHY_EXTENDED_ONCE);
        }
        casefile_destroy(file);
    }
}

/* 法制审核: by another official, and a returned one does not count. */
static void test_review(void **state)
{
    (void)state;
    struct casefile *file = builder_case_with(CASE_STATUS_PROCESSING, (struct builder_more){.review = true});
    assert_true((casefile_state(file)->flags & CASE_FLAG_REVIEW_DEMANDED) != 0);
    struct case_event early = builder_event(CASE_EVENT_DECIDE);
    assert_int_equal(act(file, &early)->why, CASE_WHY_REVIEW_MISSING);
    struct case_event passed = builder_event(CASE_EVENT_REVIEW);
    assert_int_equal(act(file, &passed)->kind, CASE_EFFECT_OK);
    struct case_event returned = builder_event(CASE_EVENT_REVIEW);
    returned.review = CASE_REVIEW_RETURN;
    assert_int_equal(act(file, &returned)->kind, CASE_EFFECT_OK);
    struct case_event still_early = builder_event(CASE_EVENT_DECIDE);
    assert_int_equal(act(file, &still_early)->why, CASE_WHY_REVIEW_MISSING);
    struct case_event again = builder_event(CASE_EVENT_REVIEW);
    assert_int_equal(act(file, &again)->kind, CASE_EFFECT_OK);
    struct case_event nobody = builder_event(CASE_EVENT_DECIDE);
    nobody.has_official = false;
    assert_int_equal(act(file, &nobody)->why, CASE_WHY_OFFICIAL_MISSING);
    struct case_event same = builder_event(CASE_EVENT_DECIDE);
    same.official[0] = again.official[0];
    assert_int_equal(act(file, &same)->why, CASE_WHY_SAME_OFFICIAL);
    struct case_event other = builder_event(CASE_EVENT_DECIDE);
    assert_int_equal(act(file, &other)->why, CASE_WHY_APPLIED);
    casefile_destroy(file);
}

/* 容缺: the clock runs, the result waits. */
static void test_lacking(void **state)
{
    (void)state;
    struct casefile *file = builder_case_with(CASE_STATUS_CLOSED_LACKING, (struct builder_more){.lacking = true});
    assert_int_equal(casefile_state(file)->closed_as, CASE_STATUS_CLOSED_LACKING);
    assert_int_equal(casefile_state(file)->lacking_days, 5);
    struct case_event early = builder_append(file, CASE_EVENT_DELIVER);
    assert_int_equal(builder_effect(file, &early)->why, CASE_WHY_LACKING);
    (void)builder_append(file, CASE_EVENT_SUPPLY);
    assert_true((casefile_state(file)->flags & CASE_FLAG_LACKING_SUPPLIED) != 0);
    (void)builder_append(file, CASE_EVENT_FULFIL);
    const uint32_t open = CASE_FLAG_LACKING | CASE_FLAG_LACKING_SUPPLIED;
    assert_true((casefile_state(file)->flags & open) == 0);
    struct case_event again = builder_append(file, CASE_EVENT_FULFIL);
    assert_int_equal(builder_effect(file, &again)->why, CASE_WHY_NOTHING_LACKING);
    (void)builder_append(file, CASE_EVENT_DELIVER);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_DELIVERED);
    casefile_destroy(file);
}

/* 告知承诺: who promised falsely gets no grant. */
static void test_breach(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_PROCESSING);
    struct case_event none = builder_append(file, CASE_EVENT_BREACH);
    assert_int_equal(builder_effect(file, &none)->why, CASE_WHY_NO_PROMISE);
    casefile_destroy(file);

    file = builder_case_with(CASE_STATUS_PROCESSING, (struct builder_more){.promise = true});
    (void)builder_append(file, CASE_EVENT_BREACH);
    struct case_event again = builder_append(file, CASE_EVENT_BREACH);
    assert_int_equal(builder_effect(file, &again)->why, CASE_WHY_ALREADY);
    struct case_event grant = builder_append(file, CASE_EVENT_DECIDE);
    assert_int_equal(builder_effect(file, &grant)->why, CASE_WHY_BREACHED);
    struct case_event deny = builder_event(CASE_EVENT_DECIDE);
    deny.decision = CASE_DECISION_DENY;
    assert_int_equal(act(file, &deny)->why, CASE_WHY_APPLIED);
    casefile_destroy(file);
}

/* 好差评: each side once, and the rated side answers a bad mark. */
static void test_marks_of_both_sides(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_DELIVERED);
    for (uint8_t side = CASE_SIDE_RECEIVING; side <= CASE_SIDE_DECIDING; side++) {
        struct case_event e = builder_event(CASE_EVENT_EVALUATE);
        e.side = side;
        e.grade = side == CASE_SIDE_DECIDING ? 2 : 3;
        assert_int_equal(act(file, &e)->kind, CASE_EFFECT_OK);
        struct case_event again = builder_event(CASE_EVENT_EVALUATE);
        again.side = side;
        assert_int_equal(act(file, &again)->why, CASE_WHY_ONCE);
    }
    assert_int_equal(casefile_state(file)->grade, 3);
    assert_int_equal(casefile_state(file)->grade_deciding, 2);
    struct case_event good = builder_event(CASE_EVENT_FOLLOW_UP);
    good.side = CASE_SIDE_RECEIVING;
    good.origin = RECEIVING;
    good.role = CASE_ROLE_WINDOW;
    assert_int_equal(act(file, &good)->why, CASE_WHY_NO_BAD_MARK);
    struct case_event other = builder_event(CASE_EVENT_FOLLOW_UP);
    other.origin = RECEIVING;
    other.role = CASE_ROLE_WINDOW;
    assert_int_equal(act(file, &other)->why, CASE_WHY_OTHER_SIDE);
    struct case_event right = builder_append(file, CASE_EVENT_FOLLOW_UP);
    assert_int_equal(builder_effect(file, &right)->kind, CASE_EFFECT_OK);
    struct case_event twice = builder_append(file, CASE_EVENT_FOLLOW_UP);
    assert_int_equal(builder_effect(file, &twice)->why, CASE_WHY_ALREADY);
    casefile_destroy(file);
}

/* 多地联办: the whole is decided when the parts are. */
static void test_parts(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_PROCESSING);
    for (unsigned i = 0; i <= CASE_PARTS_MAX; i++) {
        struct case_event part = builder_event(CASE_EVENT_PART);
        part.part[0] = (uint8_t)i;
        assert_int_equal(act(file, &part)->why, i == CASE_PARTS_MAX ? CASE_WHY_PARTS_FULL : CASE_WHY_RECORDED);
    }
    struct case_event again = builder_append(file, CASE_EVENT_PART);
    assert_int_equal(builder_effect(file, &again)->why, CASE_WHY_ALREADY);
    for (unsigned i = 0; i < CASE_PARTS_MAX; i++) {
        struct case_event early = builder_append(file, CASE_EVENT_DECIDE);
        assert_int_equal(builder_effect(file, &early)->why, CASE_WHY_PARTS_OPEN);
        assert_int_equal(casefile_state(file)->parts_open, CASE_PARTS_MAX - i);
        struct case_event done = builder_event(CASE_EVENT_PART_DONE);
        done.part[0] = (uint8_t)i;
        done.decision = i == 3 ? CASE_DECISION_DENY : CASE_DECISION_GRANT;
        assert_int_equal(act(file, &done)->why, CASE_WHY_RECORDED);
        struct case_event twice = done;
        struct case_event numbers = builder_event(CASE_EVENT_PART_DONE);
        memcpy(twice.id, numbers.id, sizeof twice.id);
        twice.index = numbers.index;
        twice.parent_count = 0;
        assert_int_equal(act(file, &twice)->why, CASE_WHY_PART_UNKNOWN);
    }
    assert_int_equal(casefile_state(file)->parts_denied, 1);
    struct case_event grant = builder_append(file, CASE_EVENT_DECIDE);
    assert_int_equal(builder_effect(file, &grant)->why, CASE_WHY_PART_DENIED);
    struct case_event deny = builder_event(CASE_EVENT_DECIDE);
    deny.decision = CASE_DECISION_DENY;
    assert_int_equal(act(file, &deny)->why, CASE_WHY_APPLIED);
    casefile_destroy(file);
}

/* A part that comes to nothing after all, or not any more. */
static void test_part_lapsed(void **state)
{
    (void)state;
    struct casefile *file = builder_case_with(CASE_STATUS_ACCEPTED, (struct builder_more){.granted = true});
    struct case_event open = builder_event(CASE_EVENT_PART), other = builder_event(CASE_EVENT_PART_LAPSED);
    open.part[0] = other.part[0] = 1;
    assert_int_equal(act(file, &open)->why, CASE_WHY_RECORDED);
    assert_int_equal(act(file, &other)->why, CASE_WHY_RECORDED);
    assert_int_equal(casefile_state(file)->parts_denied, 1);
    assert_int_equal(casefile_state(file)->flags & CASE_FLAG_PART_LAPSED, 0);
    struct case_event granted = builder_append(file, CASE_EVENT_PART_LAPSED);
    assert_int_equal(builder_effect(file, &granted)->why, CASE_WHY_RECORDED);
    assert_int_equal(casefile_state(file)->parts_lapsed, 1);
    assert_true((casefile_state(file)->flags & CASE_FLAG_PART_LAPSED) != 0);
    struct case_event again = builder_append(file, CASE_EVENT_PART_LAPSED);
    assert_int_equal(builder_effect(file, &again)->why, CASE_WHY_PART_UNKNOWN);
    casefile_destroy(file);

    file = builder_case_with(CASE_STATUS_ACCEPTED, (struct builder_more){.granted = true});
    struct case_event lapsed = builder_append(file, CASE_EVENT_PART_LAPSED);
    assert_int_equal(builder_effect(file, &lapsed)->kind, CASE_EFFECT_OK);
    struct case_event grant = builder_append(file, CASE_EVENT_DECIDE);
    assert_int_equal(builder_effect(file, &grant)->why, CASE_WHY_PART_DENIED);
    casefile_destroy(file);
}

/* 行政许可法第三十二条第一款第四项: silence is acceptance, written by the node itself. */
static void test_deemed(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_ARRIVED);
    struct case_event e = builder_event(CASE_EVENT_ACCEPT);
    e.role = CASE_ROLE_SYSTEM;
    assert_int_equal(act(file, &e)->why, CASE_WHY_DEEMED);
    assert_true((casefile_state(file)->flags & CASE_FLAG_DEEMED) != 0);
    char text[CASE_EXPLAIN_SIZE];
    assert_non_null(strstr(case_effect_explain(builder_effect(file, &e), text, sizeof text), "第三十二条第一款第四项"));
    casefile_destroy(file);
}

/* A case forwarded, then received by an item with these terms. */
static struct casefile *received_with(uint8_t terms, bool promise)
{
    struct casefile *file = builder_case_with(CASE_STATUS_FORWARDED, (struct builder_more){.promise = promise});
    struct case_event receipt = builder_event(CASE_EVENT_RECEIPT);
    receipt.terms = terms;
    bool flagged = promise && (terms & CASE_TERM_PROMISE) == 0;
    assert_int_equal(act(file, &receipt)->why, flagged ? CASE_WHY_PROMISE_UNALLOWED : CASE_WHY_APPLIED);
    assert_int_equal((casefile_state(file)->flags & CASE_FLAG_PROMISE_UNALLOWED) != 0, flagged);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_ARRIVED);
    return file;
}

/* What the item of the case does not allow: silence is acceptance of licences only (行政许可法第三十二条第一款第四项); 容缺 and a
 * promise (国办发〔2020〕42号) stand, the applicant relies on them, and show. */
static void test_terms(void **state)
{
    (void)state;
    char text[CASE_EXPLAIN_SIZE];
    for (uint8_t terms = 0; terms < 8; terms++) {
        for (int promise = 0; promise < 2; promise++) {
            struct casefile *file = received_with(terms, promise != 0);
            assert_int_equal(casefile_state(file)->terms, terms);
            struct case_event silence = builder_event(CASE_EVENT_ACCEPT);
            silence.role = CASE_ROLE_SYSTEM;
            bool is_licence = (terms & CASE_TERM_LICENCE) != 0;
            const struct case_effect *f = act(file, &silence);
            assert_int_equal(f->why, is_licence ? CASE_WHY_DEEMED : CASE_WHY_NOT_DEEMED);
            assert_int_equal(f->kind, is_licence ? CASE_EFFECT_OK : CASE_EFFECT_GUARD);
            assert_non_null(strstr(case_effect_explain(f, text, sizeof text), "第三十二条第一款第四项"));
            casefile_destroy(file);

            file = received_with(terms, promise != 0);
            struct case_event accept = builder_event(CASE_EVENT_ACCEPT);
            accept.lacking_days = 5;
            bool may_lack = (terms & CASE_TERM_LACKING) != 0;
            f = act(file, &accept);
            assert_int_equal(f->why, may_lack ? CASE_WHY_APPLIED : CASE_WHY_LACKING_UNALLOWED);
            assert_int_equal(casefile_state(file)->status, CASE_STATUS_ACCEPTED);
            assert_int_equal((casefile_state(file)->flags & CASE_FLAG_LACKING_UNALLOWED) != 0, !may_lack);
            assert_int_equal(strstr(case_effect_explain(f, text, sizeof text), "容缺受理") != NULL, !may_lack);
            casefile_destroy(file);
        }
    }
}

/* 容缺 for longer than the case may take stands and shows; what has no limit to decide is nobody's to judge here. */
static void test_lacking_over(void **state)
{
    (void)state;
    static const struct {
        uint8_t terms, unit;
        uint16_t decide, lacking;
        bool is_over;
    } rows[] = {
        {CASE_TERM_LACKING, CASE_UNIT_WORKING, 5, 5, false},  {CASE_TERM_LACKING, CASE_UNIT_WORKING, 5, 6, true},
        {CASE_TERM_LACKING, CASE_UNIT_NATURAL, 5, 5, false},  {CASE_TERM_LACKING, CASE_UNIT_NATURAL, 5, 6, true},
        {CASE_TERM_LACKING, CASE_UNIT_WORKING, 0, 99, false}, {0, CASE_UNIT_WORKING, 5, 6, false},
        {CASE_TERM_LACKING, CASE_UNIT_WORKING, 5, 0, false},
    };
    char text[CASE_EXPLAIN_SIZE];
    for (size_t i = 0; i < array_count(rows); i++) {
        struct casefile *file = builder_case_at(CASE_STATUS_FORWARDED);
        struct case_event receipt = builder_event(CASE_EVENT_RECEIPT), accept = builder_event(CASE_EVENT_ACCEPT);
        receipt.terms = rows[i].terms;
        receipt.has_limits = rows[i].decide != 0;
        case_limit_put(receipt.limits, CASE_LIMIT_DECIDE,
                       (struct case_limit){.unit = rows[i].unit, .days = rows[i].decide});
        act(file, &receipt);
        accept.lacking_days = rows[i].lacking;
        const struct case_effect *f = act(file, &accept);
        assert_int_equal(f->kind, CASE_EFFECT_OK);
        assert_int_equal(f->why == CASE_WHY_LACKING_OVER, rows[i].is_over);
        assert_int_equal((casefile_state(file)->flags & CASE_FLAG_LACKING_OVER) != 0, rows[i].is_over);
        assert_int_equal(strstr(case_effect_explain(f, text, sizeof text), "for longer than") != NULL, rows[i].is_over);
        casefile_destroy(file);
    }
}

/* 双公示: of a licence that was granted, once; what was revoked has to be published again. */
static void test_publish(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_DELIVERED);
    struct case_event first = builder_append(file, CASE_EVENT_PUBLISH);
    assert_int_equal(builder_effect(file, &first)->why, CASE_WHY_RECORDED);
    assert_true((casefile_state(file)->flags & CASE_FLAG_PUBLISHED) != 0);
    struct case_event again = builder_append(file, CASE_EVENT_PUBLISH);
    assert_int_equal(builder_effect(file, &again)->why, CASE_WHY_ALREADY);
    (void)builder_append(file, CASE_EVENT_REVOKE);
    assert_true((casefile_state(file)->flags & CASE_FLAG_PUBLISHED) == 0);
    struct case_event revoked = builder_append(file, CASE_EVENT_PUBLISH);
    assert_int_equal(builder_effect(file, &revoked)->why, CASE_WHY_RECORDED);
    casefile_destroy(file);

    file = builder_case_at(CASE_STATUS_CLOSED_DENIED);
    struct case_event denied = builder_append(file, CASE_EVENT_PUBLISH);
    assert_int_equal(builder_effect(file, &denied)->why, CASE_WHY_NOT_GRANTED);
    casefile_destroy(file);

    file = received_with(CASE_TERM_LACKING | CASE_TERM_PROMISE, false);
    (void)builder_append(file, CASE_EVENT_ACCEPT);
    (void)builder_append(file, CASE_EVENT_DECIDE);
    struct case_event other = builder_append(file, CASE_EVENT_PUBLISH);
    assert_int_equal(builder_effect(file, &other)->why, CASE_WHY_NOT_LICENCE);
    casefile_destroy(file);
}

static void test_handover(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_ARRIVED);
    struct case_event same = builder_event(CASE_EVENT_HANDOVER);
    same.lead = LEAD;
    builder_cite_tips(file, &same);
    builder_add(file, &same);
    assert_int_equal(builder_effect(file, &same)->why, CASE_WHY_SAME_LEAD);
    (void)builder_append(file, CASE_EVENT_HANDOVER);
    assert_int_equal(casefile_state(file)->lead, OTHER);
    struct case_event old = builder_append(file, CASE_EVENT_ACCEPT);
    assert_int_equal(builder_effect(file, &old)->why, CASE_WHY_NODE);
    struct case_event accept = builder_event(CASE_EVENT_ACCEPT);
    accept.origin = OTHER;
    builder_cite_tips(file, &accept);
    builder_add(file, &accept);
    assert_int_equal(builder_effect(file, &accept)->kind, CASE_EFFECT_OK);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_ACCEPTED);
    casefile_destroy(file);
}

/* A whole case inside one province: the same events, one author. */
static void test_one_node(void **state)
{
    (void)state;
    static const uint16_t way[] = {CASE_EVENT_SUBMIT,  CASE_EVENT_IDENTITY, CASE_EVENT_FORM,     CASE_EVENT_FORWARD,
                                   CASE_EVENT_RECEIPT, CASE_EVENT_ACCEPT,   CASE_EVENT_PROCESS,  CASE_EVENT_DECIDE,
                                   CASE_EVENT_CLOSE,   CASE_EVENT_DELIVER,  CASE_EVENT_EVALUATE, CASE_EVENT_ARCHIVE};
    struct casefile *file = builder_file();
    for (size_t i = 0; i < array_count(way); i++) {
        struct case_event e = builder_event(way[i]);
        e.origin = RECEIVING;
        e.lead = way[i] == CASE_EVENT_SUBMIT ? RECEIVING : 0;
        builder_cite_tips(file, &e);
        builder_add(file, &e);
        assert_int_equal(builder_effect(file, &e)->kind, CASE_EFFECT_OK);
        assert_int_equal(casefile_state(file)->level, CASE_LEVEL_SEQUENCED);
    }
    const struct case_state *s = casefile_state(file);
    assert_int_equal(s->status, CASE_STATUS_ARCHIVED);
    assert_int_equal(s->sequenced_count, array_count(way));
    assert_int_equal(s->closed_as, CASE_STATUS_CLOSED_GRANTED);
    assert_int_equal(s->decision, CASE_DECISION_GRANT);
    casefile_destroy(file);
}

/* Only the lead raises the version, and an unknown one stops the fold instead of guessing. */
static void test_rules_version(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_ARRIVED);
    struct case_event note = builder_event(CASE_EVENT_NOTE);
    note.origin = RECEIVING;
    note.rules_version = 9;
    builder_cite_tips(file, &note);
    builder_add(file, &note);
    assert_int_equal(builder_effect(file, &note)->kind, CASE_EFFECT_OK);
    assert_int_equal(casefile_state(file)->rules_version, 1);
    struct case_event accept = builder_event(CASE_EVENT_ACCEPT);
    accept.rules_version = 9;
    builder_cite_tips(file, &accept);
    builder_add(file, &accept);
    assert_int_equal(builder_effect(file, &accept)->why, CASE_WHY_RULES_UNKNOWN);
    assert_int_equal(casefile_state(file)->rules_version, 9);
    assert_true((casefile_state(file)->flags & CASE_FLAG_RULES_UNKNOWN) != 0);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_ARRIVED);
    casefile_destroy(file);

    assert_false(rules_is_known(2));
    assert_null(rules_find(2, CASE_EVENT_SUBMIT));
    assert_null(rules_find(1, 900));
    assert_int_equal(rules_rank(1, 900), RULES_RANK_UNKNOWN);
}

/* What a program does that was made before a type: it keeps the event, and it changes nothing. */
static void test_type_without_a_row(void **state)
{
    (void)state;
    static const uint16_t types[] = {CASE_EVENT_POST_MATERIALS, CASE_EVENT_POST_RESULT, CASE_EVENT_NOTIFY,
                                     CASE_EVENT_CHARGE,         CASE_EVENT_PAY,         900};
    struct casefile *file = builder_file();
    struct case_event submit = builder_event(CASE_EVENT_SUBMIT);
    submit.rules_version = 0;
    builder_add(file, &submit);
    for (size_t i = 0; i < array_count(types); i++) {
        struct case_event e = builder_event(types[i]);
        e.rules_version = 0;
        builder_cite_tips(file, &e);
        builder_add(file, &e);
        assert_int_equal(builder_effect(file, &e)->kind, CASE_EFFECT_NOOP);
        assert_int_equal(builder_effect(file, &e)->why, CASE_WHY_TYPE_UNKNOWN);
        assert_int_equal(casefile_state(file)->status, CASE_STATUS_RECEIVED);
    }
    casefile_destroy(file);
}

static void test_superior(void **state)
{
    (void)state;
    static const struct {
        uint32_t superior, node;
        bool is;
    } rows[] = {
        {100000, 510000, true},  {510000, 510100, true},  {510000, 510104, true},  {510100, 510104, true},
        {510000, 510000, false}, {510104, 510100, false}, {510100, 510000, false}, {510000, 520100, false},
        {510100, 510204, false}, {100000, 100000, false}, {510104, 510105, false}, {0, 510000, false},
        {510000, 0, false},      {510000, 100000, false},
    };
    for (size_t i = 0; i < array_count(rows); i++)
        assert_int_equal(rules_is_superior(rows[i].superior, rows[i].node), rows[i].is);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_here),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_denial_needs_reasons_and_remedies),
        cmocka_unit_test(test_pause_of_another_kind),
        cmocka_unit_test(test_extension),
        cmocka_unit_test(test_review),
        cmocka_unit_test(test_lacking),
        cmocka_unit_test(test_breach),
        cmocka_unit_test(test_marks_of_both_sides),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_part_lapsed),
        cmocka_unit_test(test_deemed),
        cmocka_unit_test(test_terms),
        cmocka_unit_test(test_lacking_over),
        cmocka_unit_test(test_publish),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_submit),
        cmocka_unit_test(test_ack),
        cmocka_unit_test(test_forward_needs_checks),
        cmocka_unit_test(test_second_correction_is_flagged),
        cmocka_unit_test(test_evaluate_once_deliver_once),
        cmocka_unit_test(test_revoke_needs_a_grant),
        cmocka_unit_test(test_handover),
        cmocka_unit_test(test_one_node),
        cmocka_unit_test(test_rules_version),
        cmocka_unit_test(test_type_without_a_row),
        cmocka_unit_test(test_superior),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
