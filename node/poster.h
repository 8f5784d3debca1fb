/* Poster: POSTs to HTTP servers of others (external witnesses), by libcurl on one thread of its own, all at the same time.
 *
 *   poster_post() -> queue -> thread: curl_multi -> answer -> loop_post() -> callback
 *
 * Only http and https, no redirects, no proxy; an answer of more than NOTE_BYTES_MAX is a failure. The thread starts with the first
 * request. Loop thread only, but for what the thread does inside.
 */
#ifndef TB_NODE_POSTER_H
#define TB_NODE_POSTER_H

#include <stdint.h>

#include "node/base/bytes.h"
#include "node/base/err.h"

struct poster;
struct loop;

/* @status: of HTTP; 0 when there is no answer, then @e says why (ERR_CLOSED, ERR_TIMEOUT, ERR_LIMIT, ERR_IO "poster.…"). */
typedef void (*poster_cb)(void *ctx, unsigned status, struct bytes body, const struct err *e);

struct poster *poster_create(struct loop *loop);
/* Everything is copied. @cb exactly once, never from inside the call. */
void poster_post(struct poster *p, const char *url, struct bytes body, uint32_t timeout_ms, poster_cb cb, void *ctx);
/* Ends what is under way; its callbacks come with the loop's next turns (loop_drain). */
void poster_close(struct poster *p);
void poster_destroy(struct poster *p); /* after those; NULL is fine */

#endif
