/* Who the peer of a connection is (see tls_engine_impl.h): chain, revocation and purpose by certs/trust, then federation, node
 * and membership; at the handshake, and again for as long as the connection stands. Whatever is wrong is noted with the
 * certificate's date or serial, in words for the operator. On NNG's threads.
 */
#include "federation/tls_engine_impl.h"

#include <openssl/x509.h>
#include <string.h>

#include "certs/pki_x509.h"
#include "node/base/clock.h"

/* Texts for X.509 errors, with date and serial of the certificate they are about. */
static void note_x509_error(struct nng_tls_engine_conn *c, int error, X509 *cert)
{
    char serial[PKI_SERIAL_TEXT_SIZE] = "", date[PKI_DATE_TEXT_SIZE];
    if (cert != NULL)
        pki_x509_serial(X509_get0_serialNumber(cert), serial);

    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        pki_format_date(pki_x509_time(X509_get0_notAfter(cert)), date);
        tls_engine_conn_note(c, TLS_ENGINE_EXPIRED, "certificate expired %s (serial %s)", date, serial);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        pki_format_date(pki_x509_time(X509_get0_notBefore(cert)), date);
        tls_engine_conn_note(c, TLS_ENGINE_NOT_YET_VALID,
                             "certificate not valid before %s (serial %s): is a clock wrong?", date, serial);
        break;
    case X509_V_ERR_CERT_REVOKED:
        tls_engine_conn_note(c, TLS_ENGINE_REVOKED, "certificate revoked (serial %s)", serial);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        tls_engine_conn_note(c, TLS_ENGINE_UNTRUSTED, "certificate is not from this federation's CA");
        break;
    default:
        tls_engine_conn_note(c, TLS_ENGINE_UNTRUSTED, "certificate refused: %s", X509_verify_cert_error_string(error));
    }
}

/* Federation, node and membership of a certificate whose chain holds. */
static bool is_welcome(struct nng_tls_engine_conn *c, X509 *cert, struct pki_cert *ret)
{
    struct err e = {0};
    const char *federation = c->engine->options.federation;
    if (pki_x509_describe(cert, ret, &e) != 0) {
        tls_engine_conn_note(c, TLS_ENGINE_UNTRUSTED, "%s", e.message);
        return false;
    }
    c->claimed = ret->node.code;
    if (strcmp(ret->node.federation, federation) != 0)
        tls_engine_conn_note(c, TLS_ENGINE_WRONG_NODE, "certificate is of federation '%s'", ret->node.federation);
    else if (!c->is_server && ret->node.code != c->code)
        tls_engine_conn_note(c, TLS_ENGINE_WRONG_NODE, "dialled %u, but %u answered", c->code, ret->node.code);
    else if (!tls_engine_is_member(c->engine, ret->node.code))
        tls_engine_conn_note(c, TLS_ENGINE_NOT_MEMBER, "not a member: %u", ret->node.code);
    else
        return true;
    return false;
}

int tls_engine_verify_peer(X509_STORE_CTX *x, void *arg)
{
    (void)arg;
    const SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct nng_tls_engine_conn *c = SSL_get_app_data(ssl);
    struct pki_cert peer;

    /* Before looking, so that a change during the look makes us look again. */
    c->generation = atomic_load(&c->engine->generation);
    int error = trust_verify(x);
    if (error != X509_V_OK) {
        X509 *about = X509_STORE_CTX_get_current_cert(x);
        note_x509_error(c, error, about == NULL ? X509_STORE_CTX_get0_cert(x) : about);
        X509_STORE_CTX_set_error(x, error);
        return 0;
    }
    if (!is_welcome(c, X509_STORE_CTX_get0_cert(x), &peer)) {
        X509_STORE_CTX_set_error(x, X509_V_ERR_APPLICATION_VERIFICATION);
        return 0;
    }
    c->peer = peer;
    return 1;
}

int tls_engine_verify_again(struct nng_tls_engine_conn *c)
{
    uint64_t generation = atomic_load(&c->engine->generation);
    if (clock_wall_ms() / 1000 > c->peer.not_after_s) {
        note_x509_error(c, X509_V_ERR_CERT_HAS_EXPIRED, SSL_get0_peer_certificate(c->ssl));
        return tls_engine_conn_fail(c);
    }
    if (generation == c->generation)
        return 0;

    struct trust *trust = tls_engine_trust(c->engine);
    X509 *cert = SSL_get0_peer_certificate(c->ssl);
    struct pki_cert peer;
    int error = trust_verify_again(trust, cert, c->is_server);
    trust_drop(trust);
    if (error != X509_V_OK)
        note_x509_error(c, error, cert);
    if (error != X509_V_OK || !is_welcome(c, cert, &peer))
        return tls_engine_conn_fail(c);
    c->generation = generation;
    return 0;
}
