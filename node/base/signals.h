/* Signals are for the loop's thread. Every other thread is started by signals_thread(), or by a library between signals_mask() and
 * signals_unmask(), whose mask it inherits: else the kernel gives SIGTERM to whichever thread does not block it, also in the moment in
 * which nobody handles it. */
#ifndef TB_BASE_SIGNALS_H
#define TB_BASE_SIGNALS_H

#include <pthread.h>
#include <signal.h>

#include "node/base/xassert.h"

static inline void signals_mask(sigset_t *ret_before)
{
    sigset_t all;
    (void)sigfillset(&all);
    int rc = pthread_sigmask(SIG_SETMASK, &all, ret_before);
    xassert(rc == 0);
}

static inline void signals_unmask(const sigset_t *before)
{
    int rc = pthread_sigmask(SIG_SETMASK, before, NULL);
    xassert(rc == 0);
}

/* pthread_create() of a thread that no signal is given to; its errors. */
static inline int signals_thread(pthread_t *ret, void *(*start)(void *arg), void *arg)
{
    sigset_t before;
    signals_mask(&before);
    int rc = pthread_create(ret, NULL, start, arg);
    signals_unmask(&before);
    return rc;
}

#endif
