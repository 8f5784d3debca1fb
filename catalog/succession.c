/* Successors of divisions (see succession.h). */
#include "catalog/succession.h"

#include <string.h>

#include "node/base/utf8.h"
#include "node/base/xassert.h"

/* Bytes of the proper name: without the kind at its end; the whole name when nothing would be left. Longest kind first. */
static size_t stem_size(const char *name)
{
    static const char *const kinds[] = {"特别行政区", "自治县", "自治旗", "自治州", "地区", "林区", "特区",
                                        "新区",       "市",     "区",     "县",     "旗",   "盟"};
    size_t size = strlen(name);
    for (size_t i = 0; i < array_count(kinds); i++) {
        size_t kind = strlen(kinds[i]);
        if (size > kind && utf8_count(name, size - kind) >= 2 && strcmp(name + size - kind, kinds[i]) == 0)
            return size - kind;
    }
    return size;
}

/* The only current division below @area with the proper name of @old; NULL when there is none, or there are several. */
static const struct region *find_name(const struct region_table *t, uint32_t area, const struct region *old)
{
    const struct region *found = NULL;
    size_t size = stem_size(old->name);
    for (size_t i = 0; i < region_count(t); i++) {
        const struct region *r = region_at(t, i);
        if (!r->is_current || r->is_pseudo || !region_contains(area, r->code) || r->level == REGION_PROVINCE ||
            stem_size(r->name) != size || memcmp(r->name, old->name, size) != 0)
            continue;
        if (found != NULL)
            return NULL;
        found = r;
    }
    return found;
}

/* The nearest current division above by the digits of the code. */
static const struct region *find_above(const struct region_table *t, uint32_t code)
{
    const uint32_t above[] = {code / 100 * 100, code / 10000 * 10000};
    for (size_t i = 0; i < array_count(above); i++) {
        const struct region *r = region_find(t, above[i]);
        if (r != NULL && r->is_current && !r->is_pseudo)
            return r;
    }
    return NULL;
}

const struct region *succession_find(const struct region_table *t, uint32_t code, enum succession *ret_how)
{
    const struct region *old = region_find(t, code);
    const struct region *found = NULL;
    *ret_how = SUCCESSION_CURRENT;
    if (old != NULL && old->is_current)
        return old;
    *ret_how = SUCCESSION_NAME;
    if (old != NULL && old->level != REGION_PROVINCE) {
        found = find_name(t, code / 100 * 100, old);
        if (found == NULL)
            found = find_name(t, code / 10000 * 10000, old);
    }
    if (found == NULL) {
        *ret_how = SUCCESSION_ABOVE;
        found = find_above(t, code);
    }
    if (found == NULL)
        *ret_how = SUCCESSION_NONE;
    return found;
}
