/* XLSX in and out (see sheet.h): FreeXL reads the cells, minizip opens and writes the archive. The only place of both.
 *
 * A workbook is a ZIP archive of XML, so what comes in is first unpacked once without keeping anything: that bounds what
 * FreeXL, which has no limits of its own, will meet (true sizes, rows and cells, not what the archive says of itself), and
 * finds cells with inline texts, which FreeXL leaves out without a word; their texts are taken into the table of texts first.
 * XML declarations (entities) and comments are refused: no spreadsheet program writes them, and they hide things.
 * Files lie in memory (memfd): both libraries want a path.
 */
#include <errno.h>
#include <freexl.h>
#include <minizip/unzip.h>
#include <minizip/zip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "catalog/inline_text.h"
#include "catalog/sheet.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

#define PATH_SIZE 40
#define ARCHIVE_FILES_MAX 256

static int open_memory(struct bytes content, char path[PATH_SIZE], int *ret_fd, struct err *e)
{
    int fd = memfd_create("workbook", MFD_CLOEXEC);
    if (fd < 0)
        return err_set_errno(e, ERR_IO, "import.memory", errno, "cannot hold the workbook in memory");
    for (size_t done = 0; done < content.size;) {
        ssize_t n = write(fd, content.data + done, content.size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int rc = err_set_errno(e, ERR_IO, "import.memory", errno, "cannot hold the workbook in memory");
            (void)close(fd); /* only memory */
            return rc;
        }
        done += (size_t)n;
    }
    (void)snprintf(path, PATH_SIZE, "/proc/self/fd/%d", fd);
    *ret_fd = fd;
    return 0;
}

/* ---- looking at the archive first ---- */

#define TAIL_BYTES 64u /* of a piece, looked at again with the next one */

struct survey {
    uint64_t unpacked, cells, rows;
    bool has_inline, has_declaration, has_bad_count;
    /* of the part under work */
    bool is_sheet, is_strings;
    bool is_past_head; /* of the shared texts: the first text has been seen */
    char tail[TAIL_BYTES];
    size_t tail_size;
};

static size_t count_of(const char *text, size_t size, const char *what)
{
    size_t count = 0;
    size_t what_size = strlen(what);
    const char *at = text;
    for (; (at = memmem(at, size - (size_t)(at - text), what, what_size)) != NULL; at += what_size)
        count++;
    return count;
}

/* What is new of @what in @all bytes whose start, the tail, has been counted before. */
static size_t new_of(const struct survey *s, const char *joined, size_t all, const char *what)
{
    return count_of(joined, all, what) - count_of(joined, s->tail_size, what);
}

/* FreeXL takes memory for as many shared texts as the attributes "count" and "uniqueCount" of the head say. They stand
 * before the first text; anything there but plain digits is refused. */
static void check_counts(struct survey *s, const char *joined, size_t all)
{
    const char *first = memmem(joined, all, "<si", 3);
    size_t head = first == NULL ? all : (size_t)(first - joined);
    for (const char *at = joined; (at = memmem(at, head - (size_t)(at - joined), "ount", 4)) != NULL; at += 4) {
        char value[TAIL_BYTES] = {0};
        size_t left = min_of(head - (size_t)(at - joined), sizeof value - 1);
        unsigned long n = 0;
        char quote = 0;
        memcpy(value, at, left);
        bool is_read =
            sscanf(value, "ount = %c%10lu%c", &quote, &n, &(char){0}) == 3 && (quote == '"' || quote == '\'');
        bool comes_again = first == NULL && all - (size_t)(at - joined) < TAIL_BYTES;
        s->has_bad_count = s->has_bad_count || (!is_read && !comes_again) || n > IMPORT_CELLS_MAX;
    }
    s->is_past_head = first != NULL;
}

static void look_at(struct survey *s, const char *piece, size_t size)
{
    char joined[TAIL_BYTES + 16384];
    memcpy(joined, s->tail, s->tail_size);
    memcpy(joined + s->tail_size, piece, size);
    size_t all = s->tail_size + size;
    s->has_declaration = s->has_declaration || memmem(joined, all, "<!", 2) != NULL;
    if (s->is_sheet) {
        s->cells += new_of(s, joined, all, "<c ") + new_of(s, joined, all, "<c>");
        s->rows += new_of(s, joined, all, "<row");
        s->has_inline = s->has_inline || memmem(joined, all, "inlineStr", 9) != NULL;
    }
    if (s->is_strings && !s->is_past_head)
        check_counts(s, joined, all);
    s->tail_size = min_of(all, (size_t)TAIL_BYTES);
    memcpy(s->tail, joined + all - s->tail_size, s->tail_size);
}

static int check_survey(const struct survey *s, struct err *e)
{
    if (s->unpacked > IMPORT_UNPACKED_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "import.unpacked", "the workbook unpacks to more than %u bytes",
                       IMPORT_UNPACKED_BYTES_MAX);
    if (s->cells > IMPORT_CELLS_MAX)
        return err_set(e, ERR_LIMIT, "import.cells", "more than %u cells", IMPORT_CELLS_MAX);
    if (s->rows > IMPORT_ROWS_MAX)
        return err_set(e, ERR_LIMIT, "import.rows", "more than %u rows", IMPORT_ROWS_MAX);
    if (s->has_declaration)
        return err_set(e, ERR_INVALID, "import.xlsx", "the workbook has declarations or comments in its XML");
    if (s->has_bad_count)
        return err_set(e, ERR_INVALID, "import.xlsx",
                       "the workbook says that it has more than %u texts, or not how many", IMPORT_CELLS_MAX);
    return 0;
}

static int survey_file(unzFile zip, struct survey *s, struct err *e)
{
    char name[256];
    char piece[16384];
    unz_file_info64 info;
    int rc = 0, n = 0;
    if (unzGetCurrentFileInfo64(zip, &info, name, sizeof name, NULL, 0, NULL, 0) != UNZ_OK ||
        unzOpenCurrentFile(zip) != UNZ_OK)
        return err_set(e, ERR_INVALID, "import.xlsx", "a part of the archive cannot be opened");
    const char *dot = strrchr(name, '.');
    bool is_xml = dot != NULL && (strcasecmp(dot, ".xml") == 0 || strcasecmp(dot, ".rels") == 0);
    s->is_sheet = strcasestr(name, "worksheets/") != NULL;
    s->is_strings = strcasestr(name, "sharedStrings") != NULL;
    s->is_past_head = false;
    s->tail_size = 0;
    while (rc == 0 && (n = unzReadCurrentFile(zip, piece, sizeof piece)) > 0) {
        s->unpacked += (uint64_t)n;
        if (is_xml)
            look_at(s, piece, (size_t)n);
        rc = check_survey(s, e);
    }
    int closed = unzCloseCurrentFile(zip);
    if (rc == 0 && (n < 0 || closed != UNZ_OK))
        rc = err_set(e, ERR_INVALID, "import.xlsx", "'%.100s' in the archive is damaged", name);
    return rc;
}

static int survey_archive(const char *path, bool *ret_inline, struct err *e)
{
    struct survey s = {0};
    unzFile zip = unzOpen64(path);
    if (zip == NULL) {
        (void)err_set(e, ERR_INVALID, "import.xlsx", "this is no XLSX workbook (no ZIP archive)");
        err_hint(e, "an old .xls workbook must be saved as .xlsx or CSV first");
        return ERR_INVALID;
    }
    int rc = 0;
    size_t files = 0;
    for (int at = unzGoToFirstFile(zip); rc == 0 && at == UNZ_OK; at = unzGoToNextFile(zip))
        rc = ++files > ARCHIVE_FILES_MAX
                 ? err_set(e, ERR_LIMIT, "import.xlsx", "more than %d files in the archive", ARCHIVE_FILES_MAX)
                 : survey_file(zip, &s, e);
    (void)unzClose(zip); /* was only read */
    *ret_inline = s.has_inline;
    return rc;
}

/* ---- texts inside the cells ---- */

#define TEXTS "xl/sharedStrings.xml"

static void put_part(zipFile zip, const char *name, const struct buf *content);

/* The part that @zip stands on, whole: the survey has bounded all of them together. */
static int read_part(unzFile zip, char name[256], struct buf *ret, struct err *e)
{
    char piece[16384];
    int n = 0;
    buf_init(ret, IMPORT_UNPACKED_BYTES_MAX);
    int rc =
        unzGetCurrentFileInfo64(zip, NULL, name, 256, NULL, 0, NULL, 0) == UNZ_OK && unzOpenCurrentFile(zip) == UNZ_OK
            ? 0
            : -1;
    while (rc == 0 && (n = unzReadCurrentFile(zip, piece, sizeof piece)) > 0)
        buf_put(ret, piece, (size_t)n);
    if (rc == 0 && (unzCloseCurrentFile(zip) != UNZ_OK || n < 0))
        rc = -1;
    if (rc != 0 || ret->failed)
        return err_set(e, ERR_INVALID, "import.xlsx", "a part of the archive cannot be read");
    return 0;
}

/* Copies @from to @to with the texts of cells in the table of texts, which @table was. */
static int lift_parts(unzFile from, zipFile to, struct bytes table, struct err *e)
{
    struct buf texts = {0}, joined = {0};
    size_t count = inline_text_count(table);
    int rc = 0;
    buf_init(&texts, IMPORT_UNPACKED_BYTES_MAX);
    buf_init(&joined, IMPORT_UNPACKED_BYTES_MAX);
    for (int at = unzGoToFirstFile(from); rc == 0 && at == UNZ_OK; at = unzGoToNextFile(from)) {
        char name[256];
        struct buf part = {0}, sheet = {0};
        buf_init(&sheet, IMPORT_UNPACKED_BYTES_MAX);
        rc = read_part(from, name, &part, e);
        bool is_sheet = strcasestr(name, "worksheets/") != NULL && strcasestr(name, ".rels") == NULL;
        if (rc == 0 && is_sheet)
            inline_text_lift(buf_bytes(&part), &sheet, &texts, &count);
        if (rc == 0 && (sheet.failed || texts.failed))
            rc = err_set(e, ERR_LIMIT, "import.unpacked", "the workbook unpacks to more than %u bytes",
                         IMPORT_UNPACKED_BYTES_MAX);
        else if (rc == 0 && strcmp(name, TEXTS) != 0)
            put_part(to, name, is_sheet ? &sheet : &part);
        buf_close(&part);
        buf_close(&sheet);
    }
    inline_text_join(table, buf_bytes(&texts), count, &joined);
    if (rc == 0 && joined.failed)
        rc = err_set(e, ERR_LIMIT, "import.unpacked", "the workbook unpacks to more than %u bytes",
                     IMPORT_UNPACKED_BYTES_MAX);
    if (rc == 0)
        put_part(to, TEXTS, &joined);
    buf_close(&texts);
    buf_close(&joined);
    return rc;
}

/* FreeXL leaves texts inside cells out without a word: the workbook again, in memory, with all texts in its table. */
static int lift_archive(const char *path, char ret_path[PATH_SIZE], int *ret_fd, struct err *e)
{
    struct buf table = {0};
    char name[256];
    int rc = open_memory(bytes_of(NULL, 0), ret_path, ret_fd, e);
    unzFile from = rc == 0 ? unzOpen64(path) : NULL;
    zipFile to = rc == 0 ? zipOpen64(ret_path, APPEND_STATUS_CREATE) : NULL;
    if (rc == 0 && (from == NULL || to == NULL))
        rc = err_set(e, ERR_IO, "import.memory", "cannot write the workbook");
    if (rc == 0 && unzLocateFile(from, TEXTS, 1) == UNZ_OK)
        rc = read_part(from, name, &table, e);
    if (rc == 0)
        rc = lift_parts(from, to, buf_bytes(&table), e);
    if (from != NULL)
        (void)unzClose(from); /* was only read */
    if (to != NULL && zipClose(to, NULL) != ZIP_OK && rc == 0)
        rc = err_set(e, ERR_IO, "import.memory", "cannot write the workbook");
    buf_close(&table);
    return rc;
}

/* ---- reading ---- */

/* The cell as text; numbers in their shortest form, so that 20 is "20". */
static const char *cell_text(const FreeXL_CellValue *v, char number[32])
{
    switch (v->type) {
    case FREEXL_CELL_INT:
        (void)snprintf(number, 32, "%d", v->value.int_value);
        return number;
    case FREEXL_CELL_DOUBLE:
        (void)snprintf(number, 32, "%.15g", v->value.double_value);
        return number;
    case FREEXL_CELL_TEXT:
    case FREEXL_CELL_SST_TEXT:
    case FREEXL_CELL_DATE:
    case FREEXL_CELL_DATETIME:
    case FREEXL_CELL_TIME:
        return v->value.text_value == NULL ? "" : v->value.text_value;
    default:
        return "";
    }
}

static int read_sheet(const void *handle, struct sheet_book *book, struct sheet *s, struct err *e)
{
    unsigned rows = 0;
    unsigned short columns = 0;
    if (freexl_worksheet_dimensions(handle, &rows, &columns) != FREEXL_OK || rows > 1048576)
        return 0; /* an empty sheet has no dimensions */
    if (columns > IMPORT_COLUMNS_MAX)
        return err_set(e, ERR_LIMIT, "import.columns", "sheet '%.60s': %u columns, limit %u", s->name, columns,
                       IMPORT_COLUMNS_MAX);
    const char *cells[IMPORT_COLUMNS_MAX];
    int rc = 0;
    for (unsigned r = 0; rc == 0 && r < rows; r++) {
        for (unsigned short c = 0; rc == 0 && c < columns; c++) {
            FreeXL_CellValue value = {.type = FREEXL_CELL_NULL};
            char number[32];
            const char *text = "";
            if (freexl_get_cell_value(handle, r, c, &value) == FREEXL_OK)
                text = cell_text(&value, number);
            rc = sheet_cell_text(book, text, strlen(text), r + 1, c, &cells[c], e);
        }
        if (rc == 0)
            rc = sheet_book_add_row(book, s, r + 1, cells, columns, e);
    }
    return rc != 0 ? err_wrap(e, "sheet '%.60s'", s->name) : 0;
}

static int read_workbook(const void *handle, struct sheet_book *book, struct err *e)
{
    unsigned count = 0;
    int rc = 0;
    if (freexl_get_worksheets_count(handle, &count) != FREEXL_OK || count == 0)
        return err_set(e, ERR_INVALID, "import.xlsx", "the workbook has no sheet");
    for (unsigned short i = 0; rc == 0 && i < count; i++) {
        const char *name = NULL;
        struct sheet *s = NULL;
        if (freexl_get_worksheet_name(handle, i, &name) != FREEXL_OK || name == NULL ||
            freexl_select_active_worksheet(handle, i) != FREEXL_OK)
            return err_set(e, ERR_INVALID, "import.xlsx", "sheet %u cannot be read", i + 1u);
        rc = sheet_book_add(book, name, "", &s, e);
        if (rc == 0)
            rc = read_sheet(handle, book, s, e);
    }
    return rc;
}

int xlsx_read(struct bytes file, struct sheet_book *ret, struct err *e)
{
    char path[PATH_SIZE];
    int fd = -1, lifted_fd = -1;
    bool has_inline = false;
    const void *handle = NULL;
    *ret = (struct sheet_book){0};
    int rc = open_memory(file, path, &fd, e);
    if (rc != 0)
        return rc;
    rc = survey_archive(path, &has_inline, e);
    if (rc == 0 && has_inline) {
        char lifted[PATH_SIZE];
        rc = lift_archive(path, lifted, &lifted_fd, e);
        memcpy(path, lifted, sizeof path);
        if (rc == 0)
            rc = survey_archive(path, &has_inline, e);
    }
    if (rc == 0) {
        int fault = freexl_open_xlsx(path, &handle);
        rc = fault == FREEXL_OK
                 ? read_workbook(handle, ret, e)
                 : err_set(e, ERR_INVALID, "import.xlsx", "the workbook cannot be read (FreeXL %d)", fault);
        if (handle != NULL)
            (void)freexl_close(handle); /* was only read */
    }
    (void)close(fd); /* only memory */
    if (lifted_fd >= 0)
        (void)close(lifted_fd); /* likewise */
    if (rc != 0)
        sheet_book_close(ret);
    return rc;
}

/* ---- writing ---- */

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
#define MAIN_NS "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
#define DOC_NS "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
#define PACKAGE_NS "http://schemas.openxmlformats.org/package/2006/"
#define TYPE_PREFIX "application/vnd.openxmlformats-officedocument.spreadsheetml."

static void put_xml(struct buf *b, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            buf_put_string(b, "&lt;");
        else if (*text == '>')
            buf_put_string(b, "&gt;");
        else if (*text == '&')
            buf_put_string(b, "&amp;");
        else if (*text == '"')
            buf_put_string(b, "&quot;");
        else
            buf_put_u8(b, (uint8_t)*text);
    }
}

/* A, B, …, Z, AA, … */
static void put_column(struct buf *b, size_t column)
{
    char name[8];
    size_t at = sizeof name;
    name[--at] = '\0';
    for (size_t n = column + 1; n > 0; n = (n - 1) / 26)
        name[--at] = (char)('A' + (n - 1) % 26);
    buf_put_string(b, name + at);
}

/* The sheet's cells point into the shared texts, which are numbered in the order of the cells: no text is looked for twice,
 * and the archive's compression takes care of repetitions. */
static void put_sheet(struct buf *xml, struct buf *texts, const struct sheet *s, size_t *text_count)
{
    buf_put_string(xml, HEAD "<worksheet xmlns=\"" MAIN_NS
                             "\"><sheetViews><sheetView workbookViewId=\"0\"><pane ySplit=\"1\" "
                             "topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/></sheetView></sheetViews>"
                             "<sheetData>");
    for (size_t r = 0; r < s->count; r++) {
        buf_printf(xml, "<row r=\"%zu\">", r + 1);
        for (size_t c = 0; c < s->rows[r].count; c++) {
            if (s->rows[r].cells[c][0] == '\0')
                continue;
            buf_put_string(xml, "<c r=\"");
            put_column(xml, c);
            buf_printf(xml, "%zu\" t=\"s\"><v>%zu</v></c>", r + 1, (*text_count)++);
            buf_put_string(texts, "<si><t xml:space=\"preserve\">");
            put_xml(texts, s->rows[r].cells[c]);
            buf_put_string(texts, "</t></si>");
        }
        buf_put_string(xml, "</row>");
    }
    buf_put_string(xml, "</sheetData></worksheet>");
}

static size_t count_texts(const struct sheet *s)
{
    size_t count = 0;
    for (size_t r = 0; r < s->count; r++)
        for (size_t c = 0; c < s->rows[r].count; c++)
            count += s->rows[r].cells[c][0] != '\0';
    return count;
}

static void put_part(zipFile zip, const char *name, const struct buf *content)
{
    const zip_fileinfo info = {.tmz_date = {.tm_year = 1980, .tm_mday = 1}}; /* the same book, the same bytes */
    int rc = zipOpenNewFileInZip(zip, name, &info, NULL, 0, NULL, 0, NULL, Z_DEFLATED, Z_DEFAULT_COMPRESSION);
    xassert(rc == ZIP_OK); /* into memory */
    rc = zipWriteInFileInZip(zip, content->data, (unsigned)content->size);
    xassert(rc == ZIP_OK);
    rc = zipCloseFileInZip(zip);
    xassert(rc == ZIP_OK);
}

static void put_frame(zipFile zip, const struct sheet_book *b)
{
    struct buf types = {0}, rels = {0}, book = {0}, book_rels = {0};
    buf_put_string(&types,
                   HEAD "<Types xmlns=\"" PACKAGE_NS "content-types\">"
                        "<Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package."
                        "relationships+xml\"/><Override PartName=\"/xl/workbook.xml\" ContentType=\"" TYPE_PREFIX
                        "sheet.main+xml\"/><Override PartName=\"/xl/sharedStrings.xml\" ContentType=\"" TYPE_PREFIX
                        "sharedStrings+xml\"/>");
    buf_put_string(&rels,
                   HEAD "<Relationships xmlns=\"" PACKAGE_NS "relationships\"><Relationship Id=\"rId1\" Type=\"" DOC_NS
                        "/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>");
    buf_put_string(&book, HEAD "<workbook xmlns=\"" MAIN_NS "\" xmlns:r=\"" DOC_NS "\"><sheets>");
    buf_put_string(&book_rels, HEAD "<Relationships xmlns=\"" PACKAGE_NS "relationships\">");
    for (size_t i = 0; i < b->count; i++) {
        buf_printf(&types,
                   "<Override PartName=\"/xl/worksheets/sheet%zu.xml\" ContentType=\"" TYPE_PREFIX "worksheet+xml\"/>",
                   i + 1);
        buf_put_string(&book, "<sheet name=\"");
        put_xml(&book, b->sheets[i].name);
        buf_printf(&book, "\" sheetId=\"%zu\" r:id=\"rId%zu\"/>", i + 1, i + 1);
        buf_printf(&book_rels,
                   "<Relationship Id=\"rId%zu\" Type=\"" DOC_NS "/worksheet\" Target=\"worksheets/sheet%zu.xml\"/>",
                   i + 1, i + 1);
    }
    buf_put_string(&types, "</Types>");
    buf_put_string(&book, "</sheets></workbook>");
    buf_printf(&book_rels,
               "<Relationship Id=\"rId%zu\" Type=\"" DOC_NS "/sharedStrings\" Target=\"sharedStrings.xml\"/>"
               "</Relationships>",
               b->count + 1);
    put_part(zip, "[Content_Types].xml", &types);
    put_part(zip, "_rels/.rels", &rels);
    put_part(zip, "xl/workbook.xml", &book);
    put_part(zip, "xl/_rels/workbook.xml.rels", &book_rels);
    buf_close(&types);
    buf_close(&rels);
    buf_close(&book);
    buf_close(&book_rels);
}

static int write_archive(const struct sheet_book *b, const char *path, struct err *e)
{
    zipFile zip = zipOpen64(path, APPEND_STATUS_CREATE);
    if (zip == NULL)
        return err_set(e, ERR_IO, "import.memory", "cannot write the workbook");
    struct buf texts = {0};
    size_t text_count = 0;
    int rc = 0;
    put_frame(zip, b);
    for (size_t i = 0; i < b->count; i++)
        text_count += count_texts(&b->sheets[i]);
    buf_init(&texts, IMPORT_UNPACKED_BYTES_MAX);
    buf_printf(&texts, HEAD "<sst xmlns=\"" MAIN_NS "\" count=\"%zu\" uniqueCount=\"%zu\">", text_count, text_count);
    text_count = 0;
    for (size_t i = 0; rc == 0 && i < b->count; i++) {
        char name[48];
        struct buf xml = {0};
        buf_init(&xml, IMPORT_UNPACKED_BYTES_MAX);
        (void)snprintf(name, sizeof name, "xl/worksheets/sheet%zu.xml", i + 1);
        put_sheet(&xml, &texts, &b->sheets[i], &text_count);
        if (xml.failed || texts.failed)
            rc = err_set(e, ERR_LIMIT, "import.unpacked", "the workbook has more than %u bytes",
                         IMPORT_UNPACKED_BYTES_MAX);
        else
            put_part(zip, name, &xml);
        buf_close(&xml);
    }
    buf_put_string(&texts, "</sst>");
    if (rc == 0)
        put_part(zip, "xl/sharedStrings.xml", &texts);
    buf_close(&texts);
    int closed = zipClose(zip, NULL);
    return rc != 0 ? rc : closed == ZIP_OK ? 0 : err_set(e, ERR_IO, "import.memory", "cannot write the workbook");
}

int xlsx_write(const struct sheet_book *b, struct buf *out, struct err *e)
{
    char path[PATH_SIZE];
    int fd = -1;
    int rc = open_memory(bytes_of(NULL, 0), path, &fd, e);
    if (rc != 0)
        return rc;
    rc = write_archive(b, path, e);
    off_t size = lseek(fd, 0, SEEK_END);
    uint8_t *to = rc != 0 || size <= 0 ? NULL : buf_extend(out, (size_t)size);
    if (rc == 0 && (to == NULL || pread(fd, to, (size_t)size, 0) != size))
        rc = err_set(e, ERR_IO, "import.memory", "cannot read the workbook back");
    (void)close(fd); /* only memory */
    return rc;
}
