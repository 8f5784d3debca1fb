/* Evidence (see evidence.h). */
#include "federation/ledger/evidence.h"

#include <string.h>

#include "certs/crypto.h"
#include "node/base/xassert.h"

#define EVIDENCE_VERSION 1u

static int set_range(struct view *v, const struct crange *range, struct err *e)
{
    struct merkle_hash root;
    crange_root(range, &root);
    if (range->size != v->head.size || !merkle_hash_equal(&root, &v->head.root))
        return err_set(e, ERR_VERIFY, "evidence.range",
                       "the compact range of %llu leaves is not that of the checkpoint",
                       (unsigned long long)range->size);
    v->has_range = true;
    v->range = *range;
    return 0;
}

int view_open(struct bytes note, const struct note_verifier *log, const struct crange *range, struct view *ret,
              struct err *e)
{
    struct checkpoint_opened opened;
    int rc = checkpoint_open(note, log, NULL, 0, &opened, e);
    if (rc != 0)
        return rc;
    struct view view = {.head = opened.head, .note = note};
    if (range != NULL)
        rc = set_range(&view, range, e);
    if (rc == 0)
        *ret = view;
    return rc;
}

/* Leaves from the left that both ranges show the same for, and whether they differ behind that in a subtree both show. Nodes
 * stand at the same place as long as all to their left have the same levels. */
static bool ranges_differ(const struct crange *a, const struct crange *b, uint64_t *ret_common)
{
    uint64_t begin = 0;
    unsigned count = min_of(crange_count(a), crange_count(b));
    for (unsigned i = 0; i < count && crange_level(a, i) == crange_level(b, i); i++) {
        if (!merkle_hash_equal(&a->nodes[i], &b->nodes[i])) {
            *ret_common = begin;
            return true;
        }
        begin += UINT64_C(1) << crange_level(a, i);
    }
    *ret_common = begin;
    return false;
}

bool view_contradicts(const struct view *a, const struct view *b, uint64_t *ret_common)
{
    bool same_size = a->head.size == b->head.size;
    *ret_common = 0;
    if (same_size && merkle_hash_equal(&a->head.root, &b->head.root))
        return false;
    if (a->has_range && b->has_range && ranges_differ(&a->range, &b->range, ret_common))
        return true;
    return same_size; /* two roots: nothing is known to be common when a range is missing */
}

/* Smaller size first; same size: smaller root first. */
static bool is_before(const struct view *a, const struct view *b)
{
    if (a->head.size != b->head.size)
        return a->head.size < b->head.size;
    return memcmp(a->head.root.b, b->head.root.b, sizeof a->head.root.b) < 0;
}

/* The text and the lines under the author's name: cosignatures would make the evidence depend on who saw it. All of them,
 * since which one holds shows only with the key: an author could hide its signature behind a line that a note's reader
 * ignores, of its name and another key. */
static void put_note(const struct view *v, struct buf *out)
{
    struct bytes text;
    size_t count;
    struct err e = {0};
    int rc = note_peek(v->note, &text, &count, &e);
    xassert(rc == 0);
    buf_put(out, text.data, text.size);
    buf_put_u8(out, '\n');
    struct reader r = reader_of(bytes_of(v->note.data + text.size + 1, v->note.size - text.size - 1));
    size_t name = strlen(v->head.origin), kept = 0;
    while (reader_left(&r) > 0) {
        struct bytes line = read_until_newline(&r);
        /* em dash, space, name, space */
        if (line.size > 4 + name + 1 && memcmp(line.data + 4, v->head.origin, name) == 0 &&
            line.data[4 + name] == ' ') {
            buf_put(out, line.data, line.size);
            buf_put_u8(out, '\n');
            kept++;
        }
    }
    xassert(kept > 0); /* the view was opened under that name */
}

static void put_view(const struct view *v, struct buf *out)
{
    struct buf note = {0};
    put_note(v, &note);
    buf_put_u32(out, (uint32_t)note.size);
    buf_put(out, note.data, note.size);
    buf_close(&note);
    unsigned count = crange_count(&v->range);
    buf_put_u8(out, (uint8_t)count);
    for (unsigned i = 0; i < count; i++)
        buf_put(out, v->range.nodes[i].b, sizeof v->range.nodes[i].b);
}

void evidence_format(const struct view *a, const struct view *b, struct buf *out)
{
    uint64_t common;
    bool contradict = view_contradicts(a, b, &common);
    xassert(contradict && a->has_range && b->has_range);
    bool in_order = is_before(a, b);
    buf_put_u8(out, EVIDENCE_VERSION);
    put_view(in_order ? a : b, out);
    put_view(in_order ? b : a, out);
}

static int read_view(struct reader *r, const struct note_verifier *log, struct view *ret, struct err *e)
{
    uint32_t size = read_u32(r);
    if (size > NOTE_BYTES_MAX || size > reader_left(r))
        return err_set(e, ERR_INVALID, "evidence.form", "a note of %u bytes in evidence", size);
    struct view view;
    int rc = view_open(read_bytes(r, size), log, NULL, &view, e);
    if (rc != 0)
        return rc;
    struct merkle_hash nodes[CRANGE_NODES_MAX];
    unsigned count = read_u8(r);
    if (count > CRANGE_NODES_MAX || count * sizeof nodes[0].b > reader_left(r))
        return err_set(e, ERR_INVALID, "evidence.form", "a compact range of %u hashes in evidence", count);
    for (unsigned i = 0; i < count; i++)
        read_copy(r, nodes[i].b, sizeof nodes[i].b);
    struct crange range;
    rc = crange_init_nodes(view.head.size, nodes, count, &range, e);
    if (rc == 0)
        rc = set_range(&view, &range, e);
    if (rc == 0)
        *ret = view;
    return rc;
}

int evidence_open(struct bytes in, const struct note_verifier *log, struct evidence *ret, struct err *e)
{
    struct reader r = reader_of(in);
    if (in.size > EVIDENCE_BYTES_MAX || read_u8(&r) != EVIDENCE_VERSION)
        return err_set(e, ERR_INVALID, "evidence.form", "%zu bytes that are no evidence of version %u", in.size,
                       EVIDENCE_VERSION);
    struct evidence out;
    int rc = read_view(&r, log, &out.first, e);
    if (rc == 0)
        rc = read_view(&r, log, &out.second, e);
    if (rc != 0)
        return rc;
    if (!reader_done(&r) || !is_before(&out.first, &out.second))
        return err_set(e, ERR_INVALID, "evidence.form", "evidence with bytes behind its end, or not in order");
    if (!view_contradicts(&out.first, &out.second, &out.common_size))
        return err_set(e, ERR_VERIFY, "evidence.none", "the two checkpoints do not contradict each other");
    struct buf again = {0};
    evidence_format(&out.first, &out.second, &again);
    bool same = bytes_equal(buf_bytes(&again), in);
    buf_close(&again);
    if (!same)
        return err_set(e, ERR_INVALID, "evidence.form",
                       "evidence with signature lines under other names than the author's");
    *ret = out;
    return 0;
}

int evidence_peek(struct bytes in, char ret_origin[ORIGIN_NAME_BYTES_MAX + 1], struct err *e)
{
    struct reader r = reader_of(in);
    uint8_t version = read_u8(&r);
    uint32_t size = read_u32(&r);
    struct bytes note = read_bytes(&r, min_of((size_t)size, reader_left(&r)));
    struct reader lines = reader_of(note);
    struct bytes line = read_until_newline(&lines);
    if (version != EVIDENCE_VERSION || line.size == 0 || line.size > ORIGIN_NAME_BYTES_MAX)
        return err_set(e, ERR_INVALID, "evidence.form", "%zu bytes that are no evidence of version %u", in.size,
                       EVIDENCE_VERSION);
    memcpy(ret_origin, line.data, line.size);
    ret_origin[line.size] = '\0';
    return 0;
}
