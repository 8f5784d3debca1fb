/* Kept proofs (see store_proof.h, federation/ledger/cover.h).
 *
 * Covers have a table of their own, in the order of their ledger: the one that begins last before an entry brought it,
 * unless the follower had to go back and take the same span again in other pieces. Single proofs and pulls are facts.
 */
#include "node/store/store_proof.h"

#include <string.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/store/store_fact.h"
#include "node/store/store_row.h"

static uint64_t cover_ck(uint64_t id, const struct store_cover *c)
{
    uint64_t ints[] = {id, c->size};
    struct bytes spans[] = {c->parts, c->note};
    return store_sql_check_value(STORE_TABLE_COVER, ints, array_count(ints), spans, array_count(spans));
}

/* ---- writing ---- */

static int put_cover(struct store_transaction *t, const struct store_cover *c)
{
    struct store_slot *slot = NULL;
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_slot_of(t, c->origin, &slot);
    if (rc == 0)
        rc = store_commit_stmt(t, STORE_WRITE_COVER_PUT, &stmt);
    if (rc != 0)
        return rc;
    uint64_t id = store_row_id(slot->slot, c->from);
    store_sql_bind_u64(stmt, 1, id);
    store_sql_bind_u64(stmt, 2, c->size);
    store_sql_bind_u64(stmt, 3, cover_ck(id, c));
    store_sql_bind_bytes(stmt, 4, c->parts);
    store_sql_bind_bytes(stmt, 5, c->note);
    return store_commit_run(t, stmt);
}

static void proof_key(uint32_t origin, uint64_t index, uint8_t ret[12])
{
    put_be32(ret, origin);
    put_be64(ret + 4, index);
}

static int put_proof(struct store_transaction *t, const struct store_proof *p)
{
    uint8_t key[12];
    struct buf value = {0};
    proof_key(p->origin, p->index, key);
    buf_put_u64(&value, p->size);
    buf_put_u8(&value, (uint8_t)(p->hashes.size / 32));
    buf_put(&value, p->hashes.data, p->hashes.size);
    buf_put(&value, p->note.data, p->note.size);
    int rc = store_fact_put(t, STORE_FACT_PROOF, bytes_of(key, sizeof key), buf_bytes(&value));
    buf_close(&value);
    return rc;
}

static int put_pull(struct store_transaction *t, const struct store_pull *p)
{
    uint8_t value[8];
    struct bytes key = bytes_of(p->case_id, sizeof p->case_id);
    put_be64(value, p->since_ms);
    return p->since_ms == 0 ? store_fact_delete(t, STORE_FACT_PULL, key)
                            : store_fact_put(t, STORE_FACT_PULL, key, bytes_of(value, sizeof value));
}

static int put_fork(struct store_transaction *t, const struct store_fork *f)
{
    uint8_t key[STORE_CASE_ID_SIZE + 44];
    memcpy(key, f->case_id, STORE_CASE_ID_SIZE);
    put_be32(key + STORE_CASE_ID_SIZE, f->origin);
    put_be64(key + STORE_CASE_ID_SIZE + 4, f->index);
    memcpy(key + STORE_CASE_ID_SIZE + 12, f->hash, sizeof f->hash);
    return store_fact_put(t, STORE_FACT_FORK, bytes_of(key, sizeof key), f->leaf);
}

int store_proof_put_all(struct store_transaction *t, const struct store_batch *b)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->cover_count; i++)
        rc = put_cover(t, &b->covers[i]);
    for (size_t i = 0; rc == 0 && i < b->proof_count; i++)
        rc = put_proof(t, &b->proofs[i]);
    for (size_t i = 0; rc == 0 && i < b->pull_count; i++)
        rc = put_pull(t, &b->pulls[i]);
    for (size_t i = 0; rc == 0 && i < b->fork_count; i++)
        rc = put_fork(t, &b->forks[i]);
    return rc;
}

/* ---- reading ---- */

int store_cover_row(struct store_sql *c, sqlite3_stmt *stmt, struct store_cover *ret, struct err *e)
{
    uint64_t id = store_sql_u64(stmt, 0);
    *ret = (struct store_cover){.from = id & STORE_INDEX_MAX,
                                .size = store_sql_u64(stmt, 1),
                                .parts = store_sql_bytes(stmt, 3),
                                .note = store_sql_bytes(stmt, 4)};
    return cover_ck(id, ret) == store_sql_u64(stmt, 2) ? 0 : store_row_corrupt(c, "cover", id, e);
}

int store_read_proof(struct store_reader *r, uint32_t origin, uint64_t index, struct arena *a, struct store_proof *ret,
                     struct err *e)
{
    uint8_t key[12];
    struct bytes v;
    proof_key(origin, index, key);
    int rc = store_fact_get(r, STORE_FACT_PROOF, bytes_of(key, sizeof key), a, &v, e);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return err_set(e, ERR_NOT_FOUND, "store.no-proof", "no proof of entry %llu of node %u is kept by itself",
                       (unsigned long long)index, origin);
    if (!store_fact_has_form(STORE_FACT_PROOF, bytes_of(key, sizeof key), v))
        return err_set(e, ERR_CORRUPT, "store.row", "ledger.db: table fact, a row about a proof has another size");
    size_t hashes = (size_t)v.data[8] * 32;
    *ret = (struct store_proof){.origin = origin,
                                .index = index,
                                .size = get_be64(v.data),
                                .hashes = bytes_of(v.data + 9, hashes),
                                .note = bytes_of(v.data + 9 + hashes, v.size - 9 - hashes)};
    return 0;
}

int store_read_covers(struct store_reader *r, uint32_t origin, uint64_t index, size_t limit, struct arena *a,
                      struct store_cover **ret, size_t *ret_count, struct err *e)
{
    uint64_t slot = 0;
    sqlite3_stmt *stmt = NULL;
    struct store_cover *rows = arena_alloc(a, (limit + 1) * sizeof *rows);
    size_t count = 0;
    int rc = store_reader_find_slot(r, origin, &slot, e);
    *ret = rows;
    *ret_count = 0;
    if (rc == ERR_NOT_FOUND || index > STORE_INDEX_MAX)
        return 0;
    if (rc == 0)
        rc = store_reader_get(r, STORE_READ_COVERS, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, store_row_id((uint32_t)slot, 0));
    store_sql_bind_u64(stmt, 2, store_row_id((uint32_t)slot, index));
    store_sql_bind_u64(stmt, 3, limit);
    while (count < limit && (rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        rc = store_cover_row(&r->sql, stmt, &rows[count], e);
        if (rc != 0)
            break;
        rows[count].origin = origin;
        rows[count].parts = arena_bytes(a, rows[count].parts);
        rows[count].note = arena_bytes(a, rows[count].note);
        count++;
    }
    store_sql_done(stmt);
    if (rc < 0)
        return rc;
    *ret_count = count;
    return 0;
}

struct pulls {
    struct store_pull *rows;
    size_t count, capacity;
};

static int take_pull(void *ctx, struct arena *a, struct bytes key, struct bytes value, struct err *e)
{
    struct pulls *x = ctx;
    if (!store_fact_has_form(STORE_FACT_PULL, key, value))
        return err_set(e, ERR_CORRUPT, "store.row", "ledger.db: table fact, a row about a case has another size");
    if (x->count == x->capacity) {
        size_t capacity = max_of((size_t)8, x->capacity * 2);
        struct store_pull *bigger = arena_alloc(a, capacity * sizeof *bigger);
        if (x->count > 0)
            memcpy(bigger, x->rows, x->count * sizeof *bigger);
        x->rows = bigger;
        x->capacity = capacity;
    }
    struct store_pull *row = &x->rows[x->count++];
    *row = (struct store_pull){.since_ms = get_be64(value.data)};
    memcpy(row->case_id, key.data, sizeof row->case_id);
    return 0;
}

int store_list_pulls(struct store_reader *r, struct arena *a, struct store_pull **ret, size_t *ret_count, struct err *e)
{
    struct pulls x = {0};
    struct store_fact_listing l = {.r = r, .a = a, .ctx = &x, .take = take_pull};
    int rc = store_fact_list(&l, STORE_FACT_PULL, bytes_of(NULL, 0), INT64_MAX, e);
    *ret = x.rows;
    *ret_count = rc == 0 ? x.count : 0;
    return rc;
}

struct forks {
    struct store_entry *rows;
    size_t room;
    size_t *count;
};

static int take_fork(void *ctx, struct arena *a, struct bytes key, struct bytes value, struct err *e)
{
    struct forks *x = ctx;
    if (!store_fact_has_form(STORE_FACT_FORK, key, value))
        return err_set(e, ERR_CORRUPT, "store.row", "ledger.db: table fact, a row about a leaf has another size");
    if (*x->count == x->room)
        return 0;
    struct store_entry *row = &x->rows[(*x->count)++];
    *row = (struct store_entry){.origin = get_be32(key.data + STORE_CASE_ID_SIZE),
                                .index = get_be64(key.data + STORE_CASE_ID_SIZE + 4),
                                .leaf = arena_bytes(a, value),
                                .has_case = true};
    memcpy(row->case_id, key.data, STORE_CASE_ID_SIZE);
    memcpy(row->hash, key.data + STORE_CASE_ID_SIZE + 12, sizeof row->hash);
    return 0;
}

int store_read_forks(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], struct arena *a,
                     struct store_entry *rows, size_t room, size_t *count, struct err *e)
{
    struct forks x = {.rows = rows, .room = room, .count = count};
    struct store_fact_listing l = {.r = r, .a = a, .ctx = &x, .take = take_fork};
    return store_fact_list(&l, STORE_FACT_FORK, bytes_of(case_id, STORE_CASE_ID_SIZE), STORE_FORKS_MAX, e);
}
