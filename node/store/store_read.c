/* Reading: ledger entries, tiles, requests and counters (see store.h). Each function sees one snapshot (store_reader.c). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/store/store_proof.h"
#include "node/store/store_reader.h"
#include "node/store/store_row.h"

/* ---- entries ---- */

static void keep_entry(struct arena *a, struct store_entry *entry)
{
    entry->leaf = arena_bytes(a, entry->leaf);
    entry->payload = arena_bytes(a, entry->payload);
}

int store_read_tile(struct store_reader *r, uint8_t level, uint64_t number, uint8_t ret_hashes[8192], struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct bytes hashes;
    int rc = store_reader_get(r, STORE_READ_TILE, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, store_row_tile_id(level, number));
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1) {
        rc = store_row_tile(&r->sql, stmt, &hashes, e);
        if (rc == 0)
            memcpy(ret_hashes, hashes.data, 8192);
    } else if (rc == 0) {
        rc = err_set(e, ERR_NOT_FOUND, "store.no-tile", "no tile (%u, %" PRIu64 ")", level, number);
    }
    store_sql_done(stmt);
    return rc;
}

int store_read_entry(struct store_reader *r, uint32_t origin, uint64_t index, struct arena *a, struct store_entry *ret,
                     struct err *e)
{
    uint64_t slot = 0;
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_find_slot(r, origin, &slot, e);
    if (rc == 0 && index > STORE_INDEX_MAX)
        rc = err_set(e, ERR_NOT_FOUND, "store.no-entry", "no entry (%" PRIu32 ", %" PRIu64 ")", origin, index);
    if (rc == 0)
        rc = store_reader_get(r, STORE_READ_ENTRY, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, store_row_id((uint32_t)slot, index));
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1) {
        struct store_entry entry;
        rc = store_row_entry(&r->sql, stmt, &entry, e);
        if (rc == 0) {
            keep_entry(a, &entry);
            *ret = entry;
        }
    } else if (rc == 0) {
        rc = err_set(e, ERR_NOT_FOUND, "store.no-entry", "no entry (%" PRIu32 ", %" PRIu64 ")", origin, index);
    }
    store_sql_done(stmt);
    return rc;
}

int store_read_leaf_hashes(struct store_reader *r, uint64_t from, uint64_t count, uint8_t *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    if (count == 0)
        return 0;
    if (from > STORE_INDEX_MAX || count > STORE_INDEX_MAX - from)
        return err_set(e, ERR_LIMIT, "store.limit", "leaf hashes from %" PRIu64 ", count %" PRIu64 ": limit %" PRIu64,
                       from, count, STORE_INDEX_MAX);
    int rc = store_reader_get(r, STORE_READ_LEAVES, &stmt, e);
    if (rc != 0)
        return rc;
    uint64_t id = store_row_id(STORE_SLOT_SELF, from);
    store_sql_bind_u64(stmt, 1, id);
    store_sql_bind_u64(stmt, 2, id + count - 1);

    uint64_t done = 0;
    while ((rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        uint8_t hash[32];
        store_row_leaf_hash(store_sql_bytes(stmt, 2), hash);
        if (store_sql_u64(stmt, 0) != id + done)
            break;
        if (!bytes_equal(store_sql_bytes(stmt, 1), bytes_of(hash, sizeof hash))) {
            rc = store_row_corrupt(&r->sql, "entry", id + done, e);
            break;
        }
        memcpy(ret + 32 * done++, hash, sizeof hash);
    }
    store_sql_done(stmt);
    if (rc >= 0 && done < count)
        return err_set(e, ERR_CORRUPT, "store.gap", "ledger.db: own entry %" PRIu64 " is missing", from + done);
    return rc < 0 ? rc : 0;
}

int store_read_addressed(struct store_reader *r, uint32_t recipient, uint64_t from, size_t limit, struct arena *a,
                         struct store_addressed **ret, size_t *ret_count, struct err *e)
{
    uint64_t slot = 0;
    size_t count = 0;
    struct store_addressed *rows = NULL;
    sqlite3_stmt *stmt = NULL;
    struct err absent = {0};
    if (limit > BATCH_LEAVES_MAX)
        return err_set(e, ERR_LIMIT, "store.limit", "%zu addressed entries asked for, limit %u", limit,
                       BATCH_LEAVES_MAX);
    int rc = store_reader_find_slot(r, recipient, &slot, &absent);
    if (rc == ERR_NOT_FOUND || (rc == 0 && from > STORE_INDEX_MAX)) { /* nothing was ever addressed there */
        rc = 0;
        goto out;
    }
    if (rc != 0) {
        if (e != NULL)
            *e = absent;
        return rc;
    }
    rc = store_reader_get(r, STORE_READ_ADDRESSED, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, store_row_id((uint32_t)slot, from));
    store_sql_bind_u64(stmt, 2, store_row_last_id(slot));
    store_sql_bind_u64(stmt, 3, limit);
    rows = arena_alloc(a, limit * sizeof *rows);
    while (count < limit && (rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        rc = store_row_addressed(&r->sql, stmt, recipient, &rows[count], e);
        if (rc != 0)
            break;
        count++;
    }
    store_sql_done(stmt);
    if (rc < 0)
        return rc;
out:
    *ret = rows;
    *ret_count = count;
    return 0;
}

static int compare_entries(const void *a, const void *b)
{
    const struct store_entry *x = a, *y = b;
    if (x->origin != y->origin)
        return x->origin < y->origin ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Number of a case, 0 when it is not here. */
static int find_case_no(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], uint64_t *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, STORE_READ_CASE_NO, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_bytes(stmt, 1, bytes_of(case_id, STORE_CASE_ID_SIZE));
    rc = store_sql_step(&r->sql, stmt, e);
    *ret = rc == 1 ? store_sql_u64(stmt, 0) : 0;
    store_sql_done(stmt);
    return rc < 0 ? rc : 0;
}

/* Rows come by ledger and index. False for those over the limits of a case, which the fold leaves out. */
static bool counts_in_case(const struct store_entry *rows, size_t done, const struct store_entry *next)
{
    size_t of_author = 0, authors = 0;
    for (size_t i = done; i-- > 0 && rows[i].origin == next->origin;)
        of_author++;
    if (of_author > 0)
        return of_author < CASE_EVENTS_PER_NODE_MAX;
    for (size_t i = 0; i < done; i++)
        authors += i == 0 || rows[i].origin != rows[i - 1].origin;
    return authors < CASE_NODES_MAX;
}

/* Inside one snapshot: first the number, then the rows. */
static int read_case_entries(struct store_reader *r, uint64_t case_no, const uint8_t case_id[STORE_CASE_ID_SIZE],
                             struct arena *a, struct store_entry **ret, size_t *ret_count, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    size_t count = 0, done = 0;
    int rc = store_reader_get(r, STORE_READ_CASE_ENTRY_COUNT, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, case_no);
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1)
        count = (size_t)store_sql_u64(stmt, 0);
    store_sql_done(stmt);
    if (rc < 0)
        return rc;

    rc = store_reader_get(r, STORE_READ_CASE_ENTRIES, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, case_no);
    size_t room = min_of(count, (size_t)CASE_EVENTS_MAX) + STORE_FORKS_MAX;
    struct store_entry *rows = arena_alloc(a, room * sizeof *rows);
    while (count-- > 0 && (rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        struct store_entry row;
        rc = store_row_entry(&r->sql, stmt, &row, e);
        if (rc != 0)
            break;
        if (!counts_in_case(rows, done, &row))
            continue;
        rows[done] = row;
        keep_entry(a, &rows[done++]);
    }
    store_sql_done(stmt);
    if (rc >= 0)
        rc = store_read_forks(r, case_id, a, rows, room, &done, e);
    if (rc < 0)
        return rc;
    qsort(rows, done, sizeof *rows, compare_entries);
    *ret = rows;
    *ret_count = done;
    return 0;
}

int store_read_case_entries(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], struct arena *a,
                            struct store_entry **ret, size_t *ret_count, struct err *e)
{
    uint64_t case_no = 0;
    struct store_entry *rows = NULL;
    size_t count = 0;
    int rc = store_reader_begin(r, e);
    if (rc != 0)
        return rc;
    rc = find_case_no(r, case_id, &case_no, e);
    if (rc == 0 && case_no != 0)
        rc = read_case_entries(r, case_no, case_id, a, &rows, &count, e);
    store_reader_end(r);
    if (rc == 0) {
        *ret = rows;
        *ret_count = count;
    }
    return rc;
}

int store_scan_case(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], uint32_t origin, uint64_t from,
                    int (*cb)(void *ctx, const struct store_entry *entry, struct err *e), void *ctx, struct err *e)
{
    uint64_t slot = 0, case_no = 0;
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_find_slot(r, origin, &slot, e);
    if (rc == 0)
        rc = find_case_no(r, case_id, &case_no, e);
    if (rc == ERR_NOT_FOUND || (rc == 0 && (case_no == 0 || from > STORE_INDEX_MAX)))
        return 0;
    if (rc == 0)
        rc = store_reader_get(r, STORE_READ_CASE_OF_NODE, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, case_no);
    store_sql_bind_u64(stmt, 2, store_row_id((uint32_t)slot, from));
    store_sql_bind_u64(stmt, 3, store_row_last_id(slot));
    while ((rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        struct store_entry entry;
        rc = store_row_entry(&r->sql, stmt, &entry, e);
        if (rc == 0)
            rc = cb(ctx, &entry, e);
        if (rc != 0)
            break;
    }
    store_sql_done(stmt);
    return rc;
}

int store_scan_entries(struct store_reader *r, uint32_t origin, uint64_t from,
                       int (*cb)(void *ctx, const struct store_entry *entry, struct err *e), void *ctx, struct err *e)
{
    uint64_t slot = 0;
    struct err absent = {0};
    int rc = store_reader_find_slot(r, origin, &slot, &absent);
    if (rc == ERR_NOT_FOUND || (rc == 0 && from > STORE_INDEX_MAX))
        return 0;
    if (rc != 0) {
        if (e != NULL)
            *e = absent;
        return rc;
    }
    uint64_t next = store_row_id((uint32_t)slot, from);
    for (bool more = true; more;) {
        sqlite3_stmt *stmt = NULL;
        rc = store_reader_get(r, STORE_READ_ENTRIES, &stmt, e);
        if (rc != 0)
            return rc;
        store_sql_bind_u64(stmt, 1, next);
        store_sql_bind_u64(stmt, 2, store_row_last_id(slot));
        more = false;
        while ((rc = store_sql_step(&r->sql, stmt, e)) == 1) {
            struct store_entry entry;
            rc = store_row_entry(&r->sql, stmt, &entry, e);
            if (rc == 0)
                rc = cb(ctx, &entry, e);
            if (rc != 0)
                break;
            next = store_row_id((uint32_t)slot, entry.index) + 1;
            more = entry.index < STORE_INDEX_MAX;
        }
        store_sql_done(stmt);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- requests and counters ---- */

int store_read_request(struct store_reader *r, const uint8_t key_hash[32], struct store_request *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, STORE_READ_REQUEST, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, store_row_request_key(key_hash));
    store_sql_bind_bytes(stmt, 2, bytes_of(key_hash, 32));
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1)
        rc = store_row_request(&r->sql, stmt, ret, e);
    else if (rc == 0)
        rc = err_set(e, ERR_NOT_FOUND, "store.no-request", "the request key has not been used");
    store_sql_done(stmt);
    return rc;
}

int store_read_counter(struct store_reader *r, const char *name, uint64_t *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct store_counter counter = {.value = 0};
    int rc = store_reader_get(r, STORE_READ_COUNTER, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_text(stmt, 1, name);
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1)
        rc = store_row_counter(&r->sql, stmt, &counter, e);
    store_sql_done(stmt);
    if (rc == 0)
        *ret = counter.value;
    return rc;
}
