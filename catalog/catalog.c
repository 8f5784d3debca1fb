/* A catalog in memory (see catalog.h): a sorted array of pointers, looked up by bisection. Search walks all items: for
 * the largest catalog (100,000 items) a few milliseconds. */
#include "catalog/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/item.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

struct catalog {
    uint32_t node;
    uint32_t version;
    struct catalog_item **items; /* owned, sorted by code */
    size_t count;
    size_t capacity;
};

struct catalog *catalog_create(uint32_t node, uint32_t version)
{
    struct catalog *c = xcalloc(1, sizeof *c);
    c->node = node;
    c->version = version;
    return c;
}

void catalog_destroy(struct catalog *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count; i++)
        catalog_item_destroy(c->items[i]);
    free(c->items);
    free(c);
}

uint32_t catalog_node(const struct catalog *c)
{
    return c->node;
}

uint32_t catalog_version(const struct catalog *c)
{
    return c->version;
}

size_t catalog_count(const struct catalog *c)
{
    return c->count;
}

const struct catalog_item *catalog_at(const struct catalog *c, size_t index)
{
    xassert(index < c->count);
    return c->items[index];
}

/* Index of the first item whose code is not below @code. */
static size_t lower_bound(const struct catalog *c, const char *code)
{
    size_t low = 0;
    size_t high = c->count;
    if (high > 0 && strcmp(c->items[high - 1]->code, code) < 0)
        return high; /* items that come in order */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(c->items[middle]->code, code) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has_code_at(const struct catalog *c, size_t index, const char *code)
{
    return index < c->count && strcmp(c->items[index]->code, code) == 0;
}

const struct catalog_item *catalog_find(const struct catalog *c, const char *code)
{
    size_t index = lower_bound(c, code);
    return has_code_at(c, index, code) ? c->items[index] : NULL;
}

size_t catalog_find_service(const struct catalog *c, uint32_t service, const struct catalog_item **ret, size_t max)
{
    size_t found = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i]->service != service)
            continue;
        if (found < max)
            ret[found] = c->items[i];
        found++;
    }
    return found;
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* @code contains @text, letters in either case. */
static bool code_contains(const char *code, struct bytes text)
{
    size_t size = code == NULL ? 0 : strlen(code);
    for (size_t at = 0; at + text.size <= size; at++) {
        size_t i = 0;
        while (i < text.size && to_lower(code[at + i]) == to_lower((char)text.data[i]))
            i++;
        if (i == text.size)
            return true;
    }
    return false;
}

static bool matches(const struct catalog_item *item, struct bytes text)
{
    return text.size == 0 || memmem(item->name, strlen(item->name), text.data, text.size) != NULL ||
           code_contains(item->code, text) || code_contains(item->basic_code, text);
}

size_t catalog_search(const struct catalog *c, struct bytes text, size_t skip, const struct catalog_item **ret,
                      size_t max)
{
    size_t found = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (!matches(c->items[i], text))
            continue;
        if (found >= skip && found - skip < max)
            ret[found - skip] = c->items[i];
        found++;
    }
    return found;
}

int catalog_put(struct catalog *c, struct catalog_item *item, struct err *e)
{
    size_t index = lower_bound(c, item->code);
    if (has_code_at(c, index, item->code)) {
        xassert(c->items[index] != item);
        catalog_item_destroy(c->items[index]);
        c->items[index] = item;
        return 0;
    }
    if (c->count >= CATALOG_ITEMS_MAX)
        return err_set(e, ERR_LIMIT, "catalog.too-many", "item '%s': the catalog of %u has %zu items, limit %u",
                       item->code, c->node, c->count, CATALOG_ITEMS_MAX);
    if (c->count == c->capacity) {
        c->capacity = max_of((size_t)64, c->capacity * 2);
        c->items = xrealloc(c->items, c->capacity * sizeof(struct catalog_item *));
    }
    memmove(c->items + index + 1, c->items + index, (c->count - index) * sizeof(struct catalog_item *));
    c->items[index] = item;
    c->count++;
    return 0;
}

int catalog_remove(struct catalog *c, const char *code, struct err *e)
{
    size_t index = lower_bound(c, code);
    if (!has_code_at(c, index, code))
        return err_set(e, ERR_NOT_FOUND, "catalog.no-item", "the catalog of %u has no item '%.*s'", c->node,
                       (int)CATALOG_ITEM_CODE_BYTES_MAX, code);
    catalog_item_destroy(c->items[index]);
    memmove(c->items + index, c->items + index + 1, (c->count - index - 1) * sizeof(struct catalog_item *));
    c->count--;
    return 0;
}

void catalog_diff_init(struct catalog_diff *ret, const struct catalog *old, const struct catalog *new)
{
    size_t old_count = old == NULL ? 0 : old->count;
    *ret = (struct catalog_diff){
        .added = xcalloc(new->count + 1, sizeof(struct catalog_item *)),
        .changed = xcalloc(new->count + 1, sizeof(struct catalog_item *)),
        .removed = xcalloc(old_count + 1, sizeof(struct catalog_item *)),
    };
    size_t i = 0;
    size_t j = 0;
    while (i < old_count || j < new->count) {
        int order = i == old_count ? 1 : j == new->count ? -1 : strcmp(old->items[i]->code, new->items[j]->code);
        if (order < 0)
            ret->removed[ret->removed_count++] = old->items[i];
        else if (order > 0)
            ret->added[ret->added_count++] = new->items[j];
        else if (!bytes_equal(old->items[i]->canonical, new->items[j]->canonical))
            ret->changed[ret->changed_count++] = new->items[j];
        i += order <= 0;
        j += order >= 0;
    }
}

void catalog_diff_close(struct catalog_diff *d)
{
    free(d->added);
    free(d->changed);
    free(d->removed);
    *d = (struct catalog_diff){0};
}
