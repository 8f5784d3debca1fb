/* Identities and certificates as text (see pki.h). The OpenSSL side is pki_x509.c.
 *
 * Encoding and decoding of the identity URI are each other's inverse: the decoder encodes what it read and compares,
 * so that one identity has one spelling and no two certificates can look alike to two readers.
 */
#include "certs/pki.h"

#include <arpa/inet.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "certs/pki_x509.h"
#include "node/base/clock.h"
#include "node/base/file.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

#define URI_SCHEME "tongban://"
#define COMMON_NAME_CHARS_MAX 64u

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/* Labels of 1..63 letters, digits and hyphens; no hyphen at a label's end, no two dots in a row. */
static bool is_host_name(const char *s, size_t size, size_t size_max)
{
    if (size == 0 || size > size_max)
        return false;
    size_t label = 0;
    for (size_t i = 0; i < size; i++) {
        if (!is_host_char(s[i]))
            return false;
        if (s[i] == '.') {
            if (label == 0 || s[i - 1] == '-')
                return false;
            label = 0;
            continue;
        }
        if ((label == 0 && s[i] == '-') || ++label > 63)
            return false;
    }
    return label > 0 && s[size - 1] != '-';
}

int pki_check_federation(const char *name, struct err *e)
{
    if (!is_host_name(name, strlen(name), FEDERATION_NAME_BYTES_MAX))
        return err_set(
            e, ERR_INVALID, "pki.federation-name",
            "federation name '%.120s' is not a name like 'tongban.example' (a-z, 0-9, '-', '.', 1 to %u characters)",
            name, FEDERATION_NAME_BYTES_MAX);
    return 0;
}

/* Characters that look like nothing or change the direction of what follows have no place in a name that people
 * compare by eye and that member lists separate by spaces. */
static bool is_name_rune(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } refused[] = {{0, 0x20},        {'%', '%'},       {0x7f, 0xa0},     {0xad, 0xad},
                   {0x61c, 0x61c},   {0x1680, 0x1680}, {0x180e, 0x180e}, {0x2000, 0x200f},
                   {0x2028, 0x202f}, {0x205f, 0x206f}, {0x3000, 0x3000}, {0xe000, 0xf8ff},
                   {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xfff0, 0xffff}, {0xe0000, 0x10ffff}};
    for (size_t i = 0; i < array_count(refused); i++) {
        if (c >= refused[i].first && c <= refused[i].last)
            return false;
    }
    return true;
}

int pki_check_node_name(const char *name, struct err *e)
{
    size_t size = strlen(name);
    if (size == 0 || size > NODE_NAME_BYTES_MAX)
        return err_set(e, ERR_INVALID, "pki.node-name-size", "node name has %zu bytes, allowed are 1 to %u", size,
                       NODE_NAME_BYTES_MAX);
    if (!utf8_is_valid(name, size))
        return err_set(e, ERR_INVALID, "pki.node-name-utf8", "node name is not valid UTF-8");
    if (utf8_count(name, size) > COMMON_NAME_CHARS_MAX)
        return err_set(e, ERR_INVALID, "pki.node-name-size", "node name has %zu characters, the limit is %u",
                       utf8_count(name, size), COMMON_NAME_CHARS_MAX);

    for (size_t at = 0; at < size;) {
        uint32_t rune = 0;
        at += utf8_decode(name + at, size - at, &rune);
        if (!is_name_rune(rune))
            return err_set(e, ERR_INVALID, "pki.node-name-char",
                           "node name contains U+%04X; '%%', white space, control and direction characters are refused",
                           rune);
    }
    return 0;
}

int pki_check_code(uint32_t code, struct err *e)
{
    if (code < PKI_CODE_MIN || code > PKI_CODE_MAX)
        return err_set(e, ERR_INVALID, "pki.node-code", "node code %u is not a six-digit division code", code);
    return 0;
}

int pki_check_host(const char *host, struct err *e)
{
    uint8_t address[16];
    if (is_host_name(host, strlen(host), 253) || inet_pton(AF_INET, host, address) == 1 ||
        inet_pton(AF_INET6, host, address) == 1)
        return 0;
    return err_set(e, ERR_INVALID, "pki.host", "'%.120s' is neither a lower-case host name nor an IP address", host);
}

static bool is_unreserved(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

void pki_uri_encode(const struct pki_node *node, char *out)
{
    /* Longest: 10 + 100 + 6 + 6 + 6 + 3*96 bytes. */
    int at = snprintf(out, PKI_URI_BYTES_MAX, URI_SCHEME "%s/node/%06u?name=", node->federation, node->code);
    xassert(at > 0 && (size_t)at + 3 * strlen(node->name) < PKI_URI_BYTES_MAX);
    for (const char *c = node->name; *c != '\0'; c++) {
        uint8_t byte = (uint8_t)*c;
        if (is_unreserved(byte))
            out[at++] = *c;
        else
            at += snprintf(out + at, 4, "%%%02X", byte);
    }
    out[at] = '\0';
}

/* Percent-decodes @in; false when it does not fit or is malformed. */
static bool decode_percent(const char *in, char *out, size_t out_size)
{
    size_t at = 0;
    for (; *in != '\0'; in++) {
        uint8_t byte = (uint8_t)*in;
        size_t size = 1;
        if (*in == '%') {
            if (strlen(in) < 3 || hex_decode(in + 1, 2, &byte, 1, &size) != 0 || byte == 0)
                return false;
            in += 2;
        }
        if (at + 1 >= out_size)
            return false;
        out[at++] = (char)byte;
    }
    out[at] = '\0';
    return true;
}

int pki_uri_decode(struct bytes uri, struct pki_node *ret, struct err *e)
{
    char text[PKI_URI_BYTES_MAX];
    char federation[FEDERATION_NAME_BYTES_MAX + 2]; /* one more, so that too long is seen and not cut */
    unsigned code = 0;
    int name_at = -1;
    struct pki_node node = {0};

    if (uri.size >= sizeof text || memchr(uri.data, '\0', uri.size) != NULL)
        goto bad;
    memcpy(text, uri.data, uri.size);
    text[uri.size] = '\0';

    if (sscanf(text, URI_SCHEME "%101[a-z0-9.-]/node/%6u?name=%n", federation, &code, &name_at) != 2 || name_at < 0)
        goto bad;
    if (pki_check_federation(federation, NULL) != 0 || pki_check_code(code, NULL) != 0)
        goto bad;
    memcpy(node.federation, federation, sizeof node.federation);
    node.code = code;
    if (!decode_percent(text + name_at, node.name, sizeof node.name) || pki_check_node_name(node.name, NULL) != 0)
        goto bad;

    char again[PKI_URI_BYTES_MAX];
    pki_uri_encode(&node, again);
    if (strcmp(again, text) != 0)
        goto bad;
    *ret = node;
    return 0;

bad:
    return err_set(e, ERR_INVALID, "pki.uri",
                   "'%.*s' is not a node identity (tongban://<federation>/node/<code>?name=<name>)",
                   (int)min_of(uri.size, (size_t)160), (const char *)uri.data);
}

int pki_cert_parse(struct bytes pem, struct pki_cert *ret, struct err *e)
{
    X509 *x = NULL;
    if (pem.size > PEM_FILE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "pki.certificate-size", "certificate has %zu bytes, the limit is %u", pem.size,
                       PEM_FILE_BYTES_MAX);
    int rc = pki_x509_read(pem, &x, e);
    if (rc == 0)
        rc = pki_x509_describe(x, ret, e);
    X509_free(x);
    return rc;
}

int pki_cert_load(const char *path, struct pki_cert *ret, struct err *e)
{
    struct buf pem;
    int rc = file_read(path, PEM_FILE_BYTES_MAX, &pem, e);
    if (rc != 0)
        return rc;
    rc = pki_cert_parse(buf_bytes(&pem), ret, e);
    buf_close(&pem);
    if (rc != 0)
        err_wrap(e, "certificate '%s'", path);
    return rc;
}

void pki_format_date(uint64_t time_s, char out[PKI_DATE_TEXT_SIZE])
{
    char text[CLOCK_TEXT_SIZE];
    clock_format_utc(time_s * 1000, text);
    memcpy(out, text, PKI_DATE_TEXT_SIZE - 1);
    out[PKI_DATE_TEXT_SIZE - 1] = '\0';
}
