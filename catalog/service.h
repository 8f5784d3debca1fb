/* The short number of a service in a ledger leaf (4 bytes, federation/FORMATS.md): stable, the same on every node, made
 * from the item code alone. Two codes may share one (about one pair in a catalog of 93,000 items): it names the item
 * within a case, it does not identify it. */
#ifndef TB_CATALOG_SERVICE_H
#define TB_CATALOG_SERVICE_H

#include <stdint.h>

/* First four bytes, big-endian, of SHA-256(@item_code without the NUL). Any thread. */
uint32_t service_code(const char *item_code);

#endif
