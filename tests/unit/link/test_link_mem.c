/* The link in memory: the same promises as over NNG, every fault on its own, and a random run whose books must balance:
 * each request ends exactly once, and the same seed gives the same run. */
#include "federation/link_mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/limits.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"

#define A 510000u
#define B 440000u
#define C 320000u
#define EVENTS_MAX 512

struct node {
    uint32_t code;
    struct link *link;
    struct link_event events[EVENTS_MAX]; /* not yet taken */
    size_t count;
    bool is_closed;
};

static void on_event(void *ctx, const struct link_event *event)
{
    struct node *n = ctx;
    xassert(!n->is_closed && n->count < EVENTS_MAX);
    n->events[n->count++] = *event;
}

static void open_node(struct link_mem_hub *h, struct node *n, uint32_t code)
{
    struct err e = {0};
    n->code = code;
    n->is_closed = false;
    if (link_mem_open(h, code, on_event, n, &n->link, &e) != 0)
        fail_msg("%s", e.message);
}

static void close_node(struct node *n)
{
    link_close(n->link);
    n->is_closed = true;
}

static void forget(struct node *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->events[i].data);
    n->count = 0;
}

static void run(struct link_mem_hub *h)
{
    while (link_mem_step(h)) {
    }
}

/* Takes the first event of @type; fails when there is none. */
static struct link_event take(struct node *n, enum link_event_type type)
{
    for (size_t i = 0; i < n->count; i++) {
        if (n->events[i].type != type)
            continue;
        struct link_event event = n->events[i];
        memmove(&n->events[i], &n->events[i + 1], (n->count - i - 1) * sizeof event);
        n->count--;
        return event;
    }
    fail_msg("node %u: no event %d", n->code, (int)type);
    return (struct link_event){0};
}

static void ask(struct node *n, uint32_t peer, uint64_t token, uint32_t timeout_ms)
{
    struct err e = {0};
    if (link_request(n->link, peer, bytes_of(&token, sizeof token), token, timeout_ms, &e) != 0)
        fail_msg("%s", e.message);
}

/* @n answers its first request with its own bytes. */
static void echo(struct node *n)
{
    struct link_event asked = take(n, LINK_REQUEST);
    link_reply(n->link, asked.handle, bytes_of(asked.data, asked.size));
    free(asked.data);
}

struct pair {
    struct link_mem_hub *hub;
    struct node a, b;
};

static int setup(void **state)
{
    struct pair *p = xcalloc(1, sizeof *p);
    p->hub = link_mem_create(1);
    open_node(p->hub, &p->a, A);
    open_node(p->hub, &p->b, B);
    assert_int_equal(p->a.count + p->b.count, 0); /* nothing from inside open */
    run(p->hub);
    assert_int_equal(take(&p->a, LINK_UP).peer, B);
    assert_int_equal(take(&p->b, LINK_UP).peer, A);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;
    link_mem_destroy(p->hub);
    forget(&p->a);
    forget(&p->b);
    free(p);
    return 0;
}

static void test_request_reply(void **state)
{
    struct pair *p = *state;
    ask(&p->a, B, 7, 1000);
    assert_int_equal(p->b.count, 0);
    run(p->hub);
    assert_int_equal(p->b.count, 1);
    assert_int_equal(p->b.events[0].peer, A);
    echo(&p->b);
    assert_int_equal(p->a.count, 0);
    run(p->hub);
    struct link_event reply = take(&p->a, LINK_REPLY);
    assert_int_equal(reply.token, 7);
    assert_int_equal(reply.peer, B);
    assert_int_equal(reply.size, 8);
    assert_memory_equal(reply.data, &reply.token, 8);
    free(reply.data);
    assert_true(link_mem_next_ms(p->hub) == UINT64_MAX);
}

static void test_drop_and_limits(void **state)
{
    struct pair *p = *state;
    struct err e = {0};
    uint8_t *large = xcalloc(1, WIRE_MESSAGE_BYTES_MAX + 1);
    struct bytes over = bytes_of(large, WIRE_MESSAGE_BYTES_MAX + 1);
    assert_int_equal(link_request(p->a.link, B, over, 1, 1, &e), ERR_LIMIT);
    assert_int_equal(link_request(p->a.link, B, bytes_of(NULL, 0), 1, 1, &e), ERR_INVALID);
    assert_string_equal(e.id, "link.empty");
    assert_int_equal(link_request(p->a.link, C, bytes_of("x", 1), 1, 1, &e), ERR_CLOSED);
    assert_int_equal(link_request(p->a.link, A, bytes_of("x", 1), 1, 1, &e), ERR_CLOSED); /* itself */

    ask(&p->a, B, 1, 1000);
    ask(&p->a, B, 2, 1000);
    run(p->hub);
    struct link_event asked = take(&p->b, LINK_REQUEST);
    link_drop(p->b.link, asked.handle);
    free(asked.data);
    asked = take(&p->b, LINK_REQUEST);
    link_reply(p->b.link, asked.handle, over);
    free(asked.data);
    free(large);
    run(p->hub);
    assert_string_equal(take(&p->a, LINK_REPLY_FAILED).reason, "refused by the peer");
    assert_string_equal(take(&p->a, LINK_REPLY_FAILED).reason, "refused by the peer");

    for (uint64_t token = 1; token <= LINK_PEER_REQUESTS_MAX; token++)
        ask(&p->a, B, token, 1000);
    assert_int_equal(link_request(p->a.link, B, bytes_of("x", 1), 9, 1, &e), ERR_BUSY);
    assert_string_equal(e.id, "link.busy");
    run(p->hub);
    link_mem_advance(p->hub, 1000); /* given up here, still parked there */
    run(p->hub);
    for (uint64_t token = 1; token <= LINK_PEER_REQUESTS_MAX; token++)
        assert_string_equal(take(&p->a, LINK_REPLY_FAILED).reason, "no answer in time");
    ask(&p->a, B, 9, 1000);
    run(p->hub);
    assert_string_equal(take(&p->a, LINK_REPLY_FAILED).reason, "refused by the peer");
}

static void test_timeout(void **state)
{
    struct pair *p = *state;
    ask(&p->a, B, 1, 300);
    assert_int_equal(link_mem_next_ms(p->hub), 300);
    run(p->hub);
    link_mem_advance(p->hub, 299);
    run(p->hub);
    assert_int_equal(p->a.count, 0);
    assert_int_equal(link_mem_next_ms(p->hub), 1);
    link_mem_advance(p->hub, 1);
    assert_int_equal(p->a.count, 0); /* only a step delivers */
    run(p->hub);
    assert_int_equal(take(&p->a, LINK_REPLY_FAILED).token, 1);
    echo(&p->b); /* late: goes nowhere */
    run(p->hub);
    assert_int_equal(p->a.count, 0);
}

static void test_cut_and_heal(void **state)
{
    struct pair *p = *state;
    struct err e = {0};
    ask(&p->a, B, 1, 1000);
    run(p->hub);
    ask(&p->a, B, 2, 1000); /* on its way when the line breaks */
    link_mem_cut(p->hub, B, A);
    link_mem_cut(p->hub, A, B); /* again: nothing */
    assert_int_equal(link_request(p->a.link, B, bytes_of("x", 1), 3, 1, &e), ERR_CLOSED);
    echo(&p->b);
    run(p->hub);
    assert_string_equal(take(&p->a, LINK_REPLY_FAILED).reason, "connection lost");
    assert_string_equal(take(&p->a, LINK_REPLY_FAILED).reason, "connection lost");
    assert_int_equal(take(&p->a, LINK_DOWN).peer, B);
    assert_int_equal(take(&p->b, LINK_DOWN).peer, A);
    assert_int_equal(p->a.count + p->b.count, 0); /* request 2 never arrived */

    link_redial(p->a.link, B); /* cut: no use */
    run(p->hub);
    assert_int_equal(p->a.count, 0);
    link_mem_heal(p->hub, A, B, 0);
    link_redial(p->a.link, B);
    link_redial(p->a.link, B);
    run(p->hub);
    (void)take(&p->a, LINK_UP);
    assert_int_equal(p->a.count + p->b.count, 0); /* once; the other side dials in its own time */
    assert_int_equal(link_mem_next_ms(p->hub), 0);
    link_mem_advance(p->hub, 0);
    run(p->hub);
    (void)take(&p->b, LINK_UP);
    link_mem_heal(p->hub, A, B, 5); /* not cut: nothing */
    assert_true(link_mem_next_ms(p->hub) == UINT64_MAX);
}

static void test_close_and_return(void **state)
{
    struct pair *p = *state;
    struct err e = {0};
    struct link *again;
    assert_int_equal(link_mem_open(p->hub, B, on_event, &p->b, &again, &e), ERR_CONFLICT);
    assert_string_equal(e.id, "link.open");
    ask(&p->a, B, 1, 1000);
    ask(&p->b, A, 2, 1000);
    run(p->hub);
    close_node(&p->b);
    assert_int_equal(take(&p->b, LINK_REPLY_FAILED).token, 2); /* before close returned */
    run(p->hub);
    assert_int_equal(take(&p->a, LINK_REPLY_FAILED).token, 1);
    assert_int_equal(take(&p->a, LINK_DOWN).peer, B);
    forget(&p->a);
    forget(&p->b);
    open_node(p->hub, &p->b, B);
    run(p->hub);
    assert_int_equal(take(&p->a, LINK_UP).peer, B);
    ask(&p->a, B, 3, 1000);
    run(p->hub);
    echo(&p->b);
    run(p->hub);
    struct link_event reply = take(&p->a, LINK_REPLY);
    assert_int_equal(reply.token, 3);
    free(reply.data);
}

static void test_loss_and_doubles(void **state)
{
    struct pair *p = *state;
    link_mem_set_faults(p->hub, &(struct link_mem_faults){.drop_permille = 1000});
    ask(&p->a, B, 1, 100);
    run(p->hub);
    assert_int_equal(p->b.count, 0);
    link_mem_advance(p->hub, 100);
    run(p->hub);
    assert_int_equal(take(&p->a, LINK_REPLY_FAILED).token, 1);

    link_mem_set_faults(p->hub, &(struct link_mem_faults){.duplicate_permille = 1000, .delay_steps_max = 50});
    ask(&p->a, B, 2, 100);
    run(p->hub);
    echo(&p->b);
    echo(&p->b);
    run(p->hub);
    struct link_event reply = take(&p->a, LINK_REPLY);
    free(reply.data);
    assert_int_equal(p->a.count, 0); /* one answer */
}

static void test_node_limit(void **state)
{
    (void)state;
    struct link_mem_hub *h = link_mem_create(1);
    struct node *all = xcalloc(LINK_MEM_NODES_MAX, sizeof *all);
    struct link *l;
    struct err e = {0};
    for (uint32_t i = 0; i < LINK_MEM_NODES_MAX; i++) {
        assert_int_equal(link_mem_open(h, 100000 + i, on_event, &all[i], &l, &e), 0);
        if (i < 3)
            run(h);
    }
    assert_int_equal(link_mem_open(h, 99, on_event, &all[0], &l, &e), ERR_LIMIT);
    assert_string_equal(e.id, "link.nodes");
    link_mem_destroy(h);
    free(all);
    link_mem_destroy(NULL);
}

/* ---- a random run ---- */

struct tally {
    uint64_t asked, replied, failed, requests;
    uint64_t hash; /* of all events in order */
};

/* Handles what arrived at @n: answers three of four requests, counts the rest. */
static void settle(struct node *n, struct prng *prng, struct tally *t)
{
    for (size_t i = 0; i < n->count; i++) {
        struct link_event *event = &n->events[i];
        t->hash = (t->hash ^ (n->code + (uint64_t)event->type * 31 + event->peer + event->token)) * 1099511628211u;
        t->replied += event->type == LINK_REPLY;
        t->failed += event->type == LINK_REPLY_FAILED;
        if (event->type == LINK_REQUEST) {
            t->requests++;
            if (prng_below(prng, 4) > 0)
                link_reply(n->link, event->handle, bytes_of(event->data, event->size));
            else
                link_drop(n->link, event->handle);
        }
    }
    forget(n);
}

static struct tally simulate(uint64_t seed)
{
    struct tally t = {.hash = seed};
    struct prng prng;
    prng_init(&prng, seed);
    struct link_mem_hub *h = link_mem_create(seed);
    static struct node nodes[3];
    memset(nodes, 0, sizeof nodes);
    static const uint32_t codes[3] = {A, B, C};
    for (size_t i = 0; i < 3; i++)
        open_node(h, &nodes[i], codes[i]);
    link_mem_set_faults(
        h, &(struct link_mem_faults){.drop_permille = 50, .duplicate_permille = 50, .delay_steps_max = 20});
    for (int turn = 0; turn < 5000; turn++) {
        size_t i = prng_below(&prng, 3), k = (i + 1 + prng_below(&prng, 2)) % 3;
        switch (prng_below(&prng, 40)) {
        case 0:
            link_mem_cut(h, codes[i], codes[k]);
            break;
        case 1:
            link_mem_heal(h, codes[i], codes[k], 50);
            break;
        case 2:
            link_mem_advance(h, prng_below(&prng, 40));
            break;
        case 3:
            close_node(&nodes[i]);
            settle(&nodes[i], &prng, &t); /* no requests are left: they were handled at once */
            open_node(h, &nodes[i], codes[i]);
            break;
        default:
            t.asked += link_request(nodes[i].link, codes[k], bytes_of("ask", 3), (uint64_t)turn + 1,
                                    (uint32_t)prng_below(&prng, 100), NULL) == 0;
            (void)link_mem_step(h);
        }
        for (size_t n = 0; n < 3; n++)
            settle(&nodes[n], &prng, &t);
    }
    link_mem_destroy(h); /* ends what is open */
    for (size_t n = 0; n < 3; n++) {
        for (size_t i = 0; i < nodes[n].count; i++) {
            t.replied += nodes[n].events[i].type == LINK_REPLY;
            t.failed += nodes[n].events[i].type == LINK_REPLY_FAILED;
        }
        forget(&nodes[n]);
    }
    return t;
}

static void test_books_balance(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct tally t = simulate(seed), again = simulate(seed);
        if (t.asked != t.replied + t.failed)
            fail_msg("seed %u: %u asked, %u replied, %u failed", (unsigned)seed, (unsigned)t.asked, (unsigned)t.replied,
                     (unsigned)t.failed);
        assert_true(t.replied > 100 && t.failed > 100);
        assert_memory_equal(&t, &again, sizeof t); /* repeatable */
    }
    assert_true(simulate(1).hash != simulate(2).hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_request_reply, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drop_and_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_and_heal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_and_return, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loss_and_doubles, setup, teardown),
        cmocka_unit_test(test_node_limit),
        cmocka_unit_test(test_books_balance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
