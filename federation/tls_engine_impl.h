/* Inside of the TLS engine, for tls_engine.c (the node's identity, NNG's configs), tls_engine_conn.c (one connection) and
 * tls_engine_verify.c (who its peer is) only.
 *
 * Locks: NNG calls the operations of a connection under that connection's lock; below it we take `lock` (data) or `cb_lock`
 * (callbacks), never both, and call nothing of NNG but nng_tls_engine_send/recv. Those of a config run while an endpoint is
 * set up or torn down.
 */
#ifndef TB_FEDERATION_TLS_ENGINE_IMPL_H
#define TB_FEDERATION_TLS_ENGINE_IMPL_H

#include <nng/nng.h>
#include <nng/supplemental/tls/engine.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "certs/trust.h"
#include "federation/tls_engine.h"

#define TLS_ENGINE_EARLY_BYTES 8u      /* the SP header */
#define TLS_ENGINE_OUT_BYTES_MAX 4096u /* of a message go out with its length and header; one event does */

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

enum tls_engine_conn_state { TLS_ENGINE_CONN_SHAKING, TLS_ENGINE_CONN_FLUSHING, TLS_ENGINE_CONN_OPEN };

/*   SHAKING ──handshake done──► FLUSHING ──early bytes written──► OPEN        `failed` may be set in each */
struct nng_tls_engine_conn {
    struct tls_engine *engine; /* holds; NULL while conn_init() has not run, and conn_fini() may still be called */
    void *tcp;                 /* NNG's handle for nng_tls_engine_send/recv */
    struct trust *trust;       /* holds: its context outlives the SSL made of it */
    SSL *ssl;
    bool is_server;
    uint32_t code;
    enum tls_engine_conn_state state;
    bool is_counted; /* in handshakes_open */
    bool is_heard;   /* the peer has sent data, so it let us in: with TLS 1.3 a client is done before that is known */
    bool is_reported;
    int failed; /* NNG error, 0 while well */
    uint64_t start_ms;
    uint64_t heard_ms;
    uint64_t generation;  /* of the engine when the peer was judged last */
    struct pki_cert peer; /* once judged */
    uint32_t claimed;     /* code in a certificate our CA signed, let in or not */
    uint8_t early[TLS_ENGINE_EARLY_BYTES];
    size_t early_size;
    bool is_greeted;   /* NNG's SP header has been accepted: what follows are messages */
    uint64_t out_left; /* of the message under way: what NNG still has to hand over */
    uint8_t out[TLS_ENGINE_OUT_BYTES_MAX];
    size_t out_size;                   /* accepted from NNG, not written yet */
    size_t out_offered;                /* behind that: in a record that has begun, to be accepted when it is written */
    enum tls_engine_failure_kind kind; /* with `reason`, set where the fact is known */
    char reason[sizeof((struct tls_engine_failure *)0)->text];
};

/* ---- tls_engine.c ---- */

/* One reference more, one less; the last one frees. */
void tls_engine_hold(struct tls_engine *t);
void tls_engine_drop(struct tls_engine *t);
/* The trust in force, held for the caller: trust_drop(). */
struct trust *tls_engine_trust(struct tls_engine *t);
/* Asks the owner; false when it has closed. */
bool tls_engine_is_member(struct tls_engine *t, uint32_t code);
/* Counts @failure and tells the owner, if it has not closed. */
void tls_engine_report(struct tls_engine *t, const struct tls_engine_failure *failure);

/* ---- tls_engine_conn.c: called by NNG, under the connection's lock ---- */

extern nng_tls_engine_conn_ops tls_engine_conn_ops;
/* Once, before the first connection. */
void tls_engine_conn_prepare(void);
/* Notes why; the first reason stays, later errors are its consequences. */
void tls_engine_conn_note(struct nng_tls_engine_conn *c, enum tls_engine_failure_kind kind, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* Final, for the reason noted, which is reported. Returns NNG's code. */
int tls_engine_conn_fail(struct nng_tls_engine_conn *c);

/* ---- tls_engine_verify.c: under the connection's lock ---- */

/* OpenSSL's question about the peer's certificate: 1 lets it in. The error decides which alert the peer gets. */
int tls_engine_verify_peer(X509_STORE_CTX *x, void *arg);
/* Judges the peer of an open connection again when trust or members changed, or its certificate ran out. 0, or NNG's code
 * after the connection has failed. */
int tls_engine_verify_again(struct nng_tls_engine_conn *c) WARN_UNUSED;

#endif
