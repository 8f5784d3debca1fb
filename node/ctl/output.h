/* Printing for people: aligned tables and lists of values. Chinese characters take two columns of a terminal, so widths
 * are counted by utf8_columns(). Whatever came from elsewhere is cleaned of control characters first: a name in a
 * catalog must not move the cursor of the clerk who lists it.
 */
#ifndef TB_CTL_OUTPUT_H
#define TB_CTL_OUTPUT_H

#include <stdio.h>
#include <yyjson.h>

#include "node/base/arena.h"

#define OUTPUT_COLUMNS_MAX 12

/* Rows of cells under a header. Cells are made in @mem. */
struct output_table {
    struct arena *mem;
    const char *const *header;
    size_t column_count;
    const char **cells; /* row after row */
    size_t cell_count, cell_capacity;
};

/* @header: @column_count titles, kept. */
struct output_table output_table_open(struct arena *mem, const char *const *header, size_t column_count);
/* One cell; cells fill rows from the left. NULL prints as "-". */
void output_cell(struct output_table *t, const char *text);
/* Prints header and rows, or only @when_empty when there are no rows. */
void output_table_print(const struct output_table *t, const char *when_empty, FILE *out);

/* "name: value" with the values under each other. */
struct output_pair {
    const char *name, *value; /* a NULL value is left out */
};
void output_pairs(struct arena *mem, const struct output_pair *pairs, size_t count, FILE *out);
/* The same as one JSON object of strings, on one line. */
void output_pairs_json(const struct output_pair *pairs, size_t count, FILE *out);

/* Fields of an answer as text; NULL (or "" for times) when absent or null. Numbers in decimal. */
const char *output_field(struct arena *mem, yyjson_val *object, const char *name);
/* The same, "-" when absent: for texts put together from several fields. */
const char *output_text(struct arena *mem, yyjson_val *object, const char *name);
/* The field "<name>_ms" as China Standard Time, "2026-11-24 09:02:03". */
const char *output_time(struct arena *mem, yyjson_val *object, const char *name);
/* @text without control characters, in @mem; not UTF-8: its bad bytes as '?'. */
const char *output_clean(struct arena *mem, const char *text);

#endif
