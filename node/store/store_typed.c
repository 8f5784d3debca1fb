/* What was typed (see store_typed.h). */
#include "node/store/store_typed.h"

#include <string.h>
#include <strings.h>

#include "node/base/utf8.h"
#include "node/store/store.h"
#include "node/store/store_tokenizer.h"

static bool is_word(uint32_t rune)
{
    return (rune >= '0' && rune <= '9') || (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z');
}

int store_typed_split(const char *text, struct store_typed *ret, struct err *e)
{
    const char *end = text + strlen(text);
    struct store_piece *last = NULL;
    ret->count = 0;
    if (strlen(text) > STORE_SEARCH_TEXT_MAX)
        return err_set(e, ERR_LIMIT, "search.text", "the text to search has %zu bytes, limit %u", strlen(text),
                       STORE_SEARCH_TEXT_MAX);
    while (text < end) {
        uint32_t rune = 0;
        size_t size = utf8_decode(text, (size_t)(end - text), &rune);
        bool is_han = store_tokenizer_is_han(rune);
        if (size == 0)
            return err_set(e, ERR_INVALID, "search.text", "the text to search is not UTF-8");
        if (!is_han && !is_word(rune)) {
            last = NULL;
        } else if (last != NULL && last->is_han == is_han) {
            last->size += size;
        } else if (ret->count == STORE_PIECES_MAX) {
            return err_set(e, ERR_LIMIT, "search.text", "more than %u words to search", STORE_PIECES_MAX);
        } else {
            last = &ret->at[ret->count++];
            *last = (struct store_piece){text, size, is_han};
        }
        text += size;
    }
    return 0;
}

static bool is_letter(char reading, char typed)
{
    char lower = typed >= 'A' && typed <= 'Z' ? (char)(typed - 'A' + 'a') : typed;
    return reading == lower || (reading == 'u' && lower == 'v');
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

bool store_typed_in(const struct store_piece *piece, const char *text)
{
    for (size_t left = strlen(text); left >= piece->size; left--, text++)
        if (strncasecmp(text, piece->text, piece->size) == 0)
            return true;
    return false;
}
