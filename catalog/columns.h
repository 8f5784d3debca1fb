/* The columns of catalog tables: which cell is which field of an item. One table for reading (import_sheet.c), writing
 * (import_export.c) and the explanation in the template. Kinds and bounds are those of the item's own tables (shape.h);
 * here stand only the titles and the Chinese words for what JSON says in English. Constant; any thread.
 */
#ifndef TB_CATALOG_COLUMNS_H
#define TB_CATALOG_COLUMNS_H

#include <stddef.h>

#include "catalog/shape.h"

struct column {
    const char *path;  /* in the item, or in the entry of the list: "limits.promised.n" */
    const char *title; /* Chinese heading */
};

struct column_sheet {
    const char *name;  /* "materials" */
    const char *title; /* 材料 */
    const char *list;  /* path of the list in the item whose entries the rows are; NULL: the rows are items */
    const struct column *columns;
    size_t count;
};

#define COLUMN_ITEM_PATH "item" /* first column of all sheets but that of the items: code of the item */
#define COLUMN_HELP_SHEET "填写说明"

extern const struct column_sheet column_sheets[]; /* items first */
extern const size_t column_sheet_count;

/* NULL when there is none. */
const struct column_sheet *column_sheet_find(const char *name_or_title);
/* Index of the column headed @heading (title or path, a * at the end is ignored), or @s->count. */
size_t column_find(const struct column_sheet *s, const char *heading);
/* Index of the column of @path, or @s->count. */
size_t column_of_path(const struct column_sheet *s, const char *path);

/* The field that @path names in the sheet's shape; NULL for "item" or a wrong path. */
const struct shape_field *column_field(const struct column_sheet *s, const char *path);

/* What a cell of @f takes, with the word of JSON where it is another: "纸质 (paper), 电子 (electronic)". Nothing for numbers without
 * words and for texts. */
void column_put_words(const struct shape_field *f, struct buf *ret);

/* The word of JSON for @text in the field @key, or @text itself; and the other way round for writing. */
const char *column_word(const char *key, const char *text);
const char *column_text(const char *key, const char *word);

#endif
