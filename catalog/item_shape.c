/* The tables that are the schema of a service item (see item.h, shape.h). catalog.schema.json and README.md say the same; a
 * test compares. */
#include "catalog/item.h"
#include "node/base/limits.h"
#include "node/base/uscc.h"
#include "node/base/xassert.h"

#define X(name, word) word,
static const char *const types[] = {CATALOG_TYPES(X) NULL};
const char *const catalog_subject_words[] = {CATALOG_SUBJECTS(X) NULL};
static const char *const modes[] = {CATALOG_MODES(X) NULL};
static const char *const handlings[] = {CATALOG_HANDLINGS(X) NULL};
static const char *const statuses[] = {CATALOG_STATUSES(X) NULL};
static const char *const results[] = {CATALOG_RESULTS(X) NULL};
static const char *const units[] = {CATALOG_UNITS(X) NULL};
static const char *const sides[] = {CATALOG_SIDES(X) NULL};
const char *const catalog_form_words[] = {CATALOG_FORMS(X) NULL};
static const char *const necessities[] = {CATALOG_NECESSITIES(X) NULL};
static const char *const origins[] = {CATALOG_ORIGINS(X) NULL};
static const char *const trusts[] = {CATALOG_TRUSTS(X) NULL};
static const char *const certainties[] = {CATALOG_CERTAINTIES(X) NULL};
static const char *const payers[] = {CATALOG_PAYERS(X) NULL};
static const char *const power_sources[] = {CATALOG_POWER_SOURCES(X) NULL};
static const char *const natures[] = {CATALOG_NATURES(X) NULL};
static const char *const channels[] = {CATALOG_CHANNELS(X) NULL};
static const char *const reaches[] = {CATALOG_REACHES(X) NULL};
static const char *const specials[] = {CATALOG_SPECIALS(X) NULL};
static const char *const kinds[] = {CATALOG_KINDS(X) NULL};
static const char *const retentions[] = {CATALOG_RETENTIONS(X) NULL};
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
    TEXTS("duty", duty, 32),
    TEXT("entrusted_by", entrusted_by, NAME_MAX_BYTES, ),
    TEXT("name", name, NAME_MAX_BYTES, NEED),
    WORD("nature", nature, natures, ),
    CODE("uscc", uscc, USCC_SIZE, USCC_SIZE, ),
    BOOL("uscc_waived", is_uscc_waived, ),
};
static const struct shape department_shape = SHAPE_OF(department_fields);
#undef OF

#define OF struct catalog_power
static const struct shape_field power_fields[] = {
    TEXT("list", list, LINE_MAX_BYTES, ),
    WORD("source", source, power_sources, NEED),
};
static const struct shape power_shape = SHAPE_OF(power_fields);
#undef OF

#define OF struct catalog_limit
static const struct shape_field limit_fields[] = {
    INTEGER("n", n, 0, CATALOG_DAYS_MAX, NEED),
    TEXT("text", text, LINE_MAX_BYTES, ),
    WORD("unit", unit, units, NEED),
};
static const struct shape limit_shape = SHAPE_OF(limit_fields);
#undef OF

#define OF struct catalog_stage
static const struct shape_field stage_fields[] = {
    TEXT("at", at, NAME_MAX_BYTES, NEED),
    INTEGER("days", days, 0, CATALOG_DAYS_MAX, ),
    TEXT("office", office, NAME_MAX_BYTES, ),
    TEXT("phone", phone, NAME_MAX_BYTES, ),
    WORD("side", side, sides, NEED),
    BOOL("special", has_special, ),
    TEXT("stage", stage, NAME_MAX_BYTES, NEED),
    TEXT("text", text, LINE_MAX_BYTES, ),
    WORD("unit", unit, units, ),
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

#define OF struct catalog_special
static const struct shape_field special_fields[] = {
    INTEGER("days", days, 0, CATALOG_DAYS_MAX, ),
    WORD("kind", kind, specials, NEED),
    TEXT("text", text, LINE_MAX_BYTES, ),
    WORD("unit", unit, units, ),
};
static const struct shape special_shape = SHAPE_OF(special_fields);
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
    TEXT("blank_form", blank_form, LINE_MAX_BYTES, ),
    CODE("code", code, 1, CATALOG_ITEM_CODE_BYTES_MAX, NEED),
    INTEGER("copies", copies, 0, 100, ),
    TEXT("fill_in", fill_in, LINE_MAX_BYTES, ),
    WORD("form", form, catalog_form_words, NEED),
    BOOL("in_person", is_in_person, ),
    WORD("kind", kind, kinds, ),
    OBJECT("later", later, limit_shape, ),
    TEXT("licence", licence, NAME_MAX_BYTES, ),
    TEXT("name", name, NAME_MAX_BYTES, NEED),
    WORD("necessity", necessity, necessities, NEED),
    INTEGER("originals", originals, 0, 100, ),
    TEXT("sample", sample, LINE_MAX_BYTES, ),
    BOOL("sensitive", is_sensitive, ),
    WORD("source", origin, origins, NEED),
    OBJECT("source_mark", source_mark, source_shape, ),
    TEXT("source_text", origin_text, LINE_MAX_BYTES, ),
    TEXT("specification", specification, NAME_MAX_BYTES, ),
    TEXT("standard", standard, LINE_MAX_BYTES, ),
    WORD("trust_level", trust_level, trusts, ),
    TEXT("when", when, LINE_MAX_BYTES, ),
};
static const struct shape material_shape = SHAPE_OF(material_fields);
#undef OF

#define OF struct catalog_result
static const struct shape_field result_fields[] = {
    TEXT("name", name, NAME_MAX_BYTES, ),
    TEXT("sample", sample, LINE_MAX_BYTES, ),
    WORD("type", type, results, NEED),
};
static const struct shape result_shape = SHAPE_OF(result_fields);
#undef OF

#define OF struct catalog_charge
static const struct shape_field charge_fields[] = {
    TEXT("basis", basis, LINE_MAX_BYTES, ),
    TEXT("name", name, NAME_MAX_BYTES, NEED),
    BOOL("reducible", is_reducible, ),
    TEXT("reduction_basis", reduction_basis, LINE_MAX_BYTES, ),
    TEXT("standard", standard, LINE_MAX_BYTES, NEED),
};
static const struct shape charge_shape = SHAPE_OF(charge_fields);
#undef OF

#define OF struct catalog_fee
static const struct shape_field fee_fields[] = {
    TEXT("basis", basis, LINE_MAX_BYTES, ),
    BOOL("charged", is_charged, NEED),
    OBJECTS("items", items, charge_shape, 32),
    BOOL("online", is_online, ),
};
static const struct shape fee_shape = SHAPE_OF(fee_fields);
#undef OF

#define OF struct catalog_delivery
static const struct shape_field delivery_fields[] = {
    BOOL("online", online, ),
    BOOL("pickup", pickup, ),
    BOOL("post", post, ),
    WORD("postage", postage, payers, ),
    BOOL("takes_post", takes_post, ),
    TEXT("text", text, LINE_MAX_BYTES, ),
};
static const struct shape delivery_shape = SHAPE_OF(delivery_fields);
#undef OF

#define OF struct catalog_contact
static const struct shape_field contact_fields[] = {
    TEXT("address", address, NAME_MAX_BYTES, ),
    TEXT("complaint", complaint, NAME_MAX_BYTES, ),
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

#define OF struct catalog_deferral
static const struct shape_field deferral_fields[] = {
    BOOL("allowed", is_allowed, NEED),
    TEXT("basis", basis, LINE_MAX_BYTES, ),
    OBJECT("limit", limit, limit_shape, ),
    TEXT("text", text, LINE_MAX_BYTES, ),
};
static const struct shape deferral_shape = SHAPE_OF(deferral_fields);
#undef OF

#define OF struct catalog_promise
static const struct shape_field promise_fields[] = {
    BOOL("allowed", is_allowed, NEED),
    TEXT("basis", basis, LINE_MAX_BYTES, ),
    TEXTS("materials", materials, 32),
    TEXT("text", text, LINE_MAX_BYTES, ),
};
static const struct shape promise_shape = SHAPE_OF(promise_fields);
#undef OF

#define OF struct catalog_reach
static const struct shape_field reach_fields[] = {
    WORD("scope", scope, reaches, NEED),
    TEXT("text", text, LINE_MAX_BYTES, ),
};
static const struct shape reach_shape = SHAPE_OF(reach_fields);
#undef OF

#define OF struct catalog_visits
static const struct shape_field visits_fields[] = {
    INTEGER("count", count, 0, 10, NEED),
    TEXT("reason", reason, LINE_MAX_BYTES, ),
};
static const struct shape visits_shape = SHAPE_OF(visits_fields);
#undef OF

#define OF struct catalog_answer
static const struct shape_field answer_fields[] = {
    LINES("answer", answer, NEED),
    TEXT("question", question, LINE_MAX_BYTES, NEED),
};
static const struct shape answer_shape = SHAPE_OF(answer_fields);
#undef OF

#define OF struct catalog_item
static const struct shape_field item_fields[] = {
    TEXTS("aliases", aliases, 16),
    CODE("basic_code", basic_code, 12, 12, ),
    BOOL("bookable", is_bookable, ),
    WORDS("channels", channels, channels, 1, ),
    CODE("code", code, 1, CATALOG_ITEM_CODE_BYTES_MAX, NEED),
    LINES("conditions", conditions, ),
    OBJECT("contact", contact, contact_shape, ),
    OBJECT("deferral", deferral, deferral_shape, ),
    OBJECT("delivery", delivery, delivery_shape, ),
    OBJECT("department", department, department_shape, NEED),
    INTEGER("division", division, 110000, 999999, ),
    OBJECTS("faq", faq, answer_shape, 64),
    OBJECT("fee", fee, fee_shape, ),
    TEXT("guidance", guidance, NAME_MAX_BYTES, ),
    WORD("handling", handling, handlings, ),
    CODE("handling_code", handling_code, 1, CATALOG_HANDLING_CODE_BYTES_MAX, ),
    BOOL("in_hall", is_in_hall, ),
    TEXT("intermediary", intermediary, LINE_MAX_BYTES, ),
    TEXTS("legal_basis", legal_basis, 64),
    BOOL("legal_review", needs_legal_review, ),
    INTEGER("level", level, 1, 6, NEED),
    TEXTS("life_events", life_events, 16),
    OBJECT("limits", limits, limits_shape, ),
    CODE("local_basic_code", local_basic_code, 1, CATALOG_HANDLING_CODE_BYTES_MAX, ),
    CODE("local_code", local_code, 1, CATALOG_HANDLING_CODE_BYTES_MAX, ),
    OBJECTS("materials", materials, material_shape, 128),
    WORDS("modes", modes, modes, 0, NEED),
    TEXT("name", name, NAME_MAX_BYTES, NEED),
    OBJECT("power", power, power_shape, ),
    OBJECT("promise", promise, promise_shape, ),
    TEXT("quota", quota, LINE_MAX_BYTES, ),
    OBJECT("reach", reach, reach_shape, ),
    TEXT("reference", reference, 40, ),
    OBJECT("remedies", remedies, remedies_shape, ),
    OBJECT("result", result, result_shape, ),
    WORD("retention", retention, retentions, ),
    LINES("scenario", scenario, ),
    BOOL("self_service", is_self_service, ),
    OBJECT("source", source, source_shape, NEED),
    OBJECTS("special_procedures", special_procedures, special_shape, 16),
    WORD("status", status, statuses, NEED),
    WORDS("subject", subject, catalog_subject_words, 1, NEED),
    TEXTS("supporting", supporting, 64),
    WORD("type", type, types, NEED),
    DATE("valid_from", valid_from),
    DATE("valid_to", valid_to),
    INTEGER("version", version, 1, 1000000000, ),
    OBJECT("visits", visits, visits_shape, ),
};
const struct shape catalog_item_shape = SHAPE_OF(item_fields);
#undef OF
/* clang-format on */
