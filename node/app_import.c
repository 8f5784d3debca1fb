/* Import, export and single changes of the own catalog (see app.h).
 *
 * Happy path: a worker reads the file (catalog/import.h), compares each item with what the store has published, numbers
 * versions, and reports. On the loop the difference is then published, APP_PUBLISH_ITEMS_MAX entries a transaction, the next
 * when the one before is durable, so that the loop stays free; the last carries the new version of the catalog. A failed
 * transaction ends it: what is durable stays, and the same import again publishes the rest.
 *
 * What stands in the ledger is the catalog; the file of the configuration is one more import, at start, and is passed
 * over when its version is older than the one in force (app_catalog.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/import.h"
#include "catalog/item.h"
#include "catalog/item_diff.h"
#include "catalog/item_edit.h"
#include "catalog/load.h"
#include "catalog/sheet.h"
#include "node/app_internal.h"
#include "node/base/log.h"
#include "node/base/xassert.h"

struct changes {
    struct app_item_change *at;
    size_t count;
};

struct import_job {
    struct app *app;
    app_import_cb cb;
    void *ctx;
    struct buf file;
    int format;
    bool replace, publish;
    char dir[4096];
    uint32_t node;
    struct arena arena;
    struct err error;

    struct import_result read;
    struct catalog_item **items; /* to publish; those made here are in `owned` too */
    size_t item_count;
    struct catalog_item **owned;
    size_t owned_count;
    struct store_item *gone; /* to withdraw */
    size_t gone_count;
    struct changes added, changed, withdrawn;
    size_t difference_count; /* of all changed items, listed */
    size_t unchanged;
    uint32_t version;
    size_t next; /* of items, then of gone: what is published next */
    bool published;
};

static void finish(struct import_job *j)
{
    const struct app_import_result result = {.problems = j->read.problems,
                                             .problem_count = j->read.problem_count,
                                             .problem_total = j->read.problem_total,
                                             .item_count = j->read.item_rows,
                                             .added = j->added.at,
                                             .added_count = j->added.count,
                                             .changed = j->changed.at,
                                             .changed_count = j->changed.count,
                                             .withdrawn = j->withdrawn.at,
                                             .withdrawn_count = j->withdrawn.count,
                                             .unchanged_count = j->unchanged,
                                             .version = j->version,
                                             .published = j->published};
    j->app->importing = false;
    j->cb(j->ctx, &result, &j->error);
    for (size_t i = 0; i < j->owned_count; i++)
        catalog_item_destroy(j->owned[i]);
    free(j->owned);
    free(j->items);
    import_result_close(&j->read);
    buf_close(&j->file);
    arena_close(&j->arena);
    free(j);
}

/* ---- on the worker: what differs ---- */

static bool is_before_acceptance(uint16_t status)
{
    switch ((enum case_status)status) {
    case CASE_STATUS_RECEIVED:
    case CASE_STATUS_FORWARDED:
    case CASE_STATUS_ARRIVED:
    case CASE_STATUS_CORRECTING:
    case CASE_STATUS_CORRECTED:
        return true;
    default:
        return false;
    }
}

/* Cases of the item that are not accepted yet: whoever handles them is to look at the new version. */
static int count_cases(struct import_job *j, struct store_reader *r, const char *code, uint32_t *ret, struct err *e)
{
    struct arena a = ARENA_INIT;
    struct store_case_filter f = {.lead = j->node, .limit = LIST_ROWS_MAX};
    struct store_case_list list = {0};
    (void)snprintf(f.item_code, sizeof f.item_code, "%s", code);
    int rc = store_list_cases(r, &f, &a, &list, e);
    for (size_t i = 0; rc == 0 && i < list.count; i++)
        *ret += is_before_acceptance(list.rows[i].status);
    arena_close(&a);
    return rc;
}

static struct app_item_change *add_change(struct import_job *j, struct changes *to, const char *code, const char *name)
{
    struct app_item_change *c = &to->at[to->count++];
    *c = (struct app_item_change){
        .code = arena_strdup(&j->arena, code), .name = arena_strdup(&j->arena, name), .fields = ""};
    return c;
}

/* What @new changes in the published @old, as much as a report may list. */
static void put_differences(struct import_job *j, struct app_item_change *c, struct bytes old, struct bytes new)
{
    struct buf fields = {0};
    size_t left = j->changed.count > IMPORT_CHANGES_MAX ? 0 : IMPORT_DIFFERENCES_MAX - j->difference_count;
    item_changes(old, new, &fields);
    c->fields = arena_strdup(&j->arena, buf_cstr(&fields));
    buf_close(&fields);
    item_diff(old, new, min_of(left, (size_t)IMPORT_ITEM_DIFFERENCES_MAX), &j->arena, &c->differences);
    j->difference_count += c->differences.count;
}

static void refuse(struct import_job *j, const struct catalog_item *item, const char *field, const char *value,
                   const char *id, const char *rule)
{
    import_add_problem(
        &j->read,
        &(struct import_problem){
            .file = "", .sheet = "", .line = item->line, .field = field, .value = value, .id = id, .rule = rule});
}

/* @item with version @version; the job destroys it. NULL, with a problem, when it grows over its limit by that. */
static struct catalog_item *renumber(struct import_job *j, const struct catalog_item *item, uint32_t version)
{
    struct catalog_item *edited = NULL;
    struct err e = {0};
    if (item_edit(item->canonical, j->node, &(struct item_edit){.version = version}, &edited, &e) == 0)
        j->owned[j->owned_count++] = edited;
    else
        refuse(j, item, "version", "", e.id, e.message);
    return edited;
}

static void refuse_version(struct import_job *j, const struct catalog_item *item, uint32_t published)
{
    char value[16], rule[120];
    (void)snprintf(value, sizeof value, "%u", item->version);
    (void)snprintf(rule, sizeof rule,
                   "the item differs from version %u, which is published: its version must be higher", published);
    refuse(j, item, "version", value, "catalog.version-old", rule);
}

static int compare(struct import_job *j, struct store_reader *r, const struct catalog_item *item, struct err *e)
{
    struct arena a = ARENA_INIT;
    struct store_item old = {0};
    int rc = store_read_item(r, j->node, item->code, &a, &old, e);
    bool is_new = rc == ERR_NOT_FOUND;
    bool has_version = item->version != SHAPE_ABSENT;
    struct catalog_item *next = NULL;
    if (rc != 0 && !is_new)
        goto out;
    *e = (struct err){0};
    rc = 0;
    uint32_t published = is_new ? 0 : old.version == SHAPE_ABSENT ? 0 : old.version;
    const struct catalog_item *same = has_version || published == 0 ? item : renumber(j, item, published);
    if (same == NULL)
        goto out;
    if (!is_new && !old.withdrawn && bytes_equal(same->canonical, old.json)) {
        j->unchanged++;
        goto out;
    }
    if (has_version && item->version <= published) {
        refuse_version(j, item, published);
        goto out;
    }
    next = has_version ? catalog_item_copy(item) : renumber(j, item, published + 1);
    if (has_version)
        j->owned[j->owned_count++] = next;
    if (next == NULL)
        goto out;
    j->items[j->item_count++] = next;
    struct app_item_change *c =
        add_change(j, is_new || old.withdrawn ? &j->added : &j->changed, item->code, item->name);
    c->version_before = published;
    c->version_after = next->version;
    if (!is_new && !old.withdrawn) {
        put_differences(j, c, old.json, next->canonical);
        rc = count_cases(j, r, item->code, &c->cases, e);
    }

out:
    arena_close(&a);
    return rc;
}

static int find_gone(struct import_job *j, struct store_reader *r, struct err *e)
{
    struct store_item_filter f = {.node = j->node, .limit = LIST_ROWS_MAX};
    j->gone = arena_alloc(&j->arena, CATALOG_ITEMS_MAX * sizeof *j->gone);
    j->withdrawn.at = arena_alloc(&j->arena, CATALOG_ITEMS_MAX * sizeof *j->withdrawn.at);
    for (;;) {
        struct store_item *rows;
        size_t count = 0;
        int rc = store_list_items(r, &f, &j->arena, &rows, &count, e);
        for (size_t i = 0; rc == 0 && i < count; i++) {
            if (catalog_find(j->read.catalog, rows[i].code) != NULL || j->gone_count == CATALOG_ITEMS_MAX)
                continue;
            j->gone[j->gone_count++] = rows[i];
            struct app_item_change *c = add_change(j, &j->withdrawn, rows[i].code, rows[i].name);
            c->version_before = c->version_after = rows[i].version;
            rc = count_cases(j, r, rows[i].code, &c->cases, e);
        }
        if (rc != 0 || count < f.limit)
            return rc;
        f.after_node = rows[count - 1].node;
        f.after_code = rows[count - 1].code;
    }
}

static int compare_all(struct import_job *j, struct store_reader *r, struct err *e)
{
    size_t all = catalog_count(j->read.catalog);
    uint64_t in_force = 0;
    int rc = store_read_counter(r, APP_CATALOG_VERSION, &in_force, e);
    j->items = xcalloc(all + 1, sizeof(struct catalog_item *));
    j->owned = xcalloc(2 * all + 1, sizeof(struct catalog_item *));
    j->added.at = arena_alloc(&j->arena, (all + 1) * sizeof *j->added.at);
    j->changed.at = arena_alloc(&j->arena, (all + 1) * sizeof *j->changed.at);
    for (size_t i = 0; rc == 0 && i < all; i++)
        rc = compare(j, r, catalog_at(j->read.catalog, i), e);
    if (rc == 0 && j->replace)
        rc = find_gone(j, r, e);
    bool is_same = j->item_count + j->gone_count == 0;
    j->version = (uint32_t)in_force;
    if (!is_same)
        j->version = max_of((uint32_t)in_force + 1, catalog_version(j->read.catalog));
    return rc;
}

static void import_run(void *ctx)
{
    struct import_job *j = ctx;
    struct store_reader *r = NULL;
    if (j->error.code != 0)
        return;
    int rc = import_read(buf_bytes(&j->file), (enum import_format)j->format, j->node, &j->read, &j->error);
    if (rc != 0 || j->read.catalog == NULL)
        return;
    rc = store_reader_open(j->dir, &r, &j->error);
    if (rc == 0)
        (void)compare_all(j, r, &j->error); /* the error is in the job */
    store_reader_close(r);
}

/* ---- on the loop: publishing ---- */

static void publish_next(struct import_job *j);

static void slice_done(void *ctx, const struct err *e)
{
    struct import_job *j = ctx;
    size_t all = j->item_count + j->gone_count;
    if (e->code != 0) {
        (void)err_set(&j->error, e->code, "catalog.import-partly", "%zu of %zu changes are published, then: %s",
                      j->next - min_of(j->next, (size_t)APP_PUBLISH_ITEMS_MAX), all, e->message);
        err_hint(&j->error, "import the same file again: it publishes the rest");
        finish(j);
    } else if (j->next < all) {
        publish_next(j);
    } else {
        j->published = true;
        log_info("catalog", NULL, "catalog.published", "version %u: %zu items new, %zu changed, %zu withdrawn",
                 j->version, j->added.count, j->changed.count, j->withdrawn.count);
        finish(j);
    }
}

static void publish_next(struct import_job *j)
{
    size_t all = j->item_count + j->gone_count;
    int rc = ledger_check_writable(j->app->ledger, &j->error);
    if (rc != 0) {
        finish(j);
        return;
    }
    struct ledger_txn *txn = ledger_txn_create(j->app->ledger);
    for (unsigned n = 0; n < APP_PUBLISH_ITEMS_MAX && j->next < all; n++, j->next++) {
        if (j->next < j->item_count)
            app_put_item(j->app, txn, j->items[j->next]);
        else
            app_withdraw_item(j->app, txn, &j->gone[j->next - j->item_count]);
    }
    if (j->next == all)
        app_put_catalog_version(txn, j->version);
    ledger_commit(txn, slice_done, j);
}

static void import_done(void *ctx)
{
    struct import_job *j = ctx;
    bool has_changes = j->item_count + j->gone_count > 0;
    if (j->error.code != 0 || !j->publish || j->read.problem_total > 0 || !has_changes) {
        j->published = j->publish && j->error.code == 0 && j->read.problem_total == 0; /* as it is already */
        finish(j);
        return;
    }
    publish_next(j);
}

static struct import_job *create_job(struct app *a, app_import_cb cb, void *ctx)
{
    struct import_job *j = xcalloc(1, sizeof *j);
    j->app = a;
    j->cb = cb;
    j->ctx = ctx;
    j->node = a->config->region;
    (void)snprintf(j->dir, sizeof j->dir, "%s", a->config->dir);
    return j;
}

static void busy_done(void *ctx)
{
    struct import_job *j = ctx;
    j->cb(j->ctx, &(struct app_import_result){0}, &j->error);
    buf_close(&j->file);
    free(j);
}

/* False: another one is running; the answer still comes later, not from inside the call. */
static bool begin(struct app *a, struct import_job *j)
{
    if (!a->importing)
        return a->importing = true;
    (void)err_set(&j->error, ERR_BUSY, "catalog.import-running", "another import or export of the catalog is running");
    loop_work(a->loop, import_run, busy_done, j);
    return false;
}

void app_import(struct app *a, const struct app_import *i, app_import_cb cb, void *ctx)
{
    struct import_job *j = create_job(a, cb, ctx);
    buf_init(&j->file, i->file.size + 1);
    buf_put(&j->file, i->file.data, i->file.size);
    j->format = i->format;
    j->replace = i->replace;
    j->publish = i->publish;
    if (begin(a, j))
        loop_work(a->loop, import_run, import_done, j);
}

/* ---- one item's status ---- */

static int edit_status(struct import_job *j, const char *code, const char *status, struct err *e)
{
    struct store_item old;
    struct catalog_item *item = NULL;
    struct store_reader *r = ledger_reader(j->app->ledger);
    uint64_t in_force = 0;
    int rc = store_read_item(r, j->node, code, &j->arena, &old, e);
    if (rc == 0 && old.withdrawn)
        rc = ERR_NOT_FOUND;
    if (rc == ERR_NOT_FOUND)
        return err_set(e, ERR_NOT_FOUND, "catalog.no-item", "this node publishes no item '%.48s'", code);
    if (rc == 0)
        rc = store_read_counter(r, APP_CATALOG_VERSION, &in_force, e);
    if (rc == 0)
        rc = item_edit(old.json, j->node, &(struct item_edit){.version = old.version + 1, .status = status}, &item, e);
    if (rc != 0)
        return rc;
    j->owned = xcalloc(1, sizeof(struct catalog_item *));
    j->items = xcalloc(1, sizeof(struct catalog_item *));
    j->changed.at = arena_alloc(&j->arena, sizeof *j->changed.at);
    j->owned[j->owned_count++] = j->items[j->item_count++] = item;
    struct app_item_change *c = add_change(j, &j->changed, code, item->name);
    c->version_before = old.version;
    c->version_after = item->version;
    j->version = (uint32_t)in_force + 1;
    put_differences(j, c, old.json, item->canonical);
    if (c->differences.total == 0)
        return err_set(e, ERR_CONFLICT, "catalog.same-status", "the status of item '%.48s' is %s already", code,
                       status);
    return count_cases(j, r, code, &c->cases, e);
}

static void nothing_run(void *ctx)
{
    (void)ctx;
}

void app_set_item_status(struct app *a, const char *code, const char *status, app_import_cb cb, void *ctx)
{
    struct import_job *j = create_job(a, cb, ctx);
    if (!begin(a, j))
        return;
    j->publish = true;
    int rc = app_check_reader(a, &j->error);
    if (rc == 0)
        (void)edit_status(j, code, status, &j->error); /* the error is in the job */
    loop_work(a->loop, nothing_run, import_done, j);
}

/* ---- export ---- */

struct export_job {
    struct app *app;
    app_export_cb cb;
    void *ctx;
    int format;
    bool empty;
    char dir[4096];
    uint32_t node;
    struct buf file;
    struct err error;
};

static int read_catalog(struct export_job *j, struct catalog **ret, struct err *e)
{
    struct store_reader *r = NULL;
    uint64_t version = 0;
    struct store_item_filter f = {.node = j->node, .limit = LIST_ROWS_MAX};
    int rc = store_reader_open(j->dir, &r, e);
    if (rc == 0)
        rc = store_read_counter(r, APP_CATALOG_VERSION, &version, e);
    struct catalog *c = catalog_create(j->node, max_of((uint32_t)version, 1u));
    struct arena names = ARENA_INIT; /* of the place between two pages */
    for (size_t count = f.limit; rc == 0 && count == f.limit && !j->empty;) {
        struct arena a = ARENA_INIT;
        struct store_item *rows;
        rc = store_list_items(r, &f, &a, &rows, &count, e);
        for (size_t i = 0; rc == 0 && i < count; i++) {
            struct catalog_item *item = NULL;
            rc = catalog_item_parse(rows[i].json, j->node, rows[i].code, &item, e);
            if (rc == 0 && (rc = catalog_put(c, item, e)) != 0)
                catalog_item_destroy(item);
        }
        if (rc == 0 && count > 0) {
            f.after_node = rows[count - 1].node;
            f.after_code = arena_strdup(&names, rows[count - 1].code);
        }
        arena_close(&a);
    }
    arena_close(&names);
    store_reader_close(r);
    if (rc != 0)
        catalog_destroy(c);
    else
        *ret = c;
    return rc;
}

static void put_json(const struct catalog *c, struct buf *out)
{
    buf_printf(out, "{\"format\":\"" LOAD_CATALOG_FORMAT "\",\"node\":%u,\"version\":%u,\"items\":[", catalog_node(c),
               catalog_version(c));
    for (size_t i = 0; i < catalog_count(c); i++) {
        struct bytes json = catalog_at(c, i)->canonical;
        buf_put_string(out, i == 0 ? "\n" : ",\n");
        buf_put(out, json.data, json.size);
    }
    buf_put_string(out, "\n]}\n");
}

static void export_run(void *ctx)
{
    struct export_job *j = ctx;
    struct catalog *c = NULL;
    struct sheet_book book = {0};
    if (j->error.code != 0)
        return;
    int rc = read_catalog(j, &c, &j->error);
    if (rc == 0 && j->format == IMPORT_JSON)
        put_json(c, &j->file);
    else if (rc == 0)
        rc = import_export(c, &book, &j->error);
    if (rc == 0 && j->format == IMPORT_CSV)
        csv_write(&book, &j->file);
    if (rc == 0 && j->format == IMPORT_XLSX)
        rc = xlsx_write(&book, &j->file, &j->error);
    if (rc == 0 && j->file.failed)
        (void)err_set(&j->error, ERR_LIMIT, "import.file", "the file has more than %u bytes", CATALOG_FILE_BYTES_MAX);
    sheet_book_close(&book);
    catalog_destroy(c);
}

static void export_done(void *ctx)
{
    struct export_job *j = ctx;
    if (j->error.code == 0 || strcmp(j->error.id, "catalog.import-running") != 0)
        j->app->importing = false;
    j->cb(j->ctx, buf_bytes(&j->file), &j->error);
    buf_close(&j->file);
    free(j);
}

void app_export_catalog(struct app *a, int format, bool empty, app_export_cb cb, void *ctx)
{
    struct export_job *j = xcalloc(1, sizeof *j);
    *j = (struct export_job){
        .app = a, .cb = cb, .ctx = ctx, .format = format, .empty = empty, .node = a->config->region};
    (void)snprintf(j->dir, sizeof j->dir, "%s", a->config->dir);
    buf_init(&j->file, CATALOG_FILE_BYTES_MAX);
    if (a->importing)
        (void)err_set(&j->error, ERR_BUSY, "catalog.import-running",
                      "another import or export of the catalog is running");
    else
        a->importing = true;
    loop_work(a->loop, export_run, export_done, j);
}

bool app_is_importing(const struct app *a)
{
    return a->importing;
}
