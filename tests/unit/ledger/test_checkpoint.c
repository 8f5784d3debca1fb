/* Checkpoints: the rules beyond the published vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/checkpoint.h"

static struct crypto_signer *crypto[3];
static struct note_signer log_signer, witness_signer, other_signer;
static const struct note_verifier *witnesses[1];

static int set_up(void **state)
{
    (void)state;
    for (uint8_t i = 0; i < 3; i++) {
        uint8_t seed[32] = {(uint8_t)(i + 1)};
        crypto[i] = crypto_signer_create(seed);
    }
    assert_int_equal(note_signer_init("log.example", NOTE_TYPE_ED25519, crypto[0], &log_signer, NULL), 0);
    assert_int_equal(note_signer_init("w.example", NOTE_TYPE_COSIGNATURE, crypto[1], &witness_signer, NULL), 0);
    assert_int_equal(note_signer_init("other.example", NOTE_TYPE_ED25519, crypto[2], &other_signer, NULL), 0);
    witnesses[0] = &witness_signer.key;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        crypto_signer_destroy(crypto[i]);
    return 0;
}

static struct checkpoint make(uint64_t size)
{
    struct checkpoint c = {.origin = "log.example", .size = size};
    if (size == 0)
        merkle_empty_root(&c.root);
    else
        merkle_leaf_hash(bytes_of("x", 1), &c.root);
    return c;
}

static int open_log(const struct buf *note, struct checkpoint_opened *ret, struct err *e)
{
    return checkpoint_open(buf_bytes(note), &log_signer.key, witnesses, 1, ret, e);
}

static void test_round_trip(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 20852163, MERKLE_SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct checkpoint c = make(sizes[i]);
        struct checkpoint_opened opened;
        struct buf out;
        buf_init(&out, 0);
        assert_int_equal(checkpoint_sign(&c, &log_signer, &out, NULL), 0);
        assert_int_equal(open_log(&out, &opened, NULL), 0);
        assert_int_equal(opened.head.size, sizes[i]);
        assert_memory_equal(opened.head.root.b, c.root.b, 32);
        assert_int_equal(opened.cosigned_count, 0);
        assert_int_equal(checkpoint_cosign(opened.body, &witness_signer, 42, &out, NULL), 0);
        assert_int_equal(open_log(&out, &opened, NULL), 0);
        assert_int_equal(opened.cosigned_count, 1);
        assert_int_equal(opened.cosigned[0].witness, 0);
        assert_int_equal(opened.cosigned[0].time_s, 42);
        buf_close(&out);
    }
}

static void test_without_log_signature(void **state)
{
    (void)state;
    struct checkpoint c = make(5);
    struct checkpoint_opened opened = {.cosigned_count = 9};
    struct buf body, out;
    struct err e;
    buf_init(&body, 0);
    buf_init(&out, 0);
    assert_int_equal(checkpoint_format(&c, &body, NULL), 0);
    buf_printf(&out, "%s\n", buf_cstr(&body));
    assert_int_equal(checkpoint_cosign(buf_bytes(&body), &witness_signer, 42, &out, NULL), 0);
    assert_int_equal(open_log(&out, &opened, &e), ERR_VERIFY); /* a witness alone is not the log */
    assert_string_equal(e.id, "checkpoint.unsigned");
    assert_int_equal(opened.cosigned_count, 9);
    buf_close(&body);
    buf_close(&out);
}

/* @body signed by the log's own key must still be refused. */
static void assert_refused(const char *body, int code, const char *id)
{
    const struct note_signer *signer = &log_signer;
    struct checkpoint_opened opened;
    struct buf out;
    struct err e = {.code = 0};
    buf_init(&out, 0);
    assert_int_equal(note_sign(bytes_of_string(body), &signer, 1, 0, &out, NULL), 0);
    assert_int_equal(open_log(&out, &opened, &e), code);
    assert_string_equal(e.id, id);
    buf_close(&out);
}

#define ROOT "LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE="

static void test_refused_bodies(void **state)
{
    (void)state;
    assert_refused("other.example\n5\n" ROOT "\n", ERR_VERIFY, "checkpoint.origin");
    assert_refused("log.example\n5\n" ROOT "\nextension\n", ERR_INVALID, "checkpoint.extension");
    assert_refused("log.example\n0\n" ROOT "\n", ERR_VERIFY, "checkpoint.empty-root");
    assert_refused("log.example\n4611686018427387905\n" ROOT "\n", ERR_INVALID, "checkpoint.size");
    assert_refused("log.example\n+5\n" ROOT "\n", ERR_INVALID, "checkpoint.size");
    assert_refused("log.example\n 5\n" ROOT "\n", ERR_INVALID, "checkpoint.size");
    assert_refused("log.example\n\n" ROOT "\n", ERR_INVALID, "checkpoint.size");
    assert_refused("log.example\n5\n" ROOT "=\n", ERR_INVALID, "checkpoint.root");
    assert_refused("log.example\n5\n\n", ERR_INVALID, "checkpoint.root");
    assert_refused("log example\n5\n" ROOT "\n", ERR_INVALID, "note.name");
    assert_refused("log.example\n5\n", ERR_INVALID, "checkpoint.lines");
}

static void test_extensions(void **state)
{
    (void)state;
    struct checkpoint c;
    struct buf out;
    assert_int_equal(checkpoint_parse(bytes_of_string("o\n5\n" ROOT "\na\nb c\n"), &c, NULL), 0);
    assert_int_equal(c.extension_count, 2);
    buf_init(&out, 0);
    assert_int_equal(checkpoint_format(&c, &out, NULL), ERR_INVALID); /* they were not kept: nothing to write */
    assert_int_equal(out.size, 0);
    assert_int_equal(checkpoint_parse(bytes_of_string("o\n5\n" ROOT "\na"), &c, NULL), ERR_INVALID);
    assert_int_equal(checkpoint_parse(bytes_of_string("o\n5\n" ROOT "\na\n\n"), &c, NULL), ERR_INVALID);
    assert_int_equal(checkpoint_parse(bytes_of_string("cosignature/v1\n5\n" ROOT "\n"), &c, NULL), ERR_INVALID);
    buf_close(&out);
}

static void test_wrong_key(void **state)
{
    (void)state;
    /* Signed by another key under the log's name: another key id, so an unknown signature. */
    struct note_signer impostor;
    struct checkpoint c = make(5);
    struct checkpoint_opened opened;
    struct buf out;
    struct err e;
    buf_init(&out, 0);
    assert_int_equal(note_signer_init("log.example", NOTE_TYPE_ED25519, crypto[2], &impostor, NULL), 0);
    assert_int_equal(checkpoint_sign(&c, &impostor, &out, NULL), 0);
    assert_int_equal(open_log(&out, &opened, &e), ERR_VERIFY);
    assert_string_equal(e.id, "note.no-known-signature");
    buf_close(&out);
}

static void test_format_refused(void **state)
{
    (void)state;
    struct checkpoint c = make(MERKLE_SIZE_MAX + 1);
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(checkpoint_format(&c, &out, NULL), ERR_INVALID);
    c = make(1);
    (void)snprintf(c.origin, sizeof c.origin, "cosignature/v1");
    assert_int_equal(checkpoint_format(&c, &out, NULL), ERR_INVALID);
    c.origin[0] = '\0';
    assert_int_equal(checkpoint_format(&c, &out, NULL), ERR_INVALID);
    assert_int_equal(checkpoint_cosign(bytes_of_string("log.example\n"), &witness_signer, 1, &out, NULL), ERR_INVALID);
    assert_int_equal(out.size, 0);
    buf_close(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_without_log_signature),
        cmocka_unit_test(test_refused_bodies), cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_wrong_key),      cmocka_unit_test(test_format_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
