/* Who decides: of the items with one code or basic code that nodes publish, the one that is competent for a division on a day.
 *
 * Rules, in order (route_rules[] in route.c, each with its source): in use; valid on the day; the level that was asked for;
 * its division holds the applicant's; of those the smallest division (longest prefix), then the lowest level. The answer names
 * for each candidate the rule that left it out, so that "why" can be shown. Pure; any thread.
 */
#ifndef TB_CATALOG_ROUTE_H
#define TB_CATALOG_ROUTE_H

#include <stddef.h>
#include <stdint.h>

struct catalog_item;

struct route_question {
    uint32_t division; /* of the matter, a current code */
    uint32_t date;     /* yyyymmdd */
    uint32_t level;    /* 行使层级 1 to 6; 0: any */
};

struct route_rule {
    const char *id;     /* "in-use", "valid", "level", "division", "longest", "lowest" */
    const char *source; /* where it comes from */
    const char *text;   /* the rule in one sentence */
};
extern const struct route_rule route_rules[];
extern const size_t route_rule_count;

/* @left_out has @count places: the rule that leaves a candidate out, NULL for the one that decides. Returns the index of that
 * one, or @count when none is left. The same candidates give the same answer in any order but for ties of equal division and
 * level, where the smaller code wins. */
size_t route_decide(const struct route_question *q, const struct catalog_item *const *candidates, size_t count,
                    const struct route_rule **left_out);

#endif
