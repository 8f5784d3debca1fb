/* Node (see node.h).
 *
 * Start: identity (key, federation, members) -> data (divisions, catalog) -> loop -> TLS -> engine (app, replication, ledger:
 * restores the tree, seals what a crash left unsealed) -> link (peers may ask) -> HTTP (windows may ask) -> resume.
 * Stop: HTTP answers what waits, link closes, the ledger finishes its batch and a verification is ended, then everything
 * goes in reverse order.
 */
#include "node/node.h"

#include <pthread.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "catalog/load.h"
#include "certs/keystore.h"
#include "certs/pki.h"
#include "federation/link_nng.h"
#include "federation/tls_engine.h"
#include "node/app_internal.h"
#include "node/base/arena.h"
#include "node/base/clock.h"
#include "node/base/file.h"
#include "node/base/limits.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/engine.h"
#include "node/files_link.h"
#include "node/http/server.h"
#include "node/poster.h"
#include "node/verify.h"

#define NNG_TASK_THREADS 2
#define DRAIN_MS 5
#define TRIM_MS 5000u
#define TRIM_BYTES (4u << 20) /* held free by malloc */
#define EXPIRY_CHECK_MS 3600000u
#define EXPIRY_WARN_S (30u * 86400u)

/* Who we are and whom we know; read from files, checked against each other. */
struct identity {
    struct members members;
    const struct member *self;
    struct crypto_signer *key, *witness_key;
    struct note_signer signer, witness;
    struct crypto_hpke_key *seal_key;
};

/* A member list that was replaced: names and keys in it may still be in use. */
struct retired {
    struct retired *next;
    struct members members;
};

struct node {
    const struct config *config;
    struct identity identity;
    struct retired *retired;
    struct region_table *regions;
    struct loop *loop;
    struct tls_engine *tls;
    struct engine engine;
    struct arena policy_arena; /* of more_logs */
    struct policy more_logs;   /* further ledgers that are cosigned here, and external witnesses */
    struct poster *poster;     /* asks those; NULL = there are none */
    pthread_mutex_t link_lock; /* guards link and the content of identity.members against NNG's threads */
    struct link *link;
    struct files_link *files_link; /* NULL = no file is given or taken */
    struct fetches *fetches;
    struct http_server *http, *witness_http; /* the second NULL = no such door */
    int doors_stopping;
    struct loop_timer *drain_timer, *expiry_timer, *trim_timer;
    bool stopping;
};

/* ---- identity ---- */

static int read_line(const char *path, char *out, size_t size, struct err *e)
{
    struct buf text = {0};
    int rc = file_read(path, size - 1, &text, e);
    if (rc != 0)
        return rc;
    (void)snprintf(out, size, "%s", buf_cstr(&text));
    out[strcspn(out, "\r\n")] = '\0';
    buf_close(&text);
    if (out[0] == '\0')
        return err_set(e, ERR_INVALID, "node.empty-file", "'%s' is empty", path);
    return 0;
}

/* What would give away or hand over the node: whoever reads the token may ask everything, keys.db opens contents of cases, and who may
 * write in the folder puts other keys there. (The key files have a check of their own.) */
static int check_closed(const struct config *c, struct err *e)
{
    struct arena a = ARENA_INIT;
    int rc = file_check_closed(c->dir, S_IWOTH, e);
    if (rc == 0)
        rc = file_check_closed(c->token_path, S_IROTH | S_IWOTH, e);
    if (rc == 0)
        rc = file_check_closed(arena_printf(&a, "%s/keys.db", c->dir), S_IROTH | S_IWOTH, e);
    arena_close(&a);
    return rc;
}

/* The two keys that the member list names beside the ledger's. */
static int load_more_keys(const struct config *c, struct identity *id, struct err *e)
{
    uint8_t public_key[CRYPTO_ED25519_KEY_SIZE];
    int rc = keystore_load_signing_key(c->witness_key_path, &id->witness_key, e);
    if (rc == 0)
        rc = keystore_load_seal_key(c->seal_key_path, &id->seal_key, e);
    if (rc != 0)
        return rc;
    crypto_signer_public(id->witness_key, public_key);
    if (!crypto_equal(public_key, id->self->witness.public_key, sizeof public_key))
        return err_set(e, ERR_VERIFY, "node.witness-key", "'%s' is not the key that the member list names for node %u",
                       c->witness_key_path, c->region);
    crypto_hpke_key_public(id->seal_key, public_key);
    if (!crypto_equal(public_key, id->self->seal_key, sizeof public_key))
        return err_set(e, ERR_VERIFY, "node.seal-key", "'%s' is not the key that the member list names for node %u",
                       c->seal_key_path, c->region);
    return note_signer_init(id->self->witness.name, NOTE_TYPE_COSIGNATURE, id->witness_key, &id->witness, e);
}

static int load_identity(const struct config *c, struct identity *id, struct err *e)
{
    char vkey[ORIGIN_NAME_BYTES_MAX + 128];
    uint8_t public_key[CRYPTO_ED25519_KEY_SIZE];
    int rc = check_closed(c, e);
    if (rc == 0)
        rc = read_line(c->federation_path, vkey, sizeof vkey, e);
    if (rc == 0)
        rc = members_load(c->members_path, vkey, &id->members, e);
    if (rc == 0)
        rc = keystore_load_signing_key(c->ledger_key_path, &id->key, e);
    if (rc != 0)
        return rc;

    id->self = members_find(&id->members, c->region);
    if (id->self == NULL)
        return err_set(e, ERR_NOT_FOUND, "node.no-member",
                       "'%s' has no member %u: has the federation's CA issued this node?", c->members_path, c->region);
    crypto_signer_public(id->key, public_key);
    if (!crypto_equal(public_key, id->self->key.public_key, sizeof public_key))
        return err_set(e, ERR_VERIFY, "node.ledger-key", "'%s' is not the key that the member list names for node %u",
                       c->ledger_key_path, c->region);
    rc = note_signer_init(id->self->key.name, NOTE_TYPE_ED25519, id->key, &id->signer, e);
    return rc == 0 ? load_more_keys(c, id, e) : rc;
}

static void close_identity(struct identity *id)
{
    crypto_signer_destroy(id->key);
    crypto_signer_destroy(id->witness_key);
    crypto_hpke_key_destroy(id->seal_key);
    members_close(&id->members);
}

static int load_regions(const struct config *c, struct region_table **ret, struct err *e)
{
    struct arena a = ARENA_INIT;
    int rc = region_table_load(arena_printf(&a, "%s/divisions.tsv", c->data),
                               arena_printf(&a, "%s/divisions_historic.tsv", c->data), ret, e);
    arena_close(&a);
    return rc;
}

static int load_calendar(const struct config *c, struct calendar **ret, struct err *e)
{
    struct arena a = ARENA_INIT;
    int rc = calendar_load(arena_printf(&a, "%s/holidays.json", c->data), ret, e);
    arena_close(&a);
    return rc;
}

static int load_catalog(const struct config *c, struct catalog **ret, struct err *e)
{
    *ret = NULL;
    if (c->catalog[0] == '\0')
        return 0;
    struct shape_problems *problems = xcalloc(1, sizeof *problems);
    int rc = catalog_load(c->catalog, &(struct load_expect){.node = c->region}, ret, problems, e);
    for (size_t i = 0; rc != 0 && i < problems->count; i++)
        log_error("catalog", NULL, problems->list[i].id, "%s", problems->list[i].message);
    free(problems);
    return rc;
}

/* ---- TLS ---- */

static bool is_member_cb(void *ctx, uint32_t code)
{
    struct node *n = ctx;
    pthread_mutex_lock(&n->link_lock);
    bool found = members_find(&n->identity.members, code) != NULL;
    pthread_mutex_unlock(&n->link_lock);
    return found;
}

static void handshake_failed_cb(void *ctx, const struct tls_engine_failure *failure)
{
    struct node *n = ctx;
    pthread_mutex_lock(&n->link_lock);
    if (n->link != NULL)
        link_nng_handshake_failed(n->link, failure);
    pthread_mutex_unlock(&n->link_lock);
}

/* What this node has trusted once may not be replaced by something older, not even across a restart: the store remembers
 * the newest member list and the newest revocation list of each CA. */
struct floor {
    struct store_counter rows[PKI_CRLS_MAX + 1];
    size_t count;
};

static void floor_saved(void *ctx, const struct err *e)
{
    (void)ctx;
    if (e->code != 0)
        log_warn("node", NULL, e->id, "cannot note which lists are in use: %s", e->message);
}

static void floor_now(struct node *n, struct floor *f)
{
    struct tls_engine_status tls;
    tls_engine_status(n->tls, &tls);
    f->rows[0] = (struct store_counter){.name = "trust/members", .value = n->identity.members.version};
    f->count = 1;
    for (size_t i = 0; i < tls.crl_count; i++) {
        struct store_counter *row = &f->rows[f->count++];
        row->value = tls.crls[i].number;
        (void)snprintf(row->name, sizeof row->name, "trust/crl/%s", tls.crls[i].issuer);
    }
}

/* Refuses lists older than those noted. */
static int check_floor(struct node *n, struct err *e)
{
    struct floor f;
    floor_now(n, &f);
    for (size_t i = 0; i < f.count; i++) {
        uint64_t noted = 0;
        int rc = store_read_counter(ledger_reader(n->engine.ledger), f.rows[i].name, &noted, e);
        if (rc == 0 && f.rows[i].value < noted)
            rc = i == 0 ? err_set(e, ERR_CONFLICT, "members.older",
                                  "version %llu of the member list is older than %llu, which was in use here",
                                  (unsigned long long)f.rows[i].value, (unsigned long long)noted)
                        : err_set(e, ERR_CONFLICT, "trust.crl-older",
                                  "revocation list %llu is older than %llu, which was in use here",
                                  (unsigned long long)f.rows[i].value, (unsigned long long)noted);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Notes the lists in use, once everything stands. */
static void note_floor(struct node *n)
{
    struct floor f;
    if (ledger_check_writable(n->engine.ledger, NULL) != 0)
        return; /* at the next start or reload */
    floor_now(n, &f);
    struct ledger_txn *txn = ledger_txn_create(n->engine.ledger);
    for (size_t i = 0; i < f.count; i++)
        ledger_txn_counter(txn, &f.rows[i]);
    ledger_commit(txn, floor_saved, NULL);
}

static void set_link(struct node *n, struct link *link)
{
    pthread_mutex_lock(&n->link_lock);
    n->link = link;
    pthread_mutex_unlock(&n->link_lock);
    engine_set_link(&n->engine, link);
}

/* Peers would take us for the node that the certificate names, and refuse what our ledger says. */
static int check_certificate(const struct config *c, struct err *e)
{
    struct buf pem = {0};
    struct pki_cert cert;
    int rc = file_read(c->cert_path, PEM_FILE_BYTES_MAX, &pem, e);
    if (rc != 0)
        return rc;
    rc = pki_cert_parse(buf_bytes(&pem), &cert, e);
    buf_close(&pem);
    if (rc != 0)
        return err_wrap(e, "'%s'", c->cert_path);
    if (cert.node.code != c->region)
        rc = err_set(e, ERR_VERIFY, "node.certificate", "'%s' is the certificate of node %u, this is node %u",
                     c->cert_path, cert.node.code, c->region);
    return rc;
}

static struct tls_engine_options tls_options(struct node *n)
{
    const struct config *c = n->config;
    return (struct tls_engine_options){.federation = n->identity.members.federation,
                                       .ca_path = c->ca_path,
                                       .crl_path = c->crl_path,
                                       .cert_path = c->cert_path,
                                       .key_path = c->key_path,
                                       .is_member_cb = is_member_cb,
                                       .failed_cb = handshake_failed_cb,
                                       .ctx = n};
}

static int start_tls(struct node *n, struct err *e)
{
    struct tls_engine_options o = tls_options(n);
    link_nng_limit_threads(NNG_TASK_THREADS);
    int rc = check_certificate(n->config, e);
    return rc == 0 ? tls_engine_create(&o, &n->tls, e) : rc;
}

/* ---- engine and link ---- */

static void on_asked(void *ctx)
{
    struct node *n = ctx;
    loop_stop(n->loop);
}

/* Nobody is waited for longer than start_ask_ms: a node starts alone. */
static void ask_others(struct node *n)
{
    if (engine_ask(&n->engine))
        loop_run(n->loop);
}

/* Witnesses in it are asked under their URL. */
static int check_witnesses(const struct policy *p, struct err *e)
{
    for (size_t i = 0; i < p->witness_count; i++) {
        const char *url = p->witnesses[i].url;
        if (url[0] != '\0' && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
            return err_set(e, ERR_INVALID, "config.witness-url",
                           "witness '%.64s': its URL '%.100s' begins with neither http:// nor https://",
                           p->witnesses[i].name, url);
    }
    return 0;
}

static int load_more_logs(struct node *n, struct err *e)
{
    struct buf text = {0};
    if (n->config->policy[0] == '\0')
        return 0;
    int rc = file_read(n->config->policy, POLICY_BYTES_MAX, &text, e);
    if (rc == 0)
        rc = policy_parse(buf_bytes(&text), &n->policy_arena, &n->more_logs, e);
    if (rc == 0)
        rc = check_witnesses(&n->more_logs, e);
    buf_close(&text);
    return rc == 0 ? 0 : err_wrap(e, "policy '%s'", n->config->policy);
}

static void dial_for_files(void *ctx, uint32_t peer)
{
    struct node *n = ctx;
    if (n->files_link != NULL)
        files_link_dial(n->files_link, peer);
}

static int start_engine(struct node *n, struct err *e)
{
    struct catalog *catalog = NULL;
    struct calendar *calendar = NULL;
    struct tls_engine_status tls;
    int rc = load_catalog(n->config, &catalog, e);
    if (rc == 0)
        rc = load_calendar(n->config, &calendar, e);
    if (rc == 0)
        rc = load_more_logs(n, e);
    if (rc != 0) {
        catalog_destroy(catalog);
        calendar_destroy(calendar);
        return rc;
    }
    if (n->more_logs.witness_count > 0)
        n->poster = poster_create(n->loop);
    tls_engine_status(n->tls, &tls);
    struct engine_parts parts = {.config = n->config,
                                 .members = &n->identity.members,
                                 .regions = n->regions,
                                 .calendar = calendar,
                                 .catalog = catalog,
                                 .signer = &n->identity.signer,
                                 .witness = &n->identity.witness,
                                 .seal_key = n->identity.seal_key,
                                 .more_logs = &n->more_logs,
                                 .poster = n->poster,
                                 .certificate_not_after_s = tls.own.not_after_s,
                                 .loop = n->loop,
                                 .on_asked = on_asked,
                                 .ctx = n};
    rc = engine_open(&n->engine, &parts, e);
    if (rc == 0) {
        rc = app_materials_open(n->engine.app, e);
        n->fetches = app_materials_fetches(n->engine.app, dial_for_files, n);
    }
    return rc;
}

static struct link_nng_peer *link_peers(const struct members *m)
{
    struct link_nng_peer *peers = xcalloc(m->count, sizeof *peers);
    for (size_t i = 0; i < m->count; i++)
        peers[i] = (struct link_nng_peer){.code = m->list[i].code, .url = m->list[i].url};
    return peers;
}

static int start_link(struct node *n, struct err *e)
{
    const struct members *m = &n->identity.members;
    struct link_nng_peer *peers = link_peers(m);
    struct link_nng_config config = {.code = n->config->region,
                                     .listen_url = n->config->listen,
                                     .peers = peers,
                                     .peer_count = m->count,
                                     .tls = n->tls,
                                     .event_cb = replication_link_event,
                                     .ctx = n->engine.replication};
    struct link *link;
    int rc = link_nng_open(&config, &link, e);
    free(peers);
    if (rc == 0)
        set_link(n, link);
    return rc;
}

static int start_files(struct node *n, struct err *e)
{
    struct tls_engine_options tls = tls_options(n);
    if (n->config->files_listen[0] == '\0')
        return 0;
    return files_link_open(&(struct files_link_config){.code = n->config->region,
                                                       .listen_url = n->config->files_listen,
                                                       .members = &n->identity.members,
                                                       .tls = &tls,
                                                       .replication = n->engine.replication,
                                                       .fetches = n->fetches},
                           &n->files_link, e);
}

/* ---- HTTP ---- */

static int split_host(const char *name, const char *text, char host[64], uint16_t *ret_port, struct err *e)
{
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    if (colon == NULL || (size_t)(colon - text) >= 64 || colon == text ||
        decimal_parse(bytes_of_string(colon + 1), &port) != 0 || port > 65535)
        return err_set(e, ERR_INVALID, "config.http", "%s: '%s' is not host:port with a port up to 65535", name, text);
    bool is_bracketed = text[0] == '[' && colon[-1] == ']' && colon - text > 2; /* an IPv6 address */
    (void)snprintf(host, 64, "%.*s", (int)(colon - text) - 2 * is_bracketed, text + is_bracketed);
    *ret_port = (uint16_t)port;
    return 0;
}

/* What the configuration and api.token say of the door on TCP, checked; nothing when there is none. */
struct tcp_door {
    char host[64];
    char token[256];
};

static int load_tcp_door(const struct config *c, struct tcp_door *door, struct http_server_config *ret, struct err *e)
{
    if (c->http[0] == '\0')
        return 0;
    int rc = split_host("http", c->http, door->host, &ret->tcp_port, e);
    if (rc == 0)
        rc = read_line(c->token_path, door->token, sizeof door->token, e);
    ret->tcp_host = door->host;
    ret->token = door->token;
    return rc == 0 ? http_server_check(ret, e) : rc;
}

/* The door for anybody who wants a checkpoint cosigned, if the operator wants one. */
static int load_witness_door(const struct config *c, char host[64], struct http_server_config *ret, struct err *e)
{
    if (c->witness_http[0] == '\0')
        return 0;
    int rc = split_host("witness_http", c->witness_http, host, &ret->tcp_port, e);
    ret->door = REQUEST_DOOR_WITNESS;
    ret->tcp_host = host;
    return rc == 0 ? http_server_check(ret, e) : rc;
}

/* Early: what is wrong in the configuration is told before a ledger is made. */
static int check_tcp_doors(const struct config *c, struct err *e)
{
    struct tcp_door door = {0};
    struct http_server_config http = {0}, witness = {0};
    char host[64];
    int rc = load_tcp_door(c, &door, &http, e);
    if (rc == 0)
        rc = load_witness_door(c, host, &witness, e);
    crypto_wipe(&door, sizeof door);
    return rc;
}

static int start_witness_door(struct node *n, struct err *e)
{
    char host[64];
    struct http_server_config http = {.loop = loop_uv(n->loop), .app = n->engine.app};
    int rc = load_witness_door(n->config, host, &http, e);
    if (rc == 0 && http.tcp_host != NULL)
        rc = http_server_start(&http, &n->witness_http, e);
    return rc;
}

static int start_http(struct node *n, struct err *e)
{
    struct tcp_door door = {0};
    struct http_server_config http = {
        .loop = loop_uv(n->loop), .app = n->engine.app, .unix_path = n->config->socket_path};
    int rc = load_tcp_door(n->config, &door, &http, e);
    if (rc == 0)
        rc = start_witness_door(n, e);
    if (rc == 0)
        rc = http_server_start(&http, &n->http, e);
    if (rc != 0 && n->witness_http != NULL)
        http_server_stop(n->witness_http, NULL, NULL); /* node_destroy() gives the loop its turns */
    crypto_wipe(&door, sizeof door);
    return rc;
}

/* ---- running ---- */

/* A node does not stop because a certificate or a revocation list is old, so somebody has to be told in time. */
static void expiry_cb(void *ctx)
{
    struct node *n = ctx;
    struct tls_engine_status tls;
    char day[CLOCK_TEXT_SIZE];
    uint64_t now = clock_wall_ms() / 1000;
    if (n->tls == NULL)
        return;
    tls_engine_status(n->tls, &tls);
    clock_format_utc(tls.own.not_after_s * 1000, day);
    if (tls.own.not_after_s < now)
        log_warn("node", NULL, "node.certificate-expired",
                 "own certificate ended %.10s: peers refuse us until the "
                 "federation's CA issues another",
                 day);
    else if (tls.own.not_after_s < now + EXPIRY_WARN_S)
        log_warn("node", NULL, "node.certificate-expiring", "own certificate ends %.10s: have another issued", day);
    clock_format_utc(tls.crl_next_update_s * 1000, day);
    if (tls.crl_next_update_s < now)
        log_warn("node", NULL, "node.crl-stale",
                 "the revocation list was due for renewal %.10s: who was revoked since "
                 "is let in",
                 day);
    loop_timer_set(n->expiry_timer, EXPIRY_CHECK_MS);
}

/* What a backlog or a file took and is not used any more goes back (see main.c). */
static void trim_cb(void *ctx)
{
    struct node *n = ctx;
    case_cache_trim(n->engine.app->cases, n->engine.ledger);
    if (mallinfo2().fordblks > TRIM_BYTES)
        (void)malloc_trim(0); /* says whether there was something */
    loop_timer_set(n->trim_timer, TRIM_MS);
}

static bool is_drained(const struct node *n)
{
    return engine_is_drained(&n->engine);
}

static void drain_cb(void *ctx)
{
    struct node *n = ctx;
    if (is_drained(n))
        loop_stop(n->loop);
    else
        loop_timer_set(n->drain_timer, DRAIN_MS);
}

static void close_link(struct node *n)
{
    struct link *link = n->link;
    files_link_close(n->files_link);
    n->files_link = NULL;
    engine_stop(&n->engine);
    set_link(n, NULL);
    if (link != NULL)
        link_close(link);
    if (n->poster != NULL)
        poster_close(n->poster);
}

static void http_stopped_cb(void *ctx)
{
    struct node *n = ctx;
    if (--n->doors_stopping > 0)
        return;
    n->http = n->witness_http = NULL;
    close_link(n);
    loop_timer_set(n->drain_timer, DRAIN_MS);
}

/* It may become one; until then the operator should not count on it. */
static void warn_of_mirrors(const struct node *n)
{
    for (size_t i = 0; i < n->config->mirror_count; i++)
        if (members_find(&n->identity.members, n->config->mirrors[i]) == NULL)
            log_warn("node", NULL, "node.mirror", "mirror %u is no member of %s: nothing of this node is kept there",
                     n->config->mirrors[i], n->identity.members.federation);
}

/* Takes over a newer member list. The struct stays where it is: everybody who holds it sees the new content. */
static int reload_members(struct node *n, struct err *e)
{
    char vkey[ORIGIN_NAME_BYTES_MAX + 128];
    struct retired *old = xcalloc(1, sizeof *old);
    struct members next;
    int rc = read_line(n->config->federation_path, vkey, sizeof vkey, e);
    if (rc == 0)
        rc = members_load(n->config->members_path, vkey, &next, e);
    if (rc != 0) {
        free(old);
        return rc;
    }
    const struct member *self = members_find(&next, n->config->region);
    rc = members_check_update(&n->identity.members, &next, e);
    if (rc == 0 && (self == NULL || memcmp(&self->key, &n->identity.self->key, sizeof self->key) != 0))
        rc = err_set(e, ERR_VERIFY, "node.ledger-key", "the new member list does not name this node %u with its key",
                     n->config->region);
    if (rc != 0) {
        members_close(&next);
        free(old);
        return rc;
    }
    pthread_mutex_lock(&n->link_lock);
    old->members = n->identity.members;
    n->identity.members = next;
    pthread_mutex_unlock(&n->link_lock);
    n->identity.self = self;
    old->next = n->retired;
    n->retired = old;
    tls_engine_members_changed(n->tls);
    engine_members_changed(&n->engine);
    struct link_nng_peer *peers = link_peers(&n->identity.members);
    rc = link_nng_set_peers(n->link, peers, n->identity.members.count, e);
    free(peers);
    return rc;
}

static void reload(struct node *n)
{
    struct err e = {0};
    if (check_certificate(n->config, &e) != 0 || tls_engine_reload(n->tls, &e) != 0) {
        log_error("node", NULL, e.id, "certificates stay as they were: %s", e.message);
        return;
    }
    if (reload_members(n, &e) != 0) {
        log_error("node", NULL, e.id, "member list: %s", e.message);
        return;
    }
    warn_of_mirrors(n);
    note_floor(n);
    link_nng_recheck(n->link);
    if (n->files_link != NULL && files_link_reload(n->files_link, &e) != 0)
        log_error("node", NULL, e.id, "the socket for files stays as it was: %s", e.message);
    log_info("node", NULL, "node.reloaded", "certificates, revocations and members (list version %llu) read again",
             (unsigned long long)n->identity.members.version);
}

static void signal_cb(void *ctx, int number)
{
    struct node *n = ctx;
    if (n->stopping)
        return;
    if (n->engine.asking) { /* starting: nothing runs yet that would have to be stopped, and SIGHUP is held back */
        n->stopping = n->engine.stopping = true;
        engine_stop_asking(&n->engine);
        return;
    }
    if (number == SIGHUP) {
        reload(n);
        return;
    }
    n->stopping = n->engine.stopping = true;
    log_info("node", NULL, "node.stopping", "stopping on signal %d", number);
    app_stop_verifying(n->engine.app);
    n->doors_stopping = 1 + (n->witness_http != NULL);
    app_materials_stop(n->engine.app);
    http_server_stop(n->http, http_stopped_cb, n);
    if (n->witness_http != NULL)
        http_server_stop(n->witness_http, http_stopped_cb, n);
}

static int start_parts(struct node *n, struct err *e)
{
    int rc = load_identity(n->config, &n->identity, e);
    if (rc == 0)
        rc = load_regions(n->config, &n->regions, e);
    if (rc == 0)
        rc = check_tcp_doors(n->config, e);
    if (rc == 0)
        rc = loop_create(&n->loop, e);
    if (rc == 0)
        rc = start_tls(n, e);
    if (rc == 0)
        rc = start_engine(n, e);
    if (rc == 0)
        rc = check_floor(n, e);
    if (rc == 0)
        rc = start_link(n, e);
    if (rc == 0) {
        loop_on_signal(n->loop, signal_cb, n);
        ask_others(n);
    }
    if (rc == 0 && n->stopping)
        rc = err_set(e, ERR_CLOSED, "node.stopping", "stopped by a signal before it had started");
    if (rc == 0)
        rc = start_files(n, e);
    if (rc == 0)
        rc = start_http(n, e);
    return rc;
}

/* Until the loop takes it, SIGHUP would end the process: a hook that has renewed a certificate does not know that the node is just
 * starting. It waits, so that what was changed after it was read is read again. */
static void hold_hangup(int how)
{
    sigset_t hangup;
    (void)sigemptyset(&hangup);
    (void)sigaddset(&hangup, SIGHUP);
    int rc = pthread_sigmask(how, &hangup, NULL);
    xassert(rc == 0);
}

int node_start(const struct config *config, struct node **ret, struct err *e)
{
    hold_hangup(SIG_BLOCK);
    struct node *n = xcalloc(1, sizeof *n);
    n->config = config;
    int mutex = pthread_mutex_init(&n->link_lock, NULL);
    xassert(mutex == 0);
    int rc = start_parts(n, e);
    if (rc != 0) {
        node_destroy(n);
        return rc;
    }
    n->drain_timer = loop_timer_create(n->loop, drain_cb, n);
    n->expiry_timer = loop_timer_create(n->loop, expiry_cb, n);
    expiry_cb(n);
    n->trim_timer = loop_timer_create(n->loop, trim_cb, n);
    loop_timer_set(n->trim_timer, TRIM_MS);
    char code[12];
    (void)snprintf(code, sizeof code, "%u", config->region);
    log_info("node", code, "node.started", "%s serves %s at %s, API at %s%s%s; ledger %s has %llu entries",
             config->name, n->identity.members.federation, config->listen, config->socket_path,
             config->http[0] != '\0' ? " and " : "", config->http, n->identity.self->key.name,
             (unsigned long long)ledger_head(n->engine.ledger)->size);
    warn_of_mirrors(n);
    note_floor(n);
    app_materials_start(n->engine.app);
    engine_start(&n->engine);
    hold_hangup(SIG_UNBLOCK);
    *ret = n;
    return 0;
}

void node_run(struct node *n)
{
    arena_keep_spares(true); /* half a dozen arenas come and go with every event */
    loop_run(n->loop);
    while (!is_drained(n)) { /* the last turn began something: a stopped ledger may have come back in it */
        loop_timer_set(n->drain_timer, DRAIN_MS);
        loop_run(n->loop);
    }
    arena_keep_spares(false);
    log_info("node", NULL, "node.stopped", "stopped");
}

void node_destroy(struct node *n)
{
    if (n == NULL)
        return;
    close_link(n);
    tls_engine_destroy(n->tls); /* from here on NNG's threads touch nothing of ours; they stay (link_nng_impl.h) */
    engine_close(&n->engine);
    loop_timer_destroy(n->drain_timer);
    loop_timer_destroy(n->expiry_timer);
    loop_timer_destroy(n->trim_timer);
    if (n->loop != NULL)
        loop_drain(n->loop);
    fetches_destroy(n->fetches);
    engine_destroy(&n->engine);
    poster_destroy(n->poster);
    arena_close(&n->policy_arena);
    loop_destroy(n->loop);
    region_table_destroy(n->regions);
    close_identity(&n->identity);
    while (n->retired != NULL) {
        struct retired *next = n->retired->next;
        members_close(&n->retired->members);
        free(n->retired);
        n->retired = next;
    }
    pthread_mutex_destroy(&n->link_lock);
    free(n);
}

/* ---- without a daemon ---- */

int node_check(const struct config *config, struct err *e)
{
    struct node n = {.config = config, .link_lock = PTHREAD_MUTEX_INITIALIZER};
    struct catalog *catalog = NULL;
    struct calendar *calendar = NULL;
    int rc = load_identity(config, &n.identity, e);
    if (rc == 0)
        rc = load_regions(config, &n.regions, e);
    if (rc == 0)
        rc = load_catalog(config, &catalog, e);
    if (rc == 0)
        rc = load_calendar(config, &calendar, e);
    if (rc == 0)
        rc = start_tls(&n, e);
    if (rc == 0)
        rc = check_tcp_doors(config, e);
    if (rc == 0)
        rc = load_more_logs(&n, e);
    arena_close(&n.policy_arena);
    tls_engine_destroy(n.tls);
    catalog_destroy(catalog);
    calendar_destroy(calendar);
    region_table_destroy(n.regions);
    close_identity(&n.identity);
    return rc;
}

int node_verify(const struct config *config, struct err *e)
{
    struct identity id = {0};
    struct arena a = ARENA_INIT;
    struct store *store = NULL;
    struct store_head head;
    struct verify_result r = {0};
    int rc = load_identity(config, &id, e);
    if (rc == 0)
        rc = store_open(config->dir, config->region, &store, e);
    if (rc == 0)
        rc = store_head_get(store, &a, &head, e);
    if (rc == 0)
        rc = verify_store(&(struct verify_input){.dir = config->dir,
                                                 .self = config->region,
                                                 .members = &id.members,
                                                 .head_size = head.size,
                                                 .note = head.note,
                                                 .without_head = head.size == 0 && head.note.size == 0},
                          &r, e);
    printf("own entries %llu, peers' entries %llu, payloads %llu, cases %llu, items %llu: %s\n",
           (unsigned long long)r.own_leaves, (unsigned long long)r.replica_leaves, (unsigned long long)r.payloads,
           (unsigned long long)r.cases, (unsigned long long)r.items, rc == 0 ? "all verified" : "FAILED");
    if (rc == 0 && head.size == 0 && r.own_leaves > 0) {
        char root[2 * MERKLE_HASH_SIZE + 1];
        hex_encode(r.root.b, sizeof r.root.b, root);
        printf("no signed head is here (heads.db): root %s of %llu entries was compared with no signature\n", root,
               (unsigned long long)r.own_leaves);
    }
    store_close(store);
    arena_close(&a);
    close_identity(&id);
    return rc;
}
