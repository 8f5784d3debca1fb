/* Hashes, signatures and randomness for the rest of the program. The only door to OpenSSL for code that is not TLS or
 * X.509; no OpenSSL type appears here. All functions may be called from any thread.
 */
#ifndef TB_CERTS_CRYPTO_H
#define TB_CERTS_CRYPTO_H

#include <stdint.h>

#include "node/base/bytes.h"
#include "node/base/err.h"

#define CRYPTO_HASH_SIZE 32
#define CRYPTO_ED25519_KEY_SIZE 32 /* public key, and seed of a private key (RFC 8032) */
#define CRYPTO_ED25519_SIG_SIZE 64

/* First of all in a program that runs threads of a library which uses OpenSSL beside us (NNG): OpenSSL is not taken down at the
 * end of the process, when such a thread may still be freeing a connection. Its memory goes with the process. */
void crypto_init(void);

/* SHA-256 of the concatenation of @parts. */
void crypto_sha256(const struct bytes *parts, size_t count, uint8_t out[CRYPTO_HASH_SIZE]);
void crypto_sha256_one(const void *data, size_t size, uint8_t out[CRYPTO_HASH_SIZE]);

/* SHA-256 of what comes in pieces; one thread at a time. */
struct crypto_sha256;
struct crypto_sha256 *crypto_sha256_create(void);
void crypto_sha256_update(struct crypto_sha256 *h, const void *data, size_t size);
/* Of everything so far; more may follow. */
void crypto_sha256_digest(const struct crypto_sha256 *h, uint8_t out[CRYPTO_HASH_SIZE]);
void crypto_sha256_destroy(struct crypto_sha256 *h); /* NULL is fine */

/* SM3 (GB/T 32905) likewise: what archives ask for beside SHA-256. */
struct crypto_sm3;
struct crypto_sm3 *crypto_sm3_create(void);
void crypto_sm3_update(struct crypto_sm3 *h, const void *data, size_t size);
void crypto_sm3_digest(struct crypto_sm3 *h, uint8_t out[CRYPTO_HASH_SIZE]); /* once, at the end */
void crypto_sm3_destroy(struct crypto_sm3 *h);                               /* NULL is fine */

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

/* ---- symmetric sealing and keys for participants ---- */

#define CRYPTO_KEY_SIZE 32 /* AES-256-GCM */
#define CRYPTO_TAG_SIZE 16
#define CRYPTO_X25519_KEY_SIZE 32
#define CRYPTO_HPKE_ENC_SIZE 32
#define CRYPTO_HPKE_OVERHEAD (CRYPTO_HPKE_ENC_SIZE + CRYPTO_TAG_SIZE)

/* HKDF with SHA-256 (RFC 5869), extract and expand. @size at most 255 * 32 (asserted). */
void crypto_hkdf(struct bytes ikm, struct bytes salt, struct bytes info, void *out, size_t size);

/* AES-256-GCM with a nonce of 12 zero bytes: for a @key that seals one message only. @out gets plain.size +
 * CRYPTO_TAG_SIZE bytes, ciphertext then tag. */
void crypto_seal_once(const uint8_t key[CRYPTO_KEY_SIZE], struct bytes aad, struct bytes plain, uint8_t *out);
/* False when it does not open; @out (sealed.size - CRYPTO_TAG_SIZE bytes) is wiped then. */
bool crypto_open_once(const uint8_t key[CRYPTO_KEY_SIZE], struct bytes aad, struct bytes sealed, uint8_t *out);

/* HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, one message per context. */
struct crypto_hpke_key;
struct crypto_hpke_key *crypto_hpke_key_create(void);    /* random */
void crypto_hpke_key_destroy(struct crypto_hpke_key *k); /* wipes; NULL is fine */
void crypto_hpke_key_public(const struct crypto_hpke_key *k, uint8_t out[CRYPTO_X25519_KEY_SIZE]);
/* Appends enc || ciphertext || tag to @out. @plain not empty, @info at most 1,024 bytes (asserted). ERR_INVALID crypto.hpke-key for a public key that cannot be sealed to. */
int crypto_hpke_seal(const uint8_t receiver[CRYPTO_X25519_KEY_SIZE], struct bytes info, struct bytes aad,
                     struct bytes plain, struct buf *out, struct err *e) WARN_UNUSED;
/* Appends the plaintext. ERR_VERIFY crypto.hpke-open. */
int crypto_hpke_open(const struct crypto_hpke_key *k, struct bytes info, struct bytes aad, struct bytes sealed,
                     struct buf *out, struct err *e) WARN_UNUSED;

#endif
