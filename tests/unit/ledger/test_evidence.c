/* Evidence: over random ledgers honest pairs of views never contradict each other, and a fork shows itself as soon as the
 * sizes are the same or share a complete subtree behind it; the form refuses every other byte string. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/evidence.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"
#include "tests/lib/naive_tree.h"

#define ORIGIN "log.example"

static struct crypto_signer *crypto[2];
static struct note_signer author, stranger, witness;

static int set_up(void **state)
{
    (void)state;
    for (uint8_t i = 0; i < 2; i++) {
        uint8_t seed[32] = {(uint8_t)(i + 1)};
        crypto[i] = crypto_signer_create(seed);
    }
    assert_int_equal(note_signer_init(ORIGIN, NOTE_TYPE_ED25519, crypto[0], &author, NULL), 0);
    assert_int_equal(note_signer_init(ORIGIN, NOTE_TYPE_ED25519, crypto[1], &stranger, NULL), 0); /* same name */
    assert_int_equal(note_signer_init("w.example", NOTE_TYPE_COSIGNATURE, crypto[1], &witness, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        crypto_signer_destroy(crypto[i]);
    return 0;
}

/* ---- ledgers ---- */

/* Leaf @i of history @history; histories are the same below @fork. */
static void leaf_of(uint64_t i, unsigned history, uint64_t fork, struct merkle_hash *ret)
{
    uint64_t raw[2] = {i, i < fork ? 0 : history};
    merkle_leaf_hash(bytes_of(raw, sizeof raw), ret);
}

static void range_of(uint64_t size, unsigned history, uint64_t fork, struct crange *ret)
{
    crange_init(ret);
    for (uint64_t i = 0; i < size; i++) {
        struct merkle_hash hash;
        leaf_of(i, history, fork, &hash);
        assert_int_equal(crange_append_leaf(ret, &hash, NULL), 0);
    }
}

static void sign(const struct crange *range, const struct note_signer *signer, struct buf *out)
{
    struct checkpoint head = {.origin = ORIGIN, .size = range->size};
    crange_root(range, &head.root);
    assert_int_equal(checkpoint_sign(&head, signer, out, NULL), 0);
}

/* A signed view of @size leaves of a history; @note keeps its text. */
static void make_view(uint64_t size, unsigned history, uint64_t fork, bool has_range, struct buf *note,
                      struct view *ret)
{
    struct crange range;
    range_of(size, history, fork, &range);
    buf_reset(note);
    sign(&range, &author, note);
    assert_int_equal(view_open(buf_bytes(note), &author.key, has_range ? &range : NULL, ret, NULL), 0);
}

/* As view_open() would give it, without the signature: for many pairs. */
static void quick_view(const struct crange *range, struct view *ret)
{
    *ret = (struct view){.head = {.origin = ORIGIN, .size = range->size}, .has_range = true, .range = *range};
    crange_root(range, &ret->head.root);
}

/* Where the complete subtrees of the two sizes stop standing at the same places: straight from the definition, by
 * the places (begin, length) themselves. */
static bool shares_subtree_at(uint64_t a, uint64_t b, uint64_t fork, uint64_t *ret_begin)
{
    for (uint64_t begin_a = 0, rest_a = a; rest_a > 0;) {
        uint64_t length_a = UINT64_C(1) << (63 - __builtin_clzll(rest_a));
        for (uint64_t begin_b = 0, rest_b = b; rest_b > 0;) {
            uint64_t length_b = UINT64_C(1) << (63 - __builtin_clzll(rest_b));
            if (begin_a == begin_b && length_a == length_b && begin_a + length_a > fork) {
                *ret_begin = begin_a;
                return true;
            }
            begin_b += length_b;
            rest_b -= length_b;
        }
        begin_a += length_a;
        rest_a -= length_a;
    }
    return false;
}

#define SIZES 130u

static void test_honest_pairs(void **state)
{
    (void)state;
    static struct crange ranges[SIZES];
    for (unsigned i = 0; i < SIZES; i++)
        range_of(i, 0, 0, &ranges[i]);
    for (unsigned i = 0; i < SIZES; i++) {
        for (unsigned k = 0; k < SIZES; k++) {
            struct view a, b;
            uint64_t common = 99;
            quick_view(&ranges[i], &a);
            quick_view(&ranges[k], &b);
            assert_false(view_contradicts(&a, &b, &common));
            a.has_range = false;
            assert_false(view_contradicts(&a, &b, &common));
            assert_false(view_contradicts(&b, &a, &common));
        }
    }
}

static void check_forked_pair(uint64_t size_a, uint64_t size_b, uint64_t fork)
{
    struct crange range_a, range_b;
    struct view a, b;
    uint64_t common = 99, again = 98, begin;
    range_of(size_a, 1, fork, &range_a);
    range_of(size_b, 2, fork, &range_b);
    quick_view(&range_a, &a);
    quick_view(&range_b, &b);
    bool differ = size_a > fork && size_b > fork;
    bool expected = differ && shares_subtree_at(size_a, size_b, fork, &begin);
    bool found = view_contradicts(&a, &b, &common);
    if (found != expected)
        fail_msg("sizes %u and %u, fork at %u: %d", (unsigned)size_a, (unsigned)size_b, (unsigned)fork, found);
    assert_int_equal(view_contradicts(&b, &a, &again), found);
    assert_int_equal(again, common);
    if (differ && size_a == size_b)
        assert_true(found);
    if (found) {
        assert_int_equal(common, begin); /* the first shared subtree that holds the fork */
        assert_true(common <= fork);
    }
}

static void test_forked_pairs(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 5);
    for (uint64_t a = 0; a < 20; a++) /* every small case */
        for (uint64_t b = 0; b < 20; b++)
            for (uint64_t fork = 0; fork < 20; fork++)
                check_forked_pair(a, b, fork);
    for (int round = 0; round < 3000; round++) {
        uint64_t a = prng_below(&prng, 700);
        uint64_t b = prng_below(&prng, 4) == 0 ? a : prng_below(&prng, 700);
        check_forked_pair(a, b, prng_below(&prng, max_of(a, b) + 1));
    }
}

/* Without a range only two roots of one size contradict, and nothing is known to be common. */
static void test_without_range(void **state)
{
    (void)state;
    struct crange range_a, range_b, range_c;
    struct view a, b, c;
    uint64_t common = 99;
    range_of(12, 1, 9, &range_a);
    range_of(12, 2, 9, &range_b);
    range_of(13, 2, 9, &range_c);
    quick_view(&range_a, &a);
    quick_view(&range_b, &b);
    quick_view(&range_c, &c);
    assert_true(view_contradicts(&a, &b, &common));
    assert_int_equal(common, 8);
    assert_true(view_contradicts(&a, &c, &common));
    assert_int_equal(common, 8);
    a.has_range = false;
    assert_true(view_contradicts(&a, &b, &common));
    assert_int_equal(common, 0);
    assert_true(view_contradicts(&b, &a, &common));
    assert_false(view_contradicts(&a, &c, &common));
}

/* ---- opening views ---- */

static void test_view_open(void **state)
{
    (void)state;
    struct buf note = {0};
    struct crange range, other;
    struct view v = {.head = {.size = 77}};
    struct err e = {0};
    range_of(11, 0, 0, &range);
    range_of(11, 1, 10, &other);
    sign(&range, &author, &note);
    assert_int_equal(view_open(buf_bytes(&note), &author.key, &other, &v, &e), ERR_VERIFY);
    assert_string_equal(e.id, "evidence.range");
    range_of(10, 0, 0, &other);
    assert_int_equal(view_open(buf_bytes(&note), &author.key, &other, &v, &e), ERR_VERIFY);
    assert_string_equal(e.id, "evidence.range");
    assert_int_equal(view_open(buf_bytes(&note), &stranger.key, &range, &v, &e), ERR_VERIFY);
    assert_int_equal(v.head.size, 77); /* untouched */
    assert_int_equal(view_open(buf_bytes(&note), &author.key, NULL, &v, &e), 0);
    assert_false(v.has_range);
    assert_int_equal(view_open(buf_bytes(&note), &author.key, &range, &v, &e), 0);
    assert_true(v.has_range && v.head.size == 11 && v.range.size == 11 && v.note.data == note.data);
    buf_close(&note);
}

/* ---- evidence ---- */

/* Two views that part at leaf 9, of 12 and of 13 leaves. */
struct pair {
    struct buf note_a, note_b, evidence;
    struct view a, b;
};

static void make_pair(struct pair *p)
{
    *p = (struct pair){0};
    make_view(12, 1, 9, true, &p->note_a, &p->a);
    make_view(13, 2, 9, true, &p->note_b, &p->b);
    evidence_format(&p->a, &p->b, &p->evidence);
}

static void close_pair(struct pair *p)
{
    buf_close(&p->note_a);
    buf_close(&p->note_b);
    buf_close(&p->evidence);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct pair p;
    struct buf swapped = {0};
    struct evidence out;
    char origin[ORIGIN_NAME_BYTES_MAX + 1];
    make_pair(&p);
    assert_int_equal(evidence_open(buf_bytes(&p.evidence), &author.key, &out, NULL), 0);
    assert_int_equal(out.common_size, 8);
    assert_int_equal(out.first.head.size, 12);
    assert_int_equal(out.second.head.size, 13);
    assert_memory_equal(out.first.head.root.b, p.a.head.root.b, 32);
    assert_true(bytes_equal(out.second.note, buf_bytes(&p.note_b)));
    evidence_format(&p.b, &p.a, &swapped); /* one byte string, whoever comes first */
    assert_true(bytes_equal(buf_bytes(&swapped), buf_bytes(&p.evidence)));
    assert_true(p.evidence.size <= EVIDENCE_BYTES_MAX);
    assert_int_equal(evidence_peek(buf_bytes(&p.evidence), origin, NULL), 0);
    assert_string_equal(origin, ORIGIN);
    buf_close(&swapped);
    close_pair(&p);
}

/* One size: the smaller root comes first. */
static void test_same_size(void **state)
{
    (void)state;
    struct buf note_a = {0}, note_b = {0}, one = {0}, two = {0};
    struct view a, b;
    struct evidence out;
    make_view(12, 1, 3, true, &note_a, &a);
    make_view(12, 2, 3, true, &note_b, &b);
    evidence_format(&a, &b, &one);
    evidence_format(&b, &a, &two);
    assert_true(bytes_equal(buf_bytes(&one), buf_bytes(&two)));
    assert_int_equal(evidence_open(buf_bytes(&one), &author.key, &out, NULL), 0);
    assert_true(memcmp(out.first.head.root.b, out.second.head.root.b, 32) < 0);
    assert_int_equal(out.common_size, 0);
    buf_close(&note_a);
    buf_close(&note_b);
    buf_close(&one);
    buf_close(&two);
}

/* Cosignatures on the notes change nothing: whoever saw them, the evidence is the same. */
static void test_cosigned(void **state)
{
    (void)state;
    struct pair p;
    struct view cosigned;
    struct checkpoint_opened opened;
    struct buf evidence = {0};
    make_pair(&p);
    assert_int_equal(checkpoint_open(buf_bytes(&p.note_a), &author.key, NULL, 0, &opened, NULL), 0);
    assert_int_equal(checkpoint_cosign(opened.body, &witness, 42, &p.note_a, NULL), 0);
    assert_int_equal(view_open(buf_bytes(&p.note_a), &author.key, &p.a.range, &cosigned, NULL), 0);
    evidence_format(&cosigned, &p.b, &evidence);
    assert_true(bytes_equal(buf_bytes(&evidence), buf_bytes(&p.evidence)));
    buf_close(&evidence);
    close_pair(&p);
}

/* A note of @range with a line of a stranger of the author's name (such lines are ignored in a note) and then the
 * author's own. */
static void sign_behind_decoy(const struct crange *range, struct buf *out)
{
    const struct note_signer *signers[] = {&stranger, &author};
    struct checkpoint head = {.origin = ORIGIN, .size = range->size};
    struct buf body = {0};
    crange_root(range, &head.root);
    assert_int_equal(checkpoint_format(&head, &body, NULL), 0);
    assert_int_equal(note_sign(buf_bytes(&body), signers, 2, 0, out, NULL), 0);
    buf_close(&body);
}

/* An author that puts a line of its name but of another key before its signature does not get away with it. */
static void test_decoy_line(void **state)
{
    (void)state;
    struct pair p;
    struct view decoy;
    struct buf note = {0}, evidence = {0};
    struct evidence out;
    make_pair(&p);
    sign_behind_decoy(&p.a.range, &note);
    assert_int_equal(view_open(buf_bytes(&note), &author.key, &p.a.range, &decoy, NULL), 0);
    evidence_format(&decoy, &p.b, &evidence);
    assert_int_equal(evidence_open(buf_bytes(&evidence), &author.key, &out, NULL), 0);
    assert_int_equal(out.common_size, 8);
    buf_close(&note);
    buf_close(&evidence);
    close_pair(&p);
}

/* ---- refusals ---- */

/* Evidence written by hand, right or wrong. */
static void put(struct buf *out, const struct buf *note, const struct crange *range)
{
    buf_put_u32(out, (uint32_t)note->size);
    buf_put(out, note->data, note->size);
    buf_put_u8(out, (uint8_t)crange_count(range));
    for (unsigned i = 0; i < crange_count(range); i++)
        buf_put(out, range->nodes[i].b, 32);
}

static void assert_refused(const struct buf *evidence, int code, const char *id)
{
    struct evidence out = {.common_size = 77};
    struct err e = {0};
    int rc = evidence_open(buf_bytes(evidence), &author.key, &out, &e);
    if (rc != code || strcmp(e.id, id) != 0)
        fail_msg("%d %s: %s, expected %d %s", rc, e.id, e.message, code, id);
    assert_int_equal(out.common_size, 77);
}

static void rewrite(struct buf *out, const struct buf *note_1, const struct crange *range_1, const struct buf *note_2,
                    const struct crange *range_2)
{
    buf_reset(out);
    buf_put_u8(out, 1);
    put(out, note_1, range_1);
    put(out, note_2, range_2);
}

static void test_refused(void **state)
{
    (void)state;
    struct pair p;
    struct buf out = {0}, honest_note = {0}, bad_note = {0};
    struct view honest;
    struct crange wrong;
    make_pair(&p);
    make_view(14, 1, 9, true, &honest_note, &honest);
    rewrite(&out, &p.note_a, &p.a.range, &p.note_b, &p.b.range);
    assert_true(bytes_equal(buf_bytes(&out), buf_bytes(&p.evidence))); /* what is written by hand is the form */

    rewrite(&out, &p.note_b, &p.b.range, &p.note_a, &p.a.range);
    assert_refused(&out, ERR_INVALID, "evidence.form");
    rewrite(&out, &p.note_a, &p.a.range, &p.note_a, &p.a.range); /* one view twice */
    assert_refused(&out, ERR_INVALID, "evidence.form");
    rewrite(&out, &p.note_a, &p.a.range, &honest_note, &honest.range); /* one history */
    assert_refused(&out, ERR_VERIFY, "evidence.none");

    wrong = p.b.range;
    wrong.nodes[0].b[31] ^= 1; /* would contradict, but is nobody's */
    rewrite(&out, &p.note_a, &p.a.range, &p.note_b, &wrong);
    assert_refused(&out, ERR_VERIFY, "evidence.range");
    rewrite(&out, &p.note_a, &p.a.range, &p.note_b, &p.a.range);
    assert_refused(&out, ERR_INVALID, "crange.count");

    sign(&p.b.range, &stranger, &bad_note);
    rewrite(&out, &p.note_a, &p.a.range, &bad_note, &p.b.range);
    assert_refused(&out, ERR_VERIFY, "note.no-known-signature");

    struct checkpoint_opened opened;
    assert_int_equal(checkpoint_open(buf_bytes(&p.note_b), &author.key, NULL, 0, &opened, NULL), 0);
    struct buf cosigned = {0};
    buf_put(&cosigned, p.note_b.data, p.note_b.size);
    assert_int_equal(checkpoint_cosign(opened.body, &witness, 42, &cosigned, NULL), 0);
    rewrite(&out, &p.note_a, &p.a.range, &cosigned, &p.b.range);
    assert_refused(&out, ERR_INVALID, "evidence.form");

    buf_reset(&out);
    buf_put(&out, p.evidence.data, p.evidence.size);
    out.data[0] = 3;
    assert_refused(&out, ERR_INVALID, "evidence.form");
    out.data[0] = 1;
    buf_put_u8(&out, 0);
    assert_refused(&out, ERR_INVALID, "evidence.form");
    buf_close(&cosigned);
    buf_close(&out);
    buf_close(&honest_note);
    buf_close(&bad_note);
    close_pair(&p);
}

/* No prefix and no single changed byte is evidence. */
static void test_every_byte(void **state)
{
    (void)state;
    struct pair p;
    struct evidence out;
    char origin[ORIGIN_NAME_BYTES_MAX + 1];
    make_pair(&p);
    for (size_t size = 0; size < p.evidence.size; size++) {
        assert_true(evidence_open(bytes_of(p.evidence.data, size), &author.key, &out, NULL) < 0);
        int rc = evidence_peek(bytes_of(p.evidence.data, size), origin, NULL);
        assert_int_equal(rc, size < 5 + sizeof ORIGIN ? ERR_INVALID : 0);
    }
    for (size_t at = 0; at < p.evidence.size; at++) {
        p.evidence.data[at] ^= 0x40;
        assert_true(evidence_open(buf_bytes(&p.evidence), &author.key, &out, NULL) < 0);
        p.evidence.data[at] ^= 0x40;
    }
    assert_int_equal(evidence_open(buf_bytes(&p.evidence), &author.key, &out, NULL), 0);
    close_pair(&p);
}

static void test_too_large(void **state)
{
    (void)state;
    struct buf out = {0};
    char origin[ORIGIN_NAME_BYTES_MAX + 1];
    buf_put_u8(&out, 1);
    buf_put_u32(&out, UINT32_MAX); /* more than there is */
    assert_refused(&out, ERR_INVALID, "evidence.form");
    for (unsigned i = 0; i < ORIGIN_NAME_BYTES_MAX + 1; i++)
        buf_put_u8(&out, 'a');
    buf_put_u8(&out, '\n');
    assert_int_equal(evidence_peek(buf_bytes(&out), origin, NULL), ERR_INVALID);
    assert_non_null(buf_extend(&out, EVIDENCE_BYTES_MAX));
    memset(out.data + 5, 'a', out.size - 5);
    assert_refused(&out, ERR_INVALID, "evidence.form");
    buf_close(&out);
}

/* ---- a proof of consistency with another history ---- */

static void tree_of(uint64_t size, unsigned history, uint64_t fork, struct naive_tree *ret)
{
    for (uint64_t i = 0; i < size; i++) {
        struct merkle_hash hash;
        leaf_of(i, history, fork, &hash);
        naive_tree_add_hash(ret, &hash);
    }
}

/* Whatever the sizes, the fork and the proof: an honest one never accuses, a forked one does unless it starts at a power of two,
 * and what is accused from lies at or before the fork and behind a common subtree. */
static void test_extensions(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 5);
    unsigned found = 0;
    for (unsigned round = 0; round < 400; round++) {
        uint64_t old = 2 + prng_below(&prng, 90), larger = old + 1 + prng_below(&prng, 60);
        uint64_t fork = prng_below(&prng, old + 20);
        struct buf notes[2] = {0}, evidence = {0};
        struct naive_tree tree = {0};
        struct view seen, newer;
        struct merkle_proof proof;
        uint64_t common = UINT64_MAX;
        tree_of(larger, 1, fork, &tree); /* the larger one is of history 1 */
        naive_tree_consistency(&tree, old, larger, &proof);
        make_view(old, 0, fork, true, &notes[0], &seen);
        make_view(larger, 1, fork, false, &notes[1], &newer);
        bool is_power = (old & (old - 1)) == 0;
        bool accused = view_extension_contradicts(&seen, &newer.head, &proof, &common);
        assert_true(accused == (fork < old && !is_power));
        if (accused) {
            struct evidence out;
            struct err e;
            assert_true(common <= fork);
            evidence_format_extension(&seen, &newer, &proof, &evidence);
            assert_int_equal(evidence_open(buf_bytes(&evidence), &author.key, &out, &e), 0);
            assert_true(out.is_extension && out.common_size == common && out.second.head.size == larger);
            for (unsigned k = 0; k < 8; k++) { /* no byte may be another */
                size_t at = prng_below(&prng, evidence.size);
                evidence.data[at] ^= 1;
                assert_int_not_equal(evidence_open(buf_bytes(&evidence), &author.key, &out, &e), 0);
                evidence.data[at] ^= 1;
            }
            evidence.size--;
            assert_int_not_equal(evidence_open(buf_bytes(&evidence), &author.key, &out, &e), 0);
            found++;
        }
        proof.count--; /* a proof of a wrong length is nobody's guilt */
        assert_false(view_extension_contradicts(&seen, &newer.head, &proof, &common));
        naive_tree_close(&tree);
        buf_close(&notes[0]);
        buf_close(&notes[1]);
        buf_close(&evidence);
    }
    assert_true(found > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_honest_pairs), cmocka_unit_test(test_forked_pairs), cmocka_unit_test(test_without_range),
        cmocka_unit_test(test_view_open),    cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_same_size),
        cmocka_unit_test(test_cosigned),     cmocka_unit_test(test_decoy_line),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_extensions),   cmocka_unit_test(test_extensions),   cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
