/* Items from sheets (see import.h): each row of 事项 and the rows of the other sheets with its code become one JSON object,
 * which is read by the item's own tables like any other; a problem's path then leads back to sheet, line and column. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "catalog/catalog.h"
#include "catalog/columns.h"
#include "catalog/import_internal.h"
#include "catalog/item.h"
#include "catalog/item_rules.h"
#include "catalog/load.h"
#include "catalog/sheet.h"
#include "node/base/date.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

#define SHEETS_MAX 8 /* column_sheet_count */
#define NO_COLUMN SIZE_MAX

/* A sheet with its headings understood. */
struct table {
    const struct sheet *sheet; /* NULL: not in the book */
    const struct column_sheet *columns;
    size_t to_column[IMPORT_COLUMNS_MAX]; /* cell → columns->columns; NO_COLUMN: not understood */
    size_t heading_count;
    size_t item_cell; /* cell of 事项编码 (of the code in 事项) */
};

/* A row of another sheet than 事项, by the item that it belongs to. */
struct child {
    const char *code;
    const struct sheet_row *row;
    uint8_t table;
    bool used;
};

struct sheets {
    struct import_result *result;
    uint32_t node;
    struct table tables[SHEETS_MAX]; /* as column_sheets[] */
    struct child *children;          /* sorted by code, table, line */
    size_t child_count;
};

/* ---- headings ---- */

static void problem_at(struct sheets *s, const struct sheet *sheet, uint32_t line, size_t cell, const char *field,
                       const char *value, const char *id, const char *rule)
{
    import_add_problem(s->result, &(struct import_problem){.file = sheet->file,
                                                           .sheet = sheet->name,
                                                           .line = line,
                                                           .column = cell == NO_COLUMN ? 0 : (uint32_t)cell + 1,
                                                           .field = field,
                                                           .value = value,
                                                           .id = id,
                                                           .rule = rule});
}

static void read_headings(struct sheets *s, struct table *t)
{
    const struct sheet_row *head = &t->sheet->rows[0];
    const char *item_path = t->columns->list == NULL ? "code" : COLUMN_ITEM_PATH;
    bool seen[IMPORT_COLUMNS_MAX] = {false};
    t->item_cell = NO_COLUMN;
    t->heading_count = head->count;
    for (size_t i = 0; i < head->count; i++) {
        size_t column = head->cells[i][0] == '\0' ? t->columns->count : column_find(t->columns, head->cells[i]);
        t->to_column[i] = NO_COLUMN;
        if (column == t->columns->count) {
            problem_at(s, t->sheet, head->line, i, "", head->cells[i], "import.heading",
                       head->cells[i][0] == '\0' ? "a column has no heading" : "no column has this heading");
            continue;
        }
        if (seen[column]) {
            problem_at(s, t->sheet, head->line, i, "", head->cells[i], "import.heading", "the heading stands twice");
            continue;
        }
        seen[column] = true;
        t->to_column[i] = column;
        if (strcmp(t->columns->columns[column].path, item_path) == 0)
            t->item_cell = i;
    }
    if (t->item_cell == NO_COLUMN)
        problem_at(s, t->sheet, head->line, NO_COLUMN, "", "", "import.heading",
                   "the column 事项编码, by which rows find their item, is missing");
}

/* The sheet of the items: the one of that name, else the first that is none of the others. */
static const struct sheet *find_items(const struct sheet_book *book)
{
    for (size_t i = 0; i < book->count; i++)
        if (column_sheet_find(book->sheets[i].name) == &column_sheets[0])
            return &book->sheets[i];
    for (size_t i = 0; i < book->count; i++)
        if (book->sheets[i].count > 0 && column_sheet_find(book->sheets[i].name) == NULL &&
            strcmp(book->sheets[i].name, COLUMN_HELP_SHEET) != 0)
            return &book->sheets[i];
    return NULL;
}

static void find_tables(struct sheets *s, const struct sheet_book *book)
{
    const struct sheet *items = find_items(book);
    for (size_t i = 0; i < column_sheet_count; i++)
        s->tables[i] = (struct table){.columns = &column_sheets[i]};
    for (size_t i = 0; i < book->count; i++) {
        const struct sheet *sheet = &book->sheets[i];
        const struct column_sheet *columns = sheet == items ? &column_sheets[0] : column_sheet_find(sheet->name);
        if (sheet->count == 0 || strcmp(sheet->name, COLUMN_HELP_SHEET) == 0)
            continue;
        struct table *t = columns == NULL ? NULL : &s->tables[columns - column_sheets];
        if (t == NULL || t->sheet != NULL) {
            problem_at(s, sheet, sheet->rows[0].line, NO_COLUMN, "", sheet->name, "import.sheet",
                       t == NULL ? "no table has this name" : "the table is there twice");
            continue;
        }
        t->sheet = sheet;
        read_headings(s, t);
    }
    if (s->tables[0].sheet == NULL)
        import_add_problem(s->result, &(struct import_problem){.file = "",
                                                               .sheet = "",
                                                               .field = "",
                                                               .value = "",
                                                               .id = "import.sheet",
                                                               .rule = "there is no table of items (事项)"});
}

/* ---- rows of the other sheets ---- */

static int compare_children(const void *a, const void *b)
{
    const struct child *x = a;
    const struct child *y = b;
    int order = strcmp(x->code, y->code);
    if (order == 0)
        order = x->table - y->table;
    return order != 0 ? order : (x->row->line > y->row->line) - (x->row->line < y->row->line);
}

static void collect_children(struct sheets *s)
{
    size_t count = 0;
    for (size_t i = 1; i < column_sheet_count; i++)
        count += s->tables[i].sheet == NULL ? 0 : s->tables[i].sheet->count;
    s->children = xcalloc(count + 1, sizeof *s->children);
    for (size_t i = 1; i < column_sheet_count; i++) {
        const struct table *t = &s->tables[i];
        for (size_t r = 1; t->sheet != NULL && t->item_cell != NO_COLUMN && r < t->sheet->count; r++) {
            const struct sheet_row *row = &t->sheet->rows[r];
            const char *code = t->item_cell < row->count ? row->cells[t->item_cell] : "";
            if (code[0] == '\0')
                problem_at(s, t->sheet, row->line, t->item_cell, COLUMN_ITEM_PATH, "", "import.no-item",
                           "the row does not say which item it belongs to");
            else
                s->children[s->child_count++] = (struct child){.code = code, .row = row, .table = (uint8_t)i};
        }
    }
    qsort(s->children, s->child_count, sizeof *s->children, compare_children);
}

/* The first row of @code, or where it would be. */
static size_t first_child(const struct sheets *s, const char *code)
{
    size_t low = 0;
    size_t high = s->child_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(s->children[middle].code, code) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void report_orphans(struct sheets *s)
{
    for (size_t i = 0; i < s->child_count; i++) {
        const struct child *c = &s->children[i];
        const struct table *t = &s->tables[c->table];
        if (!c->used)
            problem_at(s, t->sheet, c->row->line, t->item_cell, COLUMN_ITEM_PATH, c->code, "import.no-item",
                       "there is no item with this code in 事项");
    }
}

/* ---- cells to values ---- */

static yyjson_mut_val *bool_value(yyjson_mut_doc *doc, const char *text)
{
    static const char *const yes[] = {"是", "有", "true", "TRUE", "1", "Y", "允许", "可"};
    static const char *const no[] = {"否", "无", "false", "FALSE", "0", "N", "不允许", "不可"};
    for (size_t i = 0; i < array_count(yes); i++)
        if (strcmp(text, yes[i]) == 0)
            return yyjson_mut_true(doc);
    for (size_t i = 0; i < array_count(no); i++)
        if (strcmp(text, no[i]) == 0)
            return yyjson_mut_false(doc);
    return yyjson_mut_strcpy(doc, text); /* refused by the item's table, which names it */
}

/* 2026/1/2, 2026.1.2, 20260102, 2026年1月2日 and a date with a time become 2026-01-02; anything else stays. */
static const char *date_text(const char *text, char out[DATE_TEXT_SIZE])
{
    unsigned year = 0, month = 0, day = 0;
    int end = 0;
    bool is_date = sscanf(text, "%4u-%2u-%2u%n", &year, &month, &day, &end) == 3 ||
                   sscanf(text, "%4u/%2u/%2u%n", &year, &month, &day, &end) == 3 ||
                   sscanf(text, "%4u.%2u.%2u%n", &year, &month, &day, &end) == 3 ||
                   sscanf(text, "%4u年%2u月%2u日%n", &year, &month, &day, &end) == 3 ||
                   (strlen(text) == 8 && sscanf(text, "%4u%2u%2u%n", &year, &month, &day, &end) == 3);
    bool has_rest = is_date && text[end] != '\0' && strcmp(text + end, " 00:00:00") != 0;
    uint32_t date = year * 10000 + month * 100 + day;
    if (!is_date || has_rest || !date_is_valid(date))
        return text;
    date_format(date, out);
    return out;
}

static yyjson_mut_val *list_value(yyjson_mut_doc *doc, const struct shape_field *f, const char *text)
{
    static const char *const separators[] = {"\n", "|", "、", ",", ",", ";", ";"};
    size_t separator_count = f->kind == SHAPE_WORDS ? array_count(separators) : 2;
    yyjson_mut_val *list = yyjson_mut_arr(doc);
    for (const char *at = text; at != NULL;) {
        const char *end = NULL;
        size_t step = 0;
        for (size_t i = 0; i < separator_count; i++) {
            const char *found = strstr(at, separators[i]);
            if (found != NULL && (end == NULL || found < end)) {
                end = found;
                step = strlen(separators[i]);
            }
        }
        size_t size = end == NULL ? strlen(at) : (size_t)(end - at);
        while (size > 0 && at[0] == ' ')
            at++, size--;
        while (size > 0 && at[size - 1] == ' ')
            size--;
        if (size > 0)
            (void)yyjson_mut_arr_add_val(list, yyjson_mut_strncpy(doc, at, size)); /* both are of this document */
        at = end == NULL ? NULL : end + step;
    }
    return list;
}

static yyjson_mut_val *number_value(yyjson_mut_doc *doc, const char *text)
{
    uint64_t n;
    if (decimal_parse(bytes_of_string(text), &n) == 0)
        return yyjson_mut_uint(doc, n);
    if (text[0] == '-' && decimal_parse(bytes_of_string(text + 1), &n) == 0 && n > 0 && n <= INT64_MAX)
        return yyjson_mut_sint(doc, -(int64_t)n); /* refused by the item's table, which names the bounds */
    return yyjson_mut_strcpy(doc, text);
}

static yyjson_mut_val *cell_value(yyjson_mut_doc *doc, const struct shape_field *f, const char *text)
{
    char date[DATE_TEXT_SIZE];
    switch (f->kind) {
    case SHAPE_INTEGER:
        return number_value(doc, column_word(f->key, text));
    case SHAPE_BOOL:
        return bool_value(doc, text);
    case SHAPE_DATE:
        return yyjson_mut_strcpy(doc, date_text(text, date));
    case SHAPE_WORD:
        return yyjson_mut_strcpy(doc, column_word(f->key, text));
    case SHAPE_WORDS:
    case SHAPE_TEXTS:
        return list_value(doc, f, text);
    default:
        return yyjson_mut_strcpy(doc, text);
    }
}

/* The object at the first part of @path below @object, made when it is not there; *path goes to the last part. */
static yyjson_mut_val *object_for(yyjson_mut_doc *doc, yyjson_mut_val *object, const char **path)
{
    const char *dot;
    while ((dot = strchr(*path, '.')) != NULL) {
        size_t size = (size_t)(dot - *path);
        yyjson_mut_val *inner = yyjson_mut_obj_getn(object, *path, size);
        if (inner == NULL) {
            inner = yyjson_mut_obj(doc);
            (void)yyjson_mut_obj_add(object, yyjson_mut_strncpy(doc, *path, size), inner); /* a text and a value */
        }
        object = inner;
        *path = dot + 1;
    }
    return object;
}

static void put_row(const struct table *t, const struct sheet_row *row, yyjson_mut_doc *doc, yyjson_mut_val *object)
{
    for (size_t i = 0; i < row->count && i < t->heading_count; i++) {
        if (row->cells[i][0] == '\0' || t->to_column[i] == NO_COLUMN)
            continue;
        const char *path = t->columns->columns[t->to_column[i]].path;
        const struct shape_field *f = column_field(t->columns, path);
        if (f == NULL)
            continue; /* 事项编码 of another sheet */
        yyjson_mut_val *at = object_for(doc, object, &path);
        (void)yyjson_mut_obj_add(at, yyjson_mut_strcpy(doc, path), cell_value(doc, f, row->cells[i]));
    }
}

/* ---- items ---- */

/* Rows of the other sheets that belong to one item, as [from, to) of children. */
struct range {
    size_t from, to;
};

/* A set that must be there but may be empty (通办模式: the source does not say) is what an empty cell means. */
static void put_empty_sets(yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    for (size_t i = 0; i < catalog_item_shape.field_count; i++) {
        const struct shape_field *f = &catalog_item_shape.fields[i];
        if (f->kind == SHAPE_WORDS && f->is_required && f->min == 0 && yyjson_mut_obj_get(root, f->key) == NULL)
            (void)yyjson_mut_obj_add_val(doc, root, f->key, yyjson_mut_arr(doc)); /* constant key */
    }
}

static yyjson_doc *build_item(struct sheets *s, const struct sheet_row *row, struct range children)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    xassert(doc != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    put_row(&s->tables[0], row, doc, root);
    put_empty_sets(doc, root);
    for (size_t i = children.from; i < children.to; i++) {
        struct child *c = &s->children[i];
        const struct table *t = &s->tables[c->table];
        const char *key = t->columns->list;
        yyjson_mut_val *parent = object_for(doc, root, &key);
        yyjson_mut_val *list = yyjson_mut_obj_get(parent, key);
        if (list == NULL) {
            list = yyjson_mut_arr(doc);
            (void)yyjson_mut_obj_add_val(doc, parent, key, list); /* constant key */
        }
        yyjson_mut_val *entry = yyjson_mut_arr_add_obj(doc, list);
        put_row(t, c->row, doc, entry);
        c->used = true;
    }
    yyjson_doc *copy = yyjson_mut_doc_imut_copy(doc, NULL);
    xassert(copy != NULL);
    yyjson_mut_doc_free(doc);
    return copy;
}

/* Where @path of the item stands: "materials[2].form" is the third row of 材料 of this item. */
static const struct table *find_place(const struct sheets *s, struct range children, const char *path,
                                      const struct sheet_row **row, const char **inner)
{
    for (size_t i = 1; i < column_sheet_count; i++) {
        const char *list = column_sheets[i].list;
        size_t size = strlen(list);
        if (strncmp(path, list, size) != 0 || path[size] != '[')
            continue;
        char *end = NULL;
        size_t index = strtoul(path + size + 1, &end, 10);
        for (size_t c = children.from; c < children.to; c++) {
            if (s->children[c].table != i || index-- > 0)
                continue;
            *row = s->children[c].row;
            *inner = end[0] == ']' && end[1] == '.' ? end + 2 : "";
            return &s->tables[i];
        }
    }
    *inner = path;
    return &s->tables[0];
}

/* What the item's table says of a cell, in the words that cells take: @rule is "'木质' is not one of paper, electronic, either". */
static void put_rule(struct buf *b, const struct shape_field *f, const char *id, const char *rule)
{
    struct buf words = {0};
    const char *quote = strrchr(rule, '\'');
    bool is_value = strcmp(id, "catalog.field-value") == 0, is_type = strcmp(id, "catalog.field-type") == 0;
    bool is_word = f != NULL && ((f->kind == SHAPE_WORD && is_value) || (f->kind == SHAPE_BOOL && is_type));
    bool is_number = f != NULL && f->kind == SHAPE_INTEGER && is_type;
    if (is_word || is_number)
        column_put_words(f, &words);
    if (quote == NULL || (!is_word && !is_number))
        buf_put_string(b, rule);
    else if (words.size > 0)
        buf_printf(b, "%.*s is not one of %s", (int)(quote + 1 - rule), rule, buf_cstr(&words));
    else
        buf_printf(b, "%.*s is not a whole number from %u to %u", (int)(quote + 1 - rule), rule, f->min, f->max);
    buf_close(&words);
}

/* The column of the field that @rule ("field 'name' is missing") names in @inner, or, of an object, of what it needs first. */
static size_t missing_column(const struct column_sheet *s, const char *inner, const char *rule)
{
    char path[SHAPE_PLACE_SIZE];
    const char *key = strchr(rule, '\'');
    key = key == NULL ? "" : key + 1;
    (void)snprintf(path, sizeof path, "%s%s%.*s", inner, inner[0] == '\0' ? "" : ".", (int)strcspn(key, "'"), key);
    size_t size = strlen(path), i = 0;
    for (; i < s->count; i++) {
        const char *column = s->columns[i].path;
        const struct shape_field *f = column_field(s, column);
        if (strcmp(column, path) == 0 ||
            (strncmp(column, path, size) == 0 && column[size] == '.' && f != NULL && f->is_required))
            break;
    }
    return i;
}

static void add_sheet_problem(struct sheets *s, const struct shape_walk *w, size_t i, const struct sheet_row *row,
                              struct range children)
{
    const char *inner = "", *id = w->problems->list[i].id, *rule = import_rule_text(w, i);
    const struct sheet_row *at = row;
    const struct table *t = find_place(s, children, w->problems->places[i], &at, &inner);
    bool is_missing = strcmp(id, "catalog.field-missing") == 0;
    size_t column = is_missing ? missing_column(t->columns, inner, rule) : column_of_path(t->columns, inner);
    size_t cell = NO_COLUMN;
    for (size_t h = 0; h < t->heading_count && column < t->columns->count; h++)
        if (t->to_column[h] == column)
            cell = h;
    const char *value = cell != NO_COLUMN && cell < at->count ? at->cells[cell] : "";
    struct buf text = {0};
    put_rule(&text, column_field(t->columns, inner), id, rule);
    if (is_missing && column < t->columns->count)
        buf_printf(&text, " (%s)", t->columns->columns[column].title);
    problem_at(s, t->sheet, at->line, cell, w->problems->places[i], value, id, buf_cstr(&text));
    buf_close(&text);
}

/* @is_double: the rows of the other sheets belong to another row, so what needs them cannot be judged. */
static void add_sheet_problems(struct sheets *s, const struct shape_walk *w, const struct sheet_row *row,
                               struct range children, bool is_double)
{
    for (size_t i = 0; i < w->problems->count; i++)
        if (!is_double || item_rule_find(w->problems->list[i].id) == NULL)
            add_sheet_problem(s, w, i, row, children);
}

static const char *code_of_row(const struct table *t, size_t index)
{
    const struct sheet_row *row = &t->sheet->rows[index];
    return t->item_cell != NO_COLUMN && t->item_cell < row->count ? row->cells[t->item_cell] : "";
}

static void add_doubled(struct sheets *s, size_t first, size_t second)
{
    const struct table *t = &s->tables[0];
    char rule[120];
    (void)snprintf(rule, sizeof rule, "the code is that of the item in line %u, too", t->sheet->rows[first].line);
    problem_at(s, t->sheet, t->sheet->rows[second].line, t->item_cell, "code", code_of_row(t, second),
               "catalog.item-duplicate", rule);
}

static struct range find_children(const struct sheets *s, const char *code)
{
    struct range children = {.from = first_child(s, code)};
    for (children.to = children.from; children.to < s->child_count; children.to++)
        if (strcmp(s->children[children.to].code, code) != 0)
            break;
    return children;
}

/* @first: the first row with the same code, to which the rows of the other sheets belong; they are read once. */
static struct catalog_item *read_row(struct sheets *s, size_t index, size_t first, struct shape_problems *problems)
{
    const struct table *t = &s->tables[0];
    const struct sheet_row *row = &t->sheet->rows[index];
    bool is_double = first != index;
    struct range children = {0};
    if (is_double)
        add_doubled(s, first, index);
    else
        children = find_children(s, code_of_row(t, index));
    struct shape_walk w = {.document = "item", .problems = problems};
    problems->count = 0;
    yyjson_doc *doc = build_item(s, row, children);
    struct catalog_item *item = catalog_item_read(&w, yyjson_doc_get_root(doc), s->node);
    yyjson_doc_free(doc);
    add_sheet_problems(s, &w, row, children, is_double);
    if (item != NULL) {
        item->index = (uint32_t)index;
        item->line = row->line;
    }
    return item;
}

static void read_rows(struct sheets *s)
{
    const struct table *t = &s->tables[0];
    size_t all = t->sheet->count, count = 0;
    struct catalog_item **items = xcalloc(all, sizeof(struct catalog_item *));
    struct shape_problems *problems = xcalloc(1, sizeof *problems);
    const char **codes = xcalloc(all, sizeof *codes);
    size_t *firsts = xcalloc(all, sizeof *firsts);
    codes[0] = ""; /* the headings */
    for (size_t i = 1; i < all; i++)
        codes[i] = code_of_row(t, i);
    catalog_find_doubles(codes, all, firsts);
    for (size_t i = 1; i < all; i++) {
        struct catalog_item *item = read_row(s, i, firsts[i], problems);
        if (item != NULL)
            items[count++] = item;
    }
    report_orphans(s);
    s->result->item_rows = all - 1;
    import_finish(s->result, items, count, s->node, 0);
    free(firsts);
    free(codes);
    free(problems);
    free(items);
}

void import_sheets(const struct sheet_book *book, uint32_t node, struct import_result *ret)
{
    struct sheets *s = xcalloc(1, sizeof *s);
    xassert(column_sheet_count <= SHEETS_MAX);
    s->result = ret;
    s->node = node;
    find_tables(s, book);
    const struct sheet *sheet = s->tables[0].sheet;
    if (sheet != NULL && sheet->count - 1 > CATALOG_ITEMS_MAX) {
        problem_at(s, sheet, sheet->rows[0].line, NO_COLUMN, "", "", "catalog.too-many",
                   "there are more items than a catalog may have");
    } else if (sheet != NULL) {
        collect_children(s);
        read_rows(s);
    }
    free(s->children);
    free(s);
}
