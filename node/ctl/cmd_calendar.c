/* calendar show, calendar import. */
#include "node/ctl/cmd.h"

#include "node/base/file.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

int cmd_calendar_show(struct ctl *c, struct err *e)
{
    static const char *const header[] = {"DATE", "TYPE"};
    struct client_reply reply = {0};
    struct buf url = {0};
    buf_put_string(&url, "/v1/calendar");
    cmd_put_param(&url, "year", c->args[0]);
    cmd_put_param(&url, "node", ctl_option(c, "--node"));
    cmd_put_param(&url, "division", ctl_option(c, "--division"));
    int rc = cmd_get(c, buf_cstr(&url), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        yyjson_val *o = reply.root;
        bool provisional = yyjson_get_bool(yyjson_obj_get(o, "provisional")),
             published = yyjson_get_bool(yyjson_obj_get(o, "published"));
        const struct output_pair pairs[] = {
            {"node", output_field(&c->mem, o, "node")},
            {"division", output_field(&c->mem, o, "division")},
            {"working days", output_field(&c->mem, o, "working_days")},
            {"source", provisional ? "weekends only: provisional, the notice of that year is not known"
                       : published ? "published by the node"
                                   : "the national table of this program"},
        };
        output_pairs(&c->mem, pairs, array_count(pairs), c->out);
        fputc('\n', c->out);
        struct output_table t = output_table_open(&c->mem, header, array_count(header));
        yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(o, "days"));
        for (yyjson_val *day = yyjson_arr_iter_next(&it); day != NULL; day = yyjson_arr_iter_next(&it)) {
            output_cell(&t, output_field(&c->mem, day, "date"));
            output_cell(&t, output_field(&c->mem, day, "type"));
        }
        output_table_print(&t, "no day differs from its weekday", c->out);
    }
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}

int cmd_calendar_import(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    struct buf body = {0}, url = {0};
    buf_put_string(&url, "/v1/calendar");
    cmd_put_param(&url, "division", ctl_option(c, "--division"));
    int rc = file_read(c->args[0], HTTP_BODY_BYTES_MAX, &body, e);
    if (rc == 0) {
        const struct client_request r = {
            .dir = c->dir, .method = "POST", .path = buf_cstr(&url), .body = buf_bytes(&body)};
        rc = client_ask(&r, &reply, e);
    }
    if (rc == 0 && !cmd_print_json(c, &reply))
        fprintf(c->out, "published as entry %s %s\n", output_text(&c->mem, reply.root, "origin"),
                output_text(&c->mem, reply.root, "index"));
    client_reply_close(&reply);
    buf_close(&body);
    buf_close(&url);
    return rc;
}
