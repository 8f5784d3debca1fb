/* Opening a node's folder: whose it is, who else has it open, which schema it has; and the head row. */
#include "tests/unit/store/store_rig.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "certs/crypto.h"
#include "node/base/file.h"
#include "node/store/store_schema.h"

static void opens_an_empty_folder(void **state)
{
    struct store_rig *rig = *state;
    struct store_ledger_state ledger;
    struct store_head head;
    uint8_t empty_root[32];
    rig_open(rig);
    rig_ok(rig, store_read_ledger_state(rig->reader, &rig->arena, &ledger, &rig->e));
    assert_int_equal(ledger.size, 0);
    assert_int_equal(ledger.hlc_max, 0);
    assert_int_equal(ledger.recipient_count + ledger.replica_count + ledger.ack_count, 0);
    assert_int_equal(store_count_cases(rig->reader), 0);
    rig_ok(rig, store_head_get(rig->store, &rig->arena, &head, &rig->e));
    crypto_sha256(NULL, 0, empty_root);
    assert_int_equal(head.size, 0);
    assert_int_equal(head.note.size, 0);
    assert_memory_equal(head.root, empty_root, 32);
    rig_reopen(rig);
    rig_expect_samples(rig, 0);
}

static void keeps_its_files_private(void **state)
{
    struct store_rig *rig = *state;
    rig_open(rig);
    rig_commit_samples(rig, 0, 1);
    const char *names[] = {"ledger.db", "ledger.db-wal", "ledger.db-shm", "heads.db",
                           "keys.db",   "keys.db-wal",   "heads.db-wal",  "writer.lock"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct stat st;
        assert_int_equal(stat(rig_path(rig, names[i]), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

static void lets_one_writer_in(void **state)
{
    struct store_rig *rig = *state;
    struct store *second = NULL;
    rig_open(rig);
    assert_int_equal(store_open(rig->dir, STORE_SAMPLE_SELF, &second, &rig->e), ERR_BUSY);
    assert_string_equal(rig->e.id, "store.locked");
    assert_non_null(strstr(rig->e.message, arena_printf(&rig->arena, "process %ld", (long)getpid())));
    assert_null(second);
    rig_commit_samples(rig, 0, 2); /* the first one goes on */
    store_close(rig->store);
    rig->store = NULL;
    rig_ok(rig, store_open(rig->dir, STORE_SAMPLE_SELF, &rig->store, &rig->e));
    rig_commit_samples(rig, 2, 3);
    rig_expect_samples(rig, 3);
}

static void refuses_the_folder_of_another_node(void **state)
{
    struct store_rig *rig = *state;
    rig_open(rig);
    rig_commit_samples(rig, 0, 3);
    rig_close(rig);
    assert_int_equal(store_open(rig->dir, STORE_SAMPLE_PEER, &rig->store, &rig->e), ERR_CONFLICT);
    assert_string_equal(rig->e.id, "store.other-node");
    assert_non_null(strstr(rig->e.message, "320000, not 510000"));
    rig_open(rig);
    rig_expect_samples(rig, 3);
    rig_close(rig);

    rig_sql(rig, "heads.db", "UPDATE head SET node = 510000");
    assert_int_equal(store_open(rig->dir, STORE_SAMPLE_SELF, &rig->store, &rig->e), ERR_CORRUPT);
}

static void names_what_is_absent(void **state)
{
    struct store_rig *rig = *state;
    assert_int_equal(store_reader_open(rig->dir, &rig->reader, &rig->e), ERR_NOT_FOUND);
    assert_string_equal(rig->e.id, "store.absent");
    assert_non_null(strstr(rig->e.message, "ledger.db"));
    assert_int_equal(store_open(rig_path(rig, "no-such-folder"), 1, &rig->store, &rig->e), ERR_IO);
    assert_string_equal(rig->e.id, "store.open");
    assert_non_null(strstr(rig->e.message, "no-such-folder"));
}

/* Numbers of peers are not used again: when they have run out, no new peer comes in, and the old ones go on. */
static void refuses_one_peer_too_many(void **state)
{
    struct store_rig *rig = *state;
    rig_open(rig);
    rig_commit_samples(rig, 0, 3);
    rig_close(rig);
    rig_sql(rig, "ledger.db", "INSERT INTO node(slot, node) VALUES(65536, 650000)"); /* STORE_SLOT_PEERS_MAX */
    rig_open(rig);
    struct store_cover cover = {640000, 0, 1, bytes_of_string("parts"), bytes_of_string("note\n")};
    struct store_batch b = {.covers = &cover, .cover_count = 1};
    assert_int_equal(store_commit(rig->store, &b, &rig->e), ERR_LIMIT);
    assert_string_equal(rig->e.id, "store.too-many-nodes");
    assert_non_null(strstr(rig->e.message, "limit 65536"));
    cover.origin = 650000;
    rig_commit(rig, &b);
    rig_commit_samples(rig, 3, 6);
    rig_expect_samples(rig, 6);
}

/* ---- schema versions ---- */

static void refuses_other_schemas(void **state)
{
    static const struct {
        const char *file, *sql;
        const char *id;
        bool reader_too;
    } rows[] = {
        {"ledger.db", "PRAGMA user_version=9", "store.newer-schema", true},
        {"ledger.db", "PRAGMA user_version=99", "store.newer-schema", true},
        {"ledger.db", "PRAGMA application_id=1", "store.foreign-file", true},
        {"ledger.db", "PRAGMA application_id=0", "store.foreign-file", true},
        {"heads.db", "PRAGMA user_version=99", "store.newer-schema", false},
        {"heads.db", "PRAGMA application_id=1413636199", "store.foreign-file", false},
        {"keys.db", "PRAGMA user_version=99", "store.newer-schema", false},
        {"keys.db", "PRAGMA application_id=1413636199", "store.foreign-file", false},
    };
    struct store_rig *rig = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_empty_folder(rig);
        rig_open(rig);
        rig_close(rig);
        rig_sql(rig, rows[i].file, rows[i].sql);
        assert_int_equal(store_open(rig->dir, STORE_SAMPLE_SELF, &rig->store, &rig->e), ERR_UNSUPPORTED);
        assert_string_equal(rig->e.id, rows[i].id);
        if (rows[i].reader_too)
            assert_int_equal(store_reader_open(rig->dir, &rig->reader, &rig->e), ERR_UNSUPPORTED);
    }
    /* A file that was never migrated: the reader waits for the writer to do it. */
    rig_empty_folder(rig);
    rig_sql(rig, "ledger.db", "PRAGMA user_version=0");
    assert_int_equal(store_reader_open(rig->dir, &rig->reader, &rig->e), ERR_UNSUPPORTED);
    assert_string_equal(rig->e.id, "store.older-schema");
    rig_open(rig);
    rig_expect_samples(rig, 0);
}

static void refuses_what_is_no_database(void **state)
{
    struct store_rig *rig = *state;
    FILE *f = fopen(rig_path(rig, "ledger.db"), "w");
    assert_non_null(f);
    for (int i = 0; i < 2000; i++)
        (void)fputs("This is a text and not a database.\n", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(store_open(rig->dir, STORE_SAMPLE_SELF, &rig->store, &rig->e), ERR_CORRUPT);
    assert_string_equal(rig->e.id, "store.corrupt");
}

static const char *const toy_migrations[] = {
    "CREATE TABLE a(x INTEGER PRIMARY KEY); INSERT INTO a VALUES(7);",
    "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 1; INSERT INTO a VALUES(8, 2);",
    "CREATE TABLE b(x); INSERT INTO b SELECT x + y FROM a; INSERT INTO no_such_table VALUES(1);",
};

/* Opens other.db with the first @count migrations and reports what came of it. */
static int open_toy(struct store_rig *rig, unsigned count, uint64_t *ret_version, uint64_t *ret_sum)
{
    struct store_schema schema = {.application_id = 77, .migrations = toy_migrations, .count = count};
    struct store_sql c;
    rig_ok(rig, store_sql_open(&c, rig->dir, "other.db", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL, 0, &rig->e));
    int rc = store_schema_open_writer(&c, &schema, &rig->e);
    struct err e = {0};
    assert_int_equal(store_sql_exec_u64(&c, "PRAGMA user_version", ret_version, &e), 0);
    assert_int_equal(
        store_sql_exec_u64(&c, count == 1 ? "SELECT sum(x) FROM a" : "SELECT sum(x * y) FROM a", ret_sum, &e), 0);
    store_sql_close(&c, true);
    return rc;
}

static void walks_the_migrations_in_order(void **state)
{
    struct store_rig *rig = *state;
    uint64_t version = 0, sum = 0;
    assert_int_equal(open_toy(rig, 1, &version, &sum), 0); /* 0 -> 1 */
    assert_int_equal(version, 1);
    assert_int_equal(sum, 7);
    assert_int_equal(open_toy(rig, 2, &version, &sum), 0); /* 1 -> 2 */
    assert_int_equal(version, 2);
    assert_int_equal(sum, 7 + 16);
    assert_int_equal(open_toy(rig, 2, &version, &sum), 0); /* nothing to do, done once only */
    assert_int_equal(sum, 7 + 16);
    assert_int_equal(open_toy(rig, 3, &version, &sum), ERR_INTERNAL); /* fails as a whole */
    assert_non_null(strstr(rig->e.message, "version 2 to 3"));
    assert_int_equal(version, 2);
    assert_int_equal(open_toy(rig, 1, &version, &sum), ERR_UNSUPPORTED); /* no way back */
    assert_int_equal(version, 2);
    (void)unlink(rig_path(rig, "other.db"));
    assert_int_equal(open_toy(rig, 2, &version, &sum), 0); /* 0 -> 2 */
    assert_int_equal(version, 2);
    assert_int_equal(sum, 7 + 16);
}

/* A released migration that is edited makes two kinds of one version. A failing row here wants a new migration; only
 * before the first release, a new hash. */
static void keeps_released_migrations_as_they_are(void **state)
{
    static const struct {
        const struct store_schema *schema;
        unsigned index;
        const char *sha256; /* first 8 bytes */
    } rows[] = {
        {&store_schema_ledger, 0, "0c1159509da308a3"}, {&store_schema_ledger, 1, "9fd165aed448ac14"},
        {&store_schema_ledger, 2, "84557f419a791cf0"}, {&store_schema_ledger, 3, "9e29ac649cbded17"},
        {&store_schema_ledger, 4, "a4ef42944be87989"}, {&store_schema_ledger, 5, "b88b52c32ef25f3f"},
        {&store_schema_ledger, 6, "52d0c8bec696e354"}, {&store_schema_ledger, 7, "a3185719ffa4ae3f"},
        {&store_schema_heads, 0, "f11185ef3737d9bf"},  {&store_schema_heads, 1, "5cfd4ccd37bb7ec2"},
        {&store_schema_keys, 0, "783f0e7ef39c5d35"},
    };
    (void)state;
    assert_int_equal(store_schema_ledger.count + store_schema_heads.count + store_schema_keys.count,
                     sizeof rows / sizeof rows[0]);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *sql = rows[i].schema->migrations[rows[i].index];
        uint8_t hash[32];
        char hex[17];
        crypto_sha256_one(sql, strlen(sql), hash);
        hex_encode(hash, 8, hex);
        assert_string_equal(hex, rows[i].sha256);
    }
}

#define OLD_BATCHES 70

/* What the first version could write of a sample batch. */
static void old_batch(uint64_t n, struct arena *a, struct store_batch *ret)
{
    struct store_replica *replica = arena_alloc(a, sizeof *replica);
    store_sample_batch(n, a, ret);
    *replica = *ret->replicas;
    replica->confirmed = bytes_of(NULL, 0);
    replica->confirmed_seq_me = replica->confirmed_seq_public = 0;
    ret->replicas = replica;
    ret->addressed_count = 2; /* without the heads leaf */
    ret->key_count = ret->note_count = ret->erasure_count = ret->hold_count = ret->evidence_count = 0;
    ret->destroy_count = ret->witness_count = 0;
}

/* Makes @name a database of version 1 with the rows that are in it now. */
static void bring_back(struct store_rig *rig, const char *name, const struct store_schema *schema, const char *copy)
{
    const char *new_path = rig_path(rig, "other.db");
    assert_int_equal(rename(rig_path(rig, name), new_path), 0);
    rig_sql(rig, name, "PRAGMA page_size=8192; PRAGMA journal_mode=WAL");
    rig_sql(rig, name, schema->migrations[0]); /* held by keeps_released_migrations_as_they_are */
    rig_sql(rig, name,
            arena_printf(&rig->arena, "PRAGMA application_id=%u; PRAGMA user_version=1; ATTACH '%s' AS new; %s",
                         schema->application_id, new_path, copy));
    assert_int_equal(unlink(new_path), 0);
}

static void expect_old_batch(struct store_rig *rig, uint64_t n)
{
    struct arena a = ARENA_INIT;
    struct store_batch b;
    struct store_request request;
    struct store_entry got;
    old_batch(n, &a, &b);
    for (size_t i = 0; i < b.entry_count; i++) {
        const struct store_entry *want = &b.entries[i];
        rig_ok(rig, store_read_entry(rig->reader, want->origin, want->index, &a, &got, &rig->e));
        assert_true(bytes_equal(got.leaf, want->leaf) && bytes_equal(got.payload, want->payload));
        assert_true(got.payload_held == want->payload_held && got.has_case == want->has_case);
        assert_int_equal(got.stored_ms, want->stored_ms);
    }
    rig_ok(rig, store_read_request(rig->reader, b.requests->key_hash, &request, &rig->e));
    assert_memory_equal(request.body_hash, b.requests->body_hash, 32);
    arena_close(&a);
}

/* A folder as the version before left it: nothing is lost on the way, and all that is new works in it. */
static void opens_a_folder_of_the_first_version(void **state)
{
    struct store_rig *rig = *state;
    struct store_batch b;
    struct store_head head, old;
    struct store_key key;
    struct store_ledger_state ledger;
    rig_open(rig);
    for (uint64_t n = 0; n < OLD_BATCHES; n++) {
        old_batch(n, &rig->arena, &b);
        rig_commit(rig, &b);
    }
    rig_ok(rig, store_head_get(rig->store, &rig->arena, &old, &rig->e));
    store_sample_head(OLD_BATCHES, &rig->arena, &head);
    rig_ok(rig, store_head_swap(rig->store, old.size, old.root, &head, &rig->e));
    store_reader_close(rig->reader); /* the writer is the last one and leaves everything in the files themselves */
    rig->reader = NULL;
    rig_close(rig);
    bring_back(
        rig, "ledger.db", &store_schema_ledger,
        "INSERT INTO meta SELECT * FROM new.meta; INSERT INTO node SELECT * FROM new.node;"
        "INSERT INTO case_ref SELECT * FROM new.case_ref;"
        "INSERT INTO entry SELECT id, case_no, stored_ms, ck, hash, leaf,"
        " CASE WHEN content = 0 THEN x'' ELSE (SELECT body FROM new.content WHERE no = content) END FROM new.entry;"
        "INSERT INTO addressed SELECT * FROM new.addressed; INSERT INTO tile SELECT * FROM new.tile;"
        "INSERT INTO replica SELECT * FROM new.replica; INSERT INTO ack SELECT * FROM new.ack;"
        "INSERT INTO case_row SELECT * FROM new.case_row; INSERT INTO item SELECT * FROM new.item;"
        "INSERT INTO item_json SELECT * FROM new.item_json; INSERT INTO request SELECT * FROM new.request;"
        "INSERT INTO request_key0 SELECT * FROM new.request_key0;"
        "INSERT INTO counter SELECT * FROM new.counter");
    bring_back(rig, "heads.db", &store_schema_heads, "INSERT INTO head SELECT * FROM new.head");
    assert_int_equal(unlink(rig_path(rig, "keys.db")), 0);
    assert_int_equal(rig_count(rig, "SELECT count(*) FROM entry WHERE length(payload) > 0"), 3 * OLD_BATCHES + 35);
    assert_int_equal(store_reader_open(rig->dir, &rig->reader, &rig->e), ERR_UNSUPPORTED);
    assert_string_equal(rig->e.id, "store.older-schema");

    for (int round = 0; round < 2; round++) {
        rig_open(rig);
        for (uint64_t n = 0; n < OLD_BATCHES; n++)
            expect_old_batch(rig, n);
        rig_ok(rig, store_check(rig->reader, &rig->e));
        rig_close(rig);
    }
    rig_open(rig);
    rig_ok(rig, store_head_get(rig->store, &rig->arena, &old, &rig->e));
    assert_true(old.size == head.size && bytes_equal(old.note, head.note));
    store_sample_batch(OLD_BATCHES, &rig->arena, &b);
    b.witness_count = 0;
    b.addressed_count = 2;
    struct store_destroy destroy;
    store_sample_case_id(30, destroy.case_id);
    b.destroys = &destroy;
    b.destroy_count = 1;
    rig_commit(rig, &b);
    rig_ok(rig, store_read_key(rig->reader, b.keys->case_id, 1, &key, &rig->e));
    rig_ok(rig, store_read_ledger_state(rig->reader, &rig->arena, &ledger, &rig->e));
    assert_true(bytes_equal(ledger.replicas->confirmed, b.replicas->confirmed));
    struct store_entry *entries;
    size_t count = 0;
    rig_ok(rig, store_read_case_entries(rig->reader, destroy.case_id, &rig->arena, &entries, &count, &rig->e));
    assert_int_equal(count, 8);
    for (size_t i = 0; i < count; i++)
        assert_false(entries[i].payload_held);
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

/* ---- the head ---- */

static struct store_head head_of(struct store_rig *rig, uint64_t size, uint8_t root, const char *note)
{
    struct store_head head = {.size = size, .note = bytes_of_string(arena_strdup(&rig->arena, note))};
    memset(head.root, root, sizeof head.root);
    return head;
}

static void expect_head(struct store_rig *rig, const struct store_head *want)
{
    struct store_head got;
    rig_ok(rig, store_head_get(rig->store, &rig->arena, &got, &rig->e));
    assert_int_equal(got.size, want->size);
    assert_memory_equal(got.root, want->root, 32);
    assert_true(bytes_equal(got.note, want->note));
}

static void moves_the_head_only_forward(void **state)
{
    struct store_rig *rig = *state;
    rig_open(rig);
    struct store_head empty, first = head_of(rig, 10, 1, "first"), second = head_of(rig, 20, 2, "second");
    rig_ok(rig, store_head_get(rig->store, &rig->arena, &empty, &rig->e));
    rig_ok(rig, store_head_swap(rig->store, 0, empty.root, &first, &rig->e));
    rig_ok(rig, store_head_swap(rig->store, 10, first.root, &second, &rig->e));
    expect_head(rig, &second);

    const struct {
        uint64_t old_size;
        const uint8_t *old_root;
        struct store_head next;
        int code;
        const char *id;
    } rows[] = {
        {0, empty.root, head_of(rig, 30, 3, ""), ERR_CONFLICT, "store.head-moved"},
        {10, first.root, head_of(rig, 30, 3, ""), ERR_CONFLICT, "store.head-moved"},
        {20, first.root, head_of(rig, 30, 3, ""), ERR_CONFLICT, "store.head-moved"},
        {21, second.root, head_of(rig, 30, 3, ""), ERR_CONFLICT, "store.head-moved"},
        {20, second.root, head_of(rig, 19, 3, ""), ERR_CONFLICT, "store.head-back"},
        {20, second.root, head_of(rig, 20, 3, ""), ERR_CONFLICT, "store.head-fork"},
        {20, second.root, head_of(rig, UINT64_C(1) << 40, 3, ""), ERR_LIMIT, "store.limit"},
        {20,
         second.root,
         {.size = 30, .note = bytes_of(arena_alloc(&rig->arena, (64 << 10) + 1), (64 << 10) + 1)},
         ERR_LIMIT,
         "store.limit"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(store_head_swap(rig->store, rows[i].old_size, rows[i].old_root, &rows[i].next, &rig->e),
                         rows[i].code);
        assert_string_equal(rig->e.id, rows[i].id);
        expect_head(rig, &second);
    }
    struct store_head cosigned = head_of(rig, 20, 2, "second, with more signatures");
    rig_ok(rig, store_head_swap(rig->store, 20, second.root, &cosigned, &rig->e));
    rig_reopen(rig);
    expect_head(rig, &cosigned);
}

static void copy_file(struct store_rig *rig, const char *name)
{
    struct buf file, to = {0};
    rig_ok(rig, file_read(rig_path(rig, name), 64 << 20, &file, &rig->e));
    buf_printf(&to, "copy/%s", name);
    rig_ok(rig, file_write(rig_path(rig, buf_cstr(&to)), buf_bytes(&file), 0600, false, &rig->e));
    buf_close(&file);
    buf_close(&to);
}

/* The zeros behind the log's end are no frames: not for who goes on, not for who recovers it. */
static void reserves_room_for_the_log(void **state)
{
    struct store_rig *rig = *state;
    struct stat file;
    uint64_t found = 0;
    rig_open(rig);
    rig_commit_samples(rig, 0, 2);
    store_reserve_log(rig->store);
    assert_int_equal(stat(rig_path(rig, "ledger.db-wal"), &file), 0);
    assert_int_equal(file.st_size, 12 << 20);
    rig_commit_samples(rig, 2, 4);
    store_reserve_log(rig->store); /* long enough */
    rig_expect_samples(rig, 4);
    assert_int_equal(stat(rig_path(rig, "ledger.db-wal"), &file), 0);
    assert_int_equal(file.st_size, 12 << 20);

    rig_ok(rig, file_make_dir(rig_path(rig, "copy"), 0700, &rig->e)); /* as a power failure leaves it */
    static const char *const names[] = {"ledger.db",    "ledger.db-wal", "heads.db",
                                        "heads.db-wal", "keys.db",       "keys.db-wal"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        copy_file(rig, names[i]);
    struct buf copy = {0};
    buf_printf(&copy, "%s", rig_path(rig, "copy"));
    struct store *store = NULL;
    struct store_reader *reader = NULL;
    rig_ok(rig, store_open(buf_cstr(&copy), STORE_SAMPLE_SELF, &store, &rig->e));
    rig_ok(rig, store_reader_open(buf_cstr(&copy), &reader, &rig->e));
    rig_ok(rig, store_check(reader, &rig->e));
    rig_ok(rig, store_sample_verify(reader, &found, &rig->e));
    assert_int_equal(found, 4);
    store_reader_close(reader);
    store_close(store);
    static const char *const left[] = {"copy/ledger.db", "copy/heads.db", "copy/keys.db", "copy/writer.lock"};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++)
        assert_int_equal(unlink(rig_path(rig, left[i])), 0);
    assert_int_equal(rmdir(rig_path(rig, "copy")), 0);
    buf_close(&copy);
}

static void notices_that_another_has_signed(void **state)
{
    struct store_rig *rig = *state;
    struct store_head empty, next = head_of(rig, 5, 1, "n");
    rig_open(rig);
    rig_ok(rig, store_head_get(rig->store, &rig->arena, &empty, &rig->e));
    rig_sql(rig, "heads.db", "UPDATE head SET size = 4");
    assert_int_equal(store_head_swap(rig->store, 0, empty.root, &next, &rig->e), ERR_CONFLICT);
    assert_string_equal(rig->e.id, "store.head-moved");
    assert_int_equal(store_head_get(rig->store, &rig->arena, &empty, &rig->e), ERR_CORRUPT); /* check value */
}

/* The lock says whose it is; where that cannot be written (the disk is full), the folder is not opened, and is free. */
static void lock_that_cannot_be_written(void **state)
{
    struct store_rig *rig = *state;
    struct rlimit before, none;
    rig_ok(rig, store_open(rig->dir, STORE_SAMPLE_SELF, &rig->store, &rig->e));
    rig_commit_samples(rig, 0, 2);
    rig_close(rig);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    int rc = store_open(rig->dir, STORE_SAMPLE_SELF, &rig->store, &rig->e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(rc, ERR_IO);
    assert_string_equal(rig->e.id, "store.lock");
    assert_non_null(strstr(rig->e.message, rig->dir));
    assert_null(rig->store);
    rig_open(rig);
    rig_expect_samples(rig, 2);
}

static void no_fts5(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    (void)values;
    sqlite3_result_null(context);
}

/* Every connection gets it: the function that gives FTS5's interface gives none. */
static int hide_fts5(sqlite3 *db, const char **ret_text, const struct sqlite3_api_routines *api)
{
    (void)ret_text;
    (void)api;
    return sqlite3_create_function(db, "fts5", 1, SQLITE_UTF8, NULL, no_fts5, NULL, NULL);
}

/* A SQLite that was built without full-text search is found when the folder is opened, not when somebody searches. */
static void needs_full_text_search(void **state)
{
    struct store_rig *rig = *state;
    rig_open(rig);
    rig_commit_samples(rig, 0, 2);
    rig_close(rig);
    assert_int_equal(sqlite3_auto_extension((void (*)(void))hide_fts5), SQLITE_OK);
    int rc = store_open(rig->dir, STORE_SAMPLE_SELF, &rig->store, &rig->e);
    sqlite3_reset_auto_extension();
    assert_int_equal(rc, ERR_UNSUPPORTED);
    assert_string_equal(rig->e.id, "store.no-fts");
    assert_null(rig->store);
    rig_open(rig);
    rig_expect_samples(rig, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
        TEST(opens_an_empty_folder),
        TEST(keeps_its_files_private),
        TEST(lets_one_writer_in),
        TEST(refuses_the_folder_of_another_node),
        TEST(names_what_is_absent),
        TEST(refuses_one_peer_too_many),
        TEST(refuses_other_schemas),
        TEST(refuses_what_is_no_database),
        TEST(walks_the_migrations_in_order),
        TEST(keeps_released_migrations_as_they_are),
        TEST(opens_a_folder_of_the_first_version),
        TEST(moves_the_head_only_forward),
        TEST(notices_that_another_has_signed),
        TEST(reserves_room_for_the_log),
        TEST(lock_that_cannot_be_written),
        TEST(needs_full_text_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
