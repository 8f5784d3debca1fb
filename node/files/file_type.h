/* Which files are taken as materials: a table of types, each known by its first bytes (and, for those that are ZIP
 * archives, by a member's name). What a client declares must be what the bytes say. Pure; any thread.
 */
#ifndef TB_FILES_FILE_TYPE_H
#define TB_FILES_FILE_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "node/base/bytes.h"

struct file_type {
    const char *name;       /* "pdf": as in the API */
    const char *extensions; /* of file names, separated by spaces */
    const char *media;      /* for downloads */
    bool by_default;        /* taken unless the node's configuration says otherwise */
    uint64_t size_max;      /* bytes */
    const char *source;     /* of the form */
};

#define FILE_TYPES_COUNT 10u
extern const struct file_type file_types[FILE_TYPES_COUNT];

/* NULL when there is none. */
const struct file_type *file_type_find(const char *name);
/* By the ending of a file name, without case. */
const struct file_type *file_type_of_name(const char *file_name);

/* Content is looked at as it comes: begin, then every piece in order, then check. */
struct file_type_probe {
    uint8_t head[16];
    size_t head_size;
    uint32_t members; /* bit: names of ZIP members seen */
    uint8_t tail[32]; /* of the piece before: a name may lie across */
    size_t tail_size;
};
void file_type_probe(struct file_type_probe *p, struct bytes piece);
/* ERR_UNSUPPORTED file.type-content: the bytes are not of @type. With @whole false only the first piece was seen. */
int file_type_check(const struct file_type *type, const struct file_type_probe *p, bool whole,
                    struct err *e) WARN_UNUSED;

#endif
