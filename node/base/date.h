/* Civil dates as one number, yyyymmdd (20261124): how the law and the forms write them, and how they sort. Pure.
 * A day is a day in China (UTC+8, see clock_china_date()); nothing here knows about hours. */
#ifndef TB_BASE_DATE_H
#define TB_BASE_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "node/base/bytes.h"

#define DATE_YEAR_MIN 1600u
#define DATE_YEAR_MAX 9999u
#define DATE_TEXT_SIZE 11 /* "2026-11-24" and the NUL */

/* A day of the Gregorian calendar between DATE_YEAR_MIN and DATE_YEAR_MAX. */
bool date_is_valid(uint32_t yyyymmdd);

/* Days since 1970-01-01. @yyyymmdd must be valid. */
int32_t date_to_days(uint32_t yyyymmdd);
/* The way back; a day outside the years above gives the first or the last day of them. */
uint32_t date_from_days(int32_t days);

/* 0 = Sunday … 6 = Saturday. @yyyymmdd must be valid. */
unsigned date_weekday(uint32_t yyyymmdd);

/* "2026-11-24", exactly; 0 or ERR_INVALID. */
int date_parse(struct bytes text, uint32_t *ret) WARN_UNUSED;
/* @out holds DATE_TEXT_SIZE bytes. @yyyymmdd must be valid. */
void date_format(uint32_t yyyymmdd, char *out);

#endif
