/* Fuzz target: the importer. The first byte says which reader: c CSV, j JSON, x XLSX, b bundle, f file of bundles. Whatever follows, it ends with
 * an error that says something, with problems that have places, or with a catalog whose items read back; CSV that was read is
 * read the same when written again. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "catalog/bundle.h"
#include "catalog/bundle_import.h"
#include "catalog/catalog.h"
#include "catalog/import.h"
#include "catalog/item.h"
#include "catalog/sheet.h"
#include "node/base/xassert.h"

#define NODE 510000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_result(const struct import_result *r)
{
    xassert((r->catalog == NULL) == (r->problem_total > 0));
    for (size_t i = 0; i < r->problem_count; i++)
        xassert(r->problems[i].id[0] != '\0' && r->problems[i].rule[0] != '\0');
    for (size_t i = 0; r->catalog != NULL && i < catalog_count(r->catalog); i++) {
        struct catalog_item *again = NULL;
        int rc = catalog_item_parse(catalog_at(r->catalog, i)->canonical, NODE, "fuzz", &again, NULL);
        xassert(rc == 0);
        catalog_item_destroy(again);
    }
}

static void fuzz_import(struct bytes file, enum import_format format)
{
    struct import_result r;
    struct err e = {0};
    if (import_read(file, format, NODE, &r, &e) == 0)
        check_result(&r);
    else
        xassert(e.id[0] != '\0' && e.message[0] != '\0' && r.catalog == NULL);
    import_result_close(&r);
}

static bool is_marker(const struct sheet_row *row)
{
    return strcmp(row->cells[0], "#table") == 0 || strcmp(row->cells[0], "#表") == 0;
}

/* Only the first sheet: later ones carry names of files, which are not written. Cells that begin with an apostrophe before
 * a formula character lose it, as is said. */
static void fuzz_csv(struct bytes file)
{
    struct sheet_book book, again;
    struct buf out = {0};
    struct err e;
    if (csv_read(file, &book, &e) != 0)
        return;
    size_t count = book.count;
    book.count = 1;
    csv_write(&book, &out);
    book.count = count;
    int rc = csv_read(buf_bytes(&out), &again, &e);
    xassert(rc == 0 && again.sheets[0].count <= book.sheets[0].count);
    for (size_t i = 0; i < again.sheets[0].count && again.sheets[0].count == book.sheets[0].count; i++)
        xassert(is_marker(&book.sheets[0].rows[i]) || again.sheets[0].rows[i].count <= book.sheets[0].rows[i].count);
    buf_close(&out);
    sheet_book_close(&again);
    sheet_book_close(&book);
}

static void fuzz_bundle(struct bytes json)
{
    struct bundle *b = NULL, *again = NULL;
    struct err e = {0};
    if (bundle_parse(json, "fuzz", &b, &e) != 0) {
        xassert(e.id[0] != '\0');
        return;
    }
    int rc = bundle_parse(b->canonical, "fuzz", &again, &e);
    xassert(rc == 0 && bytes_equal(b->canonical, again->canonical));
    bundle_destroy(again);
    bundle_destroy(b);
}

static void fuzz_bundle_file(struct bytes file)
{
    struct bundle_import b;
    struct err e = {0};
    if (bundle_import_read(file, NODE, &b, &e) != 0)
        xassert(e.id[0] != '\0' && e.message[0] != '\0' && b.count == 0);
    for (size_t i = 0; i < b.count; i++) {
        struct bundle *again = NULL;
        int rc = bundle_parse_published(b.bundles[i]->canonical, "fuzz", &again, NULL);
        xassert(rc == 0);
        bundle_destroy(again);
        bundle_import_refuse(&b, i, "members[0].item", "fuzz.id", "%s", "told");
    }
    for (size_t i = 0; i < b.report.problem_count; i++)
        xassert(b.report.problems[i].id[0] != '\0' && b.report.problems[i].rule[0] != '\0');
    bundle_import_close(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct bytes rest = bytes_of(data + 1, size - 1);
    switch (data[0]) {
    case 'c':
        fuzz_import(rest, IMPORT_CSV);
        fuzz_csv(rest);
        break;
    case 'j':
        fuzz_import(rest, IMPORT_JSON);
        break;
    case 'x':
        fuzz_import(rest, IMPORT_XLSX);
        break;
    case 'b':
        fuzz_bundle(rest);
        break;
    case 'f':
        fuzz_bundle_file(rest);
        break;
    default:
        break;
    }
    return 0;
}
