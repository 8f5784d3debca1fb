/* The member list read, checked and written (see members.h). Reading ends in the same check as writing, so that there
 * is one set of rules; only its errors know file lines.
 */
#include "federation/members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/pki.h"
#include "node/base/file.h"
#include "node/base/map.h"
#include "node/base/xassert.h"

#define HEADER "tongban-members/v2"
#define HEAD_LINES 5
#define MEMBER_FIELDS 7
#define DIGEST_TEXT_SIZE 44
#define URL_SCHEME "tls+tcp://"

/* Cuts the next line off @r, which ends in a newline (the caller made sure). */
static struct bytes next_line(struct reader *r)
{
    const uint8_t *newline = memchr(r->at, '\n', reader_left(r));
    xassert(newline != NULL);
    struct bytes line = read_bytes(r, (size_t)(newline - r->at));
    (void)read_u8(r);
    return line;
}

static int check_url(const char *url, struct err *e)
{
    char host[MEMBERS_URL_BYTES_MAX + 1];
    uint64_t port = 0;
    size_t size = strlen(url);
    if (size > MEMBERS_URL_BYTES_MAX || strncmp(url, URL_SCHEME, sizeof URL_SCHEME - 1) != 0)
        goto bad;

    const char *start = url + sizeof URL_SCHEME - 1;
    const char *colon = strrchr(start, ':');
    if (colon == NULL || colon == start)
        goto bad;
    size_t host_size = (size_t)(colon - start);
    bool is_bracketed = start[0] == '[' && colon[-1] == ']';
    if (is_bracketed) {
        start++;
        host_size -= 2;
    }
    memcpy(host, start, host_size);
    host[host_size] = '\0';
    if (pki_check_host(host, NULL) != 0 || is_bracketed != (strchr(host, ':') != NULL))
        goto bad;
    if (decimal_parse(bytes_of_string(colon + 1), &port) != 0 || port == 0 || port > 65535)
        goto bad;
    return 0;

bad:
    return err_set(e, ERR_INVALID, "members.url", "address '%.100s' is not of the form tls+tcp://host:port", url);
}

static int check_member(const struct member *m, struct err *e)
{
    int rc = pki_check_code(m->code, e);
    if (rc == 0)
        rc = pki_check_node_name(m->name, e);
    if (rc == 0)
        rc = check_url(m->url, e);
    if (rc == 0)
        rc = note_check_name(bytes_of_string(m->key.name), e);
    if (rc == 0 && m->key.type != NOTE_TYPE_ED25519)
        rc = err_set(e, ERR_INVALID, "members.key-type", "ledger key of %u has type 0x%02x, needed is 0x01 (Ed25519)",
                     m->code, (unsigned)m->key.type);
    if (rc == 0 && m->witness.type != NOTE_TYPE_COSIGNATURE)
        rc = err_set(e, ERR_INVALID, "members.key-type",
                     "witness key of %u has type 0x%02x, needed is 0x04 (cosignature/v1)", m->code,
                     (unsigned)m->witness.type);
    return rc;
}

/* Puts SHA-256(@value) into @seen; ERR_CONFLICT names the member that has the value already. */
static int check_unique(struct map *seen, struct member *m, const char *what, struct bytes value, struct err *e)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    struct bytes parts[] = {bytes_of(what, strlen(what) + 1), value};
    crypto_sha256(parts, 2, hash);
    const struct member *other = map_put(seen, hash, sizeof hash, m);
    if (other == NULL)
        return 0;
    return err_set(e, ERR_INVALID, "members.duplicate", "members %u and %u have the same %s", other->code, m->code,
                   what);
}

/* Seals a byte to it: a point of low order, which gives everybody the same secret, is refused by the key agreement. */
static int check_seal_key(const struct member *m, struct err *e)
{
    struct buf sealed = {0};
    int rc =
        crypto_hpke_seal(m->seal_key, bytes_of_string(""), bytes_of_string(""), bytes_of_string("x"), &sealed, NULL);
    buf_close(&sealed);
    return rc == 0 ? 0
                   : err_set(e, ERR_INVALID, "members.seal-key",
                             "nothing can be sealed to the seal key of %u: it is zero or of low order", m->code);
}

/* What no other member may have, and no key may be of two kinds: a cosignature does not name its witness. */
static int check_keys(struct map *seen, struct member *m, const char *federation, struct err *e)
{
    char name[FEDERATION_NAME_BYTES_MAX + 32];
    (void)snprintf(name, sizeof name, "%u.%s/witness", m->code, federation);
    if (strcmp(m->witness.name, name) != 0)
        return err_set(e, ERR_INVALID, "members.witness-name", "the witness key of %u is named '%.100s', not '%s'",
                       m->code, m->witness.name, name);
    int rc = check_seal_key(m, e);
    const uint8_t *const keys[] = {m->key.public_key, m->witness.public_key, m->seal_key};
    _Static_assert(sizeof m->seal_key == CRYPTO_ED25519_KEY_SIZE, "keys of all kinds are compared");
    for (size_t i = 0; rc == 0 && i < array_count(keys); i++)
        rc = check_unique(seen, m, "key", bytes_of(keys[i], CRYPTO_ED25519_KEY_SIZE), e);
    return rc;
}

/* All rules of the list. On failure @ret_index is the member at fault. */
static int check_list(const struct members *m, size_t *ret_index, struct err *e)
{
    struct map seen;
    int rc = 0;
    map_init(&seen, 0); /* keys are hashes */

    for (size_t i = 0; rc == 0 && i < m->count; i++) {
        struct member *at = &m->list[i];
        *ret_index = i;
        rc = check_member(at, e);
        if (rc == 0 && i > 0 && at->code <= at[-1].code)
            rc = err_set(e, ERR_INVALID, "members.order", "code %u follows %u: codes must ascend, each once", at->code,
                         at[-1].code);
        if (rc == 0)
            rc = check_unique(&seen, at, "name", bytes_of_string(at->name), e);
        if (rc == 0)
            rc = check_unique(&seen, at, "address", bytes_of_string(at->url), e);
        if (rc == 0)
            rc = check_unique(&seen, at, "origin", bytes_of_string(at->key.name), e);
        if (rc == 0)
            rc = check_keys(&seen, at, m->federation, e);
    }
    map_close(&seen);
    return rc;
}

/* The five lines of the head; @text is the note's, signed. */
static int parse_head(struct bytes text, const char *federation, struct members *m, uint64_t *ret_count, struct err *e)
{
    struct reader r = reader_of(text);
    struct bytes line[HEAD_LINES];
    size_t lines = 0;
    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    if (lines != HEAD_LINES)
        return err_set(e, ERR_INVALID, "members.head", "head has %zu lines instead of %d", lines, HEAD_LINES);
    for (size_t i = 0; i < HEAD_LINES; i++)
        line[i] = next_line(&r);

    if (!bytes_equal(line[0], bytes_of_string(HEADER)))
        return err_set(e, ERR_UNSUPPORTED, "members.version", "line 1: not a '" HEADER "' file");
    if (!bytes_equal(line[1], bytes_of_string(federation)))
        return err_set(e, ERR_INVALID, "members.federation", "line 2: federation '%.*s', but the key is that of '%s'",
                       (int)min_of(line[1].size, (size_t)100), (const char *)line[1].data, federation);
    if (decimal_parse(line[2], &m->version) != 0 || m->version == 0)
        return err_set(e, ERR_INVALID, "members.number", "line 3: the version is not a number from 1");
    if (decimal_parse(line[3], ret_count) != 0)
        return err_set(e, ERR_INVALID, "members.number", "line 4: the number of members is not a number");
    if (*ret_count > MEMBERS_MAX)
        return err_set(e, ERR_LIMIT, "members.count", "line 4: %llu members, the limit is %u",
                       (unsigned long long)*ret_count, MEMBERS_MAX);
    size_t size = 0;
    if (base64_decode((const char *)line[4].data, line[4].size, m->digest, sizeof m->digest, &size) != 0 ||
        size != sizeof m->digest)
        return err_set(e, ERR_INVALID, "members.digest", "line 5: not a SHA-256 hash in base64");
    memcpy(m->federation, federation, strlen(federation) + 1);
    return 0;
}

static int parse_member(struct bytes line, struct arena *arena, struct member *ret, struct err *e)
{
    struct bytes f[MEMBER_FIELDS];
    const uint8_t *at = line.data, *end = line.data + line.size;
    uint64_t code;

    if (memchr(line.data, '\0', line.size) != NULL)
        return err_set(e, ERR_INVALID, "members.line", "NUL in a member line");
    for (size_t i = 0; i < MEMBER_FIELDS; i++) {
        const uint8_t *space = memchr(at, ' ', (size_t)(end - at));
        bool is_last = i == MEMBER_FIELDS - 1;
        if ((space == NULL) != is_last)
            return err_set(e, ERR_INVALID, "members.line",
                           "not of the form <code> <name> <url> <origin> <ledger vkey> <witness vkey> <seal key>");
        f[i] = bytes_of(at, (size_t)((is_last ? end : space) - at));
        at = is_last ? end : space + 1;
    }
    if (decimal_parse(f[0], &code) != 0 || code > PKI_CODE_MAX)
        return err_set(e, ERR_INVALID, "members.code", "'%.*s' is not a node code", (int)min_of(f[0].size, (size_t)40),
                       (const char *)f[0].data);
    int rc = note_verifier_parse(f[4], &ret->key, e);
    if (rc == 0)
        rc = note_verifier_parse(f[5], &ret->witness, e);
    if (rc != 0)
        return rc;
    size_t size = 0;
    if (base64_decode((const char *)f[6].data, f[6].size, ret->seal_key, sizeof ret->seal_key, &size) != 0 ||
        size != sizeof ret->seal_key)
        return err_set(e, ERR_INVALID, "members.seal-key", "the seal key is not the base64 of 32 bytes");
    if (!bytes_equal(f[3], bytes_of_string(ret->key.name)))
        return err_set(e, ERR_INVALID, "members.origin", "origin '%.*s' differs from the name '%s' of the ledger key",
                       (int)min_of(f[3].size, (size_t)100), (const char *)f[3].data, ret->key.name);
    ret->code = (uint32_t)code;
    ret->name = arena_strndup(arena, (const char *)f[1].data, f[1].size);
    ret->url = arena_strndup(arena, (const char *)f[2].data, f[2].size);
    return 0;
}

static int parse_lines(struct bytes body, uint64_t count, size_t first_line, struct members *m, struct err *e)
{
    uint8_t digest[CRYPTO_HASH_SIZE];
    size_t lines = 0, index = 0;
    crypto_sha256_one(body.data, body.size, digest);
    if (memcmp(digest, m->digest, sizeof digest) != 0)
        return err_set(e, ERR_VERIFY, "members.digest", "the member lines are not those that were signed");
    for (size_t i = 0; i < body.size; i++)
        lines += body.data[i] == '\n';
    if (lines != count || (body.size > 0 && body.data[body.size - 1] != '\n'))
        return err_set(e, ERR_INVALID, "members.count", "%zu member lines, the head says %llu", lines,
                       (unsigned long long)count);

    struct reader r = reader_of(body);
    m->list = arena_alloc(&m->arena, max_of(count, (uint64_t)1) * sizeof *m->list);
    for (m->count = 0; m->count < count; m->count++) {
        if (parse_member(next_line(&r), &m->arena, &m->list[m->count], e) != 0)
            return err_wrap(e, "line %zu", first_line + m->count);
    }
    if (check_list(m, &index, e) != 0)
        return err_wrap(e, "line %zu", first_line + index);
    return 0;
}

/* Where the note ends: behind the second empty line's predecessor. 0 when there is no such place. */
static size_t note_size(struct bytes file)
{
    static const char gap[] = "\n\n";
    const uint8_t *end = file.data + file.size;
    const uint8_t *at = file.size == 0 ? NULL : memmem(file.data, file.size, gap, 2);
    if (at != NULL)
        at = memmem(at + 2, (size_t)(end - at) - 2, gap, 2);
    return at == NULL ? 0 : (size_t)(at - file.data) + 1;
}

int members_parse(struct bytes file, const struct note_verifier *key, struct members *ret, struct err *e)
{
    struct members m = {.arena = ARENA_INIT};
    struct note note;
    uint64_t count = 0;

    if (file.size > MEMBERS_FILE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "members.size", "member list has %zu bytes, the limit is %u", file.size,
                       MEMBERS_FILE_BYTES_MAX);
    size_t head_size = note_size(file);
    if (head_size == 0)
        return err_set(e, ERR_INVALID, "members.form", "not a member list: no signed head followed by an empty line");
    int rc = note_open(bytes_of(file.data, head_size), &key, 1, &note, e);
    if (rc == 0 && pki_check_federation(key->name, e) != 0)
        rc = err_wrap(e, "name of the federation's key");
    if (rc == 0)
        rc = parse_head(note.text, key->name, &m, &count, e);
    if (rc == 0) {
        size_t first_line = 2; /* of the member lines: behind the head and the empty line */
        for (size_t i = 0; i < head_size; i++)
            first_line += file.data[i] == '\n';
        rc = parse_lines(bytes_of(file.data + head_size + 1, file.size - head_size - 1), count, first_line, &m, e);
    }
    if (rc != 0) {
        members_close(&m);
        return rc;
    }
    *ret = m;
    return 0;
}

int members_load(const char *path, const char *vkey, struct members *ret, struct err *e)
{
    struct note_verifier key;
    struct buf file;
    if (note_verifier_parse(bytes_of_string(vkey), &key, e) != 0)
        return err_wrap(e, "the federation's key");
    int rc = file_read(path, MEMBERS_FILE_BYTES_MAX, &file, e);
    if (rc != 0)
        return rc;
    rc = members_parse(buf_bytes(&file), &key, ret, e);
    buf_close(&file);
    return rc == 0 ? 0 : err_wrap(e, "member list '%s'", path);
}

void members_close(struct members *m)
{
    arena_close(&m->arena);
    *m = (struct members){.arena = ARENA_INIT};
}

static int compare_code(const void *a, const void *b)
{
    const uint32_t *code = a;
    const struct member *m = b;
    return *code < m->code ? -1 : *code > m->code;
}

const struct member *members_find(const struct members *m, uint32_t code)
{
    return m->count == 0 ? NULL : bsearch(&code, m->list, m->count, sizeof *m->list, compare_code);
}

static void put_lines(const struct members *m, struct buf *out)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct member *at = &m->list[i];
        buf_printf(out, "%u %s %s %s ", at->code, at->name, at->url, at->key.name);
        note_verifier_format(&at->key, out);
        buf_put_u8(out, ' ');
        note_verifier_format(&at->witness, out);
        char seal_key[48];
        base64_encode(at->seal_key, sizeof at->seal_key, seal_key);
        buf_printf(out, " %s\n", seal_key);
    }
}

int members_encode(const struct members *m, const struct note_signer *signer, struct buf *out, struct err *e)
{
    struct buf lines, head = {0};
    size_t index = 0;
    buf_init(&lines, MEMBERS_FILE_BYTES_MAX - NOTE_BYTES_MAX);

    int rc = pki_check_federation(m->federation, e);
    if (rc == 0 && strcmp(signer->key.name, m->federation) != 0)
        rc = err_set(e, ERR_INVALID, "members.signer", "the key is named '%s', the federation '%s'", signer->key.name,
                     m->federation);
    if (rc == 0 && m->version == 0)
        rc = err_set(e, ERR_INVALID, "members.number", "versions count from 1");
    if (rc == 0 && m->count > MEMBERS_MAX)
        rc = err_set(e, ERR_LIMIT, "members.count", "%zu members, the limit is %u", m->count, MEMBERS_MAX);
    if (rc == 0)
        rc = check_list(m, &index, e);
    if (rc != 0)
        goto out;

    put_lines(m, &lines);
    if (lines.failed) {
        rc = err_set(e, ERR_LIMIT, "members.size", "the member lines would pass %zu bytes", lines.size_max);
        goto out;
    }
    uint8_t digest[CRYPTO_HASH_SIZE];
    char text[DIGEST_TEXT_SIZE + 1];
    crypto_sha256_one(lines.data, lines.size, digest);
    base64_encode(digest, sizeof digest, text);
    buf_printf(&head, HEADER "\n%s\n%llu\n%zu\n%s\n", m->federation, (unsigned long long)m->version, m->count, text);
    rc = note_sign(buf_bytes(&head), &signer, 1, 0, out, e);
    if (rc == 0) {
        buf_put_string(out, "\n");
        buf_put(out, lines.data, lines.size);
    }

out:
    buf_close(&head);
    buf_close(&lines);
    return rc;
}

int members_check_update(const struct members *now, const struct members *next, struct err *e)
{
    if (strcmp(now->federation, next->federation) != 0)
        return err_set(e, ERR_CONFLICT, "members.other-federation", "the list is of federation '%s', this is '%s'",
                       next->federation, now->federation);
    if (next->version < now->version)
        return err_set(e, ERR_CONFLICT, "members.older", "version %llu of the member list is older than %llu, in use",
                       (unsigned long long)next->version, (unsigned long long)now->version);
    if (next->version == now->version && memcmp(next->digest, now->digest, sizeof now->digest) != 0)
        return err_set(e, ERR_CONFLICT, "members.same-version",
                       "another member list with the same version %llu is in use", (unsigned long long)now->version);
    return 0;
}
