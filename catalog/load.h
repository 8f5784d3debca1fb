/* Reads a node's catalog file: {"format": "tongban-catalog/1", "node": 510000, "version": 7, "items": [ … ]}. README.md
 * describes the format, schema/catalog.schema.json is for editors and other tools. Blocking; start-up, reload, CLI.
 */
#ifndef TB_CATALOG_LOAD_H
#define TB_CATALOG_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "catalog/shape.h"
#include "node/base/arena.h"
#include "node/base/bytes.h"

#define LOAD_CATALOG_FORMAT "tongban-catalog/1"

struct catalog;

/* What the file must be; 0 is anything. */
struct load_expect {
    uint32_t node;        /* division code of the node whose catalog it is */
    uint32_t version_min; /* what is in force now: a lower version is an old file */
};

/* All or nothing: the caller destroys @ret with catalog_destroy(). Otherwise @problems (may be NULL; zeroed here) has
 * up to SHAPE_PROBLEMS_MAX of what is wrong, each naming file, path and value, and @e the first of them. ERR_LIMIT
 * over CATALOG_FILE_BYTES_MAX, CATALOG_ITEMS_MAX, CATALOG_ITEM_BYTES_MAX; ERR_UNSUPPORTED "catalog.format";
 * ERR_CONFLICT "catalog.version-old"; ERR_INVALID "catalog.node", "catalog.item-duplicate" and those of item.h and
 * shape.h. */
int catalog_load(const char *path, const struct load_expect *expect, struct catalog **ret,
                 struct shape_problems *problems, struct err *e) WARN_UNUSED;
/* The same from text; @name stands in messages. */
int catalog_load_text(struct bytes text, const char *name, const struct load_expect *expect, struct catalog **ret,
                      struct shape_problems *problems, struct err *e) WARN_UNUSED;

/* For each of @codes ("": none) the index of the first that is the same, its own when there is none before it. Codes are compared
 * before rows are read, so that a doubled one is told although one of the two has other faults. */
void catalog_find_doubles(const char *const *codes, size_t count, size_t *ret_first);

struct catalog_item;
/* By code: catalog_put() of one that comes last is quick. */
void catalog_sort_items(struct catalog_item **items, size_t count);

struct yyjson_val;
/* The same of the items of the list @items, as many as @ret_codes and @ret_first have room for; codes are the document's. */
void catalog_find_double_items(struct yyjson_val *items, const char **ret_codes, size_t *ret_first);

/* The head of a catalog file. Texts live in the arena given, @items in the document. */
struct load_head {
    const char *format;
    struct yyjson_val *items; /* a list, within CATALOG_ITEMS_MAX */
    uint32_t node;
    uint32_t version;
};
/* For import.c. False after a problem, which is in @w. */
bool catalog_load_head(struct shape_walk *w, struct yyjson_val *root, const struct load_expect *expect, struct arena *a,
                       struct load_head *ret);

#endif
