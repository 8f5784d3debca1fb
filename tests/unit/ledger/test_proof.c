/* Offline proofs: quorum and form beyond the published vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/proof.h"
#include "tests/lib/naive_tree.h"

#define WITNESSES 4

static struct crypto_signer *crypto[1 + WITNESSES];
static struct note_signer log_signer, witness_signers[WITNESSES];
static const struct note_verifier *witnesses[WITNESSES];
static struct naive_tree tree;

static int set_up(void **state)
{
    (void)state;
    for (uint8_t i = 0; i <= WITNESSES; i++) {
        uint8_t seed[32] = {(uint8_t)(i + 1)};
        char name[16];
        crypto[i] = crypto_signer_create(seed);
        (void)snprintf(name, sizeof name, "w%u.example", i);
        if (i == 0) {
            assert_int_equal(note_signer_init("log.example", NOTE_TYPE_ED25519, crypto[i], &log_signer, NULL), 0);
            continue;
        }
        struct note_signer *w = &witness_signers[i - 1];
        assert_int_equal(note_signer_init(name, NOTE_TYPE_COSIGNATURE, crypto[i], w, NULL), 0);
        witnesses[i - 1] = &w->key;
    }
    for (uint8_t i = 0; i < 11; i++)
        naive_tree_add(&tree, bytes_of(&i, 1));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i <= WITNESSES; i++)
        crypto_signer_destroy(crypto[i]);
    naive_tree_close(&tree);
    return 0;
}

/* A proof of leaf 6 of 11 with @cosigned cosignatures. @note must outlive @ret. */
static void make_proof(size_t cosigned, struct buf *note, struct proof *ret)
{
    struct checkpoint head = {.origin = "log.example", .size = 11};
    struct checkpoint_opened opened;
    struct merkle_source source = naive_tree_source(&tree);
    *ret = (struct proof){.index = 6};
    buf_init(note, 0);
    assert_int_equal(merkle_root(&source, 11, &head.root, NULL), 0);
    assert_int_equal(checkpoint_sign(&head, &log_signer, note, NULL), 0);
    for (size_t i = 0; i < cosigned; i++) {
        assert_int_equal(checkpoint_open(buf_bytes(note), &log_signer.key, NULL, 0, &opened, NULL), 0);
        struct buf line;
        buf_init(&line, 0);
        assert_int_equal(checkpoint_cosign(opened.body, &witness_signers[i], 7, &line, NULL), 0);
        buf_put(note, line.data, line.size);
        buf_put(note, line.data, line.size); /* the same witness twice counts once */
        buf_close(&line);
    }
    assert_int_equal(merkle_prove_inclusion(&source, 6, 11, &ret->inclusion, NULL), 0);
    ret->checkpoint = buf_bytes(note);
}

static void test_quorum(void **state)
{
    (void)state;
    for (size_t cosigned = 0; cosigned <= WITNESSES; cosigned++) {
        for (size_t quorum = 0; quorum <= WITNESSES + 1; quorum++) {
            struct proof_policy policy = {&log_signer.key, witnesses, WITNESSES, quorum};
            struct checkpoint_opened opened = {.cosigned_count = 99};
            struct buf note;
            struct proof p;
            struct err e;
            make_proof(cosigned, &note, &p);
            int rc = proof_verify(&p, &tree.level[0].hash[6], &policy, &opened, &e);
            if (cosigned >= quorum) {
                assert_int_equal(rc, 0);
                assert_int_equal(opened.cosigned_count, cosigned);
            } else {
                assert_int_equal(rc, ERR_VERIFY);
                assert_string_equal(e.id, "proof.quorum");
                assert_int_equal(opened.cosigned_count, 99);
            }
            buf_close(&note);
        }
    }
}

static void test_wrong_entry(void **state)
{
    (void)state;
    struct proof_policy policy = {&log_signer.key, witnesses, WITNESSES, 1};
    struct checkpoint_opened opened;
    struct buf note;
    struct proof p;
    make_proof(1, &note, &p);
    assert_int_equal(proof_verify(&p, &tree.level[0].hash[5], &policy, &opened, NULL), ERR_VERIFY);
    p.index = 5;
    assert_int_equal(proof_verify(&p, &tree.level[0].hash[6], &policy, &opened, NULL), ERR_VERIFY);
    p.index = 11;
    assert_int_equal(proof_verify(&p, &tree.level[0].hash[6], &policy, &opened, NULL), ERR_INVALID);
    p.index = 6;
    p.inclusion.count--;
    assert_int_equal(proof_verify(&p, &tree.level[0].hash[6], &policy, &opened, NULL), ERR_INVALID);
    buf_close(&note);
}

static void test_extra_round_trip(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 300, LEAF_BYTES_MAX};
    uint8_t *extra = calloc(1, LEAF_BYTES_MAX + 1);
    assert_non_null(extra);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct arena arena = ARENA_INIT;
        struct buf note, out;
        struct proof p, again;
        make_proof(2, &note, &p);
        p.has_extra = true;
        p.extra = bytes_of(extra, sizes[i]);
        buf_init(&out, 0);
        assert_int_equal(proof_format(&p, &out, NULL), 0);
        assert_int_equal(proof_parse(buf_bytes(&out), &arena, &again, NULL), 0);
        assert_true(again.has_extra);
        assert_true(bytes_equal(again.extra, p.extra));
        assert_true(bytes_equal(again.checkpoint, p.checkpoint));
        assert_int_equal(again.index, 6);
        buf_reset(&out);
        p.extra = bytes_of(extra, LEAF_BYTES_MAX + 1);
        struct err e;
        assert_int_equal(proof_format(&p, &out, &e), ERR_LIMIT);
        assert_string_equal(e.id, "proof.extra-size");
        buf_close(&out);
        buf_close(&note);
        arena_close(&arena);
    }
    free(extra);
}

#define HASH "LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=\n"
#define HEAD "c2sp.org/tlog-proof@v1\n"

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *id;
    } rows[] = {
        {"", "proof.header"},
        {"c2sp.org/tlog-proof@v1", "proof.header"},
        {HEAD, "proof.index"},
        {HEAD "index\n\nx\n", "proof.index"},
        {HEAD "index  1\n\nx\n", "proof.index"},
        {HEAD "index 1 \n\nx\n", "proof.index"},
        {HEAD "Index 1\n\nx\n", "proof.index"},
        {HEAD "index 18446744073709551616\n\nx\n", "proof.index"},
        {HEAD "index 1\nextra AAAA\n\nx\n", "proof.hash"},
        {HEAD "extra AAAA\nextra AAAA\nindex 1\n\nx\n", "proof.index"},
        {HEAD "extra AAA\nindex 1\n\nx\n", "proof.extra"},
        {HEAD "extra AAAA \nindex 1\n\nx\n", "proof.extra"},
        {HEAD "index 1\n" HASH, "proof.short"},
        {HEAD "index 1\n" HASH "AAAA\n\nx\n", "proof.hash"},
        {HEAD "index 1\n" HASH "\n", "proof.checkpoint"},
        {HEAD "index 1\n" HASH "\nx", "proof.checkpoint"},
        {HEAD "index 1\r\n\nx\n", "proof.index"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena = ARENA_INIT;
        struct proof p = {.index = 77};
        struct err e = {.code = 0};
        assert_true(proof_parse(bytes_of_string(rows[i].text), &arena, &p, &e) < 0);
        assert_string_equal(e.id, rows[i].id);
        assert_int_equal(p.index, 77);
        arena_close(&arena);
    }
}

static void test_limits(void **state)
{
    (void)state;
    for (int count = 62; count <= 64; count++) {
        struct arena arena = ARENA_INIT;
        struct buf text;
        struct proof p;
        struct err e;
        buf_init(&text, 0);
        buf_put_string(&text, HEAD "index 1\n");
        for (int i = 0; i < count; i++)
            buf_put_string(&text, HASH);
        buf_put_string(&text, "\nx\n");
        assert_int_equal(proof_parse(buf_bytes(&text), &arena, &p, &e), count <= 63 ? 0 : ERR_LIMIT);
        if (count > 63)
            assert_string_equal(e.id, "proof.hash-count");
        while (text.size <= PROOF_BYTES_MAX)
            buf_put_string(&text, HASH);
        assert_int_equal(proof_parse(buf_bytes(&text), &arena, &p, &e), ERR_LIMIT);
        assert_string_equal(e.id, "proof.size");
        buf_close(&text);
        arena_close(&arena);
    }
}

/* A checkpoint of the largest size is written and read, one byte more is neither. */
static void test_checkpoint_size(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct buf text = {0}, note = {0};
    struct proof p, again;
    struct err e;
    make_proof(1, &note, &p);
    while (note.size < NOTE_BYTES_MAX)
        buf_put_u8(&note, '\n');
    p.checkpoint = buf_bytes(&note);
    assert_int_equal(proof_format(&p, &text, NULL), 0);
    assert_int_equal(proof_parse(buf_bytes(&text), &arena, &again, NULL), 0);
    buf_put_u8(&text, '\n');
    assert_int_equal(proof_parse(buf_bytes(&text), &arena, &again, &e), ERR_LIMIT);
    assert_string_equal(e.id, "proof.checkpoint-size");

    buf_reset(&text);
    buf_put_u8(&note, '\n');
    p.checkpoint = buf_bytes(&note);
    assert_int_equal(proof_format(&p, &text, &e), ERR_LIMIT);
    assert_string_equal(e.id, "proof.checkpoint-size");
    assert_int_equal(text.size, 0);
    p.inclusion.count = MERKLE_PROOF_HASHES_MAX + 1;
    assert_int_equal(proof_format(&p, &text, &e), ERR_LIMIT);
    assert_string_equal(e.id, "proof.hash-count");
    buf_close(&text);
    buf_close(&note);
    arena_close(&arena);
}

/* Extra data is refused by its length as text, before memory is taken. */
static void test_extra_text_size(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct buf text = {0};
    struct proof p;
    struct err e;
    buf_put_string(&text, HEAD "extra ");
    for (size_t i = 0; i <= base64_encoded_size(LEAF_BYTES_MAX); i++)
        buf_put_u8(&text, 'A');
    buf_put_string(&text, "\nindex 1\n\nx\n");
    assert_int_equal(proof_parse(buf_bytes(&text), &arena, &p, &e), ERR_LIMIT);
    assert_string_equal(e.id, "proof.extra-size");
    buf_close(&text);
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quorum),           cmocka_unit_test(test_wrong_entry),
        cmocka_unit_test(test_extra_round_trip), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_limits),           cmocka_unit_test(test_checkpoint_size),
        cmocka_unit_test(test_extra_text_size),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
