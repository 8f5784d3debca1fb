/* One SQLite connection with its named statements: the only words of SQLite's API that the rest of node/store uses.
 *
 * A connection has an array of statement texts indexed by an enum of its owner; each is prepared on first use and kept
 * until close. Bound spans are borrowed until the statement is reset. Binding and column functions cannot fail (a
 * bind that runs out of memory aborts, like xmalloc). Every other failure goes through store_sql_error(), which turns
 * SQLite's code into the project's and names the database.
 *
 * Internal to node/store; included by no other folder. One thread at a time per connection.
 */
#ifndef TB_STORE_STORE_SQL_H
#define TB_STORE_STORE_SQL_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/base/bytes.h"

#define STORE_SQL_BUSY_MS 5000 /* that a statement waits for a lock of another connection */

struct store_sql {
    sqlite3 *db;
    const char *name;         /* "ledger.db", for messages; a constant */
    const char *const *texts; /* borrowed constants */
    sqlite3_stmt **stmts;     /* owned; NULL where not prepared yet */
    size_t count;
};

/* Opens @dir/@name; @flags are SQLITE_OPEN_…, without mutex. On failure @c stays closed (all zero). */
int store_sql_open(struct store_sql *c, const char *dir, const char *name, int flags, const char *const *texts,
                   size_t count, struct err *e) WARN_UNUSED;
/* Finalizes everything. Without @with_checkpoint the WAL is left to the next opener. A closed one is fine. */
void store_sql_close(struct store_sql *c, bool with_checkpoint);
/* The write-ahead log's own fsync, with SQLite's @flags for it. */
int store_sql_sync_log(struct store_sql *c, int flags, struct err *e) WARN_UNUSED;

/* From here on a statement that takes long ends with ERR_CLOSED once *@cancel is true; any thread may set it. NULL: none does. */
void store_sql_cancel_by(struct store_sql *c, const atomic_bool *cancel);

/* Sets @e from SQLite's result @rc: ERR_FULL, ERR_IO, ERR_CORRUPT, ERR_BUSY, ERR_CLOSED (cancelled), ERR_INTERNAL. */
int store_sql_error(const struct store_sql *c, int rc, const char *doing, struct err *e);

/* One or more statements without results. */
int store_sql_exec(struct store_sql *c, const char *sql, struct err *e) WARN_UNUSED;
/* First column of the first row of @sql as an integer. */
int store_sql_exec_u64(struct store_sql *c, const char *sql, uint64_t *ret, struct err *e) WARN_UNUSED;

/* SQLite's own check of pages, order and, unless @quick, indexes. */
int store_sql_check_pages(struct store_sql *c, bool quick, struct err *e) WARN_UNUSED;

/* Statement @id, reset and ready to bind. */
int store_sql_get(struct store_sql *c, unsigned id, sqlite3_stmt **ret, struct err *e) WARN_UNUSED;
/* 1: a row, 0: done, or the error. The statement is not reset. */
int store_sql_step(struct store_sql *c, sqlite3_stmt *stmt, struct err *e) WARN_UNUSED;
/* Runs a statement without rows and resets it. */
int store_sql_run(struct store_sql *c, sqlite3_stmt *stmt, struct err *e) WARN_UNUSED;
/* Ends reading: resets, so that the snapshot is given back and borrowed spans may go. NULL is fine. */
void store_sql_done(sqlite3_stmt *stmt);

void store_sql_bind_u64(sqlite3_stmt *stmt, int at, uint64_t v); /* bit pattern; above 2^63 it sorts as negative */
void store_sql_bind_bytes(sqlite3_stmt *stmt, int at, struct bytes b); /* an empty span is an empty blob, not NULL */
void store_sql_bind_text(sqlite3_stmt *stmt, int at, const char *s);

uint64_t store_sql_u64(sqlite3_stmt *stmt, int column);
struct bytes store_sql_bytes(sqlite3_stmt *stmt, int column); /* blob or text; borrowed until the next step */
/* Copies a text column into @out. False when it does not fit or holds a NUL: not what was written. */
bool store_sql_text(sqlite3_stmt *stmt, int column, char *out, size_t out_size) WARN_UNUSED;

/* Check value of a row: the first 8 bytes of SHA-256 over table, integers and length-prefixed spans. Finds a flipped
 * byte that the engine's page structure does not notice. */
enum store_table {
    /* on disk: never renumber */
    STORE_TABLE_META = 1,
    STORE_TABLE_ENTRY = 2,
    STORE_TABLE_ADDRESSED = 3,
    STORE_TABLE_TILE = 4,
    STORE_TABLE_REPLICA = 5,
    STORE_TABLE_ACK = 6,
    STORE_TABLE_CASE = 7,
    STORE_TABLE_ITEM = 8,
    STORE_TABLE_ITEM_JSON = 9,
    STORE_TABLE_REQUEST = 10,
    STORE_TABLE_COUNTER = 11,
    STORE_TABLE_HEAD = 12,
    STORE_TABLE_FACT = 13,
    STORE_TABLE_KEY = 14,
    STORE_TABLE_WITNESS = 15,
    STORE_TABLE_COVER = 16,
    STORE_TABLE_ITEM_VERSION = 17,
    STORE_TABLE_DUE = 18,
    STORE_TABLE_BUNDLE = 19
};
#define STORE_SQL_INTS_MAX 12
#define STORE_SQL_SPANS_MAX 5
uint64_t store_sql_check_value(enum store_table table, const uint64_t *ints, size_t int_count,
                               const struct bytes *spans, size_t span_count);

#endif
