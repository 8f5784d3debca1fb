/* One node's trust as loaded from its four files: federation CA, CRL, own certificate, own key, checked against each
 * other and put into an OpenSSL context for TLS 1.3. For federation/tls_engine*.c alone (OpenSSL types).
 *
 * A `struct trust` never changes once loaded; a reload makes another one. It is counted: trust_load() gives one
 * reference, connections hold their own. Any thread.
 */
#ifndef TB_CERTS_TRUST_H
#define TB_CERTS_TRUST_H

#include <openssl/types.h>

#include "certs/pki.h"

struct trust_files {
    const char *federation;
    const char *ca_path, *crl_path, *cert_path, *key_path;
};

struct trust;

/* Errors name the file: ERR_NOT_FOUND, ERR_IO, ERR_INVALID (not what it should be), ERR_VERIFY (does not fit to the
 * others). A CRL past its nextUpdate and an own certificate past its end load. */
int trust_load(const struct trust_files *files, struct trust **ret, struct err *e) WARN_UNUSED;
struct trust *trust_hold(struct trust *t);
void trust_drop(struct trust *t); /* NULL is fine */

/* Lives as long as @t. TLS 1.3 only, certificate of the peer required, no session is ever resumed. */
SSL_CTX *trust_context(const struct trust *t);
const struct pki_cert *trust_own(const struct trust *t);
/* The lists in use, one per CA; returns how many. */
size_t trust_crls(const struct trust *t, struct pki_crl ret[PKI_CRLS_MAX]);
/* ERR_CONFLICT (trust.crl-older) when @next has an older list of a CA than @now. */
int trust_check_update(const struct trust *now, const struct trust *next, struct err *e) WARN_UNUSED;
uint64_t trust_crl_next_update(const struct trust *t); /* seconds since 1970, the earliest */

bool trust_is_revoked(const struct trust *t, const char *serial);

/* Chain, dates, CRL of @cert now: an X509_V_ code. @x belongs to the handshake; trust_verify_again() makes its own, for
 * a peer that was let in under an earlier trust. A stale CRL is no error: it still says who was revoked. */
int trust_verify(X509_STORE_CTX *x);
int trust_verify_again(const struct trust *t, X509 *cert, bool is_server);

#endif
