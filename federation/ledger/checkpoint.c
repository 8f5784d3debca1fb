/* Checkpoints (see checkpoint.h): the body's three lines, and note signatures in the two roles they have here, the log's own
 * (type 0x01) and witnesses' (type 0x04). */
#include "federation/ledger/checkpoint.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"

#define ROOT_TEXT_SIZE 44u /* base64 of 32 bytes */

/* A key name that is not the first line of what witnesses sign: the two message spaces stay apart. */
static int check_origin(struct bytes origin, struct err *e)
{
    int rc = note_check_name(origin, e);
    if (rc == 0 && bytes_equal(origin, bytes_of_string("cosignature/v1")))
        rc = err_set(e, ERR_INVALID, "checkpoint.origin", "'cosignature/v1' is no origin");
    return rc;
}

int checkpoint_format(const struct checkpoint *c, struct buf *out, struct err *e)
{
    int rc = check_origin(bytes_of_string(c->origin), e);
    if (rc < 0)
        return rc;
    if (c->size > MERKLE_SIZE_MAX || c->extension_count != 0)
        return err_set(e, ERR_INVALID, "checkpoint.size",
                       "checkpoint of size %" PRIu64 " (limit 2^62) with %zu extension "
                       "lines (must be 0)",
                       c->size, c->extension_count);

    char root[ROOT_TEXT_SIZE + 1];
    base64_encode(c->root.b, sizeof c->root.b, root);
    buf_printf(out, "%s\n%" PRIu64 "\n%s\n", c->origin, c->size, root);
    return 0;
}

int checkpoint_parse(struct bytes body, struct checkpoint *ret, struct err *e)
{
    struct reader r = reader_of(body);
    struct bytes origin = read_until_newline(&r);
    struct bytes size = read_until_newline(&r);
    struct bytes root = read_until_newline(&r);
    if (r.failed)
        return err_set(e, ERR_INVALID, "checkpoint.lines", "checkpoint of %zu bytes does not have three lines",
                       body.size);
    int rc = check_origin(origin, e);
    if (rc < 0)
        return rc;

    struct checkpoint c = {.size = 0};
    memcpy(c.origin, origin.data, origin.size); /* size checked with the name */
    if (decimal_parse(size, &c.size) < 0 || c.size > MERKLE_SIZE_MAX)
        return err_set(e, ERR_INVALID, "checkpoint.size", "checkpoint size '%.*s' is not a number up to 2^62",
                       (int)min_of(size.size, (size_t)32), (const char *)size.data);
    size_t root_size = 0;
    if (base64_decode((const char *)root.data, root.size, c.root.b, sizeof c.root.b, &root_size) < 0 ||
        root_size != sizeof c.root.b)
        return err_set(e, ERR_INVALID, "checkpoint.root", "checkpoint root of %zu characters is not base64 of 32 bytes",
                       root.size);
    while (reader_left(&r) > 0) {
        struct bytes line = read_until_newline(&r);
        if (r.failed || line.size == 0)
            return err_set(e, ERR_INVALID, "checkpoint.extension", "extension line %zu is empty or without end",
                           c.extension_count + 1);
        c.extension_count++;
    }
    *ret = c;
    return 0;
}

int checkpoint_sign(const struct checkpoint *c, const struct note_signer *log, struct buf *out, struct err *e)
{
    xassert(log->key.type == NOTE_TYPE_ED25519 && strcmp(log->key.name, c->origin) == 0);
    struct buf body = {.size = 0};
    int rc = checkpoint_format(c, &body, e);
    if (rc == 0)
        rc = note_sign(buf_bytes(&body), &log, 1, 0, out, e);
    buf_close(&body);
    return rc;
}

/* The rules beyond form, for a head whose signatures hold. */
static int check_head(const struct checkpoint *c, const struct note_verifier *log, struct err *e)
{
    if (strcmp(c->origin, log->name) != 0)
        return err_set(e, ERR_VERIFY, "checkpoint.origin", "checkpoint of '%s' is signed by '%s'", c->origin,
                       log->name);
    if (c->extension_count != 0)
        return err_set(e, ERR_INVALID, "checkpoint.extension",
                       "checkpoint of '%s' has %zu extension lines, allowed are none", c->origin, c->extension_count);
    struct merkle_hash empty;
    merkle_empty_root(&empty);
    if (c->size == 0 && !merkle_hash_equal(&c->root, &empty))
        return err_set(e, ERR_VERIFY, "checkpoint.empty-root", "checkpoint of '%s' has size 0 but not the empty root",
                       c->origin);
    return 0;
}

/* Sorts the verified signatures into the log's (must be there) and the witnesses'. */
static int sort_signatures(const struct note *note, const struct note_verifier *log, struct checkpoint_opened *opened,
                           struct err *e)
{
    bool is_signed = false;
    for (size_t i = 0; i < note->verified_count; i++) {
        const struct note_signature *s = &note->verified[i];
        if (s->verifier == 0) {
            is_signed = true;
            continue;
        }
        opened->cosigned[opened->cosigned_count++] =
            (struct checkpoint_cosigned){.witness = s->verifier - 1, .time_s = s->time_s};
    }
    if (!is_signed)
        return err_set(e, ERR_VERIFY, "checkpoint.unsigned", "checkpoint is not signed by '%s' (key id %08" PRIx32 ")",
                       log->name, log->key_id);
    return 0;
}

int checkpoint_open(struct bytes note, const struct note_verifier *log, const struct note_verifier *const *witnesses,
                    size_t witness_count, struct checkpoint_opened *ret, struct err *e)
{
    xassert(log->type == NOTE_TYPE_ED25519 && witness_count <= MEMBERS_MAX);
    const struct note_verifier **known = xcalloc(1 + witness_count, sizeof *known);
    known[0] = log;
    for (size_t i = 0; i < witness_count; i++) {
        xassert(witnesses[i]->type == NOTE_TYPE_COSIGNATURE);
        known[1 + i] = witnesses[i];
    }

    struct note opened_note;
    struct checkpoint_opened opened = {.cosigned_count = 0};
    int rc = note_open(note, known, 1 + witness_count, &opened_note, e);
    if (rc == 0)
        rc = sort_signatures(&opened_note, log, &opened, e);
    if (rc == 0)
        rc = checkpoint_parse(opened_note.text, &opened.head, e);
    if (rc == 0)
        rc = check_head(&opened.head, log, e);
    if (rc == 0) {
        opened.body = opened_note.text;
        *ret = opened;
    }
    free(known);
    return rc;
}

int checkpoint_cosign(struct bytes body, const struct note_signer *witness, uint64_t time_s, struct buf *out,
                      struct err *e)
{
    xassert(witness->key.type == NOTE_TYPE_COSIGNATURE);
    struct checkpoint head;
    int rc = checkpoint_parse(body, &head, e);
    return rc < 0 ? rc : note_sign_line(witness, body, time_s, out, e);
}
