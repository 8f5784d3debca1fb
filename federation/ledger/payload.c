/* Sealed payloads (see payload.h). Secrets on the stack are wiped. */
#include "federation/ledger/payload.h"

#include <string.h>

#include "node/base/xassert.h"

static const char info_label[] = "xp/payload/1";
static const char commit_label[] = "xp/kc/1";

void payload_commit(const uint8_t key[PAYLOAD_KEY_SIZE], const uint8_t salt[LEAF_SALT_SIZE], struct merkle_hash *ret)
{
    struct bytes parts[] = {bytes_of_string(commit_label), bytes_of(key, PAYLOAD_KEY_SIZE),
                            bytes_of(salt, LEAF_SALT_SIZE)};
    crypto_sha256(parts, array_count(parts), ret->b);
}

static void entry_key(const struct leaf *leaf, const uint8_t key[PAYLOAD_KEY_SIZE], uint8_t out[CRYPTO_KEY_SIZE])
{
    uint8_t info[sizeof info_label - 1 + 12];
    memcpy(info, info_label, sizeof info_label - 1);
    put_be32(info + sizeof info_label - 1, leaf->origin);
    put_be64(info + sizeof info_label - 1 + 4, leaf->index);
    crypto_hkdf(bytes_of(key, PAYLOAD_KEY_SIZE), bytes_of(leaf->salt, LEAF_SALT_SIZE), bytes_of(info, sizeof info), out,
                CRYPTO_KEY_SIZE);
}

void payload_seal(struct leaf *leaf, const struct payload_key *key, struct bytes plain, struct buf *out)
{
    struct buf encoded = {0};
    uint8_t once[CRYPTO_KEY_SIZE];
    xassert(plain.size >= 1 && plain.size <= PAYLOAD_PLAIN_BYTES_MAX && key->epoch > 0);
    leaf->key_epoch = key->epoch;
    payload_commit(key->key, leaf->salt, &leaf->key_commit);
    leaf->ct_len = (uint32_t)(plain.size + PAYLOAD_SEAL_OVERHEAD);
    int rc = leaf_encode_unsigned(leaf, &encoded, NULL); /* what is authenticated lies before ct_hash */
    xassert(rc == 0);

    uint8_t *sealed = buf_extend(out, plain.size + PAYLOAD_SEAL_OVERHEAD);
    xassert(sealed != NULL);
    entry_key(leaf, key->key, once);
    crypto_seal_once(once, bytes_of(encoded.data, leaf_aad_size(leaf)), plain, sealed);
    crypto_wipe(once, sizeof once);
    crypto_sha256_one(sealed, plain.size + PAYLOAD_SEAL_OVERHEAD, leaf->ct_hash.b);
    buf_close(&encoded);
}

int payload_open(const struct leaf *leaf, struct bytes encoded, const struct payload_key *key, struct bytes sealed,
                 struct buf *out, struct err *e)
{
    struct merkle_hash hash;
    uint8_t once[CRYPTO_KEY_SIZE];
    payload_commit(key->key, leaf->salt, &hash);
    if (leaf->key_epoch != key->epoch || !merkle_hash_equal(&hash, &leaf->key_commit))
        return err_set(e, ERR_VERIFY, "payload.key", "entry %llu of ledger %u is sealed under another key",
                       (unsigned long long)leaf->index, leaf->origin);
    crypto_sha256_one(sealed.data, sealed.size, hash.b);
    if (sealed.size != leaf->ct_len || sealed.size <= PAYLOAD_SEAL_OVERHEAD ||
        !merkle_hash_equal(&hash, &leaf->ct_hash))
        return err_set(e, ERR_VERIFY, "payload.hash", "these %zu bytes are not the payload of entry %llu of ledger %u",
                       sealed.size, (unsigned long long)leaf->index, leaf->origin);
    xassert(leaf_aad_size(leaf) <= encoded.size);

    size_t before = out->size;
    uint8_t *plain = buf_extend(out, sealed.size - PAYLOAD_SEAL_OVERHEAD);
    if (plain == NULL)
        return err_set(e, ERR_LIMIT, "payload.size", "no room for the %zu bytes of a payload", sealed.size);
    entry_key(leaf, key->key, once);
    bool ok = crypto_open_once(once, bytes_of(encoded.data, leaf_aad_size(leaf)), sealed, plain);
    crypto_wipe(once, sizeof once);
    if (ok)
        return 0;
    out->size = before;
    return err_set(e, ERR_VERIFY, "payload.seal", "the payload of entry %llu of ledger %u does not open",
                   (unsigned long long)leaf->index, leaf->origin);
}
