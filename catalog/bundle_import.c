/* Files of bundles (see bundle_import.h): the head by a table, the bundles one by one, so that a bad one does not hide the problems
 * of the next. */
#include "catalog/bundle_import.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "catalog/import_internal.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

struct head {
    struct yyjson_val *bundles;
    const char *format;
    uint32_t node;
};

#define FIELD(name) .key = #name, .offset = offsetof(struct head, name), .is_required = true
static const struct shape_field head_fields[] = {
    {FIELD(bundles), .kind = SHAPE_VALUE},
    {FIELD(format), .kind = SHAPE_TEXT, .min = 1, .max = 64},
    {FIELD(node), .kind = SHAPE_INTEGER, .min = 110000, .max = 999999},
};
static const struct shape head_shape = {sizeof(struct head), head_fields, array_count(head_fields)};

static bool read_head(struct shape_walk *w, yyjson_val *root, uint32_t node, struct arena *a, struct head *ret)
{
    struct buf canonical = {0}; /* of the head; of no use */
    shape_read(w, &head_shape, root, ret, a, &canonical);
    buf_close(&canonical);
    if (w->problems->count > 0)
        return false;
    if (strcmp(ret->format, BUNDLE_FILE_FORMAT) != 0)
        shape_problem(w, ERR_UNSUPPORTED, "catalog.format", "format", "'%s' is not " BUNDLE_FILE_FORMAT, ret->format);
    if (ret->node != node)
        shape_problem(w, ERR_INVALID, "catalog.node", "node", "%u is not this node, %u", ret->node, node);
    if (!yyjson_is_arr(ret->bundles))
        shape_problem(w, ERR_INVALID, "catalog.field-type", "bundles", "%s is not a list",
                      yyjson_get_type_desc(ret->bundles));
    else if (yyjson_arr_size(ret->bundles) > BUNDLES_MAX)
        shape_problem(w, ERR_LIMIT, "bundle.too-many", "bundles", "%zu bundles, limit %u",
                      yyjson_arr_size(ret->bundles), BUNDLES_MAX);
    return w->problems->count == 0;
}

static void refuse_at(struct bundle_import *b, const struct document_cursor *at, const char *path, const char *id,
                      const char *text)
{
    struct shape_problems *problems = xcalloc(1, sizeof *problems);
    struct shape_walk w = {.document = "bundle", .problems = problems};
    shape_problem(&w, ERR_INVALID, id, path, "%s", text);
    import_add_json_problems(&b->report, &w, at);
    free(problems);
}

void bundle_import_refuse(struct bundle_import *b, size_t index, const char *path, const char *id, const char *fmt, ...)
{
    char text[sizeof((struct err *)NULL)->message];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    refuse_at(b, &b->places[index], path, id, text);
}

/* Which version of which bundle the rows so far are, whatever else is wrong with them. */
struct row {
    const char *code; /* NULL: it says none */
    uint64_t version;
    struct document_cursor place;
};

static void check_doubled(struct bundle_import *b, const struct row *rows, const struct row *last)
{
    char text[80];
    for (const struct row *r = rows; last->code != NULL && r < last; r++)
        if (r->code != NULL && strcmp(r->code, last->code) == 0 && r->version == last->version) {
            (void)snprintf(text, sizeof text, "the bundle in line %u has this code and version, too", r->place.line);
            refuse_at(b, &last->place, "code", "bundle.file-duplicate", text);
            return;
        }
}

static void read_bundles(struct bundle_import *b, struct bytes text, yyjson_val *list)
{
    size_t index, max;
    struct shape_problems *problems = xcalloc(1, sizeof *problems);
    struct document_cursor c;
    yyjson_val *value;
    b->report.item_rows = yyjson_arr_size(list);
    b->bundles = xcalloc(b->report.item_rows + 1, sizeof(struct bundle *));
    b->places = xcalloc(b->report.item_rows + 1, sizeof *b->places);
    struct row *rows = xcalloc(b->report.item_rows + 1, sizeof *rows);
    document_cursor_open(&c, text, "bundles");
    yyjson_arr_foreach(list, index, max, value)
    {
        struct shape_walk w = {.document = "bundle", .problems = problems};
        problems->count = 0;
        yyjson_val *version = yyjson_obj_get(value, "version");
        rows[index] =
            (struct row){.code = yyjson_is_uint(version) ? yyjson_get_str(yyjson_obj_get(value, "code")) : NULL,
                         .version = yyjson_get_uint(version),
                         .place = c};
        check_doubled(b, rows, &rows[index]);
        struct bundle *bundle = bundle_read(&w, value);
        import_add_json_problems(&b->report, &w, &c);
        if (bundle != NULL) {
            b->places[b->count] = c;
            b->bundles[b->count++] = bundle;
        }
        document_cursor_next(&c);
    }
    free(rows);
    free(problems);
}

int bundle_import_read(struct bytes file, uint32_t node, struct bundle_import *ret, struct err *e)
{
    yyjson_doc *doc = NULL;
    *ret = (struct bundle_import){0};
    if (file.size > CATALOG_FILE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "import.file", "the file has %zu bytes, limit %u", file.size,
                       CATALOG_FILE_BYTES_MAX);
    int rc = document_parse(file, "file", CATALOG_VALUES_MAX, &doc, e);
    if (rc != 0)
        return rc;
    struct head head = {0};
    struct arena arena = ARENA_INIT;
    struct shape_problems *problems = xcalloc(1, sizeof *problems);
    struct shape_walk w = {.document = "file", .problems = problems};
    bool is_head = read_head(&w, yyjson_doc_get_root(doc), node, &arena, &head);
    import_add_json_problems(&ret->report, &w, NULL);
    if (is_head)
        read_bundles(ret, file, head.bundles);
    free(problems);
    arena_close(&arena);
    yyjson_doc_free(doc);
    return 0;
}

void bundle_import_close(struct bundle_import *b)
{
    for (size_t i = 0; i < b->count; i++)
        bundle_destroy(b->bundles[i]);
    free(b->bundles);
    free(b->places);
    import_result_close(&b->report);
    *b = (struct bundle_import){0};
}
