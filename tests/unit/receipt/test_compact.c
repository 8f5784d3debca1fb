/* The short form of receipts: there and back, what fits into a QR code, the fewest cosignatures, what is refused. */
#include "tests/unit/receipt/receipt_rig.h"

#include "federation/ledger/base45.h"

static void expect(int rc, const struct err *e, int code, const char *id)
{
    if (rc != code || strcmp(e->id, id) != 0)
        fail_msg("%d %s (%s), expected %d %s", rc, e->id, e->message, code, id);
}

/* Text -> short form -> text: the same when its signatures stand in the order of time. */
static void test_there_and_back(void **state)
{
    static const uint64_t trees[][2] = {{0, 1},
                                        {0, 2},
                                        {1, 2},
                                        {6, 11},
                                        {10, 11},
                                        {999, 1000},
                                        {0, 1ull << 32},
                                        {(1ull << 32) - 1, 1ull << 32},
                                        {1ull << 61, (1ull << 62) - 1}};
    struct rig *r = *state;
    for (size_t i = 0; i < array_count(trees); i++) {
        for (size_t cosigned = 0; cosigned <= 4; cosigned++) {
            struct rig_shape shape = {
                .index = trees[i][0], .size = trees[i][1], .cosigned = cosigned, .step_s = i * 100 + 1};
            struct buf text = {0}, compact = {0}, back = {0}, qr = {0}, from_qr = {0};
            struct err e = {0};
            rig_receipt(r, &shape, &text);
            if (receipt_to_compact(buf_bytes(&text), &r->policy, 0, &compact, &e) != 0)
                fail_msg("%zu: %s", i, e.message);
            assert_int_equal(receipt_from_compact(buf_bytes(&compact), &r->policy, &back, &e), 0);
            assert_true(bytes_equal(buf_bytes(&text), buf_bytes(&back)));
            assert_int_equal(receipt_to_qr_text(buf_bytes(&text), &r->policy, &qr, &e), 0);
            assert_int_equal(receipt_from_qr_text(buf_bytes(&qr), &from_qr, &e), 0);
            assert_true(bytes_equal(buf_bytes(&compact), buf_bytes(&from_qr)));
            buf_close(&text);
            buf_close(&compact);
            buf_close(&back);
            buf_close(&qr);
            buf_close(&from_qr);
        }
    }
}

/* Path of 32 hashes, 20 cosignatures up to 24 days apart, leaf of 330 bytes: all of it in one code. */
static void test_fits_a_qr_code(void **state)
{
    struct rig *r = *state;
    struct rig_shape shape = {
        .index = 5, .size = 1ull << 32, .cosigned = 20, .step_s = (1u << 21) - 1, .leaf_bytes = 330};
    struct policy policy;
    struct buf text = {0}, compact = {0}, qr = {0};
    struct arena mem = ARENA_INIT;
    struct receipt receipt;
    rig_policy(r, 20, "group g 14 w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19\nquorum g",
               &policy);
    rig_receipt(r, &shape, &text);
    assert_int_equal(receipt_verify(buf_bytes(&text), &policy, &mem, &receipt, NULL), 0);
    assert_int_equal(receipt.proof.extra.size, 330);
    assert_int_equal(receipt.proof.inclusion.count, 32);
    assert_int_equal(receipt_to_compact(buf_bytes(&text), &policy, 0, &compact, NULL), 0);
    assert_true(compact.size <= RECEIPT_QR_COMPACT_BYTES_MAX);
    assert_int_equal(receipt_to_qr_text(buf_bytes(&text), &policy, &qr, NULL), 0);
    assert_true(qr.size <= RECEIPT_QR_CHARACTERS_MAX);
    assert_int_equal(qr.size, 4 + base45_encoded_size(compact.size)); /* none was left out */
    assert_int_equal(4 + base45_encoded_size(RECEIPT_QR_COMPACT_BYTES_MAX), RECEIPT_QR_CHARACTERS_MAX);
    buf_close(&text);
    buf_close(&compact);
    buf_close(&qr);
    arena_close(&mem);
}

/* Which of the first @count witnesses the short form of at most @size_max bytes keeps, as bits. */
static unsigned kept(struct rig *r, const struct policy *policy, size_t count, size_t size_max)
{
    struct rig_shape shape = {.index = 3, .size = 9, .cosigned = count, .step_s = 1};
    struct buf text = {0}, compact = {0}, back = {0};
    struct arena mem = ARENA_INIT;
    struct receipt receipt;
    struct err e = {0};
    unsigned bits = 0;
    rig_receipt(r, &shape, &text);
    if (receipt_to_compact(buf_bytes(&text), policy, size_max, &compact, &e) != 0)
        fail_msg("%s", e.message);
    assert_true(compact.size <= size_max);
    assert_int_equal(receipt_from_compact(buf_bytes(&compact), policy, &back, &e), 0);
    if (receipt_verify(buf_bytes(&back), policy, &mem, &receipt, &e) != 0)
        fail_msg("%s", e.message);
    for (size_t i = 0; i < receipt.opened.cosigned_count; i++)
        bits |= 1u << receipt.opened.cosigned[i].witness;
    arena_close(&mem);
    buf_close(&text);
    buf_close(&compact);
    buf_close(&back);
    return bits;
}

static void test_fewest(void **state)
{
    static const struct {
        const char *lines;
        unsigned all, fewest; /* bits of witnesses */
    } rows[] = {
        {"group g 3 w0 w1 w2 w3 w4 w5\nquorum g", 0x3f, 0x07},
        {"quorum w4", 0x3f, 0x10},
        {"group a all w0 w1 w2\ngroup g any a w3\nquorum g", 0x3f, 0x08},
        {"group a 2 w0 w1 w2\ngroup b 2 w3 w4 w5\ngroup g all a b\nquorum g", 0x3f, 0x1b},
        /* groups that share: w1 alone serves both */
        {"group a any w0 w1\ngroup b any w1 w2\ngroup g all a b w3\nquorum g", 0x3f, 0x0a},
        {"group a all w0 w1\ngroup b all w1 w2\ngroup g all a b\nquorum g", 0x3f, 0x07},
    };
    struct rig *r = *state;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct policy policy;
        rig_policy(r, 6, rows[i].lines, &policy);
        assert_int_equal(kept(r, &policy, 6, RECEIPT_COMPACT_BYTES_MAX), rows[i].all);
        struct rig_shape shape = {.index = 3, .size = 9, .cosigned = 6, .step_s = 1};
        struct buf text = {0}, compact = {0};
        rig_receipt(r, &shape, &text);
        assert_int_equal(receipt_to_compact(buf_bytes(&text), &policy, 0, &compact, NULL), 0);
        assert_int_equal(kept(r, &policy, 6, compact.size), rows[i].all);
        unsigned got = kept(r, &policy, 6, compact.size - 1);
        if (got != rows[i].fewest)
            fail_msg("row %zu: kept %x, expected %x", i, got, rows[i].fewest);
        buf_close(&text);
        buf_close(&compact);
    }
}

static void test_too_large(void **state)
{
    struct rig *r = *state;
    for (size_t cosigned = 2; cosigned <= 4; cosigned++) { /* 2: not final, nothing to choose for */
        struct rig_shape shape = {.index = 5, .size = 1ull << 32, .cosigned = cosigned, .leaf_bytes = 2600};
        struct buf text = {0}, out = {0};
        struct err e = {0};
        rig_receipt(r, &shape, &text);
        int rc = receipt_to_qr_text(buf_bytes(&text), &r->policy, &out, &e);
        expect(rc, &e, ERR_LIMIT, "receipt.compact-size");
        assert_int_equal(out.size, 0);
        buf_close(&text);
        buf_close(&out);
    }
}

/* Every place where the short form is cut, and a byte behind it. */
static void test_cut(void **state)
{
    struct rig *r = *state;
    struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 3, .step_s = 300};
    struct buf text = {0}, compact = {0}, out = {0};
    struct err e = {0};
    rig_receipt(r, &shape, &text);
    assert_int_equal(receipt_to_compact(buf_bytes(&text), &r->policy, 0, &compact, NULL), 0);
    for (size_t size = 0; size < compact.size; size++)
        assert_true(receipt_from_compact(bytes_of(compact.data, size), &r->policy, &out, &e) < 0);
    buf_put_u8(&compact, 0);
    expect(receipt_from_compact(buf_bytes(&compact), &r->policy, &out, &e), &e, ERR_INVALID, "receipt.compact");
    assert_int_equal(out.size, 0);
    buf_close(&text);
    buf_close(&compact);
    buf_close(&out);
}

/* Offsets in the short form of a leaf of less than 128 + 128 bytes. */
struct layout {
    size_t leaf, log_id, size, path, signature, count;
};

static struct layout layout_of(const struct buf *compact, size_t leaf_bytes, size_t hashes)
{
    struct layout l = {.leaf = 6};
    assert_true(leaf_bytes >= 128 && leaf_bytes < 16384); /* its size takes two bytes */
    l.log_id = l.leaf + leaf_bytes;
    l.size = l.log_id + 4;
    l.path = l.size + 1;
    l.signature = l.path + 32 * hashes;
    l.count = l.signature + 64;
    assert_true(l.count < compact->size);
    return l;
}

static void refuse(struct rig *r, struct bytes compact, int code, const char *id, const char *part)
{
    struct buf out = {0};
    struct err e = {0};
    expect(receipt_from_compact(compact, &r->policy, &out, &e), &e, code, id);
    if (strstr(e.message, part) == NULL)
        fail_msg("'%s' does not say '%s'", e.message, part);
    buf_close(&out);
}

static void test_refused(void **state)
{
    struct rig *r = *state;
    struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 3}; /* all at one time: by key id */
    struct arena mem = ARENA_INIT;
    struct receipt receipt;
    struct buf text = {0}, c = {0};
    rig_receipt(r, &shape, &text);
    assert_int_equal(receipt_open(buf_bytes(&text), &r->policy, &mem, &receipt, NULL), 0);
    assert_int_equal(receipt_to_compact(buf_bytes(&text), &r->policy, 0, &c, NULL), 0);
    struct layout at = layout_of(&c, receipt.proof.extra.size, receipt.proof.inclusion.count);
    struct bytes all = buf_bytes(&c);

    c.data[0] ^= 1;
    refuse(r, all, ERR_INVALID, "receipt.compact", "begin with TBR");
    c.data[0] ^= 1;
    c.data[3] = 2;
    refuse(r, all, ERR_UNSUPPORTED, "receipt.version", "version 2");
    c.data[3] = 1;
    c.data[at.leaf] ^= 1;
    refuse(r, all, ERR_UNSUPPORTED, "leaf.magic", "start like a leaf");
    c.data[at.leaf] ^= 1;
    c.data[at.log_id] ^= 1;
    refuse(r, all, ERR_VERIFY, "receipt.unknown-log", "knows no ledger");
    c.data[at.log_id] ^= 1;
    c.data[at.size] = 6; /* entry 6 is not in a ledger of six */
    refuse(r, all, ERR_INVALID, "receipt.compact", "the size of the ledger");
    c.data[at.size] = 0;
    refuse(r, all, ERR_INVALID, "receipt.compact", "the size of the ledger");
    c.data[at.size] = 11;
    c.data[at.count] = 64;
    refuse(r, all, ERR_INVALID, "receipt.compact", "more signatures");
    c.data[at.count] = 2; /* one left over */
    refuse(r, all, ERR_INVALID, "receipt.compact", "left over");
    c.data[at.count] = 3;

    /* the second and the third change places: the same note, but not the one way to write it */
    uint8_t *second = c.data + at.count + 1 + 4 + 5 + 64, *third = second + 4 + 1 + 64, keep[69];
    memcpy(keep, second, sizeof keep);
    memcpy(second, third, sizeof keep);
    memcpy(third, keep, sizeof keep);
    refuse(r, all, ERR_INVALID, "receipt.compact", "order of time");
    memcpy(second, third, sizeof keep); /* the same twice */
    refuse(r, all, ERR_INVALID, "receipt.compact", "order of time");
    second[4] = 1; /* the same key at another time */
    third[4] = 1;
    refuse(r, all, ERR_INVALID, "receipt.compact", "cosigned twice");
    arena_close(&mem);
    buf_close(&text);
    buf_close(&c);
}

/* The first entry of an empty ledger: no number of hashes goes with that. */
static void test_empty_ledger(void **state)
{
    struct rig *r = *state;
    struct rig_shape shape = {.index = 0, .size = 1, .cosigned = 3};
    struct arena mem = ARENA_INIT;
    struct receipt receipt;
    struct buf text = {0}, c = {0};
    rig_receipt(r, &shape, &text);
    assert_int_equal(receipt_open(buf_bytes(&text), &r->policy, &mem, &receipt, NULL), 0);
    assert_int_equal(receipt_to_compact(buf_bytes(&text), &r->policy, 0, &c, NULL), 0);
    struct layout at = layout_of(&c, receipt.proof.extra.size, 0);
    assert_int_equal(c.data[at.size], 1);
    c.data[at.size] = 0;
    refuse(r, buf_bytes(&c), ERR_INVALID, "receipt.compact", "the size of the ledger");
    arena_close(&mem);
    buf_close(&text);
    buf_close(&c);
}

/* A size of 11 written in two bytes. */
static void test_numbers_are_short(void **state)
{
    struct rig *r = *state;
    struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 3};
    struct arena mem = ARENA_INIT;
    struct receipt receipt;
    struct buf text = {0}, c = {0}, longer = {0};
    rig_receipt(r, &shape, &text);
    assert_int_equal(receipt_open(buf_bytes(&text), &r->policy, &mem, &receipt, NULL), 0);
    assert_int_equal(receipt_to_compact(buf_bytes(&text), &r->policy, 0, &c, NULL), 0);
    struct layout at = layout_of(&c, receipt.proof.extra.size, receipt.proof.inclusion.count);
    buf_put(&longer, c.data, at.size);
    buf_put_u8(&longer, 11 | 0x80);
    buf_put_u8(&longer, 0);
    buf_put(&longer, c.data + at.size + 1, c.size - at.size - 1);
    refuse(r, buf_bytes(&longer), ERR_INVALID, "receipt.compact", "the size of the ledger");
    buf_reset(&longer);
    buf_put(&longer, c.data, at.size);
    for (int i = 0; i < 9; i++)
        buf_put_u8(&longer, 0xff); /* over 2^63 */
    buf_put_u8(&longer, 1);
    buf_put(&longer, c.data + at.size + 1, c.size - at.size - 1);
    refuse(r, buf_bytes(&longer), ERR_INVALID, "receipt.compact", "the size of the ledger");
    buf_close(&longer);
    buf_close(&text);
    buf_close(&c);
    arena_close(&mem);
}

/* A policy that knows fewer witnesses reads the short form too: what it does not know does not count. */
static void test_other_policy(void **state)
{
    struct rig *r = *state;
    struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 4, .with_foreign = true};
    struct policy narrow, log_alone;
    struct buf text = {0}, c = {0}, back = {0};
    struct arena mem = ARENA_INIT;
    struct receipt receipt;
    struct err e = {0};
    rig_policy(r, 2, "group g all w0 w1\nquorum g", &narrow);
    rig_policy(r, 0, "quorum none", &log_alone);
    rig_receipt(r, &shape, &text);
    assert_int_equal(receipt_to_compact(buf_bytes(&text), &r->policy, 0, &c, NULL), 0);
    assert_int_equal(receipt_from_compact(buf_bytes(&c), &narrow, &back, NULL), 0);
    assert_int_equal(receipt_verify(buf_bytes(&back), &narrow, &mem, &receipt, NULL), 0);
    assert_int_equal(receipt.opened.cosigned_count, 2);
    assert_int_equal(receipt_verify(buf_bytes(&back), &log_alone, &mem, &receipt, NULL), 0);
    assert_int_equal(receipt.opened.cosigned_count, 0);
    expect(receipt_verify(buf_bytes(&back), &r->policy, &mem, &receipt, &e), &e, ERR_VERIFY, "receipt.quorum");
    assert_string_equal(e.message, "2 known witnesses have signed, the policy asks for 3 or more of 4");
    assert_int_equal(receipt_open(buf_bytes(&back), &r->policy, &mem, &receipt, &e), 0);
    assert_false(receipt.is_final);
    buf_close(&text);
    buf_close(&c);
    buf_close(&back);
    arena_close(&mem);
}

static void test_two_keys_of_one_id(void **state)
{
    struct rig *r = *state;
    struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 3};
    struct policy doubtful = r->policy;
    struct policy_witness witnesses[4];
    struct policy_log logs[2] = {r->policy.logs[0], r->policy.logs[0]};
    struct buf text = {0}, c = {0}, out = {0};
    struct err e = {0};
    rig_receipt(r, &shape, &text);
    assert_int_equal(receipt_to_compact(buf_bytes(&text), &r->policy, 0, &c, NULL), 0);
    memcpy(witnesses, r->policy.witnesses, sizeof witnesses);
    witnesses[3].key.key_id = witnesses[0].key.key_id; /* by chance, 1 in 2^32 */
    doubtful.witnesses = witnesses;
    expect(receipt_to_compact(buf_bytes(&text), &doubtful, 0, &out, &e), &e, ERR_CONFLICT, "receipt.key-id");
    expect(receipt_from_compact(buf_bytes(&c), &doubtful, &out, &e), &e, ERR_CONFLICT, "receipt.key-id");
    doubtful.witnesses = r->policy.witnesses;
    doubtful.logs = logs;
    doubtful.log_count = 2;
    expect(receipt_to_compact(buf_bytes(&text), &doubtful, 0, &out, &e), &e, ERR_CONFLICT, "receipt.key-id");
    expect(receipt_from_compact(buf_bytes(&c), &doubtful, &out, &e), &e, ERR_CONFLICT, "receipt.key-id");
    buf_close(&text);
    buf_close(&c);
    buf_close(&out);
}

/* Proofs that hold, of something that is no receipt. */
static void test_no_receipt(void **state)
{
    struct rig *r = *state;
    struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 3};
    struct arena mem = ARENA_INIT;
    struct receipt receipt;
    struct proof p;
    struct buf text = {0}, other = {0}, leaf = {0};
    struct err e = {0};
    rig_receipt(r, &shape, &text);
    assert_int_equal(proof_parse(buf_bytes(&text), &mem, &p, NULL), 0);
    p.has_extra = false;
    assert_int_equal(proof_format(&p, &other, NULL), 0);
    expect(receipt_verify(buf_bytes(&other), &r->policy, &mem, &receipt, &e), &e, ERR_INVALID, "receipt.no-leaf");
    shape.index = 5; /* a leaf that names another place than the proof */
    rig_leaf(&shape, &leaf);
    p.has_extra = true;
    p.extra = buf_bytes(&leaf);
    buf_reset(&other);
    assert_int_equal(proof_format(&p, &other, NULL), 0);
    expect(receipt_verify(buf_bytes(&other), &r->policy, &mem, &receipt, &e), &e, ERR_VERIFY, "receipt.index");
    p.index = 5;
    buf_reset(&other);
    assert_int_equal(proof_format(&p, &other, NULL), 0);
    expect(receipt_verify(buf_bytes(&other), &r->policy, &mem, &receipt, &e), &e, ERR_VERIFY, "merkle.inclusion");
    expect(receipt_from_qr_text(bytes_of_string("TB2:BB8"), &other, &e), &e, ERR_INVALID, "receipt.qr-text");
    buf_close(&text);
    buf_close(&other);
    buf_close(&leaf);
    arena_close(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_fits_a_qr_code),
        cmocka_unit_test(test_fewest),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_empty_ledger),
        cmocka_unit_test(test_numbers_are_short),
        cmocka_unit_test(test_other_policy),
        cmocka_unit_test(test_two_keys_of_one_id),
        cmocka_unit_test(test_no_receipt),
    };
    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
