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
    config_close(&c);
}

static void test_refused(void **state)
{
    (void)state;
#define REST "\"name\":\"x\",\"federation\":{\"listen\":\"tls+tcp://a:1\"},\"data\":\"d\""
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole), cmocka_unit_test(test_defaults),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_absent)};
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
