/* Test vectors: a JSON file of tests/vectors/data, loaded with yyjson, and typed access to its members.
 *
 * Whatever is missing or of another type fails the running test with the key's name: a vector that silently did not run
 * would be worse than none. Documents are closed with yyjson_doc_free().
 */
#ifndef TB_TESTS_LIB_VECTORS_H
#define TB_TESTS_LIB_VECTORS_H

#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

#include "node/base/bytes.h"

/* Path of a vectors file by its name; TEST_SOURCE_DIR comes from the build. */
#define VECTORS_FILE(name) (TEST_SOURCE_DIR "/tests/vectors/data/" name ".json")

yyjson_doc *vectors_load(const char *path);

/* Member @key of @object; null and absent fail. */
yyjson_val *vectors_get(yyjson_val *object, const char *key);
bool vectors_has(yyjson_val *object, const char *key); /* there and not null */
uint64_t vectors_u64(yyjson_val *object, const char *key);
const char *vectors_string(yyjson_val *object, const char *key);
struct bytes vectors_text(yyjson_val *object, const char *key); /* the string's bytes */

/* A hash as a JSON string. vectors_hex32() fails the test when it is not 64 hex digits; vectors_base64_32() says false when
 * it is not base64 of 32 bytes, because that is what some vectors are about. */
void vectors_hex32(yyjson_val *string, uint8_t out[32]);
bool vectors_base64_32(yyjson_val *string, uint8_t out[32]);

/* Hex of any length up to @size_max; returns the size. */
size_t vectors_hex(yyjson_val *string, uint8_t *out, size_t size_max);

#endif
