/* Sealed payloads: the valid ones open, and sealing the same again gives the same leaf and the same bytes; the others are
 * refused for the reason that the file names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/payload.h"
#include "tests/lib/vectors.h"

#define SEALED_MAX 4096

struct payload_case {
    uint8_t encoded[LEAF_BYTES_MAX], sealed[SEALED_MAX];
    size_t encoded_size, sealed_size;
    struct leaf leaf;
    struct payload_key key;
};

static void read_case(yyjson_val *c, struct payload_case *ret)
{
    ret->encoded_size = vectors_hex(vectors_get(c, "leaf"), ret->encoded, sizeof ret->encoded);
    ret->sealed_size = vectors_hex(vectors_get(c, "sealed"), ret->sealed, sizeof ret->sealed);
    ret->key.epoch = (uint32_t)vectors_u64(c, "epoch");
    vectors_hex32(vectors_get(c, "key"), ret->key.key);
    struct err e;
    if (leaf_decode(bytes_of(ret->encoded, ret->encoded_size), &ret->leaf, &e) != 0)
        fail_msg("%s: %s", vectors_string(c, "name"), e.message);
}

static int open_case(const struct payload_case *c, struct buf *out, struct err *e)
{
    return payload_open(&c->leaf, bytes_of(c->encoded, c->encoded_size), &c->key, bytes_of(c->sealed, c->sealed_size),
                        out, e);
}

static void check_sealing(const struct payload_case *c, struct bytes plain)
{
    struct leaf leaf = c->leaf;
    struct buf sealed = {0}, encoded = {0};
    leaf.key_epoch = 0;
    leaf.ct_len = 0;
    memset(&leaf.key_commit, 0, sizeof leaf.key_commit);
    memset(&leaf.ct_hash, 0, sizeof leaf.ct_hash);
    payload_seal(&leaf, &c->key, plain, &sealed);
    assert_true(bytes_equal(buf_bytes(&sealed), bytes_of(c->sealed, c->sealed_size)));
    assert_int_equal(leaf_encode(&leaf, &encoded, NULL), 0);
    assert_true(bytes_equal(buf_bytes(&encoded), bytes_of(c->encoded, c->encoded_size)));
    buf_close(&sealed);
    buf_close(&encoded);
}

static struct payload_case one;

static void test_valid(void **state)
{
    (void)state;
    yyjson_doc *doc = vectors_load(VECTORS_FILE("payload"));
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(doc), "cases"), i, n, c)
    {
        uint8_t plain[SEALED_MAX];
        struct buf out = {0};
        struct err e;
        size_t size = vectors_hex(vectors_get(c, "plain"), plain, sizeof plain);
        read_case(c, &one);
        buf_put_string(&out, "before ");
        if (open_case(&one, &out, &e) != 0)
            fail_msg("%s: %s", vectors_string(c, "name"), e.message);
        assert_int_equal(out.size, 7 + size);
        assert_memory_equal(out.data, "before ", 7);
        assert_memory_equal(out.data + 7, plain, size);
        check_sealing(&one, bytes_of(plain, size));
        buf_close(&out);
    }
    assert_int_equal(n, 7);
    yyjson_doc_free(doc);
}

static void test_must_reject(void **state)
{
    (void)state;
    yyjson_doc *doc = vectors_load(VECTORS_FILE("payload"));
    size_t i, n;
    yyjson_val *c;
    yyjson_arr_foreach(vectors_get(yyjson_doc_get_root(doc), "must_reject"), i, n, c)
    {
        struct buf out = {0};
        struct err e = {0};
        read_case(c, &one);
        buf_put_string(&out, "before");
        int rc = open_case(&one, &out, &e);
        if (rc != ERR_VERIFY || strcmp(e.id, vectors_string(c, "id")) != 0)
            fail_msg("%s: %d %s", vectors_string(c, "name"), rc, e.id);
        assert_int_equal(out.size, 6);
        buf_close(&out);
    }
    assert_int_equal(n, 13);
    yyjson_doc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_valid), cmocka_unit_test(test_must_reject)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
