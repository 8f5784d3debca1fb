/* Erasure of a case's content: ordered, done, acknowledged by every participant (see app.h, FORMATS.md "Erasure").
 *
 * Happy path: app_erase() -> leaf of kind 5 "ordered" + own rows "done" + destroy row, one transaction -> participants get the
 * leaf -> app_erase_entry(): theirs is destroyed in the transaction that stores the order, with a leaf "done" as the answer ->
 * here the row of that participant changes.
 * Failure modes: a participant that must keep the content (hold, case still open for it) answers "held" and does it when the
 * reason is gone; one that cannot be reached stays "ordered" and is listed until it answers, with an alarm after
 * erase_alarm_s (node.json).
 *
 * What is destroyed: the case's keys, the sealed payloads, the hashes of requests that brought personal data, the files that no other
 * case holds. What stays: every leaf,
 * and with it every proof, receipt and state. Loop thread only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"
#include "node/erase_leaf.h"

struct basis {
    uint16_t value;
    const char *code, *chinese, *article;
};

static const struct basis bases[] = {
#define X(name, value, code, chinese, article) {value, code, chinese, article},
    APP_ERASE_BASES(X)
#undef X
};

static const struct basis *find_basis(uint16_t value)
{
    for (size_t i = 0; i < array_count(bases); i++)
        if (bases[i].value == value)
            return &bases[i];
    return NULL;
}

enum app_erase_basis app_erase_basis_of(const char *code)
{
    for (size_t i = 0; i < array_count(bases); i++)
        if (strcmp(bases[i].code, code) == 0)
            return (enum app_erase_basis)bases[i].value;
    return 0;
}

static const char *state_name(uint8_t state)
{
    return state == APP_ERASURE_DONE ? "done" : state == APP_ERASURE_HELD ? "held" : "ordered";
}

/* Whether the case has run its course: nobody needs its content to go on. */
static bool has_ended(uint8_t status)
{
    switch ((enum case_status)status) {
    case CASE_STATUS_NOT_REQUIRED:
    case CASE_STATUS_REFUSED:
    case CASE_STATUS_CLOSED_GRANTED:
    case CASE_STATUS_CLOSED_LACKING:
    case CASE_STATUS_CLOSED_DENIED:
    case CASE_STATUS_WITHDRAWN:
    case CASE_STATUS_REVOKED:
    case CASE_STATUS_RETURNED:
    case CASE_STATUS_DELIVERED:
    case CASE_STATUS_ARCHIVED:
        return true;
    default:
        return false;
    }
}

/* ---- writing ---- */

/* Appends a leaf of kind 5 and returns the row it makes for this node. */
static struct store_erasure append_leaf(struct app *a, struct case_slot *slot, enum app_erasure_state state,
                                        uint16_t basis, const struct leaf_parent *order, struct ledger_txn *txn)
{
    uint8_t value[2];
    uint32_t peers[LEAF_RECIPIENTS_MAX];
    struct merkle_hash hash;
    struct leaf leaf = {.kind = LEAF_KIND_ERASE, .event_type = (uint16_t)state, .attr_count = 1};
    memcpy(leaf.case_id, slot->id, sizeof leaf.case_id);
    put_be16(value, basis);
    leaf.attrs[0] = (struct leaf_attr){.tag = ERASE_LEAF_ATTR_BASIS, .value = bytes_of(value, sizeof value)};
    if (order != NULL) {
        leaf.parents[0] = *order;
        leaf.parent_count = 1;
    }
    ledger_txn_append(txn, &leaf, UINT64_MAX, peers, app_participants(a, slot->file, peers), bytes_of(NULL, 0), NULL,
                      &hash);
    struct store_erasure row = {.node = a->config->region,
                                .state = (uint8_t)state,
                                .basis = basis,
                                .at_ms = clock_wall_ms(),
                                .origin = a->config->region,
                                .index = leaf.index};
    memcpy(row.case_id, slot->id, sizeof row.case_id);
    return row;
}

static void destroy(struct app *a, struct case_slot *slot, struct ledger_txn *txn)
{
    struct store_destroy row;
    app_materials_erase(a, slot->id);
    memcpy(row.case_id, slot->id, sizeof row.case_id);
    ledger_txn_destroy(txn, &row);
    crypto_wipe(&slot->key, sizeof slot->key);
    slot->is_erased = true; /* at once: nothing is to be sealed under a key that is about to go */
    case_cache_touch(slot, txn);
}

/* 0, or why the content has to stay here. */
static int check_may_go(struct app *a, struct case_slot *slot, struct err *e)
{
    struct store_hold hold;
    const struct case_state *state = casefile_state(slot->file);
    int rc = store_read_hold(ledger_reader(a->ledger), slot->id, &hold, e);
    if (rc == 0)
        return err_set(e, ERR_CONFLICT, "case.on-hold", "the case is on hold here: %s", hold.reason);
    if (rc != ERR_NOT_FOUND)
        return rc;
    *e = (struct err){0};
    if (!has_ended(state->status))
        return err_set(e, ERR_CONFLICT, "case.erase-open",
                       "the case is in status %s (%s): only a case that has ended can be erased",
                       case_status_name(state->status), case_status_chinese(state->status));
    if (state->level == CASE_LEVEL_TENTATIVE && state->lead != a->config->region)
        return err_set(
            e, ERR_CONFLICT, "case.erase-tentative",
            "the end of the case is not confirmed by the deciding node (%u) yet: it may have decided otherwise",
            state->lead);
    return 0;
}

struct erasing {
    struct loop_item later;
    struct app_command_result result;
    struct err error;
    struct app *app;
    app_command_cb cb;
    void *ctx;
};

static void erasing_end(struct erasing *x)
{
    x->cb(x->ctx, &x->result, &x->error);
    free(x);
}

static void erasing_later(struct loop_item *item)
{
    erasing_end(container_of(item, struct erasing, later));
}

static void erasing_committed(void *ctx, const struct err *e)
{
    struct erasing *x = ctx;
    x->error = *e;
    if (e->code == 0) {
        app_materials_sweep(x->app);
        app_notify_case(x->app, x->result.case_id);
    }
    erasing_end(x);
}

static struct erasing *erasing_create(struct app *a, const uint8_t case_id[CASE_ID_SIZE], app_command_cb cb, void *ctx)
{
    struct erasing *x = xcalloc(1, sizeof *x);
    x->app = a;
    x->cb = cb;
    x->ctx = ctx;
    x->result.origin = a->config->region;
    memcpy(x->result.case_id, case_id, sizeof x->result.case_id);
    x->later.run = erasing_later;
    list_init(&x->later.link);
    return x;
}

/* The case, committed and writable, for a command that is not an event. */
static int open_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct case_slot **ret, struct err *e)
{
    struct casefile *file, *apart = NULL;
    int rc = ledger_check_writable(a->ledger, e);
    if (rc == 0)
        rc = app_committed_case(a, case_id, &file, &apart, ret, e);
    casefile_destroy(apart);
    return rc;
}

/* Erased here already: by this very order, which a client that lost the answer repeats, or otherwise. */
static int again(struct erasing *x, struct case_slot *slot, uint16_t basis, struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct store_erasure *rows;
    size_t count = 0;
    int rc = store_read_erasures(ledger_reader(x->app->ledger), slot->id, &mem, &rows, &count, e);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        bool is_own = rows[i].node == x->app->config->region && rows[i].state == APP_ERASURE_DONE;
        if (!is_own || rows[i].origin != x->app->config->region || rows[i].basis != basis)
            continue;
        x->result.first_index = rows[i].index;
        x->result.count = 1;
        x->result.replayed = true;
    }
    arena_close(&mem);
    if (rc == 0 && !x->result.replayed)
        rc = err_set(e, ERR_CONFLICT, "case.erased", "the content of this case has been erased already");
    return rc;
}

static int erase(struct erasing *x, struct case_slot *slot, uint16_t basis, struct err *e)
{
    struct app *a = x->app;
    const struct case_state *state = casefile_state(slot->file);
    uint32_t peers[LEAF_RECIPIENTS_MAX];
    if (find_basis(basis) == NULL)
        return err_set(e, ERR_INVALID, "case.erase-basis", "%u is no legal basis of an erasure", basis);
    if (state->receiving != a->config->region && state->lead != a->config->region)
        return err_set(e, ERR_DENIED, "case.erase-node",
                       "only the receiving node (%u) or the deciding node (%u) can order an erasure", state->receiving,
                       state->lead);
    if (slot->is_erased && !app_is_erased(a, slot->id))
        return err_set(e, ERR_BUSY, "case.erasing", "an erasure of this case is on its way to the disk");
    if (app_is_erased(a, slot->id)) {
        int rc = again(x, slot, basis, e);
        if (rc == 0)
            loop_post(a->loop, &x->later);
        return rc;
    }
    int rc = check_may_go(a, slot, e);
    if (rc != 0)
        return rc;
    struct ledger_txn *txn = ledger_txn_create(a->ledger);
    struct store_erasure own = append_leaf(a, slot, APP_ERASURE_ORDERED, basis, NULL, txn);
    x->result.first_index = own.index;
    x->result.count = 1;
    size_t count = app_participants(a, slot->file, peers);
    for (size_t i = 0; i < count; i++) {
        struct store_erasure row = own;
        row.node = peers[i];
        ledger_txn_erasure(txn, &row);
    }
    own.state = APP_ERASURE_DONE; /* by this very transaction */
    ledger_txn_erasure(txn, &own);
    destroy(a, slot, txn);
    ledger_commit(txn, erasing_committed, x);
    return 0;
}

void app_erase(struct app *a, const uint8_t case_id[CASE_ID_SIZE], enum app_erase_basis basis,
               const struct app_request *r, app_command_cb cb, void *ctx)
{
    struct erasing *x = erasing_create(a, case_id, cb, ctx);
    struct case_slot *slot;
    (void)r; /* an order that was given already is found by itself: again() */
    int rc = open_case(a, case_id, &slot, &x->error);
    if (rc == 0)
        rc = erase(x, slot, (uint16_t)basis, &x->error);
    if (rc != 0)
        loop_post(a->loop, &x->later);
}

/* ---- hold ---- */

/* The order that waits here for the hold to end; false when there is none. */
static bool waiting_order(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct store_erasure *ret)
{
    struct arena mem = ARENA_INIT;
    struct store_erasure *rows;
    size_t count = 0;
    bool found = false;
    if (store_read_erasures(ledger_reader(a->ledger), case_id, &mem, &rows, &count, NULL) == 0)
        for (size_t i = 0; i < count; i++)
            if (rows[i].node == a->config->region && rows[i].state == APP_ERASURE_HELD) {
                *ret = rows[i];
                found = true;
            }
    arena_close(&mem);
    return found;
}

static bool is_one_line(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    return !utf8_has_unsafe(text);
}

static int hold(struct erasing *x, struct case_slot *slot, const char *reason, struct err *e)
{
    struct app *a = x->app;
    struct store_erasure order;
    if (reason != NULL && (reason[0] == '\0' || strlen(reason) >= sizeof(((struct store_hold *)0)->reason)))
        return err_set(e, ERR_LIMIT, "case.hold-reason", "the reason has %zu bytes, allowed are 1 to %zu",
                       strlen(reason), sizeof(((struct store_hold *)0)->reason) - 1);
    if (reason != NULL && !is_one_line(reason))
        return err_set(
            e, ERR_INVALID, "case.hold-reason",
            "the reason holds a line break, a control character or a direction mark: it is shown in one line");
    if (reason != NULL && (slot->is_erased || app_is_erased(a, slot->id)))
        return err_set(e, ERR_CONFLICT, "case.erased", "the content of this case has been erased already");
    struct ledger_txn *txn = ledger_txn_create(a->ledger);
    struct store_hold row = {.since_ms = reason == NULL ? 0 : clock_wall_ms()};
    memcpy(row.case_id, slot->id, sizeof row.case_id);
    if (reason != NULL)
        (void)snprintf(row.reason, sizeof row.reason, "%s", reason);
    ledger_txn_hold(txn, &row);
    if (reason == NULL && has_ended(casefile_state(slot->file)->status) && waiting_order(a, slot->id, &order)) {
        struct store_erasure own = append_leaf(a, slot, APP_ERASURE_DONE, order.basis, NULL, txn);
        x->result.first_index = own.index;
        x->result.count = 1;
        ledger_txn_erasure(txn, &own);
        destroy(a, slot, txn);
    }
    ledger_commit(txn, erasing_committed, x);
    return 0;
}

void app_hold(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const char *reason, const struct app_request *r,
              app_command_cb cb, void *ctx)
{
    struct erasing *x = erasing_create(a, case_id, cb, ctx);
    struct case_slot *slot;
    (void)r; /* setting it twice changes nothing */
    int rc = open_case(a, case_id, &slot, &x->error);
    if (rc == 0)
        rc = hold(x, slot, reason, &x->error);
    if (rc != 0)
        loop_post(a->loop, &x->later);
}

/* An order that waited here for the case to end. */
void app_erase_ended(struct app *a, struct case_slot *slot, struct ledger_txn *txn)
{
    struct store_erasure order;
    struct err why = {0};
    const struct case_state *state = casefile_state(slot->file);
    if (slot->is_erased || state->root == NULL || !has_ended(state->status) || ledger_reader(a->ledger) == NULL ||
        !waiting_order(a, slot->id, &order) || check_may_go(a, slot, &why) != 0)
        return; /* not yet */
    struct store_erasure own = append_leaf(a, slot, APP_ERASURE_DONE, order.basis, NULL, txn);
    ledger_txn_erasure(txn, &own);
    destroy(a, slot, txn);
}

/* ---- a peer's ---- */

static int check_order(struct app *a, const struct sync_entry *entry, struct case_slot **ret, uint16_t *ret_basis,
                       struct err *e)
{
    const struct leaf *leaf = &entry->leaf;
    if (leaf->event_type < APP_ERASURE_ORDERED || leaf->event_type > APP_ERASURE_HELD ||
        !erase_leaf_basis(leaf, ret_basis))
        return err_set(e, ERR_INVALID, "erase.form", "entry %llu is no erase entry that this node knows",
                       (unsigned long long)leaf->index);
    int rc = case_cache_get(a->cases, a->ledger, leaf->case_id, ret, e);
    if (rc != 0)
        return rc;
    const struct case_state *state = casefile_state((*ret)->file);
    if (leaf->event_type == APP_ERASURE_ORDERED && state->receiving != leaf->origin && state->lead != leaf->origin)
        return err_set(e, ERR_DENIED, "erase.node",
                       "entry %llu orders an erasure, but its author neither received nor decides the case",
                       (unsigned long long)leaf->index);
    return 0;
}

/* The answer to an order, in the transaction that stores it. */
static void obey(struct app *a, struct case_slot *slot, const struct sync_entry *entry, uint16_t basis,
                 struct ledger_txn *txn)
{
    struct err e = {0};
    struct leaf_parent order = {.node = entry->leaf.origin, .index = entry->leaf.index, .hash = entry->hash};
    bool is_party = app_is_party(slot->file, a->config->region); /* a mirror has nothing to keep it for */
    bool may_go = !is_party || check_may_go(a, slot, &e) == 0;
    struct store_erasure own = append_leaf(a, slot, may_go ? APP_ERASURE_DONE : APP_ERASURE_HELD, basis, &order, txn);
    ledger_txn_erasure(txn, &own);
    if (may_go)
        destroy(a, slot, txn);
    else
        app_warn_case(a, NULL, &e, "an ordered erasure waits");
}

void app_erase_entry(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn)
{
    struct case_slot *slot;
    uint16_t basis;
    struct err e = {0};
    if (check_order(a, entry, &slot, &basis, &e) != 0) {
        replication_alarm(a->replication, entry->leaf.origin, e.id, e.message);
        return;
    }
    struct store_erasure row = {.node = entry->leaf.origin,
                                .state = (uint8_t)entry->leaf.event_type,
                                .basis = basis,
                                .at_ms = entry->leaf.hlc >> 16,
                                .origin = entry->leaf.origin,
                                .index = entry->leaf.index};
    memcpy(row.case_id, slot->id, sizeof row.case_id);
    if (entry->leaf.event_type == APP_ERASURE_ORDERED) {
        row.state = APP_ERASURE_DONE; /* whoever orders has done it */
        if (!app_is_erased(a, slot->id))
            obey(a, slot, entry, basis, txn);
    }
    ledger_txn_erasure(txn, &row);
}

/* An own erase leaf that came back after a restore: what it destroyed was in the backup. */
void app_erase_restored(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn)
{
    struct case_slot *slot;
    uint16_t basis;
    const struct leaf *leaf = &entry->leaf;
    if (!erase_leaf_basis(leaf, &basis) || leaf->event_type == APP_ERASURE_HELD ||
        case_cache_get(a->cases, a->ledger, leaf->case_id, &slot, NULL) != 0)
        return;
    struct store_erasure row = {.node = leaf->origin,
                                .state = APP_ERASURE_DONE,
                                .basis = basis,
                                .at_ms = leaf->hlc >> 16,
                                .origin = leaf->origin,
                                .index = leaf->index};
    memcpy(row.case_id, slot->id, sizeof row.case_id);
    ledger_txn_erasure(txn, &row);
    destroy(a, slot, txn);
}

/* ---- reminding ---- */

#define REMIND_MS_MAX (3600u * 1000)

void app_erase_set_timer(struct app *a)
{
    loop_timer_set(a->erase_timer, min_of((uint64_t)a->config->erase_alarm_s * 1000, (uint64_t)REMIND_MS_MAX));
}

/* An alarm about every node that has let the time pass; what is held there has been answered for. */
void app_erase_remind(void *ctx)
{
    struct app *a = ctx;
    struct arena mem = ARENA_INIT;
    struct store_erasure *rows;
    size_t count = 0;
    uint64_t bound_ms = (uint64_t)a->config->erase_alarm_s * 1000, now = clock_wall_ms();
    struct store_reader *reader = a->ledger == NULL ? NULL : ledger_reader(a->ledger);
    if (reader != NULL && store_list_erasures_open(reader, LIST_ROWS_MAX, &mem, &rows, &count, NULL) == 0) {
        for (size_t i = 0; i < count; i++) {
            char hex[2 * CASE_ID_SIZE + 1], text[200];
            if (rows[i].state != APP_ERASURE_ORDERED || now < rows[i].at_ms + bound_ms)
                continue;
            hex_encode(rows[i].case_id, CASE_ID_SIZE, hex);
            (void)snprintf(
                text, sizeof text,
                "it has not acknowledged the erasure of case %s that was ordered %llu s ago; 'tongban erasure "
                "list' shows all",
                hex, (unsigned long long)((now - rows[i].at_ms) / 1000));
            replication_alarm(a->replication, rows[i].node, "erase.not-acknowledged", text);
        }
    }
    arena_close(&mem);
    app_erase_set_timer(a);
}

/* ---- showing ---- */

static void to_views(struct app *a, const struct store_erasure *rows, size_t count, struct app_erasure_view *views)
{
    for (size_t i = 0; i < count; i++) {
        const struct basis *basis = find_basis(rows[i].basis);
        views[i] = (struct app_erasure_view){.node = rows[i].node,
                                             .node_name = app_member_name(a, rows[i].node),
                                             .state = state_name(rows[i].state),
                                             .basis = basis == NULL ? "unknown" : basis->code,
                                             .basis_chinese = basis == NULL ? "" : basis->chinese,
                                             .article = basis == NULL ? "" : basis->article,
                                             .at_ms = rows[i].at_ms,
                                             .origin = rows[i].origin,
                                             .index = rows[i].index};
        memcpy(views[i].case_id, rows[i].case_id, sizeof views[i].case_id);
    }
}

int app_get_erasure(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct arena *mem,
                    struct app_erasure_view **ret, size_t *ret_count, const char **ret_hold, struct err *e)
{
    struct store_erasure *rows;
    struct store_hold held;
    size_t count = 0;
    int rc = app_check_reader(a, e);
    if (rc == 0)
        rc = store_read_erasures(ledger_reader(a->ledger), case_id, mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    *ret_hold = "";
    if (store_read_hold(ledger_reader(a->ledger), case_id, &held, NULL) == 0)
        *ret_hold = arena_strdup(mem, held.reason);
    *ret = arena_alloc(mem, (count + 1) * sizeof **ret);
    *ret_count = count;
    to_views(a, rows, count, *ret);
    return 0;
}

int app_list_erasures(struct app *a, size_t limit, struct arena *mem, struct app_erasure_view **ret, size_t *ret_count,
                      struct err *e)
{
    struct store_erasure *rows;
    size_t count = 0;
    int rc = app_check_reader(a, e);
    if (rc == 0)
        rc = store_list_erasures_open(ledger_reader(a->ledger), min_of(limit, (size_t)LIST_ROWS_MAX), mem, &rows,
                                      &count, e);
    if (rc != 0)
        return rc;
    *ret = arena_alloc(mem, (count + 1) * sizeof **ret);
    *ret_count = count;
    to_views(a, rows, count, *ret);
    return 0;
}
