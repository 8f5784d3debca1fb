/* Answering CASE_PULL: what this node holds of a case, with proofs, for a node that takes part in it later than others.
 *
 * Happy path: may the asker have it? -> the case's entries by author and index behind the place it names -> an own entry is
 * proven by the own tree, a peer's by what was kept of its batch (ledger/cover.h) or came with it -> CASE_ENTRIES.
 * Failure modes: no part in the case -> 403; not held here -> 404; an entry whose proof is not kept is left out: its author, or
 * another participant, has it.
 *
 * Loop thread only.
 */
#include <stdlib.h>
#include <string.h>

#include "federation/ledger/cover.h"
#include "node/app_internal.h"
#include "node/base/xassert.h"
#include "node/cases/rules.h"

#define COVERS_TRIED 8u /* more than one only where a follower went back */

struct answering {
    struct app *a;
    uint32_t peer;
    bool with_content;
    struct arena *mem;
    struct wire_proven_entry *entries;
    struct bytes *checkpoints;
    size_t entry_count, checkpoint_count;
    size_t bytes, bytes_max;
    bool more, skipped_unsealed;
};

/* ---- proofs ---- */

static int prove_own(struct answering *x, const struct store_entry *entry, struct merkle_proof *ret,
                     struct bytes *ret_note, struct err *e)
{
    const struct ledger_head *head = ledger_head(x->a->ledger);
    int rc = ledger_check_shown(x->a->ledger, e); /* the store can be read while the ledger is stopped */
    if (rc != 0)
        return rc;
    struct merkle_source source = ledger_source(x->a->ledger);
    *ret_note = head->note;
    return merkle_prove_inclusion(&source, entry->index, head->size, ret, e);
}

static int prove_by_cover(struct answering *x, const struct store_entry *entry, struct merkle_proof *ret,
                          struct bytes *ret_note, struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct store_cover *covers;
    struct merkle_hash leaf;
    size_t count = 0;
    memcpy(leaf.b, entry->hash, sizeof leaf.b);
    int rc = store_read_covers(ledger_reader(x->a->ledger), entry->origin, entry->index, COVERS_TRIED, &mem, &covers,
                               &count, e);
    bool found = false;
    for (size_t i = 0; rc == 0 && !found && i < count; i++) {
        struct err why = {0};
        found = cover_prove(covers[i].parts, covers[i].size, entry->index, &leaf, ret, &why) == 0;
        if (found)
            *ret_note = arena_bytes(x->mem, covers[i].note);
    }
    arena_close(&mem);
    if (rc == 0 && !found)
        rc = err_set(e, ERR_NOT_FOUND, "ledger.no-kept-proof", "no proof of entry %llu of node %u is kept",
                     (unsigned long long)entry->index, entry->origin);
    return rc;
}

static int prove_peers(struct answering *x, const struct store_entry *entry, struct merkle_proof *ret,
                       struct bytes *ret_note, struct err *e)
{
    struct store_proof kept;
    int rc = store_read_proof(ledger_reader(x->a->ledger), entry->origin, entry->index, x->mem, &kept, e);
    if (rc != ERR_NOT_FOUND) {
        if (rc == 0) {
            ret->count = (uint32_t)(kept.hashes.size / MERKLE_HASH_SIZE);
            memcpy(ret->hash, kept.hashes.data, kept.hashes.size);
            *ret_note = kept.note;
        }
        return rc;
    }
    return prove_by_cover(x, entry, ret, ret_note, e);
}

/* ---- collecting ---- */

static uint32_t checkpoint_place(struct answering *x, struct bytes note)
{
    for (size_t i = x->checkpoint_count; i-- > 0;)
        if (bytes_equal(x->checkpoints[i], note))
            return (uint32_t)i;
    x->checkpoints[x->checkpoint_count] = arena_bytes(x->mem, note);
    x->bytes += note.size;
    return (uint32_t)x->checkpoint_count++;
}

/* store_scan_case(): 1 when no more fits. */
static int take(void *ctx, const struct store_entry *entry, struct err *e)
{
    struct answering *x = ctx;
    struct merkle_proof proof;
    struct bytes note;
    bool own = entry->origin == x->a->config->region;
    if (own && entry->index >= ledger_head(x->a->ledger)->size) {
        x->skipped_unsealed = true; /* nobody has heard of it yet */
        return 0;
    }
    struct err why = {0};
    int rc = own ? prove_own(x, entry, &proof, &note, &why) : prove_peers(x, entry, &proof, &note, &why);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc != 0) {
        *e = why;
        return rc;
    }
    struct leaf leaf;
    rc = leaf_decode(entry->leaf, &leaf, e);
    if (rc != 0)
        return rc;
    bool with_payload = x->with_content && entry->payload_held && entry->payload.size > 0;
    size_t bytes = entry->leaf.size + (with_payload ? entry->payload.size : 0) + proof.count * 34u + 32;
    if (x->entry_count == WIRE_CASE_ENTRIES_MAX || (x->entry_count > 0 && x->bytes + bytes > x->bytes_max)) {
        x->more = true;
        return 1;
    }
    struct merkle_hash *hashes = arena_alloc(x->mem, (proof.count + 1) * sizeof *hashes);
    memcpy(hashes, proof.hash, proof.count * sizeof *hashes);
    struct wire_proven_entry *out = &x->entries[x->entry_count++];
    *out = (struct wire_proven_entry){.leaf = arena_bytes(x->mem, entry->leaf),
                                      .payload_held = with_payload || leaf.ct_len == 0,
                                      .checkpoint = checkpoint_place(x, note),
                                      .proof = hashes,
                                      .proof_count = proof.count};
    if (with_payload)
        out->payload = arena_bytes(x->mem, entry->payload);
    x->bytes += bytes;
    return 0;
}

/* The next author on the case behind @after, 0 = none. */
static uint32_t next_author(struct casefile *file, uint32_t after)
{
    const struct case_effect *effects;
    size_t count = casefile_effects(file, &effects);
    uint32_t next = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t origin = effects[i].event->origin;
        if (origin > after && (next == 0 || origin < next))
            next = origin;
    }
    return next;
}

static int collect(struct answering *x, struct casefile *file, const struct wire_case_pull *pull, struct err *e)
{
    uint32_t author = pull->after_node != 0 ? pull->after_node : next_author(file, 0);
    uint64_t from = pull->after_node != 0 ? pull->after_index + 1 : 0;
    int rc = 0;
    for (; rc == 0 && author != 0; author = next_author(file, author), from = 0)
        rc = store_scan_case(ledger_reader(x->a->ledger), pull->case_id, author, from, take, x, e);
    return rc < 0 ? rc : 0;
}

/* Whether the entry that names the asker is durable here, and with it everything that was written before it arrived: what comes
 * later is addressed to the asker. */
static bool knows(struct answering *x, struct casefile *file, const struct wire_case_pull *pull)
{
    const struct case_effect *effects;
    size_t count = casefile_effects(file, &effects);
    struct store_entry entry;
    if (!pull->has_naming)
        return true;
    for (size_t i = 0; i < count; i++) {
        const struct case_held *h = effects[i].event;
        if (memcmp(h->id, pull->naming.b, sizeof h->id) != 0)
            continue;
        return store_read_entry(ledger_reader(x->a->ledger), h->origin, h->index, x->mem, &entry, NULL) == 0 &&
               !x->skipped_unsealed;
    }
    return false;
}

static int check_asker(struct app *a, uint32_t peer, const struct wire_case_pull *pull, struct case_slot **ret,
                       bool *ret_with_content, struct err *e)
{
    int rc = app_check_reader(a, e);
    if (rc == 0)
        rc = case_cache_get(a->cases, a->ledger, pull->case_id, ret, e);
    if (rc != 0)
        return rc;
    const struct case_state *state = casefile_state((*ret)->file);
    if (state->root == NULL)
        return err_set(e, ERR_NOT_FOUND, "case.unknown", "no such case is held here");
    *ret_with_content = app_may_read((*ret)->file, peer);
    if (*ret_with_content || rules_is_superior(peer, state->root->lead))
        return 0;
    return err_set(e, ERR_DENIED, "case.pull-denied",
                   "no entry of the case gives node %u a part in it, and it is no superior of the deciding node", peer);
}

void app_answer_case_pull(struct app *a, uint32_t peer, uint64_t handle, const struct wire_case_pull *pull)
{
    struct arena mem = ARENA_INIT;
    struct case_slot *slot;
    struct err e = {0};
    struct wire_msg m = {.type = WIRE_CASE_ENTRIES};
    struct answering x = {.a = a, .peer = peer, .mem = &mem};
    int rc = check_asker(a, peer, pull, &slot, &x.with_content, &e);
    if (rc == 0) {
        x.bytes_max = min_of((size_t)pull->max_bytes, (size_t)BATCH_BYTES_MAX);
        x.entries = arena_alloc(&mem, WIRE_CASE_ENTRIES_MAX * sizeof *x.entries);
        x.checkpoints = arena_alloc(&mem, WIRE_CASE_ENTRIES_MAX * sizeof *x.checkpoints);
        rc = collect(&x, slot->file, pull, &e);
    }
    if (rc == 0) {
        m.u.case_entries = (struct wire_case_entries){.entries = x.entries,
                                                      .entry_count = x.entry_count,
                                                      .checkpoints = x.checkpoints,
                                                      .checkpoint_count = x.checkpoint_count,
                                                      .more = x.more,
                                                      .knows = knows(&x, slot->file, pull)};
        if (x.with_content && x.entry_count > 0)
            m.u.case_entries.grants = app_case_grant(a, peer, pull->case_id, &mem);
        replication_answer(a->replication, handle, &m);
    } else {
        replication_answer_error(a->replication, handle,
                                 rc == ERR_NOT_FOUND ? WIRE_ERROR_NOT_FOUND
                                 : rc == ERR_DENIED  ? WIRE_ERROR_DENIED
                                                     : WIRE_ERROR_UNAVAILABLE,
                                 e.id, e.message);
    }
    arena_close(&mem);
}
