/* federation/sync against a member that breaks the protocol with a valid certificate: batches that say what the leaves or the signed
 * head do not, and requests that no honest follower sends. Each forged message is refused under its own id; nothing of it is stored,
 * the position stays, nothing is asked at once again, and the honest message that follows is taken. */
#include "federation/ledger/heads.h"
#include "tests/unit/sync/sync_rig.h"

#define OTHER 330000u
#define CASE_BYTE 0x33
#define POLL_MS 20000u /* the long poll of the protocol */

/* A ledger of one entry, in which everything is right until a test bends it. */
struct forged {
    struct leaf leaf;
    struct buf bytes; /* of the leaf */
    struct frontier_item items[2];
    struct bytes openings[2];
    uint8_t payload[3];
    struct heads_row row; /* of a heads leaf */
    struct buf vector, opening;
    struct heads_summary summary;
    uint8_t storage[HEADS_STORAGE_SIZE];
    struct wire_msg message;
};

static void forged_init(struct forged *g)
{
    *g = (struct forged){.payload = {1, 2, 3}};
    g->leaf = (struct leaf){.kind = LEAF_KIND_EVENT,
                            .suite = LEAF_SUITE_SHA256_ED25519_AES256GCM,
                            .origin = PEER,
                            .hlc = 1u << 16,
                            .event_type = 1,
                            .rules_version = 1,
                            .recipient_count = 1,
                            .recipients = {{SELF, 1}},
                            .key_epoch = 1,
                            .ct_len = sizeof g->payload};
    memset(g->leaf.case_id, CASE_BYTE, sizeof g->leaf.case_id);
    crypto_sha256_one(g->payload, sizeof g->payload, g->leaf.ct_hash.b);
}

static void forged_close(struct forged *g)
{
    buf_close(&g->bytes);
    buf_close(&g->vector);
    buf_close(&g->opening);
}

/* The leaf as a heads leaf, which says that @seq entries have been addressed to us. */
static void make_heads(struct forged *g, uint64_t seq)
{
    g->leaf = (struct leaf){.suite = LEAF_SUITE_SHA256_ED25519_AES256GCM, .origin = PEER, .hlc = 1u << 16};
    g->row = (struct heads_row){.recipient = SELF, .last_seq = seq};
    heads_vector(&g->row, 1, &g->vector, &g->summary);
    heads_to_leaf(&g->summary, g->storage, &g->leaf);
    assert_int_equal(heads_open(buf_bytes(&g->vector), SELF, &g->opening, NULL), 0);
    g->openings[0] = buf_bytes(&g->opening);
}

/* Encodes the leaf as it stands and signs the tree of it: the batch that brings it. A second leaf, under a hash, with @is_followed. */
static void seal(struct fixture *f, struct forged *g, bool is_followed)
{
    struct merkle_hash root, second;
    struct err e = {0};
    buf_reset(&g->bytes);
    if (leaf_encode(&g->leaf, &g->bytes, &e) != 0)
        fail_msg("%s", e.message);
    leaf_hash(buf_bytes(&g->bytes), &root);
    memset(second.b, 0x22, sizeof second.b);
    bool has_payload = g->leaf.ct_len > 0;
    g->items[0] = (struct frontier_item){.kind = FRONTIER_KIND_ENTRY,
                                         .leaf = buf_bytes(&g->bytes),
                                         .payload = bytes_of(g->payload, has_payload ? sizeof g->payload : 0)};
    g->items[1] = (struct frontier_item){.kind = FRONTIER_KIND_HASH, .hash = second};
    if (is_followed)
        merkle_node_hash(&root, &second, &root);
    uint64_t size = is_followed ? 2 : 1;
    f->head = (struct checkpoint){.size = size, .root = root};
    g->message = (struct wire_msg){.type = WIRE_BATCH};
    g->message.u.batch = (struct wire_batch){.origin = PEER, .openings = g->openings};
    g->message.u.batch.frontier =
        (struct frontier_batch){.to = size, .target = size, .items = g->items, .item_count = is_followed ? 2 : 1};
}

/* ---- the follower: batches ---- */

static void wrong_ledger(struct fixture *f, struct forged *g)
{
    seal(f, g, false);
    g->message.u.batch.origin = OTHER;
}

static void other_target(struct fixture *f, struct forged *g)
{
    seal(f, g, false);
    f->head.size++;
}

static void other_place(struct fixture *f, struct forged *g)
{
    g->leaf.index = 7;
    seal(f, g, false);
}

static void other_author(struct fixture *f, struct forged *g)
{
    g->leaf.origin = OTHER;
    seal(f, g, false);
}

static void other_recipient(struct fixture *f, struct forged *g)
{
    g->leaf.recipients[0].node = OTHER;
    seal(f, g, false);
}

static void no_recipient(struct fixture *f, struct forged *g)
{
    g->leaf.recipient_count = 0;
    seal(f, g, false);
}

static void other_payload(struct fixture *f, struct forged *g)
{
    seal(f, g, false);
    g->payload[1] ^= 1;
}

static void longer_payload(struct fixture *f, struct forged *g)
{
    g->leaf.ct_len++;
    seal(f, g, false);
}

static void heads_amid(struct fixture *f, struct forged *g)
{
    make_heads(g, 0);
    seal(f, g, true);
}

static void heads_unopened(struct fixture *f, struct forged *g)
{
    make_heads(g, 0);
    seal(f, g, false);
    g->openings[0] = bytes_of(NULL, 0);
}

static void heads_without_openings(struct fixture *f, struct forged *g)
{
    make_heads(g, 0);
    seal(f, g, false);
    g->message.u.batch.openings = NULL;
}

static void heads_of_another(struct fixture *f, struct forged *g)
{
    make_heads(g, 0);
    g->row.recipient = OTHER;
    buf_reset(&g->vector);
    buf_reset(&g->opening);
    heads_vector(&g->row, 1, &g->vector, &g->summary);
    heads_to_leaf(&g->summary, g->storage, &g->leaf);
    assert_int_equal(heads_open(buf_bytes(&g->vector), OTHER, &g->opening, NULL), 0);
    g->openings[0] = buf_bytes(&g->opening);
    seal(f, g, false);
}

static void heads_promise(struct fixture *f, struct forged *g)
{
    make_heads(g, 4);
    seal(f, g, false);
}

static void skipped_number(struct fixture *f, struct forged *g)
{
    g->leaf.recipients[0].seq = 2;
    seal(f, g, false);
}

static void test_forged_batches(void **state)
{
    static const struct {
        void (*make)(struct fixture *f, struct forged *g);
        const char *id;
    } table[] = {
        {wrong_ledger, "sync.origin"},
        {other_target, "sync.target"},
        {other_place, "sync.misplaced"},
        {other_author, "sync.misplaced"},
        {other_recipient, "sync.not-addressed"},
        {no_recipient, "sync.not-addressed"},
        {other_payload, "sync.payload"},
        {longer_payload, "sync.payload"},
        {heads_amid, "ledger.heads"},
        {heads_unopened, "ledger.heads"},
        {heads_without_openings, "ledger.heads"},
        {heads_of_another, "ledger.heads"},
        {heads_promise, "ledger.withheld"},
        {skipped_number, "ledger.omission"},
    };
    struct fixture *f = *state;
    struct forged g;
    uint64_t token = greet(f);
    for (size_t i = 0; i < array_count(table); i++) {
        forged_init(&g);
        table[i].make(f, &g);
        step(f, (struct sync_event){.type = SYNC_EVENT_REPLY, .token = token, .message = &g.message});
        const struct sync_action *alarm = find(f, SYNC_ACTION_ALARM);
        if (alarm == NULL)
            fail_msg("%s: case %zu was taken", table[i].id, i);
        assert_string_equal(alarm->alarm_id, table[i].id);
        assert_int_equal(alarm->peer, PEER);
        assert_null(find(f, SYNC_ACTION_STORE));
        assert_null(find(f, SYNC_ACTION_REQUEST)); /* no batch like it at full speed */
        f->now_ms = sync_timeout(f->sync);
        step(f, (struct sync_event){.type = SYNC_EVENT_TIME});
        assert_int_equal(pulled_from(f), 0);
        token = asked(f, WIRE_PULL);
        forged_close(&g);
    }

    forged_init(&g); /* unbent: the fixture above shows something only if this is taken */
    seal(f, &g, false);
    step(f, (struct sync_event){.type = SYNC_EVENT_REPLY, .token = token, .message = &g.message});
    assert_null(find(f, SYNC_ACTION_ALARM));
    const struct sync_action *store = find(f, SYNC_ACTION_STORE);
    assert_non_null(store);
    assert_int_equal(store->entry_count, 1);
    assert_int_equal(store->cursor.seq_me, 1);
    forged_close(&g);
}

/* An author that does not wait with its answer until there is something, as it was asked to: the follower does not ask it without end. */
static void test_nothing_at_once(void **state)
{
    struct fixture *f = *state;
    struct wire_msg m = {.type = WIRE_BATCH};
    uint64_t token = greet(f), began_ms = f->now_ms;
    f->head = (struct checkpoint){.size = 0};
    crypto_sha256(NULL, 0, f->head.root.b);
    m.u.batch = (struct wire_batch){.origin = PEER};
    for (int i = 0; i < 12; i++) {
        step(f, (struct sync_event){.type = SYNC_EVENT_REPLY, .token = token, .message = &m});
        assert_null(find(f, SYNC_ACTION_ALARM)); /* a newer version may have its reasons */
        assert_null(find(f, SYNC_ACTION_REQUEST));
        f->now_ms = sync_timeout(f->sync);
        step(f, (struct sync_event){.type = SYNC_EVENT_TIME});
        token = asked(f, WIRE_PULL);
    }
    assert_true(f->now_ms - began_ms >= 100000);

    f->now_ms += POLL_MS; /* and one that waits is asked on at once */
    step(f, (struct sync_event){.type = SYNC_EVENT_REPLY, .token = token, .message = &m});
    assert_int_equal(pulled_from(f), 0);

    token = asked(f, WIRE_PULL);                           /* news are not held up by the pauses of before */
    step(f, (struct sync_event){.type = SYNC_EVENT_TIME}); /* ledger.stalled, once */
    step(f, (struct sync_event){.type = SYNC_EVENT_REPLY, .token = token, .message = &m});
    assert_null(find(f, SYNC_ACTION_REQUEST));
    struct wire_msg hint = {.type = WIRE_HINT};
    hint.u.hint = (struct wire_hint){.origin = PEER, .size = 1, .your_seq = 1};
    step(f, (struct sync_event){.type = SYNC_EVENT_REQUEST, .handle = 1, .message = &hint});
    assert_int_equal(sync_timeout(f->sync), f->now_ms);
}

/* ---- the author: requests ---- */

/* The answer to the request with @handle, which must be ERROR @code @id. */
static void refused(const struct fixture *f, uint64_t handle, enum wire_error_code code, const char *id)
{
    for (size_t i = 0; i < f->update.count; i++) {
        const struct sync_action *a = &f->update.actions[i];
        if (a->type != SYNC_ACTION_REPLY || a->handle != handle)
            continue;
        assert_int_equal(a->message.type, WIRE_ERROR);
        assert_string_equal(a->message.u.error.id, id);
        assert_int_equal(a->message.u.error.code, code);
        return;
    }
    fail_msg("%s: no answer", id);
}

static void request(struct fixture *f, uint64_t handle, const struct wire_msg *m)
{
    step(f, (struct sync_event){.type = SYNC_EVENT_REQUEST, .handle = handle, .message = m});
}

/* A PULL from the beginning that an empty ledger parks. */
static struct wire_msg honest_pull(void)
{
    struct wire_msg m = {.type = WIRE_PULL};
    m.u.pull = (struct wire_pull){.origin = SELF, .max_bytes = 1000, .wait_ms = 1000};
    crypto_sha256(NULL, 0, m.u.pull.root_at_from.b);
    return m;
}

static void test_forged_greetings(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint32_t node, min, max;
        const char *id; /* NULL: answered by our own */
        enum wire_error_code code;
    } table[] = {
        {OTHER, 1, 1, "sync.other-node", WIRE_ERROR_DENIED},
        {SELF, 1, 1, "sync.other-node", WIRE_ERROR_DENIED},
        {PEER, WIRE_VERSION + 1, WIRE_VERSION + 9, "sync.version", WIRE_ERROR_MALFORMED},
        {PEER, 0, WIRE_VERSION - 1, "sync.version", WIRE_ERROR_MALFORMED},
        {PEER, 0, UINT32_MAX, NULL, 0},
    };
    for (size_t i = 0; i < array_count(table); i++) {
        struct wire_msg m = {.type = WIRE_HELLO};
        m.u.hello = (struct wire_hello){.version_min = table[i].min,
                                        .version_max = table[i].max,
                                        .node = table[i].node,
                                        .software = "",
                                        .your_size = 9};
        request(f, i, &m);
        if (table[i].id != NULL) {
            refused(f, i, table[i].code, table[i].id);
            assert_null(find(f, SYNC_ACTION_BEHIND)); /* what it says of our ledger does not count */
        } else {
            assert_int_equal(find(f, SYNC_ACTION_REPLY)->message.type, WIRE_HELLO);
        }
    }
}

static void test_forged_pulls(void **state)
{
    struct fixture *f = *state;
    struct wire_msg m = honest_pull();
    m.u.pull.origin = OTHER;
    request(f, 1, &m);
    refused(f, 1, WIRE_ERROR_NOT_FOUND, "sync.not-author");

    m = honest_pull();
    m.u.pull.start = 1; /* it says that it has verified more than there is */
    request(f, 2, &m);
    refused(f, 2, WIRE_ERROR_UNAVAILABLE, "sync.start");
    assert_null(find(f, SYNC_ACTION_ACKED));

    m = honest_pull();
    m.u.pull.from = m.u.pull.start = 5; /* it acknowledges more than there is */
    request(f, 3, &m);
    refused(f, 3, WIRE_ERROR_UNAVAILABLE, "sync.recovering");
    assert_null(find(f, SYNC_ACTION_ACKED));
    assert_int_equal(find(f, SYNC_ACTION_BEHIND)->size, 5); /* for the shell to judge: only signed heads count there */

    m = honest_pull();
    sync_set_recovering(f->sync, true);
    request(f, 4, &m);
    refused(f, 4, WIRE_ERROR_UNAVAILABLE, "sync.recovering");
    sync_set_recovering(f->sync, false);

    m.u.pull.root_at_from.b[0] ^= 1;
    request(f, 5, &m);
    refused(f, 5, WIRE_ERROR_CONFLICT, "ledger.contradicted");
    request(f, 6, &m);
    refused(f, 6, WIRE_ERROR_CONFLICT, "ledger.contradicted");
    assert_null(find(f, SYNC_ACTION_ALARM)); /* the operator hears of it once */
}

/* One place for each follower: whoever asks on and on takes its own. */
static void test_one_parked_pull(void **state)
{
    struct fixture *f = *state;
    struct wire_msg m = honest_pull();
    request(f, 10, &m);
    assert_int_equal(f->update.count, 0); /* it waits */
    for (uint64_t handle = 11; handle < 20; handle++) {
        request(f, handle, &m);
        refused(f, handle - 1, WIRE_ERROR_TOO_MANY, "sync.replaced");
        assert_int_equal(f->update.count, 1);
    }
    f->now_ms += 1000;
    step(f, (struct sync_event){.type = SYNC_EVENT_TIME});
    assert_int_equal(find(f, SYNC_ACTION_BATCH)->handle, 19);
}

/* An answer where a question belongs, and a question of who is no member (any more). */
static void test_no_requests(void **state)
{
    struct fixture *f = *state;
    static const enum wire_type answers[] = {WIRE_BATCH, WIRE_ERROR, WIRE_OK};
    for (size_t i = 0; i < array_count(answers); i++) {
        struct wire_msg m = {.type = answers[i]};
        request(f, i, &m);
        refused(f, i, WIRE_ERROR_MALFORMED, "sync.not-a-request");
        assert_int_equal(f->update.count, 1);
    }
    struct wire_msg m = honest_pull();
    sync_remove_peer(f->sync, PEER);
    request(f, 9, &m);
    refused(f, 9, WIRE_ERROR_DENIED, "sync.no-member");
    assert_int_equal(f->update.count, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_forged_batches), T(test_nothing_at_once), T(test_forged_greetings),
        T(test_forged_pulls),   T(test_one_parked_pull), T(test_no_requests),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
