/* Commands: an application at the window, events on a case, and 签收 by the node itself (see app.h).
 *
 * Happy path: idempotency key -> item, route, identity -> drafts -> case_command_check() for each -> leaves, row, key in one
 * transaction -> durable -> callback (and, if asked, when every other participant has it too).
 * Failure modes: refused by a rule -> callback with the reason, nothing written; the commit fails -> callback with why,
 * the ledger drops what was in memory; the same key again -> the first one's result, whether it is done or still on its way.
 *
 * Several events of one request are checked in turn on a copy of the case file first: all of them, or none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/item.h"
#include "catalog/service.h"
#include "node/app_command.h"
#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/division.h"
#include "node/base/log.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"
#include "node/cases/rules.h"

#define PEER_WAIT_MS 5000u

/* A request with an Idempotency-Key that is on its way: the same again waits for the same end. */
struct request_flight {
    uint8_t key_hash[32];
    uint8_t body_hash[32];
    struct list waiters; /* struct command */
};

/* One command from its call to its callback. */
struct command {
    struct list link; /* in a flight's waiters */
    struct loop_item later;
    struct app *app;
    app_command_cb cb;
    void *ctx;
    struct app_command_result result;
    struct err error;
    struct request_flight *flight; /* it leads this one */
    uint8_t body_hash[32];
    bool wait_peers;
    uint32_t wait_ms;
    uint32_t peers[APP_WAIT_PEERS_MAX];
    size_t peer_count;
};

/* ---- ending ---- */

static void command_end(struct command *c)
{
    c->cb(c->ctx, &c->result, &c->error);
    free(c->result.warnings);
    free(c);
}

static void peers_reached(void *ctx, bool reached)
{
    struct command *c = ctx;
    c->result.peers_durable = reached;
    command_end(c);
}

/* Ends a command whose entries are durable here: at once, or when every other participant has them, too. */
static void end_durable(struct command *c)
{
    if (!c->wait_peers) {
        command_end(c);
        return;
    }
    struct peer_wait_request w = {.end = c->result.first_index + c->result.count,
                                  .peer_count = c->peer_count,
                                  .timeout_ms = c->wait_ms,
                                  .done = peers_reached,
                                  .ctx = c};
    memcpy(w.peers, c->peers, sizeof w.peers);
    app_wait_peers(c->app, &w);
}

static void later_run(struct loop_item *item)
{
    struct command *c = container_of(item, struct command, later);
    if (c->error.code == 0)
        end_durable(c); /* done before: a repeated request waits like the first one */
    else
        command_end(c);
}

/* The callback never runs from inside the call. */
static void command_end_later(struct command *c)
{
    c->later.run = later_run;
    list_init(&c->later.link);
    loop_post(c->app->loop, &c->later);
}

static void fail_later(struct command *c, const struct err *e)
{
    c->error = *e;
    command_end_later(c);
}

static struct command *command_create(struct app *a, const struct app_request *r, app_command_cb cb, void *ctx)
{
    struct command *c = xcalloc(1, sizeof *c);
    list_init(&c->link);
    c->app = a;
    c->cb = cb;
    c->ctx = ctx;
    c->result.origin = a->config->region;
    if (r != NULL) {
        memcpy(c->body_hash, r->body_hash, sizeof c->body_hash);
        c->wait_peers = r->wait_peers;
        c->wait_ms = r->wait_ms == 0 ? PEER_WAIT_MS : r->wait_ms;
    }
    return c;
}

/* A stopped ledger takes no command, not even one that is there already: it may hold what was never sealed. */
static int check_open(struct app *a, struct err *e)
{
    int rc = ledger_check_writable(a->ledger, e);
    return rc != 0 ? rc : app_check_reader(a, e);
}

/* ---- idempotency ---- */

static size_t participants(const struct app *a, struct casefile *file, const struct app_draft *drafts, size_t count,
                           uint32_t peers[LEAF_RECIPIENTS_MAX]);

/* Whom a request that was done before has to wait for. */
static void fill_peers(struct command *c)
{
    struct case_slot *slot;
    if (c->wait_peers && case_cache_get(c->app->cases, c->app->ledger, c->result.case_id, &slot, NULL) == 0)
        c->peer_count = participants(c->app, slot->file, NULL, 0, c->peers);
}

static int key_conflict(struct err *e)
{
    err_set(e, ERR_CONFLICT, "request.key-reused", "this Idempotency-Key was used before with another request");
    err_hint(e, "a new request needs a new key; a repeated one must be the same to the byte");
    return ERR_CONFLICT;
}

static void hash_key(const char *key, uint8_t out[32])
{
    struct bytes parts[] = {bytes_of_string("tongban/idempotency-key/1\n"), bytes_of_string(key)};
    crypto_sha256(parts, array_count(parts), out);
}

bool app_find_request(struct app *a, const struct app_request *r, struct app_command_result *ret)
{
    struct store_request row;
    uint8_t hash[32];
    if (r->idempotency_key == NULL || ledger_reader(a->ledger) == NULL)
        return false;
    hash_key(r->idempotency_key, hash);
    if (store_read_request(ledger_reader(a->ledger), hash, &row, NULL) != 0 ||
        memcmp(row.body_hash, r->body_hash, sizeof row.body_hash) != 0)
        return false;
    *ret = (struct app_command_result){
        .origin = a->config->region, .first_index = row.first_index, .count = row.count, .replayed = true};
    memcpy(ret->case_id, row.case_id, sizeof ret->case_id);
    return true;
}

/* True when the key settles the command: done before, on its way, or reused; it was then ended or queued. */
static bool settle_by_key(struct command *c, const char *key)
{
    struct app *a = c->app;
    struct err e = {0};
    struct store_request row;
    uint8_t hash[32];
    hash_key(key, hash);

    struct request_flight *flight = map_get(&a->requests, hash, sizeof hash);
    if (flight != NULL) {
        if (memcmp(flight->body_hash, c->body_hash, sizeof c->body_hash) == 0)
            list_append(&flight->waiters, &c->link);
        else
            (void)key_conflict(&e);
    } else if (store_read_request(ledger_reader(a->ledger), hash, &row, &e) == 0) {
        if (memcmp(row.body_hash, c->body_hash, sizeof c->body_hash) == 0) {
            memcpy(c->result.case_id, row.case_id, sizeof row.case_id);
            c->result.first_index = row.first_index;
            c->result.count = row.count;
            c->result.replayed = true;
            fill_peers(c);
            command_end_later(c);
        } else {
            (void)key_conflict(&e);
        }
    } else if (e.code == ERR_NOT_FOUND) {
        flight = xcalloc(1, sizeof *flight);
        memcpy(flight->key_hash, hash, sizeof hash);
        memcpy(flight->body_hash, c->body_hash, sizeof c->body_hash);
        list_init(&flight->waiters);
        (void)map_put(&a->requests, hash, sizeof hash, flight);
        c->flight = flight;
        return false;
    }
    if (e.code != 0)
        fail_later(c, &e);
    return true;
}

/* The leader of a flight has ended: so have those who asked the same meanwhile. */
static void flight_end(struct command *c)
{
    struct request_flight *flight = c->flight;
    if (flight == NULL)
        return;
    c->flight = NULL;
    (void)map_remove(&c->app->requests, flight->key_hash, sizeof flight->key_hash);
    struct list *at;
    while ((at = list_pop_first(&flight->waiters)) != NULL) {
        struct command *waiter = container_of(at, struct command, link);
        waiter->result = c->result;
        waiter->result.replayed = true;
        if (c->result.warnings != NULL)
            waiter->result.warnings = xmemdup(c->result.warnings, sizeof *c->result.warnings);
        memcpy(waiter->peers, c->peers, sizeof waiter->peers);
        waiter->peer_count = c->peer_count;
        waiter->error = c->error;
        command_end_later(waiter);
    }
    free(flight);
}

static void fail_leader(struct command *c, const struct err *e)
{
    c->error = *e;
    flight_end(c);
    command_end_later(c);
}

/* ---- writing ---- */

static void committed(void *ctx, const struct err *e)
{
    struct command *c = ctx;
    c->error = *e;
    flight_end(c);
    if (e->code != 0) {
        command_end(c);
        return;
    }
    app_notify_case(c->app, c->result.case_id);
    end_durable(c);
}

static void add_peer(const struct app *a, uint32_t code, uint32_t *peers, size_t *count, size_t max)
{
    if (code == 0 || code == a->config->region || members_find(a->members, code) == NULL)
        return;
    size_t at = 0;
    while (at < *count && peers[at] < code)
        at++;
    if ((at < *count && peers[at] == code) || *count == max)
        return;
    memmove(&peers[at + 1], &peers[at], (*count - at) * sizeof *peers);
    peers[at] = code;
    ++*count;
}

/* Every other node that has a part in the case: ascending, as the leaf wants them. */
static size_t participants(const struct app *a, struct casefile *file, const struct app_draft *drafts, size_t count,
                           uint32_t peers[LEAF_RECIPIENTS_MAX])
{
    size_t n = 0;
    const struct case_state *state = casefile_state(file);
    add_peer(a, state->receiving, peers, &n, LEAF_RECIPIENTS_MAX);
    add_peer(a, state->lead, peers, &n, LEAF_RECIPIENTS_MAX);
    const struct case_effect *effects;
    size_t effect_count = casefile_effects(file, &effects);
    uint32_t origin = 0, lead = 0; /* those of the event before: mostly the same, and a case has hundreds */
    for (size_t i = 0; i < effect_count; i++) {
        const struct case_held *event = effects[i].event;
        if (event->origin == origin && event->lead == lead)
            continue;
        origin = event->origin;
        lead = event->lead;
        add_peer(a, origin, peers, &n, LEAF_RECIPIENTS_MAX);
        add_peer(a, lead, peers, &n, LEAF_RECIPIENTS_MAX);
    }
    for (size_t i = 0; i < count; i++)
        add_peer(a, drafts[i].command.lead, peers, &n, LEAF_RECIPIENTS_MAX);
    for (size_t i = 0; i < a->config->mirror_count; i++)
        add_peer(a, a->config->mirrors[i], peers, &n, LEAF_RECIPIENTS_MAX);
    return n;
}

size_t app_participants(const struct app *a, struct casefile *file, uint32_t peers[LEAF_RECIPIENTS_MAX])
{
    return participants(a, file, NULL, 0, peers);
}

/* Whether all drafts would be accepted one after the other; on a copy, with made-up ids. */
static int rehearse(struct casefile *file, const uint8_t case_id[CASE_ID_SIZE], const struct app_draft *drafts,
                    size_t count, struct err *e)
{
    struct casefile *copy = casefile_create(case_id);
    const struct case_effect *effects;
    struct case_event event;
    int rc = 0;
    size_t held = casefile_effects(file, &effects);
    for (size_t i = 0; rc == 0 && i < held; i++) {
        case_event_of_held(effects[i].event, &event);
        rc = casefile_add(copy, &event, e);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = case_command_check(copy, &drafts[i].command, &event, e);
        if (rc != 0)
            break;
        crypto_random(event.id, sizeof event.id);
        event.index = MERKLE_SIZE_MAX - count + i;
        event.hlc = casefile_state(copy)->updated_hlc + 1;
        rc = casefile_add(copy, &event, e);
    }
    casefile_destroy(copy);
    return rc;
}

/* Appends @event, which case_command_check() made of @d for the case as it is, and takes it into the case file. It gets its place and id. */
static int append_event(struct app *a, struct case_slot *slot, const struct app_draft *d, struct case_event *event,
                        const struct payload_key *key, const uint32_t *peers, size_t peer_count, struct ledger_txn *txn,
                        uint64_t *ret_index, struct err *e)
{
    struct buf storage = {0};
    struct case_attr attrs[CASE_EVENT_ATTRS_MAX];
    unsigned attr_count;
    case_event_encode_attrs(event, &storage, attrs, array_count(attrs), &attr_count);
    const struct case_state *state = casefile_state(slot->file);
    const char *item_code = event->type == CASE_EVENT_SUBMIT ? event->item_code : state->item_code;
    struct leaf leaf = {.kind = LEAF_KIND_EVENT,
                        .event_type = event->type,
                        .role = event->role,
                        .rules_version = event->rules_version,
                        .service = service_code(item_code),
                        .parent_count = event->parent_count,
                        .attr_count = (uint16_t)attr_count};
    memcpy(leaf.case_id, slot->id, sizeof leaf.case_id);
    for (unsigned i = 0; i < event->parent_count; i++) {
        leaf.parents[i] = (struct leaf_parent){.node = event->parents[i].origin, .index = event->parents[i].index};
        memcpy(leaf.parents[i].hash.b, event->parents[i].id, sizeof leaf.parents[i].hash.b);
    }
    for (unsigned i = 0; i < attr_count; i++)
        leaf.attrs[i] = (struct leaf_attr){.tag = attrs[i].tag, .value = attrs[i].value};

    struct merkle_hash hash;
    ledger_txn_append(txn, &leaf, state->updated_hlc, peers, peer_count, d->payload, key, &hash);
    case_event_of_leaf(&leaf, &hash, event);
    if (event->has_file)
        app_material_entry(a, slot->id, leaf.origin, leaf.index, event->file, txn);
    buf_close(&storage);
    *ret_index = leaf.index;
    return casefile_add(slot->file, event, e);
}

/* Checks, appends, and takes one draft into the case file. */
static int append_draft(struct app *a, struct case_slot *slot, const struct app_draft *d, const struct payload_key *key,
                        const uint32_t *peers, size_t peer_count, struct ledger_txn *txn, uint64_t *ret_index,
                        struct err *e)
{
    struct case_event event;
    int rc = case_command_check(slot->file, &d->command, &event, e);
    return rc != 0 ? rc : append_event(a, slot, d, &event, key, peers, peer_count, txn, ret_index, e);
}

static int check_room(struct app *a, const struct app_draft *drafts, size_t count, struct casefile *file, struct err *e)
{
    int rc = ledger_check_writable(a->ledger, e);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        if (drafts[i].payload.size > PAYLOAD_PLAIN_BYTES_MAX)
            return err_set(e, ERR_LIMIT, "case.payload-size", "the content has %zu bytes, the limit is %u",
                           drafts[i].payload.size, PAYLOAD_PLAIN_BYTES_MAX);
    return casefile_check_room(file, a->config->region, (unsigned)count, e);
}

static bool has_content(const struct app_draft *drafts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (drafts[i].payload.size > 0)
            return true;
    return false;
}

/* Whether all of @drafts may be written on @slot's case, one after the other. One alone becomes @ret_only. */
static int check_drafts(struct app *a, struct case_slot *slot, const struct app_draft *drafts, size_t count,
                        struct case_event *ret_only, struct err *e)
{
    int rc = check_room(a, drafts, count, slot->file, e);
    if (rc == 0) /* one alone is judged where it is; several need a copy, each builds on the one before */
        rc = count == 1 ? case_command_check(slot->file, &drafts[0].command, ret_only, e)
                        : rehearse(slot->file, slot->id, drafts, count, e);
    return rc;
}

/* Writes what check_drafts() has passed for @peers, and what follows from it here. @only: what check_drafts() made of one alone,
 * in this turn of the loop; NULL: each is judged again. Returns the first one's index. */
static uint64_t put_drafts(struct app *a, struct case_slot *slot, const struct app_draft *drafts, size_t count,
                           struct case_event *only, const struct payload_key *key, const uint32_t *peers,
                           size_t peer_count, struct ledger_txn *txn)
{
    uint64_t first = 0;
    case_cache_touch(slot, txn); /* it stays in the cache while others are read */
    for (size_t i = 0; i < count; i++) {
        uint64_t index;
        struct err e;
        int rc = only != NULL ? append_event(a, slot, &drafts[i], only, key, peers, peer_count, txn, &index, &e)
                              : append_draft(a, slot, &drafts[i], key, peers, peer_count, txn, &index, &e);
        xassert(rc == 0); /* it was judged, and there is room */
        first = i == 0 ? index : first;
    }
    app_react(a, slot, txn); /* a case that this node itself decides */
    app_follow_part(a, slot, txn);
    app_follow_parts(a, slot, txn);
    app_follow_whole(a, slot, txn);
    app_case_changed(a, slot, txn);
    return first;
}

static void put_request(struct command *c, struct ledger_txn *txn)
{
    if (c->flight == NULL)
        return;
    struct store_request request = {.first_index = c->result.first_index, .count = c->result.count};
    memcpy(request.key_hash, c->flight->key_hash, sizeof request.key_hash);
    memcpy(request.body_hash, c->flight->body_hash, sizeof request.body_hash);
    memcpy(request.case_id, c->result.case_id, sizeof request.case_id);
    ledger_txn_request(txn, &request);
}

/* Writes @drafts on @slot's case, with @counter when not NULL. @c ends with the transaction. */
static int write_drafts(struct command *c, struct case_slot *slot, const struct app_draft *drafts, size_t count,
                        const struct store_counter *counter, struct err *e)
{
    struct app *a = c->app;
    struct case_event only;
    int rc = check_drafts(a, slot, drafts, count, &only, e);
    struct payload_key key = {0};
    bool may_read = app_may_read(slot->file, a->config->region);
    if (rc == 0 && has_content(drafts, count) && !may_read) {
        rc = err_set(e, ERR_DENIED, "case.no-content",
                     "this node has no part in the case yet and cannot seal words for it");
        err_hint(e, "give the reason as a code (reason_code): it stands openly in the ledger");
    } else if (rc == 0 && has_content(drafts, count)) {
        rc = app_case_key(a, slot, &key, e);
        if (rc == ERR_BUSY)
            app_pull_key(a, slot);
    }
    if (rc != 0)
        return rc;

    c->peer_count = participants(a, slot->file, drafts, count, c->peers);
    struct ledger_txn *txn = ledger_txn_create(a->ledger);
    if (!may_read) /* 督办 by a superior */
        app_pull_join(a, slot->id, txn);
    memcpy(c->result.case_id, slot->id, sizeof c->result.case_id);
    c->result.count = (uint32_t)count;
    c->result.first_index =
        put_drafts(a, slot, drafts, count, count == 1 ? &only : NULL, &key, c->peers, c->peer_count, txn);
    crypto_wipe(&key, sizeof key);
    if (counter != NULL)
        ledger_txn_counter(txn, counter);
    put_request(c, txn);
    ledger_commit(txn, committed, c);
    return 0;
}

bool app_add_event(struct app *a, struct case_slot *slot, const struct app_draft *d, struct ledger_txn *txn)
{
    struct err e = {0};
    struct payload_key key = {0};
    struct case_event event;
    uint32_t peers[LEAF_RECIPIENTS_MAX];
    uint64_t index;
    int rc = check_room(a, d, 1, slot->file, &e);
    if (rc == 0)
        rc = case_command_check(slot->file, &d->command, &event, &e);
    if (rc == 0 && d->payload.size > 0)
        rc = app_case_key(a, slot, &key, &e);
    if (rc == 0)
        rc = append_event(a, slot, d, &event, &key, peers, participants(a, slot->file, d, 1, peers), txn, &index, &e);
    crypto_wipe(&key, sizeof key);
    return rc == 0;
}

static void nothing_committed(void *ctx, const struct err *e)
{
    (void)ctx;
    (void)e; /* there was nothing in it */
}

int app_write_cases(struct command *c, const struct app_new_case *cases, size_t count, struct err *e)
{
    struct app *a = c->app;
    struct case_slot *slots[APP_NEW_CASES_MAX];
    struct payload_key keys[APP_NEW_CASES_MAX] = {0};
    xassert(count > 0 && count <= APP_NEW_CASES_MAX);
    int rc = ledger_check_writable(a->ledger, e);
    if (rc != 0)
        return rc;
    struct ledger_txn *txn = ledger_txn_create(a->ledger);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = case_cache_get(a->cases, a->ledger, cases[i].id, &slots[i], e);
        if (rc != 0)
            break;
        case_cache_touch(slots[i], txn); /* so that all of them stay in the cache */
        struct case_event ignored;
        rc = check_drafts(a, slots[i], cases[i].drafts, cases[i].count, &ignored, e);
        if (rc == 0 && cases[i].is_open)
            rc = app_case_key(a, slots[i], &keys[i], e);
        if (rc != 0 && cases[i].what != NULL)
            rc = err_wrap(e, "%s", cases[i].what);
    }
    if (rc != 0) {
        ledger_commit(txn, nothing_committed, NULL);
        goto out;
    }

    memcpy(c->result.case_id, cases[0].id, sizeof c->result.case_id);
    for (size_t i = 0; i < count; i++) {
        uint32_t peers[LEAF_RECIPIENTS_MAX];
        if (!cases[i].is_open) {
            (void)snprintf(slots[i]->item_name, sizeof slots[i]->item_name, "%s", cases[i].item_name);
            app_make_key(slots[i], txn, &keys[i]);
        }
        size_t peer_count = participants(a, slots[i]->file, cases[i].drafts, cases[i].count, peers);
        uint64_t first =
            put_drafts(a, slots[i], cases[i].drafts, cases[i].count, NULL, &keys[i], peers, peer_count, txn);
        c->result.first_index = i == 0 ? first : c->result.first_index;
        c->result.count = (uint32_t)(first - c->result.first_index + cases[i].count);
        peer_count = app_participants(a, slots[i]->file, peers);
        for (size_t n = 0; n < peer_count; n++)
            add_peer(a, peers[n], c->peers, &c->peer_count, APP_WAIT_PEERS_MAX);
    }
    put_request(c, txn);
    ledger_commit(txn, committed, c);

out:
    crypto_wipe(keys, sizeof keys);
    return rc;
}

/* ---- application at the window ---- */

/* The item, by its deciding node; without one, by who decides it for the division. An abolished division becomes what it is today. */
static int find_item(struct app *a, const struct app_submission *s, struct app_new_case *one, uint32_t *division,
                     struct arena *mem, struct app_item_view *ret, struct err *e)
{
    const char *why = NULL;
    app_follow_succession(a, division);
    if (s->item_node != 0)
        return app_get_item(a, s->item_node, s->item_code, mem, ret, e);
    int rc = app_route_application(a, s->item_code, *division, mem, ret, &why, e);
    if (rc == 0) {
        (void)snprintf(one->route_why, sizeof one->route_why, "%s", why);
        utf8_trim_partial(one->route_why);
    }
    return rc;
}

static int check_mode(const struct catalog_item *item, uint8_t wanted, uint8_t *ret, struct err *e)
{
    static const struct {
        uint8_t mode;
        unsigned bit;
        const char *text;
    } modes[] = {{CASE_MODE_COLLECT, 1u << CATALOG_MODE_FORWARDED, "异地代收代办"},
                 {CASE_MODE_ONLINE, 1u << CATALOG_MODE_ONLINE, "全程网办"},
                 {CASE_MODE_JOINT, 1u << CATALOG_MODE_JOINT, "多地联办"}};
    for (size_t i = 0; i < array_count(modes); i++) {
        bool offered = item->modes == 0 || (item->modes & modes[i].bit) != 0; /* 0: the source does not say */
        if (wanted == modes[i].mode && !offered)
            return err_set(e, ERR_INVALID, "case.mode", "mode %s is not offered for item '%s'", modes[i].text,
                           item->code);
        if (offered && (wanted == 0 || wanted == modes[i].mode)) {
            *ret = modes[i].mode;
            return 0;
        }
    }
    return err_set(e, ERR_INVALID, "case.mode", "mode %u is not known", wanted);
}

/* A node whose own code is abolished goes on deciding what lies in it, since the member list and its catalog name it by that code. */
static void keep_of_abolished_node(const struct app *a, uint32_t node, uint32_t given, uint32_t *division)
{
    uint32_t today = node;
    if (division_contains(node, *division) || !division_contains(node, given))
        return;
    app_follow_succession(a, &today);
    if (today != node)
        *division = given;
}

/* 形式审查 of what the node can check: the item takes applications, the division is the deciding node's; the rest are warnings. */
static int check_form(struct app *a, const struct app_submission *s, const struct app_item_view *view, uint32_t given,
                      uint32_t division, struct case_command *ret, struct app_command_result *result, struct err *e)
{
    char today[32] = "";
    struct catalog_item *item;
    int rc = catalog_item_parse(view->json, view->node, view->code, &item, e);
    if (rc != 0)
        return rc;
    if (view->withdrawn || !catalog_item_is_open(item, clock_china_date(clock_wall_ms())))
        rc = err_set(e, ERR_CONFLICT, "case.item-closed", "item '%s' of node %u takes no applications now", view->code,
                     view->node);
    else if (members_find(a->members, view->node) == NULL)
        rc = err_set(e, ERR_NOT_FOUND, "case.no-member", "node %u is no member", view->node);
    else if (division == 0)
        rc = err_set(e, ERR_INVALID, "case.division",
                     "division is missing: the home division of the matter, six digits");
    else if (!division_contains(view->node, division)) {
        if (given != division)
            (void)snprintf(today, sizeof today, " (today %u)", division);
        rc = err_set(e, ERR_INVALID, "case.route", "division %u%s does not belong to node %u, which decides item '%s'",
                     given, today, view->node, view->code);
        err_hint(e, "give the home division of the matter in 'division' when it is not the one of the identity number");
    } else
        rc = check_mode(item, s->mode, &ret->mode, e);
    if (rc == 0 && s->promise)
        rc = app_check_promise(item, e);
    if (rc == 0)
        app_item_terms(item, ret->mode, ret);
    if (rc == 0)
        app_form_warnings(item, s, result);
    catalog_item_destroy(item);
    return rc;
}

/* Who took it in, when, and 64 random bits: the fold prefers that node's 收件 to any other root under the id
 * (casefile.h), new cases lie side by side on disk, and nobody who has no part in a case can guess its id. */
void app_new_case_id(const struct app *a, uint8_t id[CASE_ID_SIZE])
{
    put_be32(id, a->config->region);
    put_be32(id + 4, (uint32_t)(clock_wall_ms() / 1000));
    crypto_random(id + 8, CASE_ID_SIZE - 8);
}

int app_prepare_case(struct app *a, const struct app_submission *s, uint32_t division, struct app_new_case *ret,
                     struct app_command_result *result, struct err *e)
{
    static const uint16_t types[] = {CASE_EVENT_SUBMIT, CASE_EVENT_IDENTITY, CASE_EVENT_FORM, CASE_EVENT_FORWARD};
    struct arena mem = ARENA_INIT;
    struct app_item_view item;
    struct case_command terms = {0};
    uint32_t given = division;
    int rc = find_item(a, s, ret, &division, &mem, &item, e);
    if (rc == 0) {
        keep_of_abolished_node(a, item.node, given, &division);
        rc = check_form(a, s, &item, given, division, &terms, result, e);
    }
    if (rc == 0 && given != division)
        app_warn(result, "division %u is abolished: the case goes by %u, which took its place", given, division);
    if (rc != 0)
        goto out;

    ret->count = s->forward ? 4 : 3;
    for (size_t i = 0; i < ret->count; i++)
        ret->drafts[i] = (struct app_draft){.command = {.self = a->config->region,
                                                        .type = types[i],
                                                        .role = app_receiving_role(terms.mode, types[i], 0)}};
    ret->drafts[0].payload = s->payload;
    struct case_command *root = &ret->drafts[0].command;
    root->lead = item.node;
    root->division = division;
    root->item_version = item.version;
    root->mode = terms.mode;
    root->has_limits = terms.has_limits;
    memcpy(root->limits, terms.limits, sizeof root->limits);
    root->promise = s->promise ? 1 : 0;
    root->has_parent = s->parent != NULL;
    if (s->parent != NULL)
        memcpy(root->parent, s->parent, sizeof root->parent);
    (void)snprintf(root->item_code, sizeof root->item_code, "%s", item.code);
    (void)snprintf(ret->item_name, sizeof ret->item_name, "%s", item.name);

out:
    arena_close(&mem);
    return rc;
}

static int submit(struct command *c, const void *arg, struct err *e)
{
    const struct app_submission *s = arg;
    uint32_t division;
    struct app_new_case one = {0};
    int rc = app_check_persons(c->app, s, &division, &c->result, e);
    if (rc == 0 && s->parent != NULL)
        rc = app_check_parent(c->app, s->parent, &c->result, e);
    if (rc == 0)
        rc = app_prepare_case(c->app, s, division, &one, &c->result, e);
    if (rc != 0)
        return rc;
    c->result.route_node = s->item_node == 0 ? one.drafts[0].command.lead : 0;
    (void)snprintf(c->result.route_why, sizeof c->result.route_why, "%s", one.route_why);
    app_new_case_id(c->app, one.id);
    return app_write_cases(c, &one, 1, e);
}

struct app_command_result *app_command_told(struct command *c)
{
    return &c->result;
}

int app_command_persons(struct command *c, const struct app_submission *s, uint32_t *ret_division, struct err *e)
{
    return app_check_persons(c->app, s, ret_division, &c->result, e);
}

void app_run_command(struct app *a, const struct app_request *r, app_command_cb cb, void *ctx,
                     int (*run)(struct command *c, const void *arg, struct err *e), const void *arg)
{
    struct command *c = command_create(a, r, cb, ctx);
    struct err e = {0};
    if (check_open(a, &e) != 0) {
        fail_later(c, &e);
        return;
    }
    if (r->idempotency_key != NULL && settle_by_key(c, r->idempotency_key))
        return;
    if (run(c, arg, &e) != 0)
        fail_leader(c, &e);
}

void app_submit(struct app *a, const struct app_submission *s, const struct app_request *r, app_command_cb cb,
                void *ctx)
{
    app_run_command(a, r, cb, ctx, submit, s);
}

/* ---- events on a case ---- */

/* What an applicant has to be told the reason of, in words: a code alone prints as a notice without one. Not a rule of the fold,
 * which reads no content, except for a denial and an extension: there the rules ask for it by themselves. */
static bool needs_reason(uint16_t type)
{
    return type == CASE_EVENT_CORRECT || type == CASE_EVENT_NOT_REQUIRED || type == CASE_EVENT_REFUSE ||
           type == CASE_EVENT_REVOKE;
}

static int check_reason(const struct app_event *in, struct err *e)
{
    if (!needs_reason(in->type) || (in->told & CASE_TOLD_REASONS) != 0)
        return 0;
    return err_set(
        e, ERR_CONFLICT, "case.reasons_untold",
        "%s (%s) needs the reason in words ('reason'), told to the applicant: a code alone is none; rule: %s",
        case_event_name(in->type), case_event_chinese(in->type), rules_find(CASE_RULES_VERSION, in->type)->source);
}

static int draft_of(struct app *a, struct case_slot *slot, const struct app_event *in, struct app_draft *ret,
                    struct err *e)
{
    const struct case_state *state = casefile_state(slot->file);
    struct case_command *cmd = &ret->command;
    *cmd = (struct case_command){.self = a->config->region,
                                 .type = in->type,
                                 .role = app_event_role(a->config->region, state, in->type, in->channel),
                                 .decision = in->decision,
                                 .grade = in->grade,
                                 .channel = in->channel,
                                 .pause_kind = in->pause_kind,
                                 .unit = in->unit,
                                 .expected_days = in->expected_days,
                                 .extend_days = in->extend_days,
                                 .lacking_days = in->lacking_days,
                                 .told = in->type == CASE_EVENT_CORRECT ? 0 : in->told, /* has no such attribute */
                                 .side = in->side,
                                 .review = in->review,
                                 .has_part = in->part != NULL,
                                 .lead = in->lead,
                                 .has_last_leaf = in->has_last_leaf,
                                 .last_leaf = in->last_leaf};
    ret->payload = in->payload;
    if (in->part != NULL)
        memcpy(cmd->part, in->part, sizeof cmd->part);
    cmd->has_official = in->official != NULL;
    int rc = in->official == NULL ? 0 : app_official(a, slot, in->official, cmd->official, e);
    bool accepts_lacking = in->type == CASE_EVENT_ACCEPT && (in->lacking_days != 0 || in->lacking_count > 0);
    if (rc == 0 && accepts_lacking && state->lead == cmd->self) /* else the rules refuse it: not this node's act */
        rc = app_check_lacking(a, slot->file, in, e);
    if (rc == 0 && state->lead == cmd->self)
        rc = check_reason(in, e);
    if (rc == 0 && in->type == CASE_EVENT_CHARGE)
        rc = app_check_fee(a, state, e);
    if (rc == 0 && in->type == CASE_EVENT_PAUSE)
        rc = app_pause_terms(a, state, cmd, e);
    if (rc != 0)
        return rc;
    if (in->file != NULL) {
        cmd->has_file = true;
        memcpy(cmd->file, in->file, sizeof cmd->file);
    }
    if (in->reason_code != NULL && strlen(in->reason_code) >= sizeof cmd->reason)
        return err_set(e, ERR_LIMIT, "case.reason-size", "reason_code has %zu bytes, the limit is %zu",
                       strlen(in->reason_code), sizeof cmd->reason - 1);
    if (in->reason_code != NULL)
        (void)snprintf(cmd->reason, sizeof cmd->reason, "%s", in->reason_code);
    if ((in->type == CASE_EVENT_HANDOVER || (in->type == CASE_EVENT_SUPERVISE && in->lead != 0)) &&
        members_find(a->members, in->lead) == NULL)
        return err_set(e, ERR_NOT_FOUND, "case.no-member", "node %u is no member", in->lead);
    return 0;
}

/* 办件编码: item code, day, and a serial that the deciding node counts per item and day. */
static int next_number(struct app *a, const char *item_code, char out[64], struct store_counter *counter, struct err *e)
{
    uint32_t date = clock_china_date(clock_wall_ms());
    (void)snprintf(counter->name, sizeof counter->name, "number/%s/%u", item_code, date);
    uint64_t *last = map_get(&a->serials, counter->name, strlen(counter->name));
    if (last == NULL) {
        last = xcalloc(1, sizeof *last);
        int rc = store_read_counter(ledger_reader(a->ledger), counter->name, last, e);
        if (rc != 0) {
            free(last);
            return rc;
        }
        (void)map_put(&a->serials, counter->name, strlen(counter->name), last);
    }
    counter->value = ++*last; /* numbers of failed transactions are not used again: gaps are allowed, doubles are not */
    (void)snprintf(out, 64, "%s%u%04llu", item_code, date, (unsigned long long)counter->value);
    return 0;
}

static int append(struct command *c, const uint8_t case_id[CASE_ID_SIZE], const struct app_event *events, size_t count,
                  struct err *e)
{
    struct app *a = c->app;
    struct case_slot *slot;
    if (count == 0 || count > CASE_EVENTS_PER_REQUEST_MAX)
        return err_set(e, ERR_LIMIT, "case.events-of-request", "%zu events in one request, allowed are 1 to %u", count,
                       CASE_EVENTS_PER_REQUEST_MAX);
    int rc = case_cache_get(a->cases, a->ledger, case_id, &slot, e);
    if (rc != 0)
        return rc;
    const struct case_state *state = casefile_state(slot->file);
    if (state->root == NULL)
        return err_set(e, ERR_NOT_FOUND, "case.unknown", "no such case is held here");

    struct app_draft *drafts =
        xcalloc(count, sizeof *drafts); /* 100 of them on the stack cost every event their zeroes */
    struct store_counter counter = {0};
    bool numbered = false;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = draft_of(a, slot, &events[i], &drafts[i], e);
        if (rc == 0 && events[i].type == CASE_EVENT_RECEIPT && state->lead == a->config->region && !numbered) {
            rc = next_number(a, state->item_code, drafts[i].command.number, &counter, e);
            app_receipt_terms(a, state, &drafts[i].command);
            numbered = true;
        }
    }
    if (rc == 0)
        rc = write_drafts(c, slot, drafts, count, numbered ? &counter : NULL, e);
    free(drafts);
    return rc;
}

void app_append(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_event *events, size_t count,
                const struct app_request *r, app_command_cb cb, void *ctx)
{
    struct command *c = command_create(a, r, cb, ctx);
    struct err e = {0};
    if (check_open(a, &e) != 0) {
        fail_later(c, &e);
        return;
    }
    if (r->idempotency_key != NULL && settle_by_key(c, r->idempotency_key))
        return;
    if (append(c, case_id, events, count, &e) != 0)
        fail_leader(c, &e);
}

/* ---- what the deciding node does by itself ---- */

static void accepted_by_law(void *ctx, const struct app_command_result *result, const struct err *e)
{
    struct app *a = ctx;
    char hex[2 * CASE_ID_SIZE + 1];
    hex_encode(result->case_id, CASE_ID_SIZE, hex);
    if (e->code == 0)
        log_warn(
            "deadline", hex, "deadline.deemed",
            "accepted by law: the applicant was not told in time what to correct (行政许可法第三十二条第一款第四项)");
    else if (a->stopped.code == 0)
        log_warn("deadline", hex, e->id, "cannot be accepted by law now: %s", e->message);
}

void app_accept_by_law(struct app *a, const uint8_t case_id[CASE_ID_SIZE])
{
    struct case_slot *slot;
    struct err e = {0};
    if (case_cache_get(a->cases, a->ledger, case_id, &slot, &e) != 0)
        return;
    const struct case_state *state = casefile_state(slot->file);
    bool waits = state->status == CASE_STATUS_ARRIVED || state->status == CASE_STATUS_CORRECTED;
    if (!waits || state->lead != a->config->region || case_cache_in_flight(slot, a->ledger))
        return; /* in flight: seen again in a minute */
    struct app_draft d = {.command = {.self = a->config->region, .type = CASE_EVENT_ACCEPT, .role = CASE_ROLE_SYSTEM}};
    struct command *c = command_create(a, NULL, accepted_by_law, a);
    memcpy(c->result.case_id, case_id, CASE_ID_SIZE);
    if (write_drafts(c, slot, &d, 1, NULL, &e) != 0)
        fail_later(c, &e);
}

static int reaction(struct app *a, struct case_slot *slot, struct ledger_txn *txn, struct app_draft *d, struct err *e)
{
    const struct case_state *state = casefile_state(slot->file);
    *d = (struct app_draft){.command = {.self = a->config->region, .role = CASE_ROLE_SYSTEM}};
    if (state->lead != a->config->region || (state->flags & CASE_FLAG_FROZEN) != 0)
        return 0;
    if (state->status == CASE_STATUS_FORWARDED) {
        struct store_counter counter = {0};
        int rc = next_number(a, state->item_code, d->command.number, &counter, e);
        if (rc != 0)
            return rc;
        ledger_txn_counter(txn, &counter);
        app_receipt_terms(a, state, &d->command);
        d->command.type = CASE_EVENT_RECEIPT;
    } else if (state->level == CASE_LEVEL_TENTATIVE && state->receiving != state->lead) {
        d->command.type = CASE_EVENT_ACK;
    }
    return 0;
}

/* A forwarded case that has arrived gets its 签收 and its number at once: the sender's proof that it is here. What another
 * node did to the case's status is cited (确认), which makes it final for everybody. In the transaction that stores what
 * it reacts to: there is no moment between in which a crash could lose it. */
void app_react(struct app *a, struct case_slot *slot, struct ledger_txn *txn)
{
    struct app_draft d;
    struct err e = {0};
    uint32_t peers[LEAF_RECIPIENTS_MAX];
    uint64_t index;
    int rc = reaction(a, slot, txn, &d, &e);
    if (rc == 0 && d.command.type != CASE_EVENT_NONE) {
        rc = check_room(a, &d, 1, slot->file, &e);
        if (rc == 0)
            rc = append_draft(a, slot, &d, NULL, peers, participants(a, slot->file, &d, 1, peers), txn, &index, &e);
    }
    if (rc != 0)
        app_warn_case(a, NULL, &e, "automatic %s", case_event_name(d.command.type));
}
