/* node/replication, questions to a peer: one that has no form on the wire goes nowhere, one may get no answer, or the link is closed
 * over it. Whoever asked hears why, once, and never from inside its own call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "federation/wire/wire.h"
#include "node/base/xassert.h"
#include "node/loop.h"
#include "node/replication.h"

#define SELF 510000u
#define PEER 440000u

struct fixture {
    struct link link; /* first: the link is the fixture */
    struct loop *loop;
    struct replication *replication;
    uint64_t token; /* of the last request */
    unsigned sent, told;
    struct err last;
};

static int request_cb(struct link *l, uint32_t peer, struct bytes message, uint64_t token, uint32_t timeout_ms,
                      struct err *e)
{
    (void)peer, (void)message, (void)timeout_ms, (void)e;
    ((struct fixture *)l)->sent++;
    ((struct fixture *)l)->token = token;
    return 0;
}

static void told(void *ctx, const struct wire_msg *answer, const struct err *e)
{
    struct fixture *f = ctx;
    assert_null(answer);
    f->told++;
    f->last = *e;
    loop_stop(f->loop);
}

static void on_link(void *ctx, uint32_t peer, bool up)
{
    (void)ctx, (void)peer, (void)up;
}

static uint64_t seen_size(void *ctx, uint32_t peer)
{
    (void)ctx, (void)peer;
    return 0;
}

static void open_fixture(struct fixture *f)
{
    static const struct link_ops ops = {.request = request_cb};
    static struct members nobody;
    struct err e = {0};
    *f = (struct fixture){.link.ops = &ops};
    assert_int_equal(loop_create(&f->loop, &e), 0);
    f->replication = replication_create(&(struct replication_config){.self = SELF,
                                                                     .software = "test",
                                                                     .loop = f->loop,
                                                                     .members = &nobody,
                                                                     .on_link = on_link,
                                                                     .seen_size = seen_size});
    replication_set_link(f->replication, &f->link);
}

static void close_fixture(struct fixture *f)
{
    loop_drain(f->loop);
    replication_destroy(f->replication);
    loop_destroy(f->loop);
}

static void ask(struct fixture *f, uint32_t version_min)
{
    struct wire_msg m = {.type = WIRE_HELLO};
    m.u.hello = (struct wire_hello){.version_min = version_min, .version_max = 1, .node = SELF, .software = "test"};
    replication_ask(f->replication, PEER, &m, 1000, told, f);
}

static void test_no_form(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    ask(&f, 2);
    assert_int_equal(f.told, 0); /* not from inside the call */
    loop_run(f.loop);
    assert_int_equal(f.told, 1);
    assert_int_equal(f.last.code, ERR_INTERNAL);
    assert_string_equal(f.last.id, "peer.encode");
    assert_int_equal(f.sent, 0);
    close_fixture(&f);
}

/* The link says why there is no answer; whoever asked is told in its words. Another question still waits. */
static void test_no_answer(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    ask(&f, 1);
    ask(&f, 1);
    assert_int_equal(f.sent, 2);
    struct link_event event = {
        .type = LINK_REPLY_FAILED, .peer = PEER, .token = f.token, .reason = "no answer within 1000 ms"};
    replication_link_event(f.replication, &event);
    assert_int_equal(f.told, 0);
    loop_run(f.loop);
    assert_int_equal(f.told, 1);
    assert_int_equal(f.last.code, ERR_CLOSED);
    assert_string_equal(f.last.id, "peer.no-answer");
    assert_string_equal(f.last.message, "no answer within 1000 ms");
    replication_set_link(f.replication, NULL);
    assert_int_equal(f.told, 2);
    close_fixture(&f);
}

/* The link is closed: what waits is told at once, what is asked later from the loop. */
static void test_closed(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    ask(&f, 1);
    assert_int_equal(f.sent, 1);
    replication_set_link(f.replication, NULL);
    assert_int_equal(f.told, 1);
    assert_int_equal(f.last.code, ERR_CLOSED);
    assert_string_equal(f.last.id, "peer.closed");
    loop_run(f.loop); /* ends: told() has stopped it */

    f.last = (struct err){0};
    ask(&f, 1);
    assert_int_equal(f.sent, 1);
    assert_int_equal(f.told, 1); /* not from inside the call */
    loop_run(f.loop);
    assert_int_equal(f.told, 2);
    assert_int_equal(f.last.code, ERR_CLOSED);
    assert_string_equal(f.last.id, "peer.closed");
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_form), cmocka_unit_test(test_no_answer),
                                       cmocka_unit_test(test_closed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
