/* Evidence: two views give the bytes of the file, these open and name the common size; views of one history, or of two that
 * share no complete subtree behind the fork, do not contradict each other; what is wrong is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/evidence.h"
#include "tests/lib/vectors.h"

static yyjson_doc *doc;
static yyjson_val *root;
static struct note_verifier key;

static int set_up(void **state)
{
    (void)state;
    doc = vectors_load(VECTORS_FILE("evidence"));
    root = yyjson_doc_get_root(doc);
    assert_int_equal(note_verifier_parse(vectors_text(root, "vkey"), &key, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    yyjson_doc_free(doc);
    return 0;
}

static void read_view(yyjson_val *c, const char *note, const char *range, struct view *ret)
{
    struct merkle_hash nodes[CRANGE_NODES_MAX];
    struct crange read;
    struct err e;
    size_t i, n;
    yyjson_val *node;
    yyjson_arr_foreach(vectors_get(c, range), i, n, node)
    {
        vectors_hex32(node, nodes[i].b);
    }
    if (view_open(vectors_text(c, note), &key, NULL, ret, &e) != 0 ||
        crange_init_nodes(ret->head.size, nodes, n, &read, &e) != 0 ||
        view_open(vectors_text(c, note), &key, &read, ret, &e) != 0)
        fail_msg("%s: %s", vectors_string(c, "name"), e.message);
}

static struct bytes read_evidence(yyjson_val *c)
{
    static uint8_t raw[EVIDENCE_BYTES_MAX];
    return bytes_of(raw, vectors_hex(vectors_get(c, "evidence"), raw, sizeof raw));
}

static void test_contradictions(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(root, "cases"), i, n, c)
    {
        struct view a, b;
        struct evidence out;
        struct buf one = {0}, two = {0};
        char origin[ORIGIN_NAME_BYTES_MAX + 1];
        uint64_t common = 99;
        struct bytes expected = read_evidence(c);
        read_view(c, "note_a", "range_a", &a);
        read_view(c, "note_b", "range_b", &b);
        if (!view_contradicts(&a, &b, &common) || common != vectors_u64(c, "common_size"))
            fail_msg("%s: common size %u", vectors_string(c, "name"), (unsigned)common);
        assert_true(common <= vectors_u64(c, "fork"));
        evidence_format(&a, &b, &one);
        evidence_format(&b, &a, &two);
        assert_true(bytes_equal(buf_bytes(&one), expected));
        assert_true(bytes_equal(buf_bytes(&two), expected));
        assert_int_equal(evidence_open(expected, &key, &out, NULL), 0);
        assert_int_equal(out.common_size, common);
        assert_int_equal(evidence_peek(expected, origin, NULL), 0);
        assert_string_equal(origin, vectors_string(root, "origin"));
        buf_close(&one);
        buf_close(&two);
    }
    assert_true(n >= 8);
}

static void test_no_contradiction(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(root, "no_contradiction"), i, n, c)
    {
        struct view a, b;
        uint64_t common;
        read_view(c, "note_a", "range_a", &a);
        read_view(c, "note_b", "range_b", &b);
        if (view_contradicts(&a, &b, &common) || view_contradicts(&b, &a, &common))
            fail_msg("contradict: %s", vectors_string(c, "name"));
    }
    assert_true(n >= 3);
}

static void test_accepted(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(root, "accepted"), i, n, c)
    {
        struct evidence out;
        struct err e;
        if (evidence_open(read_evidence(c), &key, &out, &e) != 0)
            fail_msg("%s: %s", vectors_string(c, "name"), e.message);
    }
    assert_int_equal(n, 1);
}

static void test_must_reject(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(root, "must_reject"), i, n, c)
    {
        struct evidence out = {.common_size = 77};
        struct err e = {0};
        int rc = evidence_open(read_evidence(c), &key, &out, &e);
        if (rc >= 0 || e.id[0] == '\0')
            fail_msg("accepted: %s", vectors_string(c, "name"));
        assert_int_equal(out.common_size, 77);
    }
    assert_int_equal(n, 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_no_contradiction),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_must_reject),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
