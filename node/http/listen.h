/* Listening sockets of the local API: a unix socket whose file permission is the credential, and TCP on loopback.
 * Called at start-up only; blocks no longer than a local connect(2).
 */
#ifndef TB_HTTP_LISTEN_H
#define TB_HTTP_LISTEN_H

#include <stdint.h>

#include "node/base/err.h"

/* Binds @path with mode 0660 and listens; the file is never more open than that. A socket that nobody listens on any
 * more is removed first; one that answers is ERR_CONFLICT "http.socket-in-use"; any other file is left alone. */
int listen_unix(const char *path, int *ret_fd, struct err *e) WARN_UNUSED;

/* As listen_tcp() checks it, without listening. */
int listen_check_host(const char *host, struct err *e) WARN_UNUSED;

/* As listen_tcp(), on any address of this machine, written as a number: 0.0.0.0, [::] or one of its own. ERR_INVALID
 * "http.address". */
int listen_open(const char *host, uint16_t port, int *ret_fd, uint16_t *ret_port, struct err *e) WARN_UNUSED;
int listen_check_address(const char *host, struct err *e) WARN_UNUSED;

/* @host: "localhost" or a literal address in 127.0.0.0/8 or ::1; anything else is ERR_INVALID "http.not-loopback".
 * @port 0 takes a free one. Taken: ERR_CONFLICT "http.port-in-use". */
int listen_tcp(const char *host, uint16_t port, int *ret_fd, uint16_t *ret_port, struct err *e) WARN_UNUSED;

#endif
