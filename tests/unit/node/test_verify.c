/* Goal: each thing that a verification compares is noticed when it is wrong although the rows' check values are right, and is told by
 * its own id. Method: a small store made through store_commit(), one thing in it wrong at a time; damage that the check values see is
 * tried on a real node (whole/test_verify.py). */
#include "node/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "federation/ledger/checkpoint.h"
#include "federation/ledger/crange.h"
#include "federation/ledger/leaf.h"
#include "federation/ledger/tiles.h"
#include "node/base/xassert.h"
#include "node/cases/event.h"
#include "node/store/store.h"
#include "tests/unit/node/ledger_rig.h"

#define SELF 510000u
#define PEER 440000u
#define OWN_COUNT 260u /* a full tile, and some */
#define PEER_COUNT 3u
#define ADDRESSED 5u /* own entries with a part of their own */
#define ITEM 7u
#define BUNDLE 9u

static const char json[] = "{\"code\":\"A1\"}";
static const uint8_t case_id[STORE_CASE_ID_SIZE] = {1, 2, 3};

enum broken {
    NOTHING,
    PLACE,
    CASE_ID,
    PAYLOAD,
    ERASED,
    ERASURE_LEAF,
    ERASURE_OF_PEER,
    ORDER_OF_PEER,
    FORMLESS_OF_PEER,
    STREAM_SKIPS,
    STREAM_UNKNOWN,
    TILE,
    ENTRY_GONE,
    FEWER_THAN_SIGNED,
    ROOT,
    NOT_A_MEMBER,
    FRONTIER,
    REPLICA_ROOT,
    REPLICA_GONE,
    CASE_ROW,
    ITEM_JSON,
    BUNDLE_ROW,
    BUNDLE_GONE,
    MEMBERS_FLOOR,
    CATALOG_FLOOR,
    CANCELLED,
};

struct world {
    char dir[64];
    struct arena mem;
    struct crypto_signer *keys[2];
    struct note_signer signers[2]; /* PEER, SELF */
    struct member members[2];
    struct store_entry own[OWN_COUNT], peer[PEER_COUNT];
    struct buf note, peer_note, frontier;
    uint8_t tile[TILES_BYTES];
};

/* ---- parts ---- */

static struct leaf leaf_of(uint32_t origin, uint64_t index, struct bytes payload)
{
    struct leaf l = {.kind = LEAF_KIND_EVENT,
                     .suite = LEAF_SUITE_SHA256_ED25519_AES256GCM,
                     .origin = origin,
                     .index = index,
                     .hlc = 1000 + index,
                     .event_type = PUBLIC_EVENT_CALENDAR,
                     .ct_len = (uint32_t)payload.size};
    if (payload.size > 0)
        crypto_sha256_one(payload.data, payload.size, l.ct_hash.b);
    return l;
}

static void entry_of(struct world *w, uint32_t origin, uint64_t index, const struct leaf *leaf, struct bytes payload,
                     struct store_entry *ret)
{
    struct buf bytes = {0};
    struct merkle_hash hash;
    assert_int_equal(leaf_encode(leaf, &bytes, NULL), 0);
    leaf_hash(buf_bytes(&bytes), &hash);
    *ret = (struct store_entry){.origin = origin,
                                .index = index,
                                .leaf = arena_bytes(&w->mem, buf_bytes(&bytes)),
                                .payload = payload,
                                .payload_held = true,
                                .stored_ms = 1};
    memcpy(ret->hash, hash.b, sizeof ret->hash);
    buf_close(&bytes);
}

static void make_own(struct world *w, enum broken broken)
{
    for (uint64_t i = 0; i < OWN_COUNT; i++) {
        struct bytes payload = bytes_of_string(i == ITEM ? json : i == BUNDLE ? "" : "payload");
        struct leaf l = leaf_of(SELF, i, payload);
        if (i == ADDRESSED) {
            l.recipient_count = 1;
            l.recipients[0] = (struct leaf_recipient){.node = PEER, .seq = broken == STREAM_SKIPS ? 2 : 1};
        }
        if (i == BUNDLE) {
            l.event_type = PUBLIC_EVENT_BUNDLE_WITHDRAWN;
            l.attr_count = 1;
            l.attrs[0] = (struct leaf_attr){.tag = CASE_ATTR_ITEM_CODE, .value = bytes_of_string("B1")};
        }
        if (i == 20 && broken == PLACE)
            l.index = 21;
        if (i == 20 && broken == ERASURE_LEAF)
            l.kind = LEAF_KIND_ERASE;
        entry_of(w, SELF, i, &l, payload, &w->own[i]);
        if (i == 20 && broken == CASE_ID) {
            w->own[i].has_case = true;
            memcpy(w->own[i].case_id, case_id, sizeof case_id);
        }
        if (i == 20 && broken == PAYLOAD)
            w->own[i].payload = bytes_of_string("Payload");
        if (i == 20 && broken == ERASED) {
            w->own[i].payload = bytes_of(NULL, 0);
            w->own[i].payload_held = false;
        }
        if (i < TILES_WIDTH)
            memcpy(w->tile + i * MERKLE_HASH_SIZE, w->own[i].hash, MERKLE_HASH_SIZE);
    }
    w->tile[77] ^= broken == TILE;
}

/* Signs @size leaves of @entries; @ret_range (may be NULL) is their compact range. */
static void sign(const struct note_signer *by, const struct store_entry *entries, size_t size, bool wrong_root,
                 struct buf *note, struct crange *ret_range)
{
    struct crange range;
    struct checkpoint head = {.size = size};
    crange_init(&range);
    for (size_t i = 0; i < size; i++) {
        struct merkle_hash hash;
        memcpy(hash.b, entries[i].hash, sizeof hash.b);
        assert_int_equal(crange_append_leaf(&range, &hash, NULL), 0);
    }
    (void)snprintf(head.origin, sizeof head.origin, "%s", by->key.name);
    crange_root(&range, &head.root);
    head.root.b[0] ^= wrong_root;
    assert_int_equal(checkpoint_sign(&head, by, note, NULL), 0);
    if (ret_range != NULL)
        *ret_range = range;
}

static void make_peer(struct world *w, enum broken broken)
{
    struct crange range, shorter;
    struct buf unused = {0};
    for (uint64_t i = 0; i < PEER_COUNT; i++) {
        struct leaf l = leaf_of(PEER, i, bytes_of_string("of the peer"));
        if (i == 1 && broken >= ERASURE_OF_PEER && broken <= FORMLESS_OF_PEER) {
            l.kind = LEAF_KIND_ERASE;
            l.event_type = broken == ORDER_OF_PEER ? 1 : STORE_ERASURE_DONE;
            l.attr_count = broken != FORMLESS_OF_PEER;
            l.attrs[0] = (struct leaf_attr){.tag = 1, .value = bytes_of_string("\1\2")};
        }
        entry_of(w, PEER, i, &l, bytes_of_string("of the peer"), &w->peer[i]);
    }
    sign(&w->signers[0], w->peer, PEER_COUNT, broken == REPLICA_ROOT, &w->peer_note, &range);
    sign(&w->signers[0], w->peer, PEER_COUNT - 1, false, &unused, &shorter);
    crange_encode(broken == FRONTIER ? &shorter : &range, &w->frontier);
    buf_close(&unused);
}

/* ---- the store ---- */

static void commit(struct world *w, enum broken broken)
{
    struct store *s;
    struct err e = {0};
    struct store_addressed addressed = {PEER, ADDRESSED, 1};
    struct store_tile tile = {.hashes = w->tile};
    struct store_replica replica = {.origin = PEER,
                                    .size = PEER_COUNT,
                                    .frontier = buf_bytes(&w->frontier),
                                    .note = buf_bytes(&w->peer_note),
                                    .note_size = PEER_COUNT};
    struct store_item item = {.node = SELF, .code = "A1", .name = "甲", .version = 1, .index = ITEM};
    struct store_bundle bundle = {.node = SELF, .code = "B1", .index = BUNDLE, .withdrawn = true};
    struct store_counter counters[] = {{"trust/members", 1}, {"catalog/version", 1}};
    struct store_case row = {.item_code = "A1", .item_name = "甲", .status = 1, .event_count = 1};
    item.json = bytes_of_string(broken == ITEM_JSON ? "{\"code\":\"A2\"}" : json);
    bundle.version = broken == BUNDLE_ROW;
    memcpy(row.case_id, case_id, sizeof case_id);
    struct store_batch own = {.entries = w->own,
                              .entry_count = broken == FEWER_THAN_SIGNED ? OWN_COUNT - 1 : OWN_COUNT,
                              .addressed = &addressed,
                              .addressed_count = broken != STREAM_UNKNOWN,
                              .tiles = &tile,
                              .tile_count = 1,
                              .items = &item,
                              .item_count = 1,
                              .bundles = &bundle,
                              .bundle_count = broken != BUNDLE_GONE,
                              .cases = &row,
                              .case_count = broken == CASE_ROW,
                              .counters = counters + (broken == MEMBERS_FLOOR),
                              .counter_count = broken == MEMBERS_FLOOR || broken == CATALOG_FLOOR ? 1 : 2};
    struct store_batch peer = {
        .entries = w->peer, .entry_count = PEER_COUNT, .replicas = &replica, .replica_count = broken != REPLICA_GONE};
    assert_int_equal(store_open(w->dir, SELF, &s, &e), 0);
    if (store_commit(s, &own, &e) != 0 || store_commit(s, &peer, &e) != 0)
        fail_msg("%s: %s", e.id, e.message);
    store_close(s);
}

static void run_sql(const struct world *w, const char *sql)
{
    sqlite3 *db = NULL;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/ledger.db", w->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void world_open(struct world *w)
{
    static const char *const origins[] = {"440000.test/log/1", "510000.test/log/1"};
    *w = (struct world){.mem = ARENA_INIT};
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/tongban-verify-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    for (uint8_t i = 0; i < 2; i++) {
        const uint8_t seed[CRYPTO_ED25519_KEY_SIZE] = {7, i};
        w->keys[i] = crypto_signer_create(seed);
        assert_int_equal(note_signer_init(origins[i], NOTE_TYPE_ED25519, w->keys[i], &w->signers[i], NULL), 0);
        w->members[i] =
            (struct member){.code = i == 0 ? PEER : SELF, .name = "测试", .url = "", .key = w->signers[i].key};
    }
}

static void world_close(struct world *w)
{
    for (size_t i = 0; i < 2; i++)
        crypto_signer_destroy(w->keys[i]);
    buf_close(&w->note);
    buf_close(&w->peer_note);
    buf_close(&w->frontier);
    arena_close(&w->mem);
    ledger_rig_remove(w->dir);
}

/* Makes a store with @broken wrong and verifies it. */
static int verify(enum broken broken, struct verify_result *ret, struct err *e)
{
    struct world w;
    atomic_bool cancel = broken == CANCELLED;
    world_open(&w);
    make_own(&w, broken);
    make_peer(&w, broken);
    sign(&w.signers[1], w.own, OWN_COUNT, broken == ROOT, &w.note, NULL);
    commit(&w, broken);
    if (broken == ENTRY_GONE)
        run_sql(&w, "DELETE FROM entry WHERE id = (1 << 60) + 30"); /* own entry 30 */
    struct members members = {.version = 1, .list = w.members, .count = broken == NOT_A_MEMBER ? 1 : 2};
    struct verify_input in = {.dir = w.dir,
                              .self = SELF,
                              .members = &members,
                              .head_size = OWN_COUNT,
                              .note = buf_bytes(&w.note),
                              .cancel = &cancel};
    int rc = verify_store(&in, ret, e);
    world_close(&w);
    return rc;
}

/* ---- tests ---- */

static void test_whole(void **state)
{
    (void)state;
    struct verify_result r;
    struct err e = {0};
    if (verify(NOTHING, &r, &e) != 0)
        fail_msg("%s: %s", e.id, e.message);
    assert_int_equal(r.own_leaves, OWN_COUNT);
    assert_int_equal(r.replica_leaves, PEER_COUNT);
    assert_int_equal(r.items, 1);
}

/* What a peer signed and this node refused when it came is no damage of what is stored. */
static void test_refused_erasures(void **state)
{
    (void)state;
    for (enum broken broken = ORDER_OF_PEER; broken <= FORMLESS_OF_PEER; broken++) {
        struct verify_result r;
        struct err e = {0};
        if (verify(broken, &r, &e) != 0)
            fail_msg("%d: %s: %s", broken, e.id, e.message);
        assert_int_equal(r.replica_leaves, PEER_COUNT);
    }
}

static void test_broken(void **state)
{
    (void)state;
    static const struct {
        enum broken broken;
        int code;
        const char *id, *says;
    } rows[] = {
        {PLACE, ERR_CORRUPT, "verify.place", "entry 20 says it is entry 21 of 510000"},
        {CASE_ID, ERR_CORRUPT, "verify.case-id", "entry 20"},
        {PAYLOAD, ERR_CORRUPT, "verify.payload", "entry 20"},
        {ERASED, ERR_CORRUPT, "verify.erasure", "entry 20: its payload is gone"},
        {ERASURE_LEAF, ERR_CORRUPT, "verify.erasure", "entry 20: it tells of an erasure"},
        {ERASURE_OF_PEER, ERR_CORRUPT, "verify.erasure", "ledger 440000 entry 1: it tells of an erasure"},
        {STREAM_SKIPS, ERR_CORRUPT, "verify.stream", "is number 2 for node 440000, 1 is expected"},
        {STREAM_UNKNOWN, ERR_CORRUPT, "verify.stream", "the table does not know it"},
        {TILE, ERR_CORRUPT, "verify.tile", "tile 0/0"},
        {ENTRY_GONE, ERR_CORRUPT, "verify.missing", "own entry 30 is missing"},
        {FEWER_THAN_SIGNED, ERR_CORRUPT, "verify.missing", "has 259 entries, signed are 260"},
        {ROOT, ERR_CORRUPT, "verify.root", "size 260"},
        {NOT_A_MEMBER, ERR_NOT_FOUND, "verify.no-member", "node 510000"},
        {FRONTIER, ERR_CORRUPT, "verify.frontier", "ledger of 440000: frontier is of size 2, the position is 3"},
        {REPLICA_ROOT, ERR_CORRUPT, "verify.replica-root", "ledger of 440000"},
        {REPLICA_GONE, ERR_CORRUPT, "verify.replica-missing", "entry 0 of the ledger of 440000"},
        {CASE_ROW, ERR_CORRUPT, "verify.case", "case 010203"},
        {ITEM_JSON, ERR_CORRUPT, "verify.item", "item 'A1' of node 510000 is not what entry 7 published"},
        {BUNDLE_ROW, ERR_CORRUPT, "verify.bundle", "bundle 'B1' of node 510000 is not what entry 9 published"},
        {BUNDLE_GONE, ERR_CORRUPT, "verify.bundle", "bundle 'B1'"},
        {MEMBERS_FLOOR, ERR_CORRUPT, "verify.counter", "'trust/members'"},
        {CATALOG_FLOOR, ERR_CORRUPT, "verify.counter", "'catalog/version'"},
        {CANCELLED, ERR_CLOSED, "verify.cancelled", ""},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct verify_result r;
        struct err e = {0};
        int rc = verify(rows[i].broken, &r, &e);
        if (rc != rows[i].code || strcmp(e.id, rows[i].id) != 0 || strstr(e.message, rows[i].says) == NULL)
            fail_msg("row %zu: %d %s: %s", i, rc, e.id, e.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole), cmocka_unit_test(test_refused_erasures),
                                       cmocka_unit_test(test_broken)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
