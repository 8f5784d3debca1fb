/* Policies (C2SP tlog-policy): the text's rules one by one, quorums of nested groups, notes opened under a policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/policy.h"
#include "node/base/xassert.h"

#define SIGNERS 8

struct rig {
    struct crypto_signer *crypto[SIGNERS + 2];
    struct note_signer log, other_log, witness[SIGNERS];
    struct arena mem;
    struct buf text;
};

static void put_line(struct rig *r, const char *word, const struct note_verifier *key)
{
    buf_printf(&r->text, "%s ", word);
    note_verifier_format(key, &r->text);
    buf_put_u8(&r->text, '\n');
}

/* The text starts with a log and SIGNERS witnesses a, b, c…: lines 1 to 9. */
static int enter(void **state)
{
    struct rig *r = xcalloc(1, sizeof *r);
    for (size_t i = 0; i < array_count(r->crypto); i++) {
        uint8_t seed[CRYPTO_ED25519_KEY_SIZE] = {(uint8_t)(i + 1)};
        r->crypto[i] = crypto_signer_create(seed);
    }
    assert_int_equal(note_signer_init("log.example", NOTE_TYPE_ED25519, r->crypto[SIGNERS], &r->log, NULL), 0);
    assert_int_equal(note_signer_init("log2.example", NOTE_TYPE_ED25519, r->crypto[SIGNERS + 1], &r->other_log, NULL),
                     0);
    put_line(r, "log", &r->log.key);
    for (size_t i = 0; i < SIGNERS; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "w%zu.example", i);
        assert_int_equal(note_signer_init(name, NOTE_TYPE_COSIGNATURE, r->crypto[i], &r->witness[i], NULL), 0);
        (void)snprintf(name, sizeof name, "witness %c", (char)('a' + i));
        put_line(r, name, &r->witness[i].key);
    }
    *state = r;
    return 0;
}

static int leave(void **state)
{
    struct rig *r = *state;
    for (size_t i = 0; i < array_count(r->crypto); i++)
        crypto_signer_destroy(r->crypto[i]);
    arena_close(&r->mem);
    buf_close(&r->text);
    free(r);
    return 0;
}

static int parse(struct rig *r, const char *more, struct policy *ret, struct err *e)
{
    struct buf text = {0};
    buf_put(&text, r->text.data, r->text.size);
    buf_put_string(&text, more);
    int rc = policy_parse(arena_bytes(&r->mem, buf_bytes(&text)), &r->mem, ret, e);
    buf_close(&text);
    return rc;
}

static void parse_good(struct rig *r, const char *more, struct policy *ret)
{
    struct err e = {0};
    if (parse(r, more, ret, &e) != 0)
        fail_msg("%s: %s", more, e.message);
}

/* ---- the text ---- */

static void test_white_space_and_order(void **state)
{
    struct rig *r = *state;
    struct policy p;
    struct buf vkey = {0}, text = {0};
    note_verifier_format(&r->other_log.key, &vkey);
    buf_printf(
        &text,
        "\n \t \n\t# \xff\xfe any octets, 福建\n  group \t gg\t2  a \t b c \t\n\t quorum\t\tgg  \nlog %s https://x/ \n"
        "group late any gg a\n",
        buf_cstr(&vkey));
    parse_good(r, buf_cstr(&text), &p);
    assert_int_equal(p.log_count, 2);
    assert_string_equal(p.logs[0].url, "");
    assert_string_equal(p.logs[1].url, "https://x/");
    assert_int_equal(p.witness_count, SIGNERS);
    assert_string_equal(p.witnesses[2].name, "c");
    assert_string_equal(p.witnesses[2].key.name, "w2.example");
    assert_int_equal(p.group_count, 2);
    assert_int_equal(p.groups[0].needed, 2);
    assert_int_equal(p.groups[0].member_count, 3);
    assert_true(p.has_quorum && p.quorum == POLICY_WITNESSES_MAX);
    assert_ptr_equal(policy_find_log(&p, "log2.example"), &p.logs[1]);
    assert_null(policy_find_log(&p, "log3.example"));
    buf_close(&vkey);
    buf_close(&text);
}

/* Names are octets: not folded, not decoded. A quorum of one witness needs no group. */
static void test_names(void **state)
{
    struct rig *r = *state;
    struct policy p;
    parse_good(r, "group K any a\ngroup \xe2\x84\xaa any b\ngroup \xff all K\nquorum \xff\n", &p);
    assert_int_equal(p.group_count, 3);
    assert_int_equal(p.groups[2].members[0], POLICY_WITNESSES_MAX);
    parse_good(r, "quorum c\n", &p);
    assert_true(p.has_quorum && p.quorum == 2);
    parse_good(r, "quorum none\n", &p);
    assert_false(p.has_quorum);
    assert_true(policy_is_satisfied(&p, (const bool[SIGNERS]){false}));
}

static void test_refused_lines(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *line;
        int code;
        const char *says;
    } rows[] = {
        {"quorum\n", ERR_INVALID, "takes one name"},
        {"quorum a b\n", ERR_INVALID, "takes one name"},
        {"quorum z\n", ERR_INVALID, "no line above defines"},
        {"quorum late\ngroup late any a\n", ERR_INVALID, "no line above defines"},
        {"quorum a\nquorum a\n", ERR_INVALID, "a second quorum"},
        {"quorum none\nquorum none\n", ERR_INVALID, "a second quorum"},
        {"group gg\n", ERR_INVALID, "takes a name"},
        {"group gg all\n", ERR_INVALID, "takes a name"},
        {"group gg 0 a\n", ERR_INVALID, "from 1 to"},
        {"group gg 2 a\n", ERR_INVALID, "from 1 to"},
        {"group gg 01 a\n", ERR_INVALID, "from 1 to"},
        {"group gg -1 a\n", ERR_INVALID, "from 1 to"},
        {"group gg 18446744073709551617 a\n", ERR_INVALID, "from 1 to"},
        {"group gg ALL a\n", ERR_INVALID, "from 1 to"},
        {"group gg any gg\n", ERR_INVALID, "no line above defines"}, /* itself: a cycle */
        {"group gg any none\n", ERR_INVALID, "no line above defines"},
        {"group gg any A\n", ERR_INVALID, "no line above defines"},
        {"group gg any a b a\n", ERR_INVALID, "stands twice"},
        {"group a any b\n", ERR_INVALID, "above already"}, /* witnesses and groups share the names */
        {"group none any b\n", ERR_INVALID, "is no name"},
        {"witness z\n", ERR_INVALID, "takes a name"},
        {"log\n", ERR_INVALID, "takes a verifier key"},
        {"Quorum a\n", ERR_INVALID, "begins with none"},
        {"quorum a\r\n", ERR_INVALID, "control character"},
        {"# \x7f\n", ERR_INVALID, "control character"},
        {"# \x1b[2J\n", ERR_INVALID, "control character"},
        {"quorum a", ERR_INVALID, "does not end in a newline"}, /* "quorum ab", cut? */
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct policy p = {.log_count = 77};
        struct err e = {0};
        if (parse(r, rows[i].line, &p, &e) != rows[i].code || strstr(e.message, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, e.message);
        assert_string_equal(e.id, "policy.line");
        assert_true(strstr(e.message, "policy line 1") != NULL); /* 10 or 11 */
        assert_int_equal(p.log_count, 77);
    }
}

/* One key under two names would be two votes; a key of the wrong type is no such vote. */
static void test_refused_keys(void **state)
{
    struct rig *r = *state;
    struct policy p;
    struct err e = {0};
    struct note_verifier renamed = r->witness[3].key, as_log;
    struct buf line = {0};

    assert_int_equal(note_verifier_init("other.example", NOTE_TYPE_COSIGNATURE, renamed.public_key, &renamed, NULL), 0);
    buf_put_string(&line, "witness z ");
    note_verifier_format(&renamed, &line);
    buf_put_u8(&line, '\n');
    assert_int_equal(parse(r, buf_cstr(&line), &p, &e), ERR_INVALID);
    assert_non_null(strstr(e.message, "under another name"));

    buf_reset(&line);
    assert_int_equal(note_verifier_init("renamed.example", NOTE_TYPE_ED25519, r->log.key.public_key, &as_log, NULL), 0);
    buf_put_string(&line, "log ");
    note_verifier_format(&as_log, &line);
    buf_put_u8(&line, '\n');
    assert_int_equal(parse(r, buf_cstr(&line), &p, &e), ERR_INVALID);
    assert_non_null(strstr(e.message, "stands above"));

    buf_reset(&line);
    assert_int_equal(note_verifier_init("log.example", NOTE_TYPE_ED25519, r->other_log.key.public_key, &as_log, NULL),
                     0);
    buf_put_string(&line, "log ");
    note_verifier_format(&as_log, &line);
    buf_put_u8(&line, '\n');
    assert_int_equal(parse(r, buf_cstr(&line), &p, &e), ERR_INVALID); /* a second key of one origin */

    buf_reset(&line);
    buf_put_string(&line, "witness z ");
    note_verifier_format(&r->other_log.key, &line);
    buf_put_u8(&line, '\n');
    assert_int_equal(parse(r, buf_cstr(&line), &p, &e), ERR_UNSUPPORTED);
    buf_reset(&line);
    buf_put_string(&line, "log ");
    note_verifier_format(&renamed, &line);
    buf_put_u8(&line, '\n');
    assert_int_equal(parse(r, buf_cstr(&line), &p, &e), ERR_UNSUPPORTED);

    assert_int_equal(parse(r, "log log.example+00000000+AQ==\n", &p, &e), ERR_INVALID);
    assert_non_null(strstr(e.message, "policy line 10"));
    buf_close(&line);
}

static void test_limits(void **state)
{
    struct rig *r = *state;
    struct policy p;
    struct err e = {0};
    struct buf text = {0};
    char *name = xmalloc(202);
    memset(name, 'n', 201);
    name[201] = '\0';
    buf_printf(&text, "group %s any a\nquorum none\n", name + 1);
    parse_good(r, buf_cstr(&text), &p); /* 200 bytes */
    buf_reset(&text);
    buf_printf(&text, "group %s any a\n", name);
    assert_int_equal(parse(r, buf_cstr(&text), &p, &e), ERR_LIMIT);
    free(name);

    buf_reset(&text);
    for (unsigned i = 0; i < POLICY_GROUPS_MAX; i++)
        buf_printf(&text, "group g%u any a\n", i);
    struct buf over = {0};
    buf_put(&over, text.data, text.size);
    buf_put_string(&text, "quorum g4095\n");
    parse_good(r, buf_cstr(&text), &p);
    assert_int_equal(p.group_count, POLICY_GROUPS_MAX);
    buf_put_string(&over, "group one-more any a\n");
    assert_int_equal(parse(r, buf_cstr(&over), &p, &e), ERR_LIMIT);

    buf_reset(&text);
    buf_put_u8(&text, '#');
    for (unsigned i = 0; i < POLICY_WITNESSES_MAX + POLICY_GROUPS_MAX + 9; i++)
        buf_put_string(&text, " x");
    buf_put_string(&text, "\nquorum none\n");
    parse_good(r, buf_cstr(&text), &p); /* a comment may have any number of words */
    text.data[0] = ' ';
    assert_int_equal(parse(r, buf_cstr(&text), &p, &e), ERR_LIMIT);

    buf_reset(&text);
    while (text.size <= POLICY_BYTES_MAX)
        buf_put_string(&text, "# a long file\n");
    assert_int_equal(policy_parse(buf_bytes(&text), &r->mem, &p, &e), ERR_LIMIT);
    assert_string_equal(e.id, "policy.size");
    assert_int_equal(policy_parse(bytes_of(NULL, 0), &r->mem, &p, &e), ERR_INVALID);
    assert_string_equal(e.id, "policy.no-quorum");
    buf_close(&over);
    buf_close(&text);
}

static void test_format(void **state)
{
    struct rig *r = *state;
    static const char *const tails[] = {
        "quorum none\n",
        "quorum b\n",
        "group gg any a b c\ngroup hh all gg d\ngroup ii 2 hh gg e f\nquorum ii\n",
    };
    for (size_t i = 0; i < array_count(tails); i++) {
        struct policy p, back;
        struct buf once = {0}, twice = {0};
        parse_good(r, tails[i], &p);
        policy_format(&p, &once);
        assert_int_equal(policy_parse(arena_bytes(&r->mem, buf_bytes(&once)), &r->mem, &back, NULL), 0);
        policy_format(&back, &twice);
        assert_true(bytes_equal(buf_bytes(&once), buf_bytes(&twice)));
        for (unsigned set = 0; set < 1u << SIGNERS; set++) {
            bool flags[SIGNERS];
            for (unsigned k = 0; k < SIGNERS; k++)
                flags[k] = (set >> k & 1) != 0;
            assert_int_equal(policy_is_satisfied(&p, flags), policy_is_satisfied(&back, flags));
        }
        buf_close(&once);
        buf_close(&twice);
    }
}

/* ---- quorums ---- */

static unsigned bits(unsigned set, unsigned mask)
{
    return (unsigned)__builtin_popcount(set & mask);
}

/* All 256 sets of signers against the rule written by hand. */
static void test_nested_quorum(void **state)
{
    struct rig *r = *state;
    struct policy p;
    size_t needed, of;
    parse_good(r, "group x 2 a b c\ngroup y any d e f\ngroup z all x y\ngroup top 2 z g x\nquorum top\n", &p);
    for (unsigned set = 0; set < 1u << SIGNERS; set++) {
        bool flags[SIGNERS];
        for (unsigned k = 0; k < SIGNERS; k++)
            flags[k] = (set >> k & 1) != 0;
        bool x = bits(set, 0x07) >= 2, y = bits(set, 0x38) >= 1, z = x && y, g = flags[6];
        assert_int_equal(policy_is_satisfied(&p, flags), z + g + x >= 2);
    }
    policy_quorum_size(&p, &needed, &of);
    assert_int_equal(of, 7); /* h counts for nothing */
    assert_int_equal(needed, 3);
    parse_good(r, "group x all a b c\nquorum b\n", &p); /* the group is no part of it */
    policy_quorum_size(&p, &needed, &of);
    assert_true(needed == 1 && of == 1);
    parse_good(r, "quorum none\n", &p);
    policy_quorum_size(&p, &needed, &of);
    assert_true(needed == 0 && of == 0);
}

/* Groups of groups, 4096 deep, each with the two before it: neither a deep stack nor a number that runs over. */
static void test_deep_groups(void **state)
{
    struct rig *r = *state;
    struct policy p;
    struct buf text = {0};
    size_t needed, of;
    buf_put_string(&text, "group g0 all a b\ngroup g1 all b c\n");
    for (unsigned i = 2; i < POLICY_GROUPS_MAX; i++)
        buf_printf(&text, "group g%u all g%u g%u\n", i, i - 1, i - 2);
    buf_printf(&text, "quorum g%u\n", POLICY_GROUPS_MAX - 1);
    parse_good(r, buf_cstr(&text), &p);
    assert_true(policy_is_satisfied(&p, (const bool[SIGNERS]){true, true, true}));
    assert_false(policy_is_satisfied(&p, (const bool[SIGNERS]){true, false, true, true, true, true, true, true}));
    policy_quorum_size(&p, &needed, &of);
    assert_int_equal(of, 3);
    assert_int_equal(needed, 3);
    buf_close(&text);
}

/* Two quorums of @n share an honest witness if f are not; and the honest ones alone are a quorum. */
static void test_safe_quorum(void **state)
{
    (void)state;
    assert_int_equal(policy_safe_quorum(0), 0);
    for (size_t n = 1; n <= POLICY_WITNESSES_MAX; n++) {
        size_t f = (n - 1) / 3, k = policy_safe_quorum(n);
        assert_true(2 * k >= n + f + 1);      /* overlap 2k - n > f */
        assert_true(2 * (k - 1) < n + f + 1); /* no more than needed */
        assert_true(k <= n - f);
    }
    assert_int_equal(policy_safe_quorum(30), 20);
}

/* ---- opening ---- */

static void make_note(const struct note_signer *log, uint64_t size, struct buf *out)
{
    struct checkpoint c = {.size = size};
    (void)snprintf(c.origin, sizeof c.origin, "%s", log->key.name);
    merkle_leaf_hash(bytes_of("x", 1), &c.root);
    assert_int_equal(checkpoint_sign(&c, log, out, NULL), 0);
}

static void cosign(struct buf *note, const struct note_signer *witness, uint64_t time_s)
{
    struct bytes text;
    size_t lines;
    assert_int_equal(note_peek(buf_bytes(note), &text, &lines, NULL), 0);
    struct buf line = {0};
    assert_int_equal(checkpoint_cosign(text, witness, time_s, &line, NULL), 0);
    buf_put(note, line.data, line.size);
    buf_close(&line);
}

static void test_open(void **state)
{
    struct rig *r = *state;
    struct policy p;
    struct checkpoint_opened opened;
    struct err e = {0};
    bool has_signed[SIGNERS], satisfied = true;
    struct buf note = {0};
    parse_good(r, "group gg 2 b d f\nquorum gg\n", &p);
    make_note(&r->log, 9, &note);
    cosign(&note, &r->witness[0], 50);
    cosign(&note, &r->witness[3], 60);
    assert_int_equal(policy_open(&p, buf_bytes(&note), &opened, has_signed, &satisfied, &e), 0);
    assert_false(satisfied); /* a does not count in the quorum */
    assert_int_equal(opened.head.size, 9);
    assert_int_equal(opened.cosigned_count, 2);
    assert_int_equal(opened.cosigned[1].witness, 3);
    assert_int_equal(opened.cosigned[1].time_s, 60);
    for (size_t i = 0; i < SIGNERS; i++)
        assert_int_equal(has_signed[i], i == 0 || i == 3);
    cosign(&note, &r->witness[3], 61); /* twice the same is one */
    assert_int_equal(policy_open(&p, buf_bytes(&note), &opened, NULL, &satisfied, &e), 0);
    assert_false(satisfied);
    cosign(&note, &r->witness[1], 70);
    assert_int_equal(policy_open(&p, buf_bytes(&note), &opened, NULL, &satisfied, &e), 0);
    assert_true(satisfied);
    buf_close(&note);
}

static void test_open_refuses(void **state)
{
    struct rig *r = *state;
    struct policy p;
    struct checkpoint_opened opened = {.cosigned_count = 55};
    struct err e = {0};
    bool satisfied = false;
    struct buf note = {0};
    parse_good(r, "quorum a\n", &p);

    make_note(&r->other_log, 9, &note); /* signed by a log that the policy does not know */
    cosign(&note, &r->witness[0], 50);
    assert_int_equal(policy_open(&p, buf_bytes(&note), &opened, NULL, &satisfied, &e), ERR_VERIFY);
    assert_string_equal(e.id, "policy.unknown-log");

    buf_reset(&note); /* a witness signed, the log did not */
    struct buf signed_note = {0};
    make_note(&r->log, 9, &signed_note);
    cosign(&signed_note, &r->witness[0], 50);
    uint8_t *line = memmem(signed_note.data, signed_note.size, "\xe2\x80\x94 log.example", 15);
    uint8_t *next = memmem(signed_note.data, signed_note.size, "\xe2\x80\x94 w0.example", 14);
    assert_true(line != NULL && next > line);
    buf_put(&note, signed_note.data, (size_t)(line - signed_note.data));
    buf_put(&note, next, (size_t)(signed_note.data + signed_note.size - next));
    assert_int_equal(policy_open(&p, buf_bytes(&note), &opened, NULL, &satisfied, &e), ERR_VERIFY);
    assert_string_equal(e.id, "checkpoint.unsigned");

    buf_reset(&note); /* a known witness's line over another head refuses the note, whoever else signed */
    struct buf other = {0};
    make_note(&r->log, 8, &other);
    cosign(&other, &r->witness[4], 50);
    next = memmem(other.data, other.size, "\xe2\x80\x94 w4.example", 14);
    assert_non_null(next);
    buf_put(&note, signed_note.data, signed_note.size);
    buf_put(&note, next, (size_t)(other.data + other.size - next));
    assert_int_equal(policy_open(&p, buf_bytes(&note), &opened, NULL, &satisfied, &e), ERR_VERIFY);
    assert_string_equal(e.id, "note.bad-signature");

    assert_int_equal(policy_open(&p, bytes_of_string("no note"), &opened, NULL, &satisfied, &e), ERR_INVALID);
    assert_false(satisfied);
    assert_int_equal(opened.cosigned_count, 55);
    buf_close(&other);
    buf_close(&signed_note);
    buf_close(&note);
}

/* As many witnesses as a policy may have: those with the last numbers count like the first. */
static void test_open_many(void **state)
{
    struct rig *r = *state;
    struct policy p;
    struct checkpoint_opened opened;
    struct err e = {0};
    bool *has_signed = xcalloc(POLICY_WITNESSES_MAX, sizeof *has_signed), satisfied = false;
    struct buf text = {0}, note = {0};
    buf_put_string(&text, "log ");
    note_verifier_format(&r->log.key, &text);
    for (unsigned i = 0; i < POLICY_WITNESSES_MAX; i++) {
        struct note_verifier key;
        uint8_t some[CRYPTO_ED25519_KEY_SIZE] = {1, 2, (uint8_t)i, (uint8_t)(i >> 8)};
        char name[32];
        (void)snprintf(name, sizeof name, "x%u.example", i);
        assert_int_equal(note_verifier_init(name, NOTE_TYPE_COSIGNATURE, some, &key, NULL), 0);
        unsigned place = i == 0 ? 0 : i == 4095 ? 1 : i == 4096 ? 2 : i == POLICY_WITNESSES_MAX - 1 ? 3 : SIGNERS;
        buf_printf(&text, "\nwitness x%u ", i);
        note_verifier_format(place < SIGNERS ? &r->witness[place].key : &key, &text);
    }
    buf_put_u8(&text, '\n');
    size_t witnesses = text.size;
    buf_printf(&text, "group g all x0 x4095 x4096 x%u\nquorum g\n", POLICY_WITNESSES_MAX - 1);
    assert_int_equal(policy_parse(buf_bytes(&text), &r->mem, &p, &e), 0);
    make_note(&r->log, 3, &note);
    for (size_t i = 0; i < 4; i++) {
        cosign(&note, &r->witness[3 - i], 100 + i);
        assert_int_equal(policy_open(&p, buf_bytes(&note), &opened, has_signed, &satisfied, &e), 0);
        assert_int_equal(opened.cosigned_count, i + 1);
        assert_int_equal(satisfied, i == 3);
    }
    assert_true(has_signed[0] && has_signed[4095] && has_signed[4096] && has_signed[POLICY_WITNESSES_MAX - 1]);
    assert_false(has_signed[1] || has_signed[4097]);

    text.size = witnesses; /* one more than the limit */
    buf_put_string(&text, "witness more ");
    note_verifier_format(&r->witness[5].key, &text);
    buf_put_string(&text, "\nquorum none\n");
    assert_int_equal(policy_parse(buf_bytes(&text), &r->mem, &p, &e), ERR_LIMIT);
    buf_close(&text);
    buf_close(&note);
    free(has_signed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_white_space_and_order, enter, leave),
        cmocka_unit_test_setup_teardown(test_names, enter, leave),
        cmocka_unit_test_setup_teardown(test_refused_lines, enter, leave),
        cmocka_unit_test_setup_teardown(test_refused_keys, enter, leave),
        cmocka_unit_test_setup_teardown(test_limits, enter, leave),
        cmocka_unit_test_setup_teardown(test_format, enter, leave),
        cmocka_unit_test_setup_teardown(test_nested_quorum, enter, leave),
        cmocka_unit_test_setup_teardown(test_deep_groups, enter, leave),
        cmocka_unit_test(test_safe_quorum),
        cmocka_unit_test_setup_teardown(test_open, enter, leave),
        cmocka_unit_test_setup_teardown(test_open_refuses, enter, leave),
        cmocka_unit_test_setup_teardown(test_open_many, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
