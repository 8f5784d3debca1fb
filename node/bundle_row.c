/* Rows of bundles (see bundle_row.h). */
#include "node/bundle_row.h"

#include <stdio.h>
#include <string.h>

#include "catalog/item.h"
#include "catalog/search_text.h"
#include "node/base/xassert.h"
#include "node/cases/event.h"

/* "510000 330000": nodes that the members name, each once. */
static const char *nodes_of(const struct bundle *b, struct arena *mem)
{
    const char *nodes = "";
    for (size_t i = 0; i < b->members.count; i++) {
        uint32_t node = b->members.at[i].node;
        bool is_new = node != SHAPE_ABSENT;
        for (size_t n = 0; n < i; n++)
            is_new = is_new && b->members.at[n].node != node;
        if (is_new)
            nodes = arena_printf(mem, "%s%s%06u", nodes, nodes[0] == '\0' ? "" : " ", node);
    }
    return nodes;
}

void bundle_row_make(const struct bundle *b, uint32_t node, struct arena *mem, struct store_bundle *ret)
{
    const char *const texts[] = {b->name, b->life_event};
    *ret = (struct store_bundle){.node = node,
                                 .version = b->version,
                                 .status = (uint8_t)b->status,
                                 .valid_from = b->valid_from,
                                 .valid_to = b->valid_to};
    (void)snprintf(ret->code, sizeof ret->code, "%s", b->code);
    (void)snprintf(ret->name, sizeof ret->name, "%s", b->name);
    (void)snprintf(ret->life_event, sizeof ret->life_event, "%s", b->life_event);
    ret->pinyin = search_text_readings(texts, array_count(texts), mem);
    ret->nodes = nodes_of(b, mem);
}

bool bundle_row_is_about(const struct leaf *leaf)
{
    return leaf->kind == LEAF_KIND_EVENT && !leaf_is_case_event(leaf) &&
           (leaf->event_type == PUBLIC_EVENT_BUNDLE || leaf->event_type == PUBLIC_EVENT_BUNDLE_WITHDRAWN);
}

static int withdrawal(const struct leaf *leaf, struct store_bundle *row, struct err *e)
{
    *row = (struct store_bundle){.node = leaf->origin, .index = leaf->index, .withdrawn = true};
    for (unsigned i = 0; i < leaf->attr_count; i++) {
        const struct leaf_attr *attr = &leaf->attrs[i];
        if (attr->tag == CASE_ATTR_ITEM_CODE && attr->value.size < sizeof row->code)
            memcpy(row->code, attr->value.data, attr->value.size);
        if (attr->tag == CASE_ATTR_ITEM_VERSION && attr->value.size == sizeof row->version)
            row->version = get_be32(attr->value.data);
    }
    size_t size = strlen(row->code);
    bool is_code = size > 0 && size <= CATALOG_ITEM_CODE_BYTES_MAX &&
                   strspn(row->code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == size;
    return is_code ? 0 : err_set(e, ERR_INVALID, "bundle.withdrawal", "a withdrawal names no bundle");
}

int bundle_row_of_entry(const struct leaf *leaf, struct bytes payload, bool payload_held, struct arena *mem,
                        struct store_bundle *ret, struct err *e)
{
    struct bundle *b = NULL;
    char where[32];
    if (leaf->event_type == PUBLIC_EVENT_BUNDLE_WITHDRAWN)
        return withdrawal(leaf, ret, e);
    (void)snprintf(where, sizeof where, "entry %llu", (unsigned long long)leaf->index);
    if (!payload_held)
        return err_set(e, ERR_NOT_FOUND, "bundle.no-payload", "%s came without the bundle", where);
    int rc = bundle_parse_published(payload, where, &b, e);
    if (rc != 0)
        return rc;
    bundle_row_make(b, leaf->origin, mem, ret);
    ret->index = leaf->index;
    bundle_destroy(b);
    return 0;
}
