/* Goal: the right numbers pass, each wrong one fails by the rule it breaks. Method: tables; the citizen numbers were
 * computed with births before 1909, so that nobody living holds one; the credit codes carry the word TEMP. */
#include "node/cases/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/xassert.h"

#define TODAY 20261124u

static const char *const valid_citizens[] = {
    "110101190003070037", "310115190202150043", "440306190412311013",
    "510104190507290029", "650102190802290134", "33010619010108008X",
};

static void test_valid_citizens(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(valid_citizens); i++) {
        struct identity_citizen c;
        struct identity_fault fault;
        assert_true(identity_check_citizen(valid_citizens[i], 18, TODAY, &c, &fault));
        assert_string_equal(c.number, valid_citizens[i]);
    }
}

static void test_citizen_fields(void **state)
{
    (void)state;
    struct identity_citizen c;
    struct identity_fault fault;
    assert_true(identity_check_citizen("33010619010108008x", 18, TODAY, &c, &fault));
    assert_string_equal(c.number, "33010619010108008X");
    assert_int_equal(c.division, 330106);
    assert_int_equal(c.birth, 19010108);
    assert_false(c.is_male);
    assert_true(identity_check_citizen("110101190003070037", 18, TODAY, &c, &fault));
    assert_true(c.is_male);
}

static void test_invalid_citizens(void **state)
{
    (void)state;
    static const struct {
        const char *number;
        uint32_t today;
        enum identity_rule rule;
        unsigned position;
        char expected;
    } rows[] = {
        {"", TODAY, IDENTITY_LENGTH, 0, 0},
        {"51010419050729002", TODAY, IDENTITY_LENGTH, 0, 0},
        {"1101011900030700370", TODAY, IDENTITY_LENGTH, 0, 0},
        {"110101000307003", TODAY, IDENTITY_LENGTH, 0, 0}, /* the old form of 15 digits */
        {"11010119000307003 ", TODAY, IDENTITY_DIGIT, 18, 0},
        {"11010X190003070037", TODAY, IDENTITY_DIGIT, 6, 0},
        {"1101011900O3070037", TODAY, IDENTITY_DIGIT, 11, 0},
        {"11010119000307003Y", TODAY, IDENTITY_DIGIT, 18, 0},
        {"440306190413311015", TODAY, IDENTITY_DATE, 7, 0}, /* month 13, check digit right */
        {"650102190702290014", TODAY, IDENTITY_DATE, 7, 0}, /* 29 February 1907, check digit right */
        {"110101000003070037", TODAY, IDENTITY_DATE, 7, 0},
        {"110101179912310037", TODAY, IDENTITY_DATE, 7, 0},
        {"110101202611250037", TODAY, IDENTITY_FUTURE, 7, 0},
        {"110101190003070037", 19000306, IDENTITY_FUTURE, 7, 0},
        {"110101190003070038", TODAY, IDENTITY_CHECK_DIGIT, 18, '7'},
        {"310115190202150034", TODAY, IDENTITY_CHECK_DIGIT, 18, '5'}, /* two digits swapped */
        {"330106190101080081", TODAY, IDENTITY_CHECK_DIGIT, 18, 'X'},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct identity_citizen c = {.birth = 1};
        struct identity_fault fault;
        size_t size = strlen(rows[i].number);
        assert_false(identity_check_citizen(rows[i].number, size, rows[i].today, &c, &fault));
        assert_int_equal(fault.rule, rows[i].rule);
        assert_int_equal(fault.position, rows[i].position);
        assert_int_equal(c.birth, 1); /* outputs untouched */
        assert_int_equal(fault.size, rows[i].rule == IDENTITY_LENGTH ? size : 0);
        assert_int_equal(fault.expected, rows[i].expected);
    }
}

static void test_born_today(void **state)
{
    (void)state;
    struct identity_citizen c;
    struct identity_fault fault;
    assert_true(identity_check_citizen("110101190003070037", 18, 19000307, &c, &fault));
}

/* Any single wrong digit of a valid number is found (ISO 7064 MOD 11-2 promises it). */
static void test_single_digit_errors(void **state)
{
    (void)state;
    for (size_t row = 0; row < array_count(valid_citizens); row++) {
        for (size_t at = 0; at < 18; at++) {
            for (char digit = '0'; digit <= '9'; digit++) {
                char number[19];
                memcpy(number, valid_citizens[row], sizeof number);
                if (number[at] == digit)
                    continue;
                number[at] = digit;
                struct identity_citizen c;
                struct identity_fault fault;
                assert_false(identity_check_citizen(number, 18, TODAY, &c, &fault));
            }
        }
    }
}

static void test_credit_codes(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        const char *normal;
        bool has_wrong_check, has_wrong_org_check;
        char expected;
    } rows[] = {
        {"11330000TEMP000138", "11330000TEMP000138", false, false, 0},
        {"12510100TEMP00021A", "12510100TEMP00021A", false, false, 0},
        {"91440300TEMP0003XW", "91440300TEMP0003XW", false, false, 0},
        {"91440300temp0003xw", "91440300TEMP0003XW", false, false, 0},
        {"92310115TEMP000484", "92310115TEMP000484", false, false, 0},
        {"52110000TEMP00056Q", "52110000TEMP00056Q", false, false, 0},
        {"91110000101623741K", "91110000101623741K", false, false, 0},
        {"12441500196720244T", "12441500196720244T", false, false, 0},
        {"11330000TEMP000131", "11330000TEMP000131", true, false, '8'},
        {"12510010TEMP00021A", "12510010TEMP00021A", true, false, 0}, /* swapped digits */
        {"52110000TEMP000506", "52110000TEMP000506", false, true, '6'},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct identity_credit c;
        struct identity_fault fault;
        assert_true(identity_check_credit(rows[i].code, 18, &c, &fault));
        assert_string_equal(c.code, rows[i].normal);
        assert_int_equal(c.has_wrong_check, rows[i].has_wrong_check);
        assert_int_equal(c.has_wrong_org_check, rows[i].has_wrong_org_check);
        bool is_clean = !c.has_wrong_check && !c.has_wrong_org_check;
        assert_int_equal(c.warning.rule == IDENTITY_OK, is_clean);
        if (rows[i].expected != 0)
            assert_int_equal(c.warning.expected, rows[i].expected);
    }
}

static void test_credit_forms(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        enum identity_rule rule;
        unsigned position;
    } rows[] = {
        {"92310115TEMP00048", IDENTITY_LENGTH, 0},
        {"92310115TEMP0004844", IDENTITY_LENGTH, 0},
        {"91440300TEIP0003XW", IDENTITY_DIGIT, 11}, /* letter I */
        {"9144O300TEMP0003XW", IDENTITY_DIGIT, 5},
        {"9144A300TEMP0003XW", IDENTITY_DIGIT, 5}, /* a letter of the alphabet inside the division */
        {"91440300TEMP0003X-", IDENTITY_DIGIT, 18},
        {"9144030\0TEMP0003XW", IDENTITY_DIGIT, 8},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct identity_credit c;
        struct identity_fault fault;
        size_t size = rows[i].rule == IDENTITY_LENGTH ? strlen(rows[i].code) : 18;
        assert_false(identity_check_credit(rows[i].code, size, &c, &fault));
        assert_int_equal(fault.rule, rows[i].rule);
        assert_int_equal(fault.position, rows[i].position);
    }
}

static void test_mask(void **state)
{
    (void)state;
    static const struct {
        const char *text, *masked;
    } rows[] = {
        {"110101190003070037", "110101********0037"},
        {"33010619010108008x", "330106********008x"},
        {"91440300TEMP0003XW", "914403********03XW"},
        {"H12345678", "H******78"},
        {"M1234567890", "M********90"},
        {"12345678", "1*****78"},
        {"USA110019000307", "USA********0307"},
        {"AB1234567", "********"}, /* of no shape that is known */
        {"", "********"},
        {"11010119000307003", "********"},
        {"1101011900030700377", "********"},
        {"110101190003\n70037", "********"},
        {"\xe5\xbc\xa0\xe4\xb8\x89\xe5\xbc\xa0\xe4\xb8\x89\xe5\xbc\xa0\xe4\xb8\x89", "********"}, /* 18 bytes */
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        char out[IDENTITY_SIZE + 1];
        identity_mask(rows[i].text, strlen(rows[i].text), out);
        assert_string_equal(out, rows[i].masked);
    }
}

/* Every kind and form, each row beside the source that identity.h names for its kind. */
static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *number, *normal; /* normal NULL: refused */
        enum identity_rule rule;
        uint32_t division, birth;
    } rows[] = {
        {"citizen_id", "33010619010108008x", "33010619010108008X", IDENTITY_OK, 330106, 19010108},
        {"citizen_id", "330106190101080081", NULL, IDENTITY_CHECK_DIGIT, 0, 0},
        {"uscc", "91440300temp0003xw", "91440300TEMP0003XW", IDENTITY_OK, 440300, 0},
        {"hk_macau_permit", "H12345678", "H12345678", IDENTITY_OK, 0, 0},
        {"hk_macau_permit", "m1234567890", "M1234567890", IDENTITY_OK, 0, 0},
        {"hk_macau_permit", "H123456789", NULL, IDENTITY_FORM, 0, 0},
        {"hk_macau_permit", "T12345678", NULL, IDENTITY_FORM, 0, 0},
        {"hk_macau_permit", "", NULL, IDENTITY_FORM, 0, 0},
        {"taiwan_permit", "12345678", "12345678", IDENTITY_OK, 0, 0},
        {"taiwan_permit", "1234567890", "1234567890", IDENTITY_OK, 0, 0},
        {"taiwan_permit", "1234567890b", "1234567890B", IDENTITY_OK, 0, 0},
        {"taiwan_permit", "123456789", NULL, IDENTITY_FORM, 0, 0},
        {"residence_permit", "810000190003070030", "810000190003070030", IDENTITY_OK, 810000, 19000307},
        {"residence_permit", "830000190003070038", NULL, IDENTITY_CHECK_DIGIT, 0, 0},
        {"residence_permit", "110101190003070037", NULL, IDENTITY_FORM, 0, 0},
        {"passport", "e12345678", "E12345678", IDENTITY_OK, 0, 0},
        {"passport", "EA1234567", "EA1234567", IDENTITY_OK, 0, 0},
        {"passport", "12345", "12345", IDENTITY_OK, 0, 0},
        {"passport", "a23456", "A23456", IDENTITY_OK, 0, 0},
        {"passport", "A234567", "A234567", IDENTITY_OK, 0, 0},
        {"passport", "P1234567", "P1234567", IDENTITY_OK, 0, 0},
        {"passport", "1234", NULL, IDENTITY_FORM, 0, 0},
        {"passport", "E123456789", NULL, IDENTITY_FORM, 0, 0},
        {"passport", "E1234 678", NULL, IDENTITY_FORM, 0, 0},
        {"foreign_permanent_resident", "usa110019000307", "USA110019000307", IDENTITY_OK, 0, 0},
        {"foreign_permanent_resident", "US1110019000307", NULL, IDENTITY_FORM, 0, 0},
        {"foreign_permanent_resident", "110101190003070037", NULL, IDENTITY_FORM, 0, 0},
        {"other", "anything at all", "anything at all", IDENTITY_OK, 0, 0},
        {"other", "", NULL, IDENTITY_FORM, 0, 0},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct identity_document d = {0};
        struct identity_fault fault = {0};
        const struct identity_kind_row *kind = identity_kind_of(rows[i].kind);
        assert_non_null(kind);
        bool ok = identity_check(kind->kind, rows[i].number, strlen(rows[i].number), TODAY, &d, &fault);
        if (ok != (rows[i].normal != NULL) || fault.rule != rows[i].rule)
            fail_msg("%s %s: %d, rule %d, expected '%c'", rows[i].kind, rows[i].number, ok, fault.rule, fault.expected);
        if (ok)
            assert_string_equal(d.number, rows[i].normal);
        assert_int_equal(d.division, rows[i].division);
        assert_int_equal(d.birth, rows[i].birth);
    }
    assert_null(identity_kind_of("citizen"));
}

/* A foreign resident's number since 2023: 9, place, nation, birth, serial, the check of GB 11643. */
static void test_foreign_resident(void **state)
{
    (void)state;
    char number[19] = "911840190003070010";
    unsigned good = 0;
    for (const char *check = "0123456789X"; *check != '\0'; check++) {
        struct identity_document d;
        struct identity_fault fault;
        number[17] = *check;
        if (!identity_check(IDENTITY_KIND_FOREIGN, number, 18, TODAY, &d, &fault))
            continue;
        good++;
        assert_int_equal(d.birth, 19000307);
        assert_int_equal(d.division, 0);
    }
    assert_int_equal(good, 1);
}

static void test_age(void **state)
{
    (void)state;
    assert_int_equal(identity_age(20100301, 20240229), 13);
    assert_int_equal(identity_age(20100301, 20240301), 14);
    assert_int_equal(identity_age(20080229, 20220228), 13); /* a birthday that the year does not have: the day after */
    assert_int_equal(identity_age(20080229, 20220301), 14);
    assert_int_equal(identity_age(20240101, 20240101), 0);
}

/* The source of every kind, so that another reading of it shows as a change here. */
static void test_kind_sources(void **state)
{
    (void)state;
    static const struct {
        const char *wire, *chinese, *source;
    } rows[] = {
        {"citizen_id", "居民身份证", "GB 11643-1999"},
        {"uscc", "统一社会信用代码", "GB 32100-2015"},
        {"other", "其他证件", "no form is checked"},
        {"hk_macau_permit", "港澳居民来往内地通行证", "公安部出入境管理局《港澳居民来往内地通行证号码规则》2010-03-10"},
        {"taiwan_permit", "台湾居民来往大陆通行证", "unseen"},
        {"residence_permit", "港澳台居民居住证",
         "国办发〔2018〕81号, GB 11643-1999 with division 810000, 820000 or 830000"},
        {"passport", "护照", "ICAO Doc 9303-4: up to nine characters"},
        {"foreign_permanent_resident", "外国人永久居留身份证",
         "国家移民管理局《新版外国人永久居留身份证机读信息规则》(2023)"},
    };
    const struct identity_kind_row *kinds;
    assert_int_equal(identity_kinds(&kinds), array_count(rows));
    for (size_t i = 0; i < array_count(rows); i++) {
        const struct identity_kind_row *kind = identity_kind_of(rows[i].wire);
        assert_non_null(kind);
        assert_string_equal(kind->chinese, rows[i].chinese);
        assert_string_equal(kind->source, rows[i].source);
    }
}

/* Every rule has an id of its own and a sentence, and the sentence names what is expected. */
static void test_explain(void **state)
{
    (void)state;
    for (int rule = 0; rule < IDENTITY_RULE_COUNT; rule++) {
        struct identity_fault fault = {
            .rule = (enum identity_rule)rule, .size = 17, .position = 18, .expected = '7', .forms = "two words"};
        char text[IDENTITY_TEXT_SIZE] = "";
        identity_explain(&fault, text);
        assert_true(strlen(text) > 10);
        assert_int_equal(strncmp(identity_rule_id((enum identity_rule)rule), "identity.", 9), 0);
        for (int other = 0; other < rule; other++)
            assert_string_not_equal(identity_rule_id((enum identity_rule)rule),
                                    identity_rule_id((enum identity_rule)other));
        if (rule == IDENTITY_CHECK_DIGIT)
            assert_string_equal(text, "the check digit (position 18) is wrong: '7' is expected");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_citizens),
        cmocka_unit_test(test_citizen_fields),
        cmocka_unit_test(test_invalid_citizens),
        cmocka_unit_test(test_born_today),
        cmocka_unit_test(test_single_digit_errors),
        cmocka_unit_test(test_credit_codes),
        cmocka_unit_test(test_credit_forms),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_foreign_resident),
        cmocka_unit_test(test_age),
        cmocka_unit_test(test_kind_sources),
        cmocka_unit_test(test_explain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
