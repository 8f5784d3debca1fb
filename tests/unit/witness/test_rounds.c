/* Collector against real witnesses: a growing ledger with real proofs, witness_judge() behind every question, and answers that
 * come late, twice, wrong or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "federation/witness/collector.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"
#include "tests/lib/naive_tree.h"

#define WITNESSES_MAX 100
#define PENDING_MAX 1024
#define LOG "110000.tongban.example/log/1"

struct question {
    size_t witness;
    uint64_t token;
    struct buf body;
};

struct rig {
    size_t count;
    struct crypto_signer *log_key, *keys[WITNESSES_MAX];
    struct note_signer log, signers[WITNESSES_MAX];
    struct witness_state kept[WITNESSES_MAX];
    struct arena mem;
    struct policy policy;
    struct naive_tree tree;
    struct checkpoint head;
    struct buf note;
    bool is_broken; /* the host gives no proofs */
    struct collector *collector;
    uint64_t now_ms, wall_s;
    struct question pending[PENDING_MAX]; /* asked, not answered */
    size_t pending_count;
    /* of the last step */
    struct arena turn;
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
    struct rig *r = ctx;
    assert_true(old > 0 && old < size && size <= r->head.size);
    if (r->is_broken)
        return err_set(e, ERR_CLOSED, "ledger.closed", "no proofs today");
    naive_tree_consistency(&r->tree, old, size, ret);
    return 0;
}

static void grow(struct rig *r, uint64_t size)
{
    while (r->tree.size < size)
        naive_tree_add(&r->tree, bytes_of(&r->tree.size, sizeof r->tree.size));
    r->head.size = size;
    naive_tree_hash(&r->tree, 0, size, &r->head.root);
    (void)snprintf(r->head.origin, sizeof r->head.origin, "%s", LOG);
    buf_reset(&r->note);
    assert_int_equal(checkpoint_sign(&r->head, &r->log, &r->note, NULL), 0);
}

static void make_collector(struct rig *r)
{
    struct collector_config config = {.policy = &r->policy, .log = &r->log.key};
    struct collector_host host = {.ctx = r, .head = host_head, .consistency = host_consistency};
    collector_destroy(r->collector);
    r->collector = collector_create(&config, &host);
}

/* @quorum: last lines of the policy; NULL: @needed of all. */
static struct rig *rig_open(size_t count, size_t needed, const char *quorum)
{
    struct rig *r = xcalloc(1, sizeof *r);
    struct buf text = {0}, group = {0};
    struct err e = {0};
    r->count = count;
    r->now_ms = 1000000;
    r->wall_s = 1764000000;
    r->log_key = crypto_signer_create((const uint8_t[32]){1});
    assert_int_equal(note_signer_init(LOG, NOTE_TYPE_ED25519, r->log_key, &r->log, NULL), 0);
    buf_put_string(&text, "log ");
    note_verifier_format(&r->log.key, &text);
    for (size_t i = 0; i < count; i++) {
        char name[48];
        r->keys[i] = crypto_signer_create((const uint8_t[32]){2, (uint8_t)i});
        (void)snprintf(name, sizeof name, "%zu.tongban.example/witness", i);
        assert_int_equal(note_signer_init(name, NOTE_TYPE_COSIGNATURE, r->keys[i], &r->signers[i], NULL), 0);
        merkle_empty_root(&r->kept[i].root);
        buf_printf(&text, "\nwitness w%zu ", i);
        note_verifier_format(&r->signers[i].key, &text);
        buf_printf(&group, " w%zu", i);
    }
    if (quorum != NULL)
        buf_printf(&text, "\n%s", quorum);
    else
        buf_printf(&text, "\ngroup members %zu%s\nquorum members\n", needed, buf_cstr(&group));
    if (policy_parse(arena_bytes(&r->mem, buf_bytes(&text)), &r->mem, &r->policy, &e) != 0)
        fail_msg("%s", e.message);
    make_collector(r);
    buf_close(&group);
    buf_close(&text);
    return r;
}

static void rig_close(struct rig *r)
{
    collector_destroy(r->collector);
    for (size_t i = 0; i < r->pending_count; i++)
        buf_close(&r->pending[i].body);
    for (size_t i = 0; i < r->count; i++)
        crypto_signer_destroy(r->keys[i]);
    crypto_signer_destroy(r->log_key);
    naive_tree_close(&r->tree);
    buf_close(&r->note);
    arena_close(&r->turn);
    arena_close(&r->mem);
    free(r);
}

/* One step; questions go to `pending`. Checks what holds of every update. */
static void step(struct rig *r, struct collector_event event)
{
    arena_close(&r->turn);
    event.now_ms = r->now_ms;
    r->update = (struct collector_update){.arena = &r->turn};
    collector_step(r->collector, &event, &r->update);
    for (size_t i = 0; i < r->update.count; i++) {
        const struct collector_action *a = &r->update.actions[i];
        if (a->type == COLLECTOR_ACTION_ASK) {
            for (size_t k = 0; k < r->pending_count; k++) /* one at a time, unless that one was given up */
                assert_true(r->pending[k].token != a->token);
            assert_true(r->pending_count < PENDING_MAX && a->timeout_ms == 5000);
            struct question *q = &r->pending[r->pending_count++];
            *q = (struct question){.witness = a->witness, .token = a->token};
            buf_put(&q->body, a->body.data, a->body.size);
        } else if (a->type == COLLECTOR_ACTION_COSIGNED) {
            struct checkpoint_opened opened;
            bool satisfied = false;
            struct err e = {0};
            if (policy_open(&r->policy, a->note, &opened, NULL, &satisfied, &e) != 0)
                fail_msg("a note that does not open: %s", e.message);
            assert_int_equal(opened.cosigned_count, a->cosigned);
            assert_int_equal(opened.head.size, a->size);
            assert_int_equal(satisfied, a->satisfied);
        }
    }
    uint64_t at = collector_timeout(r->collector); /* nothing is due that was not done */
    assert_true(at > r->now_ms);
}

static void simple(struct rig *r, enum collector_event_type type, size_t witness)
{
    step(r, (struct collector_event){.type = type, .witness = witness, .urgent = true});
}

static void time_to(struct rig *r, uint64_t ms)
{
    r->now_ms = ms;
    simple(r, COLLECTOR_EVENT_TIME, 0);
}

static const struct collector_action *find(const struct rig *r, enum collector_action_type type)
{
    for (size_t i = 0; i < r->update.count; i++)
        if (r->update.actions[i].type == type)
            return &r->update.actions[i];
    return NULL;
}

static size_t find_question(const struct rig *r, size_t witness)
{
    for (size_t i = 0; i < r->pending_count; i++)
        if (r->pending[i].witness == witness)
            return i;
    fail_msg("witness %zu was not asked", witness);
    return 0;
}

static bool is_asked(const struct rig *r, size_t witness)
{
    for (size_t i = 0; i < r->pending_count; i++)
        if (r->pending[i].witness == witness)
            return true;
    return false;
}

static struct question take_question(struct rig *r, size_t at)
{
    struct question q = r->pending[at];
    memmove(&r->pending[at], &r->pending[at + 1], (--r->pending_count - at) * sizeof q);
    return q;
}

/* What the witness would say; its state moves. */
static unsigned judge(struct rig *r, const struct question *q, struct buf *out)
{
    struct witness_verdict v;
    witness_judge(buf_bytes(&q->body), &r->log.key, &r->kept[q->witness], &v);
    assert_false(v.is_contradiction);
    witness_answer(&v, &r->kept[q->witness], &r->signers[q->witness], r->wall_s, out);
    if (v.status == WITNESS_OK)
        r->kept[q->witness] = v.next;
    return v.status;
}

static void answer(struct rig *r, const struct question *q, unsigned status, struct bytes body)
{
    step(r,
         (struct collector_event){
             .type = COLLECTOR_EVENT_ANSWER, .witness = q->witness, .token = q->token, .status = status, .body = body});
}

static unsigned answer_truly(struct rig *r, size_t witness)
{
    struct question q = take_question(r, find_question(r, witness));
    struct buf out = {0};
    unsigned status = judge(r, &q, &out);
    answer(r, &q, status, buf_bytes(&out));
    buf_close(&out);
    buf_close(&q.body);
    return status;
}

static void answer_with(struct rig *r, size_t witness, unsigned status, const char *body)
{
    struct question q = take_question(r, find_question(r, witness));
    answer(r, &q, status, bytes_of_string(body));
    buf_close(&q.body);
}

static void fail_question(struct rig *r, size_t witness)
{
    struct question q = take_question(r, find_question(r, witness));
    step(r, (struct collector_event){.type = COLLECTOR_EVENT_FAILED, .witness = q.witness, .token = q.token});
    buf_close(&q.body);
}

static void start(struct rig *r, uint64_t size)
{
    for (size_t i = 0; i < r->count; i++)
        simple(r, COLLECTOR_EVENT_UP, i);
    assert_int_equal(r->pending_count, 0);
    grow(r, size);
    simple(r, COLLECTOR_EVENT_HEAD, 0);
    assert_int_equal(r->pending_count, r->count);
}

static uint64_t final_size(const struct rig *r)
{
    uint64_t size;
    (void)collector_note(r->collector, &size);
    return size;
}

/* ---- many ---- */

static void test_thirty(void **state)
{
    (void)state;
    struct rig *r = rig_open(30, policy_safe_quorum(30), NULL);
    start(r, 11);
    for (size_t i = 0; i < 30; i++) {
        assert_int_equal(final_size(r), i >= 20 ? 11 : 0);
        assert_int_equal(answer_truly(r, 29 - i), 200);
        const struct collector_action *a = find(r, COLLECTOR_ACTION_COSIGNED);
        assert_non_null(a);
        assert_int_equal(a->cosigned, i + 1);
        assert_int_equal(a->satisfied, i + 1 >= 20);
    }
    struct collector_witness_info info;
    collector_witness_info(r->collector, 17, &info);
    assert_true(info.up && !info.asked && info.size == 11 && info.time_s == r->wall_s && info.last_error[0] == '\0');

    r->now_ms += 100;
    grow(r, 12); /* from the size cosigned last: no 409 on the way */
    simple(r, COLLECTOR_EVENT_HEAD, 0);
    time_to(r, collector_timeout(r->collector));
    assert_int_equal(r->now_ms, 1001000);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(answer_truly(r, i), 200);
    assert_int_equal(final_size(r), 12);
    rig_close(r);
}

/* One question to a witness after the other, whatever the rounds do; a quorum comes although every answer takes longer than
 * the rounds are apart, and the ledger grows all the time. */
static void test_slow_links(void **state)
{
    (void)state;
    struct rig *r = rig_open(4, 3, NULL);
    start(r, 3);
    uint64_t last = 0, asked_ms = r->now_ms;
    unsigned quorums = 0;
    for (unsigned i = 0; i < 200; i++) { /* ticks of 100 ms; an answer takes 1,700 ms */
        r->now_ms += 100;
        if (i % 3 == 0) {
            grow(r, r->tree.size + 1);
            simple(r, COLLECTOR_EVENT_HEAD, 0);
        } else {
            simple(r, COLLECTOR_EVENT_TIME, 0);
        }
        assert_true(r->pending_count <= 4);
        if (r->pending_count > 0 && r->now_ms >= asked_ms + 1700) {
            size_t many = r->pending_count;
            for (size_t k = 0; k < many; k++)
                (void)answer_truly(r, r->pending[0].witness);
            asked_ms = r->now_ms;
        }
        quorums += final_size(r) > last;
        last = final_size(r);
    }
    assert_true(quorums >= 8);
    rig_close(r);
}

/* The fourth answers only when the round is over: that tells its size, and it gets the next question then. */
static void test_late_answer(void **state)
{
    (void)state;
    struct rig *r = rig_open(4, 3, NULL);
    start(r, 3);
    for (size_t i = 0; i < 3; i++)
        (void)answer_truly(r, i);
    r->now_ms += 10;
    grow(r, 6);
    simple(r, COLLECTOR_EVENT_HEAD, 0);
    time_to(r, collector_timeout(r->collector));
    assert_int_equal(r->now_ms, 1001000); /* the quorum was there: nobody waits for the fourth */
    assert_int_equal(r->pending_count, 4);
    assert_int_equal(answer_truly(r, 3), 200);
    assert_null(find(r, COLLECTOR_ACTION_COSIGNED)); /* of the head before */
    assert_int_equal(r->pending_count, 4);
    assert_int_equal(answer_truly(r, 3), 200); /* from 3, as it had said */
    assert_non_null(find(r, COLLECTOR_ACTION_COSIGNED));
    rig_close(r);
}

/* ---- what goes wrong ---- */

static void test_lost_answers(void **state)
{
    (void)state;
    struct rig *r = rig_open(4, 3, NULL);
    struct collector_witness_info info;
    start(r, 3);
    (void)answer_truly(r, 0);
    fail_question(r, 1); /* said to be lost: again after retry_ms */
    struct question silent = take_question(r, find_question(r, 2)), late = take_question(r, find_question(r, 3));
    assert_int_equal(collector_timeout(r->collector), 1005000);
    time_to(r, 1004999);
    assert_int_equal(r->pending_count, 0);
    time_to(r, 1005000);
    assert_int_equal(r->pending_count, 1);
    collector_witness_info(r->collector, 1, &info);
    assert_true(info.asked && strcmp(info.last_error, "no answer") == 0);
    (void)answer_truly(r, 1);
    assert_int_equal(final_size(r), 0);
    assert_int_equal(collector_timeout(r->collector), 1010000); /* twice ask_ms: nobody said anything */
    time_to(r, 1010000);
    collector_witness_info(r->collector, 2, &info);
    assert_true(!info.asked && strcmp(info.last_error, "no answer") == 0);
    answer(r, &late, 200, bytes_of_string("too late, whatever it says\n"));
    assert_int_equal(r->update.count, 0);
    time_to(r, 1015000);
    assert_int_equal(r->pending_count, 2);
    (void)answer_truly(r, 2);
    assert_int_equal(final_size(r), 3);
    buf_close(&silent.body);
    buf_close(&late.body);
    rig_close(r);
}

static void test_down_in_the_middle(void **state)
{
    (void)state;
    struct rig *r = rig_open(3, 2, NULL);
    start(r, 3);
    simple(r, COLLECTOR_EVENT_DOWN, 1);
    struct question q = take_question(r, find_question(r, 1));
    answer(r, &q, 200, bytes_of_string("x"));
    assert_int_equal(r->update.count, 0); /* of a connection that is gone */
    step(r, (struct collector_event){.type = COLLECTOR_EVENT_FAILED, .witness = 1, .token = q.token});
    assert_int_equal(r->update.count, 0);
    (void)answer_truly(r, 0);
    time_to(r, r->now_ms + 6000);
    assert_false(is_asked(r, 1)); /* while it is down */
    simple(r, COLLECTOR_EVENT_UP, 1);
    assert_true(is_asked(r, 1)); /* the round is still open */
    (void)answer_truly(r, 1);
    assert_int_equal(final_size(r), 3);
    simple(r, COLLECTOR_EVENT_DOWN, 1);
    simple(r, COLLECTOR_EVENT_UP, 1);
    assert_false(is_asked(r, 1)); /* has signed */
    buf_close(&q.body);
    rig_close(r);
}

/* An answer of another witness's line, one of the right witness over another head, one with the author's own line, and one
 * with its own line behind those of others. */
static void test_ballots(void **state)
{
    (void)state;
    struct rig *r = rig_open(4, 3, NULL);
    struct buf stuffed = {0}, out = {0};
    struct bytes text, earlier;
    size_t lines;
    grow(r, 2);
    struct buf old_note = {0};
    buf_put(&old_note, r->note.data, r->note.size);
    start(r, 3);
    assert_int_equal(note_peek(buf_bytes(&r->note), &text, &lines, NULL), 0);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(checkpoint_cosign(text, &r->signers[i], r->wall_s, &stuffed, NULL), 0);
    answer_with(r, 0, 200, buf_cstr(&stuffed)); /* three votes in the mouth of one that did not vote */
    assert_null(find(r, COLLECTOR_ACTION_COSIGNED));
    assert_string_equal(find(r, COLLECTOR_ACTION_ALARM)->alarm_id, "witness.bad-answer");

    assert_int_equal(note_peek(buf_bytes(&old_note), &earlier, &lines, NULL), 0);
    assert_int_equal(checkpoint_cosign(earlier, &r->signers[1], r->wall_s, &out, NULL), 0);
    answer_with(r, 1, 200, buf_cstr(&out));
    assert_null(find(r, COLLECTOR_ACTION_COSIGNED));
    assert_non_null(find(r, COLLECTOR_ACTION_ALARM));

    answer_with(r, 2, 200, (const char *)memmem(buf_cstr(&r->note), r->note.size, "\xe2\x80\x94", 3));
    assert_null(find(r, COLLECTOR_ACTION_COSIGNED));

    assert_int_equal(checkpoint_cosign(text, &r->signers[3], r->wall_s, &stuffed, NULL), 0);
    answer_with(r, 3, 200, buf_cstr(&stuffed)); /* w1, w2, w3, w3: counts for w3, once */
    assert_int_equal(find(r, COLLECTOR_ACTION_COSIGNED)->cosigned, 1);
    assert_int_equal(final_size(r), 0);
    buf_close(&stuffed);
    buf_close(&out);
    buf_close(&old_note);
    rig_close(r);
}

/* A cosignature, valid, over the checkpoint and more: taken into the note it would spoil it for everybody. */
static void test_longer_text(void **state)
{
    (void)state;
    struct rig *r = rig_open(1, 1, NULL);
    struct buf text = {0}, body = {0};
    start(r, 3);
    static const char more[] = "more text\n";
    buf_put(&text, r->note.data, r->note.size);
    buf_put_string(&text, more);
    buf_put_string(&body, more);
    buf_put_u8(&body, '\n');
    assert_int_equal(note_sign_line(&r->signers[0], buf_bytes(&text), r->wall_s, &body, NULL), 0);
    answer_with(r, 0, 200, buf_cstr(&body));
    assert_null(find(r, COLLECTOR_ACTION_COSIGNED));
    assert_non_null(strstr(find(r, COLLECTOR_ACTION_ALARM)->text, "(witness.no-line)"));
    assert_int_equal(final_size(r), 0);
    buf_close(&text);
    buf_close(&body);
    rig_close(r);
}

static void test_garbage(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        const char *body;
        const char *alarm, *cause; /* @cause: the id in its text */
    } rows[] = {
        {200, "", "witness.bad-answer", "(witness.no-line)"},
        {200, "\n", "witness.bad-answer", "(note.no-signatures)"},
        {200, "garbage", "witness.bad-answer", "(note.no-signatures)"},
        {200, "\xe2\x80\x94 0.tongban.example/witness AAAA\n", "witness.bad-answer", "(note.signature-line)"},
        {409, "", NULL, NULL},
        {409, "1", NULL, NULL},
        {409, "-1\n", NULL, NULL},
        {409, "1 \n", NULL, NULL},
        {409, "99999999999999999999\n", NULL, NULL},
        {409, "4611686018427387905\n", NULL, NULL},
        {400, "bad request\n", NULL, NULL},
        {404, "", NULL, NULL},
        {429, "busy\n", NULL, NULL},
        {503, "\xff\xfe\n", NULL, NULL},
        {0, "", NULL, NULL},
        {403, "no signature\n", "witness.refused", NULL},
        {422, "proof\nsecond line\n", "witness.refused", NULL},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct rig *r = rig_open(2, 1, NULL);
        struct collector_witness_info info;
        start(r, 3);
        answer_with(r, 0, rows[i].status, rows[i].body);
        const struct collector_action *alarm = find(r, COLLECTOR_ACTION_ALARM);
        if ((alarm == NULL) != (rows[i].alarm == NULL) ||
            (alarm != NULL && strcmp(alarm->alarm_id, rows[i].alarm) != 0))
            fail_msg("row %zu: %s", i, alarm == NULL ? "no alarm" : alarm->text);
        if (rows[i].cause != NULL)
            assert_non_null(strstr(alarm->text, rows[i].cause));
        assert_int_equal(r->update.count, rows[i].alarm != NULL);
        collector_witness_info(r->collector, 0, &info);
        assert_true(info.last_error[0] != '\0' && info.size == 0 && strchr(info.last_error, '\n') == NULL);
        assert_int_equal(r->pending_count, 1);
        time_to(r, 1005000); /* once more, and no second alarm about the same */
        answer_with(r, 0, rows[i].status, rows[i].body);
        assert_null(find(r, COLLECTOR_ACTION_ALARM));
        time_to(r, 1010000);
        assert_int_equal(answer_truly(r, 0), 200); /* it is well again */
        assert_int_equal(final_size(r), 3);
        collector_witness_info(r->collector, 0, &info);
        assert_string_equal(info.last_error, "");
        rig_close(r);
    }
    struct rig *r = rig_open(1, 1, NULL); /* more than a note may have */
    char *big = xmalloc(3 * NOTE_BYTES_MAX);
    memset(big, 'A', 3 * NOTE_BYTES_MAX - 1);
    big[3 * NOTE_BYTES_MAX - 1] = '\0';
    start(r, 3);
    answer_with(r, 0, 200, big);
    assert_non_null(find(r, COLLECTOR_ACTION_ALARM));
    free(big);
    rig_close(r);
}

/* ---- sizes ---- */

static void test_conflicts(void **state)
{
    (void)state;
    struct rig *r = rig_open(3, 3, NULL);
    grow(r, 5);
    for (size_t i = 0; i < 2; i++) { /* cosigned before the collector was started anew */
        r->kept[i].size = 5;
        r->kept[i].root = r->head.root;
    }
    start(r, 9);
    assert_int_equal(answer_truly(r, 0), 409);
    assert_int_equal(answer_truly(r, 0), 200); /* asked at once, with a proof from 5 */
    assert_int_equal(answer_truly(r, 2), 200);
    answer_with(r, 1, 409, "4\n");
    assert_true(is_asked(r, 1));
    answer_with(r, 1, 409, "5\n"); /* once in a round */
    assert_false(is_asked(r, 1));
    time_to(r, r->now_ms + 30000);
    assert_false(is_asked(r, 1));
    time_to(r, r->now_ms + 30000); /* the refresh is a new one, and goes on from the size named last */
    assert_int_equal(answer_truly(r, 1), 200);
    assert_int_equal(final_size(r), 9);
    rig_close(r);
}

/* A witness has more of this ledger than there is: restored from a backup. */
static void test_behind(void **state)
{
    (void)state;
    struct rig *r = rig_open(2, 1, NULL);
    grow(r, 9);
    r->kept[0] = (struct witness_state){.size = 9, .root = r->head.root};
    start(r, 6);
    assert_int_equal(answer_truly(r, 0), 409);
    const struct collector_action *a = find(r, COLLECTOR_ACTION_BEHIND);
    assert_true(a != NULL && a->witness == 0 && a->size == 9);
    assert_int_equal(r->update.count, 1); /* and it is not asked again in this round */
    time_to(r, r->now_ms + 20000);
    assert_false(is_asked(r, 0));
    (void)answer_truly(r, 1);
    time_to(r, r->now_ms + 40000);
    assert_int_equal(answer_truly(r, 0), 409); /* says it again while it is so */
    assert_non_null(find(r, COLLECTOR_ACTION_BEHIND));
    (void)answer_truly(r, 1);
    grow(r, 9); /* the leaves were brought back */
    simple(r, COLLECTOR_EVENT_HEAD, 0);
    time_to(r, collector_timeout(r->collector));
    assert_int_equal(answer_truly(r, 0), 200);
    assert_int_equal(final_size(r), 9);
    rig_close(r);
}

/* It cosigned a head of ours that this round does not reach (an answer of before a restart): the next round does. */
static void test_ahead_of_the_round(void **state)
{
    (void)state;
    struct rig *r = rig_open(1, 1, NULL);
    start(r, 6);
    struct merkle_hash root;
    grow(r, 8);
    root = r->head.root;
    r->kept[0] = (struct witness_state){.size = 8, .root = root};
    assert_int_equal(answer_truly(r, 0), 409);
    assert_null(find(r, COLLECTOR_ACTION_BEHIND));
    assert_false(is_asked(r, 0));
    time_to(r, collector_timeout(r->collector));
    assert_int_equal(r->now_ms, 1010000); /* round_ms: nobody called it urgent */
    assert_int_equal(answer_truly(r, 0), 200);
    assert_int_equal(final_size(r), 8);
    rig_close(r);
}

static void test_no_proof(void **state)
{
    (void)state;
    struct rig *r = rig_open(1, 1, NULL);
    struct collector_witness_info info;
    start(r, 6);
    (void)answer_truly(r, 0);
    r->is_broken = true;
    grow(r, 8);
    simple(r, COLLECTOR_EVENT_HEAD, 0);
    time_to(r, collector_timeout(r->collector));
    assert_false(is_asked(r, 0));
    collector_witness_info(r->collector, 0, &info);
    assert_string_equal(info.last_error, "no proofs today");
    r->is_broken = false;
    time_to(r, collector_timeout(r->collector));
    assert_int_equal(r->now_ms, 1006000);
    assert_int_equal(answer_truly(r, 0), 200);
    rig_close(r);
}

/* ---- time ---- */

static void test_refresh(void **state)
{
    (void)state;
    struct rig *r = rig_open(3, 2, NULL);
    struct collector_witness_info info;
    struct checkpoint_opened opened;
    bool satisfied;
    start(r, 6);
    struct buf stale = {0};
    struct bytes text;
    size_t lines;
    assert_int_equal(note_peek(buf_bytes(&r->note), &text, &lines, NULL), 0);
    assert_int_equal(checkpoint_cosign(text, &r->signers[0], r->wall_s - 7200, &stale, NULL), 0);
    for (size_t i = 0; i < 3; i++)
        (void)answer_truly(r, i);
    assert_int_equal(collector_timeout(r->collector), 1060000);
    r->wall_s += 60;
    time_to(r, 1060000);
    assert_int_equal(r->pending_count, 3);
    assert_int_equal(final_size(r), 6); /* what there was stays while the new lines come */
    assert_int_equal(answer_truly(r, 1), 200);
    const struct collector_action *a = find(r, COLLECTOR_ACTION_COSIGNED);
    assert_true(a != NULL && a->satisfied && a->cosigned == 3);
    assert_int_equal(policy_open(&r->policy, a->note, &opened, NULL, &satisfied, NULL), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(opened.cosigned[i].time_s, opened.cosigned[i].witness == 1 ? r->wall_s : r->wall_s - 60);

    answer_with(r, 0, 200, buf_cstr(&stale)); /* an older time: the note keeps the fresher line */
    assert_null(find(r, COLLECTOR_ACTION_COSIGNED));
    collector_witness_info(r->collector, 0, &info);
    assert_non_null(strstr(info.last_error, "its clock went back"));
    uint64_t size;
    assert_int_equal(policy_open(&r->policy, collector_note(r->collector, &size), &opened, NULL, &satisfied, NULL), 0);
    for (size_t i = 0; i < 3; i++)
        assert_true(opened.cosigned[i].time_s >= r->wall_s - 60);
    buf_close(&stale);
    rig_close(r);
}

/* A clock that was put right does not keep its witness out: a new head takes the time as it is. */
static void test_clock_put_right(void **state)
{
    (void)state;
    struct rig *r = rig_open(1, 1, NULL);
    r->wall_s += 86400;
    start(r, 6);
    (void)answer_truly(r, 0);
    r->wall_s -= 86400;
    grow(r, 7);
    simple(r, COLLECTOR_EVENT_HEAD, 0);
    time_to(r, collector_timeout(r->collector));
    assert_int_equal(answer_truly(r, 0), 200);
    assert_int_equal(final_size(r), 7);
    rig_close(r);
}

static void test_pauses(void **state)
{
    (void)state;
    struct rig *r = rig_open(1, 1, NULL);
    assert_true(collector_timeout(r->collector) == UINT64_MAX);
    simple(r, COLLECTOR_EVENT_HEAD, 0); /* announced, but there is none: no turning in circles */
    assert_true(collector_timeout(r->collector) == UINT64_MAX);
    start(r, 6);
    (void)answer_truly(r, 0);
    grow(r, 7);
    r->now_ms += 100;
    step(r, (struct collector_event){.type = COLLECTOR_EVENT_HEAD});
    assert_int_equal(collector_timeout(r->collector), 1010000); /* round_ms */
    grow(r, 8);
    step(r, (struct collector_event){.type = COLLECTOR_EVENT_HEAD, .urgent = true});
    assert_int_equal(collector_timeout(r->collector), 1001000); /* round_min_ms */
    grow(r, 9);
    step(r, (struct collector_event){.type = COLLECTOR_EVENT_HEAD}); /* does not make the urgent one wait */
    time_to(r, 1001000);
    assert_int_equal(answer_truly(r, 0), 200);
    assert_int_equal(final_size(r), 9); /* the newest */
    rig_close(r);
}

/* A head in the middle of a round: the round keeps its own, its answers count for that. */
static void test_head_in_a_round(void **state)
{
    (void)state;
    struct rig *r = rig_open(3, 2, NULL);
    start(r, 6);
    (void)answer_truly(r, 0);
    grow(r, 9);
    r->now_ms += 900;
    simple(r, COLLECTOR_EVENT_HEAD, 0);
    assert_int_equal(collector_timeout(r->collector), 1005000); /* the quorum for 6 may still come */
    assert_int_equal(answer_truly(r, 1), 200);
    assert_int_equal(final_size(r), 6);
    time_to(r, collector_timeout(r->collector));
    assert_int_equal(r->now_ms, 1001000);
    assert_int_equal(answer_truly(r, 1), 200);
    assert_int_equal(final_size(r), 6);
    assert_int_equal(answer_truly(r, 0), 200);
    assert_int_equal(final_size(r), 9);
    rig_close(r);
}

/* ---- policies ---- */

/* More cosignatures than a note has lines: those that make the quorum go in, wherever they stand. */
static void test_full_note(void **state)
{
    (void)state;
    struct rig *r = rig_open(WITNESSES_MAX, 0, "group last all w97 w98 w99\nquorum last\n");
    start(r, 4);
    for (size_t i = 0; i < WITNESSES_MAX; i++) {
        assert_int_equal(final_size(r), 0);
        (void)answer_truly(r, i);
        const struct collector_action *a = find(r, COLLECTOR_ACTION_COSIGNED);
        assert_int_equal(a != NULL, i < NOTE_SIGNATURES_MAX - 1 || i == WITNESSES_MAX - 1);
    }
    assert_int_equal(final_size(r), 4);
    assert_int_equal(find(r, COLLECTOR_ACTION_COSIGNED)->cosigned, NOTE_SIGNATURES_MAX - 1);
    rig_close(r);

    r = rig_open(WITNESSES_MAX, 64, NULL); /* a quorum that no note can show is never said to be one */
    start(r, 4);
    for (size_t i = 0; i < WITNESSES_MAX; i++)
        (void)answer_truly(r, i);
    assert_int_equal(final_size(r), 0);
    rig_close(r);
    r = rig_open(WITNESSES_MAX, 63, NULL);
    start(r, 4);
    for (size_t i = 0; i < WITNESSES_MAX; i++)
        (void)answer_truly(r, i);
    assert_int_equal(final_size(r), 4);
    rig_close(r);
}

static void test_without_quorum(void **state)
{
    (void)state;
    struct rig *r = rig_open(0, 0, "quorum none\n"); /* a federation of one */
    grow(r, 4);
    simple(r, COLLECTOR_EVENT_HEAD, 0);
    assert_true(find(r, COLLECTOR_ACTION_COSIGNED)->satisfied);
    assert_int_equal(final_size(r), 4);
    assert_true(collector_timeout(r->collector) == UINT64_MAX);
    grow(r, 5);
    simple(r, COLLECTOR_EVENT_HEAD, 0);
    time_to(r, collector_timeout(r->collector));
    assert_int_equal(final_size(r), 5);
    rig_close(r);

    r = rig_open(1, 0, "quorum none\n"); /* its cosignature is welcome, not needed */
    start(r, 4);
    assert_int_equal(final_size(r), 4);
    assert_int_equal(answer_truly(r, 0), 200);
    assert_int_equal(find(r, COLLECTOR_ACTION_COSIGNED)->cosigned, 1);
    rig_close(r);
}

static void test_restore(void **state)
{
    (void)state;
    struct rig *r = rig_open(2, 2, NULL);
    struct buf kept = {0}, half = {0};
    uint64_t size;
    start(r, 6);
    (void)answer_truly(r, 0);
    struct bytes one = find(r, COLLECTOR_ACTION_COSIGNED)->note;
    buf_put(&half, one.data, one.size);
    (void)answer_truly(r, 1);
    struct bytes note = collector_note(r->collector, &size);
    buf_put(&kept, note.data, note.size);

    make_collector(r);
    collector_restore(r->collector, bytes_of(NULL, 0));
    collector_restore(r->collector, bytes_of_string("garbage"));
    collector_restore(r->collector, buf_bytes(&half)); /* no quorum */
    assert_int_equal(collector_note(r->collector, &size).size, 0);
    kept.data[kept.size - 30] ^= 1; /* in the last cosignature */
    collector_restore(r->collector, buf_bytes(&kept));
    assert_int_equal(collector_note(r->collector, &size).size, 0);
    kept.data[kept.size - 30] ^= 1;
    collector_restore(r->collector, buf_bytes(&kept));
    assert_true(bytes_equal(collector_note(r->collector, &size), buf_bytes(&kept)));
    assert_int_equal(size, 6);

    struct crypto_signer *next_key = crypto_signer_create((const uint8_t[32]){99}); /* the author has another key now */
    struct note_signer next;
    assert_int_equal(note_signer_init(LOG, NOTE_TYPE_ED25519, next_key, &next, NULL), 0);
    r->log.key = next.key;
    make_collector(r);
    collector_restore(r->collector, buf_bytes(&kept));
    assert_int_equal(collector_note(r->collector, &size).size, 0);
    crypto_signer_destroy(next_key);
    buf_close(&kept);
    buf_close(&half);
    rig_close(r);
}

/* ---- chance ---- */

/* Everything at once, by chance: lost, late and wrong answers, connections that come and go, a ledger that grows. Every COSIGNED
 * opens (step() looks), no quorum is said to be there without one, and when the trouble ends the newest head gets its quorum. */
static void test_weather(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig *r = rig_open(7, 5, NULL);
        struct prng prng;
        prng_init(&prng, seed);
        start(r, 3);
        for (unsigned i = 0; i < 300; i++) {
            size_t w = (size_t)prng_below(&prng, 7);
            r->now_ms += prng_below(&prng, 700);
            r->wall_s = 1764000000 + r->now_ms / 1000;
            switch (prng_below(&prng, 8)) {
            case 0:
                grow(r, r->tree.size + 1 + prng_below(&prng, 3));
                step(r, (struct collector_event){.type = COLLECTOR_EVENT_HEAD, .urgent = prng_below(&prng, 2) == 0});
                break;
            case 1:
                simple(r, prng_below(&prng, 2) == 0 ? COLLECTOR_EVENT_UP : COLLECTOR_EVENT_DOWN, w);
                break;
            case 2: /* heard and cosigned, but the answer is lost */
                if (is_asked(r, w)) {
                    struct buf out = {0};
                    (void)judge(r, &r->pending[find_question(r, w)], &out);
                    buf_close(&out);
                    fail_question(r, w);
                }
                break;
            case 3:
                if (is_asked(r, w))
                    answer_with(r, w, prng_below(&prng, 2) == 0 ? 200 : 409, "7\n");
                break;
            default:
                if (is_asked(r, w))
                    (void)answer_truly(r, w);
                else
                    simple(r, COLLECTOR_EVENT_TIME, 0);
                break;
            }
        }
        for (size_t w = 0; w < 7; w++)
            simple(r, COLLECTOR_EVENT_UP, w);
        grow(r, r->tree.size + 1);
        simple(r, COLLECTOR_EVENT_HEAD, 0);
        uint64_t end = r->now_ms + 30000;
        while (final_size(r) < r->head.size) {
            if (r->now_ms > end)
                fail_msg("seed %llu: no quorum in 30 s", (unsigned long long)seed);
            while (r->pending_count > 0)
                (void)answer_truly(r, r->pending[0].witness);
            time_to(r, collector_timeout(r->collector));
        }
        rig_close(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thirty),
        cmocka_unit_test(test_slow_links),
        cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_lost_answers),
        cmocka_unit_test(test_down_in_the_middle),
        cmocka_unit_test(test_ballots),
        cmocka_unit_test(test_longer_text),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_behind),
        cmocka_unit_test(test_ahead_of_the_round),
        cmocka_unit_test(test_no_proof),
        cmocka_unit_test(test_refresh),
        cmocka_unit_test(test_clock_put_right),
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_head_in_a_round),
        cmocka_unit_test(test_full_note),
        cmocka_unit_test(test_without_quorum),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_weather),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
