/* JSON text of the catalog box, read with the limits that the parser itself does not have.
 *
 * yyjson takes any depth and needs 16 bytes for each value, so that a file of '[' would cost sixteen times its size; a
 * scan of the bytes checks depth and number of values first. Doubled keys are found by the readers, who know which keys
 * an object may have (shape.c, calendar.c). Pure; any thread.
 */
#ifndef TB_CATALOG_DOCUMENT_H
#define TB_CATALOG_DOCUMENT_H

#include "node/base/bytes.h"

struct yyjson_doc;

/* Parses @text (RFC 8259, UTF-8, nothing after the value). @name stands before ":" in messages. The caller frees @ret
 * with yyjson_doc_free(). ERR_LIMIT "catalog.json-depth" (over JSON_DEPTH_MAX) or "catalog.json-values" (over
 * @values_max), ERR_INVALID "catalog.json" with line and column. */
int document_parse(struct bytes text, const char *name, size_t values_max, struct yyjson_doc **ret,
                   struct err *e) WARN_UNUSED;

#endif
