/* node init: the folder of a new node.
 *
 *   tls.key, ledger.key, witness.key, seal.key   private keys, mode 0600, never leave the folder
 *   api.token             credential of the API on TCP, mode 0600
 *   request.json          for the federation's office: setup.h
 *   node.json             the configuration; written last, so that a folder with it is complete
 *
 * A second run on a complete folder is refused; one on a folder that a crash left half made goes on with the keys that
 * are there.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "certs/keystore.h"
#include "certs/pki.h"
#include "node/base/file.h"
#include "node/base/xassert.h"
#include "node/ctl/cmd.h"
#include "node/ctl/setup.h"

#define TOKEN_BYTES 32
#define PATH_BYTES_MAX 4096

struct node_init {
    struct ctl *ctl;
    struct arena *mem;
    const char *listen, *advertise, *http, *catalog, *data; /* advertise, http, catalog: NULL = none */
    const char *files_listen;                               /* NULL = none */
    uint64_t files_port;                                    /* 0 = that of files_listen */
    struct setup_request request;
};

/* ---- options ---- */

static void add_host(struct setup_request *r, const char *host)
{
    if (setup_is_wildcard(host))
        return;
    for (size_t i = 0; i < r->host_count; i++)
        if (strcmp(r->hosts[i], host) == 0)
            return;
    r->hosts[r->host_count++] = host;
}

static int check_addresses(struct node_init *n, struct err *e)
{
    const char *listen_host, *advertise_host = NULL, *http_host;
    int rc = setup_parse_url("--federation-listen", n->listen, n->mem, &listen_host, e);
    if (rc == 0 && n->advertise != NULL)
        rc = setup_parse_url("--advertise", n->advertise, n->mem, &advertise_host, e);
    if (rc == 0 && n->http != NULL)
        rc = setup_parse_host_port("--http", n->http, n->mem, &http_host, e);
    if (rc != 0)
        return rc;
    if (setup_is_wildcard(advertise_host != NULL ? advertise_host : listen_host)) {
        rc = err_set(e, ERR_INVALID, "setup.advertise", "nobody can dial '%s'",
                     n->advertise != NULL ? n->advertise : n->listen);
        err_hint(e, "say with --advertise where the other nodes reach this one");
        return rc;
    }
    if (advertise_host != NULL)
        add_host(&n->request, advertise_host);
    add_host(&n->request, listen_host);
    for (size_t i = 0; rc == 0 && i < n->request.host_count; i++)
        rc = pki_check_host(n->request.hosts[i], e);
    return rc;
}

/* The absolute path of something that exists. */
static int absolute(struct node_init *n, const char *what, const char *path, const char **ret, struct err *e)
{
    char *real = realpath(path, NULL);
    if (real == NULL)
        return err_set(e, ERR_NOT_FOUND, "setup.path", "%s '%.200s' does not exist", what, path);
    *ret = arena_strdup(n->mem, real);
    free(real);
    return 0;
}

/* Where the installation keeps divisions and calendars: beside the program, as installed or as built. */
static int find_data(struct node_init *n, struct err *e)
{
    static const char *const places[] = {"../share/tongban", "../../../catalog/data"};
    const char *given = ctl_option(n->ctl, "--data");
    if (given != NULL)
        return absolute(n, "--data", given, &n->data, e);
    char self[PATH_BYTES_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    self[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL)
        *slash = '\0';
    for (size_t i = 0; i < array_count(places); i++) {
        const char *folder = arena_printf(n->mem, "%s/%s", self, places[i]);
        if (access(setup_path(n->mem, folder, "divisions.tsv"), R_OK) == 0)
            return absolute(n, "data", folder, &n->data, e);
    }
    int rc = err_set(e, ERR_NOT_FOUND, "setup.data", "the folder of divisions and calendars is not beside the program");
    err_hint(e, "name it with --data DIR");
    return rc;
}

static int take_options(struct node_init *n, struct err *e)
{
    uint64_t region = 0;
    struct ctl *c = n->ctl;
    n->listen = ctl_option(c, "--federation-listen");
    n->advertise = ctl_option(c, "--advertise");
    n->http = ctl_option(c, "--http");
    n->files_listen = ctl_option(c, "--files-listen");
    n->request.name = ctl_option(c, "--name");
    n->request.url = n->advertise != NULL ? n->advertise : n->listen;
    int rc = ctl_option_u64(c, "--region", 100000, 829999, &region, e); /* the provinces' codes of GB/T 2260 */
    n->request.region = (uint32_t)region;
    const char *files_host;
    if (rc == 0)
        rc = ctl_option_u64(c, "--files-port", 1, 65535, &n->files_port, e);
    if (rc == 0 && n->files_listen != NULL)
        rc = setup_parse_url("--files-listen", n->files_listen, n->mem, &files_host, e);
    if (rc == 0)
        rc = pki_check_node_name(n->request.name, e);
    if (rc == 0)
        rc = check_addresses(n, e);
    if (rc == 0 && ctl_option(c, "--catalog") != NULL)
        rc = absolute(n, "--catalog", ctl_option(c, "--catalog"), &n->catalog, e);
    if (rc == 0)
        rc = find_data(n, e);
    return rc;
}

/* ---- files ---- */

/* A key of an earlier, unfinished run is kept. */
static int keep_if_there(int rc, struct err *e)
{
    if (rc != ERR_CONFLICT)
        return rc;
    *e = (struct err){0};
    return 0;
}

static int signing_key(const char *path, uint8_t ret_public[CRYPTO_ED25519_KEY_SIZE], struct err *e)
{
    struct crypto_signer *signer = NULL;
    int rc = keep_if_there(keystore_create_signing_key(path, e), e);
    if (rc == 0)
        rc = keystore_load_signing_key(path, &signer, e);
    if (rc == 0)
        crypto_signer_public(signer, ret_public);
    crypto_signer_destroy(signer);
    return rc;
}

static int seal_key(const char *path, uint8_t ret_public[CRYPTO_X25519_KEY_SIZE], struct err *e)
{
    struct crypto_hpke_key *key = NULL;
    int rc = keep_if_there(keystore_create_seal_key(path, e), e);
    if (rc == 0)
        rc = keystore_load_seal_key(path, &key, e);
    if (rc == 0)
        crypto_hpke_key_public(key, ret_public);
    crypto_hpke_key_destroy(key);
    return rc;
}

static int write_keys(struct node_init *n, struct err *e)
{
    const char *dir = n->ctl->dir;
    int rc = keep_if_there(keystore_create_tls_key(setup_path(n->mem, dir, "tls.key"), e), e);
    if (rc == 0)
        rc = signing_key(setup_path(n->mem, dir, "ledger.key"), n->request.ledger_key, e);
    if (rc == 0)
        rc = signing_key(setup_path(n->mem, dir, "witness.key"), n->request.witness_key, e);
    if (rc == 0)
        rc = seal_key(setup_path(n->mem, dir, "seal.key"), n->request.seal_key, e);
    if (rc != 0)
        return rc;

    uint8_t token[TOKEN_BYTES];
    char text[2 * TOKEN_BYTES + 2];
    crypto_random(token, sizeof token);
    hex_encode(token, sizeof token, text);
    text[2 * TOKEN_BYTES] = '\n';
    rc = file_write(setup_path(n->mem, dir, "api.token"), bytes_of(text, 2 * TOKEN_BYTES + 1), 0600, true, e);
    crypto_wipe(token, sizeof token);
    crypto_wipe(text, sizeof text);
    return keep_if_there(rc, e);
}

static int write_request(struct node_init *n, struct err *e)
{
    struct buf csr = {0}, text = {0};
    int rc = keystore_request(setup_path(n->mem, n->ctl->dir, "tls.key"), &csr, e);
    if (rc == 0) {
        n->request.csr_pem = buf_bytes(&csr);
        setup_request_encode(&n->request, &text);
        rc = file_write(setup_path(n->mem, n->ctl->dir, "request.json"), buf_bytes(&text), 0644, false, e);
    }
    buf_close(&csr);
    buf_close(&text);
    return rc;
}

static int write_config(struct node_init *n, struct err *e)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    xassert(doc != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    (void)yyjson_mut_obj_add_uint(doc, root, "region", n->request.region);
    (void)yyjson_mut_obj_add_str(doc, root, "name", n->request.name);
    yyjson_mut_val *federation = yyjson_mut_obj_add_obj(doc, root, "federation");
    (void)yyjson_mut_obj_add_str(doc, federation, "listen", n->listen);
    (void)yyjson_mut_obj_add_str(doc, federation, "advertise", n->request.url);
    const char *const optional[][2] = {{"http", n->http}, {"catalog", n->catalog}};
    for (size_t i = 0; i < array_count(optional); i++)
        (void)(optional[i][1] != NULL ? yyjson_mut_obj_add_str(doc, root, optional[i][0], optional[i][1])
                                      : yyjson_mut_obj_add_null(doc, root, optional[i][0]));
    (void)yyjson_mut_obj_add_str(doc, root, "data", n->data);
    if (n->files_listen != NULL) {
        yyjson_mut_val *files = yyjson_mut_obj_add_obj(doc, root, "files");
        (void)yyjson_mut_obj_add_str(doc, files, "listen", n->files_listen);
        if (n->files_port != 0)
            (void)yyjson_mut_obj_add_uint(doc, files, "advertise_port", n->files_port);
    }
    size_t size = 0;
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES | YYJSON_WRITE_NEWLINE_AT_END, &size);
    int rc = text == NULL
                 ? err_set(e, ERR_INVALID, "ctl.text", "an argument is not UTF-8 text")
                 : file_write(setup_path(n->mem, n->ctl->dir, "node.json"), bytes_of(text, size), 0644, true, e);
    free(text);
    yyjson_mut_doc_free(doc);
    return rc;
}

int cmd_node_init(struct ctl *c, struct err *e)
{
    struct node_init n = {.ctl = c, .mem = &c->mem};
    int rc = take_options(&n, e);
    if (rc == 0)
        rc = file_make_dir(c->dir, 0750, e);
    if (rc != 0)
        return rc;
    const char *config = setup_path(&c->mem, c->dir, "node.json");
    if (access(config, F_OK) == 0)
        return err_set(e, ERR_CONFLICT, "setup.exists", "'%.200s' exists already: this is a node; nothing was changed",
                       config);
    rc = write_keys(&n, e);
    if (rc == 0)
        rc = write_request(&n, e);
    if (rc == 0)
        rc = write_config(&n, e);
    if (rc != 0)
        return rc;

    const struct output_pair pairs[] = {
        {"code", arena_printf(&c->mem, "%u", n.request.region)},
        {"name", n.request.name},
        {"folder", c->dir},
        {"reached at", n.request.url},
        {"request", setup_path(&c->mem, c->dir, "request.json")},
    };
    cmd_print_pairs(c, pairs, array_count(pairs));
    return 0;
}
