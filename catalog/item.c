/* Service items (see item.h): the tables that are the schema, and the checks that concern more than one field. */
#include "catalog/item.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "catalog/document.h"
#include "catalog/region.h"
#include "catalog/service.h"
#include "node/base/limits.h"
#include "node/base/uscc.h"
#include "node/base/xassert.h"

#define X(name, word) word,
static const char *const types[] = {CATALOG_TYPES(X) NULL};
static const char *const subjects[] = {CATALOG_SUBJECTS(X) NULL};
static const char *const modes[] = {CATALOG_MODES(X) NULL};
static const char *const handlings[] = {CATALOG_HANDLINGS(X) NULL};
static const char *const statuses[] = {CATALOG_STATUSES(X) NULL};
static const char *const results[] = {CATALOG_RESULTS(X) NULL};
static const char *const units[] = {CATALOG_UNITS(X) NULL};
static const char *const sides[] = {CATALOG_SIDES(X) NULL};
static const char *const forms[] = {CATALOG_FORMS(X) NULL};
static const char *const necessities[] = {CATALOG_NECESSITIES(X) NULL};
static const char *const origins[] = {CATALOG_ORIGINS(X) NULL};
static const char *const trusts[] = {CATALOG_TRUSTS(X) NULL};
static const char *const certainties[] = {CATALOG_CERTAINTIES(X) NULL};
static const char *const payers[] = {CATALOG_PAYERS(X) NULL};
#undef X

/* Bytes of texts: a name is shown in lists, a line in tables, a paragraph on its own. */
enum { NAME_MAX_BYTES = 300, LINE_MAX_BYTES = 1000, PARAGRAPH_MAX_BYTES = 8000 };

/* Every table is sorted by key, byte by byte: that order is the order of the canonical bytes. */
#define AT(member) .offset = offsetof(OF, member)
#define NEED .is_required = true
#define TEXT(k, m, size, ...) {.key = (k), .kind = SHAPE_TEXT, AT(m), .min = 1, .max = (size), __VA_ARGS__}
#define LINES(k, m, ...) {.key = (k), .kind = SHAPE_LINES, AT(m), .min = 1, .max = PARAGRAPH_MAX_BYTES, __VA_ARGS__}
#define CODE(k, m, least, most, ...) {.key = (k), .kind = SHAPE_CODE, AT(m), .min = (least), .max = (most), __VA_ARGS__}
#define INTEGER(k, m, least, most, ...)                                                                                \
    {.key = (k), .kind = SHAPE_INTEGER, AT(m), .min = (least), .max = (most), __VA_ARGS__}
#define BOOL(k, m, ...) {.key = (k), .kind = SHAPE_BOOL, AT(m), __VA_ARGS__}
#define DATE(k, m) {.key = (k), .kind = SHAPE_DATE, AT(m)}
#define WORD(k, m, list, ...) {.key = (k), .kind = SHAPE_WORD, AT(m), .words = (list), __VA_ARGS__}
#define WORDS(k, m, list, least, ...)                                                                                  \
    {.key = (k), .kind = SHAPE_WORDS, AT(m), .words = (list), .min = (least), .max = array_count(list) - 1, __VA_ARGS__}
#define TEXTS(k, m, most) {.key = (k), .kind = SHAPE_TEXTS, AT(m), .max = (most), .inner_max = LINE_MAX_BYTES}
#define OBJECT(k, m, table, ...) {.key = (k), .kind = SHAPE_OBJECT, AT(m), .inner = &(table), __VA_ARGS__}
#define OBJECTS(k, m, table, most) {.key = (k), .kind = SHAPE_OBJECTS, AT(m), .inner = &(table), .max = (most)}
#define SHAPE_OF(table) {.size = sizeof(OF), .fields = (table), .field_count = array_count(table)}

/* One field a line. */
/* clang-format off */
#define OF struct catalog_department
static const struct shape_field department_fields[] = {
    TEXT("name", name, NAME_MAX_BYTES, NEED),
    CODE("uscc", uscc, USCC_SIZE, USCC_SIZE, ),
    BOOL("uscc_waived", is_uscc_waived, ),
};
static const struct shape department_shape = SHAPE_OF(department_fields);
#undef OF

#define OF struct catalog_limit
static const struct shape_field limit_fields[] = {
    INTEGER("n", n, 0, CATALOG_DAYS_MAX, NEED),
    WORD("unit", unit, units, NEED),
};
static const struct shape limit_shape = SHAPE_OF(limit_fields);
#undef OF

#define OF struct catalog_stage
static const struct shape_field stage_fields[] = {
    TEXT("at", at, NAME_MAX_BYTES, NEED), INTEGER("days", days, 0, CATALOG_DAYS_MAX, ),
    WORD("side", side, sides, NEED),      TEXT("stage", stage, NAME_MAX_BYTES, NEED),
    TEXT("text", text, LINE_MAX_BYTES, ), WORD("unit", unit, units, ),
};
static const struct shape stage_shape = SHAPE_OF(stage_fields);
#undef OF

#define OF struct catalog_limits
static const struct shape_field limits_fields[] = {
    OBJECT("legal", legal, limit_shape, ),
    OBJECT("promised", promised, limit_shape, ),
    OBJECTS("stages", stages, stage_shape, 32),
};
static const struct shape limits_shape = SHAPE_OF(limits_fields);
#undef OF

#define OF struct catalog_source
static const struct shape_field source_fields[] = {
    WORD("certainty", certainty, certainties, NEED),
    TEXT("text", text, LINE_MAX_BYTES, NEED),
};
static const struct shape source_shape = SHAPE_OF(source_fields);
#undef OF

#define OF struct catalog_material
static const struct shape_field material_fields[] = {
    TEXT("basis", basis, LINE_MAX_BYTES, ),
    CODE("code", code, 1, CATALOG_ITEM_CODE_BYTES_MAX, NEED),
    INTEGER("copies", copies, 0, 100, ),
    WORD("form", form, forms, NEED),
    TEXT("name", name, NAME_MAX_BYTES, NEED),
    WORD("necessity", necessity, necessities, NEED),
    INTEGER("originals", originals, 0, 100, ),
    BOOL("sensitive", is_sensitive, ),
    WORD("source", origin, origins, NEED),
    OBJECT("source_mark", source_mark, source_shape, ),
    TEXT("standard", standard, LINE_MAX_BYTES, ),
    WORD("trust_level", trust_level, trusts, ),
    TEXT("when", when, LINE_MAX_BYTES, ),
};
static const struct shape material_shape = SHAPE_OF(material_fields);
#undef OF

#define OF struct catalog_result
static const struct shape_field result_fields[] = {
    TEXT("name", name, NAME_MAX_BYTES, ),
    WORD("type", type, results, NEED),
};
static const struct shape result_shape = SHAPE_OF(result_fields);
#undef OF

#define OF struct catalog_fee
static const struct shape_field fee_fields[] = {
    TEXT("basis", basis, LINE_MAX_BYTES, ),
    BOOL("charged", is_charged, NEED),
};
static const struct shape fee_shape = SHAPE_OF(fee_fields);
#undef OF

#define OF struct catalog_delivery
static const struct shape_field delivery_fields[] = {
    BOOL("online", online, ),
    BOOL("pickup", pickup, ),
    BOOL("post", post, ),
    WORD("postage", postage, payers, ),
    TEXT("text", text, LINE_MAX_BYTES, ),
};
static const struct shape delivery_shape = SHAPE_OF(delivery_fields);
#undef OF

#define OF struct catalog_contact
static const struct shape_field contact_fields[] = {
    TEXT("address", address, NAME_MAX_BYTES, ),
    TEXT("hours", hours, NAME_MAX_BYTES, ),
    TEXT("phone", phone, NAME_MAX_BYTES, ),
};
static const struct shape contact_shape = SHAPE_OF(contact_fields);
#undef OF

#define OF struct catalog_remedies
static const struct shape_field remedies_fields[] = {
    TEXT("litigation", litigation, LINE_MAX_BYTES, ),
    TEXT("review", review, LINE_MAX_BYTES, ),
};
static const struct shape remedies_shape = SHAPE_OF(remedies_fields);
#undef OF

#define OF struct catalog_item
static const struct shape_field item_fields[] = {
    CODE("basic_code", basic_code, 12, 12, ),
    CODE("code", code, 1, CATALOG_ITEM_CODE_BYTES_MAX, NEED),
    LINES("conditions", conditions, ),
    OBJECT("contact", contact, contact_shape, ),
    OBJECT("delivery", delivery, delivery_shape, ),
    OBJECT("department", department, department_shape, NEED),
    INTEGER("division", division, 110000, 999999, ),
    OBJECT("fee", fee, fee_shape, ),
    WORD("handling", handling, handlings, ),
    TEXTS("legal_basis", legal_basis, 64),
    INTEGER("level", level, 1, 6, NEED),
    OBJECT("limits", limits, limits_shape, ),
    OBJECTS("materials", materials, material_shape, 128),
    WORDS("modes", modes, modes, 0, NEED),
    TEXT("name", name, NAME_MAX_BYTES, NEED),
    TEXT("reference", reference, 40, ),
    OBJECT("remedies", remedies, remedies_shape, ),
    OBJECT("result", result, result_shape, ),
    LINES("scenario", scenario, ),
    OBJECT("source", source, source_shape, NEED),
    LINES("special_procedure", special_procedure, ),
    WORD("status", status, statuses, NEED),
    WORDS("subject", subject, subjects, 1, NEED),
    TEXTS("supporting", supporting, 64),
    WORD("type", type, types, NEED),
    DATE("valid_from", valid_from),
    DATE("valid_to", valid_to),
    INTEGER("version", version, 1, 1000000000, ),
};
const struct shape catalog_item_shape = SHAPE_OF(item_fields);
#undef OF
/* clang-format on */

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

static void check_limits(struct shape_walk *w, const struct catalog_limits *l)
{
    if (l->legal != NULL && l->promised != NULL && l->legal->unit == l->promised->unit && l->promised->n > l->legal->n)
        shape_problem(w, ERR_INVALID, "catalog.limit-over-law", "limits.promised.n",
                      "%u is more than the legal limit %u", l->promised->n, l->legal->n);
    for (size_t i = 0; i < l->stages.count; i++) {
        size_t mark = shape_enter(w, "limits.stages", i);
        bool has_days = l->stages.at[i].days != SHAPE_ABSENT;
        if (has_days != (l->stages.at[i].unit >= 0))
            shape_problem(w, ERR_INVALID, "catalog.stage-unit", has_days ? "days" : "unit",
                          "'days' and 'unit' go together, '%s' is missing", has_days ? "unit" : "days");
        shape_leave(w, mark);
    }
}

static void check_materials(struct shape_walk *w, const struct catalog_item *item)
{
    for (size_t i = 0; i < item->materials.count; i++) {
        const struct catalog_material *m = &item->materials.at[i];
        size_t mark = shape_enter(w, "materials", i);
        if (m->necessity == CATALOG_NECESSITY_CONDITIONAL && m->when == NULL)
            shape_problem(w, ERR_INVALID, "catalog.field-missing", "when", "a conditional material needs it");
        for (size_t other = 0; other < i; other++)
            if (strcmp(m->code, item->materials.at[other].code) == 0)
                shape_problem(w, ERR_INVALID, "catalog.material-duplicate", "code",
                              "'%s' is that of materials[%zu] too", m->code, other);
        shape_leave(w, mark);
    }
}

static void check_item(struct shape_walk *w, const struct catalog_item *item, uint32_t node)
{
    check_code(w, item);
    if (!region_contains(node, item->division))
        shape_problem(w, ERR_INVALID, "catalog.division", "division", "%u does not lie in %u", item->division, node);
    if (item->limits != NULL)
        check_limits(w, item->limits);
    check_materials(w, item);
    if (item->fee != NULL && item->fee->is_charged && item->fee->basis == NULL)
        shape_problem(w, ERR_INVALID, "catalog.field-missing", "fee.basis", "a fee needs its basis in law");
    if (item->valid_from != 0 && item->valid_to != 0 && item->valid_from > item->valid_to)
        shape_problem(w, ERR_INVALID, "catalog.validity", "valid_to", "%u comes before valid_from %u", item->valid_to,
                      item->valid_from);
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

bool catalog_item_is_open(const struct catalog_item *item, uint32_t date)
{
    return item->status == CATALOG_STATUS_IN_USE && date >= item->valid_from &&
           (item->valid_to == 0 || date <= item->valid_to);
}
