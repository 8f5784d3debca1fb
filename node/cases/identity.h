/* Form checks on the numbers that applicants bring: which kinds there are, the form of each with its source, the arithmetic
 * of citizen identity numbers (GB 11643-1999) and unified social credit codes (GB 32100-2015), and how they are shown in lists.
 *
 * Pure: `today` comes in, no lookup of divisions (an abolished division keeps its code on identity cards for life, so
 * an unknown one is the caller's warning at most, see catalog/region.h). A number that breaks a rule is a normal
 * result, not an error: the window shows which rule, where, and which check digit was expected. Any thread.
 */
#ifndef TB_CASES_IDENTITY_H
#define TB_CASES_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, stable id (API, node/ERRORS.md) */
#define IDENTITY_RULES(X)                                                                                              \
    X(IDENTITY_OK, "identity.ok")                                                                                      \
    X(IDENTITY_LENGTH, "identity.length")            /* not 18 characters */                                           \
    X(IDENTITY_DIGIT, "identity.digit")              /* a character that may not stand there; see position */          \
    X(IDENTITY_DATE, "identity.birth-date")          /* no such day */                                                 \
    X(IDENTITY_FUTURE, "identity.birth-date-future") /* born after today */                                            \
    X(IDENTITY_CHECK_DIGIT, "identity.check-digit")  /* see expected */                                                \
    X(IDENTITY_ORG_CHECK_DIGIT, "identity.organisation-check-digit") /* see expected; only a warning */                \
    X(IDENTITY_FORM, "identity.form")                                /* none of the forms of its kind; see forms */

/* Kinds of identifier: name, value, wire name (API `id_type`), Chinese name, who has one, where its form comes from. "unseen"
 * marks a form that was not read in its source, but in several programs that check it. */
#define IDENTITY_KINDS(X)                                                                                              \
    X(IDENTITY_KIND_CITIZEN, 1, "citizen_id", "居民身份证", IDENTITY_OF_PERSON, "GB 11643-1999")                       \
    X(IDENTITY_KIND_CREDIT, 2, "uscc", "统一社会信用代码", IDENTITY_OF_ORGANISATION, "GB 32100-2015")                  \
    X(IDENTITY_KIND_OTHER, 3, "other", "其他证件", IDENTITY_OF_ANYBODY, "no form is checked")                          \
    X(IDENTITY_KIND_HK_MACAU, 4, "hk_macau_permit", "港澳居民来往内地通行证", IDENTITY_OF_PERSON,                      \
      "公安部出入境管理局《港澳居民来往内地通行证号码规则》2010-03-10")                                                \
    X(IDENTITY_KIND_TAIWAN, 5, "taiwan_permit", "台湾居民来往大陆通行证", IDENTITY_OF_PERSON, "unseen")                \
    X(IDENTITY_KIND_RESIDENCE, 6, "residence_permit", "港澳台居民居住证", IDENTITY_OF_PERSON,                          \
      "国办发〔2018〕81号, GB 11643-1999 with division 810000, 820000 or 830000")                                      \
    X(IDENTITY_KIND_PASSPORT, 7, "passport", "护照", IDENTITY_OF_PERSON, "ICAO Doc 9303-4: up to nine characters")     \
    X(IDENTITY_KIND_FOREIGN, 8, "foreign_permanent_resident", "外国人永久居留身份证", IDENTITY_OF_PERSON,              \
      "国家移民管理局《新版外国人永久居留身份证机读信息规则》(2023)")

enum identity_kind {
#define X(name, value, wire, chinese, holder, source) name = value,
    IDENTITY_KINDS(X)
#undef X
};

enum identity_holder { IDENTITY_OF_ANYBODY, IDENTITY_OF_PERSON, IDENTITY_OF_ORGANISATION };

struct identity_kind_row {
    enum identity_kind kind;
    const char *wire, *chinese;
    enum identity_holder holder;
    const char *source;
};
/* The table above; the count. */
size_t identity_kinds(const struct identity_kind_row **ret);
/* NULL when there is no such kind. */
const struct identity_kind_row *identity_kind_of(const char *wire);

enum identity_rule {
#define X(name, id) name,
    IDENTITY_RULES(X)
#undef X
        IDENTITY_RULE_COUNT
};

#define IDENTITY_SIZE 18 /* characters of either number */
#define IDENTITY_BIRTH_YEAR_MIN 1800u
#define IDENTITY_TEXT_SIZE 160

/* One rule that a number breaks, without the number itself: it may go into a log. */
struct identity_fault {
    enum identity_rule rule;
    size_t size;       /* IDENTITY_LENGTH: bytes that came */
    unsigned position; /* IDENTITY_DIGIT and the check digits: 1..18 */
    char expected;     /* the check digits: what belongs there */
    const char *forms; /* IDENTITY_FORM: the forms in words, static; else NULL */
};

#define IDENTITY_NUMBER_BYTES_MAX 64u /* IDENTITY_KIND_OTHER; every other kind has at most IDENTITY_SIZE */
#define IDENTITY_WARNINGS_MAX 2u

/* A number of any kind that has passed. */
struct identity_document {
    enum identity_kind kind;
    char number[IDENTITY_NUMBER_BYTES_MAX + 1]; /* normal form; personal data */
    uint32_t division;                          /* 0 = the kind names none */
    uint32_t birth;                             /* yyyymmdd, 0 = the kind names none */
    struct identity_fault
        warnings[IDENTITY_WARNINGS_MAX]; /* check characters of a credit code: severity is the caller's */
    size_t warning_count;
};

struct identity_citizen {
    char number[IDENTITY_SIZE + 1]; /* normal form, X upper-case; personal data */
    uint32_t division;              /* as printed when the number was given, may be abolished by now */
    uint32_t birth;                 /* yyyymmdd */
    bool is_male;
};

struct identity_credit {
    char code[IDENTITY_SIZE + 1]; /* normal form, upper-case */
    uint32_t division;            /* of the registering authority */
    bool has_wrong_check;         /* warnings: some codes in real use fail one */
    bool has_wrong_org_check;
    struct identity_fault warning; /* of the first of them; rule IDENTITY_OK when none */
};

/* Whether @text is a citizen identity number as of @today (yyyymmdd, must be valid). A lower-case x is normalised. True
 * fills @ret; false fills @fault with the first broken rule, in the order of the table above. @text is borrowed. */
bool identity_check_citizen(const char *text, size_t size, uint32_t today, struct identity_citizen *ret,
                            struct identity_fault *fault);

/* Whether @text has the form of a unified social credit code. Lower case is normalised. Wrong check characters are only
 * warnings in @ret. */
bool identity_check_credit(const char *text, size_t size, struct identity_credit *ret, struct identity_fault *fault);

/* Whether @text has the form of @kind as of @today (yyyymmdd, must be valid). True fills @ret; false fills @fault. */
bool identity_check(enum identity_kind kind, const char *text, size_t size, uint32_t today,
                    struct identity_document *ret, struct identity_fault *fault);

/* Whole years from @birth to @today, both yyyymmdd: the birthday itself completes a year. */
unsigned identity_age(uint32_t birth, uint32_t today);

/* "identity.check-digit" */
const char *identity_rule_id(enum identity_rule rule);
/* One sentence without the number: "check digit (position 18) is wrong: '7' is expected". @out holds
 * IDENTITY_TEXT_SIZE. */
void identity_explain(const struct identity_fault *fault, char *out);

/* 110101190003070037 -> 110101********0037, H12345678 -> H******78, USA110019000307 -> USA********0307 (15 characters); a text of
 * another shape shows nothing: "********". @out holds IDENTITY_SIZE + 1 bytes. */
void identity_mask(const char *text, size_t size, char *out);

#endif
