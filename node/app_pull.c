/* The earlier entries of a case, for a node that takes part in it later than others (PROTOCOL.md, "Joining a case").
 *
 * Happy path: an entry names this node (转办, 督办) -> pull, noted on disk with it -> CASE_PULL to one participant after the other
 * -> each entry checked against its author's signed checkpoint -> stored with its proof, the case's key and the case row -> a
 * participant is done with when it holds the entry that names this node: what it writes from then on is addressed here.
 * The same without a name: a parent that stays away is asked for (somebody wrote to others only), and a superior asks for a
 * case before it supervises it.
 * Failure modes: a participant that is away or knows nothing of the name yet is asked again, ever more rarely, also after a
 * restart; an answer that does not verify is an alarm about who gave it and changes nothing; storing twice changes nothing.
 *
 * Loop thread only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/cases/rules.h"

#define PARTIES_MAX 64u
#define ASK_MS 15000u
#define PAUSE_MIN_MS 1000u
#define PAUSE_MAX_MS 60000u
#define HEAL_AFTER_MS 5000u /* a parent that another node wrote usually follows by itself */
#define HEAL_ROUNDS 8u

enum pull_kind {
    PULL_NAMED, /* an entry gives this node a part in the case */
    PULL_HEAL,  /* parents are missing */
    PULL_FETCH  /* somebody asked for it */
};

struct party {
    uint32_t code;
    bool is_tried; /* in this round */
    bool is_done;
};

struct case_pull {
    struct list link;
    struct app *app;
    uint8_t case_id[CASE_ID_SIZE];
    enum pull_kind kind;
    struct party parties[PARTIES_MAX];
    size_t party_count;
    struct party *asked; /* NULL: nobody is being asked */
    uint32_t after_node; /* of the next page */
    uint64_t after_index;
    bool knows; /* all pages so far said so */
    bool has_naming;
    struct merkle_hash naming;
    unsigned rounds, answers;
    uint32_t pause_ms;
    struct loop_timer *timer;
    struct err last;
    app_fetch_cb cb;
    void *ctx;
    bool is_storing;
    uint32_t pausing_ms; /* until the next round; 0: a round is under way */
};

static void next_party(struct case_pull *p);

/* What is told in the end: the first refusal, for it is the receiving node's, which is asked first; else the first failure. */
static void note_failure(struct case_pull *p, const struct err *e)
{
    if (p->last.code == 0 || (p->last.code != ERR_DENIED && e->code == ERR_DENIED))
        p->last = *e;
}

static struct case_pull *find_pull(struct app *a, const uint8_t case_id[CASE_ID_SIZE])
{
    list_for_each (at, &a->pulls) {
        struct case_pull *p = container_of(at, struct case_pull, link);
        if (memcmp(p->case_id, case_id, CASE_ID_SIZE) == 0 && p->kind != PULL_FETCH)
            return p;
    }
    return NULL;
}

bool app_pull_is_open(const struct app *a, const uint8_t case_id[CASE_ID_SIZE])
{
    list_for_each (at, &a->pulls)
        if (memcmp(container_of(at, const struct case_pull, link)->case_id, case_id, CASE_ID_SIZE) == 0)
            return true;
    return false;
}

static void pull_free(struct case_pull *p)
{
    list_remove(&p->link);
    loop_timer_destroy(p->timer);
    free(p);
}

static struct case_slot *slot_of(struct case_pull *p)
{
    struct case_slot *slot;
    struct app *a = p->app;
    bool found = ledger_reader(a->ledger) != NULL && case_cache_get(a->cases, a->ledger, p->case_id, &slot, NULL) == 0;
    return found ? slot : NULL;
}

/* ---- ending ---- */

static void forgotten(void *ctx, const struct err *e)
{
    (void)ctx;
    (void)e; /* it is asked for once more after the next start, and ends at once */
}

static void forget(struct case_pull *p)
{
    if (ledger_check_writable(p->app->ledger, NULL) != 0)
        return;
    struct ledger_txn *txn = ledger_txn_create(p->app->ledger);
    struct store_pull row = {0};
    memcpy(row.case_id, p->case_id, sizeof row.case_id);
    ledger_txn_pull(txn, &row);
    ledger_commit(txn, forgotten, NULL);
}

static bool is_whole(struct case_pull *p, uint32_t *ret_events)
{
    struct case_slot *slot = slot_of(p);
    const struct case_state *state = slot == NULL ? NULL : casefile_state(slot->file);
    if (state == NULL || state->root == NULL || state->pending_count > 0)
        return false;
    *ret_events = state->event_count;
    return true;
}

static void finish(struct case_pull *p)
{
    uint32_t events = 0;
    bool whole = is_whole(p, &events);
    if (p->kind == PULL_NAMED) {
        forget(p);
        log_info("case", NULL, "case.joined", "an earlier case is held now with its %u entries", events);
    }
    if (p->cb != NULL) {
        struct err e = {0};
        if (!whole || p->answers == 0)
            (void)err_set(&e, p->last.code == ERR_DENIED ? ERR_DENIED : ERR_NOT_FOUND, "case.fetch",
                          "no node that could be asked gives this case: %s",
                          p->last.code != 0 ? p->last.message : "there is no other member");
        p->cb(p->ctx, p->case_id, events, &e);
    }
    pull_free(p);
}

/* ---- whom to ask ---- */

static void add_party(struct case_pull *p, uint32_t code)
{
    const struct app *a = p->app;
    if (code == a->config->region || members_find(a->members, code) == NULL || p->party_count == PARTIES_MAX)
        return;
    for (size_t i = 0; i < p->party_count; i++)
        if (p->parties[i].code == code)
            return;
    p->parties[p->party_count++] = (struct party){.code = code};
}

/* Who took it in stands in the id. Whoever wrote on it or is named in it is known from what is held; a case of which nothing is
 * held may be at any member. */
static void find_parties(struct case_pull *p)
{
    struct app *a = p->app;
    struct case_slot *slot = slot_of(p);
    uint32_t codes[LEAF_RECIPIENTS_MAX];
    add_party(p, get_be32(p->case_id));
    size_t count = slot == NULL ? 0 : app_participants(a, slot->file, codes);
    for (size_t i = 0; i < count; i++)
        add_party(p, codes[i]);
    for (size_t i = 0; p->kind == PULL_FETCH && count == 0 && i < a->members->count; i++)
        add_party(p, a->members->list[i].code);
}

/* Nothing more is to be had of a node that left or is disputed. */
static bool is_settled(struct case_pull *p, const struct party *party)
{
    return party->is_done || members_find(p->app->members, party->code) == NULL || app_is_disputed(p->app, party->code);
}

/* The newest entry that gives this node its part: of another node, or its own supervise. */
static void find_naming(struct case_pull *p)
{
    const struct case_effect *effects;
    struct case_slot *slot = slot_of(p);
    size_t count = slot == NULL ? 0 : casefile_effects(slot->file, &effects);
    uint32_t self = p->app->config->region;
    for (size_t i = 0; i < count; i++) {
        const struct case_held *h = effects[i].event;
        bool names = h->lead == self && (h->type == CASE_EVENT_HANDOVER || h->type == CASE_EVENT_SUPERVISE);
        if (!names && (h->type != CASE_EVENT_SUPERVISE || h->origin != self))
            continue;
        p->has_naming = true;
        memcpy(p->naming.b, h->id, sizeof p->naming.b);
    }
}

/* ---- an answer ---- */

/* Of a checkpoint in the answer: whose it is, once it was opened. */
struct opened {
    uint32_t author;
    struct checkpoint head;
};

static int open_checkpoint(struct app *a, struct bytes note, uint32_t author, struct opened *ret, struct err *e)
{
    struct checkpoint_opened opened;
    const struct member *member = members_find(a->members, author);
    if (ret->author == author)
        return 0;
    if (member == NULL)
        return err_set(e, ERR_NOT_FOUND, "case.pull-answer", "an entry of node %u, which is no member", author);
    int rc = checkpoint_open(note, &member->key, NULL, 0, &opened, e);
    if (rc != 0)
        return err_wrap(e, "checkpoint of node %u", author);
    *ret = (struct opened){.author = author, .head = opened.head};
    watch_heads_seen(a->watch, author, &opened.head, note, NULL);
    return 0;
}

static int check_payload(const struct wire_proven_entry *in, const struct leaf *leaf, struct err *e)
{
    struct merkle_hash hash;
    if (in->payload.size == 0)
        return 0;
    crypto_sha256_one(in->payload.data, in->payload.size, hash.b);
    if (in->payload.size != leaf->ct_len || !merkle_hash_equal(&hash, &leaf->ct_hash))
        return err_set(e, ERR_VERIFY, "sync.payload", "payload of entry %llu is not the one its leaf names",
                       (unsigned long long)leaf->index);
    return 0;
}

/* Pages go on in the order of author and index: one that does not would be asked for again and again. */
static int check_order(const struct case_pull *p, const struct sync_entry *before, const struct leaf *leaf,
                       struct err *e)
{
    uint32_t node = before == NULL ? p->after_node : before->leaf.origin;
    uint64_t index = before == NULL ? p->after_index : before->leaf.index;
    if (leaf->origin > node || (leaf->origin == node && leaf->index > index))
        return 0;
    return err_set(e, ERR_VERIFY, "case.pull-answer", "entry %llu of node %u is not behind entry %llu of node %u",
                   (unsigned long long)leaf->index, leaf->origin, (unsigned long long)index, node);
}

static int check_entry(struct case_pull *p, const struct wire_case_entries *m, const struct wire_proven_entry *in,
                       struct opened *opened, struct sync_entry *out, struct err *e)
{
    int rc = leaf_decode(in->leaf, &out->leaf, e);
    if (rc != 0)
        return rc;
    if (!leaf_is_case_event(&out->leaf) || memcmp(out->leaf.case_id, p->case_id, CASE_ID_SIZE) != 0)
        return err_set(e, ERR_VERIFY, "case.pull-answer", "entry %llu of node %u is no event of the case asked for",
                       (unsigned long long)out->leaf.index, out->leaf.origin);
    struct opened *by = &opened[in->checkpoint];
    rc = open_checkpoint(p->app, m->checkpoints[in->checkpoint], out->leaf.origin, by, e);
    leaf_hash(in->leaf, &out->hash);
    if (rc == 0)
        rc = merkle_verify_inclusion(out->leaf.index, by->head.size, &out->hash, in->proof, in->proof_count,
                                     &by->head.root, e);
    if (rc == 0)
        rc = check_payload(in, &out->leaf, e);
    if (rc != 0)
        return err_wrap(e, "entry %llu of node %u", (unsigned long long)out->leaf.index, out->leaf.origin);
    out->bytes = in->leaf;
    out->payload = in->payload;
    out->payload_held = in->payload.size > 0 || out->leaf.ct_len == 0;
    return 0;
}

/* Another leaf is held at its place: the author signed two histories. */
static bool is_second_leaf(struct app *a, const struct sync_entry *entry, struct arena *mem)
{
    struct store_entry held;
    char text[160];
    if (store_read_entry(ledger_reader(a->ledger), entry->leaf.origin, entry->leaf.index, mem, &held, NULL) != 0 ||
        memcmp(held.hash, entry->hash.b, sizeof held.hash) == 0)
        return false;
    (void)snprintf(text, sizeof text, "it has signed two entries at %llu of its ledger",
                   (unsigned long long)entry->leaf.index);
    replication_alarm(a->replication, entry->leaf.origin, "ledger.equivocation", text);
    return true;
}

/* Held beside the first one: events that cite it must not wait for ever. It counts for nothing. */
static void add_second_leaf(struct case_pull *p, const struct sync_entry *entry, struct ledger_txn *txn)
{
    struct store_fork row = {.origin = entry->leaf.origin,
                             .index = entry->leaf.index,
                             .leaf = arena_bytes(ledger_txn_arena(txn), entry->bytes)};
    memcpy(row.case_id, p->case_id, sizeof row.case_id);
    memcpy(row.hash, entry->hash.b, sizeof row.hash);
    ledger_txn_fork(txn, &row);
}

static void add_entry_rows(struct case_pull *p, const struct wire_case_entries *m, const struct opened *opened,
                           const struct wire_proven_entry *in, struct sync_entry *entry, struct ledger_txn *txn)
{
    struct arena *mem = ledger_txn_arena(txn);
    entry->bytes = arena_bytes(mem, entry->bytes);
    entry->payload = arena_bytes(mem, entry->payload);
    struct store_entry row = {.origin = entry->leaf.origin,
                              .index = entry->leaf.index,
                              .leaf = entry->bytes,
                              .payload = entry->payload,
                              .payload_held = entry->payload_held,
                              .has_case = true,
                              .stored_ms = clock_wall_ms()};
    memcpy(row.hash, entry->hash.b, sizeof row.hash);
    memcpy(row.case_id, p->case_id, sizeof row.case_id);
    ledger_txn_entry(txn, &row);
    struct bytes hashes = bytes_of(in->proof, in->proof_count * sizeof *in->proof);
    struct store_proof proof = {.origin = row.origin,
                                .index = row.index,
                                .size = opened[in->checkpoint].head.size,
                                .hashes = arena_bytes(mem, hashes),
                                .note = arena_bytes(mem, m->checkpoints[in->checkpoint])};
    ledger_txn_proof(txn, &proof);
}

static void stored(void *ctx, const struct err *e);

/* The whole page into one transaction; nothing of it when something does not verify. */
static int take_page(struct case_pull *p, const struct wire_case_entries *m, struct err *e)
{
    struct app *a = p->app;
    struct arena mem = ARENA_INIT;
    struct sync_entry *entries = arena_alloc(&mem, (m->entry_count + 1) * sizeof *entries);
    struct opened *opened = arena_alloc(&mem, (m->checkpoint_count + 1) * sizeof *opened);
    memset(opened, 0, (m->checkpoint_count + 1) * sizeof *opened);
    int rc = ledger_check_writable(a->ledger, e);
    for (size_t i = 0; rc == 0 && i < m->entry_count; i++) {
        rc = check_entry(p, m, &m->entries[i], opened, &entries[i], e);
        if (rc == 0)
            rc = check_order(p, i == 0 ? NULL : &entries[i - 1], &entries[i].leaf, e);
    }
    if (rc != 0)
        goto out;

    struct ledger_txn *txn = ledger_txn_create(a->ledger);
    size_t count = 0;
    for (size_t i = 0; i < m->entry_count; i++) {
        p->after_node = entries[i].leaf.origin;
        p->after_index = entries[i].leaf.index;
        if (entries[i].leaf.origin == a->config->region)
            continue;
        if (is_second_leaf(a, &entries[i], &mem))
            add_second_leaf(p, &entries[i], txn);
        else
            add_entry_rows(p, m, opened, &m->entries[i], &entries[i], txn);
        app_case_entry(a, &entries[i], txn);
        entries[count++] = entries[i];
    }
    app_take_grants(a, p->asked->code, m->grants, entries, count, txn);
    for (size_t i = 0; i < count; i++)
        app_material_peer_entry(a, &entries[i], txn);
    struct case_slot *slot = slot_of(p);
    if (slot != NULL) {
        app_react(a, slot, txn);
        app_follow_part(a, slot, txn);
        app_follow_parts(a, slot, txn);
        app_case_changed(a, slot, txn);
    }
    p->is_storing = true;
    ledger_commit(txn, stored, p);
out:
    arena_close(&mem);
    return rc;
}

static void ask(struct case_pull *p);

static void page_done(struct case_pull *p, bool more)
{
    if (more) {
        ask(p);
        return;
    }
    p->answers++;
    p->asked->is_done = p->knows;
    p->asked = NULL;
    next_party(p);
}

/* What the page said is kept in `knows` and, as the sign that there is more, in after_node. */
static void stored(void *ctx, const struct err *e)
{
    struct case_pull *p = ctx;
    p->is_storing = false;
    if (e->code != 0) {
        note_failure(p, e);
        p->asked = NULL;
        next_party(p);
        return;
    }
    app_notify_case(p->app, p->case_id);
    app_materials_wanted(p->app);
    page_done(p, p->after_node != 0);
}

static void answered(void *ctx, const struct wire_msg *answer, const struct err *e)
{
    struct case_pull *p = ctx;
    uint32_t code = p->asked->code;
    struct err why = {0};
    if (answer != NULL && answer->type == WIRE_CASE_ENTRIES) {
        const struct wire_case_entries *m = &answer->u.case_entries;
        p->knows = p->knows && m->knows;
        if (m->entry_count == 0) {
            page_done(p, false);
            return;
        }
        if (take_page(p, m, &why) == 0) {
            if (!m->more)
                p->after_node = 0;
            return; /* goes on when it is durable */
        }
        if (why.code == ERR_VERIFY || why.code == ERR_INVALID || why.code == ERR_NOT_FOUND)
            replication_alarm(p->app->replication, code, why.id, why.message);
        note_failure(p, &why);
    } else {
        note_failure(p, e);
    }
    p->asked = NULL;
    next_party(p);
}

/* ---- asking ---- */

static void ask(struct case_pull *p)
{
    struct wire_msg m = {.type = WIRE_CASE_PULL};
    m.u.case_pull = (struct wire_case_pull){.after_node = p->after_node,
                                            .after_index = p->after_index,
                                            .max_bytes = BATCH_BYTES_MAX,
                                            .has_naming = p->has_naming,
                                            .naming = p->naming};
    memcpy(m.u.case_pull.case_id, p->case_id, sizeof m.u.case_pull.case_id);
    replication_ask(p->app->replication, p->asked->code, &m, ASK_MS, answered, p);
}

/* Everybody was tried: done, or once more after a pause. */
static void end_round(struct case_pull *p)
{
    uint32_t events = 0;
    bool settled = true;
    for (size_t i = 0; i < p->party_count; i++)
        settled = settled && is_settled(p, &p->parties[i]);
    bool whole = is_whole(p, &events);
    p->rounds++;
    if ((settled && whole) || p->kind == PULL_FETCH || (p->kind == PULL_HEAL && (whole || p->rounds == HEAL_ROUNDS))) {
        finish(p);
        return;
    }
    for (size_t i = 0; i < p->party_count; i++)
        p->parties[i].is_tried = false;
    p->pausing_ms = p->pause_ms;
    loop_timer_set(p->timer, p->pause_ms);
    p->pause_ms = min_of(p->pause_ms * 2, PAUSE_MAX_MS);
}

static void next_party(struct case_pull *p)
{
    if (!replication_is_open(p->app->replication))
        return; /* stopping: app_pulls_close() follows */
    find_parties(p);
    for (size_t i = 0; i < p->party_count; i++) {
        struct party *party = &p->parties[i];
        if (party->is_tried || is_settled(p, party))
            continue;
        party->is_tried = true;
        struct replication_peer peer;
        if (!replication_peer(p->app->replication, party->code, &peer) || !peer.connected) {
            struct err away = {0};
            (void)err_set(&away, ERR_CLOSED, "case.fetch", "node %u is not connected", party->code);
            note_failure(p, &away);
            continue;
        }
        p->asked = party;
        p->after_node = 0;
        p->after_index = 0;
        p->knows = true;
        ask(p);
        return;
    }
    end_round(p);
}

static void timer_cb(void *ctx)
{
    struct case_pull *p = ctx;
    uint32_t events;
    p->pausing_ms = 0;
    if (p->kind == PULL_HEAL && is_whole(p, &events)) {
        finish(p); /* it came by itself */
        return;
    }
    if (p->kind == PULL_NAMED)
        find_naming(p);
    next_party(p);
}

static struct case_pull *start_pull(struct app *a, const uint8_t case_id[CASE_ID_SIZE], enum pull_kind kind,
                                    uint32_t delay_ms)
{
    struct case_pull *p = xcalloc(1, sizeof *p);
    p->app = a;
    p->kind = kind;
    p->pause_ms = PAUSE_MIN_MS;
    memcpy(p->case_id, case_id, CASE_ID_SIZE);
    p->timer = loop_timer_create(a->loop, timer_cb, p);
    list_append(&a->pulls, &p->link);
    loop_timer_set(p->timer, delay_ms);
    return p;
}

/* ---- what starts it ---- */

bool app_pull_names(const struct app *a, const struct case_event *event)
{
    return (event->type == CASE_EVENT_HANDOVER || event->type == CASE_EVENT_SUPERVISE) &&
           event->lead == a->config->region && event->origin != a->config->region;
}

void app_pull_join(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct ledger_txn *txn)
{
    struct store_pull row = {.since_ms = clock_wall_ms()};
    memcpy(row.case_id, case_id, sizeof row.case_id);
    struct case_pull *p = find_pull(a, case_id);
    if (p != NULL && p->kind == PULL_NAMED)
        return;
    ledger_txn_pull(txn, &row);
    if (p != NULL) { /* it was healing: go on for good */
        p->kind = PULL_NAMED;
        if (p->asked == NULL)
            loop_timer_set(p->timer, 0);
        return;
    }
    (void)start_pull(a, case_id, PULL_NAMED, 0);
}

void app_pull_heal(struct app *a, struct case_slot *slot)
{
    if (casefile_state(slot->file)->pending_count > 0 && find_pull(a, slot->id) == NULL)
        (void)start_pull(a, slot->id, PULL_HEAL, HEAL_AFTER_MS);
}

void app_load_pulls(struct app *a)
{
    struct arena mem = ARENA_INIT;
    struct store_pull *rows;
    size_t count = 0;
    struct err e = {0};
    struct store_reader *reader = ledger_reader(a->ledger);
    if (reader != NULL && store_list_pulls(reader, &mem, &rows, &count, &e) != 0) {
        log_error("case", NULL, e.id, "the cases to be asked for cannot be read: %s", e.message);
        count = 0;
    }
    for (size_t i = 0; i < count; i++)
        if (find_pull(a, rows[i].case_id) == NULL)
            (void)start_pull(a, rows[i].case_id, PULL_NAMED, 0);
    arena_close(&mem);
}

void app_fetch_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE], app_fetch_cb cb, void *ctx)
{
    struct case_pull *p = start_pull(a, case_id, PULL_FETCH, 0);
    p->cb = cb;
    p->ctx = ctx;
}

void app_pulls_link_up(struct app *a, uint32_t peer)
{
    list_for_each (at, &a->pulls) {
        struct case_pull *p = container_of(at, struct case_pull, link);
        bool is_wanted = false;
        for (size_t i = 0; i < p->party_count; i++)
            is_wanted = is_wanted || (p->parties[i].code == peer && !is_settled(p, &p->parties[i]));
        if (!is_wanted || p->pausing_ms <= PAUSE_MIN_MS)
            continue;
        p->pausing_ms = p->pause_ms = PAUSE_MIN_MS; /* it may have to hear of this node's part first */
        loop_timer_set(p->timer, PAUSE_MIN_MS);
    }
}

void app_pulls_count(const struct app *a, uint64_t *ret_open, uint64_t *ret_pause_ms)
{
    *ret_open = *ret_pause_ms = 0;
    list_for_each (at, &a->pulls) {
        const struct case_pull *p = container_of(at, const struct case_pull, link);
        ++*ret_open;
        *ret_pause_ms = max_of(*ret_pause_ms, p->pausing_ms);
    }
}

void app_pulls_close(struct app *a)
{
    list_for_each_safe (at, &a->pulls) {
        struct case_pull *p = container_of(at, struct case_pull, link);
        xassert(!p->is_storing); /* the ledger was closed */
        if (p->cb != NULL) {
            struct err e = {0};
            (void)err_set(&e, ERR_CLOSED, "node.stopping", "the node is stopping");
            p->cb(p->ctx, p->case_id, 0, &e);
        }
        pull_free(p);
    }
}
