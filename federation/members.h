/* The member list: which nodes belong to the federation, where each is reached, and whose key signs its ledger.
 *
 * One text file, made by the federation's office and given to every node (by any way: it is signed):
 *
 *     tongban-members/v2
 *     <federation>
 *     <version, decimal: every change counts up>
 *     <number of members, decimal>
 *     <base64 of SHA-256 over the member lines, newlines included>
 *
 *     — <federation> <signature>
 *
 *     <code> <name> <url> <origin> <ledger vkey> <witness vkey> <seal key>
 *     …                                             one line per member, codes strictly ascending
 *
 * The upper part is a signed note (C2SP signed-note, ledger/note.h) under the federation's Ed25519 key, whose name is
 * the federation's; it commits to the lines below by hash, because a note is at most NOTE_BYTES_MAX and a list of every
 * county is not. <url> is tls+tcp://host:port; <origin> names the member's ledger and is the name of its key, such as
 * 510000.tongban.example/log/1; <ledger vkey> is a C2SP verifier key of type 0x01, <witness vkey> one of type 0x04, named
 * <code>.<federation>/witness, which cosigns others' checkpoints; <seal key> is the base64 of an X25519 public key, to which
 * case keys are sealed. Codes, names, addresses, origins and keys are all
 * different from each other: two members with one key could speak for each other.
 *
 * A `struct members` is read-only once loaded and may then be read by any thread.
 */
#ifndef TB_FEDERATION_MEMBERS_H
#define TB_FEDERATION_MEMBERS_H

#include "federation/ledger/note.h"
#include "node/base/arena.h"

#define MEMBERS_URL_BYTES_MAX 280u

struct member {
    uint32_t code;
    const char *name;
    const char *url;
    struct note_verifier key;     /* of its ledger; key.name is the ledger's origin */
    struct note_verifier witness; /* type NOTE_TYPE_COSIGNATURE */
    uint8_t seal_key[CRYPTO_X25519_KEY_SIZE];
};

struct members {
    char federation[FEDERATION_NAME_BYTES_MAX + 1];
    uint64_t version;
    struct member *list; /* by code, ascending */
    size_t count;
    uint8_t digest[CRYPTO_HASH_SIZE]; /* of the member lines */
    struct arena arena; /* owns list and texts of a parsed one; a caller that builds its own leaves it empty */
};

/* Reads and verifies under @key, the federation's. Errors name the line: ERR_VERIFY (signature or hash), ERR_INVALID,
 * ERR_LIMIT (MEMBERS_MAX, MEMBERS_FILE_BYTES_MAX). members_close() frees @ret. */
int members_parse(struct bytes file, const struct note_verifier *key, struct members *ret, struct err *e) WARN_UNUSED;
/* The same from a file, which errors name; @vkey is the text an operator configured. */
int members_load(const char *path, const char *vkey, struct members *ret, struct err *e) WARN_UNUSED;
void members_close(struct members *m);

const struct member *members_find(const struct members *m, uint32_t code); /* NULL if none */

/* Checks every rule above and appends the signed file to @out. The signer's name must be the federation's. */
int members_encode(const struct members *m, const struct note_signer *signer, struct buf *out,
                   struct err *e) WARN_UNUSED;

/* Whether @next may replace @now: same federation, higher version (or the very same list). ERR_CONFLICT otherwise, so
 * that an old list cannot bring a dismissed member back. */
int members_check_update(const struct members *now, const struct members *next, struct err *e) WARN_UNUSED;

#endif
