/* Evidence (see evidence.h). */
#include "federation/ledger/evidence.h"

#include <string.h>

#include "certs/crypto.h"
#include "node/base/xassert.h"

#define EVIDENCE_VIEWS 1u
#define EVIDENCE_EXTENSION 2u

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

/* The range of the first @size leaves that a consistency proof from there shows, and the root it leads to. A proof from a power
 * of two leaves that range out; then, and when the proof has a wrong length, false. (RFC 9162 s2.1.4.2.) */
static bool range_of_proof(uint64_t size, uint64_t size2, const struct merkle_proof *proof, struct crange *ret,
                           struct merkle_hash *ret_root)
{
    struct merkle_hash left[CRANGE_NODES_MAX]; /* from right to left */
    unsigned count = 0;
    if (size == 0 || size >= size2 || (size & (size - 1)) == 0 || proof->count == 0)
        return false;
    uint64_t fn = size - 1, sn = size2 - 1;
    for (; (fn & 1) != 0; fn >>= 1)
        sn >>= 1;
    struct merkle_hash root = left[count++] = proof->hash[0];
    for (uint32_t i = 1; i < proof->count; i++) {
        if (sn == 0)
            return false;
        if ((fn & 1) != 0 || fn == sn) {
            if (count == CRANGE_NODES_MAX)
                return false;
            left[count++] = proof->hash[i];
            merkle_node_hash(&proof->hash[i], &root, &root);
            for (; (fn & 1) == 0 && fn != 0; fn >>= 1)
                sn >>= 1;
        } else {
            merkle_node_hash(&root, &proof->hash[i], &root);
        }
        fn >>= 1;
        sn >>= 1;
    }
    struct merkle_hash nodes[CRANGE_NODES_MAX];
    for (unsigned i = 0; i < count; i++)
        nodes[i] = left[count - 1 - i];
    *ret_root = root;
    return sn == 0 && crange_init_nodes(size, nodes, count, ret, NULL) == 0;
}

bool view_extension_contradicts(const struct view *old, const struct checkpoint *newer,
                                const struct merkle_proof *proof, uint64_t *ret_common)
{
    struct crange range;
    struct merkle_hash root;
    return old->has_range && range_of_proof(old->head.size, newer->size, proof, &range, &root) &&
           merkle_hash_equal(&root, &newer->root) && ranges_differ(&old->range, &range, ret_common);
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

static void put_sized_note(const struct view *v, struct buf *out)
{
    struct buf note = {0};
    put_note(v, &note);
    buf_put_u32(out, (uint32_t)note.size);
    buf_put(out, note.data, note.size);
    buf_close(&note);
}

static void put_view(const struct view *v, struct buf *out)
{
    put_sized_note(v, out);
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
    buf_put_u8(out, EVIDENCE_VIEWS);
    put_view(in_order ? a : b, out);
    put_view(in_order ? b : a, out);
}

void evidence_format_extension(const struct view *old, const struct view *newer, const struct merkle_proof *proof,
                               struct buf *out)
{
    buf_put_u8(out, EVIDENCE_EXTENSION);
    put_view(old, out);
    put_sized_note(newer, out);
    buf_put_u8(out, (uint8_t)proof->count);
    for (uint32_t i = 0; i < proof->count; i++)
        buf_put(out, proof->hash[i].b, sizeof proof->hash[i].b);
}

static int read_note(struct reader *r, const struct note_verifier *log, struct view *ret, struct err *e)
{
    uint32_t size = read_u32(r);
    if (size > NOTE_BYTES_MAX || size > reader_left(r))
        return err_set(e, ERR_INVALID, "evidence.form", "a note of %u bytes in evidence", size);
    return view_open(read_bytes(r, size), log, NULL, ret, e);
}

static int read_proof(struct reader *r, struct merkle_proof *ret, struct err *e)
{
    unsigned count = read_u8(r);
    if (count > MERKLE_PROOF_HASHES_MAX || count * sizeof ret->hash[0].b > reader_left(r))
        return err_set(e, ERR_INVALID, "evidence.form", "a proof of %u hashes in evidence", count);
    ret->count = count;
    for (unsigned i = 0; i < count; i++)
        read_copy(r, ret->hash[i].b, sizeof ret->hash[i].b);
    return 0;
}

static int read_view(struct reader *r, const struct note_verifier *log, struct view *ret, struct err *e)
{
    struct view view;
    int rc = read_note(r, log, &view, e);
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

/* Whether @out, written again, is @in: of each evidence one byte string exists. */
static int check_canonical(const struct evidence *out, struct bytes in, struct err *e)
{
    struct buf again = {0};
    if (out->is_extension)
        evidence_format_extension(&out->first, &out->second, &out->proof, &again);
    else
        evidence_format(&out->first, &out->second, &again);
    bool same = bytes_equal(buf_bytes(&again), in);
    buf_close(&again);
    return same ? 0
                : err_set(e, ERR_INVALID, "evidence.form",
                          "evidence with signature lines under other names than the author's");
}

int evidence_open(struct bytes in, const struct note_verifier *log, struct evidence *ret, struct err *e)
{
    struct reader r = reader_of(in);
    uint8_t version = read_u8(&r);
    if (in.size > EVIDENCE_BYTES_MAX || (version != EVIDENCE_VIEWS && version != EVIDENCE_EXTENSION))
        return err_set(e, ERR_INVALID, "evidence.form", "%zu bytes that are no evidence of version %u or %u", in.size,
                       EVIDENCE_VIEWS, EVIDENCE_EXTENSION);
    struct evidence out = {.is_extension = version == EVIDENCE_EXTENSION};
    int rc = read_view(&r, log, &out.first, e);
    if (rc == 0)
        rc = out.is_extension ? read_note(&r, log, &out.second, e) : read_view(&r, log, &out.second, e);
    if (rc == 0 && out.is_extension)
        rc = read_proof(&r, &out.proof, e);
    if (rc != 0)
        return rc;
    if (!reader_done(&r) || !is_before(&out.first, &out.second))
        return err_set(e, ERR_INVALID, "evidence.form", "evidence with bytes behind its end, or not in order");
    bool contradict = out.is_extension
                          ? view_extension_contradicts(&out.first, &out.second.head, &out.proof, &out.common_size)
                          : view_contradicts(&out.first, &out.second, &out.common_size);
    if (!contradict)
        return err_set(e, ERR_VERIFY, "evidence.none", "the two checkpoints do not contradict each other");
    rc = check_canonical(&out, in, e);
    if (rc == 0)
        *ret = out;
    return rc;
}

int evidence_peek(struct bytes in, char ret_origin[ORIGIN_NAME_BYTES_MAX + 1], struct err *e)
{
    struct reader r = reader_of(in);
    uint8_t version = read_u8(&r);
    uint32_t size = read_u32(&r);
    struct bytes note = read_bytes(&r, min_of((size_t)size, reader_left(&r)));
    struct reader lines = reader_of(note);
    struct bytes line = read_until_newline(&lines);
    if ((version != EVIDENCE_VIEWS && version != EVIDENCE_EXTENSION) || line.size == 0 ||
        line.size > ORIGIN_NAME_BYTES_MAX)
        return err_set(e, ERR_INVALID, "evidence.form", "%zu bytes that are no evidence of version %u or %u", in.size,
                       EVIDENCE_VIEWS, EVIDENCE_EXTENSION);
    memcpy(ret_origin, line.data, line.size);
    ret_origin[line.size] = '\0';
    return 0;
}
