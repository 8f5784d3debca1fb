/* Heads: every row of vectors of many sizes opens and verifies for its member alone; what is no vector is refused.
 * Vectors and wrong openings: tests/vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/heads.h"
#include "node/base/prng.h"
#include "tests/lib/naive_tree.h"

static struct heads_row rows[HEADS_ROWS_MAX];

static void make_rows(size_t count)
{
    struct prng prng;
    prng_init(&prng, count);
    uint32_t code = 1; /* 1: STORE_NODE_HEADS never stands in a vector, but the format does not know it */
    for (size_t i = 0; i < count; i++) {
        rows[i] = (struct heads_row){
            .recipient = code, .last_seq = prng_next(&prng) >> 20, .last_index = prng_next(&prng) >> 30};
        prng_fill(&prng, rows[i].salt, sizeof rows[i].salt);
        code += 1 + (uint32_t)prng_below(&prng, 50);
    }
}

static void make_vector(size_t count, struct buf *out, struct heads_summary *ret)
{
    make_rows(count);
    buf_reset(out);
    heads_vector(rows, count, out, ret);
    assert_int_equal(out->size, count * HEADS_ROW_BYTES);
    assert_int_equal(ret->rows, count);
}

static void check_root(const struct buf *vector, const struct heads_summary *s)
{
    struct naive_tree tree = {.size = 0};
    struct merkle_hash expected;
    for (size_t i = 0; i < s->rows; i++)
        naive_tree_add(&tree, bytes_of(vector->data + i * HEADS_ROW_BYTES, HEADS_ROW_BYTES));
    naive_tree_hash(&tree, 0, s->rows, &expected);
    assert_memory_equal(s->root.b, expected.b, 32);
    naive_tree_close(&tree);
}

static void check_row(const struct buf *vector, const struct heads_summary *s, size_t i, struct buf *opening)
{
    struct heads_row row;
    buf_reset(opening);
    assert_int_equal(heads_open(buf_bytes(vector), rows[i].recipient, opening, NULL), 0);
    assert_true(opening->size <= HEADS_OPENING_BYTES_MAX);
    assert_int_equal(heads_verify(s, rows[i].recipient, buf_bytes(opening), &row, NULL), 0);
    assert_int_equal(row.recipient, rows[i].recipient);
    assert_int_equal(row.last_seq, rows[i].last_seq);
    assert_int_equal(row.last_index, rows[i].last_index);
    assert_memory_equal(row.salt, rows[i].salt, sizeof row.salt);
    if (i > 0) /* not for another one */
        assert_int_equal(heads_verify(s, rows[i - 1].recipient, buf_bytes(opening), &row, NULL), ERR_VERIFY);
}

static void test_all_sizes(void **state)
{
    (void)state;
    struct buf vector = {0}, opening = {0};
    struct heads_summary s = {.public_seq = 5};
    for (size_t count = 1; count <= 70; count++) {
        make_vector(count, &vector, &s);
        check_root(&vector, &s);
        for (size_t i = 0; i < count; i++)
            check_row(&vector, &s, i, &opening);
    }
    assert_int_equal(s.public_seq, 5); /* the caller's */
    buf_close(&vector);
    buf_close(&opening);
}

static void test_largest(void **state)
{
    (void)state;
    struct buf vector = {0}, opening = {0};
    struct heads_summary s = {0};
    make_vector(HEADS_ROWS_MAX, &vector, &s);
    assert_true(vector.size <= PAYLOAD_BYTES_MAX);
    check_root(&vector, &s);
    check_row(&vector, &s, 0, &opening);
    assert_int_equal(opening.size, HEADS_OPENING_BYTES_MAX);
    check_row(&vector, &s, HEADS_ROWS_MAX / 2, &opening);
    check_row(&vector, &s, HEADS_ROWS_MAX - 1, &opening);
    buf_close(&vector);
    buf_close(&opening);
}

static void test_empty(void **state)
{
    (void)state;
    struct buf vector = {0}, opening = {0};
    struct heads_summary s = {.rows = 9};
    struct heads_row row;
    struct merkle_hash expected;
    struct err e;
    heads_vector(NULL, 0, &vector, &s);
    merkle_empty_root(&expected);
    assert_memory_equal(s.root.b, expected.b, 32);
    assert_int_equal(s.rows, 0);
    assert_int_equal(heads_open(buf_bytes(&vector), 110000, &opening, &e), ERR_NOT_FOUND);
    assert_string_equal(e.id, "heads.no-row");
    uint8_t nothing[4 + HEADS_ROW_BYTES] = {0};
    assert_int_equal(heads_verify(&s, 0, bytes_of(nothing, sizeof nothing), &row, &e), ERR_VERIFY);
    buf_close(&vector);
    buf_close(&opening);
}

static void test_no_row(void **state)
{
    (void)state;
    struct buf vector = {0}, opening = {0};
    struct heads_summary s = {0};
    make_vector(9, &vector, &s);
    buf_put_string(&opening, "before");
    assert_int_equal(heads_open(buf_bytes(&vector), 0, &opening, NULL), ERR_NOT_FOUND);
    assert_int_equal(heads_open(buf_bytes(&vector), rows[8].recipient + 1, &opening, NULL), ERR_NOT_FOUND);
    for (size_t i = 0; i + 1 < 9; i++)
        if (rows[i].recipient + 1 < rows[i + 1].recipient)
            assert_int_equal(heads_open(buf_bytes(&vector), rows[i].recipient + 1, &opening, NULL), ERR_NOT_FOUND);
    assert_int_equal(opening.size, 6);
    buf_close(&vector);
    buf_close(&opening);
}

static void assert_no_vector(struct bytes vector, uint32_t recipient)
{
    struct buf opening = {0};
    struct err e = {0};
    assert_int_equal(heads_open(vector, recipient, &opening, &e), ERR_CORRUPT);
    assert_string_equal(e.id, "heads.vector");
    assert_int_equal(opening.size, 0);
    buf_close(&opening);
}

static void test_no_vector(void **state)
{
    (void)state;
    static uint8_t too_long[(HEADS_ROWS_MAX + 1) * HEADS_ROW_BYTES];
    struct buf vector = {0};
    struct heads_summary s = {0};
    make_vector(9, &vector, &s);
    for (size_t size = 1; size < vector.size; size++)
        if (size % HEADS_ROW_BYTES != 0)
            assert_no_vector(bytes_of(vector.data, size), rows[0].recipient);
    memcpy(vector.data + 3 * HEADS_ROW_BYTES, vector.data + 2 * HEADS_ROW_BYTES, HEADS_ROW_BYTES); /* one row twice */
    assert_no_vector(buf_bytes(&vector), rows[0].recipient);
    put_be32(vector.data + 3 * HEADS_ROW_BYTES, 0); /* not in order */
    assert_no_vector(buf_bytes(&vector), rows[0].recipient);
    for (uint32_t i = 0; i <= HEADS_ROWS_MAX; i++)
        put_be32(too_long + i * HEADS_ROW_BYTES, i);
    assert_no_vector(bytes_of(too_long, sizeof too_long), 1);
    buf_close(&vector);
}

/* No other byte string of an opening verifies. */
static void test_every_bit(void **state)
{
    (void)state;
    struct buf vector = {0}, opening = {0};
    struct heads_summary s = {0};
    struct heads_row row = {.last_seq = 77};
    make_vector(11, &vector, &s);
    check_row(&vector, &s, 9, &opening); /* at the ragged edge */
    for (size_t bit = 0; bit < opening.size * 8; bit++) {
        opening.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(heads_verify(&s, rows[9].recipient, buf_bytes(&opening), &row, NULL), ERR_VERIFY);
        opening.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size < opening.size; size++)
        assert_true(heads_verify(&s, rows[9].recipient, bytes_of(opening.data, size), &row, NULL) < 0);
    assert_int_equal(row.last_seq, 77);
    s.rows = 20; /* another tree, other places of the hashes */
    assert_int_equal(heads_verify(&s, rows[9].recipient, buf_bytes(&opening), &row, NULL), ERR_VERIFY);
    buf_close(&vector);
    buf_close(&opening);
}

/* The salt hides a row: the same numbers under another salt have another hash, so a neighbour cannot guess them. */
static void test_salt(void **state)
{
    (void)state;
    struct buf vector = {0};
    struct heads_summary one = {0}, two = {0};
    make_vector(4, &vector, &one);
    rows[2].salt[0] ^= 1;
    buf_reset(&vector);
    heads_vector(rows, 4, &vector, &two);
    assert_false(merkle_hash_equal(&one.root, &two.root));
    buf_close(&vector);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_sizes), cmocka_unit_test(test_largest),   cmocka_unit_test(test_empty),
        cmocka_unit_test(test_no_row),    cmocka_unit_test(test_no_vector), cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_salt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
