/* Messages of the sockets for files (see wire.h): rules, sending, receiving. */
#include <inttypes.h>
#include <string.h>

#include "federation/wire/wire_internal.h"

#define HASH_SIZE 32u
#define OVERHEAD 32u /* salt and tag of a sealed chunk */

static int check_head(const struct wire_file_head *h, struct err *e)
{
    if (h->size == 0 || h->size > FILE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "wire.file-size",
                       "file_head: a file of %" PRIu64 " bytes, allowed are 1 to %" PRIu64, h->size, FILE_BYTES_MAX);
    size_t count = (size_t)((h->size + FILE_CHUNK_BYTES - 1) / FILE_CHUNK_BYTES);
    return wire_check_size("file_head: hashes", h->hashes.size, count * HASH_SIZE, count * HASH_SIZE, e);
}

int wire_file_check(const struct wire_msg *m, struct err *e)
{
    switch (m->type) {
    case WIRE_FILE_PULL:
        return wire_check_size("file_pull: chunk", m->u.file_pull.chunk, 0, FILE_CHUNKS_MAX - 1, e);
    case WIRE_FILE_HEAD:
        return check_head(&m->u.file_head, e);
    case WIRE_FILE_CHUNK:
        return wire_check_size("file_chunk: data", m->u.file_chunk.data.size, OVERHEAD + 1, FILE_CHUNK_BYTES + OVERHEAD,
                               e);
    default:
        return wire_check_size("file_have: held", m->u.file_have.held, 0, FILE_CHUNKS_MAX, e);
    }
}

void wire_file_fill(const struct wire_msg *m, struct outgoing *o)
{
    switch (m->type) {
    case WIRE_FILE_PULL:
        tbwire__file_pull__init(&o->u.file_pull);
        o->u.file_pull.file = wire_blob_of(m->u.file_pull.file, HASH_SIZE);
        o->u.file_pull.head = m->u.file_pull.head;
        o->u.file_pull.chunk = m->u.file_pull.chunk;
        o->u.file_pull.held = m->u.file_pull.held;
        o->u.file_pull.check = m->u.file_pull.check;
        o->envelope.file_pull = &o->u.file_pull;
        break;
    case WIRE_FILE_HEAD:
        tbwire__file_head__init(&o->u.file_head);
        o->u.file_head.size = m->u.file_head.size;
        o->u.file_head.hashes = wire_blob_of(m->u.file_head.hashes.data, m->u.file_head.hashes.size);
        o->envelope.file_head = &o->u.file_head;
        break;
    case WIRE_FILE_CHUNK:
        tbwire__file_chunk__init(&o->u.file_chunk);
        o->u.file_chunk.data = wire_blob_of(m->u.file_chunk.data.data, m->u.file_chunk.data.size);
        o->envelope.file_chunk = &o->u.file_chunk;
        break;
    default:
        tbwire__file_have__init(&o->u.file_have);
        o->u.file_have.file = wire_blob_of(m->u.file_have.file, HASH_SIZE);
        o->u.file_have.held = m->u.file_have.held;
        o->u.file_have.all = m->u.file_have.all;
        o->envelope.file_have = &o->u.file_have;
        break;
    }
}

static int take_id(const char *what, const ProtobufCBinaryData *in, uint8_t out[HASH_SIZE], struct err *e)
{
    struct merkle_hash id;
    int rc = wire_take_hash(what, in, &id, e);
    if (rc == 0)
        memcpy(out, id.b, HASH_SIZE);
    return rc;
}

int wire_file_take(const Tbwire__Envelope *in, struct wire_msg *ret, struct err *e)
{
    switch (in->body_case) {
    case TBWIRE__ENVELOPE__BODY_FILE_PULL:
        ret->u.file_pull = (struct wire_file_pull){.head = in->file_pull->head,
                                                   .chunk = in->file_pull->chunk,
                                                   .held = in->file_pull->held,
                                                   .check = in->file_pull->check};
        return take_id("file_pull: file", &in->file_pull->file, ret->u.file_pull.file, e);
    case TBWIRE__ENVELOPE__BODY_FILE_HEAD:
        ret->u.file_head =
            (struct wire_file_head){.size = in->file_head->size, .hashes = wire_span_of(&in->file_head->hashes)};
        return 0;
    case TBWIRE__ENVELOPE__BODY_FILE_CHUNK:
        ret->u.file_chunk.data = wire_span_of(&in->file_chunk->data);
        return 0;
    default:
        ret->u.file_have = (struct wire_file_have){.held = in->file_have->held, .all = in->file_have->all};
        return take_id("file_have: file", &in->file_have->file, ret->u.file_have.file, e);
    }
}

/* ---- a chunk in place ---- */

#define ENVELOPE_TAG (24u << 3 | 2) /* file_chunk of Envelope, data of FileChunk: both bytes (federation.proto) */
#define DATA_TAG (1u << 3 | 2)

static size_t varint_size(uint64_t v)
{
    size_t size = 1;
    while (v >>= 7)
        size++;
    return size;
}

static uint8_t *put_varint(uint8_t *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *out++ = (uint8_t)(v | 0x80);
    *out++ = (uint8_t)v;
    return out;
}

size_t wire_file_chunk_head(size_t size, uint8_t out[WIRE_FILE_CHUNK_HEAD_MAX])
{
    uint8_t *at = put_varint(out, ENVELOPE_TAG);
    at = put_varint(at, varint_size(DATA_TAG) + varint_size(size) + size);
    at = put_varint(at, DATA_TAG);
    at = put_varint(at, size);
    return (size_t)(at - out);
}

/* In its shortest form only. */
static bool take_varint(struct bytes *in, uint64_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; shift < 35 && in->size > 0; shift += 7) {
        uint8_t v = *in->data;
        *in = bytes_of(in->data + 1, in->size - 1);
        *ret |= (uint64_t)(v & 0x7f) << shift;
        if (v < 0x80)
            return v != 0 || shift == 0;
    }
    return false;
}

/* The only field of what is left. */
static bool take_field(struct bytes *in, uint64_t tag)
{
    uint64_t found, size;
    return take_varint(in, &found) && found == tag && take_varint(in, &size) && size == in->size;
}

bool wire_file_chunk_data(struct bytes in, struct bytes *ret)
{
    *ret = in;
    return take_field(ret, ENVELOPE_TAG) && take_field(ret, DATA_TAG) && ret->size > OVERHEAD &&
           ret->size <= FILE_CHUNK_BYTES + OVERHEAD;
}
