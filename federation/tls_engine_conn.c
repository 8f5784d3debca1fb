/* One TLS connection under NNG's tls+tcp (see tls_engine_impl.h): from conn_init() to conn_fini(), called by NNG's threads.
 *
 * Happy path: conn_init() takes the current trust -> the transport sends its 8-byte SP header: conn_send() keeps it -> the
 * transport wants the peer's header: conn_recv() starts the handshake -> NNG calls conn_handshake() whenever bytes came or
 * went -> tls_engine_verify_peer() judges the certificate -> our header goes out first thing inside TLS -> the peer's comes
 * in, the pipe appears.
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
 * the peer's poller and its threads; so the first two are kept until the third (or TLS_ENGINE_OUT_BYTES_MAX) makes them worth a
 * record. Nothing is kept longer than NNG needs to hand over the rest of the message.
 */
#include "federation/tls_engine_impl.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/base/bytes.h"
#include "node/base/clock.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

#define LENGTH_BYTES 8u /* before each message */

/* ---- failures ---- */

void tls_engine_conn_note(struct nng_tls_engine_conn *c, enum tls_engine_failure_kind kind, const char *fmt, ...)
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
    tls_engine_report(c->engine, &failure);
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
int tls_engine_conn_fail(struct nng_tls_engine_conn *c)
{
    xassert(c->reason[0] != '\0');
    c->failed = NNG_EPEERAUTH;
    conn_uncount(c, false);
    conn_report(c);
    return c->failed;
}

/* What is left in OpenSSL's queue after a call failed. */
static void note_tls_error(struct nng_tls_engine_conn *c, int ssl_error)
{
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);
    const char *text = ERR_reason_error_string(error);
    if (ssl_error != SSL_ERROR_SSL || error == 0)
        tls_engine_conn_note(c, TLS_ENGINE_GONE, "peer left %s",
                             c->state == TLS_ENGINE_CONN_SHAKING ? "during the handshake" : "without a word");
    else if (ERR_GET_LIB(error) != ERR_LIB_SSL)
        tls_engine_conn_note(c, TLS_ENGINE_PROTOCOL, "TLS failed: %s", text == NULL ? "unknown error" : text);
    else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        tls_engine_conn_note(c, TLS_ENGINE_NO_CERTIFICATE, "no client certificate");
    else if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        tls_engine_conn_note(c, TLS_ENGINE_GONE, "peer left during the handshake");
    else if (reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION)
        tls_engine_conn_note(c, TLS_ENGINE_VERSION, "peer speaks no TLS 1.3");
    else if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_WRONG_SSL_VERSION)
        tls_engine_conn_note(c, TLS_ENGINE_VERSION, "TLS 1.2 or older refused (TLS 1.3 is needed)");
    else if (reason >= SSL_AD_REASON_OFFSET)
        tls_engine_conn_note(c, TLS_ENGINE_REFUSED, "peer refused us: %s",
                             SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    else
        tls_engine_conn_note(c, TLS_ENGINE_PROTOCOL, "not a TLS 1.3 handshake: %s",
                             text == NULL ? "unknown error" : text);
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

void tls_engine_conn_prepare(void)
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
    tls_engine_hold(config->engine);
    c->engine = config->engine;
    c->is_server = config->is_server;
    c->code = config->code;
    c->tcp = tcp;
    c->start_ms = clock_mono_ms();
    pthread_mutex_lock(&c->engine->cb_lock);
    bool is_closed = c->engine->is_closed;
    pthread_mutex_unlock(&c->engine->cb_lock);
    if (is_closed) { /* no alert: it says "handshake failure" */
        tls_engine_conn_note(c, TLS_ENGINE_GONE, "this node is stopping");
        (void)tls_engine_conn_fail(c);
        return NNG_ECONNABORTED;
    }
    if (!conn_count(c)) {
        tls_engine_conn_note(c, TLS_ENGINE_BUSY, "%u unfinished handshakes: one more refused",
                             c->engine->options.handshakes_max);
        (void)tls_engine_conn_fail(c);
        return NNG_ECONNABORTED;
    }

    c->trust = tls_engine_trust(c->engine);
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
        tls_engine_conn_note(c, TLS_ENGINE_TIMEOUT, "handshake not done after %u ms", c->engine->options.handshake_ms);
        return tls_engine_conn_fail(c);
    }
    ERR_clear_error();
    int ok = SSL_do_handshake(c->ssl);
    if (ok == 1) {
        xassert(c->peer.node.code != 0 && SSL_version(c->ssl) == TLS1_3_VERSION);
        c->state = TLS_ENGINE_CONN_FLUSHING;
        c->heard_ms = clock_mono_ms();
        conn_uncount(c, true);
        return 0;
    }
    int error = SSL_get_error(c->ssl, ok);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return NNG_EAGAIN;
    note_tls_error(c, error);
    return tls_engine_conn_fail(c);
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
    return tls_engine_conn_fail(c);
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
    c->state = TLS_ENGINE_CONN_OPEN;
    return 0;
}

/* 0 once data may flow. */
static int conn_handshake(nng_tls_engine_conn *c)
{
    int rv = c->failed;
    if (rv == 0 && c->state == TLS_ENGINE_CONN_SHAKING)
        rv = conn_shake(c);
    if (rv == 0 && c->state == TLS_ENGINE_CONN_FLUSHING)
        rv = conn_flush(c);
    return rv;
}

static int conn_recv(nng_tls_engine_conn *c, uint8_t *out, size_t *size)
{
    int rv = conn_handshake(c);
    if (rv == 0)
        rv = tls_engine_verify_again(c);
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
    if (c->state == TLS_ENGINE_CONN_SHAKING && c->failed == 0 && c->early_size == 0 && *size <= sizeof c->early) {
        memcpy(c->early, data, *size); /* the SP header, see the top */
        c->early_size = *size;
        c->is_greeted = true;
        return 0;
    }
    int rv = conn_handshake(c);
    if (rv == 0)
        rv = tls_engine_verify_again(c);
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
    if (c->state != TLS_ENGINE_CONN_OPEN || c->failed != 0)
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
    bool is_unanswered = c->state == TLS_ENGINE_CONN_SHAKING || (!c->is_server && !c->is_heard);
    if (is_unanswered && c->failed == 0) { /* NNG does not tell us when TCP ends: this is where we learn it */
        bool is_late = clock_mono_ms() - c->start_ms > c->engine->options.handshake_ms;
        tls_engine_conn_note(c, is_late ? TLS_ENGINE_TIMEOUT : TLS_ENGINE_GONE, "%s",
                             is_late ? "peer did not finish the handshake in time" : "peer left during the handshake");
        (void)tls_engine_conn_fail(c);
    }
    SSL_free(c->ssl);
    c->ssl = NULL;
    trust_drop(c->trust);
    c->trust = NULL;
    tls_engine_drop(c->engine);
    c->engine = NULL;
}

static bool conn_verified(nng_tls_engine_conn *c)
{
    return c->state != TLS_ENGINE_CONN_SHAKING && c->failed == 0;
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

nng_tls_engine_conn_ops tls_engine_conn_ops = {
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
