/* Merkle proofs beyond the vectors: random trees against the recursive definitions, tampering, and sizes up to the limit
 * (with a tree whose leaves are all equal, so that every complete subtree of a level has one hash). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/merkle.h"
#include "node/base/prng.h"
#include "tests/lib/naive_tree.h"

#define SEED 20261124u

static void grow(struct naive_tree *t, struct prng *prng, size_t size)
{
    while (t->size < size) {
        uint8_t leaf[8];
        prng_fill(prng, leaf, sizeof leaf);
        naive_tree_add(t, bytes_of(leaf, sizeof leaf));
    }
}

static void assert_same_proof(const struct merkle_proof *a, const struct merkle_proof *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->hash, b->hash, a->count * sizeof a->hash[0]);
}

/* Every single-bit change of the proof, and one hash more or less, must be refused. */
static void assert_tamper_fails(uint64_t index, uint64_t size, const struct merkle_hash *leaf,
                                const struct merkle_proof *proof, const struct merkle_hash *root, struct prng *prng)
{
    struct merkle_proof bad = *proof;
    struct err e;
    if (proof->count > 0) {
        bad.hash[prng_below(prng, proof->count)].b[prng_below(prng, 32)] ^= (uint8_t)(1u << prng_below(prng, 8));
        assert_int_equal(merkle_verify_inclusion(index, size, leaf, bad.hash, bad.count, root, &e), ERR_VERIFY);
        assert_int_equal(merkle_verify_inclusion(index, size, leaf, proof->hash, proof->count - 1, root, &e),
                         ERR_INVALID);
        assert_string_equal(e.id, "merkle.proof-length");
    }
    bad = *proof;
    bad.count++;
    assert_int_equal(merkle_verify_inclusion(index, size, leaf, bad.hash, bad.count, root, &e), ERR_INVALID);
}

static void test_random_inclusion(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, SEED);
    struct naive_tree t = {.size = 0};
    grow(&t, &prng, 1000);
    struct merkle_source source = naive_tree_source(&t);
    for (int round = 0; round < 3000; round++) {
        uint64_t size = 1 + prng_below(&prng, t.size);
        uint64_t index = prng_below(&prng, size);
        struct merkle_proof proof, expected;
        struct merkle_hash leaf, root;
        naive_tree_path(&t, index, 0, size, &expected);
        naive_tree_hash(&t, index, index + 1, &leaf);
        naive_tree_hash(&t, 0, size, &root);
        assert_int_equal(merkle_prove_inclusion(&source, index, size, &proof, NULL), 0);
        assert_same_proof(&expected, &proof);
        assert_int_equal(merkle_verify_inclusion(index, size, &leaf, proof.hash, proof.count, &root, NULL), 0);
        assert_tamper_fails(index, size, &leaf, &proof, &root, &prng);
    }
    naive_tree_close(&t);
}

static void test_random_consistency(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, SEED + 1);
    struct naive_tree t = {.size = 0};
    grow(&t, &prng, 1000);
    struct merkle_source source = naive_tree_source(&t);
    for (int round = 0; round < 3000; round++) {
        uint64_t size2 = 1 + prng_below(&prng, t.size);
        uint64_t size1 = 1 + prng_below(&prng, size2);
        struct merkle_proof proof, expected;
        struct merkle_hash root1, root2, bad;
        naive_tree_consistency(&t, size1, size2, &expected);
        naive_tree_hash(&t, 0, size1, &root1);
        naive_tree_hash(&t, 0, size2, &root2);
        assert_int_equal(merkle_prove_consistency(&source, size1, size2, &proof, NULL), 0);
        assert_same_proof(&expected, &proof);
        assert_int_equal(merkle_verify_consistency(size1, size2, proof.hash, proof.count, &root1, &root2, NULL), 0);
        bad = root1;
        bad.b[prng_below(&prng, 32)] ^= 0x10;
        struct err e;
        assert_int_equal(merkle_verify_consistency(size1, size2, proof.hash, proof.count, &bad, &root2, &e),
                         ERR_VERIFY);
        assert_string_equal(e.id, "merkle.consistency");
        if (proof.count > 0) {
            proof.hash[prng_below(&prng, proof.count)].b[0] ^= 1;
            assert_int_equal(merkle_verify_consistency(size1, size2, proof.hash, proof.count, &root1, &root2, NULL),
                             ERR_VERIFY);
        }
    }
    naive_tree_close(&t);
}

/* ---- sizes near the limit ---- */

/* Hash of a complete subtree per level, all leaves equal. */
static int uniform_node(void *ctx, unsigned level, uint64_t index, uint8_t out[32], struct err *e)
{
    const struct merkle_hash *levels = ctx;
    (void)index;
    (void)e;
    assert_true(level <= 62);
    memcpy(out, levels[level].b, 32);
    return 0;
}

static uint64_t random_size(struct prng *prng)
{
    uint64_t size = prng_next(prng) >> (2 + prng_below(prng, 40));
    switch (prng_below(prng, 4)) { /* the edges are where plans go wrong */
    case 0:
        return MERKLE_SIZE_MAX - prng_below(prng, 3);
    case 1:
        return ((uint64_t)1 << prng_below(prng, 62)) + prng_below(prng, 3);
    default:
        return size + 1;
    }
}

static void test_large(void **state)
{
    (void)state;
    struct merkle_hash levels[63];
    struct merkle_source source = {.node = uniform_node, .ctx = levels};
    struct prng prng;
    unsigned longest = 0;
    prng_init(&prng, SEED + 2);
    merkle_leaf_hash(bytes_of("x", 1), &levels[0]);
    for (unsigned l = 1; l < 63; l++)
        merkle_node_hash(&levels[l - 1], &levels[l - 1], &levels[l]);
    for (int round = 0; round < 3000; round++) {
        uint64_t size2 = random_size(&prng);
        uint64_t size1 = random_size(&prng);
        if (size1 > size2)
            size1 = 1 + prng_below(&prng, size2);
        struct merkle_hash root1, root2;
        struct merkle_proof proof;
        assert_int_equal(merkle_root(&source, size1, &root1, NULL), 0);
        assert_int_equal(merkle_root(&source, size2, &root2, NULL), 0);
        assert_int_equal(merkle_prove_consistency(&source, size1, size2, &proof, NULL), 0);
        assert_int_equal(merkle_verify_consistency(size1, size2, proof.hash, proof.count, &root1, &root2, NULL), 0);
        longest = proof.count > longest ? proof.count : longest;
        assert_int_equal(merkle_prove_inclusion(&source, size1 - 1, size2, &proof, NULL), 0);
        assert_int_equal(merkle_verify_inclusion(size1 - 1, size2, &levels[0], proof.hash, proof.count, &root2, NULL),
                         0);
    }
    assert_true(longest >= 60 && longest <= MERKLE_PROOF_HASHES_MAX);
}

static void test_bad_questions(void **state)
{
    (void)state;
    static const struct {
        uint64_t start, end, size;
        const char *id;
    } rows[] = {
        {1, 3, 4, "merkle.subtree"}, /* not aligned */
        {3, 2, 4, "merkle.subtree"}, /* backwards */
        {0, 5, 4, "merkle.subtree"}, /* beyond the tree */
        {0, 1, MERKLE_SIZE_MAX + 1, "merkle.subtree"},
        {0, UINT64_MAX, UINT64_MAX, "merkle.subtree"},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, "merkle.subtree"},
    };
    struct merkle_hash hash = {{0}};
    struct naive_tree t = {.size = 0};
    naive_tree_add(&t, bytes_of("", 0));
    struct merkle_source source = naive_tree_source(&t);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err e = {.code = 0};
        struct merkle_proof proof;
        assert_int_equal(merkle_verify_subtree(rows[i].start, rows[i].end, rows[i].size, NULL, 0, &hash, &hash, &e),
                         ERR_INVALID);
        assert_string_equal(e.id, rows[i].id);
        assert_int_equal(merkle_prove_subtree(&source, rows[i].start, rows[i].end, rows[i].size, &proof, &e),
                         ERR_INVALID);
    }
    struct err e;
    struct merkle_proof proof;
    assert_int_equal(merkle_verify_inclusion(1, 1, &hash, NULL, 0, &hash, &e), ERR_INVALID);
    assert_string_equal(e.id, "merkle.index");
    e.id[0] = '\0';
    assert_int_equal(merkle_verify_inclusion(0, 0, &hash, NULL, 0, &hash, &e), ERR_INVALID);
    assert_string_equal(e.id, "merkle.index");
    e.id[0] = '\0';
    assert_int_equal(merkle_verify_inclusion(UINT64_MAX, UINT64_MAX, &hash, NULL, 0, &hash, &e), ERR_INVALID);
    assert_string_equal(e.id, "merkle.index");
    e.id[0] = '\0';
    assert_int_equal(merkle_prove_inclusion(&source, 1, 1, &proof, &e), ERR_INVALID);
    assert_string_equal(e.id, "merkle.index");
    e.id[0] = '\0';
    assert_int_equal(merkle_verify_consistency(0, 1, NULL, 0, &hash, &hash, &e), ERR_INVALID);
    assert_string_equal(e.id, "merkle.empty-old");
    assert_int_equal(merkle_prove_consistency(&source, 0, 1, &proof, &e), 0);
    assert_int_equal(proof.count, 0);
    naive_tree_close(&t);
}

static void test_source_failure(void **state)
{
    (void)state;
    struct naive_tree t = {.size = 0};
    struct merkle_source source = naive_tree_source(&t); /* has no node at all */
    struct merkle_proof proof = {.count = 99};
    struct merkle_hash root = {{7}};
    struct err e;
    assert_int_equal(merkle_prove_inclusion(&source, 0, 2, &proof, &e), ERR_NOT_FOUND);
    assert_int_equal(merkle_root(&source, 5, &root, &e), ERR_NOT_FOUND);
    assert_int_equal(proof.count, 99); /* untouched */
    assert_int_equal(root.b[0], 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_inclusion),
        cmocka_unit_test(test_random_consistency),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_bad_questions),
        cmocka_unit_test(test_source_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
