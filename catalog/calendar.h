/* Working days by the State Council's yearly notices: holidays, and the weekend days that are worked in exchange
 * (调休). The law's limits run on them (行政许可法 82).
 *
 * File: one JSON object {"2026-10-01": {"type": "holiday", "name": "国庆节", "in_lieu": true}, …}; "type" is holiday or
 * workday, "name" and "in_lieu" (a weekday given off against a worked weekend) are for people. The table knows the
 * years of which it has dates. In a year without, weekends are taken as they are and the answer is provisional: the
 * notice of a year usually comes in November before it, and limits are to be computed again then. Dates are yyyymmdd
 * (node/base/date.h). Read-only after loading; any thread.
 */
#ifndef TB_CATALOG_CALENDAR_H
#define TB_CATALOG_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "node/base/bytes.h"

struct calendar;

/* The caller destroys @ret. ERR_NOT_FOUND / ERR_IO / ERR_LIMIT for the file; ERR_INVALID "calendar.date",
 * "calendar.duplicate", "calendar.field", "calendar.value" naming file, date and value. */
int calendar_load(const char *path, struct calendar **ret, struct err *e) WARN_UNUSED;
/* The same from text; @name stands in messages. */
int calendar_parse(struct bytes text, const char *name, struct calendar **ret, struct err *e) WARN_UNUSED;
void calendar_destroy(struct calendar *c); /* NULL is fine */

/* Whether the notice of @year is in the table. */
bool calendar_has_year(const struct calendar *c, uint32_t year);

/* @date must be valid. @ret_provisional (may be NULL) says whether its year is missing in the table. */
bool calendar_is_working_day(const struct calendar *c, uint32_t date, bool *ret_provisional);

/* The last day of a limit of @days working days that an event on @date starts: the first working day after @date is day
 * 1; 0 days give @date. @ret_provisional (may be NULL): some day on the way lies in a year that is missing. Stops at
 * the last day of the year 9999. */
uint32_t calendar_add_working_days(const struct calendar *c, uint32_t date, uint32_t days, bool *ret_provisional);
/* The same for calendar days (自然日). */
uint32_t calendar_add_natural_days(uint32_t date, uint32_t days);

/* Working days after @from up to and with @to: what is left of a limit, and the inverse of adding. Negative when @to
 * comes before @from: the working days after @to up to and with @from, so that "overdue since" counts the same way. */
int32_t calendar_count_working_days(const struct calendar *c, uint32_t from, uint32_t to, bool *ret_provisional);

#endif
