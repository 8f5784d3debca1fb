/* The store on a faulty disk: whatever fails, at whichever operation on whichever of the three databases, a batch is there
 * whole or not at all after opening again, every acknowledged one is there, what was destroyed is gone, and a handle that
 * failed does not pretend to go on.
 *
 * Each round arms one fault at operation k, runs a life of the store (open, batches and head swaps, close) until
 * something fails, lets a "crash" lose what was not synced, and looks at what the next opening finds; k grows until
 * the fault is no longer reached. Two lives are enough to meet every sort of write: the first batches of a new folder, and
 * the batch that destroys a case with the one after it. The second begins from copies of the files, not by writing again.
 */
#include "tests/unit/store/store_rig.h"

#include "node/base/file.h"
#include "tests/lib/faultvfs.h"

#define BATCHES 6

struct life {
    uint64_t acked;      /* batches that store_commit() confirmed */
    uint64_t tried;      /* … or left open */
    uint64_t head_acked; /* batches of the last head that was swapped in */
    uint64_t head_tried;
    uint64_t head_synced; /* … and that a power cut must leave */
    int code;             /* of the first failure */
    bool copies;          /* the log after each batch, with a store_log */
};

/* A failed handle refuses without touching the disk, whatever the disk would do now. */
static void expect_stopped(struct store_rig *rig, const struct store_batch *b)
{
    assert_int_equal(store_commit(rig->store, b, &rig->e), ERR_IO);
    assert_string_equal(rig->e.id, "store.stopped");
}

static int live_batch(struct store_rig *rig, uint64_t n, struct arena *a, struct life *life)
{
    struct store_batch b;
    struct store_head old, next;
    store_sample_batch(n, a, &b);
    life->tried = n + 1;
    int rc = store_commit(rig->store, &b, &rig->e);
    if (rc != 0) {
        expect_stopped(rig, &b);
        return rc;
    }
    life->acked = n + 1;
    life->head_synced = life->head_acked; /* the batch has a witness */
    store_sample_head(life->head_acked, a, &old);
    store_sample_head(n + 1, a, &next);
    life->head_tried = n + 1;
    rc = store_head_swap(rig->store, old.size, old.root, &next, &rig->e);
    if (rc == 0) {
        life->head_acked = n + 1;
        assert_true(store_head_is_unsynced(rig->store));
        rc = n % 2 == 0 ? store_head_sync(rig->store, &rig->e) : 0;
    }
    if (rc != 0) {
        assert_int_equal(store_head_swap(rig->store, old.size, old.root, &next, &rig->e), ERR_IO);
        assert_string_equal(rig->e.id, "store.stopped");
        assert_false(store_head_is_unsynced(rig->store));
    } else if (n % 2 == 0) {
        life->head_synced = n + 1;
        assert_false(store_head_is_unsynced(rig->store));
    }
    return rc;
}

/* What fails there fails no batch: the log has it all. */
static void copy_log(struct store_rig *rig, struct store_log *log, bool finishes)
{
    uint32_t pages;
    struct err e;
    int rc = store_log_copy(log, &pages, &e);
    if (finishes)
        rc = store_log_finish(rig->store, &e);
    (void)rc;
}

/* From opening to closing; stops at the first failure. */
static void live(struct store_rig *rig, uint64_t end, struct life *life)
{
    struct arena a = ARENA_INIT;
    struct store_log *log = NULL;
    life->code = store_open(rig->dir, STORE_SAMPLE_SELF, &rig->store, &rig->e);
    if (life->code == 0 && life->copies)
        life->code = store_log_open(rig->store, &log, &rig->e);
    for (uint64_t n = life->acked; life->code == 0 && n < end; n++) {
        life->code = live_batch(rig, n, &a, life);
        if (life->code == 0 && log != NULL)
            copy_log(rig, log, n % 2 == 1);
    }
    store_log_close(log);
    store_close(rig->store);
    rig->store = NULL;
    arena_close(&a);
}

static bool stands_in(struct store_rig *rig, const char *name, struct bytes what)
{
    struct buf file;
    if (access(rig_path(rig, name), F_OK) != 0)
        return false;
    rig_ok(rig, file_read(rig_path(rig, name), 64 << 20, &file, &rig->e));
    bool found = file.size > 0 && memmem(file.data, file.size, what.data, what.size) != NULL;
    buf_close(&file);
    return found;
}

/* Of the case that batch 3 destroys: gone from every file with that batch, there before. */
static void expect_destroyed(struct store_rig *rig, uint64_t found)
{
    static const char *const names[] = {"ledger.db", "ledger.db-wal", "keys.db", "keys.db-wal"};
    struct store_batch b;
    bool there[3] = {false};
    store_sample_batch(1, &rig->arena, &b);
    const struct bytes secrets[3] = {bytes_of(b.keys->key, 32), bytes_of(b.entries[1].payload.data, 64),
                                     bytes_of(b.requests->body_hash, 32)};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (size_t k = 0; k < 3; k++)
            there[k] = there[k] || stands_in(rig, names[i], secrets[k]);
    for (size_t k = 0; k < 3; k++)
        if (found >= 2 && there[k] != !store_sample_is_destroyed(0, found))
            fail_msg("after %u batches secret %zu is %s", (unsigned)found, k, there[k] ? "there" : "gone");
}

/* What the next opening must find: returns the number of batches. The store is open then. */
static uint64_t open_whole(struct store_rig *rig, const struct life *life, struct store_head *ret_head)
{
    uint64_t found = 0;
    bool behind = false;
    struct store_head want;
    rig_open(rig);
    rig_ok(rig, store_sample_verify(rig->reader, &found, &rig->e));
    assert_in_range(found, life->acked, life->tried);
    expect_destroyed(rig, found);
    rig_ok(rig, store_sample_mend(rig->store, rig->reader, found, &behind, &rig->e));
    assert_true(!behind || found > life->acked);
    rig_ok(rig, store_head_get(rig->store, &rig->arena, ret_head, &rig->e));
    assert_in_range(ret_head->size / STORE_SAMPLE_ENTRIES, life->head_synced, life->head_tried);
    store_sample_head(ret_head->size / STORE_SAMPLE_ENTRIES, &rig->arena, &want);
    assert_memory_equal(ret_head->root, want.root, 32);
    assert_true(bytes_equal(ret_head->note, want.note));
    return found;
}

/* … and that the store works from there on. */
static void expect_whole(struct store_rig *rig, const struct life *life)
{
    struct store_head head;
    uint64_t found = open_whole(rig, life, &head);
    rig_commit_samples(rig, found, found + 1);
    rig_expect_samples(rig, found + 1);
    rig_close(rig);
    arena_close(&rig->arena);
    rig->arena = (struct arena)ARENA_INIT;
}

static void expect_code(enum faultvfs_kind kind, int code)
{
    if (kind == FAULTVFS_WRITE_FULL || kind == FAULTVFS_SYNC_FULL)
        assert_int_equal(code, ERR_FULL);
    else
        assert_int_equal(code, ERR_IO);
}

/* The files of a closed store. */
static const char *const databases[] = {"ledger.db", "heads.db", "keys.db"};
struct image {
    struct buf files[3];
};

static void image_take(struct image *image, struct store_rig *rig, uint64_t batches)
{
    rig_empty_folder(rig);
    rig_open(rig);
    rig_commit_samples(rig, 0, batches);
    store_reader_close(rig->reader); /* the writer is the last one and leaves no log */
    rig->reader = NULL;
    rig_close(rig);
    for (size_t i = 0; i < 3; i++)
        rig_ok(rig, file_read(rig_path(rig, databases[i]), 64 << 20, &image->files[i], &rig->e));
}

static void image_put(const struct image *image, struct store_rig *rig)
{
    rig_empty_folder(rig);
    for (size_t i = 0; i < 3; i++) {
        FILE *f = fopen(rig_path(rig, databases[i]), "w");
        assert_non_null(f);
        assert_int_equal(fwrite(image->files[i].data, 1, image->files[i].size, f), image->files[i].size);
        assert_int_equal(fclose(f), 0);
    }
}

static void image_close(struct image *image)
{
    for (size_t i = 0; i < 3; i++)
        buf_close(&image->files[i]);
}

/* One kind of fault at every operation of a life that begins with @start batches on the disk and goes on to @end. */
static void sweep(struct store_rig *rig, enum faultvfs_kind kind, uint64_t start, uint64_t end, bool copies)
{
    bool fired = true;
    uint64_t k;
    unsigned failures = 0;
    struct image image = {0};
    image_take(&image, rig, start);
    for (k = 1; fired; k++) {
        struct life life = {.acked = start, .tried = start, .copies = copies};
        if (start > 0)
            image_put(&image, rig);
        else
            rig_empty_folder(rig);
        faultvfs_arm(kind, k);
        live(rig, end, &life);
        fired = faultvfs_disarm();
        if (kind == FAULTVFS_CRASH)
            faultvfs_crash_apply(k * 31 + start);
        else
            life.head_synced = life.head_acked;
        /* A fault in closing fails nothing: the WAL has it all. */
        if (fired && life.code != 0) {
            expect_code(kind, life.code);
            failures++;
        }
        if (!fired)
            assert_int_equal(life.code, 0);
        expect_whole(rig, &life);
    }
    assert_true(k > end - start && failures > 0);
    image_close(&image);
}

static void survives(void **state, enum faultvfs_kind kind)
{
    struct store_rig *rig = *state;
    sweep(rig, kind, 0, 2, false);
    sweep(rig, kind, 3, 5, false);
}

static void survives_a_full_disk_at_any_write(void **state)
{
    survives(state, FAULTVFS_WRITE_FULL);
}

static void survives_an_error_at_any_write(void **state)
{
    survives(state, FAULTVFS_WRITE_IO);
}

static void survives_a_full_disk_at_any_sync(void **state)
{
    survives(state, FAULTVFS_SYNC_FULL);
}

static void survives_an_error_at_any_sync(void **state)
{
    survives(state, FAULTVFS_SYNC_IO);
}

static void survives_a_power_cut_at_any_moment(void **state)
{
    survives(state, FAULTVFS_CRASH);
}

static void survives_all_of_it_while_the_log_is_copied(void **state)
{
    static const enum faultvfs_kind kinds[] = {FAULTVFS_WRITE_FULL, FAULTVFS_WRITE_IO, FAULTVFS_SYNC_FULL,
                                               FAULTVFS_SYNC_IO, FAULTVFS_CRASH};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        sweep(*state, kinds[i], 2, 5, true); /* from 2: the logs hold what batch 3 destroys */
}

/* Power cuts one after the other, each in the recovery or the life after the one before. */
static void survives_power_cuts_in_a_row(void **state)
{
    struct store_rig *rig = *state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct life life = {.acked = 0};
        rig_empty_folder(rig);
        for (uint64_t round = 0; round < 4; round++) {
            struct store_head head;
            life.copies = round % 2 == 1;
            faultvfs_arm(FAULTVFS_CRASH, 1 + (seed * 7 + round * 13) % 90);
            live(rig, BATCHES, &life);
            (void)faultvfs_disarm();
            faultvfs_crash_apply(seed * 4 + round);
            uint64_t found = open_whole(rig, &life, &head);
            rig_ok(rig, store_check(rig->reader, &rig->e));
            life.acked = life.tried = found;
            life.head_acked = life.head_tried = life.head_synced = head.size / STORE_SAMPLE_ENTRIES;
            rig_close(rig);
        }
    }
}

static void refuses_a_file_system_without_wal(void **state)
{
    struct store_rig *rig = *state;
    faultvfs_arm(FAULTVFS_NO_SHM, 1);
    assert_int_equal(store_open(rig->dir, STORE_SAMPLE_SELF, &rig->store, &rig->e), ERR_UNSUPPORTED);
    assert_string_equal(rig->e.id, "store.no-wal");
    (void)faultvfs_disarm();
    rig_open(rig); /* nothing was spoiled */
    rig_expect_samples(rig, 0);
}

/* A head that was swapped in survives a kill, not always a power cut; one that was synced survives both. */
static void loses_at_most_the_unsynced_head(void **state)
{
    struct store_rig *rig = *state;
    struct store_head old, heads[3], found;
    bool lost = false;
    for (uint64_t seed = 0; seed < 20; seed++) {
        rig_empty_folder(rig);
        rig_open(rig);
        for (uint64_t i = 0; i < 3; i++) {
            store_sample_head(i, &rig->arena, &old);
            store_sample_head(i + 1, &rig->arena, &heads[i]);
            rig_ok(rig, store_head_swap(rig->store, old.size, old.root, &heads[i], &rig->e));
            if (i == 1)
                rig_ok(rig, store_head_sync(rig->store, &rig->e));
        }
        faultvfs_arm(FAULTVFS_CRASH, 1); /* closing writes nothing any more */
        rig_close(rig);
        (void)faultvfs_disarm();
        faultvfs_crash_apply(seed);
        rig_open(rig);
        rig_ok(rig, store_head_get(rig->store, &rig->arena, &found, &rig->e));
        assert_true(found.size == heads[1].size || found.size == heads[2].size);
        lost = lost || found.size == heads[1].size;
        rig_close(rig);
    }
    assert_true(lost);
}

/* The faulty disk itself: without syncs a crash does lose data, so that the tests above could fail. */
static void loses_what_nobody_synced(void **state)
{
    struct store_rig *rig = *state;
    uint64_t found = 0;
    rig_open(rig);
    rig_close(rig);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(rig_path(rig, "ledger.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA synchronous=OFF; UPDATE meta SET value = 5", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    faultvfs_crash_apply(0);
    rig_open(rig);
    rig_ok(rig, store_sample_verify(rig->reader, &found, &rig->e)); /* the update is gone, or meta would be corrupt */
    rig_close(rig);
}

static int fault_setup(void **state)
{
    faultvfs_install();
    return rig_setup(state);
}

static int fault_teardown(void **state)
{
    int rc = rig_teardown(state);
    faultvfs_remove();
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, fault_setup, fault_teardown)
        TEST(survives_a_full_disk_at_any_write),
        TEST(survives_an_error_at_any_write),
        TEST(survives_a_full_disk_at_any_sync),
        TEST(survives_an_error_at_any_sync),
        TEST(survives_a_power_cut_at_any_moment),
        TEST(survives_power_cuts_in_a_row),
        TEST(survives_all_of_it_while_the_log_is_copied),
        TEST(refuses_a_file_system_without_wal),
        TEST(loses_what_nobody_synced),
        TEST(loses_at_most_the_unsynced_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
