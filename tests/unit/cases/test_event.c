/* Events by value: the tables of types, roles and statuses, and attributes both ways with everything that can be wrong
 * with them. */
#include "node/cases/event.h"

#include <stdio.h>

#include "node/base/prng.h"
#include "node/base/xassert.h"
#include "node/cases/status.h"
#include "tests/unit/cases/case_builder.h"

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= UINT16_MAX; i++) {
        const char *name = case_event_name((uint16_t)i);
        assert_int_equal(name != NULL, i >= 1 && i <= CASE_EVENT_LAST);
        assert_int_equal(case_event_chinese((uint16_t)i) != NULL, name != NULL);
        if (name != NULL)
            assert_int_equal(case_event_from_name(name), i);
        const char *role = case_role_name((uint16_t)i);
        assert_int_equal(role != NULL, i >= 1 && i <= 5);
        assert_int_equal(case_role_chinese((uint16_t)i) != NULL, role != NULL);
        if (role != NULL)
            assert_int_equal(case_role_from_name(role), i);
    }
    static const char *const unknown[] = {"", "Accept", "accept ", "none", "受理"};
    for (size_t i = 0; i < array_count(unknown); i++) {
        assert_int_equal(case_event_from_name(unknown[i]), 0);
        assert_int_equal(case_role_from_name(unknown[i]), 0);
        assert_int_equal(case_status_from_name(unknown[i]), 0);
    }
}

/* The numbers are other systems' too. */
static void test_statuses(void **state)
{
    (void)state;
    static const struct {
        uint8_t value;
        const char *name, *chinese;
    } rows[] = {
        {0, "none", "无"},
        {1, "received", "收件"},
        {3, "accepted", "受理"},
        {4, "not_required", "不受理"},
        {5, "refused", "不予受理"},
        {6, "correcting", "补正开始"},
        {7, "corrected", "补正结束"},
        {8, "processing", "办理"},
        {9, "paused", "特别程序开始"},
        {10, "resumed", "特别程序结束"},
        {11, "closed_granted", "办结(通过)"},
        {13, "closed_denied", "办结(不通过)"},
        {14, "withdrawn", "撤回"},
        {15, "revoked", "撤销"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        assert_string_equal(case_status_name(rows[i].value), rows[i].name);
        assert_string_equal(case_status_chinese(rows[i].value), rows[i].chinese);
        assert_int_equal(case_status_from_name(rows[i].name), rows[i].value);
    }
    assert_null(case_status_name(2));
    /* 撤件 and 撤回 are one status here, and two numbers elsewhere */
    assert_int_equal(case_status_number(CASE_STATUS_WITHDRAWN, false), 2);
    assert_int_equal(case_status_number(CASE_STATUS_WITHDRAWN, true), 14);
    assert_int_equal(case_status_number(CASE_STATUS_RECEIVED, false), 1);
    assert_int_equal(case_status_number(CASE_STATUS_REVOKED, true), 15);
    assert_null(case_status_chinese(255));
}

static int parse(uint16_t tag, const void *data, size_t size, struct case_event *ret, struct err *e)
{
    struct case_attr attr = {.tag = tag, .value = bytes_of(data, size)};
    return case_event_parse_attrs(&attr, 1, ret, e);
}

static void test_bad_values(void **state)
{
    (void)state;
    char long_text[80];
    memset(long_text, 'a', sizeof long_text);
    const struct {
        uint16_t tag;
        const char *data;
        size_t size;
        const char *id;
    } rows[] = {
        {CASE_ATTR_LEAD, "\0\0\1", 3, "case.attribute_size"},
        {CASE_ATTR_LEAD, "\0\0\0\0\1", 5, "case.attribute_size"},
        {CASE_ATTR_LEAD, "", 0, "case.attribute_size"},
        {CASE_ATTR_LEAD, "\0\0\0\0", 4, "case.attribute_range"},
        {CASE_ATTR_ITEM_CODE, "", 0, "case.attribute_size"},
        {CASE_ATTR_ITEM_CODE, long_text, 48, "case.attribute_size"},
        {CASE_ATTR_ITEM_CODE, "a b", 3, "case.attribute_text"},
        {CASE_ATTR_ITEM_CODE, "a\0b", 3, "case.attribute_text"},
        {CASE_ATTR_ITEM_CODE, "事项", 6, "case.attribute_text"},
        {CASE_ATTR_ITEM_VERSION, "\0\0\0\0", 4, "case.attribute_range"},
        {CASE_ATTR_MODE, "\0", 1, "case.attribute_range"},
        {CASE_ATTR_MODE, "\4", 1, "case.attribute_range"},
        {CASE_ATTR_DIVISION, "\0\0\0\0", 4, "case.attribute_range"},
        {CASE_ATTR_DECISION, "\0", 1, "case.attribute_range"},
        {CASE_ATTR_DECISION, "\3", 1, "case.attribute_range"},
        {CASE_ATTR_NUMBER, long_text, 64, "case.attribute_size"},
        {CASE_ATTR_NUMBER, "12\n", 3, "case.attribute_text"},
        {CASE_ATTR_REASON, long_text, 65, "case.attribute_size"},
        {CASE_ATTR_REASON, "Upper", 5, "case.attribute_text"},
        {CASE_ATTR_REASON, "a/b", 3, "case.attribute_text"},
        {CASE_ATTR_REQUEST, "123456789012345", 15, "case.attribute_size"},
        {CASE_ATTR_REQUEST, "12345678901234567", 17, "case.attribute_size"},
        {CASE_ATTR_LAST_LEAF, "1234567", 7, "case.attribute_size"},
        {CASE_ATTR_GRADE, "\0", 1, "case.attribute_range"},
        {CASE_ATTR_GRADE, "\6", 1, "case.attribute_range"},
        {CASE_ATTR_PAUSE_KIND, "\0", 1, "case.attribute_range"},
        {CASE_ATTR_EXPECTED_DAYS, "\0\0", 2, "case.attribute_range"},
        {CASE_ATTR_EXPECTED_DAYS, "\1", 1, "case.attribute_size"},
        {CASE_ATTR_CHANNEL, "\4", 1, "case.attribute_range"},
        {CASE_ATTR_OFFICIAL, long_text, 15, "case.attribute_size"},
        {CASE_ATTR_OFFICIAL, long_text, 17, "case.attribute_size"},
        {CASE_ATTR_DEMANDS, "\0", 1, "case.attribute_range"},
        {CASE_ATTR_TERMS, "\0", 1, "case.attribute_range"},
        {CASE_ATTR_LIMITS, long_text, 17, "case.attribute_size"},
        {CASE_ATTR_EXTEND_DAYS, "\0\0", 2, "case.attribute_range"},
        {CASE_ATTR_LACKING_DAYS, "\0\0", 2, "case.attribute_range"},
        {CASE_ATTR_PROMISE, "\2", 1, "case.attribute_range"},
        {CASE_ATTR_TOLD, "\0", 1, "case.attribute_range"},
        {CASE_ATTR_SIDE, "\3", 1, "case.attribute_range"},
        {CASE_ATTR_REVIEW, "\3", 1, "case.attribute_range"},
        {CASE_ATTR_PARENT, long_text, 15, "case.attribute_size"},
        {CASE_ATTR_PART, long_text, 17, "case.attribute_size"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct case_event event = builder_event(CASE_EVENT_SUPERVISE), before = event;
        struct err e;
        if (parse(rows[i].tag, rows[i].data, rows[i].size, &event, &e) != ERR_INVALID)
            fail_msg("row %zu was taken", i);
        assert_string_equal(e.id, rows[i].id);
        assert_true(event.malformed);
        assert_int_equal(event.lead, 0); /* nothing of an event that did not parse is kept */
        assert_int_equal(event.origin, before.origin);
        assert_memory_equal(event.id, before.id, 32);
    }
}

static void test_tags_increase_and_unknown_are_skipped(void **state)
{
    (void)state;
    static const struct {
        uint16_t tags[3];
        int code;
    } rows[] = {
        {{1, 6, 11}, 0},        {{1, 1, 11}, ERR_INVALID},    {{6, 1, 11}, ERR_INVALID},
        {{1, 500, 501}, 0},     {{500, 1, 501}, ERR_INVALID}, {{500, 500, 501}, ERR_INVALID},
        {{500, 501, 65535}, 0},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct case_attr attrs[3];
        for (size_t k = 0; k < 3; k++) {
            bool is_lead = rows[i].tags[k] == CASE_ATTR_LEAD;
            attrs[k] = (struct case_attr){.tag = rows[i].tags[k],
                                          .value = is_lead ? bytes_of("\0\0\0\1", 4) : bytes_of("\1", 1)};
        }
        struct case_event event = {0};
        struct err e;
        assert_int_equal(case_event_parse_attrs(attrs, 3, &event, &e), rows[i].code);
        assert_int_equal(event.malformed, rows[i].code < 0);
    }
    struct case_event event = builder_event(CASE_EVENT_DECIDE);
    event.malformed = true;
    assert_int_equal(case_event_parse_attrs(NULL, 0, &event, NULL), 0);
    assert_false(event.malformed);
    assert_int_equal(event.decision, 0); /* absent */
}

static void random_text(struct prng *p, char *out, size_t size)
{
    size_t length = (size_t)prng_below(p, size);
    for (size_t i = 0; i < length; i++)
        out[i] = (char)('a' + prng_below(p, 26));
}

static void random_attrs(struct prng *p, struct case_event *event)
{
    *event = (struct case_event){0};
    event->lead = prng_below(p, 2) ? (uint32_t)prng_next(p) | 1 : 0;
    event->division = prng_below(p, 2) ? 510104 : 0;
    event->item_version = (uint32_t)prng_below(p, 3);
    event->mode = (uint8_t)prng_below(p, 4);
    event->decision = (uint8_t)prng_below(p, 3);
    event->grade = (uint8_t)prng_below(p, 6);
    event->channel = (uint8_t)prng_below(p, 4);
    event->pause_kind = (uint8_t)prng_below(p, 256);
    event->expected_days = (uint16_t)prng_below(p, 65536);
    event->extend_days = (uint16_t)prng_below(p, 3);
    event->lacking_days = (uint16_t)prng_below(p, 3);
    event->demands = (uint8_t)prng_below(p, 2);
    event->terms = (uint8_t)prng_below(p, 8);
    event->unit = (uint8_t)prng_below(p, 3);
    event->promise = (uint8_t)prng_below(p, 2);
    event->told = (uint8_t)prng_below(p, 4);
    event->side = (uint8_t)prng_below(p, 3);
    event->review = (uint8_t)prng_below(p, 3);
    const struct {
        bool *flag;
        uint8_t *at;
        size_t size;
    } fixed[] = {{&event->has_official, event->official, sizeof event->official},
                 {&event->has_limits, event->limits, sizeof event->limits},
                 {&event->has_parent, event->parent, sizeof event->parent},
                 {&event->has_part, event->part, sizeof event->part}};
    for (size_t i = 0; i < array_count(fixed); i++) {
        *fixed[i].flag = prng_below(p, 2) != 0;
        if (*fixed[i].flag)
            prng_fill(p, fixed[i].at, fixed[i].size);
    }
    event->has_request = prng_below(p, 2);
    if (event->has_request)
        prng_fill(p, event->request, sizeof event->request);
    event->has_last_leaf = prng_below(p, 2);
    event->last_leaf = event->has_last_leaf ? prng_next(p) >> prng_below(p, 64) : 0;
    event->has_file = prng_below(p, 2);
    if (event->has_file)
        prng_fill(p, event->file, sizeof event->file);
    random_text(p, event->item_code, sizeof event->item_code);
    random_text(p, event->number, sizeof event->number);
    random_text(p, event->reason, sizeof event->reason);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct prng p;
    prng_init(&p, 7);
    struct buf storage = {0};
    for (unsigned i = 0; i < 5000; i++) {
        struct case_event event, parsed = {0};
        struct case_attr attrs[CASE_EVENT_ATTRS_MAX];
        unsigned count;
        struct err e;
        random_attrs(&p, &event);
        case_event_encode_attrs(&event, &storage, attrs, CASE_EVENT_ATTRS_MAX, &count);
        for (unsigned k = 1; k < count; k++)
            assert_true(attrs[k - 1].tag < attrs[k].tag);
        if (case_event_parse_attrs(attrs, count, &parsed, &e) < 0)
            fail_msg("%s", e.message);
        assert_int_equal(parsed.lead, event.lead);
        assert_int_equal(parsed.division, event.division);
        assert_int_equal(parsed.item_version, event.item_version);
        assert_int_equal(parsed.mode, event.mode);
        assert_int_equal(parsed.decision, event.decision);
        assert_int_equal(parsed.grade, event.grade);
        assert_int_equal(parsed.channel, event.channel);
        assert_int_equal(parsed.pause_kind, event.pause_kind);
        assert_int_equal(parsed.expected_days, event.expected_days);
        assert_int_equal(parsed.extend_days, event.extend_days);
        assert_int_equal(parsed.lacking_days, event.lacking_days);
        assert_int_equal(parsed.demands, event.demands);
        assert_int_equal(parsed.terms, event.terms);
        assert_int_equal(parsed.unit, event.unit);
        assert_int_equal(parsed.promise, event.promise);
        assert_int_equal(parsed.told, event.told);
        assert_int_equal(parsed.side, event.side);
        assert_int_equal(parsed.review, event.review);
        assert_true(parsed.has_official == event.has_official && parsed.has_limits == event.has_limits);
        assert_true(parsed.has_parent == event.has_parent && parsed.has_part == event.has_part);
        assert_memory_equal(parsed.official, event.official, sizeof event.official);
        assert_memory_equal(parsed.limits, event.limits, sizeof event.limits);
        assert_memory_equal(parsed.parent, event.parent, sizeof event.parent);
        assert_memory_equal(parsed.part, event.part, sizeof event.part);
        assert_int_equal(parsed.has_request, event.has_request);
        assert_memory_equal(parsed.request, event.request, 16);
        assert_int_equal(parsed.has_last_leaf, event.has_last_leaf);
        assert_true(parsed.last_leaf == event.last_leaf);
        assert_int_equal(parsed.has_file, event.has_file);
        assert_memory_equal(parsed.file, event.file, CASE_FILE_ID_SIZE);
        assert_string_equal(parsed.item_code, event.item_code);
        assert_string_equal(parsed.number, event.number);
        assert_string_equal(parsed.reason, event.reason);
    }
    buf_close(&storage);
}

/* The bytes of a leaf, written out. */
static void test_encoding(void **state)
{
    (void)state;
    struct case_event event = {.lead = 0x0007c830, .decision = 2, .reason = "a.1", .expected_days = 0x0102};
    struct buf storage = {0};
    struct case_attr attrs[CASE_EVENT_ATTRS_MAX];
    unsigned count;
    case_event_encode_attrs(&event, &storage, attrs, CASE_EVENT_ATTRS_MAX, &count);
    static const struct {
        uint16_t tag;
        const char *data;
        size_t size;
    } rows[] = {{1, "\0\x07\xc8\x30", 4}, {6, "\2", 1}, {8, "a.1", 3}, {13, "\1\2", 2}};
    assert_int_equal(count, array_count(rows));
    for (size_t i = 0; i < array_count(rows); i++) {
        assert_int_equal(attrs[i].tag, rows[i].tag);
        assert_true(bytes_equal(attrs[i].value, bytes_of(rows[i].data, rows[i].size)));
    }
    buf_close(&storage);
}

static void test_limits(void **state)
{
    (void)state;
    uint8_t limits[CASE_LIMITS_SIZE] = {0};
    for (unsigned i = 0; i < CASE_LIMIT_COUNT; i++) {
        assert_int_equal(case_limit_get(limits, i).unit, CASE_UNIT_NONE);
        struct case_limit in = {.days = (uint16_t)(0x0100 + i), .unit = 1 + i % 2};
        case_limit_put(limits, i, in);
        struct case_limit out = case_limit_get(limits, i);
        assert_true(out.days == in.days && out.unit == in.unit);
        assert_non_null(case_limit_name(i));
        assert_non_null(case_limit_chinese(i));
    }
    assert_memory_equal(limits, "\1\1\0\2\1\1\1\1\2\2\1\3", 12);
    limits[0] = 3; /* a unit that nobody knows */
    assert_int_equal(case_limit_get(limits, CASE_LIMIT_FORWARD).days, 0);
    assert_null(case_limit_name(CASE_LIMIT_COUNT));
    assert_null(case_limit_chinese(CASE_LIMIT_COUNT));
}

/* Kinds of art. 45, in its order, and what other laws know. */
static void test_pauses(void **state)
{
    (void)state;
    static const char *const chinese[] = {"听证", "招标", "拍卖", "检验", "检测", "检疫", "鉴定", "专家评审", "其他"};
    for (uint8_t kind = 1; kind <= array_count(chinese); kind++) {
        assert_string_equal(case_pause_chinese(kind), chinese[kind - 1]);
        assert_int_equal(case_pause_from_name(case_pause_name(kind)), kind);
    }
    assert_null(case_pause_name(0));
    assert_null(case_pause_chinese(10));
    assert_int_equal(case_pause_from_name("holiday"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),      cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_bad_values), cmocka_unit_test(test_tags_increase_and_unknown_are_skipped),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_pauses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
