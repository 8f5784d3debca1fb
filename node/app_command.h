/* Inside of commands: shared by app_command.c, app_bundle_case.c and app_part.c. Loop thread. */
#ifndef TB_NODE_APP_COMMAND_H
#define TB_NODE_APP_COMMAND_H

#include "node/app_internal.h"
#include "node/cases/command.h"

struct command; /* one request from its call to its callback */

/* One event to be written. */
struct app_draft {
    struct case_command command;
    struct bytes payload; /* JSON; empty = none */
};

#define APP_NEW_CASES_MAX (CASE_PARTS_MAX + 1) /* of one request: a whole and its parts */

/* A case to be opened, with its first events; or, with @is_open, one that is there and gets some. */
struct app_new_case {
    uint8_t id[CASE_ID_SIZE];
    bool is_open;
    char item_name[301]; /* of a new one */
    char route_why[256]; /* why its item is decided there; "" = the application named the node */
    struct app_draft drafts[4];
    size_t count;
    const char *what; /* stands before a refusal; NULL: nothing */
};

/* Checks that the ledger is open and settles the request's key, then calls @run, which ends in app_write_cases() or fails. @cb as
 * in app.h. */
void app_run_command(struct app *a, const struct app_request *r, app_command_cb cb, void *ctx,
                     int (*run)(struct command *c, const void *arg, struct err *e), const void *arg);
/* The persons of an application, with warnings for the result. */
int app_command_persons(struct command *c, const struct app_submission *s, uint32_t *ret_division,
                        struct err *e) WARN_UNUSED;
/* The result of @c, which the caller may add warnings to. */
struct app_command_result *app_command_told(struct command *c);
/* The item, by its deciding node, judged (形式审查), and the drafts of the case; not its id. @result gets the warnings. */
int app_prepare_case(struct app *a, const struct app_submission *s, uint32_t division, struct app_new_case *ret,
                     struct app_command_result *result, struct err *e) WARN_UNUSED;
void app_new_case_id(const struct app *a, uint8_t id[CASE_ID_SIZE]);
/* Writes on @count cases in one transaction, all or none; @c ends with it, and its result is about the first one. */
int app_write_cases(struct command *c, const struct app_new_case *cases, size_t count, struct err *e) WARN_UNUSED;
/* One event that the node itself writes, in a transaction that exists. False: the rules do not allow it, or there is no room. The
 * caller does app_react() and app_case_changed(). */
bool app_add_event(struct app *a, struct case_slot *slot, const struct app_draft *d, struct ledger_txn *txn);

/* app_role.c: the role (enum case_role) of an event that this node writes as the receiving one of a case with @mode; of any event
 * on the case @s by the node @self. @channel: of a deliver, else 0. */
uint16_t app_receiving_role(uint8_t mode, uint16_t type, uint8_t channel);
uint16_t app_event_role(uint32_t self, const struct case_state *s, uint16_t type, uint8_t channel);

#endif
