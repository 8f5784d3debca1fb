/* What the code under test writes to the operator's log (standard error), as text. One capture at a time; any number of lines. A test that
 * fails meanwhile is left by a jump: so the capture stands where the test's teardown finds it, and log_capture_close() there puts standard
 * error back and shows what was captured, in which cmocka's own message is. */
#ifndef TB_TESTS_LIB_LOG_CAPTURE_H
#define TB_TESTS_LIB_LOG_CAPTURE_H

#include <stdio.h>
#include <unistd.h>

#include "node/base/bytes.h"
#include "node/base/xassert.h"

struct log_capture {
    FILE *file; /* where standard error goes meanwhile; NULL when it goes where it should */
    int saved;
    struct buf text; /* all of it, once ended */
};

static inline void log_capture_begin(struct log_capture *c)
{
    *c = (struct log_capture){.file = tmpfile(), .saved = dup(STDERR_FILENO)};
    xassert(c->file != NULL && c->saved >= 0);
    int fd = dup2(fileno(c->file), STDERR_FILENO);
    xassert(fd == STDERR_FILENO);
}

/* The lines written since log_capture_begin(); they are good until log_capture_close(). */
static inline const char *log_capture_end(struct log_capture *c)
{
    char chunk[4096];
    size_t size;
    int fd = dup2(c->saved, STDERR_FILENO);
    xassert(fd == STDERR_FILENO);
    (void)close(c->saved);
    rewind(c->file);
    while ((size = fread(chunk, 1, sizeof chunk, c->file)) > 0)
        buf_put(&c->text, chunk, size);
    (void)fclose(c->file);
    c->file = NULL;
    return buf_cstr(&c->text);
}

/* Takes one that was never begun, one that was not ended, and one that was closed before. */
static inline void log_capture_close(struct log_capture *c)
{
    if (c->file != NULL)
        (void)fputs(log_capture_end(c), stderr);
    buf_close(&c->text);
    *c = (struct log_capture){0};
}

#endif
