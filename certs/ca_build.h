/* Certificates and CRLs built and signed with OpenSSL: ca.c's other half, for nobody else. The caller frees @ret. */
#ifndef TB_CERTS_CA_BUILD_H
#define TB_CERTS_CA_BUILD_H

#include <openssl/types.h>

#include "certs/ca.h"

/* A self-signed root for @key. @federation was checked. */
int ca_build_root(const char *federation, EVP_PKEY *key, uint64_t not_before_s, uint64_t not_after_s, X509 **ret,
                  struct err *e) WARN_UNUSED;

/* A node certificate from a request; checks every part of it. */
int ca_build_node(const char *federation, X509 *issuer, EVP_PKEY *issuer_key, const struct ca_request *r, X509 **ret,
                  struct err *e) WARN_UNUSED;

/* The revoked entries of @index, those that expired more than @keep_s ago left out. */
int ca_build_crl(X509 *issuer, EVP_PKEY *issuer_key, const struct ca_index *index, uint64_t now_s, uint64_t next_s,
                 uint64_t keep_s, X509_CRL **ret, struct err *e) WARN_UNUSED;

#endif
