/* Hash map from short byte keys to pointers. Keys are copied, values are the caller's. Open addressing with a seeded
 * hash (SipHash-1-3), so that keys chosen by a stranger do not collide on purpose. Not thread-safe. */
#ifndef TB_BASE_MAP_H
#define TB_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
    struct map_slot *slots; /* power of two, or NULL */
    size_t capacity;
    size_t count;
    size_t used; /* count + tombstones */
    uint64_t seed[2];
};

#define MAP_KEY_BYTES_MAX 64

void map_init(struct map *m, uint64_t seed);
void map_close(struct map *m);
void *map_get(const struct map *m, const void *key, size_t key_size); /* NULL if absent */
/* Returns the value that was there before, or NULL. @value must not be NULL. */
void *map_put(struct map *m, const void *key, size_t key_size, void *value);
void *map_remove(struct map *m, const void *key, size_t key_size);
/* Iteration in no order: start with *at = 0; false at the end. The map must not change meanwhile, except that the
 * current key may be removed. */
bool map_next(const struct map *m, size_t *at, const void **ret_key, void **ret_value);

#endif
