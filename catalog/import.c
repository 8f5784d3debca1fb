/* Import (see import.h): formats, results, and the JSON catalog, whose items are read one by one so that each problem has
 * the place of its value. */
#include "catalog/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "catalog/catalog.h"
#include "catalog/document.h"
#include "catalog/import_internal.h"
#include "catalog/item.h"
#include "catalog/item_rules.h"
#include "catalog/load.h"
#include "catalog/sheet.h"
#include "node/base/limits.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

int import_format_parse(const char *name, enum import_format *ret)
{
    static const char *const names[] = {[IMPORT_JSON] = "json", [IMPORT_CSV] = "csv", [IMPORT_XLSX] = "xlsx"};
    for (size_t i = 0; i < array_count(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum import_format)i;
            return 0;
        }
    return ERR_INVALID;
}

void import_result_close(struct import_result *r)
{
    catalog_destroy(r->catalog);
    arena_close(&r->arena);
    *r = (struct import_result){0};
}

void import_add_problem(struct import_result *r, const struct import_problem *p)
{
    r->problem_total++;
    if (r->problem_count == IMPORT_PROBLEMS_MAX)
        return;
    if (r->problems == NULL)
        r->problems = arena_alloc(&r->arena, IMPORT_PROBLEMS_MAX * sizeof *r->problems);
    const struct item_rule *rule = item_rule_find(p->id);
    bool has_source = rule != NULL && strcmp(rule->source, "own") != 0;
    char value[IMPORT_VALUE_SIZE];
    (void)snprintf(value, sizeof value, "%s", p->value);
    utf8_trim_partial(value);
    r->problems[r->problem_count++] = (struct import_problem){
        .file = arena_strdup(&r->arena, p->file),
        .sheet = arena_strdup(&r->arena, p->sheet),
        .line = p->line,
        .column = p->column,
        .field = arena_strdup(&r->arena, p->field),
        .value = arena_strdup(&r->arena, value),
        .id = arena_strdup(&r->arena, p->id),
        .rule = arena_strdup(&r->arena, p->rule),
        .source = has_source ? rule->source : "",
    };
}

const char *import_rule_text(const struct shape_walk *w, size_t index)
{
    const char *place = w->problems->places[index];
    size_t prefix = strlen(w->document) + 2 + (place[0] == '\0' ? 0 : strlen(place) + 2);
    const char *message = w->problems->list[index].message;
    return strlen(message) > prefix ? message + prefix : message;
}

/* ---- putting items together ---- */

void import_finish(struct import_result *r, struct catalog_item **items, size_t count, uint32_t node, uint32_t version)
{
    catalog_sort_items(items, count);
    struct catalog *c = r->problem_total == 0 ? catalog_create(node, version) : NULL;
    for (size_t i = 0; i < count; i++) {
        if (c == NULL) {
            catalog_item_destroy(items[i]);
            continue;
        }
        int rc = catalog_put(c, items[i], NULL);
        xassert(rc == 0); /* the number of items has been checked */
    }
    r->catalog = c;
}

/* ---- JSON ---- */

struct json_import {
    struct import_result *result;
    uint32_t node;
    uint32_t version;
    struct document_cursor *places; /* of each item */
};

/* The value as it stands in the text, up to its end or the end of the line. */
static void value_at(struct bytes text, const struct document_cursor *c, uint32_t line, uint32_t column, char *out,
                     size_t out_size)
{
    size_t at = c->at;
    for (uint32_t l = c->line; l < line && at < text.size; at++)
        l += text.data[at] == '\n';
    at = line == c->line ? c->at + (column - c->column) : at + column - 1;
    size_t size = 0;
    while (at + size < text.size && size < out_size - 1 && text.data[at + size] >= ' ')
        size++;
    if (size > 0 && text.data[at] == '"') {
        const uint8_t *end = memchr(text.data + at + 1, '"', size - 1);
        size = end == NULL ? size : (size_t)(end - (text.data + at)) + 1;
    } else {
        size_t end = 0;
        while (end < size && strchr(",}] ", text.data[at + end]) == NULL)
            end++;
        size = end;
    }
    memcpy(out, text.data + at, size);
    out[size] = '\0';
    utf8_trim_partial(out);
}

void import_add_json_problems(struct import_result *r, const struct shape_walk *w, const struct document_cursor *c)
{
    for (size_t i = 0; i < w->problems->count; i++) {
        char value[IMPORT_VALUE_SIZE] = "";
        struct import_problem p = {.file = "",
                                   .sheet = "",
                                   .field = w->problems->places[i],
                                   .value = value,
                                   .id = w->problems->list[i].id,
                                   .rule = import_rule_text(w, i)};
        if (c != NULL) {
            document_cursor_locate(c, p.field, &p.line, &p.column);
            value_at(c->text, c, p.line, p.column, value, sizeof value);
        }
        import_add_problem(r, &p);
    }
}

static void add_doubled(struct json_import *j, size_t first, size_t second, const char *code)
{
    char rule[120];
    const struct document_cursor *c = &j->places[second];
    struct import_problem p = {
        .file = "", .sheet = "", .field = "code", .value = code, .id = "catalog.item-duplicate", .rule = rule};
    (void)snprintf(rule, sizeof rule, "the code is that of the item in line %u, too", j->places[first].line);
    document_cursor_locate(c, "code", &p.line, &p.column);
    import_add_problem(j->result, &p);
}

static void read_json_items(struct json_import *j, struct bytes text, yyjson_val *list)
{
    size_t all = yyjson_arr_size(list), count = 0, index, max;
    struct catalog_item **items = xcalloc(all + 1, sizeof(struct catalog_item *));
    struct shape_problems *problems = xcalloc(1, sizeof *problems);
    const char **codes = xcalloc(all + 1, sizeof *codes);
    size_t *firsts = xcalloc(all + 1, sizeof *firsts);
    struct document_cursor c;
    yyjson_val *value;
    j->places = xcalloc(all + 1, sizeof *j->places);
    catalog_find_double_items(list, codes, firsts);
    document_cursor_open(&c, text, "items");
    yyjson_arr_foreach(list, index, max, value)
    {
        struct shape_walk w = {.document = "item", .problems = problems};
        problems->count = 0;
        j->places[index] = c;
        if (firsts[index] != index)
            add_doubled(j, firsts[index], index, codes[index]);
        struct catalog_item *item = catalog_item_read(&w, value, j->node);
        import_add_json_problems(j->result, &w, &c);
        document_cursor_next(&c);
        if (item == NULL)
            continue;
        item->index = (uint32_t)index;
        item->line = j->places[index].line;
        items[count++] = item;
    }
    j->result->item_rows = all;
    import_finish(j->result, items, count, j->node, j->version);
    free(j->places);
    free(firsts);
    free(codes);
    free(problems);
    free(items);
}

static int import_json(struct bytes text, uint32_t node, struct import_result *ret, struct err *e)
{
    yyjson_doc *doc = NULL;
    int rc = document_parse(text, "file", CATALOG_VALUES_MAX, &doc, e);
    if (rc != 0)
        return rc;
    struct load_head head;
    struct arena arena = ARENA_INIT;
    struct shape_problems *problems = xcalloc(1, sizeof *problems);
    struct shape_walk w = {.document = "file", .problems = problems};
    struct json_import j = {.result = ret, .node = node};
    bool is_head = catalog_load_head(&w, yyjson_doc_get_root(doc), &(struct load_expect){.node = node}, &arena, &head);
    import_add_json_problems(ret, &w, NULL);
    j.version = is_head ? head.version : 0;
    if (is_head)
        read_json_items(&j, text, head.items);
    free(problems);
    arena_close(&arena);
    yyjson_doc_free(doc);
    return 0;
}

int import_read(struct bytes file, enum import_format format, uint32_t node, struct import_result *ret, struct err *e)
{
    *ret = (struct import_result){0};
    if (file.size > CATALOG_FILE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "import.file", "the file has %zu bytes, limit %u", file.size,
                       CATALOG_FILE_BYTES_MAX);
    if (format == IMPORT_JSON)
        return import_json(file, node, ret, e);
    struct sheet_book book;
    int rc = format == IMPORT_CSV ? csv_read(file, &book, e) : xlsx_read(file, &book, e);
    if (rc != 0)
        return rc;
    import_sheets(&book, node, ret);
    sheet_book_close(&book);
    return 0;
}
