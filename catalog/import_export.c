/* Sheets for people to fill in (see import.h): the same columns out that import_sheet.c takes in, so that an exported catalog
 * comes back unchanged. */
#include <stdio.h>
#include <string.h>

#include <yyjson.h>

#include "catalog/catalog.h"
#include "catalog/columns.h"
#include "catalog/import.h"
#include "catalog/item.h"
#include "catalog/sheet.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

static yyjson_val *value_of(yyjson_val *object, const char *path)
{
    for (;;) {
        size_t size = strcspn(path, ".");
        object = yyjson_obj_getn(object, path, size);
        if (object == NULL || path[size] == '\0')
            return object;
        path += size + 1;
    }
}

static const char *cell_of(struct arena *a, const struct shape_field *f, yyjson_val *value)
{
    if (value == NULL)
        return "";
    if (yyjson_is_bool(value))
        return yyjson_get_bool(value) ? "是" : "否";
    if (yyjson_is_uint(value))
        return column_text(f->key, arena_printf(a, "%llu", (unsigned long long)yyjson_get_uint(value)));
    if (yyjson_is_str(value))
        return column_text(f->key, arena_strdup(a, yyjson_get_str(value)));
    struct buf b = {0};
    size_t index, max;
    yyjson_val *entry;
    yyjson_arr_foreach(value, index, max, entry)
    {
        buf_put_string(&b, index == 0 ? "" : f->kind == SHAPE_WORDS ? "、" : "\n");
        buf_put_string(&b, yyjson_get_str(entry));
    }
    const char *text = arena_strdup(a, buf_cstr(&b));
    buf_close(&b);
    return text;
}

/* A book being written; the first error ends it. */
struct writing {
    struct sheet_book *book;
    int rc;
    struct err *e;
};

static void add_row(struct writing *w, struct sheet *s, const char *const *cells, size_t count)
{
    if (w->rc == 0)
        w->rc = sheet_book_add_row(w->book, s, (uint32_t)s->count + 1, cells, count, w->e);
}

static void put_entry(struct writing *w, size_t sheet, const char *code, yyjson_val *object)
{
    const struct column_sheet *columns = &column_sheets[sheet];
    const char *cells[IMPORT_COLUMNS_MAX];
    for (size_t i = 0; i < columns->count; i++) {
        const struct shape_field *f = column_field(columns, columns->columns[i].path);
        cells[i] = f == NULL ? code : cell_of(&w->book->arena, f, value_of(object, columns->columns[i].path));
    }
    add_row(w, &w->book->sheets[sheet], cells, columns->count);
}

static void put_item(struct writing *w, const struct catalog_item *item)
{
    yyjson_doc *doc = yyjson_read((const char *)item->canonical.data, item->canonical.size, YYJSON_READ_NOFLAG);
    xassert(doc != NULL); /* canonical bytes are JSON */
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *code = arena_strdup(&w->book->arena, item->code);
    put_entry(w, 0, code, root);
    for (size_t i = 1; i < column_sheet_count; i++) {
        size_t index, max;
        yyjson_val *entry;
        yyjson_arr_foreach(value_of(root, column_sheets[i].list), index, max, entry) put_entry(w, i, code, entry);
    }
    yyjson_doc_free(doc);
}

/* What a cell of the field may hold, in one line. */
static const char *explain(struct arena *a, const struct shape_field *f)
{
    struct buf b = {0};
    switch (f->kind) {
    case SHAPE_INTEGER:
        buf_printf(&b, "整数,%u 至 %u", f->min, f->max);
        break;
    case SHAPE_BOOL:
        buf_put_string(&b, "是 / 否");
        break;
    case SHAPE_DATE:
        buf_put_string(&b, "日期,如 2026-11-24");
        break;
    case SHAPE_WORD:
    case SHAPE_WORDS:
        buf_put_string(&b, f->kind == SHAPE_WORD ? "选一:" : "可多选,以、分隔:");
        for (size_t i = 0; f->words[i] != NULL; i++)
            buf_printf(&b, "%s%s", i == 0 ? "" : " ", column_text(f->key, f->words[i]));
        break;
    case SHAPE_TEXTS:
        buf_printf(&b, "每行一条,至多 %u 条", f->max);
        break;
    case SHAPE_CODE:
        buf_printf(&b, "字母和数字,%u 至 %u 位", f->min, f->max);
        break;
    default:
        buf_printf(&b, "文字,至多 %u 字节", f->max);
        break;
    }
    const char *text = arena_strdup(a, buf_cstr(&b));
    buf_close(&b);
    return text;
}

static void put_help(struct writing *w, struct sheet *help)
{
    static const char *const head[] = {"表", "列", "字段", "必填", "内容"};
    add_row(w, help, head, array_count(head));
    for (size_t i = 0; i < column_sheet_count; i++) {
        const struct column_sheet *columns = &column_sheets[i];
        for (size_t c = 0; c < columns->count; c++) {
            const struct column *column = &columns->columns[c];
            const struct shape_field *f = column_field(columns, column->path);
            bool is_needed = f == NULL || (f->is_required && strchr(column->path, '.') == NULL);
            const char *const row[] = {columns->title, column->title, column->path, is_needed ? "是" : "",
                                       f == NULL ? "所属事项的事项编码" : explain(&w->book->arena, f)};
            add_row(w, help, row, array_count(row));
        }
    }
}

int import_export(const struct catalog *c, struct sheet_book *ret, struct err *e)
{
    struct writing w = {.book = ret, .e = e};
    *ret = (struct sheet_book){0};
    struct sheet *sheet = NULL;
    for (size_t i = 0; w.rc == 0 && i < column_sheet_count; i++) {
        const struct column_sheet *columns = &column_sheets[i];
        const char *titles[IMPORT_COLUMNS_MAX];
        for (size_t n = 0; n < columns->count; n++)
            titles[n] = columns->columns[n].title;
        w.rc = sheet_book_add(ret, columns->title, "", &sheet, e);
        add_row(&w, sheet, titles, columns->count);
    }
    for (size_t i = 0; c != NULL && w.rc == 0 && i < catalog_count(c); i++)
        put_item(&w, catalog_at(c, i));
    if (w.rc == 0)
        w.rc = sheet_book_add(ret, COLUMN_HELP_SHEET, "", &sheet, e);
    if (w.rc == 0)
        put_help(&w, sheet);
    if (w.rc != 0)
        sheet_book_close(ret);
    return w.rc;
}
