/* store_commit(): one batch, one transaction, one fsync (see store.h).
 *
 * Happy path: form of the batch (store_batch.c) -> BEGIN IMMEDIATE -> rows in the order of struct store_batch ->
 * COMMIT, which appends the changed pages to the WAL and syncs it once.
 * With witnesses, heads.db is locked and compared first and written last; with keys, keys.db is committed just before
 * ledger.db; with a destruction, store_keys.c goes on after it. Each of these costs syncs of its own, only when it is there.
 * Failure modes: a refusal (ERR_INVALID, ERR_LIMIT, ERR_CONFLICT) rolls back and the handle goes on; a failure of the
 * engine rolls back and stops the handle, because after a failed write or fsync nobody knows what the disk holds until
 * the file has been opened and recovered again.
 *
 * Cost: an entry is one insert at the end of its ledger's run, one look-up or insert in case_ref and one short index
 * row; nothing here reads more when the ledger is longer, apart from the depth of the trees.
 */
#include <inttypes.h>
#include <string.h>

#include "node/base/xassert.h"
#include "node/store/store_fact.h"
#include "node/store/store_heads.h"
#include "node/store/store_keys.h"
#include "node/store/store_row.h"
#include "node/store/store_writer.h"

/* Parameters of all statements on case_row: 1 no, 2 receiving, 3 lead, 4 division, 5 status, 6 level, 7 flags,
 * 8 event_count, 9 created_ms, 10 updated_ms, 11 digest, 12 number, 13 item_code, 14 item_name, 15 ck. A column that
 * stands in SET costs its index a delete and an insert even when the value stays, hence three kinds of update. */
#define CASE_UPDATE_PLAIN                                                                                              \
    "UPDATE case_row SET division=?4, level=?6, flags=?7, event_count=?8, created_ms=?9, updated_ms=?10, digest=?11,"  \
    " item_name=?14, ck=?15"

#define SWEEP_RANGE " WHERE (key, no) > (?1, ?2) AND (key, no) <= (?3, ?4)"
#define SWEEP_END(from) "SELECT key, no FROM " from " WHERE (key, no) > (?1, ?2) ORDER BY key, no LIMIT 1 OFFSET ?3"
#define SWEEP_COPY(from, to) "INSERT INTO " to " SELECT key, no FROM " from SWEEP_RANGE
#define SWEEP_DELETE(from) "DELETE FROM " from SWEEP_RANGE

const char *const store_write_texts[STORE_WRITE_COUNT] = {
    [STORE_WRITE_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_WRITE_COMMIT] = "COMMIT",
    [STORE_WRITE_ROLLBACK] = "ROLLBACK",
    [STORE_WRITE_META_PUT] = "INSERT OR REPLACE INTO meta(key, value, ck) VALUES(?1, ?2, ?3)",
    [STORE_WRITE_NODE_INSERT] = "INSERT INTO node(slot, node) VALUES(?1, ?2)",
    [STORE_WRITE_CASE_REF_FIND] = "SELECT no FROM case_ref WHERE case_id = ?1",
    [STORE_WRITE_CASE_REF_INSERT] = "INSERT INTO case_ref(case_id) VALUES(?1)",
    [STORE_WRITE_ENTRY_INSERT] = "INSERT INTO entry(id, case_no, stored_ms, ck, hash, leaf, content)"
                                 " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
    [STORE_WRITE_ENTRY_FIND] = "SELECT e.case_no, e.stored_ms, e.hash, e.leaf, e.content, b.body FROM entry e"
                               " LEFT JOIN content b ON b.no = e.content WHERE e.id = ?1",
    [STORE_WRITE_ENTRY_FILL] = "UPDATE entry SET content = ?2, ck = ?3 WHERE id = ?1",
    [STORE_WRITE_CONTENT_INSERT] = "INSERT INTO content(no, entry, body) VALUES(?1, ?2, ?3)",
    [STORE_WRITE_CONTENT_ZERO] = "UPDATE content SET body = zeroblob(length(body)) WHERE no = ?1",
    [STORE_WRITE_ADDRESSED_INSERT] = "INSERT INTO addressed(id, seq, ck) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING",
    [STORE_WRITE_ADDRESSED_FIND] = "SELECT seq FROM addressed WHERE id = ?1",
    [STORE_WRITE_ADDRESSED_LAST] = "SELECT id, seq FROM addressed WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1",
    [STORE_WRITE_TILE_INSERT] = "INSERT INTO tile(id, ck, hashes) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING",
    [STORE_WRITE_TILE_FIND] = "SELECT hashes FROM tile WHERE id = ?1",
    [STORE_WRITE_REPLICA_PUT] = "INSERT OR REPLACE INTO replica(slot, size, seq_me, seq_public, note_size, checked_ms,"
                                " ck, frontier, note) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [STORE_WRITE_ACK_PUT] = "INSERT OR REPLACE INTO ack(slot, size, at_ms, ck) VALUES(?1, ?2, ?3, ?4)",
    [STORE_WRITE_CASE_FIND] = "SELECT receiving, lead, status, number, item_code FROM case_row WHERE no = ?1",
    [STORE_WRITE_CASE_INSERT] =
        "INSERT INTO case_row(no, receiving, lead, division, status, level, flags, event_count, created_ms, updated_ms,"
        " digest, number, item_code, item_name, ck)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    [STORE_WRITE_CASE_UPDATE_PLAIN] = CASE_UPDATE_PLAIN " WHERE no=?1",
    [STORE_WRITE_CASE_UPDATE_STATUS] = CASE_UPDATE_PLAIN ", status=?5 WHERE no=?1",
    [STORE_WRITE_CASE_UPDATE_ALL] =
        CASE_UPDATE_PLAIN ", status=?5, receiving=?2, lead=?3, number=?12, item_code=?13 WHERE no=?1",
    [STORE_WRITE_ITEM_FIND] = "SELECT json_id, idx, name FROM item WHERE node = ?1 AND code = ?2",
    [STORE_WRITE_ITEM_PUT] = "INSERT OR REPLACE INTO item(node, code, name, version, idx, withdrawn, json_id, ck)"
                             " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STORE_WRITE_ITEM_JSON_INSERT] = "INSERT INTO item_json(ck, json) VALUES(?1, ?2)",
    [STORE_WRITE_ITEM_JSON_UPDATE] = "UPDATE item_json SET ck = ?1, json = ?2 WHERE id = ?3",
    [STORE_WRITE_ITEM_VERSION_PUT] = "INSERT OR REPLACE INTO item_version(node, code, idx, version, withdrawn, ck)"
                                     " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [STORE_WRITE_SEARCH_PUT] = "INSERT INTO item_search(rowid, name, words, pinyin, codes, events, region)"
                               " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [STORE_WRITE_SEARCH_DELETE] = "DELETE FROM item_search WHERE rowid = ?1",
    [STORE_WRITE_REQUEST_FIND] = STORE_ROW_REQUEST STORE_ROW_REQUEST_BY_KEY,
    [STORE_WRITE_REQUEST_INSERT] = ("INSERT INTO request(first_index, count, ck, key_hash, body_hash, case_id)"
                                    " VALUES(?1, ?2, ?3, ?4, ?5, ?6)"),
    [STORE_WRITE_REQUEST_KEY_INSERT] = "INSERT INTO request_key0(key, no) VALUES(?1, ?2)",
    [STORE_WRITE_SWEEP_END] = SWEEP_END("request_key0"),
    [STORE_WRITE_SWEEP_COPY] = SWEEP_COPY("request_key0", "request_key1"),
    [STORE_WRITE_SWEEP_DELETE] = SWEEP_DELETE("request_key0"),
    [STORE_WRITE_SWEEP1_END] = SWEEP_END("request_key1"),
    [STORE_WRITE_SWEEP1_COPY] = SWEEP_COPY("request_key1", "request_key2"),
    [STORE_WRITE_SWEEP1_DELETE] = SWEEP_DELETE("request_key1"),
    [STORE_WRITE_COUNTER_PUT] = "INSERT OR REPLACE INTO counter(name, value, ck) VALUES(?1, ?2, ?3)",
    [STORE_WRITE_FACT_FIND] = STORE_ROW_FACT " WHERE kind = ?1 AND key = ?2",
    [STORE_WRITE_FACT_PUT] = "INSERT OR REPLACE INTO fact(kind, key, ck, value) VALUES(?1, ?2, ?3, ?4)",
    [STORE_WRITE_FACT_DELETE] = "DELETE FROM fact WHERE kind = ?1 AND key = ?2",
    [STORE_WRITE_FACTS] = STORE_ROW_FACT " WHERE kind = ?1",
    [STORE_WRITE_FACT_FROM] = STORE_ROW_FACT " WHERE kind = ?1 AND key >= ?2 ORDER BY key LIMIT 1",
    [STORE_WRITE_ENTRY_STRIP] = "UPDATE entry SET content = NULL, ck = ?2 WHERE id = ?1",
    [STORE_WRITE_CASE_ENTRY_NEXT] = STORE_ROW_ENTRY " WHERE e.case_no = ?1 AND e.id > ?2 ORDER BY e.id LIMIT 1",
    [STORE_WRITE_REQUEST_FROM] = STORE_ROW_REQUEST " WHERE no >= ?1 ORDER BY no LIMIT 1",
    [STORE_WRITE_BUNDLE_PUT] = "INSERT OR REPLACE INTO bundle(node, code, idx, version, withdrawn, status, valid_from,"
                               " valid_to, name, life_event, ck, pinyin, nodes)"
                               " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    [STORE_WRITE_DUE_PUT] = "INSERT OR REPLACE INTO due(no, due, warn, kind, lead, provisional, ck)"
                            " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [STORE_WRITE_DUE_DELETE] = "DELETE FROM due WHERE no = ?1",
    [STORE_WRITE_COVER_PUT] = "INSERT OR REPLACE INTO cover(id, size, ck, parts, note) VALUES(?1, ?2, ?3, ?4, ?5)",
    [STORE_WRITE_REQUEST_STRIP] = "UPDATE request SET body_hash = ?2, ck = ?3 WHERE no = ?1",
};

int store_commit_stmt(struct store_transaction *t, enum store_write_stmt id, sqlite3_stmt **ret)
{
    return store_sql_get(&t->s->ledger, id, ret, t->e);
}

int store_commit_run(struct store_transaction *t, sqlite3_stmt *stmt)
{
    return store_sql_run(&t->s->ledger, stmt, t->e);
}

static int run_plain(struct store_transaction *t, enum store_write_stmt id)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, id, &stmt);
    return rc != 0 ? rc : store_commit_run(t, stmt);
}

/* Whether the INSERT … ON CONFLICT DO NOTHING that ran last did something. */
static bool changed(const struct store_transaction *t)
{
    return sqlite3_changes64(t->s->ledger.db) > 0;
}

static int put_meta(struct store_transaction *t, const char *key, uint64_t value)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_META_PUT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_text(stmt, 1, key);
    store_sql_bind_u64(stmt, 2, value);
    store_sql_bind_u64(stmt, 3, store_row_meta_ck(key, value));
    return store_commit_run(t, stmt);
}

/* ---- nodes and cases: small numbers for long names ---- */

int store_commit_slot_of(struct store_transaction *t, uint32_t node, struct store_slot **ret)
{
    struct store *s = t->s;
    uint8_t key[4];
    put_be32(key, node);
    *ret = map_get(&s->slots, key, sizeof key);
    if (*ret != NULL)
        return 0;

    if (s->slot_next > STORE_SLOT_PEERS_MAX)
        return err_set(t->e, ERR_LIMIT, "store.too-many-nodes",
                       "node %" PRIu32 " would be peer number %" PRIu32 ", limit %u", node, s->slot_next,
                       STORE_SLOT_PEERS_MAX);
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_NODE_INSERT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, s->slot_next);
    store_sql_bind_u64(stmt, 2, node);
    rc = store_commit_run(t, stmt);
    if (rc == 0)
        *ret = store_writer_add_slot(s, node, s->slot_next++);
    return rc;
}

int store_commit_find_case_no(struct store_transaction *t, const uint8_t case_id[STORE_CASE_ID_SIZE], uint64_t *ret)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_CASE_REF_FIND, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_bytes(stmt, 1, bytes_of(case_id, STORE_CASE_ID_SIZE));
    rc = store_sql_step(&t->s->ledger, stmt, t->e);
    *ret = rc == 1 ? store_sql_u64(stmt, 0) : 0;
    store_sql_done(stmt);
    return rc < 0 ? rc : 0;
}

struct store_case_memo *store_commit_case_memo(const struct store_transaction *t,
                                               const uint8_t case_id[STORE_CASE_ID_SIZE])
{
    return &t->s->case_memos[get_be32(case_id + STORE_CASE_ID_SIZE - 4) % STORE_CASE_MEMOS];
}

int store_commit_case_no(struct store_transaction *t, const uint8_t case_id[STORE_CASE_ID_SIZE], uint64_t *ret)
{
    struct store_case_memo *memo = store_commit_case_memo(t, case_id);
    if (memo->no != 0 && memcmp(memo->case_id, case_id, STORE_CASE_ID_SIZE) == 0) {
        *ret = memo->no;
        return 0;
    }
    sqlite3_stmt *stmt = NULL;
    uint64_t no = 0;
    int rc = store_commit_find_case_no(t, case_id, &no);
    if (rc == 0 && no == 0) {
        rc = store_commit_stmt(t, STORE_WRITE_CASE_REF_INSERT, &stmt);
        if (rc != 0)
            return rc;
        store_sql_bind_bytes(stmt, 1, bytes_of(case_id, STORE_CASE_ID_SIZE));
        rc = store_commit_run(t, stmt);
        no = (uint64_t)sqlite3_last_insert_rowid(t->s->ledger.db);
    }
    if (rc != 0)
        return rc;
    *memo = (struct store_case_memo){.no = no};
    memcpy(memo->case_id, case_id, STORE_CASE_ID_SIZE);
    *ret = no;
    return 0;
}

/* ---- ledger rows ---- */

static int entry_conflict(struct store_transaction *t, const struct store_entry *entry, const char *what)
{
    return err_set(t->e, ERR_CONFLICT, "store.entry-conflict",
                   "entry (%" PRIu32 ", %" PRIu64 ") exists with another %s", entry->origin, entry->index, what);
}

/* Number of the content row that a payload gets; 0 for an empty one, which has none. */
static uint64_t content_no(const struct store_transaction *t, const struct store_entry *entry)
{
    return entry->payload.size == 0 ? 0 : t->s->content_next;
}

/* Always at the end of the table: see store_schema.c. */
static int put_content(struct store_transaction *t, uint64_t id, const struct store_entry *entry)
{
    sqlite3_stmt *stmt = NULL;
    if (entry->payload.size == 0)
        return 0;
    int rc = store_commit_stmt(t, STORE_WRITE_CONTENT_INSERT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, t->s->content_next++);
    store_sql_bind_u64(stmt, 2, id);
    store_sql_bind_bytes(stmt, 3, entry->payload);
    return store_commit_run(t, stmt);
}

static int fill_payload(struct store_transaction *t, uint64_t id, uint64_t case_no, const struct store_entry *entry)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_ENTRY_FILL, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, id);
    store_sql_bind_u64(stmt, 2, content_no(t, entry));
    store_sql_bind_u64(stmt, 3, store_row_entry_ck(id, case_no, entry));
    rc = store_commit_run(t, stmt);
    return rc != 0 ? rc : put_content(t, id, entry);
}

/* The id is taken: the same leaf is fine, and a payload that comes later than its leaf is added. */
static int meet_entry(struct store_transaction *t, uint64_t id, const struct store_entry *entry)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_ENTRY_FIND, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, id);
    rc = store_sql_step(&t->s->ledger, stmt, t->e);
    if (rc < 0)
        goto out;
    xassert(rc == 1);

    rc = 0;
    struct store_entry whole = *entry;
    whole.stored_ms = store_sql_u64(stmt, 1);
    uint64_t case_no = store_sql_u64(stmt, 0);
    bool held = sqlite3_column_type(stmt, 4) != SQLITE_NULL;
    if (!bytes_equal(store_sql_bytes(stmt, 3), entry->leaf))
        rc = entry_conflict(t, entry, "leaf");
    else if (held && entry->payload_held && !bytes_equal(store_sql_bytes(stmt, 5), entry->payload))
        rc = entry_conflict(t, entry, "payload");
    else if (!held && entry->payload_held)
        rc = fill_payload(t, id, case_no, &whole);
out:
    store_sql_done(stmt);
    return rc;
}

/* Of a case whose content was erased here nothing comes in again, however late or often a peer gives it. */
static int without_erased(struct store_transaction *t, const struct store_entry *given, struct store_entry *ret)
{
    bool erased = false;
    *ret = *given;
    int rc = given->has_case && given->payload_held ? store_fact_is_erased(t, given->case_id, &erased) : 0;
    if (rc == 0 && erased) {
        ret->payload = bytes_of(NULL, 0);
        ret->payload_held = false;
    }
    return rc;
}

static int put_entry(struct store_transaction *t, const struct store_entry *given)
{
    struct store *s = t->s;
    if (given->origin == s->self && given->index > s->own_size)
        return err_set(t->e, ERR_INVALID, "store.gap", "own entry %" PRIu64 " does not follow: the ledger has %" PRIu64,
                       given->index, s->own_size);
    struct store_slot *slot = NULL;
    struct store_entry whole;
    const struct store_entry *entry = &whole;
    uint64_t case_no = 0;
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_slot_of(t, given->origin, &slot);
    if (rc == 0)
        rc = without_erased(t, given, &whole);
    if (rc == 0 && entry->has_case)
        rc = store_commit_case_no(t, entry->case_id, &case_no);
    if (rc == 0)
        rc = store_commit_stmt(t, STORE_WRITE_ENTRY_INSERT, &stmt);
    if (rc != 0)
        return rc;

    uint64_t id = store_row_id(slot->slot, entry->index);
    (void)sqlite3_clear_bindings(stmt);
    store_sql_bind_u64(stmt, 1, id);
    if (entry->has_case)
        store_sql_bind_u64(stmt, 2, case_no);
    store_sql_bind_u64(stmt, 3, entry->stored_ms);
    store_sql_bind_u64(stmt, 4, store_row_entry_ck(id, case_no, entry));
    store_sql_bind_bytes(stmt, 5, bytes_of(entry->hash, sizeof entry->hash));
    store_sql_bind_bytes(stmt, 6, entry->leaf);
    if (entry->payload_held)
        store_sql_bind_u64(stmt, 7, content_no(t, entry));
    rc = store_commit_run(t, stmt);
    if (rc != 0)
        return rc;
    if (!changed(t))
        return meet_entry(t, id, entry);
    if (entry->origin == s->self)
        s->own_size = entry->index + 1;
    return put_content(t, id, entry);
}

static int load_last_addressed(struct store_transaction *t, struct store_slot *slot)
{
    if (slot->last_known)
        return 0;
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_ADDRESSED_LAST, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, store_row_id(slot->slot, 0));
    store_sql_bind_u64(stmt, 2, store_row_id(slot->slot, STORE_INDEX_MAX));
    rc = store_sql_step(&t->s->ledger, stmt, t->e);
    slot->last_seq = rc == 1 ? store_sql_u64(stmt, 1) : 0;
    slot->last_index = rc == 1 ? store_sql_u64(stmt, 0) & STORE_INDEX_MAX : 0;
    slot->last_known = rc >= 0;
    store_sql_done(stmt);
    return rc < 0 ? rc : 0;
}

/* The same (recipient, index) again must have the same seq. */
static int meet_addressed(struct store_transaction *t, uint64_t id, const struct store_addressed *a)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_ADDRESSED_FIND, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, id);
    rc = store_sql_step(&t->s->ledger, stmt, t->e);
    uint64_t seq = rc == 1 ? store_sql_u64(stmt, 0) : 0;
    store_sql_done(stmt);
    if (rc < 0)
        return rc;
    if (seq != a->seq)
        return err_set(t->e, ERR_CONFLICT, "store.addressed-conflict",
                       "own entry %" PRIu64 " to node %" PRIu32 " would be seq %" PRIu64 ", %s %" PRIu64, a->index,
                       a->recipient, a->seq, seq == 0 ? "but nothing is addressed there; last index" : "stored is",
                       seq);
    return 0;
}

static int put_addressed(struct store_transaction *t, const struct store_addressed *a)
{
    if (a->index >= t->s->own_size)
        return err_set(t->e, ERR_INVALID, "store.addressed-index",
                       "own entry %" PRIu64 " is addressed to node %" PRIu32 " but the ledger has %" PRIu64 " entries",
                       a->index, a->recipient, t->s->own_size);
    struct store_slot *slot = NULL;
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_slot_of(t, a->recipient, &slot);
    if (rc == 0)
        rc = load_last_addressed(t, slot);
    if (rc != 0)
        return rc;

    uint64_t id = store_row_id(slot->slot, a->index);
    if (slot->last_seq != 0 && a->index <= slot->last_index)
        return meet_addressed(t, id, a);
    if (a->seq != slot->last_seq + 1)
        return err_set(t->e, ERR_CONFLICT, "store.addressed-conflict",
                       "own entry %" PRIu64 " to node %" PRIu32 " has seq %" PRIu64 ", the next is %" PRIu64, a->index,
                       a->recipient, a->seq, slot->last_seq + 1);
    rc = store_commit_stmt(t, STORE_WRITE_ADDRESSED_INSERT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, id);
    store_sql_bind_u64(stmt, 2, a->seq);
    store_sql_bind_u64(stmt, 3, store_row_addressed_ck(id, a->seq));
    rc = store_commit_run(t, stmt);
    slot->last_seq = a->seq;
    slot->last_index = a->index;
    return rc;
}

static int put_tile(struct store_transaction *t, const struct store_tile *tile)
{
    uint64_t id = store_row_tile_id(tile->level, tile->number);
    struct bytes hashes = bytes_of(tile->hashes, 8192);
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_stmt(t, STORE_WRITE_TILE_INSERT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, id);
    store_sql_bind_u64(stmt, 2, store_row_tile_ck(id, hashes));
    store_sql_bind_bytes(stmt, 3, hashes);
    rc = store_commit_run(t, stmt);
    if (rc != 0 || changed(t))
        return rc;

    rc = store_commit_stmt(t, STORE_WRITE_TILE_FIND, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, id);
    rc = store_sql_step(&t->s->ledger, stmt, t->e);
    if (rc == 1 && bytes_equal(store_sql_bytes(stmt, 0), hashes))
        rc = 0;
    else if (rc >= 0)
        rc = err_set(t->e, ERR_CONFLICT, "store.tile-conflict", "tile (%u, %" PRIu64 ") exists with other hashes",
                     tile->level, tile->number);
    store_sql_done(stmt);
    return rc;
}

static int put_replica(struct store_transaction *t, const struct store_replica *r)
{
    struct store_slot *slot = NULL;
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_slot_of(t, r->origin, &slot);
    if (rc == 0)
        rc = store_commit_stmt(t, STORE_WRITE_REPLICA_PUT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, slot->slot);
    store_sql_bind_u64(stmt, 2, r->size);
    store_sql_bind_u64(stmt, 3, r->seq_me);
    store_sql_bind_u64(stmt, 4, r->seq_public);
    store_sql_bind_u64(stmt, 5, r->note_size);
    store_sql_bind_u64(stmt, 6, r->checked_ms);
    store_sql_bind_u64(stmt, 7, store_row_replica_ck(slot->slot, r));
    store_sql_bind_bytes(stmt, 8, r->frontier);
    store_sql_bind_bytes(stmt, 9, r->note);
    return store_commit_run(t, stmt);
}

static int put_ack(struct store_transaction *t, const struct store_ack *a)
{
    struct store_slot *slot = NULL;
    sqlite3_stmt *stmt = NULL;
    int rc = store_commit_slot_of(t, a->peer, &slot);
    if (rc == 0)
        rc = store_commit_stmt(t, STORE_WRITE_ACK_PUT, &stmt);
    if (rc != 0)
        return rc;
    store_sql_bind_u64(stmt, 1, slot->slot);
    store_sql_bind_u64(stmt, 2, a->size);
    store_sql_bind_u64(stmt, 3, a->at_ms);
    store_sql_bind_u64(stmt, 4, store_row_ack_ck(slot->slot, a));
    return store_commit_run(t, stmt);
}

/* ---- the transaction ---- */

static int put_all(struct store_transaction *t, const struct store_batch *b)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->entry_count; i++)
        rc = put_entry(t, &b->entries[i]);
    for (size_t i = 0; rc == 0 && i < b->addressed_count; i++)
        rc = put_addressed(t, &b->addressed[i]);
    for (size_t i = 0; rc == 0 && i < b->tile_count; i++)
        rc = put_tile(t, &b->tiles[i]);
    for (size_t i = 0; rc == 0 && i < b->replica_count; i++)
        rc = put_replica(t, &b->replicas[i]);
    for (size_t i = 0; rc == 0 && i < b->ack_count; i++)
        rc = put_ack(t, &b->acks[i]);
    if (rc == 0)
        rc = store_derived_put(t, b);
    if (rc == 0)
        rc = store_fact_put_all(t, b);
    if (rc == 0)
        rc = store_destroy_put(t, b);
    if (rc == 0 && t->s->case_count != t->old_case_count)
        rc = put_meta(t, "case_count", t->s->case_count);
    return rc;
}

static void roll_back(struct store_transaction *t, int rc)
{
    struct store *s = t->s;
    bool refusal = rc == ERR_INVALID || rc == ERR_LIMIT || rc == ERR_CONFLICT;
    struct store_transaction quiet = {.s = s, .e = NULL}; /* the first error is the one to tell */
    bool undone = sqlite3_get_autocommit(s->ledger.db) != 0 || run_plain(&quiet, STORE_WRITE_ROLLBACK) == 0;
    if (!refusal || !undone)
        s->ledger_failed = true;

    memset(s->case_memos, 0, sizeof s->case_memos);
    s->own_size = t->old_own_size;
    s->case_count = t->old_case_count;
    s->content_next = t->old_content_next;
    s->destroy_pending = t->old_destroy_pending;
    memcpy(s->sweeps, t->old_sweeps, sizeof s->sweeps);
    s->slot_next = t->old_slot_next;
    while (s->slot_count > t->old_slot_count)
        store_writer_drop_slot(s);
    for (size_t i = 0; i < s->slot_count; i++)
        s->slot_list[i]->last_known = false;
}

/* The rows are written first and the keys made durable just before them: a refusal of either leaves neither. */
static int commit_ledger(struct store *s, const struct store_batch *b, struct err *e)
{
    struct store_transaction t = {.s = s,
                                  .e = e,
                                  .old_own_size = s->own_size,
                                  .old_case_count = s->case_count,
                                  .old_content_next = s->content_next,
                                  .old_destroy_pending = s->destroy_pending,
                                  .old_slot_count = s->slot_count,
                                  .old_slot_next = s->slot_next};
    memcpy(t.old_sweeps, s->sweeps, sizeof t.old_sweeps);
    int rc = run_plain(&t, STORE_WRITE_BEGIN);
    if (rc == 0)
        rc = put_all(&t, b);
    if (rc == 0 && b->key_count > 0)
        rc = store_keys_put(&t, b);
    if (rc == 0)
        rc = run_plain(&t, STORE_WRITE_COMMIT);
    if (rc != 0)
        roll_back(&t, rc);
    return rc;
}

int store_commit(struct store *s, const struct store_batch *b, struct err *e)
{
    if (s->ledger_failed)
        return err_set(e, ERR_IO, "store.stopped", "ledger.db: an earlier commit failed; open the store again");
    int rc = store_batch_check(s, b, e);
    if (rc == 0 && s->destroy_pending)
        rc = store_destroy_finish(s, e); /* a reader had held it up */
    if (rc == 0 && b->witness_count > 0)
        rc = store_witness_begin(s, b, e);
    if (rc != 0)
        return rc;
    bool was_pending = s->destroy_pending;
    rc = commit_ledger(s, b, e);
    if (rc == 0 && s->destroy_pending && (!was_pending || b->destroy_count + b->erasure_count > 0))
        rc = store_destroy_finish(s, e);
    if (b->witness_count > 0)
        rc = store_witness_end(s, rc, e);
    return rc;
}
