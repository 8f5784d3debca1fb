/* A faulty disk under a real daemon: a library that a test puts in front of libc (LD_PRELOAD), in no program that is shipped.
 *
 * Writes and syncs of one database fail as the file $TONGBAN_TEST_FAULT says, one line that the test replaces while the daemon runs:
 *
 *     SEQ KIND NAME COUNT        3 sync_io keys.db 2
 *
 * KIND: none; write_io (EIO), write_full (ENOSPC), write_short (half the bytes, then ENOSPC), sync_io (EIO). NAME: part of
 * the file's name ("keys.db" is its log, too). COUNT operations of that sort pass, then all fail until the line is another one
 * (SEQ tells). The first failure appends SEQ to $TONGBAN_TEST_FAULT.fired. Thread-safe.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum kind { NONE, WRITE_IO, WRITE_FULL, WRITE_SHORT, SYNC_IO };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long sequence;
static long left;
static bool fired;

static enum kind kind_of(const char *name)
{
    static const char *const names[] = {"none", "write_io", "write_full", "write_short", "sync_io"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            return (enum kind)i;
    return NONE;
}

/* Whether @fd is a file whose name holds @part. */
static bool is_file(int fd, const char *part)
{
    char link[64], path[4096];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0)
        return false;
    path[size] = '\0';
    const char *name = strrchr(path, '/');
    return name != NULL && strstr(name, part) != NULL;
}

static void note_fired(const char *path)
{
    char name[4096], text[32];
    (void)snprintf(name, sizeof name, "%s.fired", path);
    int fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int size = snprintf(text, sizeof text, "%lu\n", sequence);
    if (fd >= 0) {
        ssize_t done = write(fd, text, (size_t)size);
        (void)done; /* the test waits for it and says so */
        (void)close(fd);
    }
}

/* What the operation on @fd meets. */
static enum kind meet(int fd, bool is_sync)
{
    const char *path = getenv("TONGBAN_TEST_FAULT");
    char text[128] = "", kind_name[32] = "", part[64] = "";
    unsigned long seq = 0;
    long count = 0;
    int saved = errno;
    int in = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = in < 0 ? 0 : read(in, text, sizeof text - 1);
    if (in >= 0)
        (void)close(in);
    errno = saved;
    if (size <= 0 || sscanf(text, "%lu %31s %63s %ld", &seq, kind_name, part, &count) != 4)
        return NONE;
    enum kind kind = kind_of(kind_name);
    if (kind == NONE || (kind == SYNC_IO) != is_sync || !is_file(fd, part)) {
        errno = saved;
        return NONE;
    }
    pthread_mutex_lock(&lock);
    if (seq != sequence) {
        sequence = seq;
        left = count;
        fired = false;
    }
    bool fails = left-- <= 0;
    bool is_first = fails && !fired;
    fired = fired || fails;
    pthread_mutex_unlock(&lock);
    if (is_first)
        note_fired(path);
    errno = saved;
    return fails ? kind : NONE;
}

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    return found;
}

static ssize_t faulty_write(int fd, const void *data, size_t size, off_t at,
                            ssize_t (*real)(int, const void *, size_t, off_t))
{
    switch (meet(fd, false)) {
    case WRITE_IO:
        errno = EIO;
        return -1;
    case WRITE_SHORT:
        if (size > 1)
            return real(fd, data, size / 2, at);
        errno = ENOSPC;
        return -1;
    case WRITE_FULL:
        errno = ENOSPC;
        return -1;
    case NONE:
    case SYNC_IO:
        break;
    }
    return real(fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    ssize_t (*real)(int, const void *, size_t, off_t);
    *(void **)&real = next("pwrite");
    return faulty_write(fd, data, size, at, real);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t at)
{
    ssize_t (*real)(int, const void *, size_t, off_t);
    *(void **)&real = next("pwrite64");
    return faulty_write(fd, data, size, at, real);
}

static int faulty_sync(int fd, const char *name)
{
    int (*real)(int);
    *(void **)&real = next(name);
    if (meet(fd, true) == SYNC_IO) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}

int fsync(int fd)
{
    return faulty_sync(fd, "fsync");
}

int fdatasync(int fd)
{
    return faulty_sync(fd, "fdatasync");
}
