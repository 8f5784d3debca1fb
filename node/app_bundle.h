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
    uint32_t node;    /* 0 = every node */
    const char *text; /* NULL = any; words: part of name, code or life event, or how these read (pinyin, initials) */
    const char *life_event; /* NULL = any; part of it */
    uint32_t region;        /* 0: any; else of this division, what lies in it or what it lies in */
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

/* ---- applications ---- */

/* What is asked of a bundle: which parts an applicant needs, who decides each, what to bring. */
struct app_bundle_division {
    const char *member;
    uint32_t division;
};
struct app_bundle_request {
    struct app_bundle_question which;
    const char *const *answers; /* "question=answer" */
    size_t answer_count;
    uint32_t division;                           /* home division of the matter; 0: by @persons */
    const struct app_bundle_division *divisions; /* of single members instead */
    size_t division_count;
    const char *const *promises; /* members whose applicant signs the promise (告知承诺) that their item allows */
    size_t promise_count;
    const struct app_submission *persons; /* whose application it is going to be; NULL: nobody's yet */
};
struct app_bundle_part {
    const char *member, *text; /* text NULL: none */
    const char *item, *item_name;
    uint32_t node, division; /* node 0: nobody is known to decide */
    const char *node_name;
    const char *why;                      /* node 0: in one sentence */
    bool is_joint;                        /* 多地联办 is offered */
    bool may_promise;                     /* 告知承诺 is offered, */
    bool is_promised;                     /* and made */
    const char *promise;                  /* may_promise: what is promised; NULL: the item does not say */
    const char *const *promise_materials; /* may_promise: codes of the materials that it replaces */
    size_t promise_material_count;
    const size_t *after; /* parts that must be granted before this one is sent on */
    size_t after_count;
    uint8_t case_id[CASE_ID_SIZE]; /* of the case that it becomes */
};
struct app_bundle_need { /* one thing to bring */
    const char *code, *name;
    const char *necessity;    /* required, conditional, deferrable; NULL when shared */
    const char *member;       /* NULL: shared */
    const size_t *parts;      /* that it is for */
    const char *const *codes; /* and its code in each */
    size_t part_count;
};
struct app_bundle_open {
    const char *code, *text;
    const char *const *answers;
    size_t answer_count;
};
struct app_bundle_plan {
    struct app_bundle_view bundle;
    uint32_t division;             /* 0: not known */
    uint8_t case_id[CASE_ID_SIZE]; /* of the whole */
    const struct app_bundle_part *parts;
    size_t part_count;
    const struct app_bundle_open *open; /* questions to ask first */
    size_t open_count;
    const struct app_bundle_need *needs;
    size_t need_count;
};
/* In @mem. Refusals name what is wrong: "bundle.answer", "bundle.member", "case.promise-unallowed" and those of
 * app_get_bundle(); with @is_final, before an application, also "bundle.not-in-force", "bundle.unanswered", "bundle.route", "bundle.parts" (none, or more than CASE_PARTS_MAX). */
int app_plan_bundle(struct app *a, const struct app_bundle_request *q, bool is_final, struct arena *mem,
                    struct app_bundle_plan *ret, struct err *e) WARN_UNUSED;

/* Codes of the materials that a part is given, those of its item. */
struct app_bundle_materials {
    const char *const *codes;
    size_t count;
};

/* An application from a final plan of the same turn of the loop: the whole and its parts are opened in one transaction, all or none. The
 * parts are routed as planned; one that waits for others stays received and is sent on by the node. Parts and contents are copied.
 * The result is about the whole. */
struct app_bundle_submission {
    const struct app_bundle_plan *plan;
    const struct app_submission *persons;
    struct bytes payload;                         /* of the whole: it must have "parts", see CASES.md */
    const struct bytes *payloads;                 /* of each part */
    const struct app_bundle_materials *materials; /* of each part, for the form check */
};
void app_submit_bundle(struct app *a, const struct app_bundle_submission *s, const struct app_request *r,
                       app_command_cb cb, void *ctx);
/* What this request did before, so that it need not be planned again. */
bool app_find_bundle_request(struct app *a, const struct app_request *r, struct app_command_result *ret);

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
