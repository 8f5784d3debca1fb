/* node/claims: a member says that it holds more of the own ledger than there is. What it answers when it is asked for the proof is
 * played by a script over a link that is none; ledger, replication and loop are the real ones. Nothing sleeps: the answer after the
 * last one of a script, or the end of the claim's time, stops the loop. */
#include "tests/unit/node/ledger_rig.h"

#include "federation/wire/wire.h"
#include "node/claims.h"

#define SELF LEDGER_RIG_SELF
#define PEER 440000u
#define SAID 7u
#define LONG_MS 600000u /* longer than any machine is busy with a test of some turns */

enum answer {
    ERROR_503,      /* it cannot say now */
    ERROR_403,      /* it does not want to say */
    NO_ANSWER,      /* its time runs out, or the line breaks */
    NOT_CONNECTED,  /* refused at once: there is no connection */
    PROOF,          /* the own checkpoint over SAID entries */
    PROOF_UNREAD,   /* the same from a member that cannot read its store */
    NO_CHECKPOINT,  /* RECOVERED without any */
    FORGED,         /* a checkpoint over SAID entries, signed by somebody else */
    OLD_CHECKPOINT, /* the own one over nothing */
    OTHER_KIND,     /* a message that is no answer to the question */
    END
};

struct rig {
    struct link link; /* first: the link is the rig */
    struct ledger_rig base;
    struct crypto_signer *foreign_key;
    struct note_signer foreign;
    struct member member;
    struct members members;
    struct replication *replication;
    struct claims *claims;
    const enum answer *script;
    unsigned asked, judged, proven;
    uint64_t proven_size;
};

/* ---- the peer ---- */

static void put_checkpoint(const struct note_signer *by, uint64_t size, struct buf *out)
{
    struct checkpoint head = {.size = size};
    (void)snprintf(head.origin, sizeof head.origin, "%s", by->key.name);
    if (size == 0)
        crypto_sha256_one("", 0, head.root.b);
    assert_int_equal(checkpoint_sign(&head, by, out, NULL), 0);
}

static void reply(struct rig *r, uint64_t token, const struct wire_msg *m)
{
    struct buf out = {0};
    struct link_event event = {.type = LINK_REPLY, .peer = PEER, .token = token};
    assert_int_equal(wire_encode(m, &out, NULL), 0);
    event.data = xmalloc(out.size);
    event.size = out.size;
    memcpy(event.data, out.data, out.size);
    buf_close(&out);
    replication_link_event(r->replication, &event);
}

static void fill(struct rig *r, enum answer what, struct buf *note, struct wire_msg *ret)
{
    *ret = (struct wire_msg){.type = WIRE_RECOVERED};
    switch (what) {
    case ERROR_503:
    case ERROR_403:
        ret->type = WIRE_ERROR;
        ret->u.error = (struct wire_error){.code = what == ERROR_503 ? WIRE_ERROR_UNAVAILABLE : WIRE_ERROR_DENIED,
                                           .id = "sync.unavailable",
                                           .message = "the ledger cannot be read now"};
        return;
    case OTHER_KIND:
        ret->type = WIRE_OK;
        return;
    case PROOF:
    case PROOF_UNREAD:
        put_checkpoint(&r->base.signer, SAID, note);
        break;
    case FORGED:
        put_checkpoint(&r->foreign, SAID, note);
        break;
    case OLD_CHECKPOINT:
        put_checkpoint(&r->base.signer, 0, note);
        break;
    default:
        break;
    }
    ret->u.recovered = (struct wire_recovered){.checkpoint = buf_bytes(note), .unavailable = what == PROOF_UNREAD};
}

static int request_cb(struct link *l, uint32_t peer, struct bytes message, uint64_t token, uint32_t timeout_ms,
                      struct err *e)
{
    struct rig *r = (struct rig *)l;
    struct arena a = ARENA_INIT;
    struct wire_msg m;
    assert_int_equal(peer, PEER);
    assert_int_equal(wire_decode(message, &a, &m, NULL), 0);
    assert_int_equal(m.type, WIRE_RECOVER);
    arena_close(&a);
    assert_true(timeout_ms > 0);
    r->asked++;
    enum answer what = *r->script;
    if (what == END)
        what = NO_ANSWER;
    else
        r->script++;
    if (what == NOT_CONNECTED)
        return err_set(e, ERR_CLOSED, "link.down", "not connected");
    if (what == NO_ANSWER) {
        struct link_event event = {.type = LINK_REPLY_FAILED, .peer = PEER, .token = token, .reason = "timed out"};
        replication_link_event(r->replication, &event);
        return 0;
    }
    struct buf note = {0};
    fill(r, what, &note, &m);
    reply(r, token, &m);
    buf_close(&note);
    return 0;
}

static const struct link_ops ops = {.request = request_cb};

/* ---- the rig ---- */

static void on_proven(void *ctx, uint32_t peer, uint64_t size)
{
    struct rig *r = ctx;
    assert_int_equal(peer, PEER);
    assert_int_equal(r->judged, 0);
    r->proven++;
    r->proven_size = size;
}

static void on_judged(void *ctx)
{
    struct rig *r = ctx;
    r->judged++;
    loop_stop(r->base.loop);
}

static uint64_t seen_size(void *ctx, uint32_t peer)
{
    (void)ctx;
    (void)peer;
    return 0;
}

static int setup(void **state)
{
    struct rig *r = xcalloc(1, sizeof *r);
    const uint8_t other[CRYPTO_ED25519_KEY_SIZE] = {9};
    *state = r;
    r->link.ops = &ops;
    r->foreign_key = crypto_signer_create(other);
    if (ledger_rig_init(&r->base, &(struct ledger_config){.ctx = r}) != 0 || ledger_rig_open(&r->base) != 0 ||
        note_signer_init(LEDGER_RIG_ORIGIN, NOTE_TYPE_ED25519, r->foreign_key, &r->foreign, NULL) != 0)
        return -1;
    r->member = (struct member){.code = SELF, .name = "x", .url = "", .key = r->base.signer.key};
    r->members = (struct members){.list = &r->member, .count = 1};
    r->replication = replication_create(&(struct replication_config){
        .self = SELF, .software = "test", .loop = r->base.loop, .members = &r->members, .seen_size = seen_size});
    replication_set_ledger(r->replication, r->base.ledger);
    replication_set_link(r->replication, &r->link);
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    replication_set_link(r->replication, NULL);
    ledger_rig_close_ledger(&r->base);
    loop_drain(r->base.loop);
    claims_destroy(r->claims);
    replication_destroy(r->replication);
    crypto_signer_destroy(r->foreign_key);
    ledger_rig_close(&r->base);
    free(r);
    return 0;
}

static void make_claims(struct rig *r, uint32_t open_ms, uint32_t again_ms)
{
    r->claims = claims_create(&(struct claims_config){.self = SELF,
                                                      .loop = r->base.loop,
                                                      .members = &r->members,
                                                      .open_ms = open_ms,
                                                      .again_ms = again_ms,
                                                      .on_proven = on_proven,
                                                      .on_judged = on_judged,
                                                      .ctx = r});
    claims_set_parts(r->claims, r->base.ledger, r->replication);
}

static unsigned unproven_alarms(const struct rig *r)
{
    struct replication_alarm_info rows[REPLICATION_ALARMS_MAX];
    size_t count = replication_alarms(r->replication, rows);
    unsigned found = 0;
    for (size_t i = 0; i < count; i++)
        found += rows[i].peer == PEER && strcmp(rows[i].id, "ledger.unproven") == 0 ? (unsigned)rows[i].count : 0;
    return found;
}

/* ---- tests ---- */

static void test_answers(void **state)
{
    static const struct {
        enum answer script[5];
        unsigned asked;
        bool is_proven;
    } rows[] = {
        {{PROOF, END}, 1, true},
        {{PROOF_UNREAD, END}, 1, true},
        /* an error, silence or nonsense is no answer: as if it had not been asked */
        {{ERROR_503, PROOF, END}, 2, true},
        {{ERROR_503, ERROR_503, ERROR_503, PROOF, END}, 4, true},
        {{ERROR_403, PROOF, END}, 2, true},
        {{NO_ANSWER, NOT_CONNECTED, PROOF, END}, 3, true},
        {{OTHER_KIND, PROOF_UNREAD, END}, 2, true},
        /* these are answers, and show nothing */
        {{NO_CHECKPOINT, END}, 1, false},
        {{FORGED, END}, 1, false},
        {{OLD_CHECKPOINT, END}, 1, false},
        {{ERROR_503, FORGED, END}, 2, false},
    };
    struct rig *r = *state;
    make_claims(r, LONG_MS, 1);
    unsigned alarms = 0;
    for (size_t i = 0; i < array_count(rows); i++) {
        r->asked = r->judged = r->proven = 0;
        r->script = rows[i].script;
        claims_add(r->claims, PEER, SAID);
        claims_add(r->claims, PEER, SAID + 1); /* one at a time */
        assert_int_equal(claims_open(r->claims), 1);
        loop_run(r->base.loop);
        assert_int_equal(r->asked, rows[i].asked);
        assert_int_equal(r->judged, 1);
        assert_int_equal(r->proven, rows[i].is_proven);
        assert_true(!rows[i].is_proven || r->proven_size == SAID);
        assert_int_equal(claims_open(r->claims), 0);
        alarms += !rows[i].is_proven;
        assert_int_equal(unproven_alarms(r), alarms);
    }
}

/* A member that never says more than the number stops nobody for longer than the claim may be open. */
static void test_without_end(void **state)
{
    static const enum answer none[] = {END}, cannot[] = {ERROR_503, ERROR_503, ERROR_503, END};
    struct rig *r = *state;
    make_claims(r, 50, 1);
    for (unsigned i = 0; i < 2; i++) {
        r->judged = r->asked = 0;
        r->script = i == 0 ? none : cannot;
        claims_add(r->claims, PEER, SAID);
        loop_run(r->base.loop);
        assert_int_equal(r->judged, 1);
        assert_true(r->asked >= 1);
        assert_int_equal(r->proven, 0);
        assert_int_equal(claims_open(r->claims), 0);
        assert_int_equal(unproven_alarms(r), i + 1);
    }
}

/* One that was not connected is asked as soon as it greets, not only when its next turn comes. */
static void test_greeting(void **state)
{
    static const enum answer script[] = {NOT_CONNECTED, PROOF, END};
    struct rig *r = *state;
    make_claims(r, LONG_MS, LONG_MS);
    r->script = script;
    claims_add(r->claims, PEER, SAID);
    claims_greeted(r->claims, PEER); /* the first question is not answered yet: no second one */
    assert_int_equal(r->asked, 1);
    loop_drain(r->base.loop); /* what is posted already: that there is no connection */
    assert_int_equal(r->asked, 1);
    assert_int_equal(claims_open(r->claims), 1);
    claims_greeted(r->claims, PEER + 1);
    assert_int_equal(r->asked, 1);
    claims_greeted(r->claims, PEER);
    loop_run(r->base.loop);
    assert_int_equal(r->proven, 1);
    assert_int_equal(r->asked, 2);
}

/* While one is asked, or waits to be, everything is closed. */
static void test_closing(void **state)
{
    static const enum answer script[] = {PROOF, END};
    struct rig *r = *state;
    make_claims(r, LONG_MS, 1);
    r->script = script;
    claims_add(r->claims, PEER, SAID);
    claims_close(r->claims);
    loop_drain(r->base.loop);
    assert_int_equal(r->judged + r->proven, 0);
    assert_int_equal(claims_open(r->claims), 0);
    claims_add(r->claims, PEER, SAID);
    assert_int_equal(claims_open(r->claims), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_greeting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
