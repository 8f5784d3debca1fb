/* The socket for files (see files_link.h). */
#include "node/files_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/log.h"
#include "node/base/xassert.h"

struct dialled {
    uint32_t code;
    uint16_t port;
    uint64_t
        reached_ms; /* since when its connection for events stood, the last time that it was dialled for that at once */
};

struct files_link {
    struct files_link_config config;
    struct tls_engine *tls;
    struct link *link;
    struct dialled *dialled;
    size_t dialled_count;
};

uint16_t files_link_port_of(const char *url)
{
    const char *colon = strrchr(url, ':');
    uint64_t port = 0;
    if (colon == NULL || decimal_parse(bytes_of_string(colon + 1), &port) != 0 || port > 65535)
        return 0;
    return (uint16_t)port;
}

/* "tls+tcp://host:7510" with another port; "" when it has none. */
static void url_with_port(const char *url, uint16_t port, char out[LINK_NNG_URL_BYTES_MAX])
{
    const char *colon = strrchr(url, ':');
    size_t host = colon == NULL ? 0 : (size_t)(colon - url);
    out[0] = '\0';
    if (port != 0 && files_link_port_of(url) != 0 && host + 8 < LINK_NNG_URL_BYTES_MAX)
        (void)snprintf(out, LINK_NNG_URL_BYTES_MAX, "%.*s:%u", (int)host, url, port);
}

static struct dialled *find(const struct files_link *l, uint32_t code)
{
    for (size_t i = 0; i < l->dialled_count; i++)
        if (l->dialled[i].code == code)
            return &l->dialled[i];
    return NULL;
}

/* All members may dial us; we dial those that something is wanted of. */
static int set_peers(struct files_link *l, struct err *e)
{
    const struct members *m = l->config.members;
    struct link_nng_peer *peers = xcalloc(m->count, sizeof *peers);
    char(*urls)[LINK_NNG_URL_BYTES_MAX] = xcalloc(m->count, sizeof *urls);
    for (size_t i = 0; i < m->count; i++) {
        const struct dialled *d = find(l, m->list[i].code);
        if (d != NULL)
            url_with_port(m->list[i].url, d->port, urls[i]);
        peers[i] = (struct link_nng_peer){.code = m->list[i].code, .url = urls[i]};
    }
    int rc = link_nng_set_peers(l->link, peers, m->count, e);
    free(urls);
    free(peers);
    return rc;
}

/* While a peer is away the pauses between our attempts grow to half a minute. Its connection for events comes back first, the peer
 * dials as well; then we do not wait: once for each time that it has come back, lest an unreachable port is dialled all the time. */
static void redial(struct files_link *l, struct dialled *d, const struct replication_peer *view)
{
    char code[12];
    if (!view->connected || d->reached_ms == view->since_ms)
        return;
    d->reached_ms = view->since_ms;
    (void)snprintf(code, sizeof code, "%u", d->code);
    log_debug("material", code, "fetch.redial", "it is there again: dialling for files now");
    link_redial(l->link, d->code);
}

void files_link_dial(void *ctx, uint32_t peer)
{
    struct files_link *l = ctx;
    struct replication_peer view;
    struct dialled *d = find(l, peer);
    struct err e = {0};
    if (!replication_peer(l->config.replication, peer, &view) || view.files_port == 0)
        return; /* not known yet */
    if (d != NULL && d->port == view.files_port) {
        redial(l, d, &view);
        return;
    }
    if (d == NULL) {
        l->dialled = xrealloc(l->dialled, (l->dialled_count + 1) * sizeof *d);
        d = &l->dialled[l->dialled_count++];
    }
    *d = (struct dialled){.code = peer, .port = view.files_port, .reached_ms = view.since_ms};
    if (set_peers(l, &e) != 0)
        log_warn("material", NULL, e.id, "cannot dial for files: %s", e.message);
}

int files_link_open(const struct files_link_config *config, struct files_link **ret, struct err *e)
{
    struct files_link *l = xcalloc(1, sizeof *l);
    struct tls_engine_options tls = *config->tls;
    l->config = *config;
    l->config.tls = NULL;
    tls.failed_cb = NULL; /* the same peers fail at the socket for events for the same reasons, and are told of there */
    int rc = tls_engine_create(&tls, &l->tls, e);
    struct link_nng_config link = {.code = config->code,
                                   .listen_url = config->listen_url,
                                   .tls = l->tls,
                                   .event_cb = fetches_link_event,
                                   .ctx = config->fetches,
                                   .is_last = true};
    struct link *opened = NULL;
    if (rc == 0)
        rc = link_nng_open(&link, &opened, e);
    if (rc != 0) {
        tls_engine_destroy(l->tls);
        free(l);
        return err_wrap(e, "files");
    }
    l->link = opened;
    rc = set_peers(l, e);
    if (rc != 0) {
        files_link_close(l);
        return err_wrap(e, "files");
    }
    fetches_set_link(config->fetches, opened);
    *ret = l;
    return 0;
}

int files_link_reload(struct files_link *l, struct err *e)
{
    int rc = tls_engine_reload(l->tls, e);
    if (rc == 0) {
        tls_engine_members_changed(l->tls);
        rc = set_peers(l, e);
    }
    if (rc == 0)
        link_nng_recheck(l->link);
    return rc;
}

void files_link_close(struct files_link *l)
{
    if (l == NULL)
        return;
    fetches_set_link(l->config.fetches, NULL);
    link_close(l->link);
    tls_engine_destroy(l->tls);
    free(l->dialled);
    free(l);
}
