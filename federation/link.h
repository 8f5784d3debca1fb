/* Link: how a node's shell talks to its peers. One implementation over NNG (link_nng.h), one in memory for tests and
 * the simulator (link_mem.h); federation/sync knows neither.
 *
 * A link carries opaque messages (federation/wire encodes them): requests with exactly one answer. Both sides may ask.
 * Every event is delivered through the callback given at open, exactly once, possibly from a foreign thread and never
 * from inside the call that caused it; the receiver posts it to its loop. Peers are named by node code; the link has
 * authenticated them before any event names them.
 */
#ifndef TB_FEDERATION_LINK_H
#define TB_FEDERATION_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "node/base/bytes.h"

enum link_event_type {
    LINK_UP,           /* our connection to @peer stands: requests can be sent */
    LINK_DOWN,         /* it is gone; @reason says why; the link redials by itself with backoff */
    LINK_REQUEST,      /* @peer asks: answer with link_reply(@handle) or link_drop(@handle) */
    LINK_REPLY,        /* answer to our request @token */
    LINK_REPLY_FAILED, /* no answer to our request @token: timed out, connection lost, too large; @reason */
    LINK_REFUSED       /* somebody was refused at the door (handshake or member check); @peer may be 0; @reason */
};

struct link_event {
    enum link_event_type type;
    uint32_t peer;   /* node code */
    uint64_t token;  /* LINK_REPLY*: the token of link_request() */
    uint64_t handle; /* LINK_REQUEST: for link_reply() */
    uint8_t *data;   /* LINK_REQUEST, LINK_REPLY: the message; the receiver takes it (link_event_close()) */
    size_t size;
    void *owner;                  /* of @data, when it is the link's own buffer; NULL: the heap's */
    void (*release)(void *owner); /* gives it back, on any thread; NULL without @owner */
    char reason[192];             /* LINK_DOWN, LINK_REPLY_FAILED, LINK_REFUSED */
};

/* @event is the callback's to keep (it is copied by value); @event->data changes owner. */
typedef void (*link_event_cb)(void *ctx, const struct link_event *event);

/* Frees the message of an event. Any thread, after the link's end too. */
static inline void link_event_close(struct link_event *event)
{
    if (event->owner != NULL)
        event->release(event->owner);
    else
        free(event->data);
    event->data = NULL;
    event->owner = NULL;
}

/* A long answer, made where it is sent from. */
struct link_message {
    uint8_t *data; /* @size bytes to be filled */
    size_t size;
    void *owner; /* the link's; NULL: none */
};

struct link;
struct link_ops {
    int (*request)(struct link *l, uint32_t peer, struct bytes message, uint64_t token, uint32_t timeout_ms,
                   struct err *e);
    void (*reply)(struct link *l, uint64_t handle, struct bytes message);
    void (*drop)(struct link *l, uint64_t handle);
    void (*message_create)(size_t size, struct link_message *ret);
    void (*message_destroy)(void *owner);
    void (*reply_message)(struct link *l, uint64_t handle, struct link_message *message);
    void (*redial)(struct link *l, uint32_t peer);
    void (*close)(struct link *l);
};

struct link {
    const struct link_ops *ops;
};

/* Asks @peer; copies @message. On 0 exactly one LINK_REPLY or LINK_REPLY_FAILED with @token follows, within
 * @timeout_ms. ERR_CLOSED when there is no connection, ERR_BUSY over the implementation's limit of open requests,
 * ERR_LIMIT for a message over WIRE_MESSAGE_BYTES_MAX. Loop thread. */
static inline int link_request(struct link *l, uint32_t peer, struct bytes message, uint64_t token, uint32_t timeout_ms,
                               struct err *e)
{
    return l->ops->request(l, peer, message, token, timeout_ms, e);
}

/* Answers; copies @message. A peer that went away meanwhile is no error: it will ask again. Loop thread. */
static inline void link_reply(struct link *l, uint64_t handle, struct bytes message)
{
    l->ops->reply(l, handle, message);
}

/* Room for an answer of @size bytes, at most WIRE_MESSAGE_BYTES_MAX, to a request of a link with @ops. Any thread, needs no link. */
static inline void link_message_create(const struct link_ops *ops, size_t size, struct link_message *ret)
{
    ops->message_create(size, ret);
}

/* Of one that is not sent. Any thread; empty is fine. */
static inline void link_message_destroy(const struct link_ops *ops, struct link_message *message)
{
    if (message->owner != NULL)
        ops->message_destroy(message->owner);
    *message = (struct link_message){0};
}

/* As link_reply(), without a copy: takes what is in @message, which is empty then. Loop thread. */
static inline void link_reply_message(struct link *l, uint64_t handle, struct link_message *message)
{
    l->ops->reply_message(l, handle, message);
    *message = (struct link_message){0};
}

/* Gives up a request without an answer (malformed message, shutting down). */
static inline void link_drop(struct link *l, uint64_t handle)
{
    l->ops->drop(l, handle);
}

/* Dials @peer now instead of at the end of its backoff; nothing happens when connected. */
static inline void link_redial(struct link *l, uint32_t peer)
{
    l->ops->redial(l, peer);
}

/* Closes all connections and frees (but see is_last of link_nng.h); no event is delivered after it returns. Not from inside the callback. */
static inline void link_close(struct link *l)
{
    l->ops->close(l);
}

#endif
