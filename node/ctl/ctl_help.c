/* Help texts, made from the command table, and the command that prints them (see ctl.h). */
#include "node/ctl/ctl.h"

#include <string.h>

#include "node/base/utf8.h"
#include "node/base/xassert.h"

static void print_column(const char *text, size_t width, FILE *out)
{
    size_t columns = utf8_columns(text);
    fprintf(out, "  %s%*s", text, (int)(columns < width ? width - columns + 2 : 2), "");
}

void ctl_print_help(FILE *out)
{
    fputs("tongban: the command line of a Tongban (通办) node\n\n"
          "usage: tongban COMMAND [ARGUMENTS] [--dir DIR] [--json]\n\n",
          out);
    size_t width = 0;
    for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++)
        width = max_of(width, strlen(c->name));
    for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++) {
        print_column(c->name, width, out);
        fprintf(out, "%s\n", c->help);
    }
    fputs("\n'tongban help COMMAND' explains one command. DIR is the node's folder: --dir, else $TONGBAN_DIR, else\n"
          "/var/lib/tongban.\n",
          out);
}

void ctl_print_command_help(const struct ctl_command *command, FILE *out)
{
    fprintf(out, "tongban %s: %s\n\nusage: tongban %s%s%s", command->name, command->help, command->name,
            command->args[0] != '\0' ? " " : "", command->args);
    size_t width = 0;
    bool has_optional = false;
    for (const struct ctl_option *o = command->options; o->name != NULL; o++) {
        width = max_of(width, strlen(o->name) + (o->value != NULL ? strlen(o->value) + 1 : 0));
        if (o->required)
            fprintf(out, " %s %s", o->name, o->value);
        else
            has_optional = true;
    }
    fputs(command->needs_dir ? " --dir DIR" : " [--dir DIR]", out);
    fputs(has_optional ? " [options]\n" : "\n", out);
    if (width > 0)
        fputs("\noptions:\n", out);
    for (const struct ctl_option *o = command->options; o->name != NULL; o++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s%s%s", o->name, o->value != NULL ? " " : "",
                       o->value != NULL ? o->value : "");
        print_column(name, width, out);
        fprintf(out, "%s%s%s\n", o->help, o->required ? " (required)" : "", o->repeated ? " (may be repeated)" : "");
    }
    fprintf(out, "\nexample:\n  %s\n", command->example);
}

int cmd_help(struct ctl *c, struct err *e)
{
    if (c->arg_count == 0) {
        ctl_print_help(c->out);
        return 0;
    }
    const char *name = c->arg_count == 2 ? arena_printf(&c->mem, "%s %s", c->args[0], c->args[1]) : c->args[0];
    size_t size = strlen(name);
    bool found = false;
    for (const struct ctl_command *command = ctl_commands; command->name != NULL; command++) {
        bool in_group = strncmp(command->name, name, size) == 0 && command->name[size] == ' ';
        if (strcmp(command->name, name) != 0 && !in_group)
            continue;
        if (found)
            fputc('\n', c->out);
        ctl_print_command_help(command, c->out);
        found = true;
    }
    if (found)
        return 0;
    int rc = err_set(e, ERR_INVALID, "ctl.unknown-command", "there is no command '%.64s'", name);
    err_hint(e, "'tongban help' lists the commands");
    return rc;
}
