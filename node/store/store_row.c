/* Row codecs (see store_row.h). One pair per table: ..._ck() gathers the fields, the decoder fills the struct from the
 * columns and compares. The order of fields in a check value is on disk: changing it needs a migration. */
#include "node/store/store_row.h"

#include <inttypes.h>
#include <string.h>

#include "certs/crypto.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

uint64_t store_row_entry_ck(uint64_t id, uint64_t case_no, const struct store_entry *entry)
{
    uint64_t ints[] = {id, entry->origin, case_no, entry->stored_ms, entry->payload_held};
    struct bytes spans[] = {bytes_of(entry->hash, 32), entry->payload};
    return store_sql_check_value(STORE_TABLE_ENTRY, ints, array_count(ints), spans, array_count(spans));
}

uint64_t store_row_addressed_ck(uint64_t id, uint64_t seq)
{
    uint64_t ints[] = {id, seq};
    return store_sql_check_value(STORE_TABLE_ADDRESSED, ints, array_count(ints), NULL, 0);
}

uint64_t store_row_tile_ck(uint64_t id, struct bytes hashes)
{
    return store_sql_check_value(STORE_TABLE_TILE, &id, 1, &hashes, 1);
}

uint64_t store_row_replica_ck(uint64_t slot, const struct store_replica *r)
{
    uint64_t ints[] = {slot, r->origin, r->size, r->seq_me, r->seq_public, r->note_size, r->checked_ms};
    struct bytes spans[] = {r->frontier, r->note};
    return store_sql_check_value(STORE_TABLE_REPLICA, ints, array_count(ints), spans, array_count(spans));
}

uint64_t store_row_ack_ck(uint64_t slot, const struct store_ack *a)
{
    uint64_t ints[] = {slot, a->peer, a->size, a->at_ms};
    return store_sql_check_value(STORE_TABLE_ACK, ints, array_count(ints), NULL, 0);
}

uint64_t store_row_case_ck(uint64_t no, const struct store_case *row)
{
    uint64_t ints[] = {no,         row->receiving, row->lead,        row->division,   row->status,
                       row->level, row->flags,     row->event_count, row->created_ms, row->updated_ms};
    struct bytes spans[] = {bytes_of(row->case_id, STORE_CASE_ID_SIZE), bytes_of(row->digest, 32),
                            bytes_of_string(row->number), bytes_of_string(row->item_code),
                            bytes_of_string(row->item_name)};
    return store_sql_check_value(STORE_TABLE_CASE, ints, array_count(ints), spans, array_count(spans));
}

uint64_t store_row_item_ck(const struct store_item *item, uint64_t json_id)
{
    uint64_t ints[] = {item->node, item->version, item->index, item->withdrawn, json_id};
    struct bytes spans[] = {bytes_of_string(item->code), bytes_of_string(item->name)};
    return store_sql_check_value(STORE_TABLE_ITEM, ints, array_count(ints), spans, array_count(spans));
}

uint64_t store_row_item_json_ck(struct bytes json)
{
    return store_sql_check_value(STORE_TABLE_ITEM_JSON, NULL, 0, &json, 1);
}

uint64_t store_row_search_id(const char *name, uint64_t json_id)
{
    size_t length = min_of(utf8_count(name, strlen(name)), (size_t)255);
    return (uint64_t)length << 40 | json_id;
}

uint64_t store_row_item_version_ck(uint32_t node, const char *code, const struct store_item_version *v)
{
    uint64_t ints[] = {node, v->index, v->version, v->withdrawn};
    struct bytes span = bytes_of_string(code);
    return store_sql_check_value(STORE_TABLE_ITEM_VERSION, ints, array_count(ints), &span, 1);
}

uint64_t store_row_request_ck(const struct store_request *r)
{
    uint64_t ints[] = {r->first_index, r->count};
    struct bytes spans[] = {bytes_of(r->key_hash, 32), bytes_of(r->body_hash, 32),
                            bytes_of(r->case_id, STORE_CASE_ID_SIZE)};
    return store_sql_check_value(STORE_TABLE_REQUEST, ints, array_count(ints), spans, array_count(spans));
}

uint64_t store_row_counter_ck(const struct store_counter *c)
{
    struct bytes name = bytes_of_string(c->name);
    return store_sql_check_value(STORE_TABLE_COUNTER, &c->value, 1, &name, 1);
}

uint64_t store_row_meta_ck(const char *key, uint64_t value)
{
    struct bytes name = bytes_of_string(key);
    return store_sql_check_value(STORE_TABLE_META, &value, 1, &name, 1);
}

uint64_t store_row_head_ck(uint32_t node, const struct store_head *head)
{
    uint64_t ints[] = {node, head->size};
    struct bytes spans[] = {bytes_of(head->root, 32), head->note};
    return store_sql_check_value(STORE_TABLE_HEAD, ints, array_count(ints), spans, array_count(spans));
}

void store_row_leaf_hash(struct bytes leaf, uint8_t ret[32])
{
    static const uint8_t prefix = 0;
    struct bytes parts[] = {bytes_of(&prefix, 1), leaf};
    crypto_sha256(parts, array_count(parts), ret);
}

int store_row_corrupt(const struct store_sql *c, const char *table, uint64_t key, struct err *e)
{
    (void)err_set(e, ERR_CORRUPT, "store.row", "%s: table %s, row %" PRIu64 ": the stored bytes fail their check",
                  c->name, table, key);
    err_hint(e, "the disk or another program has changed the file; restore the node's folder from its last backup");
    return ERR_CORRUPT;
}

/* Copies a blob column that must have exactly @size bytes. */
static bool fixed_blob(sqlite3_stmt *stmt, int column, void *out, size_t size)
{
    struct bytes b = store_sql_bytes(stmt, column);
    if (b.size != size)
        return false;
    memcpy(out, b.data, size);
    return true;
}

/* An integer column that must not exceed @max: a flipped high byte may not vanish in a narrower type. */
static uint64_t ranged(sqlite3_stmt *stmt, int column, uint64_t max, bool *good)
{
    uint64_t v = store_sql_u64(stmt, column);
    *good = *good && v <= max;
    return v;
}

static bool is_null(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt, column) == SQLITE_NULL;
}

int store_row_entry(struct store_sql *c, sqlite3_stmt *stmt, struct store_entry *ret, struct err *e)
{
    uint64_t id = store_sql_u64(stmt, 0);
    uint64_t case_no = store_sql_u64(stmt, 2);
    bool good = !is_null(stmt, 1);
    struct store_entry entry = {
        .origin = (uint32_t)ranged(stmt, 1, UINT32_MAX, &good),
        .index = id & STORE_INDEX_MAX,
        .stored_ms = store_sql_u64(stmt, 4),
        .leaf = store_sql_bytes(stmt, 7),
        .payload = store_sql_bytes(stmt, 9), /* of an entry with content 0 there is no row: empty */
        .payload_held = !is_null(stmt, 8),
        .has_case = !is_null(stmt, 2),
    };
    uint8_t leaf_hash[32];
    good = good && fixed_blob(stmt, 6, entry.hash, 32);
    good = good &&
           (is_null(stmt, 9) == (is_null(stmt, 8) || store_sql_u64(stmt, 8) == 0)); /* content 0 and no row: empty */
    if (good && entry.has_case)
        good = case_no != 0 && fixed_blob(stmt, 3, entry.case_id, STORE_CASE_ID_SIZE);
    good = good && store_row_entry_ck(id, case_no, &entry) == store_sql_u64(stmt, 5);
    if (good) {
        store_row_leaf_hash(entry.leaf, leaf_hash);
        good = memcmp(leaf_hash, entry.hash, 32) == 0;
    }
    if (!good)
        return store_row_corrupt(c, "entry", id, e);
    *ret = entry;
    return 0;
}

int store_row_case(struct store_sql *c, sqlite3_stmt *stmt, struct store_case *ret, struct err *e)
{
    uint64_t no = store_sql_u64(stmt, 0);
    bool good = true;
    struct store_case row = {
        .receiving = (uint32_t)ranged(stmt, 2, UINT32_MAX, &good),
        .lead = (uint32_t)ranged(stmt, 3, UINT32_MAX, &good),
        .division = (uint32_t)ranged(stmt, 4, UINT32_MAX, &good),
        .status = (uint16_t)ranged(stmt, 5, UINT16_MAX, &good),
        .level = (uint8_t)ranged(stmt, 6, UINT8_MAX, &good),
        .flags = (uint8_t)ranged(stmt, 7, UINT8_MAX, &good),
        .event_count = (uint32_t)ranged(stmt, 8, UINT32_MAX, &good),
        .created_ms = store_sql_u64(stmt, 9),
        .updated_ms = store_sql_u64(stmt, 10),
    };
    good = good && store_sql_text(stmt, 13, row.number, sizeof row.number) &&
           store_sql_text(stmt, 14, row.item_code, sizeof row.item_code) &&
           store_sql_text(stmt, 15, row.item_name, sizeof row.item_name);
    good = good && fixed_blob(stmt, 1, row.case_id, STORE_CASE_ID_SIZE) && fixed_blob(stmt, 12, row.digest, 32);
    if (!good || store_row_case_ck(no, &row) != store_sql_u64(stmt, 11))
        return store_row_corrupt(c, "case_row", no, e);
    *ret = row;
    return 0;
}

int store_row_replica(struct store_sql *c, sqlite3_stmt *stmt, struct store_replica *ret, struct err *e)
{
    uint64_t slot = store_sql_u64(stmt, 0);
    bool good = !is_null(stmt, 1);
    struct store_replica r = {
        .origin = (uint32_t)ranged(stmt, 1, UINT32_MAX, &good),
        .size = store_sql_u64(stmt, 2),
        .seq_me = store_sql_u64(stmt, 3),
        .seq_public = store_sql_u64(stmt, 4),
        .note_size = store_sql_u64(stmt, 5),
        .checked_ms = store_sql_u64(stmt, 6),
        .frontier = store_sql_bytes(stmt, 8),
        .note = store_sql_bytes(stmt, 9),
    };
    if (!good || store_row_replica_ck(slot, &r) != store_sql_u64(stmt, 7))
        return store_row_corrupt(c, "replica", slot, e);
    *ret = r;
    return 0;
}

int store_row_ack(struct store_sql *c, sqlite3_stmt *stmt, struct store_ack *ret, struct err *e)
{
    uint64_t slot = store_sql_u64(stmt, 0);
    bool good = !is_null(stmt, 1);
    struct store_ack a = {.peer = (uint32_t)ranged(stmt, 1, UINT32_MAX, &good),
                          .size = store_sql_u64(stmt, 2),
                          .at_ms = store_sql_u64(stmt, 3)};
    if (!good || store_row_ack_ck(slot, &a) != store_sql_u64(stmt, 4))
        return store_row_corrupt(c, "ack", slot, e);
    *ret = a;
    return 0;
}

int store_row_addressed(struct store_sql *c, sqlite3_stmt *stmt, uint32_t recipient, struct store_addressed *ret,
                        struct err *e)
{
    uint64_t id = store_sql_u64(stmt, 0);
    struct store_addressed a = {.recipient = recipient, .index = id & STORE_INDEX_MAX, .seq = store_sql_u64(stmt, 1)};
    if (store_row_addressed_ck(id, a.seq) != store_sql_u64(stmt, 2))
        return store_row_corrupt(c, "addressed", id, e);
    *ret = a;
    return 0;
}

int store_row_tile(struct store_sql *c, sqlite3_stmt *stmt, struct bytes *ret_hashes, struct err *e)
{
    uint64_t id = store_sql_u64(stmt, 0);
    struct bytes hashes = store_sql_bytes(stmt, 2);
    if (hashes.size != 8192 || store_row_tile_ck(id, hashes) != store_sql_u64(stmt, 1))
        return store_row_corrupt(c, "tile", id, e);
    *ret_hashes = hashes;
    return 0;
}

int store_row_item(struct store_sql *c, sqlite3_stmt *stmt, struct store_item *ret, struct err *e)
{
    bool good = true;
    struct store_item item = {
        .node = (uint32_t)ranged(stmt, 0, UINT32_MAX, &good),
        .version = (uint32_t)ranged(stmt, 3, UINT32_MAX, &good),
        .index = store_sql_u64(stmt, 4),
        .withdrawn = ranged(stmt, 5, 1, &good) != 0,
        .json = store_sql_bytes(stmt, 9),
    };
    uint64_t json_id = store_sql_u64(stmt, 6);
    good = good && store_sql_text(stmt, 1, item.code, sizeof item.code) &&
           store_sql_text(stmt, 2, item.name, sizeof item.name);
    if (!good || store_row_item_ck(&item, json_id) != store_sql_u64(stmt, 7))
        return err_set(e, ERR_CORRUPT, "store.row",
                       "%s: table item, row (%" PRIu32 ", '%s'): the stored bytes fail their check", c->name, item.node,
                       item.code);
    if (is_null(stmt, 8) || store_row_item_json_ck(item.json) != store_sql_u64(stmt, 8))
        return store_row_corrupt(c, "item_json", json_id, e);
    *ret = item;
    return 0;
}

int store_row_item_version(struct store_sql *c, sqlite3_stmt *stmt, struct store_item_version *ret, struct err *e)
{
    bool good = true;
    char code[sizeof((struct store_item *)NULL)->code];
    uint32_t node = (uint32_t)ranged(stmt, 0, UINT32_MAX, &good);
    struct store_item_version v = {
        .index = store_sql_u64(stmt, 2),
        .version = (uint32_t)ranged(stmt, 3, UINT32_MAX, &good),
        .withdrawn = ranged(stmt, 4, 1, &good) != 0,
    };
    if (!good || !store_sql_text(stmt, 1, code, sizeof code) ||
        store_row_item_version_ck(node, code, &v) != store_sql_u64(stmt, 5))
        return err_set(e, ERR_CORRUPT, "store.row",
                       "%s: table item_version, entry %" PRIu64 " of node %" PRIu32
                       ": the stored bytes fail their check",
                       c->name, v.index, node);
    *ret = v;
    return 0;
}

int store_row_request(struct store_sql *c, sqlite3_stmt *stmt, struct store_request *ret, struct err *e)
{
    bool good = true;
    struct store_request r = {.first_index = store_sql_u64(stmt, 1),
                              .count = (uint32_t)ranged(stmt, 2, UINT32_MAX, &good)};
    good = good && fixed_blob(stmt, 4, r.key_hash, 32) && fixed_blob(stmt, 5, r.body_hash, 32) &&
           fixed_blob(stmt, 6, r.case_id, STORE_CASE_ID_SIZE);
    if (!good || store_row_request_ck(&r) != store_sql_u64(stmt, 3))
        return store_row_corrupt(c, "request", store_sql_u64(stmt, 0), e);
    *ret = r;
    return 0;
}

int store_row_counter(struct store_sql *c, sqlite3_stmt *stmt, struct store_counter *ret, struct err *e)
{
    struct store_counter counter = {.value = store_sql_u64(stmt, 1)};
    bool good = store_sql_text(stmt, 0, counter.name, sizeof counter.name);
    if (!good || store_row_counter_ck(&counter) != store_sql_u64(stmt, 2))
        return err_set(e, ERR_CORRUPT, "store.row", "%s: table counter, row '%s': the stored bytes fail their check",
                       c->name, counter.name);
    *ret = counter;
    return 0;
}

int store_row_head(struct store_sql *c, sqlite3_stmt *stmt, uint32_t *ret_node, struct store_head *ret, struct err *e)
{
    bool good = true;
    uint32_t node = (uint32_t)ranged(stmt, 0, UINT32_MAX, &good);
    struct store_head head = {.size = store_sql_u64(stmt, 1), .note = store_sql_bytes(stmt, 4)};
    if (!good || !fixed_blob(stmt, 3, head.root, 32) || store_row_head_ck(node, &head) != store_sql_u64(stmt, 2))
        return store_row_corrupt(c, "head", 1, e);
    *ret_node = node;
    *ret = head;
    return 0;
}

int store_row_meta(struct store_sql *c, const char *key, uint64_t *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db, "SELECT value, ck FROM meta WHERE key = ?1", -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return store_sql_error(c, rc, "meta", e);
    store_sql_bind_text(stmt, 1, key);
    rc = store_sql_step(c, stmt, e);
    if (rc == 1) {
        uint64_t value = store_sql_u64(stmt, 0);
        if (store_row_meta_ck(key, value) == store_sql_u64(stmt, 1)) {
            *ret = value;
            rc = 0;
        }
    } else if (rc == 0) {
        rc = 1;
    }
    if (rc == 1)
        rc = err_set(e, ERR_CORRUPT, "store.row", "%s: table meta, row '%s': the stored bytes fail their check",
                     c->name, key);
    sqlite3_finalize(stmt);
    return rc;
}
