/* Items made from items: another version or status, and what two versions differ in. Pure; any thread. */
#ifndef TB_CATALOG_ITEM_EDIT_H
#define TB_CATALOG_ITEM_EDIT_H

#include <stdint.h>

#include "node/base/bytes.h"

struct catalog_item;

struct item_edit {
    uint32_t version;   /* 0: as it is */
    const char *status; /* NULL: as it is */
};

/* A new item with the canonical bytes of @json but for what @edit says; all rules are checked again. The caller destroys
 * @ret. Errors as catalog_item_parse(). */
int item_edit(struct bytes json, uint32_t node, const struct item_edit *edit, struct catalog_item **ret,
              struct err *e) WARN_UNUSED;

/* Appends the names of the top-level fields in which two items' canonical bytes differ, but for "version", separated by
 * ", ". */
void item_changes(struct bytes before, struct bytes after, struct buf *ret);

#endif
