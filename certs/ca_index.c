/* The CA's register read and written (see ca_index.h). Parsing is strict: a register that somebody edited wrongly must
 * not turn a revoked certificate into a good one.
 */
#include "certs/ca_index.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/file.h"
#include "node/base/map.h"
#include "node/base/xassert.h"

#define HEADER "tongban-ca-index/v1"
#define FIELDS 7

static const struct {
    const char *text;
    enum ca_index_reason reason;
} reasons[] = {
#define X(name, text, value) {text, CA_INDEX_##name},
    CA_INDEX_REASONS(X)
#undef X
};

const char *ca_index_reason_text(enum ca_index_reason reason)
{
    for (size_t i = 0; i < array_count(reasons); i++) {
        if (reasons[i].reason == reason)
            return reasons[i].text;
    }
    unreachable();
}

int ca_index_reason_parse(const char *text, enum ca_index_reason *ret, struct err *e)
{
    for (size_t i = 0; i < array_count(reasons); i++) {
        if (strcmp(reasons[i].text, text) == 0) {
            *ret = reasons[i].reason;
            return 0;
        }
    }
    return err_set(e, ERR_INVALID, "ca.reason",
                   "'%.60s' is no reason; known are unspecified, key-compromise, superseded, cessation", text);
}

void ca_index_close(struct ca_index *index)
{
    free(index->entries);
    *index = (struct ca_index){0};
}

int ca_index_add(struct ca_index *index, const struct ca_index_entry *entry, struct err *e)
{
    if (index->count >= CA_ENTRIES_MAX)
        return err_set(e, ERR_LIMIT, "ca.entries", "the CA has issued %zu certificates, the limit is %u", index->count,
                       CA_ENTRIES_MAX);
    if (index->count == index->capacity) {
        index->capacity = index->capacity == 0 ? 16 : 2 * index->capacity;
        index->entries = xrealloc(index->entries, index->capacity * sizeof *index->entries);
    }
    index->entries[index->count++] = *entry;
    return 0;
}

struct ca_index_entry *ca_index_find(struct ca_index *index, const char *serial)
{
    for (size_t i = 0; i < index->count; i++) {
        if (strcmp(index->entries[i].serial, serial) == 0)
            return &index->entries[i];
    }
    return NULL;
}

/* Cuts @line at single spaces; the number of fields, or FIELDS + 1 when there are more. */
static size_t split(struct bytes line, struct bytes out[FIELDS])
{
    size_t count = 0;
    const uint8_t *at = line.data, *end = line.data + line.size;
    for (;;) {
        const uint8_t *space = memchr(at, ' ', (size_t)(end - at));
        const uint8_t *stop = space == NULL ? end : space;
        if (count == FIELDS)
            return FIELDS + 1;
        out[count++] = bytes_of(at, (size_t)(stop - at));
        if (space == NULL)
            return count;
        at = space + 1;
    }
}

static bool is_text(struct bytes b, const char *text)
{
    return bytes_equal(b, bytes_of_string(text));
}

static bool copy_text(struct bytes in, char *out, size_t out_size)
{
    if (in.size == 0 || in.size >= out_size || memchr(in.data, '\0', in.size) != NULL)
        return false;
    memcpy(out, in.data, in.size);
    out[in.size] = '\0';
    return true;
}

static bool parse_entry(struct bytes line, struct ca_index_entry *ret)
{
    struct bytes f[FIELDS];
    uint8_t raw[PKI_SERIAL_BYTES_MAX];
    uint64_t code;
    size_t size;
    char reason[32];
    *ret = (struct ca_index_entry){0};

    if (line.size == 0 || split(line, f) != FIELDS)
        return false;
    if (!copy_text(f[0], ret->serial, sizeof ret->serial) ||
        hex_decode(ret->serial, strlen(ret->serial), raw, sizeof raw, &size) != 0)
        return false;
    if (decimal_parse(f[1], &code) != 0 || code > PKI_CODE_MAX || pki_check_code((uint32_t)code, NULL) != 0)
        return false;
    ret->code = (uint32_t)code;
    if (!copy_text(f[2], ret->name, sizeof ret->name) || pki_check_node_name(ret->name, NULL) != 0)
        return false;
    if (decimal_parse(f[3], &ret->not_before_s) != 0 || decimal_parse(f[4], &ret->not_after_s) != 0)
        return false;
    if (is_text(f[5], "-"))
        return is_text(f[6], "-");
    return decimal_parse(f[5], &ret->revoked_s) == 0 && ret->revoked_s > 0 && copy_text(f[6], reason, sizeof reason) &&
           ca_index_reason_parse(reason, &ret->reason, NULL) == 0;
}

/* @seen knows the serials so far: a register may be long. */
static int parse_line(struct ca_index *index, struct map *seen, size_t number, struct bytes line, const char *path,
                      struct err *e)
{
    static const char crl[] = "crl ";
    struct ca_index_entry entry;

    if (number == 1 && is_text(line, HEADER))
        return 0;
    if (number == 2 && line.size > sizeof crl - 1 && memcmp(line.data, crl, sizeof crl - 1) == 0 &&
        decimal_parse(bytes_of(line.data + sizeof crl - 1, line.size - (sizeof crl - 1)), &index->crl_number) == 0)
        return 0;
    if (number > 2 && parse_entry(line, &entry)) {
        if (map_put(seen, entry.serial, strlen(entry.serial), seen) != NULL)
            return err_set(e, ERR_CORRUPT, "ca.index", "'%s' line %zu: serial %s stands twice", path, number,
                           entry.serial);
        return ca_index_add(index, &entry, e);
    }
    return err_set(e, ERR_CORRUPT, "ca.index", "'%s' line %zu is malformed", path, number);
}

int ca_index_load(struct ca_index *index, const char *path, struct err *e)
{
    struct buf text;
    int rc = file_read(path, CA_INDEX_BYTES_MAX, &text, e);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc != 0)
        return rc;

    struct ca_index loaded = {0};
    struct map seen;
    map_init(&seen, 0); /* serials are our own random numbers: no seed needed */
    size_t number = 0, at = 0;
    while (rc == 0 && at < text.size) {
        const uint8_t *newline = memchr(text.data + at, '\n', text.size - at);
        if (newline == NULL) {
            rc = err_set(e, ERR_CORRUPT, "ca.index", "'%s' ends within line %zu", path, number + 1);
            break;
        }
        size_t size = (size_t)(newline - text.data) - at;
        rc = parse_line(&loaded, &seen, ++number, bytes_of(text.data + at, size), path, e);
        at += size + 1;
    }
    if (rc == 0 && number < 2)
        rc = err_set(e, ERR_CORRUPT, "ca.index", "'%s' has no header", path);
    map_close(&seen);
    buf_close(&text);
    if (rc != 0) {
        ca_index_close(&loaded);
        return rc;
    }
    ca_index_close(index);
    *index = loaded;
    return 0;
}

/* The longest line: numbers of 20 digits, and the longest reason. */
#define LINE_BYTES_MAX (PKI_SERIAL_TEXT_SIZE + 20 + NODE_NAME_BYTES_MAX + 3 * 20 + 20 + FIELDS)
_Static_assert((size_t)CA_ENTRIES_MAX *LINE_BYTES_MAX + 100 <= CA_INDEX_BYTES_MAX, "a full register has its room");

int ca_index_store(const struct ca_index *index, const char *path, struct err *e)
{
    struct buf text;
    buf_init(&text, CA_INDEX_BYTES_MAX);
    buf_printf(&text, HEADER "\ncrl %llu\n", (unsigned long long)index->crl_number);
    for (size_t i = 0; i < index->count; i++) {
        const struct ca_index_entry *n = &index->entries[i];
        buf_printf(&text, "%s %u %s %llu %llu ", n->serial, n->code, n->name, (unsigned long long)n->not_before_s,
                   (unsigned long long)n->not_after_s);
        if (n->revoked_s == 0)
            buf_put_string(&text, "- -\n");
        else
            buf_printf(&text, "%llu %s\n", (unsigned long long)n->revoked_s, ca_index_reason_text(n->reason));
    }
    xassert(!text.failed);
    int rc = file_write(path, buf_bytes(&text), 0600, false, e);
    buf_close(&text);
    return rc;
}
