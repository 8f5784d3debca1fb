/* Search texts (see search_text.h). */
#include "catalog/search_text.h"

#include <stdio.h>
#include <string.h>

#include "catalog/item.h"
#include "catalog/pinyin.h"
#include "catalog/region.h"
#include "node/base/arena.h"
#include "node/base/xassert.h"

#define UNITS_MAX 100 /* characters of one name */

static const char *keep(struct arena *a, struct buf *b)
{
    const char *text = arena_strdup(a, buf_cstr(b));
    buf_close(b);
    return text;
}

static void put_word(struct buf *b, const char *text)
{
    if (text == NULL)
        return;
    buf_put_string(b, b->size == 0 ? "" : " ");
    buf_put_string(b, text);
}

/* The word that begins at unit @from, up to the next break: whole syllables or their initials, behind @mark. */
static void put_from(struct buf *b, const char *mark, const struct pinyin_unit *units, size_t from, size_t count,
                     bool initials)
{
    size_t start = b->size;
    buf_put_string(b, start == 0 ? "" : " ");
    size_t text = b->size;
    buf_put_string(b, mark);
    for (size_t i = from; i < count && units[i].text[0] != '\0' && b->size - text < SEARCH_TEXT_PINYIN_MAX; i++)
        buf_put(b, units[i].text, initials ? 1 : strlen(units[i].text));
    b->size = min_of(b->size, text + SEARCH_TEXT_PINYIN_MAX);
}

static void put_pinyin(struct buf *b, const char *name)
{
    struct pinyin_unit units[UNITS_MAX];
    size_t count = pinyin_split(name, units, UNITS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (units[i].text[0] == '\0')
            continue;
        for (int initials = 0; initials < 2; initials++) {
            if (i == 0)
                put_from(b, "0", units, i, count, initials != 0);
            put_from(b, "", units, i, count, initials != 0);
        }
    }
}

const char *search_text_readings(const char *const *texts, size_t count, struct arena *a)
{
    struct pinyin_unit units[UNITS_MAX];
    struct buf b = {0};
    for (size_t i = 0; i < count; i++) {
        size_t unit_count = pinyin_split(texts[i], units, UNITS_MAX);
        put_word(&b, i == 0 ? NULL : ",");
        for (size_t n = 0; n < unit_count; n++)
            put_word(&b, units[n].text[0] == '\0' ? "," : units[n].text);
    }
    return keep(a, &b);
}

void search_text_area(uint32_t division, char out[8])
{
    (void)snprintf(out, 8, "%06u", division % 1000000);
    for (size_t size = 6; size > 2 && out[size - 1] == '0' && out[size - 2] == '0'; size -= 2)
        out[size - 2] = '\0';
}

static const char *region_words(uint32_t division, struct arena *a)
{
    char area[8];
    struct buf b = {0};
    search_text_area(division, area);
    for (int size = 2; size <= (int)strlen(area); size += 2)
        buf_printf(&b, "c%.*s ", size, area);
    buf_printf(&b, "e%s", area);
    return keep(a, &b);
}

void search_text_make(const struct catalog_item *item, const struct region_table *regions, struct arena *a,
                      struct search_text *ret)
{
    struct buf words = {0}, pinyin = {0}, codes = {0}, events = {0};
    const struct region *region = regions == NULL ? NULL : region_find(regions, item->division);
    put_word(&words, item->department->name);
    put_word(&words, region == NULL ? NULL : region->full_name);
    put_pinyin(&pinyin, item->name);
    for (size_t i = 0; i < item->aliases.count; i++) {
        put_word(&words, item->aliases.at[i]);
        put_pinyin(&pinyin, item->aliases.at[i]);
    }
    for (size_t i = 0; i < item->life_events.count; i++)
        put_word(&events, item->life_events.at[i]);
    const char *const all[] = {item->code,          item->basic_code, item->local_code, item->local_basic_code,
                               item->handling_code, item->reference};
    for (size_t i = 0; i < array_count(all); i++)
        put_word(&codes, all[i]);
    *ret = (struct search_text){.words = keep(a, &words),
                                .pinyin = keep(a, &pinyin),
                                .codes = keep(a, &codes),
                                .events = keep(a, &events),
                                .region = region_words(item->division, a)};
}
