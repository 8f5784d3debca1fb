/* Case cache (see case_cache.h). */
#include "node/case_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/crypto.h"
#include "node/base/map.h"
#include "node/base/mutant.h"
#include "node/base/xassert.h"

struct case_cache {
    struct map slots; /* case id -> struct case_slot */
    struct list lru;  /* longest unused first */
    size_t count;
    size_t bytes; /* sum over the slots */
    struct case_fork *forks;
    size_t fork_count;
};

struct case_cache *case_cache_create(void)
{
    struct case_cache *c = xcalloc(1, sizeof *c);
    uint64_t seed;
    crypto_random(&seed, sizeof seed);
    map_init(&c->slots, seed);
    list_init(&c->lru);
    return c;
}

static void slot_destroy(struct case_slot *slot)
{
    list_remove(&slot->lru);
    casefile_destroy(slot->file);
    crypto_wipe(&slot->key, sizeof slot->key);
    free(slot);
}

static void detach(struct case_cache *c, struct case_slot *slot)
{
    (void)map_remove(&c->slots, slot->id, sizeof slot->id);
    c->count--;
    c->bytes -= slot->bytes;
    slot_destroy(slot);
}

void case_cache_clear(struct case_cache *c)
{
    size_t at = 0;
    void *slot;
    while (map_next(&c->slots, &at, NULL, &slot))
        detach(c, slot);
}

void case_cache_destroy(struct case_cache *c)
{
    if (c == NULL)
        return;
    case_cache_clear(c);
    map_close(&c->slots);
    free(c->forks);
    free(c);
}

void case_event_of_leaf(const struct leaf *leaf, const struct merkle_hash *hash, struct case_event *ret)
{
    *ret = (struct case_event){.origin = leaf->origin,
                               .index = leaf->index,
                               .hlc = leaf->hlc,
                               .type = leaf->event_type,
                               .role = leaf->role,
                               .rules_version = leaf->rules_version,
                               .parent_count = leaf->parent_count};
    memcpy(ret->id, hash->b, sizeof ret->id);
    for (unsigned i = 0; i < leaf->parent_count; i++) {
        ret->parents[i].origin = leaf->parents[i].node;
        ret->parents[i].index = leaf->parents[i].index;
        memcpy(ret->parents[i].id, leaf->parents[i].hash.b, sizeof ret->parents[i].id);
    }
    struct case_attr attrs[LEAF_ATTRS_MAX];
    for (unsigned i = 0; i < leaf->attr_count; i++)
        attrs[i] = (struct case_attr){.tag = leaf->attrs[i].tag, .value = leaf->attrs[i].value};
    if (case_event_parse_attrs(attrs, leaf->attr_count, ret, NULL) != 0)
        ret->malformed = true;
}

void case_event_of_held(const struct case_held *h, struct case_event *ret)
{
    *ret = (struct case_event){.origin = h->origin,
                               .index = h->index,
                               .hlc = h->hlc,
                               .type = h->type,
                               .role = h->role,
                               .rules_version = h->rules_version,
                               .parent_count = h->parent_count,
                               .lead = h->lead,
                               .division = h->division,
                               .item_version = h->item_version,
                               .mode = h->mode,
                               .decision = h->decision,
                               .grade = h->grade,
                               .channel = h->channel,
                               .pause_kind = h->pause_kind,
                               .unit = h->unit,
                               .expected_days = h->expected_days,
                               .extend_days = h->extend_days,
                               .lacking_days = h->lacking_days,
                               .demands = h->demands,
                               .terms = h->terms,
                               .promise = h->promise,
                               .told = h->told,
                               .side = h->side,
                               .review = h->review,
                               .has_official = h->has_official,
                               .has_limits = h->has_limits,
                               .has_parent = h->has_parent,
                               .has_part = h->has_part,
                               .malformed = h->malformed,
                               .has_request = h->has_request,
                               .has_last_leaf = h->has_last_leaf,
                               .last_leaf = h->last_leaf,
                               .has_file = h->file != NULL};
    memcpy(ret->id, h->id, sizeof ret->id);
    memcpy(ret->request, h->request, sizeof ret->request);
    if (h->file != NULL)
        memcpy(ret->file, h->file, sizeof ret->file);
    memcpy(ret->official, h->official, sizeof ret->official);
    memcpy(ret->limits, h->limits, sizeof ret->limits);
    memcpy(ret->parent, h->parent, sizeof ret->parent);
    memcpy(ret->part, h->part, sizeof ret->part);
    for (unsigned i = 0; i < h->parent_count; i++)
        ret->parents[i] = h->parents[i];
    (void)snprintf(ret->item_code, sizeof ret->item_code, "%s", h->item_code);
    (void)snprintf(ret->number, sizeof ret->number, "%s", h->number);
    (void)snprintf(ret->reason, sizeof ret->reason, "%s", h->reason);
}

static int add_entry(struct casefile *file, const struct store_entry *entry, struct err *e)
{
    struct leaf leaf;
    int rc = leaf_decode(entry->leaf, &leaf, e);
    if (rc != 0)
        return err_wrap(e, "stored entry %llu of ledger %u", (unsigned long long)entry->index, entry->origin);
    struct merkle_hash hash;
    struct case_event event;
    memcpy(hash.b, entry->hash, sizeof hash.b);
    case_event_of_leaf(&leaf, &hash, &event);
    if (MUTANT(digest_payload) && !entry->payload_held)
        event.malformed = true;
    rc = casefile_add(file, &event, e);
    return rc == ERR_CONFLICT ? 0 : rc; /* a fork: both are held, the state says so */
}

static bool has_written(struct casefile *file, uint32_t origin)
{
    const struct case_effect *effects;
    size_t count = casefile_effects(file, &effects);
    for (size_t i = 0; i < count; i++)
        if (effects[i].event->origin == origin)
            return true;
    return false;
}

void case_forks_apply(const struct case_fork *forks, size_t count, struct casefile *file)
{
    for (size_t i = 0; i < count; i++)
        if (casefile_state(file)->lead == forks[i].origin || has_written(file, forks[i].origin))
            casefile_mark_forked(file, forks[i].origin, forks[i].common_size);
}

void case_cache_fork(struct case_cache *c, const struct case_fork *fork)
{
    size_t at = 0;
    while (at < c->fork_count && c->forks[at].origin != fork->origin)
        at++;
    if (at == c->fork_count) {
        c->forks = xrealloc(c->forks, (c->fork_count + 1) * sizeof *c->forks);
        c->forks[c->fork_count++] = *fork;
    }
    c->forks[at].common_size = min_of(c->forks[at].common_size, fork->common_size);
    list_for_each (link, &c->lru)
        case_forks_apply(&c->forks[at], 1, container_of(link, struct case_slot, lru)->file);
}

void case_cache_forget_forks(struct case_cache *c)
{
    xassert(c->count == 0);
    c->fork_count = 0;
}

size_t case_cache_forks(const struct case_cache *c, const struct case_fork **ret)
{
    *ret = c->forks;
    return c->fork_count;
}

int case_file_load(struct store_reader *reader, const uint8_t case_id[CASE_ID_SIZE], const struct case_fork *forks,
                   size_t fork_count, struct casefile **ret, struct err *e)
{
    struct arena a = ARENA_INIT;
    struct store_entry *entries;
    size_t count;
    struct casefile *file = casefile_create(case_id);
    int rc = store_read_case_entries(reader, case_id, &a, &entries, &count, e);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = add_entry(file, &entries[i], e);
    arena_close(&a);
    if (rc != 0) {
        casefile_destroy(file);
        return rc;
    }
    case_forks_apply(forks, fork_count, file);
    *ret = file;
    return 0;
}

/* @keep is about to be used. */
static void evict(struct case_cache *c, const struct ledger *ledger, size_t bytes_max, const struct case_slot *keep)
{
    while (c->count > CASE_CACHE_MAX || c->bytes > bytes_max) {
        struct case_slot *oldest = NULL;
        list_for_each (at, &c->lru) {
            struct case_slot *slot = container_of(at, struct case_slot, lru);
            if (slot != keep && !case_cache_in_flight(slot, ledger)) {
                oldest = slot;
                break;
            }
        }
        if (oldest == NULL)
            return;
        detach(c, oldest);
    }
}

struct case_slot *case_cache_find(struct case_cache *c, const uint8_t case_id[CASE_ID_SIZE])
{
    return map_get(&c->slots, case_id, CASE_ID_SIZE);
}

/* A slot grows between two gets by the events of one command or batch: counted at the next one. */
static void weigh(struct case_cache *c, struct case_slot *slot)
{
    c->bytes -= slot->bytes;
    slot->bytes = sizeof *slot + casefile_bytes(slot->file);
    c->bytes += slot->bytes;
}

struct case_cache_stats case_cache_stats(const struct case_cache *c)
{
    return (struct case_cache_stats){.count = c->count, .bytes = c->bytes};
}

int case_cache_get(struct case_cache *c, struct ledger *ledger, const uint8_t case_id[CASE_ID_SIZE],
                   struct case_slot **ret, struct err *e)
{
    struct case_slot *slot = map_get(&c->slots, case_id, CASE_ID_SIZE);
    if (slot != NULL) {
        list_remove(&slot->lru);
        list_append(&c->lru, &slot->lru);
        weigh(c, slot);
        evict(c, ledger, CASE_CACHE_BYTES_BUSY, slot); /* cases grow while they are held */
        *ret = slot;
        return 0;
    }
    struct casefile *file;
    int rc = case_file_load(ledger_reader(ledger), case_id, c->forks, c->fork_count, &file, e);
    if (rc != 0)
        return rc;
    evict(c, ledger, CASE_CACHE_BYTES_MAX, NULL);
    slot = xcalloc(1, sizeof *slot);
    memcpy(slot->id, case_id, sizeof slot->id);
    slot->file = file;
    list_init(&slot->lru);
    list_append(&c->lru, &slot->lru);
    (void)map_put(&c->slots, slot->id, sizeof slot->id, slot);
    c->count++;
    weigh(c, slot);
    *ret = slot;
    return 0;
}

void case_cache_trim(struct case_cache *c, const struct ledger *ledger)
{
    evict(c, ledger, CASE_CACHE_BYTES_MAX, NULL);
}

void case_cache_touch(struct case_slot *slot, const struct ledger_txn *txn)
{
    slot->touched = ledger_txn_number(txn);
}

bool case_cache_in_flight(const struct case_slot *slot, const struct ledger *ledger)
{
    return slot->touched > ledger_done_number(ledger);
}

void case_row_of(struct casefile *file, const uint8_t case_id[CASE_ID_SIZE], const char *item_name,
                 struct store_case *ret)
{
    const struct case_state *state = casefile_state(file);
    *ret = (struct store_case){
        .receiving = state->receiving,
        .lead = state->lead,
        .division = state->division,
        .status = state->status,
        .level = state->level,
        .flags = (uint8_t)(((state->flags & CASE_FLAG_CONTESTED) != 0) | ((state->flags & CASE_FLAG_FROZEN) != 0) << 1),
        .event_count = state->event_count + state->pending_count,
        .created_ms = state->created_hlc >> 16,
        .updated_ms = state->updated_hlc >> 16};
    memcpy(ret->case_id, case_id, sizeof ret->case_id);
    (void)snprintf(ret->number, sizeof ret->number, "%s", state->number);
    (void)snprintf(ret->item_code, sizeof ret->item_code, "%s", state->item_code);
    (void)snprintf(ret->item_name, sizeof ret->item_name, "%s", item_name);
    struct buf input = {0};
    casefile_digest_input(file, &input);
    crypto_sha256_one(input.data, input.size, ret->digest);
    buf_close(&input);
}
