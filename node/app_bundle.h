/* App, bundles (一件事一次办): published ones of all nodes, publishing own ones, and applications made from one (see app.h, whose
 * rules hold here). app_bundle.c, app_bundle_case.c.
 *
 * A bundle is published under a code by one node, version by version. In force on a day is the newest version of those since the
 * last withdrawal whose validity has the day, if its status is 在用.
 */
#ifndef TB_NODE_APP_BUNDLE_H
#define TB_NODE_APP_BUNDLE_H

#include "node/app.h"

struct app_bundle_view {
    uint32_t node;
    const char *node_name;
    const char *code, *name, *life_event;
    uint32_t version;
    uint64_t index; /* entry of the node's ledger */
    bool withdrawn;
    const char *status;            /* 在用, 暂停, 取消; "" of a withdrawal */
    uint32_t valid_from, valid_to; /* yyyymmdd, 0: not bounded */
    bool is_in_force;              /* on the day asked for */
    struct bytes json;             /* as published; empty in lists */
};
struct app_bundle_filter {
    uint32_t node;          /* 0 = every node */
    const char *text;       /* NULL = any; part of name, code or life event */
    const char *life_event; /* NULL = any; part of it */
    uint32_t date;          /* yyyymmdd; 0: today in China */
    const char *after_code; /* page */
    uint32_t after_node;
    size_t limit;
};
/* One row for each bundle that is not withdrawn: the version in force on the day, else the newest. */
int app_list_bundles(struct app *a, const struct app_bundle_filter *f, struct arena *mem, struct app_bundle_view **ret,
                     size_t *ret_count, struct err *e) WARN_UNUSED;
/* @node 0: the only node that publishes @code, ERR_CONFLICT "bundle.several-nodes" when several do. @version 0: the one in force on
 * @date (0: today), else the newest. ERR_NOT_FOUND "bundle.none", "bundle.no-version". */
struct app_bundle_question {
    uint32_t node;
    const char *code;
    uint32_t version;
    uint32_t date;
};
int app_get_bundle(struct app *a, const struct app_bundle_question *q, struct arena *mem, struct app_bundle_view *ret,
                   struct err *e) WARN_UNUSED;
/* Publications and withdrawals, newest first. */
int app_list_bundle_versions(struct app *a, uint32_t node, const char *code, struct arena *mem,
                             struct app_bundle_view **ret, size_t *ret_count, struct err *e) WARN_UNUSED;

/* ---- publishing ---- */

struct import_problem;
struct app_bundle_change {
    const char *code, *name;
    uint32_t version_before; /* 0: it is new */
    uint32_t version_after;
};
struct app_bundle_import_result {
    const struct import_problem *problems;
    size_t problem_count, problem_total;
    size_t bundle_count; /* in the file */
    const struct app_bundle_change *changes;
    size_t change_count, unchanged_count;
    bool published;
};
/* A file of bundles (catalog/bundle_import.h), copied. @publish false: only the report. All of it is published in one transaction, or,
 * with any problem, nothing. Otherwise as app_import(), with which it shares ERR_BUSY "catalog.import-running". Beyond the form
 * it is judged whether every item is known here ("bundle.item-unknown") and each changed bundle has a higher version
 * ("bundle.version-old"). @result lives until @cb returns. */
typedef void (*app_bundle_import_cb)(void *ctx, const struct app_bundle_import_result *result, const struct err *e);
void app_import_bundles(struct app *a, struct bytes file, bool publish, app_bundle_import_cb cb, void *ctx);

/* Withdraws an own bundle: nobody can apply for it any more; cases that were made from it go on. ERR_NOT_FOUND "bundle.none",
 * ERR_CONFLICT "bundle.withdrawn". */
void app_withdraw_bundle(struct app *a, const char *code, app_command_cb cb, void *ctx);

#endif
