/* OpenSSL's X.509 objects read and written for the rest of certs/ (see pki_x509.h). Nothing here decides about trust:
 * that is X509_verify_cert() in federation/tls_engine_verify.c.
 */
#include "certs/pki_x509.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "node/base/file.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

int pki_x509_error(struct err *e, int code, const char *id, const char *fmt, ...)
{
    char what[200];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    utf8_trim_partial(what);

    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason == NULL ? err_set(e, code, id, "%s", what) : err_set(e, code, id, "%s: %s", what, reason);
}

BIO *pki_x509_source(struct bytes text)
{
    xassert(text.size <= INT32_MAX);
    BIO *bio = BIO_new_mem_buf(text.size == 0 ? "" : (const void *)text.data, (int)text.size);
    xassert(bio != NULL);
    return bio;
}

int pki_x509_read(struct bytes pem, X509 **ret, struct err *e)
{
    BIO *bio = pki_x509_source(pem);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (x == NULL)
        return pki_x509_error(e, ERR_INVALID, "pki.no-certificate", "no certificate in PEM form");
    *ret = x;
    return 0;
}

int pki_x509_load(const char *path, X509 **ret, struct err *e)
{
    struct buf pem;
    int rc = file_read(path, PEM_FILE_BYTES_MAX, &pem, e);
    if (rc != 0)
        return rc;
    rc = pki_x509_read(buf_bytes(&pem), ret, e);
    buf_close(&pem);
    if (rc != 0)
        err_wrap(e, "'%s'", path);
    return rc;
}

/* The URI SANs that use our scheme: their number, and the first one (borrowed from @names). */
static int find_identity(const GENERAL_NAMES *names, struct bytes *ret)
{
    static const char scheme[] = "tongban:";
    int count = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI)
            continue;
        const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
        struct bytes text = bytes_of(ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri));
        if (text.size < sizeof scheme - 1 || memcmp(text.data, scheme, sizeof scheme - 1) != 0)
            continue;
        if (count++ == 0)
            *ret = text;
    }
    return count;
}

static bool common_name_is(X509 *x, const char *expected)
{
    const X509_NAME *subject = X509_get_subject_name(x);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return false;
    unsigned char *text = NULL;
    int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    bool same = size >= 0 && (size_t)size == strlen(expected) && memcmp(text, expected, (size_t)size) == 0;
    OPENSSL_free(text);
    return same;
}

int pki_x509_describe(X509 *x, struct pki_cert *ret, struct err *e)
{
    struct pki_cert cert = {0};
    struct bytes uri = {0};
    int rc = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL); /* NULL too when there are two */

    int count = names == NULL ? 0 : find_identity(names, &uri);
    if (count != 1) {
        rc = err_set(e, ERR_INVALID, "pki.identity", "certificate names %s node identity (URI tongban://…)",
                     count == 0 ? "no" : "more than one");
        goto out;
    }
    rc = pki_uri_decode(uri, &cert.node, e);
    if (rc != 0)
        goto out;
    if (!common_name_is(x, cert.node.name)) {
        rc = err_set(e, ERR_INVALID, "pki.common-name",
                     "certificate's common name differs from the name '%s' in its URI", cert.node.name);
        goto out;
    }

    pki_x509_serial(X509_get0_serialNumber(x), cert.serial);
    if (cert.serial[0] == '\0') {
        rc = err_set(e, ERR_INVALID, "pki.serial", "certificate's serial number is not 1 to %u bytes",
                     PKI_SERIAL_BYTES_MAX);
        goto out;
    }
    cert.not_before_s = pki_x509_time(X509_get0_notBefore(x));
    cert.not_after_s = pki_x509_time(X509_get0_notAfter(x));
    *ret = cert;

out:
    GENERAL_NAMES_free(names);
    return rc;
}

int pki_x509_ca_federation(X509 *x, char *out, struct err *e)
{
    static const char prefix[] = "tongban://", suffix[] = "/ca";
    const size_t around = sizeof prefix - 1 + sizeof suffix - 1;
    struct bytes uri = {0};
    char name[FEDERATION_NAME_BYTES_MAX + 1];
    int rc = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

    if (names == NULL || X509_check_ca(x) != 1 || find_identity(names, &uri) != 1 || uri.size <= around ||
        uri.size - around > FEDERATION_NAME_BYTES_MAX || memcmp(uri.data, prefix, sizeof prefix - 1) != 0 ||
        memcmp(uri.data + uri.size - (sizeof suffix - 1), suffix, sizeof suffix - 1) != 0) {
        rc = err_set(e, ERR_INVALID, "pki.not-a-ca",
                     "certificate is not a federation's CA (URI tongban://<federation>/ca)");
        goto out;
    }
    memcpy(name, uri.data + sizeof prefix - 1, uri.size - around);
    name[uri.size - around] = '\0';
    if (memchr(name, '\0', uri.size - around) != NULL || pki_check_federation(name, NULL) != 0) {
        rc = err_set(e, ERR_INVALID, "pki.not-a-ca", "CA certificate carries a malformed federation name");
        goto out;
    }
    memcpy(out, name, strlen(name) + 1);

out:
    GENERAL_NAMES_free(names);
    return rc;
}

uint64_t pki_x509_time(const ASN1_TIME *t)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return 0;
    time_t s = timegm(&tm);
    return s < 0 ? 0 : (uint64_t)s;
}

void pki_x509_serial(const ASN1_INTEGER *serial, char *out)
{
    int size = ASN1_STRING_length(serial);
    bool is_negative = ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER;
    if (size < 1 || (unsigned)size > PKI_SERIAL_BYTES_MAX || is_negative)
        out[0] = '\0';
    else
        hex_encode(ASN1_STRING_get0_data(serial), (size_t)size, out);
}

ASN1_INTEGER *pki_x509_serial_parse(const char *hex)
{
    uint8_t raw[PKI_SERIAL_BYTES_MAX];
    size_t size = 0;
    if (hex_decode(hex, strlen(hex), raw, sizeof raw, &size) != 0 || size == 0)
        return NULL;
    BIGNUM *n = BN_bin2bn(raw, (int)size, NULL);
    xassert(n != NULL);
    ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(n, NULL);
    xassert(serial != NULL);
    BN_free(n);
    return serial;
}

static void drain(struct buf *out, BIO *bio)
{
    char *text = NULL;
    long size = BIO_get_mem_data(bio, &text);
    xassert(size > 0);
    buf_put(out, text, (size_t)size);
    BIO_free(bio);
}

void pki_x509_put_cert(struct buf *out, X509 *x)
{
    BIO *bio = BIO_new(BIO_s_mem());
    xassert(bio != NULL);
    int rc = PEM_write_bio_X509(bio, x);
    xassert(rc == 1);
    drain(out, bio);
}

void pki_x509_put_crl(struct buf *out, X509_CRL *crl)
{
    BIO *bio = BIO_new(BIO_s_mem());
    xassert(bio != NULL);
    int rc = PEM_write_bio_X509_CRL(bio, crl);
    xassert(rc == 1);
    drain(out, bio);
}

void pki_x509_put_request(struct buf *out, X509_REQ *r)
{
    BIO *bio = BIO_new(BIO_s_mem());
    xassert(bio != NULL);
    int rc = PEM_write_bio_X509_REQ(bio, r);
    xassert(rc == 1);
    drain(out, bio);
}
