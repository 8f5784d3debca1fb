/* Heads: the first byte says what the rest is. 0: a leaf: a heads entry among them encodes to the same bytes. 1: an opening
 * against a fixed vector of 21 rows: what verifies is a row of that vector. Else: a vector: what opens, verifies. */
#include <string.h>

#include "federation/ledger/heads.h"
#include "node/base/xassert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS 21u

static void try_leaf(struct bytes in)
{
    struct leaf l;
    struct heads_summary s;
    uint8_t storage[HEADS_STORAGE_SIZE];
    if (leaf_decode(in, &l, NULL) != 0 || heads_of_leaf(&l, &s, NULL) != 0)
        return;
    struct buf out = {0};
    memset(l.attrs, 0, sizeof l.attrs);
    heads_to_leaf(&s, storage, &l);
    int rc = leaf_encode(&l, &out, NULL);
    xassert(rc == 0 && bytes_equal(buf_bytes(&out), in));
    buf_close(&out);
}

static void try_opening(struct bytes in)
{
    static struct heads_row rows[ROWS];
    static struct heads_summary s;
    if (s.rows == 0) { /* the vector of the corpus */
        struct buf vector = {0};
        for (uint32_t i = 0; i < ROWS; i++) {
            rows[i] = (struct heads_row){.recipient = 110000 + i, .last_seq = i, .last_index = 2 * i};
            rows[i].salt[0] = (uint8_t)i;
        }
        heads_vector(rows, ROWS, &vector, &s);
        buf_close(&vector);
    }

    struct heads_row row;
    for (uint32_t i = 0; i < ROWS; i++)
        if (heads_verify(&s, rows[i].recipient, in, &row, NULL) == 0)
            xassert(row.recipient == rows[i].recipient && row.last_seq == rows[i].last_seq &&
                    row.last_index == rows[i].last_index && memcmp(row.salt, rows[i].salt, sizeof row.salt) == 0);
}

static void try_vector(struct bytes in)
{
    static struct heads_row rows[HEADS_ROWS_MAX];
    size_t count = min_of(in.size / HEADS_ROW_BYTES, (size_t)64); /* enough: the rest is the same again */
    struct bytes vector = bytes_of(in.data, in.size < 65 * HEADS_ROW_BYTES ? in.size : count * HEADS_ROW_BYTES);
    struct buf again = {0}, opening = {0};
    struct heads_summary s = {0};
    struct reader r = reader_of(vector);
    for (size_t i = 0; i < count; i++) {
        rows[i].recipient = read_u32(&r);
        rows[i].last_seq = read_u64(&r);
        rows[i].last_index = read_u64(&r);
        read_copy(&r, rows[i].salt, sizeof rows[i].salt);
    }
    for (size_t i = 0; i < count; i++) {
        struct heads_row row;
        buf_reset(&opening);
        if (heads_open(vector, rows[i].recipient, &opening, NULL) != 0)
            break; /* no vector: none opens */
        if (i == 0) {
            heads_vector(rows, count, &again, &s);
            xassert(bytes_equal(buf_bytes(&again), vector));
        }
        int rc = heads_verify(&s, rows[i].recipient, buf_bytes(&opening), &row, NULL);
        xassert(rc == 0 && row.last_seq == rows[i].last_seq);
    }
    buf_close(&again);
    buf_close(&opening);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct bytes in = bytes_of(data + 1, size - 1);
    if (data[0] == 0)
        try_leaf(in);
    else if (data[0] == 1)
        try_opening(in);
    else
        try_vector(in);
    return 0;
}
