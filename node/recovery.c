/* Recovery (see recovery.h).
 *
 * A round asks every connected member at once from the same index on; when all have answered or failed, whatever runs on without
 * a gap is taken, and the next round begins behind it. Failure modes: nobody holds the next entry -> the round is repeated
 * every few seconds, since others may be reached later; one that cannot read its store gives its checkpoint only, and
 * nothing counts as missing because of it; the root does not fit -> somebody gave a wrong entry: all is forgotten and asked again,
 * believing others; a disk that refuses -> the ledger stops, and recovery_check() begins anew after its reload.
 *
 * Whom to believe: nothing in an entry proves that it was ours, the root over all of them does. Members that gave different entries
 * under one number are suspects. Each attempt believes some of them only where nobody else holds the entry: first the one that most
 * others contradict, then every other one, then two, and so on, so that one liar among many costs one attempt more, and at worst as
 * many as there are suspects, whatever it gives. Which of them lied is known when the root fits.
 *
 *   IDLE -> HASHING -> RESTORING -> IDLE        HASHING keeps 32 bytes per entry; RESTORING writes chunk by chunk
 */
#include "node/recovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/log.h"
#include "node/base/xassert.h"

#define ROUND_AGAIN_MS 3000u
#define ASK_MS 20000u
#define ANSWER_BYTES (512u << 10)
#define SUSPECTS_MAX 32u

enum phase { PHASE_IDLE, PHASE_HASHING, PHASE_RESTORING };

/* One member's answer of the round: its own copy, decoded entries in ascending order. */
struct answer {
    struct list link;
    struct arena arena;
    uint32_t code;
    struct wire_recovered message;
    size_t at; /* next entry to look at */
};

/* A member that has given another entry than somebody else. */
struct suspect {
    uint32_t code;
    unsigned against; /* members that contradicted it when it became one */
    bool has_lied;    /* if what was taken in this attempt is right */
    uint64_t index;   /* of the first entry that it gave otherwise then */
};

struct recovery {
    struct recovery_config config;
    struct ledger *ledger;
    struct replication *replication;
    struct loop_timer *timer;
    enum phase phase;
    bool closed;
    unsigned asked;      /* of the round, not answered yet */
    unsigned reached;    /* answers of the round */
    unsigned unread;     /* and those of members that cannot read now what they hold */
    unsigned generation; /* of the whole attempt: late answers are dropped */
    struct list answers;
    uint64_t base, next;
    struct crange range; /* HASHING: of [0, next) */
    struct buf hashes;   /* of [base, …), 32 bytes each */
    struct suspect suspects[SUSPECTS_MAX];
    unsigned suspect_count;
    uint32_t distrusted;    /* a bit for each suspect that is believed last in this attempt */
    struct checkpoint head; /* newest own checkpoint that somebody holds; size 0 = none yet */
    struct buf note;
    char state[320];
};

struct asking {
    struct recovery *r;
    uint32_t code;
    unsigned generation;
};

static void begin_round(struct recovery *r);
static void end_round(struct recovery *r);

const char *recovery_state(const struct recovery *r)
{
    return r->phase == PHASE_IDLE ? "" : r->state;
}

static void say(struct recovery *r, const char *what)
{
    char old[sizeof r->state];
    memcpy(old, r->state, sizeof old);
    (void)snprintf(r->state, sizeof r->state, "recovering: %s, at entry %llu of %llu%s%s",
                   r->phase == PHASE_HASHING ? "asking what others hold" : "writing what came back",
                   (unsigned long long)r->next, (unsigned long long)ledger_behind(r->ledger),
                   what[0] != '\0' ? "; " : "", what);
    if (strcmp(old, r->state) != 0)
        log_warn("ledger", NULL, "ledger.recovering", "%s", r->state);
}

static void drop_answers(struct recovery *r)
{
    struct list *at;
    while ((at = list_pop_first(&r->answers)) != NULL) {
        struct answer *a = container_of(at, struct answer, link);
        arena_close(&a->arena);
        free(a);
    }
}

/* ---- a round ---- */

/* The newest own checkpoint counts, if the signature is really ours. */
static void take_note(struct recovery *r, struct bytes note)
{
    const struct member *self = members_find(r->config.members, r->config.self);
    struct checkpoint_opened opened;
    if (note.size == 0 || checkpoint_open(note, &self->key, NULL, 0, &opened, NULL) != 0 ||
        opened.head.size <= r->head.size)
        return;
    r->head = opened.head;
    buf_reset(&r->note);
    buf_put(&r->note, note.data, note.size);
    ledger_set_behind(r->ledger, opened.head.size);
}

static void copy_answer(struct recovery *r, uint32_t code, const struct wire_recovered *in)
{
    struct answer *a = xcalloc(1, sizeof *a);
    list_init(&a->link);
    a->code = code;
    struct wire_recovered_entry *rows = arena_alloc(&a->arena, (in->entry_count + 1) * sizeof *rows);
    for (size_t i = 0; i < in->entry_count; i++) {
        rows[i] = in->entries[i];
        rows[i].leaf = arena_bytes(&a->arena, in->entries[i].leaf);
        rows[i].payload = arena_bytes(&a->arena, in->entries[i].payload);
    }
    a->message = (struct wire_recovered){.entries = rows, .entry_count = in->entry_count, .more = in->more};
    list_append(&r->answers, &a->link);
}

static void answered(void *ctx, const struct wire_msg *message, const struct err *e)
{
    struct asking *asking = ctx;
    struct recovery *r = asking->r;
    bool is_late = asking->generation != r->generation || r->closed;
    uint32_t code = asking->code;
    (void)e;
    free(asking);
    if (is_late)
        return;
    if (message != NULL && message->type == WIRE_RECOVERED) {
        take_note(r, message->u.recovered.checkpoint);
        if (message->u.recovered.unavailable)
            r->unread++;
        else
            copy_answer(r, code, &message->u.recovered);
        r->reached += !message->u.recovered.unavailable;
    }
    if (--r->asked == 0)
        end_round(r);
}

static void begin_round(struct recovery *r)
{
    drop_answers(r);
    r->reached = r->unread = 0;
    for (size_t i = 0; i < r->config.members->count; i++) {
        struct replication_peer peer;
        uint32_t code = r->config.members->list[i].code;
        if (!replication_peer(r->replication, code, &peer) || !peer.connected)
            continue;
        struct asking *asking = xcalloc(1, sizeof *asking);
        *asking = (struct asking){.r = r, .code = code, .generation = r->generation};
        struct wire_msg m = {.type = WIRE_RECOVER};
        m.u.recover = (struct wire_recover){.from = r->next, .max_bytes = ANSWER_BYTES};
        r->asked++;
        replication_ask(r->replication, code, &m, ASK_MS, answered, asking);
    }
    if (r->asked == 0) {
        say(r, "no other node is connected");
        loop_timer_set(r->timer, ROUND_AGAIN_MS);
    }
}

/* The content that its leaf names, whole. */
static bool has_content(const struct sync_entry *entry)
{
    struct merkle_hash hash;
    if (!entry->payload_held || entry->payload.size != entry->leaf.ct_len)
        return false;
    if (entry->payload.size == 0)
        return true;
    crypto_sha256_one(entry->payload.data, entry->payload.size, hash.b);
    return merkle_hash_equal(&hash, &entry->leaf.ct_hash);
}

/* The entry @index out of one answer, decoded; with @want only one of that hash. */
static bool find_in_answer(const struct recovery *r, struct answer *a, uint64_t index, const uint8_t *want,
                           struct sync_entry *ret)
{
    for (; a->at < a->message.entry_count; a->at++) {
        const struct wire_recovered_entry *in = &a->message.entries[a->at];
        if (leaf_decode(in->leaf, &ret->leaf, NULL) != 0 || ret->leaf.origin != r->config.self ||
            ret->leaf.index < index)
            continue; /* of no use to anybody */
        if (ret->leaf.index > index)
            return false;
        leaf_hash(in->leaf, &ret->hash);
        if (want != NULL && memcmp(want, ret->hash.b, sizeof ret->hash.b) != 0)
            continue;
        ret->bytes = in->leaf;
        ret->payload = in->payload;
        ret->payload_held = in->payload_held;
        return true;
    }
    return false;
}

static struct suspect *find_suspect(struct recovery *r, uint32_t code)
{
    for (unsigned i = 0; i < r->suspect_count; i++)
        if (r->suspects[i].code == code)
            return &r->suspects[i];
    return NULL;
}

static bool is_distrusted(struct recovery *r, uint32_t code)
{
    const struct suspect *s = find_suspect(r, code);
    return s != NULL && (r->distrusted >> (s - r->suspects) & 1) != 0;
}

/* The same out of any answer, of those that are believed first; with the content, if somebody gave it: not everybody was given it. */
static bool find_entry(struct recovery *r, uint64_t index, const uint8_t *want, struct sync_entry *ret)
{
    bool is_found = false;
    for (int last = 0; last < 2; last++)
        list_for_each (link, &r->answers) {
            struct answer *a = container_of(link, struct answer, link);
            struct sync_entry entry;
            if (is_distrusted(r, a->code) != (last == 1) || !find_in_answer(r, a, index, want, &entry))
                continue;
            if (!is_found || (has_content(&entry) && merkle_hash_equal(&entry.hash, &ret->hash)))
                *ret = entry;
            is_found = true;
            if (has_content(ret))
                return true;
        }
    return is_found;
}

/* ---- whom to believe ---- */

static unsigned count_against(const struct recovery *r, uint64_t index, const struct merkle_hash *given)
{
    unsigned count = 0;
    list_for_each (link, &r->answers) {
        struct sync_entry entry;
        count += find_in_answer(r, container_of(link, struct answer, link), index, NULL, &entry) &&
                 !merkle_hash_equal(&entry.hash, given);
    }
    return count;
}

static struct suspect *least_contradicted(struct recovery *r)
{
    struct suspect *least = r->suspects;
    for (unsigned i = 1; i < r->suspect_count; i++)
        if (r->suspects[i].against < least->against)
            least = &r->suspects[i];
    return least;
}

/* @given: its entry @index. */
static struct suspect *add_suspect(struct recovery *r, uint32_t code, uint64_t index, const struct merkle_hash *given)
{
    struct suspect *s = find_suspect(r, code), new = {.code = code};
    if (s != NULL)
        return s;
    new.against = count_against(r, index, given);
    if (r->suspect_count < SUSPECTS_MAX)
        s = &r->suspects[r->suspect_count++];
    else if (r->distrusted == 0) /* no bit says yet which is which: those that most contradict are kept */
        s = least_contradicted(r);
    if (s == NULL || s->against > new.against)
        return NULL;
    *s = new;
    return s;
}

/* Whoever gave another entry under @index than @taken, and who gave the same: either may be wrong. */
static void compare_answers(struct recovery *r, uint64_t index, const struct merkle_hash *taken)
{
    bool differ = false;
    for (int told = 0; told < 1 + differ; told++)
        list_for_each (link, &r->answers) {
            struct answer *a = container_of(link, struct answer, link);
            struct sync_entry entry;
            if (!find_in_answer(r, a, index, NULL, &entry))
                continue;
            bool is_other = !merkle_hash_equal(&entry.hash, taken);
            struct suspect *s = is_other || differ ? add_suspect(r, a->code, index, &entry.hash) : NULL;
            differ |= is_other;
            if (!is_other || s == NULL || s->has_lied)
                continue;
            s->has_lied = true;
            s->index = index;
        }
}

static unsigned bits_of(uint64_t set)
{
    return (unsigned)__builtin_popcountll(set);
}

/* After @set of @count bits: the next number with as many bits, else the least with one more; 0 after all of them. */
static uint64_t next_set(uint64_t set, unsigned count)
{
    unsigned more = bits_of(set) + 1;
    if (set != 0) {
        uint64_t lowest = set & (~set + 1), moved = set + lowest;
        uint64_t next = moved | ((set ^ moved) >> 2) / lowest;
        if (next < UINT64_C(1) << count)
            return next;
    }
    return more > count ? 0 : (UINT64_C(1) << more) - 1;
}

static int compare_suspects(const void *a, const void *b)
{
    const struct suspect *x = a, *y = b;
    return (y->against > x->against) - (y->against < x->against);
}

static void distrust_others(struct recovery *r)
{
    if (r->distrusted == 0) /* no bit says yet which is which */
        qsort(r->suspects, r->suspect_count, sizeof *r->suspects, compare_suspects);
    r->distrusted = (uint32_t)next_set(r->distrusted, r->suspect_count);
}

/* The root does not fit. What is the matter with one of few suspects is soon found out; the rest takes its time, so that nobody makes this
 * node ask the others without end. */
static void begin_anew(struct recovery *r)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "what the others gave does not have the root of the own checkpoint over %llu entries, %u of them "
                   "contradict each "
                   "other; asking again",
                   (unsigned long long)r->head.size, r->suspect_count);
    bool was_of_one = bits_of(r->distrusted) <= 1;
    distrust_others(r);
    if (was_of_one && bits_of(r->distrusted) != 1) { /* it is no single one that lies */
        say(r, "the nodes that answered contradict each other or the own checkpoint");
        replication_alarm(r->replication, 0, "ledger.recovery-root", text);
    }
    r->base = UINT64_MAX; /* anew */
    loop_timer_set(r->timer, bits_of(r->distrusted) == 1 ? 0 : ROUND_AGAIN_MS);
}

/* What was taken is right: whoever gave something else did not have it from here. */
static void tell_liars(struct recovery *r)
{
    char text[192];
    for (unsigned i = 0; i < r->suspect_count; i++) {
        const struct suspect *s = &r->suspects[i];
        if (!s->has_lied)
            continue;
        (void)snprintf(text, sizeof text,
                       "asked for this node's own ledger, it gave another entry %llu than was signed here: what others "
                       "gave was taken",
                       (unsigned long long)s->index);
        replication_alarm(r->replication, s->code, "ledger.recovery-forged", text);
    }
    r->suspect_count = r->distrusted = 0;
}

/* ---- first pass: what is there ---- */

static void start_hashing(struct recovery *r)
{
    struct crange_part parts[CRANGE_PARTS_MAX];
    r->phase = PHASE_HASHING;
    r->generation++;
    r->asked = 0;
    r->base = r->next = ledger_size(r->ledger);
    if (ledger_signed_head(r->ledger)->size > r->head.size)
        r->head = *ledger_signed_head(r->ledger);
    buf_reset(&r->hashes);
    for (unsigned i = 0; i < r->suspect_count; i++)
        r->suspects[i].has_lied = false;
    crange_init(&r->range);
    unsigned count = crange_decompose(0, r->base, parts);
    struct merkle_source source = ledger_source(r->ledger);
    for (unsigned i = 0; i < count; i++) {
        struct merkle_hash hash;
        uint64_t begin = parts[i].index << parts[i].level;
        struct err e = {0};
        int rc = merkle_subtree_hash(&source, begin, begin + (UINT64_C(1) << parts[i].level), &hash, &e);
        if (rc == 0)
            rc = crange_append(&r->range, parts[i].level, &hash, &e);
        if (rc != 0) {
            log_error("ledger", NULL, e.id, "the own tree cannot be read: %s", e.message);
            loop_timer_set(r->timer, ROUND_AGAIN_MS);
            r->phase = PHASE_IDLE;
            return;
        }
    }
    say(r, "");
    begin_round(r);
}

/* Everything was heard and it does not reach. Says which entries nobody gave. */
static void missing(struct recovery *r)
{
    char what[160], text[256], old[sizeof r->state];
    memcpy(old, r->state, sizeof old);
    uint64_t end = ledger_behind(r->ledger);
    list_for_each (link, &r->answers) {
        const struct answer *a = container_of(link, struct answer, link);
        struct leaf leaf;
        if (a->at < a->message.entry_count && leaf_decode(a->message.entries[a->at].leaf, &leaf, NULL) == 0)
            end = min_of(end, leaf.index);
    }
    int size = snprintf(what, sizeof what, "entries %llu to %llu are held by none of the %u nodes that answered",
                        (unsigned long long)r->next, (unsigned long long)(end == 0 ? 0 : end - 1), r->reached);
    if (r->unread > 0)
        (void)snprintf(what + size, sizeof what - (size_t)size, "; %u cannot read now what they hold", r->unread);
    say(r, what);
    if (r->reached > 0 && r->unread == 0 &&
        strcmp(old, r->state) != 0) { /* once for each thing to say, not with every round */
        (void)snprintf(text, sizeof text,
                       "%s; nothing is signed here meanwhile. Bring up the nodes that are away; if all have answered, "
                       "they are lost: "
                       "'tongban ca revoke --code %u --dismiss' (README, Restore)",
                       what, r->config.self);
        replication_alarm(r->replication, 0, "ledger.missing", text);
    }
    loop_timer_set(r->timer, ROUND_AGAIN_MS);
}

static void end_hashing(struct recovery *r)
{
    struct sync_entry entry;
    uint64_t before = r->next;
    while (r->next < r->head.size && find_entry(r, r->next, NULL, &entry)) {
        int rc = crange_append_leaf(&r->range, &entry.hash, NULL);
        xassert(rc == 0);
        buf_put(&r->hashes, entry.hash.b, sizeof entry.hash.b);
        compare_answers(r, r->next, &entry.hash);
        r->next++;
    }
    if (r->next < ledger_behind(r->ledger) || r->head.size < ledger_behind(r->ledger)) {
        if (r->next > before && r->next < r->head.size)
            begin_round(r);
        else
            missing(r);
        return;
    }
    struct merkle_hash root;
    crange_root(&r->range, &root);
    if (!merkle_hash_equal(&root, &r->head.root)) {
        begin_anew(r);
        return;
    }
    tell_liars(r);
    r->phase = PHASE_RESTORING;
    r->next = r->base;
    begin_round(r);
}

/* ---- second pass: into the store ---- */

static void restored(void *ctx, const struct err *e)
{
    struct recovery *r = ctx;
    if (r->closed || e->code != 0 || r->phase != PHASE_RESTORING)
        return; /* the ledger has stopped: its reload begins anew */
    say(r, "");
    if (r->next < r->head.size) {
        begin_round(r);
        return;
    }
    struct err why = {0};
    if (ledger_recovered(r->ledger, &r->head, buf_bytes(&r->note), &why) != 0) { /* it has heard of a longer ledger */
        log_error("ledger", NULL, why.id, "%s", why.message);
        r->phase = PHASE_IDLE;
        loop_timer_set(r->timer, ROUND_AGAIN_MS);
        return;
    }
    log_info("ledger", NULL, "ledger.recovered", "all %llu entries are back; writing again",
             (unsigned long long)r->head.size);
    r->phase = PHASE_IDLE;
    drop_answers(r);
    buf_close(&r->hashes);
    replication_set_recovering(r->replication, false);
}

/* The next entry, as it was hashed in the first pass. */
static bool find_hashed(struct recovery *r, struct sync_entry *ret)
{
    size_t at = (size_t)(r->next - r->base) * CRYPTO_HASH_SIZE;
    return at < r->hashes.size && find_entry(r, r->next, r->hashes.data + at, ret);
}

static void end_restoring(struct recovery *r)
{
    struct sync_entry first;
    if (r->head.size > r->base + r->hashes.size / CRYPTO_HASH_SIZE) { /* somebody showed a newer checkpoint meanwhile */
        start_hashing(r);
        return;
    }
    if (!find_hashed(r, &first)) {
        missing(r);
        return;
    }
    struct ledger_txn *txn = ledger_txn_create(r->ledger);
    struct sync_entry *entries = arena_alloc(ledger_txn_arena(txn), BATCH_LEAVES_MAX * sizeof *entries);
    size_t count = 0;
    while (count < BATCH_LEAVES_MAX && r->next < r->head.size && find_hashed(r, &entries[count])) {
        struct sync_entry *entry = &entries[count];
        if (!has_content(entry)) {
            entry->payload = bytes_of(NULL, 0);
            entry->payload_held =
                entry->leaf.ct_len == 0; /* nothing is nobody's to give; the store knows if it was erased */
        }
        ledger_txn_restore(txn, &entry->leaf, entry->bytes, entry->payload, entry->payload_held);
        count++;
        r->next++;
    }
    r->config.on_restored(r->config.ctx, entries, count, txn);
    ledger_commit(txn, restored, r);
}

static void end_round(struct recovery *r)
{
    if (ledger_check_writable(r->ledger, NULL) == 0 || ledger_behind(r->ledger) == 0) {
        r->phase = PHASE_IDLE; /* stopped meanwhile: the reload begins anew */
        return;
    }
    if (r->reached == 0) {
        say(r, "no other node answers");
        loop_timer_set(r->timer, ROUND_AGAIN_MS);
    } else if (r->phase == PHASE_HASHING) {
        end_hashing(r);
    } else {
        end_restoring(r);
    }
}

static void timer_cb(void *ctx)
{
    struct recovery *r = ctx;
    if (r->closed || ledger_behind(r->ledger) == 0)
        return;
    if (r->phase == PHASE_IDLE || r->base == UINT64_MAX)
        start_hashing(r);
    else if (r->asked == 0)
        begin_round(r);
}

/* ---- life ---- */

struct recovery *recovery_create(const struct recovery_config *config)
{
    struct recovery *r = xcalloc(1, sizeof *r);
    r->config = *config;
    list_init(&r->answers);
    r->timer = loop_timer_create(config->loop, timer_cb, r);
    return r;
}

void recovery_set_parts(struct recovery *r, struct ledger *ledger, struct replication *replication)
{
    r->ledger = ledger;
    r->replication = replication;
}

void recovery_check(struct recovery *r)
{
    if (r->closed)
        return;
    r->generation++;
    r->asked = 0;
    r->phase = PHASE_IDLE;
    bool behind = ledger_behind(r->ledger) > 0;
    replication_set_recovering(r->replication, behind);
    if (!behind)
        return;
    r->phase = PHASE_HASHING;
    r->base = UINT64_MAX;
    r->next = ledger_size(r->ledger);
    say(r, "this is an older copy of the ledger");
    loop_timer_set(r->timer, 0);
}

void recovery_close(struct recovery *r)
{
    r->closed = true;
    loop_timer_cancel(r->timer);
}

void recovery_destroy(struct recovery *r)
{
    if (r == NULL)
        return;
    drop_answers(r);
    buf_close(&r->hashes);
    buf_close(&r->note);
    loop_timer_destroy(r->timer);
    free(r);
}

/* ---- giving back ---- */

struct giving {
    struct arena *arena;
    struct wire_recovered_entry *rows;
    size_t count;
    size_t bytes, bytes_max;
    bool more;
};

static int give_entry(void *ctx, const struct store_entry *entry, struct err *e)
{
    struct giving *g = ctx;
    size_t size = entry->leaf.size + entry->payload.size;
    (void)e;
    if (g->count == BATCH_LEAVES_MAX || (g->count > 0 && g->bytes + size > g->bytes_max)) {
        g->more = true;
        return 1;
    }
    g->bytes += size;
    g->rows[g->count++] = (struct wire_recovered_entry){.leaf = arena_bytes(g->arena, entry->leaf),
                                                        .payload = arena_bytes(g->arena, entry->payload),
                                                        .payload_held = entry->payload_held};
    return 0;
}

void recovery_answer(struct recovery *r, uint32_t peer, uint64_t handle, const struct wire_recover *recover,
                     struct bytes note)
{
    struct arena a = ARENA_INIT;
    struct store_reader *reader = ledger_reader(r->ledger);
    struct giving g = {.arena = &a, .bytes_max = min_of(recover->max_bytes, BATCH_BYTES_MAX)};
    struct err e = {0};
    g.rows = arena_alloc(&a, BATCH_LEAVES_MAX * sizeof *g.rows);
    /* The checkpoint is in memory: whoever is behind hears it although the disk here refuses. */
    struct wire_msg m = {.type = WIRE_RECOVERED};
    m.u.recovered = (struct wire_recovered){.entries = g.rows, .checkpoint = note};
    if (reader == NULL || store_scan_entries(reader, peer, recover->from, give_entry, &g, &e) < 0) {
        m.u.recovered.unavailable = true;
    } else {
        m.u.recovered.entry_count = g.count;
        m.u.recovered.more = g.more;
    }
    replication_answer(r->replication, handle, &m);
    arena_close(&a);
}
