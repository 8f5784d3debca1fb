/* Key files as OpenSSL keys: shared by certs/ and federation/tls_engine*.c, for nobody else. */
#ifndef TB_CERTS_KEYSTORE_PEM_H
#define TB_CERTS_KEYSTORE_PEM_H

#include <openssl/types.h>

#include "node/base/err.h"

/* A private key of @type ("EC" on P-256, "ED25519" or "X25519"); the caller frees @ret with EVP_PKEY_free(). Errors as for
 * keystore_load_signing_key(). */
int keystore_pem_load(const char *path, const char *type, EVP_PKEY **ret, struct err *e) WARN_UNUSED;

/* Writes @key to the new file @path, mode 0600. ERR_CONFLICT when it exists. */
int keystore_pem_write(const char *path, EVP_PKEY *key, struct err *e) WARN_UNUSED;

#endif
