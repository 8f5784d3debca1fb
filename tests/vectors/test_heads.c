/* Heads: vector, root, leaf and openings are those of the file, each opening verifies for its own member alone, and what is
 * wrong is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/heads.h"
#include "tests/lib/vectors.h"

#define ROWS_MAX 40

static yyjson_doc *doc;
static yyjson_val *root;

static int set_up(void **state)
{
    (void)state;
    doc = vectors_load(VECTORS_FILE("heads"));
    root = yyjson_doc_get_root(doc);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    yyjson_doc_free(doc);
    return 0;
}

static void read_leaf(yyjson_val *c, struct leaf *ret, struct bytes *ret_encoded)
{
    static uint8_t raw[LEAF_BYTES_MAX];
    *ret_encoded = bytes_of(raw, vectors_hex(vectors_get(c, "leaf"), raw, sizeof raw));
    struct err e;
    if (leaf_decode(*ret_encoded, ret, &e) != 0)
        fail_msg("%s: %s", vectors_string(c, "name"), e.message);
}

static size_t read_rows(yyjson_val *c, struct heads_row *rows)
{
    size_t i, n;
    yyjson_val *row;
    yyjson_arr_foreach(vectors_get(c, "rows"), i, n, row)
    {
        rows[i].recipient = (uint32_t)vectors_u64(row, "recipient");
        rows[i].last_seq = vectors_u64(row, "last_seq");
        rows[i].last_index = vectors_u64(row, "last_index");
        vectors_hex32(vectors_get(row, "salt"), rows[i].salt);
    }
    return n;
}

static void check_leaf(yyjson_val *c, const struct heads_summary *summary)
{
    struct leaf leaf;
    struct bytes encoded;
    struct heads_summary read;
    uint8_t storage[HEADS_STORAGE_SIZE];
    struct buf again = {0};
    read_leaf(c, &leaf, &encoded);
    assert_int_equal(heads_of_leaf(&leaf, &read, NULL), 0);
    assert_memory_equal(read.root.b, summary->root.b, 32);
    assert_int_equal(read.rows, summary->rows);
    assert_int_equal(read.public_seq, vectors_u64(c, "public_seq"));
    leaf.kind = LEAF_KIND_EVENT; /* what heads_to_leaf() has to set */
    memset(leaf.attrs, 0, sizeof leaf.attrs);
    heads_to_leaf(&read, storage, &leaf);
    assert_int_equal(leaf_encode(&leaf, &again, NULL), 0);
    assert_true(bytes_equal(buf_bytes(&again), encoded));
    buf_close(&again);
}

static void check_openings(yyjson_val *c, const struct heads_summary *s, const struct heads_row *rows,
                           struct bytes vector)
{
    size_t i, n;
    yyjson_val *row;
    yyjson_arr_foreach(vectors_get(c, "rows"), i, n, row)
    {
        uint8_t raw[HEADS_OPENING_BYTES_MAX];
        struct bytes expected = bytes_of(raw, vectors_hex(vectors_get(row, "opening"), raw, sizeof raw));
        struct buf out = {0};
        struct heads_row read;
        assert_int_equal(heads_open(vector, rows[i].recipient, &out, NULL), 0);
        assert_true(bytes_equal(buf_bytes(&out), expected));
        assert_int_equal(heads_verify(s, rows[i].recipient, expected, &read, NULL), 0);
        assert_int_equal(read.recipient, rows[i].recipient);
        assert_int_equal(read.last_seq, rows[i].last_seq);
        assert_int_equal(read.last_index, rows[i].last_index);
        assert_memory_equal(read.salt, rows[i].salt, sizeof read.salt);
        assert_int_equal(heads_verify(s, rows[i].recipient + 1, expected, &read, NULL), ERR_VERIFY);
        buf_close(&out);
    }
}

static void test_valid(void **state)
{
    (void)state;
    static uint8_t raw[ROWS_MAX * HEADS_ROW_BYTES];
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(root, "cases"), i, n, c)
    {
        struct heads_row rows[ROWS_MAX];
        struct heads_summary summary = {0};
        struct buf vector = {0};
        uint8_t expected[32];
        size_t count = read_rows(c, rows);
        heads_vector(rows, count, &vector, &summary);
        assert_true(
            bytes_equal(buf_bytes(&vector), bytes_of(raw, vectors_hex(vectors_get(c, "vector"), raw, sizeof raw))));
        vectors_hex32(vectors_get(c, "root"), expected);
        assert_memory_equal(summary.root.b, expected, 32);
        assert_int_equal(summary.rows, count);
        check_leaf(c, &summary);
        check_openings(c, &summary, rows, buf_bytes(&vector));
        buf_close(&vector);
    }
    assert_int_equal(n, 9);
}

static void test_must_reject(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(root, "must_reject"), i, n, c)
    {
        uint8_t raw[2 * HEADS_OPENING_BYTES_MAX];
        struct leaf leaf;
        struct bytes encoded;
        struct heads_summary summary;
        struct heads_row row = {.recipient = 77};
        struct err e = {0};
        read_leaf(c, &leaf, &encoded);
        assert_int_equal(heads_of_leaf(&leaf, &summary, NULL), 0);
        struct bytes opening = bytes_of(raw, vectors_hex(vectors_get(c, "opening"), raw, sizeof raw));
        int rc = heads_verify(&summary, (uint32_t)vectors_u64(c, "recipient"), opening, &row, &e);
        if ((rc != ERR_VERIFY && rc != ERR_INVALID) || strcmp(e.id, vectors_string(c, "id")) != 0)
            fail_msg("%s: %d %s", vectors_string(c, "name"), rc, e.id);
        assert_int_equal(row.recipient, 77);
    }
    assert_int_equal(n, 13);
}

static void test_must_reject_leaf(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(root, "must_reject_leaf"), i, n, c)
    {
        struct leaf leaf;
        struct bytes encoded;
        struct heads_summary summary = {.rows = 77};
        struct err e = {0};
        read_leaf(c, &leaf, &encoded);
        if (heads_of_leaf(&leaf, &summary, &e) != ERR_INVALID)
            fail_msg("accepted: %s", vectors_string(c, "name"));
        assert_string_equal(e.id, "heads.form");
        assert_int_equal(summary.rows, 77);
    }
    assert_int_equal(n, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_must_reject),
        cmocka_unit_test(test_must_reject_leaf),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
