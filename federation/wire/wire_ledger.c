/* Messages about witnessing, case keys, receipts and recovery (see wire.h): rules, sending, receiving, one group each. */
#include <inttypes.h>
#include <string.h>

#include "federation/ledger/grant.h"
#include "federation/wire/wire_internal.h"
#include "node/base/xassert.h"

#define CASE_ID_BYTES 16u

/* ---- rules ---- */

static int check_gossip(const struct wire_gossip *g, struct err *e)
{
    int rc = wire_check_size("gossip: number of views", g->view_count, 1, WIRE_VIEWS_MAX, e);
    for (size_t i = 0; rc == 0 && i < g->view_count; i++) {
        rc = wire_check_size("gossip: checkpoint", g->views[i].checkpoint.size, 1, NOTE_BYTES_MAX, e);
        if (rc == 0)
            rc = wire_check_size("gossip: hashes of a range", g->views[i].range_count, 0, CRANGE_NODES_MAX, e);
    }
    return rc;
}

static int check_recovered(const struct wire_recovered *r, struct err *e)
{
    int rc = wire_check_size("recovered: number of entries", r->entry_count, 0, BATCH_LEAVES_MAX, e);
    if (rc == 0)
        rc = wire_check_size("recovered: checkpoint", r->checkpoint.size, 0, NOTE_BYTES_MAX, e);
    for (size_t i = 0; rc == 0 && i < r->entry_count; i++) {
        const struct wire_recovered_entry *entry = &r->entries[i];
        rc = wire_check_size("recovered: leaf", entry->leaf.size, 1, LEAF_BYTES_MAX, e);
        if (rc == 0)
            rc = wire_check_size("recovered: payload", entry->payload.size, 0, PAYLOAD_BYTES_MAX, e);
        if (rc == 0 && entry->payload.size > 0 && !entry->payload_held)
            rc = err_set(e, ERR_INVALID, "wire.item-payload", "recovered: entry %zu: a payload that is not held", i);
    }
    return rc;
}

int wire_ledger_check(const struct wire_msg *m, struct err *e)
{
    switch (m->type) {
    case WIRE_ADD_CHECKPOINT:
        return wire_check_size("add-checkpoint: body", m->u.add_checkpoint.body.size, 1, WITNESS_BODY_BYTES_MAX, e);
    case WIRE_COSIG:
        if (m->u.cosig.status < 100 || m->u.cosig.status > 599)
            return err_set(e, ERR_INVALID, "wire.cosig-status", "cosig: status %" PRIu32 ", allowed are 100 to 599",
                           m->u.cosig.status);
        return wire_check_size("cosig: body", m->u.cosig.body.size, 0, NOTE_BYTES_MAX, e);
    case WIRE_GOSSIP:
        return check_gossip(&m->u.gossip, e);
    case WIRE_KEY_PULL:
        return wire_check_size("key-pull: number of cases", m->u.key_pull.case_count, 1, WIRE_CASES_MAX, e);
    case WIRE_KEY_GRANT:
        return wire_check_size("key-grant: grant", m->u.key_grant.grants.size, 0, GRANT_BYTES_MAX, e);
    case WIRE_RECEIPT:
        return wire_check_size("receipt: proof", m->u.receipt.proof.size, 1, PROOF_BYTES_MAX, e);
    case WIRE_RECOVERED:
        return check_recovered(&m->u.recovered, e);
    case WIRE_CASE_PULL:
    case WIRE_CASE_ENTRIES:
        return wire_case_check(m, e);
    case WIRE_RECEIPT_PULL:
    case WIRE_RECOVER:
        return 0; /* fixed size, nothing to bound */
    default:
        return wire_reconcile_check(m, e);
    }
}

/* ---- sending ---- */

static ProtobufCBinaryData blob(struct bytes b)
{
    return wire_blob_of(b.data, b.size);
}

static void fill_gossip(const struct wire_gossip *g, struct outgoing *o, struct arena *arena)
{
    Tbwire__View *views = arena_alloc(arena, g->view_count * sizeof *views);
    Tbwire__View **pointers = arena_alloc(arena, g->view_count * sizeof *pointers);
    for (size_t i = 0; i < g->view_count; i++) {
        const struct wire_view *from = &g->views[i];
        Tbwire__View *to = pointers[i] = &views[i];
        tbwire__view__init(to);
        to->checkpoint = blob(from->checkpoint);
        to->n_range = from->range_count;
        to->range = arena_alloc(arena, (from->range_count + 1) * sizeof *to->range);
        for (size_t k = 0; k < from->range_count; k++)
            to->range[k] = wire_blob_of(from->range[k].b, sizeof from->range[k].b);
    }
    tbwire__gossip__init(&o->u.gossip);
    o->u.gossip.n_views = g->view_count;
    o->u.gossip.views = pointers;
    o->envelope.gossip = &o->u.gossip;
}

static void fill_key_pull(const struct wire_key_pull *p, struct outgoing *o, struct arena *arena)
{
    tbwire__key_pull__init(&o->u.key_pull);
    o->u.key_pull.n_cases = p->case_count;
    o->u.key_pull.cases = arena_alloc(arena, p->case_count * sizeof *o->u.key_pull.cases);
    for (size_t i = 0; i < p->case_count; i++)
        o->u.key_pull.cases[i] = wire_blob_of(p->cases[i], CASE_ID_BYTES);
    o->envelope.key_pull = &o->u.key_pull;
}

static void fill_recovered(const struct wire_recovered *r, struct outgoing *o, struct arena *arena)
{
    Tbwire__RecoveredEntry *entries = arena_alloc(arena, (r->entry_count + 1) * sizeof *entries);
    Tbwire__RecoveredEntry **pointers = arena_alloc(arena, (r->entry_count + 1) * sizeof *pointers);
    for (size_t i = 0; i < r->entry_count; i++) {
        tbwire__recovered_entry__init(&entries[i]);
        entries[i].leaf = blob(r->entries[i].leaf);
        entries[i].payload = blob(r->entries[i].payload);
        entries[i].payload_held = r->entries[i].payload_held;
        pointers[i] = &entries[i];
    }
    tbwire__recovered__init(&o->u.recovered);
    o->u.recovered.n_entries = r->entry_count;
    o->u.recovered.entries = pointers;
    o->u.recovered.checkpoint = blob(r->checkpoint);
    o->u.recovered.more = r->more;
    o->u.recovered.unavailable = r->unavailable;
    o->envelope.recovered = &o->u.recovered;
}

void wire_ledger_fill(const struct wire_msg *m, struct outgoing *o, struct arena *arena)
{
    switch (m->type) {
    case WIRE_ADD_CHECKPOINT:
        tbwire__add_checkpoint__init(&o->u.add_checkpoint);
        o->u.add_checkpoint.body = blob(m->u.add_checkpoint.body);
        o->envelope.add_checkpoint = &o->u.add_checkpoint;
        break;
    case WIRE_COSIG:
        tbwire__cosig__init(&o->u.cosig);
        o->u.cosig.status = m->u.cosig.status;
        o->u.cosig.body = blob(m->u.cosig.body);
        o->envelope.cosig = &o->u.cosig;
        break;
    case WIRE_GOSSIP:
        fill_gossip(&m->u.gossip, o, arena);
        break;
    case WIRE_KEY_PULL:
        fill_key_pull(&m->u.key_pull, o, arena);
        break;
    case WIRE_KEY_GRANT:
        tbwire__key_grant__init(&o->u.key_grant);
        o->u.key_grant.grants = blob(m->u.key_grant.grants);
        o->envelope.key_grant = &o->u.key_grant;
        break;
    case WIRE_RECEIPT_PULL:
        tbwire__receipt_pull__init(&o->u.receipt_pull);
        o->u.receipt_pull.index = m->u.receipt_pull.index;
        o->envelope.receipt_pull = &o->u.receipt_pull;
        break;
    case WIRE_RECEIPT:
        tbwire__receipt__init(&o->u.receipt);
        o->u.receipt.proof = blob(m->u.receipt.proof);
        o->envelope.receipt = &o->u.receipt;
        break;
    case WIRE_RECOVER:
        tbwire__recover__init(&o->u.recover);
        o->u.recover.from = m->u.recover.from;
        o->u.recover.max_bytes = m->u.recover.max_bytes;
        o->envelope.recover = &o->u.recover;
        break;
    case WIRE_RECOVERED:
        fill_recovered(&m->u.recovered, o, arena);
        break;
    case WIRE_CASE_PULL:
    case WIRE_CASE_ENTRIES:
        wire_case_fill(m, o, arena);
        break;
    default:
        wire_reconcile_fill(m, o, arena);
        break;
    }
}

/* ---- receiving ---- */

static int take_gossip(const Tbwire__Gossip *in, struct arena *arena, struct wire_gossip *ret, struct err *e)
{
    int rc = wire_check_size("gossip: number of views", in->n_views, 1, WIRE_VIEWS_MAX, e);
    if (rc != 0)
        return rc;
    struct wire_view *views = arena_alloc(arena, in->n_views * sizeof *views);
    for (size_t i = 0; i < in->n_views; i++) {
        const Tbwire__View *from = in->views[i];
        rc = wire_check_size("gossip: hashes of a range", from->n_range, 0, CRANGE_NODES_MAX, e);
        if (rc != 0)
            return rc;
        struct merkle_hash *range = arena_alloc(arena, (from->n_range + 1) * sizeof *range);
        for (size_t k = 0; rc == 0 && k < from->n_range; k++)
            rc = wire_take_hash("gossip: hash of a range", &from->range[k], &range[k], e);
        if (rc != 0)
            return rc;
        views[i] = (struct wire_view){
            .checkpoint = wire_span_of(&from->checkpoint), .range = range, .range_count = from->n_range};
    }
    *ret = (struct wire_gossip){.views = views, .view_count = in->n_views};
    return 0;
}

int wire_take_case_ids(const char *what, const ProtobufCBinaryData *in, size_t count, struct arena *arena,
                       struct wire_key_pull *ret, struct err *e)
{
    int rc = wire_check_size(what, count, 1, WIRE_CASES_MAX, e);
    if (rc != 0)
        return rc;
    uint8_t(*cases)[CASE_ID_BYTES] = arena_alloc(arena, count * sizeof *cases);
    for (size_t i = 0; i < count; i++) {
        rc = wire_check_size("case id", in[i].len, CASE_ID_BYTES, CASE_ID_BYTES, e);
        if (rc != 0)
            return rc;
        memcpy(cases[i], in[i].data, CASE_ID_BYTES);
    }
    *ret = (struct wire_key_pull){.cases = (const uint8_t(*)[CASE_ID_BYTES])cases, .case_count = count};
    return 0;
}

static int take_recovered(const Tbwire__Recovered *in, struct arena *arena, struct wire_recovered *ret, struct err *e)
{
    int rc = wire_check_size("recovered: number of entries", in->n_entries, 0, BATCH_LEAVES_MAX, e);
    if (rc != 0)
        return rc;
    struct wire_recovered_entry *entries = arena_alloc(arena, (in->n_entries + 1) * sizeof *entries);
    for (size_t i = 0; i < in->n_entries; i++)
        entries[i] = (struct wire_recovered_entry){.leaf = wire_span_of(&in->entries[i]->leaf),
                                                   .payload = wire_span_of(&in->entries[i]->payload),
                                                   .payload_held = in->entries[i]->payload_held};
    *ret = (struct wire_recovered){.entries = entries,
                                   .entry_count = in->n_entries,
                                   .checkpoint = wire_span_of(&in->checkpoint),
                                   .more = in->more,
                                   .unavailable = in->unavailable};
    return 0;
}

int wire_ledger_take(const Tbwire__Envelope *in, struct arena *arena, struct wire_msg *ret, struct err *e)
{
    switch (in->body_case) {
    case TBWIRE__ENVELOPE__BODY_ADD_CHECKPOINT:
        ret->u.add_checkpoint.body = wire_span_of(&in->add_checkpoint->body);
        return 0;
    case TBWIRE__ENVELOPE__BODY_COSIG:
        ret->u.cosig = (struct wire_cosig){.status = in->cosig->status, .body = wire_span_of(&in->cosig->body)};
        return 0;
    case TBWIRE__ENVELOPE__BODY_GOSSIP:
        return take_gossip(in->gossip, arena, &ret->u.gossip, e);
    case TBWIRE__ENVELOPE__BODY_KEY_PULL:
        return wire_take_case_ids("key-pull: number of cases", in->key_pull->cases, in->key_pull->n_cases, arena,
                                  &ret->u.key_pull, e);
    case TBWIRE__ENVELOPE__BODY_KEY_GRANT:
        ret->u.key_grant.grants = wire_span_of(&in->key_grant->grants);
        return 0;
    case TBWIRE__ENVELOPE__BODY_RECEIPT_PULL:
        ret->u.receipt_pull.index = in->receipt_pull->index;
        return 0;
    case TBWIRE__ENVELOPE__BODY_RECEIPT:
        ret->u.receipt.proof = wire_span_of(&in->receipt->proof);
        return 0;
    case TBWIRE__ENVELOPE__BODY_RECOVER:
        ret->u.recover = (struct wire_recover){.from = in->recover->from, .max_bytes = in->recover->max_bytes};
        return 0;
    case TBWIRE__ENVELOPE__BODY_RECOVERED:
        return take_recovered(in->recovered, arena, &ret->u.recovered, e);
    case TBWIRE__ENVELOPE__BODY_CASE_PULL:
    case TBWIRE__ENVELOPE__BODY_CASE_ENTRIES:
        return wire_case_take(in, arena, ret, e);
    default:
        return wire_reconcile_take(in, arena, ret, e);
    }
}
