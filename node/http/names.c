/* Wire names of small enums (see names.h). */
#include "node/http/names.h"

#include <stdio.h>
#include <string.h>

#include "node/base/utf8.h"
#include "node/base/xassert.h"
#include "node/cases/casefile.h"
#include "node/cases/event.h"
#include "node/cases/identity.h"
#include "node/cases/person.h"

const struct names_row names_modes[] = {
    {CASE_MODE_ONLINE, "online"}, {CASE_MODE_COLLECT, "collect"}, {CASE_MODE_JOINT, "joint"}, {0, NULL}};
const struct names_row names_decisions[] = {{CASE_DECISION_GRANT, "grant"}, {CASE_DECISION_DENY, "deny"}, {0, NULL}};
const struct names_row names_channels[] = {
    {CASE_CHANNEL_WINDOW, "window"}, {CASE_CHANNEL_POST, "post"}, {CASE_CHANNEL_ELECTRONIC, "electronic"}, {0, NULL}};
const struct names_row names_sides[] = {
    {CASE_SIDE_RECEIVING, "receiving"}, {CASE_SIDE_DECIDING, "deciding"}, {0, NULL}};
const struct names_row names_part_ends[] = {
    {CASE_PART_GRANTED, "grant"}, {CASE_PART_DENIED, "deny"}, {CASE_PART_LAPSED, "lapsed"}, {0, NULL}};
const struct names_row names_reviews[] = {{CASE_REVIEW_PASS, "pass"}, {CASE_REVIEW_RETURN, "return"}, {0, NULL}};
const struct names_row names_terms[] = {{CASE_TERM_LACKING, "lacking"},
                                        {CASE_TERM_PROMISE, "promise"},
                                        {CASE_TERM_LICENCE, "licence"},
                                        {CASE_TERM_STAGED, "staged"},
                                        {0, NULL}};
const struct names_row names_units[] = {{CASE_UNIT_WORKING, "working"}, {CASE_UNIT_NATURAL, "natural"}, {0, NULL}};
const struct names_row names_pauses[] = {
#define X(value, text, chinese) {value, text},
    CASE_PAUSE_KINDS(X)
#undef X
        {0, NULL}};
const struct names_row names_applicant_kinds[] = {{1, "person"}, {2, "organisation"}, {0, NULL}};
const struct names_row names_id_types[] = {
#define X(name, value, wire, chinese, holder, source) {name, wire},
    IDENTITY_KINDS(X)
#undef X
        {0, NULL}};
const struct names_row names_relations[] = {
#define X(name, value, wire, chinese) {value, wire},
    PERSON_RELATIONS(X)
#undef X
        {0, NULL}};
const struct names_row names_person_flags[] = {
#define X(name, bit, wire) {bit, wire},
    PERSON_FLAGS(X)
#undef X
        {0, NULL}};

const char *names_text(const struct names_row *rows, unsigned value)
{
    for (; rows->text != NULL; rows++)
        if (rows->value == value)
            return rows->text;
    return NULL;
}

int names_get(const struct json_object *o, const char *name, bool required, const struct names_row *rows, unsigned *ret,
              const char **ret_text, struct err *e)
{
    const char *text = NULL;
    int rc = json_get_string(o, name, required, 64, &text, e);
    if (rc != 0 || text == NULL)
        return rc;

    char choices[192] = "";
    size_t at = 0;
    for (; rows->text != NULL; rows++) {
        if (strcmp(rows->text, text) == 0) {
            *ret = rows->value;
            if (ret_text != NULL)
                *ret_text = rows->text;
            return 0;
        }
        int n = snprintf(choices + at, sizeof choices - at, "%s%s", at > 0 ? ", " : "", rows->text);
        at += n > 0 ? (size_t)n : 0;
        if (at >= sizeof choices)
            at = sizeof choices - 1;
    }
    return err_set(e, ERR_INVALID, "json.choice", "'%s' is '%s', it must be one of: %s", json_path(o, name), text,
                   choices);
}

#define DIGITS_MAX 10 /* in a row: telephone numbers have 11, identity numbers 15 to 18 */

/* Digits in the longest run of them, full-width ones too. */
static size_t longest_number(const char *text)
{
    size_t size = strlen(text), run = 0, longest = 0;
    for (size_t i = 0; i < size;) {
        uint32_t rune = 0;
        size_t n = utf8_decode(text + i, size - i, &rune);
        bool is_digit = n > 0 && ((rune >= '0' && rune <= '9') || (rune >= 0xff10 && rune <= 0xff19));
        run = is_digit ? run + 1 : 0;
        longest = max_of(longest, run);
        i += n > 0 ? n : 1;
    }
    return longest;
}

int names_check_words(const char *what, const char *id, const char *text, struct err *e)
{
    size_t digits = longest_number(text);
    if (digits <= DIGITS_MAX)
        return 0;
    return err_set(
        e, ERR_INVALID, id,
        "%s holds a number of %zu digits, the limit is %d: it goes to the log, where no identity or telephone "
        "number may stand",
        what, digits, DIGITS_MAX);
}
