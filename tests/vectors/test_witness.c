/* add-checkpoint (C2SP tlog-witness): real litewitness requests and own ones, in order, against one witness that keeps its
 * state between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/crange.h"
#include "federation/witness/witness.h"
#include "tests/lib/vectors.h"

struct witness_run {
    struct note_verifier log;
    struct witness_state kept;
    struct note_signer signer;
    unsigned contradictions;
};

static void begin(struct witness_run *w, const char *vkey)
{
    struct crange empty;
    crange_init(&empty);
    *w = (struct witness_run){0};
    crange_root(&empty, &w->kept.root);
    assert_int_equal(note_verifier_parse(bytes_of_string(vkey), &w->log, NULL), 0);
}

/* One request; returns the status, the answer's body in @out. */
static unsigned ask(struct witness_run *w, struct bytes body, const struct note_signer *signer, struct buf *out)
{
    char origin[ORIGIN_NAME_BYTES_MAX + 1];
    struct witness_verdict v;
    struct err e = {0};
    if (witness_peek(body, origin, &e) != 0)
        return WITNESS_MALFORMED;
    witness_judge(body, strcmp(origin, w->log.name) == 0 ? &w->log : NULL, &w->kept, &v);
    w->contradictions += v.is_contradiction;
    witness_answer(&v, &w->kept, signer, 1764000000, out);
    if (v.status == WITNESS_OK) {
        struct note_verifier own = signer->key;
        const struct note_verifier *known[] = {&own};
        struct note note;
        struct buf whole = {0};
        buf_put(&whole, v.note.data, v.note.size);
        buf_put(&whole, out->data, out->size);
        assert_int_equal(note_open(buf_bytes(&whole), known, 1, &note, &e), 0); /* what it answers is its cosignature */
        buf_close(&whole);
        w->kept = v.next;
    }
    return v.status;
}

static void run(yyjson_val *steps, const char *vkey, const char *status_key, size_t expected_contradictions)
{
    struct witness_run w;
    const uint8_t seed[32] = {7};
    struct crypto_signer *key = crypto_signer_create(seed);
    struct note_signer signer;
    size_t i, n;
    yyjson_val *step;
    assert_int_equal(note_signer_init("example.com/witness", NOTE_TYPE_COSIGNATURE, key, &signer, NULL), 0);
    begin(&w, vkey);
    yyjson_arr_foreach(steps, i, n, step)
    {
        struct buf out = {0};
        unsigned status = ask(&w, vectors_text(step, "request"), &signer, &out);
        if (status != vectors_u64(step, status_key))
            fail_msg("step %zu: %u instead of %u: %s", i, status, (unsigned)vectors_u64(step, status_key),
                     buf_cstr(&out));
        if (vectors_has(step, "body"))
            assert_true(bytes_equal(buf_bytes(&out), vectors_text(step, "body")));
        if (vectors_has(step, "content_type"))
            assert_string_equal(witness_content_type((enum witness_status)status),
                                vectors_string(step, "content_type"));
        if (vectors_has(step, "then_size"))
            assert_int_equal(w.kept.size, vectors_u64(step, "then_size"));
        buf_close(&out);
    }
    assert_true(n > 5);
    assert_int_equal(w.contradictions, expected_contradictions);
    crypto_signer_destroy(key);
}

static void test_litewitness(void **state)
{
    (void)state;
    yyjson_doc *doc = vectors_load(VECTORS_FILE("witness_add_checkpoint"));
    yyjson_val *root = yyjson_doc_get_root(doc);
    run(vectors_get(root, "litewitness_sequence"), vectors_string(root, "log_vkey"), "status_c2sp_head", 0);
    yyjson_doc_free(doc);
}

static void test_own(void **state)
{
    (void)state;
    yyjson_doc *doc = vectors_load(VECTORS_FILE("witness_add_checkpoint"));
    yyjson_val *root = yyjson_doc_get_root(doc);
    run(vectors_get(root, "own_sequence"), vectors_string(root, "own_log_vkey"), "status", 1);
    yyjson_doc_free(doc);
}

/* Whatever is cut off or changed, there is a verdict, and it is never a signature over something else. */
static void test_mutations(void **state)
{
    (void)state;
    yyjson_doc *doc = vectors_load(VECTORS_FILE("witness_add_checkpoint"));
    yyjson_val *root = yyjson_doc_get_root(doc);
    struct bytes good = vectors_text(yyjson_arr_get(vectors_get(root, "own_sequence"), 0), "request");
    const uint8_t seed[32] = {7};
    struct crypto_signer *key = crypto_signer_create(seed);
    struct note_signer signer;
    struct buf copy = {0};
    unsigned accepted = 0;
    assert_int_equal(note_signer_init("example.com/witness", NOTE_TYPE_COSIGNATURE, key, &signer, NULL), 0);
    for (size_t i = 0; i < 2 * good.size; i++) {
        struct witness_run w;
        struct buf out = {0};
        begin(&w, vectors_string(root, "own_log_vkey"));
        buf_reset(&copy);
        buf_put(&copy, good.data, i < good.size ? good.size : i - good.size);
        if (i < good.size)
            copy.data[i] ^= 1;
        accepted += ask(&w, buf_bytes(&copy), &signer, &out) == WITNESS_OK;
        buf_close(&out);
    }
    assert_int_equal(accepted, 0);
    buf_close(&copy);
    crypto_signer_destroy(key);
    yyjson_doc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_litewitness),
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
