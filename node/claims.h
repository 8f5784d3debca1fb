/* Claims: a member says that it holds more of the own ledger than there is (HELLO, PULL, a witness's 409). If that is so, this is
 * an older copy and must write nothing; but anybody can say a number. So the member is asked (RECOVER) for the checkpoint that
 * shows it, as often as it gives no answer: only one that the own key has signed counts. Loop thread only.
 */
#ifndef TB_NODE_CLAIMS_H
#define TB_NODE_CLAIMS_H

#include "federation/members.h"
#include "node/replication.h"

struct claims;

struct claims_config {
    uint32_t self;
    struct loop *loop;
    const struct members *members;
    uint32_t open_ms, again_ms; /* 0 = 10 s, 1 s */
    /* @peer has shown a checkpoint over @size own entries, more than there are. */
    void (*on_proven)(void *ctx, uint32_t peer, uint64_t size);
    void (*on_judged)(void *ctx); /* one claim less is open; after on_proven */
    void *ctx;
};

struct claims *claims_create(const struct claims_config *config);
void claims_close(struct claims *c);   /* nothing is judged any more; before the ledger is closed */
void claims_destroy(struct claims *c); /* NULL is fine; when the loop is drained */
void claims_set_parts(struct claims *c, struct ledger *ledger, struct replication *replication);

/* @peer claims to hold @size own entries. Nothing, while an earlier claim of it is open. */
void claims_add(struct claims *c, uint32_t peer, uint64_t size);
/* @peer can be asked now: a claim of it that waits for that is asked about. */
void claims_greeted(struct claims *c, uint32_t peer);
/* Claims that are not judged yet: none longer than `open_ms` and the time of one question more (5 s). */
size_t claims_open(const struct claims *c);

#endif
