/* Repeatable pseudo-random numbers (xoshiro256**): jitter, simulators, tests. Never for keys, salts or ids. */
#ifndef TB_BASE_PRNG_H
#define TB_BASE_PRNG_H

#include <stddef.h>
#include <stdint.h>

struct prng {
    uint64_t s[4];
};

void prng_init(struct prng *p, uint64_t seed);
uint64_t prng_next(struct prng *p);
uint64_t prng_below(struct prng *p, uint64_t bound); /* 0..bound-1, bound > 0 */
void prng_fill(struct prng *p, void *out, size_t size);

#endif
