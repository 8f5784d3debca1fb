/* Clocks (see clock.h). */
#include "node/base/clock.h"

#include <stdio.h>
#include <time.h>

#include "node/base/xassert.h"

static uint64_t read_us(clockid_t id)
{
    struct timespec ts;
    int rc = clock_gettime(id, &ts);
    xassert(rc == 0);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000u;
}

uint64_t clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000u;
}

uint64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

void clock_format_utc(uint64_t wall_ms, char *out)
{
    time_t seconds = (time_t)(wall_ms / 1000u % 253402300800u); /* year 9999 at most */
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t size = strftime(out, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out + size, CLOCK_TEXT_SIZE - size, ".%03uZ", (unsigned)(wall_ms % 1000u));
}

uint32_t clock_china_date(uint64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000u % 253402300800u) + 8 * 3600;
    struct tm tm;
    gmtime_r(&seconds, &tm);
    return (uint32_t)(tm.tm_year + 1900) * 10000u + (uint32_t)(tm.tm_mon + 1) * 100u + (uint32_t)tm.tm_mday;
}
