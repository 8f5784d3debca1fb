/* A store that is there to be killed: driven by test_store_crash.py.
 *
 *   store_crash write DIR    goes on from what DIR holds: commits numbered sample batches and swaps the head after
 *                            each, printing "batch N" when batch N-1 was acknowledged and "head N" when its head was;
 *                            never ends by itself
 *   store_crash check DIR    prints "whole N" when DIR holds exactly batches 0..N-1, every table, and a head of one of
 *                            them; otherwise says what is wrong and fails
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/store_sample.h"

static int read_position(const char *dir, uint64_t *ret_batches, struct err *e)
{
    struct store_reader *r = NULL;
    struct arena a = ARENA_INIT;
    struct store_ledger_state ledger;
    int rc = store_reader_open(dir, &r, e);
    if (rc == 0)
        rc = store_read_ledger_state(r, &a, &ledger, e);
    if (rc == 0)
        *ret_batches = ledger.size / STORE_SAMPLE_ENTRIES;
    store_reader_close(r);
    arena_close(&a);
    return rc;
}

static int write_one(struct store *s, uint64_t n, struct err *e)
{
    struct arena a = ARENA_INIT;
    struct store_batch b;
    struct store_head old, next;
    store_sample_batch(n, &a, &b);
    int rc = store_commit(s, &b, e);
    if (rc != 0)
        goto out;
    (void)printf("batch %" PRIu64 "\n", n + 1);
    rc = store_head_get(s, &a, &old, e);
    if (rc != 0)
        goto out;
    store_sample_head(n + 1, &a, &next);
    rc = store_head_swap(s, old.size, old.root, &next, e);
    if (rc == 0)
        (void)printf("head %" PRIu64 "\n", n + 1);
out:
    arena_close(&a);
    return rc;
}

/* Where to go on; a witness row that the crash left out is written now. */
static int mend(const char *dir, struct store *s, uint64_t batches, struct err *e)
{
    struct store_reader *r = NULL;
    bool behind = false;
    int rc = store_reader_open(dir, &r, e);
    if (rc == 0)
        rc = store_sample_mend(s, r, batches, &behind, e);
    store_reader_close(r);
    return rc;
}

static int write_on(const char *dir, struct err *e)
{
    struct store *s = NULL;
    uint64_t n = 0;
    int rc = store_open(dir, STORE_SAMPLE_SELF, &s, e);
    if (rc == 0)
        rc = read_position(dir, &n, e);
    if (rc == 0)
        rc = mend(dir, s, n, e);
    if (rc == 0)
        (void)printf("open %" PRIu64 "\n", n);
    for (; rc == 0; n++)
        rc = write_one(s, n, e);
    store_close(s);
    return rc;
}

static int check_head(struct store *s, uint64_t batches, struct err *e)
{
    struct arena a = ARENA_INIT;
    struct store_head head, want;
    int rc = store_head_get(s, &a, &head, e);
    if (rc == 0) {
        uint64_t signed_batches = head.size / STORE_SAMPLE_ENTRIES;
        store_sample_head(signed_batches, &a, &want);
        if (signed_batches > batches || memcmp(head.root, want.root, 32) != 0 || !bytes_equal(head.note, want.note))
            rc = err_set(e, ERR_CORRUPT, "crash.head", "head of %" PRIu64 " batches, %" PRIu64 " are there",
                         signed_batches, batches);
        else
            (void)printf("head %" PRIu64 "\n", signed_batches);
    }
    arena_close(&a);
    return rc;
}

static int check(const char *dir, struct err *e)
{
    struct store *s = NULL;
    struct store_reader *r = NULL;
    uint64_t batches = 0;
    int rc = store_open(dir, STORE_SAMPLE_SELF, &s, e);
    if (rc == 0)
        rc = store_reader_open(dir, &r, e);
    if (rc == 0)
        rc = store_check(r, e);
    if (rc == 0)
        rc = store_sample_verify(r, &batches, e);
    if (rc == 0)
        rc = check_head(s, batches, e);
    if (rc == 0)
        (void)printf("whole %" PRIu64 "\n", batches);
    store_reader_close(r);
    store_close(s);
    return rc;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    if (argc != 3 || (strcmp(argv[1], "write") != 0 && strcmp(argv[1], "check") != 0)) {
        (void)fprintf(stderr, "usage: store_crash write|check DIR\n");
        return 2;
    }
    if (setvbuf(stdout, NULL, _IOLBF, 0) != 0) /* an acknowledgement is out before the next batch begins */
        return 2;
    int rc = argv[1][0] == 'w' ? write_on(argv[2], &e) : check(argv[2], &e);
    if (rc != 0)
        (void)fprintf(stderr, "store_crash: %s: %s\n", e.id, e.message);
    return rc == 0 ? 0 : 1;
}
