/* catalog import, export, status, versions: the own catalog from and to files of an office.
 *
 * Several CSV files go as one body, each after a line "#table,NAME,FILE", so that the report can name file and line.
 */
#include "node/ctl/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "node/base/file.h"
#include "node/base/gb18030.h"
#include "node/base/limits.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

#define IMPORT_TIMEOUT_MS 600000u /* a large workbook takes minutes */

static const char *const formats[] = {"json", "csv", "xlsx"};

/* By the ending of the file's name. */
static int format_of(const char *path, const char **ret, struct err *e)
{
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < array_count(formats); i++)
        if (strcasecmp(dot + 1, formats[i]) == 0) {
            *ret = formats[i];
            return 0;
        }
    return err_set(e, ERR_INVALID, "ctl.file-format", "'%.200s' does not end in .json, .csv or .xlsx", path);
}

/* ---- import ---- */

/* A CSV cell: in quotes, which a file's name may need. */
static void put_cell(struct buf *b, const char *text, size_t size)
{
    buf_put_u8(b, '"');
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"')
            buf_put_u8(b, '"');
        buf_put_u8(b, (uint8_t)text[i]);
    }
    buf_put_u8(b, '"');
}

/* Appends one CSV file as UTF-8 behind the line that says which table and file it is. */
static int put_table(struct buf *body, const char *path, struct bytes text, struct err *e)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    struct buf converted = {0};
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    int rc = 0;
    if (text.size >= sizeof mark && memcmp(text.data, mark, sizeof mark) == 0)
        text = bytes_of(text.data + sizeof mark, text.size - sizeof mark);
    if (!utf8_is_valid((const char *)text.data, text.size)) {
        rc = gb18030_to_utf8(text, &converted, e);
        text = buf_bytes(&converted);
    }
    buf_put_string(body, "#table,");
    put_cell(body, name, strcspn(name, "."));
    buf_put_u8(body, ',');
    put_cell(body, name, strlen(name));
    buf_put_u8(body, '\n');
    buf_put(body, text.data, text.size);
    buf_put_u8(body, '\n');
    buf_close(&converted);
    return rc != 0 ? err_wrap(e, "%.200s", path) : 0;
}

static int read_files(struct ctl *c, struct buf *body, const char **ret_format, struct err *e)
{
    size_t count = c->arg_count;
    int rc = format_of(c->args[0], ret_format, e);
    buf_init(body, CATALOG_FILE_BYTES_MAX);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const char *format = NULL;
        struct buf text = {0};
        rc = format_of(c->args[i], &format, e);
        if (rc == 0 && count > 1 && strcmp(format, "csv") != 0)
            rc = err_set(e, ERR_INVALID, "ctl.file-format",
                         "'%.200s': several files can only be CSV, one for each table", c->args[i]);
        if (rc == 0)
            rc = file_read(c->args[i], CATALOG_FILE_BYTES_MAX, &text, e);
        if (rc == 0 && count > 1)
            rc = put_table(body, c->args[i], buf_bytes(&text), e);
        else if (rc == 0)
            buf_put(body, text.data, text.size);
        buf_close(&text);
    }
    if (rc == 0 && body->failed)
        rc = err_set(e, ERR_LIMIT, "ctl.file-format", "the files have more than %u bytes together",
                     CATALOG_FILE_BYTES_MAX);
    return rc;
}

void cmd_print_problems(struct ctl *c, yyjson_val *root)
{
    static const char *const header[] = {"FILE", "SHEET", "LINE", "COLUMN", "FIELD", "VALUE", "RULE"};
    yyjson_val *list = yyjson_obj_get(root, "problems");
    if (yyjson_arr_size(list) == 0)
        return;
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(list);
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        const char *source = output_field(&c->mem, o, "source");
        bool has_source = source != NULL && source[0] != '\0' && strcmp(source, "-") != 0;
        output_cell(&t, output_field(&c->mem, o, "file"));
        output_cell(&t, output_field(&c->mem, o, "sheet"));
        output_cell(&t, output_field(&c->mem, o, "line"));
        output_cell(&t, output_field(&c->mem, o, "column"));
        output_cell(&t, output_field(&c->mem, o, "field"));
        output_cell(&t, output_field(&c->mem, o, "value"));
        output_cell(&t, arena_printf(&c->mem, "%s%s%s [%s]", output_text(&c->mem, o, "rule"), has_source ? ", " : "",
                                     has_source ? source : "", output_text(&c->mem, o, "id")));
    }
    output_table_print(&t, "", c->out);
}

static void print_changes(struct ctl *c, yyjson_val *root, const char *name)
{
    static const char *const header[] = {"", "CODE", "NAME", "VERSION", "CASES", "FIELDS"};
    yyjson_val *list = yyjson_obj_get(root, name);
    if (yyjson_arr_size(list) == 0)
        return;
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(list);
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        output_cell(&t, name);
        output_cell(&t, output_field(&c->mem, o, "code"));
        output_cell(&t, output_field(&c->mem, o, "name"));
        output_cell(&t, output_field(&c->mem, o, "version_after"));
        output_cell(&t, output_field(&c->mem, o, "cases"));
        output_cell(&t, output_field(&c->mem, o, "fields"));
    }
    output_table_print(&t, "", c->out);
}

/* A value on one line: line ends as \\n. */
static const char *one_line(struct ctl *c, const char *text)
{
    struct buf b = {0};
    for (; *text != '\0'; text++)
        if (*text == '\n')
            buf_put_string(&b, "\\n");
        else
            buf_put_u8(&b, (uint8_t)*text);
    const char *line = output_clean(&c->mem, buf_cstr(&b));
    buf_close(&b);
    return line;
}

static void print_difference(struct ctl *c, yyjson_val *o)
{
    const char *before = output_field(&c->mem, o, "before"), *after = output_field(&c->mem, o, "after");
    fprintf(c->out, "  %s ", output_clean(&c->mem, output_text(&c->mem, o, "path")));
    if (before != NULL && after != NULL)
        fprintf(c->out, "%s → %s\n", one_line(c, before), one_line(c, after));
    else
        fprintf(c->out, "%s: %s\n", before == NULL ? "added" : "removed",
                one_line(c, before != NULL  ? before
                            : after != NULL ? after
                                            : ""));
}

/* What each changed item has been and will be. */
static void print_differences(struct ctl *c, yyjson_val *root)
{
    yyjson_arr_iter items = yyjson_arr_iter_with(yyjson_obj_get(root, "changed"));
    for (yyjson_val *item = yyjson_arr_iter_next(&items); item != NULL; item = yyjson_arr_iter_next(&items)) {
        yyjson_val *list = yyjson_obj_get(item, "differences");
        uint64_t listed = yyjson_arr_size(list), all = yyjson_get_uint(yyjson_obj_get(item, "difference_count"));
        yyjson_arr_iter it = yyjson_arr_iter_with(list);
        fprintf(c->out, "%s %s\n", output_clean(&c->mem, output_text(&c->mem, item, "code")),
                output_clean(&c->mem, output_text(&c->mem, item, "name")));
        for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it))
            print_difference(c, o);
        if (all > listed)
            fprintf(c->out, "  and %llu more differences, which a report does not list\n",
                    (unsigned long long)(all - listed));
    }
}

static void print_report(struct ctl *c, yyjson_val *root)
{
    cmd_print_problems(c, root);
    print_changes(c, root, "added");
    print_changes(c, root, "changed");
    print_changes(c, root, "withdrawn");
    print_differences(c, root);
    const struct output_pair pairs[] = {
        {"items in the file", output_field(&c->mem, root, "items")},
        {"wrong", output_field(&c->mem, root, "problem_count")},
        {"added", output_field(&c->mem, root, "added_count")},
        {"changed", output_field(&c->mem, root, "changed_count")},
        {"withdrawn", output_field(&c->mem, root, "withdrawn_count")},
        {"unchanged", output_field(&c->mem, root, "unchanged_count")},
        {"catalog version", output_field(&c->mem, root, "version")},
        {"published", output_field(&c->mem, root, "published")},
    };
    output_pairs(&c->mem, pairs, array_count(pairs), c->out);
}

int cmd_import(struct ctl *c, const char *path, struct bytes body, void (*print)(struct ctl *, yyjson_val *),
               struct err *e)
{
    struct client_reply reply = {0};
    const struct client_request r = {
        .dir = c->dir, .method = "POST", .path = path, .body = body, .timeout_ms = IMPORT_TIMEOUT_MS};
    int rc = client_ask(&r, &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply))
        print(c, reply.root);
    uint64_t wrong = yyjson_get_uint(yyjson_obj_get(reply.root, "problem_count"));
    if (rc == 0 && wrong > 0)
        rc = err_set(e, ERR_INVALID, "ctl.bad-rows", "%llu places in the file are wrong: nothing is published",
                     (unsigned long long)wrong);
    client_reply_close(&reply);
    return rc;
}

int cmd_catalog_import(struct ctl *c, struct err *e)
{
    struct buf body = {0};
    const char *format = NULL;
    int rc = read_files(c, &body, &format, e);
    if (rc == 0)
        rc = cmd_import(c,
                        arena_printf(&c->mem, "/v1/catalog/import?format=%s&mode=%s&publish=%s", format,
                                     ctl_option(c, "--replace") != NULL ? "replace" : "merge",
                                     ctl_option(c, "--publish") != NULL ? "true" : "false"),
                        buf_bytes(&body), print_report, e);
    buf_close(&body);
    return rc;
}

/* ---- export, status, versions ---- */

int cmd_catalog_export(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    const char *format = NULL;
    int rc = format_of(c->args[0], &format, e);
    if (rc == 0) {
        const struct client_request r = {
            .dir = c->dir,
            .method = "GET",
            .path = arena_printf(&c->mem, "/v1/catalog/export?format=%s&empty=%s", format,
                                 ctl_option(c, "--empty") != NULL ? "true" : "false"),
            .timeout_ms = IMPORT_TIMEOUT_MS,
        };
        rc = client_ask(&r, &reply, e);
    }
    if (rc == 0)
        rc = file_write(c->args[0], buf_bytes(&reply.text), 0644, false, e);
    if (rc == 0) {
        const struct output_pair pairs[] = {
            {"file", c->args[0]},
            {"bytes", arena_printf(&c->mem, "%zu", reply.text.size)},
        };
        cmd_print_pairs(c, pairs, array_count(pairs));
    }
    client_reply_close(&reply);
    return rc;
}

int cmd_catalog_status(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0}, body = {0};
    buf_put_string(&url, "/v1/catalog/");
    client_put_encoded(&url, c->args[0]);
    buf_put_string(&url, "/status");
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    (void)yyjson_mut_obj_add_str(doc, root, "status", c->args[1]); /* no memory: the text below is NULL */
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, NULL);
    buf_put_string(&body, text == NULL ? "" : text);
    const struct client_request r = {.dir = c->dir, .method = "POST", .path = buf_cstr(&url), .body = buf_bytes(&body)};
    int rc = client_ask(&r, &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply))
        print_report(c, reply.root);
    free(text);
    yyjson_mut_doc_free(doc);
    client_reply_close(&reply);
    buf_close(&url);
    buf_close(&body);
    return rc;
}

int cmd_catalog_versions(struct ctl *c, struct err *e)
{
    static const char *const header[] = {"VERSION", "ENTRY", "WITHDRAWN"};
    struct client_reply reply = {0};
    struct buf url = {0};
    uint64_t node = 0;
    int rc = ctl_option_u64(c, "--node", 100000, 999999, &node, e);
    buf_printf(&url, "/v1/catalog/%u/", (unsigned)node);
    client_put_encoded(&url, c->args[0]);
    buf_put_string(&url, "/versions");
    if (rc == 0)
        rc = cmd_get(c, buf_cstr(&url), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        struct output_table t = output_table_open(&c->mem, header, array_count(header));
        yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(reply.root, "versions"));
        for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
            output_cell(&t, output_field(&c->mem, o, "version"));
            output_cell(&t, output_field(&c->mem, o, "index"));
            output_cell(&t, output_field(&c->mem, o, "withdrawn"));
        }
        output_table_print(&t, "nothing known of this item", c->out);
    }
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}
