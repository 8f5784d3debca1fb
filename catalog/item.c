/* Service items (see item.h): reading, canonical bytes, codes. The schema is in item_shape.c, the rules over several fields in
 * item_rules.c. */
#include "catalog/item.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "catalog/document.h"
#include "catalog/item_rules.h"
#include "catalog/region.h"
#include "catalog/service.h"
#include "node/base/division.h"
#include "node/base/limits.h"
#include "node/base/uscc.h"
#include "node/base/xassert.h"

/* GB 32100-2015; a wrong check character may be waived, a wrong form may not. */
static void check_uscc(struct shape_walk *w, const char *code, const char *key, const char *what, bool is_waived)
{
    int at = uscc_form_fault(code);
    if (at >= 0) {
        shape_problem(w, ERR_INVALID, "catalog.uscc-form", key, "%s '%.18s': '%c' may not stand at position %d", what,
                      code, code[at], at + 1);
        return;
    }
    char expected = uscc_check_char(code);
    char expected_org = uscc_org_check_char(code);
    if (code[17] != expected && !is_waived)
        shape_problem(w, ERR_INVALID, "catalog.uscc-check", key,
                      "%s '%.18s': check character '%c' is wrong, '%c' is expected", what, code, code[17], expected);
    else if (code[16] != expected_org && !is_waived)
        shape_problem(w, ERR_INVALID, "catalog.uscc-check", key,
                      "%s '%.18s': organisation check character '%c' (position 17) is wrong, '%c' is expected", what,
                      code, code[16], expected_org);
}

/* A code of 31 characters is a national one (GB/T 39554.1) and says department, level and basic code again. */
static void check_code(struct shape_walk *w, const struct catalog_item *item)
{
    const struct catalog_department *d = item->department;
    if (d->uscc != NULL)
        check_uscc(w, d->uscc, "department.uscc", "credit code", d->is_uscc_waived);
    if (strlen(item->code) != CATALOG_ITEM_CODE_NATIONAL_SIZE)
        return;
    if (d->uscc == NULL || strncmp(item->code, d->uscc, USCC_SIZE) != 0)
        shape_problem(w, ERR_INVALID, "catalog.item-code", "code",
                      "'%s' has 31 characters, so its first 18 must be department.uscc, which is '%s'", item->code,
                      d->uscc == NULL ? "missing" : d->uscc);
    uint32_t level = (uint32_t)(unsigned char)item->code[USCC_SIZE] - '0';
    if (level != item->level)
        shape_problem(w, ERR_INVALID, "catalog.item-code", "code", "'%s' has level '%c' at position 19, 'level' is %u",
                      item->code, item->code[USCC_SIZE], item->level);
    if (item->basic_code != NULL && strcmp(item->code + USCC_SIZE + 1, item->basic_code) != 0)
        shape_problem(w, ERR_INVALID, "catalog.item-code", "code", "'%s' ends with '%s', 'basic_code' is '%s'",
                      item->code, item->code + USCC_SIZE + 1, item->basic_code);
}

static void check_item(struct shape_walk *w, const struct catalog_item *item, uint32_t node)
{
    check_code(w, item);
    if (!division_contains(node, item->division))
        shape_problem(w, ERR_INVALID, "catalog.division", "division", "%u does not lie in %u", item->division, node);
    item_rules_check(w, item);
}

struct catalog_item *catalog_item_read(struct shape_walk *w, struct yyjson_val *value, uint32_t node)
{
    size_t problems = w->problems->count;
    struct catalog_item *item = xcalloc(1, sizeof *item);
    struct buf canonical;
    buf_init(&canonical, CATALOG_ITEM_BYTES_MAX);

    shape_read(w, &catalog_item_shape, value, item, &item->arena, &canonical);
    if (item->division == SHAPE_ABSENT)
        item->division = node;
    bool is_read = w->problems->count == problems && !shape_is_full(w);
    if (is_read && canonical.failed)
        shape_problem(w, ERR_LIMIT, "catalog.item-size", "", "the item has more than %u bytes", CATALOG_ITEM_BYTES_MAX);
    if (is_read)
        check_item(w, item, node); /* fields that need each other are all there */

    if (!is_read || w->problems->count != problems) {
        catalog_item_destroy(item);
        item = NULL;
    } else {
        item->canonical = arena_bytes(&item->arena, buf_bytes(&canonical));
        item->service = service_code(item->code);
        item->node = node;
    }
    buf_close(&canonical);
    return item;
}

int catalog_item_parse(struct bytes json, uint32_t node, const char *where, struct catalog_item **ret, struct err *e)
{
    if (json.size > CATALOG_ITEM_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "catalog.item-size", "%s: the item has %zu bytes, limit %u", where, json.size,
                       CATALOG_ITEM_BYTES_MAX);
    yyjson_doc *doc = NULL;
    int rc = document_parse(json, where, CATALOG_ITEM_BYTES_MAX, &doc, e);
    if (rc != 0)
        return rc;

    struct shape_problems *problems = xcalloc(1, sizeof *problems);
    struct shape_walk walk = {.document = where, .problems = problems};
    struct catalog_item *item = catalog_item_read(&walk, yyjson_doc_get_root(doc), node);
    if (item == NULL) {
        rc = shape_problems_to_err(problems, e);
    } else if (!bytes_equal(item->canonical, json)) {
        rc = err_set(e, ERR_INVALID, "catalog.item-not-canonical",
                     "%s: item '%s' is not in canonical form (%zu bytes, %zu expected)", where, item->code, json.size,
                     item->canonical.size);
        catalog_item_destroy(item);
    } else {
        *ret = item;
    }
    free(problems);
    yyjson_doc_free(doc);
    return rc;
}

void catalog_item_destroy(struct catalog_item *item)
{
    if (item == NULL)
        return;
    arena_close(&item->arena);
    free(item);
}

const struct catalog_material *catalog_item_material(const struct catalog_item *item, const char *code)
{
    for (size_t i = 0; i < item->materials.count; i++)
        if (strcmp(item->materials.at[i].code, code) == 0)
            return &item->materials.at[i];
    return NULL;
}

bool catalog_item_is_open(const struct catalog_item *item, uint32_t date)
{
    return item->status == CATALOG_STATUS_IN_USE && date >= item->valid_from &&
           (item->valid_to == 0 || date <= item->valid_to);
}
