/* Heads (see heads.h). The vector's tree is small and made anew for each opening: a few thousand hashes at the most. */
#include "federation/ledger/heads.h"

#include <string.h>

#include "federation/ledger/crange.h"
#include "node/base/xassert.h"

static void row_hash(const uint8_t *row, struct merkle_hash *ret)
{
    merkle_leaf_hash(bytes_of(row, HEADS_ROW_BYTES), ret);
}

/* Hash of the complete subtree over @count rows. */
static void rows_hash(const uint8_t *rows, size_t count, struct merkle_hash *ret)
{
    struct crange range;
    crange_init(&range);
    for (size_t i = 0; i < count; i++) {
        struct merkle_hash hash;
        row_hash(rows + i * HEADS_ROW_BYTES, &hash);
        int rc = crange_append_leaf(&range, &hash, NULL);
        xassert(rc == 0);
    }
    crange_root(&range, ret);
}

void heads_vector(const struct heads_row *rows, size_t count, struct buf *out, struct heads_summary *ret)
{
    size_t before = out->size;
    xassert(count <= HEADS_ROWS_MAX);
    for (size_t i = 0; i < count; i++) {
        xassert(i == 0 || rows[i - 1].recipient < rows[i].recipient);
        buf_put_u32(out, rows[i].recipient);
        buf_put_u64(out, rows[i].last_seq);
        buf_put_u64(out, rows[i].last_index);
        buf_put(out, rows[i].salt, sizeof rows[i].salt);
    }
    ret->rows = (uint32_t)count;
    rows_hash(count == 0 ? NULL : out->data + before, count, &ret->root);
}

void heads_to_leaf(const struct heads_summary *s, uint8_t storage[HEADS_STORAGE_SIZE], struct leaf *leaf)
{
    memcpy(storage, s->root.b, CRYPTO_HASH_SIZE);
    put_be32(storage + 32, s->rows);
    put_be64(storage + 36, s->public_seq);
    leaf->kind = LEAF_KIND_HEADS;
    leaf->attr_count = 3;
    leaf->attrs[0] = (struct leaf_attr){.tag = HEADS_ATTR_ROOT, .value = bytes_of(storage, 32)};
    leaf->attrs[1] = (struct leaf_attr){.tag = HEADS_ATTR_ROWS, .value = bytes_of(storage + 32, 4)};
    leaf->attrs[2] = (struct leaf_attr){.tag = HEADS_ATTR_PUBLIC_SEQ, .value = bytes_of(storage + 36, 8)};
}

int heads_of_leaf(const struct leaf *leaf, struct heads_summary *ret, struct err *e)
{
    static const uint8_t no_case[LEAF_CASE_ID_SIZE] = {0};
    bool ok = leaf->kind == LEAF_KIND_HEADS && leaf->recipient_count == 0 && leaf->parent_count == 0 &&
              memcmp(leaf->case_id, no_case, sizeof no_case) == 0 && leaf->attr_count == 3 &&
              leaf->attrs[0].tag == HEADS_ATTR_ROOT && leaf->attrs[0].value.size == 32 &&
              leaf->attrs[1].tag == HEADS_ATTR_ROWS && leaf->attrs[1].value.size == 4 &&
              leaf->attrs[2].tag == HEADS_ATTR_PUBLIC_SEQ && leaf->attrs[2].value.size == 8;
    if (ok)
        ok = get_be32(leaf->attrs[1].value.data) <= HEADS_ROWS_MAX;
    if (!ok)
        return err_set(e, ERR_INVALID, "heads.form", "entry %llu of ledger %u is no well-formed heads entry",
                       (unsigned long long)leaf->index, leaf->origin);
    memcpy(ret->root.b, leaf->attrs[0].value.data, sizeof ret->root.b);
    ret->rows = get_be32(leaf->attrs[1].value.data);
    ret->public_seq = get_be64(leaf->attrs[2].value.data);
    return 0;
}

static bool is_ascending(struct bytes vector, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (get_be32(vector.data + (i - 1) * HEADS_ROW_BYTES) >= get_be32(vector.data + i * HEADS_ROW_BYTES))
            return false;
    return true;
}

/* Position of @recipient's row, or @count. */
static size_t find_row(struct bytes vector, size_t count, uint32_t recipient)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (get_be32(vector.data + middle * HEADS_ROW_BYTES) < recipient)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < count && get_be32(vector.data + low * HEADS_ROW_BYTES) == recipient;
    return found ? low : count;
}

/* The tree's complete subtrees, from the rows. */
static int rows_source(void *ctx, unsigned level, uint64_t index, uint8_t out[MERKLE_HASH_SIZE], struct err *e)
{
    const uint8_t *rows = ctx;
    struct merkle_hash hash;
    (void)e;
    rows_hash(rows + (index << level) * HEADS_ROW_BYTES, (size_t)1 << level, &hash);
    memcpy(out, hash.b, sizeof hash.b);
    return 0;
}

int heads_open(struct bytes vector, uint32_t recipient, struct buf *out, struct err *e)
{
    size_t count = vector.size / HEADS_ROW_BYTES;
    if (vector.size % HEADS_ROW_BYTES != 0 || count > HEADS_ROWS_MAX || !is_ascending(vector, count))
        return err_set(e, ERR_CORRUPT, "heads.vector", "%zu bytes are no vector of heads", vector.size);
    size_t at = find_row(vector, count, recipient);
    if (at == count)
        return err_set(e, ERR_NOT_FOUND, "heads.no-row", "node %u has no row among the %zu", recipient, count);
    struct merkle_source source = {.ctx = (void *)(uintptr_t)vector.data, .node = rows_source};
    struct merkle_proof proof;
    int rc = merkle_prove_inclusion(&source, at, count, &proof, e);
    if (rc != 0)
        return rc;
    buf_put_u32(out, (uint32_t)at);
    buf_put(out, vector.data + at * HEADS_ROW_BYTES, HEADS_ROW_BYTES);
    for (uint32_t i = 0; i < proof.count; i++)
        buf_put(out, proof.hash[i].b, sizeof proof.hash[i].b);
    return 0;
}

int heads_verify(const struct heads_summary *s, uint32_t recipient, struct bytes opening, struct heads_row *ret,
                 struct err *e)
{
    struct merkle_hash hash, proof[13];
    if (opening.size < 4 + HEADS_ROW_BYTES || opening.size > HEADS_OPENING_BYTES_MAX ||
        (opening.size - 4 - HEADS_ROW_BYTES) % CRYPTO_HASH_SIZE != 0)
        return err_set(e, ERR_INVALID, "heads.opening", "an opening of %zu bytes", opening.size);
    struct reader r = reader_of(opening);
    uint32_t at = read_u32(&r);
    struct bytes row = read_bytes(&r, HEADS_ROW_BYTES);
    size_t count = reader_left(&r) / CRYPTO_HASH_SIZE;
    for (size_t i = 0; i < count; i++)
        read_copy(&r, proof[i].b, sizeof proof[i].b);
    row_hash(row.data, &hash);
    if (at >= s->rows || get_be32(row.data) != recipient ||
        merkle_verify_inclusion(at, s->rows, &hash, proof, count, &s->root, NULL) != 0)
        return err_set(e, ERR_VERIFY, "heads.opening",
                       "the opening is not that of node %u's row under the entry's root", recipient);
    *ret = (struct heads_row){
        .recipient = recipient, .last_seq = get_be64(row.data + 4), .last_index = get_be64(row.data + 12)};
    memcpy(ret->salt, row.data + 20, sizeof ret->salt);
    return 0;
}
