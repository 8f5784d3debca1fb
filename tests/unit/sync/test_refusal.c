/* federation/sync, the follower, when batches cannot be taken: a ledger of impossible size, a store that refuses for a
 * while, a store that refuses for good. Events in, actions out; time is what the test says. */
#include "tests/unit/sync/sync_rig.h"

static void test_ledger_of_impossible_size(void **state)
{
    struct fixture *f = *state;
    uint64_t token = greet(f);
    struct wire_msg m = {.type = WIRE_BATCH};
    f->head = (struct checkpoint){.size = LEDGER_SIZE_MAX + 1};
    m.u.batch = (struct wire_batch){.origin = PEER};
    m.u.batch.frontier.target = f->head.size;
    step(f, (struct sync_event){.type = SYNC_EVENT_REPLY, .token = token, .message = &m});
    const struct sync_action *alarm = find(f, SYNC_ACTION_ALARM);
    assert_non_null(alarm);
    assert_string_equal(alarm->alarm_id, "ledger.too-large");
    assert_null(find(f, SYNC_ACTION_STORE));
    assert_null(find(f, SYNC_ACTION_REQUEST)); /* not again at once */
}

/* A disk that refuses must not make the follower pull the same batch over and over at full speed. */
static void test_pauses_grow_while_the_store_refuses(void **state)
{
    struct fixture *f = *state;
    uint64_t token = greet(f), pause_ms = RETRY_MIN_MS;
    for (int i = 0; i < 10; i++) {
        struct frontier_item item;
        struct wire_msg m;
        one_hash(f, &item, &m);
        step(f, (struct sync_event){.type = SYNC_EVENT_REPLY, .token = token, .message = &m});
        const struct sync_action *store = find(f, SYNC_ACTION_STORE);
        assert_non_null(store);
        step(f, (struct sync_event){.type = SYNC_EVENT_STORE_FAILED, .token = store->token});
        assert_null(find(f, SYNC_ACTION_REQUEST));
        assert_int_equal(sync_timeout(f->sync), f->now_ms + pause_ms);
        f->now_ms += pause_ms;
        pause_ms = min_of(2 * pause_ms, (uint64_t)RETRY_MAX_MS);
        step(f, (struct sync_event){.type = SYNC_EVENT_TIME});
        token = asked(f, WIRE_PULL);
    }
    assert_int_equal(pause_ms, RETRY_MAX_MS);
    /* the store was opened anew: at once again */
    sync_set_peer(f->sync, PEER, &(struct sync_cursor){0}, 0);
    assert_int_equal(sync_timeout(f->sync), f->now_ms);
}

/* The way back to an earlier position is refused by the disk, which may have written it all the same: what acknowledges next must be
 * true of either. When nobody has tried to write it, the position stays. */
static void test_refused_way_back(void **state)
{
    struct fixture *f = *state;
    struct frontier_item item;
    struct wire_msg m;
    uint64_t token = greet(f);
    one_hash(f, &item, &m);
    step(f, (struct sync_event){.type = SYNC_EVENT_REPLY, .token = token, .message = &m});
    step(f, (struct sync_event){.type = SYNC_EVENT_STORED, .token = find(f, SYNC_ACTION_STORE)->token});
    assert_int_equal(pulled_from(f), 1);
    for (unsigned i = 0; i < 2; i++) {
        step(f, (struct sync_event){.type = SYNC_EVENT_AGAIN, .size = 0});
        const struct sync_action *store = find(f, SYNC_ACTION_STORE);
        assert_non_null(store);
        assert_int_equal(store->cursor.range.size, 0);
        step(f, (struct sync_event){.type = SYNC_EVENT_STORE_FAILED, .token = store->token, .is_unsure = i == 1});
        assert_null(find(f, SYNC_ACTION_REQUEST));
        f->now_ms = sync_timeout(f->sync);
        step(f, (struct sync_event){.type = SYNC_EVENT_TIME});
        assert_int_equal(pulled_from(f), i == 1 ? 0 : 1);
    }
}

/* Nothing of the peer is taken any more, whatever happens to the connection, until its position is set anew. */
static void test_halted_peer_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct frontier_item item;
    struct wire_msg m;
    struct sync_peer_info info;
    uint64_t token = greet(f);
    one_hash(f, &item, &m);
    step(f, (struct sync_event){.type = SYNC_EVENT_REPLY, .token = token, .message = &m});
    uint64_t store = find(f, SYNC_ACTION_STORE)->token;
    sync_halt_peer(f->sync, PEER, "cannot be stored");
    sync_halt_peer(f->sync, 330000, "no such peer"); /* legal: it may have been removed */
    step(f, (struct sync_event){.type = SYNC_EVENT_STORE_FAILED, .token = store});
    assert_int_equal(f->update.count, 0);
    step(f, (struct sync_event){.type = SYNC_EVENT_LINK_DOWN});
    step(f, (struct sync_event){.type = SYNC_EVENT_LINK_UP});
    assert_null(find(f, SYNC_ACTION_REQUEST));
    f->now_ms += 10 * (uint64_t)RETRY_MAX_MS;
    step(f, (struct sync_event){.type = SYNC_EVENT_TIME});
    assert_int_equal(f->update.count, 0);
    assert_true(sync_peer_info(f->sync, PEER, &info));
    assert_true(info.halted);
    assert_string_equal(info.last_error, "cannot be stored");

    sync_set_peer(f->sync, PEER, &(struct sync_cursor){0}, 0);
    step(f, (struct sync_event){.type = SYNC_EVENT_TIME});
    assert_non_null(find(f, SYNC_ACTION_REQUEST));
}

/* Runs the clock to @until_ms with the wake-ups that the core wants; whether ledger.stalled was raised, and when. */
static uint64_t stalled_at(struct fixture *f, uint64_t until_ms)
{
    uint64_t told_ms = 0;
    while (sync_timeout(f->sync) <= until_ms) {
        f->now_ms = max_of(f->now_ms, sync_timeout(f->sync));
        step(f, (struct sync_event){.type = SYNC_EVENT_TIME});
        const struct sync_action *alarm = find(f, SYNC_ACTION_ALARM);
        if (alarm != NULL) {
            assert_string_equal(alarm->alarm_id, "ledger.stalled");
            assert_int_equal(told_ms, 0); /* once */
            told_ms = f->now_ms;
        }
    }
    f->now_ms = until_ms;
    return told_ms;
}

/* Who says nothing of what it has addressed to us is reported after three minutes of being connected, also when it hangs up in
 * between; the time without a connection does not count. */
static void test_silence_adds_up_over_connections(void **state)
{
    struct fixture *f = *state;
    uint64_t begin_ms = f->now_ms;
    (void)greet(f);
    assert_int_equal(stalled_at(f, begin_ms + 100000), 0);
    step(f, (struct sync_event){.type = SYNC_EVENT_LINK_DOWN});
    step(f, (struct sync_event){.type = SYNC_EVENT_LINK_DOWN}); /* said twice, counted once */
    assert_int_equal(stalled_at(f, begin_ms + 1000000), 0);
    (void)greet(f);
    assert_int_equal(stalled_at(f, begin_ms + 1079999), 0);
    assert_int_equal(stalled_at(f, begin_ms + 1200000), begin_ms + 1080000);
    step(f, (struct sync_event){.type = SYNC_EVENT_LINK_DOWN});
    (void)greet(f);
    assert_int_equal(stalled_at(f, begin_ms + 2000000), 0); /* not again for the same silence */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_ledger_of_impossible_size), T(test_pauses_grow_while_the_store_refuses), T(test_refused_way_back),
        T(test_halted_peer_is_left_alone), T(test_silence_adds_up_over_connections),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
