/* publicity list, publicity export: licence decisions that are to be made public (双公示).
 *
 * The export asks the node for all lines, writes those that are whole into one file, and only when that is on the disk says so
 * to each of the cases (event publish): a line is lost in no crash, and what was handed over does not come again.
 */
#include "node/ctl/cmd.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/csv.h"
#include "node/base/file.h"
#include "node/base/xassert.h"

/* Pages of the list, kept until the end of the command. */
#define PAGES_MAX 10000u
struct pages {
    struct client_reply *list;
    size_t count;
};

static void close_pages(struct pages *p)
{
    for (size_t i = 0; i < p->count; i++)
        client_reply_close(&p->list[i]);
}

static int read_pages(struct ctl *c, struct pages *ret, struct err *e)
{
    const char *after = NULL;
    ret->list = arena_alloc(&c->mem, PAGES_MAX * sizeof *ret->list);
    do {
        if (ret->count == PAGES_MAX)
            return err_set(e, ERR_LIMIT, "ctl.pages", "the list has more than %u pages", PAGES_MAX);
        struct client_reply *page = &ret->list[ret->count++];
        *page = (struct client_reply){0};
        const char *path = after == NULL ? "/v1/publicity" : arena_printf(&c->mem, "/v1/publicity?after=%s", after);
        int rc = cmd_get(c, path, page, e);
        if (rc != 0)
            return rc;
        yyjson_val *next = yyjson_obj_get(page->root, "next_after");
        after = yyjson_is_str(next) ? yyjson_get_str(next) : NULL;
    } while (after != NULL);
    return 0;
}

/* Calls @take for each line; ends with its first error. */
static int each_row(const struct pages *p, int (*take)(void *ctx, yyjson_val *row, struct err *e), void *ctx,
                    struct err *e)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->count; i++) {
        yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(p->list[i].root, "rows"));
        for (yyjson_val *row = yyjson_arr_iter_next(&it); rc == 0 && row != NULL; row = yyjson_arr_iter_next(&it))
            rc = take(ctx, row, e);
    }
    return rc;
}

/* "XK_XKLB XK_YXQZI", or the reason why there is no line; NULL when it is whole. */
static const char *why_not(struct arena *mem, yyjson_val *row)
{
    const char *text = NULL;
    yyjson_val *problem = yyjson_obj_get(row, "problem");
    if (yyjson_is_str(problem))
        return yyjson_get_str(problem);
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(row, "missing"));
    for (yyjson_val *m = yyjson_arr_iter_next(&it); m != NULL; m = yyjson_arr_iter_next(&it))
        text = text == NULL ? yyjson_get_str(m) : arena_printf(mem, "%s %s", text, yyjson_get_str(m));
    return text;
}

/* ---- publicity list ---- */

struct listing {
    struct ctl *c;
    struct output_table table;
};

static int list_row(void *ctx, yyjson_val *row, struct err *e)
{
    struct listing *l = ctx;
    struct arena *mem = &l->c->mem;
    (void)e;
    output_cell(&l->table, output_field(mem, row, "case"));
    output_cell(&l->table, output_field(mem, row, "item_name"));
    output_cell(&l->table, output_field(mem, row, "due"));
    output_cell(&l->table, yyjson_get_bool(yyjson_obj_get(row, "late")) ? "late" : "in time");
    output_cell(&l->table, why_not(mem, row));
    return 0;
}

int cmd_publicity_list(struct ctl *c, struct err *e)
{
    static const char *const header[] = {"CASE", "ITEM", "DUE", "STATE", "MISSING"};
    struct pages pages = {0};
    int rc = read_pages(c, &pages, e);
    struct listing l = {.c = c, .table = output_table_open(&c->mem, header, array_count(header))};
    if (rc == 0 && c->json) {
        for (size_t i = 0; i < pages.count; i++) {
            (void)fwrite(pages.list[i].text.data, 1, pages.list[i].text.size, c->out);
            fputc('\n', c->out);
        }
    } else if (rc == 0) {
        rc = each_row(&pages, list_row, &l, e);
        output_table_print(&l.table, "every licence that was granted is public", c->out);
    }
    close_pages(&pages);
    return rc;
}

/* ---- publicity export ---- */

struct export
{
    struct ctl *c;
    yyjson_val *fields; /* of the first page */
    struct buf csv;
    yyjson_mut_doc *doc;
    yyjson_mut_val *list; /* of lines, for JSON */
    bool with_incomplete;
    size_t written, left_out, marked;
};

static bool is_taken(const struct export *x, yyjson_val *row)
{
    bool has_values = yyjson_is_obj(yyjson_obj_get(row, "values"));
    return has_values && (x->with_incomplete || why_not(&x->c->mem, row) == NULL);
}

static void put_csv(struct export *x, yyjson_val *values)
{
    size_t i, count;
    yyjson_val *field;
    yyjson_arr_foreach(x->fields, i, count, field)
    {
        const char *name = yyjson_get_str(yyjson_obj_get(field, "name"));
        const char *text = values == NULL ? name : yyjson_get_str(yyjson_obj_get(values, name));
        buf_put_string(&x->csv, i == 0 ? "" : ",");
        csv_put_cell(&x->csv, text != NULL ? text : "");
    }
    buf_put_string(&x->csv, "\r\n");
}

static int put_row(void *ctx, yyjson_val *row, struct err *e)
{
    struct export *x = ctx;
    (void)e;
    if (!is_taken(x, row)) {
        x->left_out++;
        return 0;
    }
    yyjson_val *values = yyjson_obj_get(row, "values");
    put_csv(x, values);
    (void)yyjson_mut_arr_append(x->list, yyjson_val_mut_copy(x->doc, values));
    x->written++;
    return 0;
}

static int mark_row(void *ctx, yyjson_val *row, struct err *e)
{
    struct export *x = ctx;
    struct client_reply reply = {0};
    if (!is_taken(x, row))
        return 0;
    const struct client_request r = {
        .dir = x->c->dir,
        .method = "POST",
        .path = cmd_case_path(x->c, output_text(&x->c->mem, row, "case"), "/events"),
        .body = bytes_of_string("{\"type\":\"publish\"}"),
    };
    int rc = client_ask(&r, &reply, e);
    client_reply_close(&reply);
    if (rc != 0 && strcmp(e->id, "case.already") == 0) { /* somebody else was faster */
        *e = (struct err){0};
        rc = 0;
    }
    x->marked += rc == 0;
    return rc;
}

static int write_file(struct export *x, bool is_csv, struct err *e)
{
    size_t size = 0;
    char *json = is_csv ? NULL : yyjson_mut_write(x->doc, YYJSON_WRITE_PRETTY_TWO_SPACES, &size);
    xassert(is_csv || json != NULL);
    int rc = file_write(x->c->args[0], is_csv ? buf_bytes(&x->csv) : bytes_of(json, size), 0644, true, e);
    free(json);
    return rc;
}

static int check_format(const struct ctl *c, bool *ret_csv, struct err *e)
{
    const char *format = ctl_option(c, "--format");
    *ret_csv = format == NULL || strcmp(format, "csv") == 0;
    if (*ret_csv || strcmp(format, "json") == 0)
        return 0;
    return err_set(e, ERR_INVALID, "ctl.format", "'--format' is '%.32s', it must be csv or json", format);
}

static void print_result(struct export *x)
{
    struct arena *mem = &x->c->mem;
    const struct output_pair pairs[] = {
        {"file", x->c->args[0]},
        {"written", arena_printf(mem, "%zu", x->written)},
        {"marked", arena_printf(mem, "%zu", x->marked)},
        {"left out", arena_printf(mem, "%zu", x->left_out)},
    };
    cmd_print_pairs(x->c, pairs, array_count(pairs));
}

int cmd_publicity_export(struct ctl *c, struct err *e)
{
    struct pages pages = {0};
    bool is_csv = true;
    int rc = check_format(c, &is_csv, e);
    if (rc == 0)
        rc = read_pages(c, &pages, e);
    struct export x = {.c = c, .with_incomplete = ctl_option(c, "--incomplete") != NULL};
    x.doc = yyjson_mut_doc_new(NULL);
    xassert(x.doc != NULL);
    x.list = yyjson_mut_arr(x.doc);
    yyjson_mut_doc_set_root(x.doc, x.list);
    if (rc == 0) {
        x.fields = yyjson_obj_get(pages.list[0].root, "fields");
        buf_put_string(&x.csv, CSV_MARK);
        put_csv(&x, NULL);
        rc = each_row(&pages, put_row, &x, e);
    }
    if (rc == 0)
        rc = write_file(&x, is_csv, e);
    if (rc == 0 && ctl_option(c, "--keep") == NULL) {
        rc = each_row(&pages, mark_row, &x, e);
        if (rc != 0)
            err_hint(e,
                     "the file is whole; %zu of its %zu lines are marked, the others come again with the next export",
                     x.marked, x.written);
    }
    if (rc == 0)
        print_result(&x);
    yyjson_mut_doc_free(x.doc);
    buf_close(&x.csv);
    close_pages(&pages);
    return rc;
}
