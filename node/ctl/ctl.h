/* The command line `tongban`: one table of commands, one parser, two ways to print.
 *
 *   argv ──ctl_main──► command and options (ctl_parse.c) ──► cmd_*.c ──► client (the daemon's API) or certs/ (set-up)
 *                                                               └──► output (text tables, or --json)
 *
 * The daemon owns the meaning: a command turns options into one request and the answer into lines. JSON is the stable
 * interface: with --json a command prints what the API said, unchanged (node/API.md). Errors go to standard error as
 * `tongban: <message> (<id>)` with a hint below; the exit status is that of the error (node/base/err.h). One thread.
 */
#ifndef TB_CTL_CTL_H
#define TB_CTL_CTL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "node/base/arena.h"
#include "node/base/err.h"

#define CTL_ARGS_MAX 64
#define CTL_VALUES_MAX 128

struct ctl;

/* An option that one command takes. Arrays end with an entry without a name. */
struct ctl_option {
    const char *name;  /* "--item" */
    const char *value; /* "CODE"; NULL = a flag */
    bool required;
    bool repeated; /* may stand more than once */
    const char *help;
};

struct ctl_command {
    const char *name; /* "case submit": one or two words */
    const char *args; /* "CASE", "[CODE]", "NODEDIR..." or "" */
    unsigned args_min, args_max;
    bool needs_dir;                   /* --dir must be given (set-up commands) */
    const struct ctl_option *options; /* never NULL */
    int (*run)(struct ctl *c, struct err *e);
    const char *help;    /* one line */
    const char *example; /* a whole command line */
};

struct ctl_value {
    const struct ctl_option *option;
    const char *text; /* NULL for a flag */
};

/* One invocation. Texts are borrowed from argv or live in @mem. */
struct ctl {
    const struct ctl_command *command;
    const char *dir; /* --dir, $TONGBAN_DIR or the default; of a node, or of a CA */
    bool dir_given;
    bool json;
    bool help;
    const char *args[CTL_ARGS_MAX];
    size_t arg_count;
    struct ctl_value values[CTL_VALUES_MAX];
    size_t value_count;
    int exit_status; /* set by a command that has its own for errors; 0 = that of the error's code */
    struct arena mem;
    FILE *out;
};

/* Runs one command line; returns the exit status. @argv[0] is the program's name. */
int ctl_main(int argc, char **argv, FILE *out, FILE *err);

/* ctl_commands.c: the command table; ends with an entry without a name. */
extern const struct ctl_command ctl_commands[];

/* Value of an option (the last one given), NULL when not given; "" for a flag. */
const char *ctl_option(const struct ctl *c, const char *name);
/* The @at-th value of a repeated option, NULL behind the last. */
const char *ctl_option_at(const struct ctl *c, const char *name, size_t at);
/* A decimal option within min..max; *ret untouched when not given. ERR_INVALID "ctl.number". */
int ctl_option_u64(const struct ctl *c, const char *name, uint64_t min, uint64_t max, uint64_t *ret,
                   struct err *e) WARN_UNUSED;

/* ctl_parse.c: fills command, args, values, json, dir, help. ERR_INVALID "ctl.…" names what is wrong and suggests what was
 * meant. */
int ctl_parse(struct ctl *c, int argc, char **argv, struct err *e) WARN_UNUSED;
/* The entry of @names (NULL-terminated) that looks most like @text, or NULL when none does. */
const char *ctl_suggest(const char *text, const char *const *names);

/* ctl_help.c */
void ctl_print_help(FILE *out);
void ctl_print_command_help(const struct ctl_command *command, FILE *out);

/* cmd_*.c */
int cmd_help(struct ctl *c, struct err *e);
int cmd_version(struct ctl *c, struct err *e);
int cmd_status(struct ctl *c, struct err *e);
int cmd_peer_list(struct ctl *c, struct err *e);
int cmd_catalog_list(struct ctl *c, struct err *e);
int cmd_catalog_search(struct ctl *c, struct err *e);
int cmd_catalog_show(struct ctl *c, struct err *e);
int cmd_demo_peer(struct ctl *c, struct err *e);
int cmd_reconcile(struct ctl *c, struct err *e);
int cmd_reconcile_show(struct ctl *c, struct err *e);
int cmd_case_archive_export(struct ctl *c, struct err *e);
int cmd_case_archive_verify(struct ctl *c, struct err *e);
int cmd_publicity_list(struct ctl *c, struct err *e);
int cmd_publicity_export(struct ctl *c, struct err *e);
int cmd_route_explain(struct ctl *c, struct err *e);
int cmd_catalog_import(struct ctl *c, struct err *e);
int cmd_catalog_export(struct ctl *c, struct err *e);
int cmd_bundle_list(struct ctl *c, struct err *e);
int cmd_bundle_show(struct ctl *c, struct err *e);
int cmd_bundle_versions(struct ctl *c, struct err *e);
int cmd_bundle_plan(struct ctl *c, struct err *e);
int cmd_bundle_submit(struct ctl *c, struct err *e);
int cmd_bundle_import(struct ctl *c, struct err *e);
int cmd_bundle_withdraw(struct ctl *c, struct err *e);
int cmd_catalog_status(struct ctl *c, struct err *e);
int cmd_catalog_versions(struct ctl *c, struct err *e);
int cmd_identity_types(struct ctl *c, struct err *e);
int cmd_identity_check(struct ctl *c, struct err *e);
int cmd_case_submit(struct ctl *c, struct err *e);
int cmd_case_list(struct ctl *c, struct err *e);
int cmd_case_show(struct ctl *c, struct err *e);
int cmd_case_payload(struct ctl *c, struct err *e);
int cmd_case_watch(struct ctl *c, struct err *e);
int cmd_case_step(struct ctl *c,
                  struct err *e); /* accept, receipt, process, … : the command's second word is the event */
int cmd_case_fetch(struct ctl *c, struct err *e);
int cmd_case_review(struct ctl *c, struct err *e);
int cmd_case_part_done(struct ctl *c, struct err *e);
int cmd_case_pass_on(struct ctl *c, struct err *e); /* handover, supervise */
int cmd_case_decide(struct ctl *c, struct err *e);
int cmd_case_event(struct ctl *c, struct err *e);
int cmd_material_add(struct ctl *c, struct err *e);
int cmd_material_list(struct ctl *c, struct err *e);
int cmd_material_get(struct ctl *c, struct err *e);
int cmd_material_reuse(struct ctl *c, struct err *e);
int cmd_material_upload(struct ctl *c, struct err *e);
int cmd_material_drop(struct ctl *c, struct err *e);
int cmd_ledger_show(struct ctl *c, struct err *e);
int cmd_ledger_entries(struct ctl *c, struct err *e);
int cmd_ledger_verify(struct ctl *c, struct err *e);
int cmd_ledger_checkpoint(struct ctl *c, struct err *e);
int cmd_ledger_tile(struct ctl *c, struct err *e);
int cmd_ledger_witnesses(struct ctl *c, struct err *e);
int cmd_ledger_evidence(struct ctl *c, struct err *e);
int cmd_alarm_list(struct ctl *c, struct err *e);
int cmd_case_erase(struct ctl *c, struct err *e);
int cmd_case_erasure(struct ctl *c, struct err *e);
int cmd_case_hold(struct ctl *c, struct err *e);
int cmd_case_unhold(struct ctl *c, struct err *e);
int cmd_erasure_list(struct ctl *c, struct err *e);
int cmd_case_document(struct ctl *c, struct err *e);
int cmd_calendar_show(struct ctl *c, struct err *e);
int cmd_calendar_import(struct ctl *c, struct err *e);
int cmd_backup(struct ctl *c, struct err *e);
int cmd_restore(struct ctl *c, struct err *e);
int cmd_receipt_get(struct ctl *c, struct err *e);
int cmd_receipt_verify(struct ctl *c, struct err *e);
int cmd_receipt_convert(struct ctl *c, struct err *e);
int cmd_policy(struct ctl *c, struct err *e);
int cmd_ca_init(struct ctl *c, struct err *e);
int cmd_ca_issue(struct ctl *c, struct err *e);
int cmd_ca_revoke(struct ctl *c, struct err *e);
int cmd_ca_publish(struct ctl *c, struct err *e);
int cmd_node_init(struct ctl *c, struct err *e);

#endif
