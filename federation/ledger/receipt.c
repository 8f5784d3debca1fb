/* Receipts and their short form (see receipt.h, federation/FORMATS.md "Receipt").
 *
 * Happy path, reading: short form -> leaf gives the index, index and size give the number of hashes, leaf and path give the
 * root, the policy gives the names -> checkpoint text -> tlog-proof text -> receipt_verify(). Writing is the way back, for a
 * receipt that opens. Failure modes: every byte that writing does not give is refused; what is left of a changed receipt
 * fails at a signature. Pure, any thread.
 */
#include "federation/ledger/receipt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation/ledger/base45.h"
#include "node/base/xassert.h"

#define VERSION 1
#define KEY_ID_SIZE 4u
#define COST_NEVER (SIZE_MAX / 2)

const char receipt_compact_magic[] = "TBR";
const char receipt_qr_prefix[] = "TB1:";

/* ---- judging ---- */

int receipt_open(struct bytes text, const struct policy *policy, struct arena *arena, struct receipt *ret,
                 struct err *e)
{
    struct receipt r = {.is_final = false};
    int rc = proof_parse(text, arena, &r.proof, e);
    if (rc != 0)
        return rc;
    if (!r.proof.has_extra)
        return err_set(e, ERR_INVALID, "receipt.no-leaf", "the proof has no line 'extra', so it does not say of what");
    rc = leaf_decode(r.proof.extra, &r.leaf, e);
    if (rc != 0)
        return rc;
    if (r.leaf.index != r.proof.index)
        return err_set(e, ERR_VERIFY, "receipt.index",
                       "the entry says that it is number %" PRIu64 ", the proof %" PRIu64, r.leaf.index, r.proof.index);
    rc = policy_open(policy, r.proof.checkpoint, &r.opened, NULL, &r.is_final, e);
    if (rc != 0)
        return rc;
    leaf_hash(r.proof.extra, &r.leaf_hash);
    rc = merkle_verify_inclusion(r.proof.index, r.opened.head.size, &r.leaf_hash, r.proof.inclusion.hash,
                                 r.proof.inclusion.count, &r.opened.head.root, e);
    if (rc == 0)
        *ret = r;
    return rc;
}

int receipt_verify(struct bytes text, const struct policy *policy, struct arena *arena, struct receipt *ret,
                   struct err *e)
{
    struct receipt r;
    int rc = receipt_open(text, policy, arena, &r, e);
    if (rc != 0)
        return rc;
    if (!r.is_final) {
        size_t needed, of;
        policy_quorum_size(policy, &needed, &of);
        return err_set(e, ERR_VERIFY, "receipt.quorum",
                       "%zu known witnesses have signed, the policy asks for %zu or more of %zu",
                       r.opened.cosigned_count, needed, of);
    }
    *ret = r;
    return 0;
}

/* ---- numbers of the short form: seven bits a byte, the lowest first; as short as can be ---- */

static void put_number(struct buf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_put_u8(out, (uint8_t)(v | 0x80));
    buf_put_u8(out, (uint8_t)v);
}

static uint64_t read_number(struct reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 63; shift += 7) { /* nothing here reaches 2^63 */
        uint8_t byte = read_u8(r);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            r->failed = r->failed || (byte == 0 && shift > 0);
            return v;
        }
    }
    r->failed = true;
    return 0;
}

/* ---- the signatures of a receipt ---- */

struct cosignature {
    uint32_t key_id;
    uint64_t time_s;
    size_t witness; /* in the policy */
    uint8_t signature[CRYPTO_ED25519_SIG_SIZE];
};

struct signatures {
    const struct policy_log *log;
    uint8_t by_log[CRYPTO_ED25519_SIG_SIZE];
    struct cosignature list[NOTE_SIGNATURES_MAX]; /* ascending by time, then key id */
    size_t count;
};

static int compare_cosignatures(const void *a, const void *b)
{
    const struct cosignature *x = a, *y = b;
    if (x->time_s != y->time_s)
        return x->time_s < y->time_s ? -1 : 1;
    return (x->key_id > y->key_id) - (x->key_id < y->key_id);
}

static int two_keys(uint32_t key_id, struct err *e)
{
    return err_set(e, ERR_CONFLICT, "receipt.key-id",
                   "two keys of the policy have the id %08" PRIx32 ": use the file, not its short form", key_id);
}

/* *ret: NULL when the policy has no such witness. */
static int find_witness(const struct policy *p, uint32_t key_id, const struct note_verifier **ret, struct err *e)
{
    *ret = NULL;
    for (size_t i = 0; i < p->witness_count; i++) {
        if (p->witnesses[i].key.key_id != key_id)
            continue;
        if (*ret != NULL)
            return two_keys(key_id, e);
        *ret = &p->witnesses[i].key;
    }
    return 0;
}

static int find_log(const struct policy *p, uint32_t key_id, const struct policy_log **ret, struct err *e)
{
    *ret = NULL;
    for (size_t i = 0; i < p->log_count; i++) {
        if (p->logs[i].key.key_id != key_id)
            continue;
        if (*ret != NULL)
            return two_keys(key_id, e);
        *ret = &p->logs[i];
    }
    return *ret != NULL ? 0
                        : err_set(e, ERR_VERIFY, "receipt.unknown-log",
                                  "the policy knows no ledger whose key has the id %08" PRIx32, key_id);
}

/* The last CRYPTO_ED25519_SIG_SIZE bytes of a checked line are the signature. */
static void take_signature(struct bytes line, uint8_t out[CRYPTO_ED25519_SIG_SIZE])
{
    uint8_t blob[KEY_ID_SIZE + 8 + CRYPTO_ED25519_SIG_SIZE];
    size_t start = line.size - 1, size = 0; /* without the newline */
    while (line.data[start - 1] != ' ')
        start--;
    int rc = base64_decode((const char *)line.data + start, line.size - 1 - start, blob, sizeof blob, &size);
    xassert(rc == 0 && size >= KEY_ID_SIZE + CRYPTO_ED25519_SIG_SIZE); /* it has been verified */
    memcpy(out, blob + size - CRYPTO_ED25519_SIG_SIZE, CRYPTO_ED25519_SIG_SIZE);
}

static int sort_out(const struct note *note, const struct policy *p, struct signatures *ret, struct err *e)
{
    for (size_t i = 0; i < note->verified_count; i++) {
        const struct note_signature *s = &note->verified[i];
        if (s->verifier == 0) {
            take_signature(s->line, ret->by_log);
            continue;
        }
        struct cosignature *c = &ret->list[ret->count++];
        const struct note_verifier *same;
        c->witness = s->verifier - 1;
        c->key_id = p->witnesses[c->witness].key.key_id;
        c->time_s = s->time_s;
        take_signature(s->line, c->signature);
        int rc = find_witness(p, c->key_id, &same, e);
        if (rc != 0)
            return rc;
    }
    qsort(ret->list, ret->count, sizeof *ret->list, compare_cosignatures);
    return 0;
}

/* The signatures of a receipt that opened. */
static int gather(const struct receipt *r, const struct policy *p, struct signatures *ret, struct err *e)
{
    struct note note;
    const struct policy_log *same;
    ret->count = 0;
    ret->log = policy_find_log(p, r->opened.head.origin);
    xassert(ret->log != NULL);
    int rc = find_log(p, ret->log->key.key_id, &same, e);
    if (rc != 0)
        return rc;
    const struct note_verifier **keys = xcalloc(1 + p->witness_count, sizeof *keys);
    keys[0] = &ret->log->key;
    for (size_t i = 0; i < p->witness_count; i++)
        keys[1 + i] = &p->witnesses[i].key;
    rc = note_open(r->proof.checkpoint, keys, 1 + p->witness_count, &note, e);
    if (rc == 0)
        rc = sort_out(&note, p, ret, e);
    free(keys);
    return rc;
}

/* ---- the fewest cosignatures that reach the quorum ---- */

/* What it costs, in signatures, to have each name of the policy; witnesses first, then groups. */
struct costs {
    const struct policy *policy;
    size_t *of; /* COST_NEVER: cannot be had */
};

static size_t at_of(const struct policy *p, uint32_t number)
{
    return number < POLICY_WITNESSES_MAX ? number : p->witness_count + (number - POLICY_WITNESSES_MAX);
}

struct choice {
    size_t cost;
    uint32_t number;
};

static int compare_choices(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    if (x->cost != y->cost)
        return x->cost < y->cost ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

/* The members of @g, the cheapest first, in @choices. */
static void rank(const struct costs *c, const struct policy_group *g, struct choice *choices)
{
    for (size_t i = 0; i < g->member_count; i++)
        choices[i] = (struct choice){c->of[at_of(c->policy, g->members[i])], g->members[i]};
    qsort(choices, g->member_count, sizeof *choices, compare_choices);
}

/* Sets in @chosen (witness_count flags) the witnesses of a cheapest way to the quorum. Groups name only what stands above
 * them, so that one pass down gives the costs and one pass up the choice. */
static void choose(const struct costs *c, bool *chosen)
{
    const struct policy *p = c->policy;
    struct choice *choices = xcalloc(p->witness_count + p->group_count + 1, sizeof *choices);
    bool *wanted = xcalloc(p->witness_count + p->group_count + 1, sizeof *wanted);
    for (size_t i = 0; i < p->group_count; i++) {
        size_t sum = 0;
        rank(c, &p->groups[i], choices);
        for (size_t k = 0; k < p->groups[i].needed; k++)
            sum = min_of(sum + choices[k].cost, COST_NEVER);
        c->of[p->witness_count + i] = sum;
    }
    wanted[at_of(p, p->quorum)] = true;
    for (size_t i = p->group_count; i-- > 0;) {
        if (!wanted[p->witness_count + i])
            continue;
        rank(c, &p->groups[i], choices);
        for (size_t k = 0; k < p->groups[i].needed; k++)
            wanted[at_of(p, choices[k].number)] = true;
    }
    memcpy(chosen, wanted, p->witness_count * sizeof *chosen);
    free(choices);
    free(wanted);
}

/* Leaves only what is needed. Groups that share witnesses may leave one over: each is tried, the latest first. */
static void keep_fewest(const struct policy *p, struct signatures *s)
{
    struct costs costs = {.policy = p, .of = xcalloc(p->witness_count + p->group_count + 1, sizeof *costs.of)};
    bool *chosen = xcalloc(p->witness_count + 1, sizeof *chosen);
    for (size_t i = 0; i < p->witness_count; i++)
        costs.of[i] = COST_NEVER;
    for (size_t i = 0; i < s->count; i++)
        costs.of[s->list[i].witness] = 1;
    choose(&costs, chosen);
    for (size_t i = s->count; i-- > 0;) {
        size_t w = s->list[i].witness;
        if (!chosen[w])
            continue;
        chosen[w] = false;
        chosen[w] = !policy_is_satisfied(p, chosen);
    }
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++)
        if (chosen[s->list[i].witness])
            s->list[kept++] = s->list[i];
    s->count = kept;
    free(costs.of);
    free(chosen);
}

/* ---- writing the short form ---- */

static void put_compact(const struct receipt *r, const struct signatures *s, struct buf *out)
{
    buf_put_string(out, receipt_compact_magic);
    buf_put_u8(out, VERSION);
    put_number(out, r->proof.extra.size);
    buf_put(out, r->proof.extra.data, r->proof.extra.size);
    buf_put_u32(out, s->log->key.key_id);
    put_number(out, r->opened.head.size);
    for (uint32_t i = 0; i < r->proof.inclusion.count; i++)
        buf_put(out, r->proof.inclusion.hash[i].b, MERKLE_HASH_SIZE);
    buf_put(out, s->by_log, sizeof s->by_log);
    buf_put_u8(out, (uint8_t)s->count);
    uint64_t before = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct cosignature *c = &s->list[i];
        buf_put_u32(out, c->key_id);
        put_number(out, c->time_s - before);
        buf_put(out, c->signature, sizeof c->signature);
        before = c->time_s;
    }
}

static int to_compact(const struct receipt *r, const struct policy *p, size_t size_max, struct buf *out, struct err *e)
{
    struct signatures *s = xcalloc(1, sizeof *s);
    struct buf all = {0};
    int rc = gather(r, p, s, e);
    if (rc == 0)
        put_compact(r, s, &all);
    if (rc == 0 && all.size > size_max && p->has_quorum && r->is_final) {
        keep_fewest(p, s);
        buf_reset(&all);
        put_compact(r, s, &all);
    }
    if (rc == 0 && all.size > size_max)
        rc = err_set(e, ERR_LIMIT, "receipt.compact-size", "the short form of the receipt has %zu bytes, limit %zu",
                     all.size, size_max);
    if (rc == 0)
        buf_put(out, all.data, all.size);
    buf_close(&all);
    free(s);
    return rc;
}

int receipt_to_compact(struct bytes text, const struct policy *policy, size_t size_max, struct buf *out, struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct receipt r;
    int rc = receipt_open(text, policy, &mem, &r, e);
    if (rc == 0)
        rc = to_compact(&r, policy, size_max != 0 ? size_max : RECEIPT_COMPACT_BYTES_MAX, out, e);
    arena_close(&mem);
    return rc;
}

/* ---- reading the short form ---- */

static int bad(struct err *e, const char *what)
{
    return err_set(e, ERR_INVALID, "receipt.compact", "short form of a receipt: %s", what);
}

/* How many hashes lead from leaf @index to the root of @size leaves (FORMATS.md, "Merkle tree"). */
static uint32_t path_count(uint64_t index, uint64_t size)
{
    unsigned inner = 0;
    for (uint64_t v = index ^ (size - 1); v > 0; v >>= 1)
        inner++;
    return inner + (unsigned)__builtin_popcountll(index >> inner);
}

/* RFC 9162 s2.1.3.2 without the comparison at its end. @path has path_count() hashes. */
static void climb(uint64_t index, uint64_t size, const struct merkle_proof *path, struct merkle_hash *hash)
{
    uint64_t last = size - 1;
    for (uint32_t i = 0; i < path->count; i++) {
        if ((index & 1) != 0 || index == last) {
            merkle_node_hash(&path->hash[i], hash, hash);
            for (; (index & 1) == 0 && index != 0; index >>= 1)
                last >>= 1;
        } else {
            merkle_node_hash(hash, &path->hash[i], hash);
        }
        index >>= 1;
        last >>= 1;
    }
}

static void put_line(struct buf *out, const char *name, struct bytes blob)
{
    char text[(KEY_ID_SIZE + 8 + CRYPTO_ED25519_SIG_SIZE + 2) / 3 * 4 + 1];
    xassert(base64_encoded_size(blob.size) < sizeof text);
    base64_encode(blob.data, blob.size, text);
    buf_printf(out, "\xe2\x80\x94 %s %s\n", name, text);
}

/* The cosignatures, as lines behind @note; those of witnesses unknown to the policy are left out. */
static int read_cosignatures(struct reader *r, const struct policy *p, struct buf *note, struct err *e)
{
    struct cosignature list[NOTE_SIGNATURES_MAX];
    size_t count = read_u8(r);
    if (count >= NOTE_SIGNATURES_MAX)
        return bad(e, "more signatures than a checkpoint may have");
    for (size_t i = 0; i < count; i++) {
        struct cosignature *c = &list[i];
        c->key_id = read_u32(r);
        c->time_s = read_number(r) + (i > 0 ? list[i - 1].time_s : 0);
        read_copy(r, c->signature, sizeof c->signature);
        if (r->failed)
            return bad(e, "it ends, or has a number that is not as short as can be, in its cosignatures");
        if (c->time_s > INT64_MAX || (i > 0 && compare_cosignatures(c - 1, c) >= 0))
            return bad(e, "cosignatures are not in the order of time and key id");
        for (size_t k = 0; k < i; k++)
            if (list[k].key_id == c->key_id)
                return bad(e, "a key has cosigned twice");
        const struct note_verifier *witness;
        int rc = find_witness(p, c->key_id, &witness, e);
        if (rc != 0)
            return rc;
        if (witness == NULL)
            continue;
        uint8_t blob[KEY_ID_SIZE + 8 + CRYPTO_ED25519_SIG_SIZE];
        put_be32(blob, c->key_id);
        put_be64(blob + KEY_ID_SIZE, c->time_s);
        memcpy(blob + KEY_ID_SIZE + 8, c->signature, sizeof c->signature);
        put_line(note, witness->name, bytes_of(blob, sizeof blob));
    }
    return 0;
}

/* Leaf, log, size and path; *ret_log the policy's. */
static int read_entry(struct reader *r, const struct policy *p, struct proof *proof, struct checkpoint *head,
                      const struct policy_log **ret_log, struct err *e)
{
    struct leaf leaf;
    uint64_t leaf_size = read_number(r);
    proof->has_extra = true;
    proof->extra = leaf_size > reader_left(r) ? (struct bytes){0} : read_bytes(r, (size_t)leaf_size);
    int rc = leaf_decode(proof->extra, &leaf, e);
    if (rc != 0)
        return rc;
    proof->index = leaf.index;
    uint32_t key_id = read_u32(r);
    head->size = read_number(r);
    if (r->failed || head->size > MERKLE_SIZE_MAX || leaf.index >= head->size)
        return bad(e, "the size of the ledger is missing, or does not go with the entry's number");
    proof->inclusion.count = path_count(leaf.index, head->size);
    xassert(proof->inclusion.count <= MERKLE_PROOF_HASHES_MAX);
    for (uint32_t i = 0; i < proof->inclusion.count; i++)
        read_copy(r, proof->inclusion.hash[i].b, MERKLE_HASH_SIZE);
    if (r->failed)
        return bad(e, "it ends in the path from the entry to the root");
    leaf_hash(proof->extra, &head->root);
    climb(leaf.index, head->size, &proof->inclusion, &head->root);
    rc = find_log(p, key_id, ret_log, e);
    if (rc == 0)
        (void)snprintf(head->origin, sizeof head->origin, "%s", (*ret_log)->key.name);
    return rc;
}

int receipt_from_compact(struct bytes compact, const struct policy *policy, struct buf *out, struct err *e)
{
    struct reader r = reader_of(compact);
    struct proof proof = {.has_extra = false};
    struct checkpoint head = {.size = 0};
    const struct policy_log *log = NULL;
    struct buf note = {0};
    uint8_t blob[KEY_ID_SIZE + CRYPTO_ED25519_SIG_SIZE];

    if (compact.size > RECEIPT_COMPACT_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "receipt.compact-size", "the short form of the receipt has %zu bytes, limit %u",
                       compact.size, RECEIPT_COMPACT_BYTES_MAX);
    if (!bytes_equal(read_bytes(&r, strlen(receipt_compact_magic)), bytes_of_string(receipt_compact_magic)))
        return bad(e, "it does not begin with TBR");
    uint8_t version = read_u8(&r);
    if (version != VERSION)
        return err_set(e, ERR_UNSUPPORTED, "receipt.version", "short form of version %u, this program reads %u",
                       version, VERSION);
    int rc = read_entry(&r, policy, &proof, &head, &log, e);
    if (rc != 0)
        return rc;
    rc = checkpoint_format(&head, &note, e);
    if (rc == 0) {
        buf_put_u8(&note, '\n');
        put_be32(blob, log->key.key_id);
        read_copy(&r, blob + KEY_ID_SIZE, CRYPTO_ED25519_SIG_SIZE);
        put_line(&note, log->key.name, bytes_of(blob, sizeof blob));
        rc = read_cosignatures(&r, policy, &note, e);
    }
    if (rc == 0 && !reader_done(&r))
        rc = bad(e, "bytes are missing or left over at its end");
    proof.checkpoint = buf_bytes(&note);
    if (rc == 0)
        rc = proof_format(&proof, out, e);
    buf_close(&note);
    return rc;
}

/* ---- the text of a QR code ---- */

int receipt_to_qr_text(struct bytes text, const struct policy *policy, struct buf *out, struct err *e)
{
    struct buf compact = {0};
    int rc = receipt_to_compact(text, policy, RECEIPT_QR_COMPACT_BYTES_MAX, &compact, e);
    if (rc == 0) {
        buf_put_string(out, receipt_qr_prefix);
        base45_encode(buf_bytes(&compact), out);
    }
    buf_close(&compact);
    return rc;
}

int receipt_from_qr_text(struct bytes qr_text, struct buf *out_compact, struct err *e)
{
    struct reader r = reader_of(qr_text);
    if (!bytes_equal(read_bytes(&r, strlen(receipt_qr_prefix)), bytes_of_string(receipt_qr_prefix)))
        return err_set(e, ERR_INVALID, "receipt.qr-text", "the text does not begin with %s", receipt_qr_prefix);
    if (reader_left(&r) > base45_encoded_size(RECEIPT_COMPACT_BYTES_MAX))
        return err_set(e, ERR_LIMIT, "receipt.compact-size", "the text of a receipt has %zu characters, limit %zu",
                       reader_left(&r), base45_encoded_size(RECEIPT_COMPACT_BYTES_MAX));
    return base45_decode(read_bytes(&r, reader_left(&r)), out_compact, e);
}

/* ---- the exact form ---- */

int receipt_to_exact(struct bytes text, const struct policy *policy, struct buf *out, struct err *e)
{
    struct buf compact = {0};
    int rc = receipt_to_compact(text, policy, 0, &compact, e);
    if (rc == 0)
        rc = receipt_from_compact(buf_bytes(&compact), policy, out, e);
    buf_close(&compact);
    return rc;
}

int receipt_check_exact(struct bytes text, const struct policy *policy, struct err *e)
{
    struct buf exact = {0};
    struct err why = {0};
    int rc = receipt_to_exact(text, policy, &exact, &why);
    if (rc == ERR_CONFLICT)
        rc = 0; /* two keys of one id: there is no short form to compare with, and nothing wrong with the text */
    else if (rc != 0 && e != NULL)
        *e = why;
    else if (rc == 0 && !bytes_equal(text, buf_bytes(&exact)))
        rc = err_set(
            e, ERR_VERIFY, "receipt.not-exact",
            "the receipt has a line of a signer that the policy does not know, or its lines in another order: it "
            "was changed, or is newer than the policy");
    buf_close(&exact);
    return rc;
}
