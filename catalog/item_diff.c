/* Differences of items (see item_diff.h): one walk through both, as deep as the tables of item_shape.c nest. */
#include "catalog/item_diff.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "node/base/arena.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

#define CONTEXT_BYTES 40u /* shown before the first byte that differs, when a value is too long */

struct diff {
    struct arena *arena;
    struct item_differences *ret;
    size_t max;
    struct buf path; /* of the values being compared */
};

/* ---- showing values ---- */

static void put_value(struct buf *b, yyjson_val *value)
{
    size_t size = yyjson_get_len(value);
    char *json = value == NULL || yyjson_is_str(value) ? NULL : yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &size);
    buf_put_string(b, json != NULL ? json : value != NULL ? yyjson_get_str(value) : "");
    free(json);
}

/* The start of the character that holds byte @at. */
static size_t rune_start(struct bytes text, size_t at)
{
    while (at > 0 && at < text.size && (text.data[at] & 0xc0) == 0x80)
        at--;
    return at;
}

static const char *cut(struct diff *d, struct bytes text, size_t start, bool *is_cut)
{
    size_t end = min_of(text.size, start + IMPORT_DIFFERENCE_BYTES_MAX);
    if (end < text.size)
        end = rune_start(text, end);
    *is_cut = *is_cut || start > 0 || end < text.size;
    return arena_printf(d->arena, "%s%.*s%s", start > 0 ? "…" : "", (int)(end - start), text.data + start,
                        end < text.size ? "…" : "");
}

/* NULL: nothing is there. */
static void add_texts(struct diff *d, struct buf *before, struct buf *after)
{
    struct item_differences *r = d->ret;
    if (r->total++ >= d->max)
        return;
    struct bytes x = before == NULL ? (struct bytes){0} : bytes_of_string(buf_cstr(before));
    struct bytes y = after == NULL ? (struct bytes){0} : bytes_of_string(buf_cstr(after));
    size_t same = 0, start = 0;
    while (same < x.size && same < y.size && x.data[same] == y.data[same])
        same++;
    if (max_of(x.size, y.size) > IMPORT_DIFFERENCE_BYTES_MAX && same > CONTEXT_BYTES)
        start = rune_start(x, same - CONTEXT_BYTES);
    struct item_difference *one = &r->at[r->count++];
    one->path = arena_strdup(d->arena, buf_cstr(&d->path));
    if (before != NULL)
        one->before = cut(d, x, start, &one->is_cut);
    if (after != NULL)
        one->after = cut(d, y, start, &one->is_cut);
}

static void add(struct diff *d, yyjson_val *before, yyjson_val *after)
{
    struct buf x = {0}, y = {0};
    put_value(&x, before);
    put_value(&y, after);
    add_texts(d, before == NULL ? NULL : &x, after == NULL ? NULL : &y);
    buf_close(&x);
    buf_close(&y);
}

/* ---- the walk ---- */

static void compare(struct diff *d, yyjson_val *before, yyjson_val *after);

static void compare_field(struct diff *d, yyjson_val *key, yyjson_val *before, yyjson_val *after)
{
    size_t mark = d->path.size;
    if (mark == 0 && yyjson_equals_str(key, "version"))
        return;
    buf_printf(&d->path, "%s%s", mark == 0 ? "" : ".", yyjson_get_str(key));
    compare(d, before, after);
    d->path.size = mark;
}

static void compare_objects(struct diff *d, yyjson_val *before, yyjson_val *after)
{
    yyjson_val *key, *value;
    size_t index, max;
    yyjson_obj_foreach(before, index, max, key, value)
    {
        compare_field(d, key, value, yyjson_obj_get(after, yyjson_get_str(key)));
    }
    yyjson_obj_foreach(after, index, max, key, value)
    {
        if (yyjson_obj_get(before, yyjson_get_str(key)) == NULL)
            compare_field(d, key, NULL, value);
    }
}

static void compare_entry(struct diff *d, size_t index, yyjson_val *before, yyjson_val *after)
{
    size_t mark = d->path.size;
    buf_printf(&d->path, "[%zu]", index);
    compare(d, before, after);
    d->path.size = mark;
}

static void compare_by_place(struct diff *d, yyjson_val *before, yyjson_val *after)
{
    size_t x = yyjson_arr_size(before), y = yyjson_arr_size(after), head = 0;
    while (head < x && head < y && yyjson_equals(yyjson_arr_get(before, head), yyjson_arr_get(after, head)))
        head++;
    while (x > head && y > head && yyjson_equals(yyjson_arr_get(before, x - 1), yyjson_arr_get(after, y - 1)))
        x--, y--;
    for (size_t i = head; i < max_of(x, y); i++)
        compare_entry(d, i, i < x ? yyjson_arr_get(before, i) : NULL, i < y ? yyjson_arr_get(after, i) : NULL);
}

static const char *code_of(yyjson_val *material)
{
    return yyjson_get_str(yyjson_obj_get(material, "code"));
}

static yyjson_val *find_material(yyjson_val *list, const char *code)
{
    yyjson_val *value;
    size_t index, max;
    yyjson_arr_foreach(list, index, max, value)
    {
        if (strcmp(code_of(value), code) == 0)
            return value;
    }
    return NULL;
}

static void compare_material(struct diff *d, const char *code, yyjson_val *before, yyjson_val *after)
{
    size_t mark = d->path.size;
    buf_printf(&d->path, "[%s]", code);
    compare(d, before, after);
    d->path.size = mark;
}

/* The codes that both lists have, in the order of @list. */
static void put_common(struct buf *b, yyjson_val *list, yyjson_val *other)
{
    yyjson_val *value;
    size_t index, max;
    yyjson_arr_foreach(list, index, max, value)
    {
        if (find_material(other, code_of(value)) != NULL)
            buf_printf(b, "%s%s", b->size == 0 ? "" : ", ", code_of(value));
    }
}

static void compare_order(struct diff *d, yyjson_val *before, yyjson_val *after)
{
    struct buf x = {0}, y = {0};
    put_common(&x, before, after);
    put_common(&y, after, before);
    if (!bytes_equal(buf_bytes(&x), buf_bytes(&y)))
        add_texts(d, &x, &y);
    buf_close(&x);
    buf_close(&y);
}

static void compare_materials(struct diff *d, yyjson_val *before, yyjson_val *after)
{
    yyjson_val *value;
    size_t index, max;
    yyjson_arr_foreach(before, index, max, value)
    {
        compare_material(d, code_of(value), value, find_material(after, code_of(value)));
    }
    yyjson_arr_foreach(after, index, max, value)
    {
        if (find_material(before, code_of(value)) == NULL)
            compare_material(d, code_of(value), NULL, value);
    }
    compare_order(d, before, after);
}

static void compare(struct diff *d, yyjson_val *before, yyjson_val *after)
{
    bool has_both = before != NULL && after != NULL;
    if (has_both && yyjson_equals(before, after))
        return;
    if (has_both && yyjson_is_obj(before) && yyjson_is_obj(after))
        compare_objects(d, before, after);
    else if (has_both && yyjson_is_arr(before) && yyjson_is_arr(after) && strcmp(buf_cstr(&d->path), "materials") == 0)
        compare_materials(d, before, after);
    else if (has_both && yyjson_is_arr(before) && yyjson_is_arr(after))
        compare_by_place(d, before, after);
    else
        add(d, before, after);
}

void item_diff(struct bytes before, struct bytes after, size_t max, struct arena *a, struct item_differences *ret)
{
    yyjson_doc *x = yyjson_read((const char *)before.data, before.size, YYJSON_READ_NOFLAG);
    yyjson_doc *y = yyjson_read((const char *)after.data, after.size, YYJSON_READ_NOFLAG);
    xassert(x != NULL && y != NULL); /* they were read as items before */
    *ret = (struct item_differences){.at = arena_alloc(a, (max + 1) * sizeof *ret->at)};
    struct diff d = {.arena = a, .ret = ret, .max = max};
    compare(&d, yyjson_doc_get_root(x), yyjson_doc_get_root(y));
    buf_close(&d.path);
    yyjson_doc_free(x);
    yyjson_doc_free(y);
}
