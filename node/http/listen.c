/* Listening sockets of the local API (see listen.h). */
#include "node/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 511
#define SOCKET_MODE 0660

/* Makes room for a socket at @address: nothing there is fine, a dead socket is removed. */
static int clear_path(const struct sockaddr_un *address, struct err *e)
{
    struct stat st;
    const char *path = address->sun_path;
    if (lstat(path, &st) != 0) {
        if (errno == ENOENT)
            return 0;
        return err_set_errno(e, ERR_IO, "http.socket", errno, "cannot look at '%s'", path);
    }
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, ERR_CONFLICT, "http.socket", "'%s' exists and is no socket; it was left as it is", path);

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(e, ERR_IO, "http.socket", errno, "cannot make a socket");
    int rc = connect(fd, (const struct sockaddr *)address, sizeof *address);
    int why = errno;
    close(fd);
    if (rc == 0) {
        rc = err_set(e, ERR_CONFLICT, "http.socket-in-use", "another process answers on '%s'", path);
        err_hint(e, "is this node running already?");
        return rc;
    }
    if (why != ECONNREFUSED)
        return err_set_errno(e, ERR_IO, "http.socket", why, "cannot see whether '%s' is in use", path);
    if (unlink(path) != 0)
        return err_set_errno(e, ERR_IO, "http.socket", errno, "cannot remove the dead socket '%s'", path);
    return 0;
}

int listen_unix(const char *path, int *ret_fd, struct err *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size >= sizeof address.sun_path) {
        int too_long =
            err_set(e, ERR_INVALID, "http.socket-path", "the socket path '%.200s' has %zu bytes, the limit is %zu",
                    path, size, sizeof address.sun_path - 1);
        err_hint(e, "choose a node folder with a shorter path");
        return too_long;
    }
    memcpy(address.sun_path, path, size + 1);
    int rc = clear_path(&address, e);
    if (rc != 0)
        return rc;

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set_errno(e, ERR_IO, "http.socket", errno, "cannot make a socket");
    /* Linux takes the mode of the new file from the socket, so that it is never open to everybody, not even between
     * bind and chmod; the chmod gives back what the umask took. */
    if (fchmod(fd, SOCKET_MODE) != 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(path, SOCKET_MODE) != 0 || listen(fd, BACKLOG) != 0) {
        rc = err_set_errno(e, ERR_IO, "http.socket", errno, "cannot listen on '%s'", path);
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse_address(const char *host, uint16_t port, union address *ret, socklen_t *ret_size)
{
    *ret = (union address){0};
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(port);
        *ret_size = sizeof ret->v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons(port);
        *ret_size = sizeof ret->v6;
        return true;
    }
    return false;
}

static bool parse_loopback(const char *host, uint16_t port, union address *ret, socklen_t *ret_size)
{
    if (!parse_address(host, port, ret, ret_size))
        return false;
    return ret->any.sa_family == AF_INET ? ntohl(ret->v4.sin_addr.s_addr) >> 24 == 127
                                         : IN6_IS_ADDR_LOOPBACK(&ret->v6.sin6_addr);
}

static int not_loopback(const char *host, struct err *e)
{
    int rc = err_set(e, ERR_INVALID, "http.not-loopback",
                     "the HTTP host is '%.64s'; it must be localhost, 127.x.y.z or ::1", host);
    err_hint(e, "reach the node from elsewhere through a tunnel or a proxy on this machine");
    return rc;
}

int listen_check_host(const char *host, struct err *e)
{
    union address address;
    socklen_t size = 0;
    return parse_loopback(host, 0, &address, &size) ? 0 : not_loopback(host, e);
}

static int bound_port(int fd, uint16_t *ret_port)
{
    union address address = {0};
    socklen_t size = sizeof address;
    if (getsockname(fd, &address.any, &size) != 0)
        return -1;
    *ret_port = ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
    return 0;
}

static int bind_tcp(const char *host, uint16_t port, const union address *address, socklen_t size, int *ret_fd,
                    uint16_t *ret_port, struct err *e)
{
    int on = 1;
    int rc = 0;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set_errno(e, ERR_IO, "http.socket", errno, "cannot make a socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 || bind(fd, &address->any, size) != 0 ||
        listen(fd, BACKLOG) != 0 || bound_port(fd, ret_port) != 0) {
        rc =
            errno == EADDRINUSE
                ? err_set(e, ERR_CONFLICT, "http.port-in-use", "port %u on %s is in use by another process", port, host)
                : err_set_errno(e, ERR_IO, "http.socket", errno, "cannot listen on %s port %u", host, port);
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

int listen_tcp(const char *host, uint16_t port, int *ret_fd, uint16_t *ret_port, struct err *e)
{
    union address address;
    socklen_t size = 0;
    if (!parse_loopback(host, port, &address, &size))
        return not_loopback(host, e);
    return bind_tcp(host, port, &address, size, ret_fd, ret_port, e);
}

int listen_check_address(const char *host, struct err *e)
{
    union address address;
    socklen_t size = 0;
    if (parse_address(host, 0, &address, &size))
        return 0;
    return err_set(e, ERR_INVALID, "http.address",
                   "the host is '%.64s'; it must be an address of this machine, or 0.0.0.0 or [::]", host);
}

int listen_open(const char *host, uint16_t port, int *ret_fd, uint16_t *ret_port, struct err *e)
{
    union address address;
    socklen_t size = 0;
    if (!parse_address(host, port, &address, &size))
        return listen_check_address(host, e);
    return bind_tcp(host, port, &address, size, ret_fd, ret_port, e);
}
