/* Grant: case keys on their way to one participant, sealed to its key (HPKE, RFC 9180, base mode, DHKEM(X25519,
 * HKDF-SHA256), HKDF-SHA256, AES-256-GCM). Travels beside the entries, never in a ledger: what a ledger holds cannot be erased.
 *
 *     grant  = enc 32 || AEAD ciphertext and tag
 *     info   = "xp/grant/1" || be32 giver || be32 receiver          aad = empty
 *     plain  = records one after the other: case id 16 || be32 epoch || key 32, ascending by (case id, epoch), distinct
 *
 * The receiver's key stands in the member list. Pure but for the randomness of HPKE; any thread.
 */
#ifndef TB_LEDGER_GRANT_H
#define TB_LEDGER_GRANT_H

#include "certs/crypto.h"
#include "federation/ledger/payload.h"
#include "node/base/arena.h"

#define GRANT_RECORD_BYTES 52u
#define GRANT_RECORDS_MAX 4096u
#define GRANT_BYTES_MAX (32u + GRANT_RECORD_BYTES * GRANT_RECORDS_MAX + 16u)

struct grant_record {
    uint8_t case_id[LEAF_CASE_ID_SIZE];
    struct payload_key key;
};

/* @records 1..GRANT_RECORDS_MAX, ordered, epochs from 1 (asserted). ERR_INVALID when @receiver_key is no X25519 key to seal to. */
int grant_seal(const struct grant_record *records, size_t count, uint32_t giver, uint32_t receiver,
               const uint8_t receiver_key[CRYPTO_X25519_KEY_SIZE], struct buf *out, struct err *e) WARN_UNUSED;

/* ERR_VERIFY grant.seal, ERR_INVALID grant.form. Records in @arena; the caller wipes them (crypto_wipe) before
 * it closes it. */
int grant_open(struct bytes in, uint32_t giver, uint32_t receiver, const struct crypto_hpke_key *own,
               struct arena *arena, struct grant_record **ret, size_t *ret_count, struct err *e) WARN_UNUSED;

#endif
