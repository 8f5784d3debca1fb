/* The archive package of a case against a fake app: a material that is not what the case says ends the stream, and its last file says
 * why. The package as it should be is tried with real nodes (whole/test_archive.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/limits.h"
#include "node/base/tar.h"
#include "node/http/route.h"
#include "tests/unit/http/fake_app.h"

#define PIECES_MAX 1000u

/* Reads the archive of the fake case to its end, which is an error; *ret_text: error.json, the last file. */
static void read_to_error(struct app *a, char *ret_text, size_t size)
{
    struct request *r = request_create(a);
    r->method = "GET";
    r->path = "/v1/cases/c0/archive";
    r->params[r->param_count++] = (struct request_param){.name = "purpose", .value = "archive"};
    assert_true(route_check(r));
    route_dispatch(r);
    fake_app_answer(a);
    assert_true(r->replied && r->is_stream);
    assert_int_equal(r->status, 200);
    struct buf all;
    buf_init(&all, 1 << 20);
    for (unsigned i = 0; !r->stream_failed; i++) {
        assert_true(i < PIECES_MAX && !r->stream_ended);
        r->piece_asked = true;
        r->piece_at = all.size;
        r->stream_read(r, all.size);
        fake_app_answer(a); /* pieces of a material come later */
        assert_false(r->piece_asked);
        buf_put(&all, r->piece.data, r->piece.size);
    }
    const char *text = memmem(all.data, all.size, "{\"code\"", strlen("{\"code\""));
    assert_non_null(text);
    (void)snprintf(ret_text, size, "%.*s", 200, text);
    buf_close(&all);
    request_release(r);
    assert_int_equal(a->readers, 0);
}

static struct app ended_case(void)
{
    return (struct app){.case_version = 5, .status = "archived"};
}

static void another_content_than_the_case_says(void **state)
{
    char text[256];
    struct app a = ended_case();
    (void)state;
    read_to_error(&a, text, sizeof text);
    assert_non_null(strstr(text, "\"code\":\"verification_failed\",\"id\":\"archive.material\""));
    assert_non_null(strstr(text, "has another SHA-256 than the case says"));
}

static void a_file_too_large_for_a_tar(void **state)
{
    char text[256], limit[64];
    struct app a = ended_case();
    (void)state;
    a.content_size = TAR_FILE_BYTES_MAX + 1;
    read_to_error(&a, text, sizeof text);
    (void)snprintf(limit, sizeof limit, "the limit is %llu", (unsigned long long)TAR_FILE_BYTES_MAX);
    assert_non_null(strstr(text, "\"code\":\"too_large\",\"id\":\"archive.material\""));
    assert_non_null(strstr(text, limit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_content_than_the_case_says),
        cmocka_unit_test(a_file_too_large_for_a_tar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
