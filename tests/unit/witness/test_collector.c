/* Policy and collector: quorums as numbers and as rounds, with witnesses that fail in every way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/crange.h"
#include "federation/witness/collector.h"
#include "node/base/xassert.h"

#define WITNESSES 4

struct rig {
    struct crypto_signer *log_key, *keys[WITNESSES];
    struct note_signer log, signers[WITNESSES];
    struct arena arena;
    struct policy policy;
    struct collector *collector;
    struct checkpoint head;
    struct buf note;
    uint64_t now_ms;
    /* of the last step */
    struct collector_update update;
};

static void host_head(void *ctx, struct checkpoint *ret, struct bytes *ret_note)
{
    struct rig *r = ctx;
    *ret = r->head;
    *ret_note = buf_bytes(&r->note);
}

static int host_consistency(void *ctx, uint64_t old, uint64_t size, struct merkle_proof *ret, struct err *e)
{
    (void)ctx, (void)old, (void)size, (void)e;
    ret->count = 1; /* the witnesses of this test do not look */
    return 0;
}

static void grow(struct rig *r, uint64_t size)
{
    struct crange range;
    crange_init(&range);
    for (uint64_t i = 0; i < size; i++) {
        struct merkle_hash hash = {{(uint8_t)i}};
        assert_int_equal(crange_append_leaf(&range, &hash, NULL), 0);
    }
    r->head.size = size;
    crange_root(&range, &r->head.root);
    (void)snprintf(r->head.origin, sizeof r->head.origin, "%s", r->log.key.name);
    buf_reset(&r->note);
    assert_int_equal(checkpoint_sign(&r->head, &r->log, &r->note, NULL), 0);
}

static int enter(void **state)
{
    struct rig *r = xcalloc(1, sizeof *r);
    struct buf text = {0};
    struct err e = {0};
    uint8_t seed[32] = {1};
    r->log_key = crypto_signer_create(seed);
    assert_int_equal(note_signer_init("log.example", NOTE_TYPE_ED25519, r->log_key, &r->log, NULL), 0);
    buf_put_string(&text, "# four witnesses\nlog ");
    note_verifier_format(&r->log.key, &text);
    for (unsigned i = 0; i < WITNESSES; i++) {
        char name[32];
        seed[0] = (uint8_t)(10 + i);
        r->keys[i] = crypto_signer_create(seed);
        (void)snprintf(name, sizeof name, "w%u.example", i);
        assert_int_equal(note_signer_init(name, NOTE_TYPE_COSIGNATURE, r->keys[i], &r->signers[i], NULL), 0);
        buf_printf(&text, "\nwitness w%u ", i);
        note_verifier_format(&r->signers[i].key, &text);
    }
    buf_put_string(&text, "\ngroup g 3 w0 w1 w2 w3\nquorum g\n");
    if (policy_parse(buf_bytes(&text), &r->arena, &r->policy, &e) != 0)
        fail_msg("%s", e.message);
    buf_close(&text);
    struct collector_config config = {.policy = &r->policy, .log = &r->log.key};
    struct collector_host host = {.ctx = r, .head = host_head, .consistency = host_consistency};
    r->collector = collector_create(&config, &host);
    r->now_ms = 1000;
    grow(r, 5);
    *state = r;
    return 0;
}

static int leave(void **state)
{
    struct rig *r = *state;
    collector_destroy(r->collector);
    for (unsigned i = 0; i < WITNESSES; i++)
        crypto_signer_destroy(r->keys[i]);
    crypto_signer_destroy(r->log_key);
    buf_close(&r->note);
    arena_close(&r->arena);
    free(r);
    return 0;
}

static void step(struct rig *r, struct collector_event event)
{
    event.now_ms = r->now_ms;
    r->update = (struct collector_update){.arena = &r->arena};
    collector_step(r->collector, &event, &r->update);
}

static const struct collector_action *find(const struct rig *r, enum collector_action_type type, size_t witness)
{
    for (size_t i = 0; i < r->update.count; i++)
        if (r->update.actions[i].type == type && r->update.actions[i].witness == witness)
            return &r->update.actions[i];
    return NULL;
}

static uint64_t asked(const struct rig *r, size_t witness)
{
    const struct collector_action *a = find(r, COLLECTOR_ACTION_ASK, witness);
    assert_non_null(a);
    return a->token;
}

/* @by answers as @witness. */
static void answer_signed(struct rig *r, size_t witness, size_t by, uint64_t token)
{
    struct buf line = {0};
    struct bytes text;
    size_t lines;
    assert_int_equal(note_peek(buf_bytes(&r->note), &text, &lines, NULL), 0);
    assert_int_equal(checkpoint_cosign(text, &r->signers[by], 1764000000, &line, NULL), 0);
    step(r, (struct collector_event){.type = COLLECTOR_EVENT_ANSWER,
                                     .witness = witness,
                                     .token = token,
                                     .status = 200,
                                     .body = buf_bytes(&line)});
    buf_close(&line);
}

static void all_up(struct rig *r, uint64_t tokens[WITNESSES])
{
    for (size_t i = 0; i < WITNESSES; i++)
        step(r, (struct collector_event){.type = COLLECTOR_EVENT_UP, .witness = i});
    step(r, (struct collector_event){.type = COLLECTOR_EVENT_HEAD, .urgent = true});
    for (size_t i = 0; i < WITNESSES; i++)
        tokens[i] = asked(r, i);
}

static void test_round(void **state)
{
    struct rig *r = *state;
    uint64_t tokens[WITNESSES], size;
    all_up(r, tokens);
    for (size_t i = 0; i < WITNESSES; i++) {
        assert_int_equal(collector_note(r->collector, &size).size > 0, i >= 3);
        answer_signed(r, i, i, tokens[i]);
        const struct collector_action *a = find(r, COLLECTOR_ACTION_COSIGNED, i);
        assert_non_null(a);
        assert_int_equal(a->satisfied, i >= 2);
        assert_int_equal(a->cosigned, i + 1);
    }
    struct checkpoint_opened opened;
    bool satisfied = false;
    struct bytes note = collector_note(r->collector, &size);
    assert_int_equal(size, 5);
    assert_int_equal(policy_open(&r->policy, note, &opened, NULL, &satisfied, NULL), 0);
    assert_true(satisfied && opened.cosigned_count == 4);
    answer_signed(r, 0, 0, tokens[0]); /* again: of no round any more */
    assert_int_equal(r->update.count, 0);
}

static void test_bad_answers(void **state)
{
    struct rig *r = *state;
    uint64_t tokens[WITNESSES], size;
    all_up(r, tokens);
    answer_signed(r, 0, 1, tokens[0]); /* ballot stuffing: another one's cosignature */
    assert_null(find(r, COLLECTOR_ACTION_COSIGNED, 0));
    assert_string_equal(find(r, COLLECTOR_ACTION_ALARM, 0)->alarm_id, "witness.bad-answer");
    step(r, (struct collector_event){.type = COLLECTOR_EVENT_ANSWER,
                                     .witness = 1,
                                     .token = tokens[1],
                                     .status = 200,
                                     .body = bytes_of_string("garbage\n")});
    assert_non_null(find(r, COLLECTOR_ACTION_ALARM, 1));
    step(r, (struct collector_event){.type = COLLECTOR_EVENT_FAILED, .witness = 2, .token = tokens[2]});
    answer_signed(r, 3, 3, tokens[3]);
    assert_int_equal(collector_note(r->collector, &size).size, 0);
    assert_true(collector_timeout(r->collector) > r->now_ms);
    r->now_ms = collector_timeout(r->collector); /* all that failed are asked again */
    step(r, (struct collector_event){.type = COLLECTOR_EVENT_TIME});
    uint64_t again[3] = {asked(r, 0), asked(r, 1), asked(r, 2)};
    for (size_t i = 0; i < 3; i++)
        answer_signed(r, i, i, again[i]);
    assert_int_equal(collector_note(r->collector, &size).size > 0, true);
}

static void test_conflict(void **state)
{
    struct rig *r = *state;
    uint64_t tokens[WITNESSES];
    all_up(r, tokens);
    struct collector_event event = {
        .type = COLLECTOR_EVENT_ANSWER, .token = tokens[0], .status = 409, .body = bytes_of_string("3\n")};
    step(r, event);
    const struct collector_action *a = find(r, COLLECTOR_ACTION_ASK, 0);
    assert_non_null(a); /* once more, from the size it named, with a proof */
    assert_true(a->body.size > 6 && memcmp(a->body.data, "old 3\n", 6) == 0);
    event.token = a->token;
    event.body = bytes_of_string("2\n");
    step(r, event);
    assert_null(find(r, COLLECTOR_ACTION_ASK, 0)); /* not a second time in one round */
    event = (struct collector_event){.type = COLLECTOR_EVENT_ANSWER,
                                     .witness = 1,
                                     .token = tokens[1],
                                     .status = 409,
                                     .body = bytes_of_string("9\n")};
    step(r, event);
    assert_int_equal(find(r, COLLECTOR_ACTION_BEHIND, 1)->size, 9); /* we are an old copy */
    event = (struct collector_event){.type = COLLECTOR_EVENT_ANSWER,
                                     .witness = 2,
                                     .token = tokens[2],
                                     .status = 409,
                                     .body = bytes_of_string("x\n")};
    step(r, event);
    assert_int_equal(r->update.count, 0);
}

static void test_new_head_waits(void **state)
{
    struct rig *r = *state;
    uint64_t tokens[WITNESSES], size;
    all_up(r, tokens);
    grow(r, 6);
    r->now_ms += 10;
    step(r, (struct collector_event){.type = COLLECTOR_EVENT_HEAD, .urgent = true});
    assert_int_equal(r->update.count, 0); /* rounds are round_min_ms apart */
    assert_int_equal(collector_timeout(r->collector),
                     1000 + 5000); /* a quorum may still come of the answers under way */
    for (size_t i = 0; i < 3; i++)
        step(r, (struct collector_event){.type = COLLECTOR_EVENT_FAILED, .witness = i, .token = tokens[i]});
    step(r, (struct collector_event){.type = COLLECTOR_EVENT_DOWN, .witness = 3});
    assert_int_equal(collector_timeout(r->collector), 2000); /* nothing to wait for */
    r->now_ms = 2000;
    step(r, (struct collector_event){.type = COLLECTOR_EVENT_TIME});
    assert_null(find(r, COLLECTOR_ACTION_ASK, 3));
    uint64_t second[3] = {asked(r, 0), asked(r, 1), asked(r, 2)};
    answer_signed(r, 0, 0, tokens[0]); /* late, for the head before */
    assert_int_equal(r->update.count, 0);
    for (size_t i = 0; i < 3; i++)
        answer_signed(r, i, i, second[i]);
    (void)collector_note(r->collector, &size);
    assert_int_equal(size, 6);
}

static void test_policy(void **state)
{
    struct rig *r = *state;
    static const size_t safe[][2] = {{0, 0}, {1, 1}, {2, 2},   {3, 2},   {4, 3},  {6, 4},
                                     {7, 5}, {9, 6}, {15, 10}, {20, 14}, {30, 20}};
    for (size_t i = 0; i < array_count(safe); i++)
        assert_int_equal(policy_safe_quorum(safe[i][0]), safe[i][1]);
    size_t needed, of;
    policy_quorum_size(&r->policy, &needed, &of);
    assert_true(needed == 3 && of == 4);
    struct buf text = {0}, again = {0};
    struct policy back;
    policy_format(&r->policy, &text);
    assert_int_equal(policy_parse(buf_bytes(&text), &r->arena, &back, NULL), 0);
    policy_format(&back, &again);
    assert_true(bytes_equal(buf_bytes(&text), buf_bytes(&again)));
    buf_put_string(&again, "group h any g\n");
    static const char *const bad[] = {
        "quorum g\n",          "group g 1 w0\n", "group h 2 w0\n", "group h 0 w0\n",     "group h 1 nobody\n",
        "group h 1 w0 w0\n",   "log x\n",        "witness w0 y\n", "witness w9 z z z\n", "what\n",
        "group none any w0\n", "group h any\n",  "\x01\n"};
    for (size_t i = 0; i < array_count(bad); i++) {
        struct buf one = {0};
        struct err e = {0};
        buf_put(&one, text.data, text.size);
        buf_put_string(&one, bad[i]);
        if (policy_parse(buf_bytes(&one), &r->arena, &back, &e) == 0)
            fail_msg("row %zu is taken", i);
        assert_true(strstr(e.message, "line 8") != NULL);
        buf_close(&one);
    }
    struct err e = {0};
    assert_int_equal(policy_parse(bytes_of_string("# nothing\n"), &r->arena, &back, &e), ERR_INVALID);
    assert_string_equal(e.id, "policy.no-quorum");
    buf_close(&text);
    buf_close(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round, enter, leave),
        cmocka_unit_test_setup_teardown(test_bad_answers, enter, leave),
        cmocka_unit_test_setup_teardown(test_conflict, enter, leave),
        cmocka_unit_test_setup_teardown(test_new_head_waits, enter, leave),
        cmocka_unit_test_setup_teardown(test_policy, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
