/* xoshiro256** seeded by splitmix64 (Blackman and Vigna, public domain algorithm). */
#include "node/base/prng.h"

#include <string.h>

#include "node/base/xassert.h"

void prng_init(struct prng *p, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        p->s[i] = z ^ (z >> 31);
    }
}

static uint64_t rotate(uint64_t v, int n)
{
    return v << n | v >> (64 - n);
}

uint64_t prng_next(struct prng *p)
{
    uint64_t *s = p->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *p, uint64_t bound)
{
    xassert(bound > 0);
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t v;
    do
        v = prng_next(p);
    while (v >= limit);
    return v % bound;
}

void prng_fill(struct prng *p, void *out, size_t size)
{
    uint8_t *at = out;
    while (size > 0) {
        uint64_t v = prng_next(p);
        size_t n = min_of(size, sizeof v);
        memcpy(at, &v, n);
        at += n;
        size -= n;
    }
}
