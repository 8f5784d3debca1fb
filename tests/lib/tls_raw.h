/* TLS parties that do not play by our rules: plain OpenSSL on blocking sockets, which verify nothing and offer what a
 * test tells them to. The other side of such a connection is the code under test. */
#ifndef TB_TESTS_TLS_RAW_H
#define TB_TESTS_TLS_RAW_H

#include <stdbool.h>
#include <stdint.h>

#include "node/base/bytes.h"

struct tls_raw_options {
    const char *cert_path, *key_path; /* NULL = no certificate */
    bool is_tls12;                    /* offer TLS 1.2 at most */
};

/* Dials 127.0.0.1:@port, shakes hands, sends an SP header and waits for the other's. Whether it came: the other side let
 * us in. */
bool tls_raw_client(uint16_t port, const struct tls_raw_options *o);

/* Takes connections on a free port of 127.0.0.1 in a thread of its own, answering each with an SP header. */
struct tls_raw_server;
struct tls_raw_server *tls_raw_server_start(const struct tls_raw_options *o, uint16_t *ret_port);
/* Ends it; the number of connections whose dialer sent anything inside TLS, that is, accepted the server. */
unsigned tls_raw_server_stop(struct tls_raw_server *s);

/* A connected TCP socket to 127.0.0.1:@port, or -1. */
int tls_raw_connect(uint16_t port);
/* A real ClientHello, appended to @out. */
void tls_raw_client_hello(struct buf *out);

#endif
