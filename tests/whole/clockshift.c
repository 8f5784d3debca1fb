/* For tests of deadlines: a shared object that, preloaded into a daemon, moves its wall clock by TONGBAN_TEST_CLOCK_SHIFT_S
 * seconds. The daemon itself has no such switch, on purpose: a clock that an environment variable can move would move the
 * law's limits. Other clocks are left alone, so that time-outs stay what they are. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *ret);

int clock_gettime(clockid_t id, struct timespec *ret)
{
    int rc = (int)syscall(SYS_clock_gettime, id, ret);
    const char *shift = id == CLOCK_REALTIME ? getenv("TONGBAN_TEST_CLOCK_SHIFT_S") : NULL;
    if (rc == 0 && shift != NULL)
        ret->tv_sec += strtoll(shift, NULL, 10);
    return rc;
}
