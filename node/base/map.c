/* Hash map (see map.h): linear probing, tombstones, grown at 3/4. */
#include "node/base/map.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"

enum slot_state { SLOT_FREE, SLOT_TAKEN, SLOT_REMOVED };

struct map_slot {
    void *value;
    uint8_t state; /* enum slot_state */
    uint8_t key_size;
    uint8_t key[MAP_KEY_BYTES_MAX];
};

static uint64_t rotate(uint64_t v, int n)
{
    return v << n | v >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 over native words: only used inside one process. */
static uint64_t hash(const struct map *m, const uint8_t *key, size_t size)
{
    uint64_t v[4] = {m->seed[0] ^ 0x736f6d6570736575u, m->seed[1] ^ 0x646f72616e646f6du,
                     m->seed[0] ^ 0x6c7967656e657261u, m->seed[1] ^ 0x7465646279746573u};
    uint64_t word;
    size_t at = 0;
    for (; at + 8 <= size; at += 8) {
        memcpy(&word, key + at, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)size << 56;
    memcpy(&word, key + at, size - at);
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m, uint64_t seed)
{
    *m = (struct map){.seed = {seed, seed * 0x9e3779b97f4a7c15u + 1}};
}

void map_close(struct map *m)
{
    free(m->slots);
    *m = (struct map){0};
}

static struct map_slot *find(const struct map *m, const void *key, size_t size)
{
    xassert(size <= MAP_KEY_BYTES_MAX);
    if (m->capacity == 0)
        return NULL;
    for (size_t i = hash(m, key, size) & (m->capacity - 1);; i = (i + 1) & (m->capacity - 1)) {
        struct map_slot *slot = &m->slots[i];
        if (slot->state == SLOT_FREE)
            return NULL;
        if (slot->state == SLOT_TAKEN && slot->key_size == size && memcmp(slot->key, key, size) == 0)
            return slot;
    }
}

void *map_get(const struct map *m, const void *key, size_t key_size)
{
    struct map_slot *slot = find(m, key, key_size);
    return slot == NULL ? NULL : slot->value;
}

static void insert_new(struct map *m, const void *key, size_t size, void *value)
{
    size_t i = hash(m, key, size) & (m->capacity - 1);
    while (m->slots[i].state == SLOT_TAKEN)
        i = (i + 1) & (m->capacity - 1);
    struct map_slot *slot = &m->slots[i];
    m->used += slot->state == SLOT_FREE;
    m->count++;
    *slot = (struct map_slot){.value = value, .state = SLOT_TAKEN, .key_size = (uint8_t)size};
    memcpy(slot->key, key, size);
}

static void grow(struct map *m)
{
    struct map_slot *old = m->slots;
    size_t old_capacity = m->capacity;
    m->capacity = max_of((size_t)16, m->count * 4);
    while ((m->capacity & (m->capacity - 1)) != 0)
        m->capacity += m->capacity & (~m->capacity + 1); /* up to the next power of two */
    m->slots = xcalloc(m->capacity, sizeof *m->slots);
    m->count = m->used = 0;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].state == SLOT_TAKEN)
            insert_new(m, old[i].key, old[i].key_size, old[i].value);
    free(old);
}

void *map_put(struct map *m, const void *key, size_t key_size, void *value)
{
    xassert(value != NULL);
    struct map_slot *slot = find(m, key, key_size);
    if (slot != NULL) {
        void *before = slot->value;
        slot->value = value;
        return before;
    }
    if ((m->used + 1) * 4 > m->capacity * 3)
        grow(m);
    insert_new(m, key, key_size, value);
    return NULL;
}

void *map_remove(struct map *m, const void *key, size_t key_size)
{
    struct map_slot *slot = find(m, key, key_size);
    if (slot == NULL)
        return NULL;
    slot->state = SLOT_REMOVED;
    m->count--;
    return slot->value;
}

bool map_next(const struct map *m, size_t *at, const void **ret_key, void **ret_value)
{
    for (; *at < m->capacity; (*at)++) {
        struct map_slot *slot = &m->slots[*at];
        if (slot->state != SLOT_TAKEN)
            continue;
        if (ret_key != NULL)
            *ret_key = slot->key;
        *ret_value = slot->value;
        (*at)++;
        return true;
    }
    return false;
}
