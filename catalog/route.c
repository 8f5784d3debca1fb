/* Routing (see route.h): each rule is a test of one candidate, or a comparison of two. */
#include "catalog/route.h"

#include <string.h>

#include "catalog/item.h"
#include "catalog/region.h"
#include "node/base/division.h"
#include "node/base/xassert.h"

enum { RULE_IN_USE, RULE_VALID, RULE_LEVEL, RULE_DIVISION, RULE_LONGEST, RULE_LOWEST };

const struct route_rule route_rules[] = {
    [RULE_IN_USE] = {"in-use", "事项状态 (GB/T 39554)", "the item is in use, neither 暂停 nor 取消"},
    [RULE_VALID] = {"valid", "计划生效日期, 计划取消日期 (GB/T 39554)", "the day lies in the item's validity"},
    [RULE_LEVEL] = {"level", "行使层级 (GB/T 39554)", "the item is of the level that was asked for"},
    [RULE_DIVISION] = {"division", "国办发〔2020〕35号: 业务属地",
                       "the deciding division holds the division of the matter"},
    [RULE_LONGEST] = {"longest", "own", "of several the one of the smallest division decides (longest prefix)"},
    [RULE_LOWEST] = {"lowest", "own", "of several of one division the lowest level decides, then the smaller code"},
};
const size_t route_rule_count = array_count(route_rules);

/* The rule that @item breaks by itself; NULL: it could decide. */
static const struct route_rule *check(const struct route_question *q, const struct catalog_item *item)
{
    if (item->status != CATALOG_STATUS_IN_USE)
        return &route_rules[RULE_IN_USE];
    if (!catalog_item_is_open(item, q->date))
        return &route_rules[RULE_VALID];
    if (q->level != 0 && item->level != q->level)
        return &route_rules[RULE_LEVEL];
    if (!division_contains(item->division, q->division))
        return &route_rules[RULE_DIVISION];
    return NULL;
}

/* The rule by which @a comes before @b; NULL when @b comes first. */
static const struct route_rule *prefers(const struct catalog_item *a, const struct catalog_item *b)
{
    enum region_level x = region_level_of(a->division), y = region_level_of(b->division);
    if (x != y)
        return x > y ? &route_rules[RULE_LONGEST] : NULL;
    bool is_first = a->level != b->level ? a->level > b->level : strcmp(a->code, b->code) < 0;
    return is_first ? &route_rules[RULE_LOWEST] : NULL;
}

size_t route_decide(const struct route_question *q, const struct catalog_item *const *candidates, size_t count,
                    const struct route_rule **left_out)
{
    size_t best = count;
    for (size_t i = 0; i < count; i++) {
        left_out[i] = check(q, candidates[i]);
        if (left_out[i] == NULL && (best == count || prefers(candidates[i], candidates[best]) != NULL))
            best = i;
    }
    for (size_t i = 0; i < count; i++)
        if (left_out[i] == NULL && i != best)
            left_out[i] = prefers(candidates[best], candidates[i]);
    return best;
}
