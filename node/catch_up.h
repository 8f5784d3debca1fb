/* Catch-up: how far a follower is that was away for long, for the people who wait. Pure; the caller's clock.
 *
 * A backlog of CATCH_UP_MIN leaves or more is told when its first batch is durable, then every CATCH_UP_SAY_MS, and when it is over.
 * What the batches themselves do is federation/sync's: each is durable and verified alone.
 */
#ifndef TB_NODE_CATCH_UP_H
#define TB_NODE_CATCH_UP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CATCH_UP_MIN 10000u
#define CATCH_UP_DONE 1000u /* so near, the rest is the traffic of the day */
#define CATCH_UP_SAY_MS 10000u

struct catch_up {
    bool is_active;
    uint64_t from, held, known; /* leaves of the ledger: at the beginning, now, and its newest checkpoint */
    uint64_t entries;           /* for this node, since the beginning */
    uint64_t began_ms, now_ms, said_ms;
};

enum catch_up_say { CATCH_UP_NOTHING, CATCH_UP_BEGAN, CATCH_UP_GOES_ON, CATCH_UP_OVER };

/* A batch with @entries is durable; the ledger is held up to @held of @known leaves. Says whether to tell. */
enum catch_up_say catch_up_note(struct catch_up *c, uint64_t now_ms, uint64_t held, uint64_t known, size_t entries);
/* The line cannot be reached now, or the peer was reset: the next backlog begins anew. */
void catch_up_stop(struct catch_up *c);

uint64_t catch_up_leaves_per_s(const struct catch_up *c);
uint64_t catch_up_entries_per_s(const struct catch_up *c);
uint64_t catch_up_seconds_left(const struct catch_up *c); /* at that rate; 0 = over */
/* "entry 120000 of 1000000 (12 %), 61000 leaves and 5300 entries for us a second, about 15 s left" */
void catch_up_text(const struct catch_up *c, char *out, size_t size);

#endif
