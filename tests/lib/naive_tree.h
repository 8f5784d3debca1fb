/* A Merkle tree written straight from the recursive definitions of RFC 6962 s2.1, to check the real one against.
 *
 * Slow and obvious: leaf hashes in an array, every proof by the RFC's recursion (the trees of tests are small). Complete
 * subtrees are remembered, so that exhaustive tests end in seconds.
 */
#ifndef TB_TESTS_LIB_NAIVE_TREE_H
#define TB_TESTS_LIB_NAIVE_TREE_H

#include "federation/ledger/merkle.h"

#define NAIVE_TREE_LEVELS 20

struct naive_tree {
    size_t size;
    struct {
        struct merkle_hash *hash;
        size_t count, capacity;
    } level[NAIVE_TREE_LEVELS]; /* complete subtrees */
};

void naive_tree_close(struct naive_tree *t); /* zero-initialise to open */
void naive_tree_add(struct naive_tree *t, struct bytes leaf);
void naive_tree_add_hash(struct naive_tree *t, const struct merkle_hash *leaf_hash);

/* MTH(D[start:end]). */
void naive_tree_hash(const struct naive_tree *t, uint64_t start, uint64_t end, struct merkle_hash *ret);
/* PATH(index, D[start:end]), index absolute. */
void naive_tree_path(const struct naive_tree *t, uint64_t index, uint64_t start, uint64_t end,
                     struct merkle_proof *ret);
/* PROOF(size1, D[0:size2]), 0 < size1 <= size2. */
void naive_tree_consistency(const struct naive_tree *t, uint64_t size1, uint64_t size2, struct merkle_proof *ret);

/* The tree as a source of the real code. */
struct merkle_source naive_tree_source(struct naive_tree *t);

#endif
