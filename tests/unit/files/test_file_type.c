/* The table of types against bytes of each. */
#include "node/files/file_type.h"

#include <stdio.h>
#include <string.h>

#include "node/base/xassert.h"
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

static const struct {
    const char *bytes;
    size_t size;
    const char *types; /* those that take it */
} samples[] = {
    {"%PDF-1.7\n", 9, " pdf "},
    {"\xff\xd8\xff\xe0\0\x10JFIF", 10, " jpeg "},
    {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16, " png "},
    {"II*\0\x08\0\0\0", 8, " tiff "},
    {"MM\0*\0\0\0\x08", 8, " tiff "},
    {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", 10, " doc xls "},
    {"PK\3\4\0\0\0\0OFD.xml", 15, " ofd zip "},
    {"PK\3\4..word/document.xml", 23, " docx zip "},
    {"PK\3\4..xl/workbook.xml", 21, " xlsx zip "},
    {"PK\3\4..evil.exe", 14, " zip "},
    {"MZ\x90\0", 4, " "},
    {"<html>", 6, " "},
    {"%PDF", 4, " "},
    {"PK\3", 3, " "},
};

static void test_magic(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(samples); i++)
        for (size_t k = 0; k < FILE_TYPES_COUNT; k++) {
            char word[32];
            struct file_type_probe p = {0};
            struct err e = {0};
            (void)snprintf(word, sizeof word, " %s ", file_types[k].name);
            file_type_probe(&p, bytes_of(samples[i].bytes, samples[i].size));
            int rc = file_type_check(&file_types[k], &p, true, &e);
            if ((rc == 0) != (strstr(samples[i].types, word) != NULL))
                fail_msg("sample %zu as %s: %s", i, file_types[k].name, e.message);
            if (rc != 0)
                assert_int_equal(rc, ERR_UNSUPPORTED);
        }
}

/* A member's name is found wherever the pieces are cut. */
static void test_seams(void **state)
{
    (void)state;
    static const char text[] = "PK\3\4 some bytes before word/document.xml and behind";
    const struct file_type *docx = file_type_find("docx");
    for (size_t cut = 1; cut < sizeof text - 1; cut++) {
        struct file_type_probe p = {0};
        file_type_probe(&p, bytes_of(text, cut));
        if (cut >= 4)
            assert_int_equal(file_type_check(docx, &p, false, NULL), 0); /* it may come yet */
        if (cut < 20)
            assert_int_equal(file_type_check(docx, &p, true, NULL), ERR_UNSUPPORTED);
        file_type_probe(&p, bytes_of(text + cut, sizeof text - 1 - cut));
        if (cut >= 4) /* a chunk is never shorter than the magic, but for the last */
            assert_int_equal(file_type_check(docx, &p, true, NULL), 0);
    }
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *type;
    } rows[] = {{"申请表.PDF", "pdf"}, {"a.b.jpg", "jpeg"}, {"a.jpeg", "jpeg"}, {"a.TIF", "tiff"}, {"a.ofd", "ofd"},
                {"a.exe", NULL},       {"pdf", NULL},       {"a.", NULL},       {"", NULL},        {"a.pdf.exe", NULL}};
    for (size_t i = 0; i < array_count(rows); i++) {
        const struct file_type *type = file_type_of_name(rows[i].name);
        if (rows[i].type == NULL)
            assert_null(type);
        else
            assert_string_equal(type->name, rows[i].type);
    }
    for (size_t i = 0; i < FILE_TYPES_COUNT; i++) {
        assert_true(file_types[i].source[0] != '\0' && file_types[i].size_max > 0);
        assert_ptr_equal(file_type_find(file_types[i].name), &file_types[i]);
    }
    assert_false(file_type_find("zip")->by_default);
    assert_null(file_type_find("exe"));
}

/* Where the form of each type is laid down, so that another reading of it shows as a change here. */
static void test_sources(void **state)
{
    (void)state;
    static const struct {
        const char *name, *source;
    } rows[] = {
        {"pdf", "ISO 32000-2 7.5.2"},   {"ofd", "GB/T 33190-2016"},
        {"jpeg", "ITU-T T.81 B.2.1"},   {"png", "ISO/IEC 15948:2004 5.2"},
        {"tiff", "TIFF 6.0 section 2"}, {"doc", "MS-CFB 2.2"},
        {"xls", "MS-CFB 2.2"},          {"docx", "ISO/IEC 29500-2"},
        {"xlsx", "ISO/IEC 29500-2"},    {"zip", "ISO/IEC 21320-1"},
    };
    assert_int_equal(array_count(rows), FILE_TYPES_COUNT);
    for (size_t i = 0; i < array_count(rows); i++)
        assert_string_equal(file_type_find(rows[i].name)->source, rows[i].source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_magic), cmocka_unit_test(test_seams),
                                       cmocka_unit_test(test_names), cmocka_unit_test(test_sources)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
