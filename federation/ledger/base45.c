/* Base45 (see base45.h). Happy path: groups of three characters, the least significant first, are two bytes each. Failure modes:
 * any text that encoding does not give is refused at its first wrong group. Any thread. */
#include "federation/ledger/base45.h"

#include <string.h>

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

size_t base45_encoded_size(size_t size)
{
    return size / 2 * 3 + size % 2 * 2;
}

void base45_encode(struct bytes in, struct buf *out)
{
    for (size_t at = 0; at < in.size; at += 2) {
        bool is_pair = at + 1 < in.size;
        unsigned v = is_pair ? get_be16(in.data + at) : in.data[at];
        buf_put_u8(out, (uint8_t)alphabet[v % 45]);
        buf_put_u8(out, (uint8_t)alphabet[v / 45 % 45]);
        if (is_pair)
            buf_put_u8(out, (uint8_t)alphabet[v / (45 * 45)]);
    }
}

/* The value of one character; 45 for none of ours. */
static unsigned value_of(uint8_t c)
{
    const char *at = c == '\0' ? NULL : strchr(alphabet, c);
    return at == NULL ? 45 : (unsigned)(at - alphabet);
}

int base45_decode(struct bytes text, struct buf *out, struct err *e)
{
    size_t size_before = out->size;
    for (size_t at = 0; at < text.size; at += 3) {
        size_t count = text.size - at >= 3 ? 3 : text.size - at;
        unsigned v = 0, limit = count == 3 ? 0xffff : 0xff;
        bool is_good = count > 1;
        for (size_t i = count; i-- > 0;) {
            unsigned digit = value_of(text.data[at + i]);
            is_good = is_good && digit < 45;
            v = v * 45 + digit;
        }
        if (!is_good || v > limit) {
            out->size = size_before;
            return err_set(e, ERR_INVALID, "receipt.base45", "no Base45 at character %zu of %zu", at + 1, text.size);
        }
        if (count == 3)
            buf_put_u16(out, (uint16_t)v);
        else
            buf_put_u8(out, (uint8_t)v);
    }
    return 0;
}
