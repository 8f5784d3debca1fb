/* Tables as an office hands them in: a book of sheets of rows of texts, read from CSV (csv.c) or XLSX (xlsx.c), written
 * as either. import.h makes items of them. Knows nothing of items.
 *
 * Everything is bounded before memory is taken: IMPORT_CELLS_MAX cells and IMPORT_ROWS_MAX rows in all, IMPORT_COLUMNS_MAX
 * a row, IMPORT_CELL_BYTES_MAX a cell; for XLSX, which is compressed, also the unpacked sizes. Blocking for XLSX
 * (a file in memory), pure otherwise; any thread.
 */
#ifndef TB_CATALOG_SHEET_H
#define TB_CATALOG_SHEET_H

#include <stddef.h>
#include <stdint.h>

#include "node/base/arena.h"
#include "node/base/bytes.h"

struct sheet_row {
    uint32_t line;            /* in its file, from 1 */
    const char *const *cells; /* trimmed; "" for an empty one */
    size_t count;
};

struct sheet {
    const char *name; /* of the tab, or of the table in CSV; "" for the first of a CSV file */
    const char *file; /* CSV of several files: whose lines they are; "" */
    struct sheet_row *rows;
    size_t count;
    size_t capacity;
};

struct sheet_book {
    struct sheet *sheets;
    size_t count;
    size_t row_count, cell_count; /* of all sheets */
    struct arena arena;           /* all texts */
};

void sheet_book_close(struct sheet_book *b);

/* For the readers: adds an empty sheet; ERR_LIMIT "import.too-many-sheets". Texts are copied. */
int sheet_book_add(struct sheet_book *b, const char *name, const char *file, struct sheet **ret,
                   struct err *e) WARN_UNUSED;
/* Adds a row of @count texts that live in the book's arena; a row of empty ones is left out. ERR_LIMIT "import.rows",
 * "import.cells", "import.columns". */
int sheet_book_add_row(struct sheet_book *b, struct sheet *s, uint32_t line, const char *const *cells, size_t count,
                       struct err *e) WARN_UNUSED;
/* Copies a cell's text without blanks (ASCII and U+3000) at its ends, "\r\n" as "\n". ERR_LIMIT "import.cell". */
int sheet_cell_text(struct sheet_book *b, const char *text, size_t size, uint32_t line, size_t column, const char **ret,
                    struct err *e) WARN_UNUSED;

/* RFC 4180 with commas: quoted cells may hold commas, quotes doubled, and line ends. UTF-8 with or without mark, else
 * GB18030 (what Chinese office programs write). A row "#table,NAME[,FILE]" begins another table, whose lines count from 1
 * anew when FILE stands there, so that several files can come as one. Errors name file and line: ERR_INVALID
 * "import.encoding", "import.quote"; ERR_LIMIT as above. */
int csv_read(struct bytes text, struct sheet_book *ret, struct err *e) WARN_UNUSED;

/* Every sheet of a workbook (.xlsx). Dates come as 2026-11-24, numbers in their shortest form. ERR_INVALID "import.xlsx";
 * ERR_LIMIT "import.unpacked" when the archive unpacks to over IMPORT_UNPACKED_BYTES_MAX, and those above;
 * ERR_UNSUPPORTED "import.inline"; ERR_IO "import.memory". */
int xlsx_read(struct bytes file, struct sheet_book *ret, struct err *e) WARN_UNUSED;

/* UTF-8 with mark, "\r\n", a "#table" row before each sheet but the first. Texts that a spreadsheet program would take for
 * a formula (they begin with = + - @) get an apostrophe before them, which reading takes away. */
void csv_write(const struct sheet_book *b, struct buf *out);
/* A workbook of texts, first row of each sheet frozen. ERR_IO "import.memory", ERR_LIMIT "import.unpacked". */
int xlsx_write(const struct sheet_book *b, struct buf *out, struct err *e) WARN_UNUSED;

#endif
