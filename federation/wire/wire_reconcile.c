/* Messages of the reconciliation (see wire.h): rules, sending, receiving. Records are packed: many, of one size. */
#include <string.h>

#include "federation/wire/wire_internal.h"
#include "node/base/xassert.h"

#define CASE_ID_BYTES 16u
#define DIGEST_BYTES 32u

/* ---- rules ---- */

static int check_records(const char *what, struct bytes records, size_t record, size_t min, size_t max, struct err *e)
{
    if (records.size % record != 0)
        return err_set(e, ERR_INVALID, "wire.records", "%s: %zu bytes, a record has %zu", what, records.size, record);
    return wire_check_size(what, records.size / record, min, max, e);
}

/* Every record begins with an id; ids ascend, the first is above @after. */
static int check_ascending(const char *what, struct bytes records, size_t record, const uint8_t *after, struct err *e)
{
    for (size_t at = 0; at < records.size; at += record) {
        if (memcmp(records.data + at, after, CASE_ID_BYTES) <= 0)
            return err_set(e, ERR_INVALID, "wire.order", "%s: record %zu does not come after the one before", what,
                           at / record);
        after = records.data + at;
    }
    return 0;
}

static int check_reconcile(const struct wire_reconcile *m, struct err *e)
{
    int rc = check_records("reconcile: ranges", m->ranges, WIRE_RANGE_BYTES, 1, WIRE_RANGES_MAX, e);
    return rc != 0 ? rc : check_ascending("reconcile: ranges", m->ranges, WIRE_RANGE_BYTES, m->after, e);
}

static int check_reconciled(const struct wire_reconciled *m, struct err *e)
{
    static const uint8_t zero[CASE_ID_BYTES];
    int rc = wire_check_size("reconciled: differing ranges", m->differing.size, 0, WIRE_RANGES_MAX, e);
    for (size_t i = 0; rc == 0 && i < m->differing.size; i++)
        if (m->differing.data[i] >= WIRE_RANGES_MAX || (i > 0 && m->differing.data[i] <= m->differing.data[i - 1]))
            rc = err_set(e, ERR_INVALID, "wire.order",
                         "reconciled: range number %u at %zu is too large or not ascending", m->differing.data[i], i);
    if (rc == 0)
        rc = check_records("reconciled: rows", m->rows, WIRE_ROW_BYTES, 0, WIRE_ROWS_MAX, e);
    return rc != 0 ? rc : check_ascending("reconciled: rows", m->rows, WIRE_ROW_BYTES, zero, e);
}

static int check_held(const struct wire_cases_held *m, struct err *e)
{
    size_t entries = 0;
    int rc = wire_check_size("cases-held: covered", m->covered, 1, WIRE_CASES_MAX, e);
    if (rc == 0)
        rc = wire_check_size("cases-held: number of cases", m->case_count, 0, m->covered, e);
    for (size_t i = 0; rc == 0 && i < m->case_count; i++) {
        rc = check_records("cases-held: entries", m->cases[i].entries, WIRE_HELD_BYTES, 0, WIRE_HELD_MAX, e);
        entries += m->cases[i].entries.size / WIRE_HELD_BYTES;
    }
    return rc != 0 ? rc : wire_check_size("cases-held: entries of all cases", entries, 0, WIRE_HELD_MAX, e);
}

int wire_reconcile_check(const struct wire_msg *m, struct err *e)
{
    switch (m->type) {
    case WIRE_RECONCILE:
        return check_reconcile(&m->u.reconcile, e);
    case WIRE_RECONCILED:
        return check_reconciled(&m->u.reconciled, e);
    case WIRE_CASES_PULL:
        return wire_check_size("cases-pull: number of cases", m->u.cases_pull.case_count, 1, WIRE_CASES_MAX, e);
    case WIRE_CASES_HELD:
        return check_held(&m->u.cases_held, e);
    default:
        unreachable();
    }
}

/* ---- sending ---- */

static ProtobufCBinaryData blob(struct bytes b)
{
    return wire_blob_of(b.data, b.size);
}

static void fill_held(const struct wire_cases_held *m, struct outgoing *o, struct arena *arena)
{
    Tbwire__CaseHeld *cases = arena_alloc(arena, (m->case_count + 1) * sizeof *cases);
    Tbwire__CaseHeld **pointers = arena_alloc(arena, (m->case_count + 1) * sizeof *pointers);
    for (size_t i = 0; i < m->case_count; i++) {
        const struct wire_case_held *from = &m->cases[i];
        Tbwire__CaseHeld *to = pointers[i] = &cases[i];
        tbwire__case_held__init(to);
        to->case_id = wire_blob_of(from->case_id, CASE_ID_BYTES);
        to->digest = wire_blob_of(from->digest, DIGEST_BYTES);
        to->flags = from->flags;
        to->pending = from->pending;
        to->entries = blob(from->entries);
    }
    tbwire__cases_held__init(&o->u.cases_held);
    o->u.cases_held.covered = m->covered;
    o->u.cases_held.n_cases = m->case_count;
    o->u.cases_held.cases = pointers;
    o->envelope.cases_held = &o->u.cases_held;
}

void wire_reconcile_fill(const struct wire_msg *m, struct outgoing *o, struct arena *arena)
{
    switch (m->type) {
    case WIRE_RECONCILE:
        tbwire__reconcile__init(&o->u.reconcile);
        o->u.reconcile.after = wire_blob_of(m->u.reconcile.after, CASE_ID_BYTES);
        o->u.reconcile.ranges = blob(m->u.reconcile.ranges);
        o->envelope.reconcile = &o->u.reconcile;
        break;
    case WIRE_RECONCILED:
        tbwire__reconciled__init(&o->u.reconciled);
        o->u.reconciled.up_to = wire_blob_of(m->u.reconciled.up_to, CASE_ID_BYTES);
        o->u.reconciled.differing = blob(m->u.reconciled.differing);
        o->u.reconciled.rows = blob(m->u.reconciled.rows);
        o->envelope.reconciled = &o->u.reconciled;
        break;
    case WIRE_CASES_PULL:
        tbwire__cases_pull__init(&o->u.cases_pull);
        o->u.cases_pull.n_cases = m->u.cases_pull.case_count;
        o->u.cases_pull.cases = arena_alloc(arena, m->u.cases_pull.case_count * sizeof *o->u.cases_pull.cases);
        for (size_t i = 0; i < m->u.cases_pull.case_count; i++)
            o->u.cases_pull.cases[i] = wire_blob_of(m->u.cases_pull.cases[i], CASE_ID_BYTES);
        o->envelope.cases_pull = &o->u.cases_pull;
        break;
    case WIRE_CASES_HELD:
        fill_held(&m->u.cases_held, o, arena);
        break;
    default:
        unreachable(); /* wire.c's and wire_ledger.c's */
    }
}

/* ---- receiving ---- */

static int take_fixed(const char *what, const ProtobufCBinaryData *in, uint8_t *ret, size_t size, struct err *e)
{
    int rc = wire_check_size(what, in->len, size, size, e);
    if (rc == 0)
        memcpy(ret, in->data, size);
    return rc;
}

static int take_held(const Tbwire__CasesHeld *in, struct arena *arena, struct wire_cases_held *ret, struct err *e)
{
    int rc = wire_check_size("cases-held: number of cases", in->n_cases, 0, WIRE_CASES_MAX, e);
    if (rc != 0)
        return rc;
    struct wire_case_held *cases = arena_alloc(arena, (in->n_cases + 1) * sizeof *cases);
    for (size_t i = 0; rc == 0 && i < in->n_cases; i++) {
        const Tbwire__CaseHeld *from = in->cases[i];
        cases[i] = (struct wire_case_held){
            .flags = from->flags, .pending = from->pending, .entries = wire_span_of(&from->entries)};
        rc = take_fixed("cases-held: case id", &from->case_id, cases[i].case_id, CASE_ID_BYTES, e);
        if (rc == 0)
            rc = take_fixed("cases-held: digest", &from->digest, cases[i].digest, DIGEST_BYTES, e);
    }
    *ret = (struct wire_cases_held){.covered = in->covered, .cases = cases, .case_count = in->n_cases};
    return rc;
}

int wire_reconcile_take(const Tbwire__Envelope *in, struct arena *arena, struct wire_msg *ret, struct err *e)
{
    switch (in->body_case) {
    case TBWIRE__ENVELOPE__BODY_RECONCILE:
        ret->u.reconcile = (struct wire_reconcile){.ranges = wire_span_of(&in->reconcile->ranges)};
        return take_fixed("reconcile: after", &in->reconcile->after, ret->u.reconcile.after, CASE_ID_BYTES, e);
    case TBWIRE__ENVELOPE__BODY_RECONCILED:
        ret->u.reconciled = (struct wire_reconciled){.differing = wire_span_of(&in->reconciled->differing),
                                                     .rows = wire_span_of(&in->reconciled->rows)};
        return take_fixed("reconciled: up_to", &in->reconciled->up_to, ret->u.reconciled.up_to, CASE_ID_BYTES, e);
    case TBWIRE__ENVELOPE__BODY_CASES_PULL:
        return wire_take_case_ids("cases-pull: number of cases", in->cases_pull->cases, in->cases_pull->n_cases, arena,
                                  &ret->u.cases_pull, e);
    case TBWIRE__ENVELOPE__BODY_CASES_HELD:
        return take_held(in->cases_held, arena, &ret->u.cases_held, e);
    default:
        return err_set(e, ERR_UNSUPPORTED, "wire.unknown-body", "a message without a body known to protocol version %u",
                       WIRE_VERSION);
    }
}
