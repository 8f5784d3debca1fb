/* Assertions that stay in every build, and allocation that cannot fail.
 *
 * xassert() is for programmer's errors only; input from outside is never asserted, it gets an error.
 * xmalloc() and friends are for bounded sizes and abort when memory is out; decoders of peer-sized data check the
 * limit first.
 */
#ifndef TB_BASE_XASSERT_H
#define TB_BASE_XASSERT_H

#include <stddef.h>

#define xassert(condition) ((condition) ? (void)0 : xassert_fail(#condition, __FILE__, __LINE__))
#define unreachable() xassert_fail("unreachable", __FILE__, __LINE__)

_Noreturn void xassert_fail(const char *condition, const char *file, int line);

#define MALLOCED __attribute__((malloc, returns_nonnull, warn_unused_result))
void *xmalloc(size_t size) MALLOCED;
void *xcalloc(size_t count, size_t size) MALLOCED;
void *xrealloc(void *old, size_t size) __attribute__((returns_nonnull, warn_unused_result));
char *xstrdup(const char *s) MALLOCED;
void *xmemdup(const void *data, size_t size) MALLOCED;

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define array_count(a) (sizeof(a) / sizeof((a)[0]))
#define min_of(a, b) ((a) < (b) ? (a) : (b))
#define max_of(a, b) ((a) > (b) ? (a) : (b))

#endif
