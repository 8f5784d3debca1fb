/* The messages of the sockets for files: round trips, limits of both directions, bytes damaged at every place. */
#include "federation/wire/wire.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

static struct wire_msg round_trip(const struct wire_msg *m, struct arena *arena)
{
    struct buf out = {0};
    struct wire_msg got;
    struct err e = {0};
    if (wire_encode(m, &out, &e) != 0 || wire_decode(buf_bytes(&out), arena, &got, &e) != 0)
        fail_msg("%s", e.message);
    assert_int_equal(got.type, m->type);
    buf_close(&out);
    return got;
}

static void test_round_trips(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    struct wire_msg m = {.type = WIRE_FILE_PULL};
    m.u.file_pull = (struct wire_file_pull){.file = {1, 2}, .chunk = 2047, .held = 77};
    struct wire_msg got = round_trip(&m, &a);
    assert_memory_equal(got.u.file_pull.file, m.u.file_pull.file, 32);
    assert_int_equal(got.u.file_pull.chunk, 2047);
    assert_int_equal(got.u.file_pull.held, 77);
    assert_false(got.u.file_pull.head);

    uint8_t *bytes = xcalloc(1, FILE_CHUNK_BYTES + 32);
    memset(bytes, 0xa5, FILE_CHUNK_BYTES + 32);
    m = (struct wire_msg){.type = WIRE_FILE_HEAD};
    m.u.file_head = (struct wire_file_head){.size = FILE_BYTES_MAX, .hashes = bytes_of(bytes, FILE_CHUNKS_MAX * 32)};
    got = round_trip(&m, &a);
    assert_true(got.u.file_head.size == FILE_BYTES_MAX);
    assert_true(bytes_equal(got.u.file_head.hashes, m.u.file_head.hashes));

    m = (struct wire_msg){.type = WIRE_FILE_CHUNK};
    m.u.file_chunk.data = bytes_of(bytes, FILE_CHUNK_BYTES + 32);
    got = round_trip(&m, &a);
    assert_true(bytes_equal(got.u.file_chunk.data, m.u.file_chunk.data));

    m = (struct wire_msg){.type = WIRE_FILE_HAVE};
    m.u.file_have = (struct wire_file_have){.file = {9}, .held = 2048, .all = true};
    got = round_trip(&m, &a);
    assert_int_equal(got.u.file_have.held, 2048);
    assert_true(got.u.file_have.all);
    free(bytes);
    arena_close(&a);
}

static void test_limits(void **state)
{
    (void)state;
    uint8_t *bytes = xcalloc(1, FILE_CHUNK_BYTES + 33);
    struct buf out = {0};
    const struct {
        struct wire_msg m;
        int code;
        const char *id;
    } rows[] = {
        {{.type = WIRE_FILE_PULL, .u.file_pull.chunk = FILE_CHUNKS_MAX}, ERR_LIMIT, "wire.size"},
        {{.type = WIRE_FILE_HEAD, .u.file_head = {.size = 0}}, ERR_LIMIT, "wire.file-size"},
        {{.type = WIRE_FILE_HEAD, .u.file_head = {.size = FILE_BYTES_MAX + 1}}, ERR_LIMIT, "wire.file-size"},
        {{.type = WIRE_FILE_HEAD, .u.file_head = {.size = 1, .hashes = bytes_of(bytes, 31)}}, ERR_INVALID, "wire.size"},
        {{.type = WIRE_FILE_HEAD, .u.file_head = {.size = 1, .hashes = bytes_of(bytes, 64)}}, ERR_LIMIT, "wire.size"},
        {{.type = WIRE_FILE_HEAD, .u.file_head = {.size = FILE_CHUNK_BYTES + 1, .hashes = bytes_of(bytes, 32)}},
         ERR_INVALID,
         "wire.size"},
        {{.type = WIRE_FILE_CHUNK, .u.file_chunk.data = bytes_of(bytes, 32)}, ERR_INVALID, "wire.size"},
        {{.type = WIRE_FILE_CHUNK, .u.file_chunk.data = bytes_of(bytes, FILE_CHUNK_BYTES + 33)},
         ERR_LIMIT,
         "wire.size"},
        {{.type = WIRE_FILE_HAVE, .u.file_have.held = FILE_CHUNKS_MAX + 1}, ERR_LIMIT, "wire.size"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct err e = {0};
        if (wire_encode(&rows[i].m, &out, &e) != rows[i].code || strcmp(e.id, rows[i].id) != 0)
            fail_msg("row %zu: %s", i, e.message);
    }
    buf_close(&out);
    free(bytes);
}

/* Whatever a byte is changed to: an error, or a message within the limits. */
static void test_damaged(void **state)
{
    (void)state;
    uint8_t hashes[96] = {7};
    struct wire_msg messages[] = {
        {.type = WIRE_FILE_PULL, .u.file_pull = {.file = {1}, .chunk = 5, .held = 9}},
        {.type = WIRE_FILE_HEAD,
         .u.file_head = {.size = 3 * (uint64_t)FILE_CHUNK_BYTES, .hashes = bytes_of(hashes, 96)}},
        {.type = WIRE_FILE_CHUNK, .u.file_chunk.data = bytes_of(hashes, 50)},
        {.type = WIRE_FILE_HAVE, .u.file_have = {.file = {2}, .held = 3, .all = true}}};
    for (size_t i = 0; i < array_count(messages); i++) {
        struct buf out = {0};
        assert_int_equal(wire_encode(&messages[i], &out, NULL), 0);
        for (size_t at = 0; at < out.size; at++)
            for (unsigned bit = 0; bit < 8; bit++) {
                struct arena a = ARENA_INIT;
                struct wire_msg got;
                struct buf again = {0};
                out.data[at] ^= (uint8_t)(1u << bit);
                if (wire_decode(buf_bytes(&out), &a, &got, NULL) == 0)
                    assert_int_equal(wire_encode(&got, &again, NULL), 0);
                out.data[at] ^= (uint8_t)(1u << bit);
                buf_close(&again);
                arena_close(&a);
            }
        buf_close(&out);
    }
}

/* The ways without copies: the same bytes as the codec's, and of damaged ones never other data than it says. */
static void test_chunk_in_place(void **state)
{
    (void)state;
    static const size_t sizes[] = {33, 100, 127, 128, 129, 16383, 16384, 70000, FILE_CHUNK_BYTES + 32};
    uint8_t *bytes = xcalloc(1, FILE_CHUNK_BYTES + 32);
    for (size_t i = 0; i < array_count(sizes); i++) {
        struct buf want = {0}, out = {0};
        struct bytes data;
        memset(bytes, (int)i + 1, sizes[i]);
        struct wire_msg m = {.type = WIRE_FILE_CHUNK, .u.file_chunk.data = bytes_of(bytes, sizes[i])};
        assert_int_equal(wire_encode(&m, &want, NULL), 0);
        uint8_t head[WIRE_FILE_CHUNK_HEAD_MAX];
        size_t head_size = wire_file_chunk_head(sizes[i], head);
        assert_in_range(head_size, 4, WIRE_FILE_CHUNK_HEAD_MAX);
        buf_put(&out, head, head_size);
        buf_put(&out, bytes, sizes[i]);
        assert_true(bytes_equal(buf_bytes(&out), buf_bytes(&want)));
        assert_true(wire_file_chunk_data(buf_bytes(&out), &data));
        assert_true(bytes_equal(data, m.u.file_chunk.data));
        for (size_t cut = 1; cut < 12; cut++)
            assert_false(wire_file_chunk_data(bytes_of(out.data, out.size - cut), &data));
        for (size_t bit = 0; bit < 12 * 8; bit++) {
            struct arena a = ARENA_INIT;
            out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            if (wire_file_chunk_data(buf_bytes(&out), &data)) {
                assert_int_equal(wire_decode(buf_bytes(&out), &a, &m, NULL), 0);
                assert_int_equal(m.type, WIRE_FILE_CHUNK);
                assert_true(bytes_equal(data, m.u.file_chunk.data));
            }
            out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            arena_close(&a);
        }
        buf_close(&out);
        buf_close(&want);
    }
    struct bytes data;
    struct buf other = {0};
    struct wire_msg ok = {.type = WIRE_OK};
    assert_int_equal(wire_encode(&ok, &other, NULL), 0);
    assert_false(wire_file_chunk_data(buf_bytes(&other), &data));
    assert_false(wire_file_chunk_data(bytes_of(NULL, 0), &data));
    buf_close(&other);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trips), cmocka_unit_test(test_limits),
                                       cmocka_unit_test(test_damaged), cmocka_unit_test(test_chunk_in_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
