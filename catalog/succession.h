/* What became of an abolished division: identity cards keep the code of the day they were issued for life.
 *
 * The sources of divisions_historic.tsv name no successors, so they are worked out: the current division with the same proper
 * name ("新都" of 新都县 and 新都区) in the same city, then in the same province; when there is none or several, the nearest current
 * division above by the digits. The answer says which, for people to judge. Pure; any thread.
 */
#ifndef TB_CATALOG_SUCCESSION_H
#define TB_CATALOG_SUCCESSION_H

#include <stdint.h>

#include "catalog/region.h"

enum succession {
    SUCCESSION_NONE,    /* no table has the code, nor its province */
    SUCCESSION_CURRENT, /* the code is in use: it is its own successor */
    SUCCESSION_NAME,    /* the same proper name in the same city or province */
    SUCCESSION_ABOVE    /* the nearest current division above */
};

/* The current division that @code stands for today, NULL with SUCCESSION_NONE. */
const struct region *succession_find(const struct region_table *t, uint32_t code, enum succession *ret_how);

#endif
