/* The fold against case_digest.json: random histories of one case, as leaves, with the order, effects, statuses and
 * digest that a second reader computed from the documents (tests/lib/tongban_reader.py). Each history is taken in
 * forwards, and backwards with the state asked for after every event, so that what is folded piece by piece has to be
 * what is folded at once. Another file of that form is an argument (test_random_histories.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "certs/crypto.h"
#include "node/base/xassert.h"
#include "node/case_cache.h"
#include "node/cases/casefile.h"
#include "tests/lib/vectors.h"

static void read_leaf(yyjson_val *text, struct case_event *ret)
{
    static uint8_t raw[LEAF_BYTES_MAX];
    struct leaf leaf;
    struct merkle_hash hash;
    size_t size = 0;
    assert_int_equal(base64_decode(yyjson_get_str(text), yyjson_get_len(text), raw, sizeof raw, &size), 0);
    assert_int_equal(leaf_decode(bytes_of(raw, size), &leaf, NULL), 0);
    leaf_hash(bytes_of(raw, size), &hash);
    case_event_of_leaf(&leaf, &hash, ret);
}

static void check_effects(struct casefile *file, yyjson_val *c)
{
    yyjson_val *leaves = vectors_get(c, "leaves");
    yyjson_val *expected = vectors_get(c, "effects");
    const struct case_effect *effects;
    size_t count = casefile_effects(file, &effects);
    const struct case_state *state = casefile_state(file);
    assert_int_equal(state->event_count, yyjson_arr_size(expected));
    assert_int_equal(state->pending_count, vectors_u64(c, "pending"));
    assert_int_equal(count, state->event_count + state->pending_count);

    for (size_t i = 0; i < state->event_count; i++) {
        yyjson_val *row = yyjson_arr_get(expected, i);
        struct case_event event;
        read_leaf(yyjson_arr_get(leaves, yyjson_get_uint(yyjson_arr_get(row, 0))), &event);
        assert_memory_equal(effects[i].event->id, event.id, sizeof event.id);
        assert_string_equal(case_effect_name(effects[i].kind), yyjson_get_str(yyjson_arr_get(row, 1)));
        assert_string_equal(case_why_code(effects[i].why), yyjson_get_str(yyjson_arr_get(row, 2)));
        assert_int_equal(effects[i].sequenced, yyjson_get_uint(yyjson_arr_get(row, 3)));
    }
    assert_string_equal(case_status_name(state->status), vectors_string(c, "status"));
    assert_string_equal(case_status_name(state->sequenced_status), vectors_string(c, "sequenced_status"));
}

static void check_digest(struct casefile *file, yyjson_val *c)
{
    uint8_t expected[32], digest[32];
    struct buf input = {0};
    vectors_hex32(vectors_get(c, "digest"), expected);
    casefile_digest_input(file, &input);
    crypto_sha256_one(input.data, input.size, digest);
    buf_close(&input);
    assert_memory_equal(digest, expected, sizeof digest);
}

static void fold_history(yyjson_val *c, bool backwards)
{
    uint8_t id[CASE_ID_SIZE];
    yyjson_val *leaves = vectors_get(c, "leaves");
    size_t count = yyjson_arr_size(leaves);
    assert_int_equal(vectors_hex(vectors_get(c, "case_id"), id, sizeof id), sizeof id);
    struct casefile *file = casefile_create(id);
    for (size_t i = 0; i < count; i++) {
        struct case_event event;
        read_leaf(yyjson_arr_get(leaves, backwards ? count - 1 - i : i), &event);
        int rc = casefile_add(file, &event, NULL);
        assert_true(rc == 0 || rc == ERR_CONFLICT); /* a fork is held and said */
        if (backwards)
            (void)casefile_state(file);
    }
    check_effects(file, c);
    check_digest(file, c);
    casefile_destroy(file);
}

static const char *path = VECTORS_FILE("case_digest");

static void test_histories(void **state)
{
    (void)state;
    yyjson_doc *doc = vectors_load(path);
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(doc), "cases"), i, n, c)
    {
        print_message("%s\n", vectors_string(c, "name"));
        fold_history(c, false);
        fold_history(c, true);
    }
    assert_true(n > 0);
    yyjson_doc_free(doc);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        path = argv[1];
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_histories)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
