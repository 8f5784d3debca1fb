/* What this node has trusted once may not be replaced by something older, not even across a restart: the store remembers
 * the newest member list and the newest revocation list of each CA. Loop thread.
 */
#ifndef TB_NODE_TRUST_FLOOR_H
#define TB_NODE_TRUST_FLOOR_H

#include "federation/members.h"
#include "federation/tls_engine.h"
#include "node/ledger.h"

/* All borrowed for the call. */
struct trust_floor {
    struct ledger *ledger;
    struct tls_engine *tls; /* with the revocation lists in use */
    const struct members *members;
};

/* Refuses lists older than those noted: ERR_CONFLICT "members.older", "trust.crl-older". */
int trust_floor_check(const struct trust_floor *t, struct err *e) WARN_UNUSED;
/* Notes the lists in use, once everything stands; nothing while the ledger takes no writes: at the next start or reload. */
void trust_floor_note(const struct trust_floor *t);

#endif
