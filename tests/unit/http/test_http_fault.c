/* The HTTP server on a machine that has no descriptors left: every one that it wants at its start is refused once. It says what it
 * could not have, leaves no socket file behind, and starts when there are enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#include "node/base/xassert.h"
#include "node/http/server.h"
#include "tests/lib/descriptors.h"
#include "tests/unit/http/fake_app.h"

#define TOKEN "0123456789abcdef0123456789abcdef"
#define MORE_MAX 12 /* descriptors that a start can want */

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

static void test_no_descriptors(void **state)
{
    (void)state;
    static struct app app;
    char dir[] = "/tmp/tongban-http-XXXXXX", path[64];
    uv_loop_t loop;
    bool is_started = false, is_poll_refused = false, is_library_refused = false;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/api.sock", dir);
    assert_int_equal(uv_loop_init(&loop), 0);
    const struct http_server_config config = {
        .loop = &loop, .app = &app, .unix_path = path, .tcp_host = "127.0.0.1", .token = TOKEN};
    for (rlim_t more = 0; !is_started && more < MORE_MAX; more++) {
        struct http_server *s = NULL;
        struct err e = {0};
        int next = descriptors_next();
        bool was_open[MORE_MAX];
        for (int i = 0; i < MORE_MAX; i++)
            was_open[i] = is_open(next + i);
        descriptors_limit(more);
        int rc = http_server_start(&config, &s, &e);
        descriptors_limit(RLIM_INFINITY);
        if (rc == 0) {
            is_started = true;
            http_server_stop(s, NULL, NULL);
        } else if (strcmp(e.id, "http.start") == 0) {
            assert_int_equal(rc, ERR_INTERNAL);
            is_poll_refused |= strstr(e.message, "watch connections") != NULL;
            is_library_refused |= strstr(e.message, "did not start") != NULL;
        } else {
            assert_string_equal(e.id, "http.socket");
        }
        while (uv_run(&loop, UV_RUN_NOWAIT) != 0) {
        }
        assert_int_equal(access(path, F_OK), -1);
        for (int i = 0; i < MORE_MAX; i++)
            if (!was_open[i] && is_open(next + i))
                (void)close(next + i); /* the library keeps the socket now and then; a node that cannot serve ends */
    }
    assert_true(is_started && is_poll_refused && is_library_refused);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_descriptors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
