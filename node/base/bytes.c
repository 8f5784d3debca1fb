/* Spans, bounded buffers, big-endian cursors, hex and base64 (see bytes.h). Libc only. */
#include "node/base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"

struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes){.data = data, .size = size};
}

struct bytes bytes_of_string(const char *s)
{
    return bytes_of(s, strlen(s));
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = min_of(a.size, b.size);
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

/* ---- growable buffer ---- */

#define BUF_SIZE_FIRST 512 /* most leaves and answers fit: they are put together from many small pieces */

void buf_init(struct buf *b, size_t size_max)
{
    *b = (struct buf){.size_max = size_max};
}

void buf_close(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.size_max = b->size_max};
}

void buf_reset(struct buf *b)
{
    b->size = 0;
    b->failed = false;
}

/* Room for @extra more bytes and a NUL, or false with `failed` set. */
static bool reserve(struct buf *b, size_t extra)
{
    size_t limit = b->size_max == 0 ? BUF_SIZE_MAX : b->size_max;
    if (b->failed || extra > limit - b->size) {
        b->failed = true;
        return false;
    }
    size_t need = b->size + extra + 1;
    if (need > b->capacity) {
        size_t capacity = max_of(need, b->capacity * 2);
        capacity = max_of(capacity, (size_t)BUF_SIZE_FIRST);
        b->data = xrealloc(b->data, capacity);
        b->capacity = capacity;
    }
    return true;
}

void buf_put(struct buf *b, const void *data, size_t size)
{
    if (size == 0 || !reserve(b, size))
        return;
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

uint8_t *buf_extend(struct buf *b, size_t size)
{
    if (!reserve(b, size))
        return NULL;
    b->size += size;
    return b->data + b->size - size;
}

void buf_put_u8(struct buf *b, uint8_t v)
{
    buf_put(b, &v, 1);
}

void buf_put_u16(struct buf *b, uint16_t v)
{
    uint8_t raw[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    buf_put(b, raw, sizeof raw);
}

void buf_put_u32(struct buf *b, uint32_t v)
{
    uint8_t raw[4];
    put_be32(raw, v);
    buf_put(b, raw, sizeof raw);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    uint8_t raw[8];
    put_be64(raw, v);
    buf_put(b, raw, sizeof raw);
}

void buf_put_string(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    xassert(size >= 0);
    if (reserve(b, (size_t)size)) {
        (void)vsnprintf((char *)b->data + b->size, (size_t)size + 1, fmt, again);
        b->size += (size_t)size;
    }
    va_end(again);
}

struct bytes buf_bytes(const struct buf *b)
{
    return bytes_of(b->data, b->size);
}

const char *buf_cstr(struct buf *b)
{
    if (b->data == NULL) {
        b->data = xmalloc(64);
        b->capacity = 64;
    }
    xassert(b->size < b->capacity);
    b->data[b->size] = '\0';
    return (const char *)b->data;
}

uint8_t *buf_take(struct buf *b, size_t *ret_size)
{
    (void)buf_cstr(b); /* so that the taken memory is never NULL and ends in NUL */
    uint8_t *data = b->data;
    *ret_size = b->size;
    *b = (struct buf){.size_max = b->size_max};
    return data;
}

/* ---- cursor ---- */

struct reader reader_of(struct bytes b)
{
    static const uint8_t nothing[1];
    const uint8_t *at = b.data == NULL ? nothing : b.data;
    return (struct reader){.at = at, .end = at + b.size};
}

struct bytes read_bytes(struct reader *r, size_t size)
{
    if (r->failed || size > (size_t)(r->end - r->at)) {
        r->failed = true;
        return bytes_of(NULL, 0);
    }
    struct bytes span = bytes_of(r->at, size);
    r->at += size;
    return span;
}

void read_copy(struct reader *r, void *out, size_t size)
{
    struct bytes span = read_bytes(r, size);
    if (span.size == size && size > 0)
        memcpy(out, span.data, size);
    else
        memset(out, 0, size);
}

struct bytes read_until_newline(struct reader *r)
{
    size_t left = reader_left(r);
    const uint8_t *newline = left == 0 ? NULL : memchr(r->at, '\n', left);
    if (newline == NULL) {
        r->failed = true;
        return bytes_of(NULL, 0);
    }
    struct bytes line = read_bytes(r, (size_t)(newline - r->at));
    r->at++;
    return line;
}

uint8_t read_u8(struct reader *r)
{
    uint8_t v;
    read_copy(r, &v, 1);
    return v;
}

uint16_t read_u16(struct reader *r)
{
    uint8_t raw[2];
    read_copy(r, raw, sizeof raw);
    return (uint16_t)(raw[0] << 8 | raw[1]);
}

uint32_t read_u32(struct reader *r)
{
    uint8_t raw[4];
    read_copy(r, raw, sizeof raw);
    return get_be32(raw);
}

uint64_t read_u64(struct reader *r)
{
    uint8_t raw[8];
    read_copy(r, raw, sizeof raw);
    return get_be64(raw);
}

size_t reader_left(const struct reader *r)
{
    return r->failed ? 0 : (size_t)(r->end - r->at);
}

bool reader_done(const struct reader *r)
{
    return !r->failed && r->at == r->end;
}

void put_be16(uint8_t *out, uint16_t v)
{
    out[0] = (uint8_t)(v >> 8);
    out[1] = (uint8_t)v;
}

uint16_t get_be16(const uint8_t *in)
{
    return (uint16_t)(in[0] << 8 | in[1]);
}

void put_be32(uint8_t *out, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(v >> (24 - 8 * i));
}

void put_be64(uint8_t *out, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (56 - 8 * i));
}

uint32_t get_be32(const uint8_t *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

uint64_t get_be64(const uint8_t *in)
{
    return (uint64_t)get_be32(in) << 32 | get_be32(in + 4);
}

/* ---- text forms ---- */

void hex_encode(const void *data, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *in = data;
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[2 * size] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hex_decode(const char *text, size_t text_size, uint8_t *out, size_t out_size_max, size_t *ret_size)
{
    if (text_size % 2 != 0)
        return ERR_INVALID;
    if (text_size / 2 > out_size_max)
        return ERR_LIMIT;
    for (size_t i = 0; i < text_size / 2; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return ERR_INVALID;
        out[i] = (uint8_t)(high << 4 | low);
    }
    *ret_size = text_size / 2;
    return 0;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encoded_size(size_t size)
{
    return (size + 2) / 3 * 4;
}

void base64_encode(const void *data, size_t size, char *out)
{
    const uint8_t *in = data;
    size_t i = 0;
    for (; i + 2 < size; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
        for (int k = 0; k < 4; k++)
            *out++ = base64_digits[v >> (18 - 6 * k) & 63];
    }
    if (size - i == 1) {
        *out++ = base64_digits[in[i] >> 2];
        *out++ = base64_digits[(in[i] & 3) << 4];
        *out++ = '=';
        *out++ = '=';
    } else if (size - i == 2) {
        *out++ = base64_digits[in[i] >> 2];
        *out++ = base64_digits[(in[i] & 3) << 4 | in[i + 1] >> 4];
        *out++ = base64_digits[(in[i + 1] & 15) << 2];
        *out++ = '=';
    }
    *out = '\0';
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(const char *text, size_t text_size, uint8_t *out, size_t out_size_max, size_t *ret_size)
{
    if (text_size % 4 != 0)
        return ERR_INVALID;
    size_t pad = text_size == 0 ? 0 : (size_t)(text[text_size - 1] == '=') + (size_t)(text[text_size - 2] == '=');
    if (pad == 1 && text[text_size - 1] != '=')
        return ERR_INVALID;
    size_t digits = text_size - pad;
    size_t size = digits * 6 / 8;
    if (size > out_size_max)
        return ERR_LIMIT;

    uint32_t bits = 0;
    unsigned held = 0;
    size_t written = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0)
            return ERR_INVALID;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[written++] = (uint8_t)(bits >> held);
        }
    }
    if ((bits & ((1u << held) - 1)) != 0)
        return ERR_INVALID; /* non-zero trailing bits: another text for the same bytes */
    xassert(written == size);
    *ret_size = size;
    return 0;
}

int decimal_parse(struct bytes text, uint64_t *ret)
{
    if (text.size == 0 || text.size > 20 || (text.size > 1 && text.data[0] == '0'))
        return ERR_INVALID;
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return ERR_INVALID;
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return ERR_INVALID;
        value = value * 10 + digit;
    }
    *ret = value;
    return 0;
}
