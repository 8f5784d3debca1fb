/* node/http/json: what is refused and how the error says where, canonical text, writing of awkward values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/http/json.h"

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not hold '%s'", text, part);
}

static void refuses_bad_documents(void **state)
{
    static const struct {
        const char *text;
        const char *id;
        const char *says;
    } cases[] = {
        {"", "json.syntax", "empty"},
        {"{", "json.syntax", "byte 1"},
        {"{} {}", "json.syntax", "byte"},
        {"{\"a\":1,}", "json.syntax", "byte"},
        {"{\"a\":NaN}", "json.syntax", "byte"},
        {"// x\n{}", "json.syntax", "byte"},
        {"{\"a\":\"\xff\"}", "json.syntax", "byte"},
        {"{\"a\":1,\"a\":2}", "json.duplicate-key", "'a'"},
        {"{\"a\":{\"b\":[0,{\"c\":1,\"d\":2,\"c\":3}]}}", "json.duplicate-key", "'a.b[1].c'"},
        {"{\"a\":1,\"\\u0061\":2}", "json.duplicate-key", "'a'"},
        {"{\"a\":[\"x\",\"y\\u0000z\"]}", "json.nul", "'a[1]'"},
        {"{\"a\":{\"b\\u0000\":1}}", "json.nul", "'a.b'"},
        {"\"a\\u0000\"", "json.nul", "U+0000"},
    };
    (void)state;
    for (size_t i = 0; i < array_count(cases); i++) {
        struct arena mem = ARENA_INIT;
        struct err e = {0};
        yyjson_val *root = NULL;
        assert_int_equal(json_parse(&mem, bytes_of_string(cases[i].text), &root, &e), ERR_INVALID);
        assert_string_equal(e.id, cases[i].id);
        assert_has(e.message, cases[i].says);
        assert_null(root);
        arena_close(&mem);
    }
}

/* As deep as the limit passes, one more does not; a megabyte of brackets does neither crash nor hang. */
static void limits_depth(void **state)
{
    (void)state;
    const size_t depths[] = {1, JSON_DEPTH_MAX, JSON_DEPTH_MAX + 1, 500000};
    for (size_t i = 0; i < array_count(depths); i++) {
        struct arena mem = ARENA_INIT;
        struct err e = {0};
        yyjson_val *root = NULL;
        struct buf text = {0};
        for (size_t d = 0; d < depths[i]; d++)
            buf_put_u8(&text, '[');
        for (size_t d = 0; d < depths[i]; d++)
            buf_put_u8(&text, ']');
        int rc = json_parse(&mem, buf_bytes(&text), &root, &e);
        assert_int_equal(rc, depths[i] <= JSON_DEPTH_MAX ? 0 : ERR_INVALID);
        if (rc != 0)
            assert_string_equal(e.id, "json.depth");
        buf_close(&text);
        arena_close(&mem);
    }
}

/* Many keys: the one duplicate among 20,000 is found (by sorting, not by comparing all pairs). */
static void finds_duplicate_among_many(void **state)
{
    (void)state;
    for (int duplicate = 0; duplicate < 2; duplicate++) {
        struct arena mem = ARENA_INIT;
        struct err e = {0};
        yyjson_val *root = NULL;
        struct buf text = {0};
        buf_put_string(&text, "{");
        for (int i = 0; i < 20000; i++)
            buf_printf(&text, "\"k%d\":0,", i);
        buf_put_string(&text, duplicate ? "\"k777\":1}" : "\"last\":1}");
        assert_int_equal(json_parse(&mem, buf_bytes(&text), &root, &e), duplicate ? ERR_INVALID : 0);
        if (duplicate)
            assert_has(e.message, "'k777'");
        buf_close(&text);
        arena_close(&mem);
    }
}

/* One document, many wrong questions. */
static void getters_name_the_path(void **state)
{
    static const char text[] =
        "{\"o\":{\"s\":\"text\",\"n\":7,\"neg\":-3,\"b\":true,\"list\":[1,2,3],\"null\":null,\"empty\":\"\"}}";
    struct arena mem = ARENA_INIT;
    struct err e = {0};
    yyjson_val *root = NULL, *list = NULL;
    struct json_object top, o, none;
    (void)state;
    assert_int_equal(json_parse(&mem, bytes_of_string(text), &root, &e), 0);
    assert_int_equal(json_as_object(&mem, root, "", &top, &e), 0);
    assert_int_equal(json_get_object(&top, "o", true, &o, &e), 0);

    const char *s = "before";
    uint64_t n = 99;
    bool b = false;
    assert_int_equal(json_get_string(&o, "s", true, 4, &s, &e), 0);
    assert_string_equal(s, "text");
    assert_int_equal(json_get_u64(&o, "n", true, 0, 10, &n, &e), 0);
    assert_int_equal(n, 7);
    assert_int_equal(json_get_bool(&o, "b", &b, &e), 0);
    assert_true(b);
    assert_int_equal(json_get_array(&o, "list", 3, &list, &e), 0);
    assert_int_equal(yyjson_arr_size(list), 3);

    /* absent and null leave what was there */
    s = "before";
    n = 99;
    assert_int_equal(json_get_string(&o, "no", false, 4, &s, &e), 0);
    assert_int_equal(json_get_string(&o, "null", false, 4, &s, &e), 0);
    assert_string_equal(s, "before");
    assert_int_equal(json_get_u64(&o, "no", false, 0, 1, &n, &e), 0);
    assert_int_equal(n, 99);
    assert_int_equal(json_get_object(&o, "no", false, &none, &e), 0);
    assert_null(none.value);

    assert_int_equal(json_get_string(&o, "no", true, 4, &s, &e), ERR_INVALID);
    assert_string_equal(e.message, "the field 'o.no' is missing");
    assert_int_equal(json_get_string(&o, "null", true, 4, &s, &e), ERR_INVALID);
    assert_int_equal(json_get_string(&o, "empty", true, 4, &s, &e), ERR_INVALID);
    assert_string_equal(e.message, "the field 'o.empty' is empty");
    assert_int_equal(json_get_string(&o, "n", true, 4, &s, &e), ERR_INVALID);
    assert_has(e.message, "'o.n' must be a string, not");
    assert_int_equal(json_get_string(&o, "s", true, 3, &s, &e), ERR_INVALID);
    assert_string_equal(e.message, "'o.s' has 4 bytes, the limit is 3");
    assert_int_equal(json_get_u64(&o, "s", true, 0, 9, &n, &e), ERR_INVALID);
    assert_string_equal(e.id, "json.type");
    assert_int_equal(json_get_u64(&o, "n", true, 8, 9, &n, &e), ERR_INVALID);
    assert_string_equal(e.message, "'o.n' is 7, it must be 8 to 9");
    assert_int_equal(json_get_u64(&o, "neg", true, 0, 9, &n, &e), ERR_INVALID);
    assert_string_equal(e.message, "'o.neg' is -3, it must be 0 to 9");
    assert_int_equal(json_get_bool(&o, "s", &b, &e), ERR_INVALID);
    assert_int_equal(json_get_array(&o, "list", 2, &list, &e), ERR_INVALID);
    assert_string_equal(e.message, "'o.list' has 3 elements, the limit is 2");
    assert_int_equal(json_get_array(&o, "s", 2, &list, &e), ERR_INVALID);
    assert_int_equal(json_get_object(&o, "list", false, &none, &e), ERR_INVALID);
    assert_int_equal(json_as_object(&mem, list, "", &none, &e), ERR_INVALID);
    assert_has(e.message, "the body must be an object");

    static const char *const fields[] = {"s", "n", "neg", "b", "list", "null"};
    assert_int_equal(json_check_fields(&o, fields, array_count(fields), &e), ERR_INVALID);
    assert_string_equal(e.message, "unknown field 'o.empty'");
    assert_string_equal(json_path_index(&o, "list", 2), "o.list[2]");
    assert_string_equal(json_path(&top, "o"), "o");
    arena_close(&mem);
}

static void canonical_text_is_one(void **state)
{
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        {" { \"b\" : [ 1 , {\"z\":null, \"a\":true} ] , \"a\" : \"\\u5f20\" } ",
         "{\"a\":\"张\",\"b\":[1,{\"a\":true,\"z\":null}]}"},
        {"{\"aa\":1,\"a\":2,\"B\":3}", "{\"B\":3,\"a\":2,\"aa\":1}"},
        {"[]", "[]"},
        {"{}", "{}"},
        {"[[],{},[{}]]", "[[],{},[{}]]"},
        {"\"x\"", "\"x\""},
        {"-5", "-5"},
    };
    (void)state;
    for (size_t i = 0; i < array_count(cases); i++) {
        struct arena mem = ARENA_INIT;
        struct err e = {0};
        yyjson_val *root = NULL;
        assert_int_equal(json_parse(&mem, bytes_of_string(cases[i].text), &root, &e), 0);
        struct bytes text = json_canonical(&mem, root);
        if (!bytes_equal(text, bytes_of_string(cases[i].canonical)))
            fail_msg("%s became %.*s", cases[i].text, (int)text.size, (const char *)text.data);
        arena_close(&mem);
    }
}

static void writes_awkward_values(void **state)
{
    struct arena mem = ARENA_INIT;
    struct json_out out = json_out_open(&mem);
    (void)state;
    json_put_string(&out, out.root, "bad", "a\xff\xe5\xbc");
    json_put_string(&out, out.root, "none", NULL);
    json_put_string(&out, out.root, "quote", "\"\n");
    json_put_time(&out, out.root, "x", 0);
    json_put_time(&out, out.root, "y", 1500);
    json_put_json(&out, out.root, "broken", bytes_of_string("{\"a\":1,\"a\":2}"));
    json_put_json(&out, out.root, "good", bytes_of_string("{\"a\":[1]}"));
    json_put_hex(&out, out.root, "hex", "\x01\xff", 2);
    json_put_base64(&out, out.root, "base64", bytes_of("\x01\xff", 2));
    json_put_i64(&out, json_put_array(&out, out.root, "list"), NULL, -1);
    struct bytes text = json_out_text(&out);
    static const char expected[] =
        "{\"bad\":\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"none\":null,\"quote\":\"\\\"\\n\",\"x_ms\":null,\"x_at\":"
        "null,"
        "\"y_ms\":1500,\"y_at\":\"1970-01-01T00:00:01.500Z\",\"broken\":null,\"good\":{\"a\":[1]},\"hex\":\"01ff\","
        "\"base64\":\"Af8=\",\"list\":[-1]}";
    assert_string_equal(arena_strndup(&mem, (const char *)text.data, text.size), expected);
    arena_close(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_documents),      cmocka_unit_test(limits_depth),
        cmocka_unit_test(finds_duplicate_among_many), cmocka_unit_test(getters_name_the_path),
        cmocka_unit_test(canonical_text_is_one),      cmocka_unit_test(writes_awkward_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
