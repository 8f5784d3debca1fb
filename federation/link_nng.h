/* Link over NNG: the federation's sockets on a real network (link.h has the events and the calls).
 *
 *   listener: one REP0 socket, many contexts       dialers: one REQ0 socket per peer, up to 8 requests at once
 *   ◄── LINK_REQUEST ─ accepted pipes                LINK_UP/DOWN, LINK_REPLY(_FAILED) ─ one pipe per peer ──►
 *
 * The two directions between two nodes are two connections; each side dials what it wants to ask. TLS, and with it the
 * answer to "who is this?", is federation/tls_engine.h's; a pipe of a stranger is closed before its first message.
 *
 * What NNG does not do and this file does: a request is sent at most once; a lost connection ends all its requests at
 * once; silence is noticed (an empty request is a ping, answered by the other link with an empty reply; an empty reply
 * to a real request is its refusal); a connection counts as up only when the first ping came back; a peer that
 * lets us in and closes again is dialled with growing pauses; no peer can take all contexts.
 *
 * LINK_DOWN also tells why a first or renewed dial fails, once per reason, not once per attempt. LINK_REFUSED is told at
 * most 10 times a second, the rest is counted in the next one's reason.
 *
 * Threads: calls from the loop thread only, except link_nng_handshake_failed(). Events come from foreign threads (NNG's and
 * one of the link), one at a time and in order; those of requests that link_close() ends come before it returns.
 */
#ifndef TB_FEDERATION_LINK_NNG_H
#define TB_FEDERATION_LINK_NNG_H

#include <stdbool.h>
#include <stdint.h>

#include "federation/link.h"
#include "federation/tls_engine.h"
#include "node/base/err.h"

#define LINK_NNG_URL_BYTES_MAX 256u

/* A member other than this node. */
struct link_nng_peer {
    uint32_t code;
    const char *url; /* "tls+tcp://host:port"; NULL or "" = it dials us, we do not dial it */
};

/* Copied by link_nng_open(), but @tls and @ctx are kept until link_close(). Times of 0 mean the default. */
struct link_nng_config {
    uint32_t code;          /* this node; a peer with this code is skipped */
    const char *listen_url; /* "tls+tcp://0.0.0.0:7443"; port 0 = any, see link_nng_port(); NULL = dial only */
    const struct link_nng_peer *peers;
    size_t peer_count;
    struct tls_engine *tls;
    link_event_cb event_cb; /* must not block and must not call link_close() */
    void *ctx;
    uint32_t ping_ms;        /* 5000: silence after which we ping; twice of it is a dead line. Time enough for one
                                largest message: 2 MiB in 10 s is 1.7 Mbit/s, slower lines want more */
    uint32_t backoff_min_ms; /* 100: first pause before redialling, drawn from 0..this, then doubled */
    uint32_t backoff_max_ms; /* 30000 */
    uint32_t idle_ms;        /* 120000: an accepted connection silent for this long is closed (peers ping more often) */
    uint32_t recheck_ms;     /* 60000: how often link_nng_recheck() runs by itself */
    /* The process ends behind link_close(): its sockets are left to that, since NNG can abort a process when one of them is
     * closed while something comes (link_nng_impl.h). Connections end, new ones are refused, @listen_url stays taken. Needs
     * crypto_init(), since NNG's threads may be in OpenSSL until the last moment. */
    bool is_last;

    /* TESTS ONLY, @tls NULL: no encryption, on 127.0.0.0/8 only, where the low 24 bits of an address are the code of the
     * node behind it: node 510000 listens at tcp://127.7.200.48:port and dials from there. */
    bool plain_loopback;
};

/* Since open. */
struct link_nng_stats {
    uint32_t peers, peers_up;
    uint32_t pipes_accepted; /* open now */
    uint32_t requests_open;  /* peers' requests waiting for link_reply(), or their answers for being sent, now */
    uint64_t requests_received;
    uint64_t requests_refused; /* over a limit, answered by an empty reply */
    uint64_t requests_sent;
    uint64_t requests_failed; /* LINK_REPLY_FAILED */
    uint64_t connections_refused;
    uint64_t lines_dead; /* connections closed for silence */
};

/* Bounds NNG's threads (process-wide; 13 and more by default): @task_threads 2..8 callbacks at once, one each for polling
 * and timers, four for names, since a dead name server blocks the one that asks it. Must run before anything else that touches NNG, tls_engine_create() too; later calls do nothing. */
void link_nng_limit_threads(unsigned task_threads);

/* Listens and starts dialling; the first events may come before it returns. Errors: ERR_INVALID (an address, a duplicate peer), ERR_LIMIT (peers), ERR_IO (address
 * in use, …), what the TLS engine says. */
int link_nng_open(const struct link_nng_config *config, struct link **ret, struct err *e) WARN_UNUSED;

/* Port listened on, 0 when dial only. */
uint16_t link_nng_port(const struct link *l);

/* The member list changed: adds, removes, redials where the address differs, keeps the rest. Pipes of removed peers are
 * closed and their open requests fail before it returns. A peer whose address NNG cannot use gets a LINK_DOWN that says so
 * and may still dial us. ERR_INVALID and ERR_LIMIT change nothing; ERR_IO: out of resources, some peers are missing. */
int link_nng_set_peers(struct link *l, const struct link_nng_peer *peers, size_t count, struct err *e) WARN_UNUSED;

/* Certificates, CRL or members changed: closes every pipe whose peer would not be let in any more, with the reason. */
void link_nng_recheck(struct link *l);

/* The TLS engine's failed_cb of this node forwards here: becomes LINK_REFUSED, or the reason of the next LINK_DOWN. Any
 * thread, until link_close() is called: a late handshake may still fail after that, so the forwarder must stop first. */
void link_nng_handshake_failed(struct link *l, const struct tls_engine_failure *failure);

void link_nng_stats(const struct link *l, struct link_nng_stats *ret);

#endif
