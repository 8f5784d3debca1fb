/* Table-driven reading of JSON objects (see shape.h). One reader for each kind; each checks, stores, and appends the
 * value to the canonical bytes. */
#include "catalog/shape.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <yyjson.h>

#include "node/base/arena.h"
#include "node/base/date.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

bool shape_is_full(const struct shape_walk *w)
{
    return w->problems->count == SHAPE_PROBLEMS_MAX;
}

void shape_problem(struct shape_walk *w, int code, const char *id, const char *key, const char *fmt, ...)
{
    if (shape_is_full(w))
        return;
    char text[sizeof((struct err *)NULL)->message];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    utf8_trim_partial(text);
    bool has_path = w->path[0] != '\0';
    bool has_key = key[0] != '\0';
    char *place = w->problems->places[w->problems->count];
    (void)snprintf(place, SHAPE_PLACE_SIZE, "%s%s%s", w->path, has_path && has_key ? "." : "", key);
    (void)err_set(&w->problems->list[w->problems->count++], code, id, "%s: %s%s%s", w->document, place,
                  has_path || has_key ? ": " : "", text);
}

size_t shape_enter(struct shape_walk *w, const char *key, size_t index)
{
    size_t mark = strlen(w->path);
    size_t left = sizeof w->path - mark;
    const char *dot = mark == 0 ? "" : ".";
    if (index == SIZE_MAX)
        (void)snprintf(w->path + mark, left, "%s%s", dot, key);
    else
        (void)snprintf(w->path + mark, left, "%s%s[%zu]", dot, key, index);
    return mark;
}

void shape_leave(struct shape_walk *w, size_t mark)
{
    w->path[mark] = '\0';
}

const char *shape_show(yyjson_val *value, char out[SHAPE_SHOWN_SIZE])
{
    if (yyjson_is_str(value)) {
        char text[SHAPE_SHOWN_SIZE - 4];
        size_t size = min_of(yyjson_get_len(value), sizeof text - 1);
        memcpy(text, yyjson_get_str(value), size);
        text[size] = '\0';
        for (size_t i = 0; i < size; i++)
            if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
                text[i] = '?';
        utf8_trim_partial(text);
        (void)snprintf(out, SHAPE_SHOWN_SIZE, "'%s'", text);
    } else if (yyjson_is_uint(value)) {
        (void)snprintf(out, SHAPE_SHOWN_SIZE, "%llu", (unsigned long long)yyjson_get_uint(value));
    } else if (yyjson_is_sint(value)) {
        (void)snprintf(out, SHAPE_SHOWN_SIZE, "%lld", (long long)yyjson_get_sint(value));
    } else if (yyjson_is_real(value)) {
        (void)snprintf(out, SHAPE_SHOWN_SIZE, "%.6g", yyjson_get_real(value));
    } else {
        (void)snprintf(out, SHAPE_SHOWN_SIZE, "%s", yyjson_get_type_desc(value));
    }
    return out;
}

/* A field under work. */
struct spot {
    struct shape_walk *w;
    const struct shape_field *field;
    yyjson_val *value;
    void *member;
    struct arena *arena;
    struct buf *canonical;
};

static void refuse(const struct spot *s, yyjson_val *value, int code, const char *id, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
static void refuse(const struct spot *s, yyjson_val *value, int code, const char *id, const char *fmt, ...)
{
    char rule[200];
    char shown[SHAPE_SHOWN_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(rule, sizeof rule, fmt, args);
    va_end(args);
    utf8_trim_partial(rule);
    shape_problem(s->w, code, id, s->field->key, "%s %s", shape_show(value, shown), rule);
}

static bool check_type(const struct spot *s, bool is_right, const char *expected)
{
    if (!is_right)
        refuse(s, s->value, ERR_INVALID, "catalog.field-type", "is not %s", expected);
    return is_right;
}

static bool check_count(const struct spot *s, size_t count, const char *unit)
{
    const struct shape_field *f = s->field;
    if (count >= f->min && count <= f->max)
        return true;
    shape_problem(s->w, count > f->max ? ERR_LIMIT : ERR_INVALID, "catalog.field-size", f->key,
                  "%zu %s, from %u to %u are allowed", count, unit, f->min, f->max);
    return false;
}

static void put_text(struct buf *b, const char *text, size_t size)
{
    buf_put_u8(b, '"');
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"' || text[i] == '\\' || text[i] == '\n')
            buf_put_u8(b, '\\');
        buf_put_u8(b, text[i] == '\n' ? 'n' : (uint8_t)text[i]);
    }
    buf_put_u8(b, '"');
}

static bool is_clean(const char *text, size_t size, bool lines)
{
    for (size_t i = 0; i < size; i++)
        if (((unsigned char)text[i] < ' ' && !(lines && text[i] == '\n')) || text[i] == 0x7f)
            return false;
    return text[0] != ' ' && text[0] != '\n' && text[size - 1] != ' ' && text[size - 1] != '\n';
}

static bool is_alphanumeric(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')))
            return false;
    }
    return true;
}

/* Checks @value as a text of @min..@max bytes; NULL after a problem. */
static const char *read_text(const struct spot *s, yyjson_val *value, uint32_t min, uint32_t max)
{
    if (!yyjson_is_str(value)) {
        refuse(s, value, ERR_INVALID, "catalog.field-type", "is not a text");
        return NULL;
    }
    const char *text = yyjson_get_str(value);
    size_t size = yyjson_get_len(value);
    if (size < min || size > max) {
        refuse(s, value, size > max ? ERR_LIMIT : ERR_INVALID, "catalog.field-size",
               "has %zu bytes, from %u to %u are allowed", size, min, max);
        return NULL;
    }
    if (s->field->kind == SHAPE_CODE && !is_alphanumeric(text, size)) {
        refuse(s, value, ERR_INVALID, "catalog.field-value", "has other characters than 0-9, A-Z, a-z");
        return NULL;
    }
    if (size > 0 && !is_clean(text, size, s->field->kind == SHAPE_LINES)) {
        refuse(s, value, ERR_INVALID, "catalog.field-value", "has a control character, or a blank at its start or end");
        return NULL;
    }
    put_text(s->canonical, text, size);
    return arena_strndup(s->arena, text, size);
}

static void read_integer(const struct spot *s)
{
    const struct shape_field *f = s->field;
    if (!check_type(s, yyjson_is_int(s->value), "a whole number"))
        return;
    uint64_t n = yyjson_get_uint(s->value); /* a negative one is huge here */
    if (yyjson_is_sint(s->value) || n < f->min || n > f->max) {
        refuse(s, s->value, ERR_INVALID, "catalog.field-value", "is not from %u to %u", f->min, f->max);
        return;
    }
    *(uint32_t *)s->member = (uint32_t)n;
    buf_printf(s->canonical, "%u", (unsigned)n);
}

static void read_bool(const struct spot *s)
{
    if (!check_type(s, yyjson_is_bool(s->value), "true or false"))
        return;
    *(bool *)s->member = yyjson_get_bool(s->value);
    buf_put_string(s->canonical, yyjson_get_bool(s->value) ? "true" : "false");
}

static void read_date(const struct spot *s)
{
    if (!check_type(s, yyjson_is_str(s->value), "a date like 2026-11-24"))
        return;
    const char *text = yyjson_get_str(s->value);
    size_t size = yyjson_get_len(s->value);
    if (date_parse(bytes_of(text, size), s->member) != 0) {
        refuse(s, s->value, ERR_INVALID, "catalog.field-value", "is not a date like 2026-11-24");
        return;
    }
    put_text(s->canonical, text, size);
}

/* Index of @value in the field's words; -1 after a problem. */
static int read_word(const struct spot *s, yyjson_val *value)
{
    const char *const *words = s->field->words;
    for (int i = 0; words[i] != NULL; i++)
        if (yyjson_equals_str(value, words[i]))
            return i;
    char list[160] = "";
    for (int i = 0; words[i] != NULL; i++) {
        size_t at = strlen(list);
        (void)snprintf(list + at, sizeof list - at, "%s%s", i == 0 ? "" : ", ", words[i]);
    }
    utf8_trim_partial(list);
    refuse(s, value, ERR_INVALID, yyjson_is_str(value) ? "catalog.field-value" : "catalog.field-type",
           "is not one of %s", list);
    return -1;
}

static void read_words(const struct spot *s)
{
    if (!check_type(s, yyjson_is_arr(s->value), "a list") || !check_count(s, yyjson_arr_size(s->value), "words"))
        return;
    uint32_t set = 0;
    size_t index, count;
    yyjson_val *value;
    yyjson_arr_foreach(s->value, index, count, value)
    {
        int word = read_word(s, value);
        if (word >= 0 && (set >> word & 1) != 0)
            refuse(s, value, ERR_INVALID, "catalog.field-value", "is there twice");
        if (word >= 0)
            set |= 1u << word;
    }
    *(uint32_t *)s->member = set;
    buf_put_u8(s->canonical, '[');
    bool is_first = true;
    for (int i = 0; s->field->words[i] != NULL; i++) {
        if ((set >> i & 1) == 0)
            continue;
        buf_put_string(s->canonical, is_first ? "" : ",");
        put_text(s->canonical, s->field->words[i], strlen(s->field->words[i]));
        is_first = false;
    }
    buf_put_u8(s->canonical, ']');
}

static void read_texts(const struct spot *s)
{
    if (!check_type(s, yyjson_is_arr(s->value), "a list") || !check_count(s, yyjson_arr_size(s->value), "texts"))
        return;
    size_t index, count = yyjson_arr_size(s->value);
    const char **texts = arena_alloc(s->arena, (count + 1) * sizeof *texts);
    yyjson_val *value;
    buf_put_u8(s->canonical, '[');
    yyjson_arr_foreach(s->value, index, count, value)
    {
        buf_put_string(s->canonical, index == 0 ? "" : ",");
        texts[index] = read_text(s, value, 1, s->field->inner_max);
    }
    buf_put_u8(s->canonical, ']');
    *(struct shape_texts *)s->member = (struct shape_texts){texts, count};
}

static void read_object(const struct spot *s)
{
    void *inner = arena_alloc(s->arena, s->field->inner->size);
    size_t mark = shape_enter(s->w, s->field->key, SIZE_MAX);
    shape_read(s->w, s->field->inner, s->value, inner, s->arena, s->canonical);
    shape_leave(s->w, mark);
    memcpy(s->member, &inner, sizeof inner);
}

static void read_objects(const struct spot *s)
{
    if (!check_type(s, yyjson_is_arr(s->value), "a list") || !check_count(s, yyjson_arr_size(s->value), "entries"))
        return;
    const struct shape *inner = s->field->inner;
    size_t index, count = yyjson_arr_size(s->value);
    char *array = arena_alloc(s->arena, (count + 1) * inner->size);
    yyjson_val *value;
    buf_put_u8(s->canonical, '[');
    yyjson_arr_foreach(s->value, index, count, value)
    {
        buf_put_string(s->canonical, index == 0 ? "" : ",");
        size_t mark = shape_enter(s->w, s->field->key, index);
        shape_read(s->w, inner, value, array + index * inner->size, s->arena, s->canonical);
        shape_leave(s->w, mark);
    }
    buf_put_u8(s->canonical, ']');
    struct shape_objects list = {array, count};
    memcpy(s->member, &list, sizeof list); /* the member's own struct has a typed pointer in the same place */
}

static void read_field(const struct spot *s)
{
    const struct shape_field *f = s->field;
    switch (f->kind) {
    case SHAPE_TEXT:
    case SHAPE_LINES:
    case SHAPE_CODE:
        *(const char **)s->member = read_text(s, s->value, f->min, f->max);
        return;
    case SHAPE_INTEGER:
        read_integer(s);
        return;
    case SHAPE_BOOL:
        read_bool(s);
        return;
    case SHAPE_DATE:
        read_date(s);
        return;
    case SHAPE_WORD: {
        int word = read_word(s, s->value);
        *(int *)s->member = word;
        if (word >= 0)
            put_text(s->canonical, f->words[word], strlen(f->words[word]));
        return;
    }
    case SHAPE_WORDS:
        read_words(s);
        return;
    case SHAPE_TEXTS:
        read_texts(s);
        return;
    case SHAPE_VALUE:
        *(yyjson_val **)s->member = s->value;
        return;
    case SHAPE_OBJECT:
        read_object(s);
        return;
    case SHAPE_OBJECTS:
        read_objects(s);
        return;
    }
    unreachable();
}

static void set_absent(const struct shape_field *f, void *member)
{
    if (f->kind == SHAPE_INTEGER)
        *(uint32_t *)member = SHAPE_ABSENT;
    else if (f->kind == SHAPE_WORD)
        *(int *)member = -1; /* the other kinds: zero, as the caller left it */
}

/* Index of the field with @key, or field_count. */
static size_t find_field(const struct shape *s, yyjson_val *key)
{
    size_t i = 0;
    while (i < s->field_count && !yyjson_equals_str(key, s->fields[i].key))
        i++;
    return i;
}

/* Sorts the values of @object by field into @values; refuses unknown and doubled keys. */
static void collect(struct shape_walk *w, const struct shape *s, yyjson_val *object, yyjson_val **values)
{
    yyjson_obj_iter iter;
    yyjson_obj_iter_init(object, &iter);
    for (yyjson_val *key = yyjson_obj_iter_next(&iter); key != NULL && !shape_is_full(w);
         key = yyjson_obj_iter_next(&iter)) {
        char shown[SHAPE_SHOWN_SIZE];
        size_t i = find_field(s, key);
        if (i == s->field_count)
            shape_problem(w, ERR_INVALID, "catalog.field-unknown", "", "field %s is not known", shape_show(key, shown));
        else if (values[i] != NULL)
            shape_problem(w, ERR_INVALID, "catalog.field-duplicate", "", "field %s is there twice",
                          shape_show(key, shown));
        else
            values[i] = yyjson_obj_iter_get_val(key);
    }
}

void shape_read(struct shape_walk *w, const struct shape *s, struct yyjson_val *value, void *out, struct arena *a,
                struct buf *canonical)
{
    yyjson_val *values[64] = {NULL};
    xassert(s->field_count <= array_count(values));
    if (!yyjson_is_obj(value)) {
        char shown[SHAPE_SHOWN_SIZE];
        shape_problem(w, ERR_INVALID, "catalog.field-type", "", "%s is not an object", shape_show(value, shown));
        return;
    }
    collect(w, s, value, values);

    bool is_first = true;
    buf_put_u8(canonical, '{');
    for (size_t i = 0; i < s->field_count && !shape_is_full(w); i++) {
        const struct shape_field *f = &s->fields[i];
        void *member = (char *)out + f->offset;
        set_absent(f, member);
        if (values[i] == NULL) {
            if (f->is_required)
                shape_problem(w, ERR_INVALID, "catalog.field-missing", "", "field '%s' is missing", f->key);
            continue;
        }
        if (f->kind != SHAPE_VALUE) {
            buf_printf(canonical, "%s\"%s\":", is_first ? "" : ",", f->key);
            is_first = false;
        }
        read_field(&(struct spot){w, f, values[i], member, a, canonical});
    }
    buf_put_u8(canonical, '}');
}

int shape_problems_to_err(const struct shape_problems *p, struct err *e)
{
    xassert(p->count > 0);
    const struct err *first = &p->list[0];
    if (p->count == 1)
        return err_set(e, first->code, first->id, "%s", first->message);
    return err_set(e, first->code, first->id, "%s (and %zu more%s)", first->message, p->count - 1,
                   p->count == SHAPE_PROBLEMS_MAX ? " at least" : "");
}
