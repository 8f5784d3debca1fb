/* Witness: order of the checks, races, contradictions, and long random histories against the rules written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "federation/witness/witness.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"
#include "tests/lib/naive_tree.h"

#define FORK 20u /* both branches have the same leaves up to here */
#define LEAVES 60u

struct rig {
    struct crypto_signer *log_key, *own_key, *other_key;
    struct note_signer log, own, other; /* other: the origin's name with a key nobody trusts */
    struct naive_tree branch[2];
    struct witness_state kept;
    struct buf body;
};

static int enter(void **state)
{
    struct rig *r = xcalloc(1, sizeof *r);
    r->log_key = crypto_signer_create((const uint8_t[32]){1});
    r->own_key = crypto_signer_create((const uint8_t[32]){2});
    r->other_key = crypto_signer_create((const uint8_t[32]){3});
    assert_int_equal(note_signer_init("log.example", NOTE_TYPE_ED25519, r->log_key, &r->log, NULL), 0);
    assert_int_equal(note_signer_init("log.example", NOTE_TYPE_ED25519, r->other_key, &r->other, NULL), 0);
    assert_int_equal(note_signer_init("w.example", NOTE_TYPE_COSIGNATURE, r->own_key, &r->own, NULL), 0);
    for (uint8_t b = 0; b < 2; b++)
        for (uint8_t i = 0; i < LEAVES; i++)
            naive_tree_add(&r->branch[b], bytes_of((const uint8_t[2]){i, i < FORK ? 0 : b}, 2));
    merkle_empty_root(&r->kept.root);
    *state = r;
    return 0;
}

static int leave(void **state)
{
    struct rig *r = *state;
    crypto_signer_destroy(r->log_key);
    crypto_signer_destroy(r->own_key);
    crypto_signer_destroy(r->other_key);
    naive_tree_close(&r->branch[0]);
    naive_tree_close(&r->branch[1]);
    buf_close(&r->body);
    free(r);
    return 0;
}

static void root_of(const struct rig *r, unsigned branch, uint64_t size, struct merkle_hash *ret)
{
    if (size == 0)
        merkle_empty_root(ret);
    else
        naive_tree_hash(&r->branch[branch], 0, size, ret);
}

static void proof_of(const struct rig *r, unsigned branch, uint64_t old, uint64_t size, struct merkle_proof *ret)
{
    ret->count = 0;
    if (old > 0 && old < size)
        naive_tree_consistency(&r->branch[branch], old, size, ret);
}

/* A request signed by @log; the body stays in the rig. */
static struct bytes request(struct rig *r, const struct note_signer *log, unsigned branch, uint64_t old, uint64_t size,
                            const struct merkle_proof *proof)
{
    struct checkpoint head = {.size = size};
    struct buf note = {0};
    (void)snprintf(head.origin, sizeof head.origin, "%s", log->key.name);
    root_of(r, branch, size, &head.root);
    assert_int_equal(checkpoint_sign(&head, log, &note, NULL), 0);
    buf_reset(&r->body);
    witness_body_format(old, proof, buf_bytes(&note), &r->body);
    buf_close(&note);
    return buf_bytes(&r->body);
}

static struct bytes good_request(struct rig *r, unsigned branch, uint64_t old, uint64_t size)
{
    struct merkle_proof proof;
    proof_of(r, branch, old, size, &proof);
    return request(r, &r->log, branch, old, size, &proof);
}

static enum witness_status judge(struct rig *r, struct bytes body, struct witness_verdict *ret)
{
    witness_judge(body, &r->log.key, &r->kept, ret);
    if (ret->status == WITNESS_OK)
        assert_true(ret->next.size >= r->kept.size && !ret->is_contradiction && ret->note_text.size > 0);
    else
        assert_true(ret->why[0] != '\0' && ret->next.size == 0 && ret->note_text.size == 0);
    return ret->status;
}

/* ---- answers ---- */

static void test_answers(void **state)
{
    struct rig *r = *state;
    struct witness_verdict v;
    struct buf out = {0}, whole = {0};
    struct checkpoint_opened opened;
    const struct note_verifier *witnesses[] = {&r->own.key};

    assert_int_equal(judge(r, good_request(r, 0, 0, 7), &v), WITNESS_OK);
    witness_answer(&v, &r->kept, &r->own, 1764000000, &out);
    buf_put(&whole, v.note.data, v.note.size);
    buf_put(&whole, out.data, out.size);
    assert_int_equal(checkpoint_open(buf_bytes(&whole), &r->log.key, witnesses, 1, &opened, NULL), 0);
    assert_int_equal(opened.cosigned_count, 1);
    assert_int_equal(opened.cosigned[0].time_s, 1764000000);
    assert_true(out.size > 4 && memcmp(out.data, "\xe2\x80\x94 ", 4) == 0); /* the line only */
    r->kept = v.next;

    buf_reset(&out);
    assert_int_equal(judge(r, good_request(r, 0, 3, 9), &v), WITNESS_CONFLICT);
    witness_answer(&v, &r->kept, &r->own, 1764000000, &out);
    assert_string_equal(buf_cstr(&out), "7\n");
    assert_string_equal(witness_content_type(v.status), "text/x.tlog.size");

    /* What a stranger wrote comes back without line ends and without what a terminal obeys. */
    buf_reset(&out);
    assert_int_equal(judge(r, bytes_of_string("old 0\n\nlog.example\n\x1b[2J\x07\nx\n\nx\n"), &v), WITNESS_MALFORMED);
    witness_answer(&v, &r->kept, &r->own, 1764000000, &out);
    assert_non_null(strstr(buf_cstr(&out), "[2J"));
    for (size_t i = 0; i < out.size; i++)
        assert_true(out.data[i] >= 0x20 || i + 1 == out.size);
    assert_string_equal(witness_content_type(v.status), "text/plain; charset=utf-8");
    buf_close(&out);
    buf_close(&whole);
}

/* ---- form ---- */

#define NOTE_TAIL                                                                                                      \
    "\n\nlog.example\n1\nLXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=\n\n\xe2\x80\x94 log.example AAAAAAAA\n"

static void test_malformed(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *body, *id;
    } rows[] = {
        {"", "witness.form"},
        {"\n", "witness.old"},
        {"old", "witness.form"},
        {"old 0", "witness.form"},
        {"old 0\n", "witness.form"},
        {"old 0\n\n", "witness.form"},
        {"old 0\n\nlog.example\n1\n", "witness.form"},
        {"old" NOTE_TAIL, "witness.old"},
        {"old " NOTE_TAIL, "witness.old"},
        {"Old 0" NOTE_TAIL, "witness.old"},
        {"old  0" NOTE_TAIL, "witness.old"},
        {"old 0 " NOTE_TAIL, "witness.old"},
        {"old 00" NOTE_TAIL, "witness.old"},
        {"old 01" NOTE_TAIL, "witness.old"},
        {"old -1" NOTE_TAIL, "witness.old"},
        {"old 0x1" NOTE_TAIL, "witness.old"},
        {"old 0\r" NOTE_TAIL, "witness.old"},
        {"old 4611686018427387905" NOTE_TAIL, "witness.old"},  /* 2^62 + 1 */
        {"old 18446744073709551616" NOTE_TAIL, "witness.old"}, /* 2^64 */
        {"0" NOTE_TAIL, "witness.old"},
        {"old 1\nAAAA" NOTE_TAIL, "witness.proof"},
        {"old 1\nLXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE" NOTE_TAIL, "witness.proof"},    /* no padding */
        {"old 1\nLXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIF=" NOTE_TAIL, "witness.proof"},   /* bits behind the end */
        {"old 1\nLXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=\r" NOTE_TAIL, "witness.proof"}, /* CR LF */
        {"old 1\nLXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE=" NOTE_TAIL, "witness.proof"},   /* the other alphabet */
        {"old 0\n\nlog.example\n01\nLXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=\n\n\xe2\x80\x94 log.example "
         "AAAAAAAA\n",
         "checkpoint.size"},
        {"old 0\n\n\n1\nLXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=\n\n\xe2\x80\x94 log.example AAAAAAAA\n",
         "note.name"},
    };
    char origin[ORIGIN_NAME_BYTES_MAX + 1];
    struct witness_verdict v;
    struct err e = {0};
    for (size_t i = 0; i < array_count(rows); i++) {
        if (witness_peek(bytes_of_string(rows[i].body), origin, &e) != ERR_INVALID || strcmp(e.id, rows[i].id) != 0)
            fail_msg("body %zu: %s", i, e.id);
        if (judge(r, bytes_of_string(rows[i].body), &v) != WITNESS_MALFORMED)
            fail_msg("body %zu: %u", i, v.status);
    }
    assert_int_equal(witness_peek(bytes_of_string("old 0" NOTE_TAIL), origin, &e), 0);
    assert_string_equal(origin, "log.example");
    assert_int_equal(judge(r, bytes_of_string("old 0" NOTE_TAIL), &v), WITNESS_FORBIDDEN); /* the form was good */
}

static void test_limits(void **state)
{
    struct rig *r = *state;
    struct merkle_proof proof = {.count = MERKLE_PROOF_HASHES_MAX};
    struct witness_verdict v;
    struct buf more = {0};
    (void)good_request(r, 0, 0, 7);
    r->kept = (struct witness_state){.size = 3};
    root_of(r, 0, 3, &r->kept.root);
    struct bytes body = request(r, &r->log, 0, 3, 7, &proof);
    assert_int_equal(judge(r, body, &v), WITNESS_UNPROVEN); /* 63 lines are a form, if a wrong proof */
    buf_put_string(&more, "old 3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    buf_put(&more, body.data + 6, body.size - 6);
    char origin[ORIGIN_NAME_BYTES_MAX + 1];
    struct err e = {0};
    assert_int_equal(judge(r, buf_bytes(&more), &v), WITNESS_MALFORMED);
    assert_non_null(strstr(v.why, "more than 63"));
    assert_int_equal(witness_peek(buf_bytes(&more), origin, &e), ERR_INVALID);
    assert_string_equal(e.id, "witness.proof");

    buf_reset(&more);
    body = good_request(r, 0, 3, 7);
    buf_put(&more, body.data, body.size);
    while (more.size <= WITNESS_BODY_BYTES_MAX)
        buf_put_string(&more, "\xe2\x80\x94 somebody.example AAAAAAAAAAAA\n");
    assert_int_equal(judge(r, buf_bytes(&more), &v), WITNESS_MALFORMED);
    assert_non_null(strstr(v.why, "the limit is"));
    assert_int_equal(witness_peek(buf_bytes(&more), origin, &e), ERR_LIMIT);
    assert_string_equal(e.id, "witness.size");
    buf_close(&more);
}

/* Signatures of strangers beside the log's are ignored; a second one in the log's name that fails is not. */
static void test_other_signatures(void **state)
{
    struct rig *r = *state;
    struct witness_verdict v;
    struct buf body = {0};
    struct bytes good = good_request(r, 0, 0, 7);
    buf_put(&body, good.data, good.size);
    buf_put_string(&body, "\xe2\x80\x94 somebody.example AAAAAAAAAAAA\n");
    assert_int_equal(judge(r, buf_bytes(&body), &v), WITNESS_OK);
    struct bytes wrong = request(r, &r->other, 0, 0, 7, NULL);
    assert_int_equal(judge(r, wrong, &v), WITNESS_FORBIDDEN);
    assert_false(v.is_contradiction);
    buf_close(&body);
}

/* ---- order ---- */

/* Each request has everything wrong that its row and those below name; the answer is the row's. */
static void test_order(void **state)
{
    struct rig *r = *state;
    struct witness_verdict v;
    struct merkle_proof wrong = {.count = 1};
    r->kept.size = 12;
    root_of(r, 0, 12, &r->kept.root);

    struct bytes body = request(r, &r->other, 1, 13, 9, &wrong);
    witness_judge(bytes_of(body.data, body.size - 1), NULL, &r->kept, &v);
    assert_int_equal(v.status, WITNESS_UNKNOWN);
    witness_judge(bytes_of(body.data + 1, body.size - 1), NULL, &r->kept, &v);
    assert_int_equal(v.status, WITNESS_MALFORMED);
    witness_judge(body, NULL, &r->kept, &v);
    assert_int_equal(v.status, WITNESS_UNKNOWN);
    witness_judge(body, &r->own.key, &r->kept, &v); /* a key of another name is no key of this origin */
    assert_int_equal(v.status, WITNESS_UNKNOWN);
    assert_int_equal(judge(r, body, &v), WITNESS_FORBIDDEN);
    assert_int_equal(judge(r, request(r, &r->log, 1, 13, 9, &wrong), &v), WITNESS_MALFORMED);
    assert_int_equal(judge(r, request(r, &r->log, 1, 8, 9, &wrong), &v), WITNESS_CONFLICT);
    assert_int_equal(judge(r, request(r, &r->log, 1, 0, 0, &wrong), &v), WITNESS_CONFLICT);
    assert_int_equal(judge(r, request(r, &r->log, 1, 12, 25, &wrong), &v), WITNESS_UNPROVEN);
    assert_int_equal(judge(r, request(r, &r->log, 0, 12, 12, &wrong), &v), WITNESS_UNPROVEN);
    assert_int_equal(judge(r, good_request(r, 0, 12, 12), &v), WITNESS_OK); /* once more, with a new time */
    assert_int_equal(v.next.size, 12);
    assert_int_equal(judge(r, good_request(r, 0, 12, 25), &v), WITNESS_OK);
}

static void test_first_contact(void **state)
{
    struct rig *r = *state;
    struct witness_verdict v;
    struct merkle_proof one = {.count = 1};
    assert_int_equal(judge(r, request(r, &r->log, 0, 0, 9, &one), &v), WITNESS_UNPROVEN); /* from 0 nothing is proved */
    assert_int_equal(judge(r, request(r, &r->log, 0, 0, 0, &one), &v), WITNESS_UNPROVEN);
    assert_int_equal(judge(r, request(r, &r->log, 0, 0, 0, NULL), &v), WITNESS_OK);
    memset(&r->kept.root, 0, sizeof r->kept.root); /* a caller that keeps no root for nothing */
    assert_int_equal(judge(r, request(r, &r->log, 0, 0, 0, NULL), &v), WITNESS_OK);
    assert_false(v.is_contradiction);
    assert_int_equal(judge(r, good_request(r, 1, 0, LEAVES), &v), WITNESS_OK);
    assert_int_equal(v.next.size, LEAVES);
}

/* ---- races ---- */

/* What the caller does with its durable row: the rule of witness.h. */
static bool swap(struct witness_state *stored, const struct witness_state *judged_with,
                 const struct witness_state *next)
{
    if (stored->size != judged_with->size || !merkle_hash_equal(&stored->root, &judged_with->root))
        return false;
    *stored = *next;
    return true;
}

/* C2SP tlog-witness: requests A (size N) and B (N + K) are both judged before either is stored. Whoever stores second must not
 * answer, or K leaves are rolled back; judged anew, it is told the size. */
static void test_race(void **state)
{
    struct rig *r = *state;
    for (int b_first = 0; b_first < 2; b_first++) {
        struct witness_state stored = {.size = 5}, seen;
        struct witness_verdict a, b;
        struct buf out = {0};
        root_of(r, 0, 5, &stored.root);
        seen = r->kept = stored;
        assert_int_equal(judge(r, good_request(r, 0, 5, 9), &a), WITNESS_OK);
        assert_int_equal(judge(r, good_request(r, 0, 5, 17), &b), WITNESS_OK);
        const struct witness_verdict *first = b_first ? &b : &a, *second = b_first ? &a : &b;
        assert_true(swap(&stored, &seen, &first->next));
        assert_false(swap(&stored, &seen, &second->next));
        assert_int_equal(stored.size, first->next.size);
        r->kept = stored;
        assert_int_equal(judge(r, good_request(r, 0, 5, second->next.size), &a), WITNESS_CONFLICT);
        witness_answer(&a, &r->kept, &r->own, 1764000000, &out);
        assert_string_equal(buf_cstr(&out), b_first ? "17\n" : "9\n");
        buf_close(&out);
    }
}

/* The same race between two branches: sizes alone would let both through. */
static void test_race_of_branches(void **state)
{
    struct rig *r = *state;
    struct witness_state stored = r->kept, seen = r->kept;
    struct witness_verdict a, b;
    assert_int_equal(judge(r, good_request(r, 0, 0, 30), &a), WITNESS_OK);
    assert_int_equal(judge(r, good_request(r, 1, 0, 30), &b), WITNESS_OK);
    assert_true(swap(&stored, &seen, &a.next));
    assert_false(swap(&stored, &seen, &b.next));
    struct witness_state same_size = {.size = 30}; /* judged when the other branch was there */
    root_of(r, 1, 30, &same_size.root);
    assert_false(swap(&stored, &same_size, &b.next));
    r->kept = stored;
    assert_int_equal(judge(r, good_request(r, 1, 30, 30), &b), WITNESS_UNPROVEN);
    assert_true(b.is_contradiction);
}

/* ---- contradictions ---- */

static void test_contradiction(void **state)
{
    struct rig *r = *state;
    struct witness_verdict v;
    struct checkpoint_opened opened;
    r->kept.size = 30;
    root_of(r, 0, 30, &r->kept.root);
    static const uint64_t olds[] = {30, 0, 7}; /* the lie may come with any old size */
    for (size_t i = 0; i < array_count(olds); i++) {
        struct bytes body = good_request(r, 1, olds[i], 30);
        assert_int_equal(judge(r, body, &v), i == 0 ? WITNESS_UNPROVEN : WITNESS_CONFLICT);
        assert_true(v.is_contradiction);
        assert_int_equal(checkpoint_open(v.note, &r->log.key, NULL, 0, &opened, NULL),
                         0); /* evidence that stands alone */
        assert_int_equal(opened.head.size, 30);
        assert_false(merkle_hash_equal(&opened.head.root, &r->kept.root));
    }
    /* Not the log's word, or no contradiction that shows without a proof: */
    assert_int_equal(judge(r, request(r, &r->other, 1, 30, 30, NULL), &v), WITNESS_FORBIDDEN);
    assert_false(v.is_contradiction);
    assert_int_equal(judge(r, good_request(r, 1, 30, 40), &v), WITNESS_UNPROVEN);
    assert_false(v.is_contradiction);
    assert_int_equal(judge(r, good_request(r, 0, 7, 30), &v), WITNESS_CONFLICT);
    assert_false(v.is_contradiction || v.note.size > 0);
}

/* ---- histories ---- */

static enum witness_status expected(const struct rig *r, unsigned branch, unsigned kept_branch, uint64_t old,
                                    uint64_t size, bool proof_is_good, bool proof_is_empty)
{
    bool same_past = branch == kept_branch || r->kept.size <= FORK;
    if (old > size)
        return WITNESS_MALFORMED;
    if (old != r->kept.size)
        return WITNESS_CONFLICT;
    if (old == 0 || old == size)
        return same_past && proof_is_empty ? WITNESS_OK : WITNESS_UNPROVEN;
    return same_past && proof_is_good ? WITNESS_OK : WITNESS_UNPROVEN;
}

/* A log that forks, asks from wrong sizes and sends wrong proofs, 7,200 requests: each gets the status of the rules, and what
 * was cosigned is one line of growth in one branch. */
static void test_histories(void **state)
{
    struct rig *r = *state;
    struct prng prng;
    unsigned kinds[5] = {0};
    prng_init(&prng, 20261124);
    for (unsigned run = 0; run < 120; run++) {
        unsigned kept_branch = 0;
        r->kept.size = 0;
        merkle_empty_root(&r->kept.root);
        for (unsigned i = 0; i < 60; i++) {
            unsigned branch = (unsigned)prng_below(&prng, 2);
            uint64_t old = prng_below(&prng, 3) > 0 ? r->kept.size : prng_below(&prng, LEAVES + 1);
            uint64_t size = prng_below(&prng, 4) > 0 ? old + prng_below(&prng, 4) : prng_below(&prng, LEAVES + 1);
            size = min_of(size, (uint64_t)LEAVES);
            struct merkle_proof proof;
            struct witness_verdict v;
            proof_of(r, branch, old, size, &proof);
            bool is_good = prng_below(&prng, 4) > 0;
            if (!is_good) { /* one hash more, or one bit else */
                if (proof.count == 0 || prng_below(&prng, 2) == 0)
                    proof.hash[proof.count++] = (struct merkle_hash){{9}};
                else
                    proof.hash[prng_below(&prng, proof.count)].b[prng_below(&prng, 32)] ^= 0x10;
            }
            enum witness_status want = expected(r, branch, kept_branch, old, size, is_good, proof.count == 0);
            enum witness_status got = judge(r, request(r, &r->log, branch, old, size, &proof), &v);
            if (got != want)
                fail_msg("run %u step %u: %u instead of %u: %s", run, i, got, want, v.why);
            bool other_root = size == r->kept.size && size > FORK && branch != kept_branch && old <= size;
            assert_int_equal(v.is_contradiction, other_root);
            kinds[got == WITNESS_OK ? 0 : got == WITNESS_CONFLICT ? 1 : got == WITNESS_UNPROVEN ? 2 : 3]++;
            kinds[4] += v.is_contradiction;
            if (got != WITNESS_OK)
                continue;
            if (r->kept.size <= FORK)
                kept_branch = branch;
            struct merkle_hash root;
            root_of(r, kept_branch, size, &root);
            assert_true(v.next.size == size && merkle_hash_equal(&v.next.root, &root));
            r->kept = v.next;
        }
    }
    for (size_t i = 0; i < array_count(kinds); i++)
        assert_true(kinds[i] > 100); /* the history was no easy one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, enter, leave),
        cmocka_unit_test_setup_teardown(test_malformed, enter, leave),
        cmocka_unit_test_setup_teardown(test_limits, enter, leave),
        cmocka_unit_test_setup_teardown(test_other_signatures, enter, leave),
        cmocka_unit_test_setup_teardown(test_order, enter, leave),
        cmocka_unit_test_setup_teardown(test_first_contact, enter, leave),
        cmocka_unit_test_setup_teardown(test_race, enter, leave),
        cmocka_unit_test_setup_teardown(test_race_of_branches, enter, leave),
        cmocka_unit_test_setup_teardown(test_contradiction, enter, leave),
        cmocka_unit_test_setup_teardown(test_histories, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
