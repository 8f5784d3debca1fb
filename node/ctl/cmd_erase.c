/* case erase, erasure, hold, unhold; erasure list. */
#include "node/ctl/cmd.h"

#include <stdlib.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"

/* Posts {@field: @text}, or nothing when @field is NULL. */
static int post_field(struct ctl *c, const char *path, const char *field, const char *text, struct client_reply *ret,
                      struct err *e)
{
    struct client_request r = {.dir = c->dir, .method = "POST", .path = path};
    size_t size = 0;
    if (field == NULL)
        return client_ask(&r, ret, e);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    xassert(doc != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    (void)yyjson_mut_obj_add_str(doc, root, field, text);
    char *body = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, &size);
    r.body = bytes_of(body, size);
    int rc =
        body != NULL ? client_ask(&r, ret, e) : err_set(e, ERR_INVALID, "ctl.text", "an argument is not UTF-8 text");
    free(body);
    yyjson_mut_doc_free(doc);
    return rc;
}

static void print_rows(struct ctl *c, yyjson_val *root, const char *when_empty)
{
    static const char *const header[] = {"CASE", "NODE", "NAME", "STATE", "SINCE", "BASIS", "ENTRY"};
    struct arena *mem = &c->mem;
    struct output_table t = output_table_open(mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "erasures"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        output_cell(&t, arena_printf(mem, "%.*s", CMD_CASE_ID_DIGITS, output_text(mem, o, "case")));
        output_cell(&t, output_field(mem, o, "node"));
        output_cell(&t, output_field(mem, o, "node_name"));
        output_cell(&t, output_field(mem, o, "state"));
        output_cell(&t, output_time(mem, o, "since"));
        output_cell(&t, output_field(mem, o, "article"));
        output_cell(&t, arena_printf(mem, "%s %s", output_text(mem, o, "origin"), output_text(mem, o, "index")));
    }
    output_table_print(&t, when_empty, c->out);
}

int cmd_case_erasure(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    int rc = cmd_get(c, cmd_case_path(c, c->args[0], "/erasure"), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        const char *hold = output_field(&c->mem, reply.root, "hold");
        if (hold != NULL)
            fprintf(c->out, "on hold: %s\n", output_clean(&c->mem, hold));
        print_rows(c, reply.root, "no erasure was ordered");
    }
    client_reply_close(&reply);
    return rc;
}

int cmd_erasure_list(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    uint64_t n = 0;
    int rc = ctl_option_u64(c, "--limit", 1, LIST_ROWS_MAX, &n, e);
    buf_put_string(&url, "/v1/erasures");
    cmd_put_param(&url, "limit", ctl_option(c, "--limit"));
    if (rc == 0)
        rc = cmd_get(c, buf_cstr(&url), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply))
        print_rows(c, reply.root, "every erasure that was ordered is done");
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}

/* The node's answer, then where the erasure stands now. */
static int print_erased(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    int rc = cmd_get(c, cmd_case_path(c, c->args[0], "/erasure"), &reply, e);
    if (rc == 0)
        print_rows(c, reply.root, "-");
    client_reply_close(&reply);
    return rc;
}

int cmd_case_erase(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    int rc = post_field(c, cmd_case_path(c, c->args[0], "/erase"), "basis", ctl_option(c, "--basis"), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        fprintf(c->out, "erased here and ordered of the others (已删除，并已通知其他参与方): entry %s %s\n",
                output_text(&c->mem, reply.root, "origin"), output_text(&c->mem, reply.root, "first_index"));
        rc = print_erased(c, e);
    }
    client_reply_close(&reply);
    return rc;
}

int cmd_case_hold(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    int rc = post_field(c, cmd_case_path(c, c->args[0], "/hold"), "reason", ctl_option(c, "--reason"), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply))
        fprintf(c->out, "on hold: the content stays here until 'tongban case unhold %s' (暂停删除)\n", c->args[0]);
    client_reply_close(&reply);
    return rc;
}

int cmd_case_unhold(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    int rc = post_field(c, cmd_case_path(c, c->args[0], "/unhold"), NULL, NULL, &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        bool erased = yyjson_get_uint(yyjson_obj_get(reply.root, "count")) > 0;
        fputs(erased ? "no longer on hold; the erasure that waited is done (已解除，并已删除)\n"
                     : "no longer on hold (已解除)\n",
              c->out);
    }
    client_reply_close(&reply);
    return rc;
}
