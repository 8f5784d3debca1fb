/* node/watch_heads: views of one author's two histories, shown in every order and by every way, become evidence that anybody can check,
 * and the newest view stays known. The trees, signatures and evidence are the real ones; nobody is asked anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/xassert.h"
#include "node/watch_heads.h"

#define SELF 510000u
#define AUTHOR 440000u
#define STRANGER 330000u

struct rig {
    struct loop *loop;
    struct crypto_signer *keys[3];
    struct note_signer self, author, stranger;
    struct member list[2];
    struct members members;
    struct replication *replication;
    struct watch_heads *watch;
    unsigned accused;
    uint64_t common;
};

/* A checkpoint of one of the author's histories, as it may be shown. */
struct shown {
    struct checkpoint head;
    struct crange range;
    struct buf note;
};

static void on_contradiction(void *ctx, uint32_t accused, struct bytes evidence, uint64_t common)
{
    struct rig *r = ctx;
    struct evidence opened;
    struct err e = {0};
    assert_int_equal(accused, AUTHOR);
    if (evidence_open(evidence, &r->author.key, &opened, &e) != 0)
        fail_msg("nobody believes it: %s", e.message);
    assert_int_equal(opened.common_size, common);
    r->accused++;
    r->common = common;
}

static uint64_t seen_size(void *ctx, uint32_t peer)
{
    (void)ctx;
    (void)peer;
    return 0;
}

static int setup(void **state)
{
    struct rig *r = xcalloc(1, sizeof *r);
    static const char *const names[] = {"510000.test/log/1", "440000.test/log/1", "330000.test/log/1"};
    struct note_signer *signers[] = {&r->self, &r->author, &r->stranger};
    struct err e = {0};
    int rc = loop_create(&r->loop, &e);
    for (size_t i = 0; rc == 0 && i < array_count(signers); i++) {
        const uint8_t seed[CRYPTO_ED25519_KEY_SIZE] = {(uint8_t)(i + 1)};
        r->keys[i] = crypto_signer_create(seed);
        rc = note_signer_init(names[i], NOTE_TYPE_ED25519, r->keys[i], signers[i], &e);
    }
    if (rc != 0) {
        print_error("%s\n", e.message);
        return -1;
    }
    r->list[0] = (struct member){.code = AUTHOR, .name = "a", .url = "", .key = r->author.key};
    r->list[1] = (struct member){.code = SELF, .name = "s", .url = "", .key = r->self.key};
    r->members = (struct members){.list = r->list, .count = 2};
    r->replication = replication_create(&(struct replication_config){
        .self = SELF, .software = "test", .loop = r->loop, .members = &r->members, .seen_size = seen_size});
    r->watch = watch_heads_create(&(struct watch_heads_config){.self = SELF,
                                                               .loop = r->loop,
                                                               .members = &r->members,
                                                               .gossip_ms = 1000,
                                                               .on_contradiction = on_contradiction,
                                                               .ctx = r});
    watch_heads_set_replication(r->watch, r->replication);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    watch_heads_close(r->watch);
    loop_drain(r->loop);
    watch_heads_destroy(r->watch);
    replication_destroy(r->replication);
    loop_destroy(r->loop);
    for (size_t i = 0; i < array_count(r->keys); i++)
        crypto_signer_destroy(r->keys[i]);
    free(r);
    return 0;
}

/* The first @size leaves of the history that leaves the other one behind leaf @common; history 0 is the other one itself. */
static struct shown show(const struct note_signer *by, uint64_t size, uint64_t common, uint8_t history)
{
    struct shown s = {.head.size = size};
    crange_init(&s.range);
    for (uint64_t i = 0; i < size; i++) {
        const uint8_t leaf[] = {(uint8_t)i, i < common ? 0 : history};
        struct merkle_hash hash;
        leaf_hash(bytes_of(leaf, sizeof leaf), &hash);
        assert_int_equal(crange_append_leaf(&s.range, &hash, NULL), 0);
    }
    crange_root(&s.range, &s.head.root);
    (void)snprintf(s.head.origin, sizeof s.head.origin, "%s", by->key.name);
    assert_int_equal(checkpoint_sign(&s.head, by, &s.note, NULL), 0);
    return s;
}

static void see(struct rig *r, uint64_t size, uint64_t common, uint8_t history, bool has_range)
{
    struct shown s = show(&r->author, size, common, history);
    watch_heads_seen(r->watch, AUTHOR, &s.head, buf_bytes(&s.note), has_range ? &s.range : NULL);
    buf_close(&s.note);
}

static bool is_alarmed(const struct rig *r)
{
    struct replication_alarm_info rows[REPLICATION_ALARMS_MAX];
    size_t count = replication_alarms(r->replication, rows);
    for (size_t i = 0; i < count; i++)
        if (rows[i].peer == AUTHOR && strcmp(rows[i].id, "ledger.equivocation") == 0)
            return true;
    return false;
}

/* What two views prove: nothing, evidence, or only an alarm as long as a range is missing. */
static void test_two_views(void **state)
{
    enum says { NOTHING, ALARM, EVIDENCE };
    static const struct {
        uint64_t a, b; /* sizes: of the one history and of the other */
        uint64_t common;
        bool a_range, b_range;
        enum says says;
    } rows[] = {
        {5, 5, 3, true, true, EVIDENCE},
        {5, 5, 3, true, false, ALARM},
        {5, 5, 3, false, false, ALARM},
        /* of 2^n leaves the root is the range: the note alone is enough */
        {8, 8, 3, false, false, EVIDENCE},
        {8, 8, 0, false, true, EVIDENCE},
        {1, 1, 0, false, false, EVIDENCE},
        /* two sizes that share a perfect subtree behind the fork */
        {8, 13, 3, false, true, EVIDENCE},
        {12, 13, 10, true, true, EVIDENCE},
        {8, 13, 3, false, false, NOTHING}, /* 13 shows its root only */
        /* and those that share none, or only what is common */
        {12, 13, 12, true, true, NOTHING},
        {7, 8, 3, true, true, NOTHING},
        {13, 8, 9, true, true, NOTHING},
    };
    for (size_t i = 0; i < array_count(rows); i++)
        for (unsigned order = 0; order < 2; order++) {
            assert_int_equal(setup(state), 0);
            struct rig *r = *state;
            for (unsigned k = 0; k < 2; k++) {
                bool is_a = k == order;
                see(r, is_a ? rows[i].a : rows[i].b, rows[i].common, is_a ? 0 : 1,
                    is_a ? rows[i].a_range : rows[i].b_range);
            }
            assert_int_equal(r->accused > 0, rows[i].says == EVIDENCE);
            assert_int_equal(is_alarmed(r), rows[i].says == ALARM);
            assert_true(r->accused == 0 || r->common <= rows[i].common);
            assert_int_equal(teardown(state), 0);
        }
}

/* A range that comes later makes evidence of what was an alarm. */
static void test_range_comes_later(void **state)
{
    struct rig *r = *state;
    see(r, 5, 3, 0, false);
    see(r, 5, 3, 1, true);
    assert_int_equal(r->accused, 0);
    assert_true(is_alarmed(r));
    see(r, 5, 3, 0, true);
    assert_int_equal(r->accused, 1);
}

/* A node that starts after the fork has what its store keeps to compare with, as long as the author says nothing to it. */
static void test_started_after_the_fork(void **state)
{
    struct rig *r = *state;
    struct shown held = show(&r->author, 5, 3, 0), cosigned = show(&r->author, 8, 3, 0);
    struct buf frontier = {0};
    crange_encode(&held.range, &frontier);
    struct store_replica replica = {.origin = AUTHOR, .size = 5, .note = buf_bytes(&held.note), .note_size = 5};
    replica.frontier = buf_bytes(&frontier);
    struct store_witness witness = {.size = 8, .note = buf_bytes(&cosigned.note)};
    struct store_ledger_state ledger = {.replicas = &replica, .replica_count = 1};
    watch_heads_load(r->watch, &ledger, &witness, 1);
    struct bytes note;
    assert_int_equal(watch_heads_size(r->watch, AUTHOR, &note), 8);
    see(r, 5, 3, 1, true);
    assert_int_equal(r->accused, 1);
    see(r, 8, 3, 1, false);
    assert_int_equal(r->accused, 2);
    buf_close(&frontier);
    buf_close(&held.note);
    buf_close(&cosigned.note);
}

static void gossip(struct rig *r, const struct shown *s, struct bytes note, bool has_range)
{
    struct wire_view view = {.checkpoint = note};
    if (has_range) {
        view.range = s->range.nodes;
        view.range_count = crange_count(&s->range);
    }
    watch_heads_gossip(r->watch, &(struct wire_gossip){.views = &view, .view_count = 1});
}

/* Nothing that a peer tells counts before the author's own signature, and the range, fit. */
static void test_gossip(void **state)
{
    struct rig *r = *state;
    struct shown good = show(&r->author, 8, 3, 0), other = show(&r->author, 8, 3, 1);
    struct shown foreign = show(&r->stranger, 9, 9, 0), own = show(&r->self, 9, 9, 0),
                 later = show(&r->author, 9, 9, 0);
    struct bytes note;
    gossip(r, &foreign, buf_bytes(&foreign.note), true);
    gossip(r, &own, buf_bytes(&own.note), true);
    gossip(r, &later, bytes_of(later.note.data, later.note.size - 9), true);
    gossip(r, &later, bytes_of(NULL, 0), false);
    gossip(r, &good, buf_bytes(&later.note), true); /* a range of another tree is left away, the note stays true */
    assert_int_equal(watch_heads_size(r->watch, STRANGER, &note), 0);
    assert_int_equal(watch_heads_size(r->watch, SELF, &note), 0);
    assert_int_equal(note.size, 0);
    gossip(r, &good, buf_bytes(&good.note), true);
    assert_int_equal(r->accused, 0);
    gossip(r, &other, buf_bytes(&other.note), false);
    assert_int_equal(r->accused, 1);
    struct shown *all[] = {&good, &other, &foreign, &own, &later};
    for (size_t i = 0; i < array_count(all); i++)
        buf_close(&all[i]->note);
}

/* The largest head is told to its author when that is an older copy of itself: it must outlast any number of others. */
static void test_newest_stays(void **state)
{
    struct rig *r = *state;
    struct bytes note;
    struct checkpoint_opened opened;
    assert_int_equal(watch_heads_size(r->watch, AUTHOR, &note), 0);
    assert_int_equal(note.size, 0);
    see(r, 200, 200, 0, true);
    for (uint64_t size = 1; size < 150; size++)
        see(r, size, size, 0, true);
    assert_int_equal(watch_heads_size(r->watch, AUTHOR, &note), 200);
    assert_int_equal(checkpoint_open(note, &r->author.key, NULL, 0, &opened, NULL), 0);
    assert_int_equal(opened.head.size, 200);
    see(r, 201, 201, 0, false);
    assert_int_equal(watch_heads_size(r->watch, AUTHOR, &note), 201);
    assert_int_equal(checkpoint_open(note, &r->author.key, NULL, 0, &opened, NULL), 0);
    assert_int_equal(opened.head.size, 201);
    assert_int_equal(r->accused, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_views),
        cmocka_unit_test_setup_teardown(test_range_comes_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_started_after_the_fork, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gossip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newest_stays, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
