/* Verification of a store (see verify.h, and app_verify.c for the list of what is checked). */
#include "node/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/search_text.h"
#include "federation/ledger/checkpoint.h"
#include "federation/ledger/crange.h"
#include "federation/ledger/leaf.h"
#include "federation/ledger/tiles.h"
#include "node/base/map.h"
#include "node/base/xassert.h"
#include "node/bundle_row.h"
#include "node/case_cache.h"
#include "node/erase_leaf.h"

struct verify {
    const struct verify_input *in;
    struct store_reader *reader;
    struct verify_result *out;
    struct tiles *tree; /* own, rebuilt */
    uint64_t next;      /* own index expected */
    struct map streams; /* u32 recipient -> struct store_addressed: the last own entry addressed to it */
    const struct case_fork *forks;
    size_t fork_count;
    uint64_t own_items;  /* rows of the own catalog, withdrawn ones too */
    bool search_current; /* what bundles are found by is of this program's version */
};

static int check_cancel(const struct verify *v, struct err *e)
{
    if (v->in->cancel == NULL || !atomic_load(v->in->cancel))
        return 0;
    return err_set(e, ERR_CLOSED, "verify.cancelled", "the verification was ended before it had seen everything");
}

/* ---- entries ---- */

/* An erasure that a leaf tells of is noted, with its author as one who has done it or waits; and what is missing of the
 * contents has been erased: by @node. */
static int check_erasure(struct verify *v, const struct leaf *leaf, uint32_t node, struct err *e)
{
    struct arena a = ARENA_INIT;
    struct store_erasure *rows;
    size_t count = 0;
    bool noted = false;
    int rc = store_read_erasures(v->reader, leaf->case_id, &a, &rows, &count, e);
    for (size_t i = 0; rc == 0 && i < count; i++)
        noted = noted || rows[i].node == node;
    arena_close(&a);
    if (rc == 0 && !noted)
        rc = err_set(e, ERR_CORRUPT, "verify.erasure", "ledger %u entry %llu: %s, but no erasure by that node is noted",
                     leaf->origin, (unsigned long long)leaf->index,
                     leaf->kind == LEAF_KIND_ERASE ? "it tells of an erasure" : "its payload is gone");
    return rc;
}

/* An erase leaf that surely has its row. A peer's that is of no form, or an order by who may not give one, is refused when it comes and
 * leaves none (app_erase.c): who signs such a thing must not make the ledgers of others look damaged. */
static bool is_noted_erasure(const struct verify *v, const struct leaf *leaf)
{
    uint16_t basis;
    return leaf->origin == v->in->self || (leaf->event_type == STORE_ERASURE_DONE && erase_leaf_basis(leaf, &basis));
}

static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

/* @a: of what the bundle is found by. */
static int compare_bundle(struct verify *v, const struct store_bundle *wanted, struct arena *a, struct err *e)
{
    struct store_bundle row = *wanted, stored;
    int rc = store_read_bundle(v->reader, row.node, row.code, row.index, a, &stored, e);
    if (rc != 0 && rc != ERR_NOT_FOUND)
        return rc;
    /* What another version of the program wrote of it is made again at the next start (app_search.c). */
    bool found_same = !v->search_current || rc != 0 ||
                      (is_same_text(stored.pinyin, row.pinyin) && is_same_text(stored.nodes, row.nodes));
    bool same = rc == 0 && stored.version == row.version && stored.withdrawn == row.withdrawn &&
                stored.status == row.status && stored.valid_from == row.valid_from && stored.valid_to == row.valid_to &&
                strcmp(stored.name, row.name) == 0 && strcmp(stored.life_event, row.life_event) == 0 && found_same;
    return same ? 0
                : err_set(e, ERR_CORRUPT, "verify.bundle", "bundle '%s' of node %u is not what entry %llu published",
                          row.code, row.node, (unsigned long long)row.index);
}

/* An entry about a bundle has its row, unless it says nothing that could be shown. */
static int check_bundle(struct verify *v, const struct store_entry *entry, const struct leaf *leaf, struct err *e)
{
    struct arena a = ARENA_INIT;
    struct store_bundle row;
    int rc = 0;
    if (bundle_row_of_entry(leaf, entry->payload, entry->payload_held, &a, &row, NULL) == 0)
        rc = compare_bundle(v, &row, &a, e);
    arena_close(&a);
    return rc;
}

/* @leaf is filled when the stored bytes decode. That they have the stored hash was seen as they were read (store_row_entry()). */
static int check_entry(struct verify *v, const struct store_entry *entry, struct leaf *leaf, struct err *e)
{
    struct merkle_hash hash;
    if (check_cancel(v, e) != 0)
        return ERR_CLOSED;
    int rc = leaf_decode(entry->leaf, leaf, e);
    if (rc != 0)
        return err_wrap(e, "ledger %u entry %llu", entry->origin, (unsigned long long)entry->index);
    if (leaf->origin != entry->origin || leaf->index != entry->index)
        return err_set(e, ERR_CORRUPT, "verify.place", "ledger %u entry %llu says it is entry %llu of %u",
                       entry->origin, (unsigned long long)entry->index, (unsigned long long)leaf->index, leaf->origin);
    bool is_of_case = leaf_is_case_event(leaf);
    if (entry->has_case != is_of_case ||
        (is_of_case && memcmp(entry->case_id, leaf->case_id, sizeof leaf->case_id) != 0))
        return err_set(e, ERR_CORRUPT, "verify.case-id", "ledger %u entry %llu is filed under another case",
                       entry->origin, (unsigned long long)entry->index);
    if (leaf->kind == LEAF_KIND_ERASE)
        return is_noted_erasure(v, leaf) ? check_erasure(v, leaf, leaf->origin, e) : 0;
    rc = bundle_row_is_about(leaf) ? check_bundle(v, entry, leaf, e) : 0;
    if (rc != 0)
        return rc;
    /* A peer may never have given a content; that an empty one, or an own one, is gone is the work of this node. But for the vector of an
     * own heads leaf, which nobody else was given: it is lost when the ledger comes back from the others, and the next one replaces it. */
    bool is_own = entry->origin == v->in->self && leaf->kind != LEAF_KIND_HEADS;
    if (!entry->payload_held && (leaf->ct_len == 0 || is_own))
        return check_erasure(v, leaf, v->in->self, e);
    if (!entry->payload_held)
        return 0;
    v->out->payloads += entry->payload.size > 0;
    if (entry->payload.size > 0)
        crypto_sha256_one(entry->payload.data, entry->payload.size, hash.b);
    if (entry->payload.size != leaf->ct_len || (leaf->ct_len > 0 && !merkle_hash_equal(&hash, &leaf->ct_hash)))
        return err_set(e, ERR_CORRUPT, "verify.payload",
                       "ledger %u entry %llu: the payload is not the one its leaf names", entry->origin,
                       (unsigned long long)entry->index);
    return 0;
}

/* A tile that filled up while the tree was rebuilt must be the stored one. */
static int compare_tile(void *ctx, unsigned level, uint64_t index, const uint8_t tile[TILES_BYTES], struct err *e)
{
    struct verify *v = ctx;
    uint8_t stored[TILES_BYTES];
    int rc = store_read_tile(v->reader, (uint8_t)level, index, stored, e);
    if (rc != 0)
        return rc;
    if (memcmp(stored, tile, TILES_BYTES) != 0)
        return err_set(e, ERR_CORRUPT, "verify.tile", "stored tile %u/%llu differs from the leaves", level,
                       (unsigned long long)index);
    return 0;
}

static int load_tile(void *ctx, unsigned level, uint64_t index, uint8_t out[TILES_BYTES], struct err *e)
{
    struct verify *v = ctx;
    return store_read_tile(v->reader, (uint8_t)level, index, out, e);
}

/* Each recipient's stream counts 1, 2, 3, …: a number left out would make the peer wait, or show it an omission. */
static struct store_addressed *stream_of(struct verify *v, uint32_t node)
{
    struct store_addressed *last = map_get(&v->streams, &node, sizeof node);
    if (last == NULL) {
        last = xcalloc(1, sizeof *last);
        last->recipient = node;
        (void)map_put(&v->streams, &node, sizeof node, last);
    }
    return last;
}

static int take_recipients(struct verify *v, const struct leaf *leaf, struct err *e)
{
    if (leaf->kind == LEAF_KIND_HEADS) {
        struct store_addressed *heads = stream_of(v, STORE_NODE_HEADS);
        heads->seq++;
        heads->index = leaf->index;
    }
    for (unsigned i = 0; i < leaf->recipient_count; i++) {
        const struct leaf_recipient *r = &leaf->recipients[i];
        struct store_addressed *last = stream_of(v, r->node);
        if (r->seq != last->seq + 1)
            return err_set(e, ERR_CORRUPT, "verify.stream",
                           "own entry %llu is number %llu for node %u, %llu is expected",
                           (unsigned long long)leaf->index, (unsigned long long)r->seq, r->node,
                           (unsigned long long)last->seq + 1);
        last->seq = r->seq;
        last->index = leaf->index;
    }
    return 0;
}

/* The look-up table that peers are served from ends where the leaves say; store_check() sees that it has no gap. */
static int check_streams(struct verify *v, struct err *e)
{
    size_t at = 0;
    const void *key;
    void *value;
    int rc = 0;
    while (rc == 0 && map_next(&v->streams, &at, &key, &value)) {
        const struct store_addressed *last = value;
        struct arena a = ARENA_INIT;
        struct store_addressed *rows;
        size_t count = 0;
        rc = store_read_addressed(v->reader, last->recipient, last->index, 1, &a, &rows, &count, e);
        if (rc == 0 && (count != 1 || rows[0].index != last->index || rows[0].seq != last->seq))
            rc = err_set(e, ERR_CORRUPT, "verify.stream",
                         "own entry %llu is number %llu for node %u, the table does not know it",
                         (unsigned long long)last->index, (unsigned long long)last->seq, last->recipient);
        arena_close(&a);
    }
    return rc;
}

static void close_streams(struct verify *v)
{
    size_t at = 0;
    const void *key;
    void *value;
    while (map_next(&v->streams, &at, &key, &value))
        free(value);
    map_close(&v->streams);
}

static int own_entry(void *ctx, const struct store_entry *entry, struct err *e)
{
    struct verify *v = ctx;
    struct leaf leaf;
    if (v->next == v->in->head_size && !v->in->without_head)
        return 1; /* written since: the next verification's */
    if (entry->index != v->next)
        return err_set(e, ERR_CORRUPT, "verify.missing", "own entry %llu is missing", (unsigned long long)v->next);
    int rc = check_entry(v, entry, &leaf, e);
    if (rc == 0)
        rc = take_recipients(v, &leaf, e);
    if (rc != 0)
        return rc;
    struct merkle_hash hash;
    memcpy(hash.b, entry->hash, sizeof hash.b);
    v->next++;
    v->out->own_leaves++;
    return tiles_append(v->tree, &hash, e);
}

static int open_own_head(struct verify *v, struct checkpoint_opened *ret, struct err *e)
{
    const struct member *self = members_find(v->in->members, v->in->self);
    if (self == NULL)
        return err_set(e, ERR_NOT_FOUND, "verify.no-member", "node %u is not in the member list", v->in->self);
    int rc = checkpoint_open(v->in->note, &self->key, NULL, 0, ret, e);
    return rc == 0 ? 0 : err_wrap(e, "own checkpoint");
}

static int own_ledger(struct verify *v, struct err *e)
{
    struct checkpoint_opened head;
    int rc = v->in->without_head ? 0 : open_own_head(v, &head, e);
    if (rc == 0)
        rc = store_scan_entries(v->reader, v->in->self, 0, own_entry, v, e);
    if (rc < 0)
        return rc;
    if (v->in->without_head) {
        tiles_root(v->tree, &v->out->root);
        return check_streams(v, e);
    }
    if (v->next != v->in->head_size)
        return err_set(e, ERR_CORRUPT, "verify.missing", "the own ledger has %llu entries, signed are %llu",
                       (unsigned long long)v->next, (unsigned long long)v->in->head_size);
    tiles_root(v->tree, &v->out->root);
    if (head.head.size != v->next || !merkle_hash_equal(&head.head.root, &v->out->root))
        return err_set(e, ERR_CORRUPT, "verify.root", "the recomputed root at size %llu is not the signed one",
                       (unsigned long long)v->next);
    return check_streams(v, e);
}

/* ---- peers ---- */

static int replica_entry(void *ctx, const struct store_entry *entry, struct err *e)
{
    struct verify *v = ctx;
    struct leaf leaf;
    v->out->replica_leaves++;
    return check_entry(v, entry, &leaf, e);
}

static int first_entry(void *ctx, const struct store_entry *entry, struct err *e)
{
    (void)e;
    *(uint64_t *)ctx = entry->index + 1;
    return 1;
}

/* Index + 1 of the first held entry of each member's ledger, 0 = none. */
static int first_entries(struct verify *v, uint64_t *ret, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; rc >= 0 && i < v->in->members->count; i++)
        if (v->in->members->list[i].code != v->in->self)
            rc = store_scan_entries(v->reader, v->in->members->list[i].code, 0, first_entry, &ret[i], e);
    return min_of(rc, 0);
}

static bool has_replica(const struct store_ledger_state *state, uint32_t origin)
{
    for (size_t i = 0; i < state->replica_count; i++)
        if (state->replicas[i].origin == origin)
            return true;
    return false;
}

static int replica(struct verify *v, const struct store_replica *row, struct err *e)
{
    const struct member *m = members_find(v->in->members, row->origin);
    struct crange range;
    struct merkle_hash root;
    struct checkpoint_opened head;
    int rc = crange_decode(row->frontier, &range, e);
    if (rc == 0 && range.size != row->size)
        rc = err_set(e, ERR_CORRUPT, "verify.frontier", "frontier is of size %llu, the position is %llu",
                     (unsigned long long)range.size, (unsigned long long)row->size);
    if (rc == 0 && m != NULL && row->note.size > 0) { /* a member that left keeps its entries; its key is gone */
        rc = checkpoint_open(row->note, &m->key, NULL, 0, &head, e);
        crange_root(&range, &root);
        if (rc == 0 && (head.head.size != row->note_size || head.head.size < range.size ||
                        (head.head.size == range.size && !merkle_hash_equal(&root, &head.head.root))))
            rc = err_set(e, ERR_CORRUPT, "verify.replica-root", "position and checkpoint do not fit together");
    }
    if (rc == 0)
        rc = store_scan_entries(v->reader, row->origin, 0, replica_entry, v, e);
    return rc == 0 ? 0 : err_wrap(e, "ledger of %u", row->origin);
}

static int replicas(struct verify *v, struct err *e)
{
    struct arena a = ARENA_INIT;
    struct store_ledger_state state = {0};
    /* Entries first: their position is committed with them, so that it stands in what is read afterwards. */
    uint64_t *first = arena_alloc(&a, (v->in->members->count + 1) * sizeof *first);
    memset(first, 0, (v->in->members->count + 1) * sizeof *first);
    int rc = first_entries(v, first, e);
    if (rc == 0)
        rc = store_read_ledger_state(v->reader, &a, &state, e);
    for (size_t i = 0; rc == 0 && i < state.replica_count; i++)
        rc = replica(v, &state.replicas[i], e);
    for (size_t i = 0; rc == 0 && i < v->in->members->count; i++) {
        uint32_t member = v->in->members->list[i].code;
        if (first[i] > 0 && !has_replica(&state, member))
            rc = err_set(e, ERR_CORRUPT, "verify.replica-missing",
                         "entry %llu of the ledger of %u is held, but not how far that ledger was verified",
                         (unsigned long long)first[i] - 1, member);
    }
    arena_close(&a);
    return rc;
}

/* ---- derived rows ---- */

/* "0007": decimal_parse() takes no leading zeros. */
static bool parse_serial(const char *text, uint64_t *ret)
{
    while (text[0] == '0' && text[1] != '\0')
        text++;
    return decimal_parse(bytes_of_string(text), ret) == 0;
}

/* A number (办件编码) that this node gave is item code, day, serial, and the day's counter is not behind it: it would be
 * given twice. */
static int check_number(struct verify *v, const char *item_code, const char *number, struct err *e)
{
    struct store_counter counter = {0};
    uint64_t serial = 0, last = 0;
    size_t prefix = strlen(item_code) + 8;
    if (strlen(number) <= prefix || !parse_serial(number + prefix, &serial))
        return 0; /* of another form: not ours to judge */
    (void)snprintf(counter.name, sizeof counter.name, "number/%s/%.8s", item_code, number + prefix - 8);
    int rc = store_read_counter(v->reader, counter.name, &last, e);
    if (rc == 0 && last < serial)
        rc = err_set(e, ERR_CORRUPT, "verify.counter", "number %s was given, but the counter '%s' stands at %llu",
                     number, counter.name, (unsigned long long)last);
    return rc;
}

static int check_numbers(struct verify *v, struct casefile *file, struct err *e)
{
    const struct case_effect *effects;
    const struct case_state *state = casefile_state(file);
    size_t count = casefile_effects(file, &effects);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (effects[i].event->type == CASE_EVENT_RECEIPT && effects[i].event->origin == v->in->self)
            rc = check_number(v, state->item_code, effects[i].event->number, e);
    return rc;
}

static int case_row(void *ctx, const struct store_case *row, struct err *e)
{
    struct verify *v = ctx;
    struct casefile *file;
    struct store_case again;
    int rc = check_cancel(v, e);
    if (rc == 0)
        rc = case_file_load(v->reader, row->case_id, v->forks, v->fork_count, &file,
                            e); /* same snapshot: the scan holds it open */
    if (rc != 0)
        return rc;
    case_row_of(file, row->case_id, row->item_name, &again);
    rc = check_numbers(v, file, e);
    casefile_destroy(file);
    if (rc != 0)
        return rc;
    v->out->cases++;
    bool same = memcmp(again.digest, row->digest, sizeof row->digest) == 0 && again.status == row->status &&
                again.level == row->level && again.flags == row->flags && again.event_count == row->event_count &&
                again.receiving == row->receiving && again.lead == row->lead && again.division == row->division &&
                again.created_ms == row->created_ms && again.updated_ms == row->updated_ms &&
                strcmp(again.number, row->number) == 0 && strcmp(again.item_code, row->item_code) == 0;
    if (same)
        return 0;
    char hex[2 * STORE_CASE_ID_SIZE + 1];
    hex_encode(row->case_id, sizeof row->case_id, hex);
    return err_set(e, ERR_CORRUPT, "verify.case", "the row of case %s is not what its events give", hex);
}

static int item_row(struct verify *v, const struct store_item *row, struct err *e)
{
    struct arena a = ARENA_INIT;
    struct store_entry entry;
    int rc = store_read_entry(v->reader, row->node, row->index, &a, &entry, e);
    if (rc == 0 && !row->withdrawn && !bytes_equal(entry.payload, row->json))
        rc = err_set(e, ERR_CORRUPT, "verify.item", "item '%s' of node %u is not what entry %llu published", row->code,
                     row->node, (unsigned long long)row->index);
    arena_close(&a);
    v->out->items++;
    v->own_items += row->node == v->in->self;
    return rc;
}

static int items(struct verify *v, struct err *e)
{
    struct store_item_filter f = {.with_withdrawn = true, .limit = LIST_ROWS_MAX};
    struct arena last = ARENA_INIT; /* holds the page that the filter points into */
    int rc = 0;
    for (size_t count = f.limit; rc == 0 && count == f.limit;) {
        struct arena a = ARENA_INIT;
        struct store_item *rows;
        rc = store_list_items(v->reader, &f, &a, &rows, &count, e);
        for (size_t i = 0; rc == 0 && i < count; i++)
            rc = item_row(v, &rows[i], e);
        if (rc == 0 && count > 0) {
            f.after_node = rows[count - 1].node;
            f.after_code = rows[count - 1].code;
        }
        arena_close(&last);
        last = a;
    }
    arena_close(&last);
    return rc;
}

/* Newest versions that were in use are noted; without the note an old member list or an old catalog file could come back. */
static int check_floors(struct verify *v, struct err *e)
{
    const struct {
        const char *key;
        bool is_needed;
    } floors[] = {{"trust/members", v->in->members->version > 0}, {"catalog/version", v->own_items > 0}};
    for (size_t i = 0; i < array_count(floors); i++) {
        uint64_t version = 0;
        int rc = store_read_counter(v->reader, floors[i].key, &version, e);
        if (rc != 0)
            return rc;
        if (floors[i].is_needed && version == 0)
            return err_set(e, ERR_CORRUPT, "verify.counter", "table counter, key '%s': the row is gone", floors[i].key);
    }
    return 0;
}

/* The authors whose later entries the fold leaves out. */
static int load_forks(struct verify *v, struct arena *a, struct err *e)
{
    struct store_evidence *rows;
    size_t count = 0;
    int rc = store_list_evidence(v->reader, a, &rows, &count, e);
    struct case_fork *forks = arena_alloc(a, (count + 1) * sizeof *forks);
    for (size_t i = 0; rc == 0 && i < count; i++)
        forks[i] = (struct case_fork){.origin = rows[i].accused, .common_size = rows[i].common_size};
    v->forks = forks;
    v->fork_count = rc == 0 ? count : 0;
    return rc;
}

static int load_search_version(struct verify *v, struct err *e)
{
    uint64_t version = 0;
    int rc = store_read_counter(v->reader, STORE_COUNTER_SEARCH, &version, e);
    v->search_current = rc == 0 && version == SEARCH_TEXT_VERSION;
    return rc;
}

int verify_store(const struct verify_input *in, struct verify_result *ret, struct err *e)
{
    struct arena a = ARENA_INIT;
    *ret = (struct verify_result){0};
    struct verify v = {.in = in, .out = ret};
    int rc = store_reader_open(in->dir, &v.reader, e);
    if (rc != 0)
        return rc; /* the arena is empty */
    store_reader_cancel_by(v.reader, in->cancel);
    map_init(&v.streams, 0); /* node codes, from our own leaves */
    v.tree = tiles_create(&(struct tiles_store){.save = compare_tile, .load = load_tile, .ctx = &v});
    rc = load_forks(&v, &a, e);
    if (rc == 0)
        rc = load_search_version(&v, e);
    if (rc == 0)
        rc = own_ledger(&v, e);
    if (rc == 0)
        rc = replicas(&v, e);
    if (rc == 0)
        rc = store_scan_cases(v.reader, case_row, &v, e);
    if (rc == 0)
        rc = items(&v, e);
    if (rc == 0)
        rc = check_floors(&v, e);
    if (rc == 0)
        rc = store_check(v.reader, e);
    if (rc == ERR_CLOSED)
        (void)check_cancel(&v, e); /* says so of a statement that was cancelled, too */
    tiles_destroy(v.tree);
    close_streams(&v);
    store_reader_close(v.reader);
    arena_close(&a);
    return rc;
}
