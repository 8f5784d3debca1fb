/* A book of sheets (see sheet.h). */
#include "catalog/sheet.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"

void sheet_book_close(struct sheet_book *b)
{
    for (size_t i = 0; i < b->count; i++)
        free(b->sheets[i].rows);
    free(b->sheets);
    arena_close(&b->arena);
    *b = (struct sheet_book){0};
}

int sheet_book_add(struct sheet_book *b, const char *name, const char *file, struct sheet **ret, struct err *e)
{
    if (b->count >= IMPORT_SHEETS_MAX)
        return err_set(e, ERR_LIMIT, "import.too-many-sheets", "more than %u sheets", IMPORT_SHEETS_MAX);
    if (b->sheets == NULL)
        b->sheets = xcalloc(IMPORT_SHEETS_MAX, sizeof *b->sheets); /* never moves: readers keep pointers */
    struct sheet *s = &b->sheets[b->count++];
    *s = (struct sheet){.name = arena_strdup(&b->arena, name), .file = arena_strdup(&b->arena, file)};
    *ret = s;
    return 0;
}

int sheet_book_add_row(struct sheet_book *b, struct sheet *s, uint32_t line, const char *const *cells, size_t count,
                       struct err *e)
{
    while (count > 0 && cells[count - 1][0] == '\0')
        count--;
    if (count == 0)
        return 0;
    if (count > IMPORT_COLUMNS_MAX)
        return err_set(e, ERR_LIMIT, "import.columns", "line %u: %zu columns, limit %u", line, count,
                       IMPORT_COLUMNS_MAX);
    if (b->row_count >= IMPORT_ROWS_MAX)
        return err_set(e, ERR_LIMIT, "import.rows", "line %u: more than %u rows", line, IMPORT_ROWS_MAX);
    if (b->cell_count + count > IMPORT_CELLS_MAX)
        return err_set(e, ERR_LIMIT, "import.cells", "line %u: more than %u cells", line, IMPORT_CELLS_MAX);
    if (s->count == s->capacity) {
        s->capacity = max_of((size_t)64, s->capacity * 2);
        s->rows = xrealloc(s->rows, s->capacity * sizeof *s->rows);
    }
    const char **copy = arena_alloc(&b->arena, count * sizeof *copy);
    memcpy(copy, cells, count * sizeof *copy);
    s->rows[s->count++] = (struct sheet_row){.line = line, .cells = copy, .count = count};
    b->row_count++;
    b->cell_count += count;
    return 0;
}

#define WIDE_BLANK "\u3000"

int sheet_cell_text(struct sheet_book *b, const char *text, size_t size, uint32_t line, size_t column, const char **ret,
                    struct err *e)
{
    static const size_t wide = sizeof WIDE_BLANK - 1;
    for (;;) {
        if (size > 0 && strchr(" \t\r\n", text[0]) != NULL && text[0] != '\0')
            text++, size--;
        else if (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL && text[size - 1] != '\0')
            size--;
        else if (size >= wide && memcmp(text, WIDE_BLANK, wide) == 0)
            text += wide, size -= wide;
        else if (size >= wide && memcmp(text + size - wide, WIDE_BLANK, wide) == 0)
            size -= wide;
        else
            break;
    }
    if (size > IMPORT_CELL_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "import.cell", "line %u, column %zu: a cell of %zu bytes, limit %u", line,
                       column + 1, size, IMPORT_CELL_BYTES_MAX);
    if (size == 0) {
        *ret = "";
        return 0;
    }
    char *copy = arena_strndup(&b->arena, text, size);
    size_t out = 0;
    for (size_t i = 0; i < size; i++)
        if (!(copy[i] == '\r' && i + 1 < size && copy[i + 1] == '\n'))
            copy[out++] = copy[i] == '\r' ? '\n' : copy[i];
    copy[out] = '\0';
    *ret = copy;
    return 0;
}
