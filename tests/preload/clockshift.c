/* A wrong wall clock under a real daemon: a library that a test puts in front of libc (LD_PRELOAD), in no program that is shipped. The
 * daemon itself has no such switch, on purpose: a clock that an environment variable can move would move the law's limits.
 *
 * How wrong it is stands in the file $TONGBAN_TEST_CLOCK, which tests/lib/shifted_clock.py writes while the daemon runs and which is mapped
 * here: two states and how often one was set, the last bit of which says which one counts. The writer fills in the other one first, and a
 * reader that was so slow that the number changed meanwhile reads again: none sees half of one. CLOCK_MONOTONIC and all other clocks are
 * left alone, so that time-outs stay what they are. Thread-safe, needs no lock.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ll

struct state {
    int64_t offset_ns; /* added to the clock */
    int64_t since_ns;  /* of CLOCK_MONOTONIC: from then on the offset grows */
    int64_t rate_ppm;  /* by so many microseconds a second; below 0 it shrinks */
};

struct file {
    _Atomic uint64_t count; /* of states set; states[count & 1] counts */
    struct state states[2];
};

static const struct file *file; /* set before main(), then constant */

/* System calls without libc: a sanitizer's runtime may not be ready yet, and stands between. */
__attribute__((constructor)) static void map_file(void)
{
    const char *path = getenv("TONGBAN_TEST_CLOCK");
    long fd = path == NULL ? -1 : syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    long at = syscall(SYS_mmap, NULL, sizeof *file, PROT_READ, MAP_SHARED, fd, 0);
    (void)syscall(SYS_close, fd);
    if (at != -1)
        file = (const struct file *)at;
}

/* What the wall clock is wrong by. */
static int64_t shift_ns(void)
{
    if (file == NULL)
        return 0;
    struct state s;
    uint64_t count;
    do {
        count = atomic_load(&file->count);
        s = *(const volatile struct state *)&file->states[count & 1];
        atomic_thread_fence(memory_order_acquire);
    } while (count != atomic_load(&file->count));
    struct timespec now = {0};
    if (s.rate_ppm != 0)
        (void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    int64_t passed_ns = s.rate_ppm == 0 ? 0 : now.tv_sec * SECOND + now.tv_nsec - s.since_ns;
    return s.offset_ns + passed_ns / 1000000 * s.rate_ppm + passed_ns % 1000000 * s.rate_ppm / 1000000;
}

/* 0, or -1 with errno. */
static int read_clock(clockid_t id, struct timespec *ret)
{
    int rc = (int)syscall(SYS_clock_gettime, id, ret);
    if (rc != 0 || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
        return rc;
    int64_t now_ns = ret->tv_sec * SECOND + ret->tv_nsec + shift_ns();
    *ret = (struct timespec){.tv_sec = now_ns / SECOND, .tv_nsec = now_ns % SECOND};
    return 0;
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
    return read_clock(id, ret);
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now;
    (void)zone; /* nobody asks for it, and Linux has none to tell */
    int rc = read_clock(CLOCK_REALTIME, &now);
    if (rc == 0)
        *ret = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return rc;
}

time_t time(time_t *ret)
{
    struct timespec now = {0};
    (void)read_clock(CLOCK_REALTIME, &now);
    if (ret != NULL)
        *ret = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *ret, int base)
{
    return base == TIME_UTC && read_clock(CLOCK_REALTIME, ret) == 0 ? base : 0;
}
