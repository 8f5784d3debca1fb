/* X.509 v3 certificates and v2 CRLs of the federation (RFC 5280), see ca_build.h.
 *
 * Root: pathlen 0 (it signs nodes, no further CAs), keyCertSign and cRLSign. Node: digitalSignature, for TLS client and
 * server alike, because every node dials and is dialled. Serials are 127 random bits (s4.1.2.2).
 */
#include "certs/ca_build.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "certs/crypto.h"
#include "certs/pki_x509.h"
#include "node/base/xassert.h"

static bool set_serial(X509 *x)
{
    uint8_t raw[PKI_SERIAL_BYTES];
    char hex[PKI_SERIAL_TEXT_SIZE];
    crypto_random(raw, sizeof raw);
    raw[0] = (uint8_t)((raw[0] & 0x7f) | 0x40); /* positive, and always 16 bytes */
    hex_encode(raw, sizeof raw, hex);
    ASN1_INTEGER *serial = pki_x509_serial_parse(hex);
    xassert(serial != NULL);
    bool ok = X509_set_serialNumber(x, serial) == 1;
    ASN1_INTEGER_free(serial);
    return ok;
}

static bool set_times(X509 *x, uint64_t not_before_s, uint64_t not_after_s)
{
    return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)not_before_s) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(x), (time_t)not_after_s) != NULL;
}

static bool set_subject(X509 *x, const char *organisation, const char *common_name)
{
    X509_NAME *name = X509_NAME_new();
    xassert(name != NULL);
    bool ok =
        X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)organisation, -1, -1, 0) == 1 &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) == 1 &&
        X509_set_subject_name(x, name) == 1;
    X509_NAME_free(name);
    return ok;
}

/* Extensions whose text is fixed here: nothing from outside goes through OpenSSL's configuration language. */
static bool add_fixed(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

static void add_name(GENERAL_NAMES *names, int type, const void *data, size_t size)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    xassert(name != NULL && value != NULL);
    int ok = ASN1_STRING_set(value, data, (int)size);
    xassert(ok == 1);
    GENERAL_NAME_set0_value(name, type, value);
    int count = sk_GENERAL_NAME_push(names, name);
    xassert(count > 0);
}

static bool add_alt_names(X509 *x, const char *uri, const char *const *hosts, size_t hosts_count)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    xassert(names != NULL);
    add_name(names, GEN_URI, uri, strlen(uri));
    for (size_t i = 0; i < hosts_count; i++) {
        uint8_t address[16];
        if (inet_pton(AF_INET, hosts[i], address) == 1)
            add_name(names, GEN_IPADD, address, 4);
        else if (inet_pton(AF_INET6, hosts[i], address) == 1)
            add_name(names, GEN_IPADD, address, 16);
        else
            add_name(names, GEN_DNS, hosts[i], strlen(hosts[i]));
    }
    bool ok = X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(names);
    return ok;
}

int ca_build_root(const char *federation, EVP_PKEY *key, uint64_t not_before_s, uint64_t not_after_s, X509 **ret,
                  struct err *e)
{
    char uri[PKI_URI_BYTES_MAX];
    (void)snprintf(uri, sizeof uri, "tongban://%s/ca", federation);
    char name[65]; /* X.520 ub-organization-name and ub-common-name: the URI has it whole */
    (void)snprintf(name, sizeof name, "%.60s CA", federation);

    X509 *x = X509_new();
    xassert(x != NULL);
    bool ok = X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) && set_times(x, not_before_s, not_after_s) &&
              set_subject(x, "Tongban", name) && X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 &&
              X509_set_pubkey(x, key) == 1 && add_fixed(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
              add_fixed(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
              add_fixed(x, x, NID_subject_key_identifier, "hash") && add_alt_names(x, uri, NULL, 0) &&
              X509_sign(x, key, EVP_sha256()) > 0;
    if (!ok) {
        X509_free(x);
        return pki_x509_error(e, ERR_INTERNAL, "ca.root", "cannot make the CA certificate of '%s'", federation);
    }
    *ret = x;
    return 0;
}

static int check_request(const struct ca_request *r, X509 *issuer, struct err *e)
{
    int rc = pki_check_code(r->code, e);
    if (rc == 0)
        rc = pki_check_node_name(r->name, e);
    if (rc == 0 && r->hosts_count > CERT_HOSTS_MAX)
        rc = err_set(e, ERR_LIMIT, "ca.hosts", "%zu host names, the limit is %u", r->hosts_count, CERT_HOSTS_MAX);
    for (size_t i = 0; rc == 0 && i < r->hosts_count; i++)
        rc = pki_check_host(r->hosts[i], e);
    if (rc == 0 && r->not_after_s <= r->not_before_s)
        rc = err_set(e, ERR_INVALID, "ca.validity", "the certificate's validity ends before it begins");
    if (rc == 0 && r->not_before_s >= pki_x509_time(X509_get0_notAfter(issuer)))
        rc = err_set(e, ERR_INVALID, "ca.expired", "the certificate's validity begins after the CA's own end");
    return rc;
}

/* The public key of a PKCS#10 request, once it proved that its sender has the private one. */
static int read_request(struct bytes pem, EVP_PKEY **ret, struct err *e)
{
    if (pem.size > PEM_FILE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "ca.request-size", "certificate request has %zu bytes, the limit is %u", pem.size,
                       PEM_FILE_BYTES_MAX);
    char group[32] = "";
    BIO *bio = pki_x509_source(pem);
    X509_REQ *request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    EVP_PKEY *key = request == NULL ? NULL : X509_REQ_get0_pubkey(request);
    int rc = 0;

    if (key == NULL)
        rc = pki_x509_error(e, ERR_INVALID, "ca.request", "no certificate request in PEM form");
    else if (EVP_PKEY_is_a(key, "EC") != 1 || EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 ||
             strcmp(group, "prime256v1") != 0)
        rc = err_set(e, ERR_INVALID, "ca.request-key", "the request's key is not an EC key on P-256");
    else if (X509_REQ_verify(request, key) != 1)
        rc = pki_x509_error(e, ERR_VERIFY, "ca.request-signature", "the request is not signed with its own key");
    if (rc == 0) {
        int ok = EVP_PKEY_up_ref(key);
        xassert(ok == 1);
        *ret = key;
    }
    X509_REQ_free(request);
    BIO_free(bio);
    return rc;
}

int ca_build_node(const char *federation, X509 *issuer, EVP_PKEY *issuer_key, const struct ca_request *r, X509 **ret,
                  struct err *e)
{
    EVP_PKEY *key = NULL;
    int rc = check_request(r, issuer, e);
    if (rc != 0)
        return rc;
    rc = read_request(r->csr_pem, &key, e);
    if (rc != 0)
        return rc;

    struct pki_node node = {.code = r->code};
    char uri[PKI_URI_BYTES_MAX];
    (void)snprintf(node.federation, sizeof node.federation, "%s", federation);
    (void)snprintf(node.name, sizeof node.name, "%s", r->name);
    pki_uri_encode(&node, uri);
    uint64_t end_s = min_of(r->not_after_s, pki_x509_time(X509_get0_notAfter(issuer)));

    X509 *x = X509_new();
    xassert(x != NULL);
    bool ok = X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) && set_times(x, r->not_before_s, end_s) &&
              set_subject(x, "Tongban", r->name) && X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1 &&
              X509_set_pubkey(x, key) == 1 && add_fixed(x, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
              add_fixed(x, issuer, NID_key_usage, "critical,digitalSignature") &&
              add_fixed(x, issuer, NID_ext_key_usage, "clientAuth,serverAuth") &&
              add_fixed(x, issuer, NID_subject_key_identifier, "hash") &&
              add_fixed(x, issuer, NID_authority_key_identifier, "keyid:always") &&
              add_alt_names(x, uri, r->hosts, r->hosts_count) && X509_sign(x, issuer_key, EVP_sha256()) > 0;
    EVP_PKEY_free(key);
    if (!ok) {
        X509_free(x);
        return pki_x509_error(e, ERR_INTERNAL, "ca.issue", "cannot make the certificate of node %u", r->code);
    }
    *ret = x;
    return 0;
}

static bool add_revoked(X509_CRL *crl, const struct ca_index_entry *entry)
{
    X509_REVOKED *revoked = X509_REVOKED_new();
    ASN1_INTEGER *serial = pki_x509_serial_parse(entry->serial);
    ASN1_TIME *at = ASN1_TIME_set(NULL, (time_t)entry->revoked_s);
    ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
    xassert(revoked != NULL && serial != NULL && at != NULL && reason != NULL);

    bool ok = X509_REVOKED_set_serialNumber(revoked, serial) == 1 &&
              X509_REVOKED_set_revocationDate(revoked, at) == 1 &&
              ASN1_ENUMERATED_set(reason, (long)entry->reason) == 1;
    if (ok && entry->reason != CA_INDEX_UNSPECIFIED) /* s5.3.1: unspecified is said by leaving it out */
        ok = X509_REVOKED_add1_ext_i2d(revoked, NID_crl_reason, reason, 0, 0) == 1;
    ok = ok && X509_CRL_add0_revoked(crl, revoked) == 1; /* takes it */
    if (!ok)
        X509_REVOKED_free(revoked);
    ASN1_ENUMERATED_free(reason);
    ASN1_TIME_free(at);
    ASN1_INTEGER_free(serial);
    return ok;
}

static bool add_crl_extensions(X509_CRL *crl, X509 *issuer, uint64_t number)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, NULL, NULL, crl, 0);
    X509_EXTENSION *key_id = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
    ASN1_INTEGER *n = ASN1_INTEGER_new();
    xassert(n != NULL);
    bool ok = key_id != NULL && X509_CRL_add_ext(crl, key_id, -1) == 1 && ASN1_INTEGER_set_uint64(n, number) == 1 &&
              X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0) == 1;
    ASN1_INTEGER_free(n);
    X509_EXTENSION_free(key_id);
    return ok;
}

int ca_build_crl(X509 *issuer, EVP_PKEY *issuer_key, const struct ca_index *index, uint64_t now_s, uint64_t next_s,
                 uint64_t keep_s, X509_CRL **ret, struct err *e)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)now_s), *next = ASN1_TIME_set(NULL, (time_t)next_s);
    xassert(crl != NULL && now != NULL && next != NULL);

    bool ok = X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
              X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) == 1 &&
              X509_CRL_set1_lastUpdate(crl, now) == 1 && X509_CRL_set1_nextUpdate(crl, next) == 1 &&
              add_crl_extensions(crl, issuer, index->crl_number);
    for (size_t i = 0; ok && i < index->count; i++) {
        const struct ca_index_entry *entry = &index->entries[i];
        if (entry->revoked_s != 0 && entry->not_after_s + keep_s > now_s)
            ok = add_revoked(crl, entry);
    }
    ok = ok && X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, issuer_key, EVP_sha256()) > 0;

    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    if (!ok) {
        X509_CRL_free(crl);
        return pki_x509_error(e, ERR_INTERNAL, "ca.crl", "cannot make the CRL");
    }
    *ret = crl;
    return 0;
}
