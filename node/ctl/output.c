/* Printing for people (see output.h). */
#include "node/ctl/output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/clock.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

#define CHINA_MS (8ull * 3600 * 1000)

const char *output_clean(struct arena *mem, const char *text)
{
    size_t size = strlen(text);
    char *clean = arena_alloc(mem, size + 1);
    char *w = clean;
    for (size_t i = 0; i < size;) {
        uint32_t rune = 0;
        size_t n = utf8_decode(text + i, size - i, &rune);
        /* C0, DEL, C1, line separators, and what turns the direction of writing */
        bool bad = n == 0 || rune < 0x20 || (rune >= 0x7f && rune < 0xa0) || (rune >= 0x2028 && rune <= 0x202e) ||
                   (rune >= 0x2066 && rune <= 0x2069);
        if (bad)
            *w++ = '?';
        else
            memcpy(w, text + i, n);
        w += bad ? 0 : n;
        i += n > 0 ? n : 1;
    }
    return clean;
}

struct output_table output_table_open(struct arena *mem, const char *const *header, size_t column_count)
{
    xassert(column_count > 0 && column_count <= OUTPUT_COLUMNS_MAX);
    return (struct output_table){.mem = mem, .header = header, .column_count = column_count};
}

void output_cell(struct output_table *t, const char *text)
{
    if (t->cell_count == t->cell_capacity) {
        size_t capacity = t->cell_capacity > 0 ? 2 * t->cell_capacity : 128;
        const char **cells = arena_alloc(t->mem, capacity * sizeof *cells);
        if (t->cell_count > 0)
            memcpy(cells, t->cells, t->cell_count * sizeof *cells);
        t->cells = cells;
        t->cell_capacity = capacity;
    }
    t->cells[t->cell_count++] = text != NULL && text[0] != '\0' ? output_clean(t->mem, text) : "-";
}

static void print_row(const struct output_table *t, const char *const *cells, const size_t *widths, FILE *out)
{
    for (size_t i = 0; i < t->column_count; i++) {
        fputs(cells[i], out);
        if (i + 1 < t->column_count)
            fprintf(out, "%*s", (int)(widths[i] - utf8_columns(cells[i]) + 2), "");
    }
    fputc('\n', out);
}

void output_table_print(const struct output_table *t, const char *when_empty, FILE *out)
{
    size_t widths[OUTPUT_COLUMNS_MAX];
    xassert(t->cell_count % t->column_count == 0);
    if (t->cell_count == 0) {
        fprintf(out, "%s\n", when_empty);
        return;
    }
    for (size_t i = 0; i < t->column_count; i++)
        widths[i] = utf8_columns(t->header[i]);
    for (size_t i = 0; i < t->cell_count; i++)
        widths[i % t->column_count] = max_of(widths[i % t->column_count], utf8_columns(t->cells[i]));
    print_row(t, t->header, widths, out);
    for (size_t i = 0; i < t->cell_count; i += t->column_count)
        print_row(t, t->cells + i, widths, out);
}

void output_pairs(struct arena *mem, const struct output_pair *pairs, size_t count, FILE *out)
{
    size_t width = 0;
    for (size_t i = 0; i < count; i++)
        if (pairs[i].value != NULL)
            width = max_of(width, utf8_columns(pairs[i].name));
    for (size_t i = 0; i < count; i++)
        if (pairs[i].value != NULL)
            fprintf(out, "%s:%*s%s\n", pairs[i].name, (int)(width - utf8_columns(pairs[i].name) + 1), "",
                    output_clean(mem, pairs[i].value));
}

void output_pairs_json(const struct output_pair *pairs, size_t count, FILE *out)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    for (size_t i = 0; i < count; i++) {
        if (pairs[i].value == NULL)
            continue;
        char name[64];
        (void)snprintf(name, sizeof name, "%s", pairs[i].name);
        for (char *p = name; *p != '\0'; p++)
            if (*p == ' ')
                *p = '_';
        (void)yyjson_mut_obj_add(root, yyjson_mut_strcpy(doc, name), yyjson_mut_strcpy(doc, pairs[i].value));
    }
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    fprintf(out, "%s\n", text != NULL ? text : "{}");
    free(text);
    yyjson_mut_doc_free(doc);
}

const char *output_field(struct arena *mem, yyjson_val *object, const char *name)
{
    yyjson_val *v = yyjson_obj_get(object, name);
    if (yyjson_is_str(v))
        return yyjson_get_str(v);
    if (yyjson_is_bool(v))
        return yyjson_get_bool(v) ? "yes" : "no";
    if (yyjson_is_uint(v))
        return arena_printf(mem, "%" PRIu64, yyjson_get_uint(v));
    if (yyjson_is_sint(v))
        return arena_printf(mem, "%" PRId64, yyjson_get_sint(v));
    return NULL;
}

const char *output_text(struct arena *mem, yyjson_val *object, const char *name)
{
    const char *text = output_field(mem, object, name);
    return text != NULL ? text : "-";
}

const char *output_time(struct arena *mem, yyjson_val *object, const char *name)
{
    yyjson_val *v = yyjson_obj_get(object, arena_printf(mem, "%s_ms", name));
    if (!yyjson_is_uint(v))
        return "";
    char *text = arena_alloc(mem, CLOCK_TEXT_SIZE);
    clock_format_utc(yyjson_get_uint(v) + CHINA_MS, text);
    text[10] = ' ';  /* for the T */
    text[19] = '\0'; /* before the milliseconds */
    return text;
}
