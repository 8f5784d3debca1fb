/* Which files belong to which cases, which are wanted from whom, and who holds them: small records (store_fact.h). A file
 * belongs to the node as long as a case holds it; its bytes stand outside of the database (node/files).
 */
#include <string.h>

#include "node/base/xassert.h"
#include "node/store/store_fact.h"
#include "node/store/store_row.h"

#define FILE_SIZE 32u
#define KEY_FILE_SIZE (STORE_CASE_ID_SIZE + FILE_SIZE + 4u)
#define KEY_CASE_SIZE (FILE_SIZE + STORE_CASE_ID_SIZE)
#define KEY_HOLDER_SIZE (FILE_SIZE + 4u)
#define VALUE_HOLDER_SIZE 9u
#define MARK_SIZE 32u /* more, when the row has one */

bool store_file_has_form(enum store_fact kind, struct bytes key, struct bytes value)
{
    switch (kind) {
    case STORE_FACT_FILE:
        return key.size == KEY_FILE_SIZE && value.size == 8;
    case STORE_FACT_FILE_CASE:
        return key.size == KEY_CASE_SIZE && value.size == 0;
    case STORE_FACT_FILE_WANTED:
        return key.size == FILE_SIZE && value.size == 4;
    case STORE_FACT_FILE_HOLDER:
        return key.size == KEY_HOLDER_SIZE &&
               (value.size == VALUE_HOLDER_SIZE || value.size == VALUE_HOLDER_SIZE + MARK_SIZE);
    default:
        return false;
    }
}

/* ---- writing ---- */

static void case_key(const uint8_t file[FILE_SIZE], const uint8_t case_id[STORE_CASE_ID_SIZE],
                     uint8_t out[KEY_CASE_SIZE])
{
    memcpy(out, file, FILE_SIZE);
    memcpy(out + FILE_SIZE, case_id, STORE_CASE_ID_SIZE);
}

static int put_file(struct store_transaction *t, const struct store_file *row)
{
    uint8_t key[KEY_FILE_SIZE], by_file[KEY_CASE_SIZE], value[8], origin[4];
    bool erased = false;
    int rc = store_fact_is_erased(t, row->case_id, &erased);
    if (rc != 0 || erased)
        return rc;
    memcpy(key, row->case_id, STORE_CASE_ID_SIZE);
    memcpy(key + STORE_CASE_ID_SIZE, row->file, FILE_SIZE);
    put_be32(key + STORE_CASE_ID_SIZE + FILE_SIZE, row->origin);
    put_be64(value, row->index);
    put_be32(origin, row->origin);
    case_key(row->file, row->case_id, by_file);
    rc = store_fact_put(t, STORE_FACT_FILE, bytes_of(key, sizeof key), bytes_of(value, sizeof value));
    if (rc == 0)
        rc = store_fact_put(t, STORE_FACT_FILE_CASE, bytes_of(by_file, sizeof by_file), bytes_of(NULL, 0));
    if (rc == 0 && row->is_wanted)
        rc = store_fact_put(t, STORE_FACT_FILE_WANTED, bytes_of(row->file, FILE_SIZE), bytes_of(origin, sizeof origin));
    return rc;
}

/* The first fact of @kind whose key is not below @from, into @ret_key (of @size bytes); 1, 0 when its key does not begin with
 * @prefix_size bytes of @from, or the error. */
static int first_from(struct store_transaction *t, enum store_fact kind, const uint8_t *from, size_t prefix_size,
                      uint8_t *ret_key, size_t size)
{
    sqlite3_stmt *stmt = NULL;
    struct bytes key, value;
    int rc = store_commit_stmt(t, STORE_WRITE_FACT_FROM, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, kind);
    store_sql_bind_bytes(stmt, 2, bytes_of(from, prefix_size));
    rc = store_sql_step(&t->s->ledger, stmt, t->e);
    if (rc == 1) {
        rc = store_fact_row(&t->s->ledger, stmt, &key, &value, t->e);
        if (rc == 0 && key.size == size && memcmp(key.data, from, prefix_size) == 0) {
            memcpy(ret_key, key.data, size);
            rc = 1;
        }
    }
    store_sql_done(stmt);
    return rc;
}

/* Whether the row says something that is to be written: not of a file whose last case has been erased meanwhile. 1, 0 or the error. */
static int is_news(struct store_transaction *t, const struct store_file_holder *row, const uint8_t key[KEY_HOLDER_SIZE])
{
    uint8_t found[KEY_CASE_SIZE];
    int rc = row->state == 0 ? 1 : first_from(t, STORE_FACT_FILE_CASE, row->file, FILE_SIZE, found, KEY_CASE_SIZE);
    if (rc != 1 || !row->keeps)
        return rc;
    rc = first_from(t, STORE_FACT_FILE_HOLDER, key, KEY_HOLDER_SIZE, found, KEY_HOLDER_SIZE);
    return rc < 0 ? rc : rc == 0;
}

static int put_holder(struct store_transaction *t, const struct store_file_holder *row)
{
    uint8_t key[KEY_HOLDER_SIZE], value[VALUE_HOLDER_SIZE + MARK_SIZE];
    memcpy(key, row->file, FILE_SIZE);
    put_be32(key + FILE_SIZE, row->node);
    value[0] = row->state;
    put_be64(value + 1, row->at_ms);
    memcpy(value + VALUE_HOLDER_SIZE, row->mark, MARK_SIZE);
    size_t value_size = VALUE_HOLDER_SIZE + (row->has_mark ? MARK_SIZE : 0u);
    struct bytes k = bytes_of(key, sizeof key);
    int rc = is_news(t, row, key);
    if (rc == 1)
        rc = row->state == 0 ? store_fact_delete(t, STORE_FACT_FILE_HOLDER, k)
                             : store_fact_put(t, STORE_FACT_FILE_HOLDER, k, bytes_of(value, value_size));
    if (rc == 0 && row->settles)
        rc = store_fact_delete(t, STORE_FACT_FILE_WANTED, bytes_of(row->file, FILE_SIZE));
    return rc;
}

int store_file_put_all(struct store_transaction *t, const struct store_batch *b)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->file_count; i++)
        rc = put_file(t, &b->files[i]);
    for (size_t i = 0; rc == 0 && i < b->file_holder_count; i++)
        rc = put_holder(t, &b->file_holders[i]);
    return rc;
}

/* Everything about a file that no case holds any more. */
static int forget_file(struct store_transaction *t, const uint8_t file[FILE_SIZE])
{
    uint8_t key[KEY_CASE_SIZE];
    int rc = first_from(t, STORE_FACT_FILE_CASE, file, FILE_SIZE, key, KEY_CASE_SIZE);
    if (rc != 0)
        return rc < 0 ? rc : 0; /* another case holds it */
    rc = store_fact_delete(t, STORE_FACT_FILE_WANTED, bytes_of(file, FILE_SIZE));
    while (rc == 0 && (rc = first_from(t, STORE_FACT_FILE_HOLDER, file, FILE_SIZE, key, KEY_HOLDER_SIZE)) == 1)
        rc = store_fact_delete(t, STORE_FACT_FILE_HOLDER, bytes_of(key, KEY_HOLDER_SIZE));
    return rc;
}

int store_file_destroy(struct store_transaction *t, const uint8_t case_id[STORE_CASE_ID_SIZE])
{
    uint8_t key[KEY_FILE_SIZE], by_file[KEY_CASE_SIZE];
    int rc;
    while ((rc = first_from(t, STORE_FACT_FILE, case_id, STORE_CASE_ID_SIZE, key, KEY_FILE_SIZE)) == 1) {
        const uint8_t *file = key + STORE_CASE_ID_SIZE;
        case_key(file, case_id, by_file);
        rc = store_fact_delete(t, STORE_FACT_FILE, bytes_of(key, sizeof key));
        if (rc == 0)
            rc = store_fact_delete(t, STORE_FACT_FILE_CASE, bytes_of(by_file, sizeof by_file));
        if (rc == 0)
            rc = forget_file(t, file);
        if (rc != 0)
            return rc;
    }
    return rc;
}

/* ---- reading ---- */

static int malformed(struct err *e)
{
    return err_set(e, ERR_CORRUPT, "store.row", "ledger.db: table fact, a row about a file has another size");
}

/* Rows of one size that grow in the arena. */
struct rows {
    uint8_t *data;
    size_t row_size, count, capacity;
};

static void *grow(struct rows *x, struct arena *a)
{
    if (x->count == x->capacity) {
        size_t capacity = max_of((size_t)8, x->capacity * 2);
        uint8_t *bigger = arena_alloc(a, capacity * x->row_size);
        if (x->count > 0)
            memcpy(bigger, x->data, x->count * x->row_size);
        x->data = bigger;
        x->capacity = capacity;
    }
    return x->data + x->count++ * x->row_size;
}

static int take_file(void *ctx, struct arena *a, struct bytes key, struct bytes value, struct err *e)
{
    if (!store_file_has_form(STORE_FACT_FILE, key, value))
        return malformed(e);
    struct store_file *row = grow(ctx, a);
    *row = (struct store_file){.origin = get_be32(key.data + STORE_CASE_ID_SIZE + FILE_SIZE),
                               .index = get_be64(value.data)};
    memcpy(row->case_id, key.data, STORE_CASE_ID_SIZE);
    memcpy(row->file, key.data + STORE_CASE_ID_SIZE, FILE_SIZE);
    return 0;
}

int store_read_files(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], struct arena *a,
                     struct store_file **ret, size_t *ret_count, struct err *e)
{
    struct rows x = {.row_size = sizeof **ret};
    struct store_fact_listing l = {.r = r, .a = a, .ctx = &x, .take = take_file};
    int rc = store_fact_list(&l, STORE_FACT_FILE, bytes_of(case_id, STORE_CASE_ID_SIZE), INT64_MAX, e);
    *ret = (struct store_file *)(void *)x.data;
    *ret_count = rc == 0 ? x.count : 0;
    return rc;
}

static int take_case(void *ctx, struct arena *a, struct bytes key, struct bytes value, struct err *e)
{
    if (!store_file_has_form(STORE_FACT_FILE_CASE, key, value))
        return malformed(e);
    memcpy(grow(ctx, a), key.data + FILE_SIZE, STORE_CASE_ID_SIZE);
    return 0;
}

int store_read_file_cases(struct store_reader *r, const uint8_t file[32], struct arena *a,
                          uint8_t (**ret)[STORE_CASE_ID_SIZE], size_t *ret_count, struct err *e)
{
    struct rows x = {.row_size = STORE_CASE_ID_SIZE};
    struct store_fact_listing l = {.r = r, .a = a, .ctx = &x, .take = take_case};
    int rc = store_fact_list(&l, STORE_FACT_FILE_CASE, bytes_of(file, FILE_SIZE), INT64_MAX, e);
    *ret = (uint8_t(*)[STORE_CASE_ID_SIZE])(void *)x.data;
    *ret_count = rc == 0 ? x.count : 0;
    return rc;
}

static int take_holder(void *ctx, struct arena *a, struct bytes key, struct bytes value, struct err *e)
{
    if (!store_file_has_form(STORE_FACT_FILE_HOLDER, key, value))
        return malformed(e);
    struct store_file_holder *row = grow(ctx, a);
    *row = (struct store_file_holder){
        .node = get_be32(key.data + FILE_SIZE), .state = value.data[0], .at_ms = get_be64(value.data + 1)};
    memcpy(row->file, key.data, FILE_SIZE);
    row->has_mark = value.size > VALUE_HOLDER_SIZE;
    if (row->has_mark)
        memcpy(row->mark, value.data + VALUE_HOLDER_SIZE, MARK_SIZE);
    return 0;
}

int store_read_file_holders(struct store_reader *r, const uint8_t file[32], struct arena *a,
                            struct store_file_holder **ret, size_t *ret_count, struct err *e)
{
    struct rows x = {.row_size = sizeof **ret};
    struct store_fact_listing l = {.r = r, .a = a, .ctx = &x, .take = take_holder};
    int rc = store_fact_list(&l, STORE_FACT_FILE_HOLDER, bytes_of(file, FILE_SIZE), INT64_MAX, e);
    *ret = (struct store_file_holder *)(void *)x.data;
    *ret_count = rc == 0 ? x.count : 0;
    return rc;
}

static int take_held(void *ctx, struct arena *a, struct bytes key, struct bytes value, struct err *e)
{
    if (!store_file_has_form(STORE_FACT_FILE_CASE, key, value))
        return malformed(e);
    struct store_file *row = grow(ctx, a);
    *row = (struct store_file){0};
    memcpy(row->file, key.data, FILE_SIZE);
    memcpy(row->case_id, key.data + FILE_SIZE, STORE_CASE_ID_SIZE);
    return 0;
}

int store_list_held_files(struct store_reader *r, const struct store_file *after, size_t limit, struct arena *a,
                          struct store_file **ret, size_t *ret_count, struct err *e)
{
    uint8_t key[KEY_CASE_SIZE];
    struct rows x = {.row_size = sizeof **ret};
    struct store_fact_listing l = {.r = r, .a = a, .ctx = &x, .take = take_held};
    if (after != NULL) {
        case_key(after->file, after->case_id, key);
        l.after = bytes_of(key, sizeof key);
    }
    int rc = store_fact_list(&l, STORE_FACT_FILE_CASE, bytes_of(NULL, 0), limit, e);
    *ret = (struct store_file *)(void *)x.data;
    *ret_count = rc == 0 ? x.count : 0;
    return rc;
}

static int take_wanted(void *ctx, struct arena *a, struct bytes key, struct bytes value, struct err *e)
{
    if (!store_file_has_form(STORE_FACT_FILE_WANTED, key, value))
        return malformed(e);
    struct store_file *row = grow(ctx, a);
    *row = (struct store_file){.origin = get_be32(value.data), .is_wanted = true};
    memcpy(row->file, key.data, FILE_SIZE);
    return 0;
}

int store_list_wanted_files(struct store_reader *r, size_t limit, struct arena *a, struct store_file **ret,
                            size_t *ret_count, struct err *e)
{
    struct rows x = {.row_size = sizeof **ret};
    struct store_fact_listing l = {.r = r, .a = a, .ctx = &x, .take = take_wanted};
    int rc = store_fact_list(&l, STORE_FACT_FILE_WANTED, bytes_of(NULL, 0), limit, e);
    *ret = (struct store_file *)(void *)x.data;
    *ret_count = rc == 0 ? x.count : 0;
    return rc;
}
