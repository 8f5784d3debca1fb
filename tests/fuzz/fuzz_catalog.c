/* Fuzz target: the three readers of JSON in catalog/. Whatever the bytes are, each ends with an error that says something
 * or with a result that holds: an item that a peer's bytes gave has exactly those bytes as its canonical form, and every
 * item of a loaded catalog reads back from its canonical bytes. */
#include <stddef.h>
#include <stdint.h>

#include "catalog/calendar.h"
#include "catalog/catalog.h"
#include "catalog/item.h"
#include "catalog/load.h"
#include "node/base/xassert.h"

#define NODE 510000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_item(struct bytes text)
{
    struct err e = {0};
    struct catalog_item *item = NULL;
    if (catalog_item_parse(text, NODE, "fuzz", &item, &e) == 0) {
        xassert(bytes_equal(item->canonical, text));
        catalog_item_destroy(item);
    } else {
        xassert(item == NULL && e.message[0] != '\0' && e.id[0] != '\0');
    }
}

static void fuzz_catalog(struct bytes text)
{
    struct err e = {0};
    struct catalog *c = NULL;
    struct shape_problems problems;
    if (catalog_load_text(text, "fuzz", &(struct load_expect){0}, &c, &problems, &e) != 0) {
        xassert(c == NULL && problems.count > 0 && problems.count <= SHAPE_PROBLEMS_MAX);
        return;
    }
    for (size_t i = 0; i < catalog_count(c); i++) {
        const struct catalog_item *item = catalog_at(c, i);
        struct catalog_item *again = NULL;
        int rc = catalog_item_parse(item->canonical, catalog_node(c), "fuzz", &again, &e);
        xassert(rc == 0);
        xassert(catalog_find(c, again->code) == item);
        catalog_item_destroy(again);
    }
    catalog_destroy(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_of(data, size);
    struct err e = {0};
    struct calendar *calendar = NULL;
    fuzz_item(text);
    fuzz_catalog(text);
    if (calendar_parse(text, "fuzz", &calendar, &e) == 0)
        calendar_destroy(calendar);
    return 0;
}
