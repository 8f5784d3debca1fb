/* Deadlines that run (see store_due.h). A row follows its case from transaction to transaction; a case without an open
 * deadline has none, so that the table stays as small as the work that is open. */
#include "node/store/store_due.h"
#include "node/store/store_fact.h"

#include <string.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/store/store_row.h"

#define DATE_MAX 99991231u

static uint64_t due_ck(uint64_t no, const struct store_due *d)
{
    uint64_t ints[] = {no, d->due, d->warn, d->kind, d->lead, d->is_provisional};
    return store_sql_check_value(STORE_TABLE_DUE, ints, array_count(ints), NULL, 0);
}

/* ---- writing ---- */

static int put_due(struct store_transaction *t, const struct store_due *d)
{
    uint64_t no = 0;
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_case_no(t, d->case_id, &no);
    if (rc == 0)
        rc = store_commit_stmt(t, d->due == 0 ? STORE_WRITE_DUE_DELETE : STORE_WRITE_DUE_PUT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, no);
    if (d->due != 0) {
        store_sql_bind_u64(stmt, 2, d->due);
        store_sql_bind_u64(stmt, 3, d->warn);
        store_sql_bind_u64(stmt, 4, d->kind);
        store_sql_bind_u64(stmt, 5, d->lead);
        store_sql_bind_u64(stmt, 6, d->is_provisional);
        store_sql_bind_u64(stmt, 7, due_ck(no, d));
    }
    return store_commit_run(t, stmt);
}

static int put_publicity(struct store_transaction *t, const struct store_publicity *p)
{
    uint8_t value[4];
    struct bytes key = bytes_of(p->case_id, sizeof p->case_id);
    put_be32(value, p->due);
    return p->due == 0 ? store_fact_delete(t, STORE_FACT_PUBLICITY, key)
                       : store_fact_put(t, STORE_FACT_PUBLICITY, key, bytes_of(value, sizeof value));
}

int store_due_put_all(struct store_transaction *t, const struct store_batch *b)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->due_count; i++)
        rc = put_due(t, &b->dues[i]);
    for (size_t i = 0; rc == 0 && i < b->publicity_count; i++)
        rc = put_publicity(t, &b->publicities[i]);
    return rc;
}

/* ---- reading ---- */

int store_due_row(struct store_sql *c, sqlite3_stmt *stmt, struct store_due *ret, struct err *e)
{
    uint64_t no = store_sql_u64(stmt, 0);
    struct bytes id = store_sql_bytes(stmt, 7);
    uint64_t due = store_sql_u64(stmt, 1), warn = store_sql_u64(stmt, 2), kind = store_sql_u64(stmt, 3);
    uint64_t lead = store_sql_u64(stmt, 4), provisional = store_sql_u64(stmt, 5);
    if (id.size != STORE_CASE_ID_SIZE || due > DATE_MAX || warn > DATE_MAX || kind > UINT8_MAX || lead > UINT32_MAX ||
        provisional > 1)
        return store_row_corrupt(c, "due", no, e);
    *ret = (struct store_due){.due = (uint32_t)due,
                              .warn = (uint32_t)warn,
                              .kind = (uint8_t)kind,
                              .lead = (uint32_t)lead,
                              .is_provisional = provisional != 0};
    memcpy(ret->case_id, id.data, sizeof ret->case_id);
    return due_ck(no, ret) == store_sql_u64(stmt, 6) ? 0 : store_row_corrupt(c, "due", no, e);
}

int store_read_due(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], struct store_due *ret,
                   struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, STORE_READ_DUE, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_bytes(stmt, 1, bytes_of(case_id, STORE_CASE_ID_SIZE));
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1)
        rc = store_due_row(&r->sql, stmt, ret, e);
    else if (rc == 0)
        rc = err_set(e, ERR_NOT_FOUND, "store.no-due", "nothing is due in that case");
    store_sql_done(stmt);
    return rc;
}

int store_list_dues(struct store_reader *r, const struct store_due_filter *f, struct arena *a, struct store_due **ret,
                    size_t *ret_count, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    if (f->limit == 0 || f->limit > LIST_ROWS_MAX)
        return err_set(e, ERR_LIMIT, "store.limit", "a page of %zu rows, allowed are 1 to %u", f->limit, LIST_ROWS_MAX);
    int rc = store_reader_get(r, STORE_READ_DUES, &stmt, e);
    if (rc != 0)
        return rc;
    struct store_due *rows = arena_alloc(a, f->limit * sizeof *rows);
    size_t count = 0;
    store_sql_bind_u64(stmt, 1, f->before == 0 ? DATE_MAX + 1 : f->before);
    store_sql_bind_u64(stmt, 2, f->kind);
    store_sql_bind_u64(stmt, 3, f->lead);
    store_sql_bind_u64(stmt, 4, f->limit);
    store_sql_bind_u64(stmt, 5, min_of(f->skip, (uint64_t)INT64_MAX));
    while (count < f->limit && (rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        rc = store_due_row(&r->sql, stmt, &rows[count], e);
        if (rc != 0)
            break;
        count++;
    }
    store_sql_done(stmt);
    if (rc < 0)
        return rc;
    *ret = rows;
    *ret_count = count;
    return 0;
}

struct publicities {
    struct store_publicity *rows;
    size_t count;
};

static int take_publicity(void *ctx, struct arena *a, struct bytes key, struct bytes value, struct err *e)
{
    struct publicities *x = ctx;
    (void)a;
    if (!store_fact_has_form(STORE_FACT_PUBLICITY, key, value))
        return err_set(e, ERR_CORRUPT, "store.row", "a licence to be made public has another form");
    struct store_publicity *row = &x->rows[x->count++];
    row->due = get_be32(value.data);
    memcpy(row->case_id, key.data, sizeof row->case_id);
    return 0;
}

int store_list_publicities(struct store_reader *r, const uint8_t *after, size_t limit, struct arena *a,
                           struct store_publicity **ret, size_t *ret_count, struct err *e)
{
    if (limit == 0 || limit > LIST_ROWS_MAX)
        return err_set(e, ERR_LIMIT, "store.limit", "a page of %zu rows, allowed are 1 to %u", limit, LIST_ROWS_MAX);
    struct publicities x = {.rows = arena_alloc(a, limit * sizeof *x.rows)};
    struct store_fact_listing l = {.r = r, .a = a, .ctx = &x, .take = take_publicity};
    if (after != NULL)
        l.after = bytes_of(after, STORE_CASE_ID_SIZE);
    int rc = store_fact_list(&l, STORE_FACT_PUBLICITY, bytes_of(NULL, 0), limit, e);
    *ret = x.rows;
    *ret_count = rc == 0 ? x.count : 0;
    return rc;
}

int store_count_dues(struct store_reader *r, uint32_t today, uint64_t *ret_red, uint64_t *ret_yellow, uint64_t *ret_all,
                     struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, STORE_READ_DUE_COUNT, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, today);
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1) {
        *ret_red = store_sql_u64(stmt, 0);
        *ret_yellow = store_sql_u64(stmt, 1);
        *ret_all = store_sql_u64(stmt, 2);
    }
    store_sql_done(stmt);
    return rc < 0 ? rc : 0;
}
