/* Deadlines: each kind by the article it comes from, day by day over the holidays of 2026, what stands still, what is
 * extended, colours. Days are written out here as the State Council's notice for 2026 gives them. */
#include "node/cases/deadline.h"

#include "node/base/date.h"
#include "node/base/xassert.h"
#include "tests/unit/cases/case_builder.h"

/* 2026: 春节 02-15..23 off, 02-14 and 02-28 worked; 国庆 10-01..07 off, 10-10 worked (2026-09-20 worked). Nothing is known
 * of 2027. */
static bool is_working_2026(const void *ctx, uint32_t date, bool *ret_provisional)
{
    (void)ctx;
    unsigned weekday = date_weekday(date);
    *ret_provisional = date / 10000 != 2026;
    if ((date >= 20260215 && date <= 20260223) || (date >= 20261001 && date <= 20261007))
        return false;
    if (date == 20260214 || date == 20260228 || date == 20261010 || date == 20260920)
        return true;
    return weekday != 0 && weekday != 6;
}

static const struct deadline_calendar calendar = {.is_working_day = is_working_2026};

/* Noon of @date in China. */
static uint64_t hlc_of(uint32_t date)
{
    return ((uint64_t)date_to_days(date) * 86400000u + 4u * 3600000u) << 16;
}

static struct case_event on(struct casefile *file, uint32_t date, struct case_event e)
{
    e.hlc = hlc_of(date) + e.index;
    if (e.type != CASE_EVENT_SUBMIT)
        builder_cite_tips(file, &e);
    builder_add(file, &e);
    if (builder_effect(file, &e)->kind != CASE_EFFECT_OK)
        fail_msg("%s is not ok", case_event_name(e.type));
    return e;
}

static void step(struct casefile *file, uint32_t date, uint16_t type)
{
    (void)on(file, date, builder_event(type));
}

static void put_limit(struct case_event *e, enum case_limit_kind kind, uint8_t unit, uint16_t days)
{
    e->has_limits = true;
    case_limit_put(e->limits, kind, (struct case_limit){.unit = unit, .days = days});
}

/* A case that arrived on @date with the decision due in @days of @unit. */
static struct casefile *arrived(uint32_t date, uint8_t unit, uint16_t days)
{
    struct casefile *file = builder_file();
    struct case_event submit = builder_event(CASE_EVENT_SUBMIT);
    if (days > 0)
        put_limit(&submit, CASE_LIMIT_DECIDE, unit, days);
    (void)on(file, date, submit);
    step(file, date, CASE_EVENT_IDENTITY);
    step(file, date, CASE_EVENT_FORM);
    step(file, date, CASE_EVENT_FORWARD);
    step(file, date, CASE_EVENT_RECEIPT);
    return file;
}

static const struct deadline *find(const struct deadlines *d, uint8_t kind)
{
    for (unsigned i = 0; i < d->count; i++)
        if (d->rows[i].kind == kind)
            return &d->rows[i];
    return NULL;
}

static struct deadline only(struct casefile *file, uint8_t kind)
{
    struct deadlines all;
    deadline_compute(file, &calendar, &all);
    const struct deadline *found = find(&all, kind);
    if (found == NULL)
        fail_msg("no deadline %s", deadline_name(kind));
    return *found;
}

/* 第三十二条第一款第四项: five working days from 签收; told in time or accepted, it is met; a supplement begins anew. */
static void test_accept(void **state)
{
    (void)state;
    struct casefile *file = arrived(20260930, 0, 0); /* Wednesday before 国庆 */
    struct deadline d = only(file, DEADLINE_ACCEPT);
    assert_int_equal(d.due, 20261013); /* 8, 9, 10 (worked), 12, 13 */
    assert_int_equal(d.days, 5);
    assert_false(d.is_met || d.is_provisional);
    step(file, 20261012, CASE_EVENT_CORRECT);
    assert_true(only(file, DEADLINE_ACCEPT).is_met);
    step(file, 20261020, CASE_EVENT_SUPPLEMENT);
    d = only(file, DEADLINE_ACCEPT);
    assert_false(d.is_met);
    assert_int_equal(d.due, 20261027);
    casefile_destroy(file);
}

/* The same days for what is no licence, but another deadline: nothing follows from it by law. */
static void test_accept_of_what_is_no_licence(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_FORWARDED);
    struct case_event receipt = builder_event(CASE_EVENT_RECEIPT);
    receipt.terms = CASE_TERM_LACKING | CASE_TERM_PROMISE;
    (void)on(file, 20260930, receipt);
    struct deadline d = only(file, DEADLINE_ACCEPT_OTHER);
    assert_int_equal(d.due, 20261013);
    assert_string_equal(deadline_name(d.kind), deadline_name(DEADLINE_ACCEPT));
    step(file, 20261012, CASE_EVENT_CORRECT);
    assert_true(only(file, DEADLINE_ACCEPT_OTHER).is_met);
    step(file, 20261020, CASE_EVENT_SUPPLEMENT);
    assert_int_equal(only(file, DEADLINE_ACCEPT_OTHER).due, 20261027);
    step(file, 20261021, CASE_EVENT_ACCEPT);
    assert_true(only(file, DEADLINE_ACCEPT_OTHER).is_met);
    casefile_destroy(file);
}

/* 双公示: seven working days from the decision, of licences that were granted; after a revocation once more. */
static void test_publish(void **state)
{
    (void)state;
    struct casefile *file = arrived(20260901, 0, 0);
    step(file, 20260902, CASE_EVENT_ACCEPT);
    step(file, 20260930, CASE_EVENT_DECIDE); /* Wednesday before 国庆 */
    struct deadline d = only(file, DEADLINE_PUBLISH);
    assert_int_equal(d.due, 20261015); /* 8, 9, 10 (worked), 12, 13, 14, 15 */
    assert_false(d.is_met);
    step(file, 20261012, CASE_EVENT_PUBLISH);
    assert_int_equal(only(file, DEADLINE_PUBLISH).met, 20261012);
    step(file, 20261019, CASE_EVENT_REVOKE);
    d = only(file, DEADLINE_PUBLISH);
    assert_int_equal(d.from, 20261019);
    assert_false(d.is_met);
    casefile_destroy(file);

    file = arrived(20260901, 0, 0);
    step(file, 20260902, CASE_EVENT_ACCEPT);
    step(file, 20260930, CASE_EVENT_DECIDE);
    step(file, 20261009, CASE_EVENT_REVOKE); /* never public: nothing to put right */
    assert_true(only(file, DEADLINE_PUBLISH).is_met);
    casefile_destroy(file);
}

/* Silence: the limit to decide counts from the day the material came, not from the day the node wrote it down. */
static void test_deemed_counts_from_receipt(void **state)
{
    (void)state;
    struct casefile *file = arrived(20260302, CASE_UNIT_WORKING, 20);
    struct case_event deemed = builder_event(CASE_EVENT_ACCEPT);
    deemed.role = CASE_ROLE_SYSTEM;
    (void)on(file, 20260310, deemed);
    struct deadline d = only(file, DEADLINE_DECIDE);
    assert_int_equal(d.from, 20260302);
    assert_int_equal(d.due, 20260330);
    casefile_destroy(file);

    file = arrived(20260302, CASE_UNIT_WORKING, 20);
    step(file, 20260306, CASE_EVENT_ACCEPT);
    d = only(file, DEADLINE_DECIDE);
    assert_int_equal(d.from, 20260306);
    assert_int_equal(d.due, 20260403);
    casefile_destroy(file);
}

/* 第八十二条, with both kinds of exchanged days; natural days where the item says so, 民法典第二百零三条. */
static void test_counting(void **state)
{
    (void)state;
    static const struct {
        uint32_t from;
        uint8_t unit;
        uint16_t days;
        uint32_t due;
        bool provisional;
    } rows[] = {
        {20260213, CASE_UNIT_WORKING, 1, 20260214, false}, /* a worked Saturday */
        {20260214, CASE_UNIT_WORKING, 1, 20260224, false}, /* over 春节 */
        {20260227, CASE_UNIT_WORKING, 1, 20260228, false}, /* a worked Saturday */
        {20260302, CASE_UNIT_WORKING, 20, 20260330, false},
        {20260302, CASE_UNIT_NATURAL, 20, 20260323, false}, /* the 22nd is a Sunday */
        {20260302, CASE_UNIT_NATURAL, 10, 20260312, false}, /* a Thursday */
        {20260920, CASE_UNIT_NATURAL, 11, 20261008, false}, /* ends on 国庆, so after it */
        {20261230, CASE_UNIT_WORKING, 2, 20270101, true},   /* nobody has said yet that it is a holiday */
        {20261230, CASE_UNIT_WORKING, 1, 20261231, false},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct casefile *file = arrived(rows[i].from, rows[i].unit, rows[i].days);
        step(file, rows[i].from, CASE_EVENT_ACCEPT);
        struct deadline d = only(file, DEADLINE_DECIDE);
        if (d.due != rows[i].due || d.is_provisional != rows[i].provisional)
            fail_msg("row %zu: %u", i, d.due);
        casefile_destroy(file);
    }
}

/* 第四十五条: what a special procedure takes does not count; 第四十二条: an extension adds. */
static void test_pause_and_extension(void **state)
{
    (void)state;
    struct casefile *file = arrived(20260302, CASE_UNIT_WORKING, 20);
    step(file, 20260302, CASE_EVENT_ACCEPT);
    assert_int_equal(only(file, DEADLINE_DECIDE).due, 20260330);
    struct case_event pause = builder_event(CASE_EVENT_PAUSE);
    pause.pause_kind = 8; /* a hearing would have a deadline of its own */
    (void)on(file, 20260305, pause);
    struct deadline d = only(file, DEADLINE_DECIDE);
    assert_true(d.is_stopped);
    assert_int_equal(d.due, 0);
    assert_int_equal(only(file, DEADLINE_PAUSE).due, 20260416); /* 30 working days, what was told to the applicant */
    struct deadlines all;
    deadline_compute(file, &calendar, &all);
    assert_null(deadline_next(&all));
    step(file, 20260312, CASE_EVENT_RESUME); /* 6, 9, 10, 11, 12 do not count */
    d = only(file, DEADLINE_DECIDE);
    assert_int_equal(d.stopped_days, 5);
    assert_int_equal(d.due, 20260406);
    step(file, 20260313, CASE_EVENT_EXTEND);
    d = only(file, DEADLINE_DECIDE);
    assert_int_equal(d.days, 30);
    assert_int_equal(d.due, 20260420);
    step(file, 20260316, CASE_EVENT_DECIDE);
    d = only(file, DEADLINE_DECIDE);
    assert_true(d.is_met);
    assert_int_equal(d.met, 20260316);
    casefile_destroy(file);

    file = arrived(20260302, CASE_UNIT_NATURAL, 20); /* in natural days it takes natural days off */
    step(file, 20260302, CASE_EVENT_ACCEPT);
    step(file, 20260305, CASE_EVENT_PAUSE);
    step(file, 20260312, CASE_EVENT_RESUME);
    d = only(file, DEADLINE_DECIDE);
    assert_int_equal(d.stopped_days, 7);
    assert_int_equal(d.due, 20260330); /* the 29th is a Sunday */
    casefile_destroy(file);
}

/* 第四十四条: ten working days from the decision. */
static void test_deliver(void **state)
{
    (void)state;
    struct casefile *file = arrived(20260302, 0, 0);
    step(file, 20260302, CASE_EVENT_ACCEPT);
    step(file, 20260303, CASE_EVENT_DECIDE);
    step(file, 20260306, CASE_EVENT_CLOSE);
    struct deadline d = only(file, DEADLINE_DELIVER);
    assert_int_equal(d.from, 20260303);
    assert_int_equal(d.due, 20260317);
    step(file, 20260318, CASE_EVENT_DELIVER);
    step(file, 20260318, CASE_EVENT_PUBLISH);
    d = only(file, DEADLINE_DELIVER);
    assert_int_equal(deadline_colour(&d, 20260319), DEADLINE_RED); /* met, but late */
    struct deadlines all;
    deadline_compute(file, &calendar, &all);
    assert_null(deadline_next(&all));
    assert_null(find(&all, DEADLINE_DECIDE)); /* no limit was given, and the law has none for everything */
    casefile_destroy(file);
}

/* 好差评: fifteen working days for the side that was marked badly. */
static void test_follow_up(void **state)
{
    (void)state;
    struct casefile *file = arrived(20260302, 0, 0);
    step(file, 20260302, CASE_EVENT_ACCEPT);
    step(file, 20260302, CASE_EVENT_DECIDE);
    step(file, 20260302, CASE_EVENT_CLOSE);
    step(file, 20260302, CASE_EVENT_DELIVER);
    step(file, 20260302, CASE_EVENT_PUBLISH);
    struct case_event mark = builder_event(CASE_EVENT_EVALUATE);
    mark.grade = 2;
    mark.side = CASE_SIDE_DECIDING;
    (void)on(file, 20260302, mark);
    step(file, 20260302, CASE_EVENT_EVALUATE); /* the window's five stars */
    assert_int_equal(only(file, DEADLINE_FOLLOW_UP_DECIDING).due, 20260323);
    struct deadlines all;
    deadline_compute(file, &calendar, &all);
    assert_null(find(&all, DEADLINE_FOLLOW_UP_RECEIVING));
    assert_int_equal(deadline_next(&all)->kind, DEADLINE_FOLLOW_UP_DECIDING);
    step(file, 20260320, CASE_EVENT_FOLLOW_UP);
    assert_true(only(file, DEADLINE_FOLLOW_UP_DECIDING).is_met);
    casefile_destroy(file);
}

/* 容缺, 下级审查 and 转出 come with the case or not at all. */
static void test_limits_of_the_case(void **state)
{
    (void)state;
    struct casefile *file = builder_file();
    struct case_event submit = builder_event(CASE_EVENT_SUBMIT);
    put_limit(&submit, CASE_LIMIT_FORWARD, CASE_UNIT_WORKING, 3);
    put_limit(&submit, CASE_LIMIT_FIRST, CASE_UNIT_WORKING, 15);
    put_limit(&submit, CASE_LIMIT_DECIDE, CASE_UNIT_WORKING, 30);
    put_limit(&submit, CASE_LIMIT_DELIVER, CASE_UNIT_WORKING, 3);
    (void)on(file, 20260302, submit);
    assert_int_equal(only(file, DEADLINE_FORWARD).due, 20260305);
    step(file, 20260303, CASE_EVENT_IDENTITY);
    step(file, 20260303, CASE_EVENT_FORM);
    step(file, 20260303, CASE_EVENT_FORWARD);
    assert_true(only(file, DEADLINE_FORWARD).is_met);
    step(file, 20260303, CASE_EVENT_RECEIPT);
    struct case_event accept = builder_event(CASE_EVENT_ACCEPT);
    accept.lacking_days = 5;
    (void)on(file, 20260304, accept);
    assert_int_equal(only(file, DEADLINE_LACKING).due, 20260311);
    assert_int_equal(only(file, DEADLINE_FIRST).due, 20260325);
    assert_int_equal(only(file, DEADLINE_DECIDE).due, 20260415);
    struct deadlines all;
    deadline_compute(file, &calendar, &all);
    assert_int_equal(deadline_next(&all)->kind, DEADLINE_LACKING);
    step(file, 20260305, CASE_EVENT_FULFIL);
    deadline_compute(file, &calendar, &all);
    assert_int_equal(deadline_next(&all)->kind, DEADLINE_FIRST);
    step(file, 20260306, CASE_EVENT_HANDOVER);
    deadline_compute(file, &calendar, &all);
    assert_int_equal(deadline_next(&all)->kind, DEADLINE_DECIDE);
    step(file, 20260309, CASE_EVENT_WITHDRAW);
    deadline_compute(file, &calendar, &all);
    assert_null(deadline_next(&all)); /* nothing runs in a case that has ended */
    casefile_destroy(file);
}

static void test_colours(void **state)
{
    (void)state;
    struct casefile *file = arrived(20260302, CASE_UNIT_WORKING, 20);
    step(file, 20260302, CASE_EVENT_ACCEPT);
    struct deadline d = only(file, DEADLINE_DECIDE);
    static const struct {
        uint32_t today;
        uint8_t colour;
    } rows[] = {{20260302, DEADLINE_GREEN},  {20260323, DEADLINE_GREEN}, {20260324, DEADLINE_YELLOW},
                {20260330, DEADLINE_YELLOW}, {20260331, DEADLINE_RED},   {20270101, DEADLINE_RED}};
    for (size_t i = 0; i < array_count(rows); i++)
        if (deadline_colour(&d, rows[i].today) != rows[i].colour)
            fail_msg("%u is %s", rows[i].today, deadline_colour_name((uint8_t)deadline_colour(&d, rows[i].today)));
    casefile_destroy(file);
    assert_string_equal(deadline_colour_name(DEADLINE_RED), "red");
    assert_null(deadline_colour_name(0));
    assert_null(deadline_colour_name(4));
    assert_null(deadline_name(0));
    assert_null(deadline_chinese(DEADLINES_MAX + 1));
}

/* 孤儿认定: fifteen days from 收到推送 in the town, fifteen from 收到乡镇材料 in the county, whenever that is. */
static struct casefile *staged(uint32_t received, uint16_t first, uint16_t all)
{
    struct casefile *file = builder_case_at(CASE_STATUS_FORWARDED);
    struct case_event receipt = builder_event(CASE_EVENT_RECEIPT);
    receipt.terms = CASE_TERM_STAGED;
    put_limit(&receipt, CASE_LIMIT_FIRST, CASE_UNIT_WORKING, first);
    put_limit(&receipt, CASE_LIMIT_DECIDE, CASE_UNIT_WORKING, all);
    (void)on(file, received, receipt);
    return file;
}

static void test_stages(void **state)
{
    (void)state;
    static const struct {
        uint32_t handed, due;
    } rows[] = {{20260304, 20260325}, {20260320, 20260410}, {20260327, 20260417}}; /* early, in time, late */
    for (size_t i = 0; i < array_count(rows); i++) {
        struct casefile *file = staged(20260302, 15, 30); /* Monday */
        assert_int_equal(only(file, DEADLINE_FIRST).due, 20260323);
        assert_int_equal(only(file, DEADLINE_DECIDE).due, 20260413);
        step(file, 20260304, CASE_EVENT_ACCEPT); /* is no beginning */
        assert_int_equal(only(file, DEADLINE_FIRST).from, 20260302);
        assert_int_equal(only(file, DEADLINE_DECIDE).days, 30);
        step(file, rows[i].handed, CASE_EVENT_HANDOVER);
        assert_int_equal(only(file, DEADLINE_FIRST).met, rows[i].handed);
        assert_int_equal(deadline_colour(&(struct deadline){.due = 20260323, .met = rows[i].handed, .is_met = true}, 0),
                         rows[i].handed > 20260323 ? DEADLINE_RED : DEADLINE_GREEN);
        struct deadline d = only(file, DEADLINE_DECIDE);
        assert_int_equal(d.days, 15);
        assert_int_equal(d.from, rows[i].handed);
        assert_int_equal(d.due, rows[i].due);
        struct case_event pause = builder_event(CASE_EVENT_PAUSE); /* later: what is met keeps its day and its colour */
        pause.origin = OTHER;
        (void)on(file, 20260403, pause);
        assert_true(only(file, DEADLINE_DECIDE).is_stopped);
        assert_false(only(file, DEADLINE_FIRST).is_stopped);
        assert_int_equal(only(file, DEADLINE_FIRST).due, 20260323);
        casefile_destroy(file);
    }

    struct casefile *file = staged(20260302, 15, 30); /* to the right office first: its days are not over */
    step(file, 20260303, CASE_EVENT_HANDOVER);
    assert_false(only(file, DEADLINE_FIRST).is_met);
    assert_int_equal(only(file, DEADLINE_DECIDE).from, 20260302);
    casefile_destroy(file);

    file = staged(20260302, 0, 5); /* 户口迁移: one stage, from 收到准迁信息 */
    assert_int_equal(only(file, DEADLINE_DECIDE).due, 20260309);
    step(file, 20260303, CASE_EVENT_CORRECT); /* the applicant's time is not the office's */
    struct deadlines all;
    deadline_compute(file, &calendar, &all);
    assert_null(find(&all, DEADLINE_DECIDE));
    step(file, 20260310, CASE_EVENT_SUPPLEMENT);
    assert_int_equal(only(file, DEADLINE_DECIDE).due, 20260317);
    step(file, 20260311, CASE_EVENT_CORRECT);
    step(file, 20260312, CASE_EVENT_ACCEPT);
    assert_int_equal(only(file, DEADLINE_DECIDE).due, 20260319);
    casefile_destroy(file);
}

/* 第四十七条第一款: of a licence, twenty working days from the request for a hearing until it is over. */
static void test_hearing(void **state)
{
    (void)state;
    struct casefile *file = arrived(20260901, CASE_UNIT_WORKING, 20);
    step(file, 20260902, CASE_EVENT_ACCEPT);
    struct case_event pause = builder_event(CASE_EVENT_PAUSE);
    pause.pause_kind = CASE_PAUSE_HEARING;
    pause.expected_days = 15;
    (void)on(file, 20260907, pause);
    struct deadline d = only(file, DEADLINE_HEARING);
    assert_int_equal(d.due, 20261009); /* 09-20 is worked, 10-01..07 off */
    assert_false(d.is_met || d.is_stopped);
    struct deadlines all;
    deadline_compute(file, &calendar, &all);
    assert_int_equal(deadline_next(&all)->kind, DEADLINE_HEARING); /* the decision stands still */
    step(file, 20260928, CASE_EVENT_RESUME);
    assert_int_equal(only(file, DEADLINE_HEARING).met, 20260928);
    casefile_destroy(file);

    file = arrived(20260901, CASE_UNIT_WORKING, 20);
    step(file, 20260902, CASE_EVENT_ACCEPT);
    pause = builder_event(CASE_EVENT_PAUSE);
    pause.pause_kind = CASE_PAUSE_OTHER;
    pause.told = CASE_TOLD_REASONS | CASE_TOLD_BASIS;
    pause.unit = CASE_UNIT_NATURAL;
    pause.expected_days = 28;
    (void)on(file, 20260907, pause);
    deadline_compute(file, &calendar, &all);
    assert_null(find(&all, DEADLINE_HEARING));
    d = only(file, DEADLINE_PAUSE);
    assert_int_equal(d.unit, CASE_UNIT_NATURAL);
    assert_int_equal(d.due, 20261008); /* 28 days on is 10-05, a day off */
    casefile_destroy(file);
}

/* The days that the law gives where nothing else is said, each by its article. */
static void test_days_by_law(void **state)
{
    (void)state;
    static const struct {
        const char *what, *source;
        unsigned days;
    } rows[] = {
        {"decide", "行政许可法第四十二条第一款", 20},
        {"extend", "行政许可法第四十二条第一款", 10},
        {"decide, several authorities", "行政许可法第四十二条第二款", 45},
        {"extend, several authorities", "行政许可法第四十二条第二款", 15},
        {"review by the lower body", "行政许可法第四十三条", 20},
        {"hold a hearing", "行政许可法第四十七条第一款", 20},
    };
    static const struct {
        const char *what, *source;
        unsigned days;
    } law[] = {
#define X(name, what, days, source) {what, source, name},
        LAW_DAYS(X)
#undef X
    };
    assert_int_equal(array_count(law), array_count(rows));
    for (size_t i = 0; i < array_count(rows); i++) {
        assert_string_equal(law[i].what, rows[i].what);
        assert_string_equal(law[i].source, rows[i].source);
        assert_int_equal(law[i].days, rows[i].days);
    }
}

/* Every kind names its source. */
static void test_sources(void **state)
{
    (void)state;
    static const char *const sources[] = {NULL,
                                          "国办发〔2020〕35号 异地代收代办",
                                          "行政许可法第三十二条第一款第四项",
                                          "行政许可法第四十三条",
                                          "行政许可法第四十二条",
                                          "行政许可法第四十四条",
                                          "容缺受理 (地方规定)",
                                          "国办发〔2019〕51号 好差评",
                                          "国办发〔2019〕51号 好差评",
                                          "行政许可法第四十五条",
                                          "比照行政许可法第三十二条 (逾期不视为受理)",
                                          "双公示 行政许可决定7个工作日内公示",
                                          "行政许可法第四十七条第一款"};
    for (uint8_t kind = 1; kind <= DEADLINES_MAX; kind++)
        assert_string_equal(deadline_source(kind), sources[kind]);
    assert_null(deadline_source(0));
    assert_int_equal(deadline_date_of_hlc(0), 19700101);
    assert_int_equal(deadline_date_of_hlc((uint64_t)(15 * 3600000 + 3599999) << 16), 19700101);
    assert_int_equal(deadline_date_of_hlc((uint64_t)(16 * 3600000) << 16), 19700102); /* midnight in China */
    assert_true(deadline_date_of_hlc(UINT64_MAX) >= 20260101);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_publish),
        cmocka_unit_test(test_accept_of_what_is_no_licence),
        cmocka_unit_test(test_deemed_counts_from_receipt),
        cmocka_unit_test(test_counting),
        cmocka_unit_test(test_pause_and_extension),
        cmocka_unit_test(test_deliver),
        cmocka_unit_test(test_follow_up),
        cmocka_unit_test(test_limits_of_the_case),
        cmocka_unit_test(test_colours),
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_hearing),
        cmocka_unit_test(test_days_by_law),
        cmocka_unit_test(test_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
