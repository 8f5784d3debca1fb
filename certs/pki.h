/* What a certificate of the federation says, in our own words: no OpenSSL type here.
 *
 * A node certificate carries the node's identity once, as a URI SAN (RFC 5280 s4.2.1.6):
 *
 *     tongban://<federation>/node/<code>?name=<name, RFC 3986 percent-encoded UTF-8>
 *
 * with exactly one spelling per identity, and the same name as common name for human eyes. The CA's is
 * tongban://<federation>/ca. DNS names and addresses are for tools; trust hangs on the URI.
 *
 * Any thread; nothing is kept.
 */
#ifndef TB_CERTS_PKI_H
#define TB_CERTS_PKI_H

#include <stdbool.h>
#include <stdint.h>

#include "node/base/bytes.h"
#include "node/base/limits.h"

#define PKI_SERIAL_BYTES 16u
#define PKI_SERIAL_BYTES_MAX 20u /* RFC 5280 s4.1.2.2 */
#define PKI_SERIAL_TEXT_SIZE (2 * PKI_SERIAL_BYTES_MAX + 1)
#define PKI_URI_BYTES_MAX 512u
#define PKI_CODE_MIN 100000u /* division codes of GB/T 2260: six digits */
#define PKI_CODE_MAX 999999u
#define PKI_DATE_TEXT_SIZE 11

struct pki_node {
    char federation[FEDERATION_NAME_BYTES_MAX + 1];
    uint32_t code;
    char name[NODE_NAME_BYTES_MAX + 1];
};

struct pki_cert {
    struct pki_node node;
    char serial[PKI_SERIAL_TEXT_SIZE]; /* lower-case hex */
    uint64_t not_before_s;             /* seconds since 1970 */
    uint64_t not_after_s;
};

/* A revocation list in use, by the CA that signed it: its number (RFC 5280 s5.2.3) only grows, so that an older list
 * cannot bring a revoked node back. */
#define PKI_CRLS_MAX 4u
struct pki_crl {
    char issuer[17]; /* hex of the first 8 bytes of SHA-256(the CA's public key info) */
    uint64_t number; /* 0 when the list has none */
};

/* Lower-case host-name letters: [a-z0-9.-], 1..FEDERATION_NAME_BYTES_MAX, no dot or hyphen at either end. */
int pki_check_federation(const char *name, struct err *e) WARN_UNUSED;
/* UTF-8, 1..NODE_NAME_BYTES_MAX bytes and at most 64 characters (X.520 ub-common-name), no '%', white space, control
 * or direction character. */
int pki_check_node_name(const char *name, struct err *e) WARN_UNUSED;
int pki_check_code(uint32_t code, struct err *e) WARN_UNUSED;
/* A DNS name (letters, digits, hyphen, dot) or an IPv4/IPv6 address. */
int pki_check_host(const char *host, struct err *e) WARN_UNUSED;

/* @out holds PKI_URI_BYTES_MAX bytes. @node has passed the checks above. */
void pki_uri_encode(const struct pki_node *node, char *out);
/* Accepts exactly what pki_uri_encode() writes. ERR_INVALID. */
int pki_uri_decode(struct bytes uri, struct pki_node *ret, struct err *e) WARN_UNUSED;

/* A node certificate in PEM (the first one, what follows is ignored). Says what stands in it; verifies nothing.
 * ERR_INVALID, ERR_LIMIT. */
int pki_cert_parse(struct bytes pem, struct pki_cert *ret, struct err *e) WARN_UNUSED;
/* The same from a file; errors name it. */
int pki_cert_load(const char *path, struct pki_cert *ret, struct err *e) WARN_UNUSED;

/* "2026-11-20", UTC. */
void pki_format_date(uint64_t time_s, char out[PKI_DATE_TEXT_SIZE]);

#endif
