/* A small file of a unit test, with a name of its own; the test removes it. */
#ifndef TB_TESTS_LIB_TEMP_FILE_H
#define TB_TESTS_LIB_TEMP_FILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/base/file.h"

static inline void temp_file_write(char path[64], const char *text)
{
    struct err e;
    (void)snprintf(path, 64, "/tmp/tongban-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(file_write(path, bytes_of_string(text), 0600, false, &e), 0);
}

#endif
