/* Files link: the socket for files beside the one for events (PROTOCOL.md, "Files"): its own port, its own connections, the same
 * TLS profile and the same members. Where others listen for files they say in HELLO: a port, on the host of their address in the
 * member list. A peer is dialled when something is to be fetched from it, and then stays connected. Loop thread.
 */
#ifndef TB_NODE_FILES_LINK_H
#define TB_NODE_FILES_LINK_H

#include "federation/link_nng.h"
#include "federation/members.h"
#include "node/fetches.h"
#include "node/replication.h"

struct files_link;

struct files_link_config {
    uint32_t code;
    const char *listen_url;
    const struct members *members;        /* kept; its content may be replaced, then call files_link_reload() */
    const struct tls_engine_options *tls; /* borrowed for the call; failed_cb is not used */
    struct replication *replication;      /* kept: knows the peers' ports */
    struct fetches *fetches;              /* kept: hears and sends */
};

int files_link_open(const struct files_link_config *config, struct files_link **ret, struct err *e) WARN_UNUSED;
/* The fetches' wish, as long as @peer is not connected: dials it when its port is known; at once, when its connection for events has
 * come back since. @ctx is the files link. */
void files_link_dial(void *ctx, uint32_t peer);
/* Certificates, revocations or members changed. */
int files_link_reload(struct files_link *l, struct err *e) WARN_UNUSED;
/* Ends all connections; the fetches get no link any more. NULL is fine. */
void files_link_close(struct files_link *l);

/* The port in @url, 0 when there is none. */
uint16_t files_link_port_of(const char *url);

#endif
