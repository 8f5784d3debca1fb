/* Frontier batches against a fixed tree of 64 leaves ("leaf 0", "leaf 1", …): whatever the input says, an accepted batch has
 * exactly the tree's leaves at their indexes and leaves exactly the tree's range behind.
 *
 * Input: u8 from, u8 to, u8 target, u8 right_count, right hashes, then items: 0x80 = entry (u8 size, leaf, u8 size, payload),
 * any other byte = hash of that level. Big batches of real messages are the wire codec's fuzz target. */
#include <stdio.h>
#include <string.h>

#include "federation/ledger/frontier.h"
#include "node/base/xassert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LEAVES 64u
#define ITEMS_MAX 256u
#define ENTRY_TAG 0x80u

static struct crange ranges[LEAVES + 1];
static char leaves[LEAVES][12];

static void make_tree(void)
{
    for (unsigned i = 0; i < LEAVES; i++) {
        struct merkle_hash hash;
        (void)snprintf(leaves[i], sizeof leaves[i], "leaf %u", i);
        merkle_leaf_hash(bytes_of_string(leaves[i]), &hash);
        ranges[i + 1] = ranges[i];
        int rc = crange_append_leaf(&ranges[i + 1], &hash, NULL);
        xassert(rc == 0);
    }
}

static bool read_item(struct reader *r, struct frontier_item *ret)
{
    uint8_t tag = read_u8(r);
    *ret = (struct frontier_item){.kind = tag == ENTRY_TAG ? FRONTIER_KIND_ENTRY : FRONTIER_KIND_HASH, .level = tag};
    if (tag == ENTRY_TAG) {
        ret->leaf = read_bytes(r, read_u8(r));
        ret->payload = read_bytes(r, read_u8(r));
    } else {
        read_copy(r, ret->hash.b, sizeof ret->hash.b);
    }
    return !r->failed;
}

static void check_accepted(const struct frontier_batch *batch, const struct crange *range,
                           const struct frontier_entry *entries, size_t count)
{
    const struct crange *expected = &ranges[batch->to];
    xassert(range->size == batch->to);
    xassert(memcmp(range->nodes, expected->nodes, crange_count(expected) * sizeof range->nodes[0]) == 0);
    for (size_t i = 0; i < count; i++) {
        xassert(entries[i].index >= batch->from && entries[i].index < batch->to);
        xassert(i == 0 || entries[i - 1].index < entries[i].index);
        xassert(bytes_equal(entries[i].leaf, bytes_of_string(leaves[entries[i].index])));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (ranges[1].size == 0)
        make_tree();
    static struct frontier_item items[ITEMS_MAX];
    struct reader r = reader_of(bytes_of(data, size));
    struct frontier_batch batch = {.from = read_u8(&r), .to = read_u8(&r), .items = items};
    batch.target = read_u8(&r);
    batch.right_count = read_u8(&r);
    if (batch.from > LEAVES || batch.target > LEAVES || batch.right_count > CRANGE_PARTS_MAX)
        return 0;
    for (size_t i = 0; i < batch.right_count; i++)
        read_copy(&r, batch.right[i].b, MERKLE_HASH_SIZE);
    while (batch.item_count < ITEMS_MAX && reader_left(&r) > 0 && read_item(&r, &items[batch.item_count]))
        batch.item_count++;

    struct arena arena = ARENA_INIT;
    struct merkle_hash root;
    struct crange range;
    struct frontier_entry *entries;
    size_t count;
    crange_root(&ranges[batch.target], &root);
    if (frontier_verify(&ranges[batch.from], &batch, &root, &arena, &range, &entries, &count, NULL) == 0)
        check_accepted(&batch, &range, entries, count);
    arena_close(&arena);
    return 0;
}
