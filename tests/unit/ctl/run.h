/* Runs one `tongban` command line inside the test and keeps what it printed. Included once per test program. */
#ifndef TB_TESTS_CTL_RUN_H
#define TB_TESTS_CTL_RUN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"
#include "node/ctl/ctl.h"

struct run {
    int status;
    char out[16384];
    char err[2048];
};

/* Words of the command line behind "tongban", ended by NULL. */
static inline struct run run_words(const char *const *words)
{
    struct run r = {0};
    char *argv[80] = {(char *)(uintptr_t)"tongban"};
    int argc = 1;
    for (; *words != NULL; words++) {
        xassert(argc < 79);
        argv[argc++] = (char *)(uintptr_t)*words;
    }
    char *out_text = NULL, *err_text = NULL;
    size_t out_size = 0, err_size = 0;
    FILE *out = open_memstream(&out_text, &out_size), *err = open_memstream(&err_text, &err_size);
    r.status = ctl_main(argc, argv, out, err);
    (void)fclose(out);
    (void)fclose(err);
    (void)snprintf(r.out, sizeof r.out, "%s", out_text);
    (void)snprintf(r.err, sizeof r.err, "%s", err_text);
    free(out_text);
    free(err_text);
    return r;
}

#define RUN(...) run_words((const char *const[]){__VA_ARGS__, NULL})

#endif
