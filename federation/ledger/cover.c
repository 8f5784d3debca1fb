/* Covers (see cover.h). */
#include "federation/ledger/cover.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"

static void put(struct buf *out, unsigned level, const struct merkle_hash *hash)
{
    buf_put_u8(out, (uint8_t)level);
    buf_put(out, hash->b, sizeof hash->b);
}

void cover_encode(const struct crange *at_from, const struct frontier_batch *batch, struct buf *out)
{
    struct crange_part right[CRANGE_PARTS_MAX];
    for (unsigned i = 0; i < crange_count(at_from); i++)
        put(out, crange_level(at_from, i), &at_from->nodes[i]);
    for (size_t i = 0; i < batch->item_count; i++) {
        const struct frontier_item *item = &batch->items[i];
        struct merkle_hash hash = item->hash;
        if (item->kind == FRONTIER_KIND_ENTRY)
            merkle_leaf_hash(item->leaf, &hash);
        put(out, item->kind == FRONTIER_KIND_ENTRY ? 0 : item->level, &hash);
    }
    unsigned count = crange_decompose(batch->to, batch->target, right);
    xassert(count == batch->right_count); /* frontier_verify() has seen it */
    for (unsigned i = 0; i < count; i++)
        put(out, right[i].level, &batch->right[i]);
}

/* The parts with their places. */
struct cover {
    const uint8_t *parts;
    size_t count;
    uint64_t *begin; /* of each */
};

static unsigned level_of(const struct cover *c, size_t i)
{
    return c->parts[i * COVER_PART_SIZE];
}

static void hash_of(const struct cover *c, size_t i, struct merkle_hash *ret)
{
    memcpy(ret->b, c->parts + i * COVER_PART_SIZE + 1, sizeof ret->b);
}

/* The part that @leaf lies in. */
static size_t find(const struct cover *c, uint64_t leaf)
{
    size_t low = 0, high = c->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (c->begin[middle] <= leaf)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int no_node(unsigned level, uint64_t index, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "ledger.kept-proof", "a kept proof has no hash for level %u, number %llu", level,
                   (unsigned long long)index);
}

/* merkle_source: one of the parts, or several together. */
static int node(void *ctx, unsigned level, uint64_t index, uint8_t out[MERKLE_HASH_SIZE], struct err *e)
{
    const struct cover *c = ctx;
    struct crange together;
    struct merkle_hash hash;
    uint64_t begin = index << level, end = begin + (UINT64_C(1) << level);
    size_t at = find(c, begin);
    crange_init(&together);
    for (; at < c->count && c->begin[at] < end; at++) {
        hash_of(c, at, &hash);
        if (c->begin[at] != begin + together.size || level_of(c, at) > level ||
            crange_append(&together, level_of(c, at), &hash, NULL) != 0)
            return no_node(level, index, e);
    }
    if (together.size != end - begin)
        return no_node(level, index, e);
    crange_root(&together, &hash);
    memcpy(out, hash.b, sizeof hash.b);
    return 0;
}

static int place(struct cover *c, uint64_t size, struct err *e)
{
    uint64_t at = 0;
    for (size_t i = 0; i < c->count; i++) {
        unsigned level = level_of(c, i);
        if (level > WIRE_LEVEL_MAX || at % (UINT64_C(1) << level) != 0)
            return err_set(e, ERR_CORRUPT, "ledger.kept-proof", "part %zu of a kept proof has level %u at %llu", i,
                           level, (unsigned long long)at);
        c->begin[i] = at;
        at += UINT64_C(1) << level;
        if (at > size)
            break;
    }
    if (at != size)
        return err_set(e, ERR_CORRUPT, "ledger.kept-proof", "the parts of a kept proof do not cover %llu leaves",
                       (unsigned long long)size);
    return 0;
}

int cover_prove(struct bytes parts, uint64_t size, uint64_t index, const struct merkle_hash *leaf,
                struct merkle_proof *ret, struct err *e)
{
    struct cover c = {.parts = parts.data, .count = parts.size / COVER_PART_SIZE};
    struct merkle_hash hash;
    if (parts.size % COVER_PART_SIZE != 0 || c.count == 0 || c.count > COVER_PARTS_MAX || size > LEDGER_SIZE_MAX)
        return err_set(e, ERR_CORRUPT, "ledger.kept-proof", "a kept proof has %zu bytes", parts.size);
    if (index >= size)
        return err_set(e, ERR_NOT_FOUND, "ledger.no-kept-proof", "entry %llu is not in the tree of %llu leaves",
                       (unsigned long long)index, (unsigned long long)size);
    c.begin = xcalloc(c.count, sizeof *c.begin);
    int rc = place(&c, size, e);
    if (rc == 0) {
        size_t at = find(&c, index);
        hash_of(&c, at, &hash);
        if (c.begin[at] != index || level_of(&c, at) != 0)
            rc = err_set(e, ERR_NOT_FOUND, "ledger.no-kept-proof", "entry %llu did not come with that batch",
                         (unsigned long long)index);
        else if (!merkle_hash_equal(&hash, leaf))
            rc = err_set(e, ERR_CORRUPT, "ledger.kept-proof", "a kept proof is of another entry %llu",
                         (unsigned long long)index);
    }
    struct merkle_source source = {.ctx = &c, .node = node};
    if (rc == 0)
        rc = merkle_prove_inclusion(&source, index, size, ret, e);
    free(c.begin);
    return rc;
}
