/* Signed notes, rule by rule: keys and names, what is ignored, what refuses the whole note, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/note.h"

#define KEYS 3

/* log (plain), w1 and w2 (cosignature) with fixed seeds. */
static struct crypto_signer *crypto[KEYS];
static struct note_signer signers[KEYS];
static const struct note_verifier *known[KEYS];
static const char text[] = "log.example\n7\nmMl/C6MXXNCLAx3QhLncTmSbZNGijm6mlGRlAxc6tYc=\n";

static int set_up(void **state)
{
    (void)state;
    static const char *const names[KEYS] = {"log.example", "w1.example/\xe8\xa7\x81\xe8\xaf\x81", "w2.example"};
    for (uint8_t i = 0; i < KEYS; i++) {
        uint8_t seed[32] = {i};
        crypto[i] = crypto_signer_create(seed);
        uint8_t type = i == 0 ? NOTE_TYPE_ED25519 : NOTE_TYPE_COSIGNATURE;
        assert_int_equal(note_signer_init(names[i], type, crypto[i], &signers[i], NULL), 0);
        known[i] = &signers[i].key;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < KEYS; i++)
        crypto_signer_destroy(crypto[i]);
    return 0;
}

/* A note is put together from start_note() and lines by known keys and by nobody ("grease"). */
static void put_line(struct buf *out, int key, uint64_t time_s)
{
    assert_int_equal(note_sign_line(&signers[key], bytes_of_string(text), time_s, out, NULL), 0);
}

static void start_note(struct buf *out)
{
    buf_init(out, 0);
    buf_printf(out, "%s\n", text);
}

static void put_grease(struct buf *out, int i)
{
    buf_printf(out, "\xe2\x80\x94 grease%d.example aGVsbG8gd29ybG%s=\n", i, i % 2 == 0 ? "Q" : "E"); /* 11 bytes */
}

static int open_buf(const struct buf *b, size_t known_count, struct note *ret, struct err *e)
{
    return note_open(buf_bytes(b), known, known_count, ret, e);
}

static void test_round_trip(void **state)
{
    (void)state;
    const struct note_signer *all[KEYS] = {&signers[0], &signers[1], &signers[2]};
    struct buf out;
    struct note note;
    buf_init(&out, 0);
    assert_int_equal(note_sign(bytes_of_string(text), all, KEYS, 1790000130, &out, NULL), 0);
    assert_int_equal(open_buf(&out, KEYS, &note, NULL), 0);
    assert_int_equal(note.signature_count, 3);
    assert_int_equal(note.verified_count, 3);
    assert_true(bytes_equal(note.text, bytes_of_string(text)));
    for (size_t i = 0; i < KEYS; i++) {
        assert_int_equal(note.verified[i].verifier, i);
        assert_int_equal(note.verified[i].time_s, i == 0 ? 0 : 1790000130);
        assert_memory_equal(note.verified[i].line.data, "\xe2\x80\x94 ", 4);
        assert_int_equal(note.verified[i].line.data[note.verified[i].line.size - 1], '\n');
    }
    buf_close(&out);
}

static void test_ignored(void **state)
{
    (void)state;
    struct buf out;
    struct note note;
    start_note(&out);
    put_grease(&out, 0);
    put_line(&out, 1, 5);
    put_line(&out, 0, 0);
    put_grease(&out, 1);
    put_line(&out, 1, 6); /* w1 again, later: counts once, the first time stands */
    assert_int_equal(open_buf(&out, KEYS, &note, NULL), 0);
    assert_int_equal(note.signature_count, 5);
    assert_int_equal(note.verified_count, 2);
    assert_int_equal(note.verified[0].verifier, 1);
    assert_int_equal(note.verified[0].time_s, 5);

    /* The known name with another key id, and the known key id with another name, are other keys. */
    struct note_verifier other = *known[0];
    struct note_verifier renamed = *known[0];
    other.key_id++;
    (void)snprintf(renamed.name, sizeof renamed.name, "log2.example");
    const struct note_verifier *strange[2] = {&other, &renamed};
    struct err e;
    assert_int_equal(note_open(buf_bytes(&out), strange, 2, &note, &e), ERR_VERIFY);
    assert_string_equal(e.id, "note.no-known-signature");
    assert_int_equal(note_open(buf_bytes(&out), known, 0, &note, &e), ERR_VERIFY);
    buf_close(&out);
}

/* A failing signature of one known key refuses the note although another holds. */
static void test_bad_signature(void **state)
{
    (void)state;
    for (int broken = 0; broken < KEYS; broken++) {
        for (size_t flip = 0; flip < 4; flip++) {
            uint8_t blob[4 + 8 + 64];
            char encoded[128];
            size_t size = broken == 0 ? 68 : 76;
            struct buf line, out;
            struct note note;
            struct err e;
            size_t decoded = 0;
            start_note(&out);
            put_line(&out, (broken + 1) % KEYS, 9);
            buf_init(&line, 0);
            put_line(&line, broken, 9);
            size_t head = 4 + strlen(signers[broken].key.name) + 1;
            assert_int_equal(
                base64_decode((const char *)line.data + head, line.size - head - 1, blob, sizeof blob, &decoded), 0);
            assert_int_equal(decoded, size);
            blob[4 + flip * 19] ^= 1;                                  /* time, then places in the signature */
            base64_encode(blob, flip == 3 ? size - 1 : size, encoded); /* and one byte short */
            buf_printf(&out, "\xe2\x80\x94 %s %s\n", signers[broken].key.name, encoded);
            assert_int_equal(open_buf(&out, KEYS, &note, &e), ERR_VERIFY);
            assert_string_equal(e.id, "note.bad-signature");
            buf_close(&line);
            buf_close(&out);
        }
    }
}

static void test_time_limit(void **state)
{
    (void)state;
    struct buf out;
    struct err e;
    struct note note;
    start_note(&out);
    assert_int_equal(note_sign_line(&signers[1], bytes_of_string(text), (uint64_t)INT64_MAX + 1, &out, &e),
                     ERR_INVALID);
    assert_string_equal(e.id, "note.time");
    put_line(&out, 1, INT64_MAX);
    assert_int_equal(open_buf(&out, KEYS, &note, NULL), 0);
    assert_int_equal(note.verified[0].time_s, INT64_MAX);
    buf_close(&out);

    /* One that is signed as it should be, but for a second too late. */
    static const char head[] = "cosignature/v1\ntime 9223372036854775808\n";
    uint8_t blob[4 + 8 + 64];
    char encoded[128];
    struct buf message = {0};
    buf_printf(&message, "%s%s", head, text);
    put_be32(blob, signers[1].key.key_id);
    put_be64(blob + 4, (uint64_t)INT64_MAX + 1);
    crypto_sign(crypto[1], buf_bytes(&message), blob + 12);
    base64_encode(blob, sizeof blob, encoded);
    start_note(&out);
    buf_printf(&out, "\xe2\x80\x94 %s %s\n", signers[1].key.name, encoded);
    assert_int_equal(open_buf(&out, KEYS, &note, &e), ERR_VERIFY);
    assert_string_equal(e.id, "note.bad-signature");
    buf_close(&message);
    buf_close(&out);
}

static void test_count_limits(void **state)
{
    (void)state;
    static const struct {
        int grease; /* unknown signatures before the known one */
        int code;
    } rows[] = {{15, 0}, {16, 0}, {31, 0}, {63, 0}, {64, ERR_LIMIT}, {70, ERR_LIMIT}}; /* the standard asks for 16 */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        struct note note;
        struct err e;
        start_note(&out);
        for (int k = 0; k < rows[i].grease; k++)
            put_grease(&out, k);
        put_line(&out, 0, 0);
        assert_int_equal(open_buf(&out, KEYS, &note, &e), rows[i].code);
        if (rows[i].code == 0)
            assert_int_equal(note.signature_count, rows[i].grease + 1);
        else
            assert_string_equal(e.id, "note.signature-count");
        buf_close(&out);
    }
}

static void test_size_limit(void **state)
{
    (void)state;
    struct buf out;
    struct note note;
    struct err e;
    buf_init(&out, 0);
    for (size_t i = 0; i < NOTE_BYTES_MAX; i++)
        buf_put_u8(&out, 'x');
    buf_put_string(&out, "\n\n");
    assert_int_equal(open_buf(&out, KEYS, &note, &e), ERR_LIMIT);
    assert_string_equal(e.id, "note.size");
    out.size = NOTE_BYTES_MAX - 1024 - 1;
    buf_put_u8(&out, '\n');
    assert_int_equal(note_check_text(buf_bytes(&out), NULL), 0);
    buf_put_u8(&out, '\n');
    assert_int_equal(note_check_text(buf_bytes(&out), &e), ERR_LIMIT);
    assert_string_equal(e.id, "note.text-size");
    buf_close(&out);
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *note, *id;
    } bad[] = {
        {"", "note.no-signatures"},
        {"\n", "note.no-signatures"},
        {"\n\n", "note.no-signatures"},
        {"text\n", "note.no-signatures"},
        {"text\n\n", "note.no-signatures"},
        {"text\n\n\xe2\x80\x94 ", "note.no-signatures"},
        {"text\n\n\xe2\x80\x94 a AAAAAAA=", "note.no-signatures"},       /* no newline at the end */
        {"text\n\n\xe2\x80\x94 a AAAAAAA=\n\n", "note.no-signatures"},   /* empty line behind */
        {"text\n\n\xe2\x80\x94 a AAAAAAA=\nx\n", "note.signature-line"}, /* something else behind */
        {"text\n\n\xe2\x80\x94 a AAAAAAA= \n", "note.signature-line"},   /* space behind */
        {"text\n\n\xe2\x80\x94  a AAAAAAA=\n", "note.name"},             /* two spaces */
        {"text\n\n\xe2\x80\x94 a  AAAAAAA=\n", "note.signature-line"},
        {"text\n\n\xe2\x80\x94 a\n", "note.signature-line"}, /* no signature */
        {"text\n\n\xe2\x80\x94 a \n", "note.signature-line"},
        {"text\n\n\xe2\x80\x94 a AAAAAA==\n", "note.signature-line"},  /* key id alone */
        {"text\n\n\xe2\x80\x94 a AAAAAAB=\n", "note.signature-line"},  /* trailing bits */
        {"text\n\n\xe2\x80\x94 a AAAAAAA\n", "note.signature-line"},   /* no padding */
        {"text\n\n\xe2\x80\x94 a AAAA_AA=\n", "note.signature-line"},  /* the other alphabet */
        {"text\n\n\xe2\x80\x94 a+b AAAAAAA=\n", "note.name"},          /* plus in the name */
        {"text\n\n\xe2\x80\x94 a\xc2\xa0z AAAAAAA=\n", "note.name"},   /* no-break space in the name */
        {"text\n\n\xe2\x80\x94 \xe3\x80\x80 AAAAAAA=\n", "note.name"}, /* ideographic space as a name */
        {"text\n\n\xe2\x80\x93 a AAAAAAA=\n", "note.signature-line"},  /* en dash */
        {"te\txt\n\n\xe2\x80\x94 a AAAAAAA=\n", "note.control"},
        {"te\rxt\n\n\xe2\x80\x94 a AAAAAAA=\n", "note.control"},
        {"te\xffxt\n\n\xe2\x80\x94 a AAAAAAA=\n", "note.utf8"},
        {"te\xc0\x80xt\n\n\xe2\x80\x94 a AAAAAAA=\n", "note.utf8"},
    };
    struct err e;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bytes span;
        size_t count;
        struct note note;
        if (note_peek(bytes_of_string(bad[i].note), &span, &count, &e) != ERR_INVALID || strcmp(e.id, bad[i].id) != 0)
            fail_msg("peeked %zu: '%s': %s", i, bad[i].note, e.id);
        if (note_open(bytes_of_string(bad[i].note), known, KEYS, &note, &e) != ERR_INVALID ||
            strcmp(e.id, bad[i].id) != 0)
            fail_msg("opened %zu: '%s': %s", i, bad[i].note, e.id);
    }
    assert_int_equal(note_open(bytes_of("a\0\n\n\xe2\x80\x94 a AAAAAAA=\n", 20), known, KEYS, &(struct note){0}, &e),
                     ERR_INVALID);
    assert_string_equal(e.id, "note.control");
}

/* The text may have empty lines; the last one is the border. */
static void test_empty_lines(void **state)
{
    (void)state;
    static const char note[] = "one\n\n\ntwo\n\n\xe2\x80\x94 a AAAAAAA=\n";
    struct bytes span;
    size_t count;
    assert_int_equal(note_peek(bytes_of_string(note), &span, &count, NULL), 0);
    assert_true(bytes_equal(span, bytes_of_string("one\n\n\ntwo\n")));
    assert_int_equal(count, 1);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int code;
    } rows[] = {
        {"a", 0},
        {"node.example/\xe6\x97\xa5\xe5\xbf\x97/2026", 0},
        {"", ERR_INVALID},
        {"a b", ERR_INVALID},
        {"a+b", ERR_INVALID},
        {"a\nb", ERR_INVALID},
        {"a\x01", ERR_INVALID},
        {"a\xc2\x85", ERR_INVALID},     /* next line */
        {"a\xe1\x9a\x80", ERR_INVALID}, /* ogham space */
        {"a\xe2\x80\x89", ERR_INVALID}, /* thin space */
        {"a\xe2\x80\xa8", ERR_INVALID}, /* line separator */
        {"a\xe2\x80\xaf", ERR_INVALID}, /* narrow no-break space */
        {"a\xe2\x81\x9f", ERR_INVALID}, /* mathematical space */
        {"a\xe3\x80\x80", ERR_INVALID}, /* ideographic space */
        {"a\xed\xa0\x80", ERR_INVALID}, /* surrogate */
        {"a\xe2\x80", ERR_INVALID},     /* cut */
    };
    struct err e;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(note_check_name(bytes_of_string(rows[i].name), &e), rows[i].code);
        if (rows[i].code != 0)
            assert_string_equal(e.id, "note.name");
    }
    char longest[ORIGIN_NAME_BYTES_MAX + 2];
    memset(longest, 'n', sizeof longest);
    assert_int_equal(note_check_name(bytes_of(longest, ORIGIN_NAME_BYTES_MAX), NULL), 0);
    assert_int_equal(note_check_name(bytes_of(longest, ORIGIN_NAME_BYTES_MAX + 1), &e), ERR_LIMIT);
    assert_string_equal(e.id, "note.name-size");
}

static void test_verifier_keys(void **state)
{
    (void)state;
    struct buf out;
    struct note_verifier v;
    struct err e;
    buf_init(&out, 0);
    note_verifier_format(known[1], &out);
    assert_int_equal(note_verifier_parse(buf_bytes(&out), &v, NULL), 0);
    assert_memory_equal(&v, known[1], sizeof v);

    size_t name = strlen(known[1]->name);
    for (size_t size = 0; size < out.size; size++)
        assert_int_equal(note_verifier_parse(bytes_of(out.data, size), &v, &e), ERR_INVALID);
    out.data[0] ^= 1; /* another name does not fit the key id */
    assert_int_equal(note_verifier_parse(buf_bytes(&out), &v, &e), ERR_INVALID);
    assert_string_equal(e.id, "note.key-id");
    out.data[0] ^= 1;
    out.data[name + 12] ^= 1; /* another key neither */
    assert_int_equal(note_verifier_parse(buf_bytes(&out), &v, &e), ERR_INVALID);
    out.data[name + 12] ^= 1;
    buf_put_u8(&out, '\n');
    assert_int_equal(note_verifier_parse(buf_bytes(&out), &v, &e), ERR_INVALID);
    buf_close(&out);
    assert_int_equal(note_verifier_init("a", 2, known[0]->public_key, &v, &e), ERR_UNSUPPORTED);
    assert_int_equal(note_verifier_init("a b", 1, known[0]->public_key, &v, &e), ERR_INVALID);
    assert_int_equal(note_signer_init("", 1, crypto[0], &signers[0], &e), ERR_INVALID);
    assert_string_equal(signers[0].key.name, "log.example"); /* untouched */
}

/* Text that reads as a cosigned message is not signed by a plain key, so the two kinds of signatures cannot be swapped. */
static void test_reserved_text(void **state)
{
    (void)state;
    static const char reserved[] = "cosignature/v1\ntime 1\nlog.example\n";
    struct buf out;
    struct err e;
    buf_init(&out, 0);
    assert_int_equal(note_sign_line(&signers[0], bytes_of_string(reserved), 0, &out, &e), ERR_INVALID);
    assert_string_equal(e.id, "note.reserved-text");
    assert_int_equal(note_sign_line(&signers[0], bytes_of_string("no newline"), 0, &out, &e), ERR_INVALID);
    assert_string_equal(e.id, "note.text");
    assert_int_equal(note_sign_line(&signers[0], bytes_of_string("tab\t\n"), 0, &out, &e), ERR_INVALID);
    assert_string_equal(e.id, "note.control");
    assert_int_equal(out.size, 0);
    buf_close(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_bad_signature), cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_count_limits),  cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_malformed),     cmocka_unit_test(test_empty_lines),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_verifier_keys),
        cmocka_unit_test(test_reserved_text),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
