/* Search of items (see app.h): asks the store's index, which is filled as items are written (app_search_text()).
 *
 * An index of another SEARCH_TEXT_VERSION, or of a database from before it, is made anew at start, some hundred items a
 * transaction, and with the last of them what bundles are found by; meanwhile searches find what is done.
 */
#include <stdlib.h>
#include <string.h>

#include "catalog/item.h"
#include "catalog/search_text.h"
#include "node/app_internal.h"
#include "node/base/log.h"
#include "node/base/xassert.h"

#define INDEX_ITEMS_MAX 200u /* of one transaction */

const struct store_item_search *app_search_text(const struct app *a, const struct catalog_item *item, struct arena *mem)
{
    struct search_text text;
    search_text_make(item, a->regions, mem, &text);
    struct store_item_search *s = arena_alloc(mem, sizeof *s);
    *s = (struct store_item_search){
        .words = text.words, .pinyin = text.pinyin, .codes = text.codes, .events = text.events, .region = text.region};
    return s;
}

/* ---- making the index anew ---- */

struct indexing {
    struct app *app;
    uint32_t after_node;
    char after_code[sizeof((struct store_item *)NULL)->code];
    size_t count;
    bool is_last;
};

static void index_next(struct indexing *x);

static void index_end(struct indexing *x, const struct err *e)
{
    x->app->indexing = false;
    if (e->code != 0)
        log_warn("catalog", NULL, e->id, "the search index is not complete: %s", e->message);
    else if (x->count > 0)
        log_info("catalog", NULL, "catalog.indexed", "search index made for %zu items", x->count);
    free(x);
}

static void slice_done(void *ctx, const struct err *e)
{
    struct indexing *x = ctx;
    if (e->code != 0 || x->is_last)
        index_end(x, e);
    else
        index_next(x);
}

/* Writes the row once more, now with its search texts. */
static void index_item(struct indexing *x, struct ledger_txn *txn, const struct store_item *row)
{
    struct arena *mem = ledger_txn_arena(txn);
    struct catalog_item *item = NULL;
    struct err e = {0};
    struct store_item again = *row;
    if (catalog_item_parse(row->json, row->node, row->code, &item, &e) != 0)
        return; /* it was taken by a program with other rules: it is shown, but not found */
    again.json = arena_bytes(mem, row->json);
    again.search = app_search_text(x->app, item, mem);
    catalog_item_destroy(item);
    ledger_txn_item(txn, &again);
    x->count++;
}

static void index_next(struct indexing *x)
{
    struct app *a = x->app;
    struct arena mem = ARENA_INIT;
    struct store_item *rows = NULL;
    size_t count = 0;
    struct err e = {0};
    const struct store_item_filter f = {
        .after_node = x->after_node, .after_code = x->after_code, .limit = INDEX_ITEMS_MAX};
    int rc = ledger_check_writable(a->ledger, &e);
    if (rc == 0)
        rc = store_list_items(ledger_reader(a->ledger), &f, &mem, &rows, &count, &e);
    if (rc != 0) {
        arena_close(&mem);
        index_end(x, &e);
        return;
    }
    struct ledger_txn *txn = ledger_txn_create(a->ledger);
    for (size_t i = 0; i < count; i++)
        index_item(x, txn, &rows[i]);
    x->is_last = count < INDEX_ITEMS_MAX;
    if (x->is_last) {
        struct store_counter row = {.name = STORE_COUNTER_SEARCH, .value = SEARCH_TEXT_VERSION};
        ledger_txn_counter(txn, &row);
        app_bundle_index(a, txn);
    } else {
        x->after_node = rows[count - 1].node;
        memcpy(x->after_code, rows[count - 1].code, sizeof x->after_code);
    }
    arena_close(&mem);
    ledger_commit(txn, slice_done, x);
}

void app_index_items(struct app *a)
{
    uint64_t version = 0;
    struct err e = {0};
    if (a->indexing || ledger_check_writable(a->ledger, &e) != 0 ||
        store_read_counter(ledger_reader(a->ledger), STORE_COUNTER_SEARCH, &version, &e) != 0 ||
        version == SEARCH_TEXT_VERSION)
        return;
    struct indexing *x = xcalloc(1, sizeof *x);
    x->app = a;
    a->indexing = true;
    index_next(x);
}

/* ---- asking it ---- */

int app_search_items(struct app *a, const struct app_search *s, struct arena *mem, struct app_search_hit **ret,
                     size_t *ret_count, struct err *e)
{
    const struct store_search wanted = {.text = s->text,
                                        .node = s->node,
                                        .region = s->region,
                                        .life_event = s->life_event,
                                        .after_step = s->after_step,
                                        .after_id = s->after_id,
                                        .limit = s->limit};
    struct store_search_hit *rows = NULL;
    size_t count = 0;
    int rc = app_check_reader(a, e);
    if (rc == 0)
        rc = store_search_items(ledger_reader(a->ledger), &wanted, mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    struct app_search_hit *hits = arena_alloc(mem, (count + 1) * sizeof *hits);
    for (size_t i = 0; i < count; i++)
        hits[i] = (struct app_search_hit){.match = rows[i].match,
                                          .step = rows[i].step,
                                          .id = rows[i].id,
                                          .item = {.node = rows[i].node,
                                                   .node_name = app_member_name(a, rows[i].node),
                                                   .code = rows[i].code,
                                                   .name = rows[i].name,
                                                   .version = rows[i].version,
                                                   .json = rows[i].json}};
    *ret = hits;
    *ret_count = count;
    return 0;
}
