/* Hashes, signatures and randomness for the rest of the program. The only door to OpenSSL for code that is not TLS or
 * X.509; no OpenSSL type appears here. All functions may be called from any thread.
 */
#ifndef TB_CERTS_CRYPTO_H
#define TB_CERTS_CRYPTO_H

#include <stdint.h>

#include "node/base/bytes.h"

#define CRYPTO_HASH_SIZE 32
#define CRYPTO_ED25519_KEY_SIZE 32 /* public key, and seed of a private key (RFC 8032) */
#define CRYPTO_ED25519_SIG_SIZE 64

/* SHA-256 of the concatenation of @parts. */
void crypto_sha256(const struct bytes *parts, size_t count, uint8_t out[CRYPTO_HASH_SIZE]);
void crypto_sha256_one(const void *data, size_t size, uint8_t out[CRYPTO_HASH_SIZE]);

/* From the operating system's generator; aborts when there is none. */
void crypto_random(void *out, size_t size);

/* Constant-time comparison. */
bool crypto_equal(const void *a, const void *b, size_t size);
/* Wipes a secret in a way the compiler keeps. */
void crypto_wipe(void *secret, size_t size);

/* An Ed25519 signer: keeps the private key inside. */
struct crypto_signer;
/* @seed is copied. Never fails for 32 bytes. */
struct crypto_signer *crypto_signer_create(const uint8_t seed[CRYPTO_ED25519_KEY_SIZE]);
void crypto_signer_destroy(struct crypto_signer *s); /* wipes; NULL is fine */
void crypto_signer_public(const struct crypto_signer *s, uint8_t out[CRYPTO_ED25519_KEY_SIZE]);
/* Deterministic (RFC 8032). */
void crypto_sign(const struct crypto_signer *s, struct bytes message, uint8_t out[CRYPTO_ED25519_SIG_SIZE]);
/* Whether @sig is @public_key's signature over @message; false for malformed keys too. */
bool crypto_verify(const uint8_t public_key[CRYPTO_ED25519_KEY_SIZE], struct bytes message,
                   const uint8_t sig[CRYPTO_ED25519_SIG_SIZE]);

#endif
