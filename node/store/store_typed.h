/* What somebody typed to search for: runs of Han characters and ASCII words, all of which must be found. Letters and digits
 * are plain: without case and tones, full-width ones those of ASCII, ü v. Pure. */
#ifndef TB_STORE_STORE_TYPED_H
#define TB_STORE_STORE_TYPED_H

#include <stdbool.h>
#include <stddef.h>

#include "node/base/err.h"
#include "node/store/store.h"

#define STORE_PIECES_MAX 8u

struct store_piece {
    const char *text; /* in store_typed.text */
    size_t size;
    bool is_han;
};
/* Points into itself: not to be copied. */
struct store_typed {
    char text[STORE_SEARCH_TEXT_MAX + 1]; /* what was typed, in plain letters, without what separates */
    struct store_piece at[STORE_PIECES_MAX];
    size_t count;
};

/* ERR_INVALID "search.text": not UTF-8; ERR_LIMIT: too many words, or too long. */
int store_typed_split(const char *text, struct store_typed *ret, struct err *e) WARN_UNUSED;

/* Whether the word is how @readings read from some syllable on, in full or by initials. Syllables are separated by blanks, texts by
 * a comma: "xin sheng er , chu sheng". v stands for ü, too, which is u there. */
bool store_typed_reads(const struct store_piece *word, const char *readings);
/* Whether @text has the piece in it, letters without case and width. */
bool store_typed_in(const struct store_piece *piece, const char *text);

#endif
