/* Time. Pure code gets `now` as an argument; only the shell calls these. */
#ifndef TB_BASE_CLOCK_H
#define TB_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_wall_ms(void); /* milliseconds since 1970, UTC; may jump */
uint64_t clock_mono_ms(void); /* for timeouts; never goes back */
uint64_t clock_mono_us(void);

/* "2026-11-24T01:02:03.456Z"; @out holds CLOCK_TEXT_SIZE bytes. */
#define CLOCK_TEXT_SIZE 25
void clock_format_utc(uint64_t wall_ms, char *out);
/* Civil date in China (UTC+8, no daylight saving since 1991) as yyyymmdd. */
uint32_t clock_china_date(uint64_t wall_ms);

#endif
