/* Arena (see arena.h): chunks of 4 KiB and larger ones for larger requests.
 *
 * A request and its transaction open and close half a dozen arenas. glibc's per-thread cache ends at 1 KiB, so that each of
 * their chunks goes the long way through malloc and free; the loop's thread keeps some instead.
 */
#include "node/base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"

#define CHUNK_BYTES 4096u
#define SPARE_CHUNKS_MAX ((size_t)128) /* of a thread: half a MiB */

struct arena_chunk {
    struct arena_chunk *next;
    size_t used;
    size_t capacity;
    alignas(max_align_t) unsigned char data[];
};

/* ---- spare chunks ---- */

#if defined(__SANITIZE_ADDRESS__)
#define KEEP_SPARES false /* the sanitizer is to see every use after arena_close() */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEP_SPARES false
#endif
#endif
#ifndef KEEP_SPARES
#define KEEP_SPARES true
#endif

static _Thread_local struct spares {
    struct arena_chunk *chunks;
    size_t count, count_max;
} spares;

void arena_keep_spares(bool keep)
{
    spares.count_max = keep && KEEP_SPARES ? SPARE_CHUNKS_MAX : 0;
    while (spares.count > spares.count_max) {
        struct arena_chunk *next = spares.chunks->next;
        free(spares.chunks);
        spares.chunks = next;
        spares.count--;
    }
}

static void give_back(struct arena_chunk *chunk)
{
    if (chunk->capacity != CHUNK_BYTES || spares.count >= spares.count_max) {
        free(chunk);
        return;
    }
    chunk->next = spares.chunks;
    spares.chunks = chunk;
    spares.count++;
}

static struct arena_chunk *chunk_create(size_t capacity)
{
    struct arena_chunk *chunk = capacity == CHUNK_BYTES ? spares.chunks : NULL;
    if (chunk != NULL) {
        spares.chunks = chunk->next;
        spares.count--;
    } else {
        chunk = xmalloc(sizeof *chunk + capacity);
    }
    *chunk = (struct arena_chunk){.capacity = capacity};
    return chunk;
}

/* ---- allocation ---- */

void *arena_alloc_raw(struct arena *a, size_t size)
{
    size_t need = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    xassert(need >= size);
    struct arena_chunk *chunk = a->chunks;
    if (chunk == NULL || chunk->capacity - chunk->used < need) {
        chunk = chunk_create(max_of(need, (size_t)CHUNK_BYTES));
        chunk->next = a->chunks;
        a->chunks = chunk;
    }
    void *p = chunk->data + chunk->used;
    chunk->used += need;
    return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *p = arena_alloc_raw(a, size);
    memset(p, 0, size);
    return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t size)
{
    char *copy = arena_alloc_raw(a, size + 1);
    if (size > 0)
        memcpy(copy, s, size);
    copy[size] = '\0';
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
    char few[128]; /* most texts fit, and are formatted once */
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int size = vsnprintf(few, sizeof few, fmt, args);
    va_end(args);
    xassert(size >= 0);
    char *text = arena_alloc_raw(a, (size_t)size + 1);
    if ((size_t)size < sizeof few)
        memcpy(text, few, (size_t)size + 1);
    else
        (void)vsnprintf(text, (size_t)size + 1, fmt, again);
    va_end(again);
    return text;
}

void arena_close(struct arena *a)
{
    while (a->chunks != NULL) {
        struct arena_chunk *next = a->chunks->next;
        give_back(a->chunks);
        a->chunks = next;
    }
}
