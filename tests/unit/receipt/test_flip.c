/* Every bit of a receipt in each of its four forms, changed one at a time: it is not proven any more, or says the same.
 *
 * With exactly the signatures that the quorum needs, and none besides, no changed bit is tolerated at all, but for what stands in
 * a page outside the proof. With one cosignature to spare and one of an unknown witness, a change is tolerated in two places
 * alone: in the name or key id of a cosignature (one witness less is known), and in the unknown line. */
#include "tests/unit/receipt/receipt_rig.h"

#include "node/receipt/receipt_file.h"
#include "node/receipt/receipt_html.h"

/* What the whole receipt says. */
struct said {
    struct merkle_hash leaf;
    struct bytes body; /* in mem */
    uint64_t index;
    struct arena mem;
    bool cosigned[4];
};

static int judge(struct rig *r, struct bytes file, struct said *ret, struct err *e)
{
    struct receipt receipt;
    struct buf text = {0};
    enum receipt_form form;
    int rc = receipt_file_read(file, &r->policy, &text, &form, e);
    if (rc == 0)
        rc = receipt_verify(buf_bytes(&text), &r->policy, &ret->mem, &receipt, e);
    if (rc == 0) {
        ret->leaf = receipt.leaf_hash;
        ret->index = receipt.proof.index;
        ret->body = arena_bytes(&ret->mem, receipt.opened.body);
        for (size_t i = 0; i < receipt.opened.cosigned_count; i++)
            ret->cosigned[receipt.opened.cosigned[i].witness] = true;
    }
    buf_close(&text);
    return rc;
}

/* Changes every @step-th bit; the places that are still proven are marked in the result (caller frees). */
static bool *flip(struct rig *r, const struct buf *file, size_t from, size_t to, size_t step)
{
    bool *tolerated = calloc(file->size, 1);
    uint8_t *bytes = malloc(file->size);
    struct said whole = {.index = 0};
    struct err e = {0};
    if (judge(r, buf_bytes(file), &whole, &e) != 0)
        fail_msg("%s", e.message);
    memcpy(bytes, file->data, file->size);
    for (size_t bit = 8 * from; bit < 8 * to; bit += step) {
        struct said said = {.index = 0};
        e = (struct err){0};
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (judge(r, bytes_of(bytes, file->size), &said, &e) == 0) {
            size_t count = 0;
            assert_true(merkle_hash_equal(&said.leaf, &whole.leaf) && said.index == whole.index);
            assert_true(bytes_equal(said.body, whole.body));
            for (size_t i = 0; i < 4; i++) {
                assert_true(whole.cosigned[i] || !said.cosigned[i]);
                count += said.cosigned[i];
            }
            assert_true(count >= 3);
            tolerated[bit / 8] = true;
        } else if (e.id[0] == '\0' || e.message[0] == '\0') {
            fail_msg("bit %zu: refused without a reason", bit);
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        arena_close(&said.mem);
    }
    arena_close(&whole.mem);
    free(bytes);
    return tolerated;
}

static void expect_none(struct rig *r, const struct buf *file, size_t from, size_t to)
{
    bool *tolerated = flip(r, file, from, to, 1);
    for (size_t i = from; i < to; i++)
        if (tolerated[i])
            fail_msg("byte %zu of %zu may change", i, file->size);
    free(tolerated);
}

static size_t find(const struct buf *file, const char *text)
{
    const uint8_t *at = memmem(file->data, file->size, text, strlen(text));
    assert_non_null(at);
    return (size_t)(at - file->data);
}

static void make(struct rig *r, bool is_spare, struct buf *text)
{
    struct rig_shape shape = {
        .index = 6, .size = 11, .cosigned = is_spare ? 4 : 3, .step_s = 300, .with_foreign = is_spare};
    rig_receipt(r, &shape, text);
}

static void test_exact_text(void **state)
{
    struct buf text = {0};
    make(*state, false, &text);
    expect_none(*state, &text, 0, text.size);
    buf_close(&text);
}

static void test_exact_compact(void **state)
{
    struct rig *r = *state;
    struct buf text = {0}, compact = {0};
    make(r, false, &text);
    assert_int_equal(receipt_to_compact(buf_bytes(&text), &r->policy, 0, &compact, NULL), 0);
    expect_none(r, &compact, 0, compact.size);
    buf_close(&text);
    buf_close(&compact);
}

static void test_exact_qr(void **state)
{
    struct rig *r = *state;
    struct buf text = {0}, qr = {0};
    make(r, false, &text);
    assert_int_equal(receipt_to_qr_text(buf_bytes(&text), &r->policy, &qr, NULL), 0);
    expect_none(r, &qr, 0, qr.size);
    buf_close(&text);
    buf_close(&qr);
}

/* Outside the proof the page is only paper: any bit but those of its first byte, which tells the form. */
static void test_exact_page(void **state)
{
    struct rig *r = *state;
    struct buf text = {0}, page = {0};
    make(r, false, &text);
    const struct receipt_page content = {.proof = buf_bytes(&text), .policy = &r->policy};
    assert_int_equal(receipt_html(&content, &page, NULL), 0);
    size_t from = find(&page, RECEIPT_FILE_PRE), to = find(&page, "</pre>") + strlen("</pre>");
    expect_none(r, &page, from, to);
    expect_none(r, &page, 0, 1);
    bool *tolerated = flip(r, &page, 1, from, 997);
    for (size_t bit = 8; bit < 8 * from; bit += 997)
        assert_true(tolerated[bit / 8]);
    free(tolerated);
    buf_close(&text);
    buf_close(&page);
}

/* One to spare: exactly where a change does not matter. */
static void test_spare_text(void **state)
{
    struct rig *r = *state;
    struct buf text = {0};
    size_t at[4], count = 0;
    make(r, true, &text);
    size_t foreign = find(&text, r->foreign.key.name) - strlen("\xe2\x80\x94 ");
    for (size_t i = 0; i < 4; i++)
        at[i] = find(&text, r->witnesses[i].key.name);
    bool *tolerated = flip(r, &text, 0, text.size, 1);
    for (size_t i = 0; i < text.size; i++) {
        bool may = i >= foreign;
        for (size_t k = 0; k < 4; k++) /* the name, and the six digits of base64 that hold the key id */
            may = may || (i >= at[k] && i < at[k] + strlen(r->witnesses[k].key.name)) ||
                  (i > at[k] + strlen(r->witnesses[k].key.name) && i <= at[k] + strlen(r->witnesses[k].key.name) + 6);
        if (tolerated[i] && !may)
            fail_msg("byte %zu of %zu may change", i, text.size);
        count += tolerated[i];
    }
    assert_true(count > 100 && !tolerated[foreign]); /* the dash must stay one */
    free(tolerated);
    buf_close(&text);
}

static void test_spare_compact(void **state)
{
    struct rig *r = *state;
    struct buf text = {0}, compact = {0};
    make(r, true, &text);
    assert_int_equal(receipt_to_compact(buf_bytes(&text), &r->policy, 0, &compact, NULL), 0);
    bool *tolerated = flip(r, &compact, 0, compact.size, 1);
    size_t count = 0;
    for (size_t i = 0; i < compact.size; i++) {
        bool may = false;
        for (size_t k = 0; k < 4; k++) {
            uint8_t id[4];
            put_be32(id, r->witnesses[k].key.key_id);
            const uint8_t *at = memmem(compact.data, compact.size, id, sizeof id);
            assert_non_null(at);
            may = may || (compact.data + i >= at && compact.data + i < at + sizeof id);
        }
        assert_int_equal(tolerated[i], may);
        count += tolerated[i];
    }
    assert_int_equal(count, 4 * 4); /* the unknown line did not come along */
    free(tolerated);
    buf_close(&text);
    buf_close(&compact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_text), cmocka_unit_test(test_exact_compact), cmocka_unit_test(test_exact_qr),
        cmocka_unit_test(test_exact_page), cmocka_unit_test(test_spare_text),    cmocka_unit_test(test_spare_compact),
    };
    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
