/* bundle list, show, versions, import, withdraw. */
#include "node/ctl/cmd.h"

#include <string.h>

#include "node/base/file.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

/* "2026-01-01 to 2026-12-31", "from …", "to …"; NULL: not bounded */
static const char *validity(struct ctl *c, yyjson_val *o)
{
    const char *from = output_field(&c->mem, o, "valid_from"), *to = output_field(&c->mem, o, "valid_to");
    if (from != NULL && to != NULL)
        return arena_printf(&c->mem, "%s to %s", from, to);
    if (from == NULL && to == NULL)
        return NULL;
    return arena_printf(&c->mem, "%s %s", from != NULL ? "from" : "to", from != NULL ? from : to);
}

void cmd_print_bundles(struct ctl *c, yyjson_val *list, const char *if_none)
{
    static const char *const header[] = {"NODE", "CODE", "NAME", "LIFE_EVENT", "VERSION", "IN_FORCE", "VALID", "OF"};
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(list);
    if (yyjson_arr_size(list) == 0 && if_none[0] == '\0')
        return;
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        output_cell(&t, output_field(&c->mem, o, "node"));
        output_cell(&t, output_field(&c->mem, o, "code"));
        output_cell(&t, output_field(&c->mem, o, "name"));
        output_cell(&t, output_field(&c->mem, o, "life_event"));
        output_cell(&t, output_field(&c->mem, o, "version"));
        output_cell(&t, output_field(&c->mem, o, "in_force"));
        output_cell(&t, validity(c, o));
        output_cell(&t, output_field(&c->mem, o, "node_name"));
    }
    output_table_print(&t, if_none, c->out);
}

int cmd_bundle_list(struct ctl *c, struct err *e)
{
    static const char *const names[] = {"node", "text", "region", "date", "limit", "after"};
    struct client_reply reply = {0};
    struct buf url = {0};
    uint64_t n = 0;
    buf_put_string(&url, "/v1/bundles");
    for (size_t i = 0; i < array_count(names); i++)
        cmd_put_param(&url, names[i], ctl_option(c, arena_printf(&c->mem, "--%s", names[i])));
    cmd_put_param(&url, "life_event", ctl_option(c, "--life-event"));
    int rc = ctl_option_u64(c, "--limit", 1, LIST_ROWS_MAX, &n, e);
    if (rc == 0)
        rc = ctl_option_u64(c, "--node", 100000, 999999, &n, e);
    if (rc == 0)
        rc = ctl_option_u64(c, "--region", 110000, 999999, &n, e);
    if (rc == 0)
        rc = cmd_get(c, buf_cstr(&url), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        const char *next = output_field(&c->mem, reply.root, "next");
        cmd_print_bundles(c, yyjson_obj_get(reply.root, "bundles"), "no bundles");
        if (next != NULL)
            fprintf(c->out, "more: --after %s\n", output_clean(&c->mem, next));
    }
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}

/* "/v1/bundles/<node>/<code><rest>"; @node 0: the only one that publishes it. */
static void put_path(struct ctl *c, struct buf *url, uint64_t node, const char *rest)
{
    buf_put_string(url, "/v1/bundles/");
    if (node != 0)
        buf_printf(url, "%u/", (unsigned)node);
    client_put_encoded(url, c->args[0]);
    buf_put_string(url, rest);
}

int cmd_bundle_show(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    uint64_t node = 0, version = 0;
    int rc = ctl_option_u64(c, "--node", 100000, 999999, &node, e);
    if (rc == 0)
        rc = ctl_option_u64(c, "--version", 1, UINT32_MAX, &version, e);
    put_path(c, &url, node, "");
    cmd_put_param(&url, "version", ctl_option(c, "--version"));
    cmd_put_param(&url, "date", ctl_option(c, "--date"));
    if (rc == 0)
        rc = cmd_get(c, buf_cstr(&url), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        yyjson_val *o = reply.root;
        const struct output_pair pairs[] = {
            {"bundle", output_field(&c->mem, o, "code")},
            {"name", output_field(&c->mem, o, "name")},
            {"life event", output_field(&c->mem, o, "life_event")},
            {"of",
             arena_printf(&c->mem, "%s %s", output_text(&c->mem, o, "node"), output_text(&c->mem, o, "node_name"))},
            {"version", output_field(&c->mem, o, "version")},
            {"in force", output_field(&c->mem, o, "in_force")},
            {"valid", validity(c, o)},
            {"withdrawn", output_field(&c->mem, o, "withdrawn")},
        };
        output_pairs(&c->mem, pairs, array_count(pairs), c->out);
        fputc('\n', c->out);
        cmd_print_pretty(c, yyjson_obj_get(o, "bundle"));
    }
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}

int cmd_bundle_versions(struct ctl *c, struct err *e)
{
    static const char *const header[] = {"VERSION", "ENTRY", "IN_FORCE", "STATUS", "VALID", "WITHDRAWN"};
    struct client_reply reply = {0};
    struct buf url = {0};
    uint64_t node = 0;
    int rc = ctl_option_u64(c, "--node", 100000, 999999, &node, e);
    put_path(c, &url, node, "/versions");
    if (rc == 0)
        rc = cmd_get(c, buf_cstr(&url), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        struct output_table t = output_table_open(&c->mem, header, array_count(header));
        yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(reply.root, "versions"));
        for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
            output_cell(&t, output_field(&c->mem, o, "version"));
            output_cell(&t, output_field(&c->mem, o, "index"));
            output_cell(&t, output_field(&c->mem, o, "in_force"));
            output_cell(&t, output_field(&c->mem, o, "status"));
            output_cell(&t, validity(c, o));
            output_cell(&t, output_field(&c->mem, o, "withdrawn"));
        }
        output_table_print(&t, "nothing known of this bundle", c->out);
    }
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}

/* ---- publishing ---- */

static void print_report(struct ctl *c, yyjson_val *root)
{
    static const char *const header[] = {"CODE", "NAME", "VERSION", "BEFORE"};
    yyjson_val *list = yyjson_obj_get(root, "changes");
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(list);
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        output_cell(&t, output_field(&c->mem, o, "code"));
        output_cell(&t, output_field(&c->mem, o, "name"));
        output_cell(&t, output_field(&c->mem, o, "version_after"));
        output_cell(&t, output_field(&c->mem, o, "version_before"));
    }
    cmd_print_problems(c, root);
    if (yyjson_arr_size(list) > 0)
        output_table_print(&t, "", c->out);
    const struct output_pair pairs[] = {
        {"bundles in the file", output_field(&c->mem, root, "bundles")},
        {"wrong", output_field(&c->mem, root, "problem_count")},
        {"new or changed", arena_printf(&c->mem, "%zu", yyjson_arr_size(list))},
        {"unchanged", output_field(&c->mem, root, "unchanged_count")},
        {"published", output_field(&c->mem, root, "published")},
    };
    output_pairs(&c->mem, pairs, array_count(pairs), c->out);
}

int cmd_bundle_import(struct ctl *c, struct err *e)
{
    const char *path = ctl_option(c, "--publish") != NULL ? "/v1/bundles/import?publish=true" : "/v1/bundles/import";
    struct buf body = {0};
    int rc = file_read(c->args[0], CATALOG_FILE_BYTES_MAX, &body, e);
    if (rc == 0)
        rc = cmd_import(c, path, buf_bytes(&body), print_report, e);
    buf_close(&body);
    return rc;
}

int cmd_bundle_withdraw(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    put_path(c, &url, 0, "/withdraw");
    const struct client_request r = {.dir = c->dir, .method = "POST", .path = buf_cstr(&url)};
    int rc = client_ask(&r, &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        const struct output_pair pairs[] = {
            {"withdrawn", c->args[0]},
            {"entry", arena_printf(&c->mem, "%s %s", output_text(&c->mem, reply.root, "origin"),
                                   output_text(&c->mem, reply.root, "index"))},
        };
        output_pairs(&c->mem, pairs, array_count(pairs), c->out);
    }
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}
