/* Fetches: files on their way between nodes, over a link of their own (PROTOCOL.md, "Files"), so that two gigabytes never stand
 * before an event.
 *
 *   fetches_add() -> [link up] -> HEAD: what it is made of -> chunks, a window of them at once, each checked and written by a
 *   worker -> durable under its id -> done() -> HAVE to its author -> told()
 *
 * A node fetches from the author of the event, which gives a file only to those who take part in a case in which it put it there.
 * A file that was here and is lost comes back in the same way; an own one from anybody who has it.
 * What is on the disk is found by reading after a restart and not asked for again. A peer that sends wrong bytes is reported and
 * asked again after a growing pause; other files and all events go on.
 *
 * Loop thread only, but for fetches_link_event(). What blocks runs on workers; memory is a few chunks per file under way.
 */
#ifndef TB_NODE_FETCHES_H
#define TB_NODE_FETCHES_H

#include "federation/link.h"
#include "node/files/file_chunk.h"
#include "node/loop.h"

struct fetches;

struct fetches_config {
    struct loop *loop;
    const char *dir; /* of the finished files; borrowed for life */
    /* Whether @peer may have @file: need to know. */
    bool (*may_have)(void *ctx, uint32_t peer, const uint8_t file[FILE_ID_SIZE]);
    /* A connection to @peer is wanted: to be made when its address is known. Called again and again until it is up. */
    void (*dial)(void *ctx, uint32_t peer);
    /* @file is durable here. */
    void (*done)(void *ctx, const uint8_t file[FILE_ID_SIZE], uint32_t origin);
    /* @origin knows that it is here. */
    void (*told)(void *ctx, const uint8_t file[FILE_ID_SIZE], uint32_t origin);
    /* A lost @file is back, durably, from @peer; or (@peer 0) none of those that were asked gives it now. */
    void (*back)(void *ctx, const uint8_t file[FILE_ID_SIZE], uint32_t peer);
    /* @peer has all of @file. */
    void (*peer_has)(void *ctx, uint32_t peer, const uint8_t file[FILE_ID_SIZE]);
    /* Something about @peer (0: this node) that the operator must see. */
    void (*alarm)(void *ctx, uint32_t peer, const char *id, const char *text);
    void *ctx;
    uint32_t pause_wrong_ms; /* after wrong bytes; 0 = 30,000 */
    uint32_t answer_ms;      /* after which a request is given up; 0 = 20,000, and 60,000 for a chunk */
    uint32_t dial_ms;        /* a source of a lost file that cannot be reached for so long is passed over; 0 = 10,000 */
};

struct fetches *fetches_create(const struct fetches_config *config);
/* NULL: it was closed, nothing begins any more. */
void fetches_set_link(struct fetches *f, struct link *link);
/* No worker is at it; after fetches_set_link(NULL) that comes soon. */
bool fetches_is_idle(const struct fetches *f);
void fetches_destroy(struct fetches *f); /* when idle and the link is closed; NULL is fine */

/* A link_event_cb; any thread. @ctx is the fetches. */
void fetches_link_event(void *ctx, const struct link_event *event);

/* @file is wanted from @origin. @is_here: only its author has to be told. Again is fine. */
void fetches_add(struct fetches *f, const uint8_t file[FILE_ID_SIZE], uint32_t origin, bool is_here);
/* @file was here and is lost: @sources (1..FILE_SOURCES_MAX) are asked for it, one after the other, then back() says how that ended.
 * Again is fine. */
void fetches_add_lost(struct fetches *f, const uint8_t file[FILE_ID_SIZE], const uint32_t *sources, size_t count);
/* No case holds it any more: ends it, removes what is there of it and is not finished. */
void fetches_forget(struct fetches *f, const uint8_t file[FILE_ID_SIZE]);
/* Chunks of @file that this node (@peer 0) or @peer has, as far as is known; 0 = nothing known. */
uint32_t fetches_progress(const struct fetches *f, const uint8_t file[FILE_ID_SIZE], uint32_t peer);

/* "@dir/<hex>.part" */
void fetches_part_path(const char *dir, const uint8_t file[FILE_ID_SIZE], char out[1024]);

struct fetches_stats {
    uint64_t chunks_in, bytes_in, chunks_out, bytes_out, refused;
    uint32_t wanted; /* now */
};
void fetches_stats(const struct fetches *f, struct fetches_stats *ret);

#endif
