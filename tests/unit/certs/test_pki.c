/* Identities as text: what is accepted has one spelling, everything else is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "certs/pki.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

static void test_uri_round_trip(void **state)
{
    (void)state;
    static const struct {
        struct pki_node node;
        const char *uri;
    } table[] = {
        {{"tongban.example", 510000, "四川省"},
         "tongban://tongban.example/node/510000?name=%E5%9B%9B%E5%B7%9D%E7%9C%81"},
        {{"a", 100000, "A-b_c.d~9"}, "tongban://a/node/100000?name=A-b_c.d~9"},
        {{"a.b-c", 999999, "x/y?z&=#"}, "tongban://a.b-c/node/999999?name=x%2Fy%3Fz%26%3D%23"},
    };
    for (size_t i = 0; i < array_count(table); i++) {
        char uri[PKI_URI_BYTES_MAX];
        struct pki_node node;
        struct err e = {0};
        pki_uri_encode(&table[i].node, uri);
        assert_string_equal(uri, table[i].uri);
        assert_int_equal(pki_uri_decode(bytes_of_string(uri), &node, &e), 0);
        assert_string_equal(node.federation, table[i].node.federation);
        assert_int_equal(node.code, table[i].node.code);
        assert_string_equal(node.name, table[i].node.name);
    }
}

static void test_uri_longest(void **state)
{
    (void)state;
    struct pki_node node = {.code = 510000}, again;
    char uri[PKI_URI_BYTES_MAX];
    struct err e = {0};
    memset(node.federation, 'a', 60);
    node.federation[60] = '.';
    memset(node.federation + 61, 'b', FEDERATION_NAME_BYTES_MAX - 61);
    for (size_t i = 0; i < NODE_NAME_BYTES_MAX; i += 3)
        memcpy(node.name + i, "省", 3);
    assert_int_equal(pki_check_federation(node.federation, &e), 0);
    assert_int_equal(pki_check_node_name(node.name, &e), 0);
    pki_uri_encode(&node, uri);
    assert_int_equal(pki_uri_decode(bytes_of_string(uri), &again, &e), 0);
    assert_string_equal(again.name, node.name);
}

static void test_uri_refused(void **state)
{
    (void)state;
    static const char *const table[] = {
        "",
        "tongban://",
        "https://tongban.example/node/510000?name=a",
        "tongban://tongban.example/node/510000",
        "tongban://tongban.example/node/510000?name=",
        "tongban://tongban.example/node/510000?name=a%20b",      /* white space */
        "tongban://tongban.example/node/510000?name=a b",        /* not encoded */
        "tongban://tongban.example/node/510000?name=%61",        /* encoded without need */
        "tongban://tongban.example/node/510000?name=%e5%9b%9b",  /* lower-case hex */
        "tongban://tongban.example/node/510000?name=%E5%9B",     /* cut UTF-8 */
        "tongban://tongban.example/node/510000?name=a%",         /* cut escape */
        "tongban://tongban.example/node/510000?name=a%00b",      /* NUL */
        "tongban://tongban.example/node/510000?name=a%25",       /* '%' in a name */
        "tongban://tongban.example/node/510000?name=%E2%80%AEa", /* right-to-left override */
        "tongban://tongban.example/node/51000?name=a",           /* five digits */
        "tongban://tongban.example/node/5100000?name=a",         /* seven */
        "tongban://tongban.example/node/ 510000?name=a",
        "tongban://tongban.example/node/+51000?name=a",
        "tongban://tongban.example/node/051000?name=a",
        "tongban://Tongban.example/node/510000?name=a", /* upper case */
        "tongban://tongban..example/node/510000?name=a",
        "tongban://-tongban/node/510000?name=a",
        "tongban:///node/510000?name=a",
        "tongban://tongban.example/node/510000?name=a&name=b",
        "tongban://tongban.example/node/510000?Name=a",
    };
    for (size_t i = 0; i < array_count(table); i++) {
        struct pki_node node = {.code = 7};
        struct err e = {0};
        if (pki_uri_decode(bytes_of_string(table[i]), &node, &e) != ERR_INVALID)
            fail_msg("'%s' was taken", table[i]);
        assert_string_equal(e.id, "pki.uri");
        assert_int_equal(node.code, 7); /* untouched */
    }
    struct pki_node node;
    assert_int_equal(pki_uri_decode(bytes_of("tongban://a/node/510000?name=a\0b", 33), &node, NULL), ERR_INVALID);
    char longest[PKI_URI_BYTES_MAX + 100];
    memset(longest, 'a', sizeof longest);
    assert_int_equal(pki_uri_decode(bytes_of(longest, sizeof longest), &node, NULL), ERR_INVALID);
}

static void test_checks(void **state)
{
    (void)state;
    static const struct {
        int (*check)(const char *, struct err *);
        const char *text;
        const char *id; /* NULL: good */
    } table[] = {
        {pki_check_federation, "tongban.example", NULL},
        {pki_check_federation, "", "pki.federation-name"},
        {pki_check_federation, "a..b", "pki.federation-name"},
        {pki_check_federation, ".a", "pki.federation-name"},
        {pki_check_federation, "a.", "pki.federation-name"},
        {pki_check_federation, "a-", "pki.federation-name"},
        {pki_check_federation, "a-.b", "pki.federation-name"},
        {pki_check_federation, "a/b", "pki.federation-name"},
        {pki_check_node_name, "四川省", NULL},
        {pki_check_node_name, "", "pki.node-name-size"},
        {pki_check_node_name, "四川 省", "pki.node-name-char"},
        {pki_check_node_name, "四川\xe3\x80\x80省", "pki.node-name-char"}, /* ideographic space */
        {pki_check_node_name, "a\xc2\xa0z", "pki.node-name-char"},
        {pki_check_node_name, "a\xef\xbb\xbf", "pki.node-name-char"}, /* byte order mark */
        {pki_check_node_name, "a\nb", "pki.node-name-char"},
        {pki_check_node_name, "100%", "pki.node-name-char"},
        {pki_check_node_name, "\xff", "pki.node-name-utf8"},
        {pki_check_node_name, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL}, /* 64 */
        {pki_check_node_name, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "pki.node-name-size"},
        {pki_check_host, "node-1.tongban.example", NULL},
        {pki_check_host, "192.0.2.1", NULL},
        {pki_check_host, "2001:db8::1", NULL},
        {pki_check_host, "", "pki.host"},
        {pki_check_host, "*.example", "pki.host"},
        {pki_check_host, "a b", "pki.host"},
        {pki_check_host, "[::1]", "pki.host"},
        {pki_check_host, "a,DNS:b", "pki.host"},
    };
    for (size_t i = 0; i < array_count(table); i++) {
        struct err e = {0};
        if (table[i].check(table[i].text, &e) != (table[i].id == NULL ? 0 : ERR_INVALID))
            fail_msg("'%s': %s", table[i].text, e.message);
        if (table[i].id != NULL)
            assert_string_equal(e.id, table[i].id);
    }
    static uint8_t large[PEM_FILE_BYTES_MAX + 1];
    struct pki_cert cert;
    struct err e = {0};
    assert_int_equal(pki_cert_parse(bytes_of(large, sizeof large), &cert, &e), ERR_LIMIT);
    assert_string_equal(e.id, "pki.certificate-size");
    assert_int_equal(pki_check_code(99999, NULL), ERR_INVALID);
    assert_int_equal(pki_check_code(100000, NULL), 0);
    assert_int_equal(pki_check_code(999999, NULL), 0);
    assert_int_equal(pki_check_code(1000000, NULL), ERR_INVALID);
}

static void test_date(void **state)
{
    (void)state;
    char date[PKI_DATE_TEXT_SIZE];
    pki_format_date(0, date);
    assert_string_equal(date, "1970-01-01");
    pki_format_date(1795132800, date);
    assert_string_equal(date, "2026-11-20");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uri_round_trip), cmocka_unit_test(test_uri_longest), cmocka_unit_test(test_uri_refused),
        cmocka_unit_test(test_checks),         cmocka_unit_test(test_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
