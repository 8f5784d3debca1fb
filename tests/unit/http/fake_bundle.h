/* Bundles of the fake app (fake_app.h): one, which is always there. */
#ifndef TB_TESTS_UNIT_HTTP_FAKE_BUNDLE_H
#define TB_TESTS_UNIT_HTTP_FAKE_BUNDLE_H

#include <string.h>

#include "node/app_bundle.h"

static const struct app_bundle_view fake_bundle = {.node = 510000,
                                                   .node_name = "四川省",
                                                   .code = "BIRTH",
                                                   .name = "新生儿出生一件事",
                                                   .life_event = "出生",
                                                   .version = 3,
                                                   .status = "在用",
                                                   .is_in_force = true};

int app_list_bundles(struct app *a, const struct app_bundle_filter *f, struct arena *mem, struct app_bundle_view **ret,
                     size_t *ret_count, struct err *e)
{
    (void)a;
    (void)e;
    *ret = arena_alloc(mem, sizeof **ret);
    **ret = fake_bundle;
    *ret_count = f->limit > 0;
    return 0;
}

int app_get_bundle(struct app *a, const struct app_bundle_question *q, struct arena *mem, struct app_bundle_view *ret,
                   struct err *e)
{
    (void)a;
    (void)mem;
    *ret = fake_bundle;
    return q->version == 0 || q->version == 3
               ? 0
               : err_set(e, ERR_NOT_FOUND, "bundle.no-version", "no version %u", q->version);
}

int app_list_bundle_versions(struct app *a, uint32_t node, const char *code, struct arena *mem,
                             struct app_bundle_view **ret, size_t *ret_count, struct err *e)
{
    (void)node;
    return app_list_bundles(a, &(struct app_bundle_filter){.text = code, .limit = 1}, mem, ret, ret_count, e);
}

void app_import_bundles(struct app *a, struct bytes file, bool publish, app_bundle_import_cb cb, void *ctx)
{
    const struct app_bundle_import_result result = {.bundle_count = file.size, .published = publish};
    (void)a;
    cb(ctx, &result, &(struct err){0});
}

void app_withdraw_bundle(struct app *a, const char *code, app_command_cb cb, void *ctx)
{
    struct err e = {0};
    (void)a;
    if (strcmp(code, "BIRTH") != 0)
        (void)err_set(&e, ERR_NOT_FOUND, "bundle.none", "no bundle '%s'", code);
    cb(ctx, &(struct app_command_result){0}, &e);
}

int app_plan_bundle(struct app *a, const struct app_bundle_request *q, bool is_final, struct arena *mem,
                    struct app_bundle_plan *ret, struct err *e)
{
    static const struct app_bundle_part part = {.member = "HU", .item = "I", .node = 510000, .division = 510104};
    (void)a;
    (void)mem;
    *ret = (struct app_bundle_plan){.bundle = fake_bundle, .parts = &part, .part_count = 1};
    return q->answer_count > 0 || !is_final ? 0 : err_set(e, ERR_INVALID, "bundle.unanswered", "no answer");
}

void app_submit_bundle(struct app *a, const struct app_bundle_submission *s, const struct app_request *r,
                       app_command_cb cb, void *ctx)
{
    (void)s;
    (void)r;
    (void)a;
    cb(ctx, &(struct app_command_result){0}, &(struct err){0});
}

bool app_find_bundle_request(struct app *a, const struct app_request *r, struct app_command_result *ret)
{
    (void)a;
    (void)r;
    (void)ret;
    return false;
}

#endif
