/* An HPKE key out of an OpenSSL one: between keystore.c and crypto_seal.c, for nobody else. */
#ifndef TB_CERTS_CRYPTO_HPKE_H
#define TB_CERTS_CRYPTO_HPKE_H

#include <openssl/types.h>

#include "certs/crypto.h"

/* Takes @key, an X25519 private key. */
struct crypto_hpke_key *crypto_hpke_key_of(EVP_PKEY *key);

#endif
