/* Goal: a catalog comes back the same from CSV (UTF-8 and GB18030) and XLSX; everything wrong is told with sheet, line, column,
 * value and rule, and nothing is taken then; what is too large or hostile is refused. Method: the shipped catalogs exported
 * and read again; tables of single edits to a small CSV; crafted archives. */
#include "catalog/import.h"

#include <iconv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "catalog/catalog.h"
#include "catalog/columns.h"
#include "catalog/item.h"
#include "catalog/load.h"
#include "catalog/sheet.h"
#include "node/base/limits.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"
#include "tests/lib/descriptors.h"

#define NODE 510000u

static struct catalog *load(void)
{
    struct err e;
    struct catalog *c = NULL;
    int rc =
        catalog_load(TEST_SOURCE_DIR "/catalog/data/sichuan.json", &(struct load_expect){.node = NODE}, &c, NULL, &e);
    assert_int_equal(rc, 0);
    return c;
}

static struct import_result import(struct bytes file, enum import_format format)
{
    struct err e = {0};
    struct import_result r;
    int rc = import_read(file, format, NODE, &r, &e);
    if (rc != 0)
        print_error("%s: %s\n", e.id, e.message);
    assert_int_equal(rc, 0);
    return r;
}

static void show(const struct import_result *r)
{
    for (size_t i = 0; i < r->problem_count; i++)
        print_error("%s:%s:%u:%u %s '%s' %s: %s (%s)\n", r->problems[i].file, r->problems[i].sheet, r->problems[i].line,
                    r->problems[i].column, r->problems[i].field, r->problems[i].value, r->problems[i].id,
                    r->problems[i].rule, r->problems[i].source);
}

static void check_same(struct import_result *r, const struct catalog *c)
{
    if (r->problem_total > 0)
        show(r);
    assert_int_equal(r->problem_total, 0);
    assert_non_null(r->catalog);
    assert_int_equal(catalog_count(r->catalog), catalog_count(c));
    for (size_t i = 0; i < catalog_count(c); i++) {
        struct bytes x = catalog_at(c, i)->canonical;
        struct bytes y = catalog_at(r->catalog, i)->canonical;
        if (!bytes_equal(x, y))
            print_error("%.*s\n%.*s\n", (int)x.size, x.data, (int)y.size, y.data);
        assert_true(bytes_equal(x, y));
    }
    import_result_close(r);
}

static void export(const struct catalog *c, struct sheet_book *book)
{
    struct err e;
    assert_int_equal(import_export(c, book, &e), 0);
}

static void test_csv_comes_back(void **state)
{
    (void)state;
    struct catalog *c = load();
    struct sheet_book book;
    struct buf text = {0};
    export(c, &book);
    csv_write(&book, &text);
    struct import_result r = import(buf_bytes(&text), IMPORT_CSV);
    check_same(&r, c);

    /* the same as GB18030, which offices save */
    size_t room = text.size * 2;
    char *gb = xmalloc(room), *in = (char *)text.data + 3, *out = gb; /* without the mark */
    size_t in_left = text.size - 3, out_left = room;
    iconv_t cd = iconv_open("GB18030", "UTF-8");
    assert_true(iconv(cd, &in, &in_left, &out, &out_left) != (size_t)-1);
    (void)iconv_close(cd);
    r = import(bytes_of(gb, room - out_left), IMPORT_CSV);
    check_same(&r, c);
    free(gb);
    buf_close(&text);
    sheet_book_close(&book);
    catalog_destroy(c);
}

static void test_xlsx_comes_back(void **state)
{
    (void)state;
    struct catalog *c = load();
    struct sheet_book book;
    struct buf file = {0}, again = {0};
    struct err e;
    export(c, &book);
    assert_int_equal(xlsx_write(&book, &file, &e), 0);
    assert_int_equal(xlsx_write(&book, &again, &e), 0);
    assert_true(bytes_equal(buf_bytes(&file), buf_bytes(&again)));
    struct import_result r = import(buf_bytes(&file), IMPORT_XLSX);
    check_same(&r, c);

    /* damaged anywhere, it ends with an error or a report, never with another catalog and never with a crash */
    for (size_t i = 0; i < 60; i++) {
        uint8_t *copy = xmalloc(file.size);
        memcpy(copy, file.data, file.size);
        copy[i * file.size / 60] ^= 0x55;
        struct import_result bad;
        if (import_read(bytes_of(copy, file.size), IMPORT_XLSX, NODE, &bad, &e) == 0 && bad.catalog != NULL)
            assert_int_equal(catalog_count(bad.catalog), catalog_count(c));
        import_result_close(&bad);
        free(copy);
    }
    for (size_t size = 0; size < file.size; size += file.size / 40 + 1) {
        struct import_result bad;
        assert_int_not_equal(import_read(bytes_of(file.data, size), IMPORT_XLSX, NODE, &bad, &e), 0);
        import_result_close(&bad);
    }
    buf_close(&file);
    buf_close(&again);
    sheet_book_close(&book);
    catalog_destroy(c);
}

static void test_template(void **state)
{
    (void)state;
    struct sheet_book book;
    export(NULL, &book);
    assert_int_equal(book.count, column_sheet_count + 1);
    assert_int_equal(book.sheets[0].count, 1);
    assert_string_equal(book.sheets[0].rows[0].cells[0], "事项编码");
    assert_true(book.sheets[column_sheet_count].count > 100); /* every column is explained */
    sheet_book_close(&book);
}

/* Every leaf of the item's tables is a column, and every column a leaf. */
static void check_leaves(const struct shape *shape, const char *prefix, const struct column_sheet *s, size_t *ret_count)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct shape_field *f = &shape->fields[i];
        char path[128];
        (void)snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", f->key);
        if (f->kind == SHAPE_OBJECT) {
            check_leaves(f->inner, path, s, ret_count);
            continue;
        }
        if (f->kind == SHAPE_OBJECTS)
            continue;
        if (column_of_path(s, path) == s->count)
            fail_msg("%s: '%s' has no column", s->name, path);
        assert_ptr_equal(column_field(s, path), f);
        (*ret_count)++;
    }
}

static void test_columns(void **state)
{
    (void)state;
    for (size_t i = 0; i < column_sheet_count; i++) {
        const struct column_sheet *s = &column_sheets[i];
        const struct shape *shape = &catalog_item_shape;
        if (s->list != NULL)
            shape = column_field(&column_sheets[0], s->list)->inner;
        size_t leaves = s->list != NULL; /* 事项编码 */
        check_leaves(shape, "", s, &leaves);
        assert_int_equal(leaves, s->count);
        for (size_t n = 0; n < s->count; n++)
            assert_int_equal(column_find(s, s->columns[n].title), n); /* no title stands twice */
    }
    assert_string_equal(column_word("unit", "工作日"), "working");
    assert_string_equal(column_text("unit", "working"), "工作日");
}

#define HEAD                                                                                                           \
    "事项编码,事项名称*,事项类型,行使层级,实施主体,服务对象,通办模式,事项状态,来源,source.certainty,limits.promised."  \
    "n,承诺办结时限单位\n"
#define ROW "A1,身份证,公共服务,省级,公安厅,自然人、企业法人,,在用,测试,未核实,,\n"
#define MATERIALS "#table,材料\n事项编码,材料编码,材料名称,材料形式,材料必要性,来源渠道\n"

static void test_csv_forms(void **state)
{
    (void)state;
    static const char text[] =
        "\xef\xbb\xbf" HEAD
        "A1,\"身份证,\"\"换领\"\"\",公共服务,省级,公安厅,自然人;企业法人,异地代收代办 | 全程网办,在用,"
        "\"测试\",seen,20,工作日\r\n"
        "A2, 二 ,20,4,局,自然人,,在用,\"两\",seen,,\n,,,\n" MATERIALS
        "A1,M1,户口簿,纸质,必要,政府部门核发\nA1,M2,照片,均可,必要,申请人自备";
    struct import_result r = import(bytes_of_string(text), IMPORT_CSV);
    show(&r);
    assert_int_equal(r.problem_total, 0);
    assert_int_equal(r.item_rows, 2);
    const struct catalog_item *item = catalog_find(r.catalog, "A1");
    assert_string_equal(item->name, "身份证,\"换领\"");
    assert_int_equal(item->type, CATALOG_TYPE_SERVICE);
    assert_int_equal(item->level, 2);
    assert_int_equal(item->subject, 1u << CATALOG_SUBJECT_PERSON | 1u << CATALOG_SUBJECT_COMPANY);
    assert_int_equal(item->modes, 1u << CATALOG_MODE_FORWARDED | 1u << CATALOG_MODE_ONLINE);
    assert_int_equal(item->limits->promised->n, 20);
    assert_int_equal(item->materials.count, 2);
    assert_int_equal(item->materials.at[1].origin, CATALOG_ORIGIN_APPLICANT);
    assert_string_equal(catalog_find(r.catalog, "A2")->name, "二");
    import_result_close(&r);
}

static const struct wrong {
    const char *text;
    const char *sheet;
    uint32_t line, column;
    const char *value, *id, *rule;
} wrong_rows[] = {
    {HEAD "A1,身份证,许可,省级,厅,自然人,,在用,测试,seen,,\n", "", 2, 3, "许可", "catalog.field-value",
     "'许可' is not one of 行政许可 (01), 行政处罚 (02)"},
    {HEAD ROW "A1,x,20,2,厅,自然人,,在用,测试,seen,,\n", "", 3, 1, "A1", "catalog.item-duplicate", "in line 2"},
    {HEAD ROW "A2,x,20,9,厅,自然人,,在用,测试,seen,,\n", "", 3, 4, "9", "catalog.field-value", "is not from 1 to 6"},
    {HEAD ROW "A2,x,20,二,厅,自然人,,在用,测试,seen,,\n", "", 3, 4, "二", "catalog.field-type",
     "'二' is not one of 国家级 (1), 省级 (2), 市级 (3), 县级 (4), 镇级 (5), 村级 (6)"},
    {HEAD ROW "A2,x,20,-3,厅,自然人,,在用,测试,seen,,\n", "", 3, 4, "-3", "catalog.field-value",
     "-3 is not from 1 to 6"},
    {HEAD ROW "A2,x,20,2,厅,自然人,,在用,测试,seen,-5,工作日\n", "", 3, 11, "-5", "catalog.field-value",
     "-5 is not from 0 to 3650"},
    {HEAD ROW "A2,x,20,2,厅,自然人,,在用,测试,seen,2.5,工作日\n", "", 3, 11, "2.5", "catalog.field-type",
     "'2.5' is not a whole number from 0 to 3650"},
    {HEAD ROW "A2,x,20,2,厅,自然人,,在用,测试,seen,99999999999999999999,工作日\n", "", 3, 11, "99999999999999999999",
     "catalog.field-type", "'99999999999999999999' is not a whole number from 0 to 3650"},
    {"事项编码,事项名称,事项类型,行使层级,实施主体,服务对象,通办模式,事项状态,来源,来源可信度,预约办理\n"
     "A1,x,20,2,厅,自然人,,在用,测试,seen,或许\n",
     "", 2, 11, "或许", "catalog.field-type", "'或许' is not one of 是 (true), 否 (false)"},
    {HEAD ROW "A2,,20,2,厅,自然人,,在用,测试,seen,,\n", "", 3, 2, "", "catalog.field-missing",
     "field 'name' is missing (事项名称)"},
    {HEAD ROW "A2,x,20,2,,自然人,,在用,测试,seen,,\n", "", 3, 5, "", "catalog.field-missing",
     "field 'department' is missing (实施主体)"},
    {HEAD ROW "A2,x,20,2,厅,自然人,,在用,,,,\n", "", 3, 9, "", "catalog.field-missing",
     "field 'source' is missing (来源)"},
    {HEAD ROW MATERIALS "A1,M1,,纸质,必要,其他\n", "材料", 5, 3, "", "catalog.field-missing",
     "field 'name' is missing (材料名称)"},
    {"事项编码,事项名称,事项类型,行使层级,统一社会信用代码,服务对象,事项状态,来源,来源可信度\n"
     "A1,x,20,2,91510100MA0000000Y,自然人,在用,测试,seen\n",
     "", 2, 0, "", "catalog.field-missing", "field 'name' is missing (实施主体)"},
    {HEAD ROW "A2,x,20,2,厅,人,,在用,测试,seen,,\n", "", 3, 6, "人", "catalog.field-value", "is not one of 自然人"},
    {HEAD ROW "A2,x,20,2,厅,自然人,,在用,测试,seen,5,\n", "", 3, 12, "", "catalog.field-missing",
     "'unit' is missing (承诺办结时限单位)"},
    {HEAD ROW "A2,x,20,2,厅,自然人,,在用,测试,seen,5,周\n", "", 3, 12, "周", "catalog.field-value",
     "'周' is not one of 工作日 (working), 自然日 (natural)"},
    {HEAD ROW "A2,\"a\nb\",20,2,厅,自然人,,在用,测试,seen,,\n" ROW, "", 3, 2, "a\nb", "catalog.field-value", "control"},
    {HEAD "A1,x,02,2,厅,自然人,全程网办,在用,测试,seen,,\n", "", 2, 7, "全程网办", "catalog.type-mode",
     "cannot be applied"},
    {HEAD ROW MATERIALS "A1,M1,户口簿,纸,必要,其他\n", "材料", 5, 4, "纸", "catalog.field-value",
     "'纸' is not one of 纸质 (paper), 电子 (electronic), 纸质或电子 (either)"},
    {HEAD ROW MATERIALS "A1,M1,户口簿,纸质,非必要,其他\n", "材料", 5, 0, "", "catalog.material-when", "does not say"},
    {HEAD ROW MATERIALS "A1,M1,户口簿,纸质,可容缺,其他\n", "材料", 5, 5, "可容缺", "catalog.deferrable",
     "deferral.allowed"},
    {HEAD ROW MATERIALS "A7,M1,户口簿,纸质,必要,其他\n", "材料", 5, 1, "A7", "import.no-item",
     "no item with this code"},
    {HEAD ROW MATERIALS ",M1,户口簿,纸质,必要,其他\n", "材料", 5, 1, "", "import.no-item", "does not say which item"},
    {HEAD ROW "#table,材料,m.csv\n事项编码,材料编码,材料名称,材料形式,材料必要性,来源渠道\nA1,M1,簿,木质,必要,其他\n",
     "材料", 2, 4, "木质", "catalog.field-value", "is not one of"},
    {"事项编码,邮编\nA1,6\n", "", 1, 2, "邮编", "import.heading", "no column has this heading"},
    {"事项编码,事项编码\n", "", 1, 2, "事项编码", "import.heading", "stands twice"},
    {"事项名称\nx\n", "", 1, 0, "", "import.heading", "事项编码"},
    {HEAD ROW "#table,食谱\na\n", "食谱", 4, 0, "食谱", "import.sheet", "no table has this name"},
    {"", "", 0, 0, "", "import.sheet", "no table of items"},
};

static void check_wrong(size_t i, struct bytes file, enum import_format format, const char *sheet, uint32_t line)
{
    const struct wrong *w = &wrong_rows[i];
    struct import_result r = import(file, format);
    assert_null(r.catalog);
    assert_true(r.problem_count > 0);
    const struct import_problem *p = &r.problems[0];
    bool ok = strcmp(p->sheet, sheet) == 0 && p->line == line && p->column == w->column &&
              strcmp(p->value, w->value) == 0 && strcmp(p->id, w->id) == 0 && strstr(p->rule, w->rule) != NULL;
    if (!ok) {
        print_error("row %zu: %s line %u\n", i, sheet, line);
        show(&r);
    }
    assert_true(ok);
    import_result_close(&r);
}

static void test_problems(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(wrong_rows); i++)
        check_wrong(i, bytes_of_string(wrong_rows[i].text), IMPORT_CSV, wrong_rows[i].sheet, wrong_rows[i].line);
}

/* Where the row of the CSV stands in the workbook: its tables are sheets, whose lines count from 1. */
static uint32_t line_in_sheet(const struct sheet_book *book, const char *name, uint32_t line)
{
    for (size_t i = 0; i < book->count; i++)
        for (size_t r = 0; strcmp(book->sheets[i].name, name) == 0 && r < book->sheets[i].count; r++)
            if (book->sheets[i].rows[r].line == line)
                return (uint32_t)r + 1;
    return 0;
}

static void test_problems_of_workbooks(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(wrong_rows); i++) {
        struct sheet_book book;
        struct buf file = {0};
        struct err e;
        assert_int_equal(csv_read(bytes_of_string(wrong_rows[i].text), &book, &e), 0);
        uint32_t line = line_in_sheet(&book, wrong_rows[i].sheet, wrong_rows[i].line);
        assert_true((line == 0) == (wrong_rows[i].line == 0));
        book.sheets[0].name = "事项";
        assert_int_equal(xlsx_write(&book, &file, &e), 0);
        const char *sheet = wrong_rows[i].sheet[0] == '\0' && line > 0 ? "事项" : wrong_rows[i].sheet;
        check_wrong(i, buf_bytes(&file), IMPORT_XLSX, sheet, line);
        buf_close(&file);
        sheet_book_close(&book);
    }
}

struct told {
    uint32_t line;
    const char *id;
};

static void check_told(struct bytes file, enum import_format format, const struct told *told, size_t count)
{
    struct import_result r = import(file, format);
    bool ok = r.problem_total == count;
    for (size_t i = 0; ok && i < count; i++)
        ok = r.problems[i].line == told[i].line && strcmp(r.problems[i].id, told[i].id) == 0;
    if (!ok)
        show(&r);
    assert_true(ok);
    import_result_close(&r);
}

/* Each fault once: a code that stands twice although its first row has faults of its own, and the rows of the other sheets,
 * which belong to the first. What a doubled row says of materials cannot be judged. */
static void test_doubled_codes(void **state)
{
    (void)state;
    static const char text[] = HEAD "A1,x,许可,2,厅,自然人,,在用,测试,seen,,\nA2,x,20,2,厅,自然人,,在用,测试,seen,,\n"
                                    "A1,y,20,2,厅,人,,在用,测试,seen,,\nA1,z,20,2,厅,自然人,,在用,测试,seen,,\n,z,20,2,"
                                    "厅,自然人,,在用,测试,seen,,\n"
                                    ",z,20,2,厅,自然人,,在用,测试,seen,,\n" MATERIALS
                                    "A1,M1,簿,木质,必要,其他\nA1,M2,簿,纸质,必要,他\nA2,M1,簿,铁质,必要,其他\n";
    static const struct told told[] = {
        {10, "catalog.field-value"},   {11, "catalog.field-value"},   {2, "catalog.field-value"},
        {12, "catalog.field-value"},   {4, "catalog.item-duplicate"}, {4, "catalog.field-value"},
        {5, "catalog.item-duplicate"}, {6, "catalog.field-missing"},  {7, "catalog.field-missing"},
    };
    check_told(bytes_of_string(text), IMPORT_CSV, told, array_count(told));

    static const char promise[] =
        "事项编码,事项名称,事项类型,行使层级,实施主体,服务对象,通办模式,事项状态,来源,来源可信度,告知承诺,"
        "告知承诺替代材料,承诺内容\n"
        "A1,x,20,2,厅,自然人,,在用,测试,seen,是,M1,属实\nA1,x,20,2,厅,自然人,,在用,测试,seen,是,M1,属实\n" MATERIALS
        "A1,M1,簿,纸质,必要,其他\n";
    static const struct told once[] = {{3, "catalog.item-duplicate"}};
    check_told(bytes_of_string(promise), IMPORT_CSV, once, array_count(once));

    static const char json[] = "{\"format\":\"tongban-catalog/1\",\"node\":510000,\"version\":3,\"items\":[\n"
                               "7,\n{\"code\":\"A1\"},\n{\"code\":3},\n{\"code\":\"A1\"}]}";
    struct import_result r = import(bytes_of_string(json), IMPORT_JSON);
    size_t doubled = 0;
    for (size_t i = 0; i < r.problem_count; i++)
        if (strcmp(r.problems[i].id, "catalog.item-duplicate") == 0) {
            doubled++;
            assert_int_equal(r.problems[i].line, 5);
            assert_non_null(strstr(r.problems[i].rule, "in line 3,"));
        }
    assert_int_equal(doubled, 1);
    import_result_close(&r);
}

/* All bad rows of a file are told, not the first. */
static void test_all_problems(void **state)
{
    (void)state;
    struct buf text = {0};
    buf_put_string(&text, HEAD);
    for (int i = 0; i < 1500; i++)
        buf_printf(&text, "B%d,x,77,2,厅,自然人,,在用,测试,seen,,\n", i);
    struct import_result r = import(buf_bytes(&text), IMPORT_CSV);
    assert_int_equal(r.item_rows, 1500);
    assert_int_equal(r.problem_total, 1500);
    assert_int_equal(r.problem_count, IMPORT_PROBLEMS_MAX);
    assert_int_equal(r.problems[999].line, 1001);
    import_result_close(&r);
    buf_close(&text);
}

/* More tables, and more items, than there may be: told before the rows are read. */
static void test_too_many(void **state)
{
    (void)state;
    struct buf text = {0};
    struct err e;
    struct import_result r;
    for (unsigned i = 0; i < IMPORT_SHEETS_MAX; i++) /* and the one without a name before them */
        buf_put_string(&text, "#table,材料\n");
    assert_int_equal(import_read(buf_bytes(&text), IMPORT_CSV, NODE, &r, &e), ERR_LIMIT);
    assert_string_equal(e.id, "import.too-many-sheets");
    import_result_close(&r);

    buf_reset(&text);
    buf_put_string(&text, HEAD);
    for (unsigned i = 0; i <= CATALOG_ITEMS_MAX; i++)
        buf_put_string(&text, "A\n");
    r = import(buf_bytes(&text), IMPORT_CSV);
    assert_null(r.catalog);
    assert_int_equal(r.problem_total, 1);
    assert_string_equal(r.problems[0].id, "catalog.too-many");
    assert_int_equal(r.problems[0].line, 1);
    import_result_close(&r);
    buf_close(&text);
}

static void test_json(void **state)
{
    (void)state;
    static const char text[] =
        "{\"format\": \"tongban-catalog/1\", \"node\": 510000, \"version\": 3, \"items\": [\n"
        "  {\"code\":\"A1\",\"department\":{\"name\":\"甲\"},\"level\":4,\"modes\":[],\"name\":\"乙\",\n"
        "   \"source\":{\"certainty\":\"sure\",\"text\":\"丙\"},\"status\":\"在用\",\"subject\":[\"自然人\"],"
        "\"type\":\"20\"},\n  7,\n  {\"code\":\"A1\"}\n]}";
    struct import_result r = import(bytes_of_string(text), IMPORT_JSON);
    assert_null(r.catalog);
    assert_int_equal(r.item_rows, 3);
    assert_int_equal(r.problems[0].line, 3);
    assert_int_equal(r.problems[0].column, 26);
    assert_string_equal(r.problems[0].field, "source.certainty");
    assert_string_equal(r.problems[0].value, "\"sure\"");
    assert_int_equal(r.problems[1].line, 4);
    assert_int_equal(r.problems[1].column, 3);
    assert_string_equal(r.problems[1].value, "7");
    assert_int_equal(r.problems[2].line, 5);
    assert_string_equal(r.problems[2].id, "catalog.item-duplicate");
    assert_string_equal(r.problems[3].id, "catalog.field-missing");
    import_result_close(&r);

    struct err e;
    assert_int_equal(import_read(bytes_of_string("{"), IMPORT_JSON, NODE, &r, &e), ERR_INVALID);
    assert_string_equal(e.id, "catalog.json");
    import_result_close(&r);
    r = import(bytes_of_string("{\"format\":\"tongban-catalog/1\",\"node\":440000,\"version\":1,\"items\":[]}"),
               IMPORT_JSON);
    assert_string_equal(r.problems[0].id, "catalog.node");
    import_result_close(&r);
}

static void test_refused_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum import_format format;
        const char *id, *message;
    } rows[] = {
        {"a,\"b\nc", IMPORT_CSV, "import.quote", "line 1, column 2: the quote that opens here has no end"},
        {"a\nb,\"c\"d\n", IMPORT_CSV, "import.quote", "line 2, column 2: something follows"},
        {"a\nb\xff\xff", IMPORT_CSV, "import.encoding", "line 2: byte 0xff is neither UTF-8 nor GB18030"},
        {"\xef\xbb\xbf\xd6\xd0", IMPORT_CSV, "import.encoding", "has the mark of UTF-8 but is not"},
        {"no archive", IMPORT_XLSX, "import.xlsx", "no ZIP archive"},
        {"", IMPORT_XLSX, "import.xlsx", "no ZIP archive"},
    };
    struct err e;
    struct import_result r;
    for (size_t i = 0; i < array_count(rows); i++) {
        assert_int_equal(import_read(bytes_of_string(rows[i].text), rows[i].format, NODE, &r, &e), ERR_INVALID);
        if (strcmp(e.id, rows[i].id) != 0 || strstr(e.message, rows[i].message) == NULL)
            print_error("row %zu: %s %s\n", i, e.id, e.message);
        assert_string_equal(e.id, rows[i].id);
        assert_non_null(strstr(e.message, rows[i].message));
        import_result_close(&r);
    }
    assert_int_equal(import_read(bytes_of("a\0b", 3), IMPORT_CSV, NODE, &r, &e), ERR_INVALID);
    import_result_close(&r);
    assert_int_equal(import_read(bytes_of("", CATALOG_FILE_BYTES_MAX + 1), IMPORT_JSON, NODE, &r, &e), ERR_LIMIT);
    assert_string_equal(e.id, "import.file");
    import_result_close(&r);

    struct buf wide = {0};
    for (unsigned i = 0; i < IMPORT_COLUMNS_MAX; i++)
        buf_put_string(&wide, "a,");
    buf_put_string(&wide, "a\n");
    assert_int_equal(import_read(buf_bytes(&wide), IMPORT_CSV, NODE, &r, &e), ERR_LIMIT);
    assert_string_equal(e.id, "import.columns");
    buf_reset(&wide);
    for (unsigned i = 0; i <= IMPORT_CELL_BYTES_MAX; i++)
        buf_put_u8(&wide, 'a');
    assert_int_equal(import_read(buf_bytes(&wide), IMPORT_CSV, NODE, &r, &e), ERR_LIMIT);
    assert_string_equal(e.id, "import.cell");
    buf_reset(&wide);
    for (unsigned i = 0; i <= IMPORT_ROWS_MAX; i++)
        buf_put_string(&wide, "a\n");
    assert_int_equal(import_read(buf_bytes(&wide), IMPORT_CSV, NODE, &r, &e), ERR_LIMIT);
    assert_string_equal(e.id, "import.rows");
    buf_close(&wide);
}

/* Archives made by a script: a bomb, a cell far out. */
static void test_hostile_archives(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        int code;
        const char *id;
    } rows[] = {
        {"bomb", ERR_LIMIT, "import.unpacked"},   {"cells", ERR_LIMIT, "import.cells"},
        {"files", ERR_LIMIT, "import.xlsx"},      {"far", ERR_INVALID, "import.xlsx"},
        {"entities", ERR_INVALID, "import.xlsx"}, {"count", ERR_INVALID, "import.xlsx"},
        {"hidden", ERR_INVALID, "import.xlsx"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct buf command = {0}, file = {0};
        char path[] = "/tmp/tongban-xlsx-XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        buf_printf(&command, "python3 " TEST_SOURCE_DIR "/tests/lib/hostile_xlsx.py %s >&%d", rows[i].kind, fd);
        assert_int_equal(system(buf_cstr(&command)), 0);
        size_t size = (size_t)lseek(fd, 0, SEEK_END);
        assert_int_equal(pread(fd, buf_extend(&file, size), size, 0), size);
        struct import_result r;
        struct err e = {0};
        int rc = import_read(buf_bytes(&file), IMPORT_XLSX, NODE, &r, &e);
        if (rc != rows[i].code || strcmp(e.id, rows[i].id) != 0)
            print_error("%s: %d %s %s\n", rows[i].kind, rc, e.id, e.message);
        assert_int_equal(rc, rows[i].code);
        assert_string_equal(e.id, rows[i].id);
        import_result_close(&r);
        close(fd);
        unlink(path);
        buf_close(&command);
        buf_close(&file);
    }
}

/* Random texts survive CSV: commas, quotes, line ends, formulas. */
static void test_random_csv(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a", ",", "\"", "\n", "=", "'", "身份", "-", "\"\"", "|", " x"};
    struct prng g;
    prng_init(&g, 7);
    for (int round = 0; round < 300; round++) {
        struct sheet_book book = {0}, again;
        struct sheet *s = NULL;
        struct err e;
        struct buf out = {0};
        assert_int_equal(sheet_book_add(&book, "", "", &s, &e), 0);
        for (uint32_t line = 1; line <= 5; line++) {
            const char *cells[4];
            for (size_t c = 0; c < 4; c++) {
                struct buf b = {0};
                for (uint64_t n = prng_below(&g, 6); n > 0; n--)
                    buf_put_string(&b, pieces[prng_below(&g, array_count(pieces))]);
                const char *text = buf_cstr(&b);
                assert_int_equal(sheet_cell_text(&book, text, strlen(text), line, c, &cells[c], &e), 0);
                if (cells[c][0] == '\'') /* an apostrophe before a formula is the writer's */
                    cells[c] = "q";
                buf_close(&b);
            }
            cells[3] = "end";
            assert_int_equal(sheet_book_add_row(&book, s, line, cells, 4, &e), 0);
        }
        csv_write(&book, &out);
        assert_int_equal(csv_read(buf_bytes(&out), &again, &e), 0);
        assert_int_equal(again.sheets[0].count, 5);
        for (size_t r = 0; r < 5; r++)
            for (size_t c = 0; c < 4; c++)
                assert_string_equal(again.sheets[0].rows[r].cells[c], book.sheets[0].rows[r].cells[c]);
        sheet_book_close(&book);
        sheet_book_close(&again);
        buf_close(&out);
    }
}

/* A process that cannot open anything more says so, for each thing that it would have opened, and leaves nothing open. */
static void test_no_descriptors(void **state)
{
    (void)state;
    struct catalog *c = load();
    struct sheet_book book;
    struct buf file = {0}, again = {0};
    struct err e = {0};
    export(c, &book);
    assert_int_equal(xlsx_write(&book, &file, &e), 0);
    unsigned refused_writes = 0, refused_reads = 0;
    for (rlim_t more = 0; more < 8; more++) {
        struct sheet_book read = {0};
        descriptors_limit(more);
        int rc = xlsx_write(&book, &again, &e);
        descriptors_limit(RLIM_INFINITY);
        if (rc != 0) {
            assert_int_equal(rc, ERR_IO);
            assert_string_equal(e.id, "import.memory");
            assert_int_equal(again.size, 0);
            refused_writes++;
        }
        buf_reset(&again);
        descriptors_limit(more);
        rc = xlsx_read(buf_bytes(&file), &read, &e);
        descriptors_limit(RLIM_INFINITY);
        if (rc != 0) {
            refused_reads++;
            if (more == 0)
                assert_string_equal(e.id, "import.memory");
        }
        sheet_book_close(&read);
    }
    assert_in_range(refused_writes, 2, 7); /* the memory, then the archive in it; with enough it is written */
    assert_in_range(refused_reads, 1, 7);
    buf_close(&file);
    buf_close(&again);
    sheet_book_close(&book);
    catalog_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_comes_back),
        cmocka_unit_test(test_xlsx_comes_back),
        cmocka_unit_test(test_template),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_csv_forms),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_problems_of_workbooks),
        cmocka_unit_test(test_doubled_codes),
        cmocka_unit_test(test_all_problems),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_refused_files),
        cmocka_unit_test(test_hostile_archives),
        cmocka_unit_test(test_random_csv),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
