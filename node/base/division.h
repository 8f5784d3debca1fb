/* Codes of administrative divisions (GB/T 2260): six digits, two each for province, city and county. Pure; any thread. */
#ifndef TB_BASE_DIVISION_H
#define TB_BASE_DIVISION_H

#include <stdbool.h>
#include <stdint.h>

#define DIVISION_CODE_MIN 110000u
#define DIVISION_CODE_MAX 999999u

/* Whether @area (a province, city or county code) has division @code inside, itself included, by prefix. */
static inline bool division_contains(uint32_t area, uint32_t code)
{
    uint32_t unit = area % 10000 == 0 ? 10000 : area % 100 == 0 ? 100 : 1;
    return area >= DIVISION_CODE_MIN && area / unit == code / unit;
}

#endif
