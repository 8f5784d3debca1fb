/* Case events by value (event.h): the tables of types and roles, and the attributes of a leaf read into an event and
 * written back. The attribute table below drives both directions, so that one is the inverse of the other: each row
 * names the tag, its form, and where the value lives in struct case_event. Pure, owns nothing, any thread.
 */
#include "node/cases/event.h"

#include <string.h>

#include "node/base/xassert.h"

const char *case_event_name(uint16_t type)
{
    switch (type) {
#define X(name, value, text, chinese)                                                                                  \
    case name:                                                                                                         \
        return text;
        CASE_EVENT_TYPES(X)
#undef X
    default:
        return NULL;
    }
}

const char *case_event_chinese(uint16_t type)
{
    switch (type) {
#define X(name, value, text, chinese)                                                                                  \
    case name:                                                                                                         \
        return chinese;
        CASE_EVENT_TYPES(X)
#undef X
    default:
        return NULL;
    }
}

uint16_t case_event_from_name(const char *wanted)
{
#define X(name, value, text, chinese)                                                                                  \
    if (strcmp(wanted, text) == 0)                                                                                     \
        return name;
    CASE_EVENT_TYPES(X)
#undef X
    return CASE_EVENT_NONE;
}

const char *case_role_name(uint16_t role)
{
    switch (role) {
#define X(name, value, text, chinese)                                                                                  \
    case name:                                                                                                         \
        return text;
        CASE_ROLES(X)
#undef X
    default:
        return NULL;
    }
}

const char *case_role_chinese(uint16_t role)
{
    switch (role) {
#define X(name, value, text, chinese)                                                                                  \
    case name:                                                                                                         \
        return chinese;
        CASE_ROLES(X)
#undef X
    default:
        return NULL;
    }
}

uint16_t case_role_from_name(const char *wanted)
{
#define X(name, value, text, chinese)                                                                                  \
    if (strcmp(wanted, text) == 0)                                                                                     \
        return name;
    CASE_ROLES(X)
#undef X
    return CASE_ROLE_NONE;
}

const char *case_pause_name(uint8_t kind)
{
    switch (kind) {
#define X(value, text, chinese)                                                                                        \
    case value:                                                                                                        \
        return text;
        CASE_PAUSE_KINDS(X)
#undef X
    default:
        return NULL;
    }
}

const char *case_pause_chinese(uint8_t kind)
{
    switch (kind) {
#define X(value, text, chinese)                                                                                        \
    case value:                                                                                                        \
        return chinese;
        CASE_PAUSE_KINDS(X)
#undef X
    default:
        return NULL;
    }
}

uint8_t case_pause_from_name(const char *wanted)
{
#define X(value, text, chinese)                                                                                        \
    if (strcmp(wanted, text) == 0)                                                                                     \
        return value;
    CASE_PAUSE_KINDS(X)
#undef X
    return 0;
}

static const char *const limit_names[][2] = {
#define X(name, text, chinese) {text, chinese},
    CASE_LIMITS(X)
#undef X
};

const char *case_limit_name(unsigned kind)
{
    return kind < array_count(limit_names) ? limit_names[kind][0] : NULL;
}

const char *case_limit_chinese(unsigned kind)
{
    return kind < array_count(limit_names) ? limit_names[kind][1] : NULL;
}

struct case_limit case_limit_get(const uint8_t limits[CASE_LIMITS_SIZE], enum case_limit_kind kind)
{
    const uint8_t *at = limits + 3 * (size_t)kind;
    struct case_limit limit = {.unit = at[0], .days = (uint16_t)(at[1] << 8 | at[2])};
    if (limit.unit != CASE_UNIT_WORKING && limit.unit != CASE_UNIT_NATURAL)
        return (struct case_limit){0};
    return limit;
}

void case_limit_put(uint8_t limits[CASE_LIMITS_SIZE], enum case_limit_kind kind, struct case_limit limit)
{
    uint8_t *at = limits + 3 * (size_t)kind;
    at[0] = limit.unit;
    put_be16(at + 1, limit.days);
}

enum form {
    FORM_U8,    /* min..max */
    FORM_U16,   /* min..max */
    FORM_U32,   /* min..max */
    FORM_U64,   /* any; presence flag */
    FORM_BYTES, /* exactly `max` bytes; presence flag */
    FORM_CODE,  /* [a-z0-9_.-], 1..max bytes */
    FORM_TEXT   /* printable ASCII without space, 1..max bytes */
};

/* Integers and texts are present when they are not 0 or empty; the others have a flag at `flag`. */
struct attr_row {
    uint16_t tag;
    uint8_t form; /* enum form */
    uint32_t min;
    uint32_t max;
    size_t at;
    size_t flag;
};

#define AT(field) offsetof(struct case_event, field)
#define TEXT_MAX(field) (sizeof(((struct case_event *)0)->field) - 1)

/* In the order of tags: encoding relies on it. */
static const struct attr_row attr_rows[] = {
    {CASE_ATTR_LEAD, FORM_U32, 1, UINT32_MAX, AT(lead), 0},
    {CASE_ATTR_ITEM_CODE, FORM_TEXT, 1, TEXT_MAX(item_code), AT(item_code), 0},
    {CASE_ATTR_ITEM_VERSION, FORM_U32, 1, UINT32_MAX, AT(item_version), 0},
    {CASE_ATTR_MODE, FORM_U8, CASE_MODE_ONLINE, CASE_MODE_JOINT, AT(mode), 0},
    {CASE_ATTR_DIVISION, FORM_U32, 1, UINT32_MAX, AT(division), 0},
    {CASE_ATTR_DECISION, FORM_U8, CASE_DECISION_GRANT, CASE_DECISION_DENY, AT(decision), 0},
    {CASE_ATTR_NUMBER, FORM_TEXT, 1, TEXT_MAX(number), AT(number), 0},
    {CASE_ATTR_REASON, FORM_CODE, 1, TEXT_MAX(reason), AT(reason), 0},
    {CASE_ATTR_REQUEST, FORM_BYTES, 16, 16, AT(request), AT(has_request)},
    {CASE_ATTR_LAST_LEAF, FORM_U64, 0, 0, AT(last_leaf), AT(has_last_leaf)},
    {CASE_ATTR_GRADE, FORM_U8, 1, 5, AT(grade), 0},
    {CASE_ATTR_PAUSE_KIND, FORM_U8, 1, UINT8_MAX, AT(pause_kind), 0},
    {CASE_ATTR_EXPECTED_DAYS, FORM_U16, 1, UINT16_MAX, AT(expected_days), 0},
    {CASE_ATTR_CHANNEL, FORM_U8, CASE_CHANNEL_WINDOW, CASE_CHANNEL_ELECTRONIC, AT(channel), 0},
    {CASE_ATTR_OFFICIAL, FORM_BYTES, CASE_OFFICIAL_SIZE, CASE_OFFICIAL_SIZE, AT(official), AT(has_official)},
    {CASE_ATTR_FILE, FORM_BYTES, CASE_FILE_ID_SIZE, CASE_FILE_ID_SIZE, AT(file), AT(has_file)},
    {CASE_ATTR_LIMITS, FORM_BYTES, CASE_LIMITS_SIZE, CASE_LIMITS_SIZE, AT(limits), AT(has_limits)},
    {CASE_ATTR_EXTEND_DAYS, FORM_U16, 1, UINT16_MAX, AT(extend_days), 0},
    {CASE_ATTR_LACKING_DAYS, FORM_U16, 1, UINT16_MAX, AT(lacking_days), 0},
    {CASE_ATTR_PROMISE, FORM_U8, 1, 1, AT(promise), 0},
    {CASE_ATTR_TOLD, FORM_U8, 1, UINT8_MAX, AT(told), 0},
    {CASE_ATTR_SIDE, FORM_U8, CASE_SIDE_RECEIVING, CASE_SIDE_DECIDING, AT(side), 0},
    {CASE_ATTR_REVIEW, FORM_U8, CASE_REVIEW_PASS, CASE_REVIEW_RETURN, AT(review), 0},
    {CASE_ATTR_PARENT, FORM_BYTES, CASE_ID_SIZE, CASE_ID_SIZE, AT(parent), AT(has_parent)},
    {CASE_ATTR_PART, FORM_BYTES, CASE_ID_SIZE, CASE_ID_SIZE, AT(part), AT(has_part)},
    {CASE_ATTR_DEMANDS, FORM_U8, 1, UINT8_MAX, AT(demands), 0},
    {CASE_ATTR_TERMS, FORM_U8, 1, UINT8_MAX, AT(terms), 0},
    {CASE_ATTR_UNIT, FORM_U8, CASE_UNIT_WORKING, CASE_UNIT_NATURAL, AT(unit), 0},
};
_Static_assert(array_count(attr_rows) == CASE_EVENT_ATTRS_MAX, "one row per attribute");

const char *case_attr_name(uint16_t tag)
{
    switch (tag) {
#define X(name, value, text)                                                                                           \
    case name:                                                                                                         \
        return text;
        CASE_ATTRS(X)
#undef X
    default:
        return "?";
    }
}

static size_t integer_size(const struct attr_row *row)
{
    switch (row->form) {
    case FORM_U8:
        return 1;
    case FORM_U16:
        return 2;
    case FORM_U32:
        return 4;
    case FORM_U64:
        return 8;
    default:
        return 0;
    }
}

static int parse_integer(const struct attr_row *row, struct bytes value, struct case_event *ret, struct err *e)
{
    size_t size = integer_size(row);
    if (value.size != size)
        return err_set(e, ERR_INVALID, "case.attribute_size", "attribute %s has %zu bytes, it has %zu",
                       case_attr_name(row->tag), value.size, size);

    uint64_t v = 0;
    for (size_t i = 0; i < size; i++)
        v = v << 8 | value.data[i];
    if (row->form != FORM_U64 && (v < row->min || v > row->max))
        return err_set(e, ERR_INVALID, "case.attribute_range", "attribute %s is %llu, allowed are %u..%u",
                       case_attr_name(row->tag), (unsigned long long)v, row->min, row->max);

    char *at = (char *)ret + row->at;
    switch (row->form) {
    case FORM_U8:
        *at = (char)(uint8_t)v;
        break;
    case FORM_U16:
        memcpy(at, &(uint16_t){(uint16_t)v}, 2);
        break;
    case FORM_U32:
        memcpy(at, &(uint32_t){(uint32_t)v}, 4);
        break;
    default:
        memcpy(at, &v, 8);
        *(bool *)((char *)ret + row->flag) = true;
    }
    return 0;
}

static bool is_allowed_char(uint8_t form, uint8_t ch)
{
    if (form == FORM_TEXT)
        return ch > 0x20 && ch < 0x7f;
    return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_' || ch == '.' || ch == '-';
}

static int parse_bytes(const struct attr_row *row, struct bytes value, struct case_event *ret, struct err *e)
{
    if (value.size < row->min || value.size > row->max)
        return err_set(e, ERR_INVALID, "case.attribute_size", "attribute %s has %zu bytes, allowed are %u..%u",
                       case_attr_name(row->tag), value.size, row->min, row->max);

    char *at = (char *)ret + row->at;
    if (row->form == FORM_BYTES) {
        memcpy(at, value.data, value.size);
        *(bool *)((char *)ret + row->flag) = true;
        return 0;
    }
    for (size_t i = 0; i < value.size; i++)
        if (!is_allowed_char(row->form, value.data[i]))
            return err_set(e, ERR_INVALID, "case.attribute_text",
                           "attribute %s has byte 0x%02x at offset %zu, allowed is %s", case_attr_name(row->tag),
                           value.data[i], i, row->form == FORM_CODE ? "[a-z0-9_.-]" : "printable ASCII without space");
    memcpy(at, value.data, value.size);
    at[value.size] = '\0';
    return 0;
}

/* Bytes that a row's value takes in struct case_event, a text's ending 0 included. */
static size_t room_of(const struct attr_row *row)
{
    size_t size = integer_size(row);
    return size > 0 ? size : row->form == FORM_BYTES ? row->max : row->max + 1;
}

static void clear_attrs(struct case_event *event)
{
    for (size_t i = 0; i < array_count(attr_rows); i++) {
        memset((char *)event + attr_rows[i].at, 0, room_of(&attr_rows[i]));
        if (attr_rows[i].flag != 0)
            *(bool *)((char *)event + attr_rows[i].flag) = false;
    }
    event->malformed = false;
}

static const struct attr_row *find_row(uint16_t tag)
{
    for (size_t i = 0; i < array_count(attr_rows); i++)
        if (attr_rows[i].tag == tag)
            return &attr_rows[i];
    return NULL;
}

int case_event_parse_attrs(const struct case_attr *attrs, size_t count, struct case_event *ret, struct err *e)
{
    int r = 0;
    clear_attrs(ret);
    for (size_t i = 0; i < count && r == 0; i++) {
        if (i > 0 && attrs[i].tag <= attrs[i - 1].tag) {
            r = err_set(e, ERR_INVALID, "case.attribute_order", "attribute tag %u follows tag %u, tags must increase",
                        attrs[i].tag, attrs[i - 1].tag);
            break;
        }
        const struct attr_row *row = find_row(attrs[i].tag);
        if (row == NULL)
            continue;
        if (integer_size(row) > 0)
            r = parse_integer(row, attrs[i].value, ret, e);
        else
            r = parse_bytes(row, attrs[i].value, ret, e);
    }
    if (r < 0) {
        clear_attrs(ret); /* half an event would be folded differently by a reader that stops elsewhere */
        ret->malformed = true;
    }
    return r;
}

/* Returns whether the attribute is present; its value is appended to @out. */
static bool encode_one(const struct attr_row *row, const struct case_event *event, struct buf *out)
{
    const char *at = (const char *)event + row->at;
    uint32_t v32;
    uint16_t v16;
    uint64_t v64;
    switch (row->form) {
    case FORM_U8:
        if (*at == 0)
            return false;
        buf_put_u8(out, (uint8_t)*at);
        return true;
    case FORM_U16:
        memcpy(&v16, at, sizeof v16);
        if (v16 == 0)
            return false;
        buf_put_u16(out, v16);
        return true;
    case FORM_U32:
        memcpy(&v32, at, sizeof v32);
        if (v32 == 0)
            return false;
        buf_put_u32(out, v32);
        return true;
    case FORM_U64:
        if (!*(const bool *)((const char *)event + row->flag))
            return false;
        memcpy(&v64, at, sizeof v64);
        buf_put_u64(out, v64);
        return true;
    case FORM_BYTES:
        if (!*(const bool *)((const char *)event + row->flag))
            return false;
        buf_put(out, at, row->max);
        return true;
    default:
        if (*at == '\0')
            return false;
        buf_put(out, at, strnlen(at, row->max));
        return true;
    }
}

void case_event_encode_attrs(const struct case_event *event, struct buf *storage, struct case_attr *ret, unsigned max,
                             unsigned *ret_count)
{
    xassert(max >= CASE_EVENT_ATTRS_MAX);
    unsigned count = 0;
    size_t starts[CASE_EVENT_ATTRS_MAX];
    buf_reset(storage);
    for (size_t i = 0; i < array_count(attr_rows); i++) {
        size_t start = storage->size;
        if (!encode_one(&attr_rows[i], event, storage))
            continue;
        starts[count] = start;
        ret[count++] = (struct case_attr){.tag = attr_rows[i].tag, .value = {.size = storage->size - start}};
    }
    xassert(!storage->failed); /* about 300 bytes at most */
    for (unsigned i = 0; i < count; i++)
        ret[i].value.data = storage->data + starts[i]; /* only now: the buffer moves while it grows */
    *ret_count = count;
}
