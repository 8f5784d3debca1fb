/* Shared by the load clients: the 1 KiB event, the clock, latency percentiles, result lines. */
#ifndef TB_PEERS_LOAD_H
#define TB_PEERS_LOAD_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#define EVENT_LEN 1024
static inline double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}
static inline void nap(double s)
{
    struct timespec t = {(time_t)s, (long)((s - (time_t)s) * 1e9)};
    nanosleep(&t, 0);
}
/* A status event, padded with pseudo-random hex to exactly EVENT_LEN bytes (buf: EVENT_LEN + 1). */
static inline void event(char *buf, uint64_t id)
{
    uint64_t x = id * 0x9E3779B97F4A7C15ull + 1;
    int n = snprintf(buf, EVENT_LEN + 1,
                     "{\"id\":%llu,\"origin\":\"site-a\",\"case\":\"C%08llu\",\"type\":\"status\","
                     "\"item\":\"cross-province-certificate\",\"applicant\":{\"name\":\"x\",\"idno\":\"%018llu\"},"
                     "\"state\":\"accepted\",\"form\":\"",
                     (unsigned long long)id, (unsigned long long)(id / 5),
                     (unsigned long long)(x % 1000000000000000000ull));
    for (; n < EVENT_LEN - 2; n++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        buf[n] = "0123456789abcdef"[x >> 60];
    }
    memcpy(buf + EVENT_LEN - 2, "\"}", 3);
}
static int cmpf(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}
static inline void percentiles(const char *what, float *us, size_t n)
{
    if (!n)
        return;
    qsort(us, n, sizeof *us, cmpf);
    printf("%sp50_us %.0f\n%sp99_us %.0f\n%smax_us %.0f\n", what, us[n / 2], what, us[(size_t)(n * 0.99)], what,
           us[n - 1]);
}
#endif
