/* Published bundles (see store_bundle.h). */
#include "node/store/store_bundle.h"

#include <inttypes.h>
#include <string.h>

#include "node/base/division.h"
#include "node/base/limits.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"
#include "node/store/store_row.h"
#include "node/store/store_typed.h"

#define DATE_MAX 99991231u
#define PINYIN_BYTES_MAX 2048u /* two texts of 300 bytes: 200 characters of at most 7 bytes with the blank */
#define NODES_BYTES_MAX 256u   /* 32 members */

/* What it is found by (pinyin, nodes) is left out, like the index of items: it can be made again. */
static uint64_t bundle_ck(const struct store_bundle *b)
{
    uint64_t ints[] = {b->node, b->index, b->version, b->withdrawn, b->status, b->valid_from, b->valid_to};
    struct bytes spans[] = {bytes_of_string(b->code), bytes_of_string(b->name), bytes_of_string(b->life_event)};
    return store_sql_check_value(STORE_TABLE_BUNDLE, ints, array_count(ints), spans, array_count(spans));
}

/* ---- writing ---- */

int store_bundle_check(const struct store_bundle *b, struct err *e)
{
    bool is_text = memchr(b->code, 0, sizeof b->code) != NULL && memchr(b->name, 0, sizeof b->name) != NULL &&
                   memchr(b->life_event, 0, sizeof b->life_event) != NULL && utf8_is_valid(b->code, strlen(b->code)) &&
                   utf8_is_valid(b->name, strlen(b->name)) && utf8_is_valid(b->life_event, strlen(b->life_event));
    if (!is_text || b->code[0] == '\0' || b->node <= STORE_NODE_HEADS || b->valid_from > DATE_MAX ||
        b->valid_to > DATE_MAX)
        return err_set(e, ERR_INVALID, "store.bundle", "a bundle of node %" PRIu32 ": form", b->node);
    return 0;
}

static int put_bundle(struct store_transaction *t, const struct store_bundle *b)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_BUNDLE_PUT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, b->node);
    store_sql_bind_text(stmt, 2, b->code);
    const uint64_t ints[] = {b->index, b->version, b->withdrawn, b->status, b->valid_from, b->valid_to};
    for (size_t i = 0; i < array_count(ints); i++)
        store_sql_bind_u64(stmt, (int)i + 3, ints[i]);
    store_sql_bind_text(stmt, 9, b->name);
    store_sql_bind_text(stmt, 10, b->life_event);
    store_sql_bind_u64(stmt, 11, bundle_ck(b));
    store_sql_bind_text(stmt, 12, b->pinyin == NULL ? "" : b->pinyin);
    store_sql_bind_text(stmt, 13, b->nodes == NULL ? "" : b->nodes);
    return store_commit_run(t, stmt);
}

int store_bundle_put_all(struct store_transaction *t, const struct store_batch *b)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->bundle_count; i++)
        rc = put_bundle(t, &b->bundles[i]);
    return rc;
}

/* ---- reading ---- */

int store_bundle_row(struct store_sql *c, sqlite3_stmt *stmt, struct store_bundle *ret, struct err *e)
{
    uint64_t node = store_sql_u64(stmt, 0), version = store_sql_u64(stmt, 3), withdrawn = store_sql_u64(stmt, 4);
    uint64_t status = store_sql_u64(stmt, 5), from = store_sql_u64(stmt, 6), to = store_sql_u64(stmt, 7);
    struct store_bundle b = {.node = (uint32_t)node,
                             .index = store_sql_u64(stmt, 2),
                             .version = (uint32_t)version,
                             .withdrawn = withdrawn != 0,
                             .status = (uint8_t)status,
                             .valid_from = (uint32_t)from,
                             .valid_to = (uint32_t)to};
    bool good = node <= UINT32_MAX && version <= UINT32_MAX && withdrawn <= 1 && status <= UINT8_MAX &&
                from <= DATE_MAX && to <= DATE_MAX && store_sql_text(stmt, 1, b.code, sizeof b.code) &&
                store_sql_text(stmt, 8, b.name, sizeof b.name) &&
                store_sql_text(stmt, 9, b.life_event, sizeof b.life_event);
    if (!good || bundle_ck(&b) != store_sql_u64(stmt, 10))
        return err_set(e, ERR_CORRUPT, "store.row",
                       "%s: table bundle, entry %" PRIu64 " of node %" PRIu64 ": the stored bytes fail their check",
                       c->name, b.index, node);
    *ret = b;
    return 0;
}

static const char *text_in(sqlite3_stmt *stmt, int column, struct arena *a)
{
    struct bytes text = store_sql_bytes(stmt, column);
    return text.size == 0 ? "" : arena_strndup(a, (const char *)text.data, text.size);
}

int store_read_bundle(struct store_reader *r, uint32_t node, const char *code, uint64_t index, struct arena *a,
                      struct store_bundle *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, STORE_READ_BUNDLE, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, node);
    store_sql_bind_text(stmt, 2, code);
    store_sql_bind_u64(stmt, 3, index);
    rc = store_sql_step(&r->sql, stmt, e);
    if (rc == 1)
        rc = store_bundle_row(&r->sql, stmt, ret, e);
    else if (rc == 0)
        rc = err_set(e, ERR_NOT_FOUND, "store.no-bundle", "entry %" PRIu64 " of node %" PRIu32 " is about no bundle",
                     index, node);
    if (rc == 0) {
        ret->pinyin = text_in(stmt, 11, a);
        ret->nodes = text_in(stmt, 12, a);
    }
    store_sql_done(stmt);
    return rc;
}

/* The publisher, or a node that decides a member, is the division @region, lies in it or has it inside. */
static bool is_of_region(uint32_t publisher, const char *nodes, uint32_t region)
{
    bool yes = division_contains(publisher, region) || division_contains(region, publisher);
    for (uint64_t node; !yes && *nodes != '\0'; nodes += strcspn(nodes, " "), nodes += *nodes == ' ')
        yes = decimal_parse(bytes_of(nodes, strcspn(nodes, " ")), &node) == 0 && node <= UINT32_MAX &&
              (division_contains((uint32_t)node, region) || division_contains(region, (uint32_t)node));
    return yes;
}

struct wanted {
    struct store_typed typed; /* each must be found; none: any row */
    uint32_t region;
    size_t limit;
};

static bool is_wanted(const struct wanted *w, const struct store_bundle *b, sqlite3_stmt *stmt)
{
    char pinyin[PINYIN_BYTES_MAX], nodes[NODES_BYTES_MAX];
    if (!store_sql_text(stmt, 11, pinyin, sizeof pinyin) || !store_sql_text(stmt, 12, nodes, sizeof nodes))
        pinyin[0] = nodes[0] = '\0'; /* not what this program writes: found by the rest */
    for (size_t i = 0; i < w->typed.count; i++) {
        const struct store_piece *p = &w->typed.at[i];
        bool found = store_typed_in(p, b->name) || store_typed_in(p, b->life_event) || store_typed_in(p, b->code) ||
                     (!p->is_han && store_typed_reads(p, pinyin));
        if (!found)
            return false;
    }
    return w->region == 0 || is_of_region(b->node, nodes, w->region);
}

/* Rows of @stmt that are wanted, at most so many. */
static int read_rows(struct store_reader *r, sqlite3_stmt *stmt, const struct wanted *wanted, struct arena *a,
                     struct store_bundle **ret, size_t *ret_count, struct err *e)
{
    struct store_bundle *rows = NULL;
    size_t count = 0, room = 0;
    int rc = 0;
    while (count < wanted->limit && (rc = store_sql_step(&r->sql, stmt, e)) == 1) {
        if (count == room) {
            room = room == 0 ? 8 : room * 2;
            struct store_bundle *bigger = arena_alloc(a, room * sizeof *bigger);
            if (count > 0)
                memcpy(bigger, rows, count * sizeof *bigger);
            rows = bigger;
        }
        rc = store_bundle_row(&r->sql, stmt, &rows[count], e);
        if (rc != 0)
            break;
        count += is_wanted(wanted, &rows[count], stmt);
    }
    store_sql_done(stmt);
    *ret = rows;
    *ret_count = rc < 0 ? 0 : count;
    return rc < 0 ? rc : 0;
}

int store_list_bundle_versions(struct store_reader *r, uint32_t node, const char *code, struct arena *a,
                               struct store_bundle **ret, size_t *ret_count, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(r, STORE_READ_BUNDLE_VERSIONS, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, node);
    store_sql_bind_text(stmt, 2, code);
    store_sql_bind_u64(stmt, 3, LIST_ROWS_MAX);
    return read_rows(r, stmt, &(struct wanted){.limit = LIST_ROWS_MAX}, a, ret, ret_count, e);
}

int store_list_bundles(struct store_reader *r, const struct store_bundle_filter *f, struct arena *a,
                       struct store_bundle **ret, size_t *ret_count, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    if (f->limit == 0 || f->limit > LIST_ROWS_MAX)
        return err_set(e, ERR_LIMIT, "store.limit", "a page of %zu rows, allowed are 1 to %u", f->limit, LIST_ROWS_MAX);
    struct wanted wanted = {.region = f->region, .limit = f->limit};
    int rc = f->text == NULL ? 0 : store_typed_split(f->text, &wanted.typed, e);
    if (rc == 0 && f->text != NULL && f->text[0] != '\0' && wanted.typed.count == 0)
        rc = err_set(e, ERR_INVALID, "search.text", "nothing to search: '%.64s' has no letter, digit or Han character",
                     f->text);
    if (rc == 0)
        rc = store_reader_get(r, STORE_READ_BUNDLES, &stmt, e);
    if (rc != 0)
        return rc;
    bool has_after = f->after_code != NULL && f->after_node >= f->node;
    store_sql_bind_u64(stmt, 1, has_after ? f->after_node : f->node);
    store_sql_bind_text(stmt, 2, has_after ? f->after_code : "");
    store_sql_bind_u64(stmt, 3, f->node == 0 ? UINT32_MAX : f->node);
    store_sql_bind_text(stmt, 4, f->life_event == NULL ? "" : f->life_event);
    return read_rows(r, stmt, &wanted, a, ret, ret_count, e);
}
