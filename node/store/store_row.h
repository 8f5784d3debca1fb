/* Rows between tables and the structs of store.h: check values for writing, decoding with the check for reading.
 *
 * Every read of a row with a check value goes through here, so that a flipped byte on disk is an ERR_CORRUPT that
 * names table and key, never a wrong answer. Decoded spans are borrowed from the statement until its next step.
 *
 * Internal to node/store. Pure apart from the statement it reads.
 */
#ifndef TB_STORE_STORE_ROW_H
#define TB_STORE_STORE_ROW_H

#include "node/store/store.h"
#include "node/store/store_schema.h"
#include "node/store/store_sql.h"

static inline uint64_t store_row_id(uint32_t slot, uint64_t index)
{
    return (uint64_t)slot << STORE_INDEX_BITS | index;
}

/* The ids that all entries in this slot lie between. */
static inline uint64_t store_row_first_id(uint64_t slot)
{
    return store_row_id((uint32_t)slot, 0);
}

static inline uint64_t store_row_last_id(uint64_t slot)
{
    return store_row_id((uint32_t)slot, STORE_INDEX_MAX);
}

static inline uint64_t store_row_tile_id(uint8_t level, uint64_t number)
{
    return (uint64_t)level << 48 | number;
}

/* What a request is found by: 48 bits of its key. */
static inline uint64_t store_row_request_key(const uint8_t key_hash[32])
{
    return get_be64(key_hash) >> 16;
}

/* @case_no is 0 for an entry without a case. The hash stands for the leaf. */
uint64_t store_row_entry_ck(uint64_t id, uint64_t case_no, const struct store_entry *entry);
uint64_t store_row_addressed_ck(uint64_t id, uint64_t seq);
uint64_t store_row_tile_ck(uint64_t id, struct bytes hashes);
uint64_t store_row_replica_ck(uint64_t slot, const struct store_replica *r);
uint64_t store_row_ack_ck(uint64_t slot, const struct store_ack *a);
uint64_t store_row_case_ck(uint64_t no, const struct store_case *row);
uint64_t store_row_item_ck(const struct store_item *item, uint64_t json_id);
uint64_t store_row_item_json_ck(struct bytes json);
/* Row id of the search index: shorter names first. */
uint64_t store_row_search_id(const char *name, uint64_t json_id);
uint64_t store_row_item_version_ck(uint32_t node, const char *code, const struct store_item_version *v);
uint64_t store_row_request_ck(const struct store_request *r);
uint64_t store_row_counter_ck(const struct store_counter *c);
uint64_t store_row_meta_ck(const char *key, uint64_t value);
uint64_t store_row_head_ck(uint32_t node, const struct store_head *head);

/* Leaf hash of RFC 6962: SHA-256(0x00 || leaf). */
void store_row_leaf_hash(struct bytes leaf, uint8_t ret[32]);

/* Says that the row @key of @table fails its check. */
int store_row_corrupt(const struct store_sql *c, const char *table, uint64_t key, struct err *e);

/* The columns that each decoder expects from column 0 on, with their FROM clause. */
#define STORE_ROW_ENTRY                                                                                                \
    "SELECT e.id, n.node, e.case_no, r.case_id, e.stored_ms, e.ck, e.hash, e.leaf, e.content, b.body FROM entry e"     \
    " LEFT JOIN node n ON n.slot = (e.id >> 40) LEFT JOIN case_ref r ON r.no = e.case_no"                              \
    " LEFT JOIN content b ON b.no = e.content"
int store_row_entry(struct store_sql *c, sqlite3_stmt *stmt, struct store_entry *ret, struct err *e) WARN_UNUSED;

#define STORE_ROW_CASE_COLUMNS                                                                                         \
    "c.no, r.case_id, c.receiving, c.lead, c.division, c.status, c.level, c.flags, c.event_count, c.created_ms,"       \
    " c.updated_ms, c.ck, c.digest, c.number, c.item_code, c.item_name"
#define STORE_ROW_CASE "SELECT " STORE_ROW_CASE_COLUMNS " FROM case_row c LEFT JOIN case_ref r ON r.no = c.no"
int store_row_case(struct store_sql *c, sqlite3_stmt *stmt, struct store_case *ret, struct err *e) WARN_UNUSED;

#define STORE_ROW_REPLICA                                                                                              \
    "SELECT p.slot, n.node, p.size, p.seq_me, p.seq_public, p.note_size, p.checked_ms, p.ck, p.frontier, p.note"       \
    " FROM replica p LEFT JOIN node n ON n.slot = p.slot"
int store_row_replica(struct store_sql *c, sqlite3_stmt *stmt, struct store_replica *ret, struct err *e) WARN_UNUSED;

#define STORE_ROW_ACK "SELECT a.slot, n.node, a.size, a.at_ms, a.ck FROM ack a LEFT JOIN node n ON n.slot = a.slot"
int store_row_ack(struct store_sql *c, sqlite3_stmt *stmt, struct store_ack *ret, struct err *e) WARN_UNUSED;

#define STORE_ROW_ADDRESSED "SELECT id, seq, ck FROM addressed"
/* @recipient: the node code of the row's slot, which the caller knows. */
int store_row_addressed(struct store_sql *c, sqlite3_stmt *stmt, uint32_t recipient, struct store_addressed *ret,
                        struct err *e) WARN_UNUSED;

#define STORE_ROW_TILE "SELECT id, ck, hashes FROM tile"
int store_row_tile(struct store_sql *c, sqlite3_stmt *stmt, struct bytes *ret_hashes, struct err *e) WARN_UNUSED;

#define STORE_ROW_ITEM_COLUMNS "i.node, i.code, i.name, i.version, i.idx, i.withdrawn, i.json_id, i.ck, j.ck, j.json"
#define STORE_ROW_ITEM_COLUMN_COUNT 10
#define STORE_ROW_ITEM                                                                                                 \
    "SELECT " STORE_ROW_ITEM_COLUMNS " FROM item i"                                                                    \
    " LEFT JOIN item_json j ON j.id = i.json_id"
int store_row_item(struct store_sql *c, sqlite3_stmt *stmt, struct store_item *ret, struct err *e) WARN_UNUSED;

#define STORE_ROW_ITEM_VERSION "SELECT node, code, idx, version, withdrawn, ck FROM item_version"
int store_row_item_version(struct store_sql *c, sqlite3_stmt *stmt, struct store_item_version *ret,
                           struct err *e) WARN_UNUSED;

#define STORE_ROW_REQUEST "SELECT no, first_index, count, ck, key_hash, body_hash, case_id FROM request"
/* ?1: store_row_request_key(), ?2: the whole key. */
#define STORE_ROW_REQUEST_BY_KEY                                                                                       \
    " WHERE no IN (SELECT no FROM request_key0 WHERE key = ?1 UNION ALL SELECT no FROM request_key1 WHERE key = ?1"    \
    " UNION ALL SELECT no FROM request_key2 WHERE key = ?1)"                                                           \
    " AND key_hash = ?2"
int store_row_request(struct store_sql *c, sqlite3_stmt *stmt, struct store_request *ret, struct err *e) WARN_UNUSED;

#define STORE_ROW_COUNTER "SELECT name, value, ck FROM counter"
int store_row_counter(struct store_sql *c, sqlite3_stmt *stmt, struct store_counter *ret, struct err *e) WARN_UNUSED;

#define STORE_ROW_HEAD "SELECT node, size, ck, root, note FROM head"
int store_row_head(struct store_sql *c, sqlite3_stmt *stmt, uint32_t *ret_node, struct store_head *ret,
                   struct err *e) WARN_UNUSED;

/* Value of a meta row; ERR_CORRUPT when it is not there: both rows are made with the schema. */
int store_row_meta(struct store_sql *c, const char *key, uint64_t *ret, struct err *e) WARN_UNUSED;

#endif
