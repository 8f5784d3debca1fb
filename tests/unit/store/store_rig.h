/* What the store's tests share: a folder of their own, a store and a reader in it, sample batches, plain SQL beside
 * the store's back. */
#ifndef TB_TESTS_UNIT_STORE_STORE_RIG_H
#define TB_TESTS_UNIT_STORE_STORE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "node/store/store.h"
#include "tests/lib/store_sample.h"

struct store_rig {
    char dir[64];
    struct store *store;
    struct store_reader *reader;
    struct arena arena;
    struct err e;
};

static inline void rig_ok(const struct store_rig *rig, int rc)
{
    if (rc != 0)
        fail_msg("%d %s: %s", rc, rig->e.id, rig->e.message);
}

static inline const char *rig_path(struct store_rig *rig, const char *name)
{
    return arena_printf(&rig->arena, "%s/%s", rig->dir, name);
}

static inline void rig_open(struct store_rig *rig)
{
    rig_ok(rig, store_open(rig->dir, STORE_SAMPLE_SELF, &rig->store, &rig->e));
    rig_ok(rig, store_reader_open(rig->dir, &rig->reader, &rig->e));
}

static inline void rig_close(struct store_rig *rig)
{
    store_reader_close(rig->reader);
    store_close(rig->store);
    rig->reader = NULL;
    rig->store = NULL;
}

static inline void rig_reopen(struct store_rig *rig)
{
    rig_close(rig);
    rig_open(rig);
}

static inline void rig_empty_folder(struct store_rig *rig)
{
    static const char *const names[] = {"ledger.db",   "ledger.db-wal", "ledger.db-shm", "ledger.db-journal",
                                        "heads.db",    "heads.db-wal",  "heads.db-shm",  "heads.db-journal",
                                        "keys.db",     "keys.db-wal",   "keys.db-shm",   "keys.db-journal",
                                        "writer.lock", "other.db"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlink(rig_path(rig, names[i]));
}

static inline void rig_init(struct store_rig *rig)
{
    *rig = (struct store_rig){.arena = ARENA_INIT};
    (void)snprintf(rig->dir, sizeof rig->dir, "/tmp/tongban-store-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
}

static inline int rig_setup(void **state)
{
    struct store_rig *rig = test_malloc(sizeof *rig);
    rig_init(rig);
    *state = rig;
    return 0;
}

static inline int rig_teardown(void **state)
{
    struct store_rig *rig = *state;
    rig_close(rig);
    rig_empty_folder(rig);
    (void)rmdir(rig->dir);
    arena_close(&rig->arena);
    test_free(rig);
    return 0;
}

static inline void rig_commit(struct store_rig *rig, const struct store_batch *b)
{
    rig_ok(rig, store_commit(rig->store, b, &rig->e));
}

static inline void rig_commit_samples(struct store_rig *rig, uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++) {
        struct arena a = ARENA_INIT;
        struct store_batch b;
        store_sample_batch(n, &a, &b);
        rig_commit(rig, &b);
        arena_close(&a);
    }
}

/* The store holds exactly sample batches [0, batches) and passes its own check. */
static inline void rig_expect_samples(struct store_rig *rig, uint64_t batches)
{
    uint64_t found = 0;
    rig_ok(rig, store_sample_verify(rig->reader, &found, &rig->e));
    assert_int_equal(found, batches);
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

/* Runs @sql on a file of the folder, past the store. */
static inline void rig_sql(struct store_rig *rig, const char *name, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(rig_path(rig, name), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* First column of the first row of @sql on ledger.db. */
static inline uint64_t rig_count(struct store_rig *rig, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(rig_path(rig, "ledger.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    uint64_t count = (uint64_t)sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return count;
}

#endif
