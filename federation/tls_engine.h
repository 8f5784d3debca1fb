/* TLS 1.3 between nodes: our OpenSSL engine under NNG's tls+tcp transport.
 *
 * A `struct tls_engine` is one node's identity and trust: its certificate and key, the federation's CA, the CRL, and the
 * question "is this code a member?" asked of the caller. tls_engine_secure_listener() and tls_engine_secure_dialer() put
 * it on an NNG endpoint; from then on every pipe of that endpoint is a verified member, or never becomes a pipe:
 * TLS 1.3 only, certificate required on both sides, chain + CRL + purpose + federation + member, and for a dialer the
 * very node it meant to dial. No resumption, tickets or early data.
 *
 * A handshake lasts 10 s at most: a peer that talks meets our deadline at its next byte, a silent one NNG's own timer.
 *
 * NNG's types stay out of this header: endpoints and pipes are named by their numbers (nng_listener_id(),
 * nng_dialer_id(), nng_pipe_id()). All functions may be called from any thread, but not from inside the callbacks.
 */
#ifndef TB_FEDERATION_TLS_ENGINE_H
#define TB_FEDERATION_TLS_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "certs/pki.h"
#include "node/base/err.h"

/* kind, name in metrics: why a handshake failed, or a standing connection was ended */
#define TLS_ENGINE_FAILURES(X)                                                                                         \
    X(GONE, "gone")                     /* the peer left without a reason */                                           \
    X(TIMEOUT, "timeout")               /* handshake not done within handshake_ms */                                   \
    X(BUSY, "busy")                     /* over handshakes_max */                                                      \
    X(PROTOCOL, "protocol")             /* not TLS, or broken TLS */                                                   \
    X(VERSION, "version")               /* TLS 1.2 or older */                                                         \
    X(NO_CERTIFICATE, "no_certificate") /* a client without certificate */                                             \
    X(UNTRUSTED, "untrusted")           /* not from this federation's CA, or not fit for the purpose */                \
    X(EXPIRED, "expired")               /* certificate not valid any more */                                           \
    X(NOT_YET_VALID, "not_yet_valid")   /* certificate not valid yet: look at both clocks */                           \
    X(REVOKED, "revoked")                                                                                              \
    X(WRONG_NODE, "wrong_node") /* the dialled address answered as another node or another federation */               \
    X(NOT_MEMBER, "not_member")                                                                                        \
    X(REFUSED, "refused") /* the peer refused us, its alert says why */

enum tls_engine_failure_kind {
#define X(kind, name) TLS_ENGINE_##kind,
    TLS_ENGINE_FAILURES(X)
#undef X
        TLS_ENGINE_FAILURE_COUNT
};

const char *tls_engine_failure_name(enum tls_engine_failure_kind kind);

struct tls_engine_failure {
    enum tls_engine_failure_kind kind;
    bool is_server;   /* we were dialled */
    uint32_t dialled; /* the node our dialer meant; 0 on a server */
    uint32_t code;    /* what the peer's certificate says, once our CA's signature on it held; else 0 */
    char text[224];   /* for the operator: "certificate expired 2026-11-20 (serial 3f…)", "not a member: 650000" */
};

/* Who is at the other end of a pipe. */
struct tls_engine_peer {
    uint32_t code;
    char serial[PKI_SERIAL_TEXT_SIZE]; /* lower-case hex */
    uint64_t not_after_s;              /* seconds since 1970 */
    uint64_t heard_ms;                 /* when data came from it last (clock_mono_ms); the handshake counts */
};

struct tls_engine_options {
    const char *federation;  /* name every peer's certificate must carry */
    const char *ca_path;     /* PEM, one or more CA certificates (two while a CA is replaced) */
    const char *crl_path;    /* PEM, one CRL per CA; past its nextUpdate it still counts (rule: nothing stops because
                                 a third party is away), see tls_engine_status.crl_next_update_s */
    const char *cert_path;   /* PEM, our certificate */
    const char *key_path;    /* PEM, its key */
    uint32_t handshakes_max; /* unfinished handshakes of dialling strangers; 0 = HANDSHAKES_OPEN_MAX */
    uint32_t handshake_ms;   /* 0 = 9500, which is the most: NNG's timer for silent peers fires at 10 s */

    /* Both run on NNG's threads, must not block, and must not call into this module or NNG.
     * @is_member_cb: whether the node @code is in the member list now. Required.
     * @failed_cb: one failed handshake; not rate-limited. NULL = nobody listens. */
    bool (*is_member_cb)(void *ctx, uint32_t code);
    void (*failed_cb)(void *ctx, const struct tls_engine_failure *failure);
    void *ctx; /* kept until tls_engine_destroy() returns */
};

struct tls_engine_status {
    struct pki_cert own;               /* our certificate */
    uint64_t crl_next_update_s;        /* the earliest of all CRLs; in the past = stale, still in force */
    struct pki_crl crls[PKI_CRLS_MAX]; /* in use */
    size_t crl_count;
    uint32_t handshakes_open; /* dialling strangers at this moment */
    uint64_t handshakes_done; /* since start, both directions */
    uint64_t failures[TLS_ENGINE_FAILURE_COUNT];
};

struct tls_engine;

/* Loads all four files and checks that they fit together (key and certificate, certificate and CA, CRL and CA,
 * federation). Copies @o and its strings. Our own certificate may be expired: that is the peers' to refuse. Errors name
 * the file. */
int tls_engine_create(const struct tls_engine_options *o, struct tls_engine **ret, struct err *e) WARN_UNUSED;

/* Reads the files again. On success new connections use them, standing pipes live on except those whose peer is
 * revoked or no member now: they end at their next byte in either direction (the link ends idle ones, see
 * tls_engine_check_peer). On failure everything stays as it was. */
int tls_engine_reload(struct tls_engine *t, struct err *e) WARN_UNUSED;

/* To be called after the member list changed: standing pipes ask is_member_cb again at their next byte. */
void tls_engine_members_changed(struct tls_engine *t);

/* No callback runs after it returns; handshakes of endpoints that still use @t fail. NULL is fine. */
void tls_engine_destroy(struct tls_engine *t);

/* Before the endpoint is started. The endpoint holds @t until it is closed. ERR_IO when NNG refuses (already started,
 * not a tls+tcp address). */
int tls_engine_secure_listener(struct tls_engine *t, uint32_t listener_id, struct err *e) WARN_UNUSED;
int tls_engine_secure_dialer(struct tls_engine *t, uint32_t dialer_id, uint32_t code, struct err *e) WARN_UNUSED;

/* The verified peer of a pipe, from NNG_PIPE_EV_ADD_PRE on. ERR_AUTH for a pipe that is not ours.
 *
 * A pipe whose @heard_ms stays behind the peer's pings is dead and must be closed by the link: NNG 1.10.1 forgets the end
 * of a TCP connection that comes while no operation waits on it (right after the handshake, most of all), and such a
 * pipe would keep its socket for ever. */
int tls_engine_pipe_peer(uint32_t pipe_id, struct tls_engine_peer *ret, struct err *e) WARN_UNUSED;

/* Whether @peer would still be let in: 0, or ERR_AUTH / ERR_DENIED with the reason (expired, revoked, no member). The
 * link asks it for every pipe after a reload and now and then, and closes those that fail. Runs is_member_cb on the
 * caller's thread. */
int tls_engine_check_peer(struct tls_engine *t, const struct tls_engine_peer *peer, struct err *e) WARN_UNUSED;

void tls_engine_status(struct tls_engine *t, struct tls_engine_status *ret);

#endif
