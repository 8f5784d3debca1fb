/* The command table and the parser: every command explains itself, and every mistake is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/base/utf8.h"
#include "node/ctl/output.h"
#include "tests/unit/ctl/run.h"

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not hold '%s'", text, part);
}

/* "case submit" → words; returns how many. */
static size_t split(char *name, const char *words[3])
{
    char *space = strchr(name, ' ');
    words[0] = name;
    if (space == NULL)
        return 1;
    *space = '\0';
    words[1] = space + 1;
    return 2;
}

/* Over the whole table: help with usage, options and example; an unknown option named; a missing argument or option named;
 * an extra argument named. */
static void every_command_explains_itself(void **state)
{
    (void)state;
    for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++) {
        char name[64];
        const char *words[40] = {0};
        (void)snprintf(name, sizeof name, "%s", c->name);
        size_t count = split(name, words);
        assert_true(c->help[0] != '\0' && c->options != NULL && c->run != NULL && c->args_min <= c->args_max);
        assert_true(strncmp(c->example, "tongban ", 8) == 0 && strncmp(c->example + 8, c->name, strlen(c->name)) == 0);

        words[count] = "--help";
        struct run r = run_words(words);
        assert_int_equal(r.status, 0);
        assert_has(r.out, c->help);
        assert_has(r.out, c->example);
        for (const struct ctl_option *o = c->options; o->name != NULL; o++) {
            assert_true(strncmp(o->name, "--", 2) == 0 && o->help[0] != '\0');
            assert_false(o->required && o->value == NULL);
            assert_has(r.out, o->name);
        }
        assert_string_equal(r.err, "");

        words[count] = "--no-such-option";
        r = run_words(words);
        assert_int_equal(r.status, 2);
        assert_has(r.err, "has no option '--no-such-option' (ctl.unknown-option)\nhint: ");
        assert_string_equal(r.out, "");

        bool has_required = c->needs_dir;
        for (const struct ctl_option *o = c->options; o->name != NULL; o++)
            has_required = has_required || o->required;
        words[count] = NULL;
        if (c->args_min > 0) {
            r = run_words(words);
            assert_int_equal(r.status, 2);
            assert_has(r.err, c->args);
            assert_has(r.err, "(ctl.missing-argument)");
        } else if (has_required) {
            r = run_words(words);
            assert_int_equal(r.status, 2);
            assert_has(r.err, "(ctl.missing-option)");
        }
        if (c->args_max < 10) {
            for (size_t i = 0; i <= c->args_max; i++)
                words[count + i] = "extra";
            words[count + c->args_max + 1] = NULL;
            r = run_words(words);
            assert_int_equal(r.status, 2);
            assert_has(r.err, "'extra' (ctl.extra-argument)");
        }
    }
}

/* Each required option is missed when it alone is left out. */
static void required_options_are_named(void **state)
{
    (void)state;
    struct run r = RUN("node", "init", "--dir", "/tmp/x", "--region", "510000", "--name", "四川省");
    assert_has(r.err, "'node init' needs the option --federation-listen URL");
    r = RUN("node", "init", "--region", "510000", "--name", "四川省", "--federation-listen", "tls+tcp://a:1");
    assert_has(r.err, "needs the option --dir DIR");
    r = RUN("case", "deliver", "c0");
    assert_has(r.err, "needs the option --channel CHANNEL");
    r = RUN("case", "submit", "--item", "x", "--name", "y");
    assert_has(r.err, "needs the option --id (ctl.missing-option)");
    r = RUN("case", "decide", "c0");
    assert_has(r.err, "needs one of --grant and --deny");
    r = RUN("ca", "revoke", "--dir", "/tmp/x");
    assert_has(r.err, "needs one of --serial and --code");
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *words[14];
        const char *says;
    } cases[] = {
        {{NULL}, "no command is given (ctl.no-command)"},
        {{"--json"}, "(ctl.no-command)"},
        {{"case"}, "'case' needs a second word (ctl.unknown-command)\nhint: 'tongban help case' explains its commands"},
        {{"cse", "list"}, "there is no command 'cse list' (ctl.unknown-command)\nhint: did you mean 'case list'?"},
        {{"case", "sumbit"}, "hint: did you mean 'case submit'?"},
        {{"stauts"}, "hint: did you mean 'status'?"},
        {{"stauts", "now"}, "hint: did you mean 'status'?"},
        {{"zzzzzzzzzz"}, "hint: 'tongban help' lists the commands"},
        {{"help", "zzzzzzzzzz"}, "there is no command 'zzzzzzzzzz'"},
        {{"status", "--jsn"}, "hint: did you mean '--json'?"},
        {{"case", "submit", "--itme", "x"},
         "'case submit' has no option '--itme' (ctl.unknown-option)\nhint: did you mean '--item'?"},
        {{"status", "--json=1"}, "the option '--json' takes no value"},
        {{"status", "--dir"}, "the option '--dir' needs a value: DIR"},
        {{"status", "--dir", ""}, "the option '--dir' is empty (ctl.option-value)"},
        {{"status", "--dir="}, "the option '--dir' is empty (ctl.option-value)"},
        {{"backup", "--out", ""}, "the option '--out' is empty (ctl.option-value)"},
        {{"case", "event", "--json-file="}, "the option '--json-file' is empty (ctl.option-value)"},
        {{"a\x1b[2J\xff"}, "there is no command 'a?[2J?' (ctl.unknown-command)"},
        {{"help", "\xc2\x9b"
                  "31m\n"},
         "there is no command '?31m?'"},
        {{"status", "--\a\xe2\x80\xae"},
         "has no option '--?"
         "?'"},
        {{"status", "\x7f\r"},
         "what to do with '?"
         "?'"},
        {{"case", "list", "--item"}, "the option '--item' needs a value: CODE"},
        {{"case", "list", "--item", "a", "--item", "b"}, "the option '--item' stands twice"},
        {{"case", "list", "--limit", "0"}, "'--limit' is '0', it must be a number from 1 to 1000 (ctl.number)"},
        {{"case", "list", "--limit", "ten"}, "'--limit' is 'ten'"},
        {{"case", "submit", "--json-file", "f", "--item", "x"}, "'--item' cannot stand beside --json-file"},
        {{"case", "submit", "--item", "x", "--name", "y", "--id", "z", "--form", "novalue"},
         "'--form novalue' must be of the form"},
        {{"case", "review", "c0", "--official", "1", "--pass", "--return"},
         "'case review' needs one of --pass and --return (ctl.option-conflict)"},
        {{"case", "review", "c0", "--official", "1"},
         "'case review' needs one of --pass and --return (ctl.missing-option)"},
        {{"case", "part-done", "c0", "--part", "p"}, "needs one of --grant and --deny (ctl.missing-option)"},
        {{"case", "pause", "c0", "--kind", "hearing", "--days", "0"}, "--days"},
        {{"case", "evaluate", "c0", "--grade", "x"}, "--grade"},
        {{"case", "evaluate", "c0", "--grade", "0"}, "'--grade' is '0', it must be a number from 1 to 5 (ctl.number)"},
        {{"case", "evaluate", "c0", "--grade", "6"}, "'--grade' is '6', it must be a number from 1 to 5 (ctl.number)"},
        {{"case", "decide", "c0", "--grant", "--deny"}, "needs one of --grant and --deny (ctl.option-conflict)"},
        {{"ca", "revoke", "--dir", "x", "--serial", "1", "--dismiss"}, "--dismiss goes with --code"},
        {{"status", "--dir", "/tmp/tongban-no-such-folder"},
         "no node answers on '/tmp/tongban-no-such-folder/api.sock' (ctl.no-daemon)"},
    };
    (void)state;
    for (size_t i = 0; i < array_count(cases); i++) {
        struct run r = run_words(cases[i].words);
        if (r.status == 0 || strstr(r.err, cases[i].says) == NULL)
            fail_msg("case %zu: %d '%s' does not hold '%s'", i, r.status, r.err, cases[i].says);
        assert_int_equal(strncmp(r.err, "tongban: ", 9), 0);
        assert_string_equal(r.out, "");
    }
}

static void helps(void **state)
{
    (void)state;
    struct run r = RUN("help");
    assert_int_equal(r.status, 0);
    for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++)
        assert_has(r.out, c->name);
    assert_string_equal(RUN("--help").out, r.out);
    assert_string_equal(RUN("-h").out, r.out);
    assert_has(RUN("help", "case", "submit").out, "usage: tongban case submit");
    r = RUN("help", "ledger");
    assert_has(r.out, "usage: tongban ledger show");
    assert_has(r.out, "usage: tongban ledger checkpoint");
    assert_has(RUN("case", "show", "-h").out, "usage: tongban case show CASE");
    assert_has(RUN("version").out, "tongban ");
    assert_has(RUN("--json", "version").out, "{\"version\":\"");
}

static void suggests(void **state)
{
    static const char *const names[] = {"status", "case list", "peer list", NULL};
    (void)state;
    assert_string_equal(ctl_suggest("statsu", names), "status");
    assert_string_equal(ctl_suggest("case lst", names), "case list");
    assert_null(ctl_suggest("quite another", names));
    assert_null(ctl_suggest("", (const char *const[]){NULL}));
    char longest[300];
    memset(longest, 's', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(ctl_suggest(longest, names));
}

/* Chinese characters take two columns; cells of the last column are not padded; control characters are gone. */
static void tables_line_up(void **state)
{
    static const char *const header[] = {"CODE", "NAME", "X"};
    char *text = NULL;
    size_t size = 0;
    struct arena mem = ARENA_INIT;
    (void)state;
    FILE *out = open_memstream(&text, &size);
    struct output_table t = output_table_open(&mem, header, array_count(header));
    output_table_print(&t, "nothing", out);
    const char *const cells[] = {"1", "四川省", "a", "510000", "x\x1b[2J\n\xff", NULL};
    for (size_t i = 0; i < array_count(cells); i++)
        output_cell(&t, cells[i]);
    output_table_print(&t, "nothing", out);
    (void)fclose(out);
    assert_string_equal(text, "nothing\n"
                              "CODE    NAME     X\n"
                              "1       四川省   a\n"
                              "510000  x?[2J?\x3f  -\n");
    assert_string_equal(output_clean(&mem, "a\xe2\x80\xae"
                                           "b\xe2\x80\xa8\xc2\x85编"),
                        "a?b??编");
    free(text);
    arena_close(&mem);
}

static void values_line_up(void **state)
{
    char *text = NULL;
    size_t size = 0;
    struct arena mem = ARENA_INIT;
    (void)state;
    FILE *out = open_memstream(&text, &size);
    const struct output_pair pairs[] = {{"a", "1"}, {"left out", NULL}, {"名称", "四川\n省"}, {"valid until", "x\"y"}};
    output_pairs(&mem, pairs, array_count(pairs), out);
    output_pairs_json(pairs, array_count(pairs), out);
    (void)fclose(out);
    assert_string_equal(text, "a:           1\n名称:        四川?省\nvalid until: x\"y\n"
                              "{\"a\":\"1\",\"名称\":\"四川\\n省\",\"valid_until\":\"x\\\"y\"}\n");
    free(text);
    arena_close(&mem);
}

static void fields_become_text(void **state)
{
    static const char json[] =
        "{\"s\":\"x\",\"u\":7,\"n\":-3,\"t\":true,\"f\":false,\"null\":null,\"up_ms\":1795491684123,\"z_ms\":null}";
    struct arena mem = ARENA_INIT;
    yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
    yyjson_val *o = yyjson_doc_get_root(doc);
    (void)state;
    assert_string_equal(output_field(&mem, o, "s"), "x");
    assert_string_equal(output_field(&mem, o, "u"), "7");
    assert_string_equal(output_field(&mem, o, "n"), "-3");
    assert_string_equal(output_field(&mem, o, "t"), "yes");
    assert_string_equal(output_field(&mem, o, "f"), "no");
    assert_null(output_field(&mem, o, "null"));
    assert_null(output_field(&mem, NULL, "s"));
    assert_string_equal(output_text(&mem, o, "no"), "-");
    assert_string_equal(output_time(&mem, o, "up"), "2026-11-24 11:41:24"); /* UTC 03:41:24 */
    assert_string_equal(output_time(&mem, o, "z"), "");
    yyjson_doc_free(doc);
    arena_close(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_explains_itself),
        cmocka_unit_test(required_options_are_named),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(helps),
        cmocka_unit_test(suggests),
        cmocka_unit_test(tables_line_up),
        cmocka_unit_test(values_line_up),
        cmocka_unit_test(fields_become_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
