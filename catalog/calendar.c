/* Working-day calendar (see calendar.h). The table is a sorted array of the days that differ from their weekday, looked
 * up by bisection; adding days walks day by day, which for the law's limits (5 to 60 days) is nothing. */
#include "catalog/calendar.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "catalog/document.h"
#include "node/base/date.h"
#include "node/base/file.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

#define YEARS (DATE_YEAR_MAX + 1)

struct calendar_day {
    uint32_t date;
    bool is_working;
};

struct calendar {
    struct calendar_day *days; /* sorted by date */
    size_t count;
    uint8_t has_year[(YEARS + 7) / 8];
};

static int compare_days(const void *a, const void *b)
{
    const struct calendar_day *x = a;
    const struct calendar_day *y = b;
    return (x->date > y->date) - (x->date < y->date);
}

/* Reads the fields of one date; unknown and doubled ones are refused. */
static int read_day(yyjson_val *fields, const char *date, struct calendar_day *day, struct err *e)
{
    enum { TYPE = 1, NAME = 2, IN_LIEU = 4 };
    unsigned seen = 0;
    yyjson_obj_iter iter;
    yyjson_obj_iter_init(fields, &iter);
    for (yyjson_val *key = yyjson_obj_iter_next(&iter); key != NULL; key = yyjson_obj_iter_next(&iter)) {
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        unsigned field = yyjson_equals_str(key, "type")      ? TYPE
                         : yyjson_equals_str(key, "name")    ? NAME
                         : yyjson_equals_str(key, "in_lieu") ? IN_LIEU
                                                             : 0u;
        if (field == 0 || (seen & field) != 0)
            return err_set(e, ERR_INVALID, "calendar.field", "%s: field '%.40s' is %s", date, yyjson_get_str(key),
                           field == 0 ? "not known (type, name, in_lieu)" : "there twice");
        seen |= field;
        if (field == TYPE && !yyjson_equals_str(value, "holiday") && !yyjson_equals_str(value, "workday"))
            return err_set(e, ERR_INVALID, "calendar.value", "%s.type: '%.40s' is not one of holiday, workday", date,
                           yyjson_is_str(value) ? yyjson_get_str(value) : yyjson_get_type_desc(value));
        if (field == NAME && !yyjson_is_str(value))
            return err_set(e, ERR_INVALID, "calendar.value", "%s.name: %s is not a text", date,
                           yyjson_get_type_desc(value));
        if (field == IN_LIEU && !yyjson_is_bool(value))
            return err_set(e, ERR_INVALID, "calendar.value", "%s.in_lieu: %s is not true or false", date,
                           yyjson_get_type_desc(value));
        if (field == TYPE)
            day->is_working = yyjson_equals_str(value, "workday");
    }
    if ((seen & TYPE) == 0)
        return err_set(e, ERR_INVALID, "calendar.field", "%s: field 'type' is missing", date);
    return 0;
}

static int read_days(yyjson_val *root, struct calendar *c, struct err *e)
{
    yyjson_obj_iter iter;
    yyjson_obj_iter_init(root, &iter);
    for (yyjson_val *key = yyjson_obj_iter_next(&iter); key != NULL; key = yyjson_obj_iter_next(&iter)) {
        struct calendar_day day = {0};
        const char *date = yyjson_get_str(key);
        if (date_parse(bytes_of(date, yyjson_get_len(key)), &day.date) != 0)
            return err_set(e, ERR_INVALID, "calendar.date", "'%.40s' is not a date like 2026-10-01", date);
        yyjson_val *fields = yyjson_obj_iter_get_val(key);
        if (!yyjson_is_obj(fields))
            return err_set(e, ERR_INVALID, "calendar.value", "%s: %s is not an object", date,
                           yyjson_get_type_desc(fields));
        int rc = read_day(fields, date, &day, e);
        if (rc != 0)
            return rc;
        c->days[c->count++] = day;
    }
    return 0;
}

/* Sorts and finds doubled dates; marks the years. */
static int complete(struct calendar *c, struct err *e)
{
    qsort(c->days, c->count, sizeof *c->days, compare_days);
    for (size_t i = 0; i < c->count; i++) {
        uint32_t year = c->days[i].date / 10000;
        c->has_year[year / 8] |= (uint8_t)(1u << year % 8);
        if (i > 0 && c->days[i - 1].date == c->days[i].date) {
            char text[DATE_TEXT_SIZE];
            date_format(c->days[i].date, text);
            return err_set(e, ERR_INVALID, "calendar.duplicate", "%s is there twice", text);
        }
    }
    return 0;
}

int calendar_parse(struct bytes text, const char *name, struct calendar **ret, struct err *e)
{
    yyjson_doc *doc = NULL;
    int rc = document_parse(text, name, CALENDAR_DATES_MAX * 8, &doc, e);
    if (rc != 0)
        return rc;

    struct calendar *c = NULL;
    yyjson_val *root = yyjson_doc_get_root(doc);
    size_t count = yyjson_obj_size(root); /* 0 for anything but an object */
    if (count == 0 || count > CALENDAR_DATES_MAX) {
        rc = err_set(e, count == 0 ? ERR_INVALID : ERR_LIMIT, "calendar.date",
                     "%s: %zu dates; an object with 1 to %u dates is expected", name, count, CALENDAR_DATES_MAX);
        goto out;
    }
    c = xcalloc(1, sizeof *c);
    c->days = xcalloc(count, sizeof *c->days);
    rc = read_days(root, c, e);
    if (rc == 0)
        rc = complete(c, e);
    if (rc != 0) {
        (void)err_wrap(e, "%s", name);
        goto out;
    }
    *ret = c;
    c = NULL;

out:
    calendar_destroy(c);
    yyjson_doc_free(doc);
    return rc;
}

int calendar_load(const char *path, struct calendar **ret, struct err *e)
{
    struct buf text = {0};
    int rc = file_read(path, CALENDAR_FILE_BYTES_MAX, &text, e);
    if (rc != 0)
        return rc;
    rc = calendar_parse(buf_bytes(&text), path, ret, e);
    buf_close(&text);
    return rc;
}

void calendar_destroy(struct calendar *c)
{
    if (c == NULL)
        return;
    free(c->days);
    free(c);
}

bool calendar_has_year(const struct calendar *c, uint32_t year)
{
    return year < YEARS && (c->has_year[year / 8] >> year % 8 & 1) != 0;
}

bool calendar_is_working_day(const struct calendar *c, uint32_t date, bool *ret_provisional)
{
    xassert(date_is_valid(date));
    if (ret_provisional != NULL)
        *ret_provisional = !calendar_has_year(c, date / 10000);
    struct calendar_day key = {.date = date};
    const struct calendar_day *day = bsearch(&key, c->days, c->count, sizeof key, compare_days);
    if (day != NULL)
        return day->is_working;
    unsigned weekday = date_weekday(date);
    return weekday != 0 && weekday != 6;
}

uint32_t calendar_add_working_days(const struct calendar *c, uint32_t date, uint32_t days, bool *ret_provisional)
{
    bool is_provisional = false;
    const uint32_t last = DATE_YEAR_MAX * 10000u + 1231u;
    while (days > 0 && date < last) {
        bool is_day_provisional;
        date = date_from_days(date_to_days(date) + 1);
        days -= calendar_is_working_day(c, date, &is_day_provisional);
        is_provisional |= is_day_provisional;
    }
    if (ret_provisional != NULL)
        *ret_provisional = is_provisional;
    return date;
}

uint32_t calendar_add_natural_days(uint32_t date, uint32_t days)
{
    int32_t from = date_to_days(date);
    return date_from_days(days > (uint32_t)(INT32_MAX - max_of(from, 0)) ? INT32_MAX : from + (int32_t)days);
}

int32_t calendar_count_working_days(const struct calendar *c, uint32_t from, uint32_t to, bool *ret_provisional)
{
    if (to < from)
        return -calendar_count_working_days(c, to, from, ret_provisional);
    bool is_provisional = false;
    int32_t count = 0;
    int32_t last = date_to_days(to);
    for (int32_t day = date_to_days(from) + 1; day <= last; day++) {
        bool is_day_provisional;
        count += calendar_is_working_day(c, date_from_days(day), &is_day_provisional);
        is_provisional |= is_day_provisional;
    }
    if (ret_provisional != NULL)
        *ret_provisional = is_provisional;
    return count;
}
