/* Civil dates (see date.h). The day numbers are Howard Hinnant's days_from_civil: a year that begins in March puts the
 * leap day last, and 400 such years are one era of 146,097 days. */
#include "node/base/date.h"

#include <stdio.h>

#include "node/base/xassert.h"

enum { DAYS_PER_ERA = 146097, DAYS_TO_1970 = 719468 };

static bool is_leap(uint32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

bool date_is_valid(uint32_t yyyymmdd)
{
    static const uint8_t lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint32_t year = yyyymmdd / 10000;
    uint32_t month = yyyymmdd / 100 % 100;
    uint32_t day = yyyymmdd % 100;
    if (year < DATE_YEAR_MIN || year > DATE_YEAR_MAX || month < 1 || month > 12 || day < 1)
        return false;
    return day <= lengths[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

int32_t date_to_days(uint32_t yyyymmdd)
{
    xassert(date_is_valid(yyyymmdd));
    int32_t month = (int32_t)(yyyymmdd / 100 % 100);
    int32_t day = (int32_t)(yyyymmdd % 100);
    int32_t year = (int32_t)(yyyymmdd / 10000) - (month <= 2);
    int32_t year_of_era = year % 400;
    int32_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int32_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return year / 400 * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

uint32_t date_from_days(int32_t days)
{
    const uint32_t first = DATE_YEAR_MIN * 10000u + 101u;
    const uint32_t last = DATE_YEAR_MAX * 10000u + 1231u;
    if (days <= date_to_days(first))
        return first;
    if (days >= date_to_days(last))
        return last;

    uint32_t shifted = (uint32_t)(days + DAYS_TO_1970); /* positive from 1600 on */
    uint32_t day_of_era = shifted % DAYS_PER_ERA;
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / (DAYS_PER_ERA - 1)) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t shifted_month = (5 * day_of_year + 2) / 153;
    uint32_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    uint32_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    uint32_t year = shifted / DAYS_PER_ERA * 400 + year_of_era + (month <= 2);
    return year * 10000 + month * 100 + day;
}

unsigned date_weekday(uint32_t yyyymmdd)
{
    int32_t days = date_to_days(yyyymmdd); /* 1970-01-01 was a Thursday */
    return (unsigned)((days % 7 + 7 + 4) % 7);
}

int date_parse(struct bytes text, uint32_t *ret)
{
    static const char form[] = "dddd-dd-dd";
    if (text.size != sizeof form - 1)
        return ERR_INVALID;
    uint32_t date = 0;
    for (size_t i = 0; i < text.size; i++) {
        bool is_digit = text.data[i] >= '0' && text.data[i] <= '9';
        if (form[i] == 'd' ? !is_digit : text.data[i] != '-')
            return ERR_INVALID;
        if (is_digit)
            date = date * 10 + (text.data[i] - '0');
    }
    if (!date_is_valid(date))
        return ERR_INVALID;
    *ret = date;
    return 0;
}

void date_format(uint32_t yyyymmdd, char *out)
{
    xassert(date_is_valid(yyyymmdd));
    (void)snprintf(out, DATE_TEXT_SIZE, "%04u-%02u-%02u", (unsigned)(yyyymmdd / 10000) % 10000u,
                   (unsigned)(yyyymmdd / 100 % 100), (unsigned)(yyyymmdd % 100));
}
