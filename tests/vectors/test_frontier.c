/* Frontier batches: verifying gives the new range and the entries, building from the 21-leaf tree gives the same batch, and
 * every single change to a batch is rejected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/frontier.h"
#include "tests/lib/naive_tree.h"
#include "tests/lib/vectors.h"

#define ITEMS_MAX 32

static yyjson_doc *doc;
static struct naive_tree tree;

static int set_up(void **state)
{
    (void)state;
    doc = vectors_load(VECTORS_FILE("frontier_batch"));
    for (int i = 0; i < 21; i++) {
        char leaf[16];
        (void)snprintf(leaf, sizeof leaf, "entry %d", i);
        naive_tree_add(&tree, bytes_of_string(leaf));
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    naive_tree_close(&tree);
    yyjson_doc_free(doc);
    return 0;
}

/* One case, read. */
struct batch_case {
    struct crange old_range;
    struct crange new_range;
    struct merkle_hash target_root;
    struct frontier_batch batch;
    struct frontier_item items[ITEMS_MAX];
    struct frontier_entry entries[ITEMS_MAX];
    size_t entry_count;
};

static void read_range(yyjson_val *nodes, uint64_t size, struct crange *ret)
{
    struct merkle_hash hashes[CRANGE_NODES_MAX];
    size_t i, n;
    yyjson_val *node;
    yyjson_arr_foreach(nodes, i, n, node)
    {
        vectors_hex32(vectors_get(node, "hash"), hashes[i].b);
    }
    assert_int_equal(crange_init_nodes(size, hashes, n, ret, NULL), 0);
    yyjson_arr_foreach(nodes, i, n, node)
    {
        assert_int_equal(crange_level(ret, (unsigned)i), vectors_u64(node, "level"));
    }
}

static void read_item(yyjson_val *item, struct batch_case *c)
{
    struct frontier_item *to = &c->items[c->batch.item_count++];
    assert_true(c->batch.item_count <= ITEMS_MAX);
    if (vectors_has(item, "entry_utf8")) {
        *to = (struct frontier_item){.kind = FRONTIER_KIND_ENTRY, .leaf = vectors_text(item, "entry_utf8")};
        c->entries[c->entry_count++] = (struct frontier_entry){.index = vectors_u64(item, "index"), .leaf = to->leaf};
        return;
    }
    *to = (struct frontier_item){.kind = FRONTIER_KIND_HASH, .level = (unsigned)vectors_u64(item, "level")};
    vectors_hex32(vectors_get(item, "hash"), to->hash.b);
}

static void read_case(yyjson_val *v, struct batch_case *c)
{
    size_t i, n;
    yyjson_val *item;
    memset(c, 0, sizeof *c);
    c->batch.from = vectors_u64(v, "from_");
    c->batch.to = vectors_u64(v, "to");
    c->batch.target = vectors_u64(v, "target_size");
    c->batch.items = c->items;
    yyjson_arr_foreach(vectors_get(v, "items"), i, n, item)
    {
        read_item(item, c);
    }
    yyjson_arr_foreach(vectors_get(v, "right"), i, n, item)
    {
        vectors_hex32(item, c->batch.right[c->batch.right_count++].b);
    }
    vectors_hex32(vectors_get(v, "target_root"), c->target_root.b);
    read_range(vectors_get(v, "old_state"), c->batch.from, &c->old_range);
    read_range(vectors_get(v, "new_state"), c->batch.to, &c->new_range);
}

static int verify(const struct batch_case *c, struct err *e)
{
    struct arena arena = ARENA_INIT;
    struct crange range;
    struct frontier_entry *entries;
    size_t count;
    int rc = frontier_verify(&c->old_range, &c->batch, &c->target_root, &arena, &range, &entries, &count, e);
    if (rc == 0) {
        assert_int_equal(range.size, c->new_range.size);
        assert_memory_equal(range.nodes, c->new_range.nodes, crange_count(&range) * sizeof range.nodes[0]);
        assert_int_equal(count, c->entry_count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(entries[i].index, c->entries[i].index);
            assert_true(bytes_equal(entries[i].leaf, c->entries[i].leaf));
            assert_memory_equal(entries[i].hash.b, tree.level[0].hash[entries[i].index].b, 32);
        }
    }
    arena_close(&arena);
    return rc;
}

static void test_verify(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *v;
    yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(doc), "cases"), i, n, v)
    {
        struct batch_case c;
        struct merkle_hash root, expected;
        struct err e;
        read_case(v, &c);
        if (verify(&c, &e) < 0)
            fail_msg("case %zu: %s", i, e.message);
        vectors_hex32(vectors_get(v, "old_root"), expected.b);
        crange_root(&c.old_range, &root);
        assert_memory_equal(root.b, expected.b, 32);
        vectors_hex32(vectors_get(v, "new_root_at_to"), expected.b);
        crange_root(&c.new_range, &root);
        assert_memory_equal(root.b, expected.b, 32);
    }
    assert_int_equal(n, 5);
}

static void test_build(void **state)
{
    (void)state;
    struct merkle_source source = naive_tree_source(&tree);
    size_t i, n;
    yyjson_val *v;
    yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(doc), "cases"), i, n, v)
    {
        struct batch_case c;
        struct arena arena = ARENA_INIT;
        struct frontier_batch built;
        read_case(v, &c);
        assert_int_equal(frontier_build(&source, c.batch.from, c.batch.to, c.batch.target, c.entries, c.entry_count,
                                        &arena, &built, NULL),
                         0);
        assert_int_equal(built.item_count, c.batch.item_count);
        for (size_t k = 0; k < built.item_count; k++) {
            assert_int_equal(built.items[k].kind, c.items[k].kind);
            assert_int_equal(built.items[k].level, c.items[k].level);
            assert_memory_equal(built.items[k].hash.b, c.items[k].hash.b, 32);
        }
        assert_int_equal(built.right_count, c.batch.right_count);
        assert_memory_equal(built.right, c.batch.right, built.right_count * 32);
        arena_close(&arena);
    }
}

static void assert_rejected(const struct batch_case *c, const char *what, size_t number)
{
    if (verify(c, NULL) >= 0)
        fail_msg("accepted: %s of case %zu", what, number);
}

static void test_tampered(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *v;
    yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(doc), "cases"), i, n, v)
    {
        struct batch_case whole, c;
        read_case(v, &whole);
#define TAMPER(what, change) (c = whole, c.batch.items = c.items, change, assert_rejected(&c, what, i))
        for (size_t k = 0; k < whole.batch.item_count; k++) {
            if (whole.items[k].kind == FRONTIER_KIND_ENTRY)
                TAMPER("changed entry", c.items[k].leaf = bytes_of_string("entry x"));
            else
                TAMPER("changed hash", c.items[k].hash.b[k % 32] ^= 1);
            TAMPER("other level", c.items[k] = ((struct frontier_item){.kind = FRONTIER_KIND_HASH, .level = 5}));
            TAMPER("dropped item", (memmove(&c.items[k], &c.items[k + 1], (ITEMS_MAX - 1 - k) * sizeof c.items[0]),
                                    c.batch.item_count--));
        }
        for (size_t k = 0; k < whole.batch.right_count; k++)
            TAMPER("changed right", c.batch.right[k].b[0] ^= 1);
        for (unsigned k = 0; k < crange_count(&whole.old_range); k++)
            TAMPER("changed old range", c.old_range.nodes[k].b[31] ^= 0x80);
        TAMPER("other end", c.batch.to++);
        TAMPER("other start", c.batch.from++);
        TAMPER("other root", c.target_root.b[5] ^= 4);
        if (whole.batch.right_count > 0)
            TAMPER("dropped right", c.batch.right_count--);
        TAMPER("added right", c.batch.right_count++);
#undef TAMPER
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_tampered),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
