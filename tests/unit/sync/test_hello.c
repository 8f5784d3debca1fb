/* What a peer's HELLO says of the own ledger comes before the HELLO itself: a start that waits for the last peer's word writes as soon
 * as it has heard the HELLO, and must know by then that it is an older copy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "federation/sync/sync.h"

#define SELF 440000u
#define PEER 510000u

static int open_checkpoint(void *ctx, uint32_t origin, struct bytes note, struct checkpoint *ret, struct err *e)
{
    (void)ctx;
    (void)origin;
    (void)note;
    (void)ret;
    return err_set(e, ERR_VERIFY, "test.none", "there is none");
}

static uint64_t own_size(void *ctx)
{
    return *(const uint64_t *)ctx;
}

static int own_root_at(void *ctx, uint64_t size, struct merkle_hash *ret, struct err *e)
{
    (void)ctx;
    (void)size;
    (void)e;
    *ret = (struct merkle_hash){0};
    return 0;
}

static uint64_t addressed_end(void *ctx, uint32_t peer, uint64_t *ret_seq, uint64_t *ret_public_seq)
{
    (void)ctx;
    (void)peer;
    *ret_seq = *ret_public_seq = 0;
    return 0;
}

static uint64_t known_size(void *ctx, uint32_t peer)
{
    (void)ctx;
    (void)peer;
    return 0;
}

static void test_size_before_hello(void **state)
{
    (void)state;
    uint64_t size = 3;
    struct arena a = ARENA_INIT;
    struct sync_update u = {.arena = &a};
    struct sync_cursor nothing = {0};
    struct sync_config config = {.self = SELF, .software = "test"};
    struct sync_host host = {.ctx = &size,
                             .open_checkpoint = open_checkpoint,
                             .own_size = own_size,
                             .own_root_at = own_root_at,
                             .own_addressed_end = addressed_end,
                             .known_size = known_size};
    struct sync *s = sync_create(&config, &host);
    crange_init(&nothing.range);
    sync_set_peer(s, PEER, &nothing, 0);
    sync_step(s, &(struct sync_event){.type = SYNC_EVENT_LINK_UP, .peer = PEER}, &u);
    assert_int_equal(u.count, 1);
    assert_int_equal(u.actions[0].message.type, WIRE_HELLO);

    struct wire_msg m = u.actions[0].message;
    m.u.hello.node = PEER;
    m.u.hello.your_size = size + 1;
    sync_step(s,
              &(struct sync_event){.type = SYNC_EVENT_REPLY, .peer = PEER, .token = u.actions[0].token, .message = &m},
              &u);
    size_t behind = SIZE_MAX, hello = SIZE_MAX;
    for (size_t i = 0; i < u.count; i++) {
        behind = u.actions[i].type == SYNC_ACTION_BEHIND ? i : behind;
        hello = u.actions[i].type == SYNC_ACTION_HELLO ? i : hello;
    }
    assert_true(behind != SIZE_MAX && hello != SIZE_MAX);
    assert_true(behind < hello);
    assert_int_equal(u.actions[behind].size, size + 1);
    sync_destroy(s);
    arena_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_size_before_hello)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
