/* Successors of divisions (see succession.h). */
#include "catalog/succession.h"

#include <string.h>

#include "node/base/division.h"
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
        if (!r->is_current || r->is_pseudo || !division_contains(area, r->code) || r->level == REGION_PROVINCE ||
            stem_size(r->name) != size || memcmp(r->name, old->name, size) != 0)
            continue;
        if (found != NULL)
            return NULL;
        found = r;
    }
    return found;
}

/* What @code is today by the table of changes, NULL when that does not have it. */
static const struct region *follow_changes(const struct region_table *t, uint32_t code, struct succession *ret)
{
    ret->hop_count = 0;
    const struct region_change *change = region_find_change(t, code, 0);
    for (; change != NULL; change = region_find_change(t, code, change->until)) {
        xassert(ret->hop_count < REGION_HOPS_MAX); /* checked when it was loaded */
        ret->hops[ret->hop_count++] = change;
        code = change->successors[0];
    }
    return ret->hop_count == 0 ? NULL : region_find(t, code);
}

/* The nearest current division above by the digits of the code, or what that one became. */
static const struct region *find_above(const struct region_table *t, uint32_t code, struct succession *ret)
{
    const uint32_t above[] = {code / 100 * 100, code / 10000 * 10000};
    for (size_t i = 0; i < array_count(above); i++) {
        const struct region *r = region_find(t, above[i]);
        ret->hop_count = 0;
        if (r != NULL && !r->is_current)
            r = follow_changes(t, above[i], ret);
        if (r != NULL && !r->is_pseudo)
            return r;
    }
    return NULL;
}

const struct region *succession_find(const struct region_table *t, uint32_t code, struct succession *ret)
{
    const struct region *old = region_find(t, code);
    *ret = (struct succession){.rule = SUCCESSION_CURRENT};
    if (old != NULL && old->is_current) {
        (void)follow_changes(t, code, ret);
        return old;
    }
    ret->rule = SUCCESSION_TABLE;
    const struct region *found = follow_changes(t, code, ret);
    if (found == NULL && old != NULL && old->level != REGION_PROVINCE) {
        ret->rule = SUCCESSION_NAME;
        found = find_name(t, code / 100 * 100, old);
        if (found == NULL)
            found = find_name(t, code / 10000 * 10000, old);
    }
    if (found == NULL) {
        ret->rule = SUCCESSION_ABOVE;
        found = find_above(t, code, ret);
    }
    if (found == NULL)
        ret->rule = SUCCESSION_NONE;
    return found;
}
