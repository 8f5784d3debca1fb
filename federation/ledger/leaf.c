/* Leaf codec (see leaf.h, federation/FORMATS.md "Leaf"). Fields of fixed size in a fixed order, counted lists whose order is
 * checked, and nothing behind the end: so decoding then encoding gives the same bytes without a second pass. */
#include "federation/ledger/leaf.h"

#include <inttypes.h>
#include <string.h>

static const uint8_t magic[8] = {'X', 'P', 'L', 'E', 'A', 'F', 0x00, 0x01};

#define FIXED_SIZE 56u     /* up to and with rules_version */
#define PARENT_SIZE 44u    /* node 4, index 8, hash 32 */
#define RECIPIENT_SIZE 12u /* node 4, seq 8 */

const char *leaf_kind_name(uint8_t kind)
{
    switch (kind) {
#define X(name, value, text)                                                                                           \
    case name:                                                                                                         \
        return text;
        LEAF_KINDS(X)
#undef X
    default:
        return NULL;
    }
}

/* ---- rules, the same for encoding and decoding ---- */

static int check_fixed(const struct leaf *l, struct err *e)
{
    if (leaf_kind_name(l->kind) == NULL)
        return err_set(e, ERR_UNSUPPORTED, "leaf.kind", "leaf has kind %u, known are 1 to 6", l->kind);
    if (l->suite != LEAF_SUITE_SHA256_ED25519_AES256GCM)
        return err_set(e, ERR_UNSUPPORTED, "leaf.suite", "leaf has suite %u, known is 1", l->suite);
    if (l->index >= MERKLE_SIZE_MAX)
        return err_set(e, ERR_INVALID, "leaf.index", "leaf has index %" PRIu64 ", limit 2^62 - 1", l->index);
    if (l->ct_len > PAYLOAD_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "leaf.ct-len", "leaf has a payload of %" PRIu32 " bytes, limit %u", l->ct_len,
                       PAYLOAD_BYTES_MAX);
    return 0;
}

static int check_counts(size_t parents, size_t recipients, size_t attrs, size_t signature_size, struct err *e)
{
    if (parents > LEAF_PARENTS_MAX)
        return err_set(e, ERR_LIMIT, "leaf.parents", "leaf has %zu parents, limit %u", parents, LEAF_PARENTS_MAX);
    if (recipients > LEAF_RECIPIENTS_MAX)
        return err_set(e, ERR_LIMIT, "leaf.recipients", "leaf has %zu recipients, limit %u", recipients,
                       LEAF_RECIPIENTS_MAX);
    if (attrs > LEAF_ATTRS_MAX)
        return err_set(e, ERR_LIMIT, "leaf.attrs", "leaf has %zu attributes, limit %u", attrs, LEAF_ATTRS_MAX);
    if (signature_size > LEAF_SIGNATURE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "leaf.signature", "leaf has a signature of %zu bytes, limit %u", signature_size,
                       LEAF_SIGNATURE_BYTES_MAX);
    return 0;
}

static int check_lists(const struct leaf *l, struct err *e)
{
    for (unsigned i = 1; i < l->parent_count; i++) {
        const struct leaf_parent *a = &l->parents[i - 1];
        const struct leaf_parent *b = &l->parents[i];
        if (a->node > b->node || (a->node == b->node && a->index >= b->index))
            return err_set(e, ERR_INVALID, "leaf.parent-order",
                           "parent %u/%" PRIu64 " follows %u/%" PRIu64 ", must ascend", b->node, b->index, a->node,
                           a->index);
    }
    for (unsigned i = 1; i < l->recipient_count; i++)
        if (l->recipients[i - 1].node >= l->recipients[i].node)
            return err_set(e, ERR_INVALID, "leaf.recipient-order", "recipient %u follows %u, must ascend",
                           l->recipients[i].node, l->recipients[i - 1].node);
    for (unsigned i = 0; i < l->attr_count; i++) {
        if (i > 0 && l->attrs[i - 1].tag >= l->attrs[i].tag)
            return err_set(e, ERR_INVALID, "leaf.attr-order", "attribute tag %u follows %u, must ascend",
                           l->attrs[i].tag, l->attrs[i - 1].tag);
        if (l->attrs[i].value.size > LEAF_ATTR_BYTES_MAX)
            return err_set(e, ERR_LIMIT, "leaf.attr-size", "attribute %u has %zu bytes, limit %u", l->attrs[i].tag,
                           l->attrs[i].value.size, LEAF_ATTR_BYTES_MAX);
    }
    return 0;
}

static int check_size(size_t size, struct err *e)
{
    if (size <= LEAF_BYTES_MAX)
        return 0;
    return err_set(e, ERR_LIMIT, "leaf.size", "leaf has %zu bytes, limit %u", size, LEAF_BYTES_MAX);
}

bool leaf_is_case_event(const struct leaf *l)
{
    static const uint8_t none[LEAF_CASE_ID_SIZE];
    return l->kind == LEAF_KIND_EVENT && memcmp(l->case_id, none, sizeof none) != 0;
}

size_t leaf_aad_size(const struct leaf *l)
{
    return FIXED_SIZE + 1 + PARENT_SIZE * l->parent_count + 1 + RECIPIENT_SIZE * l->recipient_count + LEAF_SALT_SIZE +
           4 + MERKLE_HASH_SIZE + 4;
}

static size_t encoded_size(const struct leaf *l)
{
    size_t size = leaf_aad_size(l) + MERKLE_HASH_SIZE + 2;
    for (unsigned i = 0; i < l->attr_count; i++)
        size += 4 + l->attrs[i].value.size;
    return size + 2 + l->signature.size;
}

/* ---- encoding ---- */

static void put_lists(const struct leaf *l, struct buf *out)
{
    buf_put_u8(out, l->parent_count);
    for (unsigned i = 0; i < l->parent_count; i++) {
        buf_put_u32(out, l->parents[i].node);
        buf_put_u64(out, l->parents[i].index);
        buf_put(out, l->parents[i].hash.b, MERKLE_HASH_SIZE);
    }
    buf_put_u8(out, l->recipient_count);
    for (unsigned i = 0; i < l->recipient_count; i++) {
        buf_put_u32(out, l->recipients[i].node);
        buf_put_u64(out, l->recipients[i].seq);
    }
}

static void put_attrs(const struct leaf *l, struct buf *out)
{
    buf_put_u16(out, l->attr_count);
    for (unsigned i = 0; i < l->attr_count; i++) {
        buf_put_u16(out, l->attrs[i].tag);
        buf_put_u16(out, (uint16_t)l->attrs[i].value.size); /* limit checked */
        buf_put(out, l->attrs[i].value.data, l->attrs[i].value.size);
    }
}

int leaf_encode_unsigned(const struct leaf *l, struct buf *out, struct err *e)
{
    int rc = check_fixed(l, e);
    if (rc == 0)
        rc = check_counts(l->parent_count, l->recipient_count, l->attr_count, l->signature.size, e);
    if (rc == 0)
        rc = check_lists(l, e);
    if (rc == 0)
        rc = check_size(encoded_size(l), e);
    if (rc < 0)
        return rc;

    size_t begin = out->size;
    buf_put(out, magic, sizeof magic);
    buf_put_u8(out, l->kind);
    buf_put_u8(out, l->suite);
    buf_put_u32(out, l->origin);
    buf_put_u64(out, l->index);
    buf_put_u64(out, l->hlc);
    buf_put(out, l->case_id, sizeof l->case_id);
    buf_put_u16(out, l->event_type);
    buf_put_u16(out, l->role);
    buf_put_u32(out, l->service);
    buf_put_u16(out, l->rules_version);
    put_lists(l, out);
    buf_put(out, l->salt, sizeof l->salt);
    buf_put_u32(out, l->key_epoch);
    buf_put(out, l->key_commit.b, MERKLE_HASH_SIZE);
    buf_put_u32(out, l->ct_len);
    buf_put(out, l->ct_hash.b, MERKLE_HASH_SIZE);
    put_attrs(l, out);
    if (out->failed) {
        out->size = begin;
        return err_set(e, ERR_LIMIT, "leaf.buffer", "no room for a leaf of %zu bytes behind %zu", encoded_size(l),
                       begin);
    }
    return 0;
}

int leaf_encode(const struct leaf *l, struct buf *out, struct err *e)
{
    size_t begin = out->size;
    int rc = leaf_encode_unsigned(l, out, e);
    if (rc < 0)
        return rc;
    buf_put_u16(out, (uint16_t)l->signature.size); /* limit checked */
    buf_put(out, l->signature.data, l->signature.size);
    if (out->failed) {
        out->size = begin;
        return err_set(e, ERR_LIMIT, "leaf.buffer", "no room for a leaf of %zu bytes behind %zu", encoded_size(l),
                       begin);
    }
    return 0;
}

/* ---- decoding ---- */

static void read_fixed(struct reader *r, struct leaf *l)
{
    l->kind = read_u8(r);
    l->suite = read_u8(r);
    l->origin = read_u32(r);
    l->index = read_u64(r);
    l->hlc = read_u64(r);
    read_copy(r, l->case_id, sizeof l->case_id);
    l->event_type = read_u16(r);
    l->role = read_u16(r);
    l->service = read_u32(r);
    l->rules_version = read_u16(r);
}

static int read_lists(struct reader *r, struct leaf *l, struct err *e)
{
    l->parent_count = read_u8(r);
    int rc = check_counts(l->parent_count, 0, 0, 0, e);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < l->parent_count; i++) {
        l->parents[i].node = read_u32(r);
        l->parents[i].index = read_u64(r);
        read_copy(r, l->parents[i].hash.b, MERKLE_HASH_SIZE);
    }
    l->recipient_count = read_u8(r);
    rc = check_counts(0, l->recipient_count, 0, 0, e);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < l->recipient_count; i++) {
        l->recipients[i].node = read_u32(r);
        l->recipients[i].seq = read_u64(r);
    }
    return 0;
}

static int read_attrs(struct reader *r, struct leaf *l, struct err *e)
{
    l->attr_count = read_u16(r);
    int rc = check_counts(0, 0, l->attr_count, 0, e);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < l->attr_count; i++) {
        l->attrs[i].tag = read_u16(r);
        l->attrs[i].value = read_bytes(r, read_u16(r));
    }
    return 0;
}

static int read_leaf(struct bytes in, struct leaf *l, struct err *e)
{
    struct reader r = reader_of(in);
    if (!bytes_equal(read_bytes(&r, sizeof magic), bytes_of(magic, sizeof magic)))
        return err_set(e, ERR_UNSUPPORTED, "leaf.magic", "%zu bytes do not start like a leaf of version 1", in.size);
    read_fixed(&r, l);
    int rc = read_lists(&r, l, e);
    if (rc < 0)
        return rc;
    read_copy(&r, l->salt, sizeof l->salt);
    l->key_epoch = read_u32(&r);
    read_copy(&r, l->key_commit.b, MERKLE_HASH_SIZE);
    l->ct_len = read_u32(&r);
    read_copy(&r, l->ct_hash.b, MERKLE_HASH_SIZE);
    rc = read_attrs(&r, l, e);
    if (rc < 0)
        return rc;
    l->signed_bytes = bytes_of(in.data, in.size - reader_left(&r));
    l->signature = read_bytes(&r, read_u16(&r));
    if (r.failed)
        return err_set(e, ERR_INVALID, "leaf.short", "leaf of %zu bytes ends early", in.size);
    if (reader_left(&r) > 0)
        return err_set(e, ERR_INVALID, "leaf.trailing", "leaf of %zu bytes has %zu more behind its end", in.size,
                       reader_left(&r));
    return 0;
}

int leaf_decode(struct bytes in, struct leaf *ret, struct err *e)
{
    struct leaf l = {.kind = 0};
    int rc = check_size(in.size, e);
    if (rc == 0)
        rc = read_leaf(in, &l, e);
    if (rc == 0)
        rc = check_fixed(&l, e);
    if (rc == 0)
        rc = check_counts(0, 0, 0, l.signature.size, e);
    if (rc == 0)
        rc = check_lists(&l, e);
    if (rc == 0)
        *ret = l;
    return rc;
}

void leaf_hash(struct bytes encoded, struct merkle_hash *ret)
{
    merkle_leaf_hash(encoded, ret);
}
