/* Buffers, cursors, hex, base64, decimals: round trips, every limit, and texts that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/bytes.h"
#include "node/base/prng.h"

static void test_compare(void **state)
{
    (void)state;
    struct bytes empty = bytes_of(NULL, 0);
    assert_true(bytes_equal(empty, bytes_of("", 0)));
    assert_false(bytes_equal(empty, bytes_of("a", 1)));
    assert_true(bytes_compare(bytes_of("a", 1), bytes_of("b", 1)) < 0);
    assert_true(bytes_compare(bytes_of("\xff", 1), bytes_of("\x01", 1)) > 0); /* unsigned */
    assert_true(bytes_compare(bytes_of("a", 1), bytes_of("ab", 2)) < 0);
    assert_true(bytes_compare(bytes_of("b", 1), bytes_of("ab", 2)) > 0);
    assert_int_equal(bytes_compare(empty, empty), 0);
}

static void test_integers(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_put_u8(&b, 0x01);
    buf_put_u16(&b, 0x0203);
    buf_put_u32(&b, 0x04050607);
    buf_put_u64(&b, 0x08090a0b0c0d0e0f);
    assert_memory_equal(b.data, "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", 15);
    struct reader r = reader_of(buf_bytes(&b));
    assert_int_equal(read_u8(&r), 0x01);
    assert_int_equal(read_u16(&r), 0x0203);
    assert_int_equal(read_u32(&r), 0x04050607);
    assert_false(reader_done(&r));
    assert_int_equal(read_u64(&r), 0x08090a0b0c0d0e0f);
    assert_true(reader_done(&r));
    buf_close(&b);
}

static void test_reader_failure_sticks(void **state)
{
    (void)state;
    struct reader r = reader_of(bytes_of("abc", 3));
    uint8_t out[4] = {9, 9, 9, 9};
    assert_int_equal(read_u32(&r), 0);
    assert_true(r.failed);
    assert_int_equal(read_u8(&r), 0); /* would fit, but the failure stays */
    read_copy(&r, out, 2);
    assert_int_equal(out[0], 0);
    assert_int_equal(read_bytes(&r, 0).size, 0);
    assert_int_equal(reader_left(&r), 0);
    assert_false(reader_done(&r));

    r = reader_of(bytes_of(NULL, 0));
    assert_true(reader_done(&r));
    assert_int_equal(read_bytes(&r, SIZE_MAX).size, 0);
    assert_true(r.failed);
}

static void test_reader_lines(void **state)
{
    (void)state;
    struct reader r = reader_of(bytes_of_string("one\n\ntwo"));
    assert_true(bytes_equal(read_until_newline(&r), bytes_of_string("one")));
    assert_int_equal(read_until_newline(&r).size, 0);
    assert_false(r.failed);
    assert_int_equal(read_until_newline(&r).size, 0); /* "two" has no end */
    assert_true(r.failed);
    r = reader_of(bytes_of("", 0));
    (void)read_until_newline(&r);
    assert_true(r.failed);
}

static void test_buf_limit(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5);
    buf_put(&b, "abc", 3);
    buf_put(&b, "def", 3); /* does not fit: nothing of it is taken */
    assert_true(b.failed);
    assert_true(bytes_equal(buf_bytes(&b), bytes_of("abc", 3)));
    buf_put_u8(&b, 'x'); /* would fit, but the failure stays */
    assert_int_equal(b.size, 3);
    assert_string_equal(buf_cstr(&b), "abc");
    buf_reset(&b);
    assert_false(b.failed);
    buf_printf(&b, "%s", "12345");
    assert_false(b.failed);
    buf_printf(&b, "%d", 6);
    assert_true(b.failed);
    assert_string_equal(buf_cstr(&b), "12345");
    buf_close(&b);
    assert_int_equal(b.size_max, 5);
}

static void test_buf_take(void **state)
{
    (void)state;
    struct buf b = {0};
    size_t size = 99;
    uint8_t *data = buf_take(&b, &size); /* empty, but never NULL */
    assert_non_null(data);
    assert_int_equal(size, 0);
    assert_int_equal(data[0], 0);
    free(data);
    for (int i = 0; i < 10000; i++)
        buf_put_u8(&b, (uint8_t)i);
    data = buf_take(&b, &size);
    assert_int_equal(size, 10000);
    assert_int_equal(data[9999], (uint8_t)9999);
    assert_int_equal(b.size, 0);
    free(data);
    buf_close(&b);
}

static void test_hex(void **state)
{
    (void)state;
    static const char *const bad[] = {"0", "0g", "g0", " 0", "0x", "00 ", "\xe2\x80"};
    uint8_t out[4];
    char text[9];
    size_t size;
    hex_encode("\x00\x0f\xf0\xff", 4, text);
    assert_string_equal(text, "000ff0ff");
    assert_int_equal(hex_decode("000fF0Ff", 8, out, sizeof out, &size), 0);
    assert_int_equal(size, 4);
    assert_memory_equal(out, "\x00\x0f\xf0\xff", 4);
    assert_int_equal(hex_decode("", 0, out, sizeof out, &size), 0);
    assert_int_equal(size, 0);
    assert_int_equal(hex_decode("0011223344", 10, out, sizeof out, &size), ERR_LIMIT);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(hex_decode(bad[i], strlen(bad[i]), out, sizeof out, &size), ERR_INVALID);
}

static void test_base64(void **state)
{
    (void)state;
    /* RFC 4648 s10 */
    static const struct {
        const char *plain, *text;
    } rows[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    static const char *const bad[] = {
        "Z",    "Zg",       "Zg=",    "Zg===", "Zh==", "Zm9=", "Zm9v=",    "=",    "====",
        "=g==", "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm 9", "Zm-_", "Zm8=Zm8=", "Z=9v", "Zg=v",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[16];
        uint8_t out[8];
        size_t size = 99;
        assert_int_equal(base64_encoded_size(strlen(rows[i].plain)), strlen(rows[i].text));
        base64_encode(rows[i].plain, strlen(rows[i].plain), text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(base64_decode(text, strlen(text), out, sizeof out, &size), 0);
        assert_int_equal(size, strlen(rows[i].plain));
        assert_memory_equal(out, rows[i].plain, size);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t out[8];
        size_t size;
        if (base64_decode(bad[i], strlen(bad[i]), out, sizeof out, &size) != ERR_INVALID)
            fail_msg("accepted '%s'", bad[i]);
    }
    uint8_t out[2];
    size_t size;
    assert_int_equal(base64_decode("Zm9v", 4, out, sizeof out, &size), ERR_LIMIT);
}

/* One text per value: whatever decodes encodes to the same text. */
static void test_base64_is_canonical(void **state)
{
    (void)state;
    static const char digits[] = "ABab019+/=-\n";
    struct prng prng;
    size_t accepted = 0;
    prng_init(&prng, 31);
    for (int round = 0; round < 200000; round++) {
        char text[8], again[9];
        uint8_t out[8];
        size_t size;
        for (int i = 0; i < 8; i++)
            text[i] = digits[prng_below(&prng, sizeof digits - 1)];
        size_t length = prng_below(&prng, 9);
        if (base64_decode(text, length, out, sizeof out, &size) != 0)
            continue;
        base64_encode(out, size, again);
        assert_int_equal(strlen(again), length);
        assert_memory_equal(again, text, length);
        accepted++;
    }
    assert_true(accepted > 1000);
}

static void test_decimal(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "00",
                                      "01",
                                      "+1",
                                      "-1",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "0x1",
                                      "1e3",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "184467440737095516150"};
    uint64_t value = 7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(decimal_parse(bytes_of_string(bad[i]), &value), ERR_INVALID);
    assert_int_equal(decimal_parse(bytes_of("1\0", 2), &value), ERR_INVALID);
    assert_int_equal(value, 7);
    assert_int_equal(decimal_parse(bytes_of_string("0"), &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(decimal_parse(bytes_of_string("18446744073709551615"), &value), 0);
    assert_true(value == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_reader_failure_sticks),
        cmocka_unit_test(test_reader_lines),
        cmocka_unit_test(test_buf_limit),
        cmocka_unit_test(test_buf_take),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64_is_canonical),
        cmocka_unit_test(test_decimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
