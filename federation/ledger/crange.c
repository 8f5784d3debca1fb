/* Compact ranges (see crange.h). The set bits of the size are the levels of the nodes, so an append is binary addition:
 * every carry merges two nodes of equal level. */
#include "federation/ledger/crange.h"

#include <inttypes.h>

#include "node/base/xassert.h"

void crange_init(struct crange *c)
{
    *c = (struct crange){.size = 0};
}

int crange_init_nodes(uint64_t size, const struct merkle_hash *nodes, size_t count, struct crange *ret, struct err *e)
{
    if (size > MERKLE_SIZE_MAX)
        return err_set(e, ERR_INVALID, "crange.size", "compact range of %" PRIu64 " leaves, limit 2^62", size);
    struct crange range = {.size = size};
    if (count != crange_count(&range))
        return err_set(e, ERR_INVALID, "crange.count",
                       "compact range of %" PRIu64 " leaves has %zu nodes, must have %u", size, count,
                       crange_count(&range));

    for (size_t i = 0; i < count; i++)
        range.nodes[i] = nodes[i];
    *ret = range;
    return 0;
}

unsigned crange_count(const struct crange *c)
{
    return (unsigned)__builtin_popcountll(c->size);
}

unsigned crange_level(const struct crange *c, unsigned i)
{
    xassert(i < crange_count(c));
    uint64_t left = c->size;
    for (unsigned k = crange_count(c) - 1; k > i; k--)
        left &= left - 1; /* drop the lowest level */
    return (unsigned)__builtin_ctzll(left);
}

int crange_append(struct crange *c, unsigned level, const struct merkle_hash *hash, struct err *e)
{
    if (level > 62 || c->size % ((uint64_t)1 << level) != 0)
        return err_set(e, ERR_INVALID, "crange.alignment", "a subtree of level %u cannot follow %" PRIu64 " leaves",
                       level, c->size);
    uint64_t width = (uint64_t)1 << level;
    if (width > MERKLE_SIZE_MAX - c->size)
        return err_set(e, ERR_INVALID, "crange.size", "%" PRIu64 " leaves and 2^%u more, limit 2^62", c->size, level);

    unsigned count = crange_count(c);
    struct merkle_hash merged = *hash;
    for (unsigned l = level; (c->size >> l & 1) != 0; l++)
        merkle_node_hash(&c->nodes[--count], &merged, &merged);
    c->nodes[count] = merged;
    c->size += width;
    xassert(count + 1 == crange_count(c));
    return 0;
}

int crange_append_leaf(struct crange *c, const struct merkle_hash *leaf_hash, struct err *e)
{
    return crange_append(c, 0, leaf_hash, e);
}

void crange_root(const struct crange *c, struct merkle_hash *ret)
{
    unsigned count = crange_count(c);
    if (count == 0) {
        merkle_empty_root(ret);
        return;
    }
    struct merkle_hash root = c->nodes[count - 1];
    for (unsigned i = count - 1; i > 0; i--)
        merkle_node_hash(&c->nodes[i - 1], &root, &root);
    *ret = root;
}

unsigned crange_decompose(uint64_t begin, uint64_t end, struct crange_part *ret)
{
    xassert(begin <= end && end <= MERKLE_SIZE_MAX);
    unsigned count = 0;
    while (begin < end) {
        unsigned level = begin == 0 ? 62 : (unsigned)__builtin_ctzll(begin);
        while ((uint64_t)1 << level > end - begin)
            level--;
        xassert(count < CRANGE_PARTS_MAX);
        ret[count++] = (struct crange_part){.level = level, .index = begin >> level};
        begin += (uint64_t)1 << level;
    }
    return count;
}

void crange_encode(const struct crange *c, struct buf *out)
{
    buf_put_u64(out, c->size);
    for (unsigned i = 0; i < crange_count(c); i++)
        buf_put(out, c->nodes[i].b, MERKLE_HASH_SIZE);
}

int crange_decode(struct bytes in, struct crange *ret, struct err *e)
{
    struct reader r = reader_of(in);
    struct crange range = {.size = read_u64(&r)};
    if (r.failed || range.size > MERKLE_SIZE_MAX)
        return err_set(e, ERR_INVALID, "crange.size", "stored compact range: %zu bytes, size %" PRIu64 ", limit 2^62",
                       in.size, range.size);

    unsigned count = crange_count(&range);
    for (unsigned i = 0; i < count; i++)
        read_copy(&r, range.nodes[i].b, MERKLE_HASH_SIZE);
    if (!reader_done(&r))
        return err_set(e, ERR_INVALID, "crange.count",
                       "stored compact range of %" PRIu64 " leaves has %zu bytes, must "
                       "have %u",
                       range.size, in.size, 8 + count * MERKLE_HASH_SIZE);
    *ret = range;
    return 0;
}
