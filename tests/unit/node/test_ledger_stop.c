/* node/ledger when the disk refuses: everything queued fails, what is committed can be read, and it goes on by itself.
 *
 * The refusal is real: the files of this process may not grow (RLIMIT_FSIZE), as on a full disk. The loop runs for real;
 * conditions stop it.
 */
#include "tests/unit/node/ledger_rig.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "node/base/limits.h"

#define SELF LEDGER_RIG_SELF
#define PEER 440000u
#define STRANGER 330000u
#define FIRST_COUNT 300u /* makes the WAL larger than the index that a reader writes beside it */

struct fixture {
    struct ledger_rig base;
    unsigned reloads, stops, resumes;
    unsigned wanted, done, failed;
    bool until_resumed;
    struct err culprit, after; /* what the callbacks of test_one_refused_transaction() were told */
};

static void on_state(void *ctx, const struct err *e)
{
    struct fixture *f = ctx;
    if (e != NULL) {
        f->stops++;
        assert_int_not_equal(e->code, 0);
    } else {
        f->resumes++;
        if (f->until_resumed)
            loop_stop(f->base.loop);
    }
}

static void on_reload(void *ctx, const struct store_ledger_state *state)
{
    (void)state;
    ((struct fixture *)ctx)->reloads++;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    *state = f;
    (void)signal(SIGXFSZ, SIG_IGN);
    if (ledger_rig_init(&f->base, &(struct ledger_config){.on_state = on_state, .on_reload = on_reload, .ctx = f}) != 0)
        return -1;
    return ledger_rig_open(&f->base);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    ledger_rig_close_ledger(&f->base);
    loop_drain(f->base.loop);
    ledger_rig_close(&f->base);
    free(f);
    return 0;
}

/* SQLite's shared memory (32 KiB) can be made, and the log, which is longer, cannot go on. */
#define LOG_LIMIT (40u << 10)

static void set_file_limit(rlim_t size)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = min_of(size, limit.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void committed(void *ctx, const struct err *e)
{
    struct fixture *f = ctx;
    if (e->code != 0) {
        f->failed++;
        assert_int_not_equal(ledger_check_writable(f->base.ledger, NULL), 0);
    }
    if (++f->done == f->wanted)
        loop_stop(f->base.loop);
}

static void append(struct fixture *f, size_t count, uint32_t recipient)
{
    struct ledger_txn *t = ledger_txn_create(f->base.ledger);
    for (size_t i = 0; i < count; i++) {
        struct leaf leaf = {.kind = LEAF_KIND_EVENT, .event_type = 21};
        struct merkle_hash hash;
        ledger_txn_append(t, &leaf, 0, &recipient, 1, bytes_of("payload", 7), NULL, &hash);
    }
    f->wanted++;
    ledger_commit(t, committed, f);
}

static void run(struct fixture *f)
{
    if (f->done < f->wanted)
        loop_run(f->base.loop);
    assert_int_equal(f->done, f->wanted);
}

/* For the first time. It may be so already: the turn that has ended run() was long, and the ledger tries again after a second. */
static void run_until_resumed(struct fixture *f)
{
    f->until_resumed = true;
    if (f->resumes == 0)
        loop_run(f->base.loop);
    f->until_resumed = false;
    assert_int_equal(f->resumes, 1);
}

static void check_head(struct fixture *f, uint64_t size)
{
    const struct ledger_head *head = ledger_head(f->base.ledger);
    struct checkpoint_opened opened;
    struct merkle_hash root;
    assert_int_equal(head->size, size);
    assert_int_equal(checkpoint_open(head->note, &f->base.signer.key, NULL, 0, &opened, NULL), 0);
    assert_int_equal(opened.head.size, size);
    assert_int_equal(ledger_root_at(f->base.ledger, size, &root, NULL), 0);
    assert_true(merkle_hash_equal(&root, &opened.head.root));
}

static void check_read(struct fixture *f, uint64_t index, bool there)
{
    struct arena a = ARENA_INIT;
    struct store_entry entry;
    assert_non_null(ledger_reader(f->base.ledger));
    int rc = store_read_entry(ledger_reader(f->base.ledger), SELF, index, &a, &entry, NULL);
    assert_int_equal(rc, there ? 0 : ERR_NOT_FOUND);
    arena_close(&a);
}

static void test_stops_reads_and_goes_on(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    append(f, FIRST_COUNT, PEER);
    run(f);
    check_head(f, FIRST_COUNT);

    set_file_limit(LOG_LIMIT);
    append(f, 2, PEER); /* the first is at the disk when the others are queued */
    append(f, 3, LEAF_NODE_ALL);
    append(f, 4, PEER);
    run(f);
    assert_int_equal(f->failed, 3);
    assert_int_equal(f->stops, 1);
    assert_int_not_equal(ledger_check_writable(f->base.ledger, &e), 0);
    assert_string_equal(e.id, "store.io");
    check_read(f, FIRST_COUNT - 1, true);
    check_read(f, FIRST_COUNT, false);
    assert_int_equal(ledger_head(f->base.ledger)->size, FIRST_COUNT); /* still what was signed */
    assert_true(ledger_is_idle(f->base.ledger));

    set_file_limit(RLIM_INFINITY);
    run_until_resumed(f);
    assert_int_equal(f->reloads, 2);
    assert_int_equal(ledger_check_writable(f->base.ledger, NULL), 0);
    check_head(f, FIRST_COUNT);
    append(f, 5, PEER);
    run(f);
    assert_int_equal(f->failed, 3);
    check_head(f, FIRST_COUNT + 5);
    struct store_addressed last = ledger_last_addressed(f->base.ledger, PEER);
    assert_int_equal(last.seq, FIRST_COUNT + 5); /* no number was spent on what failed */
    assert_int_equal(last.index, FIRST_COUNT + 4);
    assert_int_equal(ledger_last_addressed(f->base.ledger, LEAF_NODE_ALL).seq, 0);
}

/* Opening alone needs no space: it must not say that it works before a write has worked. */
static void test_does_not_resume_before_it_can_write(void **state)
{
    struct fixture *f = *state;
    append(f, FIRST_COUNT, PEER);
    run(f);
    set_file_limit(LOG_LIMIT);
    append(f, 1, PEER);
    run(f);
    assert_int_equal(f->failed, 1);

    char path[96];
    struct stat before, now;
    (void)snprintf(path, sizeof path, "%s/writer.lock", f->base.dir);
    assert_int_equal(stat(path, &before), 0);
    do { /* each attempt takes the lock and writes its pid */
        loop_drain(f->base.loop);
        assert_int_equal(stat(path, &now), 0);
    } while (now.st_mtim.tv_sec == before.st_mtim.tv_sec && now.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
    assert_int_equal(f->resumes, 0);
    check_read(f, 0, true);

    set_file_limit(RLIM_INFINITY);
    run_until_resumed(f);
    assert_int_equal(f->stops, 1);
    check_head(f, FIRST_COUNT);
}

static void test_close_while_stopped(void **state)
{
    struct fixture *f = *state;
    append(f, FIRST_COUNT, PEER);
    run(f);
    set_file_limit(LOG_LIMIT);
    append(f, 1, PEER);
    run(f);
    assert_int_equal(f->failed, 1);
    ledger_close(f->base.ledger);
    f->base.ledger = NULL;
    set_file_limit(RLIM_INFINITY);
    assert_int_equal(ledger_rig_open(&f->base), 0);
    check_head(f, FIRST_COUNT);
}

/* Entries for everybody alone, none for the peer itself, from the store: one of the two lists is empty. */
static void test_peer_without_entries_of_its_own(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 10; i++)
        append(f, 1, i % 2 == 0 ? LEAF_NODE_ALL : PEER);
    run(f);
    ledger_close(f->base.ledger);
    assert_int_equal(ledger_rig_open(&f->base), 0);
    struct arena a = ARENA_INIT;
    uint64_t *indexes;
    size_t count;
    assert_int_equal(ledger_read_addressed(f->base.ledger, STRANGER, 0, 10, 100, &a, &indexes, &count, NULL), 0);
    assert_int_equal(count, 5);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(indexes[i], 2 * i);
    assert_int_equal(ledger_read_addressed(f->base.ledger, STRANGER, 3, 7, 100, &a, &indexes, &count, NULL), 0);
    assert_int_equal(count, 2);
    arena_close(&a);
}

static void culprit_cb(void *ctx, const struct err *e)
{
    struct fixture *f = ctx;
    f->culprit = *e;
    committed(ctx, e);
}

static void after_cb(void *ctx, const struct err *e)
{
    struct fixture *f = ctx;
    f->after = *e;
    if (++f->done == f->wanted)
        loop_stop(f->base.loop);
}

/* An entry of a peer that the store does not take: an index beyond what it can keep. */
static void queue_refused(struct fixture *f)
{
    struct ledger_txn *t = ledger_txn_create(f->base.ledger);
    struct leaf leaf = {.kind = LEAF_KIND_EVENT,
                        .suite = LEAF_SUITE_SHA256_ED25519_AES256GCM,
                        .origin = PEER,
                        .index = LEDGER_SIZE_MAX + 1,
                        .recipient_count = 1,
                        .recipients = {{SELF, 1}}};
    struct buf bytes = {0};
    struct merkle_hash hash;
    assert_int_equal(leaf_encode(&leaf, &bytes, NULL), 0);
    struct store_entry row = {.origin = PEER, .index = leaf.index, .payload_held = true};
    row.leaf = arena_bytes(ledger_txn_arena(t), buf_bytes(&bytes));
    buf_close(&bytes);
    leaf_hash(row.leaf, &hash);
    memcpy(row.hash, hash.b, sizeof row.hash);
    ledger_txn_entry(t, &row);
    f->wanted++;
    ledger_commit(t, culprit_cb, f);
}

/* A peer's rows that cannot be stored fail alone, though they shared a job with own entries. */
static void test_one_refused_transaction(void **state)
{
    struct fixture *f = *state;
    append(f, 1, PEER); /* at the disk while the next three queue up for one job */
    append(f, 2, PEER);
    queue_refused(f);
    struct ledger_txn *t = ledger_txn_create(f->base.ledger);
    struct leaf leaf = {.kind = LEAF_KIND_EVENT, .event_type = 21};
    struct merkle_hash hash;
    uint32_t to = PEER;
    ledger_txn_append(t, &leaf, 0, &to, 1, bytes_of("late", 4), NULL, &hash);
    f->wanted++;
    ledger_commit(t, after_cb, f);
    run(f);
    assert_int_equal(f->failed, 1);
    assert_int_equal(f->culprit.code, ERR_LIMIT);
    assert_string_equal(f->culprit.id, "store.limit");
    assert_int_equal(f->after.code, ERR_BUSY); /* it can be asked again: the refusal was not about it */
    assert_string_equal(f->after.id, "ledger.refused");

    run_until_resumed(f);
    check_head(f, 3);
    append(f, 1, PEER);
    run(f);
    assert_int_equal(f->failed, 1);
    check_head(f, 4);
    struct ledger_stats stats;
    ledger_stats(f->base.ledger, &stats);
    assert_int_equal(stats.queued_txns, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_stops_reads_and_goes_on), T(test_does_not_resume_before_it_can_write),
        T(test_close_while_stopped),     T(test_peer_without_entries_of_its_own),
        T(test_one_refused_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
