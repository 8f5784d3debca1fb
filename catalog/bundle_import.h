/* A file of bundles, read with a report of everything that is wrong in it: line, column, value and rule.
 *
 *     {"format": "tongban-bundles/1", "node": 510000, "bundles": [ … ]}
 *
 * Pure; any thread.
 */
#ifndef TB_CATALOG_BUNDLE_IMPORT_H
#define TB_CATALOG_BUNDLE_IMPORT_H

#include "catalog/bundle.h"
#include "catalog/document.h"
#include "catalog/import.h"

#define BUNDLE_FILE_FORMAT "tongban-bundles/1"
#define BUNDLES_MAX 500u /* of one file: one transaction */

struct bundle_import {
    struct bundle **bundles; /* in the order of the file; those that are not in order are left out */
    struct document_cursor *places;
    size_t count;
    struct import_result report; /* problems; item_rows: bundles in the file, good or bad */
};

/* Reads @file (borrowed until the close), which must be of @node. A negative code: it cannot be read as a whole. The caller closes
 * @ret either way. Ids of problems: those of bundle_parse(), "catalog.format", "catalog.node", "bundle.file-duplicate",
 * "bundle.too-many". */
int bundle_import_read(struct bytes file, uint32_t node, struct bundle_import *ret, struct err *e) WARN_UNUSED;
void bundle_import_close(struct bundle_import *b);

/* Adds a problem with the value at @path ("version", "members[2].item") of bundle @index. */
void bundle_import_refuse(struct bundle_import *b, size_t index, const char *path, const char *id, const char *fmt, ...)
    PRINTF_LIKE(5, 6);

#endif
