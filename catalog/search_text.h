/* What an item is found by: the texts that go into the search index (node/store), made from the item and the table of
 * divisions. Words are separated by blanks. SEARCH_TEXT_VERSION grows when the same item gives other texts, or the store's tokenizer
 * other words of them, so that a node makes its index anew. Pure; any thread.
 */
#ifndef TB_CATALOG_SEARCH_TEXT_H
#define TB_CATALOG_SEARCH_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct arena;
struct catalog_item;
struct region_table;

#define SEARCH_TEXT_VERSION 3u
/* Bytes of one word of pinyin or initials; what is typed is cut there, too. */
#define SEARCH_TEXT_PINYIN_MAX 32u

struct search_text {
    const char *words; /* aliases, department, names of the division */
    const char
        *pinyin; /* of name and aliases: full and initials, from each character on; the first also with a 0 before it */
    const char *codes;  /* all codes of the item */
    const char *events; /* life events */
    const char *region; /* c51 c5101 (lies in), e5101 (is): digits of the division without the zeros at the end */
};

/* Texts live in @a. @regions may be NULL: no names of divisions. */
void search_text_make(const struct catalog_item *item, const struct region_table *regions, struct arena *a,
                      struct search_text *ret);

/* How texts read, syllable by syllable: "xin sheng er , chu sheng"; a comma between texts and for what has no reading. Lives in @a. */
const char *search_text_readings(const char *const *texts, size_t count, struct arena *a);

/* "5101" for 510100; @out holds 8 bytes. */
void search_text_area(uint32_t division, char out[8]);

#endif
