/* OpenSSL behind crypto.h. Digests are fetched once (a fetch costs more than hashing a node), contexts are per thread. */
#include "certs/crypto.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "node/base/xassert.h"

void crypto_init(void)
{
    int ok = OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    xassert(ok == 1);
}

static EVP_MD *sha256_md;
static pthread_key_t sha256_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_context(void *ctx)
{
    EVP_MD_CTX_free(ctx);
}

static void init_once(void)
{
    sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
    xassert(sha256_md != NULL);
    int rc = pthread_key_create(&sha256_key, free_context);
    xassert(rc == 0);
}

static EVP_MD_CTX *thread_context(void)
{
    static _Thread_local EVP_MD_CTX *ctx;
    if (ctx == NULL) {
        int rc = pthread_once(&once, init_once);
        xassert(rc == 0);
        ctx = EVP_MD_CTX_new();
        xassert(ctx != NULL);
        rc = pthread_setspecific(sha256_key, ctx); /* freed when the thread ends */
        xassert(rc == 0);
    }
    return ctx;
}

void crypto_sha256(const struct bytes *parts, size_t count, uint8_t out[CRYPTO_HASH_SIZE])
{
    EVP_MD_CTX *ctx = thread_context();
    int ok = EVP_DigestInit_ex2(ctx, sha256_md, NULL);
    for (size_t i = 0; i < count; i++)
        ok &= EVP_DigestUpdate(ctx, parts[i].data, parts[i].size);
    ok &= EVP_DigestFinal_ex(ctx, out, NULL);
    xassert(ok == 1);
}

void crypto_sha256_one(const void *data, size_t size, uint8_t out[CRYPTO_HASH_SIZE])
{
    struct bytes part = bytes_of(data, size);
    crypto_sha256(&part, 1, out);
}

struct crypto_sha256 {
    EVP_MD_CTX *ctx;
};

struct crypto_sha256 *crypto_sha256_create(void)
{
    struct crypto_sha256 *h = xcalloc(1, sizeof *h);
    int rc = pthread_once(&once, init_once);
    xassert(rc == 0);
    h->ctx = EVP_MD_CTX_new();
    xassert(h->ctx != NULL && EVP_DigestInit_ex2(h->ctx, sha256_md, NULL) == 1);
    return h;
}

void crypto_sha256_update(struct crypto_sha256 *h, const void *data, size_t size)
{
    int ok = EVP_DigestUpdate(h->ctx, data, size);
    xassert(ok == 1);
}

void crypto_sha256_digest(const struct crypto_sha256 *h, uint8_t out[CRYPTO_HASH_SIZE])
{
    EVP_MD_CTX *copy = thread_context();
    int ok = EVP_MD_CTX_copy_ex(copy, h->ctx) & EVP_DigestFinal_ex(copy, out, NULL);
    xassert(ok == 1);
}

void crypto_sha256_destroy(struct crypto_sha256 *h)
{
    if (h == NULL)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

struct crypto_sm3 {
    EVP_MD_CTX *ctx;
};

struct crypto_sm3 *crypto_sm3_create(void)
{
    struct crypto_sm3 *h = xcalloc(1, sizeof *h);
    h->ctx = EVP_MD_CTX_new();
    xassert(h->ctx != NULL && EVP_DigestInit_ex2(h->ctx, EVP_sm3(), NULL) == 1);
    return h;
}

void crypto_sm3_update(struct crypto_sm3 *h, const void *data, size_t size)
{
    int ok = EVP_DigestUpdate(h->ctx, data, size);
    xassert(ok == 1);
}

void crypto_sm3_digest(struct crypto_sm3 *h, uint8_t out[CRYPTO_HASH_SIZE])
{
    int ok = EVP_DigestFinal_ex(h->ctx, out, NULL);
    xassert(ok == 1);
}

void crypto_sm3_destroy(struct crypto_sm3 *h)
{
    if (h == NULL)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

/* Not RAND_bytes(): its generators cost three times as much a call, with a getpid() to notice a fork. */
void crypto_random(void *out, size_t size)
{
    uint8_t *to = out;
    for (size_t at = 0; at < size;) {
        ssize_t n = getrandom(to + at, size - at, 0);
        xassert(n > 0 || errno == EINTR);
        at += n > 0 ? (size_t)n : 0;
    }
}

bool crypto_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

void crypto_wipe(void *secret, size_t size)
{
    OPENSSL_cleanse(secret, size);
}

struct crypto_signer {
    EVP_PKEY *key;
};

struct crypto_signer *crypto_signer_create(const uint8_t seed[CRYPTO_ED25519_KEY_SIZE])
{
    struct crypto_signer *s = xcalloc(1, sizeof *s);
    s->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, CRYPTO_ED25519_KEY_SIZE);
    xassert(s->key != NULL);
    return s;
}

void crypto_signer_destroy(struct crypto_signer *s)
{
    if (s == NULL)
        return;
    EVP_PKEY_free(s->key);
    free(s);
}

void crypto_signer_public(const struct crypto_signer *s, uint8_t out[CRYPTO_ED25519_KEY_SIZE])
{
    size_t size = CRYPTO_ED25519_KEY_SIZE;
    int rc = EVP_PKEY_get_raw_public_key(s->key, out, &size);
    xassert(rc == 1 && size == CRYPTO_ED25519_KEY_SIZE);
}

void crypto_sign(const struct crypto_signer *s, struct bytes message, uint8_t out[CRYPTO_ED25519_SIG_SIZE])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t size = CRYPTO_ED25519_SIG_SIZE;
    xassert(ctx != NULL);
    int ok = EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, s->key, NULL) == 1 &&
             EVP_DigestSign(ctx, out, &size, message.data, message.size) == 1;
    EVP_MD_CTX_free(ctx);
    xassert(ok && size == CRYPTO_ED25519_SIG_SIZE);
}

bool crypto_verify(const uint8_t public_key[CRYPTO_ED25519_KEY_SIZE], struct bytes message,
                   const uint8_t sig[CRYPTO_ED25519_SIG_SIZE])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, CRYPTO_ED25519_KEY_SIZE);
    if (key == NULL)
        return false;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    xassert(ctx != NULL);
    bool ok = EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) == 1 &&
              EVP_DigestVerify(ctx, sig, CRYPTO_ED25519_SIG_SIZE, message.data, message.size) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return ok;
}
