/* node/file_pass and node/file_scan: one pass over a sealed file with scanners of every kind, as shell scripts: good ones, one that
 * reads nothing, one that fails, dies, hangs, cannot be started; content that cannot be read; a stop on the way. The loop runs for
 * real; the callback stops it, nothing sleeps. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/base/xassert.h"
#include "node/file_pass.h"
#include "node/loop.h"

#define SIZE ((uint64_t)5 * FILE_CHUNK_BYTES + 77)
#define LONG_MS 300000u
#define TURN_MS 2u
#define TURNS_MAX 60000u /* two minutes of turns */

struct rig {
    char dir[64], path[128];
    struct loop *loop;
    struct loop_timer *turn;
    unsigned turns;
    struct file_blob *blob;
    uint8_t key[FILE_KEY_SIZE], sha256[CRYPTO_HASH_SIZE];
    struct file_pass *pass;
    unsigned ended;
    struct err error;
    struct file_pass_result result;
    char why[160];
    int fifo;
    bool is_hanging;
    bool (*until)(struct rig *r);
};

static void make_file(struct rig *r)
{
    struct crypto_sha256 *hash = crypto_sha256_create();
    uint8_t *plain = xmalloc(FILE_CHUNK_BYTES), *sealed = xmalloc(FILE_SEALED_BYTES_MAX);
    memset(r->key, 7, sizeof r->key);
    (void)snprintf(r->path, sizeof r->path, "%s/x.part", r->dir);
    assert_int_equal(file_blob_create(r->path, SIZE, NULL, NULL, &r->blob, NULL), 0);
    for (uint32_t i = 0; i < r->blob->count; i++) {
        size_t size = file_chunk_size(SIZE, i);
        for (size_t k = 0; k < size; k++)
            plain[k] = (uint8_t)(k * 31 + i);
        crypto_sha256_update(hash, plain, size);
        file_chunk_seal(r->key, SIZE, i, bytes_of(plain, size), sealed);
        assert_int_equal(file_blob_put(r->blob, i, bytes_of(sealed, file_chunk_sealed_size(SIZE, i)), NULL), 0);
    }
    crypto_sha256_digest(hash, r->sha256);
    crypto_sha256_destroy(hash);
    free(plain);
    free(sealed);
}

static void turn_cb(void *ctx)
{
    struct rig *r = ctx;
    if (r->until(r)) {
        loop_stop(r->loop);
        return;
    }
    if (++r->turns == TURNS_MAX)
        fail_msg("what is waited for does not come");
    loop_timer_set(r->turn, TURN_MS);
}

static void run_until(struct rig *r, bool (*until)(struct rig *r))
{
    r->until = until;
    r->turns = 0;
    loop_timer_set(r->turn, 0);
    loop_run(r->loop);
}

static int setup(void **state)
{
    struct rig *r = xcalloc(1, sizeof *r);
    (void)snprintf(r->dir, sizeof r->dir, "/tmp/tongban-pass-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    assert_int_equal(loop_create(&r->loop, NULL), 0);
    r->turn = loop_timer_create(r->loop, turn_cb, r);
    r->fifo = -1;
    make_file(r);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    char fifo[128];
    file_blob_close(r->blob);
    loop_timer_destroy(r->turn);
    loop_drain(r->loop);
    loop_destroy(r->loop);
    (void)snprintf(fifo, sizeof fifo, "%s/fifo", r->dir);
    if (r->fifo >= 0)
        close(r->fifo);
    (void)unlink(fifo);
    (void)unlink(r->path);
    (void)rmdir(r->dir);
    free(r);
    return 0;
}

static void ended_cb(void *ctx, const struct file_pass_result *result, const struct err *e)
{
    struct rig *r = ctx;
    r->ended++;
    r->pass = NULL;
    r->error = *e;
    r->result = *result;
    (void)snprintf(r->why, sizeof r->why, "%s", result->why != NULL ? result->why : "");
}

static bool has_ended(struct rig *r)
{
    return r->ended > 0;
}

static void start(struct rig *r, const char *const *scanner, uint32_t scanner_ms)
{
    r->ended = 0;
    r->pass = file_pass_start(
        &(struct file_pass_config){
            .loop = r->loop, .blob = r->blob, .key = r->key, .scanner = scanner, .scanner_ms = scanner_ms},
        ended_cb, r);
}

/* @script: of the shell; NULL: no scanner. */
static void pass(struct rig *r, const char *script)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    start(r, script == NULL ? NULL : argv, LONG_MS);
    run_until(r, has_ended);
    assert_int_equal(r->ended, 1);
}

static void says_what_the_scanner_says(void **state)
{
    struct rig *r = *state;
    const struct {
        const char *script;
        enum app_scan want;
        const char *why;
    } rows[] = {
        {NULL, APP_SCAN_OFF, ""},
        {"cat >/dev/null", APP_SCAN_CLEAN, ""},
        {"exit 0", APP_SCAN_CLEAN, ""},
        {"cat >/dev/null; exit 2", APP_SCAN_UNKNOWN, "the scanner ended with status 2"},
        {"exit 77", APP_SCAN_UNKNOWN, "the scanner ended with status 77"},
        {"kill -9 $$", APP_SCAN_UNKNOWN, "the scanner was ended by signal 9"},
        {"test $(wc -c) = 5242957", APP_SCAN_CLEAN, ""}, /* all of it */
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        pass(r, rows[i].script);
        assert_int_equal(r->error.code, 0);
        assert_int_equal(r->result.scan, rows[i].want);
        assert_string_equal(r->why, rows[i].why);
        assert_memory_equal(r->result.sha256, r->sha256, sizeof r->sha256);
    }
}

static void ends_early_with_what_is_infected(void **state)
{
    struct rig *r = *state;
    pass(r, "exit 1");
    assert_int_equal(r->error.code, 0);
    assert_int_equal(r->result.scan, APP_SCAN_INFECTED);
    pass(r, "cat >/dev/null; exit 1");
    assert_int_equal(r->result.scan, APP_SCAN_INFECTED);
}

static void takes_no_program_for_unknown(void **state)
{
    struct rig *r = *state;
    const char *const argv[] = {"/nowhere/scanner", NULL};
    start(r, argv, LONG_MS);
    run_until(r, has_ended);
    assert_int_equal(r->error.code, 0);
    assert_int_equal(r->result.scan, APP_SCAN_UNKNOWN);
    assert_non_null(strstr(r->why, "/nowhere/scanner"));
}

/* ---- a scanner that hangs ---- */

/* The script holds the fifo open, and so does what it has started. */
static const char *hanging(struct rig *r, char script[256])
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/fifo", r->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    r->fifo = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(r->fifo >= 0);
    (void)snprintf(script, 256, "exec 9>%s; (echo x >&9; exec sleep 3600) & wait", path);
    return script;
}

static bool is_hanging(struct rig *r)
{
    char c[4];
    return read(r->fifo, c, sizeof c) > 0;
}

/* What it has written stays in the fifo; it may have had no time to. */
static bool is_hanging_or_has_ended(struct rig *r)
{
    r->is_hanging = is_hanging(r);
    return r->is_hanging || has_ended(r);
}

static bool is_gone(struct rig *r)
{
    char c[4];
    return read(r->fifo, c, sizeof c) == 0;
}

static void ends_a_scanner_that_hangs_with_all_its_children(void **state)
{
    struct rig *r = *state;
    char script[256];
    const char *const argv[] = {"/bin/sh", "-c", hanging(r, script), NULL};
    for (uint32_t ms = 500; !r->is_hanging; ms *= 2) { /* a busy machine may need longer until the child is there */
        assert_true(ms < LONG_MS);
        start(r, argv, ms);
        run_until(r, is_hanging_or_has_ended);
    }
    run_until(r, has_ended);
    assert_int_equal(r->error.code, 0);
    assert_int_equal(r->result.scan, APP_SCAN_UNKNOWN);
    assert_string_equal(r->why, "the scanner did not end in time");
    run_until(r, is_gone);
}

static void stops_on_the_way(void **state)
{
    struct rig *r = *state;
    char script[256];
    const char *const argv[] = {"/bin/sh", "-c", hanging(r, script), NULL};
    start(r, argv, LONG_MS);
    run_until(r, is_hanging);
    file_pass_stop(r->pass);
    assert_int_equal(r->ended, 0);
    run_until(r, has_ended);
    assert_int_equal(r->error.code, ERR_CLOSED);
    assert_string_equal(r->error.id, "material.closing");
    run_until(r, is_gone);
    start(r, NULL, 0);
    file_pass_stop(r->pass);
    run_until(r, has_ended);
    assert_int_equal(r->error.code, ERR_CLOSED);
}

/* ---- content that cannot be read ---- */

static void says_what_cannot_be_read(void **state)
{
    struct rig *r = *state;
    const char *const scripts[] = {NULL, "cat >/dev/null"};
    r->key[3] ^= 1;
    for (size_t i = 0; i < 2; i++) {
        pass(r, scripts[i]);
        assert_int_equal(r->error.code, ERR_CORRUPT);
        assert_string_equal(r->error.message, "chunk 0 cannot be opened with the file's key");
    }
    r->key[3] ^= 1;
    r->blob->hashes[4].b[0] ^= 1; /* as if the disk had changed it */
    for (size_t i = 0; i < 2; i++) {
        pass(r, scripts[i]);
        assert_int_equal(r->error.code, ERR_CORRUPT);
        assert_string_equal(r->error.id, "file.chunk-corrupt");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(says_what_the_scanner_says),
        TEST(ends_early_with_what_is_infected),
        TEST(takes_no_program_for_unknown),
        TEST(ends_a_scanner_that_hangs_with_all_its_children),
        TEST(stops_on_the_way),
        TEST(says_what_cannot_be_read),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* as the daemon does: a scanner may read no further */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
