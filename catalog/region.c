/* Table of divisions (see region.h).
 *
 * Loading: every line becomes a row of one array; after both files it is sorted by code (each file must be in order, so
 * that a doubled code shows), then names and parents are worked out from the top down: a parent has the smaller code,
 * so that its full name is ready when its children come.
 */
#include "catalog/region.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/arena.h"
#include "node/base/division.h"
#include "node/base/file.h"
#include "node/base/limits.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

struct region_table {
    struct region *rows; /* sorted by code */
    size_t count;
    size_t capacity;
    struct region_change *changes; /* sorted by code, then year */
    size_t change_count;
    size_t change_capacity;
    struct arena names; /* and successors */
};

/* One line of a file, its number from 1. */
typedef int parse_fn(struct region_table *t, const char *line, size_t size, uint32_t number, struct err *e);

static int compare_rows(const void *a, const void *b)
{
    const struct region *x = a;
    const struct region *y = b;
    return (x->code > y->code) - (x->code < y->code);
}

static struct region *find_row(const struct region_table *t, uint32_t code)
{
    struct region key = {.code = code};
    return t->count == 0 ? NULL : bsearch(&key, t->rows, t->count, sizeof key, compare_rows);
}

/* Names go into pages and messages: no control characters, no blanks, nothing that is not UTF-8. */
static bool is_name(const char *name, size_t size)
{
    if (size == 0 || size > REGION_NAME_BYTES_MAX || !utf8_is_valid(name, size))
        return false;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f)
            return false;
    return true;
}

static int parse_row(struct region_table *t, const char *line, size_t size, bool is_current, struct err *e)
{
    const char *tab = memchr(line, '\t', size);
    if (tab == NULL)
        return err_set(e, ERR_INVALID, "region.line", "no tab between code and name");
    size_t code_size = (size_t)(tab - line);
    const char *name = tab + 1;
    size_t name_size = size - code_size - 1;
    uint32_t code;
    if (region_parse(bytes_of(line, code_size), &code) != 0)
        return err_set(e, ERR_INVALID, "region.code", "'%.*s' is not a division code of six digits from %u on",
                       (int)min_of(code_size, (size_t)20), line, DIVISION_CODE_MIN);
    if (!is_name(name, name_size))
        return err_set(e, ERR_INVALID, "region.name",
                       "the name of %u is empty, over %u bytes, not UTF-8 or has a blank or control character", code,
                       REGION_NAME_BYTES_MAX);
    if (t->count >= REGION_ROWS_MAX)
        return err_set(e, ERR_LIMIT, "region.too-many", "more than %u divisions", REGION_ROWS_MAX);

    if (t->count == t->capacity) {
        t->capacity = max_of((size_t)4096, t->capacity * 2);
        t->rows = xrealloc(t->rows, t->capacity * sizeof *t->rows);
    }
    const struct region *before = t->count == 0 ? NULL : &t->rows[t->count - 1];
    if (before != NULL && before->is_current == is_current && before->code >= code)
        return err_set(e, ERR_INVALID, "region.order", "code %u does not come after %u", code, before->code);
    t->rows[t->count++] = (struct region){.code = code,
                                          .level = region_level_of(code),
                                          .is_current = is_current,
                                          .name = arena_strndup(&t->names, name, name_size)};
    return 0;
}

static int parse_current(struct region_table *t, const char *line, size_t size, uint32_t number, struct err *e)
{
    (void)number;
    return parse_row(t, line, size, true, e);
}

static int parse_historic(struct region_table *t, const char *line, size_t size, uint32_t number, struct err *e)
{
    (void)number;
    return parse_row(t, line, size, false, e);
}

static int read_file(struct region_table *t, const char *path, parse_fn *parse, struct err *e)
{
    struct buf text = {0};
    int rc = file_read(path, REGION_FILE_BYTES_MAX, &text, e);
    if (rc != 0)
        return rc;

    uint32_t line_number = 0;
    for (size_t at = 0; rc == 0 && at < text.size;) {
        const char *line = (const char *)text.data + at;
        const char *end = memchr(line, '\n', text.size - at);
        size_t size = end == NULL ? text.size - at : (size_t)(end - line);
        at += size + 1;
        line_number++;
        rc = parse(t, line, size, line_number, e);
        if (rc != 0)
            (void)err_wrap(e, "%s: line %u", path, line_number);
    }
    if (rc == 0 && line_number == 0)
        rc = err_set(e, ERR_INVALID, "region.line", "%s: no divisions in it", path);
    buf_close(&text);
    return rc;
}

static bool ends_with(const char *text, const char *tail)
{
    size_t size = strlen(text);
    size_t tail_size = strlen(tail);
    return size >= tail_size && strcmp(text + size - tail_size, tail) == 0;
}

static bool is_municipality(uint32_t code)
{
    uint32_t province = code / 10000;
    return province == 11 || province == 12 || province == 31 || province == 50;
}

/* A step of the code that is no division. @above is the city a county lies in, or NULL. */
static bool is_pseudo(const struct region *r, const struct region *above)
{
    if (r->level == REGION_CITY)
        return is_municipality(r->code) || ends_with(r->name, "直辖县级行政区划");
    if (r->level == REGION_COUNTY)
        return ends_with(r->name, "市辖区") || (above != NULL && strcmp(r->name, above->name) == 0);
    return false;
}

/* Fills what follows from the rows above @r, which are done. */
static int complete_row(struct region_table *t, struct region *r, struct err *e)
{
    const struct region *province = find_row(t, r->code / 10000 * 10000);
    const struct region *city = r->level == REGION_COUNTY ? find_row(t, r->code / 100 * 100) : NULL;
    if (province == NULL || (city == NULL && r->level == REGION_COUNTY && r->is_current))
        return err_set(e, ERR_INVALID, "region.parent", "division %u '%s' has no %s above it in the table", r->code,
                       r->name, province == NULL ? "province" : "city");

    r->is_pseudo = is_pseudo(r, city);
    if (r->level == REGION_PROVINCE) {
        r->full_name = r->name;
        return 0;
    }
    const struct region *parent = city == NULL || city->is_pseudo ? province : city;
    r->parent = parent->code;
    if (r->is_pseudo && strcmp(r->name, parent->name) == 0) {
        r->full_name = parent->full_name; /* 620201 below 620200 */
    } else if (r->is_current) {
        r->full_name = arena_printf(&t->names, "%s%s", parent->full_name, r->name);
    } else {
        size_t prefix = strlen(parent->full_name);
        r->full_name = r->name;
        if (strncmp(r->name, parent->full_name, prefix) == 0 && r->name[prefix] != '\0')
            r->name += prefix;
    }
    return 0;
}

static int complete(struct region_table *t, struct err *e)
{
    qsort(t->rows, t->count, sizeof *t->rows, compare_rows);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < t->count; i++) {
        struct region *r = &t->rows[i];
        if (i > 0 && r[-1].code == r->code)
            return err_set(e, ERR_INVALID, "region.order", "division %u stands in both files", r->code);
        rc = complete_row(t, r, e);
    }
    if (rc != 0)
        return rc;

    for (size_t i = 0; i < t->count; i++)
        t->rows[i].has_no_counties = t->rows[i].level == REGION_CITY && t->rows[i].is_current && !t->rows[i].is_pseudo;
    for (size_t i = 0; i < t->count; i++) {
        const struct region *r = &t->rows[i];
        struct region *parent = r->parent == 0 ? NULL : find_row(t, r->parent);
        if (r->is_current && !r->is_pseudo && parent != NULL)
            parent->has_no_counties = false;
    }
    return 0;
}

int region_table_load(const char *current_path, const char *historic_path, struct region_table **ret, struct err *e)
{
    struct region_table *t = xcalloc(1, sizeof *t);
    int rc = read_file(t, current_path, parse_current, e);
    if (rc == 0 && historic_path != NULL)
        rc = read_file(t, historic_path, parse_historic, e);
    if (rc == 0) {
        rc = complete(t, e);
        if (rc != 0 && historic_path != NULL)
            (void)err_wrap(e, "%s and %s", current_path, historic_path);
        else if (rc != 0)
            (void)err_wrap(e, "%s", current_path);
    }
    if (rc != 0) {
        region_table_destroy(t);
        return rc;
    }
    *ret = t;
    return 0;
}

void region_table_destroy(struct region_table *t)
{
    if (t == NULL)
        return;
    free(t->rows);
    free(t->changes);
    arena_close(&t->names);
    free(t);
}

static int parse_successors(struct region_table *t, struct bytes list, struct region_change *change, struct err *e)
{
    uint32_t codes[REGION_SUCCESSORS_MAX];
    for (size_t at = 0; at <= list.size;) {
        const uint8_t *comma = at < list.size ? memchr(list.data + at, ',', list.size - at) : NULL;
        size_t size = comma == NULL ? list.size - at : (size_t)(comma - list.data) - at;
        if (change->successor_count == REGION_SUCCESSORS_MAX)
            return err_set(e, ERR_LIMIT, "region.too-many", "more than %u successors of %u", REGION_SUCCESSORS_MAX,
                           change->code);
        if (region_parse(bytes_of(list.data + at, size), &codes[change->successor_count++]) != 0)
            return err_set(
                e, ERR_INVALID, "region.code", "successor '%.*s' of %u is not a division code of six digits from %u on",
                (int)min_of(size, (size_t)20), (const char *)list.data + at, change->code, DIVISION_CODE_MIN);
        at += size + 1;
    }
    uint32_t *kept = arena_alloc(&t->names, change->successor_count * sizeof *kept);
    memcpy(kept, codes, change->successor_count * sizeof *kept);
    change->successors = kept;
    return 0;
}

static bool parse_year(struct bytes text, uint16_t *ret)
{
    uint64_t year;
    if (text.size != 4 || decimal_parse(text, &year) != 0 || year < 1900)
        return false;
    *ret = (uint16_t)year;
    return true;
}

static int parse_change(struct region_table *t, const char *line, size_t size, uint32_t number, struct err *e)
{
    static const char *const choices[REGION_CHOICE_COUNT] = {"only", "same", "most", "name", "whole"};
    struct bytes fields[5];
    size_t count = 0;
    for (size_t at = 0; at <= size && count < array_count(fields); count++) {
        const char *tab = at < size ? memchr(line + at, '\t', size - at) : NULL;
        size_t end = tab == NULL || count == array_count(fields) - 1 ? size : (size_t)(tab - line);
        fields[count] = bytes_of(line + at, end - at);
        at = end + 1;
    }
    if (count < array_count(fields))
        return err_set(e, ERR_INVALID, "region.line", "not the five fields code, since, until, choice, successors");

    struct region_change change = {.line = number};
    if (region_parse(fields[0], &change.code) != 0)
        return err_set(e, ERR_INVALID, "region.code", "'%.*s' is not a division code of six digits from %u on",
                       (int)min_of(fields[0].size, (size_t)20), line, DIVISION_CODE_MIN);
    if (!parse_year(fields[1], &change.since) || !parse_year(fields[2], &change.until) || change.since >= change.until)
        return err_set(e, ERR_INVALID, "region.change",
                       "'%.*s' to '%.*s' of %u are not two years, the earlier one first",
                       (int)min_of(fields[1].size, (size_t)20), (const char *)fields[1].data,
                       (int)min_of(fields[2].size, (size_t)20), (const char *)fields[2].data, change.code);
    while (change.choice < REGION_CHOICE_COUNT && !bytes_equal(fields[3], bytes_of_string(choices[change.choice])))
        change.choice++;
    if (change.choice == REGION_CHOICE_COUNT)
        return err_set(e, ERR_INVALID, "region.change", "'%.*s' of %u is not one of only, same, most, name, whole",
                       (int)min_of(fields[3].size, (size_t)20), (const char *)fields[3].data, change.code);
    const struct region_change *before = t->change_count == 0 ? NULL : &t->changes[t->change_count - 1];
    if (before != NULL && (before->code > change.code || (before->code == change.code && before->until > change.since)))
        return err_set(e, ERR_INVALID, "region.order", "%u from %u on does not come after %u until %u", change.code,
                       change.since, before->code, before->until);
    if (t->change_count >= REGION_ROWS_MAX)
        return err_set(e, ERR_LIMIT, "region.too-many", "more than %u changes", REGION_ROWS_MAX);
    int rc = parse_successors(t, fields[4], &change, e);
    if (rc != 0)
        return rc;

    if (t->change_count == t->change_capacity) {
        t->change_capacity = max_of((size_t)4096, t->change_capacity * 2);
        t->changes = xrealloc(t->changes, t->change_capacity * sizeof *t->changes);
    }
    t->changes[t->change_count++] = change;
    return 0;
}

/* Every successor is known and in use in the year of the change. As a change of a code that was in use in a year comes after that
 * year, no chain comes back to where it was. */
static int check_change(const struct region_table *t, const struct region_change *change, struct err *e)
{
    if (region_find(t, change->code) == NULL)
        return err_set(e, ERR_INVALID, "region.change", "%u is in no table of divisions", change->code);
    for (size_t i = 0; i < change->successor_count; i++) {
        const struct region *r = region_find(t, change->successors[i]);
        bool was_in_use = r != NULL && region_find_change(t, r->code, change->until) != NULL;
        if (r == NULL || (!was_in_use && (!r->is_current || r->code == change->code)))
            return err_set(e, ERR_INVALID, "region.successor", "successor %u of %u was no division in %u",
                           change->successors[i], change->code, change->until);
    }
    size_t hops = 0;
    for (const struct region_change *c = change; c != NULL; c = region_find_change(t, c->successors[0], c->until))
        if (++hops > REGION_HOPS_MAX)
            return err_set(e, ERR_LIMIT, "region.successor", "%u leads to a division of today by more than %u changes",
                           change->code, REGION_HOPS_MAX);
    return 0;
}

int region_changes_load(struct region_table *t, const char *path, struct err *e)
{
    xassert(t->changes == NULL);
    int rc = read_file(t, path, parse_change, e);
    for (size_t i = 0; rc == 0 && i < t->change_count; i++) {
        rc = check_change(t, &t->changes[i], e);
        if (rc != 0)
            (void)err_wrap(e, "%s: line %u", path, t->changes[i].line);
    }
    return rc;
}

const struct region_change *region_find_change(const struct region_table *t, uint32_t code, uint32_t year)
{
    size_t low = 0;
    for (size_t high = t->change_count; low < high;) { /* to the first one behind those of @code */
        size_t middle = low + (high - low) / 2;
        if (t->changes[middle].code <= code)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low > 0 && t->changes[low - 1].code == code; low--) {
        const struct region_change *change = &t->changes[low - 1];
        if (year == 0 || (change->since <= year && year < change->until))
            return change;
    }
    return NULL;
}

const struct region *region_find(const struct region_table *t, uint32_t code)
{
    return find_row(t, code);
}

size_t region_count(const struct region_table *t)
{
    return t->count;
}

const struct region *region_at(const struct region_table *t, size_t index)
{
    xassert(index < t->count);
    return &t->rows[index];
}

enum region_level region_level_of(uint32_t code)
{
    return code % 10000 == 0 ? REGION_PROVINCE : code % 100 == 0 ? REGION_CITY : REGION_COUNTY;
}

int region_parse(struct bytes text, uint32_t *ret)
{
    uint64_t code;
    if (text.size != 6 || decimal_parse(text, &code) != 0 || code < DIVISION_CODE_MIN)
        return ERR_INVALID;
    *ret = (uint32_t)code;
    return 0;
}

uint32_t region_owner(const uint32_t *codes, size_t count, uint32_t code)
{
    uint32_t owner = 0;
    for (size_t i = 0; i < count; i++)
        if (division_contains(codes[i], code) && (owner == 0 || region_level_of(codes[i]) > region_level_of(owner)))
            owner = codes[i];
    return owner;
}
