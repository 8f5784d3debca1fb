/* route explain: who decides an item for a division, step by step. */
#include "node/ctl/cmd.h"

#include "node/base/xassert.h"

static void print_steps(struct ctl *c, yyjson_val *root)
{
    static const char *const header[] = {"", "RULE", "WHY", "SOURCE"};
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "steps"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        output_cell(&t, yyjson_get_bool(yyjson_obj_get(o, "passed")) ? "+" : "-");
        output_cell(&t, output_field(&c->mem, o, "rule"));
        output_cell(&t, output_field(&c->mem, o, "text"));
        output_cell(&t, output_field(&c->mem, o, "source"));
    }
    output_table_print(&t, "", c->out);
}

static void print_route(struct ctl *c, yyjson_val *root)
{
    yyjson_val *who = yyjson_obj_get(root, "decides");
    const struct output_pair none[] = {{"decides", "nobody is known to decide"}};
    const struct output_pair pairs[] = {
        {"decides",
         arena_printf(&c->mem, "%s %s", output_text(&c->mem, who, "node"), output_text(&c->mem, who, "node_name"))},
        {"department", output_field(&c->mem, who, "department")},
        {"item", arena_printf(&c->mem, "%s %s", output_text(&c->mem, who, "code"), output_text(&c->mem, who, "name"))},
        {"division", output_field(&c->mem, root, "division_name")},
    };
    if (yyjson_is_obj(who))
        output_pairs(&c->mem, pairs, array_count(pairs), c->out);
    else
        output_pairs(&c->mem, none, array_count(none), c->out);
    fputc('\n', c->out);
    print_steps(c, root);
}

int cmd_route_explain(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    uint64_t n = 0;
    int rc = ctl_option_u64(c, "--division", 110000, 999999, &n, e);
    if (rc == 0)
        rc = ctl_option_u64(c, "--level", 1, 6, &n, e);
    buf_put_string(&url, "/v1/route");
    cmd_put_param(&url, "item", c->args[0]);
    cmd_put_param(&url, "division", ctl_option(c, "--division"));
    cmd_put_param(&url, "date", ctl_option(c, "--date"));
    cmd_put_param(&url, "level", ctl_option(c, "--level"));
    if (rc == 0)
        rc = cmd_get(c, buf_cstr(&url), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply))
        print_route(c, reply.root);
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}
