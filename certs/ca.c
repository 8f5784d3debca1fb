/* The CA's folder: opening it, issuing, revoking, CRLs (see ca.h). Certificates themselves are built in ca_build.c. */
#include "certs/ca.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/ca_build.h"
#include "certs/crypto.h"
#include "certs/keystore.h"
#include "certs/keystore_pem.h"
#include "certs/pki_x509.h"
#include "node/base/file.h"
#include "node/base/xassert.h"

/* An expired certificate stays in the CRL a while, for nodes whose clocks are behind. */
#define CRL_KEEP_S (30u * 24 * 3600)

struct ca {
    char *dir;
    int lock; /* open file with the flock, -1 */
    char federation[FEDERATION_NAME_BYTES_MAX + 1];
    X509 *cert;
    EVP_PKEY *key;
    struct ca_index index;
    unsigned made; /* of init_names, by bits: not there before the ca_init() that opened it */
};

/* "@dir/@name"; the caller frees. */
static char *path_of(const char *dir, const char *name)
{
    struct buf path = {0};
    buf_printf(&path, "%s/%s", dir, name);
    char *copy = xstrdup(buf_cstr(&path));
    buf_close(&path);
    return copy;
}

static int write_file(const char *dir, const char *name, struct bytes content, bool exclusive, struct err *e)
{
    char *path = path_of(dir, name);
    int rc = file_write(path, content, 0644, exclusive, e);
    free(path);
    return rc;
}

/* What an init makes, in the order in which it is taken back: where there is a ca.pem, everything else of the CA is there too. */
static const char *const init_names[] = {"ca.pem", "ca.key", "federation.key", "issued", "crl.pem"};

static int take_lock(struct ca *ca, struct err *e)
{
    char *path = path_of(ca->dir, "lock");
    int rc = 0;
    ca->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (ca->lock < 0)
        rc = err_set_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "ca.lock", errno, "cannot open '%s'", path);
    else if (flock(ca->lock, LOCK_EX | LOCK_NB) != 0)
        rc = err_set(e, ERR_BUSY, "ca.busy", "another process is using the CA in '%s'", ca->dir);
    free(path);
    return rc;
}

static struct ca *create(const char *dir)
{
    struct ca *ca = xcalloc(1, sizeof *ca);
    ca->lock = -1;
    ca->dir = xstrdup(dir);
    return ca;
}

/* The certificate, its key and the register, of @ca that has its lock. */
static int load(struct ca *ca, struct err *e)
{
    char *cert_path = path_of(ca->dir, "ca.pem"), *key_path = path_of(ca->dir, "ca.key");
    char *index_path = path_of(ca->dir, "issued");
    int rc = pki_x509_load(cert_path, &ca->cert, e);
    if (rc != 0)
        goto out;
    rc = pki_x509_ca_federation(ca->cert, ca->federation, e);
    if (rc != 0) {
        err_wrap(e, "'%s'", cert_path);
        goto out;
    }
    rc = keystore_pem_load(key_path, "EC", &ca->key, e);
    if (rc != 0)
        goto out;
    if (X509_check_private_key(ca->cert, ca->key) != 1) {
        rc = pki_x509_error(e, ERR_CORRUPT, "ca.key-mismatch", "key '%s' does not belong to '%s'", key_path, cert_path);
        goto out;
    }
    rc = ca_index_load(&ca->index, index_path, e);

out:
    free(cert_path);
    free(key_path);
    free(index_path);
    return rc;
}

int ca_open(const char *dir, struct ca **ret, struct err *e)
{
    struct ca *ca = create(dir);
    int rc = take_lock(ca, e);
    if (rc == 0)
        rc = load(ca, e);
    if (rc == 0)
        *ret = ca;
    else
        ca_close(ca);
    return rc;
}

/* The certificate goes last. */
static int init_files(const char *dir, const char *federation, uint64_t not_before_s, uint64_t not_after_s,
                      struct err *e)
{
    X509 *cert = NULL;
    struct buf pem = {0};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    xassert(key != NULL);
    char *key_path = path_of(dir, "ca.key"), *federation_path = path_of(dir, "federation.key");

    int rc = ca_build_root(federation, key, not_before_s, not_after_s, &cert, e);
    if (rc == 0)
        rc = keystore_pem_write(key_path, key, e);
    if (rc == 0)
        rc = keystore_create_signing_key(federation_path, e);
    if (rc == 0) {
        pki_x509_put_cert(&pem, cert);
        rc = write_file(dir, "ca.pem", buf_bytes(&pem), true, e);
    }

    buf_close(&pem);
    X509_free(cert);
    EVP_PKEY_free(key);
    free(key_path);
    free(federation_path);
    return rc;
}

int ca_init(const char *dir, const char *federation, uint64_t not_before_s, uint64_t not_after_s, struct ca **ret,
            struct err *e)
{
    int rc = pki_check_federation(federation, e);
    if (rc != 0)
        return rc;
    if (not_after_s <= not_before_s)
        return err_set(e, ERR_INVALID, "ca.validity", "the CA's validity ends before it begins");
    rc = file_make_dir(dir, 0700, e);
    if (rc != 0)
        return rc;

    struct ca *ca = create(dir);
    rc = take_lock(ca, e); /* so that what is absent now and there later was made here */
    if (rc != 0) {
        ca_close(ca);
        return rc;
    }
    for (unsigned i = 0; i < array_count(init_names); i++) {
        char *path = path_of(dir, init_names[i]);
        struct stat st;
        ca->made |= lstat(path, &st) != 0 && errno == ENOENT ? 1u << i : 0;
        free(path);
    }
    rc = init_files(dir, federation, not_before_s, not_after_s, e);
    if (rc == 0)
        rc = load(ca, e);
    if (rc == 0)
        rc = ca_write_crl(ca, not_before_s, CA_CRL_VALID_S, e);
    if (rc != 0)
        ca_abandon(ca);
    else if (ret != NULL)
        *ret = ca;
    else
        ca_close(ca);
    return rc;
}

void ca_abandon(struct ca *ca)
{
    bool is_gone = true; /* a certificate that cannot be removed keeps its keys */
    for (unsigned i = 0; i < array_count(init_names) && is_gone; i++) {
        char *path = path_of(ca->dir, init_names[i]);
        if ((ca->made & 1u << i) != 0)
            is_gone = unlink(path) == 0 || errno == ENOENT;
        free(path);
    }
    ca_close(ca);
}

void ca_close(struct ca *ca)
{
    if (ca == NULL)
        return;
    ca_index_close(&ca->index);
    EVP_PKEY_free(ca->key);
    X509_free(ca->cert);
    if (ca->lock >= 0)
        close(ca->lock);
    free(ca->dir);
    free(ca);
}

const char *ca_federation(const struct ca *ca)
{
    return ca->federation;
}

const struct ca_index *ca_list(const struct ca *ca)
{
    return &ca->index;
}

static int store_index(struct ca *ca, struct err *e)
{
    char *path = path_of(ca->dir, "issued");
    int rc = ca_index_store(&ca->index, path, e);
    free(path);
    return rc;
}

int ca_issue(struct ca *ca, const struct ca_request *r, struct buf *ret_pem, char ret_serial[PKI_SERIAL_TEXT_SIZE],
             struct err *e)
{
    X509 *cert = NULL;
    struct pki_cert said;
    int rc = ca_build_node(ca->federation, ca->cert, ca->key, r, &cert, e);
    if (rc != 0)
        return rc;

    /* What nodes will read in it, by the code they read it with. */
    rc = pki_x509_describe(cert, &said, e);
    if (rc != 0)
        goto out;
    struct ca_index_entry entry = {.code = r->code, .not_before_s = said.not_before_s, .not_after_s = said.not_after_s};
    memcpy(entry.serial, said.serial, sizeof entry.serial);
    memcpy(entry.name, said.node.name, sizeof entry.name);
    rc = ca_index_add(&ca->index, &entry, e);
    if (rc != 0)
        goto out;
    rc = store_index(ca, e);
    if (rc != 0) {
        ca->index.count--;
        goto out;
    }
    pki_x509_put_cert(ret_pem, cert);
    memcpy(ret_serial, said.serial, sizeof said.serial);

out:
    X509_free(cert);
    return rc;
}

int ca_revoke(struct ca *ca, const char *serial, enum ca_index_reason reason, uint64_t now_s, struct err *e)
{
    struct ca_index_entry *entry = ca_index_find(&ca->index, serial);
    if (entry == NULL)
        return err_set(e, ERR_NOT_FOUND, "ca.no-such-serial", "no certificate with serial '%.60s' was issued here",
                       serial);
    if (entry->revoked_s != 0) {
        char date[PKI_DATE_TEXT_SIZE];
        pki_format_date(entry->revoked_s, date);
        return err_set(e, ERR_CONFLICT, "ca.revoked-before", "serial %s was revoked on %s (%s)", serial, date,
                       ca_index_reason_text(entry->reason));
    }
    xassert(now_s > 0);
    entry->revoked_s = now_s;
    entry->reason = reason;
    int rc = ca_write_crl(ca, now_s, CA_CRL_VALID_S, e);
    if (rc == ERR_FULL || rc == ERR_IO) /* the register may or may not be on disk: read again what stands there */
        err_hint(e, "open the CA again and look at the list before repeating");
    return rc;
}

/* A revoked certificate in the CRL, at most: two headers, a serial with a zero before it, a time with four digits of the year, the
 * extension with the reason. PEM makes 65 characters of 48 bytes. */
#define CRL_ENTRY_BYTES_MAX (2 + (2 + 1 + PKI_SERIAL_BYTES_MAX) + 17 + 14)
_Static_assert((size_t)CA_ENTRIES_MAX *CRL_ENTRY_BYTES_MAX / 48 * 65 + 4096 <= CRL_FILE_BYTES_MAX,
               "the CRL of a full register has its room");

int ca_write_crl(struct ca *ca, uint64_t now_s, uint64_t valid_s, struct err *e)
{
    X509_CRL *crl = NULL;
    struct buf pem;
    buf_init(&pem, CRL_FILE_BYTES_MAX);

    ca->index.crl_number++;
    int rc = store_index(ca, e);
    if (rc != 0)
        goto out;
    rc = ca_build_crl(ca->cert, ca->key, &ca->index, now_s, now_s + valid_s, CRL_KEEP_S, &crl, e);
    if (rc != 0)
        goto out;
    pki_x509_put_crl(&pem, crl);
    xassert(!pem.failed);
    rc = write_file(ca->dir, "crl.pem", buf_bytes(&pem), false, e);

out:
    X509_CRL_free(crl);
    buf_close(&pem);
    return rc;
}
