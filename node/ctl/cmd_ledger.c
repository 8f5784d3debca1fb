/* ledger show, entries, verify, checkpoint. */
#include "node/ctl/cmd.h"

#include "node/base/limits.h"
#include "node/base/xassert.h"

#define VERIFY_MS_MAX (30u * 60 * 1000) /* a large ledger takes minutes */

int cmd_ledger_show(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    int rc = cmd_get(c, "/v1/ledger", &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        const struct output_pair pairs[] = {
            {"ledger", output_field(&c->mem, reply.root, "origin")},
            {"entries", output_field(&c->mem, reply.root, "size")},
            {"root", output_field(&c->mem, reply.root, "root")},
        };
        output_pairs(&c->mem, pairs, array_count(pairs), c->out);
    }
    client_reply_close(&reply);
    return rc;
}

static void print_entries(struct ctl *c, yyjson_val *root)
{
    static const char *const header[] = {"ORIGIN", "INDEX", "WRITTEN", "KIND", "TYPE", "CASE", "PAYLOAD", "HASH"};
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "entries"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        yyjson_val *leaf = yyjson_obj_get(o, "leaf");
        const char *hash = output_field(&c->mem, o, "hash"), *id = output_field(&c->mem, leaf, "case");
        bool held = yyjson_get_bool(yyjson_obj_get(o, "payload_held"));
        output_cell(&t, output_field(&c->mem, o, "origin"));
        output_cell(&t, output_field(&c->mem, o, "index"));
        output_cell(&t, output_time(&c->mem, leaf, "written"));
        output_cell(&t, output_field(&c->mem, leaf, "kind"));
        output_cell(&t, output_field(&c->mem, leaf, "type"));
        output_cell(&t, id != NULL ? arena_printf(&c->mem, "%.*s", CMD_CASE_ID_DIGITS, id) : NULL);
        output_cell(&t, held ? arena_printf(&c->mem, "%s B", output_text(&c->mem, o, "payload_size")) : NULL);
        output_cell(&t, hash != NULL ? arena_printf(&c->mem, "%.16s", hash) : NULL);
    }
    output_table_print(&t, "no entries there", c->out);
}

int cmd_ledger_entries(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    uint64_t n = 0;
    int rc = ctl_option_u64(c, "--origin", 100000, 999999, &n, e);
    if (rc == 0)
        rc = ctl_option_u64(c, "--from", 0, INT64_MAX, &n, e);
    if (rc == 0)
        rc = ctl_option_u64(c, "--limit", 1, LIST_ROWS_MAX, &n, e);
    buf_put_string(&url, "/v1/ledger/entries");
    cmd_put_param(&url, "origin", ctl_option(c, "--origin"));
    cmd_put_param(&url, "from", ctl_option(c, "--from"));
    cmd_put_param(&url, "limit", ctl_option(c, "--limit"));
    if (rc == 0)
        rc = cmd_get(c, buf_cstr(&url), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply))
        print_entries(c, reply.root);
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}

int cmd_ledger_verify(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    const struct client_request r = {
        .dir = c->dir, .method = "POST", .path = "/v1/ledger/verify", .timeout_ms = VERIFY_MS_MAX};
    int rc = client_ask(&r, &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        yyjson_val *o = reply.root;
        const struct output_pair pairs[] = {
            {"result", output_field(&c->mem, o, "result")},
            {"own entries", output_field(&c->mem, o, "own_leaves")},
            {"entries of others", output_field(&c->mem, o, "replica_leaves")},
            {"cases", output_field(&c->mem, o, "cases")},
            {"payloads", output_field(&c->mem, o, "payloads")},
            {"root", output_field(&c->mem, o, "root")},
            {"took", arena_printf(&c->mem, "%s ms", output_text(&c->mem, o, "elapsed_ms"))},
        };
        output_pairs(&c->mem, pairs, array_count(pairs), c->out);
    }
    client_reply_close(&reply);
    return rc;
}

int cmd_ledger_checkpoint(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    uint64_t origin = 0;
    int rc = ctl_option_u64(c, "--origin", 100000, 999999, &origin, e);
    buf_put_string(&url, "/v1/ledger/checkpoint");
    cmd_put_param(&url, "origin", ctl_option(c, "--origin"));
    if (rc == 0)
        rc = cmd_get(c, buf_cstr(&url), &reply, e);
    if (rc == 0 && c->json) {
        const struct output_pair pair = {"checkpoint", buf_cstr(&reply.text)};
        output_pairs_json(&pair, 1, c->out);
    } else if (rc == 0) {
        (void)fwrite(reply.text.data, 1, reply.text.size, c->out); /* a signed text: byte for byte */
    }
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}
