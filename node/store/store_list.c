/* Reading: cases and published items, by id, by number, as pages (see store.h).
 *
 * A page of cases is read along one index, newest first, with the other filters applied on the way. Which index: the
 * filter with the fewest rows, counted up to PROBE_ROWS, because SQLite's own statistics know
 * only averages and "accepted, not yet decided" is a hundred cases where "closed" is ten million.
 *
 * Items are searched by part of the name with a plain scan over (node, code, name): Chinese has no word boundaries and
 * two characters are a usual query, which trigram indexes cannot answer; 100,000 names are a few megabytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/store/store_reader.h"
#include "node/store/store_row.h"

int store_read_case(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], struct store_case *ret,
                    struct err *e)
{
    return store_find_case(r, bytes_of(case_id, STORE_CASE_ID_SIZE), NULL, ret, e);
}

/* Steps a statement of at most two rows into @ret; a second case that differs sets @several. */
static int collect_case(struct store_reader *r, sqlite3_stmt *stmt, struct store_case *ret, bool *found, bool *several,
                        struct err *e)
{
    int rc;
    while ((rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        struct store_case row;
        rc = store_row_case(&r->sql, stmt, &row, e);
        if (rc != 0)
            break;
        *several = *several || (*found && memcmp(row.case_id, ret->case_id, STORE_CASE_ID_SIZE) != 0);
        *found = true;
        *ret = row;
    }
    store_sql_done(stmt);
    return rc;
}

static int find_by_id(struct store_reader *r, struct bytes prefix, struct store_case *row, bool *found, bool *several,
                      struct err *e)
{
    uint8_t low[STORE_CASE_ID_SIZE], high[STORE_CASE_ID_SIZE];
    memset(low, 0x00, sizeof low);
    memset(high, 0xff, sizeof high);
    memcpy(low, prefix.data, prefix.size);
    memcpy(high, prefix.data, prefix.size);
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, STORE_READ_CASES_BY_ID, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_bytes(stmt, 1, bytes_of(low, sizeof low));
    store_sql_bind_bytes(stmt, 2, bytes_of(high, sizeof high));
    return collect_case(r, stmt, row, found, several, e);
}

int store_find_case(struct store_reader *r, struct bytes id_prefix, const char *number, struct store_case *ret,
                    struct err *e)
{
    bool found = false, several = false;
    struct store_case row;
    int rc = 0;
    if (id_prefix.size > STORE_CASE_ID_SIZE)
        return err_set(e, ERR_INVALID, "store.case-id", "a case id has %d bytes, not %zu", STORE_CASE_ID_SIZE,
                       id_prefix.size);
    if (id_prefix.size > 0)
        rc = find_by_id(r, id_prefix, &row, &found, &several, e);
    if (rc == 0 && number != NULL && number[0] != '\0') {
        sqlite3_stmt *stmt = NULL;
        rc = store_reader_get(r, STORE_READ_CASES_BY_NUMBER, &stmt, e);
        if (rc != 0)
            return rc;
        store_sql_bind_text(stmt, 1, number);
        rc = collect_case(r, stmt, &row, &found, &several, e);
    }
    if (rc != 0)
        return rc;
    if (!found)
        return err_set(e, ERR_NOT_FOUND, "store.no-case", "no such case");
    if (several)
        return err_set(e, ERR_CONFLICT, "store.several-cases", "several cases match; give more of the id");
    *ret = row;
    return 0;
}

/* ---- cases in the order of their ids ---- */

int store_scan_case_ids(struct store_reader *r, const uint8_t after[STORE_CASE_ID_SIZE],
                        const uint8_t last[STORE_CASE_ID_SIZE], size_t limit,
                        int (*cb)(void *ctx, const struct store_case *row, uint64_t entry_count, bool damaged,
                                  struct err *e),
                        void *ctx, size_t *ret_count, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    *ret_count = 0;
    int rc = store_reader_get(r, STORE_READ_CASES_IN_ID_ORDER, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_bytes(stmt, 1, bytes_of(after, STORE_CASE_ID_SIZE));
    store_sql_bind_bytes(stmt, 2, bytes_of(last, STORE_CASE_ID_SIZE));
    store_sql_bind_u64(stmt, 3, limit);
    while ((rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        struct store_case row;
        struct bytes id = store_sql_bytes(stmt, 1);
        bool damaged = store_row_case(&r->sql, stmt, &row, e) != 0;
        if (damaged) {
            row = (struct store_case){0};
            if (id.size == sizeof row.case_id)
                memcpy(row.case_id, id.data, id.size);
        }
        ++*ret_count;
        rc = cb(ctx, &row, store_sql_u64(stmt, 16), damaged, e);
        if (rc != 0)
            break;
    }
    store_sql_done(stmt);
    return rc;
}

/* ---- pages of cases ---- */

#define PROBE_ROWS 2000u /* rows of one filter that are counted to pick an index */

/* Indexes that a page can be read along; the order is that of the statements in store_reader.h. */
enum list_key { LIST_ALL, LIST_ITEM, LIST_LEAD, LIST_RECEIVING, LIST_STATUS, LIST_KEY_COUNT };

static bool has_key(const struct store_case_filter *f, enum list_key key)
{
    switch (key) {
    case LIST_ITEM:
        return f->item_code[0] != '\0';
    case LIST_LEAD:
        return f->lead != 0;
    case LIST_RECEIVING:
        return f->receiving != 0;
    case LIST_STATUS:
        return f->status != 0;
    case LIST_ALL:
    case LIST_KEY_COUNT:
        break;
    }
    return false;
}

/* Rows that match filter @key alone, up to PROBE_ROWS. */
static int probe(struct store_reader *r, const struct store_case_filter *f, enum list_key key, uint64_t *ret,
                 struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, (enum store_read_stmt)(STORE_READ_PROBE_LEAD + (key - LIST_LEAD)), &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, key == LIST_LEAD ? f->lead : (key == LIST_RECEIVING ? f->receiving : f->status));
    store_sql_bind_u64(stmt, 2, PROBE_ROWS);
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1)
        *ret = store_sql_u64(stmt, 0);
    store_sql_done(stmt);
    return rc < 0 ? rc : 0;
}

static int pick_key(struct store_reader *r, const struct store_case_filter *f, enum list_key *ret, struct err *e)
{
    /* The index of items cannot be probed; it is taken unless another filter is known to leave little. */
    uint64_t best = has_key(f, LIST_ITEM) ? PROBE_ROWS : UINT64_MAX;
    *ret = has_key(f, LIST_ITEM) ? LIST_ITEM : LIST_ALL;
    for (int key = LIST_LEAD; key < LIST_KEY_COUNT; key++) {
        uint64_t rows = 0;
        if (!has_key(f, (enum list_key)key))
            continue;
        int rc = probe(r, f, (enum list_key)key, &rows, e);
        if (rc != 0)
            return rc;
        if (rows < best) {
            best = rows;
            *ret = (enum list_key)key;
        }
    }
    return 0;
}

/* A page being filled. */
struct page {
    struct store_case_list list;
    size_t limit;
    uint64_t last_no; /* of the last row in it */
};

/* Adds the rows of a statement that is bound; the row after the last that fits says that there is another page. */
static int fill_page(struct store_reader *r, sqlite3_stmt *stmt, struct page *page, struct err *e)
{
    int rc;
    while ((rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        if (page->list.count == page->limit) {
            page->list.next_before_no = page->last_no;
            rc = 0;
            break;
        }
        page->last_no = store_sql_u64(stmt, 0);
        rc = store_row_case(&r->sql, stmt, &page->list.rows[page->list.count++], e);
        if (rc != 0)
            break;
    }
    store_sql_done(stmt);
    return rc;
}

/* case_row_item has one stretch per run of 1,024 cases: asked one by one, newest first. */
static int fill_page_by_runs(struct store_reader *r, sqlite3_stmt *stmt, uint64_t before, struct page *page,
                             struct err *e)
{
    sqlite3_stmt *last = NULL;
    uint64_t last_no = 0;
    int rc = store_reader_get(r, STORE_READ_CASE_LAST, &last, e);
    if (rc != 0)
        return rc;
    rc = store_sql_step(&r->sql, last, e);
    if (rc == 1)
        last_no = store_sql_u64(last, 0);
    store_sql_done(last);
    if (rc < 0)
        return rc;
    rc = 0;
    for (uint64_t run = (min_of(before - 1, last_no) >> 10) + 1; rc == 0 && run > 0; run--) {
        if (page->list.next_before_no != 0)
            break;
        store_sql_bind_u64(stmt, 7, run - 1);
        rc = fill_page(r, stmt, page, e);
    }
    return rc;
}

static int read_page(struct store_reader *r, const struct store_case_filter *f, struct arena *a,
                     struct store_case_list *ret, struct err *e)
{
    enum list_key key = LIST_ALL;
    sqlite3_stmt *stmt = NULL;
    int rc = pick_key(r, f, &key, e);
    if (rc == 0)
        rc = store_reader_get(r, (enum store_read_stmt)(STORE_READ_LIST_ALL + (int)key), &stmt, e);
    if (rc != 0)
        return rc;
    uint64_t before = f->before_no == 0 || f->before_no > INT64_MAX ? INT64_MAX : f->before_no;
    store_sql_bind_u64(stmt, 1, before);
    store_sql_bind_u64(stmt, 2, f->receiving);
    store_sql_bind_u64(stmt, 3, f->lead);
    store_sql_bind_u64(stmt, 4, f->status);
    store_sql_bind_text(stmt, 5, f->item_code);
    store_sql_bind_u64(stmt, 6, f->limit + 1);

    struct page page = {.list = {.rows = arena_alloc(a, f->limit * sizeof(struct store_case))}, .limit = f->limit};
    rc = key == LIST_ITEM ? fill_page_by_runs(r, stmt, before, &page, e) : fill_page(r, stmt, &page, e);
    if (rc == 0)
        *ret = page.list;
    return rc;
}

static int check_limit(size_t limit, struct err *e)
{
    if (limit == 0 || limit > LIST_ROWS_MAX)
        return err_set(e, ERR_LIMIT, "store.limit", "a page of %zu rows, allowed are 1 to %u", limit, LIST_ROWS_MAX);
    return 0;
}

int store_list_cases(struct store_reader *r, const struct store_case_filter *f, struct arena *a,
                     struct store_case_list *ret, struct err *e)
{
    int rc = check_limit(f->limit, e);
    if (rc == 0 && memchr(f->item_code, 0, sizeof f->item_code) == NULL)
        rc = err_set(e, ERR_LIMIT, "store.limit", "an item code has at most %zu bytes", sizeof f->item_code - 1);
    if (rc == 0)
        rc = store_reader_begin(r, e);
    if (rc != 0)
        return rc;
    rc = read_page(r, f, a, ret, e);
    store_reader_end(r);
    return rc;
}

int store_scan_cases(struct store_reader *r, int (*cb)(void *ctx, const struct store_case *row, struct err *e),
                     void *ctx, struct err *e)
{
    uint64_t after = 0;
    for (bool more = true; more;) {
        sqlite3_stmt *stmt = NULL;
        int rc = store_reader_get(r, STORE_READ_CASES, &stmt, e);
        if (rc != 0)
            return rc;
        store_sql_bind_u64(stmt, 1, after);
        more = false;
        while ((rc = store_sql_step(&r->sql, stmt, e)) == 1) {
            struct store_case row;
            after = store_sql_u64(stmt, 0);
            more = true;
            rc = store_row_case(&r->sql, stmt, &row, e);
            if (rc == 0)
                rc = cb(ctx, &row, e);
            if (rc != 0)
                break;
        }
        store_sql_done(stmt);
        if (rc != 0)
            return rc;
    }
    return 0;
}

uint64_t store_count_cases(struct store_reader *r)
{
    uint64_t count = 0;
    return store_row_meta(&r->sql, "case_count", &count, NULL) == 0 ? count : 0;
}

/* ---- items ---- */

int store_read_item(struct store_reader *r, uint32_t node, const char *code, struct arena *a, struct store_item *ret,
                    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, STORE_READ_ITEM, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, node);
    store_sql_bind_text(stmt, 2, code);
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1) {
        struct store_item item;
        rc = store_row_item(&r->sql, stmt, &item, e);
        if (rc == 0) {
            item.json = arena_bytes(a, item.json);
            *ret = item;
        }
    } else if (rc == 0) {
        rc = err_set(e, ERR_NOT_FOUND, "store.no-item", "node %" PRIu32 " publishes no item '%.*s'", node, 48, code);
    }
    store_sql_done(stmt);
    return rc;
}

int store_list_item_versions(struct store_reader *r, uint32_t node, const char *code, struct arena *a,
                             struct store_item_version **ret, size_t *ret_count, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    size_t count = 0;
    int rc = store_reader_get(r, STORE_READ_ITEM_VERSIONS, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, node);
    store_sql_bind_text(stmt, 2, code);
    store_sql_bind_u64(stmt, 3, LIST_ROWS_MAX);
    struct store_item_version *rows = arena_alloc(a, LIST_ROWS_MAX * sizeof *rows);
    while ((rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        rc = store_row_item_version(&r->sql, stmt, &rows[count], e);
        if (rc != 0)
            break;
        count++;
    }
    store_sql_done(stmt);
    if (rc != 0)
        return rc;
    *ret = rows;
    *ret_count = count;
    return 0;
}

int store_read_item_version(struct store_reader *r, uint32_t node, const char *code, uint32_t version, struct arena *a,
                            struct store_item *ret, struct err *e)
{
    struct store_item_version *rows;
    struct store_item item;
    size_t count = 0;
    int rc = store_read_item(r, node, code, a, &item, e);
    if (rc == 0 && item.version == version) {
        *ret = item;
        return 0;
    }
    if (rc == 0)
        rc = store_list_item_versions(r, node, code, a, &rows, &count, e);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct store_entry entry;
        if (rows[i].version != version || rows[i].withdrawn)
            continue;
        rc = store_read_entry(r, node, rows[i].index, a, &entry, e);
        if (rc != 0)
            return rc;
        item = (struct store_item){.node = node, .version = version, .index = rows[i].index, .json = entry.payload};
        (void)snprintf(item.code, sizeof item.code, "%s", code);
        *ret = item;
        return 0;
    }
    if (rc == 0)
        rc = err_set(e, ERR_NOT_FOUND, "store.no-item-version",
                     "node %" PRIu32 " has published no version %" PRIu32 " of item '%.*s' that is known here", node,
                     version, 48, code);
    return rc;
}

/* Bytes compared as they are, ASCII letters without case: UTF-8 never matches inside a character. */
static bool contains(sqlite3_stmt *stmt, int column, const char *text)
{
    const char *value = (const char *)sqlite3_column_text(stmt, column);
    return value != NULL && strcasestr(value, text) != NULL;
}

static void bind_item_range(sqlite3_stmt *stmt, const struct store_item_filter *f)
{
    bool after = f->after_code != NULL && f->after_node >= f->node;
    store_sql_bind_u64(stmt, 1, after ? f->after_node : f->node);
    store_sql_bind_text(stmt, 2, after ? f->after_code : "");
    store_sql_bind_u64(stmt, 3, f->node != 0 ? f->node : UINT32_MAX);
    store_sql_bind_u64(stmt, 4, f->with_withdrawn);
}

int store_list_items(struct store_reader *r, const struct store_item_filter *f, struct arena *a,
                     struct store_item **ret, size_t *ret_count, struct err *e)
{
    sqlite3_stmt *names = NULL;
    size_t count = 0;
    int rc = check_limit(f->limit, e);
    if (rc == 0)
        rc = store_reader_get(r, STORE_READ_ITEM_NAMES, &names, e);
    if (rc != 0)
        return rc;
    bind_item_range(names, f);

    /* The whole rows are read while this statement is at work, hence from the same snapshot. */
    struct store_item *rows = arena_alloc(a, f->limit * sizeof *rows);
    while (count < f->limit && (rc = store_sql_step(&r->sql, names, e)) == 1) {
        if (f->text != NULL && !contains(names, 1, f->text) && !contains(names, 2, f->text))
            continue;
        const char *code = (const char *)sqlite3_column_text(names, 1);
        rc = store_read_item(r, (uint32_t)store_sql_u64(names, 0), code != NULL ? code : "", a, &rows[count], e);
        if (rc != 0)
            break;
        count++;
    }
    store_sql_done(names);
    if (rc < 0)
        return rc;
    *ret = rows;
    *ret_count = count;
    return 0;
}

int store_count_items(struct store_reader *r, uint32_t node, uint64_t *ret_count, uint32_t *ret_version_max,
                      struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, node != 0 ? STORE_READ_ITEM_COUNT : STORE_READ_ITEM_COUNT_ALL, &stmt, e);
    if (rc != 0)
        return rc;
    if (node != 0)
        store_sql_bind_u64(stmt, 1, node);
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1) {
        *ret_count = store_sql_u64(stmt, 0);
        *ret_version_max = (uint32_t)store_sql_u64(stmt, 1);
        rc = 0;
    }
    store_sql_done(stmt);
    return rc;
}
