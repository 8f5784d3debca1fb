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
#include "node/base/file.h"
#include "node/base/limits.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

#define CODE_MIN 110000u

struct region_table {
    struct region *rows; /* sorted by code */
    size_t count;
    size_t capacity;
    struct arena names;
};

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
                       (int)min_of(code_size, (size_t)20), line, CODE_MIN);
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
    t->rows[t->count++] = (struct region){.code = code,
                                          .level = region_level_of(code),
                                          .is_current = is_current,
                                          .name = arena_strndup(&t->names, name, name_size)};
    return 0;
}

static int read_file(struct region_table *t, const char *path, bool is_current, struct err *e)
{
    struct buf text = {0};
    int rc = file_read(path, REGION_FILE_BYTES_MAX, &text, e);
    if (rc != 0)
        return rc;

    const size_t first = t->count;
    unsigned line_number = 0;
    for (size_t at = 0; rc == 0 && at < text.size;) {
        const char *line = (const char *)text.data + at;
        const char *end = memchr(line, '\n', text.size - at);
        size_t size = end == NULL ? text.size - at : (size_t)(end - line);
        at += size + 1;
        line_number++;
        rc = parse_row(t, line, size, is_current, e);
        if (rc == 0 && t->count > first + 1 && t->rows[t->count - 2].code >= t->rows[t->count - 1].code)
            rc = err_set(e, ERR_INVALID, "region.order", "code %u does not come after %u", t->rows[t->count - 1].code,
                         t->rows[t->count - 2].code);
        if (rc != 0)
            (void)err_wrap(e, "%s: line %u", path, line_number);
    }
    if (rc == 0 && t->count == first)
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
    int rc = read_file(t, current_path, true, e);
    if (rc == 0 && historic_path != NULL)
        rc = read_file(t, historic_path, false, e);
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
    arena_close(&t->names);
    free(t);
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
    if (text.size != 6 || decimal_parse(text, &code) != 0 || code < CODE_MIN)
        return ERR_INVALID;
    *ret = (uint32_t)code;
    return 0;
}

bool region_contains(uint32_t area, uint32_t code)
{
    static const uint32_t units[] = {[REGION_PROVINCE] = 10000, [REGION_CITY] = 100, [REGION_COUNTY] = 1};
    uint32_t unit = units[region_level_of(area)];
    return area >= CODE_MIN && area / unit == code / unit;
}

uint32_t region_owner(const uint32_t *codes, size_t count, uint32_t code)
{
    uint32_t owner = 0;
    for (size_t i = 0; i < count; i++)
        if (region_contains(codes[i], code) && (owner == 0 || region_level_of(codes[i]) > region_level_of(owner)))
            owner = codes[i];
    return owner;
}
