/* `tongban demo-peer` where the machine refuses: no port, no signal handler. It ends with the reason before any daemon runs, and the
 * folder can be used again. And a daemon that ends at its start, or that has nowhere to write its log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <unistd.h>

#include "node/ctl/demo_node.h"
#include "tests/lib/descriptors.h"
#include "tests/unit/ctl/run.h"

static char dir[] = "/tmp/tongban-demo-XXXXXX";
static bool refuses_handlers;

/* Stands in front of libc's. */
int sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
    if (refuses_handlers && number == SIGTERM) {
        errno = EINVAL;
        return -1;
    }
    union {
        void *data;
        int (*function)(int, const struct sigaction *, struct sigaction *);
    } real = {.data = dlsym(RTLD_NEXT, "sigaction")};
    return real.function(number, action, before);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *in_dir(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void test_no_port(void **state)
{
    (void)state;
    struct run r = RUN("ca", "init", "--dir", in_dir("ca"), "--name", "demo.example");
    assert_int_equal(r.status, 0);
    descriptors_limit(0);
    r = RUN("demo-peer", "--dir", dir, "--data", TEST_SOURCE_DIR "/catalog/data");
    descriptors_limit(RLIM_INFINITY);
    assert_int_equal(r.status, 6);
    assert_non_null(strstr(r.err, "(demo.port)"));
    assert_int_equal(access(in_dir("peer"), F_OK), -1);
}

static void test_no_signals(void **state)
{
    (void)state;
    refuses_handlers = true;
    struct run r = RUN("demo-peer", "--dir", dir, "--data", TEST_SOURCE_DIR "/catalog/data");
    refuses_handlers = false;
    assert_int_equal(r.status, 9);
    assert_non_null(strstr(r.err, "(demo.signal)"));
    assert_int_equal(access(in_dir("peer/node.json"), F_OK), 0);
    assert_int_equal(access(in_dir("peer.log"), F_OK), -1); /* no daemon */
}

static void refuse_start(const char *program, const char *log_path, const char *why)
{
    struct ctl c = {0};
    struct demo_node n = {.ctl = &c, .peer_dir = dir, .program = program, .log_path = log_path};
    struct err e = {0};
    assert_int_equal(demo_node_start(&n, &e), ERR_IO);
    assert_string_equal(e.id, "demo.start");
    assert_non_null(strstr(e.message, why));
    assert_non_null(strstr(e.message, log_path));
    assert_int_equal(n.pid, 0); /* nothing is left running */
    arena_close(&c.mem);
}

static void test_no_start(void **state)
{
    (void)state;
    char log_path[128];
    (void)snprintf(log_path, sizeof log_path, "%s", in_dir("start.log"));
    refuse_start("/bin/false", log_path, "has ended at its start");
    refuse_start(in_dir("no-program"), log_path, "has ended at its start");
    (void)snprintf(log_path, sizeof log_path, "%s", in_dir("no-folder/start.log"));
    refuse_start("/bin/false", log_path, "cannot start '/bin/false'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_port), cmocka_unit_test(test_no_signals),
                                       cmocka_unit_test(test_no_start)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
