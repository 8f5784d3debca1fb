/* Types of files (see file_type.h). The table is the rule; each row names where its form is laid down. */
#include "node/files/file_type.h"

#include <string.h>
#include <strings.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"

#define MIB ((uint64_t)1 << 20)

/* clang-format off */
const struct file_type file_types[FILE_TYPES_COUNT] = {
    {"pdf",  "pdf",      "application/pdf", true, FILE_BYTES_MAX, "ISO 32000-2 7.5.2"},
    {"ofd",  "ofd",      "application/ofd", true, FILE_BYTES_MAX, "GB/T 33190-2016"},
    {"jpeg", "jpg jpeg", "image/jpeg",      true, 256 * MIB,      "ITU-T T.81 B.2.1"},
    {"png",  "png",      "image/png",       true, 256 * MIB,      "ISO/IEC 15948:2004 5.2"},
    {"tiff", "tif tiff", "image/tiff",      true, FILE_BYTES_MAX, "TIFF 6.0 section 2"},
    {"doc",  "doc",      "application/msword", true, 256 * MIB,   "MS-CFB 2.2"},
    {"xls",  "xls",      "application/vnd.ms-excel", true, 256 * MIB, "MS-CFB 2.2"},
    {"docx", "docx",     "application/vnd.openxmlformats-officedocument.wordprocessingml.document", true, 256 * MIB,
     "ISO/IEC 29500-2"},
    {"xlsx", "xlsx",     "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", true, 256 * MIB,
     "ISO/IEC 29500-2"},
    {"zip",  "zip",      "application/zip", false, FILE_BYTES_MAX, "ISO/IEC 21320-1"}, /* a way around this table */
};

static const struct magic {
    const char *type;
    const char *bytes;
    size_t size;
    const char *member; /* of a ZIP archive, NULL = none needed */
} magics[] = {
    {"pdf", "%PDF-", 5, NULL},
    {"ofd", "PK\3\4", 4, "OFD.xml"},
    {"jpeg", "\xff\xd8\xff", 3, NULL},
    {"png", "\x89PNG\r\n\x1a\n", 8, NULL},
    {"tiff", "II*\0", 4, NULL},
    {"tiff", "MM\0*", 4, NULL},
    {"doc", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8, NULL},
    {"xls", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8, NULL},
    {"docx", "PK\3\4", 4, "word/document.xml"},
    {"xlsx", "PK\3\4", 4, "xl/workbook.xml"},
    {"zip", "PK\3\4", 4, NULL},
};
/* clang-format on */

const struct file_type *file_type_find(const char *name)
{
    for (size_t i = 0; i < FILE_TYPES_COUNT; i++)
        if (strcmp(file_types[i].name, name) == 0)
            return &file_types[i];
    return NULL;
}

static bool list_has(const char *list, const char *word)
{
    size_t size = strlen(word);
    while (*list != '\0') {
        size_t n = strcspn(list, " ");
        if (n == size && strncasecmp(list, word, n) == 0)
            return true;
        list += n;
        list += strspn(list, " ");
    }
    return false;
}

const struct file_type *file_type_of_name(const char *file_name)
{
    const char *dot = strrchr(file_name, '.');
    for (size_t i = 0; dot != NULL && dot[1] != '\0' && i < FILE_TYPES_COUNT; i++)
        if (list_has(file_types[i].extensions, dot + 1))
            return &file_types[i];
    return NULL;
}

/* Every archive names its members as plain bytes, in front of each and in the directory at its end. */
static void look_for_members(struct file_type_probe *p, struct bytes text)
{
    for (size_t i = 0; i < array_count(magics); i++)
        if (magics[i].member != NULL && (p->members & 1u << i) == 0 && text.size > 0 &&
            memmem(text.data, text.size, magics[i].member, strlen(magics[i].member)) != NULL)
            p->members |= 1u << i;
}

void file_type_probe(struct file_type_probe *p, struct bytes piece)
{
    if (p->head_size < sizeof p->head) {
        size_t n = min_of(piece.size, sizeof p->head - p->head_size);
        memcpy(p->head + p->head_size, piece.data, n);
        p->head_size += n;
    }
    if (p->head_size < 4 || memcmp(p->head, "PK\3\4", 4) != 0)
        return;
    uint8_t seam[2 * sizeof p->tail];
    size_t begin = min_of(piece.size, sizeof p->tail);
    memcpy(seam, p->tail, p->tail_size);
    memcpy(seam + p->tail_size, piece.data, begin);
    look_for_members(p, bytes_of(seam, p->tail_size + begin));
    look_for_members(p, piece);
    p->tail_size = begin;
    memcpy(p->tail, piece.data + piece.size - begin, begin);
}

int file_type_check(const struct file_type *type, const struct file_type_probe *p, bool whole, struct err *e)
{
    bool has_bytes = false;
    for (size_t i = 0; i < array_count(magics); i++) {
        const struct magic *m = &magics[i];
        if (strcmp(m->type, type->name) != 0 || p->head_size < m->size || memcmp(p->head, m->bytes, m->size) != 0)
            continue;
        has_bytes = true;
        if (m->member == NULL || !whole || (p->members & 1u << i) != 0)
            return 0;
    }
    return err_set(e, ERR_UNSUPPORTED, "file.type-content", "the content is no %s (%s): %s", type->name, type->source,
                   has_bytes ? "the archive has no member of that form" : "it does not begin like one");
}
