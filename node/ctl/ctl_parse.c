/* Parsing of a command line (see ctl.h): one or two words name the command, options may stand anywhere behind the
 * program's name, "--" ends them. `--name value` and `--name=value` are the same. */
#include "node/ctl/ctl.h"

#include <inttypes.h>
#include <string.h>

#include "node/base/bytes.h"
#include "node/base/xassert.h"

#define WORD_BYTES_MAX 40 /* a longer text resembles nothing */

/* Options of every command. */
static const struct ctl_option global_options[] = {
    {"--dir", "DIR", false, false, "folder of the node (default: $TONGBAN_DIR or /var/lib/tongban)"},
    {"--json", NULL, false, false, "print JSON"},
    {"--help", NULL, false, false, "explain the command"},
    {NULL, NULL, false, false, NULL},
};

/* Levenshtein distance of two short texts. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_BYTES_MAX + 1];
    size_t b_size = strlen(b);
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b_size; j++) {
            size_t above = row[j + 1];
            size_t cost = diagonal + (a[i] != b[j]);
            row[j + 1] = min_of(cost, min_of(above, row[j]) + 1);
            diagonal = above;
        }
    }
    return row[b_size];
}

const char *ctl_suggest(const char *text, const char *const *names)
{
    const char *best = NULL;
    size_t best_distance = strlen(text) / 3 + 2; /* further away it is another word */
    if (strlen(text) > WORD_BYTES_MAX)
        return NULL;
    for (; *names != NULL; names++) {
        size_t d = strlen(*names) <= WORD_BYTES_MAX ? distance(text, *names) : SIZE_MAX;
        if (d < best_distance) {
            best = *names;
            best_distance = d;
        }
    }
    return best;
}

static const struct ctl_option *find_option(const struct ctl_option *options, const char *name, size_t size)
{
    for (; options->name != NULL; options++)
        if (strlen(options->name) == size && memcmp(options->name, name, size) == 0)
            return options;
    return NULL;
}

static int unknown_option(const struct ctl *c, const char *name, struct err *e)
{
    const char *names[64];
    size_t count = 0;
    for (const struct ctl_option *o = c->command->options; o->name != NULL && count < 56; o++)
        names[count++] = o->name;
    for (const struct ctl_option *o = global_options; o->name != NULL; o++)
        names[count++] = o->name;
    names[count] = NULL;
    int rc = err_set(e, ERR_INVALID, "ctl.unknown-option", "'%s' has no option '%.64s'", c->command->name, name);
    const char *suggestion = ctl_suggest(name, names);
    if (suggestion != NULL)
        err_hint(e, "did you mean '%s'?", suggestion);
    else
        err_hint(e, "see 'tongban help %s'", c->command->name);
    return rc;
}

static int store(struct ctl *c, const struct ctl_option *o, const char *value, struct err *e)
{
    bool is_path = o->value != NULL && (strcmp(o->value, "FILE") == 0 || strcmp(o->value, "DIR") == 0);
    if (is_path && value[0] == '\0')
        return err_set(e, ERR_INVALID, "ctl.option-value", "the option '%s' is empty", o->name);
    if (strcmp(o->name, "--dir") == 0) {
        c->dir = value;
        c->dir_given = true;
    } else if (strcmp(o->name, "--json") == 0) {
        c->json = true;
    } else if (strcmp(o->name, "--help") == 0) {
        c->help = true;
    } else {
        if (!o->repeated && ctl_option(c, o->name) != NULL)
            return err_set(e, ERR_INVALID, "ctl.repeated-option", "the option '%s' stands twice", o->name);
        if (c->value_count == CTL_VALUES_MAX)
            return err_set(e, ERR_LIMIT, "ctl.options", "more than %d options", CTL_VALUES_MAX);
        c->values[c->value_count++] = (struct ctl_value){.option = o, .text = value};
    }
    return 0;
}

/* One option at argv[*at]; moves *at over its value. */
static int take_option(struct ctl *c, int argc, char **argv, int *at, struct err *e)
{
    const char *text = argv[*at];
    if (strcmp(text, "-h") == 0)
        text = "--help";
    const char *equals = strchr(text, '=');
    size_t size = equals != NULL ? (size_t)(equals - text) : strlen(text);
    const struct ctl_option *o = find_option(global_options, text, size);
    if (o == NULL)
        o = find_option(c->command->options, text, size);
    if (o == NULL)
        return unknown_option(c, arena_strndup(&c->mem, text, size), e);
    if (o->value == NULL && equals != NULL)
        return err_set(e, ERR_INVALID, "ctl.option-value", "the option '%s' takes no value", o->name);
    if (o->value == NULL)
        return store(c, o, "", e);
    if (equals != NULL)
        return store(c, o, equals + 1, e);
    if (*at + 1 >= argc)
        return err_set(e, ERR_INVALID, "ctl.option-value", "the option '%s' needs a value: %s", o->name, o->value);
    return store(c, o, argv[++*at], e);
}

/* Position in argv of the next word that is no option, from @at on; argc when there is none. Before the command is known
 * only the global options can be skipped. */
static int next_word(int argc, char **argv, int at)
{
    while (at < argc && argv[at][0] == '-' && argv[at][1] != '\0')
        at += strcmp(argv[at], "--dir") == 0 ? 2 : 1;
    return at < argc ? at : argc;
}

static int unknown_command(const char *first, const char *second, struct ctl *c, struct err *e)
{
    const char *names[160]; /* commands; the assertion below says when it is too small */
    size_t count = 0;
    bool is_group = false;
    size_t size = strlen(first);
    for (const struct ctl_command *command = ctl_commands; command->name != NULL; command++) {
        xassert(count < array_count(names) - 1);
        bool in_group = strncmp(command->name, first, size) == 0 && command->name[size] == ' ';
        is_group = is_group || in_group;
        names[count++] = command->name;
    }
    names[count] = NULL;
    const char *text = second == NULL ? first : arena_printf(&c->mem, "%s %s", first, second);
    int rc = second == NULL && is_group
                 ? err_set(e, ERR_INVALID, "ctl.unknown-command", "'%.64s' needs a second word", first)
                 : err_set(e, ERR_INVALID, "ctl.unknown-command", "there is no command '%.64s'", text);
    const char *suggestion = second == NULL && is_group ? NULL : ctl_suggest(text, names);
    if (suggestion == NULL && second != NULL && !is_group)
        suggestion = ctl_suggest(first, names);
    if (suggestion != NULL)
        err_hint(e, "did you mean '%s'?", suggestion);
    else if (is_group)
        err_hint(e, "'tongban help %s' explains its commands", first);
    else
        err_hint(e, "'tongban help' lists the commands");
    return rc;
}

/* Finds the command named by the first word, or the first two; *ret_words = their positions in argv (argc = none). */
static int find_command(struct ctl *c, int argc, char **argv, int ret_words[2], struct err *e)
{
    int first = next_word(argc, argv, 1);
    int second = next_word(argc, argv, first + 1);
    if (first == argc) {
        int rc = err_set(e, ERR_INVALID, "ctl.no-command", "no command is given");
        err_hint(e, "'tongban help' lists the commands");
        return rc;
    }
    ret_words[0] = first;
    ret_words[1] = argc;
    for (const struct ctl_command *command = ctl_commands; command->name != NULL; command++) {
        const char *space = strchr(command->name, ' ');
        if (space == NULL && strcmp(command->name, argv[first]) == 0) {
            c->command = command;
            return 0;
        }
        if (space != NULL && second < argc && strcmp(space + 1, argv[second]) == 0 &&
            strncmp(command->name, argv[first], (size_t)(space - command->name)) == 0 &&
            argv[first][space - command->name] == '\0') {
            c->command = command;
            ret_words[1] = second;
            return 0;
        }
    }
    return unknown_command(argv[first], second < argc ? argv[second] : NULL, c, e);
}

static int check_complete(const struct ctl *c, struct err *e)
{
    const struct ctl_command *command = c->command;
    int rc = 0;
    if (c->arg_count < command->args_min)
        rc = err_set(e, ERR_INVALID, "ctl.missing-argument", "'%s' needs: %s", command->name, command->args);
    else if (c->arg_count > command->args_max)
        rc = err_set(e, ERR_INVALID, "ctl.extra-argument", "'%s' does not know what to do with '%.64s'", command->name,
                     c->args[command->args_max]);
    else if (command->needs_dir && !c->dir_given)
        rc = err_set(e, ERR_INVALID, "ctl.missing-option", "'%s' needs the option --dir DIR", command->name);
    for (const struct ctl_option *o = command->options; rc == 0 && o->name != NULL; o++)
        if (o->required && ctl_option(c, o->name) == NULL)
            rc = err_set(e, ERR_INVALID, "ctl.missing-option", "'%s' needs the option %s %s", command->name, o->name,
                         o->value);
    if (rc != 0)
        err_hint(e, "see 'tongban help %s'", command->name);
    return rc;
}

int ctl_parse(struct ctl *c, int argc, char **argv, struct err *e)
{
    int words[2];
    int rc = find_command(c, argc, argv, words, e);
    bool only_args = false;
    for (int at = 1; rc == 0 && at < argc; at++) {
        if (at == words[0] || at == words[1])
            continue;
        if (!only_args && strcmp(argv[at], "--") == 0) {
            only_args = true;
        } else if (!only_args && argv[at][0] == '-' && argv[at][1] != '\0') {
            rc = take_option(c, argc, argv, &at, e);
        } else if (c->arg_count == CTL_ARGS_MAX) {
            rc = err_set(e, ERR_LIMIT, "ctl.arguments", "more than %d arguments", CTL_ARGS_MAX);
        } else {
            c->args[c->arg_count++] = argv[at];
        }
    }
    return rc != 0 || c->help ? rc : check_complete(c, e);
}

const char *ctl_option_at(const struct ctl *c, const char *name, size_t at)
{
    for (size_t i = 0; i < c->value_count; i++)
        if (strcmp(c->values[i].option->name, name) == 0 && at-- == 0)
            return c->values[i].text;
    return NULL;
}

const char *ctl_option(const struct ctl *c, const char *name)
{
    return ctl_option_at(c, name, 0);
}

int ctl_option_u64(const struct ctl *c, const char *name, uint64_t min, uint64_t max, uint64_t *ret, struct err *e)
{
    const char *text = ctl_option(c, name);
    uint64_t v = 0;
    if (text == NULL)
        return 0;
    if (decimal_parse(bytes_of_string(text), &v) != 0 || v < min || v > max)
        return err_set(e, ERR_INVALID, "ctl.number",
                       "'%s' is '%.64s', it must be a number from %" PRIu64 " to %" PRIu64, name, text, min, max);
    *ret = v;
    return 0;
}
