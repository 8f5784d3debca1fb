/* tongban: see ctl.h. */
#include "node/ctl/ctl.h"

#include <signal.h>

int main(int argc, char **argv)
{
    /* A closed pipe, a file over the size limit: an error with its message, and no half-done command. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    return ctl_main(argc, argv, stdout, stderr);
}
