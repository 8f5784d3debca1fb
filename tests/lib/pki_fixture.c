/* See pki_fixture.h. */
#include "tests/lib/pki_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certs/keystore.h"
#include "node/base/clock.h"
#include "node/base/file.h"
#include "node/base/xassert.h"

static void must(int rc, const struct err *e)
{
    if (rc != 0) {
        fprintf(stderr, "pki_fixture: %s: %s\n", e->id, e->message);
        abort();
    }
}

void pki_fixture_path(const struct pki_fixture *f, const char *name, char out[PKI_FIXTURE_PATH_SIZE])
{
    int size = snprintf(out, PKI_FIXTURE_PATH_SIZE, "%s/%s", f->dir, name);
    xassert(size > 0 && size < PKI_FIXTURE_PATH_SIZE);
}

void pki_fixture_open(struct pki_fixture *f)
{
    struct err e = {0};
    char ca[PKI_FIXTURE_PATH_SIZE];
    *f = (struct pki_fixture){.now_s = clock_wall_ms() / 1000};
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/tongban-test-XXXXXX");
    char *made = mkdtemp(f->dir);
    xassert(made != NULL);
    pki_fixture_path(f, "ca", ca);
    pki_fixture_path(f, "ca/ca.pem", f->ca_path);
    pki_fixture_path(f, "ca/crl.pem", f->crl_path);
    must(ca_init(ca, PKI_FIXTURE_FEDERATION, f->now_s - 3600, f->now_s + 86400, NULL, &e), &e);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void pki_fixture_close(struct pki_fixture *f)
{
    (void)nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct ca *open_ca(const struct pki_fixture *f)
{
    struct err e = {0};
    struct ca *ca = NULL;
    char path[PKI_FIXTURE_PATH_SIZE];
    pki_fixture_path(f, "ca", path);
    must(ca_open(path, &ca, &e), &e);
    return ca;
}

void pki_fixture_issue(struct pki_fixture *f, const char *label, uint32_t code, const char *name, int64_t from_s,
                       int64_t to_s, struct pki_fixture_node *ret)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1", "::1"};
    struct err e = {0};
    struct buf csr = {0}, pem = {0};
    char file[128];
    *ret = (struct pki_fixture_node){.code = code};
    (void)snprintf(file, sizeof file, "%s.pem", label);
    pki_fixture_path(f, file, ret->cert_path);
    (void)snprintf(file, sizeof file, "%s.key", label);
    pki_fixture_path(f, file, ret->key_path);

    if (access(ret->key_path, F_OK) != 0)
        must(keystore_create_tls_key(ret->key_path, &e), &e);
    must(keystore_request(ret->key_path, &csr, &e), &e);
    struct ca_request r = {.code = code,
                           .name = name,
                           .hosts = hosts,
                           .hosts_count = array_count(hosts),
                           .not_before_s = (uint64_t)((int64_t)f->now_s + from_s),
                           .not_after_s = (uint64_t)((int64_t)f->now_s + to_s),
                           .csr_pem = buf_bytes(&csr)};
    struct ca *ca = open_ca(f);
    must(ca_issue(ca, &r, &pem, ret->serial, &e), &e);
    ca_close(ca);
    must(file_write(ret->cert_path, buf_bytes(&pem), 0644, false, &e), &e);
    buf_close(&csr);
    buf_close(&pem);
}

void pki_fixture_revoke(struct pki_fixture *f, const struct pki_fixture_node *node)
{
    struct err e = {0};
    struct ca *ca = open_ca(f);
    must(ca_revoke(ca, node->serial, CA_INDEX_KEY_COMPROMISE, f->now_s, &e), &e);
    ca_close(ca);
}
