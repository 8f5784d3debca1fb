/* The rows of a batch beside the ledger: cases, items, requests, counters. Part of the transaction of store_commit.c.
 *
 * A case row or an item replaces the one before; a request is added once and for ever; a counter takes its new value.
 * What costs here is not the rows but their indexes: see pick_case_stmt() and sweep_requests().
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/base/xassert.h"
#include "node/store/store_row.h"
#include "node/store/store_writer.h"

/* Rows of request_key0 and request_key1 before a sweep takes some: 40 KB and 1.5 MB of pages, which stay in the cache. */
static const uint64_t sweep_rows_max[STORE_SWEEPS] = {2048, 65536};
#define SWEEP_ROWS 128u /* that one run of a sweep moves */

/* Takes note of what stands in case row @no, if there is one. */
static int read_case(struct store_transaction *t, uint64_t no, struct store_case_memo *memo)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_CASE_FIND, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, no);
    rc = store_sql_step(&t->s->ledger, stmt, t->e);
    if (rc == 1) {
        memo->receiving = (uint32_t)store_sql_u64(stmt, 0);
        memo->lead = (uint32_t)store_sql_u64(stmt, 1);
        memo->status = (uint16_t)store_sql_u64(stmt, 2);
        memo->has_row = true;
        if (!store_sql_text(stmt, 3, memo->number, sizeof memo->number) ||
            !store_sql_text(stmt, 4, memo->item_code, sizeof memo->item_code))
            memcpy(memo->number, "\xff", 2); /* damaged, and equal to none: the row is written anew */
    }
    store_sql_done(stmt);
    return rc < 0 ? rc : 0;
}

/* Which statement brings the row that @memo tells of to @row. */
static enum store_write_stmt pick_case_stmt(const struct store_case_memo *memo, const struct store_case *row)
{
    if (!memo->has_row)
        return STORE_WRITE_CASE_INSERT;
    if (memo->receiving != row->receiving || memo->lead != row->lead || strcmp(memo->number, row->number) != 0 ||
        strcmp(memo->item_code, row->item_code) != 0)
        return STORE_WRITE_CASE_UPDATE_ALL;
    return memo->status == row->status ? STORE_WRITE_CASE_UPDATE_PLAIN : STORE_WRITE_CASE_UPDATE_STATUS;
}

static void note_case(struct store_case_memo *memo, const struct store_case *row)
{
    memo->has_row = true;
    memo->receiving = row->receiving;
    memo->lead = row->lead;
    memo->status = row->status;
    memcpy(memo->number, row->number, sizeof memo->number);
    memcpy(memo->item_code, row->item_code, sizeof memo->item_code);
}

static int put_case(struct store_transaction *t, const struct store_case *row)
{
    uint64_t no = 0;
    sqlite3_stmt *stmt = NULL;
    struct store_case_memo *memo = store_commit_case_memo(t, row->case_id);
    int rc = store_commit_case_no(t, row->case_id, &no); /* it is this case's from here on */
    if (rc == 0 && !memo->has_row)
        rc = read_case(t, no, memo);
    if (rc != 0)
        return rc;
    enum store_write_stmt which = pick_case_stmt(memo, row);
    rc = store_commit_stmt(t, which, &stmt);
    if (rc != 0)
        return rc;

    uint64_t ints[] = {no,         row->receiving, row->lead,        row->division,   row->status,
                       row->level, row->flags,     row->event_count, row->created_ms, row->updated_ms};
    for (size_t i = 0; i < array_count(ints); i++)
        store_sql_bind_u64(stmt, (int)i + 1, ints[i]);
    store_sql_bind_bytes(stmt, 11, bytes_of(row->digest, sizeof row->digest));
    store_sql_bind_text(stmt, 12, row->number);
    store_sql_bind_text(stmt, 13, row->item_code);
    store_sql_bind_text(stmt, 14, row->item_name);
    store_sql_bind_u64(stmt, 15, store_row_case_ck(no, row));
    rc = store_commit_run(t, stmt);
    if (rc == 0 && which == STORE_WRITE_CASE_INSERT)
        t->s->case_count++;
    if (rc == 0)
        note_case(memo, row);
    return rc;
}

/* Finds the item's JSON row (0 = none yet) and whether the stored version is newer than @item. */
static int find_item(struct store_transaction *t, const struct store_item *item, uint64_t *ret_json_id, bool *ret_newer,
                     uint64_t *ret_search_id)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_ITEM_FIND, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, item->node);
    store_sql_bind_text(stmt, 2, item->code);
    rc = store_sql_step(&t->s->ledger, stmt, t->e);
    *ret_json_id = rc == 1 ? store_sql_u64(stmt, 0) : 0;
    *ret_newer = rc == 1 && store_sql_u64(stmt, 1) > item->index;
    char name[sizeof item->name];
    bool has_name = rc == 1 && store_sql_text(stmt, 2, name, sizeof name);
    *ret_search_id = has_name ? store_row_search_id(name, *ret_json_id) : 0;
    store_sql_done(stmt);
    return rc < 0 ? rc : 0;
}

static int put_item_version(struct store_transaction *t, const struct store_item *item)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_ITEM_VERSION_PUT, &stmt);
    if (rc != 0)
        return rc;
    struct store_item_version v = {.version = item->version, .index = item->index, .withdrawn = item->withdrawn};
    store_sql_bind_u64(stmt, 1, item->node);
    store_sql_bind_text(stmt, 2, item->code);
    store_sql_bind_u64(stmt, 3, v.index);
    store_sql_bind_u64(stmt, 4, v.version);
    store_sql_bind_u64(stmt, 5, v.withdrawn);
    store_sql_bind_u64(stmt, 6, store_row_item_version_ck(item->node, item->code, &v));
    return store_commit_run(t, stmt);
}

/* The row of the search index: the old one goes, the new one comes unless the item is withdrawn. */
static int put_search(struct store_transaction *t, const struct store_item *item, uint64_t json_id, uint64_t old_id)
{
    sqlite3_stmt *stmt = NULL;
    int rc = 0;
    if (old_id != 0) {
        rc = store_commit_stmt(t, STORE_WRITE_SEARCH_DELETE, &stmt);
        if (rc == 0) {
            store_sql_bind_u64(stmt, 1, old_id);
            rc = store_commit_run(t, stmt);
        }
    }
    if (rc != 0 || item->withdrawn || item->search == NULL)
        return rc;
    rc = store_commit_stmt(t, STORE_WRITE_SEARCH_PUT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, store_row_search_id(item->name, json_id));
    store_sql_bind_text(stmt, 2, item->name);
    store_sql_bind_text(stmt, 3, item->search->words);
    store_sql_bind_text(stmt, 4, item->search->pinyin);
    store_sql_bind_text(stmt, 5, item->search->codes);
    store_sql_bind_text(stmt, 6, item->search->events);
    char region[96];
    (void)snprintf(region, sizeof region, "n%" PRIu32 " %s", item->node, item->search->region);
    store_sql_bind_text(stmt, 7, region);
    return store_commit_run(t, stmt);
}

static int put_item(struct store_transaction *t, const struct store_item *item)
{
    uint64_t json_id = 0, search_id = 0;
    bool newer = false;
    sqlite3_stmt *stmt = NULL;
    int rc = put_item_version(t, item);
    if (rc == 0)
        rc = find_item(t, item, &json_id, &newer, &search_id);
    if (rc != 0 || newer)
        return rc;

    rc = store_commit_stmt(t, json_id == 0 ? STORE_WRITE_ITEM_JSON_INSERT : STORE_WRITE_ITEM_JSON_UPDATE, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, store_row_item_json_ck(item->json));
    store_sql_bind_bytes(stmt, 2, item->json);
    if (json_id != 0)
        store_sql_bind_u64(stmt, 3, json_id);
    rc = store_commit_run(t, stmt);
    if (json_id == 0)
        json_id = (uint64_t)sqlite3_last_insert_rowid(t->s->ledger.db);
    if (rc == 0)
        rc = put_search(t, item, json_id, search_id);

    if (rc == 0)
        rc = store_commit_stmt(t, STORE_WRITE_ITEM_PUT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, item->node);
    store_sql_bind_text(stmt, 2, item->code);
    store_sql_bind_text(stmt, 3, item->name);
    store_sql_bind_u64(stmt, 4, item->version);
    store_sql_bind_u64(stmt, 5, item->index);
    store_sql_bind_u64(stmt, 6, item->withdrawn);
    store_sql_bind_u64(stmt, 7, json_id);
    store_sql_bind_u64(stmt, 8, store_row_item_ck(item, json_id));
    return store_commit_run(t, stmt);
}

static int put_request_key(struct store_transaction *t, uint64_t key, uint64_t no)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_REQUEST_KEY_INSERT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, key);
    store_sql_bind_u64(stmt, 2, no);
    t->s->sweeps[0].count++;
    return store_commit_run(t, stmt);
}

static int put_request(struct store_transaction *t, const struct store_request *r)
{
    struct bytes key = bytes_of(r->key_hash, sizeof r->key_hash);
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_REQUEST_FIND, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, store_row_request_key(r->key_hash));
    store_sql_bind_bytes(stmt, 2, key);
    rc = store_sql_step(&t->s->ledger, stmt, t->e);
    store_sql_done(stmt);
    if (rc == 1) {
        char hex[17];
        hex_encode(r->key_hash, 8, hex);
        return err_set(t->e, ERR_CONFLICT, "store.request-conflict", "request key %s… has been used", hex);
    }
    if (rc == 0)
        rc = store_commit_stmt(t, STORE_WRITE_REQUEST_INSERT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, r->first_index);
    store_sql_bind_u64(stmt, 2, r->count);
    store_sql_bind_u64(stmt, 3, store_row_request_ck(r));
    store_sql_bind_bytes(stmt, 4, key);
    store_sql_bind_bytes(stmt, 5, bytes_of(r->body_hash, sizeof r->body_hash));
    store_sql_bind_bytes(stmt, 6, bytes_of(r->case_id, sizeof r->case_id));
    rc = store_commit_run(t, stmt);
    if (rc != 0)
        return rc;
    return put_request_key(t, store_row_request_key(r->key_hash), (uint64_t)sqlite3_last_insert_rowid(t->s->ledger.db));
}

/* Where a run of SWEEP_ROWS keys after the sweep's position ends; past all keys when fewer are left. */
static int find_sweep_end(struct store_transaction *t, unsigned level, uint64_t *ret_key, uint64_t *ret_no)
{
    const struct store_sweep *sweep = &t->s->sweeps[level];
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_SWEEP_END + 3 * level, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, sweep->key);
    store_sql_bind_u64(stmt, 2, sweep->no);
    store_sql_bind_u64(stmt, 3, SWEEP_ROWS - 1);
    rc = store_sql_step(&t->s->ledger, stmt, t->e);
    *ret_key = rc == 1 ? store_sql_u64(stmt, 0) : INT64_MAX;
    *ret_no = rc == 1 ? store_sql_u64(stmt, 1) : INT64_MAX;
    store_sql_done(stmt);
    return rc < 0 ? rc : 0;
}

/* Moves one run of neighbouring keys to the next table. */
static int sweep_once(struct store_transaction *t, unsigned level)
{
    struct store_sweep *sweep = &t->s->sweeps[level];
    uint64_t range[4] = {sweep->key, sweep->no, 0, 0};
    int rc = find_sweep_end(t, level, &range[2], &range[3]);
    const enum store_write_stmt steps[] = {STORE_WRITE_SWEEP_COPY, STORE_WRITE_SWEEP_DELETE};
    for (size_t i = 0; rc == 0 && i < array_count(steps); i++) {
        sqlite3_stmt *stmt = NULL;
        rc = store_commit_stmt(t, steps[i] + 3 * level, &stmt);
        if (rc != 0)
            break;
        for (int j = 0; j < 4; j++)
            store_sql_bind_u64(stmt, j + 1, range[j]);
        rc = store_commit_run(t, stmt);
    }
    if (rc != 0)
        return rc;
    uint64_t moved = (uint64_t)sqlite3_changes64(t->s->ledger.db);
    bool at_end = range[2] == INT64_MAX;
    sweep->count -= moved;
    sweep->key = at_end ? 0 : range[2];
    sweep->no = at_end ? 0 : range[3];
    if (level + 1 < STORE_SWEEPS)
        t->s->sweeps[level + 1].count += moved;
    return 0;
}

/* Brings the smaller tables of keys back to their sizes; bounded by what this batch added. A sweep goes round and round
 * over the keys, so that those ahead of it have had the longest time to gather: several fall on each page of the larger
 * table, where one by one each would have changed a page of its own. */
static int sweep_requests(struct store_transaction *t, size_t added)
{
    int rc = 0;
    for (unsigned level = 0; level < STORE_SWEEPS; level++) {
        for (size_t runs = added / SWEEP_ROWS + 2; rc == 0 && runs > 0; runs--) {
            if (t->s->sweeps[level].count < sweep_rows_max[level] + SWEEP_ROWS)
                break;
            rc = sweep_once(t, level);
        }
    }
    return rc;
}

static int put_counter(struct store_transaction *t, const struct store_counter *c)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_COUNTER_PUT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_text(stmt, 1, c->name);
    store_sql_bind_u64(stmt, 2, c->value);
    store_sql_bind_u64(stmt, 3, store_row_counter_ck(c));
    return store_commit_run(t, stmt);
}

int store_derived_put(struct store_transaction *t, const struct store_batch *b)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->case_count; i++)
        rc = put_case(t, &b->cases[i]);
    for (size_t i = 0; rc == 0 && i < b->item_count; i++)
        rc = put_item(t, &b->items[i]);
    for (size_t i = 0; rc == 0 && i < b->request_count; i++)
        rc = put_request(t, &b->requests[i]);
    if (rc == 0)
        rc = sweep_requests(t, b->request_count);
    for (size_t i = 0; rc == 0 && i < b->counter_count; i++)
        rc = put_counter(t, &b->counters[i]);
    return rc;
}
