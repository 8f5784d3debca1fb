/* Messages about one case, for a node that takes part in it later than others (see wire.h): rules, sending, receiving. */
#include <inttypes.h>
#include <string.h>

#include "federation/ledger/grant.h"
#include "federation/wire/wire_internal.h"
#include "node/base/xassert.h"

/* ---- rules ---- */

static int check_entry(const struct wire_proven_entry *entry, size_t at, size_t checkpoint_count, struct err *e)
{
    int rc = wire_check_size("case-entries: leaf", entry->leaf.size, 1, LEAF_BYTES_MAX, e);
    if (rc == 0)
        rc = wire_check_size("case-entries: payload", entry->payload.size, 0, PAYLOAD_BYTES_MAX, e);
    if (rc == 0)
        rc = wire_check_size("case-entries: hashes of a proof", entry->proof_count, 0, MERKLE_PROOF_HASHES_MAX, e);
    if (rc == 0 && entry->payload.size > 0 && !entry->payload_held)
        rc = err_set(e, ERR_INVALID, "wire.item-payload", "case-entries: entry %zu: a payload that is not held", at);
    if (rc == 0 && entry->checkpoint >= checkpoint_count)
        rc = err_set(e, ERR_INVALID, "wire.checkpoint", "case-entries: entry %zu: checkpoint %" PRIu32 " of %zu", at,
                     entry->checkpoint, checkpoint_count);
    return rc;
}

static int check_entries(const struct wire_case_entries *c, struct err *e)
{
    int rc = wire_check_size("case-entries: number of entries", c->entry_count, 0, WIRE_CASE_ENTRIES_MAX, e);
    if (rc == 0)
        rc = wire_check_size("case-entries: number of checkpoints", c->checkpoint_count, 0, WIRE_CASE_ENTRIES_MAX, e);
    if (rc == 0)
        rc = wire_check_size("case-entries: grant", c->grants.size, 0, GRANT_BYTES_MAX, e);
    for (size_t i = 0; rc == 0 && i < c->checkpoint_count; i++)
        rc = wire_check_size("case-entries: checkpoint", c->checkpoints[i].size, 1, NOTE_BYTES_MAX, e);
    for (size_t i = 0; rc == 0 && i < c->entry_count; i++)
        rc = check_entry(&c->entries[i], i, c->checkpoint_count, e);
    return rc;
}

int wire_case_check(const struct wire_msg *m, struct err *e)
{
    return m->type == WIRE_CASE_ENTRIES ? check_entries(&m->u.case_entries, e) : 0;
}

/* ---- sending ---- */

static ProtobufCBinaryData blob(struct bytes b)
{
    return wire_blob_of(b.data, b.size);
}

static void fill_pull(const struct wire_case_pull *p, struct outgoing *o)
{
    Tbwire__CasePull *to = &o->u.case_pull;
    tbwire__case_pull__init(to);
    to->case_id = wire_blob_of(p->case_id, sizeof p->case_id);
    to->after_node = p->after_node;
    to->after_index = p->after_index;
    to->max_bytes = p->max_bytes;
    if (p->has_naming)
        to->naming = wire_blob_of(p->naming.b, sizeof p->naming.b);
    o->envelope.case_pull = to;
}

static void fill_entry(const struct wire_proven_entry *from, Tbwire__ProvenEntry *to, struct arena *arena)
{
    tbwire__proven_entry__init(to);
    to->leaf = blob(from->leaf);
    to->payload = blob(from->payload);
    to->payload_held = from->payload_held;
    to->checkpoint = from->checkpoint;
    to->n_proof = from->proof_count;
    to->proof = arena_alloc(arena, (from->proof_count + 1) * sizeof *to->proof);
    for (size_t i = 0; i < from->proof_count; i++)
        to->proof[i] = wire_blob_of(from->proof[i].b, sizeof from->proof[i].b);
}

static void fill_entries(const struct wire_case_entries *c, struct outgoing *o, struct arena *arena)
{
    Tbwire__CaseEntries *to = &o->u.case_entries;
    Tbwire__ProvenEntry *entries = arena_alloc(arena, (c->entry_count + 1) * sizeof *entries);
    tbwire__case_entries__init(to);
    to->n_entries = c->entry_count;
    to->entries = arena_alloc(arena, (c->entry_count + 1) * sizeof *to->entries);
    for (size_t i = 0; i < c->entry_count; i++) {
        fill_entry(&c->entries[i], &entries[i], arena);
        to->entries[i] = &entries[i];
    }
    to->n_checkpoints = c->checkpoint_count;
    to->checkpoints = arena_alloc(arena, (c->checkpoint_count + 1) * sizeof *to->checkpoints);
    for (size_t i = 0; i < c->checkpoint_count; i++)
        to->checkpoints[i] = blob(c->checkpoints[i]);
    to->grants = blob(c->grants);
    to->more = c->more;
    to->knows = c->knows;
    o->envelope.case_entries = to;
}

void wire_case_fill(const struct wire_msg *m, struct outgoing *o, struct arena *arena)
{
    if (m->type == WIRE_CASE_PULL)
        fill_pull(&m->u.case_pull, o);
    else
        fill_entries(&m->u.case_entries, o, arena);
}

/* ---- receiving ---- */

static int take_pull(const Tbwire__CasePull *in, struct wire_case_pull *ret, struct err *e)
{
    *ret = (struct wire_case_pull){.after_node = in->after_node,
                                   .after_index = in->after_index,
                                   .max_bytes = in->max_bytes,
                                   .has_naming = in->naming.len > 0};
    int rc = wire_check_size("case-pull: case id", in->case_id.len, sizeof ret->case_id, sizeof ret->case_id, e);
    if (rc == 0)
        memcpy(ret->case_id, in->case_id.data, sizeof ret->case_id);
    return rc == 0 && ret->has_naming ? wire_take_hash("case-pull: naming", &in->naming, &ret->naming, e) : rc;
}

static int take_entry(const Tbwire__ProvenEntry *in, struct arena *arena, struct wire_proven_entry *ret, struct err *e)
{
    int rc = wire_check_size("case-entries: hashes of a proof", in->n_proof, 0, MERKLE_PROOF_HASHES_MAX, e);
    if (rc != 0)
        return rc;
    struct merkle_hash *proof = arena_alloc(arena, (in->n_proof + 1) * sizeof *proof);
    for (size_t i = 0; rc == 0 && i < in->n_proof; i++)
        rc = wire_take_hash("case-entries: hash of a proof", &in->proof[i], &proof[i], e);
    *ret = (struct wire_proven_entry){.leaf = wire_span_of(&in->leaf),
                                      .payload = wire_span_of(&in->payload),
                                      .payload_held = in->payload_held,
                                      .checkpoint = in->checkpoint,
                                      .proof = proof,
                                      .proof_count = in->n_proof};
    return rc;
}

static int take_entries(const Tbwire__CaseEntries *in, struct arena *arena, struct wire_case_entries *ret,
                        struct err *e)
{
    int rc = wire_check_size("case-entries: number of entries", in->n_entries, 0, WIRE_CASE_ENTRIES_MAX, e);
    if (rc == 0)
        rc = wire_check_size("case-entries: number of checkpoints", in->n_checkpoints, 0, WIRE_CASE_ENTRIES_MAX, e);
    if (rc != 0)
        return rc;
    struct wire_proven_entry *entries = arena_alloc(arena, (in->n_entries + 1) * sizeof *entries);
    struct bytes *checkpoints = arena_alloc(arena, (in->n_checkpoints + 1) * sizeof *checkpoints);
    for (size_t i = 0; rc == 0 && i < in->n_entries; i++)
        rc = take_entry(in->entries[i], arena, &entries[i], e);
    for (size_t i = 0; i < in->n_checkpoints; i++)
        checkpoints[i] = wire_span_of(&in->checkpoints[i]);
    *ret = (struct wire_case_entries){.entries = entries,
                                      .entry_count = in->n_entries,
                                      .checkpoints = checkpoints,
                                      .checkpoint_count = in->n_checkpoints,
                                      .grants = wire_span_of(&in->grants),
                                      .more = in->more,
                                      .knows = in->knows};
    return rc;
}

int wire_case_take(const Tbwire__Envelope *in, struct arena *arena, struct wire_msg *ret, struct err *e)
{
    if (in->body_case == TBWIRE__ENVELOPE__BODY_CASE_PULL)
        return take_pull(in->case_pull, &ret->u.case_pull, e);
    return take_entries(in->case_entries, arena, &ret->u.case_entries, e);
}
