/* The network: link.h between the nodes of a run, with its faults drawn from the seed.
 *
 * Every node has one connection to every other (as link_nng has): requests go over it, answers come back. A line is cut in one
 * direction or both; then messages in that direction are lost, and after a while the connection may be noticed as broken. When
 * the line is whole again it is redialled. Messages are lost, doubled, late and out of order besides. The rules of link.h hold:
 * one answer or failure per request, LINK_UP before and LINK_DOWN after. */
#include <stdlib.h>
#include <string.h>

#include "node/replication.h"
#include "tests/sim/sim.h"

#define REDIAL_MS_MAX 800u

struct call { /* one request on its way */
    unsigned from, to;
    unsigned from_epoch, to_epoch;
    uint64_t token;
    bool ended; /* answered or failed at the asker */
};

struct packet {
    uint64_t call;
    bool is_reply;
    struct bytes data;
};

static struct {
    struct call *calls;
    size_t call_count, call_capacity;
    bool cut[SIM_SLOTS_MAX][SIM_SLOTS_MAX];
    bool up[SIM_SLOTS_MAX][SIM_SLOTS_MAX];          /* [from][to]: from's connection stands */
    uint64_t dial_ms[SIM_SLOTS_MAX][SIM_SLOTS_MAX]; /* when an event will try next, 0 = none will */
    uint32_t second_group;                          /* slots that talk with the forker's second copy */
    struct bytes old[SIM_SLOTS_MAX][SIM_SLOTS_MAX]; /* replayer: an answer it gave before */
} net;

struct sim_link {
    struct link link;
    struct sim_node *node;
};

void net_reset(void)
{
    memset(&net, 0, sizeof net);
}

void net_split(uint32_t group)
{
    net.second_group = group;
}

unsigned net_route(unsigned from, uint32_t code)
{
    const struct sim_node *second = &the_sim.nodes[the_sim.slot_count - 1];
    if (second->used && second->code == code && the_sim.slot_count - 1 != from && (net.second_group >> from & 1) != 0)
        return second->slot;
    const struct sim_node *n = sim_by_code(code);
    return n == NULL ? SIM_NONE : n->slot;
}

/* Whether slots @a and @b talk with each other at all: a forker's copies each have their own friends. */
static bool knows(unsigned a, unsigned b)
{
    return net_route(a, the_sim.nodes[b].code) == b && net_route(b, the_sim.nodes[a].code) == a &&
           the_sim.nodes[a].code != the_sim.nodes[b].code;
}

static void deliver(struct sim_node *n, struct link_event *event, struct bytes data)
{
    struct sim_scope scope = sim_enter(n);
    if (data.size > 0) {
        event->data = xmemdup(data.data, data.size);
        event->size = data.size;
    }
    replication_link_event(n->engine.replication, event);
    sim_leave(scope);
}

static void fail_call(uint64_t id, const char *why)
{
    struct call *c = &net.calls[id];
    struct sim_node *n = &the_sim.nodes[c->from];
    if (c->ended)
        return;
    c->ended = true;
    if (!n->alive || n->epoch != c->from_epoch)
        return;
    struct link_event event = {.type = LINK_REPLY_FAILED, .peer = the_sim.nodes[c->to].code, .token = c->token};
    memcpy(event.reason, why, strlen(why) + 1);
    deliver(n, &event, bytes_of(NULL, 0));
}

static void set_up(unsigned from, unsigned to, bool up)
{
    struct sim_node *n = &the_sim.nodes[from];
    if (net.up[from][to] == up)
        return;
    net.up[from][to] = up;
    if (!n->alive)
        return;
    if (!up)
        for (uint64_t i = net.call_count; i-- > 0 && i + 4000 > net.call_count;)
            if (net.calls[i].from == from && net.calls[i].to == to)
                fail_call(i, "connection lost");
    struct link_event event = {.type = up ? LINK_UP : LINK_DOWN, .peer = the_sim.nodes[to].code};
    memcpy(event.reason, "cut", 4);
    deliver(n, &event, bytes_of(NULL, 0));
}

static bool is_line_whole(unsigned a, unsigned b)
{
    return !net.cut[a][b] && !net.cut[b][a] && the_sim.nodes[a].alive && the_sim.nodes[b].alive && knows(a, b);
}

/* The earliest counts: a program that starts dials at once, whatever the one before it waited for. */
static void dial(unsigned from, unsigned to, uint64_t delay_ms)
{
    uint64_t due = the_sim.now_ms + delay_ms;
    if (net.dial_ms[from][to] != 0 && net.dial_ms[from][to] <= due)
        return;
    net.dial_ms[from][to] = due;
    sim_post(SIM_LINK, delay_ms, from, NULL, to);
}

/* ---- link.h ---- */

static uint64_t travel_ms(void)
{
    const struct sim_options *o = &the_sim.options;
    uint64_t ms = 1 + sim_below(o->delay_ms_max);
    return !the_sim.calm && sim_chance(o->slow_permille) ? ms + sim_below(4000) : ms;
}

static void send_packet(uint64_t call, bool is_reply, struct bytes data)
{
    const struct call *c = &net.calls[call];
    const struct sim_options *o = &the_sim.options;
    unsigned from = is_reply ? c->to : c->from, to = is_reply ? c->from : c->to;
    the_sim.counts.messages++;
    if (net.cut[from][to] || (!the_sim.calm && sim_chance(o->loss_permille)))
        return;
    struct packet *p = sim_alloc(sizeof *p);
    *p = (struct packet){.call = call, .is_reply = is_reply, .data = data};
    sim_post(SIM_PACKET, travel_ms(), to, p, 0);
    if (!is_reply && !the_sim.calm && sim_chance(o->duplicate_permille))
        sim_post(SIM_PACKET, travel_ms() + sim_below(500), to, p, 0);
}

static int link_request_cb(struct link *l, uint32_t peer, struct bytes message, uint64_t token, uint32_t timeout_ms,
                           struct err *e)
{
    struct sim_node *n = ((struct sim_link *)l)->node;
    unsigned to = net_route(n->slot, peer);
    if (to == SIM_NONE || !net.up[n->slot][to])
        return err_set(e, ERR_CLOSED, "link.closed", "no connection to %u", peer);
    struct sim_heap *heap = sim_heap_use(NULL);
    check_message(n, message);
    uint64_t id = net.call_count;
    struct call *c = sim_push((void **)&net.calls, &net.call_count, &net.call_capacity, sizeof *c);
    *c = (struct call){
        .from = n->slot, .to = to, .from_epoch = n->epoch, .to_epoch = the_sim.nodes[to].epoch, .token = token};
    sim_post(SIM_CALL_END, timeout_ms, n->slot, NULL, id);
    send_packet(id, false, sim_copy(message));
    (void)sim_heap_use(heap);
    return 0;
}

static void link_reply_cb(struct link *l, uint64_t handle, struct bytes message)
{
    struct sim_node *n = ((struct sim_link *)l)->node;
    struct call *c = &net.calls[handle];
    if (c->ended || c->to_epoch != n->epoch)
        return;
    struct sim_heap *heap = sim_heap_use(NULL);
    check_message(n, message);
    struct bytes copy = net_tamper(n, c->from, message);
    if (n->is_replayer && !the_sim.calm) { /* what it said before instead of what it has to say */
        struct bytes old = net.old[n->slot][c->from];
        if (old.size == 0 || sim_chance(300))
            net.old[n->slot][c->from] = copy;
        if (old.size > 0 && sim_chance(300))
            copy = old;
    }
    send_packet(handle, true, copy);
    (void)sim_heap_use(heap);
}

static void link_drop_cb(struct link *l, uint64_t handle)
{
    (void)l;
    (void)handle; /* the asker's time runs out */
}

static void link_redial_cb(struct link *l, uint32_t peer)
{
    struct sim_node *n = ((struct sim_link *)l)->node;
    unsigned to = net_route(n->slot, peer);
    if (to != SIM_NONE && !net.up[n->slot][to])
        sim_post(SIM_LINK, 1, n->slot, NULL, to);
}

static void link_close_cb(struct link *l)
{
    (void)l;
}

static const struct link_ops ops = {.request = link_request_cb,
                                    .reply = link_reply_cb,
                                    .drop = link_drop_cb,
                                    .redial = link_redial_cb,
                                    .close = link_close_cb};

struct link *net_open(struct sim_node *n)
{
    struct sim_link *l = xcalloc(1, sizeof *l);
    l->link.ops = &ops;
    l->node = n;
    for (unsigned i = 0; i < the_sim.slot_count; i++) {
        if (i == n->slot)
            continue;
        net.up[n->slot][i] = false;
        dial(n->slot, i, 1 + sim_below(100));
        if (!net.up[i][n->slot])
            dial(i, n->slot, 1 + sim_below(REDIAL_MS_MAX));
    }
    return &l->link;
}

void net_down(struct sim_node *n)
{
    for (unsigned i = 0; i < the_sim.slot_count; i++) {
        net.up[n->slot][i] = false;
        net.old[n->slot][i] = bytes_of(NULL, 0);
        if (net.up[i][n->slot])
            sim_post(SIM_LINK, sim_below(200), i, NULL, n->slot);
    }
}

/* ---- events ---- */

static void try_line(unsigned from, unsigned to)
{
    if (net.dial_ms[from][to] <= the_sim.now_ms)
        net.dial_ms[from][to] = 0;
    if (!the_sim.nodes[from].alive)
        return;
    bool whole = is_line_whole(from, to);
    set_up(from, to, whole);
    if (!whole)
        dial(from, to, 100 + sim_below(REDIAL_MS_MAX));
}

static void arrive(const struct sim_event *event)
{
    struct packet *p = event->ptr;
    struct call *c = &net.calls[p->call];
    struct sim_node *n = &the_sim.nodes[event->slot];
    if (!n->alive || n->epoch != (p->is_reply ? c->from_epoch : c->to_epoch) || !knows(c->from, c->to))
        return;
    if (!p->is_reply) {
        struct link_event request = {.type = LINK_REQUEST, .peer = the_sim.nodes[c->from].code, .handle = p->call};
        deliver(n, &request, p->data);
    } else if (!c->ended) {
        struct link_event reply = {.type = LINK_REPLY, .peer = the_sim.nodes[c->to].code, .token = c->token};
        c->ended = true;
        deliver(n, &reply, p->data);
    }
}

void net_event(const struct sim_event *event)
{
    if (event->kind == SIM_PACKET)
        arrive(event);
    else if (event->kind == SIM_LINK)
        try_line(event->slot, (unsigned)event->value);
    else
        fail_call(event->value, "timed out");
}

bool net_is_cut(unsigned from, unsigned to)
{
    return net.cut[from][to];
}

/* A cut line is noticed by the system below (a reset) or only by the silence. */
void net_cut(unsigned from, unsigned to, bool cut)
{
    if (net.cut[from][to] == cut)
        return;
    net.cut[from][to] = cut;
    sim_trace("line %s -> %s %s", sim_name(&the_sim.nodes[from]), sim_name(&the_sim.nodes[to]), cut ? "cut" : "whole");
    if (!cut || sim_chance(500)) {
        dial(from, to, sim_below(cut ? 3000 : REDIAL_MS_MAX));
        dial(to, from, sim_below(cut ? 3000 : REDIAL_MS_MAX));
    }
}

void net_heal(void)
{
    for (unsigned a = 0; a < the_sim.slot_count; a++)
        for (unsigned b = 0; b < the_sim.slot_count; b++) {
            net_cut(a, b, false);
            if (a != b)
                dial(a, b, 1 + sim_below(REDIAL_MS_MAX));
        }
}
