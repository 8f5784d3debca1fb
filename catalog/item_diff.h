/* In what two versions of an item differ, place by place, for people to read before they publish. Pure; any thread.
 *
 *   limits.stages[1].days: 15 → 10        materials[M06]: {"code":"M06",…} → nothing
 *
 * Materials are known by their code; entries of other lists by their place, once what is the same at both ends of the two lists is
 * set aside: one that was put in or taken out is one difference. Values are shown from a little before the first byte that differs.
 */
#ifndef TB_CATALOG_ITEM_DIFF_H
#define TB_CATALOG_ITEM_DIFF_H

#include <stdbool.h>
#include <stddef.h>

#include "node/base/bytes.h"

struct arena;

struct item_difference {
    const char *path; /* an index is that of the version after, of what is gone that of the version before */
    const char *before,
        *after;  /* a text as it is, any other value as JSON, … where it is cut; NULL: nothing was, or is, there */
    bool is_cut; /* one of the values */
};

struct item_differences {
    struct item_difference *at; /* in the arena */
    size_t count;               /* of them, at most what was asked for */
    size_t total;               /* all there are */
};

/* @before, @after: canonical bytes of an item. "version" is left out. @max: how many to list; all are counted. */
void item_diff(struct bytes before, struct bytes after, size_t max, struct arena *a, struct item_differences *ret);

#endif
