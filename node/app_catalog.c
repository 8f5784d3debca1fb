/* Catalogs (see app.h): the own one is published as public ledger entries, peers' are read from theirs.
 *
 * One entry per item version (PUBLIC_EVENT_ITEM, payload: the item's canonical JSON) or withdrawal
 * (PUBLIC_EVENT_ITEM_WITHDRAWN). Publishing compares the file with what stands in the store, and appends the difference.
 */
#include <stdio.h>
#include <string.h>

#include "catalog/item.h"
#include "catalog/service.h"
#include "node/app_internal.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/bundle_row.h"

/* ---- publishing ---- */

struct publishing {
    struct app *a;
    struct arena arena;
    struct ledger_txn *txn;
    size_t in_txn;
    size_t added, changed, withdrawn;
    uint64_t in_force; /* version of the catalog that is published */
};

static void published(void *ctx, const struct err *e)
{
    struct app *a = ctx;
    if (e->code != 0) {
        a->catalog_published = false; /* again when the ledger resumes */
        log_error("catalog", NULL, e->id, "publishing failed: %s", e->message);
    }
}

static void flush(struct publishing *p)
{
    if (p->txn != NULL)
        ledger_commit(p->txn, published, p->a);
    p->txn = NULL;
    p->in_txn = 0;
}

static struct ledger_txn *room(struct publishing *p)
{
    if (p->in_txn == APP_PUBLISH_ITEMS_MAX)
        flush(p);
    if (p->txn == NULL)
        p->txn = ledger_txn_create(p->a->ledger);
    p->in_txn++;
    return p->txn;
}

static uint64_t append_public(struct ledger_txn *txn, uint16_t type, const char *code, uint32_t version,
                              struct bytes payload)
{
    uint8_t version_raw[4];
    put_be32(version_raw, version);
    struct leaf leaf = {.kind = LEAF_KIND_EVENT, .event_type = type, .service = service_code(code), .attr_count = 2};
    leaf.attrs[0] = (struct leaf_attr){.tag = CASE_ATTR_ITEM_CODE, .value = bytes_of_string(code)};
    leaf.attrs[1] =
        (struct leaf_attr){.tag = CASE_ATTR_ITEM_VERSION, .value = bytes_of(version_raw, sizeof version_raw)};
    struct merkle_hash hash;
    uint32_t everyone = LEAF_NODE_ALL;
    ledger_txn_append(txn, &leaf, 0, &everyone, 1, payload, NULL, &hash);
    return leaf.index;
}

void app_put_item(struct app *a, struct ledger_txn *txn, const struct catalog_item *item)
{
    struct store_item row = {.node = a->config->region, .version = item->version, .json = item->canonical};
    (void)snprintf(row.code, sizeof row.code, "%s", item->code);
    (void)snprintf(row.name, sizeof row.name, "%s", item->name);
    row.index = append_public(txn, PUBLIC_EVENT_ITEM, item->code, item->version, item->canonical);
    row.search = app_search_text(a, item, ledger_txn_arena(txn));
    ledger_txn_item(txn, &row);
}

void app_withdraw_item(struct app *a, struct ledger_txn *txn, const struct store_item *old)
{
    (void)a; /* as app_put_item() */
    struct store_item row = *old;
    row.withdrawn = true;
    row.json = arena_bytes(ledger_txn_arena(txn), old->json);
    row.index = append_public(txn, PUBLIC_EVENT_ITEM_WITHDRAWN, old->code, old->version, bytes_of(NULL, 0));
    ledger_txn_item(txn, &row);
}

void app_put_catalog_version(struct ledger_txn *txn, uint32_t version)
{
    struct store_counter row = {.name = APP_CATALOG_VERSION, .value = version};
    ledger_txn_counter(txn, &row);
}

static int publish_changed(struct publishing *p, struct err *e)
{
    struct app *a = p->a;
    for (size_t i = 0; i < catalog_count(a->catalog); i++) {
        const struct catalog_item *item = catalog_at(a->catalog, i);
        struct arena mem = ARENA_INIT;
        struct store_item old;
        int rc = store_read_item(ledger_reader(a->ledger), a->config->region, item->code, &mem, &old, e);
        bool found = rc == 0;
        bool same = found && !old.withdrawn && bytes_equal(old.json, item->canonical);
        arena_close(&mem);
        if (rc != 0 && rc != ERR_NOT_FOUND)
            return rc;
        if (same)
            continue;
        app_put_item(a, room(p), item);
        p->added += !found;
        p->changed += found;
    }
    return 0;
}

static int withdraw_gone(struct publishing *p, struct err *e)
{
    struct app *a = p->a;
    struct store_item_filter f = {.node = a->config->region, .limit = LIST_ROWS_MAX};
    for (;;) {
        struct store_item *rows;
        size_t count;
        int rc = store_list_items(ledger_reader(a->ledger), &f, &p->arena, &rows, &count, e);
        if (rc != 0)
            return rc;
        for (size_t i = 0; i < count; i++) {
            if (catalog_find(a->catalog, rows[i].code) != NULL)
                continue;
            app_withdraw_item(a, room(p), &rows[i]);
            p->withdrawn++;
        }
        if (count < f.limit)
            return 0;
        f.after_node = rows[count - 1].node;
        f.after_code = rows[count - 1].code;
    }
}

void app_publish_catalog(struct app *a)
{
    struct err e = {0};
    if (a->catalog == NULL || a->catalog_published || ledger_check_writable(a->ledger, &e) != 0)
        return;
    a->catalog_published = true;
    struct publishing p = {.a = a};
    int rc = store_read_counter(ledger_reader(a->ledger), APP_CATALOG_VERSION, &p.in_force, &e);
    if (rc == 0 && p.in_force > catalog_version(a->catalog)) {
        log_info("catalog", NULL, "catalog.file-older",
                 "the catalog file has version %u, version %llu is in force: not used", catalog_version(a->catalog),
                 (unsigned long long)p.in_force);
        return;
    }
    if (rc == 0)
        rc = withdraw_gone(&p, &e);
    if (rc == 0)
        rc = publish_changed(&p, &e);
    if (rc == 0 && p.in_force < catalog_version(a->catalog))
        app_put_catalog_version(room(&p), catalog_version(a->catalog));
    flush(&p);
    arena_close(&p.arena);
    if (rc != 0) {
        a->catalog_published = false; /* again when the ledger resumes */
        log_error("catalog", NULL, e.id, "cannot compare the catalog with what is published: %s", e.message);
    } else if (p.added + p.changed + p.withdrawn > 0)
        log_info("catalog", NULL, "catalog.published", "version %u: %zu items new, %zu changed, %zu withdrawn",
                 catalog_version(a->catalog), p.added, p.changed, p.withdrawn);
}

/* ---- a peer's items ---- */

static int item_row(const struct app *a, const struct sync_entry *entry, struct ledger_txn *txn, struct store_item *row,
                    struct err *e)
{
    struct catalog_item *item;
    char where[32];
    (void)snprintf(where, sizeof where, "entry %llu", (unsigned long long)entry->leaf.index);
    if (!entry->payload_held)
        return err_set(e, ERR_NOT_FOUND, "catalog.no-payload", "%s came without the item", where);
    int rc = catalog_item_parse(entry->payload, entry->leaf.origin, where, &item, e);
    if (rc != 0)
        return rc;
    row->version = item->version;
    (void)snprintf(row->code, sizeof row->code, "%s", item->code);
    (void)snprintf(row->name, sizeof row->name, "%s", item->name);
    row->json = arena_bytes(ledger_txn_arena(txn), entry->payload);
    row->search = app_search_text(a, item, ledger_txn_arena(txn));
    catalog_item_destroy(item);
    return 0;
}

static int withdrawal_row(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn, struct store_item *row,
                          struct err *e)
{
    for (unsigned i = 0; i < entry->leaf.attr_count; i++) {
        const struct leaf_attr *attr = &entry->leaf.attrs[i];
        if (attr->tag != CASE_ATTR_ITEM_CODE || attr->value.size >= sizeof row->code)
            continue;
        char code[sizeof row->code] = {0};
        memcpy(code, attr->value.data, attr->value.size);
        const struct store_item *same_batch = ledger_txn_find_item(txn, entry->leaf.origin, code);
        int rc = 0;
        if (same_batch != NULL)
            *row = *same_batch;
        else
            rc = store_read_item(ledger_reader(a->ledger), entry->leaf.origin, code, ledger_txn_arena(txn), row, e);
        row->withdrawn = true;
        return rc;
    }
    return err_set(e, ERR_INVALID, "catalog.withdrawal", "a withdrawal names no item");
}

void app_item_entry(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn)
{
    struct store_item row = {.node = entry->leaf.origin};
    struct err e = {0};
    int rc = 0;
    if (entry->leaf.event_type == PUBLIC_EVENT_ITEM)
        rc = item_row(a, entry, txn, &row, &e);
    else if (entry->leaf.event_type == PUBLIC_EVENT_ITEM_WITHDRAWN)
        rc = withdrawal_row(a, entry, txn, &row, &e);
    else if (entry->leaf.event_type == PUBLIC_EVENT_CALENDAR) {
        app_calendar_entry(a, entry, txn);
        return;
    } else if (bundle_row_is_about(&entry->leaf)) {
        app_bundle_entry(entry, txn);
        return;
    } else
        return; /* a later version's public entry: kept in the ledger, not understood here */
    char peer[12];
    (void)snprintf(peer, sizeof peer, "%u", entry->leaf.origin);
    row.index = entry->leaf.index;
    if (rc == 0)
        ledger_txn_item(txn, &row);
    else
        log_warn("catalog", peer, e.id, "item of entry %llu is not shown: %s", (unsigned long long)entry->leaf.index,
                 e.message);
}

/* ---- queries ---- */

static void item_view(const struct app *a, const struct store_item *row, struct arena *mem, struct app_item_view *ret)
{
    *ret = (struct app_item_view){.node = row->node,
                                  .node_name = app_member_name(a, row->node),
                                  .code = arena_strdup(mem, row->code),
                                  .name = arena_strdup(mem, row->name),
                                  .version = row->version,
                                  .withdrawn = row->withdrawn,
                                  .json = row->json};
}

int app_list_items(struct app *a, const struct app_item_filter *f, struct arena *mem, struct app_item_view **ret,
                   size_t *ret_count, struct err *e)
{
    struct store_item_filter filter = {
        .node = f->node, .text = f->text, .after_code = f->after_code, .after_node = f->after_node, .limit = f->limit};
    struct store_item *rows;
    size_t count;
    int rc = app_check_reader(a, e);
    if (rc == 0)
        rc = store_list_items(ledger_reader(a->ledger), &filter, mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    *ret = arena_alloc(mem, (count + 1) * sizeof **ret);
    *ret_count = count;
    for (size_t i = 0; i < count; i++)
        item_view(a, &rows[i], mem, &(*ret)[i]);
    return 0;
}

int app_get_item(struct app *a, uint32_t node, const char *code, struct arena *mem, struct app_item_view *ret,
                 struct err *e)
{
    struct store_item row, found = {0};
    int rc = app_check_reader(a, e);
    if (rc != 0)
        return rc;
    size_t hits = 0;
    for (size_t i = 0; i < a->members->count; i++) {
        uint32_t member = a->members->list[i].code;
        if (node != 0 && node != member)
            continue;
        rc = store_read_item(ledger_reader(a->ledger), member, code, mem, &row, e);
        if (rc != 0 && rc != ERR_NOT_FOUND)
            return rc;
        if (rc == 0 && (node != 0 || !row.withdrawn)) {
            found = row;
            hits++;
        }
    }
    if (hits == 0)
        return node == 0
                   ? err_set(e, ERR_NOT_FOUND, "catalog.no-item", "no node publishes item '%.48s'", code)
                   : err_set(e, ERR_NOT_FOUND, "catalog.no-item", "node %u publishes no item '%.48s'", node, code);
    if (hits > 1)
        return err_set(e, ERR_CONFLICT, "catalog.several-nodes", "%zu nodes publish item '%.48s': name one", hits,
                       code);
    item_view(a, &found, mem, ret);
    return 0;
}

int app_get_item_version(struct app *a, uint32_t node, const char *code, uint32_t version, struct arena *mem,
                         struct app_item_view *ret, struct err *e)
{
    struct store_item row;
    struct catalog_item *item = NULL;
    int rc = app_check_reader(a, e);
    if (rc == 0)
        rc = store_read_item_version(ledger_reader(a->ledger), node, code, version, mem, &row, e);
    if (rc == 0)
        rc = catalog_item_parse(row.json, node, code, &item, e);
    if (rc != 0)
        return rc;
    (void)snprintf(row.name, sizeof row.name, "%s", item->name);
    catalog_item_destroy(item);
    item_view(a, &row, mem, ret);
    return 0;
}

int app_list_item_versions(struct app *a, uint32_t node, const char *code, struct arena *mem,
                           struct app_item_version_view **ret, size_t *ret_count, struct err *e)
{
    struct store_item_version *rows;
    size_t count = 0;
    int rc = app_check_reader(a, e);
    if (rc == 0)
        rc = store_list_item_versions(ledger_reader(a->ledger), node, code, mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    *ret = arena_alloc(mem, (count + 1) * sizeof **ret);
    *ret_count = count;
    for (size_t i = 0; i < count; i++)
        (*ret)[i] = (struct app_item_version_view){
            .version = rows[i].version, .index = rows[i].index, .withdrawn = rows[i].withdrawn};
    return 0;
}

void app_fill_item_name(struct app *a, struct case_slot *slot)
{
    const struct case_state *state = casefile_state(slot->file);
    if (slot->item_name[0] != '\0' || state->root == NULL)
        return;
    struct arena mem = ARENA_INIT;
    struct store_item row;
    uint32_t node;
    const char *code;
    if (app_bundle_of_item(state->item_code, &node, &code))
        app_bundle_name(a, node, code, slot->item_name, sizeof slot->item_name);
    else if (store_read_item(ledger_reader(a->ledger), state->root->lead, state->item_code, &mem, &row, NULL) == 0)
        (void)snprintf(slot->item_name, sizeof slot->item_name, "%s", row.name);
    arena_close(&mem);
}
