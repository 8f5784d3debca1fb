/* Messages between nodes (see wire.h): with wire_ledger.c the only place that knows protobuf-c.
 *
 * Sending: check_message() -> fill the generated structs, spans borrowed -> protobuf-c packs -> one copy into the buffer.
 * Receiving: size -> protobuf-c unpacks into the caller's arena through an allocator with a cap -> our structs, whose
 * spans point at what it unpacked -> check_message(). The same check serves both directions.
 *
 * Why a cap: protobuf-c takes about 100 bytes for an Item that is 2 bytes on the wire, and merges a body that comes
 * twice by copying. The cap lets every permitted message pass (see memory_cap()) and ends the rest early.
 */
#include "federation/wire/wire.h"

#include <inttypes.h>
#include <string.h>

#include "federation/ledger/grant.h"
#include "federation/ledger/heads.h"
#include "federation/wire/wire_internal.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

const char *wire_type_name(enum wire_type type)
{
    switch (type) {
#define X(name, number, text)                                                                                          \
    case WIRE_##name:                                                                                                  \
        return text;
        WIRE_TYPES(X)
#undef X
    }
    return "unknown";
}

/* ---- rules, the same for both directions ---- */

static int check_text(const char *field, const char *text, size_t size_min, size_t size_max, struct err *e)
{
    size_t size = text == NULL ? 0 : strlen(text);
    if (size < size_min)
        return err_set(e, ERR_INVALID, "wire.text", "%s is empty", field);
    if (size > size_max)
        return err_set(e, ERR_LIMIT, "wire.text", "%s: %zu bytes, limit %zu", field, size, size_max);
    if (size > 0 && !utf8_is_valid(text, size))
        return err_set(e, ERR_INVALID, "wire.text", "%s is not UTF-8", field);
    return 0;
}

int wire_check_size(const char *what, size_t size, size_t size_min, size_t size_max, struct err *e)
{
    if (size < size_min)
        return err_set(e, ERR_INVALID, "wire.size", "%s: %zu, at least %zu", what, size, size_min);
    if (size > size_max)
        return err_set(e, ERR_LIMIT, "wire.size", "%s: %zu, limit %zu", what, size, size_max);
    return 0;
}

static int check_hello(const struct wire_hello *h, struct err *e)
{
    if (h->version_min == 0 || h->version_min > h->version_max)
        return err_set(e, ERR_INVALID, "wire.hello-versions", "hello: protocol versions %" PRIu32 " to %" PRIu32,
                       h->version_min, h->version_max);
    if (h->suite_count > WIRE_SUITES_MAX)
        return err_set(e, ERR_LIMIT, "wire.hello-suites", "hello: %zu suites, limit %u", h->suite_count,
                       WIRE_SUITES_MAX);
    for (size_t i = 0; i < h->suite_count; i++) {
        int rc = check_text("hello: suite", h->suites[i], 1, WIRE_NAME_BYTES_MAX, e);
        if (rc != 0)
            return rc;
    }
    if (h->files_port > 65535)
        return err_set(e, ERR_INVALID, "wire.hello-port", "hello: files port %" PRIu32 ", limit 65535", h->files_port);
    return check_text("hello: software", h->software, 0, WIRE_NAME_BYTES_MAX, e);
}

static int check_item(const struct frontier_item *item, size_t i, bool held, struct err *e)
{
    if (item->kind == FRONTIER_KIND_HASH) {
        if (item->level > WIRE_LEVEL_MAX)
            return err_set(e, ERR_LIMIT, "wire.item-level", "batch: item %zu: level %u, limit %u", i, item->level,
                           WIRE_LEVEL_MAX);
        return 0;
    }
    if (item->leaf.size == 0)
        return err_set(e, ERR_INVALID, "wire.item-leaf", "batch: item %zu: empty leaf", i);
    if (item->leaf.size > LEAF_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "wire.item-leaf", "batch: item %zu: leaf of %zu bytes, limit %u", i,
                       item->leaf.size, LEAF_BYTES_MAX);
    if (item->payload.size > PAYLOAD_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "wire.item-payload", "batch: item %zu: payload of %zu bytes, limit %u", i,
                       item->payload.size, PAYLOAD_BYTES_MAX);
    if (item->payload.size > 0 && !held)
        return err_set(e, ERR_INVALID, "wire.item-payload", "batch: item %zu: a payload of %zu bytes that is not held",
                       i, item->payload.size);
    return 0;
}

static bool is_held(const struct wire_batch *b, size_t i)
{
    const struct frontier_item *item = &b->frontier.items[i];
    if (item->kind != FRONTIER_KIND_ENTRY)
        return false;
    return b->payload_held == NULL ? item->payload.size > 0 : b->payload_held[i];
}

static int check_batch(const struct wire_batch *b, struct err *e)
{
    if (b->frontier.item_count > WIRE_BATCH_ITEMS_MAX)
        return err_set(e, ERR_LIMIT, "wire.batch-items", "batch: %zu items, limit %u", b->frontier.item_count,
                       WIRE_BATCH_ITEMS_MAX);
    if (b->frontier.right_count > CRANGE_PARTS_MAX)
        return err_set(e, ERR_LIMIT, "wire.batch-right", "batch: %zu hashes right of it, limit %u",
                       b->frontier.right_count, CRANGE_PARTS_MAX);
    if (b->checkpoint.size > NOTE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "wire.batch-checkpoint", "batch: checkpoint of %zu bytes, limit %u",
                       b->checkpoint.size, NOTE_BYTES_MAX);
    int rc = wire_check_size("batch: grants", b->grants.size, 0, GRANT_BYTES_MAX, e);
    for (size_t i = 0; rc == 0 && i < b->frontier.item_count; i++) {
        rc = check_item(&b->frontier.items[i], i, is_held(b, i), e);
        if (rc == 0 && b->openings != NULL)
            rc = wire_check_size("batch: opening", b->openings[i].size, 0, HEADS_OPENING_BYTES_MAX, e);
    }
    return rc;
}

static bool is_error_code(uint32_t code)
{
    switch (code) {
#define X(name, number) case number:
        WIRE_ERRORS(X)
#undef X
        return true;
    default:
        return false;
    }
}

static int check_error(const struct wire_error *w, struct err *e)
{
    if (!is_error_code(w->code))
        return err_set(e, ERR_INVALID, "wire.error-code", "error: code %u is none of the protocol's",
                       (unsigned)w->code);
    int rc = check_text("error: id", w->id, 0, WIRE_NAME_BYTES_MAX, e);
    return rc != 0 ? rc : check_text("error: message", w->message, 0, WIRE_TEXT_BYTES_MAX, e);
}

static int check_message(const struct wire_msg *m, struct err *e)
{
    switch (m->type) {
    case WIRE_HELLO:
        return check_hello(&m->u.hello, e);
    case WIRE_BATCH:
        return check_batch(&m->u.batch, e);
    case WIRE_ERROR:
        return check_error(&m->u.error, e);
    case WIRE_HINT:
    case WIRE_PULL:
    case WIRE_OK:
        return 0; /* fixed size, nothing to bound */
    case WIRE_FILE_PULL:
    case WIRE_FILE_HEAD:
    case WIRE_FILE_CHUNK:
    case WIRE_FILE_HAVE:
        return wire_file_check(m, e);
    default:
        return wire_ledger_check(m, e);
    }
}

/* ---- sending ---- */

/* The generated structs want pointers to non-const; packing only reads. */
ProtobufCBinaryData wire_blob_of(const void *data, size_t size)
{
    union {
        const void *in;
        uint8_t *out;
    } u = {.in = data};
    return (ProtobufCBinaryData){.len = size, .data = u.out};
}

static char *text_of(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s == NULL ? "" : s};
    return u.out;
}

static void fill_hello(const struct wire_hello *h, struct outgoing *o)
{
    tbwire__hello__init(&o->u.hello);
    for (size_t i = 0; i < h->suite_count; i++)
        o->suites[i] = text_of(h->suites[i]);
    o->u.hello.version_min = h->version_min;
    o->u.hello.version_max = h->version_max;
    o->u.hello.n_suites = h->suite_count;
    o->u.hello.suites = o->suites;
    o->u.hello.node = h->node;
    o->u.hello.software = text_of(h->software);
    o->u.hello.wall_ms = h->wall_ms;
    o->u.hello.ledger_size = h->ledger_size;
    o->u.hello.members_version = h->members_version;
    o->u.hello.your_size = h->your_size;
    o->u.hello.files_port = h->files_port;
    o->u.hello.pull_start = h->pull_start;
    o->envelope.hello = &o->u.hello;
}

static void fill_hint(const struct wire_hint *h, struct outgoing *o)
{
    tbwire__hint__init(&o->u.hint);
    o->u.hint.origin = h->origin;
    o->u.hint.size = h->size;
    o->u.hint.your_seq = h->your_seq;
    o->u.hint.public_seq = h->public_seq;
    o->envelope.hint = &o->u.hint;
}

static void fill_pull(const struct wire_pull *p, struct outgoing *o)
{
    tbwire__pull__init(&o->u.pull);
    o->u.pull.origin = p->origin;
    o->u.pull.from = p->from;
    o->u.pull.root_at_from = wire_blob_of(p->root_at_from.b, sizeof p->root_at_from.b);
    o->u.pull.seq_me = p->seq_me;
    o->u.pull.seq_public = p->seq_public;
    o->u.pull.max_bytes = p->max_bytes;
    o->u.pull.wait_ms = p->wait_ms;
    o->u.pull.start = p->start == p->from ? 0 : p->start;
    o->envelope.pull = &o->u.pull;
}

static void fill_error(const struct wire_error *w, struct outgoing *o)
{
    tbwire__error__init(&o->u.error);
    o->u.error.code = w->code;
    o->u.error.id = text_of(w->id);
    o->u.error.message = text_of(w->message);
    o->u.error.retry_ms = w->retry_ms;
    o->u.error.min_index = w->min_index;
    o->envelope.error = &o->u.error;
}

static void fill_batch(const struct wire_batch *b, struct outgoing *o, struct arena *arena)
{
    const struct frontier_batch *f = &b->frontier;
    Tbwire__Item *items = arena_alloc(arena, f->item_count * sizeof *items);
    Tbwire__Item **pointers = arena_alloc(arena, f->item_count * sizeof *pointers);
    for (size_t i = 0; i < f->item_count; i++) {
        const struct frontier_item *from = &f->items[i];
        Tbwire__Item *to = pointers[i] = &items[i];
        tbwire__item__init(to);
        if (from->kind == FRONTIER_KIND_ENTRY) {
            to->leaf = wire_blob_of(from->leaf.data, from->leaf.size);
            to->payload = wire_blob_of(from->payload.data, from->payload.size);
            to->payload_held = is_held(b, i);
            if (b->openings != NULL)
                to->opening = wire_blob_of(b->openings[i].data, b->openings[i].size);
        } else {
            to->level = from->level;
            to->hash = wire_blob_of(from->hash.b, sizeof from->hash.b);
        }
    }
    for (size_t i = 0; i < f->right_count; i++)
        o->right[i] = wire_blob_of(f->right[i].b, sizeof f->right[i].b);

    tbwire__batch__init(&o->u.batch);
    o->u.batch.origin = b->origin;
    o->u.batch.from = f->from;
    o->u.batch.to = f->to;
    o->u.batch.target = f->target;
    o->u.batch.n_items = f->item_count;
    o->u.batch.items = pointers;
    o->u.batch.n_right = f->right_count;
    o->u.batch.right = o->right;
    o->u.batch.checkpoint = wire_blob_of(b->checkpoint.data, b->checkpoint.size);
    o->u.batch.grants = wire_blob_of(b->grants.data, b->grants.size);
    o->u.batch.more = b->more;
    o->envelope.batch = &o->u.batch;
}

static void fill(const struct wire_msg *m, struct outgoing *o, struct arena *arena)
{
    tbwire__envelope__init(&o->envelope);
    o->envelope.body_case = (Tbwire__Envelope__BodyCase)m->type;
    switch (m->type) {
    case WIRE_HELLO:
        fill_hello(&m->u.hello, o);
        break;
    case WIRE_HINT:
        fill_hint(&m->u.hint, o);
        break;
    case WIRE_PULL:
        fill_pull(&m->u.pull, o);
        break;
    case WIRE_BATCH:
        fill_batch(&m->u.batch, o, arena);
        break;
    case WIRE_ERROR:
        fill_error(&m->u.error, o);
        break;
    case WIRE_OK:
        tbwire__ok__init(&o->u.ok);
        o->envelope.ok = &o->u.ok;
        break;
    case WIRE_FILE_PULL:
    case WIRE_FILE_HEAD:
    case WIRE_FILE_CHUNK:
    case WIRE_FILE_HAVE:
        wire_file_fill(m, o);
        break;
    default:
        wire_ledger_fill(m, o, arena);
        break;
    }
}

#define X(name, number, text)                                                                                          \
    _Static_assert((int)WIRE_##name == (int)TBWIRE__ENVELOPE__BODY_##name, "wire.h and federation.proto differ");
WIRE_TYPES(X)
#undef X

int wire_encode(const struct wire_msg *m, struct buf *out, struct err *e)
{
    int rc = check_message(m, e);
    if (rc != 0)
        return rc;

    struct arena arena = ARENA_INIT;
    struct outgoing o;
    fill(m, &o, &arena);
    size_t size = tbwire__envelope__get_packed_size(&o.envelope);
    size_t room = (out->size_max == 0 ? BUF_SIZE_MAX : out->size_max) - out->size;
    if (size > WIRE_MESSAGE_BYTES_MAX || size > room || out->failed) {
        rc = err_set(e, ERR_LIMIT, "wire.too-large", "%s: %zu bytes, limit %zu", wire_type_name(m->type), size,
                     min_of((size_t)WIRE_MESSAGE_BYTES_MAX, room));
        goto out;
    }

    size_t written = tbwire__envelope__pack(&o.envelope, buf_extend(out, size));
    xassert(written == size);

out:
    arena_close(&arena);
    return rc;
}

/* ---- receiving ---- */

struct capped_arena {
    struct arena *arena;
    size_t left; /* bytes that may still be taken */
    bool is_exhausted;
};

static void *capped_alloc(void *ctx, size_t size)
{
    struct capped_arena *c = ctx;
    size_t rounded = size + sizeof(max_align_t);
    if (rounded > c->left || rounded < size) {
        c->is_exhausted = true;
        return NULL;
    }
    c->left -= rounded;
    return arena_alloc(c->arena, size);
}

static void capped_free(void *ctx, void *p)
{
    (void)ctx; /* freed with the arena */
    (void)p;
}

/* Bytes for unpacking a message of @size. Contents are copied once (1 x size). An item of the shortest useful form, a
 * hash of 36 bytes, takes 250: its struct, its hash, its pointer, the scanner's note of it; so 16 x size is ample for
 * small messages, and the number of items bounds it for large ones. */
static size_t memory_cap(size_t size)
{
    size_t by_size = 16 * size;
    size_t by_items = 2 * size + (size_t)WIRE_BATCH_ITEMS_MAX * 384;
    return 4096 + min_of(by_size, by_items);
}

struct bytes wire_span_of(const ProtobufCBinaryData *b)
{
    return bytes_of(b->data, b->len);
}

int wire_take_hash(const char *what, const ProtobufCBinaryData *b, struct merkle_hash *ret, struct err *e)
{
    if (b->len != sizeof ret->b)
        return err_set(e, ERR_INVALID, "wire.hash", "%s: %zu bytes, must be %zu", what, b->len, sizeof ret->b);
    memcpy(ret->b, b->data, sizeof ret->b);
    return 0;
}

static int take_hello(const Tbwire__Hello *in, struct wire_hello *ret, struct err *e)
{
    if (in->n_suites > WIRE_SUITES_MAX)
        return err_set(e, ERR_LIMIT, "wire.hello-suites", "hello: %zu suites, limit %u", in->n_suites, WIRE_SUITES_MAX);
    *ret = (struct wire_hello){
        .version_min = in->version_min,
        .version_max = in->version_max,
        .suite_count = in->n_suites,
        .node = in->node,
        .software = in->software,
        .wall_ms = in->wall_ms,
        .ledger_size = in->ledger_size,
        .members_version = in->members_version,
        .your_size = in->your_size,
        .files_port = in->files_port,
        .pull_start = in->pull_start != 0,
    };
    for (size_t i = 0; i < in->n_suites; i++)
        ret->suites[i] = in->suites[i];
    return 0;
}

static int take_pull(const Tbwire__Pull *in, struct wire_pull *ret, struct err *e)
{
    *ret = (struct wire_pull){
        .origin = in->origin,
        .from = in->from,
        .seq_me = in->seq_me,
        .seq_public = in->seq_public,
        .max_bytes = in->max_bytes,
        .wait_ms = in->wait_ms,
        .start = in->start == 0 ? in->from : in->start,
    };
    if (ret->start < ret->from)
        return err_set(e, ERR_INVALID, "wire.pull-start", "pull: start %" PRIu64 " lies before from %" PRIu64,
                       ret->start, ret->from);
    return wire_take_hash("pull: root", &in->root_at_from, &ret->root_at_from, e);
}

static int take_item(const Tbwire__Item *in, size_t i, struct frontier_item *ret, struct err *e)
{
    bool is_entry = in->leaf.len > 0;
    if (is_entry == (in->hash.len > 0))
        return err_set(e, ERR_INVALID, "wire.item", "batch: item %zu: %s", i,
                       is_entry ? "both leaf and hash" : "neither leaf nor hash");
    if (!is_entry) {
        if (in->payload.len > 0 || in->payload_held || in->opening.len > 0)
            return err_set(e, ERR_INVALID, "wire.item", "batch: item %zu: a hash with a payload or an opening", i);
        *ret = (struct frontier_item){.kind = FRONTIER_KIND_HASH, .level = in->level};
        return wire_take_hash("batch: item", &in->hash, &ret->hash, e);
    }
    if (in->level != 0)
        return err_set(e, ERR_INVALID, "wire.item", "batch: item %zu: a leaf of level %" PRIu32, i, in->level);
    *ret = (struct frontier_item){
        .kind = FRONTIER_KIND_ENTRY, .leaf = wire_span_of(&in->leaf), .payload = wire_span_of(&in->payload)};
    return 0;
}

static int take_batch(const Tbwire__Batch *in, struct arena *arena, struct wire_batch *ret, struct err *e)
{
    if (in->n_items > WIRE_BATCH_ITEMS_MAX)
        return err_set(e, ERR_LIMIT, "wire.batch-items", "batch: %zu items, limit %u", in->n_items,
                       WIRE_BATCH_ITEMS_MAX);
    if (in->n_right > CRANGE_PARTS_MAX)
        return err_set(e, ERR_LIMIT, "wire.batch-right", "batch: %zu hashes right of it, limit %u", in->n_right,
                       CRANGE_PARTS_MAX);

    struct frontier_item *items = arena_alloc(arena, in->n_items * sizeof *items);
    bool *held = arena_alloc(arena, in->n_items * sizeof *held);
    struct bytes *openings = arena_alloc(arena, in->n_items * sizeof *openings);
    for (size_t i = 0; i < in->n_items; i++) {
        int rc = take_item(in->items[i], i, &items[i], e);
        if (rc != 0)
            return rc;
        held[i] = in->items[i]->payload_held;
        openings[i] = wire_span_of(&in->items[i]->opening);
    }
    *ret = (struct wire_batch){
        .origin = in->origin,
        .frontier = {.from = in->from,
                     .to = in->to,
                     .target = in->target,
                     .items = items,
                     .item_count = in->n_items,
                     .right_count = in->n_right},
        .payload_held = held,
        .checkpoint = wire_span_of(&in->checkpoint),
        .openings = openings,
        .grants = wire_span_of(&in->grants),
        .more = in->more,
    };
    for (size_t i = 0; i < in->n_right; i++) {
        int rc = wire_take_hash("batch: hash right of it", &in->right[i], &ret->frontier.right[i], e);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int take(const Tbwire__Envelope *in, struct arena *arena, struct wire_msg *ret, struct err *e)
{
    ret->type = (enum wire_type)in->body_case;
    switch (in->body_case) {
    case TBWIRE__ENVELOPE__BODY_HELLO:
        return take_hello(in->hello, &ret->u.hello, e);
    case TBWIRE__ENVELOPE__BODY_HINT:
        ret->u.hint = (struct wire_hint){.origin = in->hint->origin,
                                         .size = in->hint->size,
                                         .your_seq = in->hint->your_seq,
                                         .public_seq = in->hint->public_seq};
        return 0;
    case TBWIRE__ENVELOPE__BODY_PULL:
        return take_pull(in->pull, &ret->u.pull, e);
    case TBWIRE__ENVELOPE__BODY_BATCH:
        return take_batch(in->batch, arena, &ret->u.batch, e);
    case TBWIRE__ENVELOPE__BODY_ERROR:
        ret->u.error = (struct wire_error){.code = (enum wire_error_code)in->error->code,
                                           .id = in->error->id,
                                           .message = in->error->message,
                                           .retry_ms = in->error->retry_ms,
                                           .min_index = in->error->min_index};
        return 0;
    case TBWIRE__ENVELOPE__BODY_OK:
        return 0;
    case TBWIRE__ENVELOPE__BODY_FILE_PULL:
    case TBWIRE__ENVELOPE__BODY_FILE_HEAD:
    case TBWIRE__ENVELOPE__BODY_FILE_CHUNK:
    case TBWIRE__ENVELOPE__BODY_FILE_HAVE:
        return wire_file_take(in, ret, e);
    default:
        return wire_ledger_take(in, arena, ret, e);
    }
}

int wire_decode(struct bytes in, struct arena *arena, struct wire_msg *ret, struct err *e)
{
    if (in.size > WIRE_MESSAGE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "wire.too-large", "message of %zu bytes, limit %u", in.size,
                       WIRE_MESSAGE_BYTES_MAX);

    struct capped_arena capped = {.arena = arena, .left = memory_cap(in.size)};
    ProtobufCAllocator allocator = {.alloc = capped_alloc, .free = capped_free, .allocator_data = &capped};
    static const uint8_t nothing[1];
    const uint8_t *data = in.data == NULL ? nothing : in.data; /* protobuf-c takes no NULL, even for 0 bytes */
    const Tbwire__Envelope *envelope = tbwire__envelope__unpack(&allocator, in.size, data);
    if (envelope == NULL && capped.is_exhausted)
        return err_set(e, ERR_LIMIT, "wire.memory", "message of %zu bytes would take more than %zu bytes of memory",
                       in.size, memory_cap(in.size));
    if (envelope == NULL)
        return err_set(e, ERR_INVALID, "wire.malformed", "%zu bytes that are not a message", in.size);

    struct wire_msg m;
    int rc = take(envelope, arena, &m, e);
    if (rc == 0)
        rc = check_message(&m, e);
    if (rc == 0)
        *ret = m;
    return rc;
}
