/* A node's catalog in memory: its items by code. Filled from the node's own file (load.h) or, for a peer, item by item
 * from the public entries of the peer's ledger. Not thread-safe while it is changed; any thread reads.
 */
#ifndef TB_CATALOG_CATALOG_H
#define TB_CATALOG_CATALOG_H

#include <stddef.h>
#include <stdint.h>

#include "node/base/bytes.h"

struct catalog_item;
struct catalog;

/* Empty catalog of the node with division code @node. @version counts the node's published states; 0 for a peer's
 * catalog that is put together from entries. */
struct catalog *catalog_create(uint32_t node, uint32_t version);
void catalog_destroy(struct catalog *c); /* with its items; NULL is fine */

uint32_t catalog_node(const struct catalog *c);
uint32_t catalog_version(const struct catalog *c);

/* Items in order of their codes, byte by byte. Pointers are borrowed until the item is replaced or removed. */
size_t catalog_count(const struct catalog *c);
const struct catalog_item *catalog_at(const struct catalog *c, size_t index);

/* NULL when there is none. */
const struct catalog_item *catalog_find(const struct catalog *c, const char *code);
/* Items whose service_code() is @service, at most @max into @ret; returns how many there are in all (more than one
 * only by accident, see service.h). */
size_t catalog_find_service(const struct catalog *c, uint32_t service, const struct catalog_item **ret, size_t max);
/* Items whose name, code or basic code contains @text (letters of codes in either case), in order, at most @max into
 * @ret, after leaving out the first @skip. Returns how many match in all. An empty @text matches every item. */
size_t catalog_search(const struct catalog *c, struct bytes text, size_t skip, const struct catalog_item **ret,
                      size_t max);

/* Takes @item; one with the same code is replaced and destroyed. ERR_LIMIT "catalog.too-many" over CATALOG_ITEMS_MAX:
 * the item stays the caller's. Items that come in order of their codes cost least. */
int catalog_put(struct catalog *c, struct catalog_item *item, struct err *e) WARN_UNUSED;
/* Destroys the item with @code. ERR_NOT_FOUND "catalog.no-item". */
int catalog_remove(struct catalog *c, const char *code, struct err *e) WARN_UNUSED;

/* What has to be published to bring readers of @old to @new. Pointers are borrowed from the catalogs. */
struct catalog_diff {
    const struct catalog_item **added;   /* in @new only */
    const struct catalog_item **changed; /* of @new, with other bytes than in @old */
    const struct catalog_item **removed; /* in @old only */
    size_t added_count, changed_count, removed_count;
};
/* @old may be NULL: everything is added. The caller closes @ret. */
void catalog_diff_init(struct catalog_diff *ret, const struct catalog *old, const struct catalog *new);
void catalog_diff_close(struct catalog_diff *d);

#endif
