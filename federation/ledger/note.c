/* Signed notes (see note.h, federation/FORMATS.md "Signed note"). Opening goes through the signature lines once: form first,
 * key id and name against the known keys, then the signature itself. Nothing of an unknown signature is used. */
#include "federation/ledger/note.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/utf8.h"
#include "node/base/xassert.h"

#define KEY_ID_SIZE 4u
#define COSIGNATURE_SIZE (8u + CRYPTO_ED25519_SIG_SIZE) /* be64 time || signature */
#define PUBLIC_KEY_BYTES_MAX 4096u                      /* of any type in a vkey; ML-DSA-87 has 2592 */

static const char line_start[] = "\xe2\x80\x94 "; /* em dash, space */
static const char cosignature_header[] = "cosignature/v1\n";

/* ---- names, texts, keys ---- */

/* Unicode White_Space=yes. */
static bool is_space(uint32_t rune)
{
    return (rune >= 0x09 && rune <= 0x0d) || rune == 0x20 || rune == 0x85 || rune == 0xa0 || rune == 0x1680 ||
           (rune >= 0x2000 && rune <= 0x200a) || rune == 0x2028 || rune == 0x2029 || rune == 0x202f || rune == 0x205f ||
           rune == 0x3000;
}

int note_check_name(struct bytes name, struct err *e)
{
    if (name.size == 0)
        return err_set(e, ERR_INVALID, "note.name", "key name is empty");
    if (name.size > ORIGIN_NAME_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "note.name-size", "key name has %zu bytes, limit %u", name.size,
                       ORIGIN_NAME_BYTES_MAX);

    for (size_t at = 0; at < name.size;) {
        uint32_t rune;
        size_t size = utf8_decode((const char *)name.data + at, name.size - at, &rune);
        if (size == 0)
            return err_set(e, ERR_INVALID, "note.name", "key name is not UTF-8 at byte %zu", at);
        if (is_space(rune) || rune < 0x20 || rune == '+')
            return err_set(e, ERR_INVALID, "note.name",
                           "key name has U+%04" PRIX32 " at byte %zu; no space, control "
                           "character or plus is allowed",
                           rune, at);
        at += size;
    }
    return 0;
}

/* The rules for every byte of a note. */
static int check_characters(struct bytes text, struct err *e)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < 0x20 && text.data[i] != '\n')
            return err_set(e, ERR_INVALID, "note.control", "note has control character 0x%02x at byte %zu",
                           text.data[i], i);
    if (!utf8_is_valid((const char *)text.data, text.size))
        return err_set(e, ERR_INVALID, "note.utf8", "note of %zu bytes is not valid UTF-8", text.size);
    return 0;
}

int note_check_text(struct bytes text, struct err *e)
{
    if (text.size == 0 || text.data[text.size - 1] != '\n')
        return err_set(e, ERR_INVALID, "note.text", "note text of %zu bytes does not end in a newline", text.size);
    if (text.size > NOTE_BYTES_MAX - 1024) /* a line with the longest name has 313 bytes */
        return err_set(e, ERR_LIMIT, "note.text-size", "note text has %zu bytes, limit %u", text.size,
                       NOTE_BYTES_MAX - 1024);
    return check_characters(text, e);
}

uint32_t note_key_id(struct bytes name, uint8_t type, struct bytes public_key)
{
    const uint8_t middle[2] = {'\n', type};
    struct bytes parts[3] = {name, bytes_of(middle, sizeof middle), public_key};
    uint8_t hash[CRYPTO_HASH_SIZE];
    crypto_sha256(parts, array_count(parts), hash);
    return get_be32(hash);
}

static int verifier_set(struct bytes name, uint8_t type, const uint8_t *public_key, struct note_verifier *ret,
                        struct err *e)
{
    int rc = note_check_name(name, e);
    if (rc < 0)
        return rc;
    if (type != NOTE_TYPE_ED25519 && type != NOTE_TYPE_COSIGNATURE)
        return err_set(e, ERR_UNSUPPORTED, "note.key-type",
                       "key of '%.*s' has type 0x%02x, understood are 0x01 and 0x04", (int)name.size,
                       (const char *)name.data, type);

    struct note_verifier v = {.type = type};
    memcpy(v.name, name.data, name.size); /* size checked; the rest is zero */
    memcpy(v.public_key, public_key, sizeof v.public_key);
    v.key_id = note_key_id(name, type, bytes_of(public_key, CRYPTO_ED25519_KEY_SIZE));
    *ret = v;
    return 0;
}

int note_verifier_init(const char *name, uint8_t type, const uint8_t public_key[CRYPTO_ED25519_KEY_SIZE],
                       struct note_verifier *ret, struct err *e)
{
    return verifier_set(bytes_of_string(name), type, public_key, ret, e);
}

/* Where @c first stands in @text, or its size. */
static size_t find_byte(struct bytes text, char c)
{
    const uint8_t *at = text.size == 0 ? NULL : memchr(text.data, c, text.size);
    return at == NULL ? text.size : (size_t)(at - text.data);
}

static int vkey_error(struct err *e, const char *what)
{
    return err_set(e, ERR_INVALID, "note.vkey", "verifier key: %s (the form is name+8 hex digits+base64)", what);
}

int note_verifier_parse(struct bytes text, struct note_verifier *ret, struct err *e)
{
    struct reader r = reader_of(text);
    struct bytes name = read_bytes(&r, find_byte(text, '+'));
    (void)read_u8(&r);
    struct bytes id_text = read_bytes(&r, 2 * KEY_ID_SIZE);
    if (read_u8(&r) != '+' || r.failed)
        return vkey_error(e, "too short or without key id");
    struct bytes key_text = read_bytes(&r, reader_left(&r));

    uint8_t id[KEY_ID_SIZE];
    uint8_t key[1 + PUBLIC_KEY_BYTES_MAX];
    size_t id_size = 0;
    size_t key_size = 0;
    if (hex_decode((const char *)id_text.data, id_text.size, id, sizeof id, &id_size) < 0 || id_size != KEY_ID_SIZE)
        return vkey_error(e, "key id is not 8 hex digits");
    if (base64_decode((const char *)key_text.data, key_text.size, key, sizeof key, &key_size) < 0 || key_size < 2)
        return vkey_error(e, "key is not base64 of 2 to 4097 bytes");
    uint32_t key_id = note_key_id(name, key[0], bytes_of(key + 1, key_size - 1));
    if (key_id != get_be32(id))
        return err_set(e, ERR_INVALID, "note.key-id",
                       "verifier key: key id %08" PRIx32 " does not fit name and key, which "
                       "give %08" PRIx32,
                       get_be32(id), key_id);
    bool is_ed25519 = key[0] == NOTE_TYPE_ED25519 || key[0] == NOTE_TYPE_COSIGNATURE;
    if (is_ed25519 && key_size != 1 + CRYPTO_ED25519_KEY_SIZE)
        return vkey_error(e, "an Ed25519 key has 32 bytes");
    return verifier_set(name, key[0], key + 1, ret, e);
}

void note_verifier_format(const struct note_verifier *v, struct buf *out)
{
    uint8_t key[1 + CRYPTO_ED25519_KEY_SIZE];
    char text[4 * (sizeof key / 3) + 5];
    key[0] = v->type;
    memcpy(key + 1, v->public_key, sizeof v->public_key);
    base64_encode(key, sizeof key, text);
    buf_printf(out, "%s+%08" PRIx32 "+%s", v->name, v->key_id, text);
}

int note_signer_init(const char *name, uint8_t type, const struct crypto_signer *crypto, struct note_signer *ret,
                     struct err *e)
{
    struct note_signer s = {.crypto = crypto};
    uint8_t public_key[CRYPTO_ED25519_KEY_SIZE];
    crypto_signer_public(crypto, public_key);
    int rc = note_verifier_init(name, type, public_key, &s.key, e);
    if (rc == 0)
        *ret = s;
    return rc;
}

/* ---- signing ---- */

/* What a cosignature signs (C2SP tlog-cosignature, "Ed25519 signed message"). */
static void put_cosigned(struct buf *out, struct bytes text, uint64_t time_s)
{
    buf_put_string(out, cosignature_header);
    buf_printf(out, "time %" PRIu64 "\n", time_s);
    buf_put(out, text.data, text.size);
}

static bool starts_with(struct bytes text, const char *start)
{
    size_t size = strlen(start);
    return text.size >= size && memcmp(text.data, start, size) == 0;
}

int note_sign_line(const struct note_signer *s, struct bytes text, uint64_t time_s, struct buf *out, struct err *e)
{
    int rc = note_check_text(text, e);
    if (rc < 0)
        return rc;
    if (s->key.type == NOTE_TYPE_ED25519 && starts_with(text, cosignature_header))
        return err_set(e, ERR_INVALID, "note.reserved-text",
                       "a text starting with 'cosignature/v1' is not signed plainly");
    if (time_s > INT64_MAX)
        return err_set(e, ERR_INVALID, "note.time", "cosignature time %" PRIu64 " is over 2^63 - 1", time_s);

    uint8_t blob[KEY_ID_SIZE + COSIGNATURE_SIZE];
    size_t size = KEY_ID_SIZE;
    put_be32(blob, s->key.key_id);
    if (s->key.type == NOTE_TYPE_COSIGNATURE) {
        struct buf message = {.size = 0};
        put_cosigned(&message, text, time_s);
        xassert(!message.failed);
        put_be64(blob + size, time_s);
        size += 8;
        crypto_sign(s->crypto, buf_bytes(&message), blob + size);
        buf_close(&message);
    } else {
        crypto_sign(s->crypto, text, blob + size);
    }
    size += CRYPTO_ED25519_SIG_SIZE;

    char encoded[(KEY_ID_SIZE + COSIGNATURE_SIZE + 2) / 3 * 4 + 1];
    base64_encode(blob, size, encoded);
    buf_printf(out, "%s%s %s\n", line_start, s->key.name, encoded);
    return 0;
}

int note_sign(struct bytes text, const struct note_signer *const *signers, size_t count, uint64_t time_s,
              struct buf *out, struct err *e)
{
    xassert(count > 0);
    struct buf lines = {.size = 0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = note_sign_line(signers[i], text, time_s, &lines, e);
    if (rc == 0) {
        buf_put(out, text.data, text.size);
        buf_put_u8(out, '\n');
        buf_put(out, lines.data, lines.size);
    }
    buf_close(&lines);
    return rc;
}

/* ---- opening ---- */

/* Splits at the last empty line, checks what holds for every byte. */
static int split(struct bytes note, struct bytes *ret_text, struct bytes *ret_lines, struct err *e)
{
    if (note.size > NOTE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "note.size", "note has %zu bytes, limit %u", note.size, NOTE_BYTES_MAX);
    int rc = check_characters(note, e);
    if (rc < 0)
        return rc;

    size_t at = note.size; /* just behind the last "\n\n" */
    while (at >= 2 && !(note.data[at - 1] == '\n' && note.data[at - 2] == '\n'))
        at--;
    if (at < 2)
        return err_set(e, ERR_INVALID, "note.no-signatures", "note of %zu bytes has no empty line before signatures",
                       note.size);
    if (at == note.size || note.data[note.size - 1] != '\n')
        return err_set(e, ERR_INVALID, "note.no-signatures", "note of %zu bytes does not end in signature lines",
                       note.size);
    *ret_text = bytes_of(note.data, at - 1);
    *ret_lines = bytes_of(note.data + at, note.size - at);
    return 0;
}

/* One signature line, taken apart. */
struct line {
    struct bytes whole; /* with its newline */
    struct bytes name;
    const uint8_t *blob; /* key id || signature, in the scratch memory */
    size_t blob_size;
};

/* Takes the first line off @lines. @scratch has room for the decoded base64 of the whole note. */
static int next_line(struct bytes *lines, uint8_t *scratch, size_t scratch_size, size_t number, struct line *ret,
                     struct err *e)
{
    size_t size = find_byte(*lines, '\n') + 1; /* split() saw the final newline */
    xassert(size <= lines->size);
    struct line line = {.whole = bytes_of(lines->data, size), .blob = scratch};
    struct reader r = reader_of(bytes_of(lines->data, size - 1));
    if (!bytes_equal(read_bytes(&r, strlen(line_start)), bytes_of_string(line_start)))
        return err_set(e, ERR_INVALID, "note.signature-line",
                       "signature line %zu does not start with an em dash and a "
                       "space",
                       number);
    struct bytes rest = read_bytes(&r, reader_left(&r));
    size_t name_size = find_byte(rest, ' ');
    line.name = bytes_of(rest.data, name_size);
    int rc = note_check_name(line.name, e);
    if (rc < 0)
        return e == NULL ? rc : err_wrap(e, "signature line %zu", number);

    const char *encoded = (const char *)rest.data + min_of(name_size + 1, rest.size);
    size_t encoded_size = rest.size - min_of(name_size + 1, rest.size);
    if (base64_decode(encoded, encoded_size, scratch, scratch_size, &line.blob_size) < 0 ||
        line.blob_size <= KEY_ID_SIZE)
        return err_set(e, ERR_INVALID, "note.signature-line",
                       "signature line %zu: %zu characters that are not base64 of a "
                       "key id and a signature",
                       number, encoded_size);
    lines->data += size;
    lines->size -= size;
    *ret = line;
    return 0;
}

static bool signature_holds(const struct note_verifier *v, struct bytes text, struct bytes signature,
                            uint64_t *ret_time)
{
    *ret_time = 0;
    if (v->type == NOTE_TYPE_ED25519)
        return signature.size == CRYPTO_ED25519_SIG_SIZE && crypto_verify(v->public_key, text, signature.data);

    xassert(v->type == NOTE_TYPE_COSIGNATURE);
    if (signature.size != COSIGNATURE_SIZE || get_be64(signature.data) > INT64_MAX)
        return false;
    *ret_time = get_be64(signature.data);
    struct buf message = {.size = 0};
    put_cosigned(&message, text, *ret_time);
    bool holds = !message.failed && crypto_verify(v->public_key, buf_bytes(&message), signature.data + 8);
    buf_close(&message);
    return holds;
}

static const struct note_verifier *find_verifier(const struct note_verifier *const *known, size_t count,
                                                 struct bytes name, uint32_t key_id, size_t *ret_index)
{
    for (size_t i = 0; i < count; i++) {
        if (known[i]->key_id == key_id && bytes_equal(bytes_of_string(known[i]->name), name)) {
            *ret_index = i;
            return known[i];
        }
    }
    return NULL;
}

/* Checks the line if it is by a known key, and counts the key once however often it signed. */
static int take_line(const struct line *line, const struct note_verifier *const *known, size_t known_count,
                     struct note *note, struct err *e)
{
    struct note_signature found = {.line = line->whole};
    const struct note_verifier *v =
        find_verifier(known, known_count, line->name, get_be32(line->blob), &found.verifier);
    if (v == NULL)
        return 0;
    if (!signature_holds(v, note->text, bytes_of(line->blob + KEY_ID_SIZE, line->blob_size - KEY_ID_SIZE),
                         &found.time_s))
        return err_set(e, ERR_VERIFY, "note.bad-signature", "signature of '%s' (key id %08" PRIx32 ") does not hold",
                       v->name, v->key_id);

    for (size_t i = 0; i < note->verified_count; i++)
        if (note->verified[i].verifier == found.verifier)
            return 0;
    note->verified[note->verified_count++] = found;
    return 0;
}

/* Goes through all lines; with @known NULL only their form counts. */
static int walk_lines(struct bytes lines, const struct note_verifier *const *known, size_t known_count,
                      struct note *note, struct err *e)
{
    int rc = 0;
    uint8_t *scratch = xmalloc(lines.size); /* at most NOTE_BYTES_MAX; base64 shrinks */
    while (rc == 0 && lines.size > 0) {
        struct line line;
        if (note->signature_count == NOTE_SIGNATURES_MAX) {
            rc = err_set(e, ERR_LIMIT, "note.signature-count", "note has more than %u signatures", NOTE_SIGNATURES_MAX);
            break;
        }
        note->signature_count++;
        rc = next_line(&lines, scratch, lines.size, note->signature_count, &line, e);
        if (rc == 0 && known != NULL)
            rc = take_line(&line, known, known_count, note, e);
    }
    free(scratch);
    return rc;
}

int note_open(struct bytes bytes, const struct note_verifier *const *known, size_t known_count, struct note *ret,
              struct err *e)
{
    struct note note = {.signature_count = 0};
    struct bytes lines;
    xassert(known != NULL);
    int rc = split(bytes, &note.text, &lines, e);
    if (rc == 0)
        rc = walk_lines(lines, known, known_count, &note, e);
    if (rc == 0 && note.verified_count == 0)
        rc = err_set(e, ERR_VERIFY, "note.no-known-signature", "none of %zu signatures is by one of %zu known keys",
                     note.signature_count, known_count);
    if (rc == 0)
        *ret = note;
    return rc;
}

int note_peek(struct bytes bytes, struct bytes *ret_text, size_t *ret_count, struct err *e)
{
    struct note note = {.signature_count = 0};
    struct bytes lines;
    int rc = split(bytes, &note.text, &lines, e);
    if (rc == 0)
        rc = walk_lines(lines, NULL, 0, &note, e);
    if (rc == 0) {
        *ret_text = note.text;
        *ret_count = note.signature_count;
    }
    return rc;
}
