/* Kinds of identifier (see identity.h): one table of kinds, one of forms; the two numbers with arithmetic are in identity.c. */
#include <stdio.h>
#include <string.h>

#include "node/base/date.h"
#include "node/base/xassert.h"
#include "node/cases/identity.h"

static const struct identity_kind_row kinds[] = {
#define X(name, value, wire, chinese, holder, source) {name, wire, chinese, holder, source},
    IDENTITY_KINDS(X)
#undef X
};

/* Forms of the kinds without a check character: '#' a digit, '@' a letter, '*' either, 'h' H (香港) or M (澳门). */
static const struct {
    enum identity_kind kind;
    const char *pattern;
} forms[] = {
    {IDENTITY_KIND_HK_MACAU, "h##########"}, /* rule of 2010: 8 digits for life, 2 that count the renewals */
    {IDENTITY_KIND_HK_MACAU, "h########"},   /* card since 2013: without the two; unseen */
    {IDENTITY_KIND_TAIWAN, "########"},      /* card since 2015; unseen */
    {IDENTITY_KIND_TAIWAN, "##########"},    /* booklet before it; unseen */
    {IDENTITY_KIND_TAIWAN, "##########@"},   /* booklet with the letter of its place of issue; unseen */
    {IDENTITY_KIND_PASSPORT, "*****"},       /* ICAO Doc 9303-4, 4.2.2: document number of up to nine characters */
    {IDENTITY_KIND_PASSPORT, "******"},         {IDENTITY_KIND_PASSPORT, "*******"},
    {IDENTITY_KIND_PASSPORT, "********"},       /* P1234567 因公普通护照 */
    {IDENTITY_KIND_PASSPORT, "*********"},      /* E12345678, EA1234567 普通护照 */
    {IDENTITY_KIND_FOREIGN, "@@@############"}, /* before 2023-12: nation, division, birth, serial, check; only the form */
};

static const char *forms_text(enum identity_kind kind)
{
    switch (kind) {
    case IDENTITY_KIND_HK_MACAU:
        return "H or M and 8 or 10 digits";
    case IDENTITY_KIND_TAIWAN:
        return "8 or 10 digits, or 10 digits and a letter";
    case IDENTITY_KIND_RESIDENCE:
        return "18 digits that begin with 810000, 820000 or 830000";
    case IDENTITY_KIND_PASSPORT:
        return "5 to 9 letters and digits";
    case IDENTITY_KIND_FOREIGN:
        return "9 and 17 digits, or 3 letters and 12 digits";
    case IDENTITY_KIND_OTHER:
        return "1 to 64 bytes of text";
    case IDENTITY_KIND_CITIZEN:
    case IDENTITY_KIND_CREDIT:
        break;
    }
    unreachable();
}

size_t identity_kinds(const struct identity_kind_row **ret)
{
    *ret = kinds;
    return array_count(kinds);
}

const struct identity_kind_row *identity_kind_of(const char *wire)
{
    for (size_t i = 0; i < array_count(kinds); i++)
        if (strcmp(kinds[i].wire, wire) == 0)
            return &kinds[i];
    return NULL;
}

static char to_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool fits(char pattern, char c)
{
    bool digit = c >= '0' && c <= '9', letter = c >= 'A' && c <= 'Z';
    switch (pattern) {
    case '#':
        return digit;
    case '@':
        return letter;
    case '*':
        return digit || letter;
    default:
        return c == 'H' || c == 'M';
    }
}

static bool has_form(enum identity_kind kind, const char *upper, size_t size)
{
    for (size_t i = 0; i < array_count(forms); i++) {
        if (forms[i].kind != kind || strlen(forms[i].pattern) != size)
            continue;
        size_t at = 0;
        while (at < size && fits(forms[i].pattern[at], upper[at]))
            at++;
        if (at == size)
            return true;
    }
    return false;
}

static bool refuse_form(enum identity_kind kind, struct identity_fault *fault)
{
    *fault = (struct identity_fault){.rule = IDENTITY_FORM, .forms = forms_text(kind)};
    return false;
}

/* The kinds whose number is built like a citizen's: those themselves, residence permits, and foreign residents since 2023. */
static bool check_citizen_like(enum identity_kind kind, const char *text, size_t size, uint32_t today,
                               struct identity_document *ret, struct identity_fault *fault)
{
    struct identity_citizen citizen;
    if (!identity_check_citizen(text, size, today, &citizen, fault))
        return false;
    bool is_foreign = citizen.division >= 900000;
    bool is_resident = citizen.division == 810000 || citizen.division == 820000 || citizen.division == 830000;
    if ((kind == IDENTITY_KIND_RESIDENCE && !is_resident) || (kind == IDENTITY_KIND_FOREIGN && !is_foreign))
        return refuse_form(kind, fault);
    ret->division = kind == IDENTITY_KIND_FOREIGN ? 0 : citizen.division; /* 9, place of application, nation */
    ret->birth = citizen.birth;
    memcpy(ret->number, citizen.number, sizeof citizen.number);
    return true;
}

static bool check_credit(const char *text, size_t size, struct identity_document *ret, struct identity_fault *fault)
{
    struct identity_credit credit;
    if (!identity_check_credit(text, size, &credit, fault))
        return false;
    ret->division = credit.division;
    memcpy(ret->number, credit.code, sizeof credit.code);
    if (credit.warning.rule != IDENTITY_OK)
        ret->warnings[ret->warning_count++] = credit.warning;
    return true;
}

bool identity_check(enum identity_kind kind, const char *text, size_t size, uint32_t today,
                    struct identity_document *ret, struct identity_fault *fault)
{
    struct identity_document found = {.kind = kind};
    bool ok = true;
    if (kind == IDENTITY_KIND_CREDIT) {
        ok = check_credit(text, size, &found, fault);
    } else if (kind == IDENTITY_KIND_CITIZEN || kind == IDENTITY_KIND_RESIDENCE ||
               (kind == IDENTITY_KIND_FOREIGN && size == IDENTITY_SIZE)) {
        ok = check_citizen_like(kind, text, size, today, &found, fault);
    } else if (size == 0 || size > IDENTITY_NUMBER_BYTES_MAX) {
        ok = refuse_form(kind, fault);
    } else {
        for (size_t i = 0; i < size; i++)
            found.number[i] = kind == IDENTITY_KIND_OTHER ? text[i] : to_upper(text[i]);
        if (kind != IDENTITY_KIND_OTHER && !has_form(kind, found.number, size))
            ok = refuse_form(kind, fault);
    }
    if (ok)
        *ret = found;
    return ok;
}

unsigned identity_age(uint32_t birth, uint32_t today)
{
    xassert(date_is_valid(birth) && date_is_valid(today) && birth <= today);
    return today / 10000 - birth / 10000 - (today % 10000 < birth % 10000);
}
