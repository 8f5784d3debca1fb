/* Private keys on disk: PKCS#8 in PEM, mode 0600, made once and never overwritten.
 *
 *   node.key     ECDSA P-256, the node's TLS key (its certificate comes from the federation's CA)
 *   ledger.key   Ed25519, signs the node's ledger: its checkpoints
 *   witness.key  Ed25519, cosigns other nodes' checkpoints (never the same key as ledger.key: C2SP tlog-cosignature)
 *   seal.key     X25519, case keys are sealed to it (HPKE)
 *
 * The federation's own two keys (ca.h) have the same form. Keys are not encrypted: the daemon starts unattended, and a
 * pass phrase beside the key protects nothing. A key file that others may read or write is refused.
 *
 * Blocking; start-up and CLI. Errors name the file, never a key.
 */
#ifndef TB_CERTS_KEYSTORE_H
#define TB_CERTS_KEYSTORE_H

#include "certs/crypto.h"

/* Makes a new ECDSA P-256 key in @path. ERR_CONFLICT when the file exists; it stays as it is. */
int keystore_create_tls_key(const char *path, struct err *e) WARN_UNUSED;

/* Makes a new Ed25519 key in @path. ERR_CONFLICT as above. */
int keystore_create_signing_key(const char *path, struct err *e) WARN_UNUSED;

/* Makes a new X25519 key in @path. ERR_CONFLICT as above. */
int keystore_create_seal_key(const char *path, struct err *e) WARN_UNUSED;
/* Loads it; the caller destroys @ret. Errors as keystore_load_signing_key(). */
int keystore_load_seal_key(const char *path, struct crypto_hpke_key **ret, struct err *e) WARN_UNUSED;

/* Loads an Ed25519 key; the caller destroys @ret. ERR_NOT_FOUND, ERR_IO, ERR_DENIED (file mode), ERR_INVALID (not a
 * key, encrypted, another kind of key). */
int keystore_load_signing_key(const char *path, struct crypto_signer **ret, struct err *e) WARN_UNUSED;

/* A PKCS#10 request in PEM for the TLS key in @key_path, appended to @ret: what a node sends to the federation's CA, so
 * that its key never leaves it. The CA takes only the public key from it. Errors as for loading. */
int keystore_request(const char *key_path, struct buf *ret, struct err *e) WARN_UNUSED;

#endif
