/* What the fields of a service item must be to each other: one table of rules, each with the law or document it comes from,
 * which its refusals name. "own" marks what this project asks for so that an item means something. Pure; any thread.
 */
#ifndef TB_CATALOG_ITEM_RULES_H
#define TB_CATALOG_ITEM_RULES_H

#include <stddef.h>

#include "catalog/shape.h"

struct catalog_item;

struct item_rule {
    const char *id;     /* "catalog.limit-unit": of the problem */
    const char *source; /* article or document */
    const char *text;   /* the rule in one sentence, for documents and reports */
    /* Adds problems with the rule's id; @item has passed its schema. */
    void (*check)(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item);
};

extern const struct item_rule item_rules[];
extern const size_t item_rule_count;

void item_rules_check(struct shape_walk *w, const struct catalog_item *item);
/* NULL when @id is no rule of the table. */
const struct item_rule *item_rule_find(const char *id);

#endif
