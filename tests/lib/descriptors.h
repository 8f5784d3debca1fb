/* How many files a test program can open: for what a process says that has no descriptors left. One program, one process: nobody else
 * is disturbed. */
#ifndef TB_TESTS_LIB_DESCRIPTORS_H
#define TB_TESTS_LIB_DESCRIPTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/resource.h>
#include <unistd.h>

/* The number that the next opened file gets. */
static inline int descriptors_next(void)
{
    int next = dup(STDERR_FILENO);
    assert_true(next > 0);
    close(next);
    return next;
}

/* At most @more files can be opened beside those that are open, where no lower number is free; RLIM_INFINITY: as many as the machine
 * allows. */
static inline void descriptors_limit(rlim_t more)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = more == RLIM_INFINITY ? limit.rlim_max : (rlim_t)descriptors_next() + more;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

#endif
