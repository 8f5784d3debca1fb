/* Between import.c and import_sheet.c. */
#ifndef TB_CATALOG_IMPORT_INTERNAL_H
#define TB_CATALOG_IMPORT_INTERNAL_H

#include "catalog/import.h"
#include "catalog/shape.h"

#define IMPORT_VALUE_SIZE 81

struct catalog_item;
struct document_cursor;

/* The text of problem @index without document and path: where it is stands beside it. Borrowed. */
const char *import_rule_text(const struct shape_walk *w, size_t index);

/* Adds what a walk through a JSON text found, each with the place and the value at it; @c stands on the element walked, NULL: the
 * text as a whole. */
void import_add_json_problems(struct import_result *r, const struct shape_walk *w, const struct document_cursor *c);

/* Takes @items (the array stays the caller's), of which no two have the same code, and sets r->catalog when there is no problem. */
void import_finish(struct import_result *r, struct catalog_item **items, size_t count, uint32_t node, uint32_t version);

#endif
