/* Link in memory: a whole federation in one process, for tests and the simulator (link.h has the events and the calls).
 *
 *   link_mem_link(hub, code) ─link_request()─► queue of the hub ─link_mem_step()─► callback of the other endpoint
 *
 * No threads and no clock: nothing happens but in link_mem_step(), one event at a time, and time passes only in
 * link_mem_advance(). The order is drawn from the seed, so that a seed repeats a run exactly. Faults: lines cut and
 * healed, messages lost, doubled, late. The rules of link.h hold: exactly one answer or failure per request, LINK_UP before
 * and LINK_DOWN after, nothing from inside the call that caused it.
 *
 * Loss is loss of a request or of its answer (the asker's time runs out); TCP under the real link loses whole connections
 * instead, which link_mem_cut() does. A doubled request reaches the receiver twice, with two handles; the second answer
 * is ignored, as REQ0 does. One thread.
 */
#ifndef TB_FEDERATION_LINK_MEM_H
#define TB_FEDERATION_LINK_MEM_H

#include "federation/link.h"
#include "node/base/err.h"

#define LINK_MEM_NODES_MAX 256u

struct link_mem_faults {
    uint32_t drop_permille;      /* of messages (requests, answers) */
    uint32_t duplicate_permille; /* of requests */
    uint32_t delay_steps_max;    /* each message waits 0..this many steps */
};

struct link_mem_hub;

struct link_mem_hub *link_mem_create(uint64_t seed);
/* Frees everything that is queued; closes what link_close() has not closed. */
void link_mem_destroy(struct link_mem_hub *hub);

/* Adds the node @code, or brings it back after its link_close(). ERR_CONFLICT when it is open, ERR_LIMIT over
 * LINK_MEM_NODES_MAX. It is connected with all others whose line is not cut: LINK_UP events are queued both ways.
 * @event_cb may call the link but not link_close(). link_close() is a crash or a stop: its open requests fail before it
 * returns, the others get LINK_DOWN. */
int link_mem_open(struct link_mem_hub *hub, uint32_t code, link_event_cb event_cb, void *ctx, struct link **ret,
                  struct err *e) WARN_UNUSED;

/* For all messages from now on; 0 everywhere at first. */
void link_mem_set_faults(struct link_mem_hub *hub, const struct link_mem_faults *faults);

/* Cuts the line between @a and @b, both directions: open requests fail, LINK_DOWN on both sides. Nothing when cut. */
void link_mem_cut(struct link_mem_hub *hub, uint32_t a, uint32_t b);
/* Heals it; the diallers notice when they next try: LINK_UP within @redial_ms, at once after link_redial(). */
void link_mem_heal(struct link_mem_hub *hub, uint32_t a, uint32_t b, uint32_t redial_ms);

/* Delivers one event; false when none is ready. */
bool link_mem_step(struct link_mem_hub *hub);

/* Lets time pass: requests run out, healed lines are redialled. What follows from it is queued for link_mem_step(). */
void link_mem_advance(struct link_mem_hub *hub, uint64_t ms);
/* Milliseconds until the next such thing, UINT64_MAX when there is none: for simulators that jump. */
uint64_t link_mem_next_ms(const struct link_mem_hub *hub);

#endif
