/* The NNG link where it may not begin: no thread is to be had; a connection that is not from this machine although the link is plain. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certs/crypto.h"
#include "federation/link_nng_impl.h"

#define NOBODY 65534
#define SELF 510000u
#define STILL_ROOT 77 /* exit status: no limit of threads counts for this process */

static void ignore_event(void *ctx, const struct link_event *event)
{
    (void)ctx;
    (void)event;
}

/* In a process of its own, whose limits end with it; its status is the line of what went wrong. */
static void without_threads(void)
{
    struct link *l = NULL;
    struct err e = {0};
    nng_socket s;
    const struct link_nng_config config = {
        .code = SELF, .listen_url = "tcp://127.0.0.1:0", .event_cb = ignore_event, .plain_loopback = true};
    crypto_init();
    link_nng_limit_threads(2);
    if (nng_rep0_open(&s) != 0) /* NNG has its threads before */
        _exit(1);
    if (setuid(NOBODY) != 0 && geteuid() == 0) /* root is not limited; refused to another user: that one is */
        _exit(STILL_ROOT);
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_NPROC, &none) != 0)
        _exit(2);
    int rc = link_nng_open(&config, &l, &e);
    if (rc != ERR_IO || strcmp(e.id, "link.thread") != 0 || l != NULL) {
        fprintf(stderr, "%d %s: %s\n", rc, e.id, e.message);
        _exit(3);
    }
    _exit(0);
}

static void test_no_thread(void **state)
{
    (void)state;
    int status = 0;
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        without_threads();
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == STILL_ROOT)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* What NNG's thread found; that thread asserts nothing. */
struct identified {
    int rc;
    uint32_t code;
    struct err error;
};

static void identify(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct link_nng l = {.config.plain_loopback = true};
    struct tls_engine_peer peer = {.code = 7};
    struct identified *found = arg;
    (void)event;
    found->rc = link_nng_identify(&l, pipe, &peer, &found->error);
    found->code = peer.code;
}

/* Whoever does not come from an address of this machine has no code there: here over a transport that knows no addresses. */
static void test_not_from_here(void **state)
{
    (void)state;
    struct identified found = {0};
    nng_socket rep, req;
    assert_int_equal(nng_rep0_open(&rep), 0);
    assert_int_equal(nng_req0_open(&req), 0);
    assert_int_equal(nng_pipe_notify(rep, NNG_PIPE_EV_ADD_PRE, identify, &found), 0);
    assert_int_equal(nng_listen(rep, "inproc://tongban-link-fault", NULL, 0), 0);
    assert_int_equal(nng_dial(req, "inproc://tongban-link-fault", NULL, 0), 0); /* returns when both have a pipe */
    assert_int_equal(nng_socket_set_ms(req, NNG_OPT_SENDTIMEO, 120000), 0);
    assert_int_equal(nng_send(req, (char[]){"x"}, 1, 0), 0);
    char *got = NULL;
    size_t size = 0;
    assert_int_equal(nng_socket_set_ms(rep, NNG_OPT_RECVTIMEO, 120000), 0);
    assert_int_equal(nng_recv(rep, &got, &size, NNG_FLAG_ALLOC), 0); /* behind ADD_PRE */
    nng_free(got, size);
    nng_close(req);
    nng_close(rep);
    assert_int_equal(found.rc, ERR_AUTH);
    assert_int_equal(found.code, 7); /* nobody's */
    assert_string_equal(found.error.id, "link.plain");
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    /* test_no_thread first: it forks, and that wants a process in which NNG has no threads yet. */
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_thread), cmocka_unit_test(test_not_from_here)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
