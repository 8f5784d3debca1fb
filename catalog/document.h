/* JSON text of the catalog box, read with the limits that the parser itself does not have.
 *
 * yyjson takes any depth and needs 16 bytes for each value, so that a file of '[' would cost sixteen times its size; a
 * scan of the bytes checks depth and number of values first. Doubled keys are found by the readers, who know which keys
 * an object may have (shape.c, calendar.c). Pure; any thread.
 */
#ifndef TB_CATALOG_DOCUMENT_H
#define TB_CATALOG_DOCUMENT_H

#include <stdint.h>

#include "node/base/bytes.h"

struct yyjson_doc;

/* Parses @text (RFC 8259, UTF-8, nothing after the value). @name stands before ":" in messages. The caller frees @ret
 * with yyjson_doc_free(). ERR_LIMIT "catalog.json-depth" (over JSON_DEPTH_MAX) or "catalog.json-values" (over
 * @values_max), ERR_INVALID "catalog.json" with line and column. */
int document_parse(struct bytes text, const char *name, size_t values_max, struct yyjson_doc **ret,
                   struct err *e) WARN_UNUSED;

/* Goes through a list of a text that document_parse() took, element by element, and says where values stand: lines and
 * columns from 1, columns in bytes. One pass over the text for all elements together. */
struct document_cursor {
    struct bytes text; /* borrowed */
    size_t at;         /* first byte of the element */
    uint32_t line, column;
};

/* The first element of the list @key of the object that the text is; the object itself when there is no such list. */
void document_cursor_open(struct document_cursor *c, struct bytes text, const char *key);
void document_cursor_next(struct document_cursor *c);
/* Where the value at @path ("limits.promised.n", "materials[3].form", "") of the element begins. What is not there gives the
 * place of the object that should have it. */
void document_cursor_locate(const struct document_cursor *c, const char *path, uint32_t *ret_line,
                            uint32_t *ret_column);

#endif
