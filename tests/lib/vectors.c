/* Loading test vectors (see vectors.h). */
#include "tests/lib/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

yyjson_doc *vectors_load(const char *path)
{
    yyjson_read_err error;
    yyjson_doc *doc = yyjson_read_file(path, 0, NULL, &error);
    if (doc == NULL)
        fail_msg("%s: %s at byte %zu", path, error.msg, error.pos);
    return doc;
}

bool vectors_has(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return value != NULL && !yyjson_is_null(value);
}

yyjson_val *vectors_get(yyjson_val *object, const char *key)
{
    if (!vectors_has(object, key))
        fail_msg("vectors: no member '%s'", key);
    return yyjson_obj_get(object, key);
}

uint64_t vectors_u64(yyjson_val *object, const char *key)
{
    yyjson_val *value = vectors_get(object, key);
    if (!yyjson_is_uint(value))
        fail_msg("vectors: '%s' is no unsigned integer", key);
    return yyjson_get_uint(value);
}

const char *vectors_string(yyjson_val *object, const char *key)
{
    yyjson_val *value = vectors_get(object, key);
    if (!yyjson_is_str(value))
        fail_msg("vectors: '%s' is no string", key);
    return yyjson_get_str(value);
}

struct bytes vectors_text(yyjson_val *object, const char *key)
{
    const char *text = vectors_string(object, key);
    return bytes_of(text, yyjson_get_len(vectors_get(object, key)));
}

size_t vectors_hex(yyjson_val *string, uint8_t *out, size_t size_max)
{
    size_t size = 0;
    if (!yyjson_is_str(string) || hex_decode(yyjson_get_str(string), yyjson_get_len(string), out, size_max, &size) < 0)
        fail_msg("vectors: not hex of at most %zu bytes", size_max);
    return size;
}

void vectors_hex32(yyjson_val *string, uint8_t out[32])
{
    if (vectors_hex(string, out, 32) != 32)
        fail_msg("vectors: hash is not 32 bytes");
}

bool vectors_base64_32(yyjson_val *string, uint8_t out[32])
{
    size_t size = 0;
    if (!yyjson_is_str(string))
        fail_msg("vectors: hash is no string");
    return base64_decode(yyjson_get_str(string), yyjson_get_len(string), out, 32, &size) == 0 && size == 32;
}
