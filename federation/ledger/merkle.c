/* RFC 6962 trees (see merkle.h). Proving is: plan the subtrees whose hashes are needed, from the root down; read each
 * through the source; put them in order. Verifying hashes from the leaf up. Both are loops of at most 63 steps; the plan
 * also tells a verifier how long the proof must be before it hashes anything. */
#include "federation/ledger/merkle.h"

#include <inttypes.h>
#include <string.h>

#include "certs/crypto.h"
#include "federation/ledger/crange.h"
#include "node/base/xassert.h"

/* The leaves [start, end): a subtree whose hash is one element of a proof. */
struct range {
    uint64_t start;
    uint64_t end;
};

/* ---- hashing ---- */

void merkle_leaf_hash(struct bytes leaf, struct merkle_hash *ret)
{
    static const uint8_t prefix = 0x00;
    struct bytes parts[2] = {bytes_of(&prefix, 1), leaf};
    crypto_sha256(parts, array_count(parts), ret->b);
}

void merkle_node_hash(const struct merkle_hash *left, const struct merkle_hash *right, struct merkle_hash *ret)
{
    uint8_t input[1 + 2 * MERKLE_HASH_SIZE]; /* one update instead of three: this is the hot path of appending */
    input[0] = 0x01;
    memcpy(input + 1, left->b, MERKLE_HASH_SIZE);
    memcpy(input + 1 + MERKLE_HASH_SIZE, right->b, MERKLE_HASH_SIZE);
    crypto_sha256_one(input, sizeof input, ret->b);
}

void merkle_empty_root(struct merkle_hash *ret)
{
    crypto_sha256_one("", 0, ret->b);
}

bool merkle_hash_equal(const struct merkle_hash *a, const struct merkle_hash *b)
{
    return memcmp(a->b, b->b, MERKLE_HASH_SIZE) == 0; /* hashes of public things: no need for constant time */
}

/* Smallest power of two that is at least @n (1 for 0); @n <= MERKLE_SIZE_MAX. */
static uint64_t bit_ceil(uint64_t n)
{
    uint64_t power = 1;
    while (power < n)
        power <<= 1;
    return power;
}

bool merkle_subtree_is_valid(uint64_t start, uint64_t end)
{
    return start <= end && end <= MERKLE_SIZE_MAX && start % bit_ceil(end - start) == 0;
}

/* ---- plans ---- */

/* Largest power of two smaller than @n, n > 1: where RFC 6962 splits a tree of n leaves. */
static uint64_t split_of(uint64_t n)
{
    return bit_ceil(n) / 2;
}

/* Plans are made from the root down, proofs run from the leaf up. */
static void reverse(struct range *plan, unsigned count)
{
    for (unsigned i = 0; i < count / 2; i++) {
        struct range swap = plan[i];
        plan[i] = plan[count - 1 - i];
        plan[count - 1 - i] = swap;
    }
}

/* RFC 6962 s2.1.2 SUBPROOF in its general form (any valid subtree; start 0 is the RFC's). The elements of the proof that
 * [start, end) is in the tree of @size leaves; start < end <= size. */
static unsigned plan_subtree(uint64_t start, uint64_t end, uint64_t size, struct range plan[MERKLE_PROOF_HASHES_MAX])
{
    uint64_t low = 0;
    uint64_t high = size;
    bool is_known = true; /* the verifier has the hash of what is left: it is the subtree itself */
    unsigned count = 0;
    while (start != low || end != high) {
        xassert(count < MERKLE_PROOF_HASHES_MAX && high - low > 1);
        uint64_t middle = low + split_of(high - low);
        if (end <= middle) {
            plan[count++] = (struct range){middle, high};
            high = middle;
            continue;
        }
        plan[count++] = (struct range){low, middle};
        if (start < middle) { /* the subtree ends inside the right half: its left half is this element */
            xassert(start == low);
            start = middle;
            is_known = false;
        }
        low = middle;
    }
    if (!is_known) {
        xassert(count < MERKLE_PROOF_HASHES_MAX);
        plan[count++] = (struct range){low, high};
    }
    reverse(plan, count);
    return count;
}

/* ---- verifying ---- */

static int check_length(size_t count, size_t expected, struct err *e)
{
    if (count == expected)
        return 0;
    return err_set(e, ERR_INVALID, "merkle.proof-length", "proof has %zu hashes, this one must have %zu", count,
                   expected);
}

/* Bits of @v without leading zeros. */
static unsigned bit_length(uint64_t v)
{
    return v == 0 ? 0 : 64 - (unsigned)__builtin_clzll(v);
}

int merkle_verify_inclusion(uint64_t index, uint64_t size, const struct merkle_hash *leaf_hash,
                            const struct merkle_hash *proof, size_t count, const struct merkle_hash *root,
                            struct err *e)
{
    if (index >= size || size > MERKLE_SIZE_MAX)
        return err_set(e, ERR_INVALID, "merkle.index", "no leaf %" PRIu64 " in a tree of %" PRIu64 " (at most 2^62)",
                       index, size);
    unsigned inner = bit_length(index ^ (size - 1));
    unsigned border = (unsigned)__builtin_popcountll(index >> inner); /* inner <= 62 */
    int rc = check_length(count, inner + border, e);
    if (rc < 0)
        return rc;

    uint64_t at = index;
    uint64_t last = size - 1;
    struct merkle_hash hash = *leaf_hash;
    for (size_t i = 0; i < count; i++) {
        xassert(last != 0); /* the length was checked */
        if ((at & 1) != 0 || at == last) {
            merkle_node_hash(&proof[i], &hash, &hash);
            for (; (at & 1) == 0 && at != 0; at >>= 1)
                last >>= 1;
        } else {
            merkle_node_hash(&hash, &proof[i], &hash);
        }
        at >>= 1;
        last >>= 1;
    }
    if (last != 0 || !merkle_hash_equal(&hash, root))
        return err_set(e, ERR_VERIFY, "merkle.inclusion",
                       "leaf %" PRIu64 " is not in the tree of size %" PRIu64 " with this root", index, size);
    return 0;
}

/* State of the walk up: first and last leaf of the subtree and last leaf of the tree, all as numbers of the level. */
struct climb {
    uint64_t first;
    uint64_t last;
    uint64_t tree_last;
};

static void climb_up(struct climb *c)
{
    c->first >>= 1;
    c->last >>= 1;
    c->tree_last >>= 1;
}

/* Folds the proof from the bottom: *old becomes what the proof says the subtree's hash is, *new the root's. */
static void fold_subtree(struct climb c, const struct merkle_hash *proof, size_t count, struct merkle_hash *old,
                         struct merkle_hash *new)
{
    if (c.last == c.tree_last)
        while (c.first != c.last)
            climb_up(&c);
    else
        while (c.first != c.last && (c.last & 1) != 0)
            climb_up(&c);

    size_t i = 0;
    if (c.first != c.last)
        *old = proof[i++]; /* else the subtree is complete and its own hash is the start */
    *new = *old;
    for (; i < count; i++) {
        if ((c.last & 1) != 0 || c.last == c.tree_last) {
            if (c.first < c.last)
                merkle_node_hash(&proof[i], old, old);
            merkle_node_hash(&proof[i], new, new);
            while ((c.last & 1) == 0 && c.last != 0)
                climb_up(&c);
        } else {
            merkle_node_hash(new, &proof[i], new);
        }
        climb_up(&c);
    }
    xassert(c.tree_last == 0); /* the length was checked */
}

int merkle_verify_subtree(uint64_t start, uint64_t end, uint64_t size, const struct merkle_hash *proof, size_t count,
                          const struct merkle_hash *sub_hash, const struct merkle_hash *root, struct err *e)
{
    if (!merkle_subtree_is_valid(start, end) || end > size || size > MERKLE_SIZE_MAX)
        return err_set(e, ERR_INVALID, "merkle.subtree",
                       "[%" PRIu64 ", %" PRIu64 ") is no subtree of a tree of %" PRIu64, start, end, size);

    struct merkle_hash old = *sub_hash;
    struct merkle_hash new = *root;
    struct range plan[MERKLE_PROOF_HASHES_MAX];
    int rc = check_length(count, start == end ? 0 : plan_subtree(start, end, size, plan), e);
    if (rc < 0)
        return rc;

    if (start == end)
        merkle_empty_root(&old);
    else
        fold_subtree((struct climb){start, end - 1, size - 1}, proof, count, &old, &new);
    if (!merkle_hash_equal(&old, sub_hash) || !merkle_hash_equal(&new, root))
        return err_set(e, ERR_VERIFY, "merkle.consistency",
                       "leaves [%" PRIu64 ", %" PRIu64 ") with this hash are not in the tree of size %" PRIu64
                       " with this root",
                       start, end, size);
    return 0;
}

int merkle_verify_consistency(uint64_t size1, uint64_t size2, const struct merkle_hash *proof, size_t count,
                              const struct merkle_hash *root1, const struct merkle_hash *root2, struct err *e)
{
    if (size1 == 0)
        return err_set(e, ERR_INVALID, "merkle.empty-old", "nothing can be proved from size 0 to %" PRIu64, size2);
    return merkle_verify_subtree(0, size1, size2, proof, count, root1, root2, e);
}

/* ---- proving ---- */

int merkle_subtree_hash(const struct merkle_source *source, uint64_t start, uint64_t end, struct merkle_hash *ret,
                        struct err *e)
{
    if (!merkle_subtree_is_valid(start, end))
        return err_set(e, ERR_INVALID, "merkle.subtree", "[%" PRIu64 ", %" PRIu64 ") is no subtree", start, end);

    struct crange_part parts[CRANGE_PARTS_MAX];
    struct merkle_hash hash;
    unsigned count = crange_decompose(start, end, parts);
    if (count == 0)
        merkle_empty_root(&hash);
    for (unsigned i = count; i > 0; i--) { /* fold from the right, where the small ones are */
        struct merkle_hash part;
        int rc = source->node(source->ctx, parts[i - 1].level, parts[i - 1].index, part.b, e);
        if (rc < 0)
            return rc;
        if (i == count)
            hash = part;
        else
            merkle_node_hash(&part, &hash, &hash);
    }
    *ret = hash;
    return 0;
}

int merkle_root(const struct merkle_source *source, uint64_t size, struct merkle_hash *ret, struct err *e)
{
    return merkle_subtree_hash(source, 0, size, ret, e);
}

int merkle_prove_subtree(const struct merkle_source *source, uint64_t start, uint64_t end, uint64_t size,
                         struct merkle_proof *ret, struct err *e)
{
    if (!merkle_subtree_is_valid(start, end) || end > size || size > MERKLE_SIZE_MAX)
        return err_set(e, ERR_INVALID, "merkle.subtree",
                       "[%" PRIu64 ", %" PRIu64 ") is no subtree of a tree of %" PRIu64, start, end, size);

    struct range plan[MERKLE_PROOF_HASHES_MAX];
    struct merkle_proof proof = {.count = start == end ? 0 : plan_subtree(start, end, size, plan)};
    for (unsigned i = 0; i < proof.count; i++) {
        int rc = merkle_subtree_hash(source, plan[i].start, plan[i].end, &proof.hash[i], e);
        if (rc < 0)
            return rc;
    }
    *ret = proof;
    return 0;
}

int merkle_prove_inclusion(const struct merkle_source *source, uint64_t index, uint64_t size, struct merkle_proof *ret,
                           struct err *e)
{
    if (index >= size || size > MERKLE_SIZE_MAX)
        return err_set(e, ERR_INVALID, "merkle.index", "no leaf %" PRIu64 " in a tree of %" PRIu64 " (at most 2^62)",
                       index, size);
    /* A leaf is the subtree [index, index + 1), and the subtree proof of it is the inclusion proof of RFC 6962. */
    return merkle_prove_subtree(source, index, index + 1, size, ret, e);
}

int merkle_prove_consistency(const struct merkle_source *source, uint64_t size1, uint64_t size2,
                             struct merkle_proof *ret, struct err *e)
{
    return merkle_prove_subtree(source, 0, size1, size2, ret, e);
}
