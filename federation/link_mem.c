/* Link in memory (see link_mem.h).
 *
 * Three kinds of things wait in the hub: messages (requests and answers on their way, in no order), notices (all other
 * events, in order for each endpoint), and open requests (which end by an answer, by time, or with their line). One step
 * draws one of the messages that are due or of the endpoints with a notice, and delivers it. A line is a pair (dialler,
 * dialled): up, down until redial_ms, or cut.
 *
 * Ownership: the hub owns everything; a delivered event's data becomes the receiver's.
 */
#include "federation/link_mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/limits.h"
#include "node/base/list.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"

#define NEVER UINT64_MAX

struct endpoint {
    struct link base;
    struct link_mem_hub *hub;
    uint32_t code;
    bool is_open;
    link_event_cb event_cb;
    void *ctx;
    struct list notices;
};

/* What a dialler knows of the dialled. */
struct line {
    bool is_up;
    bool is_cut;
    uint64_t redial_ms; /* when it connects again; NEVER = not by itself */
};

struct open_request {
    struct list node;
    uint64_t id;
    size_t asker, answerer;
    uint64_t token;
    uint64_t deadline_ms;
};

struct message {
    struct list node;
    bool is_answer;
    uint64_t request_id;
    size_t from, to;
    uint64_t due_step;
    struct bytes body; /* owned; empty in an answer = refused */
};

/* A delivered request that waits for link_reply(). */
struct parked {
    struct list node;
    uint64_t handle;
    uint64_t request_id;
    size_t asker, answerer;
};

struct notice {
    struct list node;
    struct link_event event;
};

struct link_mem_hub {
    struct prng prng;
    struct link_mem_faults faults;
    uint64_t now_ms;
    uint64_t step;
    uint64_t next_id;
    struct endpoint *nodes[LINK_MEM_NODES_MAX];
    size_t count;
    struct line lines[LINK_MEM_NODES_MAX][LINK_MEM_NODES_MAX]; /* [dialler][dialled] */
    struct list requests, messages, parked;
};

static struct endpoint *endpoint_of(struct link *l)
{
    return container_of(l, struct endpoint, base);
}

/* LINK_MEM_NODES_MAX when there is none. */
static size_t find_node(const struct link_mem_hub *h, uint32_t code)
{
    for (size_t i = 0; i < h->count; i++) {
        if (h->nodes[i]->code == code)
            return i;
    }
    return LINK_MEM_NODES_MAX;
}

static size_t index_of(const struct endpoint *n)
{
    size_t i = find_node(n->hub, n->code);
    xassert(i < n->hub->count);
    return i;
}

static void push_notice(struct endpoint *n, struct link_event event, const char *reason)
{
    struct notice *notice = xmalloc(sizeof *notice);
    (void)snprintf(event.reason, sizeof event.reason, "%s", reason);
    notice->event = event;
    list_append(&n->notices, &notice->node);
}

static bool draw(struct link_mem_hub *h, uint32_t permille)
{
    return permille > 0 && prng_below(&h->prng, 1000) < permille;
}

/* ---- messages ---- */

/* Puts a copy of @body on its way, unless it is lost. */
static void send_message(struct link_mem_hub *h, bool is_answer, uint64_t request_id, size_t from, size_t to,
                         struct bytes body)
{
    if (draw(h, h->faults.drop_permille))
        return;
    struct message *m = xcalloc(1, sizeof *m);
    m->is_answer = is_answer;
    m->request_id = request_id;
    m->from = from;
    m->to = to;
    m->due_step = h->step + prng_below(&h->prng, (uint64_t)h->faults.delay_steps_max + 1);
    m->body = bytes_of(body.size == 0 ? NULL : xmemdup(body.data, body.size), body.size);
    list_append(&h->messages, &m->node);
}

static uint8_t *take_body(struct message *m)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = m->body.data};
    m->body = bytes_of(NULL, 0);
    return u.out;
}

static void free_message(struct message *m)
{
    list_remove(&m->node);
    free(take_body(m));
    free(m);
}

static struct open_request *find_request(struct link_mem_hub *h, uint64_t id)
{
    list_for_each (node, &h->requests) {
        struct open_request *r = container_of(node, struct open_request, node);
        if (r->id == id)
            return r;
    }
    return NULL;
}

static void fail_request(struct link_mem_hub *h, struct open_request *r, const char *reason)
{
    struct link_event event = {.type = LINK_REPLY_FAILED, .peer = h->nodes[r->answerer]->code, .token = r->token};
    push_notice(h->nodes[r->asker], event, reason);
    list_remove(&r->node);
    free(r);
}

static unsigned count_parked(struct link_mem_hub *h, size_t asker, size_t answerer)
{
    unsigned count = 0;
    list_for_each (node, &h->parked) {
        const struct parked *p = container_of(node, struct parked, node);
        count += p->asker == asker && p->answerer == answerer;
    }
    return count;
}

static void deliver_request(struct link_mem_hub *h, struct message *m)
{
    if (count_parked(h, m->from, m->to) >= LINK_PEER_REQUESTS_MAX) {
        send_message(h, true, m->request_id, m->to, m->from, bytes_of(NULL, 0));
        return;
    }
    struct parked *p = xcalloc(1, sizeof *p);
    p->handle = ++h->next_id;
    p->request_id = m->request_id;
    p->asker = m->from;
    p->answerer = m->to;
    list_append(&h->parked, &p->node);
    struct link_event event = {
        .type = LINK_REQUEST, .peer = h->nodes[m->from]->code, .handle = p->handle, .size = m->body.size};
    event.data = take_body(m);
    h->nodes[m->to]->event_cb(h->nodes[m->to]->ctx, &event);
}

static void deliver_answer(struct link_mem_hub *h, struct message *m)
{
    struct open_request *r = find_request(h, m->request_id);
    if (r == NULL)
        return; /* late, or the answer to a double */
    struct link_event event = {
        .type = LINK_REPLY, .peer = h->nodes[m->from]->code, .token = r->token, .size = m->body.size};
    if (event.size == 0) {
        event.type = LINK_REPLY_FAILED;
        (void)snprintf(event.reason, sizeof event.reason, "refused by the peer");
    }
    event.data = take_body(m);
    list_remove(&r->node);
    free(r);
    h->nodes[m->to]->event_cb(h->nodes[m->to]->ctx, &event);
}

/* ---- lines ---- */

static void line_up(struct link_mem_hub *h, size_t a, size_t b)
{
    struct line *line = &h->lines[a][b];
    if (line->is_up || line->is_cut || a == b || !h->nodes[a]->is_open || !h->nodes[b]->is_open)
        return;
    line->is_up = true;
    line->redial_ms = NEVER;
    push_notice(h->nodes[a], (struct link_event){.type = LINK_UP, .peer = h->nodes[b]->code}, "");
}

/* The dialler @a loses @b: what is on that line is gone, open requests fail. */
static void line_down(struct link_mem_hub *h, size_t a, size_t b, const char *reason)
{
    struct line *line = &h->lines[a][b];
    list_for_each_safe (node, &h->messages) {
        struct message *m = container_of(node, struct message, node);
        if (m->is_answer ? m->from == b && m->to == a : m->from == a && m->to == b)
            free_message(m);
    }
    if (!line->is_up)
        return;
    line->is_up = false;
    line->redial_ms = NEVER;
    list_for_each_safe (node, &h->requests) {
        struct open_request *r = container_of(node, struct open_request, node);
        if (r->asker == a && r->answerer == b)
            fail_request(h, r, "connection lost");
    }
    push_notice(h->nodes[a], (struct link_event){.type = LINK_DOWN, .peer = h->nodes[b]->code}, reason);
}

void link_mem_cut(struct link_mem_hub *h, uint32_t code_a, uint32_t code_b)
{
    size_t a = find_node(h, code_a), b = find_node(h, code_b);
    xassert(a < h->count && b < h->count && a != b);
    h->lines[a][b].is_cut = h->lines[b][a].is_cut = true;
    line_down(h, a, b, "the line was cut");
    line_down(h, b, a, "the line was cut");
}

void link_mem_heal(struct link_mem_hub *h, uint32_t code_a, uint32_t code_b, uint32_t redial_ms)
{
    size_t a = find_node(h, code_a), b = find_node(h, code_b);
    xassert(a < h->count && b < h->count && a != b);
    if (!h->lines[a][b].is_cut)
        return;
    h->lines[a][b].is_cut = h->lines[b][a].is_cut = false;
    h->lines[a][b].redial_ms = h->now_ms + prng_below(&h->prng, (uint64_t)redial_ms + 1);
    h->lines[b][a].redial_ms = h->now_ms + prng_below(&h->prng, (uint64_t)redial_ms + 1);
}

/* ---- struct link_ops ---- */

static int mem_request(struct link *base, uint32_t code, struct bytes message, uint64_t token, uint32_t timeout_ms,
                       struct err *e)
{
    struct endpoint *n = endpoint_of(base);
    struct link_mem_hub *h = n->hub;
    size_t me = index_of(n), peer = find_node(h, code);
    if (message.size == 0)
        return err_set(e, ERR_INVALID, "link.empty", "an empty request");
    if (message.size > WIRE_MESSAGE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "link.too-large", "request of %zu bytes, limit %u", message.size,
                       WIRE_MESSAGE_BYTES_MAX);
    if (peer >= h->count || !h->lines[me][peer].is_up)
        return err_set(e, ERR_CLOSED, "link.down", "peer %" PRIu32 ": not connected", code);
    unsigned open = 0;
    list_for_each (node, &h->requests) {
        const struct open_request *r = container_of(node, struct open_request, node);
        open += r->asker == me && r->answerer == peer;
    }
    if (open >= LINK_PEER_REQUESTS_MAX)
        return err_set(e, ERR_BUSY, "link.busy", "peer %" PRIu32 ": %u requests open, limit %u", code, open,
                       LINK_PEER_REQUESTS_MAX);

    struct open_request *r = xcalloc(1, sizeof *r);
    r->id = ++h->next_id;
    r->asker = me;
    r->answerer = peer;
    r->token = token;
    r->deadline_ms = h->now_ms + max_of(timeout_ms, 1u);
    list_append(&h->requests, &r->node);
    send_message(h, false, r->id, me, peer, message);
    if (draw(h, h->faults.duplicate_permille))
        send_message(h, false, r->id, me, peer, message);
    return 0;
}

static void mem_reply(struct link *base, uint64_t handle, struct bytes message)
{
    struct endpoint *n = endpoint_of(base);
    struct link_mem_hub *h = n->hub;
    struct parked *p = NULL;
    list_for_each (node, &h->parked) {
        struct parked *at = container_of(node, struct parked, node);
        if (at->handle == handle)
            p = at;
    }
    xassert(p != NULL && h->nodes[p->answerer] == n); /* answered once, by whom it was asked of */
    bool is_wanted = h->lines[p->asker][p->answerer].is_up && find_request(h, p->request_id) != NULL;
    bool fits = message.size <= WIRE_MESSAGE_BYTES_MAX;
    if (is_wanted)
        send_message(h, true, p->request_id, p->answerer, p->asker, fits ? message : bytes_of(NULL, 0));
    list_remove(&p->node);
    free(p);
}

static void mem_message_create(size_t size, struct link_message *ret)
{
    uint8_t *data = xmalloc(size);
    *ret = (struct link_message){.data = data, .size = size, .owner = data};
}

static void mem_reply_message(struct link *base, uint64_t handle, struct link_message *message)
{
    mem_reply(base, handle, bytes_of(message->data, message->size));
    free(message->owner);
}

static void mem_drop(struct link *base, uint64_t handle)
{
    mem_reply(base, handle, bytes_of(NULL, 0));
}

static void mem_redial(struct link *base, uint32_t code)
{
    struct endpoint *n = endpoint_of(base);
    size_t peer = find_node(n->hub, code);
    if (peer < n->hub->count)
        line_up(n->hub, index_of(n), peer);
}

static void mem_close(struct link *base)
{
    struct endpoint *n = endpoint_of(base);
    struct link_mem_hub *h = n->hub;
    size_t me = index_of(n);
    for (size_t i = 0; i < h->count; i++) {
        line_down(h, me, i, "closing");
        line_down(h, i, me, "the peer closed the connection");
    }
    list_for_each_safe (node, &h->parked) {
        struct parked *p = container_of(node, struct parked, node);
        if (p->answerer != me)
            continue;
        list_remove(node);
        free(p);
    }
    struct list *node;
    while ((node = list_pop_first(&n->notices)) != NULL) {
        struct notice *notice = container_of(node, struct notice, node);
        n->event_cb(n->ctx, &notice->event);
        free(notice);
    }
    n->is_open = false;
}

/* ---- the hub ---- */

struct link_mem_hub *link_mem_create(uint64_t seed)
{
    struct link_mem_hub *h = xcalloc(1, sizeof *h);
    prng_init(&h->prng, seed);
    list_init(&h->requests);
    list_init(&h->messages);
    list_init(&h->parked);
    for (size_t a = 0; a < LINK_MEM_NODES_MAX; a++) {
        for (size_t b = 0; b < LINK_MEM_NODES_MAX; b++)
            h->lines[a][b].redial_ms = NEVER;
    }
    return h;
}

void link_mem_destroy(struct link_mem_hub *h)
{
    if (h == NULL)
        return;
    for (size_t i = 0; i < h->count; i++) {
        if (h->nodes[i]->is_open)
            mem_close(&h->nodes[i]->base);
    }
    for (size_t i = 0; i < h->count; i++)
        free(h->nodes[i]);
    xassert(list_is_empty(&h->requests) && list_is_empty(&h->messages) && list_is_empty(&h->parked));
    free(h);
}

int link_mem_open(struct link_mem_hub *h, uint32_t code, link_event_cb event_cb, void *ctx, struct link **ret,
                  struct err *e)
{
    static const struct link_ops ops = {.request = mem_request,
                                        .reply = mem_reply,
                                        .drop = mem_drop,
                                        .message_create = mem_message_create,
                                        .message_destroy = free,
                                        .reply_message = mem_reply_message,
                                        .redial = mem_redial,
                                        .close = mem_close};
    size_t me = find_node(h, code);
    if (me < h->count && h->nodes[me]->is_open)
        return err_set(e, ERR_CONFLICT, "link.open", "node %" PRIu32 " is open", code);
    if (me >= h->count && h->count == LINK_MEM_NODES_MAX)
        return err_set(e, ERR_LIMIT, "link.nodes", "%zu nodes, limit %u", h->count, LINK_MEM_NODES_MAX);
    if (me >= h->count) {
        me = h->count++;
        h->nodes[me] = xcalloc(1, sizeof *h->nodes[me]);
        list_init(&h->nodes[me]->notices);
    }
    struct endpoint *n = h->nodes[me];
    n->base.ops = &ops;
    n->hub = h;
    n->code = code;
    n->is_open = true;
    n->event_cb = event_cb;
    n->ctx = ctx;
    for (size_t i = 0; i < h->count; i++) {
        line_up(h, me, i);
        line_up(h, i, me);
    }
    *ret = &n->base;
    return 0;
}

void link_mem_set_faults(struct link_mem_hub *h, const struct link_mem_faults *faults)
{
    h->faults = *faults;
}

/* The @number-th of what may be delivered now: first endpoints with a notice, then messages that are due. Returns how many
 * there are when @number is past the end. */
static size_t pick(struct link_mem_hub *h, size_t number, struct endpoint **ret_node, struct message **ret_message)
{
    size_t seen = 0;
    for (size_t i = 0; i < h->count; i++) {
        if (!list_is_empty(&h->nodes[i]->notices) && seen++ == number)
            *ret_node = h->nodes[i];
    }
    list_for_each (node, &h->messages) {
        struct message *m = container_of(node, struct message, node);
        if (m->due_step <= h->step && seen++ == number)
            *ret_message = m;
    }
    return seen;
}

bool link_mem_step(struct link_mem_hub *h)
{
    struct endpoint *n = NULL;
    struct message *m = NULL;
    h->step++;
    size_t count = pick(h, SIZE_MAX, &n, &m);
    if (count == 0 && list_is_empty(&h->messages))
        return false;
    if (count == 0) { /* all of it is late: skip to the first */
        uint64_t first = NEVER;
        list_for_each (node, &h->messages)
            first = min_of(first, container_of(node, struct message, node)->due_step);
        h->step = first;
        count = pick(h, SIZE_MAX, &n, &m);
    }
    (void)pick(h, prng_below(&h->prng, count), &n, &m);
    if (n != NULL) {
        struct notice *notice = container_of(list_pop_first(&n->notices), struct notice, node);
        n->event_cb(n->ctx, &notice->event);
        free(notice);
        return true;
    }
    list_remove(&m->node);
    if (m->is_answer)
        deliver_answer(h, m);
    else
        deliver_request(h, m);
    free_message(m);
    return true;
}

void link_mem_advance(struct link_mem_hub *h, uint64_t ms)
{
    h->now_ms += ms;
    list_for_each_safe (node, &h->requests) {
        struct open_request *r = container_of(node, struct open_request, node);
        if (r->deadline_ms <= h->now_ms)
            fail_request(h, r, "no answer in time");
    }
    for (size_t a = 0; a < h->count; a++) {
        for (size_t b = 0; b < h->count; b++) {
            if (h->lines[a][b].redial_ms <= h->now_ms)
                line_up(h, a, b);
        }
    }
}

uint64_t link_mem_next_ms(const struct link_mem_hub *h)
{
    uint64_t at = NEVER;
    list_for_each (node, &h->requests)
        at = min_of(at, container_of(node, struct open_request, node)->deadline_ms);
    for (size_t a = 0; a < h->count; a++) {
        for (size_t b = 0; b < h->count; b++) {
            bool can = h->nodes[a]->is_open && h->nodes[b]->is_open && !h->lines[a][b].is_up && !h->lines[a][b].is_cut;
            if (can)
                at = min_of(at, h->lines[a][b].redial_ms);
        }
    }
    return at == NEVER ? NEVER : at <= h->now_ms ? 0 : at - h->now_ms;
}
