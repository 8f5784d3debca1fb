/* node/recent: holds the newest entries, forgets the oldest by count and by bytes, never mixes them up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/xassert.h"
#include "node/recent.h"

static void put(struct recent *r, uint64_t index, size_t payload_size)
{
    uint8_t leaf[8];
    uint8_t *payload = xcalloc(1, payload_size);
    put_be64(leaf, index);
    memset(payload, (int)index & 0xff, payload_size);
    recent_put(r, &(struct recent_entry){.index = index,
                                         .recipient_count = 1,
                                         .recipients = {(uint32_t)index},
                                         .leaf = bytes_of(leaf, sizeof leaf),
                                         .payload = bytes_of(payload, payload_size)});
    free(payload);
}

static void check(const struct recent *r, uint64_t index)
{
    const struct recent_entry *e = recent_get(r, index);
    assert_non_null(e);
    assert_int_equal(get_be64(e->leaf.data), index);
    assert_int_equal(e->recipients[0], (uint32_t)index);
    if (e->payload.size > 0)
        assert_int_equal(e->payload.data[e->payload.size - 1], (uint8_t)index);
}

static void test_count(void **state)
{
    (void)state;
    struct recent *r = recent_create();
    assert_null(recent_get(r, 0));
    assert_true(recent_first(r) == UINT64_MAX);
    for (uint64_t i = 100; i < 100 + RECENT_COUNT_MAX + 50; i++)
        put(r, i, 10);
    assert_int_equal(recent_first(r), 150);
    assert_null(recent_get(r, 149));
    assert_null(recent_get(r, 100 + RECENT_COUNT_MAX + 50));
    for (uint64_t i = 150; i < 100 + RECENT_COUNT_MAX + 50; i++)
        check(r, i);
    recent_destroy(r);
}

static void test_bytes(void **state)
{
    (void)state;
    struct recent *r = recent_create();
    for (uint64_t i = 0; i < 100; i++)
        put(r, i, 250u << 10);
    assert_in_range(recent_bytes(r), RECENT_BYTES_MAX - (256u << 10), RECENT_BYTES_MAX);
    uint64_t first = recent_first(r);
    assert_true(first > 60 && first < 100); /* 8 MiB hold 32 of them */
    for (uint64_t i = first; i < 100; i++)
        check(r, i);
    recent_destroy(r);
}

static void test_gap(void **state)
{
    (void)state;
    struct recent *r = recent_create();
    put(r, 5, 1);
    put(r, 6, 1);
    put(r, 9, 1); /* after a reload: what was before is another life's */
    assert_int_equal(recent_first(r), 9);
    assert_null(recent_get(r, 6));
    check(r, 9);
    recent_clear(r);
    assert_true(recent_first(r) == UINT64_MAX);
    recent_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_count), cmocka_unit_test(test_bytes),
                                       cmocka_unit_test(test_gap)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
