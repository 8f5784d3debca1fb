/* Witness (see witness.h). The checks stand in the order of the specification: form, known log, its signature, sizes, proof. */
#include "federation/witness/witness.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/base/mutant.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

/* The parts of a body: lines up to the first empty one, then the note. */
struct parts {
    uint64_t old;
    struct merkle_proof proof;
    struct bytes note;
};

static int parse_old(struct bytes line, uint64_t *ret, struct err *e)
{
    static const char word[] = "old ";
    size_t size = sizeof word - 1;
    if (line.size <= size || memcmp(line.data, word, size) != 0 ||
        decimal_parse(bytes_of(line.data + size, line.size - size), ret) != 0 || *ret > MERKLE_SIZE_MAX)
        return err_set(e, ERR_INVALID, "witness.old", "the first line is not 'old' and a size");
    return 0;
}

static int parse_body(struct bytes body, struct parts *ret, struct err *e)
{
    if (body.size > WITNESS_BODY_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "witness.size", "a request of %zu bytes, the limit is %u", body.size,
                       WITNESS_BODY_BYTES_MAX);
    struct reader r = reader_of(body);
    struct bytes line = read_until_newline(&r);
    if (r.failed)
        return err_set(e, ERR_INVALID, "witness.form", "the request has no line end");
    int rc = parse_old(line, &ret->old, e);
    if (rc != 0)
        return rc;
    ret->proof.count = 0;
    for (;;) {
        line = read_until_newline(&r);
        if (r.failed)
            return err_set(e, ERR_INVALID, "witness.form", "no empty line before the checkpoint");
        if (line.size == 0)
            break;
        size_t size = 0;
        if (ret->proof.count == MERKLE_PROOF_HASHES_MAX)
            return err_set(e, ERR_INVALID, "witness.proof", "more than %u proof lines", MERKLE_PROOF_HASHES_MAX);
        if (base64_decode((const char *)line.data, line.size, ret->proof.hash[ret->proof.count].b, MERKLE_HASH_SIZE,
                          &size) != 0 ||
            size != MERKLE_HASH_SIZE)
            return err_set(e, ERR_INVALID, "witness.proof", "proof line %u is not the base64 of 32 bytes",
                           ret->proof.count + 1);
        ret->proof.count++;
    }
    ret->note = read_bytes(&r, reader_left(&r));
    return 0;
}

/* The text of a note, whatever its signature lines are: what is wrong with those is a question of 403. */
static int split_note(struct bytes note, struct checkpoint *ret, struct err *e)
{
    for (size_t i = note.size; i-- > 1;)
        if (note.data[i] == '\n' && note.data[i - 1] == '\n')
            return checkpoint_parse(bytes_of(note.data, i), ret, e);
    return err_set(e, ERR_INVALID, "witness.form", "the checkpoint has no signature");
}

int witness_peek(struct bytes body, char ret_origin[ORIGIN_NAME_BYTES_MAX + 1], struct err *e)
{
    struct parts parts;
    struct checkpoint head;
    int rc = parse_body(body, &parts, e);
    if (rc == 0)
        rc = split_note(parts.note, &head, e);
    if (rc == 0)
        memcpy(ret_origin, head.origin, sizeof head.origin);
    return rc;
}

static void verdict(struct witness_verdict *v, enum witness_status status, const char *why)
{
    v->status = status;
    (void)snprintf(v->why, sizeof v->why, "%s", why);
    utf8_trim_partial(v->why);
    for (char *c = v->why; *c != '\0'; c++) /* it becomes one line, and may quote what a stranger wrote */
        *c = (unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c;
}

/* Sizes and proof, once the log's signature is known to be good. */
static void judge_extension(const struct parts *in, const struct checkpoint *head, const struct witness_state *kept,
                            struct witness_verdict *v)
{
    struct err e = {0};
    /* (An opened checkpoint of size 0 has the empty root: at 0 nobody contradicts anybody.) */
    bool is_other_root = head->size > 0 && head->size == kept->size && !merkle_hash_equal(&head->root, &kept->root);
    if (in->old > head->size) {
        verdict(v, WITNESS_MALFORMED, "the old size is larger than the checkpoint's");
    } else if (in->old != kept->size && !MUTANT(cosign_any_old)) {
        verdict(v, WITNESS_CONFLICT, "the old size is not the one cosigned last");
        v->is_contradiction = is_other_root;
    } else if (head->size == kept->size) {
        v->is_contradiction = is_other_root;
        if (is_other_root)
            verdict(v, WITNESS_UNPROVEN, "another root was cosigned for this size");
        else if (in->proof.count > 0)
            verdict(v, WITNESS_UNPROVEN, "a proof between equal sizes");
        else
            verdict(v, WITNESS_OK, "");
    } else if (in->old == 0) {
        if (in->proof.count > 0)
            verdict(v, WITNESS_UNPROVEN, "a proof from size 0 proves nothing and must be empty");
        else
            verdict(v, WITNESS_OK, "");
    } else if (merkle_verify_consistency(in->old, head->size, in->proof.hash, in->proof.count, &kept->root, &head->root,
                                         &e) != 0 &&
               !MUTANT(cosign_unproven)) {
        verdict(v, WITNESS_UNPROVEN, e.message);
        v->unproven = in->note;
        v->proof = in->proof;
    } else {
        verdict(v, WITNESS_OK, "");
    }
}

void witness_judge(struct bytes body, const struct note_verifier *log, const struct witness_state *kept,
                   struct witness_verdict *ret)
{
    struct parts parts = {0};
    struct checkpoint_opened opened;
    struct checkpoint head;
    struct err e = {0};
    *ret = (struct witness_verdict){0};
    int rc = parse_body(body, &parts, &e);
    if (rc == 0)
        rc = split_note(parts.note, &head, &e);
    if (rc != 0) {
        verdict(ret, WITNESS_MALFORMED, e.message);
        return;
    }
    if (log == NULL || strcmp(log->name, head.origin) != 0) {
        verdict(ret, WITNESS_UNKNOWN, "this log is not witnessed here");
        return;
    }
    if (checkpoint_open(parts.note, log, NULL, 0, &opened, &e) != 0) {
        /* the text was good: what fails is a signature, or a rule about what may be signed */
        bool is_empty = strcmp(e.id, "checkpoint.empty-root") == 0;
        bool is_signature = e.code == ERR_VERIFY || strncmp(e.id, "note.", 5) == 0;
        verdict(ret, is_empty ? WITNESS_UNPROVEN : is_signature ? WITNESS_FORBIDDEN : WITNESS_MALFORMED, e.message);
        return;
    }
    judge_extension(&parts, &opened.head, kept, ret);
    if (ret->status == WITNESS_OK) {
        ret->next = (struct witness_state){.size = opened.head.size, .root = opened.head.root};
        ret->note_text = opened.body;
    }
    if (ret->status == WITNESS_OK || ret->is_contradiction)
        ret->note = parts.note;
}

void witness_answer(const struct witness_verdict *v, const struct witness_state *kept, const struct note_signer *signer,
                    uint64_t time_s, struct buf *out)
{
    if (v->status == WITNESS_OK) {
        int rc = checkpoint_cosign(v->note_text, signer, time_s, out, NULL);
        xassert(rc == 0); /* the text was opened, the time is the clock's */
    } else if (v->status == WITNESS_CONFLICT) {
        buf_printf(out, "%" PRIu64 "\n", kept->size);
    } else {
        buf_printf(out, "%s\n", v->why);
    }
}

const char *witness_content_type(enum witness_status status)
{
    return status == WITNESS_CONFLICT ? "text/x.tlog.size" : "text/plain; charset=utf-8";
}

void witness_body_format(uint64_t old, const struct merkle_proof *proof, struct bytes note, struct buf *out)
{
    buf_printf(out, "old %" PRIu64 "\n", old);
    for (uint32_t i = 0; proof != NULL && i < proof->count; i++) {
        char text[48];
        base64_encode(proof->hash[i].b, sizeof proof->hash[i].b, text);
        buf_printf(out, "%s\n", text);
    }
    buf_put_u8(out, '\n');
    buf_put(out, note.data, note.size);
}
