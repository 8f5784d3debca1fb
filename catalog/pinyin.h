/* Pinyin of Chinese texts without tones, for searching. The table is made from ICU when the program is built
 * (tools/make_pinyin.c); words whose characters are read otherwise than alone stand in pinyin.c. Constant; any thread.
 */
#ifndef TB_CATALOG_PINYIN_H
#define TB_CATALOG_PINYIN_H

#include <stddef.h>
#include <stdint.h>

/* The reading of a character alone; "" when it has none (not Han, or ICU does not know). */
const char *pinyin_of(uint32_t rune);

/* One element of a text: a Han character with its reading, an ASCII letter or digit, full-width too, as itself (lower case), or a break
 * (anything else), for which `text` is "". */
struct pinyin_unit {
    char text[8];
};
/* Splits the valid UTF-8 @text into at most @max units; returns how many there are in @ret. */
size_t pinyin_split(const char *text, struct pinyin_unit *ret, size_t max);

#endif
