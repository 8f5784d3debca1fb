/* store_check(): no change to the stored bytes goes unnoticed, neither a flipped byte on the disk nor SQL from outside. */
#include "tests/unit/store/store_rig.h"

#include "node/base/limits.h"
#include "node/base/prng.h"
#include "node/base/file.h"
#include "node/store/store_fact.h"

#define SAMPLES 69 /* a hold is on, an erasure is not done everywhere */

/* Everything in one file: the WAL has been written back. */
static void fill_and_close(struct store_rig *rig)
{
    rig_open(rig);
    rig_commit_samples(rig, 0, SAMPLES);
    rig_expect_samples(rig, SAMPLES);
    store_reader_close(rig->reader);
    rig->reader = NULL;
    rig_close(rig);
    assert_int_not_equal(access(rig_path(rig, "ledger.db-wal"), F_OK), 0);
}

static void flip(struct store_rig *rig, const char *name, long offset, int mask)
{
    FILE *f = fopen(rig_path(rig, name), "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, offset, SEEK_SET), 0);
    int byte = fgetc(f);
    assert_int_equal(fseek(f, offset, SEEK_SET), 0);
    assert_int_not_equal(fputc(byte ^ mask, f), EOF);
    assert_int_equal(fclose(f), 0);
}

/* Opening included: a broken header shows there. */
static int check_folder(struct store_rig *rig)
{
    rig->e = (struct err){0};
    int rc = store_reader_open(rig->dir, &rig->reader, &rig->e);
    if (rc == 0)
        rc = store_check(rig->reader, &rig->e);
    store_reader_close(rig->reader);
    rig->reader = NULL;
    return rc;
}

static void finds_a_flipped_byte_in_every_value(void **state)
{
    struct store_rig *rig = *state;
    struct store_batch b;
    struct buf file;
    fill_and_close(rig);
    store_sample_batch(63, &rig->arena, &b);
    struct store_batch last;
    store_sample_batch(SAMPLES - 1, &rig->arena, &last);
    b.notes = last.notes; /* older ones have been written over */
    b.replicas = last.replicas;
    const struct {
        const char *what;
        struct bytes value;
    } rows[] = {
        {"leaf", b.entries[0].leaf},
        {"payload", b.entries[2].payload},
        {"hash", bytes_of(b.entries[1].hash, 32)},
        {"replicated leaf", b.entries[4].leaf},
        {"tile", bytes_of(b.tiles->hashes, 4096)}, /* the page of the row; the rest is in others */
        {"request key", bytes_of(b.requests->key_hash, 32)},
        {"request body", bytes_of(b.requests->body_hash, 32)},
        {"note", b.notes->note},
        {"confirmed", b.replicas->confirmed},
        {"hold", bytes_of_string("行政复议 65")},
        {"case digest", bytes_of(b.cases->digest, 32)},
        {"case name", bytes_of_string(b.cases->item_name)},
        {"case number", bytes_of_string(b.cases->number)},
        {"item json", b.items->json},
        {"item name", bytes_of_string(b.items->name)},
        {"counter name", bytes_of_string("batches")},
        {"meta name", bytes_of_string("case_count")},
    };
    rig_ok(rig, file_read(rig_path(rig, "ledger.db"), 64 << 20, &file, &rig->e));
    assert_int_equal(check_folder(rig), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        /* Large values are spread over pages; their first 16 bytes stand together. */
        size_t size = rows[i].value.size < 16 ? rows[i].value.size : 16;
        const uint8_t *at = memmem(file.data, file.size, rows[i].value.data, size);
        if (at == NULL)
            fail_msg("%s: not in the file", rows[i].what);
        for (size_t k = 0; k < size; k += 3) {
            flip(rig, "ledger.db", (long)(at - file.data) + (long)k, 1);
            if (check_folder(rig) != ERR_CORRUPT)
                fail_msg("%s, byte %zu: not noticed", rows[i].what, k);
            flip(rig, "ledger.db", (long)(at - file.data) + (long)k, 1);
        }
    }
    assert_int_equal(check_folder(rig), 0);
    buf_close(&file);
}

/* The same of the two files that stand beside the ledger. */
static void finds_a_flipped_byte_beside_the_ledger(void **state)
{
    struct store_rig *rig = *state;
    struct store_batch b;
    struct buf file;
    fill_and_close(rig);
    store_sample_batch(SAMPLES - 1, &rig->arena, &b);
    const struct {
        const char *name;
        struct bytes value;
    } rows[] = {
        {"keys.db", bytes_of(b.keys->key, 32)},
        {"keys.db", bytes_of(b.keys->case_id, STORE_CASE_ID_SIZE)},
        {"heads.db", bytes_of_string(b.witnesses->origin)},
        {"heads.db", bytes_of(b.witnesses->root, 32)},
        {"heads.db", b.witnesses->note},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_ok(rig, file_read(rig_path(rig, rows[i].name), 64 << 20, &file, &rig->e));
        const uint8_t *at = memmem(file.data, file.size, rows[i].value.data, rows[i].value.size);
        assert_non_null(at);
        for (size_t k = 0; k < rows[i].value.size; k++) {
            flip(rig, rows[i].name, (long)(at - file.data) + (long)k, 4);
            if (check_folder(rig) != ERR_CORRUPT)
                fail_msg("row %zu, byte %zu: not noticed", i, k);
            flip(rig, rows[i].name, (long)(at - file.data) + (long)k, 4);
        }
        buf_close(&file);
    }
    assert_int_equal(check_folder(rig), 0);
}

static void finds_what_sql_changed_beside_the_ledger(void **state)
{
    static const struct {
        const char *name, *sql, *id;
    } rows[] = {
        {"keys.db", "UPDATE key SET created_ms = created_ms + 1", "store.row"},
        {"keys.db", "UPDATE key SET no = no + 1 WHERE no = (SELECT min(no) FROM key)", "store.row"},
        {"keys.db", "DELETE FROM secret WHERE no = (SELECT max(no) FROM secret)", "store.row"},
        {"keys.db", "UPDATE secret SET key = zeroblob(32) WHERE no = (SELECT max(no) FROM secret)", "store.row"},
        {"keys.db", "DELETE FROM key WHERE no = (SELECT max(no) FROM key)", "store.counts"}, /* its secret stays */
        {"keys.db", "UPDATE secret SET key = x'01' WHERE no = (SELECT min(no) FROM secret)", "store.counts"},
        {"heads.db", "UPDATE witness SET size = size + 1", "store.row"},
        {"heads.db", "UPDATE witness SET origin = 'x' WHERE origin > '2'", "store.row"},
        {"heads.db", "UPDATE witness SET root = x''", "store.row"},
        {"heads.db", "UPDATE head SET note = x'00'", "store.row"},
    };
    struct store_rig *rig = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_empty_folder(rig);
        fill_and_close(rig);
        rig_sql(rig, rows[i].name, rows[i].sql);
        if (check_folder(rig) != ERR_CORRUPT || strcmp(rig->e.id, rows[i].id) != 0)
            fail_msg("%s: %s '%s'", rows[i].sql, rig->e.id, rig->e.message);
    }
}

/* An own erasure row and content cannot both be there, even when every row is right by itself. */
static void notices_content_of_an_erased_case(void **state)
{
    struct store_rig *rig = *state;
    uint8_t key[STORE_CASE_ID_SIZE + 4], value[23] = {STORE_ERASURE_DONE};
    char key_hex[2 * sizeof key + 1], value_hex[2 * sizeof value + 1];
    struct store_batch b;
    fill_and_close(rig);
    store_sample_batch(63, &rig->arena, &b);
    memcpy(key, b.cases->case_id, STORE_CASE_ID_SIZE);
    for (int own = 0; own < 2; own++) { /* a peer may have erased what is held here */
        put_be32(key + STORE_CASE_ID_SIZE, own ? STORE_SAMPLE_SELF : STORE_SAMPLE_PEER);
        hex_encode(key, sizeof key, key_hex);
        hex_encode(value, sizeof value, value_hex);
        rig_sql(rig, "ledger.db",
                arena_printf(
                    &rig->arena, "INSERT INTO fact(kind, key, ck, value) VALUES(3, x'%s', %lld, x'%s')", key_hex,
                    (long long)store_fact_ck(3, bytes_of(key, sizeof key), bytes_of(value, sizeof value)), value_hex));
        assert_int_equal(check_folder(rig), own ? ERR_CORRUPT : 0);
    }
    assert_string_equal(rig->e.id, "store.counts");
    assert_non_null(strstr(rig->e.message, "has erased"));
}

/* Any byte of the file: either the check fails, or nothing that can be read has changed (free space in a page). */
static void finds_flipped_bytes_anywhere(void **state)
{
    struct store_rig *rig = *state;
    struct prng prng;
    struct buf file;
    unsigned noticed = 0;
    fill_and_close(rig);
    rig_ok(rig, file_read(rig_path(rig, "ledger.db"), 64 << 20, &file, &rig->e));
    prng_init(&prng, 20261124);
    for (unsigned i = 0; i < 400; i++) {
        long offset = (long)prng_below(&prng, file.size);
        int mask = 1 << prng_below(&prng, 8);
        flip(rig, "ledger.db", offset, mask);
        int rc = check_folder(rig);
        if (rc == 0) {
            uint64_t found = 0;
            rig_ok(rig, store_reader_open(rig->dir, &rig->reader, &rig->e));
            rc = store_sample_verify(rig->reader, &found, &rig->e);
            if (rc != 0 || found != SAMPLES)
                fail_msg("offset %ld, bit mask %d: not noticed: %s", offset, mask, rig->e.message);
            store_reader_close(rig->reader);
            rig->reader = NULL;
        } else {
            noticed++;
        }
        flip(rig, "ledger.db", offset, mask);
    }
    assert_true(noticed > 200); /* most of the file is in use */
    assert_int_equal(check_folder(rig), 0);
    buf_close(&file);
}

/* The reader that serves a request notices too, without a check having run. */
static void reads_never_give_changed_bytes(void **state)
{
    struct store_rig *rig = *state;
    struct arena *a = &rig->arena;
    struct store_batch b;
    struct store_entry entry, *entries;
    struct store_case row;
    struct store_item item;
    struct store_request request;
    struct store_ledger_state ledger;
    struct store_head head;
    uint8_t hashes[8192];
    uint64_t value;
    size_t count;
    fill_and_close(rig);
    rig_sql(rig, "ledger.db",
            "UPDATE entry SET stored_ms = stored_ms + 1; UPDATE case_row SET status = status + 1;"
            "UPDATE item SET version = version + 1; UPDATE request SET count = count + 1;"
            "UPDATE counter SET value = value + 1; UPDATE replica SET size = size + 1; UPDATE tile SET ck = ck + 1;");
    rig_open(rig);
    rig_sql(rig, "heads.db", "UPDATE head SET note = x'00'");
    store_sample_batch(63, a, &b);
    assert_int_equal(store_read_entry(rig->reader, STORE_SAMPLE_SELF, 1, a, &entry, &rig->e), ERR_CORRUPT);
    assert_non_null(strstr(rig->e.message, "table entry"));
    assert_int_equal(store_read_case_entries(rig->reader, b.cases->case_id, a, &entries, &count, &rig->e), ERR_CORRUPT);
    assert_int_equal(store_read_case(rig->reader, b.cases->case_id, &row, &rig->e), ERR_CORRUPT);
    assert_int_equal(store_read_item(rig->reader, b.items->node, b.items->code, a, &item, &rig->e), ERR_CORRUPT);
    assert_int_equal(store_read_request(rig->reader, b.requests->key_hash, &request, &rig->e), ERR_CORRUPT);
    assert_int_equal(store_read_counter(rig->reader, "batches", &value, &rig->e), ERR_CORRUPT);
    assert_int_equal(store_read_tile(rig->reader, 0, 0, hashes, &rig->e), ERR_CORRUPT);
    assert_int_equal(store_read_ledger_state(rig->reader, a, &ledger, &rig->e), ERR_CORRUPT);
    assert_int_equal(store_head_get(rig->store, a, &head, &rig->e), ERR_CORRUPT);
}

static void finds_what_sql_changed(void **state)
{
    /* Statements that keep the engine content and most check values right: what is left are gaps and counts. */
    static const struct {
        const char *sql, *id;
    } rows[] = {
        {"DELETE FROM entry WHERE id = (1 << 60) + 5", "store.gap"},
        {"DELETE FROM entry WHERE id = (SELECT max(id) FROM entry)", "store.row"}, /* its content is there */
        {"DELETE FROM content WHERE entry = (SELECT max(id) FROM entry); DELETE FROM entry"
         " WHERE id = (SELECT max(id) FROM entry)",
         "store.gap"}, /* a request made it */
        {"DELETE FROM content WHERE entry >> 40 = 1 << 20; DELETE FROM entry WHERE id >> 40 = 1 << 20", "store.gap"},
        {"DELETE FROM addressed WHERE id = (SELECT min(id) FROM addressed)", "store.gap"},
        {"DELETE FROM addressed WHERE id = (SELECT id FROM addressed LIMIT 1 OFFSET 30)", "store.gap"},
        {"DELETE FROM tile", ""}, /* derived, and none is a whole number of tiles too */
        {"UPDATE tile SET id = 1 WHERE id = 0", "store.row"},
        {"DELETE FROM case_row WHERE no = 3", "store.counts"},
        {"DELETE FROM case_ref WHERE no = 3", "store.row"},
        {"INSERT INTO case_ref(case_id) VALUES(x'0102')", "store.counts"},
        {"DELETE FROM item_json WHERE id = 3", "store.row"},
        {"INSERT INTO item_json(ck, json) VALUES(0, x'')", "store.counts"},
        {"UPDATE item SET json_id = 1 WHERE json_id = 2", "store.row"},
        {"UPDATE meta SET value = value + 1 WHERE key = 'case_count'", "store.row"},
        {"DELETE FROM meta", "store.row"},
        {"UPDATE node SET node = 520000 WHERE node = 510000", "store.row"},
        {"DELETE FROM node WHERE node = 510000", "store.row"},
        {"UPDATE replica SET note = x'00'", "store.row"},
        {"UPDATE ack SET size = size + 1", "store.row"},
        {"UPDATE addressed SET seq = seq + 1", "store.row"},
        {"UPDATE entry SET case_no = case_no + 1 WHERE case_no = 4", "store.row"},
        {"UPDATE entry SET content = NULL WHERE id = (1 << 60) + 254", "store.row"},
        {"UPDATE entry SET content = 0 WHERE id = (1 << 60) + 254", "store.row"},
        {"UPDATE entry SET content = content + 1 WHERE id = (1 << 60) + 254", "store.row"},
        {"UPDATE entry SET content = 0 WHERE content IS NULL", "store.row"},
        {"DELETE FROM content WHERE entry = (1 << 60) + 254", "store.row"},
        {"UPDATE content SET body = zeroblob(length(body)) WHERE entry = (1 << 60) + 254", "store.row"},
        {"UPDATE content SET entry = entry + 1 WHERE entry = (1 << 60) + 254", "store.row"},
        {"INSERT INTO content(entry, body) VALUES((1 << 60) + 254, x'0001')", "store.row"},
        {"UPDATE content SET body = x'01' WHERE no = 1", "store.row"},             /* of a destroyed case */
        {"INSERT INTO content(entry, body) VALUES((1 << 60) + 254, x'0000')", ""}, /* as if destroyed: says nothing */
        {"UPDATE fact SET value = x'01' WHERE kind = 2", "store.row"},
        {"UPDATE fact SET key = x'01' WHERE kind = 5", "store.row"},
        {"UPDATE fact SET kind = 9 WHERE kind = 6", "store.row"},
        {"UPDATE fact SET ck = ck + 1 WHERE kind = 1", "store.row"},
        {"DELETE FROM fact WHERE kind = 3", "store.counts"},
        {"DELETE FROM fact WHERE kind = 4", "store.counts"},
        {"UPDATE request SET case_id = x'00'", "store.row"},
        {"DELETE FROM request_key0 WHERE no = 5", "store.counts"},
        {"UPDATE request_key0 SET key = key + 1 WHERE no = 5", "store.counts"},
        {"INSERT INTO request_key2 SELECT key, no FROM request_key0 WHERE no = 5", "store.counts"},
        {"INSERT INTO request_key1 VALUES(1, 1)", "store.counts"},
        {"UPDATE counter SET name = 'other'", "store.row"},
    };
    struct store_rig *rig = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_empty_folder(rig);
        fill_and_close(rig);
        rig_sql(rig, "ledger.db", rows[i].sql);
        int rc = check_folder(rig);
        if (rc != (rows[i].id[0] != '\0' ? ERR_CORRUPT : 0) || strcmp(rig->e.id, rows[i].id) != 0)
            fail_msg("%s: %d %s '%s'", rows[i].sql, rc, rig->e.id, rig->e.message);
    }
}

static void notices_a_ledger_behind_its_head(void **state)
{
    struct store_rig *rig = *state;
    struct store_head head, next;
    rig_open(rig);
    rig_commit_samples(rig, 0, 2);
    rig_ok(rig, store_head_get(rig->store, &rig->arena, &head, &rig->e));
    store_sample_head(2, &rig->arena, &next);
    rig_ok(rig, store_head_swap(rig->store, 0, head.root, &next, &rig->e));
    rig_ok(rig, store_check(rig->reader, &rig->e));
    head = next;
    store_sample_head(3, &rig->arena, &next);
    rig_ok(rig, store_head_swap(rig->store, head.size, head.root, &next, &rig->e));
    assert_int_equal(store_check(rig->reader, &rig->e), ERR_CORRUPT);
    assert_string_equal(rig->e.id, "store.behind-head");
    assert_non_null(strstr(rig->e.message, "8 own entries"));
    rig_commit_samples(rig, 2, 3);
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

/* Whoever stops a node does not wait until gigabytes are read. */
static void ends_when_cancelled(void **state)
{
    struct store_rig *rig = *state;
    atomic_bool cancel = false;
    fill_and_close(rig);
    rig_ok(rig, store_reader_open(rig->dir, &rig->reader, &rig->e));
    store_reader_cancel_by(rig->reader, &cancel);
    rig_ok(rig, store_check(rig->reader, &rig->e));
    atomic_store(&cancel, true);
    assert_int_equal(store_check(rig->reader, &rig->e), ERR_CLOSED);
    assert_string_equal(rig->e.id, "store.cancelled");
    store_reader_close(rig->reader);

    rig_ok(rig, store_reader_open(rig->dir, &rig->reader, &rig->e));
    store_reader_cancel_by(rig->reader, &cancel); /* before the other databases are open */
    assert_int_equal(store_check(rig->reader, &rig->e), ERR_CLOSED);
    store_reader_cancel_by(rig->reader, NULL);
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
        TEST(finds_a_flipped_byte_in_every_value),
        TEST(finds_a_flipped_byte_beside_the_ledger),
        TEST(finds_what_sql_changed_beside_the_ledger),
        TEST(notices_content_of_an_erased_case),
        TEST(finds_flipped_bytes_anywhere),
        TEST(reads_never_give_changed_bytes),
        TEST(finds_what_sql_changed),
        TEST(notices_a_ledger_behind_its_head),
        TEST(ends_when_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
