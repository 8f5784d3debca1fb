/* Errors: text, cutting, context, errno, and the one table behind HTTP statuses and exit codes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/err.h"
#include "node/base/utf8.h"

static void test_set(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(err_set(&e, ERR_LIMIT, "leaf.size", "leaf has %d bytes, limit %d", 70000, 65535), ERR_LIMIT);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.id, "leaf.size");
    assert_string_equal(e.message, "leaf has 70000 bytes, limit 65535");
    assert_string_equal(e.hint, "");
    err_hint(&e, "split it in %d", 2);
    assert_string_equal(e.hint, "split it in 2");
    assert_int_equal(err_set(&e, ERR_INVALID, "a.b", "again: %s", e.message), ERR_INVALID); /* its own text inside */
    assert_string_equal(e.message, "again: leaf has 70000 bytes, limit 65535");
    assert_string_equal(e.hint, "");
}

static void test_null(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, ERR_BUSY, "a.b", "x"), ERR_BUSY);
    assert_int_equal(err_set_errno(NULL, ERR_IO, "a.b", ENOSPC, "x"), ERR_FULL);
    assert_int_equal(err_wrap(NULL, "x"), ERR_INTERNAL);
    err_hint(NULL, "x");
}

static void test_wrap(void **state)
{
    (void)state;
    struct err e;
    (void)err_set(&e, ERR_VERIFY, "merkle.root", "root differs");
    assert_int_equal(err_wrap(&e, "batch from '%s'", "js"), ERR_VERIFY);
    assert_string_equal(e.message, "batch from 'js': root differs");
    assert_string_equal(e.id, "merkle.root");
}

static void test_errno(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(err_set_errno(&e, ERR_IO, "file.open", ENOENT, "cannot open '%s'", "/x"), ERR_IO);
    assert_string_equal(e.message, "cannot open '/x': No such file or directory");
    assert_int_equal(err_set_errno(&e, ERR_IO, "file.write", ENOSPC, "cannot write"), ERR_FULL);
    assert_int_equal(err_set_errno(&e, ERR_IO, "file.write", EDQUOT, "cannot write"), ERR_FULL);
    assert_int_equal(e.code, ERR_FULL);
}

/* A text that is too long is cut between characters, wherever the cut falls. */
static void test_cut(void **state)
{
    (void)state;
    char longest[600];
    for (size_t shift = 0; shift < 3; shift++) {
        struct err e;
        size_t size = 0;
        while (size < shift)
            longest[size++] = 'a';
        while (size + 3 < sizeof longest) {
            memcpy(longest + size, "\xe9\x80\x9a", 3);
            size += 3;
        }
        longest[size] = '\0';
        (void)err_set(&e, ERR_INVALID, "a.b", "%s", longest);
        assert_true(strlen(e.message) > sizeof e.message - 4);
        assert_true(utf8_is_valid(e.message, strlen(e.message)));
        (void)err_wrap(&e, "%s", longest);
        assert_true(utf8_is_valid(e.message, strlen(e.message)));
        err_hint(&e, "%s", longest);
        assert_true(utf8_is_valid(e.hint, strlen(e.hint)));
    }
}

static void test_table(void **state)
{
    (void)state;
    static const int codes[] = {
#define X(name, value, text, http, exit) name,
        ERR_CODES(X)
#undef X
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        assert_true(codes[i] < 0);
        assert_true(err_http_status(codes[i]) >= 400 && err_http_status(codes[i]) < 600);
        assert_true(err_exit_code(codes[i]) > 1 && err_exit_code(codes[i]) < 64);
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(codes[i], codes[k]);
            assert_string_not_equal(err_name(codes[i]), err_name(codes[k]));
        }
    }
    assert_string_equal(err_name(0), "ok");
    assert_int_equal(err_http_status(0), 200);
    assert_int_equal(err_exit_code(0), 0);
    assert_string_equal(err_name(-9999), "internal");
    assert_int_equal(err_http_status(-9999), 500);
    assert_int_equal(err_exit_code(12345), err_exit_code(ERR_INTERNAL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),   cmocka_unit_test(test_null), cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_errno), cmocka_unit_test(test_cut),  cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
