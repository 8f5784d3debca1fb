/* Goal: a POST gives the server's answer, and each way in which none comes is told by its id. Method: a server of one connection on
 * this machine, on a thread of its own; the loop runs until the callback was called. */
#include "node/poster.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/loop.h"

struct rig {
    int socket;
    char url[64];
    pthread_t thread;
    size_t answer_size; /* of the body */
    bool is_served;     /* by the thread; read after it was joined */
    struct loop *loop;
    struct poster *poster;
    unsigned calls, status;
    struct buf body;
    struct err error;
};

/* One request of one connection is read to its end and answered. Asserts nothing: it is not on the thread of the test. */
static void *serve(void *ctx)
{
    struct rig *r = ctx;
    char request[4096], head[128];
    size_t at = 0;
    int fd = accept(r->socket, NULL, NULL);
    if (fd < 0)
        return NULL;
    while (at < 2 || memcmp(request + at - 2, "!\n", 2) != 0) { /* the end of the body */
        ssize_t n = recv(fd, request + at, sizeof request - at, 0);
        if (n <= 0) {
            (void)close(fd);
            return NULL;
        }
        at += (size_t)n;
    }
    r->is_served = true;
    char *body = xmalloc(r->answer_size);
    memset(body, 'x', r->answer_size);
    int n = snprintf(head, sizeof head, "HTTP/1.1 201 X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                     r->answer_size);
    (void)send(fd, head, (size_t)n, MSG_NOSIGNAL);
    (void)send(fd, body, r->answer_size, MSG_NOSIGNAL);
    free(body);
    (void)close(fd);
    return NULL;
}

static void open_rig(struct rig *r)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    *r = (struct rig){.socket = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(bind(r->socket, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(r->socket, (struct sockaddr *)&at, &size), 0);
    (void)snprintf(r->url, sizeof r->url, "http://127.0.0.1:%u/add-checkpoint", ntohs(at.sin_port));
    assert_int_equal(loop_create(&r->loop, NULL), 0);
    r->poster = poster_create(r->loop);
}

static void close_rig(struct rig *r)
{
    poster_close(r->poster);
    loop_drain(r->loop);
    poster_destroy(r->poster);
    loop_destroy(r->loop);
    buf_close(&r->body);
    (void)close(r->socket);
}

static void answered(void *ctx, unsigned status, struct bytes body, const struct err *e)
{
    struct rig *r = ctx;
    r->calls++;
    r->status = status;
    buf_put(&r->body, body.data, body.size);
    r->error = *e;
    loop_stop(r->loop);
}

static void post(struct rig *r, uint32_t timeout_ms)
{
    poster_post(r->poster, r->url, bytes_of_string("a checkpoint!\n"), timeout_ms, answered, r);
    assert_int_equal(r->calls, 0); /* never from inside */
}

static void assert_failed(struct rig *r, int code, const char *id)
{
    assert_int_equal(r->calls, 1);
    assert_int_equal(r->status, 0);
    assert_int_equal(r->body.size, 0);
    assert_int_equal(r->error.code, code);
    assert_string_equal(r->error.id, id);
}

/* ---- tests ---- */

static void test_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 7, NOTE_BYTES_MAX, NOTE_BYTES_MAX + 1};
    for (size_t i = 0; i < array_count(sizes); i++) {
        struct rig r;
        open_rig(&r);
        r.answer_size = sizes[i];
        assert_int_equal(listen(r.socket, 1), 0);
        assert_int_equal(pthread_create(&r.thread, NULL, serve, &r), 0);
        post(&r, 60000);
        loop_run(r.loop);
        (void)shutdown(r.socket, SHUT_RDWR); /* whoever still waits for a connection gets none */
        assert_int_equal(pthread_join(r.thread, NULL), 0);
        assert_true(r.is_served);
        if (sizes[i] > NOTE_BYTES_MAX) {
            assert_failed(&r, ERR_LIMIT, "poster.size");
        } else {
            assert_int_equal(r.error.code, 0);
            assert_int_equal(r.status, 201);
            assert_int_equal(r.body.size, sizes[i]);
        }
        close_rig(&r);
        assert_int_equal(r.calls, 1);
    }
}

/* Nobody listens; somebody does and never answers. */
static void test_no_answer(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r);
    post(&r, 60000);
    loop_run(r.loop);
    assert_failed(&r, ERR_IO, "poster.connection");
    close_rig(&r);

    open_rig(&r);
    assert_int_equal(listen(r.socket, 1), 0); /* taken by the kernel */
    post(&r, 50);
    loop_run(r.loop);
    assert_failed(&r, ERR_TIMEOUT, "poster.timeout");
    close_rig(&r);
}

/* Stopping waits for no server, and what comes after it is told, too. */
static void test_closing(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r);
    assert_int_equal(listen(r.socket, 1), 0);
    post(&r, 60000);
    poster_close(r.poster);
    loop_drain(r.loop);
    assert_failed(&r, ERR_CLOSED, "poster.closed");
    r.calls = 0;
    post(&r, 60000);
    loop_drain(r.loop);
    assert_failed(&r, ERR_CLOSED, "poster.closed");
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_no_answer),
                                       cmocka_unit_test(test_closing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
