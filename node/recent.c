/* Ring of the newest own entries (see recent.h). Leaf and payload of an entry share one allocation. */
#include "node/recent.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"

struct recent {
    struct recent_entry slots[RECENT_COUNT_MAX]; /* entry i stands at i % RECENT_COUNT_MAX */
    uint64_t first, end;                         /* held: [first, end) */
    size_t bytes;
    void *spare; /* block of the entry dropped last: the next one of its size takes it */
    size_t spare_bytes;
};

struct recent *recent_create(void)
{
    return xcalloc(1, sizeof(struct recent));
}

static void drop_first(struct recent *r)
{
    struct recent_entry *slot = &r->slots[r->first % RECENT_COUNT_MAX];
    size_t size = slot->leaf.size + slot->payload.size;
    r->bytes -= size;
    free(r->spare);
    r->spare = (void *)(uintptr_t)slot->leaf.data;
    r->spare_bytes = size;
    *slot = (struct recent_entry){0};
    r->first++;
}

void recent_clear(struct recent *r)
{
    while (r->first < r->end)
        drop_first(r);
    free(r->spare); /* whoever clears it wants nothing of it left */
    r->spare = NULL;
    r->spare_bytes = 0;
    r->first = r->end = 0;
}

void recent_destroy(struct recent *r)
{
    if (r == NULL)
        return;
    recent_clear(r);
    free(r);
}

/* Full, the ring drops one for each that comes, and they are of about one size. */
static uint8_t *take_block(struct recent *r, size_t size)
{
    if (r->spare == NULL || r->spare_bytes < size || r->spare_bytes > 2 * size)
        return xmalloc(size);
    uint8_t *block = r->spare;
    r->spare = NULL;
    return block;
}

void recent_put(struct recent *r, const struct recent_entry *entry)
{
    if (entry->index != r->end)
        recent_clear(r);
    if (r->first == r->end)
        r->first = r->end = entry->index;
    size_t size = entry->leaf.size + entry->payload.size;
    while (r->first < r->end && (r->end - r->first == RECENT_COUNT_MAX || r->bytes + size > RECENT_BYTES_MAX))
        drop_first(r);

    uint8_t *copy = take_block(r, size);
    memcpy(copy, entry->leaf.data, entry->leaf.size);
    if (entry->payload.size > 0)
        memcpy(copy + entry->leaf.size, entry->payload.data, entry->payload.size);
    struct recent_entry *slot = &r->slots[r->end % RECENT_COUNT_MAX];
    *slot = *entry;
    slot->leaf = bytes_of(copy, entry->leaf.size);
    slot->payload = bytes_of(copy + entry->leaf.size, entry->payload.size);
    r->bytes += size;
    r->end++;
}

const struct recent_entry *recent_get(const struct recent *r, uint64_t index)
{
    if (index < r->first || index >= r->end)
        return NULL;
    return &r->slots[index % RECENT_COUNT_MAX];
}

size_t recent_bytes(const struct recent *r)
{
    return r->bytes;
}

uint64_t recent_first(const struct recent *r)
{
    return r->first == r->end ? UINT64_MAX : r->first;
}
