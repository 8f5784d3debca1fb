/* What became of an abolished division: identity cards keep the code of the day they were issued for life.
 *
 * The table of changes (region.h) says it, change by change up to a division of today. For a code that it does not have it
 * is worked out: the current division with the same proper name ("新都" of 新都县 and 新都区) in the same city, then in the same province;
 * when there is none or several, the nearest current division above by the digits, or what that one became. The answer
 * says which, for people to judge. Pure; any thread.
 */
#ifndef TB_CATALOG_SUCCESSION_H
#define TB_CATALOG_SUCCESSION_H

#include <stddef.h>
#include <stdint.h>

#include "catalog/region.h"
#include "node/base/limits.h"

enum succession_rule {
    SUCCESSION_NONE,    /* no table has the code, nor its province */
    SUCCESSION_CURRENT, /* the code is in use: it is its own successor */
    SUCCESSION_TABLE,   /* the table of changes has it */
    SUCCESSION_NAME,    /* the same proper name in the same city or province */
    SUCCESSION_ABOVE    /* the nearest current division above, or what that became */
};

/* How it was found; @hops point into the table of regions. */
struct succession {
    enum succession_rule rule;
    size_t hop_count; /* 0 without changes; of a current code: what became of a division that had it before */
    const struct region_change *hops[REGION_HOPS_MAX];
};

/* The current division that @code stands for today, NULL with SUCCESSION_NONE. */
const struct region *succession_find(const struct region_table *t, uint32_t code, struct succession *ret);

#endif
