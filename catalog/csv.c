/* CSV in and out (see sheet.h). One pass with a cursor; a quoted cell may go over several lines, and the line of a row is
 * that of its first byte. */
#include <stdlib.h>
#include <string.h>

#include "catalog/sheet.h"
#include "node/base/csv.h"
#include "node/base/gb18030.h"
#include "node/base/limits.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

struct csv {
    struct sheet_book *book;
    struct sheet *sheet; /* rows go here */
    const char *at, *end;
    uint32_t line;
    const char *cells[IMPORT_COLUMNS_MAX];
    size_t count;
    struct buf quoted; /* a quoted cell without its quotes */
};

static int fail(const struct csv *c, struct err *e, uint32_t line, const char *what)
{
    const char *file = c->sheet == NULL ? "" : c->sheet->file;
    return err_set(e, ERR_INVALID, "import.quote", "%s%sline %u, column %zu: %s", file, file[0] == '\0' ? "" : ": ",
                   line, c->count + 1, what);
}

/* A cell that begins with a quote, up to the one that ends it. */
static int read_quoted(struct csv *c, struct err *e)
{
    uint32_t line = c->line;
    buf_reset(&c->quoted);
    for (c->at++;; c->at++) {
        if (c->at == c->end)
            return fail(c, e, line, "the quote that opens here has no end");
        if (*c->at == '"') {
            c->at++;
            if (c->at == c->end || *c->at != '"')
                break;
        }
        c->line += *c->at == '\n';
        buf_put_u8(&c->quoted, (uint8_t)*c->at);
    }
    if (c->at < c->end && *c->at != ',' && *c->at != '\n' && *c->at != '\r')
        return fail(c, e, c->line, "something follows the closing quote");
    return 0;
}

/* What csv_write() put before a text that looks like a formula. */
static bool is_guarded(const char *text, size_t size)
{
    return size >= 2 && text[0] == '\'' && strchr("=+-@", text[1]) != NULL;
}

static int read_cell(struct csv *c, uint32_t line, struct err *e)
{
    const char *text = c->at;
    size_t size;
    if (c->at < c->end && *c->at == '"') {
        int rc = read_quoted(c, e);
        if (rc != 0)
            return rc;
        text = (const char *)c->quoted.data;
        size = c->quoted.size;
    } else {
        while (c->at < c->end && *c->at != ',' && *c->at != '\n' && *c->at != '\r')
            c->at++;
        size = (size_t)(c->at - text);
    }
    if (c->count == IMPORT_COLUMNS_MAX)
        return err_set(e, ERR_LIMIT, "import.columns", "line %u: more than %u columns", line, IMPORT_COLUMNS_MAX);
    if (size > 0 && memchr(text, '\0', size) != NULL)
        return err_set(e, ERR_INVALID, "import.encoding", "line %u: a NUL in the text", line);
    if (is_guarded(text, size))
        text++, size--;
    const char *copy = NULL;
    int rc = sheet_cell_text(c->book, size == 0 ? "" : text, size, line, c->count, &copy, e);
    if (rc == 0)
        c->cells[c->count++] = copy;
    return rc;
}

/* The cells of one row; stands at the start of the next afterwards. */
static int read_row(struct csv *c, struct err *e)
{
    uint32_t line = c->line;
    for (c->count = 0;;) {
        int rc = read_cell(c, line, e);
        if (rc != 0)
            return rc;
        if (c->at == c->end || *c->at != ',')
            break;
        c->at++;
    }
    if (c->at < c->end && *c->at == '\r')
        c->at++;
    if (c->at < c->end && *c->at == '\n') {
        c->at++;
        c->line++;
    }
    return 0;
}

static int take_row(struct csv *c, uint32_t line, struct err *e)
{
    bool is_marker = c->count >= 2 && (strcmp(c->cells[0], "#table") == 0 || strcmp(c->cells[0], "#表") == 0);
    if (!is_marker)
        return sheet_book_add_row(c->book, c->sheet, line, c->cells, c->count, e);
    bool has_file = c->count >= 3 && c->cells[2][0] != '\0';
    if (has_file)
        c->line = 1; /* what follows is the first line of that file */
    return sheet_book_add(c->book, c->cells[1], has_file ? c->cells[2] : c->sheet->file, &c->sheet, e);
}

int csv_read(struct bytes text, struct sheet_book *ret, struct err *e)
{
    struct buf converted = {0};
    struct csv c = {.book = ret, .line = 1};
    *ret = (struct sheet_book){0};
    int rc = 0;
    bool has_mark = text.size >= 3 && memcmp(text.data, CSV_MARK, 3) == 0;
    if (has_mark)
        text = bytes_of(text.data + 3, text.size - 3);
    if (text.size > CATALOG_FILE_BYTES_MAX / 2)
        rc = err_set(e, ERR_LIMIT, "import.file", "%zu bytes of CSV, limit %u", text.size, CATALOG_FILE_BYTES_MAX / 2);
    else if (!utf8_is_valid((const char *)text.data, text.size)) {
        rc = has_mark ? err_set(e, ERR_INVALID, "import.encoding", "the text has the mark of UTF-8 but is not UTF-8")
                      : gb18030_to_utf8(text, &converted, e);
        text = buf_bytes(&converted);
    }
    if (rc == 0)
        rc = sheet_book_add(ret, "", "", &c.sheet, e);
    c.at = (const char *)text.data;
    c.end = text.size > 0 ? c.at + text.size : c.at; /* an empty text may have no address */
    while (rc == 0 && c.at < c.end) {
        uint32_t line = c.line;
        rc = read_row(&c, e);
        if (rc == 0)
            rc = take_row(&c, line, e);
    }
    buf_close(&c.quoted);
    buf_close(&converted);
    if (rc != 0)
        sheet_book_close(ret);
    return rc;
}

void csv_write(const struct sheet_book *b, struct buf *out)
{
    buf_put_string(out, CSV_MARK);
    for (size_t i = 0; i < b->count; i++) {
        const struct sheet *s = &b->sheets[i];
        if (i > 0) {
            buf_put_string(out, "#table,");
            csv_put_cell(out, s->name);
            buf_put_string(out, "\r\n");
        }
        for (size_t r = 0; r < s->count; r++) {
            for (size_t n = 0; n < s->rows[r].count; n++) {
                buf_put_string(out, n == 0 ? "" : ",");
                csv_put_cell(out, s->rows[r].cells[n]);
            }
            buf_put_string(out, "\r\n");
        }
    }
}
