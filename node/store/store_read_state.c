/* Reading: the state of the ledgers, all that a start needs to go on (see store.h). One snapshot. */
#include <string.h>

#include "node/store/store_fact.h"
#include "node/store/store_reader.h"
#include "node/store/store_row.h"

static int read_own_end(struct store_reader *r, struct store_ledger_state *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, STORE_READ_ENTRY_LAST, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, store_row_first_id(STORE_SLOT_SELF));
    store_sql_bind_u64(stmt, 2, store_row_last_id(STORE_SLOT_SELF));
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1) {
        struct store_entry last;
        rc = store_row_entry(&r->sql, stmt, &last, e);
        if (rc == 0) {
            ret->size = last.index + 1;
            ret->hlc_max = last.leaf.size >= 30 ? get_be64(last.leaf.data + 22) : 0; /* leaf format: offset 22 */
        }
    }
    store_sql_done(stmt);
    return rc;
}

static int read_recipients(struct store_reader *r, struct arena *a, struct store_ledger_state *ret, struct err *e)
{
    sqlite3_stmt *nodes = NULL, *last = NULL;
    size_t capacity = 0;
    int rc = store_reader_get(r, STORE_READ_NODES, &nodes, e);
    if (rc != 0)
        return rc;
    while ((rc = store_sql_step(&r->sql, nodes, e)) == 1) {
        uint64_t slot = store_sql_u64(nodes, 0);
        rc = store_reader_get(r, STORE_READ_ADDRESSED_LAST, &last, e);
        if (rc != 0)
            break;
        store_sql_bind_u64(last, 1, store_row_first_id(slot));
        store_sql_bind_u64(last, 2, store_row_last_id(slot));
        rc = store_sql_step(&r->sql, last, e);
        if (rc < 0)
            break;
        if (rc == 0)
            continue;
        if (ret->recipient_count == capacity) {
            struct store_addressed *old = ret->recipients;
            capacity = capacity == 0 ? 32 : 2 * capacity;
            ret->recipients = arena_alloc(a, capacity * sizeof *old);
            if (old != NULL)
                memcpy(ret->recipients, old, ret->recipient_count * sizeof *old);
        }
        rc = store_row_addressed(&r->sql, last, (uint32_t)store_sql_u64(nodes, 1),
                                 &ret->recipients[ret->recipient_count++], e);
        if (rc != 0)
            break;
    }
    store_sql_done(last);
    store_sql_done(nodes);
    return rc;
}

/* Number of rows of a table inside the current snapshot. */
static int read_count(struct store_reader *r, enum store_read_stmt id, size_t *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, id, &stmt, e);
    if (rc != 0)
        return rc;
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1)
        *ret = (size_t)store_sql_u64(stmt, 0);
    store_sql_done(stmt);
    return rc < 0 ? rc : 0;
}

static int read_replicas(struct store_reader *r, struct arena *a, struct store_ledger_state *ret, struct err *e)
{
    size_t count = 0;
    sqlite3_stmt *stmt = NULL;
    int rc = read_count(r, STORE_READ_REPLICA_COUNT, &count, e);
    if (rc == 0)
        rc = store_reader_get(r, STORE_READ_REPLICAS, &stmt, e);
    if (rc != 0)
        return rc;
    ret->replicas = arena_alloc(a, count * sizeof *ret->replicas);
    while (ret->replica_count < count && (rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        struct store_replica *row = &ret->replicas[ret->replica_count];
        rc = store_row_replica(&r->sql, stmt, row, e);
        if (rc != 0)
            break;
        row->frontier = arena_bytes(a, row->frontier);
        row->note = arena_bytes(a, row->note);
        ret->replica_count++;
    }
    store_sql_done(stmt);
    for (size_t i = 0; rc >= 0 && i < ret->replica_count; i++)
        rc = store_fact_read_confirmed(r, a, &ret->replicas[i], e);
    return rc < 0 ? rc : 0;
}

static int read_acks(struct store_reader *r, struct arena *a, struct store_ledger_state *ret, struct err *e)
{
    size_t count = 0;
    sqlite3_stmt *stmt = NULL;
    int rc = read_count(r, STORE_READ_ACK_COUNT, &count, e);
    if (rc == 0)
        rc = store_reader_get(r, STORE_READ_ACKS, &stmt, e);
    if (rc != 0)
        return rc;
    ret->acks = arena_alloc(a, count * sizeof *ret->acks);
    while (ret->ack_count < count && (rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        rc = store_row_ack(&r->sql, stmt, &ret->acks[ret->ack_count], e);
        if (rc != 0)
            break;
        ret->ack_count++;
    }
    store_sql_done(stmt);
    return rc < 0 ? rc : 0;
}

int store_read_ledger_state(struct store_reader *r, struct arena *a, struct store_ledger_state *ret, struct err *e)
{
    struct store_ledger_state state = {.size = 0};
    int rc = store_reader_begin(r, e);
    if (rc != 0)
        return rc;
    rc = read_own_end(r, &state, e);
    if (rc == 0)
        rc = read_recipients(r, a, &state, e);
    if (rc == 0)
        rc = read_replicas(r, a, &state, e);
    if (rc == 0)
        rc = read_acks(r, a, &state, e);
    store_reader_end(r);
    if (rc == 0)
        *ret = state;
    return rc;
}
