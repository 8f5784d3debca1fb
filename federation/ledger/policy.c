/* tlog-policy (see policy.h). Names stand for what was defined above them, so that groups are evaluated in the order of the
 * file, without recursion. Failure modes: every line that breaks a rule is refused with its number.
 */
#include "federation/ledger/policy.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"

#define WORDS_MAX (POLICY_WITNESSES_MAX + POLICY_GROUPS_MAX + 3u)
#define NAME_BYTES_MAX 200u

struct parser {
    struct policy *p;
    struct arena *arena;
    struct policy_log *logs;
    struct policy_witness *witnesses;
    struct policy_group *groups;
    size_t log_capacity, witness_capacity, group_capacity;
    struct bytes *words; /* of the line */
    size_t word_count;
    unsigned line;
    bool has_quorum_line;
    struct err *e;
};

static int bad(struct parser *x, int code, const char *what)
{
    return err_set(x->e, code, "policy.line", "policy line %u: %s", x->line, what);
}

static void *grow(struct parser *x, void *old, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return old;
    *capacity = max_of((size_t)16, *capacity * 2);
    void *bigger = arena_alloc(x->arena, *capacity * size);
    if (count > 0)
        memcpy(bigger, old, count * size);
    return bigger;
}

static bool word_is(struct bytes word, const char *text)
{
    return word.size == strlen(text) && memcmp(word.data, text, word.size) == 0;
}

static const char *word_text(struct parser *x, struct bytes word)
{
    return arena_strndup(x->arena, (const char *)word.data, word.size);
}

/* The number under which a witness or group of this name counts; UINT32_MAX for none. */
static uint32_t find_name(const struct policy *p, struct bytes name)
{
    for (size_t i = 0; i < p->witness_count; i++)
        if (word_is(name, p->witnesses[i].name))
            return (uint32_t)i;
    for (size_t i = 0; i < p->group_count; i++)
        if (word_is(name, p->groups[i].name))
            return (uint32_t)(POLICY_WITNESSES_MAX + i);
    return UINT32_MAX;
}

static int check_new_name(struct parser *x, struct bytes name)
{
    if (name.size > NAME_BYTES_MAX)
        return bad(x, ERR_LIMIT, "a name of more than 200 bytes");
    if (word_is(name, "none"))
        return bad(x, ERR_INVALID, "'none' is no name");
    if (find_name(x->p, name) != UINT32_MAX)
        return bad(x, ERR_INVALID, "this name stands for something above already");
    return 0;
}

static bool is_same_key(const struct note_verifier *a, const struct note_verifier *b)
{
    return memcmp(a->public_key, b->public_key, CRYPTO_ED25519_KEY_SIZE) == 0;
}

static int line_of_log(struct parser *x)
{
    struct policy *p = x->p;
    struct policy_log log = {.url = ""};
    if (x->word_count < 2 || x->word_count > 3)
        return bad(x, ERR_INVALID, "'log' takes a verifier key and maybe a URL");
    if (p->log_count == POLICY_LOGS_MAX)
        return bad(x, ERR_LIMIT, "more than 4096 logs");
    int rc = note_verifier_parse(x->words[1], &log.key, x->e);
    if (rc != 0)
        return err_wrap(x->e, "policy line %u", x->line);
    if (log.key.type != NOTE_TYPE_ED25519)
        return bad(x, ERR_UNSUPPORTED, "the key of a log must be of type 0x01 (Ed25519)");
    /* The specification forbids a key that stands twice. A second key of one origin (a successor) would be fine by it, but
     * nodes of this program begin a new origin with a new key: what is looked up by origin here is one. */
    for (size_t i = 0; i < p->log_count; i++)
        if (strcmp(p->logs[i].key.name, log.key.name) == 0 || is_same_key(&p->logs[i].key, &log.key))
            return bad(x, ERR_INVALID, "this log stands above already");
    if (x->word_count == 3)
        log.url = word_text(x, x->words[2]);
    x->logs = grow(x, x->logs, p->log_count, &x->log_capacity, sizeof *x->logs);
    p->logs = x->logs;
    x->logs[p->log_count++] = log;
    return 0;
}

static int witness_line(struct parser *x)
{
    struct policy *p = x->p;
    struct policy_witness witness = {.url = ""};
    if (x->word_count < 3 || x->word_count > 4)
        return bad(x, ERR_INVALID, "'witness' takes a name, a verifier key and maybe a URL");
    if (p->witness_count == POLICY_WITNESSES_MAX)
        return bad(x, ERR_LIMIT, "more than 8192 witnesses");
    int rc = check_new_name(x, x->words[1]);
    if (rc != 0)
        return rc;
    rc = note_verifier_parse(x->words[2], &witness.key, x->e);
    if (rc != 0)
        return err_wrap(x->e, "policy line %u", x->line);
    if (witness.key.type != NOTE_TYPE_COSIGNATURE)
        return bad(x, ERR_UNSUPPORTED, "the key of a witness must be of type 0x04 (cosignature/v1)");
    /* One key under two names would count twice. */
    for (size_t i = 0; i < p->witness_count; i++)
        if (is_same_key(&p->witnesses[i].key, &witness.key))
            return bad(x, ERR_INVALID, "this key stands above under another name");
    witness.name = word_text(x, x->words[1]);
    if (x->word_count == 4)
        witness.url = word_text(x, x->words[3]);
    x->witnesses = grow(x, x->witnesses, p->witness_count, &x->witness_capacity, sizeof *x->witnesses);
    p->witnesses = x->witnesses;
    x->witnesses[p->witness_count++] = witness;
    return 0;
}

static int group_line(struct parser *x)
{
    struct policy *p = x->p;
    if (x->word_count < 4)
        return bad(x, ERR_INVALID, "'group' takes a name, all, any or a number, and members");
    if (p->group_count == POLICY_GROUPS_MAX)
        return bad(x, ERR_LIMIT, "more than 4096 groups");
    int rc = check_new_name(x, x->words[1]);
    if (rc != 0)
        return rc;
    size_t count = x->word_count - 3;
    uint64_t needed = 0;
    if (word_is(x->words[2], "all"))
        needed = count;
    else if (word_is(x->words[2], "any"))
        needed = 1;
    else if (decimal_parse(x->words[2], &needed) != 0 || needed == 0 || needed > count)
        return bad(x, ERR_INVALID, "the second word must be all, any, or a number from 1 to that of the members");
    uint32_t *members = arena_alloc(x->arena, count * sizeof *members);
    for (size_t i = 0; i < count; i++) {
        members[i] = find_name(p, x->words[3 + i]);
        if (members[i] == UINT32_MAX)
            return bad(x, ERR_INVALID, "a member that no line above defines");
        for (size_t k = 0; k < i; k++)
            if (members[k] == members[i])
                return bad(x, ERR_INVALID, "a member stands twice");
    }
    x->groups = grow(x, x->groups, p->group_count, &x->group_capacity, sizeof *x->groups);
    p->groups = x->groups;
    x->groups[p->group_count++] = (struct policy_group){
        .name = word_text(x, x->words[1]), .needed = (size_t)needed, .members = members, .member_count = count};
    return 0;
}

static int quorum_line(struct parser *x)
{
    if (x->has_quorum_line)
        return bad(x, ERR_INVALID, "a second quorum line");
    if (x->word_count != 2)
        return bad(x, ERR_INVALID, "'quorum' takes one name, or none");
    x->has_quorum_line = true;
    if (word_is(x->words[1], "none"))
        return 0;
    x->p->quorum = find_name(x->p, x->words[1]);
    if (x->p->quorum == UINT32_MAX)
        return bad(x, ERR_INVALID, "the quorum names something that no line above defines");
    x->p->has_quorum = true;
    return 0;
}

static int split(struct parser *x, struct bytes line)
{
    x->word_count = 0;
    size_t at = 0;
    while (at < line.size) {
        while (at < line.size && (line.data[at] == ' ' || line.data[at] == '\t'))
            at++;
        size_t begin = at;
        while (at < line.size && line.data[at] != ' ' && line.data[at] != '\t')
            at++;
        if (at == begin)
            break;
        if (x->word_count == WORDS_MAX)
            return bad(x, ERR_LIMIT, "too many words");
        x->words[x->word_count++] = bytes_of(line.data + begin, at - begin);
    }
    return 0;
}

/* C2SP tlog-policy, "Character set": 0x09, 0x0A, 0x20-0x7E, 0x80-0xFF. */
static bool is_control(uint8_t c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

static bool is_comment(struct bytes line)
{
    size_t at = 0;
    while (at < line.size && (line.data[at] == ' ' || line.data[at] == '\t'))
        at++;
    return at < line.size && line.data[at] == '#';
}

static int one_line(struct parser *x, struct bytes line)
{
    for (size_t i = 0; i < line.size; i++)
        if (is_control(line.data[i]))
            return bad(x, ERR_INVALID, "a control character");
    if (is_comment(line))
        return 0;
    int rc = split(x, line);
    if (rc != 0 || x->word_count == 0)
        return rc;
    if (word_is(x->words[0], "log"))
        return line_of_log(x);
    if (word_is(x->words[0], "witness"))
        return witness_line(x);
    if (word_is(x->words[0], "group"))
        return group_line(x);
    if (word_is(x->words[0], "quorum"))
        return quorum_line(x);
    return bad(x, ERR_INVALID, "begins with none of log, witness, group, quorum, #");
}

int policy_parse(struct bytes text, struct arena *arena, struct policy *ret, struct err *e)
{
    struct policy p = {0};
    struct parser x = {.p = &p, .arena = arena, .e = e};
    if (text.size > POLICY_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "policy.size", "a policy of %zu bytes, the limit is %u", text.size,
                       POLICY_BYTES_MAX);
    x.words = xcalloc(WORDS_MAX, sizeof *x.words);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < text.size;) {
        const uint8_t *end = memchr(text.data + at, '\n', text.size - at);
        x.line++;
        if (end == NULL) { /* cut off: a name that lost its end may be another one's */
            rc = bad(&x, ERR_INVALID, "does not end in a newline");
            break;
        }
        size_t size = (size_t)(end - (text.data + at));
        rc = one_line(&x, bytes_of(text.data + at, size));
        at += size + 1;
    }
    free(x.words);
    if (rc == 0 && !x.has_quorum_line)
        rc = err_set(e, ERR_INVALID, "policy.no-quorum", "the policy has no quorum line");
    if (rc == 0)
        *ret = p;
    return rc;
}

static const char *name_of(const struct policy *p, uint32_t number)
{
    return number < POLICY_WITNESSES_MAX ? p->witnesses[number].name : p->groups[number - POLICY_WITNESSES_MAX].name;
}

static void put_key(const struct note_verifier *key, const char *url, struct buf *out)
{
    note_verifier_format(key, out);
    if (url[0] != '\0')
        buf_printf(out, " %s", url);
    buf_put_u8(out, '\n');
}

void policy_format(const struct policy *p, struct buf *out)
{
    for (size_t i = 0; i < p->log_count; i++) {
        buf_put_string(out, "log ");
        put_key(&p->logs[i].key, p->logs[i].url, out);
    }
    for (size_t i = 0; i < p->witness_count; i++) {
        buf_printf(out, "witness %s ", p->witnesses[i].name);
        put_key(&p->witnesses[i].key, p->witnesses[i].url, out);
    }
    for (size_t i = 0; i < p->group_count; i++) {
        const struct policy_group *g = &p->groups[i];
        buf_printf(out, "group %s ", g->name);
        if (g->needed == g->member_count)
            buf_put_string(out, "all");
        else
            buf_printf(out, "%zu", g->needed);
        for (size_t k = 0; k < g->member_count; k++)
            buf_printf(out, " %s", name_of(p, g->members[k]));
        buf_put_u8(out, '\n');
    }
    buf_printf(out, "quorum %s\n", p->has_quorum ? name_of(p, p->quorum) : "none");
}

const struct policy_log *policy_find_log(const struct policy *p, const char *origin)
{
    for (size_t i = 0; i < p->log_count; i++)
        if (strcmp(p->logs[i].key.name, origin) == 0)
            return &p->logs[i];
    return NULL;
}

/* ---- quorum ---- */

bool policy_is_satisfied(const struct policy *p, const bool *has_signed)
{
    if (!p->has_quorum)
        return true;
    bool *reached = xcalloc(p->group_count + 1, sizeof *reached); /* members are defined before their groups */
    for (size_t i = 0; i < p->group_count; i++) {
        size_t count = 0;
        for (size_t k = 0; k < p->groups[i].member_count; k++) {
            uint32_t m = p->groups[i].members[k];
            count += m < POLICY_WITNESSES_MAX ? has_signed[m] : reached[m - POLICY_WITNESSES_MAX];
        }
        reached[i] = count >= p->groups[i].needed;
    }
    bool ok = p->quorum < POLICY_WITNESSES_MAX ? has_signed[p->quorum] : reached[p->quorum - POLICY_WITNESSES_MAX];
    free(reached);
    return ok;
}

static int compare_sizes(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* The fewest witnesses that satisfy group @g, those of inner groups known. Groups that share witnesses may need fewer in
 * truth, never more than there are (@most): without that bound, shared groups would double the sum with each level. */
static size_t fewest_of(const struct policy_group *g, const size_t *inner, size_t most, size_t *scratch)
{
    size_t sum = 0;
    for (size_t k = 0; k < g->member_count; k++)
        scratch[k] = g->members[k] < POLICY_WITNESSES_MAX ? 1 : inner[g->members[k] - POLICY_WITNESSES_MAX];
    qsort(scratch, g->member_count, sizeof *scratch, compare_sizes);
    for (size_t k = 0; k < g->needed; k++)
        sum = min_of(sum + scratch[k], most);
    return sum;
}

/* Flags of the witnesses below the quorum, walking the groups from the last to the first. */
static size_t witnesses_below(const struct policy *p)
{
    bool *groups = xcalloc(p->group_count + 1, sizeof *groups);
    bool *witnesses = xcalloc(p->witness_count + 1, sizeof *witnesses);
    size_t count = 0;
    if (p->quorum < POLICY_WITNESSES_MAX)
        witnesses[p->quorum] = true;
    else
        groups[p->quorum - POLICY_WITNESSES_MAX] = true;
    for (size_t i = p->group_count; i-- > 0;) {
        for (size_t k = 0; groups[i] && k < p->groups[i].member_count; k++) {
            uint32_t m = p->groups[i].members[k];
            if (m < POLICY_WITNESSES_MAX)
                witnesses[m] = true;
            else
                groups[m - POLICY_WITNESSES_MAX] = true;
        }
    }
    for (size_t i = 0; i < p->witness_count; i++)
        count += witnesses[i];
    free(groups);
    free(witnesses);
    return count;
}

void policy_quorum_size(const struct policy *p, size_t *ret_needed, size_t *ret_of)
{
    *ret_needed = *ret_of = 0;
    if (!p->has_quorum)
        return;
    *ret_of = witnesses_below(p);
    *ret_needed = 1;
    if (p->quorum < POLICY_WITNESSES_MAX)
        return;
    size_t *fewest = xcalloc(p->group_count, sizeof *fewest);
    size_t *scratch = xcalloc(POLICY_WITNESSES_MAX + POLICY_GROUPS_MAX, sizeof *scratch);
    for (size_t i = 0; i < p->group_count; i++)
        fewest[i] = fewest_of(&p->groups[i], fewest, *ret_of, scratch);
    *ret_needed = fewest[p->quorum - POLICY_WITNESSES_MAX];
    free(scratch);
    free(fewest);
}

size_t policy_safe_quorum(size_t n)
{
    if (n == 0)
        return 0;
    size_t f = (n - 1) / 3;
    return (n + f) / 2 + 1;
}

/* ---- opening ---- */

static int find_note_log(const struct policy *p, struct bytes note, const struct policy_log **ret, struct err *e)
{
    struct bytes text;
    size_t lines;
    int rc = note_peek(note, &text, &lines, e);
    if (rc != 0)
        return rc;
    struct reader r = reader_of(text);
    struct bytes origin = read_until_newline(&r);
    for (size_t i = 0; i < p->log_count; i++)
        if (word_is(origin, p->logs[i].key.name)) {
            *ret = &p->logs[i];
            return 0;
        }
    return err_set(e, ERR_VERIFY, "policy.unknown-log", "the policy knows no ledger '%.*s'",
                   (int)min_of(origin.size, (size_t)100), (const char *)origin.data);
}

/* checkpoint_open() knows MEMBERS_MAX witnesses at most, a policy may have more. */
static int open_portion(const struct policy *p, struct bytes note, const struct note_verifier *log, size_t from,
                        struct checkpoint_opened *ret, struct err *e)
{
    size_t count = min_of(p->witness_count - from, (size_t)MEMBERS_MAX);
    const struct note_verifier **keys = xcalloc(count + 1, sizeof *keys);
    for (size_t i = 0; i < count; i++)
        keys[i] = &p->witnesses[from + i].key;
    int rc = checkpoint_open(note, log, keys, count, ret, e);
    for (size_t i = 0; rc == 0 && i < ret->cosigned_count; i++)
        ret->cosigned[i].witness += from;
    free(keys);
    return rc;
}

int policy_open(const struct policy *p, struct bytes note, struct checkpoint_opened *ret_opened, bool *ret_signed,
                bool *ret_satisfied, struct err *e)
{
    const struct policy_log *log;
    struct checkpoint_opened opened, more;
    int rc = find_note_log(p, note, &log, e);
    if (rc == 0)
        rc = open_portion(p, note, &log->key, 0, &opened, e);
    for (size_t from = MEMBERS_MAX; rc == 0 && from < p->witness_count; from += MEMBERS_MAX) {
        rc = open_portion(p, note, &log->key, from, &more, e);
        for (size_t i = 0; rc == 0 && i < more.cosigned_count; i++)
            opened.cosigned[opened.cosigned_count++] = more.cosigned[i]; /* each line counts once: there is room */
    }
    if (rc != 0)
        return rc;
    bool *has_signed = xcalloc(p->witness_count + 1, sizeof *has_signed);
    for (size_t i = 0; i < opened.cosigned_count; i++)
        has_signed[opened.cosigned[i].witness] = true;
    *ret_satisfied = policy_is_satisfied(p, has_signed);
    if (ret_signed != NULL)
        memcpy(ret_signed, has_signed, p->witness_count * sizeof *has_signed);
    *ret_opened = opened;
    free(has_signed);
    return 0;
}
