/* bundle plan, submit: what an applicant needs of a bundle, and one application for all of it. */
#include "node/ctl/cmd.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"

/* "NAME=VALUE" of every option @option, as an object of texts under @key. */
static int put_pairs(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *root, const char *option, const char *key,
                     struct err *e)
{
    const char *text = ctl_option_at(c, option, 0);
    if (text == NULL)
        return 0;
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, root, key);
    for (size_t i = 0; text != NULL; text = ctl_option_at(c, option, ++i)) {
        const char *equals = strchr(text, '=');
        if (equals == NULL || equals == text)
            return err_set(e, ERR_INVALID, "ctl.pair", "'%s %.64s' must be of the form NAME=VALUE", option, text);
        const char *name = arena_strndup(&c->mem, text, (size_t)(equals - text));
        if (yyjson_mut_obj_get(o, name) != NULL)
            return err_set(e, ERR_INVALID, "ctl.pair", "'%s %.64s=…' stands twice", option, name);
        (void)yyjson_mut_obj_add(o, yyjson_mut_str(doc, name), yyjson_mut_str(doc, equals + 1));
    }
    return 0;
}

static void put_promises(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    const char *member = ctl_option_at(c, "--promise", 0);
    yyjson_mut_val *list = member == NULL ? NULL : yyjson_mut_obj_add_arr(doc, root, "promise");
    for (size_t i = 0; member != NULL; member = ctl_option_at(c, "--promise", ++i))
        (void)yyjson_mut_arr_add_str(doc, list, member);
}

static int put_question(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *root, struct err *e)
{
    uint64_t version = 0;
    const char *division = ctl_option(c, "--division");
    int rc = ctl_option_u64(c, "--version", 1, UINT32_MAX, &version, e);
    if (rc == 0)
        rc = put_pairs(c, doc, root, "--answer", "answers", e);
    if (rc == 0)
        rc = put_pairs(c, doc, root, "--part-division", "divisions", e);
    put_promises(c, doc, root);
    if (version != 0)
        (void)yyjson_mut_obj_add_uint(doc, root, "version", version);
    if (division != NULL)
        (void)yyjson_mut_obj_add_str(doc, root, "division", division);
    return rc;
}

/* "/v1/bundles/<node>/<code><rest>" in c->mem; without --node the node is asked for first. */
static int find_path(struct ctl *c, const char *rest, const char **ret, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    uint64_t node = 0;
    int rc = ctl_option_u64(c, "--node", 100000, 999999, &node, e);
    if (rc == 0 && node == 0) {
        buf_put_string(&url, "/v1/bundles/");
        client_put_encoded(&url, c->args[0]);
        rc = cmd_get(c, buf_cstr(&url), &reply, e);
        node = yyjson_get_uint(yyjson_obj_get(reply.root, "node"));
        client_reply_close(&reply);
        buf_close(&url);
        url = (struct buf){0};
    }
    if (rc == 0) {
        buf_printf(&url, "/v1/bundles/%u/", (unsigned)node);
        client_put_encoded(&url, c->args[0]);
        buf_put_string(&url, rest);
        *ret = arena_strdup(&c->mem, buf_cstr(&url));
    }
    buf_close(&url);
    return rc;
}

static void print_parts(struct ctl *c, yyjson_val *root)
{
    static const char *const header[] = {"PART", "ITEM", "NODE", "OF", "DIVISION", "AFTER", "WHAT"};
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "parts"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        const char *after = "";
        yyjson_arr_iter names = yyjson_arr_iter_with(yyjson_obj_get(o, "after"));
        for (yyjson_val *n = yyjson_arr_iter_next(&names); n != NULL; n = yyjson_arr_iter_next(&names))
            after = arena_printf(&c->mem, "%s%s%s", after, after[0] == '\0' ? "" : " ", yyjson_get_str(n));
        const char *why = output_field(&c->mem, o, "why");
        output_cell(&t, output_field(&c->mem, o, "member"));
        output_cell(&t, output_field(&c->mem, o, "item"));
        output_cell(&t, output_field(&c->mem, o, "node"));
        output_cell(&t, output_field(&c->mem, o, "node_name"));
        output_cell(&t, output_field(&c->mem, o, "division"));
        output_cell(&t, after);
        output_cell(&t, why != NULL ? why : output_field(&c->mem, o, "item_name"));
    }
    output_table_print(&t, "no parts", c->out);
}

static void print_open(struct ctl *c, yyjson_val *root)
{
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "open"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        fprintf(c->out, "to be answered: %s %s", output_text(&c->mem, o, "code"), output_text(&c->mem, o, "text"));
        yyjson_arr_iter answers = yyjson_arr_iter_with(yyjson_obj_get(o, "answers"));
        for (yyjson_val *n = yyjson_arr_iter_next(&answers); n != NULL; n = yyjson_arr_iter_next(&answers))
            fprintf(c->out, " %s", output_clean(&c->mem, yyjson_is_str(n) ? yyjson_get_str(n) : ""));
        fputc('\n', c->out);
    }
}

static void print_promises(struct ctl *c, yyjson_val *root)
{
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "parts"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        yyjson_val *promise = yyjson_obj_get(o, "promise");
        const char *text = output_field(&c->mem, promise, "text");
        if (!yyjson_is_obj(promise))
            continue;
        fprintf(c->out, "%s: %s", output_text(&c->mem, o, "member"),
                yyjson_get_bool(yyjson_obj_get(promise, "made")) ? "promised (告知承诺)"
                                                                 : "may be promised (告知承诺, --promise)");
        yyjson_arr_iter codes = yyjson_arr_iter_with(yyjson_obj_get(promise, "materials"));
        for (yyjson_val *n = yyjson_arr_iter_next(&codes); n != NULL; n = yyjson_arr_iter_next(&codes))
            fprintf(c->out, " instead of %s", output_clean(&c->mem, yyjson_is_str(n) ? yyjson_get_str(n) : ""));
        fprintf(c->out, "%s%s\n", text == NULL ? "" : ": ", text == NULL ? "" : text);
    }
}

static void print_materials(struct ctl *c, yyjson_val *root)
{
    static const char *const header[] = {"MATERIAL", "FOR", "NAME"};
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "materials"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        const char *serves = "", *member = output_field(&c->mem, o, "member");
        yyjson_arr_iter names = yyjson_arr_iter_with(yyjson_obj_get(o, "serves"));
        for (yyjson_val *n = yyjson_arr_iter_next(&names); n != NULL; n = yyjson_arr_iter_next(&names))
            serves = arena_printf(&c->mem, "%s%s%s", serves, serves[0] == '\0' ? "" : " ", yyjson_get_str(n));
        const char *code = output_text(&c->mem, o, "code");
        output_cell(&t, member == NULL ? code : arena_printf(&c->mem, "%s/%s", member, code));
        output_cell(&t, serves);
        output_cell(&t, output_field(&c->mem, o, "name"));
    }
    output_table_print(&t, "no materials", c->out);
}

int cmd_bundle_plan(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    const char *path = NULL;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    xassert(doc != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    size_t size = 0;
    char *text = NULL;
    int rc = put_question(c, doc, root, e);
    if (rc == 0)
        rc = find_path(c, "/plan", &path, e);
    if (rc == 0 && (text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, &size)) == NULL)
        rc = err_set(e, ERR_INVALID, "ctl.text", "an argument is not UTF-8 text");
    if (rc == 0) {
        const struct client_request r = {.dir = c->dir, .method = "POST", .path = path, .body = bytes_of(text, size)};
        rc = client_ask(&r, &reply, e);
    }
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        print_parts(c, reply.root);
        fputc('\n', c->out);
        print_materials(c, reply.root);
        print_promises(c, reply.root);
        print_open(c, reply.root);
    }
    free(text);
    yyjson_mut_doc_free(doc);
    client_reply_close(&reply);
    return rc;
}

int cmd_bundle_submit(struct ctl *c, struct err *e)
{
    static const char *const needed[] = {"--name", "--id"};
    const char *path = NULL, *file = ctl_option(c, "--json-file");
    int rc = cmd_check_submit(c, needed, array_count(needed), "--node", e);
    if (rc == 0)
        rc = find_path(c, "/cases", &path, e);
    if (rc != 0)
        return rc;
    if (file != NULL)
        return cmd_post_file(c, path, file, "application for a bundle", e);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    xassert(doc != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    rc = put_question(c, doc, root, e);
    if (rc == 0)
        rc = cmd_put_applicant(c, doc, root, e);
    if (rc == 0)
        rc = cmd_put_form(c, doc, root, e);
    if (rc == 0)
        rc = cmd_put_materials(c, doc, root, e);
    if (rc == 0)
        rc = cmd_post_doc(c, path, doc, "application for a bundle", e);
    yyjson_mut_doc_free(doc);
    return rc;
}
