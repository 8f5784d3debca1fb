/* The files that the configuration names, read and checked against each other: who the node is and whom it knows, the data it
 * serves, and whom else it cosigns. Nothing runs yet, and nothing is written; node.c builds the parts from these. Any thread.
 */
#ifndef TB_NODE_NODE_FILES_H
#define TB_NODE_NODE_FILES_H

#include "catalog/calendar.h"
#include "catalog/catalog.h"
#include "catalog/region.h"
#include "federation/ledger/policy.h"
#include "federation/members.h"
#include "node/config.h"

/* Who we are and whom we know; read from files, checked against each other. */
struct node_identity {
    struct members members;
    const struct member *self;               /* in members */
    struct crypto_signer *key, *witness_key; /* of the ledger, of cosignatures */
    struct note_signer signer, witness;      /* made of these */
    struct crypto_hpke_key *seal_key;        /* case keys are sealed for it */
};

/* Fails when a file is open to others, a key is not the one that the member list names, or the list does not name this node. After
 * an error, too, node_files_close_identity() frees what is there. @ret is zeroed by the caller. */
int node_files_load_identity(const struct config *c, struct node_identity *ret, struct err *e) WARN_UNUSED;
void node_files_close_identity(struct node_identity *id);
/* The member list alone, as node_files_load_identity() reads it; members_close(). */
int node_files_load_members(const struct config *c, struct members *ret, struct err *e) WARN_UNUSED;
/* Peers would take us for the node that the certificate names, and refuse what our ledger says. */
int node_files_check_certificate(const struct config *c, struct err *e) WARN_UNUSED;

int node_files_load_regions(const struct config *c, struct region_table **ret, struct err *e) WARN_UNUSED;
int node_files_load_calendar(const struct config *c, struct calendar **ret, struct err *e) WARN_UNUSED;
/* NULL when the node publishes nothing. Every problem in it is logged. */
int node_files_load_catalog(const struct config *c, struct catalog **ret, struct err *e) WARN_UNUSED;
/* Further ledgers that are cosigned here, and external witnesses, in @mem; @ret untouched when no policy is named. */
int node_files_load_policy(const struct config *c, struct arena *mem, struct policy *ret, struct err *e) WARN_UNUSED;

/* The first line of a file, without its end. ERR_INVALID "node.empty-file". */
int node_files_read_line(const char *path, char *out, size_t size, struct err *e) WARN_UNUSED;

#endif
