/* Bundles (see bundle.h): the tables that are the schema, what fields must be to each other, and the resolution. */
#include "catalog/bundle.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "catalog/document.h"
#include "catalog/item.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

#define X(name, word) word,
static const char *const statuses[] = {CATALOG_STATUSES(X) NULL};
static const char *const certainties[] = {CATALOG_CERTAINTIES(X) NULL};
#undef X

enum { NAME_MAX_BYTES = 300, LINE_MAX_BYTES = 1000, PARAGRAPH_MAX_BYTES = 8000, REFERENCE_MAX_BYTES = 120 };

/* Sorted by key, byte by byte: the order of the canonical bytes. */
#define AT(member) .offset = offsetof(OF, member)
#define TEXT(k, size, ...) {.key = #k, .kind = SHAPE_TEXT, AT(k), .min = 1, .max = (size), __VA_ARGS__}
#define CODE(k, ...) {.key = #k, .kind = SHAPE_CODE, AT(k), .min = 1, .max = CATALOG_ITEM_CODE_BYTES_MAX, __VA_ARGS__}
#define TEXTS(k, least, most)                                                                                          \
    {.key = #k, .kind = SHAPE_TEXTS, AT(k), .min = (least), .max = (most), .inner_max = REFERENCE_MAX_BYTES}
#define NEED .is_required = true
#define LIST(k, table, least, most)                                                                                    \
    {.key = #k, .kind = SHAPE_OBJECTS, AT(k), .inner = &(table), .min = (least), .max = (most)}
#define SHAPE_OF(table) {.size = sizeof(OF), .fields = (table), .field_count = array_count(table)}

/* clang-format off */
#define OF struct bundle_question
static const struct shape_field question_fields[] = {
    {.key = "answers", .kind = SHAPE_TEXTS, AT(answers), .min = 2, .max = 16, .inner_max = REFERENCE_MAX_BYTES, NEED},
    CODE(code, NEED),
    TEXT(text, LINE_MAX_BYTES, NEED),
};
static const struct shape question_shape = SHAPE_OF(question_fields);
#undef OF

#define OF struct bundle_member
static const struct shape_field member_fields[] = {
    TEXTS(after, 0, BUNDLE_MEMBERS_MAX),
    CODE(code, NEED),
    CODE(item, NEED),
    {.key = "node", .kind = SHAPE_INTEGER, AT(node), .min = 110000, .max = 999999},
    TEXT(text, LINE_MAX_BYTES, ),
    TEXTS(when, 0, 8),
};
static const struct shape member_shape = SHAPE_OF(member_fields);
#undef OF

#define OF struct bundle_material
static const struct shape_field material_fields[] = {
    CODE(code, NEED),
    TEXT(name, NAME_MAX_BYTES, NEED),
    {.key = "serves", .kind = SHAPE_TEXTS, AT(serves), .min = 2, .max = 64, .inner_max = REFERENCE_MAX_BYTES, NEED},
};
static const struct shape material_shape = SHAPE_OF(material_fields);
#undef OF

#define OF struct bundle_source
static const struct shape_field source_fields[] = {
    {.key = "certainty", .kind = SHAPE_WORD, AT(certainty), .words = certainties, NEED},
    TEXT(text, LINE_MAX_BYTES, NEED),
};
static const struct shape source_shape = SHAPE_OF(source_fields);
#undef OF

#define OF struct bundle
static const struct shape_field bundle_fields[] = {
    CODE(code, NEED),
    {.key = "conditions", .kind = SHAPE_LINES, AT(conditions), .min = 1, .max = PARAGRAPH_MAX_BYTES},
    TEXT(lead, NAME_MAX_BYTES, NEED),
    TEXT(life_event, NAME_MAX_BYTES, NEED),
    LIST(materials, material_shape, 0, BUNDLE_MATERIALS_MAX),
    {.key = "members", .kind = SHAPE_OBJECTS, AT(members), .inner = &member_shape, .min = 2, .max = BUNDLE_MEMBERS_MAX, NEED},
    TEXT(name, NAME_MAX_BYTES, NEED),
    LIST(questions, question_shape, 0, BUNDLE_QUESTIONS_MAX),
    {.key = "source", .kind = SHAPE_OBJECT, AT(source), .inner = &source_shape, NEED},
    {.key = "status", .kind = SHAPE_WORD, AT(status), .words = statuses, NEED},
    {.key = "valid_from", .kind = SHAPE_DATE, AT(valid_from)},
    {.key = "valid_to", .kind = SHAPE_DATE, AT(valid_to)},
    {.key = "version", .kind = SHAPE_INTEGER, AT(version), .min = 1, .max = 1000000000, NEED},
};
const struct shape bundle_shape = SHAPE_OF(bundle_fields);
#undef OF
/* clang-format on */

/* ---- what fields must be to each other ---- */

static const struct bundle_question *find_question(const struct bundle *b, const char *code, size_t size)
{
    for (size_t i = 0; i < b->questions.count; i++)
        if (strlen(b->questions.at[i].code) == size && memcmp(b->questions.at[i].code, code, size) == 0)
            return &b->questions.at[i];
    return NULL;
}

static size_t find_member(const struct bundle *b, const char *code, size_t size)
{
    size_t i = 0;
    while (i < b->members.count &&
           (strlen(b->members.at[i].code) != size || memcmp(b->members.at[i].code, code, size) != 0))
        i++;
    return i;
}

/* The question of "question=answer"; NULL when it is none of the bundle's, or the answer none of the question's. */
static const struct bundle_question *question_of(const struct bundle *b, const char *text)
{
    size_t size = strcspn(text, "=");
    const struct bundle_question *q = text[size] == '=' ? find_question(b, text, size) : NULL;
    for (size_t i = 0; q != NULL && i < q->answers.count; i++)
        if (strcmp(q->answers.at[i], text + size + 1) == 0)
            return q;
    return NULL;
}

static void check_member(struct shape_walk *w, const struct bundle *b, size_t index)
{
    const struct bundle_member *m = &b->members.at[index];
    for (size_t i = 0; i < index; i++)
        if (strcmp(b->members.at[i].code, m->code) == 0)
            shape_problem(w, ERR_INVALID, "bundle.duplicate", "code", "'%s' is that of members[%zu] too", m->code, i);
    for (size_t i = 0; i < m->when.count; i++)
        if (question_of(b, m->when.at[i]) == NULL)
            shape_problem(w, ERR_INVALID, "bundle.answer", "when", "'%s' is no answer to a question of the bundle",
                          m->when.at[i]);
    for (size_t i = 0; i < m->after.count; i++)
        if (find_member(b, m->after.at[i], strlen(m->after.at[i])) >= index)
            shape_problem(w, ERR_INVALID, "bundle.order", "after", "'%s' is no member before this one", m->after.at[i]);
}

static void check_material(struct shape_walk *w, const struct bundle *b, size_t index)
{
    const struct bundle_material *m = &b->materials.at[index];
    for (size_t i = 0; i < index; i++)
        if (strcmp(b->materials.at[i].code, m->code) == 0)
            shape_problem(w, ERR_INVALID, "bundle.duplicate", "code", "'%s' is that of materials[%zu] too", m->code, i);
    for (size_t i = 0; i < m->serves.count; i++) {
        const char *text = m->serves.at[i];
        size_t size = strcspn(text, "/");
        if (text[size] != '/' || text[size + 1] == '\0' || find_member(b, text, size) == b->members.count)
            shape_problem(w, ERR_INVALID, "bundle.unknown", "serves", "'%s' names no material of a member", text);
        for (size_t n = 0; n < i; n++)
            if (strcspn(m->serves.at[n], "/") == size && memcmp(m->serves.at[n], text, size) == 0)
                shape_problem(w, ERR_INVALID, "bundle.duplicate", "serves", "'%s' and '%s' are of one member", text,
                              m->serves.at[n]);
        for (size_t other = 0; other <= index; other++)
            for (size_t n = 0; n < (other == index ? i : b->materials.at[other].serves.count); n++)
                if (strcmp(b->materials.at[other].serves.at[n], text) == 0)
                    shape_problem(w, ERR_INVALID, "bundle.duplicate", "serves", "'%s' is served twice", text);
    }
}

static void check_bundle(struct shape_walk *w, const struct bundle *b)
{
    for (size_t i = 0; i < b->questions.count; i++) {
        const struct bundle_question *q = &b->questions.at[i];
        size_t mark = shape_enter(w, "questions", i);
        if (find_question(b, q->code, strlen(q->code)) != q)
            shape_problem(w, ERR_INVALID, "bundle.duplicate", "code", "'%s' stands twice", q->code);
        for (size_t n = 0; n < q->answers.count; n++)
            if (strchr(q->answers.at[n], '=') != NULL)
                shape_problem(w, ERR_INVALID, "bundle.answer", "answers", "'%s' has a '='", q->answers.at[n]);
        shape_leave(w, mark);
    }
    for (size_t i = 0; i < b->members.count; i++) {
        size_t mark = shape_enter(w, "members", i);
        check_member(w, b, i);
        shape_leave(w, mark);
    }
    for (size_t i = 0; i < b->materials.count; i++) {
        size_t mark = shape_enter(w, "materials", i);
        check_material(w, b, i);
        shape_leave(w, mark);
    }
    if (b->valid_from != 0 && b->valid_to != 0 && b->valid_from > b->valid_to)
        shape_problem(w, ERR_INVALID, "bundle.validity", "valid_to", "%u comes before valid_from %u", b->valid_to,
                      b->valid_from);
}

struct bundle *bundle_read(struct shape_walk *w, struct yyjson_val *value)
{
    size_t problems = w->problems->count;
    struct bundle *b = xcalloc(1, sizeof *b);
    struct buf canonical;
    buf_init(&canonical, CATALOG_ITEM_BYTES_MAX);
    shape_read(w, &bundle_shape, value, b, &b->arena, &canonical);
    bool is_read = w->problems->count == problems && !shape_is_full(w);
    if (is_read && canonical.failed)
        shape_problem(w, ERR_LIMIT, "bundle.size", "", "the bundle has more than %u bytes", CATALOG_ITEM_BYTES_MAX);
    if (is_read)
        check_bundle(w, b);
    if (is_read && w->problems->count == problems) {
        b->canonical = arena_bytes(&b->arena, buf_bytes(&canonical));
    } else {
        bundle_destroy(b);
        b = NULL;
    }
    buf_close(&canonical);
    return b;
}

int bundle_parse(struct bytes json, const char *where, struct bundle **ret, struct err *e)
{
    yyjson_doc *doc = NULL;
    if (json.size > CATALOG_ITEM_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "bundle.size", "%s: the bundle has %zu bytes, limit %u", where, json.size,
                       CATALOG_ITEM_BYTES_MAX);
    int rc = document_parse(json, where, CATALOG_ITEM_BYTES_MAX, &doc, e);
    if (rc != 0)
        return rc;
    struct shape_problems *problems = xcalloc(1, sizeof *problems);
    struct shape_walk w = {.document = where, .problems = problems};
    struct bundle *b = bundle_read(&w, yyjson_doc_get_root(doc));
    if (b != NULL)
        *ret = b;
    else
        rc = shape_problems_to_err(problems, e);
    free(problems);
    yyjson_doc_free(doc);
    return rc;
}

int bundle_parse_published(struct bytes json, const char *where, struct bundle **ret, struct err *e)
{
    struct bundle *b = NULL;
    int rc = bundle_parse(json, where, &b, e);
    if (rc != 0)
        return rc;
    if (!bytes_equal(b->canonical, json)) {
        rc = err_set(e, ERR_INVALID, "bundle.not-canonical",
                     "%s: bundle '%s' is not in canonical form (%zu bytes, %zu expected)", where, b->code, json.size,
                     b->canonical.size);
        bundle_destroy(b);
        return rc;
    }
    *ret = b;
    return 0;
}

void bundle_destroy(struct bundle *b)
{
    if (b == NULL)
        return;
    arena_close(&b->arena);
    free(b);
}

/* ---- resolution ---- */

static int check_answers(const struct bundle *b, const char *const *answers, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        const struct bundle_question *q = question_of(b, answers[i]);
        if (q == NULL)
            return err_set(e, ERR_INVALID, "bundle.answer", "'%.120s' is no answer to a question of '%s'", answers[i],
                           b->code);
        for (size_t n = 0; n < i; n++)
            if (question_of(b, answers[n]) == q)
                return err_set(e, ERR_INVALID, "bundle.answer", "question '%s' is answered twice", q->code);
    }
    return 0;
}

enum outcome { NO, YES, OPEN };

/* Whether the member is needed; OPEN, with the first question that is to be asked, as long as no answer rules it out. */
static enum outcome judge(const struct bundle *b, const struct bundle_member *m, const char *const *answers,
                          size_t count, const struct bundle_question **ret_open)
{
    enum outcome outcome = YES;
    for (size_t i = 0; i < m->when.count; i++) {
        const struct bundle_question *q = question_of(b, m->when.at[i]);
        bool is_answered = false, holds = false;
        for (size_t n = 0; n < count; n++) {
            is_answered = is_answered || question_of(b, answers[n]) == q;
            holds = holds || strcmp(answers[n], m->when.at[i]) == 0;
        }
        if (is_answered && !holds)
            return NO;
        if (!is_answered && outcome == YES) {
            outcome = OPEN;
            *ret_open = q;
        }
    }
    return outcome;
}

static bool is_needed(const struct bundle_plan *plan, const char *serves)
{
    size_t size = strcspn(serves, "/");
    for (size_t i = 0; i < plan->member_count; i++)
        if (strlen(plan->members[i]->code) == size && memcmp(plan->members[i]->code, serves, size) == 0)
            return true;
    return false;
}

static bool is_served(const struct bundle *b, const char *member, const char *material)
{
    size_t size = strlen(member);
    for (size_t i = 0; i < b->materials.count; i++)
        for (size_t n = 0; n < b->materials.at[i].serves.count; n++) {
            const char *text = b->materials.at[i].serves.at[n];
            if (strncmp(text, member, size) == 0 && text[size] == '/' && strcmp(text + size + 1, material) == 0)
                return true;
        }
    return false;
}

static void put_shared(const struct bundle *b, struct arena *a, struct bundle_plan *plan, struct bundle_need *needs)
{
    for (size_t i = 0; i < b->materials.count; i++) {
        const struct bundle_material *m = &b->materials.at[i];
        const char **serves = arena_alloc(a, m->serves.count * sizeof *serves);
        size_t count = 0;
        for (size_t n = 0; n < m->serves.count; n++)
            if (is_needed(plan, m->serves.at[n]))
                serves[count++] = m->serves.at[n];
        if (count > 0)
            needs[plan->need_count++] = (struct bundle_need){.shared = m, .serves = serves, .serve_count = count};
    }
}

int bundle_resolve(const struct bundle *b, const char *const *answers, size_t answer_count,
                   const struct catalog_item *(*find)(void *ctx, const struct bundle_member *member), void *ctx,
                   struct arena *a, struct bundle_plan *ret, struct err *e)
{
    int rc = check_answers(b, answers, answer_count, e);
    if (rc != 0)
        return rc;
    const struct bundle_member **members = arena_alloc(a, b->members.count * sizeof *members);
    const struct bundle_question **open = arena_alloc(a, (b->members.count + 1) * sizeof *open);
    const struct catalog_item *items[BUNDLE_MEMBERS_MAX];
    size_t all = b->materials.count;
    *ret = (struct bundle_plan){.members = members, .open = open};
    for (size_t i = 0; i < b->members.count; i++) {
        const struct bundle_question *q = NULL;
        enum outcome outcome = judge(b, &b->members.at[i], answers, answer_count, &q);
        bool is_listed = false;
        for (size_t n = 0; n < ret->open_count; n++)
            is_listed = is_listed || open[n] == q;
        if (outcome == OPEN && !is_listed)
            open[ret->open_count++] = q;
        if (outcome != YES)
            continue;
        items[ret->member_count] = find(ctx, &b->members.at[i]);
        all += items[ret->member_count] == NULL ? 0 : items[ret->member_count]->materials.count;
        members[ret->member_count++] = &b->members.at[i];
    }
    struct bundle_need *needs = arena_alloc(a, (all + 1) * sizeof *needs);
    ret->needs = needs;
    put_shared(b, a, ret, needs);
    for (size_t i = 0; i < ret->member_count; i++)
        for (size_t n = 0; items[i] != NULL && n < items[i]->materials.count; n++)
            if (!is_served(b, members[i]->code, items[i]->materials.at[n].code))
                needs[ret->need_count++] =
                    (struct bundle_need){.member = members[i], .material = &items[i]->materials.at[n]};
    return 0;
}
