/* Catalog files (see load.h). The head is read by a table like everything else; the items one by one, so that a bad
 * item does not hide the problems of the next. */
#include "catalog/load.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "catalog/catalog.h"
#include "catalog/document.h"
#include "catalog/item.h"
#include "node/base/file.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

#define FIELD(name) .key = #name, .offset = offsetof(struct load_head, name), .is_required = true
static const struct shape_field head_fields[] = {
    {FIELD(format), .kind = SHAPE_TEXT, .min = 1, .max = 64},
    {FIELD(items), .kind = SHAPE_VALUE},
    {FIELD(node), .kind = SHAPE_INTEGER, .min = 110000, .max = 999999},
    {FIELD(version), .kind = SHAPE_INTEGER, .min = 1, .max = 1000000000},
};
static const struct shape head_shape = {sizeof(struct load_head), head_fields, array_count(head_fields)};

static void check_head(struct shape_walk *w, const struct load_head *head, const struct load_expect *expect)
{
    if (strcmp(head->format, LOAD_CATALOG_FORMAT) != 0)
        shape_problem(w, ERR_UNSUPPORTED, "catalog.format", "format", "'%s' is not " LOAD_CATALOG_FORMAT, head->format);
    if (expect->node != 0 && head->node != expect->node)
        shape_problem(w, ERR_INVALID, "catalog.node", "node", "%u is not this node, %u", head->node, expect->node);
    if (head->version < expect->version_min)
        shape_problem(w, ERR_CONFLICT, "catalog.version-old", "version", "%u is older than %u, which is in force",
                      head->version, expect->version_min);
    if (!yyjson_is_arr(head->items))
        shape_problem(w, ERR_INVALID, "catalog.field-type", "items", "%s is not a list",
                      yyjson_get_type_desc(head->items));
    else if (yyjson_arr_size(head->items) > CATALOG_ITEMS_MAX)
        shape_problem(w, ERR_LIMIT, "catalog.too-many", "items", "%zu items, limit %u", yyjson_arr_size(head->items),
                      CATALOG_ITEMS_MAX);
}

bool catalog_load_head(struct shape_walk *w, struct yyjson_val *root, const struct load_expect *expect, struct arena *a,
                       struct load_head *ret)
{
    struct buf canonical = {0}; /* of the head; of no use */
    *ret = (struct load_head){0};
    shape_read(w, &head_shape, root, ret, a, &canonical);
    buf_close(&canonical);
    if (w->problems->count == 0)
        check_head(w, ret, expect);
    return w->problems->count == 0;
}

struct coded {
    const char *code;
    size_t index;
};

static int compare_coded(const void *a, const void *b)
{
    const struct coded *x = a;
    const struct coded *y = b;
    int order = strcmp(x->code, y->code);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

void catalog_find_doubles(const char *const *codes, size_t count, size_t *ret_first)
{
    struct coded *sorted = xcalloc(count + 1, sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct coded){codes[i], i};
    qsort(sorted, count, sizeof *sorted, compare_coded);
    for (size_t i = 0; i < count; i++) {
        bool is_same = i > 0 && sorted[i].code[0] != '\0' && strcmp(sorted[i - 1].code, sorted[i].code) == 0;
        ret_first[sorted[i].index] = is_same ? ret_first[sorted[i - 1].index] : sorted[i].index;
    }
    free(sorted);
}

void catalog_find_double_items(struct yyjson_val *items, const char **ret_codes, size_t *ret_first)
{
    size_t index, max;
    yyjson_val *value;
    yyjson_arr_foreach(items, index, max, value)
    {
        const char *code = yyjson_get_str(yyjson_obj_get(value, "code"));
        ret_codes[index] = code == NULL ? "" : code;
    }
    catalog_find_doubles(ret_codes, max, ret_first);
}

static void add_doubled(struct shape_walk *w, yyjson_val *value, size_t first)
{
    char shown[SHAPE_SHOWN_SIZE];
    shape_problem(w, ERR_INVALID, "catalog.item-duplicate", "code", "%s is that of items[%zu] too",
                  shape_show(yyjson_obj_get(value, "code"), shown), first);
}

/* Reads all items into @items, in order of the file; the number that came out well. */
static size_t read_items(struct shape_walk *w, yyjson_val *list, uint32_t node, struct catalog_item **items)
{
    size_t count = 0, all = yyjson_arr_size(list);
    const char **codes = xcalloc(all + 1, sizeof *codes);
    size_t *firsts = xcalloc(all + 1, sizeof *firsts);
    size_t index, list_count;
    yyjson_val *value;
    catalog_find_double_items(list, codes, firsts);
    yyjson_arr_foreach(list, index, list_count, value)
    {
        if (shape_is_full(w))
            break;
        size_t mark = shape_enter(w, "items", index);
        if (firsts[index] != index)
            add_doubled(w, value, firsts[index]);
        struct catalog_item *item = catalog_item_read(w, value, node);
        shape_leave(w, mark);
        if (item == NULL)
            continue;
        item->index = (uint32_t)index;
        items[count++] = item;
    }
    free(firsts);
    free(codes);
    return count;
}

static int compare_items(const void *a, const void *b)
{
    const struct catalog_item *x = *(struct catalog_item *const *)a;
    const struct catalog_item *y = *(struct catalog_item *const *)b;
    return strcmp(x->code, y->code);
}

void catalog_sort_items(struct catalog_item **items, size_t count)
{
    qsort(items, count, sizeof(struct catalog_item *), compare_items);
}

/* Reads the items of a head that is in order; NULL after a problem. */
static struct catalog *read_catalog(struct shape_walk *w, const struct load_head *head)
{
    struct catalog *c = NULL;
    struct catalog_item **items = xcalloc(yyjson_arr_size(head->items) + 1, sizeof(struct catalog_item *));
    size_t count = read_items(w, head->items, head->node, items);
    catalog_sort_items(items, count);

    if (w->problems->count == 0)
        c = catalog_create(head->node, head->version);
    for (size_t i = 0; i < count; i++) {
        if (c == NULL) {
            catalog_item_destroy(items[i]);
            continue;
        }
        int rc = catalog_put(c, items[i], NULL);
        xassert(rc == 0); /* the number of items has been checked */
    }
    free(items);
    return c;
}

int catalog_load_text(struct bytes text, const char *name, const struct load_expect *expect, struct catalog **ret,
                      struct shape_problems *problems, struct err *e)
{
    struct shape_problems *own = xcalloc(1, sizeof *own);
    struct shape_walk walk = {.document = name, .problems = own};
    struct arena arena = ARENA_INIT;
    struct load_head head;
    struct catalog *c = NULL;
    yyjson_doc *doc = NULL;
    int rc = document_parse(text, name, CATALOG_VALUES_MAX, &doc, e);
    if (rc != 0) {
        if (e != NULL)
            own->list[own->count++] = *e;
        goto out;
    }

    if (catalog_load_head(&walk, yyjson_doc_get_root(doc), expect, &arena, &head))
        c = read_catalog(&walk, &head);
    if (c == NULL)
        rc = shape_problems_to_err(own, e);
    else
        *ret = c;

out:
    if (problems != NULL)
        *problems = *own;
    yyjson_doc_free(doc);
    arena_close(&arena);
    free(own);
    return rc;
}

int catalog_load(const char *path, const struct load_expect *expect, struct catalog **ret,
                 struct shape_problems *problems, struct err *e)
{
    struct buf text = {0};
    if (problems != NULL)
        problems->count = 0;
    int rc = file_read(path, CATALOG_FILE_BYTES_MAX, &text, e);
    if (rc != 0)
        return rc;

    /* The file's own name is enough in messages about lines and paths of it: they are long as it is. */
    const char *slash = strrchr(path, '/');
    rc = catalog_load_text(buf_bytes(&text), slash == NULL ? path : slash + 1, expect, ret, problems, e);
    buf_close(&text);
    return rc;
}
