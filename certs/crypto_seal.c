/* OpenSSL behind the sealing part of crypto.h: HKDF, AES-256-GCM, HPKE. Algorithms are fetched once; contexts are made per
 * call where a message costs far more than its context. Failures of the library itself (memory) abort; what a peer
 * can cause (a bad key, bytes that do not open) is a result.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hpke.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "certs/crypto.h"
#include "certs/crypto_hpke.h"
#include "node/base/xassert.h"

static EVP_MAC *hmac;
static pthread_key_t hmac_key;
static EVP_CIPHER *gcm;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_context(void *ctx)
{
    EVP_MAC_CTX_free(ctx);
}

static void fetch(void)
{
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    xassert(hmac != NULL && gcm != NULL);
    int rc = pthread_key_create(&hmac_key, free_context);
    xassert(rc == 0);
}

static void fetch_once(void)
{
    int rc = pthread_once(&once, fetch);
    xassert(rc == 0);
}

/* ---- HKDF ---- */

static EVP_MAC_CTX *thread_context(void)
{
    static _Thread_local EVP_MAC_CTX *ctx;
    if (ctx == NULL) {
        char digest[] = "SHA256";
        OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
        fetch_once();
        ctx = EVP_MAC_CTX_new(hmac);
        xassert(ctx != NULL && EVP_MAC_CTX_set_params(ctx, params) == 1);
        int rc = pthread_setspecific(hmac_key, ctx); /* freed when the thread ends */
        xassert(rc == 0);
    }
    return ctx;
}

/* HMAC of @a || @b || @last under @key. */
static void hmac_of(EVP_MAC_CTX *ctx, struct bytes key, struct bytes a, struct bytes b, struct bytes last,
                    uint8_t out[CRYPTO_HASH_SIZE])
{
    size_t size = 0;
    int ok = EVP_MAC_init(ctx, key.data, key.size, NULL) && EVP_MAC_update(ctx, a.data, a.size) &&
             EVP_MAC_update(ctx, b.data, b.size) && EVP_MAC_update(ctx, last.data, last.size) &&
             EVP_MAC_final(ctx, out, &size, CRYPTO_HASH_SIZE);
    xassert(ok == 1 && size == CRYPTO_HASH_SIZE);
}

/* RFC 5869, 2.2 and 2.3, over OpenSSL's HMAC. Its own HKDF looks the digest up by name and makes a context in every call:
 * three times the cost of the hashes, for every event that is written. */
void crypto_hkdf(struct bytes ikm, struct bytes salt, struct bytes info, void *out, size_t size)
{
    static const uint8_t zeroes[CRYPTO_HASH_SIZE];
    const struct bytes none = bytes_of(zeroes, 0);
    uint8_t prk[CRYPTO_HASH_SIZE], t[CRYPTO_HASH_SIZE];
    uint8_t *to = out;
    xassert(size <= 255u * CRYPTO_HASH_SIZE);
    EVP_MAC_CTX *ctx = thread_context();
    hmac_of(ctx, salt.size > 0 ? salt : bytes_of(zeroes, sizeof zeroes), ikm, none, none, prk);
    uint8_t number = 0;
    for (size_t at = 0; at < size; at += sizeof t) {
        struct bytes before = bytes_of(t, number == 0 ? 0 : sizeof t);
        number++;
        hmac_of(ctx, bytes_of(prk, sizeof prk), before, info, bytes_of(&number, 1), t);
        memcpy(to + at, t, min_of(sizeof t, size - at));
    }
    hmac_of(ctx, bytes_of(zeroes, sizeof zeroes), none, none, none, t); /* the context forgets the key */
    crypto_wipe(prk, sizeof prk);
    crypto_wipe(t, sizeof t);
}

/* ---- AES-256-GCM, one message per key ---- */

static const uint8_t zero_nonce[12];

void crypto_seal_once(const uint8_t key[CRYPTO_KEY_SIZE], struct bytes aad, struct bytes plain, uint8_t *out)
{
    int size = 0, tail = 0;
    xassert(aad.size < 1u << 30 && plain.size < 1u << 30);
    fetch_once();
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    xassert(ctx != NULL);
    bool ok = EVP_EncryptInit_ex2(ctx, gcm, key, zero_nonce, NULL) == 1 &&
              (aad.size == 0 || EVP_EncryptUpdate(ctx, NULL, &size, aad.data, (int)aad.size) == 1);
    size = 0;
    ok = ok && (plain.size == 0 || EVP_EncryptUpdate(ctx, out, &size, plain.data, (int)plain.size) == 1) &&
         EVP_EncryptFinal_ex(ctx, out + size, &tail) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CRYPTO_TAG_SIZE, out + plain.size) == 1;
    EVP_CIPHER_CTX_free(ctx);
    xassert(ok && (size_t)(size + tail) == plain.size);
}

bool crypto_open_once(const uint8_t key[CRYPTO_KEY_SIZE], struct bytes aad, struct bytes sealed, uint8_t *out)
{
    int size = 0, tail = 0;
    if (sealed.size < CRYPTO_TAG_SIZE || sealed.size > 1u << 30 || aad.size > 1u << 30)
        return false;
    size_t plain = sealed.size - CRYPTO_TAG_SIZE;
    uint8_t tag[CRYPTO_TAG_SIZE];
    for (size_t i = 0; i < sizeof tag; i++)
        tag[i] = sealed.data[plain + i];
    fetch_once();
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    xassert(ctx != NULL);
    bool ok = EVP_DecryptInit_ex2(ctx, gcm, key, zero_nonce, NULL) == 1 &&
              (aad.size == 0 || EVP_DecryptUpdate(ctx, NULL, &size, aad.data, (int)aad.size) == 1);
    size = 0;
    ok = ok && (plain == 0 || EVP_DecryptUpdate(ctx, out, &size, sealed.data, (int)plain) == 1) &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CRYPTO_TAG_SIZE, tag) == 1 &&
         EVP_DecryptFinal_ex(ctx, out + size, &tail) == 1;
    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();
    if (!ok && plain > 0)
        crypto_wipe(out, plain);
    return ok;
}

/* ---- HPKE ---- */

static const OSSL_HPKE_SUITE suite = {OSSL_HPKE_KEM_ID_X25519, OSSL_HPKE_KDF_ID_HKDF_SHA256,
                                      OSSL_HPKE_AEAD_ID_AES_GCM_256};

struct crypto_hpke_key {
    EVP_PKEY *key;
};

struct crypto_hpke_key *crypto_hpke_key_of(EVP_PKEY *key)
{
    struct crypto_hpke_key *k = xcalloc(1, sizeof *k);
    k->key = key;
    return k;
}

struct crypto_hpke_key *crypto_hpke_key_create(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    xassert(key != NULL);
    return crypto_hpke_key_of(key);
}

void crypto_hpke_key_destroy(struct crypto_hpke_key *k)
{
    if (k == NULL)
        return;
    EVP_PKEY_free(k->key); /* wipes */
    free(k);
}

void crypto_hpke_key_public(const struct crypto_hpke_key *k, uint8_t out[CRYPTO_X25519_KEY_SIZE])
{
    size_t size = CRYPTO_X25519_KEY_SIZE;
    int rc = EVP_PKEY_get_raw_public_key(k->key, out, &size);
    xassert(rc == 1 && size == CRYPTO_X25519_KEY_SIZE);
}

int crypto_hpke_seal(const uint8_t receiver[CRYPTO_X25519_KEY_SIZE], struct bytes info, struct bytes aad,
                     struct bytes plain, struct buf *out, struct err *e)
{
    xassert(plain.size > 0 && info.size <= OSSL_HPKE_MAX_INFOLEN);
    size_t before = out->size;
    size_t enc_size = CRYPTO_HPKE_ENC_SIZE, sealed_size = plain.size + CRYPTO_TAG_SIZE;
    uint8_t *room = buf_extend(out, CRYPTO_HPKE_ENC_SIZE + sealed_size);
    xassert(room != NULL); /* callers bound what they seal */
    OSSL_HPKE_CTX *ctx = OSSL_HPKE_CTX_new(OSSL_HPKE_MODE_BASE, suite, OSSL_HPKE_ROLE_SENDER, NULL, NULL);
    xassert(ctx != NULL);
    bool ok = OSSL_HPKE_encap(ctx, room, &enc_size, receiver, CRYPTO_X25519_KEY_SIZE, info.data, info.size) == 1 &&
              enc_size == CRYPTO_HPKE_ENC_SIZE &&
              OSSL_HPKE_seal(ctx, room + CRYPTO_HPKE_ENC_SIZE, &sealed_size, aad.data, aad.size, plain.data,
                             plain.size) == 1 &&
              sealed_size == plain.size + CRYPTO_TAG_SIZE;
    OSSL_HPKE_CTX_free(ctx);
    ERR_clear_error();
    if (ok)
        return 0;
    out->size = before;
    return err_set(e, ERR_INVALID, "crypto.hpke-key", "the X25519 public key cannot be sealed to");
}

int crypto_hpke_open(const struct crypto_hpke_key *k, struct bytes info, struct bytes aad, struct bytes sealed,
                     struct buf *out, struct err *e)
{
    if (sealed.size < CRYPTO_HPKE_OVERHEAD)
        return err_set(e, ERR_VERIFY, "crypto.hpke-open", "%zu sealed bytes are fewer than the %d that HPKE adds",
                       sealed.size, CRYPTO_HPKE_OVERHEAD);
    size_t before = out->size;
    size_t size = sealed.size - CRYPTO_HPKE_OVERHEAD, room_size = size == 0 ? 1 : size;
    uint8_t *room = buf_extend(out, room_size);
    xassert(room != NULL); /* smaller than its input */
    OSSL_HPKE_CTX *ctx = OSSL_HPKE_CTX_new(OSSL_HPKE_MODE_BASE, suite, OSSL_HPKE_ROLE_RECEIVER, NULL, NULL);
    xassert(ctx != NULL);
    bool ok = OSSL_HPKE_decap(ctx, sealed.data, CRYPTO_HPKE_ENC_SIZE, k->key, info.data, info.size) == 1 &&
              OSSL_HPKE_open(ctx, room, &room_size, aad.data, aad.size, sealed.data + CRYPTO_HPKE_ENC_SIZE,
                             sealed.size - CRYPTO_HPKE_ENC_SIZE) == 1 &&
              room_size == size;
    OSSL_HPKE_CTX_free(ctx);
    ERR_clear_error();
    if (!ok)
        crypto_wipe(room, size == 0 ? 1 : size); /* GCM gives the plaintext before it has seen the tag */
    out->size = ok ? before + size : before;
    return ok ? 0 : err_set(e, ERR_VERIFY, "crypto.hpke-open", "what was sealed to this node does not open");
}
