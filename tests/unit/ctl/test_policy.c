/* `tongban policy`: what it prints is read back by policy_parse() and asks for as many of the others as it should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "federation/ledger/policy.h"
#include "federation/members.h"
#include "node/base/file.h"
#include "tests/unit/ctl/run.h"

#define NODES_MAX 11

static char dir[] = "/tmp/tongban-policy-XXXXXX";
static char list_path[64], key_path[64], vkey[128];
static struct crypto_signer *crypto;
static struct note_signer signer;

static int set_up(void **state)
{
    (void)state;
    static const uint8_t seed[CRYPTO_ED25519_KEY_SIZE] = {1};
    struct buf text = {0};
    struct err e = {0};
    if (mkdtemp(dir) == NULL)
        return -1;
    (void)snprintf(list_path, sizeof list_path, "%s/members.note", dir);
    (void)snprintf(key_path, sizeof key_path, "%s/federation.pub", dir);
    crypto = crypto_signer_create(seed);
    int rc = note_signer_init("tongban.example", NOTE_TYPE_ED25519, crypto, &signer, &e);
    note_verifier_format(&signer.key, &text);
    (void)snprintf(vkey, sizeof vkey, "%s", buf_cstr(&text));
    buf_close(&text);
    return rc;
}

static int tear_down(void **state)
{
    (void)state;
    crypto_signer_destroy(crypto);
    (void)unlink(list_path);
    (void)unlink(key_path);
    return rmdir(dir);
}

/* Codes 110000, 120000, …; the keys are the same with each call. */
static void write_list(size_t count)
{
    struct member list[NODES_MAX];
    char names[NODES_MAX][16], urls[NODES_MAX][32], text[64];
    struct buf file = {0};
    struct err e = {0};
    assert_true(count <= NODES_MAX);
    for (size_t i = 0; i < count; i++) {
        uint32_t code = 110000 + 10000 * (uint32_t)i;
        uint8_t key[CRYPTO_ED25519_KEY_SIZE] = {(uint8_t)(i + 1), 1};
        (void)snprintf(names[i], sizeof names[i], "n%zu", i);
        (void)snprintf(urls[i], sizeof urls[i], "tls+tcp://n%zu:1", i);
        list[i] = (struct member){.code = code, .name = names[i], .url = urls[i]};
        (void)snprintf(text, sizeof text, "%u.tongban.example/log/1", code);
        assert_int_equal(note_verifier_init(text, NOTE_TYPE_ED25519, key, &list[i].key, &e), 0);
        (void)snprintf(text, sizeof text, "%u.tongban.example/witness", code);
        key[1] = 2;
        assert_int_equal(note_verifier_init(text, NOTE_TYPE_COSIGNATURE, key, &list[i].witness, &e), 0);
        key[1] = 3;
        memcpy(list[i].seal_key, key, sizeof list[i].seal_key);
    }
    const struct members m = {.federation = "tongban.example", .version = 9, .list = list, .count = count};
    if (members_encode(&m, &signer, &file, &e) != 0)
        fail_msg("%s", e.message);
    assert_int_equal(file_write(list_path, buf_bytes(&file), 0644, false, &e), 0);
    buf_close(&file);
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not hold '%s'", text, part);
}

/* Whether the first @signers witnesses are enough. */
static bool is_enough(const struct policy *p, size_t signers)
{
    bool flags[NODES_MAX] = {0};
    for (size_t i = 0; i < signers; i++)
        flags[i] = true;
    return policy_is_satisfied(p, flags);
}

static void check_policy(const char *text, size_t count, size_t needed)
{
    struct arena mem = ARENA_INIT;
    struct policy p;
    struct err e = {0};
    if (policy_parse(bytes_of_string(text), &mem, &p, &e) != 0)
        fail_msg("%zu members: %s", count, e.message);
    assert_int_equal(p.log_count, count);
    assert_int_equal(p.witness_count, count);
    for (size_t i = 0; i < count; i++) {
        char name[64];
        unsigned code = 110000 + 10000 * (unsigned)i;
        (void)snprintf(name, sizeof name, "%u", code);
        assert_string_equal(p.witnesses[i].name, name);
        (void)snprintf(name, sizeof name, "%u.tongban.example/witness", code);
        assert_string_equal(p.witnesses[i].key.name, name);
        assert_int_equal(p.witnesses[i].key.public_key[0], i + 1);
        assert_int_equal(p.witnesses[i].key.public_key[1], 2);
        (void)snprintf(name, sizeof name, "%u.tongban.example/log/1", code);
        assert_non_null(policy_find_log(&p, name));
        assert_int_equal(policy_find_log(&p, name)->key.public_key[1], 1);
    }
    assert_true(p.has_quorum);
    if (!is_enough(&p, needed) || is_enough(&p, needed - 1))
        fail_msg("%zu members: not %zu needed", count, needed);
    arena_close(&mem);
}

/* n members, n - 1 others, of whom f < (n - 1) / 3 may lie: floor((n - 1 + f) / 2) + 1. */
static void asks_for_a_safe_majority(void **state)
{
    (void)state;
    static const size_t table[][2] = {{2, 1}, {3, 2}, {4, 2}, {5, 3}, {6, 4}, {7, 4}, {8, 5}, {10, 6}, {11, 7}};
    for (size_t i = 0; i < array_count(table); i++) {
        write_list(table[i][0]);
        struct run r = RUN("policy", "--members", list_path, "--federation-key", vkey);
        if (r.status != 0)
            fail_msg("%s", r.err);
        check_policy(r.out, table[i][0], table[i][1]);
        assert_null(strstr(r.out, "With fewer"));
    }
}

static void takes_another_quorum(void **state)
{
    (void)state;
    write_list(5);
    struct run r = RUN("policy", "--members", list_path, "--federation-key", vkey, "--quorum", "2");
    assert_int_equal(r.status, 0);
    check_policy(r.out, 5, 2);
    assert_has(r.out, "# tongban.example, member list version 9: 2 of the 4 members other than the ledger's own");
    assert_has(r.out, "# With fewer than 3, two different histories");
    assert_has(r.out, "\ngroup all-members 2 110000 120000 130000 140000 150000\nquorum all-members\n");
    r = RUN("policy", "--members", list_path, "--federation-key", vkey, "--quorum", "4");
    assert_int_equal(r.status, 0);
    check_policy(r.out, 5, 4);
    static const char *const wrong[] = {"0", "5", "-1", "x", "18446744073709551617"};
    for (size_t i = 0; i < array_count(wrong); i++) {
        r = RUN("policy", "--members", list_path, "--federation-key", vkey, "--quorum", wrong[i]);
        assert_int_equal(r.status, 2);
        assert_string_equal(r.out, "");
        assert_has(r.err, "it must be a number from 1 to 4 (ctl.number)");
    }
}

static void takes_the_key_from_a_file(void **state)
{
    (void)state;
    struct err e = {0};
    write_list(3);
    struct run by_text = RUN("policy", "--members", list_path, "--federation-key", vkey);
    static const char *const ends[] = {"", "\n", "\r\n"};
    for (size_t i = 0; i < array_count(ends); i++) {
        char text[160];
        (void)snprintf(text, sizeof text, "%s%s", vkey, ends[i]);
        assert_int_equal(file_write(key_path, bytes_of_string(text), 0644, false, &e), 0);
        struct run r = RUN("policy", "--members", list_path, "--federation-key", key_path);
        assert_int_equal(r.status, 0);
        assert_string_equal(r.out, by_text.out);
    }
}

/* Nothing is printed that a list under the federation's key does not say. */
static void refuses(void **state)
{
    (void)state;
    struct err e = {0};
    write_list(3);
    struct run r = RUN("policy", "--members", list_path);
    assert_has(r.err, "(ctl.missing-option)");
    r = RUN("policy", "--quorum", "2");
    assert_has(r.err, "(ctl.missing-option)");
    r = RUN("policy", "--dir", "/tmp/there/is/no/node");
    assert_has(r.err, "(ctl.no-daemon)");
    r = RUN("policy", "--federation-key", vkey);
    assert_has(r.err, "(ctl.missing-option)");
    r = RUN("policy", "--members", list_path, "--federation-key", "/tmp/there/is/no/key");
    assert_int_equal(r.status, 3);
    assert_has(r.err, "hint: --federation-key takes a verifier key");
    assert_int_equal(file_write(key_path, bytes_of_string("nonsense\n"), 0644, false, &e), 0);
    r = RUN("policy", "--members", list_path, "--federation-key", key_path);
    assert_int_equal(r.status, 2);
    assert_has(r.err, "(note.vkey)");

    struct note_signer other;
    static const uint8_t seed[CRYPTO_ED25519_KEY_SIZE] = {2};
    struct crypto_signer *stranger = crypto_signer_create(seed);
    struct buf text = {0};
    assert_int_equal(note_signer_init("tongban.example", NOTE_TYPE_ED25519, stranger, &other, &e), 0);
    note_verifier_format(&other.key, &text);
    r = RUN("policy", "--members", list_path, "--federation-key", buf_cstr(&text));
    assert_true(r.status != 0);
    assert_string_equal(r.out, "");
    buf_close(&text);
    crypto_signer_destroy(stranger);

    for (size_t count = 0; count < 2; count++) { /* nobody who could witness for another */
        write_list(count);
        r = RUN("policy", "--members", list_path, "--federation-key", vkey);
        assert_int_equal(r.status, 4);
        assert_string_equal(r.out, "");
        assert_has(r.err, "(setup.no-member)");
    }
    assert_int_equal(unlink(list_path), 0);
    assert_int_equal(RUN("policy", "--members", list_path, "--federation-key", vkey).status, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_a_safe_majority),
        cmocka_unit_test(takes_another_quorum),
        cmocka_unit_test(takes_the_key_from_a_file),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
