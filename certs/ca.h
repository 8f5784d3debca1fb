/* The federation's certificate authority: a folder and the acts on it.
 *
 *   ca.pem, ca.key              the X.509 CA: signs node certificates and CRLs
 *   federation.key              Ed25519: signs the member list (federation/members.h); no certificate hangs on it, so
 *                               that who may connect (CA) and who belongs (members) are two signatures
 *   issued                      the register (ca_index.h)
 *   crl.pem                     what every node loads beside ca.pem
 *   lock                        one process at a time
 *
 * Order of writing: register first, then certificate or CRL. A crash leaves at worst a registered serial that nobody
 * got, or a revocation that the next ca_write_crl() publishes. Blocking; CLI and tests. One thread per `struct ca`.
 */
#ifndef TB_CERTS_CA_H
#define TB_CERTS_CA_H

#include "certs/ca_index.h"

#define CA_CRL_VALID_S (7u * 24 * 3600)

struct ca;
/* Makes the folder's files for a new federation, the first (empty) CRL included. @dir is made when absent (its parent
 * exists). ERR_CONFLICT when a CA is there already, ERR_BUSY when another process has it open; nothing is changed then.
 * What fails for any other reason, a full disk or one that refuses to sync at any of the files, too, takes back
 * what it made (the folder and its lock stay), so that the next try is as the first; what was there before stays. @ret
 * (unless NULL) is the open CA. */
int ca_init(const char *dir, const char *federation, uint64_t not_before_s, uint64_t not_after_s, struct ca **ret,
            struct err *e) WARN_UNUSED;
/* Takes back what the ca_init() made that returned @ca, certificate first, and closes it: for a caller whose next step of
 * founding a federation failed. Nothing is removed of a CA that ca_open() opened. */
void ca_abandon(struct ca *ca);

/* ERR_BUSY when another process has it open. ca_close() takes NULL. */
int ca_open(const char *dir, struct ca **ret, struct err *e) WARN_UNUSED;
void ca_close(struct ca *ca);

const char *ca_federation(const struct ca *ca);
/* Borrowed until the next change. */
const struct ca_index *ca_list(const struct ca *ca);

struct ca_request {
    uint32_t code;
    const char *name;         /* UTF-8, such as 四川省 */
    const char *const *hosts; /* DNS names and addresses, may be none */
    size_t hosts_count;       /* <= CERT_HOSTS_MAX */
    uint64_t not_before_s;    /* any, so that tests can make expired ones */
    uint64_t not_after_s;     /* > not_before_s, cut to the CA's own end */
    struct bytes csr_pem;     /* the node's request: gives the public key (ECDSA P-256), proves its possession */
};

/* Issues a certificate: PEM appended to @ret_pem, serial to @ret_serial. */
int ca_issue(struct ca *ca, const struct ca_request *r, struct buf *ret_pem, char ret_serial[PKI_SERIAL_TEXT_SIZE],
             struct err *e) WARN_UNUSED;

/* Revokes and writes a new CRL. ERR_NOT_FOUND: never issued; ERR_CONFLICT: revoked before. */
int ca_revoke(struct ca *ca, const char *serial, enum ca_index_reason reason, uint64_t now_s,
              struct err *e) WARN_UNUSED;

/* Writes a new CRL that calls for its successor by @now_s + @valid_s. */
int ca_write_crl(struct ca *ca, uint64_t now_s, uint64_t valid_s, struct err *e) WARN_UNUSED;

#endif
