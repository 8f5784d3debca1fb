/* The OpenSSL engine under NNG's tls+tcp (see tls_engine.h).
 *
 * Happy path: tls_engine_secure_dialer() makes an NNG config bound to a `struct tls_engine` -> NNG connects, conn_init()
 * takes the current trust -> the transport sends its 8-byte SP header: conn_send() keeps it -> the transport wants the
 * peer's header: conn_recv() starts the handshake -> NNG calls conn_handshake() whenever bytes came or went ->
 * verify_peer() judges the certificate -> our header goes out first thing inside TLS -> the peer's comes in, the pipe
 * appears, tls_engine_pipe_peer() says whose it is.
 *
 * Failure modes: every failure is final for its connection (`failed` is sticky), is reported once, and never returns
 * NNG_ECLOSED or NNG_ECANCELED, which NNG takes for the end of the whole listener or dialer.
 *
 * Why the header is kept: NNG has no handshake deadline. The transport gives its header exchange 10 s, but the timer of a
 * waiting *send* aborts a TCP send that is not there, and the socket stays for ever. Accepting the 8 bytes at once lets
 * the transport go on to its *receive*, whose timer aborts the pending TCP receive: a peer that says nothing is gone
 * after 10 s. A peer that dribbles bytes meets `handshake_ms` at its next byte, also if that byte raced with the timer.
 * Nothing may touch TCP before that receive waits: NNG tells an error of TCP only to operations that wait at that moment,
 * and one that comes later would wait for ever.
 *
 * Why messages are gathered: NNG hands over a message in three pieces, its length, its header and its body, each when its threads
 * have seen the one before off. As a TLS record each they are three packets, three system calls here and as many wakings of
 * the peer's poller and its threads; so the first two are kept until the third (or OUT_BYTES_MAX) makes them worth a record.
 * Nothing is kept longer than NNG needs to hand over the rest of the message.
 *
 * Locks: NNG calls conn_*() under its connection's lock; below it we take `lock` (data) or `cb_lock` (callbacks), never
 * both, and call nothing of NNG but nng_tls_engine_send/recv. config_*() run while an endpoint is set up or torn down.
 */
#include "federation/tls_engine.h"

#include <nng/nng.h>
#include <nng/supplemental/tls/engine.h>
#include <nng/supplemental/tls/tls.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/pki_x509.h"
#include "certs/trust.h"
#include "node/base/clock.h"
#include "node/base/signals.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

#define HANDSHAKE_MS_MAX 9500u /* NNG's timer: 10 s */
#define EARLY_BYTES 8u         /* the SP header */
#define LENGTH_BYTES 8u        /* before each message */
#define OUT_BYTES_MAX 4096u    /* of a message go out with its length and header; one event does */

struct tls_engine {
    struct tls_engine_options options; /* strings are our copies */

    pthread_mutex_t lock; /* guards the next five */
    unsigned refs;        /* the creator's, and one per NNG config and connection */
    struct trust *trust;
    uint32_t handshakes_open;
    uint64_t handshakes_done;
    uint64_t failures[TLS_ENGINE_FAILURE_COUNT];

    atomic_uint_fast64_t generation; /* counts reloads and changes of the members */

    pthread_mutex_t cb_lock; /* held while a callback runs */
    bool is_closed;          /* no callback any more */
};

struct nng_tls_engine_config {
    struct tls_engine *engine; /* holds; NULL in configs that NNG made for itself */
    bool is_server;
    uint32_t code; /* of the node to be dialled */
};

enum conn_state { CONN_SHAKING, CONN_FLUSHING, CONN_OPEN };

/*   SHAKING ──handshake done──► FLUSHING ──early bytes written──► OPEN        `failed` may be set in each */
struct nng_tls_engine_conn {
    struct tls_engine *engine; /* holds; NULL while conn_init() has not run, and conn_fini() may still be called */
    void *tcp;                 /* NNG's handle for nng_tls_engine_send/recv */
    struct trust *trust;       /* holds: its context outlives the SSL made of it */
    SSL *ssl;
    bool is_server;
    uint32_t code;
    enum conn_state state;
    bool is_counted; /* in handshakes_open */
    bool is_heard;   /* the peer has sent data, so it let us in: with TLS 1.3 a client is done before that is known */
    bool is_reported;
    int failed; /* NNG error, 0 while well */
    uint64_t start_ms;
    uint64_t heard_ms;
    uint64_t generation;  /* of the engine when the peer was judged last */
    struct pki_cert peer; /* once judged */
    uint32_t claimed;     /* code in a certificate our CA signed, let in or not */
    uint8_t early[EARLY_BYTES];
    size_t early_size;
    bool is_greeted;   /* NNG's SP header has been accepted: what follows are messages */
    uint64_t out_left; /* of the message under way: what NNG still has to hand over */
    uint8_t out[OUT_BYTES_MAX];
    size_t out_size;                   /* accepted from NNG, not written yet */
    size_t out_offered;                /* behind that: in a record that has begun, to be accepted when it is written */
    enum tls_engine_failure_kind kind; /* with `reason`, set where the fact is known */
    char reason[sizeof((struct tls_engine_failure *)0)->text];
};

static const char *const failure_names[] = {
#define X(kind, name) name,
    TLS_ENGINE_FAILURES(X)
#undef X
};

const char *tls_engine_failure_name(enum tls_engine_failure_kind kind)
{
    xassert(kind < TLS_ENGINE_FAILURE_COUNT);
    return failure_names[kind];
}

/* ---- the engine's own state ---- */

static void engine_hold(struct tls_engine *t)
{
    pthread_mutex_lock(&t->lock);
    t->refs++;
    pthread_mutex_unlock(&t->lock);
}

static void engine_drop(struct tls_engine *t)
{
    pthread_mutex_lock(&t->lock);
    bool is_last = --t->refs == 0;
    pthread_mutex_unlock(&t->lock);
    if (!is_last)
        return;
    trust_drop(t->trust);
    pthread_mutex_destroy(&t->lock);
    pthread_mutex_destroy(&t->cb_lock);
    const char *const texts[] = {t->options.federation, t->options.ca_path, t->options.crl_path, t->options.cert_path,
                                 t->options.key_path};
    for (size_t i = 0; i < array_count(texts); i++)
        free((void *)(uintptr_t)texts[i]);
    free(t);
}

static struct trust *engine_trust(struct tls_engine *t)
{
    pthread_mutex_lock(&t->lock);
    struct trust *trust = trust_hold(t->trust);
    pthread_mutex_unlock(&t->lock);
    return trust;
}

static bool engine_is_member(struct tls_engine *t, uint32_t code)
{
    pthread_mutex_lock(&t->cb_lock);
    bool is_member = !t->is_closed && t->options.is_member_cb(t->options.ctx, code);
    pthread_mutex_unlock(&t->cb_lock);
    return is_member;
}

static void engine_report(struct tls_engine *t, const struct tls_engine_failure *failure)
{
    pthread_mutex_lock(&t->lock);
    t->failures[failure->kind]++;
    pthread_mutex_unlock(&t->lock);
    pthread_mutex_lock(&t->cb_lock);
    if (!t->is_closed && t->options.failed_cb != NULL)
        t->options.failed_cb(t->options.ctx, failure);
    pthread_mutex_unlock(&t->cb_lock);
}

/* ---- failures of one connection ---- */

/* Notes why; the first reason stays, later errors are its consequences. */
static void PRINTF_LIKE(3, 4)
    conn_note(struct nng_tls_engine_conn *c, enum tls_engine_failure_kind kind, const char *fmt, ...)
{
    if (c->reason[0] != '\0')
        return;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(c->reason, sizeof c->reason, fmt, args);
    va_end(args);
    utf8_trim_partial(c->reason);
    c->kind = kind;
}

static void conn_report(struct nng_tls_engine_conn *c)
{
    struct tls_engine_failure failure = {
        .kind = c->kind, .is_server = c->is_server, .dialled = c->code, .code = c->claimed};
    if (c->is_reported)
        return;
    c->is_reported = true;
    memcpy(failure.text, c->reason, sizeof failure.text);
    engine_report(c->engine, &failure);
}

/* Takes the connection out of the half-open ones. */
static void conn_uncount(struct nng_tls_engine_conn *c, bool is_done)
{
    pthread_mutex_lock(&c->engine->lock);
    if (c->is_counted)
        c->engine->handshakes_open--;
    if (is_done)
        c->engine->handshakes_done++;
    pthread_mutex_unlock(&c->engine->lock);
    c->is_counted = false;
}

/* Final. NNG_EPEERAUTH lets a listener accept the next one at once (others cost it 100 ms). */
static int conn_fail(struct nng_tls_engine_conn *c)
{
    xassert(c->reason[0] != '\0');
    c->failed = NNG_EPEERAUTH;
    conn_uncount(c, false);
    conn_report(c);
    return c->failed;
}

/* Texts for X.509 errors, with date and serial of the certificate they are about. */
static void note_x509_error(struct nng_tls_engine_conn *c, int error, X509 *cert)
{
    char serial[PKI_SERIAL_TEXT_SIZE] = "", date[PKI_DATE_TEXT_SIZE];
    if (cert != NULL)
        pki_x509_serial(X509_get0_serialNumber(cert), serial);

    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        pki_format_date(pki_x509_time(X509_get0_notAfter(cert)), date);
        conn_note(c, TLS_ENGINE_EXPIRED, "certificate expired %s (serial %s)", date, serial);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        pki_format_date(pki_x509_time(X509_get0_notBefore(cert)), date);
        conn_note(c, TLS_ENGINE_NOT_YET_VALID, "certificate not valid before %s (serial %s): is a clock wrong?", date,
                  serial);
        break;
    case X509_V_ERR_CERT_REVOKED:
        conn_note(c, TLS_ENGINE_REVOKED, "certificate revoked (serial %s)", serial);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        conn_note(c, TLS_ENGINE_UNTRUSTED, "certificate is not from this federation's CA");
        break;
    default:
        conn_note(c, TLS_ENGINE_UNTRUSTED, "certificate refused: %s", X509_verify_cert_error_string(error));
    }
}

/* What is left in OpenSSL's queue after a call failed. */
static void note_tls_error(struct nng_tls_engine_conn *c, int ssl_error)
{
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);
    const char *text = ERR_reason_error_string(error);
    if (ssl_error != SSL_ERROR_SSL || error == 0)
        conn_note(c, TLS_ENGINE_GONE, "peer left %s",
                  c->state == CONN_SHAKING ? "during the handshake" : "without a word");
    else if (ERR_GET_LIB(error) != ERR_LIB_SSL)
        conn_note(c, TLS_ENGINE_PROTOCOL, "TLS failed: %s", text == NULL ? "unknown error" : text);
    else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        conn_note(c, TLS_ENGINE_NO_CERTIFICATE, "no client certificate");
    else if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        conn_note(c, TLS_ENGINE_GONE, "peer left during the handshake");
    else if (reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION)
        conn_note(c, TLS_ENGINE_VERSION, "peer speaks no TLS 1.3");
    else if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_WRONG_SSL_VERSION)
        conn_note(c, TLS_ENGINE_VERSION, "TLS 1.2 or older refused (TLS 1.3 is needed)");
    else if (reason >= SSL_AD_REASON_OFFSET)
        conn_note(c, TLS_ENGINE_REFUSED, "peer refused us: %s",
                  SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    else
        conn_note(c, TLS_ENGINE_PROTOCOL, "not a TLS 1.3 handshake: %s", text == NULL ? "unknown error" : text);
}

/* ---- who the peer is ---- */

/* Federation, node and membership of a certificate whose chain holds. */
static bool is_welcome(struct nng_tls_engine_conn *c, X509 *cert, struct pki_cert *ret)
{
    struct err e = {0};
    const char *federation = c->engine->options.federation;
    if (pki_x509_describe(cert, ret, &e) != 0) {
        conn_note(c, TLS_ENGINE_UNTRUSTED, "%s", e.message);
        return false;
    }
    c->claimed = ret->node.code;
    if (strcmp(ret->node.federation, federation) != 0)
        conn_note(c, TLS_ENGINE_WRONG_NODE, "certificate is of federation '%s'", ret->node.federation);
    else if (!c->is_server && ret->node.code != c->code)
        conn_note(c, TLS_ENGINE_WRONG_NODE, "dialled %u, but %u answered", c->code, ret->node.code);
    else if (!engine_is_member(c->engine, ret->node.code))
        conn_note(c, TLS_ENGINE_NOT_MEMBER, "not a member: %u", ret->node.code);
    else
        return true;
    return false;
}

/* OpenSSL's question about the peer's certificate: 1 lets it in. The error decides which alert the peer gets. */
static int verify_peer(X509_STORE_CTX *x, void *arg)
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

/* Judges the peer of an open connection again when trust or members changed, or its certificate ran out. */
static int conn_recheck(struct nng_tls_engine_conn *c)
{
    uint64_t generation = atomic_load(&c->engine->generation);
    if (clock_wall_ms() / 1000 > c->peer.not_after_s) {
        note_x509_error(c, X509_V_ERR_CERT_HAS_EXPIRED, SSL_get0_peer_certificate(c->ssl));
        return conn_fail(c);
    }
    if (generation == c->generation)
        return 0;

    struct trust *trust = engine_trust(c->engine);
    X509 *cert = SSL_get0_peer_certificate(c->ssl);
    struct pki_cert peer;
    int error = trust_verify_again(trust, cert, c->is_server);
    trust_drop(trust);
    if (error != X509_V_OK)
        note_x509_error(c, error, cert);
    if (error != X509_V_OK || !is_welcome(c, cert, &peer))
        return conn_fail(c);
    c->generation = generation;
    return 0;
}

/* ---- OpenSSL's way to NNG's TCP stream ---- */

static BIO_METHOD *bio_method;

static int bio_write(BIO *bio, const char *data, size_t size, size_t *ret_size)
{
    struct nng_tls_engine_conn *c = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    int rv = nng_tls_engine_send(c->tcp, (const uint8_t *)data, &size);
    if (rv == NNG_EAGAIN)
        BIO_set_retry_write(bio);
    *ret_size = rv == 0 ? size : 0;
    return rv == 0;
}

static int bio_read(BIO *bio, char *out, size_t size, size_t *ret_size)
{
    struct nng_tls_engine_conn *c = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    int rv = nng_tls_engine_recv(c->tcp, (uint8_t *)out, &size);
    if (rv == NNG_EAGAIN)
        BIO_set_retry_read(bio);
    *ret_size = rv == 0 ? size : 0;
    return rv == 0;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH; /* NNG sends what it has without being told */
}

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "nng");
    xassert(bio_method != NULL);
    int ok = BIO_meth_set_write_ex(bio_method, bio_write) & BIO_meth_set_read_ex(bio_method, bio_read) &
             BIO_meth_set_ctrl(bio_method, bio_ctrl);
    xassert(ok == 1);
}

/* ---- connections, called by NNG ---- */

/* Whether one more stranger may shake hands. */
static bool conn_count(struct nng_tls_engine_conn *c)
{
    pthread_mutex_lock(&c->engine->lock);
    bool is_free = !c->is_server || c->engine->handshakes_open < c->engine->options.handshakes_max;
    if (c->is_server && is_free) {
        c->engine->handshakes_open++;
        c->is_counted = true;
    }
    pthread_mutex_unlock(&c->engine->lock);
    return is_free;
}

static int conn_init(nng_tls_engine_conn *c, void *tcp, nng_tls_engine_config *config)
{
    if (config->engine == NULL)
        return NNG_ENOTSUP; /* an endpoint nobody secured: no connection rather than an open door */
    engine_hold(config->engine);
    c->engine = config->engine;
    c->is_server = config->is_server;
    c->code = config->code;
    c->tcp = tcp;
    c->start_ms = clock_mono_ms();
    if (!conn_count(c)) {
        conn_note(c, TLS_ENGINE_BUSY, "%u unfinished handshakes: one more refused", c->engine->options.handshakes_max);
        (void)conn_fail(c);
        return NNG_ECONNABORTED;
    }

    c->trust = engine_trust(c->engine);
    ERR_clear_error();
    c->ssl = SSL_new(trust_context(c->trust));
    BIO *bio = BIO_new(bio_method);
    xassert(c->ssl != NULL && bio != NULL);
    BIO_set_data(bio, c);
    BIO_set_init(bio, 1);
    SSL_set_bio(c->ssl, bio, bio); /* takes it */
    SSL_set_app_data(c->ssl, c);
    if (c->is_server)
        SSL_set_accept_state(c->ssl);
    else
        SSL_set_connect_state(c->ssl);
    return 0;
}

static int conn_shake(struct nng_tls_engine_conn *c)
{
    if (clock_mono_ms() - c->start_ms > c->engine->options.handshake_ms) {
        conn_note(c, TLS_ENGINE_TIMEOUT, "handshake not done after %u ms", c->engine->options.handshake_ms);
        return conn_fail(c);
    }
    ERR_clear_error();
    int ok = SSL_do_handshake(c->ssl);
    if (ok == 1) {
        xassert(c->peer.node.code != 0 && SSL_version(c->ssl) == TLS1_3_VERSION);
        c->state = CONN_FLUSHING;
        c->heard_ms = clock_mono_ms();
        conn_uncount(c, true);
        return 0;
    }
    int error = SSL_get_error(c->ssl, ok);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return NNG_EAGAIN;
    note_tls_error(c, error);
    return conn_fail(c);
}

/* After a failed read or write: NNG_EAGAIN, or the end. */
static int conn_io_error(struct nng_tls_engine_conn *c)
{
    int error = SSL_get_error(c->ssl, 0);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return NNG_EAGAIN;
    if (c->is_heard || error == SSL_ERROR_ZERO_RETURN) { /* the end of a connection that stood, not our business */
        c->failed = NNG_ECONNSHUT;
        return c->failed;
    }
    note_tls_error(c, error);
    return conn_fail(c);
}

static int conn_flush(struct nng_tls_engine_conn *c)
{
    while (c->early_size > 0) {
        size_t size = 0;
        ERR_clear_error();
        if (SSL_write_ex(c->ssl, c->early, c->early_size, &size) != 1)
            return conn_io_error(c);
        c->early_size -= size;
        memmove(c->early, c->early + size, c->early_size);
    }
    c->state = CONN_OPEN;
    return 0;
}

/* 0 once data may flow. */
static int conn_handshake(nng_tls_engine_conn *c)
{
    int rv = c->failed;
    if (rv == 0 && c->state == CONN_SHAKING)
        rv = conn_shake(c);
    if (rv == 0 && c->state == CONN_FLUSHING)
        rv = conn_flush(c);
    return rv;
}

static int conn_recv(nng_tls_engine_conn *c, uint8_t *out, size_t *size)
{
    int rv = conn_handshake(c);
    if (rv == 0)
        rv = conn_recheck(c);
    if (rv != 0)
        return rv;

    size_t got = 0;
    ERR_clear_error();
    if (SSL_read_ex(c->ssl, out, *size, &got) != 1)
        return conn_io_error(c);
    xassert(got > 0);
    c->is_heard = true;
    c->heard_ms = clock_mono_ms();
    *size = got;
    return 0;
}

static int conn_write(nng_tls_engine_conn *c, const uint8_t *data, size_t *size)
{
    size_t sent = 0;
    ERR_clear_error();
    if (SSL_write_ex(c->ssl, data, *size, &sent) != 1)
        return conn_io_error(c);
    xassert(sent > 0);
    *size = sent;
    return 0;
}

/* Accepts the beginning of a message without writing it. True: that was all of @data, and there is more to come. */
static bool conn_gather(nng_tls_engine_conn *c, const uint8_t *data, size_t size)
{
    if (c->out_left == 0) {
        xassert(size == LENGTH_BYTES && c->out_size == 0);
        c->out_left = LENGTH_BYTES + get_be64(data);
    }
    size_t taken = min_of(size, sizeof c->out - c->out_size);
    memcpy(c->out + c->out_size, data, taken);
    if (taken == c->out_left || c->out_size + taken == sizeof c->out) {
        c->out_offered = taken;
        return false;
    }
    c->out_size += taken;
    c->out_left -= taken;
    return true;
}

/* One piece of a message. A piece that makes a record is accepted only when that is written: NNG comes again otherwise. */
static int conn_send_piece(nng_tls_engine_conn *c, const uint8_t *data, size_t *size)
{
    bool is_begun = c->out_left > 0 && c->out_size == 0;
    if (!is_begun && c->out_offered == 0 && conn_gather(c, data, *size))
        return 0;
    size_t total = c->out_size + c->out_offered;
    int rv = total > 0 ? conn_write(c, c->out, &total) : conn_write(c, data, size);
    if (rv != 0)
        return rv;
    if (c->out_offered > 0) {
        xassert(total == c->out_size + c->out_offered); /* less than a record is written whole */
        *size = c->out_offered;
        c->out_size = c->out_offered = 0;
    }
    xassert(*size <= c->out_left);
    c->out_left -= *size;
    return 0;
}

static int conn_send(nng_tls_engine_conn *c, const uint8_t *data, size_t *size)
{
    if (c->state == CONN_SHAKING && c->failed == 0 && c->early_size == 0 && *size <= sizeof c->early) {
        memcpy(c->early, data, *size); /* the SP header, see the top */
        c->early_size = *size;
        c->is_greeted = true;
        return 0;
    }
    int rv = conn_handshake(c);
    if (rv == 0)
        rv = conn_recheck(c);
    if (rv == 0 && !c->is_greeted) {
        rv = conn_write(c, data, size);
        c->is_greeted = rv == 0;
    } else if (rv == 0) {
        rv = conn_send_piece(c, data, size);
    }
    return rv;
}

static void conn_close(nng_tls_engine_conn *c)
{
    if (c->state != CONN_OPEN || c->failed != 0)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(c->ssl); /* says goodbye if there is room to; nobody waits for the answer */
    ERR_clear_error();
}

/* Also for memory that conn_init() never saw, or gave up. */
static void conn_fini(nng_tls_engine_conn *c)
{
    if (c->engine == NULL)
        return;
    bool is_unanswered = c->state == CONN_SHAKING || (!c->is_server && !c->is_heard);
    if (is_unanswered && c->failed == 0) { /* NNG does not tell us when TCP ends: this is where we learn it */
        bool is_late = clock_mono_ms() - c->start_ms > c->engine->options.handshake_ms;
        conn_note(c, is_late ? TLS_ENGINE_TIMEOUT : TLS_ENGINE_GONE, "%s",
                  is_late ? "peer did not finish the handshake in time" : "peer left during the handshake");
        (void)conn_fail(c);
    }
    SSL_free(c->ssl);
    c->ssl = NULL;
    trust_drop(c->trust);
    c->trust = NULL;
    engine_drop(c->engine);
    c->engine = NULL;
}

static bool conn_verified(nng_tls_engine_conn *c)
{
    return c->state != CONN_SHAKING && c->failed == 0;
}

static char *conn_peer_cn(nng_tls_engine_conn *c)
{
    /* tidy: strdup, because NNG frees it with nng_strfree() and takes NULL for "no memory" */
    return conn_verified(c) ? strdup(c->peer.node.name) : NULL;
}

/* One made-up name that carries to tls_engine_pipe_peer() what NNG has no option for, and the identity itself. */
static char **conn_peer_alt_names(nng_tls_engine_conn *c)
{
    if (!conn_verified(c))
        return NULL;
    char line[128], uri[PKI_URI_BYTES_MAX];
    (void)snprintf(line, sizeof line, "tongban-peer/1 %u %s %llu %llu", c->peer.node.code, c->peer.serial,
                   (unsigned long long)c->peer.not_after_s, (unsigned long long)c->heard_ms);
    pki_uri_encode(&c->peer.node, uri);
    char **names = xcalloc(3, sizeof *names);
    names[0] = xstrdup(line);
    names[1] = xstrdup(uri);
    return names;
}

/* ---- configs, called by NNG ---- */

/* nng_tls_config_alloc() calls config_init() on our own thread: this hands it what NNG has no parameter for. */
static _Thread_local const struct nng_tls_engine_config *config_wanted;

static int config_init(nng_tls_engine_config *config, nng_tls_mode mode)
{
    config->is_server = mode == NNG_TLS_MODE_SERVER;
    if (config_wanted != NULL) {
        xassert(config_wanted->is_server == config->is_server);
        *config = *config_wanted;
        engine_hold(config->engine);
    }
    return 0;
}

static void config_fini(nng_tls_engine_config *config)
{
    if (config->engine != NULL)
        engine_drop(config->engine);
    config->engine = NULL;
}

/* NNG's own wishes: who must be at the other end is fixed in the config, and "no authentication", which NNG asks of
 * every listener, is not to be had. */
static int config_server(nng_tls_engine_config *config, const char *name)
{
    (void)config, (void)name;
    return 0;
}

static int config_auth(nng_tls_engine_config *config, nng_tls_auth_mode mode)
{
    (void)config, (void)mode;
    return 0;
}

static int config_ca_chain(nng_tls_engine_config *config, const char *certs, const char *crl)
{
    (void)config, (void)certs, (void)crl;
    return NNG_ENOTSUP;
}

static int config_own_cert(nng_tls_engine_config *config, const char *cert, const char *key, const char *pass)
{
    (void)config, (void)cert, (void)key, (void)pass;
    return NNG_ENOTSUP;
}

static int config_psk(nng_tls_engine_config *config, const char *identity, const uint8_t *key, size_t key_size)
{
    (void)config, (void)identity, (void)key, (void)key_size;
    return NNG_ENOTSUP;
}

static int config_version(nng_tls_engine_config *config, nng_tls_version min, nng_tls_version max)
{
    (void)config;
    return min <= NNG_TLS_1_3 && max >= NNG_TLS_1_3 ? 0 : NNG_ENOTSUP;
}

static nng_tls_engine_config_ops config_ops = {
    .size = sizeof(struct nng_tls_engine_config),
    .init = config_init,
    .fini = config_fini,
    .server = config_server,
    .auth = config_auth,
    .ca_chain = config_ca_chain,
    .own_cert = config_own_cert,
    .psk = config_psk,
    .version = config_version,
};

static nng_tls_engine_conn_ops conn_ops = {
    .size = sizeof(struct nng_tls_engine_conn),
    .init = conn_init,
    .fini = conn_fini,
    .close = conn_close,
    .handshake = conn_handshake,
    .recv = conn_recv,
    .send = conn_send,
    .verified = conn_verified,
    .peer_cn = conn_peer_cn,
    .peer_alt_names = conn_peer_alt_names,
};

static const nng_tls_engine nng_engine = {
    .version = NNG_TLS_ENGINE_VERSION,
    .config_ops = &config_ops,
    .conn_ops = &conn_ops,
    .name = "tongban",
    .description = "OpenSSL, TLS 1.3 with verified members",
};

static int register_result;

static void register_once(void)
{
    sigset_t before;
    signals_mask(&before);       /* for NNG's threads, which start here */
    (void)nng_tls_engine_name(); /* makes NNG set up its own engine now, which would later overwrite ours */
    signals_unmask(&before);
    make_bio_method();
    register_result = nng_tls_engine_register(&nng_engine);
}

/* ---- public ---- */

static void copy_options(struct tls_engine *t, const struct tls_engine_options *o)
{
    t->options = *o;
    t->options.federation = xstrdup(o->federation);
    t->options.ca_path = xstrdup(o->ca_path);
    t->options.crl_path = xstrdup(o->crl_path);
    t->options.cert_path = xstrdup(o->cert_path);
    t->options.key_path = xstrdup(o->key_path);
    if (o->handshakes_max == 0)
        t->options.handshakes_max = HANDSHAKES_OPEN_MAX;
    if (o->handshake_ms == 0 || o->handshake_ms > HANDSHAKE_MS_MAX)
        t->options.handshake_ms = HANDSHAKE_MS_MAX;
}

static int load_trust(const struct tls_engine_options *o, struct trust **ret, struct err *e)
{
    const struct trust_files files = {.federation = o->federation,
                                      .ca_path = o->ca_path,
                                      .crl_path = o->crl_path,
                                      .cert_path = o->cert_path,
                                      .key_path = o->key_path};
    int rc = trust_load(&files, ret, e);
    if (rc == 0)
        SSL_CTX_set_cert_verify_callback(trust_context(*ret), verify_peer, NULL);
    return rc;
}

int tls_engine_create(const struct tls_engine_options *o, struct tls_engine **ret, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct trust *trust = NULL;
    xassert(o->is_member_cb != NULL);
    int rc = pthread_once(&once, register_once);
    xassert(rc == 0);
    if (register_result != 0)
        return err_set(e, ERR_INTERNAL, "tls.register", "NNG refuses our TLS engine: %s",
                       nng_strerror(register_result));
    rc = load_trust(o, &trust, e);
    if (rc != 0)
        return rc;

    struct tls_engine *t = xcalloc(1, sizeof *t);
    copy_options(t, o);
    t->refs = 1;
    t->trust = trust;
    rc = pthread_mutex_init(&t->lock, NULL) | pthread_mutex_init(&t->cb_lock, NULL);
    xassert(rc == 0);
    atomic_init(&t->generation, 1);
    *ret = t;
    return 0;
}

int tls_engine_reload(struct tls_engine *t, struct err *e)
{
    struct trust *trust = NULL;
    int rc = load_trust(&t->options, &trust, e);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&t->lock);
    rc = trust_check_update(t->trust, trust, e);
    if (rc != 0) {
        pthread_mutex_unlock(&t->lock);
        trust_drop(trust);
        return rc;
    }
    struct trust *old = t->trust;
    t->trust = trust;
    pthread_mutex_unlock(&t->lock);
    trust_drop(old);
    atomic_fetch_add(&t->generation, 1); /* after the swap: who sees the new number judges by the new trust */
    return 0;
}

void tls_engine_members_changed(struct tls_engine *t)
{
    atomic_fetch_add(&t->generation, 1);
}

void tls_engine_destroy(struct tls_engine *t)
{
    if (t == NULL)
        return;
    pthread_mutex_lock(&t->cb_lock);
    t->is_closed = true;
    pthread_mutex_unlock(&t->cb_lock);
    engine_drop(t);
}

/* An NNG config bound to @wanted; the caller frees it. */
static int make_config(const struct nng_tls_engine_config *wanted, nng_tls_config **ret)
{
    config_wanted = wanted;
    int rv = nng_tls_config_alloc(ret, wanted->is_server ? NNG_TLS_MODE_SERVER : NNG_TLS_MODE_CLIENT);
    config_wanted = NULL;
    return rv;
}

int tls_engine_secure_listener(struct tls_engine *t, uint32_t listener_id, struct err *e)
{
    const struct nng_tls_engine_config wanted = {.engine = t, .is_server = true};
    nng_listener listener = NNG_LISTENER_INITIALIZER;
    nng_tls_config *config = NULL;
    listener.id = listener_id;
    int rv = make_config(&wanted, &config);
    if (rv == 0) {
        rv = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config);
        nng_tls_config_free(config);
    }
    return rv == 0 ? 0
                   : err_set(e, ERR_IO, "tls.listener", "cannot secure listener %u: %s", listener_id, nng_strerror(rv));
}

int tls_engine_secure_dialer(struct tls_engine *t, uint32_t dialer_id, uint32_t code, struct err *e)
{
    const struct nng_tls_engine_config wanted = {.engine = t, .code = code};
    nng_dialer dialer = NNG_DIALER_INITIALIZER;
    nng_tls_config *config = NULL;
    dialer.id = dialer_id;
    int rv = make_config(&wanted, &config);
    if (rv == 0) {
        rv = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config);
        nng_tls_config_free(config);
    }
    return rv == 0 ? 0 : err_set(e, ERR_IO, "tls.dialer", "cannot secure the dialer of %u: %s", code, nng_strerror(rv));
}

int tls_engine_pipe_peer(uint32_t pipe_id, struct tls_engine_peer *ret, struct err *e)
{
    nng_pipe pipe = NNG_PIPE_INITIALIZER;
    void *value = NULL;
    struct tls_engine_peer peer = {0};
    unsigned long long not_after_s = 0, heard_ms = 0;
    pipe.id = pipe_id;

    int rv = nng_pipe_get_ptr(pipe, NNG_OPT_TLS_PEER_ALT_NAMES, &value);
    char **names = value;
    bool ok = rv == 0 && names != NULL && names[0] != NULL &&
              sscanf(names[0], "tongban-peer/1 %u %40[0-9a-f] %llu %llu", &peer.code, peer.serial, &not_after_s,
                     &heard_ms) == 4;
    for (char **at = names; rv == 0 && at != NULL && *at != NULL; at++)
        free(*at);
    if (rv == 0)
        free(names);
    if (!ok)
        return err_set(e, ERR_AUTH, "tls.no-peer", "pipe %u has no verified peer", pipe_id);
    peer.not_after_s = not_after_s;
    peer.heard_ms = heard_ms;
    *ret = peer;
    return 0;
}

int tls_engine_check_peer(struct tls_engine *t, const struct tls_engine_peer *peer, struct err *e)
{
    char date[PKI_DATE_TEXT_SIZE];
    pki_format_date(peer->not_after_s, date);
    if (clock_wall_ms() / 1000 > peer->not_after_s)
        return err_set(e, ERR_AUTH, "tls.expired", "certificate expired %s (serial %s)", date, peer->serial);
    struct trust *trust = engine_trust(t);
    bool is_revoked = trust_is_revoked(trust, peer->serial);
    trust_drop(trust);
    if (is_revoked)
        return err_set(e, ERR_AUTH, "tls.revoked", "certificate revoked (serial %s)", peer->serial);
    if (!engine_is_member(t, peer->code))
        return err_set(e, ERR_DENIED, "tls.not-member", "not a member: %u", peer->code);
    return 0;
}

void tls_engine_status(struct tls_engine *t, struct tls_engine_status *ret)
{
    pthread_mutex_lock(&t->lock);
    ret->own = *trust_own(t->trust);
    ret->crl_next_update_s = trust_crl_next_update(t->trust);
    ret->crl_count = trust_crls(t->trust, ret->crls);
    ret->handshakes_open = t->handshakes_open;
    ret->handshakes_done = t->handshakes_done;
    memcpy(ret->failures, t->failures, sizeof ret->failures);
    pthread_mutex_unlock(&t->lock);
}
