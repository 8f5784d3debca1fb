/* What was typed (see store_typed.h). */
#include "node/store/store_typed.h"

#include <string.h>

#include "node/base/utf8.h"
#include "node/base/xassert.h"
#include "node/store/store.h"
#include "node/store/store_tokenizer.h"

static bool is_word(uint32_t rune)
{
    return (rune >= '0' && rune <= '9') || (rune >= 'a' && rune <= 'z');
}

/* Letters of pinyin with the marks of the four tones, and ü, which keyboards without it type as v. */
static const struct {
    uint32_t rune;
    char plain;
} letters[] = {
    {0xe0, 'a'},  {0xe1, 'a'},  {0xe8, 'e'},  {0xe9, 'e'},  {0xea, 'e'},  {0xec, 'i'},  {0xed, 'i'},
    {0xf2, 'o'},  {0xf3, 'o'},  {0xf9, 'u'},  {0xfa, 'u'},  {0xfc, 'v'},  {0xdc, 'v'},  {0x101, 'a'},
    {0x113, 'e'}, {0x11b, 'e'}, {0x12b, 'i'}, {0x144, 'n'}, {0x148, 'n'}, {0x14d, 'o'}, {0x16b, 'u'},
    {0x1ce, 'a'}, {0x1d0, 'i'}, {0x1d2, 'o'}, {0x1d4, 'u'}, {0x1d5, 'v'}, {0x1d6, 'v'}, {0x1d7, 'v'},
    {0x1d8, 'v'}, {0x1d9, 'v'}, {0x1da, 'v'}, {0x1db, 'v'}, {0x1dc, 'v'}, {0x1f9, 'n'}, {0x1e3f, 'm'},
};

static uint32_t plain_rune(uint32_t rune)
{
    for (size_t i = 0; rune >= 0x80 && i < array_count(letters); i++)
        if (letters[i].rune == rune)
            return (uint32_t)letters[i].plain;
    rune = utf8_fold_width(rune);
    return rune >= 'A' && rune <= 'Z' ? rune - 'A' + 'a' : rune;
}

/* The piece that the next character belongs to: the last one or another; NULL: that would be too many. */
static struct store_piece *piece_for(struct store_typed *t, struct store_piece *last, const char *out, bool is_han)
{
    if (last != NULL && last->is_han == is_han)
        return last;
    if (t->count == STORE_PIECES_MAX)
        return NULL;
    t->at[t->count] = (struct store_piece){out, 0, is_han};
    return &t->at[t->count++];
}

int store_typed_split(const char *text, struct store_typed *ret, struct err *e)
{
    const char *end = text + strlen(text);
    struct store_piece *last = NULL;
    char *out = ret->text;
    ret->count = 0;
    if (strlen(text) > STORE_SEARCH_TEXT_MAX)
        return err_set(e, ERR_LIMIT, "search.text", "the text to search has %zu bytes, limit %u", strlen(text),
                       STORE_SEARCH_TEXT_MAX);
    for (size_t size; text < end; text += size) {
        uint32_t rune = 0;
        size = utf8_decode(text, (size_t)(end - text), &rune);
        if (size == 0)
            return err_set(e, ERR_INVALID, "search.text", "the text to search is not UTF-8");
        uint32_t plain = plain_rune(rune);
        bool is_han = store_tokenizer_is_han(rune);
        if (last != NULL && rune >= 0x300 && rune <= 0x36f) { /* a mark over a letter: two dots, or a tone */
            if (rune == 0x308 && out[-1] == 'u')
                out[-1] = 'v';
            continue;
        }
        if (!is_han && !is_word(plain)) {
            last = NULL;
            continue;
        }
        last = piece_for(ret, last, out, is_han);
        if (last == NULL)
            return err_set(e, ERR_LIMIT, "search.text", "more than %u words to search", STORE_PIECES_MAX);
        const char ascii = (char)plain;
        memcpy(out, is_han ? text : &ascii, is_han ? size : 1); /* never more than what was typed */
        out += is_han ? size : 1;
        last->size += is_han ? size : 1;
    }
    return 0;
}

static bool is_letter(char reading, char typed)
{
    return reading == typed || (reading == 'u' && typed == 'v');
}

/* The word from the syllable at @at on; @step: to the next letter of it, over a blank, or to the next syllable. */
static bool reads_from(const struct store_piece *word, const char *at, bool initials)
{
    for (size_t i = 0; i < word->size; i++) {
        if (!is_letter(*at, word->text[i]))
            return false; /* another letter, a comma, the end */
        at += initials ? strcspn(at, " ") : 1;
        at += *at == ' ';
    }
    return true;
}

bool store_typed_reads(const struct store_piece *word, const char *readings)
{
    for (const char *at = readings; *at != '\0'; at += *at == ' ') {
        if (reads_from(word, at, false) || reads_from(word, at, true))
            return true;
        at += strcspn(at, " ");
    }
    return false;
}

/* Letters without case and width. */
static bool begins_with(const char *text, const struct store_piece *piece)
{
    if (piece->is_han)
        return strncmp(text, piece->text, piece->size) == 0;
    for (size_t i = 0, left = strlen(text); i < piece->size; i++) {
        uint32_t rune = 0;
        size_t size = left == 0 ? 0 : utf8_decode(text, left, &rune);
        if (size == 0 || plain_rune(rune) != (unsigned char)piece->text[i])
            return false;
        text += size;
        left -= size;
    }
    return true;
}

bool store_typed_in(const struct store_piece *piece, const char *text)
{
    for (; *text != '\0'; text++)
        if (begins_with(text, piece))
            return true;
    return false;
}
