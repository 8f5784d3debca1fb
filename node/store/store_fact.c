/* Small records (see store_fact.h): packing, writing within a batch's transaction, and the reading functions of store.h. */
#include "node/store/store_bundle.h"
#include "node/store/store_due.h"
#include "node/store/store_fact.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/store/store_proof.h"
#include "node/store/store_row.h"

#define VALUE_ERASURE_SIZE 23u

uint64_t store_fact_ck(uint64_t kind, struct bytes key, struct bytes value)
{
    struct bytes spans[] = {key, value};
    return store_sql_check_value(STORE_TABLE_FACT, &kind, 1, spans, array_count(spans));
}

/* ---- writing ---- */

/* 1: the fact is there, its value borrowed until store_sql_done(*ret_stmt); 0: there is none. */
static int find(struct store_transaction *t, enum store_fact kind, struct bytes key, struct bytes *ret,
                sqlite3_stmt **ret_stmt)
{
    struct bytes again;
    int rc = store_commit_stmt(t, STORE_WRITE_FACT_FIND, ret_stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(*ret_stmt, 1, kind);
    store_sql_bind_bytes(*ret_stmt, 2, key);
    rc = store_sql_step(&t->s->ledger, *ret_stmt, t->e);
    if (rc == 1) {
        rc = store_fact_row(&t->s->ledger, *ret_stmt, &again, ret, t->e);
        rc = rc == 0 ? 1 : rc;
    }
    return rc;
}

int store_fact_put(struct store_transaction *t, enum store_fact kind, struct bytes key, struct bytes value)
{
    sqlite3_stmt *stmt = NULL;
    struct bytes old;
    int rc = find(t, kind, key, &old, &stmt);
    bool same = rc == 1 && bytes_equal(old, value);
    store_sql_done(stmt);
    if (rc < 0 || same) /* most are given again and again: no page is changed for that */
        return rc < 0 ? rc : 0;
    rc = store_commit_stmt(t, STORE_WRITE_FACT_PUT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, kind);
    store_sql_bind_bytes(stmt, 2, key);
    store_sql_bind_u64(stmt, 3, store_fact_ck(kind, key, value));
    store_sql_bind_bytes(stmt, 4, value);
    return store_commit_run(t, stmt);
}

int store_fact_delete(struct store_transaction *t, enum store_fact kind, struct bytes key)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_FACT_DELETE, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, kind);
    store_sql_bind_bytes(stmt, 2, key);
    return store_commit_run(t, stmt);
}

static int put_confirmed(struct store_transaction *t, const struct store_replica *r)
{
    uint8_t key[4];
    struct buf value = {0};
    put_be32(key, r->origin);
    if (r->confirmed.size == 0)
        return store_fact_delete(t, STORE_FACT_CONFIRMED, bytes_of(key, sizeof key));
    buf_put_u64(&value, r->confirmed_seq_me);
    buf_put_u64(&value, r->confirmed_seq_public);
    buf_put(&value, r->confirmed.data, r->confirmed.size);
    int rc = store_fact_put(t, STORE_FACT_CONFIRMED, bytes_of(key, sizeof key), buf_bytes(&value));
    buf_close(&value);
    return rc;
}

static int put_note(struct store_transaction *t, const struct store_note *n)
{
    struct buf value = {0};
    buf_put_u64(&value, n->size);
    buf_put(&value, n->note.data, n->note.size);
    int rc = store_fact_put(t, STORE_FACT_NOTE, bytes_of_string(n->name), buf_bytes(&value));
    buf_close(&value);
    return rc;
}

#define KEY_ERASURE_SIZE (STORE_CASE_ID_SIZE + 4u)

static void erasure_key(const uint8_t case_id[STORE_CASE_ID_SIZE], uint32_t node, uint8_t ret[KEY_ERASURE_SIZE])
{
    memcpy(ret, case_id, STORE_CASE_ID_SIZE);
    put_be32(ret + STORE_CASE_ID_SIZE, node);
}

int store_fact_is_erased(struct store_transaction *t, const uint8_t case_id[STORE_CASE_ID_SIZE], bool *ret)
{
    uint8_t key[KEY_ERASURE_SIZE];
    struct bytes value;
    sqlite3_stmt *stmt = NULL;
    *ret = false;
    if (!t->s->erased_any)
        return 0;
    if (t->memo_erased_known && memcmp(t->memo_erased_case, case_id, STORE_CASE_ID_SIZE) == 0) {
        *ret = t->memo_erased;
        return 0;
    }
    erasure_key(case_id, t->s->self, key);
    int rc = find(t, STORE_FACT_ERASURE, bytes_of(key, sizeof key), &value, &stmt);
    *ret = rc == 1 && value.size == VALUE_ERASURE_SIZE && value.data[0] == STORE_ERASURE_DONE;
    store_sql_done(stmt);
    t->memo_erased_known = rc >= 0;
    t->memo_erased = *ret;
    memcpy(t->memo_erased_case, case_id, STORE_CASE_ID_SIZE);
    return rc < 0 ? rc : 0;
}

static int put_erasure(struct store_transaction *t, const struct store_erasure *row)
{
    uint8_t key[KEY_ERASURE_SIZE], value[VALUE_ERASURE_SIZE];
    erasure_key(row->case_id, row->node, key);
    t->memo_erased_known = false;
    t->s->erased_any = true;
    value[0] = row->state;
    put_be16(value + 1, row->basis);
    put_be64(value + 3, row->at_ms);
    put_be32(value + 11, row->origin);
    put_be64(value + 15, row->index);
    struct bytes k = bytes_of(key, sizeof key);
    int rc = store_fact_put(t, STORE_FACT_ERASURE, k, bytes_of(value, sizeof value));
    if (rc != 0)
        return rc;
    return row->state == STORE_ERASURE_DONE ? store_fact_delete(t, STORE_FACT_ERASURE_OPEN, k)
                                            : store_fact_put(t, STORE_FACT_ERASURE_OPEN, k, bytes_of(NULL, 0));
}

static int put_hold(struct store_transaction *t, const struct store_hold *row)
{
    struct bytes key = bytes_of(row->case_id, sizeof row->case_id);
    struct buf value = {0};
    if (row->since_ms == 0)
        return store_fact_delete(t, STORE_FACT_HOLD, key);
    buf_put_u64(&value, row->since_ms);
    buf_put_string(&value, row->reason);
    int rc = store_fact_put(t, STORE_FACT_HOLD, key, buf_bytes(&value));
    buf_close(&value);
    return rc;
}

static int put_evidence(struct store_transaction *t, const struct store_evidence *row)
{
    uint8_t key[16], value[8];
    put_be32(key, row->accused);
    put_be32(key + 4, row->origin);
    put_be64(key + 8, row->index);
    put_be64(value, row->common_size);
    return store_fact_put(t, STORE_FACT_EVIDENCE, bytes_of(key, sizeof key), bytes_of(value, sizeof value));
}

int store_fact_put_all(struct store_transaction *t, const struct store_batch *b)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->replica_count; i++)
        rc = put_confirmed(t, &b->replicas[i]);
    for (size_t i = 0; rc == 0 && i < b->note_count; i++)
        rc = put_note(t, &b->notes[i]);
    for (size_t i = 0; rc == 0 && i < b->erasure_count; i++)
        rc = put_erasure(t, &b->erasures[i]);
    for (size_t i = 0; rc == 0 && i < b->hold_count; i++)
        rc = put_hold(t, &b->holds[i]);
    for (size_t i = 0; rc == 0 && i < b->evidence_count; i++)
        rc = put_evidence(t, &b->evidences[i]);
    if (rc == 0)
        rc = store_proof_put_all(t, b);
    if (rc == 0)
        rc = store_due_put_all(t, b);
    if (rc == 0)
        rc = store_bundle_put_all(t, b);
    return rc == 0 ? store_file_put_all(t, b) : rc;
}

/* ---- reading ---- */

int store_fact_row(struct store_sql *c, sqlite3_stmt *stmt, struct bytes *ret_key, struct bytes *ret_value,
                   struct err *e)
{
    uint64_t kind = store_sql_u64(stmt, 0);
    struct bytes key = store_sql_bytes(stmt, 1), value = store_sql_bytes(stmt, 3);
    if (store_fact_ck(kind, key, value) != store_sql_u64(stmt, 2))
        return store_row_corrupt(c, "fact", kind, e);
    *ret_key = key;
    *ret_value = value;
    return 0;
}

int store_fact_get(struct store_reader *r, enum store_fact kind, struct bytes key, struct arena *a, struct bytes *ret,
                   struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct bytes k, v;
    int rc = store_reader_get(r, STORE_READ_FACT, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, kind);
    store_sql_bind_bytes(stmt, 2, key);
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1) {
        rc = store_fact_row(&r->sql, stmt, &k, &v, e);
        if (rc == 0) {
            *ret = arena_bytes(a, v);
            rc = 1;
        }
    }
    store_sql_done(stmt);
    return rc;
}

static int malformed(const char *what, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "store.row", "ledger.db: table fact, a row about %s has another size", what);
}

bool store_fact_has_form(uint64_t kind, struct bytes key, struct bytes value)
{
    switch ((enum store_fact)kind) {
    case STORE_FACT_CONFIRMED:
        return key.size == 4 && value.size > 16;
    case STORE_FACT_NOTE:
        return key.size > 0 && value.size >= 8;
    case STORE_FACT_ERASURE:
        return key.size == KEY_ERASURE_SIZE && value.size == VALUE_ERASURE_SIZE;
    case STORE_FACT_ERASURE_OPEN:
        return key.size == KEY_ERASURE_SIZE && value.size == 0;
    case STORE_FACT_HOLD:
        return key.size == STORE_CASE_ID_SIZE && value.size >= 8 &&
               value.size - 8 < sizeof(((struct store_hold *)NULL)->reason);
    case STORE_FACT_EVIDENCE:
        return key.size == 16 && value.size == 8;
    case STORE_FACT_DESTROY:
        return key.size == STORE_CASE_ID_SIZE && value.size == 0;
    case STORE_FACT_PROOF:
        return key.size == 12 && value.size > 9 && value.size > 9 + (size_t)value.data[8] * 32;
    case STORE_FACT_FORK:
        return key.size == STORE_CASE_ID_SIZE + 44 && value.size > 0 && value.size <= LEAF_BYTES_MAX;
    case STORE_FACT_PUBLICITY:
        return key.size == STORE_CASE_ID_SIZE && value.size == 4;
    case STORE_FACT_PULL:
        return key.size == STORE_CASE_ID_SIZE && value.size == 8;
    case STORE_FACT_FILE:
    case STORE_FACT_FILE_CASE:
    case STORE_FACT_FILE_WANTED:
    case STORE_FACT_FILE_HOLDER:
        return store_file_has_form((enum store_fact)kind, key, value);
    }
    return false;
}

int store_fact_list(const struct store_fact_listing *l, enum store_fact kind, struct bytes prefix, size_t limit,
                    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    uint8_t end[80];
    struct bytes key, value;
    xassert(prefix.size + 24 <= sizeof end);
    memset(end, 0xff, sizeof end); /* no key of these kinds is so long */
    if (prefix.size > 0)
        memcpy(end, prefix.data, prefix.size);
    uint8_t next[64] = {0}; /* the smallest key behind @after is longer by a zero */
    xassert(l->after.size < sizeof next && (l->after.size == 0 || prefix.size == 0));
    if (l->after.size > 0) {
        memcpy(next, l->after.data, l->after.size);
        prefix = bytes_of(next, l->after.size + 1);
    }
    int rc = store_reader_get(l->r, STORE_READ_FACTS, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, kind);
    store_sql_bind_bytes(stmt, 2, prefix);
    store_sql_bind_bytes(stmt, 3, bytes_of(end, sizeof end));
    store_sql_bind_u64(stmt, 4, limit);
    while ((rc = store_sql_step(&l->r->sql, stmt, e)) == 1) {
        rc = store_fact_row(&l->r->sql, stmt, &key, &value, e);
        if (rc == 0)
            rc = l->take(l->ctx, l->a, key, value, e);
        if (rc != 0)
            break;
    }
    store_sql_done(stmt);
    return rc;
}

int store_fact_read_confirmed(struct store_reader *r, struct arena *a, struct store_replica *row, struct err *e)
{
    uint8_t key[4];
    struct bytes value;
    put_be32(key, row->origin);
    int rc = store_fact_get(r, STORE_FACT_CONFIRMED, bytes_of(key, sizeof key), a, &value, e);
    if (rc <= 0)
        return rc;
    if (value.size < 16)
        return malformed("a confirmed position", e);
    row->confirmed_seq_me = get_be64(value.data);
    row->confirmed_seq_public = get_be64(value.data + 8);
    row->confirmed = bytes_of(value.data + 16, value.size - 16);
    return 0;
}

int store_read_note(struct store_reader *r, const char *name, struct arena *a, struct store_note *ret, struct err *e)
{
    struct bytes value;
    int rc = store_fact_get(r, STORE_FACT_NOTE, bytes_of_string(name), a, &value, e);
    if (rc == 0)
        return err_set(e, ERR_NOT_FOUND, "store.no-note", "no note '%s' is kept", name);
    if (rc < 0)
        return rc;
    if (value.size < 8)
        return malformed("a note", e);
    *ret = (struct store_note){.size = get_be64(value.data), .note = bytes_of(value.data + 8, value.size - 8)};
    (void)snprintf(ret->name, sizeof ret->name, "%s", name);
    return 0;
}

struct erasures {
    struct store_reader *r;
    struct store_erasure *rows;
    size_t count, capacity;
    bool keys_only;
};

static int take_erasure(void *ctx, struct arena *a, struct bytes key, struct bytes value, struct err *e)
{
    struct erasures *x = ctx;
    struct bytes whole = value;
    if (key.size != KEY_ERASURE_SIZE)
        return malformed("an erasure", e);
    if (x->keys_only) {
        whole = bytes_of(NULL, 0);
        int rc = store_fact_get(x->r, STORE_FACT_ERASURE, key, a, &whole, e);
        if (rc < 0)
            return rc;
    }
    if (whole.size != VALUE_ERASURE_SIZE)
        return malformed("an erasure", e);
    if (x->count == x->capacity) {
        size_t capacity = max_of((size_t)8, x->capacity * 2);
        struct store_erasure *bigger = arena_alloc(a, capacity * sizeof *bigger);
        if (x->count > 0)
            memcpy(bigger, x->rows, x->count * sizeof *bigger);
        x->rows = bigger;
        x->capacity = capacity;
    }
    struct store_erasure *row = &x->rows[x->count++];
    *row = (struct store_erasure){.node = get_be32(key.data + STORE_CASE_ID_SIZE),
                                  .state = whole.data[0],
                                  .basis = get_be16(whole.data + 1),
                                  .at_ms = get_be64(whole.data + 3),
                                  .origin = get_be32(whole.data + 11),
                                  .index = get_be64(whole.data + 15)};
    memcpy(row->case_id, key.data, STORE_CASE_ID_SIZE);
    return 0;
}

int store_read_erasures(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], struct arena *a,
                        struct store_erasure **ret, size_t *ret_count, struct err *e)
{
    struct erasures x = {.r = r};
    struct store_fact_listing l = {.r = r, .a = a, .ctx = &x, .take = take_erasure};
    int rc = store_fact_list(&l, STORE_FACT_ERASURE, bytes_of(case_id, STORE_CASE_ID_SIZE), INT64_MAX, e);
    *ret = x.rows;
    *ret_count = rc == 0 ? x.count : 0;
    return rc;
}

int store_list_erasures_open(struct store_reader *r, size_t limit, struct arena *a, struct store_erasure **ret,
                             size_t *ret_count, struct err *e)
{
    struct erasures x = {.r = r, .keys_only = true};
    struct store_fact_listing l = {.r = r, .a = a, .ctx = &x, .take = take_erasure};
    int rc = store_fact_list(&l, STORE_FACT_ERASURE_OPEN, bytes_of(NULL, 0), limit, e);
    *ret = x.rows;
    *ret_count = rc == 0 ? x.count : 0;
    return rc;
}

int store_read_hold(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], struct store_hold *ret,
                    struct err *e)
{
    struct arena a = ARENA_INIT;
    struct bytes value;
    int rc = store_fact_get(r, STORE_FACT_HOLD, bytes_of(case_id, STORE_CASE_ID_SIZE), &a, &value, e);
    if (rc == 0)
        rc = err_set(e, ERR_NOT_FOUND, "store.no-hold", "the case is not on hold");
    else if (rc > 0 && (value.size < 8 || value.size - 8 >= sizeof ret->reason))
        rc = malformed("a hold", e);
    else if (rc > 0) {
        *ret = (struct store_hold){.since_ms = get_be64(value.data)};
        memcpy(ret->case_id, case_id, STORE_CASE_ID_SIZE);
        memcpy(ret->reason, value.data + 8, value.size - 8);
        rc = 0;
    }
    arena_close(&a);
    return rc;
}

struct evidences {
    struct store_evidence *rows;
    size_t count, capacity;
};

static int take_evidence(void *ctx, struct arena *a, struct bytes key, struct bytes value, struct err *e)
{
    struct evidences *x = ctx;
    if (key.size != 16 || value.size != 8)
        return malformed("evidence", e);
    if (x->count == x->capacity) {
        size_t capacity = max_of((size_t)8, x->capacity * 2);
        struct store_evidence *bigger = arena_alloc(a, capacity * sizeof *bigger);
        if (x->count > 0)
            memcpy(bigger, x->rows, x->count * sizeof *bigger);
        x->rows = bigger;
        x->capacity = capacity;
    }
    x->rows[x->count++] = (struct store_evidence){.accused = get_be32(key.data),
                                                  .origin = get_be32(key.data + 4),
                                                  .index = get_be64(key.data + 8),
                                                  .common_size = get_be64(value.data)};
    return 0;
}

int store_list_evidence(struct store_reader *r, struct arena *a, struct store_evidence **ret, size_t *ret_count,
                        struct err *e)
{
    struct evidences x = {0};
    struct store_fact_listing l = {.r = r, .a = a, .ctx = &x, .take = take_evidence};
    int rc = store_fact_list(&l, STORE_FACT_EVIDENCE, bytes_of(NULL, 0), INT64_MAX, e);
    *ret = x.rows;
    *ret_count = rc == 0 ? x.count : 0;
    return rc;
}
