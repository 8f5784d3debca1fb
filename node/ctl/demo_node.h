/* The two nodes of a demo peer: their folder, made with the set-up commands, and the peer's daemon as a child process.
 *
 *   DIR/ca     certificate authority of the little federation
 *   DIR/peer   the simulated province: its daemon is started here; log in DIR/peer.log
 *   DIR/own    a node for the developer's platform, ready to be started
 *
 * The daemon dies with this process. One thread.
 */
#ifndef TB_CTL_DEMO_NODE_H
#define TB_CTL_DEMO_NODE_H

#include <sys/types.h>

#include "node/ctl/ctl.h"

struct demo_node {
    struct ctl *ctl;
    const char *peer_dir, *own_dir, *ca_dir, *log_path;
    const char *program; /* tongband */
    pid_t pid;           /* 0 = not running */
    uint64_t started_ms; /* monotonic */
};

/* Makes what is missing of the folder c->dir; a second time changes nothing but the revocation list. */
int demo_node_setup(struct ctl *c, struct demo_node *ret, struct err *e) WARN_UNUSED;
/* Starts the daemon, once none from before has the folder any more, and waits until its API answers. */
int demo_node_start(struct demo_node *n, struct err *e) WARN_UNUSED;
/* SIGTERM, and waits for its end. */
void demo_node_stop(struct demo_node *n);
/* Whether the daemon has ended of itself since it was started. */
bool demo_node_has_ended(struct demo_node *n);

#endif
