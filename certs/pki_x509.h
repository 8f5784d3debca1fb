/* X.509 objects of OpenSSL and back: shared by certs/ and federation/tls_engine*.c, for nobody else.
 *
 * Ownership follows OpenSSL: what a function hands out in @ret is the caller's to free with X509_free() and so on.
 * Any thread.
 */
#ifndef TB_CERTS_PKI_X509_H
#define TB_CERTS_PKI_X509_H

#include <openssl/x509.h>

#include "certs/pki.h"

/* Sets @e to the text, ": " and OpenSSL's latest reason if there is one, and empties OpenSSL's error queue. */
int pki_x509_error(struct err *e, int code, const char *id, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* A source that reads @text (at most 2 GB, borrowed until BIO_free()); unlike BIO_new_mem_buf() it takes an empty one. */
BIO *pki_x509_source(struct bytes text);

/* The first certificate of @pem. ERR_INVALID. */
int pki_x509_read(struct bytes pem, X509 **ret, struct err *e) WARN_UNUSED;
/* The same from a file, which errors name. */
int pki_x509_load(const char *path, X509 **ret, struct err *e) WARN_UNUSED;

/* Identity, serial and dates of a node certificate. ERR_INVALID when it has no identity, two, or a common name that
 * differs from it. */
int pki_x509_describe(X509 *x, struct pki_cert *ret, struct err *e) WARN_UNUSED;
/* Federation name of a CA certificate; @out holds FEDERATION_NAME_BYTES_MAX + 1 bytes. ERR_INVALID. */
int pki_x509_ca_federation(X509 *x, char *out, struct err *e) WARN_UNUSED;

/* Seconds since 1970; times before that are 0. */
uint64_t pki_x509_time(const ASN1_TIME *t);
/* Lower-case hex into PKI_SERIAL_TEXT_SIZE bytes; longer than RFC 5280 allows gives "". */
void pki_x509_serial(const ASN1_INTEGER *serial, char *out);
ASN1_INTEGER *pki_x509_serial_parse(const char *hex); /* NULL when @hex is no such text */

/* The object as PEM text appended to @out. */
void pki_x509_put_cert(struct buf *out, X509 *x);
void pki_x509_put_crl(struct buf *out, X509_CRL *crl);
void pki_x509_put_request(struct buf *out, X509_REQ *r);

#endif
