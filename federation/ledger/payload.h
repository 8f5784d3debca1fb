/* Payload: what only a case's participants read, sealed under the case's key (FORMATS.md "Payload").
 *
 *     k_e        = HKDF-SHA-256(ikm = K, salt = leaf salt, info = "xp/payload/1" || be32 origin || be64 index), 32 bytes
 *     sealed     = AES-256-GCM(k_e, nonce = 12 zero bytes, aad = leaf bytes before ct_hash, plaintext) || tag 16
 *     key_commit = SHA-256("xp/kc/1" || K || leaf salt)
 *
 * K: 32 random bytes per case and epoch, made by the receiving node, given to the participants outside the ledger (grant.h),
 * kept in a database of its own and destroyed to erase. k_e is used once, so a constant nonce is right. The commitment ties a
 * leaf to one K: AES-GCM alone would let two keys open one ciphertext. Pure, any thread.
 */
#ifndef TB_LEDGER_PAYLOAD_H
#define TB_LEDGER_PAYLOAD_H

#include "certs/crypto.h"
#include "federation/ledger/leaf.h"

#define PAYLOAD_KEY_SIZE 32u
#define PAYLOAD_SEAL_OVERHEAD 16u /* sealed size = plain size + this */
#define PAYLOAD_PLAIN_BYTES_MAX (PAYLOAD_BYTES_MAX - PAYLOAD_SEAL_OVERHEAD)

/* A case's key of one epoch (1, 2, …). */
struct payload_key {
    uint32_t epoch;
    uint8_t key[PAYLOAD_KEY_SIZE];
};

void payload_commit(const uint8_t key[PAYLOAD_KEY_SIZE], const uint8_t salt[LEAF_SALT_SIZE], struct merkle_hash *ret);

/* Completes @leaf, whose origin, index, salt and everything else but the payload fields are set: key_epoch, key_commit,
 * ct_len, ct_hash; appends the sealed bytes to @out. @plain 1..PAYLOAD_PLAIN_BYTES_MAX bytes (asserted). */
void payload_seal(struct leaf *leaf, const struct payload_key *key, struct bytes plain, struct buf *out);

/* Opens what belongs to @leaf, whose encoding is @encoded. ERR_VERIFY payload.key (another key than the leaf commits to),
 * payload.hash (not the leaf's bytes), payload.seal (does not open). The plaintext is appended to @out. */
int payload_open(const struct leaf *leaf, struct bytes encoded, const struct payload_key *key, struct bytes sealed,
                 struct buf *out, struct err *e) WARN_UNUSED;

#endif
