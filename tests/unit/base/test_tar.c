/* Goal: what is written is read again however the pieces are cut; whatever else comes is refused before it becomes a file. Method:
 * every cut of a small archive; every field of a header damaged. That other programs read it: tests/whole/test_archive.py. */
#include "node/base/tar.h"

#include <string.h>

#include "node/base/xassert.h"
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

struct seen {
    struct buf text; /* "name size:content;" of each file */
    bool refuse;
};

static int begin(void *ctx, const char *name, uint64_t size, struct err *e)
{
    struct seen *s = ctx;
    if (s->refuse)
        return err_set(e, ERR_FULL, "test.full", "no room for '%s'", name);
    buf_printf(&s->text, "%s %llu:", name, (unsigned long long)size);
    return 0;
}

static int data(void *ctx, struct bytes piece, struct err *e)
{
    struct seen *s = ctx;
    (void)e;
    buf_put(&s->text, piece.data, piece.size);
    return 0;
}

static int end(void *ctx, struct err *e)
{
    struct seen *s = ctx;
    (void)e;
    buf_put_string(&s->text, ";");
    return 0;
}

static struct tar_reader tar_of(struct seen *s)
{
    return (struct tar_reader){.sink = {.begin = begin, .data = data, .end = end, .ctx = s}};
}

static void put(struct buf *out, const char *name, const char *content)
{
    tar_put_header(out, "case", name, strlen(content), 1700000000);
    buf_put_string(out, content);
    tar_put_padding(out, strlen(content));
}

static void test_round_trip(void **state)
{
    (void)state;
    struct buf tar = {0};
    char block[TAR_BLOCK_SIZE + 1] = {0}, name[TAR_NAME_MAX + 1] = {0};
    memset(block, 'x', TAR_BLOCK_SIZE); /* no padding at all */
    memset(name, 'n', TAR_NAME_MAX);
    put(&tar, "a", "hello");
    put(&tar, "empty", "");
    put(&tar, name, block);
    tar_put_end(&tar);
    assert_int_equal(tar.size, 7 * TAR_BLOCK_SIZE);
    for (size_t cut = 1; cut < tar.size; cut++) {
        struct seen s = {0};
        struct tar_reader t = tar_of(&s);
        struct err e = {0};
        assert_int_equal(tar_read(&t, bytes_of(tar.data, cut), &e), 0);
        assert_false(tar_is_whole(&t));
        assert_int_equal(tar_read(&t, bytes_of(tar.data + cut, tar.size - cut), &e), 0);
        assert_true(tar_is_whole(&t));
        struct buf expected = {0};
        buf_printf(&expected, "case/a 5:hello;case/empty 0:;case/%s 512:%s;", name, block);
        assert_string_equal(buf_cstr(&s.text), buf_cstr(&expected));
        buf_close(&expected);
        buf_close(&s.text);
    }
    buf_close(&tar);
}

static void test_damaged(void **state)
{
    (void)state;
    struct buf tar = {0};
    put(&tar, "a", "hello");
    tar_put_end(&tar);
    for (size_t at = 0; at < TAR_BLOCK_SIZE; at++) { /* the checksum sees each, and a damaged checksum does not fit */
        struct seen s = {0};
        struct tar_reader t = tar_of(&s);
        struct err e = {0};
        tar.data[at] ^= 1;
        bool counts = at < 148 || at > 155 || at < 154; /* the last two of the checksum's field end it */
        int rc = tar_read(&t, buf_bytes(&tar), &e);
        if (counts)
            assert_int_equal(rc, ERR_INVALID);
        if (rc != 0)
            assert_string_equal(e.id, "archive.tar");
        tar.data[at] ^= 1;
        buf_close(&s.text);
    }
    struct seen s = {.refuse = true};
    struct tar_reader t = tar_of(&s);
    struct err e = {0};
    assert_int_equal(tar_read(&t, buf_bytes(&tar), &e), ERR_FULL);
    assert_string_equal(e.message, "no room for 'case/a'");
    buf_close(&tar);
}

/* A link, a folder, a file behind the end: none of our archives has them. */
static void test_foreign(void **state)
{
    (void)state;
    for (const char *type = "12345L"; *type != '\0'; type++) {
        struct buf tar = {0};
        struct seen s = {0};
        struct tar_reader t = tar_of(&s);
        struct err e = {0};
        put(&tar, "a", "");
        tar.data[155] = ' ';
        unsigned sum = 0;
        tar.data[156] = (uint8_t)*type;
        for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
            sum += i >= 148 && i < 156 ? ' ' : tar.data[i];
        for (int digit = 5; digit >= 0; digit--, sum /= 8)
            tar.data[148 + digit] = (uint8_t)('0' + sum % 8);
        assert_int_equal(tar_read(&t, buf_bytes(&tar), &e), ERR_INVALID);
        assert_string_equal(e.id, "archive.tar");
        buf_close(&tar);
        buf_close(&s.text);
    }
    struct buf tar = {0};
    struct seen s = {0};
    struct tar_reader t = tar_of(&s);
    struct err e = {0};
    tar_put_end(&tar);
    put(&tar, "a", "late");
    assert_int_equal(tar_read(&t, buf_bytes(&tar), &e), ERR_INVALID);
    buf_close(&tar);
    buf_close(&s.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_damaged),
                                       cmocka_unit_test(test_foreign)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
