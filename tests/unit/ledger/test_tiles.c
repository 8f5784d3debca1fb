/* The author's tree on tiles: the same roots and nodes as the naive tree while it grows, after a restart at any size, and
 * under a store that fails or lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/tiles.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"
#include "tests/lib/naive_tree.h"

#define LEAVES 70000u /* two full tiles' levels: 273 tiles of level 0, 1 of level 1 */

static struct naive_tree tree;

/* Full tiles in memory, by level and index. */
struct memory_store {
    uint8_t *tiles[3][300];
    unsigned saves;
    unsigned loads;
    int fail_save_in; /* > 0: that many saves from now fails */
};

static int memory_save(void *ctx, unsigned level, uint64_t index, const uint8_t tile[TILES_BYTES], struct err *e)
{
    struct memory_store *m = ctx;
    assert_true(level < 3 && index < 300);
    if (m->fail_save_in > 0 && --m->fail_save_in == 0)
        return err_set(e, ERR_FULL, "test.full", "no room");
    free(m->tiles[level][index]);
    m->tiles[level][index] = xmemdup(tile, TILES_BYTES);
    m->saves++;
    return 0;
}

static int memory_load(void *ctx, unsigned level, uint64_t index, uint8_t out[TILES_BYTES], struct err *e)
{
    struct memory_store *m = ctx;
    assert_true(level < 3 && index < 300);
    m->loads++;
    if (m->tiles[level][index] == NULL)
        return err_set(e, ERR_NOT_FOUND, "test.tile", "no tile");
    memcpy(out, m->tiles[level][index], TILES_BYTES);
    return 0;
}

static struct tiles *open_tiles(struct memory_store *m)
{
    return tiles_create(&(struct tiles_store){.save = memory_save, .load = memory_load, .ctx = m});
}

static void memory_close(struct memory_store *m)
{
    for (unsigned level = 0; level < 3; level++)
        for (unsigned i = 0; i < 300; i++)
            free(m->tiles[level][i]);
}

static int set_up(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < LEAVES; i++)
        naive_tree_add(&tree, bytes_of(&i, sizeof i));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    naive_tree_close(&tree);
    return 0;
}

static void append_to(struct tiles *t, uint64_t size)
{
    while (tiles_size(t) < size)
        assert_int_equal(tiles_append(t, &tree.level[0].hash[tiles_size(t)], NULL), 0);
}

static void assert_root(const struct tiles *t)
{
    struct merkle_hash root, expected;
    tiles_root(t, &root);
    naive_tree_hash(&tree, 0, tiles_size(t), &expected);
    assert_memory_equal(root.b, expected.b, 32);
}

static void restore(struct tiles *t, uint64_t size)
{
    uint64_t full = size - size % TILES_WIDTH;
    struct err e;
    if (tiles_restore(t, size, &tree.level[0].hash[full], size - full, &e) < 0)
        fail_msg("restore at %u: %s", (unsigned)size, e.message);
}

static void test_grow(void **state)
{
    (void)state;
    struct memory_store m = {.saves = 0};
    struct tiles *t = open_tiles(&m);
    for (uint64_t size = 0; size <= LEAVES; size += size < 1100 ? 1 : 997) {
        append_to(t, size);
        assert_root(t);
    }
    append_to(t, LEAVES);
    assert_root(t);
    assert_int_equal(m.saves, 273 + 1);
    assert_memory_equal(m.tiles[0][272], tree.level[0].hash[272 * 256].b, TILES_BYTES);
    assert_memory_equal(m.tiles[1][0], tree.level[8].hash[0].b, TILES_BYTES);
    assert_int_equal(m.loads, 0);
    tiles_destroy(t);
    memory_close(&m);
}

static void check_node(struct merkle_source *source, unsigned level, uint64_t index)
{
    uint8_t hash[32];
    struct err e;
    if (source->node(source->ctx, level, index, hash, &e) < 0)
        fail_msg("node %u/%u: %s", level, (unsigned)index, e.message);
    assert_memory_equal(hash, tree.level[level].hash[index].b, 32);
}

static void test_nodes(void **state)
{
    (void)state;
    struct memory_store m = {.saves = 0};
    struct tiles *t = open_tiles(&m);
    struct prng prng;
    prng_init(&prng, 5);
    append_to(t, LEAVES);
    struct merkle_source source = tiles_source(t);
    for (int round = 0; round < 20000; round++) {
        unsigned level = (unsigned)prng_below(&prng, 17);
        check_node(&source, level, prng_below(&prng, tree.level[level].count));
    }
    assert_true(m.loads > 100); /* 273 tiles do not fit the cache */

    /* The last few tiles stay hot however often they are asked for. */
    for (uint64_t i = LEAVES - 2000; i < LEAVES; i++)
        check_node(&source, 0, i);
    unsigned loads = m.loads;
    for (int round = 0; round < 10; round++)
        for (uint64_t i = LEAVES - 2000; i < LEAVES; i += 7)
            check_node(&source, 0, i);
    assert_int_equal(m.loads, loads);
    tiles_destroy(t);
    memory_close(&m);
}

/* A tile that is asked for again and again is not the one that makes room. */
static void test_cache_order(void **state)
{
    (void)state;
    struct memory_store m = {.saves = 0};
    struct tiles *t = open_tiles(&m);
    append_to(t, 200 * TILES_WIDTH);
    struct merkle_source source = tiles_source(t);
    check_node(&source, 0, 0);
    unsigned loads = m.loads;
    for (uint64_t tile = 1; tile < 130; tile++) { /* none of these is in memory: each costs one load */
        check_node(&source, 0, tile * TILES_WIDTH);
        check_node(&source, 0, 1);
    }
    assert_int_equal(m.loads, loads + 129);
    tiles_destroy(t);
    memory_close(&m);
}

static void test_older_roots(void **state)
{
    (void)state;
    struct memory_store m = {.saves = 0};
    struct tiles *t = open_tiles(&m);
    append_to(t, 3000);
    struct merkle_source source = tiles_source(t);
    for (uint64_t size = 0; size <= 3000; size += 13) {
        struct merkle_hash root, expected;
        assert_int_equal(merkle_root(&source, size, &root, NULL), 0);
        naive_tree_hash(&tree, 0, size, &expected);
        assert_memory_equal(root.b, expected.b, 32);
    }
    uint8_t hash[32];
    struct err e;
    assert_int_equal(source.node(source.ctx, 0, 3000, hash, &e), ERR_INVALID);
    assert_int_equal(source.node(source.ctx, 3, 375, hash, &e), ERR_INVALID);
    assert_int_equal(source.node(source.ctx, 63, 0, hash, &e), ERR_INVALID);
    assert_string_equal(e.id, "tiles.node");
    tiles_destroy(t);
    memory_close(&m);
}

static void test_restore(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 255, 256, 257, 511, 512, 1000, 65535, 65536, 65537, 65792, LEAVES - 300};
    struct memory_store m = {.saves = 0};
    struct tiles *whole = open_tiles(&m);
    append_to(whole, LEAVES);
    tiles_destroy(whole);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct tiles *t = open_tiles(&m);
        struct merkle_source source = tiles_source(t);
        restore(t, sizes[i]);
        assert_int_equal(tiles_size(t), sizes[i]);
        assert_root(t);
        append_to(t, sizes[i] + 300); /* crosses a tile */
        assert_root(t);
        for (uint64_t at = 0; at < sizes[i] + 300; at += 1 + sizes[i] / 100)
            check_node(&source, 0, at);
        tiles_destroy(t);
    }
    memory_close(&m);
}

static void test_restore_refused(void **state)
{
    (void)state;
    struct memory_store m = {.saves = 0};
    struct tiles *t = open_tiles(&m);
    struct err e;
    assert_int_equal(tiles_restore(t, 257, tree.level[0].hash, 0, &e), ERR_INVALID);
    assert_string_equal(e.id, "tiles.restore");
    e.id[0] = '\0';
    assert_int_equal(tiles_restore(t, MERKLE_SIZE_MAX + 256, tree.level[0].hash, 0, &e), ERR_INVALID);
    assert_string_equal(e.id, "tiles.restore");
    assert_int_equal(tiles_restore(t, 512, tree.level[0].hash, 0, &e), ERR_NOT_FOUND); /* no such tiles saved */
    assert_int_equal(tiles_size(t), 0);
    append_to(t, 300); /* and it is usable */
    assert_root(t);
    tiles_destroy(t);
    memory_close(&m);
}

static void test_damaged_tile(void **state)
{
    (void)state;
    struct memory_store m = {.saves = 0};
    struct tiles *t = open_tiles(&m);
    append_to(t, 65536 + 600);
    tiles_destroy(t);
    t = open_tiles(&m);
    restore(t, 65536 + 600);
    m.tiles[0][7][1000] ^= 1; /* a leaf hash in the middle of the tree */
    struct merkle_source source = tiles_source(t);
    uint8_t hash[32] = {0};
    struct err e;
    assert_int_equal(source.node(source.ctx, 0, 7 * 256, hash, &e), ERR_CORRUPT);
    assert_string_equal(e.id, "tiles.corrupt");
    check_node(&source, 0, 6 * 256);
    m.tiles[0][7][1000] ^= 1;
    check_node(&source, 0, 7 * 256); /* nothing wrong was kept */
    m.tiles[1][0][0] ^= 1;
    tiles_destroy(t);

    t = open_tiles(&m); /* damage above: seen as a wrong root, because the root is all there is to compare with */
    restore(t, 65536 + 600);
    struct merkle_hash root, expected;
    tiles_root(t, &root);
    naive_tree_hash(&tree, 0, 65536 + 600, &expected);
    assert_memory_not_equal(root.b, expected.b, 32);
    tiles_destroy(t);
    memory_close(&m);
}

static void test_failing_save(void **state)
{
    (void)state;
    struct memory_store m = {.saves = 0};
    struct tiles *t = open_tiles(&m);
    append_to(t, 65535); /* the next leaf fills a tile of level 0 and one of level 1 */
    for (int at = 1; at <= 2; at++) {
        struct err e;
        m.fail_save_in = at;
        assert_int_equal(tiles_append(t, &tree.level[0].hash[0], &e), ERR_FULL);
        assert_int_equal(tiles_size(t), 65535);
        assert_root(t);
    }
    append_to(t, 65536 + 10);
    assert_root(t);
    assert_memory_equal(m.tiles[0][255], tree.level[0].hash[255 * 256].b, TILES_BYTES);
    tiles_destroy(t);
    memory_close(&m);
}

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        unsigned level;
        uint64_t index;
        unsigned width;
    } good[] = {
        {"tile/0/000", 0, 0, 256},
        {"tile/7/999.p/1", 7, 999, 1},
        {"tile/2/x001/000.p/255", 2, 1000, 255},
        {"tile/0/x018/x014/x398/x509/x481/984", 0, 18014398509481984u, 256},
    };
    static const char *const bad[] = {
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/8/000",
        "tile/00/000",
        "tile/a/000",
        "tile/0/x000/001",
        "tile/0/x001",
        "tile/0/x001/",
        "tile/0/001/002",
        "tile/0/X001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000 ",
        "/tile/0/000",
        "tile/0/000.p/1x",
        "tile/0/x018/x014/x398/x509/x481/985", /* beyond the largest tree */
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/0/-01",
        "tile/0/x-01/000",
    };
    char path[TILES_PATH_SIZE];
    unsigned level = 0, width = 0;
    uint64_t index = 0;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        tiles_format_path(good[i].level, good[i].index, good[i].width, path);
        assert_string_equal(path, good[i].path);
        assert_int_equal(tiles_parse_path(bytes_of_string(path), &level, &index, &width, NULL), 0);
        assert_int_equal(level, good[i].level);
        assert_int_equal(index, good[i].index);
        assert_int_equal(width, good[i].width);
    }
    struct err e;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (tiles_parse_path(bytes_of_string(bad[i]), &level, &index, &width, &e) != ERR_INVALID ||
            strcmp(e.id, "tiles.path") != 0)
            fail_msg("'%s': %s", bad[i], e.id);
    assert_int_equal(tiles_parse_path(bytes_of("tile/0/000\0", 11), &level, &index, &width, &e), ERR_INVALID);
    assert_string_equal(e.id, "tiles.path");
}

/* ---- the largest tree ---- */

/* A store of a tree whose leaves are all equal: one hash per level. */
static int uniform_load(void *ctx, unsigned level, uint64_t index, uint8_t out[TILES_BYTES], struct err *e)
{
    const struct merkle_hash *levels = ctx;
    (void)index;
    (void)e;
    for (size_t i = 0; i < TILES_WIDTH; i++)
        memcpy(out + i * MERKLE_HASH_SIZE, levels[8 * level].b, MERKLE_HASH_SIZE);
    return 0;
}

static int no_save(void *ctx, unsigned level, uint64_t index, const uint8_t tile[TILES_BYTES], struct err *e)
{
    (void)ctx;
    (void)level;
    (void)index;
    (void)tile;
    (void)e;
    return 0;
}

static void test_largest(void **state)
{
    (void)state;
    struct merkle_hash levels[63], tail[TILES_WIDTH - 1], root;
    struct err e;
    merkle_leaf_hash(bytes_of("x", 1), &levels[0]);
    for (unsigned l = 1; l < 63; l++)
        merkle_node_hash(&levels[l - 1], &levels[l - 1], &levels[l]);
    for (size_t i = 0; i < array_count(tail); i++)
        tail[i] = levels[0];
    struct tiles *t = tiles_create(&(struct tiles_store){.save = no_save, .load = uniform_load, .ctx = levels});
    assert_int_equal(tiles_restore(t, MERKLE_SIZE_MAX - 1, tail, array_count(tail), NULL), 0);
    assert_int_equal(tiles_append(t, &levels[0], NULL), 0);
    tiles_root(t, &root);
    assert_memory_equal(root.b, levels[62].b, sizeof root.b);
    assert_int_equal(tiles_append(t, &levels[0], &e), ERR_LIMIT);
    assert_string_equal(e.id, "tiles.size");
    assert_true(tiles_size(t) == MERKLE_SIZE_MAX);
    tiles_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grow),         cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_cache_order),  cmocka_unit_test(test_older_roots),
        cmocka_unit_test(test_restore),      cmocka_unit_test(test_restore_refused),
        cmocka_unit_test(test_damaged_tile), cmocka_unit_test(test_failing_save),
        cmocka_unit_test(test_paths),        cmocka_unit_test(test_largest),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
