/* Arena: memory of one request or one message, freed at once (h2o's pool is the model).
 * Owned by whoever declared it; arena_close() frees everything allocated from it. Not thread-safe. */
#ifndef TB_BASE_ARENA_H
#define TB_BASE_ARENA_H

#include <stddef.h>

#include "node/base/bytes.h"
#include "node/base/err.h"

struct arena {
    struct arena_chunk *chunks; /* newest first */
};

#define ARENA_INIT ((struct arena){.chunks = NULL})

/* Zeroed, aligned for any type. Aborts when memory is out: the caller has checked @size against a limit. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_alloc_raw(struct arena *a, size_t size); /* not zeroed: the caller fills it */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t size); /* adds the NUL */
struct bytes arena_bytes(struct arena *a, struct bytes b);        /* copies */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
void arena_close(struct arena *a);

/* Whether this thread keeps some of the memory of closed arenas for its next ones. A thread that said true says false before
 * it ends. */
void arena_keep_spares(bool keep);

#endif
