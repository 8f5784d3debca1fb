/* Private keys as PEM files (see keystore_pem.h). Text of a key is wiped from memory before it is freed. */
#include "certs/keystore_pem.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/crypto.h"
#include "certs/pki_x509.h"
#include "node/base/file.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

/* OpenSSL would ask the terminal; a daemon has none. */
static int refuse_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return -1;
}

/* The owner may read and write, the group may read (secrets mounted for a service account), nobody else. */
static int check_mode(const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_set_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "keystore.open", errno,
                             "cannot open key '%s'", path);
    if (S_ISREG(st.st_mode) && (st.st_mode & 0137) != 0) {
        err_set(e, ERR_DENIED, "keystore.mode", "key '%s' is open to others (mode %04o, allowed is 0640 at most)", path,
                (unsigned)(st.st_mode & 07777));
        err_hint(e, "chmod 600 '%s'", path);
        return ERR_DENIED;
    }
    return 0;
}

static bool is_wanted(EVP_PKEY *key, const char *type)
{
    if (EVP_PKEY_is_a(key, type) != 1)
        return false;
    char group[32] = "";
    return strcmp(type, "EC") != 0 || (EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
                                       strcmp(group, "prime256v1") == 0); /* = P-256 */
}

static int parse(const char *path, const char *type, struct bytes pem, EVP_PKEY **ret, struct err *e)
{
    static const char label[] = "ENCRYPTED"; /* "BEGIN ENCRYPTED PRIVATE KEY", or "Proc-Type: 4,ENCRYPTED" */
    if (pem.size > 0 && memmem(pem.data, pem.size, label, sizeof label - 1) != NULL)
        return err_set(e, ERR_INVALID, "keystore.encrypted", "key '%s' is encrypted; store it without pass phrase",
                       path);

    BIO *bio = pki_x509_source(pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, NULL);
    BIO_free(bio);
    if (key == NULL)
        return pki_x509_error(e, ERR_INVALID, "keystore.not-a-key", "'%s' holds no private key in PEM form", path);

    if (!is_wanted(key, type)) {
        const char *found = EVP_PKEY_get0_type_name(key);
        err_set(e, ERR_INVALID, "keystore.key-type", "key '%s' is of type %s, needed is %s", path,
                found == NULL ? "unknown" : found, strcmp(type, "EC") == 0 ? "EC on P-256" : type);
        EVP_PKEY_free(key);
        return ERR_INVALID;
    }
    *ret = key;
    return 0;
}

int keystore_pem_load(const char *path, const char *type, EVP_PKEY **ret, struct err *e)
{
    struct buf pem;
    int rc = check_mode(path, e);
    if (rc != 0)
        return rc;
    rc = file_read(path, PEM_FILE_BYTES_MAX, &pem, e);
    if (rc != 0)
        return rc;
    rc = parse(path, type, buf_bytes(&pem), ret, e);
    if (pem.size > 0)
        crypto_wipe(pem.data, pem.size);
    buf_close(&pem);
    return rc;
}

int keystore_pem_write(const char *path, EVP_PKEY *key, struct err *e)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    xassert(bio != NULL);
    int ok = PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    xassert(ok == 1);
    char *text = NULL;
    long size = BIO_get_mem_data(bio, &text);
    xassert(size > 0);
    int rc = file_write(path, bytes_of(text, (size_t)size), 0600, true, e);
    crypto_wipe(text, (size_t)size);
    BIO_free(bio);
    return rc;
}
