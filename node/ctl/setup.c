/* Shared by the set-up commands (see setup.h). */
#include "node/ctl/setup.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "node/base/file.h"
#include "node/base/xassert.h"

#define FORMAT "tongban-request/v2"
#define REQUEST_BYTES_MAX PEM_FILE_BYTES_MAX

const char *setup_path(struct arena *mem, const char *dir, const char *name)
{
    return arena_printf(mem, "%s/%s", dir, name);
}

void setup_request_encode(const struct setup_request *r, struct buf *out)
{
    char keys[3][2 * CRYPTO_ED25519_KEY_SIZE + 1];
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    xassert(doc != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    (void)yyjson_mut_obj_add_str(doc, root, "format", FORMAT);
    (void)yyjson_mut_obj_add_uint(doc, root, "region", r->region);
    (void)yyjson_mut_obj_add_str(doc, root, "name", r->name);
    (void)yyjson_mut_obj_add_str(doc, root, "url", r->url);
    yyjson_mut_val *hosts = yyjson_mut_obj_add_arr(doc, root, "hosts");
    for (size_t i = 0; i < r->host_count; i++)
        (void)yyjson_mut_arr_add_str(doc, hosts, r->hosts[i]);
    hex_encode(r->ledger_key, sizeof r->ledger_key, keys[0]);
    hex_encode(r->witness_key, sizeof r->witness_key, keys[1]);
    hex_encode(r->seal_key, sizeof r->seal_key, keys[2]);
    (void)yyjson_mut_obj_add_str(doc, root, "ledger_key", keys[0]);
    (void)yyjson_mut_obj_add_str(doc, root, "witness_key", keys[1]);
    (void)yyjson_mut_obj_add_str(doc, root, "seal_key", keys[2]);
    (void)yyjson_mut_obj_add_strn(doc, root, "csr", (const char *)r->csr_pem.data, r->csr_pem.size);
    size_t size = 0;
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES, &size);
    xassert(text != NULL); /* names and hosts were checked to be UTF-8 */
    buf_put(out, text, size);
    buf_put_string(out, "\n");
    free(text);
    yyjson_mut_doc_free(doc);
}

/* A text field; NULL when it is absent, no text, or holds a NUL. */
static const char *text_field(struct arena *mem, yyjson_val *root, const char *name)
{
    const char *text = yyjson_get_str(yyjson_obj_get(root, name));
    if (text == NULL || strlen(text) != yyjson_get_len(yyjson_obj_get(root, name)))
        return NULL;
    return arena_strdup(mem, text);
}

static bool key_field(struct arena *mem, yyjson_val *root, const char *name, uint8_t ret[CRYPTO_ED25519_KEY_SIZE])
{
    const char *hex = text_field(mem, root, name);
    size_t size = 0;
    return hex != NULL && hex_decode(hex, strlen(hex), ret, CRYPTO_ED25519_KEY_SIZE, &size) == 0 &&
           size == CRYPTO_ED25519_KEY_SIZE;
}

/* The first field that is not as it should be, or NULL. */
static const char *decode_request(yyjson_val *root, struct arena *mem, struct setup_request *r)
{
    const char *format = text_field(mem, root, "format");
    if (format == NULL || strcmp(format, FORMAT) != 0)
        return "format";
    yyjson_val *region = yyjson_obj_get(root, "region"), *hosts = yyjson_obj_get(root, "hosts");
    if (!yyjson_is_uint(region) || yyjson_get_uint(region) > 999999)
        return "region";
    r->region = (uint32_t)yyjson_get_uint(region);
    r->name = text_field(mem, root, "name");
    if (r->name == NULL)
        return "name";
    r->url = text_field(mem, root, "url");
    if (r->url == NULL)
        return "url";
    if (!yyjson_is_arr(hosts) || yyjson_arr_size(hosts) > CERT_HOSTS_MAX)
        return "hosts";
    yyjson_arr_iter it = yyjson_arr_iter_with(hosts);
    for (yyjson_val *v = yyjson_arr_iter_next(&it); v != NULL; v = yyjson_arr_iter_next(&it)) {
        if (!yyjson_is_str(v))
            return "hosts";
        r->hosts[r->host_count++] = arena_strdup(mem, yyjson_get_str(v));
    }
    if (!key_field(mem, root, "ledger_key", r->ledger_key))
        return "ledger_key";
    if (!key_field(mem, root, "witness_key", r->witness_key))
        return "witness_key";
    if (!key_field(mem, root, "seal_key", r->seal_key))
        return "seal_key";
    const char *csr = text_field(mem, root, "csr");
    if (csr == NULL)
        return "csr";
    r->csr_pem = bytes_of_string(csr);
    return NULL;
}

int setup_request_load(const char *path, struct arena *mem, struct setup_request *ret, struct err *e)
{
    struct buf text = {0};
    struct setup_request r = {0};
    int rc = file_read(path, REQUEST_BYTES_MAX, &text, e);
    if (rc != 0) {
        err_hint(e, "'tongban node init' makes it");
        return rc;
    }
    yyjson_doc *doc = yyjson_read((const char *)text.data, text.size, YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *bad = decode_request(root, mem, &r);
    if (!yyjson_is_obj(root))
        rc = err_set(e, ERR_INVALID, "setup.request", "'%s' is no request of a node: it is no JSON object", path);
    else if (bad != NULL)
        rc = err_set(e, ERR_INVALID, "setup.request", "'%s' is no request of a node: its '%s' is missing or wrong",
                     path, bad);
    else
        *ret = r;
    yyjson_doc_free(doc);
    buf_close(&text);
    return rc;
}

bool setup_is_wildcard(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 || strcmp(host, "*") == 0;
}

int setup_parse_host_port(const char *what, const char *text, struct arena *mem, const char **ret_host, struct err *e)
{
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    size_t size = colon != NULL ? (size_t)(colon - text) : 0;
    bool brackets = size > 2 && text[0] == '[' && text[size - 1] == ']';
    if (size == 0 || decimal_parse(bytes_of_string(colon + 1), &port) != 0 || port < 1 || port > 65535 ||
        (!brackets && memchr(text, ':', size) != NULL) || strcspn(text, "/?#@ \t") != strlen(text))
        return err_set(e, ERR_INVALID, "setup.address",
                       "%s '%.128s' must end in host:port, with a port from 1 to 65535", what, text);
    *ret_host = brackets ? arena_strndup(mem, text + 1, size - 2) : arena_strndup(mem, text, size);
    return 0;
}

int setup_parse_url(const char *what, const char *url, struct arena *mem, const char **ret_host, struct err *e)
{
    static const char scheme[] = "tls+tcp://";
    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return err_set(e, ERR_INVALID, "setup.address", "%s '%.128s' must begin with %s", what, url, scheme);
    return setup_parse_host_port(what, url + sizeof scheme - 1, mem, ret_host, e);
}
