/* From a command line to an exit status (see ctl.h). */
#include "node/ctl/ctl.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/scrub.h"
#include "node/base/version.h"
#include "node/base/xassert.h"
#include "node/ctl/output.h"

#define DIR_DEFAULT "/var/lib/tongban"

int cmd_version(struct ctl *c, struct err *e)
{
    (void)e;
    fprintf(c->out, c->json ? "{\"version\":\"%s\"}\n" : "tongban %s\n", tongban_version);
    return 0;
}

/* Messages quote the command line and the node's answer: neither may move the cursor. */
static void print_error(struct arena *mem, const struct err *e, FILE *err)
{
    char *message = arena_strdup(mem, output_clean(mem, e->message));
    scrub_text(message);
    fprintf(err, "tongban: %s (%s)\n", message, output_clean(mem, e->id));
    if (e->hint[0] != '\0')
        fprintf(err, "hint: %s\n", output_clean(mem, e->hint));
}

int ctl_main(int argc, char **argv, FILE *out, FILE *err)
{
    struct ctl *c = xcalloc(1, sizeof *c);
    struct err e = {0};
    const char *dir = getenv("TONGBAN_DIR");
    c->dir = dir != NULL && dir[0] != '\0' ? dir : DIR_DEFAULT;
    c->out = out;

    int rc = 0;
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        ctl_print_help(out);
    } else {
        rc = ctl_parse(c, argc, argv, &e);
        if (rc == 0 && c->help)
            ctl_print_command_help(c->command, out);
        else if (rc == 0)
            rc = c->command->run(c, &e);
    }
    if (rc == 0 && (fflush(out) != 0 || ferror(out) != 0))
        rc = err_set(&e, ERR_IO, "ctl.output", "cannot write the output");
    if (rc != 0)
        print_error(&c->mem, &e, err);
    int status = rc != 0 && c->exit_status != 0 ? c->exit_status : err_exit_code(rc);
    arena_close(&c->mem);
    free(c);
    return status;
}
