/* The doors of the API (see node_doors.h). */
#include "node/node_doors.h"

#include <stdio.h>
#include <string.h>

#include "certs/crypto.h"
#include "node/base/bytes.h"
#include "node/node_files.h"

static int split_host(const char *name, const char *text, char host[64], uint16_t *ret_port, struct err *e)
{
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    if (colon == NULL || (size_t)(colon - text) >= 64 || colon == text ||
        decimal_parse(bytes_of_string(colon + 1), &port) != 0 || port > 65535)
        return err_set(e, ERR_INVALID, "config.http", "%s: '%s' is not host:port with a port up to 65535", name, text);
    bool is_bracketed = text[0] == '[' && colon[-1] == ']' && colon - text > 2; /* an IPv6 address */
    (void)snprintf(host, 64, "%.*s", (int)(colon - text) - 2 * is_bracketed, text + is_bracketed);
    *ret_port = (uint16_t)port;
    return 0;
}

/* What the configuration and api.token say of the door on TCP, checked; nothing when there is none. */
struct tcp_door {
    char host[64];
    char token[256];
};

static int load_tcp_door(const struct config *c, struct tcp_door *door, struct http_server_config *ret, struct err *e)
{
    if (c->http[0] == '\0')
        return 0;
    int rc = split_host("http", c->http, door->host, &ret->tcp_port, e);
    if (rc == 0)
        rc = node_files_read_line(c->token_path, door->token, sizeof door->token, e);
    ret->tcp_host = door->host;
    ret->token = door->token;
    return rc == 0 ? http_server_check(ret, e) : rc;
}

/* The door for anybody who wants a checkpoint cosigned, if the operator wants one. */
static int load_witness_door(const struct config *c, char host[64], struct http_server_config *ret, struct err *e)
{
    if (c->witness_http[0] == '\0')
        return 0;
    int rc = split_host("witness_http", c->witness_http, host, &ret->tcp_port, e);
    ret->door = REQUEST_DOOR_WITNESS;
    ret->tcp_host = host;
    return rc == 0 ? http_server_check(ret, e) : rc;
}

int node_doors_check(const struct config *c, struct err *e)
{
    struct tcp_door door = {0};
    struct http_server_config http = {0}, witness = {0};
    char host[64];
    int rc = load_tcp_door(c, &door, &http, e);
    if (rc == 0)
        rc = load_witness_door(c, host, &witness, e);
    crypto_wipe(&door, sizeof door);
    return rc;
}

static int start_witness_door(struct node_doors *d, const struct config *c, struct loop *loop, struct app *app,
                              struct err *e)
{
    char host[64];
    struct http_server_config http = {.loop = loop_uv(loop), .app = app};
    int rc = load_witness_door(c, host, &http, e);
    if (rc == 0 && http.tcp_host != NULL)
        rc = http_server_start(&http, &d->witness_http, e);
    return rc;
}

int node_doors_start(struct node_doors *d, const struct config *c, struct loop *loop, struct app *app, struct err *e)
{
    struct tcp_door door = {0};
    struct http_server_config http = {.loop = loop_uv(loop), .app = app, .unix_path = c->socket_path};
    int rc = load_tcp_door(c, &door, &http, e);
    if (rc == 0)
        rc = start_witness_door(d, c, loop, app, e);
    if (rc == 0)
        rc = http_server_start(&http, &d->http, e);
    if (rc != 0 && d->witness_http != NULL)
        http_server_stop(d->witness_http, NULL, NULL); /* node_destroy() gives the loop its turns */
    crypto_wipe(&door, sizeof door);
    return rc;
}

static void stopped(void *ctx)
{
    struct node_doors *d = ctx;
    if (--d->stopping > 0)
        return;
    d->http = d->witness_http = NULL;
    d->stopped_cb(d->ctx);
}

void node_doors_stop(struct node_doors *d, void (*stopped_cb)(void *ctx), void *ctx)
{
    d->stopped_cb = stopped_cb;
    d->ctx = ctx;
    d->stopping = 1 + (d->witness_http != NULL);
    http_server_stop(d->http, stopped, d);
    if (d->witness_http != NULL)
        http_server_stop(d->witness_http, stopped, d);
}
