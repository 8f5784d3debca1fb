/* Tile paths and widths (C2SP tlog-tiles), and the dense numbering of golang/mod, which this program does not use but whose
 * vectors check the order in which nodes of a growing tree become complete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/tiles.h"
#include "tests/lib/vectors.h"

static yyjson_doc *doc;

static int set_up(void **state)
{
    (void)state;
    doc = vectors_load(VECTORS_FILE("tiles_and_storage_index"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    yyjson_doc_free(doc);
    return 0;
}

static void test_paths(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(doc), "tile_path"), i, n, c)
    {
        char expected[TILES_PATH_SIZE], actual[TILES_PATH_SIZE];
        unsigned level = 9, width = 0;
        uint64_t index = UINT64_MAX;
        (void)snprintf(expected, sizeof expected, "tile/1/%s", vectors_string(c, "path"));
        tiles_format_path(1, vectors_u64(c, "n"), TILES_WIDTH, actual);
        assert_string_equal(expected, actual);
        assert_int_equal(tiles_parse_path(bytes_of_string(expected), &level, &index, &width, NULL), 0);
        assert_int_equal(level, 1);
        assert_int_equal(index, vectors_u64(c, "n"));
        assert_int_equal(width, TILES_WIDTH);
    }
    assert_int_equal(n, 5);
}

static void test_widths(void **state)
{
    (void)state;
    size_t i, n, l, levels;
    yyjson_val *c, *row;
    yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(doc), "partial_widths"), i, n, c)
    {
        yyjson_arr_foreach(vectors_get(c, "levels"), l, levels, row)
        {
            uint64_t full;
            unsigned partial;
            tiles_widths(vectors_u64(c, "size"), (unsigned)vectors_u64(row, "level"), &full, &partial);
            assert_int_equal(full, vectors_u64(row, "full"));
            assert_int_equal(partial, vectors_u64(row, "partial"));
        }
        for (; levels < TILES_LEVEL_COUNT; levels++) { /* levels the vector does not list are empty */
            uint64_t full;
            unsigned partial;
            tiles_widths(vectors_u64(c, "size"), (unsigned)levels, &full, &partial);
            assert_int_equal(full, 0);
            assert_int_equal(partial, 0);
        }
    }
    assert_int_equal(n, 6);
}

/* golang/mod sumdb/tlog: a tree written in the order in which nodes are complete. */
static uint64_t stored_hash_index(unsigned level, uint64_t n)
{
    for (unsigned l = 0; l < level; l++)
        n = 2 * n + 1;
    uint64_t index = 0;
    for (; n > 0; n >>= 1)
        index += n;
    return index + level;
}

static void test_stored_hash_index(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(doc), "stored_hash_index"), i, n, c)
    {
        uint64_t index = stored_hash_index((unsigned)vectors_u64(c, "level"), vectors_u64(c, "n"));
        assert_int_equal(index, vectors_u64(c, "index"));
    }
    assert_int_equal(n, 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_stored_hash_index),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
