/* Arena (see arena.h): chunks of 4 KiB and larger ones for larger requests. */
#include "node/base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"

struct arena_chunk {
    struct arena_chunk *next;
    size_t used;
    size_t capacity;
    alignas(max_align_t) unsigned char data[];
};

void *arena_alloc(struct arena *a, size_t size)
{
    size_t need = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    xassert(need >= size);
    struct arena_chunk *chunk = a->chunks;
    if (chunk == NULL || chunk->capacity - chunk->used < need) {
        size_t capacity = max_of(need, (size_t)4096);
        chunk = xmalloc(sizeof *chunk + capacity);
        *chunk = (struct arena_chunk){.next = a->chunks, .capacity = capacity};
        a->chunks = chunk;
    }
    void *p = chunk->data + chunk->used;
    chunk->used += need;
    memset(p, 0, need);
    return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t size)
{
    char *copy = arena_alloc(a, size + 1);
    if (size > 0)
        memcpy(copy, s, size);
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

struct bytes arena_bytes(struct arena *a, struct bytes b)
{
    return bytes_of(arena_strndup(a, (const char *)b.data, b.size), b.size);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    xassert(size >= 0);
    char *text = arena_alloc(a, (size_t)size + 1);
    (void)vsnprintf(text, (size_t)size + 1, fmt, again);
    va_end(again);
    return text;
}

void arena_close(struct arena *a)
{
    while (a->chunks != NULL) {
        struct arena_chunk *next = a->chunks->next;
        free(a->chunks);
        a->chunks = next;
    }
}
