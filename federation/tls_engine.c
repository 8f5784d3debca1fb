/* The OpenSSL engine under NNG's tls+tcp (see tls_engine.h): a node's identity and trust, and what NNG is given of it.
 *
 * tls_engine_secure_dialer() makes an NNG config bound to a `struct tls_engine` -> NNG connects -> tls_engine_conn.c shakes
 * hands, tls_engine_verify.c judges who is there -> the pipe appears, tls_engine_pipe_peer() says whose it is.
 */
#include "federation/tls_engine_impl.h"

#include <nng/supplemental/tls/tls.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/clock.h"
#include "node/base/signals.h"
#include "node/base/xassert.h"

#define HANDSHAKE_MS_MAX 9500u /* NNG's timer: 10 s */

static const char *const failure_names[] = {
#define X(kind, name) name,
    TLS_ENGINE_FAILURES(X)
#undef X
};

const char *tls_engine_failure_name(enum tls_engine_failure_kind kind)
{
    xassert(kind < TLS_ENGINE_FAILURE_COUNT);
    return failure_names[kind];
}

/* ---- the engine's own state ---- */

void tls_engine_hold(struct tls_engine *t)
{
    pthread_mutex_lock(&t->lock);
    t->refs++;
    pthread_mutex_unlock(&t->lock);
}

void tls_engine_drop(struct tls_engine *t)
{
    pthread_mutex_lock(&t->lock);
    bool is_last = --t->refs == 0;
    pthread_mutex_unlock(&t->lock);
    if (!is_last)
        return;
    trust_drop(t->trust);
    pthread_mutex_destroy(&t->lock);
    pthread_mutex_destroy(&t->cb_lock);
    const char *const texts[] = {t->options.federation, t->options.ca_path, t->options.crl_path, t->options.cert_path,
                                 t->options.key_path};
    for (size_t i = 0; i < array_count(texts); i++)
        free((void *)(uintptr_t)texts[i]);
    free(t);
}

struct trust *tls_engine_trust(struct tls_engine *t)
{
    pthread_mutex_lock(&t->lock);
    struct trust *trust = trust_hold(t->trust);
    pthread_mutex_unlock(&t->lock);
    return trust;
}

bool tls_engine_is_member(struct tls_engine *t, uint32_t code)
{
    pthread_mutex_lock(&t->cb_lock);
    bool is_member = !t->is_closed && t->options.is_member_cb(t->options.ctx, code);
    pthread_mutex_unlock(&t->cb_lock);
    return is_member;
}

void tls_engine_report(struct tls_engine *t, const struct tls_engine_failure *failure)
{
    pthread_mutex_lock(&t->lock);
    t->failures[failure->kind]++;
    pthread_mutex_unlock(&t->lock);
    pthread_mutex_lock(&t->cb_lock);
    if (!t->is_closed && t->options.failed_cb != NULL)
        t->options.failed_cb(t->options.ctx, failure);
    pthread_mutex_unlock(&t->cb_lock);
}

/* ---- configs, called by NNG ---- */

/* nng_tls_config_alloc() calls config_init() on our own thread: this hands it what NNG has no parameter for. */
static _Thread_local const struct nng_tls_engine_config *config_wanted;

static int config_init(nng_tls_engine_config *config, nng_tls_mode mode)
{
    config->is_server = mode == NNG_TLS_MODE_SERVER;
    if (config_wanted != NULL) {
        xassert(config_wanted->is_server == config->is_server);
        *config = *config_wanted;
        tls_engine_hold(config->engine);
    }
    return 0;
}

static void config_fini(nng_tls_engine_config *config)
{
    if (config->engine != NULL)
        tls_engine_drop(config->engine);
    config->engine = NULL;
}

/* NNG's own wishes: who must be at the other end is fixed in the config, and "no authentication", which NNG asks of
 * every listener, is not to be had. */
static int config_server(nng_tls_engine_config *config, const char *name)
{
    (void)config, (void)name;
    return 0;
}

static int config_auth(nng_tls_engine_config *config, nng_tls_auth_mode mode)
{
    (void)config, (void)mode;
    return 0;
}

static int config_ca_chain(nng_tls_engine_config *config, const char *certs, const char *crl)
{
    (void)config, (void)certs, (void)crl;
    return NNG_ENOTSUP;
}

static int config_own_cert(nng_tls_engine_config *config, const char *cert, const char *key, const char *pass)
{
    (void)config, (void)cert, (void)key, (void)pass;
    return NNG_ENOTSUP;
}

static int config_psk(nng_tls_engine_config *config, const char *identity, const uint8_t *key, size_t key_size)
{
    (void)config, (void)identity, (void)key, (void)key_size;
    return NNG_ENOTSUP;
}

static int config_version(nng_tls_engine_config *config, nng_tls_version min, nng_tls_version max)
{
    (void)config;
    return min <= NNG_TLS_1_3 && max >= NNG_TLS_1_3 ? 0 : NNG_ENOTSUP;
}

static nng_tls_engine_config_ops config_ops = {
    .size = sizeof(struct nng_tls_engine_config),
    .init = config_init,
    .fini = config_fini,
    .server = config_server,
    .auth = config_auth,
    .ca_chain = config_ca_chain,
    .own_cert = config_own_cert,
    .psk = config_psk,
    .version = config_version,
};

static const nng_tls_engine nng_engine = {
    .version = NNG_TLS_ENGINE_VERSION,
    .config_ops = &config_ops,
    .conn_ops = &tls_engine_conn_ops,
    .name = "tongban",
    .description = "OpenSSL, TLS 1.3 with verified members",
};

static int register_result;

static void register_once(void)
{
    sigset_t before;
    signals_mask(&before);       /* for NNG's threads, which start here */
    (void)nng_tls_engine_name(); /* makes NNG set up its own engine now, which would later overwrite ours */
    signals_unmask(&before);
    tls_engine_conn_prepare();
    register_result = nng_tls_engine_register(&nng_engine);
}

/* ---- public ---- */

static void copy_options(struct tls_engine *t, const struct tls_engine_options *o)
{
    t->options = *o;
    t->options.federation = xstrdup(o->federation);
    t->options.ca_path = xstrdup(o->ca_path);
    t->options.crl_path = xstrdup(o->crl_path);
    t->options.cert_path = xstrdup(o->cert_path);
    t->options.key_path = xstrdup(o->key_path);
    if (o->handshakes_max == 0)
        t->options.handshakes_max = HANDSHAKES_OPEN_MAX;
    if (o->handshake_ms == 0 || o->handshake_ms > HANDSHAKE_MS_MAX)
        t->options.handshake_ms = HANDSHAKE_MS_MAX;
}

static int load_trust(const struct tls_engine_options *o, struct trust **ret, struct err *e)
{
    const struct trust_files files = {.federation = o->federation,
                                      .ca_path = o->ca_path,
                                      .crl_path = o->crl_path,
                                      .cert_path = o->cert_path,
                                      .key_path = o->key_path};
    int rc = trust_load(&files, ret, e);
    if (rc == 0)
        SSL_CTX_set_cert_verify_callback(trust_context(*ret), tls_engine_verify_peer, NULL);
    return rc;
}

int tls_engine_create(const struct tls_engine_options *o, struct tls_engine **ret, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct trust *trust = NULL;
    xassert(o->is_member_cb != NULL);
    int rc = pthread_once(&once, register_once);
    xassert(rc == 0);
    if (register_result != 0)
        return err_set(e, ERR_INTERNAL, "tls.register", "NNG refuses our TLS engine: %s",
                       nng_strerror(register_result));
    rc = load_trust(o, &trust, e);
    if (rc != 0)
        return rc;

    struct tls_engine *t = xcalloc(1, sizeof *t);
    copy_options(t, o);
    t->refs = 1;
    t->trust = trust;
    rc = pthread_mutex_init(&t->lock, NULL) | pthread_mutex_init(&t->cb_lock, NULL);
    xassert(rc == 0);
    atomic_init(&t->generation, 1);
    *ret = t;
    return 0;
}

int tls_engine_reload(struct tls_engine *t, struct err *e)
{
    struct trust *trust = NULL;
    int rc = load_trust(&t->options, &trust, e);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&t->lock);
    rc = trust_check_update(t->trust, trust, e);
    if (rc != 0) {
        pthread_mutex_unlock(&t->lock);
        trust_drop(trust);
        return rc;
    }
    struct trust *old = t->trust;
    t->trust = trust;
    pthread_mutex_unlock(&t->lock);
    trust_drop(old);
    atomic_fetch_add(&t->generation, 1); /* after the swap: who sees the new number judges by the new trust */
    return 0;
}

void tls_engine_members_changed(struct tls_engine *t)
{
    atomic_fetch_add(&t->generation, 1);
}

void tls_engine_destroy(struct tls_engine *t)
{
    if (t == NULL)
        return;
    pthread_mutex_lock(&t->cb_lock);
    t->is_closed = true;
    pthread_mutex_unlock(&t->cb_lock);
    tls_engine_drop(t);
}

/* An NNG config bound to @wanted; the caller frees it. */
static int make_config(const struct nng_tls_engine_config *wanted, nng_tls_config **ret)
{
    config_wanted = wanted;
    int rv = nng_tls_config_alloc(ret, wanted->is_server ? NNG_TLS_MODE_SERVER : NNG_TLS_MODE_CLIENT);
    config_wanted = NULL;
    return rv;
}

int tls_engine_secure_listener(struct tls_engine *t, uint32_t listener_id, struct err *e)
{
    const struct nng_tls_engine_config wanted = {.engine = t, .is_server = true};
    nng_listener listener = NNG_LISTENER_INITIALIZER;
    nng_tls_config *config = NULL;
    listener.id = listener_id;
    int rv = make_config(&wanted, &config);
    if (rv == 0) {
        rv = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config);
        nng_tls_config_free(config);
    }
    return rv == 0 ? 0
                   : err_set(e, ERR_IO, "tls.listener", "cannot secure listener %u: %s", listener_id, nng_strerror(rv));
}

int tls_engine_secure_dialer(struct tls_engine *t, uint32_t dialer_id, uint32_t code, struct err *e)
{
    const struct nng_tls_engine_config wanted = {.engine = t, .code = code};
    nng_dialer dialer = NNG_DIALER_INITIALIZER;
    nng_tls_config *config = NULL;
    dialer.id = dialer_id;
    int rv = make_config(&wanted, &config);
    if (rv == 0) {
        rv = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config);
        nng_tls_config_free(config);
    }
    return rv == 0 ? 0 : err_set(e, ERR_IO, "tls.dialer", "cannot secure the dialer of %u: %s", code, nng_strerror(rv));
}

int tls_engine_pipe_peer(uint32_t pipe_id, struct tls_engine_peer *ret, struct err *e)
{
    nng_pipe pipe = NNG_PIPE_INITIALIZER;
    void *value = NULL;
    struct tls_engine_peer peer = {0};
    unsigned long long not_after_s = 0, heard_ms = 0;
    pipe.id = pipe_id;

    int rv = nng_pipe_get_ptr(pipe, NNG_OPT_TLS_PEER_ALT_NAMES, &value);
    char **names = value;
    bool ok = rv == 0 && names != NULL && names[0] != NULL &&
              sscanf(names[0], "tongban-peer/1 %u %40[0-9a-f] %llu %llu", &peer.code, peer.serial, &not_after_s,
                     &heard_ms) == 4;
    for (char **at = names; rv == 0 && at != NULL && *at != NULL; at++)
        free(*at);
    if (rv == 0)
        free(names);
    if (!ok)
        return err_set(e, ERR_AUTH, "tls.no-peer", "pipe %u has no verified peer", pipe_id);
    peer.not_after_s = not_after_s;
    peer.heard_ms = heard_ms;
    *ret = peer;
    return 0;
}

int tls_engine_check_peer(struct tls_engine *t, const struct tls_engine_peer *peer, struct err *e)
{
    char date[PKI_DATE_TEXT_SIZE];
    pki_format_date(peer->not_after_s, date);
    if (clock_wall_ms() / 1000 > peer->not_after_s)
        return err_set(e, ERR_AUTH, "tls.expired", "certificate expired %s (serial %s)", date, peer->serial);
    struct trust *trust = tls_engine_trust(t);
    bool is_revoked = trust_is_revoked(trust, peer->serial);
    trust_drop(trust);
    if (is_revoked)
        return err_set(e, ERR_AUTH, "tls.revoked", "certificate revoked (serial %s)", peer->serial);
    if (!tls_engine_is_member(t, peer->code))
        return err_set(e, ERR_DENIED, "tls.not-member", "not a member: %u", peer->code);
    return 0;
}

void tls_engine_status(struct tls_engine *t, struct tls_engine_status *ret)
{
    pthread_mutex_lock(&t->lock);
    ret->own = *trust_own(t->trust);
    ret->crl_next_update_s = trust_crl_next_update(t->trust);
    ret->crl_count = trust_crls(t->trust, ret->crls);
    ret->handshakes_open = t->handshakes_open;
    ret->handshakes_done = t->handshakes_done;
    memcpy(ret->failures, t->failures, sizeof ret->failures);
    pthread_mutex_unlock(&t->lock);
}
