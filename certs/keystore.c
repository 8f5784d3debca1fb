/* Keys made, loaded, and put into a certificate request (see keystore.h); the files are keystore_pem.c's. */
#include "certs/keystore.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "certs/crypto_hpke.h"
#include "certs/keystore_pem.h"
#include "certs/pki_x509.h"
#include "node/base/xassert.h"

int keystore_create_tls_key(const char *path, struct err *e)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    xassert(key != NULL);
    int rc = keystore_pem_write(path, key, e);
    EVP_PKEY_free(key);
    return rc;
}

int keystore_create_signing_key(const char *path, struct err *e)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    xassert(key != NULL);
    int rc = keystore_pem_write(path, key, e);
    EVP_PKEY_free(key);
    return rc;
}

int keystore_load_signing_key(const char *path, struct crypto_signer **ret, struct err *e)
{
    EVP_PKEY *key = NULL;
    int rc = keystore_pem_load(path, "ED25519", &key, e);
    if (rc != 0)
        return rc;

    uint8_t seed[CRYPTO_ED25519_KEY_SIZE];
    size_t size = sizeof seed;
    int ok = EVP_PKEY_get_raw_private_key(key, seed, &size);
    EVP_PKEY_free(key);
    xassert(ok == 1 && size == sizeof seed);
    *ret = crypto_signer_create(seed);
    crypto_wipe(seed, sizeof seed);
    return 0;
}

int keystore_create_seal_key(const char *path, struct err *e)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    xassert(key != NULL);
    int rc = keystore_pem_write(path, key, e);
    EVP_PKEY_free(key);
    return rc;
}

int keystore_load_seal_key(const char *path, struct crypto_hpke_key **ret, struct err *e)
{
    EVP_PKEY *key = NULL;
    int rc = keystore_pem_load(path, "X25519", &key, e);
    if (rc == 0)
        *ret = crypto_hpke_key_of(key);
    return rc;
}

int keystore_request(const char *key_path, struct buf *ret, struct err *e)
{
    EVP_PKEY *key = NULL;
    int rc = keystore_pem_load(key_path, "EC", &key, e);
    if (rc != 0)
        return rc;

    X509_REQ *request = X509_REQ_new();
    xassert(request != NULL);
    bool ok = X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 && X509_REQ_set_pubkey(request, key) == 1 &&
              X509_REQ_sign(request, key, EVP_sha256()) > 0;
    if (ok)
        pki_x509_put_request(ret, request);
    else
        rc = pki_x509_error(e, ERR_INTERNAL, "keystore.request", "cannot sign a certificate request with '%s'",
                            key_path);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return rc;
}
