/* Assertions and allocation that abort (see xassert.h). */
#include "node/base/xassert.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void xassert_fail(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "fatal: %s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}

static void *checked(void *p)
{
    if (p == NULL) {
        (void)fputs("fatal: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *xmalloc(size_t size)
{
    return checked(malloc(size == 0 ? 1 : size));
}

void *xcalloc(size_t count, size_t size)
{
    return checked(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size));
}

void *xrealloc(void *old, size_t size)
{
    return checked(realloc(old, size == 0 ? 1 : size));
}

char *xstrdup(const char *s)
{
    return checked(strdup(s));
}

void *xmemdup(const void *data, size_t size)
{
    void *copy = xmalloc(size);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}
