/* Checkpoints and cosignatures: every signed head opens with all its witnesses, signing and cosigning again give the same
 * bytes, malformed bodies are rejected, and the split view is what it says: two valid heads of one size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/checkpoint.h"
#include "federation/ledger/crange.h"
#include "tests/lib/vectors.h"

#define WITNESSES 3

static yyjson_doc *doc;
static yyjson_val *root;
static struct note_verifier log_key;
static struct note_verifier witness_keys[WITNESSES];
static const struct note_verifier *witnesses[WITNESSES];

static int set_up(void **state)
{
    (void)state;
    doc = vectors_load(VECTORS_FILE("checkpoint_cosignature"));
    root = yyjson_doc_get_root(doc);
    assert_int_equal(note_verifier_parse(vectors_text(root, "log_vkey"), &log_key, NULL), 0);
    for (size_t i = 0; i < WITNESSES; i++) {
        yyjson_val *w = yyjson_arr_get(vectors_get(root, "witnesses"), i);
        assert_int_equal(note_verifier_parse(vectors_text(w, "vkey"), &witness_keys[i], NULL), 0);
        assert_string_equal(witness_keys[i].name, vectors_string(w, "name"));
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

static void test_open(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(root, "checkpoints"), i, n, c)
    {
        struct checkpoint_opened opened;
        struct merkle_hash expected;
        struct err e;
        if (checkpoint_open(vectors_text(c, "signed"), &log_key, witnesses, WITNESSES, &opened, &e) < 0)
            fail_msg("checkpoint %zu: %s", i, e.message);
        vectors_hex32(vectors_get(c, "root_hex"), expected.b);
        assert_int_equal(opened.head.size, vectors_u64(c, "size"));
        assert_memory_equal(opened.head.root.b, expected.b, 32);
        assert_string_equal(opened.head.origin, vectors_string(root, "origin"));
        assert_int_equal(opened.cosigned_count, WITNESSES);
    }
    assert_int_equal(n, 5);
}

static struct crypto_signer *read_signer(yyjson_val *object, const char *key)
{
    uint8_t seed[32];
    vectors_hex32(vectors_get(object, key), seed);
    return crypto_signer_create(seed);
}

/* Signs head @c again with all keys of the file and wants the same note. */
static void sign_again(yyjson_val *c)
{
    struct checkpoint_opened opened;
    assert_int_equal(checkpoint_open(vectors_text(c, "signed"), &log_key, witnesses, WITNESSES, &opened, NULL), 0);
    struct crypto_signer *crypto = read_signer(root, "log_seed_hex");
    struct note_signer log;
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(note_signer_init(log_key.name, NOTE_TYPE_ED25519, crypto, &log, NULL), 0);
    assert_int_equal(checkpoint_sign(&opened.head, &log, &out, NULL), 0);
    crypto_signer_destroy(crypto);
    for (size_t i = 0; i < WITNESSES; i++) {
        struct note_signer witness;
        crypto = read_signer(yyjson_arr_get(vectors_get(root, "witnesses"), i), "seed_hex");
        assert_int_equal(note_signer_init(witness_keys[i].name, NOTE_TYPE_COSIGNATURE, crypto, &witness, NULL), 0);
        assert_int_equal(checkpoint_cosign(opened.body, &witness, opened.cosigned[i].time_s, &out, NULL), 0);
        crypto_signer_destroy(crypto);
    }
    assert_true(bytes_equal(buf_bytes(&out), vectors_text(c, "signed")));
    buf_close(&out);
}

static void test_sign_again(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(root, "checkpoints"), i, n, c)
    {
        sign_again(c);
    }
}

static void test_roots_of_leaves(void **state)
{
    (void)state;
    size_t i, n, next = 0;
    yyjson_val *leaf;
    struct crange range;
    crange_init(&range);
    yyjson_arr_foreach(vectors_get(root, "leaves_utf8"), i, n, leaf)
    {
        struct merkle_hash hash, expected;
        merkle_leaf_hash(bytes_of_string(yyjson_get_str(leaf)), &hash);
        assert_int_equal(crange_append_leaf(&range, &hash, NULL), 0);
        yyjson_val *c = yyjson_arr_get(vectors_get(root, "checkpoints"), next);
        if (c == NULL || vectors_u64(c, "size") != range.size)
            continue;
        vectors_hex32(vectors_get(c, "root_hex"), expected.b);
        crange_root(&range, &hash);
        assert_memory_equal(hash.b, expected.b, 32);
        next++;
    }
    assert_int_equal(next, 5);
}

static void test_cosigned_message(void **state)
{
    (void)state;
    /* The example's time and body are those of the first cosignature of the head of size 13: opening that head (above)
     * checked the signature over exactly this message. */
    yyjson_val *example = vectors_get(root, "cosigned_message_example");
    yyjson_val *c = yyjson_arr_get(vectors_get(root, "checkpoints"), 3);
    struct checkpoint_opened opened;
    struct bytes message = vectors_text(example, "message");
    assert_int_equal(checkpoint_open(vectors_text(c, "signed"), &log_key, witnesses, WITNESSES, &opened, NULL), 0);
    assert_true(bytes_equal(opened.body, vectors_text(example, "note_body")));
    assert_int_equal(opened.cosigned[0].time_s, vectors_u64(example, "timestamp"));
    assert_true(message.size > opened.body.size);
    assert_memory_equal(message.data + message.size - opened.body.size, opened.body.data, opened.body.size);
}

static void test_parse_only(void **state)
{
    (void)state;
    yyjson_val *c = yyjson_arr_get(vectors_get(root, "parse_only"), 0);
    struct bytes text;
    size_t count;
    struct checkpoint head;
    assert_int_equal(note_peek(vectors_text(c, "signed"), &text, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_int_equal(checkpoint_parse(text, &head, NULL), 0);
    assert_string_equal(head.origin, vectors_string(c, "origin"));
    assert_int_equal(head.size, vectors_u64(c, "size"));
    assert_int_equal(head.extension_count, 0);
}

static void test_bodies_must_reject(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(root, "body_must_reject"), i, n, c)
    {
        struct checkpoint head;
        if (checkpoint_parse(vectors_text(c, "body"), &head, NULL) >= 0)
            fail_msg("accepted: %s", vectors_string(c, "name"));
    }
    assert_int_equal(n, 10);
}

static void test_split_view(void **state)
{
    (void)state;
    yyjson_val *split = vectors_get(root, "split_view");
    struct checkpoint_opened a, b;
    assert_int_equal(checkpoint_open(vectors_text(split, "a"), &log_key, witnesses, WITNESSES, &a, NULL), 0);
    assert_int_equal(checkpoint_open(vectors_text(split, "b"), &log_key, witnesses, WITNESSES, &b, NULL), 0);
    assert_int_equal(a.head.size, b.head.size);
    assert_false(merkle_hash_equal(&a.head.root, &b.head.root));
    assert_int_equal(b.cosigned_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_sign_again),
        cmocka_unit_test(test_roots_of_leaves),
        cmocka_unit_test(test_cosigned_message),
        cmocka_unit_test(test_parse_only),
        cmocka_unit_test(test_bodies_must_reject),
        cmocka_unit_test(test_split_view),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
