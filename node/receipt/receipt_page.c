/* The binding of a page to its proof (see receipt_page.h). Happy path: digest right -> data read -> page made anew -> the same
 * bytes. Failure modes: each says in which line the page and its proof part. Pure, any thread. */
#include "node/receipt/receipt_page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/utf8.h"
#include "node/base/xassert.h"

#define NODES_MAX (NOTE_SIGNATURES_MAX + 2u) /* the cosigners, the author, the deciding node */
#define DATA_BYTES_MAX 32768u

/* ---- data ---- */

/* One line: characters that would end it are no part of any name. */
static void put_value(struct buf *out, const char *key, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    buf_printf(out, "%s ", key);
    for (const char *c = value; *c != '\0'; c++)
        buf_put_u8(out, (uint8_t)*c < 0x20 || *c == 0x7f ? '?' : (uint8_t)*c);
    buf_put_string(out, "\n");
}

void receipt_page_put_data(const struct receipt_page *page, const struct member *const *wanted, size_t count,
                           struct buf *out)
{
    struct buf text = {0};
    buf_put_string(&text, RECEIPT_PAGE_LAYOUT "\n");
    put_value(&text, "number", page->number);
    put_value(&text, "item", page->item_code);
    put_value(&text, "item-name", page->item_name);
    for (size_t i = 0; i < count && i < NODES_MAX; i++)
        buf_printf(&text, "node %" PRIu32 " %s %s %s\n", wanted[i]->code, wanted[i]->name, wanted[i]->key.name,
                   wanted[i]->witness.name);
    char *base64 = xmalloc(base64_encoded_size(text.size) + 1);
    base64_encode(text.data, text.size, base64);
    buf_put_string(out, base64);
    free(base64);
    buf_close(&text);
}

static const struct policy_witness *find_witness(const struct policy *p, const char *name)
{
    for (size_t i = 0; i < p->witness_count; i++)
        if (strcmp(p->witnesses[i].key.name, name) == 0)
            return &p->witnesses[i];
    return NULL;
}

/* Cuts the next word off @line; NULL when there is none. */
static const char *next_word(char **line)
{
    char *word = *line, *end = word != NULL ? strchr(word, ' ') : NULL;
    if (end != NULL)
        *end++ = '\0';
    *line = end;
    return word;
}

/* "<code> <name> <origin> <witness>": the keys are the policy's, so that a page can give nobody another one. */
static int parse_node(char *line, const struct policy *policy, struct member *ret)
{
    uint64_t code;
    const char *word = next_word(&line);
    *ret = (struct member){.url = ""};
    ret->name = next_word(&line);
    const char *origin = next_word(&line), *witness = next_word(&line);
    if (witness == NULL || line != NULL || decimal_parse(bytes_of_string(word), &code) != 0 || code < 100000 ||
        code > 999999)
        return -1;
    const struct policy_log *log = policy_find_log(policy, origin);
    const struct policy_witness *key = find_witness(policy, witness);
    ret->code = (uint32_t)code;
    if (log != NULL)
        ret->key = log->key;
    if (key != NULL)
        ret->witness = key->key;
    return 0;
}

static int parse_line(char *line, const struct policy *policy, struct members *nodes, struct receipt_page *page)
{
    const char *key = next_word(&line);
    if (line == NULL)
        return -1;
    if (strcmp(key, "number") == 0)
        page->number = line;
    else if (strcmp(key, "item") == 0)
        page->item_code = line;
    else if (strcmp(key, "item-name") == 0)
        page->item_name = line;
    else if (strcmp(key, "node") != 0 || nodes->count == NODES_MAX ||
             parse_node(line, policy, &nodes->list[nodes->count]) != 0)
        return -1;
    else if (nodes->count++ > 0 && nodes->list[nodes->count - 2].code >= nodes->list[nodes->count - 1].code)
        return -1; /* members_find() wants them ascending */
    return 0;
}

int receipt_page_parse_data(struct bytes base64, const struct policy *policy, struct arena *mem,
                            struct receipt_page *ret, struct err *e)
{
    size_t size = 0;
    uint8_t *text = arena_alloc(mem, DATA_BYTES_MAX + 1);
    struct members *nodes = arena_alloc(mem, sizeof *nodes);
    *nodes = (struct members){.list = arena_alloc(mem, NODES_MAX * sizeof *nodes->list)};
    *ret = (struct receipt_page){.policy = policy, .members = nodes};
    bool good = base64_decode((const char *)base64.data, base64.size, text, DATA_BYTES_MAX, &size) == 0;
    char *line = (char *)text;
    static const char layout[] = RECEIPT_PAGE_LAYOUT "\n";
    if (!good || size < sizeof layout - 1 || memcmp(text, layout, sizeof layout - 1) != 0)
        return err_set(e, ERR_UNSUPPORTED, "receipt.page-layout",
                       "the page is of no layout that this program knows (it knows %s): its words cannot be judged",
                       RECEIPT_PAGE_LAYOUT);
    text[size] = '\0';
    good = strlen(line) == size && text[size - 1] == '\n';
    for (line += sizeof layout - 1; good && *line != '\0';) {
        char *end = strchr(line, '\n');
        *end = '\0';
        good = parse_line(line, policy, nodes, ret) == 0;
        line = end + 1;
    }
    if (!good)
        return err_set(e, ERR_INVALID, "receipt.page-layout", "what the page says about itself cannot be read");
    return 0;
}

/* ---- digest ---- */

/* The place of the digest, or 0. */
static size_t digest_at(struct bytes html)
{
    const uint8_t *at =
        html.size == 0 ? NULL : memmem(html.data, html.size, RECEIPT_PAGE_DIGEST, strlen(RECEIPT_PAGE_DIGEST));
    size_t place = at == NULL ? 0 : (size_t)(at - html.data) + strlen(RECEIPT_PAGE_DIGEST);
    return place + RECEIPT_PAGE_DIGEST_SIZE <= html.size ? place : 0;
}

static void digest_of(struct bytes html, size_t at, char out[RECEIPT_PAGE_DIGEST_SIZE + 1])
{
    char zeros[RECEIPT_PAGE_DIGEST_SIZE];
    uint8_t hash[CRYPTO_HASH_SIZE];
    memset(zeros, '0', sizeof zeros);
    const struct bytes parts[] = {bytes_of(html.data, at), bytes_of(zeros, sizeof zeros),
                                  bytes_of(html.data + at + sizeof zeros, html.size - at - sizeof zeros)};
    crypto_sha256(parts, array_count(parts), hash);
    hex_encode(hash, sizeof hash, out);
}

void receipt_page_seal(struct buf *html)
{
    char digest[RECEIPT_PAGE_DIGEST_SIZE + 1];
    size_t at = digest_at(buf_bytes(html));
    xassert(at != 0);
    digest_of(buf_bytes(html), at, digest);
    memcpy(html->data + at, digest, RECEIPT_PAGE_DIGEST_SIZE);
}

/* ---- judging ---- */

static int check_digest(struct bytes file, struct err *e)
{
    char digest[RECEIPT_PAGE_DIGEST_SIZE + 1];
    size_t at = digest_at(file);
    if (at == 0)
        return err_set(e, ERR_UNSUPPORTED, "receipt.page-layout",
                       "the page is of no layout that this program knows (it knows %s): its words cannot be judged",
                       RECEIPT_PAGE_LAYOUT);
    digest_of(file, at, digest);
    if (memcmp(file.data + at, digest, RECEIPT_PAGE_DIGEST_SIZE) == 0)
        return 0;
    return err_set(e, ERR_VERIFY, "receipt.page-digest",
                   "the page is not as it was made: a byte of it was changed, or a program saved it in its own way");
}

static int compare(struct bytes file, struct bytes made, struct err *e)
{
    size_t at = 0, line = 1;
    while (at < file.size && at < made.size && file.data[at] == made.data[at])
        line += file.data[at++] == '\n';
    if (at == file.size && at == made.size)
        return 0;
    return err_set(
        e, ERR_VERIFY, "receipt.page-altered",
        "the page says something else than the proof in it does under this policy: from byte %zu, line %zu, on", at,
        line);
}

static int check_names(const struct members *nodes, const struct members *known, struct err *e)
{
    for (size_t i = 0; known != NULL && i < nodes->count; i++) {
        const struct member *said = &nodes->list[i], *member = members_find(known, said->code);
        if (member == NULL || strcmp(member->name, said->name) != 0)
            return err_set(e, ERR_VERIFY, "receipt.page-name",
                           "the page calls node %u '%.100s', the member list %s%.100s%s", said->code, said->name,
                           member != NULL ? "'" : "has ", member != NULL ? member->name : "no such",
                           member != NULL ? "'" : " node");
        bool is_same = strcmp(member->key.name, said->key.name) == 0 || said->key.name[0] == '\0';
        if (!is_same)
            return err_set(e, ERR_VERIFY, "receipt.page-name",
                           "the page gives node %u the ledger '%.100s', the member list '%.100s'", said->code,
                           said->key.name, member->key.name);
    }
    return 0;
}

int receipt_page_check(struct bytes file, struct bytes proof, const struct policy *policy, const struct members *known,
                       struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct receipt_page page;
    struct buf made = {0};
    int rc = check_digest(file, e);
    const uint8_t *at = rc != 0 ? NULL : memmem(file.data, file.size, RECEIPT_PAGE_DATA, strlen(RECEIPT_PAGE_DATA));
    struct bytes data = bytes_of(NULL, 0);
    if (at != NULL) {
        data =
            bytes_of(at + strlen(RECEIPT_PAGE_DATA), file.size - (size_t)(at - file.data) - strlen(RECEIPT_PAGE_DATA));
        const uint8_t *end = data.size == 0 ? NULL : memchr(data.data, '"', data.size);
        data.size = end == NULL ? 0 : (size_t)(end - data.data);
    }
    if (rc == 0)
        rc = receipt_page_parse_data(data, policy, &mem, &page, e);
    if (rc == 0) {
        page.proof = proof;
        rc = receipt_html(&page, &made, e);
    }
    if (rc == 0)
        rc = compare(file, buf_bytes(&made), e);
    if (rc == 0)
        rc = check_names(page.members, known, e);
    if (rc != 0)
        err_hint(e,
                 "the receipt in the page counts without the page: 'tongban receipt convert FILE --policy P --as text' "
                 "takes it out, and that can be verified");
    buf_close(&made);
    arena_close(&mem);
    return rc;
}
