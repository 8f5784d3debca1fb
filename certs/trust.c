/* Loading and checking a node's trust (see trust.h).
 *
 * What goes wrong with certificates goes wrong at night, when somebody renewed one file and not the other. So every
 * pair is checked here, when the files are loaded and before anything is replaced, and not in the first handshake.
 */
#include "certs/trust.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "certs/crypto.h"
#include "certs/keystore_pem.h"
#include "certs/pki_x509.h"
#include "node/base/file.h"
#include "node/base/map.h"
#include "node/base/xassert.h"

#define CA_COUNT_MAX 4
_Static_assert(CA_COUNT_MAX == PKI_CRLS_MAX, "one list per CA");
/* NNG's send ring holds 16,384 bytes and a full TLS record is longer than that (16,406): stay below, so that a record
 * always fits into an empty ring. */
#define SEND_FRAGMENT 16352
#define PEER_CERT_BYTES_MAX 16384 /* a peer sends one certificate of about 700 bytes */

struct trust {
    atomic_uint refs;
    X509 *ca[CA_COUNT_MAX];
    bool ca_has_crl[CA_COUNT_MAX];
    size_t ca_count;
    X509_STORE *store; /* owned by ctx once there is one */
    SSL_CTX *ctx;
    struct pki_cert own;
    struct map revoked; /* serial text -> this */
    uint64_t crl_next_update_s;
    struct pki_crl crls[CA_COUNT_MAX]; /* of ca[i] */
};

/* Reads @path as a list of PEM objects, each handed to @add. */
static int read_list(struct trust *t, const char *path, size_t size_max, const char *what,
                     int (*add)(struct trust *, BIO *, const char *, bool *, struct err *), struct err *e)
{
    struct buf pem;
    int rc = file_read(path, size_max, &pem, e);
    if (rc != 0)
        return rc;
    BIO *bio = pki_x509_source(buf_bytes(&pem));
    size_t count = 0;
    for (bool is_end = false; rc == 0; count++) {
        ERR_clear_error();
        rc = add(t, bio, path, &is_end, e);
        if (is_end)
            break;
    }
    if (rc == 0 && count == 0)
        rc = err_set(e, ERR_INVALID, "trust.empty", "'%s' holds no %s in PEM form", path, what);
    ERR_clear_error();
    BIO_free(bio);
    buf_close(&pem);
    return rc;
}

/* After PEM_read_bio_X() gave NULL: whether the file just ended. */
static bool is_end_of_pem(void)
{
    unsigned long last = ERR_peek_last_error();
    return ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
}

static int add_ca(struct trust *t, BIO *bio, const char *path, bool *is_end, struct err *e)
{
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (x == NULL && is_end_of_pem()) {
        *is_end = true;
        return 0;
    }
    if (x == NULL)
        return pki_x509_error(e, ERR_INVALID, "trust.ca", "malformed CA certificate in '%s'", path);
    if (t->ca_count == CA_COUNT_MAX) {
        X509_free(x);
        return err_set(e, ERR_LIMIT, "trust.ca-count", "'%s' holds more than %d CA certificates", path, CA_COUNT_MAX);
    }
    t->ca[t->ca_count++] = x;
    int ok = X509_STORE_add_cert(t->store, x);
    return ok == 1 ? 0 : pki_x509_error(e, ERR_INVALID, "trust.ca", "cannot use a CA certificate in '%s'", path);
}

static int check_ca(const struct trust *t, const struct trust_files *f, struct err *e)
{
    for (size_t i = 0; i < t->ca_count; i++) {
        char federation[FEDERATION_NAME_BYTES_MAX + 1];
        if (pki_x509_ca_federation(t->ca[i], federation, e) != 0)
            return err_wrap(e, "'%s'", f->ca_path);
        if (strcmp(federation, f->federation) != 0)
            return err_set(e, ERR_VERIFY, "trust.other-federation",
                           "'%s' is the CA of federation '%s', this node is of '%s'", f->ca_path, federation,
                           f->federation);
    }
    return 0;
}

static uint64_t crl_number(X509_CRL *crl)
{
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    uint64_t value = 0;
    if (number != NULL && ASN1_INTEGER_get_uint64(&value, number) != 1)
        value = 0;
    ASN1_INTEGER_free(number);
    return value;
}

/* CA number @i has this list. */
static void note_crl(struct trust *t, size_t i, X509_CRL *crl)
{
    unsigned char *der = NULL;
    uint8_t hash[CRYPTO_HASH_SIZE];
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(t->ca[i]), &der);
    xassert(size > 0);
    crypto_sha256_one(der, (size_t)size, hash);
    OPENSSL_free(der);
    hex_encode(hash, 8, t->crls[i].issuer);
    t->crls[i].number = max_of(t->crls[i].number, crl_number(crl));
    t->ca_has_crl[i] = true;
}

/* Notes what @crl revokes and puts it into the store. */
static int take_crl(struct trust *t, X509_CRL *crl, const char *path, struct err *e)
{
    const X509_NAME *issuer = X509_CRL_get_issuer(crl);
    bool is_signed = false;
    for (size_t i = 0; i < t->ca_count; i++) {
        if (X509_NAME_cmp(issuer, X509_get_subject_name(t->ca[i])) == 0 &&
            X509_CRL_verify(crl, X509_get0_pubkey(t->ca[i])) == 1) {
            note_crl(t, i, crl);
            is_signed = true;
        }
    }
    if (!is_signed)
        return pki_x509_error(e, ERR_VERIFY, "trust.crl-signature",
                              "the CRL in '%s' is not signed by the federation's CA", path);

    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
    uint64_t next_s = next == NULL ? 0 : pki_x509_time(next);
    if (t->crl_next_update_s == 0 || next_s < t->crl_next_update_s)
        t->crl_next_update_s = next_s;
    STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);
    for (int i = 0; i < sk_X509_REVOKED_num(list); i++) {
        char serial[PKI_SERIAL_TEXT_SIZE];
        pki_x509_serial(X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(list, i)), serial);
        (void)map_put(&t->revoked, serial, strlen(serial), t); /* twice is once */
    }
    int ok = X509_STORE_add_crl(t->store, crl);
    return ok == 1 ? 0 : pki_x509_error(e, ERR_INVALID, "trust.crl", "cannot use the CRL in '%s'", path);
}

static int add_crl(struct trust *t, BIO *bio, const char *path, bool *is_end, struct err *e)
{
    X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
    if (crl == NULL && is_end_of_pem()) {
        *is_end = true;
        return 0;
    }
    if (crl == NULL)
        return pki_x509_error(e, ERR_INVALID, "trust.crl", "malformed CRL in '%s'", path);
    int rc = take_crl(t, crl, path, e);
    X509_CRL_free(crl);
    return rc;
}

static bool is_issued_by_ours(const struct trust *t, X509 *x)
{
    for (size_t i = 0; i < t->ca_count; i++) {
        if (X509_check_issued(t->ca[i], x) == X509_V_OK && X509_verify(x, X509_get0_pubkey(t->ca[i])) == 1)
            return true;
    }
    ERR_clear_error();
    return false;
}

static int load_own(struct trust *t, const struct trust_files *f, struct err *e)
{
    X509 *x = NULL;
    EVP_PKEY *key = NULL;
    int rc = pki_x509_load(f->cert_path, &x, e);
    if (rc != 0)
        goto out;
    rc = pki_x509_describe(x, &t->own, e);
    if (rc != 0) {
        err_wrap(e, "'%s'", f->cert_path);
        goto out;
    }
    if (strcmp(t->own.node.federation, f->federation) != 0) {
        rc = err_set(e, ERR_VERIFY, "trust.other-federation",
                     "certificate '%s' is of federation '%s', this node is of '%s'", f->cert_path,
                     t->own.node.federation, f->federation);
        goto out;
    }
    if (!is_issued_by_ours(t, x)) {
        rc = err_set(e, ERR_VERIFY, "trust.other-ca", "certificate '%s' was not issued by the CA in '%s'", f->cert_path,
                     f->ca_path);
        goto out;
    }
    rc = keystore_pem_load(f->key_path, "EC", &key, e);
    if (rc != 0)
        goto out;
    if (X509_check_private_key(x, key) != 1) {
        rc = pki_x509_error(e, ERR_VERIFY, "trust.key-mismatch", "key '%s' does not belong to certificate '%s'",
                            f->key_path, f->cert_path);
        goto out;
    }
    if (SSL_CTX_use_certificate(t->ctx, x) != 1 || SSL_CTX_use_PrivateKey(t->ctx, key) != 1)
        rc = pki_x509_error(e, ERR_INVALID, "trust.own", "cannot use certificate '%s'", f->cert_path);

out:
    EVP_PKEY_free(key);
    X509_free(x);
    return rc;
}

static void set_up_context(SSL_CTX *ctx)
{
    /* Tickets and resumption would let a revoked or expired peer back in without a look at its certificate. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_NO_TX_CERTIFICATE_COMPRESSION | SSL_OP_NO_RX_CERTIFICATE_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(ctx, 0); /* nodes hang directly on the CA */
    SSL_CTX_set_max_cert_list(ctx, PEER_CERT_BYTES_MAX);
    /* A hybrid with ML-KEM first: what is recorded today must not be readable by a quantum computer later. */
    bool ok = SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
              SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 && SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
              SSL_CTX_set_max_early_data(ctx, 0) == 1 && SSL_CTX_set_recv_max_early_data(ctx, 0) == 1 &&
              SSL_CTX_set1_groups_list(ctx, "X25519MLKEM768:X25519:P-256") == 1 &&
              SSL_CTX_set_max_send_fragment(ctx, SEND_FRAGMENT) == 1;
    xassert(ok);
}

int trust_load(const struct trust_files *f, struct trust **ret, struct err *e)
{
    struct trust *t = xcalloc(1, sizeof *t);
    atomic_init(&t->refs, 1);
    map_init(&t->revoked, 0); /* serials are the CA's random numbers */
    t->ctx = SSL_CTX_new(TLS_method());
    t->store = X509_STORE_new();
    xassert(t->ctx != NULL && t->store != NULL);
    SSL_CTX_set_cert_store(t->ctx, t->store); /* takes it */
    X509_STORE_set_flags(t->store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_X509_STRICT);
    set_up_context(t->ctx);

    int rc = read_list(t, f->ca_path, PEM_FILE_BYTES_MAX, "certificate", add_ca, e);
    if (rc == 0)
        rc = check_ca(t, f, e);
    if (rc == 0)
        rc = read_list(t, f->crl_path, CRL_FILE_BYTES_MAX, "CRL", add_crl, e);
    for (size_t i = 0; rc == 0 && i < t->ca_count; i++) {
        if (!t->ca_has_crl[i])
            rc = err_set(e, ERR_VERIFY, "trust.crl-missing", "'%s' holds no CRL for CA certificate %zu of '%s'",
                         f->crl_path, i + 1, f->ca_path);
    }
    if (rc == 0)
        rc = load_own(t, f, e);
    if (rc != 0) {
        trust_drop(t);
        return rc;
    }
    *ret = t;
    return 0;
}

struct trust *trust_hold(struct trust *t)
{
    unsigned before = atomic_fetch_add(&t->refs, 1);
    xassert(before > 0);
    return t;
}

void trust_drop(struct trust *t)
{
    if (t == NULL || atomic_fetch_sub(&t->refs, 1) != 1)
        return;
    for (size_t i = 0; i < t->ca_count; i++)
        X509_free(t->ca[i]);
    SSL_CTX_free(t->ctx);
    map_close(&t->revoked);
    free(t);
}

SSL_CTX *trust_context(const struct trust *t)
{
    return t->ctx;
}

const struct pki_cert *trust_own(const struct trust *t)
{
    return &t->own;
}

size_t trust_crls(const struct trust *t, struct pki_crl ret[PKI_CRLS_MAX])
{
    memcpy(ret, t->crls, sizeof t->crls);
    return t->ca_count;
}

int trust_check_update(const struct trust *now, const struct trust *next, struct err *e)
{
    for (size_t i = 0; i < now->ca_count; i++)
        for (size_t k = 0; k < next->ca_count; k++)
            if (strcmp(now->crls[i].issuer, next->crls[k].issuer) == 0 && next->crls[k].number < now->crls[i].number)
                return err_set(e, ERR_CONFLICT, "trust.crl-older", "revocation list %llu is older than %llu, in use",
                               (unsigned long long)next->crls[k].number, (unsigned long long)now->crls[i].number);
    return 0;
}

uint64_t trust_crl_next_update(const struct trust *t)
{
    return t->crl_next_update_s;
}

bool trust_is_revoked(const struct trust *t, const char *serial)
{
    return map_get(&t->revoked, serial, strlen(serial)) != NULL;
}

/* No node stops working because its CA is away: a CRL that is overdue is reported to the operator and still counts. */
static int tolerate_stale_crl(int ok, X509_STORE_CTX *x)
{
    int error = X509_STORE_CTX_get_error(x);
    if (!ok && (error == X509_V_ERR_CRL_HAS_EXPIRED || error == X509_V_ERR_CRL_NOT_YET_VALID)) {
        X509_STORE_CTX_set_error(x, X509_V_OK);
        return 1;
    }
    return ok;
}

int trust_verify(X509_STORE_CTX *x)
{
    X509_STORE_CTX_set_verify_cb(x, tolerate_stale_crl);
    int ok = X509_verify_cert(x);
    int error = X509_STORE_CTX_get_error(x);
    if (ok != 1 && error == X509_V_OK)
        error = X509_V_ERR_UNSPECIFIED;
    return ok == 1 ? X509_V_OK : error;
}

int trust_verify_again(const struct trust *t, X509 *cert, bool is_server)
{
    X509_STORE_CTX *x = X509_STORE_CTX_new();
    xassert(x != NULL);
    int error = X509_V_ERR_UNSPECIFIED;
    if (X509_STORE_CTX_init(x, t->store, cert, NULL) == 1 &&
        X509_STORE_CTX_set_default(x, is_server ? "ssl_client" : "ssl_server") == 1)
        error = trust_verify(x);
    X509_STORE_CTX_free(x);
    ERR_clear_error();
    return error;
}
