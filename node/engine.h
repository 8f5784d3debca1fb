/* Engine: the parts of a node that keep ledgers, wired to each other: own ledger, replication, heads, witnessing, watch over
 * heads, recovery, app. Without files, TLS and HTTP: the daemon (node.c) and the simulator (tests/sim) put the same engine
 * between their own loop, link and store.
 *
 *   engine_open() -> engine_set_link() -> engine_ask() … on_asked -> engine_start() -> … -> engine_close() -> engine_destroy()
 *
 * What one part tells another passes through here; no rule of a protocol stands here but the order of starting: before anything
 * is written or signed, the other nodes are asked what they hold of the own ledger. Loop thread only.
 */
#ifndef TB_NODE_ENGINE_H
#define TB_NODE_ENGINE_H

#include "catalog/catalog.h"
#include "catalog/region.h"
#include "federation/ledger/policy.h"
#include "federation/members.h"
#include "node/config.h"
#include "node/loop.h"

struct poster;

/* All borrowed for life, but for the catalog. */
struct engine_parts {
    const struct config *config;
    const struct members *members; /* their content may be replaced, then call engine_members_changed() */
    const struct region_table *regions;
    struct calendar *calendar;        /* taken; NULL = weekends only */
    struct catalog *catalog;          /* taken; NULL = publishes nothing */
    const struct note_signer *signer; /* of the own ledger */
    const struct note_signer *witness;
    const struct crypto_hpke_key *seal_key;
    const struct policy *more_logs; /* further ledgers that are cosigned here, and external witnesses */
    struct poster *poster;          /* to ask those; NULL = they are not asked */
    uint64_t certificate_not_after_s;
    struct loop *loop;
    uint32_t batch_bytes;        /* asked of peers at once; 0 = the default of sync.h */
    void (*on_asked)(void *ctx); /* engine_ask() is over */
    void *ctx;
};

struct engine {
    struct engine_parts parts;
    struct app *app; /* NULL until engine_open() */
    struct replication *replication;
    struct ledger *ledger;
    struct heads_writer *heads;
    struct witnessing *witnessing;
    struct watch_heads *watch;
    struct recovery *recovery;
    struct claims *claims;
    struct loop_timer *ask_timer;
    bool asking;          /* starting: waiting for the others to say what they hold of the own ledger */
    bool ask_over;        /* its time is over: only claims are waited for */
    bool stopping;        /* set by the owner: a line about an older copy would only mislead */
    uint64_t told_behind; /* the size named in the last line about it */
};

/* Makes the parts and opens the ledger. After an error too: engine_close(), engine_destroy(). */
int engine_open(struct engine *g, const struct engine_parts *parts, struct err *e) WARN_UNUSED;
/* @link NULL: it was closed. */
struct link;
void engine_set_link(struct engine *g, struct link *link);
/* Waits until every other member has said hello, at most config.start_ask_ms: do others hold more of the own ledger? Then this
 * is an older copy (a restored disk whose heads.db is old, too, cannot know it by itself). True: on_asked is called once, later;
 * false: there is nobody to ask. */
bool engine_ask(struct engine *g);
void engine_stop_asking(struct engine *g); /* calls on_asked if it has not been called */
/* Publishes, writes heads leaves, gossips. */
void engine_start(struct engine *g);
void engine_members_changed(struct engine *g);
/* Nothing is under way: the loop may stop. */
bool engine_is_drained(const struct engine *g);
/* Starts nothing more; before the link is closed. */
void engine_stop(struct engine *g);
/* Closes the ledger and the app; then the loop is drained, then the rest goes. */
void engine_close(struct engine *g);
void engine_destroy(struct engine *g);

#endif
