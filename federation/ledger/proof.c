/* Offline proofs (see proof.h, federation/FORMATS.md "Offline proof"). Parsing is about form alone; proof_verify() asks the
 * three questions: does the log say this head, do enough witnesses, does the entry lead to its root. */
#include "federation/ledger/proof.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"

static const char header[] = "c2sp.org/tlog-proof@v1";

#define HASH_TEXT_SIZE 44u /* base64 of 32 bytes */

static int check_sizes(const struct proof *p, struct err *e)
{
    if (p->inclusion.count > MERKLE_PROOF_HASHES_MAX)
        return err_set(e, ERR_LIMIT, "proof.hash-count", "proof has %u hashes, limit %u", p->inclusion.count,
                       MERKLE_PROOF_HASHES_MAX);
    if (p->has_extra && p->extra.size > LEAF_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "proof.extra-size", "extra data has %zu bytes, limit %u", p->extra.size,
                       LEAF_BYTES_MAX);
    if (p->checkpoint.size > NOTE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "proof.checkpoint-size", "checkpoint in the proof has %zu bytes, limit %u",
                       p->checkpoint.size, NOTE_BYTES_MAX);
    if (p->checkpoint.size == 0 || p->checkpoint.data[p->checkpoint.size - 1] != '\n')
        return err_set(e, ERR_INVALID, "proof.checkpoint", "checkpoint of %zu bytes does not end in a newline",
                       p->checkpoint.size);
    return 0;
}

int proof_format(const struct proof *p, struct buf *out, struct err *e)
{
    int rc = check_sizes(p, e);
    if (rc < 0)
        return rc;

    buf_printf(out, "%s\n", header);
    if (p->has_extra) {
        char *text = xmalloc(base64_encoded_size(p->extra.size) + 1);
        base64_encode(p->extra.data, p->extra.size, text);
        buf_printf(out, "extra %s\n", text);
        free(text);
    }
    buf_printf(out, "index %" PRIu64 "\n", p->index);
    for (unsigned i = 0; i < p->inclusion.count; i++) {
        char text[HASH_TEXT_SIZE + 1];
        base64_encode(p->inclusion.hash[i].b, MERKLE_HASH_SIZE, text);
        buf_printf(out, "%s\n", text);
    }
    buf_put_u8(out, '\n');
    buf_put(out, p->checkpoint.data, p->checkpoint.size);
    return 0;
}

/* Whether @line is "@word <value>"; gives the value. */
static bool split_word(struct bytes line, const char *word, struct bytes *ret_value)
{
    size_t size = strlen(word);
    if (line.size <= size || memcmp(line.data, word, size) != 0 || line.data[size] != ' ')
        return false;
    *ret_value = bytes_of(line.data + size + 1, line.size - size - 1);
    return true;
}

static int parse_extra(struct bytes text, struct arena *arena, struct proof *p, struct err *e)
{
    if (text.size > base64_encoded_size(LEAF_BYTES_MAX))
        return err_set(e, ERR_LIMIT, "proof.extra-size", "extra data has %zu characters, limit %zu", text.size,
                       base64_encoded_size(LEAF_BYTES_MAX));
    uint8_t *data = arena_alloc(arena, text.size + 1);
    size_t size = 0;
    if (base64_decode((const char *)text.data, text.size, data, LEAF_BYTES_MAX, &size) < 0)
        return err_set(e, ERR_INVALID, "proof.extra", "extra data of %zu characters is not base64", text.size);
    p->has_extra = true;
    p->extra = bytes_of(data, size);
    return 0;
}

/* The lines between index and the empty line. */
static int parse_hashes(struct reader *r, struct merkle_proof *proof, struct err *e)
{
    for (;;) {
        struct bytes line = read_until_newline(r);
        if (r->failed)
            return err_set(e, ERR_INVALID, "proof.short", "proof ends before its checkpoint");
        if (line.size == 0)
            return 0;
        if (proof->count == MERKLE_PROOF_HASHES_MAX)
            return err_set(e, ERR_LIMIT, "proof.hash-count", "proof has more than %u hashes", MERKLE_PROOF_HASHES_MAX);
        size_t size = 0;
        if (base64_decode((const char *)line.data, line.size, proof->hash[proof->count].b, MERKLE_HASH_SIZE, &size) <
                0 ||
            size != MERKLE_HASH_SIZE)
            return err_set(e, ERR_INVALID, "proof.hash",
                           "hash %u of the proof (%zu characters) is not base64 of 32 bytes", proof->count, line.size);
        proof->count++;
    }
}

int proof_parse(struct bytes text, struct arena *arena, struct proof *ret, struct err *e)
{
    if (text.size > PROOF_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "proof.size", "proof has %zu bytes, limit %u", text.size, PROOF_BYTES_MAX);
    struct reader r = reader_of(text);
    struct proof p = {.has_extra = false};
    if (!bytes_equal(read_until_newline(&r), bytes_of_string(header)))
        return err_set(e, ERR_UNSUPPORTED, "proof.header", "proof does not start with '%s'", header);

    struct bytes value;
    struct bytes line = read_until_newline(&r);
    if (split_word(line, "extra", &value)) {
        int rc = parse_extra(value, arena, &p, e);
        if (rc < 0)
            return rc;
        line = read_until_newline(&r);
    }
    if (!split_word(line, "index", &value) || decimal_parse(value, &p.index) < 0)
        return err_set(e, ERR_INVALID, "proof.index", "proof has no line 'index <number>' where it must be");
    int rc = parse_hashes(&r, &p.inclusion, e);
    if (rc < 0)
        return rc;
    p.checkpoint = read_bytes(&r, reader_left(&r));
    rc = check_sizes(&p, e);
    if (rc == 0)
        *ret = p;
    return rc;
}

int proof_verify(const struct proof *p, const struct merkle_hash *leaf_hash, const struct proof_policy *policy,
                 struct checkpoint_opened *ret, struct err *e)
{
    struct checkpoint_opened opened;
    int rc = checkpoint_open(p->checkpoint, policy->log, policy->witnesses, policy->witness_count, &opened, e);
    if (rc < 0)
        return rc;
    if (opened.cosigned_count < policy->quorum)
        return err_set(e, ERR_VERIFY, "proof.quorum",
                       "checkpoint of size %" PRIu64 " has %zu known cosignatures, needs %zu", opened.head.size,
                       opened.cosigned_count, policy->quorum);

    rc = merkle_verify_inclusion(p->index, opened.head.size, leaf_hash, p->inclusion.hash, p->inclusion.count,
                                 &opened.head.root, e);
    if (rc == 0)
        *ret = opened;
    return rc;
}
