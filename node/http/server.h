/* HTTP server of the local API: a unix socket in the node's folder and, if wanted, TCP on loopback. The only file that
 * knows libmicrohttpd. It runs on the caller's libuv loop, without threads of its own.
 *
 * Credentials: on the unix socket the file permission; on TCP "Authorization: Bearer <token>" (but for GET /healthz),
 * a Host of this machine with our port (a page of a stranger cannot reach us by DNS rebinding) and no Origin (a browser
 * sends it with what a page asks for).
 *
 * The witness door is a server of its own: two paths, nothing secret, anybody's network. WITNESS_HTTP_* limit it; who asks too
 * often gets 429.
 *
 * Limits: HTTP_BODY_BYTES_MAX and HTTP_BODIES_BYTES_MAX for bodies, HTTP_REQUEST_SECONDS_MAX until header and body are
 * in (and again until the answer is out), HTTP_CONNECTIONS_MAX for each of the two sockets. Where all of one is taken, those who
 * have rested longest, and at least two seconds, make room, and then long polls. A unix socket whose file was removed is made again. Loop thread only.
 */
#ifndef TB_HTTP_SERVER_H
#define TB_HTTP_SERVER_H

#include <stdint.h>

#include "node/base/err.h"
#include "node/http/request.h"

struct app;
struct http_server;
struct uv_loop_s;

/* Everything is copied by http_server_start() but the loop and the app, which must outlive the server. */
struct http_server_config {
    struct uv_loop_s *loop;
    struct app *app;
    enum request_door door;   /* WITNESS: a TCP door for anybody, without token and unix socket, with lower limits */
    const char *unix_path;    /* NULL = no unix socket */
    const char *tcp_host;     /* NULL = no TCP; else a loopback address (witness: any) */
    uint16_t tcp_port;        /* 0 = a free one, see http_server_port() */
    const char *token;        /* for TCP: at least 32 bytes of text */
    uint32_t request_ms_max;  /* 0 = HTTP_REQUEST_SECONDS_MAX */
    uint32_t connections_max; /* 0 = HTTP_CONNECTIONS_MAX */
};

/* Whether the TCP part of @config can work: a loopback address, a token that is long enough. Errors as below. */
int http_server_check(const struct http_server_config *config, struct err *e) WARN_UNUSED;

/* Listens and serves. Errors: those of listen.h, "http.token", "http.start"; the loop must then run once more, for its
 * handles to close. */
int http_server_start(const struct http_server_config *config, struct http_server **ret, struct err *e) WARN_UNUSED;

/* The TCP port that was taken; 0 without TCP. */
uint16_t http_server_port(const struct http_server *s);

/* Takes no more requests, answers those that wait with 503, closes everything, removes the socket file, and calls
 * @stopped_cb from the loop. App callbacks that come after that are safe. @s must not be used any more. */
void http_server_stop(struct http_server *s, void (*stopped_cb)(void *ctx), void *ctx);

#endif
