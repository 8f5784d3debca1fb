/* Bundles (see app_bundle.h): the own ones are published as public ledger entries, peers' are read from theirs.
 *
 * One entry per version (PUBLIC_EVENT_BUNDLE, payload: the canonical JSON) or withdrawal (PUBLIC_EVENT_BUNDLE_WITHDRAWN). The store
 * keeps a row of each, so that every version can be found; what it says is read from the entry.
 *
 * Happy path of an import: a worker reads the file, compares it with what is published and looks for the items; on the loop all
 * changes become one transaction.
 */
#include "node/app_bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/bundle.h"
#include "catalog/bundle_import.h"
#include "catalog/item.h"
#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/limits.h"
#include "node/base/log.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"
#include "node/bundle_row.h"

#define X(name, word) word,
static const char *const statuses[] = {CATALOG_STATUSES(X)};
#undef X

/* ---- entries ---- */

static uint64_t append_public(struct ledger_txn *txn, uint16_t type, const struct store_bundle *row,
                              struct bytes payload)
{
    uint8_t version[4];
    put_be32(version, row->version);
    struct leaf leaf = {.kind = LEAF_KIND_EVENT, .event_type = type, .attr_count = 2};
    leaf.attrs[0] = (struct leaf_attr){.tag = CASE_ATTR_ITEM_CODE, .value = bytes_of_string(row->code)};
    leaf.attrs[1] = (struct leaf_attr){.tag = CASE_ATTR_ITEM_VERSION, .value = bytes_of(version, sizeof version)};
    struct merkle_hash hash;
    uint32_t everyone = LEAF_NODE_ALL;
    ledger_txn_append(txn, &leaf, 0, &everyone, 1, payload, NULL, &hash);
    return leaf.index;
}

void app_bundle_entry(const struct sync_entry *entry, struct ledger_txn *txn)
{
    struct store_bundle row;
    struct err e = {0};
    if (bundle_row_of_entry(&entry->leaf, entry->payload, entry->payload_held, ledger_txn_arena(txn), &row, &e) == 0) {
        ledger_txn_bundle(txn, &row);
        return;
    }
    char peer[12];
    (void)snprintf(peer, sizeof peer, "%u", entry->leaf.origin);
    log_warn("bundle", peer, e.id, "bundle of entry %llu is not shown: %s", (unsigned long long)entry->leaf.index,
             e.message);
}

/* Writes the row again as its entry gives it; one whose entry says nothing more is left as it is. */
static void index_bundle(struct app *a, const struct store_bundle *old, struct ledger_txn *txn)
{
    struct arena mem = ARENA_INIT;
    struct store_entry entry;
    struct store_bundle row;
    struct leaf leaf;
    if (store_read_entry(ledger_reader(a->ledger), old->node, old->index, &mem, &entry, NULL) == 0 &&
        leaf_decode(entry.leaf, &leaf, NULL) == 0 &&
        bundle_row_of_entry(&leaf, entry.payload, entry.payload_held, ledger_txn_arena(txn), &row, NULL) == 0)
        ledger_txn_bundle(txn, &row);
    arena_close(&mem);
}

void app_bundle_index(struct app *a, struct ledger_txn *txn)
{
    struct store_bundle_filter f = {.limit = LIST_ROWS_MAX};
    struct arena mem = ARENA_INIT;
    size_t count = LIST_ROWS_MAX;
    while (count == LIST_ROWS_MAX) {
        struct store_bundle *rows = NULL;
        if (store_list_bundles(ledger_reader(a->ledger), &f, &mem, &rows, &count, NULL) != 0)
            break; /* bundles are found by their texts all the same */
        for (size_t i = 0; i < count; i++)
            index_bundle(a, &rows[i], txn);
        if (count > 0) {
            f.after_node = rows[count - 1].node;
            f.after_code = rows[count - 1].code;
        }
    }
    arena_close(&mem);
}

/* ---- queries ---- */

/* Of the publications of one bundle, newest first, the one in force on @date, or *ret_in_force is false and it is the newest;
 * NULL: there is none. */
static const struct store_bundle *pick(const struct store_bundle *rows, size_t count, uint32_t date, bool *ret_in_force)
{
    const struct store_bundle *newest = NULL;
    *ret_in_force = false;
    for (size_t i = 0; i < count; i++)
        if (newest == NULL && !rows[i].withdrawn)
            newest = &rows[i];
    for (size_t i = 0; i < count && !rows[i].withdrawn; i++) {
        bool has_day = date >= rows[i].valid_from && (rows[i].valid_to == 0 || date <= rows[i].valid_to);
        if (!has_day)
            continue;
        *ret_in_force = rows[i].status == CATALOG_STATUS_IN_USE;
        return &rows[i];
    }
    return newest;
}

static void view_of(const struct app *a, const struct store_bundle *row, struct arena *mem, struct app_bundle_view *ret)
{
    *ret = (struct app_bundle_view){
        .node = row->node,
        .node_name = app_member_name(a, row->node),
        .code = arena_strdup(mem, row->code),
        .name = arena_strdup(mem, row->name),
        .life_event = arena_strdup(mem, row->life_event),
        .version = row->version,
        .index = row->index,
        .withdrawn = row->withdrawn,
        .status = !row->withdrawn && row->status < array_count(statuses) ? statuses[row->status] : "",
        .valid_from = row->valid_from,
        .valid_to = row->valid_to};
}

static uint32_t day_of(uint32_t date)
{
    return date != 0 ? date : clock_china_date(clock_wall_ms());
}

int app_list_bundles(struct app *a, const struct app_bundle_filter *f, struct arena *mem, struct app_bundle_view **ret,
                     size_t *ret_count, struct err *e)
{
    const struct store_bundle_filter filter = {.node = f->node,
                                               .text = f->text,
                                               .life_event = f->life_event,
                                               .region = f->region,
                                               .after_code = f->after_code,
                                               .after_node = f->after_node,
                                               .limit = f->limit};
    struct store_bundle *rows = NULL;
    size_t count = 0;
    int rc = app_check_reader(a, e);
    if (rc == 0)
        rc = store_list_bundles(ledger_reader(a->ledger), &filter, mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    struct app_bundle_view *views = arena_alloc(mem, (count + 1) * sizeof *views);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct arena scratch = ARENA_INIT;
        struct store_bundle *versions = NULL;
        size_t version_count = 0;
        bool in_force = false;
        rc = store_list_bundle_versions(ledger_reader(a->ledger), rows[i].node, rows[i].code, &scratch, &versions,
                                        &version_count, e);
        const struct store_bundle *best = rc == 0 ? pick(versions, version_count, day_of(f->date), &in_force) : NULL;
        view_of(a, best != NULL ? best : &rows[i], mem, &views[i]);
        views[i].is_in_force = in_force;
        arena_close(&scratch);
    }
    *ret = views;
    *ret_count = rc == 0 ? count : 0;
    return rc;
}

/* The node that publishes @code now. */
static int find_node(struct app *a, const char *code, uint32_t *ret, struct err *e)
{
    size_t hits = 0;
    for (size_t i = 0; i < a->members->count; i++) {
        struct arena mem = ARENA_INIT;
        struct store_bundle *rows = NULL;
        size_t count = 0;
        uint32_t member = a->members->list[i].code;
        int rc = store_list_bundle_versions(ledger_reader(a->ledger), member, code, &mem, &rows, &count, e);
        bool is_hit = rc == 0 && count > 0 && !rows[0].withdrawn;
        arena_close(&mem);
        if (rc != 0)
            return rc;
        if (is_hit)
            *ret = member;
        hits += is_hit;
    }
    if (hits == 0)
        return err_set(e, ERR_NOT_FOUND, "bundle.none", "no node publishes bundle '%.48s'", code);
    return hits == 1 ? 0
                     : err_set(e, ERR_CONFLICT, "bundle.several-nodes", "%zu nodes publish bundle '%.48s': name one",
                               hits, code);
}

int app_get_bundle(struct app *a, const struct app_bundle_question *q, struct arena *mem, struct app_bundle_view *ret,
                   struct err *e)
{
    struct store_bundle *rows = NULL;
    struct store_entry entry;
    size_t count = 0;
    uint32_t node = q->node;
    bool in_force = false;
    int rc = app_check_reader(a, e);
    if (rc == 0 && node == 0)
        rc = find_node(a, q->code, &node, e);
    if (rc == 0)
        rc = store_list_bundle_versions(ledger_reader(a->ledger), node, q->code, mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    const struct store_bundle *best = pick(rows, count, day_of(q->date), &in_force), *found = best;
    if (best == NULL)
        return err_set(e, ERR_NOT_FOUND, "bundle.none", "node %u publishes no bundle '%.48s'", node, q->code);
    for (size_t i = 0; q->version != 0 && i < count && (i == 0 || found == NULL); i++)
        found = rows[i].version == q->version && !rows[i].withdrawn ? &rows[i] : NULL;
    if (found == NULL)
        return err_set(e, ERR_NOT_FOUND, "bundle.no-version",
                       "node %u has published no version %u of bundle '%.48s' that is known here", node, q->version,
                       q->code);
    rc = store_read_entry(ledger_reader(a->ledger), node, found->index, mem, &entry, e);
    if (rc != 0)
        return rc;
    view_of(a, found, mem, ret);
    ret->is_in_force = in_force && found == best;
    ret->withdrawn = rows[0].withdrawn;
    ret->json = entry.payload;
    return 0;
}

int app_list_bundle_versions(struct app *a, uint32_t node, const char *code, struct arena *mem,
                             struct app_bundle_view **ret, size_t *ret_count, struct err *e)
{
    struct store_bundle *rows = NULL;
    size_t count = 0;
    bool in_force = false;
    int rc = app_check_reader(a, e);
    if (rc == 0)
        rc = store_list_bundle_versions(ledger_reader(a->ledger), node, code, mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    const struct store_bundle *best = pick(rows, count, day_of(0), &in_force);
    *ret = arena_alloc(mem, (count + 1) * sizeof **ret);
    *ret_count = count;
    for (size_t i = 0; i < count; i++) {
        view_of(a, &rows[i], mem, &(*ret)[i]);
        (*ret)[i].is_in_force = in_force && &rows[i] == best;
    }
    return 0;
}

static bool find_today(struct app *a, uint32_t node, const char *code, struct store_bundle *ret, bool *ret_in_force)
{
    struct arena mem = ARENA_INIT;
    struct store_bundle *rows = NULL;
    size_t count = 0;
    const struct store_bundle *best = NULL;
    if (store_list_bundle_versions(ledger_reader(a->ledger), node, code, &mem, &rows, &count, NULL) == 0)
        best = pick(rows, count, day_of(0), ret_in_force);
    if (best != NULL)
        *ret = *best;
    arena_close(&mem);
    return best != NULL;
}

void app_bundle_name(struct app *a, uint32_t node, const char *code, char *ret, size_t ret_size)
{
    struct store_bundle row;
    bool in_force;
    (void)snprintf(ret, ret_size, "%s", find_today(a, node, code, &row, &in_force) ? row.name : "");
    utf8_trim_partial(ret);
}

uint32_t app_bundle_version(struct app *a, uint32_t node, const char *code)
{
    struct store_bundle row;
    bool in_force = false;
    return find_today(a, node, code, &row, &in_force) && in_force && !row.withdrawn ? row.version : 0;
}

/* ---- import: on the worker ---- */

struct bundle_job {
    struct app *app;
    app_bundle_import_cb cb;
    void *ctx;
    struct buf file;
    bool publish, published;
    char dir[4096];
    uint32_t node;
    struct arena arena;
    struct err error;
    struct bundle_import read;
    const struct bundle **news; /* to publish; of `read` */
    struct app_bundle_change *changes;
    size_t change_count, unchanged;
};

/* The highest version published before, or that stands earlier in the file; whether @b is published as it is. */
static int compare_published(struct bundle_job *j, struct store_reader *r, size_t index, uint32_t *ret_highest,
                             bool *ret_same, struct err *e)
{
    const struct bundle *b = j->read.bundles[index];
    struct arena mem = ARENA_INIT;
    struct store_bundle *rows = NULL;
    size_t count = 0;
    *ret_highest = 0;
    *ret_same = false;
    int rc = store_list_bundle_versions(r, j->node, b->code, &mem, &rows, &count, e);
    bool is_live = true; /* not withdrawn since */
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct store_entry entry;
        is_live = is_live && !rows[i].withdrawn;
        *ret_highest = max_of(*ret_highest, rows[i].version);
        if (!is_live || rows[i].version != b->version || *ret_same)
            continue;
        rc = store_read_entry(r, j->node, rows[i].index, &mem, &entry, e);
        *ret_same = rc == 0 && bytes_equal(entry.payload, b->canonical);
    }
    arena_close(&mem);
    for (size_t i = 0; i < index; i++)
        if (strcmp(j->read.bundles[i]->code, b->code) == 0)
            *ret_highest = max_of(*ret_highest, j->read.bundles[i]->version);
    return rc;
}

static int check_items(struct bundle_job *j, struct store_reader *r, size_t index, struct err *e)
{
    const struct bundle *b = j->read.bundles[index];
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->members.count; i++) {
        const struct bundle_member *m = &b->members.at[i];
        const struct store_search wanted = {.text = m->item, .node = m->node == SHAPE_ABSENT ? 0 : m->node, .limit = 1};
        struct arena mem = ARENA_INIT;
        struct store_search_hit *hits = NULL;
        size_t count = 0;
        char path[40];
        rc = store_search_items(r, &wanted, &mem, &hits, &count, e);
        (void)snprintf(path, sizeof path, "members[%zu].item", i);
        bool is_known = rc != 0 || (count > 0 && strcmp(hits[0].match, "code") == 0);
        if (!is_known && wanted.node == 0)
            bundle_import_refuse(&j->read, index, path, "bundle.item-unknown",
                                 "'%s' is no item that a node publishes, as far as is known here", m->item);
        else if (!is_known)
            bundle_import_refuse(&j->read, index, path, "bundle.item-unknown",
                                 "'%s' is no item that node %u publishes, as far as is known here", m->item,
                                 wanted.node);
        arena_close(&mem);
    }
    return rc;
}

static int compare(struct bundle_job *j, struct store_reader *r, size_t index, struct err *e)
{
    const struct bundle *b = j->read.bundles[index];
    uint32_t highest = 0;
    bool is_same = false;
    int rc = compare_published(j, r, index, &highest, &is_same, e);
    if (rc == 0 && is_same) {
        j->unchanged++;
        return 0;
    }
    if (rc == 0 && b->version <= highest)
        bundle_import_refuse(&j->read, index, "version", "bundle.version-old",
                             "the bundle differs from what is published up to version %u: its version must be higher",
                             highest);
    if (rc == 0)
        rc = check_items(j, r, index, e);
    j->changes[j->change_count] = (struct app_bundle_change){
        .code = b->code, .name = b->name, .version_before = highest, .version_after = b->version};
    j->news[j->change_count++] = b;
    return rc;
}

static void bundle_run(void *ctx)
{
    struct bundle_job *j = ctx;
    struct store_reader *r = NULL;
    if (j->error.code != 0)
        return;
    int rc = bundle_import_read(buf_bytes(&j->file), j->node, &j->read, &j->error);
    if (rc == 0)
        rc = store_reader_open(j->dir, &r, &j->error);
    j->changes = arena_alloc(&j->arena, (j->read.count + 1) * sizeof *j->changes);
    j->news = arena_alloc(&j->arena, (j->read.count + 1) * sizeof *j->news);
    for (size_t i = 0; rc == 0 && i < j->read.count; i++)
        rc = compare(j, r, i, &j->error);
    store_reader_close(r);
}

/* ---- import: on the loop ---- */

static void finish(struct bundle_job *j)
{
    const struct import_result *report = &j->read.report;
    const struct app_bundle_import_result result = {.problems = report->problems,
                                                    .problem_count = report->problem_count,
                                                    .problem_total = report->problem_total,
                                                    .bundle_count = report->item_rows,
                                                    .changes = j->changes,
                                                    .change_count = j->change_count,
                                                    .unchanged_count = j->unchanged,
                                                    .published = j->published};
    if (j->error.code == 0 || strcmp(j->error.id, "catalog.import-running") != 0)
        j->app->importing = false;
    j->cb(j->ctx, &result, &j->error);
    bundle_import_close(&j->read);
    buf_close(&j->file);
    arena_close(&j->arena);
    free(j);
}

static void bundle_published(void *ctx, const struct err *e)
{
    struct bundle_job *j = ctx;
    j->error = *e;
    j->published = e->code == 0;
    if (j->published)
        log_info("bundle", NULL, "bundle.published", "%zu bundles published", j->change_count);
    finish(j);
}

static void bundle_done(void *ctx)
{
    struct bundle_job *j = ctx;
    bool is_wanted = j->error.code == 0 && j->publish && j->read.report.problem_total == 0;
    j->published = is_wanted && j->change_count == 0; /* as it is already */
    if (!is_wanted || j->change_count == 0 || ledger_check_writable(j->app->ledger, &j->error) != 0) {
        finish(j);
        return;
    }
    struct ledger_txn *txn = ledger_txn_create(j->app->ledger);
    for (size_t i = 0; i < j->change_count; i++) {
        struct store_bundle row;
        bundle_row_make(j->news[i], j->node, ledger_txn_arena(txn), &row);
        row.index = append_public(txn, PUBLIC_EVENT_BUNDLE, &row, j->news[i]->canonical);
        ledger_txn_bundle(txn, &row);
    }
    ledger_commit(txn, bundle_published, j);
}

void app_import_bundles(struct app *a, struct bytes file, bool publish, app_bundle_import_cb cb, void *ctx)
{
    struct bundle_job *j = xcalloc(1, sizeof *j);
    j->app = a;
    j->cb = cb;
    j->ctx = ctx;
    j->publish = publish;
    j->node = a->config->region;
    (void)snprintf(j->dir, sizeof j->dir, "%s", a->config->dir);
    buf_init(&j->file, file.size + 1);
    buf_put(&j->file, file.data, file.size);
    if (a->importing)
        (void)err_set(&j->error, ERR_BUSY, "catalog.import-running",
                      "another import or export of the catalog is running");
    else
        a->importing = true;
    loop_work(a->loop, bundle_run, bundle_done, j);
}

/* ---- withdrawal ---- */

struct withdrawal {
    app_command_cb cb;
    void *ctx;
    struct app_command_result result;
    struct err error;
    struct loop_item later;
};

static void withdrawal_end(struct loop_item *item)
{
    struct withdrawal *w = container_of(item, struct withdrawal, later);
    w->cb(w->ctx, &w->result, &w->error);
    free(w);
}

static void withdrawal_committed(void *ctx, const struct err *e)
{
    struct withdrawal *w = ctx;
    w->error = *e;
    withdrawal_end(&w->later);
}

static int find_own(struct app *a, const char *code, struct store_bundle *ret, struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct store_bundle *rows = NULL;
    size_t count = 0;
    int rc = ledger_check_writable(a->ledger, e);
    if (rc == 0)
        rc = app_check_reader(a, e);
    if (rc == 0)
        rc = store_list_bundle_versions(ledger_reader(a->ledger), a->config->region, code, &mem, &rows, &count, e);
    if (rc == 0 && count == 0)
        rc = err_set(e, ERR_NOT_FOUND, "bundle.none", "this node publishes no bundle '%.48s'", code);
    else if (rc == 0 && rows[0].withdrawn)
        rc = err_set(e, ERR_CONFLICT, "bundle.withdrawn", "bundle '%.48s' is withdrawn already", code);
    else if (rc == 0)
        *ret = rows[0];
    arena_close(&mem);
    return rc;
}

void app_withdraw_bundle(struct app *a, const char *code, app_command_cb cb, void *ctx)
{
    struct withdrawal *w = xcalloc(1, sizeof *w);
    struct store_bundle row;
    *w = (struct withdrawal){.cb = cb, .ctx = ctx, .result = {.origin = a->config->region, .count = 1}};
    w->later.run = withdrawal_end;
    list_init(&w->later.link);
    if (find_own(a, code, &row, &w->error) != 0) {
        loop_post(a->loop, &w->later);
        return;
    }
    struct ledger_txn *txn = ledger_txn_create(a->ledger);
    struct store_bundle gone = {.node = row.node, .version = row.version, .withdrawn = true};
    (void)snprintf(gone.code, sizeof gone.code, "%s", row.code);
    gone.index = append_public(txn, PUBLIC_EVENT_BUNDLE_WITHDRAWN, &gone, bytes_of(NULL, 0));
    ledger_txn_bundle(txn, &gone);
    w->result.first_index = gone.index;
    ledger_commit(txn, withdrawal_committed, w);
}
