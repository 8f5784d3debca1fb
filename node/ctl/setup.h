/* What the set-up commands share: the request a new node sends to its federation's office, and addresses.
 *
 * `node init` writes DIR/request.json:
 *
 *   {"format":"tongban-request/v2", "region":510000, "name":"四川省", "url":"tls+tcp://sc.example:7510",
 *    "hosts":["sc.example"], "ledger_key":"<64 hex digits>", "witness_key":"…", "seal_key":"…", "csr":"-----BEGIN CERTIFICATE REQUEST-----…"}
 *
 * `ca issue` reads it. It holds nothing secret; whoever runs the CA checks that it comes from the province it names.
 */
#ifndef TB_CTL_SETUP_H
#define TB_CTL_SETUP_H

#include "certs/crypto.h"
#include "node/base/arena.h"
#include "node/base/limits.h"

/* Texts live in the arena they were made in. */
struct setup_request {
    uint32_t region;
    const char *name;
    const char *url; /* where the other nodes reach it */
    const char *hosts[CERT_HOSTS_MAX];
    size_t host_count;
    uint8_t ledger_key[CRYPTO_ED25519_KEY_SIZE];
    uint8_t witness_key[CRYPTO_ED25519_KEY_SIZE];
    uint8_t seal_key[CRYPTO_X25519_KEY_SIZE];
    struct bytes csr_pem;
};

/* Appends the JSON text. */
void setup_request_encode(const struct setup_request *r, struct buf *out);
/* Reads and checks the form; the contents are checked by who uses them. Errors name @path. */
int setup_request_load(const char *path, struct arena *mem, struct setup_request *ret, struct err *e) WARN_UNUSED;

/* "tls+tcp://host:port" taken apart: *ret_host without brackets, in @mem. @what names the option in errors. */
int setup_parse_url(const char *what, const char *url, struct arena *mem, const char **ret_host,
                    struct err *e) WARN_UNUSED;
/* "host:port", port 1..65535. */
int setup_parse_host_port(const char *what, const char *text, struct arena *mem, const char **ret_host,
                          struct err *e) WARN_UNUSED;
/* 0.0.0.0, :: or *: a place to listen, but nothing to dial. */
bool setup_is_wildcard(const char *host);

/* "<dir>/<name>" in @mem. */
const char *setup_path(struct arena *mem, const char *dir, const char *name);

#endif
