/* What the configuration names, read and checked (see node_files.h). */
#include "node/node_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "catalog/load.h"
#include "certs/keystore.h"
#include "certs/pki.h"
#include "node/base/arena.h"
#include "node/base/file.h"
#include "node/base/limits.h"
#include "node/base/log.h"
#include "node/base/xassert.h"

int node_files_read_line(const char *path, char *out, size_t size, struct err *e)
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
static int load_more_keys(const struct config *c, struct node_identity *id, struct err *e)
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

int node_files_load_members(const struct config *c, struct members *ret, struct err *e)
{
    char vkey[ORIGIN_NAME_BYTES_MAX + 128];
    int rc = node_files_read_line(c->federation_path, vkey, sizeof vkey, e);
    return rc == 0 ? members_load(c->members_path, vkey, ret, e) : rc;
}

int node_files_load_identity(const struct config *c, struct node_identity *id, struct err *e)
{
    uint8_t public_key[CRYPTO_ED25519_KEY_SIZE];
    int rc = check_closed(c, e);
    if (rc == 0)
        rc = node_files_load_members(c, &id->members, e);
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

void node_files_close_identity(struct node_identity *id)
{
    crypto_signer_destroy(id->key);
    crypto_signer_destroy(id->witness_key);
    crypto_hpke_key_destroy(id->seal_key);
    members_close(&id->members);
}

int node_files_load_regions(const struct config *c, struct region_table **ret, struct err *e)
{
    struct arena a = ARENA_INIT;
    int rc = region_table_load(arena_printf(&a, "%s/divisions.tsv", c->data),
                               arena_printf(&a, "%s/divisions_historic.tsv", c->data), ret, e);
    if (rc == 0)
        rc = region_changes_load(*ret, arena_printf(&a, "%s/divisions_successors.tsv", c->data), e);
    if (rc != 0)
        err_hint(e, "divisions.tsv, divisions_historic.tsv and divisions_successors.tsv go together: copy all three "
                    "from the data "
                    "folder of this version");
    arena_close(&a);
    return rc;
}

int node_files_load_calendar(const struct config *c, struct calendar **ret, struct err *e)
{
    struct arena a = ARENA_INIT;
    int rc = calendar_load(arena_printf(&a, "%s/holidays.json", c->data), ret, e);
    arena_close(&a);
    return rc;
}

int node_files_load_catalog(const struct config *c, struct catalog **ret, struct err *e)
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

int node_files_check_certificate(const struct config *c, struct err *e)
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

int node_files_load_policy(const struct config *c, struct arena *mem, struct policy *ret, struct err *e)
{
    struct buf text = {0};
    if (c->policy[0] == '\0')
        return 0;
    int rc = file_read(c->policy, POLICY_BYTES_MAX, &text, e);
    if (rc == 0)
        rc = policy_parse(buf_bytes(&text), mem, ret, e);
    if (rc == 0)
        rc = check_witnesses(ret, e);
    buf_close(&text);
    return rc == 0 ? 0 : err_wrap(e, "policy '%s'", c->policy);
}
