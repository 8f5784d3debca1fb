/* node/recovery: an older copy of a ledger asks the members for what it lacks. What they hold is played by a script over a link that is
 * none; ledger, replication and loop are the real ones. Nothing sleeps: the end of the recovery, or what it says, stops the loop. */
#include "tests/unit/node/ledger_rig.h"

#include "federation/wire/wire.h"
#include "node/recovery.h"

#define SELF LEDGER_RIG_SELF
#define FIRST 330000u /* the members that are asked */
#define SECOND 440000u
#define OLD 5u /* entries of the older copy */
#define ALL 10u
#define LOOK_MS 1u
#define MIDDLE 7u
#define MANY 40u /* other members: more than can be suspects */

/* What a member answers to RECOVER. */
struct holder {
    uint32_t code;
    uint64_t from, to; /* the entries it holds */
    uint64_t shows;    /* the checkpoint: 0 none, else OLD or ALL */
    bool unavailable;
    bool is_wrong;   /* it leaves out the first entry and gives the second one twice */
    uint64_t forges; /* a bit for each entry of which it gives another one, well-formed */
};

struct rig {
    struct link link; /* first: the link is the rig */
    struct ledger_rig base;
    struct loop_timer *look;
    struct member list[MANY + 1];
    struct members members;
    struct replication *replication;
    struct recovery *recovery;
    struct buf leaves[ALL], payloads[ALL], notes[2]; /* of OLD, of ALL */
    struct buf forged[ALL];                          /* leaves that this node never wrote */
    struct merkle_hash root;
    const struct holder *holders;
    size_t holder_count;
    uint32_t without_content; /* this one gives leaves alone; 0 = none */
    bool says_held;           /* and says that they have no content */
    const char *wanted;       /* the loop stops when recovery_state() has this, too */
    unsigned
        late_after; /* up to so many requests the members know of MIDDLE entries only; 0 = of all from the first on */
    unsigned asked, committed;
    size_t restored;
    bool is_whole;
};

/* ---- the members ---- */

static void reply(struct rig *r, uint32_t peer, uint64_t token, const struct wire_msg *m)
{
    struct buf out = {0};
    struct link_event event = {.type = LINK_REPLY, .peer = peer, .token = token};
    assert_int_equal(wire_encode(m, &out, NULL), 0);
    event.data = xmalloc(out.size);
    event.size = out.size;
    memcpy(event.data, out.data, out.size);
    buf_close(&out);
    replication_link_event(r->replication, &event);
}

static void give(struct rig *r, const struct holder *h, uint64_t from, uint64_t token)
{
    struct wire_recovered_entry rows[ALL] = {0};
    struct wire_msg m = {.type = WIRE_RECOVERED};
    size_t count = 0;
    bool is_early = r->asked <= r->late_after;
    for (uint64_t i = max_of(from, h->from); i < (is_early ? min_of(h->to, MIDDLE) : h->to); i++)
        rows[count++] = (struct wire_recovered_entry){
            .leaf = buf_bytes(&r->leaves[i]), .payload = buf_bytes(&r->payloads[i]), .payload_held = true};
    for (size_t i = 0; i < count && h->code == r->without_content; i++) {
        rows[i].payload = bytes_of(NULL, 0);
        rows[i].payload_held = r->says_held;
    }
    for (size_t i = 0; i < count; i++)
        if (h->forges >> (max_of(from, h->from) + i) & 1)
            rows[i].leaf = buf_bytes(&r->forged[max_of(from, h->from) + i]);
    if (h->is_wrong && count > 1)
        rows[0] = rows[1];
    m.u.recovered = (struct wire_recovered){.entries = rows, .entry_count = count, .unavailable = h->unavailable};
    if (h->shows > 0 && !is_early)
        m.u.recovered.checkpoint = buf_bytes(&r->notes[h->shows == ALL]);
    reply(r, h->code, token, &m);
}

static int request_cb(struct link *l, uint32_t peer, struct bytes message, uint64_t token, uint32_t timeout_ms,
                      struct err *e)
{
    struct rig *r = (struct rig *)l;
    struct arena a = ARENA_INIT;
    struct wire_msg m;
    (void)timeout_ms;
    (void)e;
    assert_int_equal(wire_decode(message, &a, &m, NULL), 0);
    for (size_t i = 0; m.type == WIRE_RECOVER && i < r->holder_count; i++)
        if (r->holders[i].code == peer) {
            r->asked++;
            give(r, &r->holders[i], m.u.recover.from, token);
        }
    arena_close(&a);
    return 0;
}

static const struct link_ops ops = {.request = request_cb};

/* ---- the rig ---- */

static void on_nothing(void *ctx)
{
    (void)ctx;
}

static void on_state(void *ctx, const struct err *e)
{
    struct rig *r = ctx;
    if (e != NULL || ledger_size(r->base.ledger) < ALL)
        return;
    r->is_whole = true;
    loop_stop(r->base.loop);
}

static void on_reload(void *ctx, const struct store_ledger_state *state)
{
    struct rig *r = ctx;
    replication_set_ledger(r->replication, r->base.ledger);
    replication_reload(r->replication, state);
}

static void on_restored(void *ctx, const struct sync_entry *entries, size_t count, struct ledger_txn *txn)
{
    struct rig *r = ctx;
    (void)txn;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(entries[i].leaf.index, OLD + r->restored + i);
    r->restored += count;
}

static void on_link(void *ctx, uint32_t peer, bool up)
{
    (void)ctx;
    (void)peer;
    (void)up;
}

static uint64_t seen_size(void *ctx, uint32_t peer)
{
    (void)ctx;
    (void)peer;
    return 0;
}

static void committed(void *ctx, const struct err *e)
{
    struct rig *r = ctx;
    assert_int_equal(e->code, 0);
    r->committed++;
    loop_stop(r->base.loop);
}

static void open_ledger(struct rig *r)
{
    assert_int_equal(ledger_rig_open(&r->base), 0);
}

static void append(struct rig *r, unsigned count)
{
    struct ledger_txn *t = ledger_txn_create(r->base.ledger);
    const uint32_t to = FIRST;
    for (unsigned i = 0; i < count; i++) {
        struct leaf leaf = {.kind = LEAF_KIND_EVENT, .event_type = 21};
        struct merkle_hash hash;
        ledger_txn_append(t, &leaf, 0, &to, 1, bytes_of("payload", 7), NULL, &hash);
    }
    ledger_commit(t, committed, r);
    loop_run(r->base.loop);
}

static void keep_note(struct rig *r, struct buf *to)
{
    struct bytes note = ledger_head(r->base.ledger)->note;
    buf_put(to, note.data, note.size);
}

static void copy_file(const char *from, const char *to)
{
    uint8_t chunk[65536];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, in)) > 0;)
        assert_int_equal(fwrite(chunk, 1, n, out), n);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

static void keep_entries(struct rig *r)
{
    for (uint64_t i = 0; i < ALL; i++) {
        struct arena a = ARENA_INIT;
        struct bytes leaf, payload;
        struct leaf forged;
        bool held;
        assert_int_equal(ledger_read_entry(r->base.ledger, i, &a, &leaf, &payload, &held, NULL), 0);
        buf_put(&r->leaves[i], leaf.data, leaf.size);
        buf_put(&r->payloads[i], payload.data, payload.size);
        assert_int_equal(leaf_decode(leaf, &forged, NULL), 0);
        forged.salt[0] ^= 1;
        assert_int_equal(leaf_encode(&forged, &r->forged[i], NULL), 0);
        arena_close(&a);
    }
}

/* ALL entries are written and signed, then ledger.db goes back to OLD; heads.db stays, or goes back to MIDDLE. */
static void write_and_go_back(struct rig *r, bool heads_too)
{
    char now[96], old[96], heads[96], old_heads[96];
    (void)snprintf(now, sizeof now, "%s/ledger.db", r->base.dir);
    (void)snprintf(old, sizeof old, "%s/old.db", r->base.dir);
    (void)snprintf(heads, sizeof heads, "%s/heads.db", r->base.dir);
    (void)snprintf(old_heads, sizeof old_heads, "%s/old-heads.db", r->base.dir);
    open_ledger(r);
    append(r, OLD);
    keep_note(r, &r->notes[0]);
    ledger_close(r->base.ledger);
    copy_file(now, old);
    open_ledger(r);
    append(r, MIDDLE - OLD);
    ledger_close(r->base.ledger);
    copy_file(heads, old_heads);
    open_ledger(r);
    append(r, ALL - MIDDLE);
    keep_note(r, &r->notes[1]);
    keep_entries(r);
    r->root = ledger_head(r->base.ledger)->root;
    ledger_close(r->base.ledger);
    copy_file(old, now);
    if (heads_too)
        copy_file(old_heads, heads);
    open_ledger(r);
    assert_int_equal(ledger_behind(r->base.ledger), heads_too ? MIDDLE : ALL);
}

static void look_cb(void *ctx)
{
    struct rig *r = ctx;
    if (strstr(recovery_state(r->recovery), r->wanted) != NULL)
        loop_stop(r->base.loop);
    else
        loop_timer_set(r->look, LOOK_MS);
}

static int setup_with(void **state, bool heads_too)
{
    struct rig *r = xcalloc(1, sizeof *r);
    *state = r;
    r->link.ops = &ops;
    const struct ledger_config callbacks = {
        .on_sealed = on_nothing, .on_state = on_state, .on_reload = on_reload, .ctx = r};
    if (ledger_rig_init(&r->base, &callbacks) != 0)
        return -1;
    for (uint32_t i = 0; i < array_count(r->list); i++) {
        uint32_t code = i == 0 ? FIRST : i == 1 ? SECOND : i == 2 ? SELF : 600000 + i * 100;
        r->list[i] = (struct member){.code = code, .name = "x", .url = "", .key = r->base.signer.key};
    }
    r->members = (struct members){.list = r->list, .count = array_count(r->list)};
    r->replication = replication_create(&(struct replication_config){.self = SELF,
                                                                     .software = "test",
                                                                     .loop = r->base.loop,
                                                                     .members = &r->members,
                                                                     .on_link = on_link,
                                                                     .seen_size = seen_size});
    write_and_go_back(r, heads_too);
    r->look = loop_timer_create(r->base.loop, look_cb, r);
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, false);
}

static int setup_old_heads(void **state)
{
    return setup_with(state, true);
}

static int teardown(void **state)
{
    struct rig *r = *state;
    recovery_close(r->recovery);
    replication_set_link(r->replication, NULL);
    loop_drain(r->base.loop);
    ledger_rig_close_ledger(&r->base);
    loop_timer_destroy(r->look);
    loop_drain(r->base.loop);
    recovery_destroy(r->recovery);
    replication_destroy(r->replication);
    for (size_t i = 0; i < ALL; i++) {
        buf_close(&r->leaves[i]);
        buf_close(&r->payloads[i]);
        buf_close(&r->forged[i]);
    }
    buf_close(&r->notes[0]);
    buf_close(&r->notes[1]);
    ledger_rig_close(&r->base);
    free(r);
    return 0;
}

/* Connects the members and recovers until the ledger is whole or recovery_state() has @wanted. */
static void recover(struct rig *r, const struct holder *holders, size_t count, const char *wanted)
{
    r->holders = holders;
    r->holder_count = count;
    r->wanted = wanted;
    replication_set_link(r->replication, &r->link);
    for (size_t i = 0; i < count; i++)
        replication_link_event(r->replication, &(struct link_event){.type = LINK_UP, .peer = holders[i].code});
    loop_drain(r->base.loop);
    r->recovery = recovery_create(&(struct recovery_config){
        .self = SELF, .loop = r->base.loop, .members = &r->members, .on_restored = on_restored, .ctx = r});
    recovery_set_parts(r->recovery, r->base.ledger, r->replication);
    recovery_check(r->recovery);
    loop_timer_set(r->look, LOOK_MS);
    loop_run(r->base.loop);
}

static void check_whole(const struct rig *r)
{
    assert_true(r->is_whole);
    assert_int_equal(r->restored, ALL - OLD);
    assert_int_equal(ledger_behind(r->base.ledger), 0);
    assert_int_equal(ledger_check_writable(r->base.ledger, NULL), 0);
    const struct ledger_head *head = ledger_head(r->base.ledger);
    assert_int_equal(head->size, ALL);
    assert_true(merkle_hash_equal(&head->root, &r->root));
    assert_true(bytes_equal(head->note, buf_bytes(&r->notes[1])));
    assert_string_equal(recovery_state(r->recovery), "");
}

static unsigned alarms(const struct rig *r, const char *id)
{
    struct replication_alarm_info rows[REPLICATION_ALARMS_MAX];
    size_t count = replication_alarms(r->replication, rows);
    unsigned found = 0;
    for (size_t i = 0; i < count; i++)
        found += strcmp(rows[i].id, id) == 0;
    return found;
}

static unsigned missing_alarms(const struct rig *r)
{
    return alarms(r, "ledger.missing");
}

/* About @peer, which gave what this node never wrote. */
static unsigned liar_alarms(const struct rig *r, uint32_t peer)
{
    struct replication_alarm_info rows[REPLICATION_ALARMS_MAX];
    size_t count = replication_alarms(r->replication, rows);
    unsigned found = 0;
    for (size_t i = 0; i < count; i++)
        found += strcmp(rows[i].id, "ledger.recovery-forged") == 0 && rows[i].peer == peer;
    return found;
}

/* ---- tests ---- */

/* Entries were sent to somebody, the checkpoint over the last of them to nobody: heads.db knows it, and that is enough. */
static void test_own_head_is_a_goal(void **state)
{
    static const struct holder holders[] = {{FIRST, 0, ALL, 0, false, false, 0}};
    struct rig *r = *state;
    recover(r, holders, array_count(holders), "held by none");
    check_whole(r);
    append(r, 1); /* and it goes on behind them */
    assert_int_equal(ledger_head(r->base.ledger)->size, ALL + 1);
}

static void test_an_older_checkpoint_is_none(void **state)
{
    static const struct holder holders[] = {{FIRST, 0, ALL, OLD, false, false, 0}};
    struct rig *r = *state;
    recover(r, holders, array_count(holders), "held by none");
    check_whole(r);
}

/* Nobody holds all of it; the members together do. */
static void test_pieces(void **state)
{
    static const struct holder holders[] = {{FIRST, 8, ALL, ALL, false, false, 0},
                                            {SECOND, 3, 8, OLD, false, false, 0}};
    struct rig *r = *state;
    recover(r, holders, array_count(holders), "held by none");
    check_whole(r);
}

static void test_a_useless_answer_beside_a_good_one(void **state)
{
    static const struct holder holders[] = {{FIRST, 0, ALL, 0, false, true, 0}, {SECOND, 0, ALL, ALL, false, false, 0}};
    struct rig *r = *state;
    recover(r, holders, array_count(holders), "held by none");
    check_whole(r);
}

/* Not everybody was given the content of an entry, and somebody may lie about it: it is taken from whoever has it. */
static void content_of_the_second(struct rig *r, bool says_held)
{
    static const struct holder holders[] = {{FIRST, 0, ALL, ALL, false, false, 0},
                                            {SECOND, 0, ALL, ALL, false, false, 0}};
    r->without_content = FIRST;
    r->says_held = says_held;
    recover(r, holders, array_count(holders), "held by none");
    check_whole(r);
    for (uint64_t i = OLD; i < ALL; i++) {
        struct arena a = ARENA_INIT;
        struct bytes leaf, payload;
        bool held;
        assert_int_equal(ledger_read_entry(r->base.ledger, i, &a, &leaf, &payload, &held, NULL), 0);
        assert_true(held && bytes_equal(payload, buf_bytes(&r->payloads[i])));
        arena_close(&a);
    }
}

static void test_content_was_not_given(void **state)
{
    content_of_the_second(*state, false);
}

static void test_content_is_denied(void **state)
{
    content_of_the_second(*state, true);
}

/* The first pass knew of MIDDLE entries; a longer ledger is heard of in the second one, while they are written. */
static void test_a_newer_checkpoint_while_it_writes(void **state)
{
    static const struct holder holders[] = {{FIRST, 0, ALL, ALL, false, false, 0}};
    struct rig *r = *state;
    r->late_after = 1;
    recover(r, holders, array_count(holders), "held by none");
    check_whole(r);
}

/* Whoever has answered holds none: the operator is told, and what can be done. */
static void test_nobody_holds_it(void **state)
{
    static const struct holder holders[] = {{FIRST, 0, 7, 0, false, false, 0}, {SECOND, 9, ALL, ALL, false, false, 0}};
    struct rig *r = *state;
    recover(r, holders, array_count(holders), "held by none");
    assert_false(r->is_whole);
    assert_non_null(
        strstr(recovery_state(r->recovery), "entries 7 to 8 are held by none of the 2 nodes that answered"));
    assert_int_equal(missing_alarms(r), 1);
    assert_int_equal(r->restored, 0);
    assert_int_equal(ledger_size(r->base.ledger), OLD);
    assert_int_not_equal(ledger_check_writable(r->base.ledger, NULL), 0);
}

/* A member that cannot read its store has not said that it holds nothing: nobody is advised to give up. */
static void test_one_cannot_say(void **state)
{
    static const struct holder holders[] = {{FIRST, 0, 7, 0, false, false, 0}, {SECOND, 0, 0, ALL, true, false, 0}};
    struct rig *r = *state;
    recover(r, holders, array_count(holders), "held by none");
    assert_false(r->is_whole);
    assert_non_null(strstr(recovery_state(r->recovery), "entries 7 to 9 are held by none of the 1 nodes that answered; "
                                                        "1 cannot read now what they hold"));
    assert_int_equal(missing_alarms(r), 0);
}

static void test_none_can_say(void **state)
{
    static const struct holder holders[] = {{FIRST, 0, 0, ALL, true, false, 0}, {SECOND, 0, 0, 0, true, false, 0}};
    struct rig *r = *state;
    recover(r, holders, array_count(holders), "no other node answers");
    assert_false(r->is_whole);
    assert_int_equal(missing_alarms(r), 0);
}

/* One member gives entries that this node never wrote, under their numbers: it stops nobody, whichever of the two is asked first. */
static void one_liar(struct rig *r, uint32_t liar, uint64_t forges)
{
    struct holder holders[] = {{FIRST, 0, ALL, ALL, false, false, 0}, {SECOND, 0, ALL, ALL, false, false, 0}};
    holders[liar == SECOND].forges = forges;
    recover(r, holders, array_count(holders), "never");
    check_whole(r);
    assert_int_equal(liar_alarms(r, liar), 1);
    assert_int_equal(liar_alarms(r, liar == FIRST ? SECOND : FIRST), 0);
    append(r, 1);
    assert_int_equal(ledger_head(r->base.ledger)->size, ALL + 1);
}

static void test_first_forges_one(void **state)
{
    one_liar(*state, FIRST, 1 << 7);
}

static void test_first_forges_all(void **state)
{
    one_liar(*state, FIRST, (1 << ALL) - 1);
}

static void test_second_forges_all(void **state)
{
    one_liar(*state, SECOND, (1 << ALL) - 1);
}

/* It gives the content as well, the honest one has the leaf alone: content vouches for nothing. */
static void test_forger_with_content(void **state)
{
    struct rig *r = *state;
    r->without_content = SECOND;
    one_liar(r, FIRST, 1 << 6);
}

/* All others of a federation contradict one: that one is the first who is not believed any more. */
static void one_liar_of_many(struct rig *r, size_t liar)
{
    struct holder holders[MANY];
    for (size_t i = 0; i < MANY; i++)
        holders[i] =
            (struct holder){r->list[i < 2 ? i : i + 1].code, 0, ALL, ALL, false, false, i == liar ? 1 << 9 : 0};
    recover(r, holders, MANY, "never");
    check_whole(r);
    assert_int_equal(liar_alarms(r, holders[liar].code), 1);
    assert_int_equal(alarms(r, "ledger.recovery-forged"), 1);
    assert_true(r->asked <= 6 * MANY); /* an attempt asks for two pages and, when it was the right one, for all again */
}

static void test_first_of_many_forges(void **state)
{
    one_liar_of_many(*state, 0);
}

static void test_last_of_many_forges(void **state)
{
    one_liar_of_many(*state, MANY - 1);
}

/* Both lie, each about something else: neither can be believed, and none of it is taken. The operator hears of it. */
static void test_all_forge(void **state)
{
    static const struct holder holders[] = {{FIRST, 0, ALL, ALL, false, false, 1 << 6},
                                            {SECOND, 0, ALL, ALL, false, false, 1 << 8}};
    struct rig *r = *state;
    recover(r, holders, array_count(holders), "contradict");
    assert_false(r->is_whole);
    assert_int_equal(alarms(r, "ledger.recovery-root"), 1);
    assert_int_equal(r->restored, 0);
    assert_int_equal(ledger_size(r->base.ledger), OLD);
    assert_int_not_equal(ledger_check_writable(r->base.ledger, NULL), 0);
}

/* Between the last entry that came back and the checkpoint over it nothing is taken in or shown. */
static void test_not_before_the_seal(void **state)
{
    struct rig *r = *state;
    struct ledger_txn *t = ledger_txn_create(r->base.ledger);
    for (unsigned i = OLD; i < ALL; i++) {
        struct leaf leaf;
        assert_int_equal(leaf_decode(buf_bytes(&r->leaves[i]), &leaf, NULL), 0);
        ledger_txn_restore(t, &leaf, buf_bytes(&r->leaves[i]), buf_bytes(&r->payloads[i]), true);
    }
    ledger_commit(t, committed, r);
    loop_run(r->base.loop);
    struct checkpoint head = {.size = ALL, .root = r->root};
    assert_int_equal(ledger_check_shown(r->base.ledger, NULL), ERR_CLOSED);
    struct err e = {0};
    head.root.b[0] ^= 1; /* a checkpoint of other entries is none of these */
    assert_int_equal(ledger_recovered(r->base.ledger, &head, buf_bytes(&r->notes[1]), &e), ERR_VERIFY);
    assert_string_equal(e.id, "ledger.recovery-root");
    assert_int_equal(ledger_behind(r->base.ledger), ALL);
    head.root.b[0] ^= 1;
    assert_int_equal(ledger_recovered(r->base.ledger, &head, buf_bytes(&r->notes[1]), NULL), 0);
    assert_int_equal(ledger_behind(r->base.ledger), 0);
    assert_int_equal(ledger_check_writable(r->base.ledger, NULL), ERR_CLOSED);
    assert_int_equal(ledger_check_shown(r->base.ledger, NULL), ERR_CLOSED);
    assert_false(r->is_whole);
    loop_run(r->base.loop);
    r->restored = ALL - OLD;
    r->recovery =
        recovery_create(&(struct recovery_config){.self = SELF, .loop = r->base.loop, .members = &r->members});
    check_whole(r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_own_head_is_a_goal),
        T(test_an_older_checkpoint_is_none),
        T(test_pieces),
        T(test_a_useless_answer_beside_a_good_one),
        T(test_content_was_not_given),
        T(test_content_is_denied),
        T(test_first_forges_one),
        T(test_first_forges_all),
        T(test_second_forges_all),
        T(test_forger_with_content),
        T(test_first_of_many_forges),
        T(test_last_of_many_forges),
        T(test_all_forge),
        cmocka_unit_test_setup_teardown(test_a_newer_checkpoint_while_it_writes, setup_old_heads, teardown),
        T(test_nobody_holds_it),
        T(test_one_cannot_say),
        T(test_none_can_say),
        T(test_not_before_the_seal),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
