/* Scrub (see scrub.h). */
#include "node/base/scrub.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define CITIZEN_SIZE 18u

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static void hide(char *at, size_t size, size_t head, size_t tail)
{
    memset(at + head, '*', size - head - tail);
}

/* Year 1800 to 2099, month, day: enough to tell it from an amount or a serial. */
static bool has_birth_date(const char *at)
{
    unsigned month = (unsigned)(at[10] - '0') * 10 + (unsigned)(at[11] - '0');
    unsigned day = (unsigned)(at[12] - '0') * 10 + (unsigned)(at[13] - '0');
    bool century = (at[6] == '1' && at[7] >= '8') || (at[6] == '2' && at[7] == '0');
    return century && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/* Digits from @at on, exactly 18 or 17 and an X that ends the word: hidden; returns the size, else 0. */
static size_t scrub_citizen(char *at)
{
    size_t digits = 0;
    while (digits <= CITIZEN_SIZE && is_digit(at[digits]))
        digits++;
    bool has_x = digits == CITIZEN_SIZE - 1 && (at[digits] == 'X' || at[digits] == 'x') && !is_letter(at[digits + 1]) &&
                 !is_digit(at[digits + 1]);
    if ((digits != CITIZEN_SIZE && !has_x) || !has_birth_date(at))
        return 0;
    hide(at, CITIZEN_SIZE, 6, 4);
    return CITIZEN_SIZE;
}

/* A whole word of letters and digits. */
static void scrub_word(char *at, size_t size)
{
    size_t letters = 0;
    while (letters < size && is_letter(at[letters]))
        letters++;
    for (size_t i = letters; i < size; i++)
        if (!is_digit(at[i]))
            return;
    bool permit = letters == 1 && (size == 9 || size == 11) && strchr("HhMm", at[0]) != NULL;
    bool passport = size == 9 && (letters == 1 || letters == 2);
    bool resident = size == 15 && letters == 3;
    if (permit || passport)
        hide(at, size, 1, 2);
    else if (resident)
        hide(at, size, 3, 4);
}

void scrub_text(char *text)
{
    size_t at = 0;
    while (text[at] != '\0') {
        if (!is_digit(text[at]) && !is_letter(text[at])) {
            at++;
            continue;
        }
        size_t end = at;
        bool was_digit = false, found = false;
        while (is_digit(text[end]) || is_letter(text[end])) { /* citizen numbers stand inside of words, too */
            bool digit = is_digit(text[end]);
            size_t hidden = digit && !was_digit ? scrub_citizen(text + end) : 0;
            was_digit = digit;
            found = found || hidden > 0;
            end += hidden > 0 ? hidden : 1;
        }
        if (!found)
            scrub_word(text + at, end - at);
        at = end;
    }
}

void scrub_phones(char *text)
{
    for (size_t at = 0; text[at] != '\0';) {
        size_t digits = strspn(text + at, "0123456789");
        if (digits == 11 && text[at] == '1')
            hide(text + at, 11, 0, 4);
        at += digits > 0 ? digits : 1;
    }
}
