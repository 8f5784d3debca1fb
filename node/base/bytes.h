/* Bytes in and out: a borrowed span, a bounded growable buffer, a cursor that reads big-endian integers.
 *
 * Every decoder of the project reads through `struct reader` and every encoder writes through `struct buf`; both
 * carry a sticky failure, so that a codec reads straight down and checks once at the end.
 */
#ifndef TB_BASE_BYTES_H
#define TB_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/base/err.h"

/* A span of bytes owned by somebody else. */
struct bytes {
    const uint8_t *data; /* may be NULL when size is 0 */
    size_t size;
};

struct bytes bytes_of(const void *data, size_t size);
struct bytes bytes_of_string(const char *s); /* without the NUL */
bool bytes_equal(struct bytes a, struct bytes b);
int bytes_compare(struct bytes a, struct bytes b); /* lexicographic, shorter first */

/* Growable buffer with a maximum. Zero-initialise, or buf_init() for a maximum other than BUF_SIZE_MAX.
 * Owned by whoever holds it; buf_close() frees. */
#define BUF_SIZE_MAX ((size_t)64 << 20)
struct buf {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t size_max; /* 0 = BUF_SIZE_MAX */
    bool failed;     /* a put did not fit into size_max; contents are what fitted before it */
};

void buf_init(struct buf *b, size_t size_max);
void buf_close(struct buf *b);
void buf_reset(struct buf *b); /* keeps the memory */
void buf_put(struct buf *b, const void *data, size_t size);
/* Room for @size more bytes, counted as written, for the caller to fill; NULL (and failed) when it would pass the maximum. */
uint8_t *buf_extend(struct buf *b, size_t size);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_string(struct buf *b, const char *s); /* without the NUL */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct bytes buf_bytes(const struct buf *b);
/* Ends the buffer with a NUL that does not count in size; the text stays the buffer's. */
const char *buf_cstr(struct buf *b);
/* Moves the memory out (caller frees with free()); the buffer is empty afterwards. */
uint8_t *buf_take(struct buf *b, size_t *ret_size);

/* Cursor over a span. After a read past the end `failed` is set and every read gives 0 / an empty span. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

struct reader reader_of(struct bytes b);
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
struct bytes read_bytes(struct reader *r, size_t size);   /* borrows from the span */
void read_copy(struct reader *r, void *out, size_t size); /* zeroes @out on failure */
struct bytes read_until_newline(struct reader *r);        /* takes the newline too; fails when there is none */
size_t reader_left(const struct reader *r);
bool reader_done(const struct reader *r); /* nothing failed and nothing is left */

void put_be16(uint8_t *out, uint16_t v);
uint16_t get_be16(const uint8_t *in);
void put_be32(uint8_t *out, uint32_t v);
void put_be64(uint8_t *out, uint64_t v);
uint32_t get_be32(const uint8_t *in);
uint64_t get_be64(const uint8_t *in);

/* Lower-case hex. @out holds 2*size+1 bytes. hex_decode is strict (even length, [0-9a-fA-F]); 0 or ERR_INVALID. */
void hex_encode(const void *data, size_t size, char *out);
int hex_decode(const char *text, size_t text_size, uint8_t *out, size_t out_size_max, size_t *ret_size) WARN_UNUSED;

/* Standard base64 with padding (RFC 4648 s4). Decoding is strict: no white space, canonical padding, zero trailing
 * bits. base64_encode writes 4*ceil(size/3)+1 bytes. Returns 0 or ERR_INVALID / ERR_LIMIT. */
size_t base64_encoded_size(size_t size); /* without the NUL */
void base64_encode(const void *data, size_t size, char *out);
int base64_decode(const char *text, size_t text_size, uint8_t *out, size_t out_size_max, size_t *ret_size) WARN_UNUSED;

/* Decimal without sign, leading zeros or overflow, whole span; 0 or ERR_INVALID. */
int decimal_parse(struct bytes text, uint64_t *ret) WARN_UNUSED;

#endif
