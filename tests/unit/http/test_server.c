/* The HTTP server over real sockets: the server runs on its own loop in a second thread, the test is a raw client that
 * sends bytes as a good, a careless or a hostile client would. The app is the fake one; it answers from a timer of the
 * loop, or holds its answers until the test lets them go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "node/base/clock.h"
#include "node/base/limits.h"
#include "node/http/server.h"
#include "tests/unit/http/fake_app.h"

#define TOKEN "0123456789abcdef0123456789abcdef"
#define SUBMIT                                                                                                         \
    "{\"item\":\"000105001000\",\"applicant\":{\"kind\":\"person\",\"name\":\"张三\",\"id_type\":\"citizen_id\","      \
    "\"id_number\":\"510104190507290029\"}}"
#define WAIT_MS 120000        /* for what must happen; a test that waits so long fails */
#define LONG_MS (4 * WAIT_MS) /* a time of clients that is over in no test */

struct fixture {
    struct app app;
    struct http_server *server;
    uv_loop_t loop;
    uv_timer_t answer;
    uv_async_t order; /* the test wants something done on the loop */
    atomic_bool hold; /* answers wait for release() */
    atomic_bool order_stop, order_release, order_settle, order_quit;
    sem_t asked; /* the app was asked */
    sem_t done;  /* an order was carried out */
    pthread_t thread;
    char dir[64];
    char path[96];
    uint16_t port;
};

static struct fixture *current; /* for the fake app's callback */

static void answer_cb(uv_timer_t *timer)
{
    (void)timer;
    fake_app_answer(&current->app);
}

static void asked_cb(struct app *a)
{
    (void)a;
    if (!current->hold)
        (void)uv_timer_start(&current->answer, answer_cb, 0, 0);
    sem_post(&current->asked);
}

static void stopped_cb(void *ctx)
{
    struct fixture *f = ctx;
    f->server = NULL;
    sem_post(&f->done);
}

static void order_cb(uv_async_t *async)
{
    struct fixture *f = async->data;
    if (atomic_exchange(&f->order_release, false)) {
        fake_app_answer(&f->app);
        sem_post(&f->done);
    }
    if (atomic_exchange(&f->order_settle, false))
        sem_post(&f->done);
    if (atomic_exchange(&f->order_stop, false))
        http_server_stop(f->server, stopped_cb, f);
    if (f->order_quit)
        uv_stop(&f->loop);
}

static void *loop_main(void *ctx)
{
    struct fixture *f = ctx;
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void wait_for(sem_t *s)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    if (sem_timedwait(s, &until) != 0)
        fail_msg("nothing happened for %d ms", WAIT_MS);
}

static struct fixture *start(uint32_t request_ms_max, uint32_t connections_max)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e = {0};
    current = f;
    f->app.case_version = 5;
    f->app.asked_cb = asked_cb;
    memcpy(f->app.result.case_id, fake_case_id, CASE_ID_SIZE);
    (void)sem_init(&f->asked, 0, 0);
    (void)sem_init(&f->done, 0, 0);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/tongban-http-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof f->path, "%s/api.sock", f->dir);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(uv_timer_init(&f->loop, &f->answer), 0);
    assert_int_equal(uv_async_init(&f->loop, &f->order, order_cb), 0);
    f->order.data = f;
    const struct http_server_config config = {.loop = &f->loop,
                                              .app = &f->app,
                                              .unix_path = f->path,
                                              .tcp_host = "127.0.0.1",
                                              .token = TOKEN,
                                              .request_ms_max = request_ms_max,
                                              .connections_max = connections_max};
    if (http_server_start(&config, &f->server, &e) != 0)
        fail_msg("%s", e.message);
    f->port = http_server_port(f->server);
    assert_int_equal(pthread_create(&f->thread, NULL, loop_main, f), 0);
    return f;
}

static void order(struct fixture *f, atomic_bool *what)
{
    *what = true;
    (void)uv_async_send(&f->order);
    wait_for(&f->done);
}

/* Answers what is held. */
static void release(struct fixture *f)
{
    order(f, &f->order_release);
}

/* The app as the loop's thread has left it. */
static const struct app *settled(struct fixture *f)
{
    order(f, &f->order_settle);
    return &f->app;
}

static void close_handle_cb(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void stop(struct fixture *f)
{
    order(f, &f->order_stop);
    f->order_quit = true;
    (void)uv_async_send(&f->order);
    (void)pthread_join(f->thread, NULL);
    fake_app_answer(&f->app); /* callbacks that come after the server has gone */
    uv_walk(&f->loop, close_handle_cb, NULL);
    while (uv_run(&f->loop, UV_RUN_DEFAULT) != 0)
        continue;
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_int_equal(access(f->path, F_OK), -1); /* the socket file is gone */
    (void)rmdir(f->dir);
    (void)sem_destroy(&f->asked);
    (void)sem_destroy(&f->done);
    free(f);
    current = NULL;
}

/* ---- the raw client ---- */

static int dial_unix(const struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", f->path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int dial_tcp(const struct fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(f->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void put(int fd, const void *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = send(fd, (const char *)data + at, size - at, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server has closed: the answer says why */
        at += (size_t)n;
    }
}

static void put_text(int fd, const char *text)
{
    put(fd, text, strlen(text));
}

struct reply {
    int status; /* 0 = the connection ended without an answer */
    char head[2048];
    char body[8192];
};

/* Reads one byte; -1 at the end. */
static int take_byte(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, WAIT_MS) <= 0)
        fail_msg("no answer for %d ms", WAIT_MS);
    unsigned char c;
    return recv(fd, &c, 1, 0) == 1 ? c : -1;
}

static struct reply take(int fd)
{
    struct reply r = {0};
    size_t at = 0;
    while (at < sizeof r.head - 1 && strstr(r.head, "\r\n\r\n") == NULL) {
        int c = take_byte(fd);
        if (c < 0)
            return (struct reply){0};
        r.head[at++] = (char)c;
    }
    assert_int_equal(sscanf(r.head, "HTTP/1.%*d %d", &r.status), 1);
    const char *length = strcasestr(r.head, "content-length: ");
    assert_non_null(length);
    size_t size = (size_t)strtoul(length + 16, NULL, 10);
    assert_true(size < sizeof r.body);
    for (size_t i = 0; i < size; i++)
        r.body[i] = (char)take_byte(fd);
    return r;
}

static struct reply ask(int fd, const char *text)
{
    put_text(fd, text);
    return take(fd);
}

static void assert_reply(const struct reply *r, int status, const char *part)
{
    if (r->status != status || (strstr(r->body, part) == NULL && strstr(r->head, part) == NULL))
        fail_msg("expected %d with '%s', got %d: %s%s", status, part, r->status, r->head, r->body);
}

static bool is_closed(int fd)
{
    return take_byte(fd) < 0;
}

static void post(int fd, const char *extra, const char *body)
{
    char text[4096];
    (void)snprintf(
        text, sizeof text,
        "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n%s",
        strlen(body), extra, body);
    put_text(fd, text);
}

/* A client whose command the app was asked for. Where clients have little time a busy machine may take all of it before the command has
 * come: then another one tries. */
static int post_quickly(struct fixture *f)
{
    uint64_t begin_ms = clock_mono_ms();
    for (;;) {
        int fd = dial_unix(f);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        post(fd, "", SUBMIT);
        do {
            if (sem_trywait(&f->asked) == 0)
                return fd;
            if (clock_mono_ms() - begin_ms > WAIT_MS)
                fail_msg("no command came through");
        } while (poll(&p, 1, 5) == 0);
        close(fd);
    }
}

/* ---- tests ---- */

static void serves_on_the_unix_socket(void **state)
{
    (void)state;
    struct fixture *f = start(0, 0);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);

    int fd = dial_unix(f);
    struct reply r = ask(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_reply(&r, 200, "\"status\":\"ok\"");
    assert_reply(&r, 200, "Cache-Control: no-store");
    /* kept alive: a command, and a query after it, on the same connection */
    post(fd, "Idempotency-Key: k-7\r\n", SUBMIT);
    r = take(fd);
    assert_reply(&r, 201, "\"case\":\"" FAKE_CASE "\"");
    assert_reply(&r, 201, "Location: /v1/cases/" FAKE_CASE "\r\n");
    assert_string_equal(settled(f)->key, "k-7");
    assert_string_equal(settled(f)->applicant_name, "张三");
    r = ask(fd, "GET /v1/catalog?text=%E6%88%B7%E5%8F%A3 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_reply(&r, 200, "\"items\"");
    assert_string_equal(settled(f)->items_text[0], "户口");
    r = ask(fd, "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_reply(&r, 404, "\"code\":\"not_found\",\"id\":\"http.path\"");
    r = ask(fd, "PUT /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    assert_reply(&r, 405, "Allow: GET, HEAD, POST\r\n");
    r = ask(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_reply(&r, 200, "tongban_alarms 0");
    close(fd);
    stop(f);
}

/* Three requests in one write, a waiting one in the middle: three answers, in order. */
static void serves_pipelined_requests(void **state)
{
    (void)state;
    struct fixture *f = start(0, 0);
    int fd = dial_unix(f);
    char text[2048];
    (void)snprintf(
        text, sizeof text,
        "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
        "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s"
        "GET /v1/peers HTTP/1.1\r\nHost: x\r\n\r\n",
        strlen(SUBMIT), SUBMIT);
    put_text(fd, text);
    struct reply r = take(fd);
    assert_reply(&r, 200, "\"ledger_size\"");
    r = take(fd);
    assert_reply(&r, 201, FAKE_CASE);
    r = take(fd);
    assert_reply(&r, 200, "\"peers\"");
    close(fd);
    stop(f);
}

/* Chunked bodies and bodies that come in pieces. */
static void takes_bodies_in_pieces(void **state)
{
    (void)state;
    struct fixture *f = start(0, 0);
    int fd = dial_unix(f);
    put_text(fd, "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; "
                 "charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t i = 0; i < strlen(SUBMIT); i += 10) {
        char chunk[64];
        int n = (int)(strlen(SUBMIT) - i < 10 ? strlen(SUBMIT) - i : 10);
        (void)snprintf(chunk, sizeof chunk, "%x\r\n%.*s\r\n", (unsigned)n, n, &SUBMIT[i]);
        put_text(fd, chunk);
    }
    struct reply r = ask(fd, "0\r\n\r\n");
    assert_reply(&r, 201, FAKE_CASE);
    assert_string_equal(settled(f)->id_number, "510104190507290029");
    close(fd);
    stop(f);
}

/* Two readings of one request, and other things that only attackers and broken clients send. */
static void refuses_hostile_framing(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        int status;
    } cases[] = {
#define CASE(text, status) {text, sizeof text - 1, status}
        CASE("POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             400),
        CASE("POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400),
        CASE("GET /v1/status HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        CASE("GET /v1/status HTTP/1.1\r\n\r\n", 400),
        CASE("GET /v1/status HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n", 400),
        CASE("GET /v1/status HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a\0b\r\n\r\n", 400),
        CASE("GET /v1/status%00x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        CASE("GET /v1/catalog?text=a%00b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        CASE("GET /v1/catalog?text=%ff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        CASE("GET /v1/cases/%ff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        CASE("GET /v1/../v1/status HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        CASE("GET /v1%2fstatus%2f HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        CASE("POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        CASE("POST /v1/cases HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        CASE("POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: "
             "\r\nContent-Length: 2\r\n\r\n{}",
             400),
        CASE("POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: a "
             "b\r\nContent-Length: 2\r\n\r\n{}",
             400),
        CASE("POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: "
             "\xc3\xa9\r\nContent-Length: 2\r\n\r\n{}",
             400),
        CASE("POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415),
        CASE("GET /v1/cases?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1&l=1&m=1&n=1&o=1&p=1&q=1 HTTP/1.1\r\nHost: "
             "x\r\n\r\n",
             400),
        CASE("nonsense\r\n\r\n", 400),
        CASE("GET /v1/status HTTP/9.9\r\nHost: x\r\n\r\n", 505),
#undef CASE
    };
    (void)state;
    struct fixture *f = start(0, 0);
    for (size_t i = 0; i < array_count(cases); i++) {
        int fd = dial_unix(f);
        put(fd, cases[i].text, cases[i].size);
        (void)shutdown(fd, SHUT_WR);
        struct reply r = take(fd);
        /* 0: cut without a word, which is as good for these */
        if (r.status != cases[i].status && !(r.status == 0 && cases[i].status == 400))
            fail_msg("%s: %d %s", cases[i].text, r.status, r.body);
        close(fd);
    }
    assert_int_equal(settled(f)->submit_count, 0);
    int fd = dial_unix(f);
    struct reply r = ask(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_reply(&r, 200, "ok");
    close(fd);
    stop(f);
}

/* The body limit, said in advance, found out while it arrives (chunked), and far beyond. */
static void limits_bodies(void **state)
{
    (void)state;
    struct fixture *f = start(0, 0);
    size_t size = HTTP_BODY_BYTES_MAX + 1;
    char *big = malloc(size);
    memset(big, ' ', size);
    char head[256];

    int fd = dial_unix(f);
    (void)snprintf(
        head, sizeof head,
        "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", size);
    put_text(fd, head);
    put(fd, big, size);
    struct reply r = take(fd);
    assert_reply(&r, 413, "the limit of 1048576 bytes");
    r = ask(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); /* and the connection lives on */
    assert_reply(&r, 200, "ok");

    /* exactly at the limit: read whole, then found to be no JSON */
    (void)snprintf(head, sizeof head,
                   "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %u\r\n\r\n",
                   HTTP_BODY_BYTES_MAX);
    put_text(fd, head);
    put(fd, big, HTTP_BODY_BYTES_MAX);
    r = take(fd);
    assert_reply(&r, 400, "json.syntax");

    put_text(
        fd,
        "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    (void)snprintf(head, sizeof head, "%zx\r\n", size);
    put_text(fd, head);
    put(fd, big, size);
    r = ask(fd, "\r\n0\r\n\r\n");
    assert_reply(&r, 413, "http.body-size");
    close(fd);

    fd = dial_unix(f); /* 10 GB announced: refused at once */
    r = ask(
        fd,
        "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10000000000\r\n\r\n");
    assert_reply(&r, 413, "http.body-size");
    assert_true(is_closed(fd));
    close(fd);

    fd = dial_unix(f); /* an endless chunked body is cut off */
    put_text(
        fd,
        "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 8; i++) {
        (void)snprintf(head, sizeof head, "%zx\r\n", size);
        put_text(fd, head);
        put(fd, big, size);
        put_text(fd, "\r\n");
    }
    assert_true(is_closed(fd));
    close(fd);
    free(big);
    assert_int_equal(settled(f)->submit_count, 0);
    stop(f);
}

static void tcp_needs_the_credential(void **state)
{
    static const struct {
        const char *path, *host, *extra; /* %u in @host is the port */
        int status;
        const char *has;
    } cases[] = {
        {"/v1/status", "127.0.0.1:%u", "Authorization: Bearer " TOKEN "\r\n", 200, "ledger_size"},
        {"/v1/status", "localhost:%u", "Authorization: bearer " TOKEN "\r\n", 200, "ledger_size"},
        {"/v1/status", "LOCALHOST:%u", "Authorization: Bearer " TOKEN "\r\n", 200, "ledger_size"},
        {"/v1/status", "[::1]:%u", "Authorization: Bearer " TOKEN "\r\n", 200, "ledger_size"},
        {"/healthz", "127.0.0.1:%u", "", 200, "\"status\":\"ok\""},
        {"/v1/status", "127.0.0.1:%u", "", 401, "the token is missing"},
        {"/v1/status", "127.0.0.1:%u", "", 401, "WWW-Authenticate: Bearer"},
        {"/v1/status", "127.0.0.1:%u", "Authorization: Bearer 0123456789abcdef0123456789abcdeX\r\n", 401,
         "the token is wrong"},
        {"/v1/status", "127.0.0.1:%u", "Authorization: Bearer " TOKEN "0\r\n", 401, "http.token"},
        {"/v1/status", "127.0.0.1:%u", "Authorization: Bearer \r\n", 401, "http.token"},
        {"/v1/status", "127.0.0.1:%u", "Authorization: Basic " TOKEN "\r\n", 401, "http.token"},
        {"/metrics", "127.0.0.1:%u", "", 401, "http.token"},
        {"/healthz/", "127.0.0.1:%u", "", 401, "http.token"},
        {"/nope", "127.0.0.1:%u", "", 401, "http.token"},
        {"/healthz", "evil.example:%u", "", 403, "http.host"},
        {"/v1/status", "evil.example:%u", "Authorization: Bearer " TOKEN "\r\n", 403, "http.host"},
        {"/v1/status", "127.0.0.1", "Authorization: Bearer " TOKEN "\r\n", 403, "http.host"},
        {"/v1/status", "127.0.0.1:1", "Authorization: Bearer " TOKEN "\r\n", 403, "http.host"},
        {"/v1/status", "localhost.evil.example:%u", "Authorization: Bearer " TOKEN "\r\n", 403, "http.host"},
        {"/v1/status", "127.0.0.1:%u", "Origin: https://evil.example\r\nAuthorization: Bearer " TOKEN "\r\n", 403,
         "http.origin"},
        {"/v1/status", "127.0.0.1:%u", "Origin: null\r\nAuthorization: Bearer " TOKEN "\r\n", 403, "http.origin"},
        {"/v1/status", "127.0.0.1:%u", "Authorization: Bearer x\r\nAuthorization: Bearer " TOKEN "\r\n", 400,
         "http.framing"},
    };
    (void)state;
    struct fixture *f = start(0, 0);
    int fd = -1;
    for (size_t i = 0; i < array_count(cases); i++) {
        char host[64], text[512];
        const char *mark = strstr(cases[i].host, "%u");
        (void)snprintf(host, sizeof host, "%.*s", (int)(mark != NULL ? mark - cases[i].host : 60), cases[i].host);
        if (mark != NULL)
            (void)snprintf(host + strlen(host), sizeof host - strlen(host), "%u", f->port);
        (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", cases[i].path, host, cases[i].extra);
        fd = dial_tcp(f);
        struct reply r = ask(fd, text);
        if (r.status != cases[i].status ||
            (strstr(r.body, cases[i].has) == NULL && strstr(r.head, cases[i].has) == NULL))
            fail_msg("%s: %d %s%s", text, r.status, r.head, r.body);
        close(fd);
    }
    stop(f);
}

/* Slow clients are ended, whether they dawdle in the header, in the body, or say nothing; a quick one is not hurt. */
static void ends_slow_clients(void **state)
{
    (void)state;
    struct fixture *f = start(300, 0);
    int silent = dial_unix(f), header = dial_unix(f), body = dial_unix(f);
    put_text(body,
             "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n");
    const int fds[] = {silent, header, body};
    uint64_t begin_ms = clock_mono_ms();
    size_t ended = 0;
    /* one byte every 20 ms: never idle, never done */
    for (size_t i = 0; i < array_count(fds); i++) {
        bool open = true;
        while (open) {
            if (fds[i] == header)
                put_text(header, "x");
            if (fds[i] == body)
                put_text(body, " ");
            struct pollfd p = {.fd = fds[i], .events = POLLIN};
            if (poll(&p, 1, 20) > 0)
                open = !is_closed(fds[i]);
            if (clock_mono_ms() - begin_ms > WAIT_MS)
                fail_msg("client %zu is still connected", i);
        }
        ended++;
        close(fds[i]);
    }
    assert_int_equal(ended, 3);
    assert_int_equal(settled(f)->submit_count, 0);
    stop(f);
}

/* A waiting command is not a slow client: it outlives the deadline and gets its answer. */
static void waiting_is_not_slow(void **state)
{
    (void)state;
    struct fixture *f = start(1000, 0);
    f->hold = true;
    int fd = post_quickly(f), idle = dial_unix(f);
    assert_true(is_closed(idle)); /* so the deadline has passed by now */
    release(f);
    struct reply r = take(fd);
    assert_reply(&r, 201, FAKE_CASE);
    close(fd);
    close(idle);
    stop(f);
}

/* Clients that go away while their command or long poll waits; the answers then come for nobody. */
static void survives_vanished_clients(void **state)
{
    (void)state;
    struct fixture *f = start(0, 0);
    f->hold = true;
    for (int i = 0; i < 20; i++) {
        int fd = i % 2 == 0 ? dial_unix(f) : dial_tcp(f);
        if (i % 2 == 0 && i % 4 == 0) {
            post(fd, "", SUBMIT);
        } else {
            char text[256];
            (void)snprintf(text, sizeof text,
                           "GET /v1/cases/c0?wait=5 HTTP/1.1\r\nHost: localhost:%u\r\nAuthorization: Bearer " TOKEN
                           "\r\n\r\n",
                           f->port);
            put_text(fd, text);
        }
        wait_for(&f->asked);
        struct linger hard = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close(fd);
    }
    release(f);
    f->hold = false;
    int fd = dial_unix(f);
    post(fd, "", SUBMIT);
    struct reply r = take(fd);
    assert_reply(&r, 201, FAKE_CASE);
    close(fd);
    stop(f);
}

/* Entries of /proc/self/fd: the server runs in this process. */
static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count;
}

static void put_poll(const struct fixture *f, int fd)
{
    char text[256];
    (void)snprintf(
        text, sizeof text,
        "GET /v1/cases/c0?wait=5&timeout_ms=60000 HTTP/1.1\r\nHost: localhost:%u\r\nAuthorization: Bearer " TOKEN
        "\r\n\r\n",
        f->port);
    put_text(fd, text);
}

/* Closed long polls give their connection back long before their timeout: ten times as many come as there is room. */
static void lets_closed_polls_go(void **state)
{
    enum { ROOM = 16, ROUNDS = 10 };
    (void)state;
    struct fixture *f = start(0, ROOM + 1); /* never full of those that are to be asked for: none has to make room */
    f->hold = true;
    size_t before = open_descriptors();
    for (int round = 0; round < 2 * ROUNDS; round++) {
        int fds[ROOM];
        for (size_t i = 0; i < ROOM; i++) {
            fds[i] = round % 2 == 0 ? dial_unix(f) : dial_tcp(f);
            put_poll(f, fds[i]);
        }
        for (size_t i = 0; i < ROOM; i++)
            wait_for(&f->asked);
        if (round == 0) /* bytes that nobody has read do not hide the end */
            put_poll(f, fds[0]);
        for (size_t i = 0; i < ROOM; i++)
            close(fds[i]);
    }
    uint64_t begin_ms = clock_mono_ms();
    while (open_descriptors() > before || settled(f)->waiting_count > 0)
        if (clock_mono_ms() - begin_ms > WAIT_MS)
            fail_msg("%zu descriptors more than before", open_descriptors() - before);
    assert_true(settled(f)->unwatch_count >= 2 * ROUNDS * ROOM);
    stop(f);
}

/* A command whose client has gone: the connection goes at once, the command goes on. */
static void lets_closed_commands_go(void **state)
{
    (void)state;
    struct fixture *f = start(0, 1);
    f->hold = true;
    for (unsigned i = 1; i <= 3; i++) {
        int fd = post_quickly(f); /* with room for one connection: the one before has gone */
        close(fd);
    }
    assert_int_equal(settled(f)->waiting_count, 3);
    release(f);
    stop(f);
}

/* A client that only sends no more reads its answer: a long poll is answered early, a command when it is done. */
static void answers_half_closed_clients(void **state)
{
    (void)state;
    struct fixture *f = start(0, 0);
    f->hold = true;
    for (int i = 0; i < 2; i++) {
        int fd = i == 0 ? dial_unix(f) : dial_tcp(f);
        put_poll(f, fd);
        wait_for(&f->asked);
        (void)shutdown(fd, SHUT_WR);
        struct reply r = take(fd);
        assert_reply(&r, 200, "\"version\":5");
        assert_true(is_closed(fd));
        close(fd);
    }
    assert_int_equal(settled(f)->unwatch_count, 2);

    int fd = dial_unix(f);
    post(fd, "", SUBMIT);
    wait_for(&f->asked);
    (void)shutdown(fd, SHUT_WR);
    assert_int_equal(settled(f)->waiting_count, 1);
    release(f);
    struct reply r = take(fd);
    assert_reply(&r, 201, FAKE_CASE);
    assert_true(is_closed(fd));
    close(fd);
    stop(f);
}

/* Stop with a command and a long poll under way: both are told, their callbacks come later and find nobody. */
static void stops_with_requests_waiting(void **state)
{
    (void)state;
    struct fixture *f = start(0, 0);
    f->hold = true;
    int command = dial_unix(f), watch = dial_unix(f), idle = dial_unix(f);
    post(command, "", SUBMIT);
    wait_for(&f->asked);
    put_text(watch, "GET /v1/cases/c0?wait=5 HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for(&f->asked);
    stop(f);
    struct reply r = take(command);
    assert_reply(&r, 503, "http.closing");
    r = take(watch);
    assert_reply(&r, 503, "Connection: close");
    assert_true(is_closed(idle));
    close(command);
    close(watch);
    close(idle);
}

/* Many clients that send almost a whole body each and rest hold all the memory for bodies; another is served all the same, long before
 * their time is over. Who had to make room is told so, and its connection lives on. */
static void resting_bodies_make_room(void **state)
{
    (void)state;
    struct fixture *f = start(LONG_MS, 0);
    enum { COUNT = HTTP_BODIES_BYTES_MAX / HTTP_BODY_BYTES_MAX + 2 };
    int fds[COUNT];
    char *most = malloc(HTTP_BODY_BYTES_MAX - 1), head[256];
    memset(most, ' ', HTTP_BODY_BYTES_MAX - 1);
    (void)snprintf(head, sizeof head,
                   "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %u\r\n\r\n",
                   HTTP_BODY_BYTES_MAX);
    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = dial_unix(f);
        put_text(fds[i], head);
        put(fds[i], most, HTTP_BODY_BYTES_MAX - 1);
    }
    struct reply r;
    do {
        int fd = dial_unix(f);
        post(fd, "", "{}");
        r = take(fd);
        close(fd);
        if (r.status == 503)
            assert_reply(&r, 503, "http.bodies");
    } while (r.status == 503);
    assert_reply(&r, 400, "\"code\""); /* read whole and refused for what it says */

    size_t refused = 0;
    for (size_t i = 0; i < COUNT; i++) {
        r = ask(fds[i], " ");
        refused += r.status == 503;
        assert_reply(&r, r.status == 503 ? 503 : 400, r.status == 503 ? "http.bodies" : "json.syntax");
        if (r.status == 503) {
            r = ask(fds[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_reply(&r, 200, "ok");
        }
        close(fds[i]);
    }
    assert_in_range(refused, 1, 8);
    free(most);
    stop(f);
}

/* Over the connection limit a client waits, until another leaves or has rested longest. */
static void limits_connections(void **state)
{
    (void)state;
    struct fixture *f = start(0, 4);
    int fds[4];
    for (size_t i = 0; i < array_count(fds); i++) {
        fds[i] = dial_unix(f);
        struct reply r = ask(fds[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_reply(&r, 200, "ok");
    }
    int late = dial_unix(f);
    put_text(late, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    struct reply r = take(late);
    assert_reply(&r, 200, "ok");
    assert_true(is_closed(fds[0]));
    close(fds[1]);
    int later = dial_unix(f);
    r = ask(later, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_reply(&r, 200, "ok");
    for (size_t i = 2; i < array_count(fds); i++)
        close(fds[i]);
    close(fds[0]);
    close(late);
    close(later);
    stop(f);
}

/* Long polls hold all connections: the oldest is answered early and its connection ends. */
static void waiting_clients_make_room(void **state)
{
    (void)state;
    struct fixture *f = start(0, 4);
    int fds[4];
    f->hold = true;
    for (size_t i = 0; i < array_count(fds); i++) {
        fds[i] = dial_unix(f);
        put_poll(f, fds[i]);
        wait_for(&f->asked);
    }
    int late = dial_unix(f);
    struct reply r = ask(late, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_reply(&r, 200, "ok");
    r = take(fds[0]);
    assert_reply(&r, 200, "\"version\":5");
    assert_true(is_closed(fds[0]));
    for (size_t i = 0; i < array_count(fds); i++)
        close(fds[i]);
    close(late);
    stop(f);
}

/* Hundreds of commands over many connections at once, all answered. */
static void serves_many_at_once(void **state)
{
    (void)state;
    enum { CLIENTS = 32, ROUNDS = 20 };
    struct fixture *f = start(0, 0);
    int fds[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++)
        fds[i] = i % 2 == 0 ? dial_unix(f) : dial_unix(f);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < CLIENTS; i++)
            post(fds[i], "", SUBMIT);
        for (size_t i = 0; i < CLIENTS; i++) {
            struct reply r = take(fds[i]);
            assert_reply(&r, 201, FAKE_CASE);
        }
    }
    assert_int_equal(settled(f)->submit_count, CLIENTS * ROUNDS);
    for (size_t i = 0; i < CLIENTS; i++)
        close(fds[i]);
    stop(f);
}

/* ---- start ---- */

static void expect_start(struct http_server_config *config, int code, const char *id, const char *says)
{
    struct http_server *s = NULL;
    struct err e = {0};
    int rc = http_server_start(config, &s, &e);
    if (rc != code || (rc != 0 && (strcmp(e.id, id) != 0 || strstr(e.message, says) == NULL)))
        fail_msg("%d %s %s", rc, e.id, e.message);
    if (rc == 0)
        http_server_stop(s, NULL, NULL);
    (void)uv_run(config->loop, UV_RUN_DEFAULT);
}

static void refuses_bad_addresses(void **state)
{
    (void)state;
    struct fixture *f = start(0, 0); /* holds a socket and a port */
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    struct http_server_config config = {.loop = &loop, .unix_path = f->path, .token = TOKEN};
    expect_start(&config, ERR_CONFLICT, "http.socket-in-use", f->path);

    config.unix_path = NULL;
    config.tcp_host = "127.0.0.1";
    config.tcp_port = f->port;
    char says[64];
    (void)snprintf(says, sizeof says, "port %u on 127.0.0.1", f->port);
    expect_start(&config, ERR_CONFLICT, "http.port-in-use", says);
    static const char *const bad[] = {"0.0.0.0", "::",         "192.168.1.1", "example.com",
                                      "",        "127.0.0.1.", "10.0.0.1",    "::2"};
    for (size_t i = 0; i < array_count(bad); i++) {
        config.tcp_host = bad[i];
        expect_start(&config, ERR_INVALID, "http.not-loopback", bad[i]);
    }
    config.tcp_host = "localhost";
    config.tcp_port = 0;
    config.token = "short";
    expect_start(&config, ERR_INVALID, "http.token", "32");
    config.token = NULL;
    expect_start(&config, ERR_INVALID, "http.token", "32");
    config.token = TOKEN;
    expect_start(&config, 0, "", "");
    config.tcp_host = "127.0.0.9";
    expect_start(&config, 0, "", "");

    char path[256];
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    config.tcp_host = NULL;
    config.unix_path = path;
    expect_start(&config, ERR_INVALID, "http.socket-path", "the limit is 107");
    (void)snprintf(path, sizeof path, "%s/no/such.sock", f->dir);
    expect_start(&config, ERR_IO, "http.socket", "no/such.sock");

    /* a dead socket makes room, another file does not */
    (void)snprintf(path, sizeof path, "%s/dead.sock", f->dir);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    expect_start(&config, 0, "", "");
    assert_int_equal(access(path, F_OK), -1);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fclose(file);
    expect_start(&config, ERR_CONFLICT, "http.socket", "is no socket");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_on_the_unix_socket),
        cmocka_unit_test(serves_pipelined_requests),
        cmocka_unit_test(takes_bodies_in_pieces),
        cmocka_unit_test(refuses_hostile_framing),
        cmocka_unit_test(limits_bodies),
        cmocka_unit_test(resting_bodies_make_room),
        cmocka_unit_test(tcp_needs_the_credential),
        cmocka_unit_test(ends_slow_clients),
        cmocka_unit_test(waiting_is_not_slow),
        cmocka_unit_test(survives_vanished_clients),
        cmocka_unit_test(lets_closed_polls_go),
        cmocka_unit_test(lets_closed_commands_go),
        cmocka_unit_test(answers_half_closed_clients),
        cmocka_unit_test(stops_with_requests_waiting),
        cmocka_unit_test(limits_connections),
        cmocka_unit_test(waiting_clients_make_room),
        cmocka_unit_test(serves_many_at_once),
        cmocka_unit_test(refuses_bad_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
