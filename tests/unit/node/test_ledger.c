/* node/ledger over a real store: append, group commit, seal, read for peers, reopen, the seal after a crash, and refusing
 * an older copy. The loop runs for real; conditions stop it, nothing sleeps. */
#include "tests/unit/node/ledger_rig.h"

#define SELF LEDGER_RIG_SELF
#define PEER 440000u

struct fixture {
    struct ledger_rig base;
    unsigned sealed, reloads;
    unsigned wanted, done;
    size_t waiting;
    struct err last;
};

static void on_sealed(void *ctx)
{
    ((struct fixture *)ctx)->sealed++;
}

static void on_reload(void *ctx, const struct store_ledger_state *state)
{
    (void)state;
    ((struct fixture *)ctx)->reloads++;
}

static size_t waiting(void *ctx)
{
    return ((const struct fixture *)ctx)->waiting;
}

static int open_ledger(struct fixture *f, struct err *e)
{
    return ledger_open(&f->base.config, &f->base.ledger, e);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    *state = f;
    const struct ledger_config callbacks = {
        .on_sealed = on_sealed, .on_reload = on_reload, .waiting = waiting, .ctx = f};
    if (ledger_rig_init(&f->base, &callbacks) != 0)
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

static void committed(void *ctx, const struct err *e)
{
    struct fixture *f = ctx;
    f->last = *e;
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

static void test_new_ledger_signs_its_empty_tree(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->reloads, 1);
    check_head(f, 0);
}

static void test_commit_seal_reopen(void **state)
{
    struct fixture *f = *state;
    append(f, 3, PEER);
    append(f, 2, LEAF_NODE_ALL);
    run(f);
    assert_int_equal(f->last.code, 0);
    check_head(f, 5);
    struct store_addressed a = ledger_last_addressed(f->base.ledger, PEER);
    assert_int_equal(a.index, 2);
    assert_int_equal(a.seq, 3);

    ledger_close(f->base.ledger);
    assert_int_equal(open_ledger(f, NULL), 0);
    check_head(f, 5);
    a = ledger_last_addressed(f->base.ledger, LEAF_NODE_ALL);
    assert_int_equal(a.index, 4);
    assert_int_equal(a.seq, 2);
    append(f, 1, PEER);
    run(f);
    a = ledger_last_addressed(f->base.ledger, PEER);
    assert_int_equal(a.seq, 4);
    check_head(f, 6);
}

static void test_group_commit(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 200; i++)
        append(f, 1, PEER);
    run(f);
    struct ledger_stats stats;
    ledger_stats(f->base.ledger, &stats);
    assert_int_equal(stats.entries, 200);
    assert_true(stats.commits <= 3); /* the first alone, the rest together while it was at the disk */
    check_head(f, 200);
}

static uint64_t commits(const struct fixture *f)
{
    struct ledger_stats stats;
    ledger_stats(f->base.ledger, &stats);
    return stats.commits;
}

/* While ten writers wait for peers, five that come do not make five commits, and not one and four, but one, at the end of the turn.
 * Of fifteen that were at work so the eighth begins a commit; the ninth is in the next. One alone still gets its own. */
static void test_commit_of_half_the_writers(void **state)
{
    struct fixture *f = *state;
    f->waiting = 10;
    for (int i = 0; i < 5; i++)
        append(f, 1, PEER);
    run(f);
    assert_int_equal(commits(f), 1);

    f->waiting = 5;
    for (int i = 0; i < 9; i++)
        append(f, 1, PEER);
    run(f);
    assert_int_equal(commits(f), 3);

    f->waiting = 0;
    append(f, 1, PEER);
    run(f);
    assert_int_equal(commits(f), 4);
    check_head(f, 15);
}

/* Batches for peers are built while a newer job is at the disk: its full tiles are nowhere but in memory. */
static void test_reading_while_a_tile_is_unsaved(void **state)
{
    struct fixture *f = *state;
    append(f, 200, PEER);
    run(f);
    append(f, 400, PEER); /* queued, fills tile 0 */
    struct merkle_hash root;
    assert_int_equal(ledger_root_at(f->base.ledger, 200, &root, NULL), 0);
    assert_int_equal(ledger_root_at(f->base.ledger, 123, &root, NULL), 0);
    run(f);
    check_head(f, 600);
}

static void test_reading_for_peers(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 30; i++)
        append(f, 1, i % 3 == 0 ? LEAF_NODE_ALL : i % 3 == 1 ? PEER : 330000u);
    run(f);
    for (int reopened = 0; reopened < 2; reopened++) { /* from memory, then from the store */
        struct arena a = ARENA_INIT;
        uint64_t *indexes;
        size_t count;
        assert_int_equal(ledger_read_addressed(f->base.ledger, PEER, 4, 20, 100, &a, &indexes, &count, NULL), 0);
        assert_int_equal(count, 11);
        for (size_t i = 0; i < count; i++) {
            assert_true(indexes[i] >= 4 && indexes[i] < 20 && indexes[i] % 3 != 2);
            assert_true(i == 0 || indexes[i] > indexes[i - 1]);
            struct bytes leaf, payload;
            bool held;
            assert_int_equal(ledger_read_entry(f->base.ledger, indexes[i], &a, &leaf, &payload, &held, NULL), 0);
            struct leaf decoded;
            assert_int_equal(leaf_decode(leaf, &decoded, NULL), 0);
            assert_int_equal(decoded.index, indexes[i]);
            assert_true(held && payload.size == 7);
        }
        assert_int_equal(ledger_read_addressed(f->base.ledger, PEER, 0, 30, 5, &a, &indexes, &count, NULL), 0);
        assert_int_equal(count, 5);
        arena_close(&a);
        ledger_close(f->base.ledger);
        assert_int_equal(open_ledger(f, NULL), 0);
    }
}

/* A crash between commit and seal: the entries are there, the head is behind. Opening seals them. */
static void test_unsealed_commit_is_sealed_at_start(void **state)
{
    struct fixture *f = *state;
    append(f, 10, PEER);
    run(f);
    ledger_close(f->base.ledger);

    struct store *s;
    struct err e = {0};
    struct leaf leaf = {.kind = LEAF_KIND_EVENT,
                        .suite = LEAF_SUITE_SHA256_ED25519_AES256GCM,
                        .origin = SELF,
                        .index = 10,
                        .recipient_count = 1,
                        .recipients = {{PEER, 11}}};
    struct buf bytes = {0};
    struct merkle_hash hash;
    assert_int_equal(leaf_encode(&leaf, &bytes, NULL), 0);
    leaf_hash(buf_bytes(&bytes), &hash);
    struct store_entry entry = {.origin = SELF, .index = 10, .leaf = buf_bytes(&bytes), .payload_held = true};
    memcpy(entry.hash, hash.b, sizeof entry.hash);
    struct store_addressed to = {.recipient = PEER, .index = 10, .seq = 11};
    struct store_batch b = {.entries = &entry, .entry_count = 1, .addressed = &to, .addressed_count = 1};
    assert_int_equal(store_open(f->base.dir, SELF, &s, &e), 0);
    assert_int_equal(store_commit(s, &b, &e), 0);
    store_close(s);
    buf_close(&bytes);

    assert_int_equal(open_ledger(f, &e), 0);
    check_head(f, 11);
}

static void copy_file(const char *from, const char *to)
{
    uint8_t chunk[65536];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, in)) > 0;)
        assert_int_equal(fwrite(chunk, 1, n, out), n);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

static void test_older_copy_is_behind(void **state)
{
    struct fixture *f = *state;
    char now[96], old[96];
    (void)snprintf(now, sizeof now, "%s/ledger.db", f->base.dir);
    (void)snprintf(old, sizeof old, "%s/old.db", f->base.dir);
    append(f, 5, PEER);
    run(f);
    ledger_close(f->base.ledger);
    copy_file(now, old);
    assert_int_equal(open_ledger(f, NULL), 0);
    append(f, 5, PEER);
    run(f);
    ledger_close(f->base.ledger);
    f->base.ledger = NULL;
    copy_file(old, now);
    struct err e = {0};
    assert_int_equal(open_ledger(f, &e), 0);
    assert_int_equal(ledger_behind(f->base.ledger), 10);
    assert_int_equal(ledger_size(f->base.ledger), 5);
    assert_int_equal(ledger_head(f->base.ledger)->note.size, 0); /* nothing is shown as if it were all */
    assert_int_equal(ledger_check_writable(f->base.ledger, &e), ERR_CLOSED);
    assert_string_equal(e.id, "ledger.behind");
}

/* A start that still asks the other nodes writes nothing, and says so; what is held is shown all the same. */
static void test_held_at_a_start(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    assert_int_equal(ledger_check_writable(f->base.ledger, &e), 0);
    ledger_hold(f->base.ledger, true);
    assert_int_equal(ledger_check_writable(f->base.ledger, &e), ERR_CLOSED);
    assert_string_equal(e.id, "ledger.asking");
    assert_int_equal(ledger_check_shown(f->base.ledger, &e), 0);
    ledger_hold(f->base.ledger, false);
    assert_int_equal(ledger_check_writable(f->base.ledger, &e), 0);
}

static void test_lost_head_is_noticed(void **state)
{
    struct fixture *f = *state;
    static const char *const files[] = {"heads.db", "heads.db-wal", "heads.db-shm"};
    struct err e = {0};
    append(f, 5, PEER);
    run(f);
    ledger_close(f->base.ledger);
    f->base.ledger = NULL;
    for (size_t i = 0; i < array_count(files); i++) {
        char path[96];
        (void)snprintf(path, sizeof path, "%s/%s", f->base.dir, files[i]);
        (void)unlink(path);
    }
    assert_int_equal(open_ledger(f, &e), ERR_CORRUPT);
    assert_string_equal(e.id, "ledger.head-missing");
    f->base.config.adopt_head = true; /* what the operator says with --adopt-head */
    assert_int_equal(open_ledger(f, &e), 0);
    check_head(f, 5);
}

static void close_and_copy(struct fixture *f, const char *from, const char *to)
{
    char source[96], target[96];
    ledger_close(f->base.ledger);
    f->base.ledger = NULL;
    (void)snprintf(source, sizeof source, "%s/%s", f->base.dir, from);
    (void)snprintf(target, sizeof target, "%s/%s", f->base.dir, to);
    copy_file(source, target);
}

/* The signed head is of other leaves than those that are stored: nothing is signed over them, nothing is shown. */
static void test_head_of_other_leaves(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    close_and_copy(f, "ledger.db", "empty.db");
    close_and_copy(f, "heads.db", "empty-heads.db");
    assert_int_equal(open_ledger(f, &e), 0);
    append(f, 5, PEER);
    run(f);
    close_and_copy(f, "heads.db", "other-heads.db");
    close_and_copy(f, "empty.db", "ledger.db");
    close_and_copy(f, "empty-heads.db", "heads.db");
    assert_int_equal(open_ledger(f, &e), 0);
    append(f, 5, PEER);
    run(f);
    close_and_copy(f, "heads.db", "own-heads.db");
    close_and_copy(f, "other-heads.db", "heads.db");
    assert_int_equal(open_ledger(f, &e), ERR_CORRUPT);
    assert_string_equal(e.id, "ledger.root-differs");
    assert_non_null(strstr(e.message, "at size 5"));
    assert_null(f->base.ledger);
    close_and_copy(f, "own-heads.db", "heads.db");
    assert_int_equal(open_ledger(f, &e), 0);
    check_head(f, 5);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_new_ledger_signs_its_empty_tree),
        T(test_commit_seal_reopen),
        T(test_group_commit),
        T(test_commit_of_half_the_writers),
        T(test_reading_while_a_tile_is_unsaved),
        T(test_reading_for_peers),
        T(test_unsealed_commit_is_sealed_at_start),
        T(test_older_copy_is_behind),
        T(test_held_at_a_start),
        T(test_lost_head_is_noticed),
        T(test_head_of_other_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
