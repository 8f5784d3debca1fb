/* Shared by the cmd_*.c files: asking the node of this invocation, and printing its answer as it came. */
#ifndef TB_CTL_CMD_H
#define TB_CTL_CMD_H

#include "node/ctl/client.h"
#include "node/ctl/ctl.h"
#include "node/ctl/output.h"

/* GET @path of the node in c->dir. */
int cmd_get(struct ctl *c, const char *path, struct client_reply *ret, struct err *e) WARN_UNUSED;
/* With --json prints the answer as it is and returns true. */
bool cmd_print_json(struct ctl *c, const struct client_reply *reply);
/* "/v1/cases/<ref><rest>", encoded, in c->mem. */
const char *cmd_case_path(struct ctl *c, const char *ref, const char *rest);
/* Appends "?name=value" or "&name=value" unless @value is NULL. */
void cmd_put_param(struct buf *url, const char *name, const char *value);
/* Prints pairs as text or, with --json, as one object. */
void cmd_print_pairs(struct ctl *c, const struct output_pair *pairs, size_t count);

/* cmd_identity.c: "agent" and "guardian" of an application, from the options of case submit. */
int cmd_put_persons(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *root, struct err *e) WARN_UNUSED;

/* cmd_import.c: the problems of a report, a row each; nothing when there is none. */
void cmd_print_problems(struct ctl *c, yyjson_val *root);
/* cmd_import.c: sends a file's content, prints the answer, also one of nothing but problems. ERR_INVALID "ctl.bad-rows" for those. */
int cmd_import(struct ctl *c, const char *path, struct bytes body, void (*print_report)(struct ctl *, yyjson_val *root),
               struct err *e) WARN_UNUSED;
/* cmd_bundle.c: rows of "bundles". */
void cmd_print_bundles(struct ctl *c, yyjson_val *list, const char *if_none);

/* cmd_case_write.c: parts of an application, from the options of case submit, and posting a document that ends in a case's events
 * (@what, for people). */
int cmd_put_applicant(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *root, struct err *e) WARN_UNUSED;
int cmd_put_form(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *root, struct err *e) WARN_UNUSED;
int cmd_put_materials(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *root, struct err *e) WARN_UNUSED;
/* Either everything in --json-file, or the options @needed; @beside may stand beside the file, too. */
int cmd_check_submit(const struct ctl *c, const char *const *needed, size_t needed_count, const char *beside,
                     struct err *e) WARN_UNUSED;
int cmd_post_file(struct ctl *c, const char *path, const char *name, const char *what, struct err *e) WARN_UNUSED;
int cmd_post_doc(struct ctl *c, const char *path, yyjson_mut_doc *doc, const char *what, struct err *e) WARN_UNUSED;

/* Waits, or less when a signal comes. */
void cmd_pause(uint32_t ms);

/* A JSON value over several lines. */
void cmd_print_pretty(struct ctl *c, yyjson_val *value);

/* Digits of a case id in tables: node and second, then 32 random bits, so that it can be typed again. */
#define CMD_CASE_ID_DIGITS 24

#endif
