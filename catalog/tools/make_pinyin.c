/* Build tool: writes the table of pinyin readings that catalog/pinyin.c holds, from ICU's Han-Latin transliterator. Runs when
 * the program is built, so that ICU and its 30 MB of data are not needed where it runs.
 *
 *     make_pinyin > pinyin_table.inc
 *
 * One reading a character, without tone, ü as u; an index into the list of syllables, 0 for none. ICU's reading is that of the
 * character alone: words that are read otherwise stand in pinyin.c.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unicode/ustring.h>
#include <unicode/utrans.h>

#define SYLLABLES_MAX 1000
#define SYLLABLE_SIZE 8

static char syllables[SYLLABLES_MAX][SYLLABLE_SIZE];
static unsigned syllable_count = 1; /* 0: none */

/* Lower-case letters only; false when there is anything else, which is no reading. */
static int read_one(UTransliterator *t, UChar32 rune, char out[SYLLABLE_SIZE])
{
    UChar text[32];
    int32_t size = 0, limit;
    UErrorCode status = U_ZERO_ERROR;
    U16_APPEND_UNSAFE(text, size, rune);
    limit = size;
    utrans_transUChars(t, text, &size, 32, 0, &limit, &status);
    if (U_FAILURE(status) || size == 0 || size >= SYLLABLE_SIZE)
        return 0;
    for (int32_t i = 0; i < size; i++) {
        if (text[i] < 'a' || text[i] > 'z')
            return 0;
        out[i] = (char)text[i];
    }
    out[size] = '\0';
    return 1;
}

static unsigned index_of(const char *syllable)
{
    for (unsigned i = 1; i < syllable_count; i++)
        if (strcmp(syllables[i], syllable) == 0)
            return i;
    if (syllable_count == SYLLABLES_MAX)
        abort();
    (void)snprintf(syllables[syllable_count], SYLLABLE_SIZE, "%s", syllable);
    return syllable_count++;
}

static void write_range(UTransliterator *t, const char *name, UChar32 first, UChar32 last)
{
    printf("static const uint16_t %s[] = {", name);
    for (UChar32 rune = first; rune <= last; rune++) {
        char syllable[SYLLABLE_SIZE];
        unsigned index = read_one(t, rune, syllable) ? index_of(syllable) : 0;
        printf("%s%u,", (rune - first) % 24 == 0 ? "\n    " : "", index);
    }
    printf("\n};\n");
}

int main(void)
{
    static const UChar id[] = u"Han-Latin; Latin-ASCII; Lower";
    UErrorCode status = U_ZERO_ERROR;
    UTransliterator *t = utrans_openU(id, -1, UTRANS_FORWARD, NULL, 0, NULL, &status);
    if (U_FAILURE(status)) {
        fprintf(stderr, "make_pinyin: ICU has no Han-Latin: %s\n", u_errorName(status));
        return 1;
    }
    printf("/* Made by make_pinyin. */\n");
    write_range(t, "readings_a", 0x3400, 0x4dbf);
    write_range(t, "readings_main", 0x4e00, 0x9fff);
    printf("static const char syllables[][%d] = {", SYLLABLE_SIZE);
    for (unsigned i = 0; i < syllable_count; i++)
        printf("%s\"%s\",", i % 16 == 0 ? "\n    " : "", i == 0 ? "" : syllables[i]);
    printf("\n};\n");
    utrans_close(t);
    return ferror(stdout) != 0 || fflush(stdout) != 0;
}
