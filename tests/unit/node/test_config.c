/* node/config: what is accepted, and that each refusal names file, key and value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/base/file.h"
#include "node/base/xassert.h"
#include "node/config.h"

static char dir[] = "/tmp/tongban-config-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/node.json", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(dir);
}

static int load(const char *text, struct config *ret, struct err *e)
{
    assert_int_equal(file_write(path, bytes_of_string(text), 0600, false, e), 0);
    return config_load(path, ret, e);
}

static void test_whole(void **state)
{
    (void)state;
    struct config c;
    struct err e = {0};
    assert_int_equal(
        load("{\"region\":510000,\"name\":\"四川省\",\"federation\":{\"listen\":\"tls+tcp://0.0.0.0:7510\","
             "\"advertise\":\"tls+tcp://sc.example:7510\"},\"http\":\"127.0.0.1:8510\","
             "\"catalog\":\"items.json\",\"data\":\"/usr/share/tongban\",\"log\":\"debug\"}",
             &c, &e),
        0);
    assert_int_equal(c.region, 510000);
    assert_string_equal(c.name, "四川省");
    assert_string_equal(c.advertise, "tls+tcp://sc.example:7510");
    assert_string_equal(c.data, "/usr/share/tongban");
    char expected[96];
    (void)snprintf(expected, sizeof expected, "%s/items.json", dir);
    assert_string_equal(c.catalog, expected);
    (void)snprintf(expected, sizeof expected, "%s/api.sock", dir);
    assert_string_equal(c.socket_path, expected);
    config_close(&c);
}

static void test_defaults(void **state)
{
    (void)state;
    struct config c;
    struct err e = {0};
    assert_int_equal(load("{\"region\":330000,\"name\":\"浙江省\",\"federation\":{\"listen\":\"tls+tcp://"
                          "0.0.0.0:1\"},\"data\":\"d\"}",
                          &c, &e),
                     0);
    assert_string_equal(c.http, "");
    assert_string_equal(c.catalog, "");
    assert_string_equal(c.log, "info");
    assert_string_equal(c.policy, "");
    assert_string_equal(c.witness_http, "");
    assert_int_equal(c.mirror_count, 0);
    assert_int_equal(c.heads_busy_s, 10);
    assert_int_equal(c.heads_idle_s, 60);
    assert_int_equal(c.heads_stale_s, 180);
    assert_int_equal(c.witness_round_ms, 1000);
    assert_int_equal(c.start_ask_ms, 2000);
    config_close(&c);
}

#define REST "\"name\":\"x\",\"federation\":{\"listen\":\"tls+tcp://a:1\"},\"data\":\"d\""

/* What the ledger, its witnesses and its mirrors are told; mirrors may stand before the region. */
static void test_ledger(void **state)
{
    (void)state;
    struct config c;
    struct err e = {0};
    assert_int_equal(load("{\"mirrors\":[330000,110000,999999],\"region\":510000," REST
                          ",\"witness_http\":\"[::1]:8520\",\"ledger\":{\"policy\":\"policy.txt\",\"heads_busy_s\":2,"
                          "\"heads_idle_s\":3,\"heads_stale_s\":4,\"witness_round_ms\":10,\"start_ask_ms\":0}}",
                          &c, &e),
                     0);
    assert_int_equal(c.mirror_count, 3);
    assert_int_equal(c.mirrors[0], 330000);
    assert_int_equal(c.mirrors[1], 110000);
    assert_int_equal(c.mirrors[2], 999999);
    assert_string_equal(c.witness_http, "[::1]:8520");
    assert_int_equal(c.heads_busy_s, 2);
    assert_int_equal(c.heads_idle_s, 3);
    assert_int_equal(c.heads_stale_s, 4);
    assert_int_equal(c.witness_round_ms, 10);
    assert_int_equal(c.start_ask_ms, 0);
    char expected[96];
    (void)snprintf(expected, sizeof expected, "%s/policy.txt", dir);
    assert_string_equal(c.policy, expected);
    (void)snprintf(expected, sizeof expected, "%s/witness.key", dir);
    assert_string_equal(c.witness_key_path, expected);
    (void)snprintf(expected, sizeof expected, "%s/seal.key", dir);
    assert_string_equal(c.seal_key_path, expected);
    config_close(&c);

    /* the ends of each range */
    static const char *const good[] = {
        "\"heads_busy_s\":1,\"heads_idle_s\":1,\"heads_stale_s\":2",
        "\"heads_busy_s\":60,\"heads_idle_s\":3600,\"heads_stale_s\":86400",
        "\"witness_round_ms\":60000,\"start_ask_ms\":60000",
    };
    for (size_t i = 0; i < array_count(good); i++) {
        char text[400];
        (void)snprintf(text, sizeof text, "{\"region\":510000,%s,\"ledger\":{%s}}", REST, good[i]);
        if (load(text, &c, &e) != 0)
            fail_msg("%s: %s", good[i], e.message);
        config_close(&c);
    }
}

/* What stands behind the required keys, and what is said about it. */
static void test_ledger_refused(void **state)
{
    (void)state;
    static const char codes[] = "mirrors: a list of up to 3 node codes is wanted";
    static const char door[] = "witness_http: is not host:port with a port from 1 to 65535";
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"\"mirrors\":110000", codes},
        {"\"mirrors\":[\"110000\"]", codes},
        {"\"mirrors\":[99999]", codes},
        {"\"mirrors\":[1000000]", codes},
        {"\"mirrors\":[4295077296]", codes}, /* 110000 in 32 bits */
        {"\"mirrors\":[110000,120000,130000,140000]", codes},
        {"\"mirrors\":[110000,120000,110000]", "mirrors: names a node twice"},
        {"\"mirrors\":[110000,510000]", "mirrors: names this node itself"},
        {"\"witness_http\":8520", "witness_http: a text is wanted"},
        {"\"witness_http\":\"8520\"", door},
        {"\"witness_http\":\":8520\"", door},
        {"\"witness_http\":\"a:\"", door},
        {"\"witness_http\":\"a:0\"", door},
        {"\"witness_http\":\"a:65536\"", door},
        {"\"witness_http\":\"::1:8520\"", door},
        {"\"witness_http\":\"[]:8520\"", door},
        {"\"witness_http\":\"http://a:1\"", door},
        {"\"ledger\":1", "unknown key 'ledger'"},
        {"\"ledger\":{\"mirrors\":[]}", "unknown key 'mirrors' in ledger"},
        {"\"heads_busy_s\":1", "unknown key 'heads_busy_s'"},
        {"\"ledger\":{\"policy\":1}", "ledger.policy: a text is wanted"},
        {"\"ledger\":{\"heads_busy_s\":0}", "ledger.heads_busy_s: a number from 1 to 60 is wanted"},
        {"\"ledger\":{\"heads_busy_s\":61}", "ledger.heads_busy_s: a number from 1 to 60 is wanted"},
        {"\"ledger\":{\"heads_busy_s\":4294967297}", "ledger.heads_busy_s: a number from 1 to 60 is wanted"},
        {"\"ledger\":{\"heads_busy_s\":1.5}", "ledger.heads_busy_s: a number from 1 to 60 is wanted"},
        {"\"ledger\":{\"heads_busy_s\":-1}", "ledger.heads_busy_s: a number from 1 to 60 is wanted"},
        {"\"ledger\":{\"heads_busy_s\":null}", "ledger.heads_busy_s: a number from 1 to 60 is wanted"},
        {"\"ledger\":{\"heads_idle_s\":3601}", "ledger.heads_idle_s: a number from 1 to 3600 is wanted"},
        {"\"ledger\":{\"heads_stale_s\":86401}", "ledger.heads_stale_s: a number from 2 to 86400 is wanted"},
        {"\"ledger\":{\"witness_round_ms\":9}", "ledger.witness_round_ms: a number from 10 to 60000 is wanted"},
        {"\"ledger\":{\"witness_round_ms\":60001}", "ledger.witness_round_ms: a number from 10 to 60000 is wanted"},
        {"\"ledger\":{\"start_ask_ms\":60001}", "ledger.start_ask_ms: a number from 0 to 60000 is wanted"},
        {"\"ledger\":{\"heads_busy_s\":10,\"heads_idle_s\":9}", "ledger.heads_busy_s: is more than heads_idle_s"},
        {"\"ledger\":{\"heads_idle_s\":180}", "ledger.heads_stale_s: is not more than heads_idle_s"},
        {"\"ledger\":{\"start_ask_ms\":1,\"start_ask_ms\":2}", "ledger.start_ask_ms: stands twice"},
        {"\"ledger\":{\"start_ask_ms\":1},\"ledger\":{\"start_ask_ms\":1}", "ledger.start_ask_ms: stands twice"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct config c;
        struct err e = {0};
        char text[400];
        (void)snprintf(text, sizeof text, "{\"region\":510000,%s,%s}", REST, rows[i].text);
        if (load(text, &c, &e) != ERR_INVALID || strstr(e.message, rows[i].words) == NULL ||
            strstr(e.message, path) == NULL)
            fail_msg("%s: %s (%s)", rows[i].text, e.message, e.id);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *id, *words;
    } rows[] = {
        {"", "config.json", "not a JSON object"},
        {"[]", "config.json", "not a JSON object"},
        {"{\"region\":510000," REST ",}", "config.json", "at byte"},
        {"{" REST "}", "config.value", "region: is missing"},
        {"{\"region\":\"510000\"," REST "}", "config.value", "six digits"},
        {"{\"region\":51," REST "}", "config.value", "six digits"},
        {"{\"region\":510000," REST ",\"colour\":1}", "config.key", "unknown key 'colour'"},
        {"{\"region\":510000," REST ",\"region\":510000}", "config.value", "stands twice"},
        {"{\"region\":510000," REST ",\"log\":\"loud\"}", "config.value", "log: is not one of"},
        {"{\"region\":510000," REST ",\"http\":8510}", "config.value", "http: a text is wanted"},
        {"{\"region\":510000,\"name\":\"x\",\"federation\":{\"listen\":\"tcp://a:1\"},\"data\":\"d\"}", "config.value",
         "tls+tcp://"},
        {"{\"region\":510000,\"name\":\"x\",\"federation\":{\"listen\":\"tls+tcp://a:1\",\"port\":1},\"data\":\"d\"}",
         "config.key", "unknown key 'port' in federation"},
        {"{\"region\":510000,\"name\":\"\",\"federation\":{\"listen\":\"tls+tcp://a:1\"},\"data\":\"d\"}",
         "config.value", "name: must not be empty"},
        {"{\"region\":510000,\"name\":\"x\\u0000y\",\"federation\":{\"listen\":\"tls+tcp://a:1\"},\"data\":\"d\"}",
         "config.value", "NUL"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct config c;
        struct err e = {0};
        assert_int_not_equal(load(rows[i].text, &c, &e), 0);
        if (strcmp(e.id, rows[i].id) != 0 || strstr(e.message, rows[i].words) == NULL ||
            strstr(e.message, path) == NULL)
            fail_msg("%s: %s (%s)", rows[i].text, e.message, e.id);
    }
}

static void test_absent(void **state)
{
    (void)state;
    struct config c;
    struct err e = {0};
    assert_int_equal(config_load("/tmp/there/is/no/node.json", &c, &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.message, "/tmp/there/is/no/node.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole),   cmocka_unit_test(test_defaults),
                                       cmocka_unit_test(test_ledger),  cmocka_unit_test(test_ledger_refused),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_absent)};
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
