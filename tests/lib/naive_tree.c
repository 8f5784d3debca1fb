/* The oracle for Merkle trees (see naive_tree.h). Hashes by itself, so that it shares nothing with what it checks. */
#include "tests/lib/naive_tree.h"

#include <stdlib.h>
#include <string.h>

#include "certs/crypto.h"
#include "node/base/xassert.h"

static void hash_pair(const struct merkle_hash *left, const struct merkle_hash *right, struct merkle_hash *ret)
{
    struct bytes parts[3] = {bytes_of("\x01", 1), bytes_of(left, 32), bytes_of(right, 32)};
    crypto_sha256(parts, 3, ret->b);
}

void naive_tree_close(struct naive_tree *t)
{
    for (unsigned l = 0; l < NAIVE_TREE_LEVELS; l++)
        free(t->level[l].hash);
    *t = (struct naive_tree){.size = 0};
}

static void put(struct naive_tree *t, unsigned level, const struct merkle_hash *hash)
{
    xassert(level < NAIVE_TREE_LEVELS);
    if (t->level[level].count == t->level[level].capacity) {
        t->level[level].capacity = 2 * t->level[level].capacity + 16;
        t->level[level].hash = xrealloc(t->level[level].hash, t->level[level].capacity * sizeof *hash);
    }
    t->level[level].hash[t->level[level].count++] = *hash;
}

void naive_tree_add_hash(struct naive_tree *t, const struct merkle_hash *leaf_hash)
{
    put(t, 0, leaf_hash);
    t->size++;
    for (unsigned l = 0; t->size % ((size_t)2 << l) == 0; l++) {
        struct merkle_hash parent;
        size_t count = t->level[l].count;
        hash_pair(&t->level[l].hash[count - 2], &t->level[l].hash[count - 1], &parent);
        put(t, l + 1, &parent);
    }
}

void naive_tree_add(struct naive_tree *t, struct bytes leaf)
{
    struct bytes parts[2] = {bytes_of("", 1), leaf};
    struct merkle_hash hash;
    crypto_sha256(parts, 2, hash.b);
    naive_tree_add_hash(t, &hash);
}

static uint64_t split_of(uint64_t n)
{
    uint64_t k = 1;
    while (2 * k < n)
        k *= 2;
    return k;
}

void naive_tree_hash(const struct naive_tree *t, uint64_t start, uint64_t end, struct merkle_hash *ret)
{
    uint64_t n = end - start;
    xassert(start <= end && end <= t->size);
    if (n == 0) {
        crypto_sha256_one("", 0, ret->b);
        return;
    }
    for (unsigned l = 0; l < NAIVE_TREE_LEVELS; l++) {
        if (n == (uint64_t)1 << l && start % n == 0) {
            *ret = t->level[l].hash[start / n];
            return;
        }
    }
    struct merkle_hash left, right;
    naive_tree_hash(t, start, start + split_of(n), &left);
    naive_tree_hash(t, start + split_of(n), end, &right);
    hash_pair(&left, &right, ret);
}

static void append(struct merkle_proof *p, const struct naive_tree *t, uint64_t start, uint64_t end)
{
    xassert(p->count < MERKLE_PROOF_HASHES_MAX);
    naive_tree_hash(t, start, end, &p->hash[p->count++]);
}

static void path(const struct naive_tree *t, uint64_t index, uint64_t start, uint64_t end, struct merkle_proof *ret)
{
    if (end - start == 1)
        return;
    uint64_t middle = start + split_of(end - start);
    if (index < middle) {
        path(t, index, start, middle, ret);
        append(ret, t, middle, end);
    } else {
        path(t, index, middle, end, ret);
        append(ret, t, start, middle);
    }
}

void naive_tree_path(const struct naive_tree *t, uint64_t index, uint64_t start, uint64_t end, struct merkle_proof *ret)
{
    *ret = (struct merkle_proof){.count = 0};
    path(t, index, start, end, ret);
}

/* SUBPROOF(m, D[start:end], b) with m absolute. */
static void subproof(const struct naive_tree *t, uint64_t m, uint64_t start, uint64_t end, bool b,
                     struct merkle_proof *ret)
{
    if (m == end) {
        if (!b)
            append(ret, t, start, end);
        return;
    }
    uint64_t middle = start + split_of(end - start);
    if (m <= middle) {
        subproof(t, m, start, middle, b, ret);
        append(ret, t, middle, end);
    } else {
        subproof(t, m, middle, end, false, ret);
        append(ret, t, start, middle);
    }
}

void naive_tree_consistency(const struct naive_tree *t, uint64_t size1, uint64_t size2, struct merkle_proof *ret)
{
    *ret = (struct merkle_proof){.count = 0};
    subproof(t, size1, 0, size2, true, ret);
}

static int source_node(void *ctx, unsigned level, uint64_t index, uint8_t out[MERKLE_HASH_SIZE], struct err *e)
{
    const struct naive_tree *t = ctx;
    if (level >= NAIVE_TREE_LEVELS || index >= t->level[level].count)
        return err_set(e, ERR_NOT_FOUND, "naive.node", "no node %u/%llu", level, (unsigned long long)index);
    memcpy(out, t->level[level].hash[index].b, MERKLE_HASH_SIZE);
    return 0;
}

struct merkle_source naive_tree_source(struct naive_tree *t)
{
    return (struct merkle_source){.node = source_node, .ctx = t};
}
