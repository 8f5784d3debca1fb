/* Case cache: the cases in use, folded, in memory. Between the ledger's entries and node/cases.
 *
 * A slot holds every event of its case that this node knows, those still on their way to the disk included, so that a
 * command is judged by what will be there; queries about such a case read the committed entries instead (rule "durable
 * before said"). Slots with something in flight stay; others leave when more than CASE_CACHE_MAX are held, or more than
 * CASE_CACHE_BYTES_MAX in them (a case may have thousands of events), the longest unused first. Those held may grow to
 * CASE_CACHE_BYTES_BUSY until the next trim: cases that are all written to by turns are not to be read again for each event.
 * Loop thread only.
 */
#ifndef TB_NODE_CASE_CACHE_H
#define TB_NODE_CASE_CACHE_H

#include "federation/ledger/leaf.h"
#include "node/base/list.h"
#include "node/cases/casefile.h"
#include "node/ledger.h"

#define CASE_CACHE_MAX 2048u
#define CASE_CACHE_BYTES_MAX ((size_t)16 << 20)
#define CASE_CACHE_BYTES_BUSY ((size_t)32 << 20)

#define CASE_KEYS_GIVEN_MAX 4u

/* The key went to @peer with entries of the own ledger below @end. */
struct case_key_given {
    uint32_t peer; /* 0 = free */
    uint64_t end;
};

struct case_slot {
    struct list lru;
    uint8_t id[CASE_ID_SIZE];
    struct casefile *file;
    size_t bytes;     /* of @file, when it was last asked for */
    uint64_t touched; /* number of the last transaction that changed it */
    char item_name[301];
    struct payload_key key;                           /* epoch 0: not looked up yet, or there is none */
    struct case_key_given given[CASE_KEYS_GIVEN_MAX]; /* a peer that is not in it is given the key (again) */
    uint64_t key_asked_ms;                            /* monotonic; 0 = the others were not asked for it */
    bool is_listed;                                   /* the store is known to have its row */
    bool is_erased; /* an erasure is on its way to the disk, or was since the slot was read */

    struct store_due due; /* as written last, if due_known */
    bool due_known;
    uint32_t publicity; /* its last day as written last, if publicity_known; 0 = nothing to make public */
    bool publicity_known;
};

/* An author whose entries from @common_size on are disputed (ledger/evidence.h): its events from there on count for nothing. */
struct case_fork {
    uint32_t origin;
    uint64_t common_size;
};

struct case_cache;

struct case_cache *case_cache_create(void);
void case_cache_destroy(struct case_cache *c); /* NULL is fine */
void case_cache_clear(struct case_cache *c);

/* Takes note of a disputed author: every case read from now on is folded accordingly; slots in the cache are, too. */
void case_cache_fork(struct case_cache *c, const struct case_fork *fork);
/* Forgets them again; the cache must be empty. */
void case_cache_forget_forks(struct case_cache *c);
/* The disputed authors, for files of one's own. */
size_t case_cache_forks(const struct case_cache *c, const struct case_fork **ret);

/* What is held now. */
struct case_cache_stats {
    size_t count; /* slots */
    size_t bytes; /* memory of their cases */
};
struct case_cache_stats case_cache_stats(const struct case_cache *c);

/* The slot of @case_id, read from the store when not cached; an unknown case gives an empty case file. Borrowed until the
 * next call. */
int case_cache_get(struct case_cache *c, struct ledger *ledger, const uint8_t case_id[CASE_ID_SIZE],
                   struct case_slot **ret, struct err *e) WARN_UNUSED;
/* The slot of @case_id if it is cached, else NULL: then nothing of the case is in flight. */
struct case_slot *case_cache_find(struct case_cache *c, const uint8_t case_id[CASE_ID_SIZE]);
/* Back to CASE_CACHE_BYTES_MAX; every few seconds. */
void case_cache_trim(struct case_cache *c, const struct ledger *ledger);
/* @slot got events that @txn will make durable. */
void case_cache_touch(struct case_slot *slot, const struct ledger_txn *txn);
/* Whether some of its events are not durable yet. */
bool case_cache_in_flight(const struct case_slot *slot, const struct ledger *ledger);

/* A case event of a decoded leaf. Attributes that do not parse leave the event malformed: it is folded as denied. */
void case_event_of_leaf(const struct leaf *leaf, const struct merkle_hash *hash, struct case_event *ret);

/* The event that a case file holds, by value again. */
void case_event_of_held(const struct case_held *h, struct case_event *ret);

/* The events of a case as committed, in a file of its own, folded under @forks: the caller destroys @ret. */
int case_file_load(struct store_reader *reader, const uint8_t case_id[CASE_ID_SIZE], const struct case_fork *forks,
                   size_t fork_count, struct casefile **ret, struct err *e) WARN_UNUSED;

/* Marks the disputed authors that lead the case or have written on it. Again and again is fine. */
void case_forks_apply(const struct case_fork *forks, size_t count, struct casefile *file);

/* The row that the fold gives: what the store keeps for lists, and what the verifier compares. */
void case_row_of(struct casefile *file, const uint8_t case_id[CASE_ID_SIZE], const char *item_name,
                 struct store_case *ret);

#endif
