/* The member list: what members_encode() writes is read back whole, and every rule is refused by its own id and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation/members.h"
#include "node/base/file.h"
#include "node/base/xassert.h"
#include "tests/lib/pki_fixture.h"

static struct crypto_signer *crypto;
static struct note_signer signer;

static int set_up(void **state)
{
    (void)state;
    static const uint8_t seed[CRYPTO_ED25519_KEY_SIZE] = {1};
    crypto = crypto_signer_create(seed);
    return note_signer_init("tongban.example", NOTE_TYPE_ED25519, crypto, &signer, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    crypto_signer_destroy(crypto);
    return 0;
}

static struct member make_member(uint32_t code, const char *name, const char *url)
{
    struct member m = {.code = code, .name = name, .url = url};
    char origin[64];
    uint8_t key[CRYPTO_ED25519_KEY_SIZE] = {0};
    (void)snprintf(origin, sizeof origin, "%u.tongban.example/log/1", code);
    put_be32(key, code);
    int rc = note_verifier_init(origin, NOTE_TYPE_ED25519, key, &m.key, NULL);
    xassert(rc == 0);
    (void)snprintf(origin, sizeof origin, "%u.tongban.example/witness", code);
    key[31] = 1;
    rc = note_verifier_init(origin, NOTE_TYPE_COSIGNATURE, key, &m.witness, NULL);
    xassert(rc == 0);
    key[31] = 2;
    memcpy(m.seal_key, key, sizeof m.seal_key);
    return m;
}

static struct members make_list(struct member *list, size_t count)
{
    return (struct members){.federation = "tongban.example", .version = 7, .list = list, .count = count};
}

static void test_round_trip(void **state)
{
    (void)state;
    struct member list[] = {make_member(500000, "重庆市", "tls+tcp://node.cq.example:7400"),
                            make_member(510000, "四川省", "tls+tcp://192.0.2.1:1"),
                            make_member(650000, "新疆维吾尔自治区", "tls+tcp://[2001:db8::1]:65535")};
    struct members m = make_list(list, array_count(list)), back;
    struct buf file = {0}, again = {0};
    struct err e = {0};
    assert_int_equal(members_encode(&m, &signer, &file, &e), 0);
    assert_int_equal(members_parse(buf_bytes(&file), &signer.key, &back, &e), 0);
    assert_string_equal(back.federation, "tongban.example");
    assert_int_equal(back.version, 7);
    assert_int_equal(back.count, 3);
    assert_string_equal(members_find(&back, 510000)->name, "四川省");
    assert_string_equal(members_find(&back, 500000)->url, "tls+tcp://node.cq.example:7400");
    assert_string_equal(members_find(&back, 650000)->key.name, "650000.tongban.example/log/1");
    assert_memory_equal(members_find(&back, 650000)->key.public_key, list[2].key.public_key, CRYPTO_ED25519_KEY_SIZE);
    assert_string_equal(members_find(&back, 650000)->witness.name, "650000.tongban.example/witness");
    assert_int_equal(members_find(&back, 650000)->witness.type, NOTE_TYPE_COSIGNATURE);
    assert_memory_equal(members_find(&back, 650000)->witness.public_key, list[2].witness.public_key,
                        CRYPTO_ED25519_KEY_SIZE);
    assert_memory_equal(members_find(&back, 650000)->seal_key, list[2].seal_key, CRYPTO_X25519_KEY_SIZE);
    assert_null(members_find(&back, 510001));
    assert_null(members_find(&back, 0));
    assert_int_equal(members_encode(&back, &signer, &again, &e), 0);
    assert_true(bytes_equal(buf_bytes(&file), buf_bytes(&again)));
    members_close(&back);

    /* Nobody yet: a federation on its first day. */
    m.count = 0;
    buf_reset(&file);
    assert_int_equal(members_encode(&m, &signer, &file, &e), 0);
    assert_int_equal(members_parse(buf_bytes(&file), &signer.key, &back, &e), 0);
    assert_int_equal(back.count, 0);
    assert_null(members_find(&back, 510000));
    members_close(&back);
    buf_close(&file);
    buf_close(&again);
}

static void test_full_list(void **state)
{
    (void)state;
    struct member *list = xcalloc(MEMBERS_MAX + 1, sizeof *list);
    struct buf file = {0}, texts = {0};
    struct members back;
    struct err e = {0};
    for (uint32_t i = 0; i <= MEMBERS_MAX; i++)
        buf_printf(&texts, "县%05u%ctls+tcp://node%05u.tongban.example:7400%c", i, '\0', i, '\0');
    const char *at = (const char *)texts.data;
    for (uint32_t i = 0; i <= MEMBERS_MAX; i++) {
        const char *url = at + strlen(at) + 1;
        list[i] = make_member(110000 + i, at, url);
        at = url + strlen(url) + 1;
    }
    struct members m = make_list(list, MEMBERS_MAX);
    assert_int_equal(members_encode(&m, &signer, &file, &e), 0);
    assert_int_equal(members_parse(buf_bytes(&file), &signer.key, &back, &e), 0);
    assert_int_equal(back.count, MEMBERS_MAX);
    assert_non_null(members_find(&back, 110000 + MEMBERS_MAX - 1));
    members_close(&back);
    m.count++;
    assert_int_equal(members_encode(&m, &signer, &file, &e), ERR_LIMIT);
    assert_string_equal(e.id, "members.count");
    buf_close(&file);
    buf_close(&texts);
    free(list);
}

/* The rules about the two further keys: of one member, and against those of 510000. */
static void test_keys_refused(void **state)
{
    (void)state;
    const struct member first = make_member(510000, "四川省", "tls+tcp://a:1");
    const struct member good = make_member(650000, "新疆", "tls+tcp://b:2");
    const uint8_t *const firsts[] = {first.key.public_key, first.witness.public_key, first.seal_key};
    for (size_t from = 0; from < 4; from++) { /* 3: the second one's own keys among themselves */
        for (size_t to = 0; to < 3; to++) {
            struct member list[] = {first, good};
            struct member *m = &list[1];
            uint8_t *const keys[] = {m->key.public_key, m->witness.public_key, m->seal_key};
            memcpy(keys[to], from == 3 ? keys[(to + 1) % 3] : firsts[from], CRYPTO_ED25519_KEY_SIZE);
            struct members both = make_list(list, 2);
            struct buf file = {0};
            struct err e = {0};
            int rc = members_encode(&both, &signer, &file, &e);
            if (rc != ERR_INVALID || strcmp(e.id, "members.duplicate") != 0 || strstr(e.message, "same key") == NULL)
                fail_msg("key %zu as key %zu: %d %s: %s", from, to, rc, e.id, e.message);
        }
    }

    static const char *const names[] = {"65000.tongban.example/witness",    "650000.tongban.example/witness2",
                                        "650000.tongban.example/log/1",     "510000.tongban.example/witness",
                                        "650000.elsewhere.example/witness", "650000.tongban.example"};
    for (size_t i = 0; i < array_count(names); i++) {
        struct member list[] = {first, good};
        struct members both = make_list(list, 2);
        struct buf file = {0};
        struct err e = {0};
        assert_int_equal(
            note_verifier_init(names[i], NOTE_TYPE_COSIGNATURE, good.witness.public_key, &list[1].witness, &e), 0);
        assert_int_equal(members_encode(&both, &signer, &file, &e), ERR_INVALID);
        assert_string_equal(e.id, "members.witness-name");
        assert_non_null(strstr(e.message, names[i]));
        assert_non_null(strstr(e.message, "'650000.tongban.example/witness'"));
    }
    struct member list[] = {first, good};
    struct members both = make_list(list, 2);
    struct buf file = {0};
    struct err e = {0};
    list[1].witness.type = NOTE_TYPE_ED25519;
    assert_int_equal(members_encode(&both, &signer, &file, &e), ERR_INVALID);
    assert_string_equal(e.id, "members.key-type");
}

/* Points of X25519 to which a sender and everybody else agree on zero (RFC 7748 s6.1), whichever bit 255 is. */
static void test_low_order(void **state)
{
    (void)state;
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    for (size_t i = 0; i < 2 * array_count(points); i++) {
        struct member one = make_member(510000, "四川省", "tls+tcp://a:1");
        struct members m = make_list(&one, 1);
        struct buf file = {0};
        struct err e = {0};
        size_t size = 0;
        assert_int_equal(hex_decode(points[i / 2], 64, one.seal_key, sizeof one.seal_key, &size), 0);
        if (i % 2 == 1)
            one.seal_key[31] |= 0x80;
        int rc = members_encode(&m, &signer, &file, &e);
        if (rc != ERR_INVALID || strcmp(e.id, "members.seal-key") != 0 || strstr(e.message, "510000") == NULL)
            fail_msg("point %zu: %d %s: %s", i, rc, e.id, e.message);
    }
}

static void test_encode_refused(void **state)
{
    (void)state;
    struct member other_key = make_member(650000, "新疆", "tls+tcp://b:2"), other_origin = other_key,
                  cosigner = other_key;
    memcpy(other_key.key.public_key, make_member(510000, "x", "y").key.public_key, CRYPTO_ED25519_KEY_SIZE);
    other_origin.key = make_member(510000, "x", "y").key;
    cosigner.key.type = NOTE_TYPE_COSIGNATURE;
    const struct {
        struct member second; /* after 510000 四川省 tls+tcp://a:1 */
        const char *id;
    } table[] = {
        {make_member(510000, "新疆", "tls+tcp://b:2"), "members.order"},
        {make_member(440000, "广东省", "tls+tcp://b:2"), "members.order"},
        {make_member(1, "x", "tls+tcp://b:2"), "pki.node-code"},
        {make_member(650000, "四川省", "tls+tcp://b:2"), "members.duplicate"},
        {make_member(650000, "新疆", "tls+tcp://a:1"), "members.duplicate"},
        {other_key, "members.duplicate"},
        {other_origin, "members.duplicate"},
        {cosigner, "members.key-type"},
        {make_member(650000, "新 疆", "tls+tcp://b:2"), "pki.node-name-char"},
        {make_member(650000, "", "tls+tcp://b:2"), "pki.node-name-size"},
        {make_member(650000, "新疆", "tcp://b:2"), "members.url"},
        {make_member(650000, "新疆", "tls+tcp://b"), "members.url"},
        {make_member(650000, "新疆", "tls+tcp://:2"), "members.url"},
        {make_member(650000, "新疆", "tls+tcp://b:"), "members.url"},
        {make_member(650000, "新疆", "tls+tcp://b:0"), "members.url"},
        {make_member(650000, "新疆", "tls+tcp://b:65536"), "members.url"},
        {make_member(650000, "新疆", "tls+tcp://b:2/x"), "members.url"},
        {make_member(650000, "新疆", "tls+tcp://b c:2"), "members.url"},
        {make_member(650000, "新疆", "tls+tcp://*:2"), "members.url"},
        {make_member(650000, "新疆", "tls+tcp://2001:db8::1:2"), "members.url"},
        {make_member(650000, "新疆", "tls+tcp://[b]:2"), "members.url"},
        {make_member(650000, "新疆", "tls+tcp://[:2"), "members.url"},
        {make_member(650000, "新疆", ""), "members.url"},
    };
    for (size_t i = 0; i < array_count(table); i++) {
        struct member list[] = {make_member(510000, "四川省", "tls+tcp://a:1"), table[i].second};
        struct members m = make_list(list, 2);
        struct buf file = {0};
        struct err e = {0};
        int rc = members_encode(&m, &signer, &file, &e);
        if (rc != ERR_INVALID || strcmp(e.id, table[i].id) != 0 || file.size != 0)
            fail_msg("row %zu: %d %s: %s", i, rc, e.id, e.message);
    }
    struct members m = make_list(NULL, 0);
    struct buf file = {0};
    struct err e = {0};
    m.version = 0;
    assert_int_equal(members_encode(&m, &signer, &file, &e), ERR_INVALID);
    m.version = 1;
    strcpy(m.federation, "elsewhere.example");
    assert_int_equal(members_encode(&m, &signer, &file, &e), ERR_INVALID);
    assert_string_equal(e.id, "members.signer");
}

/* A file signed as it stands, whatever it says: for what members_encode() would never write. @digest NULL: the right one. */
static void forge(const char *lines, const char *header, const char *federation, const char *version, const char *count,
                  const char *digest, struct buf *out)
{
    struct buf head = {0};
    const struct note_signer *by = &signer;
    uint8_t hash[CRYPTO_HASH_SIZE];
    char text[64];
    crypto_sha256_one(lines, strlen(lines), hash);
    base64_encode(hash, sizeof hash, text);
    buf_printf(&head, "%s\n%s\n%s\n%s\n%s\n", header, federation, version, count, digest == NULL ? text : digest);
    int rc = note_sign(buf_bytes(&head), &by, 1, 0, out, NULL);
    xassert(rc == 0);
    buf_put_string(out, "\n");
    buf_put_string(out, lines);
    buf_close(&head);
}

/* long: one table of wrong lists */
static void test_parse_refused(void **state)
{
    (void)state;
    struct buf vkey = {0}, line = {0}, wrong_origin = {0}, two = {0}, no_newline = {0};
    struct member one = make_member(510000, "四川省", "tls+tcp://a:1");
    char seal_key[48];
    note_verifier_format(&one.key, &vkey);
    buf_put_u8(&vkey, ' ');
    note_verifier_format(&one.witness, &vkey);
    base64_encode(one.seal_key, sizeof one.seal_key, seal_key);
    buf_printf(&vkey, " %s", seal_key);
    buf_printf(&line, "510000 四川省 tls+tcp://a:1 510000.tongban.example/log/1 %s\n", buf_cstr(&vkey));
    buf_printf(&wrong_origin, "510000 四川省 tls+tcp://a:1 650000.tongban.example/log/1 %s\n", buf_cstr(&vkey));
    buf_printf(&two, "%s%s", buf_cstr(&line), buf_cstr(&line));
    buf_put(&no_newline, line.data, line.size - 1);
    struct buf ledger = {0}, witness = {0}, five = {0}, short_key = {0}, zero_key = {0}, no_witness = {0},
               wrong_type = {0};
    static const char start[] = "510000 四川省 tls+tcp://a:1 510000.tongban.example/log/1";
    note_verifier_format(&one.key, &ledger);
    note_verifier_format(&one.witness, &witness);
    buf_printf(&five, "%s %s\n", start, buf_cstr(&ledger));
    buf_printf(&short_key, "%s %s %s AAAA\n", start, buf_cstr(&ledger), buf_cstr(&witness));
    buf_printf(&zero_key, "%s %s %s AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", start, buf_cstr(&ledger),
               buf_cstr(&witness));
    buf_printf(&no_witness, "%s %s w %s\n", start, buf_cstr(&ledger), seal_key);
    buf_printf(&wrong_type, "%s %s %s %s\n", start, buf_cstr(&ledger), buf_cstr(&ledger), seal_key);
    const char *good = buf_cstr(&line), *header = "tongban-members/v2", *federation = "tongban.example";
    const struct {
        const char *lines, *header, *federation, *version, *count, *digest;
        int code;
        const char *id, *says;
    } table[] = {
        {good, "tongban-members/v1", federation, "1", "1", NULL, ERR_UNSUPPORTED, "members.version", "line 1"},
        {good, header, "elsewhere.example", "1", "1", NULL, ERR_INVALID, "members.federation", "line 2"},
        {good, header, federation, "0", "1", NULL, ERR_INVALID, "members.number", "line 3"},
        {good, header, federation, "01", "1", NULL, ERR_INVALID, "members.number", "line 3"},
        {good, header, federation, "-1", "1", NULL, ERR_INVALID, "members.number", "line 3"},
        {good, header, federation, "1", "x", NULL, ERR_INVALID, "members.number", "line 4"},
        {good, header, federation, "1", "2", NULL, ERR_INVALID, "members.count", "head says 2"},
        {good, header, federation, "1", "0", NULL, ERR_INVALID, "members.count", "head says 0"},
        {good, header, federation, "1", "4097", NULL, ERR_LIMIT, "members.count", "limit is 4096"},
        {good, header, federation, "1", "18446744073709551615", NULL, ERR_LIMIT, "members.count", "line 4"},
        {good, header, federation, "1", "1", "AAAA", ERR_INVALID, "members.digest", "line 5"},
        {good, header, federation, "1", "1", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", ERR_VERIFY,
         "members.digest", "not those that were signed"},
        {good, header, federation, "1\nextra", "1", NULL, ERR_INVALID, "members.head", "6 lines"},
        {buf_cstr(&no_newline), header, federation, "1", "0", NULL, ERR_INVALID, "members.count", ""},
        {buf_cstr(&two), header, federation, "1", "2", NULL, ERR_INVALID, "members.order", "line 10"},
        {buf_cstr(&wrong_origin), header, federation, "1", "1", NULL, ERR_INVALID, "members.origin", "line 9"},
        {"510000 四川省 tls+tcp://a:1\n", header, federation, "1", "1", NULL, ERR_INVALID, "members.line", "line 9"},
        {"510000 四川省 tls+tcp://a:1 o k w s more\n", header, federation, "1", "1", NULL, ERR_INVALID, "members.line",
         "line 9"},
        {"\n", header, federation, "1", "1", NULL, ERR_INVALID, "members.line", "line 9"},
        {"x 四川省 tls+tcp://a:1 o k w s\n", header, federation, "1", "1", NULL, ERR_INVALID, "members.code", "line 9"},
        {"510000 四川省 tls+tcp://a:1 o k w s\n", header, federation, "1", "1", NULL, ERR_INVALID, NULL, "line 9"},
        {buf_cstr(&five), header, federation, "1", "1", NULL, ERR_INVALID, "members.line", "line 9"},
        {buf_cstr(&short_key), header, federation, "1", "1", NULL, ERR_INVALID, "members.seal-key", "line 9"},
        {buf_cstr(&zero_key), header, federation, "1", "1", NULL, ERR_INVALID, "members.seal-key", "line 9"},
        {buf_cstr(&no_witness), header, federation, "1", "1", NULL, ERR_INVALID, "note.vkey", "line 9"},
        {buf_cstr(&wrong_type), header, federation, "1", "1", NULL, ERR_INVALID, "members.key-type", "line 9"},
    };
    for (size_t i = 0; i < array_count(table); i++) {
        struct buf file = {0};
        struct members m = {.version = 99};
        struct err e = {0};
        forge(table[i].lines, table[i].header, table[i].federation, table[i].version, table[i].count, table[i].digest,
              &file);
        int rc = members_parse(buf_bytes(&file), &signer.key, &m, &e);
        if (rc != table[i].code || (table[i].id != NULL && strcmp(e.id, table[i].id) != 0) ||
            strstr(e.message, table[i].says) == NULL)
            fail_msg("row %zu: %d %s: %s", i, rc, e.id, e.message);
        assert_int_equal(m.version, 99); /* untouched */
        buf_close(&file);
    }
    struct buf *const all[] = {&vkey,    &line, &wrong_origin, &two,      &no_newline, &ledger,
                               &witness, &five, &short_key,    &zero_key, &no_witness, &wrong_type};
    for (size_t i = 0; i < array_count(all); i++)
        buf_close(all[i]);
}

/* One byte changed anywhere, or the end cut off anywhere, is never the same list with a good signature. */
static void test_every_byte_counts(void **state)
{
    (void)state;
    struct member list[] = {make_member(500000, "重庆市", "tls+tcp://a:1"),
                            make_member(510000, "四川省", "tls+tcp://b:2")};
    struct members m = make_list(list, 2), back;
    struct buf file = {0};
    assert_int_equal(members_encode(&m, &signer, &file, NULL), 0);
    for (size_t i = 0; i < file.size; i++) {
        file.data[i] ^= 1;
        if (members_parse(buf_bytes(&file), &signer.key, &back, NULL) == 0)
            fail_msg("byte %zu does not count", i);
        file.data[i] ^= 1;
        if (members_parse(bytes_of(file.data, i), &signer.key, &back, NULL) == 0)
            fail_msg("cut after %zu bytes", i);
    }
    struct note_signer stranger;
    static const uint8_t seed[CRYPTO_ED25519_KEY_SIZE] = {2};
    struct crypto_signer *other = crypto_signer_create(seed);
    struct err e = {0};
    assert_int_equal(note_signer_init("tongban.example", NOTE_TYPE_ED25519, other, &stranger, &e), 0);
    assert_int_equal(members_parse(buf_bytes(&file), &stranger.key, &back, &e), ERR_VERIFY);
    crypto_signer_destroy(other);
    buf_close(&file);
}

/* A file over the limit is refused before anything of it is read. */
static void test_size(void **state)
{
    (void)state;
    struct buf file;
    struct members back;
    struct err e = {0};
    buf_init(&file, MEMBERS_FILE_BYTES_MAX + 1);
    while (file.size <= MEMBERS_FILE_BYTES_MAX)
        buf_put_u8(&file, 'x');
    assert_int_equal(members_parse(buf_bytes(&file), &signer.key, &back, &e), ERR_LIMIT);
    assert_string_equal(e.id, "members.size");
    file.size--;
    assert_int_equal(members_parse(buf_bytes(&file), &signer.key, &back, &e), ERR_INVALID);
    assert_string_equal(e.id, "members.form");
    buf_close(&file);
}

static void test_load(void **state)
{
    (void)state;
    struct pki_fixture f;
    char path[PKI_FIXTURE_PATH_SIZE];
    struct members m = make_list(NULL, 0), back;
    struct buf file = {0}, vkey = {0};
    struct err e = {0};
    pki_fixture_open(&f);
    pki_fixture_path(&f, "members", path);
    note_verifier_format(&signer.key, &vkey);
    assert_int_equal(members_load(path, buf_cstr(&vkey), &back, &e), ERR_NOT_FOUND);
    assert_int_equal(members_encode(&m, &signer, &file, &e), 0);
    assert_int_equal(file_write(path, buf_bytes(&file), 0644, true, &e), 0);
    assert_int_equal(members_load(path, "not a key", &back, &e), ERR_INVALID);
    assert_non_null(strstr(e.message, "federation's key"));
    assert_int_equal(members_load(path, buf_cstr(&vkey), &back, &e), 0);
    members_close(&back);
    assert_int_equal(file_write(path, bytes_of_string("x\n"), 0644, false, &e), 0);
    assert_int_equal(members_load(path, buf_cstr(&vkey), &back, &e), ERR_INVALID);
    assert_string_equal(e.id, "members.form");
    assert_non_null(strstr(e.message, path));
    buf_close(&file);
    buf_close(&vkey);
    pki_fixture_close(&f);
}

static void test_update(void **state)
{
    (void)state;
    struct err e = {0};
    struct members now = make_list(NULL, 0), next = now;
    assert_int_equal(members_check_update(&now, &next, &e), 0); /* the very same */
    next.version = 8;
    next.digest[0] = 1;
    assert_int_equal(members_check_update(&now, &next, &e), 0);
    next.version = 7;
    assert_int_equal(members_check_update(&now, &next, &e), ERR_CONFLICT);
    assert_string_equal(e.id, "members.same-version");
    next.version = 6;
    assert_int_equal(members_check_update(&now, &next, &e), ERR_CONFLICT);
    assert_string_equal(e.id, "members.older");
    next.version = 8;
    strcpy(next.federation, "elsewhere.example");
    assert_int_equal(members_check_update(&now, &next, &e), ERR_CONFLICT);
    assert_string_equal(e.id, "members.other-federation");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_full_list),
        cmocka_unit_test(test_keys_refused),
        cmocka_unit_test(test_low_order),
        cmocka_unit_test(test_encode_refused),
        cmocka_unit_test(test_parse_refused),
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_update),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
