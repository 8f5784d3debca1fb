/* A loop that is always late under a real daemon: a library that a test puts in front of libc (LD_PRELOAD), in no program that is shipped.
 *
 * libuv's wait for events begins $TONGBAN_TEST_POLL_MS late, so that whatever comes within that time, an answer of a peer and a signal, say,
 * is found in one turn of the loop. NNG and libmicrohttpd wait by other functions and are as quick as ever. Thread-safe, needs no lock.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

typedef int epoll_pwait_function(int fd, struct epoll_event *events, int count, int timeout_ms,
                                 const sigset_t *blocked);

static epoll_pwait_function *next; /* set before main(), then constant */
static long late_ms;

__attribute__((constructor)) static void find(void)
{
    const char *text = getenv("TONGBAN_TEST_POLL_MS");
    *(void **)&next = dlsym(RTLD_NEXT, "epoll_pwait");
    late_ms = text == NULL ? 0 : strtol(text, NULL, 10);
}

int epoll_pwait(int fd, struct epoll_event *events, int count, int timeout_ms, const sigset_t *blocked)
{
    struct timespec rest = {.tv_sec = late_ms / 1000, .tv_nsec = late_ms % 1000 * 1000000};
    while (timeout_ms != 0 && nanosleep(&rest, &rest) != 0 && errno == EINTR)
        continue;
    return next(fd, events, count, timeout_ms, blocked);
}
