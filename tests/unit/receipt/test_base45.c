/* Base45: the examples of RFC 9285, every pair of bytes there and back, and what is no Base45. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/base45.h"
#include "node/base/xassert.h"

static void test_examples(void **state)
{
    static const char *const rows[][2] = {
        {"AB", "BB8"}, {"Hello!!", "%69 VD92EX0"}, {"base-45", "UJCLQE7W581"}, {"ietf!", "QED8WEX0"}, {"", ""}};
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct buf text = {0}, back = {0};
        base45_encode(bytes_of_string(rows[i][0]), &text);
        assert_string_equal(buf_cstr(&text), rows[i][1]);
        assert_int_equal(text.size, base45_encoded_size(strlen(rows[i][0])));
        assert_int_equal(base45_decode(buf_bytes(&text), &back, NULL), 0);
        assert_string_equal(buf_cstr(&back), rows[i][0]);
        buf_close(&text);
        buf_close(&back);
    }
}

/* All byte strings of one and two bytes, behind two others. */
static void test_there_and_back(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 65536 + 256; v++) {
        uint8_t in[4] = {1, 2, (uint8_t)(v >> 8), (uint8_t)v};
        size_t size = 4;
        if (v >= 65536) {
            in[2] = (uint8_t)v;
            size = 3;
        }
        struct buf text = {0}, back = {0};
        base45_encode(bytes_of(in, size), &text);
        assert_int_equal(base45_decode(buf_bytes(&text), &back, NULL), 0);
        assert_true(bytes_equal(buf_bytes(&back), bytes_of(in, size)));
        buf_close(&text);
        buf_close(&back);
    }
}

/* Of all texts of two and of three characters exactly those are read that encoding gives. */
static void test_only_one_text(void **state)
{
    size_t pairs = 0, triples = 0;
    (void)state;
    for (unsigned v = 0; v < 128u * 128u * 128u; v++) {
        char text[3] = {(char)(v & 127), (char)(v >> 7 & 127), (char)(v >> 14)};
        struct buf out = {0}, again = {0};
        if (v < 128u * 128u && base45_decode(bytes_of(text, 2), &out, NULL) == 0) {
            base45_encode(buf_bytes(&out), &again);
            assert_memory_equal(again.data, text, 2);
            pairs++;
        }
        buf_reset(&out);
        buf_reset(&again);
        if (base45_decode(bytes_of(text, 3), &out, NULL) == 0) {
            base45_encode(buf_bytes(&out), &again);
            assert_memory_equal(again.data, text, 3);
            triples++;
        }
        buf_close(&out);
        buf_close(&again);
    }
    assert_int_equal(pairs, 256);
    assert_int_equal(triples, 65536);
}

static void test_refused(void **state)
{
    static const char *const rows[] = {"B", "BB8B", "GGW", "::", "bb8", "BB8\n", ":::", "BB\xc3"};
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct buf out = {0};
        struct err e = {0};
        buf_put_string(&out, "before");
        assert_int_equal(base45_decode(bytes_of_string(rows[i]), &out, &e), ERR_INVALID);
        assert_string_equal(e.id, "receipt.base45");
        assert_string_equal(buf_cstr(&out), "before");
        buf_close(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_only_one_text),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
