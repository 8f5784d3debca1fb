/* Offline proofs: the valid ones verify under the policy of the file and re-format to the same text, the others do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/proof.h"
#include "tests/lib/vectors.h"

#define WITNESSES 3

static yyjson_doc *doc;
static yyjson_val *root;
static struct note_verifier log_key;
static struct note_verifier witness_keys[WITNESSES];
static const struct note_verifier *witnesses[WITNESSES];
static const struct proof_policy policy = {
    .log = &log_key, .witnesses = witnesses, .witness_count = WITNESSES, .quorum = WITNESSES};

static int set_up(void **state)
{
    (void)state;
    doc = vectors_load(VECTORS_FILE("tlog_proof"));
    root = yyjson_doc_get_root(doc);
    assert_int_equal(note_verifier_parse(vectors_text(root, "log_vkey"), &log_key, NULL), 0);
    for (size_t i = 0; i < WITNESSES; i++) {
        const char *vkey = yyjson_get_str(yyjson_arr_get(vectors_get(root, "witness_vkeys"), i));
        assert_int_equal(note_verifier_parse(bytes_of_string(vkey), &witness_keys[i], NULL), 0);
        witnesses[i] = &witness_keys[i];
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    yyjson_doc_free(doc);
    return 0;
}

static int run_case(yyjson_val *c, struct arena *arena, struct proof *p, struct err *e)
{
    struct merkle_hash leaf;
    struct checkpoint_opened opened;
    int rc = proof_parse(vectors_text(c, "proof"), arena, p, e);
    if (rc < 0)
        return rc;
    merkle_leaf_hash(vectors_text(c, "leaf_utf8"), &leaf);
    return proof_verify(p, &leaf, &policy, &opened, e);
}

static void test_valid(void **state)
{
    (void)state;
    size_t i, n, extras = 0;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(root, "valid"), i, n, c)
    {
        struct arena arena = ARENA_INIT;
        struct proof p;
        struct err e;
        struct buf out;
        buf_init(&out, 0);
        if (run_case(c, &arena, &p, &e) < 0)
            fail_msg("%s: %s", vectors_string(c, "name"), e.message);
        assert_int_equal(proof_format(&p, &out, NULL), 0);
        assert_true(bytes_equal(buf_bytes(&out), vectors_text(c, "proof")));
        extras += p.has_extra;
        buf_close(&out);
        arena_close(&arena);
    }
    assert_int_equal(n, 8);
    assert_int_equal(extras, 1);
}

static void test_must_reject(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(root, "must_reject"), i, n, c)
    {
        struct arena arena = ARENA_INIT;
        struct proof p;
        if (run_case(c, &arena, &p, NULL) >= 0)
            fail_msg("accepted: %s", vectors_string(c, "name"));
        arena_close(&arena);
    }
    assert_int_equal(n, 11);
}

static void test_marshal_example(void **state)
{
    (void)state;
    yyjson_val *c = vectors_get(root, "marshal_examples");
    struct arena arena = ARENA_INIT;
    struct proof p = {.index = vectors_u64(c, "index"), .checkpoint = vectors_text(c, "checkpoint")};
    struct proof again;
    struct buf out;
    buf_init(&out, 0);
    p.inclusion.count = 2;
    vectors_hex32(vectors_get(c, "h1_hex"), p.inclusion.hash[0].b);
    vectors_hex32(vectors_get(c, "h2_hex"), p.inclusion.hash[1].b);
    assert_int_equal(proof_format(&p, &out, NULL), 0);
    assert_true(bytes_equal(buf_bytes(&out), vectors_text(c, "text")));
    assert_int_equal(proof_parse(buf_bytes(&out), &arena, &again, NULL), 0);
    assert_int_equal(again.index, p.index);
    assert_int_equal(again.inclusion.count, 2);
    assert_memory_equal(again.inclusion.hash[1].b, p.inclusion.hash[1].b, 32);
    assert_true(bytes_equal(again.checkpoint, p.checkpoint));
    buf_close(&out);
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_must_reject),
        cmocka_unit_test(test_marshal_example),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
