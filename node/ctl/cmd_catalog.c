/* catalog list, search, show. */
#include "node/ctl/cmd.h"

#include <string.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"

static void print_items(struct ctl *c, yyjson_val *root)
{
    static const char *const header[] = {"NODE", "CODE", "NAME", "VERSION", "OF"};
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "items"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        bool withdrawn = yyjson_get_bool(yyjson_obj_get(o, "withdrawn"));
        output_cell(&t, output_field(&c->mem, o, "node"));
        output_cell(&t, output_field(&c->mem, o, "code"));
        output_cell(&t, output_field(&c->mem, o, "name"));
        output_cell(&t, withdrawn ? "withdrawn" : output_field(&c->mem, o, "version"));
        output_cell(&t, output_field(&c->mem, o, "node_name"));
    }
    output_table_print(&t, "no items", c->out);
    const char *next = output_field(&c->mem, root, "next");
    if (next != NULL)
        fprintf(c->out, "more: --after %s\n", output_clean(&c->mem, next));
}

int cmd_catalog_list(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    uint64_t limit = 0, node = 0;
    buf_put_string(&url, "/v1/catalog");
    cmd_put_param(&url, "node", ctl_option(c, "--node"));
    cmd_put_param(&url, "limit", ctl_option(c, "--limit"));
    cmd_put_param(&url, "after", ctl_option(c, "--after"));
    int rc = ctl_option_u64(c, "--limit", 1, LIST_ROWS_MAX, &limit, e);
    if (rc == 0)
        rc = ctl_option_u64(c, "--node", 100000, 999999, &node, e);
    if (rc == 0)
        rc = cmd_get(c, buf_cstr(&url), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply))
        print_items(c, reply.root);
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}

static void print_hits(struct ctl *c, yyjson_val *root)
{
    static const char *const header[] = {"NODE", "CODE", "NAME", "MATCH", "OF"};
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "items"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        output_cell(&t, output_field(&c->mem, o, "node"));
        output_cell(&t, output_field(&c->mem, o, "code"));
        output_cell(&t, output_field(&c->mem, o, "name"));
        output_cell(&t, output_field(&c->mem, o, "match"));
        output_cell(&t, output_field(&c->mem, o, "node_name"));
    }
    output_table_print(&t, "nothing found", c->out);
}

int cmd_catalog_search(struct ctl *c, struct err *e)
{
    static const char *const names[] = {"node", "region", "life-event", "limit", "after"};
    struct client_reply reply = {0};
    struct buf url = {0};
    uint64_t n = 0;
    buf_put_string(&url, "/v1/catalog/search");
    cmd_put_param(&url, "text", c->arg_count > 0 ? c->args[0] : NULL);
    for (size_t i = 0; i < array_count(names); i++)
        cmd_put_param(&url, strcmp(names[i], "life-event") == 0 ? "life_event" : names[i],
                      ctl_option(c, arena_printf(&c->mem, "--%s", names[i])));
    int rc = ctl_option_u64(c, "--limit", 1, 100, &n, e);
    if (rc == 0)
        rc = ctl_option_u64(c, "--node", 100000, 999999, &n, e);
    if (rc == 0)
        rc = ctl_option_u64(c, "--region", 110000, 999999, &n, e);
    if (rc == 0)
        rc = cmd_get(c, buf_cstr(&url), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        yyjson_val *bundles = yyjson_obj_get(reply.root, "bundles");
        const char *next = output_field(&c->mem, reply.root, "next");
        print_hits(c, reply.root);
        if (next != NULL)
            fprintf(c->out, "more: --after %s\n", output_clean(&c->mem, next));
        if (yyjson_arr_size(bundles) > 0)
            fputs("\nbundles (一件事):\n", c->out);
        cmd_print_bundles(c, bundles, "");
    }
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}

int cmd_catalog_show(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    uint64_t node = 0;
    int rc = ctl_option_u64(c, "--node", 100000, 999999, &node, e);
    buf_put_string(&url, "/v1/catalog/");
    if (node != 0)
        buf_printf(&url, "%u/", (unsigned)node);
    client_put_encoded(&url, c->args[0]);
    if (rc == 0 && ctl_option(c, "--version") != NULL && node == 0)
        rc = err_set(e, ERR_INVALID, "ctl.option", "--version needs --node");
    cmd_put_param(&url, "version", ctl_option(c, "--version"));
    if (rc == 0)
        rc = cmd_get(c, buf_cstr(&url), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        yyjson_val *o = reply.root;
        const struct output_pair pairs[] = {
            {"item", output_field(&c->mem, o, "code")},
            {"name", output_field(&c->mem, o, "name")},
            {"of",
             arena_printf(&c->mem, "%s %s", output_text(&c->mem, o, "node"), output_text(&c->mem, o, "node_name"))},
            {"version", output_field(&c->mem, o, "version")},
            {"withdrawn", output_field(&c->mem, o, "withdrawn")},
        };
        output_pairs(&c->mem, pairs, array_count(pairs), c->out);
        cmd_print_pretty(c, yyjson_obj_get(o, "item"));
    }
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}
