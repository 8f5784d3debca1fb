/* UTF-8: validity, cutting, and the width of a text on a terminal (Chinese characters take two columns). */
#ifndef TB_BASE_UTF8_H
#define TB_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes one scalar value at @s (@size bytes left, > 0). Returns its length 1..4, or 0 when the bytes are not
 * valid UTF-8 (overlong, surrogate, > U+10FFFF, cut). */
size_t utf8_decode(const char *s, size_t size, uint32_t *ret_rune);

/* Whole span is valid UTF-8. */
bool utf8_is_valid(const char *s, size_t size);

/* Removes a partial character that cutting left at the end of the NUL-terminated @s. */
void utf8_trim_partial(char *s);

/* Characters that a terminal or a reader of lines obeys instead of showing: C1 controls, line and paragraph separators,
 * direction marks and overrides. (C0 controls and DEL are for the caller: some texts may have line feeds.) */
bool utf8_is_unsafe(uint32_t rune);
/* Whether the NUL-terminated @s, valid UTF-8, holds one. */
bool utf8_has_unsafe(const char *s);

/* Columns on a terminal: East Asian wide and fullwidth count 2, combining marks and controls 0. */
unsigned utf8_rune_columns(uint32_t rune);
size_t utf8_columns(const char *s);

/* Full-width ASCII (U+FF01 to U+FF5E, what a Chinese keyboard types) and U+3000 as ASCII, anything else as it is. */
uint32_t utf8_fold_width(uint32_t rune);

/* Number of characters (scalar values) of a valid text. */
size_t utf8_count(const char *s, size_t size);

#endif
