/* ustar (see tar.h). Happy path of reading: 512 bytes of header -> begin -> data -> padding -> end, again and again, two blocks of
 * zeros. */
#include "node/base/tar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/base/xassert.h"

/* Fields of a header: where and how long (POSIX.1-2001 pax, "ustar Interchange Format"). */
#define SIZE_AT 124u
#define SUM_AT 148u
#define SUM_SIZE 8u
#define TYPE_AT 156u
#define MAGIC_AT 257u
#define PREFIX_AT 345u /* the folder, when there is one */

static size_t padding_of(uint64_t size)
{
    return (size_t)((TAR_BLOCK_SIZE - size % TAR_BLOCK_SIZE) % TAR_BLOCK_SIZE);
}

/* The sum of all bytes, with blanks where it stands itself. */
static unsigned sum_of(const uint8_t *block)
{
    unsigned sum = 0;
    for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
        sum += i >= SUM_AT && i < SUM_AT + SUM_SIZE ? ' ' : block[i];
    return sum;
}

void tar_put_header(struct buf *out, const char *folder, const char *name, uint64_t size, uint64_t mtime)
{
    xassert(name[0] != '\0' && strlen(name) <= TAR_NAME_MAX && size <= TAR_FILE_BYTES_MAX);
    xassert(folder[0] != '\0' && strlen(folder) <= TAR_PREFIX_MAX);
    char block[TAR_BLOCK_SIZE] = {0};
    memcpy(block, name, strlen(name));
    memcpy(block + PREFIX_AT, folder, strlen(folder));
    memcpy(block + 100, "0000600", 8); /* mode */
    memcpy(block + 108, "0000000", 8); /* user and group: nobody's */
    memcpy(block + 116, "0000000", 8);
    (void)snprintf(block + SIZE_AT, 12, "%011" PRIo64, size);
    (void)snprintf(block + 136, 12, "%011" PRIo64, min_of(mtime, TAR_FILE_BYTES_MAX));
    block[TYPE_AT] = '0';
    memcpy(block + MAGIC_AT, "ustar", 6);
    memcpy(block + MAGIC_AT + 6, "00", 2);
    (void)snprintf(block + SUM_AT, SUM_SIZE, "%06o", sum_of((const uint8_t *)block));
    block[SUM_AT + 7] = ' ';
    buf_put(out, block, sizeof block);
}

void tar_put_padding(struct buf *out, uint64_t size)
{
    static const uint8_t zeros[TAR_BLOCK_SIZE];
    buf_put(out, zeros, padding_of(size));
}

void tar_put_end(struct buf *out)
{
    static const uint8_t zeros[2 * TAR_BLOCK_SIZE];
    buf_put(out, zeros, sizeof zeros);
}

/* Octal digits, then a NUL or a blank. */
static int parse_octal(const uint8_t *field, size_t size, uint64_t *ret)
{
    uint64_t v = 0;
    size_t i = 0;
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
        v = v << 3 | (unsigned)(field[i] - '0');
    if (i == 0 || i == size || (field[i] != '\0' && field[i] != ' '))
        return -1;
    *ret = v;
    return 0;
}

static int read_header(struct tar_reader *t, struct err *e)
{
    static const uint8_t zeros[TAR_BLOCK_SIZE];
    const uint8_t *b = t->block;
    uint64_t sum = 0;
    t->block_size = 0;
    if (memcmp(b, zeros, sizeof zeros) == 0) {
        t->end_blocks++;
        return 0;
    }
    int name_size = (int)strnlen((const char *)b, TAR_NAME_MAX);
    int folder_size = (int)strnlen((const char *)b + PREFIX_AT, TAR_PREFIX_MAX);
    bool is_plain = memcmp(b + MAGIC_AT, "ustar", 5) == 0 && b[TYPE_AT] == '0' && name_size > 0 && t->end_blocks == 0;
    if (!is_plain || parse_octal(b + SUM_AT, SUM_SIZE, &sum) != 0 || sum != sum_of(b) ||
        parse_octal(b + SIZE_AT, 12, &t->left) != 0)
        return err_set(e, ERR_INVALID, "archive.tar", "what came is no archive of plain files");
    (void)snprintf(t->name, sizeof t->name, "%.*s%s%.*s", folder_size, (const char *)b + PREFIX_AT,
                   folder_size > 0 ? "/" : "", name_size, (const char *)b);
    t->padding = padding_of(t->left);
    int rc = t->sink.begin(t->sink.ctx, t->name, t->left, e);
    return rc == 0 && t->left == 0 ? t->sink.end(t->sink.ctx, e) : rc;
}

static int read_data(struct tar_reader *t, struct bytes *piece, struct err *e)
{
    size_t n = (size_t)min_of(t->left, (uint64_t)piece->size);
    int rc = t->sink.data(t->sink.ctx, bytes_of(piece->data, n), e);
    t->left -= n;
    *piece = bytes_of(piece->data + n, piece->size - n);
    return rc == 0 && t->left == 0 ? t->sink.end(t->sink.ctx, e) : rc;
}

int tar_read(struct tar_reader *t, struct bytes piece, struct err *e)
{
    int rc = 0;
    while (rc == 0 && piece.size > 0) {
        if (t->left > 0) {
            rc = read_data(t, &piece, e);
            continue;
        }
        size_t n = min_of(t->padding > 0 ? t->padding : TAR_BLOCK_SIZE - t->block_size, piece.size);
        if (t->padding > 0) {
            t->padding -= n;
        } else {
            memcpy(t->block + t->block_size, piece.data, n);
            t->block_size += n;
            if (t->block_size == TAR_BLOCK_SIZE)
                rc = read_header(t, e);
        }
        piece = bytes_of(piece.data + n, piece.size - n);
    }
    return rc;
}

bool tar_is_whole(const struct tar_reader *t)
{
    return t->end_blocks >= 2 && t->block_size == 0;
}
