/* The rules over several fields of an item (see item_rules.h). */
#include "catalog/item_rules.h"

#include <string.h>

#include "catalog/item.h"
#include "node/base/xassert.h"

#define LICENCE_DAYS_MAX 20u       /* 行政许可法 42(1) */
#define LICENCE_JOINT_DAYS_MAX 45u /* 行政许可法 42(2) */

/* A problem of @rule, with its source behind it. */
#define REFUSE(w, rule, key, format, ...)                                                                              \
    shape_problem(w, ERR_INVALID, (rule)->id, key, format " (%s)", __VA_ARGS__, (rule)->source)

static void check_promised(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item)
{
    const struct catalog_limits *l = item->limits;
    if (l != NULL && l->legal != NULL && l->promised != NULL && l->legal->unit == l->promised->unit &&
        l->promised->n > l->legal->n)
        REFUSE(w, rule, "limits.promised.n", "%u is more than the legal limit %u", l->promised->n, l->legal->n);
}

static void check_unit(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item)
{
    if (item->type == CATALOG_TYPE_LICENCE && item->limits != NULL && item->limits->legal != NULL &&
        item->limits->legal->unit != CATALOG_UNIT_WORKING)
        REFUSE(w, rule, "limits.legal.unit", "%s: a licence's legal limit is in working days", "'natural'");
}

static void check_general_limit(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item)
{
    if (item->type != CATALOG_TYPE_LICENCE || item->limits == NULL || item->limits->legal == NULL)
        return;
    const struct catalog_limit *legal = item->limits->legal;
    uint32_t max = item->supporting.count > 0 ? LICENCE_JOINT_DAYS_MAX : LICENCE_DAYS_MAX;
    if (legal->n > max && legal->text == NULL)
        REFUSE(w, rule, "limits.legal.text",
               "%u days are over the general limit of %u: the law that allows it is missing", legal->n, max);
}

static void check_stages(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item)
{
    for (size_t i = 0; item->limits != NULL && i < item->limits->stages.count; i++) {
        const struct catalog_stage *stage = &item->limits->stages.at[i];
        bool has_days = stage->days != SHAPE_ABSENT;
        if (has_days == (stage->unit >= 0))
            continue;
        size_t mark = shape_enter(w, "limits.stages", i);
        REFUSE(w, rule, has_days ? "days" : "unit", "'days' and 'unit' go together, '%s' is missing",
               has_days ? "unit" : "days");
        shape_leave(w, mark);
    }
}

static void check_specials(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item)
{
    for (size_t i = 0; i < item->special_procedures.count; i++) {
        const struct catalog_special *special = &item->special_procedures.at[i];
        size_t mark = shape_enter(w, "special_procedures", i);
        bool has_days = special->days != SHAPE_ABSENT;
        if (has_days != (special->unit >= 0))
            REFUSE(w, rule, has_days ? "days" : "unit", "'days' and 'unit' go together, '%s' is missing",
                   has_days ? "unit" : "days");
        if (special->kind == CATALOG_SPECIAL_OTHER && special->text == NULL)
            REFUSE(w, rule, "text", "%s: what it is and which law stops the time is missing", "'其他'");
        shape_leave(w, mark);
    }
}

static void check_materials(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item)
{
    for (size_t i = 0; i < item->materials.count; i++) {
        const char *code = item->materials.at[i].code;
        size_t mark = shape_enter(w, "materials", i);
        for (size_t other = 0; other < i; other++)
            if (strcmp(code, item->materials.at[other].code) == 0)
                REFUSE(w, rule, "code", "'%s' is that of materials[%zu] too", code, other);
        shape_leave(w, mark);
    }
}

static void check_conditional(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item)
{
    for (size_t i = 0; i < item->materials.count; i++) {
        const struct catalog_material *m = &item->materials.at[i];
        if (m->necessity != CATALOG_NECESSITY_CONDITIONAL || m->when != NULL)
            continue;
        size_t mark = shape_enter(w, "materials", i);
        REFUSE(w, rule, "when", "a conditional material '%s' does not say in which case", m->code);
        shape_leave(w, mark);
    }
}

static void check_deferrable(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item)
{
    bool is_allowed = item->deferral != NULL && item->deferral->is_allowed;
    for (size_t i = 0; i < item->materials.count; i++) {
        const struct catalog_material *m = &item->materials.at[i];
        size_t mark = shape_enter(w, "materials", i);
        if (m->necessity == CATALOG_NECESSITY_DEFERRABLE && !is_allowed)
            REFUSE(w, rule, "necessity", "'%s' is deferrable, but deferral.allowed is not true", m->code);
        if (m->later != NULL && m->necessity != CATALOG_NECESSITY_DEFERRABLE)
            REFUSE(w, rule, "later", "'%s' may not come later: it is not deferrable", m->code);
        shape_leave(w, mark);
    }
}

static bool is_over(const struct catalog_limit *limit, const struct catalog_limit *promised)
{
    return limit != NULL && promised != NULL && limit->unit == promised->unit && limit->n > promised->n;
}

static void check_deferral_limit(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item)
{
    const struct catalog_limit *promised = item->limits == NULL ? NULL : item->limits->promised;
    if (item->deferral != NULL && is_over(item->deferral->limit, promised))
        REFUSE(w, rule, "deferral.limit.n", "%u is more than the promised limit %u", item->deferral->limit->n,
               promised->n);
    for (size_t i = 0; i < item->materials.count; i++) {
        if (!is_over(item->materials.at[i].later, promised))
            continue;
        size_t mark = shape_enter(w, "materials", i);
        REFUSE(w, rule, "later.n", "%u is more than the promised limit %u", item->materials.at[i].later->n,
               promised->n);
        shape_leave(w, mark);
    }
}

static void check_promise(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item)
{
    const struct catalog_promise *p = item->promise;
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->materials.count; i++)
        if (catalog_item_material(item, p->materials.at[i]) == NULL)
            REFUSE(w, rule, "promise.materials", "the item has no material '%.40s'", p->materials.at[i]);
    if (p->is_allowed && p->text == NULL)
        REFUSE(w, rule, "promise.text", "%s says what is promised and what follows from a false promise", "it");
}

static void check_fee(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item)
{
    const struct catalog_fee *fee = item->fee;
    if (fee == NULL)
        return;
    if (fee->is_charged && fee->basis == NULL)
        REFUSE(w, rule, "fee.basis", "%s needs its basis in law", "a fee");
    if (!fee->is_charged && fee->items.count > 0)
        REFUSE(w, rule, "fee.items", "%zu charges, but fee.charged is false", fee->items.count);
    for (size_t i = 0; i < fee->items.count; i++) {
        if (!fee->items.at[i].is_reducible || fee->items.at[i].reduction_basis != NULL)
            continue;
        size_t mark = shape_enter(w, "fee.items", i);
        REFUSE(w, rule, "reduction_basis", "the charge '%.60s' is reducible by no basis", fee->items.at[i].name);
        shape_leave(w, mark);
    }
}

static void check_validity(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item)
{
    if (item->valid_from != 0 && item->valid_to != 0 && item->valid_from > item->valid_to)
        REFUSE(w, rule, "valid_to", "%u comes before valid_from %u", item->valid_to, item->valid_from);
}

static void check_visits(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item)
{
    if (item->visits == NULL || item->visits->count == 0)
        return;
    if (item->modes == 1u << CATALOG_MODE_ONLINE)
        REFUSE(w, rule, "visits.count", "%u visits of an item that is handled online only", item->visits->count);
    if (item->visits->reason == NULL)
        REFUSE(w, rule, "visits.reason", "%u visits without the reason", item->visits->count);
}

static void check_applied_for(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item)
{
    bool is_ex_officio = item->type == CATALOG_TYPE_PENALTY || item->type == CATALOG_TYPE_COERCION ||
                         item->type == CATALOG_TYPE_LEVY || item->type == CATALOG_TYPE_INSPECTION;
    if (item->modes != 0 && is_ex_officio)
        REFUSE(w, rule, "modes", "%s cannot be applied for, so it has no mode",
               "a penalty, coercion, levy or inspection");
}

static void check_entrusted(struct shape_walk *w, const struct item_rule *rule, const struct catalog_item *item)
{
    const struct catalog_department *d = item->department;
    if (d->nature == CATALOG_NATURE_ENTRUSTED && d->entrusted_by == NULL)
        REFUSE(w, rule, "department.entrusted_by", "'%.60s' acts for another body, which is missing", d->name);
}

const struct item_rule item_rules[] = {
    {"catalog.limit-over-law", "行政许可法 42", "a promised limit is not over the legal one", check_promised},
    {"catalog.limit-unit", "行政许可法 82", "the legal limit of a licence is in working days", check_unit},
    {"catalog.limit-basis", "行政许可法 42",
     "a licence's legal limit over 20 working days, 45 when other departments take part, names its law",
     check_general_limit},
    {"catalog.stage-unit", "own", "the days of a stage have a unit", check_stages},
    {"catalog.special", "行政许可法 45", "a special procedure of another law says which; days have a unit",
     check_specials},
    {"catalog.material-duplicate", "own", "codes of materials are unique in the item", check_materials},
    {"catalog.material-when", "GB/T 39554 非必要时办理情形", "a conditional material says in which case",
     check_conditional},
    {"catalog.deferrable", "容缺受理", "only an item on the list of 容缺受理 has material that may come later",
     check_deferrable},
    {"catalog.deferral-limit", "容缺受理", "missing material comes within the promised limit", check_deferral_limit},
    {"catalog.promise", "国办发〔2020〕42号",
     "告知承诺 says what is promised, and replaces materials that the item has", check_promise},
    {"catalog.fee", "行政许可法 58", "a fee and a reduction have their basis", check_fee},
    {"catalog.validity", "own", "an item begins before it ends", check_validity},
    {"catalog.visits", "国办发〔2020〕35号", "全程网办 asks for no visit; a visit has a reason", check_visits},
    {"catalog.type-mode", "依申请", "only what can be applied for has a mode of 跨省通办", check_applied_for},
    {"catalog.entrusted", "行政许可法 24", "an entrusted body names who entrusts it", check_entrusted},
};
const size_t item_rule_count = array_count(item_rules);

void item_rules_check(struct shape_walk *w, const struct catalog_item *item)
{
    for (size_t i = 0; i < item_rule_count; i++)
        item_rules[i].check(w, &item_rules[i], item);
}

const struct item_rule *item_rule_find(const char *id)
{
    for (size_t i = 0; i < item_rule_count; i++)
        if (strcmp(item_rules[i].id, id) == 0)
            return &item_rules[i];
    return NULL;
}
