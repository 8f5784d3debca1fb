/* Arena: alignment, zeroed memory, nothing overlaps, copies are copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/arena.h"
#include "node/base/prng.h"

static void test_alloc(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    struct prng prng;
    struct {
        uint8_t *at;
        size_t size;
    } blocks[300];
    prng_init(&prng, 1);
    for (size_t i = 0; i < 300; i++) {
        blocks[i].size = prng_below(&prng, i % 20 == 0 ? 20000 : 200);
        blocks[i].at = arena_alloc(&a, blocks[i].size);
        assert_int_equal((uintptr_t)blocks[i].at % alignof(max_align_t), 0);
        for (size_t k = 0; k < blocks[i].size; k++)
            assert_int_equal(blocks[i].at[k], 0);
        memset(blocks[i].at, (int)(i % 255 + 1), blocks[i].size);
    }
    for (size_t i = 0; i < 300; i++)
        for (size_t k = 0; k < blocks[i].size; k++)
            if (blocks[i].at[k] != i % 255 + 1)
                fail_msg("block %zu was written over at %zu", i, k);
    arena_close(&a);
    assert_null(a.chunks);
    arena_close(&a); /* twice is fine */
}

static void test_copies(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    char text[] = "\xe9\x80\x9a\xe5\x8a\x9e text";
    char *copy = arena_strdup(&a, text);
    char *part = arena_strndup(&a, text, 3);
    struct bytes bytes = arena_bytes(&a, bytes_of(text, 6));
    struct bytes nothing = arena_bytes(&a, bytes_of(NULL, 0));
    char *printed = arena_printf(&a, "%s-%d", text, 42);
    memset(text, 'x', sizeof text - 1);
    assert_string_equal(copy, "\xe9\x80\x9a\xe5\x8a\x9e text");
    assert_string_equal(part, "\xe9\x80\x9a");
    assert_int_equal(bytes.size, 6);
    assert_memory_equal(bytes.data, "\xe9\x80\x9a\xe5\x8a\x9e", 6);
    assert_int_equal(nothing.size, 0);
    assert_string_equal(printed, "\xe9\x80\x9a\xe5\x8a\x9e text-42");
    arena_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc),
        cmocka_unit_test(test_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
