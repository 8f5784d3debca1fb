/* Compact ranges: growing by leaves and by subtrees gives the same range, misplaced subtrees are refused, storage form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/crange.h"
#include "node/base/prng.h"
#include "tests/lib/naive_tree.h"

static void make_tree(struct naive_tree *t, size_t size)
{
    for (uint32_t i = 0; i < size; i++)
        naive_tree_add(t, bytes_of(&i, sizeof i));
}

static void assert_same(const struct crange *a, const struct crange *b)
{
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->nodes, b->nodes, crange_count(a) * sizeof a->nodes[0]);
}

/* Grows @c to @size with subtrees of random fitting levels. */
static void grow(struct crange *c, const struct naive_tree *t, uint64_t size, struct prng *prng)
{
    while (c->size < size) {
        unsigned level = (unsigned)prng_below(prng, 8);
        struct merkle_hash hash;
        while (c->size % ((uint64_t)1 << level) != 0 || c->size + ((uint64_t)1 << level) > size)
            level--;
        naive_tree_hash(t, c->size, c->size + ((uint64_t)1 << level), &hash);
        assert_int_equal(crange_append(c, level, &hash, NULL), 0);
    }
}

static void test_grow(void **state)
{
    (void)state;
    struct naive_tree t = {.size = 0};
    struct prng prng;
    struct crange by_leaf;
    make_tree(&t, 700);
    prng_init(&prng, 1);
    crange_init(&by_leaf);
    for (unsigned size = 0; size <= 700; size++) {
        struct crange by_subtree, stored;
        struct merkle_hash root, expected;
        crange_init(&by_subtree);
        grow(&by_subtree, &t, size, &prng);
        assert_same(&by_leaf, &by_subtree);
        crange_root(&by_leaf, &root);
        naive_tree_hash(&t, 0, size, &expected);
        assert_memory_equal(root.b, expected.b, 32);
        assert_int_equal(crange_init_nodes(size, by_leaf.nodes, crange_count(&by_leaf), &stored, NULL), 0);
        assert_same(&by_leaf, &stored);
        if (size < 700)
            assert_int_equal(crange_append_leaf(&by_leaf, &t.level[0].hash[size], NULL), 0);
    }
    naive_tree_close(&t);
}

static void test_refused_appends(void **state)
{
    (void)state;
    static const struct {
        uint64_t size;
        unsigned level;
        const char *id;
    } rows[] = {
        {1, 1, "crange.alignment"},           {6, 2, "crange.alignment"},          {4, 3, "crange.alignment"},
        {0, 63, "crange.alignment"},          {0, UINT32_MAX, "crange.alignment"}, {MERKLE_SIZE_MAX, 0, "crange.size"},
        {MERKLE_SIZE_MAX, 62, "crange.size"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct crange c = {.size = rows[i].size};
        struct crange before = c;
        struct merkle_hash hash = {{1}};
        struct err e;
        assert_int_equal(crange_append(&c, rows[i].level, &hash, &e), ERR_INVALID);
        assert_string_equal(e.id, rows[i].id);
        assert_memory_equal(&c, &before, sizeof c);
    }
}

static void test_wrong_nodes(void **state)
{
    (void)state;
    struct merkle_hash nodes[4] = {{{0}}};
    struct crange c = {.size = 42};
    assert_int_equal(crange_init_nodes(7, nodes, 2, &c, NULL), ERR_INVALID);
    assert_int_equal(crange_init_nodes(7, nodes, 4, &c, NULL), ERR_INVALID);
    assert_int_equal(crange_init_nodes(0, nodes, 1, &c, NULL), ERR_INVALID);
    assert_int_equal(crange_init_nodes(MERKLE_SIZE_MAX + 1, nodes, 2, &c, NULL), ERR_INVALID);
    assert_int_equal(c.size, 42);
    assert_int_equal(crange_init_nodes(MERKLE_SIZE_MAX, nodes, 1, &c, NULL), 0);
    assert_int_equal(crange_level(&c, 0), 62);
}

static void test_storage(void **state)
{
    (void)state;
    struct naive_tree t = {.size = 0};
    struct prng prng;
    struct crange c, again = {.size = 99};
    struct buf out;
    make_tree(&t, 23);
    prng_init(&prng, 3);
    crange_init(&c);
    grow(&c, &t, 23, &prng);
    buf_init(&out, 0);
    crange_encode(&c, &out);
    assert_int_equal(out.size, 8 + 4 * 32);
    for (size_t size = 0; size < out.size; size++)
        assert_int_equal(crange_decode(bytes_of(out.data, size), &again, NULL), ERR_INVALID);
    assert_int_equal(again.size, 99);
    assert_int_equal(crange_decode(buf_bytes(&out), &again, NULL), 0);
    assert_same(&c, &again);
    buf_put_u8(&out, 0);
    assert_int_equal(crange_decode(buf_bytes(&out), &again, NULL), ERR_INVALID);
    out.data[0] = 0x80; /* size over the limit */
    assert_int_equal(crange_decode(buf_bytes(&out), &again, NULL), ERR_INVALID);
    buf_close(&out);
    naive_tree_close(&t);
}

static void test_decompose(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 4);
    struct crange_part parts[CRANGE_PARTS_MAX];
    for (int round = 0; round < 20000; round++) {
        uint64_t end = 1 + (prng_next(&prng) >> (2 + prng_below(&prng, 60)));
        uint64_t begin = prng_below(&prng, end + 1);
        unsigned count = crange_decompose(begin, end, parts);
        uint64_t at = begin;
        for (unsigned i = 0; i < count; i++) {
            assert_int_equal(parts[i].index << parts[i].level, at);
            at += (uint64_t)1 << parts[i].level;
            /* fewest parts: levels rise, then fall, and no two neighbours could be one */
            if (i > 0 && parts[i].level == parts[i - 1].level)
                assert_int_equal(parts[i - 1].index & 1, 1);
            if (i > 1)
                assert_false(parts[i - 1].level < parts[i].level && parts[i - 1].level < parts[i - 2].level);
        }
        assert_int_equal(at, end);
    }
    assert_int_equal(crange_decompose(0, 0, parts), 0);
    assert_int_equal(crange_decompose(MERKLE_SIZE_MAX, MERKLE_SIZE_MAX, parts), 0);
    assert_int_equal(crange_decompose(0, MERKLE_SIZE_MAX, parts), 1);
    assert_int_equal(crange_decompose(1, MERKLE_SIZE_MAX - 1, parts), 122);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grow),    cmocka_unit_test(test_refused_appends), cmocka_unit_test(test_wrong_nodes),
        cmocka_unit_test(test_storage), cmocka_unit_test(test_decompose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
