/* Fields of single types of events (event_fields.h). Static table, any thread. */
#include "node/http/event_fields.h"

#include <string.h>

#include "node/base/clock.h"
#include "node/base/date.h"
#include "node/base/xassert.h"
#include "node/cases/event.h"
#include "node/http/names.h"

#define FIELD_TYPES_MAX 2

enum field_form {
    FORM_CARRIER,  /* who carries a parcel, in words */
    FORM_TRACKING, /* the carrier's number of it */
    FORM_MEANS,    /* how the applicant was told */
    FORM_DAY,      /* a day that has come */
    FORM_FEN       /* an amount of money */
};

static const struct event_field {
    const char *name;
    uint8_t form; /* enum field_form */
    bool is_needed;
    uint16_t types[FIELD_TYPES_MAX]; /* CASE_EVENT_NONE: no more */
} event_fields[] = {
    {"carrier", FORM_CARRIER, true, {CASE_EVENT_POST_MATERIALS, CASE_EVENT_POST_RESULT}},
    {"tracking", FORM_TRACKING, false, {CASE_EVENT_POST_MATERIALS, CASE_EVENT_POST_RESULT}},
    {"means", FORM_MEANS, true, {CASE_EVENT_NOTIFY}},
    {"told_on", FORM_DAY, false, {CASE_EVENT_NOTIFY}},
    {"amount_fen", FORM_FEN, true, {CASE_EVENT_CHARGE, CASE_EVENT_PAY}},
};

const char *event_fields_name(size_t at)
{
    return at < array_count(event_fields) ? event_fields[at].name : NULL;
}

static bool has_field(uint16_t type, const struct event_field *f)
{
    for (unsigned i = 0; i < FIELD_TYPES_MAX; i++)
        if (f->types[i] == type)
            return true;
    return false;
}

static int check_carrier(const struct json_object *o, const struct event_field *f, struct err *e)
{
    const char *text = NULL;
    int rc = json_get_string(o, f->name, f->is_needed, EVENT_CARRIER_BYTES_MAX, &text, e);
    bool is_blank = true;
    for (size_t i = 0; rc == 0 && text != NULL && text[i] != '\0'; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return err_set(e, ERR_INVALID, "case.carrier", "'%s' has the control character 0x%02x at offset %zu",
                           json_path(o, f->name), (unsigned char)text[i], i);
        is_blank = is_blank && text[i] == ' ';
    }
    if (rc == 0 && is_blank)
        rc = err_set(e, ERR_INVALID, "case.carrier", "'%s' is blank, it must say who carries the parcel",
                     json_path(o, f->name));
    return rc;
}

/* Not in the message: the number leads to an address. */
static int check_tracking(const struct json_object *o, const struct event_field *f, struct err *e)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
    const char *text = NULL;
    int rc = json_get_string(o, f->name, f->is_needed, EVENT_TRACKING_BYTES_MAX, &text, e);
    if (rc != 0 || text == NULL)
        return rc;
    size_t good = strspn(text, allowed);
    if (text[0] == '\0')
        return err_set(e, ERR_INVALID, "case.tracking", "'%s' is empty; leave it out where there is no number",
                       json_path(o, f->name));
    if (text[good] != '\0')
        return err_set(e, ERR_INVALID, "case.tracking",
                       "'%s' has byte 0x%02x at offset %zu; the number of a parcel is made of A-Z a-z 0-9 -",
                       json_path(o, f->name), (unsigned char)text[good], good);
    return 0;
}

/* 电话, 短信, 当面, 网上, 信函 */
static const struct names_row means[] = {{1, "phone"},  {2, "sms"},    {3, "window"},
                                         {4, "online"}, {5, "letter"}, {0, NULL}};

static int check_means(const struct json_object *o, const struct event_field *f, struct err *e)
{
    unsigned ignored;
    return names_get(o, f->name, f->is_needed, means, &ignored, NULL, e);
}

static int check_day(const struct json_object *o, const struct event_field *f, struct err *e)
{
    const char *text = NULL;
    char today_text[DATE_TEXT_SIZE];
    uint32_t day, today = clock_china_date(clock_wall_ms());
    int rc = json_get_string(o, f->name, f->is_needed, DATE_TEXT_SIZE - 1, &text, e);
    if (rc != 0 || text == NULL)
        return rc;
    if (date_parse(bytes_of_string(text), &day) != 0)
        return err_set(e, ERR_INVALID, "case.told-on", "'%s' is '%s', it must be a day as 2026-11-28",
                       json_path(o, f->name), text);
    date_format(today, today_text);
    if (day > today)
        return err_set(e, ERR_INVALID, "case.told-on", "'%s' is %s, today is %s", json_path(o, f->name), text,
                       today_text);
    return 0;
}

static int check_fen(const struct json_object *o, const struct event_field *f, struct err *e)
{
    uint64_t ignored;
    return json_get_u64(o, f->name, f->is_needed, 1, EVENT_FEN_MAX, &ignored, e);
}

static int check_form(const struct json_object *o, const struct event_field *f, struct err *e)
{
    switch ((enum field_form)f->form) {
    case FORM_CARRIER:
        return check_carrier(o, f, e);
    case FORM_TRACKING:
        return check_tracking(o, f, e);
    case FORM_MEANS:
        return check_means(o, f, e);
    case FORM_DAY:
        return check_day(o, f, e);
    case FORM_FEN:
        return check_fen(o, f, e);
    }
    return 0;
}

int event_fields_check(const struct json_object *o, uint16_t type, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < array_count(event_fields); i++) {
        const struct event_field *f = &event_fields[i];
        if (has_field(type, f))
            rc = check_form(o, f, e);
        else if (yyjson_obj_get(o->value, f->name) != NULL)
            rc = err_set(e, ERR_INVALID, "case.field-type", "'%s' is no field of %s (%s)", json_path(o, f->name),
                         case_event_name(type), case_event_chinese(type));
    }
    return rc;
}
