/* Merkle trees against published vectors: RFC 6962 known answers, the 518 cases of transparency-dev/merkle (most of them must
 * be rejected), and the accumulated digests of draft-ietf-plants-merkle-tree-certs over every tree up to 130 leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "certs/crypto.h"
#include "federation/ledger/crange.h"
#include "tests/lib/naive_tree.h"
#include "tests/lib/vectors.h"

static yyjson_doc *rfc6962;
static struct naive_tree tree; /* its 8 leaves */

static int set_up(void **state)
{
    (void)state;
    rfc6962 = vectors_load(VECTORS_FILE("merkle_rfc6962"));
    size_t i, n;
    yyjson_val *input;
    yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(rfc6962), "leaf_inputs_hex"), i, n, input)
    {
        uint8_t leaf[64];
        naive_tree_add(&tree, bytes_of(leaf, vectors_hex(input, leaf, sizeof leaf)));
    }
    return tree.size == 8 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    naive_tree_close(&tree);
    yyjson_doc_free(rfc6962);
    return 0;
}

static void read_hash(yyjson_val *string, struct merkle_hash *ret)
{
    vectors_hex32(string, ret->b);
}

static void assert_hash(yyjson_val *expected, const struct merkle_hash *actual)
{
    struct merkle_hash hash;
    read_hash(expected, &hash);
    assert_memory_equal(hash.b, actual->b, MERKLE_HASH_SIZE);
}

static void assert_proof(yyjson_val *expected, const struct merkle_proof *actual)
{
    assert_int_equal(yyjson_arr_size(expected), actual->count);
    for (size_t i = 0; i < actual->count; i++)
        assert_hash(yyjson_arr_get(expected, i), &actual->hash[i]);
}

static void test_hasher(void **state)
{
    (void)state;
    yyjson_val *root = yyjson_doc_get_root(rfc6962);
    size_t i, n, seen = 0;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(root, "hasher"), i, n, c)
    {
        uint8_t data[64];
        struct merkle_hash hash;
        const char *op = vectors_string(c, "op");
        if (strcmp(op, "empty") == 0) {
            merkle_empty_root(&hash);
        } else if (strcmp(op, "leaf") == 0) {
            size_t size = vectors_hex(vectors_get(c, "data_hex"), data, sizeof data);
            merkle_leaf_hash(bytes_of(data, size), &hash);
        } else {
            continue; /* raw_node: children that are no hashes do not exist here */
        }
        assert_hash(vectors_get(c, "hash"), &hash);
        seen++;
    }
    assert_true(seen >= 3);
    yyjson_arr_foreach(vectors_get(root, "leaf_hashes"), i, n, c)
    {
        struct merkle_hash hash;
        naive_tree_hash(&tree, i, i + 1, &hash);
        assert_hash(c, &hash);
    }
}

static void test_roots(void **state)
{
    (void)state;
    yyjson_val *roots = vectors_get(yyjson_doc_get_root(rfc6962), "roots");
    struct merkle_source source = naive_tree_source(&tree);
    assert_int_equal(yyjson_obj_size(roots), 9);
    for (unsigned size = 0; size <= 8; size++) {
        char key[4];
        struct merkle_hash root;
        (void)snprintf(key, sizeof key, "%u", size);
        assert_int_equal(merkle_root(&source, size, &root, NULL), 0);
        assert_hash(vectors_get(roots, key), &root);
    }
}

static void test_inclusion(void **state)
{
    (void)state;
    static const char *const lists[] = {"kat_inclusion", "all_inclusion"};
    struct merkle_source source = naive_tree_source(&tree);
    for (size_t l = 0; l < 2; l++) {
        size_t i, n;
        yyjson_val *c;
        yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(rfc6962), lists[l]), i, n, c)
        {
            uint64_t index = vectors_u64(c, "leaf_index");
            uint64_t size = vectors_u64(c, "tree_size");
            struct merkle_proof proof;
            struct merkle_hash leaf, root;
            assert_int_equal(merkle_prove_inclusion(&source, index, size, &proof, NULL), 0);
            assert_proof(vectors_get(c, "proof"), &proof);
            naive_tree_hash(&tree, index, index + 1, &leaf);
            naive_tree_hash(&tree, 0, size, &root);
            if (vectors_has(c, "root"))
                assert_hash(vectors_get(c, "root"), &root);
            assert_int_equal(merkle_verify_inclusion(index, size, &leaf, proof.hash, proof.count, &root, NULL), 0);
        }
    }
}

static void test_consistency(void **state)
{
    (void)state;
    static const char *const lists[] = {"kat_consistency", "all_consistency"};
    struct merkle_source source = naive_tree_source(&tree);
    for (size_t l = 0; l < 2; l++) {
        size_t i, n;
        yyjson_val *c;
        yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(rfc6962), lists[l]), i, n, c)
        {
            uint64_t size1 = vectors_u64(c, "size1");
            uint64_t size2 = vectors_u64(c, "size2");
            struct merkle_proof proof;
            struct merkle_hash root1, root2;
            assert_int_equal(merkle_prove_consistency(&source, size1, size2, &proof, NULL), 0);
            assert_proof(vectors_get(c, "proof"), &proof);
            naive_tree_hash(&tree, 0, size1, &root1);
            naive_tree_hash(&tree, 0, size2, &root2);
            if (vectors_has(c, "root1"))
                assert_hash(vectors_get(c, "root1"), &root1);
            assert_int_equal(merkle_verify_consistency(size1, size2, proof.hash, proof.count, &root1, &root2, NULL), 0);
        }
    }
}

static void check_parts(yyjson_val *c)
{
    struct crange_part parts[CRANGE_PARTS_MAX];
    yyjson_val *nodes = vectors_get(c, "nodes");
    unsigned count = crange_decompose(vectors_u64(c, "begin"), vectors_u64(c, "end"), parts);
    assert_int_equal(count, yyjson_arr_size(nodes));
    for (unsigned i = 0; i < count; i++) {
        yyjson_val *node = yyjson_arr_get(nodes, i);
        struct merkle_hash hash;
        assert_int_equal(parts[i].level, vectors_u64(node, "level"));
        assert_int_equal(parts[i].index, vectors_u64(node, "index"));
        naive_tree_hash(&tree, parts[i].index << parts[i].level, (parts[i].index + 1) << parts[i].level, &hash);
        assert_hash(vectors_get(node, "hash"), &hash);
    }
}

static void test_compact_ranges(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *c;
    struct crange range;
    crange_init(&range);
    yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(rfc6962), "compact_ranges_mid"), i, n, c)
    {
        check_parts(c);
    }
    yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(rfc6962), "compact_ranges_from_zero"), i, n, c)
    {
        struct merkle_hash root;
        check_parts(c);
        assert_int_equal(range.size, vectors_u64(c, "end"));
        yyjson_val *nodes = vectors_get(c, "nodes");
        assert_int_equal(crange_count(&range), yyjson_arr_size(nodes));
        for (unsigned k = 0; k < crange_count(&range); k++) {
            assert_hash(vectors_get(yyjson_arr_get(nodes, k), "hash"), &range.nodes[k]);
            assert_int_equal(crange_level(&range, k), vectors_u64(yyjson_arr_get(nodes, k), "level"));
        }
        crange_root(&range, &root);
        assert_hash(vectors_get(c, "root"), &root);
        if (i < 8)
            assert_int_equal(crange_append_leaf(&range, &tree.level[0].hash[i], NULL), 0);
    }
    assert_int_equal(n, 9);
}

/* ---- transparency-dev/merkle ---- */

/* A hash of a case. Some are not 32 bytes on purpose, which the type does not take: "don't care" texts become a hash that
 * equals itself alone, and a missing one becomes a hash that equals nothing. */
static struct merkle_hash read_any(yyjson_val *string)
{
    static uint8_t missing;
    struct merkle_hash hash;
    struct bytes text = bytes_of(yyjson_get_str(string), yyjson_get_len(string));
    if (text.size == 0)
        missing++;
    struct bytes parts[3] = {bytes_of_string("no hash:"), text, bytes_of(&missing, text.size == 0)};
    if (!vectors_base64_32(string, hash.b))
        crypto_sha256(parts, 3, hash.b);
    return hash;
}

static size_t read_proof(yyjson_val *c, struct merkle_hash proof[128])
{
    size_t i, n, count = 0;
    yyjson_val *hash;
    yyjson_arr_foreach(yyjson_obj_get(c, "proof"), i, n, hash) /* null: empty */
    {
        assert_true(count < 128);
        proof[count++] = read_any(hash);
    }
    return count;
}

static bool run_consistency(yyjson_val *c, bool is_subtree)
{
    struct merkle_hash proof[128];
    size_t count = read_proof(c, proof);
    struct merkle_hash root1 = read_any(vectors_get(c, "root1"));
    struct merkle_hash root2 = read_any(vectors_get(c, "root2"));
    if (!is_subtree)
        return merkle_verify_consistency(vectors_u64(c, "size1"), vectors_u64(c, "size2"), proof, count, &root1, &root2,
                                         NULL) == 0;
    return merkle_verify_subtree(vectors_u64(c, "start"), vectors_u64(c, "end"), vectors_u64(c, "size"), proof, count,
                                 &root1, &root2, NULL) == 0;
}

static bool run_inclusion(yyjson_val *c, bool is_subtree)
{
    struct merkle_hash proof[128];
    size_t count = read_proof(c, proof);
    struct merkle_hash leaf = read_any(vectors_get(c, "leafHash"));
    struct merkle_hash root = read_any(vectors_get(c, "root"));
    uint64_t start = is_subtree ? vectors_u64(c, "start") : 0;
    uint64_t end = vectors_u64(c, is_subtree ? "end" : "treeSize");
    uint64_t index = vectors_u64(c, "leafIdx");
    if (!merkle_subtree_is_valid(start, end) || index < start)
        return false;
    return merkle_verify_inclusion(index - start, end - start, &leaf, proof, count, &root, NULL) == 0;
}

static void test_transparency_dev(void **state)
{
    (void)state;
    yyjson_doc *doc = vectors_load(VECTORS_FILE("merkle_testdata_transparency_dev"));
    size_t i, n, accepted = 0;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(doc), "cases"), i, n, c)
    {
        const char *kind = vectors_string(c, "kind");
        bool is_subtree = strncmp(kind, "subtree", 7) == 0;
        bool is_inclusion = strstr(kind, "inclusion") != NULL;
        bool ok = is_inclusion ? run_inclusion(c, is_subtree) : run_consistency(c, is_subtree);
        if (ok == yyjson_get_bool(vectors_get(c, "wantErr")))
            fail_msg("%s (%s): %s", vectors_string(c, "file"), vectors_string(c, "desc"), ok ? "accepted" : "rejected");
        accepted += ok;
    }
    assert_int_equal(n, 518);
    assert_int_equal(accepted, 36);
    yyjson_doc_free(doc);
}

/* ---- accumulated digests ---- */

#define PLANTS_SIZE 130u

static void make_plants_tree(struct naive_tree *t)
{
    for (unsigned i = 0; i < PLANTS_SIZE; i++) {
        uint8_t leaf = (uint8_t)i;
        naive_tree_add(t, bytes_of(&leaf, 1));
    }
}

static void put_hash(struct buf *out, const struct merkle_hash *hash)
{
    char text[2 * MERKLE_HASH_SIZE + 1];
    hex_encode(hash->b, MERKLE_HASH_SIZE, text);
    buf_printf(out, " %s", text);
}

static void put_proof(struct buf *out, const struct merkle_proof *proof)
{
    for (unsigned i = 0; i < proof->count; i++)
        put_hash(out, &proof->hash[i]);
    buf_put_u8(out, '\n');
}

static void assert_digest(const char *name, const struct buf *lines)
{
    yyjson_doc *doc = vectors_load(VECTORS_FILE("merkle_accumulated_plants"));
    size_t i, n, seen = 0;
    yyjson_val *c;
    uint8_t expected[32], actual[32];
    assert_false(lines->failed);
    crypto_sha256_one(lines->data, lines->size, actual);
    yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(doc), "vectors"), i, n, c)
    {
        if (strcmp(vectors_string(c, "name"), name) != 0)
            continue;
        vectors_hex32(vectors_get(c, "sha256"), expected);
        assert_memory_equal(expected, actual, 32);
        seen++;
    }
    assert_int_equal(seen, 1);
    yyjson_doc_free(doc);
}

/* The subtree [start, …) as a tree of its own. */
struct shifted {
    struct merkle_source inner;
    uint64_t start;
};

static int shifted_node(void *ctx, unsigned level, uint64_t index, uint8_t out[32], struct err *e)
{
    struct shifted *s = ctx;
    return s->inner.node(s->inner.ctx, level, index + (s->start >> level), out, e);
}

static void test_plants_subtrees(void **state)
{
    (void)state;
    struct naive_tree t = {.size = 0};
    make_plants_tree(&t);
    struct merkle_source source = naive_tree_source(&t);
    struct buf hashes, paths;
    buf_init(&hashes, 0);
    buf_init(&paths, 0);
    for (unsigned end = 0; end <= PLANTS_SIZE; end++) {
        for (unsigned start = 0; start <= end; start++) {
            if (!merkle_subtree_is_valid(start, end))
                continue;
            struct merkle_hash root;
            assert_int_equal(merkle_subtree_hash(&source, start, end, &root, NULL), 0);
            buf_printf(&hashes, "[%u, %u)", start, end);
            put_hash(&hashes, &root);
            buf_put_u8(&hashes, '\n');
            struct shifted shift = {source, start};
            struct merkle_source shifted = {.node = shifted_node, .ctx = &shift};
            for (unsigned index = start; index < end; index++) {
                struct merkle_proof proof;
                assert_int_equal(merkle_prove_inclusion(&shifted, index - start, end - start, &proof, NULL), 0);
                assert_int_equal(merkle_verify_inclusion(index - start, end - start, &t.level[0].hash[index],
                                                         proof.hash, proof.count, &root, NULL),
                                 0);
                buf_printf(&paths, "%u [%u, %u)", index, start, end);
                put_proof(&paths, &proof);
            }
        }
    }
    assert_digest("subtree_hashes", &hashes);
    assert_digest("subtree_inclusion", &paths);
    buf_close(&hashes);
    buf_close(&paths);
    naive_tree_close(&t);
}

static void test_plants_consistency(void **state)
{
    (void)state;
    struct naive_tree t = {.size = 0};
    make_plants_tree(&t);
    struct merkle_source source = naive_tree_source(&t);
    struct buf lines;
    buf_init(&lines, 0);
    for (unsigned n = 0; n <= PLANTS_SIZE; n++) {
        struct merkle_hash root;
        naive_tree_hash(&t, 0, n, &root);
        for (unsigned end = 0; end <= n; end++) {
            for (unsigned start = 0; start <= end; start++) {
                if (!merkle_subtree_is_valid(start, end))
                    continue;
                struct merkle_proof proof;
                struct merkle_hash sub;
                naive_tree_hash(&t, start, end, &sub);
                assert_int_equal(merkle_prove_subtree(&source, start, end, n, &proof, NULL), 0);
                assert_int_equal(merkle_verify_subtree(start, end, n, proof.hash, proof.count, &sub, &root, NULL), 0);
                buf_printf(&lines, "[%u, %u) %u", start, end, n);
                put_proof(&lines, &proof);
            }
        }
    }
    assert_digest("subtree_consistency", &lines);
    buf_close(&lines);
    naive_tree_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hasher),          cmocka_unit_test(test_roots),
        cmocka_unit_test(test_inclusion),       cmocka_unit_test(test_consistency),
        cmocka_unit_test(test_compact_ranges),  cmocka_unit_test(test_transparency_dev),
        cmocka_unit_test(test_plants_subtrees), cmocka_unit_test(test_plants_consistency),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
