/* Sealing chunks, the id of a file, wrapping its key. */
#include "node/files/file_chunk.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

static const uint8_t key[FILE_KEY_SIZE] = {1, 2, 3};

static void test_counts(void **state)
{
    (void)state;
    static const struct {
        uint64_t size;
        uint32_t count;
        size_t last;
    } rows[] = {{1, 1, 1},
                {FILE_CHUNK_BYTES - 1, 1, FILE_CHUNK_BYTES - 1},
                {FILE_CHUNK_BYTES, 1, FILE_CHUNK_BYTES},
                {FILE_CHUNK_BYTES + 1, 2, 1},
                {FILE_BYTES_MAX - 1, FILE_CHUNKS_MAX, FILE_CHUNK_BYTES - 1},
                {FILE_BYTES_MAX, FILE_CHUNKS_MAX, FILE_CHUNK_BYTES}};
    for (size_t i = 0; i < array_count(rows); i++) {
        assert_int_equal(file_chunk_count(rows[i].size), rows[i].count);
        assert_int_equal(file_chunk_size(rows[i].size, rows[i].count - 1), rows[i].last);
        assert_int_equal(file_chunk_sealed_size(rows[i].size, rows[i].count - 1), rows[i].last + 32);
    }
}

/* Opens only with the same key, size and place, and not when any byte differs. */
static void test_seal(void **state)
{
    (void)state;
    const uint64_t size = FILE_CHUNK_BYTES + 500;
    uint8_t plain[500], sealed[532], again[532], out[500], other[FILE_KEY_SIZE] = {1, 2, 4};
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)i;
    file_chunk_seal(key, size, 1, bytes_of(plain, sizeof plain), sealed);
    file_chunk_seal(key, size, 1, bytes_of(plain, sizeof plain), again);
    assert_memory_not_equal(sealed, again, sizeof sealed); /* a salt of its own each time */
    struct bytes whole = bytes_of(sealed, sizeof sealed);
    assert_true(file_chunk_open(key, size, 1, whole, out));
    assert_memory_equal(out, plain, sizeof plain);
    assert_false(file_chunk_open(other, size, 1, whole, out));
    assert_false(file_chunk_open(key, size, 0, whole, out));
    assert_false(file_chunk_open(key, size + 1, 1, whole, out));
    assert_false(file_chunk_open(key, 500, 0, whole, out)); /* the same bytes as another file */
    assert_false(file_chunk_open(key, size, 1, bytes_of(sealed, sizeof sealed - 1), out));
    for (size_t at = 0; at < sizeof sealed; at += 7) {
        sealed[at] ^= 1;
        assert_false(file_chunk_open(key, size, 1, whole, out));
        sealed[at] ^= 1;
    }
}

static int hashes_node(void *ctx, unsigned level, uint64_t index, uint8_t out[MERKLE_HASH_SIZE], struct err *e)
{
    const struct merkle_hash *hashes = ctx;
    struct merkle_hash left, right;
    if (level == 0) {
        memcpy(out, hashes[index].b, MERKLE_HASH_SIZE);
        return 0;
    }
    int rc = hashes_node(ctx, level - 1, 2 * index, left.b, e);
    if (rc == 0)
        rc = hashes_node(ctx, level - 1, 2 * index + 1, right.b, e);
    merkle_node_hash(&left, &right, &left);
    memcpy(out, left.b, MERKLE_HASH_SIZE);
    return rc;
}

/* The id against the tree code of the ledger, for every shape up to 70 leaves and the largest. */
static void test_id(void **state)
{
    (void)state;
    struct merkle_hash *hashes = xcalloc(FILE_CHUNKS_MAX, sizeof *hashes);
    for (size_t i = 0; i < FILE_CHUNKS_MAX; i++)
        merkle_leaf_hash(bytes_of(&i, sizeof i), &hashes[i]);
    struct merkle_source source = {.node = hashes_node, .ctx = hashes};
    for (uint32_t n = 1; n <= FILE_CHUNKS_MAX; n = n == 70 ? FILE_CHUNKS_MAX : n + 1) {
        struct merkle_hash root;
        uint8_t be[8], want[32], got[32], differs[32];
        uint64_t size = (uint64_t)n * FILE_CHUNK_BYTES;
        assert_int_equal(merkle_root(&source, n, &root, NULL), 0);
        put_be64(be, size);
        const struct bytes parts[] = {bytes_of_string("tongban/file-id/1\n"), bytes_of(be, 8), bytes_of(root.b, 32)};
        crypto_sha256(parts, 3, want);
        file_id(size, hashes, n, got);
        assert_memory_equal(got, want, 32);
        file_id(size - 1, hashes, n, differs);
        assert_memory_not_equal(got, differs, 32); /* the size is in it */
        if (n == FILE_CHUNKS_MAX)
            break;
    }
    free(hashes);
}

static void test_wrap(void **state)
{
    (void)state;
    uint8_t case_key[32] = {7}, other[32] = {8}, id[FILE_ID_SIZE] = {9}, id2[FILE_ID_SIZE] = {10};
    uint8_t wrap[FILE_WRAP_SIZE], again[FILE_WRAP_SIZE], out[FILE_KEY_SIZE];
    file_key_wrap(case_key, id, key, wrap);
    file_key_wrap(case_key, id, key, again);
    assert_memory_equal(wrap, again, sizeof wrap);
    assert_true(file_key_unwrap(case_key, id, wrap, out));
    assert_memory_equal(out, key, sizeof out);
    assert_false(file_key_unwrap(other, id, wrap, out));
    assert_false(file_key_unwrap(case_key, id2, wrap, out)); /* not another file's */
    wrap[5] ^= 1;
    assert_false(file_key_unwrap(case_key, id, wrap, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_seal),
                                       cmocka_unit_test(test_id), cmocka_unit_test(test_wrap)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
