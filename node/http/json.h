/* JSON at the edge of the node: strict reading of what a client sent, typed getters whose errors name the JSON path,
 * and writing of answers. The only file of node/http that needs to know how yyjson works.
 *
 * Reading is stricter than yyjson: the text must be UTF-8, at most JSON_DEPTH_MAX deep, without duplicate keys and
 * without U+0000 in any string (every string can so be used as a C string). Errors are ERR_INVALID with the ids
 * "json.syntax", "json.depth", "json.duplicate-key", "json.nul", "json.unknown-field", "json.missing", "json.type",
 * "json.range". All memory lives in the given arena. Any thread, as long as the arena is its own.
 */
#ifndef TB_HTTP_JSON_H
#define TB_HTTP_JSON_H

#include <stdbool.h>
#include <yyjson.h>

#include "node/base/arena.h"
#include "node/base/bytes.h"
#include "node/base/err.h"

/* ---- reading ---- */

/* Parses the whole of @text (copied) and checks it as said above. @ret_root lives in @mem. */
int json_parse(struct arena *mem, struct bytes text, yyjson_val **ret_root, struct err *e) WARN_UNUSED;

/* An object with the path that leads to it ("" for the whole document, "applicant", "events[2]"). */
struct json_object {
    yyjson_val *value;
    const char *path;  /* in the arena or static */
    struct arena *mem; /* paths of children are made here */
};

/* @value must be an object. @path is kept. */
int json_as_object(struct arena *mem, yyjson_val *value, const char *path, struct json_object *ret,
                   struct err *e) WARN_UNUSED;
/* Every key must be one of the @count @names; the error names the path of the one that is not. */
int json_check_fields(const struct json_object *o, const char *const *names, size_t count, struct err *e) WARN_UNUSED;

/* Typed getters. An absent or null field leaves *ret as it is and is an error only when @required. */
int json_get_string(const struct json_object *o, const char *name, bool required, size_t size_max, const char **ret,
                    struct err *e) WARN_UNUSED;
int json_get_u64(const struct json_object *o, const char *name, bool required, uint64_t min, uint64_t max,
                 uint64_t *ret, struct err *e) WARN_UNUSED;
int json_get_bool(const struct json_object *o, const char *name, bool *ret, struct err *e) WARN_UNUSED;
/* ret->value is NULL when the field is absent and not @required. */
int json_get_object(const struct json_object *o, const char *name, bool required, struct json_object *ret,
                    struct err *e) WARN_UNUSED;
/* *ret is NULL when absent; at most @count_max elements. */
int json_get_array(const struct json_object *o, const char *name, size_t count_max, yyjson_val **ret,
                   struct err *e) WARN_UNUSED;
/* The path of a field or of an array element, for errors that callers make themselves. */
const char *json_path(const struct json_object *o, const char *name);
const char *json_path_index(const struct json_object *o, const char *name, size_t index);

/* The document again without white space and with the keys of every object in byte order: equal documents give equal
 * bytes. Numbers and escapes as yyjson writes them. */
struct bytes json_canonical(struct arena *mem, const yyjson_val *root);

/* ---- writing ---- */

/* A document under construction in an arena. Texts given to the functions below must live as long as the arena. */
struct json_out {
    struct arena *mem;
    yyjson_mut_doc *doc;
    yyjson_mut_val *root; /* an object */
};

struct json_out json_out_open(struct arena *mem);
/* Minified text, in the arena. */
struct bytes json_out_text(struct json_out *out);

/* New empty containers: under @key of object @to, or at the end of array @to when @key is NULL. */
yyjson_mut_val *json_put_object(struct json_out *out, yyjson_mut_val *to, const char *key);
yyjson_mut_val *json_put_array(struct json_out *out, yyjson_mut_val *to, const char *key);
/* @key NULL appends to an array. A NULL text becomes null; bytes that are not UTF-8 become U+FFFD. */
void json_put_string(struct json_out *out, yyjson_mut_val *to, const char *key, const char *text);
void json_put_u64(struct json_out *out, yyjson_mut_val *to, const char *key, uint64_t v);
void json_put_i64(struct json_out *out, yyjson_mut_val *to, const char *key, int64_t v);
void json_put_bool(struct json_out *out, yyjson_mut_val *to, const char *key, bool v);
void json_put_null(struct json_out *out, yyjson_mut_val *to, const char *key);
void json_put_hex(struct json_out *out, yyjson_mut_val *to, const char *key, const void *data, size_t size);
void json_put_base64(struct json_out *out, yyjson_mut_val *to, const char *key, struct bytes data);
/* "<key>_ms" as a number and "<key>_at" as UTC text; both null when @wall_ms is 0. @key is a literal. */
void json_put_time(struct json_out *out, yyjson_mut_val *to, const char *key, uint64_t wall_ms);
/* Stored JSON text as a value. Text that does not parse (written by a faulty peer) becomes null. */
void json_put_json(struct json_out *out, yyjson_mut_val *to, const char *key, struct bytes text);

#endif
