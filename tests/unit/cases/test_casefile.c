/* Case files: what is held, what waits, limits, tips, forks, supervision, races, levels, digests, and how little is
 * folded again. */
#include "node/cases/casefile.h"

#include <malloc.h>
#include <stdio.h>

#include "node/base/xassert.h"
#include "node/cases/casefile_internal.h"
#include "tests/unit/cases/case_builder.h"

static void test_empty(void **state)
{
    (void)state;
    struct casefile *file = builder_file();
    const struct case_state *s = casefile_state(file);
    const struct case_effect *effects;
    struct case_parent parents[LEAF_PARENTS_MAX];
    assert_int_equal(s->status, CASE_STATUS_NONE);
    assert_null(s->root);
    assert_string_equal(s->item_code, "");
    assert_string_equal(s->number, "");
    assert_int_equal(casefile_effects(file, &effects), 0);
    assert_int_equal(casefile_tips(file, parents), 0);
    assert_int_equal(casefile_missing(file, parents, LEAF_PARENTS_MAX), 0);
    casefile_destroy(file);
    casefile_destroy(NULL);
}

/* What it says it holds is what the heap has given; under a sanitizer that cannot be asked. */
static void test_bytes(void **state)
{
    (void)state;
    size_t before = mallinfo2().uordblks;
    struct casefile *file = builder_file();
    size_t empty = casefile_bytes(file);
    assert_in_range(empty, 500, 10000);
    struct case_event submit = builder_event(CASE_EVENT_SUBMIT);
    builder_add(file, &submit);
    for (unsigned i = 0; i < 400; i++)
        (void)builder_append(file, CASE_EVENT_NOTE);
    (void)casefile_state(file);
    size_t bytes = casefile_bytes(file);
    assert_in_range(bytes, empty + 400 * 200, empty + 400 * 1000);
    size_t grown = mallinfo2().uordblks - before;
    if (grown > 0)
        assert_in_range(grown, bytes, bytes + bytes / 8);
    casefile_destroy(file);
}

static void test_state_fields(void **state)
{
    (void)state;
    struct casefile *file = builder_file();
    struct case_event submit = builder_event(CASE_EVENT_SUBMIT);
    submit.division = 510104;
    submit.item_version = 3;
    submit.mode = CASE_MODE_COLLECT;
    builder_add(file, &submit);
    (void)builder_append(file, CASE_EVENT_IDENTITY);
    (void)builder_append(file, CASE_EVENT_FORM);
    (void)builder_append(file, CASE_EVENT_FORWARD);
    struct case_event receipt = builder_event(CASE_EVENT_RECEIPT);
    (void)snprintf(receipt.number, sizeof receipt.number, "number-1");
    builder_cite_tips(file, &receipt);
    builder_add(file, &receipt);
    const struct case_state *s = casefile_state(file);
    assert_memory_equal(s->root->id, submit.id, 32);
    assert_int_equal(s->receiving, RECEIVING);
    assert_int_equal(s->lead, LEAD);
    assert_int_equal(s->sequenced_lead, LEAD);
    assert_int_equal(s->division, 510104);
    assert_int_equal(s->item_version, 3);
    assert_int_equal(s->mode, CASE_MODE_COLLECT);
    assert_string_equal(s->item_code, submit.item_code);
    assert_string_equal(s->number, "number-1");
    assert_int_equal(s->created_hlc, submit.hlc);
    assert_int_equal(s->updated_hlc, receipt.hlc);
    assert_int_equal(s->event_count, 5);
    assert_int_equal(s->flags, CASE_FLAG_IDENTITY_CHECKED | CASE_FLAG_FORM_CHECKED);
    struct case_event pause = builder_event(CASE_EVENT_PAUSE);
    (void)builder_append(file, CASE_EVENT_ACCEPT);
    builder_cite_tips(file, &pause);
    builder_add(file, &pause);
    s = casefile_state(file);
    assert_int_equal(s->pause_kind, 1);
    assert_int_equal(s->expected_days, 30);
    assert_string_equal(s->reason, "material.missing");
    casefile_destroy(file);
}

/* Tentative until the lead cites it. */
static void test_levels(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_RECEIVED);
    assert_int_equal(casefile_state(file)->level, CASE_LEVEL_SEQUENCED); /* the root is the start of the sequence */
    (void)builder_append(file, CASE_EVENT_FORWARD);
    assert_int_equal(casefile_state(file)->level, CASE_LEVEL_TENTATIVE);
    assert_int_equal(casefile_state(file)->sequenced_status, CASE_STATUS_RECEIVED);
    (void)builder_append(file, CASE_EVENT_RECEIPT);
    assert_int_equal(casefile_state(file)->level, CASE_LEVEL_SEQUENCED);
    (void)builder_append(file, CASE_EVENT_WITHDRAW);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_WITHDRAWN);
    assert_int_equal(casefile_state(file)->sequenced_status, CASE_STATUS_ARRIVED);
    assert_int_equal(casefile_state(file)->level, CASE_LEVEL_TENTATIVE);
    (void)builder_append(file, CASE_EVENT_ACK);
    assert_int_equal(casefile_state(file)->sequenced_status, CASE_STATUS_WITHDRAWN);
    assert_int_equal(casefile_state(file)->level, CASE_LEVEL_SEQUENCED);
    casefile_destroy(file);
}

static void test_idempotent(void **state)
{
    (void)state;
    struct casefile *file = builder_file();
    struct case_event submit = builder_append(file, CASE_EVENT_SUBMIT);
    struct case_event note = builder_append(file, CASE_EVENT_IDENTITY);
    for (int i = 0; i < 3; i++) {
        builder_add(file, &note);
        builder_add(file, &submit);
    }
    assert_int_equal(casefile_state(file)->event_count, 2);
    casefile_destroy(file);
}

/* Events wait for parents, however deep, and are listed meanwhile. */
static void test_pending(void **state)
{
    (void)state;
    struct casefile *whole = builder_file();
    struct case_event chain[6];
    static const uint16_t types[] = {CASE_EVENT_SUBMIT,  CASE_EVENT_IDENTITY, CASE_EVENT_FORM,
                                     CASE_EVENT_FORWARD, CASE_EVENT_RECEIPT,  CASE_EVENT_ACCEPT};
    for (size_t i = 0; i < 6; i++)
        chain[i] = builder_append(whole, types[i]);

    struct casefile *file = builder_file();
    for (size_t i = 5; i > 0; i--) {
        builder_add(file, &chain[i]);
        struct case_parent missing[LEAF_PARENTS_MAX];
        assert_int_equal(casefile_missing(file, missing, LEAF_PARENTS_MAX), 1);
        assert_memory_equal(missing[0].id, chain[i - 1].id, 32);
        assert_int_equal(missing[0].index, chain[i - 1].index);
        assert_int_equal(casefile_missing(file, missing, 0), 0);
        assert_int_equal(casefile_state(file)->pending_count, 6 - i);
        assert_int_equal(casefile_state(file)->event_count, 0);
        const struct case_effect *effects;
        assert_int_equal(casefile_effects(file, &effects), 6 - i);
        assert_int_equal(effects[0].kind, CASE_EFFECT_PENDING);
        assert_int_equal(casefile_tips(file, missing), 0); /* what waits is not cited */
    }
    builder_add(file, &chain[0]);
    assert_int_equal(casefile_state(file)->pending_count, 0);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_ACCEPTED);
    struct buf a = {0}, b = {0};
    casefile_digest_input(file, &a);
    casefile_digest_input(whole, &b);
    assert_true(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
    assert_true(a.size > 100);
    buf_close(&a);
    buf_close(&b);
    casefile_destroy(file);
    casefile_destroy(whole);
}

/* Two events that wait for the same parent ask for it once; a self-citing event waits for ever and harms nobody. */
static void test_missing_once(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_RECEIVED);
    struct case_event unseen = builder_event(CASE_EVENT_NOTE);
    for (int i = 0; i < 3; i++) {
        struct case_event note = builder_event(CASE_EVENT_NOTE);
        builder_cite(&note, &unseen);
        builder_cite(&note, &unseen);
        builder_add(file, &note);
    }
    struct case_event loop = builder_event(CASE_EVENT_NOTE);
    builder_cite(&loop, &loop);
    builder_add(file, &loop);
    struct case_parent missing[4];
    assert_int_equal(casefile_missing(file, missing, 4), 2);
    assert_memory_equal(missing[0].id, unseen.id, 32);
    assert_memory_equal(missing[1].id, loop.id, 32);
    builder_cite_tips(file, &unseen);
    builder_add(file, &unseen);
    assert_int_equal(casefile_state(file)->pending_count, 1);
    casefile_destroy(file);
}

static void test_limits(void **state)
{
    (void)state;
    struct err e;
    struct casefile *file = builder_file();
    struct case_event too_many = builder_event(CASE_EVENT_NOTE);
    too_many.parent_count = LEAF_PARENTS_MAX + 1;
    assert_int_equal(casefile_add(file, &too_many, &e), ERR_LIMIT);
    assert_string_equal(e.id, "case.parents");

    /* Of each author the first ones count, whatever the others write and however long they wait for a parent. */
    struct case_event unseen = builder_event(CASE_EVENT_SUBMIT);
    for (unsigned i = 0; i < CASE_EVENTS_PER_NODE_MAX; i++) {
        struct case_event note = builder_event(CASE_EVENT_NOTE);
        note.origin = 330000;
        builder_cite(&note, &unseen);
        builder_add(file, &note);
    }
    struct case_event over = builder_event(CASE_EVENT_NOTE);
    over.origin = 330000;
    assert_int_equal(casefile_add(file, &over, &e), ERR_LIMIT);
    assert_string_equal(e.id, "case.events");
    assert_non_null(strstr(e.message, "330000"));
    assert_non_null(strstr(e.message, "500"));
    builder_add(file, &unseen); /* another author's still gets in, and what waited for it is folded */
    assert_int_equal(casefile_state(file)->pending_count, 0);
    assert_int_equal(casefile_state(file)->event_count, CASE_EVENTS_PER_NODE_MAX + 1);

    for (uint32_t node = 0; node < CASE_NODES_MAX - 2; node++) {
        struct case_event stranger = builder_event(CASE_EVENT_NOTE);
        stranger.origin = 600000 + node;
        builder_add(file, &stranger);
    }
    struct case_event one_more = builder_event(CASE_EVENT_NOTE);
    one_more.origin = 700000;
    assert_int_equal(casefile_add(file, &one_more, &e), ERR_LIMIT);
    assert_string_equal(e.id, "case.nodes");
    casefile_destroy(file);
}

static bool cites(const struct case_parent *parents, unsigned count, const struct case_event *e)
{
    for (unsigned i = 0; i < count; i++)
        if (memcmp(parents[i].id, e->id, 32) == 0)
            return true;
    return false;
}

/* More tips than a leaf can cite: the newest, in canonical order; the rest is cited by the next events. */
static void test_tips(void **state)
{
    (void)state;
    struct casefile *file = builder_file();
    struct case_event submit = builder_append(file, CASE_EVENT_SUBMIT);
    struct case_event notes[20];
    for (unsigned i = 0; i < 20; i++) {
        notes[i] = builder_event(CASE_EVENT_NOTE);
        notes[i].origin = i % 2 == 0 ? LEAD : RECEIVING;
        builder_cite(&notes[i], &submit);
        builder_add(file, &notes[i]);
    }
    struct case_parent tips[LEAF_PARENTS_MAX];
    assert_int_equal(casefile_tips(file, tips), LEAF_PARENTS_MAX);
    for (unsigned i = 0; i < LEAF_PARENTS_MAX; i++) {
        assert_true(i == 0 || tips[i - 1].origin < tips[i].origin ||
                    (tips[i - 1].origin == tips[i].origin && tips[i - 1].index < tips[i].index));
        assert_true(cites(tips, LEAF_PARENTS_MAX, &notes[12 + i]));
    }
    unsigned rounds = 0;
    while (casefile_tips(file, tips) > 1) {
        (void)builder_append(file, CASE_EVENT_NOTE);
        assert_true(++rounds < 5);
    }
    casefile_destroy(file);
}

/* Of a fork only one leaf can be cited: parents strictly increase. */
static void test_tips_of_a_fork(void **state)
{
    (void)state;
    struct casefile *file = builder_file();
    struct case_event submit = builder_append(file, CASE_EVENT_SUBMIT);
    struct case_event one = builder_event(CASE_EVENT_NOTE), two = builder_event(CASE_EVENT_NOTE);
    two.index = one.index;
    builder_cite(&one, &submit);
    builder_cite(&two, &submit);
    builder_add(file, &one);
    struct err e;
    assert_int_equal(casefile_add(file, &two, &e), ERR_CONFLICT);
    assert_string_equal(e.id, "case.forked");
    struct case_parent tips[LEAF_PARENTS_MAX];
    assert_int_equal(casefile_tips(file, tips), 1);
    casefile_destroy(file);
}

static void digest(struct casefile *file, struct buf *out)
{
    *out = (struct buf){0};
    casefile_digest_input(file, out);
}

/* The lead writes two leaves at one index: its events from there on are invalid and the case is frozen, whichever came
 * first, and also on a node that holds one of them and learns of the other as evidence. */
static void test_lead_forks(void **state)
{
    (void)state;
    struct casefile *base = builder_file();
    struct case_event way[5];
    static const uint16_t types[] = {CASE_EVENT_SUBMIT, CASE_EVENT_IDENTITY, CASE_EVENT_FORM, CASE_EVENT_FORWARD,
                                     CASE_EVENT_RECEIPT};
    for (size_t i = 0; i < 5; i++)
        way[i] = builder_append(base, types[i]);
    struct case_event accept = builder_event(CASE_EVENT_ACCEPT), refuse = builder_event(CASE_EVENT_REFUSE);
    refuse.index = accept.index;
    builder_cite_tips(base, &accept);
    builder_cite_tips(base, &refuse);
    struct buf first = {0};
    for (int order = 0; order < 4; order++) {
        struct casefile *file = builder_file();
        for (size_t i = 0; i < 5; i++)
            builder_add(file, &way[i]);
        const struct case_event *a = order % 2 == 0 ? &accept : &refuse, *b = order % 2 == 0 ? &refuse : &accept;
        builder_add(file, a);
        assert_int_equal(casefile_state(file)->status, a == &accept ? CASE_STATUS_ACCEPTED : CASE_STATUS_REFUSED);
        if (order < 2) {
            assert_int_equal(casefile_add(file, b, NULL), ERR_CONFLICT);
            assert_int_equal(casefile_add(file, b, NULL), 0); /* held */
        } else {
            casefile_mark_forked(file, LEAD, accept.index);
        }
        const struct case_state *s = casefile_state(file);
        assert_int_equal(s->status, CASE_STATUS_FROZEN);
        assert_int_equal(s->sequenced_status, CASE_STATUS_FROZEN);
        assert_int_equal(s->sequenced_count, 5);
        assert_true((s->flags & CASE_FLAG_FROZEN) != 0);
        assert_int_equal(builder_effect(file, a)->why, CASE_WHY_FORKED);
        struct buf now;
        digest(file, &now);
        if (order == 0)
            first = now;
        assert_true(bytes_equal(buf_bytes(&first), buf_bytes(&now)));
        if (order > 0)
            buf_close(&now);

        struct case_event withdraw = builder_append(file, CASE_EVENT_WITHDRAW);
        assert_int_equal(builder_effect(file, &withdraw)->why, CASE_WHY_FROZEN);
        struct case_event note = builder_event(CASE_EVENT_NOTE);
        note.origin = RECEIVING;
        builder_cite_tips(file, &note);
        builder_add(file, &note);
        assert_int_equal(builder_effect(file, &note)->kind, CASE_EFFECT_OK);
        casefile_destroy(file);
    }
    buf_close(&first);
    casefile_destroy(base);
}

/* A supervisor names another lead and the last leaf that counts; then the case goes on. */
static void test_supervise_thaws(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_ARRIVED);
    struct case_parent last[LEAF_PARENTS_MAX];
    assert_int_equal(casefile_tips(file, last), 1);
    struct case_event accept = builder_append(file, CASE_EVENT_ACCEPT);
    casefile_mark_forked(file, LEAD, accept.index);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_FROZEN);

    struct case_event s = builder_event(CASE_EVENT_SUPERVISE);
    s.parents[s.parent_count++] = last[0];
    s.has_last_leaf = true;
    s.last_leaf = last[0].index;
    builder_add(file, &s);
    assert_int_equal(builder_effect(file, &s)->kind, CASE_EFFECT_OK);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_ARRIVED);
    assert_int_equal(casefile_state(file)->lead, OTHER);
    assert_true((casefile_state(file)->flags & CASE_FLAG_SUPERVISED) != 0);
    assert_int_equal(builder_effect(file, &accept)->kind, CASE_EFFECT_DENIED);

    struct case_event again = builder_event(CASE_EVENT_ACCEPT);
    again.origin = OTHER;
    builder_cite_tips(file, &again);
    builder_add(file, &again);
    assert_int_equal(builder_effect(file, &again)->kind, CASE_EFFECT_OK);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_ACCEPTED);
    assert_int_equal(casefile_state(file)->level, CASE_LEVEL_SEQUENCED);
    casefile_destroy(file);
}

/* LAST_LEAF cuts off even events of the old lead that the supervisor had seen; one that is not cited is no bound. */
static void test_supervise_cuts_off(void **state)
{
    (void)state;
    static const struct {
        bool has_last_leaf, is_cited;
        uint8_t supervise, accept, status;
    } rows[] = {
        {false, true, CASE_EFFECT_OK, CASE_EFFECT_OK, CASE_STATUS_ACCEPTED},
        {true, true, CASE_EFFECT_OK, CASE_EFFECT_DENIED, CASE_STATUS_ARRIVED},
        {true, false, CASE_EFFECT_DENIED, CASE_EFFECT_OK, CASE_STATUS_ACCEPTED},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct casefile *file = builder_case_at(CASE_STATUS_ARRIVED);
        struct case_parent last[LEAF_PARENTS_MAX];
        (void)casefile_tips(file, last);
        struct case_event accept = builder_append(file, CASE_EVENT_ACCEPT);
        struct case_event s = builder_event(CASE_EVENT_SUPERVISE);
        s.has_last_leaf = rows[i].has_last_leaf;
        s.last_leaf = last[0].index;
        builder_cite_tips(file, &s);
        if (rows[i].is_cited)
            s.parents[s.parent_count++] = last[0];
        builder_add(file, &s);
        assert_int_equal(builder_effect(file, &s)->kind, rows[i].supervise);
        assert_int_equal(builder_effect(file, &accept)->kind, rows[i].accept);
        assert_int_equal(casefile_state(file)->status, rows[i].status);
        if (rows[i].accept == CASE_EFFECT_DENIED)
            assert_int_equal(builder_effect(file, &accept)->why, CASE_WHY_CUT_OFF);
        casefile_destroy(file);
    }
}

/* Evidence may run ahead: events of the lead before the fork still count when they become complete after the freeze. */
static void test_before_the_fork_counts(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_ARRIVED);
    struct case_event unseen = builder_event(CASE_EVENT_NOTE), accept = builder_event(CASE_EVENT_ACCEPT);
    unseen.origin = RECEIVING;
    builder_cite_tips(file, &unseen);
    builder_cite(&accept, &unseen);
    builder_add(file, &accept);
    casefile_mark_forked(file, LEAD, accept.index + 1);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_FROZEN);
    builder_add(file, &unseen);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_FROZEN);
    assert_int_equal(builder_effect(file, &accept)->kind, CASE_EFFECT_OK);
    assert_true(builder_effect(file, &accept)->sequenced);
    casefile_destroy(file);
}

/* A fork by a node that does not lead takes nothing back. */
static void test_other_forks(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_ARRIVED);
    struct case_event withdraw = builder_append(file, CASE_EVENT_WITHDRAW);
    (void)builder_append(file, CASE_EVENT_ACK);
    struct case_event other = builder_event(CASE_EVENT_NOTE);
    other.origin = RECEIVING;
    other.index = withdraw.index;
    builder_cite_tips(file, &other);
    assert_int_equal(casefile_add(file, &other, NULL), ERR_CONFLICT);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_WITHDRAWN);
    assert_true((casefile_state(file)->flags & CASE_FLAG_CONTESTED) != 0);
    assert_true((casefile_state(file)->flags & CASE_FLAG_FROZEN) == 0);
    casefile_destroy(file);
}

/* Two roots: the smaller id counts on every node. */
static void test_two_roots(void **state)
{
    (void)state;
    struct case_event one = builder_event(CASE_EVENT_SUBMIT), two = builder_event(CASE_EVENT_SUBMIT);
    two.origin = OTHER;
    one.id[0] = 1;
    two.id[0] = 0;
    for (int order = 0; order < 2; order++) {
        struct casefile *file = builder_file();
        builder_add(file, order == 0 ? &one : &two);
        builder_add(file, order == 0 ? &two : &one);
        assert_int_equal(casefile_state(file)->receiving, OTHER);
        assert_int_equal(builder_effect(file, &one)->why, CASE_WHY_SECOND_ROOT);
        assert_true((casefile_state(file)->flags & CASE_FLAG_CONTESTED) != 0);
        /* What followed only from the other one is stray. */
        struct case_event identity = builder_event(CASE_EVENT_IDENTITY);
        builder_cite(&identity, &one);
        builder_add(file, &identity);
        assert_int_equal(builder_effect(file, &identity)->why, CASE_WHY_STRAY);
        casefile_destroy(file);
    }
}

/* A case id that names its receiving node leaves no room for another node's root, however small its id. */
static void test_id_names_the_node(void **state)
{
    (void)state;
    uint8_t case_id[CASE_ID_SIZE] = {0};
    put_be32(case_id, RECEIVING);
    struct case_event own = builder_event(CASE_EVENT_SUBMIT), other = builder_event(CASE_EVENT_SUBMIT);
    other.origin = OTHER;
    own.id[0] = 1;
    other.id[0] = 0;
    for (int order = 0; order < 2; order++) {
        struct casefile *file = casefile_create(case_id);
        builder_add(file, order == 0 ? &own : &other);
        builder_add(file, order == 0 ? &other : &own);
        assert_int_equal(casefile_state(file)->receiving, RECEIVING);
        assert_int_equal(builder_effect(file, &other)->why, CASE_WHY_SECOND_ROOT);
        casefile_destroy(file);
    }
}

static void test_bad_events(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        bool has_parents, wrong_origin, wrong_index;
        uint16_t type;
        uint8_t kind, why;
    } rows[] = {
        {"no parents", false, false, false, CASE_EVENT_NOTE, CASE_EFFECT_DENIED, CASE_WHY_STRAY},
        {"origin of the citation", true, true, false, CASE_EVENT_NOTE, CASE_EFFECT_DENIED, CASE_WHY_CITATION},
        {"index of the citation", true, false, true, CASE_EVENT_NOTE, CASE_EFFECT_DENIED, CASE_WHY_CITATION},
        {"unknown type", true, false, false, 999, CASE_EFFECT_NOOP, CASE_WHY_TYPE_UNKNOWN},
        {"type 0", true, false, false, 0, CASE_EFFECT_NOOP, CASE_WHY_TYPE_UNKNOWN},
        {"root with parents", true, false, false, CASE_EVENT_SUBMIT, CASE_EFFECT_GUARD, CASE_WHY_ROOT_HAS_PARENTS},
        {"a second root", false, false, false, CASE_EVENT_SUBMIT, CASE_EFFECT_GUARD, CASE_WHY_SECOND_ROOT},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct casefile *file = builder_case_at(CASE_STATUS_ARRIVED);
        struct case_event e = builder_event(rows[i].type);
        memset(e.id, 0xff, 16);
        if (rows[i].has_parents)
            builder_cite_tips(file, &e);
        e.parents[0].origin += rows[i].wrong_origin;
        e.parents[0].index += rows[i].wrong_index;
        builder_add(file, &e);
        const struct case_effect *f = builder_effect(file, &e);
        if (f->kind != rows[i].kind || f->why != rows[i].why)
            fail_msg("%s: %s %s", rows[i].what, case_effect_name(f->kind), case_why_code(f->why));
        assert_int_equal(casefile_state(file)->status, CASE_STATUS_ARRIVED);
        casefile_destroy(file);
    }
    struct casefile *file = builder_file();
    struct case_event note = builder_append(file, CASE_EVENT_NOTE);
    assert_int_equal(builder_effect(file, &note)->why, CASE_WHY_NO_ROOT);
    casefile_destroy(file);
}

/* The same request of the same author takes effect once; another author's has nothing to do with it. */
static void test_repeated_request(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_ARRIVED);
    struct case_event events[4];
    static const uint32_t authors[] = {RECEIVING, RECEIVING, LEAD, RECEIVING};
    static const uint8_t kinds[] = {CASE_EFFECT_OK, CASE_EFFECT_NOOP, CASE_EFFECT_OK, CASE_EFFECT_OK};
    for (size_t i = 0; i < 4; i++) {
        events[i] = builder_event(CASE_EVENT_NOTE);
        events[i].origin = authors[i];
        events[i].has_request = true;
        events[i].request[7] = i < 3 ? 1 : 2;
        builder_cite_tips(file, &events[i]);
        builder_add(file, &events[i]);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(builder_effect(file, &events[i])->kind, kinds[i]);
    assert_int_equal(builder_effect(file, &events[1])->why, CASE_WHY_REPEATED);
    casefile_destroy(file);
}

/* A request that was refused is not used up: the same one may take effect when something else has changed. */
static void test_refused_request_is_not_used_up(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_FORWARDED);
    struct case_event accept = builder_event(CASE_EVENT_ACCEPT);
    accept.has_request = true;
    builder_cite_tips(file, &accept);
    builder_add(file, &accept);
    assert_int_equal(builder_effect(file, &accept)->kind, CASE_EFFECT_GUARD);
    (void)builder_append(file, CASE_EVENT_RECEIPT);
    struct case_event again = builder_event(CASE_EVENT_ACCEPT);
    again.has_request = true;
    builder_cite_tips(file, &again);
    builder_add(file, &again);
    assert_int_equal(builder_effect(file, &again)->kind, CASE_EFFECT_OK);
    casefile_destroy(file);
}

/* The race of the vectors under the law's own rules: who wins when the applicant withdraws while the node decides. */
static void test_withdrawal_race(void **state)
{
    (void)state;
    enum { KNEW_DECISION, CROSSED, CROSSED_DELIVERED, DECIDER_KNEW };
    static const struct {
        int situation;
        uint8_t kind, why, status, closed_as;
        uint32_t flag;
    } rows[] = {
        {KNEW_DECISION, CASE_EFFECT_LATE, CASE_WHY_DECISION_KNOWN, CASE_STATUS_CLOSED_GRANTED,
         CASE_STATUS_CLOSED_GRANTED, CASE_FLAG_LATE_WITHDRAWAL},
        {CROSSED, CASE_EFFECT_OK, CASE_WHY_VOIDS, CASE_STATUS_WITHDRAWN, 0, CASE_FLAG_DECISION_VOIDED},
        {CROSSED_DELIVERED, CASE_EFFECT_LATE, CASE_WHY_DELIVERED, CASE_STATUS_DELIVERED, CASE_STATUS_CLOSED_GRANTED,
         CASE_FLAG_LATE_WITHDRAWAL},
        {DECIDER_KNEW, CASE_EFFECT_OK, CASE_WHY_APPLIED, CASE_STATUS_WITHDRAWN, 0, 0},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct casefile *file = builder_case_at(CASE_STATUS_PROCESSING);
        struct case_event withdraw = builder_event(CASE_EVENT_WITHDRAW);
        builder_cite_tips(file, &withdraw);
        if (rows[i].situation == DECIDER_KNEW)
            builder_add(file, &withdraw);
        struct case_event decide = builder_append(file, CASE_EVENT_DECIDE);
        (void)builder_append(file, CASE_EVENT_CLOSE);
        if (rows[i].situation == CROSSED_DELIVERED)
            (void)builder_append(file, CASE_EVENT_DELIVER);
        if (rows[i].situation == KNEW_DECISION)
            builder_cite_tips(file, &withdraw);
        builder_add(file, &withdraw);
        (void)builder_append(file, CASE_EVENT_ACK);
        const struct case_effect *f = builder_effect(file, &withdraw);
        assert_int_equal(f->kind, rows[i].kind);
        assert_int_equal(f->why, rows[i].why);
        const struct case_state *s = casefile_state(file);
        assert_int_equal(s->status, rows[i].status);
        assert_int_equal(s->sequenced_status, rows[i].status);
        assert_int_equal(s->closed_as, rows[i].closed_as);
        assert_int_equal(s->flags & (CASE_FLAG_LATE_WITHDRAWAL | CASE_FLAG_DECISION_VOIDED), rows[i].flag);
        assert_int_equal(s->decision_event != NULL, rows[i].kind == CASE_EFFECT_LATE);
        if (rows[i].why == CASE_WHY_VOIDS)
            assert_memory_equal(f->voids->id, decide.id, 32);
        casefile_destroy(file);
    }
}

/* A correction that crossed the refusal is late; cited by it, it counts. */
static void test_supplement_race(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_CORRECTING);
    struct case_event supplement = builder_event(CASE_EVENT_SUPPLEMENT);
    builder_cite_tips(file, &supplement);
    (void)builder_append(file, CASE_EVENT_REFUSE);
    builder_add(file, &supplement);
    assert_int_equal(builder_effect(file, &supplement)->kind, CASE_EFFECT_LATE);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_REFUSED);
    casefile_destroy(file);
}

/* The lead's event that waits for a parent holds up its later ones. */
static void test_lead_is_held_up(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_ARRIVED);
    uint32_t sequenced = casefile_state(file)->sequenced_count;
    struct case_event unseen = builder_event(CASE_EVENT_NOTE);
    struct case_event correct = builder_event(CASE_EVENT_CORRECT), accept = builder_event(CASE_EVENT_ACCEPT);
    unseen.origin = RECEIVING;
    builder_cite_tips(file, &unseen);
    builder_cite(&correct, &unseen);
    builder_cite_tips(file, &accept); /* does not cite its author's last event */
    builder_add(file, &correct);
    builder_add(file, &accept);
    assert_int_equal(casefile_state(file)->status, CASE_STATUS_ACCEPTED);
    assert_int_equal(casefile_state(file)->level, CASE_LEVEL_TENTATIVE);
    assert_int_equal(casefile_state(file)->sequenced_count, sequenced);
    builder_add(file, &unseen);
    assert_int_equal(casefile_state(file)->sequenced_count, sequenced + 3);
    assert_int_equal(builder_effect(file, &correct)->kind, CASE_EFFECT_OK);
    casefile_destroy(file);
}

/* The ordinary course folds everything once, at the root, and each event once after it. */
static void test_incremental(void **state)
{
    (void)state;
    struct casefile *file = builder_case_at(CASE_STATUS_ARCHIVED);
    assert_int_equal(file->replay.all_count, 1);
    struct case_event late = builder_event(CASE_EVENT_NOTE); /* crosses everything: the suffix is folded again */
    late.origin = RECEIVING;
    const struct case_held *root = casefile_state(file)->root;
    late.parents[late.parent_count++] = (struct case_parent){.origin = root->origin, .index = root->index};
    memcpy(late.parents[0].id, root->id, 32);
    builder_add(file, &late);
    assert_int_equal(builder_effect(file, &late)->kind, CASE_EFFECT_OK);
    assert_int_equal(file->replay.all_count, 1);
    casefile_destroy(file);
}

static void test_digest_tells_cases_apart(void **state)
{
    (void)state;
    struct casefile *one = builder_file(), *two = builder_file();
    struct case_event submit = builder_append(one, CASE_EVENT_SUBMIT);
    builder_add(two, &submit);
    struct case_event identity = builder_event(CASE_EVENT_IDENTITY), same_but_role = identity;
    builder_cite_tips(one, &identity);
    builder_cite_tips(two, &same_but_role);
    same_but_role.role = CASE_ROLE_DECIDER; /* another effect under the same id: cannot be, but must show */
    builder_add(one, &identity);
    builder_add(two, &same_but_role);
    struct buf a, b;
    digest(one, &a);
    digest(two, &b);
    assert_int_equal(a.size, b.size);
    assert_false(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
    buf_close(&a);
    buf_close(&b);
    casefile_destroy(one);
    casefile_destroy(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_state_fields),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_idempotent),
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_missing_once),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_tips),
        cmocka_unit_test(test_tips_of_a_fork),
        cmocka_unit_test(test_lead_forks),
        cmocka_unit_test(test_supervise_thaws),
        cmocka_unit_test(test_supervise_cuts_off),
        cmocka_unit_test(test_before_the_fork_counts),
        cmocka_unit_test(test_other_forks),
        cmocka_unit_test(test_two_roots),
        cmocka_unit_test(test_id_names_the_node),
        cmocka_unit_test(test_bad_events),
        cmocka_unit_test(test_repeated_request),
        cmocka_unit_test(test_refused_request_is_not_used_up),
        cmocka_unit_test(test_withdrawal_race),
        cmocka_unit_test(test_supplement_race),
        cmocka_unit_test(test_lead_is_held_up),
        cmocka_unit_test(test_incremental),
        cmocka_unit_test(test_digest_tells_cases_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
