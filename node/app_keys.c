/* Case keys in the daemon: made at 收件, given to the other participants with the entries, looked up to read and write.
 *
 * Happy path: submit -> app_make_key() -> key row in the entries' transaction (keys.db first) -> a peer's PULL ->
 * app_make_grants(): the keys of the batch's cases, sealed to the peer -> there app_take_grants(): each checked against a
 * leaf's commitment -> key rows in the transaction that stores the entries.
 * Failure modes: a grant that does not open or fits no leaf is an alarm and the entries are stored all the same; content
 * that cannot be read for want of its key makes the node ask the other participants again (KEY_PULL); a destroyed key is
 * answered with nothing.
 *
 * Keys live in the case's cache slot, wiped with it. Loop thread only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation/ledger/grant.h"
#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/cases/rules.h"

#define KEY_EPOCH                                                                                                      \
    1u /* one key per case: who takes part later gets the same, for it has to read what was written before */
#define KEY_PULL_MS 5000u
#define KEY_PULL_AGAIN_MS 10000u

/* ---- looking up ---- */

bool app_is_erased(struct app *a, const uint8_t case_id[CASE_ID_SIZE])
{
    struct arena mem = ARENA_INIT;
    struct store_erasure *rows;
    size_t count = 0;
    bool erased = false;
    struct store_reader *reader = ledger_reader(a->ledger);
    if (reader != NULL && store_read_erasures(reader, case_id, &mem, &rows, &count, NULL) == 0)
        for (size_t i = 0; i < count; i++)
            erased = erased || (rows[i].node == a->config->region && rows[i].state == APP_ERASURE_DONE);
    arena_close(&mem);
    return erased;
}

int app_case_key(struct app *a, struct case_slot *slot, struct payload_key *ret, struct err *e)
{
    struct store_key row;
    if (slot->is_erased)
        return err_set(e, ERR_CONFLICT, "case.erased",
                       "the content of this case has been erased: nothing can be added to it");
    if (slot->key.epoch == 0) {
        int rc = store_read_key(ledger_reader(a->ledger), slot->id, KEY_EPOCH, &row, e);
        if (rc == ERR_NOT_FOUND && app_is_erased(a, slot->id))
            return err_set(e, ERR_CONFLICT, "case.erased",
                           "the content of this case has been erased: nothing can be added to it");
        if (rc == ERR_NOT_FOUND)
            return err_set(e, ERR_BUSY, "case.key-missing",
                           "the key of this case has not arrived yet; the other participants are being asked for it");
        if (rc != 0)
            return rc;
        slot->key.epoch = row.epoch;
        memcpy(slot->key.key, row.key, sizeof slot->key.key);
        crypto_wipe(&row, sizeof row);
    }
    *ret = slot->key;
    return 0;
}

static void key_row(struct ledger_txn *txn, const uint8_t case_id[CASE_ID_SIZE], const struct payload_key *key)
{
    struct store_key row = {.epoch = key->epoch, .created_ms = clock_wall_ms()};
    memcpy(row.case_id, case_id, sizeof row.case_id);
    memcpy(row.key, key->key, sizeof row.key);
    ledger_txn_key(txn, &row);
    crypto_wipe(&row, sizeof row);
}

void app_make_key(struct case_slot *slot, struct ledger_txn *txn, struct payload_key *ret)
{
    slot->key.epoch = KEY_EPOCH;
    crypto_random(slot->key.key, sizeof slot->key.key);
    key_row(txn, slot->id, &slot->key);
    *ret = slot->key;
}

int app_open_payload(struct app *a, const struct store_entry *entry, struct arena *mem, struct bytes *ret,
                     enum app_content *ret_content, struct err *e)
{
    struct leaf leaf;
    struct case_slot *slot;
    struct payload_key key;
    *ret = bytes_of(NULL, 0);
    int rc = leaf_decode(entry->leaf, &leaf, e);
    if (rc != 0)
        return rc;
    *ret_content = leaf.ct_len == 0 ? APP_CONTENT_NONE : APP_CONTENT_ERASED;
    if (leaf.ct_len == 0 || !entry->payload_held || leaf.key_epoch == 0)
        return 0;
    rc = case_cache_get(a->cases, a->ledger, leaf.case_id, &slot, e);
    if (rc == 0)
        rc = app_case_key(a, slot, &key, e);
    if (rc == ERR_BUSY || rc == ERR_CONFLICT) {
        *ret_content = rc == ERR_BUSY ? APP_CONTENT_NO_KEY : APP_CONTENT_ERASED;
        if (rc == ERR_BUSY)
            app_pull_key(a, slot);
        return 0;
    }
    if (rc != 0)
        return rc;
    struct buf plain = {0};
    rc = payload_open(&leaf, entry->leaf, &key, entry->payload, &plain, e);
    if (rc == 0) {
        *ret = arena_bytes(mem, buf_bytes(&plain));
        *ret_content = APP_CONTENT_SHOWN;
    }
    if (plain.size > 0)
        crypto_wipe(plain.data, plain.size);
    buf_close(&plain);
    crypto_wipe(&key, sizeof key);
    return rc;
}

/* ---- giving ---- */

bool app_is_party(struct casefile *file, uint32_t code)
{
    const struct case_state *state = casefile_state(file);
    const struct case_effect *effects;
    if (state->receiving == code || state->lead == code)
        return true;
    size_t count = casefile_effects(file, &effects);
    for (size_t i = 0; i < count; i++)
        if (effects[i].event->origin == code || effects[i].event->lead == code)
            return true;
    return false;
}

bool app_may_read(struct casefile *file, uint32_t code)
{
    const struct case_state *state = casefile_state(file);
    const struct case_effect *effects;
    if (state->receiving == code || state->lead == code)
        return true;
    size_t count = casefile_effects(file, &effects);
    for (size_t i = 0; i < count; i++) {
        const struct case_held *h = effects[i].event;
        bool names = h->type == CASE_EVENT_SUBMIT || h->type == CASE_EVENT_HANDOVER || h->type == CASE_EVENT_SUPERVISE;
        if (effects[i].kind == CASE_EFFECT_OK && (h->origin == code || (names && h->lead == code)))
            return true;
    }
    return false;
}

bool app_shows_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct casefile *file)
{
    struct store_case row;
    const struct case_state *state = casefile_state(file);
    if (app_is_party(file, a->config->region))
        return true;
    return state->root != NULL && rules_is_superior(a->config->region, state->root->lead) &&
           ledger_reader(a->ledger) != NULL && store_read_case(ledger_reader(a->ledger), case_id, &row, NULL) == 0;
}

static int compare_records(const struct grant_record *x, const struct grant_record *y)
{
    int order = memcmp(x->case_id, y->case_id, sizeof x->case_id);
    return order != 0 ? order : (x->key.epoch > y->key.epoch) - (x->key.epoch < y->key.epoch);
}

/* Keeps @records ascending and distinct; batches have few cases. */
static void add_record(struct grant_record *records, size_t *count, const struct grant_record *record)
{
    size_t at = *count;
    while (at > 0 && compare_records(&records[at - 1], record) > 0)
        at--;
    if (at > 0 && compare_records(&records[at - 1], record) == 0)
        return;
    memmove(&records[at + 1], &records[at], (*count - at) * sizeof *records);
    records[at] = *record;
    ++*count;
}

/* The key of @case_id if an entry of the case that took effect gives @peer a part in it. */
static bool find_record(struct app *a, uint32_t peer, const uint8_t case_id[CASE_ID_SIZE], struct grant_record *ret)
{
    struct case_slot *slot;
    if (case_cache_get(a->cases, a->ledger, case_id, &slot, NULL) != 0 || !app_may_read(slot->file, peer) ||
        app_case_key(a, slot, &ret->key, NULL) != 0)
        return false;
    memcpy(ret->case_id, case_id, sizeof ret->case_id);
    return true;
}

static struct bytes seal_records(struct app *a, uint32_t peer, struct grant_record *records, size_t count,
                                 struct arena *mem)
{
    const struct member *member = members_find(a->members, peer);
    struct buf out = {0};
    struct bytes sealed = {0};
    struct err e = {0};
    char code[12];
    if (count > 0 && member != NULL) {
        if (grant_seal(records, count, a->config->region, peer, member->seal_key, &out, &e) == 0) {
            sealed = arena_bytes(mem, buf_bytes(&out));
        } else {
            (void)snprintf(code, sizeof code, "%u", peer);
            log_error("case", code, e.id, "case keys cannot be sealed to this node: %s", e.message);
        }
    }
    buf_close(&out);
    crypto_wipe(records, count * sizeof *records);
    return sealed;
}

/* The same without folding the case, which costs more than all the rest of a batch: an own SUBMIT that names @peer gives it a part
 * for good, and of a case that is not in memory the store knows everything. False: see find_record(). */
static bool find_submitted(struct app *a, uint32_t peer, const struct leaf *leaf, struct grant_record *ret)
{
    struct store_key row;
    bool names = false;
    if (leaf->event_type != CASE_EVENT_SUBMIT || get_be32(leaf->case_id) != a->config->region ||
        case_cache_find(a->cases, leaf->case_id) != NULL)
        return false;
    for (unsigned i = 0; i < leaf->attr_count; i++)
        names = names || (leaf->attrs[i].tag == CASE_ATTR_LEAD && leaf->attrs[i].value.size == 4 &&
                          get_be32(leaf->attrs[i].value.data) == peer);
    if (!names || store_read_key(ledger_reader(a->ledger), leaf->case_id, KEY_EPOCH, &row, NULL) != 0)
        return false;
    ret->key.epoch = row.epoch;
    memcpy(ret->key.key, row.key, sizeof ret->key.key);
    memcpy(ret->case_id, leaf->case_id, sizeof ret->case_id);
    crypto_wipe(&row, sizeof row);
    return true;
}

/* Who asks for what follows a batch has stored that batch, and the key that came with it in the same transaction: it is not
 * sealed once more for every event of the case. Known of cases in memory only; a key too many does no harm, and one that
 * is missed all the same is asked for. */
static bool was_given(struct app *a, uint32_t peer, const uint8_t case_id[CASE_ID_SIZE], uint64_t from)
{
    const struct case_slot *slot = case_cache_find(a->cases, case_id);
    for (size_t i = 0; slot != NULL && i < CASE_KEYS_GIVEN_MAX; i++)
        if (slot->given[i].peer == peer)
            return from >= slot->given[i].end;
    return false;
}

static void note_given(struct app *a, uint32_t peer, const uint8_t case_id[CASE_ID_SIZE], uint64_t end)
{
    struct case_slot *slot = case_cache_find(a->cases, case_id);
    for (size_t i = 0; slot != NULL && i < CASE_KEYS_GIVEN_MAX; i++)
        if (slot->given[i].peer == peer || slot->given[i].peer == 0) {
            slot->given[i] = (struct case_key_given){.peer = peer, .end = end};
            return;
        }
}

struct bytes app_make_grants(void *ctx, uint32_t peer, const struct wire_batch *batch, struct arena *mem)
{
    struct app *a = ctx;
    const struct frontier_batch *f = &batch->frontier;
    size_t count = 0;
    struct grant_record *records =
        arena_alloc(mem, (min_of(f->item_count, (size_t)GRANT_RECORDS_MAX) + 1) * sizeof *records);
    for (size_t i = 0; i < f->item_count && count < GRANT_RECORDS_MAX; i++) {
        struct leaf leaf;
        struct grant_record record;
        if (f->items[i].kind != FRONTIER_KIND_ENTRY || f->items[i].payload.size == 0 ||
            leaf_decode(f->items[i].leaf, &leaf, NULL) != 0 || leaf.key_epoch == 0 || !leaf_is_case_event(&leaf))
            continue;
        if (get_be32(leaf.case_id) == peer || was_given(a, peer, leaf.case_id, f->from))
            continue; /* it made that key itself, or has it */
        if (find_submitted(a, peer, &leaf, &record) || find_record(a, peer, leaf.case_id, &record))
            add_record(records, &count, &record);
    }
    for (size_t i = 0; i < count; i++)
        note_given(a, peer, records[i].case_id, f->to);
    return seal_records(a, peer, records, count, mem);
}

struct bytes app_case_grant(struct app *a, uint32_t peer, const uint8_t case_id[CASE_ID_SIZE], struct arena *mem)
{
    struct grant_record *record = arena_alloc(mem, sizeof *record);
    bool found = find_record(a, peer, case_id, record);
    return seal_records(a, peer, record, found, mem);
}

/* ---- taking ---- */

/* Whether one of @entries commits to the record's key; without entries the stored ones of the case are looked at. */
static bool fits_entry(const struct grant_record *record, const struct leaf *leaf)
{
    struct merkle_hash commit;
    if (leaf->key_epoch != record->key.epoch || memcmp(leaf->case_id, record->case_id, sizeof record->case_id) != 0)
        return false;
    payload_commit(record->key.key, leaf->salt, &commit);
    return merkle_hash_equal(&commit, &leaf->key_commit);
}

static bool fits_stored(struct app *a, const struct grant_record *record)
{
    struct arena mem = ARENA_INIT;
    struct store_entry *entries;
    size_t count = 0;
    bool fits = false;
    struct store_reader *reader = ledger_reader(a->ledger);
    if (reader != NULL && store_read_case_entries(reader, record->case_id, &mem, &entries, &count, NULL) == 0)
        for (size_t i = 0; i < count && !fits; i++) {
            struct leaf leaf;
            fits = leaf_decode(entries[i].leaf, &leaf, NULL) == 0 && fits_entry(record, &leaf);
        }
    arena_close(&mem);
    return fits;
}

static void take_record(struct app *a, const struct grant_record *record, struct ledger_txn *txn)
{
    struct case_slot *slot;
    if (case_cache_get(a->cases, a->ledger, record->case_id, &slot, NULL) != 0 || slot->key.epoch != 0 ||
        slot->is_erased)
        return; /* held already */
    if (store_read_key(ledger_reader(a->ledger), record->case_id, record->key.epoch, &(struct store_key){0}, NULL) ==
            0 ||
        app_is_erased(a, record->case_id))
        return;
    slot->key = record->key;
    case_cache_touch(slot, txn); /* the key is on its way to the disk like an event */
    key_row(txn, record->case_id, &record->key);
    app_scans_key_came(a, record->case_id);
}

void app_take_grants(struct app *a, uint32_t peer, struct bytes grants, const struct sync_entry *entries, size_t count,
                     struct ledger_txn *txn)
{
    struct arena mem = ARENA_INIT;
    struct grant_record *records;
    size_t record_count = 0;
    struct err e = {0};
    if (grants.size == 0)
        return;
    int rc = grant_open(grants, peer, a->config->region, a->seal_key, &mem, &records, &record_count, &e);
    struct app_by_case by;
    app_by_case_init(&by, entries, count, &mem);
    for (size_t i = 0; rc == 0 && i < record_count; i++) {
        bool fits = false;
        for (size_t k = app_by_case_first(&by, records[i].case_id); k < count && !fits; k = by.next[k])
            fits = fits_entry(&records[i], &entries[k].leaf);
        if (fits || fits_stored(a, &records[i]))
            take_record(a, &records[i], txn);
        else
            (void)err_set(&e, ERR_VERIFY, "grant.commit", "a case key came that no entry of the case commits to");
    }
    if (e.code != 0)
        replication_alarm(a->replication, peer, e.id, e.message);
    if (rc == 0)
        crypto_wipe(records, record_count * sizeof *records);
    app_by_case_close(&by);
    arena_close(&mem);
}

/* ---- asking again ---- */

struct key_pull {
    struct app *app;
    uint32_t peer;
};

static void pulled_saved(void *ctx, const struct err *e)
{
    (void)ctx;
    if (e->code != 0)
        log_warn("case", NULL, e->id, "a case key that arrived could not be kept: %s", e->message);
}

static void key_pulled(void *ctx, const struct wire_msg *answer, const struct err *e)
{
    struct key_pull *pull = ctx;
    struct app *a = pull->app;
    (void)e; /* whoever reads the case asks again */
    if (answer != NULL && answer->type == WIRE_KEY_GRANT && ledger_check_writable(a->ledger, NULL) == 0) {
        struct ledger_txn *txn = ledger_txn_create(a->ledger);
        app_take_grants(a, pull->peer, answer->u.key_grant.grants, NULL, 0, txn);
        ledger_commit(txn, pulled_saved, NULL);
    }
    free(pull);
}

void app_pull_key(struct app *a, struct case_slot *slot)
{
    uint64_t now = clock_mono_ms();
    if (now < slot->key_asked_ms + KEY_PULL_AGAIN_MS && slot->key_asked_ms != 0)
        return;
    slot->key_asked_ms = now;
    for (size_t i = 0; i < a->members->count; i++) {
        uint32_t code = a->members->list[i].code;
        if (code == a->config->region || !app_is_party(slot->file, code))
            continue;
        uint8_t ids[1][CASE_ID_SIZE];
        memcpy(ids[0], slot->id, sizeof ids[0]);
        struct wire_msg m = {.type = WIRE_KEY_PULL};
        m.u.key_pull = (struct wire_key_pull){.cases = (const uint8_t(*)[16])ids, .case_count = 1};
        struct key_pull *pull = xcalloc(1, sizeof *pull);
        *pull = (struct key_pull){.app = a, .peer = code};
        replication_ask(a->replication, code, &m, KEY_PULL_MS, key_pulled, pull);
    }
}

void app_answer_key_pull(struct app *a, uint32_t peer, uint64_t handle, const struct wire_key_pull *pull)
{
    struct arena mem = ARENA_INIT;
    struct grant_record *records = arena_alloc(&mem, (pull->case_count + 1) * sizeof *records);
    size_t count = 0;
    for (size_t i = 0; i < pull->case_count; i++) {
        struct grant_record record;
        if (find_record(a, peer, pull->cases[i], &record))
            add_record(records, &count, &record);
    }
    struct wire_msg m = {.type = WIRE_KEY_GRANT};
    m.u.key_grant.grants = seal_records(a, peer, records, count, &mem);
    replication_answer(a->replication, handle, &m);
    arena_close(&mem);
}
