/* Items made from items (see item_edit.h). */
#include "catalog/item_edit.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "catalog/document.h"
#include "catalog/item.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

int item_edit(struct bytes json, uint32_t node, const struct item_edit *edit, struct catalog_item **ret, struct err *e)
{
    yyjson_doc *doc = NULL;
    int rc = document_parse(json, "item", CATALOG_ITEM_BYTES_MAX, &doc, e);
    if (rc != 0)
        return rc;
    yyjson_mut_doc *copy = yyjson_doc_mut_copy(doc, NULL);
    xassert(copy != NULL);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(copy);
    if (edit->version != 0) {
        (void)yyjson_mut_obj_remove_str(root, "version"); /* may be absent */
        (void)yyjson_mut_obj_add_uint(copy, root, "version", edit->version);
    }
    if (edit->status != NULL) {
        (void)yyjson_mut_obj_remove_str(root, "status"); /* may be absent */
        (void)yyjson_mut_obj_add_str(copy, root, "status", edit->status);
    }
    yyjson_doc *edited = yyjson_mut_doc_imut_copy(copy, NULL);
    xassert(edited != NULL);
    struct shape_problems *problems = xcalloc(1, sizeof *problems);
    struct shape_walk w = {.document = "item", .problems = problems};
    *ret = catalog_item_read(&w, yyjson_doc_get_root(edited), node);
    if (*ret == NULL)
        rc = shape_problems_to_err(problems, e);
    free(problems);
    yyjson_doc_free(edited);
    yyjson_mut_doc_free(copy);
    yyjson_doc_free(doc);
    return rc;
}

struct catalog_item *catalog_item_copy(const struct catalog_item *item)
{
    struct catalog_item *copy = NULL;
    struct err e;
    int rc = item_edit(item->canonical, item->node, &(struct item_edit){0}, &copy, &e);
    xassert(rc == 0); /* the same bytes were read before */
    return copy;
}

static void put_name(struct buf *ret, size_t start, const char *name)
{
    if (strcmp(name, "version") == 0)
        return;
    buf_put_string(ret, ret->size > start ? ", " : "");
    buf_put_string(ret, name);
}

void item_changes(struct bytes before, struct bytes after, struct buf *ret)
{
    yyjson_doc *x = yyjson_read((const char *)before.data, before.size, YYJSON_READ_NOFLAG);
    yyjson_doc *y = yyjson_read((const char *)after.data, after.size, YYJSON_READ_NOFLAG);
    yyjson_val *old = yyjson_doc_get_root(x), *new = yyjson_doc_get_root(y), *key, *value;
    size_t index, max;
    size_t start = ret->size;
    yyjson_obj_foreach(old, index, max, key, value)
    {
        yyjson_val *other = yyjson_obj_get(new, yyjson_get_str(key));
        if (other == NULL || !yyjson_equals(value, other))
            put_name(ret, start, yyjson_get_str(key));
    }
    yyjson_obj_foreach(new, index, max, key, value)
    {
        if (yyjson_obj_get(old, yyjson_get_str(key)) == NULL)
            put_name(ret, start, yyjson_get_str(key));
    }
    yyjson_doc_free(x);
    yyjson_doc_free(y);
}
