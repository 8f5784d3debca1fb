/* Signed notes and their keys (C2SP signed-note v1.0.0, tlog-cosignature v1.0.1).
 *
 *   <text, ends in a newline> <newline> (— <key name> <base64(be32 key id || signature)> <newline>)+
 *
 * A note is opened with the keys one knows; signatures by others are carried along and ignored. Two key types are
 * understood: 0x01 Ed25519 over the text, 0x04 Ed25519 cosignature/v1 over a header with a time and the text. Never
 * give two identities one key: a cosignature does not contain its witness's name. Pure, any thread.
 */
#ifndef TB_LEDGER_NOTE_H
#define TB_LEDGER_NOTE_H

#include "certs/crypto.h"
#include "node/base/bytes.h"
#include "node/base/err.h"
#include "node/base/limits.h"

/* C2SP signed-note, "Signature types". Wire: never renumber. */
enum note_type {
    NOTE_TYPE_ED25519 = 0x01,
    NOTE_TYPE_COSIGNATURE = 0x04, /* cosignature/v1, with a time */
};

/* A public key with its name: what a signature line is matched against. A plain value. */
struct note_verifier {
    char name[ORIGIN_NAME_BYTES_MAX + 1];
    uint32_t key_id; /* always recomputed from name, type and key */
    uint8_t type;    /* enum note_type */
    uint8_t public_key[CRYPTO_ED25519_KEY_SIZE];
};

/* A private key with its name. */
struct note_signer {
    struct note_verifier key;           /* its public side */
    const struct crypto_signer *crypto; /* borrowed: must outlive this */
};

/* One signature that was checked and holds. */
struct note_signature {
    size_t verifier;   /* position in the list given to note_open() */
    uint64_t time_s;   /* NOTE_TYPE_COSIGNATURE: POSIX seconds; else 0 */
    struct bytes line; /* borrowed from the note: "— name base64" with its newline */
};

struct note {
    struct bytes text;                                   /* borrowed from the note, with its final newline */
    size_t signature_count;                              /* lines in the note, known or not */
    size_t verified_count;                               /* at least 1 after note_open() */
    struct note_signature verified[NOTE_SIGNATURES_MAX]; /* each verifier at most once, in the order of the note */
};

/* A key name: not empty, at most ORIGIN_NAME_BYTES_MAX bytes of UTF-8, no Unicode space or control character, no '+'.
 * ERR_INVALID / ERR_LIMIT. */
int note_check_name(struct bytes name, struct err *e) WARN_UNUSED;

/* First four bytes of SHA-256(name || 0x0A || type || public key). Any type, any key length. */
uint32_t note_key_id(struct bytes name, uint8_t type, struct bytes public_key);

/* Copies. ERR_INVALID for a name, ERR_UNSUPPORTED for a type outside enum note_type. */
int note_verifier_init(const char *name, uint8_t type, const uint8_t public_key[CRYPTO_ED25519_KEY_SIZE],
                       struct note_verifier *ret, struct err *e) WARN_UNUSED;

/* vkey text "name+hex8(key id)+base64(type || public key)". The key id in the text must be the recomputed one
 * (note.key-id); an unknown type is ERR_UNSUPPORTED. */
int note_verifier_parse(struct bytes text, struct note_verifier *ret, struct err *e) WARN_UNUSED;
void note_verifier_format(const struct note_verifier *v, struct buf *out);

/* Keeps @crypto. Errors as note_verifier_init(). */
int note_signer_init(const char *name, uint8_t type, const struct crypto_signer *crypto, struct note_signer *ret,
                     struct err *e) WARN_UNUSED;

/* Appends one signature line over @text to @out. @time_s counts only for NOTE_TYPE_COSIGNATURE (at most 2^63 - 1).
 * @text must be a valid note text (note_check_text); one that starts with the cosignature header is refused for
 * NOTE_TYPE_ED25519 (note.reserved-text), so that a log key never signs what reads as a cosignature. ERR_INVALID. */
int note_sign_line(const struct note_signer *s, struct bytes text, uint64_t time_s, struct buf *out,
                   struct err *e) WARN_UNUSED;
/* Appends a whole note: @text, the empty line, one line per signer. More lines may be put behind it later. */
int note_sign(struct bytes text, const struct note_signer *const *signers, size_t count, uint64_t time_s,
              struct buf *out, struct err *e) WARN_UNUSED;

/* A note text: not empty, ends in a newline, valid UTF-8, no control character but the newline, room for a signature
 * within NOTE_BYTES_MAX. */
int note_check_text(struct bytes text, struct err *e) WARN_UNUSED;

/* Opens a note. @known: keys to look for, distinct by (name, key id); the first match counts. Every signature by a known
 * key is checked and one that fails refuses the whole note (ERR_VERIFY, note.bad-signature), as does a note without any
 * known signature (ERR_VERIFY, note.no-known-signature). Malformed: ERR_INVALID; too large: ERR_LIMIT. @ret borrows
 * from @bytes; untouched on failure. */
int note_open(struct bytes bytes, const struct note_verifier *const *known, size_t known_count, struct note *ret,
              struct err *e) WARN_UNUSED;

/* Splits without checking a signature: the text and the number of lines (the rules of form are checked). For looking
 * whose note it is before the key is known. */
int note_peek(struct bytes bytes, struct bytes *ret_text, size_t *ret_count, struct err *e) WARN_UNUSED;

#endif
