/* Set-up commands: a federation from nothing, in a temporary folder, and the mistakes on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/keystore.h"
#include "certs/pki.h"
#include "federation/members.h"
#include "node/base/file.h"
#include "node/ctl/setup.h"
#include "tests/unit/ctl/run.h"

#define DATA TEST_SOURCE_DIR "/catalog/data"

struct places {
    char root[64];
    char ca[96], sichuan[96], guangdong[96];
};

static int enter(void **state)
{
    struct places *p = calloc(1, sizeof *p);
    (void)snprintf(p->root, sizeof p->root, "/tmp/tongban-setup-XXXXXX");
    assert_non_null(mkdtemp(p->root));
    (void)snprintf(p->ca, sizeof p->ca, "%s/ca", p->root);
    (void)snprintf(p->sichuan, sizeof p->sichuan, "%s/sc", p->root);
    (void)snprintf(p->guangdong, sizeof p->guangdong, "%s/gd", p->root);
    *state = p;
    return 0;
}

static void remove_files(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *entry = d != NULL ? readdir(d) : NULL; entry != NULL; entry = readdir(d)) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        (void)unlink(path);
    }
    if (d != NULL)
        (void)closedir(d);
    (void)rmdir(dir);
}

static int leave(void **state)
{
    struct places *p = *state;
    remove_files(p->ca);
    remove_files(p->sichuan);
    remove_files(p->guangdong);
    (void)rmdir(p->root);
    free(p);
    return 0;
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not hold '%s'", text, part);
}

static void assert_ok(struct run r)
{
    if (r.status != 0)
        fail_msg("%d %s", r.status, r.err);
}

/* The text of DIR/NAME; the caller frees. */
static char *slurp(const char *dir, const char *name)
{
    char path[256];
    struct buf text = {0};
    struct err e = {0};
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    if (file_read(path, 1 << 20, &text, &e) != 0)
        fail_msg("%s", e.message);
    char *copy = strdup(buf_cstr(&text));
    buf_close(&text);
    return copy;
}

static void assert_mode(const char *dir, const char *name, mode_t mode)
{
    char path[256];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, mode);
}

static struct run init_sichuan(const struct places *p)
{
    return RUN("node", "init", "--dir", p->sichuan, "--region", "510000", "--name", "四川省", "--federation-listen",
               "tls+tcp://127.0.0.1:7510", "--http", "127.0.0.1:8510", "--data", DATA);
}

static struct members load_members(const char *dir)
{
    struct members m = {0};
    struct err e = {0};
    char path[256];
    char *vkey = slurp(dir, "federation.pub");
    vkey[strcspn(vkey, "\n")] = '\0';
    (void)snprintf(path, sizeof path, "%s/members.note", dir);
    if (members_load(path, vkey, &m, &e) != 0)
        fail_msg("%s", e.message);
    free(vkey);
    return m;
}

/* The public part of DIR/NAME, a signing key. */
static void public_of(const char *dir, const char *name, uint8_t ret[CRYPTO_ED25519_KEY_SIZE])
{
    struct err e = {0};
    struct crypto_signer *signer = NULL;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    if (keystore_load_signing_key(path, &signer, &e) != 0)
        fail_msg("%s", e.message);
    crypto_signer_public(signer, ret);
    crypto_signer_destroy(signer);
}

/* The member list names the keys that stand in the node's folder, each under its own name. */
static void check_keys(const char *dir, const struct member *m)
{
    uint8_t key[CRYPTO_ED25519_KEY_SIZE];
    char text[256];
    struct err e = {0};
    struct crypto_hpke_key *seal = NULL;
    public_of(dir, "ledger.key", key);
    assert_memory_equal(key, m->key.public_key, sizeof key);
    public_of(dir, "witness.key", key);
    assert_memory_equal(key, m->witness.public_key, sizeof key);
    assert_int_equal(m->witness.type, NOTE_TYPE_COSIGNATURE);
    (void)snprintf(text, sizeof text, "%u.test.example/witness", m->code);
    assert_string_equal(m->witness.name, text);
    (void)snprintf(text, sizeof text, "%s/seal.key", dir);
    assert_int_equal(keystore_load_seal_key(text, &seal, &e), 0);
    crypto_hpke_key_public(seal, key);
    assert_memory_equal(key, m->seal_key, sizeof key);
    crypto_hpke_key_destroy(seal);
}

/* init → node init → issue → publish; the folders then hold what a node needs, and it fits together. */
static void founds_a_federation(void **state)
{
    const struct places *p = *state;
    assert_ok(RUN("ca", "init", "--dir", p->ca, "--name", "test.example"));
    assert_ok(init_sichuan(p));
    assert_ok(RUN("node", "init", "--dir", p->guangdong, "--region", "440000", "--name", "广东省",
                  "--federation-listen", "tls+tcp://0.0.0.0:7511", "--advertise", "tls+tcp://gd.example:7511", "--data",
                  DATA, "--json"));
    assert_mode(p->sichuan, "tls.key", 0600);
    assert_mode(p->sichuan, "ledger.key", 0600);
    assert_mode(p->sichuan, "witness.key", 0600);
    assert_mode(p->sichuan, "seal.key", 0600);
    assert_mode(p->sichuan, "api.token", 0600);
    char *config = slurp(p->sichuan, "node.json"), *token = slurp(p->sichuan, "api.token");
    assert_has(config, "\"region\": 510000");
    assert_has(config, "\"name\": \"四川省\"");
    assert_has(config, "\"listen\": \"tls+tcp://127.0.0.1:7510\"");
    assert_has(config, "\"http\": \"127.0.0.1:8510\"");
    assert_has(config, "\"catalog\": null");
    assert_has(config, "\"data\": \"" DATA "\"");
    assert_int_equal(strlen(token), 65);

    assert_ok(RUN("ca", "issue", "--dir", p->ca, "--node", p->sichuan));
    struct run r = RUN("ca", "issue", "--dir", p->ca, "--node", p->guangdong, "--days", "30", "--json");
    assert_ok(r);
    assert_has(r.out, "\"name\":\"广东省\"");
    /* a folder that is not there: named, and the other one is left as it was */
    r = RUN("ca", "publish", "--dir", p->ca, p->sichuan, "/tmp/tongban-no-such-folder");
    assert_int_equal(r.status, 3);
    assert_has(r.err, "nothing was written, there is no using the node folder '/tmp/tongban-no-such-folder'");
    assert_has(r.err, "(setup.node-dir)");
    char copied[256];
    (void)snprintf(copied, sizeof copied, "%s/members.note", p->sichuan);
    assert_int_equal(access(copied, F_OK), -1);
    (void)snprintf(copied, sizeof copied, "%s/node.json", p->guangdong);
    r = RUN("ca", "publish", "--dir", p->ca, p->sichuan, copied);
    assert_int_equal(r.status, 2);
    assert_has(r.err, "is no folder (setup.node-dir)");
    assert_ok(RUN("ca", "publish", "--dir", p->ca, p->sichuan, p->guangdong));

    struct members m = load_members(p->guangdong);
    assert_string_equal(m.federation, "test.example");
    assert_int_equal(m.version, 2);
    assert_int_equal(m.count, 2);
    const struct member *sichuan = members_find(&m, 510000), *guangdong = members_find(&m, 440000);
    assert_string_equal(sichuan->name, "四川省");
    assert_string_equal(sichuan->key.name, "510000.test.example/log/1");
    assert_string_equal(guangdong->url, "tls+tcp://gd.example:7511");
    check_keys(p->sichuan, sichuan);
    check_keys(p->guangdong, guangdong);
    struct err e = {0};
    char path[256];
    struct pki_cert cert = {0};
    (void)snprintf(path, sizeof path, "%s/tls.crt", p->guangdong);
    assert_int_equal(pki_cert_load(path, &cert, &e), 0);
    assert_int_equal(cert.node.code, 440000);
    assert_string_equal(cert.node.federation, "test.example");
    char *ca = slurp(p->ca, "ca.pem"), *copy = slurp(p->sichuan, "ca.crt"), *crl = slurp(p->sichuan, "crl.pem");
    assert_string_equal(ca, copy);
    assert_has(crl, "BEGIN X509 CRL");
    members_close(&m);
    free(config);
    free(token);
    free(ca);
    free(copy);
    free(crl);
}

/* The last file of a federation cannot be written: nothing of it stays, and the next try is as the first. */
static void takes_back_what_it_cannot_finish(void **state)
{
    const struct places *p = *state;
    static const char *const made[] = {"ca.pem", "ca.key", "federation.key", "issued", "crl.pem"};
    char path[256];
    (void)mkdir(p->ca, 0700);
    (void)snprintf(path, sizeof path, "%s/federation.pub", p->ca);
    assert_int_equal(mkdir(path, 0700), 0);
    struct run r = RUN("ca", "init", "--dir", p->ca, "--name", "test.example");
    assert_int_equal(r.status, 6);
    assert_has(r.err, "(file.rename)");
    for (size_t i = 0; i < array_count(made); i++) {
        char of[256];
        (void)snprintf(of, sizeof of, "%s/%s", p->ca, made[i]);
        assert_int_equal(access(of, F_OK), -1);
    }
    assert_int_equal(rmdir(path), 0);
    assert_ok(RUN("ca", "init", "--dir", p->ca, "--name", "test.example"));
    r = RUN("ca", "init", "--dir", p->ca, "--name", "other.example");
    assert_int_equal(r.status, 4);
    assert_has(r.err, "(file.exists)");
    assert_int_equal(access(path, F_OK), 0);
}

/* A certificate renewed, an address changed: the same member, one version up. A stranger's ledger key is refused. */
static void renews_and_dismisses(void **state)
{
    const struct places *p = *state;
    assert_ok(RUN("ca", "init", "--dir", p->ca, "--name", "test.example"));
    assert_ok(init_sichuan(p));
    assert_ok(RUN("ca", "issue", "--dir", p->ca, "--node", p->sichuan));
    assert_ok(RUN("ca", "issue", "--dir", p->ca, "--node", p->sichuan));
    assert_ok(RUN("ca", "publish", "--dir", p->ca, p->sichuan));
    struct members m = load_members(p->sichuan);
    assert_int_equal(m.count, 1);
    assert_int_equal(m.version, 2);
    members_close(&m);

    /* another folder claims the same region */
    assert_ok(RUN("node", "init", "--dir", p->guangdong, "--region", "510000", "--name", "四川省",
                  "--federation-listen", "tls+tcp://127.0.0.1:7512", "--data", DATA));
    struct run r = RUN("ca", "issue", "--dir", p->ca, "--node", p->guangdong);
    assert_int_equal(r.status, 4);
    assert_has(r.err, "(setup.ledger-key)");

    r = RUN("ca", "revoke", "--dir", p->ca, "--code", "510000", "--reason", "superseded", "--dismiss");
    assert_ok(r);
    assert_has(r.out, "revoked:   2");
    r = RUN("ca", "revoke", "--dir", p->ca, "--code", "510000");
    assert_int_equal(r.status, 3);
    assert_has(r.err, "(setup.no-certificate)");
    r = RUN("ca", "revoke", "--dir", p->ca, "--code", "510000", "--dismiss");
    assert_has(r.err, "(setup.no-member)");
    r = RUN("ca", "revoke", "--dir", p->ca, "--serial", "00ff");
    assert_int_equal(r.status, 3);
    r = RUN("ca", "revoke", "--dir", p->ca, "--code", "510000", "--reason", "boredom");
    assert_int_equal(r.status, 2);
    r = RUN("ca", "publish", "--dir", p->ca, p->sichuan);
    assert_has(r.err, "(setup.no-member)");
}

/* The folder of Sichuan made ready for a new request; @keys are gone from it, so that new ones are made. */
static void ask_again(const struct places *p, const char *const *keys)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/node.json", p->sichuan);
    assert_int_equal(unlink(path), 0);
    for (; *keys != NULL; keys++) {
        (void)snprintf(path, sizeof path, "%s/%s", p->sichuan, *keys);
        assert_int_equal(unlink(path), 0);
    }
    assert_ok(init_sichuan(p));
}

/* Witness key and seal key may be new ones, which the office is told; the ledger key may not. */
static void replaces_keys(void **state)
{
    static const struct {
        const char *keys[3], *says; /* NULL: nothing was replaced */
    } cases[] = {
        {{NULL}, NULL},
        {{"witness.key"}, "witness key; the old one"},
        {{"seal.key"}, "seal key; the old one"},
        {{"witness.key", "seal.key"}, "witness key and seal key; the old one"},
    };
    const struct places *p = *state;
    assert_ok(RUN("ca", "init", "--dir", p->ca, "--name", "test.example"));
    assert_ok(init_sichuan(p));
    struct run r = RUN("ca", "issue", "--dir", p->ca, "--node", p->sichuan);
    assert_ok(r);
    assert_null(strstr(r.out, "replaced"));
    for (size_t i = 0; i < array_count(cases); i++) {
        ask_again(p, cases[i].keys);
        r = RUN("ca", "issue", "--dir", p->ca, "--node", p->sichuan);
        assert_ok(r);
        if (cases[i].says == NULL)
            assert_null(strstr(r.out, "replaced"));
        else
            assert_has(strstr(r.out, "replaced:") != NULL ? strstr(r.out, "replaced:") : "", cases[i].says);
        assert_ok(RUN("ca", "publish", "--dir", p->ca, p->sichuan));
        struct members m = load_members(p->sichuan);
        assert_int_equal(m.count, 1);
        assert_int_equal(m.version, i + 2);
        check_keys(p->sichuan, members_find(&m, 510000));
        members_close(&m);
    }
    ask_again(p, (const char *const[]){"ledger.key", NULL});
    r = RUN("ca", "issue", "--dir", p->ca, "--node", p->sichuan);
    assert_int_equal(r.status, 4);
    assert_has(r.err, "(setup.ledger-key)");
}

/* A request whose keys are no keys: no member, and no certificate. */
static void issues_for_no_bad_key(void **state)
{
    const struct places *p = *state;
    char path[256], cert[256];
    struct err e = {0};
    assert_ok(RUN("ca", "init", "--dir", p->ca, "--name", "test.example"));
    assert_ok(init_sichuan(p));
    (void)snprintf(path, sizeof path, "%s/request.json", p->sichuan);
    (void)snprintf(cert, sizeof cert, "%s/tls.crt", p->sichuan);
    static const char *const ids[] = {"members.seal-key", "members.duplicate"};
    for (size_t i = 0; i < array_count(ids); i++) {
        struct arena mem = ARENA_INIT;
        struct setup_request r = {0};
        struct buf text = {0};
        if (i > 0)
            ask_again(p, (const char *const[]){NULL});
        assert_int_equal(setup_request_load(path, &mem, &r, &e), 0);
        if (i == 0)
            memset(r.seal_key, 0, sizeof r.seal_key);
        else
            memcpy(r.witness_key, r.ledger_key, sizeof r.witness_key);
        setup_request_encode(&r, &text);
        assert_int_equal(file_write(path, buf_bytes(&text), 0644, false, &e), 0);
        struct run issued = RUN("ca", "issue", "--dir", p->ca, "--node", p->sichuan);
        assert_int_equal(issued.status, 2);
        assert_has(issued.err, ids[i]);
        assert_int_equal(access(cert, F_OK), -1);
        buf_close(&text);
        arena_close(&mem);
    }
}

static void does_nothing_twice(void **state)
{
    const struct places *p = *state;
    assert_ok(RUN("ca", "init", "--dir", p->ca, "--name", "test.example"));
    char *key = slurp(p->ca, "ca.key");
    assert_int_equal(RUN("ca", "init", "--dir", p->ca, "--name", "test.example").status, 4);
    char *again = slurp(p->ca, "ca.key");
    assert_string_equal(key, again);
    free(key);
    free(again);

    assert_ok(init_sichuan(p));
    key = slurp(p->sichuan, "tls.key");
    struct run r = init_sichuan(p);
    assert_int_equal(r.status, 4);
    assert_has(r.err, "(setup.exists)");
    /* cut short before node.json: goes on with the keys that are there */
    char path[256];
    (void)snprintf(path, sizeof path, "%s/node.json", p->sichuan);
    assert_int_equal(unlink(path), 0);
    assert_ok(init_sichuan(p));
    again = slurp(p->sichuan, "tls.key");
    assert_string_equal(key, again);
    free(key);
    free(again);
}

static void refuses_bad_input(void **state)
{
    static const struct {
        const char *region, *name, *listen, *option, *value, *says;
    } cases[] = {
        {"51", "四川省", "tls+tcp://127.0.0.1:1", NULL, NULL, "'--region' is '51'"},
        {"510000", "a b", "tls+tcp://127.0.0.1:1", NULL, NULL, "("},
        {"510000", "", "tls+tcp://127.0.0.1:1", NULL, NULL, "("},
        {"510000", "四川省", "tcp://127.0.0.1:1", NULL, NULL, "must begin with tls+tcp://"},
        {"510000", "四川省", "tls+tcp://127.0.0.1", NULL, NULL, "(setup.address)"},
        {"510000", "四川省", "tls+tcp://127.0.0.1:0", NULL, NULL, "(setup.address)"},
        {"510000", "四川省", "tls+tcp://127.0.0.1:65536", NULL, NULL, "(setup.address)"},
        {"510000", "四川省", "tls+tcp://:7", NULL, NULL, "(setup.address)"},
        {"510000", "四川省", "tls+tcp://::1:7", NULL, NULL, "(setup.address)"},
        {"510000", "四川省", "tls+tcp://a/b:7", NULL, NULL, "(setup.address)"},
        {"510000", "四川省", "tls+tcp://bad_host!:7", NULL, NULL, "("},
        {"510000", "四川省", "tls+tcp://0.0.0.0:7", NULL, NULL, "(setup.advertise)"},
        {"510000", "四川省", "tls+tcp://0.0.0.0:7", "--advertise", "tls+tcp://[::]:7", "(setup.advertise)"},
        {"510000", "四川省", "tls+tcp://127.0.0.1:7", "--http", "127.0.0.1",
         "--http '127.0.0.1' must end in host:port"},
        {"510000", "四川省", "tls+tcp://127.0.0.1:7", "--catalog", "/no/such/file",
         "--catalog '/no/such/file' does not exist"},
        {"510000", "四川省", "tls+tcp://127.0.0.1:7", "--data", "/no/such/folder", "(setup.path)"},
    };
    const struct places *p = *state;
    for (size_t i = 0; i < array_count(cases); i++) {
        struct run r = RUN("node", "init", "--dir", p->sichuan, "--region", cases[i].region, "--name", cases[i].name,
                           "--federation-listen", cases[i].listen, cases[i].option, cases[i].value);
        if (r.status == 0 || strstr(r.err, cases[i].says) == NULL)
            fail_msg("case %zu: %d %s", i, r.status, r.err);
        assert_int_equal(access(p->sichuan, F_OK), -1); /* nothing was made */
    }
    struct run r = RUN("ca", "issue", "--dir", p->ca, "--node", p->sichuan);
    assert_int_equal(r.status, 3);
    assert_has(r.err, "hint: 'tongban node init' makes it");
    assert_int_equal(RUN("ca", "init", "--dir", p->ca, "--name", "Bad Name").status, 2);
    assert_ok(init_sichuan(p));
    assert_int_equal(RUN("ca", "issue", "--dir", p->ca, "--node", p->sichuan).status, 3); /* no CA there */
}

#define KEY_01 "0101010101010101010101010101010101010101010101010101010101010101"
#define REQUEST "{\"format\":\"tongban-request/v2\",\"region\":510000,\"name\":\"a\",\"url\":\"u\",\"hosts\":[],"

/* The request file: what was written is read back; anything else is refused with the name of the field. */
static void requests_are_checked(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "no JSON object"},
        {"[]", "no JSON object"},
        {"{}", "'format'"},
        {"{\"format\":\"x\"}", "'format'"},
        {"{\"format\":\"tongban-request/v2\"}", "'region'"},
        {"{\"format\":\"tongban-request/v2\",\"region\":\"510000\"}", "'region'"},
        {"{\"format\":\"tongban-request/v2\",\"region\":510000,\"name\":\"a\\u0000b\"}", "'name'"},
        {"{\"format\":\"tongban-request/v2\",\"region\":510000,\"name\":\"a\"}", "'url'"},
        {"{\"format\":\"tongban-request/v2\",\"region\":510000,\"name\":\"a\",\"url\":\"u\",\"hosts\":[1]}", "'hosts'"},
        {"{\"format\":\"tongban-request/"
         "v2\",\"region\":510000,\"name\":\"a\",\"url\":\"u\",\"hosts\":[],\"ledger_key\":\"ab\"}",
         "'ledger_key'"},
        {REQUEST "\"ledger_key\":\"" KEY_01 "\"}", "'witness_key'"},
        {REQUEST "\"ledger_key\":\"" KEY_01 "\",\"witness_key\":\"" KEY_01 "00\"}", "'witness_key'"},
        {REQUEST "\"ledger_key\":\"" KEY_01 "\",\"witness_key\":\"" KEY_01 "\"}", "'seal_key'"},
        {REQUEST "\"ledger_key\":\"" KEY_01 "\",\"witness_key\":\"" KEY_01 "\",\"seal_key\":\"zz\"}", "'seal_key'"},
        {REQUEST "\"ledger_key\":\"" KEY_01 "\",\"witness_key\":\"" KEY_01 "\",\"seal_key\":\"" KEY_01 "\"}", "'csr'"},
        {"{\"format\":\"tongban-request/v1\"}", "'format'"},
    };
    const struct places *p = *state;
    char path[128];
    struct err e = {0};
    (void)snprintf(path, sizeof path, "%s/request.json", p->root);
    for (size_t i = 0; i < array_count(cases); i++) {
        struct arena mem = ARENA_INIT;
        struct setup_request r = {0};
        assert_int_equal(file_write(path, bytes_of_string(cases[i].text), 0600, false, &e), 0);
        assert_int_equal(setup_request_load(path, &mem, &r, &e), ERR_INVALID);
        assert_has(e.message, cases[i].says);
        arena_close(&mem);
    }

    struct arena mem = ARENA_INIT;
    struct buf text = {0};
    struct setup_request r = {.region = 510000,
                              .name = "四川省",
                              .url = "tls+tcp://x:1",
                              .hosts = {"x", "10.0.0.1"},
                              .host_count = 2,
                              .ledger_key = {1, 2, 3},
                              .witness_key = {4, 5, 6},
                              .seal_key = {7, 8, 9},
                              .csr_pem = bytes_of_string("pem\n")},
                         back = {0};
    setup_request_encode(&r, &text);
    assert_int_equal(file_write(path, buf_bytes(&text), 0600, false, &e), 0);
    assert_int_equal(setup_request_load(path, &mem, &back, &e), 0);
    assert_int_equal(back.region, 510000);
    assert_string_equal(back.name, "四川省");
    assert_string_equal(back.hosts[1], "10.0.0.1");
    assert_memory_equal(back.ledger_key, r.ledger_key, sizeof r.ledger_key);
    assert_memory_equal(back.witness_key, r.witness_key, sizeof r.witness_key);
    assert_memory_equal(back.seal_key, r.seal_key, sizeof r.seal_key);
    assert_true(bytes_equal(back.csr_pem, r.csr_pem));
    buf_close(&text);
    arena_close(&mem);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(founds_a_federation, enter, leave),
        cmocka_unit_test_setup_teardown(takes_back_what_it_cannot_finish, enter, leave),
        cmocka_unit_test_setup_teardown(renews_and_dismisses, enter, leave),
        cmocka_unit_test_setup_teardown(replaces_keys, enter, leave),
        cmocka_unit_test_setup_teardown(issues_for_no_bad_key, enter, leave),
        cmocka_unit_test_setup_teardown(does_nothing_twice, enter, leave),
        cmocka_unit_test_setup_teardown(refuses_bad_input, enter, leave),
        cmocka_unit_test_setup_teardown(requests_are_checked, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
