/* Hash map against a plain array of the same content, through growth, removal and tombstones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/map.h"
#include "node/base/prng.h"

#define KEYS 500

static int values[2][KEYS]; /* two values per key */

static void test_empty(void **state)
{
    (void)state;
    struct map m;
    size_t at = 0;
    const void *key;
    void *value;
    map_init(&m, 1);
    assert_null(map_get(&m, "a", 1));
    assert_null(map_remove(&m, "a", 1));
    assert_false(map_next(&m, &at, &key, &value));
    map_close(&m);
}

static void test_keys(void **state)
{
    (void)state;
    uint8_t longest[MAP_KEY_BYTES_MAX] = {0};
    struct map m;
    int a, b;
    map_init(&m, 2);
    assert_null(map_put(&m, "", 0, &a)); /* the empty key is a key */
    assert_null(map_put(&m, "k", 1, &b));
    assert_null(map_put(&m, "k\0", 2, &a)); /* length counts */
    assert_null(map_put(&m, longest, sizeof longest, &b));
    assert_ptr_equal(map_get(&m, "", 0), &a);
    assert_ptr_equal(map_get(&m, "k", 1), &b);
    assert_ptr_equal(map_get(&m, "k\0", 2), &a);
    assert_ptr_equal(map_get(&m, longest, sizeof longest), &b);
    longest[MAP_KEY_BYTES_MAX - 1] = 1;
    assert_null(map_get(&m, longest, sizeof longest));
    assert_ptr_equal(map_put(&m, "k", 1, &a), &b); /* gives back what was there */
    assert_int_equal(m.count, 4);
    map_close(&m);
}

/* Goes through the map and removes every second key on the way. */
static void remove_half(struct map *m, void **model)
{
    size_t at = 0;
    size_t seen = 0;
    size_t count = m->count;
    const void *key;
    void *value;
    while (map_next(m, &at, &key, &value)) {
        uint32_t k;
        memcpy(&k, key, sizeof k);
        assert_ptr_equal(model[k], value);
        if (seen++ % 2 == 0) {
            assert_ptr_equal(map_remove(m, &k, sizeof k), value);
            model[k] = NULL;
        }
    }
    assert_int_equal(seen, count);
}

static void test_against_model(void **state)
{
    (void)state;
    void *model[KEYS] = {NULL};
    struct prng prng;
    struct map m;
    size_t largest = 0;
    prng_init(&prng, 3);
    map_init(&m, 3);
    for (int step = 0; step < 200000; step++) {
        uint32_t key = (uint32_t)prng_below(&prng, KEYS);
        void *value = &values[prng_below(&prng, 2)][key];
        switch (prng_below(&prng, 3)) {
        case 0:
            assert_ptr_equal(map_put(&m, &key, sizeof key, value), model[key]);
            model[key] = value;
            break;
        case 1:
            assert_ptr_equal(map_remove(&m, &key, sizeof key), model[key]);
            model[key] = NULL;
            break;
        default:
            assert_ptr_equal(map_get(&m, &key, sizeof key), model[key]);
            break;
        }
        if (step % 10000 == 0)
            remove_half(&m, model);
        largest = m.capacity > largest ? m.capacity : largest;
    }
    size_t count = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        assert_ptr_equal(map_get(&m, &key, sizeof key), model[key]);
        count += model[key] != NULL;
    }
    assert_int_equal(m.count, count);
    assert_true(largest <= 8192); /* tombstones do not make it grow without end */
    map_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_against_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
