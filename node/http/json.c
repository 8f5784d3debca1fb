/* JSON at the edge (see json.h): yyjson with an arena behind it.
 *
 * Happy path: json_parse() lets yyjson build its tree in the arena, then one iterative walk checks depth, keys and
 * strings. Nothing here recurses: the walk keeps its own stack of JSON_DEPTH_MAX frames. Duplicate keys of a large
 * object are found by sorting, so that a body of 100,000 keys costs n log n and not n squared.
 */
#include "node/http/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/clock.h"
#include "node/base/limits.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

#define FEW_KEYS 12 /* up to here comparing all pairs is cheaper than sorting */

/* ---- yyjson's memory is the arena ---- */

static void *arena_malloc_cb(void *ctx, size_t size)
{
    return arena_alloc_raw(ctx, size); /* as malloc() */
}

static void *arena_realloc_cb(void *ctx, void *old, size_t old_size, size_t size)
{
    if (size <= old_size)
        return old;
    void *p = arena_alloc_raw(ctx, size);
    memcpy(p, old, old_size);
    return p;
}

static void arena_free_cb(void *ctx, void *p)
{
    /* freed with the arena */
    (void)ctx;
    (void)p;
}

static yyjson_alc allocator_of(struct arena *mem)
{
    return (yyjson_alc){.malloc = arena_malloc_cb, .realloc = arena_realloc_cb, .free = arena_free_cb, .ctx = mem};
}

/* ---- the walk over a parsed document ---- */

struct frame {
    bool is_object;
    yyjson_obj_iter object;
    yyjson_arr_iter array;
    yyjson_val *key; /* current key of an object */
};

struct walk {
    struct frame stack[JSON_DEPTH_MAX];
    size_t depth;
};

/* "applicant.name[3]" of where the walk stands, cut when it is very long. */
static void walk_path(const struct walk *w, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < w->depth && at < size; i++) {
        const struct frame *f = &w->stack[i];
        int n = f->is_object ? snprintf(out + at, size - at, "%s%.64s", at > 0 ? "." : "",
                                        f->key != NULL ? yyjson_get_str(f->key) : "")
                             : snprintf(out + at, size - at, "[%zu]", f->array.idx > 0 ? f->array.idx - 1 : 0);
        at += n > 0 ? (size_t)n : 0;
    }
    utf8_trim_partial(out);
}

static int compare_keys(const void *a, const void *b)
{
    yyjson_val *const *x = a, *const *y = b;
    return bytes_compare(bytes_of(yyjson_get_str(*x), yyjson_get_len(*x)),
                         bytes_of(yyjson_get_str(*y), yyjson_get_len(*y)));
}

/* The keys of @object in byte order; NULL when it has none. */
static yyjson_val **sorted_keys(struct arena *mem, yyjson_val *object, size_t *ret_count)
{
    *ret_count = yyjson_obj_size(object);
    if (*ret_count == 0)
        return NULL;
    yyjson_val **keys = arena_alloc(mem, *ret_count * sizeof *keys);
    yyjson_obj_iter it = yyjson_obj_iter_with(object);
    for (size_t i = 0; i < *ret_count; i++)
        keys[i] = yyjson_obj_iter_next(&it);
    qsort(keys, *ret_count, sizeof *keys, compare_keys);
    return keys;
}

/* The first key that stands twice, or NULL. */
static yyjson_val *find_duplicate(struct arena *mem, yyjson_val *object)
{
    size_t count = yyjson_obj_size(object);
    if (count <= FEW_KEYS) {
        yyjson_val *seen[FEW_KEYS];
        yyjson_obj_iter it = yyjson_obj_iter_with(object);
        for (size_t i = 0; i < count; i++) {
            seen[i] = yyjson_obj_iter_next(&it);
            for (size_t j = 0; j < i; j++)
                if (compare_keys(&seen[j], &seen[i]) == 0)
                    return seen[i];
        }
        return NULL;
    }
    yyjson_val **keys = sorted_keys(mem, object, &count);
    for (size_t i = 1; i < count; i++)
        if (compare_keys(&keys[i - 1], &keys[i]) == 0)
            return keys[i];
    return NULL;
}

static int check_text(const struct walk *w, yyjson_val *v, struct err *e)
{
    if (memchr(yyjson_get_str(v), '\0', yyjson_get_len(v)) == NULL)
        return 0;
    char path[160];
    walk_path(w, path, sizeof path);
    return err_set(e, ERR_INVALID, "json.nul", "a text at '%s' holds the character U+0000", path);
}

/* Enters a container: depth and duplicate keys. */
static int walk_enter(struct walk *w, struct arena *mem, yyjson_val *v, struct err *e)
{
    char path[160];
    if (w->depth == JSON_DEPTH_MAX) {
        walk_path(w, path, sizeof path);
        return err_set(e, ERR_INVALID, "json.depth", "JSON is nested deeper than the limit of %u at '%s'",
                       JSON_DEPTH_MAX, path);
    }
    struct frame *f = &w->stack[w->depth];
    *f = (struct frame){.is_object = yyjson_is_obj(v)};
    if (!f->is_object) {
        f->array = yyjson_arr_iter_with(v);
        w->depth++;
        return 0;
    }
    f->object = yyjson_obj_iter_with(v);
    f->key = find_duplicate(mem, v);
    w->depth++;
    if (f->key == NULL)
        return 0;
    walk_path(w, path, sizeof path);
    return err_set(e, ERR_INVALID, "json.duplicate-key", "the field '%s' stands twice", path);
}

/* The next value of the top container, or NULL at its end. */
static yyjson_val *walk_next(struct walk *w)
{
    struct frame *f = &w->stack[w->depth - 1];
    if (!f->is_object)
        return yyjson_arr_iter_next(&f->array);
    f->key = yyjson_obj_iter_next(&f->object);
    return f->key == NULL ? NULL : yyjson_obj_iter_get_val(f->key);
}

static int check_tree(struct arena *mem, yyjson_val *root, struct err *e)
{
    struct walk w = {.depth = 0};
    if (yyjson_is_str(root))
        return check_text(&w, root, e);
    if (!yyjson_is_ctn(root))
        return 0;

    int rc = walk_enter(&w, mem, root, e);
    while (rc == 0 && w.depth > 0) {
        yyjson_val *v = walk_next(&w);
        if (v == NULL) {
            w.depth--;
            continue;
        }
        yyjson_val *key = w.stack[w.depth - 1].key;
        if (key != NULL)
            rc = check_text(&w, key, e);
        if (rc == 0 && yyjson_is_str(v))
            rc = check_text(&w, v, e);
        else if (rc == 0 && yyjson_is_ctn(v))
            rc = walk_enter(&w, mem, v, e);
    }
    return rc;
}

int json_parse(struct arena *mem, struct bytes text, yyjson_val **ret_root, struct err *e)
{
    if (text.size == 0)
        return err_set(e, ERR_INVALID, "json.syntax", "the body is empty; a JSON document is expected");

    yyjson_alc alc = allocator_of(mem);
    yyjson_read_err fault;
    /* yyjson does not write to its input without YYJSON_READ_INSITU; the cast is its API. */
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.data, text.size, YYJSON_READ_NOFLAG, &alc, &fault);
    if (doc == NULL)
        return err_set(e, ERR_INVALID, "json.syntax", "not valid JSON at byte %zu: %s", fault.pos, fault.msg);

    yyjson_val *root = yyjson_doc_get_root(doc);
    int rc = check_tree(mem, root, e);
    if (rc == 0)
        *ret_root = root;
    return rc;
}

/* ---- typed getters ---- */

static const char *kind_of(yyjson_val *v)
{
    return yyjson_get_type_desc(v);
}

const char *json_path(const struct json_object *o, const char *name)
{
    return o->path[0] == '\0' ? name : arena_printf(o->mem, "%s.%s", o->path, name);
}

const char *json_path_index(const struct json_object *o, const char *name, size_t index)
{
    return arena_printf(o->mem, "%s[%zu]", json_path(o, name), index);
}

int json_as_object(struct arena *mem, yyjson_val *value, const char *path, struct json_object *ret, struct err *e)
{
    if (!yyjson_is_obj(value))
        return err_set(e, ERR_INVALID, "json.type", "%s%s%s must be an object, not %s", path[0] ? "'" : "",
                       path[0] ? path : "the body", path[0] ? "'" : "", kind_of(value));
    *ret = (struct json_object){.value = value, .path = path, .mem = mem};
    return 0;
}

int json_check_fields(const struct json_object *o, const char *const *names, size_t count, struct err *e)
{
    yyjson_obj_iter it = yyjson_obj_iter_with(o->value);
    for (yyjson_val *key = yyjson_obj_iter_next(&it); key != NULL; key = yyjson_obj_iter_next(&it)) {
        bool known = false;
        for (size_t i = 0; i < count && !known; i++)
            known = yyjson_equals_str(key, names[i]);
        if (!known) {
            char name[65];
            (void)snprintf(name, sizeof name, "%s", yyjson_get_str(key));
            utf8_trim_partial(name);
            return err_set(e, ERR_INVALID, "json.unknown-field", "unknown field '%s'", json_path(o, name));
        }
    }
    return 0;
}

/* The value of @name, NULL when absent or null (an error when @required). */
static int get_value(const struct json_object *o, const char *name, bool required, yyjson_val **ret, struct err *e)
{
    yyjson_val *v = yyjson_obj_get(o->value, name);
    *ret = yyjson_is_null(v) ? NULL : v;
    if (*ret == NULL && required)
        return err_set(e, ERR_INVALID, "json.missing", "the field '%s' is missing", json_path(o, name));
    return 0;
}

static int wrong_type(const struct json_object *o, const char *name, const char *expected, yyjson_val *v, struct err *e)
{
    return err_set(e, ERR_INVALID, "json.type", "'%s' must be %s, not %s", json_path(o, name), expected, kind_of(v));
}

int json_get_string(const struct json_object *o, const char *name, bool required, size_t size_max, const char **ret,
                    struct err *e)
{
    yyjson_val *v;
    int rc = get_value(o, name, required, &v, e);
    if (rc != 0 || v == NULL)
        return rc;
    if (!yyjson_is_str(v))
        return wrong_type(o, name, "a string", v, e);
    if (required && yyjson_get_len(v) == 0)
        return err_set(e, ERR_INVALID, "json.missing", "the field '%s' is empty", json_path(o, name));
    if (yyjson_get_len(v) > size_max)
        return err_set(e, ERR_INVALID, "json.range", "'%s' has %zu bytes, the limit is %zu", json_path(o, name),
                       yyjson_get_len(v), size_max);
    *ret = yyjson_get_str(v);
    return 0;
}

int json_get_u64(const struct json_object *o, const char *name, bool required, uint64_t min, uint64_t max,
                 uint64_t *ret, struct err *e)
{
    yyjson_val *v;
    int rc = get_value(o, name, required, &v, e);
    if (rc != 0 || v == NULL)
        return rc;
    if (!yyjson_is_int(v))
        return wrong_type(o, name, "a whole number", v, e);
    if (yyjson_is_sint(v) || yyjson_get_uint(v) < min || yyjson_get_uint(v) > max) {
        char number[32];
        if (yyjson_is_sint(v))
            (void)snprintf(number, sizeof number, "%" PRId64, yyjson_get_sint(v));
        else
            (void)snprintf(number, sizeof number, "%" PRIu64, yyjson_get_uint(v));
        return err_set(e, ERR_INVALID, "json.range", "'%s' is %s, it must be %" PRIu64 " to %" PRIu64,
                       json_path(o, name), number, min, max);
    }
    *ret = yyjson_get_uint(v);
    return 0;
}

int json_get_bool(const struct json_object *o, const char *name, bool *ret, struct err *e)
{
    yyjson_val *v;
    int rc = get_value(o, name, false, &v, e);
    if (rc != 0 || v == NULL)
        return rc;
    if (!yyjson_is_bool(v))
        return wrong_type(o, name, "true or false", v, e);
    *ret = yyjson_get_bool(v);
    return 0;
}

int json_get_object(const struct json_object *o, const char *name, bool required, struct json_object *ret,
                    struct err *e)
{
    yyjson_val *v;
    int rc = get_value(o, name, required, &v, e);
    if (rc != 0)
        return rc;
    if (v == NULL) {
        *ret = (struct json_object){.value = NULL, .path = "", .mem = o->mem};
        return 0;
    }
    if (!yyjson_is_obj(v))
        return wrong_type(o, name, "an object", v, e);
    *ret = (struct json_object){.value = v, .path = json_path(o, name), .mem = o->mem};
    return 0;
}

int json_get_array(const struct json_object *o, const char *name, size_t count_max, yyjson_val **ret, struct err *e)
{
    yyjson_val *v;
    int rc = get_value(o, name, false, &v, e);
    if (rc != 0)
        return rc;
    *ret = v;
    if (v == NULL)
        return 0;
    if (!yyjson_is_arr(v))
        return wrong_type(o, name, "an array", v, e);
    if (yyjson_arr_size(v) > count_max)
        return err_set(e, ERR_INVALID, "json.range", "'%s' has %zu elements, the limit is %zu", json_path(o, name),
                       yyjson_arr_size(v), count_max);
    return 0;
}

/* ---- canonical text ---- */

struct canonical_frame {
    yyjson_val **keys; /* of an object, sorted */
    yyjson_val *array;
    yyjson_arr_iter elements;
    size_t at, count;
    yyjson_mut_val *out;
};

static struct canonical_frame canonical_enter(struct arena *mem, yyjson_mut_doc *doc, yyjson_val *v)
{
    struct canonical_frame f = {0};
    if (yyjson_is_obj(v)) {
        f.keys = sorted_keys(mem, v, &f.count);
        f.out = yyjson_mut_obj(doc);
    } else {
        f.array = v;
        f.elements = yyjson_arr_iter_with(v);
        f.count = yyjson_arr_size(v);
        f.out = yyjson_mut_arr(doc);
    }
    return f;
}

struct bytes json_canonical(struct arena *mem, const yyjson_val *root)
{
    struct json_out out = json_out_open(mem);
    yyjson_val *top = (yyjson_val *)(uintptr_t)root; /* read only; yyjson's iterators take no const */
    if (!yyjson_is_ctn(top)) {
        yyjson_mut_doc_set_root(out.doc, yyjson_val_mut_copy(out.doc, top));
        return json_out_text(&out);
    }

    struct canonical_frame stack[JSON_DEPTH_MAX];
    size_t depth = 1;
    stack[0] = canonical_enter(mem, out.doc, top);
    yyjson_mut_doc_set_root(out.doc, stack[0].out);
    while (depth > 0) {
        struct canonical_frame *f = &stack[depth - 1];
        if (f->at == f->count) {
            depth--;
            continue;
        }
        yyjson_val *key = f->array == NULL ? f->keys[f->at] : NULL;
        yyjson_val *v = key != NULL ? yyjson_obj_iter_get_val(key) : yyjson_arr_iter_next(&f->elements);
        f->at++;
        bool enter = yyjson_is_ctn(v);
        xassert(!enter || depth < JSON_DEPTH_MAX); /* json_parse() has checked it */
        struct canonical_frame child = enter ? canonical_enter(mem, out.doc, v) : (struct canonical_frame){0};
        yyjson_mut_val *copy = enter ? child.out : yyjson_val_mut_copy(out.doc, v);
        if (key != NULL)
            (void)yyjson_mut_obj_add(f->out, yyjson_val_mut_copy(out.doc, key), copy);
        else
            (void)yyjson_mut_arr_append(f->out, copy);
        if (enter)
            stack[depth++] = child;
    }
    return json_out_text(&out);
}

/* ---- writing ---- */

struct json_out json_out_open(struct arena *mem)
{
    yyjson_alc *alc = arena_alloc(mem, sizeof *alc);
    *alc = allocator_of(mem);
    struct json_out out = {.mem = mem, .doc = yyjson_mut_doc_new(alc)};
    out.root = yyjson_mut_obj(out.doc);
    yyjson_mut_doc_set_root(out.doc, out.root);
    return out;
}

struct bytes json_out_text(struct json_out *out)
{
    yyjson_alc alc = allocator_of(out->mem);
    size_t size = 0;
    char *text = yyjson_mut_write_opts(out->doc, YYJSON_WRITE_NOFLAG, &alc, &size, NULL);
    xassert(text != NULL); /* every text was made valid UTF-8, every number is finite */
    return bytes_of(text, size);
}

static yyjson_mut_val *put(struct json_out *out, yyjson_mut_val *to, const char *key, yyjson_mut_val *v)
{
    bool ok = key == NULL ? yyjson_mut_arr_append(to, v) : yyjson_mut_obj_add(to, yyjson_mut_str(out->doc, key), v);
    xassert(ok);
    return v;
}

yyjson_mut_val *json_put_object(struct json_out *out, yyjson_mut_val *to, const char *key)
{
    return put(out, to, key, yyjson_mut_obj(out->doc));
}

yyjson_mut_val *json_put_array(struct json_out *out, yyjson_mut_val *to, const char *key)
{
    return put(out, to, key, yyjson_mut_arr(out->doc));
}

/* @text with each byte that is no UTF-8 as U+FFFD. */
static const char *repaired(struct arena *mem, const char *text, size_t size)
{
    char *fixed = arena_alloc(mem, size * 3 + 1);
    char *w = fixed;
    for (size_t i = 0; i < size;) {
        uint32_t rune;
        size_t n = utf8_decode(text + i, size - i, &rune);
        memcpy(w, n > 0 ? text + i : "\xef\xbf\xbd", n > 0 ? n : 3);
        w += n > 0 ? n : 3;
        i += n > 0 ? n : 1;
    }
    return fixed;
}

void json_put_string(struct json_out *out, yyjson_mut_val *to, const char *key, const char *text)
{
    if (text == NULL) {
        json_put_null(out, to, key);
        return;
    }
    size_t size = strlen(text);
    if (!utf8_is_valid(text, size))
        text = repaired(out->mem, text, size);
    (void)put(out, to, key, yyjson_mut_str(out->doc, text));
}

void json_put_u64(struct json_out *out, yyjson_mut_val *to, const char *key, uint64_t v)
{
    (void)put(out, to, key, yyjson_mut_uint(out->doc, v));
}

void json_put_i64(struct json_out *out, yyjson_mut_val *to, const char *key, int64_t v)
{
    (void)put(out, to, key, yyjson_mut_sint(out->doc, v));
}

void json_put_bool(struct json_out *out, yyjson_mut_val *to, const char *key, bool v)
{
    (void)put(out, to, key, yyjson_mut_bool(out->doc, v));
}

void json_put_null(struct json_out *out, yyjson_mut_val *to, const char *key)
{
    (void)put(out, to, key, yyjson_mut_null(out->doc));
}

void json_put_hex(struct json_out *out, yyjson_mut_val *to, const char *key, const void *data, size_t size)
{
    char *text = arena_alloc(out->mem, 2 * size + 1);
    hex_encode(data, size, text);
    (void)put(out, to, key, yyjson_mut_strn(out->doc, text, 2 * size));
}

void json_put_base64(struct json_out *out, yyjson_mut_val *to, const char *key, struct bytes data)
{
    size_t size = base64_encoded_size(data.size);
    char *text = arena_alloc(out->mem, size + 1);
    base64_encode(data.data, data.size, text);
    (void)put(out, to, key, yyjson_mut_strn(out->doc, text, size));
}

void json_put_time(struct json_out *out, yyjson_mut_val *to, const char *key, uint64_t wall_ms)
{
    const char *number = arena_printf(out->mem, "%s_ms", key);
    const char *text = arena_printf(out->mem, "%s_at", key);
    if (wall_ms == 0) {
        json_put_null(out, to, number);
        json_put_null(out, to, text);
        return;
    }
    char *utc = arena_alloc(out->mem, CLOCK_TEXT_SIZE);
    clock_format_utc(wall_ms, utc);
    json_put_u64(out, to, number, wall_ms);
    json_put_string(out, to, text, utc);
}

void json_put_json(struct json_out *out, yyjson_mut_val *to, const char *key, struct bytes text)
{
    yyjson_val *root = NULL;
    struct err ignored = {0}; /* a null tells the reader that there is nothing to read */
    if (text.size == 0 || json_parse(out->mem, text, &root, &ignored) != 0)
        json_put_null(out, to, key);
    else
        (void)put(out, to, key, yyjson_val_mut_copy(out->doc, root));
}
