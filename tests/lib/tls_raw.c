/* See tls_raw.h. */
#include "tests/lib/tls_raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "node/base/xassert.h"

#define SP_HEADER_SIZE 8
#define LIMIT_S 120 /* a hung test fails instead of hanging */
/* SP over a stream: NUL, "SP", version 0, protocol (REQ0 = 0x30, REP0 = 0x31), reserved. */
static const uint8_t req_header[SP_HEADER_SIZE] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
static const uint8_t rep_header[SP_HEADER_SIZE] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};

static SSL_CTX *context(const struct tls_raw_options *o)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    xassert(ctx != NULL);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    bool ok = SSL_CTX_set_max_proto_version(ctx, o->is_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION) == 1;
    if (o->cert_path != NULL)
        ok &= SSL_CTX_use_certificate_file(ctx, o->cert_path, SSL_FILETYPE_PEM) == 1 &&
              SSL_CTX_use_PrivateKey_file(ctx, o->key_path, SSL_FILETYPE_PEM) == 1;
    xassert(ok);
    return ctx;
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

/* With a time limit, connect() ends with EINTR when the process was stopped meanwhile; the attempt goes on. */
static bool connect_all(int fd, const struct sockaddr_in *to)
{
    int error = 0;
    socklen_t size = sizeof error;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (connect(fd, (const struct sockaddr *)to, sizeof *to) == 0)
        return true;
    return errno == EINTR && poll(&p, 1, LIMIT_S * 1000) == 1 &&
           getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

int tls_raw_connect(uint16_t port)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = LIMIT_S};
    xassert(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (!connect_all(fd, &a)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Handshake, our header out, whether theirs came in. */
static bool talk(SSL_CTX *ctx, int fd, bool is_server)
{
    uint8_t in[SP_HEADER_SIZE];
    SSL *ssl = SSL_new(ctx);
    xassert(ssl != NULL);
    SSL_set_fd(ssl, fd);
    ERR_clear_error();
    int ok = is_server ? SSL_accept(ssl) : SSL_connect(ssl);
    bool is_in = ok == 1 && SSL_write(ssl, is_server ? rep_header : req_header, SP_HEADER_SIZE) == SP_HEADER_SIZE &&
                 SSL_read(ssl, in, sizeof in) > 0;
    ERR_clear_error();
    SSL_free(ssl);
    return is_in;
}

bool tls_raw_client(uint16_t port, const struct tls_raw_options *o)
{
    SSL_CTX *ctx = context(o);
    int fd = tls_raw_connect(port);
    xassert(fd >= 0);
    bool is_in = talk(ctx, fd, false);
    close(fd);
    SSL_CTX_free(ctx);
    return is_in;
}

struct tls_raw_server {
    pthread_t thread;
    int listener;
    SSL_CTX *ctx;
    atomic_bool is_stopping;
    unsigned accepted; /* read after the thread ended */
};

static void *serve(void *arg)
{
    struct tls_raw_server *s = arg;
    for (;;) {
        int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && errno == EINTR)
            continue;
        if (fd < 0 || atomic_load(&s->is_stopping)) {
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        struct timeval limit = {.tv_sec = LIMIT_S};
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        s->accepted += talk(s->ctx, fd, true);
        close(fd);
    }
}

struct tls_raw_server *tls_raw_server_start(const struct tls_raw_options *o, uint16_t *ret_port)
{
    struct tls_raw_server *s = xcalloc(1, sizeof *s);
    struct sockaddr_in a = loopback(0);
    socklen_t size = sizeof a;
    s->ctx = context(o);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = bind(s->listener, (struct sockaddr *)&a, sizeof a);
    xassert(rc == 0);
    rc = listen(s->listener, 16) | getsockname(s->listener, (struct sockaddr *)&a, &size) |
         pthread_create(&s->thread, NULL, serve, s);
    xassert(rc == 0);
    *ret_port = ntohs(a.sin_port);
    return s;
}

unsigned tls_raw_server_stop(struct tls_raw_server *s)
{
    atomic_store(&s->is_stopping, true);
    shutdown(s->listener, SHUT_RDWR); /* wakes accept() */
    pthread_join(s->thread, NULL);
    unsigned accepted = s->accepted;
    close(s->listener);
    SSL_CTX_free(s->ctx);
    free(s);
    return accepted;
}

void tls_raw_client_hello(struct buf *out)
{
    const struct tls_raw_options o = {0};
    SSL_CTX *ctx = context(&o);
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *sent = BIO_new(BIO_s_mem());
    xassert(ssl != NULL && in != NULL && sent != NULL);
    SSL_set_bio(ssl, in, sent); /* takes both */
    (void)SSL_connect(ssl);     /* wants an answer that never comes */
    char *data = NULL;
    long size = BIO_get_mem_data(sent, &data);
    xassert(size > 100);
    buf_put(out, data, (size_t)size);
    ERR_clear_error();
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}
