/* The invariants of the ledgers (L1 to L7, D, E), against what the simulator knows of every ledger: the entries as they became durable at
 * their author, a root for each size. Looked at whenever something becomes durable, is signed or leaves a node. */
#include <stdio.h>
#include <string.h>

#include "federation/ledger/policy.h"
#include "federation/wire/wire.h"
#include "node/app_internal.h"
#include "tests/sim/sim.h"

#define FINALS_MAX 512u

struct true_leaf {
    uint8_t hash[32];
    bool is_heads, is_event;
    unsigned to_count;
    uint32_t to[LEAF_RECIPIENTS_MAX];
};

/* A ledger as its author has it. A forker's second copy has its own. */
struct truth {
    struct true_leaf *leaves;
    size_t count, capacity;
    struct merkle_hash *roots; /* [i]: over the first i + 1 leaves */
    size_t root_count, root_capacity;
    struct crange range;
    uint64_t signed_size; /* largest head in heads.db ever: what is below never changes */
    uint64_t last_heads;  /* index + 1 */
};

struct final {
    uint32_t code;
    uint64_t size;
    struct merkle_hash root;
};

/* What slot @follower holds of slot @author's ledger. */
struct follow {
    uint64_t size, confirmed, head;
    uint64_t largest; /* position ever durable */
    uint64_t *hidden; /* indexes given as hashes */
    size_t hidden_count, hidden_capacity;
    bool alarmed;
};

struct cosigned {
    uint64_t size;
    struct merkle_hash root;
};

static struct {
    struct truth truths[SIM_SLOTS_MAX];
    struct follow follows[SIM_SLOTS_MAX][SIM_SLOTS_MAX];
    struct cosigned cosigned[SIM_SLOTS_MAX][SIM_NODES_MAX]; /* [witness][author] */
    struct final finals[FINALS_MAX];
    size_t final_count;
    uint64_t final_sizes[SIM_SLOTS_MAX];
    bool proven[SIM_SLOTS_MAX][SIM_NODES_MAX]; /* evidence against the second is durable at the first */
    uint64_t common_size;                      /* of the forker's copies */
    uint64_t hide_until_ms;
} check;

void check_reset(void)
{
    memset(&check, 0, sizeof check);
    for (unsigned i = 0; i < SIM_SLOTS_MAX; i++)
        crange_init(&check.truths[i].range);
    check_case_reset();
}

static bool root_at(const struct truth *t, uint64_t size, struct merkle_hash *ret)
{
    struct crange none;
    if (size > t->root_count)
        return false;
    crange_init(&none);
    if (size == 0)
        crange_root(&none, ret);
    else
        *ret = t->roots[size - 1];
    return true;
}

/* ---- the author ---- */

static void truth_push(struct truth *t, const struct store_entry *row)
{
    struct leaf leaf;
    struct merkle_hash hash, *root;
    struct true_leaf *to = sim_push((void **)&t->leaves, &t->count, &t->capacity, sizeof *to);
    memcpy(to->hash, row->hash, sizeof to->hash);
    memcpy(hash.b, row->hash, sizeof hash.b);
    if (leaf_decode(row->leaf, &leaf, NULL) != 0) {
        sim_violation("X", "an own entry does not decode");
        return;
    }
    to->is_heads = leaf.kind == LEAF_KIND_HEADS;
    to->is_event = !to->is_heads;
    for (unsigned i = 0; i < leaf.recipient_count; i++)
        to->to[to->to_count++] = leaf.recipients[i].node;
    if (to->is_heads)
        t->last_heads = t->count;
    int rc = crange_append_leaf(&t->range, &hash, NULL);
    xassert(rc == 0);
    root = sim_push((void **)&t->roots, &t->root_count, &t->root_capacity, sizeof *root);
    crange_root(&t->range, root);
}

/* Entries that were written but never signed over may be gone after a restore. */
static void truth_cut(struct truth *t, uint64_t size)
{
    t->count = t->root_count = size;
    crange_init(&t->range);
    t->last_heads = 0;
    for (size_t i = 0; i < size; i++) {
        struct merkle_hash hash;
        memcpy(hash.b, t->leaves[i].hash, sizeof hash.b);
        int rc = crange_append_leaf(&t->range, &hash, NULL);
        xassert(rc == 0);
        if (t->leaves[i].is_heads)
            t->last_heads = i + 1;
    }
}

static void own_entry(struct sim_node *n, const struct store_entry *row)
{
    struct truth *t = &check.truths[n->slot];
    if (row->index < t->count && memcmp(t->leaves[row->index].hash, row->hash, 32) == 0)
        return;
    if (row->index < t->signed_size) {
        sim_violation("L2", "%s: entry %llu was signed over and is now another one", sim_name(n),
                      (unsigned long long)row->index);
        return;
    }
    if (row->index < t->count)
        truth_cut(t, row->index);
    if (row->index > t->count) {
        sim_violation("L6", "%s: entry %llu is durable, %llu is not", sim_name(n), (unsigned long long)row->index,
                      (unsigned long long)t->count);
        return;
    }
    truth_push(t, row);
}

void check_swap(struct sim_node *n, const struct store_head *head)
{
    struct truth *t = &check.truths[n->slot];
    struct merkle_hash root;
    if (head->size < t->signed_size && !n->heads_lost)
        sim_violation("L2", "%s: the signed head went back from %llu to %llu", sim_name(n),
                      (unsigned long long)t->signed_size, (unsigned long long)head->size);
    if (!root_at(t, head->size, &root))
        sim_violation("D", "%s signs %llu entries, %llu are durable", sim_name(n), (unsigned long long)head->size,
                      (unsigned long long)t->count);
    else if (memcmp(root.b, head->root, 32) != 0)
        sim_violation("L2", "%s signs another root for size %llu than its entries have", sim_name(n),
                      (unsigned long long)head->size);
    t->signed_size = max_of(t->signed_size, head->size);
}

bool check_is_head_lost(const struct sim_node *n)
{
    return disk_head(n->disk)->size < check.truths[n->slot].signed_size;
}

void check_forked(struct sim_node *author)
{
    struct truth *from = &check.truths[author->slot], *to = &check.truths[the_sim.slot_count - 1];
    const struct store_entry *rows;
    size_t count = disk_entries(author->disk, author->code, &rows);
    for (size_t i = 0; i < count; i++)
        truth_push(to, &rows[i]);
    to->signed_size = from->signed_size;
    for (unsigned i = 0; i < SIM_SLOTS_MAX; i++) { /* whoever knew the first copy goes on with either */
        check.follows[the_sim.slot_count - 1][i] = check.follows[author->slot][i];
        check.follows[i][the_sim.slot_count - 1] = check.follows[i][author->slot];
    }
    memcpy(check.proven[the_sim.slot_count - 1], check.proven[author->slot], sizeof check.proven[0]);
}

/* ---- followers ---- */

static bool is_for(const struct true_leaf *l, uint32_t code)
{
    for (unsigned i = 0; i < l->to_count; i++)
        if (l->to[i] == code || l->to[i] == LEAF_NODE_ALL)
            return true;
    return false;
}

void check_hidden(struct sim_node *author, unsigned follower, uint64_t index)
{
    struct follow *f = &check.follows[follower][author->slot];
    for (size_t i = 0; i < f->hidden_count; i++)
        if (f->hidden[i] == index)
            return;
    uint64_t *slot = sim_push((void **)&f->hidden, &f->hidden_count, &f->hidden_capacity, sizeof *slot);
    *slot = index;
    the_sim.counts.withheld++;
}

static bool is_hidden(const struct follow *f, uint64_t index)
{
    for (size_t i = 0; i < f->hidden_count; i++)
        if (f->hidden[i] == index)
            return true;
    return false;
}

/* L1, L5: everything addressed below the position is held, unless the author hid it; nothing hidden is below what a heads entry
 * confirmed. */
static void check_held(const struct sim_node *n, const struct sim_node *author, uint64_t from, uint64_t to,
                       uint64_t confirmed)
{
    const struct truth *t = &check.truths[author->slot];
    const struct follow *f = &check.follows[n->slot][author->slot];
    for (uint64_t i = from; i < to && i < t->count; i++) {
        if (!is_for(&t->leaves[i], n->code))
            continue;
        const struct store_entry *row = disk_entry(n->disk, author->code, i);
        if (row == NULL && is_hidden(f, i)) {
            if (i < confirmed)
                sim_violation("L5",
                              "%s holds the ledger of %s confirmed up to %llu without entry %llu, which was left out",
                              sim_name(n), sim_name(author), (unsigned long long)confirmed, (unsigned long long)i);
        } else if (row == NULL) {
            sim_violation("L1", "%s is at %llu of %s and does not hold entry %llu, which is for it", sim_name(n),
                          (unsigned long long)to, sim_name(author), (unsigned long long)i);
        } else if (memcmp(row->hash, t->leaves[i].hash, 32) != 0) {
            sim_violation("L1", "%s holds another entry %llu of %s than it wrote", sim_name(n), (unsigned long long)i,
                          sim_name(author));
        }
    }
}

/* Of a forker's copies the one whose ledger begins as @range says; else the one the follower talks with. */
static const struct sim_node *author_of(const struct sim_node *n, uint32_t code, const struct crange *range)
{
    unsigned routed = net_route(n->slot, code);
    struct merkle_hash root, want;
    crange_root(range, &root);
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < the_sim.slot_count; i++)
            if (the_sim.nodes[i].code == code && (pass == 1 || i == routed) &&
                root_at(&check.truths[i], range->size, &want) && merkle_hash_equal(&root, &want))
                return &the_sim.nodes[i];
    return &the_sim.nodes[routed];
}

/* How far @n has ever been in the ledger of @code, whichever copy it was of. */
static uint64_t largest_of(const struct sim_node *n, uint32_t code)
{
    uint64_t largest = 0;
    for (unsigned i = 0; i < the_sim.slot_count; i++)
        if (the_sim.nodes[i].code == code)
            largest = max_of(largest, check.follows[n->slot][i].largest);
    return largest;
}

static void replica_row(struct sim_node *n, const struct store_replica *row)
{
    struct follow *f;
    const struct truth *t;
    struct crange range, confirmed;
    struct merkle_hash root, want;
    crange_init(&confirmed);
    if (crange_decode(row->frontier, &range, NULL) != 0 ||
        (row->confirmed.size > 0 && crange_decode(row->confirmed, &confirmed, NULL) != 0)) {
        sim_violation("L6", "%s: a stored position does not decode", sim_name(n));
        return;
    }
    const struct sim_node *author = author_of(n, row->origin, &range);
    f = &check.follows[n->slot][author->slot];
    t = &check.truths[author->slot];
    the_sim.counts.batches++;
    the_sim.counts.heads_checked += confirmed.size > f->confirmed;
    crange_root(&range, &root);
    if (!root_at(t, range.size, &want) || !merkle_hash_equal(&root, &want))
        sim_violation("L1", "%s holds %llu entries of %s that are not its first ones", sim_name(n),
                      (unsigned long long)range.size, sim_name(author));
    if (row->note_size < f->head || confirmed.size < f->confirmed || range.size < confirmed.size)
        sim_violation("L2", "%s: what it holds of %s went back: head %llu after %llu, confirmed %llu after %llu",
                      sim_name(n), sim_name(author), (unsigned long long)row->note_size, (unsigned long long)f->head,
                      (unsigned long long)confirmed.size, (unsigned long long)f->confirmed);
    if (check.proven[n->slot][sim_by_code(row->origin)->slot] && range.size > largest_of(n, row->origin))
        sim_violation("E", "%s holds evidence against %s and follows it on to %llu", sim_name(n), sim_name(author),
                      (unsigned long long)range.size);
    check_held(n, author, author->is_omitter ? f->confirmed : min_of(f->size, range.size), range.size, confirmed.size);
    f->size = range.size;
    f->largest = max_of(f->largest, range.size);
    f->confirmed = confirmed.size;
    f->head = row->note_size;
}

uint64_t check_unseen(const struct sim_node *n)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < the_sim.options.node_count; i++) {
        const struct sim_node *other = &the_sim.nodes[i];
        const struct store_replica *row = disk_replica(other->disk, n->code);
        const struct store_witness *kept = disk_witness(other->disk, n->signer.key.name);
        if (other != n && other->started)
            seen = max_of(seen, max_of(row == NULL ? 0 : row->note_size, kept == NULL ? 0 : kept->size));
    }
    return check.truths[n->slot].signed_size - min_of(seen, check.truths[n->slot].signed_size);
}

void check_restored(struct sim_node *n)
{
    memset(check.proven[n->slot], 0, sizeof check.proven[n->slot]);
    check_case_restored(n);
    for (unsigned i = 0; i < the_sim.slot_count; i++) {
        struct follow *f = &check.follows[n->slot][i];
        const struct store_replica *row = disk_replica(n->disk, the_sim.nodes[i].code);
        struct crange confirmed;
        f->size = f->confirmed = f->head = 0;
        if (row == NULL || net_route(n->slot, row->origin) != i)
            continue;
        f->size = row->size;
        f->head = row->note_size;
        if (row->confirmed.size > 0 && crange_decode(row->confirmed, &confirmed, NULL) == 0)
            f->confirmed = confirmed.size;
    }
}

void check_alarm(struct sim_node *n, uint32_t about, const char *id)
{
    if (about == 0 || (strcmp(id, "ledger.withheld") != 0 && strcmp(id, "ledger.omission") != 0))
        return;
    unsigned slot = net_route(n->slot, about);
    if (slot == SIM_NONE)
        return;
    check.follows[n->slot][slot].alarmed = true;
    if (!the_sim.nodes[slot].is_omitter && !the_sim.nodes[slot].is_byzantine)
        sim_violation("L5", "%s raises %s about %s, which left nothing out", sim_name(n), id,
                      sim_name(&the_sim.nodes[slot]));
}

/* ---- signatures ---- */

/* "<origin>\n<size>\n<root>\n" at the beginning of @text, of one of the members' ledgers. */
static bool parse_head(struct bytes text, uint32_t *ret_code, uint64_t *ret_size, struct merkle_hash *ret_root)
{
    struct reader r = reader_of(text);
    struct bytes origin = read_until_newline(&r), size = read_until_newline(&r), root = read_until_newline(&r);
    size_t got = 0;
    uint64_t code = 0;
    if (r.failed || origin.size < 6 || decimal_parse(bytes_of(origin.data, 6), &code) != 0 ||
        decimal_parse(size, ret_size) != 0 ||
        base64_decode((const char *)root.data, root.size, ret_root->b, 32, &got) != 0 || got != 32)
        return false;
    *ret_code = (uint32_t)code;
    return true;
}

/* Whether one ledger of @code has both heads; with @second NULL: whether one has the first. */
static bool is_one_history(uint32_t code, uint64_t size, const struct merkle_hash *root, uint64_t second_size,
                           const struct merkle_hash *second)
{
    for (unsigned i = 0; i < the_sim.slot_count; i++) {
        struct merkle_hash a, b;
        if (the_sim.nodes[i].code == code && root_at(&check.truths[i], size, &a) && merkle_hash_equal(&a, root) &&
            (second == NULL || (root_at(&check.truths[i], second_size, &b) && merkle_hash_equal(&b, second))))
            return true;
    }
    return false;
}

/* L3: what is cosigned is durable, is not smaller than before and continues it. */
static void cosigning(struct sim_node *n, uint32_t code, uint64_t size, const struct merkle_hash *root)
{
    const struct sim_node *author = sim_by_code(code);
    if (author == NULL || n->is_byzantine || n->heads_lost)
        return;
    struct cosigned *last = &check.cosigned[n->slot][author->slot];
    const struct store_witness *kept = disk_witness(n->disk, author->signer.key.name);
    the_sim.counts.cosigned++;
    if (kept == NULL || kept->size != size || memcmp(kept->root, root->b, 32) != 0)
        sim_violation("L3", "%s cosigns size %llu of %u, which is not what it keeps (%llu)", sim_name(n),
                      (unsigned long long)size, code, (unsigned long long)(kept == NULL ? 0 : kept->size));
    if (size < last->size)
        sim_violation("L3", "%s cosigns size %llu of %u after %llu", sim_name(n), (unsigned long long)size, code,
                      (unsigned long long)last->size);
    if (last->size > 0 && !is_one_history(code, size, root, last->size, &last->root))
        sim_violation("L3", "%s cosigns size %llu of %u, which does not continue the %llu it cosigned before",
                      sim_name(n), (unsigned long long)size, code, (unsigned long long)last->size);
    *last = (struct cosigned){.size = size, .root = *root};
}

void check_signed(uint32_t code, bool is_witness, struct bytes message)
{
    struct merkle_hash root;
    uint32_t author;
    uint64_t size;
    struct reader r = reader_of(message);
    (void)code;
    if (!is_witness || the_sim.current == NULL)
        return; /* a ledger's own signature counts when it leaves the node: check_message() */
    (void)read_until_newline(&r);
    (void)read_until_newline(&r);
    struct bytes text = read_bytes(&r, reader_left(&r));
    if (parse_head(text, &author, &size, &root))
        cosigning(the_sim.current, author, size, &root);
}

void check_witness(struct sim_node *n, const struct store_witness *w)
{
    if (!n->is_byzantine && w->size < w->old_size)
        sim_violation("L3", "%s: what it keeps of %s went back from %llu to %llu", sim_name(n), w->origin,
                      (unsigned long long)w->old_size, (unsigned long long)w->size);
}

/* L4: two heads of one ledger that both have a quorum are of one history. */
static void note_row(struct sim_node *n, const struct store_note *row)
{
    struct final f = {0};
    if (strcmp(row->name, "cosigned") != 0 || !parse_head(row->note, &f.code, &f.size, &f.root))
        return;
    the_sim.counts.finals++;
    check.final_sizes[n->slot] = max_of(check.final_sizes[n->slot], f.size);
    for (size_t i = 0; i < check.final_count; i++) {
        const struct final *g = &check.finals[i];
        if (g->code == f.code && !is_one_history(f.code, f.size, &f.root, g->size, &g->root))
            sim_violation("L4", "two heads of %u with a quorum contradict each other: sizes %llu and %llu", f.code,
                          (unsigned long long)f.size, (unsigned long long)g->size);
    }
    if (check.final_count < FINALS_MAX)
        check.finals[check.final_count++] = f;
}

/* ---- durable before said ---- */

static void own_head_leaves(struct sim_node *n, struct bytes text)
{
    uint32_t code;
    uint64_t size;
    struct merkle_hash root, want;
    if (!parse_head(text, &code, &size, &root) || code != n->code || n->is_forker)
        return; /* a forker gives back the evidence against it, too */
    if (size > disk_head(n->disk)->size)
        sim_violation("D", "%s shows a signed head of %llu entries; heads.db has %llu", sim_name(n),
                      (unsigned long long)size, (unsigned long long)disk_head(n->disk)->size);
    else if (!root_at(&check.truths[n->slot], size, &want) || !merkle_hash_equal(&want, &root))
        sim_violation("L2", "%s shows a signed head of %llu entries that is not its own", sim_name(n),
                      (unsigned long long)size);
}

static void own_pull(struct sim_node *n, struct bytes message)
{
    struct arena a = ARENA_INIT;
    struct wire_msg m;
    if (wire_decode(message, &a, &m, NULL) == 0 && m.type == WIRE_PULL) {
        const struct store_replica *row = disk_replica(n->disk, m.u.pull.origin);
        the_sim.counts.pulls_ahead += m.u.pull.start > m.u.pull.from;
        if (m.u.pull.from > (row == NULL ? 0 : row->size))
            sim_violation("D", "%s says it holds %llu entries of %u; durable are %llu", sim_name(n),
                          (unsigned long long)m.u.pull.from, m.u.pull.origin,
                          (unsigned long long)(row == NULL ? 0 : row->size));
    }
    arena_close(&a);
}

void check_message(struct sim_node *from, struct bytes message)
{
    const char *name = from->signer.key.name;
    size_t size = strlen(name);
    const uint8_t *at = message.data, *end = message.data + message.size;
    if (message.size > 0 && message.data[0] == (WIRE_PULL << 3 | 2))
        own_pull(from, message);
    while (at < end && (at = memmem(at, (size_t)(end - at), name, size)) != NULL) {
        if (at + size < end && at[size] == '\n')
            own_head_leaves(from, bytes_of(at, (size_t)(end - at)));
        at += size;
    }
}

void check_acked(struct sim_node *at, uint64_t first, uint32_t count)
{
    uint64_t sealed = disk_head(at->disk)->size;
    for (uint32_t i = 0; i < count; i++)
        if (disk_entry(at->disk, at->code, first + i) == NULL || first + i >= sealed)
            sim_violation("D", "%s says that entry %llu is durable: %llu are, %llu sealed", sim_name(at),
                          (unsigned long long)(first + i), (unsigned long long)check.truths[at->slot].count,
                          (unsigned long long)sealed);
}

static void ack_row(struct sim_node *n, const struct store_ack *row)
{
    const struct sim_node *peer = &the_sim.nodes[net_route(n->slot, row->peer)];
    uint64_t held = check.follows[peer->slot][n->slot].largest;
    if (n->is_forker || peer->is_forker)
        return; /* two of them: nobody can say which one holds what */
    if (row->size > held)
        sim_violation("D", "%s believes that %s durably holds %llu of its entries; it holds %llu", sim_name(n),
                      sim_name(peer), (unsigned long long)row->size, (unsigned long long)held);
}

/* ---- evidence ---- */

/* Up to where the forker's copies are one ledger. (A copy may take back from others what the other one wrote.) */
static uint64_t common_size(void)
{
    const struct truth *b = &check.truths[the_sim.slot_count - 1];
    const struct truth *a = &check.truths[sim_by_code(the_sim.nodes[the_sim.slot_count - 1].code)->slot];
    uint64_t at = 0;
    while (at < a->count && at < b->count && memcmp(a->leaves[at].hash, b->leaves[at].hash, 32) == 0)
        at++;
    return at;
}

/* E: nobody is accused who signed one history, and the common part is not said to be longer than it is. */
static void evidence_row(const struct sim_node *n, const struct store_evidence *row)
{
    const struct sim_node *accused = sim_by_code(row->accused);
    if (accused == NULL || !accused->is_forker)
        sim_violation("E", "%s holds evidence against %u, which signed one history only", sim_name(n), row->accused);
    else if (row->common_size > common_size())
        sim_violation("E", "%s: the histories of %u are said to agree up to %llu; they part at %llu", sim_name(n),
                      row->accused, (unsigned long long)row->common_size, (unsigned long long)common_size());
    else
        check.proven[n->slot][accused->slot] = true;
}

/* ---- a commit ---- */

void check_commit(struct sim_node *n, const struct store_batch *b)
{
    for (size_t i = 0; i < b->entry_count; i++)
        if (b->entries[i].origin == n->code)
            own_entry(n, &b->entries[i]);
    for (size_t i = 0; i < b->replica_count; i++)
        replica_row(n, &b->replicas[i]);
    for (size_t i = 0; i < b->ack_count; i++)
        ack_row(n, &b->acks[i]);
    for (size_t i = 0; i < b->note_count; i++)
        note_row(n, &b->notes[i]);
    for (size_t i = 0; i < b->evidence_count; i++)
        evidence_row(n, &b->evidences[i]);
    check_case_commit(n, b);
}

/* ---- a start ---- */

void check_started(struct sim_node *n)
{
    uint64_t behind = ledger_behind(n->engine.ledger), size = ledger_size(n->engine.ledger);
    const struct store_entry *rows;
    if (behind == 0 && ledger_check_writable(n->engine.ledger, NULL) != 0)
        return; /* its disk refused meanwhile */
    if (behind == 0 && size != disk_entries(n->disk, n->code, &rows))
        sim_violation("L6", "%s works with %llu own entries, %zu are durable", sim_name(n), (unsigned long long)size,
                      disk_entries(n->disk, n->code, &rows));
    if (behind == 0 && size < disk_head(n->disk)->size)
        sim_violation("L2", "%s holds %llu own entries, has signed %llu, and does not notice", sim_name(n),
                      (unsigned long long)size, (unsigned long long)disk_head(n->disk)->size);
    for (unsigned i = 0; i < the_sim.options.node_count; i++) {
        struct replication_peer view;
        const struct store_replica *row = disk_replica(n->disk, the_sim.nodes[i].code);
        if (replication_peer(n->engine.replication, the_sim.nodes[i].code, &view) && row != NULL &&
            view.held_size < row->size)
            sim_violation("L6", "%s starts at %llu of %u, durable are %llu", sim_name(n),
                          (unsigned long long)view.held_size, the_sim.nodes[i].code, (unsigned long long)row->size);
    }
    check_case_rows(n);
}

/* ---- coming to rest ---- */

static bool is_live(const struct sim_node *n)
{
    return n->used && !n->dead && !n->is_forker;
}

/* Entries of its own that no living node holds: it says so and writes nothing, for ever. */
static bool is_lost_for_good(const struct sim_node *n)
{
    const struct truth *t = &check.truths[n->slot];
    const struct store_entry *rows;
    for (uint64_t i = disk_entries(n->disk, n->code, &rows); i < t->signed_size; i++) {
        bool held = false;
        for (unsigned k = 0; k < the_sim.options.node_count; k++)
            held = held || (is_live(&the_sim.nodes[k]) && disk_entry(the_sim.nodes[k].disk, n->code, i) != NULL);
        if (!held)
            return true;
    }
    return false;
}

static uint64_t addressed_end(const struct truth *t, uint32_t code)
{
    for (size_t i = min_of(t->count, (size_t)t->signed_size); i > 0; i--)
        if (is_for(&t->leaves[i - 1], code) || t->leaves[i - 1].is_heads)
            return i;
    return 0;
}

static char final_text[256];

static bool waits(const char *what, const struct sim_node *n, const struct sim_node *about, uint64_t is, uint64_t want)
{
    (void)snprintf(final_text, sizeof final_text, "%s: %s of %s: %llu, wanted %llu", sim_name(n), what, sim_name(about),
                   (unsigned long long)is, (unsigned long long)want);
    return false;
}

static bool has_evidence(const struct sim_node *n, uint32_t accused, uint64_t *ret_common)
{
    const struct store_evidence *rows;
    size_t count = disk_evidence(n->disk, &rows);
    bool found = false;
    *ret_common = UINT64_MAX;
    for (size_t i = 0; i < count; i++)
        if (rows[i].accused == accused) {
            *ret_common = min_of(*ret_common, rows[i].common_size);
            found = true;
        }
    return found;
}

/* Whether heads of @a and @b leaves of ledgers that are the same below @common show that they differ: a perfect subtree that both
 * have holds more than that (federation/ledger/evidence.h). */
static bool contradict(uint64_t a, uint64_t b, uint64_t common)
{
    struct crange_part x[CRANGE_PARTS_MAX], y[CRANGE_PARTS_MAX];
    unsigned count_x = crange_decompose(0, a, x), count_y = crange_decompose(0, b, y);
    for (unsigned i = 0; i < count_x; i++)
        for (unsigned k = 0; k < count_y; k++)
            if (x[i].level == y[k].level && x[i].index == y[k].index && (x[i].index + 1) << x[i].level > common)
                return true;
    return false;
}

/* Of two heads that living nodes hold now, one of each copy, it can be seen. (Sizes that share no subtree prove nothing: then people are
 * told, by ledger.conflict, and nobody is frozen.) */
static bool fork_shows(void)
{
    uint64_t heads[2][SIM_NODES_MAX];
    size_t counts[2] = {0};
    unsigned second = the_sim.slot_count - 1;
    uint64_t common = common_size();
    for (unsigned i = 0; i < the_sim.options.node_count; i++) {
        const struct store_replica *row = disk_replica(the_sim.nodes[i].disk, the_sim.nodes[second].code);
        uint32_t code;
        uint64_t size;
        struct merkle_hash root, want;
        if (row == NULL || !is_live(&the_sim.nodes[i]) || !parse_head(row->note, &code, &size, &root))
            continue;
        bool is_second = root_at(&check.truths[second], size, &want) && merkle_hash_equal(&want, &root);
        if (size > common)
            heads[is_second][counts[is_second]++] = size;
    }
    for (size_t i = 0; i < counts[0]; i++)
        for (size_t k = 0; k < counts[1]; k++)
            if (contradict(heads[0][i], heads[1][k], common))
                return true;
    return false;
}

static bool pair_is_final(const struct sim_node *n, const struct sim_node *author)
{
    const struct truth *t = &check.truths[author->slot];
    const struct follow *f = &check.follows[n->slot][author->slot];
    uint64_t end = addressed_end(t, n->code);
    if (f->size < end)
        return waits("position", n, author, f->size, end);
    for (size_t i = 0; i < f->hidden_count; i++)
        if (disk_entry(n->disk, author->code, f->hidden[i]) == NULL)
            return waits("hidden entry", n, author, 0, f->hidden[i]);
    return true;
}

static bool node_is_final(const struct sim_node *n, size_t witnesses)
{
    const struct truth *t = &check.truths[n->slot];
    size_t needed = policy_safe_quorum(the_sim.options.node_count - 1);
    uint64_t events = 0;
    if (!n->started)
        return waits("start", n, n, 0, 1);
    if (disk_head(n->disk)->size < t->count || ledger_behind(n->engine.ledger) > 0)
        return waits("own entries signed", n, n, disk_head(n->disk)->size, t->count);
    for (size_t i = t->count; i > 0 && events == 0; i--)
        events = t->leaves[i - 1].is_heads ? 0 : i;
    if (needed > 0 && witnesses >= needed && check.final_sizes[n->slot] < events)
        return waits("cosigned size", n, n, check.final_sizes[n->slot], events);
    return true;
}

/* L5 as far as it is an alarm: whoever was given a hash for an entry has said so, once it saw a later heads entry. */
static bool omissions_are_told(void)
{
    for (unsigned f = 0; f < the_sim.options.node_count; f++)
        for (unsigned a = 0; a < the_sim.options.node_count; a++) {
            const struct follow *follow = &check.follows[f][a];
            if (follow->hidden_count > 0 && !follow->alarmed && is_live(&the_sim.nodes[f]) &&
                is_live(&the_sim.nodes[a]) && !is_lost_for_good(&the_sim.nodes[f]) &&
                !is_lost_for_good(&the_sim.nodes[a]) && !pair_is_final(&the_sim.nodes[f], &the_sim.nodes[a]))
                return false;
        }
    return true;
}

static bool omitters_have_stopped(void)
{
    bool hides = false;
    for (unsigned i = 0; i < the_sim.slot_count; i++)
        hides = hides || (the_sim.nodes[i].hides && the_sim.nodes[i].is_omitter && !the_sim.nodes[i].dead);
    if (!hides)
        return true;
    if (check.hide_until_ms == 0)
        check.hide_until_ms = the_sim.now_ms + 60000;
    if (the_sim.now_ms < check.hide_until_ms && (the_sim.now_ms + 45000 < check.hide_until_ms || !omissions_are_told()))
        return false;
    if (!omissions_are_told())
        sim_violation("L5", "an entry was left out, a minute passed, and nobody said so");
    for (unsigned i = 0; i < the_sim.slot_count; i++)
        the_sim.nodes[i].hides = false;
    sim_trace("the omitter gives what it kept back");
    return true;
}

static bool forker_is_frozen(void)
{
    const struct sim_node *last = &the_sim.nodes[the_sim.slot_count - 1];
    if (!last->is_forker || !fork_shows())
        return true;
    for (unsigned i = 0; i < the_sim.options.node_count; i++) {
        uint64_t common;
        if (is_live(&the_sim.nodes[i]) && !is_lost_for_good(&the_sim.nodes[i]) &&
            !has_evidence(&the_sim.nodes[i], last->code, &common))
            return waits("evidence", &the_sim.nodes[i], last, 0, 1);
    }
    return true;
}

bool check_is_final(const char **ret_what)
{
    size_t witnesses = 0;
    bool is_final = true;
    *ret_what = final_text;
    (void)snprintf(final_text, sizeof final_text, "an omitter still hides");
    if (!omitters_have_stopped())
        return false;
    for (unsigned i = 0; i < the_sim.options.node_count; i++)
        witnesses +=
            is_live(&the_sim.nodes[i]) && !the_sim.nodes[i].is_byzantine && !is_lost_for_good(&the_sim.nodes[i]);
    witnesses -= witnesses > 0; /* nobody is its own */
    for (unsigned i = 0; is_final && i < the_sim.options.node_count; i++) {
        const struct sim_node *n = &the_sim.nodes[i];
        if (!is_live(n) || is_lost_for_good(n))
            continue;
        is_final = node_is_final(n, witnesses);
        for (unsigned k = 0; is_final && k < the_sim.options.node_count; k++)
            if (k != i && is_live(&the_sim.nodes[k]) && !is_lost_for_good(&the_sim.nodes[k]))
                is_final = pair_is_final(n, &the_sim.nodes[k]);
    }
    return is_final && forker_is_frozen();
}

/* E: a fork that showed is proven everywhere, from no later than where it began. */
static void check_evidence_end(void)
{
    for (unsigned i = 0; i < the_sim.options.node_count; i++) {
        const struct store_evidence *rows;
        const struct sim_node *n = &the_sim.nodes[i];
        size_t count = disk_evidence(n->disk, &rows);
        for (size_t k = 0; k < count; k++)
            evidence_row(n, &rows[k]);
        the_sim.counts.frozen += count > 0;
    }
}

void check_end(void)
{
    check_evidence_end();
    for (unsigned i = 0; i < the_sim.options.node_count; i++) {
        struct sim_node *n = &the_sim.nodes[i];
        for (unsigned k = 0; k < the_sim.options.node_count; k++)
            if (i != k && is_live(n) && is_live(&the_sim.nodes[k]))
                check_held(n, &the_sim.nodes[k], 0, check.follows[i][k].size, check.follows[i][k].confirmed);
    }
    work_end();
    check_case_end();
}
