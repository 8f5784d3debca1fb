/* Node: builds all parts of the daemon, in one order, and takes them down in the reverse one. */
#ifndef TB_NODE_NODE_H
#define TB_NODE_NODE_H

#include "node/config.h"

struct node;

/* Starts everything; on return the node serves. @config is borrowed for life. Errors name what could not be had (file,
 * port, key) and leave nothing running. */
int node_start(const struct config *config, struct node **ret, struct err *e) WARN_UNUSED;
/* Runs until SIGTERM or SIGINT; SIGHUP reads certificates, revocations and the member list again, one that has come while it started
 * at once. */
void node_run(struct node *n);
void node_destroy(struct node *n); /* NULL is fine */

/* Checks config, keys, certificates, member list and catalog without starting anything. */
int node_check(const struct config *config, struct err *e) WARN_UNUSED;
/* Verifies the stored ledgers without a daemon and prints what was checked on standard output. */
int node_verify(const struct config *config, struct err *e) WARN_UNUSED;

#endif
