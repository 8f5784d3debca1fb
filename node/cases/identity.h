/* Form checks on the numbers that applicants bring: citizen identity number (GB 11643-1999) and unified social credit
 * code (GB 32100-2015), and how they are shown in lists.
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
    X(IDENTITY_ORG_CHECK_DIGIT, "identity.organisation-check-digit") /* see expected; only a warning */

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

/* "identity.check-digit" */
const char *identity_rule_id(enum identity_rule rule);
/* One sentence without the number: "check digit (position 18) is wrong: '7' is expected". @out holds
 * IDENTITY_TEXT_SIZE. */
void identity_explain(const struct identity_fault *fault, char *out);

/* 110101190003070037 -> 110101********0037; a text that is not 18 letters and digits shows nothing: "********".
 * @out holds IDENTITY_SIZE + 1 bytes. */
void identity_mask(const char *text, size_t size, char *out);

#endif
