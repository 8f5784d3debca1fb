/* Inside of the writing handle, shared by store.c (open, close), store_heads.c, store_batch.c, store_commit.c and
 * store_derived.c (batches).
 *
 * Internal to node/store. One thread at a time, like the handle itself.
 */
#ifndef TB_STORE_STORE_WRITER_H
#define TB_STORE_STORE_WRITER_H

#include "node/base/map.h"
#include "node/store/store.h"
#include "node/store/store_schema.h"
#include "node/store/store_sql.h"

/* Statements of the writing connection to ledger.db; texts in store_commit.c. */
enum store_write_stmt {
    STORE_WRITE_BEGIN,
    STORE_WRITE_COMMIT,
    STORE_WRITE_ROLLBACK,
    STORE_WRITE_META_PUT,
    STORE_WRITE_NODE_INSERT,
    STORE_WRITE_CASE_REF_FIND,
    STORE_WRITE_CASE_REF_INSERT,
    STORE_WRITE_ENTRY_INSERT,
    STORE_WRITE_ENTRY_FIND,
    STORE_WRITE_ENTRY_FILL,
    STORE_WRITE_CONTENT_INSERT,
    STORE_WRITE_CONTENT_ZERO,
    STORE_WRITE_ADDRESSED_INSERT,
    STORE_WRITE_ADDRESSED_FIND,
    STORE_WRITE_ADDRESSED_LAST,
    STORE_WRITE_TILE_INSERT,
    STORE_WRITE_TILE_FIND,
    STORE_WRITE_REPLICA_PUT,
    STORE_WRITE_ACK_PUT,
    STORE_WRITE_CASE_FIND,
    STORE_WRITE_CASE_INSERT,
    STORE_WRITE_CASE_UPDATE_PLAIN,
    STORE_WRITE_CASE_UPDATE_STATUS,
    STORE_WRITE_CASE_UPDATE_ALL,
    STORE_WRITE_ITEM_FIND,
    STORE_WRITE_ITEM_PUT,
    STORE_WRITE_ITEM_JSON_INSERT,
    STORE_WRITE_ITEM_JSON_UPDATE,
    STORE_WRITE_ITEM_VERSION_PUT,
    STORE_WRITE_SEARCH_PUT,
    STORE_WRITE_SEARCH_DELETE,
    STORE_WRITE_REQUEST_FIND,
    STORE_WRITE_REQUEST_INSERT,
    STORE_WRITE_REQUEST_KEY_INSERT,
    STORE_WRITE_SWEEP_END, /* three statements for each sweep (store_derived.c) */
    STORE_WRITE_SWEEP_COPY,
    STORE_WRITE_SWEEP_DELETE,
    STORE_WRITE_SWEEP1_END,
    STORE_WRITE_SWEEP1_COPY,
    STORE_WRITE_SWEEP1_DELETE,
    STORE_WRITE_COUNTER_PUT,
    STORE_WRITE_FACT_FIND,
    STORE_WRITE_FACT_PUT,
    STORE_WRITE_FACT_DELETE,
    STORE_WRITE_FACTS,
    STORE_WRITE_FACT_FROM,
    STORE_WRITE_ENTRY_STRIP,
    STORE_WRITE_CASE_ENTRY_NEXT,
    STORE_WRITE_REQUEST_FROM,
    STORE_WRITE_REQUEST_STRIP,
    STORE_WRITE_COVER_PUT,
    STORE_WRITE_BUNDLE_PUT,
    STORE_WRITE_DUE_PUT,
    STORE_WRITE_DUE_DELETE,
    STORE_WRITE_COUNT
};
extern const char *const store_write_texts[STORE_WRITE_COUNT];

/* A node met before: its slot, and the end of the stream addressed to it. */
struct store_slot {
    uint32_t node;
    uint32_t slot;
    bool last_known; /* the two fields below are what the table says */
    uint64_t last_seq;
    uint64_t last_index; /* meaningless while last_seq is 0 */
};

/* A sweep moves keys from table request_key<i> to request_key<i + 1>. */
#define STORE_SWEEPS 2
struct store_sweep {
    uint64_t count;   /* rows of request_key<i> */
    uint64_t key, no; /* where it has come to; not on disk, any place is as good to begin */
};

/* What the file says of cases in use: the number, which is never changed or deleted, and of the row that the indexes hold. Only a
 * transaction that is rolled back makes it void. */
#define STORE_CASE_MEMOS 1024u
struct store_case_memo {
    uint8_t case_id[STORE_CASE_ID_SIZE];
    uint64_t no;  /* 0 = free */
    bool has_row; /* the fields below are those of case_row */
    uint16_t status;
    uint32_t receiving, lead;
    char number[sizeof((struct store_case *)0)->number];
    char item_code[sizeof((struct store_case *)0)->item_code];
};

struct store {
    struct store_sql ledger;
    struct store_sql heads;
    struct store_sql keys;
    int lock_fd; /* holds the flock(2) that keeps other writers out; -1 while opening */
    uint32_t self;
    bool ledger_failed; /* a commit failed in the engine: refuse more until opened again */
    bool heads_failed;
    bool heads_unsynced;    /* a swap of the head is not durable yet */
    uint32_t log_pages;     /* of ledger.db's log after the last commit, while there is a store_log */
    unsigned destroy_tries; /* of emptying the logs since something was noted last */
    bool erased_any;        /* false: no case has an erasure row, so none needs to be looked for */

    /* Mirrors of the database as of the last commit, restored when a transaction is rolled back. */
    uint64_t own_size;
    uint64_t case_count;
    uint64_t content_next; /* number of the next row of content */
    bool destroy_pending;  /* something is noted to be destroyed (store_keys.c) */
    struct store_sweep sweeps[STORE_SWEEPS];
    struct store_case_memo case_memos[STORE_CASE_MEMOS]; /* at the last bytes of the id, which are random */
    struct map slots;                                    /* node code (4 bytes, big-endian) -> struct store_slot */
    struct store_slot **slot_list;                       /* owned, in the order of creation */
    size_t slot_count;
    uint32_t slot_next; /* for the next peer */
};

/* Adds a slot to the mirror, or takes away the newest. */
struct store_slot *store_writer_add_slot(struct store *s, uint32_t node, uint32_t slot);
void store_writer_drop_slot(struct store *s);

/* One transaction at work, and what to restore when it is rolled back. */
struct store_transaction {
    struct store *s;
    struct err *e;
    uint64_t old_own_size;
    uint64_t old_case_count;
    uint64_t old_content_next;
    bool old_destroy_pending;
    struct store_sweep old_sweeps[STORE_SWEEPS];
    size_t old_slot_count;
    uint32_t old_slot_next;
    bool memo_erased_known; /* of memo_erased_case */
    bool memo_erased;
    uint8_t memo_erased_case[STORE_CASE_ID_SIZE];
};

/* For the files that write rows: statement @id ready to bind, run it, the number of a case (made when it is new). */
int store_commit_stmt(struct store_transaction *t, enum store_write_stmt id, sqlite3_stmt **ret) WARN_UNUSED;
int store_commit_run(struct store_transaction *t, sqlite3_stmt *stmt) WARN_UNUSED;
int store_commit_case_no(struct store_transaction *t, const uint8_t case_id[STORE_CASE_ID_SIZE],
                         uint64_t *ret) WARN_UNUSED;
/* The place of a case's memo; it may hold another case's. */
struct store_case_memo *store_commit_case_memo(const struct store_transaction *t,
                                               const uint8_t case_id[STORE_CASE_ID_SIZE]);
/* Slot of a node, made when it is new. */
int store_commit_slot_of(struct store_transaction *t, uint32_t node, struct store_slot **ret) WARN_UNUSED;
/* As above, but 0 when there is none. */
int store_commit_find_case_no(struct store_transaction *t, const uint8_t case_id[STORE_CASE_ID_SIZE],
                              uint64_t *ret) WARN_UNUSED;

/* Cases, items, requests, counters of a batch. */
int store_derived_put(struct store_transaction *t, const struct store_batch *b) WARN_UNUSED;

/* Limits and form of everything in a batch, before the transaction begins: ERR_INVALID, ERR_LIMIT. */
int store_batch_check(const struct store *s, const struct store_batch *b, struct err *e) WARN_UNUSED;

/* Takes the lock of the folder's only writer; close(*ret_fd) gives it back. ERR_BUSY store.locked. */
int store_writer_lock(const char *dir, int *ret_fd, struct err *e) WARN_UNUSED;

#endif
