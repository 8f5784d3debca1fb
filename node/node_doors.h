/* The doors through which the API is asked, as the configuration names them: the unix socket in the node's folder, TCP on
 * loopback with api.token if wanted, and the one for anybody who wants a checkpoint cosigned. Loop thread.
 */
#ifndef TB_NODE_NODE_DOORS_H
#define TB_NODE_NODE_DOORS_H

#include "node/config.h"
#include "node/http/server.h"
#include "node/loop.h"

/* Zeroed by its owner before node_doors_start(). */
struct node_doors {
    struct http_server *http, *witness_http; /* the second NULL = no such door */
    int stopping;                            /* doors that are not closed yet */
    void (*stopped_cb)(void *ctx);
    void *ctx;
};

/* Early: what is wrong in the configuration is told before a ledger is made. */
int node_doors_check(const struct config *c, struct err *e) WARN_UNUSED;
/* Opens all; after an error none is open, but the loop has to run once more. @loop and @app are kept until the doors have
 * stopped. */
int node_doors_start(struct node_doors *d, const struct config *c, struct loop *loop, struct app *app,
                     struct err *e) WARN_UNUSED;
/* Once, of doors that are open: each answers what waits and closes; then @stopped_cb, from the loop. */
void node_doors_stop(struct node_doors *d, void (*stopped_cb)(void *ctx), void *ctx);

#endif
