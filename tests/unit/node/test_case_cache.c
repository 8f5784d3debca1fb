/* node/case_cache over a real store: how many cases and how many bytes stay, the longest unused leaving first. */
#include "tests/unit/node/ledger_rig.h"

#include "node/case_cache.h"

#define SELF LEDGER_RIG_SELF
#define EVENTS 400u

struct fixture {
    struct ledger_rig base;
    struct case_cache *cache;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    *state = f;
    f->cache = case_cache_create();
    if (ledger_rig_init(&f->base, &(struct ledger_config){.ctx = f}) != 0)
        return -1;
    return ledger_rig_open(&f->base);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    case_cache_destroy(f->cache);
    ledger_rig_close_ledger(&f->base);
    loop_drain(f->base.loop);
    ledger_rig_close(&f->base);
    free(f);
    return 0;
}

static struct case_slot *get(struct fixture *f, unsigned number)
{
    uint8_t id[CASE_ID_SIZE] = {0};
    struct case_slot *slot;
    struct err e = {0};
    put_be32(id, SELF);
    put_be32(id + 4, number);
    if (case_cache_get(f->cache, f->base.ledger, id, &slot, &e) != 0)
        fail_msg("%s", e.message);
    return slot;
}

/* As a busy case grows in the cache: @EVENTS notes. */
static void grow(struct case_slot *slot, unsigned number)
{
    struct err e = {0};
    for (unsigned i = 0; i < EVENTS; i++) {
        struct case_event note = {
            .origin = SELF, .index = i, .hlc = i + 1, .type = CASE_EVENT_NOTE, .role = CASE_ROLE_DECIDER};
        put_be32(note.id, number);
        put_be32(note.id + 4, i);
        assert_int_equal(casefile_add(slot->file, &note, &e), 0);
    }
}

static unsigned events_of(struct fixture *f, unsigned number)
{
    const struct case_state *s = casefile_state(get(f, number)->file);
    return s->event_count + s->pending_count;
}

static void test_count(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < CASE_CACHE_MAX + 100; i++)
        (void)get(f, i);
    struct case_cache_stats s = case_cache_stats(f->cache);
    assert_in_range(s.count, CASE_CACHE_MAX, CASE_CACHE_MAX + 1);
    assert_in_range(s.bytes, CASE_CACHE_MAX * 500, CASE_CACHE_BYTES_MAX);
    case_cache_clear(f->cache);
    s = case_cache_stats(f->cache);
    assert_true(s.count == 0 && s.bytes == 0);
}

/* What has grown since it was read counts at the next get; the store knows nothing of it, so what has left is empty again. */
static void test_bytes(void **state)
{
    struct fixture *f = *state;
    unsigned number = 0;
    size_t one = 0;
    do {
        struct case_slot *slot = get(f, number);
        grow(slot, number);
        slot = get(f, number);
        one = slot->bytes;
        assert_in_range(one, EVENTS * 200, EVENTS * 1000);
        number++;
    } while (number * one < 2 * CASE_CACHE_BYTES_MAX);
    assert_true(number < CASE_CACHE_MAX);
    struct case_cache_stats s = case_cache_stats(f->cache);
    assert_in_range(s.bytes, CASE_CACHE_BYTES_MAX - one, CASE_CACHE_BYTES_MAX + one);
    assert_in_range(s.count, CASE_CACHE_BYTES_MAX / one - 1, CASE_CACHE_BYTES_MAX / one + 1);
    assert_int_equal(events_of(f, number - 1), EVENTS);
    assert_int_equal(events_of(f, number - 50), EVENTS);
    assert_int_equal(events_of(f, 0), 0);
}

/* Cases that grow while all are held, none of them read anew: bounded as well, and back to the usual size with a trim. */
static void test_growth(void **state)
{
    struct fixture *f = *state;
    unsigned count = 0;
    size_t one = 0;
    for (; count < 400; count++)
        (void)get(f, count);
    for (unsigned i = 0; i < count; i++) {
        grow(get(f, i), i);
        one = get(f, i)->bytes;
        assert_in_range(case_cache_stats(f->cache).bytes, one, CASE_CACHE_BYTES_BUSY);
    }
    assert_true(count * one > CASE_CACHE_BYTES_BUSY + one);
    assert_int_equal(events_of(f, count - 1), EVENTS);
    case_cache_trim(f->cache, f->base.ledger);
    assert_in_range(case_cache_stats(f->cache).bytes, CASE_CACHE_BYTES_MAX - one, CASE_CACHE_BYTES_MAX);
    assert_int_equal(events_of(f, count - 1), EVENTS);
    assert_int_equal(events_of(f, 0), 0);
}

/* A case that is used stays, however long ago it was read. */
static void test_used_stays(void **state)
{
    struct fixture *f = *state;
    grow(get(f, 0), 0);
    for (unsigned i = 1; i < CASE_CACHE_MAX + 500; i++) {
        (void)get(f, i);
        (void)get(f, 0);
    }
    assert_int_equal(events_of(f, 0), EVENTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_growth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_used_stays, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
