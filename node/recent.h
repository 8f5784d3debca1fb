/* Recent: the newest own entries in memory, so that a batch for a peer that keeps up costs no read from the store.
 * A ring bounded by count and bytes; the oldest entry leaves first. Loop thread only. */
#ifndef TB_NODE_RECENT_H
#define TB_NODE_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#include "federation/ledger/leaf.h"

#define RECENT_COUNT_MAX 4096u
#define RECENT_BYTES_MAX (4u << 20)

struct recent_entry {
    uint64_t index;
    uint8_t recipient_count;
    uint32_t recipients[LEAF_RECIPIENTS_MAX];
    struct bytes leaf;    /* the ring's */
    struct bytes payload; /* the ring's */
    bool payload_held;
};

struct recent;

struct recent *recent_create(void);
void recent_destroy(struct recent *r); /* NULL is fine */
void recent_clear(struct recent *r);
/* Copies. Indexes must be consecutive; a gap empties the ring first. */
void recent_put(struct recent *r, const struct recent_entry *entry);
/* NULL when not held. Valid until the next put. */
const struct recent_entry *recent_get(const struct recent *r, uint64_t index);
/* Memory of the entries held. */
size_t recent_bytes(const struct recent *r);
/* Smallest index held; UINT64_MAX when empty. */
uint64_t recent_first(const struct recent *r);

#endif
