/* store_backup(): every copy opens by itself and is one committed moment, whatever the writer does meanwhile; what fails leaves
 * no file. */
#include "tests/unit/store/store_rig.h"

#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "tests/lib/faultvfs.h"

#define BATCHES 160

struct place {
    struct store_rig *rig;
    struct store_rig copy; /* a folder that gets the copies */
    char path[96];
};

static void place_init(struct place *p, struct store_rig *rig, const char *name)
{
    p->rig = rig;
    rig_init(&p->copy);
    (void)snprintf(p->path, sizeof p->path, "%s/%s", p->copy.dir, name);
}

static void place_close(struct place *p)
{
    rig_close(&p->copy);
    rig_empty_folder(&p->copy);
    assert_int_equal(rmdir(p->copy.dir), 0); /* so nothing else was left in it */
    arena_close(&p->copy.arena);
}

static unsigned files_in(const char *dir)
{
    unsigned count = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (const struct dirent *x; (x = readdir(d)) != NULL;)
        count += x->d_name[0] != '.';
    assert_int_equal(closedir(d), 0);
    return count;
}

static int back_up(struct place *p, bool keys, struct store_backup_result *ret)
{
    p->rig->e = (struct err){0};
    return store_backup(p->rig->dir, keys, p->path, NULL, NULL, ret, &p->rig->e);
}

/* A copy put into a folder of its own is a store: all of a number of whole batches, and it goes on. */
static uint64_t expect_whole_copy(struct place *p, const struct store_backup_result *r)
{
    uint64_t found = 0;
    struct stat st;
    assert_int_equal(files_in(p->copy.dir), 1);
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal((uint64_t)st.st_size, r->bytes);
    FILE *f = fopen(p->path, "r");
    assert_non_null(f);
    assert_int_equal(fseek(f, 18, SEEK_SET), 0);
    assert_int_equal(fgetc(f), 1); /* file format: a rollback journal, no write-ahead log */
    assert_int_equal(fclose(f), 0);
    rig_open(&p->copy);
    rig_ok(&p->copy, store_sample_verify_ledger(p->copy.reader, &found, &p->copy.e));
    assert_int_equal(found * STORE_SAMPLE_ENTRIES, r->ledger_size);
    rig_ok(&p->copy, store_check(p->copy.reader, &p->copy.e));
    struct arena a = ARENA_INIT;
    struct store_batch b;
    store_sample_batch(found, &a, &b);
    b.witness_count = 0;
    rig_commit(&p->copy, &b);
    rig_ok(&p->copy, store_sample_verify_ledger(p->copy.reader, &found, &p->copy.e));
    arena_close(&a);
    rig_close(&p->copy);
    rig_empty_folder(&p->copy);
    return found - 1;
}

static void copies_what_is_committed(void **state)
{
    struct place p;
    struct store_backup_result r;
    place_init(&p, *state, "ledger.db");
    rig_open(p.rig);
    for (uint64_t n = 0; n < 30; n += 10) { /* most of it stands in the log only */
        rig_ok(p.rig, back_up(&p, false, &r));
        assert_int_equal(expect_whole_copy(&p, &r), n);
        rig_commit_samples(p.rig, n, n + 10);
    }
    rig_close(p.rig);
    rig_ok(p.rig, back_up(&p, false, &r)); /* of a node that does not run, too */
    assert_int_equal(expect_whole_copy(&p, &r), 30);
    place_close(&p);
}

struct writing {
    struct store_rig *rig;
    atomic_uint_fast64_t acked;
    sem_t copied; /* something of what is written */
};

/* Does not come to its end before a copy was made of a part, however slow that was. */
static void *write_all(void *arg)
{
    struct writing *w = arg;
    for (uint64_t n = 0; n < BATCHES; n++) {
        if (n == BATCHES / 2)
            while (sem_wait(&w->copied) != 0) {
            }
        rig_commit_samples(w->rig, n, n + 1);
        atomic_store(&w->acked, n + 1);
    }
    return NULL;
}

/* A writer that destroys, too, never waits for the copy and the copy never begins anew. */
static void is_one_moment_while_others_write(void **state)
{
    struct place p;
    struct writing w;
    struct store_backup_result r;
    pthread_t thread;
    unsigned between = 0;
    uint64_t acked = 0;
    place_init(&p, *state, "ledger.db");
    rig_open(p.rig);
    w.rig = p.rig;
    atomic_init(&w.acked, 0);
    assert_int_equal(sem_init(&w.copied, 0, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_all, &w), 0);
    while (acked < BATCHES) {
        acked = atomic_load(&w.acked);
        struct err e = {0};
        if (store_backup(p.rig->dir, false, p.path, NULL, NULL, &r, &e) != 0)
            fail_msg("%s", e.message);
        uint64_t after = atomic_load(&w.acked), found = expect_whole_copy(&p, &r);
        assert_in_range(found, acked, after + 1);
        if (found > 0 && found < BATCHES && between++ == 0)
            (void)sem_post(&w.copied);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)sem_destroy(&w.copied);
    assert_true(between > 0);
    rig_expect_samples(p.rig, BATCHES);
    rig_ok(p.rig, store_check(p.rig->reader, &p.rig->e));
    place_close(&p);
}

/* The step that the others' writes fall into. */
struct steps {
    struct place *p;
    uint64_t calls, done, all, next_batch;
    bool stop;
};

static int step(void *ctx, uint64_t done, uint64_t all)
{
    struct steps *s = ctx;
    assert_true(done <= all && done >= s->done);
    assert_int_equal(access(s->p->path, F_OK), -1); /* a machine that stops now leaves nothing of that name */
    s->done = done;
    s->all = all;
    s->calls++;
    if (s->next_batch > 0 && s->calls <= 3) {
        rig_commit_samples(s->p->rig, s->next_batch, s->next_batch + 8);
        s->next_batch += 8;
    }
    return s->stop && s->calls == 2;
}

static void stays_at_the_moment_it_began(void **state)
{
    struct place p;
    struct store_backup_result r;
    place_init(&p, *state, "ledger.db");
    struct steps s = {.p = &p, .next_batch = 700};
    FILE *cut_off = fopen(arena_printf(&p.copy.arena, "%s.partial", p.path), "w"); /* as one has before */
    assert_non_null(cut_off);
    assert_true(fputs("half", cut_off) >= 0);
    assert_int_equal(fclose(cut_off), 0);
    rig_open(p.rig);
    rig_commit_samples(p.rig, 0, 700);
    rig_ok(p.rig, store_backup(p.rig->dir, false, p.path, step, &s, &r, &p.rig->e));
    assert_true(s.calls >= 3 && s.done == s.all);
    assert_int_equal(expect_whole_copy(&p, &r), 700);
    rig_expect_samples(p.rig, s.next_batch);

    s = (struct steps){.p = &p, .stop = true};
    assert_int_equal(store_backup(p.rig->dir, false, p.path, step, &s, &r, &p.rig->e), ERR_CLOSED);
    assert_string_equal(p.rig->e.id, "store.backup-cancelled");
    assert_true(s.calls == 2 && s.done < s.all);
    assert_int_equal(files_in(p.copy.dir), 0);
    place_close(&p);
}

static uint64_t tables_of(struct place *p, const char *names)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    const char *sql = arena_printf(&p->copy.arena, "SELECT count(*) FROM sqlite_schema WHERE name IN (%s)", names);
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    uint64_t count = (uint64_t)sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return count;
}

/* Keys go their own way, heads never. */
static void keeps_heads_out_and_keys_apart(void **state)
{
    struct place p, k;
    struct store_backup_result r;
    struct store_key key;
    uint64_t found = 0;
    place_init(&p, *state, "ledger.db");
    rig_open(p.rig);
    rig_commit_samples(p.rig, 0, 20);
    rig_ok(p.rig, back_up(&p, false, &r));
    assert_int_equal(tables_of(&p, "'head', 'witness', 'key', 'secret'"), 0);
    assert_int_equal(tables_of(&p, "'entry', 'content', 'fact'"), 3);

    place_init(&k, *state, "keys.db");
    rig_ok(p.rig, back_up(&k, true, &r));
    assert_int_equal(r.ledger_size, 0);
    assert_int_equal(files_in(k.copy.dir), 1);
    assert_int_equal(tables_of(&k, "'head', 'witness', 'entry'"), 0);
    assert_int_equal(tables_of(&k, "'key', 'secret'"), 2);
    assert_int_equal(rename(k.path, rig_path(&p.copy, "keys.db")), 0);
    rig_open(&p.copy); /* both together: all is there but what was cosigned */
    rig_ok(&p.copy, store_sample_verify_ledger(p.copy.reader, &found, &p.copy.e));
    assert_int_equal(found, 20);
    for (uint64_t n = 0; n < 10; n++) {
        uint8_t id[STORE_CASE_ID_SIZE];
        store_sample_case_id(n, id);
        assert_int_equal(store_read_key(p.copy.reader, id, 1, &key, &p.copy.e),
                         store_sample_is_destroyed(n, 20) ? ERR_NOT_FOUND : 0);
    }
    rig_ok(&p.copy, store_check(p.copy.reader, &p.copy.e));
    place_close(&p);
    place_close(&k);
}

static void refuses_to_write_over_a_file(void **state)
{
    struct place p;
    struct store_backup_result r;
    struct stat st;
    place_init(&p, *state, "ledger.db");
    rig_open(p.rig);
    FILE *f = fopen(p.path, "w");
    assert_non_null(f);
    assert_int_equal(fputs("mine", f) < 0, 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(back_up(&p, false, &r), ERR_CONFLICT);
    assert_string_equal(p.rig->e.id, "store.backup-exists");
    assert_int_equal(stat(p.path, &st), 0);
    assert_int_equal(st.st_size, 4);
    place_close(&p);
}

static void leaves_no_file_when_it_fails(void **state)
{
    struct place p;
    struct store_backup_result r;
    place_init(&p, *state, "ledger.db");
    assert_int_equal(back_up(&p, false, &r), ERR_NOT_FOUND); /* no store there */
    assert_string_equal(p.rig->e.id, "store.absent");
    assert_int_equal(files_in(p.copy.dir), 0);
    rig_open(p.rig);
    rig_commit_samples(p.rig, 0, 40);
    assert_int_equal(store_backup(p.rig->dir, false, "/no/such/folder/x", NULL, NULL, &r, &p.rig->e), ERR_NOT_FOUND);

    rig_close(p.rig);
    FILE *f = fopen(rig_path(p.rig, "ledger.db"), "r+");
    assert_non_null(f);
    for (long page = 3; page < 20; page++) { /* heads of pages */
        assert_int_equal(fseek(f, page * 8192, SEEK_SET), 0);
        assert_int_equal(fputc(0x77, f), 0x77);
    }
    assert_int_equal(fclose(f), 0);
    assert_int_equal(back_up(&p, false, &r), ERR_CORRUPT);
    assert_int_equal(files_in(p.copy.dir), 0);
    place_close(&p);
}

/* The disk under the copy fails at every write and sync in turn. */
static void leaves_no_file_on_a_bad_disk(void **state)
{
    static const enum faultvfs_kind kinds[] = {FAULTVFS_WRITE_FULL, FAULTVFS_WRITE_IO, FAULTVFS_SYNC_FULL,
                                               FAULTVFS_SYNC_IO};
    struct store_rig *rig;
    struct place p;
    struct store_backup_result r;
    (void)state;
    faultvfs_install();
    assert_int_equal(rig_setup((void **)&rig), 0);
    place_init(&p, rig, "ledger.db");
    rig_open(rig);
    rig_commit_samples(rig, 0, 12);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        bool fired = true;
        uint64_t k;
        for (k = 1; fired; k++) {
            faultvfs_arm(kinds[i], k);
            int rc = back_up(&p, false, &r);
            fired = faultvfs_disarm();
            if (!fired)
                break;
            bool is_full = kinds[i] == FAULTVFS_WRITE_FULL || kinds[i] == FAULTVFS_SYNC_FULL;
            if (rc != (is_full ? ERR_FULL : ERR_IO))
                fail_msg("kind %zu, operation %llu: %d %s", i, (unsigned long long)k, rc, rig->e.message);
            assert_int_equal(files_in(p.copy.dir), 0);
            rig_commit_samples(rig, 12, 12); /* the writer has nothing to do with it */
        }
        assert_true(k > 1);
        assert_int_equal(expect_whole_copy(&p, &r), 12);
    }
    rig_commit_samples(rig, 12, 13);
    rig_expect_samples(rig, 13);
    place_close(&p);
    assert_int_equal(rig_teardown((void **)&rig), 0);
    faultvfs_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
        TEST(copies_what_is_committed),
        TEST(is_one_moment_while_others_write),
        TEST(stays_at_the_moment_it_began),
        TEST(keeps_heads_out_and_keys_apart),
        TEST(refuses_to_write_over_a_file),
        TEST(leaves_no_file_when_it_fails),
        cmocka_unit_test(leaves_no_file_on_a_bad_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
