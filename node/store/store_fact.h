/* Small records of ledger.db that are looked up by a short key: how far peers are confirmed, signed notes, erasures, holds,
 * evidence, destructions under way. One table for all of them (store_schema.c), the kind and the key together are the row's
 * name; keys and values are packed big-endian here and nowhere else.
 *
 * Internal to node/store.
 */
#ifndef TB_STORE_STORE_FACT_H
#define TB_STORE_STORE_FACT_H

#include "node/store/store_reader.h"
#include "node/store/store_writer.h"

enum store_fact {
    /* on disk: never renumber */
    STORE_FACT_CONFIRMED = 1,    /* origin 4 -> seq_me 8, seq_public 8, range */
    STORE_FACT_NOTE = 2,         /* name -> size 8, note */
    STORE_FACT_ERASURE = 3,      /* case 16, node 4 -> state 1, basis 2, at 8, origin 4, index 8 */
    STORE_FACT_ERASURE_OPEN = 4, /* the same key -> nothing: that node has not done it */
    STORE_FACT_HOLD = 5,         /* case 16 -> since 8, reason */
    STORE_FACT_EVIDENCE = 6,     /* accused 4, origin 4, index 8 -> common size 8 */
    STORE_FACT_DESTROY = 7,      /* case 16 -> nothing: destroyed here, but for the keys and the logs */
    STORE_FACT_PROOF = 8,        /* origin 4, index 8 -> size 8, number of hashes 1, hashes, note */
    STORE_FACT_PULL = 9,         /* case 16 -> since 8 */
    STORE_FACT_FILE = 10,        /* case 16, file 32, origin 4 -> index 8 */
    STORE_FACT_FILE_CASE = 11,   /* file 32, case 16 -> nothing */
    STORE_FACT_FILE_WANTED = 12, /* file 32 -> origin 4 */
    STORE_FACT_FILE_HOLDER = 13, /* file 32, node 4 -> state 1, at 8, perhaps mark 32 */
    STORE_FACT_FORK = 14,        /* case 16, origin 4, index 8, hash 32 -> leaf */
    STORE_FACT_PUBLICITY = 15    /* case 16 -> due 4 */
};

uint64_t store_fact_ck(uint64_t kind, struct bytes key, struct bytes value);

/* For store_sql_exec_u64(): whether any case has an erasure row. */
#define STORE_FACT_ANY_ERASURE "SELECT EXISTS(SELECT 1 FROM fact WHERE kind = 3)"

/* Whether this node has erased the content of the case: its erasure row is in state STORE_ERASURE_DONE. */
int store_fact_is_erased(struct store_transaction *t, const uint8_t case_id[STORE_CASE_ID_SIZE], bool *ret) WARN_UNUSED;

/* The facts of a batch, and of its replicas. */
int store_fact_put_all(struct store_transaction *t, const struct store_batch *b) WARN_UNUSED;
int store_fact_put(struct store_transaction *t, enum store_fact kind, struct bytes key, struct bytes value) WARN_UNUSED;
int store_fact_delete(struct store_transaction *t, enum store_fact kind, struct bytes key) WARN_UNUSED;

#define STORE_ROW_FACT "SELECT kind, key, ck, value FROM fact"
/* Checks the row at @stmt; spans borrowed until the next step. */
int store_fact_row(struct store_sql *c, sqlite3_stmt *stmt, struct bytes *ret_key, struct bytes *ret_value,
                   struct err *e) WARN_UNUSED;
/* The fact (@kind, @key): 1 with its value in @a, 0 when there is none, or the error. */
int store_fact_get(struct store_reader *r, enum store_fact kind, struct bytes key, struct arena *a, struct bytes *ret,
                   struct err *e) WARN_UNUSED;
/* All facts of @kind whose key begins with @prefix (40 bytes at most), at most @limit; with @after (no prefix then) those behind
 * that key. */
struct store_fact_listing {
    struct bytes after;
    struct store_reader *r;
    struct arena *a;
    void *ctx;
    int (*take)(void *ctx, struct arena *a, struct bytes key, struct bytes value, struct err *e);
};
int store_fact_list(const struct store_fact_listing *l, enum store_fact kind, struct bytes prefix, size_t limit,
                    struct err *e) WARN_UNUSED;

/* store_file.c: the file rows of a batch; those of a case whose content is destroyed go. */
int store_file_put_all(struct store_transaction *t, const struct store_batch *b) WARN_UNUSED;
int store_file_destroy(struct store_transaction *t, const uint8_t case_id[STORE_CASE_ID_SIZE]) WARN_UNUSED;
bool store_file_has_form(enum store_fact kind, struct bytes key, struct bytes value);

/* Whether key and value have the sizes that their kind has. */
bool store_fact_has_form(uint64_t kind, struct bytes key, struct bytes value);
/* Fills the confirmed position of @r, in @a; none kept leaves it empty. */
int store_fact_read_confirmed(struct store_reader *r, struct arena *a, struct store_replica *row,
                              struct err *e) WARN_UNUSED;

#endif
