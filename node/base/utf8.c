/* UTF-8 helpers (see utf8.h). The width table holds the wide ranges of Unicode's EastAsianWidth.txt that occur in
 * Chinese texts, and the combining ranges; the program does not depend on the locale. */
#include "node/base/utf8.h"

#include <string.h>

#include "node/base/xassert.h"

size_t utf8_decode(const char *s, size_t size, uint32_t *ret_rune)
{
    const unsigned char *in = (const unsigned char *)s;
    if (in[0] < 0x80) {
        *ret_rune = in[0];
        return 1;
    }
    size_t length = in[0] >= 0xf0 ? 4 : in[0] >= 0xe0 ? 3 : 2;
    if (in[0] < 0xc2 || in[0] > 0xf4 || size < length)
        return 0;

    uint32_t rune = in[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((in[i] & 0xc0) != 0x80)
            return 0;
        rune = rune << 6 | (in[i] & 0x3fu);
    }
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (rune < least[length] || rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff))
        return 0;
    *ret_rune = rune;
    return length;
}

bool utf8_is_valid(const char *s, size_t size)
{
    uint32_t rune;
    for (size_t at = 0; at < size;) {
        size_t length = utf8_decode(s + at, size - at, &rune);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

void utf8_trim_partial(char *s)
{
    size_t size = strlen(s);
    size_t at = size;
    while (at > 0 && size - at < 4 && ((unsigned char)s[at - 1] & 0xc0) == 0x80)
        at--;
    if (at == 0)
        return;
    unsigned char lead = (unsigned char)s[at - 1];
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (lead >= 0xc0 && size - (at - 1) < length)
        s[at - 1] = '\0';
}

struct range {
    uint32_t first, last;
};

static bool in_ranges(uint32_t rune, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rune >= ranges[i].first && rune <= ranges[i].last)
            return true;
    return false;
}

bool utf8_is_unsafe(uint32_t rune)
{
    static const struct range unsafe[] = {
        {0x80, 0x9f}, {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069}, {0xfeff, 0xfeff},
    };
    return in_ranges(rune, unsafe, array_count(unsafe));
}

bool utf8_has_unsafe(const char *s)
{
    size_t size = strlen(s);
    uint32_t rune = 0;
    for (size_t i = 0, n; i < size; i += n) {
        n = utf8_decode(s + i, size - i, &rune);
        if (n == 0 || utf8_is_unsafe(rune))
            return true;
    }
    return false;
}

unsigned utf8_rune_columns(uint32_t rune)
{
    static const struct range wide[] = {
        {0x1100, 0x115f}, {0x231a, 0x231b},   {0x2329, 0x232a},   {0x2e80, 0x303e},
        {0x3041, 0x33ff}, {0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xa000, 0xa4cf},
        {0xac00, 0xd7a3}, {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
        {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
    };
    static const struct range none[] = {
        {0x0000, 0x001f}, {0x007f, 0x009f}, {0x0300, 0x036f}, {0x200b, 0x200f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f},
    };
    if (rune >= 0x20 && rune < 0x7f)
        return 1;
    if (in_ranges(rune, none, array_count(none)))
        return 0;
    return in_ranges(rune, wide, array_count(wide)) ? 2 : 1;
}

size_t utf8_columns(const char *s)
{
    size_t size = strlen(s);
    size_t columns = 0;
    for (size_t at = 0; at < size;) {
        uint32_t rune;
        size_t length = utf8_decode(s + at, size - at, &rune);
        columns += length == 0 ? 1 : utf8_rune_columns(rune);
        at += length == 0 ? 1 : length;
    }
    return columns;
}

uint32_t utf8_fold_width(uint32_t rune)
{
    if (rune >= 0xff01 && rune <= 0xff5e)
        return rune - 0xff01 + '!';
    return rune == 0x3000 ? ' ' : rune;
}

size_t utf8_count(const char *s, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += ((unsigned char)s[i] & 0xc0) != 0x80;
    return count;
}
