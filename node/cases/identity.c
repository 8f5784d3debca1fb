/* Citizen identity numbers and unified social credit codes (see identity.h). Source: GB 11643-1999 section 4 and
 * GB 32100-2015 section 5; the arithmetic of the credit code is in node/base/uscc.c. */
#include "node/cases/identity.h"

#include <stdio.h>
#include <string.h>

#include "node/base/date.h"
#include "node/base/uscc.h"
#include "node/base/xassert.h"

_Static_assert(IDENTITY_SIZE == USCC_SIZE, "both numbers have 18 characters");

static bool fail(struct identity_fault *fault, enum identity_rule rule, unsigned position, char expected)
{
    *fault = (struct identity_fault){.rule = rule, .position = position, .expected = expected};
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static char to_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static uint32_t number_at(const char *digits, size_t count)
{
    uint32_t n = 0;
    for (size_t i = 0; i < count; i++)
        n = n * 10 + (uint32_t)(digits[i] - '0');
    return n;
}

static char citizen_check_digit(const char *digits)
{
    static const int weights[17] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
    int sum = 0;
    for (int i = 0; i < 17; i++)
        sum += (digits[i] - '0') * weights[i];
    return "10X98765432"[sum % 11];
}

bool identity_check_citizen(const char *text, size_t size, uint32_t today, struct identity_citizen *ret,
                            struct identity_fault *fault)
{
    xassert(date_is_valid(today));
    if (size != IDENTITY_SIZE) {
        *fault = (struct identity_fault){.rule = IDENTITY_LENGTH, .size = size};
        return false;
    }
    for (unsigned i = 0; i < IDENTITY_SIZE; i++)
        if (!is_digit(text[i]) && !(i == 17 && to_upper(text[i]) == 'X'))
            return fail(fault, IDENTITY_DIGIT, i + 1, '\0');

    uint32_t birth = number_at(text + 6, 8);
    if (!date_is_valid(birth) || birth / 10000 < IDENTITY_BIRTH_YEAR_MIN)
        return fail(fault, IDENTITY_DATE, 7, '\0');
    if (birth > today)
        return fail(fault, IDENTITY_FUTURE, 7, '\0');

    char expected = citizen_check_digit(text);
    if (to_upper(text[17]) != expected)
        return fail(fault, IDENTITY_CHECK_DIGIT, 18, expected);

    *ret =
        (struct identity_citizen){.division = number_at(text, 6), .birth = birth, .is_male = (text[16] - '0') % 2 == 1};
    memcpy(ret->number, text, 17);
    ret->number[17] = expected;
    return true;
}

bool identity_check_credit(const char *text, size_t size, struct identity_credit *ret, struct identity_fault *fault)
{
    if (size != IDENTITY_SIZE) {
        *fault = (struct identity_fault){.rule = IDENTITY_LENGTH, .size = size};
        return false;
    }
    struct identity_credit credit = {0};
    for (size_t i = 0; i < IDENTITY_SIZE; i++)
        credit.code[i] = to_upper(text[i]);
    int at = uscc_form_fault(credit.code);
    if (at >= 0)
        return fail(fault, IDENTITY_DIGIT, (unsigned)at + 1, '\0');

    credit.division = number_at(credit.code + 2, 6);
    char expected = uscc_check_char(credit.code);
    char expected_org = uscc_org_check_char(credit.code);
    credit.has_wrong_check = credit.code[17] != expected;
    credit.has_wrong_org_check = credit.code[16] != expected_org;
    if (credit.has_wrong_check)
        (void)fail(&credit.warning, IDENTITY_CHECK_DIGIT, 18, expected); /* a warning, so the answer stays true */
    else if (credit.has_wrong_org_check)
        (void)fail(&credit.warning, IDENTITY_ORG_CHECK_DIGIT, 17, expected_org);
    *ret = credit;
    return true;
}

const char *identity_rule_id(enum identity_rule rule)
{
    static const char *const ids[] = {
#define X(name, id) [name] = id,
        IDENTITY_RULES(X)
#undef X
    };
    xassert((size_t)rule < array_count(ids));
    return ids[rule];
}

void identity_explain(const struct identity_fault *fault, char *out)
{
    const size_t size = IDENTITY_TEXT_SIZE;
    switch (fault->rule) {
    case IDENTITY_OK:
        (void)snprintf(out, size, "the number is in order");
        return;
    case IDENTITY_LENGTH:
        (void)snprintf(out, size, "the number has %zu characters, %d are expected", fault->size, IDENTITY_SIZE);
        return;
    case IDENTITY_DIGIT:
        (void)snprintf(out, size, "the character at position %u may not stand there", fault->position);
        return;
    case IDENTITY_DATE:
        (void)snprintf(out, size, "the birth date (positions 7 to 14) is no date, or before %u",
                       IDENTITY_BIRTH_YEAR_MIN);
        return;
    case IDENTITY_FUTURE:
        (void)snprintf(out, size, "the birth date (positions 7 to 14) is in the future");
        return;
    case IDENTITY_CHECK_DIGIT:
        (void)snprintf(out, size, "the check digit (position 18) is wrong: '%c' is expected", fault->expected);
        return;
    case IDENTITY_ORG_CHECK_DIGIT:
        (void)snprintf(out, size, "the check digit of the organisation code (position 17) is wrong: '%c' is expected",
                       fault->expected);
        return;
    case IDENTITY_FORM:
        (void)snprintf(out, size, "the number has none of the forms of its kind: %s", fault->forms);
        return;
    case IDENTITY_RULE_COUNT:
        break;
    }
    unreachable();
}

/* A capital letter at each of the first @letters places, digits behind. */
static bool is_lettered(const char *text, size_t size, size_t letters)
{
    for (size_t i = 0; i < size; i++)
        if (i < letters ? !is_letter(text[i]) : !is_digit(text[i]))
            return false;
    return true;
}

void identity_mask(const char *text, size_t size, char *out)
{
    static const char hidden[] = "********";
    size_t head = 0, tail = 0; /* characters that are shown */
    if (size == IDENTITY_SIZE) {
        head = 6;
        tail = 4;
    } else if (size == 15 && is_lettered(text, size, 3)) {
        head = 3;
        tail = 4;
    } else if (size >= 8 && size <= 11 && (is_lettered(text, size, 0) || is_lettered(text, size, 1))) {
        head = 1;
        tail = 2;
    }
    bool is_shaped = head > 0;
    for (size_t i = 0; is_shaped && i < size; i++)
        is_shaped = is_digit(text[i]) || is_letter(text[i]);
    if (!is_shaped) {
        memcpy(out, hidden, sizeof hidden);
        return;
    }
    for (size_t i = 0; i < size; i++)
        out[i] = i < head || i >= size - tail ? text[i] : '*';
    out[size] = '\0';
}
