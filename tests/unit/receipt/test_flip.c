/* Every bit of a receipt in each of its four forms, changed one at a time: it is not proven any more, and a reason is given.
 *
 * By the signatures alone (C2SP, --lenient), with one cosignature to spare and one of an unknown witness, a change is tolerated in
 * two places: in the name or key id of a cosignature (one witness less is known), and in the unknown line. */
#include "tests/unit/receipt/receipt_rig.h"

#include "node/receipt/receipt_file.h"
#include "node/receipt/receipt_html.h"
#include "node/receipt/receipt_page.h"

/* What the whole receipt says. */
struct said {
    struct merkle_hash leaf;
    struct bytes body; /* in mem */
    uint64_t index;
    struct arena mem;
    bool cosigned[4];
};

static int judge(struct rig *r, struct bytes file, bool is_lenient, struct said *ret, struct err *e)
{
    struct receipt receipt;
    struct buf text = {0};
    enum receipt_form form;
    int rc = receipt_file_read(file, &r->policy, &text, &form, e);
    if (rc == 0)
        rc = receipt_verify(buf_bytes(&text), &r->policy, &ret->mem, &receipt, e);
    if (rc == 0 && !is_lenient)
        rc = receipt_file_check_exact(file, form, buf_bytes(&text), &r->policy, e);
    if (rc == 0 && !is_lenient && form == RECEIPT_FORM_PAGE)
        rc = receipt_page_check(file, buf_bytes(&text), &r->policy, NULL, e);
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

/* Changes each bit in turn; the places that are still proven are marked in the result (caller frees). */
static bool *flip(struct rig *r, const struct buf *file, bool is_lenient)
{
    bool *tolerated = calloc(file->size, 1);
    uint8_t *bytes = malloc(file->size);
    struct said whole = {.index = 0};
    struct err e = {0};
    if (judge(r, buf_bytes(file), is_lenient, &whole, &e) != 0)
        fail_msg("%s", e.message);
    memcpy(bytes, file->data, file->size);
    for (size_t bit = 0; bit < 8 * file->size; bit++) {
        struct said said = {.index = 0};
        e = (struct err){0};
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (judge(r, bytes_of(bytes, file->size), is_lenient, &said, &e) == 0) {
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

static void expect_none(struct rig *r, const struct buf *file)
{
    bool *tolerated = flip(r, file, false);
    for (size_t i = 0; i < file->size; i++)
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

static void make(struct rig *r, bool is_spare, bool with_foreign, struct buf *text)
{
    struct rig_shape shape = {
        .index = 6, .size = 11, .cosigned = is_spare ? 4 : 3, .step_s = 300, .with_foreign = with_foreign};
    rig_receipt(r, &shape, text);
}

/* Whole, and with one cosignature more than needed. */
static void expect_none_in(struct rig *r, enum receipt_form form)
{
    for (int is_spare = 0; is_spare < 2; is_spare++) {
        struct buf text = {0}, file = {0};
        int rc = 0;
        make(r, is_spare != 0, false, &text);
        if (form == RECEIPT_FORM_TEXT)
            buf_put(&file, text.data, text.size);
        else if (form == RECEIPT_FORM_COMPACT)
            rc = receipt_to_compact(buf_bytes(&text), &r->policy, 0, &file, NULL);
        else
            rc = receipt_to_qr_text(buf_bytes(&text), &r->policy, &file, NULL);
        assert_int_equal(rc, 0);
        expect_none(r, &file);
        buf_close(&text);
        buf_close(&file);
    }
}

static void test_exact_text(void **state)
{
    expect_none_in(*state, RECEIPT_FORM_TEXT);
}

static void test_exact_compact(void **state)
{
    expect_none_in(*state, RECEIPT_FORM_COMPACT);
}

static void test_exact_qr(void **state)
{
    expect_none_in(*state, RECEIPT_FORM_QR);
}

/* Every byte, one bit of each. Where the proof in it stays as it was its signatures are not checked anew. */
static void test_exact_page(void **state)
{
    struct rig *r = *state;
    struct buf text = {0}, file = {0}, back = {0};
    struct said said = {.index = 0};
    struct err e = {0};
    enum receipt_form form;
    make(r, true, false, &text);
    const struct receipt_page page = {.proof = buf_bytes(&text), .policy = &r->policy, .number = "N-1"};
    assert_int_equal(receipt_html(&page, &file, NULL), 0);
    assert_int_equal(judge(r, buf_bytes(&file), false, &said, &e), 0);
    for (size_t i = 0; i < file.size; i++) {
        uint8_t bit = (uint8_t)(1u << i % 8);
        e = (struct err){0};
        file.data[i] ^= bit;
        buf_reset(&back);
        int rc = receipt_file_read(buf_bytes(&file), &r->policy, &back, &form, &e);
        if (rc == 0 && bytes_equal(buf_bytes(&back), buf_bytes(&text)))
            rc = receipt_page_check(buf_bytes(&file), buf_bytes(&back), &r->policy, NULL, &e);
        else if (rc == 0)
            rc = judge(r, buf_bytes(&file), false, &said, &e);
        if (rc == 0 || e.id[0] == '\0' || e.message[0] == '\0')
            fail_msg("byte %zu of %zu may change, or no reason is given: %s", i, file.size, e.id);
        file.data[i] ^= bit;
    }
    arena_close(&said.mem);
    buf_close(&text);
    buf_close(&file);
    buf_close(&back);
}

/* Lines of the signatures in another order, and one of a stranger: the signatures hold, but so it was not given out. */
static void test_not_exact(void **state)
{
    struct rig *r = *state;
    struct buf text = {0}, exact = {0};
    struct said said = {.index = 0};
    struct err e = {0};
    make(r, true, true, &text);
    assert_int_equal(judge(r, buf_bytes(&text), false, &said, &e), ERR_VERIFY);
    assert_string_equal(e.id, "receipt.not-exact");
    assert_int_equal(judge(r, buf_bytes(&text), true, &said, &e), 0);
    assert_int_equal(receipt_to_exact(buf_bytes(&text), &r->policy, &exact, &e), 0);
    assert_int_equal(judge(r, buf_bytes(&exact), false, &said, &e), 0);
    assert_true(exact.size < text.size);
    size_t last = 0,
           line = find(&exact, "\n\n") + 2; /* behind the head; the signatures come behind the next empty line */
    for (size_t i = line; i + 1 < exact.size; i++)
        if (memcmp(exact.data + i, "\n\xe2", 2) == 0)
            last = i + 1;
    struct buf turned = {0};
    size_t first = last; /* the line before the last one */
    while (exact.data[first - 2] != '\n')
        first--;
    first--;
    buf_put(&turned, exact.data, first);
    buf_put(&turned, exact.data + last, exact.size - last);
    buf_put(&turned, exact.data + first, last - first);
    assert_int_equal(judge(r, buf_bytes(&turned), true, &said, &e), 0);
    assert_int_equal(judge(r, buf_bytes(&turned), false, &said, &e), ERR_VERIFY);
    assert_string_equal(e.id, "receipt.not-exact");
    arena_close(&said.mem);
    buf_close(&text);
    buf_close(&exact);
    buf_close(&turned);
}

/* One to spare: exactly where a change does not matter. */
static void test_spare_text(void **state)
{
    struct rig *r = *state;
    struct buf text = {0};
    size_t at[4], count = 0;
    make(r, true, true, &text);
    size_t foreign = find(&text, r->foreign.key.name) - strlen("\xe2\x80\x94 ");
    for (size_t i = 0; i < 4; i++)
        at[i] = find(&text, r->witnesses[i].key.name);
    bool *tolerated = flip(r, &text, true);
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
    make(r, true, true, &text);
    assert_int_equal(receipt_to_compact(buf_bytes(&text), &r->policy, 0, &compact, NULL), 0);
    bool *tolerated = flip(r, &compact, true);
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
        cmocka_unit_test(test_exact_text),    cmocka_unit_test(test_exact_compact), cmocka_unit_test(test_exact_qr),
        cmocka_unit_test(test_exact_page),    cmocka_unit_test(test_not_exact),     cmocka_unit_test(test_spare_text),
        cmocka_unit_test(test_spare_compact),
    };
    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
