/* Import of a catalog from what offices have: a JSON catalog file, CSV or a workbook. Everything wrong is told with line,
 * column, value and rule; nothing is taken unless all is right.
 *
 * Tables: sheet 事项 (or "items", or the only one) has one row an item, the others (材料, 环节, 特别程序, 收费项目, 常见问题) rows that
 * belong to the item whose code stands in their column 事项编码, in order. columns.h lists the columns: each may be headed by
 * its Chinese title or by its path in the JSON ("limits.promised.n"). Empty cells say nothing. Lists in one cell are
 * separated by line ends or |, sets of words also by 、 , ; and words may be the Chinese ones of columns.c.
 *
 * Blocking for workbooks; any thread.
 */
#ifndef TB_CATALOG_IMPORT_H
#define TB_CATALOG_IMPORT_H

#include <stddef.h>
#include <stdint.h>

#include "node/base/arena.h"
#include "node/base/bytes.h"

struct catalog;

enum import_format { IMPORT_JSON, IMPORT_CSV, IMPORT_XLSX };

/* Texts live in the result's arena. */
struct import_problem {
    const char *file;   /* of several CSV files; "" */
    const char *sheet;  /* "" for JSON */
    uint32_t line;      /* 0: the file as a whole */
    uint32_t column;    /* column of the sheet; for JSON the character in the line; 0: the row */
    const char *field;  /* path in the item, e.g. "limits.promised.n"; "" */
    const char *value;  /* what stands there, cut to 80 bytes; "" */
    const char *id;     /* stable id of the rule */
    const char *rule;   /* what is wrong, in one sentence */
    const char *source; /* law or document of the rule; "" for the form of the file */
};

struct import_result {
    struct catalog *catalog; /* of the node, version that of a JSON file, else 0; NULL when there is a problem */
    struct import_problem *problems; /* the first IMPORT_PROBLEMS_MAX */
    size_t problem_count;
    size_t problem_total; /* with those that are not listed */
    size_t item_rows;     /* items in the file, good or bad */
    struct arena arena;
};

/* NULL: no format of that name ("json", "csv", "xlsx"). Sets *ret. */
int import_format_parse(const char *name, enum import_format *ret) WARN_UNUSED;

/* Reads @file as the catalog of @node. A negative code: the file as a whole cannot be read (errors of sheet.h, document.h);
 * problems inside it are in @ret and the code is 0. The caller closes @ret either way. */
int import_read(struct bytes file, enum import_format format, uint32_t node, struct import_result *ret,
                struct err *e) WARN_UNUSED;
void import_result_close(struct import_result *r);

/* For the parts of the importer. */
void import_add_problem(struct import_result *r, const struct import_problem *p); /* copies the texts */

struct sheet_book;
/* Reads items from the sheets of @book into @ret (import_sheet.c). */
void import_sheets(const struct sheet_book *book, uint32_t node, struct import_result *ret);

/* The sheets for people to fill in: titles, then the items of @c (NULL: none), then a sheet that explains the columns. */
/* The limits of sheet.h. The caller closes @ret. */
int import_export(const struct catalog *c, struct sheet_book *ret, struct err *e) WARN_UNUSED;

#endif
