/* Node (see node.h).
 *
 * Start: identity (key, federation, members) -> data (divisions, catalog) -> loop -> TLS -> engine (app, replication, ledger:
 * restores the tree, seals what a crash left unsealed) -> link (peers may ask) -> HTTP (windows may ask) -> resume.
 * Stop: HTTP answers what waits, the link stops asking and answering, the ledger finishes its batch and a verification is
 * ended, then everything goes in reverse order.
 *
 * Files are read by node_files.c, what was trusted before is remembered by trust_floor.c, the API's doors are node_doors.c.
 */
#include "node/node.h"

#include <pthread.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation/link_nng.h"
#include "federation/tls_engine.h"
#include "node/app_internal.h"
#include "node/base/arena.h"
#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/engine.h"
#include "node/files_link.h"
#include "node/node_doors.h"
#include "node/node_files.h"
#include "node/poster.h"
#include "node/trust_floor.h"
#include "node/verify.h"

#define NNG_TASK_THREADS 2
#define DRAIN_MS 5
#define TRIM_MS 5000u
#define TRIM_BYTES (4u << 20) /* held free by malloc */
#define EXPIRY_CHECK_MS 3600000u
#define EXPIRY_WARN_S (30u * 86400u)

/* A member list that was replaced: names and keys in it may still be in use. */
struct retired {
    struct retired *next;
    struct members members;
};

struct node {
    const struct config *config;
    struct node_identity identity;
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
    struct node_doors doors;
    struct loop_timer *drain_timer, *expiry_timer, *trim_timer;
    bool is_started; /* start is over: the loop runs the node, not only the wait for what the others say */
    bool stopping;
};

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

/* What trust_floor.c compares with what was trusted before. */
static struct trust_floor trust_now(const struct node *n)
{
    return (struct trust_floor){.ledger = n->engine.ledger, .tls = n->tls, .members = &n->identity.members};
}

static int check_floor(const struct node *n, struct err *e)
{
    struct trust_floor now = trust_now(n);
    return trust_floor_check(&now, e);
}

static void note_floor(const struct node *n)
{
    struct trust_floor now = trust_now(n);
    trust_floor_note(&now);
}

static void set_link(struct node *n, struct link *link)
{
    pthread_mutex_lock(&n->link_lock);
    n->link = link;
    pthread_mutex_unlock(&n->link_lock);
    engine_set_link(&n->engine, link);
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
    int rc = node_files_check_certificate(n->config, e);
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
    int rc = node_files_load_catalog(n->config, &catalog, e);
    if (rc == 0)
        rc = node_files_load_calendar(n->config, &calendar, e);
    if (rc == 0)
        rc = node_files_load_policy(n->config, &n->policy_arena, &n->more_logs, e);
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
                                     .ctx = n->engine.replication,
                                     .is_last = true};
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

static void doors_stopped_cb(void *ctx)
{
    struct node *n = ctx;
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
    struct retired *old = xcalloc(1, sizeof *old);
    struct members next;
    int rc = node_files_load_members(n->config, &next, e);
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
    if (node_files_check_certificate(n->config, &e) != 0 || tls_engine_reload(n->tls, &e) != 0) {
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
    if (!n->is_started) { /* nothing runs yet that would have to be stopped, and SIGHUP is held back */
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
    app_materials_stop(n->engine.app);
    node_doors_stop(&n->doors, doors_stopped_cb, n);
}

/* Signals that would end the process until the loop takes them. SIGHUP waits for the end of the start: a hook that has renewed a
 * certificate does not know that the node is just starting, and what was changed after it was read is read again. SIGTERM
 * and SIGINT wait for the loop, so that a start ends in order; as the first process of a container it would not get them. */
static void hold(int how, int number)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, number);
    int rc = pthread_sigmask(how, &set, NULL);
    xassert(rc == 0);
}

static int check_not_stopped(const struct node *n, struct err *e)
{
    sigset_t waiting;
    (void)sigemptyset(&waiting);
    (void)sigpending(&waiting);
    if (!n->stopping && sigismember(&waiting, SIGTERM) != 1 && sigismember(&waiting, SIGINT) != 1)
        return 0;
    return err_set(e, ERR_CLOSED, "node.stopping", "stopped by a signal before it had started");
}

static int start_parts(struct node *n, struct err *e)
{
    int rc = node_files_load_identity(n->config, &n->identity, e);
    if (rc == 0)
        rc = node_files_load_regions(n->config, &n->regions, e);
    if (rc == 0)
        rc = node_doors_check(n->config, e);
    if (rc == 0)
        rc = loop_create(&n->loop, e);
    if (rc == 0)
        rc = start_tls(n, e);
    if (rc == 0)
        rc = check_not_stopped(n, e);
    if (rc == 0)
        rc = start_engine(n, e);
    if (rc == 0)
        rc = check_floor(n, e);
    if (rc == 0)
        rc = check_not_stopped(n, e);
    if (rc == 0)
        rc = start_link(n, e);
    if (rc == 0) {
        loop_on_signal(n->loop, signal_cb, n);
        hold(SIG_UNBLOCK, SIGTERM);
        hold(SIG_UNBLOCK, SIGINT);
        ask_others(n);
        rc = check_not_stopped(n, e);
    }
    if (rc == 0)
        rc = start_files(n, e);
    if (rc == 0)
        rc = node_doors_start(&n->doors, n->config, n->loop, n->engine.app, e);
    return rc;
}

int node_start(const struct config *config, struct node **ret, struct err *e)
{
    hold(SIG_BLOCK, SIGHUP);
    hold(SIG_BLOCK, SIGTERM);
    hold(SIG_BLOCK, SIGINT);
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
    n->is_started = true;
    hold(SIG_UNBLOCK, SIGHUP);
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
    tls_engine_destroy(n->tls); /* NNG's threads stay, with the links left to them, and call nothing else of ours */
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
    node_files_close_identity(&n->identity);
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
    int rc = node_files_load_identity(config, &n.identity, e);
    if (rc == 0)
        rc = node_files_load_regions(config, &n.regions, e);
    if (rc == 0)
        rc = node_files_load_catalog(config, &catalog, e);
    if (rc == 0)
        rc = node_files_load_calendar(config, &calendar, e);
    if (rc == 0)
        rc = start_tls(&n, e);
    if (rc == 0)
        rc = node_doors_check(config, e);
    if (rc == 0)
        rc = node_files_load_policy(config, &n.policy_arena, &n.more_logs, e);
    arena_close(&n.policy_arena);
    tls_engine_destroy(n.tls);
    catalog_destroy(catalog);
    calendar_destroy(calendar);
    region_table_destroy(n.regions);
    node_files_close_identity(&n.identity);
    return rc;
}

int node_verify(const struct config *config, struct err *e)
{
    struct node_identity id = {0};
    struct arena a = ARENA_INIT;
    struct store *store = NULL;
    struct store_head head;
    struct verify_result r = {0};
    int rc = node_files_load_identity(config, &id, e);
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
    node_files_close_identity(&id);
    return rc;
}
