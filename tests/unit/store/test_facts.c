/* The small records and the other two databases: confirmed positions, notes, erasures, holds, evidence; keys; witness rows
 * and the compare-and-swap that keeps them. */
#include "tests/unit/store/store_rig.h"

#include "certs/crypto.h"
#include "tests/lib/faultvfs.h"

static void keeps_how_far_a_peer_is_confirmed(void **state)
{
    struct store_rig *rig = *state;
    struct store_ledger_state ledger;
    struct store_replica rows[2] = {{.origin = 510000, .size = 9}, {.origin = 520000, .size = 4}};
    struct store_batch b = {.replicas = rows, .replica_count = 2};
    rig_open(rig);
    for (int round = 0; round < 5; round++) { /* none, set, set again, moved on, taken back */
        static const char *const ranges[] = {"", "range 1", "range 1", "range 2", ""};
        rows[0].confirmed = bytes_of_string(ranges[round]);
        rows[0].confirmed_seq_me = rows[0].confirmed.size > 0 ? 70 + (uint64_t)round : 0;
        rows[0].confirmed_seq_public = rows[0].confirmed.size > 0 ? UINT64_MAX : 0;
        rows[1].size++;
        rig_commit(rig, &b);
        rig_reopen(rig);
        rig_ok(rig, store_read_ledger_state(rig->reader, &rig->arena, &ledger, &rig->e));
        assert_int_equal(ledger.replica_count, 2);
        assert_true(bytes_equal(ledger.replicas[0].confirmed, rows[0].confirmed));
        assert_int_equal(ledger.replicas[0].confirmed_seq_me, rows[0].confirmed_seq_me);
        assert_true(ledger.replicas[0].confirmed_seq_public == rows[0].confirmed_seq_public);
        assert_int_equal(ledger.replicas[1].confirmed.size, 0);
        rig_ok(rig, store_check(rig->reader, &rig->e));
    }
}

static void numbers_heads_leaves_like_a_recipient(void **state)
{
    struct store_rig *rig = *state;
    struct store_addressed *rows;
    struct store_ledger_state ledger;
    size_t count = 0;
    rig_open(rig);
    rig_commit_samples(rig, 0, 5);
    rig_ok(rig, store_read_addressed(rig->reader, STORE_NODE_HEADS, 7, 10, &rig->arena, &rows, &count, &rig->e));
    assert_int_equal(count, 3); /* at 10, 14 and 18 */
    for (size_t i = 0; i < count; i++)
        assert_true(rows[i].recipient == STORE_NODE_HEADS && rows[i].index == 10 + 4 * i && rows[i].seq == 3 + i);
    rig_reopen(rig); /* the slot is found again */
    rig_commit_samples(rig, 5, 6);
    rig_ok(rig, store_read_ledger_state(rig->reader, &rig->arena, &ledger, &rig->e));
    bool found = false;
    for (size_t i = 0; i < ledger.recipient_count; i++)
        if (ledger.recipients[i].recipient == STORE_NODE_HEADS)
            found = ledger.recipients[i].seq == 6 && ledger.recipients[i].index == 22;
    assert_true(found);
}

static void keeps_notes_by_name(void **state)
{
    struct store_rig *rig = *state;
    struct store_note notes[] = {{.name = "cosigned", .size = 5, .note = bytes_of_string("five\n")},
                                 {.name = "cosigned/510000", .size = UINT64_MAX, .note = bytes_of_string("")},
                                 {.name = "", .size = 1}};
    struct store_note got;
    rig_open(rig);
    memset(notes[2].name, 'n', sizeof notes[2].name - 1);
    rig_commit(rig, &(struct store_batch){.notes = notes, .note_count = 3});
    for (size_t i = 0; i < 3; i++) {
        rig_ok(rig, store_read_note(rig->reader, notes[i].name, &rig->arena, &got, &rig->e));
        assert_string_equal(got.name, notes[i].name);
        assert_true(got.size == notes[i].size && bytes_equal(got.note, notes[i].note));
    }
    notes[0].size = 4; /* smaller is fine: what it means is not the store's business */
    notes[0].note = bytes_of_string("four, and longer\n");
    rig_commit(rig, &(struct store_batch){.notes = notes, .note_count = 1});
    rig_ok(rig, store_read_note(rig->reader, "cosigned", &rig->arena, &got, &rig->e));
    assert_true(got.size == 4 && bytes_equal(got.note, notes[0].note));
    assert_int_equal(store_read_note(rig->reader, "cosigne", &rig->arena, &got, &rig->e), ERR_NOT_FOUND);
    assert_int_equal(store_read_note(rig->reader, "", &rig->arena, &got, &rig->e), ERR_NOT_FOUND);
}

#define ERASED 40u

static void lists_erasures_by_case_and_by_what_is_open(void **state)
{
    struct store_rig *rig = *state;
    struct store_erasure *rows;
    uint8_t id[STORE_CASE_ID_SIZE];
    size_t count = 0;
    rig_open(rig);
    for (uint32_t i = 0; i < ERASED; i++) {
        struct store_erasure put[3];
        for (uint32_t k = 0; k < 3; k++) {
            put[k] = (struct store_erasure){.node = 530000 - k,
                                            .state = (uint8_t)(1 + (i + k) % 3),
                                            .basis = UINT16_MAX,
                                            .at_ms = 1000 + i,
                                            .origin = UINT32_MAX,
                                            .index = UINT64_MAX - i};
            store_sample_case_id(i, put[k].case_id);
        }
        rig_commit(rig, &(struct store_batch){.erasures = put, .erasure_count = 3});
    }
    store_sample_case_id(5, id);
    rig_ok(rig, store_read_erasures(rig->reader, id, &rig->arena, &rows, &count, &rig->e));
    assert_int_equal(count, 3);
    for (size_t k = 0; k < 3; k++) {
        assert_int_equal(rows[k].node, 529998 + k); /* ascending */
        assert_int_equal(rows[k].state, 1 + (5 + 2 - k) % 3);
        assert_memory_equal(rows[k].case_id, id, sizeof id);
        assert_true(rows[k].basis == UINT16_MAX && rows[k].at_ms == 1005 && rows[k].origin == UINT32_MAX &&
                    rows[k].index == UINT64_MAX - 5);
    }
    store_sample_case_id(ERASED, id);
    rig_ok(rig, store_read_erasures(rig->reader, id, &rig->arena, &rows, &count, &rig->e));
    assert_int_equal(count, 0);

    /* Two of three are open in every case: ordered, or held. */
    rig_ok(rig, store_list_erasures_open(rig->reader, 1000, &rig->arena, &rows, &count, &rig->e));
    assert_int_equal(count, 2 * ERASED);
    for (size_t i = 0; i < count; i++)
        assert_true(rows[i].state != STORE_ERASURE_DONE);
    rig_ok(rig, store_list_erasures_open(rig->reader, 7, &rig->arena, &rows, &count, &rig->e));
    assert_int_equal(count, 7);
    rig_ok(rig, store_list_erasures_open(rig->reader, 0, &rig->arena, &rows, &count, &rig->e));
    assert_int_equal(count, 0);
    for (uint32_t i = 0; i < ERASED; i++) {
        struct store_erasure put[3];
        for (uint32_t k = 0; k < 3; k++) {
            put[k] = (struct store_erasure){.node = 530000 - k, .state = STORE_ERASURE_DONE, .index = 1};
            store_sample_case_id(i, put[k].case_id);
        }
        rig_commit(rig, &(struct store_batch){.erasures = put, .erasure_count = 3});
    }
    rig_ok(rig, store_list_erasures_open(rig->reader, 1000, &rig->arena, &rows, &count, &rig->e));
    assert_int_equal(count, 0);
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

static void keeps_a_hold_until_it_is_taken_off(void **state)
{
    struct store_rig *rig = *state;
    struct store_hold row = {.since_ms = 17}, got;
    struct store_batch b = {.holds = &row, .hold_count = 1};
    rig_open(rig);
    store_sample_case_id(1, row.case_id);
    memset(row.reason, 'r', sizeof row.reason - 1); /* the longest */
    rig_commit(rig, &b);
    rig_reopen(rig);
    rig_ok(rig, store_read_hold(rig->reader, row.case_id, &got, &rig->e));
    assert_true(got.since_ms == 17 && strcmp(got.reason, row.reason) == 0);
    assert_memory_equal(got.case_id, row.case_id, STORE_CASE_ID_SIZE);
    (void)snprintf(row.reason, sizeof row.reason, "审计");
    rig_commit(rig, &b);
    rig_ok(rig, store_read_hold(rig->reader, row.case_id, &got, &rig->e));
    assert_string_equal(got.reason, "审计");
    row.since_ms = 0;
    for (int round = 0; round < 2; round++) { /* twice is fine */
        rig_commit(rig, &b);
        assert_int_equal(store_read_hold(rig->reader, row.case_id, &got, &rig->e), ERR_NOT_FOUND);
    }
}

static void lists_evidence_by_the_accused(void **state)
{
    struct store_rig *rig = *state;
    struct store_evidence rows[] = {{.accused = 530000, .common_size = 1, .origin = 510000, .index = 1},
                                    {.accused = 510000, .common_size = UINT64_MAX, .origin = 530000, .index = 9},
                                    {.accused = 510000, .common_size = 3, .origin = 320000, .index = UINT64_MAX},
                                    {.accused = 510000, .common_size = 7, .origin = 530000, .index = 2}};
    static const size_t order[] = {2, 3, 1, 0};
    struct store_evidence *got;
    size_t count = 0;
    rig_open(rig);
    rig_ok(rig, store_list_evidence(rig->reader, &rig->arena, &got, &count, &rig->e));
    assert_int_equal(count, 0);
    for (int round = 0; round < 2; round++) {
        rig_commit(rig, &(struct store_batch){.evidences = rows, .evidence_count = 4});
        rig_ok(rig, store_list_evidence(rig->reader, &rig->arena, &got, &count, &rig->e));
        assert_int_equal(count, 4);
        for (size_t i = 0; i < 4; i++) {
            const struct store_evidence *want = &rows[order[i]];
            assert_true(got[i].accused == want->accused && got[i].common_size == want->common_size &&
                        got[i].origin == want->origin && got[i].index == want->index);
        }
    }
}

/* ---- keys ---- */

/* ---- proofs ---- */

static struct store_due due_row(uint8_t id, uint32_t due, uint8_t kind, uint32_t lead)
{
    struct store_due d = {.due = due, .warn = due - 3, .kind = kind, .lead = lead, .is_provisional = id == 2};
    memset(d.case_id, id, sizeof d.case_id);
    return d;
}

static void keeps_what_is_due(void **state)
{
    struct store_rig *rig = *state;
    const struct store_due rows[] = {due_row(1, 20261204, 2, 510000), due_row(2, 20261203, 4, 510000),
                                     due_row(3, 20261210, 2, 440000), due_row(4, 20261203, 2, 440000)};
    struct store_case cases[4] = {
        {.receiving = 440000}, {.receiving = 440000}, {.receiving = 440000}, {.receiving = 440000}};
    for (size_t i = 0; i < 4; i++)
        memset(cases[i].case_id, (int)i + 1, sizeof cases[i].case_id);
    struct store_batch b = {.cases = cases, .case_count = 4, .dues = rows, .due_count = 4};
    struct store_due got, *list;
    size_t count;
    uint64_t red, yellow, all;
    rig_open(rig);
    rig_commit(rig, &b);
    rig_commit(rig, &b); /* again is fine */
    rig_reopen(rig);
    rig_ok(rig, store_read_due(rig->reader, rows[1].case_id, &got, &rig->e));
    assert_true(got.due == 20261203 && got.warn == 20261200 && got.kind == 4 && got.lead == 510000);
    assert_true(got.is_provisional);

    /* the longest overdue first, of one day the older case; by kind, by node, page by page */
    struct store_due_filter f = {.before = 20261205, .limit = 10};
    rig_ok(rig, store_list_dues(rig->reader, &f, &rig->arena, &list, &count, &rig->e));
    assert_int_equal(count, 3);
    assert_true(list[0].case_id[0] == 2 && list[1].case_id[0] == 4 && list[2].case_id[0] == 1);
    f.kind = 2;
    f.lead = 510000;
    rig_ok(rig, store_list_dues(rig->reader, &f, &rig->arena, &list, &count, &rig->e));
    assert_true(count == 1 && list[0].case_id[0] == 1);
    f = (struct store_due_filter){.skip = 3, .limit = 10};
    rig_ok(rig, store_list_dues(rig->reader, &f, &rig->arena, &list, &count, &rig->e));
    assert_true(count == 1 && list[0].case_id[0] == 3);
    f.limit = 0;
    assert_int_equal(store_list_dues(rig->reader, &f, &rig->arena, &list, &count, &rig->e), ERR_LIMIT);
    rig_ok(rig, store_count_dues(rig->reader, 20261204, &red, &yellow, &all, &rig->e));
    assert_true(red == 2 && yellow == 1 && all == 4);

    /* done: the row goes */
    const struct store_due done = due_row(1, 0, 0, 0);
    b = (struct store_batch){.dues = &done, .due_count = 1};
    rig_commit(rig, &b);
    assert_int_equal(store_read_due(rig->reader, rows[0].case_id, &got, &rig->e), ERR_NOT_FOUND);
    rig_ok(rig, store_check(rig->reader, &rig->e));
    rig_close(rig);
    rig_sql(rig, "ledger.db", "UPDATE due SET due = due + 1 WHERE due = 20261210");
    rig_open(rig);
    assert_int_equal(store_read_due(rig->reader, rows[2].case_id, &got, &rig->e), ERR_CORRUPT);
    assert_int_equal(store_check(rig->reader, &rig->e), ERR_CORRUPT);
}

static void keeps_what_proves_a_peers_entries(void **state)
{
    struct store_rig *rig = *state;
    uint8_t hashes[64];
    memset(hashes, 7, sizeof hashes);
    struct store_cover covers[] = {{510000, 0, 90, bytes_of_string("parts 0"), bytes_of_string("note 90\n")},
                                   {510000, 40, 91, bytes_of_string("parts 40"), bytes_of_string("note 91\n")},
                                   {520000, 30, 92, bytes_of_string("of another"), bytes_of_string("note 92\n")}};
    struct store_proof proofs[] = {{510000, 41, 95, bytes_of(hashes, 64), bytes_of_string("note 95\n")},
                                   {510000, 42, 1, bytes_of(hashes, 0), bytes_of_string("note 1\n")}};
    struct store_batch b = {.covers = covers, .cover_count = 3, .proofs = proofs, .proof_count = 2};
    struct store_cover *got;
    struct store_proof proof;
    size_t count = 9;
    rig_open(rig);
    rig_commit(rig, &b);
    rig_commit(rig, &b); /* again is fine */
    rig_reopen(rig);
    rig_ok(rig, store_read_covers(rig->reader, 510000, 39, 8, &rig->arena, &got, &count, &rig->e));
    assert_int_equal(count, 1);
    rig_ok(rig, store_read_covers(rig->reader, 510000, 1000, 8, &rig->arena, &got, &count, &rig->e));
    assert_int_equal(count, 2); /* the nearest first, and none of another ledger */
    assert_true(got[0].origin == 510000 && got[0].from == 40 && got[0].size == 91);
    assert_true(bytes_equal(got[0].parts, covers[1].parts) && bytes_equal(got[0].note, covers[1].note));
    assert_int_equal(got[1].from, 0);
    rig_ok(rig, store_read_covers(rig->reader, 510000, 1000, 1, &rig->arena, &got, &count, &rig->e));
    assert_int_equal(count, 1);
    rig_ok(rig, store_read_covers(rig->reader, 650000, 1000, 8, &rig->arena, &got, &count, &rig->e));
    assert_int_equal(count, 0);

    rig_ok(rig, store_read_proof(rig->reader, 510000, 41, &rig->arena, &proof, &rig->e));
    assert_true(proof.size == 95 && bytes_equal(proof.hashes, proofs[0].hashes) &&
                bytes_equal(proof.note, proofs[0].note));
    rig_ok(rig, store_read_proof(rig->reader, 510000, 42, &rig->arena, &proof, &rig->e));
    assert_true(proof.hashes.size == 0 && bytes_equal(proof.note, proofs[1].note));
    assert_int_equal(store_read_proof(rig->reader, 510000, 40, &rig->arena, &proof, &rig->e), ERR_NOT_FOUND);
    rig_ok(rig, store_check(rig->reader, &rig->e));
    rig_sql(rig, "ledger.db", "UPDATE cover SET size = size + 1 WHERE size = 91");
    assert_int_equal(store_read_covers(rig->reader, 510000, 50, 8, &rig->arena, &got, &count, &rig->e), ERR_CORRUPT);
    assert_int_equal(store_check(rig->reader, &rig->e), ERR_CORRUPT);
}

static void refuses_proofs_of_a_wrong_form(void **state)
{
    struct store_rig *rig = *state;
    uint8_t big[STORE_COVER_BYTES_MAX + 1] = {0};
    struct store_cover cover = {510000, 0, 9, bytes_of(big, 33), bytes_of_string("note\n")};
    struct store_proof proof = {510000, 0, 9, bytes_of(big, 32), bytes_of_string("note\n")};
    struct store_batch covers = {.covers = &cover, .cover_count = 1}, proofs = {.proofs = &proof, .proof_count = 1};
    rig_open(rig);
    cover.origin = STORE_SAMPLE_SELF;
    assert_int_equal(store_commit(rig->store, &covers, &rig->e), ERR_INVALID);
    assert_string_equal(rig->e.id, "store.proof");
    cover.origin = 510000;
    cover.parts.size = sizeof big;
    assert_int_equal(store_commit(rig->store, &covers, &rig->e), ERR_LIMIT);
    assert_string_equal(rig->e.id, "store.limit");
    proof.hashes.size = 33;
    assert_int_equal(store_commit(rig->store, &proofs, &rig->e), ERR_INVALID);
    assert_string_equal(rig->e.id, "store.proof");
    proof.hashes.size = 64 * 32;
    assert_int_equal(store_commit(rig->store, &proofs, &rig->e), ERR_LIMIT);
    assert_string_equal(rig->e.id, "store.limit");
    proof.hashes.size = 32;
    proof.note.size = 0;
    assert_int_equal(store_commit(rig->store, &proofs, &rig->e), ERR_INVALID);
    assert_string_equal(rig->e.id, "store.proof");
}

static void lists_what_is_to_be_made_public(void **state)
{
    struct store_rig *rig = *state;
    struct store_publicity rows[3] = {{.case_id = {3}, .due = 20261209},
                                      {.case_id = {1}, .due = 20261210},
                                      {.case_id = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, .due = 20261211}};
    struct store_publicity *got;
    size_t count = 0;
    rig_open(rig);
    rig_commit(rig, &(struct store_batch){.publicities = rows, .publicity_count = 3});
    rig_reopen(rig);
    rig_ok(rig, store_list_publicities(rig->reader, NULL, 10, &rig->arena, &got, &count, &rig->e));
    assert_int_equal(count, 3);
    assert_true(got[0].due == 20261210 && got[1].due == 20261211 && got[2].due == 20261209);
    rig_ok(rig, store_list_publicities(rig->reader, rows[1].case_id, 1, &rig->arena, &got, &count, &rig->e));
    assert_int_equal(count, 1);
    assert_int_equal(got[0].due, 20261211);
    rows[0].due = 0;
    rig_commit(rig, &(struct store_batch){.publicities = rows, .publicity_count = 1});
    rig_ok(rig, store_list_publicities(rig->reader, rows[2].case_id, 10, &rig->arena, &got, &count, &rig->e));
    assert_int_equal(count, 0);
    assert_int_equal(store_list_publicities(rig->reader, NULL, 0, &rig->arena, &got, &count, &rig->e), ERR_LIMIT);
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

static void lists_cases_being_asked_for(void **state)
{
    struct store_rig *rig = *state;
    struct store_pull rows[2] = {{.case_id = {1}, .since_ms = 5}, {.case_id = {2}, .since_ms = 6}};
    struct store_batch b = {.pulls = rows, .pull_count = 2};
    struct store_pull *got;
    size_t count = 0;
    rig_open(rig);
    rig_commit(rig, &b);
    rig_reopen(rig);
    rig_ok(rig, store_list_pulls(rig->reader, &rig->arena, &got, &count, &rig->e));
    assert_int_equal(count, 2);
    assert_true(got[1].case_id[0] == 2 && got[1].since_ms == 6);
    rows[0].since_ms = 0;
    rig_commit(rig, &(struct store_batch){.pulls = rows, .pull_count = 1});
    rig_ok(rig, store_list_pulls(rig->reader, &rig->arena, &got, &count, &rig->e));
    assert_int_equal(count, 1);
    assert_int_equal(got[0].case_id[0], 2);
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

static void reads_second_leaves_with_the_case(void **state)
{
    struct store_rig *rig = *state;
    struct store_entry *got;
    size_t before = 0, count = 0;
    rig_open(rig);
    rig_commit_samples(rig, 0, 1);
    struct arena a = ARENA_INIT;
    struct store_batch sample;
    store_sample_batch(0, &a, &sample);
    const struct store_entry *entry = NULL;
    for (size_t i = 0; i < sample.entry_count; i++)
        if (sample.entries[i].has_case)
            entry = &sample.entries[i];
    assert_non_null(entry);
    rig_ok(rig, store_read_case_entries(rig->reader, entry->case_id, &rig->arena, &got, &before, &rig->e));
    struct store_fork fork = {.origin = entry->origin, .index = entry->index, .leaf = bytes_of_string("another leaf")};
    struct store_batch b = {.forks = &fork, .fork_count = 1};
    memcpy(fork.case_id, entry->case_id, sizeof fork.case_id);
    assert_int_equal(store_commit(rig->store, &b, &rig->e), ERR_INVALID); /* not its hash */
    struct bytes parts[] = {bytes_of("\0", 1), fork.leaf};
    crypto_sha256(parts, 2, fork.hash);
    rig_commit(rig, &b);
    rig_commit(rig, &b);
    rig_reopen(rig);
    rig_ok(rig, store_read_case_entries(rig->reader, entry->case_id, &rig->arena, &got, &count, &rig->e));
    assert_int_equal(count, before + 1);
    unsigned there = 0;
    for (size_t i = 0; i < count; i++)
        there += got[i].origin == entry->origin && got[i].index == entry->index;
    assert_int_equal(there, 2);
    rig_ok(rig, store_check(rig->reader, &rig->e));
    arena_close(&a);
}

static void keeps_keys_apart(void **state)
{
    struct store_rig *rig = *state;
    struct store_key keys[3] = {{.epoch = 1, .created_ms = 5}, {.epoch = 2}, {.epoch = UINT32_MAX}}, got;
    uint8_t id[STORE_CASE_ID_SIZE];
    rig_open(rig);
    for (size_t i = 0; i < 3; i++) {
        store_sample_case_id(3, keys[i].case_id);
        memset(keys[i].key, (int)i + 1, sizeof keys[i].key);
    }
    for (int round = 0; round < 2; round++) { /* the same again is fine */
        rig_commit(rig, &(struct store_batch){.keys = keys, .key_count = 3});
        rig_reopen(rig);
        for (size_t i = 0; i < 3; i++) {
            rig_ok(rig, store_read_key(rig->reader, keys[i].case_id, keys[i].epoch, &got, &rig->e));
            assert_memory_equal(&got, &keys[i], sizeof got);
        }
    }
    store_sample_case_id(4, id);
    assert_int_equal(store_read_key(rig->reader, id, 1, &got, &rig->e), ERR_NOT_FOUND);
    assert_int_equal(store_read_key(rig->reader, keys[0].case_id, 3, &got, &rig->e), ERR_NOT_FOUND);
    assert_string_equal(rig->e.id, "store.no-key");
}

/* Neither half of a refused batch stays: not the key when an entry is refused, not the entry when a key is. */
static void refuses_keys_and_entries_together(void **state)
{
    struct store_rig *rig = *state;
    struct store_entry entry;
    struct store_key keys[2] = {{.epoch = 1}, {.epoch = 1}}, got;
    rig_open(rig);
    store_sample_case_id(1, keys[1].case_id);
    rig_commit(rig, &(struct store_batch){.keys = keys, .key_count = 1});
    store_sample_entry(STORE_SAMPLE_SELF, 1, 50, 10, &rig->arena, &entry); /* a gap */
    struct store_batch b = {.entries = &entry, .entry_count = 1, .keys = keys + 1, .key_count = 1};
    assert_int_equal(store_commit(rig->store, &b, &rig->e), ERR_INVALID);
    assert_int_equal(store_read_key(rig->reader, keys[1].case_id, 1, &got, &rig->e), ERR_NOT_FOUND);

    store_sample_entry(STORE_SAMPLE_SELF, 0, 50, 10, &rig->arena, &entry);
    struct store_key both[2] = {keys[1], keys[0]};
    both[1].key[5] = 1; /* another one for a case that has one */
    b.keys = both;
    b.key_count = 2;
    assert_int_equal(store_commit(rig->store, &b, &rig->e), ERR_CONFLICT);
    assert_string_equal(rig->e.id, "store.key-conflict");
    assert_int_equal(store_read_key(rig->reader, keys[1].case_id, 1, &got, &rig->e), ERR_NOT_FOUND);
    assert_int_equal(store_read_entry(rig->reader, STORE_SAMPLE_SELF, 0, &rig->arena, &entry, &rig->e), ERR_NOT_FOUND);
    both[1] = keys[0];
    b.entries = &entry;
    store_sample_entry(STORE_SAMPLE_SELF, 0, 50, 10, &rig->arena, &entry);
    rig_commit(rig, &b); /* the handle goes on */
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

/* ---- witness rows ---- */

static struct store_witness step_of(const char *origin, uint64_t old_size, uint64_t size)
{
    struct store_witness w = {.old_size = old_size, .size = size, .note = bytes_of_string("note\n")};
    (void)snprintf(w.origin, sizeof w.origin, "%s", origin);
    crypto_sha256(NULL, 0, w.old_root);
    if (old_size > 0)
        memset(w.old_root, (int)old_size, sizeof w.old_root);
    memset(w.root, (int)size, sizeof w.root);
    return w;
}

static void expect_witness(struct store_rig *rig, const char *origin, uint64_t size)
{
    struct store_witness got, want = step_of(origin, 0, size);
    rig_ok(rig, store_read_witness(rig->reader, origin, &rig->arena, &got, &rig->e));
    assert_int_equal(got.size, size);
    assert_int_equal(got.old_size, 0);
    assert_memory_equal(got.root, want.root, sizeof got.root);
    assert_string_equal(got.origin, origin);
    assert_true(bytes_equal(got.note, want.note));
}

/* Two that judged by the same old head: the second to come has lost, with everything else in its batch. */
static void lets_one_of_two_win(void **state)
{
    struct store_rig *rig = *state;
    struct store_witness first = step_of("a/log", 0, 10), second = step_of("a/log", 0, 12), got;
    struct store_entry entry;
    struct store_key key = {.epoch = 1}, kept;
    struct store_note note = {.name = "n"};
    rig_open(rig);
    assert_int_equal(store_read_witness(rig->reader, "a/log", &rig->arena, &got, &rig->e), ERR_NOT_FOUND);
    assert_string_equal(rig->e.id, "store.no-witness");
    store_sample_entry(STORE_SAMPLE_SELF, 0, 50, 10, &rig->arena, &entry);
    rig_commit(rig, &(struct store_batch){.witnesses = &first, .witness_count = 1});
    struct store_batch b = {.witnesses = &second,
                            .witness_count = 1,
                            .entries = &entry,
                            .entry_count = 1,
                            .keys = &key,
                            .key_count = 1,
                            .notes = &note,
                            .note_count = 1};
    for (int round = 0; round < 2; round++) {
        assert_int_equal(store_commit(rig->store, &b, &rig->e), ERR_CONFLICT);
        assert_string_equal(rig->e.id, "store.witness-moved");
        expect_witness(rig, "a/log", 10);
        assert_int_equal(store_read_note(rig->reader, "n", &rig->arena, &note, &rig->e), ERR_NOT_FOUND);
        assert_int_equal(store_read_key(rig->reader, key.case_id, 1, &kept, &rig->e), ERR_NOT_FOUND);
        assert_int_equal(store_read_entry(rig->reader, STORE_SAMPLE_SELF, 0, &rig->arena, &entry, &rig->e),
                         ERR_NOT_FOUND);
        store_sample_entry(STORE_SAMPLE_SELF, 0, 50, 10, &rig->arena, &entry);
        rig_reopen(rig);
    }
    second = step_of("a/log", 10, 12); /* judged again */
    rig_commit(rig, &b);
    expect_witness(rig, "a/log", 12);
    /* The batch is refused for another reason: the row does not move either. */
    second = step_of("a/log", 12, 13);
    store_sample_entry(STORE_SAMPLE_SELF, 5, 50, 10, &rig->arena, &entry);
    assert_int_equal(store_commit(rig->store, &b, &rig->e), ERR_INVALID);
    expect_witness(rig, "a/log", 12);
    rig_commit_samples(rig, 0, 0);
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

static void keeps_every_log_apart(void **state)
{
    struct store_rig *rig = *state;
    struct store_witness rows[3] = {step_of("b/log", 0, 2), step_of("a/log", 0, 1), step_of("c/log", 0, 0)}, *got;
    struct store_batch b = {.witnesses = rows, .witness_count = 3};
    size_t count = 0;
    rig_open(rig);
    crypto_sha256(NULL, 0, rows[2].root); /* an empty ledger's head */
    rig_commit(rig, &b);
    rig_ok(rig, store_list_witnesses(rig->reader, &rig->arena, &got, &count, &rig->e));
    assert_int_equal(count, 3);
    assert_string_equal(got[0].origin, "a/log");
    assert_string_equal(got[1].origin, "b/log");
    assert_int_equal(got[1].size, 2);
    assert_true(bytes_equal(got[0].note, rows[0].note));
    rows[0] = step_of("b/log", 2, 5);
    rows[1] = step_of("b/log", 5, 6); /* the same log twice: which one is it to be? */
    b.witness_count = 2;
    assert_int_equal(store_commit(rig->store, &b, &rig->e), ERR_CONFLICT);
    expect_witness(rig, "b/log", 2);
    rows[1] = step_of("a/log", 1, 1); /* the same head once more, with another note */
    rows[1].note = bytes_of_string("note\n");
    rig_commit(rig, &b);
    expect_witness(rig, "b/log", 5);
    expect_witness(rig, "a/log", 1);
}

/* Another process has moved, or taken away, what this one believes. */
static void notices_a_row_moved_from_outside(void **state)
{
    struct store_rig *rig = *state;
    struct store_witness row = step_of("a/log", 0, 10);
    struct store_batch b = {.witnesses = &row, .witness_count = 1};
    rig_open(rig);
    rig_commit(rig, &b);
    rig_sql(rig, "heads.db", "UPDATE witness SET size = 11");
    row = step_of("a/log", 10, 12);
    assert_int_equal(store_commit(rig->store, &b, &rig->e), ERR_CORRUPT); /* its check value is not right */
    rig_reopen(rig);
    rig_sql(rig, "heads.db", "DELETE FROM witness");
    assert_int_equal(store_commit(rig->store, &b, &rig->e), ERR_CONFLICT);
    row = step_of("a/log", 0, 12);
    rig_commit(rig, &b);
    expect_witness(rig, "a/log", 12);
}

/* ---- what it costs ---- */

static uint64_t syncs_of(struct store_rig *rig, const struct store_batch *b)
{
    uint64_t before = faultvfs_sync_count();
    rig_commit(rig, b);
    return faultvfs_sync_count() - before;
}

/* A batch waits for the disk once; each of the other databases costs one more only when the batch is about it. */
static void waits_for_the_disk_no_more_than_needed(void **state)
{
    struct store_rig *rig;
    faultvfs_install();
    assert_int_equal(rig_setup((void **)&rig), 0);
    (void)state;
    rig_open(rig);
    rig_commit_samples(rig, 0, 6);
    for (uint64_t n = 6; n < 20; n++) {
        struct store_batch b;
        store_sample_batch(n, &rig->arena, &b);
        bool has_destroy = b.destroy_count > 0;
        struct store_batch keys = {.keys = b.keys, .key_count = n % 2 == 0 ? b.key_count : 0}; /* later, not again */
        struct store_batch witnesses = {.witnesses = b.witnesses, .witness_count = b.witness_count};
        if (has_destroy) {
            rig_commit(rig, &b);
            continue;
        }
        assert_int_equal(syncs_of(rig, &witnesses), 1);
        if (keys.key_count > 0)
            assert_in_range(syncs_of(rig, &keys), 1, n % 8 == 4 ? 2 : 1); /* a destruction before began a new log */
        b.witness_count = b.key_count = 0;
        assert_int_equal(syncs_of(rig, &b), 1);
        assert_int_equal(syncs_of(rig, &(struct store_batch){.entries = NULL}), 0);
    }
    rig_expect_samples(rig, 20);
    assert_int_equal(rig_teardown((void **)&rig), 0);
    faultvfs_remove();
}

static void put_holder(struct store_rig *rig, const struct store_file_holder *row)
{
    rig_commit(rig, &(struct store_batch){.file_holders = row, .file_holder_count = 1});
}

static struct store_file_holder one_holder(struct store_rig *rig, const uint8_t file[32])
{
    struct store_file_holder *rows;
    size_t count = 0;
    rig_ok(rig, store_read_file_holders(rig->reader, file, &rig->arena, &rows, &count, &rig->e));
    assert_int_equal(count, 1);
    return rows[0];
}

/* What a scanner has said outlives every later word that the file is there. */
static void keeps_what_a_scanner_said(void **state)
{
    struct store_rig *rig = *state;
    struct store_file file = {.origin = 440000, .index = 7, .is_wanted = true};
    struct store_file_holder row = {.node = 510000, .state = 1, .keeps = true, .at_ms = 10}, *rows;
    size_t count = 0;
    rig_open(rig);
    store_sample_case_id(1, file.case_id);
    memset(file.file, 0xf1, sizeof file.file);
    memcpy(row.file, file.file, sizeof row.file);
    put_holder(rig, &row); /* no case holds the file: nothing is kept about it */
    rig_ok(rig, store_read_file_holders(rig->reader, row.file, &rig->arena, &rows, &count, &rig->e));
    assert_int_equal(count, 0);

    rig_commit(rig,
               &(struct store_batch){.files = &file, .file_count = 1, .file_holders = &row, .file_holder_count = 1});
    assert_int_equal(one_holder(rig, row.file).state, 1);
    row = (struct store_file_holder){.node = 510000, .state = 4, .at_ms = 20};
    memcpy(row.file, file.file, sizeof row.file);
    put_holder(rig, &row);
    row.state = 1;
    row.at_ms = 30;
    row.keeps = row.settles = true;
    put_holder(rig, &row);
    assert_int_equal(one_holder(rig, row.file).state, 4);
    assert_int_equal(one_holder(rig, row.file).at_ms, 20);
    struct store_file *wanted;
    rig_ok(rig, store_list_wanted_files(rig->reader, 10, &rig->arena, &wanted, &count, &rig->e));
    assert_int_equal(count, 0);                       /* settled all the same */
    assert_false(one_holder(rig, row.file).has_mark); /* as rows of earlier versions */
    row.keeps = false;
    put_holder(rig, &row);
    assert_int_equal(one_holder(rig, row.file).state, 1);
    row.state = 2;
    row.has_mark = true;
    memset(row.mark, 0x5a, sizeof row.mark);
    put_holder(rig, &row);
    row.has_mark = false;
    row.keeps = true;
    put_holder(rig, &row);
    assert_true(one_holder(rig, row.file).has_mark);
    assert_memory_equal(one_holder(rig, row.file).mark, row.mark, sizeof row.mark);
    rig_ok(rig, store_check(rig->reader, &rig->e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
        TEST(keeps_how_far_a_peer_is_confirmed),
        TEST(numbers_heads_leaves_like_a_recipient),
        TEST(keeps_notes_by_name),
        TEST(lists_erasures_by_case_and_by_what_is_open),
        TEST(keeps_a_hold_until_it_is_taken_off),
        TEST(lists_evidence_by_the_accused),
        TEST(keeps_what_is_due),
        TEST(keeps_what_proves_a_peers_entries),
        TEST(refuses_proofs_of_a_wrong_form),
        TEST(lists_cases_being_asked_for),
        TEST(lists_what_is_to_be_made_public),
        TEST(reads_second_leaves_with_the_case),
        TEST(keeps_what_a_scanner_said),
        TEST(keeps_keys_apart),
        TEST(refuses_keys_and_entries_together),
        TEST(lets_one_of_two_win),
        TEST(keeps_every_log_apart),
        TEST(notices_a_row_moved_from_outside),
        cmocka_unit_test(waits_for_the_disk_no_more_than_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
